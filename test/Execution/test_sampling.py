"""GridSample, AffineGrid, RoiAlign, smoothed Resize and what undoes windows, against onnxruntime."""

import numpy as np
import pytest
from graphs import check, contrib, expected, helper, model, refusal

FLOAT, INT64, FLOAT16 = 1, 7, 10
node = helper.make_node


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def places(*shape, seed=1):
    """Inside and well outside of -1 .. 1."""
    return np.random.default_rng(seed).uniform(-1.7, 1.7, shape).astype(np.float32)


def against_onnxruntime(qcc_tool, folder, proto, inputs, atol=1e-4, rtol=1e-4):
    check(qcc_tool, folder, proto, [(one, expected(proto, one)) for one in inputs], atol, rtol)


@pytest.mark.parametrize("align", [0, 1])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["linear", "nearest", "cubic"])
def test_grid_sample(qcc_tool, tmp_path, mode, padding, align):
    """All sizes are dynamic: one artifact samples images and grids of several."""
    proto = model([node("GridSample", ["x", "g"], ["y"], mode=mode, padding_mode=padding, align_corners=align)],
                  {"x": (FLOAT, ["n", "c", "h", "w"]), "g": (FLOAT, ["n", "p", "q", 2])}, {"y": (FLOAT, None)}, opset=20)
    # The border of a cubic: onnxruntime moves both coordinates when one is outside, the definition each alone.
    inside = mode == "cubic" and padding == "border"
    grid = (lambda *shape: np.clip(places(*shape), -0.9, 0.9)) if inside else places
    against_onnxruntime(qcc_tool, tmp_path, proto, [
        {"x": numbers(2, 3, 5, 7), "g": grid(2, 4, 6, 2)}, {"x": numbers(1, 1, 9, 4), "g": grid(1, 1, 11, 2)}])


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_grid_sample_of_volumes(qcc_tool, tmp_path, mode, padding):
    proto = model([node("GridSample", ["x", "g"], ["y"], mode=mode, padding_mode=padding)],
                  {"x": (FLOAT, [2, 3, "d", "h", "w"]), "g": (FLOAT, [2, "o", "p", "q", 3])}, {"y": (FLOAT, None)}, opset=20)
    against_onnxruntime(qcc_tool, tmp_path, proto, [
        {"x": numbers(2, 3, 3, 4, 5), "g": places(2, 2, 3, 4, 3)}, {"x": numbers(2, 3, 6, 2, 3), "g": places(2, 1, 5, 1, 3)}])


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_grid_sample_by_its_older_names(qcc_tool, tmp_path, mode):
    types = {"x": (FLOAT, [1, 2, 4, 5]), "g": (FLOAT, [1, 3, 3, 2])}
    proto = model([node("GridSample", ["x", "g"], ["y"], mode=mode), contrib("GridSample", ["x", "g"], ["z"], mode=mode)],
                  types, {"y": (FLOAT, None), "z": (FLOAT, None)}, opset=16)
    against_onnxruntime(qcc_tool, tmp_path, proto, [{"x": numbers(1, 2, 4, 5), "g": places(1, 3, 3, 2)}])


def test_zeros_outside_do_not_meet_what_is_inside(qcc_tool, tmp_path):
    """An infinite element at the border counts for nothing where a sample lies beyond it."""
    proto = model([node("GridSample", ["x", "g"], ["y"], mode="linear")],
                  {"x": (FLOAT, [1, 1, 2, 2]), "g": (FLOAT, [1, 1, 1, 2])}, {"y": (FLOAT, None)}, opset=20)
    x = np.full((1, 1, 2, 2), np.inf, np.float32)
    check(qcc_tool, tmp_path, proto, [({"x": x, "g": np.full((1, 1, 1, 2), -4, np.float32)}, {"y": np.zeros((1, 1, 1, 1), np.float32)})])


def test_grid_sample_of_half_floats(qcc_tool, tmp_path):
    whole = model([node("GridSample", ["x", "g"], ["y"])], {"x": (FLOAT, [1, 3, 6, 5]), "g": (FLOAT, [1, 4, 4, 2])}, {"y": (FLOAT, None)}, opset=20)
    half = model([node("GridSample", ["x", "g"], ["y"])], {"x": (FLOAT16, [1, 3, 6, 5]), "g": (FLOAT16, [1, 4, 4, 2])}, {"y": (FLOAT16, None)}, opset=20)
    x, g = numbers(1, 3, 6, 5).astype(np.float16), places(1, 4, 4, 2).astype(np.float16)
    want = expected(whole, {"x": x.astype(np.float32), "g": g.astype(np.float32)})["y"].astype(np.float16)
    check(qcc_tool, tmp_path, half, [({"x": x, "g": g}, {"y": want})], 2e-3, 2e-3)


@pytest.mark.parametrize("align", [0, 1])
@pytest.mark.parametrize("spatial", [2, 3])
def test_affine_grid(qcc_tool, tmp_path, spatial, align):
    proto = model([node("AffineGrid", ["t", "s"], ["y"], align_corners=align)],
                  {"t": (FLOAT, ["n", spatial, spatial + 1]), "s": (INT64, [spatial + 2])}, {"y": (FLOAT, None)}, opset=20)
    against_onnxruntime(qcc_tool, tmp_path, proto, [
        {"t": numbers(2, spatial, spatial + 1), "s": np.array([2, 3, 4, 5, 6][:spatial + 2])},
        {"t": numbers(1, spatial, spatial + 1), "s": np.array([1, 1, 7, 2, 3][:spatial + 2])}])


def test_a_spatial_transformer(qcc_tool, tmp_path):
    """The grid's size comes from the image, which is dynamic."""
    proto = model([node("Shape", ["x"], ["s"]), node("AffineGrid", ["t", "s"], ["g"]), node("GridSample", ["x", "g"], ["y"])],
                  {"x": (FLOAT, ["n", 3, "h", "w"]), "t": (FLOAT, ["n", 2, 3])}, {"y": (FLOAT, ["n", 3, "h", "w"])}, opset=20)
    against_onnxruntime(qcc_tool, tmp_path, proto, [{"x": numbers(2, 3, 6, 5), "t": 0.5 * numbers(2, 2, 3)},
                                                    {"x": numbers(1, 3, 4, 8), "t": 0.5 * numbers(1, 2, 3)}])


@pytest.mark.parametrize("ratio", [0, 2])
@pytest.mark.parametrize("mode", ["avg", "max"])
@pytest.mark.parametrize("transformation", ["half_pixel", "output_half_pixel"])
def test_roi_align(qcc_tool, tmp_path, transformation, mode, ratio):
    proto = model([node("RoiAlign", ["x", "r", "b"], ["y"], coordinate_transformation_mode=transformation, mode=mode,
                        output_height=3, output_width=2, sampling_ratio=ratio, spatial_scale=0.5)],
                  {"x": (FLOAT, ["n", "c", "h", "w"]), "r": (FLOAT, ["k", 4]), "b": (INT64, ["k"])}, {"y": (FLOAT, None)}, opset=16)
    rng = np.random.default_rng(5)
    def regions(count, size):
        corners = rng.uniform(0, 1.4 * size, (count, 2, 2)).astype(np.float32)
        return np.concatenate([corners.min(1), corners.max(1)], 1)
    # onnxruntime starts maxima of samples outside the image elsewhere, so positive values and regions that touch it.
    inputs = [{"x": np.abs(numbers(n, c, h, w)), "r": regions(k, h), "b": rng.integers(0, n, k)}
              for n, c, h, w, k in ((2, 3, 8, 9, 5), (1, 1, 12, 7, 2))]
    against_onnxruntime(qcc_tool, tmp_path, proto, inputs)


def test_smoothed_resize(qcc_tool, tmp_path):
    """The constant scale, the constant size and the scale that is data give the same."""
    scales = np.array([1, 1, 0.6, 0.4], np.float32)
    def resize(mode, i, o, **attributes):
        return node("Resize", i, [o], mode=mode, antialias=1, **attributes)
    nodes = [resize("linear", ["x", "", "k"], "a"), resize("cubic", ["x", "", "k"], "b"), resize("linear", ["x", "", "s"], "c"),
             resize("cubic", ["x", "", "", "t"], "d", exclude_outside=1), resize("linear", ["x", "", "u"], "e")]
    proto = model(nodes, {"x": (FLOAT, [1, 2, 10, 15]), "s": (FLOAT, [4])}, {k: (FLOAT, None) for k in "abcde"},
                  {"k": scales, "t": np.array([1, 2, 5, 5]), "u": np.array([1, 1, 2, 2], np.float32)}, opset=18)
    x = numbers(1, 2, 10, 15)
    from onnx.reference import ReferenceEvaluator
    want = dict(zip("abcde", ReferenceEvaluator(proto).run(None, {"x": x, "s": scales})))
    check(qcc_tool, tmp_path, proto, [({"x": x, "s": scales}, want)], 1e-4, 1e-4)


def test_a_smoothed_region_is_refused(qcc_tool, tmp_path):
    proto = model([node("Resize", ["x", "r", "k"], ["y"], name="shrink", mode="linear", antialias=1,
                        coordinate_transformation_mode="tf_crop_and_resize")],
                  {"x": (FLOAT, [8, 8])}, {"y": (FLOAT, None)},
                  {"r": np.array([0, 0, 1, 1], np.float32), "k": np.array([0.5, 0.5], np.float32)}, opset=18)
    message = refusal(qcc_tool, tmp_path, proto)
    assert "smoothes a region of interest" in message and "'shrink'" in message and "cut it out" in message


@pytest.mark.parametrize("byColumn", [0, 1])
def test_maxima_and_where_they_lie(qcc_tool, tmp_path, byColumn):
    proto = model([node("MaxPool", ["x"], ["y", "i"], kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1], storage_order=byColumn)],
                  {"x": (FLOAT, ["n", 2, "h", "w"])}, {"y": (FLOAT, None), "i": (INT64, None)})
    ties = np.round(numbers(2, 2, 7, 8))
    against_onnxruntime(qcc_tool, tmp_path, proto, [{"x": ties}, {"x": numbers(1, 2, 4, 5)}])


def test_pooled_and_back(qcc_tool, tmp_path):
    pool = dict(kernel_shape=[2, 2], strides=[2, 2])
    proto = model([node("MaxPool", ["x"], ["m", "i"], **pool), node("MaxUnpool", ["m", "i"], ["y"], **pool)],
                  {"x": (FLOAT, ["n", 3, "h", "w"])}, {"y": (FLOAT, None)})
    against_onnxruntime(qcc_tool, tmp_path, proto, [{"x": numbers(2, 3, 6, 8)}, {"x": numbers(1, 3, 4, 4)}])


def test_columns_to_images(qcc_tool, tmp_path):
    proto = model([node("Col2Im", ["x", "i", "k"], ["y"], pads=[1, 0, 1, 2], strides=[2, 1], dilations=[1, 2])],
                  {"x": (FLOAT, ["n", 12, "l"])}, {"y": (FLOAT, None)}, {"i": np.array([7, 6]), "k": np.array([3, 2])}, opset=18)
    against_onnxruntime(qcc_tool, tmp_path, proto, [{"x": numbers(n, 12, 4 * 6)} for n in (1, 3)])


@pytest.mark.parametrize("p", [1, 2, 3])
def test_norms_of_planes(qcc_tool, tmp_path, p):
    proto = model([node("GlobalLpPool", ["x"], ["y"], p=p)], {"x": (FLOAT, ["n", 3, "h", 5])}, {"y": (FLOAT, None)})
    against_onnxruntime(qcc_tool, tmp_path, proto, [{"x": numbers(2, 3, 4, 5)}, {"x": numbers(1, 3, 9, 5)}])


@pytest.mark.parametrize("group, offsetGroup", [(1, 1), (1, 2), (2, 1), (2, 4)])
@pytest.mark.parametrize("masked", [False, True])
def test_deformed_convolution(qcc_tool, tmp_path, group, offsetGroup, masked):
    """Taps inside, between and outside of the image's elements."""
    taps = 6 * offsetGroup
    inputs = {"x": (FLOAT, ["n", 4, "h", 8]), "o": (FLOAT, ["n", 2 * taps, "p", "q"])}
    if masked:
        inputs["m"] = (FLOAT, ["n", taps, "p", "q"])
    proto = model([node("DeformConv", ["x", "w", "o", "b", "m"][:5 if masked else 4], ["y"], group=group, offset_group=offsetGroup,
                        strides=[2, 1], pads=[1, 0, 1, 2], dilations=[1, 2])],
                  inputs, {"y": (FLOAT, None)}, {"w": numbers(6, 4 // group, 3, 2), "b": numbers(6)}, opset=19)
    from onnx.reference import ReferenceEvaluator
    sets = []
    for n, h in ((1, 5), (2, 8)):
        rows, columns = (h + 2 - 3) // 2 + 1, 8 + 2 - 3 + 1
        one = {"x": numbers(n, 4, h, 8), "o": 2 * numbers(n, 2 * taps, rows, columns, seed=3)}
        if masked:
            one["m"] = np.abs(numbers(n, taps, rows, columns, seed=4))
        sets.append((one, {"y": ReferenceEvaluator(proto).run(None, one)[0].astype(np.float32)}))
    check(qcc_tool, tmp_path, proto, sets, 1e-4, 1e-4)
