"""Models compiled for Arm give the bytes that x86 gives, run by qemu in user mode."""

import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tiny
from conftest import ROOT

import qcc

SYSROOT = "/usr/aarch64-linux-gnu"
DTYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64, 9: np.bool_, 10: np.float16,
          11: np.float64, 16: np.uint16}
NUMBERS = {np.dtype(dtype): number for number, dtype in DTYPES.items()}
SCHEMES = ["keep", "w8a8", "w4a8:g32"]
# Machines with dot products and matrix products of bytes, without the latter, and without both.
LEVELS = {"max": "aarch64-i8mm", "neoverse-n1": "aarch64-dotprod", "cortex-a57": "aarch64-neon"}
# One of each kind of code, scale and product.
ALL_SCHEMES = ["w8", "w4:g32", "w4:g32:sym", "w3:g32", "w2a8:g32", "w3a8:g32", "nf4:g32", "cb3:g32", "mxfp4", "mxfp4a8",
               "fp8e4m3", "fp8e5m2:g32", "ternary:g32", "ternarya8:g32", "binarya8:g32", "w4ai16:g32", "w8ai16",
               "w8a8:ag=32", "w4a8:g64:ag=32"]


@pytest.fixture(scope="session")
def runner(tmp_path_factory):
    """The runtime and a program around it, for Arm."""
    for tool in ("qemu-aarch64", "clang-22", "ld.lld-22"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    if not Path(SYSROOT, "lib/libc.so.6").exists():
        pytest.skip(f"there is no C library for Arm in {SYSROOT} (libc6-dev-arm64-cross)")
    program = tmp_path_factory.mktemp("arm") / "run-model"
    sources = sorted(ROOT.glob("runtime/src/*.c")) + [ROOT / "test/Execution/Inputs/run-model.c"]
    built = subprocess.run(
        ["clang-22", "--target=aarch64-linux-gnu", "-O1", "-std=gnu11", "-D_GNU_SOURCE",
         '-DQCC_RUNTIME_VERSION="test"', "-fuse-ld=lld", "-mno-outline-atomics",
         f"-I{ROOT / 'runtime/include'}", *map(str, sources), "-o", str(program), "-lpthread", "-ldl"],
        capture_output=True, text=True)
    if "cannot find" in built.stderr or "unable to find library" in built.stderr:
        pytest.skip(f"programs for Arm do not link here: {built.stderr.splitlines()[0]}")
    assert built.returncode == 0, built.stderr
    return program


def start_on_arm(runner, model, args, cpu):
    return subprocess.run(["qemu-aarch64", "-cpu", cpu, "-L", SYSROOT, str(runner), str(model), *args],
                          capture_output=True, text=True, timeout=600)


def run_on_arm(runner, model, inputs, folder, threads=2, cpu="max"):
    """Outputs in signature order; `inputs` likewise. The level of a fat model is the best of the processor."""
    source, result = folder / "inputs", folder / "outputs"
    with source.open("wb") as file:
        for tensor in inputs:
            file.write(struct.pack("<II", NUMBERS[tensor.dtype], tensor.ndim))
            file.write(struct.pack(f"<{tensor.ndim}q", *tensor.shape) + np.ascontiguousarray(tensor).tobytes())
    ran = start_on_arm(runner, model, [str(threads), str(source), str(result)], cpu)
    assert (ran.returncode, ran.stdout.strip()) == (0, LEVELS[cpu]), ran.stderr
    data, at, outputs = result.read_bytes(), 0, []
    while at < len(data):
        number, rank = struct.unpack_from("<II", data, at)
        shape = struct.unpack_from(f"<{rank}q", data, at + 8)
        at += 8 + 8 * rank
        count = int(np.prod(shape, dtype=np.int64))
        outputs.append(np.frombuffer(data, DTYPES[number], count, at).reshape(shape))
        at += outputs[-1].nbytes
    return outputs


def compile_for(model, target, scheme, folder):
    return qcc.compile(model, output=folder / f"{target}.so", level=1, quantize=scheme, target=target,
                       options=["--numerics=exact", "--accept=none"])


def check(runner, onnx, feeds, scheme, folder, levels=("scalar", "x86")):
    """The outputs of every level for Arm are those of each x86 build that this machine runs."""
    fat = compile_for(onnx, "aarch64", scheme, folder)
    arm = [run_on_arm(runner, fat, list(feeds.values()), folder, cpu=cpu) for cpu in LEVELS]
    for target in levels:
        model = qcc.load(compile_for(onnx, target, scheme, folder))
        here = list(model(**feeds).values())
        for level, there in zip(LEVELS.values(), arm):
            assert len(here) == len(there)
            for ours, theirs in zip(here, there):
                assert ours.shape == theirs.shape
                np.testing.assert_array_equal(np.ascontiguousarray(ours).view(np.uint8),
                                              np.ascontiguousarray(theirs).view(np.uint8), err_msg=f"{target} {level}")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_encoder(runner, qcc_tool, tmp_path, scheme):
    check(runner, tiny.write_bert(tmp_path), sentences(), scheme, tmp_path)


@pytest.mark.parametrize("cpu, level, missing", [("cortex-a57", "aarch64-dotprod", "dotprod"),
                                                 ("neoverse-n1", "aarch64-i8mm", "i8mm")])
def test_level_that_the_machine_lacks(runner, qcc_tool, tmp_path, cpu, level, missing):
    model = compile_for(tiny.write_bert(tmp_path), level, "w8a8", tmp_path)
    ran = start_on_arm(runner, model, ["1", "none", "none"], cpu)
    assert ran.returncode == 1
    assert f'this machine lacks {missing}, which level "{level}" needs' in ran.stderr


@pytest.mark.parametrize("scheme", ALL_SCHEMES)
def test_every_scheme(runner, qcc_tool, tmp_path, scheme):
    check(runner, tiny.write_bert(tmp_path), sentences(), scheme, tmp_path, levels=["x86"])


def sentences():
    rng = np.random.default_rng(5)
    mask = (np.arange(9)[None] < np.array([[9], [4], [7]])).astype(np.int64)
    return {"input_ids": rng.integers(0, 40, (3, 9)), "attention_mask": mask,
            "token_type_ids": rng.integers(0, 2, (3, 9))}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_decoder_prompt(runner, qcc_tool, tmp_path, scheme):
    onnx = tiny.write_llama(tmp_path)
    signature = qcc.load(compile_for(onnx, "scalar", scheme, tmp_path)).signature
    check(runner, onnx, {x.name: prompt_input(x) for x in signature.inputs}, scheme, tmp_path)


def prompt_input(tensor):
    """A prompt of six tokens, nothing in the cache."""
    if tensor.role.startswith("past"):
        return np.zeros([1, int(tensor.dims[1]), 0, int(tensor.dims[3])], np.float32)
    values = {"ids": [5, 17, 33, 2, 71, 8], "mask": [1] * 6, "positions": list(range(6))}
    return np.array([values[tensor.role]], np.int64)


@pytest.mark.parametrize("name", ["bert-qdq-u8s8", "vit-ts17", "llama-nocache-bf16-dyn23", "whisper-encoder-dyn20"])
def test_zoo(runner, qcc_tool, tmp_path, name):
    onnx = pytest.importorskip("onnx")
    folder = ROOT / "test/data/zoo" / name
    names = [x.name for x in onnx.load(folder / "model.onnx", load_external_data=False).graph.input]
    feeds = {}
    for i, name in enumerate(names):
        tensor = onnx.TensorProto.FromString((folder / f"test_data_set_0/input_{i}.pb").read_bytes())
        feeds[name] = onnx.numpy_helper.to_array(tensor)
    check(runner, folder / "model.onnx", feeds, "keep", tmp_path, levels=["x86"])
