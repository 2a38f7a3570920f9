// Output channels that get 8 bits while the rest of their weight keeps the scheme.
#ifndef QCC_DRIVER_ROWPROMOTION_H
#define QCC_DRIVER_ROWPROMOTION_H

#include "qcc/Driver/Sequential.h"
#include "qcc/Quality/Report.h"

namespace qcc {

/// What was parted from one weight.
struct PromotedRows {
  std::string weight;
  std::vector<int32_t> rows; ///< ascending
  int64_t columns = 0;
  double share = 0; ///< of the weight's predicted error that these rows had
};

/// Parts the rows of layers of `model` that gain most from codes of 8 bits: by the fall of their
/// relative output error for each byte more, on second moments of the float inputs, over all layers
/// together; at most a sixteenth of all rows, in pieces of 32. `assigned` is the model after
/// assign-bits. The parted layers are called by transform::promotedSuffix. Heads stay as they are.
llvm::Expected<std::vector<PromotedRows>> promoteRows(LoadedModel &model, LoadedModel &assigned,
                                                      const ModelSamples &samples,
                                                      const SequentialOptions &options);

/// Rows of the decision table.
void addToReport(quality::QuantizeReport &report, llvm::ArrayRef<PromotedRows> promoted,
                 llvm::StringRef scheme, llvm::StringRef promotedScheme);

/// `scheme` with 8 bits by channel, and a recipe's override that gives it to the parted layers.
std::string promotedSchemeOf(const Scheme &scheme);
std::string promotedOverride(llvm::StringRef promotedScheme);

} // namespace qcc
#endif
