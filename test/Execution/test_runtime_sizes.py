"""Shapes, axes and bounds that are data: they are read when the model runs."""

import numpy as np
import pytest
from graphs import check, expected, helper, model, normal

FLOAT, INT64, INT32 = 1, 7, 6
node = helper.make_node


def ints(*values):
    return np.array(values, np.int64)


def test_reshape(qcc_tool, tmp_path):
    proto = model([node("Reshape", ["x", "shape"], ["r"]), node("Softmax", ["r"], ["y"])],
                  {"x": (FLOAT, ["a", "b"]), "shape": (INT64, [3])}, {"y": (FLOAT, ["p", "q", "r"])})
    def want(x, shape):
        e = np.exp(x.reshape(shape))
        return e / e.sum(-1, keepdims=True)
    sets = []
    for dims, shape, real in (((4, 6), (2, -1, 3), (2, 4, 3)), ((4, 6), (0, 2, 3), (4, 2, 3)), ((1, 5), (1, 1, -1), (1, 1, 5))):
        x = normal(*dims)
        sets.append(({"x": x, "shape": ints(*shape)}, {"y": want(x, real)}))
    check(qcc_tool, tmp_path, proto, sets)


@pytest.mark.parametrize("keep", [0, 1])
def test_reduction_over_axes(qcc_tool, tmp_path, keep):
    proto = model([node("ReduceMean", ["x", "axes"], ["y"], keepdims=keep)],
                  {"x": (FLOAT, ["a", 3, "c"]), "axes": (INT64, [2])}, {"y": (FLOAT, None)})
    x = normal(2, 3, 5)
    check(qcc_tool, tmp_path, proto, [({"x": x, "axes": ints(*axes)}, {"y": x.mean(tuple(axes), keepdims=bool(keep))})
                                      for axes in ((0, 1), (1, -1), (-3, 2))])


def test_slice_by_data(qcc_tool, tmp_path):
    proto = model([node("Slice", ["x", "s", "e", "a", "t"], ["y"])],
                  {"x": (FLOAT, ["n", "m", 4]), "s": (INT64, [2]), "e": (INT64, [2]), "a": (INT64, [2]), "t": (INT64, [2])},
                  {"y": (FLOAT, None)})
    x = normal(5, 6, 4)
    cases = [((0, 1), (3, 5), (0, 1), (1, 2)), ((-1, 4), (-100, 0), (1, 0), (-2, -1)),
             ((10, 0), (20, 2 ** 40), (0, 2), (1, 1)), ((-3, 3), (-1, -9), (-1, 0), (1, -3))]
    sets = []
    for s, e, a, t in cases:
        index = [slice(None)] * 3
        for i in range(2):
            axis = a[i] % 3
            end = e[i] if not (t[i] < 0 and e[i] < -x.shape[axis]) else None
            index[axis] = slice(s[i], end, t[i])
        sets.append(({"x": x, "s": ints(*s), "e": ints(*e), "a": ints(*a), "t": ints(*t)}, {"y": x[tuple(index)]}))
    check(qcc_tool, tmp_path, proto, sets)


def test_pads_crop_and_mirror(qcc_tool, tmp_path):
    proto = model([node("Pad", ["x", "p"], ["c"]), node("Pad", ["x", "q"], ["r"], mode="reflect")],
                  {"x": (FLOAT, ["n", "m"]), "p": (INT64, [4]), "q": (INT64, [4])},
                  {"c": (FLOAT, None), "r": (FLOAT, None)})
    x = normal(4, 5)
    check(qcc_tool, tmp_path, proto, [
        ({"x": x, "p": ints(1, -2, 0, 3), "q": ints(2, 0, 1, 4)},
         {"c": np.pad(x[:, 2:], ((1, 0), (0, 3))), "r": np.pad(x, ((2, 1), (0, 4)), mode="reflect")})])


def test_expand_tile_and_fill(qcc_tool, tmp_path):
    proto = model([node("Expand", ["x", "shape"], ["e"]), node("Tile", ["e", "repeats"], ["t"]),
                   node("ConstantOfShape", ["shape"], ["f"])],
                  {"x": (FLOAT, ["n", 1]), "shape": (INT64, [3]), "repeats": (INT64, [3])},
                  {"e": (FLOAT, None), "t": (FLOAT, None), "f": (FLOAT, None)})
    x = normal(3, 1)
    e = np.broadcast_to(x, (2, 3, 4))
    check(qcc_tool, tmp_path, proto, [({"x": x, "shape": ints(2, 3, 4), "repeats": ints(1, 2, 3)},
                                       {"e": e, "t": np.tile(e, (1, 2, 3)), "f": np.zeros((2, 3, 4), np.float32)})])


@pytest.mark.parametrize("dtype, kind", [(np.float32, FLOAT), (np.int64, INT64), (np.int32, INT32)])
def test_range(qcc_tool, tmp_path, dtype, kind):
    proto = model([node("Range", ["start", "limit", "delta"], ["y"])],
                  {k: (kind, []) for k in ("start", "limit", "delta")}, {"y": (kind, ["n"])})
    check(qcc_tool, tmp_path, proto, [({"start": dtype(a), "limit": dtype(b), "delta": dtype(c)}, {"y": np.arange(a, b, c, dtype=dtype)})
                                      for a, b, c in ((0, 5, 1), (1, 10, 3), (10, 1, -4), (3, 3, 1), (5, 1, 2))])


def test_axes_of_squeeze_and_unsqueeze(qcc_tool, tmp_path):
    proto = model([node("Unsqueeze", ["x", "a"], ["u"]), node("Squeeze", ["u", "a"], ["s"])],
                  {"x": (FLOAT, ["n", "m"]), "a": (INT64, [2])}, {"u": (FLOAT, None), "s": (FLOAT, ["n", "m"])})
    x = normal(3, 4)
    check(qcc_tool, tmp_path, proto, [({"x": x, "a": ints(*a)}, {"u": x.reshape(shape), "s": x})
                                      for a, shape in (((0, 3), (1, 3, 4, 1)), ((1, -2), (3, 1, 1, 4)), ((-1, -2), (3, 4, 1, 1)))])


def test_best_and_running_sums(qcc_tool, tmp_path):
    proto = model([node("TopK", ["x", "k"], ["v", "i"]), node("CumSum", ["x", "axis"], ["c"]), node("Trilu", ["x", "d"], ["t"])],
                  {"x": (FLOAT, ["n", "m"]), "k": (INT64, [1]), "axis": (INT64, []), "d": (INT64, [])},
                  {"v": (FLOAT, None), "i": (INT64, None), "c": (FLOAT, ["n", "m"]), "t": (FLOAT, ["n", "m"])})
    x, sets = normal(3, 6), []
    for k, axis, d in ((2, 0, 1), (6, -1, -2)):
        order = np.argsort(-x, 1, kind="stable")[:, :k]
        sets.append(({"x": x, "k": ints(k), "axis": np.int64(axis), "d": np.int64(d)},
                     {"v": np.take_along_axis(x, order, 1), "i": order, "c": np.cumsum(x, axis), "t": np.triu(x, d)}))
    check(qcc_tool, tmp_path, proto, sets)


def test_sizes_go_on_through_products(qcc_tool, tmp_path):
    """A shape that is data in front of a linear layer, and two layers behind each other."""
    w = normal(8, 6, seed=3)
    proto = model([node("Reshape", ["x", "shape"], ["r"]), node("MatMul", ["r", "w"], ["m"]), node("Relu", ["m"], ["h"]),
                   node("Transpose", ["w"], ["wt"]), node("MatMul", ["h", "wt"], ["y"])],
                  {"x": (FLOAT, ["n"]), "shape": (INT64, [2])}, {"y": (FLOAT, ["a", 8])}, {"w": w})
    sets = []
    for rows in (1, 5):
        x = normal(rows * 8)
        sets.append(({"x": x, "shape": ints(rows, 8)}, {"y": np.maximum(x.reshape(rows, 8) @ w, 0) @ w.T}))
    check(qcc_tool, tmp_path, proto, sets, 1e-4, 1e-4)


@pytest.mark.parametrize("op", ["Conv", "ConvTranspose"])
def test_channels_that_a_slice_leaves(qcc_tool, tmp_path, op):
    """Every third of the first channel at most: one, by an expression that is no plain number."""
    w = normal(1, 1, 3, seed=4)
    proto = model([node("Slice", ["x", "from", "to", "axis", "step"], ["s"]), node(op, ["s", "w"], ["y"])],
                  {"x": (FLOAT, ["b", "c", 7])}, {"y": (FLOAT, None)},
                  {"w": w, "from": ints(0), "to": ints(1), "axis": ints(1), "step": ints(3)})
    sets = []
    for batch, channels in ((2, 4), (1, 1)):
        inputs = {"x": normal(batch, channels, 7, seed=channels)}
        sets.append((inputs, expected(proto, inputs)))
    check(qcc_tool, tmp_path, proto, sets, 1e-5, 1e-5)


def test_product_of_a_batch_that_a_slice_leaves(qcc_tool, tmp_path):
    proto = model([node("Slice", ["x", "from", "to", "axis"], ["s"]), node("MatMul", ["x", "s"], ["y"])],
                  {"x": (FLOAT, ["b", 5, 5])}, {"y": (FLOAT, None)}, {"from": ints(0), "to": ints(1), "axis": ints(0)})
    sets = []
    for batch in (2, 1):
        inputs = {"x": normal(batch, 5, 5, seed=batch)}
        sets.append((inputs, expected(proto, inputs)))
    check(qcc_tool, tmp_path, proto, sets, 1e-5, 1e-5)


def test_wrong_sizes_are_told(qcc_tool, tmp_path):
    proto = model([node("Reshape", ["x", "shape"], ["y"])], {"x": (FLOAT, ["n"]), "shape": (INT64, [2])}, {"y": (FLOAT, None)})
    x = normal(6)
    with pytest.raises(AssertionError, match="QCC"):
        check(qcc_tool, tmp_path, proto, [({"x": x, "shape": ints(4, 2)}, {"y": x})])


def attention(query, key, value):
    """Softmax of scaled products; heads of keys shared by those of queries."""
    share = query.shape[1] // key.shape[1]
    key, value = np.repeat(key, share, 1), np.repeat(value, share, 1)
    scores = query @ key.swapaxes(2, 3) / np.sqrt(np.float32(query.shape[3]))
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True) @ value


def test_heads_of_unknown_number_and_size(qcc_tool, tmp_path):
    proto = model([node("Attention", ["q", "k", "v"], ["y"])],
                  {"q": (FLOAT, ["b", "h", "s", "d"]), "k": (FLOAT, ["b", "g", "t", "d"]), "v": (FLOAT, ["b", "g", "t", "e"])},
                  {"y": (FLOAT, None)}, opset=23)
    def case(heads, groups, size, wide):
        q, k, v = normal(2, heads, 3, size), normal(2, groups, 5, size), normal(2, groups, 5, wide)
        return {"q": q, "k": k, "v": v}, {"y": attention(q, k, v)} if heads % groups == 0 else {"y": q}
    check(qcc_tool, tmp_path, proto, [case(6, 2, 8, 8), case(4, 4, 5, 7), case(3, 1, 16, 2)])
    (tmp_path / "refused").mkdir()
    with pytest.raises(AssertionError, match="QCC1804: h is 6"):
        check(qcc_tool, tmp_path / "refused", proto, [case(6, 4, 8, 8)])


def test_turned_part_of_a_head_of_unknown_size(qcc_tool, tmp_path):
    proto = model([node("RotaryEmbedding", ["x", "cos", "sin"], ["y"], rotary_embedding_dim=4)],
                  {"x": (FLOAT, ["b", "h", "s", "d"]), "cos": (FLOAT, ["b", "s", 2]), "sin": (FLOAT, ["b", "s", 2])},
                  {"y": (FLOAT, None)}, opset=23)
    def case(size):
        x, angle = normal(1, 2, 3, size), normal(1, 1, 3, 2)
        cos, sin, left, right = np.cos(angle), np.sin(angle), x[..., :2], x[..., 2:4]
        turned = [left * cos - right * sin, right * cos + left * sin] if size >= 4 else [left, left]
        return {"x": x, "cos": cos[0], "sin": sin[0]}, {"y": np.concatenate([*turned, x[..., 4:]], -1)}
    check(qcc_tool, tmp_path, proto, [case(8), case(4), case(5)])
    (tmp_path / "refused").mkdir()
    with pytest.raises(AssertionError, match="QCC1804"):
        check(qcc_tool, tmp_path / "refused", proto, [case(3)])
