// Values of recipes as matrices that are read row by row, whatever they are stored as.
#ifndef QCC_LIB_PACK_WEIGHTMATRIX_H
#define QCC_LIB_PACK_WEIGHTMATRIX_H

#include "qcc/Algorithms/WeightCodec.h"
#include "qcc/Reference/Interpreter.h"
#include "llvm/ADT/SmallVector.h"

namespace qcc::pack {

/// A dense tensor read through strides, perhaps widened to f32 on the way.
struct StridedView {
  const char *data = nullptr;
  mlir::Type stored;  ///< element type of the bytes
  mlir::Type element; ///< what it counts as: `stored`, or f32 over f16 or bf16
  llvm::SmallVector<int64_t> dims, strides; ///< strides in elements
  std::shared_ptr<const void> owner;

  static StridedView of(const reference::Tensor &tensor);
  int64_t size() const;
  int64_t storedBytes() const;
  bool isDense() const; ///< row-major without gaps
  bool isFloat() const; ///< f32, or 16 bits
  /// A copy with the element type and row-major order, or a view of the bytes where they are so.
  reference::Tensor toTensor() const;
  /// Elements [first, last) in row-major order, as `element`, to `out`.
  void copyTo(int64_t first, int64_t last, char *out) const;
};

/// A matrix [N, K] of floats, read in runs of rows.
class FloatRows {
public:
  explicit FloatRows(StridedView view) : view(std::move(view)) {}
  int64_t rows() const { return view.dims[0]; }
  int64_t columns() const { return view.dims[1]; }
  /// Rows [first, last) as dense f32.
  void read(int64_t first, int64_t last, float *out) const;
  const StridedView view;
};

/// A matrix of codes of at most 8 bits, read in runs of rows.
class CodeRows {
public:
  CodeRows(qnt::QType type, int64_t rows, int64_t columns);
  virtual ~CodeRows() = default;
  /// Scales of a row of `columns` codes.
  static int64_t blocksOf(qnt::QType type, int64_t columns);
  /// One byte a code (two's complement where signed); `blocks` scales and, with zero points, as
  /// many zeros for each row. Called from several threads at once.
  virtual void read(int64_t first, int64_t last, uint8_t *codes, float *scales,
                    int8_t *zeros) const = 0;
  qnt::QType type;
  int64_t rows, columns, blocks;
};

/// Codes that are chosen while they are read.
std::unique_ptr<CodeRows> quantizedRows(qnt::QType type, StridedView view);
/// Codes that exist. Null when the grouping is not by rows or the zero points are no integers.
std::unique_ptr<CodeRows> tensorRows(std::shared_ptr<const reference::QTensor> tensor);
/// Codes put together from a carrier (one an element, or packed in bytes), scales and zero points.
/// Null where only the interpreter knows how.
std::shared_ptr<const CodeRows> assembledRows(qnt::QType type, const StridedView &codes,
                                              const StridedView &scales, const StridedView *zeros);
/// Codes in the logical layout, as .qnt files hold them. Null when `type` is not grouped by rows.
std::shared_ptr<const CodeRows> logicalRows(qnt::QType type, const char *bytes,
                                            std::shared_ptr<const void> owner);
/// All rows as the interpreter holds them.
std::shared_ptr<const reference::QTensor> toQTensor(const CodeRows &rows);
/// Whether `type` is a matrix per row, or in blocks along a row.
bool isByRows(qnt::QType type);

ScaleFormat scaleFormat(mlir::Type type);
/// Scales as stored, appended to `out`.
void appendScales(ScaleFormat format, llvm::ArrayRef<float> scales, std::vector<uint8_t> &out);

} // namespace qcc::pack
#endif
