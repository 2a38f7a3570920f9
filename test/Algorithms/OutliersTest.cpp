// Migration, outliers, promotion and roundings against slow definitions.
#include "qcc/Algorithms/Outliers.h"
#include "Layers.h"
#include "qcc/Algorithms/Clip.h"
#include "qcc/Algorithms/Migration.h"
#include "qcc/Algorithms/Rounding.h"
#include <algorithm>
#include <gtest/gtest.h>
#include <set>

using namespace qcc;
using namespace qcc::test;

namespace {

struct Input {
  std::vector<float> squares, magnitudes, means;
  explicit Input(const TestLayer &layer, int64_t positions) {
    for (int64_t i = 0; i < layer.k; ++i) {
      double square = layer.h[i * layer.k + i];
      squares.push_back(float(square));
      double deviation = std::sqrt(square / double(positions)); // of a normal distribution
      magnitudes.push_back(float(3.5 * deviation));
      means.push_back(float(0.8 * deviation));
    }
  }
};

} // namespace

TEST(Migration, ScalesFollowTheirFormulas) {
  std::vector<float> x = {4, 0, 9}, w = {1, 2, 4};
  EXPECT_EQ(smoothScales(x, w, 0.5), (std::vector<float>{2, 1, 1.5f}));
  std::vector<float> scales = awqScales(x, 0.5); // powers 2 and 3
  EXPECT_FLOAT_EQ(scales[0], 2 / std::sqrt(6.0f));
  EXPECT_EQ(scales[1], 1);
  EXPECT_FLOAT_EQ(scales[2], 3 / std::sqrt(6.0f));
}

TEST(Migration, AwqFindsTheBestAlphaOfItsGrid) {
  constexpr int64_t k = 65, tokens = 400;
  TestLayer layer = makeLayer(16, k, tokens), second = makeLayer(8, k, tokens, 9);
  Input input(layer, tokens);
  InputStatistics statistics{k, tokens, layer.h.data(), input.magnitudes.data(),
                             input.means.data()};
  std::vector<LayerWeights> layers = {{layer.w.data(), 16, uniformFormat(3, 0)},
                                      {second.w.data(), 8, uniformFormat(4, 32)}};
  MigrationResult result = searchAwq(layers, statistics, {}, 2);
  EXPECT_LT(result.after, 0.9 * result.before);
  EXPECT_GT(result.alpha, 0);
  // The error, slowly.
  Matrix h = layer.hessian();
  auto slow = [&](const std::vector<float> &scales) {
    double sum = 0;
    for (const LayerWeights &weights : layers) {
      std::vector<float> scaled(weights.rows * k), decoded(weights.rows * k);
      for (int64_t i = 0; i < weights.rows * k; ++i)
        scaled[i] = weights.w[i] * scales[i % k];
      EncodedRows q = encodeRows(weights.format, scaled.data(), weights.rows, k);
      decodeRows(weights.format, q, decoded.data());
      Matrix error(weights.rows, k);
      for (int64_t i = 0; i < weights.rows * k; ++i)
        error.data()[i] = double(weights.w[i]) - double(decoded[i]) / scales[i % k];
      sum += (error * h * error.transpose()).trace();
    }
    return sum;
  };
  EXPECT_NEAR(result.after, slow(result.scales), 1e-3 * result.after);
  EXPECT_NEAR(result.before, slow(std::vector<float>(k, 1)), 1e-3 * result.before);
  for (int i = 0; i <= 20; ++i)
    EXPECT_GE(slow(awqScales(input.means, i / 20.0)), 0.999 * result.after);
}

TEST(Migration, SmoothingBalancesActivationsAndWeights) {
  constexpr int64_t k = 64, tokens = 400;
  TestLayer layer = makeLayer(16, k, tokens); // channels 0, 13, … are eight times larger
  Input input(layer, tokens);
  InputStatistics statistics{k, tokens, layer.h.data(), input.magnitudes.data(),
                             input.means.data()};
  std::vector<LayerWeights> layers = {{layer.w.data(), 16, uniformFormat(8, 0, false)}};
  MigrationOptions options;
  options.activationBits = 8;
  MigrationResult result = searchSmooth(layers, statistics, options, 2);
  EXPECT_LT(result.after, 0.5 * result.before);
  EXPECT_GT(result.scales[13], result.scales[12]);
}

TEST(Migration, BiasCorrectionKeepsTheMeanOutput) {
  TestLayer layer = makeLayer(6, 40, 100);
  WeightFormat format = uniformFormat(3, 0);
  EncodedRows q = encodeRows(format, layer.w.data(), 6, 40);
  std::vector<float> mean(40), decoded(6 * 40);
  for (int64_t i = 0; i < 40; ++i)
    mean[i] = 0.1f * float(i) - 1;
  std::vector<float> shift = biasCorrection(format, layer.w.data(), q, mean.data());
  decodeRows(format, q, decoded.data());
  for (int64_t row = 0; row < 6; ++row) {
    double want = 0, got = shift[row];
    for (int64_t i = 0; i < 40; ++i) {
      want += double(layer.w[row * 40 + i]) * mean[i];
      got += double(decoded[row * 40 + i]) * mean[i];
    }
    EXPECT_NEAR(got, want, 1e-6);
  }
}

TEST(Outliers, ColumnsThatHurtComeFirst) {
  constexpr int64_t rows = 24, k = 96;
  TestLayer layer = makeLayer(rows, k, 300);
  Input input(layer, 300);
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column : {17, 50})
      layer.w[row * k + column] *= 20; // far weights, behind small inputs
  WeightFormat format = uniformFormat(4, 32);
  ColumnCurve curve =
      outlierColumns(format, layer.w.data(), rows, k, input.squares.data(), nullptr, 300, 0, 16, 2);
  std::set<int32_t> first(curve.order.begin(), curve.order.begin() + 2);
  EXPECT_EQ(first, (std::set<int32_t>{17, 50}));
  EXPECT_EQ(curve.counts, (std::vector<int32_t>{0, 1, 2, 4, 8, 16}));
  for (size_t i = 1; i < curve.errors.size(); ++i)
    EXPECT_LE(curve.errors[i], curve.errors[i - 1]);
  EXPECT_LT(curve.errors[2], 0.2 * curve.errors[0]);
  // A price between the two steps stops there.
  EXPECT_EQ(curve.choose(curve.errors[2] / 4), (std::vector<int32_t>{17, 50}));
  EXPECT_TRUE(curve.choose(1e30).empty());
  // The error of the curve is that of weights encoded without these columns.
  std::vector<float> rest = layer.w, decoded(rows * k);
  for (int64_t row = 0; row < rows; ++row)
    rest[row * k + 17] = rest[row * k + 50] = 0;
  EncodedRows q = encodeRows(format, rest.data(), rows, k);
  decodeRows(format, q, decoded.data());
  double want = 0;
  for (int64_t i = 0; i < rows * k; ++i)
    want += input.squares[i % k] * std::pow(double(rest[i]) - decoded[i], 2);
  EXPECT_NEAR(curve.errors[2], want, 1e-2 * want);
}

TEST(Outliers, ActivationsAddTheirSteps) {
  constexpr int64_t rows = 8, k = 64;
  TestLayer layer = makeLayer(rows, k, 200);
  Input input(layer, 200);
  input.magnitudes[30] = 500;
  ColumnCurve curve = outlierColumns(uniformFormat(8, 0, false), layer.w.data(), rows, k,
                                     input.squares.data(), input.magnitudes.data(), 200, 8, 4, 1);
  EXPECT_EQ(curve.order[0], 30);
  EXPECT_LT(curve.errors[1], 0.3 * curve.errors[0]);
}

TEST(Outliers, ResidualsSaveMoreThanTheLargestWeights) {
  constexpr int64_t rows = 32, k = 128, count = 80;
  TestLayer layer = makeLayer(rows, k, 300);
  Input input(layer, 300);
  std::mt19937 random(1);
  for (int i = 0; i < 60; ++i)
    layer.w[random() % (rows * k)] *= 6;
  WeightFormat format = uniformFormat(3, 32);
  auto errorWithout = [&](const std::set<int64_t> &places) {
    std::vector<float> rest = layer.w, decoded(rows * k);
    for (int64_t place : places)
      rest[place] = 0;
    EncodedRows q = encodeRows(format, rest.data(), rows, k);
    decodeRows(format, q, decoded.data());
    double sum = 0;
    for (int64_t i = 0; i < rows * k; ++i)
      sum += input.squares[i % k] * std::pow(double(rest[i]) - decoded[i], 2);
    return sum;
  };
  std::vector<ResidualEntry> entries =
      sparseResidual(format, layer.w.data(), rows, k, input.squares.data(), count, 2);
  ASSERT_EQ(entries.size(), size_t(count));
  std::set<int64_t> ours, largest;
  double gain = 0;
  for (const ResidualEntry &entry : entries) {
    ours.insert(int64_t(entry.row) * k + entry.column);
    EXPECT_EQ(entry.value, layer.w[entry.row * k + entry.column]);
    gain += entry.gain;
  }
  std::vector<int64_t> order(rows * k);
  for (int64_t i = 0; i < rows * k; ++i)
    order[i] = i;
  std::sort(order.begin(), order.end(),
            [&](int64_t a, int64_t b) { return std::fabs(layer.w[a]) > std::fabs(layer.w[b]); });
  largest.insert(order.begin(), order.begin() + count);
  double none = errorWithout({});
  EXPECT_LT(errorWithout(ours), errorWithout(largest));
  EXPECT_NEAR(none - errorWithout(ours), gain, 0.05 * gain);
}

TEST(Outliers, RowsArePromotedByWhatTheyGain) {
  TestLayer layer = makeLayer(12, 64, 200);
  for (int64_t i = 0; i < 64; ++i) {
    layer.w[5 * 64 + i] *= 10;
    layer.w[9 * 64 + i] *= 3;
  }
  WeightFormat low = uniformFormat(4, 32), high = uniformFormat(8, 32);
  std::vector<double> scores =
      rowScores(low, high, layer.w.data(), 12, 64, layer.h.data(), nullptr, 2);
  EXPECT_EQ(promoteRows(scores, 2), (std::vector<int32_t>{5, 9}));
  std::vector<double> before = objectives(layer, low, encodeRows(low, layer.w.data(), 12, 64));
  std::vector<double> after = objectives(layer, high, encodeRows(high, layer.w.data(), 12, 64));
  for (int row = 0; row < 12; ++row)
    EXPECT_NEAR(scores[row], before[row] - after[row], 1e-3 * before[row]);
  std::vector<double> weights(12, 1.0);
  weights[0] = 1e6;
  EXPECT_EQ(promoteRows(
                rowScores(low, high, layer.w.data(), 12, 64, layer.h.data(), weights.data(), 1), 1),
            (std::vector<int32_t>{0}));
  EXPECT_TRUE(promoteRows(scores, 0).empty());
  EXPECT_EQ(promoteRows(scores, 100).size(), 12u);
}

TEST(Rounding, ChanceIsUnbiasedAndReproducible) {
  constexpr int64_t k = 64;
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> x(k), decoded(k);
  for (float &value : x)
    value = normal(random);
  for (const WeightFormat &format : methodFormats()) {
    if (format.kind == WeightKind::Ternary || format.scale == ScaleFormat::E8M0 || format.super)
      continue; // these clip
    std::vector<double> sums(k);
    constexpr int draws = 2000;
    EncodedRows rows;
    for (int draw = 0; draw < draws; ++draw) {
      rows = stochasticRows(format, x.data(), 1, k, uint64_t(draw), "w", 1);
      decodeRows(format, rows, decoded.data());
      for (int64_t i = 0; i < k; ++i)
        sums[i] += decoded[i];
    }
    float scale = *std::max_element(rows.scales.begin(), rows.scales.end());
    double step = format.kind == WeightKind::Uniform ? scale : 32 * scale;
    Coder coder(format);
    for (int64_t i = 0; i < k; ++i) { // numbers beyond the ends of their grid become these
      Grid grid = gridAt(format, rows, 0, i / format.blockLength(k));
      double want = std::clamp(x[i], coder.decode(coder.ordered().front(), grid),
                               coder.decode(coder.ordered().back(), grid));
      EXPECT_NEAR(sums[i] / draws, want, step * 0.5 * 4.5 / std::sqrt(draws) + step * 1e-4);
    }
  }
  std::vector<float> many(37 * k);
  for (float &value : many)
    value = normal(random);
  WeightFormat format = uniformFormat(4, 32);
  EncodedRows one = stochasticRows(format, many.data(), 37, k, 3, "w", 1);
  expectSame(one, stochasticRows(format, many.data(), 37, k, 3, "w", 4));
  EXPECT_NE(one.codes, stochasticRows(format, many.data(), 37, k, 4, "w", 1).codes);
  EXPECT_NE(one.codes, stochasticRows(format, many.data(), 37, k, 3, "v", 1).codes);
}

TEST(Rounding, SignedStepsLowerTheObjectiveOfEveryRow) {
  TestLayer layer = makeLayer(24, 96, 300);
  for (const WeightFormat &format : methodFormats()) {
    EncodedRows q = encodeRows(format, layer.w.data(), 24, 96);
    std::vector<double> before = objectives(layer, format, q);
    std::vector<float> scales = q.scales;
    EncodedRows other = q;
    signRound(format, layer.w.data(), q, layer.h.data(), {}, 1);
    signRound(format, layer.w.data(), other, layer.h.data(), {}, 3);
    expectSame(q, other);
    EXPECT_EQ(q.scales, scales);
    std::vector<double> after = objectives(layer, format, q);
    for (int64_t row = 0; row < 24; ++row)
      EXPECT_LE(after[row], before[row] * 1.0001);
    if (format.kind == WeightKind::Uniform)
      EXPECT_LT(sum(after), 0.8 * sum(before)) << format.bits;
  }
}
