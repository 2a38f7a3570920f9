"""Sessions side by side run and are counted; the figures are for people to read."""

import json
import os
import subprocess
import sys

import tiny
from conftest import ROOT


def test_report(qcc_tool, tmp_path):
    model = tmp_path / "bert.so"
    subprocess.run([qcc_tool, tiny.write_bert(tmp_path), "--quantize=w8a8", "-O1", "--target=native", "-o", model],
                   check=True)
    command = [sys.executable, ROOT / "benchmarks/sessions.py", model, "--shape=input_ids=1x8", "--sessions=3",
               "--rounds=1", "--seconds=0.05", f"--json={tmp_path / 'sessions.json'}"]
    environment = dict(os.environ, PYTHONPATH=str(ROOT / "python"))
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| 3 processes of one thread |" in done.stdout
    report = json.loads((tmp_path / "sessions.json").read_text())
    assert set(report["runs_per_second"]) == {"sessions", "processes", "one session"}
    assert min(report["runs_per_second"].values()) > 0
    assert report["memory"]["all"] >= report["memory"]["one"] > 0
