"""python -m qcc data."""

import json

import numpy as np
import pytest

from qcc.__main__ import main


@pytest.fixture
def tokenizer(tmp_path):
    vocabulary = {"[UNK]": 0, "a": 1, "b": 2, "c": 3}
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps({
        "version": "1.0", "added_tokens": [], "normalizer": None, "post_processor": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"}, "decoder": None,
        # Files in the wild ask for padding and truncation; the command must decide that itself.
        "truncation": {"max_length": 2, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
        "padding": {"strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": None,
                    "pad_id": 0, "pad_type_id": 0, "pad_token": "[UNK]"},
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"}}))
    return str(path)


def convert(tmp_path, tokenizer, source, text, *options, suffix=".npz"):
    (tmp_path / source).write_text(text)
    output = tmp_path / f"out{suffix}"
    main(["data", str(tmp_path / source), "--tokenizer", tokenizer, "-o", str(output), *options])
    return np.load(output)


def test_text(tmp_path, tokenizer):
    got = convert(tmp_path, tokenizer, "t.txt", "a b c\n\nc z\n")
    np.testing.assert_array_equal(got["input_ids"], [[1, 2, 3], [3, 0, 0]])
    np.testing.assert_array_equal(got["attention_mask"], [[1, 1, 1], [1, 1, 0]])
    assert got["token_type_ids"].dtype == np.int64


def test_tables(tmp_path, tokenizer):
    lines = '{"text": "a", "n": 1}\n{"text": "b c", "n": 2}\n'
    assert convert(tmp_path, tokenizer, "t.jsonl", lines)["input_ids"].tolist() == [[1, 0], [2, 3]]
    table = 'left,right,score\n"a b",c,0.5\nc,a,1\n'
    got = convert(tmp_path, tokenizer, "t.csv", table, "--pairs", "left,right,score")
    assert got["a_input_ids"].tolist() == [[1, 2], [3, 0]] and got["b_input_ids"].tolist() == [[3], [1]]
    assert got["gold"].tolist() == [0.5, 1.0]
    got = convert(tmp_path, tokenizer, "t.csv", table, "--column", "right", "--samples", "1")
    assert got["input_ids"].tolist() == [[3]]


def test_token_stream(tmp_path, tokenizer):
    got = convert(tmp_path, tokenizer, "t.txt", "a b\nc\n", suffix=".npy")
    assert got.tolist() == [1, 2, 3] and got.dtype == np.int64


@pytest.mark.parametrize(
    "source, text, options, message",
    [("t.csv", "x\na\n", [], "no column 'text'; it has x"),
     ("t.txt", "\n", [], "no samples"),
     ("t.md", "a", [], "expected .txt, .jsonl or .csv"),
     ("t.txt", "a\n", ["--pairs", "x,y"], "a .txt file has no columns")])
def test_refusals(tmp_path, tokenizer, source, text, options, message):
    with pytest.raises(SystemExit) as caught:
        convert(tmp_path, tokenizer, source, text, *options)
    assert message in str(caught.value)
