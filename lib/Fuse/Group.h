// Making a qnt.fused out of ops.
#ifndef QCC_LIB_FUSE_GROUP_H
#define QCC_LIB_FUSE_GROUP_H

#include "Qnt/Qnt.h"
#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/SetVector.h"

namespace qcc::fuse {

/// transpose, broadcast, slice, reshape.
bool isView(mlir::Operation *op);

/// Whether kernels can address `value` through the views that define it: a reshape only where
/// the elements below it are still row-major. `root` receives what the views start from.
bool hasStridedAccess(mlir::Value value, mlir::Value &root);

/// Replaces `ops` (in block order, one block) by a qnt.fused of `kind` at the place of the last
/// one. Views that feed them, and constants of one element, are copied into the body. The caller
/// sorts the block topologically afterwards. `absorbViews` is asked for each operand that is a
/// view.
qnt::FusedOp makeGroup(
    mlir::RewriterBase &rewriter, llvm::ArrayRef<mlir::Operation *> ops, llvm::StringRef kind,
    llvm::function_ref<bool(mlir::OpOperand &)> absorbViews = [](mlir::OpOperand &) {
      return true;
    });

/// Sorts the block so that operands come before their users, and the binding of a symbol before the
/// ops that have it in their types. What is in order stays in order.
void sortBlock(mlir::Block &block);

/// Erases views, uses and constants that nothing reads any more.
void eraseDead(mlir::Block &block);

} // namespace qcc::fuse
#endif
