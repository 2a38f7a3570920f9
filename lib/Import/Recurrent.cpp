// RNN, GRU and LSTM by their formulas (ONNX Operators), and com.microsoft.DynamicQuantizeLSTM: the
// inputs' products for all steps at once, the states' in a loop over the steps.
#include "CodeProducts.h"
#include "LoopBuilder.h"
#include "OpTable.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

/// Whether an activation takes an alpha, and a beta: the lists hold one for each that does.
bool takesAlpha(StringRef name) {
  return llvm::StringSwitch<bool>(name.lower())
      .Cases({"affine", "leakyrelu", "thresholdedrelu", "scaledtanh", "hardsigmoid", "elu"}, true)
      .Default(false);
}
bool takesBeta(StringRef name) {
  return llvm::StringSwitch<bool>(name.lower())
      .Cases({"affine", "scaledtanh", "hardsigmoid"}, true)
      .Default(false);
}

enum class Cell { Rnn, Gru, Lstm };
constexpr int64_t gatesOf(Cell cell) { return cell == Cell::Rnn ? 1 : cell == Cell::Gru ? 3 : 4; }
constexpr size_t functionsOf(Cell cell) {
  return cell == Cell::Rnn ? 1 : cell == Cell::Gru ? 2 : 3;
}

/// One direction of a layer.
struct Direction {
  Value weight, recurrence;          ///< [G H, I] and [G H, H]
  Value inputBias, recurrenceBias;   ///< [G H], or null
  Value peephole;                    ///< [3 H], or null
  Value hidden, memory;              ///< [B, H] at the beginning
  std::vector<Activation> functions; ///< f, g, h
  bool reverse = false;
};

class Layer {
public:
  /// `quantized`: weights are codes, and what they multiply is rounded to 8 bits.
  Layer(NodeBuilder &n, Cell cell, bool quantized) : n(n), cell(cell), quantized(quantized) {}
  void import();

private:
  bool read();
  bool readFunctions();
  std::optional<Direction> direction(size_t d);
  bool hasSizes(Value x, ArrayRef<DimExpr> want);
  Value part(size_t input, size_t d, ArrayRef<DimExpr> dims, bool second = false);
  Value gate(Value all, int64_t i) { return n.slice(all, 1, size * i, size); }
  Value clipped(Value x) { return clip > 0 ? n.maximum(n.minimum(x, clip), -clip) : x; }
  Value row(Value vector, int64_t i) { return n.slice(vector, 0, size * i, size); }
  Value rnn(const Direction &d, Value input, Value hidden);
  Value gru(const Direction &d, Value input, Value hidden);
  std::pair<Value, Value> lstm(const Direction &d, Value input, Value hidden, Value memory);
  /// Y [T, B, H] and the last states.
  std::optional<LoopBuilder::Results> run(const Direction &d);

  Value matrix(size_t input, size_t scaleAt, size_t d, DimExpr columns);
  Value rounded(Value x);

  NodeBuilder &n;
  Cell cell;
  bool quantized;
  Value x, lengths;
  DimExpr steps, batch, size;
  double clip = 0;
  bool batchFirst = false;
  size_t directions = 1;
  std::string kind;
  std::vector<Activation> functions;
};

bool Layer::readFunctions() {
  std::vector<std::string> names = n.stringsAttr("activations");
  static constexpr const char *usual[] = {"Sigmoid", "Tanh", "Tanh"};
  size_t each = functionsOf(cell);
  if (names.empty())
    for (size_t i = 0; i < directions * each; ++i)
      names.push_back(cell == Cell::Rnn ? "Tanh" : usual[i % each]);
  if (names.size() != directions * each) {
    n.fail(Diag::BadNode,
           "has " + Twine(names.size()) + " activations instead of " + Twine(directions * each));
    return false;
  }
  SmallVector<double> alphas = n.floatsAttr("activation_alpha"),
                      betas = n.floatsAttr("activation_beta");
  size_t alpha = 0, beta = 0;
  auto next = [](bool takes, ArrayRef<double> list, size_t &at) {
    return takes && at < list.size() ? std::optional<double>(list[at++]) : std::nullopt;
  };
  for (const std::string &name : names) {
    auto a = next(takesAlpha(name), alphas, alpha), b = next(takesBeta(name), betas, beta);
    functions.push_back(activationNamed(n, name, a, b));
    if (!functions.back()) {
      n.fail(Diag::BadNode, "'" + name + "' is no activation");
      return false;
    }
  }
  return true;
}

bool Layer::read() {
  x = n.in(0);
  kind = n.stringAttr("direction", "forward");
  if (kind != "forward" && kind != "reverse" && kind != "bidirectional") {
    n.fail(Diag::BadNode, "direction '" + kind + "' is not forward, reverse or bidirectional");
    return false;
  }
  directions = kind == "bidirectional" ? 2 : 1;
  batchFirst = n.intAttr("layout", 0) != 0;
  clip = n.floatAttr("clip", 0);
  if (!x || !n.atLeast(x, 3) || !n.atLeast(n.in(2), 3) || !readFunctions())
    return false;
  if (batchFirst)
    x = n.swapAxes(x, 0, 1);
  steps = n.at(x, 0), batch = n.at(x, 1), size = n.at(n.in(2), quantized ? 1 : 2);
  lengths = n.optional(4);
  if (lengths && hasSizes(lengths, {batch}))
    lengths = n.conformExactly(lengths, {batch});
  return !n.failed();
}

/// Records that `x` has these dimensions; false where that cannot be.
bool Layer::hasSizes(Value x, ArrayRef<DimExpr> want) {
  Dims dims = n.dims(x);
  if (dims.size() != want.size()) {
    n.fail(Diag::ShapeMismatch,
           "an operand has dimensions " + text(dims) + " instead of " + text(want));
    return false;
  }
  for (auto [own, other] : llvm::zip(dims, want))
    n.equal(own, other, "sizes of weights, biases or states");
  return !n.failed();
}

/// What input `input`, [D, dims..], has for direction d, or null; `second`: [B, D, ..].
Value Layer::part(size_t input, size_t d, ArrayRef<DimExpr> dims, bool second) {
  Value all = n.optional(input);
  if (!all || !n.atLeast(all, dims.size() + 1))
    return {};
  if (second)
    all = n.swapAxes(all, 0, 1);
  Dims want = {n.dim(static_cast<int64_t>(directions))};
  want.append(dims.begin(), dims.end());
  if (!hasSizes(all, want))
    return {};
  all = n.conformExactly(all, want);
  return n.squeeze(n.slice(all, 0, n.dim(static_cast<int64_t>(d)), n.dim(1)), {0});
}

/// The weight [G H, columns] of direction d. Codes are stored as [D, columns, G H], with a scale
/// and a zero point for each direction or each of their columns.
Value Layer::matrix(size_t input, size_t scaleAt, size_t d, DimExpr columns) {
  DimExpr rows = size * gatesOf(cell);
  if (!quantized)
    return part(input, d, {rows, columns});
  auto spread = [&](size_t i) { // per direction, or per column
    Value all = n.in(i);
    return all && n.rank(all) == 2 ? part(i, d, {rows}) : n.reshape(part(i, d, {}), {});
  };
  Value codes = part(input, d, {columns, rows}), scale = spread(scaleAt);
  Value zero = n.cast(spread(scaleAt + 1), n.f32());
  return n.swapLast(n.mul(n.sub(n.cast(codes, n.f32()), zero), scale));
}

/// x after 8 bits with one scale for all of it, as DynamicQuantizeLinear finds it.
Value Layer::rounded(Value x) {
  if (!quantized || !x)
    return x;
  DynamicCodes made = dynamicCodes(n, x);
  return n.mul(n.sub(n.cast(made.codes, n.f32()), n.cast(made.zero, n.f32())), made.scale);
}

std::optional<Direction> Layer::direction(size_t d) {
  Direction result;
  DimExpr gates = size * gatesOf(cell);
  result.weight = matrix(1, 8, d, n.at(x, 2));
  result.recurrence = matrix(2, 10, d, size);
  if (Value bias = part(3, d, {gates * 2})) {
    result.inputBias = n.slice(bias, 0, n.dim(0), gates);
    result.recurrenceBias = n.slice(bias, 0, gates, gates);
  }
  auto initial = [&](size_t input) {
    if (!n.has(input))
      return n.broadcast(n.like(x, 0), {batch, size});
    return part(input, d, {batch, size}, batchFirst);
  };
  result.hidden = initial(5);
  if (cell == Cell::Lstm) {
    result.memory = initial(6);
    result.peephole = part(7, d, {size * 3});
  }
  result.reverse = kind == "reverse" || d == 1;
  size_t each = functionsOf(cell);
  result.functions.assign(functions.begin() + d * each, functions.begin() + (d + 1) * each);
  if (n.failed() || !result.weight || !result.recurrence || !result.hidden)
    return std::nullopt;
  return result;
}

Value Layer::rnn(const Direction &d, Value input, Value hidden) {
  return d.functions[0](clipped(n.add(input, n.matmul(hidden, d.recurrence, true))));
}

/// Gates z, r, h.
Value Layer::gru(const Direction &d, Value input, Value hidden) {
  auto f = d.functions[0], g = d.functions[1];
  bool before = n.intAttr("linear_before_reset", 0) != 0;
  Value head = n.slice(d.recurrence, 0, n.dim(0), size * 2);
  Value tail = n.slice(d.recurrence, 0, size * 2, size);
  Value zr = n.add(n.slice(input, 1, n.dim(0), size * 2), n.matmul(hidden, head, true));
  Value z = f(clipped(gate(zr, 0))), r = f(clipped(gate(zr, 1)));
  Value bias = d.recurrenceBias ? row(d.recurrenceBias, 2) : Value(), candidate;
  if (before) {
    Value product = n.matmul(hidden, tail, true);
    candidate = n.mul(r, bias ? n.add(product, bias) : product);
  } else {
    candidate = n.matmul(n.mul(r, hidden), tail, true);
    candidate = bias ? n.add(candidate, bias) : candidate;
  }
  Value h = g(clipped(n.add(gate(input, 2), candidate)));
  Value rest = n.sub(n.like(z, 1), z);
  return n.add(n.mul(rest, h), n.mul(z, hidden));
}

/// Gates i, o, f, c; returns the hidden state and the memory.
std::pair<Value, Value> Layer::lstm(const Direction &d, Value input, Value hidden, Value memory) {
  auto f = d.functions[0], g = d.functions[1], h = d.functions[2];
  Value all = n.add(input, n.matmul(rounded(hidden), d.recurrence, true));
  auto gated = [&](int64_t i, Value cellState, int64_t peephole) {
    Value x = gate(all, i);
    return clipped(d.peephole && cellState ? n.add(x, n.mul(cellState, row(d.peephole, peephole)))
                                           : x);
  };
  Value in = f(gated(0, memory, 0));
  bool coupled = n.intAttr("input_forget", 0) != 0;
  Value forget = coupled ? n.sub(n.like(in, 1), in) : f(gated(2, memory, 2));
  Value next = n.add(n.mul(forget, memory), n.mul(in, g(gated(3, {}, 0))));
  Value out = f(gated(1, next, 1));
  return {n.mul(out, h(next)), next};
}

std::optional<LoopBuilder::Results> Layer::run(const Direction &d) {
  // Biases that no gate keeps apart are added for all steps at once.
  Value inputs = n.matmul(rounded(x), d.weight, true);
  if (d.inputBias)
    inputs = n.add(inputs, d.inputBias);
  if (d.recurrenceBias) {
    Value bias = d.recurrenceBias;
    if (cell == Cell::Gru) { // that of the candidate is added behind the reset gate, or before it
      Value none = n.broadcast(n.like(x, 0), {size});
      bias = n.concat({n.slice(bias, 0, n.dim(0), size * 2), none}, 0);
    }
    inputs = n.add(inputs, bias);
  }
  if (n.failed() || !inputs)
    return std::nullopt;
  LoopBuilder loop(n, steps);
  Value hidden = loop.state(d.hidden);
  Value memory = d.memory ? loop.state(d.memory) : Value();
  DimExpr at = loop.at(d.reverse);
  Value input = n.squeeze(n.slice(inputs, 0, at, n.dim(1)), {0});
  Value next, nextMemory;
  if (cell == Cell::Lstm)
    std::tie(next, nextMemory) = lstm(d, input, hidden, memory);
  else
    next = cell == Cell::Gru ? gru(d, input, hidden) : rnn(d, input, hidden);
  Value row = next;
  if (lengths && next) { // beyond its length a sequence keeps its states, and gives zeros
    Value step = n.dimTensor(at, n.i64());
    Value active = n.compare(qnt::Predicate::lt, step, n.cast(lengths, n.i64()));
    active = n.reshape(active, {batch, n.dim(1)});
    row = n.select(active, next, n.like(next, 0));
    next = n.select(active, next, hidden);
    if (nextMemory)
      nextMemory = n.select(active, nextMemory, memory);
  }
  if (n.failed() || !next || !row)
    return std::nullopt;
  SmallVector<Value> states = {next};
  if (nextMemory)
    states.push_back(nextMemory);
  auto results = loop.finish(states, {row}, {d.reverse});
  if (!results)
    n.unsupported(loop.why());
  return results;
}

void Layer::import() {
  if (!read())
    return;
  SmallVector<Value> rows, hidden, memory;
  for (size_t i = 0; i < directions; ++i) {
    auto d = direction(i);
    auto results = d ? run(*d) : std::nullopt;
    if (!results) {
      if (!n.failed())
        n.fail(Diag::ShapeMismatch, "weights, biases and states do not fit each other");
      return;
    }
    rows.push_back(n.unsqueeze(results->stacks[0], {1}));
    hidden.push_back(n.unsqueeze(results->states[0], {0}));
    if (cell == Cell::Lstm)
      memory.push_back(n.unsqueeze(results->states[1], {0}));
  }
  auto give = [&](size_t i, ArrayRef<Value> parts, int64_t axis) {
    if (!n.wants(i))
      return;
    Value all = n.concat(parts, axis);
    if (all && batchFirst) // [B, T, D, H] and [B, D, H]
      all = axis == 1 ? n.transpose(all, {2, 0, 1, 3}) : n.swapAxes(all, 0, 1);
    n.out(i, all);
  };
  give(0, rows, 1);
  give(1, hidden, 0);
  if (cell == Cell::Lstm)
    give(2, memory, 0);
}

template <Cell cell, bool quantized = false> void layer(NodeBuilder &n) {
  Layer(n, cell, quantized).import();
}

constexpr OpEntry table[] = {
    {"", "GRU", 7, layer<Cell::Gru>},
    {"", "LSTM", 7, layer<Cell::Lstm>},
    {"", "RNN", 7, layer<Cell::Rnn>},
    {"com.microsoft", "DynamicQuantizeLSTM", 1, layer<Cell::Lstm, true>},
};

} // namespace

ArrayRef<OpEntry> qcc::import::recurrentOps() { return table; }
