"""The benchmarks of kernels build and run, every suite once; their figures are for people to read."""

import json
import subprocess

import pytest
from conftest import BUILD

CASES = ["gemm/w8a8/16x384x384/threads:2", "gemv/w4a8:g32/pages:file/1x2048x5632/threads:2",
         "fused/attention/128+0x12:12x32/threads:1", "fused/layer_norm/128x768/threads:1"]


def run(*options):
    tool = BUILD / "bin/qcc-bench-kernels"
    if not tool.exists():
        pytest.skip(f"{tool} is not built")
    return subprocess.run([tool, *options], capture_output=True, text=True)


def test_every_suite_reports(tmp_path):
    pattern = "|".join(f"^{case}/".replace("+", r"\+") for case in CASES)
    done = run(f"--benchmark_filter={pattern}", "--weights-mb=32", "--benchmark_min_time=0.001",
               f"--benchmark_out={tmp_path / 'out.json'}")
    assert done.returncode == 0, done.stderr
    rows = [line.split(" | ") for line in done.stdout.splitlines()]
    assert [row[0] for row in rows] == ["| kernel", "|---|---:|---:|---:|---:|", *(f"| {case}" for case in CASES)]
    report = json.loads((tmp_path / "out.json").read_text())
    assert report["context"]["weights_mb"] == "32"
    units = ["GOPS", "GB/s", "GOPS", "GB/s"]
    for case, unit, row in zip(report["benchmarks"], units, rows[2:], strict=True):
        assert row[1] == f"{case[unit]:.1f} {unit}"
        assert case["share"] == pytest.approx(case[unit] / case["probe"])
        assert case["median_share"] > 0


@pytest.mark.parametrize("option", ["--level=z80", "--weights-mb=none", "--weights-mb=31", "--unknown"])
def test_wrong_options(option):
    done = run(option)
    assert done.returncode == 2
    assert option.split("=")[0].removeprefix("--") in done.stderr
