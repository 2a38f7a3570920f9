// Collectors of calibration against all numbers kept, and their independence of order and cuts.
#include "qcc/Algorithms/Collectors.h"
#include "qcc/Algorithms/Moments.h"
#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <random>

using namespace qcc;

namespace {

/// Mostly a bell, with a few far outliers.
std::vector<float> numbers(int64_t count, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.3f, 1);
  std::vector<float> x(count);
  for (int64_t i = 0; i < count; ++i)
    x[i] = normal(random) * (i % 5000 == 77 ? 30.0f : 1.0f);
  return x;
}

Sketch sketchOf(const std::vector<float> &x) {
  Sketch sketch;
  sketch.add(x.data(), int64_t(x.size()));
  return sketch;
}

std::vector<std::pair<float, int64_t>> cellsOf(const Sketch &sketch) {
  std::vector<std::pair<float, int64_t>> cells;
  sketch.cells([&](float value, int64_t count) { cells.push_back({value, count}); });
  return cells;
}

} // namespace

TEST(Collectors, QuantilesAreThoseOfTheSortedNumbers) {
  std::vector<float> x = numbers(20001), sorted = x, magnitudes = x;
  std::sort(sorted.begin(), sorted.end());
  for (float &value : magnitudes)
    value = std::fabs(value);
  std::sort(magnitudes.begin(), magnitudes.end());
  Sketch sketch = sketchOf(x);
  EXPECT_EQ(sketch.minmax(), (Range{sorted.front(), sorted.back()}));
  for (double q : {0.0, 0.0001, 0.01, 0.3, 0.5, 0.9, 0.999, 0.9999, 1.0}) {
    float want = sorted[size_t(std::lround(q * 20000))];
    EXPECT_NEAR(sketch.quantile(q), want, 0.001f * std::fabs(want)) << q;
    want = magnitudes[size_t(std::lround(q * 20000))];
    if (q > 0)
      EXPECT_NEAR(sketch.magnitudeQuantile(q), want, 0.001f * want) << q;
  }
}

TEST(Collectors, OrderAndCutsDoNotMatter) {
  std::vector<float> x = numbers(5000);
  x[10] = 0;
  x[11] = -0.0f;
  x[12] = std::nanf("");
  x[13] = INFINITY;
  x[14] = 1e-42f;
  Sketch whole = sketchOf(x), parts;
  std::vector<float> shuffled = x;
  std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(3));
  for (size_t at = 0; at < x.size(); at += 777) {
    Sketch part;
    part.add(shuffled.data() + at, int64_t(std::min<size_t>(777, x.size() - at)));
    parts.merge(part);
  }
  EXPECT_EQ(cellsOf(whole), cellsOf(parts));
  EXPECT_EQ(whole.count(), 4998);
  EXPECT_EQ(whole.skipped(), 2);
  EXPECT_EQ(parts.skipped(), 2);
  EXPECT_EQ(whole.minmax(), parts.minmax());
  EXPECT_EQ(entropyRange(whole), entropyRange(parts));
  EXPECT_EQ(squaredErrorRange(whole), squaredErrorRange(parts));
}

TEST(Collectors, EmptyAndConstantStreams) {
  Sketch empty;
  EXPECT_EQ(empty.quantile(0.5), 0);
  EXPECT_EQ(entropyRange(empty), Range{});
  EXPECT_EQ(percentileRange(empty), Range{});
  EXPECT_EQ(squaredErrorRange(empty), Range{});
  Sketch zeros = sketchOf(std::vector<float>(10, 0.0f));
  EXPECT_EQ(squaredErrorRange(zeros), Range{});
  Sketch positive = sketchOf(std::vector<float>(10, 2.5f));
  EXPECT_EQ(percentileRange(positive), (Range{0, 2.5f}));
  EXPECT_EQ(entropyRange(positive).low, 0);
}

TEST(Collectors, PercentilesCutOffOutliers) {
  Range range = percentileRange(sketchOf(numbers(100000)), 0.999);
  EXPECT_NEAR(range.high, 0.3f + 3.1f, 0.5f);
  EXPECT_NEAR(range.low, 0.3f - 3.1f, 0.5f);
}

TEST(Collectors, SquaredErrorRangeIsTheBestOfThoseTried) {
  std::vector<float> x = numbers(20000);
  Sketch sketch = sketchOf(x);
  // The error of the sketch is that of the numbers.
  auto slow = [&](Range range, unsigned bits) {
    double step = (double(range.high) - range.low) / ((1 << bits) - 1), sum = 0;
    for (float value : x) {
      double kept = std::clamp<double>(value, range.low, range.high);
      double error = value - (kept == value ? std::nearbyint(kept / step) * step : kept);
      sum += error * error;
    }
    return sum;
  };
  for (unsigned bits : {4u, 8u}) {
    for (bool symmetric : {false, true}) {
      Range best = squaredErrorRange(sketch, bits, symmetric), all = sketch.minmax();
      EXPECT_NEAR(squaredError(sketch, best, bits), slow(best, bits), 0.03 * slow(best, bits));
      float largest = std::max(-all.low, all.high);
      Range widest = symmetric ? Range{-largest, largest} : all;
      EXPECT_LT(slow(best, bits), slow(widest, bits));
      for (float share : {0.9f, 0.5f, 0.2f})
        EXPECT_LE(squaredError(sketch, best, bits),
                  squaredError(sketch, {widest.low * share, widest.high * share}, bits) * 1.01);
    }
  }
  // Fewer steps clip more.
  EXPECT_LT(squaredErrorRange(sketch, 4).high, squaredErrorRange(sketch, 8).high);
}

TEST(Collectors, EntropyClipsTailsAndKeepsFlatRanges) {
  std::vector<float> x = numbers(200000);
  Sketch tailed = sketchOf(x);
  float largest = std::max(-tailed.minmax().low, tailed.minmax().high);
  EXPECT_LT(entropyRange(tailed).high, 0.5f * largest);
  EXPECT_GT(entropyRange(tailed).high, 2.0f);
  std::mt19937 random(1);
  std::uniform_real_distribution<float> flat(-1, 1);
  for (float &value : x)
    value = flat(random);
  EXPECT_GT(entropyRange(sketchOf(x)).high, 0.95f);
}

TEST(Collectors, MovingAverageFollows) {
  MovingRange moving(0.9);
  moving.addSample({-1, 2});
  EXPECT_EQ(moving.range(), (Range{-1, 2}));
  moving.addSample({-3, 4});
  EXPECT_FLOAT_EQ(moving.range().low, -1.2f);
  EXPECT_FLOAT_EQ(moving.range().high, 2.2f);
}

TEST(Collectors, DriftComparesWithHalfOfTheSamples) {
  Convergence steady, growing;
  EXPECT_TRUE(std::isinf(steady.drift()));
  for (int i = 1; i <= 100; ++i) {
    steady.addSample({-1, i < 30 ? 1.0f - 1.0f / float(i) : 1.0f});
    growing.addSample({0, float(i)});
  }
  EXPECT_EQ(steady.drift(), 0);
  EXPECT_NEAR(growing.drift(), 0.68, 1e-6); // 32 of 100
}

TEST(Moments, AreTheSumsOfProducts) {
  constexpr int64_t k = 37, rows = 700;
  std::vector<float> x = numbers(rows * k), y = numbers(rows * k, 9);
  std::vector<uint8_t> mask(rows, 1);
  mask[5] = mask[699] = 0;
  ProductSum square(k, true), cross(k, false);
  square.add(x.data(), nullptr, rows, mask.data(), 2);
  cross.add(x.data(), y.data(), rows, mask.data(), 2);
  const std::vector<double> &s = square.finish(2), &c = cross.finish(2);
  EXPECT_EQ(square.rows(), 698);
  for (int64_t i = 0; i < k; ++i)
    for (int64_t j = 0; j < k; ++j) {
      double wantS = 0, wantC = 0, size = 0;
      for (int64_t row = 0; row < rows; ++row)
        if (mask[row]) {
          wantS += double(x[row * k + i]) * x[row * k + j];
          wantC += double(x[row * k + i]) * y[row * k + j];
          size += std::fabs(double(x[row * k + i]) * x[row * k + j]);
        }
      EXPECT_NEAR(s[i * k + j], wantS, 1e-5 * size);
      EXPECT_NEAR(c[i * k + j], wantC, 1e-4 * size);
      EXPECT_EQ(s[i * k + j], s[j * k + i]);
    }
}

TEST(Moments, CutsAndThreadsChangeNoBit) {
  constexpr int64_t k = 70, rows = 900;
  std::vector<float> x = numbers(rows * k);
  ProductSum whole(k, true), cut(k, true);
  whole.add(x.data(), nullptr, rows, nullptr, 1);
  for (int64_t at = 0; at < rows; at += 113)
    cut.add(x.data() + at * k, nullptr, std::min<int64_t>(113, rows - at), nullptr, 3);
  EXPECT_EQ(whole.finish(1), cut.finish(3));
}

TEST(Moments, ChannelSums) {
  std::vector<float> x = {1, -2, 3, 4, -5, 6};
  std::vector<uint8_t> mask = {1, 0, 1};
  ChannelSums sums(2);
  sums.add(x.data(), 3, mask.data());
  EXPECT_EQ(sums.rows, 2);
  EXPECT_EQ(sums.values, (std::vector<double>{-4, 4}));
  EXPECT_EQ(sums.squares, (std::vector<double>{26, 40}));
  EXPECT_EQ(sums.magnitudes, (std::vector<double>{6, 8}));
  EXPECT_EQ(sums.largest, (std::vector<float>{5, 6}));
}
