#!/usr/bin/env python3
"""Compiles models for GPUs, assembles all that comes out, and lets kernels run in the tile interpreter.

usage: check_gpu.py QCC PATH... [--quantize keep,w8a8] [--arch sm_80,sm_89,sm_90a] [--options=...] [--interpret]
                    [--every N] [--jobs N]

A PATH is a model or a folder of them. Each model is compiled with each scheme for each architecture and goes through
ptxas (PyPI's nvidia-cuda-nvcc). With --interpret its kernels also run, on a driver that interprets them, on the
inputs that lie beside the model (test_data_set_0), and have to give a CPU's bits; with --options=--numerics=fast, where
these may differ, they have to be near. --every N takes every Nth of the models. A line per failure, then
what kernels take at most; the last line reads 'N passed, N failed', and the exit status is 1 when something failed.
"""
import argparse
import collections
import concurrent.futures
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "test"), str(ROOT / "python")]
import fakegpu  # noqa: E402

Most = collections.namedtuple("Most", "kernels registers spilled")


def models_in(paths):
    for path in map(Path, paths):
        yield from sorted(path.rglob("*.onnx")) if path.is_dir() else [path]


def failed_run(command):
    """The last words of a command that fails, or nothing."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, errors="replace")
    return (done.stdout + done.stderr).strip()[-400:].replace("\n", " | ") if done.returncode else ""


def assemble(ptxas, text, arch):
    """The most that kernels take; what is wrong."""
    done = subprocess.run([ptxas, f"-arch={arch}", "-v", text, "-o", "/dev/null"], capture_output=True, text=True)
    if done.returncode:
        return None, done.stderr.strip()[:400].replace("\n", " | ")
    numbers = lambda pattern: [int(n) for n in re.findall(pattern, done.stderr)]  # noqa: E731
    registers, spilled = numbers(r"Used (\d+) registers"), sum(numbers(r"(\d+) bytes spill"))
    wrong = f"{spilled} bytes spilled" if spilled else "products are serialized" if "C75" in done.stderr else ""
    return Most(len(registers), max(registers, default=0), spilled), wrong


def codes_in(artifact):
    """PTX by architecture, as it lies in an artifact: text that ends with a zero."""
    code = artifact.read_bytes()
    return {found[1].decode(): code[code.rfind(b"\0", 0, found.start()) + 1:code.find(b"\0", found.start())]
            for found in re.finditer(rb"\n\.target (sm_\w+)", code)}


def check(model, scheme, args, ptxas):
    """(architecture, most, failure) of each architecture."""
    with tempfile.TemporaryDirectory() as folder:
        kernels, targets = Path(folder) / "kernels.mlir", ",".join(f"nvptx-{arch}" for arch in args.arch)
        if args.interpret:
            targets = f"native,{targets}"
        quantize = [] if scheme == "keep" else [f"--quantize={scheme}"]
        wrong = failed_run([args.qcc, model, f"--target={targets}", "--accept=none", "--emit=mlir", "-o", kernels, *quantize,
                            *args.options])
        if wrong:
            return [("all", None, wrong)]
        artifact, runs = Path(folder) / "model.so", args.interpret and (model.parent / "test_data_set_0").is_dir()
        wrong = failed_run([args.qcc, kernels, "--from=lower", f"--target={targets}", "-o", artifact])
        if wrong:
            return [("all", None, wrong)]
        results, ran = [], set()
        for arch, ptx in codes_in(artifact).items():
            if arch not in args.arch:
                continue  # what newer ones fall back to
            text = Path(folder) / f"{arch}.ptx"
            text.write_bytes(ptx)
            most, found = assemble(ptxas, text, arch)
            same = ptx.replace(f".target {arch}".encode(), b"")  # sm_80's and sm_89's often are
            if not found and runs and same not in ran:
                found = failed_run([sys.executable, __file__, "--interpret-one", artifact, kernels, model, arch,
                                    int("--numerics=fast" in args.options)])
                ran.add(same)
            results.append((arch, most, found))
        missing = set(args.arch) - {arch for arch, _, _ in results}
        return results + [(arch, None, "no code for it in the artifact") for arch in sorted(missing)]


def interpret_one(artifact, kernels, model, arch, fast):
    import onnx
    import qcc
    driver = fakegpu.Driver()
    major, minor = divmod(int(arch.strip("sm_a")), 10)
    driver.plug_in(major=major, minor=minor)
    driver.kernels(kernels)
    names = [value.name for value in onnx.load(model, load_external_data=False).graph.input]
    files = (Path(model).parent / "test_data_set_0").glob("input_*.pb")
    arrays = [onnx.numpy_helper.to_array(onnx.load_tensor(file))
              for file in sorted(files, key=lambda file: int(re.findall(r"\d+", file.stem)[-1]))]
    inputs, compiled = dict(zip(names, arrays)), qcc.load(artifact)
    (fakegpu.near if int(fast) else fakegpu.agree)(compiled, [inputs])


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n\n")[0])
    parser.add_argument("qcc")
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--quantize", default="keep", type=lambda text: text.split(","))
    parser.add_argument("--arch", default="sm_80,sm_89,sm_90a", type=lambda text: text.split(","))
    parser.add_argument("--options", action="append", default=[])
    parser.add_argument("--interpret", action="store_true")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    ptxas = fakegpu.find_ptxas()
    if not ptxas:
        parser.error("ptxas is not there: pip install nvidia-cuda-nvcc")
    models = list(models_in(args.paths))[::args.every]
    work = [(model, scheme) for scheme in args.quantize for model in models]
    passed, failed, most = 0, 0, {}
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for (model, scheme), results in zip(work, pool.map(lambda item: check(*item, args, ptxas), work)):
            for arch, found, wrong in results:
                passed, failed = passed + (not wrong), failed + bool(wrong)
                if wrong:
                    print(f"FAIL {model} {scheme} {arch}: {wrong}", flush=True)
                if found:
                    before = most.get((scheme, arch), Most(0, 0, 0))
                    most[scheme, arch] = Most(before.kernels + found.kernels, *map(max, before[1:], found[1:]))
    for (scheme, arch), found in sorted(most.items()):
        print(f"{scheme:12} {arch:7} {found.kernels:6} kernels, at most {found.registers} registers, "
              f"{found.spilled} bytes spilled in a model")
    print(f"{passed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--interpret-one"]:
        interpret_one(*sys.argv[2:])
    else:
        sys.exit(main())
