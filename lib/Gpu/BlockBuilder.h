// What one thread does of the operations of a block: copies to shared memory, matrix products.
#ifndef QCC_LIB_GPU_BLOCKBUILDER_H
#define QCC_LIB_GPU_BLOCKBUILDER_H

#include "Tile/Tile.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/IRMapping.h"
#include "qcc/Gpu/Gpu.h"

namespace qcc::ptx {

/// The symbol that shared memory has in a module.
constexpr const char *kSharedMemory = "qcc_shared";
/// Of a kernel in blocks of warpgroups: bytes of each one's shared memory.
constexpr const char *kWarpgroupBytes = "qcc.warpgroup_bytes";
/// Marks stores that `tile.barrier` orders, not waits around them.
constexpr const char *kBlockStore = "qcc.block";

/// Gives a module its shared memory, one symbol; kernels that use some are cooperative, and have
/// its size as `qcc.shared_bytes`.
void placeShared(mlir::ModuleOp module);

class BlockBuilder {
public:
  using Value = mlir::Value;
  using Values = llvm::SmallVector<Value>;
  /// `map` gives operands as this thread holds them.
  BlockBuilder(mlir::OpBuilder &b, mlir::Location loc, const mlir::IRMapping &map)
      : b(b), loc(loc), map(map) {}

  /// Rewrites an operation of a block and gives its results; nothing for other operations.
  std::optional<Values> rewrite(mlir::Operation *op);

protected:
  /// Of the kernel that holds the operation.
  void findWarpgroups(mlir::Operation *op);
  Value in(Value v) { return map.lookup(v); }
  Value ci(int64_t v);
  Value add(Value x, Value y);
  Value add(Value x, int64_t y) { return y ? add(x, ci(y)) : x; }
  Value mul(Value x, int64_t y);
  Value shr(Value x, int64_t bits);
  Value and_(Value x, int64_t mask);
  Value toI32(Value v);
  Value thread();
  Value threadHere();
  /// The numbers of the thread's warp, in its warpgroup, and of the warpgroup.
  Value warp();
  Value warpgroup();
  void barrier();
  /// ptxas unrolls loops of few rounds, which takes more registers than a warpgroup that copies
  /// has.
  static void keepRolled(mlir::scf::ForOp loop);
  Value sharedPtr(Value generic);
  Value at(Value base, Value bytes);
  Value at(Value base, int64_t bytes);
  mlir::Type wordsType(int64_t words);
  /// Words that lie side by side, aligned to all of them.
  Values loadWords(Value from, int64_t words);
  /// Describes lines of 128 bytes, swizzled, to products of warpgroups. Where numbers side by side
  /// are not of K, `chunk` is the distance of 64 of them to the next, in bytes.
  Value descriptor(Value shared, int64_t chunk = 16);
  Value descriptorAt(Value descriptor, int64_t bytes);
  /// Four matrices of 8 rows of 16 bytes, of which this thread gives the address of one; `turned`
  /// with rows and columns of 16-bit numbers exchanged.
  Values loadMatrices(Value from, bool turned = false);
  /// Four codes of 8-bit floats as two words of bf16. Infinities and NaN count as numbers, but
  /// where `keepsNan` that of f8E4M3FN.
  Values bf16Of(Value codes, mlir::Type type, bool keepsNan = false);

  mlir::OpBuilder &b;
  mlir::Location loc;
  const mlir::IRMapping &map;
  int64_t warpgroups = 1; ///< of the kernel's blocks

private:
  Value ofFirstThread(Value number);
  Values position();
  Value shared(tile::SharedOp op);
  Value scratchOf(tile::ScratchOfOp op);
  Value join(tile::JoinOp op);
  void copyAsync(tile::CopyAsyncOp op);
  Values multiply(tile::MultiplyOp op);
  Values byColumn(tile::ByColumnOp op);
  Values byRow(tile::ByRowOp op);
  void storeSums(tile::StoreSumsOp op);
  Value loadWords(tile::LoadWordsOp op);
  Value multiplyWords(tile::MultiplyWordsOp op);

  // Where the thread is in its warp, and its warp in the tile.
  struct Place {
    Value group, inGroup; ///< as the PTX ISA has it: lane / 4 and lane % 4
    Value lane, slice, rowWarp, columnWarp;
  };
  Place place(const tile::SumsShape &shape);
  Value rowsOfA(tile::MultiplyOp op, const Place &p);
  Value columnsOfB(tile::MultiplyOp op, const Place &p);
  Values loadHalfA(Value from);
  Values loadWideA(Value from, int64_t stride);
  Value pairOf(Value low, Value high);
  Value product(mlir::ValueRange a, mlir::ValueRange columns, Value sum, bool isSigned);
  Value float8Product(mlir::ValueRange a, mlir::ValueRange columns, Value sum, mlir::Type type,
                      bool asBf16);
};

} // namespace qcc::ptx
#endif
