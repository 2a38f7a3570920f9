// How code of the body is written.
#include "BodyBuilder.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "qcc/Lower/KernelFrame.h"
#include "qcc/model.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::lower;
using namespace qcc::qnt;

Value BodyBuilder::at(Value pointer, int64_t bytes) {
  return LLVM::GEPOp::create(b, where, ptrType(), b.getI8Type(), pointer,
                             ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(bytes)});
}

Value BodyBuilder::at(Value pointer, Value bytes) {
  return LLVM::GEPOp::create(b, where, ptrType(), b.getI8Type(), pointer,
                             ArrayRef<LLVM::GEPArg>{bytes});
}

Value BodyBuilder::load(Type type, Value pointer, int64_t bytes) {
  return LLVM::LoadOp::create(b, where, type, at(pointer, bytes));
}

void BodyBuilder::store(Value value, Value pointer, int64_t bytes) {
  LLVM::StoreOp::create(b, where, value, at(pointer, bytes));
}

Value BodyBuilder::dim(DimExpr expr) {
  Value &value = dims[expr.getAttr()];
  if (!value)
    value = emitDim(*this, expr, [&](StringRef name) { return symbolValues.lookup(name); });
  return value;
}

Value BodyBuilder::maximum(ArrayRef<DimExpr> exprs) {
  Value result = ci64(0);
  for (DimExpr expr : exprs)
    result = max(result, dim(expr));
  return result;
}

SmallVector<Value> BodyBuilder::slotOffsets() {
  SmallVector<Value> offsets = {ci64(0)};
  for (auto &sizes : model.arena.slots) {
    Value size = and_(add(maximum(sizes), ci64(63)), ci64(-64));
    offsets.push_back(add(offsets.back(), size));
  }
  return offsets;
}

void BodyBuilder::require(Value condition, Value result) {
  Region *region = b.getInsertionBlock()->getParent();
  Block *stop = new Block, *next = new Block;
  region->push_back(stop);
  region->push_back(next);
  cf::CondBranchOp::create(b, where, condition, next, stop);
  b.setInsertionPointToStart(stop);
  func::ReturnOp::create(b, where, result);
  b.setInsertionPointToStart(next);
}

Value BodyBuilder::unless(Value condition, llvm::function_ref<Value()> emit) {
  Region *region = b.getInsertionBlock()->getParent();
  Block *own = new Block, *next = new Block;
  region->push_back(own);
  region->push_back(next);
  Value result = next->addArgument(i64(), where);
  cf::CondBranchOp::create(b, where, condition, next, ValueRange{ci64(0)}, own, ValueRange{});
  b.setInsertionPointToStart(own);
  Value value = emit();
  cf::BranchOp::create(b, where, next, value);
  b.setInsertionPointToStart(next);
  return result;
}

Block *BodyBuilder::startBlock(ArrayRef<Type> arguments) {
  Block *block = new Block;
  b.getInsertionBlock()->getParent()->push_back(block);
  for (Type type : arguments)
    block->addArgument(type, where);
  return block;
}

Value BodyBuilder::callService(Value call, size_t offset, ValueRange arguments) {
  Value services = load(ptrType(), call, offsetof(qcc_call, services));
  Value service = load(ptrType(), services, static_cast<int64_t>(offset));
  SmallVector<Value> operands = {service, call};
  llvm::append_range(operands, arguments);
  SmallVector<Type> types;
  for (Value operand : ArrayRef(operands).drop_front())
    types.push_back(operand.getType());
  auto type = LLVM::LLVMFunctionType::get(i64(), types);
  return LLVM::CallOp::create(b, where, type, operands).getResult();
}

void BodyBuilder::requireService(Value call, size_t offset, ValueRange arguments) {
  Value fault = callService(call, offset, arguments);
  require(eq(fault, ci64(0)), fault);
}

void BodyBuilder::copyTensor(Value call, Value to, Value from, Value bytes) {
  if (model.hasGpuCode)
    requireService(call, offsetof(qcc_services, copy), {to, from, bytes});
  else
    LLVM::MemcpyOp::create(b, where, to, from, bytes, /*isVolatile=*/false);
}

/// Of integers as tensors hold them.
static int64_t bytesOf(Type type) { return type.getIntOrFloatBitWidth() / 8; }

Value BodyBuilder::loadTensor(Type type, Value call, Value from, Value room) {
  if (!model.hasGpuCode)
    return load(type, from, 0);
  requireService(call, offsetof(qcc_services, read), {room, from, ci64(bytesOf(type))});
  return load(type, room, 0);
}

void BodyBuilder::storeTensor(ArrayRef<Value> values, Value call, Value to, Value room) {
  int64_t bytes = 0;
  for (Value value : values) {
    store(value, model.hasGpuCode ? room : to, bytes);
    bytes += bytesOf(value.getType());
  }
  if (model.hasGpuCode && bytes != 0)
    requireService(call, offsetof(qcc_services, write), {to, room, ci64(bytes)});
}
