// The order in which a model is quantized.
#include "qcc/Driver/Quantize.h"
#include "mlir/Support/Timing.h"
#include "qcc/Driver/Allocate.h"
#include "qcc/Driver/Attribute.h"
#include "qcc/Driver/Budgets.h"
#include "qcc/Driver/Calibrate.h"
#include "qcc/Driver/DecisionTable.h"
#include "qcc/Driver/GateRun.h"
#include "qcc/Driver/Methods.h"
#include "qcc/Driver/Progress.h"
#include "qcc/Driver/RowPromotion.h"
#include "qcc/Driver/Treatments.h"
#include "qcc/Driver/WorkFolder.h"
#include "qcc/Emit/Emit.h"
#include "qcc/Kernels/QuantizedLayout.h"
#include "qcc/Pack/WeightFormats.h"
#include "qcc/Pipeline/Compile.h"
#include "qcc/Support/AtomicOutput.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include <chrono>
#include <cmath>

using namespace mlir;
using namespace qcc;
using llvm::Error;
using llvm::Expected;

namespace {

/// Predicted divergence (KLD, or 1 - cosine) that `auto` accepts where no budget binds it.
constexpr double kSmallLoss = 0.005;
/// Why weights with one scale or with floats as zero points have no codes of a method.
constexpr const char *kLeftAlone =
    "one scale for a whole tensor and zero points that are floats leave methods nothing to choose "
    "row by row: rounded to nearest";
/// Times that the worst weights are promoted before a gate is given up.
constexpr int kMaxRounds = 5;

using Clock = std::chrono::steady_clock;
double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// What the driver holds while a model is quantized.
class Quantization {
public:
  Quantization(const CompileRequest &request, llvm::raw_ostream &err)
      : request(request), err(err), timing(manager.getRootScope()) {}
  Error run();

private:
  Error load();
  Error raise();
  Error openCalibration();
  Error treatOutliers();
  Error observe();
  Error treatInRound(const TreatmentChoices &choices, size_t number);
  Error promoteRows();
  Expected<LoadedModel> assignedModel();
  Error observeStatic();
  Error allocateSchemes();
  Error assign();
  void noteLeftAlone();
  Error chooseAllCodes();
  Expected<quality::GateResult> attempt();
  Error writeAllocation();
  Error decide();
  void printSummary();
  std::string candidatePath() const { return request.work + "/candidate.qnt"; }
  void fillReport();
  Error attribute();
  std::vector<std::string> candidateSchemes() const;
  Error weigh(ArrayRef<std::string> schemes, bool orFloat);
  Error stages(Stage from, Stage to) {
    return runStages(model, from, to, options, request, timing);
  }
  func::FuncOp function() { return *model.module->getOps<func::FuncOp>().begin(); }
  EncodedRows choose(const MarkedWeight &weight, std::vector<float> matrix, const Moments &moments);
  std::string workKey() const;

  CompileRequest request;
  llvm::raw_ostream &err;
  DefaultTimingManager manager;
  TimingScope timing;
  MethodPlan plan;
  PipelineOptions options;
  std::unique_ptr<MLIRContext> context;
  LoadedModel model, floats; ///< floats: before schemes were assigned
  LoadedModel uncoded;       ///< with schemes, before codes were chosen
  ModelSamples samples;
  std::vector<WeightReport> reports;
  std::vector<WeightChoice> choices; ///< of the allocation, empty without one
  std::string allocation;            ///< the recipe of `choices`
  std::optional<StatisticsStore> statistics;
  std::vector<LayerTreatment> treatments; ///< of all rounds
  std::vector<PromotedRows> promoted;
  std::string ownOverrides;           ///< of the recipe: schemes of promoted rows
  std::vector<std::string> leftAlone; ///< weights that the methods could not take
  Clock::time_point start = Clock::now();
};

/// Whether a scheme asks for ranges that are known before.
static bool isStatic(const QuantizeRequest &wish) {
  return llvm::any_of(wish.candidates,
                      [](const Scheme &scheme) { return scheme.act == Scheme::Act::Int8Static; });
}

Error Quantization::load() {
  const QuantizeRequest &wish = request.quantize;
  Expected<MethodPlan> methods = planMethods(wish.methods, wish.calib.given());
  if (!methods)
    return methods.takeError();
  plan = std::move(*methods);
  plan.seed = wish.seed;
  plan.refineNarrow = isStatic(wish) && !llvm::is_contained(wish.methods, "rounding");
  options = pipelineOptions(wish);
  options.optLevel = request.optLevel;
  if (plan.hadamard)
    options.hadamardSeed = wish.seed + 1; // 0 would leave out the signs
  context = makeContext(request.threads);
  if (std::error_code failed = llvm::sys::fs::create_directories(request.work))
    return makeError(Diag::CannotWrite, request.work, failed.message());
  if (request.blobs.empty())
    request.blobs = request.work + "/blobs";
  Expected<LoadedModel> loaded = loadModel(*context, request);
  if (!loaded)
    return loaded.takeError();
  model = std::move(*loaded);
  model.codes = std::make_shared<emit::CodeCache>(); // layers are alike, and compiled many times
  return Error::success();
}

Error Quantization::openCalibration() {
  const DataRequest &calib = request.quantize.calib;
  if (!calib.given())
    return Error::success();
  Expected<ModelSamples> opened = openSamples(function(), calib.where, calib.ctx, calib.samples);
  if (!opened)
    return opened.takeError();
  samples = std::move(*opened);
  if (!request.quiet)
    noteFewSamples(samples, calib.where, err);
  return Error::success();
}

/// Rounds of treatments. Without any the two stages leave the model as it is.
Error Quantization::treatOutliers() {
  std::vector<TreatmentChoices> rounds = plan.rounds();
  for (size_t i = 0; i < rounds.size(); ++i)
    if (Error failed = treatInRound(rounds[i], i))
      return failed;
  if (rounds.empty())
    return stages(Stage::Calibrate, Stage::Transform);
  return Error::success();
}

/// The model as assign-bits leaves it, beside the one that goes on; a run of its own tells static
/// scales. Where schemes are chosen later, under the first candidate.
Expected<LoadedModel> Quantization::assignedModel() {
  PipelineOptions assigning = options;
  if (request.quantize.automatic || request.quantize.candidates.size() > 1)
    assigning.scheme = candidateSchemes().front();
  if (isStatic(request.quantize)) {
    LoadedModel observed = withoutObservers(model);
    PipelineOptions observing;
    observing.observeRanges = true;
    if (Error failed =
            runStages(observed, Stage::Calibrate, Stage::Calibrate, observing, request, timing))
      return std::move(failed);
    auto seen =
        collectStatistics(observed, *observed.module->getOps<func::FuncOp>().begin(), samples,
                          {request.work, request.threads, request.quantize.memLimit, {}});
    if (!seen)
      return seen.takeError();
    assigning.statistics = request.work + "/round.json";
    if (Error failed = writeFileAtomically(assigning.statistics, seen->toJson()))
      return std::move(failed);
  }
  LoadedModel assigned = withoutObservers(model);
  if (Error failed =
          runStages(assigned, Stage::AssignBits, Stage::AssignBits, assigning, request, timing))
    return std::move(failed);
  return std::move(assigned);
}

/// Rows that more bits help most become layers of their own.
Error Quantization::promoteRows() {
  const QuantizeRequest &wish = request.quantize;
  if (plan.rows) {
    if (wish.automatic || wish.candidates.size() != 1 || !wish.recipe.empty())
      return makeError(Diag::BadOptionValue, "",
                       "--method=" + plan.text + ": rows get 8 bits beside one scheme", {},
                       "give --quantize one scheme, and no recipe");
    Expected<LoadedModel> assigned = assignedModel();
    if (!assigned)
      return assigned.takeError();
    LayerProgress progress(err, "rows", request.quiet);
    SequentialOptions survey;
    survey.folder = request.work;
    survey.threads = request.threads;
    survey.progress = std::ref(progress);
    auto parted = qcc::promoteRows(model, *assigned, samples, survey);
    if (!parted)
      return parted.takeError();
    promoted = std::move(*parted);
    ownOverrides = promotedOverride(promotedSchemeOf(wish.scheme));
    if (Error failed = writeAllocation())
      return failed;
  }
  floats = model.clone();
  return Error::success();
}

/// Observers at the inputs of layers, under the same names as long as the layers are the same.
Error Quantization::observe() {
  options.observeRanges = true;
  Error failed = stages(Stage::Calibrate, Stage::Calibrate);
  options.observeRanges = false;
  return failed;
}

/// One round: what every layer reads, what is best for it, and the passes that do it.
Error Quantization::treatInRound(const TreatmentChoices &choices, size_t number) {
  if (Error failed = observe())
    return failed;
  Expected<LoadedModel> assigned = assignedModel();
  if (!assigned)
    return assigned.takeError();
  LayerProgress progress(err, "outliers", request.quiet);
  auto treated = chooseTreatments(model, *assigned, samples, choices,
                                  {request.work, request.threads, std::ref(progress)});
  if (!treated)
    return treated.takeError();
  treatments.insert(treatments.end(), treated->begin(), treated->end());
  // Scales go into layers before; once those are split they could not take them any more.
  for (bool scales : {true, false}) {
    if (Error failed = observe())
      return failed;
    options.decisions =
        llvm::formatv("{0}/decisions{1}{2}.json", request.work, number, scales ? "s" : "");
    Error failed = writeFileAtomically(options.decisions, decisionsOf(*treated, scales).toJson());
    if (!failed)
      failed = stages(Stage::Transform, Stage::Transform);
    options.decisions.clear();
    if (failed)
      return failed;
  }
  return Error::success();
}

/// What `auto` chooses from when no list is given.
std::vector<std::string> Quantization::candidateSchemes() const {
  std::vector<std::string> schemes;
  for (const Scheme &scheme : request.quantize.candidates)
    schemes.push_back(schemeToString(scheme, request.quantize.ownSchemes));
  if (schemes.empty())
    schemes = {"w8a8", "w4a8:g32", "w4a8:g128"};
  return schemes;
}

/// What each weight would lose under each of `schemes`.
Error Quantization::weigh(ArrayRef<std::string> schemes, bool orFloat) {
  AllocationOptions weighing;
  weighing.folder = request.work;
  weighing.threads = request.threads;
  weighing.orFloat = orFloat;
  weighing.toNearest = !plan.needsMoments();
  LayerProgress progress(err, "weigh", request.quiet);
  weighing.progress = std::ref(progress);
  Expected<std::vector<WeightChoice>> weighed =
      weighCandidates(floats, schemes, samples, options, request, weighing);
  if (!weighed)
    return weighed.takeError();
  choices = std::move(*weighed);
  return Error::success();
}

/// A scheme for each weight, where there is a choice.
Error Quantization::allocateSchemes() {
  const QuantizeRequest &wish = request.quantize;
  if (!wish.automatic && wish.candidates.size() < 2)
    return Error::success();
  if (samples.count == 0)
    return makeError(Diag::UsageError, "",
                     "choosing between schemes needs samples to measure their loss on", {},
                     "give --calib DATA, or one scheme");
  std::vector<std::string> schemes = candidateSchemes();
  if (Error failed = weigh(schemes, /*orFloat=*/false))
    return failed;
  if (!wish.budgetSize && wish.budgetLatency.empty()) {
    // Nothing is bounded: as small as a loss that hardly shows allows; gates promote from there.
    allocateForLoss(choices, kSmallLoss);
    options.scheme = schemes.front();
    return writeAllocation();
  }
  options.scheme = schemes.front();
  Expected<BudgetOutcome> outcome = chooseWithinBudgets(choices, floats, options, request);
  if (!outcome)
    return outcome.takeError();
  if (request.quantization) {
    request.quantization->predictedMs = outcome->predictedMs;
    request.quantization->measuredMs = outcome->measuredMs;
    request.quantization->bytesAfter = outcome->bytes;
  }
  return writeAllocation();
}

/// The choice as a recipe, which assign-bits reads.
Error Quantization::writeAllocation() {
  options.recipe = request.work + "/allocation.yaml";
  allocation = recipeOf(choices) + ownOverrides; // the last that matches holds
  return writeFileAtomically(options.recipe, allocation);
}

/// Static scales are those of the values after the transforms: a run of its own.
Error Quantization::observeStatic() {
  if (!isStatic(request.quantize))
    return Error::success();
  options.statistics = request.quantize.statistics;
  if (!options.statistics.empty() || samples.count == 0)
    return Error::success(); // assign-bits says what is missing
  LoadedModel copy = model.clone();
  PipelineOptions pipeline;
  pipeline.observeRanges = true;
  if (Error failed = runStages(copy, Stage::Calibrate, Stage::Calibrate, pipeline, request, timing))
    return failed;
  Expected<StatisticsStore> seen =
      collectStatistics(copy, *copy.module->getOps<func::FuncOp>().begin(), samples,
                        {request.work, request.threads, request.quantize.memLimit, {}});
  if (!seen)
    return seen.takeError();
  options.statistics = request.work + "/static.json";
  if (Error failed = writeFileAtomically(options.statistics, seen->toJson()))
    return failed;
  statistics = std::move(*seen);
  return Error::success();
}

Error Quantization::assign() { return stages(Stage::AssignBits, Stage::AssignBits); }

Error Quantization::raise() { return stages(Stage::Import, Stage::Rotate); }

std::string Quantization::workKey() const {
  std::string key = request.quantize.text + "|" + plan.text + "|" + samples.hash + "|" +
                    std::to_string(request.quantize.seed) + "|" + QCC_VERSION + "|" + allocation;
  for (const std::string &option : request.options)
    key += "|" + option;
  llvm::sys::fs::file_status status;
  if (!llvm::sys::fs::status(request.input, status))
    key += llvm::formatv("|{0}|{1}", status.getSize(),
                         status.getLastModificationTime().time_since_epoch().count());
  return key;
}

EncodedRows Quantization::choose(const MarkedWeight &weight, std::vector<float> matrix,
                                 const Moments &moments) {
  WeightReport report;
  report.name = weight.name;
  report.rows = weight.rows;
  report.columns = weight.columns;
  MarkedWeight copy = weight;
  report.scheme = request.quantize.text;
  report.bytes = static_cast<uint64_t>(*quantizedBytes(copy.quantize.getType()).constantValue());
  EncodedRows codes = chooseCodes(
      plan, *pack::weightFormatOf(copy.quantize.getType()), std::move(matrix), weight.rows,
      weight.columns, moments.gram.empty() ? nullptr : &moments, request.threads, report);
  reports.push_back(std::move(report));
  return codes;
}

/// Says once which weights no method can choose codes for.
void Quantization::noteLeftAlone() {
  std::vector<std::string> names = weightsOutsideMethods(function());
  if (!names.empty() && leftAlone.empty() && !request.quiet)
    err << llvm::formatv("{0}: note: {1} weights stay outside --method={2}: {3}\n", request.input,
                         names.size(), plan.text, kLeftAlone);
  leftAlone = std::move(names);
}

Error Quantization::chooseAllCodes() {
  if (!plan.choosesCodes())
    return Error::success();
  Expected<WorkFolder> work = WorkFolder::open(request.work, workKey());
  if (!work)
    return work.takeError();
  noteLeftAlone();
  LayerProgress progress(err, "quantize", request.quiet, /*estimate=*/true, request.threads);
  SequentialOptions sequence;
  sequence.folder = work->path();
  sequence.threads = request.threads;
  sequence.followFloat = plan.aim;
  sequence.correctBias = plan.bias;
  sequence.progress = std::ref(progress);
  sequence.resume = [&](const MarkedWeight &weight) { return work->find(weight.name); };
  sequence.keep = [&](const MarkedWeight &weight, ArrayRef<uint8_t> bytes) {
    return work->keep(weight.name, bytes);
  };
  auto method = [this](const MarkedWeight &weight, std::vector<float> matrix,
                       const Moments &moments) -> Expected<EncodedRows> {
    return choose(weight, std::move(matrix), moments);
  };
  return quantizeSequentially(model, function(), plan.aim || plan.bias ? &floats : nullptr, samples,
                              method, sequence);
}

/// What the gate saw on held-out data, in the unit that losses are predicted in.
static std::optional<double> measuredLoss(const std::optional<quality::GateResult> &gate) {
  if (gate)
    for (const quality::SetResult &set : gate->sets) {
      if (set.measurement.metric == quality::Metric::Kld)
        return set.measurement.value;
      if (set.measurement.metric == quality::Metric::Cosine)
        return 1 - set.measurement.value;
    }
  return std::nullopt;
}

/// The decision table: what each weight got, from what, and why.
void Quantization::fillReport() {
  quality::QuantizeReport *report = request.quantization;
  if (!report)
    return;
  report->dataHash = samples.hash;
  report->samples = static_cast<int64_t>(samples.count);
  report->methods = {plan.text};
  if (!choices.empty()) {
    report->lossUnit = OutputLoss::unit(floats);
    report->predictedLoss = 0;
    for (const WeightChoice &choice : choices)
      *report->predictedLoss += choice.candidates[choice.chosen].loss;
  }
  report->measuredLoss = measuredLoss(report->gate);
  std::map<std::string, const WeightReport *> byName;
  for (const WeightReport &weight : reports)
    byName[weight.name] = &weight;
  for (const WeightChoice &choice : choices)
    report->tensors.push_back(tensorReport(choice, byName[choice.name], plan));
  if (choices.empty())
    for (const WeightReport &weight : reports)
      report->tensors.push_back(tensorReport(weight, plan));
  addToReport(*report, treatments, request.quantize.text, plan.text);
  if (!promoted.empty())
    addToReport(*report, promoted, request.quantize.text,
                promotedSchemeOf(request.quantize.scheme));
  // One note for all weights that it is true of.
  std::map<std::string, std::vector<std::string>> notes;
  for (const WeightReport &weight : reports)
    for (const std::string &note : weight.layer.notes)
      notes[note].push_back(weight.name);
  if (!leftAlone.empty())
    notes[kLeftAlone] = leftAlone;
  for (const auto &[note, names] : notes)
    report->notes.push_back(names.front() +
                            (names.size() > 1
                                 ? llvm::formatv(" and {0} more", names.size() - 1).str()
                                 : std::string()) +
                            ": " + note);
  if (statistics)
    for (const auto &[id, value] : statistics->values)
      report->convergence.push_back({id, samples.count ? int64_t(samples.count) : 0, value.drift});
  report->timings.push_back({"quantize", secondsSince(start)});
}

/// What each weight contributes to the loss, where a report is to tell it.
Error Quantization::attribute() {
  if (!request.quantization || !request.attribution || samples.count == 0)
    return Error::success();
  std::optional<WorkFolder> work;
  if (plan.needsMoments()) {
    Expected<WorkFolder> opened = WorkFolder::open(request.work, workKey());
    if (!opened)
      return opened.takeError();
    work = std::move(*opened);
  }
  AttributeOptions attributing;
  attributing.folder = request.work;
  attributing.threads = request.threads;
  attributing.runs = request.attribution;
  attributing.codes = [&](StringRef name) { return work ? work->find(name) : std::nullopt; };
  LayerProgress progress(err, "attribute", request.quiet);
  attributing.progress = [&](size_t done, size_t all) { progress(done, all, ""); };
  Expected<quality::Attribution> found = attributeWeights(floats, uncoded, samples, attributing);
  if (!found)
    return found.takeError();
  quality::QuantizeReport &report = *request.quantization;
  report.attribution = std::move(found->layers);
  report.attributed = found->total;
  return Error::success();
}

/// Codes for the schemes as they stand, in a .qnt beside the work; what the gate says of it.
Expected<quality::GateResult> Quantization::attempt() {
  model = floats.clone();
  reports.clear();
  if (Error failed = assign())
    return std::move(failed);
  if (request.quantization && request.attribution)
    uncoded = model.clone();
  if (Error failed = chooseAllCodes())
    return std::move(failed);
  if (Error failed = stages(Stage::Quantize, Stage::Quantize))
    return std::move(failed);
  CompileRequest writing = request;
  writing.emit = EmitKind::Qnt;
  writing.quiet = true;
  writing.output = candidatePath();
  writing.provenance["methods"] = plan.text;
  if (samples.count)
    writing.provenance["data_sha256"] = samples.hash;
  else if (statistics)
    writing.provenance["data_sha256"] = statistics->dataHash;
  if (Error failed = emitArtifact(model, {}, writing, err))
    return std::move(failed);
  return decideGate(request, candidatePath(), request.work);
}

/// Rounds of codes and gate until the gate holds, or nothing is left to promote.
Error Quantization::decide() {
  for (int round = 0;; ++round) {
    Expected<quality::GateResult> gate = attempt();
    if (!gate)
      return gate.takeError();
    if (request.quantization)
      request.quantization->gate = *gate;
    if (gate->accepted)
      return Error::success();
    // One scheme was asked for: what is better than it, where the gate is worth it.
    bool demanding = request.quantize.gate.kind != quality::Gate::Kind::Guard;
    if (choices.empty() && demanding && samples.count > 0)
      if (Error failed = weigh({request.quantize.text, "w8a8"}, /*orFloat=*/true))
        return failed;
    bool bounded = request.quantize.budgetSize || !request.quantize.budgetLatency.empty();
    if (bounded || round == kMaxRounds || !promoteWorst(choices))
      return quality::gateError(*gate, request.input);
    if (!request.quiet)
      err << llvm::formatv("round {0}: {1}; the worst weights get more bits\n", round + 1,
                           gate->nearest);
    if (Error failed = writeAllocation())
      return failed;
  }
}

Error Quantization::run() {
  for (auto step :
       {&Quantization::load, &Quantization::raise, &Quantization::openCalibration,
        &Quantization::treatOutliers, &Quantization::promoteRows, &Quantization::observeStatic,
        &Quantization::allocateSchemes, &Quantization::decide})
    if (Error failed = (this->*step)())
      return failed;
  fillReport();
  if (Error failed = attribute())
    return failed;
  if (std::error_code failed = llvm::sys::fs::rename(candidatePath(), request.output))
    return makeError(Diag::CannotWrite, request.output, failed.message());
  printSummary();
  if (!request.keepWork)
    llvm::sys::fs::remove_directories(request.work);
  return Error::success();
}

/// One line, as every compile ends with.
void Quantization::printSummary() {
  if (request.quiet)
    return;
  uint64_t bytes = 0;
  llvm::sys::fs::file_size(request.output, bytes);
  std::string quality = "quality not measured (give --eval-data)";
  if (request.quantization && request.quantization->gate && request.quantization->gate->measured)
    quality = "gate " + request.quantization->gate->text +
              " holds: " + request.quantization->gate->nearest;
  err << llvm::formatv("f32→{0} · {1:F1} MB · {2} · any target\n", request.quantize.text,
                       bytes / 1e6, quality);
}

} // namespace

Error qcc::quantizeModel(const CompileRequest &request, llvm::raw_ostream &err) {
  return Quantization(request, err).run();
}
