"""Decoders whose cache takes fewer bytes (--kv): what they compute, and what applications see of it."""

import json
import subprocess

import numpy as np
import pytest
import tiny
from conftest import ROOT

import qcc
from qcc._capi import DTYPES
from qcc.models import stories15m

CONFIG = stories15m.Config(hidden=128, mlp=96, layers=2, heads=4, kv_heads=2, vocabulary=80)
HEAD = 32
# Bytes of a row, and how far logits may be from those with a cache of floats, relative to the largest of them.
FORMATS = {"f16": (2 * HEAD, 1e-3), "fp8": (HEAD, 0.1), "int8": (HEAD + 4, 0.02), "int4": (HEAD // 2 + 4, 0.2)}
PROMPT = [5, 17, 33, 2, 71, 8, 64, 19, 40, 11, 3, 77]
ZOO = ROOT / "test/data/zoo"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("llama")
    weights = tiny.llama_weights(CONFIG, np.random.default_rng(2))
    safetensors = tiny.write_safetensors(folder / "llama.safetensors", weights)
    return stories15m.build(safetensors, CONFIG).save(folder / "llama.onnx")


def compiled(source, output, *options, **more):
    return qcc.compile(source, output=output, **{"level": 1, "target": "x86", "options": list(options)} | more)


@pytest.fixture(scope="module")
def floats(qcc_tool, source, tmp_path_factory):
    return qcc.load(compiled(source, tmp_path_factory.mktemp("f32") / "f32.so"))


@pytest.fixture(scope="module", params=FORMATS)
def narrow(request, qcc_tool, source, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    return request.param, compiled(source, folder / "narrow.so", f"--kv={request.param}")


def same_bits(a, b):
    assert a.shape == b.shape
    np.testing.assert_array_equal(a.view(np.uint32), b.view(np.uint32))


def logits(model, chunks=(12,), **options):
    decoder, at, parts = model.decoder(capacity=24, **options), 0, []
    for chunk in chunks:
        parts.append(decoder.step(PROMPT[at:at + chunk]).copy())
        at += chunk
    return np.concatenate(parts, axis=1)


def empty(model, name):
    """A past of no rows for an input."""
    info = next(value for value in model.signature.inputs if value.name == name)
    return np.zeros((1, CONFIG.kv_heads, 0, int(info.dims[3])), dict(DTYPES.values())[info.dtype])


# --- logits ---
def test_near_to_a_cache_of_floats(floats, narrow):
    format, path = narrow
    want, got = logits(floats), logits(qcc.load(path))
    distance = np.abs(got - want).max() / np.abs(want).max()
    assert 0 < distance < FORMATS[format][1]


@pytest.mark.parametrize("chunks", [[1] * 12, [5, 7], [3, 1, 8]], ids=str)
def test_prompt_in_chunks(narrow, chunks):
    model = qcc.load(narrow[1])
    for level in [name for name, here in model.levels.items() if here]:
        same_bits(logits(model), logits(qcc.load(narrow[1], level=level), chunks))


def test_threads_agree(narrow):
    same_bits(logits(qcc.load(narrow[1], threads=1), [7, 5]), logits(qcc.load(narrow[1], threads=2), [7, 5]))


# --- sessions ---
def test_session_takes_fewer_bytes(narrow):
    decoder = qcc.load(narrow[1]).decoder(batch=3, capacity=40)
    assert decoder.memory["kv"] == 3 * 40 * 2 * CONFIG.layers * CONFIG.kv_heads * FORMATS[narrow[0]][0]


def test_rows_of_a_batch_are_as_alone(narrow):
    model = qcc.load(narrow[1])
    rows = [PROMPT[:6], PROMPT[6:], PROMPT[3:9]]
    decoder = model.decoder(batch=3, capacity=8)
    together = [decoder.step(rows).copy(), decoder.step([[1], [2], [3]]).copy()]
    for i, row in enumerate(rows):
        alone = model.decoder(capacity=8)
        same_bits(together[0][i], alone.step(row)[0].copy())
        same_bits(together[1][i], alone.step([i + 1])[0].copy())


def test_second_thoughts(narrow):
    """Beams change places, and rows that were dropped leave nothing behind."""
    model = qcc.load(narrow[1])
    decoder = model.decoder(batch=2, capacity=16)
    decoder.step([PROMPT[:4], PROMPT[4:8]])
    decoder.step([[70, 71, 72], [60, 61, 62]])
    decoder.truncate(4)
    decoder.reorder([1, 0])
    got = decoder.step([[9], [10]]).copy()
    fresh = model.decoder(batch=2, capacity=16)
    fresh.step([PROMPT[4:8], PROMPT[:4]])
    same_bits(got, fresh.step([[9], [10]]).copy())


# --- past and present ---
def run(model, ids, past):
    seen, count = next(iter(past.values())).shape[2], ids.shape[1]
    return model(input_ids=ids, attention_mask=np.ones((1, seen + count), np.int64),
                 position_ids=np.arange(seen, seen + count)[None], **past)


def pasts(model):
    return [value.name for value in model.signature.inputs if value.role.startswith("past.")]


def test_what_goes_out_comes_in(narrow):
    """Caches that an application keeps are those of a session, byte by byte."""
    model, ids = qcc.load(narrow[1]), np.array([PROMPT])
    names = pasts(model)
    presents = [value.name for value in model.signature.outputs if value.role.startswith("present.")]
    first = run(model, ids[:, :5], {name: empty(model, name) for name in names})
    assert all(first[name].nbytes == 2 * 5 * FORMATS[narrow[0]][0] for name in presents)
    second = run(model, ids[:, 5:], dict(zip(names, (first[name] for name in presents))))
    same_bits(logits(model)[:, 5:].copy(), second["logits"])


def decoded_int8(rows):
    return rows[..., :HEAD].view(np.int8) * rows[..., HEAD:].copy().view(np.float32)


def decoded_int4(rows):
    codes = np.concatenate([rows[..., :16] & 15, rows[..., :16] >> 4], axis=-1)
    step, low = np.moveaxis(rows[..., 16:].copy().view(np.float16).astype(np.float32), -1, 0)
    return codes * step[..., None] + low[..., None]


def test_rows_lie_as_documented(floats, narrow):
    format, path = narrow
    decode = {"int8": decoded_int8, "int4": decoded_int4}.get(format)
    if decode is None:
        pytest.skip("floats are arrays of their type")
    model, ids = qcc.load(path), np.array([PROMPT])
    outputs = [run(m, ids, {name: empty(m, name) for name in pasts(m)}) for m in (floats, model)]
    name = next(value.name for value in model.signature.outputs if value.role == "present.0.key")
    want, got = outputs[0][name], decode(outputs[1][name])
    steps = np.abs(want).max(-1) / 127 if format == "int8" else (want.max(-1) - want.min(-1)) / 15
    assert (np.abs(got - want) <= 0.51 * steps[..., None] + 1e-3 * np.abs(want).max()).all()


# --- with other options ---
@pytest.mark.parametrize("options", [["--quantize=w8a8"], ["--quantize=w4a8:g32", "-O0"], ["--numerics=fast"]], ids=str)
def test_with_other_options(qcc_tool, source, tmp_path, narrow, options):
    plain = logits(qcc.load(compiled(source, tmp_path / "plain.so", *options)))
    both = logits(qcc.load(compiled(source, tmp_path / "both.so", *options, f"--kv={narrow[0]}")))
    assert 0 < np.abs(both - plain).max() / np.abs(plain).max() < 2 * FORMATS[narrow[0]][1] + 0.05


@pytest.mark.parametrize("name", ["gpt2-cache-dyn20", "qwen2-cache-ts17"])
@pytest.mark.parametrize("format", ["f16", "int8"])
def test_exporters(qcc_tool, tmp_path, name, format):
    model = ZOO / name / "model.onnx"
    want = logits_of_zoo(compiled(model, tmp_path / "plain.so"))
    got = logits_of_zoo(compiled(model, tmp_path / "narrow.so", f"--kv={format}"))
    assert np.abs(got - want).max() <= 0.03 * np.abs(want).max()
    text = subprocess.run([qcc_tool, model, f"--kv={format}", "--to=fuse", "-o", "-"], check=True, capture_output=True,
                          text=True).stdout
    assert "qnt.kv_append" in text


def test_a_cache_of_halves_is_in_place(qcc_tool, tmp_path):
    """The model widens its cache to f32 and rounds all of it again, so that nothing could stay in place."""
    model = ZOO / "llama-cache-fp16-ts17/model.onnx"
    with pytest.raises(qcc.Error, match="has no KV cache"):
        qcc.load(compiled(model, tmp_path / "plain.so")).decoder(capacity=8)
    want, got = (logits_of_zoo(compiled(model, tmp_path / f"{kv}.so", f"--kv={kv}")) for kv in ("f16", "int8"))
    assert np.abs(got - want).max() <= 0.03 * np.abs(want).max()


def logits_of_zoo(path):
    decoder = qcc.load(path).decoder(batch=1, capacity=12)
    return np.concatenate([decoder.step(PROMPT[:7]).copy(), decoder.step(PROMPT[7:]).copy()], axis=1).astype(np.float32)


def test_a_qnt_file_keeps_its_format(qcc_tool, source, tmp_path):
    def shell(*words):
        return subprocess.run([qcc_tool, *words], cwd=tmp_path, check=True, capture_output=True, text=True)

    shell(source, "--quantize=w8a8", "-o", "plain.qnt")
    made = shell(source, "--quantize=w8a8", "--kv=int8", "-o", "narrow.qnt")
    early = shell("narrow.qnt", "-O1", "--target=native", "-o", "early.so")
    late = shell("plain.qnt", "--kv=int8", "-O1", "--target=native", "-o", "late.so")
    for line in (made.stderr, early.stderr, late.stderr):
        assert "kv int8" in line
    same_bits(logits(qcc.load(tmp_path / "early.so")), logits(qcc.load(tmp_path / "late.so")))
    assert "in place, int8 codes" in shell("inspect", "narrow.qnt").stdout
    manifest = json.loads(shell("inspect", "early.so", "--json").stdout)["manifest"]
    assert manifest["kv"] == "int8"


def test_a_recipe_names_the_format(qcc_tool, source, tmp_path):
    (tmp_path / "r.yaml").write_text("quantize: w8a8\nkv: fp8\n")
    made = subprocess.run([qcc_tool, source, "--recipe=r.yaml", "-O1", "--target=native", "-o", "m.so"], cwd=tmp_path,
                          check=True, capture_output=True, text=True)
    assert "w8a8 · kv fp8" in made.stderr


# --- refusals ---
@pytest.mark.parametrize("model, words, code, message", [
    ("bert-ts17", ["--kv=int8"], 4, "QCC1550"),
    ("llama-cache-dyn23", ["--kv=int5"], 2, "--kv takes f32, f16, int8, fp8, int4"),
    ("llama-cache-dyn23", ["--kv=int8", "-o", "m.onnx"], 2, "ONNX"),
])
def test_refusals(qcc_tool, tmp_path, model, words, code, message):
    made = subprocess.run([qcc_tool, ZOO / model / "model.onnx", *words], cwd=tmp_path, capture_output=True, text=True)
    assert made.returncode == code and message in made.stderr
    assert not list(tmp_path.iterdir())
