// Attention with products of 16-bit codes: two channels, or two keys, a step, with exact sums of 32
// bits. The formulas are those of qnt.attention with `products = i16`.
//
//   keys     kt[d / 2][key][d % 2], from sixteen transposed floats at a time: lanes are keys
//   queries  q[row][d]
//   values   v[key / 2][e][key % 2]
//   weights  p[row][key]
#include "Qnt/AttentionCodes.h"
#include "AttentionEmitter.h"
#include "PackedProduct.h"
#include "Tile/Tile.h"
#include "qcc/Algorithms/Pack.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::lower;
using namespace qcc::qnt;

namespace {

class CodeAttention final : public AttentionEmitter {
public:
  CodeAttention(KernelFrame &frame, const AttentionPlan &plan)
      : AttentionEmitter(frame, plan), channels(*plan.width.constantValue()),
        levels(attentionQueryLevels(channels)) {}

private:
  void allocate() override;
  void packQuery(Value from, Value row) override;
  void packBlock(Value keyBase, Value valueBase) override;
  void packKeys(Value base, int64_t vector);
  Value scaleValues(Value base, int64_t vector);
  void packValues(Value base);
  Values scoreVectors(Value row, int64_t count, int64_t vector, int64_t vectors) override;
  Base weightBase(Value blockMax, Value running) override;
  void keepWeights(ArrayRef<Value> weights, int64_t count, int64_t slot, Value rescale) override;
  void accumulateColumns(Value row, int64_t count, Value valueBase, Value column, int64_t vectors,
                         Value lanes) override;

  /// The bits of |x|: as integers they order like numbers, infinity and NaN above all.
  Value magnitude(Value x) { return k.and_(k.bitcast(x, k.vec(k.i32())), k.ci32(0x7fffffff)); }
  Value number(Value bits) { return k.bitcast(bits, k.vec(k.f32())); }
  /// Codes are x times this, given the largest |x|.
  Value inverse(Value largest, int64_t most) {
    Value zero = k.cf32(0);
    return k.select(k.gt(largest, zero), k.div(k.broadcast(k.cf32(most)), largest),
                    k.broadcast(zero));
  }
  Value scaleOf(Value largest, int64_t most) { return k.mul(largest, k.cf32(1.0f / most)); }
  /// Two codes in each lane, `even` in its low half.
  Value paired(Value even, Value odd) {
    return k.or_(k.and_(k.roundToI32(even), k.ci32(0xffff)), k.shl(k.roundToI32(odd), k.ci32(16)));
  }
  Value pairProducts(Value sums, Value a, Value c) {
    auto words = VectorType::get({2 * kLanes}, k.builder().getI16Type());
    return tile::Dot2Op::create(k.builder(), k.loc(), sums, k.bitcast(a, words),
                                k.bitcast(c, words));
  }
  Value pairAt(Value words, Value pair) { return k.broadcast(k.load(Elem::I32, words, pair)); }
  Value weightRow(int64_t r) { return k.bytePtr(weightsAt, k.ci64(r * keyBlock * 2)); }

  int64_t channels, levels;
  Value transposedAt;              ///< [d][16 keys], floats
  Value queryScales, keyScales;    ///< with the scale of scores; per key of the block
  Value valueScales, valueInverse; ///< per key of the block
  Value factors;                   ///< of sums of codes, as AttentionEmitter::corrections
  Value poison;                    ///< 0, or NaN where a value of the block is no number
};

void CodeAttention::allocate() {
  transposedAt = k.bytePtr(keysAt, frame.dim(plan.keyBytes()));
  queryScales = k.stackBuffer(queryBlock * 4);
  keyScales = k.stackBuffer(keyBlock * 4);
  valueScales = k.stackBuffer(keyBlock * 4);
  valueInverse = k.stackBuffer(keyBlock * 4);
  factors = k.stackBuffer(groupsTogether * kLanes * 4);
}

void CodeAttention::packQuery(Value from, Value row) {
  Value none = k.broadcast(k.ci32(0));
  Value most = k.forLanes(width, {none}, [&](Value d, Value lanes, ValueRange c) {
    return Values{k.max(c[0], magnitude(query.vload(k, from, d, lanes)))};
  })[0];
  most = number(k.broadcast(k.reduce(most, [&](Value x, Value y) { return k.max(x, y); })));
  Value factor = inverse(most, levels);
  Value to = k.elemPtr(Elem::I16, queriesAt, k.mul(row, queryStride));
  k.forLanes(width, [&](Value d, Value lanes) { // missing lanes are 0, and there is room for them
    k.vstore(Elem::I16, k.roundToI32(k.mul(query.vload(k, from, d, lanes), factor)), to, d);
  });
  Value scale = k.mul(scaleOf(most, levels), k.cf32(op.getScale().convertToDouble()));
  k.store(Elem::F32, k.extract(scale, 0), queryScales, row);
}

/// Sixteen keys from key `vector` * 16 of the block on; those that do not exist repeat the last one
/// and are masked later.
void CodeAttention::packKeys(Value base, int64_t vector) {
  SmallVector<Value> from;
  for (int64_t r = 0; r < kLanes; ++r)
    from.push_back(blockRow(key, base, k.ci64(vector * kLanes + r)));
  packTransposed16(k, Elem::F32, width, transposedAt, kLanes, [&](int64_t r, Value d, Value lanes) {
    return key.vload(k, from[r], d, lanes);
  });
  auto channel = [&](Value d) {
    return k.vload(Elem::F32, transposedAt, k.mul(d, k.ci64(kLanes)));
  };
  Value most = number(k.forRange(width, {k.broadcast(k.ci32(0))}, [&](Value d, ValueRange c) {
    return Values{k.max(c[0], magnitude(channel(d)))};
  })[0]);
  Value factor = inverse(most, levels);
  k.vstore(Elem::F32, scaleOf(most, levels), keyScales, k.ci64(vector * kLanes));
  auto store = [&](Value pair, Value even, Value odd) {
    k.vstore(Elem::I32, paired(even, odd), keysAt,
             k.add(k.mul(pair, k.ci64(keyBlock)), k.ci64(vector * kLanes)));
  };
  k.forRange(k.ci64(channels / 2), [&](Value pair) {
    Value d = k.mul(pair, k.ci64(2));
    store(pair, k.mul(channel(d), factor), k.mul(channel(k.add(d, k.ci64(1))), factor));
  });
  if (channels % 2)
    store(k.ci64(channels / 2), k.mul(channel(k.ci64(channels - 1)), factor),
          k.broadcast(k.cf32(0)));
}

/// Scales of sixteen values. Gives `poison`, and NaN where one of them holds an infinity or a NaN.
Value CodeAttention::scaleValues(Value base, int64_t vector) {
  Values most(kLanes, k.broadcast(k.ci32(0)));
  SmallVector<Value> from;
  for (int64_t r = 0; r < kLanes; ++r)
    from.push_back(blockRow(value, base, k.ci64(vector * kLanes + r)));
  most = k.forLanes(outWidth, most, [&](Value e, Value lanes, ValueRange c) {
    Values next;
    for (int64_t r = 0; r < kLanes; ++r)
      next.push_back(k.max(c[r], magnitude(value.vload(k, from[r], e, lanes))));
    return next;
  });
  SmallVector<Value> byRow = transpose16(k, most);
  for (int64_t half = kLanes / 2; half; half /= 2)
    for (int64_t i = 0; i < half; ++i)
      byRow[i] = k.max(byRow[i], byRow[i + half]);
  Value largest = number(byRow[0]), at = k.ci64(vector * kLanes);
  Value scale = scaleOf(largest, attentionValueLevels);
  k.vstore(Elem::F32, scale, valueScales, at);
  k.vstore(Elem::F32, inverse(largest, attentionValueLevels), valueInverse, at);
  return k.fma(scale, k.broadcast(k.cf32(0)), poison);
}

/// The last of an odd number of keys has itself as a partner, whose weight is 0.
void CodeAttention::packValues(Value base) {
  k.forRange(k.ceilDiv(blockKeys, k.ci64(2)), [&](Value pair) {
    Value from[2], factor[2];
    for (int64_t i = 0; i < 2; ++i) {
      Value row = k.add(k.mul(pair, k.ci64(2)), k.ci64(i));
      from[i] = blockRow(value, base, row);
      factor[i] = k.broadcast(k.load(Elem::F32, valueInverse, row));
    }
    k.forLanes(outWidth, [&](Value e, Value lanes) {
      Value even = k.mul(value.vload(k, from[0], e, lanes), factor[0]);
      Value odd = k.mul(value.vload(k, from[1], e, lanes), factor[1]);
      k.vstore(Elem::I32, paired(even, odd), valuesAt, k.add(k.mul(pair, sumStride), e));
    });
  });
}

void CodeAttention::packBlock(Value keyBase, Value valueBase) {
  Value zero = k.broadcast(k.cf32(0));
  poison = zero;
  for (int64_t v = 0; v < keyVectors; ++v)
    poison = k.ifElse(
        k.gt(blockKeys, k.ci64(v * kLanes)), TypeRange(zero.getType()),
        [&] {
          packKeys(keyBase, v);
          return Values{scaleValues(valueBase, v)};
        },
        [&] { // weights of 0 need a number to be multiplied with
          k.vstore(Elem::F32, zero, valueScales, k.ci64(v * kLanes));
          return Values{poison};
        })[0];
  poison = k.broadcast(k.reduceAdd(poison));
  packValues(valueBase);
}

AttentionEmitter::Values CodeAttention::scoreVectors(Value row, int64_t count, int64_t vector,
                                                     int64_t vectors) {
  Values zeros(count * vectors, k.broadcast(k.ci32(0)));
  SmallVector<Value> from;
  for (int64_t r = 0; r < count; ++r)
    from.push_back(k.elemPtr(Elem::I16, queriesAt, k.mul(k.add(row, k.ci64(r)), queryStride)));
  Values sums = k.forRange(k.ci64(ceilDiv(channels, 2)), zeros, [&](Value pair, ValueRange acc) {
    Value at = k.add(k.mul(pair, k.ci64(keyBlock)), k.ci64(vector * kLanes));
    Values keyLanes, next;
    for (int64_t v = 0; v < vectors; ++v)
      keyLanes.push_back(k.vload(Elem::I32, keysAt, k.add(at, k.ci64(v * kLanes))));
    for (int64_t r = 0; r < count; ++r) {
      Value q = pairAt(from[r], pair);
      for (int64_t v = 0; v < vectors; ++v)
        next.push_back(pairProducts(acc[r * vectors + v], q, keyLanes[v]));
    }
    return next;
  });
  for (int64_t r = 0; r < count; ++r) {
    Value scale = k.broadcast(k.load(Elem::F32, queryScales, k.add(row, k.ci64(r))));
    for (int64_t v = 0; v < vectors; ++v) {
      Value keyScale = k.vload(Elem::F32, keyScales, k.ci64((vector + v) * kLanes));
      Value &sum = sums[r * vectors + v];
      sum = k.mul(k.mul(k.toF32(sum), scale), keyScale);
    }
  }
  return sums;
}

AttentionEmitter::Base CodeAttention::weightBase(Value blockMax, Value running) {
  Value none = k.broadcast(minusInfinity()), zero = k.broadcast(k.cf32(0));
  return {k.select(k.eq(blockMax, none), zero, blockMax), k.exp(k.sub(blockMax, running))};
}

void CodeAttention::keepWeights(ArrayRef<Value> weights, int64_t count, int64_t slot,
                                Value rescale) {
  Values u;
  for (auto [i, weight] : llvm::enumerate(weights))
    u.push_back(k.mul(weight, k.vload(Elem::F32, valueScales, k.ci64(i % keyVectors * kLanes))));
  Value most =
      reduceBlock(u, k.broadcast(k.cf32(0)), [&](Value x, Value y) { return k.maxFast(x, y); });
  Value factor = inverse(most, attentionWeightLevels);
  for (int64_t r = 0; r < count; ++r) {
    Value rowFactor = ofRow(factor, r);
    for (int64_t i = r * keyVectors; i < (r + 1) * keyVectors; ++i)
      k.vstore(Elem::I16, k.roundToI32(k.mul(u[i], rowFactor)), weightsAt,
               k.ci64(slot * keyBlock + i * kLanes));
  }
  k.vstore(Elem::F32, k.fma(scaleOf(most, attentionWeightLevels), rescale, poison), factors,
           k.ci64(slot * stateLanes));
}

void CodeAttention::accumulateColumns(Value row, int64_t count, Value, Value column,
                                      int64_t vectors, Value) {
  Values zeros(count * vectors, k.broadcast(k.ci32(0)));
  Value pairs = k.ceilDiv(blockKeys, k.ci64(2));
  auto codes = k.forRange(pairs, zeros, [&](Value pair, ValueRange acc) {
    Value at = k.add(k.mul(pair, sumStride), column);
    Values columns, next;
    for (int64_t v = 0; v < vectors; ++v)
      columns.push_back(k.vload(Elem::I32, valuesAt, k.add(at, k.ci64(v * kLanes))));
    for (int64_t r = 0; r < count; ++r) {
      Value w = pairAt(weightRow(r), pair);
      for (int64_t v = 0; v < vectors; ++v)
        next.push_back(pairProducts(acc[r * vectors + v], w, columns[v]));
    }
    return next;
  });
  SmallVector<Value> sums = rescaledSums(row, count, column, vectors);
  for (int64_t r = 0; r < count; ++r) {
    Value factor = k.broadcast(k.load(Elem::F32, factors, k.ci64(r * stateLanes)));
    for (int64_t v = 0; v < vectors; ++v) {
      Value &sum = sums[r * vectors + v];
      sum = k.fma(k.toF32(codes[r * vectors + v]), factor, sum);
    }
  }
  storeSums(sums, row, count, column, vectors);
}

} // namespace

std::unique_ptr<AttentionEmitter> lower::makeCodeAttention(KernelFrame &frame,
                                                           const AttentionPlan &plan) {
  return std::make_unique<CodeAttention>(frame, plan);
}
