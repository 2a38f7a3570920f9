// Ops that rearrange elements or make them from sizes.
#include "OpTable.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

/// A shape operand as dimensions; a value that is only known at run time is refused.
std::optional<Dims> shapeOperand(NodeBuilder &n, size_t i, const char *what) {
  auto list = n.dimsValue(i);
  if (!list && !n.failed())
    n.unsupported(Twine(what) + " depends on the data",
                  "make it depend on input shapes only, or fix the shapes with --shape");
  return list;
}

/// Only reached where the shape arithmetic gave up.
void shapeOnly(NodeBuilder &n) { n.unsupported("has too many elements for shape arithmetic"); }

void identity(NodeBuilder &n) { n.out(0, n.in(0)); }

/// Inference: the mask is all true.
void dropout(NodeBuilder &n) {
  Value x = n.in(0);
  if (n.has(2)) {
    auto training = n.number(2);
    if (!training || *training != 0)
      return n.unsupported("runs in training mode", "export the model for inference");
  }
  n.out(0, x);
  if (x && n.wants(1))
    n.out(1, n.broadcast(n.scalar(n.opset < 10 ? n.element(x) : n.i1(), 1), n.dims(x)));
}

void constant(NodeBuilder &n) {
  if (const onnx::Attribute *value = n.node.attribute("value"); value && value->tensor()) {
    Entry entry;
    entry.tensor = value->tensor();
    return n.importer.define(n.node.outputs[0], std::move(entry));
  }
  if (n.hasAttr("value_float"))
    return n.out(0, n.scalar(n.f32(), n.floatAttr("value_float", 0)));
  ShapeValue known;
  if (n.hasAttr("value_int"))
    return n.outKnown(0, ShapeValue::ofScalar(n.context(), n.dim(n.intAttr("value_int", 0))));
  if (n.hasAttr("value_ints")) {
    auto list = n.intsAttr("value_ints");
    if (list.size() <= ShapeValue::maxElements)
      return n.outKnown(0, ShapeValue::ofDims(n.context(), n.dims(list)));
  }
  if (n.hasAttr("value_floats")) {
    auto list = n.floatsAttr("value_floats");
    known = {n.f32(), {static_cast<int64_t>(list.size())}, {}};
    for (double number : list)
      known.elements.push_back({DimExpr(), 1, number});
    if (list.size() <= ShapeValue::maxElements)
      return n.outKnown(0, known);
  }
  auto given = {"value",         "sparse_value", "value_string",
                "value_strings", "value_ints",   "value_floats"};
  if (llvm::none_of(given, [&](const char *name) { return n.hasAttr(name); }))
    return n.fail(Diag::BadNode, "has no value");
  n.unsupported("holds no dense numeric tensor of reasonable size",
                "store the constant as a tensor");
}

/// The size that -1 stands for: elements of x by those of the other dimensions.
DimExpr inferred(NodeBuilder &n, DimExpr total, DimExpr rest) {
  if (auto exact = total.exactDiv(rest))
    return *exact;
  if (rest.isConstant(0) || (total.constantValue() && rest.constantValue())) {
    n.fail(Diag::ShapeMismatch,
           total.str() + " elements do not divide by " + rest.str() + " of the other dimensions");
    return total;
  }
  DimExpr quotient = total.floorDiv(rest);
  n.equal(total, quotient * rest, "element counts");
  return quotient;
}

/// Requires equal element counts, after taking out dimensions that both sides have.
void requireSameCount(NodeBuilder &n, DimExpr from, ArrayRef<DimExpr> to) {
  DimExpr rest = n.dim(1);
  for (DimExpr size : to) {
    auto quotient = size.isConstant(0) ? std::nullopt : from.exactDiv(size);
    if (quotient)
      from = *quotient;
    else
      rest = rest * size;
  }
  if (!from.isConstant(1) || !rest.isConstant(1))
    n.equal(from, rest, "element counts");
}

void reshape(NodeBuilder &n) {
  Value x = n.in(0);
  auto given = n.opset < 5 ? std::optional(n.dims(n.intsAttr("shape")))
                           : shapeOperand(n, 1, "the new shape");
  if (!x || !given)
    return;
  Dims from = n.dims(x), to = *given;
  bool allowZero = n.intAttr("allowzero", 0) != 0;
  std::optional<size_t> open;
  DimExpr rest = n.dim(1);
  for (auto [i, size] : llvm::enumerate(to)) {
    if (size.isConstant(-1)) {
      if (open)
        return n.fail(Diag::BadNode, "the new shape has two dimensions of -1");
      open = i;
      continue;
    }
    if (size.isConstant(0) && !allowZero) {
      if (i >= from.size())
        return n.fail(Diag::BadNode, "dimension " + Twine(i) + " is to be kept, but the rank is " +
                                         Twine(from.size()));
      size = from[i];
    }
    if (auto value = size.constantValue(); value && *value < 0)
      return n.fail(Diag::BadNode, "the new shape has a dimension of " + Twine(*value));
    rest = rest * size;
  }
  DimExpr total = qnt::elementCount(n.context(), from);
  if (open)
    to[*open] = inferred(n, total, rest);
  else if (total != rest)
    requireSameCount(n, total, to);
  n.out(0, n.reshape(x, to));
}

void flatten(NodeBuilder &n) {
  Value x = n.in(0);
  auto size = static_cast<int64_t>(n.rank(x));
  int64_t axis = n.intAttr("axis", 1);
  if (axis < 0)
    axis += size;
  if (axis < 0 || axis > size)
    return n.fail(Diag::BadNode, "axis " + Twine(axis) + " is outside rank " + Twine(size));
  n.out(0, n.flatten(x, static_cast<size_t>(axis)));
}

void squeeze(NodeBuilder &n) {
  Value x = n.in(0);
  auto given = n.axesFrom(1);
  SmallVector<int64_t> axes;
  if (given)
    axes = n.axes(*given, n.rank(x));
  else
    for (auto [i, size] : llvm::enumerate(n.dims(x)))
      if (size.isConstant(1))
        axes.push_back(static_cast<int64_t>(i));
  if (!n.failed())
    n.out(0, n.squeeze(x, axes));
}

void unsqueeze(NodeBuilder &n) {
  Value x = n.in(0);
  auto given = n.axesFrom(1);
  if (!given)
    return n.fail(Diag::BadNode, "axes are missing");
  auto axes = n.axes(*given, n.rank(x) + given->size());
  if (!n.failed())
    n.out(0, n.unsqueeze(x, axes));
}

void transpose(NodeBuilder &n) {
  Value x = n.in(0);
  auto size = static_cast<int64_t>(n.rank(x));
  auto permutation = llvm::to_vector(llvm::reverse(llvm::seq<int64_t>(0, size)));
  SmallVector<int64_t> order(permutation.begin(), permutation.end());
  order = n.intsAttr("perm", order);
  SmallVector<int64_t> sorted = order;
  llvm::sort(sorted);
  if (!llvm::equal(sorted, llvm::seq<int64_t>(0, size)))
    return n.fail(Diag::BadNode, "perm is no permutation of " + Twine(size) + " axes");
  n.out(0, n.transpose(x, order));
}

void expand(NodeBuilder &n) {
  Value x = n.in(0);
  auto shape = shapeOperand(n, 1, "the new shape");
  if (!x || !shape)
    return;
  for (DimExpr size : *shape)
    if (auto value = size.constantValue(); value && *value < 0)
      return n.fail(Diag::BadNode, "the new shape has a dimension of " + Twine(*value));
  Dims both[] = {n.dims(x), *shape};
  if (auto to = n.broadcastDims(both))
    n.out(0, n.broadcast(x, *to));
}

/// Each axis that repeats becomes [repeat, size].
void tile(NodeBuilder &n) {
  Value x = n.in(0);
  auto repeats = shapeOperand(n, 1, "the repeats");
  if (!x || !repeats)
    return;
  Dims from = n.dims(x), split, full, to;
  if (repeats->size() != from.size())
    return n.fail(Diag::BadNode,
                  "gives " + Twine(repeats->size()) + " repeats for rank " + Twine(from.size()));
  for (auto [size, repeat] : llvm::zip(from, *repeats)) {
    if (auto value = repeat.constantValue(); value && *value < 0)
      return n.fail(Diag::BadNode, "repeats " + Twine(*value) + " times");
    if (!repeat.isConstant(1)) {
      split.push_back(n.dim(1));
      full.push_back(repeat);
    }
    split.push_back(size);
    full.push_back(size);
    to.push_back(size * repeat);
  }
  n.out(0, n.reshape(n.broadcast(n.reshape(x, split), full), to));
}

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
    auto given = shapeOperand(n, 1, "the split");
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
    auto starts = shapeOperand(n, 1, "the start"), ends = shapeOperand(n, 2, "the end");
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
      n.unsupported("the steps are computed at run time", "make them constants");
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

void slice(NodeBuilder &n) {
  Value x = n.in(0);
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
    if (step > 0) {
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

void constantOfShape(NodeBuilder &n) {
  auto shape = shapeOperand(n, 0, "the shape");
  Value fill = n.scalar(n.f32(), 0);
  if (const onnx::Attribute *value = n.node.attribute("value")) {
    if (!value->tensor() || value->tensor()->count() != 1)
      return n.fail(Diag::BadNode, "value is not a tensor of one element");
    auto made = n.importer.materialiseTensor(*value->tensor(), "value");
    if (!made)
      return n.fail(Diag::BadNode, llvm::toString(made.takeError()));
    fill = n.reshape(*made, {});
  }
  if (!shape)
    return;
  for (DimExpr size : *shape)
    if (auto value = size.constantValue(); value && *value < 0)
      return n.fail(Diag::BadNode, "the shape has a dimension of " + Twine(*value));
  n.out(0, n.broadcast(fill, *shape));
}

/// start, start + delta, ... below limit, where the count follows from sizes.
void range(NodeBuilder &n) {
  auto start = n.known(0), limit = n.known(1), delta = n.known(2);
  for (auto *operand : {&start, &limit, &delta})
    if (!*operand || (*operand)->elements.size() != 1)
      return n.unsupported("the range depends on the data",
                           "make it depend on input shapes only, or fix the shapes with --shape");
  Type element = start->type;
  const Element &from = start->elements[0], &to = limit->elements[0], &by = delta->elements[0];
  if (from.real && to.real && by.real) {
    double count = std::ceil((*to.real - *from.real) / *by.real);
    if (!(count < 1e9))
      return n.fail(Diag::BadNode, "has no end");
    Value index =
        n.iota({n.dim(std::max<int64_t>(0, static_cast<int64_t>(count)))}, 0, n.dim(0), 1, n.i64());
    return n.out(0, n.add(n.mul(n.cast(index, element), *by.real), *from.real));
  }
  auto integral = [&](const Element &e) -> DimExpr {
    if (e.real)
      return *e.real == std::trunc(*e.real) ? n.dim(static_cast<int64_t>(*e.real)) : DimExpr();
    return e.divisor == 1 ? e.dim : DimExpr();
  };
  DimExpr first = integral(from), last = integral(to), step = integral(by);
  if (!first || !last || !step || !step.constantValue() || step.isConstant(0))
    return n.unsupported("steps by something other than a constant integer");
  int64_t stride = *step.constantValue();
  DimExpr span = stride > 0 ? last - first : first - last;
  DimExpr count = span.max(n.dim(0)).ceilDiv(n.dim(std::abs(stride)));
  n.out(0, n.cast(n.iota({count}, 0, first, stride, n.i64()), element));
}

void trilu(NodeBuilder &n) {
  Value x = n.in(0);
  int64_t k = 0;
  if (n.has(1)) {
    auto given = n.number(1);
    if (!given)
      return n.unsupported("k is computed at run time", "make it a constant");
    k = static_cast<int64_t>(*given);
  }
  size_t rank = n.rank(x);
  if (rank < 2)
    return n.fail(Diag::ShapeMismatch, "needs a matrix, but the rank is " + Twine(rank));
  Dims all = n.dims(x);
  DimExpr rows = all[rank - 2], columns = all[rank - 1];
  Value row = n.iota({rows, n.dim(1)}, 0, n.dim(k), 1, n.i64());
  Value column = n.iota({n.dim(1), columns}, 1, n.dim(0), 1, n.i64());
  auto keep = n.intAttr("upper", 1) != 0 ? qnt::Predicate::ge : qnt::Predicate::le;
  n.out(0, n.select(n.compare(keep, column, row), x, n.like(x, 0)));
}

void eyeLike(NodeBuilder &n) {
  Dims all = n.inputDims(0);
  if (all.size() != 2)
    return n.fail(Diag::ShapeMismatch, "needs a matrix, but the rank is " + Twine(all.size()));
  Type element = n.hasAttr("dtype")
                     ? n.importer.elementType(static_cast<int32_t>(n.intAttr("dtype", 1)))
                     : n.inputElement(0);
  Value row = n.iota({all[0], n.dim(1)}, 0, n.dim(n.intAttr("k", 0)), 1, n.i64());
  Value column = n.iota({n.dim(1), all[1]}, 1, n.dim(0), 1, n.i64());
  n.out(0, n.cast(n.compare(qnt::Predicate::eq, column, row), element));
}

/// [B, C, H, W] with blocks of `block` x `block` moved between channels and space.
void depthToSpace(NodeBuilder &n) {
  Value x = n.in(0);
  int64_t block = n.intAttr("blocksize", 0);
  if (n.rank(x) != 4 || block < 1 || block > INT32_MAX)
    return n.fail(Diag::BadNode,
                  "needs rank 4 and a blocksize of 1 to 2^31 - 1, which is " + Twine(block));
  Dims d = n.dims(x);
  auto depth = d[1].exactDiv(n.dim(block * block));
  if (!depth)
    return n.fail(Diag::ShapeMismatch, d[1].str() + " channels do not divide by the blocks");
  DimExpr b = n.dim(block);
  Value y;
  if (n.stringAttr("mode", "DCR") == "DCR")
    y = n.transpose(n.reshape(x, {d[0], b, b, *depth, d[2], d[3]}), {0, 3, 4, 1, 5, 2});
  else
    y = n.transpose(n.reshape(x, {d[0], *depth, b, b, d[2], d[3]}), {0, 1, 4, 2, 5, 3});
  n.out(0, n.reshape(y, {d[0], *depth, d[2] * block, d[3] * block}));
}

void spaceToDepth(NodeBuilder &n) {
  Value x = n.in(0);
  int64_t block = n.intAttr("blocksize", 0);
  if (n.rank(x) != 4 || block < 1 || block > INT32_MAX)
    return n.fail(Diag::BadNode,
                  "needs rank 4 and a blocksize of 1 to 2^31 - 1, which is " + Twine(block));
  Dims d = n.dims(x);
  auto h = d[2].exactDiv(n.dim(block)), w = d[3].exactDiv(n.dim(block));
  if (!h || !w)
    return n.fail(Diag::ShapeMismatch, "the size does not divide by the blocks");
  DimExpr b = n.dim(block);
  Value y = n.transpose(n.reshape(x, {d[0], d[1], *h, b, *w, b}), {0, 3, 5, 1, 2, 4});
  n.out(0, n.reshape(y, {d[0], d[1] * (block * block), *h, *w}));
}

std::optional<qnt::PadMode> padMode(NodeBuilder &n) {
  std::string mode = n.stringAttr("mode", "constant");
  auto known = qnt::symbolizePadMode(mode);
  if (!known)
    n.fail(Diag::BadNode, "mode '" + mode + "' is not constant, reflect, edge or wrap");
  return known;
}

void pad(NodeBuilder &n) {
  Value x = n.in(0), fill = n.like(x, n.opset < 11 ? n.floatAttr("value", 0) : 0);
  auto mode = padMode(n);
  auto pads =
      n.opset < 11 ? std::optional(n.dims(n.intsAttr("pads"))) : shapeOperand(n, 1, "the padding");
  if (!x || !mode || !pads)
    return;
  if (n.opset >= 11 && n.has(2))
    fill = n.reshape(n.in(2), {});
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
  // Negative padding crops.
  Dims low(rank, n.dim(0)), high(rank, n.dim(0));
  for (auto [i, axis] : llvm::enumerate(axes)) {
    low[axis] = (*pads)[i];
    high[axis] = (*pads)[i + axes.size()];
    DimExpr cropLow = (low[axis] * -1).max(n.dim(0)), cropHigh = (high[axis] * -1).max(n.dim(0));
    DimExpr kept = n.at(x, axis) - cropLow - cropHigh;
    if (auto known = kept.constantValue(); known && *known < 0)
      return n.fail(Diag::BadNode, "padding takes more off axis " + Twine(axis) + " than its " +
                                       n.at(x, axis).str());
    if (!cropLow.isConstant(0) || !cropHigh.isConstant(0))
      x = n.slice(x, axis, cropLow, kept);
    low[axis] = low[axis].max(n.dim(0));
    high[axis] = high[axis].max(n.dim(0));
  }
  n.out(0, n.pad(x, fill, low, high, *mode));
}

void resize(NodeBuilder &n) {
  Value x = n.in(0);
  if (!x)
    return;
  Dims from = n.dims(x), to = from;
  size_t rank = from.size();
  auto axes = n.hasAttr("axes")
                  ? n.intsAttr("axes")
                  : llvm::to_vector(llvm::seq<int64_t>(0, static_cast<int64_t>(rank)));
  for (int64_t &axis : axes)
    axis = n.axis(axis, rank);
  size_t scalesAt = n.opset < 11 ? 1 : 2; // Upsample and Resize-10 have no region of interest
  SmallVector<double> scales(rank, 1.0);
  auto given = n.opset >= 11 && n.has(3) ? n.dimsValue(3) : std::optional<Dims>();
  auto factors = n.has(scalesAt) ? n.known(scalesAt) : std::optional<ShapeValue>();
  if (n.failed())
    return;
  if (n.stringAttr("keep_aspect_ratio_policy", "stretch") != "stretch")
    return n.unsupported("keep_aspect_ratio_policy is not stretch", "give the sizes themselves");
  if (n.hasAttr("scales")) { // Upsample before opset 9
    factors = ShapeValue{n.f32(), {}, {}};
    for (double scale : n.floatsAttr("scales"))
      factors->elements.push_back({DimExpr(), 1, scale});
  }
  bool bySizes = given && !given->empty();
  if (!bySizes && (!factors || factors->elements.size() != axes.size()))
    return n.unsupported("the new size depends on the data", "make it a constant");
  if (bySizes && given->size() != axes.size())
    return n.fail(Diag::BadNode, "sizes and axes differ in length");
  for (auto [i, axis] : llvm::enumerate(axes)) {
    auto size = from[axis].constantValue();
    if (bySizes) {
      to[axis] = (*given)[i];
      auto target = to[axis].constantValue();
      if (to[axis] == from[axis])
        continue;
      if (!size || !target || *size == 0)
        return n.unsupported("resizes a dynamic dimension", "fix it with --shape");
      scales[axis] = static_cast<double>(*target) / static_cast<double>(*size);
      continue;
    }
    auto factor = factors->elements[i].real;
    if (!factor || !(*factor > 0))
      return n.fail(Diag::BadNode, "a scale is not a positive constant");
    scales[axis] = *factor;
    if (*factor == 1)
      continue;
    if (!size && *factor != std::trunc(*factor))
      return n.unsupported("resizes a dynamic dimension by a fraction", "fix it with --shape");
    to[axis] = size ? n.dim(static_cast<int64_t>(std::floor(static_cast<double>(*size) * *factor)))
                    : from[axis] * static_cast<int64_t>(*factor);
  }
  std::string mode = n.stringAttr("mode", "nearest");
  std::string coordinates =
      n.opset < 11 ? "asymmetric" : n.stringAttr("coordinate_transformation_mode", "half_pixel");
  if (coordinates == "tf_crop_and_resize" || n.intAttr("antialias", 0) != 0)
    return n.unsupported("uses tf_crop_and_resize or antialias", "resize without");
  std::string nearest = n.stringAttr("nearest_mode", n.opset < 11 ? "floor" : "round_prefer_floor");
  n.out(0, n.make<qnt::ResizeOp>(n.type(to, n.element(x)), x, mode, coordinates, nearest, scales,
                                 llvm::APFloat(n.floatAttr("cubic_coeff_a", -0.75)),
                                 n.intAttr("exclude_outside", 0) != 0,
                                 llvm::APFloat(n.floatAttr("extrapolation_value", 0))));
}

constexpr OpEntry table[] = {
    {"", "Shape", 7, shapeOnly},
    {"", "Size", 7, shapeOnly},
    {"", "Identity", 7, identity},
    {"", "Dropout", 7, dropout},
    {"", "Constant", 7, constant},
    {"", "Reshape", 7, reshape},
    {"", "Flatten", 7, flatten},
    {"", "Squeeze", 7, squeeze},
    {"", "Unsqueeze", 7, unsqueeze},
    {"", "Transpose", 7, transpose},
    {"", "Expand", 8, expand},
    {"", "Tile", 7, tile},
    {"", "Concat", 7, concat},
    {"", "Split", 7, split},
    {"", "Slice", 7, slice},
    {"", "ConstantOfShape", 9, constantOfShape},
    {"", "Range", 11, range},
    {"", "Trilu", 14, trilu},
    {"", "EyeLike", 9, eyeLike},
    {"", "DepthToSpace", 7, depthToSpace},
    {"", "SpaceToDepth", 7, spaceToDepth},
    {"", "Pad", 7, pad},
    {"", "Resize", 10, resize},
    {"", "Upsample", 7, resize},
};

} // namespace

ArrayRef<OpEntry> qcc::import::shapeOps() { return table; }
