// Which layers a loss of quality comes from.
#ifndef QCC_QUALITY_ATTRIBUTION_H
#define QCC_QUALITY_ATTRIBUTION_H

#include "qcc/Quality/Report.h"
#include <functional>

namespace qcc::quality {

/// Loss of the model with exactly these layers quantized (true: quantized). 0 for none.
using LossOf = std::function<llvm::Expected<double>(const std::vector<bool> &quantized)>;

struct AttributionOptions {
  bool alone = true;   ///< run with each layer quantized by itself
  bool without = true; ///< run with all but each layer
  /// At most so many runs; negative: as many as it takes. With fewer than all take, layers are
  /// halved in groups and only groups that matter are opened.
  int64_t runs = -1;
  std::function<void(int64_t done, int64_t total)> progress; ///< may be empty
};

struct Attribution {
  std::vector<LayerLoss> layers; ///< in the order given
  double total = 0;              ///< loss with all layers quantized
  /// Sum of the losses alone, less the total: how far from adding up losses are.
  double interaction = 0;
  int64_t runs = 0;
};

/// One run with all layers, then one per layer and question. With a bound on runs: "alone" only,
/// by bisection: a group's loss is shared among its layers evenly unless the group is opened, and
/// groups of the largest loss are opened first.
llvm::Expected<Attribution> attributeLoss(const std::vector<std::string> &layers,
                                          const LossOf &lossOf,
                                          const AttributionOptions &options = {});

} // namespace qcc::quality
#endif
