"""Operators of linear-attention hybrids (com.microsoft) against their formulas; where onnxruntime is installed, the formulas against it."""

import numpy as np
import pytest
from graphs import check, contrib, expected, model, normal, refusal, sigmoid

FLOAT, HALF = 1, 10
KINDS = {np.dtype(np.float32): FLOAT, np.dtype(np.float16): HALF, np.dtype(np.int64): 7}
try:
    import onnxruntime
except ImportError:
    onnxruntime = None


def softplus(x):
    return np.log1p(np.exp(x))


def compare(qcc_tool, folder, node, shapes, sets, weights=(), half=False, peer=True, tolerance=1e-4):
    """Every set of ({input: array}, {output: array}) by one artifact; `shapes` declares the inputs, in f16 if `half`."""
    kind = HALF if half else FLOAT
    narrow = (lambda v: v.astype(np.float16) if v.dtype == np.float32 else v) if half else (lambda v: v)
    proto = model([node], {k: (kind, s) for k, s in shapes.items()}, {k: (kind, None) for k in sets[0][1]}, weights)
    sets = [({k: narrow(v) for k, v in i.items()}, {k: narrow(np.float32(v)) for k, v in o.items()}) for i, o in sets]
    atol = 2e-2 if half else tolerance
    if peer and onnxruntime:
        for inputs, outputs in sets:
            for name, got in expected(proto, inputs).items():
                np.testing.assert_allclose(outputs[name].astype(np.float32), got.astype(np.float32), atol=atol, rtol=atol)
    check(qcc_tool, folder, proto, sets, atol, 1e-2 if half else 1e-4)


#===-- The recurrence ----------------------------------------------------------------------------#

def recurrence(rule, q, k, v, heads, past=None, decay=None, beta=None, scale=0, window=0):
    """Token by token, in doubles; heads = (queries, keys and values)."""
    (queries, groups), (b, t, width) = heads, q.shape
    dk, dv = width // queries, v.shape[2] // groups
    q, k, v = (x.astype(np.float64).reshape(b, t, -1, d) for x, d in ((q, dk), (k, dk), (v, dv)))
    k = np.repeat(k, groups // k.shape[2], 2)
    count = max(queries, groups)
    q = np.repeat(q, count // queries, 2)
    state = np.zeros((b, groups, dk, dv)) if past is None else np.float64(past[-1] if window else past)
    rows, states = [], [np.zeros_like(state)] * 8
    for i in range(t):
        if "gated" in rule:
            state = state * np.exp(np.float64(decay[:, i])).reshape(b, groups, -1, 1)
        fresh = v[:, i]
        if "delta" in rule:
            fresh = (fresh - np.einsum("bhkv,bhk->bhv", state, k[:, i])) * beta[:, i, :, None]
        state = state + np.einsum("bhk,bhv->bhkv", k[:, i], fresh)
        shown = np.repeat(state, count // groups, 1)
        rows.append(np.einsum("bhkv,bhk->bhv", shown, q[:, i]) * (scale or dk ** -0.5))
        states.append(state)
    return {"y": np.stack(rows, 1).reshape(b, t, -1), "now": np.stack(states[-window:]) if window else state}


def operands(b, t, rule, heads, keys, dk=8, dv=6, per_key=False, one_rate=False, past=True, window=0):
    queries, groups = heads
    k = normal(b, t, keys, dk, seed=t)
    k = (k / np.linalg.norm(k, axis=-1, keepdims=True)).reshape(b, t, -1)
    x = {"q": normal(b, t, queries * dk, seed=t + 1), "k": k, "v": normal(b, t, groups * dv, seed=t + 2)}
    if past:
        x["past"] = normal(*([window] if window else []), b, groups, dk, dv, seed=3, scale=0.5)
    if "gated" in rule:
        x["decay"] = -np.abs(normal(b, t, groups * (dk if per_key else 1), seed=4))
    if "delta" in rule:
        x["beta"] = sigmoid(normal(b, t, 1 if one_rate else groups, seed=5))
    return x


def attend(qcc_tool, folder, rule, heads, keys, lengths, half=False, scale=0.0, window=0, fixed=False, peer=True, **kinds):
    given = lambda b, t: operands(b, t, rule, heads, keys, window=window, **kinds)
    names = ["q", "k", "v", *[n if n in given(1, 1) else "" for n in ("past", "decay", "beta")]]
    while not names[-1]:
        names.pop()
    node = contrib("LinearAttention", names, ["y", "now"], q_num_heads=heads[0], kv_num_heads=heads[1], update_rule=rule,
                   scale=scale, **({"state_window": window} if window else {}))
    example = given(2, lengths[0])

    def shape(name, value):
        if fixed:
            return list(value.shape)
        if name == "past":
            return [*value.shape[:1 if window else 0], "batch", *value.shape[-3:]]
        return ["batch", "length", value.shape[2]]
    sets = []
    for t in lengths:
        x = given(2 if fixed else 1 + t % 3, t)
        sets.append((x, recurrence(rule, x["q"], x["k"], x["v"], heads, x.get("past"), x.get("decay"), x.get("beta"), scale, window)))
    compare(qcc_tool, folder, node, {k: shape(k, v) for k, v in example.items()}, sets, half=half, peer=peer)


@pytest.mark.parametrize("rule", ["linear", "gated", "delta", "gated_delta"])
@pytest.mark.parametrize("half", [False, True])
def test_update_rules(qcc_tool, tmp_path, rule, half):
    attend(qcc_tool, tmp_path, rule, (4, 4), 4, [1, 5, 17], half=half)


@pytest.mark.parametrize("heads, keys", [((4, 2), 2), ((2, 4), 2), ((2, 4), 4), ((4, 4), 1)])
def test_shared_heads(qcc_tool, tmp_path, heads, keys):
    attend(qcc_tool, tmp_path, "gated_delta", heads, keys, [1, 6])


@pytest.mark.parametrize("rule", ["gated", "gated_delta"])
def test_decay_of_each_key_dimension(qcc_tool, tmp_path, rule):
    attend(qcc_tool, tmp_path, rule, (4, 2), 2, [1, 6], per_key=True, one_rate=True)


@pytest.mark.parametrize("fixed", [False, True])
def test_no_past_and_an_own_scale(qcc_tool, tmp_path, fixed):
    attend(qcc_tool, tmp_path, "gated_delta", (2, 2), 2, [7] if fixed else [1, 7], past=False, scale=0.25, fixed=fixed)
    (tmp_path / "one").mkdir()
    attend(qcc_tool, tmp_path / "one", "delta", (2, 2), 2, [1], fixed=fixed)


@pytest.mark.parametrize("window", [1, 3])
def test_a_window_of_states(qcc_tool, tmp_path, window):
    # onnxruntime has no such kernel for CPUs.
    attend(qcc_tool, tmp_path, "gated_delta", (2, 2), 2, [1, 2, 6], window=window, peer=False)


@pytest.mark.parametrize("rank", [3, 4])
@pytest.mark.parametrize("rule", ["linear", "gated", "delta", "gated_delta"])
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("half", [False, True])
def test_gated_delta_net(qcc_tool, tmp_path, rank, rule, fused, half):
    b, size, width, keys, heads, sets = 1 if rank == 3 else 2, 8, 6, 2, 4, []
    log, bias = normal(heads, seed=1), normal(heads, seed=2)
    for t in (1, 5):
        x = {"q": normal(b, t, keys, size, seed=t), "k": normal(b, t, keys, size, seed=t + 1), "v": normal(b, t, heads, width, seed=t + 2)}
        if "gated" in rule:
            x["decay"] = normal(b, t, heads, seed=4) if fused else -np.abs(normal(b, t, heads, size, seed=4))
        if "delta" in rule:
            x["beta"] = normal(b, t, heads, seed=5) if fused else sigmoid(normal(b, t, heads, seed=5))
        unit = lambda v: v / np.sqrt((v ** 2).sum(-1, keepdims=True) + (1e-6 if fused else 0))
        if not fused:
            x["k"] = unit(x["k"])
        q, k = (unit(x["q"]), unit(x["k"])) if fused else (x["q"], x["k"])
        decay, beta = x.get("decay"), x.get("beta")
        if fused:
            decay = None if decay is None else -np.exp(log) * softplus(decay + bias)
            beta = None if beta is None else sigmoid(beta)
        state = normal(b, heads, width, size, seed=6, scale=0.5)
        flat = lambda v: v.reshape(b, t, -1)
        want = recurrence(rule, flat(q), flat(k), flat(x["v"]), (keys, heads), state.transpose(0, 1, 3, 2), decay, beta)
        outputs = {"y": want["y"].reshape(b, t, heads, width), "now": want["now"].transpose(0, 1, 3, 2)}
        if rank == 3:
            x = {n: v.reshape(b * t, *v.shape[2:]) for n, v in x.items()}
            outputs["y"] = outputs["y"].reshape(b * t, heads, width)
        sets.append((x | {"state": state}, outputs))
    names = ["q", "k", "v", "", *[n if n in sets[0][0] else "" for n in ("decay", "beta")], "state"]
    attributes = {"update_rule": rule}
    if fused:
        names += ["log", "bias"] if "gated" in rule else []
        attributes |= {"qk_l2_norm": 1, "beta_activation": "sigmoid"} | ({"gate_activation": "qwen"} if "gated" in rule else {})
    shapes = {n: [b, heads, width, size] if n == "state" else ["t" if rank == 3 else b, *([] if rank == 3 else ["t"]), *v.shape[rank - 2:]]
              for n, v in sets[0][0].items()}
    weights = {"log": log, "bias": bias} if fused and "gated" in rule else {}
    proto = model([contrib("GatedDeltaNet", names, ["y", "now"], **attributes)],
                  {n: (HALF if half and n in "qkv" else FLOAT, s) for n, s in shapes.items()},
                  {"y": (HALF if half else FLOAT, None), "now": (FLOAT, None)}, weights)
    narrow = lambda table: {n: v.astype(np.float16 if half and n in "qkvy" else np.float32) for n, v in table.items()}
    check(qcc_tool, tmp_path, proto, [(narrow(i), narrow(o)) for i, o in sets], 2e-2 if half else 1e-4, 1e-2 if half else 1e-4)


#===-- What stands around it ---------------------------------------------------------------------#

@pytest.mark.parametrize("half", [False, True])
def test_gate_of_the_recurrence(qcc_tool, tmp_path, half):
    bias, scale = normal(4, seed=1), -np.exp(normal(4, seed=2))
    sets = []
    for t in (1, 5):
        a, b = normal(2, t, 4, seed=t), normal(2, t, 4, seed=t + 1)
        sets.append(({"a": a, "b": b}, {"decay": scale * softplus(a + bias), "beta": sigmoid(b)}))
    compare(qcc_tool, tmp_path, contrib("LinearAttentionGate", ["a", "dt", "scale", "b"], ["decay", "beta"]),
            {"a": ["batch", "length", 4], "b": ["batch", "length", 4]}, sets, {"dt": bias, "scale": scale}, half=half)


def rms(x, epsilon):
    return x / np.sqrt((x.astype(np.float64) ** 2).mean(-1, keepdims=True) + epsilon)


@pytest.mark.parametrize("activation", ["silu", "swish", "sigmoid"])
@pytest.mark.parametrize("half", [False, True])
def test_gated_rms_norm(qcc_tool, tmp_path, activation, half):
    gain, sets = normal(8, seed=1), []
    for t in (1, 5):
        x, z = normal(2, t, 24, seed=t), normal(2, t, 24, seed=t + 1)
        y = (rms(x.reshape(2, t, 3, 8), 1e-3) * gain).reshape(x.shape)
        sets.append(({"x": x, "z": z}, {"y": y * sigmoid(z) * (1 if activation == "sigmoid" else z)}))
    compare(qcc_tool, tmp_path, contrib("GatedRMSNorm", ["x", "g", "z"], ["y"], activation=activation, epsilon=1e-3),
            {"x": ["batch", "length", 24], "z": ["batch", "length", 24]}, sets,
            {"g": gain.astype(np.float16) if half else gain}, half=half)


@pytest.mark.parametrize("form", ["whole", "each", "shared", "none"])
@pytest.mark.parametrize("grouped", [False, True])
def test_branchwise_rms_norm(qcc_tool, tmp_path, form, grouped):
    gain = {"whole": normal(24, seed=1), "each": normal(3, 8, seed=1), "shared": normal(8, seed=1), "none": np.float32(1)}[form]
    sets = []
    for t in (1, 5):
        x = normal(2, t, 3, 8, seed=t)
        y = rms(x, 1e-4) * (gain.reshape(3, 8) if form == "whole" else gain)
        sets.append(({"x": x if grouped else x.reshape(2, t, 24)}, {"y": y if grouped else y.reshape(2, t, 24)}))
    node = contrib("BranchwiseRMSNorm", ["x"] if form == "none" else ["x", "g"], ["y"], epsilon=1e-4, **({} if grouped else {"num_branches": 3}))
    compare(qcc_tool, tmp_path, node, {"x": ["batch", "length", *([3, 8] if grouped else [24])]}, sets, {} if form == "none" else {"g": gain})


@pytest.mark.parametrize("half", [False, True])
def test_gated_sum(qcc_tool, tmp_path, half):
    sets = []
    for t in (1, 5):
        x, y, g = normal(2, t, 16, seed=t), normal(2, t, 16, seed=t + 1), normal(2, t, 1, seed=t + 2)
        sets.append(({"x": x, "y": y, "g": g}, {"z": x + y * g}))
    compare(qcc_tool, tmp_path, contrib("GatedAdd", ["x", "y", "g"], ["z"]),
            {"x": ["batch", "length", 16], "y": ["batch", "length", 16], "g": ["batch", "length", 1]}, sets, half=half)


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("given", [False, True])
def test_scaled_silu(qcc_tool, tmp_path, half, given):
    sets = [({"x": x}, {"y": np.float32(0.7) * x * sigmoid(np.float32(0.7) * x)}) for x in (normal(2, t, 16, seed=t) for t in (1, 5))]
    node = contrib("ScaledSiLU", ["x", "s"], ["y"]) if given else contrib("ScaledSiLU", ["x"], ["y"], alpha=0.7)
    compare(qcc_tool, tmp_path, node, {"x": ["batch", "length", 16]}, sets, {"s": np.array(0.7, np.float32)} if given else {}, half=half)


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("form", ["stream", "one", "each"])
@pytest.mark.parametrize("mixed", [False, True])
def test_hyper_connections(qcc_tool, tmp_path, flat, form, mixed):
    before, after = [], []
    for t in (1, 5):
        x, block, mix = normal(2, t, 4, 8, seed=t), normal(2, t, 8, seed=t + 1), normal(2, t, 4, 4, seed=t + 2)
        g = normal(2, t, 4, 8 if form == "each" else 1, seed=t + 3)
        give = lambda v: v.reshape(2, t, -1) if flat else v
        inputs = {"x": give(x), "g": g[..., 0] if form == "stream" else g}
        before.append((inputs, {"y": 0.5 * (x * g).sum(2)}))
        y = (np.einsum("btck,btch->btkh", mix, x) if mixed else x) + g * block[:, :, None]
        after.append((inputs | {"b": block} | ({"m": mix} if mixed else {}), {"y": give(y)}))
    shapes = {"x": ["batch", "length", *([32] if flat else [4, 8])], "g": ["batch", "length", 4, *([] if form == "stream" else [8 if form == "each" else 1])],
              "b": ["batch", "length", 8], "m": ["batch", "length", 4, 4]}
    own = {"num_branches": 4} if flat else {}
    (tmp_path / "before").mkdir(), (tmp_path / "after").mkdir()
    compare(qcc_tool, tmp_path / "before", contrib("HyperConnectionPreMix", ["x", "g"], ["y"], reduction_scale=0.5, **own),
            {n: shapes[n] for n in "xg"}, before)
    compare(qcc_tool, tmp_path / "after", contrib("HyperConnectionPostMix", ["x", "b", "g"] + ["m"] * mixed, ["y"], **own),
            {n: shapes[n] for n in after[0][0]}, after)


@pytest.mark.parametrize("half", [False, True])
def test_gate_of_a_memory(qcc_tool, tmp_path, half):
    gains, sets = {n: normal(4, 8, seed=i) for i, n in enumerate(("kg", "qg", "cg"))}, []
    for t in (1, 5):
        k, q, v = normal(2, t, 4, 8, seed=t), normal(2, t, 4, 8, seed=t + 1), normal(2, t, 8, seed=t + 2)
        dot = (rms(k, 1e-3) * gains["kg"] * rms(q, 1e-3) * gains["qg"]).sum(-1, keepdims=True) / np.sqrt(8)
        y = sigmoid(np.sign(dot) * np.sqrt(np.maximum(np.abs(dot), 1e-6))) * v[:, :, None]
        sets.append(({"k": k, "q": q, "v": v}, {"y": y, "z": rms(y, 1e-3) * gains["cg"]}))
    shape = ["batch", "length", 4, 8]
    compare(qcc_tool, tmp_path, contrib("EngramGate", ["k", "q", "v", "kg", "qg", "cg"], ["y", "z"], epsilon=1e-3),
            {"k": shape, "q": shape, "v": ["batch", "length", 8]}, sets, {n: v.astype(np.float16) if half else v for n, v in gains.items()}, half=half)


#===-- The convolution before it -----------------------------------------------------------------#

def convolved(x, w, past, dilation, window):
    """Channels first; y and the states after the last positions."""
    taps, t = w.shape[2], x.shape[2]
    reach = (taps - 1) * dilation
    whole = np.concatenate([past, x], 2)
    y = sum(whole[:, :, i * dilation:i * dilation + t] * w[:, 0, i][:, None] for i in range(taps))
    states = [whole[:, :, t - i:t - i + reach] if t - i > 0 else np.zeros_like(past) for i in range(window)]
    return y, np.stack(states[::-1]) if window else whole[:, :, t:]


@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("window", [0, 3])
@pytest.mark.parametrize("half", [False, True])
def test_causal_convolution_forms(qcc_tool, tmp_path, last, dilation, window, half):
    w, reach, sets = normal(6, 1, 4, seed=1, scale=0.5), 3 * dilation, []

    def layout(v): # channels last: as [.., 3, 2]
        return np.ascontiguousarray(np.swapaxes(v, -1, -2)).reshape(*v.shape[:-2], v.shape[-1], 3, 2) if last else v
    for t in (1, 2, 5):
        x, past = normal(2, 6, t, seed=t), normal(*([window] if window else []), 2, 6, reach, seed=t + 1)
        y, now = convolved(x, w, past[-1] if window else past, dilation, window)
        sets.append(({"x": layout(x), "past": layout(past)}, {"y": layout(y * sigmoid(y)), "now": layout(now)}))
    channels = [3, 2] if last else [6]
    node = contrib("CausalConvWithState", ["x", "w", "", "past"], ["y", "now"], activation="silu", channels_last=last,
                   dilation=dilation, state_window=window)
    shapes = {"x": ["batch", "length", *channels] if last else ["batch", *channels, "length"],
              "past": [*([window] if window else []), "batch", *([reach, *channels] if last else [*channels, reach])]}
    compare(qcc_tool, tmp_path, node, shapes, sets, {"w": w.astype(np.float16) if half else w}, half=half, peer=not window)


def test_several_spatial_axes_are_refused(qcc_tool, tmp_path):
    proto = model([contrib("CausalConvWithState", ["x", "w"], ["y", "now"], ndim=2)], {"x": (FLOAT, [1, 6, 5, 5])},
                  {"y": (FLOAT, None), "now": (FLOAT, None)}, {"w": normal(6, 1, 4, 4)})
    assert "convolves over 2 axes" in refusal(qcc_tool, tmp_path, proto)
