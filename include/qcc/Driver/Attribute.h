// Which weights of a build its loss comes from.
#ifndef QCC_DRIVER_ATTRIBUTE_H
#define QCC_DRIVER_ATTRIBUTE_H

#include "qcc/Driver/Allocate.h"
#include "qcc/Quality/Attribution.h"

namespace qcc {

struct AttributeOptions {
  std::string folder; ///< temporary
  unsigned threads = 0;
  int64_t samples = 8; ///< of the calibration data, the first ones
  int64_t runs = 64;   ///< at most
  /// The codes chosen for a weight; nothing: codes to nearest.
  std::function<std::optional<std::vector<uint8_t>>(llvm::StringRef name)> codes;
  std::function<void(size_t done, size_t all)> progress;
};

/// Losses of the model's outputs (OutputLoss) with the codes of one weight alone, its activations
/// with it: a run for each weight; where `runs` are fewer, groups of weights are bisected
/// (quality::attributeLoss). Where they suffice for another run each, also what is saved when that
/// weight alone goes back to floats. The two rank weights alike where codes are chosen layer by
/// layer; where later layers make good what earlier ones lose (--method=default), a layer that goes
/// back leaves them to make good what is not there, so that shares are those of weights alone.
/// `assigned` is `floats` with schemes assigned.
llvm::Expected<quality::Attribution> attributeWeights(const LoadedModel &floats,
                                                      const LoadedModel &assigned,
                                                      const ModelSamples &samples,
                                                      const AttributeOptions &options);

} // namespace qcc
#endif
