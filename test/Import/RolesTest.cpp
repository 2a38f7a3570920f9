// Roles of inputs and outputs.
#include "ImportTesting.h"

using namespace qcc;
using namespace qcc::test;

static Graph decoder(const std::string &ids, const std::string &cache) {
  Graph g;
  g.input(ids, {"b", "s"}, I64)
      .input("attention_mask", {"b", "t"}, I64)
      .input(cache, {"b", "2", "p", "4"})
      .constant(floats("table", {64, 8}, std::vector<float>(512, 1)))
      .add(node("Gather", {"table", ids}, {"x"}))
      .add(node("Identity", {cache}, {"present.0.key"}))
      .add(with(node("Cast", {"attention_mask"}, {"m"}), {intAttribute("to", F32)}))
      .output("x")
      .output("present.0.key")
      .output("m");
  return g;
}

static std::string role(Imported &m, unsigned i) {
  auto attr = m.main().getArgAttrOfType<mlir::StringAttr>(i, qnt::roleAttrName);
  return attr ? attr.getValue().str() : "";
}

TEST(Roles, ComeFromStructureThenNames) {
  Imported m(decoder("tokens_without_a_telling_name", "past_key_values.3.key"));
  ASSERT_TRUE(m.ok());
  EXPECT_EQ(role(m, 0), "ids");
  EXPECT_EQ(role(m, 1), "mask");
  EXPECT_EQ(role(m, 2), "past.3.key");
  EXPECT_EQ(m.main().getResultAttrOfType<mlir::StringAttr>(1, qnt::roleAttrName).getValue(),
            "present.0.key");
}

TEST(Roles, BindingsWin) {
  ImportOptions options;
  options.roles = {{"mask", "x0"}};
  Imported m(decoder("x0", "past.value"), options);
  ASSERT_TRUE(m.ok());
  EXPECT_EQ(role(m, 0), "mask");
  EXPECT_EQ(role(m, 1), "");
  EXPECT_EQ(role(m, 2), "past.0.value");
}

TEST(Roles, StatesOfRecurrencesAreNoCaches) {
  Imported m(decoder("ids", "past_key_values.0.recurrent_state"));
  ASSERT_TRUE(m.ok());
  EXPECT_EQ(role(m, 2), "");
}
