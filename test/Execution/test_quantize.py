"""Quantization on data: calibration, methods, allocation and their files, on small models."""

import json
import os
import signal
import subprocess

import numpy as np
import pytest
import tiny

import qcc
from qcc.models import stories15m

TOKENS = 80  # of the small decoder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("quantize")


@pytest.fixture(scope="module")
def llama(qcc_tool, folder):
    return tiny.write_llama(folder)


@pytest.fixture(scope="module")
def bert(qcc_tool, folder):
    return tiny.write_bert(folder)


def windows(path, count, length, seed):
    np.save(path, np.random.default_rng(seed).integers(0, TOKENS, count * length).astype(np.int32))
    return path


@pytest.fixture(scope="module")
def calib(folder):
    return windows(folder / "calib.npy", 16, 24, 1)


@pytest.fixture(scope="module")
def held_out(folder):
    return windows(folder / "val.npy", 8, 24, 2)


def texts(path, width, seed=3):
    """Rows of 4 to 12 tokens, padded to `width`."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(4, 13, 10)
    ids, mask = np.zeros((10, width), np.int64), np.zeros((10, width), np.int64)
    for row, length in enumerate(lengths):
        ids[row, :length], mask[row, :length] = rng.integers(1, 40, length), 1
    np.savez(path, input_ids=ids, attention_mask=mask, token_type_ids=np.zeros_like(ids))
    return path


def run(qcc_tool, *args, check=True):
    result = subprocess.run([qcc_tool, *map(str, args)], capture_output=True, text=True)
    assert not check or result.returncode == 0, result.stderr
    return result


def kld(qcc_tool, candidate, reference, data):
    result = run(qcc_tool, "eval", candidate, "--tokens", data, "--ctx", 24, "--against", reference, "--json")
    return json.loads(result.stdout)["kld_mean"]


def quantize(qcc_tool, model, out, scheme, data, *options, **how):
    return run(qcc_tool, "quantize", model, f"--quantize={scheme}", f"--calib={data}", "--ctx", 24, "--embed=f32",
               "--head=f32", "--name=m", "-o", out, *options, **how)


@pytest.mark.parametrize("scheme", ["w4a8:g32", "w4a8:g64:sym"])
def test_methods_beat_rounding(qcc_tool, folder, llama, calib, held_out, scheme):
    losses = {}
    for method in ("rtn", "gptq", "default"):
        out = folder / f"{method}.qnt"
        quantize(qcc_tool, llama, out, scheme, calib, f"--method={method}")
        losses[method] = kld(qcc_tool, out, llama, held_out)
    assert losses["default"] < losses["rtn"] and losses["gptq"] < losses["rtn"], losses


def test_same_bytes_again(qcc_tool, folder, llama, calib):
    outs = [folder / "one.qnt", folder / "two.qnt"]
    for out, threads in zip(outs, (1, 2)):
        quantize(qcc_tool, llama, out, "w4a8:g32", calib, "--threads", threads)
    assert outs[0].read_bytes() == outs[1].read_bytes()


def test_report_tells_every_weight(qcc_tool, folder, llama, calib):
    report = folder / "report.json"
    quantize(qcc_tool, llama, folder / "r.qnt", "w4a8:g32", calib, f"--report={report}")
    content = json.loads(report.read_text())
    assert content["schema"] == "qcc.report/1"
    tensors = {t["name"]: t for t in content["tensors"]}
    assert len(tensors) == 14 and all(t["chosen"] == 0 and t["reason"] for t in tensors.values())
    assert tensors["model.layers.0.mlp.down_proj.weight"]["dims"] == [64, 96]
    assert not (folder / "r.qnt.work").exists()


def test_interrupted_runs_go_on(qcc_tool, folder, llama, calib):
    """Finished layers survive an interruption; the result is that of an undisturbed run."""
    whole, broken = folder / "whole.qnt", folder / "broken.qnt"
    quantize(qcc_tool, llama, whole, "w4a8:g32", calib)
    command = [qcc_tool, "quantize", llama, "--quantize=w4a8:g32", f"--calib={calib}", "--ctx", "24", "--embed=f32",
               "--head=f32", "--name=m", "-o", broken]
    for delay in (0.1, 0.3, 0.6, 1, 2, None):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL,
                                   preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        try:
            process.wait(delay)
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            assert process.wait() in (130, -signal.SIGINT, 0)
    assert broken.read_bytes() == whole.read_bytes()


def test_statistics_do_not_see_padding(qcc_tool, folder, bert):
    seen = []
    for width in (12, 16):
        out = folder / f"{width}.stats"
        run(qcc_tool, "calibrate", bert, "--data", texts(folder / f"{width}.npz", width), "-o", out)
        content = json.loads(out.read_text())
        assert content["schema"] == "qcc.statistics/1" and content["samples"] == 10
        seen.append(content["values"])
    assert seen[0] == seen[1]
    value = next(iter(seen[0].values()))
    assert set(value["ranges"]) == {"minmax", "average", "percentile", "entropy", "mse"}


def test_few_samples_are_noted(qcc_tool, folder, bert):
    result = run(qcc_tool, "calibrate", bert, "--data", texts(folder / "few.npz", 12), "-o", folder / "few.stats")
    assert "10 samples are few" in result.stderr


def test_size_budgets_are_used(qcc_tool, folder, llama, calib, held_out):
    """Mixed schemes at the bytes of a uniform one lose no more than it does."""
    uniform = folder / "uniform.qnt"
    run(qcc_tool, "quantize", llama, "--quantize=w4a8:g32", f"--calib={calib}", "--ctx", 24, "-o", uniform)
    report = folder / "mixed.json"
    mixed = folder / "mixed.qnt"
    run(qcc_tool, "quantize", llama, "--quantize=w8a8,w4a8:g32,w4a8:g64", f"--calib={calib}", "--ctx", 24,
        "--budget-size=0.65MB", f"--report={report}", "-o", mixed)
    tensors = json.loads(report.read_text())["tensors"]
    chosen = {t["candidates"][t["chosen"]]["scheme"] for t in tensors}
    assert len(chosen) > 1, chosen
    assert kld(qcc_tool, mixed, llama, held_out) < kld(qcc_tool, uniform, llama, held_out)


def test_budgets_that_cannot_be_met(qcc_tool, folder, llama, calib):
    out = folder / "never.qnt"
    result = run(qcc_tool, "quantize", llama, "--quantize=w8a8,w4a8:g32", f"--calib={calib}", "--ctx", 24,
                 "--budget-size=0.6MB", "-o", out, check=False)
    assert result.returncode == 5 and "QCC1873" in result.stderr
    assert not out.exists()


def test_chance_rounds_by_seed(qcc_tool, folder, llama, calib):
    """The same bytes for every number of threads and without data; others for another seed."""
    outs = []
    for i, options in enumerate((["--threads=1"], ["--threads=2"], ["--seed=7"])):
        outs.append(folder / f"chance{i}.qnt")
        run(qcc_tool, "quantize", llama, "--quantize=w4:g32", "--method=stochastic", "--accept=none", "--name=m",
            "-o", outs[-1], *options)
    one, two, other = (out.read_bytes() for out in outs)
    assert one == two and one != other
    nearest = folder / "nearest.qnt"
    run(qcc_tool, "quantize", llama, "--quantize=w4:g32", "--method=rtn", "--accept=none", "--name=m", "-o", nearest)
    assert nearest.read_bytes() != one


def test_signed_steps_beat_rounding(qcc_tool, folder, llama, calib, held_out):
    losses = {}
    for method in ("rtn", "signround"):
        out = folder / f"{method}.qnt"
        quantize(qcc_tool, llama, out, "w4:g32", calib, f"--method={method}")
        losses[method] = kld(qcc_tool, out, llama, held_out)
    assert losses["signround"] < losses["rtn"], losses


def mean_shift(qcc_tool, model, out, scheme, method, data):
    """The mean over tokens of the encoder's output after quantization, less that of the float model."""
    run(qcc_tool, "quantize", model, f"--quantize={scheme}", f"--calib={data}", f"--method={method}", "--embed=f32",
        "--accept=none", "--name=m", "-o", out)
    feeds = dict(np.load(data))
    counted = feeds["attention_mask"].astype(bool)
    means = []
    for path in (out, model):
        so = out.with_suffix(f".{path.suffix[1:]}.so")
        run(qcc_tool, path, "--target=x86", "-O1", "-o", so)
        hidden = next(iter(qcc.load(so)(**feeds).values()))
        means.append(hidden[counted].mean(axis=0))
    return np.linalg.norm(means[0] - means[1])


def test_rows_get_more_bits(qcc_tool, folder, calib, held_out):
    """A third of the rows of one weight is far larger than the rest: they become a layer of 8 bits."""
    weights = tiny.llama_weights(tiny.LLAMA, np.random.default_rng(2))
    weights["model.layers.0.self_attn.o_proj.weight"][::3] *= 12
    rows_folder = folder / "rows"
    rows_folder.mkdir()
    model = stories15m.build(tiny.write_safetensors(rows_folder / "llama.safetensors", weights),
                             tiny.LLAMA).save(rows_folder / "llama.onnx")
    losses, report = {}, folder / "rows.json"
    for method in ("rtn", "rows", "rows,gptq"):
        out = folder / f"{method}.qnt"
        quantize(qcc_tool, model, out, "w4a8:g32", calib, f"--method={method}", f"--report={report}")
        losses[method] = kld(qcc_tool, out, model, held_out)
    assert losses["rows"] < 0.9 * losses["rtn"] and losses["rows,gptq"] < losses["rows"], losses
    tensors = {t["name"]: t for t in json.loads(report.read_text())["tensors"]}
    apart = tensors["model.layers.0.self_attn.o_proj.weight/promoted_rows"]
    assert apart["dims"] == [32, 64] and apart["candidates"][apart["chosen"]]["scheme"] == "w8a8"
    assert set(range(0, 64, 3)) <= set(map(int, apart["reason"].split(":")[1].split())), apart
    several = quantize(qcc_tool, model, folder / "no.qnt", "w4a8:g32,w8a8", calib, "--method=rows", "--accept=99%",
                       check=False)
    assert several.returncode == 2 and "rows get 8 bits beside one scheme" in several.stderr


def test_bias_takes_up_the_mean_error(qcc_tool, folder, bert):
    data = texts(folder / "shift.npz", 12)
    plain = mean_shift(qcc_tool, bert, folder / "plain.qnt", "w3:g32", "rtn", data)
    corrected = mean_shift(qcc_tool, bert, folder / "corrected.qnt", "w3:g32", "bias", data)
    assert corrected < plain / 2, (plain, corrected)


@pytest.mark.parametrize("scheme", ["w8a8:tensor", "w8:tensor"])
def test_weights_outside_methods_are_named(qcc_tool, folder, llama, calib, scheme):
    report = folder / "outside.json"
    result = quantize(qcc_tool, llama, folder / "outside.qnt", scheme, calib, "--method=gptq", f"--report={report}")
    assert "14 weights stay outside --method=gptq" in result.stderr
    assert any("rounded to nearest" in note for note in json.loads(report.read_text())["notes"])


def test_methods_need_data(qcc_tool, folder, llama):
    result = run(qcc_tool, "quantize", llama, "--quantize=w4a8:g32", "--method=gptq", "-o", folder / "n.qnt",
                 check=False)
    assert result.returncode == 2 and "needs samples" in result.stderr


def test_one_qnt_for_all_targets(qcc_tool, folder, llama, calib, held_out):
    """The codes are chosen once; every level that this machine has computes the same from them."""
    qnt = folder / "all.qnt"
    quantize(qcc_tool, llama, qnt, "w4a8:g32", calib)
    levels = [line.split()[0] for line in run(qcc_tool, "targets").stdout.splitlines() if line.strip()]
    outputs = {}
    for level in ("scalar", "x86-64-v3", "x86-avx512-base", "x86-avx512-vnni"):
        if level not in levels:
            continue
        so = folder / f"{level}.so"
        run(qcc_tool, qnt, f"--target={level}", "--numerics=exact", "-o", so)
        result = run(qcc_tool, "eval", so, "--tokens", held_out, "--ctx", 24, "--json", check=False)
        if result.returncode == 4:
            print(f"skipped {level}: this machine lacks a feature")
            continue
        outputs[level] = json.loads(result.stdout)["perplexity"]
    assert len(outputs) > 1 and len(set(outputs.values())) == 1, outputs
