// Attention with products of floats: one fused multiply-add a step, channels and keys ascending.
#include "AttentionEmitter.h"
#include "PackedProduct.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::lower;

namespace {

class FloatAttention final : public AttentionEmitter {
public:
  using AttentionEmitter::AttentionEmitter;

private:
  void packQuery(Value from, Value row) override;
  void packBlock(Value keyBase, Value valueBase) override;
  Values scoreVectors(Value row, int64_t count, int64_t vector, int64_t vectors) override;
  Base weightBase(Value, Value running) override { return {running, {}}; }
  void keepWeights(ArrayRef<Value> weights, int64_t count, int64_t slot, Value) override;
  void accumulateColumns(Value row, int64_t count, Value valueBase, Value column, int64_t vectors,
                         Value lanes) override;
};

void FloatAttention::packQuery(Value from, Value row) {
  Value to = floats(queriesAt, k.mul(row, queryStride));
  k.forLanes(width, [&](Value d, Value lanes) {
    k.vstore(Elem::F32, query.vload(k, from, d, lanes), to, d, lanes);
  });
}

/// kt[d][j] = key blockKey + j; keys that do not exist repeat the last one and are masked later.
/// Values are read where they are.
void FloatAttention::packBlock(Value keyBase, Value) {
  for (int64_t v = 0; v < keyVectors; ++v)
    k.ifThen(k.gt(blockKeys, k.ci64(v * kLanes)), [&] {
      SmallVector<Value> from;
      for (int64_t r = 0; r < kLanes; ++r)
        from.push_back(blockRow(key, keyBase, k.ci64(v * kLanes + r)));
      packTransposed16(
          k, Elem::F32, width, floats(keysAt, k.ci64(v * kLanes)), keyBlock,
          [&](int64_t r, Value d, Value lanes) { return key.vload(k, from[r], d, lanes); });
    });
}

AttentionEmitter::Values FloatAttention::scoreVectors(Value row, int64_t count, int64_t vector,
                                                      int64_t vectors) {
  SmallVector<Value> from, zeros(count * vectors, k.broadcast(k.cf32(0)));
  for (int64_t r = 0; r < count; ++r)
    from.push_back(floats(queriesAt, k.mul(k.add(row, k.ci64(r)), queryStride)));
  Values sums = k.forRange(width, zeros, [&](Value d, ValueRange acc) {
    SmallVector<Value> keyLanes;
    Value at = k.add(k.mul(d, k.ci64(keyBlock)), k.ci64(vector * kLanes));
    for (int64_t v = 0; v < vectors; ++v)
      keyLanes.push_back(k.vload(Elem::F32, keysAt, k.add(at, k.ci64(v * kLanes))));
    Values next;
    for (int64_t r = 0; r < count; ++r) {
      Value q = k.broadcast(k.load(Elem::F32, from[r], d));
      for (int64_t v = 0; v < vectors; ++v)
        next.push_back(k.fma(q, keyLanes[v], acc[r * vectors + v]));
    }
    return next;
  });
  for (Value &sum : sums)
    sum = k.mul(k.cf32(op.getScale().convertToDouble()), sum);
  return sums;
}

void FloatAttention::keepWeights(ArrayRef<Value> weights, int64_t count, int64_t slot, Value) {
  for (auto [i, weight] : llvm::enumerate(weights))
    k.vstore(Elem::F32, weight, weightsAt, k.ci64(slot * keyBlock + i * kLanes));
}

void FloatAttention::accumulateColumns(Value row, int64_t count, Value valueBase, Value column,
                                       int64_t vectors, Value lanes) {
  SmallVector<Value> start = rescaledSums(row, count, column, vectors);
  auto sums = k.forRange(blockKeys, start, [&](Value j, ValueRange acc) {
    Value t = k.add(blockKey, j), from = valueBase;
    if (value.known[2] != 0)
      from = k.add(from, k.mul(t, value.strides[2]));
    SmallVector<Value> columns;
    for (int64_t v = 0; v < vectors; ++v)
      columns.push_back(value.vload(k, from, k.add(column, k.ci64(v * kLanes)), lanes));
    Values next;
    for (int64_t r = 0; r < count; ++r) {
      Value w = k.load(Elem::F32, weightsAt, k.add(j, k.ci64(r * keyBlock)));
      for (int64_t v = 0; v < vectors; ++v)
        next.push_back(k.fma(k.broadcast(w), columns[v], acc[r * vectors + v]));
    }
    return next;
  });
  storeSums(sums, row, count, column, vectors);
}

} // namespace

std::unique_ptr<AttentionEmitter> lower::makeFloatAttention(KernelFrame &frame,
                                                            const AttentionPlan &plan) {
  return std::make_unique<FloatAttention>(frame, plan);
}
