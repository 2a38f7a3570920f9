// The loop over layer groups.
#include "qcc/Driver/Sequential.h"
#include "qcc/Support/Diagnostics.h"
#include <Eigen/Dense>
#include <thread>

using namespace mlir;
using namespace qcc;
using llvm::Error;
using llvm::Expected;

namespace {

using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Gram = Eigen::Map<Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;

/// Adds a^T b over rows of floats to a sum in double, in blocks of rows that start at fixed
/// positions of the whole data set, so that samples may be cut anywhere.
class ProductSum {
public:
  ProductSum(int64_t k, double *sum) : k(k), sum(sum) {}
  void add(const float *a, const float *b) {
    std::copy_n(a, k, left.data() + filled * k);
    std::copy_n(b, k, right.data() + filled * k);
    if (++filled == kBlock)
      flush();
  }
  void flush() {
    if (filled == 0)
      return;
    Eigen::Map<RowMajor> x(left.data(), filled, k), y(right.data(), filled, k);
    Gram total(sum, k, k);
    unsigned threads = std::clamp<unsigned>(std::thread::hardware_concurrency(), 1, 16);
    int64_t step = (k + threads - 1) / threads;
    std::vector<std::thread> workers;
    // Each thread owns columns of the result: what a number is does not depend on how many work.
    auto work = [&](int64_t from, int64_t count) {
      for (int64_t at = from; at < from + count; at += 64) {
        int64_t n = std::min<int64_t>(64, from + count - at);
        total.middleCols(at, n) += (x.transpose() * y.middleCols(at, n)).cast<double>();
      }
    };
    for (int64_t at = step; at < k; at += step)
      workers.emplace_back(work, at, std::min(step, k - at));
    work(0, std::min(step, k));
    for (std::thread &worker : workers)
      worker.join();
    filled = 0;
  }

private:
  static constexpr int64_t kBlock = 256;
  int64_t k;
  double *sum;
  int64_t filled = 0;
  std::vector<float> left = std::vector<float>(kBlock * k), right = std::vector<float>(kBlock * k);
};

/// The mask of the sample that is being visited.
class MaskedSamples {
public:
  explicit MaskedSamples(const SampleSource &source) : source(source) {}
  Expected<std::vector<data::HostTensor>> operator()(size_t sample) {
    auto inputs = source.inputs(sample);
    if (inputs && source.maskInput >= 0)
      mask = (*inputs)[source.maskInput].clone();
    return inputs;
  }
  std::vector<uint8_t> counted(int64_t rows) const {
    return countedRows(mask, source.maskInput < 0 ? -1 : 0, rows);
  }

private:
  const SampleSource &source;
  data::HostTensor mask;
};

class Sequence {
public:
  Sequence(LoadedModel &model, func::FuncOp function, const LoadedModel *floats,
           const SampleSource &samples, const LayerMethod &method, const SequentialOptions &options)
      : model(model), function(function), floats(floats), samples(samples), method(method),
        options(options) {}
  Error run();

private:
  Error quantizeGroup(LayerGroup &group, Value floatInput);
  Expected<Moments> momentsOf(Value input, Value floatInput);
  Error quantizeWeight(MarkedWeight &weight, const Moments &moments);

  LoadedModel &model;
  func::FuncOp function;
  const LoadedModel *floats;
  const SampleSource &samples;
  const LayerMethod &method;
  const SequentialOptions &options;
  std::unique_ptr<Walk> walk, floatWalk;
  MaskedSamples masked{samples};
};

/// Inputs of the layers of a function, by the number of the layer.
DenseMap<Operation *, unsigned> numberLayers(func::FuncOp function) {
  DenseMap<Operation *, unsigned> numbers;
  function.walk([&](qnt::LinearOp layer) { numbers[layer] = numbers.size(); });
  return numbers;
}

Error Sequence::run() {
  std::vector<LayerGroup> groups = findMarkedWeights(function);
  PieceOptions piece{options.folder, options.threads, 1};
  auto inputs = [this](size_t i) { return masked(i); };
  walk = std::make_unique<Walk>(model, function, samples.count, inputs, piece);
  // The n-th layer of the float model is the n-th layer here.
  std::vector<qnt::LinearOp> floatLayers;
  auto numbers = numberLayers(function);
  if (options.followFloat && floats) {
    func::FuncOp other = *floats->module.get().getOps<func::FuncOp>().begin();
    floatWalk = std::make_unique<Walk>(*floats, other, samples.count, samples.inputs, piece);
    other.walk([&](qnt::LinearOp layer) { floatLayers.push_back(layer); });
  }
  size_t all = 0, finished = 0;
  for (LayerGroup &group : groups)
    all += group.input ? group.weights.size() : 0;
  for (LayerGroup &group : groups) {
    if (!group.input)
      continue;
    if (options.progress)
      options.progress(finished, all, group.weights.front().name);
    Value floatInput;
    if (floatWalk)
      floatInput = floatLayers[numbers[group.weights.front().readers.front()]].getX();
    if (Error failed = quantizeGroup(group, floatInput))
      return failed;
    finished += group.weights.size();
  }
  if (options.progress)
    options.progress(finished, all, "");
  return Error::success();
}

Error Sequence::quantizeGroup(LayerGroup &group, Value floatInput) {
  std::vector<std::optional<std::vector<uint8_t>>> left;
  bool complete = true;
  for (MarkedWeight &weight : group.weights) {
    left.push_back(options.resume ? options.resume(weight) : std::nullopt);
    complete &= left.back().has_value();
  }
  Moments moments;
  if (!complete) {
    Expected<Moments> computed = momentsOf(group.input, floatInput);
    if (!computed)
      return computed.takeError();
    moments = std::move(*computed);
  }
  for (auto [weight, bytes] : llvm::zip_equal(group.weights, left)) {
    Error failed = bytes ? useCodes(model, weight, *bytes) : quantizeWeight(weight, moments);
    if (failed)
      return failed;
  }
  return Error::success();
}

Expected<Moments> Sequence::momentsOf(Value input, Value floatInput) {
  Moments moments;
  moments.k = *qnt::dimsOf(input.getType()).back().constantValue();
  moments.gram.resize(moments.k * moments.k);
  ProductSum gram(moments.k, moments.gram.data());
  // The float inputs go to disk first, so that both are at hand for a sample.
  std::unique_ptr<SampleTensors> truth;
  if (floatInput) {
    auto store = SampleTensors::create(options.folder);
    if (!store)
      return store.takeError();
    truth = std::move(*store);
    if (Error failed = floatWalk->compute(
            floatInput, [&](size_t, ArrayRef<qcc_tensor> x) { return truth->append(x[0]); }))
      return std::move(failed);
    moments.cross.resize(moments.k * moments.k);
  }
  ProductSum cross(truth ? moments.k : 0, moments.cross.data());
  Error failed = walk->compute(input, [&](size_t sample, ArrayRef<qcc_tensor> x) -> Error {
    int64_t rows = x[0].bytes / (4 * moments.k);
    std::vector<uint8_t> counted = masked.counted(rows);
    const auto *data = static_cast<const float *>(x[0].data), *other = data;
    if (truth) {
      Expected<qcc_tensor> view = truth->view(sample);
      if (!view)
        return view.takeError();
      other = static_cast<const float *>(view->data);
    }
    for (int64_t row = 0; row < rows; ++row) {
      if (!counted.empty() && !counted[row])
        continue;
      ++moments.positions;
      gram.add(data + row * moments.k, data + row * moments.k);
      if (truth)
        cross.add(other + row * moments.k, data + row * moments.k);
    }
    return Error::success();
  });
  if (failed)
    return std::move(failed);
  gram.flush();
  cross.flush();
  return moments;
}

Error Sequence::quantizeWeight(MarkedWeight &weight, const Moments &moments) {
  auto matrix = evaluateMatrix(model, weight.matrix(), options.threads);
  if (!matrix)
    return matrix.takeError();
  auto rows = method(weight, std::move(*matrix), moments);
  if (!rows)
    return rows.takeError();
  std::vector<uint8_t> bytes = logicalBytes(weight.quantize.getType(), *rows);
  if (options.keep)
    if (Error failed = options.keep(weight, bytes))
      return failed;
  return useCodes(model, weight, bytes);
}

} // namespace

Error qcc::quantizeSequentially(LoadedModel &model, func::FuncOp function,
                                const LoadedModel *floats, const SampleSource &samples,
                                const LayerMethod &method, const SequentialOptions &options) {
  return Sequence(model, function, floats, samples, method, options).run();
}
