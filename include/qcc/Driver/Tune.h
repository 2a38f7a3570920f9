// `qcc tune`: register tiles, and layers of usual shapes under every scheme, timed on this machine.
#ifndef QCC_DRIVER_TUNE_H
#define QCC_DRIVER_TUNE_H

#include "qcc/Cli/Commands.h"
#include "qcc/Target/Costs.h"

namespace qcc {

struct TuneOptions {
  std::string folder;    ///< temporary
  std::string level;     ///< feature level, one of this machine
  std::string costTable; ///< file that register tiles are chosen by; empty: what comes with qcc
  CostGrid grid;
  double secondsEach = 0.02; ///< of timed runs
  std::function<void(size_t done, size_t all)> progress;
};

/// Compiles and times each layer alone; schemes without a kernel on the level are left out.
llvm::Expected<std::vector<LayerCost>> measureLayers(const TuneOptions &options);

/// Times the register tiles of every kind of product that registers of `level` can hold, one of
/// this machine. `progress` counts kinds.
llvm::Expected<std::vector<TileCost>>
measureTiles(const Target &level, llvm::function_ref<void(size_t done, size_t all)> progress);

/// Backend::tune: writes the table.
llvm::Error tuneMachine(const TuneRequest &request, llvm::raw_ostream &err);

} // namespace qcc
#endif
