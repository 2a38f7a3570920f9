// Hadamard matrices are what they are called, and the rotation by them is orthogonal.
#include "qcc/Algorithms/Hadamard.h"
#include <cmath>
#include <gtest/gtest.h>
#include <numeric>

using namespace qcc;

TEST(Hadamard, KnowsOrders) {
  EXPECT_EQ(hadamardBase(1), 1);
  EXPECT_EQ(hadamardBase(64), 1);
  EXPECT_EQ(hadamardBase(12), 12);
  EXPECT_EQ(hadamardBase(20), 20);
  EXPECT_EQ(hadamardBase(28), 28);
  EXPECT_EQ(hadamardBase(768), 12);
  EXPECT_EQ(hadamardBase(576), 36);
  EXPECT_EQ(hadamardBase(896), 28);
  EXPECT_EQ(hadamardBase(4864), 76);
  EXPECT_EQ(hadamardBase(6), 0);
  EXPECT_EQ(hadamardBase(0), 0);
  EXPECT_EQ(largestHadamardBlock(11008), 256);
  EXPECT_EQ(largestHadamardBlock(768), 768);
  EXPECT_EQ(largestHadamardBlock(6), 2);
  EXPECT_EQ(largestHadamardBlock(7), 1);
  EXPECT_EQ(powerOfTwoIn(96), 32);
}

TEST(Hadamard, MatricesHaveOrthogonalRows) {
  int checked = 0;
  for (int64_t base = 1; base <= 256; base += base < 4 ? 1 : 4) {
    if (hadamardBase(base) != base)
      continue;
    ++checked;
    std::vector<int8_t> h = hadamardMatrix(base);
    for (int64_t i = 0; i < base; ++i)
      for (int64_t j = 0; j <= i; ++j) {
        int64_t dot = 0;
        for (int64_t k = 0; k < base; ++k)
          dot += h[i * base + k] * h[j * base + k];
        ASSERT_EQ(dot, i == j ? base : 0) << base << ": " << i << ", " << j;
      }
  }
  EXPECT_EQ(checked, 25);
}

TEST(Hadamard, RotatesAsTheMatrixSays) {
  // Column j of the identity becomes column j of H D / sqrt(n).
  int64_t n = 24;
  std::vector<float> x(n * n, 0);
  for (int64_t i = 0; i < n; ++i)
    x[i * n + i] = 1;
  hadamardRotate(x.data(), n, n, n, 7, false);
  std::vector<int8_t> p = hadamardMatrix(12);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j) {
      int sign = p[i / 2 * 12 + j / 2] * (i % 2 && j % 2 ? -1 : 1) * (hadamardSign(7, j) ? -1 : 1);
      EXPECT_EQ(x[i * n + j], static_cast<float>(sign) * hadamardScale(n));
    }
}

TEST(Hadamard, InverseReturnsAndBlocksAreAlike) {
  for (int64_t order : {1, 2, 12, 64, 72, 76}) {
    int64_t n = 3 * order, inner = 5;
    std::vector<float> x(n * inner), y;
    for (size_t i = 0; i < x.size(); ++i)
      x[i] = std::sin(static_cast<float>(i));
    y = x;
    hadamardRotate(y.data(), n, inner, order, 99, false);
    double before = 0, after = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      before += x[i] * x[i];
      after += y[i] * y[i];
    }
    EXPECT_NEAR(after, before, 1e-4 * before);
    std::vector<float> block(x.begin() + order * inner, x.begin() + 2 * order * inner);
    hadamardRotate(block.data(), order, inner, order, 99, false);
    EXPECT_TRUE(std::equal(block.begin(), block.end(), y.begin() + order * inner));
    hadamardRotate(y.data(), n, inner, order, 99, true);
    for (size_t i = 0; i < x.size(); ++i)
      EXPECT_NEAR(y[i], x[i], 1e-5);
  }
}

TEST(Hadamard, SignsAreBalancedAndSeeded) {
  int minus = 0, differ = 0;
  for (int64_t i = 0; i < 4096; ++i) {
    minus += hadamardSign(1, i);
    differ += hadamardSign(1, i) != hadamardSign(2, i);
    EXPECT_FALSE(hadamardSign(0, i));
  }
  EXPECT_NEAR(minus, 2048, 200);
  EXPECT_NEAR(differ, 2048, 200);
}

TEST(Hadamard, SpreadsAnOutlier) {
  std::vector<float> x(768, 0);
  x[5] = 100;
  hadamardRotate(x.data(), 768, 1, 768, 3, false);
  for (float v : x)
    EXPECT_NEAR(std::fabs(v), 100 / std::sqrt(768.0), 1e-4);
}
