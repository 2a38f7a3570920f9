// Schemes under --budget-size and --budget-latency: chosen by prediction, checked by building.
#ifndef QCC_DRIVER_BUDGETS_H
#define QCC_DRIVER_BUDGETS_H

#include "qcc/Driver/Allocate.h"

namespace qcc {

/// What a choice came to.
struct BudgetOutcome {
  Allocation allocation;
  std::optional<double> predictedMs, measuredMs; ///< of a run at the budget's shape
  std::optional<uint64_t> bytes;                 ///< of the artifact, for the targets asked for
};

/// Chooses the schemes of least predicted loss within the budgets of `request`. What weights and
/// layers do not account for (code, tables of kernels, weights that no scheme takes; ops between
/// layers) is measured: the choice is built, the difference to the prediction is taken off the
/// budget, and the choice made again, until a build lies within every budget and uses what it can
/// of the size. `pipeline` are the options of the compile; `folder` is temporary. Candidates get
/// their milliseconds. Errors: 1873 where no choice lies within.
llvm::Expected<BudgetOutcome> chooseWithinBudgets(std::vector<WeightChoice> &choices,
                                                  const LoadedModel &floats,
                                                  PipelineOptions pipeline,
                                                  const CompileRequest &request);

} // namespace qcc
#endif
