"""All PTX assembles, without spills; ptxas comes with the Python environment and needs no GPU."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import tiny
from fakegpu import find_ptxas

onnx = pytest.importorskip("onnx")
from onnx import helper  # noqa: E402

ZOO = Path(__file__).resolve().parent.parent / "data/zoo"
GRAPHS = sorted(p.name for p in ZOO.iterdir() if p.is_dir())
# What is for sm_89 is the same code as for sm_80, as long as no kernel is for it alone.
BUILDS = [(graph, arch) for arch in ("sm_80", "sm_90a") for graph in GRAPHS] + [("bert-ts17", "sm_89")]
SCHEMES = ["w8a8", "w8", "w4a8:g32", "w4:g32", "w4:g64", "nf4", "fp8e4m3", "w3a8:g32", "fp8e4m3afp8"]
# What products and attention take of a GPU: lines "scheme numerics architecture kernel threads registers shared-bytes".
RESOURCES = Path(__file__).resolve().parent / "resources.txt"
MAIN_KERNELS = re.compile("q?linear|attention")
# Of another release of LLVM or ptxas a few registers more are no fault, as long as as many blocks run at once.
MORE_REGISTERS = 8


@pytest.fixture(scope="session")
def ptxas():
    tool = find_ptxas()
    if not tool:
        pytest.skip("ptxas is not there: pip install nvidia-cuda-nvcc")
    return tool


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    return tiny.write_llama(tmp_path_factory.mktemp("ptx"))


def assembled(qcc_tool, ptxas, model, arch, folder, *options):
    """Registers by kernel."""
    text = folder / f"{arch}.ptx"
    subprocess.run([qcc_tool, model, f"--target=nvptx-{arch}", "-o", text, "--accept=none", *options], check=True,
                   capture_output=True)
    done = subprocess.run([ptxas, f"-arch={arch}", "-v", text, "-o", folder / "model.cubin"], text=True,
                          capture_output=True)
    assert done.returncode == 0, done.stderr
    assert "C75" not in done.stderr  # advice that asynchronous products are serialized
    spills = re.findall(r"(\d+) bytes spill (?:stores|loads)", done.stderr)
    assert spills and not any(map(int, spills)), done.stderr
    kernels = re.findall(r"Compiling entry function '(\w+)'", done.stderr)
    registers = re.findall(r"Used (\d+) registers", done.stderr)
    assert set(kernels) == set(re.findall(r"\.visible \.entry (\w+)", text.read_text()))
    return dict(zip(kernels, map(int, registers)))


@pytest.mark.parametrize("numerics", ["exact", "fast"])
@pytest.mark.parametrize("graph,arch", BUILDS)
def test_zoo(qcc_tool, ptxas, tmp_path, graph, arch, numerics):
    assembled(qcc_tool, ptxas, ZOO / graph / "model.onnx", arch, tmp_path, f"--numerics={numerics}")


@pytest.mark.parametrize("arch", ["sm_80", "sm_90a"])
@pytest.mark.parametrize("kv", ["fp8", "int8", "int4"])
def test_narrow_caches(qcc_tool, ptxas, tmp_path, decoder, kv, arch):
    """Of exact attention lanes decode rows."""
    for numerics in ("exact", "fast"):
        assembled(qcc_tool, ptxas, decoder, arch, tmp_path, f"--kv={kv}", f"--numerics={numerics}")
        assert ("ex2.approx" in (tmp_path / f"{arch}.ptx").read_text()) == (numerics == "fast")


def resources(qcc_tool, ptxas, model, folder, scheme, numerics):
    """Main kernels as inspect describes them: {(architecture, kernel): its object}."""
    artifact = folder / "model.so"
    subprocess.run([qcc_tool, model, "--target=nvptx-sm_80,nvptx-sm_90a", f"--quantize={scheme}", f"--numerics={numerics}",
                    "--accept=none", "-o", artifact], check=True, capture_output=True)
    done = subprocess.run([qcc_tool, "inspect", artifact, "--json"], check=True, capture_output=True, text=True,
                          env=dict(os.environ, PATH=f"{ptxas.parent}:{os.environ['PATH']}"))
    codes = json.loads(done.stdout)["gpus"]
    assert all(code["registers_counted"] for code in codes)
    return {(code["name"].removeprefix("nvptx-"), kernel["name"]): kernel for code in codes for kernel in code["kernels"]}


@pytest.mark.parametrize("numerics", ["exact", "fast"])
@pytest.mark.parametrize("scheme", ["keep", *SCHEMES])
def test_schemes(qcc_tool, ptxas, tmp_path, decoder, scheme, numerics):
    """No kernel spills, and none of the main ones takes more than the table says."""
    found = resources(qcc_tool, ptxas, decoder, tmp_path, scheme, numerics)
    assert not [key for key, kernel in found.items() if kernel["spilled_bytes"]]
    rows = [line.split() for line in RESOURCES.read_text().splitlines() if line.startswith(f"{scheme} {numerics} ")]
    known = {(arch, name): list(map(int, numbers)) for _, _, arch, name, *numbers in rows}
    now = {key: [kernel[what] for what in ("threads", "registers", "shared_bytes")]
           for key, kernel in found.items() if MAIN_KERNELS.match(key[1])}
    fresh = "\n".join(" ".join(map(str, [scheme, numerics, *key, *numbers])) for key, numbers in now.items())
    assert known.keys() == now.keys(), f"lines of the table now:\n{fresh}"
    for key, (threads, registers, shared) in now.items():
        assert threads == known[key][0] and shared <= known[key][2], f"{key}; lines of the table now:\n{fresh}"
        assert registers <= known[key][1] + MORE_REGISTERS, f"{key}; lines of the table now:\n{fresh}"


@pytest.mark.parametrize("arch", ["sm_80", "sm_90a"])
def test_fast_numerics(qcc_tool, ptxas, tmp_path, decoder, arch):
    assembled(qcc_tool, ptxas, decoder, arch, tmp_path, "--numerics=fast")
    text = (tmp_path / f"{arch}.ptx").read_text()
    assert "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32" in text and "cvt.rn.bf16x2.f32" in text
    # Attention of many rows: scores with a tile of keys, weights with values that are turned.
    together = ["wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16", "1, 1, 1; wgmma.commit_group"]
    assert [part in " ".join(text.split()) for part in together] == [arch == "sm_90a"] * 2


# Of the three shapes of tiles, together: products, and loads of 16 rows of A. 8-bit codes: two steps of 32 bytes of
# 4, 16 and 32 products. Codes in blocks of 32: the eight steps of a stage of few rows, whole and at the end of K, whose
# rows are loaded otherwise; then two steps of 8 and of 16.
TENSOR_CODE = {"w8a8": (2 * (4 + 16 + 32), 2 * (1 + 4 + 4)), "w4a8:g32": (2 * 8 * 1 + 2 * (8 + 16), 2 * (4 + 4))}
# Where warpgroups multiply, they have the third shape.
WARPGROUP_CODE = {("w8a8", "sm_90a"): (2 * (4 + 16), 2 * (1 + 4)), ("w4a8:g32", "sm_90a"): (2 * 8 * 1 + 2 * 8, 2 * 4)}


@pytest.mark.parametrize("arch", ["sm_80", "sm_89", "sm_90a"])
@pytest.mark.parametrize("scheme", TENSOR_CODE)
def test_products_are_on_tensor_cores(qcc_tool, ptxas, tmp_path, decoder, scheme, arch):
    registers = assembled(qcc_tool, ptxas, decoder, arch, tmp_path, f"--quantize={scheme}")
    text = (tmp_path / f"{arch}.ptx").read_text()
    bodies = dict(re.findall(r"\.visible \.entry (\w+)(.*?)\n}\n", text, re.DOTALL))
    counts = {name: (body.count("mma.sync.aligned.m16n8k32"), body.count("ldmatrix.sync.aligned.m8n8.x4"))
              for name, body in bodies.items() if "mma.sync" in body}
    expected = {s: WARPGROUP_CODE.get((s, arch), code) for s, code in TENSOR_CODE.items()}
    assert expected[scheme] in counts.values()
    assert set(counts.values()) <= set(expected.values())  # some layers stay with 8 bits
    for name in counts:
        assert "cp.async.cg.shared.global" in bodies[name] and "st.shared.v4.b32" in bodies[name]
        assert not re.search(r"\b(ld|st)\.(b|s|u)(8|16|32|64)\b", bodies[name])  # of no known memory
        # A block of 128 threads leaves room for a second one.
        assert registers[name] <= 255


@pytest.mark.parametrize("arch", ["sm_89", "sm_90a"])
def test_8_bit_floats_are_multiplied(qcc_tool, ptxas, tmp_path, decoder, arch):
    assembled(qcc_tool, ptxas, decoder, arch, tmp_path, "--quantize=fp8e4m3afp8", "--numerics=fast")
    text = (tmp_path / f"{arch}.ptx").read_text()
    bodies = dict(re.findall(r"\.visible \.entry (\w+)(.*?)\n}\n", text, re.DOTALL))
    counts = {name: body.count("mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32") for name, body in bodies.items()}
    # As many as of integers, but on sm_90a tiles of 64 rows have half as many columns.
    products = 2 * 8 * 1 + 2 * (4 if arch == "sm_90a" else 8 + 16)
    assert {n for name, n in counts.items() if name.startswith("qlinear")} >= {products}
    # Warpgroups: a line of 128 inputs.
    together = "wgmma.mma_async.sync.aligned.m64n128k32.f32.e4m3.e4m3"
    assert {body.count(together) for name, body in bodies.items() if counts[name]} == {4 if arch == "sm_90a" else 0}


def attention(folder, channels, element, cache=False, mask=None, value_channels=None):
    """Of 8 heads in 2 groups, with a mask of the element's type, or "BOOL", or "none"."""
    value_channels = value_channels or channels
    shape = {"q": ["b", 8, "s", channels], "k": ["b", 2, "t", channels], "v": ["b", 2, "t", value_channels],
             "m": ["b", 1, "s" if cache else 1, "n" if cache else "t"]}
    names, outputs = ["q", "k", "v", "m"], {"y": ["b", 8, "s", value_channels]}
    if cache:
        past, present = "past_key_values.0.", "present.0."
        shape |= {past + "key": ["b", 2, "p", channels], past + "value": ["b", 2, "p", value_channels]}
        names += [past + "key", past + "value"]
        outputs |= {present + "key": ["b", 2, "n", channels], present + "value": ["b", 2, "n", value_channels]}
    if mask == "none":
        del shape["m"]
        names[3] = ""
    types = {"m": onnx.TensorProto.BOOL if mask == "BOOL" else element}
    inputs = [helper.make_tensor_value_info(name, types.get(name, element), dims) for name, dims in shape.items()]
    node = helper.make_node("Attention", names, list(outputs), is_causal=1)
    results = [helper.make_tensor_value_info(name, element, dims) for name, dims in outputs.items()]
    path = folder / "attention.onnx"
    onnx.save(helper.make_model(helper.make_graph([node], "g", inputs, results),
                                opset_imports=[helper.make_opsetid("", 23)], ir_version=10), path)
    return path


# Scores and sums take a product for 16 channels with 8 keys each: of all keys of a tile for many rows, and of 16, which
# a warp has, for few.
@pytest.mark.parametrize("arch", ["sm_80", "sm_89", "sm_90a"])
@pytest.mark.parametrize("channels,element", [(48, "FLOAT"), (64, "FLOAT"), (80, "BFLOAT16"), (128, "FLOAT16"), (256, "FLOAT")])
def test_attention_is_on_tensor_cores(qcc_tool, ptxas, tmp_path, channels, element, arch):
    source = attention(tmp_path, channels, getattr(onnx.TensorProto, element))
    registers = assembled(qcc_tool, ptxas, source, arch, tmp_path, "--numerics=fast")
    text = (tmp_path / f"{arch}.ptx").read_text()
    bodies = dict(re.findall(r"\.visible \.entry (\w+)(.*?)\n}\n", text, re.DOTALL))
    (name,) = [name for name, body in bodies.items() if "mma.sync" in body]
    kind = "f16" if element == "FLOAT16" else "bf16"
    products = bodies[name].count(f"mma.sync.aligned.m16n8k16.row.col.f32.{kind}.{kind}.f32")
    assert products in {channels // 16 * 2 * (keys // 8 + few) for keys, few in ((16, 0), (32, 2), (64, 2))}
    assert bodies[name].count("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16") == products // 4
    for instruction in ("cp.async.cg.shared.global", "ex2.approx.ftz.f32", f"cvt.rn.{kind}x2.f32"):
        assert instruction in bodies[name], instruction
    assert registers[name] <= 255  # a block of 128 threads leaves room for a second one


# Warpgroups have 56 registers to copy with and 224 to multiply with, whatever the operands are.
WARPGROUP_ATTENTION = [(16, "FLOAT16"), (48, "FLOAT"), (64, "FLOAT"), (80, "FLOAT"), (96, "FLOAT16"), (112, "BFLOAT16"),
                       (128, "FLOAT"), (128, "FLOAT16")]


@pytest.mark.parametrize("cache,mask", [(False, "none"), (True, "none"), (True, "BOOL"), (False, None)])
@pytest.mark.parametrize("channels,element", WARPGROUP_ATTENTION)
def test_attention_of_warpgroups(qcc_tool, ptxas, tmp_path, channels, element, cache, mask):
    source = attention(tmp_path, channels, getattr(onnx.TensorProto, element), cache, mask)
    registers = assembled(qcc_tool, ptxas, source, "sm_90a", tmp_path, "--numerics=fast")
    bodies = dict(re.findall(r"\.visible \.entry (\w+)(.*?)\n}\n", (tmp_path / "sm_90a.ptx").read_text(), re.DOTALL))
    (name,) = [name for name, body in bodies.items() if "wgmma.mma_async" in body]
    assert bodies[name].count("wgmma.mma_async") == channels // 16 + 128 // 16
    assert registers[name] <= 168


@pytest.mark.parametrize("mask", ["none", "BOOL"])
@pytest.mark.parametrize("kv", ["fp8", "int8", "int4"])
@pytest.mark.parametrize("channels", [48, 64, 96, 128, 256])
def test_attention_to_narrow_caches(qcc_tool, ptxas, tmp_path, channels, kv, mask):
    """What is stored comes to shared memory by copies, or through registers of the warpgroup that copies."""
    source = attention(tmp_path, channels, onnx.TensorProto.FLOAT, cache=True, mask=mask)
    for arch in ("sm_80", "sm_90a"):
        assembled(qcc_tool, ptxas, source, arch, tmp_path, f"--kv={kv}", "--numerics=fast")
        bodies = dict(re.findall(r"\.visible \.entry (\w+)(.*?)\n}\n", (tmp_path / f"{arch}.ptx").read_text(), re.DOTALL))
        (body,) = [body for body in bodies.values() if "mma.sync" in body]
        assert ("wgmma.mma_async" in body) == (arch == "sm_90a" and channels <= 128)
        assert "cp.async.cg.shared.global" in body
        assert bool(re.search(r"(fma|mul)[.\w]*\.bf16x2", body)) == (kv == "fp8")
        assert "cvt.rn.f32.s" not in body and "cvt.rn.f32.u" not in body


@pytest.mark.parametrize("element", ["FLOAT", "FLOAT16"])
def test_attention_of_two_widths(qcc_tool, ptxas, tmp_path, element):
    """To copy their lines takes more registers than a warpgroup that copies has."""
    source = attention(tmp_path, 96, getattr(onnx.TensorProto, element), value_channels=64)
    assembled(qcc_tool, ptxas, source, "sm_90a", tmp_path, "--numerics=fast")
    text = (tmp_path / "sm_90a.ptx").read_text()
    assert "wgmma.mma_async" not in text and "mma.sync.aligned.m16n8k16" in text


def test_targets_are_named(qcc_tool, decoder, tmp_path):
    def refusal(*options):
        done = subprocess.run([qcc_tool, decoder, *options], text=True, capture_output=True)
        assert done.returncode != 0
        return done.stderr

    text = tmp_path / "model.ptx"
    assert "PTX is for one GPU target" in refusal("--target=x86", "-o", text)
    assert "PTX is for one GPU target" in refusal("--target=nvptx-sm_80,nvptx-sm_89", "-o", text)
    assert "no code generator for target 'nvptx-sm_10'" in refusal("--target=nvptx-sm_10", "-o", text)


# Products of a stage of K, which is a line of 128 bytes of every row, and whether its panels come in bulk.
WARPGROUP_PRODUCTS = {
    "w8a8": ("--quantize=w8a8", "m64n256k32.s32.s8.u8", 4, True),
    "bf16": ("--numerics=fast", "m64n256k16.f32.bf16.bf16", 4, True),
    "w4a8": ("--quantize=w4a8:g32", "m64n128k32.s32.s8.s8", 4, False),
}


@pytest.mark.parametrize("kind", WARPGROUP_PRODUCTS)
def test_products_of_warpgroups(qcc_tool, ptxas, tmp_path, decoder, kind):
    """Barriers, and what bulk copies write, are in memory that both sides of the ring know."""
    options, shape, count, bulk = WARPGROUP_PRODUCTS[kind]
    registers = assembled(qcc_tool, ptxas, decoder, "sm_90a", tmp_path, *options.split())
    bodies = dict(re.findall(r"\.visible \.entry (\w+)(.*?)\n}\n", (tmp_path / "sm_90a.ptx").read_text(), re.DOTALL))
    products = {name: body for name, body in bodies.items() if f"wgmma.mma_async.sync.aligned.{shape} " in body}
    assert products
    for name, body in products.items():
        assert body.count("wgmma.mma_async") == count
        assert ".maxntid 384" in body and "setmaxnreg.dec.sync.aligned.u32" in body
        assert body.count("cp.async.bulk.shared::cta.global.mbarrier::complete_tx::bytes") == bulk
        assert "cp.async.mbarrier.arrive.noinc.shared.b64" in body and "fence.proxy.async" in body
        assert registers[name] <= 168  # of 65536, for 384 threads
