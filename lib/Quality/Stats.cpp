// The mathematics of measurements.
#include "qcc/Quality/Stats.h"
#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

using namespace qcc::quality;
using llvm::ArrayRef;

double qcc::quality::mean(ArrayRef<double> values) {
  return values.empty() ? std::numeric_limits<double>::quiet_NaN()
                        : std::accumulate(values.begin(), values.end(), 0.0) / values.size();
}

double qcc::quality::covariance(ArrayRef<double> a, ArrayRef<double> b) {
  assert(a.size() == b.size());
  if (a.size() < 2)
    return 0;
  double meanA = mean(a), meanB = mean(b), sum = 0;
  for (size_t i = 0; i < a.size(); ++i)
    sum += (a[i] - meanA) * (b[i] - meanB);
  return sum / static_cast<double>(a.size() - 1);
}

double qcc::quality::variance(ArrayRef<double> values) { return covariance(values, values); }

double qcc::quality::quantile(std::vector<double> values, double q) {
  if (values.empty())
    return std::numeric_limits<double>::quiet_NaN();
  std::sort(values.begin(), values.end());
  double position = q * static_cast<double>(values.size() - 1);
  size_t low = static_cast<size_t>(position), high = std::min(low + 1, values.size() - 1);
  return values[low] + (position - static_cast<double>(low)) * (values[high] - values[low]);
}

double qcc::quality::pearson(ArrayRef<double> a, ArrayRef<double> b) {
  return covariance(a, b) / std::sqrt(variance(a) * variance(b));
}

std::vector<double> qcc::quality::averageRanks(ArrayRef<double> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](size_t i, size_t j) { return values[i] < values[j]; });
  std::vector<double> ranks(values.size());
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin + 1;
    while (end < order.size() && values[order[end]] == values[order[begin]])
      ++end;
    for (size_t i = begin; i < end; ++i)
      ranks[order[i]] = 0.5 * static_cast<double>(begin + 1 + end);
    begin = end;
  }
  return ranks;
}

double qcc::quality::spearman(ArrayRef<double> a, ArrayRef<double> b) {
  return pearson(averageRanks(a), averageRanks(b));
}

double qcc::quality::cosine(ArrayRef<double> a, ArrayRef<double> b) {
  assert(a.size() == b.size());
  double dot = 0, normA = 0, normB = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    dot += a[i] * b[i];
    normA += a[i] * a[i];
    normB += b[i] * b[i];
  }
  return normA > 0 && normB > 0 ? dot / std::sqrt(normA * normB) : 0;
}

void qcc::quality::logSoftmax(std::vector<double> &logits) {
  if (logits.empty())
    return;
  double top = *std::max_element(logits.begin(), logits.end()), sum = 0;
  for (double value : logits)
    sum += std::exp(value - top);
  double shift = top + std::log(sum);
  for (double &value : logits)
    value -= shift;
}

double qcc::quality::klDivergence(ArrayRef<double> logP, ArrayRef<double> logQ) {
  assert(logP.size() == logQ.size());
  double sum = 0;
  for (size_t i = 0; i < logP.size(); ++i) {
    double p = std::exp(logP[i]);
    if (p > 0)
      sum += p * (logP[i] - logQ[i]);
  }
  return sum;
}

int64_t qcc::quality::argmax(ArrayRef<double> values) {
  return std::max_element(values.begin(), values.end()) - values.begin();
}

Estimate qcc::quality::perplexity(ArrayRef<double> nll) {
  double value = std::exp(mean(nll));
  return {value, value * std::sqrt(variance(nll) / static_cast<double>(nll.size()))};
}

Estimate qcc::quality::perplexityDifference(ArrayRef<double> a, ArrayRef<double> b) {
  double pplA = std::exp(mean(a)), pplB = std::exp(mean(b));
  double spread =
      pplA * pplA * variance(a) + pplB * pplB * variance(b) - 2 * pplA * pplB * covariance(a, b);
  return {pplA - pplB, std::sqrt(std::max(0.0, spread) / static_cast<double>(a.size()))};
}

Classification qcc::quality::classify(ArrayRef<int64_t> predicted, ArrayRef<int64_t> labels) {
  assert(predicted.size() == labels.size());
  Classification result;
  int64_t right = 0;
  std::set<int64_t> classes;
  for (size_t i = 0; i < labels.size(); ++i) {
    right += predicted[i] == labels[i];
    classes.insert({predicted[i], labels[i]});
  }
  result.accuracy = labels.empty() ? 0 : static_cast<double>(right) / labels.size();
  auto f1 = [&](int64_t which) {
    int64_t both = 0, said = 0, is = 0;
    for (size_t i = 0; i < labels.size(); ++i) {
      both += predicted[i] == which && labels[i] == which;
      said += predicted[i] == which;
      is += labels[i] == which;
    }
    return said + is ? 2.0 * static_cast<double>(both) / static_cast<double>(said + is) : 0.0;
  };
  bool binary = !classes.empty() && *classes.begin() >= 0 && *classes.rbegin() <= 1;
  if (binary) {
    result.f1 = f1(1);
    return result;
  }
  for (int64_t which : classes)
    result.f1 += f1(which) / static_cast<double>(classes.size());
  return result;
}
