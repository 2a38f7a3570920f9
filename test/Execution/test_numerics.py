"""What `--numerics=fast` changes: layers of floats multiply in bf16, and what that costs in accuracy and saves in
space. Nothing else changes."""

import re
import subprocess

import numpy as np
import pytest
import tiny

import qcc


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return tiny.write_bert(tmp_path_factory.mktemp("numerics"))


def compiled(model, output, numerics, scheme=None, target="x86"):
    return qcc.compile(model, output=output, level=1, quantize=scheme, target=target,
                       options=[f"--numerics={numerics}"])


@pytest.fixture(scope="module")
def exact(bert, tmp_path_factory):
    return compiled(bert, tmp_path_factory.mktemp("exact") / "m.so", "exact")


@pytest.fixture(scope="module")
def fast(bert, tmp_path_factory):
    return compiled(bert, tmp_path_factory.mktemp("fast") / "m.so", "fast")


def hidden(path, level=None, rows=5):
    rng = np.random.default_rng(3)
    feeds = {"input_ids": rng.integers(0, 40, (rows, 13)), "attention_mask": np.ones((rows, 13), np.int64),
             "token_type_ids": rng.integers(0, 2, (rows, 13))}
    return qcc.load(path, level=level)(**feeds)["last_hidden_state"]


def usable(path):
    return [name for name, here in qcc.load(path).levels.items() if here]


def test_levels(exact, fast):
    base = ["x86-avx512-vnni", "x86-avx512-base", "x86-64-v3"]
    assert list(qcc.load(exact).levels) == base
    assert list(qcc.load(fast).levels) == ["x86-amx", "x86-avx512-bf16", *base]


@pytest.mark.parametrize("rows", [1, 5])
def test_results_are_near(exact, fast, rows):
    want = hidden(exact, rows=rows)
    for level in usable(fast):
        got = hidden(fast, level, rows)
        assert np.any(got != want), level
        # A layer is off by some 2^-9; eight follow each other, with scores of random weights that a softmax magnifies.
        assert np.linalg.norm(got - want) < 2**-5 * np.linalg.norm(want), level


def test_levels_that_widen_agree(fast):
    levels = [level for level in usable(fast) if level not in ("x86-amx", "x86-avx512-bf16")]
    first = hidden(fast, levels[0])
    for level in levels[1:]:
        np.testing.assert_array_equal(first.view(np.uint32), hidden(fast, level).view(np.uint32))


def test_weights_take_half_the_space(bert, tmp_path):
    size = {numerics: compiled(bert, tmp_path / f"{numerics}.o", numerics, target="x86-64-v3").stat().st_size
            for numerics in ("exact", "fast")}
    layers = 2 * (4 * 64 * 64 + 2 * 64 * 96)  # weights of linear layers
    assert size["exact"] - size["fast"] > 0.9 * 2 * layers


def test_a_qnt_is_compiled_either_way(qcc_tool, bert, fast, tmp_path):
    qnt = tmp_path / "m.qnt"
    subprocess.run([qcc_tool, bert, "-o", qnt], check=True, capture_output=True)
    same = compiled(qnt, tmp_path / "m.so", "fast")
    np.testing.assert_array_equal(hidden(fast), hidden(same))


def test_codes_stay_exact(bert, tmp_path):
    outputs = [hidden(compiled(bert, tmp_path / f"{numerics}.so", numerics, "w8a8")) for numerics in ("exact", "fast")]
    np.testing.assert_array_equal(*outputs)


def test_the_report_says_so(qcc_tool, bert, tmp_path):
    run = subprocess.run([qcc_tool, bert, "--numerics=fast", "-O1", "-o", tmp_path / "m.so"], check=True,
                         capture_output=True, text=True)
    assert "products in bf16" in run.stderr


def test_instructions(qcc_tool, bert, tmp_path):
    def lines(target, operation, numerics="fast"):
        out = tmp_path / f"{target}.s"
        subprocess.run([qcc_tool, bert, f"--numerics={numerics}", f"--target={target}", "-O1", "-o", out], check=True,
                       capture_output=True)
        return len(re.findall(rf"\t{operation}\b", out.read_text()))

    assert lines("x86-avx512-bf16", "vdpbf16ps") > 0
    assert lines("x86-avx512-bf16", "vdpbf16ps", "exact") == 0
    assert lines("x86-avx512-vnni", "vdpbf16ps") == 0
    assert lines("x86-amx", "tdpbf16ps") > 0
    assert lines("x86-amx", "tdpbf16ps", "exact") == 0


def test_passes_stay_within_their_budgets(qcc_tool, bert, tmp_path):
    run = subprocess.run([qcc_tool, bert, "--numerics=fast", "--validate-passes", "--shape", "input_ids=2x7", "-O1",
                          "-o", tmp_path / "m.so"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
