// Observers in rounds that fit into memory.
#include "qcc/Driver/Calibrate.h"
#include "mlir/Support/Timing.h"
#include "qcc/Algorithms/Collectors.h"
#include "qcc/Algorithms/Moments.h"
#include "qcc/Emit/Emit.h"
#include "qcc/Support/AtomicOutput.h"
#include "qcc/Support/Diagnostics.h"
#include "qcc/Support/TempFolder.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;
using llvm::Error;
using llvm::Expected;

namespace {

/// Everything that is remembered of one value.
class ValueCollector {
public:
  explicit ValueCollector(int64_t channels) : channels(channels), sums(channels) {}

  void addSample(const float *x, int64_t rows, const std::vector<uint8_t> &counted) {
    const uint8_t *mask = counted.empty() ? nullptr : counted.data();
    sums.add(x, rows, mask);
    qcc::Range range;
    for (int64_t row = 0; row < rows; ++row) {
      if (mask && !mask[row])
        continue;
      sketch.add(x + row * channels, channels);
      for (const float *at = x + row * channels, *end = at + channels; at != end; ++at) {
        range.low = *at < range.low ? *at : range.low;
        range.high = *at > range.high ? *at : range.high;
      }
    }
    moving.addSample(range);
    convergence.addSample(range);
  }

  ValueStatistics finish() const {
    ValueStatistics value;
    value.channels = channels;
    value.positions = sums.rows;
    qcc::Range all = sketch.minmax();
    value.min = all.low;
    value.max = all.high;
    double drift = convergence.drift();
    value.drift = std::isfinite(drift) ? drift : 1; // one sample says nothing
    auto interval = [](qcc::Range range) { return Interval{range.low, range.high}; };
    value.ranges["minmax"] = {std::min(0.0f, all.low), std::max(0.0f, all.high)};
    value.ranges["average"] = interval(moving.range());
    value.ranges["percentile"] = interval(percentileRange(sketch));
    value.ranges["entropy"] = interval(entropyRange(sketch));
    value.ranges["mse"] = interval(squaredErrorRange(sketch));
    double rows = std::max<double>(1, static_cast<double>(sums.rows));
    value.magnitude = sums.largest;
    for (int64_t i = 0; i < channels; ++i) {
      value.meanMagnitude.push_back(static_cast<float>(sums.magnitudes[i] / rows));
      value.meanSquare.push_back(static_cast<float>(sums.squares[i] / rows));
    }
    return value;
  }

private:
  int64_t channels;
  Sketch sketch;
  MovingRange moving;
  Convergence convergence;
  ChannelSums sums;
};

/// Observers of f32 values with a constant number of channels.
SmallVector<ObserveOp> usableObservers(func::FuncOp function) {
  SmallVector<ObserveOp> usable;
  function.walk([&](ObserveOp op) {
    SmallVector<DimExpr> dims = dimsOf(op.getX().getType());
    if (elementTypeOf(op.getX().getType()).isF32() && !dims.empty() && dims.back().constantValue())
      usable.push_back(op);
  });
  return usable;
}

/// Observers cut into rounds whose values take at most `limit` bytes, for a sample of so many
/// positions.
std::vector<SmallVector<ObserveOp>> cutRounds(ArrayRef<ObserveOp> observers, int64_t positions,
                                              uint64_t limit) {
  std::vector<SmallVector<ObserveOp>> rounds;
  uint64_t bytes = 0;
  for (ObserveOp op : observers) {
    uint64_t own = 4 * positions * *dimsOf(op.getX().getType()).back().constantValue();
    if (rounds.empty() || bytes + own > limit) {
      rounds.emplace_back();
      bytes = 0;
    }
    bytes += own;
    rounds.back().push_back(op);
  }
  return rounds;
}

/// The largest number of elements of an integer input of the first sample: about its positions.
Expected<int64_t> positionsOf(const ModelSamples &samples) {
  auto first = samples.inputs(0);
  if (!first)
    return first.takeError();
  int64_t positions = 1;
  for (const data::HostTensor &input : *first)
    positions = std::max(positions, data::isFloatType(input.dtype()) ? 1 : input.count());
  return positions;
}

} // namespace

Expected<StatisticsStore> qcc::collectStatistics(const LoadedModel &model, func::FuncOp function,
                                                 const ModelSamples &samples,
                                                 const CalibrateOptions &options) {
  SmallVector<ObserveOp> observers = usableObservers(function);
  Expected<int64_t> positions = positionsOf(samples);
  if (!positions)
    return positions.takeError();
  auto rounds =
      cutRounds(observers, *positions, options.memLimit ? options.memLimit : uint64_t(1) << 30);
  StatisticsStore store;
  store.dataHash = samples.hash;
  store.samples = static_cast<int64_t>(samples.count);
  MaskedSamples masked(samples);
  Walk walk(model, function, samples.count, masked.source(),
            {options.folder, options.threads, /*optLevel=*/1});
  size_t done = 0;
  for (SmallVector<ObserveOp> &round : rounds) {
    SmallVector<Value> values;
    std::vector<ValueCollector> collectors;
    for (ObserveOp op : round) {
      values.push_back(op.getX());
      collectors.emplace_back(*dimsOf(op.getX().getType()).back().constantValue());
    }
    Error failed = walk.compute(values, [&](size_t, ArrayRef<qcc_tensor> seen) {
      for (auto [op, tensor, collector] : llvm::zip_equal(round, seen, collectors)) {
        int64_t channels = *dimsOf(op.getX().getType()).back().constantValue();
        int64_t rows = tensor.bytes / (4 * channels);
        collector.addSample(static_cast<const float *>(tensor.data), rows, masked.counted(rows));
      }
      if (options.progress)
        options.progress(++done, rounds.size() * samples.count);
      return Error::success();
    });
    if (failed)
      return std::move(failed);
    for (auto [op, collector] : llvm::zip_equal(round, collectors))
      store.values[op.getId().str()] = collector.finish();
  }
  return store;
}

/// What a reader of the file should know of it: how much there was, and whether it was enough.
static void printSummary(const StatisticsStore &store, llvm::raw_ostream &err) {
  double worst = 0;
  std::string where;
  int64_t positions = 0;
  for (const auto &[id, value] : store.values) {
    positions = std::max(positions, value.positions);
    if (value.drift > worst) {
      worst = value.drift;
      where = id;
    }
  }
  err << llvm::formatv("{0} values seen on {1} samples, {2} positions", store.values.size(),
                       store.samples, positions);
  if (!where.empty())
    err << llvm::formatv(" · ranges grew by at most {0:f1} % in the second half (node '{1}')",
                         100 * worst, where);
  err << '\n';
}

Error qcc::calibrateModel(const CalibrateRequest &request, llvm::raw_ostream &err) {
  auto folder = TempFolder::create();
  if (!folder)
    return folder.takeError();
  CompileRequest load = request.model;
  if (load.blobs.empty())
    load.blobs = (*folder)->path + "/blobs";
  auto context = makeContext(load.threads);
  Expected<LoadedModel> model = loadModel(*context, load);
  if (!model)
    return model.takeError();
  model->codes = std::make_shared<emit::CodeCache>();
  DefaultTimingManager manager;
  TimingScope timing = manager.getRootScope();
  PipelineOptions pipeline;
  pipeline.observeRanges = true;
  if (Error failed = runStages(*model, Stage::Import, Stage::Calibrate, pipeline, load, timing))
    return failed;
  func::FuncOp function = *model->module->getOps<func::FuncOp>().begin();
  Expected<ModelSamples> samples =
      openSamples(function, request.data.where, request.data.ctx, request.data.samples);
  if (!samples)
    return samples.takeError();
  noteFewSamples(*samples, request.data.where, err);
  CalibrateOptions options;
  options.folder = (*folder)->path;
  options.threads = load.threads;
  options.memLimit = load.quantize.memLimit;
  Expected<StatisticsStore> store = collectStatistics(*model, function, *samples, options);
  if (!store)
    return store.takeError();
  store->modelHash = sourceHash(load.input);
  if (Error failed = writeFileAtomically(request.output, store->toJson()))
    return failed;
  printSummary(*store, err);
  return Error::success();
}
