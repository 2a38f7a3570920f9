// From series of figures to metrics with confidence intervals, and to decisions on limits.
#ifndef QCC_QUALITY_ESTIMATE_H
#define QCC_QUALITY_ESTIMATE_H

#include "qcc/Quality/GateResult.h"
#include "qcc/Quality/Series.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include <array>

namespace qcc::quality {

/// What a metric is computed from: units that are drawn independently (samples, or blocks of
/// predictions where there are few samples), each with a few numbers.
struct Units {
  Metric metric = Metric::Kld;
  std::string output;
  /// accuracy: right, 1, right by the reference · f1: predicted, label, predicted by the reference
  /// · spearman: similarity, gold, similarity by the reference · ppl: sum of nll, count, sum of the
  /// reference's · kld, top1, cosine: sum, count · sqnr: signal, noise · cmd: value, 1, reference's
  std::vector<std::array<double, 3>> rows;
  bool hasReference = false; ///< the third number counts
  int64_t samples = 0;       ///< runs
  int64_t predictions = 0;   ///< what a mean of 0s and 1s is made of (accuracy, top1), and tokens
  std::optional<double> tail;
};

Units tokenUnits(const TokenSeries &series, Metric metric);   ///< ppl, kld, top1
Units outputUnits(const OutputSeries &series, Metric metric); ///< kld, top1, cosine, sqnr
Units labelUnits(const LabelSeries &series, Metric metric);   ///< accuracy, f1
Units pairUnits(const PairSeries &series);                    ///< spearman

/// The metric of a selection of units (indices may repeat), of the model or of the reference.
double metricOf(const Units &units, llvm::ArrayRef<uint32_t> picked, bool reference = false);
/// Of all units.
double metricOf(const Units &units, bool reference = false);
/// Whether the metric follows from the means of the units' numbers, and how.
bool followsFromMeans(Metric metric);
double metricFromMeans(Metric metric, const std::array<double, 3> &means, bool reference = false);

/// A value with two-sided ends and one-sided bounds, all at the same confidence.
struct Interval {
  double value = 0, low = 0, high = 0;
  double lower = 0, upper = 0; ///< with `confidence` the truth is not below, not above
};
/// Bootstrap over units of any statistic of a selection. Ends are BCa (Efron, "Better bootstrap
/// confidence intervals", JASA 1987, section 4, with the jackknife's acceleration). One-sided
/// bounds are the outer of the BCa end and Student's by the jackknife's standard error, since the
/// bootstrap alone is too sure of few units. Infinite for fewer than two.
Interval bootstrap(uint32_t units,
                   llvm::function_ref<double(llvm::ArrayRef<uint32_t> picked)> statistic,
                   double confidence, uint64_t seed = 0, unsigned resamples = 2000);

/// The same for a smooth function of the means of the units' numbers, which all metrics but f1 and
/// spearman are. One-sided bounds also contain the studentized bootstrap's (Hall, "Theoretical
/// comparison of bootstrap confidence intervals", Annals of Statistics 1988), which knows that
/// skewed figures such as divergences are mostly small and sometimes large.
using Means = std::array<double, 3>;
Interval bootstrapMeans(llvm::ArrayRef<Means> units,
                        llvm::function_ref<double(const Means &)> function, double confidence,
                        uint64_t seed = 0, unsigned resamples = 2000);

/// Upper bound of the median: the order statistic that lies below it with a probability of at most
/// 1 - confidence, whatever the distribution; infinite for too few values.
double medianBound(std::vector<double> values, double confidence);

/// Upper bound of P(first only) - P(second only) of n pairs that disagree so many times each way:
/// the score bound of Tango, "Equivalence test and confidence interval for the difference in
/// proportions for the paired-sample design", Statistics in Medicine 17 (1998), equation 13.
double pairedDifferenceBound(int64_t onlyFirst, int64_t onlySecond, int64_t n, double confidence);

Measurement estimate(const Units &units, double confidence, llvm::StringRef name = "",
                     unsigned resamples = 2000);

/// Decides one limit by the one-sided bound of the limited quantity: a model outside the limit is
/// accepted with probability at most 1 - confidence. `lenient` decides on the value alone when
/// there are too few units for a bound (the guard stops ruin only). For fewer than 30 units the
/// bound is taken at half the error: on so few, every approximation is a little too sure.
SetResult decide(const Units &units, const GateSet &set, double confidence, bool lenient = false,
                 unsigned resamples = 2000);

} // namespace qcc::quality
#endif
