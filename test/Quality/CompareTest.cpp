// When outputs count as equal.
#include "qcc/Quality/Compare.h"
#include "../Data/DataTesting.h"
#include <cmath>

using namespace qcc;
using namespace qcc::data;
using namespace qcc::quality;

static HostTensor floats(std::vector<double> values) {
  int64_t count = static_cast<int64_t>(values.size());
  return tensorOf<double>(QCC_F32, {count}, std::move(values));
}

TEST(Compare, ToleranceIsAbsolutePlusRelative) {
  Tolerance t{0.5, 0.125};
  EXPECT_TRUE(compareTensors(floats({1.625}), floats({1}), t).equal());
  EXPECT_FALSE(compareTensors(floats({1.626}), floats({1}), t).equal());
  EXPECT_TRUE(compareTensors(floats({0.5}), floats({0}), t).equal());
  EXPECT_FALSE(compareTensors(floats({-0.75}), floats({0}), t).equal());
}

TEST(Compare, NanAndInfinity) {
  Tolerance t;
  EXPECT_TRUE(
      compareTensors(floats({NAN, INFINITY, -INFINITY}), floats({NAN, INFINITY, -INFINITY}), t)
          .equal());
  EXPECT_FALSE(compareTensors(floats({NAN}), floats({0}), t).equal());
  EXPECT_FALSE(compareTensors(floats({0}), floats({NAN}), t).equal());
  EXPECT_FALSE(compareTensors(floats({INFINITY}), floats({-INFINITY}), t).equal());
  EXPECT_FALSE(compareTensors(floats({1e30}), floats({INFINITY}), t).equal());
  EXPECT_FALSE(compareTensors(floats({INFINITY}), floats({1e30}), t).equal());
}

TEST(Compare, IntegersAreExact) {
  Tolerance loose{100, 100};
  HostTensor a = tensorOf<int>(QCC_I64, {2}, {1, 2}), b = tensorOf<int>(QCC_I64, {2}, {1, 3});
  EXPECT_FALSE(compareTensors(a, b, loose).equal());
  EXPECT_TRUE(compareTensors(a, a, loose).equal());
  // Equal as doubles, different as integers.
  a.as<int64_t>()[1] = (int64_t(1) << 60) + 1;
  b.as<int64_t>()[1] = int64_t(1) << 60;
  EXPECT_EQ(compareTensors(a, b, loose).bad, 1);
}

TEST(Compare, TypeShapeAndEmptiness) {
  HostTensor a(QCC_F32, {2, 0}), b(QCC_F32, {0, 2}), c(QCC_F16, {2, 0});
  EXPECT_TRUE(compareTensors(a, a.clone(), {}).equal());
  EXPECT_FALSE(compareTensors(a, b, {}).sameShape);
  EXPECT_FALSE(compareTensors(a, c, {}).sameType);
  EXPECT_EQ(codeOf(comparisonError(compareTensors(a, b, {}), a, b, "d", "y")),
            Diag::OutputMismatch);
}

TEST(Compare, SaysWhatDiffers) {
  auto text = [](const HostTensor &got, const HostTensor &want) {
    return llvm::toString(comparisonError(compareTensors(got, want, {}), got, want, "d", "y"));
  };
  HostTensor a(QCC_F32, {2, 1}), b(QCC_F32, {1, 2}), c(QCC_F16, {2, 1});
  EXPECT_NE(text(a, b).find("has shape 2x1, expected 1x2"), std::string::npos) << text(a, b);
  EXPECT_NE(text(a, c).find("has type f32, expected f16"), std::string::npos) << text(a, c);
}

TEST(Compare, NamesTheWorstElement) {
  HostTensor got = tensorOf<double>(QCC_F32, {2, 3}, {0, 0, 0.5, 0, 9, 0});
  HostTensor want = tensorOf<double>(QCC_F32, {2, 3}, {0, 0, 0, 0, 1, 0});
  Comparison result = compareTensors(got, want, {});
  EXPECT_EQ(result.bad, 2);
  EXPECT_EQ(result.worstIndex, (std::vector<int64_t>{1, 1}));
  std::string text = llvm::toString(comparisonError(result, got, want, "set_0", "y"));
  EXPECT_NE(text.find("QCC1801"), std::string::npos);
  EXPECT_NE(text.find("2 of 6 elements, worst at [1, 1]: got 9, expected 1"), std::string::npos)
      << text;
}

TEST(Compare, CountsWhatIsNotFinite) {
  EXPECT_EQ(countNotFinite(floats({1, NAN, INFINITY})), 2);
  EXPECT_EQ(countNotFinite(HostTensor(QCC_I32, {4})), 0);
}
