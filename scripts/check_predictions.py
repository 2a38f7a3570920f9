#!/usr/bin/env python3
"""How well predicted losses of mixed-precision builds rank measured ones.

usage: check_predictions.py MODEL.onnx DATA [--ctx N] [--held-out DATA] [options]

Asks `qcc quantize` what each weight would lose under each scheme, draws allocations at random (each
weight takes any scheme with equal odds), builds them with codes to nearest and measures their loss:
KL divergence on token files, 1 - cosine otherwise. Prints both, and the rank correlation of the sums of
predictions with the measurements; exits with 1 below --least.
"""
import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path


def ranks(values):
    order = sorted(range(len(values)), key=values.__getitem__)
    result = [0.0] * len(values)
    for rank, index in enumerate(order):
        result[index] = rank
    return result


def spearman(a, b):
    a, b = ranks(a), ranks(b)
    mean = (len(a) - 1) / 2
    covariance = sum((x - mean) * (y - mean) for x, y in zip(a, b))
    return covariance / sum((x - mean) ** 2 for x in a)


class Checker:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.windows = ["--ctx", str(options.ctx)] if options.ctx else []

    def qcc(self, *arguments):
        result = subprocess.run([self.options.qcc, *map(str, arguments)], capture_output=True, text=True)
        if result.returncode:
            sys.exit(f"qcc {' '.join(map(str, arguments))}\n{result.stderr}")
        return result.stdout

    def predictions(self):
        """Predicted loss of each weight under each scheme."""
        o = self.options
        if o.report:
            return json.loads(Path(o.report).read_text())
        report = self.folder / "report.json"
        self.qcc("quantize", o.model, f"--quantize={o.schemes}", f"--calib={o.data}", *self.windows, "--calib-samples",
                 o.samples, "--method=rtn", "--budget-size=1TB", f"--report={report}", "--attribution=0", "--accept=none",
                 "-o", self.folder / "any.qnt")
        return json.loads(report.read_text())

    def measured(self, choice, reference):
        """Loss of a build with these schemes by weight."""
        recipe = self.folder / "allocation.yaml"
        lines = [f"  - {{match: '{name}', quantize: '{scheme}'}}\n" for name, scheme in choice.items()]
        recipe.write_text("overrides:\n" + "".join(lines))
        data = self.options.held_out or self.options.data
        how = "--tokens" if self.options.ctx else "--data"
        out = json.loads(self.qcc("eval", self.options.model, f"--quantize={next(iter(choice.values()))}",
                                  f"--recipe={recipe}", how, data, *self.windows, "--limit", self.options.limit,
                                  "--against", reference, "--json"))
        return out["kld_mean"] if self.options.ctx else 1 - out["outputs"][0]["cosine"]

    def run(self):
        report, reference = self.predictions(), self.folder / "reference.so"
        self.qcc(self.options.model, "--target=native", "--numerics=exact", "-o", reference)
        draw, predicted, measured = random.Random(self.options.seed), [], []
        allowed = set(self.options.schemes.split(","))
        for i in range(self.options.count):
            choice, loss = {}, 0
            for tensor in report["tensors"]:
                every = tensor["candidates"]
                # Tables have schemes of their own; beside a single scheme, weights stay floats.
                named = [c for c in every if c["scheme"] in allowed or len(allowed) < 2]
                picked = draw.choice(named or every)
                choice[tensor["name"]] = picked["scheme"]
                loss += picked["predicted_loss"]
            predicted.append(loss)
            measured.append(self.measured(choice, reference))
            print(f"{i:3} predicted {loss:.4e} measured {measured[-1]:.4e}", flush=True)
        return spearman(predicted, measured)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("data", help="to predict on, as --calib takes it")
    parser.add_argument("--held-out", help="to measure on (default: DATA)")
    parser.add_argument("--ctx", type=int, help="window of token files")
    parser.add_argument("--schemes", default="w8a8,w4a8:g32,w4a8:g128,w3a8:g32")
    parser.add_argument("--samples", type=int, default=16, help="to predict on")
    parser.add_argument("--limit", type=int, default=20, help="samples to measure on")
    parser.add_argument("--count", type=int, default=20, help="allocations")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--least", type=float, default=0.8, help="rank correlation that is good enough")
    parser.add_argument("--report", help="predictions that an earlier run of qcc quantize reported")
    parser.add_argument("--qcc", default="build/bin/qcc")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="qcc-predictions-") as folder:
        rank = Checker(options, Path(folder)).run()
    print(f"rank correlation {rank:.3f}, wanted {options.least}")
    return rank < options.least


if __name__ == "__main__":
    sys.exit(main())
