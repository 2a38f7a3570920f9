// The tile dialect; the operations are documented in TileOps.td.
#ifndef QCC_TILE_TILE_H
#define QCC_TILE_TILE_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace qcc::tile {

/// Groups of sixteen lanes that are a block of a cooperative kernel, and warps of two of them.
constexpr int64_t kBlockGroups = 8, kBlockWarps = kBlockGroups / 2;

/// The sums of a tile: rows · columns in each of `slices`, and the matrix of vectors that hold
/// them. A warp has a slice, or a part of the rows or of the columns.
struct SumsShape {
  int64_t rows, columns, slices;

  bool isValid() const {
    bool sizes = (rows == 16 || rows == 64 || rows == 128) &&
                 (columns == 32 || columns == 64 || columns == 128) && (slices == 1 || slices == 4);
    return sizes && warpColumns() >= 8;
  }
  int64_t rowWarps() const { return slices == 1 && rows == 128 ? 2 : 1; }
  int64_t columnWarps() const { return kBlockWarps / slices / rowWarps(); }
  int64_t warpRows() const { return rows / rowWarps(); }
  int64_t warpColumns() const { return columns / columnWarps(); }
  int64_t rowVectors() const { return warpRows() / 16; }
  int64_t columnVectors() const { return warpColumns() / 8; }
  int64_t vectors() const { return rowVectors() * columnVectors(); }
};
constexpr int64_t kSumsPerVector = 64;

/// Attribute of kernels in blocks of several warpgroups, of kBlockGroups each: how many.
constexpr const char *kWarpgroups = "tile.warpgroups";
/// Of a tile: columns of a warpgroup, rows that a vector of its sums has, and bytes of K of a
/// stage.
constexpr int64_t kWarpgroupColumns = 64, kWarpgroupVectorRows = 8, kWarpgroupDepth = 128;

} // namespace qcc::tile

#include "Tile/TileDialect.h.inc"
#define GET_OP_CLASSES
#include "Tile/TileOps.h.inc"

namespace qcc::tile {

/// The shape of an operation on sums.
template <typename Op> SumsShape shapeOf(Op op) {
  return {static_cast<int64_t>(op.getRows()), static_cast<int64_t>(op.getColumns()),
          static_cast<int64_t>(op.getSlices())};
}

} // namespace qcc::tile

#endif
