// Panels of codes in blocks that pass through shared memory as they are stored.
//
// Products by tensor cores decode words of them in registers: a thread loads those of its columns,
// of inputs that its quarter of a product has. Scales and zero points, which other threads need
// than have them, are unpacked beside.
#ifndef QCC_LIB_KERNELS_BLOCKSTAGES_H
#define QCC_LIB_KERNELS_BLOCKSTAGES_H

#include "BlockDecoder.h"
#include "TensorSteps.h"

namespace qcc {

/// Where the words of four quarters lie that have the same of their sub-vectors: of the first one,
/// and what the two bits of a quarter's number add, in bytes and in bits.
struct QuarterWords {
  int64_t byte, bit, high, low, highBits, lowBits;
};

class BlockStages {
public:
  using Value = mlir::Value;
  /// Stages of `depth` inputs, whole blocks of them.
  BlockStages(KernelBuilder &k, const BlockLayout &layout, const MatmulOperands &o, int64_t depth)
      : k(k), w(layout), o(o), depth(depth) {}
  /// At the start: values that all stages share.
  void begin();

  int64_t blocks() const { return w.group ? depth / w.group : 0; }
  /// Bytes of a stage of a panel, and those that it takes in shared memory, from a multiple of a
  /// copy's piece on.
  int64_t rawBytes() const {
    return w.group ? blocks() * w.blockBytes(0) : depth / w.unit() * w.unitBytes();
  }
  int64_t slotBytes() const;

  /// A panel; the last one where there is none of that number.
  Value panelAt(Value panel) { return k.bytePtr(o.b, offsetOfPanel(panel)); }
  /// Where the stage of a panel lies in its slot.
  Value shiftOf(Value panel, Value step);
  /// How far apart those of two panels that follow each other are.
  Value strideOf(Value panel, Value step);
  /// Begins to copy a stage of `count` panels to slots at `to`. Beyond the end of codes come zeros.
  void copy(Value panel, int64_t count, Value step, Value to);
  /// Unpacks the numbers of the panels of a stage in slots at `slots`, by the groups of a
  /// warpgroup, of which each always does the same panel of `count`. `super` is that panel's.
  void unpack(TensorSteps &steps, BlockDecoder &decoder, Value super, Value panel, int64_t count,
              Value step, Value slots, Value to);
  /// The super-scales of the panel that a group unpacks; null if there are none.
  Value superOf(Value panel, int64_t count);

  /// Words of a plane, `width` bits a code and `plane` bytes behind the block's codes: quarter q
  /// has that of sub-vector `sub(q)` of the stage.
  QuarterWords place(int64_t width, int64_t plane,
                     llvm::function_ref<int64_t(int64_t quarter)> sub) const;
  /// Bytes of a plane in a unit.
  int64_t planeBytes(int64_t width) const { return w.unit() / 4 * width * 8; }

private:
  bool isAligned() const;
  Value offsetOfPanel(Value panel);
  Value offsetOf(Value panel, Value step);

  KernelBuilder &k;
  const BlockLayout &w;
  const MatmulOperands &o;
  const int64_t depth;
  Value panelBytes, lastPanel;
};

} // namespace qcc
#endif
