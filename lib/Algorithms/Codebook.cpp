// Learned tables of codebooks: one-dimensional k-means over a histogram, solved exactly.
#include "qcc/Algorithms/WeightCodec.h"
#include <algorithm>
#include <cmath>
#include <limits>

namespace qcc {

namespace {

constexpr int64_t kCells = 8192;

/// Weighted sums of the numbers up to each cell.
struct Moments {
  std::vector<double> weight, first, second;
  Moments() : weight(kCells + 1), first(kCells + 1), second(kCells + 1) {}
  /// Weighted squares about the mean of cells [from, to).
  double cost(int64_t from, int64_t to) const {
    double w = weight[to] - weight[from], s = first[to] - first[from];
    if (w <= 0)
      return 0;
    return std::max(0.0, second[to] - second[from] - s * s / w);
  }
  double mean(int64_t from, int64_t to) const {
    double w = weight[to] - weight[from];
    if (w > 0)
      return (first[to] - first[from]) / w;
    return (static_cast<double>(from + to) / kCells) - 1;
  }
};

Moments momentsOf(const WeightFormat &format, const float *x, int64_t rows, int64_t k,
                  const float *importance) {
  Moments moments;
  int64_t block = format.blockLength(k), blocks = format.blocks(k);
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t b = 0; b < blocks; ++b) {
      const float *from = x + row * k + b * block;
      int64_t length = std::min(block, k - b * block);
      float absmax = roundScale(format, rawScale(format, from, length), 0);
      if (format.super) // the second level adds nothing to where the values lie
        absmax = rawScale(format, from, length);
      if (!(absmax > 0) || !std::isfinite(absmax))
        continue;
      for (int64_t i = 0; i < length; ++i) {
        double value = static_cast<double>(from[i]) / absmax;
        if (!(value == value))
          continue;
        double weight = static_cast<double>(absmax) * absmax;
        if (importance)
          weight *= importance[b * block + i];
        // Beside a denormal absmax a quotient can be infinite: bounded before it is an integer.
        double place = std::clamp((value + 1) * (kCells / 2), 0.0, kCells - 1.0);
        auto cell = static_cast<int64_t>(place);
        moments.weight[cell + 1] += weight;
        moments.first[cell + 1] += weight * value;
        moments.second[cell + 1] += weight * value * value;
      }
    }
  for (int64_t i = 0; i < kCells; ++i) {
    moments.weight[i + 1] += moments.weight[i];
    moments.first[i + 1] += moments.first[i];
    moments.second[i + 1] += moments.second[i];
  }
  return moments;
}

/// One more cluster: next[j] = min over i <= j of best[i] + cost(i, j). The best i never falls as j
/// rises, so halving finds all in n log n (Ckmeans.1d.dp, Wang and Song 2011, and later versions).
struct Layer {
  const Moments &moments;
  const std::vector<double> &best;
  std::vector<double> &next;
  std::vector<int32_t> &split;
  void solve(int64_t low, int64_t high, int64_t first, int64_t last) {
    if (low > high)
      return;
    int64_t middle = (low + high) / 2, at = first;
    double least = std::numeric_limits<double>::infinity();
    for (int64_t i = first; i <= std::min(middle, last); ++i) {
      double cost = best[i] + moments.cost(i, middle);
      if (cost < least) {
        least = cost;
        at = i;
      }
    }
    next[middle] = least;
    split[middle] = static_cast<int32_t>(at);
    solve(low, middle - 1, first, at);
    solve(middle + 1, high, at, last);
  }
};

} // namespace

std::vector<float> learnTable(const WeightFormat &format, const float *x, int64_t rows, int64_t k,
                              const float *importance) {
  WeightFormat plain = format;
  plain.table.clear();
  Moments moments = momentsOf(plain, x, rows, k, importance);
  int64_t clusters = int64_t(1) << format.bits;
  std::vector<double> best(kCells + 1), next(kCells + 1);
  std::vector<std::vector<int32_t>> splits(clusters, std::vector<int32_t>(kCells + 1));
  for (int64_t j = 0; j <= kCells; ++j)
    best[j] = moments.cost(0, j);
  for (int64_t c = 1; c < clusters; ++c) {
    Layer{moments, best, next, splits[c]}.solve(0, kCells, 0, kCells);
    best.swap(next);
  }
  std::vector<float> table(clusters);
  int64_t end = kCells;
  for (int64_t c = clusters; c-- > 0;) {
    int64_t from = splits[c][end];
    table[c] = static_cast<float>(moments.mean(from, end));
    end = from;
  }
  std::sort(table.begin(), table.end());       // empty clusters may stand anywhere
  if (table.front() == 0 && table.back() == 0) // nothing but zeros
    table.back() = 1;
  return table;
}

} // namespace qcc
