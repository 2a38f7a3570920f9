// How sure a measured quality is: confidence intervals, paired tests, and the decision of a gate.
#ifndef QCC_ALGORITHMS_RESAMPLE_H
#define QCC_ALGORITHMS_RESAMPLE_H

#include <cstdint>
#include <span>

namespace qcc {

struct Confidence {
  double value = 0; ///< of the sample
  double low = 0, high = 0;
};

struct BootstrapOptions {
  double confidence =
      0.95; ///< two-sided; a one-sided bound at 1 - a is an end of the interval at 1 - 2a
  int resamples = 2000;
  uint64_t seed = 0;
  bool corrected = true; ///< BCa (Efron 1987), else plain percentiles
};

/// Interval of the mean of independent values. Differences of pairs make it a paired comparison.
Confidence bootstrapMean(std::span<const double> values, const BootstrapOptions &options = {});
/// Interval of sum(numerators) / sum(denominators), where pairs are independent: means over tokens
/// whose documents are what is drawn, for instance.
Confidence bootstrapRatio(std::span<const double> numerators, std::span<const double> denominators,
                          const BootstrapOptions &options = {});

/// Interval of the mean by Student's distribution; infinite for fewer than two values.
Confidence studentMean(std::span<const double> values, double confidence = 0.95);
/// P-value of mean = 0 against both sides, of values or differences of pairs.
double pairedT(std::span<const double> differences);

/// McNemar's test, exact: of pairs that disagree, `onlyFirst` are right in the first alone. The
/// probability of a split at least as uneven, both sides.
double mcnemarExact(int64_t onlyFirst, int64_t onlySecond);
/// The same, against the second being worse only.
double mcnemarExactOneSided(int64_t onlyFirst, int64_t onlySecond);

/// Interval of a probability (Wilson 1927).
Confidence wilson(int64_t successes, int64_t trials, double confidence = 0.95);

enum class Verdict { Accept, Reject, Undecided };
/// Whether a value is at most `limit`: accepted when even the upper bound is, rejected when even
/// the lower bound is not. The bounds are those of an interval at 2 * confidence - 1, so that each
/// error has a probability of at most 1 - confidence.
Verdict decideAtMost(const Confidence &interval, double limit);

// Distributions.
double normalQuantile(double p);
double normalCdf(double x);
double studentCdf(double t, double freedom);
double studentQuantile(double p, double freedom);
/// Regularized incomplete beta function.
double incompleteBeta(double a, double b, double x);

} // namespace qcc
#endif
