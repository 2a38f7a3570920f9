// Data sets as inputs of a model function.
#ifndef QCC_DRIVER_SAMPLES_H
#define QCC_DRIVER_SAMPLES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "qcc/Data/Model.h"
#include <functional>
#include <memory>

namespace qcc {

/// Samples of a data set as inputs of a model.
struct SampleSource {
  size_t count = 0;
  /// All inputs of sample i in the order of the function's arguments.
  std::function<llvm::Expected<std::vector<data::HostTensor>>(size_t)> inputs;
  int maskInput = -1; ///< argument that is 0 at positions that do not count; -1: all do
  std::string hash;   ///< of the data, in hex
};

/// Opens `where` (cli.md, "Data"): at most `limit` samples, negative: all; `ctx` is the window of a
/// file of token ids, else 0. Arrays go to inputs of their name, then of the role that their name
/// usually has; absent inputs take their defaults. Errors: 1008, 1101, 18xx.
llvm::Expected<SampleSource> openSamples(mlir::func::FuncOp function, llvm::StringRef where,
                                         int64_t ctx, int64_t limit);

/// Samples that remember the mask of the one that was asked for last.
class MaskedSamples {
public:
  /// `source` must outlive this, and this what source() gives.
  explicit MaskedSamples(const SampleSource &samples) : samples(samples) {}
  std::function<llvm::Expected<std::vector<data::HostTensor>>(size_t)> source();
  /// Which of `rows` rows of a value of the last sample count; empty: all of them.
  std::vector<uint8_t> counted(int64_t rows) const;

private:
  const SampleSource &samples;
  data::HostTensor mask;
};

} // namespace qcc
#endif
