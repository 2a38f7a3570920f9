// Codes, scales and zero points of panels in blocks (BlockLayout) as vectors.
#ifndef QCC_LIB_KERNELS_BLOCKDECODER_H
#define QCC_LIB_KERNELS_BLOCKDECODER_H

#include "qcc/Kernels/Matmul.h"

namespace qcc {

int largestInteger(const BlockProduct &product);
int32_t integerBias(const BlockProduct &product);
/// Whether codes fit signed bytes once zero points or the bias are taken off.
bool fitsSignedBytes(const BlockProduct &product);
/// Else this is taken off the codes, and off the zero points.
constexpr int32_t kSignShift = 128;

class BlockDecoder {
public:
  using Value = mlir::Value;
  /// At the start of a function: a table of codes is a constant that all its code shares.
  BlockDecoder(KernelBuilder &k, const BlockProduct &product);

  mlir::VectorType byteVector() { return k.vec(k.builder().getI8Type(), 64); }

  /// Bytes of a block's codes; a panel of one block has as many as K, `depth`, asks for.
  Value codeBytes(Value depth);
  /// The scales of the block at `offset` of a panel, f32, times the unit of the integers.
  Value scales(Value panel, Value offset, Value depth);
  /// Its zero points: i32, or f32 where they are stored as floats.
  Value zeros(Value panel, Value offset, Value depth);

  /// The vectors of a unit, plane after plane.
  llvm::SmallVector<Value> loadPlanes(Value unit);
  /// The codes of a sub-vector of a unit, one a byte, times 2^shift.
  Value subCodes(llvm::ArrayRef<Value> planes, int sub, int shift);
  /// What integer cores multiply: unsigned bytes up to largestInteger(), too large by
  /// integerBias() where no zero point is taken off.
  Value integerCodes(llvm::ArrayRef<Value> planes, int sub);
  /// The same as signed bytes, in words of four: less `zeros` or, where they are null, the bias, if
  /// fitsSignedBytes(), else less kSignShift.
  Value signedCodes(llvm::ArrayRef<Value> planes, int sub, Value zeros);

private:
  Value byteField(Value vector, int from, int width, int to);
  float unit() const { return p.value == CodeValue::Float4E2M1 ? 0.5f : p.unit; }

  KernelBuilder &k;
  const BlockProduct &p;
  const BlockLayout &w;
  Value table; ///< integers behind codes that are not evenly spaced
};

} // namespace qcc
#endif
