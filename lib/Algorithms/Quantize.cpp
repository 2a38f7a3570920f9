// Round-to-nearest quantization of rows; see Quantize.h.
#include "qcc/Algorithms/Quantize.h"
#include <algorithm>
#include <bit>
#include <cmath>

namespace qcc {

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)
#define QCC_CLONES __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define QCC_CLONES
#endif

uint16_t halfFromFloat(float value) {
  auto bits = std::bit_cast<uint32_t>(value);
  uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000)
    return static_cast<uint16_t>(sign | 0x7e00);
  if (magnitude >= 0x477ff000) // rounds to 2^16 or more
    return static_cast<uint16_t>(sign | 0x7c00);
  if (magnitude < 0x38800000) { // subnormal: adding 1/2 aligns the units of 2^-24
    float aligned = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(aligned) - 0x3f000000));
  }
  uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
  return static_cast<uint16_t>(sign | (rounded - 0x38000000) >> 13);
}

float floatFromHalf(uint16_t bits) {
  uint32_t sign = uint32_t(bits & 0x8000) << 16, exponent = bits >> 10 & 31, fraction = bits & 1023;
  if (exponent == 0) {
    float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  if (exponent == 31)
    return std::bit_cast<float>(sign | 0x7f800000 | fraction << 13);
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
}

uint16_t bfloatFromFloat(float value) {
  auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffff) > 0x7f800000)
    return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float floatFromBfloat(uint16_t bits) { return std::bit_cast<float>(uint32_t(bits) << 16); }

float roundToFormat(ScaleFormat format, float value) {
  if (format == ScaleFormat::F16)
    return floatFromHalf(halfFromFloat(value));
  if (format == ScaleFormat::BF16)
    return floatFromBfloat(bfloatFromFloat(value));
  return value;
}

namespace {

struct Range {
  float low, high;
};

/// Smallest and largest with 0 included; comparisons are false on NaN, which is so left out.
QCC_CLONES Range rangeOf(const float *x, int64_t count) {
  constexpr int64_t lanes = 16;
  float low[lanes] = {}, high[lanes] = {};
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    for (int64_t j = 0; j < lanes; ++j) {
      low[j] = x[i + j] < low[j] ? x[i + j] : low[j];
      high[j] = x[i + j] > high[j] ? x[i + j] : high[j];
    }
  for (; i < count; ++i) {
    low[0] = x[i] < low[0] ? x[i] : low[0];
    high[0] = x[i] > high[0] ? x[i] : high[0];
  }
  return {*std::min_element(low, low + lanes), *std::max_element(high, high + lanes)};
}

/// clamp(roundeven(x / scale) + zero, low, high). Adding and subtracting 1.5 * 2^23 rounds to even;
/// quotients are cut off at 2^10 before, far outside every code.
QCC_CLONES void codesOf(const float *x, int64_t count, float scale, float zero, float low,
                        float high, uint8_t *codes) {
  constexpr float magic = 0x1.8p23f, far = 1024.0f;
  for (int64_t i = 0; i < count; ++i) {
    float q = x[i] / scale;
    q = q < -far ? -far : q;
    q = q > far ? far : q;
    float rounded = (q + magic) - magic;
    float code = rounded + zero;
    code = code < low ? low : code;
    code = code > high ? high : code;
    code = q == q ? code : zero;
    codes[i] = static_cast<uint8_t>(static_cast<int32_t>(code));
  }
}

/// Scale and zero point of a block.
struct Grid {
  float scale, zero;
};

Grid gridOf(const RtnScheme &scheme, Range range, float lowCode, float highCode) {
  if (!scheme.zeroPoint) {
    float qmax = float((1 << (scheme.bits - 1)) - 1);
    return {roundToFormat(scheme.scale, std::fmax(-range.low, range.high) / qmax), 0};
  }
  float steps = float((1 << scheme.bits) - 1);
  float scale = roundToFormat(scheme.scale, (range.high - range.low) / steps);
  if (!(scale > 0))
    return {scale, 0};
  return {scale, std::clamp(std::nearbyint(-range.low / scale) + lowCode, lowCode, highCode)};
}

} // namespace

void quantizeRows(const RtnScheme &scheme, const float *x, int64_t rows, int64_t k, uint8_t *codes,
                  float *scales, int8_t *zeros) {
  int32_t count = 1 << scheme.bits;
  float low = scheme.isUnsigned ? 0.0f : float(-count / 2);
  float high = scheme.isUnsigned ? float(count - 1) : float(count / 2 - 1);
  int64_t block = scheme.block ? scheme.block : k, blocks = scheme.blocks(k);
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t b = 0; b < blocks; ++b) {
      int64_t from = row * k + b * block, length = std::min(block, k - b * block);
      Grid grid = gridOf(scheme, rangeOf(x + from, length), low, high);
      scales[row * blocks + b] = grid.scale;
      if (zeros)
        zeros[row * blocks + b] = static_cast<int8_t>(static_cast<int32_t>(grid.zero));
      if (grid.scale == 0)
        std::fill_n(codes + from, length, static_cast<uint8_t>(static_cast<int32_t>(grid.zero)));
      else
        codesOf(x + from, length, grid.scale, grid.zero, low, high, codes + from);
    }
}

} // namespace qcc
