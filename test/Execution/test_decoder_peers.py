"""The comparison with llama.cpp runs and reports; a script stands in for the peer, whose figures are then known."""

import json
import subprocess
import sys

import tiny
from conftest import ROOT

# What llama-bench writes, rates that depend on the options, one test for the prompt and one for the generated tokens.
LLAMA_BENCH = """#!{python}
import json, sys
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
assert given["-m"].endswith("tiny-Q4_0.gguf") and given["-o"] == "json" and given["-t"] == "1", given
runs = range(int(given["-r"]))
common = {{"build_number": 7, "build_commit": "abc"}}
print(json.dumps([{{**common, "n_prompt": int(given["-p"]), "n_gen": 0, "samples_ts": [100 + i for i in runs]}},
                  {{**common, "n_prompt": 0, "n_gen": int(given["-n"]), "samples_ts": [10 + i for i in runs]}}]))
"""
LLAMA_QUANTIZE = """#!{python}
import shutil, sys
assert sys.argv[1] == "--allow-requantize" and sys.argv[4] == "Q4_0", sys.argv
shutil.copy(sys.argv[2], sys.argv[3])
"""


def test_report(qcc_tool, tmp_path):
    for name, text in (("llama-bench", LLAMA_BENCH), ("llama-quantize", LLAMA_QUANTIZE)):
        (tmp_path / name).write_text(text.format(python=sys.executable))
        (tmp_path / name).chmod(0o755)
    (tmp_path / "tiny.gguf").write_bytes(b"GGUF")
    command = [sys.executable, ROOT / "benchmarks/decoder_peers.py", tiny.write_llama(tmp_path), "--qcc", qcc_tool,
               "--gguf", tmp_path / "tiny.gguf", "--gguf-type=Q4_0", "--llama-bench", tmp_path / "llama-bench",
               "--prompt=8", "--generate=4", "--threads=1", "--rounds=2", "--runs=3", "--work", tmp_path / "work",
               "--json", tmp_path / "peers.json"]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| llama.cpp, tiny-Q4_0.gguf | 101.0 | 11.0 |" in done.stdout
    report = json.loads((tmp_path / "peers.json").read_text())
    assert report["versions"]["llama.cpp"] == "build 7 (abc)"
    ours = report["tokens_per_second"]["qcc, llama-w4a8-g32-sym.so"]
    assert ours["prefill"] > 0 and ours["decode"] > 0
    assert report["qcc_over_llama"] == {"prefill": ours["prefill"] / 101, "decode": ours["decode"] / 11}
