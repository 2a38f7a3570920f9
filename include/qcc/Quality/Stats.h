// The mathematics of measurements: plain functions over numbers, all in f64.
#ifndef QCC_QUALITY_STATS_H
#define QCC_QUALITY_STATS_H

#include "llvm/ADT/ArrayRef.h"
#include <cstdint>
#include <vector>

namespace qcc::quality {

double mean(llvm::ArrayRef<double> values);
/// With n - 1; 0 for fewer than two values.
double variance(llvm::ArrayRef<double> values);
double covariance(llvm::ArrayRef<double> a, llvm::ArrayRef<double> b);
/// Linear interpolation between order statistics, 0 <= q <= 1 (Hyndman and Fan's type 7).
double quantile(std::vector<double> values, double q);

/// NaN when either side is constant.
double pearson(llvm::ArrayRef<double> a, llvm::ArrayRef<double> b);
/// Ranks from 1; ties share the average of theirs.
std::vector<double> averageRanks(llvm::ArrayRef<double> values);
double spearman(llvm::ArrayRef<double> a, llvm::ArrayRef<double> b);

/// 0 when either vector is zero.
double cosine(llvm::ArrayRef<double> a, llvm::ArrayRef<double> b);

/// In place: log-softmax, natural logarithm.
void logSoftmax(std::vector<double> &logits);
/// KL(p || q) from log-probabilities, natural logarithm.
double klDivergence(llvm::ArrayRef<double> logP, llvm::ArrayRef<double> logQ);
/// The first index of the largest value.
int64_t argmax(llvm::ArrayRef<double> values);

/// A value with its standard error.
struct Estimate {
  double value = 0, standardError = 0;
};
/// exp(mean) of negative log-likelihoods; the error by the delta method.
Estimate perplexity(llvm::ArrayRef<double> nll);
/// perplexity(a) - perplexity(b) of paired likelihoods; the error by the delta method with their
/// covariance.
Estimate perplexityDifference(llvm::ArrayRef<double> a, llvm::ArrayRef<double> b);

struct Classification {
  double accuracy = 0;
  double f1 = 0; ///< of class 1 when there are two classes, else the macro average
};
Classification classify(llvm::ArrayRef<int64_t> predicted, llvm::ArrayRef<int64_t> labels);

/// 97.5 % point of the normal distribution, for 95 % intervals.
constexpr double z95 = 1.959963984540054;

} // namespace qcc::quality
#endif
