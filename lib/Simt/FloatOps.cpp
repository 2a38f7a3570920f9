// Float arithmetic of lanes: exact IEEE, denormals on, nothing contracted.
#include "FloatValue.h"
#include "LaneFunctions.h"
#include "llvm/ADT/StringSwitch.h"

namespace qcc::simt {

template <ScalarKind kind, auto F>
static void unary(Lanes &dst, const Lanes &a, const Lanes &, const Lanes &, uint32_t mask,
                  uint64_t) {
  using V = FloatValue<kind>;
  forLanes(mask, [&](unsigned i) { dst.v[i] = V::put(F(V::get(a.v[i]))); });
}
template <ScalarKind kind, auto F>
static void binary(Lanes &dst, const Lanes &a, const Lanes &b, const Lanes &, uint32_t mask,
                   uint64_t) {
  using V = FloatValue<kind>;
  forLanes(mask, [&](unsigned i) { dst.v[i] = V::put(F(V::get(a.v[i]), V::get(b.v[i]))); });
}
template <ScalarKind kind, auto F>
static void compare(Lanes &dst, const Lanes &a, const Lanes &b, const Lanes &, uint32_t mask,
                    uint64_t) {
  using V = FloatValue<kind>;
  forLanes(mask, [&](unsigned i) { dst.v[i] = F(V::get(a.v[i]), V::get(b.v[i])); });
}
template <ScalarKind kind>
static void fma(Lanes &dst, const Lanes &a, const Lanes &b, const Lanes &c, uint32_t mask,
                uint64_t) {
  forLanes(mask, [&](unsigned i) { dst.v[i] = fusedMultiplyAdd<kind>(a.v[i], b.v[i], c.v[i]); });
}

/// Functions of the sign bit leave NaN as it is.
template <ScalarKind kind, auto F>
static void ofSign(Lanes &dst, const Lanes &a, const Lanes &b, const Lanes &, uint32_t mask,
                   uint64_t) {
  constexpr uint64_t sign = 1ull << (FloatValue<kind>::bits - 1);
  forLanes(mask, [&](unsigned i) { dst.v[i] = F(a.v[i], b.v[i], sign); });
}

/// PTX orders -0 before +0 in min and max.
template <bool propagateNan, typename T> static T minimum(T a, T b) {
  if (a != a || b != b)
    return propagateNan ? a + b : a != a ? b : a;
  return a < b || (a == b && std::signbit(a)) ? a : b;
}
template <bool propagateNan, typename T> static T maximum(T a, T b) {
  if (a != a || b != b)
    return propagateNan ? a + b : a != a ? b : a;
  return a > b || (a == b && std::signbit(b)) ? a : b;
}

template <ScalarKind k> static LaneFunction arithmetic(llvm::StringRef name) {
  using T = typename FloatValue<k>::Compute;
  using U = uint64_t;
  return llvm::StringSwitch<LaneFunction>(name)
      .Case("fadd", binary<k, [](T a, T b) { return a + b; }>)
      .Case("fsub", binary<k, [](T a, T b) { return a - b; }>)
      .Case("fmul", binary<k, [](T a, T b) { return a * b; }>)
      .Case("fdiv", binary<k, [](T a, T b) { return a / b; }>)
      .Case("frem", binary<k, [](T a, T b) { return std::fmod(a, b); }>)
      .Cases({"fma", "fmuladd"}, fma<k>)
      .Case("minnum", binary<k, minimum<false, T>>)
      .Case("maxnum", binary<k, maximum<false, T>>)
      .Case("minimum", binary<k, minimum<true, T>>)
      .Case("maximum", binary<k, maximum<true, T>>)
      .Case("sqrt", unary<k, [](T a) { return std::sqrt(a); }>)
      .Case("floor", unary<k, [](T a) { return std::floor(a); }>)
      .Case("ceil", unary<k, [](T a) { return std::ceil(a); }>)
      .Case("trunc", unary<k, [](T a) { return std::trunc(a); }>)
      .Case("round", unary<k, [](T a) { return std::round(a); }>)
      .Cases({"rint", "roundeven", "nearbyint"}, unary<k, [](T a) { return std::nearbyint(a); }>)
      .Case("fneg", ofSign<k, [](U a, U, U sign) { return a ^ sign; }>)
      .Case("fabs", ofSign<k, [](U a, U, U sign) { return a & ~sign; }>)
      .Case("copysign", ofSign<k, [](U a, U b, U sign) { return (a & ~sign) | (b & sign); }>)
      .Default(nullptr);
}

template <ScalarKind k> static LaneFunction comparison(llvm::StringRef predicate) {
  using T = typename FloatValue<k>::Compute;
  return llvm::StringSwitch<LaneFunction>(predicate)
      .Case("false", compare<k, [](T, T) { return false; }>)
      .Case("oeq", compare<k, [](T a, T b) { return a == b; }>)
      .Case("ogt", compare<k, [](T a, T b) { return a > b; }>)
      .Case("oge", compare<k, [](T a, T b) { return a >= b; }>)
      .Case("olt", compare<k, [](T a, T b) { return a < b; }>)
      .Case("ole", compare<k, [](T a, T b) { return a <= b; }>)
      .Case("one", compare<k, [](T a, T b) { return a < b || a > b; }>)
      .Case("ord", compare<k, [](T a, T b) { return a == a && b == b; }>)
      .Case("ueq", compare<k, [](T a, T b) { return !(a < b || a > b); }>)
      .Case("ugt", compare<k, [](T a, T b) { return !(a <= b); }>)
      .Case("uge", compare<k, [](T a, T b) { return !(a < b); }>)
      .Case("ult", compare<k, [](T a, T b) { return !(a >= b); }>)
      .Case("ule", compare<k, [](T a, T b) { return !(a > b); }>)
      .Case("une", compare<k, [](T a, T b) { return a != b; }>)
      .Case("uno", compare<k, [](T a, T b) { return a != a || b != b; }>)
      .Case("true", compare<k, [](T, T) { return true; }>)
      .Default(nullptr);
}

template <ScalarKind k> static LaneFunction either(llvm::StringRef name) {
  return name.consume_front("fcmp.") ? comparison<k>(name) : arithmetic<k>(name);
}

LaneFunction floatFunction(llvm::StringRef name, ScalarKind kind) {
  switch (kind) {
  case ScalarKind::F16:
    return either<ScalarKind::F16>(name);
  case ScalarKind::BF16:
    return either<ScalarKind::BF16>(name);
  case ScalarKind::F32:
    return either<ScalarKind::F32>(name);
  case ScalarKind::F64:
    return either<ScalarKind::F64>(name);
  case ScalarKind::Int:
    break;
  }
  return nullptr;
}

} // namespace qcc::simt
