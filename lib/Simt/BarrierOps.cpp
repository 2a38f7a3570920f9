// Barriers of a block, and what is said when threads wait forever.
#include "LaneFunctions.h"
#include "Machine.h"
#include "llvm/Support/FormatVariadic.h"

namespace qcc::simt {

void Gathering::add(ThreadClock &clock, unsigned thread) {
  auto addDistinct = [](auto &clocks, const SharedClock &each) {
    if (each && !llvm::is_contained(clocks, each))
      clocks.push_back(each);
  };
  addDistinct(plain, clock.before.plain);
  addDistinct(proxied, clock.before.proxied);
  epochs.push_back({thread, clock.epoch++});
}

Order Gathering::joined(uint32_t block) const {
  auto joinAll = [](llvm::ArrayRef<SharedClock> clocks) {
    auto result = std::make_shared<Clock>(*clocks.front());
    for (const SharedClock &clock : clocks.drop_front())
      result->join(*clock);
    return result;
  };
  auto all = plain.empty() ? std::make_shared<Clock>() : joinAll(plain);
  for (auto [agent, epoch] : epochs)
    all->raise(block, agent, epoch);
  return {all, proxied.empty() ? nullptr : joinAll(proxied)};
}

static bool isAt(const Group &group, unsigned id) {
  return group.state == Group::State::AtBarrier && group.barrier == id;
}

/// Register a is the barrier's number, b the count of threads; without them 0 and all.
bool Machine::arriveAtBarrier(Warp &warp, size_t index, bool waits) {
  Group &group = warp.groups[index];
  uint32_t pc = group.pc;
  const Instruction &inst = program.code[pc];
  unsigned lane = __builtin_ctz(group.lanes);
  unsigned id = inst.a == noRegister ? 0 : warp.registers[inst.a].v[lane] % 16;
  unsigned count = inst.b == noRegister ? 0 : warp.registers[inst.b].v[lane];
  BlockBarrier &barrier = warp.block->barriers[id];
  if (barrier.arrived && barrier.count != count)
    report(FindingKind::Divergence, pc, barrier.pc, [&] {
      return llvm::formatv("barrier {0} is used with {1} and, at {2}, with {3} threads", id, count,
                           describe(barrier.pc), barrier.count)
          .str();
    });
  if (!barrier.arrived)
    barrier.pc = pc;
  barrier.count = count;
  barrier.arrived += __builtin_popcount(group.lanes);
  forLanes(group.lanes, [&](unsigned each) {
    barrier.gathering.add(warp.block->clocks[warp.thread(each)], warp.thread(each));
  });
  if (waits) {
    group.state = Group::State::AtBarrier;
    group.barrier = id;
  } else {
    group.pc = pc + 1;
  }
  releaseBarrier(*warp.block, id);
  return false;
}

/// Lets the threads go on if as many as it takes have arrived.
void Machine::releaseBarrier(Block &block, unsigned id) {
  BlockBarrier &barrier = block.barriers[id];
  unsigned needed = barrier.count ? barrier.count : block.live;
  if (!barrier.arrived || barrier.arrived < needed)
    return;
  if (barrier.arrived > needed)
    report(FindingKind::Divergence, barrier.pc, 0, [&] {
      return llvm::formatv("{0} threads arrive at barrier {1} of {2}", barrier.arrived, id, needed)
          .str();
    });
  Order joined = barrier.gathering.joined(block.linear);
  ++counts.blockBarriers;
  barrier = BlockBarrier();
  for (Warp &warp : block.warps) {
    uint32_t released = 0, pc = 0;
    bool together = true;
    for (Group &group : warp.groups)
      if (isAt(group, id)) {
        together &= !released || group.pc == pc;
        released |= group.lanes;
        pc = group.pc;
      }
    if (!released)
      continue;
    if (!together || released != warp.live)
      report(FindingKind::Divergence, pc, 0, [&] {
        return llvm::formatv("lanes {0:x} of a warp whose live lanes are {1:x} pass the barrier",
                             released, warp.live)
            .str();
      });
    forLanes(released, [&](unsigned lane) { block.clocks[warp.thread(lane)].before = joined; });
    llvm::SmallVector<Group, 4> leaving;
    for (const Group &group : warp.groups)
      if (isAt(group, id))
        leaving.push_back(group);
    llvm::erase_if(warp.groups, [&](const Group &group) { return isAt(group, id); });
    for (const Group &group : leaving) {
      warp.groups.push_back({group.pc, group.lanes});
      jump(warp, warp.groups.size() - 1, group.pc + 1);
    }
  }
}

/// No thread can go on. Lanes of one warp that wait in different places are a divergence.
void Machine::reportStuck() {
  std::string waits;
  bool diverged = false;
  uint32_t pc = 0;
  size_t listed = 0;
  for (const auto &block : blocks)
    for (const Warp &warp : block->warps) {
      diverged |= llvm::count_if(warp.groups, [](const Group &group) {
                    return group.state != Group::State::Polling;
                  }) > 1;
      for (const Group &group : warp.groups) {
        pc = group.pc;
        if (++listed <= 8)
          waits += llvm::formatv("; {0} and lanes {1:x} wait at {2}",
                                 threadName(*block, warp.thread(__builtin_ctz(group.lanes))),
                                 group.lanes, describe(group.pc));
      }
    }
  report(diverged ? FindingKind::Divergence : FindingKind::Deadlock, pc, 0,
         [&] { return "no thread can go on" + waits; });
  stopped = true;
}

} // namespace qcc::simt
