// Elementwise ops: each result element from the operand elements that it broadcasts from.
#include "Detail.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/TypeSwitch.h"
#include <numbers>

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;
using namespace qcc::reference;

namespace {

//===-- One operand ------------------------------------------------------------------------------//

template <typename T> T sigmoid(T x) { return T(1) / (T(1) + std::exp(-x)); }

template <typename T> T geluOf(GeluKind kind, T x) {
  switch (kind) {
  case GeluKind::erf:
    return x / T(2) * (T(1) + std::erf(x / std::sqrt(T(2))));
  case GeluKind::tanh:
    return x / T(2) *
           (T(1) + std::tanh(T(std::sqrt(2 / std::numbers::pi)) * (x + T(0.044715) * x * x * x)));
  case GeluKind::sigmoid:
    break;
  }
  return x * sigmoid(T(1.702) * x);
}

template <typename T> using Unary = T (*)(T);

template <typename T> Unary<T> realFunction(Operation *op) {
  return llvm::TypeSwitch<Operation *, Unary<T>>(op)
      .template Case<AbsOp>([](auto) -> Unary<T> { return [](T x) { return std::fabs(x); }; })
      .template Case<NegOp>([](auto) -> Unary<T> { return [](T x) { return -x; }; })
      .template Case<SignOp>([](auto) -> Unary<T> {
        return [](T x) { return std::isnan(x) ? x : T((x > 0) - (x < 0)); };
      })
      .template Case<CeilOp>([](auto) -> Unary<T> { return [](T x) { return std::ceil(x); }; })
      .template Case<FloorOp>([](auto) -> Unary<T> { return [](T x) { return std::floor(x); }; })
      .template Case<RoundOp>(
          [](auto) -> Unary<T> { return [](T x) { return std::nearbyint(x); }; })
      .template Case<SqrtOp>([](auto) -> Unary<T> { return [](T x) { return std::sqrt(x); }; })
      .template Case<ReciprocalOp>([](auto) -> Unary<T> { return [](T x) { return T(1) / x; }; })
      .template Case<ExpOp>([](auto) -> Unary<T> { return [](T x) { return std::exp(x); }; })
      .template Case<LogOp>([](auto) -> Unary<T> { return [](T x) { return std::log(x); }; })
      .template Case<SinOp>([](auto) -> Unary<T> { return [](T x) { return std::sin(x); }; })
      .template Case<CosOp>([](auto) -> Unary<T> { return [](T x) { return std::cos(x); }; })
      .template Case<TanOp>([](auto) -> Unary<T> { return [](T x) { return std::tan(x); }; })
      .template Case<AsinOp>([](auto) -> Unary<T> { return [](T x) { return std::asin(x); }; })
      .template Case<AcosOp>([](auto) -> Unary<T> { return [](T x) { return std::acos(x); }; })
      .template Case<AtanOp>([](auto) -> Unary<T> { return [](T x) { return std::atan(x); }; })
      .template Case<SinhOp>([](auto) -> Unary<T> { return [](T x) { return std::sinh(x); }; })
      .template Case<CoshOp>([](auto) -> Unary<T> { return [](T x) { return std::cosh(x); }; })
      .template Case<AsinhOp>([](auto) -> Unary<T> { return [](T x) { return std::asinh(x); }; })
      .template Case<AcoshOp>([](auto) -> Unary<T> { return [](T x) { return std::acosh(x); }; })
      .template Case<AtanhOp>([](auto) -> Unary<T> { return [](T x) { return std::atanh(x); }; })
      .template Case<TanhOp>([](auto) -> Unary<T> { return [](T x) { return std::tanh(x); }; })
      .template Case<SigmoidOp>([](auto) -> Unary<T> { return [](T x) { return sigmoid(x); }; })
      .template Case<ErfOp>([](auto) -> Unary<T> { return [](T x) { return std::erf(x); }; })
      .template Case<ReluOp>([](auto) -> Unary<T> {
        return [](T x) { return std::isnan(x) ? x : x > 0 ? x : T(0); };
      })
      .template Case<SiluOp>([](auto) -> Unary<T> { return [](T x) { return x * sigmoid(x); }; })
      .template Case<SoftplusOp>([](auto) -> Unary<T> {
        // ln(1 + e^x) without overflow.
        return [](T x) { return std::fmax(x, T(0)) + std::log1p(std::exp(-std::fabs(x))); };
      })
      .Default([](Operation *) -> Unary<T> { return nullptr; });
}

/// Wrapping arithmetic goes through unsigned numbers.
Unary<int64_t> integerFunction(Operation *op, bool isUnsigned) {
  using F = Unary<int64_t>;
  F same = [](int64_t x) { return x; };
  return llvm::TypeSwitch<Operation *, F>(op)
      .Case<AbsOp>([&](auto) -> F {
        return isUnsigned ? same : [](int64_t x) { return x < 0 ? int64_t(-uint64_t(x)) : x; };
      })
      .Case<NegOp>([](auto) -> F { return [](int64_t x) { return int64_t(-uint64_t(x)); }; })
      .Case<SignOp>([&](auto) -> F {
        if (isUnsigned)
          return [](int64_t x) { return int64_t(x != 0); };
        return [](int64_t x) { return int64_t(x > 0) - int64_t(x < 0); };
      })
      .Case<ReluOp>([&](auto) -> F {
        return isUnsigned ? same : [](int64_t x) { return std::max<int64_t>(x, 0); };
      })
      .Case<NotOp>([&](NotOp no) -> F {
        if (elementTypeOf(no.getType()).isInteger(1))
          return [](int64_t x) { return int64_t(x == 0); };
        return [](int64_t x) { return ~x; };
      })
      .Case<CeilOp, FloorOp, RoundOp>([&](auto) -> F { return same; })
      .Default([](Operation *) -> F { return nullptr; });
}

Results unfit(const Call &call) {
  std::string text;
  llvm::raw_string_ostream(text) << "has no meaning on elements of type "
                                 << call.tensor(0).elementType();
  return call.fail(Diag::ElementTypeUnfit, text);
}

template <typename T, typename F> Results map(const Call &call, F f) {
  const Tensor &x = call.tensor(0);
  Numbers<T> in = load<T>(x);
  std::vector<T> out(in.count);
  for (int64_t i = 0; i < in.count; ++i)
    out[i] = f(in[i]);
  return one(store<T>(call.resultElement(), x.dims(), out));
}

Results evaluateUnary(const Call &call) {
  Type element = call.tensor(0).elementType();
  auto gelu = dyn_cast<GeluOp>(call.op);
  switch (computeOf(element)) {
  case Compute::Float:
    if (gelu)
      return map<float>(call, [&](float x) { return geluOf<float>(gelu.getKind(), x); });
    if (auto f = realFunction<float>(call.op))
      return map<float>(call, f);
    break;
  case Compute::Double:
    if (gelu)
      return map<double>(call, [&](double x) { return geluOf<double>(gelu.getKind(), x); });
    if (auto f = realFunction<double>(call.op))
      return map<double>(call, f);
    break;
  case Compute::Integer:
    if (auto f = integerFunction(call.op, isUnsigned(element)))
      return map<int64_t>(call, f);
    break;
  }
  return unfit(call);
}

//===-- Two operands -----------------------------------------------------------------------------//

template <typename T> T wins(T x, T y, bool larger) {
  if (std::isnan(x) || std::isnan(y))
    return std::numeric_limits<T>::quiet_NaN();
  return (x < y) == larger ? y : x;
}

/// The remainder with the sign of the divisor.
template <typename T> T floorMod(T x, T y) {
  T r = std::fmod(x, y);
  return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}

template <typename T> using Binary = T (*)(T, T);

template <typename T> Binary<T> realBinary(Operation *op) {
  using F = Binary<T>;
  return llvm::TypeSwitch<Operation *, F>(op)
      .template Case<AddOp>([](auto) -> F { return [](T x, T y) { return x + y; }; })
      .template Case<SubOp>([](auto) -> F { return [](T x, T y) { return x - y; }; })
      .template Case<MulOp>([](auto) -> F { return [](T x, T y) { return x * y; }; })
      .template Case<DivOp>([](auto) -> F { return [](T x, T y) { return x / y; }; })
      .template Case<PowOp>([](auto) -> F { return [](T x, T y) { return std::pow(x, y); }; })
      .template Case<MinOp>([](auto) -> F { return [](T x, T y) { return wins(x, y, false); }; })
      .template Case<MaxOp>([](auto) -> F { return [](T x, T y) { return wins(x, y, true); }; })
      .template Case<ModOp>([](ModOp mod) -> F {
        if (mod.getFmod())
          return [](T x, T y) { return std::fmod(x, y); };
        return [](T x, T y) { return floorMod(x, y); };
      })
      .Default([](Operation *) -> F { return nullptr; });
}

int64_t integerPower(int64_t base, int64_t exponent) {
  if (exponent < 0)
    return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
  uint64_t result = 1, factor = uint64_t(base);
  for (; exponent; exponent >>= 1, factor *= factor)
    if (exponent & 1)
      result *= factor;
  return int64_t(result);
}

int64_t integerDivide(int64_t x, int64_t y, bool isUnsigned) {
  if (isUnsigned)
    return int64_t(uint64_t(x) / uint64_t(y));
  return y == -1 ? int64_t(-uint64_t(x)) : x / y; // the lowest number by -1 wraps
}

int64_t integerModulo(int64_t x, int64_t y, bool isUnsigned, bool truncated) {
  if (isUnsigned)
    return int64_t(uint64_t(x) % uint64_t(y));
  int64_t r = y == -1 ? 0 : x % y;
  return !truncated && r != 0 && (r < 0) != (y < 0) ? r + y : r;
}

int64_t shift(int64_t x, int64_t by, unsigned bits, bool left, bool isUnsigned) {
  bool outside = by < 0 || by >= int64_t(bits);
  if (left)
    return outside ? 0 : int64_t(uint64_t(x) << by);
  if (isUnsigned)
    return outside ? 0 : int64_t(uint64_t(x) >> by);
  return x >> (outside ? 63 : by);
}

using IntegerBinary = std::function<int64_t(int64_t, int64_t)>;

IntegerBinary integerBinary(Operation *op, Type element) {
  using F = IntegerBinary;
  bool u = isUnsigned(element);
  unsigned bits = element.isIndex() ? 64 : element.getIntOrFloatBitWidth();
  auto less = [u](int64_t x, int64_t y) { return u ? uint64_t(x) < uint64_t(y) : x < y; };
  return llvm::TypeSwitch<Operation *, F>(op)
      .Case<AddOp>([](auto) {
        return [](int64_t x, int64_t y) { return int64_t(uint64_t(x) + uint64_t(y)); };
      })
      .Case<SubOp>([](auto) {
        return [](int64_t x, int64_t y) { return int64_t(uint64_t(x) - uint64_t(y)); };
      })
      .Case<MulOp>([](auto) {
        return [](int64_t x, int64_t y) { return int64_t(uint64_t(x) * uint64_t(y)); };
      })
      .Case<DivOp>(
          [u](auto) { return [u](int64_t x, int64_t y) { return integerDivide(x, y, u); }; })
      .Case<ModOp>([u](ModOp mod) {
        bool truncated = mod.getFmod();
        return [u, truncated](int64_t x, int64_t y) { return integerModulo(x, y, u, truncated); };
      })
      .Case<PowOp>([](auto) { return integerPower; })
      .Case<MinOp>(
          [less](auto) { return [less](int64_t x, int64_t y) { return less(y, x) ? y : x; }; })
      .Case<MaxOp>(
          [less](auto) { return [less](int64_t x, int64_t y) { return less(x, y) ? y : x; }; })
      .Case<AndOp>([](auto) { return [](int64_t x, int64_t y) { return x & y; }; })
      .Case<OrOp>([](auto) { return [](int64_t x, int64_t y) { return x | y; }; })
      .Case<XorOp>([](auto) { return [](int64_t x, int64_t y) { return x ^ y; }; })
      .Case<ShlOp>(
          [=](auto) { return [=](int64_t x, int64_t y) { return shift(x, y, bits, true, u); }; })
      .Case<ShrOp>(
          [=](auto) { return [=](int64_t x, int64_t y) { return shift(x, y, bits, false, u); }; })
      .Default([](Operation *) { return F(); });
}

/// Pairs of broadcast operand elements, in the order of the result.
template <typename T, typename Out, typename F> Results zip(const Call &call, F f) {
  auto dims = call.resultDims();
  if (!dims)
    return dims.takeError();
  const Tensor &a = call.tensor(0), &b = call.tensor(1);
  Numbers<T> x = load<T>(a), y = load<T>(b);
  std::vector<Out> out(product(*dims));
  walk<2>(*dims, {broadcastStrides(a.dims(), *dims), broadcastStrides(b.dims(), *dims)},
          [&](int64_t i, const std::array<int64_t, 2> &at) { out[i] = f(x[at[0]], y[at[1]]); });
  return one(store<Out>(call.resultElement(), *dims, out));
}

Results evaluateBinary(const Call &call) {
  Type element = call.tensor(0).elementType();
  switch (computeOf(element)) {
  case Compute::Float:
    if (auto f = realBinary<float>(call.op))
      return zip<float, float>(call, f);
    return unfit(call);
  case Compute::Double:
    if (auto f = realBinary<double>(call.op))
      return zip<double, double>(call, f);
    return unfit(call);
  case Compute::Integer:
    break;
  }
  if (isa<DivOp, ModOp>(call.op)) {
    Numbers<int64_t> y = load<int64_t>(call.tensor(1));
    for (int64_t i = 0; i < y.count; ++i)
      if (y[i] == 0)
        return call.fail(Diag::DivisionByZero,
                         "divides integers by zero at element " + std::to_string(i));
  }
  return zip<int64_t, int64_t>(call, integerBinary(call.op, element));
}

template <typename T> bool holds(Predicate predicate, T x, T y) {
  switch (predicate) {
  case Predicate::eq:
    return x == y;
  case Predicate::ne:
    return x != y;
  case Predicate::lt:
    return x < y;
  case Predicate::le:
    return x <= y;
  case Predicate::gt:
    return x > y;
  case Predicate::ge:
    return x >= y;
  }
  return false;
}

Results evaluateCompare(const Call &call, CompareOp op) {
  Predicate predicate = op.getPredicate();
  Type element = call.tensor(0).elementType();
  bool u = isUnsigned(element);
  return dispatch(element, [&]<typename T>() {
    return zip<T, int64_t>(call, [&](T x, T y) -> int64_t {
      if constexpr (std::is_same_v<T, int64_t>)
        if (u)
          return holds<uint64_t>(predicate, uint64_t(x), uint64_t(y));
      return holds<T>(predicate, x, y);
    });
  });
}

//===-- The rest ---------------------------------------------------------------------------------//

template <typename F> Results classify(const Call &call, F f) {
  const Tensor &x = call.tensor(0);
  std::vector<int64_t> out(x.size());
  for (size_t i = 0; i < out.size(); ++i)
    out[i] = f(x.real(i));
  return one(store<int64_t>(call.resultElement(), x.dims(), out));
}

/// Truncation toward zero that saturates at the integer type's range; NaN is 0.
int64_t saturate(double x, Type element) {
  if (std::isnan(x))
    return 0;
  unsigned bits = element.isIndex() ? 64 : element.getIntOrFloatBitWidth();
  bool u = element.isUnsignedInteger();
  double high = std::ldexp(1.0, int(u ? bits : bits - 1)), low = u ? 0 : -high;
  x = std::trunc(x);
  if (x <= low)
    return u ? 0 : int64_t(-(uint64_t(1) << (bits - 1)));
  if (x >= high)
    return int64_t(u ? (bits == 64 ? ~uint64_t(0) : (uint64_t(1) << bits) - 1)
                     : (uint64_t(1) << (bits - 1)) - 1);
  return u ? int64_t(uint64_t(x)) : int64_t(x);
}

Results evaluateCast(const Call &call) {
  const Tensor &x = call.tensor(0);
  Type from = x.elementType(), to = call.resultElement();
  if (from == to)
    return one(x);
  bool fromFloat = isa<FloatType>(from);
  if (isa<FloatType>(to)) {
    Numbers<double> in = load<double>(x);
    return one(store<double>(to, x.dims(), ArrayRef(in.data, in.count)));
  }
  std::vector<int64_t> out(x.size());
  for (size_t i = 0; i < out.size(); ++i)
    if (to.isInteger(1))
      out[i] = fromFloat ? x.real(i) != 0 : x.integer(i) != 0;
    else
      out[i] = fromFloat ? saturate(x.real(i), to) : x.integer(i);
  return one(store<int64_t>(to, x.dims(), out));
}

Results evaluateSelect(const Call &call) {
  auto dims = call.resultDims();
  if (!dims)
    return dims.takeError();
  const Tensor &c = call.tensor(0), &x = call.tensor(1), &y = call.tensor(2);
  Tensor out(call.resultElement(), *dims);
  char *to = out.mutableData();
  int64_t width = out.bytesPerElement();
  walk<3>(*dims,
          {broadcastStrides(c.dims(), *dims), broadcastStrides(x.dims(), *dims),
           broadcastStrides(y.dims(), *dims)},
          [&](int64_t i, const std::array<int64_t, 3> &at) {
            const char *from =
                c.data()[at[0]] ? x.data() + at[1] * width : y.data() + at[2] * width;
            std::copy_n(from, width, to + i * width);
          });
  return one(std::move(out));
}

} // namespace

std::optional<Results> reference::evaluateElementwise(const Call &call) {
  return llvm::TypeSwitch<Operation *, std::optional<Results>>(call.op)
      .Case<CompareOp>([&](CompareOp op) { return evaluateCompare(call, op); })
      .Case<IsNanOp>([&](auto) { return classify(call, [](double x) { return std::isnan(x); }); })
      .Case<IsInfOp>([&](IsInfOp op) {
        return classify(call, [&](double x) {
          return std::isinf(x) && (x > 0 ? op.getPositive() : op.getNegative());
        });
      })
      .Case<CastOp>([&](auto) { return evaluateCast(call); })
      .Case<SelectOp>([&](auto) { return evaluateSelect(call); })
      .Case<AddOp, SubOp, MulOp, DivOp, PowOp, MinOp, MaxOp, AndOp, OrOp, XorOp, ShlOp, ShrOp,
            ModOp>([&](auto) { return evaluateBinary(call); })
      .Default([&](Operation *op) -> std::optional<Results> {
        if (!op->hasTrait<Elementwise>())
          return std::nullopt;
        return evaluateUnary(call);
      });
}
