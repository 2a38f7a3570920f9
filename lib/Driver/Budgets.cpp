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
/// Share of a size budget that is worth another build.
constexpr double kUsedShare = 0.97;
/// Bytes that manifests of equal models differ by: names and options.
constexpr double kManifestSlack = 512;
/// Code that one more scheme adds to a level, until builds have told.
constexpr double kCodePerScheme = 40e3;
/// Schemes that a small artifact mixes at most: each one brings its kernels.
constexpr size_t kMaxMixed = 3;

/// Rows of a layer's input in a run of this kind.
int64_t rowsOf(const LatencyBudget &budget) {
  if (budget.run == LatencyBudget::Run::Decode)
    return 1;
  if (budget.run == LatencyBudget::Run::Prefill)
    return budget.tokens;
  int64_t rows = 1;
  for (int64_t dim : budget.dims)
    rows *= dim;
  return rows;
}

/// What a build of a choice takes.
struct Built {
  double bytes = 0, ms = 0;
};

/// A choice that is predicted to be the best.
struct Plan {
  std::vector<int> indices;
  Allocation allocation;
  size_t schemes = 0; ///< that layers use
};

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
  Error measureFixed();
  double unquantizedBytes() const;
  Expected<Built> build();
  Expected<uint64_t> artifactBytes(const PipelineOptions &options) const;
  Expected<double> artifactMs(PipelineOptions options) const;
  Error emitBuild(const PipelineOptions &options, const std::string &path) const;
  bool within(const Built &built) const {
    return (!maxBytes || built.bytes <= *maxBytes) && (!latency || built.ms <= latency->ms);
  }
  bool usesBudget(const Built &built) const {
    return !maxBytes || built.bytes >= kUsedShare * *maxBytes;
  }
  void choose(const std::vector<int> &indices);
  std::vector<std::set<std::string>> mixes() const;
  Plan planOf(const std::set<std::string> &mix) const;
  Plan bestPlan() const;
  double codeBytes(size_t schemes) const;
  Error missed(const Allocation &least, const std::optional<Built> &nearest) const;

  std::vector<WeightChoice> &choices;
  const LoadedModel &floats;
  PipelineOptions pipeline;
  const CompileRequest &request;
  const LatencyBudget *latency;
  std::optional<double> maxBytes;
  double otherBytes = 0, fixedMs = 0;    ///< of weights and ops that nothing is chosen for
  std::map<size_t, double> measuredCode; ///< by the number of schemes that layers use
};

void BudgetedChoice::choose(const std::vector<int> &indices) {
  for (auto [choice, index] : llvm::zip_equal(choices, indices))
    choice.chosen = index;
}

/// Code and tables of an artifact whose layers use a number of schemes: as measured, else on the
/// line through what was.
double BudgetedChoice::codeBytes(size_t schemes) const {
  if (measuredCode.empty())
    return 0;
  if (auto known = measuredCode.find(schemes); known != measuredCode.end())
    return known->second;
  auto [fewest, least] = *measuredCode.begin();
  auto [most, largest] = *measuredCode.rbegin();
  double slope = kCodePerScheme;
  if (most > fewest)
    slope = std::max(0.0, (largest - least) / static_cast<double>(most - fewest));
  return std::max(0.0,
                  least + slope * (static_cast<double>(schemes) - static_cast<double>(fewest)));
}

/// Sets of schemes that layers may draw from: all of them, and where bytes count every small set.
std::vector<std::set<std::string>> BudgetedChoice::mixes() const {
  std::set<std::string> all;
  for (const WeightChoice &choice : choices)
    if (!choice.isTable)
      for (const Candidate &candidate : choice.candidates)
        all.insert(candidate.scheme);
  std::vector<std::set<std::string>> result = {all};
  if (!maxBytes)
    return result;
  std::vector<std::set<std::string>> smaller = {{}};
  for (const std::string &scheme : all) {
    size_t before = smaller.size();
    for (size_t i = 0; i < before; ++i)
      if (smaller[i].size() < kMaxMixed) {
        smaller.push_back(smaller[i]);
        smaller.back().insert(scheme);
      }
  }
  for (std::set<std::string> &mix : smaller)
    if (!mix.empty() && mix.size() < all.size())
      result.push_back(std::move(mix));
  return result;
}

/// The best choice within what a set of schemes and its code leave of the budgets.
Plan BudgetedChoice::planOf(const std::set<std::string> &mix) const {
  std::vector<WeightChoice> some = choices;
  std::vector<std::vector<int>> origins;
  for (WeightChoice &choice : some) {
    std::vector<int> &origin = origins.emplace_back();
    std::vector<Candidate> kept;
    for (auto [index, candidate] : llvm::enumerate(choice.candidates))
      if (choice.isTable || mix.count(candidate.scheme)) {
        origin.push_back(static_cast<int>(index));
        kept.push_back(candidate);
      }
    // A weight that no scheme of the set fits keeps its own.
    if (kept.empty())
      for (size_t index = 0; index < choice.candidates.size(); ++index)
        origin.push_back(static_cast<int>(index));
    else
      choice.candidates = std::move(kept);
  }
  std::optional<double> bytes, ms;
  if (maxBytes)
    bytes = *maxBytes - otherBytes - codeBytes(mix.size());
  if (latency)
    ms = latency->ms - fixedMs;
  Plan plan;
  plan.allocation = allocate(some, bytes, ms);
  std::set<std::string> used;
  for (auto [choice, origin] : llvm::zip_equal(some, origins)) {
    plan.indices.push_back(origin[choice.chosen]);
    if (!choice.isTable)
      used.insert(choice.candidates[choice.chosen].scheme);
  }
  plan.schemes = used.size();
  return plan;
}

/// Of all sets of schemes the choice that is predicted to lose least; where none lies within the
/// budgets, the one that comes nearest in bytes, or in time where bytes are not bounded.
Plan BudgetedChoice::bestPlan() const {
  std::optional<Plan> best;
  auto isBetter = [&](const Allocation &a, const Allocation &b) {
    if (a.feasible != b.feasible)
      return a.feasible;
    return a.feasible ? a.loss < b.loss : maxBytes ? a.bytes < b.bytes : a.ms < b.ms;
  };
  for (const std::set<std::string> &mix : mixes()) {
    Plan plan = planOf(mix);
    if (!best || isBetter(plan.allocation, best->allocation))
      best = std::move(plan);
  }
  return std::move(*best);
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

/// The table that was given, or one of exactly the layers of this model.
Expected<CostTable> BudgetedChoice::costs() const {
  if (!request.quantize.costTable.empty())
    return CostTable::read(request.quantize.costTable);
  TuneOptions tune;
  tune.folder = request.work;
  tune.rows = {rowsOf(*latency)};
  tune.threads = {latency->threads ? latency->threads : std::thread::hardware_concurrency()};
  std::set<std::pair<int64_t, int64_t>> shapes;
  for (const WeightChoice &choice : choices)
    for (const Candidate &candidate : choice.candidates) {
      if (choice.isTable)
        continue; // looking up costs next to nothing
      if (!llvm::is_contained(tune.schemes, candidate.scheme))
        tune.schemes.push_back(candidate.scheme);
      shapes.insert({choice.rows, choice.columns});
    }
  for (auto [n, k] : shapes)
    tune.shapes.push_back({n, k});
  return measureCosts(tune);
}

Error BudgetedChoice::addLatencies() {
  Expected<CostTable> table = costs();
  if (!table)
    return table.takeError();
  unsigned threads = latency->threads ? latency->threads : std::thread::hardware_concurrency();
  for (WeightChoice &choice : choices)
    for (Candidate &candidate : choice.candidates)
      if (!choice.isTable)
        candidate.ms =
            table->predict(candidate.scheme, threads, rowsOf(*latency), choice.rows, choice.columns)
                .value_or(0);
  return Error::success();
}

/// `floats` under `options`, codes to nearest: what it takes does not depend on which codes.
Error BudgetedChoice::emitBuild(const PipelineOptions &options, const std::string &path) const {
  LoadedModel copy = floats.clone();
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
  Expected<std::vector<const Target *>> targets = expandTarget(llvm::join(request.targets, ","));
  if (!targets)
    return targets.takeError();
  fat.levels.clear();
  for (const Target *target : *targets)
    fat.levels.push_back(target->name);
  if (Error failed = emitBuild(fat, path))
    return std::move(failed);
  uint64_t bytes = 0;
  std::error_code failed = llvm::sys::fs::file_size(path, bytes);
  llvm::sys::fs::remove(path);
  if (failed)
    return makeError(Diag::CannotRead, path, failed.message());
  return bytes;
}

Expected<double> BudgetedChoice::artifactMs(PipelineOptions options) const {
  std::string path = request.work + "/latency.so";
  options.levels = hostTargets();
  if (Error failed = emitBuild(options, path))
    return std::move(failed);
  auto ms = medianLatency(path, *latency, request.threads);
  llvm::sys::fs::remove(path);
  return ms;
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

/// Latencies of candidates, and what a run takes beside its layers: what a build of the first
/// candidates does, less its layers.
Error BudgetedChoice::measureFixed() {
  if (Error failed = addLatencies())
    return failed;
  double ms = 0;
  for (WeightChoice &choice : choices) {
    choice.chosen = 0;
    ms += choice.candidates.front().ms;
  }
  Expected<Built> built = build();
  if (!built)
    return built.takeError();
  fixedMs = std::max(0.0, built->ms - ms);
  return Error::success();
}

Error BudgetedChoice::missed(const Allocation &least, const std::optional<Built> &nearest) const {
  std::string why;
  double fixedBytes = otherBytes + (measuredCode.empty() ? 0 : measuredCode.begin()->second);
  if (maxBytes)
    why = llvm::formatv("the smallest choice of schemes takes {0:f2} MB with {1:f2} MB of code and "
                        "other weights, the budget is {2:f2} MB",
                        (least.bytes + fixedBytes) / 1e6, fixedBytes / 1e6,
                        static_cast<double>(*request.quantize.budgetSize) / 1e6);
  if (latency)
    why += llvm::formatv("{0}the fastest choice of schemes is predicted to take {1:f3} ms, the "
                         "budget is {2:f3} ms",
                         why.empty() ? "" : "; ", least.ms + fixedMs, latency->ms);
  std::vector<std::string> notes;
  if (nearest)
    notes.push_back(llvm::formatv("the nearest build takes {0:f2} MB and {1:f3} ms",
                                  nearest->bytes / 1e6, nearest->ms));
  return makeError(Diag::BudgetMissed, request.input, why, notes);
}

Expected<BudgetOutcome> BudgetedChoice::run() {
  otherBytes = unquantizedBytes();
  if (latency)
    if (Error failed = measureFixed())
      return std::move(failed);
  BudgetOutcome best;
  std::optional<Built> taken, last;
  std::vector<int> bestChoice;
  std::set<std::vector<int>> tried;
  Plan plan;
  for (int builds = 0; builds < kMaxBuilds; ++builds) {
    plan = bestPlan();
    // Code of fewer schemes is smaller: the least choice is built before budgets are given up.
    if (!tried.insert(plan.indices).second || (taken && !plan.allocation.feasible))
      break;
    choose(plan.indices);
    Expected<Built> built = build();
    if (!built)
      return built.takeError();
    last = *built;
    // Of builds within the budgets the one that is predicted to lose least.
    if (within(*built) && (!taken || plan.allocation.loss < best.allocation.loss)) {
      taken = *built;
      bestChoice = plan.indices;
      best.allocation = plan.allocation;
      best.predictedMs = plan.allocation.ms + fixedMs;
    }
    if (maxBytes)
      measuredCode[plan.schemes] = built->bytes - plan.allocation.bytes - otherBytes;
    if (latency)
      fixedMs = built->ms - plan.allocation.ms;
    if (within(*built) && usesBudget(*built))
      break;
  }
  if (!taken)
    return missed(plan.allocation, last);
  choose(bestChoice);
  if (latency)
    best.measuredMs = taken->ms;
  else
    best.predictedMs.reset();
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
