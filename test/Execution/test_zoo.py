"""Real graphs compile, and give the expected outputs with the code of every feature level."""

import json
import subprocess

import pytest
from conftest import ROOT

ZOO = ROOT / "test/data/zoo"
INDEX = json.loads((ZOO / "index.json").read_text())
# Unfused, quick and full effort: every graph runs at -O1, these at the others as well.
EVERY_EFFORT = ("bert-ts17", "bert-qdq-u8s8", "llama-cache-dyn23", "vit-ts17")


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, errors="replace")
    return done.returncode, done.stdout + done.stderr


def compile_graph(qcc_tool, name, output, *options):
    status, text = run(qcc_tool, ZOO / name / "model.onnx", *options, "-o", output)
    assert status == 0, text
    return output


def check_outputs(qcc_tool, name, artifact, *options):
    """All data sets of the graph, in one process."""
    sets = [x for folder in sorted((ZOO / name).glob("test_data_set_*")) for x in ("--test-data", folder)]
    bounds = (f"--atol={INDEX[name]['atol']}", f"--rtol={INDEX[name]['rtol']}")
    status, text = run(qcc_tool, "run", artifact, *sets, *bounds, *options)
    assert status == 0, text


def usable_levels(qcc_tool, artifact):
    status, text = run(qcc_tool, "inspect", artifact, "--json")
    assert status == 0, text
    return [level["name"] for level in json.loads(text)["levels"] if level["usable"]]


@pytest.mark.parametrize("name", sorted(INDEX))
def test_every_feature_level(qcc_tool, tmp_path, name):
    artifact = compile_graph(qcc_tool, name, tmp_path / "model.so", "-O1")
    levels = usable_levels(qcc_tool, artifact)
    assert levels
    for level in levels:
        check_outputs(qcc_tool, name, artifact, f"--force-level={level}")


@pytest.mark.parametrize("effort", ["-O0", "-O2", "-O3"])
@pytest.mark.parametrize("name", EVERY_EFFORT)
def test_every_effort(qcc_tool, tmp_path, name, effort):
    artifact = compile_graph(qcc_tool, name, tmp_path / "model.so", effort, "--target=native")
    check_outputs(qcc_tool, name, artifact, "--threads=2")


@pytest.mark.parametrize("name", ["bert-ts17", "llama-cache-dyn23"])
def test_interpreter(qcc_tool, name):
    check_outputs(qcc_tool, name, ZOO / name / "model.onnx", "--reference")


def test_listed_is_what_is_there():
    assert sorted(INDEX) == sorted(p.parent.name for p in ZOO.glob("*/model.onnx"))
