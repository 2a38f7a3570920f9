// Copies of panels in blocks, and where their words are; see BlockStages.h.
#include "BlockStages.h"
#include "BlockMicro.h"

using namespace mlir;

namespace qcc {

/// Pieces of copies begin at multiples of it, panels and blocks at multiples of half of it.
static constexpr int64_t kPiece = 16;

void BlockStages::begin() {
  panelBytes = blockPanelBytes(k, w, o.k);
  lastPanel = k.sub(k.ceilDiv(o.n, k.ci64(kPanel)), k.ci64(1));
}

/// Whether panels begin at pieces, and so do stages of them.
bool BlockStages::isAligned() const { return w.blockBytes(0) % kPiece == 0; }

int64_t BlockStages::slotBytes() const {
  return isAligned() ? rawBytes() : roundUp(rawBytes() + 8, kPiece);
}

Value BlockStages::offsetOfPanel(Value panel) {
  return k.add(k.ci64(w.tableBytes()), k.mul(k.min(panel, lastPanel), panelBytes));
}

/// Where a stage of a panel begins behind o.b.
Value BlockStages::offsetOf(Value panel, Value step) {
  Value codes = k.add(offsetOfPanel(panel), k.ci64(w.headerBytes()));
  return k.add(codes, k.mul(step, k.ci64(rawBytes())));
}

Value BlockStages::shiftOf(Value panel, Value step) {
  return isAligned() ? k.ci64(0) : k.and_(offsetOf(panel, step), k.ci64(kPiece - 1));
}

Value BlockStages::strideOf(Value panel, Value step) {
  Value next = shiftOf(k.add(panel, k.ci64(1)), step);
  return k.add(k.ci64(slotBytes()), k.sub(next, shiftOf(panel, step)));
}

void BlockStages::copy(Value first, int64_t count, Value step, Value to) {
  // What follows codes that end with K is none; times 0 it may be NaN.
  int64_t outside = w.headerBytes() + (w.group ? 0 : w.blockBytes(0));
  Value done = k.add(k.mul(step, k.ci64(rawBytes())), k.ci64(outside));
  Value present = k.min(k.sub(panelBytes, done), k.ci64(rawBytes()));
  for (int64_t i = 0; i < count; ++i) {
    Value panel = k.add(first, k.ci64(i)), shift = shiftOf(panel, step);
    tile::CopyAsyncOp::create(k.builder(), k.loc(),
                              k.bytePtr(o.b, k.sub(offsetOf(panel, step), shift)), k.ci64(0),
                              k.ci64(1), k.add(present, shift),
                              k.bytePtr(to, k.ci64(i * slotBytes())), 1, slotBytes(), kPiece, 0);
  }
}

Value BlockStages::superOf(Value panel, int64_t count) {
  if (!w.twoLevel)
    return {};
  Value group = tile::PositionOp::create(k.builder(), k.loc()).getGroup();
  return k.vload(Elem::F32, panelAt(k.add(panel, k.and_(group, k.ci64(count - 1)))));
}

void BlockStages::unpack(TensorSteps &steps, BlockDecoder &decoder, Value super, Value first,
                         int64_t count, Value step, Value slots, Value to) {
  Value group = tile::PositionOp::create(k.builder(), k.loc()).getGroup();
  int64_t items = count * blocks();
  for (int64_t i = 0; i < items; i += tile::kBlockGroups) {
    Value item = k.add(group, k.ci64(i)), panel = k.and_(item, k.ci64(count - 1));
    Value block = k.divU(item, k.ci64(count));
    auto unpack = [&] {
      Value slot = k.add(k.mul(panel, k.ci64(slotBytes())), shiftOf(k.add(first, panel), step));
      Value from = k.bytePtr(k.bytePtr(slots, k.ci64(w.codeBytes(0))),
                             k.add(slot, k.mul(block, k.ci64(w.blockBytes(0)))));
      Value zeros;
      if (steps.hasZeros()) {
        zeros = decoder.zerosAt(k.bytePtr(from, k.ci64(kPanel * w.scaleBytes)));
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

QuarterWords BlockStages::place(int64_t width, int64_t plane,
                                llvm::function_ref<int64_t(int64_t)> subOf) const {
  int64_t perVector = 8 / width, unitSubs = w.unit() / 4;
  // The byte and the bit of a quarter's word: sums of what both bits of it add.
  auto at = [&](int64_t quarter) {
    int64_t sub = subOf(quarter), block = w.group ? 4 * sub / w.group : 0;
    sub -= block * w.group / 4;
    int64_t within = sub % unitSubs, unit = sub / unitSubs * w.unitBytes();
    return std::pair(block * w.blockBytes(0) + unit + plane + within / perVector * 64,
                     within % perVector * width);
  };
  auto [byte, bit] = at(0);
  auto [lowByte, lowBit] = at(1);
  auto [highByte, highBit] = at(2);
  assert(at(3) == std::pair(lowByte + highByte - byte, lowBit + highBit - bit));
  return {byte, bit, highByte - byte, lowByte - byte, highBit - bit, lowBit - bit};
}

} // namespace qcc
