// Names, scopes and order of graphs.
#include "OnnxTesting.h"

using namespace qcc;
using namespace qcc::onnx;
using namespace qcc::test;

namespace {

std::vector<std::string> names(const Graph &graph) {
  std::vector<std::string> out;
  for (const Node &node : graph.nodes)
    out.push_back(node.name);
  return out;
}

TEST(Validate, SortsNodesThatAreOutOfOrder) {
  auto m =
      expectOk(readBytes(model(graph({node("A", {"b"}, {"a"}, "A"), node("X", {"x"}, {"q"}, "X"),
                                      node("B", {"c"}, {"b"}, "B"), node("C", {"x"}, {"c"}, "C")},
                                     {"x"}, {"a"}))
                             .str()));
  ASSERT_TRUE(m);
  EXPECT_EQ(names(m->graph), (std::vector<std::string>{"X", "C", "B", "A"}));
  ASSERT_EQ(m->notes.size(), 1u);
}

TEST(Validate, InnerGraphsSeeOuterValues) {
  WireWriter inner = graph({node("Add", {"x", "late"}, {"r"}, "in")}, {}, {"r"});
  WireWriter conditional =
      node("If", {"x"}, {"y"}, "if").message(5, graphAttribute("then_branch", inner));
  auto m = expectOk(
      readBytes(model(graph({conditional, node("A", {"x"}, {"late"}, "A")}, {"x"}, {"y"})).str()));
  ASSERT_TRUE(m);
  EXPECT_EQ(names(m->graph), (std::vector<std::string>{"A", "if"}));
}

TEST(Validate, InnerNamesStayInside) {
  WireWriter inner = graph({node("A", {}, {"r"}, "in")}, {}, {"r"});
  WireWriter conditional =
      node("If", {}, {"y"}, "if").message(5, graphAttribute("then_branch", inner));
  std::string text =
      expectCode(readBytes(model(graph({conditional, node("A", {"r"}, {"z"}, "out")})).str()),
                 Diag::UndefinedValue);
  expectContains(text, "m.onnx: node 'out' (A)");
  expectContains(text, "'r'");
}

TEST(Validate, UndefinedValue) {
  expectCode(readBytes(model(graph({node("A", {"?"}, {"y"}, "n")})).str()), Diag::UndefinedValue);
  expectCode(readBytes(model(graph({}, {}, {"y"})).str()), Diag::UndefinedValue);
  WireWriter inner = graph({node("A", {"ghost"}, {"r"}, "in")}, {}, {"r"});
  WireWriter conditional =
      node("If", {}, {"y"}, "if").message(5, graphAttribute("then_branch", inner));
  expectContains(expectCode(readBytes(model(graph({conditional})).str()), Diag::UndefinedValue),
                 "node 'if' (If), attribute 'then_branch': node 'in' (A)");
}

TEST(Validate, DuplicateValue) {
  expectContains(
      expectCode(
          readBytes(model(graph({node("A", {}, {"y"}, "a"), node("B", {}, {"y"}, "b")})).str()),
          Diag::DuplicateValue),
      "node 'b' (B)");
  expectCode(readBytes(model(graph({node("A", {}, {"x"})}, {"x"})).str()), Diag::DuplicateValue);
  expectCode(readBytes(model(graph({}, {"x", "x"})).str()), Diag::DuplicateValue);
  WireWriter w = rawTensor("w", UInt8, {1}, "a");
  expectCode(readBytes(model(graph({}).message(5, w).message(5, w)).str()), Diag::DuplicateValue);
  expectCode(readBytes(model(graph({node("A", {}, {"w"})}).message(5, w)).str()),
             Diag::DuplicateValue);
  // An input may have its default among the initializers.
  EXPECT_TRUE(expectOk(readBytes(model(graph({}, {"w"}).message(5, w)).str())));
  // Outputs that nobody wants share the empty name.
  EXPECT_TRUE(expectOk(readBytes(model(graph({node("A", {}, {"", "", "y"})})).str())));
}

TEST(Validate, GraphCycle) {
  std::string text = expectCode(
      readBytes(model(graph({node("S", {"x"}, {"s"}, "start"), node("A", {"b", "s"}, {"a"}, "A"),
                             node("B", {"a"}, {"b"}, "B"), node("E", {"b"}, {"e"}, "end")},
                            {"x"}))
                    .str()),
      Diag::GraphCycle);
  expectContains(text, "node 'A' (A)");
  expectContains(text, "'b' of node 'B' (B)");
  EXPECT_FALSE(llvm::StringRef(text).contains("start"));
  expectCode(readBytes(model(graph({node("A", {"a"}, {"a"})})).str()), Diag::GraphCycle);
  WireWriter inner = graph({node("A", {"y"}, {"r"}, "in")}, {}, {"r"});
  WireWriter self = node("If", {}, {"y"}, "if").message(5, graphAttribute("then_branch", inner));
  expectCode(readBytes(model(graph({self})).str()), Diag::GraphCycle);
}

TEST(Validate, LongChainsNeedNoDeepStack) {
  std::vector<WireWriter> nodes;
  for (int i = 100000; i-- > 0;)
    nodes.push_back(node("A", {"v" + std::to_string(i)}, {"v" + std::to_string(i + 1)}));
  auto m = expectOk(readBytes(model(graph(nodes, {"v0"}, {"v100000"})).str()));
  ASSERT_TRUE(m);
  EXPECT_EQ(m->graph.nodes.front().input(0), "v0");
}

} // namespace
