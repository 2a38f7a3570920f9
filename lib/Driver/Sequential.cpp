// The loop over layer groups.
#include "qcc/Driver/Sequential.h"
#include "qcc/Algorithms/Moments.h"
#include "qcc/Pack/WeightFormats.h"
#include "qcc/Support/Diagnostics.h"

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
  void report(size_t done, StringRef name) const;
  Error quantizeWeight(MarkedWeight &weight, const Moments &moments);

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
  size_t all = 0;

  void prepare(bool needFloats);
  Value floatInputOf(const LayerGroup &group) const;
  MaskedSamples masked{samples};
};

/// Inputs of the layers of a function, by the number of the layer.
DenseMap<Operation *, unsigned> numberLayers(func::FuncOp function) {
  DenseMap<Operation *, unsigned> numbers;
  function.walk([&](qnt::LinearOp layer) { numbers[layer] = numbers.size(); });
  return numbers;
}

void Sequence::prepare(bool needFloats) {
  groups = findMarkedWeights(function);
  for (const LayerGroup &group : groups)
    all += group.input ? group.weights.size() : 0;
  numbers = numberLayers(function);
  PieceOptions piece{options.folder, options.threads, 1};
  walk = std::make_unique<Walk>(model, function, samples.count, masked.source(), piece);
  if (!needFloats || !floats)
    return;
  func::FuncOp other = *floats->module.get().getOps<func::FuncOp>().begin();
  floatWalk = std::make_unique<Walk>(*floats, other, samples.count, masked.source(), piece);
  other.walk([&](qnt::LinearOp layer) { floatLayers.push_back(layer); });
}

Value Sequence::floatInputOf(const LayerGroup &group) const {
  if (!floatWalk)
    return {};
  qnt::LinearOp reader = group.weights.front().readers.front();
  qnt::LinearOp layer = floatLayers[numbers.lookup(reader)];
  return layer.getX();
}

void Sequence::report(size_t done, StringRef name) const {
  if (options.progress)
    options.progress(done, all, name);
}

Error Sequence::run() {
  prepare(options.followFloat);
  size_t finished = 0;
  for (LayerGroup &group : groups) {
    if (!group.input)
      continue;
    report(finished, group.weights.front().name);
    if (Error failed = quantizeGroup(group, floatInputOf(group)))
      return failed;
    finished += group.weights.size();
  }
  report(finished, "");
  return Error::success();
}

Error Sequence::survey() {
  prepare(/*needFloats=*/true);
  size_t finished = 0;
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
    finished += group.weights.size();
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
  if (!complete) {
    Expected<Moments> computed = momentsOf(*walk, group.input, floatInput);
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
  ProductSum cross(truth ? moments.k : 1, /*symmetric=*/false);
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
    if (truth)
      cross.add(other, data, rows, mask, options.threads);
    return Error::success();
  });
  if (failed)
    return std::move(failed);
  moments.gram = gram.finish(options.threads);
  moments.positions = gram.rows();
  if (truth)
    moments.cross = cross.finish(options.threads);
  return moments;
}

Error Sequence::quantizeWeight(MarkedWeight &weight, const Moments &moments) {
  auto matrix = evaluateMatrix(model, weight.matrix(), options.threads);
  if (!matrix)
    return matrix.takeError();
  auto rows = method(weight, std::move(*matrix), moments);
  if (!rows)
    return rows.takeError();
  std::vector<uint8_t> bytes = pack::logicalBytes(weight.quantize.getType(), *rows);
  if (options.keep)
    if (Error failed = options.keep(weight, bytes))
      return failed;
  return useCodes(model, weight, bytes);
}

} // namespace

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
