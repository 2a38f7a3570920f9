"""Operators that the application computes: declared to the compiler, registered with the runtime."""

import json
import subprocess
import threading

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
import qcc  # noqa: E402
from graphs import model  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

F32, F16, I64 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT64


def node(op, inputs, outputs, domain="my", **attributes):
    name = next(o for o in outputs if o) + "_node"
    return helper.make_node(op, inputs, outputs, name=name, domain=domain, **attributes)


def compiled(qcc_tool, folder, proto, *options, name="m"):
    onnx.save(proto, folder / f"{name}.onnx")
    out = folder / f"{name}.so"
    done = subprocess.run([qcc_tool, folder / f"{name}.onnx", "-O1", "--target=native", "-o", out, *options],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


def refusal(qcc_tool, folder, proto, *options):
    onnx.save(proto, folder / "bad.onnx")
    done = subprocess.run([qcc_tool, folder / "bad.onnx", "-o", folder / "bad.so", *options],
                          capture_output=True, text=True)
    assert done.returncode != 0 and not (folder / "bad.so").exists()
    return done.returncode, done.stderr


def transformer(rng, layers=2, hidden=32, heads=2, odd="Swish7"):
    """Blocks of attention and an MLP, whose activation is an operator of its own domain."""
    w, nodes = {}, []
    def weight(name, *shape):
        w[name] = rng.normal(0, 0.2, shape).astype(np.float32)
        return name
    w["split"], w["join"] = np.array([0, 0, heads, hidden // heads]), np.array([0, 0, hidden])
    x = "x"
    for i in range(layers):
        for part in "qkv":
            nodes.append(node("MatMul", [x, weight(f"w{part}{i}", hidden, hidden)], [f"{part}m{i}"], ""))
            nodes.append(node("Reshape", [f"{part}m{i}", "split"], [f"{part}r{i}"], ""))
            nodes.append(node("Transpose", [f"{part}r{i}"], [f"{part}t{i}"], "",
                              perm=[0, 2, 3, 1] if part == "k" else [0, 2, 1, 3]))
        nodes += [node("MatMul", [f"qt{i}", f"kt{i}"], [f"s{i}"], ""), node("Softmax", [f"s{i}"], [f"p{i}"], ""),
                  node("MatMul", [f"p{i}", f"vt{i}"], [f"c{i}"], ""),
                  node("Transpose", [f"c{i}"], [f"ct{i}"], "", perm=[0, 2, 1, 3]),
                  node("Reshape", [f"ct{i}", "join"], [f"cj{i}"], ""), node("Add", [x, f"cj{i}"], [f"r{i}"], ""),
                  node("MatMul", [f"r{i}", weight(f"up{i}", hidden, 48)], [f"u{i}"], ""),
                  node(odd, [f"u{i}", weight(f"beta{i}", 48)], [f"h{i}"], power=i + 1, mode="soft"),
                  node("MatMul", [f"h{i}", weight(f"down{i}", 48, hidden)], [f"d{i}"], ""),
                  node("Add", [f"r{i}", f"d{i}"], [f"o{i}"], "")]
        x = f"o{i}"
    proto = model(nodes, {"x": (F32, ["b", "s", hidden])}, {x: (F32, ["b", "s", hidden])}, weights=w)
    proto.opset_import.append(helper.make_opsetid("my", 1))
    return proto, w


def swish(x, beta, power, mode):
    assert mode == "soft" and not x.flags.writeable
    return (x / (1 + np.exp(-(beta * x)))) ** power


def expected(w, x, layers=2, heads=2):
    def softmax(s):
        e = np.exp(s - s.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)
    for i in range(layers):
        q, k, v = (np.swapaxes((x @ w[f"w{p}{i}"]).reshape(*x.shape[:2], heads, -1), 1, 2) for p in "qkv")
        c = softmax(q @ np.swapaxes(k, 2, 3)) @ v
        x = x + np.swapaxes(c, 1, 2).reshape(x.shape)
        u = x @ w[f"up{i}"]
        x = x + (u / (1 + np.exp(-(w[f"beta{i}"] * u)))) ** (i + 1) @ w[f"down{i}"]
    return x


def test_in_the_middle_of_a_transformer(qcc_tool, tmp_path):
    rng = np.random.default_rng(3)
    proto, w = transformer(rng)
    so = compiled(qcc_tool, tmp_path, proto, "--host-op=my::Swish7=like(0)")
    runs = qcc.load(so)
    # Not registered: the model loads and says what it asks for, a run names it.
    with pytest.raises(qcc.Error, match="h0_node: the application computes my::Swish7, but has not registered"):
        runs(x=np.zeros((1, 2, 32), np.float32))
    seen = []
    def count(*inputs, **attributes):
        seen.append(attributes["power"])
        return swish(*inputs, **attributes)
    qcc.register_host_op("my::Swish7", count)
    for shape in ((1, 3, 32), (2, 9, 32)):
        x = rng.normal(size=shape).astype(np.float32)
        np.testing.assert_allclose(runs(x=x)["o1"], expected(w, x), rtol=2e-4, atol=2e-4)
    assert seen == [1, 2, 1, 2]  # in order, once per node and run
    # What it raises is the run's error, and the next run works.
    def fails(*inputs, **attributes):
        raise ArithmeticError("no swish today")
    qcc.register_host_op("my::Swish7", fails)
    other = qcc.load(so)
    with pytest.raises(qcc.Error, match="h0_node: my::Swish7 failed: ArithmeticError: no swish today"):
        other(x=x)
    np.testing.assert_allclose(runs(x=x)["o1"], expected(w, x), rtol=2e-4, atol=2e-4)
    qcc.register_host_op("my::Swish7", lambda *inputs, **attributes: np.zeros(3, np.float32))
    with pytest.raises(qcc.Error, match=r"result 0 is float32 \(3,\)"):
        qcc.load(so)(x=x)
    qcc.register_host_op("my::Swish7", None)
    with pytest.raises(qcc.Error, match="has not registered"):
        qcc.load(so)(x=x)


def test_threads(qcc_tool, tmp_path):
    """Sessions of many threads call it at once, each with its own tensors."""
    rng = np.random.default_rng(4)
    proto, w = transformer(rng, layers=1)
    runs = qcc.load(compiled(qcc_tool, tmp_path, proto, "--host-op=my::Swish7=x0[x0.0, x0.1, 48]"))
    qcc.register_host_op("my::Swish7", swish)
    inputs = [rng.normal(size=(1, n + 1, 32)).astype(np.float32) for n in range(8)]
    got = [[] for _ in inputs]
    def work(i):
        for _ in range(10):
            got[i].append(runs(x=inputs[i])["o0"])
    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for x, results in zip(inputs, got):
        assert len(results) == 10 and all(np.array_equal(r, results[0]) for r in results)
        np.testing.assert_allclose(results[0], expected(w, x, layers=1), rtol=2e-4, atol=2e-4)
    qcc.register_host_op("my::Swish7", None)


def test_types_and_positions(qcc_tool, tmp_path):
    """Several outputs, other types, an absent input, results that are outputs, half precision."""
    proto = model(
        [node("Odd", ["x", "", "i"], ["a", "n"], scales=[0.5, 2.0], names=["p", "q"],
              table=numpy_helper.from_array(np.array([[1, 2]], np.int64))),
         node("Cast", ["a"], ["af"], "", to=F32), node("Relu", ["af"], ["y"], "")],
        {"x": (F16, ["r", 4]), "i": (I64, ["r"])}, {"y": (F32, ["r", 3]), "n": (I64, ["r"]), "a": (F16, ["r", 3])})
    proto.opset_import.append(helper.make_opsetid("my", 1))
    so = compiled(qcc_tool, tmp_path, proto, "--host-op=my::Odd=f16[x0.0, x0.1 - 1]; i64[r]")
    def odd(x, absent, i, scales, names, table):
        assert absent is None and x.dtype == np.float16 and i.dtype == np.int64
        assert scales == [0.5, 2.0] and names == ["p", "q"]
        assert table == {"type": "int64", "dims": [1, 2], "data": [1, 2]}
        return x[:, 1:] * np.float16(2), i + 1
    qcc.register_host_op("my::Odd", odd)
    x = np.array([[1, -2, 3, 4], [5, 6, -7, 8]], np.float16)
    got = qcc.load(so)(x=x, i=np.array([10, 20]))
    np.testing.assert_array_equal(got["a"], x[:, 1:] * 2)
    np.testing.assert_array_equal(got["y"], np.maximum(x[:, 1:] * 2, 0).astype(np.float32))
    np.testing.assert_array_equal(got["n"], [11, 21])
    qcc.register_host_op("my::Odd", None)


def test_types_of_the_model(qcc_tool, tmp_path):
    """Without results in the option the model's own declarations count."""
    def proto(declare):
        p = model([node("Halve", ["x"], ["h"]), node("Neg", ["h"], ["y"], "")],
                  {"x": (F32, ["n", 4])}, {"y": (F32, ["n", 2])})
        p.opset_import.append(helper.make_opsetid("my", 1))
        if declare:
            p.graph.value_info.append(helper.make_tensor_value_info("h", F32, declare))
        return p
    so = compiled(qcc_tool, tmp_path, proto(["n", 2]), "--host-op=my::Halve")
    qcc.register_host_op("my::Halve", lambda x: x[:, ::2])
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.testing.assert_array_equal(qcc.load(so)(x=x)["y"], -x[:, ::2])
    qcc.register_host_op("my::Halve", None)
    for declare in (None, ["m", 2]):
        status, text = refusal(qcc_tool, tmp_path, proto(declare), "--host-op=my::Halve")
        assert status == 4 and "does not say type and sizes of its output 0" in text and "like(0)" in text


def test_in_a_branch_that_is_not_taken(qcc_tool, tmp_path):
    branch = [helper.make_graph([node(op, ["x"], [out], domain)], out, [], [
        helper.make_tensor_value_info(out, F32, ["n"])]) for op, out, domain in (("Odd", "t", "my"), ("Neg", "e", ""))]
    proto = model([node("If", ["c"], ["y"], "", then_branch=branch[0], else_branch=branch[1])],
                  {"c": (TensorProto.BOOL, []), "x": (F32, ["n"])}, {"y": (F32, ["n"])})
    proto.opset_import.append(helper.make_opsetid("my", 1))
    runs = qcc.load(compiled(qcc_tool, tmp_path, proto, "--host-op=my::Odd=like(0)"))
    calls = []
    qcc.register_host_op("my::Odd", lambda x: calls.append(len(x)) or x * 3)
    x = np.array([1, 2], np.float32)
    np.testing.assert_array_equal(runs(c=np.array(False), x=x)["y"], -x)
    assert calls == []
    np.testing.assert_array_equal(runs(c=np.array(True), x=x)["y"], x * 3)
    assert calls == [2]
    qcc.register_host_op("my::Odd", None)


def test_takes_the_place_of_a_known_operator(qcc_tool, tmp_path):
    proto = model([node("Relu", ["x"], ["y"], "")], {"x": (F32, ["n"])}, {"y": (F32, ["n"])})
    runs = qcc.load(compiled(qcc_tool, tmp_path, proto, "--host-op=Relu"))
    qcc.register_host_op("Relu", lambda x: x + 100)
    np.testing.assert_array_equal(runs(x=np.array([-1, 1], np.float32))["y"], [99, 101])
    qcc.register_host_op("Relu", None)


def test_quantized_around_it(qcc_tool, tmp_path):
    """Layers on both sides get the codes that they get around the same formula in known operators."""
    rng = np.random.default_rng(5)
    proto, w = transformer(rng)
    plain = onnx.ModelProto()
    plain.CopyFrom(proto)
    del plain.graph.node[:]
    for n in proto.graph.node:
        if n.op_type != "Swish7":
            plain.graph.node.append(n)
            continue
        u, beta, h = n.input[0], n.input[1], n.output[0]
        plain.graph.node.extend([
            node("Mul", [u, beta], [h + "b"], ""), node("Sigmoid", [h + "b"], [h + "s"], ""),
            node("Mul", [u, h + "s"], [h + "m"] if n.attribute[1].i == 2 else [h], "")])
        if n.attribute[1].i == 2:
            plain.graph.node.append(node("Mul", [h + "m", h + "m"], [h], ""))
    so = compiled(qcc_tool, tmp_path, proto, "--host-op=my::Swish7=like(0)", "--quantize=w8a8")
    same = compiled(qcc_tool, tmp_path, plain, "--quantize=w8a8", name="plain")
    qcc.register_host_op("my::Swish7", swish)
    x = rng.normal(size=(1, 6, 32)).astype(np.float32)
    np.testing.assert_allclose(qcc.load(so)(x=x)["o1"], qcc.load(same)(x=x)["o1"], rtol=1e-2, atol=1e-2)
    qcc.register_host_op("my::Swish7", None)


def test_check_inspect_and_run(qcc_tool, tmp_path):
    proto, _ = transformer(np.random.default_rng(6))
    so = compiled(qcc_tool, tmp_path, proto, "--host-op=my::Swish7=like(0)")
    def tool(*arguments):
        done = subprocess.run([qcc_tool, *arguments], capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr
    status, out, _ = tool("check", tmp_path / "m.onnx")
    assert status == 4 and "way round: --host-op=my::Swish7" in out
    assert tool("check", tmp_path / "m.onnx", "--host-op=my::Swish7=like(0)")[0] == 0
    status, out, _ = tool("inspect", tmp_path / "m.onnx", "--host-op=my::Swish7=like(0)", "--json")
    (host,) = [s for s in json.loads(out)["structures"] if s["kind"] == "computed by the application"]
    assert host["form"] == "my::Swish7" and host["nodes"] == ["h0_node", "h1_node"]
    status, out, _ = tool("inspect", so)
    assert status == 0 and "computed by the application" in out and "my::Swish7 × 2" in out
    status, _, text = tool("run", so, "--random", "x=f32[1x2x32]:-1..1")
    assert status == 1 and "error QCC1804" in text and "h0_node" in text and "my::Swish7" in text
    status, _, text = tool("run", tmp_path / "m.onnx", "--reference", "--host-op=my::Swish7=like(0)",
                           "--random", "x=f32[1x2x32]:-1..1")
    assert status != 0 and "h0_node" in text and "is computed by the application (my::Swish7)" in text


LIBRARY = """
#include "qcc/runtime.h"
#include <math.h>
static qcc_status swish(void *context, const qcc_host_call *call, qcc_error *err) {
  const qcc_tensor *u = call->inputs, *beta = call->inputs + 1;
  int64_t width = beta->dims[0], count = (int64_t)(u->bytes / 4);
  (void)context, (void)err;
  for (int64_t i = 0; i < count; ++i) {
    float v = ((const float *)u->data)[i];
    ((float *)call->outputs->data)[i] = v / (1 + expf(-v * ((const float *)beta->data)[i % width]));
  }
  return QCC_OK;
}
qcc_status qcc_host_library(qcc_add_host_op_fn add, qcc_error *err) {
  return add("my", "Swish7", swish, NULL, err);
}
"""


def test_libraries_for_what_the_tool_runs(qcc_tool, tmp_path):
    """qcc run and calibration call the functions of --host-lib."""
    import shutil
    from pathlib import Path
    compiler = shutil.which("clang-22") or shutil.which("cc")
    if not compiler:
        pytest.skip("needs a C compiler")
    rng = np.random.default_rng(8)
    proto, w = transformer(rng, layers=1)
    so = compiled(qcc_tool, tmp_path, proto, "--host-op=my::Swish7=like(0)")
    (tmp_path / "lib.c").write_text(LIBRARY)
    (tmp_path / "none.c").write_text("int nothing;")
    include = Path(__file__).resolve().parents[2] / "runtime/include"
    for name in ("lib", "none"):
        subprocess.run([compiler, "-shared", "-fPIC", f"-I{include}", f"{name}.c", "-o", f"{name}.so", "-lm"],
                       cwd=tmp_path, check=True)
    def tool(*arguments):
        done = subprocess.run([qcc_tool, *arguments], capture_output=True, text=True, cwd=tmp_path)
        return done.returncode, done.stdout + done.stderr
    x = rng.normal(size=(2, 5, 32)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    status, text = tool("run", so, "--host-lib=lib.so", "--input", "x=x.npy", "--output-dir", "out")
    assert status == 0, text
    np.testing.assert_allclose(np.load(tmp_path / "out/o0.npy"), expected(w, x, layers=1), rtol=2e-4, atol=2e-4)
    np.savez(tmp_path / "calib.npz", x=rng.normal(size=(6, 5, 32)).astype(np.float32))
    quantize = ("quantize", "m.onnx", "--host-op=my::Swish7=like(0)", "--quantize=w8a8", "--method=gptq",
                "--calib=calib.npz", "-o", "m.qnt")
    status, text = tool(*quantize)
    assert status == 1 and "h0_node" in text and "my::Swish7" in text, text
    status, text = tool(*quantize, "--host-lib=lib.so")
    assert status == 0 and (tmp_path / "m.qnt").exists(), text
    status, text = tool("run", so, "--host-lib=none.so", "--input", "x=x.npy")
    assert status == 3 and "does not export qcc_host_library" in text
    status, text = tool("run", so, "--host-lib=absent.so", "--input", "x=x.npy")
    assert status == 3 and "error QCC1101" in text and "absent.so" in text


@pytest.mark.parametrize("option, status, mention", [
    ("=like(0)", 2, "names no operator"), ("my::", 2, "names no operator"),
    ("my::Swish7=like(zero)", 2, "names no input"), ("my::Swish7=complex[2]", 2, "is no type of a result"),
    ("my::Swish7=f32[x0.0", 2, "is no type of a result"), ("my::Swish7=f32[*]", 2, "is no size"),
    ("my::Other=like(0)", 2, "the model has no such node"),
    ("my::Swish7=like(5)", 1, "names input 5"), ("my::Swish7=f32[x0.7]", 1, "beyond the rank 3"),
    ("my::Swish7=f32[q]", 1, "is neither xI.A"), ("my::Swish7=x9[2]", 1, "names input 9")])
def test_bad_declarations(qcc_tool, tmp_path, option, status, mention):
    proto, _ = transformer(np.random.default_rng(7), layers=1)
    code, text = refusal(qcc_tool, tmp_path, proto, f"--host-op={option}")
    assert code == status and mention in text and "error QCC" in text, text


def test_attributes_and_types_that_cannot_be_handed_over(qcc_tool, tmp_path):
    inner = helper.make_graph([node("Relu", ["x"], ["z"], "")], "g", [], [helper.make_tensor_value_info("z", F32, [2])])
    proto = model([node("Odd", ["x"], ["y"], body=inner)], {"x": (F32, [2])}, {"y": (F32, [2])})
    proto.opset_import.append(helper.make_opsetid("my", 1))
    status, text = refusal(qcc_tool, tmp_path, proto, "--host-op=my::Odd=like(0)")
    assert status == 4 and "attribute 'body'" in text
    proto = model([node("Odd", ["x"], ["y"])], {"x": (TensorProto.INT4, [2])}, {"y": (F32, [2])})
    proto.opset_import.append(helper.make_opsetid("my", 1))
    status, text = refusal(qcc_tool, tmp_path, proto, "--host-op=my::Odd=f32[2]")
    assert status == 4 and "element type i4" in text
