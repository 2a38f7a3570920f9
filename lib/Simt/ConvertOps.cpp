// Conversions of lanes between integers and floats.
#include "FloatValue.h"
#include "LaneFunctions.h"
#include <limits>

namespace qcc::simt {

static void zext(Lanes &dst, const Lanes &a, const Lanes &, const Lanes &, uint32_t mask,
                 uint64_t imm) {
  uint64_t keep = lowBits(toWidth(imm));
  forLanes(mask, [&](unsigned i) { dst.v[i] = a.v[i] & keep; });
}
static void sext(Lanes &dst, const Lanes &a, const Lanes &, const Lanes &, uint32_t mask,
                 uint64_t imm) {
  uint64_t keep = lowBits(toWidth(imm));
  forLanes(mask, [&](unsigned i) { dst.v[i] = signExtended(a.v[i], fromWidth(imm)) & keep; });
}

template <ScalarKind from, ScalarKind to>
static void betweenFloats(Lanes &dst, const Lanes &a, const Lanes &, const Lanes &, uint32_t mask,
                          uint64_t) {
  forLanes(mask, [&](unsigned i) {
    if constexpr (from == ScalarKind::F64)
      dst.v[i] = FloatValue<to>::fromDouble(FloatValue<from>::get(a.v[i]));
    else
      dst.v[i] = FloatValue<to>::put(FloatValue<from>::get(a.v[i]));
  });
}

/// The integer as a float, rounded once.
template <ScalarKind to, typename Integer> static uint64_t floatOf(Integer value) {
  if constexpr (FloatValue<to>::bits >= 32)
    return FloatValue<to>::put(static_cast<typename FloatValue<to>::Compute>(value));
  // Integers that a double rounds are far beyond the precision of 16 bits; the odd bit keeps ties
  // apart.
  double nearest = static_cast<double>(value);
  if (static_cast<__int128>(nearest) != static_cast<__int128>(value))
    nearest = std::bit_cast<double>(std::bit_cast<uint64_t>(nearest) | 1);
  return FloatValue<to>::fromDouble(nearest);
}
template <ScalarKind to, bool isSigned>
static void fromInteger(Lanes &dst, const Lanes &a, const Lanes &, const Lanes &, uint32_t mask,
                        uint64_t imm) {
  forLanes(mask, [&](unsigned i) {
    dst.v[i] = isSigned ? floatOf<to>(signExtended(a.v[i], fromWidth(imm))) : floatOf<to>(a.v[i]);
  });
}

/// Towards zero; what does not fit saturates and NaN is zero, as cvt.rzi does.
template <ScalarKind from, bool isSigned>
static void toInteger(Lanes &dst, const Lanes &a, const Lanes &, const Lanes &, uint32_t mask,
                      uint64_t imm) {
  unsigned width = toWidth(imm);
  double top = std::ldexp(1.0, width - isSigned), bottom = isSigned ? -top : 0;
  uint64_t largest = lowBits(width) >> isSigned;
  forLanes(mask, [&](unsigned i) {
    double value = std::trunc(static_cast<double>(FloatValue<from>::get(a.v[i])));
    uint64_t result;
    if (value != value)
      result = 0;
    else if (value >= top)
      result = largest;
    else if (value < bottom)
      result = isSigned ? largest + 1 : 0;
    else
      result = isSigned ? static_cast<uint64_t>(static_cast<int64_t>(value))
                        : static_cast<uint64_t>(value);
    dst.v[i] = result & lowBits(width);
  });
}

template <ScalarKind from> static LaneFunction toFloat(ScalarKind to) {
  switch (to) {
  case ScalarKind::F16:
    return betweenFloats<from, ScalarKind::F16>;
  case ScalarKind::BF16:
    return betweenFloats<from, ScalarKind::BF16>;
  case ScalarKind::F32:
    return betweenFloats<from, ScalarKind::F32>;
  case ScalarKind::F64:
    return betweenFloats<from, ScalarKind::F64>;
  case ScalarKind::Int:
    break;
  }
  return nullptr;
}

template <ScalarKind kind> static LaneFunction withFloat(llvm::StringRef name, ScalarKind to) {
  if (name == "sitofp")
    return fromInteger<kind, true>;
  if (name == "uitofp")
    return fromInteger<kind, false>;
  if (name == "fptosi" || name == "fptosi.sat")
    return toInteger<kind, true>;
  if (name == "fptoui" || name == "fptoui.sat")
    return toInteger<kind, false>;
  return name == "fpext" || name == "fptrunc" ? toFloat<kind>(to) : nullptr;
}

LaneFunction convertFunction(llvm::StringRef name, ScalarKind from, ScalarKind to) {
  if (from == ScalarKind::Int && to == ScalarKind::Int)
    return name == "sext" ? sext : name == "zext" || name == "trunc" ? zext : nullptr;
  switch (from == ScalarKind::Int ? to : from) {
  case ScalarKind::F16:
    return withFloat<ScalarKind::F16>(name, to);
  case ScalarKind::BF16:
    return withFloat<ScalarKind::BF16>(name, to);
  case ScalarKind::F32:
    return withFloat<ScalarKind::F32>(name, to);
  case ScalarKind::F64:
    return withFloat<ScalarKind::F64>(name, to);
  case ScalarKind::Int:
    break;
  }
  return nullptr;
}

} // namespace qcc::simt
