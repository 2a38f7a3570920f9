#!/usr/bin/env python3
"""Random transformer-like graphs, compiled and interpreted, against onnxruntime without optimizations.

usage: fuzz_graphs.py [--seeds FIRST..LAST] [--jobs N] [--seconds S] [--keep DIR]

A seed is a graph, its data, a level and a target, so every find can be made again. Refusals are listed by
reason; graphs that onnxruntime takes for invalid, and those whose outputs rounding alone moves as far, do not
count. Finds are cut down to a few nodes and written to DIR as test folders (model.onnx, test_data_set_0).
The last line reads 'N passed, N failed'; the exit status is 1 when something failed.
"""
import argparse
import collections
import json
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHUNK = 25  # seeds for a process: generated code that crashes takes only those with it
sys.path[:0] = [str(ROOT / "test"), str(ROOT / "test/Fuzz"), str(ROOT / "python")]


def save(model, data, folder):
    import numpy as np
    import onnx
    from judge import expected
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "model.onnx")
    for number, (feeds, results) in enumerate(zip(data, expected(model, data))):
        where = folder / f"test_data_set_{number}"
        where.mkdir(exist_ok=True)
        names = [i.name for i in model.graph.input]
        for kind, table in (("input", {n: feeds[n] for n in names}), ("output", results)):
            for i, (name, value) in enumerate(table.items()):
                tensor = onnx.numpy_helper.from_array(np.asarray(value), name)
                (where / f"{kind}_{i}.pb").write_bytes(tensor.SerializeToString())


def work(first, last, options):
    """In a process of its own: a line of JSON for each seed before and after it is judged."""
    from judge import Judge, make, reduced
    with tempfile.TemporaryDirectory(prefix="qcc-fuzz-") as folder:
        judge = Judge(options.qcc, folder)
        for seed in range(first, last):
            print(json.dumps({"seed": seed}), flush=True)
            model, data = make(seed)
            verdict = judge.judge(model, data, seed)
            if verdict.fails and options.keep:
                save(*reduced(model, data, lambda m, d: judge.judge(m, d, seed).fails), Path(options.keep) / f"seed-{seed}")
            print(json.dumps({"seed": seed, "kind": verdict.kind, "what": verdict.what, "op": verdict.op}), flush=True)


def run_chunk(first, last, options):
    command = [sys.executable, __file__, "--worker", f"--seeds={first}..{last}", f"--qcc={options.qcc}"]
    if options.keep:
        command.append(f"--keep={options.keep}")
    done = subprocess.run(command, capture_output=True, text=True)
    seen = {}
    for line in done.stdout.splitlines():
        entry = json.loads(line)
        seen[entry["seed"]] = entry
    results = list(seen.values())
    for entry in results:
        if "kind" not in entry:
            entry |= {"kind": "crash", "what": f"the process ended with {done.returncode}: {done.stderr[-300:]}", "op": ""}
    if results and done.returncode and results[-1]["seed"] + 1 < last:
        results += run_chunk(results[-1]["seed"] + 1, last, options)
    if not results:
        sys.exit(f"the worker does not start: {done.stderr}")
    return results


def report(results):
    kinds = collections.Counter(r["kind"] for r in results)
    for kind in ("refused", "explained"):
        reasons = collections.defaultdict(list)
        for entry in results:
            if entry["kind"] == kind:
                reasons[re.sub(r"node '[^']*'", "a node", entry["what"])].append(entry["seed"])
        for reason, seeds in sorted(reasons.items(), key=lambda item: -len(item[1])):
            print(f"{kind} {len(seeds)} (seed {seeds[0]}): {reason}")
    for entry in results:
        if entry["kind"] in ("mismatch", "crash"):
            print(f"{entry['kind']} seed {entry['seed']} {entry['op']}: {entry['what']}")
    failed = kinds["mismatch"] + kinds["crash"]
    print(", ".join(f"{count} {kind}" for kind, count in kinds.most_common()))
    print(f"{kinds['agree'] + kinds['explained']} passed, {failed} failed")
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", default="0..1000", help="first and last, the last one left out")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seconds", type=float, help="stop after this time")
    parser.add_argument("--keep", help="folder for finds")
    parser.add_argument("--qcc", default=str(ROOT / "build/bin/qcc"))
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    first, last = map(int, options.seeds.split(".."))
    if options.worker:
        return work(first, last, options)
    deadline = time.monotonic() + options.seconds if options.seconds else None

    def chunk(start):
        if deadline and time.monotonic() > deadline:
            return []
        return run_chunk(start, min(start + CHUNK, last), options)
    with ThreadPoolExecutor(options.jobs) as pool:
        results = [entry for part in pool.map(chunk, range(first, last, CHUNK)) for entry in part]
    return report(results) > 0


if __name__ == "__main__":
    sys.exit(main())
