// Gates decided on models: runs them on the data, measures, decides.
#ifndef QCC_QUALITY_EVALUATE_H
#define QCC_QUALITY_EVALUATE_H

#include "qcc/Data/RuntimeModel.h"
#include "qcc/Quality/Estimate.h"

namespace qcc::quality {

/// Runs of one kind in milliseconds each.
struct LatencySeries {
  std::vector<double> ms;
  bool predicted = false; ///< one figure of a model of costs, not of a clock
};

struct GateInputs {
  Subject *model = nullptr;
  Subject *reference = nullptr; ///< the float model; null where no set needs one
  /// For the short forms (guard, 99%): what to measure on. Absent: nothing is measured.
  std::optional<data::SampleSet> samples;
  std::string labels;            ///< array of `samples` with class numbers; may be empty
  std::optional<uint64_t> bytes; ///< of the artifact and its sidecar; absent: size is not decided
  /// Times runs of the artifact; empty: latency is not decided.
  std::function<llvm::Expected<LatencySeries>(const LatencyBudget &)> latency;
  ProgressFn progress = [](int64_t, int64_t) {};
};

/// Every limit of the gate. Limits that nothing in `inputs` can decide are errors (QCC1001), except
/// that the guard without samples accepts with measured = false.
///
/// `guard`: mean KLD <= 0.5 on logits, else cosine >= 0.95 on every output that is no cache.
/// `P%`, "keeps P % of what the reference attains": with labels, accuracy drops by at most 100 - P
/// % of the reference's; on a token file, perplexity grows by at most that; otherwise on logits the
/// likeliest class is the same in P % of the predictions; otherwise cosine >= P %.
llvm::Expected<GateResult> evaluateGate(const Gate &gate, const GateInputs &inputs);

/// Times runs of a loaded model: `budget`'s shape is that of the ids, else of the first input; one
/// run to warm up, then runs for about `seconds`, at least 5. Decode and prefill need a decoder
/// (QCC1809). The model must have been loaded with budget.threads.
llvm::Expected<LatencySeries> measureLatency(data::RuntimeModel &model, const LatencyBudget &budget,
                                             double seconds = 1);

/// Whether the model has an output named or with the role logits.
bool hasLogits(const data::Model &model);
/// Outputs that people look at: no caches.
bool isResult(const data::TensorInfo &output);

/// Runs the model on all samples and `command` on the outputs: what it prints. `folder` is for the
/// .npz; QCC1872.
llvm::Expected<double> runCommand(Subject &model, const data::SampleSet &samples,
                                  llvm::StringRef command, const ProgressFn &progress);

} // namespace qcc::quality
#endif
