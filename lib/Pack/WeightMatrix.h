// Values of recipes as matrices that are read row by row, whatever they are stored as.
#ifndef QCC_LIB_PACK_WEIGHTMATRIX_H
#define QCC_LIB_PACK_WEIGHTMATRIX_H

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

} // namespace qcc::pack
#endif
