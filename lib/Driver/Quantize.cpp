// The order in which a model is quantized.
#include "qcc/Driver/Quantize.h"
#include "mlir/Support/Timing.h"
#include "qcc/Driver/Allocate.h"
#include "qcc/Driver/Calibrate.h"
#include "qcc/Driver/Methods.h"
#include "qcc/Driver/WorkFolder.h"
#include "qcc/Emit/AtomicOutput.h"
#include "qcc/Kernels/QuantizedLayout.h"
#include "qcc/Pack/WeightFormats.h"
#include "qcc/Pipeline/Compile.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include <chrono>
#include <set>

using namespace mlir;
using namespace qcc;
using llvm::Error;
using llvm::Expected;

namespace {

/// Code and descriptors of an artifact of three levels, about.
constexpr double kCodeBytes = 600e3;

using Clock = std::chrono::steady_clock;
double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Says how far the layers are and how long the rest takes, on a terminal only.
class LayerProgress {
public:
  LayerProgress(llvm::raw_ostream &err, StringRef what, bool quiet)
      : err(err), what(what), shown(!quiet && llvm::sys::Process::StandardErrIsDisplayed()) {}
  ~LayerProgress() {
    if (shown && any)
      err << "\r\033[K";
  }
  void operator()(size_t done, size_t all, StringRef name) {
    if (!shown)
      return;
    any = true;
    double elapsed = secondsSince(start);
    std::string rest;
    if (done > 0)
      rest = llvm::formatv(", {0:f0} s left",
                           elapsed * static_cast<double>(all - done) / static_cast<double>(done));
    err << llvm::formatv("\r\033[K{0}: {1} of {2}{3}  {4}", what, done, all, rest, name);
    err.flush();
  }

private:
  llvm::raw_ostream &err;
  std::string what;
  bool shown, any = false;
  Clock::time_point start = Clock::now();
};

/// A row of the decision table for a weight that was allocated.
quality::TensorReport tensorReport(const WeightChoice &choice, const WeightReport *result,
                                   const MethodPlan &plan) {
  quality::TensorReport tensor;
  tensor.name = choice.name;
  tensor.dims = {choice.rows, choice.columns};
  for (const Candidate &candidate : choice.candidates) {
    quality::CandidateReport row;
    row.scheme = candidate.scheme;
    row.transform = plan.hadamard ? "hadamard" : plan.smooth ? "smoothquant" : "none";
    row.method = plan.text;
    row.predictedLoss = candidate.loss;
    row.bytes = static_cast<uint64_t>(candidate.bytes);
    tensor.candidates.push_back(std::move(row));
  }
  tensor.chosen = choice.chosen;
  const Candidate &chosen = choice.candidates[choice.chosen];
  tensor.reason = llvm::formatv("least predicted loss of the model within the budget: {0:e2} here, "
                                "sensitivity {1:e2}",
                                chosen.loss, choice.sensitivity);
  if (result && result->energy > 0)
    tensor.reason +=
        llvm::formatv("; relative output error {0:e2}", result->layer.result / result->energy);
  return tensor;
}

/// A row for a weight of the one scheme that was asked for.
quality::TensorReport tensorReport(const WeightReport &weight, const MethodPlan &plan) {
  quality::TensorReport tensor;
  tensor.name = weight.name;
  tensor.dims = {weight.rows, weight.columns};
  quality::CandidateReport row;
  row.scheme = weight.scheme;
  row.transform = plan.hadamard ? "hadamard" : plan.smooth ? "smoothquant" : "none";
  row.method = plan.text;
  row.bytes = weight.bytes;
  if (weight.energy > 0)
    row.measuredLoss = weight.layer.result / weight.energy;
  tensor.candidates.push_back(std::move(row));
  tensor.chosen = 0;
  tensor.reason = "asked for";
  if (weight.energy > 0)
    tensor.reason +=
        llvm::formatv("; rounding to nearest would cost {0:e2}", weight.layer.rtn / weight.energy);
  return tensor;
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
  double unquantizedBytes();
  Error openCalibration();
  Error observe();
  Error transform();
  Error observeStatic();
  Error allocateSchemes();
  Error assign();
  Error chooseAllCodes();
  void fillReport();
  std::vector<std::string> candidateSchemes() const;
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
  ModelSamples samples;
  std::vector<WeightReport> reports;
  std::vector<WeightChoice> choices; ///< of the allocation, empty without one
  std::optional<StatisticsStore> statistics;
  Clock::time_point start = Clock::now();
};

Error Quantization::load() {
  const QuantizeRequest &wish = request.quantize;
  Expected<MethodPlan> methods = planMethods(wish.methods, wish.calib.given());
  if (!methods)
    return methods.takeError();
  plan = std::move(*methods);
  options.optLevel = request.optLevel;
  options.scheme = wish.text;
  options.embed = wish.embed;
  options.head = wish.head;
  options.skip = wish.skip;
  options.recipe = wish.recipe;
  context = makeContext(request.threads);
  if (std::error_code failed = llvm::sys::fs::create_directories(request.work))
    return makeError(Diag::CannotWrite, request.work, failed.message());
  if (request.blobs.empty())
    request.blobs = request.work + "/blobs";
  Expected<LoadedModel> loaded = loadModel(*context, request);
  if (!loaded)
    return loaded.takeError();
  model = std::move(*loaded);
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
  if (samples.count < 128 && !request.quiet)
    err << llvm::formatv("{0}: note: {1} samples are few to calibrate on; 128 to 1024 are usual\n",
                         calib.where, samples.count);
  return Error::success();
}

/// Statistics of what layers read, where a method asks for them: from the file given, or a run.
Error Quantization::observe() {
  if (!plan.needsRanges())
    return stages(Stage::Calibrate, Stage::Calibrate);
  options.observeRanges = true;
  if (Error failed = stages(Stage::Calibrate, Stage::Calibrate))
    return failed;
  options.ranges = request.quantize.statistics;
  if (!options.ranges.empty())
    return Error::success();
  CalibrateOptions calibrate;
  calibrate.folder = request.work;
  calibrate.threads = request.threads;
  calibrate.memLimit = request.quantize.memLimit;
  Expected<StatisticsStore> seen = collectStatistics(model, function(), samples, calibrate);
  if (!seen)
    return seen.takeError();
  options.ranges = request.work + "/statistics.json";
  if (Error failed = emit::writeFileAtomically(options.ranges, seen->toJson()))
    return failed;
  statistics = std::move(*seen);
  return Error::success();
}

Error Quantization::transform() {
  if (Error failed = stages(Stage::Transform, Stage::Transform))
    return failed;
  floats.module = cast<ModuleOp>(model.module->clone());
  floats.modelDir = model.modelDir;
  floats.blobDir = model.blobDir;
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

/// A scheme for each weight, where there is a choice.
Error Quantization::allocateSchemes() {
  const QuantizeRequest &wish = request.quantize;
  if (!wish.automatic && wish.candidates.size() < 2)
    return Error::success();
  if (samples.count == 0)
    return makeError(Diag::UsageError, "",
                     "choosing between schemes needs samples to measure their loss on", {},
                     "give --calib DATA, or one scheme");
  AllocationOptions allocation;
  allocation.folder = request.work;
  allocation.threads = request.threads;
  LayerProgress progress(err, "weigh", request.quiet);
  allocation.progress = std::ref(progress);
  std::vector<std::string> schemes = candidateSchemes();
  PipelineOptions base = options;
  Expected<std::vector<WeightChoice>> weighed =
      weighCandidates(floats, schemes, samples, base, request, allocation);
  if (!weighed)
    return weighed.takeError();
  choices = std::move(*weighed);
  std::optional<double> maxBytes;
  if (wish.budgetSize)
    maxBytes = static_cast<double>(*wish.budgetSize) - kCodeBytes - unquantizedBytes();
  Allocation result = allocate(choices, maxBytes, std::nullopt);
  if (!result.feasible)
    return makeError(Diag::BudgetMissed, request.input,
                     llvm::formatv("the smallest choice of schemes takes {0:f1} MB, the budget "
                                   "leaves {1:f1} MB for weights",
                                   result.bytes / 1e6, maxBytes.value_or(0) / 1e6));
  options.recipe = request.work + "/allocation.yaml";
  options.scheme = schemes.front();
  return emit::writeFileAtomically(options.recipe, recipeOf(choices));
}

/// Bytes of what stays as it is: norms, biases, weights that no scheme takes.
double Quantization::unquantizedBytes() {
  std::set<std::string> chosen;
  for (const WeightChoice &choice : choices)
    chosen.insert(choice.name);
  double bytes = 0;
  for (qnt::WeightOp weight : floats.module->getOps<qnt::WeightOp>())
    if (auto file = dyn_cast_or_null<qnt::FileAttr>(weight.getSource().value_or(Attribute())))
      if (!chosen.count(weight.getSymName().str()))
        bytes += static_cast<double>(file.getLength());
  return bytes;
}

/// Whether a scheme asks for ranges that are known before.
static bool isStatic(const QuantizeRequest &wish) {
  return llvm::any_of(wish.candidates,
                      [](const Scheme &scheme) { return scheme.act == Scheme::Act::Int8Static; });
}

/// Static scales are those of the values after the transforms: a run of its own.
Error Quantization::observeStatic() {
  if (!isStatic(request.quantize))
    return Error::success();
  options.statistics = request.quantize.statistics;
  if (!options.statistics.empty() || samples.count == 0)
    return Error::success(); // assign-bits says what is missing
  LoadedModel copy;
  copy.module = cast<ModuleOp>(model.module->clone());
  copy.modelDir = model.modelDir;
  copy.blobDir = model.blobDir;
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
  if (Error failed = emit::writeFileAtomically(options.statistics, seen->toJson()))
    return failed;
  statistics = std::move(*seen);
  return Error::success();
}

Error Quantization::assign() { return stages(Stage::AssignBits, Stage::AssignBits); }

Error Quantization::raise() { return stages(Stage::Import, Stage::Rotate); }

std::string Quantization::workKey() const {
  std::string key = request.quantize.text + "|" + plan.text + "|" + samples.hash + "|" +
                    std::to_string(request.quantize.seed) + "|" + QCC_VERSION;
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
  EncodedRows codes =
      chooseCodes(plan, *pack::weightFormatOf(copy.quantize.getType()), std::move(matrix),
                  weight.rows, weight.columns, &moments, request.threads, report);
  reports.push_back(std::move(report));
  return codes;
}

Error Quantization::chooseAllCodes() {
  if (!plan.needsMoments())
    return Error::success();
  Expected<WorkFolder> work = WorkFolder::open(request.work, workKey());
  if (!work)
    return work.takeError();
  LayerProgress progress(err, "quantize", request.quiet);
  SequentialOptions sequence;
  sequence.folder = work->path();
  sequence.threads = request.threads;
  sequence.followFloat = plan.aim;
  sequence.progress = std::ref(progress);
  sequence.resume = [&](const MarkedWeight &weight) { return work->find(weight.name); };
  sequence.keep = [&](const MarkedWeight &weight, ArrayRef<uint8_t> bytes) {
    return work->keep(weight.name, bytes);
  };
  auto method = [this](const MarkedWeight &weight, std::vector<float> matrix,
                       const Moments &moments) -> Expected<EncodedRows> {
    return choose(weight, std::move(matrix), moments);
  };
  return quantizeSequentially(model, function(), plan.aim ? &floats : nullptr, samples, method,
                              sequence);
}

/// The decision table: what each weight got, from what, and why.
void Quantization::fillReport() {
  quality::QuantizeReport *report = request.quantization;
  if (!report)
    return;
  report->dataHash = samples.hash;
  report->samples = static_cast<int64_t>(samples.count);
  std::map<std::string, const WeightReport *> byName;
  for (const WeightReport &weight : reports)
    byName[weight.name] = &weight;
  for (const WeightChoice &choice : choices)
    report->tensors.push_back(tensorReport(choice, byName[choice.name], plan));
  if (choices.empty())
    for (const WeightReport &weight : reports)
      report->tensors.push_back(tensorReport(weight, plan));
  for (const WeightReport &weight : reports)
    for (const std::string &note : weight.layer.notes)
      report->notes.push_back(weight.name + ": " + note);
  if (statistics)
    for (const auto &[id, value] : statistics->values)
      report->convergence.push_back({id, samples.count ? int64_t(samples.count) : 0, value.drift});
  report->timings.push_back({"quantize", secondsSince(start)});
}

Error Quantization::run() {
  for (auto step :
       {&Quantization::load, &Quantization::raise, &Quantization::openCalibration,
        &Quantization::observe, &Quantization::transform, &Quantization::allocateSchemes,
        &Quantization::assign, &Quantization::chooseAllCodes})
    if (Error failed = (this->*step)())
      return failed;
  fillReport();
  if (Error failed = stages(Stage::Quantize, Stage::Quantize))
    return failed;
  request.emit = EmitKind::Qnt;
  if (Error failed = emitArtifact(model, {}, request, err))
    return failed;
  if (!request.keepWork)
    llvm::sys::fs::remove_directories(request.work);
  return Error::success();
}

} // namespace

Error qcc::quantizeModel(const CompileRequest &request, llvm::raw_ostream &err) {
  return Quantization(request, err).run();
}
