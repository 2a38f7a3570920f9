// Stochastic and learned rounding; see Rounding.h.
#include "qcc/Algorithms/Rounding.h"
#include "Dense.h"
#include "qcc/Algorithms/Clip.h"
#include "qcc/Algorithms/Philox.h"
#include <algorithm>
#include <cmath>

namespace qcc {

using dense::parallelFor;
using dense::View;

namespace {

/// The neighbour above with the probability of the place between both.
uint8_t drawCode(const Coder &coder, float x, Grid grid, float uniform) {
  const std::vector<uint8_t> &order = coder.ordered();
  if (!(grid.scale > 0) || !std::isfinite(grid.scale) || x != x)
    return coder.nearest(0.0f, grid);
  float value = x / grid.scale + grid.zero;
  auto above = std::upper_bound(order.begin(), order.end(), value,
                                [&](float v, uint8_t code) { return v < coder.value(code); });
  if (above == order.begin())
    return order.front();
  if (above == order.end())
    return order.back();
  float low = coder.value(*(above - 1)), high = coder.value(*above);
  return uniform * (high - low) < value - low ? *above : *(above - 1);
}

} // namespace

EncodedRows stochasticRows(const WeightFormat &format, const float *x, int64_t rows, int64_t k,
                           uint64_t seed, std::string_view name, unsigned threads) {
  EncodedRows out = encodeRows(format, x, rows, k);
  WeightFormat full = format;
  full.table = out.table;
  Coder coder(full);
  RandomStream random(seed, name);
  int64_t block = format.blockLength(k);
  parallelFor(threads, rows, 64, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row)
      for (int64_t i = 0; i < k; ++i) {
        Grid grid = gridAt(full, out, row, i / block);
        auto index = static_cast<uint64_t>(row * k + i);
        out.codes[index] = drawCode(coder, x[index], grid, random.uniform(index));
      }
  });
  return out;
}

void signRound(const WeightFormat &format, const float *w, EncodedRows &q, const double *h,
               const SignRoundOptions &options, unsigned threads) {
  int64_t rows = q.rows, k = q.k, block = format.blockLength(k);
  WeightFormat full = format;
  full.table = q.table;
  Coder coder(full);
  double largest = 0;
  for (int64_t i = 0; i < k; ++i)
    largest = std::max(largest, h[i * k + i]);
  if (!(largest > 0) || !std::isfinite(largest))
    return;
  std::vector<float> second(k * k), errors(rows * k), gradient(rows * k), offsets(rows * k);
  for (int64_t i = 0; i < k * k; ++i)
    second[i] = static_cast<float>(h[i] / largest);
  std::vector<uint8_t> codes = q.codes;
  std::vector<double> best(rows, INFINITY);
  for (int step = 0; step <= options.steps; ++step) {
    parallelFor(threads, rows, 16, [&](int64_t first, int64_t last) {
      for (int64_t i = first * k; i < last * k; ++i) {
        Grid grid = gridAt(full, q, i / k, i % k / block);
        if (step > 0) // what stands is tried first
          codes[i] = coder.nearest(w[i] + offsets[i] * grid.scale, grid);
        errors[i] = w[i] - coder.decode(codes[i], grid);
      }
    });
    std::fill(gradient.begin(), gradient.end(), 0.0f);
    dense::addProduct(View<float>{gradient.data(), rows, k, k},
                      View<const float>{errors.data(), rows, k, k},
                      View<const float>{second.data(), k, k, k}, 1.0f, threads);
    double rate =
        2 * options.reach / options.steps * (1 - static_cast<double>(step) / (options.steps + 1));
    parallelFor(threads, rows, 16, [&](int64_t first, int64_t last) {
      for (int64_t row = first; row < last; ++row) {
        double sum = 0;
        for (int64_t i = row * k; i < (row + 1) * k; ++i)
          sum += static_cast<double>(errors[i]) * gradient[i];
        if (sum < best[row]) {
          best[row] = sum;
          std::copy_n(&codes[row * k], k, &q.codes[row * k]);
        }
        for (int64_t i = row * k; i < (row + 1) * k; ++i) {
          float sign = gradient[i] > 0 ? 1.0f : gradient[i] < 0 ? -1.0f : 0.0f;
          auto reach = static_cast<float>(options.reach);
          offsets[i] = std::clamp(offsets[i] + static_cast<float>(rate) * sign, -reach, reach);
        }
      }
    });
  }
}

} // namespace qcc
