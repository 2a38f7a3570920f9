// Random numbers against published vectors, statistics against tables, and intervals' coverage.
#include "qcc/Algorithms/Resample.h"
#include "qcc/Algorithms/Philox.h"
#include <cmath>
#include <gtest/gtest.h>
#include <random>

using namespace qcc;

namespace {

double choose(int n, int k) {
  double value = 1;
  for (int i = 0; i < k; ++i)
    value = value * (n - i) / (i + 1);
  return value;
}

} // namespace

TEST(Philox, KnownAnswers) {
  // The vectors that accompany Salmon et al. 2011.
  using Words = std::array<uint32_t, 4>;
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  uint32_t f = 0xffffffff;
  EXPECT_EQ(philox({f, f, f, f}, {f, f}), (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, StreamsAreUniformAndDiffer) {
  RandomStream a(1, "w"), b(1, "v"), c(2, "w");
  double sum = 0;
  int same = 0;
  std::array<int, 10> buckets{};
  for (uint64_t i = 0; i < 100000; ++i) {
    float u = a.uniform(i);
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    sum += u;
    same += a.bits(i) == b.bits(i) || a.bits(i) == c.bits(i);
    ++buckets[a.below(i, 10)];
  }
  EXPECT_NEAR(sum / 100000, 0.5, 0.005);
  EXPECT_EQ(same, 0);
  for (int count : buckets)
    EXPECT_NEAR(count, 10000, 500);
}

TEST(Resample, Distributions) {
  EXPECT_NEAR(normalQuantile(0.975), 1.959963984540054, 1e-12);
  EXPECT_NEAR(normalQuantile(0.01), -2.3263478740408408, 1e-12);
  EXPECT_NEAR(studentQuantile(0.975, 1), 12.706204736, 1e-6);
  EXPECT_NEAR(studentQuantile(0.975, 10), 2.228138852, 1e-8);
  EXPECT_NEAR(studentQuantile(0.05, 30), -1.697260887, 1e-8);
  EXPECT_NEAR(studentCdf(2.0, 5), 0.9490302605, 1e-9);
  EXPECT_NEAR(incompleteBeta(2, 3, 0.4), 0.5248, 1e-12);
  EXPECT_NEAR(incompleteBeta(50, 60, 0.5), 1 - incompleteBeta(60, 50, 0.5), 1e-12);
}

TEST(Resample, McnemarIsTheBinomialSum) {
  for (auto [b, c] : {std::pair{10, 3}, std::pair{5, 5}, std::pair{0, 8}, std::pair{40, 25}}) {
    int n = b + c, most = std::max(b, c);
    double tail = 0, right = 0;
    for (int k = 0; k <= n; ++k) {
      double p = choose(n, k) * std::pow(0.5, n);
      tail += k >= most ? p : 0;
      right += k >= b ? p : 0;
    }
    EXPECT_NEAR(mcnemarExact(b, c), std::min(1.0, 2 * tail), 1e-10);
    EXPECT_NEAR(mcnemarExactOneSided(b, c), right, 1e-10);
  }
  EXPECT_EQ(mcnemarExact(0, 0), 1);
}

TEST(Resample, PairedTOfAKnownExample) {
  // Mean 1, standard deviation sqrt(2.5), n 5: t = 1.41421 with 4 degrees of freedom.
  std::vector<double> x = {-1, 0, 1, 2, 3};
  EXPECT_NEAR(pairedT(x), 0.2301996, 1e-6);
  Confidence interval = studentMean(x, 0.95);
  EXPECT_NEAR(interval.low, 1 - 2.776445105 * std::sqrt(0.5), 1e-6);
  EXPECT_NEAR(interval.high, 1 + 2.776445105 * std::sqrt(0.5), 1e-6);
  EXPECT_EQ(pairedT(std::vector<double>{2, 2, 2}), 0);
  EXPECT_TRUE(std::isinf(studentMean(std::vector<double>{1}, 0.9).high));
}

TEST(Resample, WilsonOfAKnownExample) {
  Confidence interval = wilson(81, 263, 0.95);
  EXPECT_NEAR(interval.low, 0.2553, 5e-4);
  EXPECT_NEAR(interval.high, 0.3662, 5e-4);
  EXPECT_NEAR(wilson(0, 10, 0.95).low, 0, 1e-15);
  EXPECT_GT(wilson(0, 10, 0.95).high, 0.2);
}

TEST(Resample, BootstrapIsDeterministicAndBracketsTheMean) {
  std::mt19937 random(4);
  std::exponential_distribution<double> draw;
  std::vector<double> x(200);
  for (double &value : x)
    value = draw(random);
  BootstrapOptions options;
  Confidence first = bootstrapMean(x, options), again = bootstrapMean(x, options);
  EXPECT_EQ(first.low, again.low);
  EXPECT_EQ(first.high, again.high);
  options.seed = 1;
  EXPECT_NE(bootstrapMean(x, options).low, first.low);
  EXPECT_LT(first.low, first.value);
  EXPECT_GT(first.high, first.value);
  Confidence student = studentMean(x, 0.95);
  EXPECT_NEAR(first.high - first.low, student.high - student.low, 0.04);
  // Skewed to the right, as the correction knows.
  EXPECT_GT(first.high - first.value, first.value - first.low);
  EXPECT_EQ(bootstrapMean(std::vector<double>(20, 3.0)).low, 3);
}

TEST(Resample, IntervalsCoverAsOftenAsTheySay) {
  std::mt19937 random(8);
  std::exponential_distribution<double> draw;
  BootstrapOptions options;
  options.confidence = 0.9;
  options.resamples = 400;
  int covered = 0, plain = 0;
  constexpr int rounds = 400;
  for (int round = 0; round < rounds; ++round) {
    std::vector<double> x(40);
    for (double &value : x)
      value = draw(random);
    options.seed = uint64_t(round);
    options.corrected = true;
    Confidence interval = bootstrapMean(x, options);
    covered += interval.low <= 1 && 1 <= interval.high;
    options.corrected = false;
    interval = bootstrapMean(x, options);
    plain += interval.low <= 1 && 1 <= interval.high;
  }
  EXPECT_NEAR(covered, 0.9 * rounds, 0.06 * rounds);
  EXPECT_GE(covered, plain - 4);
}

TEST(Resample, RatiosDrawPairs) {
  // Documents of different lengths: the ratio is the mean over tokens.
  std::vector<double> sums = {10, 2, 30, 8}, counts = {10, 1, 20, 8};
  Confidence interval = bootstrapRatio(sums, counts);
  EXPECT_DOUBLE_EQ(interval.value, 50.0 / 39);
  EXPECT_GE(interval.low, 1 - 1e-12);
  EXPECT_LE(interval.high, 2 + 1e-12);
}

TEST(Resample, DecisionsNeedTheBound) {
  EXPECT_EQ(decideAtMost({0.5, 0.4, 0.6}, 0.7), Verdict::Accept);
  EXPECT_EQ(decideAtMost({0.5, 0.4, 0.6}, 0.55), Verdict::Undecided);
  EXPECT_EQ(decideAtMost({0.5, 0.4, 0.6}, 0.3), Verdict::Reject);
}
