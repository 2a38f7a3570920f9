// Measurements against values worked out by hand or by closed forms.
#include "qcc/Quality/Stats.h"
#include "../Data/DataTesting.h"
#include <cmath>

using namespace qcc::data;
using namespace qcc::quality;

TEST(Stats, Moments) {
  EXPECT_DOUBLE_EQ(mean({1, 2, 3, 4}), 2.5);
  EXPECT_DOUBLE_EQ(variance({1, 2, 3, 4}), 5.0 / 3);
  EXPECT_DOUBLE_EQ(covariance({1, 2, 3}, {3, 2, 1}), -1);
  EXPECT_EQ(variance({7}), 0);
}

TEST(Stats, Quantiles) {
  EXPECT_DOUBLE_EQ(quantile({4, 1, 3, 2}, 0.5), 2.5);
  EXPECT_DOUBLE_EQ(quantile({4, 1, 3, 2}, 0), 1);
  EXPECT_DOUBLE_EQ(quantile({4, 1, 3, 2}, 1), 4);
  EXPECT_DOUBLE_EQ(quantile({0, 10}, 0.99), 9.9);
  EXPECT_TRUE(std::isnan(quantile({}, 0.5)));
}

TEST(Stats, RanksShareTies) {
  EXPECT_EQ(averageRanks({10, 20, 10, 30, 10}), (std::vector<double>{2, 4, 2, 5, 2}));
}

TEST(Stats, Correlations) {
  EXPECT_DOUBLE_EQ(pearson({1, 2, 3}, {2, 4, 6}), 1);
  EXPECT_DOUBLE_EQ(pearson({1, 2, 3}, {3, 2, 1}), -1);
  EXPECT_NEAR(pearson({1, 2, 3, 4}, {1, 3, 2, 4}), 0.8, 1e-15);
  EXPECT_DOUBLE_EQ(spearman({1, 2, 3, 4}, {1, 10, 100, 1000}), 1);
  // With ties: ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4.
  EXPECT_NEAR(spearman({1, 2, 2, 3}, {1, 2, 3, 4}), 4.5 / std::sqrt(4.5 * 5), 1e-15);
  EXPECT_TRUE(std::isnan(pearson({1, 1}, {1, 2})));
}

TEST(Stats, Cosine) {
  EXPECT_DOUBLE_EQ(cosine({3, 4}, {6, 8}), 1);
  EXPECT_DOUBLE_EQ(cosine({1, 0}, {0, 2}), 0);
  EXPECT_DOUBLE_EQ(cosine({0, 0}, {1, 2}), 0);
}

TEST(Stats, LogSoftmaxIsStable) {
  std::vector<double> logits = {1000, 1000 + std::log(3.0)};
  logSoftmax(logits);
  EXPECT_NEAR(logits[0], std::log(0.25), 1e-12);
  EXPECT_NEAR(logits[1], std::log(0.75), 1e-12);
}

TEST(Stats, Divergence) {
  std::vector<double> p = {std::log(0.5), std::log(0.5)}, q = {std::log(0.25), std::log(0.75)};
  EXPECT_NEAR(klDivergence(p, q), 0.5 * std::log(2.0) + 0.5 * std::log(2.0 / 3), 1e-15);
  EXPECT_EQ(klDivergence(p, p), 0);
  EXPECT_NEAR(klDivergence({0, -INFINITY}, {std::log(0.5), std::log(0.5)}), std::log(2.0), 1e-15);
  EXPECT_EQ(argmax({1, 3, 3}), 1);
}

TEST(Stats, Perplexity) {
  Estimate even = perplexity({std::log(4.0), std::log(4.0)});
  EXPECT_NEAR(even.value, 4, 1e-12);
  EXPECT_EQ(even.standardError, 0);
  Estimate spread = perplexity({0, 2});
  EXPECT_NEAR(spread.value, std::exp(1.0), 1e-12);
  EXPECT_NEAR(spread.standardError, std::exp(1.0) * 1, 1e-12); // sd sqrt(2) over sqrt(2)
  Estimate none = perplexityDifference({1, 2, 3}, {1, 2, 3});
  EXPECT_EQ(none.value, 0);
  EXPECT_NEAR(none.standardError, 0, 1e-12);
  // A constant shift is certain about the ratio, so the error stems from the base alone.
  Estimate shift = perplexityDifference({1.5, 2.5}, {1, 2});
  EXPECT_NEAR(shift.value, std::exp(2.0) - std::exp(1.5), 1e-12);
  EXPECT_NEAR(shift.standardError, (std::exp(2.0) - std::exp(1.5)) * 0.5, 1e-12);
}

TEST(Stats, Classification) {
  Classification binary = classify({1, 1, 0, 0}, {1, 0, 1, 0});
  EXPECT_DOUBLE_EQ(binary.accuracy, 0.5);
  EXPECT_DOUBLE_EQ(binary.f1, 0.5);
  Classification three = classify({0, 1, 2, 2}, {0, 1, 2, 1});
  EXPECT_DOUBLE_EQ(three.accuracy, 0.75);
  EXPECT_NEAR(three.f1, (1 + 2.0 / 3 + 2.0 / 3) / 3, 1e-15);
}
