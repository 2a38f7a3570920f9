// Trials: the model quantized with one kind of layer at a better scheme.
#include "qcc/Driver/Trials.h"
#include "mlir/Support/Timing.h"
#include "qcc/Driver/Progress.h"
#include "qcc/Pack/WeightFormats.h"
#include "qcc/Support/AtomicOutput.h"
#include "llvm/ADT/StringExtras.h"
#include <map>
#include <set>

using namespace mlir;
using namespace qcc;
using llvm::Error;
using llvm::Expected;

namespace {

/// Weights of all layers up to which a model is quantized several times for a choice of schemes.
constexpr int64_t kSmallModel = 64 << 20;
/// A scheme this much better than another stands out from noise.
constexpr double kClearStep = 0.5;
/// Trials are noisy too: no kind is scaled by more.
constexpr double kMostScale = 4;

int candidateOf(const WeightChoice &choice, StringRef scheme) {
  for (auto [index, candidate] : llvm::enumerate(choice.candidates))
    if (candidate.scheme == scheme)
      return static_cast<int>(index);
  return -1;
}

class Trials {
public:
  Trials(std::vector<WeightChoice> &choices, const LoadedModel &floats, const ModelSamples &samples,
         const MethodPlan &plan, const PipelineOptions &base, const CompileRequest &request,
         const TrialOptions &options, TrialStep step)
      : choices(choices), floats(floats), samples(samples), plan(plan), base(base),
        request(request), options(options), step(std::move(step)), timing(manager.getRootScope()) {}
  Error run(const std::set<std::string> &kinds);

private:
  Expected<double> lossWith(std::optional<StringRef> kind, const OutputLoss &loss);
  void scale(StringRef kind, double measured);

  std::vector<WeightChoice> &choices;
  const LoadedModel &floats;
  const ModelSamples &samples;
  const MethodPlan &plan;
  const PipelineOptions &base;
  const CompileRequest &request;
  const TrialOptions &options;
  TrialStep step;
  DefaultTimingManager manager;
  TimingScope timing;
};

/// The loss of the model with layers of one kind, or none, at the better scheme, others at the
/// first.
Expected<double> Trials::lossWith(std::optional<StringRef> kind, const OutputLoss &loss) {
  std::vector<WeightChoice> trial = choices;
  for (WeightChoice &choice : trial) {
    int index = candidateOf(choice, kind == choice.kind ? step.to : step.from);
    choice.chosen = std::max(0, index);
  }
  PipelineOptions pipeline = base;
  pipeline.scheme = step.from;
  pipeline.recipe = options.folder + "/trial.yaml";
  if (Error failed = writeFileAtomically(pipeline.recipe, recipeOf(trial)))
    return std::move(failed);
  LoadedModel copy = floats.clone();
  if (Error failed =
          runStages(copy, Stage::AssignBits, Stage::AssignBits, pipeline, request, timing))
    return std::move(failed);
  ModelSamples few = samples;
  few.count = std::min<size_t>(samples.count, options.samples);
  SequentialOptions sequence;
  sequence.folder = options.folder;
  sequence.threads = options.threads;
  sequence.followFloat = plan.aim;
  sequence.correctBias = plan.bias;
  auto method = [&](const MarkedWeight &weight, std::vector<float> matrix,
                    const Moments &moments) -> Expected<EncodedRows> {
    MarkedWeight marked = weight;
    WeightReport report;
    report.name = weight.name;
    return chooseCodes(plan, *pack::weightFormatOf(marked.quantize.getType()), std::move(matrix),
                       weight.rows, weight.columns, moments.gram.empty() ? nullptr : &moments,
                       options.threads, report);
  };
  func::FuncOp function = *copy.module->getOps<func::FuncOp>().begin();
  if (Error failed = quantizeSequentially(copy, function, plan.aim || plan.bias ? &floats : nullptr,
                                          few, method, sequence))
    return std::move(failed);
  return loss.of(copy);
}

/// `measured`: what the better scheme of the kind took off the loss.
void Trials::scale(StringRef kind, double measured) {
  double predicted = 0;
  for (const WeightChoice &choice : choices) {
    int from = candidateOf(choice, step.from), to = candidateOf(choice, step.to);
    if (choice.kind == kind && !choice.isTable && from >= 0 && to >= 0)
      predicted += choice.candidates[from].loss - choice.candidates[to].loss;
  }
  if (!(predicted > 0))
    return;
  double factor = std::clamp(measured / predicted, 1 / kMostScale, kMostScale);
  for (WeightChoice &choice : choices) {
    if (choice.kind != kind || choice.isTable)
      continue;
    choice.sensitivity *= factor;
    for (Candidate &candidate : choice.candidates)
      candidate.loss *= factor;
  }
}

Error Trials::run(const std::set<std::string> &kinds) {
  ModelSamples few = samples;
  few.count = std::min<size_t>(samples.count, options.lossSamples);
  auto loss = OutputLoss::create(floats, few, {options.folder, options.threads, 1});
  if (!loss)
    return loss.takeError();
  uint64_t done = 0, all = kinds.size() + 1;
  auto report = [&](StringRef what) {
    if (options.progress)
      options.progress(done++, all, what);
  };
  report(step.from);
  Expected<double> start = lossWith(std::nullopt, **loss);
  if (!start)
    return start.takeError();
  for (const std::string &kind : kinds) {
    report(step.to + " before " + kind);
    Expected<double> better = lossWith(StringRef(kind), **loss);
    if (!better)
      return better.takeError();
    scale(kind, *start - *better);
  }
  report("");
  return Error::success();
}

} // namespace

std::optional<TrialStep> qcc::trialStepOf(ArrayRef<WeightChoice> choices) {
  std::map<std::string, std::pair<double, size_t>> byScheme; // loss, layers
  size_t layers = 0;
  for (const WeightChoice &choice : choices) {
    if (choice.isTable)
      continue;
    ++layers;
    for (const Candidate &candidate : choice.candidates) {
      auto &[loss, count] = byScheme[candidate.scheme];
      loss += candidate.loss;
      ++count;
    }
  }
  std::vector<std::pair<double, std::string>> sorted;
  for (const auto &[scheme, seen] : byScheme)
    if (seen.second == layers)
      sorted.emplace_back(seen.first, scheme);
  llvm::sort(sorted);
  for (size_t from = sorted.size() / 2; from < sorted.size(); ++from)
    for (size_t to = from; to-- > 0;)
      if (sorted[to].first <= kClearStep * sorted[from].first)
        return TrialStep{sorted[from].second, sorted[to].second};
  return std::nullopt;
}

Error qcc::correctByTrials(std::vector<WeightChoice> &choices, const LoadedModel &floats,
                           const ModelSamples &samples, const MethodPlan &plan,
                           const PipelineOptions &base, const CompileRequest &request,
                           const TrialOptions &options) {
  std::set<std::string> kinds;
  int64_t weights = 0;
  for (const WeightChoice &choice : choices) {
    if (choice.isTable)
      continue;
    kinds.insert(choice.kind);
    weights += choice.rows * choice.columns;
  }
  std::optional<TrialStep> step = trialStepOf(choices);
  if (!step || kinds.size() < 2 || weights > kSmallModel)
    return Error::success();
  return Trials(choices, floats, samples, plan, base, request, options, *step).run(kinds);
}
