// The loop over layer groups.
#include "qcc/Driver/Sequential.h"
#include "qcc/Algorithms/Layer.h"
#include "qcc/Algorithms/Moments.h"
#include "qcc/Driver/Progress.h"
#include "qcc/Pack/WeightFormats.h"
#include "qcc/Support/Diagnostics.h"
#include "qcc/Transform/Layers.h"
#include <cstring>

using namespace mlir;
using namespace qcc;
using llvm::Error;
using llvm::Expected;

namespace {

class Sequence {
public:
  Sequence(LoadedModel &model, func::FuncOp function, const LoadedModel *floats,
           const ModelSamples &samples, const LayerMethod &method, const SequentialOptions &options)
      : model(model), function(function), floats(floats), samples(samples), method(method),
        options(options) {}
  Error run();
  Error survey();

private:
  Error quantizeGroup(LayerGroup &group, Value floatInput);
  Expected<Moments> momentsOf(Walk &inputs, Value input, Value floatInput);
  void report(uint64_t done, StringRef name) const;
  Expected<int64_t> countPositions() const;
  uint64_t workOf(const LayerGroup &group) const;
  Error quantizeWeight(MarkedWeight &weight, Value input, const Moments &moments);
  Error take(MarkedWeight &weight, Value input, ArrayRef<uint8_t> bytes);

  LoadedModel &model;
  func::FuncOp function;
  const LoadedModel *floats;
  const ModelSamples &samples;
  const LayerMethod &method;
  const SequentialOptions &options;
  std::unique_ptr<Walk> walk, floatWalk;
  std::vector<LayerGroup> groups;
  std::vector<qnt::LinearOp> floatLayers; ///< the n-th layer there is the n-th layer here
  DenseMap<Operation *, unsigned> numbers;
  int64_t positions = 0; ///< of all samples, about
  uint64_t all = 0;      ///< work

  Error prepare(bool needFloats);
  Value floatInputOf(const LayerGroup &group) const;
  MaskedSamples masked{samples};
};

/// Inputs of the layers of a function, by the number of the layer.
DenseMap<Operation *, unsigned> numberLayers(func::FuncOp function) {
  DenseMap<Operation *, unsigned> numbers;
  function.walk([&](qnt::LinearOp layer) { numbers[layer] = numbers.size(); });
  return numbers;
}

/// Rows that layers see over all samples, from the first one: as many as it has ids, or rows of its
/// first input.
Expected<int64_t> Sequence::countPositions() const {
  if (samples.count == 0)
    return 0;
  auto inputs = samples.inputs(0);
  if (!inputs)
    return inputs.takeError();
  int64_t rows = 0;
  for (const data::HostTensor &input : *inputs)
    if (input.dtype() == QCC_I64 || input.dtype() == QCC_I32)
      rows = std::max(rows, input.count());
  if (rows == 0 && !inputs->empty() && !inputs->front().dims().empty())
    rows = inputs->front().count() / std::max<int64_t>(1, inputs->front().dims().back());
  return rows * static_cast<int64_t>(samples.count);
}

uint64_t Sequence::workOf(const LayerGroup &group) const {
  if (!group.input)
    return 0;
  GroupSize size{group.weights.front().columns, 0, positions};
  for (const MarkedWeight &weight : group.weights)
    size.outputs += weight.rows;
  return groupWork(size, floatWalk != nullptr);
}

Error Sequence::prepare(bool needFloats) {
  groups = findMarkedWeights(function);
  Expected<int64_t> counted = countPositions();
  if (!counted)
    return counted.takeError();
  positions = *counted;
  numbers = numberLayers(function);
  PieceOptions piece{options.folder, options.threads, 1};
  walk = std::make_unique<Walk>(model, function, samples.count, masked.source(), piece);
  if (needFloats && floats) {
    func::FuncOp other = *floats->module.get().getOps<func::FuncOp>().begin();
    floatWalk = std::make_unique<Walk>(*floats, other, samples.count, masked.source(), piece);
    other.walk([&](qnt::LinearOp layer) { floatLayers.push_back(layer); });
  }
  for (const LayerGroup &group : groups)
    all += workOf(group);
  return Error::success();
}

Value Sequence::floatInputOf(const LayerGroup &group) const {
  if (!floatWalk)
    return {};
  qnt::LinearOp reader = group.weights.front().readers.front();
  qnt::LinearOp layer = floatLayers[numbers.lookup(reader)];
  return layer.getX();
}

void Sequence::report(uint64_t done, StringRef name) const {
  if (options.progress)
    options.progress(done, all, name);
}

Error Sequence::run() {
  if (Error failed = prepare(options.followFloat || options.correctBias))
    return failed;
  uint64_t finished = 0;
  for (LayerGroup &group : groups) {
    if (!group.input)
      continue;
    report(finished, group.weights.front().name);
    if (Error failed = quantizeGroup(group, floatInputOf(group)))
      return failed;
    finished += workOf(group);
  }
  report(finished, "");
  return Error::success();
}

Error Sequence::survey() {
  if (Error failed = prepare(/*needFloats=*/true))
    return failed;
  uint64_t finished = 0;
  for (LayerGroup &group : groups) {
    if (!group.input)
      continue;
    report(finished, group.weights.front().name);
    Expected<Moments> moments = momentsOf(*floatWalk, floatInputOf(group), Value());
    if (!moments)
      return moments.takeError();
    for (MarkedWeight &weight : group.weights) {
      auto matrix = evaluateMatrix(model, weight.matrix(), options.threads);
      if (!matrix)
        return matrix.takeError();
      auto rows = method(weight, std::move(*matrix), *moments);
      if (!rows)
        return rows.takeError();
    }
    finished += workOf(group);
  }
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
  if (!complete && walk->samples()) {
    Expected<Moments> computed = momentsOf(*walk, group.input, floatInput);
    if (!computed)
      return computed.takeError();
    moments = std::move(*computed);
  }
  for (auto [weight, bytes] : llvm::zip_equal(group.weights, left)) {
    Error failed =
        bytes ? take(weight, group.input, *bytes) : quantizeWeight(weight, group.input, moments);
    if (failed)
      return failed;
  }
  return Error::success();
}

Expected<Moments> Sequence::momentsOf(Walk &inputs, Value input, Value floatInput) {
  Moments moments;
  moments.k = *qnt::dimsOf(input.getType()).back().constantValue();
  ProductSum gram(moments.k, /*symmetric=*/true);
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
  }
  bool crossed = truth && options.followFloat;
  ProductSum cross(crossed ? moments.k : 1, /*symmetric=*/false);
  ChannelSums sums(moments.k), floatSums(moments.k);
  Error failed = inputs.compute(input, [&](size_t sample, ArrayRef<qcc_tensor> x) -> Error {
    int64_t rows = x[0].bytes / (4 * moments.k);
    std::vector<uint8_t> counted = masked.counted(rows);
    const auto *data = static_cast<const float *>(x[0].data), *other = data;
    if (truth) {
      Expected<qcc_tensor> view = truth->view(sample);
      if (!view)
        return view.takeError();
      other = static_cast<const float *>(view->data);
    }
    const uint8_t *mask = counted.empty() ? nullptr : counted.data();
    gram.add(data, nullptr, rows, mask, options.threads);
    sums.add(data, rows, mask);
    if (truth)
      floatSums.add(other, rows, mask);
    if (crossed)
      cross.add(other, data, rows, mask, options.threads);
    return Error::success();
  });
  if (failed)
    return std::move(failed);
  moments.gram = gram.finish(options.threads);
  moments.positions = gram.rows();
  if (crossed)
    moments.cross = cross.finish(options.threads);
  auto meanOf = [](const ChannelSums &of) {
    std::vector<double> mean = of.values;
    for (double &value : mean)
      value /= std::max<double>(1, static_cast<double>(of.rows));
    return mean;
  };
  moments.mean = meanOf(sums);
  if (truth)
    moments.floatMean = meanOf(floatSums);
  return moments;
}

Error Sequence::quantizeWeight(MarkedWeight &weight, Value input, const Moments &moments) {
  auto matrix = evaluateMatrix(model, weight.matrix(), options.threads);
  if (!matrix)
    return matrix.takeError();
  std::vector<float> weightsOf = options.correctBias ? *matrix : std::vector<float>();
  auto rows = method(weight, std::move(*matrix), moments);
  if (!rows)
    return rows.takeError();
  std::vector<uint8_t> bytes = pack::logicalBytes(weight.quantize.getType(), *rows);
  if (options.correctBias) {
    std::vector<float> shift =
        biasCorrection(*pack::weightFormatOf(weight.quantize.getType()), weightsOf.data(), *rows,
                       moments.floatMean, moments.mean);
    const auto *from = reinterpret_cast<const uint8_t *>(shift.data());
    bytes.insert(bytes.end(), from, from + 4 * shift.size());
  }
  if (options.keep)
    if (Error failed = options.keep(weight, bytes))
      return failed;
  return take(weight, input, bytes);
}

/// Codes, and behind them what goes into the biases of the layers that read `input`.
Error Sequence::take(MarkedWeight &weight, Value input, ArrayRef<uint8_t> bytes) {
  if (!options.correctBias)
    return useCodes(model, weight, bytes);
  std::vector<float> shift(weight.rows);
  ArrayRef<uint8_t> tail = bytes.take_back(4 * shift.size());
  std::memcpy(shift.data(), tail.data(), tail.size());
  SmallVector<qnt::LinearOp> readers = llvm::filter_to_vector(
      weight.readers, [&](qnt::LinearOp layer) { return unquantized(layer.getX()) == input; });
  if (Error failed = useCodes(model, weight, bytes.drop_back(tail.size())))
    return failed;
  IRRewriter rewriter(model.module.get().getContext());
  for (qnt::LinearOp layer : readers)
    transform::addToBias(rewriter, layer, shift);
  return Error::success();
}

} // namespace

const HessianFactor &Moments::factor(const GptqOptions &options, unsigned threads) const {
  if (!made)
    made = factorHessian(gram.data(), k, options, threads);
  return *made;
}

Error qcc::quantizeSequentially(LoadedModel &model, func::FuncOp function,
                                const LoadedModel *floats, const ModelSamples &samples,
                                const LayerMethod &method, const SequentialOptions &options) {
  return Sequence(model, function, floats, samples, method, options).run();
}

Error qcc::surveyLayers(LoadedModel &model, func::FuncOp function, const LoadedModel &floats,
                        const ModelSamples &samples, const LayerMethod &visit,
                        const SequentialOptions &options) {
  return Sequence(model, function, &floats, samples, visit, options).survey();
}
