"""The same bytes again: artifacts whatever the folder and job count, results whatever the machine code,
thread count, batch, padding and chunking, as `--numerics=exact` promises."""

import os
import shutil
import subprocess

import numpy as np
import pytest
import tiny

import qcc


@pytest.fixture(scope="module")
def models(qcc_tool, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {"bert": tiny.write_bert(folder), "llama": tiny.write_llama(folder)}


SCHEMES = [None, "w8a8"]


@pytest.fixture(scope="module", params=SCHEMES, ids=["float", "w8a8"])
def bert(request, models, tmp_path_factory):
    return qcc.compile(models["bert"], output=tmp_path_factory.mktemp("bert") / "bert.so", level=1,
                       quantize=request.param, target="x86", options=["--numerics=exact"])


@pytest.fixture(scope="module", params=SCHEMES, ids=["float", "w8a8"])
def llama(request, models, tmp_path_factory):
    return qcc.compile(models["llama"], output=tmp_path_factory.mktemp("llama") / "llama.so", level=1,
                       quantize=request.param, target="x86", options=["--numerics=exact"])


def feeds(rows, length, seed=0):
    rng = np.random.default_rng(seed)
    mask = (np.arange(length)[None] < rng.integers(1, length + 1, rows)[:, None]).astype(np.int64)
    return {"input_ids": rng.integers(0, 40, (rows, length)), "attention_mask": mask,
            "token_type_ids": rng.integers(0, 2, (rows, length))}


def hidden(model, inputs):
    return model(**inputs)["last_hidden_state"]


def same_bits(a, b):
    assert a.shape == b.shape
    np.testing.assert_array_equal(a.view(np.uint32), b.view(np.uint32))


def usable(path):
    return [name for name, here in qcc.load(path).levels.items() if here]


# --- artifacts ----------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["bert", "llama"])
@pytest.mark.parametrize("scheme", ["keep", "w8a8"])
def test_artifacts_are_reproducible(qcc_tool, models, tmp_path, name, scheme):
    built = []
    for i, threads in enumerate((1, 2, 2)):
        folder = tmp_path / ("a" * (1 + 20 * i))  # another length of path each time
        folder.mkdir()
        for suffix in (".onnx", ".safetensors"):
            shutil.copy(models[name].with_suffix(suffix), folder)
        environment = dict(os.environ, TMPDIR=str(folder), LC_ALL="C")
        subprocess.run([qcc_tool, f"{name}.onnx", f"--quantize={scheme}", "-O1", f"--threads={threads}",
                        "-o", "out.so"], cwd=folder, env=environment, check=True, capture_output=True)
        built.append((folder / "out.so").read_bytes())
    assert built[0] == built[1], "differs between one and two compiler threads"
    assert built[1] == built[2], "differs between two folders"


# --- results ------------------------------------------------------------------------------------
def test_feature_levels_agree(bert):
    inputs = feeds(3, 13)
    levels = usable(bert)
    first = hidden(qcc.load(bert, level=levels[0]), inputs)
    for level in levels[1:]:
        same_bits(first, hidden(qcc.load(bert, level=level), inputs))


def test_thread_counts_agree(bert):
    inputs = feeds(5, 16)
    first = hidden(qcc.load(bert, threads=1), inputs)
    for threads in (2, 3):
        same_bits(first, hidden(qcc.load(bert, threads=threads), inputs))


@pytest.mark.parametrize("rows", [2, 9, 32])
def test_alone_or_in_a_batch(bert, rows):
    for level in usable(bert):
        model, inputs = qcc.load(bert, level=level), feeds(rows, 11, seed=rows)
        together = hidden(model, inputs)
        for row in {0, rows // 2, rows - 1}:
            alone = hidden(model, {k: v[row:row + 1].copy() for k, v in inputs.items()})
            same_bits(alone[0], together[row])


@pytest.mark.parametrize("padding", [1, 5, 9])
def test_right_padding(bert, padding):
    model, inputs = qcc.load(bert), feeds(2, 7, seed=3)
    inputs["attention_mask"][:] = 1
    wide = {k: np.pad(v, ((0, 0), (0, padding))) for k, v in inputs.items()}
    same_bits(hidden(model, inputs), hidden(model, wide)[:, :7].copy())


PROMPT = [5, 17, 33, 2, 71, 8, 64, 19, 40, 11, 3, 77]


def logits(model, chunks, capacity=24):
    decoder, at, parts = model.decoder(capacity=capacity), 0, []
    for chunk in chunks:
        parts.append(decoder.step(PROMPT[at:at + chunk]).copy())
        at += chunk
    assert at == len(PROMPT)
    return np.concatenate(parts, axis=1)


@pytest.mark.parametrize("chunks", [[1] * 12, [5, 7], [11, 1], [3, 1, 8]], ids=str)
def test_prompt_in_chunks(llama, chunks):
    for level in usable(llama):
        model = qcc.load(llama, level=level)
        same_bits(logits(model, [12]), logits(model, chunks))


def test_decoder_levels_and_threads_agree(llama):
    first = logits(qcc.load(llama, threads=1), [7, 5])
    for level in usable(llama):
        for threads in (1, 2):
            same_bits(first, logits(qcc.load(llama, threads=threads, level=level), [7, 5]))


def test_capacity_does_not_matter(llama):
    model = qcc.load(llama)
    same_bits(logits(model, [12], capacity=12), logits(model, [12], capacity=200))


def test_rows_of_a_decoder(llama):
    """A row continues in a batch as it does alone."""
    model = qcc.load(llama)
    rows = [PROMPT[:6], PROMPT[6:], PROMPT[3:9]]
    decoder = model.decoder(batch=3, capacity=8)
    together = [decoder.step(rows).copy(), decoder.step([[1], [2], [3]]).copy()]
    for i, row in enumerate(rows):
        alone = model.decoder(capacity=8)
        same_bits(together[0][i], alone.step(row)[0].copy())
        same_bits(together[1][i], alone.step([i + 1])[0].copy())
