// Layer-sequential quantization: each layer's codes are chosen knowing what reaches it through the
// layers before it that are quantized already.
#ifndef QCC_DRIVER_SEQUENTIAL_H
#define QCC_DRIVER_SEQUENTIAL_H

#include "qcc/Driver/Codes.h"
#include "qcc/Driver/Walk.h"

namespace qcc {

/// Samples of a data set as inputs of a model.
struct SampleSource {
  size_t count = 0;
  std::function<llvm::Expected<std::vector<cli::HostTensor>>(size_t)> inputs;
  int maskInput = -1; ///< argument that is 0 at positions that do not count; -1: all do
  std::string hash;   ///< of the data, in hex
};

/// Which rows (positions) of a value with `rows` rows count, by the sample's mask; empty: all.
std::vector<uint8_t> countedRows(const std::vector<cli::HostTensor> &inputs, int maskInput,
                                 int64_t rows);

} // namespace qcc
#endif
