// Layer-sequential quantization: each layer's codes are chosen knowing what reaches it through the
// layers before it that are quantized already (Frantar et al. 2022, GPTQ, section 3.4).
#ifndef QCC_DRIVER_SEQUENTIAL_H
#define QCC_DRIVER_SEQUENTIAL_H

#include "qcc/Algorithms/Gptq.h"
#include "qcc/Driver/Codes.h"
#include "qcc/Driver/Samples.h"
#include "qcc/Driver/Walk.h"

namespace qcc {

/// Second moments of what a group of layers reads.
struct Moments {
  int64_t k = 0;
  int64_t positions = 0;    ///< rows that counted
  std::vector<double> gram; ///< [K][K], sum of x x^T
  std::vector<double>
      cross; ///< [K][K], sum of xf x^T with xf the input in the float model, or empty
  std::vector<double> mean, floatMean; ///< [K], of x and xf; floatMean may be empty
  /// Of `gram`, made when it is first asked for: the weights of a group share it, and its options.
  const HessianFactor &factor(const GptqOptions &options, unsigned threads) const;

private:
  mutable std::optional<HessianFactor> made;
};

/// Chooses the codes of one weight. `matrix` is [rows][columns]; moments without `gram` where there
/// are no samples.
using LayerMethod = std::function<llvm::Expected<EncodedRows>(
    const MarkedWeight &weight, std::vector<float> matrix, const Moments &moments)>;

struct SequentialOptions {
  std::string folder; ///< temporary
  unsigned threads = 0;
  bool followFloat = false; ///< also walk the float model, for Moments::cross
  bool correctBias = false; ///< likewise, and what codes shift on average goes into biases
  /// Called before each group with the work that is done and in all (Progress.h).
  std::function<void(uint64_t done, uint64_t all, llvm::StringRef name)> progress;
  /// Bytes that an earlier attempt left for a weight, and where to leave them for a later one.
  std::function<std::optional<std::vector<uint8_t>>(const MarkedWeight &)> resume;
  std::function<llvm::Error(const MarkedWeight &, llvm::ArrayRef<uint8_t>)> keep;
};

/// Gives every marked weight of `function` that a layer reads the codes that `method` chooses;
/// tables that are only looked up in keep their quantization op. `floats` is the same function
/// before schemes were assigned, in a module of its own (followFloat), else null.
llvm::Error quantizeSequentially(LoadedModel &model, mlir::func::FuncOp function,
                                 const LoadedModel *floats, const ModelSamples &samples,
                                 const LayerMethod &method, const SequentialOptions &options);

/// Shows every marked weight of `function` that a layer reads to `visit`, with the moments of its
/// inputs in the float model; what `visit` gives is not used.
llvm::Error surveyLayers(LoadedModel &model, mlir::func::FuncOp function, const LoadedModel &floats,
                         const ModelSamples &samples, const LayerMethod &visit,
                         const SequentialOptions &options);

} // namespace qcc
#endif
