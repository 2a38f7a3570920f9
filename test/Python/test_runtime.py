"""Models, sessions and decoders, on a model that is written in C by hand."""

import gc
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import qcc


@pytest.fixture
def model(toy):
    return qcc.load(toy)


def decoder(model, **options):
    return model.decoder(entry="decode", **options)


# --- what a model says of itself -----------------------------------------------------------------


def test_signature(model):
    assert model.name == "toy" and model.level == "plain" and model.levels == {"plain": True}
    assert model.manifest == {"schema": "toy/1"}
    assert [str(t) for t in model.signature.inputs] == ["x: f32[batch, n]", "bias: f32[n]"]
    decode = model.signatures["decode"]
    assert decode.caches == 1 and decode.inputs[0].role == "ids"
    assert "in   attention_mask: i64[batch, past + step]  (mask)" in str(decode)


def test_load_refuses(toy, tmp_path):
    with pytest.raises(qcc.Error) as caught:
        qcc.load(tmp_path / "absent.so")
    assert caught.value.code == "io" and "absent.so" in str(caught.value)
    (tmp_path / "text.so").write_text("not an object")
    with pytest.raises(qcc.Error) as caught:
        qcc.load(tmp_path / "text.so")
    assert caught.value.code == "not_a_model"
    with pytest.raises(qcc.Error):
        qcc.load(toy, level="no-such-level")


# --- calls ---------------------------------------------------------------------------------------


def test_call_by_name_and_position(model):
    x, bias = np.arange(6, dtype=np.float32).reshape(2, 3), np.ones(3, np.float32)
    named = model(x=x, bias=bias)
    assert list(named) == ["y"]
    np.testing.assert_array_equal(named["y"], x + 1)
    np.testing.assert_array_equal(model(x, bias=bias)["y"], x + 1)


def test_results_are_new_arrays(model):
    bias = np.zeros(1, np.float32)
    first = model(np.full((1, 1), 1, np.float32), bias)["y"]
    second = model(np.full((1, 1), 2, np.float32), bias)["y"]
    assert first[0, 0] == 1 and second[0, 0] == 2


def test_shapes_change_between_calls(model):
    for batch, n in [(1, 1), (3, 5), (2, 5), (0, 4), (3, 5)]:
        x = np.random.default_rng(0).random((batch, n), np.float32)
        np.testing.assert_array_equal(model(x, np.ones(n, np.float32))["y"], x + 1)


def test_strided_input_is_copied(model):
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.testing.assert_array_equal(model(x[:, ::2], np.zeros(2, np.float32))["y"], x[:, ::2])
    np.testing.assert_array_equal(model(x.T, np.zeros(3, np.float32))["y"], x.T)


def test_lists_and_safe_casts(model):
    small = np.array([[1, 2]], np.float16)
    np.testing.assert_array_equal(model(small, np.zeros(2, np.float16))["y"], [[1, 2]])
    with pytest.raises(qcc.Error) as caught:
        model([[1.0, 2.0]], np.zeros(2, np.float32))  # a list of float is float64
    assert caught.value.code == "dtype" and "float64" in str(caught.value)


def test_out(model):
    session = model.session()
    x, bias, y = np.ones((2, 2), np.float32), np.ones(2, np.float32), np.empty((2, 2), np.float32)
    result = session(x, bias, out={"y": y})
    assert result["y"] is y and (y == 2).all()
    with pytest.raises(qcc.Error, match="must be a writeable contiguous"):
        session(x, bias, out={"y": np.empty((2, 3), np.float32)})


@pytest.mark.parametrize(
    "inputs, code, text",
    [({"x": np.ones((1, 2), np.float32)}, "invalid_argument", "bias: f32"),
     ({"x": 1, "bias": 1, "z": 1}, "invalid_argument", "no such inputs: z"),
     ({"x": np.ones(2, np.float32), "bias": np.ones(2, np.float32)}, "shape", "rank 1"),
     ({"x": np.ones((1, 2), np.float32), "bias": np.ones(3, np.float32)}, "shape", "3"),
     ({"x": np.ones((1, 2), np.int64), "bias": np.ones(2, np.float32)}, "dtype", "int64")])
def test_bad_inputs(model, inputs, code, text):
    with pytest.raises(qcc.Error) as caught:
        model(**inputs)
    assert caught.value.code == code and text in str(caught.value)
    # What failed does not disturb what follows.
    assert model(np.ones((1, 1), np.float32), np.ones(1, np.float32))["y"][0, 0] == 2


def test_session_keeps_its_model(toy):
    session = qcc.load(toy).session({"x": (4, 8), "bias": (8,)})
    gc.collect()
    assert session(np.ones((1, 8), np.float32), np.ones(8, np.float32))["y"][0, 0] == 2
    assert set(session.memory) == {"arena", "scratch", "output", "kv", "device"}


def test_max_shapes_must_be_complete(model):
    with pytest.raises(qcc.Error, match="lacks bias"):
        model.session({"x": (4, 8)})


def test_many_threads(model):
    wrong = []

    def work(seed):
        x = np.full((4, 16), seed, np.float32)
        for _ in range(200):
            if not (model(x, np.ones(16, np.float32))["y"] == seed + 1).all():
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_own_pool(toy):
    model = qcc.load(toy, threads=2)
    x = np.ones((64, 4), np.float32)
    assert (model(x, np.ones(4, np.float32))["y"] == 2).all()
    pool = qcc.Pool(3)
    assert pool.threads == 3
    assert (model.session(pool=pool)(x, np.ones(4, np.float32))["y"] == 2).all()


# --- decoders ------------------------------------------------------------------------------------


def best(logits):
    return logits[:, -1].argmax(-1).tolist()


def test_decoder_steps(model):
    d = decoder(model, capacity=8)
    logits = d.step([1, 2, 3])
    assert logits.shape == (1, 3, 8) and best(logits) == [6] and d.length == len(d) == 3
    assert best(d.step([4])) == [2]
    d.truncate(3)
    assert best(d.step(np.array([1], np.int32))) == [7]
    d.reset()
    assert d.length == 0 and best(d.step([5])) == [5]


def test_decoder_over_capacity(model):
    d = decoder(model, capacity=4)
    d.step([1, 1, 1])
    with pytest.raises(qcc.Error) as caught:
        d.step([1, 1])
    assert caught.value.code == "capacity" and d.length == 3
    assert best(d.step([1])) == [4]


def test_decoder_fault_names_the_op(model):
    with pytest.raises(qcc.Error) as caught:
        decoder(model, capacity=4).step([-1])
    assert caught.value.code == "index" and "/embed/Gather" in str(caught.value)


def test_decoder_batch_and_reorder(model):
    d = decoder(model, batch=2, capacity=8)
    assert best(d.step([[1, 2], [3, 4]])) == [3, 7]
    d.reorder([1, 1])
    assert best(d.step([[0], [1]])) == [7, 0]
    with pytest.raises(qcc.Error, match="expected"):
        d.step([1, 2])


def test_decoder_mask(model):
    d = decoder(model, batch=2, capacity=8)
    d.step([[1, 2], [0, 3]], mask=[[1, 1], [0, 1]])
    with pytest.raises(qcc.Error, match=r"expected \[2, 3\]"):
        d.step([[1], [1]], mask=[[1], [1]])
    assert d.length == 2


def test_generate(model):
    # Sums 3 → 3, 6 → 6, 12 → 4, 16 → 0, 16 → 0: each new token is the sum so far, modulo 8.
    assert decoder(model, capacity=16).generate([1, 2], 5) == [3, 6, 4, 0, 0]
    assert decoder(model, capacity=16).generate([1, 2], 5, stop=(4,)) == [3, 6, 4]
    assert list(decoder(model, capacity=16).stream([1, 2], 5, stop=(4,))) == [3, 6, 4]
    rows = decoder(model, batch=2, capacity=16).generate([[1, 2], [2, 2]], 3, stop=(6,))
    assert rows == [[3, 6], [4, 0, 0]]


def test_logits_keep_the_decoder(model):
    logits = decoder(model, capacity=4).step([1])
    gc.collect()
    assert best(logits) == [1] and not logits.flags.writeable


# --- costs ---------------------------------------------------------------------------------------


@pytest.mark.skipif("QCC_SANITIZED" in os.environ, reason="sanitizers cost more than the bound")
def test_import_is_quick():
    code = "import time; t = time.perf_counter(); import qcc; print(time.perf_counter() - t)"
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
            for _ in range(5)]
    assert min(float(run.stdout) for run in runs) < 0.150


def test_import_leaves_numpy_alone():
    code = "import qcc, sys; sys.exit('numpy' in sys.modules or 'ctypes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.skipif("QCC_SANITIZED" in os.environ, reason="sanitizers cost more than the bound")
def test_call_overhead(toy):
    """A call costs at most 20 µs more than its C call on prepared structs."""
    from ctypes import byref

    session = qcc.load(toy, threads=1).session({"x": (1, 4), "bias": (4,)})
    x, bias = np.ones((1, 4), np.float32), np.ones(4, np.float32)
    session(x=x, bias=bias)

    def fastest(function):
        times = []
        for _ in range(20):
            start = time.perf_counter()
            for _ in range(100):
                function()
            times.append((time.perf_counter() - start) / 100)
        return min(times)

    through_c = fastest(lambda: session._run(session._handle, session._inputs, 2, session._outputs,
                                             1, byref(session._error)))
    through_python = fastest(lambda: session(x=x, bias=bias))
    assert through_python - through_c < 20e-6, f"{through_python * 1e6:.1f} µs"
