// What one thread does of the operations of a block of warpgroups: rings of stages, wgmma.
#ifndef QCC_LIB_GPU_WARPGROUPBUILDER_H
#define QCC_LIB_GPU_WARPGROUPBUILDER_H

#include "BlockBuilder.h"

namespace qcc::ptx {

class WarpgroupBuilder : public BlockBuilder {
public:
  using BlockBuilder::BlockBuilder;

  /// Rewrites an operation of a block, of one warpgroup or several, and gives its results; nothing
  /// for other operations.
  std::optional<Values> rewrite(mlir::Operation *op);

private:
  Values position();
  void registers(tile::RegistersOp op);
  void ringBegin(tile::RingBeginOp op);
  void ringWait(tile::RingWaitOp op);
  void ringPass(tile::RingPassOp op);
  void copyBulk(tile::CopyBulkOp op);
  Values multiply(tile::WarpgroupMultiplyOp op);
  Values multiplyWords(tile::WarpgroupMultiplyWordsOp op);
  Values loadPair(tile::WarpgroupWordsOp op);
  Value byColumn(tile::WarpgroupByColumnOp op);
  void store(tile::WarpgroupStoreOp op);

  Value isThread(Value number, int64_t which);
  Value barrierAt(Value ring, Value use, int64_t stages, bool free);
  Values words(Value panels);
  Values products(llvm::StringRef kind, int64_t rows, mlir::Type element, mlir::ValueRange sums,
                  mlir::ValueRange words, Value lines);
};

} // namespace qcc::ptx
#endif
