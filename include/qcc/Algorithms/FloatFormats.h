// Floats of at most 16 bits: conversions from and to f32 in integer arithmetic.
#ifndef QCC_ALGORITHMS_FLOATFORMATS_H
#define QCC_ALGORITHMS_FLOATFORMATS_H

#include <algorithm>
#include <bit>
#include <cstdint>

namespace qcc {

/// Bits of 16-bit floats; to them rounds to nearest even, overflow gives infinity.
uint16_t halfFromFloat(float value);
float floatFromHalf(uint16_t bits);
uint16_t bfloatFromFloat(float value);
float floatFromBfloat(uint16_t bits);

/// A float of 4 or 8 bits: sign, exponent, fraction. Its largest number is `max`; codes above it
/// (infinities, NaN) are never written, but read where the 8-bit formats have them.
struct MiniFloat {
  unsigned bits, fractionBits;
  int minExponent; ///< of normal numbers
  float max;
  friend bool operator==(const MiniFloat &, const MiniFloat &) = default;
};

/// OCP 8-bit floating point specification 1.0, tables 1 and 2; OCP microscaling formats 1.0, 5.3.3.
inline constexpr MiniFloat kFloat8E4M3{8, 3, -6, 448};
inline constexpr MiniFloat kFloat8E5M2{8, 2, -14, 57344};
inline constexpr MiniFloat kFloat4E2M1{4, 1, 0, 6};

/// The nearest code, ties to even, numbers beyond `max` to it. NaN becomes +0.
inline uint8_t miniFromFloat(MiniFloat format, float value) {
  auto bits = std::bit_cast<uint32_t>(value);
  uint32_t sign = bits >> 31 << (format.bits - 1);
  float magnitude = std::bit_cast<float>(bits & 0x7fffffff);
  magnitude = magnitude == magnitude ? std::min(magnitude, format.max) : 0;
  int32_t exponent = static_cast<int32_t>(std::bit_cast<uint32_t>(magnitude) >> 23) - 127;
  exponent = std::max(exponent, format.minExponent);
  // In units of the last place, where adding and subtracting 2^23 rounds to even.
  int32_t place = static_cast<int32_t>(format.fractionBits) - exponent;
  float units = magnitude * std::bit_cast<float>(static_cast<uint32_t>(place + 127) << 23);
  float rounded = (units + 0x1p23f) - 0x1p23f;
  uint32_t code = static_cast<uint32_t>(exponent - format.minExponent) << format.fractionBits;
  code += static_cast<uint32_t>(static_cast<int32_t>(rounded));
  return static_cast<uint8_t>(value == value ? code | sign : 0);
}
float floatFromMini(MiniFloat format, uint8_t code);

/// A power of two, 2^(code - 127); 255 is NaN. OCP microscaling formats 1.0, 5.4.1.
uint8_t e8m0FromFloat(float value); ///< the smallest not below |value|; at least 2^-126
float floatFromE8m0(uint8_t code);
/// floor(log2(value)) of a positive number, -149 or more.
int floorLog2(float value);

} // namespace qcc
#endif
