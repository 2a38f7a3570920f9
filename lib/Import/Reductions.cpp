// Reductions, order statistics and scans.
#include "OpTable.h"
#include "RunTimeSizes.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

using qnt::ReduceKind;

/// Axes that are data: axis i becomes two, of which the second is reduced. It has all elements
/// where the axis is named, and one elsewhere.
Value reduceAtRunTime(NodeBuilder &n, ReduceKind kind, Value x, bool keep) {
  Value axes = integerVector(n, 1, "the axes");
  if (!axes)
    return {};
  size_t rank = n.rank(x);
  Value named = n.compare(qnt::Predicate::gt, markedAxes(n, axes, rank), 0);
  Value dims = dimVector(n, n.dims(x)), one = n.scalarInteger(n.i64(), 1);
  Value left = n.select(named, one, dims), gone = n.select(named, dims, one);
  Dims kept = bindSizes(n, left, "kept"), reduced = bindSizes(n, gone, "reduced"), split;
  SmallVector<int64_t> seconds;
  for (size_t i = 0; i < rank && !n.failed(); ++i) {
    n.equal(n.at(x, i), kept[i] * reduced[i], "parts of an axis");
    split.push_back(kept[i]);
    split.push_back(reduced[i]);
    seconds.push_back(static_cast<int64_t>(2 * i + 1));
  }
  Value y = n.reduce(kind, n.reshape(x, split), seconds, false);
  if (keep || n.failed())
    return y;
  auto count = static_cast<int64_t>(rank) - lengthOf(n, axes);
  Value rest =
      compress(n, dims, n.cast(n.unary<qnt::NotOp>(named), n.i64()), std::max<int64_t>(0, count));
  Dims to = bindSizes(n, rest, "size");
  n.equal(qnt::elementCount(n.context(), kept), qnt::elementCount(n.context(), to),
          "element counts");
  return n.reshape(y, to);
}

/// The opset from which `axes` is an input: 13 for ReduceSum, 18 for the others.
template <ReduceKind kind> void reduce(NodeBuilder &n) {
  Value x = n.in(0);
  bool keep = n.intAttr("keepdims", 1) != 0;
  bool atRunTime = n.has(1) && !isKnown(n, 1);
  if (atRunTime && n.rank(n.in(1)) == 1 && n.at(n.in(1), 0).isConstant(0))
    atRunTime = false; // no axes at all
  if (x && atRunTime && !n.failed()) {
    Type element = n.element(x);
    bool narrow = element.isInteger(1);
    Value y = reduceAtRunTime(n, kind, narrow ? n.cast(x, n.builder.getI32Type()) : x, keep);
    return n.out(0, narrow ? n.cast(y, element) : y);
  }
  auto given = n.has(1) && !isKnown(n, 1) ? std::optional(SmallVector<int64_t>()) : n.axesFrom(1);
  if (!x || n.failed())
    return;
  SmallVector<int64_t> axes;
  if (given && !given->empty()) {
    axes = n.axes(*given, n.rank(x));
  } else {
    if (n.intAttr("noop_with_empty_axes", 0) != 0)
      return n.out(0, x);
    axes = llvm::to_vector(llvm::seq<int64_t>(0, static_cast<int64_t>(n.rank(x))));
  }
  if (n.failed())
    return;
  bool truth = n.element(x).isInteger(1); // max and min of booleans, from opset 20
  if (truth)
    return n.out(0, n.cast(n.reduce(kind, n.cast(x, n.builder.getI32Type()), axes, keep), n.i1()));
  n.out(0, n.reduce(kind, x, axes, keep));
}

template <bool minimum> void argReduce(NodeBuilder &n) {
  Value x = n.in(0);
  int64_t axis = n.axisAttr(n.rank(x), 0);
  bool keep = n.intAttr("keepdims", 1) != 0, last = n.intAttr("select_last_index", 0) != 0;
  if (!n.failed())
    n.out(0, n.argReduce(x, axis, keep, minimum, last));
}

void cumSum(NodeBuilder &n) {
  Value x = n.in(0);
  auto axis = n.number(1);
  if (!x)
    return;
  if (!axis) {
    Value parts = aroundAxis(n, x, n.in(1));
    if (!parts)
      return;
    parts = n.make<qnt::CumSumOp>(parts.getType(), parts, 1, n.intAttr("exclusive", 0) != 0,
                                  n.intAttr("reverse", 0) != 0);
    return n.out(0, n.reshape(parts, n.dims(x)));
  }
  int64_t at = n.axis(saturated(*axis), n.rank(x));
  if (x && !n.failed())
    n.out(0, n.make<qnt::CumSumOp>(x.getType(), x, at, n.intAttr("exclusive", 0) != 0,
                                   n.intAttr("reverse", 0) != 0));
}

/// Running products: of each position, the product of those up to it.
void cumProd(NodeBuilder &n) {
  Value x = n.in(0);
  if (!x)
    return;
  Dims shape = n.dims(x);
  auto given = n.number(1);
  Value parts;
  if (given) {
    int64_t axis = n.axis(saturated(*given), n.rank(x));
    if (n.failed())
      return;
    ArrayRef<DimExpr> all = shape;
    parts = n.reshape(x, {qnt::elementCount(n.context(), all.take_front(axis)), all[axis],
                          qnt::elementCount(n.context(), all.drop_front(axis + 1))});
  } else {
    parts = aroundAxis(n, x, n.in(1));
  }
  if (!parts || n.failed())
    return;
  DimExpr size = n.at(parts, 1);
  Value to = n.iota({size, n.dim(1), n.dim(1)}, 0, n.dim(0), 1, n.i64());
  Value from = n.iota({n.dim(1), size, n.dim(1)}, 1, n.dim(0), 1, n.i64());
  bool exclusive = n.intAttr("exclusive", 0) != 0, reverse = n.intAttr("reverse", 0) != 0;
  auto predicate = reverse ? (exclusive ? qnt::Predicate::gt : qnt::Predicate::ge)
                           : (exclusive ? qnt::Predicate::lt : qnt::Predicate::le);
  Value factors = n.select(n.compare(predicate, from, to), n.unsqueeze(parts, {1}), n.like(x, 1));
  n.out(0, n.reshape(n.reduce(ReduceKind::prod, factors, {2}, false), shape));
}

void topK(NodeBuilder &n) {
  Value x = n.in(0);
  int64_t axis = n.axisAttr(n.rank(x), -1);
  auto count = n.opset < 10 ? std::optional(n.dims({n.intAttr("k", 0)})) : sizesOf(n, 1, "k");
  if (!x || !count || n.failed())
    return;
  if (count->size() != 1)
    return n.fail(Diag::BadNode, "k is not one number");
  Dims to = n.dims(x);
  to[axis] = count->front();
  auto op = qnt::TopKOp::create(n.builder, n.current, n.type(to, n.element(x)), n.type(to, n.i64()),
                                x, axis, n.intAttr("largest", 1) != 0);
  n.out(0, op.getValues());
  n.out(1, op.getIndices());
}

/// x / norm along an axis, p = 1 or 2.
void lpNormalization(NodeBuilder &n) {
  Value x = n.in(0);
  int64_t axis = n.axisAttr(n.rank(x), -1), p = n.intAttr("p", 2);
  if (n.failed())
    return;
  if (p != 1 && p != 2)
    return n.fail(Diag::BadNode, "p is " + Twine(p) + ", not 1 or 2");
  Value norm = n.reduce(p == 1 ? ReduceKind::l1 : ReduceKind::l2, x, {axis}, true);
  // A vector of zeros stays zero.
  Value zero = n.compare(qnt::Predicate::eq, norm, 0);
  n.out(0, n.div(x, n.select(zero, n.like(x, 1), norm)));
}

template <ReduceKind kind> void globalPool(NodeBuilder &n) {
  Value x = n.in(0);
  if (n.rank(x) < 3)
    return n.fail(Diag::ShapeMismatch, "needs spatial axes, but the rank is " + Twine(n.rank(x)));
  n.out(0, n.reduce(kind, x, llvm::to_vector(llvm::seq<int64_t>(2, n.rank(x))), true));
}

/// (sum |x|^p)^(1/p) over the spatial axes.
void globalLpPool(NodeBuilder &n) {
  Value x = n.in(0);
  int64_t p = n.intAttr("p", 2);
  if (p < 1)
    return n.fail(Diag::BadNode, "p is " + Twine(p));
  if (p <= 2)
    return p == 1 ? globalPool<ReduceKind::l1>(n) : globalPool<ReduceKind::l2>(n);
  if (!n.atLeast(x, 3))
    return;
  Value power = n.binary<qnt::PowOp>(n.unary<qnt::AbsOp>(x), n.like(x, static_cast<double>(p)));
  Value sum =
      n.reduce(ReduceKind::sum, power, llvm::to_vector(llvm::seq<int64_t>(2, n.rank(x))), true);
  n.out(0, n.binary<qnt::PowOp>(sum, n.like(x, 1.0 / static_cast<double>(p))));
}

constexpr OpEntry table[] = {
    {"", "ReduceSum", 7, reduce<ReduceKind::sum>},
    {"", "ReduceMean", 7, reduce<ReduceKind::mean>},
    {"", "ReduceMax", 7, reduce<ReduceKind::max>},
    {"", "ReduceMin", 7, reduce<ReduceKind::min>},
    {"", "ReduceProd", 7, reduce<ReduceKind::prod>},
    {"", "ReduceL1", 7, reduce<ReduceKind::l1>},
    {"", "ReduceL2", 7, reduce<ReduceKind::l2>},
    {"", "ReduceSumSquare", 7, reduce<ReduceKind::sum_square>},
    {"", "ReduceLogSum", 7, reduce<ReduceKind::log_sum>},
    {"", "ReduceLogSumExp", 7, reduce<ReduceKind::log_sum_exp>},
    {"", "ArgMax", 7, argReduce<false>},
    {"", "ArgMin", 7, argReduce<true>},
    {"", "CumSum", 11, cumSum},
    {"", "CumProd", 26, cumProd},
    {"", "TopK", 7, topK},
    {"", "LpNormalization", 7, lpNormalization},
    {"", "GlobalAveragePool", 7, globalPool<ReduceKind::mean>},
    {"", "GlobalMaxPool", 7, globalPool<ReduceKind::max>},
    {"", "GlobalLpPool", 7, globalLpPool},
};

} // namespace

ArrayRef<OpEntry> qcc::import::reductionOps() { return table; }
