"""`qcc sweep` on small models: rows, figures, marks, and schemes that fail."""

import json
import subprocess

import numpy as np
import pytest
import tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sweep")


@pytest.fixture(scope="module")
def bert(qcc_tool, folder):
    return tiny.write_bert(folder)


@pytest.fixture(scope="module")
def texts(folder):
    rng = np.random.default_rng(1)
    ids = rng.integers(1, 40, (10, 12))
    ones = np.ones_like(ids)
    np.savez(folder / "d.npz", input_ids=ids, attention_mask=ones, token_type_ids=0 * ids)
    np.savez(folder / "pairs.npz", a_input_ids=ids, a_attention_mask=ones, b_input_ids=ids[::-1].copy(),
             b_attention_mask=ones, gold=rng.normal(size=10))
    return folder / "d.npz"


def sweep(qcc_tool, *args):
    result = subprocess.run([qcc_tool, "sweep", *map(str, args), "--json"], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert not result.stderr  # progress is for terminals
    table = json.loads(result.stdout)
    assert table["schema"] == "qcc.sweep/1"
    return table, {row["scheme"]: row for row in table["rows"]}


def figure(row, metric):
    return next(m["value"] for m in row["quality"] if m["metric"] == metric)


def dominated(row, rows, metric, sign):
    """Whether another row is as good in everything and better in something."""
    key = lambda r: (r["bytes"], r["median_ms"], sign * figure(r, metric))
    return any(all(a <= b for a, b in zip(key(o), key(row))) and key(o) != key(row) for o in rows)


def test_encoder(qcc_tool, bert, texts, folder):
    """Sizes are those of builds, a failing scheme is a row, and the front follows from the figures."""
    table, rows = sweep(qcc_tool, bert, "--data", texts, "--quantize=w8a8,w4a8:g32,w8a8s", "--embed=w8")
    assert table["latency_at"] == "1x12" and [r["scheme"] for r in table["rows"]] == ["keep", "w8a8", "w4a8:g32", "w8a8s"]
    assert "calib" in rows["w8a8s"]["failed"] and "bytes" not in rows["w8a8s"]
    good = [row for row in table["rows"] if "failed" not in row]
    assert figure(rows["keep"], "cosine") == 1
    assert 1 > figure(rows["w8a8"], "cosine") > figure(rows["w4a8:g32"], "cosine") > 0.5
    for row in good:
        assert row["pareto"] == (not dominated(row, good, "cosine", -1)), row
    alone = folder / "alone.so"
    subprocess.run([qcc_tool, bert, "--quantize=w8a8", "--embed=w8", "--target=native", "-o", alone], check=True,
                   capture_output=True)
    assert abs(alone.stat().st_size - rows["w8a8"]["bytes"]) < 4096  # names and options differ


def test_pairs_and_methods(qcc_tool, bert, texts, folder):
    """With calibration data static scales work, and codes come from the default recipe."""
    table, rows = sweep(qcc_tool, bert, "--pairs", folder / "pairs.npz", "--calib", texts, "--quantize=w8a8s,w4a8:g32",
                        "--latency-at=1x8,threads=1")
    assert table["latency_at"] == "1x8,threads=1"
    assert rows["w8a8s"]["method"] == "default" and "failed" not in rows["w8a8s"]
    assert all(-1 <= figure(row, "spearman") <= 1 for row in table["rows"])


def test_decoder(qcc_tool, folder):
    llama = tiny.write_llama(folder)
    tokens = folder / "val.npy"
    np.save(tokens, np.random.default_rng(2).integers(0, 80, 8 * 24).astype(np.int32))
    table, rows = sweep(qcc_tool, llama, "--tokens", tokens, "--ctx", 24, "--quantize=w8a8,w3a8:g32", "--limit", 4)
    assert table["latency_at"] == "decode"
    assert figure(rows["keep"], "kld") == pytest.approx(0, abs=1e-9) and figure(rows["keep"], "top1") == 1
    assert 0 < figure(rows["w8a8"], "kld") < figure(rows["w3a8:g32"], "kld")
    assert rows["w8a8"]["bytes"] < rows["keep"]["bytes"]
    text = subprocess.run([qcc_tool, "sweep", llama, "--tokens", tokens, "--ctx", "24", "--quantize=w8a8"],
                          capture_output=True, text=True, check=True).stdout.splitlines()
    assert text[0].split()[:3] == ["scheme", "method", "size"] and text[1].startswith("keep") and text[2].startswith("w8a8")


def test_what_it_needs(qcc_tool, bert, texts):
    for options, reason in ((["--quantize=w8a8"], "give one of --data, --tokens and --pairs"),
                            (["--data", texts, "--quantize=auto"], "takes a list of schemes"),
                            (["--data", texts, "--latency-at=soon"], "--latency-at 'soon'")):
        result = subprocess.run([qcc_tool, "sweep", bert, *map(str, options)], capture_output=True, text=True)
        assert result.returncode == 2 and reason in result.stderr
