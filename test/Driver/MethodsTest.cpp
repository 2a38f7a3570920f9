// Lists of methods as plans, and the codes that a plan chooses for one layer.
#include "qcc/Driver/Methods.h"
#include "qcc/Support/Diagnostics.h"
#include "gtest/gtest.h"
#include <random>

using namespace qcc;

namespace {

MethodPlan planOf(std::vector<std::string> names, bool haveData = true) {
  auto plan = planMethods(names, haveData);
  if (!plan) {
    ADD_FAILURE() << llvm::toString(plan.takeError());
    return {};
  }
  return *plan;
}

Diag errorOf(std::vector<std::string> names, bool haveData = true) {
  Diag code = Diag::UsageError;
  auto plan = planMethods(names, haveData);
  EXPECT_FALSE(static_cast<bool>(plan));
  if (!plan)
    llvm::handleAllErrors(plan.takeError(), [&](const CodedError &error) { code = error.code; });
  return code;
}

/// A layer with inputs of correlated channels.
struct Layer {
  static constexpr int64_t rows = 12, k = 64, tokens = 200;
  std::vector<float> w;
  Moments moments;
  Layer() {
    std::mt19937 random(3);
    std::normal_distribution<float> normal;
    for (int64_t i = 0; i < rows * k; ++i)
      w.push_back(0.1f * normal(random));
    moments.k = k;
    moments.positions = tokens;
    moments.gram.resize(k * k);
    for (int64_t t = 0; t < tokens; ++t) {
      std::vector<float> x(k);
      float common = normal(random);
      for (float &value : x)
        value = normal(random) + common;
      for (int64_t i = 0; i < k; ++i)
        for (int64_t j = 0; j < k; ++j)
          moments.gram[i * k + j] += static_cast<double>(x[i]) * x[j];
    }
  }
  EncodedRows codes(const MethodPlan &plan, const Moments *known, WeightReport &report,
                    unsigned threads = 2, int bits = 3) const {
    WeightFormat format;
    format.bits = bits;
    format.block = 32;
    report.name = "w";
    return chooseCodes(plan, format, w, rows, k, known, threads, report);
  }
};

} // namespace

TEST(Methods, RoundsFollowTheirOrder) {
  EXPECT_TRUE(planOf({"default"}).rounds().empty());
  std::vector<TreatmentChoices> rounds = planOf({"sparse", "columns", "gptq", "awq"}).rounds();
  ASSERT_EQ(rounds.size(), 3u); // whatever the order of the list
  EXPECT_TRUE(rounds[0].awq && !rounds[0].smooth && !rounds[0].columns);
  EXPECT_TRUE(rounds[1].columns && !rounds[1].awq && !rounds[1].sparse);
  EXPECT_TRUE(rounds[2].sparse && !rounds[2].columns);
  rounds = planOf({"smoothquant", "outliers"}).rounds();
  ASSERT_EQ(rounds.size(), 2u);
  EXPECT_TRUE(rounds[1].smooth && rounds[1].thresholds && rounds[1].columns && rounds[1].sparse);
}

TEST(Methods, AwqClipsUnlessAnotherChoosesCodes) {
  EXPECT_TRUE(planOf({"awq"}).clip);
  EXPECT_FALSE(planOf({"awq", "rtn"}).clip);
  EXPECT_FALSE(planOf({"awq", "gptq"}).clip);
  EXPECT_FALSE(planOf({"smoothquant"}).clip);
}

TEST(Methods, ContradictionsAndMissingDataAreRefused) {
  for (auto list : {std::vector<std::string>{"rtn", "gptq"},
                    {"stochastic", "signround"},
                    {"awq", "smoothquant"},
                    {"outliers", "columns"},
                    {"default", "rtn"}})
    EXPECT_EQ(errorOf(list), Diag::BadOptionValue);
  for (const char *name : {"gptq", "outliers", "bias", "rows", "signround", "awq", "default"})
    EXPECT_EQ(errorOf({name}, false), Diag::BadOptionValue) << name;
  for (const char *name : {"rtn", "clip", "stochastic", "hadamard", "kmeans"})
    EXPECT_EQ(planOf({name}, false).text, name);
  EXPECT_EQ(planOf({}, false).text, "rtn");
  EXPECT_EQ(planOf({}, true).text, "default");
}

TEST(Methods, EachStepLowersTheObjective) {
  Layer layer;
  auto loss = [&](std::vector<std::string> names) {
    WeightReport report;
    layer.codes(planOf(names), &layer.moments, report);
    return report.layer.result / report.energy;
  };
  double clip = loss({"clip"}), gptq = loss({"gptq"}), both = loss({"gptq", "rounding"});
  EXPECT_LT(gptq, clip);
  EXPECT_LT(both, gptq);
  EXPECT_LT(loss({"clip", "signround"}), clip);
}

TEST(Methods, DescentLeavesEightBitsBehindStaticRangesAlone) {
  Layer layer;
  for (int bits : {3, 8}) {
    MethodPlan plan = planOf({"default"}), narrow = plan, none = plan;
    narrow.refineNarrow = true;
    none.refine = false;
    WeightReport report;
    auto codes = [&](const MethodPlan &plan) {
      return layer.codes(plan, &layer.moments, report, 2, bits).codes;
    };
    EXPECT_NE(codes(plan), codes(none)) << bits; // descent does change something
    EXPECT_EQ(codes(narrow), codes(bits < 8 ? plan : none)) << bits;
  }
}

TEST(Methods, ChanceFollowsTheSeedAlone) {
  Layer layer;
  MethodPlan plan = planOf({"stochastic"}, false);
  WeightReport report;
  EncodedRows one = layer.codes(plan, nullptr, report, 1),
              four = layer.codes(plan, nullptr, report, 4);
  EXPECT_EQ(one.codes, four.codes);
  plan.seed = 1;
  EXPECT_NE(layer.codes(plan, nullptr, report).codes, one.codes);
}

TEST(Methods, WeightsOfAGroupShareOneFactor) {
  Layer layer;
  const HessianFactor &first = layer.moments.factor({}, 2);
  EXPECT_EQ(&first, &layer.moments.factor({}, 1));
  WeightReport report;
  EncodedRows shared = layer.codes(planOf({"gptq"}), &layer.moments, report);
  WeightFormat format;
  format.bits = 3;
  format.block = 32;
  GptqReport walk;
  EncodedRows own =
      gptq(format, layer.w.data(), Layer::rows, Layer::k, layer.moments.gram.data(), {}, 3, &walk);
  EXPECT_EQ(shared.codes, own.codes); // no row of this layer falls back
  EXPECT_EQ(walk.damp, first.report.damp);
}
