// com.microsoft operators of residual streams: several of them side by side, mixed and gated
// (hyper-connections, Zhu et al. 2024), and the gate of a memory of n-grams (Engram).
#include "OpTable.h"
#include <cmath>

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

/// Streams as [.., C, H] in f32; flat ones have num_branches.
Value streamsOf(NodeBuilder &n, Value x) {
  int64_t branches = n.intAttr("num_branches", 0);
  if (!n.atLeast(x, branches ? 1 : 2))
    return {};
  x = n.cast(x, n.f32());
  if (!branches)
    return x;
  Dims split = n.dims(x);
  DimExpr size = n.divided(split.back(), branches, "channels", "branches");
  if (n.failed())
    return {};
  split.back() = n.dim(branches);
  split.push_back(size);
  return n.reshape(x, split);
}

/// Gates [.., C], [.., C, 1], [.., C, H] or flat ones in a form that broadcasts to the streams.
Value gatesOf(NodeBuilder &n, Value gates, Value streams) {
  if (!gates || !streams)
    return {};
  gates = n.cast(gates, n.f32());
  Dims all = n.dims(streams), each(all.begin(), all.end() - 1);
  if (n.rank(gates) + 1 != all.size())
    return gates;
  if (n.last(gates) != each.back() && n.last(gates) == all[all.size() - 2] * all.back())
    return n.reshape(gates, all);
  return n.unsqueeze(n.fit(gates, each, "the gates"), {static_cast<int64_t>(each.size())});
}

/// scale * sum over the streams of what their gates let through.
void preMix(NodeBuilder &n) {
  Value x = n.in(0), streams = streamsOf(n, x);
  Value gated = n.mul(streams, gatesOf(n, n.in(1), streams));
  if (!gated || n.dims(gated) != n.dims(streams))
    return n.fail(Diag::ShapeMismatch, "gates do not fit streams " + text(n.dims(streams)));
  auto axis = static_cast<int64_t>(n.rank(streams)) - 2;
  Value sum = n.reduce(qnt::ReduceKind::sum, gated, {axis}, false);
  n.out(0, n.cast(n.mul(sum, n.floatAttr("reduction_scale", 1)), n.element(x)));
}

/// The streams, mixed by a matrix, and a share of one more output for each of them.
void postMix(NodeBuilder &n) {
  Value x = n.in(0), streams = streamsOf(n, x), block = n.in(1);
  if (!streams || !block)
    return;
  Dims all = n.dims(streams), one(all.begin(), all.end());
  auto axis = static_cast<int64_t>(all.size()) - 2;
  one.erase(one.begin() + axis);
  block = n.unsqueeze(n.fit(n.cast(block, n.f32()), one, "the block's output"), {axis});
  Value share = n.mul(gatesOf(n, n.in(2), streams), block);
  if (n.has(3))
    streams = n.matmul(n.swapLast(n.cast(n.in(3), n.f32())), streams);
  Value sum = n.add(streams, share);
  if (!sum || n.dims(sum) != all)
    return n.fail(Diag::ShapeMismatch, "gates or mix do not fit streams " + text(all));
  n.out(0, n.cast(n.conformExactly(sum, n.dims(x)), n.element(x)));
}

/// sigmoid(sign(d) sqrt(|d|)) * value for the scaled product d of normalised keys and queries.
void engramGate(NodeBuilder &n) {
  Value key = n.in(0), query = n.in(1), value = n.in(2);
  if (!key || !query || !value || n.rank(key) != 4 || n.rank(query) != 4)
    return n.fail(Diag::ShapeMismatch, "needs keys and queries of rank 4");
  Dims all = n.dims(key);
  auto size = all[3].constantValue();
  if (!size || *size < 1)
    return n.unsupported("the hidden size is dynamic", "fix it with --shape");
  double epsilon = n.floatAttr("epsilon", 1e-5f);
  auto normal = [&](Value x, size_t gainAt) {
    Value gain = n.fit(n.cast(n.in(gainAt), n.f32()), {all[2], all[3]}, "the scale of a norm");
    return n.rmsNorm(n.cast(x, n.f32()), gain, epsilon);
  };
  Value product = n.mul(normal(key, 3), normal(n.fit(query, all, "the query"), 4));
  Value dot = n.mul(n.reduce(qnt::ReduceKind::sum, product, {3}, true),
                    1.0 / std::sqrt(static_cast<double>(*size)));
  Value root = n.unary<qnt::SqrtOp>(n.maximum(n.unary<qnt::AbsOp>(dot), 1e-6f));
  Value gate = n.unary<qnt::SigmoidOp>(n.mul(n.unary<qnt::SignOp>(dot), root));
  value = n.fit(n.cast(value, n.f32()), {all[0], all[1], all[3]}, "the value");
  Value gated = n.mul(gate, n.unsqueeze(value, {2}));
  n.out(0, n.cast(gated, n.element(key)));
  if (!n.wants(1))
    return;
  if (!n.has(5))
    return n.fail(Diag::BadNode, "the normalised value is wanted, but conv_norm_scale is missing");
  n.out(1, n.cast(normal(gated, 5), n.element(key)));
}

constexpr OpEntry table[] = {
    {"com.microsoft", "HyperConnectionPreMix", 1, preMix},
    {"com.microsoft", "HyperConnectionPostMix", 1, postMix},
    {"com.microsoft", "EngramGate", 1, engramGate},
};

} // namespace

ArrayRef<OpEntry> qcc::import::hyperConnectionOps() { return table; }
