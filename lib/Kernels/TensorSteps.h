// Steps of K of products with codes in blocks, by tensor cores: what becomes of their sums.
#ifndef QCC_LIB_KERNELS_TENSORSTEPS_H
#define QCC_LIB_KERNELS_TENSORSTEPS_H

#include "BlockDecoder.h"
#include "TensorTiles.h"

namespace qcc {

/// Inputs of a step of K by tensor cores; 0 for all of K.
int64_t stepInputs(const BlockProduct &product);

/// What products of codes in blocks share, whether codes are decoded to shared memory or registers.
class TensorSteps {
public:
  using Value = mlir::Value;
  using Values = KernelBuilder::Values;
  TensorSteps(KernelBuilder &k, const MatmulSpec &spec, const MatmulOperands &o, TensorTile &tile,
              TensorTileAt at)
      : k(k), p(spec.block), o(o), tile(tile), at(at), a(spec.a) {}

  /// Inputs of a step, whose sum is scaled at once; 0 for all of K.
  int64_t inputs() const { return stepInputs(p); }
  /// Whether numbers are multiplied, not codes.
  bool reals() const { return p.core == BlockCore::Float; }
  /// Whether rows are f32, which products round to bf16.
  bool isWide() const { return reals() && a == Elem::F32; }
  int64_t inputBytes() const { return reals() ? elemBytes(a) : 1; } ///< of a row
  /// Whether codes of 8-bit floats are.
  bool float8() const { return p.core == BlockCore::Float8; }
  bool sumsReals() const { return reals() || float8(); }
  /// What products are of.
  TensorTile::Codes codes() const;
  bool hasZeros() const { return p.layout.zeros != BlockZeros::None; }
  /// Whether zero points, or the bias, are taken off sums of products rather than off codes.
  bool needsSums() const { return !sumsReals() && !fitsSignedBytes(p); }
  Values noSums() { return tile.noSums(sumsReals() ? k.f32() : k.i32()); }

  /// Begins to copy inputs `first` and on of the rows to where a stage has them.
  void copyRows(Value first, Value to, int64_t inputs, int64_t padding);

  /// Bytes of the numbers of a step in shared memory: a scale and a zero point for each column.
  int64_t numberBytes() const { return 2 * zerosAt(); }
  int64_t zerosAt() const { return tile.shape.columns * 4; }
  /// Writes a panel's scales, and its zero points as products take them off; null for none.
  void storeNumbers(Value scales, Value zeros, Value to, Value panel);
  /// The same of numbers that lie at `block` of a panel.
  void storeNumbers(BlockDecoder &decoder, Value from, Value block, Value to, Value panel);

  /// The sums of step `step` of K, times its scales, added to `acc`.
  Values scaled(mlir::ValueRange sums, Value numbers, Value step, mlir::ValueRange acc);

private:
  KernelBuilder &k;
  const BlockProduct &p;
  const MatmulOperands &o;
  TensorTile &tile;
  TensorTileAt at;
  const Elem a;
};

} // namespace qcc
#endif
