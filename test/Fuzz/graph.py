"""A graph that grows node by node, with what is known of its values: types, sizes, and whether every
correct implementation gives the same bits."""

from dataclasses import dataclass, field

import numpy as np
from onnx import helper, numpy_helper

SIZES = ({"b": 2, "s": 5}, {"b": 1, "s": 7}, {"b": 3, "s": 1})  # of the symbols, one entry for each data set

DTYPES = {"f32": np.float32, "f16": np.float16, "f64": np.float64, "i8": np.int8, "u8": np.uint8, "i16": np.int16,
          "u16": np.uint16, "i32": np.int32, "i64": np.int64, "u32": np.uint32, "u64": np.uint64, "bool": np.bool_}
INTS = ("i32", "i64")


def proto_type(dtype):
    return helper.np_dtype_to_tensor_dtype(np.dtype(DTYPES[dtype]))


@dataclass(frozen=True)
class Value:
    """dims: numbers, symbols, or None where the size depends on values or is not followed.
    exact: no rounding has happened that implementations may do differently, so steps may follow.
    bound: a magnitude that it hardly exceeds, which keeps chains of products finite."""
    name: str
    dtype: str
    dims: tuple
    exact: bool = True
    bound: float = 4.0

    @property
    def rank(self):
        return len(self.dims)

    @property
    def known(self):
        return None not in self.dims

    @property
    def static(self):
        return all(isinstance(d, int) for d in self.dims)

    @property
    def is_float(self):
        return self.dtype in ("f32", "f16", "f64")


@dataclass
class Graph:
    rng: np.random.Generator
    opset: int
    nodes: list = field(default_factory=list)
    values: list = field(default_factory=list)
    inputs: list = field(default_factory=list)
    weights: dict = field(default_factory=dict)
    count: int = 0

    # --- chance ---

    def chance(self, p):
        return self.rng.random() < p

    def pick(self, items):
        items = list(items)
        return items[self.rng.integers(len(items))]

    def number(self, low, high):
        return int(self.rng.integers(low, high + 1))

    # --- values ---

    def name(self, stem):
        self.count += 1
        return f"{stem}_{self.count}"

    def input(self, dtype, dims):
        value = Value(self.name("x"), dtype, tuple(dims))
        self.inputs.append(value)
        self.values.append(value)
        return value

    def constant(self, array, stem="w"):
        array = np.asarray(array)
        name = self.name(stem)
        self.weights[name] = array
        dtype = next((k for k, v in DTYPES.items() if array.dtype == v), str(array.dtype))
        bound = float(np.abs(array.astype(np.float64)).max()) if array.size and array.dtype != bool else 1.0
        return Value(name, dtype, array.shape, True, bound)

    def ints(self, values):
        """Names of sizes, axes and the like, as a constant."""
        return self.constant(np.asarray(values, np.int64), "n").name

    def node(self, op, inputs, dtype, dims, exact=False, bound=4.0, domain="", keep=True, **attributes):
        """One node with one output, which later nodes may read."""
        out = self.name(op.lower())
        names = [i.name if isinstance(i, Value) else i for i in inputs]
        self.nodes.append(helper.make_node(op, names, [out], name=out, domain=domain, **attributes))
        value = Value(out, dtype, tuple(dims), exact, bound)
        if keep:
            self.values.append(value)
        return value

    def nodes_of(self, op, inputs, outputs, **attributes):
        """One node with several outputs: (dtype, dims, exact, bound) of each."""
        names = [self.name(op.lower()) for _ in outputs]
        self.nodes.append(helper.make_node(op, [i.name if isinstance(i, Value) else i for i in inputs], names,
                                           name=names[0], **attributes))
        made = [Value(n, *o) for n, o in zip(names, outputs)]
        self.values += made
        return made

    def find(self, accept, recent=8):
        """A value that `accept`s, rather a late one; None without one."""
        fitting = [v for v in self.values if accept(v)]
        if not fitting:
            return None
        return self.pick(fitting[-recent:]) if self.chance(0.8) else self.pick(fitting)

    # --- numbers ---

    def grid(self, shape, dtype="f32", reach=24):
        """Multiples of 1/8, whose sums and products are exact."""
        if dtype == "bool":
            return self.rng.random(shape) < 0.6
        if np.dtype(DTYPES[dtype]).kind in "iu":
            return self.integers(shape, dtype)
        return (self.rng.integers(-reach, reach + 1, shape) / 8).astype(DTYPES[dtype])

    def integers(self, shape, dtype):
        info = np.iinfo(DTYPES[dtype])
        if info.bits > 16 or self.chance(0.5):
            values = self.rng.integers(max(-20, info.min), 21, shape)
        else:
            values = self.rng.integers(info.min, info.max + 1, shape)
        return np.asarray(values).astype(DTYPES[dtype])

    def weight(self, *shape):
        return self.constant(self.rng.normal(0, 1 / np.sqrt(max(1, shape[0])), shape).astype(np.float32))

    # --- the result ---

    def data(self, sizes):
        """Values of all inputs where the symbols have these sizes."""
        return {v.name: np.asarray(self.grid(tuple(sizes.get(d, d) for d in v.dims), v.dtype)) for v in self.inputs}

    def model(self, outputs=None):
        """Outputs: the values that no node reads, or those named."""
        read = {name for node in self.nodes for name in node.input}
        made = {name for node in self.nodes for name in node.output}
        by_name = {v.name: v for v in self.values}
        if outputs is None:
            outputs = [n for node in self.nodes for n in node.output if n and n not in read]
        used = read | set(outputs)
        infos = [helper.make_tensor_value_info(v.name, proto_type(v.dtype), v.dims) for v in self.inputs]
        results = [helper.make_tensor_value_info(n, proto_type(by_name[n].dtype), None if n not in by_name else
                                                 [d if d is not None else f"{n}_{i}" for i, d in
                                                  enumerate(by_name[n].dims)])
                   for n in outputs if n in made and n in by_name]
        graph = helper.make_graph(self.nodes, "g", infos, results,
                                  [numpy_helper.from_array(w, n) for n, w in self.weights.items() if n in used])
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, ir_version=10, opset_imports=opsets)


def broadcast(a, b):
    """Dimensions of an elementwise result; None where they do not fit."""
    if None in a or None in b:
        return tuple(a) if tuple(a) == tuple(b) == () else None
    result = []
    for i in range(max(len(a), len(b))):
        x = a[len(a) - 1 - i] if i < len(a) else 1
        y = b[len(b) - 1 - i] if i < len(b) else 1
        if x != y and x != 1 and y != 1:
            return None
        result.append(y if x == 1 else x)
    return tuple(reversed(result))

