// The products of tile on every level of the host, as TileOps.td states them.
#include "Tile/Tile.h"
#include "MatmulTesting.h"

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

} // namespace
