// Ops that rearrange elements or make them from sizes.
#include "OpTable.h"
#include "RunTimeSizes.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

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

/// com.microsoft: a dropout that drops nothing between the sum with a bias and that with a
/// residual.
void biasDropout(NodeBuilder &n) {
  if (n.has(4)) {
    auto training = n.number(4);
    if (!training || *training != 0)
      return n.unsupported("runs in training mode", "export the model for inference");
  }
  Value sum = n.add(n.in(0), n.in(1));
  if (n.has(2))
    sum = n.add(sum, n.in(2));
  n.out(0, sum);
  if (sum && n.wants(1))
    n.out(1, n.broadcast(n.scalar(n.i1(), 1), n.dims(sum)));
}

/// com.microsoft: one axis more, where a constant says.
void expandDims(NodeBuilder &n) {
  Value x = n.in(0);
  auto axis = n.number(1);
  if (!axis)
    return n.unsupported("the axis is computed at run time", "make it a constant");
  if (x)
    n.out(0, n.unsqueeze(x, {n.axis(saturated(*axis), n.rank(x) + 1)}));
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
  return n.divided(total, rest, "elements", "of the other dimensions");
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

/// The new shape is data: 0 keeps a dimension and -1 takes what is left.
void reshapeAtRunTime(NodeBuilder &n, Value x) {
  Value shape = integerVector(n, 1, "the new shape");
  if (!shape)
    return;
  Dims from = n.dims(x);
  if (n.intAttr("allowzero", 0) == 0) {
    from.resize(lengthOf(n, shape), n.dim(0));
    shape = n.select(n.compare(qnt::Predicate::eq, shape, 0), dimVector(n, from), shape);
  }
  DimExpr total = qnt::elementCount(n.context(), n.dims(x));
  Value open = n.compare(qnt::Predicate::lt, shape, 0), one = n.scalarInteger(n.i64(), 1);
  Value rest = n.reduce(qnt::ReduceKind::prod, n.select(open, one, shape), {0}, false);
  Value left = n.div(n.dimTensor(total, n.i64()), n.maximum(rest, 1));
  Dims to = bindSizes(n, n.select(open, left, shape), "size");
  if (n.failed())
    return;
  n.equal(total, qnt::elementCount(n.context(), to), "element counts");
  n.out(0, n.reshape(x, to));
}

void reshape(NodeBuilder &n) {
  Value x = n.in(0);
  if (x && n.opset >= 5 && !isKnown(n, 1))
    return reshapeAtRunTime(n, x);
  auto given =
      n.opset < 5 ? std::optional(n.dims(n.intsAttr("shape"))) : sizesOf(n, 1, "the new shape");
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
  if (x && n.has(1) && !isKnown(n, 1)) {
    Value axes = integerVector(n, 1, "the axes");
    if (!axes)
      return;
    auto left = static_cast<int64_t>(n.rank(x)) - lengthOf(n, axes);
    Value keep = n.sub(n.like(axes, 1), markedAxes(n, axes, n.rank(x)));
    Dims to = bindSizes(n, compress(n, dimVector(n, n.dims(x)), keep, std::max<int64_t>(0, left)),
                        "size");
    n.equal(qnt::elementCount(n.context(), n.dims(x)), qnt::elementCount(n.context(), to),
            "element counts");
    return n.out(0, n.reshape(x, to));
  }
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

/// New axes that are data: those of x come in order where no new one is.
void unsqueezeAtRunTime(NodeBuilder &n, Value x) {
  Value axes = integerVector(n, 1, "the axes");
  if (!axes)
    return;
  size_t rank = n.rank(x) + lengthOf(n, axes);
  Value added = markedAxes(n, axes, rank), old = n.sub(n.like(axes, 1), added);
  if (!added || !old)
    return;
  Value before = n.make<qnt::CumSumOp>(old.getType(), old, 0, true, false);
  Dims padded = n.dims(x);
  padded.push_back(n.dim(1)); // what a new axis behind all others would read
  Value sizes = n.gather(dimVector(n, padded), before, 0);
  sizes = n.select(n.compare(qnt::Predicate::gt, added, 0), n.like(added, 1), sizes);
  Dims to = bindSizes(n, sizes, "size");
  n.equal(qnt::elementCount(n.context(), n.dims(x)), qnt::elementCount(n.context(), to),
          "element counts");
  n.out(0, n.reshape(x, to));
}

void unsqueeze(NodeBuilder &n) {
  Value x = n.in(0);
  if (x && n.has(1) && !isKnown(n, 1))
    return unsqueezeAtRunTime(n, x);
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

/// The new shape is data. An axis of x that is not known to be 1 is repeated where it turns out so.
void expandAtRunTime(NodeBuilder &n, Value x) {
  Value shape = integerVector(n, 1, "the new shape");
  if (!shape)
    return;
  auto count = static_cast<size_t>(lengthOf(n, shape));
  Dims from = n.dims(x);
  while (from.size() < count)
    from.insert(from.begin(), n.dim(1));
  x = n.reshape(x, from);
  for (size_t i = 0; i < count && !n.failed(); ++i) {
    size_t axis = from.size() - count + i;
    Value wanted = elementAt(n, shape, static_cast<int64_t>(i));
    if (from[axis].isConstant(1)) {
      Dims to = n.dims(x);
      to[axis] = bindSize(n, wanted, "size");
      x = n.broadcast(x, to);
      continue;
    }
    // 1 leaves the axis as it is; anything else must be its size, unless that is 1.
    Value own = n.dimTensor(from[axis], n.i64());
    DimExpr to =
        bindSize(n, n.select(n.compare(qnt::Predicate::eq, wanted, 1), own, wanted), "size");
    if (from[axis].constantValue())
      n.equal(from[axis], to, "size and new size");
    else
      x = n.stretch(x, axis, to);
  }
  n.out(0, x);
}

void expand(NodeBuilder &n) {
  Value x = n.in(0);
  if (x && !isKnown(n, 1))
    return expandAtRunTime(n, x);
  auto shape = sizesOf(n, 1, "the new shape");
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
  auto repeats = sizesOf(n, 1, "the repeats");
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

void constantOfShape(NodeBuilder &n) {
  auto shape = sizesOf(n, 0, "the shape");
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

/// Limits that are data: max(0, ceil((limit - start) / delta)) elements.
void rangeAtRunTime(NodeBuilder &n) {
  Value start = n.in(0), limit = n.in(1), delta = n.has(2) ? n.in(2) : n.like(start, 1);
  for (Value *operand : {&start, &limit, &delta}) {
    if (*operand && !qnt::elementCount(n.context(), n.dims(*operand)).isConstant(1))
      return n.fail(Diag::BadNode, "start, limit and delta are not one number each");
    *operand = n.reshape(*operand, {});
  }
  Value span = n.sub(limit, start);
  if (!span || !delta)
    return;
  Value count;
  if (n.isFloat(span)) {
    count = n.cast(n.unary<qnt::CeilOp>(n.div(span, delta)), n.i64());
  } else { // towards the end of the range by one step less one, then truncating
    Value wide = n.cast(span, n.i64()), step = n.cast(delta, n.i64());
    count = n.div(n.add(wide, n.sub(step, n.unary<qnt::SignOp>(step))), step);
  }
  Value index = n.iota({bindSize(n, count, "count")}, 0, n.dim(0), 1, n.i64());
  n.out(0, n.add(n.mul(n.cast(index, n.element(start)), delta), start));
}

/// start, start + delta, ... below limit, where the count follows from sizes.
void range(NodeBuilder &n) {
  auto start = n.known(0), limit = n.known(1), delta = n.known(2);
  if (!n.has(2) && start) // com.microsoft may leave it out
    delta = ShapeValue{start->type, {}, {{n.dim(1), 1, std::nullopt}}};
  for (auto *operand : {&start, &limit, &delta})
    if (!*operand || (*operand)->elements.size() != 1)
      return rangeAtRunTime(n);
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
      return *e.real == std::trunc(*e.real) ? n.dim(saturated(*e.real)) : DimExpr();
    return e.divisor == 1 ? e.dim : DimExpr();
  };
  DimExpr first = integral(from), last = integral(to), step = integral(by);
  if (!first || !last || !step || !step.constantValue() || step.isConstant(0) ||
      step.isConstant(INT64_MIN))
    return n.unsupported("steps by something other than a constant integer");
  int64_t stride = *step.constantValue();
  DimExpr span = stride > 0 ? last - first : first - last;
  DimExpr count = span.max(n.dim(0)).ceilDiv(n.dim(std::abs(stride)));
  n.out(0, n.cast(n.iota({count}, 0, first, stride, n.i64()), element));
}

void trilu(NodeBuilder &n) {
  Value x = n.in(0);
  int64_t k = 0;
  Value diagonal; // where it is data
  if (n.has(1)) {
    if (auto given = n.number(1))
      k = saturated(*given);
    else
      diagonal = n.reshape(n.cast(n.in(1), n.i64()), {});
  }
  size_t rank = n.rank(x);
  if (rank < 2)
    return n.fail(Diag::ShapeMismatch, "needs a matrix, but the rank is " + Twine(rank));
  Dims all = n.dims(x);
  DimExpr rows = all[rank - 2], columns = all[rank - 1];
  Value row = n.iota({rows, n.dim(1)}, 0, n.dim(k), 1, n.i64());
  if (diagonal)
    row = n.add(row, diagonal);
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
  DimExpr depth = n.divided(d[1], block * block, "channels", "places of a block");
  if (n.failed())
    return;
  DimExpr b = n.dim(block);
  Value y;
  if (n.stringAttr("mode", "DCR") == "DCR")
    y = n.transpose(n.reshape(x, {d[0], b, b, depth, d[2], d[3]}), {0, 3, 4, 1, 5, 2});
  else
    y = n.transpose(n.reshape(x, {d[0], depth, b, b, d[2], d[3]}), {0, 1, 4, 2, 5, 3});
  n.out(0, n.reshape(y, {d[0], depth, d[2] * block, d[3] * block}));
}

void spaceToDepth(NodeBuilder &n) {
  Value x = n.in(0);
  int64_t block = n.intAttr("blocksize", 0);
  if (n.rank(x) != 4 || block < 1 || block > INT32_MAX)
    return n.fail(Diag::BadNode,
                  "needs rank 4 and a blocksize of 1 to 2^31 - 1, which is " + Twine(block));
  Dims d = n.dims(x);
  DimExpr h = n.divided(d[2], block, "rows", "of a block");
  DimExpr w = n.divided(d[3], block, "columns", "of a block");
  if (n.failed())
    return;
  DimExpr b = n.dim(block);
  Value y = n.transpose(n.reshape(x, {d[0], d[1], h, b, w, b}), {0, 3, 5, 1, 2, 4});
  n.out(0, n.reshape(y, {d[0], d[1] * (block * block), h, w}));
}

/// a - b cos(2 pi i / N) + c cos(4 pi i / N) over i of 0 .. size - 1; N is size - 1 unless
/// periodic.
void cosineWindow(NodeBuilder &n, double a, double b, double c) {
  auto size = sizesOf(n, 0, "the size");
  if (!size || size->size() != 1)
    return n.fail(Diag::BadNode, "the size is not one number");
  Type element = n.importer.elementType(static_cast<int32_t>(n.intAttr("output_datatype", 1)));
  Value index = n.cast(n.iota({size->front()}, 0, n.dim(0), 1, n.i64()), n.builder.getF64Type());
  Value last = n.cast(n.dimTensor(size->front(), n.i64()), n.builder.getF64Type());
  if (n.intAttr("periodic", 1) == 0)
    last = n.maximum(n.sub(last, 1), 1);
  Value angle = n.div(n.mul(index, 2 * M_PI), last);
  Value y = n.sub(n.like(angle, a), n.mul(n.unary<qnt::CosOp>(angle), b));
  if (c != 0)
    y = n.add(y, n.mul(n.unary<qnt::CosOp>(n.mul(angle, 2)), c));
  n.out(0, n.cast(y, element));
}
void hannWindow(NodeBuilder &n) { cosineWindow(n, 0.5, 0.5, 0); }
void hammingWindow(NodeBuilder &n) { cosineWindow(n, 25.0 / 46, 1 - 25.0 / 46, 0); }
void blackmanWindow(NodeBuilder &n) { cosineWindow(n, 0.42, 0.5, 0.08); }

constexpr OpEntry table[] = {
    {"", "HannWindow", 17, hannWindow},
    {"", "HammingWindow", 17, hammingWindow},
    {"", "BlackmanWindow", 17, blackmanWindow},
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
    {"", "ConstantOfShape", 9, constantOfShape},
    {"", "Range", 11, range},
    {"", "Trilu", 14, trilu},
    {"com.microsoft", "Trilu", 1, trilu},
    {"com.microsoft", "Range", 1, range},
    {"com.microsoft", "ExpandDims", 1, expandDims},
    {"com.microsoft", "BiasDropout", 1, biasDropout},
    {"", "EyeLike", 9, eyeLike},
    {"", "DepthToSpace", 7, depthToSpace},
    {"", "SpaceToDepth", 7, spaceToDepth},
};

} // namespace

ArrayRef<OpEntry> qcc::import::shapeOps() { return table; }
