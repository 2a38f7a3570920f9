"""What the comparisons with other engines share: our compiler and tool, and what a report says of machine and versions."""
import importlib.metadata
import json
import os
import platform
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def compile_model(qcc, model, scheme, artifact):
    """Compiles for this machine unless the artifact is there."""
    if not Path(artifact).exists():
        subprocess.run([str(qcc), str(model), f"--quantize={scheme}", "--target=native", "-O3", "-o", str(artifact)],
                       check=True)


def qcc_bench(qcc, artifact, *options):
    """What `qcc bench --json` says."""
    command = [str(qcc), "bench", str(artifact), "--json", *map(str, options)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def cores():
    return len(os.sched_getaffinity(0))


def machine():
    found = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    return {"processor": found[1] if found else platform.machine(), "cores": cores()}


def versions(qcc, *packages):
    """{name: version} of qcc and of those Python packages that are installed."""
    found = {"qcc": subprocess.run([str(qcc), "--version"], check=True, capture_output=True, text=True).stdout.strip()
             .removeprefix("qcc ")}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            pass
    return found


def footer(where, with_versions, threads, rounds):
    """The line below a table."""
    names = "; ".join(f"{name} {version}" for name, version in with_versions.items())
    return (f"{where['processor']}, {where['cores']} cores, {threads} threads, median of {rounds} rounds\n"
            f"{names}")
