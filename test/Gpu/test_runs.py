"""Artifacts with code for GPUs run through the runtime on a driver that interprets kernels, and give the bits of a CPU."""

import json

import numpy as np
import pytest
import tiny
from conftest import ROOT
from fakegpu import LIBRARY, Driver, agree, compiled, near, run, same

onnx = pytest.importorskip("onnx")
import qcc  # noqa: E402
from graphs import helper, model, normal, subgraph  # noqa: E402

ZOO = ROOT / "test/data/zoo"
FLOAT, INT64, BOOL = 1, 7, 9
node = helper.make_node


@pytest.fixture(scope="session")
def loaded():
    if not LIBRARY.exists():
        pytest.skip(f"{LIBRARY} is not built")
    return Driver()


@pytest.fixture
def driver(loaded):
    loaded.reset()
    loaded.plug_in()
    yield loaded
    loaded.reset()
    assert loaded.live() == 0


def graph(qcc_tool, driver, folder, proto, *options):
    onnx.save(proto, folder / "m.onnx")
    artifact, kernels = compiled(qcc_tool, folder, folder / "m.onnx", *options)
    driver.kernels(kernels)
    return qcc.load(artifact)


# --- whole models ---

def zoo_inputs(name, index=0):
    folder = ZOO / name / f"test_data_set_{index}"
    proto = onnx.load(ZOO / name / "model.onnx")
    arrays = [onnx.numpy_helper.to_array(onnx.load_tensor(p)) for p in sorted(folder.glob("input_*.pb"))]
    return dict(zip([value.name for value in proto.graph.input], arrays))


@pytest.mark.parametrize("name", ["bert-ts17", "bert-qdq-u8s8", "vit-ts17", "llama-cache-dyn23",
                                  "llama-cache-fp16-ts17"])
def test_zoo(qcc_tool, driver, tmp_path, name):
    artifact, kernels = compiled(qcc_tool, tmp_path, ZOO / name / "model.onnx")
    driver.kernels(kernels)
    agree(qcc.load(artifact), [zoo_inputs(name)])


@pytest.mark.parametrize("name, scheme", [("bert-ts17", "keep"), ("bert-ts17", "w4:g32"), ("llama-cache-dyn23", "fp8e4m3")])
def test_fast_zoo(qcc_tool, driver, tmp_path, name, scheme):
    """Products and attention of bf16 by warpgroups."""
    driver.plug_in(major=9)
    quantize = [] if scheme == "keep" else [f"--quantize={scheme}"]
    artifact, kernels = compiled(qcc_tool, tmp_path, ZOO / name / "model.onnx", "--numerics=fast", *quantize,
                                 target="native,nvptx-sm_90a")
    driver.kernels(kernels)
    near(qcc.load(artifact), [zoo_inputs(name)], part=0.03)


def test_blocks_of_warpgroups(qcc_tool, driver, tmp_path):
    """Products of codes have blocks of 384 threads on sm_90a, other kernels of 128."""
    driver.plug_in(major=9)
    artifact, kernels = compiled(qcc_tool, tmp_path, ZOO / "bert-ts17/model.onnx", "--quantize=w8a8",
                                 target="native,nvptx-sm_90a")
    driver.kernels(kernels)
    _, text = run(qcc_tool, "inspect", artifact, "--json")
    assert {k["threads"] for k in json.loads(text)["gpus"][0]["kernels"]} == {128, 384}
    agree(qcc.load(artifact), [zoo_inputs("bert-ts17")])


@pytest.fixture(scope="module")
def llama(qcc_tool, tmp_path_factory):
    folder = tmp_path_factory.mktemp("llama")
    return compiled(qcc_tool, folder, tiny.write_llama(folder), "--quantize=w8a8")


def steps(decoder):
    """Prompt, tokens, beams and a second thought."""
    rng = np.random.default_rng(3)
    logits = [decoder.step(rng.integers(0, 80, (2, 5))).copy()]
    logits.append(decoder.step(rng.integers(0, 80, (2, 1))).copy())
    decoder.reorder([1, 1])
    logits.append(decoder.step(rng.integers(0, 80, (2, 1))).copy())
    decoder.truncate(4)
    logits.append(decoder.step(rng.integers(0, 80, (2, 2)), mask=np.array([[1] * 6, [0] + [1] * 5])).copy())
    decoder.reset()
    logits.append(decoder.step(rng.integers(0, 80, (2, 3))).copy())
    return logits


def test_decoder(driver, llama):
    artifact, kernels = llama
    driver.kernels(kernels)
    loaded = qcc.load(artifact)
    options = {"batch": 2, "capacity": 16, "max_step": 8}
    there = loaded.decoder(**options, gpu=0)
    for got, want in zip(steps(there), steps(loaded.decoder(**options))):
        assert got.tobytes() == want.tobytes()
    memory = there.memory
    assert memory["device"] > memory["kv"] + memory["arena"] > memory["kv"] > 0
    with pytest.raises(qcc.Error, match="do not fit a capacity of 16"):
        there.step(np.zeros((2, 14), np.int64))


def test_launches_side_by_side(driver, llama):
    """Launches wait for those alone whose results they need, or whose memory they take."""
    artifact, kernels = llama
    driver.kernels(kernels)
    options = {"batch": 1, "capacity": 16, "max_step": 8}
    before = driver.calls("cuGraphAddKernelNode_v2")
    qcc.load(artifact).decoder(**options, gpu=0).step(np.ones((1, 1), np.int64))
    launches = driver.calls("cuGraphAddKernelNode_v2") - before
    assert 0 < driver.depth() < 0.8 * launches
    driver.set(unordered=1)
    with pytest.raises(qcc.Error, match="does not wait for"):
        qcc.load(artifact).decoder(**options, gpu=0).step(np.ones((1, 1), np.int64))


@pytest.mark.parametrize("kv", ["f16", "fp8", "int8", "int4"])
@pytest.mark.parametrize("numerics", ["exact", "fast"])
def test_narrow_caches(qcc_tool, driver, tmp_path, kv, numerics):
    """Fast numerics: attention decodes lines of codes to bf16 and multiplies on tensor cores."""
    artifact, kernels = compiled(qcc_tool, tmp_path, tiny.write_llama(tmp_path), f"--kv={kv}", f"--numerics={numerics}")
    driver.kernels(kernels)
    loaded = qcc.load(artifact)
    options = {"batch": 2, "capacity": 16, "max_step": 8}
    there, here = loaded.decoder(**options, gpu=0), loaded.decoder(**options)
    for got, want in zip(steps(there), steps(here)):
        if numerics == "exact":
            assert got.tobytes() == want.tobytes()
        else:
            np.testing.assert_allclose(got, want, atol=0.05 * np.abs(want).max())
    assert there.memory["kv"] == here.memory["kv"]


def test_attention_in_pairs(qcc_tool, driver, tmp_path):
    """A prompt, tokens and padding: products of bf16 are near those of f32."""
    artifact, kernels = compiled(qcc_tool, tmp_path, tiny.write_llama(tmp_path), "--numerics=fast")
    driver.kernels(kernels)
    loaded = qcc.load(artifact)
    options = {"batch": 2, "capacity": 16, "max_step": 8}
    there, here = loaded.decoder(**options, gpu=0), loaded.decoder(**options)
    differ = 0
    for got, want in zip(steps(there), steps(here)):
        np.testing.assert_allclose(got, want, atol=0.05 * np.abs(want).max())
        differ += got.tobytes() != want.tobytes()
    assert differ


def test_blocks_share_keys(qcc_tool, driver, tmp_path):
    """Of few rows and many keys: each block has a range of them, the last one to come adds up."""
    proto = model([node("Transpose", ["k"], ["t"], perm=[0, 1, 3, 2]), node("MatMul", ["q", "t"], ["s"]),
                   node("Softmax", ["s"], ["w"]), node("MatMul", ["w", "v"], ["y"])],
                  {"q": (FLOAT, [1, 2, "m", 16]), "k": (FLOAT, [1, 2, "n", 16]), "v": (FLOAT, [1, 2, "n", 16])},
                  {"y": (FLOAT, None)}, {})
    onnx.save(proto, tmp_path / "m.onnx")
    artifact, kernels = compiled(qcc_tool, tmp_path, tmp_path / "m.onnx", "--numerics=fast")
    driver.kernels(kernels)
    found = {}
    for units in (1, 2, 4):
        driver.plug_in(units=units, blocks=2)
        made = qcc.load(artifact)
        here, there = made.session(), made.session(gpu=0)
        for keys in (700, 40, 513):
            inputs = {"q": normal(1, 2, 1, 16), "k": normal(1, 2, keys, 16, seed=8), "v": normal(1, 2, keys, 16, seed=9)}
            want, got = here(**inputs)["y"], there(**inputs)["y"]
            np.testing.assert_allclose(got, want, atol=0.02 * np.abs(want).max())
            found[units, keys] = got.tobytes()
    assert found[1, 40] == found[4, 40] and found[1, 700] != found[4, 700]


# --- what a body asks for beyond launches ---

def test_sizes_from_data(qcc_tool, driver, tmp_path):
    proto = model([node("NonZero", ["x"], ["where"]), node("Transpose", ["where"], ["t"]), node("Shape", ["t"], ["s"]),
                   node("Gather", ["x", "first"], ["g"]), node("Add", ["g", "one"], ["y"])],
                  {"x": (FLOAT, ["n", 5]), "first": (INT64, ["k"])}, {"t": (INT64, None), "s": (INT64, None), "y": (FLOAT, None)},
                  {"one": np.float32(1)})
    made = graph(qcc_tool, driver, tmp_path, proto)
    rng = np.random.default_rng(0)
    agree(made, [{"x": (normal(n, 5) * rng.integers(0, 2, (n, 5))).astype(np.float32), "first": np.arange(n)[::2]}
                 for n in (3, 7, 3, 1)])


def test_shapes_from_data(qcc_tool, driver, tmp_path):
    proto = model([node("Reshape", ["x", "shape"], ["r"]), node("Softmax", ["r"], ["y"])],
                  {"x": (FLOAT, ["a", "b"]), "shape": (INT64, [3])}, {"y": (FLOAT, ["p", "q", "r"])})
    made = graph(qcc_tool, driver, tmp_path, proto)
    agree(made, [{"x": normal(4, 6), "shape": np.array(shape)} for shape in ((2, -1, 3), (0, 2, 3), (4, 6, 1))])


def counting_loop():
    """x doubles until its sum is large; rows are collected."""
    body = subgraph([node("Add", ["v", "v"], ["v2"]), node("ReduceSum", ["v2"], ["s"], keepdims=0), node("Less", ["s", "limit"], ["go"]),
                     node("Identity", ["v2"], ["row"])],
                    {"go": (BOOL, []), "v2": (FLOAT, ["n"]), "row": (FLOAT, ["n"])},
                    {"i": (INT64, []), "c": (BOOL, []), "v": (FLOAT, ["n"])})
    return model([node("Loop", ["m", "yes", "x"], ["last", "rows"], "loop", body=body)],
                 {"x": (FLOAT, ["n"]), "m": (INT64, []), "limit": (FLOAT, [])}, {"last": (FLOAT, None), "rows": (FLOAT, None)},
                 {"yes": np.array(True)})


def test_loop(qcc_tool, driver, tmp_path):
    made = graph(qcc_tool, driver, tmp_path, counting_loop())
    agree(made, [{"x": np.ones(n, np.float32), "m": np.array(m), "limit": np.float32(limit)}
                 for n, m, limit in ((3, 10, 50), (4, 2, 1e9), (2, 0, 5), (3, 20, 50))])


def test_operator_of_the_application(qcc_tool, driver, tmp_path):
    proto = model([node("Relu", ["x"], ["r"]), node("Twice", ["r", "", "w"], ["t"], "odd", domain="my"), node("Neg", ["t"], ["y"])],
                  {"x": (FLOAT, ["n", 4])}, {"y": (FLOAT, ["n", 4])}, {"w": np.arange(4, dtype=np.float32)})
    proto.opset_import.append(helper.make_opsetid("my", 1))
    qcc.register_host_op("my::Twice", lambda x, absent, w: x * 2 + w)
    try:
        made = graph(qcc_tool, driver, tmp_path, proto, "--host-op=my::Twice=like(0)")
        agree(made, [{"x": normal(n, 4)} for n in (2, 5)])
    finally:
        qcc.register_host_op("my::Twice", None)


# --- faults ---

def gathers():
    return model([node("Gather", ["t", "i"], ["a"], "first"), node("Gather", ["t", "j"], ["b"], "second"), node("Add", ["a", "b"], ["y"])],
                 {"i": (INT64, ["n"]), "j": (INT64, ["n"])}, {"y": (FLOAT, None)}, {"t": normal(7, 20)})


def test_faults_name_the_first_node(qcc_tool, driver, tmp_path):
    made = graph(qcc_tool, driver, tmp_path, gathers())
    good, bad = np.array([0, 3, 6]), np.array([0, 9, 6])
    here, there = made.session(), made.session(gpu=0)
    for inputs in ({"i": bad, "j": bad}, {"i": good, "j": bad}, {"i": bad, "j": good}):
        with pytest.raises(qcc.Error) as want:
            here(**inputs)
        with pytest.raises(qcc.Error) as got:
            there(**inputs)
        assert (got.value.code, str(got.value)) == (want.value.code, str(want.value))
    same(there(i=good, j=good), here(i=good, j=good))


# --- graphs ---

def test_a_run_is_one_launch(qcc_tool, driver, tmp_path):
    artifact, kernels = compiled(qcc_tool, tmp_path, tiny.write_bert(tmp_path))
    driver.kernels(kernels)
    made = qcc.load(artifact)
    session = made.session(gpu=0)

    def cost(length):
        feeds = {name: np.ones((1, length), np.int64) for name in ("input_ids", "attention_mask", "token_type_ids")}
        before = [driver.calls(name) for name in ("cuGraphLaunch", "cuGraphInstantiateWithFlags", "cuMemAlloc_v2")]
        session(**feeds)
        return [driver.calls(name) - count for name, count in
                zip(("cuGraphLaunch", "cuGraphInstantiateWithFlags", "cuMemAlloc_v2"), before)]

    first = cost(6)
    assert first[:2] == [1, 1] and first[2] > 0
    assert cost(6) == [1, 0, 0]  # as before
    assert cost(5)[1:] == [0, 0]  # another length: the same launches, in the memory that is there
    launches, recorded, _ = cost(13)
    assert (launches, recorded) == (1, 1)
    assert cost(6) == cost(13) == [1, 0, 0]


def test_profile_names_kernels(qcc_tool, driver, tmp_path):
    artifact, kernels = compiled(qcc_tool, tmp_path, tiny.write_bert(tmp_path))
    status, text = run(qcc_tool, "bench", artifact, "--device=gpu", "-r", 1, "--shape=input_ids=1x4", "--profile", "--json",
                       LD_LIBRARY_PATH=str(LIBRARY.parent), QCC_FAKE_GPU_KERNELS=str(kernels))
    assert status == 0, text
    assert "matmul" in text or "linear" in text, text


# --- which code runs where ---

def test_code_by_capability(qcc_tool, driver, tmp_path):
    onnx.save(gathers(), tmp_path / "m.onnx")
    artifact, kernels = compiled(qcc_tool, tmp_path, tmp_path / "m.onnx", target="nvptx-sm_90a,nvptx-sm_89")
    driver.kernels(kernels)
    status, text = run(qcc_tool, "inspect", artifact, "--json")
    assert status == 0, text
    found = json.loads(text)
    assert [gpu["name"] for gpu in found["gpus"]] == ["nvptx-sm_90a", "nvptx-sm_89", "nvptx-sm_80"]
    assert all(gpu["ptx_bytes"] > 1000 for gpu in found["gpus"])
    assert found["levels"] == [] and found["abi"] == "1.3"
    index = np.array([1, 2])
    for major, minor in ((8, 0), (8, 6), (8, 9), (9, 0), (10, 0), (12, 1)):
        driver.set(major=major, minor=minor)
        # The driver takes no code that its device cannot run.
        result = qcc.load(artifact).session()(i=index, j=index)["y"]
        assert result.tobytes() == (normal(7, 20)[index] * 2).tobytes()
    driver.set(major=7, minor=5)
    with pytest.raises(qcc.Error, match="compute capability 7.5, and 8.0 or later is needed"):
        qcc.load(artifact).session()


def test_models_say_what_they_lack(qcc_tool, driver, tmp_path):
    onnx.save(gathers(), tmp_path / "m.onnx")
    status, text = run(qcc_tool, tmp_path / "m.onnx", "--target=native", "-o", tmp_path / "cpu.so")
    assert status == 0, text
    with pytest.raises(qcc.Error, match="no code for GPUs; compile it for one too"):
        qcc.load(tmp_path / "cpu.so").session(gpu=0)
    with pytest.raises(qcc.Error, match="GPU 3 asked for, the driver has 1"):
        qcc.Gpu(3)
    driver.set(driver=12040)
    with pytest.raises(qcc.Error, match="the driver is of CUDA 12.4, and 12.7 or later is needed"):
        qcc.Gpu()
    driver.set(driver=12080, devices=0)
    with pytest.raises(qcc.Error, match="CUDA_ERROR_NO_DEVICE"):
        qcc.Gpu()


def test_no_driver(qcc_tool, tmp_path):
    onnx.save(gathers(), tmp_path / "m.onnx")
    (tmp_path / "libcuda.so.1").write_text("no library")
    status, text = run(qcc_tool, "run", tmp_path / "m.onnx", "--random=i=i64[2]:0..6", "--random=j=i64[2]:0..6", "--device=gpu",
                       LD_LIBRARY_PATH=str(tmp_path))
    assert status == 4 and "QCC1810" in text and "NVIDIA's driver library cannot be loaded" in text, text
    status, text = run(qcc_tool, "run", tmp_path / "m.onnx", "--random=i=i64[2]:0..6", "--device=tpu")
    assert status == 2 and "it reads cpu, gpu or gpu:1" in text


def test_static_outputs(qcc_tool, tmp_path):
    onnx.save(gathers(), tmp_path / "m.onnx")
    for suffix in ("o", "a"):
        out = tmp_path / f"m.{suffix}"
        status, text = run(qcc_tool, tmp_path / "m.onnx", "--target=nvptx-sm_90a", "-o", out)
        assert status == 0, text
        assert b".target sm_80" in out.read_bytes() and b".target sm_90a" in out.read_bytes()


# --- a driver that fails ---

RELEASES = {"cuCtxPopCurrent_v2", "cuMemFree_v2", "cuMemFreeHost", "cuStreamDestroy_v2", "cuGraphDestroy", "cuGraphExecDestroy",
            "cuModuleUnload", "cuDevicePrimaryCtxRelease_v2"}
GIVING_BACK = {"cuCtxPushCurrent_v2": 3, "cuStreamSynchronize": 1}
FUNCTIONS = ["cuInit", "cuDriverGetVersion", "cuDeviceGetCount", "cuDeviceGet", "cuDeviceGetName", "cuDeviceGetAttribute",
             "cuDeviceTotalMem_v2", "cuDevicePrimaryCtxRetain", "cuCtxPushCurrent_v2", "cuModuleLoadDataEx", "cuModuleGetFunction",
             "cuOccupancyMaxActiveBlocksPerMultiprocessor", "cuMemAlloc_v2", "cuMemHostAlloc", "cuMemcpyHtoDAsync_v2",
             "cuMemcpyDtoHAsync_v2", "cuMemcpy2DAsync_v2", "cuMemsetD8Async", "cuStreamCreate", "cuStreamSynchronize",
             "cuGraphCreate", "cuGraphAddKernelNode_v2", "cuGraphInstantiateWithFlags", "cuGraphLaunch"]


def small_decoder_run(artifact):
    decoder = qcc.load(artifact).decoder(batch=2, capacity=4, max_step=1, gpu=0)
    decoder.step([[1], [2]])
    decoder.reorder([1, 0])
    decoder.step([[3], [4]])


@pytest.mark.parametrize("function", FUNCTIONS + sorted(RELEASES))
def test_every_failure_is_a_status(driver, llama, function):
    artifact, kernels = llama
    driver.kernels(kernels)
    before = driver.calls(function)
    small_decoder_run(artifact)
    total = driver.calls(function) - before
    assert total > 0 and driver.live() == 0
    # Of calls that give back what the decoder, its session and the model have, nobody hears. A context that cannot be
    # entered is lost, and its driver gives all back.
    silent = total if function in RELEASES else GIVING_BACK.get(function, 0)
    for nth in sorted({1, (total + 1) // 2, total}):
        for result in {"cuCtxPushCurrent_v2": (719,), "cuModuleLoadDataEx": (218, 719)}.get(function, (1, 2, 719)):
            driver.reset()
            driver.fail(function, nth, result)
            failed = None
            try:
                small_decoder_run(artifact)
            except qcc.Error as error:
                failed = error.with_traceback(None)  # whose frames hold the decoder
            if nth <= total - silent:
                assert failed is not None, (nth, result)
                assert failed.code == ("out_of_memory" if result == 2 and "no memory to" in str(failed) else "device")
                assert (result == 719) == ("start it again" in str(failed)) or "no GPU can be used" in str(failed)
                if function == "cuModuleLoadDataEx" and result == 218:
                    assert "ptxas says no" in str(failed)
            assert driver.live() == 0, (nth, result)
    driver.reset()
    small_decoder_run(artifact)


def test_a_session_goes_on_after_a_failure(driver, llama):
    artifact, kernels = llama
    driver.kernels(kernels)
    loaded = qcc.load(artifact)
    there, here = (loaded.decoder(batch=1, capacity=8, max_step=2, **on) for on in ({"gpu": 0}, {}))
    for function in ("cuGraphLaunch", "cuMemcpyHtoDAsync_v2", "cuMemcpyDtoHAsync_v2", "cuStreamSynchronize"):
        driver.fail(function, 1, 1)
        with pytest.raises(qcc.Error):
            there.step([5, 6])
        assert there.length == here.length
        assert there.step([7]).tobytes() == here.step([7]).tobytes()


def test_device_memory_runs_out(driver, llama):
    artifact, kernels = llama
    driver.kernels(kernels)
    driver.set(memory=4 << 20)
    with pytest.raises(qcc.Error, match=r"has no memory to .*: \d+ of 4 MB are free") as error:
        qcc.load(artifact).decoder(batch=1, capacity=4096, gpu=0)
    assert error.value.code == "out_of_memory"
