// Which schemes ONNX has a form for, and what is said of the others.
#include "Carriers.h"
#include "mlir/AsmParser/AsmParser.h"
#include "qcc/Onnx/Model.h"
#include <gtest/gtest.h>

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;

namespace {

struct CarriersTest : testing::Test {
  MLIRContext context{MLIRContext::Threading::DISABLED};
  CarriersTest() { context.loadDialect<QntDialect>(); }
  QType type(const std::string &text) {
    return cast<QType>(parseType("!qnt.q<" + text + ">", &context));
  }
  std::string why(const std::string &text) { return exporter::carrierOf(type(text)).why; }
};

TEST_F(CarriersTest, CodesKeepTheirTypes) {
  exporter::Carrier bytes = exporter::carrierOf(type("[6, 8], i8, axis 0, scale f32"));
  EXPECT_TRUE(static_cast<bool>(bytes)) << bytes.why;
  EXPECT_EQ(bytes.codes, onnx::Int8);
  EXPECT_EQ(bytes.scale, onnx::Float);
  exporter::Carrier nibbles =
      exporter::carrierOf(type("[6, 64], u4, block 1 x 32, scale f16, zero ui4"));
  EXPECT_TRUE(static_cast<bool>(nibbles)) << nibbles.why;
  EXPECT_EQ(nibbles.codes, onnx::UInt4);
  EXPECT_EQ(nibbles.opset, 21);
}

TEST_F(CarriersTest, OtherSchemesAreRefusedWithTheReason) {
  EXPECT_EQ(why("[6, 8], u3, axis 0, scale f32, codebook #qnt.codebook<learned>"),
            "codes that count the values of a table have no ONNX form");
  EXPECT_EQ(why("[6, 8], i3, axis 0, scale f32"), "ONNX has no type for i3 codes");
  EXPECT_EQ(why("[6, 8], i8, axis 1, scale f32"), "its scales do not go with the rows of a matrix");
  EXPECT_EQ(why("[6, 8], i4, block 1 x 4, scale ui8, super f32"),
            "scales of two levels have no ONNX form");
  EXPECT_EQ(why("[6, 64], u4, block 1 x 32, scale f16, zero f16"),
            "zero points of another type than the codes have no ONNX form");
  EXPECT_EQ(why("[6, 8], u8, axis 0, scale f32"),
            "unsigned codes without zero points have no ONNX form of their own");
}

TEST_F(CarriersTest, BlocksOfMatMulNBits) {
  EXPECT_EQ(exporter::matmulBits(type("[6, 64], i4, block 1 x 32, scale f16")), 4);
  EXPECT_EQ(exporter::matmulBits(type("[6, 64], u4, block 1 x 32, scale f16, zero f16")), 4);
  EXPECT_EQ(exporter::matmulBits(type("[6, 64], i8, axis 0, scale f32")), 0);
  EXPECT_EQ(exporter::matmulBits(type("[6, 48], i4, block 1 x 24, scale f16")), 0);
  EXPECT_EQ(exporter::matmulBits(type("[6, 64], i4, block 1 x 8, scale f16")), 0);
  EXPECT_EQ(exporter::matmulBits(type("[6, 64], u4, block 1 x 32, scale f16")), 0);
  EXPECT_EQ(exporter::matmulBits(type("[6, 64], i4, block 1 x 32, scale ui8, super f32")), 0);
}

} // namespace
