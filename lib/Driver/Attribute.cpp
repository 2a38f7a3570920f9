// Builds with some weights in floats, and what they lose.
#include "qcc/Driver/Attribute.h"
#include "qcc/Driver/Codes.h"

using namespace mlir;
using namespace qcc;
using llvm::Error;
using llvm::Expected;

static func::FuncOp functionOf(const LoadedModel &model) {
  return *model.module.get().getOps<func::FuncOp>().begin();
}

/// The weight and what its layers read, as in the float model.
static void leaveFloat(MarkedWeight &weight) {
  for (qnt::LinearOp linear : weight.readers)
    linear.getXMutable().assign(unquantized(linear.getX()));
  Value matrix = weight.matrix();
  for (Operation *user : weight.quantize.getOut().getUsers())
    if (isa<qnt::DequantizeOp>(user))
      user->getResult(0).replaceAllUsesWith(matrix);
}

Expected<quality::Attribution> qcc::attributeWeights(const LoadedModel &floats,
                                                     const LoadedModel &assigned,
                                                     const ModelSamples &samples,
                                                     const AttributeOptions &options) {
  std::vector<std::string> names;
  for (LayerGroup &group : findMarkedWeights(functionOf(assigned)))
    for (MarkedWeight &weight : group.weights)
      names.push_back(weight.name);
  ModelSamples few = samples;
  few.count = std::min<size_t>(samples.count, options.samples);
  auto loss = OutputLoss::create(floats, few, {options.folder, options.threads, 1});
  if (!loss)
    return loss.takeError();
  auto lossOf = [&](const std::vector<bool> &quantized) -> Expected<double> {
    LoadedModel build = assigned.clone();
    size_t i = 0;
    for (LayerGroup &group : findMarkedWeights(functionOf(build)))
      for (MarkedWeight &weight : group.weights) {
        if (!quantized[i++])
          leaveFloat(weight);
        else if (auto codes = options.codes(weight.name))
          if (Error failed = useCodes(build, weight, *codes))
            return std::move(failed);
      }
    return (*loss)->of(build);
  };
  quality::AttributionOptions attribution;
  attribution.without = options.runs > 2 * static_cast<int64_t>(names.size());
  attribution.runs = options.runs;
  attribution.progress = [&](int64_t done, int64_t all) {
    if (options.progress)
      options.progress(static_cast<size_t>(done), static_cast<size_t>(all));
  };
  return quality::attributeLoss(names, lossOf, attribution);
}
