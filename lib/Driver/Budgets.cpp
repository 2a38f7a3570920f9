// Choices under budgets, corrected by what builds of them take.
#include "qcc/Driver/Budgets.h"
#include "mlir/Support/Timing.h"
#include "qcc/Driver/HostBuild.h"
#include "qcc/Driver/Tune.h"
#include "qcc/Support/AtomicOutput.h"
#include "qcc/Support/Diagnostics.h"
#include "qcc/Target/Target.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include <map>
#include <set>
#include <thread>

using namespace mlir;
using namespace qcc;
using llvm::Error;
using llvm::Expected;

namespace {

/// Builds before the best one so far is taken, or the budgets are given up.
constexpr int kMaxBuilds = 6;
/// Share of the chosen weights' bytes that is worth another build where it is left unused.
constexpr double kUnusedShare = 0.01;
/// Share of a run that its layers take at most, as far as is known before a second build.
constexpr double kMostOfRun = 0.85;
/// Timings are noisy: by so much does a build change the slope at most, and so much stays free.
constexpr double kMostSlope = 3, kMsMargin = 0.01;
/// Bytes that manifests of equal models differ by: names and options.
constexpr double kManifestSlack = 512;
/// Code that one more kernel of a scheme adds to a level, until builds have told.
constexpr double kKernelBytes = 15e3;

/// What a build of a choice takes.
struct Built {
  double bytes = 0, ms = 0;
};

/// What a run takes by what its layers should: a line through the slowest build and the last one.
/// Layers inside a model are quicker or slower than they are alone, and something runs beside them.
class MsLine {
public:
  double at(double layers) const { return fixed + scale * layers; }
  /// What layers may take, so that the whole takes no more than `ms`.
  double layersWithin(double ms) const { return (ms - fixed) / scale; }
  void learn(double layers, double measured);

private:
  double fixed = 0, scale = 1;
  std::optional<std::pair<double, double>> first;
};

void MsLine::learn(double layers, double measured) {
  if (!first) {
    first = {layers, measured};
    scale = layers > kMostOfRun * measured ? kMostOfRun * measured / layers : 1;
  } else if (std::abs(layers - first->first) > 0.02 * first->first) {
    double slope = (measured - first->second) / (layers - first->first);
    scale = std::clamp(slope, scale / kMostSlope, scale * kMostSlope);
  }
  fixed = measured - scale * layers;
}

class BudgetedChoice {
public:
  BudgetedChoice(std::vector<WeightChoice> &choices, const LoadedModel &floats,
                 PipelineOptions pipeline, const CompileRequest &request)
      : choices(choices), floats(floats), pipeline(std::move(pipeline)), request(request),
        latency(request.quantize.budgetLatency.empty() ? nullptr
                                                       : &request.quantize.budgetLatency.front()) {
    if (request.quantize.budgetSize)
      maxBytes = static_cast<double>(*request.quantize.budgetSize) - kManifestSlack;
  }
  Expected<BudgetOutcome> run();

private:
  Expected<CostTable> costs() const;
  Error addLatencies();
  Expected<double> chosenLayersMs(const CostTable &table) const;
  Error measureEnds();
  double unquantizedBytes() const;
  Expected<Built> build();
  Expected<uint64_t> artifactBytes(const PipelineOptions &options) const;
  Expected<double> artifactMs(PipelineOptions options) const;
  Error emitBuild(const PipelineOptions &options, const std::string &path) const;
  bool within(const Built &built) const {
    return (!maxBytes || built.bytes <= *maxBytes) && (!latency || built.ms <= latency->ms);
  }
  bool usesBudget(const Built &built, const Allocation &allocation) const {
    return !maxBytes || *maxBytes - built.bytes <= kUnusedShare * allocation.bytes;
  }
  std::vector<int> chosen() const;
  void choose(const std::vector<int> &indices);
  Allocation bestPlan();
  std::pair<double, double> codeLine() const;
  void learnCode(const Built &built, const Allocation &allocation);
  Error missed(const std::optional<Built> &nearest) const;

  std::vector<WeightChoice> &choices;
  const LoadedModel &floats;
  PipelineOptions pipeline;
  const CompileRequest &request;
  const LatencyBudget *latency;
  std::optional<double> maxBytes;
  std::vector<std::string> levels; ///< of the artifact
  bool measures = true;            ///< latencies; else they are predicted
  double otherBytes = 0;           ///< of weights and ops that nothing is chosen for
  MsLine msLine;
  std::map<size_t, double> measuredCode; ///< by the number of kernels of schemes
  double misjudged = 0;                  ///< bytes that the last build had above the line
};

void BudgetedChoice::choose(const std::vector<int> &indices) {
  for (auto [choice, index] : llvm::zip_equal(choices, indices))
    choice.chosen = index;
}

std::vector<int> BudgetedChoice::chosen() const {
  std::vector<int> indices;
  for (const WeightChoice &choice : choices)
    indices.push_back(choice.chosen);
  return indices;
}

/// Code and tables of an artifact: those of no kernel of a scheme, and what each one adds. A line
/// through the builds with the fewest and the most of them.
std::pair<double, double> BudgetedChoice::codeLine() const {
  double perKernel = kKernelBytes * static_cast<double>(levels.size());
  if (measuredCode.empty())
    return {0, perKernel};
  auto [fewest, least] = *measuredCode.begin();
  auto [most, largest] = *measuredCode.rbegin();
  if (most > fewest)
    perKernel = std::max(0.0, (largest - least) / static_cast<double>(most - fewest));
  return {std::max(0.0, least - perKernel * static_cast<double>(fewest)), perKernel};
}

void BudgetedChoice::learnCode(const Built &built, const Allocation &allocation) {
  double code = built.bytes - allocation.bytes - otherBytes;
  measuredCode[allocation.kernels] = code;
  auto [base, perKernel] = codeLine();
  misjudged = code - base - perKernel * static_cast<double>(allocation.kernels);
}

/// The choice that is predicted to lose least within what code leaves of the budgets; where none
/// is within them, the one that exceeds them least.
Allocation BudgetedChoice::bestPlan() {
  std::optional<double> bytes, ms;
  auto [base, perKernel] = codeLine();
  if (maxBytes)
    bytes = *maxBytes - otherBytes - base - misjudged;
  if (latency)
    ms = msLine.layersWithin((1 - kMsMargin) * latency->ms);
  return allocate(choices, bytes, ms, maxBytes ? perKernel : 0);
}

/// Bytes of what stays as it is: norms, biases, weights that no scheme takes.
double BudgetedChoice::unquantizedBytes() const {
  std::set<std::string> quantized;
  for (const WeightChoice &choice : choices)
    quantized.insert(choice.name);
  double bytes = 0;
  for (qnt::WeightOp weight : floats.module.get().getOps<qnt::WeightOp>())
    if (auto file = dyn_cast_or_null<qnt::FileAttr>(weight.getSource().value_or(Attribute())))
      if (!quantized.count(weight.getSymName().str()))
        bytes += static_cast<double>(file.getLength());
  return bytes;
}

/// The table that was given; the one that comes with qcc where that was asked for or this machine
/// cannot run the target; else one of exactly the layers of this model.
Expected<CostTable> BudgetedChoice::costs() const {
  if (!request.quantize.costTable.empty())
    return CostTable::read(request.quantize.costTable);
  if (!measures || request.quantize.shippedCosts)
    return shippedCosts(*findTarget(levels.front()));
  TuneOptions tune;
  tune.folder = request.work;
  tune.level = hostTargets(request.targets).front();
  tune.grid.rows = {rowsOf(*latency)};
  tune.grid.threads = {latency->threads ? latency->threads : std::thread::hardware_concurrency()};
  std::set<std::pair<int64_t, int64_t>> shapes;
  for (const WeightChoice &choice : choices)
    for (const Candidate &candidate : choice.candidates) {
      if (choice.isTable)
        continue; // looking up costs next to nothing
      Expected<Scheme> scheme = parseScheme(candidate.scheme, request.quantize.ownSchemes);
      if (!scheme)
        return scheme.takeError();
      // What a recipe defines costs what a usual scheme does.
      std::string usual = scheme->custom.empty()
                              ? candidate.scheme
                              : shippedCosts(*findTarget(tune.level)).like(*scheme);
      if (!llvm::is_contained(tune.grid.schemes, usual))
        tune.grid.schemes.push_back(usual);
      shapes.insert({choice.rows, choice.columns});
    }
  for (auto [n, k] : shapes)
    tune.grid.shapes.push_back({n, k});
  auto layers = measureLayers(tune);
  if (!layers)
    return layers.takeError();
  CostTable table;
  table.target = tune.level;
  table.layers = std::move(*layers);
  return table;
}

Error BudgetedChoice::addLatencies() {
  Expected<CostTable> table = costs();
  if (!table)
    return table.takeError();
  for (WeightChoice &choice : choices)
    for (Candidate &candidate : choice.candidates)
      if (!choice.isTable) {
        auto ms = predictLayer(*table, candidate.scheme, request.quantize.ownSchemes, *latency,
                               choice.rows, choice.columns);
        if (!ms)
          return ms.takeError();
        candidate.ms = *ms;
      }
  return Error::success();
}

Expected<double> BudgetedChoice::chosenLayersMs(const CostTable &table) const {
  double sum = 0;
  for (const WeightChoice &choice : choices)
    if (!choice.isTable) {
      auto ms = predictLayer(table, choice.candidates[choice.chosen].scheme,
                             request.quantize.ownSchemes, *latency, choice.rows, choice.columns);
      if (!ms)
        return ms.takeError();
      sum += *ms;
    }
  return sum;
}

/// `floats` under `options`, codes to nearest: what it takes does not depend on which codes.
Error BudgetedChoice::emitBuild(const PipelineOptions &options, const std::string &path) const {
  LoadedModel copy = floats.clone();
  copy.codes = nullptr; // code that is kept for others is split finer, and larger
  CompileRequest writing = request;
  writing.output = path;
  writing.emit = EmitKind::SharedObject;
  writing.weightsInFile = false;
  writing.quiet = true;
  writing.dumpStages.clear();
  writing.facts = nullptr;
  writing.quantization = nullptr;
  DefaultTimingManager manager;
  TimingScope timing = manager.getRootScope();
  if (Error failed = runStages(copy, Stage::AssignBits, Stage::Lower, options, writing, timing))
    return failed;
  return emitArtifact(copy, options.levels, writing, llvm::nulls());
}

Expected<uint64_t> BudgetedChoice::artifactBytes(const PipelineOptions &options) const {
  std::string path = request.work + "/size.so";
  PipelineOptions fat = options;
  fat.levels = levels;
  if (Error failed = emitBuild(fat, path))
    return std::move(failed);
  uint64_t bytes = 0;
  std::error_code failed = llvm::sys::fs::file_size(path, bytes);
  llvm::sys::fs::remove(path);
  if (failed)
    return makeError(Diag::Internal, path, failed.message());
  return bytes;
}

/// A run on this machine; where it cannot run the target, as much longer as the layers should take
/// there.
Expected<double> BudgetedChoice::artifactMs(PipelineOptions options) const {
  std::string path = request.work + "/latency.so";
  options.levels = hostTargets(request.targets);
  if (Error failed = emitBuild(options, path))
    return std::move(failed);
  auto ms = medianLatency(path, *latency, request.threads);
  llvm::sys::fs::remove(path);
  if (!ms || measures)
    return ms;
  Expected<double> there = chosenLayersMs(shippedCosts(*findTarget(levels.front())));
  Expected<double> here = chosenLayersMs(shippedCosts(*findTarget(options.levels.front())));
  if (!there || !here)
    return llvm::joinErrors(there.takeError(), here.takeError());
  return *ms * *there / *here;
}

Expected<Built> BudgetedChoice::build() {
  PipelineOptions options = pipeline;
  options.recipe = request.work + "/tried.yaml";
  if (Error failed = writeFileAtomically(options.recipe, recipeOf(choices)))
    return std::move(failed);
  Built built;
  if (maxBytes) {
    Expected<uint64_t> bytes = artifactBytes(options);
    if (!bytes)
      return bytes.takeError();
    built.bytes = static_cast<double>(*bytes);
  }
  if (latency) {
    Expected<double> ms = artifactMs(options);
    if (!ms)
      return ms.takeError();
    built.ms = *ms;
  }
  return built;
}

/// Latencies of candidates, and what they come to in a model: as builds of the slowest and of the
/// fastest choice do.
Error BudgetedChoice::measureEnds() {
  if (Error failed = addLatencies())
    return failed;
  for (bool fastest : {false, true}) {
    double ms = 0;
    for (WeightChoice &choice : choices) {
      auto [least, most] =
          std::minmax_element(choice.candidates.begin(), choice.candidates.end(),
                              [](const Candidate &a, const Candidate &b) { return a.ms < b.ms; });
      auto taken = fastest ? least : most;
      choice.chosen = static_cast<int>(taken - choice.candidates.begin());
      ms += taken->ms;
    }
    Expected<Built> built = build();
    if (!built)
      return built.takeError();
    msLine.learn(ms, built->ms);
  }
  return Error::success();
}

/// The least that any choice takes of one thing.
static double leastOf(ArrayRef<WeightChoice> choices, double Candidate::*what) {
  double sum = 0;
  for (const WeightChoice &choice : choices)
    sum += (*llvm::min_element(
               choice.candidates,
               [&](const Candidate &a, const Candidate &b) { return a.*what < b.*what; })).*
           what;
  return sum;
}

Error BudgetedChoice::missed(const std::optional<Built> &nearest) const {
  std::vector<std::string> why, notes, takes;
  if (maxBytes) {
    double fixed = otherBytes + (measuredCode.empty() ? 0 : measuredCode.begin()->second);
    double least = leastOf(choices, &Candidate::bytes) + fixed;
    if (least > *maxBytes)
      why.push_back(llvm::formatv(
          "the smallest choice of schemes takes {0:f2} MB with {1:f2} MB of code and "
          "other weights, the budget is {2:f2} MB",
          least / 1e6, fixed / 1e6, static_cast<double>(*request.quantize.budgetSize) / 1e6));
    if (nearest)
      takes.push_back(llvm::formatv("{0:f2} MB", nearest->bytes / 1e6));
  }
  if (latency) {
    double least = msLine.at(leastOf(choices, &Candidate::ms));
    if (least > latency->ms)
      why.push_back(llvm::formatv("the fastest choice of schemes is predicted to take {0:f3} ms, "
                                  "the budget is {1:f3} ms",
                                  least, latency->ms));
    if (nearest)
      takes.push_back(llvm::formatv("{0:f3} ms", nearest->ms));
  }
  if (why.empty())
    why.push_back("none of the builds that were tried keeps within what was asked for");
  if (nearest)
    notes.push_back("the nearest build takes " + llvm::join(takes, " and "));
  return makeError(Diag::BudgetMissed, request.input, llvm::join(why, "; "), notes);
}

Expected<BudgetOutcome> BudgetedChoice::run() {
  Expected<std::vector<const Target *>> targets = expandTarget(llvm::join(request.targets, ","));
  if (!targets)
    return targets.takeError();
  for (const Target *target : *targets)
    levels.push_back(target->name);
  otherBytes = unquantizedBytes();
  measures = measurableLevel(request.targets);
  if (latency) {
    if (Error failed = checkMeasurable(request))
      return std::move(failed);
    if (Error failed = measureEnds())
      return std::move(failed);
  }
  BudgetOutcome best;
  std::optional<Built> taken, last;
  std::vector<int> bestChoice;
  std::set<std::vector<int>> tried;
  for (int builds = 0; builds < kMaxBuilds; ++builds) {
    Allocation plan = bestPlan();
    // What code takes is a guess at first: the least choice is built before budgets are given up.
    if (!tried.insert(chosen()).second || (taken && !plan.feasible))
      break;
    Expected<Built> built = build();
    if (!built)
      return built.takeError();
    last = *built;
    // Of builds within the budgets the one that is predicted to lose least.
    if (within(*built) && (!taken || plan.loss < best.allocation.loss)) {
      taken = *built;
      bestChoice = chosen();
      best.allocation = plan;
      best.predictedMs = msLine.at(plan.ms);
    }
    if (maxBytes)
      learnCode(*built, plan);
    if (latency)
      msLine.learn(plan.ms, built->ms);
    if (within(*built) && usesBudget(*built, plan))
      break;
  }
  if (!taken)
    return missed(last);
  choose(bestChoice);
  if (latency && measures)
    best.measuredMs = taken->ms;
  else
    best.predictedMs = latency ? std::optional(taken->ms) : std::nullopt;
  if (maxBytes)
    best.bytes = static_cast<uint64_t>(taken->bytes);
  return std::move(best);
}

} // namespace

Expected<BudgetOutcome> qcc::chooseWithinBudgets(std::vector<WeightChoice> &choices,
                                                 const LoadedModel &floats,
                                                 PipelineOptions pipeline,
                                                 const CompileRequest &request) {
  return BudgetedChoice(choices, floats, std::move(pipeline), request).run();
}
