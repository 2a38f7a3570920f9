// Sums over calibration data; see Moments.h.
#include "qcc/Algorithms/Moments.h"
#include "Clones.h"
#include "Dense.h"
#include <algorithm>
#include <cmath>

namespace qcc {

namespace {

constexpr int64_t kRows = 256;

QCC_CLONES void addChannels(const float *x, int64_t k, double *values, double *squares,
                            double *magnitudes, float *largest) {
  for (int64_t i = 0; i < k; ++i) {
    double value = x[i];
    float magnitude = std::fabs(x[i]);
    values[i] += value;
    squares[i] += value * value;
    magnitudes[i] += magnitude;
    largest[i] = magnitude > largest[i] ? magnitude : largest[i];
  }
}

} // namespace

ProductSum::ProductSum(int64_t k, bool symmetric)
    : k(k), symmetric(symmetric), left(k * kRows), right(k * kRows), sum(k * k) {}

void ProductSum::add(const float *x, const float *y, int64_t rows, const uint8_t *mask,
                     unsigned threads) {
  if (symmetric)
    y = x;
  for (int64_t row = 0; row < rows; ++row) {
    if (mask && !mask[row])
      continue;
    for (int64_t i = 0; i < k; ++i)
      left[i * kRows + pending] = x[row * k + i];
    std::copy_n(y + row * k, k, &right[pending * k]);
    ++seen;
    if (++pending == kRows)
      flush(threads);
  }
}

void ProductSum::flush(unsigned threads) {
  if (!pending)
    return;
  constexpr int64_t strip = 64;
  std::vector<float> products(k * k);
  dense::addProduct(dense::View<float>{products.data(), k, k, k},
                    dense::View<const float>{left.data(), k, pending, kRows},
                    dense::View<const float>{right.data(), pending, k, k}, 1.0f, threads,
                    symmetric ? dense::Part::Lower : dense::Part::All);
  dense::parallelFor(threads, k, strip, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i)
      for (int64_t j = 0; j < (symmetric ? i + 1 : k); ++j)
        sum[i * k + j] += products[i * k + j];
  });
  pending = 0;
}

const std::vector<double> &ProductSum::finish(unsigned threads) {
  flush(threads);
  if (symmetric)
    for (int64_t i = 0; i < k; ++i)
      for (int64_t j = 0; j < i; ++j)
        sum[j * k + i] = sum[i * k + j];
  return sum;
}

void ChannelSums::add(const float *x, int64_t count, const uint8_t *mask) {
  auto k = static_cast<int64_t>(values.size());
  for (int64_t row = 0; row < count; ++row) {
    if (mask && !mask[row])
      continue;
    addChannels(x + row * k, k, values.data(), squares.data(), magnitudes.data(), largest.data());
    ++rows;
  }
}

} // namespace qcc
