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

class LayerTimer {
public:
  explicit LayerTimer(const TuneOptions &options) : options(options), context(makeContext(1)) {}
  Expected<std::vector<LayerCost>> run();

private:
  Error measureLayer(const std::string &scheme, LayerShape shape);
  Error time(const std::string &path, const std::string &scheme, LayerShape shape,
             unsigned threads);

  const TuneOptions &options;
  std::unique_ptr<MLIRContext> context;
  std::vector<LayerCost> layers;
};

/// Runs that take this many times as long as all of them should need no company.
constexpr double kPatience = 10;

/// The median of runs over `seconds`, at least five where they are not slow.
Expected<double> medianMs(data::Session &session, ArrayRef<data::HostTensor> inputs,
                          double seconds) {
  std::vector<double> ms;
  double total = 0;
  double most = kPatience * seconds * 1e3;
  for (int run = -2; run < 5 ? total < most : total < seconds * 1e3; ++run) {
    auto start = Clock::now();
    auto outputs = session.run(inputs);
    if (!outputs)
      return outputs.takeError();
    double elapsed = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    if (run < 0 && elapsed < most)
      continue; // caches and branch predictors fill
    ms.push_back(elapsed);
    total += elapsed;
  }
  std::nth_element(ms.begin(), ms.begin() + ms.size() / 2, ms.end());
  return ms[ms.size() / 2];
}

Error LayerTimer::time(const std::string &path, const std::string &scheme, LayerShape shape,
                       unsigned threads) {
  data::LoadOptions load;
  load.threads = threads;
  auto model = data::loadRuntimeModel(path, load);
  if (!model)
    return model.takeError();
  auto session = (*model)->newSession();
  if (!session)
    return session.takeError();
  for (int64_t rows : options.grid.rows) {
    std::vector<data::HostTensor> inputs;
    inputs.emplace_back(QCC_F32, std::vector<int64_t>{rows, shape.k});
    for (int64_t i = 0; i < inputs[0].count(); ++i)
      inputs[0].as<float>()[i] = static_cast<float>((i * 37) % 101) / 50 - 1;
    auto ms = medianMs(**session, inputs, options.secondsEach);
    if (!ms)
      return ms.takeError();
    layers.push_back({scheme, threads, rows, shape.n, shape.k, *ms});
  }
  return Error::success();
}

Error LayerTimer::measureLayer(const std::string &scheme, LayerShape shape) {
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
  pipeline.levels = {options.level};
  pipeline.costTable = options.costTable;
  DefaultTimingManager manager;
  TimingScope timing = manager.getRootScope();
  if (Error failed = runStages(*model, Stage::AssignBits, Stage::Lower, pipeline, request, timing))
    return failed;
  if (Error failed = emitArtifact(*model, pipeline.levels, request, llvm::nulls()))
    return failed;
  for (unsigned threads : options.grid.threads)
    if (Error failed = time(request.output, scheme, shape, threads))
      return failed;
  llvm::sys::fs::remove(request.output);
  return Error::success();
}

Expected<std::vector<LayerCost>> LayerTimer::run() {
  const CostGrid &grid = options.grid;
  size_t done = 0, all = grid.schemes.size() * grid.shapes.size();
  for (const std::string &scheme : grid.schemes)
    for (LayerShape shape : grid.shapes) {
      if (options.progress)
        options.progress(done++, all);
      Error failed = measureLayer(scheme, shape);
      // Not every level has every kernel; the table then has no such layer.
      failed =
          llvm::handleErrors(std::move(failed), [](std::unique_ptr<CodedError> error) -> Error {
            if (error->code == Diag::SchemeWithoutKernel || error->code == Diag::NoKernel)
              return Error::success();
            return Error(std::move(error));
          });
      if (failed)
        return std::move(failed);
    }
  return std::move(layers);
}

/// The level to tune: the best one of the target that this machine has.
Expected<const Target *> tunedLevel(const TuneRequest &request) {
  std::string target = llvm::join(request.targets, ",");
  Expected<std::vector<const Target *>> levels = expandTarget(target);
  if (!levels)
    return levels.takeError();
  if (request.model && !levels->front()->isGpu())
    return levels->front();
  std::vector<const Target *> host = hostLevels();
  auto best = llvm::find_if(*levels, [&](const Target *t) { return llvm::is_contained(host, t); });
  if (best == levels->end())
    return makeError(Diag::UsageError, "--target", "this machine cannot run " + target, {},
                     "`qcc tune --model` writes what a model of a processor predicts");
  return *best;
}

/// Tiles first: layers are timed in the fastest ones.
Expected<CostTable> measureMachine(const Target &level, const CostGrid &grid,
                                   const TuneRequest &request) {
  auto folder = TempFolder::create();
  if (!folder)
    return folder.takeError();
  size_t layers = grid.schemes.size() * grid.shapes.size(), kinds = 0;
  auto progress = [&](size_t done) {
    request.progress(static_cast<int64_t>(done), static_cast<int64_t>(kinds + layers));
  };
  CostTable table;
  table.target = level.name;
  auto tiles = measureTiles(level, [&](size_t done, size_t all) {
    kinds = all;
    progress(done);
  });
  if (!tiles)
    return tiles.takeError();
  table.tiles = std::move(*tiles);
  TuneOptions options;
  options.folder = (*folder)->path;
  options.level = level.name;
  options.costTable = options.folder + "/tiles.json";
  if (Error failed = writeFileAtomically(options.costTable, table.toJson()))
    return std::move(failed);
  options.grid = grid;
  double runs = static_cast<double>(layers * grid.rows.size() * grid.threads.size());
  if (request.seconds > 0)
    options.secondsEach = request.seconds / runs;
  options.progress = [&](size_t done, size_t) { progress(kinds + done); };
  auto measured = measureLayers(options);
  if (!measured)
    return measured.takeError();
  table.layers = std::move(*measured);
  return table;
}

} // namespace

Expected<std::vector<LayerCost>> qcc::measureLayers(const TuneOptions &options) {
  return LayerTimer(options).run();
}

Error qcc::tuneMachine(const TuneRequest &request, llvm::raw_ostream &err) {
  Expected<const Target *> level = tunedLevel(request);
  if (!level)
    return level.takeError();
  CostGrid grid = usualGrid();
  if (!request.threads.empty())
    grid.threads = request.threads;
  else if (!request.model)
    grid.threads = {1, std::max(1u, std::thread::hardware_concurrency())};
  llvm::sort(grid.threads);
  grid.threads.erase(llvm::unique(grid.threads), grid.threads.end());
  Expected<CostTable> table =
      request.model ? modelCosts(**level, grid) : measureMachine(**level, grid, request);
  if (!table)
    return table.takeError();
  if (Error failed = writeFileAtomically(request.output, table->toJson()))
    return failed;
  if (request.facts) {
    (*request.facts)["target"] = table->target;
    (*request.facts)["source"] = table->isModel ? "model" : "measured";
    (*request.facts)["layers"] = static_cast<int64_t>(table->layers.size());
    (*request.facts)["tiles"] = static_cast<int64_t>(table->tiles.size());
  }
  if (table->isModel)
    err << llvm::formatv("{0} layers predicted for {1}, none measured\n", table->layers.size(),
                         table->target);
  else
    err << llvm::formatv("{0} layers and {1} register tiles timed on {2}\n", table->layers.size(),
                         table->tiles.size(), table->target);
  return Error::success();
}
