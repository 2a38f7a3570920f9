"""From ONNX to results through the compiler, held against onnxruntime."""

import subprocess
import sys

import numpy as np
import onnxruntime
import pytest

import qcc
import tiny


@pytest.fixture(scope="module")
def folder(qcc_tool, tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def bert(folder):
    return tiny.write_bert(folder)


@pytest.fixture(scope="module")
def llama(folder):
    return tiny.write_llama(folder)


def batch(rows, length, seed=0):
    rng = np.random.default_rng(seed)
    mask = (np.arange(length)[None] < rng.integers(1, length + 1, rows)[:, None]).astype(np.int64)
    return {"input_ids": rng.integers(0, 40, (rows, length)), "attention_mask": mask,
            "token_type_ids": rng.integers(0, 2, (rows, length))}


def reference(path, feeds):
    return onnxruntime.InferenceSession(str(path)).run(None, feeds)


def cosine(a, b):
    a, b = a.ravel().astype(np.float64), b.ravel().astype(np.float64)
    return a @ b / np.sqrt((a @ a) * (b @ b))


def test_encoder(bert):
    path = qcc.compile(bert)
    assert path == bert.with_suffix(".so")
    model = qcc.load(path)
    assert [t.name for t in model.signature.inputs] == ["input_ids", "attention_mask", "token_type_ids"]
    assert model.signature.inputs[0].dims == ("batch", "sequence")
    for rows, length in [(1, 1), (3, 7), (2, 16), (1, 5)]:
        feeds = batch(rows, length, seed=length)
        (wanted,) = reference(bert, feeds)
        got = model(**feeds)["last_hidden_state"]
        kept = feeds["attention_mask"].astype(bool)
        np.testing.assert_allclose(got[kept], wanted[kept], rtol=1e-3, atol=1e-3)


def test_quantized_encoder(bert):
    path = qcc.compile(bert, quantize="w8a8", target="native")
    assert path.name == "bert-w8a8.so"
    feeds = batch(3, 12)
    (wanted,) = reference(bert, feeds)
    kept = feeds["attention_mask"].astype(bool)
    got = qcc.load(path)(**feeds)["last_hidden_state"]
    assert cosine(got[kept], wanted[kept]) > 0.99
    assert not np.array_equal(got[kept], wanted[kept])


def test_shapes_that_contradict_are_refused(bert, folder):
    model = qcc.load(qcc.compile(bert, output=folder / "checked.so"))
    feeds = batch(2, 6) | {"attention_mask": np.ones((2, 5), np.int64)}
    with pytest.raises(qcc.Error) as caught:
        model(**feeds)
    assert caught.value.code == "shape" and "attention_mask" in str(caught.value)
    with pytest.raises(qcc.Error) as caught:
        model(**(batch(1, 3) | {"input_ids": np.full((1, 3), 40)}))  # the table has 40 rows
    assert caught.value.code == "index"


def greedy(path, prompt, count):
    """The same through onnxruntime, feeding the whole text each time."""
    c, ids = tiny.LLAMA, list(prompt)
    session = onnxruntime.InferenceSession(str(path))
    past = {f"past_key_values.{i}.{k}": np.zeros((1, c.kv_heads, 0, c.head), np.float32)
            for i in range(c.layers) for k in ("key", "value")}
    for _ in range(count):
        n = len(ids)
        feeds = {"input_ids": np.array([ids]), "attention_mask": np.ones((1, n), np.int64),
                 "position_ids": np.arange(n)[None], **past}
        ids.append(int(session.run(["logits"], feeds)[0][0, -1].argmax()))
    return ids[len(prompt):]


def test_decoder(llama):
    model = qcc.load(qcc.compile(llama))
    assert model.signature.caches == 2 * tiny.LLAMA.layers
    wanted = greedy(llama, [5, 17, 33], 12)
    decoder = model.decoder(capacity=15)
    assert decoder.generate([5, 17, 33], 12) == wanted
    decoder.truncate(3)
    assert decoder.step(wanted[:1])[0, -1].argmax() == wanted[1]


def test_decoder_left_padding(llama, folder):
    """Rows of unequal length, padded on the left, continue as each does alone."""
    model = qcc.load(qcc.compile(llama, output=folder / "padded.so"))
    decoder = model.decoder(batch=2, capacity=8)
    mask = np.array([[0, 0, 1], [1, 1, 1]])
    logits = decoder.step([[0, 0, 9], [5, 17, 33]], mask=mask).copy()
    for row, prompt in enumerate(([9], [5, 17, 33])):
        alone = model.decoder(capacity=8).step(prompt)
        np.testing.assert_allclose(logits[row, -1], alone[0, -1], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("scheme", ["keep", "w8a8", "w4a8:g32"])
def test_logits_of_last_positions(llama, folder, scheme):
    """Asking for fewer rows gives the same bits in less memory."""
    model = qcc.load(qcc.compile(llama, output=folder / "rows.so", quantize=scheme,
                                 options=["--accept=none"]))
    prompt = [[3, 5, 9, 17, 33], [4, 6, 8, 1, 2]]
    mask = np.array([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]])
    whole = model.decoder(batch=2, capacity=8, logits_rows=0)
    logits = whole.step(prompt, mask=mask)
    for rows in (1, 2, 5, 9):
        last = model.decoder(batch=2, capacity=8, logits_rows=rows)
        got = last.step(prompt, mask=mask)
        assert got.shape == (2, min(rows, 5), logits.shape[2])
        np.testing.assert_array_equal(got, logits[:, -got.shape[1]:])
        if rows == 1:
            assert last.memory["output"] < whole.memory["output"]
    with pytest.raises(qcc.Error):
        model.decoder(capacity=8, logits_rows=-1)


def test_errors_carry_code_and_diagnostics(qcc_tool, tmp_path):
    with pytest.raises(qcc.CompileError) as caught:
        qcc.compile(tmp_path / "absent.onnx")
    assert caught.value.code == "QCC1101" and caught.value.exit_status == 3
    assert "absent.onnx" in caught.value.diagnostics
    (tmp_path / "text.onnx").write_text("hello, this is no model")
    with pytest.raises(qcc.CompileError) as caught:
        qcc.compile(tmp_path / "text.onnx")
    assert caught.value.code == "QCC1201" and not (tmp_path / "text.so").exists()


def test_verbose_shows_the_summary(bert, folder):
    code = f"import qcc; qcc.compile({str(bert)!r}, output={str(folder / 'v.so')!r}, verbose=True)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip()
