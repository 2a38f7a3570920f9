// Rows of inputs from a walk of the float model, treatments by what they leave of the error.
#include "qcc/Driver/Treatments.h"
#include "qcc/Algorithms/Moments.h"
#include "qcc/Driver/Layers.h"
#include "qcc/Driver/Walk.h"
#include "qcc/Kernels/QuantizedLayout.h"
#include "qcc/Pack/WeightFormats.h"
#include "qcc/Transform/Layers.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;
using llvm::Error;
using llvm::Expected;

namespace {

/// Rows of an input that layers are measured on.
constexpr size_t kRows = 256;

/// Keeps statistics of all rows, and some rows: of each sample the one with the largest magnitude,
/// since outliers may sit in few tokens, and others evenly.
class InputCollector {
public:
  InputCollector(int64_t k, size_t samples)
      : k(k),
        perSample(static_cast<int64_t>(std::max<size_t>(2, kRows / std::max<size_t>(1, samples)))),
        stride(std::max<size_t>(1, samples * 2 / kRows)), sums(k) {}

  void add(size_t sample, const float *x, int64_t rows, const std::vector<uint8_t> &counted) {
    sums.add(x, rows, counted.empty() ? nullptr : counted.data());
    if (sample % stride)
      return;
    std::vector<int64_t> usable;
    int64_t peak = -1;
    float largest = -1;
    for (int64_t row = 0; row < rows; ++row) {
      if (!counted.empty() && !counted[row])
        continue;
      usable.push_back(row);
      for (int64_t i = 0; i < k; ++i)
        if (std::fabs(x[row * k + i]) > largest) {
          largest = std::fabs(x[row * k + i]);
          peak = row;
        }
    }
    if (peak < 0)
      return;
    take(x, peak);
    auto count = static_cast<int64_t>(usable.size()), others = std::min(count, perSample - 1);
    for (int64_t i = 0; i < others; ++i)
      take(x, usable[(2 * i + 1) * count / (2 * others)]);
  }

  TreatedInput finish() const {
    TreatedInput input;
    input.k = k;
    input.rows = rows;
    input.largest = sums.largest;
    double count = std::max<double>(1, static_cast<double>(sums.rows));
    for (int64_t i = 0; i < k; ++i) {
      input.meanMagnitude.push_back(static_cast<float>(sums.magnitudes[i] / count));
      input.meanSquare.push_back(static_cast<float>(sums.squares[i] / count));
    }
    return input;
  }

private:
  void take(const float *x, int64_t row) {
    rows.insert(rows.end(), x + row * k, x + (row + 1) * k);
  }
  int64_t k, perSample;
  size_t stride;
  ChannelSums sums;
  std::vector<float> rows;
};

func::FuncOp functionOf(const LoadedModel &model) {
  return *model.module.get().getOps<func::FuncOp>().begin();
}

/// How `layer` of the assigned model reads its input.
ActivationFormat activationOf(LinearOp layer) {
  ActivationFormat format;
  auto dequantize = layer.getX().getDefiningOp<DequantizeOp>();
  if (!dequantize)
    return format;
  auto type = dyn_cast<QType>(dequantize.getX().getType());
  Operation *def = dequantize.getX().getDefiningOp();
  if (!type || !isa_and_nonnull<QuantizeOp, QuantizeStaticOp>(def))
    return format;
  format.bits = type.getBits();
  format.isFloat = type.getStorage() == Storage::f8e4m3fn;
  format.zeroPoint = static_cast<bool>(type.getZero());
  format.group = type.getBlock();
  if (auto fixed = dyn_cast<QuantizeStaticOp>(def); fixed && !fixed.getShift()) {
    format.fixedScale = fixed.getScale().convertToFloat();
    format.fixedZero = static_cast<int32_t>(fixed.getZero());
  }
  return format;
}

/// Of the assigned model: what each layer became, by its number.
struct AssignedLayer {
  std::string name;
  TreatedLayer format; ///< without numbers
};

std::map<unsigned, AssignedLayer> codedLayers(func::FuncOp assigned) {
  DenseMap<Operation *, unsigned> numbers;
  assigned.walk([&](LinearOp layer) { numbers[layer] = numbers.size(); });
  std::map<unsigned, AssignedLayer> coded;
  auto take = [&](LinearOp layer, StringRef name, QType type) {
    auto format = pack::weightFormatOf(type);
    if (!format)
      return;
    TreatedLayer treated;
    treated.format = *format;
    treated.wholeTensor = type.getGranularity() == Granularity::tensor;
    treated.bytes =
        static_cast<double>(*layoutOf(type.withLayout(Layout::logical)).bytes.constantValue());
    treated.input = activationOf(layer);
    coded[numbers[layer]] = {name.str(), treated};
  };
  for (LayerGroup &group : findMarkedWeights(assigned))
    for (MarkedWeight &weight : group.weights)
      for (LinearOp layer : weight.readers)
        take(layer, weight.name, weight.quantize.getType());
  // One scale for a whole tensor: methods leave such weights alone, treatments do not.
  assigned.walk([&](LinearOp layer) {
    auto dequantize = layer.getWeight().getDefiningOp<DequantizeOp>();
    auto quantize = dequantize ? dequantize.getX().getDefiningOp<QuantizeOp>() : QuantizeOp();
    if (quantize && !coded.count(numbers[layer])) {
      auto names = weightsBehind(quantize.getX());
      take(layer, names.empty() ? "constant" : names.front(), quantize.getType());
    }
  });
  return coded;
}

/// Weights that are looked up in as well: changed for a layer, they would be stored twice.
llvm::StringSet<> tablesOf(func::FuncOp function) {
  llvm::StringSet<> names;
  function.walk([&](GatherOp gather) {
    if (isConstantValue(gather.getX()))
      for (const std::string &name : weightsBehind(gather.getX()))
        names.insert(name);
  });
  return names;
}

/// The layers behind one observer.
struct Group {
  ObserveOp observe;
  std::vector<LinearOp> layers;
  std::vector<AssignedLayer> assigned;
};

Expected<LayerTreatment> treat(const LoadedModel &observed, Group &group, Walk &walk,
                               const MaskedSamples &masked, const llvm::StringSet<> &tables,
                               TreatmentChoices choices, unsigned threads) {
  LayerTreatment result;
  result.id = group.observe.getId().str();
  for (const AssignedLayer &layer : group.assigned)
    result.weights.push_back(layer.name);
  for (LinearOp layer : group.layers)
    if (llvm::any_of(weightsBehind(layer.getWeight()),
                     [&](const std::string &name) { return tables.contains(name); })) {
      result.refused = "the weight is a table too and would be stored twice";
      return result;
    }
  choices.atRunTime = transform::whyNotMigrated(group.observe) != nullptr;
  if (const char *why = transform::whyNotScaled(group.observe)) {
    if (choices.smooth || choices.awq || choices.thresholds)
      result.refused = std::string("channels cannot be scaled: ") + why;
    choices.smooth = choices.awq = choices.thresholds = false;
  }
  int64_t k = *dimsOf(group.observe.getX().getType()).back().constantValue();
  InputCollector collector(k, walk.samples());
  Error failed = walk.compute(group.observe.getX(), [&](size_t sample, ArrayRef<qcc_tensor> x) {
    int64_t rows = x[0].bytes / (4 * k);
    collector.add(sample, static_cast<const float *>(x[0].data), rows, masked.counted(rows));
    return Error::success();
  });
  if (failed)
    return std::move(failed);
  std::vector<std::vector<float>> matrices;
  std::vector<TreatedLayer> layers;
  for (auto &&[layer, assigned] : llvm::zip_equal(group.layers, group.assigned)) {
    auto matrix = evaluateMatrix(observed, layer.getWeight(), threads);
    if (!matrix)
      return matrix.takeError();
    matrices.push_back(std::move(*matrix));
    layers.push_back(assigned.format);
    layers.back().w = matrices.back().data();
    layers.back().rows = static_cast<int64_t>(matrices.back().size()) / k;
  }
  TreatedInput input = collector.finish();
  if (input.rows.empty()) {
    result.refused = "no position of the samples counts";
    return result;
  }
  TreatmentSearch search(layers, input, threads);
  result.candidates = search.candidates(choices);
  result.chosen = TreatmentSearch::best(result.candidates);
  return result;
}

} // namespace

std::string LayerTreatment::reason() const {
  if (candidates.empty())
    return refused;
  const Treatment &nothing = candidates.front(), &best = candidates[chosen];
  std::string text;
  if (chosen)
    text = llvm::formatv("{0}: relative output error {1:e2} instead of {2:e2}", best.how,
                         std::sqrt(best.error), std::sqrt(nothing.error));
  else
    text = llvm::formatv("nothing pays: relative output error {0:e2}", std::sqrt(nothing.error));
  for (size_t i = 1; i < candidates.size(); ++i)
    if (i != chosen)
      text += llvm::formatv(", {0} {1:e2}", candidates[i].how, std::sqrt(candidates[i].error));
  if (best.cost > 0)
    text += llvm::formatv("; costs {0:f2} % of the layer{1}", 100 * best.cost,
                          best.atRunTime ? ", scaled at run time" : "");
  return refused.empty() ? text : text + "; " + refused;
}

Expected<std::vector<LayerTreatment>> qcc::chooseTreatments(const LoadedModel &observed,
                                                            const LoadedModel &assigned,
                                                            const ModelSamples &samples,
                                                            const TreatmentChoices &choices,
                                                            const TreatmentOptions &options) {
  func::FuncOp function = functionOf(observed);
  std::map<unsigned, AssignedLayer> coded = codedLayers(functionOf(assigned));
  DenseMap<Operation *, unsigned> numbers;
  function.walk([&](LinearOp layer) { numbers[layer] = numbers.size(); });
  std::vector<Group> groups;
  function.walk([&](ObserveOp observe) {
    Group group{observe, {}, {}};
    for (Operation *user : observe.getOut().getUsers())
      if (auto layer = dyn_cast<LinearOp>(user))
        if (auto known = coded.find(numbers[layer]); known != coded.end()) {
          group.layers.push_back(layer);
          group.assigned.push_back(known->second);
        }
    SmallVector<DimExpr> dims = dimsOf(observe.getX().getType());
    bool usable = elementTypeOf(observe.getX().getType()).isF32() && !dims.empty() &&
                  dims.back().constantValue();
    if (usable && !group.layers.empty())
      groups.push_back(std::move(group));
  });
  MaskedSamples masked(samples);
  Walk walk(observed, function, samples.count, masked.source(),
            {options.folder, options.threads, /*optLevel=*/1});
  llvm::StringSet<> tables = tablesOf(function);
  std::vector<LayerTreatment> result;
  for (Group &group : groups) {
    if (options.progress)
      options.progress(result.size(), groups.size(), group.observe.getId());
    auto treated = treat(observed, group, walk, masked, tables, choices, options.threads);
    if (!treated)
      return treated.takeError();
    result.push_back(std::move(*treated));
  }
  return std::move(result);
}

DecisionStore qcc::decisionsOf(ArrayRef<LayerTreatment> treatments, bool scales) {
  DecisionStore decisions;
  for (const LayerTreatment &layer : treatments) {
    LayerDecision &decision = decisions.layers[layer.id];
    if (layer.candidates.empty())
      continue;
    const Treatment &chosen = layer.candidates[layer.chosen];
    if ((chosen.kind == Treatment::Kind::Migrate) != scales)
      continue;
    switch (chosen.kind) {
    case Treatment::Kind::None:
      break;
    case Treatment::Kind::Migrate:
      decision.kind = LayerDecision::Kind::Migrate;
      decision.scales = chosen.scales;
      decision.isInline = chosen.atRunTime;
      break;
    case Treatment::Kind::Columns:
      decision.kind = LayerDecision::Kind::Columns;
      decision.columns = chosen.columns;
      break;
    case Treatment::Kind::Sparse:
      decision.kind = LayerDecision::Kind::Sparse;
      decision.fraction = chosen.fraction;
      decision.importance = chosen.importance;
    }
  }
  return decisions;
}

static const char *nameOf(Treatment::Kind kind) {
  switch (kind) {
  case Treatment::Kind::None:
    return "none";
  case Treatment::Kind::Migrate:
    return "scales";
  case Treatment::Kind::Columns:
    return "columns";
  case Treatment::Kind::Sparse:
    return "sparse";
  }
  return "";
}

/// A row for a weight whose codes no method chose.
static quality::TensorReport rowOf(const std::string &weight, const LayerTreatment &layer,
                                   StringRef scheme, StringRef method) {
  quality::TensorReport row;
  row.name = weight;
  for (const Treatment &treatment : layer.candidates) {
    quality::CandidateReport candidate;
    candidate.scheme = scheme.str();
    candidate.transform = nameOf(treatment.kind);
    candidate.method = method.str();
    candidate.measuredLoss = treatment.error;
    row.candidates.push_back(std::move(candidate));
  }
  row.chosen = layer.candidates.empty() ? -1 : static_cast<int64_t>(layer.chosen);
  row.reason = layer.reason();
  return row;
}

void qcc::addToReport(quality::QuantizeReport &report, ArrayRef<LayerTreatment> treatments,
                      StringRef scheme, StringRef method) {
  std::map<std::string, size_t> rows;
  for (auto [i, tensor] : llvm::enumerate(report.tensors))
    rows[tensor.name] = i;
  for (const LayerTreatment &layer : treatments)
    for (const std::string &weight : layer.weights) {
      auto [row, isNew] = rows.try_emplace(weight, report.tensors.size());
      if (isNew) {
        report.tensors.push_back(rowOf(weight, layer, scheme, method));
        continue;
      }
      quality::TensorReport &tensor = report.tensors[row->second];
      tensor.reason += "; " + layer.reason();
      if (layer.chosen)
        for (quality::CandidateReport &candidate : tensor.candidates) {
          std::string how = nameOf(layer.candidates[layer.chosen].kind);
          candidate.transform =
              candidate.transform == "none" ? how : candidate.transform + "," + how;
        }
    }
}

LoadedModel qcc::withoutObservers(const LoadedModel &observed) {
  LoadedModel copy = observed.clone();
  SmallVector<ObserveOp> observers(functionOf(copy).getOps<ObserveOp>());
  for (ObserveOp observe : observers) {
    observe.getOut().replaceAllUsesWith(observe.getX());
    observe.erase();
  }
  return copy;
}
