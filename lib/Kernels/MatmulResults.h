// The last steps of all products: scales, then the epilogue.
#ifndef QCC_LIB_KERNELS_MATMULRESULTS_H
#define QCC_LIB_KERNELS_MATMULRESULTS_H

#include "qcc/Kernels/Matmul.h"

namespace qcc {

/// What a whole row of results is multiplied by at the end; null where there is nothing.
mlir::Value rowScaleOf(KernelBuilder &k, const MatmulSpec &spec, const MatmulOperands &o,
                       mlir::Value row);

/// Scales the sums of 16 columns, `result.acc` as micro-kernels leave them (i32 or f32), and calls
/// the epilogue, with lanes where columns end.
void storeGroup(KernelBuilder &k, const MatmulSpec &spec, const MatmulOperands &o,
                MatmulEpilogue epilogue, MatmulResult result, mlir::Value rowScale);

} // namespace qcc
#endif
