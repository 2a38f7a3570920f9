"""Runs what a page of the documentation tells its readers to run.

usage: run_docs.py SOURCE BUILD PAGE [SETUP]

The fenced blocks of the page run in order in one empty folder: sh blocks through bash, python blocks
afterwards as one program, a c block becomes the file that the page compiles with `cc NAME.c`. The
first failure ends it. SETUP is a program that makes what the page takes for granted in that folder.
`qcc` is the build's, `python` the environment's that runs this.
"""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path


def blocks(text):
    """(language, text, line) of each fenced block."""
    for found in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield found[1], found[2], text.count("\n", 0, found.start()) + 2


def environment(source, build, work):
    tools = Path(work, ".tools")
    tools.mkdir()
    # A script, not a link: through a link Python would not find its environment.
    (tools / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (tools / "python").chmod(0o755)
    path = os.pathsep.join([str(tools), str(build / "bin"), os.environ["PATH"]])
    return dict(os.environ, PATH=path, QCC_SOURCE=str(source), QCC_BUILD=str(build),
                PYTHONPATH=str(source / "python"))


def run(source, build, page, setup=None):
    text = page.read_text()
    parts = list(blocks(text))
    if not parts:
        sys.exit(f"{page}: no blocks to run")
    with tempfile.TemporaryDirectory(prefix="qcc-docs-") as work:
        env = environment(source, build, work)
        # What pages download is kept and shared, so that each file is fetched once.
        models = build / "docs-models"
        models.mkdir(exist_ok=True)
        Path(work, "models").symlink_to(models)
        if setup:
            subprocess.run([sys.executable, setup], cwd=work, env=env, check=True)
        for language, block, line in parts:
            if language == "c":
                Path(work, re.search(r"^cc (\w+\.c)\b", text, re.MULTILINE)[1]).write_text(block)
            elif language == "sh":
                print(f"{page.name}:{line}", flush=True)
                subprocess.run(["bash", "-euo", "pipefail", "-c", block], cwd=work, env=env, check=True)
        program = "\n".join(block for language, block, _ in parts if language == "python")
        if program:
            subprocess.run([sys.executable, "-c", program], cwd=work, env=env, check=True)


try:
    run(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[1], sys.argv[3]), *sys.argv[4:])
except subprocess.CalledProcessError as error:
    sys.exit(f"{sys.argv[3]}: a block ended with status {error.returncode}")
