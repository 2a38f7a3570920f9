"""com.microsoft operators that graph optimizers and exporters of vision-language models write, against their formulas; where
onnxruntime has kernels for them, the formulas against those."""

import subprocess

import numpy as np
import pytest
from graphs import check, contrib, expected, model, normal, sigmoid

FLOAT, UINT8, INT8, UINT16, INT16, INT32, INT64, BOOL, HALF = 1, 2, 3, 4, 5, 6, 7, 9, 10
KINDS = {np.dtype(k): v for k, v in ((np.float32, FLOAT), (np.uint8, UINT8), (np.int8, INT8), (np.uint16, UINT16), (np.int16, INT16),
                                     (np.int32, INT32), (np.int64, INT64), (np.bool_, BOOL), (np.float16, HALF))}
try:
    import onnxruntime
except ImportError:
    onnxruntime = None


def gelu_tanh(v):
    return v / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (v + 0.044715 * v ** 3)))


def run(qcc_tool, folder, node, sets, weights=(), shapes=None, peer=True, half=False, tolerance=1e-4, nodes=()):
    """One artifact on every set of ({input: array}, {output: array}); axes that differ between sets get symbols."""
    narrow = (lambda v: v.astype(np.float16) if v.dtype == np.float32 else v) if half else (lambda v: v)
    sets = [({k: narrow(np.asarray(v)) for k, v in i.items()},
             {k: narrow(np.asarray(v).astype(np.float32) if np.asarray(v).dtype == np.float64 else np.asarray(v)) for k, v in o.items()})
            for i, o in sets]
    if shapes is None:
        shapes = {k: [size if all(i[k].shape[a] == size for i, _ in sets) else f"{k}{a}" for a, size in enumerate(v.shape)]
                  for k, v in sets[0][0].items()}
    proto = model([*nodes, node], {k: (KINDS[sets[0][0][k].dtype], s) for k, s in shapes.items()},
                  {k: (KINDS[v.dtype], None) for k, v in sets[0][1].items()}, {k: narrow(v) for k, v in dict(weights).items()})
    atol = 2e-2 if half else tolerance
    if peer and onnxruntime:
        for inputs, outputs in sets:
            for name, got in expected(proto, inputs).items():
                np.testing.assert_allclose(outputs[name].astype(np.float64), got.astype(np.float64), atol=atol, rtol=max(atol, 1e-3))
    check(qcc_tool, folder, proto, sets, atol, 1e-2 if half else 1e-4)


#===-- Positions ---------------------------------------------------------------------------------#

def turned(x, c, s, interleaved):
    """x [B, H, S, D] by tables [B, S, W] of the first 2 W channels."""
    width = c.shape[-1] * 2
    h, rest = x[..., :width], x[..., width:]
    a, b = (h[..., ::2], h[..., 1::2]) if interleaved else np.split(h, 2, -1)
    c, s = c[:, None], s[:, None]
    first, second = a * c - b * s, b * c + a * s
    h = np.stack([first, second], -1).reshape(h.shape) if interleaved else np.concatenate([first, second], -1)
    return np.concatenate([h, rest], -1)


def multimodal(table, positions, sections, layout):
    rows = table[positions] # [3, B, S, W]
    columns = np.repeat(np.arange(3), sections)
    if layout == 1:
        columns = np.array([i % 3 if i % 3 and i < 3 * sections[i % 3] else 0 for i in range(sum(sections))])
    return np.stack([rows[columns[i], ..., i] for i in range(len(columns))], -1)


@pytest.mark.parametrize("layout", [0, 1])
@pytest.mark.parametrize("interleaved", [0, 1])
@pytest.mark.parametrize("width", [0, 12])
@pytest.mark.parametrize("split", [False, True])
def test_positions_in_time_and_space(qcc_tool, tmp_path, layout, interleaved, width, split):
    size, half = 16, (width or 16) // 2
    sections = [half - 4, 2, 2]
    angle = np.outer(np.arange(40), 1 / 10 ** (np.arange(half) / half))
    c, s = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    sets = []
    for b, t in ((2, 1), (1, 5), (2, 9)):
        x = normal(b, 3, t, size, seed=t)
        positions = np.random.default_rng(t).integers(0, 40, (3, b, t))
        y = turned(x, multimodal(c, positions, sections, layout), multimodal(s, positions, sections, layout), interleaved)
        join = (lambda v: v) if split else (lambda v: v.transpose(0, 2, 1, 3).reshape(b, t, -1))
        sets.append(({"x": join(x), "p": positions}, {"y": join(y)}))
    node = contrib("MRotaryEmbedding", ["x", "p", "c", "s"], ["y"], mrope_section=sections, mrope_layout=layout, interleaved=interleaved,
                   num_heads=3, rotary_embedding_dim=width)
    shapes = {"x": ["batch", 3, "length", size] if split else ["batch", "length", 3 * size], "p": [3, "batch", "length"]}
    run(qcc_tool, tmp_path, node, sets, {"c": c, "s": s}, shapes)


def test_positions_in_time_and_space_of_halves(qcc_tool, tmp_path):
    c, s, x = normal(9, 4, seed=1), normal(9, 4, seed=2), normal(2, 5, 32)
    p = np.random.default_rng(1).integers(0, 9, (3, 2, 5))
    y = turned(x.reshape(2, 5, 4, 8).transpose(0, 2, 1, 3), multimodal(c, p, [2, 1, 1], 1), multimodal(s, p, [2, 1, 1], 1), 0)
    run(qcc_tool, tmp_path, contrib("MRotaryEmbedding", ["x", "p", "c", "s"], ["y"], mrope_section=[2, 1, 1], mrope_layout=1, num_heads=4),
        [({"x": x, "p": p}, {"y": y.transpose(0, 2, 1, 3).reshape(x.shape)})], {"c": c, "s": s}, half=True)


def test_queries_and_keys_turned_by_angles(qcc_tool, tmp_path):
    e, q, r, k, l = normal(2, 5, 8, scale=3), *(normal(2, 4, 5, 8, seed=i).astype(np.float16) for i in range(4))
    c, s = (f(e).astype(np.float16)[:, None] for f in (np.cos, np.sin))
    outputs = {"y": q * c + r * s, "z": k * c + l * s}
    run(qcc_tool, tmp_path, contrib("GemmaRotaryEmbedding", ["e", "q", "r", "k", "l"], ["y", "z"]),
        [({"e": e, "q": q, "r": r, "k": k, "l": l}, outputs)], peer=False, tolerance=4e-3)


def bucket(apart, buckets, farthest, both):
    """T5's, as its authors' code has it."""
    start = 0
    if both:
        buckets //= 2
        start, apart = (buckets if apart > 0 else 0), abs(apart)
    else:
        apart = max(-apart, 0)
    exact = buckets // 2
    if apart < exact:
        return start + apart
    return start + min(exact + int(np.log(apart / exact) / np.log(farthest / exact) * (buckets - exact)), buckets - 1)


@pytest.mark.parametrize("both", [0, 1])
def test_relative_position_bias(qcc_tool, tmp_path, both):
    from onnx import helper
    memory, sets = normal(3, 16), [] # one head after the other
    for t in (1, 6, 50):
        y = [[[memory[h, bucket(k - q, 16, 24, both)] for k in range(t)] for q in range(t)] for h in range(3)]
        sets.append(({"x": normal(1, t)}, {"y": np.array(y)[None]}))
    nodes = [helper.make_node("Shape", ["x"], ["n"], start=1, end=2)]
    run(qcc_tool, tmp_path, contrib("RelativePositionBias", ["table", "n", "n"], ["y"], max_distance=24, is_bidirectional=both), sets,
        {"table": memory.reshape(16, 3)}, peer=False, nodes=nodes)


def test_gated_position_bias(qcc_tool, tmp_path):
    bias, weight, offset, eco, sets = normal(16, seed=1), normal(8, 6, seed=2), normal(6, seed=3), normal(1, 2, 1, 1, seed=4), []
    for t in (1, 5):
        q, rel = normal(2, t, 16, seed=t), normal(1, 2, t, t, seed=9)
        g = (q + bias).reshape(2, t, 2, 8).transpose(0, 2, 1, 3) @ weight + offset
        u, r = np.split(sigmoid(g.reshape(2, 2, t, 2, 3).sum(-1)), 2, -1)
        sets.append(({"q": q, "rel": rel}, {"y": (u * (r * eco - 1) + 2) * rel}))
    node = contrib("GatedRelativePositionBias", ["q", "b", "rel", "w", "o", "eco"], ["y"], num_heads=2)
    run(qcc_tool, tmp_path, node, sets, {"b": bias, "w": weight, "o": offset, "eco": eco}, {"q": [2, "t", 16], "rel": [1, 2, "t", "t"]}, peer=False)


#===-- Attention of one step ---------------------------------------------------------------------#

def step(q, k, v, added=0, scale=None):
    """q [B, H, 1, D] over keys [B, H, T, D]."""
    a = q.astype(np.float64) @ k.transpose(0, 1, 3, 2) * (scale or q.shape[-1] ** -0.5) + added
    e = np.exp(a - a.max(-1, keepdims=True))
    return (e / e.sum(-1, keepdims=True) @ v).transpose(0, 2, 1, 3).reshape(q.shape[0], 1, -1)


def heads(x, count=4):
    return x.reshape(x.shape[0], x.shape[1], count, -1).transpose(0, 2, 1, 3)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("half", [False, True])
def test_decoder_attention(qcc_tool, tmp_path, shared, packed, half):
    bias, sets = normal(96, seed=5, scale=0.3), []
    for past in (1, 4, 7):
        qkv = normal(2, 1, 96, seed=past)
        q, k, v = (heads(part) for part in np.split(qkv + bias, 3, 2))
        room = 12 if shared else past
        before = [normal(2, 4, room, 8, seed=past + i) for i in (1, 2)]
        now = [np.concatenate([b[:, :, :past], f] + ([b[:, :, past + 1:]] if shared else []), 2) for b, f in zip(before, (k, v))]
        mask = np.ones((2, past + 1), np.int32)
        mask[1, 0] = 0
        added = normal(1, 4, 1, past + 1, seed=8)
        hidden = np.where(mask[:, None, None] == 1, 0, -10000) + added
        y = step(q, now[0][:, :, :past + 1], now[1][:, :, :past + 1], hidden)
        inputs = {"x": qkv} if packed else dict(zip("xkv", np.split(qkv, 3, 2)))
        inputs |= {"mask": mask, "added": added, "pk": before[0], "pv": before[1]} | ({"n": np.array([past], np.int32)} if shared else {})
        sets.append((inputs, {"y": y, "nk": now[0], "nv": now[1]}))
    room = "room" if shared else "past"
    total = "total" if shared else "past + 1"
    shapes = ({"x": ["b", 1, 96]} if packed else {n: ["b", 1, 32] for n in "xkv"}) | {
        "mask": ["b", total], "added": [1, 4, 1, total], "pk": ["b", 4, room, 8], "pv": ["b", 4, room, 8]} | ({"n": [1]} if shared else {})
    node = contrib("DecoderMaskedMultiHeadAttention",
                   ["x", *(["", ""] if packed else ["k", "v"]), "mask", "added", "pk", "pv", "n" if shared else "", "", "", "bias"],
                   ["y", "nk", "nv"], num_heads=4, past_present_share_buffer=int(shared))
    run(qcc_tool, tmp_path, node, sets, {"bias": bias}, shapes, peer=shared and not packed, half=half)


def test_decoder_attention_to_an_encoder(qcc_tool, tmp_path):
    sets = []
    for t in (3, 8):
        x, k, v = normal(2, 1, 32, seed=t), normal(2, 4, t, 8, seed=1), normal(2, 4, t, 8, seed=2)
        sets.append(({"x": x, "k": k, "v": v}, {"y": step(heads(x), k, v, scale=0.25)}))
    run(qcc_tool, tmp_path, contrib("DecoderMaskedMultiHeadAttention", ["x", "k", "v"], ["y"], num_heads=4, scale=0.25), sets,
        shapes={"x": [2, 1, 32], "k": [2, 4, "t", 8], "v": [2, 4, "t", 8]})


#===-- Sums, norms and functions -----------------------------------------------------------------#

@pytest.mark.parametrize("axis", [3, 2])
@pytest.mark.parametrize("inner", [0, 1])
def test_biased_softmax(qcc_tool, tmp_path, axis, inner):
    sets = []
    for t in (1, 6):
        x, b = normal(2, 4, t, 6, seed=t), normal(*((2, 1) if inner else (1, 1)), t, 6, seed=1)
        rows = (x + b).reshape(*x.shape[:axis], -1).astype(np.float64)
        e = np.exp(rows - rows.max(-1, keepdims=True))
        sets.append(({"x": x, "b": b}, {"y": (e / e.sum(-1, keepdims=True)).reshape(x.shape)}))
    run(qcc_tool, tmp_path, contrib("BiasSoftmax", ["x", "b"], ["y"], axis=axis, is_inner_broadcast=inner), sets, peer=False,
        shapes={"x": [2, 4, "t", 6], "b": [2 if inner else 1, 1, "t", 6]})


@pytest.mark.parametrize("op", ["BiasAdd", "BiasSplitGelu", "BiasDropout"])
@pytest.mark.parametrize("half", [False, True])
def test_sums_with_a_bias(qcc_tool, tmp_path, op, half):
    from math import erf
    bias, sets = normal(16, seed=1), []
    for t in (1, 6):
        x, skip = normal(2, t, 16, seed=t), normal(2, t, 16, seed=2)
        if op == "BiasSplitGelu":
            left, right = np.split(x + bias, 2, 2)
            sets.append(({"x": x}, {"y": left * right / 2 * (1 + np.vectorize(erf)(right / np.sqrt(2)))}))
        else:
            mask = {"mask": np.ones(x.shape, bool)} if op == "BiasDropout" else {}
            sets.append(({"x": x, "s": skip}, {"y": x + bias + skip} | mask))
    names = ["x", "b"] if op == "BiasSplitGelu" else ["x", "b", "s"]
    run(qcc_tool, tmp_path, contrib(op, names, list(sets[0][1])), sets, {"b": bias}, {n: [2, "t", 16] for n in names if n != "b"}, peer=False, half=half)


@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("skip", ["", "whole", "flat", "flat4"])
@pytest.mark.parametrize("activation", [0, 1])
def test_group_norms(qcc_tool, tmp_path, last, skip, activation):
    gain, beta, bias, sets = normal(8, seed=1), normal(8, seed=2), normal(8, seed=3), []
    turn = (lambda v: np.ascontiguousarray(v.transpose(0, 2, 3, 1))) if last else (lambda v: v)
    for size in (2, 5):
        x = normal(2, 8, size, 3, seed=size)
        extra = normal(2, 8, size, 3, seed=4) if skip == "whole" else normal(2, 8, 1, 1, seed=4)
        total = x + extra + bias[:, None, None] if skip else x
        g = total.reshape(2, 4, 2, size, 3).astype(np.float64)
        g = (g - g.mean((2, 3, 4), keepdims=True)) / np.sqrt(g.var((2, 3, 4), keepdims=True) + 1e-3)
        y = g.reshape(x.shape) * gain[:, None, None] + beta[:, None, None]
        y = y * sigmoid(y) if activation else y
        given = {"skip": extra[:, :, 0, 0] if skip == "flat" else turn(extra)} if skip else {}
        sets.append(({"x": turn(x)} | given, {"y": turn(y)} | ({"sum": turn(total)} if skip else {})))
    place = lambda one: [2, *(["h", 3, 8] if last else [8, "h", 3])] if not one else [2, *([1, 1, 8] if last else [8, 1, 1])]
    shapes = {"x": place(False)} | ({"skip": [2, 8] if skip == "flat" else place(skip != "whole")} if skip else {})
    names = ["x", "g", "be"] + (["skip", "bias"] if skip else [])
    node = contrib("SkipGroupNorm" if skip else "GroupNorm", names, list(sets[0][1]), groups=4, channels_last=last, activation=activation, epsilon=1e-3)
    run(qcc_tool, tmp_path, node, sets, {"g": gain, "be": beta} | ({"bias": bias} if skip else {}), shapes, peer=False)


def test_embedding(qcc_tool, tmp_path):
    table = normal(12, 8)
    sets = [({"i": i}, {"y": table[i]}) for i in (np.random.default_rng(t).integers(0, 12, (2, t)) for t in (1, 7))]
    run(qcc_tool, tmp_path, contrib("TorchEmbedding", ["w", "i"], ["y"]), sets, {"w": table}, peer=False)


@pytest.mark.parametrize("op", ["FusedMatMulActivation", "GemmFastGelu"])
@pytest.mark.parametrize("constant", [False, True])
def test_functions_of_products(qcc_tool, tmp_path, op, constant):
    b, bias, sets = normal(16, 6, seed=1), normal(6, seed=2), []
    for t in (1, 5):
        a = normal(2, t, 16, seed=t)
        y = np.clip(0.3 * (np.float32(0.5) * (a @ b)) + 0.4, 0, 1) if op == "FusedMatMulActivation" else gelu_tanh(a @ b + bias)
        sets.append(({"a": a} | ({} if constant else {"b": b}), {"y": y}))
    node = contrib(op, ["a", "b", "bias"], ["y"]) if op == "GemmFastGelu" else contrib(
        op, ["a", "b"], ["y"], alpha=0.5, activation="HardSigmoid", activation_alpha=0.3, activation_beta=0.4)
    weights = ({"b": b} if constant else {}) | ({"bias": bias} if op == "GemmFastGelu" else {})
    run(qcc_tool, tmp_path, node, sets, weights, {"a": [2, "t", 16]} | ({} if constant else {"b": [16, 6]}), peer=False)


#===-- Weights in blocks -------------------------------------------------------------------------#

def blocks(rows, columns, bits, seed):
    """Codes packed low bits first, scales, and the matrix."""
    random = np.random.default_rng(seed)
    q = random.integers(0, 1 << bits, (rows, columns), dtype=np.uint8)
    scale = (random.random((rows, columns // 32)) * 0.02 + 0.01).astype(np.float32)
    w = (q.astype(np.float32) - (1 << (bits - 1))) * np.repeat(scale, 32, 1)
    if bits == 4:
        q = q[:, ::2] | (q[:, 1::2] << 4)
    return q.reshape(rows, columns // 32, 32 * bits // 8), scale, w


def rms(x, gain, epsilon):
    return x / np.sqrt((x.astype(np.float64) ** 2).mean(-1, keepdims=True) + epsilon) * gain


@pytest.mark.parametrize("op", ["MatMulNBitsMlp", "MatMulNBitsQkv"])
@pytest.mark.parametrize("norm", ["", "norm", "skip"])
@pytest.mark.parametrize("bits", [4, 8])
def test_products_of_one_input_with_codes(qcc_tool, tmp_path, op, norm, bits):
    k, sizes = 64, [24, 24] if op == "MatMulNBitsMlp" else [32, 16, 16]
    gain, weights, matrices = normal(k, seed=1), {}, []
    for i, size in enumerate(sizes):
        codes, scale, w = blocks(size, k, bits, i)
        weights |= {f"w{i}": codes, f"s{i}": scale, f"b{i}": normal(size, seed=i)}
        matrices.append((w, weights[f"b{i}"]))
    if norm:
        weights["g"] = gain
    sets = []
    for t in (1, 5):
        x, skip = normal(2, t, k, seed=t), normal(2, t, k, seed=9)
        total = x + skip if norm == "skip" else x
        rows = [(rms(total, gain, 1e-3) if norm else total) @ w.T + b for w, b in matrices]
        if op == "MatMulNBitsMlp":
            rows = [rows[0] * sigmoid(rows[0]) * rows[1]]
        outputs = dict(zip("qkv", rows)) | ({"sum": total} if norm == "skip" else {})
        sets.append(({"x": x} | ({"skip": skip} if norm == "skip" else {}), outputs))
    names = ["x", "skip" if norm == "skip" else "", "g" if norm else ""]
    for i in range(len(sizes)):
        names += [f"w{i}", f"s{i}", f"b{i}"]
    own = {"N": 24, "activation": "silu"} if op == "MatMulNBitsMlp" else {"Nq": 32, "Nkv": 16}
    node = contrib(op, names, list(sets[0][1]), K=k, bits=bits, block_size=32, epsilon=1e-3, **own)
    run(qcc_tool, tmp_path, node, sets, weights, {n: [2, "t", k] for n in sets[0][0]}, peer=False)
    shown = subprocess.run([qcc_tool, "inspect", tmp_path / "model.onnx"], capture_output=True, text=True)
    assert "linear on codes" in shown.stdout and f"{len(sizes)} qlinear" in shown.stdout, shown.stdout + shown.stderr


def rounded(x):
    """8 bits with one scale for all."""
    low, high = min(x.min(), np.float32(0)), max(x.max(), np.float32(0))
    scale = (high - low) / np.float32(255) or np.float32(1)
    zero = np.rint(np.clip(-low / scale, 0, 255))
    return ((np.clip(np.rint(x / scale) + zero, 0, 255) - zero) * scale).astype(np.float32)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("kind", [np.int8, np.uint8])
@pytest.mark.parametrize("both", [False, True])
def test_lstm_with_codes(qcc_tool, tmp_path, per_channel, kind, both):
    random, size, width, ways = np.random.default_rng(1), 8, 12, 1 + both
    info = np.iinfo(kind)
    weights, real = {}, {}
    for name, rows in (("w", width), ("r", size)):
        codes = random.integers(info.min, info.max + 1, (ways, rows, 4 * size)).astype(kind)
        scale = (random.random((ways, 4 * size) if per_channel else ways) * 0.004 + 0.002).astype(np.float32)
        zero = np.full(scale.shape, 0 if kind == np.int8 else 128, kind)
        weights |= {name: codes, f"{name}s": scale, f"{name}z": zero}
        spread = (lambda v: v[:, None]) if per_channel else (lambda v: v[:, None, None])
        real[name] = (codes.astype(np.float32) - spread(zero).astype(np.float32)) * spread(scale)
    weights["b"] = normal(ways, 8 * size, seed=4, scale=0.2)
    sets = []
    for t in (1, 5):
        x, rows, last = normal(t, 1, width, seed=t), [], []
        for d in range(ways):
            h, c, bias, out = np.zeros((1, size), np.float32), np.zeros((1, size), np.float32), weights["b"][d].reshape(2, -1).sum(0), {}
            inputs = rounded(x) @ real["w"][d] + bias
            for i in range(t)[::-1 if d else 1]:
                a, o, f, g = np.split(inputs[i] + rounded(h) @ real["r"][d], 4, 1)
                c = sigmoid(f) * c + sigmoid(a) * np.tanh(g)
                out[i] = h = (sigmoid(o) * np.tanh(c)).astype(np.float32)
            rows.append(np.stack([out[i] for i in range(t)])), last.append((h, c))
        sets.append(({"x": x}, {"y": np.stack(rows, 1), "h": np.stack([l[0] for l in last]), "c": np.stack([l[1] for l in last])}))
    node = contrib("DynamicQuantizeLSTM", ["x", "w", "r", "b", "", "", "", "", "ws", "wz", "rs", "rz"], ["y", "h", "c"], hidden_size=size,
                   direction="bidirectional" if both else "forward")
    # A state that lies on the border of two codes may round either way.
    run(qcc_tool, tmp_path, node, sets, weights, tolerance=2e-3)


#===-- Convolutions ------------------------------------------------------------------------------#

def conv2d(x, w, b, pad):
    """Channels first, stride 1."""
    x = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    h, v = x.shape[2] - w.shape[2] + 1, x.shape[3] - w.shape[3] + 1
    y = sum(np.einsum("bchw,oc->bohw", x[:, :, i:i + h, j:j + v], w[:, :, i, j]) for i in range(w.shape[2]) for j in range(w.shape[3]))
    return y + b[:, None, None]


FUNCTIONS = {"Relu": ([], lambda y: np.maximum(y, 0)), "Clip": ([-0.5, 0.75], lambda y: np.clip(y, -0.5, 0.75)),
             "LeakyRelu": ([0.2], lambda y: np.where(y < 0, 0.2 * y, y)), "HardSigmoid": ([0.3, 0.4], lambda y: np.clip(0.3 * y + 0.4, 0, 1)),
             "Tanh": ([], np.tanh)}


@pytest.mark.parametrize("op, kind, more", [("NhwcConv", "Relu", False), *((op, kind, more) for op in ("FusedConv", "NhwcFusedConv")
                                                                           for kind in FUNCTIONS for more in (False, True))])
def test_fused_convolutions(qcc_tool, tmp_path, op, kind, more):
    w, b, sets = normal(6, 4, 3, 3, seed=1, scale=0.3), normal(6, seed=2), []
    turn = (lambda v: v) if op == "FusedConv" else (lambda v: np.ascontiguousarray(v.transpose(0, 2, 3, 1)))
    parameters, function = FUNCTIONS[kind]
    for size in (3, 6):
        x, z = normal(2, 4, size, 5, seed=size), normal(2, 6, size, 5, seed=3)
        y = conv2d(x, w, b, 1) + (z if more else 0)
        sets.append(({"x": turn(x)} | ({"z": turn(z)} if more else {}), {"y": turn(y if op == "NhwcConv" else function(y))}))
    attributes = {} if op == "NhwcConv" else {"activation": kind, **({"activation_params": parameters} if parameters else {})}
    node = contrib(op, ["x", "w", "b"] + ["z"] * more, ["y"], pads=[1, 1, 1, 1], **attributes)
    shape = lambda c: [2, c, "h", 5] if op == "FusedConv" else [2, "h", 5, c]
    run(qcc_tool, tmp_path, node, sets, {"w": w, "b": b}, {"x": shape(4)} | ({"z": shape(6)} if more else {}), peer=op == "FusedConv")


@pytest.mark.parametrize("kind", [np.uint8, np.int8])
def test_largest_codes_with_channels_last(qcc_tool, tmp_path, kind):
    sets = []
    for size in (4, 7):
        x = np.random.default_rng(size).integers(np.iinfo(kind).min, np.iinfo(kind).max + 1, (1, size, 6, 3)).astype(kind)
        rows = range(0, size - 1, 2)
        y = np.stack([np.stack([x[:, i:i + 2, j:j + 3].max((1, 2)) for j in range(0, 4, 3)], 1) for i in rows], 1)
        sets.append(({"x": x}, {"y": y}))
    run(qcc_tool, tmp_path, contrib("NhwcMaxPool", ["x"], ["y"], kernel_shape=[2, 3], strides=[2, 3]), sets)


def test_transposed_convolution_with_pads_as_input(qcc_tool, tmp_path):
    x, w, b = normal(2, 4, 6), normal(4, 3, 3, seed=1), normal(3, seed=2)
    whole = np.zeros((2, 3, 13), np.float32)
    for i in range(6):
        whole[:, :, 2 * i:2 * i + 3] += np.einsum("bc,cok->bok", x[:, :, i], w)
    run(qcc_tool, tmp_path, contrib("ConvTransposeWithDynamicPads", ["x", "w", "p", "b"], ["y"], strides=[2]),
        [({"x": x}, {"y": whole[:, :, 1:-2] + b[:, None]})], {"w": w, "p": np.array([1, 2]), "b": b})


#===-- What the standard has by now --------------------------------------------------------------#

@pytest.mark.parametrize("axis", [0, 1, -1])
def test_one_axis_more(qcc_tool, tmp_path, axis):
    sets = [({"x": x}, {"y": np.expand_dims(x, axis)}) for x in (normal(t, 5) for t in (1, 4))]
    run(qcc_tool, tmp_path, contrib("ExpandDims", ["x", "a"], ["y"]), sets, {"a": np.array(axis, np.int32)})


@pytest.mark.parametrize("upper", [0, 1])
def test_triangles(qcc_tool, tmp_path, upper):
    sets = [({"x": x}, {"y": np.triu(x, 1) if upper else np.tril(x, 1)}) for x in (normal(2, t, 5) for t in (1, 4))]
    run(qcc_tool, tmp_path, contrib("Trilu", ["x", "k"], ["y"], upper=upper), sets, {"k": np.array(1)})


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect"])
def test_padding(qcc_tool, tmp_path, mode):
    sets = [({"x": x}, {"y": np.pad(x, [(1, 0), (2, 1)], mode=mode, **({"constant_values": 3} if mode == "constant" else {}))})
            for x in (normal(t, 5) for t in (3, 4))]
    constant = mode == "constant"
    run(qcc_tool, tmp_path, contrib("Pad", ["x", "p"] + ["v"] * constant, ["y"], mode=mode), sets,
        {"p": np.array([1, 2, 0, 1])} | ({"v": np.array(3, np.float32)} if constant else {}))


@pytest.mark.parametrize("step", [None, 2])
def test_ranges(qcc_tool, tmp_path, step):
    from onnx import helper
    sets = [({"x": normal(t, 2)}, {"y": np.arange(1, t, step or 1)}) for t in (3, 8)]
    weights = {"from": np.array(1)} | ({"by": np.array(step)} if step else {})
    nodes = [helper.make_node("Shape", ["x"], ["s"], start=0, end=1), helper.make_node("Squeeze", ["s"], ["n"])]
    run(qcc_tool, tmp_path, contrib("Range", ["from", "n"] + ["by"] * bool(step), ["y"]), sets, weights, nodes=nodes)
    (tmp_path / "data").mkdir()
    numbers = [({"to": np.array(v, np.float32)}, {"y": np.arange(1, v, step or 1, np.float32)}) for v in (3, 8)]
    weights = {k: v.astype(np.float32) for k, v in weights.items()}
    run(qcc_tool, tmp_path / "data", contrib("Range", ["from", "to"] + ["by"] * bool(step), ["y"]), numbers, weights)


def test_gathered_slices(qcc_tool, tmp_path):
    sets = []
    for t in (3, 6):
        x, i = normal(t, 4, 5), np.array([[0, 1], [t - 1, 3], [1, 0]])
        sets.append(({"x": x, "i": i}, {"y": x[i[:, 0], i[:, 1]]}))
    run(qcc_tool, tmp_path, contrib("GatherND", ["x", "i"], ["y"]), sets)


@pytest.mark.parametrize("kinds", [(np.int16, np.int16), (np.uint16, np.int16)])
def test_products_of_16_bits(qcc_tool, tmp_path, kinds):
    random, sets = np.random.default_rng(1), []
    for t in (1, 5):
        a = random.integers(0 if kinds[0] == np.uint16 else -3000, 3000, (2, t, 9)).astype(kinds[0])
        b = random.integers(-3000, 3000, (2, 9, 4)).astype(kinds[1])
        sets.append(({"a": a, "b": b}, {"y": a.astype(np.int32) @ b.astype(np.int32)}))
    run(qcc_tool, tmp_path, contrib("MatMulInteger16", ["a", "b"], ["y"]), sets, peer=kinds[0] == np.int16)
