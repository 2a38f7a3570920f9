"""Whether compiled code, the interpreter and onnxruntime agree on a random graph, and if not, on which node."""

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from blocks import BLOCKS
from graph import SIZES, Graph
from peer import session

import qcc

EXPLANATIONS = json.loads((Path(__file__).parent / "explanations.json").read_text())
TARGETS = ["native", "x86-64-v3", "x86-avx512-base", "x86"]


def make(seed):
    """The graph of a seed, and the data of each set."""
    rng = np.random.default_rng(seed)
    g = Graph(rng, int(rng.choice([13, 15, 17, 18, 20, 21])))
    g.input("f32", g.pick([("b", "s", 16), ("b", "s", 24), ("b", 8, "s"), (4, 16), ("b", 4, 6, 6), ("b", 32)]))
    for _ in range(g.number(0, 2)):
        g.input(g.pick(["f32", "f32", "i64", "i32", "bool", "i8", "u8"]),
                g.pick([("b", "s", 16), ("b", 1, 24), (3, 4), ("s",), ("b", 4, 8), (6,), ("b", 1, 1, "s")]))
    weights = np.array([w for _, w in BLOCKS])
    for _ in range(g.number(3, 12)):
        BLOCKS[rng.choice(len(BLOCKS), p=weights / weights.sum())][0](g)
    if not g.nodes:
        g.node("Identity", [g.inputs[0]], g.inputs[0].dtype, g.inputs[0].dims)
    return g.model(), [g.data(sizes) for sizes in SIZES]


@dataclass
class Verdict:
    """kind: agree, refused, unstable, explained, invalid; mismatch, crash."""
    kind: str
    what: str = ""
    op: str = ""

    @property
    def fails(self):
        return self.kind in ("mismatch", "crash")


def expected(model, data):
    """Outputs of onnxruntime for each set; None where it takes the model or the data for invalid."""
    try:
        peer = session(model, threads=1)
        names = [o.name for o in peer.get_outputs()]
        used = {i.name for i in peer.get_inputs()}
        return [dict(zip(names, peer.run(None, {k: v for k, v in feeds.items() if k in used}))) for feeds in data]
    except Exception:  # it has no common type of errors
        return None


def difference(got, want):
    """What differs between two arrays, in words; empty where nothing does."""
    if got.dtype != want.dtype or got.shape != want.shape:
        return f"{got.dtype}{list(got.shape)} instead of {want.dtype}{list(want.shape)}"
    if want.size == 0:
        return ""
    if want.dtype.kind in "iub":
        wrong = got != want
    else:
        a, b = got.astype(np.float64), want.astype(np.float64)
        finite = np.isfinite(b)
        reach = np.abs(b[finite]).max() if finite.any() else 0.0
        tolerance = (1e-2 if want.dtype == np.float16 else 1e-3) * reach + 1e-6
        with np.errstate(invalid="ignore"):
            wrong = ~((np.abs(a - b) <= tolerance) | (a == b) | (np.isnan(a) & np.isnan(b)))
    if not wrong.any():
        return ""
    at = tuple(int(i) for i in np.argwhere(wrong)[0])
    return f"{int(wrong.sum())} of {want.size} elements, at {list(at)} {got[at]} instead of {want[at]}"


class Judge:
    def __init__(self, tool, folder):
        self.tool, self.folder = Path(tool), Path(folder)
        self.builds = 0
        self.environment = dict(os.environ, NO_COLOR="1", QCC_NUM_THREADS="1")
        self.environment.pop("LD_PRELOAD", None)  # a sanitizer's library is for Python; the tools have theirs
        _, text = self.qcc("targets", "--json")
        self.levels = {level["name"]: level["host"] for level in json.loads(text)["levels"]}

    def qcc(self, *arguments):
        done = subprocess.run([self.tool, *map(str, arguments)], capture_output=True, text=True, timeout=300,
                              env=self.environment)
        return done.returncode, done.stderr + done.stdout

    def compiled(self, model, data, level="-O2", target="native"):
        """(outputs of each set, None), or (None, verdict)."""
        # A name of its own: the loader knows a library by its file.
        self.builds += 1
        path, so = self.folder / "g.onnx", self.folder / f"g{self.builds}.so"
        onnx.save(model, path)
        code, text = self.qcc(path, level, f"--target={target}", "--numerics=exact", "-o", so)
        if code:
            error = next((line for line in text.splitlines() if "error" in line), text[:200])
            return None, Verdict("refused" if code == 4 else "crash", f"compile exits with {code}: {error}")
        used = {i.name for i in model.graph.input}
        results = []
        try:
            loaded = qcc.load(so)
            for feeds in data:
                results.append({k: np.array(v) for k, v in loaded(**{k: v for k, v in feeds.items()
                                                                     if k in used}).items()})
        except qcc.Error as error:
            return None, Verdict("mismatch", f"does not run: {error}")
        return results, None

    def interpreted(self, model, data):
        """Outputs of the first set by the scalar interpreter, or a verdict."""
        path, out = self.folder / "g.onnx", self.folder / "out"
        onnx.save(model, path)
        inputs = []
        for i, info in enumerate(model.graph.input):
            np.save(self.folder / f"in{i}.npy", data[0][info.name])
            inputs += ["--input", f"{info.name}={self.folder / f'in{i}.npy'}"]
        for old in out.glob("*.npy"):
            old.unlink()
        code, text = self.qcc("run", path, "--reference", *inputs, "--output-dir", out)
        if code:
            return None, Verdict("refused" if code == 4 else "crash", f"the interpreter exits with {code}: {text[:300]}")
        return [{o.name: np.load(out / f"{re.sub(r'[^A-Za-z0-9_.-]', '_', o.name)}.npy") for o in model.graph.output}], None

    def compare(self, results, want):
        for number, (got, right) in enumerate(zip(results, want)):
            for name, value in right.items():
                if text := difference(got[name], value):
                    return f"{name} of set {number}: {text}", name
        return "", ""

    def judge(self, model, data, seed=0):
        want = expected(model, data)
        if want is None:
            return Verdict("invalid")
        rng = np.random.default_rng(seed)
        level, target = str(rng.choice(["-O0", "-O1", "-O2", "-O3"])), str(rng.choice(TARGETS))
        if not self.levels.get(target, True):
            target = "native"
        for how, run in ((f"{level} {target}", lambda: self.compiled(model, data, level, target)),
                         ("interpreter", lambda: self.interpreted(model, data))):
            results, verdict = run()
            if verdict:
                return verdict
            text, _ = self.compare(results, want)
            if text:
                return self.explain(model, data, want, f"{how}: {text}")
        return Verdict("agree")

    def explain(self, model, data, want, text):
        op = self.first_wrong(model, data)
        for entry in EXPLANATIONS:
            if re.fullmatch(entry["op"], op) and re.search(entry["shows"], text):
                return Verdict("explained", entry["name"], op)
        if self.unstable(model, data, want):
            return Verdict("unstable", text, op)
        return Verdict("mismatch", text, op)

    def first_wrong(self, model, data):
        """The operator of the first node whose value differs when every value is an output."""
        every = onnx.ModelProto()
        every.CopyFrom(model)
        del every.graph.output[:]
        inferred = onnx.shape_inference.infer_shapes(model)
        types = {v.name: v for v in [*inferred.graph.value_info, *inferred.graph.output]}
        for node in model.graph.node:
            every.graph.output.extend(types[n] for n in node.output if n in types)
        want = expected(every, data)
        results, _ = self.compiled(every, data, "-O0") if want else (None, None)
        if not results:
            return "?"
        for node in model.graph.node:
            for got, right in zip(results, want):
                if any(n in right and difference(got[n], right[n]) for n in node.output):
                    return node.op_type
        return "?"

    def unstable(self, model, data, want):
        """Whether rounding alone explains it: weights and inputs that differ in their last bits change as much."""
        rng = np.random.default_rng(0)

        def shaken(array):
            return array if array.dtype != np.float32 else (
                array * (1 + rng.normal(0, 3e-7, array.shape))).astype(np.float32)
        other = onnx.ModelProto()
        other.CopyFrom(model)
        for tensor in other.graph.initializer:
            tensor.CopyFrom(onnx.numpy_helper.from_array(shaken(onnx.numpy_helper.to_array(tensor)), tensor.name))
        moved = expected(other, [{k: shaken(v) for k, v in feeds.items()} for feeds in data])
        return moved is not None and bool(self.compare(moved, want)[0])


def without_unread(model, names):
    """The model, whose weights and inputs are only those of these names from here on."""
    for table in (model.graph.initializer, model.graph.input):
        left = [e for e in table if e.name in names]
        del table[:]
        table.extend(left)
    return model


def reduced(model, data, fails):
    """The model with as few nodes as `fails` allows: outputs are cut off, and inputs take the place of nodes."""
    def with_outputs(m, names):
        inferred = onnx.shape_inference.infer_shapes(m)
        types = {v.name: v for v in [*inferred.graph.value_info, *inferred.graph.output]}
        if not all(n in types for n in names):
            return None
        keep, wanted = [], set(names)
        for node in reversed(m.graph.node):
            if wanted & set(node.output):
                keep.append(node)
                wanted |= set(node.input)
        out = onnx.ModelProto()
        out.CopyFrom(m)
        del out.graph.node[:], out.graph.output[:]
        out.graph.node.extend(reversed(keep))
        out.graph.output.extend(types[n] for n in names)
        return without_unread(out, wanted)
    # The shortest prefix of the graph that still fails.
    for node in list(model.graph.node):
        for name in filter(None, node.output):
            shorter = with_outputs(model, [name])
            if shorter is not None and fails(shorter, data):
                return behind_inputs(shorter, data, fails)
    return model, data


def behind_inputs(model, data, fails):
    """Nodes at the front become inputs that carry their values, from the last one backwards."""
    inferred = onnx.shape_inference.infer_shapes(model)
    types = {v.name: v for v in inferred.graph.value_info}
    for node in reversed(list(model.graph.node)[:-1]):
        name = node.output[0]
        if len(node.output) != 1 or name not in types:
            continue
        probe = onnx.ModelProto()
        probe.CopyFrom(model)
        probe.graph.output.append(types[name])
        values = expected(probe, data)
        if values is None:
            continue
        smaller = onnx.ModelProto()
        smaller.CopyFrom(model)
        smaller.graph.input.append(types[name])
        needed, keep = {o.name for o in smaller.graph.output}, []
        for other in reversed(smaller.graph.node):
            if needed & set(other.output) and name not in other.output:
                keep.append(other)
                needed |= set(other.input)
        del smaller.graph.node[:]
        smaller.graph.node.extend(reversed(keep))
        without_unread(smaller, needed)
        more = [feeds | {name: v[name]} for feeds, v in zip(data, values)]
        if fails(smaller, more):
            return behind_inputs(smaller, more, fails)
    return model, data
