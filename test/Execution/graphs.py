"""Small ONNX graphs, compiled and interpreted, against values that the test computes itself."""

import os
import subprocess

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402


def normal(*shape, seed=7, scale=1.0):
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def model(nodes, inputs, outputs, weights=(), opset=21, nested=()):
    """inputs and outputs: {name: (dtype, dims)}; weights: {name: array}."""
    def infos(table):
        return [helper.make_tensor_value_info(k, d, s) for k, (d, s) in table.items()]
    graph = helper.make_graph(nodes, "g", infos(inputs), infos(outputs),
                              [numpy_helper.from_array(v, k) for k, v in dict(weights).items()])
    return helper.make_model(graph, ir_version=10, opset_imports=[
        helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)])


def subgraph(nodes, outputs, inputs=(), weights=()):
    return helper.make_graph(nodes, "branch",
                             [helper.make_tensor_value_info(k, d, s) for k, (d, s) in dict(inputs).items()],
                             [helper.make_tensor_value_info(k, d, s) for k, (d, s) in outputs.items()],
                             [numpy_helper.from_array(v, k) for k, v in dict(weights).items()])


def contrib(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs, outputs, domain="com.microsoft", **attributes)


def write_set(folder, inputs, outputs):
    folder.mkdir()
    for kind, table in (("input", inputs), ("output", outputs)):
        for i, (name, value) in enumerate(table.items()):
            tensor = value if isinstance(value, TensorProto) else numpy_helper.from_array(np.asarray(value), name)
            (folder / f"{kind}_{i}.pb").write_bytes(tensor.SerializeToString())


def check(qcc_tool, folder, proto, sets, atol=1e-5, rtol=1e-5):
    """Every set of ({input: array}, {output: array}) by one artifact, and by the interpreter."""
    path = folder / "model.onnx"
    onnx.save(proto, path)
    data = []
    for i, (inputs, outputs) in enumerate(sets):
        write_set(folder / f"set{i}", inputs, outputs)
        data += ["--test-data", folder / f"set{i}"]
    tolerance = ["--atol", str(atol), "--rtol", str(rtol)]
    environment = dict(os.environ, NO_COLOR="1", QCC_NUM_THREADS="1")
    for command in ([path, "-O1", "--target=native", "-o", folder / "model.so"],
                    ["run", folder / "model.so", *data, *tolerance],
                    ["run", path, "--reference", *data, *tolerance]):
        done = subprocess.run([qcc_tool, *command], capture_output=True, text=True, env=environment)
        assert done.returncode == 0, (command, done.stdout + done.stderr)


def expected(proto, inputs):
    """{output: array} by onnxruntime."""
    from peer import session
    return dict(zip([o.name for o in proto.graph.output], session(proto).run(None, inputs)))


def refusal(qcc_tool, folder, proto):
    """The message of a model that is not compiled."""
    path = folder / "model.onnx"
    onnx.save(proto, path)
    done = subprocess.run([qcc_tool, path, "-O1", "-o", folder / "model.so"], capture_output=True, text=True,
                          env=dict(os.environ, NO_COLOR="1"))
    assert done.returncode == 4, done.stdout + done.stderr
    return done.stderr
