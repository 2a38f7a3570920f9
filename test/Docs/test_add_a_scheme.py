"""The example of docs/add-a-scheme.md: a format in three files, compiled and run."""

import json
import os
import re
import shlex
import subprocess
import textwrap
from pathlib import Path

import numpy as np
import pytest
import tiny
from conftest import BUILD, ROOT

SCHEME, TABLE, CHOICES = "include/qcc/Support/Scheme.h", "lib/Support/Scheme.cpp", "lib/AssignBits/Choices.cpp"


def example():
    """The blocks of the page's example, in order: enumerator, row of the table, function, case."""
    page = (ROOT / "docs/add-a-scheme.md").read_text()
    section = page[page.index("## A format with a name"):page.index("## A decoder of its own")]
    return [textwrap.dedent(block) for block in re.findall(r"```cpp\n(.*?)```", section, re.DOTALL)]


def insert_before(text, marker, addition):
    """`addition` in front of the line that begins with `marker` and the comment above it."""
    lines = text.splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if line.lstrip().startswith(marker))
    while lines[at - 1].lstrip().startswith("///"):
        at -= 1
    return "".join(lines[:at]) + addition + "".join(lines[at:])


def edited():
    """The text of each file after the example's edits, and how many lines they add."""
    enumerator, row, function, case = example()
    name = re.search(r"NVFP4, (\w+), Custom", enumerator)[1]
    texts = {path: (ROOT / path).read_text() for path in (SCHEME, TABLE, CHOICES)}
    before = sum(text.count("\n") for text in texts.values())
    texts[SCHEME] = texts[SCHEME].replace("NVFP4, Custom", f"NVFP4, {name}, Custom")
    texts[TABLE] = re.sub(r'^( *\{"nvfp4".*\n)', lambda found: found[1] + row, texts[TABLE], flags=re.MULTILINE)
    texts[CHOICES] = insert_before(texts[CHOICES], "Codes codesFor(", function + "\n")
    texts[CHOICES] = insert_before(texts[CHOICES], "case Scheme::Weight::Custom:", case)
    return texts, sum(text.count("\n") for text in texts.values()) - before


@pytest.fixture(scope="module")
def extended_qcc(qcc_tool, tmp_path_factory):
    """qcc with the format: the files that name weights' formats compiled anew, everything else of the build."""
    commands = BUILD / "compile_commands.json"
    if "QCC_SANITIZED" in os.environ or not commands.exists():
        pytest.skip("needs an ordinary build folder with compile_commands.json")
    overlay = tmp_path_factory.mktemp("overlay")
    texts, _ = edited()
    for path, text in texts.items():
        (overlay / path).parent.mkdir(parents=True, exist_ok=True)
        (overlay / path).write_text(text)
    objects = []
    for entry in json.loads(commands.read_text()):
        path = Path(entry["file"])
        if not path.is_relative_to(ROOT / "lib") or "Scheme::Weight::" not in path.read_text():
            continue
        inside = path.relative_to(ROOT)
        source = overlay / inside if str(inside) in texts else path
        command = shlex.split(entry["command"])
        objects.append(overlay / (path.stem + ".o"))
        command.remove(entry["file"])
        command[command.index("-o") + 1] = str(objects[-1])
        first = next(i for i, a in enumerate(command) if a.startswith("-I"))
        command[first:first] = [f"-I{overlay / 'include'}", f"-I{path.parent}"]
        subprocess.run([*command, str(source)], cwd=entry["directory"], check=True, timeout=1200)
    link = subprocess.run(["ninja", "-C", BUILD, "-t", "commands", "bin/qcc"], capture_output=True, text=True)
    if link.returncode:
        pytest.skip("needs a build folder of ninja")
    command = link.stdout.splitlines()[-1]
    tool = overlay / "qcc"
    command = re.sub(r" -o bin/qcc ", f" {' '.join(map(str, objects))} -o {tool} ", command)
    subprocess.run(command, shell=True, cwd=BUILD, check=True, timeout=1200)
    return tool


def test_it_is_as_small_as_the_page_says():
    texts, lines = edited()
    assert len(texts) <= 4 and lines <= 150


def test_the_format_runs(extended_qcc, qcc_tool, tmp_path):
    """Six bits of floats lose less than four, with float and integer inputs, and as the interpreter says."""
    model = tiny.write_llama(tmp_path)
    tokens = tmp_path / "val.npy"
    np.save(tokens, np.random.default_rng(2).integers(0, 80, 8 * 24).astype(np.int32))
    name = re.search(r'"(\w+)"', example()[1])[1]

    def kld(scheme):
        out = subprocess.run([extended_qcc, "eval", model, f"--quantize={scheme}", "--tokens", tokens, "--ctx", "24",
                              "--against", model, "--json"], capture_output=True, text=True)
        assert out.returncode == 0, out.stderr
        return json.loads(out.stdout)["kld_mean"]

    assert 0 < kld(f"{name}:g32") < kld("nf4:g32")
    assert 0 < kld(f"{name}a8:g32") < kld("w4a8:g32")
    ids = tmp_path / "ids.npy"
    np.save(ids, np.random.default_rng(3).integers(0, 80, (1, 8)))
    outputs = []
    for folder, options in (("compiled", ["--numerics=exact"]), ("interpreted", ["--reference"])):
        subprocess.run([extended_qcc, "run", model, f"--quantize={name}:g32", "--input", f"ids={ids}", "--output-dir",
                        tmp_path / folder, *options], check=True, capture_output=True)
        outputs.append(np.load(tmp_path / folder / "logits.npy"))
    np.testing.assert_allclose(outputs[0], outputs[1], rtol=1e-4, atol=1e-4)
    refused = subprocess.run([qcc_tool, model, f"--quantize={name}", "-o", tmp_path / "m.so"], capture_output=True)
    assert refused.returncode == 2  # the build without the edits does not know it
