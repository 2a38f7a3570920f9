// Rows of the decision table.
#include "qcc/Driver/DecisionTable.h"
#include "llvm/Support/FormatVariadic.h"

using namespace qcc;

/// A row of the decision table for a weight that was allocated.
quality::TensorReport qcc::tensorReport(const WeightChoice &choice, const WeightReport *result,
                                        const MethodPlan &plan) {
  quality::TensorReport tensor;
  tensor.name = choice.name;
  tensor.dims = {choice.rows, choice.columns};
  for (const Candidate &candidate : choice.candidates) {
    quality::CandidateReport row;
    row.scheme = candidate.scheme;
    row.transform = plan.hadamard ? "hadamard" : plan.smooth ? "smoothquant" : "none";
    row.method = plan.text;
    row.predictedLoss = candidate.loss;
    row.bytes = static_cast<uint64_t>(candidate.bytes);
    tensor.candidates.push_back(std::move(row));
  }
  tensor.chosen = choice.chosen;
  const Candidate &chosen = choice.candidates[choice.chosen];
  tensor.reason = llvm::formatv("least predicted loss of the model within the budget: {0:e2} here, "
                                "sensitivity {1:e2}",
                                chosen.loss, choice.sensitivity);
  if (result && result->energy > 0)
    tensor.reason +=
        llvm::formatv("; relative output error {0:e2}", result->layer.result / result->energy);
  return tensor;
}

/// A row for a weight of the one scheme that was asked for.
quality::TensorReport qcc::tensorReport(const WeightReport &weight, const MethodPlan &plan) {
  quality::TensorReport tensor;
  tensor.name = weight.name;
  tensor.dims = {weight.rows, weight.columns};
  quality::CandidateReport row;
  row.scheme = weight.scheme;
  row.transform = plan.hadamard ? "hadamard" : plan.smooth ? "smoothquant" : "none";
  row.method = plan.text;
  row.bytes = weight.bytes;
  if (weight.energy > 0)
    row.measuredLoss = weight.layer.result / weight.energy;
  tensor.candidates.push_back(std::move(row));
  tensor.chosen = 0;
  tensor.reason = "asked for";
  if (weight.energy > 0)
    tensor.reason +=
        llvm::formatv("; rounding to nearest would cost {0:e2}", weight.layer.rtn / weight.energy);
  return tensor;
}
