"""The wheel holds what it needs and nothing of the checkout."""

import os
import shutil
import subprocess
import sys
import zipfile

import pytest
from conftest import BUILD, ROOT


@pytest.mark.skipif("QCC_SANITIZED" in os.environ, reason="a sanitized library needs a preload")
def test_wheel_runs_on_its_own(toy, tmp_path):
    # From a copy: building writes beside the sources.
    source = tmp_path / "checkout/python"
    ignored = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
    shutil.copytree(ROOT / "python", source, ignore=ignored)
    shutil.copy(ROOT / "LICENSE", source.parent)
    environment = dict(os.environ, QCC_BUILD=str(BUILD.resolve()))
    environment.pop("PYTHONPATH", None)
    subprocess.run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, source],
                   check=True, env=environment, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.startswith("qcc-") and "-py3-none-linux_" in wheel.name
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "site")
    assert "qcc/native/libqcc-runtime.so" in names and "qcc/native/LICENSE" in names
    assert ("qcc/native/qcc" in names) == (BUILD / "bin/qcc").exists()

    environment = dict(environment, PYTHONPATH=str(tmp_path / "site"))
    del environment["QCC_BUILD"]
    code = f"""
import numpy, qcc
assert {str(tmp_path)!r} in qcc.__file__
print(qcc.load({str(toy)!r})(numpy.ones((1, 2), 'f4'), numpy.ones(2, 'f4'))['y'].tolist())
"""
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path,
                          capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[[2.0, 2.0]]"
