// The fast quantizer against the interpreter, bit for bit.
#include "mlir/AsmParser/AsmParser.h"
#include "qcc/Algorithms/WeightCodec.h"
#include "qcc/Reference/Interpreter.h"
#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <random>

using namespace qcc;

namespace {

/// Rows of ordinary numbers, of zeros, with ties, infinities, NaN and tiny numbers.
std::vector<float> sample(int64_t rows, int64_t k) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::vector<float> x(rows * k);
  for (float &value : x)
    value = normal(random);
  constexpr float inf = std::numeric_limits<float>::infinity();
  for (int64_t i = 0; i < k; ++i) {
    x[1 * k + i] = 0;
    x[2 * k + i] = 0.5f * float(i % 9) - 2; // many ties
    x[3 * k + i] *= 1e-41f;
    x[4 * k + i] = std::fabs(x[4 * k + i]);
    x[5 * k + i] = i % 5 == 0 ? std::nanf("") : x[5 * k + i];
  }
  x[6 * k + 3] = inf;
  x[7 * k + 3] = -inf;
  x[8 * k] = 1e30f;
  return x;
}

WeightFormat uniform(unsigned bits, bool isUnsigned, bool zeroPoint, ScaleFormat scale,
                     int64_t block) {
  WeightFormat format;
  format.bits = bits;
  format.isUnsigned = isUnsigned;
  format.zeroPoint = zeroPoint;
  format.scale = scale;
  format.block = block;
  return format;
}

void expectEqual(const std::string &text, const WeightFormat &scheme) {
  mlir::MLIRContext context;
  context.loadDialect<qnt::QntDialect>();
  auto type = llvm::dyn_cast_or_null<qnt::QType>(mlir::parseType("!qnt.q<" + text + ">", &context));
  ASSERT_TRUE(type) << text;
  constexpr int64_t rows = 12, k = 70;
  std::vector<float> x = sample(rows, k);
  reference::QTensor want = reference::quantize(type, {rows, k}, x);
  int64_t blocks = scheme.blocks(k);
  std::vector<uint8_t> codes(rows * k);
  std::vector<float> scales(rows * blocks);
  std::vector<int8_t> zeros(rows * blocks);
  RowParts parts;
  parts.codes = codes.data();
  parts.scales = scales.data();
  parts.zeros = scheme.zeroPoint ? zeros.data() : nullptr;
  encodeRows(scheme, x.data(), rows, k, parts);
  ASSERT_EQ(want.scales.size(), scales.size());
  for (size_t i = 0; i < scales.size(); ++i) {
    EXPECT_EQ(want.scales[i], scales[i]) << text << " scale " << i;
    if (scheme.zeroPoint)
      EXPECT_EQ(static_cast<uint8_t>(int32_t(want.zeros[i])), static_cast<uint8_t>(zeros[i]))
          << text << " zero " << i;
  }
  for (size_t i = 0; i < codes.size(); ++i)
    EXPECT_EQ(static_cast<uint8_t>(want.codes[i]), codes[i])
        << text << " row " << i / k << " element " << i % k << " of " << x[i];
}

} // namespace

TEST(QuantizeRows, AgreesWithTheInterpreter) {
  expectEqual("[12, 70], i8, axis 0, scale f32", {});
  expectEqual("[12, 70], u8, axis 0, scale f32, zero ui8",
              uniform(8, true, true, ScaleFormat::F32, 0));
  expectEqual("[12, 70], i8, axis 0, scale f32, zero i8",
              uniform(8, false, true, ScaleFormat::F32, 0));
  expectEqual("[12, 70], i4, block 1 x 32, scale f16",
              uniform(4, false, false, ScaleFormat::F16, 32));
  expectEqual("[12, 70], u4, block 1 x 32, scale f16, zero ui4",
              uniform(4, true, true, ScaleFormat::F16, 32));
  expectEqual("[12, 70], u4, block 1 x 70, scale bf16, zero ui4",
              uniform(4, true, true, ScaleFormat::BF16, 70));
  expectEqual("[12, 70], i2, block 1 x 16, scale f32",
              uniform(2, false, false, ScaleFormat::F32, 16));
}

TEST(QuantizeRows, HalfTypesRoundToNearestEven) {
  for (uint32_t i = 0; i < 0x10000; ++i) {
    auto bits = static_cast<uint16_t>(i);
    float half = floatFromHalf(bits), bfloat = floatFromBfloat(bits);
    EXPECT_TRUE(std::isnan(half) || halfFromFloat(half) == bits) << i;
    EXPECT_TRUE(std::isnan(bfloat) || bfloatFromFloat(bfloat) == bits) << i;
    // A step above and below the middle of two neighbours.
    if ((bits & 0x7fff) < 0x7bff) {
      float middle = (half + floatFromHalf(bits + 1)) / 2;
      EXPECT_EQ(halfFromFloat(middle), bits % 2 ? bits + 1 : bits) << i;
      EXPECT_EQ(halfFromFloat(std::nextafter(middle, half)), bits) << i;
    }
  }
  EXPECT_EQ(halfFromFloat(65519.0f), 0x7bff);
  EXPECT_EQ(halfFromFloat(65520.0f), 0x7c00);
  EXPECT_EQ(halfFromFloat(-1e9f), 0xfc00);
  EXPECT_EQ(halfFromFloat(1e-9f), 0);
  EXPECT_TRUE(std::isnan(floatFromHalf(halfFromFloat(std::nanf("")))));
}
