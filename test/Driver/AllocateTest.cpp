// Choices of schemes within budgets, from candidates whose losses are given.
#include "qcc/Driver/Allocate.h"
#include <gtest/gtest.h>
#include <set>

using namespace qcc;

namespace {

/// Layers of two kinds; each bit less costs four times the loss. `steep` layers lose more.
std::vector<WeightChoice> makeLayers(int count) {
  std::vector<WeightChoice> choices;
  for (int i = 0; i < count; ++i) {
    WeightChoice choice;
    choice.name = "layer" + std::to_string(i);
    choice.kind = i % 2 ? "qnt.add" : "qnt.gelu";
    double loss = 1e-3 * (i % 2 ? 8 : 1) * (1 + 0.1 * (i % 5));
    for (int bits : {5, 4, 3}) {
      Candidate candidate;
      candidate.scheme = "w" + std::to_string(bits) + ":g32";
      candidate.bytes = 1000.0 * bits;
      candidate.loss = loss;
      candidate.ms = bits;
      loss *= 4;
      choice.candidates.push_back(candidate);
    }
    choices.push_back(choice);
  }
  return choices;
}

std::set<std::string> kernelsOf(const std::vector<WeightChoice> &choices) {
  std::set<std::string> kernels;
  for (const WeightChoice &choice : choices)
    kernels.insert(choice.kind + choice.candidates[choice.chosen].scheme);
  return kernels;
}

TEST(Allocate, KernelsArePaidForOutOfTheBytes) {
  const double budget = 20 * 4000.0 + 2 * 3000.0; // all layers at four bits, by two kernels
  std::vector<WeightChoice> free = makeLayers(20), paid = free;
  Allocation cheap = allocate(free, budget, {}), dear = allocate(paid, budget, {}, 3000);
  ASSERT_TRUE(cheap.feasible);
  ASSERT_TRUE(dear.feasible);
  EXPECT_EQ(dear.kernels, kernelsOf(paid).size());
  EXPECT_LE(dear.bytes + 3000.0 * static_cast<double>(dear.kernels), budget);
  EXPECT_LE(dear.kernels, cheap.kernels);
  EXPECT_GE(dear.loss, cheap.loss);
  // Never worse than what one scheme for all gives for the same bytes.
  double uniform = 0;
  for (const WeightChoice &choice : paid)
    uniform += choice.candidates[1].loss;
  EXPECT_LT(dear.loss, uniform);
}

TEST(Allocate, KernelsThatHardlyShowChangeNothing) {
  std::vector<WeightChoice> free = makeLayers(20), paid = free;
  Allocation cheap = allocate(free, 81e3, {}), small = allocate(paid, 81e3 + 6 * 10.0, {}, 10);
  EXPECT_EQ(cheap.loss, small.loss);
  EXPECT_EQ(kernelsOf(free), kernelsOf(paid));
}

TEST(Allocate, BothBudgetsHold) {
  std::vector<WeightChoice> choices = makeLayers(12);
  Allocation both = allocate(choices, 12 * 4500.0, 12 * 4.0, 500);
  ASSERT_TRUE(both.feasible);
  EXPECT_LE(both.ms, 48);
  EXPECT_LE(both.bytes + 500.0 * static_cast<double>(both.kernels), 12 * 4500.0);
}

TEST(Allocate, TheNearestWhereNothingFits) {
  std::vector<WeightChoice> choices = makeLayers(6);
  Allocation least = allocate(choices, 1000, {}, 1000);
  EXPECT_FALSE(least.feasible);
  EXPECT_EQ(least.bytes, 6 * 3000.0); // the smallest scheme of every layer
  EXPECT_EQ(least.kernels, 2u);
}

TEST(Allocate, WorstLayersArePromotedFirst) {
  std::vector<WeightChoice> choices = makeLayers(4);
  for (WeightChoice &choice : choices)
    choice.chosen = 2;
  ASSERT_TRUE(promoteWorst(choices));
  EXPECT_EQ(choices[3].chosen, 1);
  EXPECT_EQ(choices[0].chosen, 2);
  for (WeightChoice &choice : choices)
    choice.chosen = 0;
  EXPECT_FALSE(promoteWorst(choices));
}

TEST(Allocate, RecipesNameWeightsLiterally) {
  std::vector<WeightChoice> choices = makeLayers(1);
  choices[0].name = "it's [a] *";
  EXPECT_EQ(recipeOf(choices), "# the schemes that were allocated\noverrides:\n"
                               "  - {match: 'it''s \\[a\\] \\*', quantize: 'w5:g32'}\n");
}

} // namespace
