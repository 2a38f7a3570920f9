// Encoding of weights against definitions written out slowly, and what must hold of every format.
#include "qcc/Algorithms/WeightCodec.h"
#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <random>

using namespace qcc;

namespace {

std::vector<float> normalRows(int64_t count, unsigned seed = 7) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(count);
  for (float &value : x)
    value = 0.05f * normal(random);
  return x;
}

WeightFormat uniform(unsigned bits, bool isUnsigned, bool zeroPoint, int64_t block = 32) {
  WeightFormat format;
  format.bits = bits;
  format.isUnsigned = isUnsigned;
  format.zeroPoint = zeroPoint;
  format.block = block;
  return format;
}

WeightFormat other(WeightKind kind, unsigned bits, ScaleFormat scale = ScaleFormat::F32,
                   int64_t block = 32) {
  WeightFormat format;
  format.kind = kind;
  format.bits = bits;
  format.scale = scale;
  format.block = block;
  return format;
}

WeightFormat codebook(std::vector<float> table, unsigned bits) {
  WeightFormat format = other(WeightKind::Codebook, bits);
  format.table = std::move(table);
  return format;
}

/// One of each kind, with various scales.
std::vector<WeightFormat> allFormats() {
  std::vector<WeightFormat> formats;
  for (unsigned bits = 1; bits <= 8; ++bits) {
    formats.push_back(uniform(bits, true, true));
    formats.push_back(uniform(bits, false, true, 0));
    if (bits > 1)
      formats.push_back(uniform(bits, false, false, 20));
  }
  for (ScaleFormat scale : {ScaleFormat::F16, ScaleFormat::BF16, ScaleFormat::E8M0}) {
    formats.push_back(uniform(4, false, false));
    formats.back().scale = scale;
  }
  for (ScaleFormat scale : {ScaleFormat::U8, ScaleFormat::E4M3}) {
    formats.push_back(codebook(normalFloat4(), 4));
    formats.back().scale = scale;
    formats.back().super = true;
    formats.push_back(uniform(4, true, true));
    formats.back().scale = scale;
    formats.back().super = true;
  }
  formats.push_back(other(WeightKind::Ternary, 2));
  formats.push_back(codebook({-1, 1}, 1));
  formats.push_back(other(WeightKind::Float8E4M3, 8));
  formats.push_back(other(WeightKind::Float8E5M2, 8));
  formats.push_back(other(WeightKind::Float4E2M1, 4, ScaleFormat::E8M0));
  formats.push_back(other(WeightKind::Float4E2M1, 4, ScaleFormat::F16));
  formats.push_back(codebook({-1, -0.3f, 0, 0.2f, 0.7f}, 3));
  return formats;
}

std::string nameOf(const WeightFormat &format) {
  return "kind " + std::to_string(static_cast<int>(format.kind)) + ", bits " +
         std::to_string(format.bits) + (format.isUnsigned ? "u" : "") +
         (format.zeroPoint ? " zero" : "") + ", scale " +
         std::to_string(static_cast<int>(format.scale)) + (format.super ? " super" : "");
}

/// Numbers of a format in double, by the definition of the format.
std::vector<double> valuesOf(const WeightFormat &format) {
  std::vector<double> values;
  auto floats = [&](int exponentBits, int fractionBits, int bias, double max) {
    for (int exponent = 0; exponent < 1 << exponentBits; ++exponent)
      for (int fraction = 0; fraction < 1 << fractionBits; ++fraction) {
        double part = double(fraction) / (1 << fractionBits);
        double value =
            exponent ? std::exp2(exponent - bias) * (1 + part) : std::exp2(1 - bias) * part;
        if (value > max)
          continue;
        values.push_back(value);
        values.push_back(-value);
      }
  };
  switch (format.kind) {
  case WeightKind::Ternary:
    return {-1, 0, 1};
  case WeightKind::Float8E4M3:
    floats(4, 3, 7, 448);
    return values;
  case WeightKind::Float8E5M2:
    floats(5, 2, 15, 57344);
    return values;
  case WeightKind::Float4E2M1:
    floats(2, 1, 1, 6);
    return values;
  case WeightKind::Codebook:
    return std::vector<double>(format.table.begin(), format.table.end());
  case WeightKind::Uniform:
    break;
  }
  int half = 1 << (format.bits - 1);
  int low = format.isUnsigned ? 0 : format.zeroPoint ? -half : 1 - half;
  for (int code = low; code <= (format.isUnsigned ? 2 * half - 1 : half - 1); ++code)
    values.push_back(code);
  return values;
}

} // namespace

TEST(WeightCodec, ChoosesTheNearestNumberOfEveryFormat) {
  constexpr int64_t rows = 6, k = 70;
  std::vector<float> x = normalRows(rows * k);
  for (const WeightFormat &format : allFormats()) {
    ASSERT_EQ(problemOf(format), "") << nameOf(format);
    EncodedRows encoded = encodeRows(format, x.data(), rows, k);
    std::vector<float> decoded(rows * k);
    decodeRows(format, encoded, decoded.data());
    std::vector<double> values = valuesOf(format);
    int64_t block = format.block ? format.block : k;
    for (int64_t i = 0; i < rows * k; ++i) {
      int64_t at = i / k * encoded.blocks + i % k / block;
      double scale = encoded.scales[at], zero = 0;
      if (format.zeroPoint)
        zero = format.isUnsigned ? uint8_t(encoded.zeros[at]) : encoded.zeros[at];
      double best = 1e30;
      for (double value : values)
        best = std::min(best, std::fabs(scale * (value - zero) - x[i]));
      ASSERT_NEAR(std::fabs(decoded[i] - x[i]), best, scale * 1e-4 + 1e-7 * std::fabs(x[i]))
          << nameOf(format) << " element " << i << " of " << x[i];
    }
  }
}

TEST(WeightCodec, ScalesCoverTheBlock) {
  constexpr int64_t rows = 4, k = 96;
  std::vector<float> x = normalRows(rows * k);
  for (const WeightFormat &format : allFormats()) {
    if (format.kind == WeightKind::Ternary || format.isBinary() || !format.block)
      continue;
    EncodedRows encoded = encodeRows(format, x.data(), rows, k);
    int64_t block = format.block;
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t b = 0; b < encoded.blocks; ++b) {
        float low = 0, high = 0;
        for (int64_t i = b * block; i < std::min(k, (b + 1) * block); ++i) {
          low = std::min(low, x[row * k + i]);
          high = std::max(high, x[row * k + i]);
        }
        float absmax = std::max(-low, high), want;
        switch (format.kind) {
        case WeightKind::Uniform:
          want = format.zeroPoint ? (high - low) / float((1 << format.bits) - 1)
                                  : absmax / float((1 << (format.bits - 1)) - 1);
          break;
        case WeightKind::Float8E4M3:
          want = absmax / 448;
          break;
        case WeightKind::Float8E5M2:
          want = absmax / 57344;
          break;
        case WeightKind::Float4E2M1:
          want = absmax / 6;
          break;
        default:
          want = absmax;
        }
        float scale = encoded.scales[row * encoded.blocks + b];
        if (format.scale == ScaleFormat::E8M0) {
          want = format.kind == WeightKind::Float4E2M1
                     ? std::exp2(std::floor(std::log2(absmax)) - 2)
                     : std::exp2(std::ceil(std::log2(want)));
          EXPECT_EQ(scale, want) << nameOf(format);
          continue;
        }
        // Two levels: half a step of the first one.
        float tolerance = !format.super                       ? want * 0x1p-8f
                          : format.scale == ScaleFormat::E4M3 ? want / 16
                                                              : encoded.supers[row] * 0.5001f;
        EXPECT_NEAR(scale, want, tolerance) << nameOf(format);
      }
  }
}

TEST(WeightCodec, BinaryAndTernaryScalesAreMeanMagnitudes) {
  std::vector<float> x = {0.5f, -1.5f, 0.25f, -0.75f};
  EncodedRows binary = encodeRows(codebook({-1, 1}, 1), x.data(), 1, 4);
  EXPECT_EQ(binary.scales[0], 0.75f);
  EXPECT_EQ(binary.codes, (std::vector<uint8_t>{1, 0, 1, 0}));
  EncodedRows ternary = encodeRows(other(WeightKind::Ternary, 2), x.data(), 1, 4);
  EXPECT_EQ(ternary.scales[0], 0.75f);
  EXPECT_EQ(ternary.codes, (std::vector<uint8_t>{1, 255, 0, 255}));
}

TEST(WeightCodec, TwoLevelsMultiply) {
  constexpr int64_t rows = 3, k = 256;
  std::vector<float> x = normalRows(rows * k);
  for (ScaleFormat scale : {ScaleFormat::U8, ScaleFormat::E4M3}) {
    WeightFormat format = codebook(normalFloat4(), 4);
    format.scale = scale;
    format.super = true;
    EncodedRows encoded = encodeRows(format, x.data(), rows, k);
    for (int64_t i = 0; i < rows * encoded.blocks; ++i) {
      uint8_t code = encoded.scaleCodes[i];
      float first = scale == ScaleFormat::U8 ? float(code) : floatFromMini(kFloat8E4M3, code);
      EXPECT_EQ(encoded.scales[i], first * encoded.supers[i / encoded.blocks]);
      EXPECT_GT(code, 0);
    }
  }
}

TEST(WeightCodec, RowsDoNotDependOnEachOther) {
  constexpr int64_t rows = 5, k = 50;
  std::vector<float> x = normalRows(rows * k);
  for (const WeightFormat &format : allFormats()) {
    EncodedRows all = encodeRows(format, x.data(), rows, k);
    EncodedRows one = makeRows(format, rows, k);
    for (int64_t row = 0; row < rows; ++row)
      encodeRows(format, x.data() + row * k, 1, k, partsOf(one, row));
    EXPECT_EQ(all.codes, one.codes) << nameOf(format);
    EXPECT_EQ(all.scales, one.scales);
    EXPECT_EQ(all.zeros, one.zeros);
    EXPECT_EQ(all.supers, one.supers);
  }
}

TEST(WeightCodec, OneNumberIsEncodedAsMany) {
  std::vector<float> x = normalRows(64);
  x[3] = std::nanf("");
  x[9] = 0;
  x[12] = 1e30f;
  for (const WeightFormat &format : allFormats()) {
    Coder coder(format);
    for (Grid grid : {Grid{0.01f, 0}, Grid{0.3f, format.zeroPoint ? 1.0f : 0.0f}, Grid{0, 0}}) {
      std::vector<uint8_t> codes(x.size());
      coder.nearest(x.data(), int64_t(x.size()), grid, codes.data());
      for (size_t i = 0; i < x.size(); ++i)
        ASSERT_EQ(codes[i], coder.nearest(x[i], grid)) << nameOf(format) << " of " << x[i];
    }
  }
}

TEST(WeightCodec, ZeroRowsAndTinyRowsStayFinite) {
  constexpr int64_t k = 64;
  for (const WeightFormat &format : allFormats())
    for (float value : {0.0f, 1e-42f, 1e-30f}) {
      std::vector<float> x(k, value), decoded(k);
      EncodedRows encoded = encodeRows(format, x.data(), 1, k);
      decodeRows(format, encoded, decoded.data());
      for (float number : decoded) {
        ASSERT_TRUE(std::isfinite(number)) << nameOf(format);
        ASSERT_LE(std::fabs(number), 1e-29f) << nameOf(format) << " of " << value;
      }
    }
}

TEST(WeightCodec, SmallFloatsRoundToNearestEven) {
  for (MiniFloat format : {kFloat8E4M3, kFloat8E5M2, kFloat4E2M1}) {
    uint32_t count = 1u << (format.bits - 1);
    for (uint32_t code = 0; code < count; ++code) {
      float value = floatFromMini(format, uint8_t(code));
      if (!(value <= format.max))
        continue;
      EXPECT_EQ(miniFromFloat(format, value), code);
      EXPECT_EQ(miniFromFloat(format, -value), code | count);
      float next = floatFromMini(format, uint8_t(code + 1));
      if (code + 1 == count || !(next <= format.max))
        continue;
      ASSERT_GT(next, value);
      float middle = (value + next) / 2;
      EXPECT_EQ(miniFromFloat(format, middle), code + code % 2);
      EXPECT_EQ(miniFromFloat(format, std::nextafter(middle, 0.0f)), code);
      EXPECT_EQ(miniFromFloat(format, std::nextafter(middle, next)), code + 1);
    }
    EXPECT_EQ(floatFromMini(format, miniFromFloat(format, 1e30f)), format.max);
    EXPECT_EQ(floatFromMini(format, miniFromFloat(format, -INFINITY)), -format.max);
    EXPECT_EQ(miniFromFloat(format, std::nanf("")), 0);
  }
  EXPECT_TRUE(std::isnan(floatFromMini(kFloat8E4M3, 0x7f)));
  EXPECT_TRUE(std::isinf(floatFromMini(kFloat8E5M2, 0x7c)));
  EXPECT_TRUE(std::isnan(floatFromMini(kFloat8E5M2, 0x7d)));
}

TEST(WeightCodec, PowersOfTwo) {
  EXPECT_EQ(e8m0FromFloat(1.0f), 127);
  EXPECT_EQ(e8m0FromFloat(1.0001f), 128);
  EXPECT_EQ(e8m0FromFloat(0.5f), 126);
  EXPECT_EQ(e8m0FromFloat(0.0f), 1);
  EXPECT_EQ(e8m0FromFloat(INFINITY), 254);
  EXPECT_EQ(floatFromE8m0(0), 0x1p-127f);
  for (int code = 1; code < 255; ++code)
    EXPECT_EQ(e8m0FromFloat(floatFromE8m0(uint8_t(code))), code);
  for (float value : {1.0f, 1.99f, 2.0f, 0x1p-126f, 0x1p-149f, 0x1.8p-140f, 3e38f})
    EXPECT_EQ(floorLog2(value), std::ilogb(value));
}

TEST(WeightCodec, LearnedTablesAreTheBestOfTheirSize) {
  // Four clusters that no uniform grid meets.
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  const float centres[] = {-1, -0.2f, 0.1f, 0.6f};
  std::vector<float> x;
  for (int i = 0; i < 4096; ++i)
    x.push_back(centres[i % 4] + 0.004f * normal(random));
  x[0] = -1.03f; // the absmax
  WeightFormat format = other(WeightKind::Codebook, 2, ScaleFormat::F32, 0);
  EncodedRows encoded = encodeRows(format, x.data(), 1, int64_t(x.size()));
  ASSERT_EQ(encoded.table.size(), 4u);
  for (int i = 0; i < 4; ++i)
    EXPECT_NEAR(encoded.table[i] * encoded.scales[0], centres[i], 1e-3f);
  std::vector<float> decoded(x.size());
  decodeRows(format, encoded, decoded.data());
  for (size_t i = 1; i < x.size(); ++i)
    EXPECT_NEAR(decoded[i], x[i], 0.03f);
}

TEST(WeightCodec, LearnedTablesBeatNormalFloat) {
  constexpr int64_t rows = 32, k = 256;
  std::vector<float> x = normalRows(rows * k), decoded(rows * k), weight(k, 1.0f);
  auto loss = [&](const WeightFormat &format, const float *importance) {
    EncodedRows encoded = encodeRows(format, x.data(), rows, k, importance);
    decodeRows(format, encoded, decoded.data());
    double sum = 0;
    for (int64_t i = 0; i < rows * k; ++i) {
      double error = decoded[i] - x[i];
      sum += error * error * (importance ? importance[i % k] : 1);
    }
    return sum;
  };
  WeightFormat learned = other(WeightKind::Codebook, 4);
  EXPECT_LT(loss(learned, nullptr), loss(codebook(normalFloat4(), 4), nullptr));
  EXPECT_LT(loss(learned, nullptr), loss(uniform(4, false, false), nullptr));
  for (int64_t i = 0; i < k; ++i)
    weight[i] = i % 32 == 0 ? 1000.0f : 1.0f;
  // The importance shifts the table to where it counts.
  EncodedRows plain = encodeRows(learned, x.data(), rows, k);
  WeightFormat fixed = learned;
  fixed.table = plain.table;
  fixed.learned = true;
  EXPECT_LT(loss(learned, weight.data()), loss(fixed, weight.data()));
}

TEST(WeightCodec, SaysWhatIsWrongWithAFormat) {
  EXPECT_NE(problemOf(uniform(9, false, false)), "");
  EXPECT_NE(problemOf(uniform(1, true, false)), "");
  EXPECT_NE(problemOf(codebook({0.5f}, 4)), "");
  EXPECT_NE(problemOf(codebook({0.5f, -1}, 4)), "");
  EXPECT_NE(problemOf(codebook({0, 0}, 4)), "");
  EXPECT_NE(problemOf(codebook({-1, 0, 1}, 1)), "");
  EXPECT_NE(problemOf(other(WeightKind::Ternary, 4)), "");
  EXPECT_NE(problemOf(other(WeightKind::Float8E4M3, 4)), "");
  WeightFormat format = uniform(4, false, false);
  format.scale = ScaleFormat::U8;
  EXPECT_NE(problemOf(format), "");
  format.scale = ScaleFormat::F16;
  format.super = true;
  EXPECT_NE(problemOf(format), "");
}

TEST(WeightCodec, BitsCountScalesAndZeros) {
  WeightFormat format = uniform(4, true, true, 32);
  format.scale = ScaleFormat::F16;
  EXPECT_DOUBLE_EQ(format.bitsPerWeight(128), 4 + 20.0 / 32);
  format.scale = ScaleFormat::U8;
  format.super = true;
  EXPECT_DOUBLE_EQ(format.bitsPerWeight(128), 4 + 12.0 / 32 + 32.0 / 128);
}
