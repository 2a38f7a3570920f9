"""`qcc check`: everything that a model asks for and qcc cannot do, in one run."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "Execution"))
onnx = pytest.importorskip("onnx")
from graphs import model, subgraph  # noqa: E402
from onnx import TensorProto, helper  # noqa: E402

F32, I64, STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING


def node(op, inputs, outputs, domain="", **attributes):
    return helper.make_node(op, inputs, outputs, name=outputs[0] + "_node", domain=domain, **attributes)


def check(qcc_tool, folder, proto, *options):
    """Exit code, {(domain, op): entry} and the text that people get."""
    path = folder / "m.onnx"
    onnx.save(proto, path)
    done = subprocess.run([qcc_tool, "check", path, "--json", *options], capture_output=True, text=True)
    report = json.loads(done.stdout)
    assert report["schema"] == "qcc.check/1"
    assert report["supported"] == (done.returncode == 0)
    text = subprocess.run([qcc_tool, "check", path, *options], capture_output=True, text=True)
    assert text.returncode == done.returncode
    found = {}
    for entry in report["unsupported"]:
        assert entry["count"] == len(entry["nodes"]) > 0
        assert entry["code"] in text.stdout and entry["reason"] in text.stdout
        for way in entry["ways"]:
            assert way in text.stdout
        found.setdefault((entry["domain"], entry["op"]), []).append(entry)
    return done.returncode, found, text.stdout + text.stderr


def test_all_kinds_in_one_run(qcc_tool, tmp_path):
    """Unknown operators, domains, forms of known ones, later opsets: wherever they are."""
    proto = model(
        [node("Foo", ["x"], ["a"]), node("Foo", ["a"], ["b"]),
         node("Bar", ["x"], ["c"], domain="my.ops"),
         node("NonMaxSuppression", ["x", "x"], ["d"]),
         node("Gelu", ["x"], ["e"]),  # begins with opset 20
         node("Sum", ["b", "c", "e"], ["y"])],
        {"x": (F32, [2, "n"])}, {"y": (F32, [2, "n"]), "d": (I64, ["k", 3])}, opset=17)
    status, found, text = check(qcc_tool, tmp_path, proto)
    assert status == 4
    assert set(found) == {("", "Foo"), ("my.ops", "Bar"), ("", "NonMaxSuppression"), ("", "Gelu")}
    assert found["", "Foo"][0]["nodes"] == ["a_node", "b_node"]
    assert "begins with opset 20" in found["", "Gelu"][0]["reason"]
    assert "5 nodes cannot be compiled, for 4 reasons" in text
    assert "my.ops::Bar" in text and "× 2, first 'a_node'" in text
    ways = found["my.ops", "Bar"][0]["ways"]
    assert any("--functions=FILE.onnx" in way for way in ways)
    assert any("--inputs=c" in way for way in ways) and not any("--outputs" in way for way in ways)


def test_cuts_that_it_names_work(qcc_tool, tmp_path):
    proto = model([node("Relu", ["x"], ["h"]), node("Odd", ["h"], ["o"], domain="my"), node("Neg", ["o"], ["y"])],
                  {"x": (F32, ["n"])}, {"y": (F32, ["n"])})
    proto.graph.value_info.append(helper.make_tensor_value_info("o", F32, ["n"]))
    status, found, _ = check(qcc_tool, tmp_path, proto)
    assert status == 4 and any("--outputs=h" in way and "--inputs=o" in way for way in found["my", "Odd"][0]["ways"])
    assert check(qcc_tool, tmp_path, proto, "--outputs=h")[0] == 0
    assert check(qcc_tool, tmp_path, proto, "--inputs=o")[0] == 0


def test_goes_on_behind_what_the_model_declares(qcc_tool, tmp_path):
    """The shapes behind an unknown operator are checked where the model says its output's type."""
    def proto(declare):
        p = model([node("Foo", ["x"], ["h"]), node("MatMul", ["h", "w"], ["y"])],
                  {"x": (F32, [2, 3])}, {"y": (F32, None)}, weights={"w": np.ones((5, 4), np.float32)})
        if declare:
            p.graph.value_info.append(helper.make_tensor_value_info("h", F32, [2, 3]))
        return p
    status, found, _ = check(qcc_tool, tmp_path, proto(True))
    assert status == 4 and set(found) == {("", "Foo"), ("", "MatMul")}
    assert found["", "MatMul"][0]["code"] == "QCC1402" and "3 and 5" in found["", "MatMul"][0]["reason"]
    assert set(check(qcc_tool, tmp_path, proto(False))[1]) == {("", "Foo")}


def test_wrong_models_are_told_from_unsupported_ones(qcc_tool, tmp_path):
    """Two nodes that break their operators' rules: both are listed, the exit code is 1."""
    proto = model([node("Softmax", ["x"], ["a"], axis=7), node("Add", ["a", "i"], ["b"]), node("Add", ["x", "i"], ["c"])],
                  {"x": (F32, [2, 3]), "i": (I64, [2, 3])}, {"b": (F32, None), "c": (F32, None)})
    status, found, text = check(qcc_tool, tmp_path, proto)
    assert status == 1 and "error QCC1401" in text
    assert {e["code"] for entries in found.values() for e in entries} == {"QCC1401", "QCC1403"}


def test_bodies_and_functions(qcc_tool, tmp_path):
    """Both branches of an If, a Loop that is refused, nodes of model functions."""
    branch = {name: subgraph([node(op, ["x"], [name])], {name: (F32, ["n"])})
              for name, op in (("t", "InThen"), ("e", "InElse"))}
    body = subgraph([node("Identity", ["go"], ["go_out"]), node("InLoop", ["v"], ["v_out"])],
                    {"go_out": (TensorProto.BOOL, []), "v_out": (F32, ["n"])},
                    {"i": (I64, []), "go": (TensorProto.BOOL, []), "v": (F32, ["n"])})
    proto = model(
        [node("If", ["c"], ["a"], then_branch=branch["t"], else_branch=branch["e"]),
         node("Loop", ["m", "c", "a"], ["b"], body=body),
         node("Mine", ["b"], ["y"], domain="mine")],
        {"x": (F32, ["n"]), "c": (TensorProto.BOOL, []), "m": (I64, [])}, {"y": (F32, ["n"])})
    proto.functions.append(helper.make_function(
        "mine", "Mine", ["p"], ["q"], [node("InFunction", ["p"], ["q"])], [helper.make_opsetid("", 21)]))
    proto.opset_import.append(helper.make_opsetid("mine", 1))
    status, found, _ = check(qcc_tool, tmp_path, proto)
    assert status == 4
    assert {op for _, op in found} >= {"InThen", "InElse", "InLoop", "InFunction"}
    # A loop of known length is imported turn by turn; its node counts once.
    proto.graph.initializer.append(helper.make_tensor("three", I64, [], [3]))
    proto.graph.initializer.append(helper.make_tensor("yes", TensorProto.BOOL, [], [1]))
    proto.graph.node[1].input[0], proto.graph.node[1].input[1] = "three", "yes"
    proto.graph.node[1].input[2] = "x"
    found = check(qcc_tool, tmp_path, proto)[1]
    assert found["", "InLoop"][0]["count"] == 1 and ("", "Loop") not in found


def test_inputs_and_opsets(qcc_tool, tmp_path):
    proto = model([node("Identity", ["s"], ["a"]), node("Foo", ["x"], ["b"])],
                  {"s": (STRING, [2]), "x": (F32, [2]), "r": (F32, None)},
                  {"a": (STRING, [2]), "b": (F32, [2])}, opset=17)
    proto.opset_import[0].version = 6
    status, found, text = check(qcc_tool, tmp_path, proto)
    assert status == 4
    whole = {e["nodes"][0]: e for e in found["", ""]}
    assert whole["s"]["code"] == "QCC1302" and whole["r"]["code"] == "QCC1303" and whole[""]["code"] == "QCC1304"
    assert ("", "Foo") in found and "input 's'" in text
    assert "2 nodes and 2 inputs cannot be compiled, for 5 reasons" in text


def test_what_only_kernels_refuse(qcc_tool, tmp_path):
    """Passes behind the import are asked too: cubic interpolation has kernels for up to 3 axes."""
    nodes, outputs = [], {}
    for i in range(2):
        nodes.append(node("Resize", ["x", "", "scales"], [f"y{i}"], mode="cubic", cubic_coeff_a=-0.5 - i / 4))
        outputs[f"y{i}"] = (F32, None)
    proto = model(nodes, {"x": (F32, [4, 4, 4, 4])}, outputs, weights={"scales": np.full(4, 2, np.float32)})
    status, found, text = check(qcc_tool, tmp_path, proto)
    assert status == 4, text
    (entry,) = [e for entries in found.values() for e in entries]
    assert entry["code"] == "QCC1651" and "cubic interpolation of 4 axes" in entry["reason"]
    assert set(entry["nodes"]) == {"y0_node", "y1_node"}


def test_functions_are_a_way_round(qcc_tool, tmp_path):
    proto = model([node("Twice", ["x"], ["y"], domain="my")], {"x": (F32, ["n"])}, {"y": (F32, ["n"])})
    proto.opset_import.append(helper.make_opsetid("my", 1))
    library = model([node("Relu", ["x"], ["y"])], {"x": (F32, ["n"])}, {"y": (F32, ["n"])})
    library.functions.append(helper.make_function(
        "my", "Twice", ["p"], ["q"], [node("Add", ["p", "p"], ["q"])], [helper.make_opsetid("", 21)]))
    library.opset_import.append(helper.make_opsetid("my", 1))
    onnx.save(library, tmp_path / "library.onnx")
    assert check(qcc_tool, tmp_path, proto)[0] == 4
    assert check(qcc_tool, tmp_path, proto, f"--functions={tmp_path / 'library.onnx'}")[0] == 0
