"""The ONNX writer against the onnx package, and the demo models against onnxruntime."""

import struct

import numpy as np
import onnx
import onnxruntime
import pytest

from qcc.models import minilm, stories15m
from qcc.onnx_writer import BOOL, FLOAT, INT64, Graph, Safetensors
from tiny import bert_weights, llama_weights, write_safetensors


def run(graph, path, feeds):
    graph.save(path)
    onnx.checker.check_model(str(path), full_check=True)
    return onnxruntime.InferenceSession(str(path)).run(None, feeds)


def test_constants_and_attributes(tmp_path):
    g = Graph("constants")
    x = g.input("x", FLOAT, ["n", 2])
    y = g.node("Add", x, g.constant([[1.5, -2.0]], FLOAT))
    y = g.node("LeakyRelu", y, alpha=0.5)
    y = g.node("Transpose", y, perm=[1, 0])
    flags = g.node("Cast", g.constant([True, False], BOOL), to=FLOAT)
    y = g.node("MatMul", flags, y)
    g.output(y, "y", FLOAT, ["n"])
    assert g.constant(-1) == g.constant(-1) != g.constant([-1])
    (got,) = run(g, tmp_path / "m.onnx", {"x": np.array([[-3.5, 9], [1, 9]], np.float32)})
    np.testing.assert_array_equal(got, [-1.0, 2.5])


@pytest.mark.parametrize("pad", [b"", b" ", b"   "])
def test_weights_at_any_offset(tmp_path, pad):
    table = np.arange(6, dtype=np.float32).reshape(3, 2)
    weights = write_safetensors(tmp_path / "w.safetensors", {"first": np.zeros(1, np.float32), "t": table}, pad)
    g = Graph("table", weights)
    ids = g.input("ids", INT64, ["n"])
    g.output(g.node("Gather", g.weight("t", [3, 2]), ids), "rows", FLOAT, ["n", 2])
    (got,) = run(g, tmp_path / "m.onnx", {"ids": np.array([2, 0])})
    np.testing.assert_array_equal(got, table[[2, 0]])


def test_refusals(tmp_path):
    weights = write_safetensors(tmp_path / "w.safetensors", {"t": np.zeros((3, 2), np.float32)})
    g = Graph("table", weights)
    with pytest.raises(ValueError, match="expected"):
        g.weight("t", [2, 3])
    (tmp_path / "other").mkdir()
    with pytest.raises(ValueError, match="beside its weights"):
        g.save(tmp_path / "other/m.onnx")
    (tmp_path / "short").write_bytes(struct.pack("<Q", 1 << 40))
    with pytest.raises(ValueError, match="header of"):
        Safetensors(tmp_path / "short")


@pytest.mark.parametrize("kv_heads", [4, 2, 1])
def test_llama_cache_and_padding(tmp_path, kv_heads):
    """Fed at once, token by token, or padded on the left, the last logits are the same."""
    c = stories15m.Config(hidden=32, mlp=48, layers=2, heads=4, kv_heads=kv_heads, vocabulary=50)
    rng = np.random.default_rng(0)
    weights = write_safetensors(tmp_path / "w.safetensors", llama_weights(c, rng))
    path = stories15m.build(weights, c).save(tmp_path / "m.onnx")
    onnx.checker.check_model(str(path), full_check=True)
    session = onnxruntime.InferenceSession(str(path))
    names = [output.name for output in session.get_outputs()]

    def step(ids, mask, positions, past):
        feeds = {"input_ids": ids, "attention_mask": mask, "position_ids": positions, **past}
        got = dict(zip(names, session.run(None, feeds)))
        logits = got.pop("logits")
        return logits, {k.replace("present", "past_key_values"): v for k, v in got.items()}

    empty = {f"past_key_values.{i}.{k}": np.zeros((1, kv_heads, 0, c.head), np.float32)
             for i in range(c.layers) for k in ("key", "value")}
    ids = rng.integers(0, 50, (1, 7))
    whole, _ = step(ids, np.ones((1, 7), np.int64), np.arange(7)[None], empty)
    past = empty
    for i in range(7):
        one, past = step(ids[:, i:i + 1], np.ones((1, i + 1), np.int64), np.array([[i]]), past)
        np.testing.assert_allclose(one[0, 0], whole[0, i], rtol=1e-3, atol=1e-4)
    padded = np.concatenate([np.zeros((1, 3), np.int64), ids], 1)
    mask = np.concatenate([np.zeros((1, 3), np.int64), np.ones((1, 7), np.int64)], 1)
    positions = np.concatenate([np.zeros(3, np.int64), np.arange(7)])[None]
    shifted, _ = step(padded, mask, positions, empty)
    np.testing.assert_allclose(shifted[0, 3:], whole[0], rtol=1e-3, atol=1e-4)


def test_bert_ignores_padding(tmp_path):
    rng = np.random.default_rng(0)
    weights = write_safetensors(tmp_path / "w.safetensors", bert_weights(rng, 2, 24, 40))
    path = minilm.build(weights, layers=2, hidden=24, heads=3).save(tmp_path / "m.onnx")
    onnx.checker.check_model(str(path), full_check=True)
    session = onnxruntime.InferenceSession(str(path))
    ids = rng.integers(0, 40, (2, 5))
    types = rng.integers(0, 2, (2, 5))
    (plain,) = session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": types})
    pad = ((0, 0), (0, 4))
    (padded,) = session.run(None, {"input_ids": np.pad(ids, pad), "token_type_ids": np.pad(types, pad),
                                   "attention_mask": np.pad(np.ones_like(ids), pad)})
    np.testing.assert_allclose(padded[:, :5], plain, rtol=1e-4, atol=1e-5)
