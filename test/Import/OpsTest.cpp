// Operators by value, opset differences, functions, branches, and what is refused.
#include "ImportTesting.h"

using namespace qcc;
using namespace qcc::test;

using Reals = std::vector<double>;

TEST(Ops, GemmWithConstantIsALinearLayer) {
  Graph g;
  g.input("x", {"m", "2"})
      .constant(floats("w", {3, 2}, {1, 2, 3, 4, 5, 6}))
      .constant(floats("b", {3}, {10, 20, 30}))
      .add(with(node("Gemm", {"x", "w", "b"}, {"z"}), {intAttribute("transB", 1)}))
      .output("z");
  Imported m(g);
  EXPECT_EQ(m.opCount() - m.count<qnt::ConstantOp>(), 1u);
  EXPECT_EQ(m.run({{{1, 1}, {1, 2}}}), (Reals{13, 27, 41}));
}

TEST(Ops, GemmScalesAndTransposes) {
  Graph g;
  g.input("a", {"2", "1"})
      .input("b", {"2", "2"})
      .input("c", {"1", "2"})
      .add(with(node("Gemm", {"a", "b", "c"}, {"z"}),
                {intAttribute("transA", 1), floatAttribute("alpha", 2), floatAttribute("beta", 3)}))
      .output("z");
  EXPECT_EQ(Imported(g).run({{{1, 2}, {2, 1}}, {{1, 2, 3, 4}, {2, 2}}, {{1, 1}, {1, 2}}}),
            (Reals{17, 23}));
}

TEST(Ops, MatmulOfVectors) {
  Graph g;
  g.input("x", {"k"}).input("y", {"l"}).add(node("MatMul", {"x", "y"}, {"z"})).output("z");
  Imported m(g);
  EXPECT_EQ(m.result(), "");
  EXPECT_EQ(m.argument(1), "k");
  EXPECT_EQ(m.run({{{1, 2, 3}, {3}}, {{4, 5, 6}, {3}}}), (Reals{32}));
}

TEST(Ops, SoftmaxBeforeOpset13Flattens) {
  Graph g;
  g.version = 11;
  g.input("x", {"1", "2", "2"})
      .add(with(node("Softmax", {"x"}, {"z"}), {intAttribute("axis", 1)}))
      .output("z");
  Reals y = Imported(g).run({{{0, 0, 0, 0}, {1, 2, 2}}});
  EXPECT_EQ(y, Reals(4, 0.25));
  g.version = 13;
  EXPECT_EQ(Imported(g).run({{{0, 0, 0, 0}, {1, 2, 2}}}), Reals(4, 0.5));
}

TEST(Ops, AxesMovedFromAttributesToInputs) {
  for (int64_t version : {11, 13, 18}) {
    Graph g;
    g.version = version;
    bool sumInput = version >= 13, meanInput = version >= 18;
    g.input("x", {"2", "2"})
        .constant(ints("axes", {1}))
        .add(with(node("ReduceSum", sumInput ? Names{"x", "axes"} : Names{"x"}, {"s"}),
                  sumInput ? std::vector<WireWriter>{intAttribute("keepdims", 0)}
                           : std::vector<WireWriter>{intsAttribute("axes", {1}),
                                                     intAttribute("keepdims", 0)}))
        .add(with(node("ReduceMean", meanInput ? Names{"x", "axes"} : Names{"x"}, {"m"}),
                  meanInput ? std::vector<WireWriter>{intAttribute("keepdims", 0)}
                            : std::vector<WireWriter>{intsAttribute("axes", {1}),
                                                      intAttribute("keepdims", 0)}))
        .output("s")
        .output("m");
    Imported m(g);
    EXPECT_EQ(m.run({{{1, 2, 3, 4}, {2, 2}}}), (Reals{3, 7})) << version;
    EXPECT_EQ(m.run({{{1, 2, 3, 4}, {2, 2}}}, 1), (Reals{1.5, 3.5})) << version;
  }
}

TEST(Ops, EinsumContractsBatchesAndDiagonals) {
  auto run = [](const char *equation, std::vector<Names> dims,
                std::vector<Imported::Input> inputs) {
    Graph g;
    Names names;
    for (size_t i = 0; i < dims.size(); ++i) {
      names.push_back("x" + std::to_string(i));
      g.input(names.back(), dims[i]);
    }
    g.add(with(node("Einsum", names, {"z"}), {stringAttribute("equation", equation)})).output("z");
    return Imported(g).run(inputs);
  };
  EXPECT_EQ(run("ij,jk->ik", {{"2", "2"}, {"2", "1"}}, {{{1, 2, 3, 4}, {2, 2}}, {{1, 1}, {2, 1}}}),
            (Reals{3, 7}));
  EXPECT_EQ(run("...i,...i->...", {{"2", "2"}, {"2"}}, {{{1, 2, 3, 4}, {2, 2}}, {{1, 1}, {2}}}),
            (Reals{3, 7}));
  EXPECT_EQ(run("ii->i", {{"2", "2"}}, {{{1, 2, 3, 4}, {2, 2}}}), (Reals{1, 4}));
  EXPECT_EQ(run("ba", {{"2", "2"}}, {{{1, 2, 3, 4}, {2, 2}}}), (Reals{1, 3, 2, 4}));
}

TEST(Ops, QuantizeAndBack) {
  Graph g;
  g.input("x", {"3"})
      .constant(floats("scale", {}, {0.5f}))
      .constant(rawTensor("zero", U8, {}, std::string(1, char(10))))
      .add(node("QuantizeLinear", {"x", "scale", "zero"}, {"q"}))
      .add(node("DequantizeLinear", {"q", "scale", "zero"}, {"z"}))
      .output("q", {}, U8)
      .output("z");
  Imported m(g);
  EXPECT_EQ(m.run({{{0.25, 0.75, 1000}, {3}}}), (Reals{10, 12, 255}));
  EXPECT_EQ(m.run({{{0.25, 0.75, -1000}, {3}}}, 1), (Reals{0, 1, -5}));
}

TEST(Ops, MatmulNBitsKeepsItsCarriers) {
  // One row of 32 codes 0..15 twice, zero point 8, scale 2.
  std::string codes;
  for (int i = 0; i < 16; ++i)
    codes += char((2 * i) % 16 | ((2 * i + 1) % 16) << 4);
  Graph g;
  g.input("x", {"m", "32"})
      .constant(rawTensor("q", U8, {1, 1, 16}, codes))
      .constant(floats("s", {1}, {2}))
      .add(with(node("MatMulNBits", {"x", "q", "s"}, {"z"}, "", "com.microsoft"),
                {intAttribute("K", 32), intAttribute("N", 1), intAttribute("block_size", 32)}))
      .output("z");
  Reals x(32, 0);
  x[0] = 1, x[17] = 1; // codes 0 and 1
  EXPECT_EQ(Imported(g).run({{x, {1, 32}}}), (Reals{-30}));
}

TEST(Ops, AttentionIsCausalFromThePastOn) {
  Graph g;
  g.version = 23;
  g.input("q", {"1", "1", "s", "1"})
      .input("k", {"1", "1", "s", "1"})
      .input("past", {"1", "1", "p", "1"})
      .add(with(node("Attention", {"q", "k", "k", "", "past", "past"}, {"y", "pk", "pv"}),
                {intAttribute("is_causal", 1)}))
      .output("y")
      .output("pk");
  Imported m(g);
  EXPECT_EQ(m.result(1), "1, 1, p + s, 1");
  EXPECT_EQ(m.run({{{0, 0}, {1, 1, 2, 1}}, {{2, 5}, {1, 1, 2, 1}}, {{8}, {1, 1, 1, 1}}}),
            (Reals{5, 5}));
}

TEST(Ops, FunctionsAreExpanded) {
  Graph g;
  g.input("x", {"2"}).add(node("Twice", {"x"}, {"z"}, "call", "f")).output("z");
  g.functions.push_back(function("Twice", {"a"}, {"b"}, {node("Add", {"a", "a"}, {"b"})}));
  std::string bytes = g.bytes() + WireWriter().message(8, opset("f", 1)).str();
  TempFolder folder;
  mlir::MLIRContext context;
  auto module = expectOk(importOnnx(folder.write("m.onnx", bytes), context));
  EXPECT_TRUE(bool(module));
}

TEST(Ops, BranchesAreTakenByKnownConditionsAndChosenByData) {
  auto branch = [](const char *op) {
    return WireWriter().message(1, node(op, {"x"}, {"y"})).bytes(2, "b").message(12, value("y"));
  };
  Graph g;
  g.input("x", {"2"})
      .constant(rawTensor("c", Bool, {}, std::string(1, '\0')))
      .add(with(node("If", {"c"}, {"z"}, "choice"), {graphAttribute("then_branch", branch("Abs")),
                                                     graphAttribute("else_branch", branch("Neg"))}))
      .output("z");
  EXPECT_EQ(Imported(g).run({{{1, -2}, {2}}}), (Reals{-1, 2}));
  g.constants.clear();
  g.input("c", {}, Bool);
  Imported m(g);
  EXPECT_EQ(m.run({{{1, -2}, {2}}, {{0}, {}}}), (Reals{-1, 2}));
  EXPECT_EQ(m.run({{{1, -2}, {2}}, {{1}, {}}}), (Reals{1, 2}));
}

TEST(Refusals, ListAllNodesAtOnce) {
  Graph g;
  g.input("x", {"2"})
      .add(node("Nonsense", {"x"}, {"a"}, "first"))
      .add(node("Nonsense", {"a"}, {"b"}, "second"))
      .add(node("Other", {"x"}, {"c"}, "third", "my.domain"))
      .add(node("Det", {"x"}, {"d"}, "fourth"))
      .output("b")
      .output("c")
      .output("d");
  std::string text = refused(g, Diag::UnsupportedOps);
  for (const char *part :
       {"4 nodes", "'first', 'second'", "my.domain.Other", "'fourth'", "opset 17"})
    expectContains(text, part);
  TempFolder folder;
  mlir::MLIRContext context;
  CheckReport report = expectOk(checkOnnx(folder.write("m.onnx", g.bytes()), context));
  EXPECT_EQ(report.unsupported.size(), 3u);
  EXPECT_EQ(report.nodes, 4u);
  EXPECT_FALSE(report.ok());
}

TEST(Refusals, NodesThatNoOutputNeedsDoNotMatter) {
  Graph g;
  g.input("x", {"2"})
      .add(node("Nonsense", {"x"}, {"a"}))
      .add(node("Abs", {"x"}, {"z"}))
      .output("z");
  EXPECT_EQ(Imported(g).opCount(), 1u);
}

TEST(Refusals, TypesAndOpsets) {
  Graph strings;
  strings.input("x", {"2"}, 8).add(node("Identity", {"x"}, {"z"})).output("z", {}, 8);
  refused(strings, Diag::UnsupportedType);
  Graph old;
  old.version = 6;
  old.input("x", {"2"}).add(node("Abs", {"x"}, {"z"})).output("z");
  refused(old, Diag::UnsupportedOpset);
  Graph early;
  early.version = 17;
  early.input("x", {"2"}).add(node("Gelu", {"x"}, {"z"})).output("z");
  expectContains(refused(early, Diag::UnsupportedOps), "begins with opset 20");
}

TEST(Errors, NameTheNode) {
  Graph axis;
  axis.input("x", {"2"})
      .add(with(node("Softmax", {"x"}, {"z"}, "s"), {intAttribute("axis", 3)}))
      .output("z");
  expectContains(refused(axis, Diag::BadNode), "node 's' (Softmax, opset 17)");
  Graph missing;
  missing.input("x", {"2"}).add(node("Add", {"x"}, {"z"}, "a")).output("z");
  expectContains(refused(missing, Diag::BadNode), "input 1 is missing");
  Graph types;
  types.input("x", {"2"}).input("y", {"2"}, I64).add(node("Add", {"x", "y"}, {"z"})).output("z");
  expectContains(refused(types, Diag::TypeMismatch), "f32 and i64");
}

TEST(Cuts, MakeSubgraphs) {
  Graph g;
  g.input("x", {"s"})
      .add(node("Abs", {"x"}, {"a"}))
      .add(node("Neg", {"a"}, {"b"}))
      .add(node("Exp", {"b"}, {"c"}))
      .output("c", {"s"});
  ImportOptions options;
  options.outputs = {"b"};
  Imported m(g, options);
  EXPECT_EQ(m.opCount(), 2u);
  options.outputs = {"nothing"};
  refused(g, Diag::UnknownValue, options);
  options = {};
  options.inputs = {"b"};
  refused(g, Diag::UnsupportedType, options); // the model does not say b's type
}
