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
  /// At the start of a function: a table of codes is a constant that all its code shares. `inputs`
  /// are those of the planes that codes are taken from, in place of a unit.
  BlockDecoder(KernelBuilder &k, const BlockProduct &product, int64_t inputs = 0);

  mlir::VectorType byteVector() { return k.vec(k.builder().getI8Type(), 64); }

  /// Bytes of a block's codes; a panel of one block has as many as K, `depth`, asks for.
  Value codeBytes(Value depth);
  /// The scales of the block at `offset` of a panel, f32, times the unit of the integers.
  Value scales(Value panel, Value offset, Value depth);
  /// The same of those at `at`; `super` multiplies them, if they have two levels.
  Value scalesAt(Value at, Value super);
  /// Its zero points: i32, or f32 where they are stored as floats.
  Value zeros(Value panel, Value offset, Value depth) {
    return zerosAt(k.bytePtr(panel, k.add(offset, zerosBehind(depth))));
  }
  Value zerosAt(Value at);
  /// Where zero points begin in a block.
  Value zerosBehind(Value depth) { return k.add(codeBytes(depth), k.ci64(kPanel * w.scaleBytes)); }

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

  /// Before the float core asks for values: what it looks them up in, with `memory` the table in
  /// front of panel 0.
  void beginValues(Value memory);
  /// Zero points of a block as values take them off.
  Value valueZeros(Value zeros);
  /// The bytes of a sub-vector, where codes have several planes; else null.
  Value joined(llvm::ArrayRef<Value> planes, int sub) {
    return (w.bits & (w.bits - 1)) != 0 ? subCodes(planes, sub, 0) : Value();
  }
  /// The value of one input of a sub-vector less zero points (null for none), as f32.
  Value value(llvm::ArrayRef<Value> planes, Value joined, int sub, int input, Value zeros) {
    return valueOf(field(planes, joined, sub, input), zeros);
  }
  /// The value of codes as i32.
  Value valueOf(Value code, Value zeros);

private:
  Value byteField(Value vector, int from, int width, int to);
  Value field(llvm::ArrayRef<Value> planes, Value bytes, int sub, int input);
  bool looksUpValues() const;
  bool valuesInRegister() const { return p.value == CodeValue::Float4E2M1 || p.layout.bits <= 4; }
  float unit() const { return p.value == CodeValue::Float4E2M1 ? 0.5f : p.unit; }

  KernelBuilder &k;
  const BlockProduct &p;
  const BlockLayout &w;
  const int64_t inputs;
  Value table;           ///< integers behind codes that are not evenly spaced
  Value entries, memory; ///< values behind codes: up to 16, and any number
};

} // namespace qcc
#endif
