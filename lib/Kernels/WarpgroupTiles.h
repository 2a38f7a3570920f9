// Products on levels where warpgroups multiply matrices: tiles of many rows.
#ifndef QCC_LIB_KERNELS_WARPGROUPTILES_H
#define QCC_LIB_KERNELS_WARPGROUPTILES_H

#include "TensorTiles.h"

namespace qcc {

/// The tile of a block: rows and columns.
constexpr int64_t kWarpgroupTileRows = 256, kWarpgroupTileColumns = 128;
/// Warpgroups of a block: two multiply, the last one copies.
constexpr int64_t kTileWarpgroups = 3;

/// Whether tiles of many rows are computed that way; the kernel is then in blocks of warpgroups.
bool usesWarpgroups(const Target &target, const MatmulSpec &spec);

/// All tiles of the product. `results` scales sums and hands them to the epilogue; it exists once
/// in the code.
void emitWarpgroupTiles(KernelBuilder &k, const MatmulOperands &operands,
                        llvm::function_ref<void(const TensorSums &)> results);

} // namespace qcc
#endif
