// Floats as registers hold them, and the type that computes each kind exactly.
#ifndef QCC_SIMT_FLOATVALUE_H
#define QCC_SIMT_FLOATVALUE_H

#include "Program.h"
#include "qcc/Algorithms/FloatFormats.h"
#include <bit>
#include <cmath>
#include <cstdint>

namespace qcc::simt {

/// The double as a float that is rounded to odd, so that rounding it again to 16 bits is exact
/// (Boldo and Melquiond, "When double rounding is odd").
inline float roundedToOdd(double value) {
  float nearest = static_cast<float>(value);
  if (nearest == value || value != value || std::isinf(nearest))
    return std::isinf(nearest) && !std::isinf(value) ? std::nextafterf(nearest, 0) : nearest;
  float truncated = std::fabs(nearest) > std::fabs(value) ? std::nextafterf(nearest, 0) : nearest;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(truncated) | 1);
}

/// get() and put() between bits and Compute, in which + - * / and sqrt, rounded once more by put(),
/// are correctly rounded: f32 has more than twice the bits of both 16-bit kinds.
template <ScalarKind kind> struct FloatValue;

template <> struct FloatValue<ScalarKind::F32> {
  using Compute = float;
  static constexpr unsigned bits = 32;
  static float get(uint64_t value) { return std::bit_cast<float>(static_cast<uint32_t>(value)); }
  static uint64_t put(float value) { return std::bit_cast<uint32_t>(value); }
  static uint64_t fromDouble(double value) { return put(static_cast<float>(value)); }
};
template <> struct FloatValue<ScalarKind::F64> {
  using Compute = double;
  static constexpr unsigned bits = 64;
  static double get(uint64_t value) { return std::bit_cast<double>(value); }
  static uint64_t put(double value) { return std::bit_cast<uint64_t>(value); }
  static uint64_t fromDouble(double value) { return put(value); }
};
template <> struct FloatValue<ScalarKind::F16> {
  using Compute = float;
  static constexpr unsigned bits = 16;
  static float get(uint64_t value) { return floatFromHalf(value); }
  static uint64_t put(float value) { return halfFromFloat(value); }
  static uint64_t fromDouble(double value) { return put(roundedToOdd(value)); }
};
template <> struct FloatValue<ScalarKind::BF16> {
  using Compute = float;
  static constexpr unsigned bits = 16;
  static float get(uint64_t value) { return floatFromBfloat(value); }
  static uint64_t put(float value) { return bfloatFromFloat(value); }
  static uint64_t fromDouble(double value) { return put(roundedToOdd(value)); }
};

/// a * b + c with one rounding.
template <ScalarKind kind> inline uint64_t fusedMultiplyAdd(uint64_t a, uint64_t b, uint64_t c) {
  using V = FloatValue<kind>;
  if constexpr (V::bits >= 32)
    return V::put(std::fma(V::get(a), V::get(b), V::get(c)));
  // The product of 16-bit floats is exact in double; the sum is rounded to odd by its error.
  double product = static_cast<double>(V::get(a)) * V::get(b), addend = V::get(c);
  double sum = product + addend, part = sum - product;
  double error = (product - (sum - part)) + (addend - part);
  if (error != 0 && std::isfinite(sum) && !(std::bit_cast<uint64_t>(sum) & 1))
    sum = std::nextafter(sum, error > 0 ? INFINITY : -INFINITY);
  return V::fromDouble(sum);
}

} // namespace qcc::simt

#endif
