// Products with codes in blocks; see BlockMicro.h and BlockLayout for where codes lie.
//
// The integer cores turn a sub-vector (4 inputs of 16 outputs) into 64 unsigned bytes and multiply
// them with four broadcast codes of activations (tile.dot4). What the bytes are too large by (bias,
// zero points) is taken off with the sums of the activations' codes. The float core turns an input
// of 16 outputs into floats and needs one fused multiply-add a row.
#include "BlockMicro.h"
#include "BlockDecoder.h"
#include "Tile/Tile.h"
#include <bit>

using namespace mlir;

namespace qcc {
namespace {

class BlockMicro {
public:
  using Values = KernelBuilder::Values;
  BlockMicro(KernelBuilder &k, const MatmulSpec &spec, const BlockTile &tile)
      : k(k), aElem(spec.a), p(spec.block), w(p.layout), tile(tile), decoder(k, p) {}
  Values run();

private:
  // Blocks.
  Values blockScales(Value offset);
  Values blockZeros(Value offset);
  void prefetch(Value at, int64_t bytes) { prefetchAhead(k, tile.panel, at, bytes, tile.prefetch); }

  // Integer cores.
  /// Bits of the unsigned bytes.
  int codeBits() const { return std::bit_width(unsigned(largestInteger(p)) | 1u); }
  int32_t bias() const { return integerBias(p) - signShift(); }
  /// What is taken off the unsigned bytes to multiply them as signed ones, where that costs less
  /// and sums of A's codes, which zero points need, are there to tell the difference.
  int32_t signShift() const {
    bool hasSums = w.zeros != BlockZeros::None || integerBias(p);
    return hasSums && codeBits() == 8 && k.target().prefersSignedDots() ? 128 : 0;
  }
  Value dotCodes(ArrayRef<Value> planes, int sub);
  bool high() const { return p.core == BlockCore::Int16; }
  Values dotUnit(ValueRange sums, Value unitBase, Value input, int64_t step, int64_t subs,
                 bool fromLanes);
  Values dotUnits(ValueRange sums, Value base, Value firstInput, Value first, int64_t count,
                  int64_t subs);
  void dotInto(Value &sum, Value codes, Value x, int bits, bool isSigned = false) {
    sum = tile::Dot4Op::create(k.builder(), k.loc(), sum, codes, x, bits, isSigned);
  }
  bool needsSums() const { return w.zeros != BlockZeros::None || bias(); }
  bool computesSums() const { return needsSums() && !p.aSums; }
  Value stepResult(ValueRange sums, int row, int panel, Value zero, Value codeSum, bool inFloat);
  Value roundedSum(Value low, Value high, Value zero, Value sum);
  Values step(Value base, Value firstInput, Value number, ValueRange acc, ValueRange scales,
              ValueRange zeros);
  Values runInteger();

  // The float core.
  Values mulUnits(ValueRange sums, ArrayRef<Value> unit, Value input, int64_t units,
                  ValueRange zeros);
  Values mulOne(ValueRange sums, ArrayRef<Value> units, Value from, Value input, ValueRange zeros);
  Values runFloat();

  KernelBuilder &k;
  Elem aElem;
  const BlockProduct &p;
  const BlockLayout &w;
  const BlockTile &tile;
  BlockDecoder decoder;
};

//===-- Blocks --------------------------------------------------------------------------------===//

/// The scales of a block of every panel.
BlockMicro::Values BlockMicro::blockScales(Value offset) {
  Values scales;
  for (Value panel : tile.panel)
    scales.push_back(decoder.scales(panel, offset, tile.depth));
  return scales;
}

/// The zero points of a block of every panel.
BlockMicro::Values BlockMicro::blockZeros(Value offset) {
  Values zeros;
  for (Value panel : tile.panel)
    zeros.push_back(decoder.zeros(panel, offset, tile.depth));
  return zeros;
}

//===-- Integer cores -------------------------------------------------------------------------===//

/// The bytes that dot products take, signed where signShift() is not 0.
Value BlockMicro::dotCodes(ArrayRef<Value> planes, int sub) {
  Value codes = decoder.integerCodes(planes, sub);
  return signShift() ? k.xor_(codes, k.constant(k.builder().getI8Type(), -128)) : codes;
}

/// `subs` sub-vectors of a unit, the first of them `step` behind `input` in K. Sums are [planes of
/// A][rows][panels and, where they are computed, one for the codes of A].
BlockMicro::Values BlockMicro::dotUnit(ValueRange sums, Value unitOffset, Value input, int64_t step,
                                       int64_t subs, bool fromLanes) {
  Values next(sums);
  SmallVector<SmallVector<Value>> planes;
  for (Value panel : tile.panel)
    planes.push_back(decoder.loadPlanes(k.bytePtr(panel, unitOffset)));
  for (int64_t s = 0; s < subs; ++s) {
    Values codes;
    for (ArrayRef<Value> panel : planes)
      codes.push_back(dotCodes(panel, static_cast<int>(s)));
    size_t sum = 0;
    for (int part = 0; part < (high() ? 2 : 1); ++part)
      for (Value row : tile.row) {
        Value from = k.bytePtr(row, part ? k.add(input, tile.aLow) : input);
        Value x = broadcastCodes(k, from, step + s, fromLanes);
        for (Value panelCodes : codes)
          dotInto(next[sum++], panelCodes, x, codeBits(), signShift());
        if (computesSums())
          dotInto(next[sum++], k.broadcast(k.constant(k.builder().getI8Type(), 1), 64), x, 1);
      }
  }
  return next;
}

/// `count` units of a step from unit `first` on, of each its first sub-vectors. Sixteen codes of A
/// are loaded at once where none of them lie in another step, which may end with the row.
BlockMicro::Values BlockMicro::dotUnits(ValueRange sums, Value base, Value firstInput, Value first,
                                        int64_t count, int64_t subs) {
  bool whole16 = p.inputs % 16 == 0 && w.group % 16 == 0 && count * subs % 4 == 0;
  Values next(sums);
  Value input = k.add(firstInput, k.mul(first, k.ci64(w.unit())));
  for (int64_t u = 0; u < count; ++u) {
    Value at = k.add(base, k.mul(k.add(first, k.ci64(u)), k.ci64(w.unitBytes())));
    next = dotUnit(next, at, input, u * w.unit() / 4, subs, k.target().hasLaneDots() && whole16);
  }
  return next;
}

/// float(Σ (code - zero) a), exact before it is rounded.
Value BlockMicro::roundedSum(Value low, Value high, Value zero, Value sum) {
  int64_t largest = (int64_t(1) << codeBits()) * 32768 * p.inputs;
  if (p.inputs && largest <= INT64_C(1) << 31) {
    Value total = k.add(k.shl(high, k.ci32(8)), low);
    return k.toF32(k.sub(total, k.mul(zero, sum)));
  }
  auto wide = [&](Value v) { return k.cast(v, Elem::I32, Elem::F64); };
  Value total = k.fma(wide(high), k.broadcast(k.cf64(256)), wide(low));
  total = k.sub(total, k.mul(wide(zero), wide(sum)));
  return k.cast(total, Elem::F64, Elem::F32);
}

/// The rounded sum of one row and panel. `zero` and `codeSum` are null where there are none;
/// `inFloat` as in step().
Value BlockMicro::stepResult(ValueRange sums, int row, int panel, Value zero, Value codeSum,
                             bool inFloat) {
  int columns = tile.panels + computesSums(), at = row * columns + panel;
  int half = tile.rows * columns, own = row * columns + tile.panels;
  if (!zero)
    zero = k.broadcast(k.ci32(bias()));
  if (codeSum)
    codeSum = k.broadcast(codeSum);
  else if (computesSums())
    codeSum = high() ? k.add(k.shl(sums[own], k.ci32(8)), sums[half + own]) : sums[own];
  else
    codeSum = k.broadcast(k.ci32(0));
  if (high())
    return roundedSum(sums[half + at], sums[at], zero, codeSum);
  if (inFloat)
    return k.fma(k.neg(k.toF32(zero)), k.toF32(codeSum), k.toF32(sums[at]));
  return k.toF32(computesSums() ? k.sub(sums[at], k.mul(zero, codeSum)) : sums[at]);
}

/// One step: `base` is where its codes begin in a panel, `number` counts steps over all of K.
BlockMicro::Values BlockMicro::step(Value base, Value firstInput, Value number, ValueRange acc,
                                    ValueRange scales, ValueRange zeros) {
  // zero · Σ a is taken off in float where everything stays below 2^24 and is exact: one fma,
  // where an integer product is two operations. Without zero points it is a scalar.
  bool inFloat = !zeros.empty() && !high() && p.inputs &&
                 ((int64_t(1) << codeBits()) - 1) * 128 * p.inputs < 1 << 24;
  Values sums, codeSums(tile.rows);
  Value none = k.broadcast(k.ci32(0));
  for (int r = 0; r < tile.rows; ++r) {
    if (needsSums() && p.aSums)
      codeSums[r] = k.load(Elem::I32, tile.rowSum[r], number);
    bool starts = codeSums[r] && !high() && !inFloat;
    for (int g = 0; g < tile.panels; ++g)
      sums.push_back(!starts         ? none
                     : zeros.empty() ? k.broadcast(k.mul(codeSums[r], k.ci32(-bias())))
                                     : k.mul(k.sub(k.ci32(0), zeros[g]), codeSums[r]));
    if (computesSums())
      sums.push_back(none);
  }
  if (high())
    sums.append(sums.size(), none);
  int64_t unit = w.unit();
  auto units = [&](Value first, int64_t count, int64_t subs, ValueRange c) {
    return dotUnits(c, base, firstInput, first, count, subs);
  };
  if (!w.group) { // the codes end with K
    Value count = k.ceilDiv(k.sub(tile.depth, firstInput), k.ci64(unit)), done = k.ci64(0);
    if (p.inputs)
      count = k.min(count, k.ci64(p.inputs / unit));
    auto some = [&](int64_t several) {
      return [&, several](Value u, ValueRange c) {
        prefetch(k.add(base, k.mul(u, k.ci64(w.unitBytes()))), several * w.unitBytes());
        return units(u, several, unit / 4, c);
      };
    };
    if (int64_t several = 16 / unit; several > 1 && k.target().hasLaneDots()) {
      done = k.and_(count, k.ci64(-several));
      sums = k.forLoop(k.ci64(0), done, k.ci64(several), sums, some(several));
    }
    sums = k.forLoop(done, count, k.ci64(1), sums, some(1));
  } else {
    // Units that are whole, about 32 inputs at a time; the last one may have fewer sub-vectors.
    int64_t whole = p.inputs / unit, unroll = std::max<int64_t>(1, 32 / unit), done = 0;
    if (whole > unroll) {
      done = whole / unroll * unroll;
      sums = k.forLoop(k.ci64(0), k.ci64(done), k.ci64(unroll), sums,
                       [&](Value u, ValueRange c) { return units(u, unroll, unit / 4, c); });
    }
    sums = units(k.ci64(done), whole - done, unit / 4, sums);
    if (int64_t rest = p.inputs % unit)
      sums = units(k.ci64(whole), 1, ceilDiv(rest, 4), sums);
  }
  Values next;
  for (int r = 0; r < tile.rows; ++r) {
    Value aScale;
    if (p.aGroup)
      aScale = k.broadcast(
          k.load(Elem::F32, tile.aScale[r], k.div(number, k.ci64(p.aGroup / p.inputs))));
    for (int g = 0; g < tile.panels; ++g) {
      Value sum = stepResult(sums, r, g, zeros.empty() ? Value() : zeros[g], codeSums[r], inFloat);
      Value scale = aScale ? k.mul(scales[g], aScale) : scales[g];
      next.push_back(k.fma(sum, scale, acc[r * tile.panels + g]));
    }
  }
  return next;
}

BlockMicro::Values BlockMicro::runInteger() {
  Values init(tile.rows * tile.panels, k.broadcast(k.cf32(0)));
  Value header = k.ci64(w.headerBytes());
  auto zerosAt = [&](Value at) {
    Values zeros = w.zeros == BlockZeros::None ? Values() : blockZeros(at);
    for (Value &zero : zeros)
      if (signShift())
        zero = k.sub(zero, k.ci32(signShift()));
    return zeros;
  };
  if (!w.group) {
    Values scales = blockScales(header), zeros = zerosAt(header);
    if (!p.inputs)
      return step(header, k.ci64(0), k.ci64(0), init, scales, zeros);
    Value bytes = k.ci64(p.inputs / w.unit() * w.unitBytes());
    return k.forRange(k.ceilDiv(tile.depth, k.ci64(p.inputs)), init, [&](Value s, ValueRange acc) {
      Value at = k.add(header, k.mul(s, bytes));
      return step(at, k.mul(s, k.ci64(p.inputs)), s, acc, scales, zeros);
    });
  }
  Value blocks = k.ceilDiv(tile.depth, k.ci64(w.group));
  return k.forRange(blocks, init, [&](Value block, ValueRange acc) {
    Value at = k.add(header, k.mul(block, k.ci64(w.blockBytes(0))));
    Value first = k.mul(block, k.ci64(w.group));
    prefetch(at, w.blockBytes(0));
    Values scales = blockScales(at), zeros = zerosAt(at);
    if (p.inputs == w.group)
      return step(at, first, block, acc, scales, zeros);
    Value left = k.min(k.ci64(w.group), k.sub(tile.depth, first));
    Value bytes = k.ci64(p.inputs / w.unit() * w.unitBytes());
    return k.forRange(k.ceilDiv(left, k.ci64(p.inputs)), acc, [&](Value s, ValueRange c) {
      Value number = k.add(k.mul(block, k.ci64(w.group / p.inputs)), s);
      return step(k.add(at, k.mul(s, bytes)), k.mul(number, k.ci64(p.inputs)), number, c, scales,
                  zeros);
    });
  });
}

//===-- The float core ------------------------------------------------------------------------===//

/// Whole units from `unit` on, one address per panel; `input` is their first in K.
BlockMicro::Values BlockMicro::mulUnits(ValueRange sums, ArrayRef<Value> unit, Value input,
                                        int64_t units, ValueRange zeros) {
  Values next(sums);
  for (int64_t u = 0; u < units; ++u) {
    SmallVector<SmallVector<Value>> planes;
    for (Value address : unit)
      planes.push_back(decoder.loadPlanes(k.bytePtr(address, k.ci64(u * w.unitBytes()))));
    for (int64_t s = 0; s < w.unit() / 4; ++s) {
      SmallVector<Value> bytes;
      for (int g = 0; g < tile.panels; ++g)
        bytes.push_back(decoder.joined(planes[g], static_cast<int>(s)));
      for (int i = 0; i < 4; ++i) {
        Values values;
        for (int g = 0; g < tile.panels; ++g)
          values.push_back(decoder.value(planes[g], bytes[g], static_cast<int>(s), i,
                                         zeros.empty() ? Value() : zeros[g]));
        Value at = k.add(input, k.ci64(u * w.unit() + 4 * s + i));
        for (int r = 0; r < tile.rows; ++r) {
          Value x = k.broadcast(k.load(aElem, tile.row[r], at));
          for (int g = 0; g < tile.panels; ++g) {
            Value &sum = next[r * tile.panels + g];
            sum = k.fma(x, values[g], sum);
          }
        }
      }
    }
  }
  return next;
}

/// Input `from` of the block that begins at input `first` of K: for what no whole unit holds.
BlockMicro::Values BlockMicro::mulOne(ValueRange sums, ArrayRef<Value> units, Value from,
                                      Value first, ValueRange zeros) {
  Value number = k.div(from, k.ci64(w.unit())), within = k.rem(from, k.ci64(w.unit()));
  Value sub = k.div(within, k.ci64(4)), bit = k.mul(k.rem(within, k.ci64(4)), k.ci64(8));
  Values next, values;
  for (int g = 0; g < tile.panels; ++g) {
    Value code, plane = k.mul(number, k.ci64(w.unitBytes()));
    int64_t done = 0;
    for (int width : w.planes()) {
      if (!width)
        break;
      int64_t perVector = 8 / width;
      Value at = k.add(plane, k.mul(k.div(sub, k.ci64(perVector)), k.ci64(64)));
      Value lanes = k.rawLoad(k.vec(k.i32()), k.bytePtr(units[g], at));
      Value shift = k.add(bit, k.mul(k.rem(sub, k.ci64(perVector)), k.ci64(width)));
      Value part = k.and_(k.shrU(lanes, k.broadcast(k.toI32(shift))), k.ci32((1 << width) - 1));
      part = k.shl(part, k.ci32(static_cast<int32_t>(done)));
      code = code ? k.or_(code, part) : part;
      plane = k.add(plane, k.ci64(w.unit() / 4 / perVector * 64));
      done += width;
    }
    values.push_back(decoder.valueOf(code, zeros.empty() ? Value() : zeros[g]));
  }
  for (int r = 0; r < tile.rows; ++r) {
    Value x = k.broadcast(k.load(aElem, tile.row[r], k.add(first, from)));
    for (int g = 0; g < tile.panels; ++g)
      next.push_back(k.fma(x, values[g], sums[r * tile.panels + g]));
  }
  return next;
}

BlockMicro::Values BlockMicro::runFloat() {
  decoder.beginValues(tile.table);
  Values init(tile.rows * tile.panels, k.broadcast(k.cf32(0)));
  int64_t unroll = std::max<int64_t>(1, 16 / w.unit()), chunk = unroll * w.unit();
  auto block = [&](Value at, Value first, Value inputs, ValueRange acc) {
    Values zeros, units;
    if (w.zeros != BlockZeros::None)
      for (Value zero : blockZeros(at))
        zeros.push_back(decoder.valueZeros(zero));
    for (Value panel : tile.panel)
      units.push_back(k.bytePtr(panel, at));
    Value whole = k.div(inputs, k.ci64(chunk));
    Values sums = k.forRange(whole, init, [&](Value c, ValueRange t) {
      Value offset = k.mul(c, k.ci64(unroll * w.unitBytes()));
      Values here;
      for (Value address : units)
        here.push_back(k.bytePtr(address, offset));
      if (!w.group)
        prefetch(k.add(at, offset), unroll * w.unitBytes());
      return mulUnits(t, here, k.add(first, k.mul(c, k.ci64(chunk))), unroll, zeros);
    });
    sums = k.forLoop(k.mul(whole, k.ci64(chunk)), inputs, k.ci64(1), sums,
                     [&](Value i, ValueRange t) { return mulOne(t, units, i, first, zeros); });
    Values next, scales = blockScales(at);
    for (int r = 0; r < tile.rows; ++r)
      for (int g = 0; g < tile.panels; ++g)
        next.push_back(k.fma(sums[r * tile.panels + g], scales[g], acc[r * tile.panels + g]));
    return next;
  };
  Value header = k.ci64(w.headerBytes());
  if (!w.group)
    return block(header, k.ci64(0), tile.depth, init);
  return k.forRange(k.ceilDiv(tile.depth, k.ci64(w.group)), init, [&](Value b, ValueRange acc) {
    Value at = k.add(header, k.mul(b, k.ci64(w.blockBytes(0))));
    Value first = k.mul(b, k.ci64(w.group));
    prefetch(at, w.blockBytes(0));
    return block(at, first, k.min(k.ci64(w.group), k.sub(tile.depth, first)), acc);
  });
}

BlockMicro::Values BlockMicro::run() {
  return p.core == BlockCore::Float ? runFloat() : runInteger();
}

} // namespace

Value blockPanelBytes(KernelBuilder &k, const BlockLayout &w, Value depth) {
  int64_t parts = kPanel * w.scaleBytes + w.zeroBytes();
  if (!w.group) {
    Value units = k.ceilDiv(depth, k.ci64(w.unit()));
    return k.add(k.mul(units, k.ci64(w.unitBytes())), k.ci64(parts + w.headerBytes()));
  }
  Value blocks = k.ceilDiv(depth, k.ci64(w.group));
  return k.add(k.mul(blocks, k.ci64(w.blockBytes(0))), k.ci64(w.headerBytes()));
}

KernelBuilder::Values emitBlockMicro(KernelBuilder &k, const MatmulSpec &spec,
                                     const BlockTile &tile) {
  return BlockMicro(k, spec, tile).run();
}

} // namespace qcc
