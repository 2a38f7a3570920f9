// Verifiers of control flow, and what loops know about themselves.
#include "VerifyHelpers.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;
using namespace qcc::qnt::verify;

LogicalResult BindDimOp::verify() { return isCount(*this, "size", getSize().getType()); } // (C1)

LogicalResult ChooseOp::verify() {
  size_t count = dimsOf(getWhich()).size(), rank = dimsOf(getType()).size();
  if (count != 1) // (C1)
    return emitOpError() << "which must have one element, but has " << count;
  for (Value operand : getOperands()) { // (C2)
    size_t own = dimsOf(operand.getType()).size();
    if (own != rank)
      return emitOpError() << "operands must have rank " << rank << ", but one has " << own;
    if (failed(sameElement(*this, "operand", operand.getType(), getType())))
      return failure();
  }
  return success();
}

//===-- Loops ------------------------------------------------------------------------------------//

bool qcc::qnt::mentions(ArrayRef<DimExpr> dims, StringRef symbol) {
  bool found = false;
  for (DimExpr dim : dims)
    dim.collectSymbols([&](StringRef name) { found |= name == symbol; });
  return found;
}

void qcc::qnt::forEachBlock(Block &block, llvm::function_ref<void(Block &)> f) {
  for (LoopOp loop : block.getOps<LoopOp>())
    forEachBlock(loop.getBody().front(), f);
  f(block);
}

/// What a body is, whatever the loop around it has.
static LogicalResult verifyBody(LoopOp loop) {
  Block &block = loop.getBody().front();
  SmallVector<Type> want(TypeRange(loop.getCaptures()));
  llvm::append_range(want, TypeRange(loop.getInits()));
  if (block.getArgumentTypes() != TypeRange(want)) // (C2)
    return loop.emitOpError() << "the body's arguments have the types "
                              << TypeRange(block.getArgumentTypes())
                              << " instead of those of captures and inits, " << TypeRange(want);
  for (Operation &op : block) {
    if (isa<BindDimOp>(op)) // (C6)
      return loop.emitOpError("binds a size in its body");
    for (Type type : op.getResultTypes()) // (C1)
      if (mentions(dimsOf(type), loop.getSymbol()))
        return loop.emitOpError() << "has a value in its body whose size depends on '"
                                  << loop.getSymbol() << "': " << type;
  }
  return success();
}

LogicalResult LoopOp::verify() {
  if (failed(hasCount(*this, "turns", dimsOf(getTurns()).size(), 1)) ||                // (C1)
      failed(hasCount(*this, "rows", dimsOf(getRows()).size(), getStacks().size())) || // (C5)
      failed(verifyBody(*this)))
    return failure();
  Operation *yield = getBody().front().getTerminator();
  size_t yielded = getInits().size() + getStacks().size() + (getConditional() ? 1 : 0);
  if (!isa<YieldOp>(yield) || yield->getNumOperands() != yielded) // (C3)
    return emitOpError() << "the body does not yield " << yielded << " values";
  if (getNextStates().getTypes() != getInits().getTypes())
    return emitOpError("the body does not yield values of the inits' types");
  if (Value condition = getCondition())
    if (!elementTypeOf(condition.getType()).isInteger(1) ||
        !elementCount(getContext(), dimsOf(condition.getType())).isConstant(1))
      return emitOpError() << "the condition must be one i1, but is " << condition.getType();
  if (getStates().getTypes() != getInits().getTypes()) // (C4)
    return emitOpError("states do not have the types of the inits");
  for (auto [stack, value] : llvm::zip(getStacks(), getStackedValues())) {
    SmallVector<DimExpr> dims = {dimsOf(getTurns())[0]};
    llvm::append_range(dims, dimsOf(value.getType()));
    if (failed(sameDims(*this, "a stack", dimsOf(stack.getType()), dims)) ||
        failed(sameElement(*this, "a stack", stack.getType(), value.getType())))
      return failure();
  }
  if (getConditional() != bool(getTaken()))
    return emitOpError("has 'taken' without a condition, or a condition without it");
  return getTaken() ? isCount(*this, "taken", getTaken().getType()) : success();
}

void LoopOp::sinkConstants() {
  Block &block = getBody().front();
  OpBuilder builder = OpBuilder::atBlockBegin(&block);
  for (size_t i = getCaptures().size(); i-- > 0;) {
    BlockArgument argument = block.getArgument(i);
    Operation *def = getCaptures()[i].getDefiningOp();
    if (!argument.use_empty() && isa_and_nonnull<UseOp, ConstantOp>(def))
      argument.replaceAllUsesWith(builder.clone(*def)->getResult(0));
    if (!argument.use_empty())
      continue;
    block.eraseArgument(i);
    getCapturesMutable().erase(i);
  }
}
