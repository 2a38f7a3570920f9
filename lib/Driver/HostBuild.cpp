// Compiling, loading and timing on this machine.
#include "qcc/Driver/HostBuild.h"
#include "qcc/Quality/Evaluate.h"
#include "qcc/Quality/Stats.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include <thread>

using namespace qcc;
using namespace qcc::quality;
using llvm::Error;
using llvm::Expected;

/// Names that no level has are refused where they are compiled for.
static std::vector<const Target *> levelsOf(llvm::ArrayRef<std::string> targets) {
  auto levels = expandTarget(targets.empty() ? "native" : llvm::join(targets, ","));
  if (levels)
    return *levels;
  llvm::consumeError(levels.takeError());
  return hostLevels();
}

const Target *qcc::measurableLevel(llvm::ArrayRef<std::string> targets) {
  std::vector<const Target *> host = hostLevels();
  for (const Target *level : levelsOf(targets))
    if (llvm::is_contained(host, level))
      return level;
  return nullptr;
}

std::vector<std::string> qcc::hostTargets(llvm::ArrayRef<std::string> targets) {
  const Target *level = measurableLevel(targets);
  return {level ? level->name : hostLevels().front()->name};
}

int64_t qcc::rowsOf(const LatencyBudget &budget) {
  if (budget.run == LatencyBudget::Run::Decode)
    return 1;
  if (budget.run == LatencyBudget::Run::Prefill)
    return budget.tokens;
  int64_t rows = 1;
  for (int64_t dim : budget.dims)
    rows *= dim;
  return rows;
}

Expected<HostBuild> qcc::buildForHost(CompileRequest request, const std::string &path) {
  request.output = path;
  request.emit = EmitKind::SharedObject;
  request.targets = hostTargets(request.targets);
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

static Expected<LatencySeries> timeRuns(llvm::StringRef artifact, const LatencyBudget &budget,
                                        unsigned threads) {
  data::LoadOptions load;
  load.threads = budget.threads ? budget.threads : threads;
  auto model = data::loadRuntimeModel(artifact, load);
  if (!model)
    return model.takeError();
  return measureLatency(**model, budget);
}

Expected<double> qcc::medianLatency(llvm::StringRef artifact, const LatencyBudget &budget,
                                    unsigned threads) {
  auto series = timeRuns(artifact, budget, threads);
  if (!series)
    return series.takeError();
  return quantile(series->ms, 0.5);
}

Expected<double> qcc::predictLayer(const CostTable &table, llvm::StringRef scheme,
                                   llvm::ArrayRef<Scheme> custom, const LatencyBudget &budget,
                                   int64_t n, int64_t k) {
  std::string known = "f32";
  if (scheme != "f32" && scheme != "keep") {
    Expected<Scheme> parsed = parseScheme(scheme, custom);
    if (!parsed)
      return parsed.takeError();
    known = table.like(*parsed);
  }
  unsigned threads = budget.threads ? budget.threads : std::thread::hardware_concurrency();
  if (auto ms = table.predict(known, threads, rowsOf(budget), n, k))
    return *ms;
  return makeError(Diag::BadCostTable, "--cost-table",
                   "has no layer with activations and weights like those of '" + scheme.str() + "'",
                   {}, "`qcc tune -o FILE` measures every kind");
}

Error qcc::checkMeasurable(const CompileRequest &request) {
  if (!request.quantize.requireMeasured || measurableLevel(request.targets))
    return Error::success();
  return makeError(Diag::UsageError, "--require-measured",
                   "this machine cannot run " + llvm::join(request.targets, ",") +
                       ", so that its latency can only be predicted",
                   {}, "leave out --require-measured, or compile on such a machine");
}

Expected<LatencySeries> qcc::latencyOnTarget(const CompileRequest &request,
                                             llvm::StringRef artifact, llvm::StringRef scheme,
                                             const LatencyBudget &budget) {
  if (Error failed = checkMeasurable(request))
    return std::move(failed);
  auto series = timeRuns(artifact, budget, request.threads);
  if (!series || measurableLevel(request.targets))
    return series;
  constexpr int64_t side = 2048; // of the layer that stands for all
  auto layerOn = [&](const Target &level) {
    return predictLayer(shippedCosts(level), scheme, request.quantize.ownSchemes, budget, side,
                        side);
  };
  Expected<double> there = layerOn(*levelsOf(request.targets).front());
  Expected<double> here = layerOn(*hostLevels().front());
  if (!there || !here)
    return llvm::joinErrors(there.takeError(), here.takeError());
  return LatencySeries{{quantile(series->ms, 0.5) * *there / *here}, /*predicted=*/true};
}
