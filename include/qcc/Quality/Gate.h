// Gates: limits on quality that are stated before a model is built, and decided by measurement.
#ifndef QCC_QUALITY_GATE_H
#define QCC_QUALITY_GATE_H

#include "qcc/Support/Budget.h"
#include <optional>

namespace qcc::quality {

enum class Metric { Accuracy, F1, Spearman, Perplexity, Kld, Top1, Cosine, Sqnr, Command };
/// The name in acceptance files and reports: "accuracy", …, "cmd".
llvm::StringRef metricName(Metric metric);
std::optional<Metric> metricFromName(llvm::StringRef name);
/// Larger is better; not so for perplexity and divergence.
bool higherIsBetter(Metric metric);
/// The value without any loss for metrics that compare with the reference model by themselves (KLD,
/// top-1, cosine); nothing for the others.
std::optional<double> losslessValue(Metric metric);

/// One limit on one data set. Exactly one of maxDrop, min and max is given.
struct GateSet {
  std::string name;
  std::string data;   ///< as --data takes it
  std::string labels; ///< array of the data with class numbers, or an .npy file of them
  Metric metric = Metric::Kld;
  std::string command;           ///< of Metric::Command
  std::optional<double> maxDrop; ///< loss against the reference, in the metric's own unit
  bool relative = false;         ///< maxDrop is a share of the reference's value ("1%")
  std::optional<double> min, max;
  int64_t ctx = 0;    ///< window of a token file
  int64_t limit = -1; ///< samples to use; negative: all
};

struct Gate {
  enum class Kind {
    Guard,   ///< stops ruin only: mean KLD <= 0.5 for logits, cosine >= 0.95 otherwise
    None,    ///< --accept=none
    Percent, ///< keeps this share of what the reference attains
    File
  };
  Kind kind = Kind::Guard;
  double percent = 0;
  std::vector<GateSet> sets;
  std::optional<uint64_t> size; ///< bytes of the artifact and its sidecar
  std::vector<LatencyBudget> latency;
  double confidence = 0.95;   ///< of each one-sided decision
  std::string text = "guard"; ///< "guard", "none", "99%", or the hash of the file: for manifests

  bool measures() const { return kind != Kind::None; }
};

constexpr double guardKld = 0.5, guardCosine = 0.95;

/// --accept=FILE.yaml|99%|99.9%|guard|none. Paths in a file are relative to its folder. Errors:
/// QCC1006, QCC1101, QCC1870 with the line.
llvm::Expected<Gate> parseAccept(llvm::StringRef text);
/// The text of an acceptance file. `where` names it, `folder` is where its relative paths begin.
llvm::Expected<Gate> parseGateFile(llvm::StringRef text, llvm::StringRef where,
                                   llvm::StringRef folder);

} // namespace qcc::quality
#endif
