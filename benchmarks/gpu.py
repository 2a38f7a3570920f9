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
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Case:
    """Layers of N × K on M rows; `bar` is what we are after."""

    name: str
    scheme: str
    m: int
    n: int
    k: int
    layers: int = 1
    chained: bool = False
    numerics: str = "exact"
    unit: str = "GB/s"
    bar: float = 0

    @property
    def artifact(self):
        """Rows are no property of the code."""
        form = "chain" if self.chained else "list"
        return f"{self.scheme.replace(':', '-')}-{self.n}x{self.k}-{form}{self.layers}-{self.numerics}"


def cases():
    w4, w8 = "w4a8:g32:sym", "w8a8"
    found = []
    for m in (1, 4, 16):
        found += [Case(f"W4 8192x28672, M = {m}", w4, m, 28672, 8192, layers=8, bar=3400),
                  Case(f"W4 8192x8192, M = {m}", w4, m, 8192, 8192, layers=32, bar=2600),
                  Case(f"W4 4096x4096, M = {m}", w4, m, 4096, 4096, layers=64, bar=1300)]
    return found + [
        Case("W4 8192x8192, 32 chained", w4, 1, 8192, 8192, layers=32, chained=True, bar=3200),
        Case("W4 8192x8192, M = 128", w4, 128, 8192, 8192, layers=32, unit="TOP/s"),
        Case("int8 8192^3", w8, 8192, 8192, 8192, unit="TOP/s", bar=950),
        Case("bf16 8192^3", "keep", 8192, 8192, 8192, numerics="fast", unit="TOP/s", bar=600),
    ]


# --- Preparing -----------------------------------------------------------------------------------------------------


def write_layers(path, case):
    """Layers without weights worth reading: a file with a hole. 4-bit ones are stored as MatMulNBits has them.

    Rows are made of a row and a column, and of the results sixteen come back: what crosses the bus is next to nothing.
    """
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights, at = [], 0

    def weight(name, dtype, dims, size):
        nonlocal at
        tensor = TensorProto(name=name, data_type=dtype, dims=dims, data_location=TensorProto.EXTERNAL)
        for key, entry in (("location", path.name + ".data"), ("offset", at), ("length", size)):
            tensor.external_data.add(key=key, value=str(entry))
        weights.append(tensor)
        at += size

    value, nodes, outputs = "rows", [helper.make_node("Add", ["row", "column"], ["rows"])], []
    for i in range(case.layers):
        name, out = f"w{i}", f"y{i}"
        if case.scheme.startswith("w4"):
            blocks = case.k // 32
            weight(name, TensorProto.UINT8, [case.n, blocks, 16], case.n * blocks * 16)
            weight(name + "s", TensorProto.FLOAT, [case.n * blocks], case.n * blocks * 4)
            nodes.append(helper.make_node("MatMulNBits", [value, name, name + "s"], [out], domain="com.microsoft", K=case.k,
                                          N=case.n, bits=4, block_size=32, accuracy_level=4))
        else:
            weight(name, TensorProto.FLOAT, [case.k, case.n], case.k * case.n * 4)
            nodes.append(helper.make_node("MatMul", [value, name], [out]))
        outputs.append(out)
        value = out if case.chained else "rows"
    for out in outputs[-1:] if case.chained else outputs:
        nodes.append(helper.make_node("Slice", [out, "begin", "end"], [out + "part"]))
    weights += [numpy_helper.from_array(np.array(v, np.int64), name) for name, v in (("begin", [0, 0]), ("end", [1, 16]))]
    info = [helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, [1, 16])
            for node in nodes if node.op_type == "Slice"]
    inputs = [helper.make_tensor_value_info("row", TensorProto.FLOAT, [1, case.k]),
              helper.make_tensor_value_info("column", TensorProto.FLOAT, ["m", 1])]
    graph = helper.make_graph(nodes, case.artifact, inputs, info, weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17),
                                                      helper.make_opsetid("com.microsoft", 1)]), path)
    with open(str(path) + ".data", "wb") as hole:
        hole.truncate(at)


def compile_to(options, source, artifact, *more):
    subprocess.run([str(options.qcc), str(source), "-O3", f"--target={options.target}", "--accept=none", *more, "-o",
                    str(artifact)], check=True)


def code_of(options, source, name, *more):
    """Compiles and keeps the code alone. Returns how many bytes of weights it wants."""
    artifact = options.folder / f"{name}.so"
    compile_to(options, source, artifact, "--weights=file", *more)
    sidecar = artifact.with_suffix(".weights")
    size = sidecar.stat().st_size
    sidecar.unlink()
    return size


def prepare(options):
    folder = options.folder
    (folder / "lib").mkdir(parents=True, exist_ok=True)
    shutil.copy(options.qcc.parent.parent / "lib/libqcc-runtime.so", folder / "lib/libqcc-runtime.so")
    sizes, listed = {}, []
    for case in cases():
        if not fnmatch.fnmatch(case.name, options.only):
            continue
        listed.append(asdict(case))
        if case.artifact in sizes:
            continue
        source = folder / "layers.onnx"
        write_layers(source, case)
        scheme = "keep" if case.scheme.startswith("w4") else case.scheme
        sizes[case.artifact] = code_of(options, source, case.artifact, f"--quantize={scheme}", f"--numerics={case.numerics}")
        for left in (source, Path(str(source) + ".data")):
            left.unlink()
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
    import numpy as np
    import qcc

    sidecar = make_weights(folder, case.artifact, size)
    try:
        session = qcc.load(folder / f"{case.artifact}.so", gpu=gpu).session()
        rng = np.random.default_rng(1)
        row, column = rng.standard_normal((1, case.k), np.float32), rng.standard_normal((case.m, 1), np.float32)
        least = seconds_of(lambda: session(row=row, column=column), seconds)
    finally:
        sidecar.unlink()
    amount = size if case.unit == "GB/s" else 2 * case.m * case.n * case.k * case.layers
    return least, amount / least / (1e9 if case.unit == "GB/s" else 1e12)


def feeds(model, rng):
    """Random inputs of 4 rows of 64: ids, masks of ones, pixels."""
    import numpy as np

    sizes, found = {}, {}
    for tensor in model.signature.inputs:
        past = tensor.role.startswith("past")
        dims = [int(d) if d.isdigit() else 0 if past and axis == 2 else sizes.setdefault(d, 64 if sizes else 4)
                for axis, d in enumerate(tensor.dims)]
        if tensor.role == "ids":
            found[tensor.name] = rng.integers(0, 1000, dims)
        elif tensor.dtype == "f32":
            found[tensor.name] = rng.standard_normal(dims, np.float32)
        else:
            found[tensor.name] = np.full(dims, tensor.role == "mask")
        found[tensor.name] = found[tensor.name].astype({"i64": np.int64, "i32": np.int32, "bool": bool}.get(tensor.dtype, np.float32))
    return found


def agreement(folder, name, gpu):
    """Elements that differ between GPU and CPU, elements, the largest difference."""
    import numpy as np
    import qcc

    model = qcc.load(folder / f"{name}.so")
    inputs = feeds(model, np.random.default_rng(2))
    here, there = model.session()(**inputs), model.session(gpu=gpu)(**inputs)
    differ = sum(int((here[k].view(np.uint8) != there[k].view(np.uint8)).sum()) for k in here)
    largest = max(float(np.abs(here[k].astype(float) - there[k].astype(float)).max(initial=0)) for k in here)
    return differ, sum(v.nbytes for v in here.values()), largest


def decoding(folder, name, size, gpu, seconds):
    """Tokens a second of one row, behind 16 positions."""
    import numpy as np
    import qcc

    sidecar = make_weights(folder, name, size)
    try:
        decoder = qcc.load(folder / f"{name}.so", gpu=gpu).decoder(1, 1024, logits_rows=1)
        decoder.step(np.ones((1, 16), np.int64))
        one, count, start = np.ones((1, 1), np.int64), 0, time.perf_counter()
        while count < 900 and time.perf_counter() - start < seconds:
            decoder.step(one)
            count += 1
        return count / (time.perf_counter() - start)
    finally:
        sidecar.unlink()


def run(options):
    import qcc

    folder = options.folder
    index = json.loads((folder / "index.json").read_text())
    gpu = None if options.cpu else qcc.Gpu(options.gpu)
    where = "CPU" if options.cpu else gpu.name
    print(f"| {where} | ms | rate | wanted |\n|---|---:|---:|---:|", flush=True)
    results = {"device": where, "cases": [], "models": {}, "decoders": {}}
    for entry in index["cases"]:
        case = Case(**entry)
        if not fnmatch.fnmatch(case.name, options.only):
            continue
        least, rate = run_case(case, folder, index["sizes"][case.artifact], gpu, options.seconds)
        results["cases"].append({**entry, "ms": least * 1e3, "rate": rate})
        wanted = f"{case.bar:g}" if case.bar else ""
        print(f"| {case.name} | {least * 1e3:.3f} | {rate:.1f} {case.unit} | {wanted} |", flush=True)
    for name in index["decoders"]:
        results["decoders"][name] = rate = decoding(folder, name, index["sizes"][name], gpu, options.seconds)
        print(f"| {name}, batch 1 | {1e3 / rate:.3f} | {rate:.0f} tokens/s | |", flush=True)
    for name in [] if options.cpu else index["models"]:
        differ, count, largest = agreement(folder, name, gpu)
        results["models"][name] = {"differ": differ, "bytes": count, "largest": largest}
        print(f"| {name}: bytes that differ from the CPU's | | {differ} of {count} | 0 |", flush=True)
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
