// Products of 8-bit codes with 8-bit codes, four inputs at a time (tile.dot4) or, of two rows each,
// eight (tile.mmla).
//
// Activations are stored with 128 added, as unsigned bytes. Where the level multiplies unsigned
// with signed bytes, accumulators start with what that makes the sums too large by; where it
// multiplies signed bytes, the sign bits of the activations are flipped on their way.
#include "ByteMicro.h"
#include "Tile/Tile.h"
#include "qcc/Algorithms/Pack.h"

using namespace mlir;

namespace qcc {
namespace {

/// Inputs of a step: what a sub-vector of a panel holds.
constexpr int64_t kInputs = 4, kStepBytes = kInputs * kPanel;

class ByteMicro {
public:
  using Values = KernelBuilder::Values;
  ByteMicro(KernelBuilder &k, const ByteTile &tile)
      : k(k), tile(tile), inPairs(k.target().hasMmla() && tile.rows % 2 == 0),
        isSigned(k.target().prefersSignedDots()) {}
  Values run();

private:
  VectorType byteVector() { return k.vec(k.builder().getI8Type(), kStepBytes); }
  Value loadStep(Value panel, Value first, int64_t step) {
    Value at = k.add(k.mul(first, k.ci64(kStepBytes)), k.ci64(step * kStepBytes));
    return k.rawLoad(byteVector(), k.bytePtr(panel, at));
  }
  Value codesFrom(Value row, Value first) { return k.bytePtr(row, k.mul(first, k.ci64(kInputs))); }
  Values start();
  Values multiply(Value first, int64_t steps, ValueRange acc);
  Values dotRows(Value first, int64_t steps, ValueRange acc);
  Values multiplyPairs(Value first, int64_t steps, ValueRange acc);
  Value pairOfRows(int row, Value first, int64_t steps);
  Values rowsOfPairs(ValueRange acc);

  KernelBuilder &k;
  const ByteTile &tile;
  /// Whether sums are those of tile.mmla: of every two rows and panel, the vectors of columns 0 to
  /// 7 and of columns 8 to 15, each with pairs of columns of the first and of the second row in
  /// turn.
  bool inPairs;
  bool isSigned;
};

/// Zip of the 32-bit lanes [first, first + 8) of two vectors.
static Value zipWords(KernelBuilder &k, Value a, Value c, int64_t first) {
  SmallVector<int64_t> order;
  for (int64_t i = first; i < first + kPanel / 2; ++i)
    order.append({i, i + kPanel});
  return k.shuffle(a, c, order);
}

ByteMicro::Values ByteMicro::start() {
  Values sums, columns;
  for (int g = 0; g < tile.panels; ++g)
    columns.push_back(
        isSigned ? k.broadcast(k.ci32(0))
                 : k.vload(Elem::I32, tile.correction, k.mul(tile.correctionStep, k.ci64(g))));
  for (int r = 0; r < tile.rows; ++r)
    for (Value column : columns) {
      if (inPairs) { // columns 0 1 0 1 2 3 2 3 and so on
        SmallVector<int64_t> order;
        for (int64_t i = 0; i < kPanel; ++i)
          order.push_back(r % 2 * (kPanel / 2) + i / 4 * 2 + i % 2);
        column = k.shuffle(column, column, order);
      }
      sums.push_back(column);
    }
  return sums;
}

ByteMicro::Values ByteMicro::dotRows(Value first, int64_t steps, ValueRange acc) {
  Values next(acc);
  for (int64_t s = 0; s < steps; ++s) {
    Values columns;
    for (Value panel : tile.panel)
      columns.push_back(loadStep(panel, first, s));
    for (int r = 0; r < tile.rows; ++r) {
      Value x = broadcastCodes(k, codesFrom(tile.row[r], first), s, steps > 1, isSigned);
      for (int g = 0; g < tile.panels; ++g) {
        Value &sum = next[r * tile.panels + g], a = x, b = columns[g];
        if (isSigned) // lanes are taken of the second operand
          std::swap(a, b);
        sum = tile::Dot4Op::create(k.builder(), k.loc(), sum, a, b, 8, isSigned);
      }
    }
  }
  return next;
}

/// Four or eight codes, then zeros, of rows `row` and `row` + 1 in every 128 bits.
Value ByteMicro::pairOfRows(int row, Value first, int64_t steps) {
  Value pair = k.broadcast(k.ci64(0), 2);
  for (int r = 0; r < 2; ++r) {
    Value from = codesFrom(tile.row[row + r], first);
    Value codes = steps == 1 ? k.zextI64(k.rawLoad(k.i32(), from)) : k.rawLoad(k.i64(), from);
    pair = k.insert(codes, pair, r);
  }
  SmallVector<int64_t> order;
  for (int64_t i = 0; i < kPanel / 4; ++i)
    order.append({0, 1});
  return k.bitcast(k.shuffle(pair, pair, order), byteVector());
}

/// One step, or two.
ByteMicro::Values ByteMicro::multiplyPairs(Value first, int64_t steps, ValueRange acc) {
  Values next(acc), columns; // [panel][half]
  VectorType words = k.vec(k.i32());
  for (Value panel : tile.panel) {
    Value a = k.bitcast(loadStep(panel, first, 0), words);
    Value c = steps == 1 ? k.broadcast(k.ci32(0)) : k.bitcast(loadStep(panel, first, 1), words);
    for (int half = 0; half < 2; ++half)
      columns.push_back(k.bitcast(zipWords(k, a, c, half * kPanel / 2), byteVector()));
  }
  for (int r = 0; r < tile.rows; r += 2) {
    Value x = pairOfRows(r, first, steps);
    for (int half = 0; half < 2; ++half)
      for (int g = 0; g < tile.panels; ++g) {
        Value &sum = next[(r + half) * tile.panels + g];
        sum = tile::MmlaOp::create(k.builder(), k.loc(), sum, x, columns[2 * g + half]);
      }
  }
  return next;
}

/// Sums of pairs of rows as sums of rows.
ByteMicro::Values ByteMicro::rowsOfPairs(ValueRange acc) {
  Values sums;
  for (int r = 0; r < tile.rows; ++r) {
    SmallVector<int64_t> order;
    for (int64_t i = 0; i < kPanel; ++i)
      order.push_back(i / 2 * 4 + r % 2 * 2 + i % 2);
    for (int g = 0; g < tile.panels; ++g) {
      int at = r / 2 * 2 * tile.panels + g;
      sums.push_back(k.shuffle(acc[at], acc[at + tile.panels], order));
    }
  }
  return sums;
}

ByteMicro::Values ByteMicro::multiply(Value first, int64_t steps, ValueRange acc) {
  prefetchAhead(k, tile.panel, k.mul(first, k.ci64(kStepBytes)), steps * kStepBytes, tile.prefetch);
  return inPairs ? multiplyPairs(first, steps, acc) : dotRows(first, steps, acc);
}

ByteMicro::Values ByteMicro::run() {
  Value steps = k.ceilDiv(tile.depth, k.ci64(kInputs)), done = k.ci64(0);
  Values sums = start();
  if (k.target().hasLaneDots()) {
    int64_t turn = inPairs ? 2 : 4; // 16 codes of a row are one register
    done = k.and_(steps, k.ci64(-turn));
    sums = k.forLoop(k.ci64(0), done, k.ci64(turn), sums,
                     [&](Value i, ValueRange acc) { return multiply(i, turn, acc); });
  }
  sums = k.forLoop(done, steps, k.ci64(1), sums,
                   [&](Value i, ValueRange acc) { return multiply(i, 1, acc); });
  return inPairs ? rowsOfPairs(sums) : sums;
}

} // namespace

void prefetchAhead(KernelBuilder &k, ArrayRef<Value> streams, Value offset, int64_t bytes,
                   const Prefetch &prefetch) {
  auto ask = [&] {
    for (Value stream : streams)
      for (int64_t line = 0; line < bytes; line += 64) {
        Value at = k.add(k.add(offset, k.ci64(line)), prefetch.ahead);
        k.prefetch(k.bytePtr(stream, at), /*locality=*/2);
      }
  };
  if (prefetch.when)
    k.ifThen(prefetch.when, ask);
  else
    ask();
}

Value broadcastCodes(KernelBuilder &k, Value row, int64_t step, bool fromLanes, bool flip) {
  int64_t lanes = fromLanes ? 4 : 1;
  Value at = k.bytePtr(row, k.ci64(step / lanes * lanes * kInputs));
  Value codes = k.rawLoad(fromLanes ? Type(k.vec(k.i32(), lanes)) : k.i32(), at);
  if (flip)
    codes = k.xor_(codes, k.ci32(INT32_C(-0x7f7f7f80))); // 0x80808080
  SmallVector<int64_t> lane(kPanel, step % lanes);
  codes = fromLanes ? k.shuffle(codes, codes, lane) : k.broadcast(codes);
  return k.bitcast(codes, k.vec(k.builder().getI8Type(), kStepBytes));
}

KernelBuilder::Values emitByteMicro(KernelBuilder &k, const ByteTile &tile) {
  return ByteMicro(k, tile).run();
}

} // namespace qcc
