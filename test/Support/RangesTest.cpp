// Ranges over samples, and their file.
#include "qcc/Support/Ranges.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace qcc;
using Floats = std::vector<float>;

static std::string fault(llvm::StringRef text) {
  auto store = RangeStore::fromJson(text, "r.json");
  return store ? "read" : llvm::toString(store.takeError());
}

TEST(Ranges, KeepTheLargestMagnitudeOfEachChannel) {
  RangeStore store;
  EXPECT_TRUE(store.add("a", 2, Floats{1, -2, -3, std::nanf("")}));
  EXPECT_TRUE(store.add("a", 2, Floats{0.5f, 4}));
  EXPECT_FALSE(store.add("a", 3, Floats{9, 9, 9}));
  EXPECT_FALSE(store.add("a", 2, Floats{9}));
  EXPECT_EQ(store.magnitudes("a").vec(), (Floats{3, 4}));
  EXPECT_TRUE(store.magnitudes("b").empty());
}

TEST(Ranges, SurviveTheirFile) {
  RangeStore store;
  store.add("/layer/MatMul \"x\"", 3, Floats{1e-30f, 0.1f, 3e38f});
  store.add("b", 1, Floats{0});
  auto again = RangeStore::fromJson(store.toJson(), "r.json");
  ASSERT_TRUE(static_cast<bool>(again));
  EXPECT_EQ(again->size(), 2u);
  EXPECT_EQ(again->magnitudes("/layer/MatMul \"x\"").vec(), (Floats{1e-30f, 0.1f, 3e38f}));
  EXPECT_EQ(again->toJson(), store.toJson());
}

TEST(Ranges, MalformedFilesAreRefused) {
  for (const char *text :
       {"", "[]", "{", "{\"schema\": \"qcc.ranges/2\", \"ranges\": {}}",
        "{\"schema\": \"qcc.ranges/1\"}", "{\"schema\": \"qcc.ranges/1\", \"ranges\": {\"a\": 1}}",
        "{\"schema\": \"qcc.ranges/1\", \"ranges\": {\"a\": []}}",
        "{\"schema\": \"qcc.ranges/1\", \"ranges\": {\"a\": [1, \"2\"]}}",
        "{\"schema\": \"qcc.ranges/1\", \"ranges\": {\"a\": [-1]}}",
        "{\"schema\": \"qcc.ranges/1\", \"ranges\": {\"a\": [1e999]}}"})
    EXPECT_NE(fault(text).find("QCC1530"), std::string::npos) << text << ": " << fault(text);
  EXPECT_NE(fault("{").find("QCC1530: [1:1, byte=1]: Expected object key"), std::string::npos);
  auto store = RangeStore::read("/nonexistent/r.json");
  EXPECT_NE(llvm::toString(store.takeError()).find("QCC1101"), std::string::npos);
}
