// Constructors of the kernel passes without a fixed level, for registration.
#ifndef QCC_LIB_KERNELS_PASSES_H
#define QCC_LIB_KERNELS_PASSES_H

#include "mlir/Pass/Pass.h"
#include <memory>

namespace qcc {
std::unique_ptr<mlir::Pass> createExpandMathPass();
std::unique_ptr<mlir::Pass> createLowerTilePass();
} // namespace qcc
#endif
