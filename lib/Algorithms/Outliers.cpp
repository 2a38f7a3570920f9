// Outliers by what they cost; see Outliers.h.
#include "qcc/Algorithms/Outliers.h"
#include "Dense.h"
#include "qcc/Algorithms/Clip.h"
#include "qcc/Algorithms/Gptq.h"
#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>

namespace qcc {

namespace {

double blockError(const Coder &coder, const float *x, const float *squares, int64_t count,
                  float super) {
  Grid grid = gridFor(coder.format(), x, count, super);
  return gridError(coder, x, squares, count, grid);
}

/// Indices of the largest magnitudes, the largest first.
std::vector<int64_t> largestOf(const float *x, int64_t count, int64_t most) {
  std::vector<int64_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  most = std::min(most, count);
  std::partial_sort(order.begin(), order.begin() + most, order.end(), [&](int64_t a, int64_t b) {
    float left = std::fabs(x[a]), right = std::fabs(x[b]);
    return left != right ? left > right : a < b;
  });
  order.resize(most);
  return order;
}

/// Of one row: what each column alone gains.
void addGains(const Coder &coder, const float *x, int64_t k, const float *squares, float super,
              double *gains) {
  const WeightFormat &format = coder.format();
  int64_t block = format.blockLength(k);
  std::vector<float> values(std::min(block, k));
  for (int64_t from = 0; from < k; from += block) {
    int64_t length = std::min(block, k - from);
    Grid grid = gridFor(format, x + from, length, super);
    double all = gridError(coder, x + from, squares + from, length, grid);
    std::vector<int64_t> largest = largestOf(x + from, length, 1);
    for (int64_t i = 0; i < length; ++i)
      gains[from + i] += gridError(coder, x + from + i, squares + from + i, 1, grid);
    // Without its largest weight the block is rounded more finely, that weight's error is gone.
    int64_t top = largest[0];
    std::copy_n(x + from, length, values.begin());
    values[top] = 0;
    gains[from + top] += all - blockError(coder, values.data(), squares + from, length, super) -
                         gridError(coder, x + from + top, squares + from + top, 1, grid);
  }
}

double activationNoise(const float *magnitudes, const std::vector<bool> &out, int64_t positions,
                       unsigned bits) {
  float largest = 0;
  for (size_t i = 0; i < out.size(); ++i)
    if (!out[i])
      largest = std::max(largest, magnitudes[i]);
  double step = static_cast<double>(largest) / ((1 << (bits - 1)) - 1);
  return static_cast<double>(positions) * step * step / 12;
}

} // namespace

std::vector<int32_t> ColumnCurve::choose(double price) const {
  size_t best = 0;
  for (size_t i = 0; i < counts.size(); ++i)
    if (errors[i] + price * counts[i] < errors[best] + price * counts[best])
      best = i;
  std::vector<int32_t> columns(order.begin(), order.begin() + counts[best]);
  std::sort(columns.begin(), columns.end());
  return columns;
}

ColumnCurve outlierColumns(const WeightFormat &format, const float *w, int64_t rows, int64_t k,
                           const float *squares, const float *magnitudes, int64_t positions,
                           unsigned activationBits, int64_t most, unsigned threads) {
  assert(format.kind != WeightKind::Codebook || !format.table.empty());
  Coder coder(format);
  std::vector<float> supers = rowSupers(format, w, rows, k);
  constexpr int64_t grain = 64;
  std::vector<double> parts((rows + grain - 1) / grain * k), gains(k);
  dense::parallelFor(threads, rows, grain, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row)
      addGains(coder, w + row * k, k, squares, supers.empty() ? 0 : supers[row],
               &parts[first / grain * k]);
  });
  for (size_t i = 0; i < parts.size(); ++i)
    gains[i % k] += parts[i];
  bool noisy = activationBits && magnitudes;
  std::vector<double> weight(k); // squares of each column
  for (int64_t i = 0; i < rows * k; ++i)
    weight[i % k] += static_cast<double>(w[i]) * w[i];
  if (noisy) { // alone, a column counts by the step it asks for
    double total = std::accumulate(weight.begin(), weight.end(), 0.0);
    for (int64_t i = 0; i < k; ++i) {
      double step = static_cast<double>(magnitudes[i]) / ((1 << (activationBits - 1)) - 1);
      gains[i] += static_cast<double>(positions) * step * step / 12 * total;
    }
  }
  ColumnCurve curve;
  curve.order.resize(k);
  std::iota(curve.order.begin(), curve.order.end(), 0);
  std::sort(curve.order.begin(), curve.order.end(), [&](int32_t a, int32_t b) {
    return gains[a] != gains[b] ? gains[a] > gains[b] : a < b;
  });
  std::vector<float> rest(w, w + rows * k);
  std::vector<bool> out(k);
  int64_t done = 0;
  for (int64_t count = 0; count <= std::min(most, k); count = count ? count * 2 : 1) {
    for (; done < count; ++done) {
      out[curve.order[done]] = true;
      for (int64_t row = 0; row < rows; ++row)
        rest[row * k + curve.order[done]] = 0;
    }
    std::vector<double> errors(rows);
    dense::parallelFor(threads, rows, grain, [&](int64_t first, int64_t last) {
      for (int64_t row = first; row < last; ++row)
        for (int64_t from = 0, block = format.blockLength(k); from < k; from += block)
          errors[row] += blockError(coder, &rest[row * k + from], squares + from,
                                    std::min(block, k - from), supers.empty() ? 0 : supers[row]);
    });
    double error = std::accumulate(errors.begin(), errors.end(), 0.0);
    if (noisy) {
      double kept = 0;
      for (int64_t i = 0; i < k; ++i)
        kept += out[i] ? 0 : weight[i];
      error += activationNoise(magnitudes, out, positions, activationBits) * kept;
    }
    curve.counts.push_back(static_cast<int32_t>(count));
    curve.errors.push_back(error);
  }
  return curve;
}

std::vector<ResidualEntry> sparseResidual(const WeightFormat &format, const float *w, int64_t rows,
                                          int64_t k, const float *squares, int64_t count,
                                          unsigned threads) {
  Coder coder(format);
  std::vector<float> supers = rowSupers(format, w, rows, k);
  int64_t block = format.blockLength(k);
  constexpr int64_t grain = 16, most = 4;
  std::vector<std::vector<ResidualEntry>> parts((rows + grain - 1) / grain);
  auto candidates = [&](int64_t row, std::vector<ResidualEntry> &into) {
    std::vector<float> values(std::min(block, k));
    float super = supers.empty() ? 0 : supers[row];
    for (int64_t from = 0; from < k; from += block) {
      int64_t length = std::min(block, k - from);
      const float *x = w + row * k + from;
      std::copy_n(x, length, values.begin());
      double errors[most + 1] = {blockError(coder, values.data(), squares + from, length, super)};
      std::vector<int64_t> largest = largestOf(x, length, most);
      for (size_t i = 0; i < largest.size(); ++i) {
        values[largest[i]] = 0;
        errors[i + 1] = blockError(coder, values.data(), squares + from, length, super);
      }
      // Gains never rise along the list: those of a steep later step are shared with the former.
      for (size_t i = 0; i < largest.size();) {
        size_t to = i + 1;
        auto rate = [&](size_t end) {
          return (errors[i] - errors[end]) / static_cast<double>(end - i);
        };
        for (size_t end = i + 2; end <= largest.size(); ++end)
          if (rate(end) > rate(to))
            to = end;
        double gain = rate(to);
        if (!(gain > 0))
          break;
        for (; i < to; ++i)
          into.push_back({static_cast<int32_t>(row), static_cast<int32_t>(from + largest[i]),
                          x[largest[i]], gain});
      }
    }
  };
  dense::parallelFor(threads, rows, grain, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row)
      candidates(row, parts[first / grain]);
  });
  std::vector<ResidualEntry> entries;
  for (const auto &part : parts)
    entries.insert(entries.end(), part.begin(), part.end());
  auto byPlace = [](const ResidualEntry &a, const ResidualEntry &b) {
    return a.row != b.row ? a.row < b.row : a.column < b.column;
  };
  std::sort(entries.begin(), entries.end(), [&](const ResidualEntry &a, const ResidualEntry &b) {
    return a.gain != b.gain ? a.gain > b.gain : byPlace(a, b);
  });
  if (static_cast<int64_t>(entries.size()) > count)
    entries.resize(count);
  std::sort(entries.begin(), entries.end(), byPlace);
  return entries;
}

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
