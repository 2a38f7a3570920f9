"""Functions whose kernels are polynomials: how far they are from the true value, and what their ends give."""

import math
import subprocess

import numpy as np
import onnx
import pytest
from graphs import helper, model

import qcc


def true_gelu(x):
    return 0.5 * x * math.erfc(-x * math.sqrt(0.5))


@pytest.fixture(scope="module")
def gelu(qcc_tool, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gelu")
    onnx.save(model([helper.make_node("Gelu", ["x"], ["y"])], {"x": (1, ["n"])}, {"y": (1, ["n"])}), folder / "m.onnx")
    subprocess.run([qcc_tool, folder / "m.onnx", "--target=native", "-o", folder / "m.so"], check=True)
    loaded = qcc.load(folder / "m.so")
    return lambda x: np.asarray(loaded(x=np.asarray(x, np.float32))["y"])


def test_gelu_is_as_close_as_it_says(gelu):
    x = np.linspace(-9, 9, 180_001).astype(np.float32)
    want = np.array([true_gelu(float(v)) for v in x])
    error, above = np.abs(gelu(x) - want), x > 0
    assert (error[above] / np.spacing(want[above].astype(np.float32))).max() <= 8
    assert error[x < 0].max() <= 1.3e-7


def test_ends_of_gelu(gelu):
    y = gelu([np.inf, -np.inf, np.nan, 0, 100, -100, 1e-30, -1e-30])
    assert y[0] == np.inf and y[1] == 0 and np.isnan(y[2])
    np.testing.assert_allclose(y[3:], [0, 100, 0, 5e-31, -5e-31], rtol=1e-6)
