// Products with weights of bf16, two inputs at a time: in dots of pairs (tile.dot_bf16), or
// widened.
#include "PairMicro.h"
#include "Tile/Tile.h"
#include "qcc/Algorithms/Pack.h"
#include "qcc/Kernels/SmallFloats.h"

using namespace mlir;

namespace qcc {
namespace {

/// What a pair of inputs takes in a panel, and in a row of A.
constexpr int64_t kStepBytes = 4 * kPanel, kPairBytes = 4;

class PairMicro {
public:
  using Values = KernelBuilder::Values;
  PairMicro(KernelBuilder &k, const PairTile &tile) : k(k), tile(tile) {}

  Values dots(Value step, ValueRange acc);
  Values widened(Value step, ValueRange acc, int inputs);

private:
  Value columnsAt(int panel, Value step, Type type) {
    return k.rawLoad(type, k.bytePtr(tile.panel[panel], k.mul(step, k.ci64(kStepBytes))));
  }
  void prefetch(Value step) {
    prefetchAhead(k, tile.panel, k.mul(step, k.ci64(kStepBytes)), kStepBytes, tile.prefetch);
  }

  KernelBuilder &k;
  const PairTile &tile;
};

PairMicro::Values PairMicro::dots(Value step, ValueRange acc) {
  prefetch(step);
  VectorType pairs = k.vec(k.builder().getBF16Type(), 2 * kPanel);
  Values columns, next;
  for (int g = 0; g < tile.panels; ++g)
    columns.push_back(columnsAt(g, step, pairs));
  for (int r = 0; r < tile.rows; ++r) {
    Value at = k.bytePtr(tile.row[r], k.mul(step, k.ci64(kPairBytes)));
    Value x = k.bitcast(k.broadcast(k.rawLoad(k.i32(), at)), pairs);
    for (int g = 0; g < tile.panels; ++g)
      next.push_back(
          tile::DotBf16Op::create(k.builder(), k.loc(), acc[r * tile.panels + g], x, columns[g]));
  }
  return next;
}

/// The first of a pair of inputs, or both. Of what is loaded, the smaller part stays in registers:
/// inputs of few rows, or columns of few panels.
PairMicro::Values PairMicro::widened(Value step, ValueRange acc, int inputs) {
  prefetch(step);
  Values next(acc);
  auto column = [&](int g, int i) {
    Value pairs = columnsAt(g, step, k.vec(k.i32()));
    return i == 0 ? firstBf16(k, pairs) : secondBf16(k, pairs);
  };
  auto input = [&](int r, int i) {
    return k.broadcast(k.load(tile.a, tile.row[r], k.add(k.mul(step, k.ci64(2)), k.ci64(i))));
  };
  auto add = [&](int r, int g, Value x, Value y) {
    Value &sum = next[r * tile.panels + g];
    sum = k.fma(x, y, sum);
  };
  if (tile.rows < tile.panels) {
    Values x;
    for (int i = 0; i < inputs; ++i)
      for (int r = 0; r < tile.rows; ++r)
        x.push_back(input(r, i));
    for (int g = 0; g < tile.panels; ++g)
      for (int i = 0; i < inputs; ++i) {
        Value y = column(g, i);
        for (int r = 0; r < tile.rows; ++r)
          add(r, g, x[i * tile.rows + r], y);
      }
    return next;
  }
  for (int i = 0; i < inputs; ++i) {
    Values y;
    for (int g = 0; g < tile.panels; ++g)
      y.push_back(column(g, i));
    for (int r = 0; r < tile.rows; ++r) {
      Value x = input(r, i);
      for (int g = 0; g < tile.panels; ++g)
        add(r, g, x, y[g]);
    }
  }
  return next;
}

} // namespace

KernelBuilder::Values emitPairMicro(KernelBuilder &k, const PairTile &tile) {
  PairMicro micro(k, tile);
  KernelBuilder::Values sums(tile.rows * tile.panels, k.broadcast(k.cf32(0)));
  Value whole = k.shrU(tile.depth, k.ci64(1)), all = k.ceilDiv(tile.depth, k.ci64(2));
  if (tile.inDots)
    return k.forRange(all, sums, [&](Value i, ValueRange acc) { return micro.dots(i, acc); });
  sums = k.forRange(whole, sums, [&](Value i, ValueRange acc) { return micro.widened(i, acc, 2); });
  return k.forLoop(whole, all, k.ci64(1), sums, // an odd last input, which no pair of A is beside
                   [&](Value i, ValueRange acc) { return micro.widened(i, acc, 1); });
}

void emitRowsOfPairs(KernelBuilder &k, const RowsToPair &rows) {
  VectorType type = k.vec(k.builder().getBF16Type());
  k.forRange(rows.rows, [&](Value r) {
    Value from = k.elemPtr(rows.elem, rows.from, k.mul(r, rows.fromStride));
    Value to = k.elemPtr(Elem::BF16, rows.to, k.mul(r, rows.toStride));
    auto put = [&](Value reals, Value at) {
      Value rounded = tile::ToBf16Op::create(k.builder(), k.loc(), type, reals);
      k.rawStore(rounded, k.elemPtr(Elem::BF16, to, at), 2);
    };
    // The last sixteen first: all of them are behind the row, or its tail comes over them.
    put(k.broadcast(k.cf32(0)), k.sub(rows.toStride, k.ci64(kLanes)));
    k.forLanes(rows.depth,
               [&](Value i, Value lanes) { put(k.vload(rows.elem, from, i, lanes), i); });
  });
}

} // namespace qcc
