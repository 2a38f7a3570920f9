// Few rows with codes in blocks, by tensor cores: as fast as memory gives the codes.
//
// Codes go to shared memory as they are stored, many stages ahead, so that memory always has
// requests. A warp of eight columns loads words of them straight to where a product takes its B,
// and decodes them there. Which inputs the four quarters of a product have is free: a thread has
// one or two sub-vectors that follow each other. Scales and zero points, which other threads need
// than have them, are unpacked to shared memory one stage ahead.
#include "BlockMicro.h"
#include "TensorSteps.h"
#include <bit>

using namespace mlir;

namespace qcc {
namespace {

/// Inputs of a stage; rows of f32 would take too much of it.
constexpr int64_t stageDepth(bool reals) { return reals ? 128 : 256; }
/// Pieces of copies begin at multiples of it, panels and blocks at multiples of half of it.
constexpr int64_t kPiece = 16;

class TensorFewRows {
public:
  using Values = KernelBuilder::Values;
  TensorFewRows(KernelBuilder &k, const BlockProduct &p, const MatmulOperands &o, TensorTile &tile,
                TensorTileAt at)
      : k(k), w(p.layout), o(o), tile(tile), at(at), steps(k, p, o, tile, at),
        decoder(k, p, 4 * subs()) {}
  void run();

private:
  int64_t depth() const { return stageDepth(steps.reals()); }
  /// Sub-vectors of a thread in a product, and inputs of that.
  int64_t subs() const { return steps.inputs() == 16 ? 1 : 2; }
  int64_t chunk() const { return 16 * subs(); }
  int64_t inputBytes() const { return steps.reals() ? 4 : 1; }
  /// Keeps what threads read at once in different banks.
  int64_t rowPadding() const {
    if (steps.reals())
      return subs() == 2 ? 16 : 64;
    return 16 * subs();
  }
  int64_t rowBytes() const { return depth() * inputBytes() + rowPadding(); }

  // A stage: rows of A, and as much of each panel.
  int64_t blocks() const { return w.group ? depth() / w.group : 0; }
  int64_t rawBytes() const {
    return w.group ? blocks() * w.blockBytes(0) : depth() / w.unit() * w.unitBytes();
  }
  /// Whether panels begin at pieces, and so do stages of them.
  bool isAligned() const { return w.blockBytes(0) % kPiece == 0; }
  int64_t slotBytes() const { return isAligned() ? rawBytes() : roundUp(rawBytes() + 8, kPiece); }
  int64_t rowsBytes() const { return tile.shape.rows * rowBytes(); }
  int64_t stageBytes() const { return rowsBytes() + tile.panels() * slotBytes(); }
  int64_t numbersBytes() const { return std::max<int64_t>(1, blocks()) * steps.numberBytes(); }

  Value here(Value base, int64_t offset) { return k.bytePtr(base, k.ci64(offset)); }
  Value groupHere() { return tile::PositionOp::create(k.builder(), k.loc()).getGroup(); }
  Value numbersAt(Value step);
  Value offsetOf(Value panel, Value step);
  Value shiftOf(Value panel, Value step);
  void begin(Value step, Value stage);
  void unpackNumbers(Value step, Value stage);
  Values planesOf(Value raw, Value stride, int64_t chunk);
  Values wordsOf(ArrayRef<Value> planes, Value zeros);
  Value zerosOf(Value numbers);
  Values multiply(Value stage, Value raw, Value stride, Value numbers, int64_t first,
                  int64_t inputs, ValueRange sums);
  Values use(Value step, Value stage, ValueRange carried, bool whole);

  KernelBuilder &k;
  const BlockLayout &w;
  const MatmulOperands &o;
  TensorTile &tile;
  TensorTileAt at;
  TensorSteps steps;
  BlockDecoder decoder;
  Value panelBytes, lastPanel, numbers, super;
};

//===-- Stages --------------------------------------------------------------------------------===//

/// Where a stage of a panel begins behind o.b; of the last panel where there is no such.
Value TensorFewRows::offsetOf(Value panel, Value step) {
  Value number = k.min(k.add(at.panel, panel), lastPanel);
  Value header = k.ci64(w.tableBytes() + w.headerBytes());
  return k.add(k.add(k.mul(number, panelBytes), header), k.mul(step, k.ci64(rawBytes())));
}

/// What lies in front of it in its slot.
Value TensorFewRows::shiftOf(Value panel, Value step) {
  return isAligned() ? k.ci64(0) : k.and_(offsetOf(panel, step), k.ci64(kPiece - 1));
}

void TensorFewRows::begin(Value step, Value stage) {
  Value first = k.mul(step, k.ci64(depth()));
  k.ifThen(k.lt(first, o.k), [&] {
    if (steps.reals()) {
      tile.copyReals(o, at.row, first, stage, depth(), rowPadding());
    } else {
      Value from = k.bytePtr(o.a, k.add(k.mul(at.row, o.aStride), first));
      tile.copyRows(from, o.aStride, k.sub(o.m, at.row), k.sub(o.k, first), stage, depth(),
                    rowPadding());
    }
    // What follows codes that end with K is none; times 0 it may be NaN.
    int64_t outside = w.headerBytes() + (w.group ? 0 : w.blockBytes(0));
    Value done = k.add(k.mul(step, k.ci64(rawBytes())), k.ci64(outside));
    Value present = k.min(k.sub(panelBytes, done), k.ci64(rawBytes()));
    for (int64_t panel = 0; panel < tile.panels(); ++panel) {
      Value offset = offsetOf(k.ci64(panel), step), shift = shiftOf(k.ci64(panel), step);
      tile::CopyAsyncOp::create(k.builder(), k.loc(), k.bytePtr(o.b, k.sub(offset, shift)),
                                k.ci64(0), k.ci64(1), k.add(present, shift),
                                here(stage, rowsBytes() + panel * slotBytes()), 1, slotBytes(),
                                kPiece, 0);
    }
  });
}

/// Those of a stage and the next one do not touch.
Value TensorFewRows::numbersAt(Value step) {
  return k.bytePtr(numbers, k.mul(k.and_(step, k.ci64(1)), k.ci64(numbersBytes())));
}

/// A group always does the same panel.
void TensorFewRows::unpackNumbers(Value step, Value stage) {
  Value group = groupHere(), to = numbersAt(step);
  int64_t items = tile.panels() * blocks();
  for (int64_t i = 0; i < items; i += tile::kBlockGroups) {
    Value item = k.add(group, k.ci64(i)), panel = k.and_(item, k.ci64(tile.panels() - 1));
    Value block = k.divU(item, k.ci64(tile.panels()));
    auto unpack = [&] {
      Value slot = k.add(k.mul(panel, k.ci64(slotBytes())), shiftOf(panel, step));
      Value from = k.bytePtr(here(stage, rowsBytes() + w.codeBytes(0)),
                             k.add(slot, k.mul(block, k.ci64(w.blockBytes(0)))));
      Value zeros;
      if (steps.hasZeros()) {
        zeros = decoder.zerosAt(here(from, kPanel * w.scaleBytes));
        zeros = steps.reals() ? decoder.valueZeros(zeros) : zeros;
      }
      steps.storeNumbers(decoder.scalesAt(from, super), zeros,
                         k.bytePtr(to, k.mul(block, k.ci64(steps.numberBytes()))), panel);
    };
    if (items < tile::kBlockGroups)
      k.ifThen(k.lt(item, k.ci64(items)), unpack);
    else
      unpack();
  }
}

//===-- Products ------------------------------------------------------------------------------===//

/// The planes of a thread's sub-vectors in a chunk, the first one in the lowest bits.
TensorFewRows::Values TensorFewRows::planesOf(Value raw, Value stride, int64_t number) {
  int64_t input = number * chunk(), block = w.group ? input / w.group : 0;
  int64_t firstSub = (input - block * w.group) / 4, unitSubs = w.unit() / 4, plane = 0;
  Values planes;
  for (int64_t width : w.planes()) {
    if (!width)
      break;
    int64_t perVector = 8 / width;
    // The byte and the bit of a quarter's sub-vector `v`: sums of what both bits of it add.
    auto place = [&](int64_t quarter, int64_t v) {
      int64_t sub = firstSub + subs() * quarter + v, within = sub % unitSubs;
      return std::pair(sub / unitSubs * w.unitBytes() + plane + within / perVector * 64,
                       within % perVector * width);
    };
    for (int64_t v = 0; v < (width == 8 ? subs() : 1); ++v) {
      auto [byte, bit] = place(0, v);
      auto [lowByte, lowBit] = place(1, v);
      auto [highByte, highBit] = place(2, v);
      assert(place(3, v) == std::pair(lowByte + highByte - byte, lowBit + highBit - bit));
      Value word = tile::LoadWordsOp::create(
          k.builder(), k.loc(), k.vec(k.i32()), here(raw, block * w.blockBytes(0) + byte), stride,
          highByte - byte, lowByte - byte, highBit - bit, lowBit - bit);
      if (bit)
        word = k.shrU(word, k.ci32(static_cast<int32_t>(bit)));
      planes.push_back(k.bitcast(word, decoder.byteVector()));
    }
    plane += unitSubs / perVector * 64;
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
      words.push_back(decoder.signedCodes(planes, sub, zeros));
      continue;
    }
    Values values;
    Value joined = decoder.joined(planes, sub);
    for (int i = 0; i < 4; ++i)
      values.push_back(decoder.value(planes, joined, sub, i, zeros));
    for (int i = 0; i < 2; ++i) {
      Value two = k.shuffle(values[i], values[i + 2], pairs);
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
TensorFewRows::Values TensorFewRows::multiply(Value stage, Value raw, Value stride, Value numbers,
                                              int64_t first, int64_t inputs, ValueRange sums) {
  Value sum = sums[0], zeros = zerosOf(numbers);
  for (int64_t c = first / chunk(); c < (first + inputs) / chunk(); ++c)
    sum = tile::MultiplyWordsOp::create(k.builder(), k.loc(), sum.getType(), sum,
                                        here(stage, c * chunk() * inputBytes()),
                                        wordsOf(planesOf(raw, stride, c), zeros), rowBytes());
  return {sum};
}

/// `carried` are results so far, or sums, if all of K is a step. `whole`: all steps of it exist.
TensorFewRows::Values TensorFewRows::use(Value step, Value stage, ValueRange carried, bool whole) {
  Value shift = shiftOf(k.ci64(0), step), now = w.group ? numbersAt(step) : numbers;
  Value stride = k.add(k.ci64(slotBytes()), k.sub(shiftOf(k.ci64(1), step), shift));
  Value raw = k.bytePtr(here(stage, rowsBytes()), shift);
  if (!steps.inputs())
    return multiply(stage, raw, stride, now, 0, depth(), carried);
  int64_t inputs = steps.inputs(), count = depth() / inputs;
  Values acc(carried);
  for (int64_t t = 0; t < count; ++t) {
    Value number = k.add(k.mul(step, k.ci64(count)), k.ci64(t));
    Value own = here(now, w.group ? t * inputs / w.group * steps.numberBytes() : 0);
    auto add = [&] {
      Values sums = multiply(stage, raw, stride, own, t * inputs, inputs, steps.noSums());
      return steps.scaled(sums, own, number, acc);
    };
    Value exists = k.lt(k.mul(number, k.ci64(inputs)), o.k);
    acc = t && !whole ? k.ifElse(exists, ValueRange(acc).getTypes(), add, [&] { return acc; })
                      : add();
  }
  return acc;
}

void TensorFewRows::run() {
  panelBytes = blockPanelBytes(k, w, o.k);
  lastPanel = k.sub(k.ceilDiv(o.n, k.ci64(kPanel)), k.ci64(1));
  Ring ring = Ring::of(k.target(), stageBytes(), 2 * numbersBytes());
  Value base = k.bytePtr(o.b, k.ci64(w.tableBytes()));
  ring.base = tile::SharedOp::create(k.builder(), k.loc(), k.ptrType(),
                                     ring.stages * ring.bytes + 2 * numbersBytes());
  numbers = here(ring.base, ring.stages * ring.bytes);
  if (steps.reals())
    decoder.beginValues(o.b);
  auto panelOf = [&](Value panel) {
    return k.bytePtr(base, k.mul(k.min(k.add(at.panel, panel), lastPanel), panelBytes));
  };
  Value group = groupHere();
  if (w.twoLevel)
    super = k.vload(Elem::F32, panelOf(k.and_(group, k.ci64(tile.panels() - 1))));
  if (!w.group)
    k.ifThen(k.lt(group, k.ci64(tile.panels())), [&] {
      steps.storeNumbers(decoder, panelOf(group), k.ci64(w.headerBytes()), numbers, group);
    });
  Values results = runRingAhead(
      k, ring, k.ceilDiv(o.k, k.ci64(depth())),
      steps.inputs() ? tile.noSums(k.f32()) : steps.noSums(),
      [&](Value step, Value stage) { begin(step, stage); },
      [&](Value step, Value stage) { unpackNumbers(step, stage); },
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
  int64_t group = p.layout.group, inputs = reals ? group : p.inputs, depth = stageDepth(reals);
  auto fits = [&](int64_t n) {
    return !n || (std::has_single_bit(uint64_t(n)) && n >= 16 && n <= depth);
  };
  return fits(group) && fits(inputs) && (inputs || !group);
}

void emitFewRowSums(KernelBuilder &k, const BlockProduct &p, const MatmulOperands &o,
                    TensorTile &tile, TensorTileAt at) {
  TensorFewRows(k, p, o, tile, at).run();
}

} // namespace qcc
