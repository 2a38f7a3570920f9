"""The operators' test models of the onnx package: which operator each is about, what is left out and
why, and the variants that are made of each."""
import importlib.util
import re
import shutil
import sys
from pathlib import Path

import onnx
from onnx import TensorProto

VARIANTS = ("static", "dynamic", "constants")

# Domains that are no part of an inference graph of tensors.
DOMAINS = {"ai.onnx.ml": "classic machine learning (ai.onnx.ml)",
           "ai.onnx.preview.training": "training (ai.onnx.preview.training)"}
# Operators whose tests take and give plain tensors and yet belong to what is left out.
OPERATORS = {"ImageDecoder": "decoding of image files",
             "Gradient": "training (Gradient)"}
KINDS = {"sequence_type": "a sequence among the inputs or outputs",
         "optional_type": "an optional among the inputs or outputs"}


def data_folder() -> Path:
    found = importlib.util.find_spec("onnx")
    return Path(found.origin).parent / "backend/test/data"


def folders(kinds: list[str], substring: str, listed: list[str] | None) -> list[Path]:
    found = [p.parent for kind in kinds for p in sorted((data_folder() / kind).glob("*/model.onnx"))]
    if listed is not None:
        known = {p.name: p for p in found}
        absent = [name for name in listed if name not in known]
        if absent:
            sys.exit(f"the onnx package has no tests {', '.join(absent)}")
        found = [known[name] for name in listed]
    return [p for p in found if substring in p.name]


def load(folder: Path) -> onnx.ModelProto:
    return onnx.load(folder / "model.onnx")


def operator(folder: Path) -> str:
    """What the test is about. The expanded form of an operator is about that operator."""
    plain = folder.with_name(re.sub(r"_expanded.*$", "", folder.name))
    nodes = load(plain if (plain / "model.onnx").exists() else folder).graph.node
    if len(nodes) != 1:
        return "(several)"
    domain = nodes[0].domain
    return nodes[0].op_type if domain in ("", "ai.onnx") else f"{domain}::{nodes[0].op_type}"


def left_out(model: onnx.ModelProto) -> str | None:
    """Why the test is none that a compiler of tensor graphs has to pass, if so."""
    for node in model.graph.node:
        why = DOMAINS.get(node.domain) or OPERATORS.get(node.op_type)
        if why:
            return why
    for value in [*model.graph.input, *model.graph.output]:
        kind = value.type.WhichOneof("value")
        if kind in KINDS:
            return KINDS[kind]
        if value.type.tensor_type.elem_type == TensorProto.STRING:
            return "strings among the inputs or outputs"
    return None


# Operators with vectors of floats that have an element for each axis.
BY_AXES = {"Resize", "Upsample"}


def says_shapes(value: onnx.ValueInfoProto, by_axes: bool) -> bool:
    """A vector of int64 may be a shape, axes or pads, and its length the rank of a result."""
    tensor = value.type.tensor_type
    return len(tensor.shape.dim) == 1 and (by_axes or tensor.elem_type == TensorProto.INT64)


def make_dynamic(model: onnx.ModelProto) -> bool:
    """Names every size of the inputs after its value. A size of 1 stays: as a symbol it would no longer
    say that it broadcasts. What the graph says of other shapes is dropped."""
    named = False
    by_axes = any(node.op_type in BY_AXES for node in model.graph.node)
    for value in model.graph.input:
        if value.type.WhichOneof("value") != "tensor_type" or says_shapes(value, by_axes):
            continue
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_value > 1:
                dim.dim_param, named = f"n{dim.dim_value}", True
    for value in model.graph.output:
        for dim in value.type.tensor_type.shape.dim:
            dim.Clear()
    del model.graph.value_info[:]
    return named


def read_tensor(path: Path, name: str) -> TensorProto:
    tensor = onnx.load_tensor(path)
    tensor.name = name
    return tensor


def make_constants(model: onnx.ModelProto, folder: Path, work: Path) -> bool:
    """Makes every input but the first an initializer with the values of the first data set."""
    inputs = list(model.graph.input)
    if len(inputs) < 2 or any(i.type.WhichOneof("value") != "tensor_type" for i in inputs):
        return False
    data = folder / "test_data_set_0"
    model.graph.initializer.extend(read_tensor(data / f"input_{i}.pb", inputs[i].name)
                                   for i in range(1, len(inputs)))
    del model.graph.input[1:]
    kept = work / data.name
    kept.mkdir()
    shutil.copy(data / "input_0.pb", kept)
    for output in data.glob("output_*.pb"):
        shutil.copy(output, kept)
    return True


def write_variant(folder: Path, variant: str, work: Path) -> tuple[Path, list[Path]] | None:
    """The model of a variant and its data sets; nothing where it would be the static one again."""
    sets = sorted(folder.glob("test_data_set_*"))
    if variant == "static":
        return folder / "model.onnx", sets
    model = load(folder)
    if variant == "dynamic":
        changed = make_dynamic(model)
    else:
        changed = make_constants(model, folder, work)
        sets = sorted(work.glob("test_data_set_*"))
    if not changed:
        return None
    onnx.save(model, work / "model.onnx")
    return work / "model.onnx", sets
