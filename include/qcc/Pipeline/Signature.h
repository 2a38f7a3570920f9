// What a model function takes and gives, in the terms of data files and runs.
#ifndef QCC_PIPELINE_SIGNATURE_H
#define QCC_PIPELINE_SIGNATURE_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "qcc/Data/Model.h"

namespace qcc {

/// The qcc_dtype of an element type.
uint32_t dtypeOf(mlir::Type element);
/// One argument or result with its attributes (null: none).
data::TensorInfo tensorInfo(mlir::Type type, mlir::DictionaryAttr attrs);
std::vector<data::TensorInfo> inputInfos(mlir::func::FuncOp function);
std::vector<data::TensorInfo> outputInfos(mlir::func::FuncOp function);

} // namespace qcc
#endif
