// Instructions that lanes of a warp execute together: a group waits for the members of its mask.
#include "LaneFunctions.h"
#include "Machine.h"
#include "llvm/Support/FormatVariadic.h"

namespace qcc::simt {

static bool isConverging(const Group &group) { return group.state == Group::State::Converging; }

/// Whether register `a` holds a member mask; instructions on matrices are for all lanes.
static bool hasMembers(const Instruction &inst) {
  switch (inst.op) {
  case Op::WarpSync:
  case Op::Shuffle:
  case Op::Vote:
  case Op::Reduce:
  case Op::Match:
  case Op::Elect:
    return true;
  default:
    return false;
  }
}

void Machine::converge(Warp &warp, size_t index) {
  uint32_t pc = warp.groups[index].pc;
  const Instruction &inst = program.code[pc];
  std::map<uint32_t, uint32_t> lanesOf;
  forLanes(warp.groups[index].lanes, [&](unsigned lane) {
    uint32_t members = hasMembers(inst) ? warp.registers[inst.a].v[lane] : allLanes;
    if (!(members >> lane & 1))
      report(FindingKind::Divergence, pc, 0, [&] {
        return llvm::formatv("{0} is not in its own member mask {1:x}",
                             threadName(*warp.block, warp.thread(lane)), members)
            .str();
      });
    lanesOf[members | 1u << lane] |= 1u << lane;
  });
  warp.groups.erase(warp.groups.begin() + index);
  for (auto [members, lanes] : lanesOf) {
    warp.groups.push_back({pc, lanes, Group::State::Converging, members});
    completeConvergence(warp, pc, members);
  }
}

/// Executes the instruction if all live members have arrived.
bool Machine::completeConvergence(Warp &warp, uint32_t pc, uint32_t members) {
  auto waits = [&](const Group &group) {
    return isConverging(group) && group.pc == pc && group.members == members;
  };
  uint32_t arrived = 0;
  for (const Group &group : warp.groups)
    if (waits(group))
      arrived |= group.lanes;
  if (members & warp.live & ~arrived)
    return false;
  llvm::erase_if(warp.groups, waits);
  executeTogether(warp, arrived, pc);
  warp.groups.push_back({pc, arrived});
  jump(warp, warp.groups.size() - 1, pc + 1);
  return true;
}

void Machine::executeTogether(Warp &warp, uint32_t lanes, uint32_t pc) {
  const Instruction &inst = program.code[pc];
  if (lanes != allLanes && !hasMembers(inst) && inst.op != Op::Elect)
    report(FindingKind::Divergence, pc, 0, [&] {
      return llvm::formatv("lanes {0:x} of a warp execute what all lanes must", lanes).str();
    });
  switch (inst.op) {
  case Op::WarpSync:
    return syncWarp(warp, lanes);
  case Op::Shuffle:
    return shuffle(warp, lanes, pc);
  case Op::Vote:
    return vote(warp, lanes, inst);
  case Op::Reduce:
    return reduce(warp, lanes, inst);
  case Op::Match:
    return match(warp, lanes, inst);
  case Op::Elect:
    return elect(warp, lanes, inst);
  case Op::LoadMatrix:
    return loadMatrix(warp, lanes, pc);
  case Op::StoreMatrix:
    return storeMatrix(warp, lanes, pc);
  case Op::Multiply:
    return multiply(warp, lanes, inst);
  case Op::MultiplyAsync:
    return multiplyAsync(warp, lanes, pc);
  case Op::WgmmaFence:
    warp.wgmma.fenced = true;
    return;
  case Op::WgmmaCommit:
    return commitProducts(warp);
  case Op::WgmmaWait:
    return waitForProducts(warp, lanes, inst);
  default:
    return;
  }
}

/// Of these instructions bar.warp.sync alone orders memory.
void Machine::syncWarp(Warp &warp, uint32_t lanes) {
  Gathering gathering;
  auto clockOf = [&](unsigned lane) -> ThreadClock & {
    return warp.block->clocks[warp.thread(lane)];
  };
  forLanes(lanes, [&](unsigned lane) { gathering.add(clockOf(lane), warp.thread(lane)); });
  Order joined = gathering.joined(warp.block->linear);
  forLanes(lanes, [&](unsigned lane) { clockOf(lane).before = joined; });
}

/// PTX ISA, shfl.sync: b is the value, c the lane or offset, the register of imm the clamp and
/// segment mask. With two results the second tells whether the source lay in the segment.
void Machine::shuffle(Warp &warp, uint32_t lanes, uint32_t pc) {
  const Instruction &inst = program.code[pc];
  Lanes *r = warp.registers.data();
  Lanes values = r[inst.b];
  forLanes(lanes, [&](unsigned lane) {
    unsigned by = r[inst.c].v[lane] & 31, packed = r[inst.imm].v[lane];
    unsigned clamp = packed & 31, segment = packed >> 8 & 31;
    unsigned last = (lane & segment) | (clamp & ~segment), first = lane & segment;
    int source = 0;
    bool inside = false;
    switch (static_cast<Shuffle>(inst.kind)) {
    case Shuffle::Up:
      source = static_cast<int>(lane - by);
      inside = source >= static_cast<int>(last);
      break;
    case Shuffle::Down:
      source = lane + by;
      inside = source <= static_cast<int>(last);
      break;
    case Shuffle::Bfly:
      source = lane ^ by;
      inside = source <= static_cast<int>(last);
      break;
    case Shuffle::Idx:
      source = first | (by & ~segment);
      inside = source <= static_cast<int>(last);
      break;
    }
    source = inside ? source : lane;
    if (!(lanes >> source & 1))
      report(FindingKind::Divergence, pc, 0, [&] {
        return llvm::formatv("{0} reads lane {1}, which does not take part in the shuffle",
                             threadName(*warp.block, warp.thread(lane)), source)
            .str();
      });
    r[inst.dst].v[lane] = values.v[source];
    if (inst.count == 2)
      r[inst.dst + 1].v[lane] = inside;
  });
}

void Machine::vote(Warp &warp, uint32_t lanes, const Instruction &inst) {
  Lanes *r = warp.registers.data();
  uint32_t ballot = 0;
  forLanes(lanes, [&](unsigned lane) { ballot |= (r[inst.b].v[lane] & 1) << lane; });
  uint32_t result = ballot;
  switch (static_cast<Vote>(inst.kind)) {
  case Vote::Any:
    result = ballot != 0;
    break;
  case Vote::All:
    result = ballot == lanes;
    break;
  case Vote::Uni:
    result = ballot == 0 || ballot == lanes;
    break;
  case Vote::Ballot:
    break;
  }
  forLanes(lanes, [&](unsigned lane) { r[inst.dst].v[lane] = result; });
}

void Machine::reduce(Warp &warp, uint32_t lanes, const Instruction &inst) {
  Lanes *r = warp.registers.data();
  uint32_t result = r[inst.b].v[__builtin_ctz(lanes)];
  forLanes(lanes & (lanes - 1), [&](unsigned lane) {
    auto value = static_cast<uint32_t>(r[inst.b].v[lane]);
    auto ours = static_cast<int32_t>(result), theirs = static_cast<int32_t>(value);
    switch (static_cast<Combine>(inst.kind)) {
    case Combine::Add:
      result += value;
      break;
    case Combine::And:
      result &= value;
      break;
    case Combine::Or:
      result |= value;
      break;
    case Combine::Xor:
      result ^= value;
      break;
    case Combine::Max:
      result = std::max(ours, theirs);
      break;
    case Combine::Min:
      result = std::min(ours, theirs);
      break;
    case Combine::UMax:
      result = std::max(result, value);
      break;
    default:
      result = std::min(result, value);
      break;
    }
  });
  forLanes(lanes, [&](unsigned lane) { r[inst.dst].v[lane] = result; });
}

/// match.sync: the lanes that hold the same value; with two results, whether all do.
void Machine::match(Warp &warp, uint32_t lanes, const Instruction &inst) {
  Lanes *r = warp.registers.data();
  Lanes values = r[inst.b];
  forLanes(lanes, [&](unsigned lane) {
    uint32_t equal = 0;
    forLanes(lanes, [&](unsigned other) {
      equal |= uint32_t(values.v[other] == values.v[lane]) << other;
    });
    bool all = equal == lanes;
    r[inst.dst].v[lane] = inst.count == 2 && !all ? 0 : equal;
    if (inst.count == 2)
      r[inst.dst + 1].v[lane] = all;
  });
}

/// PTX leaves open which lane is elected.
void Machine::elect(Warp &warp, uint32_t lanes, const Instruction &inst) {
  unsigned skip = random(__builtin_popcount(lanes));
  uint32_t left = lanes;
  while (skip--)
    left &= left - 1;
  uint32_t leader = __builtin_ctz(left);
  forLanes(lanes, [&](unsigned lane) { warp.registers[inst.dst].v[lane] = lane == leader; });
}

} // namespace qcc::simt
