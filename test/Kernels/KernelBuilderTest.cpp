// The kernel builder: loops, tails, element types, faults and reductions on every level of the
// host.
#include "qcc/Kernels/KernelBuilder.h"
#include "Jit.h"
#include "gtest/gtest.h"
#include <cmath>
#include <numeric>
#include <random>

using namespace qcc;
using Value = mlir::Value;

namespace {

class EachLevel : public testing::TestWithParam<const Target *> {};
std::string levelName(const testing::TestParamInfo<const Target *> &i) {
  std::string s = i.param->name;
  std::replace(s.begin(), s.end(), '-', '_');
  return s;
}
INSTANTIATE_TEST_SUITE_P(Host, EachLevel, testing::ValuesIn(hostLevels()), levelName);

TEST_P(EachLevel, SweepsRowsWithTails) {
  auto jit = Jit::build(*GetParam(), [&](mlir::ModuleOp m) {
    KernelBuilder k(m, "axpy", *GetParam());
    Value x = k.argPtr(0), y = k.argPtr(1), n = k.argI64(2), a = k.argF32(3);
    k.forTasks([&](Value row) {
      Value at = k.mul(row, n);
      Value xr = k.elemPtr(Elem::F32, x, at), yr = k.elemPtr(Elem::F32, y, at);
      k.forLanes(n, [&](Value i, Value lanes) {
        Value v = k.fma(a, k.vload(Elem::F32, xr, i, lanes), k.vload(Elem::F32, yr, i, lanes));
        k.vstore(Elem::F32, v, yr, i, lanes);
      });
    });
    k.finish();
  });
  for (int64_t n : {0, 1, 15, 16, 17, 31, 100}) {
    std::vector<float> x(3 * n), y(3 * n + 1, 1.0f);
    std::iota(x.begin(), x.end(), 0.0f);
    Args args;
    args << x.data() << y.data() << n << 0.5f;
    EXPECT_EQ(jit->kernel("axpy")(args.data(), 1, 3, 0, nullptr), 0);
    for (int64_t i = 0; i < 3 * n; ++i)
      EXPECT_EQ(y[i], i < n ? 1.0f : std::fma(0.5f, x[i], 1.0f)) << n << " " << i;
    EXPECT_EQ(y[3 * n], 1.0f);
  }
}

/// y = cast(x) for a row, with tails.
std::unique_ptr<Jit> castKernel(const Target &t, Elem from, Elem to) {
  return Jit::build(t, [&](mlir::ModuleOp m) {
    KernelBuilder k(m, "cast", t);
    k.forLanes(k.argI64(2), [&](Value i, Value lanes) {
      Value v = k.cast(k.vload(from, k.argPtr(0), i, lanes), from, to);
      k.vstore(to, v, k.argPtr(1), i, lanes);
    });
    k.finish();
  });
}

template <typename T>
std::vector<T> castRow(const Target &t, Elem from, Elem to, const void *x, int64_t n) {
  auto jit = castKernel(t, from, to);
  std::vector<T> y(n + 1, T(77));
  Args args;
  args << x << y.data() << n;
  EXPECT_EQ(jit->kernel("cast")(args.data(), 0, 1, 0, nullptr), 0);
  EXPECT_EQ(y[n], T(77));
  y.resize(n);
  return y;
}

TEST_P(EachLevel, ConvertsElementTypes) {
  const Target &t = *GetParam();
  std::vector<float> x = {0,      -0.0f,    1.5f,      -1.5f, 127.9f, -128.9f, 1e10f,
                          -1e10f, INFINITY, -INFINITY, 3,     4,      5,       6,
                          7,      8,        250,       -3,    0.25f};
  int64_t n = x.size();
  auto i8 = castRow<int8_t>(t, Elem::F32, Elem::I8, x.data(), n);
  EXPECT_EQ(i8[2], 1);
  EXPECT_EQ(i8[3], -1);
  EXPECT_EQ(i8[4], 127);
  EXPECT_EQ(i8[17], -3);
  auto u8 = castRow<uint8_t>(t, Elem::F32, Elem::U8, x.data(), n);
  EXPECT_EQ(u8[16], 250);
  auto i64 = castRow<int64_t>(t, Elem::F32, Elem::I64, x.data(), n);
  EXPECT_EQ(i64[6], 10000000000);
  EXPECT_EQ(i64[8], INT64_MAX);
  auto bools = castRow<uint8_t>(t, Elem::F32, Elem::Bool, x.data(), n);
  EXPECT_EQ(bools[0], 0);
  EXPECT_EQ(bools[1], 0);
  EXPECT_EQ(bools[18], 1);
  auto back = castRow<float>(t, Elem::U8, Elem::F32, u8.data(), n);
  EXPECT_EQ(back[16], 250.0f);
  auto wide = castRow<double>(t, Elem::I8, Elem::F64, i8.data(), n);
  EXPECT_EQ(wide[17], -3.0);
  std::vector<uint64_t> u = {0, 1, ~0ull, 1ull << 63};
  auto fu = castRow<float>(t, Elem::U64, Elem::F32, u.data(), 4);
  EXPECT_EQ(fu[2], 0x1p64f);
}

TEST_P(EachLevel, RoundsHalfPrecisionAsIeee) {
  const Target &t = *GetParam();
  std::vector<uint16_t> all(1 << 16);
  std::iota(all.begin(), all.end(), 0);
  auto f = castRow<float>(t, Elem::F16, Elem::F32, all.data(), all.size());
  auto b = castRow<float>(t, Elem::BF16, Elem::F32, all.data(), all.size());
  for (int i = 0; i < 1 << 16; ++i) {
    _Float16 h;
    std::memcpy(&h, &all[i], 2);
    if (std::isnan(float(h)))
      EXPECT_TRUE(std::isnan(f[i]));
    else
      ASSERT_EQ(f[i], float(h)) << i;
    uint32_t bits = uint32_t(i) << 16;
    ASSERT_EQ(std::memcmp(&b[i], &bits, 4) == 0 || std::isnan(b[i]), true) << i;
  }
  // Values around every f16 and the midpoints between neighbours.
  std::vector<float> x;
  std::vector<double> xd;
  for (int i = 0; i < 0x7c00; i += 7) {
    float a = f[i], c = f[i + 1];
    for (float v :
         {a, (a + c) / 2, std::nextafter((a + c) / 2, 0.0f), std::nextafter((a + c) / 2, 1e9f)}) {
      x.push_back(v);
      x.push_back(-v);
      xd.push_back(std::nextafter(double(v), 1e9));
    }
  }
  auto h = castRow<uint16_t>(t, Elem::F32, Elem::F16, x.data(), x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    _Float16 want = (_Float16)x[i];
    uint16_t w;
    std::memcpy(&w, &want, 2);
    ASSERT_EQ(h[i], w) << x[i];
  }
  auto hd = castRow<uint16_t>(t, Elem::F64, Elem::F16, xd.data(), xd.size());
  (void)hd; // f64 to f16 goes through f32 in storage conversion only
  auto bf = castRow<uint16_t>(t, Elem::F32, Elem::BF16, x.data(), x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    uint32_t u;
    std::memcpy(&u, &x[i], 4);
    ASSERT_EQ(bf[i], uint16_t((u + 0x7fff + (u >> 16 & 1)) >> 16)) << x[i];
  }
}

TEST_P(EachLevel, ReducesByTheFixedTree) {
  auto jit = Jit::build(*GetParam(), [&](mlir::ModuleOp m) {
    KernelBuilder k(m, "sum", *GetParam());
    Value zero = k.broadcast(k.cf32(0));
    auto acc = k.forLanes(k.argI64(1), {zero}, [&](Value i, Value lanes, mlir::ValueRange c) {
      return KernelBuilder::Values{k.add(c[0], k.vload(Elem::F32, k.argPtr(0), i, lanes))};
    });
    k.store(Elem::F32, k.reduceAdd(acc[0]), k.argPtr(2));
    Value top = k.broadcast(k.cf32(-INFINITY));
    auto max = k.forLanes(k.argI64(1), {top}, [&](Value i, Value lanes, mlir::ValueRange c) {
      return KernelBuilder::Values{
          k.max(c[0], k.vload(Elem::F32, k.argPtr(0), i, lanes, k.cf32(-INFINITY)))};
    });
    k.store(Elem::F32, k.reduceMax(max[0]), k.argPtr(2), k.ci64(1));
    k.finish();
  });
  std::mt19937 rng(1);
  std::normal_distribution<float> normal;
  for (int64_t n : {1, 7, 16, 50, 1000}) {
    std::vector<float> x(n), lanes(16, 0.0f);
    for (float &v : x)
      v = normal(rng) - 5;
    for (int64_t i = 0; i < n; ++i)
      lanes[i % 16] += x[i];
    for (int w = 8; w; w /= 2)
      for (int i = 0; i < w; ++i)
        lanes[i] += lanes[i + w];
    float out[2];
    Args args;
    args << x.data() << n << out;
    jit->kernel("sum")(args.data(), 0, 1, 0, nullptr);
    EXPECT_EQ(out[0], lanes[0]);
    EXPECT_EQ(out[1], *std::max_element(x.begin(), x.end()));
  }
}

TEST_P(EachLevel, ReportsTheFirstFaultAndGathers) {
  auto jit = Jit::build(*GetParam(), [&](mlir::ModuleOp m) {
    KernelBuilder k(m, "gather", *GetParam());
    Value table = k.argPtr(0), ids = k.argPtr(1), rows = k.argI64(2), out = k.argPtr(3);
    k.forTasks([&](Value i) {
      Value id = k.load(Elem::I64, ids, i);
      Value bad = k.not_(k.ltU(id, rows));
      k.faultIf(bad, 1);
      k.faultIf(k.eq(id, k.ci64(-7)), 2);
      k.ifThen(k.not_(bad), [&] { k.store(Elem::F32, k.load(Elem::F32, table, id), out, i); });
    });
    k.finish();
  });
  std::vector<float> table = {10, 11, 12}, out(4);
  std::vector<int64_t> good = {2, 0, 1, 2}, bad = {2, -7, 1, 2};
  Args a, c;
  a << table.data() << good.data() << 3 << out.data();
  EXPECT_EQ(jit->kernel("gather")(a.data(), 0, 4, 0, nullptr), 0);
  EXPECT_EQ(out[0], 12.0f);
  c << table.data() << bad.data() << 3 << out.data();
  EXPECT_EQ(jit->kernel("gather")(c.data(), 0, 4, 0, nullptr), 1);
}

TEST_P(EachLevel, RoundsToIntegers) {
  auto jit = Jit::build(*GetParam(), [&](mlir::ModuleOp m) {
    KernelBuilder k(m, "round", *GetParam());
    k.forLanes(k.argI64(2), [&](Value i, Value lanes) {
      Value v = k.vload(Elem::F32, k.argPtr(0), i, lanes);
      k.vstore(Elem::I32, k.roundToI32(v), k.argPtr(1), i, lanes);
    });
    k.store(Elem::I32, k.roundToI32(k.load(Elem::F32, k.argPtr(0))), k.argPtr(1));
    k.finish();
  });
  std::vector<float> x = {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 1e9f, 3e9f, -3e9f, NAN, 0.49999997f};
  std::vector<int32_t> want = {0, 2, 2, 0, -2, 1000000000, INT32_MIN, INT32_MIN, INT32_MIN, 0},
                       y(10);
  Args args;
  args << x.data() << y.data() << 10;
  jit->kernel("round")(args.data(), 0, 1, 0, nullptr);
  EXPECT_EQ(y, want);
}

TEST_P(EachLevel, AccessesStrided) {
  auto jit = Jit::build(*GetParam(), [&](mlir::ModuleOp m) {
    KernelBuilder k(m, "transpose", *GetParam());
    Value n = k.argI64(2);
    k.forTasks([&](Value row) {
      k.forLanes(n, [&](Value i, Value lanes) {
        Value v = k.vloadStrided(Elem::F32, k.argPtr(0), k.add(row, k.mul(i, n)), n, lanes);
        k.vstoreStrided(Elem::F32, v, k.argPtr(1), k.add(row, k.mul(i, n)), n, lanes);
      });
    });
    k.finish();
  });
  int64_t n = 21;
  std::vector<float> x(n * n), y(n * n);
  std::iota(x.begin(), x.end(), 0.0f);
  Args args;
  args << x.data() << y.data() << n;
  jit->kernel("transpose")(args.data(), 0, n, 0, nullptr);
  EXPECT_EQ(x, y);
}

} // namespace
