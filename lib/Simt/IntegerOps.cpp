// Integer arithmetic of lanes, on operands that are zero-extended to 64 bits.
#include "LaneFunctions.h"
#include "llvm/ADT/StringSwitch.h"
#include <algorithm>
#include <bit>

namespace qcc::simt {

/// dst = F(a, b, width) cut to the width.
template <auto F>
static void binary(Lanes &dst, const Lanes &a, const Lanes &b, const Lanes &, uint32_t mask,
                   uint64_t imm) {
  unsigned width = fromWidth(imm);
  uint64_t keep = lowBits(width);
  forLanes(mask, [&](unsigned i) { dst.v[i] = F(a.v[i], b.v[i], width) & keep; });
}

template <auto F>
static void compare(Lanes &dst, const Lanes &a, const Lanes &b, const Lanes &, uint32_t mask,
                    uint64_t imm) {
  unsigned shift = 64 - fromWidth(imm);
  forLanes(mask, [&](unsigned i) {
    dst.v[i] = F(static_cast<int64_t>(a.v[i] << shift), static_cast<int64_t>(b.v[i] << shift));
  });
}

template <auto F>
static void ternary(Lanes &dst, const Lanes &a, const Lanes &b, const Lanes &c, uint32_t mask,
                    uint64_t imm) {
  unsigned width = fromWidth(imm);
  uint64_t keep = lowBits(width);
  forLanes(mask, [&](unsigned i) { dst.v[i] = F(a.v[i], b.v[i], c.v[i], width) & keep; });
}

using U = uint64_t;
using S = int64_t;

// Shifts by the width or more are undefined in LLVM; PTX clamps the amount.
static U shl(U a, U b, unsigned w) { return b >= w ? 0 : a << b; }
static U lshr(U a, U b, unsigned w) { return b >= w ? 0 : a >> b; }
static U ashr(U a, U b, unsigned w) { return signExtended(a, w) >> std::min<U>(b, w - 1); }
// Division by zero is undefined in PTX too; all bits set is what machines give.
static U udiv(U a, U b, unsigned) { return b ? a / b : ~0ull; }
static U urem(U a, U b, unsigned) { return b ? a % b : a; }
static U sdiv(U a, U b, unsigned w) {
  S divisor = signExtended(b, w);
  return divisor == 0 ? ~0ull : divisor == -1 ? 0 - a : signExtended(a, w) / divisor;
}
static U srem(U a, U b, unsigned w) {
  S divisor = signExtended(b, w);
  return divisor == 0 ? a : divisor == -1 ? 0 : signExtended(a, w) % divisor;
}

static U funnelLeft(U a, U b, U c, unsigned w) {
  U by = c % w;
  return by ? a << by | b >> (w - by) : a;
}
static U funnelRight(U a, U b, U c, unsigned w) {
  U by = c % w;
  return by ? b >> by | a << (w - by) : b;
}
static U bitReverse(U a, U, unsigned w) { return __builtin_bitreverse64(a) >> (64 - w); }
static U byteSwap(U a, U, unsigned w) { return __builtin_bswap64(a) >> (64 - w); }
static U countLeading(U a, U, unsigned w) { return std::countl_zero(a) - (64 - w); }
static U countTrailing(U a, U, unsigned w) { return std::min<unsigned>(std::countr_zero(a), w); }

static U saturatedAdd(U a, U b, unsigned w) {
  __int128 sum = static_cast<__int128>(signExtended(a, w)) + signExtended(b, w);
  __int128 top = lowBits(w) >> 1;
  return static_cast<U>(static_cast<S>(std::clamp(sum, -top - 1, top)));
}
static U saturatedSub(U a, U b, unsigned w) {
  __int128 difference = static_cast<__int128>(signExtended(a, w)) - signExtended(b, w);
  __int128 top = lowBits(w) >> 1;
  return static_cast<U>(static_cast<S>(std::clamp(difference, -top - 1, top)));
}

static LaneFunction arithmetic(llvm::StringRef name) {
  return llvm::StringSwitch<LaneFunction>(name)
      .Case("add", binary<[](U a, U b, unsigned) { return a + b; }>)
      .Case("sub", binary<[](U a, U b, unsigned) { return a - b; }>)
      .Case("mul", binary<[](U a, U b, unsigned) { return a * b; }>)
      .Case("udiv", binary<udiv>)
      .Case("sdiv", binary<sdiv>)
      .Case("urem", binary<urem>)
      .Case("srem", binary<srem>)
      .Case("and", binary<[](U a, U b, unsigned) { return a & b; }>)
      .Case("or", binary<[](U a, U b, unsigned) { return a | b; }>)
      .Case("xor", binary<[](U a, U b, unsigned) { return a ^ b; }>)
      .Case("shl", binary<shl>)
      .Case("lshr", binary<lshr>)
      .Case("ashr", binary<ashr>)
      .Case("umin", binary<[](U a, U b, unsigned) { return std::min(a, b); }>)
      .Case("umax", binary<[](U a, U b, unsigned) { return std::max(a, b); }>)
      .Case("smin", binary<[](U a, U b, unsigned w) {
              return signExtended(a, w) < signExtended(b, w) ? a : b;
            }>)
      .Case("smax", binary<[](U a, U b, unsigned w) {
              return signExtended(a, w) > signExtended(b, w) ? a : b;
            }>)
      .Case("abs", binary<[](U a, U, unsigned w) { return signExtended(a, w) < 0 ? 0 - a : a; }>)
      .Case("ctpop", binary<[](U a, U, unsigned) { return static_cast<U>(std::popcount(a)); }>)
      .Case("ctlz", binary<countLeading>)
      .Case("cttz", binary<countTrailing>)
      .Case("bswap", binary<byteSwap>)
      .Case("bitreverse", binary<bitReverse>)
      .Case("sadd.sat", binary<saturatedAdd>)
      .Case("ssub.sat", binary<saturatedSub>)
      .Case("uadd.sat",
            binary<[](U a, U b, unsigned w) { return b > lowBits(w) - a ? ~0ull : a + b; }>)
      .Case("usub.sat", binary<[](U a, U b, unsigned) { return a > b ? a - b : 0; }>)
      .Case("fshl", ternary<funnelLeft>)
      .Case("fshr", ternary<funnelRight>)
      // A condition of one bit chooses between two registers of any kind.
      .Case("select", ternary<[](U a, U b, U c, unsigned) { return a & 1 ? b : c; }>)
      .Default(nullptr);
}

/// Operands lie in the top bits, so that one comparison serves every width.
static LaneFunction comparison(llvm::StringRef predicate) {
  return llvm::StringSwitch<LaneFunction>(predicate)
      .Case("eq", compare<[](S a, S b) { return a == b; }>)
      .Case("ne", compare<[](S a, S b) { return a != b; }>)
      .Case("slt", compare<[](S a, S b) { return a < b; }>)
      .Case("sle", compare<[](S a, S b) { return a <= b; }>)
      .Case("sgt", compare<[](S a, S b) { return a > b; }>)
      .Case("sge", compare<[](S a, S b) { return a >= b; }>)
      .Case("ult", compare<[](U a, U b) { return a < b; }>)
      .Case("ule", compare<[](U a, U b) { return a <= b; }>)
      .Case("ugt", compare<[](U a, U b) { return a > b; }>)
      .Case("uge", compare<[](U a, U b) { return a >= b; }>)
      .Default(nullptr);
}

LaneFunction integerFunction(llvm::StringRef name) {
  return name.consume_front("icmp.") ? comparison(name) : arithmetic(name);
}

} // namespace qcc::simt
