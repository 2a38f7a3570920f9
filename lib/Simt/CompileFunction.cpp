// Blocks, branches and calls.
#include "Compiler.h"

using namespace mlir;

namespace qcc::simt {

/// More calls within calls than any kernel has: recursion.
static constexpr size_t deepestCall = 64;

LogicalResult Compiler::compileBody(LLVM::LLVMFuncOp function, std::optional<uint32_t> result,
                                    uint32_t returnLabel) {
  frames.push_back({function, result, returnLabel});
  for (Block &block : function.getBody()) {
    blockLabels[&block] = newLabel();
    if (!block.isEntryBlock())
      for (BlockArgument argument : block.getArguments()) {
        if (failed(scalarsOf(argument.getType())))
          return unsupported(function, "values of one of its types");
        define(argument);
        owned.erase(argument);
      }
  }
  for (Block &block : function.getBody()) {
    place(blockLabels[&block]);
    for (Operation &op : block) {
      location = op.getLoc();
      if (failed(compileOp(&op)))
        return failure();
    }
  }
  frames.pop_back();
  return success();
}

LogicalResult Compiler::compileOp(Operation *op) {
  for (Type type : op->getResultTypes())
    if (failed(scalarsOf(type)))
      return unsupported(op, "values of its type");
  if (op->hasTrait<OpTrait::IsTerminator>())
    return compileTerminator(op);
  if (auto call = dyn_cast<LLVM::CallOp>(op))
    return compileCall(call);
  if (auto intrinsic = dyn_cast<LLVM::CallIntrinsicOp>(op))
    return compileIntrinsic(intrinsic);
  for (auto compile : {&Compiler::compileArithmetic, &Compiler::compileMemory,
                       &Compiler::compileWarp, &Compiler::compileAsync}) {
    FailureOr<bool> known = (this->*compile)(op);
    if (failed(known))
      return failure();
    if (*known)
      return success();
  }
  return unsupported(op, "such op");
}

Compiler::Copies Compiler::branchCopies(Block *target, ValueRange operands) {
  Copies copies;
  for (auto [argument, operand] : llvm::zip_equal(target->getArguments(), operands))
    copies.push_back({reg(argument), reg(operand), registersOf(operand.getType())});
  return copies;
}

/// A label that leads to the block with its arguments set.
uint32_t Compiler::edge(Block *target, ValueRange operands) {
  if (operands.empty())
    return blockLabels[target];
  edges.push_back({newLabel(), target, branchCopies(target, operands)});
  return edges.back().label;
}

void Compiler::emitEdges() {
  for (Edge &each : edges) {
    place(each.label);
    emitCopies(std::move(each.copies));
    emitJump(blockLabels[each.target]);
  }
  edges.clear();
}

LogicalResult Compiler::compileTerminator(Operation *op) {
  if (auto branch = dyn_cast<LLVM::BrOp>(op)) {
    emitCopies(branchCopies(branch.getDest(), branch.getDestOperands()));
    emitJump(blockLabels[branch.getDest()]);
  } else if (auto branch = dyn_cast<LLVM::CondBrOp>(op)) {
    uint32_t condition = reg(branch.getCondition());
    uint32_t target = edge(branch.getTrueDest(), branch.getTrueDestOperands());
    uint32_t otherwise = edge(branch.getFalseDest(), branch.getFalseDestOperands());
    Instruction &inst = emit(Op::Branch);
    inst.a = condition;
    inst.target = target;
    inst.otherwise = otherwise;
    emitEdges();
  } else if (auto choice = dyn_cast<LLVM::SwitchOp>(op)) {
    uint32_t first = program.wideList.size();
    if (auto values = choice.getCaseValues())
      for (auto [i, value] : llvm::enumerate(values->getValues<APInt>())) {
        program.wideList.push_back(value.getZExtValue());
        targetsInList.push_back(program.wideList.size());
        program.wideList.push_back(
            edge(choice.getCaseDestinations()[i], choice.getCaseOperands(i)));
      }
    uint32_t otherwise = edge(choice.getDefaultDestination(), choice.getDefaultOperands());
    Instruction &inst = emit(Op::Switch);
    inst.a = reg(choice.getValue());
    inst.list = first;
    inst.listCount = program.wideList.size() - first;
    inst.otherwise = otherwise;
    emitEdges();
  } else if (auto ret = dyn_cast<LLVM::ReturnOp>(op)) {
    if (ret.getArg() && frames.back().result)
      emitCopy(*frames.back().result, reg(ret.getArg()), registersOf(ret.getArg().getType()));
    emitJump(frames.back().returnLabel);
  } else if (isa<LLVM::UnreachableOp>(op)) {
    emit(Op::Trap);
  } else {
    return unsupported(op, "such terminator");
  }
  return success();
}

LogicalResult Compiler::compileCall(LLVM::CallOp call) {
  auto callee =
      call.getCallee() ? module.lookupSymbol<LLVM::LLVMFuncOp>(*call.getCallee()) : nullptr;
  if (!callee || callee.isExternal())
    return unsupported(call, "function without a body");
  if (frames.size() == deepestCall)
    return unsupported(call, "recursion");
  for (auto [argument, operand] : llvm::zip_equal(callee.getArguments(), call.getArgOperands()))
    alias(argument, reg(operand));
  std::optional<uint32_t> result;
  if (call.getNumResults())
    result = define(call.getResult());
  uint32_t after = newLabel();
  // A function that is called twice is compiled twice; the caller's blocks keep their labels.
  Location here = location;
  if (failed(compileBody(callee, result, after)))
    return failure();
  location = here;
  place(after);
  return success();
}

} // namespace qcc::simt
