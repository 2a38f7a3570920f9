"""Code in matrix tiles: what artifacts hold of it, and that machines without AMX are told so. Where a
machine has AMX, test_determinism.py compares its results with the other levels'."""

import re
import subprocess

import pytest
import tiny

import qcc


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return tiny.write_bert(tmp_path_factory.mktemp("amx"))


def compiled(model, output, scheme, target):
    return qcc.compile(model, output=output, level=1, quantize=scheme, target=target)


def test_only_models_with_codes_of_activations_have_the_level(bert, tmp_path):
    fat = ["x86-avx512-vnni", "x86-avx512-base", "x86-64-v3"]
    for scheme in (None, "w4:g32", "w8a16"):
        assert list(qcc.load(compiled(bert, tmp_path / "without.so", scheme, "x86")).levels) == fat
    for scheme in ("w8a8", "w4a8:g32", "w3a8:g64:sym"):
        assert list(qcc.load(compiled(bert, tmp_path / "with.so", scheme, "x86")).levels) == ["x86-amx", *fat]


@pytest.mark.parametrize("scheme", ["w8a8", "w4a8:g32"])
def test_the_other_kernels_are_those_without_amx(bert, tmp_path, scheme):
    sizes = {}
    for target in ("x86-amx", "x86-avx512-vnni"):
        sizes[target] = compiled(bert, tmp_path / f"{target}.o", scheme, target).stat().st_size
    both = compiled(bert, tmp_path / "both.o", scheme, "x86-amx,x86-avx512-vnni").stat().st_size
    assert both < sizes["x86-avx512-vnni"] + sizes["x86-amx"] / 2


# w8a8 has functions for 16 and for 32 rows.
@pytest.mark.parametrize("scheme, product, functions_each", [("w8a8", "tdpbusd", 2), ("w4a8:g32", "tdpbssd", 1)])
def test_tiles_are_configured_once_a_kernel(qcc_tool, bert, tmp_path, scheme, product, functions_each):
    out = tmp_path / "model.s"
    subprocess.run([qcc_tool, bert, f"--quantize={scheme}", "--target=x86-amx", "-O1", "-o", out], check=True,
                   capture_output=True)
    functions = re.split(r"^\.Lfunc_end\d+:", out.read_text(), flags=re.MULTILINE)
    count = lambda text, op: len(re.findall(rf"\t{op}\b", text))
    configured = [f for f in functions if count(f, "ldtilecfg")]
    assert configured
    assert all(count(f, "ldtilecfg") == count(f, "tilerelease") == 1 for f in configured)
    assert sum(count(f, product) > 0 for f in functions) == functions_each * len(configured)


def test_machines_without_amx_are_told(bert, tmp_path):
    model = compiled(bert, tmp_path / "amx.so", "w8a8", "x86-amx")
    try:
        assert qcc.load(model).level == "x86-amx"
    except qcc.Error as error:
        assert "AMX-INT8" in str(error) and "x86-amx" in str(error)
