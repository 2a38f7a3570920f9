// Conversions of floats of at most 16 bits; see FloatFormats.h.
#include "qcc/Algorithms/FloatFormats.h"
#include <cmath>
#include <limits>

namespace qcc {

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

float floatFromMini(MiniFloat format, uint8_t code) {
  uint32_t fraction = code & ((1u << format.fractionBits) - 1);
  uint32_t exponent = (code & ((1u << (format.bits - 1)) - 1)) >> format.fractionBits;
  bool negative = code >> (format.bits - 1) & 1;
  float value;
  if (format == kFloat8E5M2 && exponent == 31)
    value = fraction ? std::numeric_limits<float>::quiet_NaN() : INFINITY;
  else if (format == kFloat8E4M3 && exponent == 15 && fraction == 7)
    value = std::numeric_limits<float>::quiet_NaN();
  else {
    float significand =
        static_cast<float>(exponent ? fraction | 1u << format.fractionBits : fraction);
    int power = static_cast<int>(std::max(exponent, 1u)) - 1 + format.minExponent;
    value = std::ldexp(significand, power - static_cast<int>(format.fractionBits));
  }
  return negative ? -value : value;
}

uint8_t e8m0FromFloat(float value) {
  auto bits = std::bit_cast<uint32_t>(value) & 0x7fffffff;
  if (bits > 0x7f800000)
    return 255;
  uint32_t exponent = bits >> 23, fraction = bits & 0x7fffff;
  return static_cast<uint8_t>(std::clamp(exponent + (fraction != 0), 1u, 254u));
}

float floatFromE8m0(uint8_t code) {
  if (code == 255)
    return std::numeric_limits<float>::quiet_NaN();
  return code ? std::bit_cast<float>(uint32_t(code) << 23) : 0x1p-127f;
}

int floorLog2(float value) {
  auto bits = std::bit_cast<uint32_t>(value);
  if (bits >> 23)
    return static_cast<int>(bits >> 23) - 127;
  return static_cast<int>(std::bit_width(bits)) - 150;
}

} // namespace qcc
