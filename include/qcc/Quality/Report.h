// What a quantization decided and why, as plain data: written as JSON ("qcc.report/1") and printed
// as tables. Producers fill the structs; nothing here measures.
#ifndef QCC_QUALITY_REPORT_H
#define QCC_QUALITY_REPORT_H

#include "qcc/Quality/GateResult.h"
#include "llvm/Support/JSON.h"
#include <string>
#include <vector>

namespace llvm {
class raw_ostream;
}

namespace qcc::quality {

/// One way to store a tensor: a scheme after a transform, by a method.
struct CandidateReport {
  std::string scheme;    ///< canonical text
  std::string transform; ///< "none", "smoothquant", "awq", "hadamard", …
  std::string method;    ///< "rtn", "gptq", …
  std::optional<double>
      predictedLoss;                  ///< contribution to the objective, in the report's `lossUnit`
  std::optional<double> measuredLoss; ///< the same when it was run
  std::optional<double> ms;           ///< predicted, at the budget's shape
  std::optional<uint64_t> bytes;      ///< codes, scales and side tensors
  std::string excluded; ///< why it was not to be had (no kernel, over the budget); empty: it was
};

/// A tensor with the candidates that were weighed.
struct TensorReport {
  std::string name;
  std::vector<int64_t> dims;
  std::vector<CandidateReport> candidates;
  int64_t chosen = -1; ///< index into candidates; -1: left as it was
  std::string reason;  ///< of the choice, in words
};

/// How much of the loss a layer is to blame for.
struct LayerLoss {
  std::string layer;
  std::optional<double> alone;   ///< loss with this layer quantized only
  std::optional<double> without; ///< loss saved by leaving this layer alone
  double share = 0;              ///< of the sum over all layers, by `alone` where there is one
};

/// A statistic after so many samples: whether more data would have changed it.
struct ConvergencePoint {
  std::string what; ///< "ranges", "second moments", …
  int64_t samples = 0;
  double change = 0; ///< relative to the previous point
};

struct TimingReport {
  std::string step;
  double seconds = 0;
};

struct QuantizeReport {
  std::string model, output;
  std::string scheme; ///< as asked for: "auto", "w4a8:g32"
  std::vector<std::string> methods;
  std::string recipeHash, dataHash; ///< hex, empty when there is none
  int64_t samples = 0;
  uint64_t seed = 0;
  std::string lossUnit = "relative output error";
  std::optional<uint64_t> bytesBefore, bytesAfter;
  std::optional<double> predictedMs, measuredMs; ///< at the latency budget's shape
  /// Of the model's outputs, in `lossUnit`: the sum over weights, and what the gate's data gave.
  std::optional<double> predictedLoss, measuredLoss;
  /// Loss on the calibration samples that `attribution` is shares of.
  std::optional<double> attributed;
  std::vector<TensorReport> tensors;
  std::vector<LayerLoss> attribution;
  std::vector<ConvergencePoint> convergence;
  std::vector<TimingReport> timings;
  std::optional<GateResult> gate;
  std::vector<std::string> notes; ///< what a reader should know: fallbacks, dead columns, …
};

/// {"schema": "qcc.report/1", …}. With `timings` false the parts that differ between equal runs
/// stay out.
llvm::json::Object toJson(const QuantizeReport &report, bool timings = true);
/// A row per tensor: shape, choice, predicted loss, bytes, runner-up and reason; the largest losses
/// first, at most `limit` rows (negative: all). Then layers to blame, gate and notes.
void printReport(llvm::raw_ostream &os, const QuantizeReport &report, int64_t limit = 30);

/// A row of `qcc sweep`: one configuration of the whole model.
struct SweepRow {
  std::string scheme, method;
  uint64_t bytes = 0;
  std::optional<double> ms;
  bool msPredicted = false; ///< by the latency model, not by a clock
  std::vector<Measurement> quality;
  std::string failed; ///< why there are no figures; empty: there are
};
struct SweepTable {
  std::string model, dataHash, latencyAt; ///< latencyAt: "1x128,threads=2"
  std::vector<SweepRow> rows;
};
/// Indices of the rows that no other row beats or equals in bytes, ms and the first measurement
/// together (with one better); rows without figures are never among them.
std::vector<size_t> paretoFront(const SweepTable &table);
/// {"schema": "qcc.sweep/1", …}.
llvm::json::Object toJson(const SweepTable &table);
void printSweep(llvm::raw_ostream &os, const SweepTable &table);

} // namespace qcc::quality
#endif
