// Position biases of com.microsoft, which attention adds to its scores.
#include "AttentionParts.h"
#include "OpTable.h"
#include <cmath>

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

/// The bucket of a distance that is not negative (T5, Raffel et al. 2020, appendix: half of them
/// for a distance each, the others in logarithmic steps up to `farthest`).
int64_t bucketOf(int64_t distance, int64_t buckets, int64_t farthest) {
  int64_t exact = buckets / 2;
  if (distance < exact)
    return distance;
  float part = std::log(static_cast<float>(distance) / static_cast<float>(exact)) /
               std::log(static_cast<float>(farthest) / static_cast<float>(exact));
  auto more = static_cast<int64_t>(part * static_cast<float>(buckets - exact));
  return std::min(exact + more, buckets - 1);
}

/// Buckets of the key's position less the query's, from -farthest to farthest.
SmallVector<int64_t> bucketsOf(int64_t buckets, int64_t farthest, bool bothWays) {
  SmallVector<int64_t> list;
  int64_t own = bothWays ? buckets / 2 : buckets;
  for (int64_t at = -farthest; at <= farthest; ++at) {
    bool after = at > 0;
    int64_t distance = after && !bothWays ? 0 : std::abs(at);
    list.push_back(bucketOf(distance, own, farthest) + (after && bothWays ? own : 0));
  }
  return list;
}

void relativePositionBias(NodeBuilder &n) {
  Value table = n.in(0);
  auto queries = n.known(1), keys = n.known(2);
  if (!table || n.rank(table) != 2)
    return n.fail(Diag::ShapeMismatch, "needs a table of rank 2");
  auto size = [](const std::optional<ShapeValue> &v) {
    return v && v->elements.size() == 1 && !v->elements[0].real && v->elements[0].divisor == 1
               ? v->elements[0].dim
               : DimExpr();
  };
  if (!size(queries) || !size(keys))
    return n.unsupported("its lengths are computed at run time",
                         "take them from the shape of an input");
  auto buckets = n.at(table, 0).constantValue(), heads = n.at(table, 1).constantValue();
  int64_t farthest = n.intAttr("max_distance", 0);
  bool bothWays = n.intAttr("is_bidirectional", 0) != 0;
  if (!buckets || !heads || *buckets < (bothWays ? 4 : 2) || farthest < *buckets ||
      farthest > (1 << 20))
    return n.fail(Diag::BadNode, "max_distance " + Twine(farthest) + " does not fit " +
                                     n.at(table, 0).str() + " buckets");
  DimExpr length = n.equal(size(queries), size(keys), "lengths of queries and keys");
  if (n.failed())
    return;
  // Stored column by column, whatever its shape says.
  table = n.reshape(table, {n.dim(*heads), n.dim(*buckets)});
  table = n.gather(table, n.constant(bucketsOf(*buckets, farthest, bothWays)), 1);
  Value row = n.iota({length, n.dim(1)}, 0, n.dim(0), 1, n.i64());
  Value column = n.iota({n.dim(1), length}, 1, n.dim(0), 1, n.i64());
  double most = static_cast<double>(farthest);
  Value apart = n.maximum(n.minimum(n.sub(column, row), most), -most);
  n.out(0, n.unsqueeze(n.gather(table, n.add(apart, most), 1), {0}));
}

/// WavLM's gate on a position bias (Chen et al. 2022, section IV-B).
void gatedRelativePositionBias(NodeBuilder &n) {
  if (n.has(6))
    return n.unsupported("packs its tokens", "keep the padding");
  Value query = n.in(0), bias = n.in(1), positions = n.in(2), weight = n.in(3), offset = n.in(4),
        factor = n.in(5);
  int64_t count = n.intAttr("num_heads", 0);
  if (!query || !bias || !positions || !weight || !offset || !factor || n.rank(query) != 3 ||
      count < 1)
    return n.fail(Diag::BadNode, "needs queries of rank 3 and num_heads");
  Value heads = splitHeads(n, n.add(query, bias), count); // [B, H, S, size]
  if (!heads)
    return;
  Value product =
      n.importer.isConstant(weight) ? n.linear(heads, n.swapLast(weight)) : n.matmul(heads, weight);
  product = n.add(product, offset);
  if (!product)
    return;
  DimExpr half = n.divided(n.last(product), 2, "columns of the gate's weight", "halves");
  if (n.failed())
    return;
  Dims split = n.dims(product);
  split.back() = n.dim(2);
  split.push_back(half);
  Value gates = n.reduce(qnt::ReduceKind::sum, n.reshape(product, split), {4}, false);
  gates = n.unary<qnt::SigmoidOp>(gates);
  Value update = n.slice(gates, 3, n.dim(0), n.dim(1)),
        reset = n.slice(gates, 3, n.dim(1), n.dim(1));
  Value share = n.add(n.mul(update, n.sub(n.mul(reset, factor), 1)), 2);
  n.out(0, n.mul(share, positions));
}

constexpr OpEntry table[] = {
    {"com.microsoft", "RelativePositionBias", 1, relativePositionBias},
    {"com.microsoft", "GatedRelativePositionBias", 1, gatedRelativePositionBias},
};

} // namespace

ArrayRef<OpEntry> qcc::import::positionBiasOps() { return table; }
