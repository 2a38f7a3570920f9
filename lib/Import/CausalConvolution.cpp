// com.microsoft.CausalConvWithState: a causal convolution per channel over what came before and the
// input.
#include "OpTable.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

struct CausalForm {
  bool channelsLast = false;
  DimExpr batch, steps, channels, before; ///< `before`: positions of the state
  Dims tail;                              ///< channels last: the axes that the channels have
};

/// [B, L, d..] as [B, C, L]; as it is where channels are first.
Value channelsFirst(NodeBuilder &n, Value x, const CausalForm &f) {
  if (!f.channelsLast || !x)
    return x;
  return n.swapAxes(n.reshape(x, {n.at(x, 0), n.at(x, 1), f.channels}), 1, 2);
}

/// The way back.
Value asGiven(NodeBuilder &n, Value x, const CausalForm &f) {
  if (!f.channelsLast || !x)
    return x;
  x = n.swapAxes(x, 1, 2);
  Dims to = {n.at(x, 0), n.at(x, 1)};
  llvm::append_range(to, f.tail);
  return n.reshape(x, to);
}

/// What input 3 holds of the positions before, [B, C, before].
Value pastOf(NodeBuilder &n, Value x, const CausalForm &f, int64_t window) {
  if (!n.has(3))
    return n.broadcast(n.like(x, 0), {f.batch, f.channels, f.before});
  Dims dims = {f.batch};
  if (f.channelsLast) {
    dims.push_back(f.before);
    llvm::append_range(dims, f.tail);
  } else {
    dims.append({f.channels, f.before});
  }
  Value past = n.in(3);
  if (past && window > 0) { // the last of the states counts
    Dims all = {n.dim(window)};
    llvm::append_range(all, dims);
    past = n.fit(past, all, "past_state");
    past = n.squeeze(n.slice(past, 0, n.dim(window - 1), n.dim(1)), {0});
  }
  return channelsFirst(n, n.fit(past, dims, "past_state"), f);
}

/// The states after each of the last `window` positions; zeros for those before the first.
Value stateWindow(NodeBuilder &n, Value all, const CausalForm &f, int64_t window) {
  Dims low(3, n.dim(0)), high = low;
  low[2] = n.dim(window);
  Value wide = n.pad(all, n.like(all, 0), low, high, qnt::PadMode::constant);
  Value length = n.dimTensor(f.steps, n.i64());
  SmallVector<Value> slots;
  for (int64_t slot = 0; slot < window; ++slot) {
    Value state = asGiven(n, n.slice(wide, 2, f.steps + (slot + 1), f.before), f);
    Value there = n.compare(qnt::Predicate::ge, length, static_cast<double>(window - slot));
    slots.push_back(n.unsqueeze(n.select(there, state, n.like(state, 0)), {0}));
  }
  return n.concat(slots, 0);
}

/// The operands' sizes; nothing after a failure.
std::optional<CausalForm> formOf(NodeBuilder &n, Value x, Value weight, int64_t reach) {
  CausalForm f;
  f.channelsLast = n.intAttr("channels_last", 0) != 0;
  f.before = n.dim(reach);
  f.batch = n.at(x, 0);
  f.channels = n.at(weight, 0);
  Dims all = n.dims(x);
  if (f.channelsLast) {
    f.steps = all[1];
    f.tail.assign(all.begin() + 2, all.end());
    n.equal(qnt::elementCount(n.context(), f.tail), f.channels, "channels");
  } else {
    f.steps = all[2];
    n.equal(all[1], f.channels, "channels");
  }
  if (n.failed())
    return std::nullopt;
  return f;
}

void causalConvWithState(NodeBuilder &n) {
  Value x = n.in(0), weight = n.in(1), bias = n.optional(2);
  if (int64_t axes = n.intAttr("ndim", 1); axes != 1) // nothing says how the others are padded
    return n.unsupported("convolves over " + Twine(axes) + " axes",
                         "export one convolution per row, with ndim 1");
  bool last = n.intAttr("channels_last", 0) != 0;
  if (!x || !weight || (last ? n.rank(x) < 3 : n.rank(x) != 3) || n.rank(weight) != 3 ||
      !n.sameElement(x, weight))
    return n.fail(Diag::ShapeMismatch, "needs data and weight of rank 3");
  auto taps = n.at(weight, 2).constantValue(), channels = n.at(weight, 0).constantValue();
  if (!taps || !channels || *taps < 1)
    return n.unsupported("has a kernel of a dynamic size");
  int64_t dilation = n.intAttr("dilation", 1), window = n.intAttr("state_window", 0);
  if (dilation < 1 || dilation > (1 << 20) || *taps > (1 << 20) || window < 0 || window > 8)
    return n.fail(Diag::BadNode,
                  "dilation is " + Twine(dilation) + " and state_window " + Twine(window));
  auto f = formOf(n, x, weight, (*taps - 1) * dilation);
  Value past = f ? pastOf(n, x, *f, window) : Value();
  Value all = n.concat({past, f ? channelsFirst(n, x, *f) : Value()}, 2);
  if (!all || n.failed())
    return;
  f->steps = n.importer.space.resolve(f->steps);
  Dims to = {n.at(all, 0), n.at(all, 1), f->steps};
  SmallVector<int64_t> one = {1}, none = {0, 0}, spread = {dilation};
  Value y = n.make<qnt::ConvOp>(n.type(to, n.element(x)), all, weight, bias, one, spread, none,
                                *channels);
  y = asGiven(n, y, *f);
  std::string kind = n.stringAttr("activation", "none");
  if (kind == "silu" || kind == "swish")
    y = n.unary<qnt::SiluOp>(y);
  else if (kind != "none" && !kind.empty())
    return n.fail(Diag::BadNode, "activation '" + kind + "' is not silu, swish or none");
  n.out(0, y);
  if (n.wants(1))
    n.out(1, window > 0 ? stateWindow(n, all, *f, window)
                        : asGiven(n, n.slice(all, 2, f->steps, f->before), *f));
}

constexpr OpEntry table[] = {
    {"com.microsoft", "CausalConvWithState", 1, causalConvWithState},
};

} // namespace

ArrayRef<OpEntry> qcc::import::causalConvolutionOps() { return table; }
