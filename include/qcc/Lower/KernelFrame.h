// What every kernel family shares: a qnt.kernel's parameters as values of the function being
// written, and the access of an operand through the views (transpose, slice, broadcast, reshape)
// that were fused into the kernel.
//
// Slots of a kernel, in order: one address per operand, one per result (a cache, !qnt.kv, takes
// three: address, batch stride, head stride in elements), then the dimensions d0, d1, ...
#ifndef QCC_LOWER_KERNELFRAME_H
#define QCC_LOWER_KERNELFRAME_H

#include "Qnt/Qnt.h"
#include "qcc/Kernels/KernelBuilder.h"

namespace qcc::lower {

/// How the body of a model launches a kernel; expressions over the kernel's dimensions.
struct LaunchShape {
  qnt::DimExpr tasks;        ///< number of tasks
  qnt::DimExpr grain;        ///< fewest tasks worth another worker
  qnt::DimExpr scratchBytes; ///< per worker
};

/// Element type in memory; nothing for types that kernels do not store.
std::optional<Elem> elemOf(mlir::Type elementType);

/// Address arithmetic of one operand: element index = offset + sum of index[i] * strides[i].
struct Access {
  mlir::BlockArgument source;
  Elem elem = Elem::F32;
  qnt::DimExpr offset;
  llvm::SmallVector<qnt::DimExpr> strides;

  /// Strides against `dims`, to which the accessed value broadcasts: zero where it repeats.
  Access broadcastTo(llvm::ArrayRef<qnt::DimExpr> from, llvm::ArrayRef<qnt::DimExpr> dims) const;
};

/// Row-major strides of `dims`.
llvm::SmallVector<qnt::DimExpr> denseStrides(mlir::MLIRContext *context,
                                             llvm::ArrayRef<qnt::DimExpr> dims);

/// True for ops that only change how an operand is addressed.
bool isView(mlir::Operation *op);

/// Access of `value`: a block argument behind any number of views. Fails where a reshape follows a
/// view that is not row-major any more.
mlir::FailureOr<Access> accessOf(mlir::Value value);

/// Slots that an operand or result of `type` takes.
int slotsOf(mlir::Type type);

/// Bytes of a buffer that holds `type` (a tensor, or a quantized tensor in its layout).
qnt::DimExpr bufferBytes(mlir::Type type);

/// A kernel being written.
class KernelFrame {
public:
  KernelFrame(KernelBuilder &k, qnt::KernelOp kernel);

  KernelBuilder &k;
  qnt::KernelOp kernel;

  mlir::Block &body() { return kernel.getBody().front(); }
  mlir::Operation *yield() { return body().getTerminator(); }
  /// Address of an operand or of result `i`.
  mlir::Value pointer(mlir::BlockArgument operand);
  mlir::Value resultPointer(unsigned i);
  /// Batch and head strides of a cache operand, in elements.
  std::pair<mlir::Value, mlir::Value> cacheStrides(mlir::BlockArgument operand);
  /// Value of a dimension. Call at the top level, before loops: expressions are computed once.
  mlir::Value dim(qnt::DimExpr expr);
  mlir::Value dim(int64_t value) { return k.ci64(value); }

private:
  int operandSlot(unsigned i); ///< first slot of operand i; the count gives the end
  int resultSlot(unsigned i);

  llvm::DenseMap<mlir::Attribute, mlir::Value> dims;
};

/// Computes `expr` with the builder; `symbol` gives the value of a symbol.
mlir::Value emitDim(ValueBuilder &b, qnt::DimExpr expr,
                    llvm::function_ref<mlir::Value(llvm::StringRef)> symbol);

} // namespace qcc::lower
#endif
