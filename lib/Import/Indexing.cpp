// Gathering, scattering and what selects by index.
#include "OpTable.h"
#include "RunTimeSizes.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

void gather(NodeBuilder &n) {
  Value x = n.in(0);
  int64_t axis = n.axisAttr(n.rank(x), 0);
  if (!n.failed())
    n.out(0, n.gather(x, n.in(1), axis));
}

/// Fails, and is false, where the indices are of a type that no op takes.
bool isIndex(NodeBuilder &n, Value indices) {
  bool fits = indices && (n.element(indices).isInteger(64) || n.element(indices).isInteger(32));
  if (indices && !fits)
    n.fail(Diag::TypeMismatch, "indices are neither int64 nor int32");
  return fits;
}

void gatherElements(NodeBuilder &n) {
  Value x = n.in(0), indices = n.in(1);
  int64_t axis = n.axisAttr(n.rank(x), 0);
  if (!x || !isIndex(n, indices) || n.failed())
    return;
  if (n.rank(x) != n.rank(indices))
    return n.fail(Diag::ShapeMismatch, "data and indices differ in rank");
  n.out(0, n.make<qnt::GatherElementsOp>(n.type(n.dims(indices), n.element(x)), x, indices, axis));
}

/// How long the index tuples are; -1 after a failure.
int64_t tupleLength(NodeBuilder &n, Value indices, size_t rank, int64_t batch) {
  auto length = n.rank(indices) ? n.last(indices).constantValue() : std::nullopt;
  if (!length)
    n.unsupported("the length of the index tuples is not constant");
  else if (*length < 1 || *length + batch > static_cast<int64_t>(rank))
    n.fail(Diag::ShapeMismatch, "index tuples of " + Twine(*length) + " do not fit rank " +
                                    Twine(rank) + " after " + Twine(batch) + " batch axes");
  return n.failed() ? -1 : *length;
}

void gatherNd(NodeBuilder &n) {
  Value x = n.in(0), indices = n.in(1);
  int64_t batch = n.intAttr("batch_dims", 0);
  if (!x || !indices)
    return;
  int64_t length = tupleLength(n, indices, n.rank(x), batch);
  if (length < 0)
    return;
  if (batch < 0 || batch >= static_cast<int64_t>(n.rank(indices)))
    return n.fail(Diag::BadNode, "batch_dims " + Twine(batch) + " does not fit the indices");
  for (int64_t i = 0; i < batch; ++i)
    n.equal(n.at(x, i), n.at(indices, i), "batch dimensions");
  if (n.failed())
    return;
  Dims data = n.dims(x), at = n.dims(indices);
  Dims to(at.begin(), at.end() - 1);
  to.append(data.begin() + batch + length, data.end());
  n.out(0, n.make<qnt::GatherNdOp>(n.type(to, n.element(x)), x, indices, batch));
}

std::optional<qnt::ScatterKind> scatterKind(NodeBuilder &n) {
  std::string reduction = n.stringAttr("reduction", "none");
  if (reduction == "none")
    return qnt::ScatterKind::set;
  auto kind = qnt::symbolizeScatterKind(reduction);
  if (!kind)
    n.fail(Diag::BadNode, "reduction '" + reduction + "' is not none, add, mul, max or min");
  return kind;
}

void scatterNd(NodeBuilder &n) {
  Value x = n.in(0), indices = n.in(1), updates = n.in(2);
  auto kind = scatterKind(n);
  if (!x || !indices || !updates || !kind || !n.sameElement(x, updates))
    return;
  int64_t length = tupleLength(n, indices, n.rank(x), 0);
  if (length < 0)
    return;
  Dims data = n.dims(x), at = n.dims(indices);
  Dims want(at.begin(), at.end() - 1);
  want.append(data.begin() + length, data.end());
  if (n.rank(updates) != want.size())
    return n.fail(Diag::ShapeMismatch,
                  "updates are " + text(n.dims(updates)) + " instead of " + text(want));
  for (size_t i = 0; i < want.size(); ++i)
    want[i] = n.equal(want[i], n.at(updates, i), "update dimensions");
  if (n.failed())
    return;
  at = n.dims(indices), data = n.dims(x);
  want.assign(at.begin(), at.end() - 1);
  want.append(data.begin() + length, data.end());
  updates = n.conformExactly(updates, want);
  if (!updates)
    return;
  n.out(0, n.make<qnt::ScatterNdOp>(x.getType(), x, indices, updates, *kind));
}

void scatterElements(NodeBuilder &n) {
  Value x = n.in(0), indices = n.in(1), updates = n.in(2);
  int64_t axis = n.axisAttr(n.rank(x), 0);
  auto kind = scatterKind(n);
  if (!x || !indices || !updates || !kind || n.failed() || !n.sameElement(x, updates))
    return;
  if (n.rank(indices) != n.rank(x) || n.rank(updates) != n.rank(x))
    return n.fail(Diag::ShapeMismatch, "data, indices and updates differ in rank");
  for (size_t i = 0; i < n.rank(x); ++i)
    n.equal(n.at(indices, i), n.at(updates, i), "update dimensions");
  if (n.failed())
    return;
  updates = n.conformExactly(updates, n.dims(indices));
  if (!updates)
    return;
  n.out(0, n.make<qnt::ScatterElementsOp>(x.getType(), x, indices, updates, axis, *kind));
}

void nonZero(NodeBuilder &n) {
  Value x = n.in(0);
  if (!x)
    return;
  std::string hint = n.wants(0) ? n.node.outputs[0] + "_count" : "count";
  for (char &c : hint)
    if (!llvm::isAlnum(c))
      c = '_';
  std::string symbol = n.importer.space.declareProduced(hint);
  Dims to = {n.dim(std::max<int64_t>(1, static_cast<int64_t>(n.rank(x)))),
             DimExpr::symbol(n.context(), symbol)};
  n.out(0, n.make<qnt::NonZeroOp>(n.type(to, n.i64()), x, symbol));
}

/// A new axis of size `depth` on which the index is marked; negative indices count from the end.
void oneHot(NodeBuilder &n) {
  Value indices = n.in(0), values = n.in(2);
  auto depth = n.known(1);
  if (!indices || !values)
    return;
  DimExpr size;
  if (!depth || depth->elements.size() != 1)
    size = bindSize(n, n.in(1), "depth");
  else if (depth->elements[0].real)
    size = n.dim(saturated(*depth->elements[0].real));
  else
    size = depth->elements[0].dim;
  int64_t axis = n.axisAttr(n.rank(indices) + 1, -1);
  if (n.failed())
    return;
  Value index = n.cast(indices, n.i64());
  Value wrapped = n.add(index, n.dimTensor(size, n.i64()));
  index = n.select(n.compare(qnt::Predicate::lt, index, 0), wrapped, index);
  index = n.unsqueeze(index, {axis});
  Dims counted(n.rank(index), n.dim(1));
  counted[axis] = size;
  Value hot = n.compare(qnt::Predicate::eq, index, n.iota(counted, axis, n.dim(0), 1, n.i64()));
  Value off = n.reshape(n.slice(values, 0, n.dim(0), n.dim(1)), {});
  Value on = n.reshape(n.slice(values, 0, n.dim(1), n.dim(1)), {});
  n.out(0, n.select(hot, on, off));
}

/// Whole sequences reversed up to their lengths, by gathering.
void reverseSequence(NodeBuilder &n) {
  Value x = n.in(0), lengths = n.in(1);
  int64_t batch = n.intAttr("batch_axis", 1), time = n.intAttr("time_axis", 0);
  if (!x || !lengths || n.rank(x) < 2 || batch + time != 1 || (batch != 0 && time != 0))
    return n.fail(Diag::BadNode, "needs rank 2 and the axes 0 and 1");
  Dims all = n.dims(x);
  Value at = n.iota({n.dim(1), all[time]}, 1, n.dim(0), 1, n.i64());
  Value length = n.unsqueeze(n.cast(lengths, n.i64()), {1});
  Value mirrored = n.sub(n.sub(length, at), 1);
  Value index = n.select(n.compare(qnt::Predicate::lt, at, length), mirrored, at); // [batch, time]
  if (time == 0)
    index = n.swapAxes(index, 0, 1);
  if (n.rank(lengths) != 1 || !index)
    return n.fail(Diag::ShapeMismatch, "needs one length per sequence");
  while (n.rank(index) < n.rank(x))
    index = n.unsqueeze(index, {static_cast<int64_t>(n.rank(index))});
  index = n.broadcast(index, n.dims(x));
  if (index)
    n.out(0, n.make<qnt::GatherElementsOp>(n.type(n.dims(index), n.element(x)), x, index, time));
}

/// The slices along an axis whose condition holds; without an axis, of all elements in a row.
void compressSlices(NodeBuilder &n) {
  Value x = n.in(0), condition = n.in(1);
  if (!x || !condition || n.rank(condition) != 1)
    return n.fail(Diag::BadNode, "the condition is no vector");
  int64_t axis = 0;
  if (n.hasAttr("axis"))
    axis = n.axisAttr(n.rank(x), 0);
  else
    x = n.reshape(x, {qnt::elementCount(n.context(), n.dims(x))});
  if (n.failed())
    return;
  std::string symbol = n.importer.space.declareProduced("kept");
  DimExpr count = DimExpr::symbol(n.context(), symbol);
  Value which = n.make<qnt::NonZeroOp>(n.type({n.dim(1), count}, n.i64()), condition, symbol);
  n.out(0, n.gather(x, n.reshape(which, {count}), axis));
}

/// Rows written into a cache from an index per sample on, wrapping around where it is a ring.
void tensorScatter(NodeBuilder &n) {
  Value past = n.in(0), update = n.in(1);
  std::string mode = n.stringAttr("mode", "linear");
  if (!past || !update || n.rank(past) != n.rank(update) || n.rank(past) < 2 ||
      (mode != "linear" && mode != "circular"))
    return n.fail(Diag::BadNode, "operands or mode '" + mode + "' do not fit");
  int64_t axis = n.axisAttr(n.rank(past), -2);
  if (n.failed() || axis == 0)
    return n.fail(Diag::BadNode, "scatters along the batch");
  DimExpr length = n.at(past, axis), rows = n.at(update, axis);
  Dims along(n.rank(past), n.dim(1)), samples = along;
  along[axis] = length;
  samples[0] = n.at(past, 0);
  Value at = n.iota(along, axis, n.dim(0), 1, n.i64());
  Value from = n.has(2) ? n.reshape(n.cast(n.in(2), n.i64()), samples)
                        : n.broadcast(n.scalarInteger(n.i64(), 0), samples);
  Value row = n.sub(at, from);
  if (mode == "circular") {
    Value wrapped = n.add(row, n.dimTensor(length, n.i64()));
    row = n.select(n.compare(qnt::Predicate::lt, row, 0), wrapped, row);
  }
  Value count = n.dimTensor(rows, n.i64());
  Value inside = n.binary<qnt::AndOp>(n.compare(qnt::Predicate::ge, row, 0),
                                      n.compare(qnt::Predicate::lt, row, count));
  Value index = n.broadcast(n.select(inside, row, n.like(row, 0)), n.dims(past));
  if (!index || n.failed())
    return;
  Value taken = n.make<qnt::GatherElementsOp>(past.getType(), update, index, axis);
  n.out(0, n.select(inside, taken, past));
}

/// com.microsoft: rows of a table; its other inputs are for training.
void torchEmbedding(NodeBuilder &n) { n.out(0, n.gather(n.in(0), n.in(1), 0)); }

constexpr OpEntry table[] = {
    {"", "Compress", 9, compressSlices},
    {"", "TensorScatter", 24, tensorScatter},
    {"", "Gather", 7, gather},
    {"", "GatherElements", 11, gatherElements},
    {"", "GatherND", 11, gatherNd},
    {"com.microsoft", "GatherND", 1, gatherNd},
    {"com.microsoft", "TorchEmbedding", 1, torchEmbedding},
    {"", "Scatter", 9, scatterElements},
    {"", "ScatterElements", 11, scatterElements},
    {"", "ScatterND", 11, scatterNd},
    {"", "NonZero", 9, nonZero},
    {"", "OneHot", 9, oneHot},
    {"", "ReverseSequence", 10, reverseSequence},
};

} // namespace

ArrayRef<OpEntry> qcc::import::indexingOps() { return table; }
