"""Adds what setuptools does not know: the native parts, and the tag of a wheel that holds them.

QCC_BUILD names the build folder that they come from; default: ../build.
"""

import os
import shutil
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
BUILD = Path(os.environ.get("QCC_BUILD", HERE.parent / "build"))


class NativeDistribution(Distribution):
    def has_ext_modules(self):
        return True  # for one platform, though no extension is compiled here


class BuildWithNative(build_py):
    def run(self):
        super().run()
        native = Path(self.build_lib, "qcc", "native")
        native.mkdir(parents=True, exist_ok=True)
        shutil.copy(BUILD / "lib/libqcc-runtime.so", native)  # follows the link to the real file
        shutil.copy(HERE.parent / "LICENSE", native)
        if (BUILD / "bin/qcc").exists():
            shutil.copy(BUILD / "bin/qcc", native)


class PlatformWheel(bdist_wheel):
    def get_tag(self):
        # ctypes binds to no Python version: one wheel serves all.
        return "py3", "none", super().get_tag()[2]


setup(distclass=NativeDistribution,
      cmdclass={"build_py": BuildWithNative, "bdist_wheel": PlatformWheel})
