// Dense products, Cholesky factors and triangular inverses; see Dense.h.
#include "Dense.h"
#include "Clones.h"
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <thread>

namespace qcc::dense {

void parallelFor(unsigned threads, int64_t count, int64_t grain,
                 const std::function<void(int64_t, int64_t)> &body) {
  if (count <= 0)
    return;
  grain = std::max<int64_t>(1, grain);
  int64_t pieces = (count + grain - 1) / grain;
  if (threads == 0)
    threads = std::max(1u, std::thread::hardware_concurrency());
  threads = static_cast<unsigned>(std::min<int64_t>(threads, pieces));
  std::atomic<int64_t> next{0};
  auto work = [&] {
    for (int64_t piece = next++; piece < pieces; piece = next++)
      body(piece * grain, std::min(count, (piece + 1) * grain));
  };
  std::vector<std::thread> others;
  for (unsigned i = 1; i < threads; ++i)
    others.emplace_back(work);
  work();
  for (std::thread &thread : others)
    thread.join();
}

namespace {

/// Columns of b that a packed tile holds: 64 bytes.
template <typename T> constexpr int64_t kTile = 64 / static_cast<int64_t>(sizeof(T));
constexpr int64_t kDepth = 256;

template <typename T, int64_t Bytes> using Vector [[gnu::vector_size(Bytes)]] = T;

/// c[Rows][tile] += sign * a[Rows][depth] * b[depth][tile], in vectors of some bytes; what a number
/// is does not depend on Rows or Bytes.
template <typename T, int64_t Rows, int64_t Bytes>
[[gnu::always_inline]] inline void tileProduct(T *c, int64_t cStride, const T *a, int64_t aStride,
                                               const T *b, int64_t depth, int64_t columns, T sign) {
  constexpr int64_t tile = kTile<T>, parts = 64 / Bytes;
  using Lanes = Vector<T, Bytes>;
  Lanes sums[Rows][parts] = {};
  for (int64_t p = 0; p < depth; ++p) {
    Lanes row[parts];
    std::memcpy(row, b + p * tile, sizeof row);
    for (int64_t i = 0; i < Rows; ++i)
      for (int64_t j = 0; j < parts; ++j)
        sums[i][j] += a[i * aStride + p] * row[j];
  }
  for (int64_t i = 0; i < Rows; ++i) {
    T numbers[tile];
    std::memcpy(numbers, sums[i], sizeof numbers);
    for (int64_t j = 0; j < columns; ++j)
      c[i * cStride + j] += sign * numbers[j];
  }
}

/// All rows [first, last) of one tile of columns.
template <typename T, int64_t Rows, int64_t Bytes>
[[gnu::always_inline]] inline void tileColumn(View<T> c, View<const T> a, const T *tile,
                                              int64_t depth, int64_t first, int64_t last,
                                              int64_t column, T sign) {
  int64_t width = std::min(kTile<T>, c.columns - column), i = first;
  for (; i + Rows <= last; i += Rows)
    tileProduct<T, Rows, Bytes>(c.row(i) + column, c.stride, a.row(i), a.stride, tile, depth, width,
                                sign);
  for (; i < last; ++i)
    tileProduct<T, 1, Bytes>(c.row(i) + column, c.stride, a.row(i), a.stride, tile, depth, width,
                             sign);
}

#define QCC_TILE_ARGUMENTS(T)                                                                      \
  View<T> c, View<const T> a, const T *tile, int64_t depth, int64_t first, int64_t last,           \
      int64_t column, T sign
#define QCC_TILE_FORWARD c, a, tile, depth, first, last, column, sign

QCC_CLONES void tileColumn32(QCC_TILE_ARGUMENTS(float)) {
  tileColumn<float, 4, 32>(QCC_TILE_FORWARD);
}
QCC_CLONES void tileColumn64(QCC_TILE_ARGUMENTS(double)) {
  tileColumn<double, 4, 32>(QCC_TILE_FORWARD);
}

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)
__attribute__((target("arch=x86-64-v4"))) void wideColumn32(QCC_TILE_ARGUMENTS(float)) {
  tileColumn<float, 8, 64>(QCC_TILE_FORWARD);
}
__attribute__((target("arch=x86-64-v4"))) void wideColumn64(QCC_TILE_ARGUMENTS(double)) {
  tileColumn<double, 8, 64>(QCC_TILE_FORWARD);
}
bool hasWide() { return __builtin_cpu_supports("x86-64-v4"); }
#else
constexpr auto wideColumn32 = tileColumn32;
constexpr auto wideColumn64 = tileColumn64;
bool hasWide() { return false; }
#endif

template <typename T, typename F>
void product(View<T> c, View<const T> a, View<const T> b, T sign, unsigned threads, Part part,
             F column) {
  constexpr int64_t tile = kTile<T>, strip = 64;
  int64_t tiles = (c.columns + tile - 1) / tile;
  std::vector<T> packed(tiles * tile * std::min(kDepth, b.rows));
  for (int64_t from = 0; from < b.rows; from += kDepth) {
    int64_t depth = std::min(kDepth, b.rows - from);
    parallelFor(threads, tiles, 16, [&](int64_t first, int64_t last) {
      for (int64_t t = first; t < last; ++t)
        for (int64_t p = 0; p < depth; ++p)
          for (int64_t j = 0; j < tile; ++j)
            packed[(t * depth + p) * tile + j] =
                t * tile + j < c.columns ? b.row(from + p)[t * tile + j] : T(0);
    });
    View<const T> slice{a.data + from, a.rows, depth, a.stride};
    parallelFor(threads, c.rows, strip, [&](int64_t first, int64_t last) {
      for (int64_t t = 0; t < tiles; ++t)
        if (part == Part::All || t * tile < last)
          column(c, slice, packed.data() + t * depth * tile, depth, first, last, t * tile, sign);
    });
  }
}

} // namespace

void addProduct(View<float> c, View<const float> a, View<const float> b, float sign,
                unsigned threads, Part part) {
  product(c, a, b, sign, threads, part, hasWide() ? wideColumn32 : tileColumn32);
}

void addProduct(View<double> c, View<const double> a, View<const double> b, double sign,
                unsigned threads, Part part) {
  product(c, a, b, sign, threads, part, hasWide() ? wideColumn64 : tileColumn64);
}

namespace {

constexpr int64_t kPanelWidth = 64;

bool factorDiagonal(double *a, int64_t n, int64_t stride) {
  for (int64_t j = 0; j < n; ++j) {
    double *row = a + j * stride, pivot = row[j];
    for (int64_t p = 0; p < j; ++p)
      pivot -= row[p] * row[p];
    if (!(pivot > 0) || !std::isfinite(pivot))
      return false;
    row[j] = std::sqrt(pivot);
    for (int64_t i = j + 1; i < n; ++i) {
      double *below = a + i * stride, sum = below[j];
      for (int64_t p = 0; p < j; ++p)
        sum -= below[p] * row[p];
      below[j] = sum / row[j];
    }
  }
  return true;
}

} // namespace

bool cholesky(double *a, int64_t n, unsigned threads) {
  std::vector<double> transposed;
  for (int64_t j = 0; j < n; j += kPanelWidth) {
    int64_t width = std::min(kPanelWidth, n - j), below = n - j - width;
    double *diagonal = a + j * n + j;
    if (!factorDiagonal(diagonal, width, n))
      return false;
    double *panel = a + (j + width) * n + j;
    transposed.resize(width * below);
    parallelFor(threads, below, 64, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i)
        for (int64_t p = 0; p < width; ++p) {
          double *row = panel + i * n, sum = row[p];
          const double *factor = diagonal + p * n;
          for (int64_t q = 0; q < p; ++q)
            sum -= row[q] * factor[q];
          row[p] = sum / factor[p];
          transposed[p * below + i] = row[p];
        }
    });
    addProduct(
        View<double>{panel + width, below, below, n}, View<const double>{panel, below, width, n},
        View<const double>{transposed.data(), width, below, below}, -1.0, threads, Part::Lower);
  }
  return true;
}

void invertLower(double *a, int64_t n, unsigned threads) {
  std::vector<double> sums;
  double factor[kPanelWidth * kPanelWidth];
  for (int64_t i = 0; i < n; ++i)
    std::fill(a + i * n + i + 1, a + (i + 1) * n, 0.0);
  for (int64_t i = 0; i < n; i += kPanelWidth) {
    int64_t width = std::min(kPanelWidth, n - i);
    double *row = a + i * n, *diagonal = row + i;
    // L_ii X_i = -L_i,0..i X_0..i, where X_0..i stands already above.
    sums.assign(width * i, 0.0);
    if (i)
      addProduct(View<double>{sums.data(), width, i, i}, View<const double>{row, width, i, n},
                 View<const double>{a, i, i, n}, -1.0, threads);
    parallelFor(threads, i, 256, [&](int64_t first, int64_t last) {
      for (int64_t p = 0; p < width; ++p) {
        for (int64_t q = 0; q < p; ++q)
          for (int64_t j = first; j < last; ++j)
            sums[p * i + j] -= diagonal[p * n + q] * sums[q * i + j];
        for (int64_t j = first; j < last; ++j)
          sums[p * i + j] /= diagonal[p * n + p];
      }
    });
    for (int64_t p = 0; p < width; ++p)
      std::copy_n(sums.data() + p * i, i, row + p * n);
    for (int64_t p = 0; p < width; ++p)
      std::copy_n(diagonal + p * n, width, factor + p * kPanelWidth);
    for (int64_t j = 0; j < width; ++j)
      for (int64_t p = j; p < width; ++p) {
        double sum = p == j ? 1.0 : 0.0;
        for (int64_t q = j; q < p; ++q)
          sum -= factor[p * kPanelWidth + q] * diagonal[q * n + j];
        diagonal[p * n + j] = sum / factor[p * kPanelWidth + p];
      }
  }
}

} // namespace qcc::dense
