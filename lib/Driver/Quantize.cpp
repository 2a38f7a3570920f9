// The order in which a model is quantized.
#include "qcc/Driver/Quantize.h"
#include "mlir/Support/Timing.h"
#include "qcc/Driver/Methods.h"
#include "qcc/Driver/WorkFolder.h"
#include "qcc/Pack/WeightFormats.h"
#include "qcc/Pipeline/Compile.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include <chrono>

using namespace mlir;
using namespace qcc;
using llvm::Error;
using llvm::Expected;

namespace {

using Clock = std::chrono::steady_clock;
double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Says how far the layers are and how long the rest takes, on a terminal only.
class LayerProgress {
public:
  LayerProgress(llvm::raw_ostream &err, bool quiet)
      : err(err), shown(!quiet && llvm::sys::Process::StandardErrIsDisplayed()) {}
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
    err << llvm::formatv("\r\033[Kquantize: {0} of {1}{2}  {3}", done, all, rest, name);
    err.flush();
  }

private:
  llvm::raw_ostream &err;
  bool shown, any = false;
  Clock::time_point start = Clock::now();
};

/// What the driver holds while a model is quantized.
class Quantization {
public:
  Quantization(const CompileRequest &request, llvm::raw_ostream &err)
      : request(request), err(err), timing(manager.getRootScope()) {}
  Error run();

private:
  Error load();
  Error prepare();
  Error chooseAllCodes();
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
  if (request.blobs.empty())
    request.blobs = request.work + "/blobs";
  Expected<LoadedModel> loaded = loadModel(*context, request);
  if (!loaded)
    return loaded.takeError();
  model = std::move(*loaded);
  return Error::success();
}

Error Quantization::prepare() {
  if (Error failed = stages(Stage::Import, Stage::Transform))
    return failed;
  floats.module = cast<ModuleOp>(model.module->clone());
  floats.modelDir = model.modelDir;
  floats.blobDir = model.blobDir;
  return stages(Stage::AssignBits, Stage::AssignBits);
}

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
  EncodedRows codes =
      chooseCodes(plan, *pack::weightFormatOf(copy.quantize.getType()), std::move(matrix),
                  weight.rows, weight.columns, &moments, request.threads, report);
  reports.push_back(std::move(report));
  return codes;
}

Error Quantization::chooseAllCodes() {
  if (!plan.needsMoments())
    return Error::success();
  const DataRequest &calib = request.quantize.calib;
  Expected<ModelSamples> opened = openSamples(function(), calib.where, calib.ctx, calib.samples);
  if (!opened)
    return opened.takeError();
  samples = std::move(*opened);
  if (samples.count < 128 && !request.quiet)
    err << llvm::formatv("{0}: note: {1} samples are few to calibrate on; 128 to 1024 are usual\n",
                         calib.where, samples.count);
  Expected<WorkFolder> work = WorkFolder::open(request.work, workKey());
  if (!work)
    return work.takeError();
  LayerProgress progress(err, request.quiet);
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

Error Quantization::run() {
  if (Error failed = load())
    return failed;
  if (Error failed = prepare())
    return failed;
  if (Error failed = chooseAllCodes())
    return failed;
  if (Error failed = stages(Stage::Quantize, Stage::Quantize))
    return failed;
  request.emit = EmitKind::Qnt;
  return emitArtifact(model, {}, request, err);
}

} // namespace

Error qcc::quantizeModel(const CompileRequest &request, llvm::raw_ostream &err) {
  return Quantization(request, err).run();
}
