"""Writes ONNX files without the onnx package.

The protobuf wire format needs four lines, and of the ONNX schema a graph of float and integer
tensors needs a dozen fields (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto). Weights stay
where they are: an initializer may name a byte range of a safetensors file beside the model, at any
offset, aligned or not.

    g = Graph("adder")
    x = g.input("x", FLOAT, ["batch", 4])
    g.output(g.node("Add", x, g.constant([1.0], FLOAT)), "y", FLOAT, ["batch", 4])
    g.save("adder.onnx")
"""

import json
import os
import struct
import tempfile
from pathlib import Path

# TensorProto.DataType
FLOAT, INT64, BOOL = 1, 7, 9

_PACK = {FLOAT: "f", INT64: "q", BOOL: "?"}


def _varint(value):
    value &= (1 << 64) - 1  # a negative int64 is its two's complement, ten bytes long
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _int(field, value):
    return _varint(field << 3) + _varint(value)


def _bytes(field, value):
    if isinstance(value, str):
        value = value.encode()
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _float(field, value):
    return _varint(field << 3 | 5) + struct.pack("<f", value)


def _flatten(value):
    """Nested lists to (dims, flat list); a bare number is a scalar."""
    if not isinstance(value, (list, tuple)):
        return [], [value]
    if not value or not isinstance(value[0], (list, tuple)):
        return [len(value)], list(value)
    parts = [_flatten(v) for v in value]
    return [len(value)] + parts[0][0], [x for _, flat in parts for x in flat]


def _tensor(name, dtype, dims, raw):
    out = b"".join(_int(1, d) for d in dims) + _int(2, dtype)
    return out + _bytes(8, name) + _bytes(9, raw)


def _value_info(name, dtype, dims):
    shape = b""
    for d in dims:
        shape += _bytes(1, _bytes(2, d) if isinstance(d, str) else _int(1, d))
    return _bytes(1, name) + _bytes(2, _bytes(1, _int(1, dtype) + _bytes(2, shape)))


def _attribute(name, value):
    # AttributeProto: f=2 (type 1), i=3 (2), s=4 (3), floats=7 (6), ints=8 (7)
    out = _bytes(1, name)
    if isinstance(value, float):
        return out + _float(2, value) + _int(20, 1)
    if isinstance(value, int):
        return out + _int(3, value) + _int(20, 2)
    if isinstance(value, str):
        return out + _bytes(4, value) + _int(20, 3)
    if value and isinstance(value[0], float):
        return out + b"".join(_float(7, v) for v in value) + _int(20, 6)
    return out + b"".join(_int(8, v) for v in value) + _int(20, 7)


def replace_file(path, write):
    """Makes a file appear whole or not at all; `write` gets it open for binary writing."""
    with tempfile.NamedTemporaryFile(dir=Path(path).parent, delete=False) as f:
        try:
            write(f)
        except BaseException:
            os.unlink(f.name)
            raise
    os.chmod(f.name, 0o644)
    os.replace(f.name, path)


class Safetensors:
    """The header of a safetensors file: where each tensor's bytes lie."""

    def __init__(self, path):
        self.path = Path(path)
        size = os.path.getsize(path)
        with open(path, "rb") as f:
            (length,) = struct.unpack("<Q", f.read(8))
            if length > size - 8:
                raise ValueError(f"{path}: header of {length} bytes in a file of {size}")
            header = json.loads(f.read(length))
        header.pop("__metadata__", None)
        self._base, self._entries = 8 + length, header

    def __contains__(self, name):
        return name in self._entries

    def names(self):
        return list(self._entries)

    def shape(self, name):
        return self._entries[name]["shape"]

    def range(self, name):
        """(offset in the file, length) of one tensor's bytes."""
        if self._entries[name]["dtype"] != "F32":
            raise ValueError(f"{self.path}: {name} is {self._entries[name]['dtype']}, expected F32")
        begin, end = self._entries[name]["data_offsets"]
        return self._base + begin, end - begin


class Graph:
    """One graph under construction. Values are their names; `node` returns the output's name."""

    def __init__(self, name, weights=None, opset=17):
        self.name, self.opset, self.weights = name, opset, weights
        self._nodes, self._initializers, self._inputs, self._outputs = [], [], [], []
        self._constants, self._taken, self._scope = {}, set(), []

    # --- names ---------------------------------------------------------------------------
    def scope(self, name):
        """`with g.scope("layer.0"):` prefixes the names made inside, as exporters do."""
        return _Scope(self, name)

    def _fresh(self, stem):
        base = "/".join(["", *self._scope, stem])
        name, count = base, 0
        while name in self._taken:
            count += 1
            name = f"{base}_{count}"
        self._taken.add(name)
        return name

    # --- parts ---------------------------------------------------------------------------
    def input(self, name, dtype, dims):
        self._taken.add(name)
        self._inputs.append(_value_info(name, dtype, dims))
        return name

    def output(self, value, name, dtype, dims):
        """Makes `value` a graph output called `name`."""
        if value != name:
            self._nodes.append(_bytes(1, value) + _bytes(2, name) + _bytes(4, "Identity"))
        self._outputs.append(_value_info(name, dtype, dims))

    def constant(self, value, dtype=INT64):
        """An inline tensor from a number or nested lists; equal ones are stored once."""
        dims, flat = _flatten(value)
        raw = struct.pack(f"<{len(flat)}{_PACK[dtype]}", *flat)
        key = (dtype, tuple(dims), raw)
        if key not in self._constants:
            name = f"constant_{len(self._constants)}"
            self._taken.add(name)
            self._initializers.append(_tensor(name, dtype, dims, raw))
            self._constants[key] = name
        return self._constants[key]

    def weight(self, name, shape=None):
        """A float tensor whose bytes stay in the safetensors file."""
        if name in self._taken:
            return name
        dims = self.weights.shape(name)
        if shape is not None and list(shape) != dims:
            raise ValueError(f"{self.weights.path}: {name} is {dims}, expected {list(shape)}")
        offset, length = self.weights.range(name)
        out = b"".join(_int(1, d) for d in dims) + _int(2, FLOAT) + _bytes(8, name)
        place = (("location", self.weights.path.name), ("offset", offset), ("length", length))
        for key, value in place:
            out += _bytes(13, _bytes(1, key) + _bytes(2, str(value)))
        self._initializers.append(out + _int(14, 1))
        self._taken.add(name)
        return name

    def node(self, op, *inputs, name=None, **attributes):
        """Appends a node with one output; `name` fixes the output's name."""
        value = name or self._fresh(op)
        self._taken.add(value)
        out = b"".join(_bytes(1, i) for i in inputs) + _bytes(2, value)
        out += _bytes(3, value + "_node") + _bytes(4, op)
        for key, attribute in attributes.items():
            out += _bytes(5, _attribute(key, attribute))
        self._nodes.append(out)
        return value

    # --- file ----------------------------------------------------------------------------
    def serialize(self):
        graph = b"".join(_bytes(1, n) for n in self._nodes) + _bytes(2, self.name)
        graph += b"".join(_bytes(5, t) for t in self._initializers)
        graph += b"".join(_bytes(11, v) for v in self._inputs)
        graph += b"".join(_bytes(12, v) for v in self._outputs)
        model = _int(1, 8) + _bytes(2, "qcc") + _bytes(7, graph)
        return model + _bytes(8, _int(2, self.opset))

    def save(self, path):
        if self.weights and self.weights.path.parent.resolve() != Path(path).parent.resolve():
            raise ValueError(f"{path} must lie beside its weights, {self.weights.path}")
        replace_file(path, lambda f: f.write(self.serialize()))
        return path


class _Scope:
    def __init__(self, graph, name):
        self._graph, self._name = graph, name

    def __enter__(self):
        self._graph._scope.append(self._name)

    def __exit__(self, *_):
        self._graph._scope.pop()
