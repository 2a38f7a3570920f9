// Control flow: branches, and loops whose number of turns is known.
#include "OpTable.h"
#include "RunTimeSizes.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

const onnx::Graph *bodyOf(NodeBuilder &n, StringRef name) {
  auto graph = n.node.getGraph(name);
  if (!graph)
    n.fail(Diag::BadNode, llvm::toString(graph.takeError()));
  else if (!*graph)
    n.fail(Diag::BadNode, name + " is missing");
  return n.failed() ? nullptr : *graph;
}

std::optional<std::vector<Entry>> importBranch(NodeBuilder &n, StringRef name, DimExpr guard) {
  const onnx::Graph *graph = bodyOf(n, name);
  if (!graph)
    return std::nullopt;
  auto results = n.importer.importBranch(*graph, guard);
  if (!results)
    n.fail(Diag::BadNode, llvm::toString(results.takeError()));
  else if (results->size() != n.numOutputs())
    n.fail(Diag::BadNode, name + " has " + Twine(results->size()) + " outputs instead of " +
                              Twine(n.numOutputs()));
  if (n.failed())
    return std::nullopt;
  return std::move(*results);
}

/// x where `which` is 1, y where it is 0.
DimExpr chosen(NodeBuilder &n, DimExpr which, DimExpr x, DimExpr y) {
  x = n.importer.space.resolve(x), y = n.importer.space.resolve(y);
  return x == y ? x : which * x + (n.dim(1) - which) * y;
}

/// Small integers stay sizes, so that shape arithmetic goes on behind the branches.
std::optional<ShapeValue> chooseKnown(NodeBuilder &n, DimExpr which, const Entry &x,
                                      const Entry &y) {
  if (!x.known || !y.known || x.known->type != y.known->type || x.known->shape != y.known->shape ||
      !isa<IntegerType>(x.known->type) || x.known->type.isInteger(1))
    return std::nullopt;
  ShapeValue result = *x.known;
  for (auto [a, b] : llvm::zip(result.elements, y.known->elements))
    a.dim = chosen(n, which, a.dim, b.dim);
  return result;
}

Value choose(NodeBuilder &n, DimExpr which, Value x, Value y) {
  Dims from = n.dims(x), other = n.dims(y), to;
  if (from.size() != other.size()) {
    n.unsupported("the branches give values of ranks " + Twine(from.size()) + " and " +
                      Twine(other.size()),
                  "let both branches give the same rank");
    return {};
  }
  if (!n.sameElement(x, y))
    return {};
  for (auto [a, b] : llvm::zip(from, other))
    to.push_back(chosen(n, which, a, b));
  return n.make<qnt::ChooseOp>(n.type(to, n.element(x)), qnt::makeDims(n.context(), {which}), x, y);
}

/// The condition is data: both branches are imported, and one of them is computed.
void branchAtRunTime(NodeBuilder &n) {
  Value condition = n.in(0);
  if (!condition)
    return;
  if (!qnt::elementCount(n.context(), n.dims(condition)).isConstant(1))
    return n.fail(Diag::ShapeMismatch, "the condition is not one value");
  DimExpr which = bindSize(n, condition, "branch");
  auto yes = importBranch(n, "then_branch", which);
  auto no = yes ? importBranch(n, "else_branch", n.dim(1) - which) : std::nullopt;
  if (!yes || !no || n.failed())
    return;
  for (size_t i = 0; i < n.numOutputs(); ++i) {
    Entry &x = (*yes)[i], &y = (*no)[i];
    if (x.poisoned || y.poisoned) {
      Entry entry;
      entry.poisoned = true;
      n.importer.define(n.node.outputs[i], std::move(entry));
      continue;
    }
    if (auto known = chooseKnown(n, which, x, y)) {
      n.outKnown(i, std::move(*known));
      continue;
    }
    auto first = n.importer.materialise(x, n.node.outputs[i]);
    if (!first)
      return n.fail(Diag::BadNode, llvm::toString(first.takeError()));
    auto second = n.importer.materialise(y, n.node.outputs[i]);
    if (!second)
      return n.fail(Diag::BadNode, llvm::toString(second.takeError()));
    n.out(i, choose(n, which, *first, *second));
  }
}

void branch(NodeBuilder &n) {
  auto condition = n.number(0);
  if (!condition)
    return branchAtRunTime(n);
  auto results = importBranch(n, *condition != 0 ? "then_branch" : "else_branch", {});
  if (!results)
    return;
  for (auto [i, entry] : llvm::enumerate(*results))
    n.importer.define(n.node.outputs[i], std::move(entry));
}

//===-- Loops ------------------------------------------------------------------------------------//

/// Copies of a body that an unrolled loop may become.
constexpr int64_t maxTurns = 1024;

/// Runs a body once: its inputs are `values`; returns its outputs.
std::optional<std::vector<Entry>> turn(NodeBuilder &n, const onnx::Graph &body,
                                       llvm::ArrayRef<Entry> values) {
  if (body.inputs.size() != values.size()) {
    n.fail(Diag::BadNode, "the body has " + Twine(body.inputs.size()) + " inputs instead of " +
                              Twine(values.size()));
    return std::nullopt;
  }
  for (auto [input, value] : llvm::zip(body.inputs, values))
    n.importer.define(input.name, value);
  n.importer.forget(body);
  auto results = n.importer.importBranch(body);
  if (!results) {
    n.fail(Diag::BadNode, llvm::toString(results.takeError()));
    return std::nullopt;
  }
  for (const Entry &entry : *results)
    if (entry.poisoned) {
      n.poison();
      return std::nullopt;
    }
  return std::move(*results);
}

std::optional<Value> valueOf(NodeBuilder &n, Entry &entry, StringRef name) {
  auto value = n.importer.materialise(entry, name);
  if (value)
    return *value;
  n.fail(Diag::BadNode, llvm::toString(value.takeError()));
  return std::nullopt;
}

Entry entryOf(NodeBuilder &n, size_t i) {
  Entry *entry = n.has(i) ? n.importer.find(n.node.inputs[i]) : nullptr;
  return entry ? *entry : Entry();
}

Entry entryOfValue(Value value) {
  Entry entry;
  entry.value = value;
  return entry;
}

/// The values that the turns gave, side by side along a new axis.
void outStacked(NodeBuilder &n, size_t output, ArrayRef<Value> parts, int64_t axis, bool reverse) {
  SmallVector<Value> list(parts);
  if (reverse)
    std::reverse(list.begin(), list.end());
  if (axis < 0 && !list.empty())
    axis += static_cast<int64_t>(n.rank(list[0])) + 1;
  for (Value &part : list)
    part = n.unsqueeze(part, {axis});
  n.out(output, n.concat(list, axis));
}

/// Loop: trip count and first condition are known, and the body keeps the condition.
void loop(NodeBuilder &n) {
  const onnx::Graph *body = bodyOf(n, "body");
  if (!body)
    return;
  std::optional<double> count = n.has(0) ? n.number(0) : std::nullopt;
  std::optional<double> enter = n.has(1) ? n.number(1) : std::optional<double>(1);
  if (enter && *enter == 0)
    count = 0;
  if (!count || !enter || *count > maxTurns)
    return n.unsupported("the number of turns is only known at run time, or more than " +
                             Twine(maxTurns),
                         "export the model with the loop unrolled");
  size_t carried = n.numInputs() < 2 ? 0 : n.numInputs() - 2;
  if (body->outputs.size() < carried + 1 || n.numOutputs() > body->outputs.size() - 1)
    return n.fail(Diag::BadNode, "the outputs of loop and body do not fit");
  std::vector<Entry> state;
  for (size_t i = 0; i < carried; ++i)
    state.push_back(entryOf(n, i + 2));
  SmallVector<SmallVector<Value>> scans(body->outputs.size() - 1 - carried);
  for (int64_t i = 0; i < static_cast<int64_t>(*count); ++i) {
    std::vector<Entry> values(2);
    values[0].known = ShapeValue::ofScalar(n.context(), n.dim(i));
    values[1].known = ShapeValue{n.i1(), {}, {{n.dim(1), 1, std::nullopt}}};
    values.insert(values.end(), state.begin(), state.end());
    auto results = turn(n, *body, values);
    if (!results)
      return;
    auto goOn = n.importer.truth((*results)[0]);
    if (!goOn)
      return n.unsupported("its condition is only known at run time",
                           "export the model with the loop unrolled");
    for (auto [k, parts] : llvm::enumerate(scans)) {
      auto value = valueOf(n, (*results)[1 + carried + k], "scan");
      if (!value)
        return;
      parts.push_back(*value);
    }
    state.assign(results->begin() + 1, results->begin() + 1 + carried);
    if (!*goOn)
      break;
  }
  for (size_t i = 0; i < n.numOutputs(); ++i) {
    if (i < carried) {
      auto value = valueOf(n, state[i], n.node.outputs[i]);
      if (!value)
        return;
      n.out(i, *value);
    } else if (scans[i - carried].empty()) {
      return n.unsupported("collects values in no turns at all");
    } else {
      outStacked(n, i, scans[i - carried], 0, false);
    }
  }
}

/// Scan over axes of fixed sizes (opset 9 and later).
void scan(NodeBuilder &n) {
  const onnx::Graph *body = bodyOf(n, "body");
  if (!body)
    return;
  if (n.opset < 9)
    return n.unsupported("scans batches, as before opset 9", "declare a later opset");
  int64_t scanned = n.intAttr("num_scan_inputs", 0);
  auto inputs = static_cast<int64_t>(n.numInputs());
  if (scanned < 1 || scanned > inputs)
    return n.fail(Diag::BadNode, "num_scan_inputs is " + Twine(scanned));
  auto carried = static_cast<size_t>(inputs - scanned);
  auto given = static_cast<size_t>(scanned);
  auto axes = n.intsAttr("scan_input_axes", SmallVector<int64_t>(given, 0));
  auto backwards = n.intsAttr("scan_input_directions", SmallVector<int64_t>(given, 0));
  if (axes.size() != given || backwards.size() != given || body->outputs.size() < carried ||
      n.numOutputs() > body->outputs.size())
    return n.fail(Diag::BadNode, "attributes or outputs do not fit the scanned inputs");
  size_t collected = body->outputs.size() - carried;
  auto outAxes = n.intsAttr("scan_output_axes", SmallVector<int64_t>(collected, 0));
  auto outBackwards = n.intsAttr("scan_output_directions", SmallVector<int64_t>(collected, 0));
  if (outAxes.size() != collected || outBackwards.size() != collected)
    return n.fail(Diag::BadNode, "scan_output_axes or scan_output_directions do not fit");
  std::optional<int64_t> turns;
  SmallVector<Value> sources;
  for (size_t i = 0; i < given; ++i) {
    Value source = n.in(carried + i);
    if (!source)
      return;
    axes[i] = n.axis(axes[i], n.rank(source));
    auto size = n.failed() ? std::nullopt : n.at(source, axes[i]).constantValue();
    if (!size || *size > maxTurns || *size < 1)
      return n.unsupported("the number of turns is only known at run time, 0, or more than " +
                               Twine(maxTurns),
                           "fix the size with --shape");
    if (turns && *turns != *size)
      return n.fail(Diag::ShapeMismatch, "the scanned axes differ in size");
    turns = size;
    sources.push_back(source);
  }
  std::vector<Entry> state;
  for (size_t i = 0; i < carried; ++i)
    state.push_back(entryOf(n, i));
  SmallVector<SmallVector<Value>> scans(collected);
  for (int64_t i = 0; i < *turns; ++i) {
    std::vector<Entry> values = state;
    for (size_t k = 0; k < given; ++k) {
      DimExpr at = n.dim(backwards[k] ? *turns - 1 - i : i);
      values.push_back(
          entryOfValue(n.squeeze(n.slice(sources[k], axes[k], at, n.dim(1)), {axes[k]})));
    }
    auto results = n.failed() ? std::nullopt : turn(n, *body, values);
    if (!results)
      return;
    state.assign(results->begin(), results->begin() + carried);
    for (auto [k, parts] : llvm::enumerate(scans)) {
      auto value = valueOf(n, (*results)[carried + k], "scan");
      if (!value)
        return;
      parts.push_back(*value);
    }
  }
  for (size_t i = 0; i < n.numOutputs(); ++i) {
    if (i >= carried) {
      outStacked(n, i, scans[i - carried], outAxes[i - carried], outBackwards[i - carried] != 0);
      continue;
    }
    auto value = valueOf(n, state[i], n.node.outputs[i]);
    if (!value)
      return;
    n.out(i, *value);
  }
}

constexpr OpEntry table[] = {
    {"", "If", 7, branch},
    {"", "Loop", 7, loop},
    {"", "Scan", 8, scan},
};

} // namespace

ArrayRef<OpEntry> qcc::import::controlOps() { return table; }
