"""If, and Loop and Scan of few turns, with conditions and sizes that are data."""

import numpy as np
import pytest
from graphs import check, helper, model, refusal, subgraph

FLOAT, INT64, BOOL = 1, 7, 9
node = helper.make_node


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_branches_with_other_shapes(qcc_tool, tmp_path):
    """A merged decoder in small: with a past it is put in front, without it is not read."""
    then = subgraph([node("Concat", ["past", "x"], ["t"], axis=1)], {"t": (FLOAT, None)})
    otherwise = subgraph([node("Mul", ["x", "two"], ["e"])], {"e": (FLOAT, None)},
                         weights={"two": np.float32(2)})
    proto = model([node("If", ["use"], ["y"], then_branch=then, else_branch=otherwise),
                   node("ReduceSum", ["y", "one"], ["sum"], keepdims=0)],
                  {"use": (BOOL, [1]), "x": (FLOAT, ["b", "s", 4]), "past": (FLOAT, ["b", "p", 4])},
                  {"y": (FLOAT, ["b", "t", 4]), "sum": (FLOAT, ["b", 4])}, {"one": np.array([1], np.int64)})
    sets = []
    for use, s, p in ((True, 3, 5), (False, 3, 5), (True, 1, 0), (False, 2, 1)):
        x, past = numbers(2, s, 4), numbers(2, p, 4, seed=1)
        y = np.concatenate([past, x], 1) if use else 2 * x
        sets.append(({"use": np.array([use]), "x": x, "past": past}, {"y": y, "sum": y.sum(1)}))
    check(qcc_tool, tmp_path, proto, sets)


def test_untaken_branch_is_not_computed(qcc_tool, tmp_path):
    """Its index lies outside, its shapes do not fit, and neither is a fault."""
    then = subgraph([node("Gather", ["x", "i"], ["t"], axis=0)], {"t": (FLOAT, None)})
    otherwise = subgraph([node("Add", ["x", "z"], ["a"]), node("ReduceMax", ["a"], ["e"], keepdims=0)],
                         {"e": (FLOAT, None)})
    proto = model([node("If", ["use"], ["y"], then_branch=then, else_branch=otherwise)],
                  {"use": (BOOL, []), "x": (FLOAT, ["n"]), "i": (INT64, []), "z": (FLOAT, ["m"])}, {"y": (FLOAT, [])})
    x = numbers(6)
    sets = [({"use": np.array(True), "x": x, "i": np.array(4), "z": numbers(3)}, {"y": x[4]}),
            ({"use": np.array(False), "x": x, "i": np.array(99), "z": numbers(6, seed=2)},
             {"y": (x + numbers(6, seed=2)).max()})]
    check(qcc_tool, tmp_path, proto, sets)


def test_nested_branches_capture_outer_values(qcc_tool, tmp_path):
    inner = node("If", ["second"], ["i"],
                 then_branch=subgraph([node("Neg", ["h"], ["n"])], {"n": (FLOAT, None)}),
                 else_branch=subgraph([node("Slice", ["h", "at", "end"], ["s"])], {"s": (FLOAT, None)}))
    then = subgraph([node("Abs", ["x"], ["h"]), inner], {"i": (FLOAT, None)})
    otherwise = subgraph([node("Identity", ["x"], ["e"])], {"e": (FLOAT, None)})
    proto = model([node("If", ["first"], ["y"], then_branch=then, else_branch=otherwise)],
                  {"first": (BOOL, []), "second": (BOOL, []), "x": (FLOAT, ["n"])}, {"y": (FLOAT, ["m"])},
                  {"at": np.array([1], np.int64), "end": np.array([3], np.int64)})
    x = numbers(5)
    want = {(True, True): -abs(x), (True, False): abs(x)[1:3], (False, True): x, (False, False): x}
    check(qcc_tool, tmp_path, proto, [({"first": np.array(a), "second": np.array(b), "x": x}, {"y": y})
                                      for (a, b), y in want.items()])


def test_branch_condition_is_computed(qcc_tool, tmp_path):
    then = subgraph([node("Add", ["x", "x"], ["t"])], {"t": (FLOAT, None)})
    otherwise = subgraph([node("Mul", ["x", "x"], ["e"])], {"e": (FLOAT, None)})
    proto = model([node("ReduceSum", ["x"], ["sum"], keepdims=0), node("Greater", ["sum", "zero"], ["use"]),
                   node("If", ["use"], ["y"], then_branch=then, else_branch=otherwise)],
                  {"x": (FLOAT, ["n"])}, {"y": (FLOAT, ["n"])}, {"zero": np.float32(0)})
    sets = [({"x": x}, {"y": x + x if x.sum() > 0 else x * x}) for x in (np.ones(3, np.float32), -np.ones(4, np.float32))]
    check(qcc_tool, tmp_path, proto, sets)


def test_branches_of_two_ranks_are_refused(qcc_tool, tmp_path):
    then = subgraph([node("ReduceSum", ["x"], ["t"], keepdims=0)], {"t": (FLOAT, None)})
    otherwise = subgraph([node("Identity", ["x"], ["e"])], {"e": (FLOAT, None)})
    proto = model([node("If", ["use"], ["y"], then_branch=then, else_branch=otherwise)],
                  {"use": (BOOL, []), "x": (FLOAT, ["n"])}, {"y": (FLOAT, None)})
    assert "ranks 0 and 1" in refusal(qcc_tool, tmp_path, proto)


def loop_body(nodes, scans=0):
    outputs = {"go": (BOOL, []), "s1": (FLOAT, None)} | ({"out": (FLOAT, None)} if scans else {})
    return subgraph([node("Identity", ["keep"], ["go"]), *nodes], outputs,
                    {"turn": (INT64, []), "keep": (BOOL, []), "s0": (FLOAT, None)})


def test_loop_carries_and_collects(qcc_tool, tmp_path):
    body = loop_body([node("Cast", ["turn"], ["f"], to=1), node("Mul", ["s0", "x"], ["p"]),
                      node("Add", ["p", "f"], ["s1"]), node("ReduceSum", ["s1"], ["out"], keepdims=0)], scans=1)
    proto = model([node("Loop", ["count", "", "x"], ["last", "sums"], body=body)], {"x": (FLOAT, ["n"])},
                  {"last": (FLOAT, ["n"]), "sums": (FLOAT, [4])}, {"count": np.array(4)})
    x, sums = numbers(7), []
    state = x
    for i in range(4):
        state = state * x + np.float32(i)
        sums.append(state.sum())
    check(qcc_tool, tmp_path, proto, [({"x": x}, {"last": state, "sums": np.array(sums, np.float32)})], 1e-4, 1e-4)


@pytest.mark.parametrize("backwards", [0, 1])
def test_scan(qcc_tool, tmp_path, backwards):
    body = subgraph([node("Add", ["s0", "row"], ["s1"]), node("Neg", ["s1"], ["out"])],
                    {"s1": (FLOAT, None), "out": (FLOAT, None)}, {"s0": (FLOAT, None), "row": (FLOAT, None)})
    proto = model([node("Scan", ["start", "x"], ["last", "all"], body=body, num_scan_inputs=1, scan_input_axes=[1],
                        scan_input_directions=[backwards], scan_output_axes=[-1], scan_output_directions=[backwards])],
                  {"start": (FLOAT, ["n"]), "x": (FLOAT, ["n", 5])}, {"last": (FLOAT, ["n"]), "all": (FLOAT, ["n", 5])})
    start, x = numbers(3), numbers(3, 5, seed=4)
    order = x[:, ::-1] if backwards else x
    sums = start[:, None] + np.cumsum(order, 1)
    check(qcc_tool, tmp_path, proto, [({"start": start, "x": x}, {
        "last": sums[:, -1], "all": -(sums[:, ::-1] if backwards else sums)})])
