"""Small models with random weights, of the demo models' structure."""

import json
import struct

import numpy as np

from qcc.models import minilm, stories15m
from qcc.onnx_writer import FLOAT, INT64, Graph, Safetensors


def write_safetensors(path, tensors, pad=b""):
    header, at = {}, 0
    for name, tensor in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(tensor.shape),
                        "data_offsets": [at, at + tensor.nbytes]}
        at += tensor.nbytes
    text = json.dumps(header).encode() + pad
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(t.tobytes() for t in tensors.values()))
    return Safetensors(path)


def llama_weights(c, rng):
    kv, shapes = c.kv_heads * c.head, {"model.embed_tokens": (c.vocabulary, c.hidden), "model.norm": (c.hidden,)}
    for i in range(c.layers):
        p = f"model.layers.{i}."
        shapes |= {p + "input_layernorm": (c.hidden,), p + "post_attention_layernorm": (c.hidden,),
                   p + "self_attn.q_proj": (c.hidden, c.hidden), p + "self_attn.k_proj": (kv, c.hidden),
                   p + "self_attn.v_proj": (kv, c.hidden), p + "self_attn.o_proj": (c.hidden, c.hidden),
                   p + "mlp.gate_proj": (c.mlp, c.hidden), p + "mlp.up_proj": (c.mlp, c.hidden),
                   p + "mlp.down_proj": (c.hidden, c.mlp)}
    return {f"{k}.weight": rng.normal(0, 0.3, s).astype(np.float32) for k, s in shapes.items()}


def bert_weights(rng, layers, hidden, mlp):
    shapes = {"embeddings.word_embeddings.weight": (40, hidden), "embeddings.token_type_embeddings.weight": (2, hidden),
              "embeddings.position_embeddings.weight": (16, hidden)}
    linears = {"attention.self.query": (hidden, hidden), "attention.self.key": (hidden, hidden),
               "attention.self.value": (hidden, hidden), "attention.output.dense": (hidden, hidden),
               "intermediate.dense": (mlp, hidden), "output.dense": (hidden, mlp)}
    norms = ["embeddings.LayerNorm"]
    for i in range(layers):
        for name, shape in linears.items():
            shapes |= {f"encoder.layer.{i}.{name}.weight": shape, f"encoder.layer.{i}.{name}.bias": shape[:1]}
        norms += [f"encoder.layer.{i}.{part}.LayerNorm" for part in ("attention.output", "output")]
    for norm in norms:
        shapes |= {f"{norm}.weight": (hidden,), f"{norm}.bias": (hidden,)}
    return {k: rng.normal(0, 0.3, s).astype(np.float32) for k, s in shapes.items()}


LLAMA = stories15m.Config(hidden=64, mlp=96, layers=2, heads=4, kv_heads=2, vocabulary=80)


def write_bert(folder):
    """An encoder of two layers; returns the model's path."""
    weights = bert_weights(np.random.default_rng(1), 2, 64, 96)
    # Scales as after training: activations stay near one, so that int8 has a fair chance.
    weights = {k: v if "LayerNorm" not in k else np.full_like(v, float(k.endswith("weight")))
               for k, v in weights.items()}
    source = write_safetensors(folder / "bert.safetensors", weights)
    return minilm.build(source, layers=2, hidden=64, heads=4).save(folder / "bert.onnx")


def write_llama(folder):
    """A decoder of two layers with grouped-query attention; returns the model's path."""
    weights = llama_weights(LLAMA, np.random.default_rng(2))
    source = write_safetensors(folder / "llama.safetensors", weights)
    return stories15m.build(source, LLAMA).save(folder / "llama.onnx")


def write_mlp(folder, width, hidden):
    """[n] ids to [n, width]: a look-up, two layers with ReLU between, a residual sum; returns the model's path."""
    rng = np.random.default_rng(5)
    tensors = {"table": (64, width), "up": (width, hidden), "down": (hidden, width), "b.up": (hidden,), "b.down": (width,)}
    tensors = {k: rng.standard_t(5, s).astype(np.float32) * 0.3 for k, s in tensors.items()}
    g = Graph("mlp", write_safetensors(folder / "mlp.safetensors", tensors))
    x = g.node("Gather", g.weight("table"), g.input("ids", INT64, ["n"]), axis=0)
    h = g.node("Relu", g.node("Add", g.node("MatMul", x, g.weight("up")), g.weight("b.up")))
    y = g.node("Add", x, g.node("Add", g.node("MatMul", h, g.weight("down")), g.weight("b.down")))
    g.output(y, "y", FLOAT, ["n", width])
    return g.save(folder / "mlp.onnx")
