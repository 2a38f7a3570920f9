"""Outlier channels planted in a decoder, so that its function stays and codes of 8 bits suffer: each way
of treating them brings the compiled model back to float, with the same bits on all feature levels."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest
import tiny

import qcc
from qcc.models import stories15m

C = tiny.LLAMA
SIZE = 60.0  # how far the planted channels are above the others
STREAM, INNER, VALUE = [3, 40], [7, 50], [5]
GROUP = C.heads // C.kv_heads


def planted(weights, size):
    """The same function: what makes a channel grows, what reads it shrinks."""
    heads = [h * C.head + v % C.head for v in VALUE for h in range(v // C.head * GROUP, v // C.head * GROUP + GROUP)]
    for i in range(C.layers):
        p = f"model.layers.{i}."
        for norm, readers in (("input_layernorm", ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")),
                              ("post_attention_layernorm", ("mlp.gate_proj", "mlp.up_proj"))):
            weights[f"{p}{norm}.weight"][STREAM] *= size
            for reader in readers:
                weights[f"{p}{reader}.weight"][:, STREAM] /= size
        for rows, columns, made, read in (("mlp.up_proj", "mlp.down_proj", INNER, INNER),
                                          ("self_attn.v_proj", "self_attn.o_proj", VALUE, heads)):
            weights[f"{p}{rows}.weight"][made] *= size
            weights[f"{p}{columns}.weight"][:, read] /= size
    return heads


class Workshop:
    """The model after import and raise, and what passes make of it."""

    def __init__(self, tool, folder, size=SIZE):
        self.tool, self.folder, self.count = tool, folder, 0
        weights = tiny.llama_weights(C, np.random.default_rng(2))
        # Norms near one and layers that add little to the stream, as after training.
        weights = {k: 1 + v * 0.3 if "norm" in k else v * (3.2 if "embed" in k else 0.4)
                   for k, v in weights.items()}
        heads = planted(weights, size)
        source = tiny.write_safetensors(folder / "llama.safetensors", weights)
        self.model = stories15m.build(source, C).save(folder / "llama.onnx")
        self.raised = folder / "raised.mlir"
        self.run(tool, self.model, "--to=raise", "-o", self.raised)
        self.float = self.compile(self.raised, "keep")
        self.observed = self.passes(self.raised, "func.func(qcc-observe-ranges)")
        ids = re.findall(r'qnt\.observe .*id = "([^"]*)"', self.observed.read_text())
        # In each layer the inputs of q, k and v, of o, of gate and up, and of down; then the head's.
        assert len(ids) == 4 * C.layers + 1, ids
        self.outliers = {key: columns for i in range(C.layers) for key, columns in
                         zip(ids[4 * i:], (STREAM, sorted(heads), STREAM, INNER))}
        self.widths = {key: width for i in range(C.layers) for key, width in
                       zip(ids[4 * i:], (C.hidden, C.hidden, C.hidden, C.mlp))}

    def run(self, *command):
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def passes(self, model, pipeline):
        self.count += 1
        out = self.folder / f"passes{self.count}.mlir"
        self.run(self.tool.with_name("qcc-opt"), model, f"--pass-pipeline=builtin.module({pipeline})", "-o", out)
        if (blobs := model.with_name(model.name + ".blobs")).exists():
            shutil.copytree(blobs, out.with_name(out.name + ".blobs"), dirs_exist_ok=True)
        return out

    def compile(self, model, scheme):
        out = model.with_suffix(f".{scheme.replace(':', '-')}.so")
        self.run(self.tool, model, "--from=assign-bits", f"--quantize={scheme}", "--target=x86",
                 "--numerics=exact", "-O1", "-o", out)
        return out

    def decided(self, layers):
        path = self.folder / f"decisions{self.count}.json"
        path.write_text(json.dumps({"schema": "qcc.decisions/1", "layers": layers}))
        passes = (f"qcc-correct-bias{{decisions={path}}},qcc-split-outliers{{decisions={path}}},"
                  f"qcc-migrate-scales{{decisions={path}}}")
        return self.passes(self.observed, f"func.func({passes}),cse")

    def columns(self):
        return self.decided({k: {"kind": "columns", "columns": v} for k, v in self.outliers.items()})

    def migrated(self):
        """Scales into norms and up projections; values lie in the cache, so those split."""
        layers = {}
        for number, (key, columns) in enumerate(self.outliers.items()):
            scales = [SIZE if i in columns else 1.0 for i in range(self.widths[key])]
            layers[key] = ({"kind": "columns", "columns": columns} if number % 4 == 1 else
                           {"kind": "migrate", "scales": scales})
        return self.decided(layers)

    def rotated(self):
        passes = "qcc-fold-norm-gains,qcc-rotate-hadamard{seed=5},qcc-rotate-heads{seed=5},qcc-rotate-inputs"
        return self.passes(self.raised, f"func.func({passes}),cse")

    def sparse(self):
        return self.decided({k: {"kind": "sparse", "fraction": 0.05} for k in self.outliers})


@pytest.fixture(scope="module")
def shop(qcc_tool, tmp_path_factory):
    return Workshop(qcc_tool, tmp_path_factory.mktemp("outliers"))


PROMPT = [5, 17, 33, 2, 71, 8, 64, 19, 40, 11, 3, 77]


def logits(path, level=None):
    decoder = qcc.load(path, level=level).decoder(capacity=16)
    return np.concatenate([decoder.step(PROMPT[:7]).copy(), decoder.step(PROMPT[7:]).copy()], axis=1)


def error(got, want):
    return np.linalg.norm(got - want) / np.linalg.norm(want)


@pytest.fixture(scope="module")
def errors(shop, qcc_tool, tmp_path_factory):
    """What codes cost with and without the planted channels."""
    clean = Workshop(qcc_tool, tmp_path_factory.mktemp("clean"), size=1.0)
    return tuple(error(logits(s.compile(s.raised, "w8a8")), logits(s.float)) for s in (clean, shop))


def test_codes_suffer(errors):
    clean, planted = errors
    assert planted > 5 * clean


# Splitting and migration take the channels away; a rotation spreads what they add to the outputs.
@pytest.mark.parametrize("way", ["columns", "migrated", "rotated"])
def test_each_way_brings_them_back(shop, errors, way):
    model = getattr(shop, way)()
    assert error(logits(shop.compile(model, "keep")), logits(shop.float)) < 1e-5
    codes = shop.compile(model, "w8a8")
    results = [logits(codes, level) for level, here in qcc.load(codes).levels.items() if here]
    for result in results[1:]:
        np.testing.assert_array_equal(results[0].view(np.uint32), result.view(np.uint32))
    assert error(results[0], logits(shop.float)) < 1.5 * errors[0]


def test_sparse_elements(shop):
    """Elements at the side change nothing of a float model, on any level."""
    model = shop.compile(shop.sparse(), "keep")
    for level, here in qcc.load(model).levels.items():
        if here:
            assert error(logits(model, level), logits(shop.float)) < 1e-5


def test_side_paths_join_the_layers(shop):
    """The kernel of the layer adds it; only beside attention, whose heads are a view, it is one of its own."""
    out = shop.folder / "packed.mlir"
    shop.run(shop.tool, shop.columns(), "--from=assign-bits", "--to=pack", "--quantize=w8a8", "-o", out)
    text = out.read_text()
    assert text.count("qnt.sparse_linear") == 7 * C.layers
    assert len(re.findall(r'qnt\.fused "sparse_linear"', text)) == C.layers


# --- What `qcc quantize --method=…` makes of the planted model --------------------------------------


class Codes:
    """The planted model and the same without plants, quantized from the command line."""

    def __init__(self, tool, shop, folder):
        self.tool, self.shop, self.folder = tool, shop, folder
        self.calib = folder / "calib.npy"
        np.save(self.calib, np.random.default_rng(3).integers(0, C.vocabulary, 16 * 24).astype(np.int32))

    def quantize(self, method, scheme="w8a8", *options, check=True):
        name = f"{method}-{scheme}".replace(",", "_").replace(":", "_")
        qnt, so, report = (self.folder / f"{name}{suffix}" for suffix in (".qnt", ".so", ".json"))
        done = subprocess.run(
            [str(part) for part in (self.tool, "quantize", self.shop.model, f"--quantize={scheme}", f"--method={method}",
                                    "--embed=f32", "--head=f32", f"--calib={self.calib}", "--ctx", 24, "--accept=none",
                                    f"--report={report}", "-o", qnt, *options)], capture_output=True, text=True)
        if not check:
            return done
        assert done.returncode == 0, done.stderr
        self.shop.run(self.tool, qnt, "--target=x86", "--numerics=exact", "-O1", "-o", so)
        return error(logits(so), logits(self.shop.float)), json.loads(report.read_text()), qnt


@pytest.fixture(scope="module")
def codes(shop, qcc_tool, tmp_path_factory):
    return Codes(qcc_tool, shop, tmp_path_factory.mktemp("codes"))


@pytest.fixture(scope="module")
def rounded(codes):
    return codes.quantize("rtn")[0]


@pytest.mark.parametrize("method", ["outliers", "columns", "smoothquant", "awq", "hadamard", "smoothquant,outliers",
                                    "hadamard,outliers", "outliers,gptq"])
def test_methods_bring_planted_channels_back(codes, errors, rounded, method):
    clean, planted = errors
    got, report, _ = codes.quantize(method)
    assert rounded > 5 * clean
    assert got < 1.6 * clean, (got, clean, planted)
    if method == "hadamard":
        return
    reasons = {t["name"]: t["reason"] for t in report["tensors"]}
    assert len(reasons) == 7 * C.layers and all("relative output error" in r for r in reasons.values()), reasons


def test_explicit_ways_do_what_they_say(codes):
    transforms = {}
    for method in ("columns", "smoothquant", "sparse"):
        _, report, _ = codes.quantize(method, "w4a8:g32" if method == "sparse" else "w8a8")
        transforms[method] = {t["candidates"][t["chosen"]]["transform"] for t in report["tensors"]}
    assert transforms["columns"] <= {"none", "columns"} and "columns" in transforms["columns"]
    assert transforms["smoothquant"] <= {"none", "scales"} and "scales" in transforms["smoothquant"]
    assert transforms["sparse"] <= {"none", "sparse"}, transforms


def test_rounds_follow_each_other(codes):
    """Scales first, then weights beside the product; codes by GPTQ on what is left."""
    got, report, _ = codes.quantize("awq,sparse,gptq", "w4a8:g32")
    plain, _, _ = codes.quantize("gptq", "w4a8:g32")
    assert got < plain
    rows = {t["name"]: t for t in report["tensors"]}
    assert len(rows) == 7 * C.layers
    assert any("scales" in t["candidates"][0]["transform"] for t in rows.values())
    assert all(t["reason"].count("relative output error") == 2 for t in rows.values())


@pytest.mark.parametrize("methods, reason", [("rtn,gptq", "each of rtn and gptq chooses codes"),
                                             ("stochastic,default", "each of stochastic and default chooses codes"),
                                             ("awq,smoothquant", "each of smoothquant and awq scales channels"),
                                             ("outliers,sparse", "each of outliers and sparse chooses")])
def test_contradictions_are_refused(codes, methods, reason):
    done = codes.quantize(methods, check=False)
    assert done.returncode == 2 and "QCC1006" in done.stderr and reason in done.stderr, done.stderr


def test_treatments_do_not_depend_on_threads(codes):
    one, two = (codes.quantize("outliers,stochastic", "w8a8", "--threads", n)[2].read_bytes() for n in (1, 2))
    assert one == two
