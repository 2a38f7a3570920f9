// Measurements with confidence intervals, and what a gate decided on them.
#ifndef QCC_QUALITY_GATERESULT_H
#define QCC_QUALITY_GATERESULT_H

#include "qcc/Quality/Gate.h"
#include "llvm/Support/JSON.h"

namespace qcc::quality {

/// A metric of a model on a data set.
struct Measurement {
  std::string name; ///< of the set, or the metric's
  Metric metric = Metric::Kld;
  std::string output; ///< of the model; empty when the metric is not about one
  double value = 0;
  std::optional<double> reference; ///< the reference model's value on the same samples
  double low = 0, high = 0;        ///< two-sided interval of `value` at `confidence`
  double confidence = 0.95;
  int64_t samples = 0;            ///< runs
  int64_t units = 0;              ///< predictions, rows or samples that the value is made of
  std::optional<double> tail;     ///< p99.9 of KLD, the least cosine
  std::optional<double> mcnemarP; ///< accuracy: two-sided exact test against the reference
};
llvm::json::Object toJson(const Measurement &measurement);

/// One limit of a gate and how it was met.
struct SetResult {
  Measurement measurement;
  std::string limit; ///< in words: "drop <= 0.01", "kld <= 0.5"
  double tested = 0; ///< the quantity that is limited: the value, or the drop
  double bound = 0;  ///< its one-sided confidence bound, the one that decides
  double allowed = 0;
  bool upper = true; ///< allowed is a maximum
  bool accepted = false;
  /// How far `bound` lies inside the limit, in units of |allowed| (or 1 where that is 0); negative:
  /// outside.
  double margin = 0;
  std::string note; ///< "decided on the value alone: 2 samples"
};

struct GateResult {
  bool accepted = true;
  bool measured = false; ///< false: nothing was run (--accept=none, no data)
  std::string text;      ///< of the gate
  std::vector<SetResult> sets;
  struct Cost {
    std::string what; ///< "size" or "latency 5ms@1x128"
    double value = 0, allowed = 0;
    std::optional<double> bound; ///< one-sided upper bound of a measured latency
    bool accepted = true;
    bool predicted = false;
  };
  std::vector<Cost> costs;
  /// The limit that was missed by least when the gate refuses, or the one with least to spare; in
  /// words.
  std::string nearest;
};
/// {"accepted": …, "gate": …, "sets": […], "costs": […], "nearest": …}.
llvm::json::Object toJson(const GateResult &result);
/// QCC1871 with the nearest miss and every limit that does not hold; success when accepted.
llvm::Error gateError(const GateResult &result, llvm::StringRef where);
/// Rows for a table: name, metric, value, interval, reference, limit, decision.
std::vector<std::vector<std::string>> gateTable(const GateResult &result);

} // namespace qcc::quality
#endif
