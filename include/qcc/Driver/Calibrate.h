// A run of the float model on samples with observers: what values look like.
#ifndef QCC_DRIVER_CALIBRATE_H
#define QCC_DRIVER_CALIBRATE_H

#include "qcc/Cli/Commands.h"
#include "qcc/Driver/Samples.h"
#include "qcc/Driver/Walk.h"
#include "qcc/Support/Statistics.h"

namespace qcc {

struct CalibrateOptions {
  std::string folder; ///< temporary
  unsigned threads = 0;
  /// Bytes that the values of one sample may take together; more observers are run in several
  /// rounds. 0: 1 GiB.
  uint64_t memLimit = 0;
  std::function<void(size_t done, size_t all)> progress; ///< in samples times rounds
};

/// Statistics of every `qnt.observe` of `function` whose value is f32. Positions outside the
/// attention mask do not count. The numbers do not depend on padding, threads or rounds.
llvm::Expected<StatisticsStore> collectStatistics(const LoadedModel &model,
                                                  mlir::func::FuncOp function,
                                                  const ModelSamples &samples,
                                                  const CalibrateOptions &options);

/// Backend::calibrate: writes the statistics file.
llvm::Error calibrateModel(const CalibrateRequest &request, llvm::raw_ostream &err);

} // namespace qcc
#endif
