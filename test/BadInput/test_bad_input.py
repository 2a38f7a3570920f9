"""Hostile, broken and unsupported models: a coded message, the right exit code, no file, no crash.

Every command runs with 512 MB of data and ten seconds of processor time."""

import os
import re
import signal
import subprocess

import models as m
import numpy as np
import pytest
from conftest import ROOT
from onnx import TensorProto, helper

MEMORY, SECONDS = 512 << 20, 10
SANITIZED = "QCC_SANITIZED" in os.environ
INT_MIN, INT_MAX, LONG_MIN, LONG_MAX = -(2**31), 2**31 - 1, -(2**63), 2**63 - 1


def run(command, cwd, limits=()):
    """(exit status, output) of a command under the limits."""
    limits = [*limits, *([] if SANITIZED else [f"--data={MEMORY}", f"--cpu={SECONDS}"]), "--core=0"]
    done = subprocess.run(["prlimit", *limits, *map(str, command)], cwd=cwd, capture_output=True, text=True,
                          errors="replace", timeout=SECONDS * 10)  # a busy machine may take its time
    return done.returncode, done.stdout + done.stderr


def check_message(text):
    assert re.search(r"error QCC\d{4}: ", text), f"no coded diagnostic in: {text}"
    for word in ("Stack dump", "PLEASE submit", "LLVM ERROR", "qcc crashed", "terminate called", "Sanitizer"):
        assert word not in text, text
    assert not re.search(r"^\s*#\d+ 0x", text, re.MULTILINE), text


def refused(qcc_tool, folder, model, exits, code="", mentions=(), options=(), output="out.so", limits=()):
    """Compiles; expects one of `exits`, the code, all mentions, and nothing left behind."""
    before = sorted(p.name for p in folder.iterdir())
    status, text = run([qcc_tool, model, *options, "-O1", "--target=native", "-o", output], folder, limits)
    exits = exits if isinstance(exits, tuple) else (exits,)
    assert status in exits, f"exit {status}, expected {exits}: {text}"
    check_message(text)
    assert code in text, f"expected {code}: {text}"
    for mention in mentions:
        assert mention.lower() in text.lower(), f"the message does not name {mention!r}: {text}"
    assert sorted(p.name for p in folder.iterdir()) == before, "files were left behind"
    return text


@pytest.fixture
def folder(tmp_path):
    """An empty working folder inside another one."""
    path = tmp_path / "work"
    path.mkdir()
    return path


# --- bytes that are no model --------------------------------------------------------------------
NO_MODELS = {
    "empty": b"",
    "text": b"hello, this is no model\n",
    "zip": b"PK\x03\x04" + bytes(60),
    "lfs_pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n",
    "zeros": bytes(4096),
    "ones": b"\xff" * 4096,
    "pickle": b"\x80\x02}q\x00.",
    "endless_varint": b"\x08" + b"\xff" * 40,
    "group_that_does_not_close": b"\x0b" * 100,
    "header_only": m.HEADER,
    "no_graph": m.HEADER + m.OPSET,
    "graph_length_lies_by_one": m.HEADER + m.OPSET + m.lying_field(7, 3, b"\x12\x00"),
    "graph_length_2_62": m.HEADER + m.OPSET + m.lying_field(7, 1 << 62),
    "graph_length_2_64": m.HEADER + m.OPSET + m.lying_field(7, (1 << 64) - 1),
    "node_length_lies": m.HEADER + m.OPSET + m.field(7, m.lying_field(1, 1 << 31, b"\x0a\x01x")),
    "tensor_length_lies": m.HEADER + m.OPSET + m.field(7, m.field(5, m.lying_field(9, 1 << 40, b"ab"))),
    "wrong_wire_type": m.HEADER + m.OPSET + m.field(7, b"\x08\x01"),
    "two_graphs": m.HEADER + m.OPSET + m.field(7, m.field(2, b"a")) + m.field(7, m.field(2, b"b")),
    "nul_in_name": m.HEADER + m.OPSET + m.field(7, m.field(1, m.field(1, b"x\0y") + m.field(4, b"Relu"))),
}


@pytest.mark.parametrize("name", NO_MODELS)
def test_no_model(qcc_tool, folder, name):
    m.save(NO_MODELS[name], folder / "bad.onnx")
    refused(qcc_tool, folder, "bad.onnx", 1, "QCC12")


@pytest.mark.parametrize("part", range(8))
def test_truncated(qcc_tool, folder, part):
    """A real model cut off at 64 places."""
    whole = (ROOT / "test/data/zoo/bert-ts17/model.onnx").read_bytes()
    rng = np.random.default_rng(part)
    cuts = sorted({int(c) for c in rng.integers(1, len(whole), 6)} | {part + 1, len(whole) - 1 - part})
    for cut in cuts:
        m.save(whole[:cut], folder / "bad.onnx")
        refused(qcc_tool, folder, "bad.onnx", 1, "QCC12")


@pytest.mark.parametrize("part", range(4))
def test_flipped_bytes(qcc_tool, folder, part):
    """One byte of a small model changed: it compiles or is refused in words."""
    whole = bytearray(m.mlp().SerializeToString())
    rng = np.random.default_rng(part)
    for at in rng.choice(len(whole), 12, replace=False):
        changed = whole.copy()
        changed[at] ^= 1 << rng.integers(0, 8)
        m.save(bytes(changed), folder / "bad.onnx")
        status, text = run([qcc_tool, "bad.onnx", "-O1", "--target=native", "-o", "out.so"], folder)
        assert status in (0, 1, 3, 4), f"exit {status} with byte {at} changed: {text}"
        if status:
            check_message(text)
        (folder / "out.so").unlink(missing_ok=True)


# --- external data ------------------------------------------------------------------------------
DATA = bytes(4 * 8 * 4)


def outside(folder):
    (folder.parent / "secret.bin").write_bytes(DATA)
    return m.external("../secret.bin")


def outside_twice(folder):
    (folder / "sub").mkdir()
    (folder.parent / "secret.bin").write_bytes(DATA)
    return m.external("sub/../../secret.bin")


def absolute(folder):
    (folder.parent / "secret.bin").write_bytes(DATA)
    return m.external(str(folder.parent / "secret.bin"))


def symlink(folder):
    (folder.parent / "secret.bin").write_bytes(DATA)
    (folder / "w.bin").symlink_to("../secret.bin")
    return m.external("w.bin")


def symlinked_folder(folder):
    (folder.parent / "secret.bin").write_bytes(DATA)
    (folder / "sub").symlink_to("..")
    return m.external("sub/secret.bin")


def hard_link(folder):
    (folder.parent / "secret.bin").write_bytes(DATA)
    os.link(folder.parent / "secret.bin", folder / "w.bin")
    return m.external("w.bin")


def fifo(folder):
    os.mkfifo(folder / "w.bin")
    return m.external("w.bin")


def a_folder(folder):
    (folder / "w.bin").mkdir()
    return m.external("w.bin")


def with_data(**entries):
    def make(folder):
        (folder / "w.bin").write_bytes(DATA)
        return m.external("w.bin", **entries)
    return make


EXTERNAL = {
    "outside": (outside, 3, "QCC1110"),
    "outside_through_a_folder": (outside_twice, 3, "QCC1110"),
    "absolute": (absolute, 3, "QCC1110"),
    "nul_in_path": (lambda f: m.external("w\0.bin"), (1, 3), "QCC1"),
    "empty_path": (lambda f: m.external(""), (1, 3), "QCC1"),
    "no_path": (lambda f: m.external(None), 1, "QCC1212"),
    "symlink": (symlink, 3, "QCC1112"),
    "symlinked_folder": (symlinked_folder, 3, "QCC111"),
    "hard_link": (hard_link, 3, "QCC1112"),
    "fifo": (fifo, 3, "QCC1113"),
    "a_folder": (a_folder, 3, "QCC1113"),
    "missing": (lambda f: m.external("absent.bin"), 3, "QCC1111"),
    "short": (with_data(offset=1), 3, "QCC1114"),
    "huge_offset": (with_data(offset=2**63 - 64, length=128), 3, "QCC1114"),
    "offset_beyond_64_bits": (with_data(offset=2**70), 1, "QCC1212"),
    "negative_offset": (with_data(offset=-1), 1, "QCC1212"),
    "hexadecimal_offset": (with_data(offset="0x10"), 1, "QCC1212"),
    "huge_length": (with_data(length=2**62), (1, 3), "QCC1"),
    "length_does_not_fit_shape": (with_data(length=64), 1, "QCC1209"),
    "key_twice": (with_data(extra=[("location", "other.bin")]), 1, "QCC1212"),
    "shape_of_a_terabyte": (with_data(dims=(1 << 19, 1 << 19)), (1, 3), "QCC1"),
}


@pytest.mark.parametrize("name", EXTERNAL)
def test_external_data(qcc_tool, folder, name):
    make, exits, code = EXTERNAL[name]
    m.save(make(folder), folder / "bad.onnx")
    refused(qcc_tool, folder, "bad.onnx", exits, code, ["w"])


# --- graphs -------------------------------------------------------------------------------------
def cycle():
    return m.model([m.node("Add", ["x", "b"], ["a"], "one"), m.node("Relu", ["a"], ["b"], "two"),
                    m.node("Relu", ["b"], ["y"], "three")])


def same_name(opset=17):
    return m.model([m.node("Relu", ["x"], ["y"], "one"), m.node("Neg", ["x"], ["y"], "two")])


def without_field(op_type=True):
    made = m.one_node("Relu")
    if op_type:
        made.graph.node[0].op_type = ""
    return made


def wrong_initializer(**changes):
    weight = m.tensor("w", [4, 4], [0.0] * 16)
    for name, new in changes.items():
        if name == "dims":
            del weight.dims[:]
            weight.dims.extend(new)
        else:
            setattr(weight, name, new)
    return m.model([m.node("MatMul", ["x", "w"])], initializers=[weight])


def attribute_twice():
    made = m.one_node("Softmax", axis=1)
    made.graph.node[0].attribute.add().CopyFrom(made.graph.node[0].attribute[0])
    return made


def wrong_attribute_type():
    return m.one_node("Softmax", axis="one")


def attribute_of_a_function():
    made = m.one_node("Softmax", axis=1)
    attribute = made.graph.node[0].attribute[0]
    attribute.ClearField("i")
    attribute.ref_attr_name = "outer"
    return made


def untyped_input():
    made = m.one_node("Relu")
    made.graph.input[0].ClearField("type")
    return made


def sequence_input():
    info = helper.make_tensor_sequence_value_info("x", m.FLOAT, None)
    return m.model([m.node("SequenceAt", ["x", "i"])], [info, m.value("i", [], m.INT64)])


def exploding_functions():
    chain = [m.function("f0", ["Relu"])]
    chain += [m.function(f"f{i}", [f"f{i - 1}"] * 8) for i in range(1, 24)]
    return m.calling(chain, "f23")


def deep_functions(depth=200):
    chain = [m.function("f0", ["Relu"])]
    chain += [m.function(f"f{i}", [f"f{i - 1}"]) for i in range(1, depth)]
    return m.calling(chain, f"f{depth - 1}")


def strings():
    text = helper.make_tensor("s", TensorProto.STRING, [1], [b"a"])
    return m.model([m.node("Equal", ["x", "s"])], [m.value("x", [1], m.STRING)], initializers=[text])


def dims(shape):
    return lambda: m.one_node("Relu", dims=shape)


def constant_of_shape(shape):
    sizes = m.tensor("s", [len(shape)], list(shape), m.INT64)
    return lambda: m.model([m.node("ConstantOfShape", ["s"], ["c"]), m.node("Add", ["x", "c"], ["y"], "sum")],
                           [m.value("x", [1])], initializers=[sizes])


def with_constant(op, name, values, other=(), **kwargs):
    def make():
        return m.one_node(op, initializers=[m.tensor(name, [len(values)], values, m.INT64), *other], **kwargs)
    return make


def two_inputs(op, a, b, **attributes):
    return lambda: m.model([m.node(op, ["x", "z"], **attributes)], [m.value("x", a), m.value("z", b)])


GRAPHS = {
    "cycle": (cycle, 1, "QCC1220", []),
    "self_cycle": (lambda: m.model([m.node("Add", ["x", "y"])]), 1, "QCC1220", ["the_node"]),
    "value_twice": (same_name, 1, "QCC1218", ["y"]),
    "output_is_input": (lambda: m.model([m.node("Relu", ["x"], ["x"])], outputs=[m.value("x")]), 1, "QCC12", ["x"]),
    "initializer_twice": (lambda: m.model([m.node("Add", ["x", "w"])], initializers=[
        m.tensor("w", [4], [0.0] * 4)] * 2), 1, "QCC1218", ["w"]),
    "undefined_input": (lambda: m.model([m.node("Relu", ["nothing"])]), 1, "QCC1219", ["nothing", "the_node"]),
    "undefined_output": (lambda: m.model([m.node("Relu")], outputs=[m.value("nothing")]), 1, "QCC1219", ["nothing"]),
    "no_op_type": (without_field, 1, "QCC1215", ["the_node"]),
    "no_opset": (lambda: m.model([m.node("Relu")], opset=None), 1, "QCC1214", []),
    "opset_zero": (lambda: m.model([m.node("Relu")], opset=0), 1, "QCC1214", []),
    "opset_negative": (lambda: m.model([m.node("Relu")], opset=-5), 1, "QCC1214", []),
    "opset_of_the_far_future": (lambda: m.model([m.node("Relu")], opset=9999), 4, "QCC1304", ["9999"]),
    "opset_twice": (lambda: m.model([m.node("Relu")], domains=[("", 12)]), 1, "QCC1214", []),
    "unknown_op": (lambda: m.one_node("Frobnicate"), 4, "QCC1301", ["Frobnicate", "the_node"]),
    "unknown_domain": (lambda: m.model([helper.make_node("Thing", ["x"], ["y"], domain="org.nobody", name="the_node")],
                                       domains=[("org.nobody", 1)]), 4, "QCC1301", ["Thing", "org.nobody"]),
    "unknown_domain_without_import": (lambda: m.model([helper.make_node(
        "Thing", ["x"], ["y"], domain="org.nobody", name="the_node")]), (1, 4), "QCC1", ["org.nobody"]),
    "two_unknown_ops": (lambda: m.model([m.node("Foo", ["x"], ["h"], "n1"), m.node("Bar", ["h"], ["y"], "n2")]),
                        4, "QCC1301", ["Foo", "Bar", "n1", "n2"]),
    "cast_without_type": (lambda: m.one_node("Cast"), 1, "QCC1", ["the_node", "Cast", "to"]),
    "cast_to_nonsense": (lambda: m.one_node("Cast", to=999), (1, 4), "QCC1", ["the_node", "Cast"]),
    "cast_to_string": (lambda: m.one_node("Cast", to=TensorProto.STRING), 4, "QCC1", ["the_node", "Cast"]),
    "concat_without_axis": (lambda: m.model([m.node("Concat", ["x", "x"])]), 1, "QCC1", ["the_node", "Concat"]),
    "constant_without_value": (lambda: m.model([m.node("Constant", [])]), 1, "QCC1", ["the_node", "Constant"]),
    "attribute_twice": (attribute_twice, 1, "QCC1213", ["axis"]),
    "attribute_of_wrong_type": (wrong_attribute_type, 1, "QCC1", ["axis", "the_node"]),
    "attribute_of_a_function": (attribute_of_a_function, 1, "QCC1213", ["axis"]),
    "too_few_inputs": (lambda: m.model([m.node("MatMul", ["x"])]), 1, "QCC1", ["the_node", "MatMul"]),
    "no_inputs": (lambda: m.model([m.node("Relu", [])]), 1, "QCC1", ["the_node", "Relu"]),
    "too_many_outputs": (lambda: m.model([m.node("Relu", ["x"], ["y", "z"])]), (1, 4), "QCC1", ["the_node", "Relu"]),
    "add_float_and_int": (lambda: m.model([m.node("Add", ["x", "i"])], [m.value("x"), m.value(
        "i", ["n", 4], m.INT64)]), 1, "QCC1403", ["the_node", "Add"]),
    "matmul_of_strings": (strings, 4, "QCC1302", []),
    "gather_with_float_indices": (lambda: m.model([m.node("Gather", ["x", "x"])]), 1, "QCC1", ["the_node", "Gather"]),
    "where_without_bool": (lambda: m.model([m.node("Where", ["x", "x", "x"])]), 1, "QCC1", ["the_node", "Where"]),
    "matmul_sizes": (two_inputs("MatMul", ["n", 4], [5, 3]), 1, "QCC1402", ["the_node", "MatMul", "4", "5"]),
    "matmul_of_scalars": (two_inputs("MatMul", [], []), 1, "QCC1", ["the_node", "MatMul"]),
    "add_sizes": (two_inputs("Add", ["n", 4], ["n", 3]), 1, "QCC1402", ["the_node", "Add", "4", "3"]),
    "concat_sizes": (two_inputs("Concat", [2, 4], [3, 3], axis=0), 1, "QCC1402", ["the_node", "Concat", "4", "3"]),
    "concat_ranks": (two_inputs("Concat", [2, 4], [2], axis=0), 1, "QCC1", ["the_node", "Concat"]),
    "gemm_sizes": (two_inputs("Gemm", [2, 4], [4, 3], transB=1), 1, "QCC1402", ["the_node", "Gemm"]),
    "gemm_rank": (two_inputs("Gemm", [2, 4, 4], [4, 3]), 1, "QCC1", ["the_node", "Gemm"]),
    "conv_channels": (two_inputs("Conv", [1, 3, 8, 8], [4, 2, 3, 3]), 1, "QCC1", ["the_node", "Conv"]),
    "pool_of_2_40_elements": (lambda: m.one_node("MaxPool", dims=[1, 1, "h", "w"], kernel_shape=[1 << 20] * 2), (1, 4), "QCC1",
                              ["the_node", "MaxPool"]),
    "conv_kernel_larger_than_input": (two_inputs("Conv", [1, 3, 2, 2], [4, 3, 9, 9]), 1, "QCC1", ["the_node", "Conv"]),
    "reshape_count": (with_constant("Reshape", "s", [5, 5], dims=(2, 4)), 1, "QCC1", ["the_node", "Reshape"]),
    "reshape_two_wildcards": (with_constant("Reshape", "s", [-1, -1], dims=(2, 4)), 1, "QCC1", ["the_node", "Reshape"]),
    "reshape_negative": (with_constant("Reshape", "s", [-7, 8], dims=(2, 4)), 1, "QCC1", ["the_node", "Reshape"]),
    "reshape_huge": (with_constant("Reshape", "s", [LONG_MAX, LONG_MAX], dims=(2, 4)), 1, "QCC1", ["the_node", "Reshape"]),
    "expand_sizes": (with_constant("Expand", "s", [2, 3], dims=(2, 4)), 1, "QCC1", ["the_node", "Expand"]),
    "expand_huge": (with_constant("Expand", "s", [LONG_MAX, LONG_MAX, 4], dims=(1, 4)), (1, 4), "QCC1", ["the_node"]),
    "tile_huge": (with_constant("Tile", "s", [2**40, 2**40], dims=(2, 4)), (1, 4), "QCC1", ["the_node", "Tile"]),
    "tile_negative": (with_constant("Tile", "s", [-1, 2], dims=(2, 4)), 1, "QCC1", ["the_node", "Tile"]),
    "squeeze_of_a_wide_axis": (with_constant("Squeeze", "s", [1], dims=(2, 4)), 1, "QCC1", ["the_node", "Squeeze"]),
    "unsqueeze_axis_twice": (with_constant("Unsqueeze", "s", [0, 0]), 1, "QCC1", ["the_node", "Unsqueeze"]),
    "unsqueeze_axis_out_of_range": (with_constant("Unsqueeze", "s", [9]), 1, "QCC1", ["the_node", "Unsqueeze"]),
    "reduce_axis_out_of_range": (with_constant("ReduceSum", "s", [5]), 1, "QCC1", ["the_node", "ReduceSum"]),
    "split_sums_to_less": (with_constant("Split", "s", [1, 1], dims=(2, 4), axis=1, outputs=("y", "z")), 1, "QCC1",
                           ["the_node", "Split"]),
    "split_negative": (with_constant("Split", "s", [-1, 5], dims=(2, 4), axis=1, outputs=("y", "z")), 1, "QCC1",
                       ["the_node", "Split"]),
    "transpose_not_a_permutation": (lambda: m.one_node("Transpose", perm=[0, 0]), 1, "QCC1", ["the_node", "Transpose"]),
    "transpose_of_another_rank": (lambda: m.one_node("Transpose", perm=[0, 1, 2]), 1, "QCC1", ["the_node", "Transpose"]),
    "slice_step_zero": (with_constant("Slice", "a", [0], [m.tensor("b", [1], [2], m.INT64), m.tensor(
        "c", [1], [0], m.INT64), m.tensor("d", [1], [0], m.INT64)]), 1, "QCC1", ["the_node", "Slice"]),
    "slice_axis_out_of_range": (with_constant("Slice", "a", [0], [m.tensor("b", [1], [2], m.INT64), m.tensor(
        "c", [1], [7], m.INT64)]), 1, "QCC1", ["the_node", "Slice"]),
    "pad_too_few": (with_constant("Pad", "p", [1, 1]), 1, "QCC1", ["the_node", "Pad"]),
    "pad_unknown_mode": (with_constant("Pad", "p", [1, 1, 1, 1], mode="sideways"), (1, 4), "QCC1", ["the_node", "Pad"]),
    "layernorm_scale": (lambda: m.one_node("LayerNormalization", initializers=[m.tensor("g", [3], [1.0] * 3)]), 1,
                        "QCC1", ["the_node", "LayerNormalization"]),
    "dequantize_scales": (lambda: m.one_node("DequantizeLinear", initializers=[m.tensor("s", [3], [1.0] * 3)],
                                             dtype=TensorProto.INT8, axis=1), 1, "QCC1", ["the_node", "DequantizeLinear"]),
    "constant_index_out_of_range": (lambda: m.model([m.node("Gather", ["w", "i"], ["g"]), m.node(
        "Add", ["x", "g"], ["y"], "sum")], [m.value("x", [4])], initializers=[m.tensor("w", [2, 4], [0.0] * 8), m.tensor(
            "i", [], [7], m.INT64)]), 1, "QCC1", ["the_node", "Gather"]),
    "input_negative_dim": (dims([-3, 4]), 1, "QCC1207", ["x"]),
    "input_of_2_64_elements": (dims([2**32, 2**32]), 1, "QCC12", ["x"]),
    "input_of_2_50_elements": (dims([2**25, 2**25]), 1, "QCC1208", ["x"]),
    "weight_of_2_41_elements": (lambda: wrong_initializer(dims=[2**20, 2**21]), 1, "QCC12", ["w"]),
    "weight_dims_overflow": (lambda: wrong_initializer(dims=[2**33, 2**33]), 1, "QCC12", ["w"]),
    "weight_dim_negative": (lambda: wrong_initializer(dims=[-4, -4]), 1, "QCC1207", ["w"]),
    "weight_has_too_few_bytes": (lambda: wrong_initializer(dims=[4, 5]), 1, "QCC1209", ["w"]),
    "weight_without_type": (lambda: wrong_initializer(data_type=0), 1, "QCC1210", ["w"]),
    "weight_of_unknown_type": (lambda: wrong_initializer(data_type=99), 1, "QCC1210", ["w"]),
    "constant_of_2_62_elements": (constant_of_shape([2**31, 2**31]), (1, 4), "QCC1", ["the_node"]),
    "constant_of_negative_size": (constant_of_shape([-3]), 1, "QCC1", ["the_node", "ConstantOfShape"]),
    "nested_graphs": (lambda: m.nested_ifs(20), 1, "QCC1205", []),
    "recursive_function": (lambda: m.calling([m.function("f", ["f"])], "f"), 1, "QCC1222", ["f"]),
    "mutually_recursive_functions": (lambda: m.calling([m.function("f", ["g"]), m.function("g", ["f"])], "f"), 1,
                                     "QCC1222", ["f"]),
    "deep_functions": (deep_functions, 1, "QCC1205", []),
    "exploding_functions": (exploding_functions, 1, "QCC1217", []),
    "function_twice": (lambda: m.calling([m.function("f", ["Relu"])] * 2, "f"), 1, "QCC1221", ["f"]),
    "string_tensors": (strings, 4, "QCC1302", []),
    "dynamic_rank": (lambda: m.one_node("Relu", dims=None), 4, "QCC1303", ["x"]),
    "untyped_input": (untyped_input, 4, "QCC1302", ["x"]),
    "sequence_input": (sequence_input, 4, "QCC13", []),
    "complex_input": (lambda: m.one_node("Neg", dtype=TensorProto.COMPLEX64), 4, "QCC1302", ["x"]),
    "loop": (lambda: m.model([m.node("Loop", ["n", "c", "x"], body=helper.make_graph(
        [m.node("Concat", ["v", "v"], ["w"], axis=0), m.node("Identity", ["k"], ["l"])], "body",
        [m.value("i", [], m.INT64), m.value("k", [], TensorProto.BOOL), m.value("v")],
        [m.value("l", [], TensorProto.BOOL), m.value("w")]))],
        [m.value("x"), m.value("n", [], m.INT64), m.value("c", [], TensorProto.BOOL)]), 4, "QCC13", ["Loop"]),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_graph(qcc_tool, folder, name):
    make, exits, code, mentions = GRAPHS[name]
    m.save(make(), folder / "bad.onnx")
    refused(qcc_tool, folder, "bad.onnx", exits, code, mentions)


def test_nested_messages(qcc_tool, folder):
    """Ten thousand messages inside one another, in an attribute of an attribute's graph."""
    inner = b""
    for _ in range(10_000):
        inner = m.field(1, m.field(5, m.field(6, inner)))  # node { attribute { g { … } } }
        if len(inner) > 1 << 20:
            break
    m.save(m.HEADER + m.OPSET + m.field(7, inner), folder / "bad.onnx")
    refused(qcc_tool, folder, "bad.onnx", 1, "QCC12")


def test_check_lists_all_at_once(qcc_tool, folder):
    m.save(m.model([m.node("Foo", ["x"], ["h"], "n1"), m.node("Bar", ["h"], ["y"], "n2")]), folder / "bad.onnx")
    status, text = run([qcc_tool, "check", "bad.onnx"], folder)
    assert status == 4 and "Foo" in text and "Bar" in text
    check_message(text)


# --- attributes out of range --------------------------------------------------------------------
EXTREMES = (0, -1, INT_MIN, INT_MAX, LONG_MIN, LONG_MAX)
WEIGHT = m.tensor("w", [2, 3, 1, 1], [0.5] * 6)
INDEX = m.tensor("i", [2], [0, 1], m.INT64)

# op: (how to build it with the attribute set, attribute, values that are valid)
IMAGE = (1, 3, 8, 8)
RANGES = {
    "Concat.axis": (lambda v: m.model([m.node("Concat", ["x", "x"], axis=v)]), (0, -1)),
    "Softmax.axis": (lambda v: m.one_node("Softmax", axis=v), (0, -1)),
    "LogSoftmax.axis": (lambda v: m.one_node("LogSoftmax", axis=v), (0, -1)),
    "Hardmax.axis": (lambda v: m.one_node("Hardmax", axis=v), (0, -1)),
    "Flatten.axis": (lambda v: m.one_node("Flatten", axis=v), (0, -1)),
    "Gather.axis": (lambda v: m.one_node("Gather", initializers=[INDEX], axis=v), (0, -1)),
    "GatherElements.axis": (lambda v: m.one_node("GatherElements", initializers=[
        m.tensor("i", [2, 4], [0] * 8, m.INT64)], axis=v, dims=(2, 4)), (0, -1)),
    "Split.axis": (lambda v: m.one_node("Split", axis=v, dims=(2, 4), outputs=("y", "z")), (0, -1)),
    "Split.num_outputs": (lambda v: m.one_node("Split", num_outputs=v, opset=18, outputs=("y", "z")), ()),
    "ArgMax.axis": (lambda v: m.one_node("ArgMax", axis=v), (0, -1)),
    "ArgMax.keepdims": (lambda v: m.one_node("ArgMax", keepdims=v), EXTREMES),
    "LayerNormalization.axis": (lambda v: m.one_node("LayerNormalization", axis=v, initializers=[
        m.tensor("g", [4], [1.0] * 4)]), (0, -1)),
    "Cast.to": (lambda v: m.one_node("Cast", to=v), ()),
    "OneHot.axis": (lambda v: m.model([m.node("OneHot", ["x", "d", "w"], axis=v)], [m.value("x", [3], m.INT64)],
                                      initializers=[m.tensor("d", [], [4], m.INT64), m.tensor("w", [2], [0.0, 1.0])]),
                    (0, -1)),
    "TopK.axis": (lambda v: m.one_node("TopK", axis=v, outputs=("y", "z"), dims=(2, 4),
                                       initializers=[m.tensor("k", [1], [2], m.INT64)]), (0, -1)),
    "CumSum.axis": (lambda v: m.one_node("CumSum", initializers=[m.tensor("a", [], [v], m.INT64)]), (0, -1)),
    "Gemm.transA": (lambda v: m.one_node("Gemm", initializers=[m.tensor("b", [4, 4], [0.5] * 16)], dims=(4, 4),
                                         transA=v), EXTREMES),
    "Conv.group": (lambda v: m.one_node("Conv", initializers=[WEIGHT], dims=IMAGE, group=v), ()),
    "Conv.strides": (lambda v: m.one_node("Conv", initializers=[WEIGHT], dims=IMAGE, strides=[v, 1]), ()),
    "Conv.dilations": (lambda v: m.one_node("Conv", initializers=[WEIGHT], dims=IMAGE, dilations=[v, 1]), ()),
    "Conv.pads": (lambda v: m.one_node("Conv", initializers=[WEIGHT], dims=IMAGE, pads=[v, 0, 0, 0]), (0,)),
    "Conv.kernel_shape": (lambda v: m.one_node("Conv", initializers=[WEIGHT], dims=IMAGE, kernel_shape=[v, 1]), ()),
    "MaxPool.kernel_shape": (lambda v: m.one_node("MaxPool", dims=IMAGE, kernel_shape=[v, 1]), ()),
    "AveragePool.strides": (lambda v: m.one_node("AveragePool", dims=IMAGE, kernel_shape=[2, 2], strides=[v, 1]), ()),
    "Transpose.perm": (lambda v: m.one_node("Transpose", perm=[v, 1]), (0,)),
    "Reshape.shape": (lambda v: m.one_node("Reshape", initializers=[m.tensor("s", [2], [v, 4], m.INT64)], dims=(2, 4)),
                      (0, -1)),
    "Reshape.allowzero": (lambda v: m.one_node("Reshape", initializers=[m.tensor("s", [2], [2, 4], m.INT64)],
                                               dims=(2, 4), allowzero=v), EXTREMES),
    "Unsqueeze.axes": (lambda v: m.one_node("Unsqueeze", initializers=[m.tensor("a", [1], [v], m.INT64)]), (0, -1)),
    "Squeeze.axes": (lambda v: m.one_node("Squeeze", initializers=[m.tensor("a", [1], [v], m.INT64)], dims=(1, 3, 1)),
                     (0, -1)),
    "ReduceSum.axes": (lambda v: m.one_node("ReduceSum", initializers=[m.tensor("a", [1], [v], m.INT64)]), (0, -1)),
    "ReduceMax.axes": (lambda v: m.one_node("ReduceMax", axes=[v]), (0, -1)),
    "Slice.starts": (lambda v: slice_model(v, 3, 1, 1), EXTREMES),
    "Slice.ends": (lambda v: slice_model(0, v, 1, 1), EXTREMES),
    "Slice.axes": (lambda v: slice_model(0, 1, v, 1), (0, -1)),
    "Slice.steps": (lambda v: slice_model(0, 3, 1, v), (-1, INT_MIN, INT_MAX, LONG_MAX)),
    "Gather.index": (lambda v: m.model([m.node("Gather", ["w", "i"], ["g"]), m.node("Add", ["x", "g"], ["y"], "sum")],
                                       initializers=[m.tensor("w", [2, 4], [0.0] * 8), m.tensor("i", [1], [v], m.INT64)]),
                     (0, -1)),
    "Pad.pads": (lambda v: m.one_node("Pad", initializers=[m.tensor("p", [4], [0, v, 0, 0], m.INT64)], dims=(2, 4)),
                 (0, -1, INT_MAX)),
    "Expand.shape": (lambda v: m.one_node("Expand", initializers=[m.tensor("s", [2], [v, 4], m.INT64)], dims=(1, 4)),
                     (0, INT_MAX)),
    "Tile.repeats": (lambda v: m.one_node("Tile", initializers=[m.tensor("r", [2], [v, 1], m.INT64)], dims=(2, 4)), (0, INT_MAX)),
    "DepthToSpace.blocksize": (lambda v: m.one_node("DepthToSpace", dims=(1, 4, 2, 2), blocksize=v), ()),
    "Trilu.k": (lambda v: m.one_node("Trilu", initializers=[m.tensor("k", [], [v], m.INT64)], dims=(4, 4)), EXTREMES),
    "QuantizeLinear.axis": (lambda v: m.one_node("QuantizeLinear", axis=v, initializers=[
        m.tensor("s", [4], [1.0] * 4), m.tensor("z", [4], [0] * 4, TensorProto.INT8)], dims=(4, 4)), (0, -1)),
    "Range.delta": (lambda v: m.model([m.node("Range", ["a", "b", "c"], ["r"]), m.node("Cast", ["r"], ["f"], "cast", to=1),
                                       m.node("Add", ["x", "f"], ["y"], "sum")], [m.value("x", [1])], initializers=[
        m.tensor("a", [], [0], m.INT64), m.tensor("b", [], [4], m.INT64), m.tensor("c", [], [v], m.INT64)]),
        (-1, INT_MIN, INT_MAX, LONG_MIN, LONG_MAX)),
}


def slice_model(start, end, axis, step):
    constants = [m.tensor(n, [1], [v], m.INT64)
                 for n, v in (("a", start), ("b", end), ("c", axis), ("d", step))]
    return m.one_node("Slice", initializers=constants, dims=(2, 4))


@pytest.mark.parametrize("name", RANGES)
def test_extreme_attributes(qcc_tool, folder, name):
    """A valid value compiles, or is not supported; any other is refused by node and op."""
    make, valid = RANGES[name]
    for extreme in EXTREMES:
        m.save(make(extreme), folder / "bad.onnx")
        status, text = run([qcc_tool, "bad.onnx", "-O1", "--target=native", "-o", "out.so"], folder)
        where = f"{name} = {extreme}: exit {status}: {text}"
        assert status in ((0, 4) if extreme in valid else (1, 4)), where
        if status:
            check_message(text)
            assert "the_node" in text and name.split(".")[0].lower() in text.lower(), where
        assert (folder / "out.so").exists() == (status == 0), where
        (folder / "out.so").unlink(missing_ok=True)


# --- files around the model ---------------------------------------------------------------------
@pytest.mark.parametrize("text", ["", "not MLIR at all (", "module { nothing.known }",
                                  "module { func.func @f( }", "\x00\x01\x02", "module {" * 5000])
def test_broken_mlir(qcc_tool, folder, text):
    (folder / "bad.mlir").write_text(text)
    refused(qcc_tool, folder, "bad.mlir", (1, 2))


@pytest.mark.parametrize("data", [b"", b"ML\xefR", b"ML\xefR" + bytes(range(256)), b"text", bytes(1000)])
def test_broken_qnt(qcc_tool, folder, data):
    (folder / "bad.qnt").write_bytes(data)
    refused(qcc_tool, folder, "bad.qnt", (1, 2, 4))


def test_unreadable_inputs(qcc_tool, folder):
    (folder / "a.onnx").mkdir()
    refused(qcc_tool, folder, "a.onnx", 3, "QCC1101", ["a.onnx"])
    refused(qcc_tool, folder, "absent.onnx", 3, "QCC1101", ["absent.onnx"])
    os.mkfifo(folder / "b.onnx")
    refused(qcc_tool, folder, "b.onnx", 3, "QCC11", ["b.onnx"])


OUTPUTS = {
    "in_no_folder": ("nowhere/out.so", 3, "QCC1102"),
    "below_a_file": ("good.onnx/out.so", 3, "QCC1102"),
    "a_folder": ("folder.so", 3, "QCC1131"),
    "not_writable": ("/proc/out.so", 3, "QCC1102"),
    "empty": ("", 2, "QCC10"),
    "long_name": ("x" * 300 + ".so", 3, "QCC1102"),
    "unknown_suffix": ("out.exe", 2, "QCC10"),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_output(qcc_tool, folder, name):
    m.save(m.mlp(), folder / "good.onnx")
    (folder / "folder.so").mkdir()
    output, exits, code = OUTPUTS[name]
    refused(qcc_tool, folder, "good.onnx", exits, code, output=output)
    assert not list((folder / "folder.so").iterdir())


def test_no_space(qcc_tool, folder):
    """The old artifact stays when the new one does not fit."""
    m.save(m.mlp(), folder / "good.onnx")
    (folder / "out.so").write_bytes(b"old")
    refused(qcc_tool, folder, "good.onnx", 3, "QCC1130", limits=["--fsize=1000"])
    assert (folder / "out.so").read_bytes() == b"old"


def test_stdout_full(qcc_tool, folder):
    with open("/dev/full", "w") as full:
        done = subprocess.run([qcc_tool, "targets"], stdout=full, stderr=subprocess.PIPE, text=True, cwd=folder)
    assert done.returncode == 3 and "QCC1102" in done.stderr


def test_interrupted(qcc_tool, folder):
    """Ctrl-C leaves nothing behind."""
    model = ROOT / "test/data/zoo/qwen2-cache-ts17/model.onnx"
    for delay in (0.1, 0.3, 0.6, 1, 2, 4):
        process = subprocess.Popen([qcc_tool, model, "-O2", "-o", folder / "out.so"], stderr=subprocess.DEVNULL,
                                   env=dict(os.environ, TMPDIR=str(folder)),
                                   preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        try:
            process.wait(delay)
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
        process.wait(SECONDS * 3)
        assert not list(folder.iterdir())
        if process.returncode == 130:
            return
        assert process.returncode == -signal.SIGINT  # the program had not begun to run
    pytest.skip("compiled before it could be interrupted")


# --- bad runs -----------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def embedding(qcc_tool, tmp_path_factory):
    """Rows of a table: indices and a second input that must have as many rows."""
    folder = tmp_path_factory.mktemp("embedding")
    nodes = [m.node("Gather", ["table", "ids"], ["rows"], "lookup"), m.node("Add", ["rows", "x"], ["y"], "sum")]
    made = m.model(nodes, [m.value("ids", ["n"], m.INT64), m.value("x", ["n", 4])],
                   initializers=[m.tensor("table", [10, 4], [1.0] * 40)])
    m.save(made, folder / "model.onnx")
    status, text = run([qcc_tool, "model.onnx", "-O1", "--target=native", "-o", "model.so"], folder)
    assert status == 0, text
    return folder / "model.so"


def run_with(qcc_tool, folder, artifact, *options, **arrays):
    given = []
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
        given += ["--input", f"{name}={name}.npy"]
    return run([qcc_tool, "run", artifact, *given, *options], folder)


def test_good_run(qcc_tool, folder, embedding):
    status, text = run_with(qcc_tool, folder, embedding, ids=np.array([0, 9, -1]), x=np.zeros((3, 4), np.float32))
    assert status == 0, text


BAD_RUNS = {
    "index_too_large": (dict(ids=np.array([0, 10])), ["lookup"]),
    "index_too_small": (dict(ids=np.array([-11, 0])), ["lookup"]),
    "index_enormous": (dict(ids=np.array([LONG_MAX, LONG_MIN])), ["lookup"]),
    "float_ids": (dict(ids=np.zeros(2, np.float32)), ["ids"]),
    "int_values": (dict(x=np.zeros((2, 4), np.int64)), ["x"]),
    "rank_of_ids": (dict(ids=np.zeros((2, 1), np.int64)), ["ids"]),
    "rank_of_values": (dict(x=np.zeros(4, np.float32)), ["x"]),
    "fixed_dimension": (dict(x=np.zeros((2, 5), np.float32)), ["x", "5"]),
    "shared_dimension": (dict(x=np.zeros((3, 4), np.float32)), ["x", "3"]),
}


@pytest.mark.parametrize("name", BAD_RUNS)
def test_bad_run(qcc_tool, folder, embedding, name):
    changes, mentions = BAD_RUNS[name]
    arrays = dict(ids=np.array([0, 9]), x=np.zeros((2, 4), np.float32)) | changes
    status, text = run_with(qcc_tool, folder, embedding, "--output-dir", "out", **arrays)
    assert status in (1, 2), f"exit {status}: {text}"
    check_message(text)
    for mention in mentions:
        assert mention in text, text
    assert not (folder / "out").exists()


def test_empty_run(qcc_tool, folder, embedding):
    status, text = run_with(qcc_tool, folder, embedding, ids=np.zeros(0, np.int64), x=np.zeros((0, 4), np.float32))
    assert status == 0, text


@pytest.mark.parametrize("cut", [0, 16, 64, 1000, -4096, -1])
def test_truncated_artifact(qcc_tool, folder, embedding, cut):
    (folder / "cut.so").write_bytes(embedding.read_bytes()[:cut])
    status, text = run([qcc_tool, "run", "cut.so", "--random", "ids=i64[2]:0..9", "--random", "x=f32[2x4]"], folder)
    if status:
        assert status == 3, f"exit {status}: {text}"
        check_message(text)
    else:
        assert cut < 0  # only symbols and section headers are missing, which the loader does not need


@pytest.mark.parametrize("data", [b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00\xff\xff{", b"\x93NUMPY\x01\x00\x0a\x00{'a':1}   ",
                                  b"PK\x03\x04" + bytes(30)])
def test_broken_npy(qcc_tool, folder, embedding, data):
    (folder / "ids.npy").write_bytes(data)
    status, text = run([qcc_tool, "run", embedding, "--input", "ids=ids.npy"], folder)
    assert status in (1, 3, 4), text
    check_message(text)
