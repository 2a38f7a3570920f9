// Random values and what absent inputs become.
#include "qcc/Data/Inputs.h"
#include "DataTesting.h"
#include <cmath>

using namespace qcc;
using namespace qcc::data;

TEST(Inputs, RandomSpecs) {
  auto spec = parseRandomSpec("input_ids=i64[1x128]:0..30000");
  ASSERT_TRUE(static_cast<bool>(spec));
  EXPECT_EQ(spec->name, "input_ids");
  EXPECT_EQ(spec->dtype, uint32_t(QCC_I64));
  EXPECT_EQ(spec->dims, (std::vector<int64_t>{1, 128}));
  HostTensor values = makeRandom(*spec, 0);
  for (int64_t i = 0; i < values.count(); ++i) {
    EXPECT_GE(values.integer(i), 0);
    EXPECT_LT(values.integer(i), 30000);
  }
  EXPECT_EQ(makeRandom(*spec, 0).numbers(), values.numbers());
  EXPECT_NE(makeRandom(*spec, 1).numbers(), values.numbers());
  auto scalar = parseRandomSpec("a=b=f32[]");
  ASSERT_TRUE(static_cast<bool>(scalar));
  EXPECT_EQ(scalar->name, "a=b");
  EXPECT_TRUE(scalar->dims.empty());
  for (const char *text : {"x", "x=f32", "x=f99[1]", "=f32[1]", "x=f32[-1]", "x=f32[1]:3",
                           "x=f32[1]:3..1", "x=f32[axb]", "x=f32[1]0..1", "x=f32]1["})
    EXPECT_EQ(codeOf(parseRandomSpec(text)), Diag::BadOptionValue) << text;
}

TEST(Inputs, NormalHasMeanZeroAndVarianceOne) {
  Random random(0);
  double sum = 0, squares = 0;
  constexpr int count = 100000;
  for (int i = 0; i < count; ++i) {
    double value = random.normal();
    sum += value;
    squares += value * value;
  }
  EXPECT_NEAR(sum / count, 0, 0.02);
  EXPECT_NEAR(squares / count, 1, 0.02);
}

TEST(Inputs, AbsentInputsFollowFromTheIds) {
  PaperModel model;
  makeDecoder(model);
  PartialInputs values(5);
  values[0] = HostTensor(QCC_I64, {2, 3});
  auto inputs = completeInputs(model, std::move(values));
  ASSERT_TRUE(static_cast<bool>(inputs));
  EXPECT_EQ((*inputs)[1].numbers(), (std::vector<double>{1, 1, 1, 1, 1, 1}));
  EXPECT_EQ((*inputs)[2].numbers(), (std::vector<double>{0, 1, 2, 0, 1, 2}));
  EXPECT_EQ((*inputs)[3].dims(), llvm::ArrayRef<int64_t>({2, 2, 0, 16}));
}

TEST(Inputs, PositionsCountTokensThatAreNotMasked) {
  PaperModel model;
  makeDecoder(model);
  PartialInputs values(5);
  values[0] = HostTensor(QCC_I64, {1, 4});
  values[1] = tensorOf<int>(QCC_I64, {1, 4}, {0, 0, 1, 1});
  auto inputs = completeInputs(model, std::move(values));
  ASSERT_TRUE(static_cast<bool>(inputs));
  EXPECT_EQ((*inputs)[2].numbers(), (std::vector<double>{0, 0, 0, 1}));
}

TEST(Inputs, AnythingElseAbsentIsListed) {
  PaperModel model;
  makeDecoder(model);
  model.inputs.push_back({"pixels", QCC_F32, {"b", "3"}, ""});
  auto inputs = completeInputs(model, PartialInputs(6));
  ASSERT_FALSE(static_cast<bool>(inputs));
  std::string text = llvm::toString(inputs.takeError());
  EXPECT_NE(text.find("QCC1008"), std::string::npos);
  EXPECT_NE(text.find("input_ids"), std::string::npos);
  EXPECT_NE(text.find("pixels"), std::string::npos);
  EXPECT_EQ(text.find("attention_mask"), std::string::npos);
}

TEST(Inputs, FittingChecksTypesAndRanks) {
  PaperModel model;
  makeDecoder(model);
  EXPECT_EQ(codeOf(fitInput(model, 0, HostTensor(QCC_I32, {1, 2}), /*convert=*/false)),
            Diag::UnsuitableData);
  EXPECT_EQ(codeOf(fitInput(model, 0, HostTensor(QCC_I32, {1, 2}), /*convert=*/true)), noDiag);
  EXPECT_EQ(codeOf(fitInput(model, 0, HostTensor(QCC_F32, {1, 2}), /*convert=*/true)),
            Diag::UnsuitableData);
  EXPECT_EQ(codeOf(fitInput(model, 0, HostTensor(QCC_I64, {2}), /*convert=*/true)),
            Diag::UnsuitableData);
}

TEST(Inputs, SyntheticValuesByRole) {
  PaperModel model;
  makeDecoder(model);
  std::vector<std::vector<int64_t>> shapes = {{1, 4}, {1, 6}, {1, 4}, {1, 2, 2, 16}, {1, 2, 2, 16}};
  std::vector<HostTensor> inputs = syntheticInputs(model, shapes, 10, 0);
  for (double id : inputs[0].numbers())
    EXPECT_TRUE(id >= 0 && id < 10);
  EXPECT_EQ(inputs[1].number(5), 1);
  EXPECT_EQ(inputs[2].numbers(), (std::vector<double>{2, 3, 4, 5}));
  EXPECT_NE(inputs[3].number(0), 0);
}

TEST(Inputs, RolesAreGuessedFromUsualNames) {
  PaperModel model;
  model.inputs = {{"input_ids", QCC_I64, {"b", "s"}, ""},
                  {"token_type_ids", QCC_I64, {"b", "s"}, ""},
                  {"past_key_values.0.key", QCC_F32, {"b", "2", "p", "4"}, ""},
                  {"mine", QCC_I64, {"b"}, "mask"}};
  guessRoles(model);
  EXPECT_EQ(model.inputs[0].role, "ids");
  EXPECT_EQ(model.inputs[1].role, "types");
  EXPECT_TRUE(isPastRole(model.inputs[2].role));
  EXPECT_EQ(model.inputs[3].role, "mask");
  model.outputs = {{"logits", QCC_F32, {"b", "s", "512"}, ""}};
  EXPECT_EQ(vocabularyOf(model), 512);
  model.manifest = R"({"vocab": 99})";
  EXPECT_EQ(vocabularyOf(model), 99);
}
