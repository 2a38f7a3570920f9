"""A slice of the random graphs; docs/testing.md says how to run many."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, python_environment

pytest.importorskip("onnxruntime")
HERE = Path(__file__).parent


@pytest.mark.parametrize("first", [0, 100, 200, 300])
def test_random_graphs_agree(qcc_tool, tmp_path, first):
    command = [sys.executable, ROOT / "scripts/fuzz_graphs.py", f"--qcc={qcc_tool}", f"--seeds={first}..{first + 100}",
               "--jobs=1", f"--keep={tmp_path / 'finds'}"]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, env=python_environment())
    assert done.returncode == 0, done.stdout + done.stderr
    passed = int(re.search(r"(\d+) passed, 0 failed", done.stdout)[1])
    assert passed >= 85, done.stdout  # the rest is invalid, unstable or refused


def test_explanations_are_few_and_cite():
    entries = json.loads((HERE / "explanations.json").read_text())
    assert len(entries) <= 10
    assert all(set(e) == {"name", "op", "shows", "specification"} for e in entries)
    assert len({e["name"] for e in entries}) == len(entries)


def test_finds_are_told_and_cut_down():
    """What the judge would say of a wrong result, and that a find keeps the node that it is about."""
    sys.path.insert(0, str(HERE))
    from judge import difference, make, reduced
    right = np.arange(6, dtype=np.float32)
    assert difference(right.copy(), right) == "" and "float32[6]" in difference(right.astype(np.int32), right)
    wrong = right.copy()
    wrong[2] += 0.1
    assert difference(wrong, right).startswith("1 of 6 elements, at [2]")
    model, data = make(3)
    last = model.graph.node[-1].op_type
    small, _ = reduced(model, data, lambda m, d: m.graph.node[-1].op_type == last)
    assert small.graph.node[-1].op_type == last and len(small.graph.node) <= len(model.graph.node)
