#!/usr/bin/env python3
"""Writes an encoder of any size with random weights, for timing.

usage: random_encoder.py text|image OUT.onnx [--layers 12] [--width 768] [--heads 12]

text: BERT's layers (Devlin et al. 2019) on input_ids, attention_mask and token_type_ids, int64 [batch, sequence].
image: a vision transformer with patches of 16 (Dosovitskiy et al. 2021) on pixel_values, f32 [batch, 3, 224, 224].
The output is last_hidden_state, f32 [batch, tokens, width]. Operators are those that PyTorch's exporter writes for
opset 17. Weights are normal with deviation 0.02.
"""
import argparse
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

VOCABULARY, POSITIONS, PATCH, IMAGE = 20_000, 512, 16, 224


class Graph:
    def __init__(self, options):
        self.layers, self.width, self.heads = options.layers, options.width, options.heads
        self.nodes, self.weights, self.rng = [], [], np.random.default_rng(0)

    def weight(self, *shape):
        return self.constant((self.rng.standard_normal(shape) * 0.02).astype(np.float32))

    def constant(self, array):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def op(self, kind, *inputs, **attributes):
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def linear(self, x, columns, rows=None):
        return self.op("Add", self.op("MatMul", x, self.weight(rows or self.width, columns)), self.weight(columns))

    def norm(self, x):
        return self.op("LayerNormalization", x, self.constant(np.ones(self.width, np.float32)), self.weight(self.width),
                       axis=-1, epsilon=1e-6)

    def split(self, x, permutation):
        size = self.width // self.heads
        heads = self.op("Reshape", x, self.constant(np.array([0, -1, self.heads, size], np.int64)))
        return self.op("Transpose", heads, perm=permutation)

    def attention(self, x, mask):
        query, value = (self.split(self.linear(x, self.width), [0, 2, 1, 3]) for _ in range(2))
        key = self.split(self.linear(x, self.width), [0, 2, 3, 1])
        scores = self.op("Div", self.op("MatMul", query, key), self.number((self.width / self.heads) ** 0.5))
        scores = self.op("Add", scores, mask) if mask else scores
        mixed = self.op("MatMul", self.op("Softmax", scores, axis=-1), value)
        mixed = self.op("Transpose", mixed, perm=[0, 2, 1, 3])
        return self.linear(self.op("Reshape", mixed, self.constant(np.array([0, -1, self.width], np.int64))), self.width)

    def number(self, value):
        return self.constant(np.float32(value))

    def feed_forward(self, x):
        x = self.linear(x, 4 * self.width)
        bell = self.op("Add", self.op("Erf", self.op("Div", x, self.number(2 ** 0.5))), self.number(1))
        return self.linear(self.op("Mul", self.op("Mul", x, bell), self.number(0.5)), self.width, 4 * self.width)

    def text(self):
        """Norms behind the additions."""
        wide = self.op("Unsqueeze", "attention_mask", self.constant(np.array([1, 2], np.int64)))
        absent = self.op("Sub", self.number(1), self.op("Cast", wide, to=TensorProto.FLOAT))
        mask = self.op("Mul", absent, self.constant(np.finfo(np.float32).min))
        length = self.op("Gather", self.op("Shape", "input_ids"), self.constant(np.int64(1)), axis=0)
        zero, one = self.constant(np.int64(0)), self.constant(np.int64(1))
        places = self.op("Gather", self.weight(POSITIONS, self.width), self.op("Range", zero, length, one), axis=0)
        x = self.op("Add", self.op("Gather", self.weight(VOCABULARY, self.width), "input_ids", axis=0),
                    self.op("Gather", self.weight(2, self.width), "token_type_ids", axis=0))
        x = self.norm(self.op("Add", x, places))
        for _ in range(self.layers):
            x = self.norm(self.op("Add", x, self.attention(x, mask)))
            x = self.norm(self.op("Add", x, self.feed_forward(x)))
        return x

    def image(self):
        """Norms in front of the layers."""
        patches = (IMAGE // PATCH) ** 2
        x = self.op("Conv", "pixel_values", self.weight(self.width, 3, PATCH, PATCH), self.weight(self.width),
                    kernel_shape=[PATCH, PATCH], strides=[PATCH, PATCH])
        flat = self.op("Reshape", x, self.constant(np.array([0, self.width, patches], np.int64)))
        x = self.op("Transpose", flat, perm=[0, 2, 1])
        batch = self.op("Shape", "pixel_values", end=1)
        shape = self.op("Concat", batch, self.constant(np.array([1, self.width], np.int64)), axis=0)
        x = self.op("Concat", self.op("Expand", self.weight(1, 1, self.width), shape), x, axis=1)
        x = self.op("Add", x, self.weight(1, patches + 1, self.width))
        for _ in range(self.layers):
            x = self.op("Add", x, self.attention(self.norm(x), None))
            x = self.op("Add", x, self.feed_forward(self.norm(x)))
        return self.norm(x)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=("text", "image"))
    parser.add_argument("out", type=Path)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--heads", type=int, default=12)
    options = parser.parse_args()
    graph = Graph(options)
    result = getattr(graph, options.kind)()
    if options.kind == "text":
        inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
                  for name in ("input_ids", "attention_mask", "token_type_ids")]
    else:
        inputs = [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["batch", 3, IMAGE, IMAGE])]
    graph.nodes.append(helper.make_node("Identity", [result], ["last_hidden_state"]))
    output = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", "tokens", options.width])
    model = helper.make_model(helper.make_graph(graph.nodes, options.kind, inputs, [output], graph.weights),
                              opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, options.out)


if __name__ == "__main__":
    main()
