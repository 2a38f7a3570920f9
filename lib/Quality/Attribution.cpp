// Loss by layer.
#include "qcc/Quality/Attribution.h"
#include <algorithm>
#include <cmath>

using namespace qcc;
using namespace qcc::quality;

namespace {
class Attributor {
public:
  Attributor(const std::vector<std::string> &layers, const LossOf &lossOf,
             const AttributionOptions &options)
      : count(layers.size()), lossOf(lossOf), options(options) {
    for (const std::string &layer : layers)
      result.layers.push_back({layer, std::nullopt, std::nullopt, 0});
  }

  llvm::Expected<Attribution> run();

private:
  /// A run with layers [begin, end) quantized, or with all others.
  llvm::Expected<double> lossAt(size_t begin, size_t end, bool others);
  llvm::Error each();
  llvm::Error byBisection();
  void share();

  size_t count;
  const LossOf &lossOf;
  const AttributionOptions &options;
  int64_t planned = 0;
  Attribution result;
};
} // namespace

llvm::Expected<double> Attributor::lossAt(size_t begin, size_t end, bool others) {
  std::vector<bool> quantized(count, others);
  for (size_t i = begin; i < end; ++i)
    quantized[i] = !others;
  auto loss = lossOf(quantized);
  ++result.runs;
  if (options.progress)
    options.progress(result.runs, planned);
  return loss;
}

llvm::Error Attributor::each() {
  for (size_t i = 0; i < count; ++i) {
    LayerLoss &layer = result.layers[i];
    if (options.alone) {
      auto loss = lossAt(i, i + 1, /*others=*/false);
      if (!loss)
        return loss.takeError();
      layer.alone = *loss;
    }
    if (options.without) {
      auto loss = lossAt(i, i + 1, /*others=*/true);
      if (!loss)
        return loss.takeError();
      layer.without = result.total - *loss;
    }
  }
  return llvm::Error::success();
}

llvm::Error Attributor::byBisection() {
  struct Group {
    size_t begin, end;
    double loss;
  };
  std::vector<Group> groups = {{0, count, result.total}};
  while (result.runs + 2 <= options.runs) {
    auto widest =
        std::max_element(groups.begin(), groups.end(), [](const Group &a, const Group &b) {
          // Groups of one layer cannot be opened.
          return std::pair(a.end - a.begin > 1, a.loss) < std::pair(b.end - b.begin > 1, b.loss);
        });
    if (widest->end - widest->begin < 2)
      break;
    Group whole = *widest;
    size_t middle = whole.begin + (whole.end - whole.begin) / 2;
    auto left = lossAt(whole.begin, middle, /*others=*/false);
    if (!left)
      return left.takeError();
    auto right = lossAt(middle, whole.end, /*others=*/false);
    if (!right)
      return right.takeError();
    *widest = {whole.begin, middle, *left};
    groups.push_back({middle, whole.end, *right});
  }
  for (const Group &group : groups)
    for (size_t i = group.begin; i < group.end; ++i)
      result.layers[i].alone = group.loss / static_cast<double>(group.end - group.begin);
  return llvm::Error::success();
}

/// Shares by the loss alone, else by what leaving a layer out saves; gains count as no loss.
void Attributor::share() {
  auto lossOfLayer = [](const LayerLoss &layer) {
    return std::max(0.0, layer.alone ? *layer.alone : layer.without.value_or(0));
  };
  double sum = 0, alone = 0;
  for (const LayerLoss &layer : result.layers) {
    sum += lossOfLayer(layer);
    alone += layer.alone.value_or(0);
  }
  for (LayerLoss &layer : result.layers)
    layer.share = sum > 0 ? lossOfLayer(layer) / sum : 0;
  bool known = !result.layers.empty() && result.layers.front().alone.has_value();
  result.interaction = known ? alone - result.total : 0;
}

llvm::Expected<Attribution> Attributor::run() {
  if (count == 0)
    return std::move(result);
  int64_t all = 1 + static_cast<int64_t>(count) * (options.alone + options.without);
  bool bounded = options.runs >= 0 && options.runs < all;
  planned = bounded ? options.runs : all;
  auto total = lossAt(0, count, /*others=*/false);
  if (!total)
    return total.takeError();
  result.total = *total;
  if (llvm::Error error = bounded ? byBisection() : each())
    return std::move(error);
  share();
  return std::move(result);
}

llvm::Expected<Attribution> quality::attributeLoss(const std::vector<std::string> &layers,
                                                   const LossOf &lossOf,
                                                   const AttributionOptions &options) {
  return Attributor(layers, lossOf, options).run();
}
