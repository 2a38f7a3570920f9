"""Every scheme, on every feature level of this machine: the bytes that the interpreter computes.

The model holds look-ups, products, ReLU and sums only, whose steps the interpreter takes in the same
order, so results are compared bit for bit. An attention block with its exponentials comes second."""

import subprocess

import numpy as np
import pytest
import tiny

import qcc

TARGET = "x86,scalar"
# 288 is no multiple of 128: the last block of a row is ragged.
WIDTH, HIDDEN = 288, 96

WEIGHTS = {
    "integers": ["w8", "w8:g32", "w8:g128:asym", "w8:asym", "w8:tensor", "w4", "w4:sym:g128", "w4:channel",
                 "w4:g32:scale=u8", "w3", "w3:sym:g128:scale=bf16", "w2", "w2:sym"],
    "others": ["ternary", "ternary:channel", "binary", "binary:g128", "mxfp4"],
    "floats": ["nf4", "nf4:g128:scale=f16", "cb4", "cb3:g64", "cb2:channel", "fp8e4m3", "fp8e4m3:g128:scale=e4m3",
               "fp8e5m2", "fp8e5m2:tensor"],
}


def with_input(weight, act):
    """w4:g32 and a8 are w4a8:g32."""
    head, colon, rest = weight.partition(":")
    return head + act + colon + rest


SCHEMES = [with_input(w, act) for act in ("", "a8") for kind in WEIGHTS.values() for w in kind]
SCHEMES += ["w8ai16", "w8ai16:g32", "w4ai16:g128", "w3ai16:sym", "ternaryai16", "mxfp4ai16", "binaryai16:channel",
            "w8a8:ag=32", "w8a8:g128:ag=32", "w4a8:g32:ag=96", "w4ai16:ag=64", "mxfp4a8:ag=64", "w2a8:g128:ag=64",
            "nf4ai16", "fp8e4m3a8:ag=64", "fp8e4m3afp8", "fp8e4m3afp8:g32", "fp8e4m3afp8:tensor", "fp8e5m2afp8:g128:scale=e4m3",
            "w8afp8", "w4afp8:g32", "nf4afp8"]

RECIPE = """
schemes:
  six:   {weight: {codebook: [-4, -1, 0, 1, 2, 4], block: 64, scale: e8m0}, act: {bits: 8, per: 64}}
  odd:   {weight: {bits: 5, codebook: [-1, -0.25, 0.125, 0.5, 2], block: 36, scale: u8}}
  five:  {weight: {bits: 5, zero: int, block: 96, scale: bf16}, act: {bits: 8}}
  six6:  {weight: {bits: 6, block: channel}, act: {bits: 16}}
  seven: {weight: {bits: 7, block: 128, scale: e4m3}}
  means: {weight: {bits: 3, codebook: kmeans, block: 64, scale: f16}, act: {bits: 8, per: token}}
  real:  {weight: {bits: 4, zero: float, block: 32}}
  float: {weight: {bits: 6, block: 32}, act: {type: fp8, per: token}}
"""
OWN = ["six", "odd", "five", "six6", "seven", "means", "meansa16:g32", "real", "reala8", "float"]


@pytest.fixture(scope="module")
def mlp(qcc_tool, tmp_path_factory):
    return tiny.write_mlp(tmp_path_factory.mktemp("mlp"), WIDTH, HIDDEN)


def ids(count):
    return (np.arange(count, dtype=np.int64) * 37 + 5) % 64


def reference(qcc_tool, model, inputs, folder, options):
    folder.mkdir()
    arguments = []
    for name, value in inputs.items():
        np.save(folder / f"{name}.npy", value)
        arguments.append(f"--input={name}={folder}/{name}.npy")
    subprocess.run([qcc_tool, "run", "--reference", model, *options, *arguments, f"--output-dir={folder}"],
                   check=True, capture_output=True)
    return {path.stem: np.load(path) for path in folder.glob("*.npy") if path.stem not in inputs}


def run_levels(artifact, inputs):
    """(level, outputs) for each level that works here."""
    for level, here in qcc.load(artifact).levels.items():
        if here:
            yield level, qcc.load(artifact, level=level)(**inputs)


def check(qcc_tool, model, tmp_path, scheme, extra=()):
    options = [f"--quantize={scheme}", "--accept=none", *extra]
    artifact = qcc.compile(model, output=tmp_path / "m.so", level=1, quantize=scheme, target=TARGET,
                           options=["--numerics=exact", "--accept=none", *extra])
    inputs = {"ids": ids(7)}
    want = reference(qcc_tool, model, inputs, tmp_path / "out", options)["y"]
    assert np.isfinite(want).all()
    for level, got in run_levels(artifact, inputs):
        np.testing.assert_array_equal(got["y"].view(np.uint32), want.view(np.uint32), err_msg=level)
        alone = qcc.load(artifact, level=level)(ids=ids(1))["y"]
        np.testing.assert_array_equal(alone.view(np.uint32), want[:1].view(np.uint32), err_msg=f"{level}, alone")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_scheme(qcc_tool, mlp, tmp_path, scheme):
    check(qcc_tool, mlp, tmp_path, scheme)


@pytest.mark.parametrize("scheme", OWN)
def test_scheme_of_a_recipe(qcc_tool, mlp, tmp_path, scheme):
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    check(qcc_tool, mlp, tmp_path, scheme, [f"--recipe={tmp_path}/recipe.yaml"])


def test_overrides_of_a_recipe(qcc_tool, mlp, tmp_path):
    (tmp_path / "recipe.yaml").write_text(
        "quantize: w8a8\noverrides:\n  - {match: up, quantize: keep}\n  - {match: table, quantize: nf4:g16}\n"
        "  - {match: 'd*', quantize: ternarya8}\n")
    recipe = [f"--recipe={tmp_path}/recipe.yaml", "--accept=none"]
    artifact = qcc.compile(mlp, output=tmp_path / "m.so", level=1, target=TARGET, options=["--numerics=exact", *recipe])
    inputs = {"ids": ids(3)}
    want = reference(qcc_tool, mlp, inputs, tmp_path / "out", recipe)["y"]
    plain = reference(qcc_tool, mlp, inputs, tmp_path / "plain", ["--quantize=w8a8"])["y"]
    assert not np.array_equal(want, plain)
    for level, got in run_levels(artifact, inputs):
        # The layer that stays in float sums in another order.
        np.testing.assert_allclose(got["y"], want, rtol=0.05, atol=0.3, err_msg=level)


@pytest.mark.parametrize("scheme", ["w3a8", "nf4:g128", "cb3", "mxfp4a8", "fp8e4m3:g128:scale=e4m3", "ternaryai16", "w8:tensor",
                                    "fp8e4m3afp8"])
def test_quantized_once_compiled_later(qcc_tool, mlp, tmp_path, scheme):
    subprocess.run([qcc_tool, "quantize", mlp, f"--quantize={scheme}", "--accept=none", "-o", tmp_path / "m.qnt"], check=True,
                   capture_output=True)
    inputs = {"ids": ids(5)}
    outputs = []
    for model, options in ((mlp, {"quantize": scheme}), (tmp_path / "m.qnt", {})):
        artifact = qcc.compile(model, output=tmp_path / "m.so", level=1, target="x86", options=["--accept=none"], **options)
        outputs.append(qcc.load(artifact)(**inputs)["y"].view(np.uint32))
    np.testing.assert_array_equal(*outputs)


@pytest.mark.parametrize("embed", ["w8", "w4", "f16", "nf4:g64", "w3", "fp8e5m2", "mxfp4"])
def test_tables(qcc_tool, mlp, tmp_path, embed):
    check(qcc_tool, mlp, tmp_path, "w8a8", [f"--embed={embed}"])


@pytest.mark.parametrize("scheme", ["w4", "w4a8:g32", "w8ai16", "nf4", "ternarya8", "mxfp4a8", "cb3", "fp8e4m3", "w3a8:ag=32",
                                    "fp8e4m3afp8"])
def test_attention(qcc_tool, tmp_path, scheme):
    model = tiny.write_bert(tmp_path)
    artifact = qcc.compile(model, output=tmp_path / "bert.so", level=1, quantize=scheme, target=TARGET,
                           options=["--numerics=exact", "--accept=none"])
    rng = np.random.default_rng(3)
    inputs = {"input_ids": rng.integers(0, 40, (2, 9)), "attention_mask": np.ones((2, 9), np.int64),
              "token_type_ids": rng.integers(0, 2, (2, 9))}
    options = [f"--quantize={scheme}", "--accept=none"]
    want = reference(qcc_tool, model, inputs, tmp_path / "out", options)["last_hidden_state"]
    first = None
    for level, got in run_levels(artifact, inputs):
        got = got["last_hidden_state"]
        first = got if first is None else first
        np.testing.assert_array_equal(got.view(np.uint32), first.view(np.uint32), err_msg=level)
    error = np.linalg.norm(first - want) / np.linalg.norm(want)
    assert error < 0.02, error  # codes near a half may round the other way


@pytest.mark.parametrize("scheme, reason", [("nvfp4", "QCC1501"), ("w4a8:g30", "QCC1501"), ("w8a8s", "QCC1540"),
                                            ("w4a8:g32:ag=48", "QCC1501"), ("w4b8", "QCC1003")])
def test_refused(qcc_tool, mlp, tmp_path, scheme, reason):
    done = subprocess.run([qcc_tool, mlp, f"--quantize={scheme}", "-o", tmp_path / "m.so"], capture_output=True, text=True)
    assert done.returncode == {"QCC1501": 4, "QCC1540": 2, "QCC1003": 2}[reason]
    assert reason in done.stderr
    assert not (tmp_path / "m.so").exists()
