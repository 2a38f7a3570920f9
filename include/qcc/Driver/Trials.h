// What predicted losses leave out, found by quantizing the model a few times.
//
// Losses are predicted for each layer alone. But a method that aims at the float model's outputs
// makes later layers take back part of what earlier ones lost, and of some kinds of layer more than
// of others: what a value projection loses, the output projection behind it corrects. A trial
// quantizes the whole model with one kind of layer at a better scheme; how much that helps, beside
// how much it should, scales the losses of the kind.
#ifndef QCC_DRIVER_TRIALS_H
#define QCC_DRIVER_TRIALS_H

#include "qcc/Driver/Allocate.h"
#include "qcc/Driver/Methods.h"

namespace qcc {

struct TrialOptions {
  std::string folder; ///< temporary
  unsigned threads = 0;
  int64_t samples = 32;     ///< on which trials quantize
  int64_t lossSamples = 16; ///< on which they are compared
  std::function<void(uint64_t done, uint64_t all, llvm::StringRef what)> progress;
};

/// Two schemes that all layers can have: trials go from one to the other.
struct TrialStep {
  std::string from, to;
};

/// From the scheme that layers lose a middling amount under to the next that loses half of it or
/// less; nothing where no two schemes lie so far apart. Tables and weights without the schemes do
/// not count.
std::optional<TrialStep> trialStepOf(llvm::ArrayRef<WeightChoice> choices);

/// Scales predicted losses and sensitivities of each kind of layer by trials under `plan`. Does
/// nothing where there is one kind or no step, or where a trial is more work than a small model's:
/// the outcome never depends on how fast the machine is.
llvm::Error correctByTrials(std::vector<WeightChoice> &choices, const LoadedModel &floats,
                            const ModelSamples &samples, const MethodPlan &plan,
                            const PipelineOptions &base, const CompileRequest &request,
                            const TrialOptions &options);

} // namespace qcc
#endif
