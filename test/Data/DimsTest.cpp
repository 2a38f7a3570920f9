// Dimension texts, and solving shapes through shared symbols.
#include "qcc/Data/Dims.h"
#include "DataTesting.h"

using namespace qcc;
using namespace qcc::data;

TEST(Dims, Evaluates) {
  Symbols s = {{"s", 7}, {"p", 3}, {"past.len", 2}};
  EXPECT_EQ(evaluateDim("64", s), 64);
  EXPECT_EQ(evaluateDim("s + p", s), 10);
  EXPECT_EQ(evaluateDim("2*s - (p + 1)", s), 10);
  EXPECT_EQ(evaluateDim("s floordiv 2", s), 3);
  EXPECT_EQ(evaluateDim("s ceildiv 2", s), 4);
  EXPECT_EQ(evaluateDim("(s - 8) floordiv 2", s), -1);
  EXPECT_EQ(evaluateDim("s mod p", s), 1);
  EXPECT_EQ(evaluateDim("min(s, p) + max(1, 2)", s), 5);
  EXPECT_EQ(evaluateDim("past.len * 2", s), 4);
  EXPECT_EQ(evaluateDim("s + unknown", s), std::nullopt);
  EXPECT_EQ(evaluateDim("s floordiv 0", s), std::nullopt);
}

TEST(Dims, WhatIsNotAnExpressionIsASymbol) {
  EXPECT_EQ(symbolsOf("what is this?"), std::vector<std::string>{"what is this?"});
  EXPECT_EQ(evaluateDim("what is this?", {{"what is this?", 4}}), 4);
  EXPECT_EQ(symbolsOf("s + p"), (std::vector<std::string>{"s", "p"}));
  std::string deep(1000, '(');
  EXPECT_EQ(symbolsOf(deep), std::vector<std::string>{deep});
}

TEST(Dims, SolvesLinearEquations) {
  DimSolver solver;
  solver.add("2 * h", 8, "x axis 0");
  solver.add("s + p", 10, "mask axis 1");
  solver.add("s", 4, "ids axis 1");
  ASSERT_EQ(codeOf(solver.solve()), noDiag);
  EXPECT_EQ(solver.symbols["h"], 4);
  EXPECT_EQ(solver.symbols["p"], 6);
}

TEST(Dims, ContradictionsNameBothValues) {
  DimSolver odd;
  odd.add("2 * h", 7, "x axis 0");
  EXPECT_EQ(codeOf(odd.solve()), Diag::BadShape);
  DimSolver twice;
  twice.add("s", 4, "a axis 0");
  twice.add("s", 5, "b axis 1");
  llvm::Error error = twice.solve();
  ASSERT_TRUE(static_cast<bool>(error));
  std::string text = llvm::toString(std::move(error));
  EXPECT_NE(text.find("b axis 1 is 's' = 4 in this model, but 5 is given"), std::string::npos)
      << text;
}

using Given = std::vector<std::optional<std::vector<int64_t>>>;

TEST(Dims, ADecoderNeedsItsIdsOnly) {
  PaperModel model;
  makeDecoder(model);
  Given given(5);
  given[0] = std::vector<int64_t>{2, 9};
  auto shapes = solveShapes(model, given);
  ASSERT_TRUE(static_cast<bool>(shapes));
  EXPECT_EQ((*shapes)[1], (std::vector<int64_t>{2, 9}));
  EXPECT_EQ((*shapes)[3], (std::vector<int64_t>{2, 2, 0, 16}));
}

TEST(Dims, AGivenPastLengthensTheMask) {
  PaperModel model;
  makeDecoder(model);
  Given given(5);
  given[0] = std::vector<int64_t>{1, 1};
  given[3] = std::vector<int64_t>{1, 2, 12, 16};
  auto shapes = solveShapes(model, given);
  ASSERT_TRUE(static_cast<bool>(shapes));
  EXPECT_EQ((*shapes)[1], (std::vector<int64_t>{1, 13}));
  EXPECT_EQ((*shapes)[4], (std::vector<int64_t>{1, 2, 12, 16}));
}

TEST(Dims, MasksWithSymbolsOfTheirOwnFollowTheIds) {
  PaperModel model;
  makeDecoder(model);
  model.inputs[1].dims = {"mask_batch", "total"};
  model.inputs[3].dims[0] = "past_batch";
  model.inputs[4].dims[0] = "past_batch";
  Given given(5);
  given[0] = std::vector<int64_t>{3, 4};
  auto shapes = solveShapes(model, given);
  ASSERT_TRUE(static_cast<bool>(shapes));
  EXPECT_EQ((*shapes)[1], (std::vector<int64_t>{3, 4}));
  EXPECT_EQ((*shapes)[3], (std::vector<int64_t>{3, 2, 0, 16}));
}

TEST(Dims, OpenInputsAreAllListed) {
  PaperModel model;
  model.inputs = {
      {"x", QCC_F32, {"n", "4"}, ""}, {"y", QCC_F32, {"m"}, ""}, {"z", QCC_F32, {"3"}, ""}};
  auto shapes = solveShapes(model, Given(3));
  ASSERT_FALSE(static_cast<bool>(shapes));
  std::string text = llvm::toString(shapes.takeError());
  EXPECT_NE(text.find("QCC1008"), std::string::npos);
  EXPECT_NE(text.find("x f32[n, 4]"), std::string::npos);
  EXPECT_NE(text.find("y f32[m]"), std::string::npos);
  EXPECT_EQ(text.find("z f32"), std::string::npos);
}

TEST(Dims, RanksAreChecked) {
  PaperModel model;
  makeDecoder(model);
  Given given(5);
  given[0] = std::vector<int64_t>{1, 2, 3};
  EXPECT_EQ(codeOf(solveShapes(model, given)), Diag::BadShape);
}
