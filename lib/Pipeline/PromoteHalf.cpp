// Half types are storage: arithmetic happens in f32.
#include "Passes.h"

namespace qcc::pipeline {
#define GEN_PASS_DEF_PROMOTEHALF
#include "qcc/Pipeline/Passes.h.inc"
} // namespace qcc::pipeline

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;

namespace {

bool isHalf(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && (tensor.getElementType().isF16() || tensor.getElementType().isBF16());
}

Type promoted(Type type) {
  return makeTensorType(dimsOf(type), Float32Type::get(type.getContext()));
}

Value castTo(OpBuilder &builder, Location loc, Value value, Type type) {
  return CastOp::create(builder, loc, type, value);
}

struct PromoteHalf : pipeline::impl::PromoteHalfBase<PromoteHalf> {
  void runOnOperation() override {
    Block &block = getOperation().getBody().front();
    stored.clear();
    OpBuilder builder(&getContext());
    builder.setInsertionPointToStart(&block);
    findStored(block);
    for (BlockArgument argument : block.getArguments())
      if (isHalf(argument.getType()))
        widen(builder, argument);
    for (Operation &op : llvm::make_early_inc_range(block))
      promote(builder, &op);
  }

  /// Users of `value` see it in f32.
  void widen(OpBuilder &builder, Value value) {
    if (value.use_empty())
      return;
    Value wide = castTo(builder, value.getLoc(), value, promoted(value.getType()));
    value.replaceUsesWithIf(wide, [&](OpOperand &use) {
      return use.getOwner() != wide.getDefiningOp() && !stored.contains(use.getOwner());
    });
    if (wide.use_empty())
      wide.getDefiningOp()->erase();
  }

  /// Parts of quantized weights keep their types, which are those of the scheme.
  void findStored(Block &block) {
    for (Operation &op : llvm::reverse(block)) {
      bool isPart =
          isa<TransposeOp, ReshapeOp, SliceOp>(op) && !op.use_empty() &&
          llvm::all_of(op.getUsers(), [&](Operation *user) { return stored.contains(user); });
      if (isPart || isa<AssembleOp>(op))
        stored.insert(&op);
    }
  }

  /// The application sees the types that the model has.
  void keepTypes(OpBuilder &builder, HostCallOp call) {
    builder.setInsertionPoint(call);
    for (auto [operand, element] :
         llvm::zip(call->getOpOperands(), call.getElements().getAsValueRange<TypeAttr>()))
      if (elementTypeOf(operand.get().getType()) != element)
        operand.set(castTo(builder, call.getLoc(), operand.get(),
                           makeTensorType(dimsOf(operand.get().getType()), element)));
    builder.setInsertionPointAfter(call);
    for (Value result : call.getOutputs())
      if (isHalf(result.getType()))
        widen(builder, result);
  }

  /// States stay in f32 from turn to turn: the loop's operands are that already.
  void promoteLoop(OpBuilder &builder, LoopOp loop) {
    Block &block = loop.getBody().front();
    for (auto [argument, operand] : llvm::zip(block.getArguments(), loop->getOperands()))
      argument.setType(operand.getType());
    findStored(block);
    for (Operation &op : llvm::make_early_inc_range(block))
      promote(builder, &op);
    for (Value result : loop.getResults())
      if (isHalf(result.getType()))
        result.setType(promoted(result.getType()));
  }

  void promote(OpBuilder &builder, Operation *op) {
    if (isa<YieldOp>(op)) // what a turn yields has the types of the states
      return;
    if (auto loop = dyn_cast<LoopOp>(op))
      return promoteLoop(builder, loop);
    if (op->hasTrait<OpTrait::IsTerminator>()) {
      builder.setInsertionPoint(op);
      Type f32 = builder.getF32Type();
      auto types = cast<func::FuncOp>(op->getParentOp()).getResultTypes();
      for (auto [operand, type] : llvm::zip(op->getOpOperands(), types))
        if (isHalf(type) && elementTypeOf(operand.get().getType()) == f32)
          operand.set(castTo(builder, op->getLoc(), operand.get(), type));
      return;
    }
    builder.setInsertionPointAfter(op);
    if (isa<UseOp>(op)) {
      if (isHalf(op->getResult(0).getType()))
        widen(builder, op->getResult(0));
      return;
    }
    if (auto constant = dyn_cast<ConstantOp>(op)) {
      if (isHalf(constant.getType()))
        widen(builder, constant);
      return;
    }
    auto conversion = dyn_cast<CastOp>(op);
    if (conversion && conversion.getX().getType() == conversion.getType()) {
      conversion.replaceAllUsesWith(conversion.getX());
      conversion.erase();
      return;
    }
    // The cast that this pass made beside an argument stays as it is.
    if (conversion && isHalf(conversion.getX().getType()))
      return;
    if (stored.contains(op))
      return;
    if (auto call = dyn_cast<HostCallOp>(op))
      return keepTypes(builder, call);
    for (Value result : op->getResults())
      if (isHalf(result.getType()))
        result.setType(promoted(result.getType()));
    if (conversion && conversion.getX().getType() == conversion.getType()) {
      conversion.replaceAllUsesWith(conversion.getX());
      conversion.erase();
    }
  }

  DenseSet<Operation *> stored;
};

} // namespace
