"""Every way in which ONNX graphs carry quantized products: the result against onnxruntime without its optimizer, bit
for bit against the interpreter, and the products in integer instructions."""

import os
import subprocess

import numpy as np
import pytest
from graphs import check, contrib, expected, helper, model, normal, onnx

pytest.importorskip("onnxruntime")
from onnx import TensorProto as T  # noqa: E402

K, N = 64, 48
KINDS = {np.dtype(k): v for k, v in (("float32", T.FLOAT), ("float16", T.FLOAT16), ("uint8", T.UINT8), ("int8", T.INT8), ("int32", T.INT32))}
node = helper.make_node
CARRIERS = {}


def carrier(instruction="vpdpbusd", **options):
    """Registers a builder of (nodes, weights, inputs, y's type). Its product is in `instruction` (bytes with a weight, or
    16-bit numbers of two activations), or, if that is empty, a convolution of integers. With None the weight's codes multiply floats,
    as they stand for no integers. options: opset, tolerance, functions (after the product come float functions, which the
    interpreter computes by others)."""
    def register(function):
        CARRIERS[function.__name__] = (function, instruction, options)
        return function
    return register


def rng(seed=7):
    return np.random.default_rng(seed)


def random_codes(*shape, dtype=np.uint8, seed=3):
    info = np.iinfo(dtype)
    return rng(seed).integers(info.min, info.max + 1, shape).astype(dtype)


def few_bits(name, dtype, values):
    """An initializer of a type that numpy lacks."""
    return helper.make_tensor(name, dtype, values.shape, values.astype(np.float32 if dtype >= T.FLOAT8E4M3FN and dtype <= T.FLOAT8E5M2FNUZ else np.int32).flatten())


def packed(values, bits):
    parts = values.reshape(*values.shape[:-1], -1, 8 // bits)
    return sum((parts[..., i].astype(np.uint8) << (bits * i)).astype(np.uint8) for i in range(8 // bits)).astype(np.uint8)


# --- integers ---

@carrier()
def matmul_integer():
    return ([node("MatMulInteger", ["x", "w", "zx"], ["y"])], {"w": random_codes(K, N, dtype=np.int8), "zx": np.uint8(99)},
            {"x": random_codes(5, K)}, np.int32)


@carrier()
def matmul_integer_zero_points_per_column():
    return ([node("MatMulInteger", ["x", "w", "zx", "zw"], ["y"])],
            {"w": random_codes(K, N), "zx": np.uint8(99), "zw": random_codes(N, seed=5)}, {"x": random_codes(5, K)}, np.int32)


@carrier()
def dynamic_quantization():
    """As onnxruntime's quantizer writes it."""
    return ([node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]), node("MatMulInteger", ["q", "w", "z", "zw"], ["i"]),
             node("Cast", ["i"], ["f"], to=T.FLOAT), node("Mul", ["s", "sw"], ["both"]), node("Mul", ["f", "both"], ["p"]),
             node("Add", ["p", "b"], ["y"])],
            {"w": random_codes(K, N, dtype=np.int8), "zw": np.int8(0), "sw": np.float32(0.01), "b": normal(N)},
            {"x": normal(5, K)}, np.float32)


def qlinear_matmul(w, zw, sw, x_dtype):
    return ([node("QLinearMatMul", ["x", "sx", "zx", "w", "sw", "zw", "sy", "zy"], ["y"])],
            {"w": w, "sw": sw, "zw": zw, "sx": np.float32(0.02), "zx": np.array(3, x_dtype), "sy": np.float32(0.2),
             "zy": np.array(7, x_dtype)}, {"x": random_codes(5, K, dtype=x_dtype)}, x_dtype)


@carrier()
def qlinear_matmul_u8s8():
    return qlinear_matmul(random_codes(K, N, dtype=np.int8), np.int8(0), np.float32(0.01), np.uint8)


@carrier()
def qlinear_matmul_s8s8_by_column():
    return qlinear_matmul(random_codes(K, N, dtype=np.int8), np.zeros(N, np.int8), (rng().random(N) * 0.01 + 0.005).astype(np.float32), np.int8)


@carrier("")
def conv_integer():
    return ([node("ConvInteger", ["x", "w", "zx"], ["y"], pads=[1, 1, 1, 1])],
            {"w": random_codes(6, 4, 3, 3, dtype=np.int8), "zx": np.uint8(120)}, {"x": random_codes(2, 4, 8, 8)}, np.int32)


@carrier("")
def qlinear_conv():
    return ([node("QLinearConv", ["x", "sx", "zx", "w", "sw", "zw", "sy", "zy", "b"], ["y"], pads=[1, 1, 1, 1])],
            {"w": random_codes(6, 4, 3, 3, dtype=np.int8), "sx": np.float32(0.02), "zx": np.uint8(120),
             "sw": (rng().random(6) * 0.01).astype(np.float32), "zw": np.zeros(6, np.int8), "sy": np.float32(0.3), "zy": np.uint8(128),
             "b": rng().integers(-3000, 3000, 6).astype(np.int32)}, {"x": random_codes(2, 4, 8, 8)}, np.uint8)


# --- com.microsoft ---

@carrier()
def qgemm():
    return ([contrib("QGemm", ["x", "sx", "zx", "w", "sw", "zw", "b"], ["y"])],
            {"sx": np.float32(0.02), "zx": np.uint8(120), "w": random_codes(K, N, dtype=np.int8),
             "sw": (rng().random(N) * 0.01).astype(np.float32), "zw": np.zeros(N, np.int8),
             "b": rng().integers(-3000, 3000, N).astype(np.int32)}, {"x": random_codes(5, K)}, np.float32)


@carrier()
def matmul_integer_to_float():
    return ([contrib("MatMulIntegerToFloat", ["x", "w", "sx", "sw", "zx", "zw", "b"], ["y"])],
            {"w": random_codes(K, N, dtype=np.int8), "sx": np.float32(0.02), "sw": np.float32(0.01), "zx": np.uint8(77),
             "zw": np.int8(0), "b": normal(N)}, {"x": random_codes(5, K)}, np.float32)


@carrier()
def dynamic_quantize_matmul():
    return ([contrib("DynamicQuantizeMatMul", ["x", "w", "sw", "", "b"], ["y"])],
            {"w": random_codes(K, N, dtype=np.int8), "sw": np.float32(0.01), "b": normal(N)}, {"x": normal(5, K)}, np.float32)


def matmul_nbits(bits, zero):
    q = rng().integers(0, 1 << bits, (N, K), dtype=np.uint8)
    weights = {"w": packed(q.reshape(N, K // 32, 32), bits), "s": (rng(2).standard_normal((N, K // 32)) * 0.1).astype(np.float32)}
    if zero:
        points = rng(4).integers(0, 1 << bits, (N, K // 32), dtype=np.uint8)
        weights["z"] = packed(np.pad(points, ((0, 0), (0, -(K // 32) % (8 // bits)))), bits)
    return ([contrib("MatMulNBits", ["x", "w", "s"] + ["z"] * zero, ["y"], N=N, K=K, bits=bits, block_size=32,
                     accuracy_level=4)], weights, {"x": normal(5, K)}, np.float32)


for level_bits in (2, 4, 8):
    for with_zero in (False, True):
        def make(bits=level_bits, zero=with_zero):
            return matmul_nbits(bits, zero)
        make.__name__ = f"matmul_nbits_{level_bits}_{'asym' if with_zero else 'sym'}"
        carrier(opset=21)(make)


@carrier()
def matmul_nbits_with_bias():
    nodes, weights, inputs, dtype = matmul_nbits(4, False)
    nodes[0].input.extend(["", "", "b"])
    return nodes, {**weights, "b": normal(N)}, inputs, dtype


@carrier(None)
def matmul_nbits_in_order_of_activations():
    nodes, weights, inputs, dtype = matmul_nbits(4, False)
    nodes[0].input.extend(["", "g"])
    return nodes, {**weights, "g": rng(9).permutation(np.arange(K) // 32).astype(np.int32)}, inputs, dtype


@carrier(None)
def matmul_nbits_without_level():
    nodes, *rest = matmul_nbits(4, True)
    nodes[0].attribute.remove(next(a for a in nodes[0].attribute if a.name == "accuracy_level"))
    return nodes, *rest


def bnb4(quant_type):
    return ([contrib("MatMulBnb4", ["x", "w", "s"], ["y"], N=N, K=K, block_size=32, quant_type=quant_type)],
            {"w": random_codes(N * K // 2), "s": (rng(2).random(N * K // 32) + 0.5).astype(np.float32)}, {"x": normal(5, K)}, np.float32)


@carrier(None)
def matmul_bnb4_fp4():
    return bnb4(0)


@carrier(None)
def matmul_bnb4_nf4():
    return bnb4(1)


@carrier(functions=True)
def qattention():
    heads, hidden = 2, 16
    x = random_codes(2, 5, K)
    weights = {"w": random_codes(K, 3 * heads * hidden, dtype=np.int8), "b": normal(3 * heads * hidden), "sx": np.float32(0.01),
               "sw": np.float32(0.01), "m": np.array([5, 3], np.int32), "zx": np.uint8(120), "zw": np.int8(0)}
    return ([contrib("QAttention", ["x", "w", "b", "sx", "sw", "m", "zx", "zw"], ["y"], num_heads=heads)], weights, {"x": x}, np.float32)


# --- Q and DQ ---

def qdq(weight, scale, zero, x_dtype, axis=None, block=None, x_scale=0.03, kind=None):
    """x and the weight in codes, dequantized for one product."""
    attributes = ({} if axis is None else {"axis": axis}) | ({"block_size": block} if block else {})
    weights = {"sx": np.float32(x_scale), "zx": np.array(3 if x_dtype != np.uint8 else 130, x_dtype), "ws": scale, "b": normal(N)}
    names = ["w", "ws"]
    extra = []
    if kind is None:
        weights["w"] = weight
        if zero is not None:
            weights["wz"] = zero
            names.append("wz")
    else:
        extra.append(few_bits("w", kind, weight))
        if zero is not None:
            extra.append(few_bits("wz", kind, zero))
            names.append("wz")
    nodes = [node("QuantizeLinear", ["x", "sx", "zx"], ["q"]), node("DequantizeLinear", ["q", "sx", "zx"], ["d"]),
             node("DequantizeLinear", names, ["wd"], **attributes), node("MatMul", ["d", "wd"], ["p"]), node("Add", ["p", "b"], ["y"])]
    return nodes, weights, {"x": normal(5, K)}, np.float32, extra


def scales(*shape):
    return (rng(2).random(shape) * 0.02 + 0.004).astype(np.float32)


@carrier()
def qdq_per_tensor_u8s8():
    return qdq(random_codes(K, N, dtype=np.int8), np.float32(0.01), np.int8(0), np.uint8)


@carrier()
def qdq_per_tensor_u8u8():
    return qdq(random_codes(K, N), np.float32(0.01), np.uint8(121), np.uint8)


@carrier()
def qdq_per_axis_s8s8():
    return qdq(random_codes(K, N, dtype=np.int8), scales(N), np.zeros(N, np.int8), np.int8, axis=1)


@carrier()
def qdq_implied_zero_points():
    return qdq(random_codes(K, N, dtype=np.int8), scales(N), None, np.int8, axis=1)


@carrier()
def qdq_negative_scales():
    return qdq(random_codes(K, N, dtype=np.int8), scales(N) * np.where(np.arange(N) % 3, 1, -1).astype(np.float32), None, np.int8, axis=1)


@carrier(opset=21)
def qdq_blocks_of_int8():
    return qdq(random_codes(K, N, dtype=np.int8), scales(K // 32, N), None, np.int8, axis=0, block=32)


@carrier(opset=21)
def qdq_blocks_of_int4():
    return qdq(rng().integers(-8, 8, (K, N)), scales(K // 16, N), None, np.int8, axis=0, block=16, kind=T.INT4)


@carrier(opset=21)
def qdq_blocks_of_uint4():
    return qdq(rng().integers(0, 16, (K, N)), scales(K // 32, N), rng(5).integers(0, 16, (K // 32, N)), np.int8, axis=0, block=32, kind=T.UINT4)


@carrier(None, opset=21)
def qdq_floats_of_8_bits():
    nodes, weights, inputs, dtype, extra = qdq(normal(K, N), np.float32(0.05), np.zeros(()), np.uint8, kind=T.FLOAT8E4M3FN)
    return [*nodes[2:]], {k: v for k, v in weights.items() if k not in ("sx", "zx")}, {"d": inputs["x"]}, dtype, extra


@carrier(opset=21)
def qdq_int4_per_axis():
    return qdq(rng().integers(-8, 8, (K, N)), scales(N), None, np.uint8, axis=1, kind=T.INT4)


def qdq_float8(x_scale, type_of_scale, **options):
    """Codes of 8-bit floats on both sides, as for tensor cores."""
    nodes, weights, inputs, dtype, extra = qdq(normal(K, N), scales(N), None, np.uint8, kind=T.FLOAT8E4M3FN, axis=1, x_scale=x_scale)
    del weights["zx"]
    weights = {k: v.astype(type_of_scale) if k in ("sx", "ws") else v for k, v in weights.items()}
    return nodes, weights, inputs, dtype, [*extra, few_bits("zx", T.FLOAT8E4M3FN, np.zeros(()))]


@carrier(None, opset=19, codes="f8e4m3fn, token")
def qdq_float8_static():
    return qdq_float8(0.01, np.float32)


@carrier(None, opset=19, codes="f8e4m3fn, token")
def qdq_float8_static_saturating():
    return qdq_float8(0.002, np.float32)


@carrier(None, opset=19, codes="f8e4m3fn, token")
def qdq_float8_static_reshaped():
    """Exporters put the rows of a batch side by side, and turn matrices."""
    nodes, weights, inputs, dtype, extra = qdq_float8(0.01, np.float32)
    weights |= {"rows": np.array([5, K]), "rest": np.array([1, 5, N])}
    inputs = {"x": inputs["x"][None]}
    turned = helper.make_tensor("w", T.FLOAT8E4M3FN, (N, K), normal(N, K).flatten())
    scale = node("DequantizeLinear", ["w", "ws"], ["wd"], axis=0)
    nodes = [*nodes[:2], node("Reshape", ["d", "rows"], ["d2"]), scale, node("Transpose", ["wd"], ["wt"], perm=[1, 0]),
             node("MatMul", ["d2", "wt"], ["p2"]), node("Reshape", ["p2", "rest"], ["p"]), nodes[-1]]
    return nodes, weights, inputs, dtype, [turned, extra[1]]


@carrier()
def qdq_dynamic_per_tensor():
    """x by DynamicQuantizeLinear, dequantized again: its scale is found when the model runs."""
    return ([node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]), node("DequantizeLinear", ["q", "s", "z"], ["d"]),
             node("DequantizeLinear", ["w", "ws"], ["wd"], axis=1), node("MatMul", ["d", "wd"], ["y"])],
            {"w": random_codes(K, N, dtype=np.int8), "ws": scales(N)}, {"x": normal(5, K)}, np.float32)


@carrier()
def qdq_dynamic_gemm():
    return ([node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]), node("DequantizeLinear", ["q", "s", "z"], ["d"]),
             node("DequantizeLinear", ["w", "ws"], ["wd"], axis=0), node("Gemm", ["d", "wd", "b"], ["y"], transB=1, alpha=0.5)],
            {"w": random_codes(N, K, dtype=np.int8), "ws": scales(N), "b": normal(N)}, {"x": normal(5, K)}, np.float32)


@carrier()
def dequantized_input():
    """Codes that come in as codes."""
    return ([node("DequantizeLinear", ["x", "sx", "zx"], ["d"]), node("DequantizeLinear", ["w", "ws"], ["wd"], axis=1),
             node("MatMul", ["d", "wd"], ["y"])],
            {"w": random_codes(K, N, dtype=np.int8), "ws": scales(N), "sx": np.float32(0.02), "zx": np.uint8(7)},
            {"x": random_codes(5, K)}, np.float32)


def two_activations(left, right, nodes, **weights):
    """The product of two activations in codes, as in attention; `nodes` make y of the real numbers a and b."""
    return ([node("QuantizeLinear", ["x", "sx", "zx"], ["qx"]), node("DequantizeLinear", ["qx", "sx", "zx"], ["a"]),
             node("QuantizeLinear", ["w", "sw", "zw"], ["qw"]), node("DequantizeLinear", ["qw", "sw", "zw"], ["b"]), *nodes],
            {"sx": np.float32(0.03), "zx": np.uint8(131), "sw": np.float32(0.02), "zw": np.int8(-5), **weights},
            {"x": normal(*left), "w": normal(*right, seed=8)}, np.float32)


@carrier("vpdpwssd")
def qdq_scores():
    return two_activations((2, 3, 21, 32), (2, 3, 18, 32), [node("Transpose", ["b"], ["t"], perm=[0, 1, 3, 2]), node("MatMul", ["a", "t"], ["y"])])


@carrier("vpdpwssd")
def qdq_weighted_values():
    return two_activations((2, 3, 21, 17), (2, 3, 17, 40), [node("MatMul", ["a", "b"], ["y"])])


@carrier("vpdpwssd")
def qdq_odd_depth():
    return two_activations((4, 7, 33), (4, 35, 33), [node("Transpose", ["b"], ["t"], perm=[0, 2, 1]), node("MatMul", ["a", "t"], ["y"])])


@carrier("vpdpwssd")
def matmul_integer_of_activations():
    return ([node("MatMulInteger", ["x", "w", "zx", "zw"], ["y"])], {"zx": np.uint8(0), "zw": np.int8(127)},
            {"x": random_codes(3, 9, 45), "w": random_codes(3, 45, 31, dtype=np.int8)}, np.int32)


@carrier("vpdpwssd")
def qlinear_matmul_of_activations():
    return ([node("QLinearMatMul", ["x", "sx", "zx", "w", "sw", "zw", "sy", "zy"], ["y"])],
            {"sx": np.float32(0.02), "zx": np.uint8(255), "sw": np.float32(0.02), "zw": np.uint8(0), "sy": np.float32(4), "zy": np.uint8(100)},
            {"x": random_codes(6, 16), "w": random_codes(6, 16, 16)[:, :16]}, np.uint8)


def test_dynamic_quantization_of_zeros(qcc_tool, tmp_path):
    """Their scale is 1: by the formula it were 0, and the codes no numbers."""
    proto = model([node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]), node("DequantizeLinear", ["q", "s", "z"], ["d"])],
                  {"x": (T.FLOAT, ["a", 3])}, {"q": (T.UINT8, None), "s": (T.FLOAT, None), "z": (T.UINT8, None), "d": (T.FLOAT, None)})
    inputs = {"x": np.zeros((2, 3), np.float32)}
    check(qcc_tool, tmp_path, proto, [(inputs, expected(proto, inputs))], 0, 0)


def run(qcc_tool, *arguments):
    done = subprocess.run([str(a) for a in (qcc_tool, *arguments)], capture_output=True, text=True,
                          env=dict(os.environ, NO_COLOR="1", QCC_NUM_THREADS="1"))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", CARRIERS)
def test_carrier(qcc_tool, tmp_path, name):
    build, instruction, options = CARRIERS[name]
    nodes, weights, inputs, dtype, *extra = build()
    kinds = {k: (KINDS[v.dtype], ["t", *v.shape[1:]]) for k, v in inputs.items()}
    proto = model(nodes, kinds, {"y": (KINDS[np.dtype(dtype)], None)}, weights, options.get("opset", 17))
    for tensor in extra[0] if extra else ():
        proto.graph.initializer.append(tensor)
    want = expected(proto, inputs)["y"]
    tolerance = options.get("tolerance", 0 if dtype == np.int32 else 1 if dtype in (np.uint8, np.int8) else 1e-4)
    check(qcc_tool, tmp_path, proto, [(inputs, {"y": want})], tolerance, 1e-5)
    # Bit for bit what the interpreter computes.
    path = tmp_path / "model.onnx"
    run(qcc_tool, path, "--target=native", "--numerics=exact", "-o", tmp_path / "exact.so")
    arguments = [f"--input={k}={tmp_path / k}.npy" for k in inputs]
    for key, value in inputs.items():
        np.save(tmp_path / f"{key}.npy", value)
    run(qcc_tool, "run", tmp_path / "exact.so", *arguments, f"--output-dir={tmp_path / 'compiled'}")
    run(qcc_tool, path, "--to=quantize", "-o", tmp_path / "codes.mlir")
    run(qcc_tool, "run", tmp_path / "codes.mlir", "--reference", *arguments, f"--output-dir={tmp_path / 'interpreted'}")
    np.testing.assert_allclose(np.load(tmp_path / "compiled/y.npy"), np.load(tmp_path / "interpreted/y.npy"),
                               rtol=1e-5 if options.get("functions") else 0)
    # The product's kernel multiplies integers.
    run(qcc_tool, path, "--target=x86-avx512-vnni", "-o", tmp_path / "model.s")
    text = (tmp_path / "model.s").read_text()
    if instruction:
        assert instruction in text
    run(qcc_tool, path, "--to=fuse", "-o", tmp_path / "fused.mlir")
    fused = (tmp_path / "fused.mlir").read_text()
    product = {"": "qnt.conv", "vpdpwssd": "qnt.matmul"}.get(instruction, "qnt.qlinear")
    products = [line for line in fused.splitlines() if any(f"qnt.{kind} " in line for kind in ("conv", "matmul", "linear", "qlinear"))]
    assert products and all(f"{product} " in line for line in products)
    assert options.get("codes", "") in products[0]
    if product == "qnt.matmul":
        assert all("xi16" in line and "xi32" in line.split("->")[1] for line in products)
    if instruction == "":
        assert all("f32" not in line.split("->")[0] for line in fused.splitlines() if "qnt.conv" in line)
