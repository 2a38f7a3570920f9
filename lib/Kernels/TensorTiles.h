// Tiles of products by tensor cores: what kinds of products share.
#ifndef QCC_LIB_KERNELS_TENSORTILES_H
#define QCC_LIB_KERNELS_TENSORTILES_H

#include "Tile/Tile.h"
#include "qcc/Kernels/Matmul.h"

namespace qcc {

/// Bytes of K that a slice of a tile takes at once, and what padding makes of them: of a row of A,
/// and of a panel.
constexpr int64_t kSliceDepth = 64, kRowPadding = 16;
constexpr int64_t kPanelRun = 128, kPanelPadding = 32;
/// Padding of rows of f32, of which a slice has 128 bytes: threads read eight of them at a time.
constexpr int64_t kWidePadding = 32;
constexpr int64_t paddedPanel(int64_t depth) {
  return depth * kPanel / kPanelRun * (kPanelRun + kPanelPadding);
}

/// Numbers behind a row of sums, as tile.store_sums leaves them.
constexpr int64_t kSumsPadding = 4;

/// Operations on a tile of one shape.
class TensorTile {
public:
  using Value = mlir::Value;
  using Values = KernelBuilder::Values;
  TensorTile(KernelBuilder &k, tile::SumsShape shape) : shape(shape), k(k) {}

  const tile::SumsShape shape;
  int64_t panels() const { return shape.columns / kPanel; }
  /// Bytes of K in a stage: all slices.
  int64_t depth() const { return shape.slices * kSliceDepth; }
  int64_t rowBytes() const { return depth() + kRowPadding; }
  /// The same of rows of f32 that are rounded to bf16 when multiplied.
  int64_t wideRowBytes() const { return 2 * depth() + kWidePadding; }
  int64_t panelBytes() const { return paddedPanel(depth()); }
  int64_t rowsBytes() const { return shape.rows * rowBytes(); }
  int64_t wideRowsBytes() const { return shape.rows * wideRowBytes(); }
  int64_t resultBytes() const {
    return shape.slices * shape.rows * (shape.columns + kSumsPadding) * 4;
  }

  /// What A is in products: B is signed bytes, bf16 where A is bf16 (Pairs) or f32 (Reals), and
  /// 8-bit floats of the kind that is named where A is f8e4m3.
  enum class Codes { Unsigned, Signed, Pairs, Reals, Float8E4M3, Float8E5M2 };
  /// The type of B's 8-bit floats; null for other codes.
  static mlir::TypeAttr float8Of(mlir::MLIRContext *context, Codes codes);
  static bool isFloat8(Codes codes) {
    return codes == Codes::Float8E4M3 || codes == Codes::Float8E5M2;
  }
  Values noSums(mlir::Type element);
  /// Adds products over `bytes` of K; `aStride` and `bStride` are those of rows and panels.
  Values multiply(mlir::ValueRange sums, Value a, int64_t aStride, Value b, int64_t bStride,
                  int64_t bytes, Codes codes);
  Values byColumn(Value numbers, mlir::Type element);
  Values byRow(Value numbers, Value stride, Value last, mlir::Type element);
  void store(mlir::ValueRange sums, Value to);

  /// Begins to copy rows of `bytes` bytes, as far as they exist, to where a stage has its rows.
  void copyRows(Value from, Value stride, Value rows, Value bytes, Value to, int64_t width,
                int64_t padding = kRowPadding);
  /// The same of inputs `first` and on of rows of f32, which may begin at any number.
  void copyReals(const MatmulOperands &o, Value row, Value first, Value to, int64_t inputs,
                 int64_t padding);
  /// The same of panels.
  void copyPanels(Value from, Value stride, Value panels, Value bytes, Value to);

private:
  llvm::SmallVector<mlir::Type> vectors(int64_t count, mlir::Type element);

  KernelBuilder &k;
};

/// Stages of shared memory that are filled in turn while others are used.
struct Ring {
  int64_t stages, bytes; ///< of a stage
  mlir::Value base;

  /// As many stages as leave room for two blocks, or for the warpgroups of one, each with `beside`
  /// bytes more; at least three, or two where three of them share.
  static Ring of(KernelBuilder &k, int64_t bytes, int64_t beside = 0);
};

/// For steps 0 to `steps` - 1: sums = use(step, stage, sums), when the copies that begin(step,
/// stage) began are there, and the values that it gave have been passed to finish(values, stage).
/// These run ahead of `use`, for steps beyond the last as well. In the end nothing uses the ring.
KernelBuilder::Values
runRing(KernelBuilder &k, const Ring &ring, mlir::Value steps, mlir::ValueRange sums,
        llvm::function_ref<KernelBuilder::Values(mlir::Value, mlir::Value)> begin,
        llvm::function_ref<void(mlir::ValueRange, mlir::Value)> finish,
        llvm::function_ref<KernelBuilder::Values(mlir::Value, mlir::Value, mlir::ValueRange)> use);

/// The same, but begin() only begins copies, and unpack(step, stage) finds them done one step
/// before `use`, for steps that exist.
KernelBuilder::Values runRingAhead(
    KernelBuilder &k, const Ring &ring, mlir::Value steps, mlir::ValueRange sums,
    llvm::function_ref<void(mlir::Value, mlir::Value)> begin,
    llvm::function_ref<void(mlir::Value, mlir::Value)> unpack,
    llvm::function_ref<KernelBuilder::Values(mlir::Value, mlir::Value, mlir::ValueRange)> use);

/// A tile of a product: its first row and panel.
struct TensorTileAt {
  mlir::Value row, panel;
};

/// Sums in shared memory, as tile.store_sums leaves them, of rows and panels of which some may not
/// exist.
struct TensorSums {
  TensorTileAt at;
  mlir::Value rows, panels, base;
  mlir::Value slices; ///< how many numbers make a sum, one if null
};

/// What a product that is not of blocks multiplies.
TensorTile::Codes codesOf(const MatmulSpec &spec);
/// Whether rows and panels are both words of K that are multiplied as they lie in memory.
bool hasWordRows(const MatmulSpec &spec);

/// Computes the sums of a tile, scaled by step and block but not yet by row, and leaves them at
/// `shared` as tile.store_sums does. Of words, K and rows of A are counted in bytes.
void emitWordSums(KernelBuilder &k, TensorTile::Codes codes, const MatmulOperands &o,
                  TensorTile &tile, TensorTileAt at);
void emitPairSums(KernelBuilder &k, const MatmulOperands &o, TensorTile &tile, TensorTileAt at);
void emitBlockSums(KernelBuilder &k, const MatmulSpec &spec, const MatmulOperands &o,
                   TensorTile &tile, TensorTileAt at);
/// Whether emitBlockSums() computes it.
bool fitsTensorBlocks(const BlockProduct &product);
/// The same for a tile of 16 rows, and whether it does.
void emitFewRowSums(KernelBuilder &k, const MatmulSpec &spec, const MatmulOperands &o,
                    TensorTile &tile, TensorTileAt at);
bool fitsFewRows(const BlockProduct &product);

} // namespace qcc
#endif
