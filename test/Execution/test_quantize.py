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
WIDE = stories15m.Config(hidden=256, mlp=768, layers=2, heads=4, kv_heads=2, vocabulary=TOKENS)


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


@pytest.fixture(scope="module")
def wide(qcc_tool, folder):
    """A decoder whose weights outweigh its code."""
    source = tiny.write_safetensors(folder / "wide.safetensors", tiny.llama_weights(WIDE, np.random.default_rng(4)))
    return stories15m.build(source, WIDE).save(folder / "wide.onnx")


def size_of(qcc_tool, folder, model, *options):
    run(qcc_tool, model, *options, "-o", folder / "size.so")
    return (folder / "size.so").stat().st_size


def test_size_budgets_are_used(qcc_tool, folder, wide, calib, held_out):
    """A build of mixed schemes uses its budget, keeps to it, and loses less than the smaller uniform one."""
    small = size_of(qcc_tool, folder, wide, "--quantize=w4a8:g32", "--embed=w8")
    large = size_of(qcc_tool, folder, wide, "--quantize=w8a8", "--embed=w8")
    budget = (small + large) // 2
    report, mixed = folder / "mixed.json", folder / "mixed.qnt"
    run(qcc_tool, "quantize", wide, "--quantize=w8a8,w4a8:g32", f"--calib={calib}", "--ctx", 24,
        "--calib-samples", 4, "--method=rtn", "--embed=w8", f"--budget-size={budget}", f"--report={report}",
        "--attribution=0", "-o", mixed)
    content = json.loads(report.read_text())
    chosen = {t["candidates"][t["chosen"]]["scheme"] for t in content["tensors"]}
    assert len(chosen) > 1, chosen
    # What is left is too little for a better scheme, or no more than the code that another mix of schemes takes.
    size, steps = size_of(qcc_tool, folder, mixed), []
    for tensor in content["tensors"]:
        chosen = tensor["candidates"][tensor["chosen"]]
        steps += [c["bytes"] - chosen["bytes"] for c in tensor["candidates"]
                  if c["predicted_loss"] < chosen["predicted_loss"]]
    assert size <= budget and budget - size < max(0.05 * budget, min(steps) + 8192), (size, budget, steps)
    assert content["loss_unit"] == "KLD" and content["predicted_loss"] > 0 and content["measured_loss"] > 0
    uniform = run(qcc_tool, "eval", wide, "--quantize=w4a8:g32", "--embed=w8", "--tokens", held_out, "--ctx", 24,
                  "--against", wide, "--json")
    assert kld(qcc_tool, mixed, wide, held_out) < json.loads(uniform.stdout)["kld_mean"]


def test_a_mix_beats_its_uniform_scheme(qcc_tool, folder, calib, held_out):
    """In one of two layers weights spread far more: bits that it needs come from the other one, and an artifact of
    no more bytes than the uniform one's loses less."""
    weights = tiny.llama_weights(WIDE, np.random.default_rng(4))
    for name, weight in weights.items():
        if "layers.0" in name and "norm" not in name:
            weight[:, ::16] *= 6
    (folder / "spread").mkdir()
    model = stories15m.build(tiny.write_safetensors(folder / "spread/m.safetensors", weights),
                             WIDE).save(folder / "spread/m.onnx")
    common, mixed = ["--embed=f32", "--head=f32"], folder / "spread/mixed.qnt"
    budget = size_of(qcc_tool, folder, model, "--quantize=w5a8:g32", *common)
    run(qcc_tool, "quantize", model, "--quantize=w3a8:g32,w4a8:g32,w5a8:g32,w6a8:g32,w8a8", f"--calib={calib}", "--ctx",
        24, "--calib-samples", 8, "--method=rtn", *common, f"--budget-size={budget}", "--attribution=0",
        "--accept=none", "-o", mixed)
    assert size_of(qcc_tool, folder, mixed) <= budget
    uniform = run(qcc_tool, "eval", model, "--quantize=w5a8:g32", *common, "--tokens", held_out, "--ctx", 24,
                  "--against", model, "--json")
    assert kld(qcc_tool, mixed, model, held_out) < json.loads(uniform.stdout)["kld_mean"]


def test_budgets_that_cannot_be_met(qcc_tool, folder, llama, calib):
    out = folder / "never.qnt"
    result = run(qcc_tool, "quantize", llama, "--quantize=w8a8,w4a8:g32", f"--calib={calib}", "--ctx", 24,
                 "--calib-samples", 2, "--method=rtn", "--budget-size=0.1MB", "-o", out, check=False)
    assert result.returncode == 5 and "QCC1873" in result.stderr and "the smallest choice" in result.stderr
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


@pytest.mark.parametrize("schemes", ["w8a8,w4a8:g32", "w8,w8a8"])
def test_latency_budgets_tell_what_they_predict(qcc_tool, folder, bert, schemes):
    """Where there is time enough, every weight gets what loses least: also of schemes that differ in inputs alone."""
    data, report = texts(folder / "timed.npz", 12), folder / "timed.json"
    command = ["quantize", bert, f"--quantize={schemes}", f"--calib={data}", "--method=rtn", "--accept=none",
               "--attribution=0", f"--report={report}"]
    run(qcc_tool, *command, "--budget-latency=10s@1x12", "-o", folder / "timed.qnt")
    content = json.loads(report.read_text())
    assert content["predicted_ms"] > 0 and content["measured_ms"] > 0
    layers = [t for t in content["tensors"] if "embeddings" not in t["name"]]
    assert len(layers) == 12
    for tensor in layers:
        losses = {c["scheme"]: c["predicted_loss"] for c in tensor["candidates"]}
        assert set(losses) == set(schemes.split(","))
        assert losses[tensor["candidates"][tensor["chosen"]]["scheme"]] == min(losses.values())
    if schemes == "w8,w8a8":
        assert all(c["bytes"] == t["candidates"][0]["bytes"] for t in layers for c in t["candidates"])
        assert any(losses["w8"] < losses["w8a8"] for losses in
                   ({c["scheme"]: c["predicted_loss"] for c in t["candidates"]} for t in layers))
    result = run(qcc_tool, *command, "--budget-latency=0.1us@1x12", "-o", folder / "soon.qnt", check=False)
    assert result.returncode == 5 and "the fastest choice" in result.stderr


def ranks(values):
    return np.argsort(np.argsort(values))


def test_losses_are_told_by_weight(qcc_tool, folder, llama, calib):
    """Weights rank by their codes alone as by what is saved when one goes back to floats, which separate
    builds confirm; fewer runs still tell halves of the model."""
    reports = []
    for runs in (40, 8):
        report = folder / f"blame{runs}.json"
        quantize(qcc_tool, llama, folder / "blame.qnt", "w3a8:g32", calib, "--method=rtn", f"--attribution={runs}",
                 f"--report={report}")
        reports.append({a["layer"]: a for a in json.loads(report.read_text())["attribution"]})
    exact, rough = reports
    assert len(exact) == 14 and sum(a["share"] for a in exact.values()) == pytest.approx(1)
    alone, without = ([a[key] for a in exact.values()] for key in ("alone", "without"))
    assert np.corrcoef(ranks(alone), ranks(without))[0, 1] > 0.8, (alone, without)
    worst = sorted(exact, key=lambda name: -exact[name]["share"])
    first, second = ([sum(a["share"] for name, a in losses.items() if f"layers.{i}." in name)
                      for losses in (exact, rough)] for i in (0, 1))
    assert (first[0] > second[0]) == (first[1] > second[1]) and first[1] + second[1] == pytest.approx(1)
    assert all("without" not in a for a in rough.values())
    # Layers in floats by a recipe, on the samples that were attributed on.
    losses = []
    np.save(folder / "first.npy", np.load(calib)[:8 * 24])
    for name in (None, worst[0], worst[7], worst[13]):
        recipe = folder / "without.yaml"
        recipe.write_text(f"overrides:\n  - {{match: '{name or 'nothing'}', quantize: keep}}\n")
        result = run(qcc_tool, "eval", llama, "--quantize=w3a8:g32", "--embed=f32", "--head=f32", f"--recipe={recipe}",
                     "--tokens", folder / "first.npy", "--ctx", 24, "--against", llama, "--json")
        losses.append(json.loads(result.stdout)["kld_mean"])
    saved = [losses[0] - loss for loss in losses[1:]]
    assert saved[0] == max(saved)
    assert saved[0] == pytest.approx(exact[worst[0]]["without"], rel=0.3)


def test_files_say_how_they_were_made(qcc_tool, folder, llama, calib):
    out = folder / "made.qnt"
    quantize(qcc_tool, llama, out, "w4a8:g32", calib, "--method=clip", "--seed=5", "--calib-samples", 4)
    made = json.loads(run(qcc_tool, "inspect", out, "--json").stdout)["metadata"]
    assert made["scheme"] == "w4a8:g32" and made["methods"] == "clip" and made["seed"] == 5 and made["version"]
    assert len(made["data_sha256"]) == len(made["source_sha256"]) == 64
    text = run(qcc_tool, "inspect", out).stdout
    assert "made by" in text and made["data_sha256"] in text


def test_models_are_quantized_on_the_way(qcc_tool, folder, llama, calib, held_out):
    """`eval`, `run` and `bench` of an .onnx take what `quantize` takes; results are those of the .qnt."""
    out = folder / "way.qnt"
    options = ["--quantize=w3a8:g32", f"--calib={calib}", "--calib-samples", 4, "--method=clip"]
    run(qcc_tool, "quantize", llama, *options, "--ctx", 24, "-o", out)
    direct = run(qcc_tool, "eval", llama, *options, "--tokens", held_out, "--ctx", 24, "--against", llama, "--json")
    assert json.loads(direct.stdout)["kld_mean"] == pytest.approx(kld(qcc_tool, out, llama, held_out), rel=1e-6)
    np.save(folder / "ids.npy", np.arange(8).reshape(1, 8))
    logits = []
    for name, extra in (("fast", ["--numerics=exact"]), ("slow", ["--reference"])):
        run(qcc_tool, "run", llama, *options, "--ctx", 24, *extra, "--input", f"ids={folder / 'ids.npy'}",
            "--output-dir", folder / name)
        logits.append(np.load(folder / name / "logits.npy"))
    np.testing.assert_allclose(*logits, rtol=1e-4, atol=1e-4)
    timed = run(qcc_tool, "bench", llama, *options, "--ctx", 24, "-p", 4, "-n", 2, "-r", 1, "--json")
    assert json.loads(timed.stdout)["schema"] == "qcc.bench/1"


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
