#!/usr/bin/env python3
"""Compile time and peak memory over the number of layers.

usage: compile_scaling.py QCC [--layers 2,8,32] [--quantize w4a8:g32] [--work DIR]

Writes one file of random weights for the largest model (Llama layers of 576 channels, 9 heads over 3
key/value heads, a vocabulary of 49,152) and a graph per number of layers that reads ranges of it, so
that all models share their bytes. Prints a Markdown table; time and memory should grow by a constant
per layer.
"""
import argparse
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))
from qcc.models.stories15m import Config, build  # noqa: E402
from qcc.onnx_writer import Safetensors  # noqa: E402


def sizes(layers):
    return Config(hidden=576, mlp=1536, layers=layers, heads=9, kv_heads=3, vocabulary=49152)


def shapes(c):
    kv = c.kv_heads * c.head
    yield "model.embed_tokens.weight", (c.vocabulary, c.hidden)
    yield "model.norm.weight", (c.hidden,)
    for i in range(c.layers):
        for name, shape in {
                "input_layernorm": (c.hidden,), "post_attention_layernorm": (c.hidden,),
                "self_attn.q_proj": (c.hidden, c.hidden), "self_attn.k_proj": (kv, c.hidden),
                "self_attn.v_proj": (kv, c.hidden), "self_attn.o_proj": (c.hidden, c.hidden),
                "mlp.gate_proj": (c.mlp, c.hidden), "mlp.up_proj": (c.mlp, c.hidden),
                "mlp.down_proj": (c.hidden, c.mlp)}.items():
            yield f"model.layers.{i}.{name}.weight", shape


def write_weights(path, config):
    header, at, tensors = {}, 0, list(shapes(config))
    for name, shape in tensors:
        size = 4 * int(np.prod(shape))
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    random = np.random.default_rng(0)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for _, shape in tensors:
            random.standard_normal(int(np.prod(shape)), dtype=np.float32).tofile(f)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("qcc")
    parser.add_argument("--layers", default="2,8,32")
    parser.add_argument("--quantize", default="w4a8:g32")
    parser.add_argument("--work")
    options = parser.parse_args()
    counts = [int(n) for n in options.layers.split(",")]
    with tempfile.TemporaryDirectory(dir=options.work) as work:
        weights = Path(work, "model.safetensors")
        write_weights(weights, sizes(max(counts)))
        print("| layers | nodes | seconds | peak MB |\n|---:|---:|---:|---:|")
        for count in counts:
            model = build(Safetensors(weights), sizes(count)).save(Path(work, f"llama{count}.onnx"))
            command = [options.qcc, str(model), "-O2", "--target=native",
                       f"--quantize={options.quantize}", "-o", f"{work}/out.so", "--json"]
            start = time.monotonic()
            child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            errors = child.stderr.read()
            _, status, usage = os.wait4(child.pid, 0)
            if status:
                sys.exit(errors.decode())
            seconds = time.monotonic() - start
            checked = json.loads(subprocess.run([options.qcc, "check", str(model), "--json"],
                                                stdout=subprocess.PIPE, check=True).stdout)
            print(f"| {count} | {checked['nodes']} | {seconds:.2f} | {usage.ru_maxrss / 1024:.0f} |",
                  flush=True)


if __name__ == "__main__":
    main()
