// The products of tile on every level of the host, as TileOps.td states them.
#include "Tile/Tile.h"
#include "MatmulTesting.h"
#include "qcc/Algorithms/FloatFormats.h"
#include <bit>
#include <cmath>

using namespace qcc;
using namespace qcc::test;

namespace {

class Tile : public testing::TestWithParam<const Target *> {};
INSTANTIATE_TEST_SUITE_P(Host, Tile, testing::ValuesIn(hostLevels()), levelName);

/// Sixteen sums of 64 bytes each; many are extreme.
struct Operands {
  std::vector<int32_t> acc;
  std::vector<uint8_t> a, b;
  Operands() : acc(16), a(64), b(64) {
    for (int32_t &v : acc)
      v = integer(0, 3) ? integer(-100000, 100000) : INT32_MAX;
    for (std::vector<uint8_t> *bytes : {&a, &b})
      for (uint8_t &v : *bytes)
        v = integer(0, 1) ? integer(0, 255) : integer(127, 128);
  }
};

/// Runs `emit` on random operands; expects `sum(operands, lane)` mod 2^32 in every lane.
void check(const Target &target,
           llvm::function_ref<Value(KernelBuilder &, Value, Value, Value)> emit,
           llvm::function_ref<int64_t(const Operands &, int)> sum) {
  auto jit = Jit::build(target, [&](mlir::ModuleOp m) {
    KernelBuilder k(m, "product", target);
    auto bytes = [&](int slot) {
      return k.rawLoad(k.vec(k.builder().getI8Type(), 64), k.argPtr(slot));
    };
    Value acc = k.rawLoad(k.vec(k.i32()), k.argPtr(0));
    k.rawStore(emit(k, acc, bytes(1), bytes(2)), k.argPtr(3), 4);
    k.finish();
  });
  for (int round = 0; round < 50; ++round) {
    Operands o;
    std::vector<int32_t> out(16);
    Args args;
    args << o.acc.data() << o.a.data() << o.b.data() << out.data();
    ASSERT_EQ(jit->kernel("product")(args.data(), 0, 1, 0, nullptr), 0);
    for (int i = 0; i < 16; ++i)
      ASSERT_EQ(out[i], int32_t(uint32_t(o.acc[i] + sum(o, i)))) << i;
  }
}

TEST_P(Tile, Dot4) {
  for (bool isSigned : {false, true})
    check(
        *GetParam(),
        [&](KernelBuilder &k, Value acc, Value a, Value b) -> Value {
          return tile::Dot4Op::create(k.builder(), k.loc(), acc, a, b, 8, isSigned);
        },
        [&](const Operands &o, int lane) {
          int64_t sum = 0;
          for (int j = 4 * lane; j < 4 * lane + 4; ++j)
            sum += (isSigned ? int8_t(o.a[j]) : o.a[j]) * int8_t(o.b[j]);
          return sum;
        });
}

TEST_P(Tile, Mmla) {
  check(
      *GetParam(),
      [](KernelBuilder &k, Value acc, Value a, Value b) -> Value {
        return tile::MmlaOp::create(k.builder(), k.loc(), acc, a, b);
      },
      [](const Operands &o, int lane) {
        int64_t sum = 0;
        for (int j = 0, p = lane / 4 * 16; j < 8; ++j)
          sum += o.a[p + lane / 2 % 2 * 8 + j] * int8_t(o.b[p + lane % 2 * 8 + j]);
        return sum;
      });
}

/// Numbers of all magnitudes whose sums stay clear of infinity and of what counts as 0.
float someFloat() { return std::ldexp(uniform(1, 2) * (integer(0, 1) ? 1 : -1), integer(-20, 20)); }

TEST_P(Tile, DotBf16) {
  auto jit = Jit::build(*GetParam(), [&](mlir::ModuleOp m) {
    KernelBuilder k(m, "product", *GetParam());
    auto pairs = [&](int slot) {
      return k.rawLoad(k.vec(k.builder().getBF16Type(), 32), k.argPtr(slot));
    };
    Value sums = k.vload(Elem::F32, k.argPtr(0));
    sums = tile::DotBf16Op::create(k.builder(), k.loc(), sums, pairs(1), pairs(2));
    k.vstore(Elem::F32, sums, k.argPtr(3));
    k.finish();
  });
  for (int round = 0; round < 200; ++round) {
    std::vector<float> acc(16), out(16);
    std::vector<uint16_t> a(32), b(32);
    for (float &v : acc)
      v = someFloat();
    for (std::vector<uint16_t> *numbers : {&a, &b})
      for (uint16_t &v : *numbers)
        v = bfloatFromFloat(someFloat());
    Args args;
    args << acc.data() << a.data() << b.data() << out.data();
    ASSERT_EQ(jit->kernel("product")(args.data(), 0, 1, 0, nullptr), 0);
    for (int i = 0; i < 16; ++i) {
      float want = acc[i];
      for (int j : {2 * i + 1, 2 * i})
        want = std::fma(floatFromBfloat(a[j]), floatFromBfloat(b[j]), want);
      ASSERT_EQ(out[i], want) << i;
    }
  }
}

/// Where no instruction rounds, nothing asks for it.
TEST_P(Tile, ToBf16) {
  if (!GetParam()->hasBf16Dots)
    GTEST_SKIP() << GetParam()->name << " has no conversions to bf16";
  auto jit = Jit::build(*GetParam(), [&](mlir::ModuleOp m) {
    KernelBuilder k(m, "convert", *GetParam());
    auto type = k.vec(k.builder().getBF16Type());
    Value x = k.vload(Elem::F32, k.argPtr(0));
    k.rawStore(tile::ToBf16Op::create(k.builder(), k.loc(), type, x), k.argPtr(1));
    k.finish();
  });
  for (int round = 0; round < 200; ++round) {
    std::vector<float> x(16);
    std::vector<uint16_t> out(16);
    for (size_t i = 0; i < x.size(); ++i) // many are ties
      x[i] =
          i % 2 ? someFloat() : std::bit_cast<float>(bfloatFromFloat(someFloat()) << 16 | 0x8000u);
    x[0] = INFINITY, x[1] = 3.4e38f;
    Args args;
    args << x.data() << out.data();
    ASSERT_EQ(jit->kernel("convert")(args.data(), 0, 1, 0, nullptr), 0);
    for (int i = 0; i < 16; ++i)
      ASSERT_EQ(out[i], bfloatFromFloat(x[i])) << x[i];
  }
}

} // namespace
