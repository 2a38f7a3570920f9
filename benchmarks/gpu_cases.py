"""What is measured on a GPU: layers of products and of attention, as graphs whose inputs and outputs are small.

Rows are made of a row and a column, and of the results sixteen come back: what crosses the bus is next to nothing.
Weights are files with a hole, since those that count are made where they are needed.
"""
from dataclasses import dataclass

import numpy as np


def _save(path, name, nodes, inputs, outputs, weights=()):
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    ends = [numpy_helper.from_array(np.array(v, np.int64), n) for n, v in (("begin", [0, 0]), ("end", [1, 16]))]
    nodes += [helper.make_node("Slice", [out, "begin", "end"], [out + "part"]) for out in outputs]
    graph = helper.make_graph(
        nodes, name, [helper.make_tensor_value_info(n, TensorProto.FLOAT, dims) for n, dims in inputs.items()],
        [helper.make_tensor_value_info(out + "part", TensorProto.FLOAT, [1, 16]) for out in outputs], [*weights, *ends])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23),
                                                      helper.make_opsetid("com.microsoft", 1)]), path)


@dataclass
class Products:
    """Layers of N × K on M rows; `bar` is what we are after."""

    name: str
    scheme: str
    m: int
    n: int
    k: int
    layers: int = 1
    chained: bool = False
    numerics: str = "exact"
    unit: str = "GB/s"
    bar: float = 0

    @property
    def artifact(self):
        """Rows are no property of the code."""
        form = "chain" if self.chained else "list"
        return f"{self.scheme.replace(':', '-')}-{self.n}x{self.k}-{form}{self.layers}-{self.numerics}"

    def options(self):
        scheme = "keep" if self.scheme.startswith("w4") else self.scheme
        return [f"--quantize={scheme}", f"--numerics={self.numerics}"]

    def amount(self, weights):
        """Of what the unit counts in a second: bytes, of which there are so many of weights, or operations."""
        return weights if self.unit == "GB/s" else 2 * self.m * self.n * self.k * self.layers

    def inputs(self, rng):
        return {"row": rng.standard_normal((1, self.k), np.float32), "column": rng.standard_normal((self.m, 1), np.float32)}

    def write(self, path):
        """4-bit weights are stored as MatMulNBits has them."""
        from onnx import TensorProto, helper

        weights, at = [], 0

        def weight(name, dtype, dims, size):
            nonlocal at
            tensor = TensorProto(name=name, data_type=dtype, dims=dims, data_location=TensorProto.EXTERNAL)
            for key, entry in (("location", path.name + ".data"), ("offset", at), ("length", size)):
                tensor.external_data.add(key=key, value=str(entry))
            weights.append(tensor)
            at += size

        value, nodes, outputs = "rows", [helper.make_node("Add", ["row", "column"], ["rows"])], []
        for i in range(self.layers):
            name, out = f"w{i}", f"y{i}"
            if self.scheme.startswith("w4"):
                blocks = self.k // 32
                weight(name, TensorProto.UINT8, [self.n, blocks, 16], self.n * blocks * 16)
                weight(name + "s", TensorProto.FLOAT, [self.n * blocks], self.n * blocks * 4)
                nodes.append(helper.make_node("MatMulNBits", [value, name, name + "s"], [out], domain="com.microsoft",
                                              K=self.k, N=self.n, bits=4, block_size=32, accuracy_level=4))
            else:
                weight(name, TensorProto.FLOAT, [self.k, self.n], self.k * self.n * 4)
                nodes.append(helper.make_node("MatMul", [value, name], [out]))
            outputs.append(out)
            value = out if self.chained else "rows"
        _save(path, self.artifact, nodes, {"row": [1, self.k], "column": ["m", 1]}, outputs[-1:] if self.chained else outputs,
              weights)
        with open(str(path) + ".data", "wb") as hole:
            hole.truncate(at)


@dataclass
class Attention:
    """Layers of causal attention of 16-bit floats, all over the same keys and values, each with a scale of its own."""

    name: str
    tokens: int
    heads: int
    key_heads: int
    channels: int
    layers: int = 1
    past: bool = False  # one query, tokens of keys
    bar: float = 0

    @property
    def artifact(self):
        kind = "decode" if self.past else "prefill"
        return f"attention-{self.heads}x{self.key_heads}x{self.channels}-{kind}{self.layers}"

    def options(self):
        return ["--quantize=keep", "--numerics=fast"]

    def queries(self):
        return 1 if self.past else self.tokens

    @property
    def unit(self):
        return "GB/s" if self.past else "TFLOP/s"

    def amount(self, weights):
        """Bytes of keys and values; operations of both products, of a causal square the half."""
        if self.past:
            return 4 * self.tokens * self.key_heads * self.channels * self.layers
        return 4 * self.tokens * (self.tokens + 1) // 2 * self.heads * self.channels * self.layers

    def inputs(self, rng):
        size = {"row": (1, self.channels), "column": (self.tokens, 1), "head": (self.heads, 1, 1),
                "keyhead": (self.key_heads, 1, 1), "first": (self.queries(), 1)}
        return {name: rng.standard_normal(dims, np.float32) for name, dims in size.items()}

    def write(self, path):
        from onnx import TensorProto, helper, numpy_helper

        nodes = []

        def add(kind, inputs, **attributes):
            out = f"v{len(nodes)}"
            nodes.append(helper.make_node(kind, inputs, [out], **attributes))
            return out

        def heads(column, head):
            lines = add("Add", [add("Add", ["row", column]), head])
            return add("Cast", [add("Unsqueeze", [lines, "zero"])], to=TensorProto.FLOAT16)

        queries, keys = heads("first", "head"), heads("column", "keyhead")
        values = add("Neg", [keys])
        weights = [numpy_helper.from_array(np.array([0], np.int64), "zero"),
                   numpy_helper.from_array(np.array([-1, self.channels], np.int64), "lines")]
        outputs = []
        for i in range(self.layers):
            out = add("Attention", [queries, keys, values], is_causal=int(not self.past),
                      scale=float(self.channels) ** -0.5 * (1 + i / 8))
            outputs.append(add("Reshape", [add("Cast", [out], to=TensorProto.FLOAT), "lines"]))
        _save(path, self.artifact, nodes, {"row": [1, self.channels], "column": ["s", 1], "head": [self.heads, 1, 1],
                                           "keyhead": [self.key_heads, 1, 1], "first": [1 if self.past else "s", 1]},
              outputs, weights)


def cases():
    w4 = "w4a8:g32:sym"
    found = []
    for m in (1, 4, 16):
        found += [Products(f"W4 8192x28672, M = {m}", w4, m, 28672, 8192, layers=8, bar=3400),
                  Products(f"W4 8192x8192, M = {m}", w4, m, 8192, 8192, layers=32, bar=2600),
                  Products(f"W4 4096x4096, M = {m}", w4, m, 4096, 4096, layers=64, bar=1300)]

    def cube(name, scheme, numerics, bar):
        return Products(f"{name} 8192^3", scheme, 8192, 8192, 8192, layers=4, numerics=numerics, unit="TOP/s", bar=bar)

    return found + [
        Products("W4 8192x8192, 32 chained", w4, 1, 8192, 8192, layers=32, chained=True, bar=3200),
        Products("W4 8192x8192, M = 128", w4, 128, 8192, 8192, layers=32, unit="TOP/s"),
        Products("W4 8192^3", w4, 8192, 8192, 8192, layers=4, unit="TOP/s"),
        cube("int8", "w8a8", "exact", 950), cube("bf16", "keep", "fast", 600),
        cube("fp8", "fp8e4m3afp8", "fast", 950),
        Attention("attention, prefill of 8192", 8192, 32, 8, 128, layers=4, bar=450),
        Attention("attention, one query of 32768", 32768, 32, 8, 128, layers=16, past=True),
    ]


def case_of(entry):
    """The case that a dictionary with its kind and fields describes."""
    fields = dict(entry)
    return {kind.__name__: kind for kind in (Products, Attention)}[fields.pop("kind")](**fields)
