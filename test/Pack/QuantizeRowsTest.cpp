// The fast quantizer against the interpreter, bit for bit.
#include "mlir/AsmParser/AsmParser.h"
#include "qcc/Pack/WeightFormats.h"
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

void expectEqual(const std::string &text, const WeightFormat &scheme) {
  mlir::MLIRContext context;
  context.loadDialect<qnt::QntDialect>();
  auto type = llvm::dyn_cast_or_null<qnt::QType>(mlir::parseType("!qnt.q<" + text + ">", &context));
  ASSERT_TRUE(type) << text;
  constexpr int64_t rows = 12, k = 70;
  std::vector<float> x = sample(rows, k);
  reference::QTensor want = reference::quantize(type, {rows, k}, x);
  EncodedRows got = encodeRows(scheme, x.data(), rows, k);
  ASSERT_EQ(want.scales.size(), got.scales.size());
  auto same = [](float a, float b) { return a == b || (std::isnan(a) && std::isnan(b)); };
  for (size_t i = 0; i < got.scales.size(); ++i) {
    EXPECT_TRUE(same(want.scales[i], got.scales[i]))
        << text << " scale " << i << ": " << want.scales[i] << " and " << got.scales[i];
    if (scheme.zeroPoint)
      EXPECT_EQ(static_cast<uint8_t>(int32_t(want.zeros[i])), static_cast<uint8_t>(got.zeros[i]))
          << text << " zero " << i;
  }
  EXPECT_EQ(want.scaleCodes, got.scaleCodes) << text;
  EXPECT_EQ(want.supers.size(), got.supers.size()) << text;
  for (size_t i = 0; i < got.supers.size(); ++i)
    EXPECT_TRUE(same(want.supers[i], got.supers[i])) << text;
  for (size_t i = 0; i < got.codes.size(); ++i)
    ASSERT_EQ(static_cast<uint8_t>(want.codes[i]), got.codes[i])
        << text << " row " << i / k << " element " << i % k << " of " << x[i];
  for (size_t i = 0; i < got.table.size(); ++i)
    EXPECT_TRUE(same(want.table[i], got.table[i])) << text;
}

} // namespace

/// Every format in the type's text: what weightFormatOf makes of it, and the interpreter.
TEST(QuantizeRows, EveryFormatAgreesWithTheInterpreter) {
  const char *storages[] = {
      "i8",
      "i7",
      "i6",
      "i5",
      "i4",
      "i3",
      "i2",
      "ternary",
      "f8e4m3fn",
      "f8e5m2",
      "f4e2m1",
      "u1 codebook #qnt.codebook<[-1.0, 1.0]>",
      "u2 codebook #qnt.codebook<[-2.0, 0.25, 1.0]>",
      "u3 codebook #qnt.codebook<[-4.0, -1.0, 0.01, 0.5, 2.0, 4.0]>",
      "u4 codebook #qnt.codebook<[-1.0, -0.6961928009986877, -0.5250730514526367, "
      "-0.39491748809814453, -0.28444138169288635, -0.18477343022823334, "
      "-0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, "
      "0.24611230194568634, 0.33791524171829224, 0.44070982933044434, "
      "0.5626170039176941, 0.7229568362236023, 1.0]>",
      "u3 codebook #qnt.codebook<learned>",
      "u8 zero ui8",
      "u5 zero ui5",
      "u3 zero ui3",
      "u2 zero ui2",
      "u1 zero ui1",
      "i8 zero i8"};
  const char *groupings[] = {"axis 0, scale f32",
                             "axis 0, scale bf16",
                             "block 1 x 32, scale f16",
                             "block 1 x 32, scale f8E8M0FNU",
                             "block 1 x 24, scale f8E4M3FN",
                             "block 1 x 32, scale ui8, super f32",
                             "block 1 x 24, scale f8E4M3FN, super f32"};
  mlir::MLIRContext context;
  context.loadDialect<qnt::QntDialect>();
  for (llvm::StringRef storage : storages)
    for (const char *grouping : groupings) {
      auto [name, rest] = storage.split(' ');
      std::string text =
          "[12, 70], " + name.str() + ", " + grouping + (rest.empty() ? "" : ", " + rest.str());
      auto type =
          llvm::dyn_cast_or_null<qnt::QType>(mlir::parseType("!qnt.q<" + text + ">", &context));
      ASSERT_TRUE(type) << text;
      auto format = pack::weightFormatOf(type);
      ASSERT_TRUE(format.has_value()) << text;
      expectEqual(text, *format);
    }
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
