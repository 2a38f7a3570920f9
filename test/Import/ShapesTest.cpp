// Symbols, equalities between dimensions, and shape arithmetic that leaves nothing behind.
#include "ImportTesting.h"

using namespace qcc;
using namespace qcc::test;

TEST(Symbols, AreBoundToTheFirstInputThatNamesThem) {
  Graph g;
  g.input("x", {"b", "s"}).input("y", {"b", "s"}).add(node("Add", {"x", "y"}, {"z"})).output("z");
  Imported m(g);
  EXPECT_EQ(m.argument(1), "b, s");
  EXPECT_EQ(m.result(), "b, s");
  expectContains(m.text(), "#qnt.symbol<\"s\", input = 0, axis = 1>");
}

TEST(Symbols, ExpressionsNumeralsAndUnnamedDimensions) {
  Graph g;
  g.input("x", {"s", "2", "?"})
      .input("y", {"p + s", "p"})
      .input("w", {"nobody + 1", "odd name!"})
      .add(node("Identity", {"x"}, {"a"}))
      .add(node("Identity", {"y"}, {"b"}))
      .add(node("Identity", {"w"}, {"c"}))
      .output("a")
      .output("b")
      .output("c");
  Imported m(g);
  EXPECT_EQ(m.argument(0), "s, 2, x_axis2");
  EXPECT_EQ(m.argument(1), "p + s, p");
  EXPECT_EQ(m.argument(2), "\"nobody + 1\", \"odd name!\"");
}

TEST(Equalities, TheLaterSymbolGoes) {
  Graph g;
  g.input("x", {"b", "s"}).input("y", {"c", "s"}).add(node("Add", {"x", "y"}, {"z"})).output("z");
  Imported m(g);
  EXPECT_EQ(m.argument(1), "b, s");
  EXPECT_EQ(m.text().find("\"c\""), std::string::npos);
}

TEST(Equalities, AMaskIsAsLongAsPastAndPresent) {
  Graph g;
  g.input("x", {"s"})
      .input("mask", {"total"})
      .input("past", {"p"})
      .add(with(node("Concat", {"past", "x"}, {"all"}), {intAttribute("axis", 0)}))
      .add(node("Mul", {"all", "mask"}, {"z"}))
      .output("z");
  Imported m(g);
  EXPECT_EQ(m.argument(1), "p + s");
  EXPECT_EQ(m.run({{{3}, {1}}, {{1, 2, 4}, {3}}, {{1, 2}, {2}}}), (std::vector<double>{1, 4, 12}));
}

TEST(Equalities, ConstantsFixSymbols) {
  Graph g;
  g.input("x", {"b", "s"})
      .constant(floats("c", {3}, {1, 2, 3}))
      .add(node("Add", {"x", "c"}, {"z"}))
      .output("z");
  EXPECT_EQ(Imported(g).argument(0), "b, 3");
}

TEST(Equalities, ClampsAreCheckedAtRunTime) {
  Graph g; // table[:s] is only as long as s while s <= 4
  g.input("x", {"s"})
      .constant(floats("table", {4}, {1, 2, 3, 4}))
      .constant(ints("zero", {0}))
      .add(node("Shape", {"x"}, {"n"}))
      .add(node("Slice", {"table", "zero", "n"}, {"t"}))
      .add(node("Add", {"x", "t"}, {"z"}))
      .output("z");
  Imported m(g);
  EXPECT_EQ(m.count<qnt::RequireEqualOp>(), 1u);
  EXPECT_EQ(m.result(), "s");
  EXPECT_EQ(m.run({{{10, 20}, {2}}}), (std::vector<double>{11, 22}));
}

TEST(Equalities, ABroadcastThatWouldEmptyAnInputStretches) {
  Graph g; // [s] + [p + s], where s is 1 whenever p is not 0
  g.input("x", {"s"})
      .input("past", {"p"})
      .add(with(node("Concat", {"past", "x"}, {"all"}), {intAttribute("axis", 0)}))
      .add(node("Add", {"all", "x"}, {"z"}))
      .output("z");
  Imported m(g);
  EXPECT_EQ(m.result(), "p + s");
  EXPECT_EQ(m.run({{{10}, {1}}, {{1, 2}, {2}}}), (std::vector<double>{11, 12, 20}));
  EXPECT_EQ(m.run({{{1, 2}, {2}}, {{}, {0}}}), (std::vector<double>{2, 4}));
}

TEST(Equalities, ProvablyDifferentSizesAreAnError) {
  Graph g;
  g.input("x", {"2"}).input("y", {"3"}).add(node("Add", {"x", "y"}, {"z"}, "sum")).output("z");
  std::string text = refused(g, Diag::ShapeMismatch);
  expectContains(text, "node 'sum' (Add, opset 17)");
  expectContains(text, "2 and 3");
}

TEST(ShapeArithmetic, LeavesNoOps) {
  // The subgraph that exporters write for x.view(b, s, 4, -1).
  Graph g;
  g.input("x", {"b", "s", "8"})
      .constant(rawTensor("zero", I64, {}, WireWriter::pod<int64_t>(0)))
      .constant(rawTensor("one", I64, {}, WireWriter::pod<int64_t>(1)))
      .constant(ints("axis", {0}))
      .constant(ints("four", {4}))
      .constant(ints("rest", {-1}))
      .add(node("Shape", {"x"}, {"n"}))
      .add(node("Gather", {"n", "zero"}, {"b"}))
      .add(node("Gather", {"n", "one"}, {"s"}))
      .add(node("Unsqueeze", {"b", "axis"}, {"b1"}))
      .add(node("Unsqueeze", {"s", "axis"}, {"s1"}))
      .add(with(node("Concat", {"b1", "s1", "four", "rest"}, {"to"}), {intAttribute("axis", 0)}))
      .add(node("Reshape", {"x", "to"}, {"y"}))
      .output("y");
  Imported m(g);
  EXPECT_EQ(m.opCount(), 1u);
  EXPECT_EQ(m.result(), "b, s, 4, 2");
}

TEST(ShapeArithmetic, ExpandReadsMinusOneAsKeep) {
  // torch's expand: Where(shape == -1, 1, shape).
  Graph g;
  g.input("x", {"b", "1"})
      .constant(ints("want", {-1, 5}))
      .constant(ints("ones", {1, 1}))
      .constant(ints("minus", {-1, -1}))
      .add(node("Equal", {"want", "minus"}, {"keep"}))
      .add(node("Where", {"keep", "ones", "want"}, {"to"}))
      .add(node("Expand", {"x", "to"}, {"y"}))
      .output("y");
  Imported m(g);
  EXPECT_EQ(m.result(), "b, 5");
  EXPECT_EQ(m.run({{{1, 2}, {2, 1}}}).size(), 10u);
}

TEST(ShapeArithmetic, GoesThroughFloats) {
  Graph g; // ceil(s * 0.5) zeros
  g.input("x", {"s"})
      .constant(floats("half", {}, {0.5f}))
      .add(node("Shape", {"x"}, {"n"}))
      .add(with(node("Cast", {"n"}, {"f"}), {intAttribute("to", F32)}))
      .add(node("Mul", {"f", "half"}, {"h"}))
      .add(node("Ceil", {"h"}, {"c"}))
      .add(with(node("Cast", {"c"}, {"i"}), {intAttribute("to", I64)}))
      .add(node("ConstantOfShape", {"i"}, {"z"}))
      .output("z");
  Imported m(g);
  EXPECT_EQ(m.result(), "ceildiv(s, 2)");
  EXPECT_EQ(m.run({{{1, 2, 3}, {3}}}).size(), 2u);
}

TEST(ShapeArithmetic, SizesAsDataBecomeDimTensors) {
  Graph g;
  g.input("x", {"s"})
      .add(node("Shape", {"x"}, {"n"}))
      .add(with(node("Cast", {"n"}, {"f"}), {intAttribute("to", F32)}))
      .add(node("Div", {"x", "f"}, {"z"}))
      .output("z");
  Imported m(g);
  EXPECT_EQ(m.count<qnt::DimTensorOp>(), 1u);
  EXPECT_EQ(m.run({{{2, 4}, {2}}}), (std::vector<double>{1, 2}));
}

TEST(ShapeArithmetic, RangeOfSizesIsAnIota) {
  Graph g;
  g.input("x", {"s"})
      .constant(rawTensor("zero", I64, {}, WireWriter::pod<int64_t>(0)))
      .constant(rawTensor("two", I64, {}, WireWriter::pod<int64_t>(2)))
      .add(node("Size", {"x"}, {"n"}))
      .add(node("Range", {"zero", "n", "two"}, {"z"}))
      .output("z", {}, I64);
  Imported m(g);
  EXPECT_EQ(m.result(), "ceildiv(s, 2)");
  EXPECT_EQ(m.run({{{0, 0, 0, 0, 0}, {5}}}), (std::vector<double>{0, 2, 4}));
}

TEST(ShapeArithmetic, SlicesClampOnlyWhereTheyMust) {
  auto sliced = [](std::vector<int64_t> start, std::vector<int64_t> end) {
    Graph g;
    g.input("x", {"s", "6"})
        .constant(ints("a", start))
        .constant(ints("e", end))
        .add(node("Slice", {"x", "a", "e"}, {"z"}))
        .output("z");
    return Imported(g).result();
  };
  EXPECT_EQ(sliced({0, 1}, {INT64_MAX, 4}), "s, 3");
  EXPECT_EQ(sliced({0, -2}, {INT32_MAX, INT32_MAX}), "s, 2");
  EXPECT_EQ(sliced({-1, 0}, {INT64_MAX, 6}), "min(1, s), 6");
  EXPECT_EQ(sliced({0, 5}, {3, 2}), "min(3, s), 0");
}

TEST(ShapeArithmetic, ReversingSlices) {
  Graph g;
  g.input("x", {"s"})
      .constant(ints("a", {-1}))
      .constant(ints("e", {INT64_MIN}))
      .constant(ints("axes", {0}))
      .constant(ints("steps", {-2}))
      .add(node("Slice", {"x", "a", "e", "axes", "steps"}, {"z"}))
      .output("z");
  EXPECT_EQ(Imported(g).run({{{1, 2, 3, 4}, {4}}}), (std::vector<double>{4, 2}));
}

TEST(ShapeOptions, FixAndBound) {
  Graph g;
  g.input("x", {"b", "s"}).input("y", {"b", "s"}).add(node("Add", {"x", "y"}, {"z"})).output("z");
  ImportOptions options;
  options.shapes = {expectOk(parseShapeOption("x=1x1..512"))};
  Imported m(g, options);
  EXPECT_EQ(m.argument(1), "1, s");
  expectContains(m.text(), "min = 1, max = 512");
}

TEST(ShapeOptions, Contradictions) {
  Graph g;
  g.input("x", {"3", "s"}).add(node("Abs", {"x"}, {"z"})).output("z");
  for (const char *text : {"x=4x1", "x=3", "nobody=1x1", "x=3x5..2", "x=3xa", "x"}) {
    auto option = parseShapeOption(text);
    if (!option) {
      expectCode(std::move(option), Diag::BadShapeOption);
      continue;
    }
    ImportOptions options;
    options.shapes = {*option};
    refused(g, Diag::BadShapeOption, options);
  }
}

TEST(ShapeOptions, GiveARankWhereThereIsNone) {
  Graph g;
  g.inputs.push_back(
      WireWriter().bytes(1, "x").message(2, WireWriter().message(1, WireWriter().varint(1, F32))));
  g.add(node("Abs", {"x"}, {"z"})).output("z");
  expectContains(refused(g, Diag::DynamicRank), "--shape x=");
  ImportOptions options;
  options.shapes = {expectOk(parseShapeOption("x=2x?"))};
  EXPECT_EQ(Imported(g, options).argument(0), "2, x_axis1");
}

TEST(ProducedSymbols, NonZeroDeclaresOne) {
  Graph g;
  g.input("x", {"s"}).add(node("NonZero", {"x"}, {"i"})).output("i", {}, I64);
  Imported m(g);
  EXPECT_EQ(m.result(), "1, i_count");
  expectContains(m.text(), "#qnt.symbol<\"i_count\", input = -1, axis = 0>");
  EXPECT_EQ(m.run({{{0, 5, 0, 7}, {4}}}), (std::vector<double>{1, 3}));
}
