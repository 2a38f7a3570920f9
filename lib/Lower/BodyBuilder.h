// Code of a function of the body: i64 arithmetic, loads and stores at byte offsets, blocks,
// services.
#ifndef QCC_LIB_LOWER_BODYBUILDER_H
#define QCC_LIB_LOWER_BODYBUILDER_H

#include "BodyModel.h"
#include "qcc/Kernels/KernelBuilder.h"

namespace qcc::lower {

class BodyBuilder : public ValueBuilder {
public:
  using Block = mlir::Block;
  using Type = mlir::Type;

  BodyBuilder(mlir::OpBuilder builder, mlir::Location loc, Model &model)
      : ValueBuilder(builder, loc), model(model) {}

  Value at(Value pointer, int64_t bytes);
  Value at(Value pointer, Value bytes);
  Value load(Type type, Value pointer, int64_t bytes);
  void store(Value value, Value pointer, int64_t bytes);
  /// Value of an expression over the model's symbols; computed once.
  Value dim(DimExpr expr);
  Value maximum(llvm::ArrayRef<DimExpr> exprs);
  /// Byte offsets of the arena's slots and, last, its size.
  SmallVector<Value> slotOffsets();
  /// Goes on in a new block when `condition` holds, else returns `result`.
  void require(Value condition, Value result);
  /// 0 where `condition` holds, else what `emit` gives in a block of its own.
  Value unless(Value condition, llvm::function_ref<Value()> emit);
  /// A new block in front of which nothing jumps yet; code goes on in it.
  Block *startBlock(llvm::ArrayRef<Type> arguments = {});
  /// What the service at this offset of qcc_services returns.
  Value callService(Value call, size_t offset, ValueRange arguments);

  // The memory of tensors. That of models with code for GPUs is reached through services, which
  // may fail; `room` is where values of the host lie meanwhile.
  /// Leaves `bytes` bytes at `to` as they are at `from`.
  void copyTensor(Value call, Value to, Value from, Value bytes);
  Value loadTensor(Type type, Value call, Value from, Value room);
  /// The values one after the other.
  void storeTensor(llvm::ArrayRef<Value> values, Value call, Value to, Value room);

  Model &model;
  llvm::StringMap<Value> symbolValues;
  llvm::DenseMap<mlir::Attribute, Value> dims;

private:
  void requireService(Value call, size_t offset, ValueRange arguments);
};

} // namespace qcc::lower
#endif
