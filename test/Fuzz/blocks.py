"""What random graphs are made of: each block adds some nodes, as exporters and people write them."""

import math

import numpy as np
from graph import DTYPES, INTS, broadcast, proto_type

BLOCKS = []


def block(weight=1.0):
    def register(function):
        BLOCKS.append((function, weight))
        return function
    return register


def floats(v):
    return v.dtype == "f32" and v.known


def axis_form(g, axis, rank):
    """An axis from the front or from the back."""
    return axis - rank if g.chance(0.4) else axis


# --- Elementwise ------------------------------------------------------------------------------------

SMOOTH = {"Sigmoid": 1, "Tanh": 1, "Erf": 1, "Softplus": 5, "Softsign": 1, "Elu": 4, "Selu": 8, "LeakyRelu": 4,
          "HardSigmoid": 1, "HardSwish": 4, "Mish": 4, "Sin": 1, "Cos": 1, "Atan": 2, "Asinh": 3, "Celu": 4,
          "ThresholdedRelu": 4}
STEPS = {"Relu": None, "Neg": None, "Abs": None, "Floor": None, "Ceil": None, "Round": None, "Sign": 1}


@block(3)
def unary(g):
    x = g.find(lambda v: v.dtype == "f32")
    if not x:
        return
    exact = [op for op in STEPS if x.exact or op in ("Relu", "Neg", "Abs")]
    op = g.pick([*SMOOTH, *exact])
    if op == "Mish" and g.opset < 18 or op == "HardSwish" and g.opset < 14:
        op = "Tanh"
    attributes = {}
    if op in ("LeakyRelu", "Elu", "Celu") and g.chance(0.5):
        attributes["alpha"] = float(g.pick([0.1, 0.5, 1.5]))
    if op == "HardSigmoid" and g.chance(0.5):
        attributes |= {"alpha": 0.25, "beta": 0.4}
    bound = STEPS.get(op) or SMOOTH.get(op) or x.bound
    g.node(op, [x], "f32", x.dims, x.exact and op in STEPS, min(bound, max(x.bound, 1.0)), **attributes)


@block()
def positive(g):
    """Functions of values away from zero."""
    x = g.find(lambda v: v.dtype == "f32" and v.bound <= 16)
    if not x:
        return
    half = g.constant(np.float32(0.5))
    above = g.node("Add", [g.node("Abs", [x], "f32", x.dims, x.exact, x.bound, keep=False), half], "f32", x.dims,
                   False, x.bound + 1, keep=False)
    op = g.pick(["Sqrt", "Log", "Reciprocal", "Exp", "Pow"])
    if op == "Exp":
        above = g.node("Neg", [above], "f32", x.dims, False, 1, keep=False)
    rest = [g.constant(np.float32(g.pick([0.5, 2, 3, -1, -0.5, 1.7])))] if op == "Pow" else []
    bound = {"Reciprocal": 2, "Exp": 1, "Pow": (x.bound + 1) ** 3}.get(op, x.bound + 1)
    g.node(op, [above, *rest], "f32", x.dims, False, bound)


@block(3)
def binary(g):
    x = g.find(lambda v: floats(v) and v.bound < 1e3)
    if not x:
        return
    y = g.find(lambda v: floats(v) and v.bound < 1e3 and broadcast(x.dims, v.dims) is not None)
    if g.chance(0.4) or not y:
        shape = [d if isinstance(d, int) and g.chance(0.7) else 1 for d in x.dims][g.number(0, x.rank):]
        y = g.constant(g.grid(shape))
    if g.chance(0.5):
        x, y = y, x
    op = g.pick(["Add", "Sub", "Mul", "Max", "Min"])
    bound = x.bound * y.bound if op == "Mul" else x.bound + y.bound
    exact = x.exact and y.exact and bound < 64
    g.node(op, [x, y], "f32", broadcast(x.dims, y.dims), exact, bound)


@block()
def compare_and_select(g):
    x = g.find(lambda v: floats(v) and v.exact)
    if not x:
        return
    threshold = g.constant(np.float32(g.number(-8, 8) / 8))
    op = g.pick(["Less", "Greater", "LessOrEqual", "GreaterOrEqual", "Equal"])
    where = g.node(op, [x, threshold], "bool", x.dims, True)
    if g.chance(0.3):
        where = g.node("Not", [where], "bool", x.dims, True)
    other = g.find(lambda v: floats(v) and broadcast(x.dims, v.dims) is not None)
    dims = broadcast(x.dims, other.dims)
    g.node("Where", [where, x, other] if g.chance(0.5) else [where, other, threshold], "f32", dims,
           x.exact and other.exact, max(x.bound, other.bound))


@block()
def clip(g):
    x = g.find(lambda v: v.dtype in ("f32", "i32", "i64", "i8", "u8"))
    if not x:
        return
    low, high = sorted(g.grid((2,), x.dtype).tolist())
    if g.chance(0.1):
        low, high = high, low  # then the upper end wins
    limits = [g.constant(np.asarray(v, DTYPES[x.dtype])) if g.chance(0.8) else "" for v in (low, high)]
    while limits and limits[-1] == "":
        limits.pop()
    g.node("Clip", [x, *limits], x.dtype, x.dims, x.exact, x.bound)


@block()
def integer_arithmetic(g):
    x = g.find(lambda v: v.dtype in INTS and v.known and v.bound < 1e6)
    if not x:
        return
    y = g.find(lambda v: v.dtype == x.dtype and v.bound < 1e6 and broadcast(x.dims, v.dims) is not None)
    op = g.pick(["Add", "Sub", "Mul", "Max", "Min", "Div", "Mod"])
    if op in ("Div", "Mod"):
        y = g.constant(np.asarray(g.pick([1, 2, 3, 7, -2, -5]), DTYPES[x.dtype]))
    attributes = {"fmod": 1} if op == "Mod" and g.chance(0.3) else {}
    bound = x.bound * y.bound if op == "Mul" else x.bound + y.bound
    g.node(op, [x, y], x.dtype, broadcast(x.dims, y.dims), True, max(bound, 20), **attributes)


@block()
def logic(g):
    x = g.find(lambda v: v.dtype == "bool" and v.known)
    if not x:
        return
    y = g.find(lambda v: v.dtype == "bool" and broadcast(x.dims, v.dims) is not None)
    g.node(g.pick(["And", "Or", "Xor", "Equal"]), [x, y], "bool", broadcast(x.dims, y.dims))


@block()
def cast(g):
    x = g.find(lambda v: v.exact)
    to = g.pick(["f32", "i32", "i64", "bool", "i8", "u8", "f16", "f64"])
    if not x or x.dtype == to or x.bound > 100 or to == "u8" and x.dtype != "bool":
        return  # conversions outside the range differ between machines
    g.node("Cast", [x], to, x.dims, True, x.bound, to=proto_type(to))


# --- Moving ------------------------------------------------------------------------------------------

@block(2)
def transpose(g):
    x = g.find(lambda v: v.rank >= 2)
    if not x:
        return
    order = g.rng.permutation(x.rank).tolist()
    g.node("Transpose", [x], x.dtype, [x.dims[i] for i in order], x.exact, x.bound, perm=order)


@block(2)
def reshape(g):
    x = g.find(lambda v: v.known and v.rank >= 1)
    if not x:
        return
    if x.static and g.chance(0.5):
        total = math.prod(x.dims)
        factor = g.pick([f for f in range(1, total + 1) if total % f == 0] or [1])
        dims, shape = (factor, total // factor if factor else 0), [factor, -1]
    else:
        # Symbols keep their places; a constant axis is split or the last two are merged.
        last = x.dims[-1]
        splits = [f for f in range(2, last) if last % f == 0] if isinstance(last, int) else []
        if splits:
            f = g.pick(splits)
            dims, shape = (*x.dims[:-1], f, last // f), [*[0] * (x.rank - 1), f, g.pick([-1, last // f])]
        elif x.rank >= 2 and isinstance(last, int) and isinstance(x.dims[-2], int):
            dims, shape = (*x.dims[:-2], x.dims[-2] * last), [*[0] * (x.rank - 2), x.dims[-2] * last]
        else:
            dims, shape = (*x.dims, 1), [*[0] * x.rank, 1]
    g.node("Reshape", [x, g.ints(shape)], x.dtype, dims, x.exact, x.bound)


@block()
def squeeze(g):
    x = g.find(lambda v: v.known)
    if not x:
        return
    ones = [i for i, d in enumerate(x.dims) if d == 1]
    if ones and g.chance(0.5):
        axis = g.pick(ones)
        g.node("Squeeze", [x, g.ints([axis_form(g, axis, x.rank)])], x.dtype,
               [d for i, d in enumerate(x.dims) if i != axis], x.exact, x.bound)
    elif x.rank < 5:
        axis = g.number(0, x.rank)
        dims = [*x.dims[:axis], 1, *x.dims[axis:]]
        g.node("Unsqueeze", [x, g.ints([axis_form(g, axis, x.rank + 1)])], x.dtype, dims, x.exact, x.bound)


@block(2)
def slice_(g):
    x = g.find(lambda v: v.known and v.rank >= 1)
    if not x:
        return
    axis, step = g.number(0, x.rank - 1), g.pick([1, 1, 2, -1, 3])
    size = x.dims[axis]
    if not isinstance(size, int):
        start, end = (0, g.pick([1, 2**62])) if step > 0 else (-1, -2**62)
        dim = size if step in (1, -1) and end != 1 else None
        if end == 1:
            dim = 1
    else:
        start, end = (0, size) if step > 0 else (size - 1, -size - 1)
        if step > 0 and size > 2:
            start, end = g.number(0, size // 2), g.pick([size, size - 1, -1, 2**31])
        stop = min(end if end >= 0 else max(end + size, -1 if step < 0 else 0), size)
        dim = len(range(start, stop, step))
    dims = [dim if i == axis else d for i, d in enumerate(x.dims)]
    if dim == 0:
        return
    g.node("Slice", [x, g.ints([start]), g.ints([end]), g.ints([axis_form(g, axis, x.rank)]), g.ints([step])],
           x.dtype, dims, x.exact, x.bound)


@block(2)
def concat(g):
    x = g.find(lambda v: v.known and v.rank >= 1)
    if not x:
        return
    axis = g.number(0, x.rank - 1)
    fits = [v for v in g.values if v.dtype == x.dtype and v.known and v.rank == x.rank and
            all(i == axis or a == b for i, (a, b) in enumerate(zip(v.dims, x.dims)))]
    parts = [x, *[g.pick(fits) for _ in range(g.number(1, 2))]]
    sizes = [p.dims[axis] for p in parts]
    dim = sum(sizes) if all(isinstance(s, int) for s in sizes) else None
    g.node("Concat", parts, x.dtype, [dim if i == axis else d for i, d in enumerate(x.dims)],
           all(p.exact for p in parts), max(p.bound for p in parts), axis=axis_form(g, axis, x.rank))


@block()
def split(g):
    x = g.find(lambda v: v.known and any(isinstance(d, int) and d % 2 == 0 and d > 0 for d in v.dims))
    if not x:
        return
    axis = g.pick([i for i, d in enumerate(x.dims) if isinstance(d, int) and d % 2 == 0 and d > 0])
    size = x.dims[axis]
    cut = g.number(1, size - 1)
    sizes = [cut, size - cut] if g.chance(0.5) else [size // 2, size // 2]
    outs = [(x.dtype, tuple(s if i == axis else d for i, d in enumerate(x.dims)), x.exact, x.bound) for s in sizes]
    even = {"num_outputs": 2} if g.opset >= 18 and sizes[0] == sizes[1] and g.chance(0.5) else None
    g.nodes_of("Split", [x] if even else [x, g.ints(sizes)], outs, axis=axis_form(g, axis, x.rank), **(even or {}))


@block()
def expand(g):
    x = g.find(lambda v: v.known and 1 in v.dims)
    if not x:
        return
    shape = [g.number(2, 3) if d == 1 and g.chance(0.6) else 1 for d in x.dims]
    if g.chance(0.3) and x.rank < 5:
        shape = [2, *shape]
    g.node("Expand", [x, g.ints(shape)], x.dtype, broadcast(x.dims, shape), x.exact, x.bound)


@block()
def tile(g):
    x = g.find(lambda v: v.static and 0 < math.prod(v.dims) < 200 and v.rank)
    if x:
        times = [g.number(1, 2) for _ in x.dims]
        g.node("Tile", [x, g.ints(times)], x.dtype, [d * t for d, t in zip(x.dims, times)], x.exact, x.bound)


@block()
def pad(g):
    x = g.find(lambda v: v.dtype in ("f32", "i32", "i64") and v.known and v.rank and
               all(not isinstance(d, int) or d > 2 for d in v.dims))
    if not x:
        return
    mode = g.pick(["constant", "edge", "reflect"])
    pads = [g.number(0, 2) if isinstance(d, int) else 0 for d in x.dims * 2]
    if mode == "constant" and g.chance(0.3):
        pads[0] = -1 if isinstance(x.dims[0], int) else 0
    dims = [d + pads[i] + pads[i + x.rank] if isinstance(d, int) else d for i, d in enumerate(x.dims)]
    value = [g.constant(g.grid((), x.dtype))] if mode == "constant" and g.chance(0.5) else []
    g.node("Pad", [x, g.ints(pads), *value], x.dtype, dims, x.exact, x.bound, mode=mode)


@block(2)
def gather(g):
    x = g.find(lambda v: v.known and any(isinstance(d, int) and d > 0 for d in v.dims))
    if not x:
        return
    axis = g.pick([i for i, d in enumerate(x.dims) if isinstance(d, int) and d > 0])
    size, shape = x.dims[axis], g.pick([(), (1,), (3,), (2, 2)])
    indices = g.constant(g.rng.integers(-size, size, shape), "n")
    g.node("Gather", [x, indices], x.dtype, [*x.dims[:axis], *shape, *x.dims[axis + 1:]], x.exact, x.bound,
           axis=axis_form(g, axis, x.rank))


@block()
def gather_elements(g):
    x = g.find(lambda v: v.static and v.rank and math.prod(v.dims))
    if not x:
        return
    axis = g.number(0, x.rank - 1)
    shape = [g.number(1, d) for d in x.dims]
    indices = g.constant(g.rng.integers(-x.dims[axis], x.dims[axis], shape), "n")
    g.node("GatherElements", [x, indices], x.dtype, shape, x.exact, x.bound, axis=axis_form(g, axis, x.rank))


@block()
def scatter(g):
    x = g.find(lambda v: v.dtype == "f32" and v.static and v.rank and math.prod(v.dims))
    if not x:
        return
    axis = g.number(0, x.rank - 1)
    shape = [1 if i == axis else d for i, d in enumerate(x.dims)]
    indices = g.constant(g.rng.integers(0, x.dims[axis], shape), "n")
    updates = g.constant(g.grid(shape))
    how = {"reduction": g.pick(["add", "mul"])} if g.opset >= 16 and g.chance(0.4) else {}
    g.node("ScatterElements", [x, indices, updates], "f32", x.dims, x.exact and not how, x.bound * 4, axis=axis, **how)


@block()
def trilu(g):
    x = g.find(lambda v: v.dtype in ("f32", "i64", "bool") and v.known and v.rank >= 2)
    if x:
        k = [g.constant(np.int64(g.number(-2, 2)))] if g.chance(0.6) else []
        g.node("Trilu", [x, *k], x.dtype, x.dims, x.exact, x.bound, upper=g.number(0, 1))


@block()
def one_hot(g):
    x = g.find(lambda v: v.dtype == "i64" and v.known and v.rank < 4)
    if x:
        depth, values = g.number(2, 5), g.constant(np.asarray([0, 1], np.float32))
        g.node("OneHot", [x, g.constant(np.int64(depth)), values], "f32", [*x.dims, depth], True, 1)


# --- Reductions --------------------------------------------------------------------------------------

@block(2)
def reduction(g):
    x = g.find(lambda v: v.dtype in ("f32", "i32", "i64") and v.known and v.rank and v.bound < 1e4)
    if not x:
        return
    exact_ones = ["ReduceMax", "ReduceMin", "ReduceSum"]
    op = g.pick(exact_ones + (["ReduceMean", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp"]
                              if x.dtype == "f32" else []))
    axes = sorted(g.rng.choice(x.rank, g.number(1, x.rank), replace=False).tolist())
    keep = g.number(0, 1)
    dims = [1 if i in axes else d for i, d in enumerate(x.dims) if keep or i not in axes]
    written = [axis_form(g, a, x.rank) for a in axes]
    as_input = g.opset >= 18 or op == "ReduceSum"
    everything = len(axes) == x.rank and g.chance(0.5)
    inputs, attributes = [x], {"keepdims": keep}
    if not everything and as_input:
        inputs.append(g.ints(written))
    elif not everything:
        attributes["axes"] = written
    if op == "ReduceLogSumExp" and x.bound > 50:
        op = "ReduceMean"
    bound = {"ReduceMax": x.bound, "ReduceMin": x.bound, "ReduceMean": x.bound}.get(op, x.bound ** 2 * 64)
    exact = x.exact and (op in exact_ones[:2] or x.dtype != "f32")
    g.node(op, inputs, x.dtype, dims, exact, bound, **attributes)


@block()
def arg_reduction(g):
    x = g.find(lambda v: floats(v) and v.exact and v.rank)
    if not x:
        return
    axis, keep = g.number(0, x.rank - 1), g.number(0, 1)
    attributes = {"select_last_index": 1} if g.chance(0.4) else {}
    g.node(g.pick(["ArgMax", "ArgMin"]), [x], "i64", [1 if i == axis else d for i, d in enumerate(x.dims)
                                                      if keep or i != axis], True, 20,
           axis=axis_form(g, axis, x.rank), keepdims=keep, **attributes)


@block()
def top_k(g):
    x = g.find(lambda v: floats(v) and v.exact and any(isinstance(d, int) and d > 0 for d in v.dims))
    if not x:
        return
    axis = g.pick([i for i, d in enumerate(x.dims) if isinstance(d, int) and d > 0])
    k = g.number(1, x.dims[axis])
    dims = tuple(k if i == axis else d for i, d in enumerate(x.dims))
    g.nodes_of("TopK", [x, g.ints([k])], [("f32", dims, True, x.bound), ("i64", dims, True, 20.0)],
               axis=axis_form(g, axis, x.rank), largest=g.number(0, 1))


@block()
def cum_sum(g):
    x = g.find(lambda v: v.dtype in ("f32", "i64") and v.known and v.rank and v.bound < 1e4)
    if x:
        axis = g.number(0, x.rank - 1)
        g.node("CumSum", [x, g.constant(np.int64(axis_form(g, axis, x.rank)))], x.dtype, x.dims,
               x.exact and x.dtype == "i64", x.bound * 8, exclusive=g.number(0, 1), reverse=g.number(0, 1))


# --- Layers ------------------------------------------------------------------------------------------

def last_width(v):
    return floats(v) and v.rank >= 1 and isinstance(v.dims[-1], int) and v.dims[-1] > 0


@block(4)
def linear(g):
    x = g.find(lambda v: last_width(v) and v.rank >= 2 and v.bound < 1e3)
    if not x:
        return
    k, n = x.dims[-1], g.pick([1, 4, 12, 16, 24, 33])
    dims, bound = (*x.dims[:-1], n), x.bound * 2
    if x.rank == 2 and g.chance(0.4):
        turned = g.number(0, 1)
        bias = [g.weight(n)] if g.chance(0.6) else []
        g.node("Gemm", [x, g.weight(n, k) if turned else g.weight(k, n), *bias], "f32", dims, False, bound + 2,
               transB=turned, alpha=float(g.pick([1, 0.5])), beta=float(g.pick([1, 2])))
        return
    y = g.node("MatMul", [x, g.weight(k, n)], "f32", dims, False, bound)
    if g.chance(0.6):
        y = g.node("Add", [y, g.weight(n)] if g.chance(0.7) else [g.weight(n), y], "f32", dims, False, bound + 2)
    if g.chance(0.4):
        activation(g, y)


def activation(g, x):
    """GELU, SiLU and their kin as they are written out."""
    def c(value):
        return g.constant(np.float32(value))

    def op(kind, *inputs, bound=4.0):
        return g.node(kind, list(inputs), "f32", x.dims, False, bound, keep=False)
    kind = g.pick(["erf", "tanh", "sigmoid", "quick", "relu2"])
    if kind == "erf":
        y = op("Mul", op("Mul", x, op("Add", op("Erf", op("Div", x, c(math.sqrt(2)))), c(1))), c(0.5))
    elif kind == "tanh":
        inner = op("Mul", c(math.sqrt(2 / math.pi)), op("Add", x, op("Mul", c(0.044715), op("Pow", x, c(3)))))
        y = op("Mul", op("Mul", c(0.5), x), op("Add", c(1), op("Tanh", inner)))
    elif kind == "sigmoid":
        y = op("Mul", x, op("Sigmoid", x))
    elif kind == "quick":
        y = op("Mul", op("Sigmoid", op("Mul", x, c(1.702))), x)
    else:
        y = op("Pow", op("Relu", x), c(2))
    g.node("Mul", [y, c(g.pick([1, 0.5]))], "f32", x.dims, False, x.bound ** 2 + 1)


@block(3)
def norm(g):
    x = g.find(lambda v: last_width(v) and v.dims[-1] >= 4)
    if not x:
        return
    n, exponent = x.dims[-1], g.constant(np.float32(2))
    one = [*x.dims[:-1], 1]
    axes = [-1] if g.chance(0.5) else [x.rank - 1]

    def mean(v):
        how = ([v, g.ints(axes)], {}) if g.opset >= 18 else ([v], {"axes": axes})
        return g.node("ReduceMean", how[0], "f32", one, False, v.bound, keep=False, **how[1])

    def op(kind, inputs, dims):
        return g.node(kind, inputs, "f32", dims, False, 4.0, keep=False)
    gain, kind = g.weight(n), g.pick(["written", "rms", "op", "op2"])
    if kind.startswith("op") and g.opset >= 17:
        rest = [g.weight(n)] if g.chance(0.6) else []
        g.node("LayerNormalization", [x, gain, *rest], "f32", x.dims, False, 6, axis=axes[0], epsilon=1e-5)
        return
    centred = x if kind == "rms" else op("Sub", [x, mean(x)], x.dims)
    square = op("Pow", [centred, exponent], x.dims) if g.chance(0.5) else op("Mul", [centred, centred], x.dims)
    deviation = op("Sqrt", [op("Add", [mean(square), g.constant(np.float32(1e-5))], one)], one)
    normal = (op("Div", [centred, deviation], x.dims) if g.chance(0.5) else
              op("Mul", [centred, op("Reciprocal", [deviation], one)], x.dims))
    scaled = g.node("Mul", [normal, gain] if g.chance(0.5) else [gain, normal], "f32", x.dims, False, 6)
    if g.chance(0.5):
        g.node("Add", [scaled, g.weight(n)], "f32", x.dims, False, 6)


@block(2)
def softmax(g):
    x = g.find(lambda v: floats(v) and v.rank and v.bound < 1e3)
    if x:
        axis = x.rank - 1 if g.chance(0.7) else g.number(0, x.rank - 1)
        g.node(g.pick(["Softmax", "Softmax", "LogSoftmax"]), [x], "f32", x.dims, False, 50,
               axis=axis_form(g, axis, x.rank))


@block(4)
def attention(g):
    """Projections, heads, scores, a mask, the mix; with shared key and value heads now and then."""
    x = g.find(lambda v: last_width(v) and v.rank == 3 and v.bound < 100)
    if not x:
        return
    heads, groups, width = g.pick([(2, 2, 4), (4, 2, 8), (4, 1, 4), (3, 3, 5)])
    k = x.dims[-1]

    def heads_of(count):
        flat = g.node("MatMul", [x, g.weight(k, count * width)], "f32", [*x.dims[:2], count * width], False, 4,
                      keep=False)
        split = g.node("Reshape", [flat, g.ints([0, 0, count, width] if g.chance(0.5) else [0, -1, count, width])],
                       "f32", [*x.dims[:2], count, width], False, 4, keep=False)
        return g.node("Transpose", [split], "f32", [x.dims[0], count, x.dims[1], width], False, 4, keep=False,
                      perm=[0, 2, 1, 3])

    def repeated(v):
        if heads == groups:
            return v
        five = [x.dims[0], groups, 1, x.dims[1], width]
        up = g.node("Unsqueeze", [v, g.ints([2])], "f32", five, False, 4, keep=False)
        five[2] = heads // groups
        wide = g.node("Expand", [up, g.ints([1, 1, heads // groups, 1, 1])], "f32", five, False, 4, keep=False)
        # Sequence and batch may both be symbols: only one of them may be -1.
        return g.node("Reshape", [wide, g.ints([0, heads, -1, width])] if isinstance(x.dims[1], str) else
                      [wide, g.ints([-1, heads, x.dims[1], width])], "f32",
                      [x.dims[0], heads, x.dims[1], width], False, 4, keep=False)
    q, key, value = heads_of(heads), repeated(heads_of(groups)), repeated(heads_of(groups))
    turned = g.node("Transpose", [key], "f32", [x.dims[0], heads, width, x.dims[1]], False, 4, keep=False,
                    perm=[0, 1, 3, 2])
    scale = g.constant(np.float32(1 / math.sqrt(width)))
    if g.chance(0.3):
        q = g.node("Mul", [q, scale], "f32", q.dims, False, 4, keep=False)
        scale = None
    full = [x.dims[0], heads, x.dims[1], x.dims[1]]
    scores = g.node("MatMul", [q, turned], "f32", full, False, 8, keep=False)
    if scale:
        scores = g.node("Mul", [scores, scale], "f32", full, False, 8, keep=False)
    mask = g.find(lambda v: floats(v) and v.rank >= 2 and v.bound < 1e3 and broadcast(full, v.dims) == tuple(full))
    if mask and g.chance(0.5):
        scores = g.node("Add", [scores, mask], "f32", full, False, 8, keep=False)
    shares = g.node("Softmax", [scores], "f32", full, False, 1, keep=False, axis=-1)
    mixed = g.node("MatMul", [shares, value], "f32", q.dims, False, 4, keep=False)
    back = g.node("Transpose", [mixed], "f32", [*x.dims[:2], heads, width], False, 4, keep=False, perm=[0, 2, 1, 3])
    out = g.node("Reshape", [back, g.ints([0, 0, heads * width])], "f32", [*x.dims[:2], heads * width], False, 4)
    if g.chance(0.6):
        out = g.node("MatMul", [out, g.weight(heads * width, k)], "f32", x.dims, False, 4)
        if g.chance(0.7):
            g.node("Add", [x, out], "f32", x.dims, False, x.bound + 4)


@block(2)
def batched_product(g):
    x = g.find(lambda v: floats(v) and v.rank >= 2 and v.bound < 100)
    if not x:
        return
    y = g.find(lambda v: floats(v) and v.rank >= 2 and v.bound < 100 and v.dims[-2] == x.dims[-1] and
               broadcast(x.dims[:-2], v.dims[:-2]) is not None)
    if y:
        g.node("MatMul", [x, y], "f32", [*broadcast(x.dims[:-2], y.dims[:-2]), x.dims[-2], y.dims[-1]], False,
               x.bound * y.bound * 4)
    elif x.rank == 3 and g.chance(0.5):
        g.node("Einsum", [x, x], "f32", [x.dims[0], x.dims[1], x.dims[1]], False, x.bound ** 2 * 4,
               equation=g.pick(["bik,bjk->bij", "b i k, b j k -> b i j"]))


@block()
def convolution(g):
    x = g.find(lambda v: floats(v) and v.rank in (3, 4) and v.bound < 100 and isinstance(v.dims[1], int) and
               all(isinstance(d, int) and d >= 4 for d in v.dims[2:]))
    if not x:
        return
    spatial, c = x.rank - 2, x.dims[1]
    groups = c if g.chance(0.4) else 1
    out, kernel = groups * g.number(1, 2), [g.number(1, 3) for _ in range(spatial)]
    stride, pads = [g.number(1, 2) for _ in kernel], [g.number(0, 1) for _ in range(2 * spatial)]
    dims = [(d + pads[i] + pads[i + spatial] - kernel[i]) // stride[i] + 1 for i, d in enumerate(x.dims[2:])]
    w = g.constant(g.rng.normal(0, 0.5, [out, c // groups, *kernel]).astype(np.float32))
    g.node("Conv", [x, w, *([g.weight(out)] if g.chance(0.5) else [])], "f32", [x.dims[0], out, *dims], False,
           x.bound * 4, group=groups, strides=stride, pads=pads)


@block()
def pooling(g):
    x = g.find(lambda v: floats(v) and v.rank in (3, 4) and isinstance(v.dims[1], int) and
               all(isinstance(d, int) and d >= 4 for d in v.dims[2:]))
    if not x:
        return
    spatial, op = x.rank - 2, g.pick(["MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"])
    if op.startswith("Global"):
        g.node(op, [x], "f32", [*x.dims[:2], *[1] * spatial], x.exact and "Max" in op, x.bound)
        return
    kernel = [g.number(1, 3) for _ in range(spatial)]
    stride, pads = [g.number(1, 2) for _ in kernel], [g.number(0, k - 1) for k in kernel * 2]
    dims = [(d + pads[i] + pads[i + spatial] - kernel[i]) // stride[i] + 1 for i, d in enumerate(x.dims[2:])]
    more = {"count_include_pad": g.number(0, 1)} if op == "AveragePool" else {}
    g.node(op, [x], "f32", [*x.dims[:2], *dims], x.exact and op == "MaxPool", x.bound, kernel_shape=kernel,
           strides=stride, pads=pads, **more)


# --- Quantization: every step that rounds reads values which all implementations agree on ---------------

def zero_point(g, dtype, shape=()):
    info = np.iinfo({"i8": np.int8, "u8": np.uint8, "i16": np.int16, "u16": np.uint16}[dtype])
    if g.chance(0.3):
        return np.zeros(shape, info.dtype)
    if g.chance(0.2):
        return np.full(shape, g.pick([info.min, info.max]), info.dtype)
    return g.rng.integers(info.min, info.max + 1, shape).astype(info.dtype)


@block(3)
def quantize(g):
    x = g.find(lambda v: floats(v) and v.exact and v.rank)
    if not x:
        return
    dtype = g.pick(["i8", "u8", "i8", "u8", "i16", "u16"] if g.opset >= 21 else ["i8", "u8"])
    axes = [i for i, d in enumerate(x.dims) if isinstance(d, int)]
    axis = g.pick(axes) if axes and g.chance(0.4) else None
    shape = () if axis is None else (x.dims[axis],)
    scale = g.constant(2.0 ** g.rng.integers(-6, 1, shape).astype(np.float32) if g.chance(0.6) else
                       g.rng.uniform(0.01, 0.2, shape).astype(np.float32))
    zero = g.constant(zero_point(g, dtype, shape))
    where = {} if axis is None else {"axis": axis_form(g, axis, x.rank)}
    codes = g.node("QuantizeLinear", [x, scale, zero], dtype, x.dims, True, 128, **where)
    if g.chance(0.7):
        g.node("DequantizeLinear", [codes, scale, zero], "f32", x.dims, True, x.bound + 1, **where)


@block(2)
def dynamic_quantize(g):
    x = g.find(lambda v: last_width(v) and v.exact and v.rank >= 2)
    if not x:
        return
    codes, scale, zero = g.nodes_of("DynamicQuantizeLinear", [x], [
        ("u8", x.dims, True, 255.0), ("f32", (), True, x.bound), ("u8", (), True, 255.0)])
    k, n = x.dims[-1], g.pick([4, 16, 17])
    signed = g.chance(0.7)
    w = g.constant(g.rng.integers(-128 if signed else 0, 128 if signed else 256, (k, n)).astype(
        np.int8 if signed else np.uint8))
    zeros = [zero]
    if g.chance(0.5):
        zeros.append(g.constant(np.asarray(g.number(-3, 3) if signed else 128, np.int8 if signed else np.uint8)))
    sums = g.node("MatMulInteger", [codes, w, *zeros], "i32", [*x.dims[:-1], n], True, 1e7)
    real = g.node("Cast", [sums], "f32", sums.dims, True, 1e7, keep=False, to=proto_type("f32"))
    factor = g.node("Mul", [scale, g.constant(g.rng.uniform(0.001, 0.01, (n,)).astype(np.float32))], "f32", (n,),
                    False, 1, keep=False)
    g.node("Mul", [real, factor], "f32", sums.dims, False, x.bound * 4)


@block(2)
def matmul_integer(g):
    x = g.find(lambda v: v.dtype in ("i8", "u8") and v.known and v.rank >= 2 and isinstance(v.dims[-1], int))
    if not x:
        return
    k, n, kind = x.dims[-1], g.pick([1, 8, 19]), g.pick([np.int8, np.uint8])
    info = np.iinfo(kind)
    w = g.constant(g.rng.integers(info.min, info.max + 1, (k, n)).astype(kind))
    zeros = []
    if g.chance(0.6):
        zeros = [g.constant(zero_point(g, x.dtype))]
        if g.chance(0.6):
            zeros.append(g.constant(g.rng.integers(info.min, info.max + 1, (n,) if g.chance(0.5) else ()).astype(kind)))
    g.node("MatMulInteger", [x, w, *zeros], "i32", [*x.dims[:-1], n], True, 1e7)


@block(2)
def qlinear_matmul(g):
    x = g.find(lambda v: v.dtype in ("i8", "u8") and v.known and v.rank >= 2 and isinstance(v.dims[-1], int))
    if not x:
        return
    k, n = x.dims[-1], g.pick([4, 16])
    w = g.constant(g.rng.integers(-128, 128, (k, n)).astype(np.int8))
    # Powers of two: the product of the scales is exact, so rounding is as well.
    scale = [g.constant(np.float32(2.0 ** e)) for e in (-5, -6, -2 if k < 16 else 0)]
    columns = (n,) if g.chance(0.4) else ()
    w_scale = g.constant(2.0 ** g.rng.integers(-8, -4, columns).astype(np.float32)) if columns else scale[1]
    w_zero = g.constant(np.zeros(columns, np.int8))
    x_zero, y_zero = g.constant(zero_point(g, x.dtype)), g.constant(zero_point(g, x.dtype))
    g.node("QLinearMatMul", [x, scale[0], x_zero, w, w_scale, w_zero, scale[2], y_zero], x.dtype,
           [*x.dims[:-1], n], True, 128)


@block(2)
def coded_weight(g):
    """A float product with a weight that came as codes: whole, by channel, or in blocks."""
    x = g.find(lambda v: last_width(v) and v.rank >= 2 and v.bound < 1e3)
    if not x:
        return
    k, n = x.dims[-1], g.pick([4, 16, 24])
    codes = g.constant(g.rng.integers(-128, 128, (k, n)).astype(np.int8))
    blocks = [f for f in range(2, k) if k % f == 0]
    how = g.pick(["tensor", "channel"] + (["block"] if g.opset >= 21 and blocks else []))
    attributes = {}
    if how == "tensor":
        shape = ()
    elif how == "channel":
        shape, attributes = (n,), {"axis": 1}
    else:
        size = g.pick(blocks)
        shape, attributes = (k // size, n), {"axis": 0, "block_size": size}
    scale = g.constant(g.rng.uniform(0.002, 0.02, shape).astype(np.float32))
    zero = [g.constant(zero_point(g, "i8", shape))] if g.chance(0.5) else []
    w = g.node("DequantizeLinear", [codes, scale, *zero], "f32", (k, n), False, 2, keep=False, **attributes)
    g.node("MatMul", [x, w], "f32", [*x.dims[:-1], n], False, x.bound * 4)


@block(2)
def matmul_nbits(g):
    x = g.find(lambda v: last_width(v) and v.rank >= 2 and v.bound < 1e3)
    if not x:
        return
    k, n, bits, size = x.dims[-1], g.pick([4, 16]), g.pick([4, 4, 8, 2]), g.pick([16, 32])
    blocks = -(-k // size)
    b = g.constant(g.rng.integers(0, 256, (n, blocks, size * bits // 8)).astype(np.uint8))
    scales = g.constant(g.rng.uniform(0.01, 0.1, (n, blocks)).astype(np.float32))
    zeros = [g.constant(g.rng.integers(0, 256, (n, -(-blocks * bits // 8))).astype(np.uint8))] if g.chance(0.5) else []
    g.node("MatMulNBits", [x, b, scales, *zeros], "f32", [*x.dims[:-1], n], False, x.bound * 8,
           domain="com.microsoft", K=k, N=n, bits=bits, block_size=size)
