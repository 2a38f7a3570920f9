// Rows by what more bits gain them; see Promotion.h.
#include "qcc/Algorithms/Promotion.h"
#include "qcc/Algorithms/Gptq.h"
#include <algorithm>
#include <numeric>

namespace qcc {

std::vector<double> rowScores(const WeightFormat &low, const WeightFormat &high, const float *w,
                              int64_t rows, int64_t k, const double *h, const double *rowWeights,
                              unsigned threads) {
  std::vector<double> scores = rowObjectives(low, w, encodeRows(low, w, rows, k), h, threads);
  std::vector<double> better = rowObjectives(high, w, encodeRows(high, w, rows, k), h, threads);
  for (int64_t row = 0; row < rows; ++row)
    scores[row] = (scores[row] - better[row]) * (rowWeights ? rowWeights[row] : 1);
  return scores;
}

std::vector<int32_t> promoteRows(const std::vector<double> &scores, int64_t count) {
  std::vector<int32_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
  });
  order.resize(std::min<size_t>(order.size(), static_cast<size_t>(std::max<int64_t>(count, 0))));
  std::sort(order.begin(), order.end());
  return order;
}

} // namespace qcc
