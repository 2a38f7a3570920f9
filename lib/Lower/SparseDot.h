// The side path of outliers as kernels compute it: sixteen outputs of qnt.sparse_linear.
#ifndef QCC_LIB_LOWER_SPARSEDOT_H
#define QCC_LIB_LOWER_SPARSEDOT_H

#include "qcc/Lower/KernelFrame.h"

namespace qcc::lower {

/// The operands of a qnt.sparse_linear, addressed before loops.
class SparseDot {
public:
  SparseDot(KernelFrame &frame, qnt::SparseLinearOp op);
  /// Outputs col .. col + 15 of `row`; `lanes` as in KernelBuilder.
  mlir::Value at(mlir::Value row, mlir::Value col, mlir::Value lanes) const;

private:
  KernelBuilder &k;
  mlir::Value x, values, columns, width, last, entries, outputs;
  Elem elem;
  bool shared;
};

} // namespace qcc::lower
#endif
