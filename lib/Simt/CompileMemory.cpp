// Loads, stores, addresses, atomics and fences.
#include "Compiler.h"

using namespace mlir;

namespace qcc::simt {

static uint8_t spaceOf(Value pointer) {
  return cast<LLVM::LLVMPointerType>(pointer.getType()).getAddressSpace();
}

static uint8_t flagsOf(bool isVolatile, LLVM::AtomicOrdering ordering) {
  using Ordering = LLVM::AtomicOrdering;
  uint8_t flags = isVolatile ? volatileAccess : 0;
  if (ordering != Ordering::not_atomic)
    flags |= atomicAccess;
  if (ordering == Ordering::acquire || ordering == Ordering::acq_rel ||
      ordering == Ordering::seq_cst)
    flags |= acquireOrder;
  if (ordering == Ordering::release || ordering == Ordering::acq_rel ||
      ordering == Ordering::seq_cst)
    flags |= releaseOrder;
  return flags;
}

LogicalResult Compiler::compileAddress(LLVM::GEPOp op) {
  if (op.getDynamicIndices().size() && isa<VectorType>(op.getType()))
    return unsupported(op, "vectors of addresses");
  uint64_t offset = 0;
  SmallVector<uint64_t> scaled; // register, width, stride
  Type type = op.getElemType();
  for (auto [i, index] : llvm::enumerate(op.getIndices())) {
    auto fixed = dyn_cast<IntegerAttr>(index);
    if (i != 0)
      if (auto structure = dyn_cast<LLVM::LLVMStructType>(type)) {
        // The offset of a member is that of the first leaf behind the ones before it.
        unsigned member = fixed.getInt(), before = 0;
        for (Type part : structure.getBody().take_front(member))
          before += registersOf(part);
        FailureOr<Layout> layout = layoutOf(structure);
        if (failed(layout))
          return unsupported(op, "such struct in memory");
        offset += layout->leaves[before].offset;
        type = structure.getBody()[member];
        continue;
      }
    if (i != 0)
      type = isa<VectorType>(type) ? cast<VectorType>(type).getElementType()
                                   : cast<LLVM::LLVMArrayType>(type).getElementType();
    FailureOr<uint64_t> stride = strideOf(type);
    if (failed(stride))
      return unsupported(op, "such type in memory");
    if (fixed)
      offset += fixed.getInt() * *stride;
    else
      scaled.append(
          {reg(cast<Value>(index)), cast<Value>(index).getType().getIntOrFloatBitWidth(), *stride});
  }
  uint32_t dst = define(op.getResult());
  Instruction &inst = emit(Op::Address);
  inst.dst = dst;
  inst.a = reg(op.getBase());
  inst.imm = offset;
  inst.list = program.wideList.size();
  inst.listCount = scaled.size();
  llvm::append_range(program.wideList, scaled);
  return success();
}

/// Functions are compiled into the kernel, so that every variable has one place.
LogicalResult Compiler::compileAlloca(LLVM::AllocaOp op) {
  auto count = op.getArraySize().getDefiningOp<LLVM::ConstantOp>();
  auto number = count ? dyn_cast<IntegerAttr>(count.getValue()) : IntegerAttr();
  FailureOr<uint64_t> stride = strideOf(op.getElemType());
  if (!number || failed(stride))
    return unsupported(op, "local variables of unknown size");
  program.localBytes =
      llvm::alignTo(program.localBytes, std::max<uint64_t>(16, op.getAlignment().value_or(1)));
  uint64_t generic = spaceOf(op.getRes()) == 0 ? localWindow : 0;
  alias(op.getRes(), constant(generic + program.localBytes));
  program.localBytes += *stride * number.getInt();
  return success();
}

LogicalResult Compiler::compileAccess(Operation *op, Value address, Type type, uint64_t alignment,
                                      bool isVolatile, LLVM::AtomicOrdering ordering) {
  FailureOr<Layout> layout = layoutOf(type);
  if (failed(layout))
    return unsupported(op, "such type in memory");
  if (alignment)
    layout->alignment = alignment;
  bool loads = op->getNumResults();
  uint32_t value = loads ? define(op->getResult(0)) : reg(op->getOperand(0));
  uint32_t index = addLayout(std::move(*layout));
  Instruction &inst = emit(loads ? Op::Load : Op::Store);
  (loads ? inst.dst : inst.b) = value;
  inst.a = reg(address);
  inst.kind = spaceOf(address);
  inst.layout = index;
  inst.flags = flagsOf(isVolatile, ordering);
  return success();
}

static std::optional<Combine> combineOf(LLVM::AtomicBinOp op) {
  using Bin = LLVM::AtomicBinOp;
  switch (op) {
  case Bin::xchg:
    return Combine::Xchg;
  case Bin::add:
    return Combine::Add;
  case Bin::sub:
    return Combine::Sub;
  case Bin::_and:
    return Combine::And;
  case Bin::nand:
    return Combine::Nand;
  case Bin::_or:
    return Combine::Or;
  case Bin::_xor:
    return Combine::Xor;
  case Bin::max:
    return Combine::Max;
  case Bin::min:
    return Combine::Min;
  case Bin::umax:
    return Combine::UMax;
  case Bin::umin:
    return Combine::UMin;
  case Bin::fadd:
    return Combine::FAdd;
  case Bin::fsub:
    return Combine::FSub;
  case Bin::fmax:
    return Combine::FMax;
  case Bin::fmin:
    return Combine::FMin;
  case Bin::uinc_wrap:
    return Combine::UIncWrap;
  case Bin::udec_wrap:
    return Combine::UDecWrap;
  default:
    return std::nullopt;
  }
}

/// Relaxed whatever the op says: so LLVM prints it.
LogicalResult Compiler::compileAtomic(LLVM::AtomicRMWOp op) {
  std::optional<Combine> how = combineOf(op.getBinOp());
  FailureOr<SmallVector<Scalar>> scalars = scalarsOf(op.getVal().getType());
  if (!how || failed(scalars) || scalars->size() != 1)
    return unsupported(op, "such atomic");
  uint32_t dst = define(op.getRes());
  Instruction &inst = emit(Op::AtomicRmw);
  inst.dst = dst;
  inst.a = reg(op.getPtr());
  inst.b = reg(op.getVal());
  inst.kind = static_cast<uint8_t>(*how);
  inst.imm = spaceOf(op.getPtr());
  inst.bits = scalars->front().bits;
  inst.scalar = scalars->front().kind;
  inst.flags = atomicAccess;
  return success();
}

FailureOr<bool> Compiler::compileMemory(Operation *op) {
  auto done = [](LogicalResult result) {
    return failed(result) ? FailureOr<bool>(failure()) : true;
  };
  if (auto load = dyn_cast<LLVM::LoadOp>(op))
    return done(compileAccess(op, load.getAddr(), load.getType(), load.getAlignment().value_or(0),
                              load.getVolatile_(), load.getOrdering()));
  if (auto store = dyn_cast<LLVM::StoreOp>(op))
    return done(compileAccess(op, store.getAddr(), store.getValue().getType(),
                              store.getAlignment().value_or(0), store.getVolatile_(),
                              store.getOrdering()));
  if (auto address = dyn_cast<LLVM::GEPOp>(op))
    return done(compileAddress(address));
  if (auto variable = dyn_cast<LLVM::AllocaOp>(op))
    return done(compileAlloca(variable));
  if (auto atomic = dyn_cast<LLVM::AtomicRMWOp>(op))
    return done(compileAtomic(atomic));
  if (auto address = dyn_cast<LLVM::AddressOfOp>(op)) {
    auto global = module.lookupSymbol<LLVM::GlobalOp>(address.getGlobalName());
    if (!global)
      return done(unsupported(op, "addresses of functions"));
    FailureOr<uint32_t> where = addressOf(global);
    if (failed(where))
      return failure();
    alias(address.getRes(), *where);
    return true;
  }
  if (auto exchange = dyn_cast<LLVM::AtomicCmpXchgOp>(op)) {
    uint32_t dst = define(exchange.getRes());
    Instruction &inst = emit(Op::CompareExchange);
    inst.dst = dst;
    inst.a = reg(exchange.getPtr());
    inst.b = reg(exchange.getCmp());
    inst.c = reg(exchange.getVal());
    inst.imm = spaceOf(exchange.getPtr());
    inst.bits = scalarsOf(exchange.getVal().getType())->front().bits;
    inst.flags = flagsOf(false, exchange.getSuccessOrdering());
    return true;
  }
  if (auto fence = dyn_cast<LLVM::FenceOp>(op)) {
    emit(Op::Fence).flags = flagsOf(false, fence.getOrdering());
    return true;
  }
  if (isa<LLVM::MemsetOp, LLVM::MemcpyOp, LLVM::MemmoveOp>(op)) {
    Instruction &inst = emit(isa<LLVM::MemsetOp>(op) ? Op::MemorySet : Op::MemoryCopy);
    inst.kind = spaceOf(op->getOperand(0));
    inst.imm = isa<LLVM::MemsetOp>(op) ? 0 : spaceOf(op->getOperand(1));
    inst.a = reg(op->getOperand(0));
    inst.b = reg(op->getOperand(1));
    inst.c = reg(op->getOperand(2));
    return true;
  }
  return false;
}

} // namespace qcc::simt
