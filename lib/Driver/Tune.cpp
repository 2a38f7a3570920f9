// One-layer models and a clock.
#include "qcc/Driver/Tune.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Support/Timing.h"
#include "qcc/Data/RuntimeModel.h"
#include "qcc/Pipeline/BlobFolder.h"
#include "qcc/Pipeline/Compile.h"
#include "qcc/Support/AtomicOutput.h"
#include "qcc/Support/Diagnostics.h"
#include "qcc/Support/TempFolder.h"
#include "qcc/Target/Target.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include <chrono>
#include <thread>

using namespace mlir;
using namespace qcc;
using llvm::Error;
using llvm::Expected;

namespace {

using Clock = std::chrono::steady_clock;

/// y = x W^T with W [n, k] of numbers that look like weights.
Expected<LoadedModel> layerModel(MLIRContext &context, LayerShape shape, StringRef folder) {
  std::vector<float> weights(shape.n * shape.k);
  uint32_t state = 1;
  for (float &weight : weights) {
    state = state * 1664525u + 1013904223u;
    weight = (static_cast<float>(state >> 8) / 16777216.0f - 0.5f) * 0.1f;
  }
  BlobFolder blobs(folder.str());
  auto blob = blobs.add(context, ArrayRef(reinterpret_cast<const uint8_t *>(weights.data()),
                                          weights.size() * sizeof(float)));
  if (!blob)
    return blob.takeError();
  std::string text = llvm::formatv(
      R"(qnt.weight @w : tensor<{0}x{1}xf32> = #qnt.blob<"{2}", {3}>
func.func @main(%x: tensor<?x{1}xf32, #qnt.dims<[m, {1}]>> {{qnt.name = "x"})
    -> (tensor<?x{0}xf32, #qnt.dims<[m, {0}]>> {{qnt.name = "y"})
    attributes {{qnt.symbols = [#qnt.symbol<"m", input = 0, axis = 0>]} {{
  %w = qnt.use @w : tensor<{0}x{1}xf32>
  %y = qnt.linear %x, %w : (tensor<?x{1}xf32, #qnt.dims<[m, {1}]>>, tensor<{0}x{1}xf32>) -> tensor<?x{0}xf32, #qnt.dims<[m, {0}]>>
  return %y : tensor<?x{0}xf32, #qnt.dims<[m, {0}]>>
})",
      shape.n, shape.k, blob->getSha256(), blob->getLength());
  LoadedModel model;
  model.module = parseSourceString<ModuleOp>(text, &context);
  model.blobDir = folder.str();
  if (!model.module)
    return makeError(Diag::Internal, "tune", "the one-layer model does not parse");
  return model;
}

class Tuner {
public:
  explicit Tuner(const TuneOptions &options) : options(options), context(makeContext(1)) {}
  Expected<CostTable> run();

private:
  Error measureLayer(const std::string &scheme, LayerShape shape);
  Error time(const std::string &path, const std::string &scheme, LayerShape shape,
             unsigned threads);

  const TuneOptions &options;
  std::unique_ptr<MLIRContext> context;
  CostTable table;
};

/// The median of runs over `seconds`, at least five.
Expected<double> medianMs(data::Session &session, ArrayRef<data::HostTensor> inputs,
                          double seconds) {
  std::vector<double> ms;
  double total = 0;
  for (int run = -2; run < 5 || total < seconds * 1e3; ++run) {
    auto start = Clock::now();
    auto outputs = session.run(inputs);
    if (!outputs)
      return outputs.takeError();
    double elapsed = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    if (run < 0)
      continue; // caches and branch predictors fill
    ms.push_back(elapsed);
    total += elapsed;
  }
  std::nth_element(ms.begin(), ms.begin() + ms.size() / 2, ms.end());
  return ms[ms.size() / 2];
}

Error Tuner::time(const std::string &path, const std::string &scheme, LayerShape shape,
                  unsigned threads) {
  data::LoadOptions load;
  load.threads = threads;
  auto model = data::loadRuntimeModel(path, load);
  if (!model)
    return model.takeError();
  table.target = (*model)->level;
  auto session = (*model)->newSession();
  if (!session)
    return session.takeError();
  for (int64_t rows : options.rows) {
    std::vector<data::HostTensor> inputs;
    inputs.emplace_back(QCC_F32, std::vector<int64_t>{rows, shape.k});
    for (int64_t i = 0; i < inputs[0].count(); ++i)
      inputs[0].as<float>()[i] = static_cast<float>((i * 37) % 101) / 50 - 1;
    auto ms = medianMs(**session, inputs, options.secondsEach);
    if (!ms)
      return ms.takeError();
    table.entries.push_back({scheme, threads, rows, shape.n, shape.k, *ms});
  }
  return Error::success();
}

Error Tuner::measureLayer(const std::string &scheme, LayerShape shape) {
  Expected<LoadedModel> model = layerModel(*context, shape, options.folder);
  if (!model)
    return model.takeError();
  CompileRequest request;
  request.name = "layer";
  request.quiet = true;
  request.output = options.folder + "/layer.so";
  PipelineOptions pipeline;
  pipeline.scheme = scheme == "f32" ? "keep" : scheme;
  pipeline.head = pipeline.scheme == "keep" ? "" : scheme; // its result is returned
  pipeline.levels = {options.level.empty() ? hostLevels().front()->name : options.level};
  DefaultTimingManager manager;
  TimingScope timing = manager.getRootScope();
  if (Error failed = runStages(*model, Stage::AssignBits, Stage::Lower, pipeline, request, timing))
    return failed;
  if (Error failed = emitArtifact(*model, pipeline.levels, request, llvm::nulls()))
    return failed;
  for (unsigned threads : options.threads)
    if (Error failed = time(request.output, scheme, shape, threads))
      return failed;
  llvm::sys::fs::remove(request.output);
  return Error::success();
}

Expected<CostTable> Tuner::run() {
  size_t done = 0, all = options.schemes.size() * options.shapes.size();
  for (const std::string &scheme : options.schemes)
    for (LayerShape shape : options.shapes) {
      if (options.progress)
        options.progress(done++, all);
      Error failed = measureLayer(scheme, shape);
      // Not every level has every kernel; the table then has no such entry.
      failed =
          llvm::handleErrors(std::move(failed), [](std::unique_ptr<CodedError> error) -> Error {
            if (error->code == Diag::SchemeWithoutKernel || error->code == Diag::NoKernel)
              return Error::success();
            return Error(std::move(error));
          });
      if (failed)
        return std::move(failed);
    }
  return std::move(table);
}

} // namespace

Expected<CostTable> qcc::measureCosts(const TuneOptions &options) { return Tuner(options).run(); }

Error qcc::tuneMachine(const TuneRequest &request, llvm::raw_ostream &err) {
  auto folder = TempFolder::create();
  if (!folder)
    return folder.takeError();
  TuneOptions options;
  options.folder = (*folder)->path;
  if (!request.targets.empty()) {
    Expected<std::vector<const Target *>> levels = expandTarget(request.targets.front());
    if (!levels)
      return levels.takeError();
    auto runsHere = [](const Target *level) { return llvm::is_contained(hostLevels(), level); };
    auto best = llvm::find_if(*levels, runsHere);
    options.level = (best == levels->end() ? levels->front() : *best)->name;
  }
  options.schemes = {"f32", "w8a8", "w4a8:g32", "w4a8:g128", "w3a8:g32", "w8", "w4:g32", "nf4"};
  options.shapes = {{384, 384},  {1536, 384}, {384, 1536},  {768, 768},
                    {3072, 768}, {768, 3072}, {2048, 2048}, {5632, 2048}};
  options.rows = {1, 8, 32, 128};
  options.threads = request.threads;
  if (options.threads.empty())
    options.threads = {1, std::max(1u, std::thread::hardware_concurrency())};
  llvm::sort(options.threads);
  options.threads.erase(llvm::unique(options.threads), options.threads.end());
  double runs = static_cast<double>(options.schemes.size() * options.shapes.size() *
                                    options.rows.size() * options.threads.size());
  if (request.seconds > 0)
    options.secondsEach = request.seconds / runs;
  options.progress = [&](size_t done, size_t all) {
    request.progress(static_cast<int64_t>(done), static_cast<int64_t>(all));
  };
  Expected<CostTable> table = measureCosts(options);
  if (!table)
    return table.takeError();
  if (Error failed = writeFileAtomically(request.output, table->toJson()))
    return failed;
  if (request.facts) {
    (*request.facts)["target"] = table->target;
    (*request.facts)["layers"] = static_cast<int64_t>(table->entries.size());
  }
  err << llvm::formatv("{0} layers timed on {1}\n", table->entries.size(), table->target);
  return Error::success();
}
