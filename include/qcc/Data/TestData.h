// ONNX test data folders: input_*.pb and output_*.pb.
#ifndef QCC_DATA_TESTDATA_H
#define QCC_DATA_TESTDATA_H

#include "qcc/Data/Model.h"

namespace qcc::data {

struct TestData {
  std::vector<NamedTensor> inputs, outputs;
};
llvm::Expected<TestData> readTestData(llvm::StringRef folder);

/// For each tensor the index of its namesake in `signature`, else its own position. `what` is
/// "input" or "output".
llvm::Expected<std::vector<size_t>> matchNames(llvm::ArrayRef<NamedTensor> tensors,
                                               llvm::ArrayRef<TensorInfo> signature,
                                               llvm::StringRef where, llvm::StringRef what);

} // namespace qcc::data
#endif
