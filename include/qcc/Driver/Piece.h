// Part of a model function as a model of its own: cut out, compiled for this machine, loaded.
#ifndef QCC_DRIVER_PIECE_H
#define QCC_DRIVER_PIECE_H

#include "Qnt/Qnt.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "qcc/Data/RuntimeModel.h"
#include "qcc/Pipeline/Compile.h"
#include "llvm/ADT/SetVector.h"

namespace qcc {

/// What to cut out of a function: ops, the values they read that others made, and the results.
struct Piece {
  llvm::SetVector<mlir::Operation *> ops; ///< without constant ones
  llvm::SetVector<mlir::Value> inputs;    ///< beyond the function's arguments
  llvm::SmallVector<mlir::Value> outputs;
};

/// The ops that `wanted` needs and that no value of `known` already gives.
Piece cutPiece(mlir::func::FuncOp function, llvm::ArrayRef<mlir::Value> wanted,
               llvm::function_ref<bool(mlir::Value)> known);

struct PieceOptions {
  std::string folder; ///< for the artifact while it is opened
  unsigned threads = 0;
  int optLevel = 1;
};

/// A module with one function: the arguments of `function` (its symbols stay bound to them), then
/// the piece's inputs; the piece's outputs. Roles are gone: a piece has no cache.
mlir::OwningOpRef<mlir::ModuleOp> extractPiece(mlir::func::FuncOp function, const Piece &piece);

/// The piece from the quantize stage to machine code. Errors: those of the stages.
llvm::Expected<std::unique_ptr<data::RuntimeModel>> compilePiece(const LoadedModel &model,
                                                                 mlir::func::FuncOp function,
                                                                 const Piece &piece,
                                                                 const PieceOptions &options);

} // namespace qcc
#endif
