"""The comparison with other engines runs and reports; its figures are for people to read."""

import json
import subprocess
import sys

import tiny
from conftest import ROOT


def test_report(qcc_tool, tmp_path):
    model = tiny.write_bert(tmp_path)
    command = [sys.executable, ROOT / "benchmarks/encoder_peers.py", model, "--qcc", qcc_tool, "--vocabulary=40",
               "--shape=1x8", "--shape=2x4", "--rounds=1", "--seconds=0.02", "--threads=1", "--schemes=keep",
               f"--work={tmp_path / 'work'}", f"--json={tmp_path / 'peers.json'}"]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| best peer / qcc f32 |" in done.stdout
    report = json.loads((tmp_path / "peers.json").read_text())
    assert {"qcc f32", "onnxruntime f32", "onnxruntime int8 dynamic"} <= set(report["ms"])
    assert all(set(row) == {"1x8", "2x4"} for row in report["ms"].values())
    assert report["best_peer_over_qcc"]["qcc f32"]["1x8"] > 0
