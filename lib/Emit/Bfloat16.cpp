// float -> bfloat in integer arithmetic, for x86. Without AVX512_BF16 LLVM calls a library function
// for each element; with it, the instruction flushes denormals, and levels would differ in bits.
#include "Detail.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"

using namespace llvm;

namespace qcc::emit {

/// Rounds to nearest, ties to even; a NaN stays one and becomes quiet.
static Value *roundToBfloat(IRBuilder<> &builder, Value *input, Type *type) {
  Type *wide = input->getType()->getWithNewType(builder.getInt32Ty());
  Type *narrow = input->getType()->getWithNewType(builder.getInt16Ty());
  auto constant = [&](uint32_t v) { return ConstantInt::get(wide, v); };
  Value *bits = builder.CreateBitCast(input, wide);
  Value *high = builder.CreateLShr(bits, constant(16));
  Value *odd = builder.CreateAnd(high, constant(1));
  Value *sum = builder.CreateAdd(bits, builder.CreateAdd(odd, constant(0x7fff)));
  Value *rounded = builder.CreateLShr(sum, constant(16));
  Value *quiet = builder.CreateOr(high, constant(0x40));
  Value *magnitude = builder.CreateAnd(bits, constant(0x7fffffff));
  Value *isNan = builder.CreateICmpUGT(magnitude, constant(0x7f800000));
  Value *chosen = builder.CreateSelect(isNan, quiet, rounded);
  return builder.CreateBitCast(builder.CreateTrunc(chosen, narrow), type);
}

void expandBfloatRounding(Module &module) {
  for (Function &function : module)
    for (Instruction &instruction : make_early_inc_range(instructions(function))) {
      auto *trunc = dyn_cast<FPTruncInst>(&instruction);
      if (!trunc || !trunc->getType()->getScalarType()->isBFloatTy() ||
          !trunc->getOperand(0)->getType()->getScalarType()->isFloatTy())
        continue;
      IRBuilder<> builder(trunc);
      trunc->replaceAllUsesWith(roundToBfloat(builder, trunc->getOperand(0), trunc->getType()));
      trunc->eraseFromParent();
    }
}

} // namespace qcc::emit
