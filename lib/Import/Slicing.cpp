// Ops that put tensors together, cut them apart and pad them.
#include "OpTable.h"
#include "RunTimeSizes.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

void concat(NodeBuilder &n) {
  SmallVector<Value> parts;
  for (size_t i = 0; i < n.numInputs(); ++i)
    parts.push_back(n.in(i));
  if (parts.empty())
    return n.fail(Diag::BadNode, "has no inputs");
  if (!n.hasAttr("axis"))
    return n.fail(Diag::BadNode, "lacks the attribute 'axis'");
  int64_t axis = n.axisAttr(n.rank(parts[0]), 1);
  if (n.failed())
    return;
  // A part of size 0 along the axis adds nothing (an empty cache).
  SmallVector<Value> filled;
  for (Value part : parts)
    if (n.rank(part) == n.rank(parts[0]) && n.at(part, axis).isConstant(0))
      continue;
    else
      filled.push_back(part);
  n.out(0, n.concat(filled.empty() ? ArrayRef(parts).take_front(1) : ArrayRef(filled), axis));
}

void split(NodeBuilder &n) {
  Value x = n.in(0);
  int64_t axis = n.axisAttr(n.rank(x), 0);
  if (n.failed())
    return;
  DimExpr size = n.at(x, axis);
  auto parts = static_cast<int64_t>(n.numOutputs());
  Dims sizes;
  if (n.opset >= 13 && n.has(1)) {
    auto given = sizesOf(n, 1, "the split");
    if (!given)
      return;
    sizes = *given;
  } else if (n.opset < 13 && n.hasAttr("split")) {
    sizes = n.dims(n.intsAttr("split"));
  } else {
    DimExpr each = size.ceilDiv(n.dim(parts));
    sizes.assign(parts, each);
    sizes.back() = size - each * (parts - 1);
  }
  if (static_cast<int64_t>(sizes.size()) != parts)
    return n.fail(Diag::BadNode, "splits into " + Twine(sizes.size()) + " parts, but has " +
                                     Twine(parts) + " outputs");
  if (int64_t wanted = n.intAttr("num_outputs", parts); wanted != parts)
    return n.fail(Diag::BadNode,
                  "num_outputs is " + Twine(wanted) + ", but it has " + Twine(parts) + " outputs");
  DimExpr sum = n.dim(0);
  for (DimExpr part : sizes) {
    if (auto known = part.constantValue(); known && *known < 0)
      return n.fail(Diag::BadNode, "splits off a part of " + Twine(*known));
    sum = sum + part;
  }
  n.equal(size, sum, "split and size");
  DimExpr start = n.dim(0);
  for (auto [i, part] : llvm::enumerate(sizes)) {
    if (n.wants(i))
      n.out(i, n.slice(x, axis, start, part));
    start = start + part;
  }
}

/// Where slicing starts or ends on an axis: negative counts from the end, then into 0 .. size.
DimExpr clampIndex(NodeBuilder &n, DimExpr index, DimExpr size) {
  constexpr int64_t huge = INT32_MAX;
  if (auto value = index.constantValue()) {
    if (*value >= huge)
      return size;
    if (*value <= -huge)
      return n.dim(0);
  }
  if (auto value = index.constantValue(); value && *value < 0)
    return size - n.dim(-*value).min(size); // never below 0
  if ((index * -1 - 1).isNonNegative())
    index = index + size;
  return index.max(n.dim(0)).min(size);
}

/// end - start, at least 0, where both lie in 0 .. size.
DimExpr spanOf(NodeBuilder &n, DimExpr start, DimExpr end, DimExpr size) {
  bool ordered = start.isConstant(0) || end == size;
  return ordered ? end - start : (end - start).max(n.dim(0));
}

/// Where to read and how much, of a slice x[turn + a : turn + b] of a loop: as much in every turn.
/// That it lies inside x in all of them, so that nothing is cut off, is checked before the loop.
std::optional<std::pair<DimExpr, DimExpr>> sliceOfTurn(NodeBuilder &n, DimExpr start, DimExpr end,
                                                       DimExpr size) {
  for (const GraphImporter::OpenLoop &loop : n.importer.openLoops) {
    DimExpr count = end - start, turn = DimExpr::symbol(n.context(), loop.symbol);
    DimExpr rest = start - turn;
    if (qnt::mentions({count, rest, size}, loop.symbol) || !rest.isNonNegative() ||
        !count.isNonNegative())
      continue;
    DimExpr beyond = (rest + loop.turns - 1 + count - size).max(n.dim(0));
    n.importer.requireZero(beyond * loop.turns.min(n.dim(1)));
    return std::pair(start, count);
  }
  return std::nullopt;
}

struct SliceOperands {
  Dims starts, ends;
  SmallVector<int64_t> axes, steps;
};

std::optional<SliceOperands> sliceOperands(NodeBuilder &n, size_t rank) {
  SliceOperands s;
  if (n.opset < 10) {
    s.starts = n.dims(n.intsAttr("starts"));
    s.ends = n.dims(n.intsAttr("ends"));
  } else {
    auto starts = sizesOf(n, 1, "the start"), ends = sizesOf(n, 2, "the end");
    if (!starts || !ends)
      return std::nullopt;
    s.starts = *starts, s.ends = *ends;
  }
  size_t count = s.starts.size();
  s.steps.assign(count, 1);
  s.axes = llvm::to_vector(llvm::seq<int64_t>(0, static_cast<int64_t>(count)));
  if (n.opset < 10 ? n.hasAttr("axes") : n.has(3)) {
    auto axes = n.opset < 10 ? std::optional(n.intsAttr("axes")) : n.axesFrom(3);
    if (!axes)
      return std::nullopt;
    s.axes = *axes;
  }
  if (n.opset >= 10 && n.has(4)) {
    auto steps = n.integers(4);
    if (!steps) {
      n.unsupported("the steps depend on input shapes", "make them constants");
      return std::nullopt;
    }
    s.steps = *steps;
  }
  if (s.ends.size() != count || s.axes.size() != count || s.steps.size() != count) {
    n.fail(Diag::BadNode, "starts, ends, axes and steps differ in length");
    return std::nullopt;
  }
  for (int64_t &axis : s.axes)
    axis = n.axis(axis, rank);
  return s;
}

/// What slicing takes of each axis, as i64 vectors: counts, where it starts, and steps.
struct Walk {
  Value starts, counts, steps;
};

/// From operands that are data, for the axes of `sizes` (i64 [axes]).
Walk walkOf(NodeBuilder &n, Value starts, Value ends, Value steps, Value sizes) {
  using enum qnt::Predicate;
  auto fromEnd = [&](Value v) { return n.select(n.compare(lt, v, 0), n.add(v, sizes), v); };
  Value zero = n.like(sizes, 0), last = n.sub(sizes, 1);
  Value forward = n.compare(gt, steps, 0);
  Value start = fromEnd(starts), end = fromEnd(ends);
  start = n.minimum(n.maximum(start, zero), n.select(forward, sizes, last));
  end = n.select(forward, n.minimum(n.maximum(end, zero), sizes),
                 n.minimum(n.maximum(end, -1), last));
  Value span = n.select(forward, n.sub(end, start), n.sub(start, end));
  // No step is longer than the axis needs; a step of 0 faults.
  Value step = n.minimum(n.maximum(steps, -double(INT32_MAX)), double(INT32_MAX));
  Value length = n.unary<qnt::AbsOp>(step);
  Value count = n.div(n.add(n.maximum(span, zero), n.sub(length, 1)), length);
  return {start, count, step};
}

/// Every operand may be data: elements start + i * step are gathered along each axis.
void sliceAtRunTime(NodeBuilder &n, Value x) {
  size_t rank = n.rank(x);
  Value starts = integerVector(n, 1, "the start"), ends = integerVector(n, 2, "the end");
  Value axes = n.has(3) ? integerVector(n, 3, "the axes") : Value();
  Value steps = n.has(4) ? integerVector(n, 4, "the steps") : Value();
  if (!starts || !ends || n.failed())
    return;
  int64_t count = lengthOf(n, starts);
  SmallVector<int64_t> which = llvm::to_vector(llvm::seq<int64_t>(0, count));
  if (!steps)
    steps = n.broadcast(n.scalarInteger(n.i64(), 1), {n.dim(count)});
  if (n.has(3) && isKnown(n, 3)) {
    auto given = n.integers(3);
    if (!given)
      return n.fail(Diag::BadNode, "the axes are no constant integers");
    which.clear();
    for (int64_t axis : *given)
      which.push_back(n.axis(axis, rank));
  } else if (axes) { // any axis may be meant: all are walked
    starts = spreadOverAxes(n, axes, starts, rank, 0);
    ends = spreadOverAxes(n, axes, ends, rank, INT64_MAX);
    steps = spreadOverAxes(n, axes, steps, rank, 1);
    which = llvm::to_vector(llvm::seq<int64_t>(0, static_cast<int64_t>(rank)));
  }
  if (n.failed() || !starts || !ends || !steps)
    return;
  auto length = static_cast<int64_t>(which.size());
  if (lengthOf(n, starts) != length || lengthOf(n, ends) != length ||
      lengthOf(n, steps) != length || which.size() > rank)
    return n.fail(Diag::BadNode, "starts, ends, axes and steps differ in length");
  Dims own;
  for (int64_t axis : which)
    own.push_back(n.at(x, axis));
  Walk walk = walkOf(n, starts, ends, steps, dimVector(n, own));
  for (auto [i, axis] : llvm::enumerate(which)) {
    auto at = static_cast<int64_t>(i);
    DimExpr size = bindSize(n, elementAt(n, walk.counts, at), "size");
    Value index = n.mul(n.iota({size}, 0, n.dim(0), 1, n.i64()), elementAt(n, walk.steps, at));
    x = n.gather(x, n.add(index, elementAt(n, walk.starts, at)), axis);
  }
  n.out(0, x);
}

void slice(NodeBuilder &n) {
  Value x = n.in(0);
  if (x && n.opset >= 10)
    for (size_t i = 1; i < 5; ++i)
      if (n.has(i) && !isKnown(n, i))
        return sliceAtRunTime(n, x);
  auto s = sliceOperands(n, n.rank(x));
  if (!s || n.failed())
    return;
  Dims to = n.dims(x), starts(to.size(), n.dim(0));
  SmallVector<int64_t> steps(to.size(), 1);
  for (size_t i = 0; i < s->axes.size(); ++i) {
    int64_t axis = s->axes[i], step = s->steps[i];
    DimExpr size = to[axis], start, count;
    if (step == 0 || step == INT64_MIN)
      return n.fail(Diag::BadNode, "a step is " + Twine(step));
    if (auto same = step == 1 ? sliceOfTurn(n, s->starts[i], s->ends[i], size) : std::nullopt) {
      std::tie(start, count) = *same;
    } else if (step > 0) {
      start = clampIndex(n, s->starts[i], size);
      count = spanOf(n, start, clampIndex(n, s->ends[i], size), size).ceilDiv(n.dim(step));
    } else {
      // From `start` (at most the last index) down to, without, `end`: both one higher than ONNX
      // counts, so that "before the first" is 0.
      auto raise = [&](DimExpr index) {
        auto value = index.constantValue();
        if (value && (*value >= INT32_MAX || *value <= -INT32_MAX))
          return clampIndex(n, index, size);
        if ((index * -1 - 1).isNonNegative())
          index = index + size;
        return (index + 1).max(n.dim(0)).min(size);
      };
      DimExpr from = raise(s->starts[i]);
      count = (from - raise(s->ends[i])).max(n.dim(0)).ceilDiv(n.dim(-step));
      start = (from - 1).max(n.dim(0));
    }
    starts[axis] = start;
    steps[axis] = step;
    to[axis] = count;
  }
  if (x)
    n.out(0, n.make<qnt::SliceOp>(n.type(to, n.element(x)), x, qnt::makeDims(n.context(), starts),
                                  steps));
}

std::optional<qnt::PadMode> padMode(NodeBuilder &n) {
  std::string mode = n.stringAttr("mode", "constant");
  auto known = qnt::symbolizePadMode(mode);
  if (!known)
    n.fail(Diag::BadNode, "mode '" + mode + "' is not constant, reflect, edge or wrap");
  return known;
}

/// Pads that are data. Negative ones crop.
void padAtRunTime(NodeBuilder &n, Value x, Value fill, qnt::PadMode mode) {
  Value pads = integerVector(n, 1, "the padding");
  Value axes = n.opset >= 18 && n.has(3) ? integerVector(n, 3, "the axes") : Value();
  if (!pads || n.failed())
    return;
  size_t rank = n.rank(x);
  auto count = static_cast<int64_t>(axes ? lengthOf(n, axes) : rank);
  if (lengthOf(n, pads) != 2 * count)
    return n.fail(Diag::BadNode,
                  "gives " + Twine(lengthOf(n, pads)) + " pads for " + Twine(count) + " axes");
  Value before = n.slice(pads, 0, n.dim(0), n.dim(count));
  Value after = n.slice(pads, 0, n.dim(count), n.dim(count));
  if (axes) {
    before = spreadOverAxes(n, axes, before, rank, 0);
    after = spreadOverAxes(n, axes, after, rank, 0);
  }
  Dims low = bindSizes(n, before, "pad"), high = bindSizes(n, after, "pad");
  Dims cropLow = bindSizes(n, n.unary<qnt::NegOp>(before), "crop");
  Dims cropHigh = bindSizes(n, n.unary<qnt::NegOp>(after), "crop");
  for (size_t axis = 0; axis < rank && !n.failed(); ++axis)
    x = n.slice(x, static_cast<int64_t>(axis), cropLow[axis],
                (n.at(x, axis) - cropLow[axis] - cropHigh[axis]).max(n.dim(0)));
  n.out(0, n.pad(x, fill, low, high, mode));
}

void pad(NodeBuilder &n) {
  bool old = n.opset < 11 && n.node.domain.empty(); // the pads are attributes
  Value x = n.in(0), fill = n.like(x, old ? n.floatAttr("value", 0) : 0);
  auto mode = padMode(n);
  if (!x || !mode)
    return;
  if (!old && n.has(2))
    fill = n.reshape(n.in(2), {});
  if (!old && (!isKnown(n, 1) || (n.opset >= 18 && n.has(3) && !isKnown(n, 3))))
    return padAtRunTime(n, x, fill, *mode);
  auto pads = old ? std::optional(n.dims(n.intsAttr("pads"))) : sizesOf(n, 1, "the padding");
  if (!pads)
    return;
  size_t rank = n.rank(x);
  auto axes = llvm::to_vector(llvm::seq<int64_t>(0, static_cast<int64_t>(rank)));
  if (n.opset >= 18 && n.has(3)) {
    auto given = n.axesFrom(3);
    if (!given)
      return;
    axes.clear();
    for (int64_t axis : *given)
      axes.push_back(n.axis(axis, rank));
  }
  if (n.failed() || pads->size() != 2 * axes.size())
    return n.fail(Diag::BadNode,
                  "gives " + Twine(pads->size()) + " pads for " + Twine(axes.size()) + " axes");
  // Negative padding crops. Written so that a size of unknown amounts is x + low + high.
  Dims low(rank, n.dim(0)), high(rank, n.dim(0));
  for (auto [i, axis] : llvm::enumerate(axes)) {
    low[axis] = (*pads)[i];
    high[axis] = (*pads)[i + axes.size()];
    DimExpr padLow = low[axis].max(n.dim(0)), padHigh = high[axis].max(n.dim(0));
    DimExpr cropLow = padLow - low[axis], cropHigh = padHigh - high[axis];
    DimExpr kept = n.at(x, axis) - cropLow - cropHigh;
    if (auto known = kept.constantValue(); known && *known < 0)
      return n.fail(Diag::BadNode, "padding takes more off axis " + Twine(axis) + " than its " +
                                       n.at(x, axis).str());
    if (!cropLow.isConstant(0) || !cropHigh.isConstant(0))
      x = n.slice(x, axis, cropLow, n.natural(kept, "what padding leaves of an axis"));
    low[axis] = padLow, high[axis] = padHigh;
  }
  n.out(0, n.pad(x, fill, low, high, *mode));
}

/// Each axis cut or padded around its middle to the size that is wanted.
void centerCropPad(NodeBuilder &n) {
  Value x = n.in(0);
  auto wanted = sizesOf(n, 1, "the shape");
  if (!x || !wanted)
    return;
  size_t rank = n.rank(x);
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(0, static_cast<int64_t>(rank)));
  if (n.hasAttr("axes"))
    axes = n.intsAttr("axes");
  if (axes.size() != wanted->size())
    return n.fail(Diag::BadNode, "shape and axes differ in length");
  Dims low(rank, n.dim(0)), high = low;
  for (auto [axis, size] : llvm::zip(axes, *wanted)) {
    axis = n.axis(axis, rank);
    if (n.failed())
      return;
    DimExpr own = n.at(x, axis), two = n.dim(2), zero = n.dim(0);
    DimExpr more = (size - own).max(zero), less = (own - size).max(zero);
    x = n.slice(x, axis, less.floorDiv(two), own - less);
    low[axis] = more.floorDiv(two);
    high[axis] = more - low[axis];
  }
  n.out(0, n.pad(x, n.like(x, 0), low, high, qnt::PadMode::constant));
}

constexpr OpEntry table[] = {
    {"", "CenterCropPad", 18, centerCropPad},
    {"", "Concat", 7, concat},
    {"", "Split", 7, split},
    {"", "Slice", 7, slice},
    {"", "Pad", 7, pad},
    {"com.microsoft", "Pad", 1, pad},
};

} // namespace

ArrayRef<OpEntry> qcc::import::slicingOps() { return table; }
