// Compiling, loading and timing on this machine.
#include "qcc/Driver/HostBuild.h"
#include "qcc/Quality/Evaluate.h"
#include "qcc/Quality/Stats.h"
#include "qcc/Target/Target.h"
#include "llvm/Support/FileSystem.h"

using namespace qcc;
using namespace qcc::quality;
using llvm::Error;
using llvm::Expected;

std::vector<std::string> qcc::hostTargets() { return {hostLevels().front()->name}; }

Expected<HostBuild> qcc::buildForHost(CompileRequest request, const std::string &path) {
  request.output = path;
  request.emit = EmitKind::SharedObject;
  request.targets = hostTargets();
  request.weightsInFile = false;
  request.quiet = true;
  request.report.clear();
  request.dumpStages.clear();
  request.fromStage.clear();
  request.toStage.clear();
  request.facts = nullptr;
  request.quantization = nullptr;
  if (Error failed = compileModel(request, llvm::nulls()))
    return std::move(failed);
  data::LoadOptions load;
  load.threads = request.threads;
  HostBuild result;
  result.path = path;
  auto loaded = data::loadRuntimeModel(path, load);
  if (!loaded)
    return loaded.takeError();
  result.model = std::move(*loaded);
  auto subject = Subject::create(*result.model);
  if (!subject)
    return subject.takeError();
  result.subject = std::move(*subject);
  [[maybe_unused]] std::error_code failed = llvm::sys::fs::file_size(path, result.bytes);
  assert(!failed && "the file has just been loaded");
  return result;
}

Expected<double> qcc::medianLatency(llvm::StringRef artifact, const LatencyBudget &budget,
                                    unsigned threads) {
  data::LoadOptions load;
  load.threads = budget.threads ? budget.threads : threads;
  auto model = data::loadRuntimeModel(artifact, load);
  if (!model)
    return model.takeError();
  auto series = measureLatency(**model, budget);
  if (!series)
    return series.takeError();
  return quantile(series->ms, 0.5);
}
