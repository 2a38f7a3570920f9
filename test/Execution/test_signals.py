"""Fourier transforms, frames and mel filters, against NumPy and onnxruntime."""

import os
import subprocess

import numpy as np
import pytest
from graphs import check, expected, helper, model, onnx, refusal

FLOAT, INT64 = 1, 7
node = helper.make_node


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def parts(z):
    return np.stack([z.real, z.imag], -1).astype(np.float32)


def complex_of(x):
    return x[..., 0] + 1j * x[..., 1]


@pytest.mark.parametrize("opset", [17, 20])
@pytest.mark.parametrize("onesided", [0, 1])
def test_of_real_signals(qcc_tool, tmp_path, opset, onesided):
    """Along a dynamic axis, and along one of fixed length whose matrix is a constant."""
    axes = {} if opset == 20 else {"axis": 2}
    transform = node("DFT", ["x", "", "two"] if opset == 20 else ["x"], ["y"], onesided=onesided, **axes)
    fixed = node("DFT", ["x", "", "one"] if opset == 20 else ["x"], ["z"], onesided=onesided)
    proto = model([transform, fixed], {"x": (FLOAT, ["b", 12, "t", 1])}, {"y": (FLOAT, None), "z": (FLOAT, None)},
                  {"one": np.array(1), "two": np.array(-2)}, opset=opset)
    fft = np.fft.rfft if onesided else np.fft.fft
    sets = []
    for b, t in ((2, 9), (1, 16), (3, 1)):
        x = numbers(b, 12, t, 1)
        sets.append(({"x": x}, {"y": parts(fft(x[..., 0], axis=2)), "z": parts(fft(x[..., 0], axis=1))}))
    check(qcc_tool, tmp_path, proto, sets, 1e-4, 1e-4)


@pytest.mark.parametrize("inverse", [0, 1])
def test_of_complex_signals(qcc_tool, tmp_path, inverse):
    proto = model([node("DFT", ["x"], ["y"], inverse=inverse)], {"x": (FLOAT, ["b", "t", 2])}, {"y": (FLOAT, None)}, opset=20)
    fft = np.fft.ifft if inverse else np.fft.fft
    check(qcc_tool, tmp_path, proto, [({"x": x}, {"y": parts(fft(complex_of(x), axis=1))})
                                      for x in (numbers(2, 10, 2), numbers(1, 33, 2))], 1e-4, 1e-4)


@pytest.mark.parametrize("length", [8, 15, 20])
def test_lengths_that_cut_and_fill(qcc_tool, tmp_path, length):
    proto = model([node("DFT", ["x", "n"], ["y"], onesided=1), node("DFT", ["c", "n"], ["z"], inverse=1, onesided=1)],
                  {"x": (FLOAT, ["b", 15, 1]), "c": (FLOAT, ["b", "t", 2])}, {"y": (FLOAT, None), "z": (FLOAT, None)},
                  {"n": np.array(length)}, opset=20)
    sets = []
    for b, t in ((1, 6), (2, 11)):
        x, c = numbers(b, 15, 1), numbers(b, t, 2, seed=t)
        real = np.fft.irfft(complex_of(c), n=length, axis=1)[..., None].astype(np.float32)
        sets.append(({"x": x, "c": c}, {"y": parts(np.fft.rfft(x[..., 0], n=length, axis=1)), "z": real}))
    check(qcc_tool, tmp_path, proto, sets, 1e-4, 1e-4)


def test_there_and_back(qcc_tool, tmp_path):
    """Half a spectrum, and the real signal of even length out of it."""
    proto = model([node("DFT", ["x"], ["h"], onesided=1), node("DFT", ["h"], ["y"], inverse=1, onesided=1)],
                  {"x": (FLOAT, ["b", 24, 1])}, {"y": (FLOAT, ["b", 24, 1])}, opset=20)
    check(qcc_tool, tmp_path, proto, [({"x": x}, {"y": x}) for x in (numbers(1, 24, 1), numbers(5, 24, 1))], 1e-4, 1e-4)


def test_axis_and_length_are_data(qcc_tool, tmp_path):
    proto = model([node("DFT", ["x", "n", "a"], ["y"], onesided=1), node("DFT", ["x", "", "a"], ["z"])],
                  {"x": (FLOAT, ["b", "s", "t", 1]), "n": (INT64, []), "a": (INT64, [])}, {"y": (FLOAT, None), "z": (FLOAT, None)}, opset=20)
    sets = []
    for axis, length in ((1, 6), (-2, 9), (0, 2)):
        x, real = numbers(3, 6, 7, 1), axis % 4
        sets.append(({"x": x, "n": np.array(length), "a": np.array(axis)},
                     {"y": parts(np.fft.rfft(x[..., 0], n=length, axis=real)), "z": parts(np.fft.fft(x[..., 0], axis=real))}))
    check(qcc_tool, tmp_path, proto, sets, 1e-4, 1e-4)


def test_many_elements_keep_their_angles(qcc_tool, tmp_path):
    """The product of two indices is beyond what an f32 counts."""
    proto = model([node("DFT", ["x"], ["y"], onesided=1)], {"x": (FLOAT, ["b", "t", 1])}, {"y": (FLOAT, None)}, opset=20)
    x = numbers(1, 4099, 1)
    check(qcc_tool, tmp_path, proto, [({"x": x}, {"y": parts(np.fft.rfft(x[..., 0].astype(np.float64), axis=1))})], 2e-3, 1e-3)


def test_a_transform_without_a_matrix_is_refused(qcc_tool, tmp_path):
    proto = model([node("DFT", ["x"], ["y"], name="spectrum")], {"x": (FLOAT, [1, 16000, 1])}, {"y": (FLOAT, None)}, opset=20)
    message = refusal(qcc_tool, tmp_path, proto)
    assert "'spectrum'" in message and "a transform of 16000 elements takes a matrix of 16000 x 16000" in message
    assert "transform frames of fewer elements (STFT)" in message


@pytest.mark.parametrize("onesided", [0, 1])
@pytest.mark.parametrize("window", ["none", "constant", "data"])
def test_frames(qcc_tool, tmp_path, window, onesided):
    inputs = {"x": (FLOAT, ["b", "t", 1])}
    weights = {"step": np.array(5), "length": np.array(16)}
    if window == "data":
        inputs["w"] = (FLOAT, [16])
    elif window == "constant":
        weights["w"] = np.hanning(16).astype(np.float32)
    proto = model([node("STFT", ["x", "step", "" if window == "none" else "w", "length"], ["y"], onesided=onesided)],
                  inputs, {"y": (FLOAT, None)}, weights, opset=17)
    sets = []
    for b, t in ((1, 16), (2, 61)):
        one = {"x": numbers(b, t, 1)}
        if window == "data":
            one["w"] = numbers(16, seed=4)
        sets.append((one, expected(proto, one)))
    check(qcc_tool, tmp_path, proto, sets, 1e-4, 1e-4)


def test_frames_of_complex_signals(qcc_tool, tmp_path):
    proto = model([node("STFT", ["x", "step", "w"], ["y"], onesided=0)], {"x": (FLOAT, ["b", "t", 2]), "step": (INT64, [])}, {"y": (FLOAT, None)},
                  {"w": np.hamming(10).astype(np.float32)}, opset=17)
    sets = []
    for t, step in ((30, 3), (19, 7)):
        x = numbers(2, t, 2)
        frames = np.stack([complex_of(x)[:, s:s + 10] for s in range(0, t - 9, step)], 1) * np.hamming(10)
        sets.append(({"x": x, "step": np.array(step)}, {"y": parts(np.fft.fft(frames, axis=2))}))
    check(qcc_tool, tmp_path, proto, sets, 1e-4, 1e-4)


@pytest.mark.parametrize("numbers_of", [(8, 16, 8192, 0.0, 4096.0), (80, 400, 16000, 0.0, 8000.0), (40, 512, 22050, 60.0, 7000.0)])
def test_mel_filters(qcc_tool, tmp_path, numbers_of):
    """Of constants, and of the same numbers as data."""
    names = ["filters", "length", "rate", "low", "high"]
    values = dict(zip(names, [np.array(v, np.int64 if i < 3 else np.float32) for i, v in enumerate(numbers_of)]))
    data = {k + "_": v for k, v in values.items()}
    kinds = {k: (INT64 if v.dtype == np.int64 else FLOAT, []) for k, v in data.items()}
    proto = model([node("MelWeightMatrix", names, ["y"]), node("MelWeightMatrix", [k + "_" for k in names], ["z"])],
                  kinds, {"y": (FLOAT, None), "z": (FLOAT, None)}, values, opset=17)
    from onnx.reference import ReferenceEvaluator
    want = dict(zip("yz", ReferenceEvaluator(proto).run(None, data)))
    check(qcc_tool, tmp_path, proto, [(data, want)])


def test_the_front_of_a_speech_model(qcc_tool, tmp_path):
    """From samples to log mel features: window, frames, power, filters."""
    nodes = [node("HannWindow", ["length"], ["w"]), node("STFT", ["x", "step", "w"], ["s"]), node("Mul", ["s", "s"], ["q"]),
             node("ReduceSum", ["q", "last"], ["p"], keepdims=0), node("MelWeightMatrix", ["filters", "length", "rate", "low", "high"], ["m"]),
             node("MatMul", ["p", "m"], ["f"]), node("Add", ["f", "tiny"], ["g"]), node("Log", ["g"], ["y"])]
    weights = {"length": np.array(400), "step": np.array(160), "last": np.array([-1]), "filters": np.array(80), "rate": np.array(16000),
               "low": np.array(0, np.float32), "high": np.array(8000, np.float32), "tiny": np.array(1e-2, np.float32)}
    proto = model(nodes, {"x": (FLOAT, ["b", "t", 1])}, {"y": (FLOAT, ["b", "frames", 80])}, weights, opset=18)
    inputs = [{"x": numbers(1, 1600, 1)}, {"x": numbers(2, 4321, 1)}]
    check(qcc_tool, tmp_path, proto, [(one, expected(proto, one)) for one in inputs], 1e-3, 1e-3)


def test_the_matrix_is_made_once_and_stays_exact(qcc_tool, tmp_path):
    """It is a constant of the artifact, and quantizing the model leaves it alone."""
    proto = model([node("STFT", ["x", "step", "w"], ["y"])], {"x": (FLOAT, [1, "t", 1])}, {"y": (FLOAT, None)},
                  {"step": np.array(32), "w": np.hanning(128).astype(np.float32)}, opset=17)
    onnx.save(proto, tmp_path / "m.onnx")
    environment = dict(os.environ, NO_COLOR="1")
    subprocess.run([qcc_tool, tmp_path / "m.onnx", "--quantize=w8a8", "-o", tmp_path / "m.qnt"], check=True, env=environment)
    text = subprocess.run([qcc_tool, "inspect", tmp_path / "m.qnt"], capture_output=True, text=True, env=environment).stdout
    assert "qnt.linear" in text and "f32[1, t, 1]" in text
    assert "qnt.qlinear" not in text and "qnt.cos" not in text and "qnt.mod" not in text
