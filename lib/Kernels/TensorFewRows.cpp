// Few rows with codes in blocks, by tensor cores: as fast as memory gives the codes.
//
// Codes go to shared memory as they are stored, many stages ahead, so that memory always has
// requests. A warp of eight columns loads words of them straight to where a product takes its B,
// and decodes them there. Which inputs the four quarters of a product have is free: a thread has
// one or two sub-vectors that follow each other. Scales and zero points, which other threads need
// than have them, are unpacked to shared memory one stage ahead.
#include "BlockStages.h"
#include <bit>

using namespace mlir;

namespace qcc {
namespace {

/// Inputs of a stage; rows of f32 would take too much of it.
constexpr int64_t stageDepth(bool reals) { return reals ? 128 : 256; }

class TensorFewRows {
public:
  using Values = KernelBuilder::Values;
  TensorFewRows(KernelBuilder &k, const MatmulSpec &spec, const MatmulOperands &o, TensorTile &tile,
                TensorTileAt at)
      : k(k), w(spec.block.layout), o(o), tile(tile), at(at), steps(k, spec, o, tile, at),
        decoder(k, spec.block, 4 * subs()), raw(k, w, o, depth()) {}
  void run();

private:
  int64_t depth() const { return stageDepth(steps.reals()); }
  /// Sub-vectors of a thread in a product, and inputs of that.
  int64_t subs() const { return steps.inputs() == 16 ? 1 : 2; }
  int64_t chunk() const { return 16 * subs(); }
  /// Keeps what threads read at once in different banks.
  int64_t rowPadding() const {
    if (steps.isWide())
      return subs() == 2 ? 16 : 64;
    return 16 * subs() * steps.inputBytes();
  }
  int64_t rowBytes() const { return depth() * steps.inputBytes() + rowPadding(); }

  // A stage: rows of A, and as much of each panel.
  int64_t rowsBytes() const { return tile.shape.rows * rowBytes(); }
  int64_t stageBytes() const { return rowsBytes() + tile.panels() * raw.slotBytes(); }
  int64_t numbersBytes() const { return std::max<int64_t>(1, raw.blocks()) * steps.numberBytes(); }

  Value here(Value base, int64_t offset) { return k.bytePtr(base, k.ci64(offset)); }
  Value groupHere() { return tile::PositionOp::create(k.builder(), k.loc()).getGroup(); }
  Value numbersAt(Value step);
  void begin(Value step, Value stage);
  Values planesOf(Value from, Value stride, int64_t chunk);
  Values wordsOf(ArrayRef<Value> planes, Value zeros);
  Value zerosOf(Value numbers);
  Values multiply(Value stage, Value from, Value stride, Value numbers, int64_t first,
                  int64_t inputs, ValueRange sums);
  Values use(Value step, Value stage, ValueRange carried, bool whole);

  KernelBuilder &k;
  const BlockLayout &w;
  const MatmulOperands &o;
  TensorTile &tile;
  TensorTileAt at;
  TensorSteps steps;
  BlockDecoder decoder;
  BlockStages raw;
  Value numbers;
};

//===-- Stages --------------------------------------------------------------------------------===//

void TensorFewRows::begin(Value step, Value stage) {
  Value first = k.mul(step, k.ci64(depth()));
  k.ifThen(k.lt(first, o.k), [&] {
    steps.copyRows(first, stage, depth(), rowPadding());
    raw.copy(at.panel, tile.panels(), step, here(stage, rowsBytes()));
  });
}

/// Those of a stage and the next one do not touch.
Value TensorFewRows::numbersAt(Value step) {
  return k.bytePtr(numbers, k.mul(k.and_(step, k.ci64(1)), k.ci64(numbersBytes())));
}

//===-- Products ------------------------------------------------------------------------------===//

/// The planes of a thread's sub-vectors in a chunk, the first one in the lowest bits.
TensorFewRows::Values TensorFewRows::planesOf(Value from, Value stride, int64_t number) {
  int64_t firstSub = number * chunk() / 4, plane = 0;
  Values planes;
  for (int64_t width : w.planes()) {
    if (!width)
      break;
    for (int64_t v = 0; v < (width == 8 ? subs() : 1); ++v) {
      QuarterWords at =
          raw.place(width, plane, [&](int64_t q) { return firstSub + subs() * q + v; });
      Value word =
          tile::LoadWordsOp::create(k.builder(), k.loc(), k.vec(k.i32()), here(from, at.byte),
                                    stride, at.high, at.low, at.highBits, at.lowBits);
      if (at.bit)
        word = k.shrU(word, k.ci32(static_cast<int32_t>(at.bit)));
      planes.push_back(k.bitcast(word, decoder.byteVector()));
    }
    plane += raw.planeBytes(width);
  }
  return planes;
}

/// What tile.multiply_words takes.
TensorFewRows::Values TensorFewRows::wordsOf(ArrayRef<Value> planes, Value zeros) {
  Values words;
  SmallVector<int64_t> pairs;
  for (int64_t l = 0; l < kLanes; ++l)
    pairs.append({l, kLanes + l});
  for (int sub = 0; sub < static_cast<int>(subs()); ++sub) {
    if (!steps.reals()) {
      words.push_back(steps.float8() ? k.bitcast(planes[sub], k.vec(k.i32()))
                                     : decoder.signedCodes(planes, sub, zeros));
      continue;
    }
    Values values;
    Value joined = decoder.joined(planes, sub);
    for (int i = 0; i < 4; ++i)
      values.push_back(decoder.value(planes, joined, sub, i, zeros));
    for (int i = 0; i < 2; ++i) {
      Value two = steps.isWide() ? k.shuffle(values[i], values[i + 2], pairs)
                                 : k.shuffle(values[2 * i], values[2 * i + 1], pairs);
      two = tile::ToBf16Op::create(k.builder(), k.loc(),
                                   k.vec(k.builder().getBF16Type(), 2 * kLanes), two);
      words.push_back(k.bitcast(two, k.vec(k.i32())));
    }
  }
  return words;
}

/// The zero points of the columns whose words a thread has; null where none are taken off.
Value TensorFewRows::zerosOf(Value numbers) {
  if (!steps.hasZeros() || steps.needsSums())
    return {};
  Value zeros =
      tile::LoadWordsOp::create(k.builder(), k.loc(), k.vec(k.i32()),
                                here(numbers, steps.zerosAt()), k.ci64(kPanel * 4), 0, 0, 0, 0);
  return steps.reals() ? k.bitcast(zeros, k.vec(k.f32())) : zeros;
}

/// Adds the products of `inputs` from `first` on, which are of one block.
TensorFewRows::Values TensorFewRows::multiply(Value stage, Value from, Value stride, Value numbers,
                                              int64_t first, int64_t inputs, ValueRange sums) {
  Value sum = sums[0], zeros = zerosOf(numbers);
  for (int64_t c = first / chunk(); c < (first + inputs) / chunk(); ++c)
    sum = tile::MultiplyWordsOp::create(
        k.builder(), k.loc(), sum.getType(), sum, here(stage, c * chunk() * steps.inputBytes()),
        wordsOf(planesOf(from, stride, c), zeros), rowBytes(),
        /*narrow=*/steps.reals() && !steps.isWide(),
        TensorTile::float8Of(k.builder().getContext(), steps.codes()),
        steps.float8() && !k.target().hasFloat8Products());
  return {sum};
}

/// `carried` are results so far, or sums, if all of K is a step. `whole`: all steps of it exist.
TensorFewRows::Values TensorFewRows::use(Value step, Value stage, ValueRange carried, bool whole) {
  Value now = w.group ? numbersAt(step) : numbers, stride = raw.strideOf(at.panel, step);
  Value from = k.bytePtr(here(stage, rowsBytes()), raw.shiftOf(at.panel, step));
  if (!steps.inputs())
    return multiply(stage, from, stride, now, 0, depth(), carried);
  int64_t inputs = steps.inputs(), count = depth() / inputs;
  Values acc(carried);
  for (int64_t t = 0; t < count; ++t) {
    Value number = k.add(k.mul(step, k.ci64(count)), k.ci64(t));
    Value own = here(now, w.group ? t * inputs / w.group * steps.numberBytes() : 0);
    auto add = [&] {
      Values sums = multiply(stage, from, stride, own, t * inputs, inputs, steps.noSums());
      return steps.scaled(sums, own, number, acc);
    };
    Value exists = k.lt(k.mul(number, k.ci64(inputs)), o.k);
    acc = t && !whole ? k.ifElse(exists, ValueRange(acc).getTypes(), add, [&] { return acc; })
                      : add();
  }
  return acc;
}

void TensorFewRows::run() {
  raw.begin();
  Ring ring = Ring::of(k, stageBytes(), 2 * numbersBytes());
  ring.base = tile::SharedOp::create(k.builder(), k.loc(), k.ptrType(),
                                     ring.stages * ring.bytes + 2 * numbersBytes());
  numbers = here(ring.base, ring.stages * ring.bytes);
  if (steps.reals())
    decoder.beginValues(o.b);
  Value group = groupHere(), super = raw.superOf(at.panel, tile.panels());
  if (!w.group)
    k.ifThen(k.lt(group, k.ci64(tile.panels())), [&] {
      steps.storeNumbers(decoder, raw.panelAt(k.add(at.panel, group)), k.ci64(w.headerBytes()),
                         numbers, group);
    });
  Values results = runRingAhead(
      k, ring, k.ceilDiv(o.k, k.ci64(depth())),
      steps.inputs() ? tile.noSums(k.f32()) : steps.noSums(),
      [&](Value step, Value stage) { begin(step, stage); },
      [&](Value step, Value stage) {
        raw.unpack(steps, decoder, super, at.panel, tile.panels(), step, here(stage, rowsBytes()),
                   numbersAt(step));
      },
      [&](Value step, Value stage, ValueRange c) {
        if (!steps.inputs() || steps.inputs() == depth())
          return use(step, stage, c, true);
        Value end = k.mul(k.add(step, k.ci64(1)), k.ci64(depth()));
        return k.ifElse(
            k.le(end, o.k), c.getTypes(), [&] { return use(step, stage, c, true); },
            [&] { return use(step, stage, c, false); });
      });
  if (!steps.inputs())
    results = steps.scaled(results, numbers, k.ci64(0), tile.noSums(k.f32()));
  tile::BarrierOp::create(k.builder(), k.loc());
  tile.store(results, ring.base);
}

} // namespace

bool fitsFewRows(const BlockProduct &p) {
  bool reals = p.core == BlockCore::Float;
  int64_t group = p.layout.group, inputs = stepInputs(p), depth = stageDepth(reals);
  auto fits = [&](int64_t n) {
    return !n || (std::has_single_bit(uint64_t(n)) && n >= 16 && n <= depth);
  };
  return fits(group) && fits(inputs) && (inputs || !group);
}

void emitFewRowSums(KernelBuilder &k, const MatmulSpec &spec, const MatmulOperands &o,
                    TensorTile &tile, TensorTileAt at) {
  TensorFewRows(k, spec, o, tile, at).run();
}

} // namespace qcc
