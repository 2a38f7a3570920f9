// Reading models: what arrives, and each refusal of malformed bytes.
#include "OnnxTesting.h"
#include "llvm/Support/raw_ostream.h"

using namespace qcc;
using namespace qcc::onnx;
using namespace qcc::test;

namespace {

WireWriter smallGraph() {
  WireWriter clip = node("Clip", {"x", "", "w"}, {"y"}, "a/Clip");
  clip.message(5, intAttribute("axis", -1));
  clip.message(5, WireWriter().bytes(1, "eps").fixed32(2, 0.5f).varint(20, 1));
  clip.message(5, WireWriter().bytes(1, "mode").bytes(4, "none").varint(20, 3));
  clip.message(5, WireWriter().bytes(1, "perm").packed(8, {1, 0, -2}).varint(20, 7));
  clip.message(5, WireWriter().bytes(1, "pads").varint(8, 4).varint(8, 5).varint(20, 7));
  clip.message(
      5, WireWriter().bytes(1, "scales").bytes(7, WireWriter::pods<float>({1, 2})).varint(20, 6));
  clip.message(
      5, WireWriter().bytes(1, "value").message(5, rawTensor("t", 1, {}, "abcd")).varint(20, 4));
  WireWriter g = graph({clip}, {"x"}, {"y"});
  g.message(5, rawTensor("w", 6, {2}, WireWriter::pods<int32_t>({7, -7})));
  return g;
}

TEST(Reader, KeepsWhatTheModelSays) {
  std::string bytes = model(smallGraph()).str();
  auto m = expectOk(readBytes(bytes));
  ASSERT_TRUE(m);
  EXPECT_EQ(m->irVersion, 8);
  EXPECT_EQ(m->producerName, "writer");
  EXPECT_EQ(m->opsetImports.at(""), 17);
  ASSERT_EQ(m->graph.nodes.size(), 1u);
  const Node &n = m->graph.nodes[0];
  EXPECT_EQ(n.describe(), "node 'a/Clip' (Clip)");
  EXPECT_EQ(n.input(1), "");
  EXPECT_EQ(n.input(9), "");
  EXPECT_EQ(m->opsetVersion(n), 17);
  EXPECT_EQ(expectOk(n.getInt("axis", 0)), -1);
  EXPECT_EQ(expectOk(n.getInt("absent", 3)), 3);
  EXPECT_EQ(expectOk(n.getFloat("eps", 0)), 0.5f);
  EXPECT_EQ(expectOk(n.getString("mode", "")), "none");
  EXPECT_EQ(expectOk(n.getInts("perm", {})), (std::vector<int64_t>{1, 0, -2}));
  EXPECT_EQ(expectOk(n.getInts("pads", {})), (std::vector<int64_t>{4, 5}));
  EXPECT_EQ(expectOk(n.getFloats("scales", {})), (std::vector<float>{1, 2}));
  const Tensor *value = expectOk(n.getTensor("value"));
  ASSERT_TRUE(value);
  EXPECT_EQ(value->count(), 1);
  EXPECT_EQ(value->bytes(*m).size(), 4u);
  expectContains(expectCode(n.getInt("eps", 0), Diag::BadAttribute), "node 'a/Clip' (Clip)");
  const Tensor *w = m->graph.initializer("w");
  ASSERT_TRUE(w);
  EXPECT_EQ(w->data.file, 0);
  int32_t numbers[2];
  std::memcpy(numbers, w->bytes(*m).data(), 8);
  EXPECT_EQ(numbers[1], -7);
  ASSERT_EQ(m->graph.inputs.size(), 1u);
  EXPECT_EQ(m->graph.inputs[0].kind, TypeKind::Tensor);
  EXPECT_EQ(*m->graph.inputs[0].dims[1].value, 3);
  std::string printed;
  llvm::raw_string_ostream os(printed);
  printModel(*m, os);
  expectContains(printed, "input x: float[2x3]");
  expectContains(printed, "1 Clip");
}

TEST(Reader, DimsHaveValuesNamesOrNothing) {
  WireWriter shape;
  shape.message(1, WireWriter().varint(1, 4)).message(1, WireWriter().bytes(2, "N")).message(1, {});
  WireWriter type = WireWriter().varint(1, 7).message(2, shape);
  WireWriter v = WireWriter().bytes(1, "x").message(2, WireWriter().message(1, type));
  WireWriter unranked =
      WireWriter().bytes(1, "u").message(2, WireWriter().message(1, WireWriter().varint(1, 1)));
  WireWriter sequence = WireWriter().bytes(1, "s").message(2, WireWriter().message(4, {}));
  auto m = expectOk(
      readBytes(model(graph({}).message(11, v).message(11, unranked).message(11, sequence)).str()));
  ASSERT_TRUE(m);
  const ValueInfo &x = m->graph.inputs[0];
  EXPECT_EQ(x.elemType, Int64);
  EXPECT_TRUE(x.dims[0].isStatic());
  EXPECT_TRUE(x.dims[1].isSymbolic());
  EXPECT_FALSE(x.dims[2].isStatic() || x.dims[2].isSymbolic());
  EXPECT_FALSE(m->graph.inputs[1].hasShape);
  EXPECT_EQ(m->graph.inputs[2].kind, TypeKind::Sequence);
}

TEST(Reader, AcceptsAnEmptyGraphAndUnknownFields) {
  WireWriter group;
  group.tag(900, 3).varint(901, 5).tag(902, 3).tag(902, 4).tag(900, 4);
  WireWriter m = model(graph({}));
  m.varint(1000, 1).bytes(1001, "?").fixed32(1002, 0).fixed64(1003, 0).raw(group.str());
  auto read = expectOk(readBytes(m.str()));
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->graph.nodes.empty());
}

TEST(Reader, NormalisesTheDefaultDomain) {
  auto m = expectOk(readBytes(model(graph({node("A", {}, {"y"}, "n", "ai.onnx")})).str()));
  ASSERT_TRUE(m);
  EXPECT_EQ(m->graph.nodes[0].domain, "");
  EXPECT_EQ(m->opsetVersion(m->graph.nodes[0]), 17);
}

TEST(Reader, NotOnnx) {
  for (const char *text :
       {"", "hello", "{\"a\": 1}", ":colon text", "\n\n", "2 apples",
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "PK\x03\x04zip", "GGUF\x03",
        "\x7f"
        "ELF\x02"})
    expectCode(readBytes(text), Diag::NotOnnx);
  expectContains(expectCode(readBytes("version https://git-lfs"), Diag::NotOnnx), "pointer");
}

TEST(Reader, Truncated) {
  std::string bytes = model(smallGraph()).str();
  for (size_t length = 0; length < bytes.size(); ++length) {
    // Bytes end where they are said to, so that a sanitizer sees any step beyond.
    std::vector<uint8_t> cut(bytes.begin(), bytes.begin() + static_cast<long>(length));
    auto m = readModelBuffer(cut, "m.onnx");
    EXPECT_FALSE(m) << "cut to " << length;
    llvm::consumeError(m.takeError());
  }
  expectContains(expectCode(readBytes(bytes.substr(0, 60)), Diag::Truncated), "m.onnx at byte 11");
  expectCode(readBytes(WireWriter().varint(1, 8).tag(7, 2).raw("\x7f").str()), Diag::Truncated);
  WireWriter floats = WireWriter().bytes(1, "a").bytes(7, "abcde").varint(20, 6);
  expectCode(readBytes(model(graph({node("A", {}, {}).message(5, floats)})).str()),
             Diag::Truncated);
}

TEST(Reader, BadVarint) {
  std::string endless(11, '\xff');
  expectCode(readBytes(WireWriter().tag(1, 0).raw(endless).str()), Diag::BadVarint);
  std::string tooBig = std::string(9, '\xff') + "\x02";
  expectCode(readBytes(WireWriter().tag(1, 0).raw(tooBig).str()), Diag::BadVarint);
  WireWriter tensor = WireWriter().varint(2, int64_t(1) << 33).bytes(8, "w");
  expectCode(readBytes(model(graph({}).message(5, tensor)).str()), Diag::BadVarint);
}

TEST(Reader, WrongWireType) {
  std::string text =
      expectCode(readBytes(model(graph({WireWriter().varint(4, 1)})).str()), Diag::WrongWireType);
  expectContains(text, "graph.node[0]");
  expectContains(text, "op_type");
  expectContains(text, "at byte");
  WireWriter m = WireWriter().varint(1, 8);
  expectCode(readBytes(WireWriter(m).tag(9, 7).str()), Diag::WrongWireType);
  expectCode(readBytes(WireWriter(m).tag(9, 4).str()), Diag::WrongWireType);
  expectCode(readBytes(WireWriter(m).tag(9, 3).str()), Diag::WrongWireType);
  expectCode(readBytes(WireWriter(m).tag(9, 3).tag(10, 4).str()), Diag::WrongWireType);
  expectCode(readBytes(WireWriter(m).raw(std::string("\0", 1)).str()), Diag::WrongWireType);
}

TEST(Reader, TooDeep) {
  WireWriter inner = graph({});
  for (int i = 0; i < 15; ++i)
    inner = graph({node("If", {}, {}, "n").message(5, graphAttribute("then_branch", inner))});
  EXPECT_TRUE(expectOk(readBytes(model(inner).str())));
  inner = graph({node("If", {}, {}, "n").message(5, graphAttribute("then_branch", inner))});
  expectCode(readBytes(model(inner).str()), Diag::TooDeep);
  ReadOptions shallow;
  shallow.maxMessageDepth = 4;
  expectCode(readBytes(model(smallGraph()).str(), shallow), Diag::TooDeep);
  WireWriter groups = WireWriter().varint(1, 8);
  for (int i = 0; i < 100000; ++i)
    groups.tag(99, 3);
  expectCode(readBytes(groups.str()), Diag::TooDeep);
}

TEST(Reader, BadName) {
  std::string nul("a\0b", 3);
  expectCode(readBytes(model(graph({node("A", {nul}, {})})).str()), Diag::BadName);
  expectCode(readBytes(model(graph({node("A", {}, {}, "\xff\xfe")})).str()), Diag::BadName);
  expectCode(readBytes(model(graph({}, {nul})).str()), Diag::BadName);
}

TEST(Reader, BadDim) {
  WireWriter v = WireWriter().bytes(1, "x").message(
      2, WireWriter().message(
             1, WireWriter().message(2, WireWriter().message(1, WireWriter().varint(1, -1)))));
  expectContains(expectCode(readBytes(model(graph({}).message(11, v)).str()), Diag::BadDim),
                 "graph 'g'.input[0] 'x'.type.tensor_type.shape.dim[0]");
  expectCode(
      readBytes(model(graph({}).message(11, value("x", 1, std::vector<int64_t>(65, 1)))).str()),
      Diag::BadDim);
}

TEST(Reader, BadAttribute) {
  auto with = [](const WireWriter &attribute) {
    return readBytes(model(graph({node("A", {}, {}, "n").message(5, attribute)})).str());
  };
  expectCode(with(WireWriter().varint(3, 1).varint(20, 2)), Diag::BadAttribute);
  expectCode(with(WireWriter().bytes(1, "a")), Diag::BadAttribute);
  expectCode(with(WireWriter().bytes(1, "a").varint(20, 77)), Diag::BadAttribute);
  expectCode(with(WireWriter().bytes(1, "a").varint(20, 4)), Diag::BadAttribute);
  expectCode(with(WireWriter().bytes(1, "a").varint(20, 5)), Diag::BadAttribute);
  expectCode(with(refAttribute("a", "b", 2)), Diag::BadAttribute);
  WireWriter twice =
      node("A", {}, {}).message(5, intAttribute("a", 1)).message(5, intAttribute("a", 2));
  expectCode(readBytes(model(graph({twice})).str()), Diag::BadAttribute);
  // Old writers leave the type out.
  EXPECT_TRUE(expectOk(with(WireWriter().bytes(1, "a").varint(3, 1))));
}

TEST(Reader, BadOpset) {
  WireWriter none = WireWriter().varint(1, 8).message(7, graph({}));
  expectCode(readBytes(none.str()), Diag::BadOpset);
  expectCode(readBytes(WireWriter(none).message(8, opset("", 0)).str()), Diag::BadOpset);
  expectCode(readBytes(model(graph({})).message(8, opset("ai.onnx", 18)).str()), Diag::BadOpset);
  EXPECT_TRUE(expectOk(readBytes(model(graph({})).message(8, opset("ai.onnx", 17)).str())));
}

TEST(Reader, MissingField) {
  expectCode(readBytes(WireWriter().varint(1, 8).message(8, opset("", 17)).str()),
             Diag::MissingField);
  expectCode(readBytes(WireWriter().message(7, graph({})).message(8, opset("", 17)).str()),
             Diag::MissingField);
  expectCode(readBytes(model(graph({WireWriter().bytes(3, "n")})).str()), Diag::MissingField);
  expectCode(readBytes(model(graph({}).message(11, WireWriter())).str()), Diag::MissingField);
  expectCode(readBytes(model(graph({}).message(5, rawTensor("", 2, {1}, "a"))).str()),
             Diag::MissingField);
}

TEST(Reader, RepeatedField) {
  expectCode(readBytes(model(graph({})).message(7, graph({})).str()), Diag::RepeatedField);
  WireWriter twoTypes = value("x").message(2, WireWriter());
  expectCode(readBytes(model(graph({}).message(11, twoTypes)).str()), Diag::RepeatedField);
}

TEST(Reader, LimitExceeded) {
  ReadOptions few;
  few.maxNodes = 2;
  auto nodes = [](size_t count) {
    return model(graph(std::vector<WireWriter>(count, node("A", {}, {})))).str();
  };
  EXPECT_TRUE(expectOk(readBytes(nodes(2), few)));
  expectCode(readBytes(nodes(3), few), Diag::LimitExceeded);
  ReadOptions small;
  small.maxGraphBytes = 10000;
  expectCode(readBytes(nodes(1000), small), Diag::LimitExceeded);
  ReadOptions noInline;
  noInline.maxInlineBytes = 8;
  WireWriter tensor = tensorHead("w", 6, {3}).packed(5, {1, 2, 3});
  expectCode(readBytes(model(graph({}).message(5, tensor)).str(), noInline), Diag::LimitExceeded);
}

TEST(Reader, CannotRead) {
  TempFolder folder;
  expectCode(readModel(folder.file("none.onnx")), Diag::CannotRead);
  expectCode(readModel(folder.path.string()), Diag::CannotRead);
  expectCode(readModel("/dev/null"), Diag::CannotRead);
  std::string path = folder.write("m.onnx", model(smallGraph()).str());
  EXPECT_TRUE(expectOk(readModel(path)));
}

} // namespace
