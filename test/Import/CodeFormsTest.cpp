// Which Q/DQ pairs are schemes, and which stay arithmetic.
#include "ImportTesting.h"

using namespace qcc;
using namespace qcc::test;

using Reals = std::vector<double>;

namespace {

WireWriter bytes(const std::string &name, int type, const std::vector<int64_t> &dims,
                 const std::string &raw) {
  return rawTensor(name, type, dims, raw);
}

/// x [1, 4] times the matrix [4, 2] that `dq` dequantizes.
Graph product(const WireWriter &dq) {
  Graph g;
  g.version = 21;
  g.input("x", {"1", "4"})
      .constant(bytes("q", I8, {4, 2}, std::string("\x01\xff\x02\xfe\x03\xfd\x04\xfc", 8)))
      .constant(floats("s", {2}, {0.5, 2}))
      .add(dq)
      .add(node("MatMul", {"x", "w"}, {"z"}, "mm"))
      .output("z");
  return g;
}

qnt::QType weightType(Imported &m) {
  qnt::QType type;
  m.main().walk([&](qnt::LinearOp op) {
    if (auto real = op.getWeight().getDefiningOp<qnt::DequantizeOp>())
      type = real.getX().getType();
  });
  return type;
}

} // namespace

TEST(CodeForms, ConstantMatrixIsTurnedToRowsOfChannels) {
  Imported m(product(with(node("DequantizeLinear", {"q", "s"}, {"w"}), {intAttribute("axis", 1)})));
  ASSERT_TRUE(m.ok());
  qnt::QType type = weightType(m);
  ASSERT_TRUE(type);
  EXPECT_EQ(type.getStorage(), qnt::Storage::i8);
  EXPECT_EQ(type.getAxis(), 0);
  EXPECT_TRUE(type.isByRows());
  EXPECT_EQ(m.run({{{1, 1, 1, 1}, {1, 4}}}), (Reals{5, -20}));
}

TEST(CodeForms, BlocksAlongTheInputsKeepTheirScaleType) {
  Graph g = product(with(node("DequantizeLinear", {"q", "s32"}, {"w"}),
                         {intAttribute("axis", 0), intAttribute("block_size", 2)}));
  g.constants[1] =
      rawTensor("s", 10, {2, 2}, WireWriter::pods<uint16_t>({0x3800, 0x4000, 0x3c00, 0x3c00}));
  g.nodes.insert(g.nodes.begin(), with(node("Cast", {"s"}, {"s32"}), {intAttribute("to", F32)}));
  Imported m(g);
  ASSERT_TRUE(m.ok());
  qnt::QType type = weightType(m);
  ASSERT_TRUE(type);
  EXPECT_EQ(type.getBlock(), 2);
  EXPECT_EQ(type.getAxis(), 1);
  EXPECT_TRUE(type.getScale().isF16());
  EXPECT_EQ(m.run({{{1, 1, 1, 1}, {1, 4}}}), (Reals{0.5 * 3 + 7, -2.0 * 3 - 7}));
}

TEST(CodeForms, ScalesAlongTheInputsHaveNoRows) {
  Graph g = product(with(node("DequantizeLinear", {"q", "s"}, {"w"}), {intAttribute("axis", 0)}));
  g.constants[1] = floats("s", {4}, {1, 2, 3, 4});
  Imported m(g);
  ASSERT_TRUE(m.ok());
  qnt::QType type = weightType(m);
  EXPECT_TRUE(!type || !type.isByRows());
  EXPECT_EQ(m.run({{{1, 1, 1, 1}, {1, 4}}}), (Reals{30, -30}));
}

TEST(CodeForms, UnsignedCodesWithoutZeroPointsStayArithmetic) {
  Graph g = product(with(node("DequantizeLinear", {"q", "s"}, {"w"}), {intAttribute("axis", 1)}));
  g.constants[0] = bytes("q", U8, {4, 2}, std::string("\x01\x01\x02\x02\x03\x03\x04\x04", 8));
  Imported m(g);
  EXPECT_EQ(m.count<qnt::AssembleOp>(), 0u);
  EXPECT_EQ(m.run({{{1, 1, 1, 1}, {1, 4}}}), (Reals{5, 20}));
}

namespace {

/// x quantized with one scale for all, dequantized with `scale`, read by `reader`.
Graph activations(const char *scale, const WireWriter &reader) {
  Graph g = product(with(node("DequantizeLinear", {"q", "s"}, {"w"}), {intAttribute("axis", 1)}));
  g.nodes = {g.nodes[0], node("QuantizeLinear", {"x", "xs", "xz"}, {"xq"}),
             node("DequantizeLinear", {"xq", scale, "xz"}, {"xd"}), reader};
  g.constant(floats("xs", {}, {0.5}))
      .constant(floats("other", {}, {0.25}))
      .constant(floats("one", {}, {1}))
      .constant(bytes("xz", U8, {}, "\x82"));
  return g;
}

} // namespace

TEST(CodeForms, StaticCodesOfProductsAreShiftedToSignedOnes) {
  Imported m(activations("xs", node("MatMul", {"xd", "w"}, {"z"})));
  ASSERT_EQ(m.count<qnt::QuantizeStaticOp>(), 1u);
  m.main().walk([](qnt::QuantizeStaticOp op) {
    EXPECT_EQ(op.getZero(), 2);
    EXPECT_EQ(op.getScale().convertToFloat(), 0.5f);
    EXPECT_TRUE(op.getOut().getType().getZero());
  });
  EXPECT_EQ(m.run({{{1, 1.1, 100, -100}, {1, 4}}}),
            (Reals{0.5 * (1 + 2 + 3 * 62.5 - 4 * 65), -2 * (1 + 2 + 3 * 62.5 - 4 * 65)}));
}

TEST(CodeForms, StaticCodesOfOthersStayArithmetic) {
  EXPECT_EQ(
      Imported(activations("xs", node("Add", {"xd", "one"}, {"z"}))).count<qnt::QuantizeStaticOp>(),
      0u);
}

TEST(CodeForms, CodesOfAnotherScaleAreMultipliedAsTheyAre) {
  Imported m(activations("other", node("MatMul", {"xd", "w"}, {"z"})));
  ASSERT_TRUE(m.ok());
  EXPECT_EQ(m.count<qnt::QuantizeStaticOp>(), 1u);
  m.main().walk([](qnt::QuantizeStaticOp op) {
    EXPECT_EQ(op.getScale().convertToFloat(), 1) << "the scale comes after the product";
  });
  EXPECT_EQ(m.run({{{1, 1, 1, 1}, {1, 4}}}), (Reals{2.5, -10}));
}

TEST(CodeForms, NBitsWithoutZeroPointsAreSigned) {
  Graph g;
  g.input("x", {"1", "16"})
      .constant(bytes("q", U8, {1, 1, 8}, std::string("\x98\x98\x98\x98\x98\x98\x98\x98", 8)))
      .constant(floats("s", {1}, {2}))
      .add(with(node("MatMulNBits", {"x", "q", "s"}, {"z"}, "mm", "com.microsoft"),
                {intAttribute("N", 1), intAttribute("K", 16), intAttribute("bits", 4),
                 intAttribute("block_size", 16)}))
      .output("z");
  Imported m(g);
  ASSERT_TRUE(m.ok());
  qnt::QType type = weightType(m);
  ASSERT_TRUE(type);
  EXPECT_EQ(type.getStorage(), qnt::Storage::i4);
  EXPECT_TRUE(type.isSymmetric());
  EXPECT_EQ(m.run({{Reals(16, 1), {1, 16}}}), (Reals{16}));
}
