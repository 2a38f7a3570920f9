// Sizes that are only known when the model runs, computed on vectors of i64 and then bound.
#include "RunTimeSizes.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

DimExpr qcc::import::bindSize(NodeBuilder &n, Value scalar, const char *hint) {
  if (!scalar)
    return n.dim(1);
  Value size = n.maximum(n.reshape(n.cast(scalar, n.i64()), {}), 0);
  if (!size)
    return n.dim(1);
  std::string symbol = n.importer.space.declareProduced(hint);
  qnt::BindDimOp::create(n.builder, n.current, size, symbol);
  return DimExpr::symbol(n.context(), symbol);
}

Value qcc::import::elementAt(NodeBuilder &n, Value vector, int64_t i) {
  return n.reshape(n.slice(vector, 0, n.dim(i), n.dim(1)), {});
}

int64_t qcc::import::lengthOf(NodeBuilder &n, Value vector) {
  return vector ? n.at(vector, 0).constantValue().value_or(0) : 0;
}

Dims qcc::import::bindSizes(NodeBuilder &n, Value vector, const char *hint) {
  Dims result;
  for (int64_t i = 0, count = lengthOf(n, vector); i < count; ++i)
    result.push_back(bindSize(n, elementAt(n, vector, i), hint));
  return result;
}

bool qcc::import::isKnown(NodeBuilder &n, size_t i) {
  auto value = n.known(i);
  return value && value->rank() <= 1;
}

Value qcc::import::integerVector(NodeBuilder &n, size_t i, const char *what) {
  Value value = n.in(i);
  if (!value)
    return {};
  DimExpr count = n.rank(value) == 0 ? n.dim(1) : n.at(value, 0);
  if (n.rank(value) > 1 || !n.isInteger(value)) {
    n.fail(Diag::BadNode, Twine(what) + " is no vector of integers");
    return {};
  }
  if (!count.constantValue() || *count.constantValue() > 64) {
    n.unsupported(Twine(what) + " has a number of elements that depends on the data",
                  "make it depend on input shapes only, or fix the shapes with --shape");
    return {};
  }
  return n.cast(n.reshape(value, {count}), n.i64());
}

std::optional<Dims> qcc::import::sizesOf(NodeBuilder &n, size_t i, const char *what) {
  if (auto list = n.dimsValue(i))
    return list;
  Value vector = integerVector(n, i, what);
  if (!vector)
    return std::nullopt;
  Dims sizes = bindSizes(n, vector, "size");
  if (n.failed())
    return std::nullopt;
  return sizes;
}

Value qcc::import::dimVector(NodeBuilder &n, ArrayRef<DimExpr> dims) {
  auto type = RankedTensorType::get({static_cast<int64_t>(dims.size())}, n.i64());
  return n.make<qnt::DimTensorOp>(type, qnt::makeDims(n.context(), dims));
}

/// axis == index of each axis: i1 [axes, rank].
static Value axisHits(NodeBuilder &n, Value axes, size_t rank) {
  auto size = static_cast<int64_t>(rank);
  Value wrapped = n.select(n.compare(qnt::Predicate::lt, axes, 0),
                           n.add(axes, static_cast<double>(size)), axes);
  return n.compare(qnt::Predicate::eq, n.unsqueeze(wrapped, {1}),
                   n.iota({n.dim(1), n.dim(size)}, 1, n.dim(0), 1, n.i64()));
}

Value qcc::import::markedAxes(NodeBuilder &n, Value axes, size_t rank) {
  Value hits = n.cast(axisHits(n, axes, rank), n.i64());
  return n.reduce(qnt::ReduceKind::max, hits, {0}, false);
}

Value qcc::import::spreadOverAxes(NodeBuilder &n, Value axes, Value values, size_t rank,
                                  int64_t otherwise) {
  Value hits = axisHits(n, axes, rank);
  Value own = n.select(hits, n.unsqueeze(values, {1}), n.scalarInteger(n.i64(), 0));
  Value sum = n.reduce(qnt::ReduceKind::sum, own, {0}, false);
  Value any = n.compare(qnt::Predicate::gt, markedAxes(n, axes, rank), 0);
  return n.select(any, sum, n.scalarInteger(n.i64(), otherwise));
}

Value qcc::import::compress(NodeBuilder &n, Value values, Value keep, int64_t count) {
  if (!values || !keep)
    return {};
  // Element j goes to the number of kept ones before it.
  Value before = n.make<qnt::CumSumOp>(keep.getType(), keep, 0, true, false);
  Value to = n.iota({n.dim(count), n.dim(1)}, 0, n.dim(0), 1, n.i64());
  Value hits = n.compare(qnt::Predicate::eq, n.unsqueeze(before, {0}), to);
  Value own = n.select(hits, n.mul(values, keep), n.scalarInteger(n.i64(), 0));
  return n.reduce(qnt::ReduceKind::sum, own, {1}, false);
}

Value qcc::import::aroundAxis(NodeBuilder &n, Value x, Value axis) {
  size_t rank = n.rank(x);
  Value at = n.iota({n.dim(static_cast<int64_t>(rank))}, 0, n.dim(0), 1, n.i64());
  axis = n.reshape(n.cast(axis, n.i64()), {});
  Value wrapped = n.select(n.compare(qnt::Predicate::lt, axis, 0),
                           n.add(axis, static_cast<double>(rank)), axis);
  Value dims = dimVector(n, n.dims(x));
  Value one = n.scalarInteger(n.i64(), 1);
  Dims parts;
  for (auto predicate : {qnt::Predicate::lt, qnt::Predicate::eq, qnt::Predicate::gt}) {
    Value own = n.select(n.compare(predicate, at, wrapped), dims, one);
    parts.push_back(bindSize(n, n.reduce(qnt::ReduceKind::prod, own, {0}, false), "part"));
  }
  if (n.failed())
    return {};
  n.equal(qnt::elementCount(n.context(), n.dims(x)), qnt::elementCount(n.context(), parts),
          "axis and rank");
  return n.reshape(x, parts);
}
