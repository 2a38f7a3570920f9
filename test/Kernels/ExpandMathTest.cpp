// Accuracy of the expanded mathematics against libm in double (f32) and long double (f64), over the
// whole range with denormals, infinities and NaN, on every level of the host; and equality of
// levels.
#include "Jit.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "qcc/Kernels/KernelBuilder.h"
#include "gtest/gtest.h"
#include <cmath>
#include <map>
#include <random>

using namespace qcc;
using Value = mlir::Value;

namespace {

class ExpandMath : public testing::TestWithParam<const Target *> {};
std::string levelName(const testing::TestParamInfo<const Target *> &i) {
  std::string s = i.param->name;
  std::replace(s.begin(), s.end(), '-', '_');
  return s;
}
INSTANTIATE_TEST_SUITE_P(Host, ExpandMath, testing::ValuesIn(hostLevels()), levelName);

struct Function {
  const char *name;
  Value (*emit)(KernelBuilder &, Value);
  long double (*exact)(long double);
  double low, high;    ///< arguments are drawn from here, uniformly and by exponent
  double ulp32, ulp64; ///< bounds in units of the last place
};

#define MATH(op)                                                                                   \
  [](KernelBuilder &k, Value x) -> Value { return mlir::math::op::create(k.builder(), k.loc(), x); }
#define EXACT(f) [](long double x) -> long double { return f(x); }

// An ulp of f64 is 2.2e-16: 450 of them are 1e-13.
const Function kFunctions[] = {
    {"exp", MATH(ExpOp), EXACT(expl), -800, 800, 1.5, 3},
    {"exp2", MATH(Exp2Op), EXACT(exp2l), -1100, 1100, 0.51, 2000},
    {"expm1", MATH(ExpM1Op), EXACT(expm1l), -50, 700, 0.51, 5},
    {"log", MATH(LogOp), EXACT(logl), 0, 1e300, 0.51, 3},
    {"log1p", MATH(Log1pOp), EXACT(log1pl), -1, 1e300, 0.51, 5},
    {"log2", MATH(Log2Op), EXACT(log2l), 0, 1e300, 0.51, 5},
    {"log10", MATH(Log10Op), EXACT(log10l), 0, 1e300, 0.51, 5},
    {"tanh", MATH(TanhOp), EXACT(tanhl), -30, 30, 4, 8},
    {"erf", MATH(ErfOp), EXACT(erfl), -8, 8, 4, 450},
    {"sin", MATH(SinOp), EXACT(sinl), -1e5, 1e5, 0.51, 16},
    {"cos", MATH(CosOp), EXACT(cosl), -1e5, 1e5, 0.51, 16},
    {"tan", MATH(TanOp), EXACT(tanl), -1e4, 1e4, 0.51, 16},
    {"atan", MATH(AtanOp), EXACT(atanl), -1e30, 1e30, 0.51, 4},
    {"asin", MATH(AsinOp), EXACT(asinl), -1, 1, 0.51, 6},
    {"acos", MATH(AcosOp), EXACT(acosl), -1, 1, 0.51, 6},
    {"sinh", MATH(SinhOp), EXACT(sinhl), -712, 712, 0.51, 8},
    {"cosh", MATH(CoshOp), EXACT(coshl), -712, 712, 0.51, 8},
    {"asinh", MATH(AsinhOp), EXACT(asinhl), -1e300, 1e300, 0.51, 8},
    {"acosh", MATH(AcoshOp), EXACT(acoshl), 1, 1e300, 0.51, 8},
    {"atanh", MATH(AtanhOp), EXACT(atanhl), -1, 1, 0.51, 8},
    {"sqrt", MATH(SqrtOp), EXACT(sqrtl), 0, 1e300, 0.5, 0.5},
    {"floor", MATH(FloorOp), EXACT(floorl), -1e20, 1e20, 0, 0},
    {"ceil", MATH(CeilOp), EXACT(ceill), -1e20, 1e20, 0, 0},
    {"trunc", MATH(TruncOp), EXACT(truncl), -1e20, 1e20, 0, 0},
    {"round", MATH(RoundOp), EXACT(roundl), -1e20, 1e20, 0, 0},
    {"roundeven", MATH(RoundEvenOp), EXACT(nearbyintl), -1e20, 1e20, 0, 0},
};

template <typename T> std::vector<T> arguments(double low, double high, int count) {
  using L = std::numeric_limits<T>;
  std::vector<T> x = {0,
                      T(-0.0),
                      L::infinity(),
                      -L::infinity(),
                      L::quiet_NaN(),
                      L::denorm_min(),
                      -L::denorm_min(),
                      L::min(),
                      -L::min(),
                      L::max(),
                      -L::max(),
                      1,
                      -1,
                      T(0.5),
                      T(-0.5),
                      T(1.5),
                      T(2.5),
                      T(-2.5),
                      T(0.49999999999999994),
                      2,
                      4,
                      T(88.72283),
                      T(-87.33654),
                      T(-103.97),
                      T(-104),
                      T(709.78271289338397),
                      T(-745.1332)};
  std::mt19937_64 rng(3);
  low = std::max<double>(low, -L::max()), high = std::min<double>(high, L::max());
  std::uniform_real_distribution<double> uniform(low, high),
      small(std::max(low, -10.0), std::min(high, 10.0));
  std::uniform_real_distribution<double> exponent(-60, std::log2(std::max(std::abs(low), high)));
  for (int i = 0; i < count; ++i) {
    x.push_back(T(uniform(rng)));
    x.push_back(T(small(rng)));
    T v = T(std::exp2(exponent(rng)));
    x.push_back(v);
    x.push_back(-v);
  }
  return x;
}

/// Distance in units of the last place of the exact value, with everything special equal or not.
template <typename T> double ulps(T got, long double exact) {
  T want = T(exact);
  if (std::isnan(want) || std::isnan(got))
    return std::isnan(want) && std::isnan(got) ? 0 : INFINITY;
  if (got == want)
    return std::isinf(want) || got == 0
               ? 0
               : double(std::fabs((long double)got - exact) /
                        (long double)std::fabs(std::nextafter(want, T(INFINITY)) - want));
  if (std::isinf(got) && !std::isinf(want))
    return std::fabs(exact) > std::numeric_limits<T>::max() * 0.999999L ? 1 : INFINITY;
  if (std::isinf(want))
    return got > std::numeric_limits<T>::max() * T(0.999999) ? 1 : INFINITY;
  T unit =
      std::max(std::fabs(std::nextafter(want, T(0)) - want), std::numeric_limits<T>::denorm_min());
  return double(std::fabs((long double)got - exact) / unit);
}

/// Emulated fma makes code long: there only what kernels use often.
bool isTested(const Target &t, const Function &f) {
  static const char *core[] = {"exp",  "tanh",  "erf",   "log",       "sin", "floor",
                               "ceil", "trunc", "round", "roundeven", "sqrt"};
  return t.hasFma || std::any_of(std::begin(core), std::end(core),
                                 [&](const char *c) { return std::string(c) == f.name; });
}

std::unique_ptr<Jit> compileAll(const Target &t, Elem e) {
  return Jit::build(t, [&](mlir::ModuleOp m) {
    for (const Function &f : kFunctions) {
      if (!isTested(t, f))
        continue;
      KernelBuilder k(m, f.name, t);
      k.forLanes(k.argI64(2), [&](Value i, Value lanes) {
        k.vstore(e, f.emit(k, k.vload(e, k.argPtr(0), i, lanes)), k.argPtr(1), i, lanes);
      });
      k.store(e, f.emit(k, k.load(e, k.argPtr(0))), k.argPtr(1)); // scalars too
      k.finish();
    }
  });
}

template <typename T> void check(const Target &t, Elem e) {
  auto jit = compileAll(t, e);
  int count = t.hasFma ? 30000 : 500;                 // emulated fma is slow
  static std::map<std::string, std::vector<T>> first; // of the first level, by function
  for (const Function &f : kFunctions) {
    if (!isTested(t, f))
      continue;
    std::vector<T> x = arguments<T>(f.low, f.high, count), y(x.size());
    Args args;
    args << x.data() << y.data() << int64_t(x.size());
    ASSERT_EQ(jit->kernel(f.name)(args.data(), 0, 1, 0, nullptr), 0);
    double worst = 0, bound = sizeof(T) == 4 ? f.ulp32 : f.ulp64;
    T at = 0, got = 0;
    bool trigonometric = std::string(f.name) == "sin" || std::string(f.name) == "cos" ||
                         std::string(f.name) == "tan";
    for (size_t i = 0; i < x.size(); ++i) {
      if (trigonometric && std::isfinite(x[i]) && std::fabs(x[i]) > f.high)
        continue; // outside of the stated range
      double u = ulps(y[i], f.exact(x[i]));
      if (u > worst || std::isnan(u))
        worst = u, at = x[i], got = y[i];
    }
    EXPECT_LE(worst, bound) << f.name << "(" << at << ") = " << got << " instead of "
                            << T(f.exact(at));
    if (std::getenv("QCC_TEST_VERBOSE"))
      std::printf("%s %s %s %.3f ulp at %g\n", t.name, f.name, sizeof(T) == 4 ? "f32" : "f64",
                  worst, double(at));
    std::vector<T> &reference = first.try_emplace(f.name, y).first->second;
    for (size_t i = 0; i < x.size(); ++i)
      if (!std::isnan(y[i]) || !std::isnan(reference[i]))
        ASSERT_EQ(std::memcmp(&y[i], &reference[i], sizeof(T)), 0)
            << f.name << "(" << x[i] << ") differs between levels: " << y[i] << ", "
            << reference[i];
  }
}

TEST_P(ExpandMath, SinglePrecision) { check<float>(*GetParam(), Elem::F32); }
TEST_P(ExpandMath, DoublePrecision) { check<double>(*GetParam(), Elem::F64); }

template <typename T> void checkBinary(const Target &t, Elem e) {
  auto jit = Jit::build(t, [&](mlir::ModuleOp m) {
    for (const char *name : {"fmod", "pow", "fma", "atan2"}) {
      KernelBuilder k(m, name, t);
      k.forLanes(k.argI64(3), [&](Value i, Value lanes) {
        Value x = k.vload(e, k.argPtr(0), i, lanes), y = k.vload(e, k.argPtr(1), i, lanes);
        Value z = std::string(name) == "fmod"  ? k.rem(x, y)
                  : std::string(name) == "pow" ? k.pow(x, y)
                  : std::string(name) == "fma"
                      ? k.fma(x, y, y)
                      : Value(mlir::math::Atan2Op::create(k.builder(), k.loc(), x, y));
        k.vstore(e, z, k.argPtr(2), i, lanes);
      });
      k.finish();
    }
  });
  using L = std::numeric_limits<T>;
  std::vector<T> special = {0,
                            T(-0.0),
                            1,
                            -1,
                            2,
                            -2,
                            3,
                            -3,
                            T(0.5),
                            T(-0.5),
                            L::infinity(),
                            -L::infinity(),
                            L::quiet_NaN(),
                            L::max(),
                            L::min(),
                            L::denorm_min(),
                            T(1e10),
                            T(-7.5),
                            T(33),
                            T(5.25)},
                 x, y;
  for (T a : special)
    for (T b : special)
      x.push_back(a), y.push_back(b);
  std::mt19937_64 rng(5);
  std::uniform_real_distribution<double> value(-20, 20), exponent(-100, 100);
  for (int i = 0; i < (t.hasFma ? 20000 : 1000); ++i) {
    x.push_back(T(i % 2 ? std::abs(value(rng)) : std::exp2(exponent(rng))));
    y.push_back(T(i % 4 < 2 ? value(rng) : std::round(value(rng))));
  }
  std::vector<T> z(x.size());
  Args args;
  args << x.data() << y.data() << z.data() << int64_t(x.size());
  auto run = [&](const char *name, auto exact, double bound) {
    jit->kernel(name)(args.data(), 0, 1, 0, nullptr);
    for (size_t i = 0; i < x.size(); ++i) {
      auto extreme = [](T v) {
        return std::fabs(v) == L::max() || (v != 0 && std::fabs(v) < L::min());
      };
      if (!t.hasFma && (extreme(x[i]) || extreme(y[i])))
        continue; // emulated fma of f64 may leave the range on the way
      double u = ulps(z[i], exact(x[i], y[i]));
      EXPECT_LE(u, bound) << name << "(" << x[i] << ", " << y[i] << ") = " << z[i];
    }
  };
  run("fmod", [](T a, T b) -> long double { return std::fmod(a, b); }, 0);
  run("pow", [](T a, T b) { return powl(a, b); }, sizeof(T) == 4 ? 0.51 : 2000);
  run("fma", [](T a, T b) -> long double { return std::fma(a, b, b); }, 0);
  run("atan2", [](T a, T b) { return atan2l(a, b); }, sizeof(T) == 4 ? 0.51 : 6);
}
TEST_P(ExpandMath, TwoArgumentsSingle) { checkBinary<float>(*GetParam(), Elem::F32); }
TEST_P(ExpandMath, TwoArgumentsDouble) { checkBinary<double>(*GetParam(), Elem::F64); }

} // namespace
