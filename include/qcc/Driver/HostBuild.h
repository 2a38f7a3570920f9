// Builds for this machine, made to be measured.
#ifndef QCC_DRIVER_HOSTBUILD_H
#define QCC_DRIVER_HOSTBUILD_H

#include "qcc/Data/RuntimeModel.h"
#include "qcc/Pipeline/Compile.h"
#include "qcc/Quality/Subject.h"
#include "qcc/Support/Budget.h"

namespace qcc {

/// A compiled model that is loaded, with its session. The artifact stays where it is.
struct HostBuild {
  std::string path;
  std::unique_ptr<data::RuntimeModel> model;
  std::unique_ptr<quality::Subject> subject; // goes before its model
  uint64_t bytes = 0;                        ///< of the artifact
};

/// The one level that this machine prefers, as a list for PipelineOptions and --target.
std::vector<std::string> hostTargets();

/// Compiles `request` as it is quantized, but for this machine, to `path` and without a word.
/// request.threads run it.
llvm::Expected<HostBuild> buildForHost(CompileRequest request, const std::string &path);

/// Median milliseconds of an artifact at `budget`'s shape; its threads, else `threads`, run it.
llvm::Expected<double> medianLatency(llvm::StringRef artifact, const LatencyBudget &budget,
                                     unsigned threads);

} // namespace qcc
#endif
