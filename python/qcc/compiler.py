"""Runs the qcc tool."""

import re
import subprocess
import sys
from pathlib import Path

from . import _native
from .errors import CompileError


def compile(model, *, output=None, quantize=None, target=None, level=3, options=(), verbose=False):
    """Compiles `model` (.onnx or .qnt) and returns the path of the artifact.

    output    where to write; default: beside the model, STEM.so, or STEM-SCHEME.so when quantizing
    quantize  a scheme such as "w8a8" or "w4a8:g32"; None keeps the model's own precision
    target    "native", "x86", "x86-avx512", …; None: the compiler's default
    level     0 … 3, as -O
    options   further command-line options, as a sequence of strings
    verbose   shows what the compiler prints

    Raises CompileError, which carries the diagnostics.
    """
    tool = _native.compiler()
    if tool is None:
        raise CompileError("", "the qcc tool is neither in this package nor on PATH", 3, "")
    model = Path(model)
    if output is None:
        suffix = "-" + re.sub(r"[^\w.]+", "-", quantize) if quantize else ""
        output = model.with_name(f"{model.stem}{suffix}.so")
    command = [str(tool), str(model), f"-O{level}", "-o", str(output)]
    if target:
        command.append(f"--target={target}")
    if quantize:
        command.append(f"--quantize={quantize}")
    command += [str(option) for option in options]

    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if verbose or done.returncode == 0 and "warning" in done.stderr:
        sys.stderr.write(done.stderr)
    if done.returncode != 0:
        found = re.search(r"QCC\d{4}", done.stderr)
        lines = done.stderr.strip().splitlines()
        message = next((line for line in lines if "error" in line), lines[-1] if lines else "")
        message = message or f"qcc ended with status {done.returncode}"
        raise CompileError(found.group() if found else "", message, done.returncode, done.stderr)
    return Path(output)
