// Runs a model over samples value by value, keeping what the next values need.
#ifndef QCC_DRIVER_WALK_H
#define QCC_DRIVER_WALK_H

#include "qcc/Driver/Piece.h"
#include "qcc/Driver/SampleTensors.h"

namespace qcc {

/// Gives the inputs of one sample, in the order of the function's arguments.
using SampleInputs = std::function<llvm::Expected<std::vector<data::HostTensor>>(size_t)>;

/// Computes values of a function on all samples, in the order in which they are asked for. What has
/// been computed and is still needed lies on disk, so that nothing is computed twice, ops may be
/// rewritten behind the front (a layer whose input is known may get other weights), and memory does
/// not grow with the number of samples.
class Walk {
public:
  /// `samples` and `function` must outlive the walk.
  Walk(const LoadedModel &model, mlir::func::FuncOp function, size_t count, SampleInputs samples,
       PieceOptions options);
  ~Walk();

  /// Computes `wanted` and calls `visit` with them, sample after sample. Constant values must not
  /// be asked for; arguments of the function may be.
  llvm::Error compute(llvm::ArrayRef<mlir::Value> wanted,
                      llvm::function_ref<llvm::Error(size_t, llvm::ArrayRef<qcc_tensor>)> visit);
  size_t samples() const { return count; }

private:
  llvm::SmallVector<mlir::Value> liveAfter(const Piece &piece,
                                           llvm::ArrayRef<mlir::Value> wanted) const;
  void dropDead();

  const LoadedModel &model;
  mlir::func::FuncOp function;
  size_t count;
  SampleInputs inputs;
  PieceOptions options;
  mlir::DenseMap<mlir::Value, std::unique_ptr<SampleTensors>> kept;
  mlir::DenseSet<mlir::Operation *> done;
};

} // namespace qcc
#endif
