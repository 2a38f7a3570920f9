// The aim minimises what its header says, and is the weight itself where nothing went wrong.
#include "qcc/Algorithms/InputError.h"
#include "gtest/gtest.h"
#include <cmath>
#include <random>
#include <vector>

using namespace qcc;

namespace {

constexpr int64_t rows = 3, k = 5, samples = 40;

struct Problem {
  std::vector<float> w = std::vector<float>(rows * k);
  std::vector<double> x = std::vector<double>(samples * k), xf = x;
  std::vector<double> gram = std::vector<double>(k * k), cross = gram;

  explicit Problem(double noise) {
    std::mt19937 random(7);
    std::normal_distribution<double> normal;
    for (float &value : w)
      value = static_cast<float>(normal(random));
    for (size_t i = 0; i < x.size(); ++i) {
      xf[i] = normal(random);
      x[i] = xf[i] + noise * normal(random);
    }
    for (int64_t s = 0; s < samples; ++s)
      for (int64_t i = 0; i < k; ++i)
        for (int64_t j = 0; j < k; ++j) {
          gram[i * k + j] += x[s * k + i] * x[s * k + j];
          cross[i * k + j] += xf[s * k + i] * x[s * k + j];
        }
  }

  /// sum |W xf - V x|^2 + lambda |V - W|^2, term by term.
  double loss(const std::vector<float> &v, double lambda) const {
    double sum = 0;
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t s = 0; s < samples; ++s) {
        double error = 0;
        for (int64_t i = 0; i < k; ++i)
          error += w[row * k + i] * xf[s * k + i] - v[row * k + i] * x[s * k + i];
        sum += error * error;
      }
      for (int64_t i = 0; i < k; ++i)
        sum += lambda * std::pow(v[row * k + i] - w[row * k + i], 2);
    }
    return sum;
  }
  double lambda(double damp) const {
    double trace = 0;
    for (int64_t i = 0; i < k; ++i)
      trace += gram[i * k + i];
    return damp * trace / k;
  }
};

TEST(InputError, IsTheMinimum) {
  Problem problem(0.5);
  std::vector<float> v = problem.w;
  ASSERT_TRUE(
      aimAtFloatOutputs(v.data(), rows, k, problem.gram.data(), problem.cross.data(), {1.0, 0.05}));
  double lambda = problem.lambda(0.05), best = problem.loss(v, lambda);
  EXPECT_LT(best, problem.loss(problem.w, lambda));
  for (size_t i = 0; i < v.size(); ++i)
    for (float step : {-0.01f, 0.01f}) {
      std::vector<float> other = v;
      other[i] += step;
      EXPECT_GT(problem.loss(other, lambda), best) << "weight " << i;
    }
}

TEST(InputError, ChangesNothingWithoutError) {
  Problem problem(0);
  std::vector<float> v = problem.w;
  ASSERT_TRUE(aimAtFloatOutputs(v.data(), rows, k, problem.gram.data(), problem.cross.data(), {}));
  EXPECT_EQ(v, problem.w);
}

TEST(InputError, StrengthIsLinear) {
  Problem problem(0.5);
  std::vector<float> half = problem.w, whole = problem.w;
  aimAtFloatOutputs(half.data(), rows, k, problem.gram.data(), problem.cross.data(), {0.5, 0.01});
  aimAtFloatOutputs(whole.data(), rows, k, problem.gram.data(), problem.cross.data(), {1, 0.01});
  for (size_t i = 0; i < half.size(); ++i)
    EXPECT_NEAR(half[i], (problem.w[i] + whole[i]) / 2, 1e-6);
}

TEST(InputError, RefusesWhatIsNotFinite) {
  Problem problem(0.5);
  problem.cross[3] = std::nan("");
  std::vector<float> v = problem.w;
  EXPECT_FALSE(aimAtFloatOutputs(v.data(), rows, k, problem.gram.data(), problem.cross.data(), {}));
  EXPECT_EQ(v, problem.w);
  std::vector<double> zero(k * k);
  EXPECT_FALSE(aimAtFloatOutputs(v.data(), rows, k, zero.data(), zero.data(), {}));
}

} // namespace
