#!/usr/bin/env python3
"""Compares MiniLM compiled in f32 with ONNX Runtime on sentences.

usage: PYTHONPATH=python QCC_BUILD=build compare_minilm.py [--work DIR] [--artifact FILE] [--tolerance 1e-4]

DIR receives the model (as `make demo` writes it) and the artifact, unless they are there. Each sentence
runs alone, then all of them in one padded batch, where only unmasked positions count. Prints the largest
differences of hidden states; the exit status is 1 when one lies above the tolerance.
"""
import argparse
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import qcc
from qcc.models import minilm
from tokenizers import Tokenizer

SENTENCES = """A cat sat on the mat.
The quick brown fox jumps over the lazy dog.
Quantization maps weights to few bits.
How much wood would a woodchuck chuck?
Yes.
In 1969, people landed on the moon for the first time.
The train from platform nine leaves at a quarter past seven.
She had never seen so many colours in one place.
E = mc²
Please call Stella and ask her to bring these things from the store.
Ein Satz in einer anderen Sprache.
The committee could not agree on whether the proposal, which had been amended twice, should be voted on.
rm -rf build && cmake --preset default
To be, or not to be, that is the question.
Mitochondria are the powerhouse of the cell.
It rained all day; the river rose above its banks by evening.
Prices fell by 3.5 % in the second quarter.
What is the capital of Australia?
😀 unusual symbols — dashes, “quotes” and 漢字
The end.""".splitlines()


def inputs_of(encodings):
    """ids, mask and token types of sentences, padded to the longest."""
    length = max(len(e.ids) for e in encodings)

    def padded(rows):
        return np.array([row + [0] * (length - len(row)) for row in rows], dtype=np.int64)

    return {"input_ids": padded([e.ids for e in encodings]),
            "attention_mask": padded([[1] * len(e.ids) for e in encodings]),
            "token_type_ids": padded([e.type_ids for e in encodings])}


def difference(session, model, inputs):
    """The largest one of hidden states where the mask is set."""
    want = session.run(None, inputs)[0]
    got = np.asarray(list(model(**inputs).values())[0])
    return float(np.abs(got - want)[inputs["attention_mask"] != 0].max())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("minilm-work"))
    parser.add_argument("--artifact", type=Path, help="a compiled model; compiled here when absent")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    options = parser.parse_args()
    folder = options.work / "minilm"
    source = folder / "model.onnx"
    if not source.exists():
        source = Path(minilm.make(options.work, print))
    artifact = options.artifact or folder / "minilm-f32.so"
    if not artifact.exists():
        tool = Path(os.environ.get("QCC_BUILD", "build"), "bin/qcc")
        subprocess.run([tool, source, "--target=native", "-o", artifact], check=True)

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    encodings = [tokenizer.encode(sentence) for sentence in SENTENCES]
    session = onnxruntime.InferenceSession(str(source), providers=["CPUExecutionProvider"])
    model = qcc.load(str(artifact))
    alone = [difference(session, model, inputs_of([e])) for e in encodings]
    together = difference(session, model, inputs_of(encodings))
    print(f"{len(alone)} sentences of {min(len(e.ids) for e in encodings)} to "
          f"{max(len(e.ids) for e in encodings)} tokens on {model.level}")
    print(f"largest difference alone {max(alone):.3g}, in one batch {together:.3g}")
    return 1 if max([*alone, together]) > options.tolerance else 0


if __name__ == "__main__":
    sys.exit(main())
