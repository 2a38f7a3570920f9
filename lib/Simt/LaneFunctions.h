// Pure functions of lanes, by name.
#ifndef QCC_SIMT_LANEFUNCTIONS_H
#define QCC_SIMT_LANEFUNCTIONS_H

#include "Program.h"
#include "llvm/ADT/StringRef.h"

namespace qcc::simt {

/// The widths that a function gets as its immediate: of operands, and of the result where a cast
/// has another one.
constexpr uint64_t widths(unsigned from, unsigned to = 0) { return from | uint64_t(to) << 8; }
constexpr unsigned fromWidth(uint64_t imm) { return imm & 255; }
constexpr unsigned toWidth(uint64_t imm) { return imm >> 8 & 255; }
constexpr uint64_t lowBits(unsigned width) { return width >= 64 ? ~0ull : (1ull << width) - 1; }
constexpr int64_t signExtended(uint64_t value, unsigned width) {
  return static_cast<int64_t>(value << (64 - width)) >> (64 - width);
}

/// Calls f(lane) for each lane of the mask.
template <typename F> inline void forLanes(uint32_t mask, F &&f) {
  if (mask == allLanes) {
    for (unsigned i = 0; i != warpSize; ++i)
      f(i);
    return;
  }
  for (; mask; mask &= mask - 1)
    f(static_cast<unsigned>(__builtin_ctz(mask)));
}

/// Integer functions have the names of LLVM's ops without dialect ("add", "icmp.slt", "smax");
/// null if there is none.
LaneFunction integerFunction(llvm::StringRef name);
/// Float functions ("fadd", "fcmp.olt", "fma") on one kind of float.
LaneFunction floatFunction(llvm::StringRef name, ScalarKind kind);
/// Conversions ("fpext", "sitofp", "fptosi.sat"): the float kinds of operand and result, Int where
/// one is an integer.
LaneFunction convertFunction(llvm::StringRef name, ScalarKind from, ScalarKind to);
/// Instructions of NVPTX without an op of LLVM ("prmt", "dp4a.s32.s32", "ex2.approx.ftz.f32").
LaneFunction ptxFunction(llvm::StringRef name);

} // namespace qcc::simt

#endif
