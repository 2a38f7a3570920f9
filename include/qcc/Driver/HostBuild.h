// Builds for this machine, made to be measured.
#ifndef QCC_DRIVER_HOSTBUILD_H
#define QCC_DRIVER_HOSTBUILD_H

#include "qcc/Data/RuntimeModel.h"
#include "qcc/Pipeline/Compile.h"
#include "qcc/Quality/Evaluate.h"
#include "qcc/Quality/Subject.h"
#include "qcc/Support/Budget.h"
#include "qcc/Target/Costs.h"

namespace qcc {

/// A compiled model that is loaded, with its session. The artifact stays where it is.
struct HostBuild {
  std::string path;
  std::unique_ptr<data::RuntimeModel> model;
  std::unique_ptr<quality::Subject> subject; // goes before its model
  uint64_t bytes = 0;                        ///< of the artifact
};

/// The best level of `targets`, as --target spells them, that this machine runs; null where it runs
/// none. Everything that is timed elsewhere is a prediction.
const Target *measurableLevel(llvm::ArrayRef<std::string> targets);

/// That level, else the one that this machine prefers, as a list for PipelineOptions and --target.
std::vector<std::string> hostTargets(llvm::ArrayRef<std::string> targets);

/// Compiles `request` as it is quantized, but for this machine, to `path` and without a word.
/// request.threads run it.
llvm::Expected<HostBuild> buildForHost(CompileRequest request, const std::string &path);

/// Rows of a layer's input in a run of this kind.
int64_t rowsOf(const LatencyBudget &budget);

/// What a table of costs says of a layer under `scheme`, "f32" or "keep" for floats; recipes define
/// `custom`. QCC1874 where it knows nothing like it.
llvm::Expected<double> predictLayer(const CostTable &table, llvm::StringRef scheme,
                                    llvm::ArrayRef<Scheme> custom, const LatencyBudget &budget,
                                    int64_t n, int64_t k);

/// A run of `artifact`, which buildForHost() made of `request`, by the clock; or, where this
/// machine runs no level of the target, what it takes there: as much longer as layers under
/// `scheme` take on the best of them, by the tables that come with qcc. QCC1001 where
/// --require-measured forbids it.
llvm::Expected<quality::LatencySeries> latencyOnTarget(const CompileRequest &request,
                                                       llvm::StringRef artifact,
                                                       llvm::StringRef scheme,
                                                       const LatencyBudget &budget);

/// QCC1001 where latency would be predicted and --require-measured forbids that.
llvm::Error checkMeasurable(const CompileRequest &request);

/// Median milliseconds of an artifact at `budget`'s shape; its threads, else `threads`, run it.
llvm::Expected<double> medianLatency(llvm::StringRef artifact, const LatencyBudget &budget,
                                     unsigned threads);

} // namespace qcc
#endif
