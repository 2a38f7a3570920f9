// Allocation against all combinations, and near-optimality on models' sizes.
#include "qcc/Algorithms/Knapsack.h"
#include <gtest/gtest.h>
#include <limits>
#include <random>
#include <utility>

using namespace qcc;

namespace {

using Groups = std::vector<std::vector<KnapsackOption>>;

/// Losses fall about fourfold a bit while bytes rise, as those of layers do.
Groups makeGroups(int count, int options, int budgets, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> uniform(0.2, 2);
  Groups groups(count);
  for (auto &group : groups) {
    double size = uniform(random), sensitivity = uniform(random) * uniform(random);
    for (int i = 0; i < options; ++i) {
      KnapsackOption option;
      option.loss = sensitivity * std::pow(0.3, i) * uniform(random);
      option.costs.push_back(size * (2 + i));
      for (int d = 1; d < budgets; ++d)
        option.costs.push_back(uniform(random));
      group.push_back(option);
    }
  }
  return groups;
}

std::vector<double> budgetsOf(const Groups &groups, double share) {
  size_t dims = groups[0][0].costs.size();
  std::vector<double> budgets(dims);
  for (size_t d = 0; d < dims; ++d)
    for (const auto &group : groups) {
      double low = 1e30, high = 0;
      for (const KnapsackOption &option : group) {
        low = std::min(low, option.costs[d]);
        high = std::max(high, option.costs[d]);
      }
      budgets[d] += low + share * (high - low);
    }
  return budgets;
}

/// The least loss of all combinations that fit; `prices` are of what options share.
double bruteForce(const Groups &groups, const std::vector<double> &budgets,
                  const std::vector<double> &prices = {}) {
  double best = std::numeric_limits<double>::infinity();
  std::vector<size_t> at(groups.size());
  for (;;) {
    double loss = 0;
    std::vector<double> costs(budgets.size()), unpaid = prices;
    for (size_t g = 0; g < groups.size(); ++g) {
      loss += groups[g][at[g]].loss;
      if (int shared = groups[g][at[g]].shared; shared >= 0)
        costs[0] += std::exchange(unpaid[shared], 0);
      for (size_t d = 0; d < budgets.size(); ++d)
        costs[d] += groups[g][at[g]].costs[d];
    }
    bool fits = true;
    for (size_t d = 0; d < budgets.size(); ++d)
      fits &= costs[d] <= budgets[d] * (1 + 1e-9);
    if (fits)
      best = std::min(best, loss);
    size_t g = 0;
    while (g < groups.size() && ++at[g] == groups[g].size())
      at[g++] = 0;
    if (g == groups.size())
      return best;
  }
}

} // namespace

TEST(Knapsack, SmallOnesAreExact) {
  for (unsigned seed = 0; seed < 40; ++seed)
    for (int dims : {1, 2})
      for (double share : {0.1, 0.4, 0.8}) {
        Groups groups = makeGroups(6, 4, dims, seed);
        std::vector<double> budgets = budgetsOf(groups, share);
        double want = bruteForce(groups, budgets);
        KnapsackResult got = chooseOptions(groups, budgets);
        ASSERT_EQ(got.feasible, std::isfinite(want)) << seed << " " << dims << " " << share;
        if (!got.feasible)
          continue;
        EXPECT_TRUE(got.optimal);
        EXPECT_NEAR(got.loss, want, 1e-9 * want) << seed << " " << dims << " " << share;
        for (int d = 0; d < dims; ++d)
          EXPECT_LE(got.costs[d], budgets[d] * (1 + 1e-8));
      }
}

TEST(Knapsack, LargeOnesComeCloseToTheBound) {
  for (int dims : {1, 2}) {
    Groups groups = makeGroups(300, 6, dims, 5);
    std::vector<double> budgets = budgetsOf(groups, 0.4);
    KnapsackOptions options;
    options.nodes = 2000;
    KnapsackResult got = chooseOptions(groups, budgets, options);
    ASSERT_TRUE(got.feasible);
    EXPECT_LE(got.bound, got.loss * (1 + 1e-9));
    EXPECT_LT(got.loss, 1.01 * got.bound) << dims;
    KnapsackResult again = chooseOptions(groups, budgets, options);
    EXPECT_EQ(got.choice, again.choice);
    // A larger budget is never worse by more than the gap.
    for (double &budget : budgets)
      budget *= 1.1;
    EXPECT_LT(chooseOptions(groups, budgets, options).loss, got.loss);
  }
}

TEST(Knapsack, WithoutTightBudgetsEachGroupTakesItsBest) {
  Groups groups = makeGroups(20, 3, 2, 1);
  KnapsackResult got = chooseOptions(groups, {1e9, 1e9});
  EXPECT_TRUE(got.optimal);
  double want = 0;
  for (const auto &group : groups) {
    double least = 1e30;
    for (const KnapsackOption &option : group)
      least = std::min(least, option.loss);
    want += least;
  }
  EXPECT_NEAR(got.loss, want, 1e-12);
}

TEST(Knapsack, SaysWhenNothingFits) {
  Groups groups = makeGroups(5, 3, 1, 2);
  KnapsackResult got = chooseOptions(groups, {0.5});
  EXPECT_FALSE(got.feasible);
  EXPECT_FALSE(got.optimal);
  for (size_t g = 0; g < groups.size(); ++g)
    EXPECT_EQ(got.choice[g], 0); // the cheapest
  EXPECT_TRUE(chooseOptions({}, {1.0}).feasible);
}

namespace {

/// Six groups of two kinds; option i of a group needs thing 4 * kind + i.
Groups makeSharing(unsigned seed) {
  Groups groups = makeGroups(6, 4, 1, seed);
  for (size_t g = 0; g < groups.size(); ++g)
    for (size_t i = 0; i < groups[g].size(); ++i)
      groups[g][i].shared = static_cast<int>(4 * (g % 2) + i);
  return groups;
}

} // namespace

TEST(Knapsack, WhatIsSharedIsPaidForOnce) {
  int exact = 0, feasible = 0;
  for (unsigned seed = 0; seed < 60; ++seed)
    for (double share : {0.15, 0.4, 0.8})
      for (double price : {0.0, 0.4, 1.5}) {
        Groups groups = makeSharing(seed);
        double budget = budgetsOf(groups, share)[0] + price;
        std::vector<double> prices(8, price);
        prices[seed % 8] *= 2;
        double want = bruteForce(groups, {budget}, prices);
        KnapsackResult got = chooseSharing(groups, {budget}, prices);
        if (!std::isfinite(want)) {
          EXPECT_FALSE(got.feasible);
          continue;
        }
        ASSERT_TRUE(got.feasible) << seed << " " << share << " " << price;
        EXPECT_LE(got.costs[0], budget * (1 + 1e-8));
        EXPECT_GE(got.loss, want * (1 - 1e-9));
        EXPECT_LE(got.loss, want * 1.35) << seed << " " << share << " " << price;
        exact += got.loss <= want * (1 + 1e-9);
        ++feasible;
      }
  EXPECT_GT(feasible, 300);
  EXPECT_GE(exact, feasible * 95 / 100) << exact << " of " << feasible;
}

TEST(Knapsack, SharingSaysWhenNothingFits) {
  Groups groups = makeSharing(3);
  KnapsackResult got = chooseSharing(groups, {0.5}, std::vector<double>(8, 0.1));
  EXPECT_FALSE(got.feasible);
  ASSERT_EQ(got.choice.size(), groups.size());
  for (size_t g = 0; g < groups.size(); ++g)
    EXPECT_EQ(got.choice[g], 0); // the cheapest
}
