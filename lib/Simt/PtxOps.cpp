// Pure PTX instructions that LLVM has no op for.
#include "FloatValue.h"
#include "LaneFunctions.h"
#include "llvm/ADT/StringSwitch.h"

namespace qcc::simt {

using U = uint64_t;

template <auto F>
static void map(Lanes &dst, const Lanes &a, const Lanes &b, const Lanes &c, uint32_t mask,
                uint64_t imm) {
  forLanes(mask, [&](unsigned i) { dst.v[i] = F(a.v[i], b.v[i], c.v[i], imm); });
}

/// prmt.b32 without a mode: each nibble of the selector c picks a byte of b:a, or its sign.
static U permuteBytes(U a, U b, U c, U) {
  U bytes = b << 32 | a, result = 0;
  for (unsigned i = 0; i != 4; ++i) {
    U nibble = c >> (4 * i), byte = bytes >> (8 * (nibble & 7)) & 255;
    if (nibble & 8)
      byte = byte & 128 ? 255 : 0;
    result |= byte << (8 * i);
  }
  return result;
}

template <bool signedA, bool signedB> static U dotBytes(U a, U b, U c, U) {
  uint32_t sum = c;
  for (unsigned i = 0; i != 32; i += 8) {
    int32_t x = signedA ? static_cast<int8_t>(a >> i) : static_cast<uint8_t>(a >> i);
    int32_t y = signedB ? static_cast<int8_t>(b >> i) : static_cast<uint8_t>(b >> i);
    sum += static_cast<uint32_t>(x * y);
  }
  return sum;
}

/// imm is the truth table.
static U threeInputLogic(U a, U b, U c, U table) {
  U result = 0;
  for (unsigned row = 0; row != 8; ++row)
    if (table >> row & 1)
      result |= (row & 4 ? a : ~a) & (row & 2 ? b : ~b) & (row & 1 ? c : ~c);
  return result & lowBits(32);
}

/// cvt.pack.sat.T.s32.b32: a and b saturated to the bytes 1 and 0, c shifted up behind them.
template <bool isSigned> static U packSaturated(U a, U b, U c, U) {
  auto clamped = [](U value) -> U {
    int64_t low = isSigned ? -128 : 0, high = isSigned ? 127 : 255;
    return std::clamp(signExtended(value, 32), low, high) & 255;
  };
  return (c << 16 | clamped(a) << 8 | clamped(b)) & lowBits(32);
}

static U roundToInteger(U a, U, U, U) {
  float value = std::nearbyint(FloatValue<ScalarKind::F32>::get(a));
  if (value != value)
    return 0;
  return static_cast<uint32_t>(value >= 0x1p31f   ? INT32_MAX
                               : value < -0x1p31f ? INT32_MIN
                                                  : static_cast<int32_t>(value));
}

static float flushed(float value) {
  return std::fpclassify(value) == FP_SUBNORMAL ? std::copysign(0.0f, value) : value;
}

/// Approximate functions, computed in double and rounded: hardware differs in the last bits.
template <auto F, bool flush> static U approximate(U a, U b, U, U) {
  using V = FloatValue<ScalarKind::F32>;
  float x = V::get(a), y = V::get(b);
  float result = static_cast<float>(F(flush ? flushed(x) : x, flush ? flushed(y) : y));
  return V::put(flush ? flushed(result) : result);
}
static double exp2Of(double x, double) { return std::exp2(x); }
static double log2Of(double x, double) { return std::log2(x); }
static double reciprocal(double x, double) { return 1 / x; }
static double reciprocalRoot(double x, double) { return 1 / std::sqrt(x); }
static double rootOf(double x, double) { return std::sqrt(x); }
static double quotient(double x, double y) { return x / y; }
static double tanhOf(double x, double) { return std::tanh(x); }

static LaneFunction approximation(llvm::StringRef name) {
  return llvm::StringSwitch<LaneFunction>(name)
      .Case("ex2.approx.f32", map<approximate<exp2Of, false>>)
      .Case("ex2.approx.ftz.f32", map<approximate<exp2Of, true>>)
      .Case("lg2.approx.f32", map<approximate<log2Of, false>>)
      .Case("lg2.approx.ftz.f32", map<approximate<log2Of, true>>)
      .Case("rcp.approx.f32", map<approximate<reciprocal, false>>)
      .Case("rcp.approx.ftz.f32", map<approximate<reciprocal, true>>)
      .Case("rsqrt.approx.f32", map<approximate<reciprocalRoot, false>>)
      .Case("rsqrt.approx.ftz.f32", map<approximate<reciprocalRoot, true>>)
      .Case("sqrt.approx.f32", map<approximate<rootOf, false>>)
      .Case("sqrt.approx.ftz.f32", map<approximate<rootOf, true>>)
      .Cases({"div.full.f32", "div.approx.f32"}, map<approximate<quotient, false>>)
      .Cases({"div.full.ftz.f32", "div.approx.ftz.f32"}, map<approximate<quotient, true>>)
      .Case("tanh.approx.f32", map<approximate<tanhOf, false>>)
      .Default(nullptr);
}

/// cvt of two floats into one register: the first goes to the upper half.
template <ScalarKind kind> static U packHalves(U a, U b, U, U) {
  auto half = [](U value) {
    return FloatValue<kind>::put(FloatValue<ScalarKind::F32>::get(value));
  };
  return half(a) << 16 | half(b);
}
static U packE4M3(U a, U b, U, U) {
  auto code = [](U value) -> U {
    float number = FloatValue<ScalarKind::F32>::get(value);
    return number != number ? 0x7f : miniFromFloat(kFloat8E4M3, number);
  };
  return code(a) << 8 | code(b);
}
static U unpackE4M3(U a, U, U, U) {
  auto half = [](U code) -> U { return halfFromFloat(floatFromMini(kFloat8E4M3, code & 255)); };
  return half(a >> 8) << 16 | half(a);
}

LaneFunction ptxFunction(llvm::StringRef name) {
  if (LaneFunction found = approximation(name))
    return found;
  return llvm::StringSwitch<LaneFunction>(name)
      .Case("prmt.b32", map<permuteBytes>)
      .Case("dp4a.s32.s32", map<dotBytes<true, true>>)
      .Case("dp4a.s32.u32", map<dotBytes<true, false>>)
      .Case("dp4a.u32.s32", map<dotBytes<false, true>>)
      .Case("dp4a.u32.u32", map<dotBytes<false, false>>)
      .Case("lop3.b32", map<threeInputLogic>)
      .Case("cvt.pack.sat.s8.s32.b32", map<packSaturated<true>>)
      .Case("cvt.pack.sat.u8.s32.b32", map<packSaturated<false>>)
      .Case("cvt.rn.bf16x2.f32", map<packHalves<ScalarKind::BF16>>)
      .Case("cvt.rn.f16x2.f32", map<packHalves<ScalarKind::F16>>)
      .Case("cvt.rn.satfinite.e4m3x2.f32", map<packE4M3>)
      .Case("cvt.rn.f16x2.e4m3x2", map<unpackE4M3>)
      .Case("cvt.rni.s32.f32", map<roundToInteger>)
      .Default(nullptr);
}

} // namespace qcc::simt
