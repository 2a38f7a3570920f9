"""A slice of the random graphs; docs/testing.md says how to run many."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

pytest.importorskip("onnxruntime")
HERE = Path(__file__).parent


@pytest.mark.parametrize("first", [0, 100, 200, 300])
def test_random_graphs_agree(qcc_tool, tmp_path, first):
    command = [sys.executable, ROOT / "scripts/fuzz_graphs.py", f"--qcc={qcc_tool}", f"--seeds={first}..{first + 100}",
               "--jobs=1", f"--keep={tmp_path / 'finds'}"]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    passed = int(re.search(r"(\d+) passed, 0 failed", done.stdout)[1])
    assert passed >= 85, done.stdout  # the rest is invalid, unstable or refused


def test_explanations_are_few_and_cite():
    entries = json.loads((HERE / "explanations.json").read_text())
    assert len(entries) <= 10
    assert all(set(e) == {"name", "op", "shows", "specification"} for e in entries)
    assert len({e["name"] for e in entries}) == len(entries)
