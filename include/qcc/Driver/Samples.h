// Data sets as inputs of a model function.
#ifndef QCC_DRIVER_SAMPLES_H
#define QCC_DRIVER_SAMPLES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "qcc/Data/Samples.h"
#include <functional>
#include <memory>

namespace qcc {

/// Samples of a data set as inputs of a model.
struct ModelSamples {
  size_t count = 0;
  /// All inputs of sample i in the order of the function's arguments.
  std::function<llvm::Expected<std::vector<data::HostTensor>>(size_t)> inputs;
  int maskInput = -1; ///< argument that is 0 at positions that do not count; -1: all do
  std::string hash;   ///< of the data, in hex
};

/// Opens a data set for a function. Absent inputs take their defaults. Errors: those of
/// data::SampleSet and data::completeInputs.
llvm::Expected<ModelSamples> openSamples(mlir::func::FuncOp function, llvm::StringRef where,
                                         int64_t ctx, int64_t limit);
ModelSamples samplesOf(mlir::func::FuncOp function, data::SampleSet set, std::string hash);

/// A note where samples are so few that ranges and moments depend on which ones they are.
void noteFewSamples(const ModelSamples &samples, llvm::StringRef where, llvm::raw_ostream &err);

/// Samples that remember the mask of the one that was asked for last.
class MaskedSamples {
public:
  /// `source` must outlive this, and this what source() gives.
  explicit MaskedSamples(const ModelSamples &samples) : samples(samples) {}
  std::function<llvm::Expected<std::vector<data::HostTensor>>(size_t)> source();
  /// Which of `rows` rows of a value of the last sample count; empty: all of them.
  std::vector<uint8_t> counted(int64_t rows) const;

private:
  const ModelSamples &samples;
  data::HostTensor mask;
};

} // namespace qcc
#endif
