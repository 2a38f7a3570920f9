// Atomics and fences, and the order that they make between threads.
//
// As in PTX: a release fence followed by a relaxed write, read by a relaxed read that is followed
// by an acquire fence, orders what lies before the one before what lies after the other.
#include "FloatValue.h"
#include "LaneFunctions.h"
#include "Machine.h"
#include <cstring>

namespace qcc::simt {

/// Everything up to here as seen by others; what follows is of the next epoch.
SharedClock Machine::snapshot(Warp &warp, unsigned lane) {
  ThreadClock &clock = warp.block->clocks[warp.thread(lane)];
  Gathering gathering;
  gathering.add(clock, warp.thread(lane));
  return gathering.joined(warp.block->linear).plain;
}

void Machine::fence(Warp &warp, uint32_t lanes, uint8_t flags) {
  forLanes(lanes, [&](unsigned lane) {
    ThreadClock &clock = warp.block->clocks[warp.thread(lane)];
    if (flags & acquireOrder) {
      joinInto(clock.before.plain, clock.toAcquire);
      clock.toAcquire.reset();
    }
    if (flags & releaseOrder)
      clock.releaseFence = snapshot(warp, lane);
  });
}

void Machine::afterAtomicRead(Warp &warp, unsigned lane, const uint8_t *word, uint8_t flags) {
  auto found = released.find(word);
  if (found == released.end())
    return;
  ThreadClock &clock = warp.block->clocks[warp.thread(lane)];
  joinInto(flags & acquireOrder ? clock.before.plain : clock.toAcquire, found->second);
}

/// A plain write ends the release sequence at the word; a read-modify-write continues it.
void Machine::beforeAtomicWrite(Warp &warp, unsigned lane, const uint8_t *word, uint8_t flags,
                                bool modifies) {
  ThreadClock &clock = warp.block->clocks[warp.thread(lane)];
  SharedClock mine = flags & releaseOrder ? snapshot(warp, lane) : clock.releaseFence;
  SharedClock &at = released[word];
  if (!modifies)
    at.reset();
  joinInto(at, mine);
}

template <ScalarKind kind> static uint64_t combineFloats(Combine how, uint64_t a, uint64_t b) {
  using V = FloatValue<kind>;
  auto x = V::get(a), y = V::get(b);
  switch (how) {
  case Combine::FAdd:
    return V::put(x + y);
  case Combine::FSub:
    return V::put(x - y);
  case Combine::FMax:
    return V::put(std::fmax(x, y));
  default:
    return V::put(std::fmin(x, y));
  }
}

static uint64_t combineIntegers(Combine how, uint64_t a, uint64_t b, unsigned width) {
  int64_t x = signExtended(a, width), y = signExtended(b, width);
  switch (how) {
  case Combine::Xchg:
    return b;
  case Combine::Add:
    return a + b;
  case Combine::Sub:
    return a - b;
  case Combine::And:
    return a & b;
  case Combine::Nand:
    return ~(a & b);
  case Combine::Or:
    return a | b;
  case Combine::Xor:
    return a ^ b;
  case Combine::Max:
    return x > y ? a : b;
  case Combine::Min:
    return x < y ? a : b;
  case Combine::UMax:
    return std::max(a, b);
  case Combine::UMin:
    return std::min(a, b);
  case Combine::UIncWrap:
    return a >= b ? 0 : a + 1;
  case Combine::UDecWrap:
    return a == 0 || a > b ? b : a - 1;
  default:
    return a;
  }
}

static uint64_t combine(const Instruction &inst, uint64_t a, uint64_t b) {
  auto how = static_cast<Combine>(inst.kind);
  switch (inst.scalar) {
  case ScalarKind::F16:
    return how == Combine::Xchg ? b : combineFloats<ScalarKind::F16>(how, a, b);
  case ScalarKind::BF16:
    return how == Combine::Xchg ? b : combineFloats<ScalarKind::BF16>(how, a, b);
  case ScalarKind::F32:
    return how == Combine::Xchg ? b : combineFloats<ScalarKind::F32>(how, a, b);
  case ScalarKind::F64:
    return how == Combine::Xchg ? b : combineFloats<ScalarKind::F64>(how, a, b);
  case ScalarKind::Int:
    break;
  }
  return combineIntegers(how, a, b, inst.bits) & lowBits(inst.bits);
}

/// a is the address in space `imm`, b the value. Lanes go in an order of the seed's choice.
void Machine::atomicReadModifyWrite(Warp &warp, uint32_t lanes, uint32_t pc) {
  const Instruction &inst = program.code[pc];
  uint32_t bytes = inst.bits / 8;
  countAccess(warp, lanes, pc, static_cast<Space>(inst.imm), bytes);
  unsigned first = random(warpSize);
  for (unsigned i = 0; i != warpSize; ++i) {
    unsigned lane = (first + i) % warpSize;
    if (!(lanes >> lane & 1))
      continue;
    uint64_t at = warp.registers[inst.a].v[lane], old = 0;
    if (!aligned(warp, lane, pc, at, bytes))
      continue;
    Place place = locate(warp, lane, pc, static_cast<Space>(inst.imm), at, bytes);
    if (!place.bytes)
      continue;
    std::memcpy(&old, place.bytes, bytes);
    uint64_t value = combine(inst, old, warp.registers[inst.b].v[lane]);
    observe(warp, lane, pc, place, bytes, atomicAccess);
    afterAtomicRead(warp, lane, place.bytes, inst.flags);
    beforeAtomicWrite(warp, lane, place.bytes, inst.flags, /*modifies=*/true);
    overwrite(warp, lane, pc, place, reinterpret_cast<const uint8_t *>(&value), bytes,
              atomicAccess);
    if (inst.dst != noRegister)
      warp.registers[inst.dst].v[lane] = old;
  }
}

/// dst gets the old value and, in the register behind it, whether it was as expected.
void Machine::compareExchange(Warp &warp, uint32_t lanes, uint32_t pc) {
  const Instruction &inst = program.code[pc];
  uint32_t bytes = inst.bits / 8;
  countAccess(warp, lanes, pc, static_cast<Space>(inst.imm), bytes);
  unsigned first = random(warpSize);
  for (unsigned i = 0; i != warpSize; ++i) {
    unsigned lane = (first + i) % warpSize;
    if (!(lanes >> lane & 1))
      continue;
    uint64_t at = warp.registers[inst.a].v[lane], old = 0;
    if (!aligned(warp, lane, pc, at, bytes))
      continue;
    Place place = locate(warp, lane, pc, static_cast<Space>(inst.imm), at, bytes);
    if (!place.bytes)
      continue;
    std::memcpy(&old, place.bytes, bytes);
    bool equal = old == warp.registers[inst.b].v[lane];
    observe(warp, lane, pc, place, bytes, atomicAccess);
    afterAtomicRead(warp, lane, place.bytes, inst.flags);
    if (equal) {
      beforeAtomicWrite(warp, lane, place.bytes, inst.flags, /*modifies=*/true);
      overwrite(warp, lane, pc, place,
                reinterpret_cast<const uint8_t *>(&warp.registers[inst.c].v[lane]), bytes,
                atomicAccess);
    }
    warp.registers[inst.dst].v[lane] = old;
    warp.registers[inst.dst + 1].v[lane] = equal;
  }
}

} // namespace qcc::simt
