"""Loops whose number of turns the model's sizes or data decide, and the recurrent layers made of them, against
onnxruntime; one artifact for all sizes."""

import subprocess

import numpy as np
import pytest
from graphs import check, expected, helper, model, normal, refusal, subgraph, write_set

pytest.importorskip("onnxruntime")

FLOAT, HALF, INT64, BOOL = 1, 10, 7, 9
node = helper.make_node


def agree(qcc_tool, folder, proto, many, tolerance=1e-5):
    check(qcc_tool, folder, proto, [(inputs, expected(proto, inputs)) for inputs in many], tolerance, tolerance)


# --- recurrent layers ---

def layer(op, direction, size=6, width=5, seed=0, lengths=False, initial=False, peepholes=False, bias=True, **attributes):
    """op over x [t, b, width], or [b, t, width] with layout=1."""
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[op]
    d = 2 if direction == "bidirectional" else 1
    weights = {"w": normal(d, gates * size, width, seed=seed, scale=0.5), "r": normal(d, gates * size, size, seed=seed + 1, scale=0.4)}
    names = ["x", "w", "r", "", "", "", "", ""]
    batch_first = attributes.get("layout", 0)
    inputs = {"x": (FLOAT, ["b", "t", width] if batch_first else ["t", "b", width])}
    if bias:
        names[3], weights["bias"] = "bias", normal(d, 2 * gates * size, seed=seed + 2)
    if lengths:
        names[4], inputs["lengths"] = "lengths", (6, ["b"])
    states = (5, 6) if op == "LSTM" else (5,)
    for at in states if initial else ():
        names[at], inputs[f"s{at}"] = f"s{at}", (FLOAT, ["b", d, size] if batch_first else [d, "b", size])
    if peepholes:
        names[7], weights["p"] = "p", normal(d, 3 * size, seed=seed + 3)
    while not names[-1]:
        names.pop()
    outputs = ["y", "h", "c"][:3 if op == "LSTM" else 2]
    proto = model([node(op, names, outputs, "layer", direction=direction, hidden_size=size, **attributes)], inputs,
                  {name: (FLOAT, None) for name in outputs}, weights, opset=17)
    return proto, [(t, b) for t, b in ((4, 2), (1, 1), (9, 3))], (width, size, d)


def feeds(proto, t, b, shape, seed=9):
    width, size, d = shape
    batch_first = any(a.name == "layout" and a.i for a in proto.graph.node[0].attribute)
    made = {}
    for value in proto.graph.input:
        if value.name == "x":
            made["x"] = normal(*((b, t) if batch_first else (t, b)), width, seed=seed)
        elif value.name == "lengths":
            made["lengths"] = np.random.default_rng(seed).integers(1, t + 1, b).astype(np.int32)
        else:
            made[value.name] = normal(*((b, d) if batch_first else (d, b)), size, seed=seed + 1)
    return made


LAYERS = {
    "plain": {}, "states": dict(initial=True), "lengths": dict(lengths=True), "no bias": dict(bias=False),
    "clipped": dict(clip=0.3), "all": dict(initial=True, lengths=True),
}


@pytest.mark.parametrize("case", LAYERS)
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("op", ["RNN", "GRU", "LSTM"])
def test_recurrent_layers(qcc_tool, tmp_path, op, direction, case):
    proto, sizes, shape = layer(op, direction, **LAYERS[case])
    agree(qcc_tool, tmp_path, proto, [feeds(proto, t, b, shape) for t, b in sizes], 2e-5)


@pytest.mark.parametrize("op, options", [
    ("LSTM", dict(peepholes=True)), ("LSTM", dict(peepholes=True, input_forget=1)), ("LSTM", dict(input_forget=1)),
    ("GRU", dict(linear_before_reset=1)), ("GRU", dict(linear_before_reset=1, bias=False)),
    ("LSTM", dict(activations=["HardSigmoid", "Softsign", "Relu"], activation_alpha=[0.3], activation_beta=[0.4])),
    ("GRU", dict(activations=["sigmoid", "ScaledTanh"], activation_alpha=[0.7], activation_beta=[1.2])),
    ("RNN", dict(activations=["Elu"])), ("RNN", dict(activations=["Softplus"])),
    ("RNN", dict(activations=["LeakyRelu"], activation_alpha=[0.2])),
    ("RNN", dict(activations=["Affine"], activation_alpha=[0.3], activation_beta=[0.1])),
    ("RNN", dict(activations=["ThresholdedRelu"], activation_alpha=[0.4])),
], ids=str)
def test_recurrent_attributes(qcc_tool, tmp_path, op, options):
    proto, sizes, shape = layer(op, "forward", **options)
    agree(qcc_tool, tmp_path, proto, [feeds(proto, t, b, shape) for t, b in sizes], 2e-5)


@pytest.mark.parametrize("op", ["RNN", "GRU", "LSTM"])
def test_recurrent_layers_with_the_batch_first(qcc_tool, tmp_path, op):
    """onnxruntime has no layout=1: its layout=0 on transposed values is the same."""
    proto, sizes, shape = layer(op, "bidirectional", initial=True, layout=1)
    plain, _, _ = layer(op, "bidirectional", initial=True)
    sets = []
    for t, b in sizes:
        inputs = feeds(proto, t, b, shape)
        want = expected(plain, {k: v.swapaxes(0, 1) for k, v in inputs.items()})
        want["y"] = want["y"].transpose(2, 0, 1, 3)
        sets.append((inputs, {k: v if k == "y" else v.swapaxes(0, 1) for k, v in want.items()}))
    check(qcc_tool, tmp_path, proto, sets, 2e-5, 2e-5)


# --- Scan ---

def test_scan_over_a_dynamic_axis(qcc_tool, tmp_path):
    """A gated linear recurrence, as exporters write state-space layers: state = decay * state + outer(k, v)."""
    body = subgraph([node("Unsqueeze", ["k", "last"], ["kc"]), node("Unsqueeze", ["v", "first"], ["vr"]),
                     node("Mul", ["kc", "vr"], ["kv"]), node("Mul", ["s", "decay"], ["kept"]), node("Add", ["kept", "kv"], ["s1"]),
                     node("MatMul", ["q", "s1"], ["out"])],
                    {"s1": (FLOAT, None), "out": (FLOAT, None)},
                    {"s": (FLOAT, None), "q": (FLOAT, None), "k": (FLOAT, None), "v": (FLOAT, None)})
    proto = model([node("Scan", ["start", "q_all", "k_all", "v_all"], ["end", "y"], body=body, num_scan_inputs=3)],
                  {"start": (FLOAT, [4, 3])} | {f"{n}_all": (FLOAT, ["t", w]) for n, w in (("q", 4), ("k", 4), ("v", 3))},
                  {"end": (FLOAT, [4, 3]), "y": (FLOAT, ["t", 3])},
                  {"decay": np.float32(0.9), "first": np.array([0], np.int64), "last": np.array([1], np.int64)})
    agree(qcc_tool, tmp_path, proto, [
        {"start": normal(4, 3)} | {f"{n}_all": normal(t, w, seed=i) for i, (n, w) in enumerate((("q", 4), ("k", 4), ("v", 3)))}
        for t in (1, 7, 300)], 1e-4)


@pytest.mark.parametrize("backwards", [0, 1])
@pytest.mark.parametrize("out_axis", [0, 1, -1])
def test_scan_axes_and_directions(qcc_tool, tmp_path, backwards, out_axis):
    body = subgraph([node("Add", ["s", "row"], ["s1"]), node("Neg", ["s1"], ["out"])],
                    {"s1": (FLOAT, None), "out": (FLOAT, None)}, {"s": (FLOAT, None), "row": (FLOAT, None)})
    proto = model([node("Scan", ["start", "x"], ["last", "all"], body=body, num_scan_inputs=1, scan_input_axes=[-1],
                        scan_input_directions=[backwards], scan_output_axes=[out_axis],
                        scan_output_directions=[1 - backwards])],
                  {"start": (FLOAT, ["n"]), "x": (FLOAT, ["n", "t"])}, {"last": (FLOAT, ["n"]), "all": (FLOAT, None)})
    agree(qcc_tool, tmp_path, proto, [{"start": normal(n), "x": normal(n, t, seed=4)} for n, t in ((3, 5), (1, 1), (8, 40))])


def test_scan_weights_are_read_inside(qcc_tool, tmp_path):
    """Products with constant matrices, a bias by name of the outer graph, and a size that is equal by name alone."""
    body = subgraph([node("MatMul", ["s", "w"], ["p"]), node("Add", ["p", "row"], ["a"]), node("Add", ["a", "outer"], ["b"]),
                     node("Tanh", ["b"], ["s1"]), node("Identity", ["s1"], ["out"])],
                    {"s1": (FLOAT, None), "out": (FLOAT, None)}, {"s": (FLOAT, None), "row": (FLOAT, None)},
                    {"w": normal(64, 64, scale=0.1)})
    proto = model([node("Exp", ["shift"], ["outer"]),
                   node("Scan", ["start", "x"], ["last", "all"], body=body, num_scan_inputs=1)],
                  {"start": (FLOAT, ["b", 64]), "x": (FLOAT, ["t", "b2", 64]), "shift": (FLOAT, [64])},
                  {"last": (FLOAT, None), "all": (FLOAT, None)})
    agree(qcc_tool, tmp_path, proto, [{"start": normal(b, 64), "x": normal(t, b, 64, seed=1), "shift": normal(64, seed=2)}
                                      for t, b in ((20, 2), (3, 33))], 1e-4)


# --- Loop ---

def loop_body(nodes, outputs, states, computes_go=False):
    go = [] if computes_go else [node("Identity", ["keep"], ["go"])]
    return subgraph([*go, *nodes], {"go": (BOOL, [])} | {name: (FLOAT, None) for name in outputs},
                    {"turn": (INT64, []), "keep": (BOOL, [])} | {name: (FLOAT, None) for name in states})


def test_loop_count_is_data(qcc_tool, tmp_path):
    body = loop_body([node("Cast", ["turn"], ["f"], to=1), node("Mul", ["s", "x"], ["p"]), node("Add", ["p", "f"], ["s1"]),
                      node("ReduceSum", ["s1"], ["out"], keepdims=0)], ["s1", "out"], ["s"])
    proto = model([node("Loop", ["count", "", "x"], ["last", "sums"], body=body), node("Relu", ["last"], ["relu"])],
                  {"count": (INT64, []), "x": (FLOAT, ["n"])},
                  {"last": (FLOAT, ["n"]), "sums": (FLOAT, ["turns"]), "relu": (FLOAT, ["n"])})
    agree(qcc_tool, tmp_path, proto, [{"count": np.array(c), "x": normal(n, scale=0.5)} for c, n in ((4, 3), (0, 2), (1, 1), (50, 7))], 1e-4)


def test_loop_ends_by_its_condition(qcc_tool, tmp_path):
    """Doubles until a sum is large; the rows collected are as many as the turns taken."""
    body = loop_body([node("Add", ["s", "s"], ["s1"]), node("ReduceSum", ["s1"], ["sum"], keepdims=0),
                      node("Less", ["sum", "limit"], ["go"]), node("Identity", ["s1"], ["out"])], ["s1", "out"], ["s"], True)
    for count in ("count", ""):
        collects = bool(count)
        inner = body if collects else loop_body(body.node[:-1], ["s1"], ["s"], True)
        proto = model([node("Loop", [count, "enter", "x"], ["last", "all"][:1 + collects], body=inner)],
                      {"enter": (BOOL, []), "x": (FLOAT, ["n"])} | ({"count": (INT64, [])} if collects else {}),
                      {"last": (FLOAT, ["n"])} | ({"all": (FLOAT, ["turns", "n"])} if collects else {}),
                      {"limit": np.float32(100)})
        sets = [{"enter": np.array(e), "x": abs(normal(3)) + 0.1} | ({"count": np.array(c)} if collects else {})
                for e, c in ((True, 40), (True, 2), (False, 5), (True, 0))[:4 if collects else 1]]
        (tmp_path / f"c{collects}").mkdir()
        sets = [(inputs, expected(proto, inputs)) for inputs in sets]
        for inputs, want in sets:
            if "all" in want:  # of no turns at all, onnxruntime forgets the shape
                want["all"] = want["all"].reshape(-1, 3)
        check(qcc_tool, tmp_path / f"c{collects}", proto, sets)


def test_loop_states_trade_places(qcc_tool, tmp_path):
    body = loop_body([node("Identity", ["b"], ["a1"]), node("Add", ["a", "b"], ["b1"]), node("Identity", ["c"], ["c1"])],
                     ["a1", "b1", "c1"], ["a", "b", "c"])
    proto = model([node("Loop", ["count", "", "x", "y", "x"], ["a_end", "b_end", "c_end"], body=body)],
                  {"count": (INT64, []), "x": (FLOAT, ["n"]), "y": (FLOAT, ["n"])},
                  {f"{s}_end": (FLOAT, ["n"]) for s in "abc"})
    agree(qcc_tool, tmp_path, proto, [{"count": np.array(c), "x": normal(4), "y": normal(4, seed=1)} for c in (0, 1, 9)])


def test_loops_in_loops(qcc_tool, tmp_path):
    """The inner count is the outer turn's number."""
    inner = subgraph([node("Identity", ["k2"], ["g2"]), node("Mul", ["t", "half"], ["h"]), node("Add", ["h", "x"], ["t1"])],
                     {"g2": (BOOL, []), "t1": (FLOAT, None)}, {"i2": (INT64, []), "k2": (BOOL, []), "t": (FLOAT, None)})
    body = loop_body([node("Loop", ["turn", "", "s"], ["s1"], body=inner), node("Identity", ["s1"], ["out"])], ["s1", "out"], ["s"])
    proto = model([node("Loop", ["count", "", "x"], ["last", "all"], body=body)],
                  {"count": (INT64, []), "x": (FLOAT, ["n"])}, {"last": (FLOAT, ["n"]), "all": (FLOAT, ["turns", "n"])},
                  {"half": np.float32(0.5)})
    agree(qcc_tool, tmp_path, proto, [{"count": np.array(c), "x": normal(5)} for c in (1, 4, 12)])


def test_loop_in_half_precision(qcc_tool, tmp_path):
    body = subgraph([node("Identity", ["keep"], ["go"]), node("Mul", ["s", "x"], ["p"]), node("Add", ["p", "one"], ["s1"]),
                     node("Identity", ["s1"], ["out"])], {"go": (BOOL, []), "s1": (HALF, None), "out": (HALF, None)},
                    {"turn": (INT64, []), "keep": (BOOL, []), "s": (HALF, None)}, {"one": np.array([0.25], np.float16)})
    proto = model([node("Loop", ["count", "", "x"], ["last", "all"], body=body)], {"count": (INT64, []), "x": (HALF, ["n"])},
                  {"last": (HALF, ["n"]), "all": (HALF, ["turns", "n"])})
    agree(qcc_tool, tmp_path, proto, [{"count": np.array(c), "x": normal(6, scale=0.5).astype(np.float16)} for c in (3, 30)], 4e-3)


def test_loop_over_rows_by_number(qcc_tool, tmp_path):
    """for i in range(n): x[i] is read and collected, as scripted models do it; nothing changes but the number."""
    body = loop_body([node("Gather", ["x", "turn"], ["row"], axis=0), node("Mul", ["row", "s"], ["out"]),
                      node("Add", ["s", "row"], ["s1"])], ["s1", "out"], ["s"])
    proto = model([node("Shape", ["x"], ["shape"]), node("Gather", ["shape", "zero"], ["rows"]),
                   node("Loop", ["rows", "yes", "start"], ["last", "all"], body=body)],
                  {"x": (FLOAT, ["t", 3]), "start": (FLOAT, [3])}, {"last": (FLOAT, [3]), "all": (FLOAT, ["t", 3])},
                  {"zero": np.array(0), "yes": np.array(True)})
    agree(qcc_tool, tmp_path, proto, [{"x": normal(t, 3), "start": normal(3, seed=1)} for t in (1, 6, 40)], 1e-4)


def test_loop_over_slices_by_number(qcc_tool, tmp_path):
    """x[:, i : i + 2]; a loop that would run out of x is an error before it begins."""
    body = loop_body([node("Unsqueeze", ["turn", "first"], ["at"]), node("Add", ["at", "two"], ["to"]),
                      node("Slice", ["x", "at", "to", "axis"], ["part"]), node("ReduceSum", ["part", "axis"], ["sum"], keepdims=0),
                      node("Add", ["s", "sum"], ["s1"]), node("Identity", ["part"], ["out"])], ["s1", "out"], ["s"])
    proto = model([node("Loop", ["count", "", "start"], ["last", "all"], body=body)],
                  {"count": (INT64, []), "x": (FLOAT, ["n", "t"]), "start": (FLOAT, ["n"])},
                  {"last": (FLOAT, ["n"]), "all": (FLOAT, ["turns", "n", 2])},
                  {"first": np.array([0]), "two": np.array([2]), "axis": np.array([1])})
    sets = [{"count": np.array(c), "x": normal(n, t), "start": normal(n)} for c, n, t in ((3, 2, 4), (1, 1, 2), (20, 3, 40))]
    agree(qcc_tool, tmp_path, proto, sets, 1e-4)
    beyond = {"count": np.array(4), "x": normal(2, 4), "start": normal(2)}
    write_set(tmp_path / "beyond", beyond, {})
    for path in (tmp_path / "model.so", tmp_path / "model.onnx"):
        command = [qcc_tool, "run", path, *(["--reference"] if path.suffix == ".onnx" else []), "--test-data", tmp_path / "beyond"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode != 0 and "turns" in done.stderr, done.stderr


def test_long_known_loops_stay_loops(qcc_tool, tmp_path):
    body = loop_body([node("Sin", ["s"], ["p"]), node("Add", ["p", "x"], ["s1"])], ["s1"], ["s"])
    proto = model([node("Loop", ["count", "", "x"], ["last"], body=body)], {"x": (FLOAT, ["n"])}, {"last": (FLOAT, ["n"])},
                  {"count": np.array(5000)})
    agree(qcc_tool, tmp_path, proto, [{"x": normal(5)}], 1e-3)


@pytest.mark.parametrize("nodes, outputs, why", [
    ([node("Concat", ["s", "x"], ["s1"], axis=0)], ["s1"], "changes its size"),
    ([node("NonZero", ["s"], ["z"]), node("Cast", ["z"], ["f"], to=1), node("ReduceSum", ["f"], ["r"], keepdims=0),
      node("Add", ["s", "r"], ["s1"])], ["s1"], "a size in its body depends on values of the turn"),
])
def test_what_no_loop_can_do_is_told(qcc_tool, tmp_path, nodes, outputs, why):
    proto = model([node("Loop", ["count", "", "x"], ["last"], body=loop_body(nodes, outputs, ["s"]))],
                  {"count": (INT64, []), "x": (FLOAT, ["n"])}, {"last": (FLOAT, None)})
    assert why in refusal(qcc_tool, tmp_path, proto)
