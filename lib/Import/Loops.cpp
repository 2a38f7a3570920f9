// Loop and Scan: as loops, or written out turn by turn.
#include "LoopBuilder.h"
#include "OpTable.h"
#include "RunTimeSizes.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

/// Copies of a body that an unrolled loop may become.
constexpr int64_t maxTurns = 1024;
/// Up to so many nodes, a loop is written out: each turn is specialised to its number.
constexpr size_t maxUnrolledNodes = 256;

/// A count above this one, as exporters write for `while`, is none.
constexpr int64_t endlessTurns = int64_t(1) << 40;

bool isWorthUnrolling(int64_t turns, const onnx::Graph &body) {
  return static_cast<size_t>(turns) * std::max<size_t>(1, body.nodes.size()) <= maxUnrolledNodes;
}

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

Value valueOf(NodeBuilder &n, Entry &entry, StringRef name) {
  auto value = n.importer.materialise(entry, name);
  if (value)
    return *value;
  n.fail(Diag::BadNode, llvm::toString(value.takeError()));
  return {};
}

/// The values of `entries`; one is null after a failure.
SmallVector<Value> valuesOf(NodeBuilder &n, MutableArrayRef<Entry> entries) {
  SmallVector<Value> values;
  for (Entry &entry : entries)
    values.push_back(n.failed() ? Value() : valueOf(n, entry, "loop"));
  return values;
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

Entry entryOfSize(NodeBuilder &n, DimExpr dim) {
  Entry entry;
  entry.known = ShapeValue::ofScalar(n.context(), dim);
  return entry;
}

Entry entryOfTruth(NodeBuilder &n) {
  Entry entry;
  entry.known = ShapeValue{n.i1(), {}, {{n.dim(1), 1, std::nullopt}}};
  return entry;
}

/// The values that the turns gave, side by side along a new axis.
Value stacked(NodeBuilder &n, ArrayRef<Value> parts, int64_t axis, bool reverse) {
  SmallVector<Value> list(parts);
  if (reverse)
    std::reverse(list.begin(), list.end());
  if (axis < 0 && !list.empty())
    axis += static_cast<int64_t>(n.rank(list[0])) + 1;
  for (Value &part : list)
    part = n.unsqueeze(part, {axis});
  return n.concat(list, axis);
}

//===-- Loop -------------------------------------------------------------------------------------//

/// What a Loop node says.
struct LoopNode {
  const onnx::Graph *body = nullptr;
  size_t carried = 0;
  std::vector<Entry> inits;
  size_t collected() const { return body->outputs.size() - 1 - carried; }
};

/// Turn by turn; false, with nothing done, where its condition depends on data.
bool unrollLoop(NodeBuilder &n, const LoopNode &loop, int64_t count) {
  std::vector<Entry> state = loop.inits;
  SmallVector<SmallVector<Value>> scans(loop.collected());
  for (int64_t i = 0; i < count; ++i) {
    std::vector<Entry> values = {entryOfSize(n, n.dim(i)), entryOfTruth(n)};
    values.insert(values.end(), state.begin(), state.end());
    auto results = turn(n, *loop.body, values);
    if (!results)
      return true;
    auto goOn = n.importer.truth((*results)[0]);
    if (!goOn)
      return false;
    for (auto [k, parts] : llvm::enumerate(scans))
      parts.push_back(valueOf(n, (*results)[1 + loop.carried + k], "scan"));
    if (n.failed())
      return true;
    state.assign(results->begin() + 1, results->begin() + 1 + loop.carried);
    if (!*goOn)
      break;
  }
  for (size_t i = 0; i < n.numOutputs() && !n.failed(); ++i) {
    if (i < loop.carried)
      n.out(i, valueOf(n, state[i], n.node.outputs[i]));
    else
      n.out(i, stacked(n, scans[i - loop.carried], 0, false));
  }
  return true;
}

/// Turns of a loop: a known number, or one that is bound when the model runs; null where nothing
/// but the condition ends it.
DimExpr turnsOf(NodeBuilder &n) {
  std::optional<double> enter = n.has(1) ? n.number(1) : std::optional<double>(1);
  if (enter && *enter == 0)
    return n.dim(0);
  auto count = n.has(0) ? n.dimsValue(0) : std::nullopt;
  if (enter && !n.has(0))
    return {};
  if (enter && count && count->size() == 1) {
    int64_t known = count->front().constantValue().value_or(0);
    return known > endlessTurns ? DimExpr() : known < 0 ? n.dim(0) : count->front();
  }
  Value most = n.has(0) ? n.cast(n.in(0), n.i64()) : n.scalarInteger(n.i64(), endlessTurns);
  if (!enter && most)
    most = n.mul(n.reshape(most, {}), n.reshape(n.cast(n.in(1), n.i64()), {}));
  return bindSize(n, most, "turns");
}

/// As a loop; false, with nothing left of it, where the body is none. `why` says so then.
bool makeLoop(NodeBuilder &n, const LoopNode &loop, DimExpr turns, std::string &why) {
  SmallVector<Value> inits;
  for (Entry init : loop.inits)
    inits.push_back(n.failed() ? Value() : valueOf(n, init, "init"));
  if (n.failed())
    return true;
  bool endless = !turns;
  LoopBuilder builder(n, endless ? n.dim(endlessTurns) : turns);
  std::vector<Entry> values = {entryOfSize(n, builder.turn()), entryOfTruth(n)};
  for (Value init : inits)
    values.push_back(entryOfValue(builder.state(init)));
  auto results = turn(n, *loop.body, values);
  if (!results)
    return true;
  auto goesOn = n.importer.truth((*results)[0]);
  Value condition = goesOn ? Value() : valueOf(n, (*results)[0], "condition");
  SmallVector<Value> yielded = valuesOf(n, MutableArrayRef(*results).drop_front());
  if (n.failed())
    return true;
  ArrayRef<Value> next = ArrayRef(yielded).take_front(loop.carried),
                  rows = ArrayRef(yielded).drop_front(loop.carried);
  std::optional<LoopBuilder::Results> made;
  if (goesOn && !*goesOn) {
    builder.atMostOnce();
    endless = false;
  }
  if (endless && goesOn)
    why = "nothing ends it";
  else if (endless && !rows.empty())
    why = "it collects values in a number of turns that nothing bounds";
  else
    made = builder.finish(next, rows, SmallVector<bool>(rows.size(), false), condition);
  if (!made) {
    why = why.empty() ? builder.why() : why;
    builder.drop();
    n.importer.forget(*loop.body);
    return false;
  }
  DimExpr taken =
      made->taken && !rows.empty() ? bindSize(n, made->taken, "turns_taken") : DimExpr();
  for (size_t i = 0; i < n.numOutputs(); ++i) {
    Value stack = i < loop.carried ? Value() : made->stacks[i - loop.carried];
    n.out(i, !stack ? made->states[i] : taken ? n.slice(stack, 0, n.dim(0), taken) : stack);
  }
  return true;
}

void loop(NodeBuilder &n) {
  LoopNode loop;
  loop.body = bodyOf(n, "body");
  if (!loop.body)
    return;
  loop.carried = n.numInputs() < 2 ? 0 : n.numInputs() - 2;
  if (loop.body->outputs.size() < loop.carried + 1 ||
      n.numOutputs() > loop.body->outputs.size() - 1)
    return n.fail(Diag::BadNode, "the outputs of loop and body do not fit");
  for (size_t i = 0; i < loop.carried; ++i)
    loop.inits.push_back(entryOf(n, i + 2));
  DimExpr turns = turnsOf(n);
  if (n.failed())
    return;
  auto count = turns ? turns.constantValue() : std::nullopt;
  bool empty = count && *count == 0 && loop.collected() > 0; // nothing to stack, but a shape
  if (count && !empty && isWorthUnrolling(*count, *loop.body) && unrollLoop(n, loop, *count))
    return;
  std::string why;
  if (makeLoop(n, loop, turns, why))
    return;
  if (!count || empty || *count > maxTurns || !unrollLoop(n, loop, *count))
    n.unsupported(why, "export the model with the loop unrolled, or fix its sizes with --shape");
}

//===-- Scan -------------------------------------------------------------------------------------//

struct ScanNode {
  const onnx::Graph *body = nullptr;
  size_t carried = 0, given = 0, collected = 0;
  SmallVector<int64_t> axes, backwards, outAxes, outBackwards;
  std::vector<Entry> inits;
  SmallVector<Value> sources;
  DimExpr turns;
};

/// Input k of the body in a turn: one slice of a source.
Entry sliceAt(NodeBuilder &n, const ScanNode &scan, size_t k, DimExpr at) {
  int64_t axis = scan.axes[k];
  return entryOfValue(n.squeeze(n.slice(scan.sources[k], axis, at, n.dim(1)), {axis}));
}

void unrollScan(NodeBuilder &n, const ScanNode &scan, int64_t turns) {
  std::vector<Entry> state = scan.inits;
  SmallVector<SmallVector<Value>> scans(scan.collected);
  for (int64_t i = 0; i < turns; ++i) {
    std::vector<Entry> values = state;
    for (size_t k = 0; k < scan.given; ++k)
      values.push_back(sliceAt(n, scan, k, n.dim(scan.backwards[k] ? turns - 1 - i : i)));
    auto results = n.failed() ? std::nullopt : turn(n, *scan.body, values);
    if (!results)
      return;
    state.assign(results->begin(), results->begin() + scan.carried);
    for (auto [k, parts] : llvm::enumerate(scans))
      parts.push_back(valueOf(n, (*results)[scan.carried + k], "scan"));
    if (n.failed())
      return;
  }
  for (size_t i = 0; i < n.numOutputs() && !n.failed(); ++i) {
    size_t k = i - scan.carried;
    n.out(i, i < scan.carried ? valueOf(n, state[i], n.node.outputs[i])
                              : stacked(n, scans[k], scan.outAxes[k], scan.outBackwards[k] != 0));
  }
}

/// The first axis brought to where `axis` says.
Value firstAxisTo(NodeBuilder &n, Value x, int64_t axis) {
  auto rank = static_cast<int64_t>(n.rank(x));
  axis = n.axis(axis, rank);
  SmallVector<int64_t> order;
  for (int64_t i = 1; i < rank; ++i)
    order.push_back(i);
  order.insert(order.begin() + (n.failed() ? 0 : axis), 0);
  return n.transpose(x, order);
}

bool makeScan(NodeBuilder &n, const ScanNode &scan, std::string &why) {
  SmallVector<Value> inits;
  for (Entry init : scan.inits)
    inits.push_back(n.failed() ? Value() : valueOf(n, init, "init"));
  if (n.failed())
    return true;
  LoopBuilder builder(n, scan.turns);
  std::vector<Entry> values;
  for (Value init : inits)
    values.push_back(entryOfValue(builder.state(init)));
  for (size_t k = 0; k < scan.given; ++k)
    values.push_back(sliceAt(n, scan, k, builder.at(scan.backwards[k] != 0)));
  auto results = n.failed() ? std::nullopt : turn(n, *scan.body, values);
  if (!results)
    return true;
  SmallVector<Value> yielded = valuesOf(n, *results);
  if (n.failed())
    return true;
  SmallVector<bool> reverse;
  for (int64_t back : scan.outBackwards)
    reverse.push_back(back != 0);
  auto made = builder.finish(ArrayRef(yielded).take_front(scan.carried),
                             ArrayRef(yielded).drop_front(scan.carried), reverse);
  if (!made) {
    why = builder.why();
    builder.drop();
    n.importer.forget(*scan.body);
    return false;
  }
  for (size_t i = 0; i < n.numOutputs(); ++i) {
    size_t k = i - scan.carried;
    n.out(i, i < scan.carried ? made->states[i] : firstAxisTo(n, made->stacks[k], scan.outAxes[k]));
  }
  return true;
}

/// The sources, and that they are equally long; false after a failure.
bool readSources(NodeBuilder &n, ScanNode &scan) {
  for (size_t i = 0; i < scan.given; ++i) {
    Value source = n.in(scan.carried + i);
    if (!source)
      return false;
    scan.axes[i] = n.axis(scan.axes[i], n.rank(source));
    if (n.failed())
      return false;
    DimExpr size = n.at(source, scan.axes[i]);
    scan.turns = scan.turns ? n.equal(scan.turns, size, "the scanned axes") : size;
    scan.sources.push_back(source);
  }
  return !n.failed();
}

/// Scan over axes (opset 9 and later).
void scan(NodeBuilder &n) {
  ScanNode scan;
  scan.body = bodyOf(n, "body");
  if (!scan.body)
    return;
  if (n.opset < 9)
    return n.unsupported("scans batches, as before opset 9", "declare a later opset");
  int64_t scanned = n.intAttr("num_scan_inputs", 0);
  auto inputs = static_cast<int64_t>(n.numInputs());
  if (scanned < 1 || scanned > inputs)
    return n.fail(Diag::BadNode, "num_scan_inputs is " + Twine(scanned));
  scan.carried = static_cast<size_t>(inputs - scanned);
  scan.given = static_cast<size_t>(scanned);
  scan.axes = n.intsAttr("scan_input_axes", SmallVector<int64_t>(scan.given, 0));
  scan.backwards = n.intsAttr("scan_input_directions", SmallVector<int64_t>(scan.given, 0));
  if (scan.axes.size() != scan.given || scan.backwards.size() != scan.given ||
      scan.body->outputs.size() < scan.carried || n.numOutputs() > scan.body->outputs.size())
    return n.fail(Diag::BadNode, "attributes or outputs do not fit the scanned inputs");
  scan.collected = scan.body->outputs.size() - scan.carried;
  scan.outAxes = n.intsAttr("scan_output_axes", SmallVector<int64_t>(scan.collected, 0));
  scan.outBackwards = n.intsAttr("scan_output_directions", SmallVector<int64_t>(scan.collected, 0));
  if (scan.outAxes.size() != scan.collected || scan.outBackwards.size() != scan.collected)
    return n.fail(Diag::BadNode, "scan_output_axes or scan_output_directions do not fit");
  if (!readSources(n, scan))
    return;
  for (size_t i = 0; i < scan.carried; ++i)
    scan.inits.push_back(entryOf(n, i));
  auto count = scan.turns.constantValue();
  if (count && *count > 0 && isWorthUnrolling(*count, *scan.body))
    return unrollScan(n, scan, *count);
  std::string why;
  if (makeScan(n, scan, why))
    return;
  if (!count || *count < 1 || *count > maxTurns)
    return n.unsupported(why,
                         "export the model with the loop unrolled, or fix its sizes with --shape");
  unrollScan(n, scan, *count);
}

constexpr OpEntry table[] = {
    {"", "Loop", 7, loop},
    {"", "Scan", 8, scan},
};

} // namespace

ArrayRef<OpEntry> qcc::import::loopOps() { return table; }
