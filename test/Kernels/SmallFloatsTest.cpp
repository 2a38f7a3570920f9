// 8-bit floats and integers of 2 and 4 bits in memory, against llvm::APFloat.
#include "Jit.h"
#include "qcc/Kernels/KernelBuilder.h"
#include "llvm/ADT/APFloat.h"
#include "gtest/gtest.h"
#include <algorithm>
#include <cmath>
#include <numeric>

using namespace qcc;
using llvm::APFloat;

namespace {

struct Format {
  Elem elem;
  const llvm::fltSemantics &(*semantics)();
};
constexpr Format formats[] = {
    {Elem::F8E4M3FN, APFloat::Float8E4M3FN}, {Elem::F8E4M3FNUZ, APFloat::Float8E4M3FNUZ},
    {Elem::F8E5M2, APFloat::Float8E5M2},     {Elem::F8E5M2FNUZ, APFloat::Float8E5M2FNUZ},
    {Elem::F8E8M0, APFloat::Float8E8M0FNU},  {Elem::F4E2M1, APFloat::Float4E2M1FN}};

/// How many codes a format has.
unsigned codesOf(const Format &f) { return 1u << APFloat::getSizeInBits(f.semantics()); }

/// y = x of another element type, over a row with a tail.
template <typename To, typename From>
std::vector<To> converted(const Target &target, Elem from, Elem to, const std::vector<From> &x) {
  auto jit = Jit::build(target, [&](mlir::ModuleOp m) {
    KernelBuilder k(m, "cast", target);
    k.forLanes(k.argI64(2), [&](mlir::Value i, mlir::Value lanes) {
      mlir::Value v = k.cast(k.vload(from, k.argPtr(0), i, lanes), from, to);
      k.vstore(to, v, k.argPtr(1), i, lanes);
    });
    k.finish();
  });
  std::vector<To> y(x.size());
  Args args;
  args << x.data() << y.data() << int64_t(x.size());
  EXPECT_EQ(jit->kernel("cast")(args.data(), 0, 1, 0, nullptr), 0);
  return y;
}

float decoded(const llvm::fltSemantics &semantics, uint8_t code) {
  if (&semantics == &APFloat::Float8E8M0FNU() && code == 255)
    return NAN; // OCP MX 1.0, section 5.4.1
  APFloat value(semantics, llvm::APInt(APFloat::getSizeInBits(semantics), code));
  bool loses;
  value.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven, &loses);
  return value.convertToFloat();
}

uint8_t encoded(const llvm::fltSemantics &semantics, float number) {
  if (&semantics == &APFloat::Float4E2M1FN()) // has no infinity
    number = std::clamp(number, -6.0f, 6.0f);
  APFloat value(number);
  bool loses;
  value.convert(semantics, APFloat::rmNearestTiesToEven, &loses);
  return uint8_t(value.bitcastToAPInt().getZExtValue());
}

bool isNan(const llvm::fltSemantics &semantics, uint8_t code) {
  return std::isnan(decoded(semantics, code));
}

class SmallFloats : public testing::TestWithParam<const Target *> {};
INSTANTIATE_TEST_SUITE_P(Host, SmallFloats, testing::ValuesIn(hostLevels()),
                         [](const testing::TestParamInfo<const Target *> &i) {
                           std::string name = i.param->name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST_P(SmallFloats, EveryCodeIsItsNumber) {
  std::vector<uint8_t> codes(256);
  std::iota(codes.begin(), codes.end(), 0);
  for (const Format &f : formats) {
    auto y = converted<float>(*GetParam(), f.elem, Elem::F32, codes);
    for (unsigned code = 0; code < codesOf(f); ++code) {
      float want = decoded(f.semantics(), uint8_t(code));
      if (std::isnan(want))
        EXPECT_TRUE(std::isnan(y[code])) << elemName(f.elem).str() << " " << code;
      else
        EXPECT_EQ(std::signbit(y[code]) ? -1 : y[code], std::signbit(want) ? -1 : want)
            << elemName(f.elem).str() << " " << code;
      if (!std::isnan(want))
        EXPECT_EQ(y[code], want) << elemName(f.elem).str() << " " << code;
    }
  }
}

/// Every code's number, the middles between neighbours, what lies beside these, and the ends.
std::vector<float> interesting(const Format &f) {
  std::vector<float> list = {0.0f,   -0.0f,  INFINITY, -INFINITY,  NAN,          -NAN,     1e30f,
                             -1e30f, 1e-30f, -1e-30f,  0x1p-127f,  0x1p-149f,    3e38f,    448.0f,
                             464.0f, 465.0f, 480.0f,   57344.0f,   61440.0f,     61441.0f, 240.0f,
                             247.9f, 248.0f, 249.0f,   0x1.8p127f, 0x1.7fffp127f};
  std::vector<float> own;
  for (unsigned code = 0; code < codesOf(f); ++code)
    if (float x = decoded(f.semantics(), uint8_t(code)); std::isfinite(x))
      own.push_back(x);
  std::sort(own.begin(), own.end());
  for (size_t i = 0; i + 1 < own.size(); ++i)
    for (float x : {own[i], float((double(own[i]) + own[i + 1]) / 2)})
      for (float y : {x, std::nextafter(x, -INFINITY), std::nextafter(x, INFINITY)})
        list.push_back(y);
  return list;
}

TEST_P(SmallFloats, RoundsToNearestEven) {
  for (const Format &f : formats) {
    std::vector<float> x = interesting(f);
    if (f.elem == Elem::F8E8M0) // has no sign and no zero
      llvm::erase_if(x, [](float v) { return !(v > 0); });
    if (f.elem == Elem::F4E2M1) // has no NaN
      llvm::erase_if(x, [](float v) { return std::isnan(v); });
    auto y = converted<uint8_t>(*GetParam(), Elem::F32, f.elem, x);
    for (size_t i = 0; i < x.size(); ++i) {
      uint8_t want = encoded(f.semantics(), x[i]);
      if (isNan(f.semantics(), want))
        EXPECT_TRUE(isNan(f.semantics(), y[i])) << elemName(f.elem).str() << " " << x[i];
      else
        EXPECT_EQ(int(y[i]), int(want)) << elemName(f.elem).str() << " " << x[i];
    }
  }
}

TEST_P(SmallFloats, NarrowIntegersWrap) {
  std::vector<int32_t> x(600);
  std::iota(x.begin(), x.end(), -300);
  auto i4 = converted<int8_t>(*GetParam(), Elem::I32, Elem::I4, x);
  auto u4 = converted<uint8_t>(*GetParam(), Elem::I32, Elem::U4, x);
  auto i2 = converted<int8_t>(*GetParam(), Elem::I32, Elem::I2, x);
  auto u2 = converted<uint8_t>(*GetParam(), Elem::I32, Elem::U2, x);
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(int(u4[i]), x[i] & 15);
    EXPECT_EQ(int(u2[i]), x[i] & 3);
    EXPECT_EQ(int(i4[i]), ((x[i] & 15) ^ 8) - 8);
    EXPECT_EQ(int(i2[i]), ((x[i] & 3) ^ 2) - 2);
  }
  EXPECT_EQ(converted<float>(*GetParam(), Elem::I4, Elem::F32, std::vector<int8_t>{-8, 7}),
            (std::vector<float>{-8, 7}));
}

} // namespace
