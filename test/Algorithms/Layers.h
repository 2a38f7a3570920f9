// Layers with correlated inputs for tests of methods.
#ifndef QCC_TEST_ALGORITHMS_LAYERS_H
#define QCC_TEST_ALGORITHMS_LAYERS_H

#include "qcc/Algorithms/WeightCodec.h"
#include <Eigen/Dense>
#include <gtest/gtest.h>
#include <random>
#include <vector>

namespace qcc::test {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

struct TestLayer {
  int64_t rows, k;
  std::vector<float> w;
  std::vector<double> h; ///< sum of x xᵀ
  const float *row(int64_t i) const { return w.data() + i * k; }
  Matrix hessian() const { return Eigen::Map<const Matrix>(h.data(), k, k); }
};

/// Inputs mix a few common directions with noise, and some channels are far larger than others.
inline TestLayer makeLayer(int64_t rows, int64_t k, int64_t tokens, unsigned seed = 5) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  TestLayer layer{rows, k, {}, {}};
  for (int64_t i = 0; i < rows * k; ++i)
    layer.w.push_back(static_cast<float>(0.05 * normal(random)));
  int64_t common = std::max<int64_t>(1, k / 4);
  Matrix mix(common, k), x(tokens, k);
  for (double &value : mix.reshaped())
    value = normal(random);
  for (int64_t t = 0; t < tokens; ++t) {
    Eigen::RowVectorXd source(common);
    for (double &value : source)
      value = normal(random);
    x.row(t) = source * mix;
    for (int64_t i = 0; i < k; ++i)
      x(t, i) = (x(t, i) + 0.7 * normal(random)) * (i % 13 == 0 ? 8 : 1);
  }
  Matrix h = x.transpose() * x;
  layer.h.assign(h.data(), h.data() + k * k);
  return layer;
}

/// tr((W - Q) H (W - Q)ᵀ), row by row.
inline std::vector<double> objectives(const TestLayer &layer, const WeightFormat &format,
                                      const EncodedRows &q) {
  std::vector<float> decoded(layer.w.size());
  decodeRows(format, q, decoded.data());
  Matrix error(layer.rows, layer.k), h = layer.hessian();
  for (int64_t i = 0; i < layer.rows * layer.k; ++i)
    error.data()[i] = static_cast<double>(layer.w[i]) - decoded[i];
  std::vector<double> sums;
  for (int64_t row = 0; row < layer.rows; ++row)
    sums.push_back(error.row(row).dot(error.row(row) * h));
  return sums;
}

inline double sum(const std::vector<double> &numbers) {
  double total = 0;
  for (double number : numbers)
    total += number;
  return total;
}

inline WeightFormat uniformFormat(unsigned bits, int64_t block, bool zeroPoint = true) {
  WeightFormat format;
  format.bits = bits;
  format.isUnsigned = format.zeroPoint = zeroPoint;
  format.scale = ScaleFormat::F16;
  format.block = block;
  return format;
}

/// Formats of every kind.
inline std::vector<WeightFormat> methodFormats() {
  std::vector<WeightFormat> formats = {uniformFormat(4, 32), uniformFormat(4, 0),
                                       uniformFormat(3, 16, false), uniformFormat(8, 0, false),
                                       uniformFormat(2, 200)};
  WeightFormat format;
  format.kind = WeightKind::Codebook;
  format.bits = 4;
  format.block = 32;
  format.table = normalFloat4();
  format.scale = ScaleFormat::U8;
  format.super = true;
  formats.push_back(format);
  format = {};
  format.kind = WeightKind::Float4E2M1;
  format.bits = 4;
  format.block = 32;
  format.scale = ScaleFormat::E8M0;
  formats.push_back(format);
  format = {};
  format.kind = WeightKind::Ternary;
  format.bits = 2;
  format.block = 64;
  formats.push_back(format);
  format = {};
  format.kind = WeightKind::Float8E4M3;
  formats.push_back(format);
  return formats;
}

inline void expectSame(const EncodedRows &a, const EncodedRows &b) {
  EXPECT_EQ(a.codes, b.codes);
  EXPECT_EQ(a.scales, b.scales);
  EXPECT_EQ(a.zeros, b.zeros);
  EXPECT_EQ(a.supers, b.supers);
  EXPECT_EQ(a.scaleCodes, b.scaleCodes);
  EXPECT_EQ(a.table, b.table);
}

} // namespace qcc::test
#endif
