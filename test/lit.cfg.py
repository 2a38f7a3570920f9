# The lit suite: which files are tests, which tools they may call, and what a machine must have for
# a test to run on it. Unit binaries and pytest are run by scripts/run_tests.py, not here.
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import lit.formats

config.name = "qcc"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs", "Python"]

source, build = Path(config.qcc_source), Path(config.qcc_build)
config.test_source_root = str(source / "test")
config.test_exec_root = str(build / "test")


def add_tool(name, path):
    """Lets tests call `name`; only whole words, so that `qcc-opt` is not taken for `qcc`."""
    config.substitutions.append((rf"(?<![-\w./%]){re.escape(name)}(?![-\w./=])", shlex.quote(str(path))))


# Longer names first: substitutions apply in order.
for tool in ("qcc-lsp-server", "qcc-reduce", "qcc-opt", "qcc"):
    if (build / "bin" / tool).exists():
        config.available_features.add(tool)
    add_tool(tool, build / "bin" / tool)
for tool in ("FileCheck", "not", "count", "split-file", "llvm-objdump", "llvm-readelf", "llvm-nm", "mlir-tblgen"):
    add_tool(tool, Path(config.llvm_tools) / tool)

config.substitutions += [
    ("%python", shlex.quote(sys.executable)),
    ("%source", str(source)),
    ("%build", str(build)),
    ("%runtime_include", str(source / "runtime/include")),
    ("%runtime_lib", str(build / "lib")),
    ("%cc", shutil.which("clang-22") or "cc"),
    ("%cxx", shutil.which("clang++-22") or "c++"),
]

# --- What this machine has --------------------------------------------------------------------


def processor_flags():
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return set()
    match = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    return set(match.group(1).split()) if match else set()


flags = processor_flags()
levels = {
    "avx2": {"avx2", "fma", "f16c", "bmi2"},
    "avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd"},
    "vnni": {"avx512_vnni"},
    "vbmi": {"avx512vbmi"},
    "avx512bf16": {"avx512_bf16"},
    "amx": {"amx_tile", "amx_int8", "amx_bf16", "avx512_bf16"},
}
for level, needed in levels.items():
    if needed <= flags:
        config.available_features.add(level)
if os.uname().machine == "x86_64":
    config.available_features.add("x86")
for program in ("qemu-aarch64", "npm"):  # npm: a model that the pages use comes from its registry
    if shutil.which(program):
        config.available_features.add(program)
if config.qcc_sanitize:
    config.available_features.add("sanitized")

# Larger inputs that a checkout does not carry. Tests over them are extras: the suite is complete
# without.
data = Path(os.environ.get("QCC_EXTRA_DATA", source.parent / "shared" / "data"))
if data.is_dir():
    config.available_features.add("shared-data")
config.substitutions.append(("%data", str(data)))

# --- Environment ------------------------------------------------------------------------------
config.environment["PYTHONPATH"] = str(source / "python")
config.environment["PYTHONDONTWRITEBYTECODE"] = "1"
config.environment["QCC_BUILD"] = str(build)
config.environment["FILECHECK_OPTS"] = "--enable-var-scope --dump-input-filter=error"
config.environment["NO_COLOR"] = "1"
# What package clients and sanitizers are told by their environment stays theirs.
KEPT = ("HOME", "CCACHE_DIR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "QCC_EXTRA_DATA")
for name, value in os.environ.items():
    if name in KEPT or name.startswith(("PIP_", "SSL_", "NODE_", "npm_config_")):
        config.environment[name] = value
