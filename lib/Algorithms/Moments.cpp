// Sums over calibration data; see Moments.h.
#include "qcc/Algorithms/Moments.h"
#include "Clones.h"
#include "Dense.h"
#include <algorithm>
#include <cmath>

namespace qcc {

namespace {

constexpr int64_t kRows = 256;
constexpr int64_t kStrip = 1024;

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
  // Strips of rows bound the memory of products, which is kept: fresh pages cost more than sums.
  for (int64_t from = 0; from < k; from += kStrip) {
    int64_t count = std::min(kStrip, k - from), columns = symmetric ? from + count : k;
    products.assign(count * columns, 0.0f);
    dense::addProduct(dense::View<float>{products.data(), count, columns, columns},
                      dense::View<const float>{&left[from * kRows], count, pending, kRows},
                      dense::View<const float>{right.data(), pending, columns, k}, 1.0f, threads);
    dense::parallelFor(threads, count, 64, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        double *row = &sum[(from + i) * k];
        const float *add = &products[i * columns];
        for (int64_t j = 0; j < (symmetric ? from + i + 1 : k); ++j)
          row[j] += add[j];
      }
    });
  }
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
