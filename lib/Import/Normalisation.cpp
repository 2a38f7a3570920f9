// Normalisations. Those over the last axes have ops of their own; the others are formulas.
#include "OpTable.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

using qnt::ReduceKind;

/// 1 / sqrt(v + epsilon)
Value inverseRoot(NodeBuilder &n, Value v, double epsilon) {
  return n.unary<qnt::ReciprocalOp>(n.unary<qnt::SqrtOp>(n.add(v, epsilon)));
}

/// Mean and 1 / sqrt(variance + epsilon) over `axes`, kept with size 1, as (mean, inverse).
std::pair<Value, Value> statistics(NodeBuilder &n, Value x, ArrayRef<int64_t> axes,
                                   double epsilon) {
  Value mean = n.reduce(ReduceKind::mean, x, axes, true);
  Value centred = n.sub(x, mean);
  Value variance = n.reduce(ReduceKind::mean, n.mul(centred, centred), axes, true);
  return {mean, inverseRoot(n, variance, epsilon)};
}

/// Normalises over the axes from `axis` on: they become one, and come back after.
Value overTail(NodeBuilder &n, Value x, size_t axis, Value gain, Value bias, double epsilon,
               bool rms) {
  Dims all = n.dims(x);
  bool flat = axis + 1 != all.size();
  auto parameter = [&](Value p) {
    bool whole = p && n.dims(p) == ArrayRef(all).drop_front(axis);
    return flat && whole ? n.reshape(p, {qnt::elementCount(n.context(), n.dims(p))}) : p;
  };
  Value rows = x;
  if (flat) {
    rows = n.flatten(x, axis);
    gain = parameter(gain), bias = parameter(bias);
    // Parameters that only broadcast to the axes apply after the axes are back.
    if ((gain && n.rank(gain) != 1) || (bias && n.rank(bias) != 1)) {
      Value plain = rms ? n.rmsNorm(rows, {}, epsilon) : n.layerNorm(rows, {}, {}, epsilon);
      plain = n.reshape(plain, all);
      auto back = [&](Value p) { return p; };
      plain = gain ? n.mul(plain, back(gain)) : plain;
      return bias ? n.add(plain, back(bias)) : plain;
    }
  }
  Value out = rms ? n.rmsNorm(rows, gain, epsilon) : n.layerNorm(rows, gain, bias, epsilon);
  return flat ? n.reshape(out, all) : out;
}

SmallVector<int64_t> tail(NodeBuilder &n, Value x, int64_t axis) {
  return llvm::to_vector(llvm::seq<int64_t>(axis, static_cast<int64_t>(n.rank(x))));
}

void layerNormalization(NodeBuilder &n) {
  Value x = n.in(0), gain = n.in(1), bias = n.optional(2);
  int64_t axis = n.axisAttr(n.rank(x), -1);
  double epsilon = n.floatAttr("epsilon", 1e-5f);
  if (!x || !gain || n.failed())
    return;
  n.out(0, overTail(n, x, axis, n.cast(gain, n.element(x)), n.cast(bias, n.element(x)), epsilon,
                    false));
  if (n.wants(1) || n.wants(2)) {
    auto [mean, inverse] = statistics(n, n.cast(x, n.f32()), tail(n, x, axis), epsilon);
    n.out(1, mean);
    n.out(2, inverse);
  }
}

/// RMSNormalization (23) and SimplifiedLayerNormalization.
void rmsNormalization(NodeBuilder &n) {
  Value x = n.in(0), gain = n.in(1);
  int64_t axis = n.axisAttr(n.rank(x), -1);
  double epsilon = n.floatAttr("epsilon", 1e-5f);
  if (!x || !gain || n.failed())
    return;
  n.out(0, overTail(n, x, axis, n.cast(gain, n.element(x)), {}, epsilon, true));
  if (n.wants(1)) {
    Value wide = n.cast(x, n.f32());
    Value square = n.reduce(ReduceKind::mean, n.mul(wide, wide), tail(n, x, axis), true);
    n.out(1, inverseRoot(n, square, epsilon));
  }
}

/// com.microsoft: the sum with a skip connection (and bias), normalised; the sum is output 3.
template <bool rms> void skipNormalization(NodeBuilder &n) {
  size_t biasAt = rms ? 3 : 4;
  Value sum = n.add(n.in(0), n.in(1));
  if (n.has(biasAt))
    sum = n.add(sum, n.in(biasAt));
  Value gain = n.in(2), beta = rms ? Value() : n.optional(3);
  double epsilon = n.floatAttr("epsilon", rms ? 1e-5f : 1e-12f);
  if (!sum || !gain)
    return;
  n.out(0, rms ? n.rmsNorm(sum, gain, epsilon) : n.layerNorm(sum, gain, beta, epsilon));
  if (n.wants(1) || n.wants(2)) {
    auto [mean, inverse] = statistics(n, sum, {static_cast<int64_t>(n.rank(sum)) - 1}, epsilon);
    n.out(1, mean);
    n.out(2, inverse);
  }
  n.out(3, sum);
}

/// com.microsoft: word + position (+ segment) embeddings, then a layer norm.
void embedLayerNormalization(NodeBuilder &n) {
  embedAndNormalise(n, {n.in(0), n.optional(1), n.in(2), n.in(3), n.optional(4), n.in(5), n.in(6),
                        n.optional(7), n.optional(8)});
}

/// A per-channel vector as [C, 1, 1, ...] for a tensor of `rank`.
Value perChannel(NodeBuilder &n, Value vector, size_t rank) {
  if (!vector)
    return {};
  SmallVector<int64_t> axes =
      llvm::to_vector(llvm::seq<int64_t>(1, static_cast<int64_t>(rank) - 1));
  return n.unsqueeze(vector, axes);
}

void batchNormalization(NodeBuilder &n) {
  if (n.intAttr("training_mode", 0) != 0)
    return n.unsupported("runs in training mode", "export the model for inference");
  Value x = n.in(0);
  size_t rank = n.rank(x);
  if (!x || rank < 2)
    return n.fail(Diag::ShapeMismatch, "needs channels, but the rank is " + Twine(rank));
  auto vector = [&](size_t i) { return perChannel(n, n.cast(n.in(i), n.element(x)), rank); };
  Value inverse = inverseRoot(n, vector(4), n.floatAttr("epsilon", 1e-5f));
  Value scaled = n.mul(n.sub(x, vector(3)), n.mul(inverse, vector(1)));
  n.out(0, n.add(scaled, vector(2)));
}

void instanceNormalization(NodeBuilder &n) {
  Value x = n.in(0);
  size_t rank = n.rank(x);
  if (!x || rank < 3)
    return n.fail(Diag::ShapeMismatch, "needs spatial axes, but the rank is " + Twine(rank));
  auto [mean, inverse] = statistics(n, x, tail(n, x, 2), n.floatAttr("epsilon", 1e-5f));
  Value normal = n.mul(n.sub(x, mean), inverse);
  n.out(0, n.add(n.mul(normal, perChannel(n, n.in(1), rank)), perChannel(n, n.in(2), rank)));
}

void groupNormalization(NodeBuilder &n) {
  Value x = n.in(0), gain = n.in(1), bias = n.in(2);
  size_t rank = n.rank(x);
  int64_t groups = n.intAttr("num_groups", 0);
  if (!x || !gain || !bias || rank < 3 || groups < 1)
    return n.fail(Diag::BadNode, "needs spatial axes and num_groups");
  Dims all = n.dims(x);
  DimExpr size = n.divided(all[1], groups, "channels", "groups");
  if (n.failed())
    return;
  Dims split = {all[0], n.dim(groups), size};
  split.append(all.begin() + 2, all.end());
  Value grouped = n.reshape(x, split);
  auto [mean, inverse] = statistics(n, grouped, tail(n, grouped, 2), n.floatAttr("epsilon", 1e-5f));
  Value normal = n.mul(n.sub(grouped, mean), inverse);
  if (n.opset < 21) { // one gain per group
    normal = n.mul(normal, perChannel(n, gain, rank + 1));
    return n.out(0, n.reshape(n.add(normal, perChannel(n, bias, rank + 1)), all));
  }
  normal = n.mul(n.reshape(normal, all), perChannel(n, gain, rank));
  n.out(0, n.add(normal, perChannel(n, bias, rank)));
}

/// com.microsoft: RMS norm over each run of as many elements as the gain has, gated.
void gatedRmsNorm(NodeBuilder &n) {
  Value x = n.in(0), gain = n.in(1), gate = n.in(2);
  if (!x || !gain || !gate || n.rank(gain) != 1 || !n.atLeast(x, 1))
    return n.fail(Diag::ShapeMismatch, "needs a scale of rank 1");
  Dims all = n.dims(x), split = all;
  DimExpr runs = n.divided(all.back(), n.at(gain, 0), "channels", "of the scale");
  if (n.failed())
    return;
  std::string kind = n.stringAttr("activation", "silu");
  if (kind != "silu" && kind != "swish" && kind != "sigmoid")
    return n.fail(Diag::BadNode, "activation '" + kind + "' is not silu, swish or sigmoid");
  split.back() = runs;
  split.push_back(n.at(gain, 0));
  Value normal = n.rmsNorm(n.reshape(n.cast(x, n.f32()), split), n.cast(gain, n.f32()),
                           n.floatAttr("epsilon", 1e-5f));
  Value open = n.cast(n.fit(gate, all, "the gate"), n.f32());
  open = kind == "sigmoid" ? n.unary<qnt::SigmoidOp>(open) : n.unary<qnt::SiluOp>(open);
  n.out(0, n.cast(n.mul(n.reshape(normal, all), open), n.element(x)));
}

/// com.microsoft: RMS norm of each of several branches, with a gain for all or for each.
void branchwiseRmsNorm(NodeBuilder &n) {
  Value x = n.in(0), gain = n.cast(n.optional(1), n.f32());
  int64_t branches = n.intAttr("num_branches", 0);
  if (!x || !n.atLeast(x, branches ? 1 : 2))
    return;
  Dims all = n.dims(x), split = all;
  if (branches) {
    DimExpr size = n.divided(all.back(), branches, "channels", "branches");
    if (n.failed())
      return;
    split.back() = n.dim(branches);
    split.push_back(size);
  }
  Value rows = n.reshape(n.cast(x, n.f32()), split);
  Dims each = {split[split.size() - 2], split.back()};
  if (gain && n.rank(gain) == 1 && n.at(gain, 0) != split.back())
    gain = n.fit(gain, {each[0] * each[1]}, "the scale"), gain = n.reshape(gain, each);
  else if (gain && n.rank(gain) != 1)
    gain = n.fit(gain, each, "the scale");
  if (n.failed())
    return;
  Value normal = n.rmsNorm(rows, gain, n.floatAttr("epsilon", 1e-5f));
  n.out(0, n.cast(n.reshape(normal, all), n.element(x)));
}

/// com.microsoft, with channels last (or first) and perhaps a SiLU behind it.
Value groupNormOf(NodeBuilder &n, Value x, Value gain, Value bias) {
  int64_t groups = n.intAttr("groups", 0), activation = n.intAttr("activation", 0);
  bool last = n.intAttr("channels_last", 1) != 0;
  size_t rank = n.rank(x);
  if (!x || !gain || !bias || rank < 3 || groups < 1 || activation < 0 || activation > 1) {
    n.fail(Diag::BadNode, "needs spatial axes, groups, and 0 or 1 as activation");
    return {};
  }
  Dims all = n.dims(x), split = all, gains(rank, n.dim(1));
  size_t axis = last ? rank - 1 : 1;
  DimExpr size = n.divided(all[axis], groups, "channels", "groups");
  if (n.failed())
    return {};
  split[axis] = n.dim(groups);
  split.insert(split.begin() + axis + 1, size);
  SmallVector<int64_t> axes;
  for (size_t i = 1; i <= rank; ++i)
    if (i != axis)
      axes.push_back(static_cast<int64_t>(i));
  Value wide = n.reshape(n.cast(x, n.f32()), split);
  auto [mean, inverse] = statistics(n, wide, axes, n.floatAttr("epsilon", 1e-5f));
  Value normal = n.reshape(n.mul(n.sub(wide, mean), inverse), all);
  gains[axis] = all[axis];
  auto parameter = [&](Value v) { return n.reshape(n.cast(v, n.f32()), gains); };
  normal = n.add(n.mul(normal, parameter(gain)), parameter(bias));
  return n.cast(activation ? n.unary<qnt::SiluOp>(normal) : normal, n.element(x));
}

void groupNorm(NodeBuilder &n) { n.out(0, groupNormOf(n, n.in(0), n.in(1), n.in(2))); }

/// The skip may lack the spatial axes, or have them with size 1.
void skipGroupNorm(NodeBuilder &n) {
  Value x = n.in(0), skip = n.in(3);
  if (!x || !skip || !n.atLeast(x, 3))
    return;
  bool last = n.intAttr("channels_last", 1) != 0;
  Dims all = n.dims(x), narrow(all.size(), n.dim(1)), channels = narrow;
  size_t axis = last ? all.size() - 1 : 1;
  narrow[0] = all[0], narrow[axis] = channels[axis] = all[axis];
  if (n.rank(skip) == 2)
    skip = n.reshape(n.fit(skip, {all[0], all[axis]}, "the skip"), narrow);
  Value sum = n.add(x, skip);
  if (n.has(4))
    sum = n.add(sum, n.reshape(n.in(4), channels));
  n.out(0, groupNormOf(n, sum, n.in(1), n.in(2)));
  n.out(1, sum);
}

void meanVarianceNormalization(NodeBuilder &n) {
  Value x = n.in(0);
  auto axes = n.axes(n.intsAttr("axes", {0, 2, 3}), n.rank(x));
  if (n.failed())
    return;
  Value mean = n.reduce(ReduceKind::mean, x, axes, true);
  Value centred = n.sub(x, mean);
  Value variance = n.reduce(ReduceKind::mean, n.mul(centred, centred), axes, true);
  n.out(0, n.div(centred, n.add(n.unary<qnt::SqrtOp>(variance), 1e-9)));
}

constexpr OpEntry table[] = {
    {"", "LayerNormalization", 7, layerNormalization},
    {"", "RMSNormalization", 23, rmsNormalization},
    {"", "SimplifiedLayerNormalization", 1, rmsNormalization},
    {"com.microsoft", "SimplifiedLayerNormalization", 1, rmsNormalization},
    {"", "SkipSimplifiedLayerNormalization", 1, skipNormalization<true>},
    {"com.microsoft", "SkipSimplifiedLayerNormalization", 1, skipNormalization<true>},
    {"com.microsoft", "SkipLayerNormalization", 1, skipNormalization<false>},
    {"com.microsoft", "EmbedLayerNormalization", 1, embedLayerNormalization},
    {"com.microsoft", "GatedRMSNorm", 1, gatedRmsNorm},
    {"com.microsoft", "BranchwiseRMSNorm", 1, branchwiseRmsNorm},
    {"com.microsoft", "GroupNorm", 1, groupNorm},
    {"com.microsoft", "SkipGroupNorm", 1, skipGroupNorm},
    {"", "BatchNormalization", 7, batchNormalization},
    {"", "InstanceNormalization", 7, instanceNormalization},
    {"", "GroupNormalization", 18, groupNormalization},
    {"", "MeanVarianceNormalization", 9, meanVarianceNormalization},
};

} // namespace

void qcc::import::embedAndNormalise(NodeBuilder &n, const EmbedParts &p) {
  if (!p.ids || !p.words || !p.positionTable || n.rank(p.ids) != 2)
    return n.fail(Diag::ShapeMismatch, "needs ids of rank 2");
  Value positions = p.positions;
  if (!positions)
    positions = n.iota({n.at(p.ids, 1)}, 0, n.dim(0), 1, n.i64());
  Value sum = n.add(n.gather(p.words, p.ids, 0), n.gather(p.positionTable, positions, 0));
  if (p.segments && p.segmentTable)
    sum = n.add(sum, n.gather(p.segmentTable, p.segments, 0));
  n.out(0, n.layerNorm(sum, p.gain, p.bias, n.floatAttr("epsilon", 1e-12f)));
  // Output 1 is the number of unmasked tokens per sequence.
  if (n.wants(1)) {
    Type i32 = n.builder.getI32Type();
    Value count = p.mask ? n.reduce(ReduceKind::sum, p.mask, {1}, false)
                         : n.broadcast(n.scalar(i32, 0), {n.at(p.ids, 0)});
    n.out(1, n.cast(count, i32));
  }
  n.out(2, sum);
}

ArrayRef<OpEntry> qcc::import::normalisationOps() { return table; }
