// Products of many rows with codes in blocks, in matrix tiles: 16 rows × 16 columns at a time.
//
// A run of steps of a panel is decoded into tiles of signed bytes, zero points or bias taken off,
// once for all rows of the range; it is short enough for the first-level cache. Sums of every step
// leave the tile registers through a buffer, from which they are scaled into accumulators as other
// levels do it, while the tiles multiply what comes next. Between runs accumulators lie in memory.
//
// When it pays, in cycles of a core for 16 rows and 16 columns (throughputs of instructions from
// Intel's Optimization Reference Manual, chapter on AMX): a step of up to 64 inputs is 16 for the
// product, beside 16 to store the sums and 16 for two vector units to convert and scale them. VNNI
// takes 8 for every 4 inputs and the 16 for scaling, one after the other. So it pays from steps of
// 16 inputs on, for any rows that fill tiles: both decode, VNNI for every 6 rows anew.
#include "BlockTiles.h"
#include "BlockDecoder.h"
#include "BlockMicro.h"
#include "Tile/Tile.h"
#include <bit>

using namespace mlir;

namespace qcc {
namespace {

constexpr int64_t kTileRows = 16, kTileDepth = 64; ///< rows; bytes of K in a tile
constexpr int64_t kTileBytes = kTileRows * kTileDepth;
constexpr int64_t kSumTiles = 4;

// The scratch of a kernel: a run of decoded tiles; scales and what is left of zero points of each
// step of it; sums of two groups of steps; accumulators of a range.
constexpr int64_t kRunTiles = 16;
constexpr int64_t kScalesAt = kRunTiles * kTileBytes, kZerosAt = kScalesAt + kRunTiles * 64,
                  kSumsAt = kZerosAt + kRunTiles * 64,
                  kAccAt = kSumsAt + 2 * kSumTiles * kTileBytes,
                  kScratchEnd = kAccAt + kMatmulRowBlock / kTileRows * kTileBytes;
static_assert(kScratchEnd == kBlockTileScratchBytes);
static_assert(kMatmulRowBlock % kTileRows == 0);

class BlockTiles {
public:
  using Values = KernelBuilder::Values;
  BlockTiles(KernelBuilder &k, const BlockProduct &product) : k(k), p(product), w(product.layout) {}
  void begin();
  void run(const BlockTileRange &range);

private:
  /// Inputs that are decoded and counted as one step; without scales between, a tile's.
  int64_t stepInputs() const { return p.inputs ? p.inputs : kTileDepth; }
  int64_t stepTiles() const { return std::max<int64_t>(1, stepInputs() / kTileDepth); }
  /// Steps that share 64 bytes of the rows of A.
  int64_t parts() const { return std::max<int64_t>(1, kTileDepth / stepInputs()); }
  int64_t runSteps() const { return kRunTiles / stepTiles(); }
  /// A long step is computed as four sums, so that products need not wait for each other.
  bool splitsSteps() const { return !p.inputs || stepTiles() >= kSumTiles; }
  bool needsSums() const { return !fitsSignedBytes(p); }

  // Decoding.
  void decodeRun(Value panel, Value depth, Value first, Value count);
  void decodeStep(BlockDecoder &decoder, Value source, Value target, Value units, Value offset);
  Value codeOffset(BlockDecoder &decoder, Value zeros);
  Value at(Value base, int64_t offset) { return k.bytePtr(base, k.ci64(offset)); }

  // Products of 16 rows with a run.
  struct Rows {
    Value a, aStride, scratch, acc, aSum, aSumStride, aScale, aScaleStride, firstStep;
  };
  void multiplyRows(const Rows &rows, Value count);
  void dot(const Rows &rows, Value firstTile, Value columns, Value sums, int64_t steps);
  Values scaled(const Rows &rows, Value step, Value sums, ValueRange acc);
  Values multiplySteps(const Rows &rows, Value count, ValueRange acc);
  Values multiplyAll(const Rows &rows, Value count, ValueRange acc);
  Value sumAt(Value sums, int64_t row, bool isSplit);
  Value withoutZeros(Value sum, Value zeros, Value codeSum);
  void finish(const BlockTileRange &range, Value row, Value acc, Value scales, Value zeros);

  KernelBuilder &k;
  const BlockProduct &p;
  const BlockLayout &w;
};

//===-- Decoding ------------------------------------------------------------------------------===//

/// Steps below a tile fill a part of it, always the same one: the rest stays zero.
void BlockTiles::begin() {
  if (parts() == 1)
    return;
  Value zero = k.broadcast(k.ci32(0));
  k.forLoop(k.ci64(0), k.ci64(kScalesAt), k.ci64(64),
            [&](Value i) { k.rawStore(zero, k.bytePtr(k.scratch(), i)); });
}

/// In every byte what is taken off the code there.
Value BlockTiles::codeOffset(BlockDecoder &decoder, Value zeros) {
  Type byte = k.builder().getI8Type();
  if (!fitsSignedBytes(p))
    return k.broadcast(k.constant(byte, -kSignShift), 64);
  if (!zeros)
    return k.broadcast(k.constant(byte, static_cast<int8_t>(integerBias(p))), 64);
  return k.bitcast(k.mul(zeros, k.ci32(0x01010101)), decoder.byteVector());
}

/// `units` units of a step; what they leave of it is zero.
void BlockTiles::decodeStep(BlockDecoder &decoder, Value source, Value target, Value units,
                            Value offset) {
  auto decodeUnit = [&](Value unit, int64_t subs) {
    auto planes = decoder.loadPlanes(k.bytePtr(source, k.mul(unit, k.ci64(w.unitBytes()))));
    Value to = k.bytePtr(target, k.mul(unit, k.ci64(w.unit() * kPanel)));
    for (int64_t s = 0; s < subs; ++s)
      k.rawStore(k.sub(decoder.integerCodes(planes, static_cast<int>(s)), offset), at(to, s * 64));
  };
  k.forRange(units, [&](Value unit) { decodeUnit(unit, w.unit() / 4); });
  if (int64_t rest = stepInputs() % w.unit())
    decodeUnit(units, ceilDiv(rest, 4));
  if (!w.group)
    k.forLoop(k.mul(units, k.ci64(w.unit() * kPanel)), k.ci64(stepInputs() * kPanel), k.ci64(64),
              [&](Value i) { k.rawStore(k.broadcast(k.ci32(0)), k.bytePtr(target, i)); });
}

/// Steps first to first + count of a panel; asks for those of the next one.
void BlockTiles::decodeRun(Value panel, Value depth, Value first, Value count) {
  SmallVector<Value> captured = {panel, depth, first, count, k.scratch()};
  k.outlined("tilecodes", captured, [&](ValueRange v) {
    BlockDecoder decoder(k, p);
    Value scratch = v[4];
    int64_t wholeUnits = stepInputs() / w.unit(), blockSteps = w.group ? w.group / p.inputs : 1;
    int64_t bytes = w.group ? w.blockBytes(0) / blockSteps : wholeUnits * w.unitBytes();
    Prefetch nextPanel{blockPanelBytes(k, w, v[1]), Value()};
    k.forRange(v[3], [&](Value i) {
      Value number = k.add(v[2], i), block = k.ci64(0), within = number;
      if (w.group) {
        block = k.div(number, k.ci64(blockSteps));
        within = k.sub(number, k.mul(block, k.ci64(blockSteps)));
      }
      Value blockAt = k.add(k.ci64(w.headerBytes()), k.mul(block, k.ci64(w.blockBytes(0))));
      Value codes = k.add(blockAt, k.mul(within, k.ci64(wholeUnits * w.unitBytes())));
      prefetchAhead(k, {v[0]}, codes, bytes, nextPanel);
      Value zeros, units = k.ci64(wholeUnits);
      if (w.zeros != BlockZeros::None)
        zeros = decoder.zeros(v[0], blockAt, v[1]);
      if (!w.group) // the codes end with K
        units = k.min(units, k.sub(k.ceilDiv(v[1], k.ci64(w.unit())), k.mul(number, units)));
      Value tiles = k.mul(i, k.ci64(stepTiles() * kTileBytes));
      Value part = k.mul(k.rem(i, k.ci64(parts())), k.ci64(stepInputs() * kPanel));
      decodeStep(decoder, k.bytePtr(v[0], codes), k.bytePtr(scratch, k.add(tiles, part)), units,
                 codeOffset(decoder, zeros));
      if (!p.inputs)
        return;
      Value line = k.mul(i, k.ci64(64));
      k.rawStore(decoder.scales(v[0], blockAt, v[1]), k.bytePtr(at(scratch, kScalesAt), line));
      if (needsSums() && zeros)
        k.rawStore(k.sub(zeros, k.ci32(kSignShift)), k.bytePtr(at(scratch, kZerosAt), line));
    });
  });
}

//===-- Products ------------------------------------------------------------------------------===//

/// Sums of `steps` steps of `columns` tiles each.
void BlockTiles::dot(const Rows &rows, Value firstTile, Value columns, Value sums, int64_t steps) {
  Value column = k.div(firstTile, k.ci64(parts()));
  tile::StepDotOp::create(
      k.builder(), k.loc(), k.bytePtr(rows.a, k.mul(column, k.ci64(kTileDepth))), rows.aStride,
      k.bytePtr(rows.scratch, k.mul(firstTile, k.ci64(kTileBytes))), columns, sums, steps, parts());
}

/// The sums of a row; of a split step all four together.
Value BlockTiles::sumAt(Value sums, int64_t row, bool isSplit) {
  auto load = [&](int64_t part) {
    return k.rawLoad(k.vec(k.i32()), at(sums, part * kTileBytes + row * 64));
  };
  return isSplit ? k.add(k.add(load(0), load(1)), k.add(load(2), load(3))) : load(0);
}

Value BlockTiles::withoutZeros(Value sum, Value zeros, Value codeSum) {
  if (!zeros)
    zeros = k.broadcast(k.ci32(integerBias(p) - kSignShift));
  return k.sub(sum, k.mul(zeros, k.broadcast(codeSum)));
}

/// A step of the run, added to the accumulators of 16 rows.
BlockTiles::Values BlockTiles::scaled(const Rows &rows, Value step, Value sums, ValueRange acc) {
  Values next;
  Value line = k.mul(step, k.ci64(kPanel)), number = k.add(rows.firstStep, step), zeros;
  Value scales = k.vload(Elem::F32, at(rows.scratch, kScalesAt), line);
  if (needsSums() && w.zeros != BlockZeros::None)
    zeros = k.vload(Elem::I32, at(rows.scratch, kZerosAt), line);
  for (int64_t r = 0; r < kTileRows; ++r) {
    Value sum = sumAt(sums, r, splitsSteps()), scale = scales;
    if (needsSums()) {
      Value from = k.add(k.mul(rows.aSumStride, k.ci64(r)), number);
      sum = withoutZeros(sum, zeros, k.load(Elem::I32, rows.aSum, from));
    }
    if (p.aGroup) {
      Value group = k.div(number, k.ci64(p.aGroup / p.inputs));
      Value from = k.add(k.mul(rows.aScaleStride, k.ci64(r)), group);
      scale = k.mul(scales, k.broadcast(k.load(Elem::F32, rows.aScale, from)));
    }
    next.push_back(k.fma(k.toF32(sum), scale, acc[r]));
  }
  return next;
}

/// One group of steps is scaled while the next one is multiplied. A group of two steps has half of
/// a page: loads of sums need not wait for stores to the same place of another page.
BlockTiles::Values BlockTiles::multiplySteps(const Rows &rows, Value count, ValueRange acc) {
  int64_t each = splitsSteps() ? 1 : 2, sumTiles = splitsSteps() ? kSumTiles : each;
  Value columns = k.ci64(splitsSteps() ? stepTiles() / kSumTiles : stepTiles());
  Value buffers = at(rows.scratch, kSumsAt), groups = k.div(count, k.ci64(each));
  auto sumsOf = [&](Value group) {
    return k.bytePtr(buffers, k.mul(k.and_(group, k.ci64(1)), k.ci64(sumTiles * kTileBytes)));
  };
  auto multiply = [&](Value group) {
    dot(rows, k.mul(group, k.ci64(each * stepTiles())), columns, sumsOf(group), sumTiles);
  };
  k.ifThen(k.gt(groups, k.ci64(0)), [&] { multiply(k.ci64(0)); });
  Values sums = k.forRange(groups, acc, [&](Value group, ValueRange c) {
    Value after = k.add(group, k.ci64(1)), first = k.mul(group, k.ci64(each));
    k.ifThen(k.lt(after, groups), [&] { multiply(after); });
    return k.forRange(k.ci64(each), c, [&](Value s, ValueRange inner) {
      Value from = k.bytePtr(sumsOf(group), k.mul(s, k.ci64(kTileBytes)));
      return scaled(rows, k.add(first, s), from, inner);
    });
  });
  if (each == 1)
    return sums;
  return k.forLoop(k.mul(groups, k.ci64(each)), count, k.ci64(1), sums, [&](Value s, ValueRange c) {
    dot(rows, k.mul(s, k.ci64(stepTiles())), k.ci64(stepTiles()), buffers, 1);
    return scaled(rows, s, buffers, c);
  });
}

/// `count` tiles of the only step; the accumulators are 32-bit integers.
BlockTiles::Values BlockTiles::multiplyAll(const Rows &rows, Value count, ValueRange acc) {
  Value sums = at(rows.scratch, kSumsAt), quarter = k.div(count, k.ci64(kSumTiles));
  Value done = k.mul(quarter, k.ci64(kSumTiles)), last = at(sums, kSumTiles * kTileBytes);
  dot(rows, k.ci64(0), quarter, sums, kSumTiles);
  dot(rows, done, k.sub(count, done), last, 1);
  Values next;
  for (int64_t r = 0; r < kTileRows; ++r)
    next.push_back(k.add(acc[r], k.add(sumAt(sums, r, true), sumAt(last, r, false))));
  return next;
}

void BlockTiles::multiplyRows(const Rows &rows, Value count) {
  SmallVector<Value> captured = {
      rows.a,          rows.aStride, rows.scratch,      rows.acc,       rows.aSum,
      rows.aSumStride, rows.aScale,  rows.aScaleStride, rows.firstStep, count};
  k.outlined("tiles16", captured, [&](ValueRange v) {
    Rows here{v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8]};
    Type type = k.vec(p.inputs ? k.f32() : k.i32());
    Values acc;
    for (int64_t r = 0; r < kTileRows; ++r)
      acc.push_back(k.rawLoad(type, at(here.acc, r * 64)));
    acc = p.inputs ? multiplySteps(here, v[9], acc) : multiplyAll(here, v[9], acc);
    for (int64_t r = 0; r < kTileRows; ++r)
      k.rawStore(acc[r], at(here.acc, r * 64));
  });
}

/// The result of a row whose only step is summed up.
void BlockTiles::finish(const BlockTileRange &range, Value row, Value acc, Value scales,
                        Value zeros) {
  Value sum = k.rawLoad(k.vec(k.i32()), acc);
  if (needsSums())
    sum = withoutZeros(sum, zeros, k.load(Elem::I32, range.aSum, k.mul(row, range.aSumStride)));
  k.rawStore(k.fma(k.toF32(sum), scales, k.broadcast(k.cf32(0))), acc);
}

void BlockTiles::run(const BlockTileRange &range) {
  Value tiles = k.ceilDiv(range.rows, k.ci64(kTileRows)), lastTile = k.sub(range.rows, k.ci64(16));
  Value steps = k.ceilDiv(range.depth, k.ci64(stepInputs()));
  auto firstRow = [&](Value t) { return k.min(k.mul(t, k.ci64(kTileRows)), lastTile); };
  k.forRange(k.mul(tiles, k.ci64(kTileRows)), [&](Value i) {
    Value to = k.bytePtr(at(k.scratch(), kAccAt), k.mul(i, k.ci64(64)));
    k.rawStore(k.broadcast(k.ci32(0)), to);
  });
  k.forLoop(k.ci64(0), steps, k.ci64(runSteps()), [&](Value first) {
    Value count = k.min(k.ci64(runSteps()), k.sub(steps, first));
    decodeRun(range.panel, range.depth, first, count);
    k.forRange(tiles, [&](Value t) {
      Value row = firstRow(t), input = k.mul(first, k.ci64(stepInputs()));
      Rows rows{k.bytePtr(range.a, k.add(k.mul(row, range.aStride), input)),
                range.aStride,
                k.scratch(),
                blockTileSums(k, t),
                k.elemPtr(Elem::I32, range.aSum, k.mul(row, range.aSumStride)),
                range.aSumStride,
                k.elemPtr(Elem::F32, range.aScale, k.mul(row, range.aScaleStride)),
                range.aScaleStride,
                first};
      multiplyRows(rows, count);
    });
  });
  if (p.inputs)
    return;
  BlockDecoder decoder(k, p);
  Value header = k.ci64(w.headerBytes()), zeros;
  Value scales = decoder.scales(range.panel, header, range.depth);
  if (w.zeros != BlockZeros::None)
    zeros = k.sub(decoder.zeros(range.panel, header, range.depth), k.ci32(kSignShift));
  k.forRange(tiles, [&](Value t) {
    k.forRange(k.ci64(kTileRows), [&](Value r) {
      Value acc = k.bytePtr(blockTileSums(k, t), k.mul(r, k.ci64(64)));
      finish(range, k.add(firstRow(t), r), acc, scales, zeros);
    });
  });
}

} // namespace

bool fitsMatrixTiles(const BlockProduct &p) {
  bool isStep = !p.inputs || (std::has_single_bit(uint64_t(p.inputs)) && p.inputs >= 16 &&
                              p.inputs <= kRunTiles * kTileDepth);
  return p.core == BlockCore::Int8 && isStep && (p.aSums || fitsSignedBytes(p));
}

void beginBlockTiles(KernelBuilder &k, const BlockProduct &product) {
  BlockTiles(k, product).begin();
}

void emitBlockTiles(KernelBuilder &k, const BlockProduct &product, const BlockTileRange &range) {
  BlockTiles(k, product).run(range);
}

Value blockTileSums(KernelBuilder &k, Value index) {
  Value offset = k.add(k.ci64(kAccAt), k.mul(index, k.ci64(kTileBytes)));
  return k.bytePtr(k.scratch(), offset);
}

} // namespace qcc
