"""What all Python tests share: the build folder, the tools in it, the toy model."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("QCC_BUILD", ROOT / "build"))

# This process has the sanitizers' library by now; the tools that it starts have their own.
PRELOAD = os.environ.pop("LD_PRELOAD", "") if "QCC_SANITIZED" in os.environ else ""


def python_environment():
    """For Python processes that load our libraries."""
    return dict(os.environ, LD_PRELOAD=PRELOAD) if PRELOAD else dict(os.environ)


@pytest.fixture(scope="session")
def toy(tmp_path_factory):
    """toy.so, compiled from C by hand: a model without the compiler."""
    if not (BUILD / "lib/libqcc-runtime.so").exists():
        pytest.skip(f"{BUILD}/lib/libqcc-runtime.so is not built")
    compiler = shutil.which("clang-22") or shutil.which("cc")
    path = tmp_path_factory.mktemp("toy") / "toy.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-nostdlib", "-Wall", "-Werror",
         f"-I{ROOT / 'runtime/include'}", str(ROOT / "test/Python/Inputs/toy.c"), "-o", str(path)],
        check=True)
    return path


@pytest.fixture(scope="session")
def qcc_tool():
    if not (BUILD / "bin/qcc").exists():
        pytest.skip(f"{BUILD}/bin/qcc is not built")
    return BUILD / "bin/qcc"
