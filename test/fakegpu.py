"""A driver for GPUs that interprets kernels (test/Gpu/FakeDriver.h), and artifacts that run on it."""

import ctypes
import gc
import os
import subprocess
from importlib.util import find_spec
from pathlib import Path

import numpy as np

BUILD = Path(os.environ.get("QCC_BUILD", Path(__file__).resolve().parent.parent / "build"))
LIBRARY = BUILD / "test/Gpu/driver/libcuda.so.1"


class Driver:
    """The fake driver. Whoever has loaded it has loaded libcuda.so.1, which is how the runtime finds it."""

    def __init__(self):
        self.library = ctypes.CDLL(str(LIBRARY))
        for name in ("fake_calls", "fake_live", "fake_depth"):
            getattr(self.library, name).restype = ctypes.c_int64

    def set(self, **values):
        for name, value in values.items():
            self.library.fake_set(name.encode(), ctypes.c_int64(value))

    def kernels(self, file):
        self.library.fake_kernels(str(file).encode())

    def fail(self, function, nth, result):
        self.library.fake_fail(function.encode(), ctypes.c_int64(nth), result)

    def calls(self, function):
        return self.library.fake_calls(function.encode())

    def depth(self):
        return self.library.fake_depth()

    def live(self):
        gc.collect()
        return self.library.fake_live()

    def reset(self):
        self.library.fake_reset()

    def plug_in(self, **values):
        """A small GPU with enough memory."""
        self.set(**{**dict(devices=1, major=8, minor=0, driver=12080, units=2, blocks=2, memory=1 << 30, unordered=0), **values})


def run(*command, **environment):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, errors="replace",
                          env=dict(os.environ, **environment))
    return done.returncode, done.stdout + done.stderr


def compiled(qcc_tool, folder, source, *options, target="native,nvptx-sm_80", name="m"):
    """The artifact, and the file with the kernels that it was made of."""
    kernels, artifact = folder / f"{name}.mlir", folder / f"{name}.so"
    status, text = run(qcc_tool, source, "-O1", f"--target={target}", "--accept=none", "--emit=mlir", "-o", kernels, *options)
    assert status == 0, text
    status, text = run(qcc_tool, kernels, "--from=lower", f"--target={target}", "-o", artifact)
    assert status == 0, text
    return artifact, kernels


def same(got, want):
    assert got.keys() == want.keys()
    for name in want:
        assert got[name].shape == want[name].shape and got[name].dtype == want[name].dtype
        assert got[name].tobytes() == want[name].tobytes(), name


def agree(model, many):
    """Each run on the GPU, in one session, gives the bits of the CPU."""
    here, there = model.session(), model.session(gpu=0)
    for inputs in many:
        want = here(**inputs)
        same(there(**inputs), want)


def deviation(got, want):
    """What two arrays of floats differ by, in the root mean square, as a part of the second. Infinities have to agree."""
    got, want = np.float64(got), np.float64(want)
    finite = np.isfinite(want)
    np.testing.assert_array_equal(got[~finite], want[~finite])
    got, want = got[finite], want[finite]
    size = np.linalg.norm(want)
    return np.linalg.norm(got - want) / (size or 1)


def near(model, many, part=0.1):
    """Each run on the GPU, in one session, gives floats that differ from the CPU's by at most a part of them."""
    here, there = model.session(), model.session(gpu=0)
    for inputs in many:
        want, got = here(**inputs), there(**inputs)
        assert got.keys() == want.keys()
        for name in want:
            assert got[name].shape == want[name].shape and got[name].dtype == want[name].dtype
            if want[name].dtype.kind == "f":
                found = deviation(got[name], want[name])
                assert found <= part, f"{name} differs by {found:.3f} of its root mean square"


def find_ptxas():
    """The assembler of PyPI's nvidia-cuda-nvcc, or None."""
    found = find_spec("nvidia.cu13")
    tool = Path(list(found.submodule_search_locations)[0], "bin/ptxas") if found else None
    return tool if tool and tool.exists() else None
