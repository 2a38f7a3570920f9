// Decisions about layers, and their file.
#include "qcc/Support/Decisions.h"
#include "qcc/Support/Diagnostics.h"
#include <gtest/gtest.h>

using namespace qcc;
using Kind = LayerDecision::Kind;

TEST(Decisions, SurviveTheirFile) {
  DecisionStore store;
  LayerDecision &columns = store.layers["q"];
  columns.kind = Kind::Columns;
  columns.columns = {0, 3, 17};
  LayerDecision &sparse = store.layers["/layer/MatMul \"x\""];
  sparse.kind = Kind::Sparse;
  sparse.fraction = 0.005;
  sparse.importance = {1, 0, 0.5f};
  LayerDecision &migrate = store.layers["m"];
  migrate.kind = Kind::Migrate;
  migrate.rule = LayerDecision::Rule::Awq;
  migrate.alpha = 0.25;
  migrate.magnitudes = {0.1f, 3e38f};
  migrate.bias = {-1, 2};
  LayerDecision &inlined = store.layers["i"];
  inlined.kind = Kind::Migrate;
  inlined.scales = {2, 1};
  inlined.isInline = true;
  store.layers["none"];
  auto again = DecisionStore::fromJson(store.toJson(), "d.json");
  ASSERT_TRUE(static_cast<bool>(again));
  EXPECT_EQ(again->layers, store.layers);
  EXPECT_EQ(again->toJson(), store.toJson());
}

TEST(Decisions, AreFoundByNodeThenByObserver) {
  DecisionStore store;
  store.layers["id"].alpha = 0.1;
  EXPECT_EQ(store.find("node"), nullptr);
  EXPECT_EQ(store.find("", ""), nullptr);
  ASSERT_NE(store.find("node", "id"), nullptr);
  store.layers["node"].alpha = 0.2;
  EXPECT_EQ(store.find("node", "id")->alpha, 0.2);
}

TEST(Decisions, MalformedFilesAreRefused) {
  auto layer = [](std::string text) {
    return "{\"schema\": \"qcc.decisions/1\", \"layers\": {\"a\": " + text + "}}";
  };
  for (const std::string &text :
       {std::string(), std::string("[]"), std::string("{\"schema\": \"qcc.ranges/1\"}"),
        std::string("{\"schema\": \"qcc.decisions/1\"}"), layer("1"), layer("{\"kind\": \"all\"}"),
        layer("{\"kind\": 1}"), layer("{\"columns\": [2, 1]}"), layer("{\"columns\": [-1]}"),
        layer("{\"columns\": 1}"), layer("{\"fraction\": 2}"), layer("{\"alpha\": \"x\"}"),
        layer("{\"scales\": [0]}"), layer("{\"scales\": []}"), layer("{\"magnitudes\": [-1]}"),
        layer("{\"bias\": [1e300]}"), layer("{\"inline\": 1}"), layer("{\"inline\": true}"),
        layer("{\"colums\": [1]}")}) {
    auto store = DecisionStore::fromJson(text, "d.json");
    ASSERT_FALSE(static_cast<bool>(store)) << text;
    llvm::handleAllErrors(store.takeError(), [&](const CodedError &error) {
      EXPECT_EQ(error.code, Diag::BadDecisions) << text;
      EXPECT_EQ(error.where, "d.json");
    });
  }
  EXPECT_EQ(llvm::toString(DecisionStore::fromJson("{", "d.json").takeError()),
            "d.json: error QCC1531: [1:1, byte=1]: Expected object key");
  std::string other = "{\"schema\": \"qcc.decisions/2\", \"layers\": {}}";
  EXPECT_EQ(llvm::toString(DecisionStore::fromJson(other, "d.json").takeError()),
            "d.json: error QCC1531: has no \"schema\": \"qcc.decisions/1\"");
  auto gone = DecisionStore::read("/no/such/file");
  ASSERT_FALSE(static_cast<bool>(gone));
  llvm::handleAllErrors(gone.takeError(),
                        [](const CodedError &error) { EXPECT_EQ(error.code, Diag::CannotRead); });
}
