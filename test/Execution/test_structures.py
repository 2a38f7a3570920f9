"""Structures of transformers that the sample graphs lack, written out as exporters write them: recognised where a
kernel knows them, and right in any case, at several sizes by one artifact."""

import json
import subprocess

import numpy as np
import pytest
from graphs import check, expected, model

pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper  # noqa: E402

F, I = TensorProto.FLOAT, TensorProto.INT64
HEADS, HEAD, WIDTH = 4, 8, 32
NEVER = np.float32(-3.4028235e38)
STRUCTURES = {}


def structure(**found):
    """Registers a builder. found: kinds that `qcc inspect` must name, with properties that they must have."""
    def register(function):
        STRUCTURES[function.__name__] = (function, found)
        return function
    return register


class Net:
    """Nodes as calls: every operator is a method."""

    def __init__(self):
        self.rng, self.nodes, self.weights, self.inputs = np.random.default_rng(7), [], {}, {}
        self.x = self.input("x", F, ["b", "s", WIDTH])

    def input(self, name, dtype, dims):
        self.inputs[name] = (dtype, dims)
        return name

    def c(self, value, dtype=np.float32):
        name = f"c{len(self.weights)}"
        self.weights[name] = np.asarray(value, dtype)
        return name

    def n(self, *values):
        return self.c(values, np.int64)

    def w(self, *shape, scale=None):
        return self.c(self.rng.normal(0, scale or shape[0] ** -0.5, shape))

    def __getattr__(self, op):
        def call(*inputs, outputs=1, **attributes):
            names = [f"{op.lower()}{len(self.nodes)}_{i}" for i in range(outputs)]
            self.nodes.append(helper.make_node(op, list(inputs), names, name=names[0], **attributes))
            return names[0] if outputs == 1 else names
        return call

    # --- parts ---

    def size(self, x, axis):
        return self.Gather(self.Shape(x), self.c(axis, np.int64))

    def positions(self, x):
        return self.Range(self.c(0, np.int64), self.size(x, 1), self.c(1, np.int64))

    def heads(self, x, heads=HEADS, head=HEAD, width=WIDTH):
        flat = self.MatMul(x, self.w(width, heads * head))
        return self.Transpose(self.Reshape(flat, self.n(0, 0, heads, head)), perm=[0, 2, 1, 3])

    def scores(self, q, k, scale=HEAD ** -0.5):
        return self.Mul(self.MatMul(q, self.Transpose(k, perm=[0, 1, 3, 2])), self.c(scale))

    def merged(self, mixed, width=WIDTH):
        return self.Reshape(self.Transpose(mixed, perm=[0, 2, 1, 3]), self.n(0, 0, width))

    def attend(self, scores, v):
        return self.merged(self.MatMul(self.Softmax(scores, axis=-1), v))

    def distances(self, x):
        """Row less column, [s, s]."""
        at = self.positions(x)
        return self.Sub(self.Unsqueeze(at, self.n(1)), self.Unsqueeze(at, self.n(0)))

    def causal(self, x, window=None):
        """Zero where a position is seen, else the lowest number."""
        distance = self.distances(x)
        seen = self.GreaterOrEqual(distance, self.c(0, np.int64))
        if window:
            seen = self.And(seen, self.Less(distance, self.c(window, np.int64)))
        return self.Where(seen, self.c(0.0), self.c(NEVER))

    def rms(self, x, width, offset=0.0):
        mean = self.ReduceMean(self.Pow(x, self.c(2.0)), axes=[-1])
        normal = self.Mul(x, self.Reciprocal(self.Sqrt(self.Add(mean, self.c(1e-6)))))
        gain = self.w(width, scale=0.3)
        return self.Mul(normal, self.Add(gain, self.c(offset)) if offset else gain)

    def angles(self, x, count):
        """cos and sin, [1, 1, s, count]."""
        rates = self.c(10000.0 ** (-np.arange(count) / count))
        at = self.Unsqueeze(self.Cast(self.positions(x), to=F), self.n(1))
        both = self.Unsqueeze(self.Mul(at, rates), self.n(0, 1))
        return self.Cos(both), self.Sin(both)

    def turned(self, x, cos, sin, width=HEAD):
        """Rotary embedding, halves."""
        half = width // 2
        a = self.Slice(x, self.n(0), self.n(half), self.n(3))
        b = self.Slice(x, self.n(half), self.n(2**62), self.n(3))
        return self.Add(self.Mul(x, self.Concat(cos, cos, axis=-1)),
                        self.Mul(self.Concat(self.Neg(b), a, axis=-1), self.Concat(sin, sin, axis=-1)))


@structure(attention={"heads": HEADS})
def alibi(g):
    slopes = g.c(2.0 ** -np.arange(1, HEADS + 1).reshape(1, HEADS, 1, 1))
    far = g.Mul(g.Cast(g.Neg(g.distances(g.x)), to=F), slopes)
    return g.attend(g.Add(g.Add(g.scores(g.heads(g.x), g.heads(g.x)), far), g.causal(g.x)), g.heads(g.x))


@structure(attention={"heads": HEADS})
def relative_buckets(g):
    bucket = g.Add(g.Clip(g.distances(g.x), g.c(-4, np.int64), g.c(4, np.int64)), g.c(4, np.int64))
    bias = g.Unsqueeze(g.Transpose(g.Gather(g.w(9, HEADS), bucket), perm=[2, 0, 1]), g.n(0))
    return g.attend(g.Add(g.scores(g.heads(g.x), g.heads(g.x), 1.0), bias), g.heads(g.x))


@structure(attention={"heads": HEADS, "window": 3})
def sliding_window(g):
    return g.attend(g.Add(g.scores(g.heads(g.x), g.heads(g.x)), g.causal(g.x, 3)), g.heads(g.x))


@structure(attention={"softcap": 20.0})
def softcap(g):
    capped = g.Mul(g.Tanh(g.Div(g.scores(g.heads(g.x), g.heads(g.x)), g.c(20.0))), g.c(20.0))
    return g.attend(g.Add(capped, g.causal(g.x)), g.heads(g.x))


@structure(attention={"heads": HEADS, "sinks": True})
def sinks(g):
    """A column of learned scores takes part in the softmax and is cut off."""
    scores = g.Add(g.scores(g.heads(g.x), g.heads(g.x)), g.causal(g.x))
    shape = g.Concat(g.Slice(g.Shape(scores), g.n(0), g.n(3), g.n(0)), g.n(1), axis=0)
    sink = g.Expand(g.w(1, HEADS, 1, 1), shape)
    shares = g.Softmax(g.Concat(scores, sink, axis=3), axis=-1)
    return g.merged(g.MatMul(g.Slice(shares, g.n(0), g.n(-1), g.n(3)), g.heads(g.x)))


@structure(attention={"heads": HEADS, "kv_heads": 2, "sinks": True, "window": 3})
def sinks_after_a_shift(g):
    """As gpt-oss is exported: grouped heads, a window, the largest score taken off before the softmax."""
    def repeated(x):
        wide = g.Expand(g.Unsqueeze(x, g.n(2)), g.n(1, 1, HEADS // 2, 1, 1))
        shape = g.Concat(g.Slice(g.Shape(x), g.n(0), g.n(1), g.n(0)), g.n(HEADS, -1, HEAD), axis=0)
        return g.Reshape(wide, shape)
    q, k, v = g.heads(g.x), repeated(g.heads(g.x, 2)), repeated(g.heads(g.x, 2))
    scores = g.Add(g.scores(q, k), g.causal(g.x, 3))
    shape = g.Concat(g.Slice(g.Shape(scores), g.n(0), g.n(3), g.n(0)), g.n(1), axis=0)
    both = g.Concat(scores, g.Expand(g.Reshape(g.w(HEADS, scale=2.0), g.n(1, -1, 1, 1)), shape), axis=-1)
    shares = g.Softmax(g.Sub(both, g.ReduceMax(both, axes=[-1], keepdims=1)), axis=-1)
    return g.merged(g.MatMul(g.Slice(shares, g.n(0), g.n(-1), g.n(3)), v))


@structure(attention={"heads": HEADS}, RMSNorm={"channels": HEAD})
def normed_queries_and_keys(g):
    q, k = (g.rms(g.heads(g.x), HEAD) for _ in range(2))
    return g.attend(g.scores(q, k), g.heads(g.x))


@structure(attention={"heads": HEADS}, RoPE={"interleaved": False})
def partial_rotary(g):
    cos, sin = g.angles(g.x, 2)

    def half_turned(x):
        return g.Concat(g.turned(g.Slice(x, g.n(0), g.n(4), g.n(3)), cos, sin, 4),
                        g.Slice(x, g.n(4), g.n(2**62), g.n(3)), axis=-1)
    return g.attend(g.scores(half_turned(g.heads(g.x)), half_turned(g.heads(g.x))), g.heads(g.x))


@structure(attention={"heads": HEADS})
def interleaved_rotary(g):
    cos, sin = g.angles(g.x, HEAD // 2)

    def pairs(x):
        even = g.Slice(x, g.n(0), g.n(2**62), g.n(3), g.n(2))
        odd = g.Slice(x, g.n(1), g.n(2**62), g.n(3), g.n(2))
        one = g.Sub(g.Mul(even, cos), g.Mul(odd, sin))
        two = g.Add(g.Mul(odd, cos), g.Mul(even, sin))
        both = g.Concat(g.Unsqueeze(one, g.n(4)), g.Unsqueeze(two, g.n(4)), axis=4)
        return g.Reshape(both, g.n(0, 0, 0, HEAD))
    return g.attend(g.scores(pairs(g.heads(g.x)), pairs(g.heads(g.x))), g.heads(g.x))


@structure(attention={"heads": HEADS}, RoPE={})
def latent_keys_and_values(g):
    """Multi-head latent attention: keys and values from one narrow vector, one rotary key for all heads."""
    cos, sin = g.angles(g.x, 2)
    latent = g.rms(g.MatMul(g.x, g.w(WIDTH, 12)), 12)
    wide = g.Transpose(g.Reshape(g.MatMul(latent, g.w(12, HEADS * 16)), g.n(0, 0, HEADS, 16)), perm=[0, 2, 1, 3])
    k, v = g.Split(wide, g.n(8, 8), outputs=2, axis=-1)
    shared = g.turned(g.Unsqueeze(g.MatMul(g.x, g.w(WIDTH, 4)), g.n(1)), cos, sin, 4)
    rows = g.Slice(g.Shape(k), g.n(0), g.n(3), g.n(0))
    keys = g.Concat(k, g.Expand(shared, g.Concat(rows, g.n(4), axis=0)), axis=-1)
    q, turned = g.Split(g.heads(g.x, head=12), g.n(8, 4), outputs=2, axis=-1)
    queries = g.Concat(q, g.turned(turned, cos, sin, 4), axis=-1)
    return g.attend(g.Add(g.scores(queries, keys, 12 ** -0.5), g.causal(g.x)), v)


@structure(attention={"heads": HEADS, "cross": True})
def cross_attention(g):
    other = g.input("memory", F, ["b", "t", WIDTH])
    mask = g.input("memory_mask", I, ["b", "t"])
    hidden = g.Mul(g.Sub(g.c(1.0), g.Cast(g.Unsqueeze(mask, g.n(1, 2)), to=F)), g.c(NEVER))
    return g.attend(g.Add(g.scores(g.heads(g.x), g.heads(other)), hidden), g.heads(other))


@structure(attention={"heads": HEADS})
def both_sides_scaled(g):
    root = g.c(HEAD ** -0.25)
    q, k = g.Mul(g.heads(g.x), root), g.Mul(g.Transpose(g.heads(g.x), perm=[0, 1, 3, 2]), root)
    return g.attend(g.MatMul(q, k), g.heads(g.x))


@structure()
def cosine_attention(g):
    q, k = (g.Div(h, g.Max(g.ReduceL2(h, axes=[-1]), g.c(1e-6))) for h in (g.heads(g.x), g.heads(g.x)))
    scale = g.Exp(g.Min(g.w(HEADS, 1, 1), g.c(4.6)))
    return g.attend(g.Mul(g.MatMul(q, g.Transpose(k, perm=[0, 1, 3, 2])), scale), g.heads(g.x))


@structure()
def linear_attention(g):
    """Without softmax: feature maps of queries and keys, products from the right."""
    q, k = (g.Add(g.Elu(g.heads(g.x)), g.c(1.0)) for _ in range(2))
    v = g.heads(g.x)
    mixed = g.MatMul(q, g.MatMul(g.Transpose(k, perm=[0, 1, 3, 2]), v))
    total = g.ReduceSum(g.Mul(q, g.ReduceSum(k, g.n(2), keepdims=1)), g.n(-1), keepdims=1)
    return g.merged(g.Div(mixed, total))


@structure(attention={"heads": HEADS})
def projections_in_one_by_gather(g):
    five = g.Reshape(g.MatMul(g.x, g.w(WIDTH, 3 * WIDTH)), g.n(0, -1, 3, HEADS, HEAD))
    parts = g.Transpose(five, perm=[2, 0, 3, 1, 4])
    q, k, v = (g.Gather(parts, g.c(i, np.int64), axis=0) for i in range(3))
    return g.attend(g.scores(q, k), v)


@structure(attention={"heads": HEADS})
def windows_of_an_image(g):
    """Shifted windows: a constant bias of relative positions in 4 x 4 windows of an 8 x 8 image."""
    g.inputs["x"] = (F, ["b", 64, WIDTH])
    image = g.Reshape(g.x, g.n(0, 8, 8, WIDTH))
    moved = g.Concat(g.Slice(image, g.n(2), g.n(8), g.n(1)), g.Slice(image, g.n(0), g.n(2), g.n(1)), axis=1)
    six = g.Transpose(g.Reshape(moved, g.n(-1, 2, 4, 2, 4, WIDTH)), perm=[0, 1, 3, 2, 4, 5])
    windows = g.Reshape(six, g.n(-1, 16, WIDTH))
    where = np.stack(np.meshgrid(range(4), range(4), indexing="ij")).reshape(2, 16)
    away = where[:, :, None] - where[:, None, :] + 3
    bias = g.Transpose(g.Gather(g.w(49, HEADS), g.c(away[0] * 7 + away[1], np.int64)), perm=[2, 0, 1])
    scores = g.Add(g.scores(g.heads(windows), g.heads(windows)), g.Unsqueeze(bias, g.n(0)))
    back = g.Reshape(g.attend(scores, g.heads(windows)), g.n(-1, 2, 2, 4, 4, WIDTH))
    return g.Reshape(g.Transpose(back, perm=[0, 1, 3, 2, 4, 5]), g.n(-1, 64, WIDTH))


@structure(attention={"heads": HEADS, "kv_heads": 2})
def shared_heads_by_gather(g):
    again = g.c([0, 0, 1, 1], np.int64)
    k, v = (g.Gather(g.heads(g.x, 2), again, axis=1) for _ in range(2))
    return g.attend(g.scores(g.heads(g.x), k), v)


@structure(attention={"heads": HEADS, "kv_heads": 2})
def shared_heads_by_tiling(g):
    def repeated(x):
        return g.Reshape(g.Tile(g.Unsqueeze(x, g.n(2)), g.n(1, 1, 2, 1, 1)), g.n(0, HEADS, -1, HEAD))
    k, v = repeated(g.heads(g.x, 2)), repeated(g.heads(g.x, 2))
    return g.attend(g.scores(g.heads(g.x), k), v)


@structure(SwiGLU={})
def gate_and_up_in_one(g):
    gate, up = g.Split(g.MatMul(g.x, g.w(WIDTH, 96)), outputs=2, axis=-1)
    return g.MatMul(g.Mul(g.Mul(gate, g.Sigmoid(gate)), up), g.w(48, WIDTH))


@structure(GeGLU={})
def gelu_gate(g):
    gate = g.MatMul(g.x, g.w(WIDTH, 48))
    erf = g.Add(g.Erf(g.Div(gate, g.c(2 ** 0.5))), g.c(1.0))
    gelu = g.Mul(g.c(0.5), g.Mul(gate, erf))
    return g.MatMul(g.Mul(gelu, g.MatMul(g.x, g.w(WIDTH, 48))), g.w(48, WIDTH))


@structure(RMSNorm={"channels": WIDTH}, attention={})
def norms_on_both_sides(g):
    """A gain of one plus the weight, before the layer and after it."""
    x = g.rms(g.x, WIDTH, 1.0)
    out = g.MatMul(g.attend(g.scores(g.heads(x), g.heads(x)), g.heads(x)), g.w(WIDTH, WIDTH))
    return g.Add(g.x, g.rms(out, WIDTH, 1.0))


@structure(LayerNorm={"channels": WIDTH}, attention={})
def parallel_branches(g):
    """Attention and feed-forward read one norm; a learned scale on the sum."""
    x = g.LayerNormalization(g.x, g.w(WIDTH), g.w(WIDTH), axis=-1)
    mixed = g.MatMul(g.attend(g.scores(g.heads(x), g.heads(x)), g.heads(x)), g.w(WIDTH, WIDTH))
    forward = g.MatMul(g.Relu(g.MatMul(x, g.w(WIDTH, 64))), g.w(64, WIDTH))
    return g.Add(g.x, g.Mul(g.w(WIDTH), g.Add(mixed, forward)))


@structure()
def gated_causal_convolution(g):
    """As in state-space layers: a depthwise convolution over the past, a gate."""
    turned = g.Transpose(g.x, perm=[0, 2, 1])
    past = g.Pad(turned, g.n(0, 0, 3, 0, 0, 0))
    mixed = g.Conv(past, g.w(WIDTH, 1, 4, scale=0.5), g.w(WIDTH), group=WIDTH)
    mixed = g.Mul(mixed, g.Sigmoid(mixed))
    return g.Mul(g.Transpose(mixed, perm=[0, 2, 1]), g.Sigmoid(g.MatMul(g.x, g.w(WIDTH, WIDTH))))


@structure(attention={})
def patches_and_a_class_token(g):
    g.inputs["x"] = (F, ["b", 3, 16, 16])
    patches = g.Conv(g.x, g.w(WIDTH, 3, 4, 4, scale=0.1), g.w(WIDTH), kernel_shape=[4, 4], strides=[4, 4])
    rows = g.Transpose(g.Reshape(patches, g.n(0, WIDTH, -1)), perm=[0, 2, 1])
    token = g.Expand(g.w(1, 1, WIDTH), g.Concat(g.Slice(g.Shape(rows), g.n(0), g.n(1)), g.n(1, WIDTH), axis=0))
    x = g.Add(g.Concat(token, rows, axis=1), g.w(1, 17, WIDTH))
    x = g.attend(g.scores(g.heads(x), g.heads(x)), g.heads(x))
    return g.Gather(x, g.c(0, np.int64), axis=1)


@structure()
def pooled_and_normalised(g):
    """Sentence embeddings: the mean of what a mask counts, of length one."""
    mask = g.Cast(g.Unsqueeze(g.input("mask", I, ["b", "s"]), g.n(-1)), to=F)
    total = g.ReduceSum(g.Mul(g.x, g.Expand(mask, g.Shape(g.x))), g.n(1), keepdims=0)
    mean = g.Div(total, g.Max(g.ReduceSum(mask, g.n(1), keepdims=0), g.c(1e-9)))
    return g.Div(mean, g.Max(g.ReduceL2(mean, axes=[1], keepdims=1), g.c(1e-12)))


SIZES = ({"b": 2, "s": 5, "t": 7}, {"b": 1, "s": 1, "t": 3}, {"b": 3, "s": 9, "t": 1})


def data(net, sizes, seed):
    rng = np.random.default_rng(seed)
    feeds = {}
    for name, (dtype, dims) in net.inputs.items():
        shape = [sizes.get(d, d) for d in dims]
        feeds[name] = rng.normal(0, 1, shape).astype(np.float32)
        if dtype == I:  # a mask that hides the end of some rows
            feeds[name] = (np.arange(shape[1]) < rng.integers(1, shape[1] + 1, (shape[0], 1))).astype(np.int64)
    return feeds


@pytest.mark.parametrize("name", STRUCTURES)
def test_structure(qcc_tool, tmp_path, name):
    build, found = STRUCTURES[name]
    net = Net()
    result = net.Identity(build(net))
    proto = model(net.nodes, net.inputs, {result: (F, None)}, net.weights, opset=17)
    sets = []
    for seed, sizes in enumerate(SIZES):
        feeds = data(net, sizes, seed)
        sets.append((feeds, expected(proto, feeds)))
    check(qcc_tool, tmp_path, proto, sets, atol=2e-5, rtol=2e-4)
    done = subprocess.run([qcc_tool, "inspect", tmp_path / "model.onnx", "--json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)["structures"]
    for kind, properties in found.items():
        of_kind = [s["properties"] for s in seen if s["kind"] == kind]
        assert any(properties.items() <= has.items() for has in of_kind), (kind, properties, seen)


@pytest.mark.parametrize("op", ["Div", "Mod", "Pow", "Sign"])
@pytest.mark.parametrize("kind", [np.int32, np.int64, np.float32])
def test_functions_of_sums_of_rows(qcc_tool, tmp_path, op, kind):
    """One number for each row, between two uses of all of them."""
    proto_kind = {np.int32: TensorProto.INT32, np.int64: TensorProto.INT64, np.float32: TensorProto.FLOAT}[kind]
    other = np.array(3, kind)
    sets = []
    for rows in (1, 5):
        x = np.random.default_rng(rows).integers(-4, 5, (rows, 8)).astype(kind)
        s = x.sum(1, keepdims=True)
        toward_zero = np.trunc(s / other) if kind != np.float32 else s / other
        y = {"Div": toward_zero, "Mod": np.fmod(s, other) if kind == np.float32 else np.mod(s, other), "Pow": s ** other, "Sign": np.sign(s)}[op]
        sets.append(({"x": x}, {"z": (x + y).astype(kind)}))
    more = {"fmod": 1} if op == "Mod" and kind == np.float32 else {}
    nodes = [helper.make_node("ReduceSum", ["x", "axes"], ["s"], keepdims=1),
             helper.make_node(op, ["s"] if op == "Sign" else ["s", "c"], ["y"], **more), helper.make_node("Add", ["x", "y"], ["z"])]
    weights = {"axes": np.array([1])} | ({} if op == "Sign" else {"c": other})
    check(qcc_tool, tmp_path, model(nodes, {"x": (proto_kind, ["rows", 8])}, {"z": (proto_kind, None)}, weights), sets)
