"""Models as ONNX: what is written loads elsewhere, computes the same, and comes back with the same codes."""

import hashlib
import re
import subprocess

import numpy as np
import onnx
import onnxruntime
import pytest
import tiny

import qcc

# 288 is no multiple of 128: the last block of a row is ragged.
WIDTH, HIDDEN = 288, 96
IDS = np.array([3, 1, 4, 1, 5, 9, 2, 6, 63, 0])

WEIGHTS = ["w8", "w8:g32", "w8:g128:asym", "w8:asym", "w8:tensor", "w4", "w4:sym:g128", "w4:channel", "w4:g32:scale=bf16",
           "fp8e4m3", "fp8e5m2:tensor", "fp8e4m3:g32"]
ACTIVATIONS = ["w8a8", "w8a8:g32", "w4a8:g32", "w4a8:g128:sym", "w8a8:tensor", "w8ai16", "w4ai16:g128", "w8a8:ag=32",
               "w4a8:g32:ag=96", "w8a8:asym", "fp8e4m3a8",
               "fp8e4m3afp8"]
# Types that runtimes are still to learn.
LATE = {"w2": 25, "w2:sym": 25, "w2a8:g32": 25, "mxfp4": 24, "mxfp4a8": 24}
BLOCKS = ["w4", "w4:g32:sym", "w8:g32", "w8:g64:asym", "w4a8:g32", "w8:g16", "w4a8:g32:ag=96"]
REFUSED = {"w3": "u3", "w4:g32:scale=u8": "two levels", "nf4": "table", "cb4": "table", "ternary": "ternary", "w5:g32": "u5"}


def run(tool, *args, code=0):
    done = subprocess.run([tool, *map(str, args)], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def mlp(tmp_path_factory):
    return tiny.write_mlp(tmp_path_factory.mktemp("mlp"), WIDTH, HIDDEN)


def stored(tool, qnt):
    """Type and bytes of every weight of a .qnt, and the types of all layers."""
    text = qnt.with_suffix(".mlir")
    run(tool, qnt, "-o", text, "--to=quantize")
    raw, weights = qnt.read_bytes(), {}
    for name, kind, at, size in re.findall(r'qnt\.weight @(\S+) : (.*?) = #qnt\.file<"[^"]*", (\d+), (\d+)>', text.read_text()):
        weights[name] = kind, hashlib.sha256(raw[int(at):int(at) + int(size)]).hexdigest()
    layers = re.findall(r"qnt\.(?:qlinear|qgather|linear) .* : (\(.*?\) -> .*?) loc", text.read_text())
    return sorted(weights.values()), sorted(layers)


def quantized(tool, model, folder, scheme, *more):
    qnt = folder / "direct.qnt"
    run(tool, model, f"--quantize={scheme}", "--accept=none", "-o", qnt, *more)
    return qnt


def assert_round_trip(tool, qnt, exported):
    back = exported.with_name("back.qnt")
    run(tool, exported, "-o", back)
    assert stored(tool, back) == stored(tool, qnt)


def outputs_of(tool, model, feeds):
    so = model.with_name(model.name + ".so")
    run(tool, model, "--target=native", "-o", so)
    return [np.array(v) for v in qcc.load(so, threads=1)(**feeds).values()]


def ort_outputs(path, feeds):
    options = onnxruntime.SessionOptions()
    # By default it rounds activations to 8 bits where weights are dequantized for a product.
    options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "1")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]).run(None, feeds)


def assert_close(got, want, relative):
    for g, w in zip(got, want, strict=True):
        assert np.abs(g - w).max() <= relative * np.abs(w).max()


@pytest.mark.parametrize("scheme", WEIGHTS + ACTIVATIONS)
def test_schemes_come_back(qcc_tool, mlp, tmp_path, scheme):
    """Codes, scales and types are the same; another runtime computes the same up to roundings."""
    qnt, out = quantized(qcc_tool, mlp, tmp_path, scheme), tmp_path / "m.onnx"
    run(qcc_tool, qnt, "-o", out)
    onnx.checker.check_model(str(out), full_check=True)
    assert_round_trip(qcc_tool, qnt, out)
    own = outputs_of(qcc_tool, qnt, {"ids": IDS})
    # Quotients are taken by reciprocals here and by divisions there: a code may differ by one.
    assert_close(ort_outputs(out, {"ids": IDS}), own, 0.02 if "a" in scheme.split(":")[0] else 1e-5)
    assert_close(outputs_of(qcc_tool, out, {"ids": IDS}), own, 0)


@pytest.mark.parametrize("scheme", LATE)
def test_late_types_come_back(qcc_tool, mlp, tmp_path, scheme):
    qnt, out = quantized(qcc_tool, mlp, tmp_path, scheme), tmp_path / "m.onnx"
    assert f"opset {LATE[scheme]}" in run(qcc_tool, qnt, "-o", out)
    assert onnx.load(out).opset_import[0].version == LATE[scheme]
    onnx.checker.check_model(str(out))
    assert_round_trip(qcc_tool, qnt, out)


@pytest.mark.parametrize("scheme", BLOCKS)
def test_blocks_as_matmul_nbits(qcc_tool, mlp, tmp_path, scheme):
    qnt, out = quantized(qcc_tool, mlp, tmp_path, scheme), tmp_path / "m.onnx"
    run(qcc_tool, qnt, "--emit=onnx-ms", "-o", out)
    assert sum(n.op_type == "MatMulNBits" for n in onnx.load(out).graph.node) == 2
    assert_round_trip(qcc_tool, qnt, out)
    own = outputs_of(qcc_tool, qnt, {"ids": IDS})
    assert_close(ort_outputs(out, {"ids": IDS}), own, 0.02 if "a8" in scheme else 1e-4)


@pytest.mark.parametrize("scale", ["f32", "f16"])
def test_float_zero_points_as_matmul_nbits(qcc_tool, mlp, tmp_path, scale):
    """What Q/DQ has no form for, the other operator takes."""
    recipe, qnt, out = tmp_path / "r.yaml", tmp_path / "direct.qnt", tmp_path / "m.onnx"
    recipe.write_text(f"schemes:\n  real: {{weight: {{bits: 4, zero: float, block: 32, scale: {scale}}}}}\n")
    run(qcc_tool, mlp, "--quantize=real", f"--recipe={recipe}", "-o", qnt)
    assert "QCC1511" in run(qcc_tool, qnt, "-o", out, code=4)
    run(qcc_tool, qnt, "--emit=onnx-ms", "-o", out)
    assert_round_trip(qcc_tool, qnt, out)
    assert_close(ort_outputs(out, {"ids": IDS}), outputs_of(qcc_tool, qnt, {"ids": IDS}), 1e-4)


@pytest.mark.parametrize("form", ["onnx", "onnx-ms"])
@pytest.mark.parametrize("scheme", REFUSED)
def test_refusals_name_the_tensor(qcc_tool, mlp, tmp_path, scheme, form):
    error = run(qcc_tool, mlp, f"--quantize={scheme}", "--accept=none", f"--emit={form}", "-o", tmp_path / "m.onnx", code=4)
    assert "QCC1511" in error and re.search("tensor '(up|down)'", error) and REFUSED[scheme] in error
    assert not (tmp_path / "m.onnx").exists()


@pytest.mark.parametrize("scheme", ["w8a8s", "w4a8s:g32"])
def test_static_activations_come_back(qcc_tool, mlp, tmp_path, scheme):
    """Zero points or, for blocks, values clipped before."""
    data, qnt, out = tmp_path / "d.npz", tmp_path / "direct.qnt", tmp_path / "m.onnx"
    np.savez(data, ids=np.random.default_rng(3).integers(0, 64, (8, 10)))
    run(qcc_tool, "quantize", mlp, f"--quantize={scheme}", "--method=rtn", f"--calib={data}", "-o", qnt)
    run(qcc_tool, qnt, "-o", out)
    assert_round_trip(qcc_tool, qnt, out)
    assert_close(ort_outputs(out, {"ids": IDS}), outputs_of(qcc_tool, qnt, {"ids": IDS}), 0.02)


def test_quantize_writes_onnx(qcc_tool, mlp, tmp_path):
    """What methods choose is exported as any codes are; nothing is left beside the output."""
    data, out = tmp_path / "d.npz", tmp_path / "out" / "m.onnx"
    out.parent.mkdir()
    np.savez(data, ids=np.random.default_rng(3).integers(0, 64, (8, 10)))
    for form in ("onnx", "onnx-ms"):
        run(qcc_tool, "quantize", mlp, "--quantize=w4a8:g32", "--method=outliers,gptq,bias", f"--calib={data}",
            f"--emit={form}", "-o", out)
        assert [p.name for p in out.parent.iterdir()] == ["m.onnx"]
        assert any(n.op_type == "MatMulNBits" for n in onnx.load(out).graph.node) == (form == "onnx-ms")
        got = ort_outputs(out, {"ids": IDS})
    assert_close(got, outputs_of(qcc_tool, out, {"ids": IDS}), 0.02)


def feeds_of(path, batch, length, past):
    """Values for the inputs of an encoder or decoder."""
    rng, sizes = np.random.default_rng(0), {"batch": batch, "sequence": length, "past_sequence": past, "total_sequence": past + length}
    feeds = {}
    for value in onnx.load(path, load_external_data=False).graph.input:
        dims = [d.dim_value or eval(d.dim_param, {}, sizes) for d in value.type.tensor_type.shape.dim]
        if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT:
            feeds[value.name] = rng.normal(size=dims).astype(np.float32)
        elif "mask" in value.name:
            feeds[value.name] = np.ones(dims, np.int64)
        elif "position" in value.name:
            feeds[value.name] = np.tile(np.arange(past, past + length), (batch, 1))
        elif "type" in value.name:
            feeds[value.name] = np.zeros(dims, np.int64)
        else:
            feeds[value.name] = rng.integers(0, 40, dims)
    return feeds


@pytest.mark.parametrize("write", [tiny.write_bert, tiny.write_llama])
@pytest.mark.parametrize("options", [["--quantize=keep"], ["--quantize=w8a8", "--attention=f32"], ["--quantize=w4:g32"],
                                     ["--quantize=w8", "--embed=w8", "--head=w8"]])
def test_transformers(qcc_tool, tmp_path, write, options):
    """Norms, rotary embedding, masks and attention are found again: the layers are the same, and so is every bit.
    ONNX has no attention on codes, which is exported as one of floats."""
    model, qnt, out = write(tmp_path), tmp_path / "direct.qnt", tmp_path / "m.onnx"
    run(qcc_tool, model, *options, "-o", qnt)
    run(qcc_tool, model, *options, "-o", out)
    assert_round_trip(qcc_tool, qnt, out)
    feeds = feeds_of(model, 2, 7, 5)
    own = outputs_of(qcc_tool, qnt, feeds)
    assert_close(ort_outputs(out, feeds), own, 0.03 if "--quantize=w8a8" in options else 1e-4)
    assert_close(outputs_of(qcc_tool, out, feeds), own, 1e-5)


@pytest.mark.parametrize("method", ["hadamard,rtn", "smoothquant,rtn", "sparse,rtn", "columns,rtn"])
def test_treatments_are_exported(qcc_tool, tmp_path, method):
    """Rotations, scales and outliers are ordinary ops of the exported model."""
    model, qnt, out, data = tiny.write_llama(tmp_path), tmp_path / "direct.qnt", tmp_path / "m.onnx", tmp_path / "d.npz"
    one = feeds_of(model, 1, 8, 0)
    np.savez(data, **{k: np.concatenate([v] * 4) if v.shape[0] == 1 else v for k, v in one.items()})
    run(qcc_tool, "quantize", model, "--quantize=w4a8:g32", f"--method={method}", f"--calib={data}", "-o", qnt)
    run(qcc_tool, qnt, "-o", out)
    feeds = feeds_of(model, 2, 7, 5)
    assert_close(ort_outputs(out, feeds), outputs_of(qcc_tool, qnt, feeds), 0.05)
