"""Where the native parts are: inside an installed package, or in a checkout's build folder."""

import os
import shutil
from pathlib import Path

_HERE = Path(__file__).resolve().parent


def _build_folders():
    if "QCC_BUILD" in os.environ:
        yield Path(os.environ["QCC_BUILD"])
    yield _HERE.parent.parent / "build"


def _find(installed, built):
    candidates = [_HERE / "native" / installed, *(folder / built for folder in _build_folders())]
    if "QCC_BUILD" in os.environ:
        candidates = [*candidates[1:2], candidates[0], *candidates[2:]]
    return next((path.resolve() for path in candidates if path.exists()), None)


def runtime_library():
    """The path of libqcc-runtime.so, or None."""
    return _find("libqcc-runtime.so", "lib/libqcc-runtime.so")


def compiler():
    """The path of the qcc tool, or None."""
    path = _find("qcc", "bin/qcc") or shutil.which("qcc")
    return Path(path) if path else None
