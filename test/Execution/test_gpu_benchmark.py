"""Cases for GPUs are prepared and run, in small sizes and on the CPU; their figures are for people to read."""
import argparse
import json
import sys

import pytest
import tiny
from conftest import ROOT

pytest.importorskip("onnx")
sys.path.insert(0, str(ROOT / "benchmarks"))
import gpu  # noqa: E402
from gpu_cases import Attention, Products  # noqa: E402

SMALL = [Products("codes", "w4a8:g32:sym", 3, 64, 64, layers=2),
         Products("chained codes", "w4a8:g32:sym", 3, 64, 64, layers=2, chained=True),
         Products("bytes", "w8a8", 5, 96, 64, layers=2, unit="TOP/s", bar=1),
         Attention("prefill", 24, 4, 2, 16, layers=2), Attention("decode", 40, 4, 2, 16, layers=2, past=True)]


def test_cases_and_decoders(qcc_tool, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(gpu, "cases", lambda: SMALL)
    decoder = tiny.write_llama(tmp_path)
    options = argparse.Namespace(folder=tmp_path / "gpu", qcc=qcc_tool, target="native,nvptx-sm_80", only="*", model=[],
                                 decoder=[f"tiny={decoder}"], cpu=True, gpu=0, seconds=0.01)
    gpu.prepare(options)
    gpu.run(options)
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert [row.split("|")[1].strip() for row in rows[1:]] == [case.name for case in SMALL] + ["tiny, batch 1"]
    found = json.loads((options.folder / "gpu.json").read_text())
    assert all(case["rate"] > 0 for case in found["cases"]) and found["decoders"]["tiny"] > 0
    assert not list(options.folder.glob("*.weights"))
    gpu.make_weights(options.folder, "tiny", json.loads((options.folder / "index.json").read_text())["sizes"]["tiny"])
    differ, count, largest = gpu.decoded(options.folder, "tiny", None)
    assert differ == 0 == largest and count > 0


def test_amounts():
    codes, causal, one = SMALL[0], SMALL[3], SMALL[4]
    assert codes.amount(1000) == 1000
    assert SMALL[2].amount(0) == 2 * 5 * 96 * 64 * 2
    assert causal.amount(0) == 2 * 2 * sum(2 * 16 * 4 * (i + 1) for i in range(24))
    assert one.amount(0) == 2 * 40 * 2 * (16 + 16) * 2
