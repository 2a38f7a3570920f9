// What rounds of treatments hand to the passes, and what they say of it.
#include "qcc/Driver/Treatments.h"
#include <gtest/gtest.h>

using namespace qcc;

namespace {

/// A layer that was tried untreated and in one other way, which was taken.
LayerTreatment treatedBy(const char *id, Treatment::Kind kind) {
  LayerTreatment layer;
  layer.id = id;
  layer.weights = {std::string(id) + ".weight"};
  layer.candidates.resize(2);
  layer.candidates[0].how = "nothing";
  layer.candidates[0].error = 0.25;
  Treatment &taken = layer.candidates[1];
  taken.kind = kind;
  taken.how = "treated";
  taken.error = 0.01;
  taken.scales = {1, 2};
  taken.columns = {1};
  taken.fraction = 0.5;
  layer.chosen = 1;
  return layer;
}

TEST(Treatments, ScalesAreHandedOverApartFromSplits) {
  // A layer whose channels are split is a sum, which takes no scales of the layer behind it.
  std::vector<LayerTreatment> layers = {treatedBy("split", Treatment::Kind::Columns),
                                        treatedBy("scaled", Treatment::Kind::Migrate),
                                        treatedBy("sparse", Treatment::Kind::Sparse)};
  DecisionStore scales = decisionsOf(layers, true), others = decisionsOf(layers, false);
  using Kind = LayerDecision::Kind;
  EXPECT_EQ(scales.layers.at("scaled").kind, Kind::Migrate);
  EXPECT_EQ(scales.layers.at("scaled").scales, std::vector<float>({1, 2}));
  EXPECT_EQ(scales.layers.at("split").kind, LayerDecision().kind);
  EXPECT_EQ(scales.layers.at("sparse").kind, LayerDecision().kind);
  EXPECT_EQ(others.layers.at("split").kind, Kind::Columns);
  EXPECT_EQ(others.layers.at("split").columns, std::vector<int32_t>({1}));
  EXPECT_EQ(others.layers.at("sparse").kind, Kind::Sparse);
  EXPECT_EQ(others.layers.at("scaled").kind, LayerDecision().kind);
}

TEST(Treatments, LayersThatNothingWasTriedForDecideNothing) {
  LayerTreatment layer;
  layer.id = "table";
  layer.refused = "the weight is a table too";
  EXPECT_EQ(decisionsOf({layer}, true).layers.at("table").kind, LayerDecision().kind);
  EXPECT_EQ(layer.reason(), "the weight is a table too");
}

TEST(Treatments, ReasonsTellErrorsOfAllThatWasTried) {
  LayerTreatment layer = treatedBy("x", Treatment::Kind::Columns);
  layer.candidates.push_back(layer.candidates[0]);
  layer.candidates[2].how = "sparse 1 %";
  EXPECT_EQ(layer.reason(), "treated: relative output error 1.00e-01 instead of 5.00e-01, "
                            "sparse 1 % 5.00e-01");
}

} // namespace
