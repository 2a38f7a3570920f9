// mbarriers: arrivals, expected bytes and phases.
#include "LaneFunctions.h"
#include "Machine.h"
#include "llvm/Support/FormatVariadic.h"

namespace qcc::simt {

static constexpr uint32_t objectBytes = 8;

/// The object at an address, which may be generic; null after a finding.
MBarrier *Machine::mbarrierAt(Warp &warp, unsigned lane, uint32_t pc, uint64_t address,
                              uint64_t &offset) {
  offset = address & ~windowMask;
  if (!aligned(warp, lane, pc, offset, objectBytes))
    return nullptr;
  Place place = locate(warp, lane, pc, Space::Shared, offset, objectBytes);
  if (!place.bytes)
    return nullptr;
  auto found = warp.block->mbarriers.find(offset);
  if (found == warp.block->mbarriers.end()) {
    report(FindingKind::Barrier, pc, 0, [&] {
      return threadName(*warp.block, warp.thread(lane)) +
             " uses an mbarrier that is not initialised";
    });
    return nullptr;
  }
  // A plain access to the object or its initialisation without order is a race.
  observe(warp, lane, pc, place, objectBytes, atomicAccess);
  return &found->second;
}

/// a is the address, b the count.
void Machine::initMBarrier(Warp &warp, uint32_t lanes, uint32_t pc) {
  const Instruction &inst = program.code[pc];
  forLanes(lanes, [&](unsigned lane) {
    uint64_t offset = warp.registers[inst.a].v[lane] & ~windowMask;
    uint64_t state = warp.registers[inst.b].v[lane];
    if (!aligned(warp, lane, pc, offset, objectBytes))
      return;
    Place place = locate(warp, lane, pc, Space::Shared, offset, objectBytes);
    if (!place.bytes)
      return;
    overwrite(warp, lane, pc, place, reinterpret_cast<const uint8_t *>(&state), objectBytes, 0);
    MBarrier fresh{static_cast<unsigned>(warp.block->mbarriers.size() % mbarrierLimit)};
    if (auto found = warp.block->mbarriers.find(offset); found != warp.block->mbarriers.end()) {
      fresh.index = found->second.index;
      fresh.firstEpoch = found->second.firstEpoch + found->second.phase + 1;
    }
    fresh.count = fresh.pending = state;
    warp.block->mbarriers.insert_or_assign(offset, std::move(fresh));
  });
}

/// The bytes may be used for something else, but not for an mbarrier.
void Machine::invalidateMBarrier(Warp &warp, uint32_t lanes, uint32_t pc) {
  forLanes(lanes, [&](unsigned lane) {
    uint64_t offset;
    if (mbarrierAt(warp, lane, pc, warp.registers[program.code[pc].a].v[lane], offset))
      warp.block->mbarriers[offset].count = 0;
  });
}

/// a is the address, b the count (one if there is none), c the bytes to expect; imm is the count
/// that does not arrive but only expects.
void Machine::arriveAtMBarrier(Warp &warp, uint32_t lanes, uint32_t pc) {
  const Instruction &inst = program.code[pc];
  bool arrives = inst.imm == 0;
  forLanes(lanes, [&](unsigned lane) {
    uint64_t offset;
    MBarrier *barrier = mbarrierAt(warp, lane, pc, warp.registers[inst.a].v[lane], offset);
    if (!barrier)
      return;
    if (inst.dst != noRegister)
      warp.registers[inst.dst].v[lane] = barrier->phase;
    if (inst.c != noRegister)
      barrier->bytes += static_cast<int32_t>(warp.registers[inst.c].v[lane]);
    if (!arrives)
      return;
    uint64_t count = inst.b == noRegister ? 1 : warp.registers[inst.b].v[lane];
    if (count > barrier->pending) {
      report(FindingKind::Barrier, pc, 0, [&] {
        return llvm::formatv("{0} arrives {1} times where {2} arrivals are pending of {3}",
                             threadName(*warp.block, warp.thread(lane)), count, barrier->pending,
                             barrier->count)
            .str();
      });
      count = barrier->pending;
    }
    barrier->pending -= count;
    barrier->gathering.add(warp.block->clocks[warp.thread(lane)], warp.thread(lane));
    completePhase(*warp.block, *barrier);
  });
}

/// Ends the phase if all have arrived and all bytes are there, and wakes who polls.
void Machine::completePhase(Block &block, MBarrier &barrier) {
  if (barrier.pending || barrier.bytes)
    return;
  barrier.gathering.add(agentOfMBarrier(barrier.index), barrier.firstEpoch + barrier.phase);
  barrier.completed.join(barrier.gathering.joined(block.linear));
  barrier.gathering = Gathering();
  barrier.pending = barrier.count;
  ++barrier.phase;
  for (Warp &warp : block.warps)
    for (Group &group : warp.groups)
      if (group.state == Group::State::Polling)
        group.state = Group::State::Ready;
}

/// a is the address, b the parity or, in 64 bits, the state of an arrival. Without dst it waits
/// until the phase is complete; else it may say no, as hardware may after a time.
bool Machine::waitAtMBarrier(Warp &warp, size_t index) {
  Group &group = warp.groups[index];
  uint32_t pc = group.pc;
  const Instruction &inst = program.code[pc];
  uint32_t done = 0;
  forLanes(group.lanes, [&](unsigned lane) {
    uint64_t offset;
    MBarrier *barrier = mbarrierAt(warp, lane, pc, warp.registers[inst.a].v[lane], offset);
    uint64_t which = warp.registers[inst.b].v[lane];
    bool complete = !barrier || (inst.bits == 64 ? barrier->phase > which
                                                 : (barrier->phase & 1) != (which & 1));
    if (!complete)
      return;
    done |= 1u << lane;
    if (barrier)
      warp.block->clocks[warp.thread(lane)].before.join(barrier->completed);
  });
  if (done != group.lanes && (inst.dst == noRegister || random(2) == 0)) {
    group.state = Group::State::Polling;
    return false;
  }
  if (inst.dst != noRegister)
    forLanes(group.lanes,
             [&](unsigned lane) { warp.registers[inst.dst].v[lane] = done >> lane & 1; });
  group.pc = pc + 1;
  return done == group.lanes;
}

} // namespace qcc::simt
