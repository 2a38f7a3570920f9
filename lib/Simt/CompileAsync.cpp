// Ops of NVVM on asynchronous copies, mbarriers and matrices.
#include "Compiler.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;

namespace qcc::simt {

std::optional<MatrixElement> matrixElement(StringRef name) {
  return llvm::StringSwitch<std::optional<MatrixElement>>(name)
      .Case("s4", MatrixElement::S4)
      .Case("u4", MatrixElement::U4)
      .Case("s8", MatrixElement::S8)
      .Case("u8", MatrixElement::U8)
      .Case("f16", MatrixElement::F16)
      .Case("bf16", MatrixElement::BF16)
      .Case("tf32", MatrixElement::TF32)
      .Case("e4m3", MatrixElement::E4M3)
      .Case("e5m2", MatrixElement::E5M2)
      .Default(std::nullopt);
}

Instruction &Compiler::emit(Op op, uint32_t a, uint32_t b, uint32_t c, uint64_t imm) {
  Instruction &inst = emit(op);
  inst.a = a;
  inst.b = b;
  inst.c = c;
  inst.imm = imm;
  return inst;
}

/// What `body` emits is executed where the predicate holds, or does not.
void Compiler::emitPredicated(uint32_t predicate, bool negated, llvm::function_ref<void()> body) {
  if (predicate == noRegister)
    return body();
  uint32_t then = newLabel(), after = newLabel();
  Instruction &inst = emit(Op::Branch);
  inst.a = predicate;
  inst.target = negated ? after : then;
  inst.otherwise = negated ? then : after;
  place(then);
  body();
  place(after);
}

void Compiler::emitTensorCopy(bool stores, uint32_t shared, uint32_t map, uint32_t barrier,
                              ArrayRef<uint32_t> coordinates) {
  uint32_t first = program.wideList.size();
  program.wideList.insert(program.wideList.end(), coordinates.begin(), coordinates.end());
  Instruction &inst = emit(Op::TensorCopy, shared, map, noRegister, barrier);
  inst.kind = stores;
  inst.list = first;
  inst.listCount = coordinates.size();
}

void Compiler::emitProduct(Op op, Product product) {
  program.products.push_back(std::move(product));
  emit(op).layout = program.products.size() - 1;
}

/// A register with the words of a value: vectors of small elements are packed.
uint32_t Compiler::packed(Value value) {
  SmallVector<Scalar> scalars = *scalarsOf(value.getType());
  if (scalars.size() == 1)
    return reg(value);
  uint32_t dst = newRegisters(1);
  Instruction &inst = emit(Op::Bitcast);
  inst.dst = dst;
  inst.a = reg(value);
  inst.count = scalars.size();
  inst.listCount = 1;
  inst.imm = widths(scalars.front().bits, 32);
  return dst;
}

/// The registers one after another, as accumulators must be.
uint32_t Compiler::gathered(ArrayRef<uint32_t> registers) {
  uint32_t first = newRegisters(registers.size());
  for (auto [i, each] : llvm::enumerate(registers))
    emitCopy(first + i, each, 1);
  return first;
}

LogicalResult Compiler::compileMma(NVVM::MmaOp op) {
  auto elementOf = [](std::optional<NVVM::MMATypes> type) {
    return type ? matrixElement(NVVM::stringifyMMATypes(*type)) : std::nullopt;
  };
  Product product{};
  product.m = op.getShape().getM();
  product.n = op.getShape().getN();
  product.k = op.getShape().getK();
  auto a = elementOf(op.getMultiplicandAPtxType()), b = elementOf(op.getMultiplicandBPtxType());
  Type accumulator = op.getOperandC().front().getType();
  if (product.m != 16 || product.n != 8 || !a || !b || registersOf(accumulator) != 1)
    return unsupported(op, "matrix product of this shape");
  product.a = *a;
  product.b = *b;
  product.saturates = op.getIntOverflowBehavior() == NVVM::MMAIntOverflow::satfinite;
  for (Value word : op.getOperandA())
    product.registersA.push_back(packed(word));
  for (Value word : op.getOperandB())
    product.registersB.push_back(packed(word));
  SmallVector<uint32_t> c;
  for (Value word : op.getOperandC())
    c.push_back(reg(word));
  product.c = gathered(c);
  product.d = define(op.getRes());
  emitProduct(Op::Multiply, std::move(product));
  return success();
}

LogicalResult Compiler::compileWgmma(NVVM::WgmmaMmaAsyncOp op) {
  auto a = matrixElement(NVVM::stringifyWGMMATypes(op.getTypeA()));
  auto b = matrixElement(NVVM::stringifyWGMMATypes(op.getTypeB()));
  if (!a || !b || op.getTypeD() == NVVM::WGMMATypes::f16)
    return unsupported(op, "wgmma of these types");
  Product product{};
  product.m = 64;
  product.n = op.getShape().getN();
  product.k = op.getShape().getK();
  product.a = *a;
  product.b = *b;
  product.saturates = op.getSatfinite() == NVVM::MMAIntOverflow::satfinite;
  product.transposedA = op.getLayoutA() == NVVM::MMALayout::col;
  product.transposedB = op.getLayoutB() == NVVM::MMALayout::row;
  product.negatedA = op.getScaleA() == NVVM::WGMMAScaleIn::neg;
  product.negatedB = op.getScaleB() == NVVM::WGMMAScaleIn::neg;
  product.clears = op.getScaleD() == NVVM::WGMMAScaleOut::zero;
  product.descriptorA = reg(op.getDescriptorA());
  product.descriptorB = reg(op.getDescriptorB());
  product.c = reg(op.getInouts());
  product.d = define(op.getResults());
  emitProduct(Op::MultiplyAsync, std::move(product));
  return success();
}

bool Compiler::compileMBarrier(Operation *op) {
  auto optional = [&](Value value) { return value ? reg(value) : noRegister; };
  auto result = [&] { return op->getNumResults() ? define(op->getResult(0)) : noRegister; };
  if (auto init = dyn_cast<NVVM::MBarrierInitOp>(op)) {
    emitPredicated(optional(init.getPredicate()), false,
                   [&] { emit(Op::MBarrierInit, reg(init.getAddr()), reg(init.getCount())); });
  } else if (auto inval = dyn_cast<NVVM::MBarrierInvalOp>(op)) {
    emit(Op::MBarrierInval, reg(inval.getAddr()));
  } else if (auto expect = dyn_cast<NVVM::MBarrierExpectTxOp>(op)) {
    emit(Op::MBarrierArrive, reg(expect.getAddr()), noRegister, reg(expect.getTxcount()),
         /*imm=*/1);
  } else if (auto arrive = dyn_cast<NVVM::MBarrierArriveOp>(op)) {
    uint32_t dst = result();
    emit(Op::MBarrierArrive, reg(arrive.getAddr()), optional(arrive.getCount())).dst = dst;
  } else if (auto arrive = dyn_cast<NVVM::MBarrierArriveExpectTxOp>(op)) {
    uint32_t dst = result();
    emitPredicated(optional(arrive.getPredicate()), false, [&] {
      emit(Op::MBarrierArrive, reg(arrive.getAddr()), noRegister, reg(arrive.getTxcount())).dst =
          dst;
    });
  } else if (auto wait = dyn_cast<NVVM::MBarrierTryWaitParityOp>(op)) {
    emit(Op::MBarrierWait, reg(wait.getAddr()), reg(wait.getPhase())).bits = 32;
  } else if (isa<NVVM::MBarrierTryWaitOp, NVVM::MBarrierTestWaitOp>(op)) {
    uint32_t dst = result();
    Instruction &inst = emit(Op::MBarrierWait, reg(op->getOperand(0)), reg(op->getOperand(1)));
    inst.dst = dst;
    inst.bits = op->getOperand(1).getType().getIntOrFloatBitWidth();
  } else {
    return false;
  }
  return true;
}

FailureOr<bool> Compiler::compileBulk(Operation *op) {
  auto optional = [&](Value value) { return value ? reg(value) : noRegister; };
  auto list = [&](ValueRange values) {
    SmallVector<uint32_t> registers;
    for (Value value : values)
      registers.push_back(reg(value));
    return registers;
  };
  if (auto load = dyn_cast<NVVM::CpAsyncBulkGlobalToSharedClusterOp>(op)) {
    if (load.getMulticastMask())
      return FailureOr<bool>(unsupported(op, "multicast"));
    emit(Op::BulkLoad, reg(load.getDstMem()), reg(load.getSrcMem()), reg(load.getSize()),
         reg(load.getMbar()));
  } else if (auto store = dyn_cast<NVVM::CpAsyncBulkSharedCTAToGlobalOp>(op)) {
    if (store.getByteMask())
      return FailureOr<bool>(unsupported(op, "byte masks"));
    emit(Op::BulkStore, reg(store.getDstMem()), reg(store.getSrcMem()), reg(store.getSize()));
  } else if (auto load = dyn_cast<NVVM::CpAsyncBulkTensorGlobalToSharedClusterOp>(op)) {
    if (load.getMulticastMask() || load.getMode() != NVVM::TMALoadMode::TILE)
      return FailureOr<bool>(unsupported(op, "multicast and im2col"));
    emitPredicated(optional(load.getPredicate()), false, [&] {
      emitTensorCopy(false, reg(load.getDstMem()), reg(load.getTmaDescriptor()),
                     reg(load.getMbar()), list(load.getCoordinates()));
    });
  } else if (auto store = dyn_cast<NVVM::CpAsyncBulkTensorSharedCTAToGlobalOp>(op)) {
    emitPredicated(optional(store.getPredicate()), false, [&] {
      emitTensorCopy(true, reg(store.getSrcMem()), reg(store.getTmaDescriptor()), 0,
                     list(store.getCoordinates()));
    });
  } else if (isa<NVVM::CpAsyncBulkCommitGroupOp>(op)) {
    emit(Op::CommitCopies).imm = 1;
  } else if (auto wait = dyn_cast<NVVM::CpAsyncBulkWaitGroupOp>(op)) {
    Instruction &inst = emit(Op::WaitForCopies);
    inst.imm = wait.getGroup();
    inst.kind = 1;
  } else {
    return isa<NVVM::CpAsyncBulkPrefetchOp, NVVM::CpAsyncBulkTensorPrefetchOp>(op);
  }
  return true;
}

FailureOr<bool> Compiler::compileAsync(Operation *op) {
  auto done = [](LogicalResult result) {
    return failed(result) ? FailureOr<bool>(failure()) : true;
  };
  if (auto assembly = dyn_cast<LLVM::InlineAsmOp>(op))
    return done(compileAsm(assembly));
  if (auto mma = dyn_cast<NVVM::MmaOp>(op))
    return done(compileMma(mma));
  if (auto wgmma = dyn_cast<NVVM::WgmmaMmaAsyncOp>(op))
    return done(compileWgmma(wgmma));
  if (compileMBarrier(op))
    return true;
  if (auto copy = dyn_cast<NVVM::CpAsyncOp>(op)) {
    emit(Op::CopyAsync, reg(copy.getDst()), reg(copy.getSrc()),
         copy.getCpSize() ? reg(copy.getCpSize()) : noRegister, copy.getSize());
  } else if (isa<NVVM::CpAsyncCommitGroupOp>(op)) {
    emit(Op::CommitCopies);
  } else if (auto wait = dyn_cast<NVVM::CpAsyncWaitGroupOp>(op)) {
    emit(Op::WaitForCopies).imm = wait.getN();
  } else if (auto arrive = dyn_cast<NVVM::CpAsyncMBarrierArriveOp>(op)) {
    emit(Op::ArriveAfterCopies, reg(arrive.getAddr())).imm = arrive.getNoinc();
  } else if (auto load = dyn_cast<NVVM::LdMatrixOp>(op)) {
    if (load.getShape().getM() != 8 || load.getShape().getN() != 8)
      return FailureOr<bool>(unsupported(op, "ldmatrix of this shape"));
    uint32_t dst = define(load.getRes());
    Instruction &inst = emit(Op::LoadMatrix, reg(load.getPtr()));
    inst.dst = dst;
    inst.count = load.getNum();
    inst.flags = load.getLayout() == NVVM::MMALayout::col;
  } else if (auto store = dyn_cast<NVVM::StMatrixOp>(op)) {
    uint32_t first = program.wideList.size();
    for (Value source : store.getSources())
      program.wideList.push_back(reg(source));
    Instruction &inst = emit(Op::StoreMatrix, reg(store.getPtr()));
    inst.list = first;
    inst.listCount = store.getSources().size();
    inst.flags = store.getLayout() == NVVM::MMALayout::col;
  } else if (isa<NVVM::WgmmaFenceAlignedOp>(op)) {
    emit(Op::WgmmaFence);
  } else if (isa<NVVM::WgmmaGroupSyncAlignedOp>(op)) {
    emit(Op::WgmmaCommit);
  } else if (auto wait = dyn_cast<NVVM::WgmmaWaitGroupSyncOp>(op)) {
    emit(Op::WgmmaWait).imm = wait.getGroup();
  } else if (auto fence = dyn_cast<NVVM::FenceProxyOp>(op)) {
    if (fence.getKind() != NVVM::ProxyKind::alias && fence.getKind() != NVVM::ProxyKind::TENSORMAP)
      emit(Op::ProxyFence);
  } else if (isa<NVVM::FenceMbarrierInitOp>(op)) {
    emit(Op::ProxyFence);
  } else {
    return compileBulk(op);
  }
  return true;
}

} // namespace qcc::simt
