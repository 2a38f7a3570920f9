// Products on levels whose warps multiply matrices: a block of threads computes a tile of results.
#ifndef QCC_LIB_KERNELS_TENSORMATMUL_H
#define QCC_LIB_KERNELS_TENSORMATMUL_H

#include "qcc/Kernels/Matmul.h"

namespace qcc {

/// Whether tensor cores compute what the product is said to be (Matmul.h): exact sums of codes, and
/// sums of pairs of bf16 where those are allowed.
bool fitsTensorCores(const MatmulSpec &spec);

/// Launches with fewer tiles of many rows take smaller ones: GPUs have more multiprocessors.
constexpr int64_t kFewTiles = 64;

/// The whole kernel, of all tasks.
void emitTensorMatmul(KernelBuilder &k, const MatmulSpec &spec, const MatmulOperands &operands,
                      MatmulEpilogue epilogue, int64_t fewTiles = kFewTiles);

} // namespace qcc
#endif
