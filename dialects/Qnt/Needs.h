// Which ops of a block have to be computed: all, except what only the operand of a qnt.choose needs
// that was not chosen.
#ifndef QCC_QNT_NEEDS_H
#define QCC_QNT_NEEDS_H

#include "Qnt.h"

namespace qcc::qnt {

class Needs {
public:
  explicit Needs(mlir::Block &block);

  /// Whether there is a choice at all; if not, everything is needed.
  bool any() const { return hasChoice; }
  /// A size that is 0 where the op need not be computed and positive elsewhere; null: always.
  DimExpr of(mlir::Operation *op) const { return needs.lookup(op); }

private:
  void compute(mlir::Block &block);
  bool hasChoice = false;
  llvm::DenseMap<mlir::Operation *, DimExpr> needs;
};

} // namespace qcc::qnt
#endif
