// Confidence intervals by resampling, and decisions on limits.
#include "qcc/Quality/Estimate.h"
#include "qcc/Algorithms/Resample.h"
#include "qcc/Support/Print.h"
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

using namespace qcc;
using namespace qcc::quality;
using llvm::ArrayRef;
using llvm::StringRef;
using Statistic = llvm::function_ref<double(ArrayRef<uint32_t>)>;

constexpr double infinite = std::numeric_limits<double>::infinity();

namespace {
/// The jackknife over at most 400 groups of neighbours.
struct Jackknife {
  double error = 0, acceleration = 0;
  uint32_t groups = 0;
};
} // namespace

static Jackknife jackknife(uint32_t units, Statistic statistic) {
  Jackknife result;
  result.groups = std::min(units, 400u);
  std::vector<double> values;
  std::vector<uint32_t> picked;
  for (uint32_t g = 0; g < result.groups; ++g) {
    uint32_t begin = uint64_t(units) * g / result.groups;
    uint32_t end = uint64_t(units) * (g + 1) / result.groups;
    picked.clear();
    for (uint32_t i = 0; i < units; ++i)
      if (i < begin || i >= end)
        picked.push_back(i);
    values.push_back(statistic(picked));
  }
  double mean = std::accumulate(values.begin(), values.end(), 0.0) / result.groups;
  double squares = 0, cubes = 0;
  for (double value : values) {
    double d = mean - value;
    squares += d * d;
    cubes += d * d * d;
  }
  result.error = std::sqrt(squares * (result.groups - 1) / result.groups);
  result.acceleration = squares > 0 ? cubes / (6 * std::pow(squares, 1.5)) : 0;
  return result;
}

/// The quantile of sorted replicates.
static double quantileOf(ArrayRef<double> sorted, double q) {
  double position = q * static_cast<double>(sorted.size() - 1);
  size_t low = static_cast<size_t>(position), high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (position - static_cast<double>(low)) * (sorted[high] - sorted[low]);
}

Interval quality::bootstrap(uint32_t units, Statistic statistic, double confidence, uint64_t seed,
                            unsigned resamples) {
  std::vector<uint32_t> picked(units);
  std::iota(picked.begin(), picked.end(), 0);
  Interval result;
  result.value = units ? statistic(picked) : std::nan("");
  result.low = result.lower = -infinite;
  result.high = result.upper = infinite;
  if (units < 2)
    return result;
  data::Random random(seed);
  std::vector<double> replicates;
  double below = 0;
  for (unsigned r = 0; r < resamples; ++r) {
    for (uint32_t &pick : picked)
      pick = static_cast<uint32_t>(random.below(units));
    double value = statistic(picked);
    if (std::isnan(value))
      continue;
    below += value < result.value ? 1 : value == result.value ? 0.5 : 0;
    replicates.push_back(value);
  }
  if (replicates.empty())
    return result;
  std::sort(replicates.begin(), replicates.end());
  double count = static_cast<double>(replicates.size());
  double bias = normalQuantile(std::clamp(below / count, 0.5 / count, 1 - 0.5 / count));
  Jackknife jack = jackknife(units, statistic);
  auto end = [&](double p) {
    double z = bias + normalQuantile(p);
    double shifted = normalCdf(bias + z / (1 - jack.acceleration * z));
    return quantileOf(replicates, std::clamp(shifted, 0.0, 1.0));
  };
  result.low = end((1 - confidence) / 2);
  result.high = end((1 + confidence) / 2);
  double reach = studentQuantile(confidence, jack.groups - 1) * jack.error;
  result.lower = std::min(end(1 - confidence), result.value - reach);
  result.upper = std::max(end(confidence), result.value + reach);
  return result;
}

double quality::pairedDifferenceBound(int64_t onlyFirst, int64_t onlySecond, int64_t n,
                                      double confidence) {
  if (n == 0)
    return 1;
  double b = static_cast<double>(onlyFirst), c = static_cast<double>(onlySecond);
  double count = static_cast<double>(n), z = normalQuantile(confidence);
  // How many standard deviations the observed difference lies below `delta`.
  auto distance = [&](double delta) {
    double A = 2 * count, B = -b - c + (2 * count - b + c) * delta, C = -c * delta * (1 - delta);
    double q = (std::sqrt(std::max(0.0, B * B - 4 * A * C)) - B) / (2 * A);
    double spread = count * (2 * q + delta * (1 - delta));
    return spread > 0 ? (count * delta - (b - c)) / std::sqrt(spread) : infinite;
  };
  double low = (b - c) / count, high = 1;
  for (int step = 0; step < 100; ++step) {
    double middle = 0.5 * (low + high);
    (distance(middle) < z ? low : high) = middle;
  }
  return high;
}

/// Where a metric is a mean of 0s and 1s, Wilson's interval knows that none of n is not never.
static bool isProportion(const Units &units) {
  return units.metric == Metric::Accuracy || units.metric == Metric::Top1;
}

static void widenProportion(const Units &units, double confidence, Interval &interval) {
  int64_t n = units.predictions;
  int64_t successes = std::llround(interval.value * static_cast<double>(n));
  Confidence two = wilson(successes, n, confidence);
  Confidence one = wilson(successes, n, 2 * confidence - 1);
  interval.low = std::min(interval.low, two.low);
  interval.high = std::max(interval.high, two.high);
  interval.lower = std::min(interval.lower, one.low);
  interval.upper = std::max(interval.upper, one.high);
}

static Interval intervalOf(const Units &units, double confidence) {
  uint32_t count = static_cast<uint32_t>(units.rows.size());
  Interval interval = bootstrap(
      count, [&](ArrayRef<uint32_t> picked) { return metricOf(units, picked); }, confidence);
  if (isProportion(units) && units.predictions > 0)
    widenProportion(units, confidence, interval);
  return interval;
}

/// Samples that only one of the two classifies rightly.
static std::pair<int64_t, int64_t> discordant(const Units &units) {
  int64_t onlyOurs = 0, onlyTheirs = 0;
  for (const auto &row : units.rows) {
    onlyOurs += row[0] == 1 && row[2] == 0;
    onlyTheirs += row[0] == 0 && row[2] == 1;
  }
  return {onlyOurs, onlyTheirs};
}

Measurement quality::estimate(const Units &units, double confidence, StringRef name) {
  Measurement m;
  m.name = name.empty() ? metricName(units.metric).str() : name.str();
  m.metric = units.metric;
  m.output = units.output;
  m.samples = units.samples;
  m.units = static_cast<int64_t>(units.rows.size());
  m.tail = units.tail;
  m.confidence = confidence;
  Interval interval = intervalOf(units, confidence);
  m.value = interval.value;
  m.low = interval.low;
  m.high = interval.high;
  if (units.hasReference)
    m.reference = metricOf(units, /*reference=*/true);
  if (units.hasReference && units.metric == Metric::Accuracy) {
    auto [ours, theirs] = discordant(units);
    m.mcnemarP = mcnemarExact(ours, theirs);
  }
  return m;
}

/// The loss against the reference, in the metric's unit or as a share of the reference's value.
static double lossOf(const Units &units, ArrayRef<uint32_t> picked, bool relative) {
  double sign = higherIsBetter(units.metric) ? 1 : -1;
  double value = metricOf(units, picked);
  double base = units.hasReference ? metricOf(units, picked, /*reference=*/true)
                                   : losslessValue(units.metric).value_or(std::nan(""));
  double loss = sign * (base - value);
  return relative ? loss / std::abs(base) : loss;
}

static Interval lossInterval(const Units &units, bool relative, double confidence) {
  Interval loss = bootstrap(
      static_cast<uint32_t>(units.rows.size()),
      [&](ArrayRef<uint32_t> picked) { return lossOf(units, picked, relative); }, confidence);
  if (units.metric == Metric::Accuracy && units.hasReference) {
    auto [ours, theirs] = discordant(units);
    double bound = pairedDifferenceBound(theirs, ours, units.samples, confidence);
    double scale = relative ? std::abs(metricOf(units, /*reference=*/true)) : 1;
    loss.upper = std::max(loss.upper, bound / scale);
  } else if (isProportion(units) && units.predictions > 0) {
    Interval value = intervalOf(units, confidence);
    loss.upper = std::max(loss.upper, losslessValue(units.metric).value_or(1) - value.lower);
  }
  return loss;
}

SetResult quality::decide(const Units &units, const GateSet &set, double confidence, bool lenient) {
  SetResult result;
  result.measurement = estimate(units, confidence, set.name);
  std::string metric = metricName(units.metric).str();
  Interval tested;
  if (set.maxDrop) {
    tested = lossInterval(units, set.relative, confidence);
    result.allowed = *set.maxDrop;
    result.limit = "drop <= " + (set.relative ? formatNumber(100 * *set.maxDrop, 6) + " %"
                                              : formatNumber(*set.maxDrop, 6));
  } else {
    tested = intervalOf(units, confidence);
    result.upper = set.max.has_value();
    result.allowed = set.max ? *set.max : *set.min;
    result.limit = metric + (set.max ? " <= " : " >= ") + formatNumber(result.allowed, 6);
  }
  result.tested = tested.value;
  result.bound = result.upper ? tested.upper : tested.lower;
  // The command gives one number for all samples: there is nothing to resample.
  bool unsure = units.rows.size() < 2;
  if (unsure && (lenient || units.metric == Metric::Command)) {
    result.bound = result.tested;
    result.note = units.metric == Metric::Command
                      ? "decided on the value alone"
                      : "decided on the value alone: " + std::to_string(units.samples) + " sample";
  } else if (unsure) {
    result.note = "one sample is too few to be sure";
  }
  double scale = result.allowed != 0 ? std::abs(result.allowed) : 1;
  double inside = result.upper ? result.allowed - result.bound : result.bound - result.allowed;
  // NaN is inside no limit.
  result.accepted = inside >= 0;
  result.margin = std::isnan(inside) ? -infinite : inside / scale;
  return result;
}
