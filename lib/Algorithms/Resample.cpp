// Statistics of gates; see Resample.h.
#include "qcc/Algorithms/Resample.h"
#include "qcc/Algorithms/Philox.h"
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace qcc {

//===-- Distributions ----------------------------------------------------------------------------//

double normalCdf(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

/// Inverse of a rising function on [low, high] by bisection to the last bit.
template <typename F> static double invert(F f, double p, double low, double high) {
  for (int i = 0; i < 200 && low < high; ++i) {
    double middle = 0.5 * (low + high);
    if (middle <= low || middle >= high)
      break;
    (f(middle) < p ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

double normalQuantile(double p) {
  if (!(p > 0))
    return -std::numeric_limits<double>::infinity();
  if (!(p < 1))
    return std::numeric_limits<double>::infinity();
  return p < 0.5 ? invert(normalCdf, p, -40, 0) : -invert(normalCdf, 1 - p, -40, 0);
}

/// Continued fraction of the incomplete beta function (Abramowitz and Stegun, 26.5.8), from the
/// bottom up by Lentz's method.
static double betaFraction(double a, double b, double x) {
  constexpr double tiny = 1e-300;
  auto guard = [](double v) { return std::fabs(v) < tiny ? tiny : v; };
  double c = 1, d = 1 / guard(1 - (a + b) * x / (a + 1)), value = d;
  for (int m = 1; m < 500; ++m) {
    double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / guard(1 + even * d);
    c = guard(1 + even / c);
    value *= d * c;
    double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / guard(1 + odd * d);
    c = guard(1 + odd / c);
    value *= d * c;
    if (std::fabs(d * c - 1) < 1e-15)
      break;
  }
  return value;
}

double incompleteBeta(double a, double b, double x) {
  if (!(x > 0))
    return 0;
  if (!(x < 1))
    return 1;
  double front = std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) +
                          b * std::log1p(-x));
  if (x < (a + 1) / (a + b + 2))
    return front * betaFraction(a, b, x) / a;
  return 1 - front * betaFraction(b, a, 1 - x) / b;
}

double studentCdf(double t, double freedom) {
  double tail = 0.5 * incompleteBeta(0.5 * freedom, 0.5, freedom / (freedom + t * t));
  return t > 0 ? 1 - tail : tail;
}

double studentQuantile(double p, double freedom) {
  if (!(p > 0) || !(p < 1))
    return normalQuantile(p);
  auto lower = [&](double q) {
    return invert([&](double t) { return studentCdf(t, freedom); }, q, -1e9, 0);
  };
  return p < 0.5 ? lower(p) : -lower(1 - p);
}

//===-- Bootstrap --------------------------------------------------------------------------------//

/// Value at a share of sorted numbers, between neighbours in proportion.
static double quantileOf(const std::vector<double> &sorted, double q) {
  double at = std::clamp(q, 0.0, 1.0) * static_cast<double>(sorted.size() - 1);
  auto below = static_cast<size_t>(at);
  size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

Confidence bootstrapRatio(std::span<const double> numerators, std::span<const double> denominators,
                          const BootstrapOptions &options) {
  size_t n = numerators.size();
  double top = 0, bottom = 0;
  for (size_t i = 0; i < n; ++i) {
    top += numerators[i];
    bottom += denominators[i];
  }
  double value = top / bottom;
  if (n < 2) {
    double infinity = std::numeric_limits<double>::infinity();
    return {n ? value : 0, -infinity, infinity};
  }
  RandomStream random(options.seed, "bootstrap");
  std::vector<double> draws;
  uint64_t index = 0;
  for (int r = 0; r < options.resamples; ++r) {
    double above = 0, below = 0;
    for (size_t i = 0; i < n; ++i) {
      uint64_t pick = random.below(index++, n);
      above += numerators[pick];
      below += denominators[pick];
    }
    if (below != 0)
      draws.push_back(above / below);
  }
  std::sort(draws.begin(), draws.end());
  double tail = 0.5 * (1 - options.confidence), low = tail, high = 1 - tail;
  auto count = static_cast<double>(draws.size());
  double under =
      static_cast<double>(std::lower_bound(draws.begin(), draws.end(), value) - draws.begin());
  double notOver =
      static_cast<double>(std::upper_bound(draws.begin(), draws.end(), value) - draws.begin());
  double share = 0.5 * (under + notOver) / count; // ties count half
  if (options.corrected && share > 0 && share < 1) {
    // Efron 1987, eq. 6.8: bias from the share of draws below, acceleration from the jackknife.
    double bias = normalQuantile(share), mean = 0, second = 0, third = 0;
    std::vector<double> left(n);
    for (size_t i = 0; i < n; ++i) {
      left[i] = (top - numerators[i]) / (bottom - denominators[i]);
      mean += left[i] / static_cast<double>(n);
    }
    for (double one : left) {
      second += std::pow(mean - one, 2);
      third += std::pow(mean - one, 3);
    }
    double acceleration = second > 0 ? third / (6 * std::pow(second, 1.5)) : 0;
    auto adjusted = [&](double p) {
      double z = bias + normalQuantile(p);
      return normalCdf(bias + z / (1 - acceleration * z));
    };
    low = adjusted(low);
    high = adjusted(high);
  }
  return {value, quantileOf(draws, low), quantileOf(draws, high)};
}

Confidence bootstrapMean(std::span<const double> values, const BootstrapOptions &options) {
  std::vector<double> ones(values.size(), 1.0);
  return bootstrapRatio(values, ones, options);
}

//===-- Tests ------------------------------------------------------------------------------------//

namespace {
struct Spread {
  double mean, error; ///< standard error of the mean
};
} // namespace

static Spread spreadOf(std::span<const double> values) {
  auto n = static_cast<double>(values.size());
  double mean = 0, squares = 0;
  for (double value : values)
    mean += value / n;
  for (double value : values)
    squares += (value - mean) * (value - mean);
  return {mean, std::sqrt(squares / (n - 1) / n)};
}

Confidence studentMean(std::span<const double> values, double confidence) {
  double infinity = std::numeric_limits<double>::infinity();
  if (values.size() < 2)
    return {values.empty() ? 0 : values[0], -infinity, infinity};
  Spread spread = spreadOf(values);
  double reach = spread.error *
                 studentQuantile(0.5 + 0.5 * confidence, static_cast<double>(values.size() - 1));
  return {spread.mean, spread.mean - reach, spread.mean + reach};
}

double pairedT(std::span<const double> differences) {
  if (differences.size() < 2)
    return 1;
  Spread spread = spreadOf(differences);
  if (spread.error == 0)
    return spread.mean == 0 ? 1 : 0;
  double t = std::fabs(spread.mean / spread.error);
  return 2 * studentCdf(-t, static_cast<double>(differences.size() - 1));
}

/// P(X >= k) for X of n fair coins.
static double coinTail(int64_t k, int64_t n) {
  if (k <= 0)
    return 1;
  return incompleteBeta(static_cast<double>(k), static_cast<double>(n - k + 1), 0.5);
}

double mcnemarExact(int64_t onlyFirst, int64_t onlySecond) {
  int64_t n = onlyFirst + onlySecond;
  return n ? std::min(1.0, 2 * coinTail(std::max(onlyFirst, onlySecond), n)) : 1;
}

double mcnemarExactOneSided(int64_t onlyFirst, int64_t onlySecond) {
  int64_t n = onlyFirst + onlySecond;
  return n ? coinTail(onlyFirst, n) : 1;
}

Confidence wilson(int64_t successes, int64_t trials, double confidence) {
  if (trials <= 0)
    return {0, 0, 1};
  auto n = static_cast<double>(trials);
  double p = static_cast<double>(successes) / n, z = normalQuantile(0.5 + 0.5 * confidence);
  double centre = (p + z * z / (2 * n)) / (1 + z * z / n);
  double reach = z / (1 + z * z / n) * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n));
  return {p, std::max(0.0, centre - reach), std::min(1.0, centre + reach)};
}

Verdict decideAtMost(const Confidence &interval, double limit) {
  if (interval.high <= limit)
    return Verdict::Accept;
  return interval.low > limit ? Verdict::Reject : Verdict::Undecided;
}

} // namespace qcc
