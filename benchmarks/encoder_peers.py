#!/usr/bin/env python3
"""Times compiled encoders against onnxruntime and OpenVINO, in turn on one machine.

usage: encoder_peers.py MODEL.onnx [--qcc build/bin/qcc] [--schemes keep,w8a8] [--shape 1x128 …]
                        [--calibration IDS.npz] [--vocabulary 20000] [--threads N] [--rounds 5] [--seconds 1] [--work DIR] [--json FILE]

MODEL.onnx takes token ids, masks and token types ([batch, sequence], all int64), or pixel_values (f32
[batch, 3, side, side], and then a shape 8x224 is 8 images of that side). random_encoder.py writes some. qcc compiles it once
per scheme for this machine; the peers get it in f32, with dynamic int8 (per output channel), with
static int8 (QDQ, calibrated) and with 4-bit weights (MatMulNBits). An artifact (.so) may be given
beside the model: --artifact w8a8=old.so. In every round each engine runs at every shape for
--seconds, and the fastest run counts; a cell is the median over the rounds, in milliseconds, so that
drift of the machine hits all alike. The result is a Markdown table; its last rows hold the best
peer's time divided by qcc's, above 1 where qcc is faster.

Needs: onnx, onnxruntime, numpy; openvino is used when installed.
"""
import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import peers


# --- what the peers run -------------------------------------------------------------------------
def peer_models(model, calibration, folder):
    """{label: path} of the forms that peers run best."""
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    whole, prepared = folder / "f32.onnx", folder / "prepared.onnx"
    onnx.save(onnx.load(model), whole)  # weights inside: the tools stumble over external data
    quant_pre_process(str(whole), str(prepared), skip_symbolic_shape=True)
    paths = {"f32": prepared, "int8 dynamic": folder / "dynamic.onnx", "int8 static": folder / "static.onnx"}
    quantize_dynamic(str(prepared), str(paths["int8 dynamic"]), weight_type=QuantType.QInt8, per_channel=True)
    quantize_static(str(prepared), str(paths["int8 static"]), calibration, per_channel=True,
                    quant_format=QuantFormat.QDQ, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
    if four_bits := four_bit_model(prepared, folder):
        paths["int4 weights"] = four_bits
    return paths


def four_bit_model(prepared, folder):
    import onnx

    try:
        from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
    except ImportError as error:
        print(f"no 4-bit peer: {error}", file=sys.stderr)
        return None
    quantizer = MatMulNBitsQuantizer(onnx.load(prepared), block_size=32, is_symmetric=True, accuracy_level=4)
    quantizer.process()
    quantizer.model.save_model_to_file(str(folder / "nbits.onnx"))
    return folder / "nbits.onnx"


class Calibration:
    """Samples for static quantization: rows of an .npz, or random ids where there is none."""

    def __init__(self, options, names, rows=32):
        samples = feeds(rows, int(options.shape[0].split("x")[1]), options.vocabulary, names)
        if options.calibration:
            samples = {name: array[:rows] for name, array in np.load(options.calibration).items()}
        samples = {name: samples[name] for name in names}
        samples = {name: v if name in IMAGES else v.astype(np.int64) for name, v in samples.items()}
        count = len(next(iter(samples.values())))
        self._samples = iter([{k: v[i:i + 1] for k, v in samples.items()} for i in range(count)])

    def get_next(self):
        return next(self._samples, None)


IMAGES = {"pixel_values"}


def form(name, rows, length):
    return (rows, 3, length, length) if name in IMAGES else (rows, length)


def feeds(rows, length, vocabulary, names=()):
    rng = np.random.default_rng(0)
    if IMAGES & set(names):
        return {name: rng.standard_normal(form(name, rows, length), np.float32) for name in names}
    return {"input_ids": rng.integers(1, vocabulary, (rows, length)),
            "attention_mask": np.ones((rows, length), np.int64),
            "token_type_ids": np.zeros((rows, length), np.int64)}


# --- engines: shape -> milliseconds of the fastest run ------------------------------------------
def fastest(run, seconds):
    run()
    best, end = float("inf"), time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        run()
        best = min(best, time.perf_counter() - start)
    return best * 1e3


def qcc_engine(qcc, artifact, names, options):
    def measure(rows, length):
        shapes = [f"--shape={name}={'x'.join(map(str, form(name, rows, length)))}" for name in names]
        return peers.qcc_bench(qcc, artifact, f"--threads={options.threads}", f"--seconds={options.seconds}",
                               *shapes)["min_ms"]
    return measure


def onnxruntime_engine(path, options):
    import onnxruntime

    session_options = onnxruntime.SessionOptions()
    session_options.intra_op_num_threads = options.threads
    session = onnxruntime.InferenceSession(str(path), session_options, providers=["CPUExecutionProvider"])
    names = {i.name for i in session.get_inputs()}

    def measure(rows, length):
        given = {k: v for k, v in feeds(rows, length, options.vocabulary, names).items() if k in names}
        return fastest(lambda: session.run(None, given), options.seconds)
    return measure


def openvino_engine(path, options):
    import openvino

    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": options.threads}
    compiled = openvino.Core().compile_model(str(path), "CPU", settings)
    request = compiled.create_infer_request()
    names = {name for port in compiled.inputs for name in port.get_names()}

    def measure(rows, length):
        given = {k: v for k, v in feeds(rows, length, options.vocabulary, names).items() if k in names}
        return fastest(lambda: request.infer(given), options.seconds)
    return measure


def make_engines(options, folder):
    import onnx

    graph = onnx.load(options.model, load_external_data=False).graph
    weights = {i.name for i in graph.initializer}
    names = [i.name for i in graph.input if i.name not in weights]
    artifacts = dict(a.split("=", 1) for a in options.artifact)
    for scheme in filter(None, options.schemes.split(",")):
        artifacts.setdefault(scheme, str(folder / f"{scheme.replace(':', '-')}.so"))
        peers.compile_model(options.qcc, options.model, scheme, artifacts[scheme])
    engines = {f"qcc {'f32' if s == 'keep' else s}": qcc_engine(options.qcc, a, names, options)
               for s, a in artifacts.items()}
    makers = {"onnxruntime": onnxruntime_engine, "openvino": openvino_engine}
    for label, path in peer_models(options.model, Calibration(options, names), folder).items():
        for peer, make in makers.items():
            try:
                engines[f"{peer} {label}"] = make(path, options)
            except (ImportError, RuntimeError) as error:
                print(f"no {peer} {label}: {str(error).splitlines()[0][:120]}", file=sys.stderr)
    return engines


# --- measuring and printing ---------------------------------------------------------------------
def measure(engines, shapes, rounds):
    times = {(name, shape): [] for name in engines for shape in shapes}
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        for shape in shapes:
            rows, length = map(int, shape.split("x"))
            for name, engine in engines.items():
                times[name, shape].append(engine(rows, length))
    return {key: statistics.median(values) for key, values in times.items()}


def ratios(medians, engines, shapes):
    """{our engine: {shape: best peer / ours}}"""
    ours = [n for n in engines if n.startswith("qcc ")]
    best = {s: min((medians[n, s] for n in engines if n not in ours), default=float("nan")) for s in shapes}
    return {name: {s: best[s] / medians[name, s] for s in shapes} for name in ours}


def markdown(medians, ratio, engines, shapes):
    lines = ["| engine | " + " | ".join(f"{s} (ms)" for s in shapes) + " |", "|---" * (len(shapes) + 1) + "|"]
    lines += [f"| {n} | " + " | ".join(f"{medians[n, s]:.2f}" for s in shapes) + " |" for n in engines]
    lines += [f"| best peer / {n} | " + " | ".join(f"{r[s]:.2f}" for s in shapes) + " |" for n, r in ratio.items()]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--qcc", type=Path, default=peers.ROOT / "build/bin/qcc")
    parser.add_argument("--schemes", default="keep,w8a8", help="what to compile, as in --quantize")
    parser.add_argument("--artifact", action="append", default=[], metavar="SCHEME=FILE.so")
    parser.add_argument("--shape", action="append", metavar="BATCHxSEQUENCE", help="1x16, 1x128, 8x128")
    parser.add_argument("--calibration", type=Path, help=".npz with rows for the static peer")
    parser.add_argument("--vocabulary", type=int, default=20_000, help="ids are drawn below this")
    parser.add_argument("--threads", type=int, default=peers.cores())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--work", type=Path, help="keep artifacts and the peers' models here")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    shapes = options.shape = options.shape or ["1x16", "1x128", "8x128"]

    with tempfile.TemporaryDirectory(prefix="qcc-peers-") as temporary:
        folder = options.work or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        engines = make_engines(options, folder)
        medians = measure(engines, shapes, options.rounds)
    ratio = ratios(medians, engines, shapes)
    print(markdown(medians, ratio, engines, shapes))
    where, versions = peers.machine(), peers.versions(options.qcc, "onnxruntime", "openvino")
    print("\n" + peers.footer(where, versions, options.threads, options.rounds))
    if options.json:
        report = {"schema": "qcc.encoder-peers/1", **where, "versions": versions, "threads": options.threads,
                  "ms": {name: {s: medians[name, s] for s in shapes} for name in engines},
                  "best_peer_over_qcc": ratio}
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
