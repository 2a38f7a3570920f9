#!/usr/bin/env python3
"""Products, decoders and whole models on a GPU: prepared where there is a compiler, run where there is a GPU.

usage: gpu.py prepare DIR [--qcc build/bin/qcc] [--target x86-avx512,nvptx-sm_90a] [--model NAME=FILE.onnx …]
                           [--decoder NAME=FILE.onnx …] [--only GLOB]
       gpu.py run DIR [--gpu 0 | --cpu] [--seconds 1] [--only GLOB]

prepare compiles into DIR, which then is to be carried to the machine with the GPU. Weights do not travel: those of
products and decoders are random bytes that run makes, since time does not depend on them. What --model gives travels
whole, as w8a8, and is run on CPU and GPU, which must agree in every bit.

run prints a table and writes DIR/gpu.json. Times are of whole calls, copies and launches included: layers follow one
another within a call, so that they share that cost. GB/s counts bytes of weights, TOP/s two operations a multiply-add.
"""
import argparse
import fnmatch
import json
import shutil
import subprocess
import time
from dataclasses import asdict
from pathlib import Path

from feeds import feeds
from gpu_cases import case_of, cases

ROOT = Path(__file__).resolve().parent.parent


# --- Preparing -----------------------------------------------------------------------------------------------------


def compile_to(options, source, artifact, *more):
    subprocess.run([str(options.qcc), str(source), "-O3", f"--target={options.target}", "--accept=none", *more, "-o",
                    str(artifact)], check=True)


def code_of(options, source, name, *more):
    """Compiles and keeps the code alone. Returns how many bytes of weights it wants."""
    artifact = options.folder / f"{name}.so"
    compile_to(options, source, artifact, "--weights=file", *more)
    sidecar = artifact.with_suffix(".weights")
    size = sidecar.stat().st_size if sidecar.exists() else 0
    sidecar.unlink(missing_ok=True)
    return size


def prepare(options):
    folder = options.folder
    (folder / "lib").mkdir(parents=True, exist_ok=True)
    shutil.copy(options.qcc.parent.parent / "lib/libqcc-runtime.so", folder / "lib/libqcc-runtime.so")
    sizes, listed = {}, []
    for case in cases():
        if not fnmatch.fnmatch(case.name, options.only):
            continue
        listed.append({"kind": type(case).__name__, **asdict(case)})
        if case.artifact in sizes:
            continue
        source = folder / "layers.onnx"
        case.write(source)
        sizes[case.artifact] = code_of(options, source, case.artifact, *case.options())
        for left in (source, Path(str(source) + ".data")):
            left.unlink(missing_ok=True)
    for text in options.model:
        name, _, file = text.partition("=")
        compile_to(options, file, folder / f"{name}.so", "--quantize=w8a8")
    for text in options.decoder:
        name, _, file = text.partition("=")
        sizes[name] = code_of(options, file, name, "--quantize=w4a8:g32:sym")
    (folder / "index.json").write_text(json.dumps({
        "cases": listed, "sizes": sizes, "models": [text.partition("=")[0] for text in options.model],
        "decoders": [text.partition("=")[0] for text in options.decoder]}, indent=1))
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    print(f"{folder}: {len(sizes)} artifacts without weights, {len(options.model)} with, {size / 1e6:.1f} MB")


# --- Running -------------------------------------------------------------------------------------------------------


def make_weights(folder, name, size):
    """Random bytes, which compress nowhere, in the place of the artifact's sidecar."""
    import numpy as np

    path = folder / f"{name}.weights"
    # Exponents of 16-bit scales stay small: sums of rows of them are finite.
    block = np.random.default_rng(0).integers(0, 64, 16 << 20, np.uint8).tobytes()
    with open(path, "wb") as out:
        for at in range(0, size, len(block)):
            out.write(block[:min(len(block), size - at)])
    return path


def seconds_of(call, seconds):
    """The least of the calls within so many seconds, after three to warm up."""
    for _ in range(3):
        call()
    least, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        call()
        least = min(least, time.perf_counter() - start)
    return least


def run_case(case, folder, size, gpu, seconds):
    """Seconds of a run, and how much of its unit it does in one."""
    import numpy as np
    import qcc

    sidecar = make_weights(folder, case.artifact, size)
    try:
        session = qcc.load(folder / f"{case.artifact}.so", gpu=gpu).session()
        inputs = case.inputs(np.random.default_rng(1))
        least = seconds_of(lambda: session(**inputs), seconds)
    finally:
        sidecar.unlink()
    return least, case.amount(size) / least / (1e9 if case.unit == "GB/s" else 1e12)


def dims_of(model):
    """Sizes of inputs: 4 rows of 64, and a cache that is empty."""
    sizes = {}

    def dims(tensor):
        past = tensor.role.startswith("past")
        return [int(d) if d.isdigit() else 0 if past and axis == 2 else sizes.setdefault(d, 64 if sizes else 4)
                for axis, d in enumerate(tensor.dims)]

    return {tensor.name: dims(tensor) for tensor in model.signature.inputs}


def difference(here, there):
    """Bytes that differ between outputs, bytes, the largest difference."""
    import numpy as np

    differ = sum(int((np.ascontiguousarray(here[k]).view(np.uint8) != np.ascontiguousarray(there[k]).view(np.uint8)).sum())
                 for k in here)
    largest = max(float(np.abs(here[k].astype(float) - there[k].astype(float)).max(initial=0)) for k in here)
    return differ, sum(v.nbytes for v in here.values()), largest


def agreement(folder, name, gpu):
    """How a model's outputs differ between GPU and CPU."""
    import qcc

    model = qcc.load(folder / f"{name}.so")
    inputs = feeds(model, dims_of(model))
    return difference(model.session()(**inputs), model.session(gpu=gpu)(**inputs))


def decoding(folder, name, gpu, seconds):
    """Tokens a second of one row, behind 16 positions."""
    import numpy as np
    import qcc

    decoder = qcc.load(folder / f"{name}.so", gpu=gpu).decoder(1, 1024, logits_rows=1)
    decoder.step(np.ones((1, 16), np.int64))
    one, count, start = np.ones((1, 1), np.int64), 0, time.perf_counter()
    while count < 900 and time.perf_counter() - start < seconds:
        decoder.step(one)
        count += 1
    return count / (time.perf_counter() - start)


def decoded(folder, name, gpu):
    """How logits of a prompt and of the tokens behind it differ between GPU and CPU."""
    import numpy as np
    import qcc

    ids = np.random.default_rng(3).integers(0, 30, (1, 40))
    steps = [ids[:, :32]] + [ids[:, i:i + 1] for i in range(32, 40)]

    def logits(where):
        decoder = qcc.load(folder / f"{name}.so", gpu=where).decoder(1, 64, logits_rows=1)
        return {i: np.array(decoder.step(step)) for i, step in enumerate(steps)}

    return difference(logits(None), logits(gpu))


def report(results, name, found):
    """Prints and keeps what difference() found."""
    differ, count, largest = found
    results["models"][name] = {"differ": differ, "bytes": count, "largest": largest}
    print(f"| {name}: bytes that differ from the CPU's | | {differ} of {count}, by {largest:.1e} | 0 |", flush=True)


def run(options):
    import qcc

    folder = options.folder
    index = json.loads((folder / "index.json").read_text())
    gpu = None if options.cpu else qcc.Gpu(options.gpu)
    where = "CPU" if options.cpu else gpu.name
    print(f"| {where} | ms | rate | wanted |\n|---|---:|---:|---:|", flush=True)
    results = {"device": where, "cases": [], "models": {}, "decoders": {}}
    for entry in index["cases"]:
        case = case_of(entry)
        if not fnmatch.fnmatch(case.name, options.only):
            continue
        least, rate = run_case(case, folder, index["sizes"][case.artifact], gpu, options.seconds)
        results["cases"].append({**entry, "ms": least * 1e3, "rate": rate})
        wanted = f"{case.bar:g}" if case.bar else ""
        print(f"| {case.name} | {least * 1e3:.3f} | {rate:.1f} {case.unit} | {wanted} |", flush=True)
    for name in index["decoders"]:
        sidecar = make_weights(folder, name, index["sizes"][name])
        try:
            results["decoders"][name] = rate = decoding(folder, name, gpu, options.seconds)
            print(f"| {name}, batch 1 | {1e3 / rate:.3f} | {rate:.0f} tokens/s | |", flush=True)
            if gpu:
                report(results, name, decoded(folder, name, gpu))
        finally:
            sidecar.unlink()
    for name in index["models"] if gpu else []:
        report(results, name, agreement(folder, name, gpu))
    (folder / "gpu.json").write_text(json.dumps(results, indent=1))


def main():
    parser = argparse.ArgumentParser(usage=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["prepare", "run"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--qcc", type=Path, default=ROOT / "build/bin/qcc")
    parser.add_argument("--target", default="x86-avx512,nvptx-sm_90a")
    parser.add_argument("--model", action="append", default=[], metavar="NAME=FILE.onnx")
    parser.add_argument("--decoder", action="append", default=[], metavar="NAME=FILE.onnx")
    parser.add_argument("--only", default="*", metavar="GLOB")
    parser.add_argument("--gpu", type=int, default=0)
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--seconds", type=float, default=1)
    options = parser.parse_args()
    options.folder = options.folder.absolute()
    if options.step == "prepare":
        return prepare(options)
    import qcc

    try:
        return run(options)
    except qcc.Error as error:
        raise SystemExit(f"gpu.py: {error}")


if __name__ == "__main__":
    main()
