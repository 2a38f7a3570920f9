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
/// What leaving units out does to a statistic.
struct Jackknife {
  double error = 0, acceleration = 0;
  size_t groups = 0;
};

/// The distribution of a statistic over resamples.
struct Replicates {
  std::vector<double> values; ///< sorted by finish()
  double below = 0;           ///< of the statistic itself; ties count half

  void add(double value, double original) {
    if (std::isnan(value))
      return;
    below += value < original ? 1 : value == original ? 0.5 : 0;
    values.push_back(value);
  }
  void finish() { std::sort(values.begin(), values.end()); }
  double quantile(double q) const {
    double position = q * static_cast<double>(values.size() - 1);
    size_t low = static_cast<size_t>(position), high = std::min(low + 1, values.size() - 1);
    if (values[low] == values[high])
      return values[low]; // both may be infinite
    return values[low] + (position - static_cast<double>(low)) * (values[high] - values[low]);
  }
};
} // namespace

static Jackknife jackknifeOf(llvm::ArrayRef<double> values) {
  Jackknife result;
  result.groups = values.size();
  double count = static_cast<double>(values.size());
  double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  double squares = 0, cubes = 0;
  for (double value : values) {
    double d = mean - value;
    squares += d * d;
    cubes += d * d * d;
  }
  result.error = std::sqrt(squares * (count - 1) / count);
  result.acceleration = squares > 0 ? cubes / (6 * std::pow(squares, 1.5)) : 0;
  return result;
}

/// Leaves out each of at most 400 groups of neighbours.
static Jackknife jackknife(uint32_t units, Statistic statistic) {
  uint32_t groups = std::min(units, 400u);
  std::vector<double> values;
  std::vector<uint32_t> picked;
  for (uint32_t g = 0; g < groups; ++g) {
    uint32_t begin = uint64_t(units) * g / groups, end = uint64_t(units) * (g + 1) / groups;
    picked.clear();
    for (uint32_t i = 0; i < units; ++i)
      if (i < begin || i >= end)
        picked.push_back(i);
    values.push_back(statistic(picked));
  }
  return jackknifeOf(values);
}

/// BCa ends, and the outer of BCa's and Student's bounds. `result` has its value and is infinite.
static void setEnds(const Replicates &replicates, const Jackknife &jack, double confidence,
                    Interval &result) {
  if (replicates.values.empty())
    return;
  double count = static_cast<double>(replicates.values.size());
  double bias = normalQuantile(std::clamp(replicates.below / count, 0.5 / count, 1 - 0.5 / count));
  auto end = [&](double p) {
    double z = bias + normalQuantile(p);
    double shifted = normalCdf(bias + z / (1 - jack.acceleration * z));
    return replicates.quantile(std::clamp(shifted, 0.0, 1.0));
  };
  result.low = end((1 - confidence) / 2);
  result.high = end((1 + confidence) / 2);
  double reach = studentQuantile(confidence, static_cast<double>(jack.groups - 1)) * jack.error;
  result.lower = std::min(end(1 - confidence), result.value - reach);
  result.upper = std::max(end(confidence), result.value + reach);
}

static Interval unsure(double value) {
  Interval result;
  result.value = value;
  result.low = result.lower = -infinite;
  result.high = result.upper = infinite;
  return result;
}

Interval quality::bootstrap(uint32_t units, Statistic statistic, double confidence, uint64_t seed,
                            unsigned resamples) {
  std::vector<uint32_t> picked(units);
  std::iota(picked.begin(), picked.end(), 0);
  Interval result = unsure(units ? statistic(picked) : std::nan(""));
  if (units < 2)
    return result;
  data::Random random(seed);
  Replicates replicates;
  for (unsigned r = 0; r < resamples; ++r) {
    for (uint32_t &pick : picked)
      pick = static_cast<uint32_t>(random.below(units));
    replicates.add(statistic(picked), result.value);
  }
  replicates.finish();
  setEnds(replicates, jackknife(units, statistic), confidence, result);
  return result;
}

namespace {
/// First and second moments of units, enough for a function of means and its standard error.
struct Moments {
  double count = 0;
  Means sum = {0, 0, 0};
  std::array<double, 9> products = {};

  void add(const Means &unit) {
    count += 1;
    for (size_t i = 0; i < 3; ++i) {
      sum[i] += unit[i];
      for (size_t k = 0; k <= i; ++k)
        products[3 * i + k] += unit[i] * unit[k];
    }
  }
  Means means() const { return {sum[0] / count, sum[1] / count, sum[2] / count}; }
  double covariance(size_t i, size_t k) const {
    double product = products[3 * std::max(i, k) + std::min(i, k)];
    return (product - sum[i] * sum[k] / count) / (count - 1);
  }
  /// By the delta method, with central differences for the gradient.
  double standardError(llvm::function_ref<double(const Means &)> function) const {
    Means at = means(), gradient;
    for (size_t i = 0; i < 3; ++i) {
      double step = 1e-5 * std::max(std::abs(at[i]), std::sqrt(std::max(0.0, covariance(i, i))));
      Means up = at, down = at;
      up[i] += step;
      down[i] -= step;
      gradient[i] = step > 0 ? (function(up) - function(down)) / (2 * step) : 0;
    }
    double variance = 0;
    for (size_t i = 0; i < 3; ++i)
      for (size_t k = 0; k < 3; ++k)
        variance += gradient[i] * gradient[k] * covariance(i, k);
    return std::sqrt(std::max(0.0, variance) / count);
  }
};
} // namespace

Interval quality::bootstrapMeans(ArrayRef<Means> units,
                                 llvm::function_ref<double(const Means &)> function,
                                 double confidence, uint64_t seed, unsigned resamples) {
  Moments all;
  for (const Means &unit : units)
    all.add(unit);
  Interval result = unsure(units.empty() ? std::nan("") : function(all.means()));
  if (units.size() < 2)
    return result;
  double error = all.standardError(function);
  data::Random random(seed);
  Replicates replicates, studentized;
  for (unsigned r = 0; r < resamples; ++r) {
    Moments drawn;
    for (size_t i = 0; i < units.size(); ++i)
      drawn.add(units[random.below(static_cast<int64_t>(units.size()))]);
    double value = function(drawn.means()), spread = drawn.standardError(function);
    replicates.add(value, result.value);
    // A resample of equal units knows no error: it is as far away as can be.
    double distance = value - result.value;
    bool same = std::abs(distance) <= 1e-12 * std::abs(result.value);
    studentized.add(same ? 0 : distance / spread, 0);
  }
  replicates.finish();
  studentized.finish();
  std::vector<double> left;
  for (const Means &unit : units) {
    Means rest;
    for (size_t i = 0; i < 3; ++i)
      rest[i] = (all.sum[i] - unit[i]) / (all.count - 1);
    left.push_back(function(rest));
  }
  setEnds(replicates, jackknifeOf(left), confidence, result);
  if (error > 0 && !studentized.values.empty()) {
    result.upper =
        std::max(result.upper, result.value - error * studentized.quantile(1 - confidence));
    result.lower = std::min(result.lower, result.value - error * studentized.quantile(confidence));
  }
  return result;
}

double quality::medianBound(std::vector<double> values, double confidence) {
  std::sort(values.begin(), values.end());
  double n = static_cast<double>(values.size());
  // P(at least k of n lie below the median) is that of a binomial, a regularized beta function.
  for (size_t k = values.size() / 2 + 1; k <= values.size(); ++k)
    if (incompleteBeta(static_cast<double>(k), n - static_cast<double>(k) + 1, 0.5) <=
        1 - confidence)
      return values[k - 1];
  return infinite;
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

static Interval intervalOf(const Units &units, double confidence, unsigned resamples) {
  uint32_t count = static_cast<uint32_t>(units.rows.size());
  Interval interval =
      followsFromMeans(units.metric)
          ? bootstrapMeans(
                units.rows,
                [&](const Means &means) { return metricFromMeans(units.metric, means); },
                confidence, 0, resamples)
          : bootstrap(
                count, [&](ArrayRef<uint32_t> picked) { return metricOf(units, picked); },
                confidence, 0, resamples);
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

Measurement quality::estimate(const Units &units, double confidence, StringRef name,
                              unsigned resamples) {
  Measurement m;
  m.name = name.empty() ? metricName(units.metric).str() : name.str();
  m.metric = units.metric;
  m.output = units.output;
  m.samples = units.samples;
  m.units = static_cast<int64_t>(units.rows.size());
  m.tail = units.tail;
  m.confidence = confidence;
  Interval interval = intervalOf(units, confidence, resamples);
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

/// The loss of a value against the reference's, in the metric's unit or as a share of the latter.
static double lossOf(const Units &units, double value, double base, bool relative) {
  if (!units.hasReference)
    base = losslessValue(units.metric).value_or(std::nan(""));
  double loss = higherIsBetter(units.metric) ? base - value : value - base;
  return relative ? loss / std::abs(base) : loss;
}

static Interval lossInterval(const Units &units, bool relative, double confidence,
                             unsigned resamples) {
  auto fromMeans = [&](const Means &means) {
    return lossOf(units, metricFromMeans(units.metric, means),
                  metricFromMeans(units.metric, means, /*reference=*/true), relative);
  };
  auto fromUnits = [&](ArrayRef<uint32_t> picked) {
    return lossOf(units, metricOf(units, picked), metricOf(units, picked, /*reference=*/true),
                  relative);
  };
  Interval loss = followsFromMeans(units.metric)
                      ? bootstrapMeans(units.rows, fromMeans, confidence, 0, resamples)
                      : bootstrap(static_cast<uint32_t>(units.rows.size()), fromUnits, confidence,
                                  0, resamples);
  if (units.metric == Metric::Accuracy && units.hasReference) {
    auto [ours, theirs] = discordant(units);
    double bound = pairedDifferenceBound(theirs, ours, units.samples, confidence);
    double scale = relative ? std::abs(metricOf(units, /*reference=*/true)) : 1;
    loss.upper = std::max(loss.upper, bound / scale);
  } else if (isProportion(units) && units.predictions > 0) {
    Interval value = intervalOf(units, confidence, resamples);
    loss.upper = std::max(loss.upper, losslessValue(units.metric).value_or(1) - value.lower);
  }
  return loss;
}

SetResult quality::decide(const Units &units, const GateSet &set, double confidence, bool lenient,
                          unsigned resamples) {
  SetResult result;
  result.measurement = estimate(units, confidence, set.name, resamples);
  constexpr size_t few = 30, fewForGuard = 8; // below that, bounds of good models reach anywhere
  double sure = units.rows.size() < few ? 1 - (1 - confidence) / 2 : confidence;
  std::string metric = metricName(units.metric).str();
  Interval tested;
  if (set.maxDrop) {
    tested = lossInterval(units, set.relative, sure, resamples);
    result.allowed = *set.maxDrop;
    result.limit = "drop <= " + (set.relative ? formatNumber(100 * *set.maxDrop, 6) + " %"
                                              : formatNumber(*set.maxDrop, 6));
  } else {
    tested = intervalOf(units, sure, resamples);
    result.upper = set.max.has_value();
    result.allowed = set.max ? *set.max : *set.min;
    result.limit = metric + (set.max ? " <= " : " >= ") + formatNumber(result.allowed, 6);
  }
  result.tested = tested.value;
  result.bound = result.upper ? tested.upper : tested.lower;
  // The command gives one number for all samples: there is nothing to resample.
  bool tooFew = units.rows.size() < (lenient ? fewForGuard : 2);
  if (tooFew && (lenient || units.metric == Metric::Command)) {
    result.bound = result.tested;
    result.note = units.metric == Metric::Command
                      ? "decided on the value alone"
                      : "decided on the value alone: " + std::to_string(units.samples) +
                            (units.samples == 1 ? " sample" : " samples");
  } else if (tooFew) {
    result.note = "one sample is too few to be sure";
  }
  double scale = result.allowed != 0 ? std::abs(result.allowed) : 1;
  double inside = result.upper ? result.allowed - result.bound : result.bound - result.allowed;
  // NaN is inside no limit.
  result.accepted = inside >= 0;
  result.margin = std::isnan(inside) ? -infinite : inside / scale;
  return result;
}
