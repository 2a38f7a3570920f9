#!/usr/bin/env python3
"""Times a compiled decoder against llama.cpp, in turn on one machine.

usage: decoder_peers.py MODEL --gguf FILE.gguf [--llama-bench PATH] [--gguf-type Q4_0] [--quantize w4a8:g32:sym]
                        [--prompt 128] [--generate 32] [--threads N] [--rounds 5] [--runs 3] [--work DIR] [--json FILE]

MODEL is an .onnx, compiled for this machine under --quantize, or an artifact; FILE.gguf holds the same weights. With
--gguf-type, llama-quantize first writes the peer's file of that type from it. Without --llama-bench, llama.cpp is built
in the work folder from the source that the llama-cpp-python package of PyPI carries, for this machine, with OpenMP; that
takes cmake, ninja, clang-22, libomp-22-dev and a quarter of an hour, once where --work keeps it.

In every round each engine reads a prompt of --prompt tokens and, by itself, generates --generate tokens from an empty
cache, --runs times; a round's figure is the median of its runs, a cell the median over the rounds, in tokens per second.
The last row holds qcc's rate divided by llama.cpp's, above 1 where qcc is faster.
"""
import argparse
import json
import statistics
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import peers

SOURCE = "llama-cpp-python==0.3.36"
PHASES = ("prefill", "decode")
QCC, LLAMA = "qcc", "llama.cpp"


# --- llama.cpp ----------------------------------------------------------------------------------
def build_llama(folder):
    """llama-bench, with llama-quantize beside it."""
    built = folder / "llama.cpp/bin/llama-bench"
    if not built.exists():
        download = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary=llama-cpp-python", SOURCE]
        subprocess.run([*download, "-d", str(folder)], check=True)
        with tarfile.open(next(folder.glob("llama_cpp_python-*.tar.gz"))) as archive:
            archive.extractall(folder, filter="data")
        source = next(folder.glob("llama_cpp_python-*/vendor/llama.cpp"))
        settings = {"CMAKE_BUILD_TYPE": "Release", "CMAKE_C_COMPILER": "clang-22", "CMAKE_CXX_COMPILER": "clang++-22",
                    "GGML_NATIVE": "ON", "GGML_OPENMP": "ON", "CMAKE_REQUIRE_FIND_PACKAGE_OpenMP": "ON",
                    "LLAMA_OPENSSL": "OFF", "LLAMA_BUILD_SERVER": "OFF", "LLAMA_BUILD_TESTS": "OFF",
                    "LLAMA_BUILD_EXAMPLES": "OFF"}
        subprocess.run(["cmake", "-G", "Ninja", "-S", str(source), "-B", str(folder / "llama.cpp"),
                        *(f"-D{name}={value}" for name, value in settings.items())], check=True)
        subprocess.run(["ninja", "-C", str(folder / "llama.cpp"), "llama-bench", "llama-quantize"], check=True)
    return built


def requantize(llama_bench, gguf, kind, folder):
    """The file as that type; what is quantized already is read back first."""
    out = folder / f"{gguf.stem}-{kind}.gguf"
    if not out.exists():
        subprocess.run([str(llama_bench.with_name("llama-quantize")), "--allow-requantize", str(gguf), str(out), kind],
                       check=True, stdout=sys.stderr)
    return out


def llama_engine(llama_bench, gguf, options):
    def measure():
        command = [llama_bench, "-m", gguf, "-p", options.prompt, "-n", options.generate, "-t", options.threads,
                   "-r", options.runs, "-o", "json"]
        done = subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True)
        tests = {"decode" if test["n_gen"] else "prefill": test for test in json.loads(done.stdout)}
        measure.version = "build {build_number} ({build_commit})".format(**tests["decode"])
        return {phase: statistics.median(tests[phase]["samples_ts"]) for phase in PHASES}
    return measure


# --- qcc ----------------------------------------------------------------------------------------
def qcc_engine(artifact, options):
    def measure():
        report = peers.qcc_bench(options.qcc, artifact, "-p", options.prompt, "-n", options.generate, "-r", options.runs,
                                 f"--threads={options.threads}")
        return {"prefill": report["prompt_tok_s"], "decode": report["gen_tok_s"]}
    return measure


# --- the comparison -----------------------------------------------------------------------------
def compare(engines, rounds):
    """{engine: {phase: tokens per second}} and the ratio by phase."""
    rates = {name: {phase: [] for phase in PHASES} for name in engines}
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        for name, engine in engines.items():
            for phase, rate in engine().items():
                rates[name][phase].append(rate)
    medians = {name: {p: statistics.median(r[p]) for p in PHASES} for name, r in rates.items()}
    return medians, {p: medians[QCC][p] / medians[LLAMA][p] for p in PHASES}


def markdown(labels, medians, ratio, options):
    lines = [f"| engine | prefill of {options.prompt} (tok/s) | decode of {options.generate} (tok/s) |", "|---|---:|---:|"]
    lines += [f"| {labels[n]} | {m['prefill']:.1f} | {m['decode']:.1f} |" for n, m in medians.items()]
    return "\n".join([*lines, f"| qcc / llama.cpp | {ratio['prefill']:.2f} | {ratio['decode']:.2f} |"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--gguf", type=Path, required=True)
    parser.add_argument("--gguf-type", help="write the peer's file of this type first, such as Q4_0")
    parser.add_argument("--llama-bench", type=Path, help="a built one; llama-quantize lies beside it")
    parser.add_argument("--qcc", type=Path, default=peers.ROOT / "build/bin/qcc")
    parser.add_argument("--quantize", default="w4a8:g32:sym", help="of an .onnx")
    parser.add_argument("--prompt", type=int, default=128)
    parser.add_argument("--generate", type=int, default=32)
    parser.add_argument("--threads", type=int, default=peers.cores())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=3, help="in each round")
    parser.add_argument("--work", type=Path, help="keep artifact, build and the peer's model here")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="qcc-peers-") as temporary:
        folder = options.work or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        llama_bench = options.llama_bench or build_llama(folder)
        gguf, artifact = options.gguf, options.model
        if options.gguf_type:
            gguf = requantize(llama_bench, gguf, options.gguf_type, folder)
        if artifact.suffix == ".onnx":
            artifact = folder / f"{artifact.stem}-{options.quantize.replace(':', '-')}.so"
            peers.compile_model(options.qcc, options.model, options.quantize, artifact)
        engines = {QCC: qcc_engine(artifact, options), LLAMA: llama_engine(llama_bench, gguf, options)}
        medians, ratio = compare(engines, options.rounds)
    labels = {QCC: f"qcc, {artifact.name}", LLAMA: f"llama.cpp, {gguf.name}"}
    where, versions = peers.machine(), peers.versions(options.qcc) | {LLAMA: engines[LLAMA].version}
    print(markdown(labels, medians, ratio, options))
    print("\n" + peers.footer(where, versions, options.threads, options.rounds))
    if options.json:
        report = {"schema": "qcc.decoder-peers/1", **where, "versions": versions, "threads": options.threads,
                  "prompt": options.prompt, "generate": options.generate,
                  "tokens_per_second": {labels[name]: medians[name] for name in engines}, "qcc_over_llama": ratio}
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
