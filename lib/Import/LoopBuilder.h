// A qnt.loop while its body is being imported.
#ifndef QCC_LIB_IMPORT_LOOPBUILDER_H
#define QCC_LIB_IMPORT_LOOPBUILDER_H

#include "NodeBuilder.h"

namespace qcc::import {

/// The graph in attribute `name`; a failure, and null, where it is missing.
const onnx::Graph *bodyOf(NodeBuilder &n, StringRef name);

/// Ops of the body are made where the builder stands. finish() moves those that differ from turn to
/// turn into a loop; the others stay before it.
class LoopBuilder {
public:
  /// Begins a body that is computed `turns` times. What the node does from here on until finish()
  /// or drop() belongs to it.
  LoopBuilder(NodeBuilder &n, DimExpr turns);
  ~LoopBuilder() { n.importer.openLoops.pop_back(); }
  LoopBuilder(const LoopBuilder &) = delete;

  /// The number of the turn, from 0 on.
  DimExpr turn() const { return DimExpr::symbol(n.context(), symbol); }
  /// turn(), or counted from the last one.
  DimExpr at(bool reverse) const { return reverse ? turns - turn() - n.dim(1) : turn(); }
  /// Whatever the number of turns, the first is the last.
  void atMostOnce() { turns = turns.min(n.dim(1)); }
  /// A value that is `init` in the first turn and what the turn before made of it later.
  Value state(Value init);

  struct Results {
    SmallVector<Value> states, stacks;
    Value taken; ///< turns, with a condition
  };
  /// `next` are the states of the next turn; stack k collects `rows[k]` at index at(reverse[k]). A
  /// condition (i1, may be null) says whether to go on. Nothing where this is no loop, with the
  /// reason in why(); the body is still there then.
  std::optional<Results> finish(ArrayRef<Value> next, ArrayRef<Value> rows, ArrayRef<bool> reverse,
                                Value condition = {});
  const std::string &why() const { return reason; }
  /// Erases what was made for the body and depends on the turn.
  void drop();

private:
  SmallVector<mlir::Operation *> varyingOps();
  bool isVarying(mlir::Operation *op, const llvm::DenseSet<Value> &values) const;
  bool mayBeEqual(DimExpr own, DimExpr other) const;
  bool equateStates(ArrayRef<Value> next);
  bool mayMove(mlir::Operation *op);
  void moveInto(qnt::LoopOp loop, ArrayRef<mlir::Operation *> ops, ArrayRef<Value> captures);

  NodeBuilder &n;
  DimExpr turns;
  std::string symbol, reason;
  qnt::LoopOp open; ///< holds the states while the body is made
  SmallVector<Value> inits;
};

} // namespace qcc::import
#endif
