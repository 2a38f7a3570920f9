// The statistics file: what is written is read, and nothing else.
#include "qcc/Support/Statistics.h"
#include "qcc/Support/Diagnostics.h"
#include "qcc/Support/Ranges.h"
#include "gtest/gtest.h"

using namespace qcc;

namespace {

StatisticsStore sample() {
  StatisticsStore store;
  store.modelHash = "aa";
  store.dataHash = "bb";
  store.samples = 3;
  ValueStatistics value;
  value.channels = 2;
  value.positions = 12;
  value.min = -1.5;
  value.max = 3;
  value.drift = 0.25;
  value.ranges["minmax"] = {-1.5, 3};
  value.ranges["mse"] = {-1, 2.5};
  value.magnitude = {1.5f, 3};
  value.meanMagnitude = {0.1f, 0.2f};
  value.meanSquare = {0.01f, 0.05f};
  store.values["/layer/MatMul"] = value;
  return store;
}

TEST(Statistics, ComesBackAsItWas) {
  StatisticsStore store = sample();
  auto read = StatisticsStore::fromJson(store.toJson(), "f");
  ASSERT_TRUE(static_cast<bool>(read));
  EXPECT_EQ(read->modelHash, "aa");
  EXPECT_EQ(read->dataHash, "bb");
  EXPECT_EQ(read->samples, 3);
  EXPECT_EQ(read->values, store.values);
  ASSERT_NE(read->find("/layer/MatMul"), nullptr);
  EXPECT_EQ(read->find("other"), nullptr);
}

TEST(Statistics, ServesAsRanges) {
  auto ranges = RangeStore::fromJson(sample().toJson(), "f");
  ASSERT_TRUE(static_cast<bool>(ranges));
  EXPECT_EQ(ranges->magnitudes("/layer/MatMul").vec(), (std::vector<float>{1.5f, 3}));
}

TEST(Statistics, WrongFilesAreNamed) {
  auto problem = [](std::string text, llvm::StringRef from, llvm::StringRef to) {
    size_t at = text.find(from.str());
    EXPECT_NE(at, std::string::npos) << from.str();
    text.replace(at, from.size(), to.str());
    auto read = StatisticsStore::fromJson(text, "f");
    EXPECT_FALSE(static_cast<bool>(read)) << to.str();
    return llvm::toString(
        llvm::handleErrors(read.takeError(), [](std::unique_ptr<CodedError> error) -> llvm::Error {
          EXPECT_EQ(error->code, Diag::BadStatistics);
          return llvm::Error(std::move(error));
        }));
  };
  std::string text = sample().toJson();
  auto expect = [&](llvm::StringRef from, llvm::StringRef to, llvm::StringRef what) {
    std::string message = problem(text, from, to);
    EXPECT_NE(message.find(what), std::string::npos) << message;
  };
  expect("{", "", "Text after end of document");
  expect("statistics/1", "statistics/9", "has no \"schema\"");
  expect("\"values\"", "\"items\"", "has no object \"values\"");
  expect("\"magnitude\":[1.5,3]", "\"magnitude\":[1.5]", "no list with a number per channel");
  expect("\"magnitude\":[1.5,3]", "\"magnitude\":[1.5,-3]", "finite numbers of at least 0");
  expect("\"minmax\":[-1.5,3]", "\"minmax\":[3,-1.5]", "is no pair [low, high]");
  expect("\"ranges\"", "\"range\"", "has no object 'ranges'");
  expect("\"drift\":0.25", "\"drift\":\"x\"", "'drift' is no finite number");
  expect("\"/layer/MatMul\":{", "\"a\":3,\"/layer/MatMul\":{", "value 'a' is no object");
}

TEST(Statistics, MissingFile) {
  auto read = StatisticsStore::read("/no/such/file");
  EXPECT_FALSE(static_cast<bool>(read));
  llvm::consumeError(read.takeError());
}

} // namespace
