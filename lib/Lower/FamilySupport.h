// What the kernel families share: operands behind views, tasks made of rows, runs of copied
// elements, checked indices.
#ifndef QCC_LIB_LOWER_FAMILYSUPPORT_H
#define QCC_LIB_LOWER_FAMILYSUPPORT_H

#include "Qnt/RowCodes.h"
#include "qcc/Lower/Families.h"
#include "qcc/Support/Diagnostics.h"
#include "qcc/model.h"

namespace qcc::lower {

/// Reports that a family has no code for what `op` asks.
llvm::LogicalResult refuse(mlir::Operation *op, const llvm::Twine &message);
/// The element type of a value, for messages.
std::string typeText(mlir::Value value);
/// The whole type of a value, for messages.
std::string valueText(mlir::Value value);

/// The first op of type Op in the body; the family's table says that there is one.
template <typename Op> Op opOf(qnt::KernelOp kernel) {
  auto ops = kernel.getBody().template getOps<Op>();
  assert(!ops.empty() && "kind and body disagree");
  return *ops.begin();
}

inline Elem elemOfValue(mlir::Value value) {
  auto elem = elemOf(qnt::elementTypeOf(value.getType()));
  assert(elem && "kernels store this type");
  return *elem;
}

/// What floats of this storage are in memory.
inline Elem storageElem(qnt::Storage storage) {
  return storage == qnt::Storage::f16    ? Elem::F16
         : storage == qnt::Storage::bf16 ? Elem::BF16
                                         : Elem::F32;
}

/// A shape seen around one axis: outer x size x inner.
struct AroundAxis {
  qnt::DimExpr outer, size, inner;
  AroundAxis(mlir::MLIRContext *context, llvm::ArrayRef<qnt::DimExpr> dims, int64_t axis);
};

/// Values of `dims`; at the top level of the kernel, before loops.
llvm::SmallVector<mlir::Value> dimValues(KernelFrame &frame, llvm::ArrayRef<qnt::DimExpr> dims);

/// The multi-index of row-major index `linear` under `sizes`.
llvm::SmallVector<mlir::Value> unravel(KernelBuilder &k, mlir::Value linear,
                                       llvm::ArrayRef<mlir::Value> sizes);

/// `rows` pieces of work of about `work` elements each, dealt out so that a task is worth starting.
struct RowBlocks {
  qnt::DimExpr rows, perTask;
  RowBlocks(qnt::DimExpr rows, qnt::DimExpr work);

  LaunchShape launch() const;
  void forRows(KernelFrame &frame, llvm::function_ref<void(mlir::Value row)> body) const;
};

/// A launch of one task: work that goes in one order.
LaunchShape singleTask(mlir::MLIRContext *context);

/// Where an operand lies: a block argument (tensor or cache) behind views or qnt.decode_rows, or a
/// constant of one element, which is put on the stack.
struct Operand {
  mlir::Value pointer, offset;
  Elem elem = Elem::F32;
  llvm::SmallVector<mlir::Value> strides; ///< in elements
  llvm::SmallVector<int64_t> known;       ///< 0 or 1 where a stride is known to be that, else -1
  /// Of rows that are codes, decoded as they are loaded; strides are of their bytes.
  std::optional<qnt::RowCodes> codes;

  /// Element index of `index`; missing trailing indices count as zero.
  mlir::Value at(KernelBuilder &k, llvm::ArrayRef<mlir::Value> index) const;
  /// 16 elements along the last axis from element index `at` + i * stride on. Where rows are codes,
  /// `at` is the beginning of a row and i a multiple of 16.
  mlir::Value vload(KernelBuilder &k, mlir::Value at, mlir::Value i, mlir::Value lanes = {}) const;
};

/// Call at the top level, before loops. With `dims`, strides against the shape to which the value
/// broadcasts. Fails after reporting a view without strides.
mlir::FailureOr<Operand> operandOf(KernelFrame &frame, mlir::Value value,
                                   llvm::ArrayRef<qnt::DimExpr> dims = {});

/// The address of a dense operand.
mlir::FailureOr<mlir::Value> densePointer(KernelFrame &frame, mlir::Value value);

/// The integer type of an element's width: what copies move.
Elem copyElem(Elem elem);

/// dst[to ..] = src[from ..], `count` elements (none if negative).
void copyRun(KernelBuilder &k, Elem elem, mlir::Value src, mlir::Value from, mlir::Value dst,
             mlir::Value to, mlir::Value count);
/// dst[to ..] = value, `count` elements (none if negative).
void fillRun(KernelBuilder &k, Elem elem, mlir::Value value, mlir::Value dst, mlir::Value to,
             mlir::Value count);

/// An index counted from the end where it is negative, and whether it lies in 0 .. size - 1; one
/// that does not is recorded as a fault.
struct CheckedIndex {
  mlir::Value index, good;
};
CheckedIndex checkIndex(KernelBuilder &k, mlir::Value index, mlir::Value size);

} // namespace qcc::lower
#endif
