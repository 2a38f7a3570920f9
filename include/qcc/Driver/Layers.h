// The layers of a model that are quantized, in the order in which they can be quantized.
#ifndef QCC_DRIVER_LAYERS_H
#define QCC_DRIVER_LAYERS_H

#include "Qnt/Qnt.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "qcc/Pipeline/Compile.h"
#include <string>
#include <vector>

namespace qcc {

/// A weight that qcc-assign-schemes marked: quantize(matrix), dequantized again for its readers.
struct MarkedWeight {
  std::string
      name; ///< of the first weight behind the matrix; "#2" and so on where several share it
  qnt::QuantizeOp quantize;
  llvm::SmallVector<qnt::LinearOp> readers; ///< none for tables that are only looked up in
  int64_t rows = 0, columns = 0;            ///< [N, K]
  mlir::Value matrix() { return quantize.getX(); }
};

/// Weights whose layers read one value: their methods share its statistics.
struct LayerGroup {
  mlir::Value input; ///< float, before it is quantized itself; null for tables
  std::vector<MarkedWeight> weights;
};

/// Groups in the order of their first reader. A weight that layers of several groups read counts
/// for the first of them.
std::vector<LayerGroup> findMarkedWeights(mlir::func::FuncOp function);

/// Names of quantized weights of layers that methods leave rounded to nearest: those with one scale
/// for the whole tensor, or with zero points that are floats.
std::vector<std::string> weightsOutsideMethods(mlir::func::FuncOp function);

/// What a linear layer reads, whether or not it is quantized on the way.
mlir::Value unquantized(mlir::Value value);

/// Names of the weights behind `matrix`, the first one first.
std::vector<std::string> weightsBehind(mlir::Value matrix);

/// A constant matrix as dense f32 [N][K]. Errors: those of WeightStore.
llvm::Expected<std::vector<float>> evaluateMatrix(const LoadedModel &model, mlir::Value matrix,
                                                  unsigned threads);

} // namespace qcc
#endif
