// `qcc tune`: layers of usual shapes under every scheme, timed on this machine.
#ifndef QCC_DRIVER_TUNE_H
#define QCC_DRIVER_TUNE_H

#include "qcc/Cli/Commands.h"
#include "qcc/Driver/Costs.h"

namespace qcc {

struct LayerShape {
  int64_t n = 0, k = 0;
};

struct TuneOptions {
  std::string folder; ///< temporary
  std::string level;  ///< feature level; empty: the best of this machine
  std::vector<std::string> schemes;
  std::vector<LayerShape> shapes;
  std::vector<int64_t> rows;
  std::vector<unsigned> threads;
  double secondsEach = 0.02; ///< of timed runs
  std::function<void(size_t done, size_t all)> progress;
};

/// Compiles and times each layer alone; schemes without a kernel on the level are left out.
llvm::Expected<CostTable> measureCosts(const TuneOptions &options);

/// Backend::tune: writes the table.
llvm::Error tuneMachine(const TuneRequest &request, llvm::raw_ostream &err);

} // namespace qcc
#endif
