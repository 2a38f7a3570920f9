"""onnxruntime as a reference: without its optimizer, and with the same integers on every processor.

On processors with AVX2 or AVX-512 but without VNNI, its products of unsigned by signed bytes add pairs in 16 bits,
which saturate (onnxruntime's documentation of quantization, "When and why do I need to try U8U8?"). Its products
of unsigned bytes are exact everywhere, so signed operands and their zero points move up by 128 before it sees them;
their differences, and with them the products, stay what they are.
"""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

# Of each operator that multiplies bytes: its operands and their zero points, the zero point of its result.
PRODUCTS = {
    "MatMulInteger": ([(0, 2), (1, 3)], None),
    "ConvInteger": ([(0, 2), (1, 3)], None),
    "QLinearMatMul": ([(0, 2), (3, 5)], 7),
    "QLinearConv": ([(0, 2), (3, 5)], 7),
    "MatMulIntegerToFloat": ([(0, 4), (1, 5)], None),
    "DynamicQuantizeMatMul": ([(1, 3)], None),
    "QGemm": ([(0, 2), (3, 5)], 8),
    "QAttention": ([(0, 6), (1, 7)], None),
    "DynamicQuantizeLSTM": ([(1, 9), (2, 11)], None),
}
MOST_INPUTS = 12


class Unsigned:
    """A model whose products read unsigned bytes; its other nodes and the names of its values are as they were."""

    def __init__(self, model):
        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        graph = self.model.graph
        self.constants = {t.name: t for t in graph.initializer}
        inferred = onnx.shape_inference.infer_shapes(model).graph
        self.types = {v.name: v.type.tensor_type.elem_type for v in [*inferred.input, *inferred.value_info, *inferred.output]}
        self.types |= {name: t.data_type for name, t in self.constants.items()}
        nodes = list(graph.node)
        del graph.node[:]
        self.moved = {}
        for node in nodes:
            for made in self.rewritten(node):
                graph.node.append(made)

    def rewritten(self, node):
        """The node and those around it that move its signed operands up and its signed result down again."""
        if node.op_type not in PRODUCTS:
            return [node]
        operands, result = PRODUCTS[node.op_type]
        names = list(node.input) + [""] * (MOST_INPUTS - len(node.input))
        before, after = [], []
        for value, zero in operands:
            # A zero point has its operand's type, which inference does not know behind operators of other domains.
            if TensorProto.INT8 in (self.types.get(names[value]), self.types.get(names[zero])):
                names[value] = self.up(names[value], before)
                names[zero] = self.up(names[zero] or self.zero(), before)
        if result is not None and self.types.get(names[result]) == TensorProto.INT8:
            names[result] = self.up(names[result], before)
            raised = node.output[0] + "_up"
            after = self.added(raised, node.output[0], -128, TensorProto.INT8)
            node.output[0] = raised
        while names and not names[-1]:
            names.pop()
        del node.input[:]
        node.input.extend(names)
        return [*before, node, *after]

    def up(self, name, before):
        """The name of the value in unsigned bytes, which nodes that are appended to `before` compute."""
        if name not in self.moved:
            self.moved[name] = name + "_up"
            if name in self.constants:
                codes = numpy_helper.to_array(self.constants[name])
                self.store(self.moved[name], (codes.astype(np.int16) + 128).astype(np.uint8))
            else:
                before += self.added(name, self.moved[name], 128, TensorProto.UINT8)
        return self.moved[name]

    def zero(self):
        if "implied_zero_point" not in self.constants:
            self.store("implied_zero_point", np.zeros((), np.int8))
        return "implied_zero_point"

    def added(self, name, result, number, dtype):
        self.store(f"{result}_step", np.array(number, np.int32))
        return [helper.make_node("Cast", [name], [f"{result}_wide"], to=TensorProto.INT32),
                helper.make_node("Add", [f"{result}_wide", f"{result}_step"], [f"{result}_sum"]),
                helper.make_node("Cast", [f"{result}_sum"], [result], to=dtype)]

    def store(self, name, array):
        self.constants[name] = numpy_helper.from_array(array, name)
        self.model.graph.initializer.append(self.constants[name])


def session(model, threads=0):
    """An InferenceSession of the model; threads: of an operator, 0 for as many as there are cores."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(Unsigned(model).model.SerializeToString(), options, providers=["CPUExecutionProvider"])
