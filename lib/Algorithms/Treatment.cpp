// Treatments of outliers, tried on rows of the input; see Treatment.h.
#include "qcc/Algorithms/Treatment.h"
#include "Dense.h"
#include "qcc/Algorithms/FloatFormats.h"
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

namespace qcc {

namespace {

/// Outputs of a layer that are measured at most; the others are taken to be alike.
constexpr int64_t kMeasuredOutputs = 1024;
/// Columns that may be computed beside: a thirty-second of all.
constexpr int64_t kColumnShare = 32;
constexpr double kSparseFractions[] = {0.0025, 0.005, 0.01};
/// Thresholds of thresholdScales: the largest magnitude halved so many times at most.
constexpr int kHalvings = 10;

/// Scaled so that the largest magnitude is the largest number, or as calibration fixed.
void roundFloats(const ActivationFormat &format, float *x, int64_t count) {
  float scale = format.fixedScale, high = 0;
  for (int64_t i = 0; i < count; ++i)
    high = std::max(high, std::fabs(x[i]));
  if (!(scale > 0))
    scale = high / kFloat8E4M3.max;
  for (int64_t i = 0; scale > 0 && i < count; ++i)
    x[i] = scale * floatFromMini(kFloat8E4M3, miniFromFloat(kFloat8E4M3, x[i] / scale));
}

int32_t lowest(unsigned bits) { return -(1 << (bits - 1)); }

void roundGroup(const ActivationFormat &format, float *x, int64_t count) {
  double low = 0, high = 0, scale = format.fixedScale, zero = format.fixedZero;
  int32_t first = lowest(format.bits), last = -first - 1;
  if (!(scale > 0)) {
    for (int64_t i = 0; i < count; ++i) {
      low = std::min(low, static_cast<double>(x[i]));
      high = std::max(high, static_cast<double>(x[i]));
    }
    scale = format.zeroPoint ? (high - low) / (last - first) : std::max(-low, high) / last;
    zero = format.zeroPoint && scale > 0 ? std::nearbyint(first - low / scale) : 0;
  }
  if (!(scale > 0))
    return;
  for (int64_t i = 0; i < count; ++i) {
    double code = std::clamp<double>(std::nearbyint(x[i] / scale + zero), first, last);
    x[i] = static_cast<float>((code - zero) * scale);
  }
}

/// a [rows][k] times bᵀ, b [n][k].
std::vector<float> productByRows(const std::vector<float> &a, const std::vector<float> &b,
                                 int64_t rows, int64_t n, int64_t k, unsigned threads) {
  std::vector<float> flipped(k * n), out(rows * n);
  dense::parallelFor(threads, n, 64, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i)
      for (int64_t j = 0; j < k; ++j)
        flipped[j * n + i] = b[i * k + j];
  });
  dense::addProduct(dense::View<float>{out.data(), rows, n, n},
                    dense::View<const float>{a.data(), rows, k, k},
                    dense::View<const float>{flipped.data(), k, n, n}, 1.0f, threads);
  return out;
}

/// Weights as their codes say.
void roundWeights(const TreatedLayer &layer, std::vector<float> &w, int64_t rows, int64_t k,
                  const float *importance, unsigned threads) {
  if (layer.wholeTensor) {
    decodeRows(layer.format, encodeRows(layer.format, w.data(), 1, rows * k), w.data());
    return;
  }
  WeightFormat format = layer.format;
  if (format.kind == WeightKind::Codebook && format.table.empty()) {
    format.table = learnTable(format, w.data(), rows, k, importance);
    format.learned = true;
  }
  dense::parallelFor(threads, rows, 64, [&](int64_t first, int64_t last) {
    EncodedRows q = encodeRows(format, &w[first * k], last - first, k);
    decodeRows(format, q, &w[first * k]);
  });
}

/// Lowest and highest number, 0 among them; symmetric where zero points do not move.
std::pair<double, double> rangeOf(const ActivationFormat &format, const std::vector<float> &x) {
  double low = 0, high = 0;
  for (float value : x) {
    low = std::min(low, static_cast<double>(value));
    high = std::max(high, static_cast<double>(value));
  }
  if (!format.zeroPoint)
    high = std::max(high, -low), low = -high;
  return {low, high};
}

/// Calibration will fix the scale of a treated value anew: with the range that is left, clipped as
/// much as it was.
ActivationFormat refitted(const ActivationFormat &format, const std::vector<float> &before,
                          const std::vector<float> &after) {
  ActivationFormat result = format;
  if (!(format.fixedScale > 0))
    return result;
  auto [oldLow, oldHigh] = rangeOf(format, before);
  auto [low, high] = rangeOf(format, after);
  double scale = format.fixedScale * (high - low) / (oldHigh - oldLow);
  if (!(scale > 0) || !std::isfinite(scale))
    return result;
  result.fixedScale = static_cast<float>(scale);
  double codes = std::ldexp(1.0, static_cast<int>(format.bits)) - 1;
  if (format.zeroPoint) // the part of the range that codes cover keeps its place
    result.fixedZero =
        static_cast<int32_t>(std::nearbyint(lowest(format.bits) - low * codes / (high - low)));
  return result;
}

int64_t elementsOf(double fraction, int64_t k) {
  return std::max<int64_t>(1, std::llround(fraction * static_cast<double>(k)));
}

std::string text(const char *format, double value) {
  char buffer[64];
  std::snprintf(buffer, sizeof(buffer), format, value);
  return buffer;
}

bool usable(const std::vector<float> &scales) {
  return std::all_of(scales.begin(), scales.end(),
                     [](float s) { return std::isfinite(s) && s > 0; });
}

} // namespace

void roundActivations(const ActivationFormat &format, float *x, int64_t rows, int64_t k) {
  if (!format.bits)
    return;
  int64_t group = format.group ? format.group : k;
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t from = 0; from < k; from += group)
      (format.isFloat ? roundFloats : roundGroup)(format, x + row * k + from,
                                                  std::min(group, k - from));
}

std::vector<float> smoothScales(const std::vector<float> &magnitudes,
                                const std::vector<float> &weightMagnitudes, double alpha) {
  std::vector<float> scales(magnitudes.size(), 1.0f);
  for (size_t i = 0; i < scales.size(); ++i)
    if (magnitudes[i] > 0 && weightMagnitudes[i] > 0)
      scales[i] = static_cast<float>(std::pow(static_cast<double>(magnitudes[i]), alpha) /
                                     std::pow(static_cast<double>(weightMagnitudes[i]), 1 - alpha));
  return scales;
}

std::vector<float> awqScales(const std::vector<float> &meanMagnitudes, double alpha) {
  std::vector<double> powers;
  double low = INFINITY, high = 0;
  for (float magnitude : meanMagnitudes) {
    powers.push_back(magnitude > 0 ? std::pow(static_cast<double>(magnitude), alpha) : 0);
    if (magnitude > 0) {
      low = std::min(low, powers.back());
      high = std::max(high, powers.back());
    }
  }
  std::vector<float> scales(powers.size(), 1.0f);
  double unit = std::sqrt(low * high);
  for (size_t i = 0; i < scales.size(); ++i)
    if (powers[i] > 0)
      scales[i] = static_cast<float>(powers[i] / unit);
  return scales;
}

std::vector<float> thresholdScales(const std::vector<float> &magnitudes, double threshold) {
  std::vector<float> scales;
  for (float magnitude : magnitudes)
    scales.push_back(std::max(1.0f, static_cast<float>(magnitude / threshold)));
  return scales;
}

std::vector<int32_t> topColumns(const float *w, const float *importance, int64_t k, int64_t count) {
  std::vector<int32_t> order(k);
  std::iota(order.begin(), order.end(), 0);
  auto rank = [&](int32_t i) { return std::fabs(w[i] * importance[i]); };
  count = std::min(count, k);
  std::partial_sort(order.begin(), order.begin() + count, order.end(), [&](int32_t a, int32_t b) {
    return rank(a) != rank(b) ? rank(a) > rank(b) : a < b;
  });
  order.resize(count);
  return order;
}

TreatmentSearch::TreatmentSearch(const std::vector<TreatedLayer> &layers, const TreatedInput &input,
                                 unsigned threads)
    : layers(layers), input(input), threads(threads), k(input.k),
      samples(static_cast<int64_t>(input.rows.size()) / input.k), columnMagnitudes(input.k) {
  for (const TreatedLayer &layer : layers) {
    for (int64_t row = 0; row < layer.rows; ++row)
      for (int64_t i = 0; i < k; ++i)
        columnMagnitudes[i] = std::max(columnMagnitudes[i], std::fabs(layer.w[row * k + i]));
    Measured part{&layer, {}, {}, 0, {}};
    int64_t stride = (layer.rows + kMeasuredOutputs - 1) / kMeasuredOutputs;
    for (int64_t row = 0; row < layer.rows; row += stride, ++part.rows)
      part.w.insert(part.w.end(), layer.w + row * k, layer.w + (row + 1) * k);
    part.out = productByRows(input.rows, part.w, samples, part.rows, k, threads);
    for (int64_t row = 0; row < samples; ++row) {
      double sum = 0;
      for (int64_t i = 0; i < part.rows; ++i)
        sum += std::pow(static_cast<double>(part.out[row * part.rows + i]), 2);
      part.energy.push_back(sum);
    }
    std::vector<double> sorted = part.energy;
    std::nth_element(sorted.begin(), sorted.begin() + samples / 2, sorted.end());
    for (double &energy : part.energy)
      energy += sorted[samples / 2];
    measured.push_back(std::move(part));
  }
}

/// With x' and w' what is left of input and weights, and xq and wq their codes, the error is
/// xq wqᵀ - x' w'ᵀ: what the side path computes is exact.
double TreatmentSearch::errorOf(const Measured &part, const Treatment &treatment) const {
  std::vector<float> x = input.rows, w = part.w, want = part.out;
  int64_t n = part.rows;
  if (treatment.kind == Treatment::Kind::Migrate) {
    for (int64_t i = 0; i < samples * k; ++i)
      x[i] /= treatment.scales[i % k];
    for (int64_t i = 0; i < n * k; ++i)
      w[i] *= treatment.scales[i % k];
  }
  for (int32_t column : treatment.columns) {
    for (int64_t row = 0; row < samples; ++row)
      for (int64_t i = 0; i < n; ++i)
        want[row * n + i] -= x[row * k + column] * w[i * k + column];
    for (int64_t row = 0; row < samples; ++row)
      x[row * k + column] = 0;
    for (int64_t i = 0; i < n; ++i)
      w[i * k + column] = 0;
  }
  if (treatment.kind == Treatment::Kind::Sparse) {
    int64_t count = elementsOf(treatment.fraction, k);
    dense::parallelFor(threads, n, 16, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i)
        for (int32_t column : topColumns(&part.w[i * k], treatment.importance.data(), k, count)) {
          for (int64_t row = 0; row < samples; ++row)
            want[row * n + i] -= x[row * k + column] * w[i * k + column];
          w[i * k + column] = 0;
        }
    });
  }
  ActivationFormat format = part.layer->input;
  if (treatment.kind != Treatment::Kind::None)
    format = refitted(format, input.rows, x);
  roundActivations(format, x.data(), samples, k);
  roundWeights(*part.layer, w, n, k, input.meanSquare.data(), threads);
  std::vector<float> got = productByRows(x, w, samples, n, k, threads);
  double sum = 0;
  for (int64_t row = 0; row < samples; ++row) {
    double error = 0;
    for (int64_t i = row * n; i < (row + 1) * n; ++i)
      error += std::pow(static_cast<double>(got[i]) - want[i], 2);
    sum += part.energy[row] > 0 ? error / part.energy[row] : 0;
  }
  return sum / static_cast<double>(samples);
}

double TreatmentSearch::errorOf(const Treatment &treatment) const {
  double sum = 0;
  for (const Measured &part : measured)
    sum += errorOf(part, treatment);
  return sum / static_cast<double>(measured.size());
}

/// A column takes an f32 an output, an element an f32 and an index of 32 bits, a scale an f32.
double TreatmentSearch::costOf(const Treatment &treatment) const {
  double rows = 0, bytes = 0, width = static_cast<double>(k);
  for (const TreatedLayer &layer : layers) {
    rows += static_cast<double>(layer.rows);
    bytes += layer.bytes;
  }
  if (treatment.kind == Treatment::Kind::Columns) {
    auto count = static_cast<double>(treatment.columns.size());
    return 4 * count * rows / bytes + count / width;
  }
  if (treatment.kind == Treatment::Kind::Sparse) {
    auto count = static_cast<double>(elementsOf(treatment.fraction, k));
    return 8 * count * rows / bytes + count / width;
  }
  return treatment.atRunTime ? 4 * width / bytes + 1 / rows : 0;
}

Treatment TreatmentSearch::bestScales(const TreatmentChoices &choices) const {
  Treatment best;
  best.error = INFINITY;
  auto attempt = [&](std::vector<float> scales, std::string how) {
    Treatment tried;
    tried.kind = Treatment::Kind::Migrate;
    tried.scales = std::move(scales);
    tried.how = std::move(how);
    if (!usable(tried.scales))
      return;
    tried.atRunTime = choices.atRunTime;
    tried.cost = costOf(tried);
    tried.error = errorOf(tried);
    if (tried.error < best.error)
      best = std::move(tried);
  };
  for (int i = 0; (choices.smooth || choices.awq) && i <= choices.steps; ++i) {
    double alpha = static_cast<double>(i) / std::max(1, choices.steps);
    if (choices.smooth)
      attempt(smoothScales(input.largest, columnMagnitudes, alpha),
              text("smoothquant, alpha %.2f", alpha));
    if (choices.awq)
      attempt(awqScales(input.meanMagnitude, alpha), text("awq, alpha %.2f", alpha));
  }
  double largest = *std::max_element(input.largest.begin(), input.largest.end());
  for (int i = 1; choices.thresholds && largest > 0 && i <= kHalvings; ++i) {
    double threshold = std::ldexp(largest, -i);
    attempt(thresholdScales(input.largest, threshold),
            text("channels above %.3g scaled", threshold));
  }
  return best;
}

/// Columns by what they cost alone: the step that a channel's largest value asks of the others, and
/// the error of its weights.
std::vector<int32_t> TreatmentSearch::columnsByHarm() const {
  std::vector<double> harm(k);
  // Floats keep small channels beside a large one.
  bool coded = std::any_of(layers.begin(), layers.end(), [](const TreatedLayer &layer) {
    return layer.input.bits != 0 && !layer.input.isFloat;
  });
  for (const Measured &part : measured) {
    std::vector<float> w = part.w;
    roundWeights(*part.layer, w, part.rows, k, input.meanSquare.data(), threads);
    double total = 0;
    for (float value : part.w)
      total += static_cast<double>(value) * value;
    for (int64_t i = 0; i < part.rows * k; ++i)
      harm[i % k] += std::pow(static_cast<double>(w[i]) - part.w[i], 2) * input.meanSquare[i % k];
    double range = part.layer->input.bits ? std::ldexp(1.0, int(part.layer->input.bits) - 1) : 1;
    for (int64_t i = 0; coded && i < k; ++i)
      harm[i] += std::pow(input.largest[i] / range, 2) / 12 * total;
  }
  std::vector<int32_t> order(k);
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](int32_t a, int32_t b) { return harm[a] != harm[b] ? harm[a] > harm[b] : a < b; });
  return order;
}

Treatment TreatmentSearch::bestColumns() const {
  std::vector<int32_t> order = columnsByHarm();
  Treatment best;
  best.error = INFINITY;
  for (int64_t count = 1; count <= k / kColumnShare; count += std::max<int64_t>(1, count / 2)) {
    Treatment tried;
    tried.kind = Treatment::Kind::Columns;
    tried.columns.assign(order.begin(), order.begin() + count);
    std::sort(tried.columns.begin(), tried.columns.end());
    tried.how = text(count == 1 ? "%.0f column" : "%.0f columns", static_cast<double>(count));
    tried.cost = costOf(tried);
    tried.error = errorOf(tried);
    if (tried.score() < best.score())
      best = std::move(tried);
  }
  return best;
}

Treatment TreatmentSearch::bestSparse() const {
  Treatment best;
  best.error = INFINITY;
  for (double fraction : kSparseFractions) {
    Treatment tried;
    tried.kind = Treatment::Kind::Sparse;
    tried.fraction = fraction;
    for (float square : input.meanSquare)
      tried.importance.push_back(std::sqrt(square));
    tried.how = text("%.2f %% of the weights", 100 * fraction);
    tried.cost = costOf(tried);
    tried.error = errorOf(tried);
    if (tried.score() < best.score())
      best = std::move(tried);
  }
  return best;
}

std::vector<Treatment> TreatmentSearch::candidates(const TreatmentChoices &choices) const {
  std::vector<Treatment> all(1);
  all[0].how = "nothing";
  all[0].error = errorOf(all[0]);
  if (choices.smooth || choices.awq || choices.thresholds)
    all.push_back(bestScales(choices));
  if (choices.columns)
    all.push_back(bestColumns());
  if (choices.sparse)
    all.push_back(bestSparse());
  all.erase(std::remove_if(all.begin() + 1, all.end(),
                           [](const Treatment &t) { return !std::isfinite(t.error); }),
            all.end());
  return all;
}

size_t TreatmentSearch::best(const std::vector<Treatment> &candidates) {
  size_t best = 0;
  for (size_t i = 1; i < candidates.size(); ++i) {
    double bound = best ? candidates[best].score() : 0.98 * candidates[0].score();
    if (candidates[i].score() < bound)
      best = i;
  }
  return best;
}

} // namespace qcc
