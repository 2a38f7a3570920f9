// Expansion of model functions.
#include "OnnxTesting.h"
#include "llvm/ADT/StringSet.h"

using namespace qcc;
using namespace qcc::onnx;
using namespace qcc::test;

namespace {

std::unique_ptr<Model> inlined(const std::string &bytes) {
  // The bytes of inline tensors may be asked for later, so the model must not outlive them here.
  auto m = expectOk(readBytes(bytes));
  if (!m)
    return nullptr;
  if (llvm::Error error = inlineFunctions(*m)) {
    ADD_FAILURE() << llvm::toString(std::move(error));
    return nullptr;
  }
  EXPECT_TRUE(m->functions.empty());
  return m;
}

std::string failInline(const WireWriter &w, Diag code, uint64_t maxNodes = 200'000) {
  auto m = expectOk(readBytes(w.str()));
  return m ? expectCode(inlineFunctions(*m, maxNodes), code) : "";
}

WireWriter call(const std::string &name, const Names &inputs, const Names &outputs,
                const std::string &label = "call") {
  return node(name, inputs, outputs, label, "f");
}

TEST(InlineFunctions, NestedCallsBecomeNodes) {
  WireWriter square = function("Square", {"v"}, {"r"}, {node("Mul", {"v", "v"}, {"r"}, "mul")});
  WireWriter quad =
      function("Quad", {"v"}, {"r"},
               {call("Square", {"v"}, {"t"}, "first"), call("Square", {"t"}, {"r"}, "second")});
  auto m = inlined(
      model(graph({call("Quad", {"x"}, {"y"}, "q"), call("Quad", {"y"}, {"z"}, "p")}, {"x"}, {"z"}),
            {quad, square})
          .str());
  ASSERT_TRUE(m);
  ASSERT_EQ(m->graph.nodes.size(), 4u);
  const Node &first = m->graph.nodes[0], &second = m->graph.nodes[1];
  EXPECT_EQ(first.name, "q/first/mul");
  EXPECT_EQ(first.inputs, (Names{"x", "x"}));
  EXPECT_EQ(second.inputs[0], first.outputs[0]);
  EXPECT_EQ(first.outputs[0], "q/t");
  EXPECT_EQ(second.outputs[0], "y");
  EXPECT_EQ(m->graph.nodes[3].outputs[0], "z");
}

TEST(InlineFunctions, FreshNamesAvoidTakenOnes) {
  WireWriter f = function("F", {"v"}, {"r"}, {node("A", {"v"}, {"t"}), node("B", {"t"}, {"r"})});
  auto m = inlined(
      model(graph({call("F", {"x"}, {"y"}), call("F", {"y"}, {"z"}), node("C", {"z"}, {"call/t"})},
                  {"x"}, {"z"}),
            {f})
          .str());
  ASSERT_TRUE(m);
  llvm::StringSet<> seen;
  for (const Node &n : m->graph.nodes)
    EXPECT_TRUE(seen.insert(n.outputs[0]).second) << n.outputs[0];
}

TEST(InlineFunctions, AttributesComeFromCallOrDefault) {
  WireWriter body = node("A", {"v"}, {"r"}, "a");
  body.message(5, refAttribute("axis", "ax", 2)).message(5, refAttribute("other", "o", 2));
  body.message(5, refAttribute("gone", "g", 2)).message(5, intAttribute("own", 4));
  WireWriter f = function("F", {"v"}, {"r"}, {body}).bytes(6, "ax").bytes(6, "g");
  f.message(11, intAttribute("o", 9));
  WireWriter c = call("F", {"x"}, {"y"}).message(5, intAttribute("ax", 3));
  auto m = inlined(model(graph({c}, {"x"}, {"y"}), {f}).str());
  ASSERT_TRUE(m);
  const Node &n = m->graph.nodes[0];
  EXPECT_EQ(expectOk(n.getInt("axis", 0)), 3);
  EXPECT_EQ(expectOk(n.getInt("other", 0)), 9);
  EXPECT_EQ(expectOk(n.getInt("own", 0)), 4);
  EXPECT_FALSE(n.has("gone"));
}

TEST(InlineFunctions, InnerGraphsAreRenamed) {
  // The branch defines 't' of its own and reads the function's 'v'.
  WireWriter branch = graph({node("B", {"v"}, {"t"}, "b")}, {}, {"t"});
  WireWriter f =
      function("F", {"v"}, {"r"},
               {node("A", {"v"}, {"t"}, "a"),
                node("If", {"t"}, {"r"}, "if").message(5, graphAttribute("then_branch", branch))});
  auto m = inlined(
      model(graph({call("F", {"x"}, {"y"}), call("F", {"y"}, {"z"}, "again")}, {"x"}, {"z"}), {f})
          .str());
  ASSERT_TRUE(m);
  ASSERT_EQ(m->graph.nodes.size(), 4u);
  const Graph *inner = expectOk(m->graph.nodes[1].getGraph("then_branch"));
  ASSERT_TRUE(inner);
  EXPECT_EQ(inner->nodes[0].inputs[0], "x");
  EXPECT_EQ(inner->outputs[0].name, inner->nodes[0].outputs[0]);
  EXPECT_NE(inner->nodes[0].outputs[0], m->graph.nodes[0].outputs[0]);
  EXPECT_EQ(expectOk(m->graph.nodes[3].getGraph("then_branch"))->nodes[0].inputs[0], "y");
}

TEST(InlineFunctions, CallsInsideInnerGraphs) {
  WireWriter f = function("F", {"v"}, {"r"}, {node("A", {"v"}, {"r"}, "a")});
  WireWriter branch = graph({call("F", {"x"}, {"t"})}, {}, {"t"});
  auto m = inlined(
      model(
          graph({node("If", {"x"}, {"y"}, "if").message(5, graphAttribute("then_branch", branch))},
                {"x"}, {"y"}),
          {f})
          .str());
  ASSERT_TRUE(m);
  EXPECT_EQ(expectOk(m->graph.nodes[0].getGraph("then_branch"))->nodes[0].opType, "A");
}

TEST(InlineFunctions, OverloadsAndOptionalInputs) {
  WireWriter one = function("F", {"v", "w"}, {"r"}, {node("A", {"v", "w"}, {"r"})});
  WireWriter two = function("F", {"v"}, {"r"}, {node("B", {"v"}, {"r"})}).bytes(13, "two");
  WireWriter c = call("F", {"y"}, {"z"}).bytes(8, "two");
  auto m = inlined(model(graph({call("F", {"x"}, {"y"}), c}, {"x"}, {"z"}), {one, two}).str());
  ASSERT_TRUE(m);
  EXPECT_EQ(m->graph.nodes[0].opType, "A");
  EXPECT_EQ(m->graph.nodes[0].input(1), "");
  EXPECT_EQ(m->graph.nodes[1].opType, "B");
}

TEST(InlineFunctions, PassedThroughInputsGetAnIdentity) {
  WireWriter f = function("F", {"v"}, {"v", "v"}, {});
  auto m = inlined(model(graph({call("F", {"x"}, {"y", "z"})}, {"x"}, {"y", "z"}), {f}).str());
  ASSERT_TRUE(m);
  ASSERT_EQ(m->graph.nodes.size(), 2u);
  EXPECT_EQ(m->graph.nodes[1].opType, "Identity");
  EXPECT_EQ(m->graph.nodes[1].inputs[0], "x");
}

TEST(InlineFunctions, KeepsTheFunctionsOpset) {
  WireWriter f = function("F", {"v"}, {"r"},
                          {node("A", {"v"}, {"t"}), node("Q", {"t"}, {"r"}, "", "new")}, "f", 13);
  f.message(9, opset("new", 2));
  auto m = inlined(
      model(graph({node("N", {"x"}, {"n"}), call("F", {"n"}, {"y"})}, {"x"}, {"y"}), {f}).str());
  ASSERT_TRUE(m);
  EXPECT_EQ(m->opsetVersion(m->graph.nodes[0]), 17);
  EXPECT_EQ(m->opsetVersion(m->graph.nodes[1]), 13);
  EXPECT_EQ(m->opsetVersion(m->graph.nodes[2]), 2);
}

TEST(InlineFunctions, RecursiveFunction) {
  WireWriter a = function("A", {"v"}, {"r"}, {call("B", {"v"}, {"r"})});
  WireWriter b = function("B", {"v"}, {"r"}, {call("A", {"v"}, {"r"})});
  expectContains(failInline(model(graph({}), {a, b}), Diag::RecursiveFunction),
                 "through function 'B'");
  WireWriter self = function("S", {"v"}, {"r"}, {call("S", {"v"}, {"r"})});
  failInline(model(graph({}), {self}), Diag::RecursiveFunction);
}

TEST(InlineFunctions, BadFunctionCall) {
  WireWriter f =
      function("F", {"v"}, {"r"}, {node("A", {"v"}, {"r"})}).message(11, intAttribute("o", 9));
  auto fails = [&](const WireWriter &c) {
    return failInline(model(graph({c}, {"x"}), {f}), Diag::BadFunctionCall);
  };
  expectContains(fails(call("F", {"x", "x"}, {"y"})), "2 inputs are given, it has 1");
  fails(call("F", {"x"}, {"y", "z"}));
  fails(call("F", {"x"}, {"y"}).message(5, intAttribute("ax", 3)));
  fails(call("F", {"x"}, {"y"}).message(5, WireWriter().bytes(1, "o").bytes(4, "s").varint(20, 3)));
  WireWriter through = function("T", {"v"}, {"v"}, {});
  failInline(model(graph({call("T", {}, {"y"})}), {through}), Diag::BadFunctionCall);
}

TEST(InlineFunctions, BadFunction) {
  WireWriter f = function("F", {"v"}, {"v"}, {});
  expectCode(readBytes(model(graph({}), {f, f}).str()), Diag::BadFunction);
  expectCode(readBytes(model(graph({}), {function("F", {"v", "v"}, {}, {})}).str()),
             Diag::BadFunction);
  expectCode(readBytes(model(graph({}), {function("F", {}, {"r"}, {})}).str()),
             Diag::UndefinedValue);
}

/// F0 calls F1 twice, F1 calls F2 twice, and so on.
WireWriter doubling(int levels, const Names &outputs) {
  std::vector<WireWriter> functions;
  for (int i = 0; i < levels; ++i) {
    std::string next = "F" + std::to_string(i + 1);
    std::vector<WireWriter> body = {call(next, {}, outputs.empty() ? Names{} : Names{"a"}),
                                    call(next, {}, outputs)};
    functions.push_back(function("F" + std::to_string(i), {}, outputs, body));
  }
  std::vector<WireWriter> last;
  if (!outputs.empty())
    last.push_back(node("A", {}, outputs));
  functions.push_back(function("F" + std::to_string(levels), {}, outputs, last));
  return model(graph({call("F0", {}, outputs)}), functions);
}

TEST(InlineFunctions, DoublingIsBounded) {
  failInline(doubling(40, {"r"}), Diag::LimitExceeded);
  failInline(doubling(40, {}), Diag::LimitExceeded);
  failInline(doubling(4, {"r"}), Diag::LimitExceeded, 15);
  auto m = inlined(doubling(4, {"r"}).str());
  ASSERT_TRUE(m);
  EXPECT_EQ(m->graph.nodes.size(), 16u);
}

TEST(InlineFunctions, LongCallChainsAreTooDeep) {
  std::vector<WireWriter> functions;
  for (int i = 0; i < 5000; ++i)
    functions.push_back(
        function("F" + std::to_string(i), {}, {}, {call("F" + std::to_string(i + 1), {}, {})}));
  failInline(model(graph({call("F0", {}, {})}), functions), Diag::TooDeep);
}

} // namespace
