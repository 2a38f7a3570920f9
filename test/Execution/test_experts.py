"""Mixtures of experts: com.microsoft MoE and QMoE against their formula."""

import numpy as np
import pytest
from graphs import check, contrib, model, refusal

FLOAT = 1
EXPERTS, WIDTH, HIDDEN = 4, 32, 48


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def packed(codes, bits):
    count = 8 // bits
    codes = np.pad(codes, [(0, 0)] * (codes.ndim - 1) + [(0, -codes.shape[-1] % count)])
    parts = codes.reshape(*codes.shape[:-1], -1, count)
    return sum((parts[..., i] << (bits * i)).astype(np.uint8) for i in range(count)).astype(np.uint8)


def quantized(rng, rows, columns, bits, block, zero):
    """Real matrices, and what QMoE stores of them."""
    blocks = columns // (block or columns)
    codes = rng.integers(0, 1 << bits, (EXPERTS, rows, columns), dtype=np.uint8)
    scale = (rng.random((EXPERTS, rows, blocks)) * 0.1 / 2 ** (bits - 4)).astype(np.float32)
    points = np.full((EXPERTS, rows, blocks), 1 << (bits - 1), np.uint8)
    if zero:
        points = rng.integers(0, 1 << bits, points.shape, dtype=np.uint8)
    spread = [np.repeat(v, block or columns, 2).astype(np.float32) for v in (points, scale)]
    real = (codes - spread[0]) * spread[1]
    if not block:
        scale, points = scale[..., 0], points[..., 0]
    return real, packed(codes, bits), scale, packed(points, bits) if zero else None


def activated(kind, fusion, a, gate, alpha, beta, limit):
    if kind == "swiglu":
        if fusion:
            g, l = (a[:, ::2], a[:, 1::2]) if fusion == 1 else np.split(a, 2, 1)
        else:
            g, l = a, gate
        if limit:
            g, l = np.minimum(g, limit), np.clip(l, -limit, limit)
        return g * sigmoid(alpha * g) * (l + beta)
    a = {"relu": lambda: np.maximum(a, 0), "silu": lambda: a * sigmoid(a), "identity": lambda: a,
         "gelu": lambda: a / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (a + 0.044715 * a ** 3)))}[kind]()
    return a if gate is None else a * gate


def mixture(x, logits, k, among_chosen, w, bias, kind, fusion, alpha, beta, limit):
    out = np.zeros_like(x, np.float64)
    full = np.exp(logits - logits.max(1, keepdims=True))
    full /= full.sum(1, keepdims=True)
    for t in range(len(x)):
        best = np.argsort(-logits[t], kind="stable")[:k]
        share = full[t, best] / (full[t, best].sum() if among_chosen else 1)
        for e, s in zip(best, share):
            row = x[t:t + 1].astype(np.float64)
            gate = row @ w[2][e].T + bias[2][e] if w[2] is not None else None
            hidden = activated(kind, fusion, row @ w[0][e].T + bias[0][e], gate, alpha, beta, limit)
            out[t] += s * (hidden @ w[1][e].T + bias[1][e])[0]
    return out.astype(np.float32)


def run(qcc_tool, folder, *, kind, k=2, fusion=0, third=False, bits=0, block=0, zero=False, limit=0, normalize=1):
    rng = np.random.default_rng(3)
    double = 2 if kind == "swiglu" and fusion else 1
    shapes = [(double * HIDDEN, WIDTH), (WIDTH, HIDDEN), (HIDDEN, WIDTH) if third else None]
    weights, names, real, bias = {}, ["x", "router"], [], []
    zeros = []
    for i, shape in enumerate(shapes):
        part = [f"w{i}", f"s{i}", f"b{i}"] if bits else [f"w{i}", f"b{i}"]
        if shape is None:
            real.append(None), bias.append(None)
            names += ["" for _ in part]
            continue
        bias.append((rng.standard_normal((EXPERTS, shape[0])) * 0.1).astype(np.float32))
        if bits:
            matrix, weights[f"w{i}"], weights[f"s{i}"], points = quantized(rng, *shape, bits, block, zero)
            if zero:
                weights[f"z{i}"] = points
                zeros.append(f"z{i}")
        else:
            matrix = weights[f"w{i}"] = (rng.standard_normal((EXPERTS, *shape)) * 0.2).astype(np.float32)
        real.append(matrix)
        weights[f"b{i}"] = bias[-1]
        names += part
    attributes = dict(k=k, activation_type=kind, normalize_routing_weights=normalize)
    if kind == "swiglu":
        attributes |= dict(activation_alpha=1.702, activation_beta=1.0, swiglu_fusion=fusion)
    if limit:
        attributes["swiglu_limit"] = float(limit)
    if bits:
        attributes |= dict(expert_weight_bits=bits) | (dict(block_size=block) if block else {})
    node = contrib("QMoE" if bits else "MoE", names + zeros, ["y"], **attributes)
    proto = model([node], {"x": (FLOAT, ["b", "s", WIDTH]), "router": (FLOAT, ["t", EXPERTS])},
                  {"y": (FLOAT, ["b", "s", WIDTH])}, weights)
    sets = []
    for b, s in ((1, 1), (2, 5), (1, 17)):
        x = rng.standard_normal((b, s, WIDTH)).astype(np.float32)
        router = rng.standard_normal((b * s, EXPERTS)).astype(np.float32)
        y = mixture(x.reshape(-1, WIDTH), router, k, bool(bits) or bool(normalize), real, bias, kind, fusion,
                    1.702, 1.0, limit)
        sets.append(({"x": x, "router": router}, {"y": y.reshape(x.shape)}))
    check(qcc_tool, folder, proto, sets, atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize("case", [
    dict(kind="relu"), dict(kind="silu", third=True), dict(kind="gelu", normalize=0), dict(kind="identity", k=1),
    dict(kind="swiglu", fusion=1), dict(kind="swiglu", fusion=2, limit=0.5), dict(kind="swiglu", third=True, k=4)],
    ids=str)
def test_float_experts(qcc_tool, tmp_path, case):
    run(qcc_tool, tmp_path, **case)


@pytest.mark.parametrize("case", [
    dict(kind="swiglu", fusion=1, bits=4, block=16, limit=7), dict(kind="swiglu", fusion=1, bits=4),
    dict(kind="relu", bits=8), dict(kind="silu", third=True, bits=2, block=16),
    dict(kind="swiglu", fusion=1, bits=4, block=16, zero=True), dict(kind="silu", bits=4, zero=True)], ids=str)
def test_quantized_experts(qcc_tool, tmp_path, case):
    run(qcc_tool, tmp_path, **case)


def test_sparse_mixer_is_refused(qcc_tool, tmp_path):
    w = np.zeros((EXPERTS, WIDTH, WIDTH), np.float32)
    proto = model([contrib("MoE", ["x", "router", "w0", "", "w1"], ["y"], k=2, use_sparse_mixer=1)],
                  {"x": (FLOAT, ["t", WIDTH]), "router": (FLOAT, ["t", EXPERTS])}, {"y": (FLOAT, ["t", WIDTH])},
                  {"w0": w, "w1": w})
    assert "sparse mixer" in refusal(qcc_tool, tmp_path, proto)
