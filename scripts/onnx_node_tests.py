#!/usr/bin/env python3
"""Compiles and runs the backend tests that the onnx package carries, one process per step.

usage: onnx_node_tests.py QCC [-k SUBSTRING] [--variants static,dynamic,constants] [--table] [--json FILE]

Each test is a model with inputs and expected outputs. It is compiled at -O1 for this machine and run
on all of its data sets. Variants of it are

  static     the model as it is
  dynamic    with a symbol for every size of its inputs
  constants  with constants for all inputs but the first

and what happens is one of

  pass     every output agrees
  refused  exit 4: qcc says that it cannot compile the op, type or form
  fail     wrong values, or a valid model that is called invalid
  crash    a signal, exit 70, or no end within the time limit

Tests whose data contradict the operator's definition are listed as disputed. Refusals are listed by reason and
are no failures; with --strict they are. --table counts what passes by operator, and what a compiler of tensor
graphs leaves out by reason. The last line reads 'N passed, N failed'; the exit status is 1 when something failed.
"""
import argparse
import collections
import concurrent.futures
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import onnx_node_models as models

INTERNAL = 70  # exit code of a fault of qcc
UNSUPPORTED = 4
# Expected outputs that contradict the operator's definition, with what is wrong about them.
DISPUTED = dict.fromkeys((f"test_qlinearmatmul_{rank}D_int8_{scale}" for rank in (2, 3)
                          for scale in ("float16", "float32")),
                         "the expected values wrap around where QLinearMatMul saturates")
DISPUTED |= dict.fromkeys((f"test_resize_downsample_scales_{mode}_align_corners" for mode in ("cubic", "linear")),
                          "the expected values take length_resized as a fraction, the operator as the result's length")

# Operators of transformers and of quantization, all of whose tests have to pass.
COMPLETE = {"Attention", "RMSNormalization", "RotaryEmbedding", "TensorScatter", "Gelu", "Swish", "LayerNormalization",
            "QuantizeLinear", "DequantizeLinear", "MatMulInteger", "QLinearMatMul", "DynamicQuantizeLinear"}
ALL_MUST_PASS, REST = "what transformers and quantization need", "the rest"


@dataclass
class Outcome:
    name: str
    variant: str
    status: str
    step: str = ""
    message: str = ""
    seconds: float = 0.0


def call(command: list[str], timeout: float) -> tuple[int, str]:
    """Exit status (negative: a signal) and what was printed."""
    environment = dict(os.environ, NO_COLOR="1", QCC_NUM_THREADS="1")
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace",
                              timeout=timeout, env=environment)
    except subprocess.TimeoutExpired:
        return -signal.SIGALRM, f"ran longer than {timeout:g} s"
    return done.returncode, (done.stderr + done.stdout).strip()


def classify(status: int) -> str:
    if status == 0:
        return "pass"
    if status == UNSUPPORTED:
        return "refused"
    return "crash" if status < 0 or status >= INTERNAL else "fail"


def commands(qcc: str, source: str, sets: list[str], work: str, options) -> list[tuple[str, list[str]]]:
    """The steps from a model to its outputs."""
    if options.reference:
        return [("interpret", [qcc, "run", source, "--reference", *sets])]
    steps, artifact = [], str(Path(work, "model.so"))
    if options.exported:
        exported = str(Path(work, "exported.onnx"))
        steps, source = [("export", [qcc, source, "-o", exported])], exported
    return steps + [("compile", [qcc, source, f"-O{options.level}", f"--target={options.target}", "--threads=1",
                                 "-o", artifact]),
                    ("run", [qcc, "run", artifact, "--threads=1", *sets])]


def run_test(qcc: str, folder: Path, variant: str, options) -> Outcome | None:
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="qcc-node-") as work:
        written = models.write_variant(folder, variant, Path(work))
        if written is None:
            return None
        source, data = written
        sets = [argument for one in data for argument in ("--test-data", str(one))]
        for step, command in commands(qcc, str(source), sets, work, options):
            status, output = call(command, options.timeout)
            if status != 0:
                break
    outcome = Outcome(folder.name, variant, classify(status), step, output if status else "")
    if outcome.status == "fail" and folder.name in DISPUTED:
        outcome.status, outcome.message = "disputed", DISPUTED[folder.name]
    outcome.seconds = round(time.monotonic() - start, 3)
    return outcome


def headline(message: str) -> str:
    """The line that names the diagnostic."""
    lines = message.splitlines() or [""]
    return next((line for line in lines if "error" in line), lines[0])


def reason(outcome: Outcome) -> str:
    """What a refusal is about, without the names that only this test has."""
    lines = outcome.message.splitlines()
    note = next((line for line in lines if line.startswith("note:")), headline(outcome.message))
    note = re.sub(r"'[^']*'", "'…'", note.removeprefix("note: "))
    return re.sub(r"\S*(model\.onnx|model\.so|test_data_set_\d+\S*):? ?", "", note)[:110]


def report(outcomes: list[Outcome], full: bool, strict: bool) -> int:
    refused = [o for o in outcomes if o.status == "refused"]
    reasons = collections.Counter(reason(o) for o in refused)
    for text, count in reasons.most_common():
        print(f"refused {count:4d}  {text}")
    for outcome in (o for o in outcomes if o.status == "disputed"):
        print(f"disputed {outcome.name}: {outcome.message}")
    bad = [o for o in outcomes if o.status in ("fail", "crash") or strict and o.status == "refused"]
    for outcome in bad:
        variant = "" if outcome.variant == "static" else f" as {outcome.variant}"
        print(f"{outcome.status} {outcome.name}{variant} ({outcome.step}): {headline(outcome.message)[:300]}")
        if full:
            print("    " + outcome.message.replace("\n", "\n    "))
    counts = collections.Counter(o.status for o in outcomes)
    print(f"{len(outcomes)} tests: {counts['pass']} pass, {counts['refused']} refused, "
          f"{counts['fail']} fail, {counts['crash']} crash")
    print(f"{counts['pass']} passed, {len(bad)} failed")
    return 1 if bad else 0


def table(outcomes: list[Outcome], folders: dict[str, Path], variants: list[str]) -> None:
    """Passes and tests by operator and variant, and the tests that are left out by reason."""
    excluded = {name: why for name, folder in folders.items() if (why := models.left_out(models.load(folder)))}
    operators = {name: models.operator(folder) for name, folder in folders.items() if name not in excluded}
    passed, total = collections.Counter(), collections.Counter()
    for outcome in (o for o in outcomes if o.name in operators):
        group = ALL_MUST_PASS if operators[outcome.name] in COMPLETE else REST
        for row in (operators[outcome.name], group):
            total[row, outcome.variant] += 1
            passed[row, outcome.variant] += outcome.status in ("pass", "disputed")
    print("".join(f"{title:>16s}" for title in variants) + "  operator")
    for row in (*sorted(set(operators.values())), ALL_MUST_PASS, REST):
        cells = (f"{passed[row, v]} of {total[row, v]}" if total[row, v] else "-" for v in variants)
        print("".join(f"{cell:>16s}" for cell in cells) + f"  {row}")
    for variant in variants:
        share = {row: 100 * passed[row, variant] / max(1, total[row, variant]) for row in (ALL_MUST_PASS, REST)}
        print(f"{variant}: {share[ALL_MUST_PASS]:.1f} % of {ALL_MUST_PASS}, {share[REST]:.1f} % of {REST}")
    for why, count in collections.Counter(excluded.values()).most_common():
        print(f"left out {count:4d}  {why}: {', '.join(sorted(n for n, w in excluded.items() if w == why))}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("qcc")
    parser.add_argument("-k", default="", metavar="SUBSTRING", help="only tests whose name holds it")
    parser.add_argument("--list", type=Path, help="file with the names of the tests to run, a line each")
    parser.add_argument("--kinds", default="node", help="comma list: node, simple, pytorch-operator, …")
    parser.add_argument("--variants", default="static", help=f"comma list of {', '.join(models.VARIANTS)}")
    parser.add_argument("--table", action="store_true", help="count by operator")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--level", default="1", help="optimisation level")
    parser.add_argument("--target", default="native")
    parser.add_argument("--reference", action="store_true", help="interpret instead of compiling")
    parser.add_argument("--exported", action="store_true", help="compile what qcc exports to ONNX instead")
    parser.add_argument("--timeout", type=float, default=60, help="seconds for one step")
    parser.add_argument("--at-least", type=int, default=0, help="fail when fewer tests pass")
    parser.add_argument("--strict", action="store_true", help="count refusals as failures")
    parser.add_argument("--json", type=Path, help="write every outcome here")
    parser.add_argument("--list-failures", action="store_true", help="print failures in full")
    options = parser.parse_args()

    listed = None
    if options.list:
        lines = (line.split("#")[0].strip() for line in options.list.read_text().splitlines())
        listed = [line for line in lines if line]
    variants = options.variants.split(",")
    if unknown := set(variants) - set(models.VARIANTS):
        parser.error(f"no variant {', '.join(unknown)}; there are {', '.join(models.VARIANTS)}")
    folders = models.folders(options.kinds.split(","), options.k, listed)
    cases = [(folder, variant) for folder in folders for variant in variants]
    outcomes = []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        done = pool.map(lambda case: run_test(options.qcc, *case, options), cases)
        for count, outcome in enumerate(done):
            outcomes += [outcome] if outcome else []
            if sys.stderr.isatty():
                print(f"\r{count + 1}/{len(cases)}", end="", file=sys.stderr)
    if options.json:
        options.json.write_text(json.dumps([asdict(o) for o in outcomes], indent=1))
    if options.table:
        table(outcomes, {f.name: f for f in folders}, variants)
    status = report(outcomes, options.list_failures, options.strict)
    passed = sum(o.status == "pass" for o in outcomes)
    if passed < options.at_least:
        print(f"only {passed} pass, {options.at_least} are expected", file=sys.stderr)
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
