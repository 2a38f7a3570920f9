// Reductions, order statistics and scans.
#include "OpTable.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

using qnt::ReduceKind;

/// The opset from which `axes` is an input: 13 for ReduceSum, 18 for the others.
template <ReduceKind kind> void reduce(NodeBuilder &n) {
  Value x = n.in(0);
  auto given = n.axesFrom(1);
  if (!x || n.failed())
    return;
  bool keep = n.intAttr("keepdims", 1) != 0;
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
  if (!axis)
    return n.unsupported("the axis is computed at run time", "make it a constant");
  int64_t at = n.axis(static_cast<int64_t>(*axis), n.rank(x));
  if (x && !n.failed())
    n.out(0, n.make<qnt::CumSumOp>(x.getType(), x, at, n.intAttr("exclusive", 0) != 0,
                                   n.intAttr("reverse", 0) != 0));
}

void topK(NodeBuilder &n) {
  Value x = n.in(0);
  int64_t axis = n.axisAttr(n.rank(x), -1);
  auto count = n.opset < 10 ? std::optional(n.dims({n.intAttr("k", 0)})) : n.dimsValue(1);
  if (!x || n.failed())
    return;
  if (!count || count->size() != 1)
    return n.unsupported("k depends on the data", "make it a constant");
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
    {"", "TopK", 7, topK},
    {"", "LpNormalization", 7, lpNormalization},
    {"", "GlobalAveragePool", 7, globalPool<ReduceKind::mean>},
    {"", "GlobalMaxPool", 7, globalPool<ReduceKind::max>},
};

} // namespace

ArrayRef<OpEntry> qcc::import::reductionOps() { return table; }
