"""com.microsoft operators against their formulas; where onnxruntime is installed, the formulas against it."""

import math
from importlib.util import find_spec

import numpy as np
import pytest
from graphs import check, contrib, expected, model

FLOAT, UINT8, INT8, INT32, INT64 = 1, 2, 3, 6, 7
KINDS = {np.dtype(np.float32): FLOAT, np.dtype(np.uint8): UINT8, np.dtype(np.int8): INT8, np.dtype(np.int32): INT32,
         np.dtype(np.int64): INT64}
onnxruntime = find_spec("onnxruntime")


def rng(seed=7):
    return np.random.default_rng(seed)


def normal(*shape, seed=7, scale=1.0):
    return (rng(seed).standard_normal(shape) * scale).astype(np.float32)


def run(qcc_tool, folder, node, inputs, outputs, weights=(), atol=1e-5, peer=True, opset=21):
    """One node on one set of inputs; `outputs` are what it must give."""
    proto = model([node], {k: (KINDS[v.dtype], [f"{k}{i}" for i in range(v.ndim - 1)] + list(v.shape[-1:])) for k, v in inputs.items()},
                  {k: (KINDS[v.dtype], None) for k, v in outputs.items()}, weights, opset)
    if peer and onnxruntime:
        for name, got in expected(proto, inputs).items():
            tolerance = 1 if got.dtype in (np.uint8, np.int8) else max(atol, 1e-4)
            np.testing.assert_allclose(outputs[name].astype(np.float64), got.astype(np.float64), atol=tolerance, rtol=1e-3)
    check(qcc_tool, folder, proto, [(inputs, outputs)], atol, 1e-4)


def codes(x, scale, zero, dtype=np.uint8):
    info = np.iinfo(dtype)
    return np.clip(np.rint(np.float32(x) / np.float32(scale)) + int(zero), info.min, info.max).astype(dtype)


def real(q, scale, zero):
    return (q.astype(np.int32) - np.asarray(zero).astype(np.int32)).astype(np.float32) * np.float32(scale)


def random_codes(*shape, dtype=np.uint8, seed=3):
    info = np.iinfo(dtype)
    return rng(seed).integers(info.min, info.max + 1, shape).astype(dtype)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def erf(x):
    return np.vectorize(math.erf)(x).astype(np.float32)


#===-- Codes of 8 bits ---------------------------------------------------------------------------#

@pytest.mark.parametrize("op", ["QLinearAdd", "QLinearMul"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_sums_and_products_of_codes(qcc_tool, tmp_path, op, dtype):
    a, b = random_codes(3, 4, 16, dtype=dtype), random_codes(4, 16, dtype=dtype, seed=4)
    za, zb, zc = dtype(5), dtype(100), dtype(7)
    x, y = real(a, 0.02, za), real(b, 0.03, zb)
    want = codes(x + y if op == "QLinearAdd" else x * y, np.float32(0.05), zc, dtype)
    node = contrib(op, ["a", "sa", "za", "b", "sb", "zb", "sc", "zc"], ["y"])
    weights = {"sa": np.float32(0.02), "za": za, "sb": np.float32(0.03), "zb": zb, "sc": np.float32(0.05), "zc": zc}
    run(qcc_tool, tmp_path, node, {"a": a, "b": b}, {"y": want}, weights, atol=1)


@pytest.mark.parametrize("op", ["QLinearSigmoid", "QLinearLeakyRelu"])
def test_functions_of_codes(qcc_tool, tmp_path, op):
    a = random_codes(5, 20)
    x = real(a, 0.05, 128)
    y = sigmoid(x) if op == "QLinearSigmoid" else np.where(x < 0, np.float32(0.1) * x, x)
    scale, zero = (1 / 256, 0) if op == "QLinearSigmoid" else (0.04, 20)
    node = contrib(op, ["a", "sa", "za", "sy", "zy"], ["y"], **({"alpha": 0.1} if "Relu" in op else {}))
    run(qcc_tool, tmp_path, node, {"a": a}, {"y": codes(y, scale, zero)},
        {"sa": np.float32(0.05), "za": np.uint8(128), "sy": np.float32(scale), "zy": np.uint8(zero)}, atol=1)


def test_softmax_and_concat_of_codes(qcc_tool, tmp_path):
    a = random_codes(4, 10)
    x = real(a, 0.05, 0).astype(np.float64)
    e = np.exp(x - x.max(1, keepdims=True))
    node = contrib("QLinearSoftmax", ["a", "sa", "za", "sy", "zy"], ["y"], axis=-1, opset=13)
    (tmp_path / "s").mkdir(), (tmp_path / "c").mkdir()
    run(qcc_tool, tmp_path / "s", node, {"a": a}, {"y": codes(e / e.sum(1, keepdims=True), 1 / 256, 0)},
        {"sa": np.float32(0.05), "za": np.uint8(0), "sy": np.float32(1 / 256), "zy": np.uint8(0)}, atol=1)
    b = random_codes(4, 3, seed=9)
    want = codes(np.concatenate([real(a, 0.05, 3), real(b, 0.1, 200)], 1), 0.08, 100)
    node = contrib("QLinearConcat", ["sy", "zy", "a", "sa", "za", "b", "sb", "zb"], ["y"], axis=1)
    run(qcc_tool, tmp_path / "c", node, {"a": a, "b": b}, {"y": want},
        {"sy": np.float32(0.08), "zy": np.uint8(100), "sa": np.float32(0.05), "za": np.uint8(3), "sb": np.float32(0.1),
         "zb": np.uint8(200)}, atol=1)


@pytest.mark.parametrize("channels_last", [0, 1])
def test_pooled_codes(qcc_tool, tmp_path, channels_last):
    a = random_codes(2, 3, 5, 6)
    if channels_last:
        a = np.ascontiguousarray(a.transpose(0, 2, 3, 1))
    axes = (1, 2) if channels_last else (2, 3)
    want = codes(real(a, 0.1, 9).mean(axes, keepdims=True), 0.02, 128)
    node = contrib("QLinearGlobalAveragePool", ["a", "sa", "za", "sy", "zy"], ["y"], channels_last=channels_last)
    run(qcc_tool, tmp_path, node, {"a": a}, {"y": want},
        {"sa": np.float32(0.1), "za": np.uint8(9), "sy": np.float32(0.02), "zy": np.uint8(128)}, atol=1)


def test_averaged_windows_of_codes(qcc_tool, tmp_path):
    a = random_codes(1, 2, 4, 6)
    x = real(a, 0.1, 9)
    want = codes(x.reshape(1, 2, 2, 2, 3, 2).mean((3, 5)), 0.1, 20)
    node = contrib("QLinearAveragePool", ["a", "sa", "za", "sy", "zy"], ["y"], kernel_shape=[2, 2], strides=[2, 2])
    run(qcc_tool, tmp_path, node, {"a": a}, {"y": want},
        {"sa": np.float32(0.1), "za": np.uint8(9), "sy": np.float32(0.1), "zy": np.uint8(20)}, atol=1)


def test_chosen_codes(qcc_tool, tmp_path):
    c, a, b = rng().integers(0, 2, (4, 8)).astype(bool), random_codes(4, 8), random_codes(8, seed=8)
    want = codes(np.where(c, real(a, 0.1, 9), real(b, 0.05, 130)), 0.08, 60)
    node = contrib("QLinearWhere", ["c", "a", "sa", "za", "b", "sb", "zb", "sy", "zy"], ["y"])
    KINDS[np.dtype(bool)] = 9
    run(qcc_tool, tmp_path, node, {"c": c, "a": a, "b": b}, {"y": want},
        {"sa": np.float32(0.1), "za": np.uint8(9), "sb": np.float32(0.05), "zb": np.uint8(130), "sy": np.float32(0.08),
         "zy": np.uint8(60)}, atol=1)


@pytest.mark.parametrize("to_codes", [False, True])
def test_qgemm(qcc_tool, tmp_path, to_codes):
    a, b = random_codes(5, 24), random_codes(24, 8, dtype=np.int8)
    sb, bias = (rng().random(8) * 0.01 + 0.01).astype(np.float32), rng().integers(-5000, 5000, 8).astype(np.int32)
    total = (a.astype(np.int32) - 120) @ b.astype(np.int32) + bias
    y = total.astype(np.float32) * (np.float32(0.02) * sb)
    names = ["a", "sa", "za", "b", "sb", "zb", "c"] + (["sy", "zy"] if to_codes else [])
    weights = {"sa": np.float32(0.02), "za": np.uint8(120), "b": b, "sb": sb, "zb": np.zeros(8, np.int8), "c": bias,
               "sy": np.float32(0.5), "zy": np.uint8(100)}
    if not to_codes:
        del weights["sy"], weights["zy"]
    run(qcc_tool, tmp_path, contrib("QGemm", names, ["y"]), {"a": a}, {"y": codes(y, 0.5, 100) if to_codes else y},
        weights, atol=1 if to_codes else 1e-4)


@pytest.mark.parametrize("bias", [False, True])
def test_integer_product_to_float(qcc_tool, tmp_path, bias):
    a, b = random_codes(2, 5, 24), random_codes(24, 8, dtype=np.int8)
    sb, zb = (rng().random(8) * 0.01 + 0.01).astype(np.float32), random_codes(8, dtype=np.int8, seed=1)
    y = ((a.astype(np.int32) - 77) @ (b.astype(np.int32) - zb)).astype(np.float32) * (np.float32(0.02) * sb)
    weights = {"b": b, "sa": np.float32(0.02), "sb": sb, "za": np.uint8(77), "zb": zb}
    if bias:
        weights["c"] = normal(8)
        y = y + weights["c"]
    run(qcc_tool, tmp_path, contrib("MatMulIntegerToFloat", ["a", "b", "sa", "sb", "za", "zb"] + ["c"] * bias, ["y"]),
        {"a": a}, {"y": y}, weights, atol=1e-3)


def test_dynamically_quantized_product(qcc_tool, tmp_path):
    x, b = normal(3, 24), random_codes(24, 8, dtype=np.int8)
    low, high = min(x.min(), np.float32(0)), max(x.max(), np.float32(0))
    scale = np.float32((high - low) / np.float32(255))
    zero = np.rint(np.clip(-low / scale, 0, 255))
    a = codes(x, scale, zero)
    sb = np.float32(0.01)
    y = ((a.astype(np.int32) - int(zero)) @ b.astype(np.int32)).astype(np.float32) * (scale * sb) + normal(8, seed=2)
    run(qcc_tool, tmp_path, contrib("DynamicQuantizeMatMul", ["x", "b", "sb", "", "c"], ["y"]), {"x": x}, {"y": y},
        {"b": b, "sb": sb, "c": normal(8, seed=2)}, atol=1e-4)


#===-- Few bits ----------------------------------------------------------------------------------#

def packed(values, bits):
    count = 8 // bits
    values = np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, -values.shape[-1] % count)])
    parts = values.reshape(*values.shape[:-1], -1, count)
    return sum((parts[..., i].astype(np.uint8) << (bits * i)).astype(np.uint8) for i in range(count)).astype(np.uint8)


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("zero", ["none", "packed", "float"])
@pytest.mark.parametrize("columns", [96, 80])
def test_matmul_nbits(qcc_tool, tmp_path, bits, zero, columns):
    rows, block = 24, 32
    blocks = -(-columns // block)
    q = rng().integers(0, 1 << bits, (rows, blocks * block), dtype=np.uint8)
    q[:, columns:] = 0
    scale = (rng(2).standard_normal((rows, blocks)) * 0.1).astype(np.float32)
    weights = {"b": packed(q.reshape(rows, blocks, block), bits), "s": scale, "c": normal(rows, seed=5)}
    point = np.full((rows, blocks), 1 << (bits - 1), np.float32)
    if zero == "packed":
        z = rng(4).integers(0, 1 << bits, (rows, blocks), dtype=np.uint8)
        weights["z"], point = packed(z, bits), z.astype(np.float32)
    elif zero == "float":
        weights["z"] = point = (rng(4).random((rows, blocks)) * (1 << bits)).astype(np.float32)
    w = (q - np.repeat(point, block, 1)) * np.repeat(scale, block, 1)
    x = normal(2, 3, columns)
    want = (x.astype(np.float64) @ w[:, :columns].T + weights["c"]).astype(np.float32)
    node = contrib("MatMulNBits", ["x", "b", "s", "z" if zero != "none" else "", "", "c"], ["y"], N=rows, K=columns,
                   bits=bits, block_size=block)
    run(qcc_tool, tmp_path, node, {"x": x}, {"y": want}, weights, atol=2e-4 * (1 << bits),
        peer=not (bits == 8 and zero == "float"))


def test_matmul_nbits_with_groups_of_columns(qcc_tool, tmp_path):
    rows, columns, block = 16, 64, 16
    q = rng().integers(0, 16, (rows, columns), dtype=np.uint8)
    scale = (rng(2).random((rows, 4)) * 0.1).astype(np.float32)
    group = rng(5).permutation(np.repeat(np.arange(4), block)).astype(np.int32)
    w = (q - np.float32(8)) * scale[:, group]
    x = normal(5, columns)
    node = contrib("MatMulNBits", ["x", "b", "s", "", "g"], ["y"], N=rows, K=columns, bits=4, block_size=block)
    run(qcc_tool, tmp_path, node, {"x": x}, {"y": x @ w.T}, {"b": packed(q.reshape(rows, 4, block), 4), "s": scale, "g": group},
        atol=1e-3)


def test_matmul_bnb4(qcc_tool, tmp_path):
    rows, columns, block = 16, 64, 32
    table = np.array([-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
                      -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
                      0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
                      0.7229568362236023, 1.0], np.float32)
    q = rng().integers(0, 16, rows * columns, dtype=np.uint8)
    most = (rng(2).random(rows * columns // block) + 0.5).astype(np.float32)
    w = (table[q] * np.repeat(most, block)).reshape(rows, columns)
    x = normal(5, columns)
    node = contrib("MatMulBnb4", ["x", "b", "s"], ["y"], N=rows, K=columns, quant_type=1, block_size=block)
    run(qcc_tool, tmp_path, node, {"x": x}, {"y": x @ w.T}, {"b": q[::2] << 4 | q[1::2], "s": most}, atol=1e-3)


@pytest.mark.parametrize("bits", [4, 8])
def test_rows_of_quantized_tables(qcc_tool, tmp_path, bits):
    rows, columns, block = 20, 64, 16
    q = rng().integers(0, 1 << bits, (rows, columns), dtype=np.uint8)
    scale = (rng(2).random((rows, 4)) * 0.1).astype(np.float32)
    z = rng(4).integers(0, 1 << bits, (rows, 4), dtype=np.uint8)
    table = (q - np.repeat(z, block, 1).astype(np.float32)) * np.repeat(scale, block, 1)
    ids = np.array([[3, 19, 0], [7, 7, 1]], np.int64)
    node = contrib("GatherBlockQuantized", ["q", "ids", "s", "z"], ["y"], gather_axis=0, quantize_axis=1, block_size=block,
                   bits=bits)
    run(qcc_tool, tmp_path, node, {"ids": ids}, {"y": table[ids]}, {"q": packed(q, bits), "s": scale, "z": packed(z, bits)})


#===-- Floats ------------------------------------------------------------------------------------#

def layer_norm(x, gain, bias, epsilon=1e-5):
    x = x.astype(np.float64)
    y = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + epsilon) * gain
    return (y + bias).astype(np.float32)


def test_skip_layer_norms(qcc_tool, tmp_path):
    x, skip, gain, beta, bias = normal(2, 3, 16), normal(2, 3, 16, seed=1), normal(16, seed=2), normal(16, seed=3), normal(16, seed=4)
    total = x + skip + bias
    for i, (op, want) in enumerate({
            "SkipLayerNormalization": layer_norm(total, gain, beta),
            "SkipSimplifiedLayerNormalization": total / np.sqrt((total ** 2).mean(-1, keepdims=True) + 1e-5) * gain}.items()):
        names = ["x", "s", "g"] + (["beta"] if i == 0 else []) + ["bias"]
        weights = {"g": gain, "bias": bias} | ({"beta": beta} if i == 0 else {})
        (tmp_path / op).mkdir()
        run(qcc_tool, tmp_path / op, contrib(op, names, ["y", "", "", "sum"], epsilon=1e-5), {"x": x, "s": skip},
            {"y": want, "sum": total}, weights)


def test_embedding_and_norm(qcc_tool, tmp_path):
    ids, segments = np.array([[1, 5, 2], [0, 3, 3]], np.int32), np.array([[0, 0, 1], [1, 0, 1]], np.int32)
    w, p, s = normal(7, 16), normal(8, 16, seed=1), normal(2, 16, seed=2)
    gain, beta = normal(16, seed=3), normal(16, seed=4)
    mask = np.array([[1, 1, 0], [1, 1, 1]], np.int32)
    node = contrib("EmbedLayerNormalization", ["ids", "seg", "w", "p", "s", "g", "b", "mask"], ["y", "m"], epsilon=1e-5)
    run(qcc_tool, tmp_path, node, {"ids": ids, "seg": segments, "mask": mask},
        {"y": layer_norm(w[ids] + p[:3] + s[segments], gain, beta), "m": mask.sum(1).astype(np.int32)},
        {"w": w, "p": p, "s": s, "g": gain, "b": beta})


@pytest.mark.parametrize("op", ["BiasGelu", "FastGelu", "QuickGelu", "Gelu"])
def test_gelus(qcc_tool, tmp_path, op):
    x, bias = normal(3, 16), normal(16, seed=1)
    v = x + bias if op in ("BiasGelu", "FastGelu") else x
    want = {"FastGelu": lambda: v / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (v + 0.044715 * v ** 3))),
            "QuickGelu": lambda: v * sigmoid(np.float32(1.702) * v)}.get(op, lambda: v / 2 * (1 + erf(v / np.sqrt(2))))()
    names = ["x", "b"] if op in ("BiasGelu", "FastGelu") else ["x"]
    run(qcc_tool, tmp_path, contrib(op, names, ["y"]), {"x": x}, {"y": want.astype(np.float32)},
        {"b": bias} if len(names) > 1 else {})


def test_fused_products(qcc_tool, tmp_path):
    a, b, c = normal(2, 16, 5), normal(2, 6, 16, seed=1), normal(6, seed=2)
    (tmp_path / "m").mkdir(), (tmp_path / "g").mkdir()
    want = np.float32(0.5) * (a.transpose(0, 2, 1) @ b.transpose(0, 2, 1))
    run(qcc_tool, tmp_path / "m", contrib("FusedMatMul", ["a", "b"], ["y"], alpha=0.5, transA=1, transB=1),
        {"a": a, "b": b}, {"y": want})
    y = a[0].T @ b[0].T + c
    node = contrib("FusedGemm", ["a", "b", "c"], ["y"], transA=1, transB=1, activation="LeakyRelu", activation_alpha=0.2)
    run(qcc_tool, tmp_path / "g", node, {"a": a[0]}, {"y": np.where(y < 0, np.float32(0.2) * y, y)}, {"b": b[0], "c": c})


@pytest.mark.parametrize("past", [False, True])
def test_causal_convolution(qcc_tool, tmp_path, past):
    x, w, bias, state = normal(2, 6, 5), normal(6, 1, 4, seed=1), normal(6, seed=2), normal(2, 6, 3, seed=3)
    whole = np.concatenate([state if past else np.zeros_like(state), x], 2)
    y = sum(whole[:, :, i:i + 5] * w[:, 0, i][:, None] for i in range(4)) + bias[:, None]
    node = contrib("CausalConvWithState", ["x", "w", "b"] + ["past"] * past, ["y", "now"], activation="silu", ndim=1)
    run(qcc_tool, tmp_path, node, {"x": x} | ({"past": state} if past else {}), {"y": y * sigmoid(y), "now": whole[:, :, -3:]},
        {"w": w, "b": bias}, peer=False)


def attention(q, k, v, heads, mask=None, scale=None):
    """[B, S, H * D] each."""
    def split(t):
        return t.reshape(*t.shape[:2], heads, -1).transpose(0, 2, 1, 3).astype(np.float64)
    a = split(q) @ split(k).transpose(0, 1, 3, 2) * (scale or 1 / np.sqrt(q.shape[2] // heads))
    if mask is not None:
        a = a + mask
    e = np.exp(a - a.max(-1, keepdims=True))
    out = e / e.sum(-1, keepdims=True) @ split(v)
    return out.transpose(0, 2, 1, 3).reshape(q.shape[0], q.shape[1], -1).astype(np.float32)


def test_attentions(qcc_tool, tmp_path):
    x, w, bias = normal(2, 5, 16), normal(16, 48, seed=1, scale=0.3), normal(48, seed=2, scale=0.3)
    mask = np.array([[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]], np.int32)
    q, k, v = np.split(x @ w + bias, 3, 2)
    want = attention(q, k, v, 4, np.where(mask[:, None, None] == 1, 0, -1e30))
    (tmp_path / "a").mkdir(), (tmp_path / "q").mkdir(), (tmp_path / "m").mkdir()
    run(qcc_tool, tmp_path / "a", contrib("Attention", ["x", "w", "b", "mask"], ["y"], num_heads=4), {"x": x, "mask": mask},
        {"y": want}, {"w": w, "b": bias}, atol=1e-4)
    run(qcc_tool, tmp_path / "m", contrib("MultiHeadAttention", ["q", "k", "v"], ["y"], num_heads=4),
        {"q": q, "k": k, "v": v}, {"y": attention(q, k, v, 4)}, atol=1e-4)
    codes_x, codes_w = random_codes(2, 5, 16), random_codes(16, 48, dtype=np.int8)
    product = ((codes_x.astype(np.int32) - 128) @ codes_w.astype(np.int32)).astype(np.float32) * (np.float32(0.02) * np.float32(0.003))
    q, k, v = np.split(product + bias, 3, 2)
    node = contrib("QAttention", ["x", "w", "b", "sx", "sw", "mask", "zx", "zw"], ["y"], num_heads=4)
    want = attention(q, k, v, 4, np.where(mask[:, None, None] == 1, 0, -1e30))
    run(qcc_tool, tmp_path / "q", node, {"x": codes_x, "mask": mask}, {"y": want},
        {"w": codes_w, "b": bias, "sx": np.float32(0.02), "sw": np.float32(0.003), "zx": np.uint8(128), "zw": np.int8(0)}, atol=1e-4)


@pytest.mark.parametrize("interleaved", [0, 1])
def test_rotary_embedding(qcc_tool, tmp_path, interleaved):
    x, positions = normal(2, 3, 4 * 8), np.array([[0, 1, 2], [3, 4, 5]], np.int64)
    angle = np.outer(np.arange(8), 1 / 10 ** np.arange(4)).astype(np.float32)
    c, s = np.cos(angle), np.sin(angle)
    h = x.reshape(2, 3, 4, 8)
    a, b = (h[..., ::2], h[..., 1::2]) if interleaved else (h[..., :4], h[..., 4:])
    cc, ss = c[positions][:, :, None], s[positions][:, :, None]
    first, second = a * cc - b * ss, b * cc + a * ss
    want = np.stack([first, second], -1).reshape(x.shape) if interleaved else np.concatenate([first, second], -1).reshape(x.shape)
    node = contrib("RotaryEmbedding", ["x", "p", "c", "s"], ["y"], interleaved=interleaved, num_heads=4)
    run(qcc_tool, tmp_path, node, {"x": x, "p": positions}, {"y": want}, {"c": c, "s": s})


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("per_channel", [False, True])
def test_attention_over_a_quantized_cache(qcc_tool, tmp_path, bits, per_channel):
    heads, groups, size, before, steps = 4, 2, 8, 3, 2
    scale = (rng().random(groups * size if per_channel else 1) * 0.05 + 0.1).astype(np.float32)
    spread = scale.reshape(groups, 1, size) if per_channel else scale
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    past = rng(2).integers(low, high + 1, (1, groups, before, size))
    q, k, v = normal(1, steps, heads * size), normal(1, steps, groups * size, seed=1), normal(1, steps, groups * size, seed=2)

    def store(c):
        return packed((c + 8).astype(np.uint8), 4) if bits == 4 else c.astype(np.int8)

    def grown(fresh):
        rows = fresh.reshape(1, steps, groups, size).transpose(0, 2, 1, 3)
        return np.concatenate([past, np.clip(np.rint(rows / spread), low, high).astype(past.dtype)], 2)

    keys, values = grown(k), grown(v)
    wide = [np.repeat((c * spread), heads // groups, 1) for c in (keys, values)]
    scores = q.reshape(1, steps, heads, size).transpose(0, 2, 1, 3) @ wide[0].transpose(0, 1, 3, 2) / np.sqrt(size)
    scores = np.where(np.tri(steps, before + steps, before) > 0, scores, -np.inf)
    e = np.exp(scores - scores.max(-1, keepdims=True))
    y = (e / e.sum(-1, keepdims=True) @ wide[1]).transpose(0, 2, 1, 3).reshape(1, steps, -1)
    kind = "PER_CHANNEL" if per_channel else "PER_TENSOR"
    node = contrib("GroupQueryAttention", ["q", "k", "v", "pk", "pv", "last", "total", *[""] * 5, "ks", "vs"], ["y", "nk", "nv"],
                   num_heads=heads, kv_num_heads=groups, k_quant_type=kind, v_quant_type=kind, kv_cache_bit_width=bits)
    run(qcc_tool, tmp_path, node,
        {"q": q, "k": k, "v": v, "pk": store(past), "pv": store(past), "last": np.array([before + steps - 1], np.int32),
         "total": np.array(before + steps, np.int32)},
        {"y": y.astype(np.float32), "nk": store(keys), "nv": store(values)}, {"ks": scale, "vs": scale}, atol=1e-4)
