// What is decided about a model before its body is written: which steps there are, where values
// lie, what is known when.
#ifndef QCC_LIB_LOWER_BODYMODEL_H
#define QCC_LIB_LOWER_BODYMODEL_H

#include "ArenaPlan.h"
#include "Qnt/Needs.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/SymbolTable.h"

namespace qcc::lower {

using namespace qnt;
using llvm::LogicalResult;
using llvm::SmallVector;
using mlir::Operation;
using mlir::SymbolTable;
using mlir::Value;
namespace func = mlir::func;

/// Where a value of the model lies.
struct Place {
  enum Kind { Input, Output, Weights, Arena, Cache } kind = Arena;
  size_t index = 0;   ///< input, output, cache; index of the lifetime in the arena
  int64_t offset = 0; ///< bytes into the weight section
};

/// Everything decided about the model before code is written.
struct Model {
  func::FuncOp function;
  SymbolTable &symbols;
  bool hasGpuCode; ///< tensors may lie in the memory of a GPU
  /// Launches, host calls, dim_tensors and bind_dims in order; a loop is the loop, its steps and
  /// its qnt.yield.
  SmallVector<Operation *> steps;
  size_t segments = 1;               ///< a bind_dim ends one
  llvm::StringMap<size_t> knownFrom; ///< produced symbols: the first segment that knows them
  llvm::DenseMap<Value, Place> places;
  std::vector<Lifetime> lifetimes;
  std::vector<size_t> slotSegments; ///< the segment that a slot's buffers are made in
  ArenaPlan arena;
  SmallVector<RequireEqualOp> checks;
  llvm::StringMap<size_t> kernelNumbers;
  SmallVector<std::pair<size_t, size_t>> caches; ///< past input, present output
  std::unique_ptr<Needs> needs;

  Model(func::FuncOp function, SymbolTable &symbols, bool hasGpuCode = false)
      : function(function), symbols(symbols), hasGpuCode(hasGpuCode) {}
  LogicalResult analyse(SectionOp section);
  Value base(Value value);
  /// The first segment that knows all symbols of `expr`.
  size_t segmentOf(DimExpr expr) const;
  /// A size that is 0 where the step, of that segment, need not be done; null: always do it.
  DimExpr needOf(Operation *step, size_t segment) const;

private:
  LogicalResult checkSymbols();
  LogicalResult collectSteps(mlir::Block &block, const llvm::StringMap<int64_t> &offsets);
  /// The last step that reads a value, and the last level.
  struct LastUse {
    size_t step = 0, level = 0;
  };
  llvm::DenseMap<Value, LastUse> lastUses(llvm::ArrayRef<size_t> levels);
  std::vector<size_t> stepLevels();
  void placeOutputs();
  void placeArena();
};

} // namespace qcc::lower
#endif
