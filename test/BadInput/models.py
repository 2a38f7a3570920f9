"""Builds models for the tests of bad input: small valid ones, and ways to break them byte by byte."""

import onnx
from onnx import TensorProto, helper

FLOAT, INT64, STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING


def value(name, dims=("n", 4), dtype=FLOAT):
    return helper.make_tensor_value_info(name, dtype, list(dims) if dims is not None else None)


def tensor(name, dims, values, dtype=FLOAT):
    return helper.make_tensor(name, dtype, dims, values)


def model(nodes, inputs=None, outputs=None, initializers=(), opset=17, domains=(), functions=()):
    """A ModelProto that nothing has checked."""
    inputs = [value("x")] if inputs is None else inputs
    outputs = [value("y", dims=None)] if outputs is None else outputs
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(initializers))
    imports = [helper.make_opsetid("", opset)] if opset is not None else []
    imports += [helper.make_opsetid(name, version) for name, version in domains]
    return helper.make_model(graph, opset_imports=imports, functions=list(functions), ir_version=8)


def node(op, inputs=("x",), outputs=("y",), name="the_node", **attributes):
    return helper.make_node(op, list(inputs), list(outputs), name=name, **attributes)


def one_node(op, inputs=None, initializers=(), opset=17, dims=("n", 4), dtype=FLOAT, outputs=("y",),
             **attributes):
    """y = op(x, initializers...), with the node called the_node."""
    names = ["x", *(i.name for i in initializers)] if inputs is None else inputs
    return model([node(op, names, outputs, **attributes)], [value("x", dims, dtype)],
                 [value(o, None) for o in outputs], initializers, opset)


def mlp():
    """A valid model of a few nodes, with weights inside."""
    weights = [tensor("w", [4, 8], [0.1 * i for i in range(32)]), tensor("b", [8], [0.5] * 8)]
    nodes = [node("MatMul", ["x", "w"], ["h"], "first"), node("Add", ["h", "b"], ["s"], "second"),
             node("Softmax", ["s"], ["y"], "third", axis=-1)]
    return model(nodes, initializers=weights)


def external(location, offset=None, length=None, dims=(4, 8), extra=()):
    """x · w with w in another file."""
    weight = TensorProto(name="w", data_type=FLOAT, dims=dims, data_location=TensorProto.EXTERNAL)
    entries = [("location", location), ("offset", offset), ("length", length), *extra]
    for key, text in entries:
        if text is not None:
            entry = weight.external_data.add()
            entry.key, entry.value = key, str(text)
    return model([node("MatMul", ["x", "w"])], initializers=[weight])


# --- bytes --------------------------------------------------------------------------------------
def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number, payload):
    """A length-delimited field."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def lying_field(number, length, payload=b""):
    """A field that claims more bytes than follow."""
    return varint(number << 3 | 2) + varint(length) + payload


HEADER = b"\x08\x08"  # ir_version: 8
OPSET = field(8, b"\x10\x11")  # opset_import { version: 17 }


def save(proto, path):
    path.write_bytes(proto if isinstance(proto, bytes) else proto.SerializeToString())
    return path


def nested_ifs(depth):
    """If inside If inside If."""
    def branch(level):
        result = f"r{level}"
        if level == 0:
            nodes = [node("Identity", ["x"], [result], "leaf")]
        else:
            inner = branch(level - 1)
            nodes = [node("If", ["c"], [result], f"if{level}", then_branch=inner, else_branch=branch(0))]
        return helper.make_graph(nodes, f"g{level}", [], [value(result, None)])

    top = node("If", ["c"], ["y"], "if_top", then_branch=branch(depth), else_branch=branch(0))
    return model([top], [value("x"), value("c", [], TensorProto.BOOL)])


def function(name, calls, domain="local"):
    """A FunctionProto whose body calls `calls` one after another."""
    values = ["a", *(f"v{i}" for i in range(len(calls)))]
    nodes = [helper.make_node(op, [values[i]], [values[i + 1]], domain="" if op == "Relu" else domain)
             for i, op in enumerate(calls)]
    return helper.make_function(domain, name, ["a"], [values[-1]], nodes,
                                [helper.make_opsetid("", 17), helper.make_opsetid(domain, 1)])


def calling(functions, entry):
    call = helper.make_node(entry, ["x"], ["y"], domain="local", name="the_node")
    return model([call], domains=[("local", 1)], functions=functions)


__all__ = [name for name in dir() if not name.startswith("_")]
assert onnx.__version__
