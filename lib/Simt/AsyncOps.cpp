// Asynchronous copies. The order of their accesses is judged when they are issued and when they are
// waited for; their bytes move at some time in between.
#include "LaneFunctions.h"
#include "Machine.h"
#include "llvm/Support/FormatVariadic.h"
#include <cstring>

namespace qcc::simt {

void Machine::accessFor(Warp &warp, unsigned lane, uint32_t pc, Stamp stamp, const Place &place,
                        uint64_t bytes, bool write) {
  if (!place.shadow)
    return;
  if (!write && !place.shadow->defined(place.offset, bytes))
    report(FindingKind::Uninitialized, pc, 0, [&] {
      return llvm::formatv("an operation of {0} reads bytes at {1} that nothing wrote",
                           threadName(*warp.block, warp.thread(lane)), place.offset)
          .str();
    });
  const ThreadClock &clock = warp.block->clocks[warp.thread(lane)];
  uint32_t issuer = stampOf(warp, lane).agent;
  Accessor me{stamp, pc, /*atomic=*/false, write};
  place.shadow->access(
      place.offset, bytes, me,
      [&](Stamp earlier) {
        return earlier.agent == issuer || ordered(clock.before.plain, earlier);
      },
      [&](const Accessor &earlier) { conflict(warp, lane, pc, me, earlier, false); });
  if (write)
    place.shadow->define(place.offset, bytes);
}

void Machine::checkProxy(Warp &warp, unsigned lane, uint32_t pc, const Place &place,
                         uint64_t bytes) {
  const ThreadClock &clock = warp.block->clocks[warp.thread(lane)];
  place.shadow->lastWriters(place.offset, bytes, [&](const Accessor &writer) {
    if (!isPlain(writer.stamp.agent) || ordered(clock.before.proxied, writer.stamp))
      return;
    report(FindingKind::ProxyFence, pc, writer.pc, [&] {
      return llvm::formatv("no proxy fence lies between what {0} wrote at {1} and its use by the "
                           "asynchronous proxy",
                           agentName(writer.stamp.agent), describe(writer.pc))
          .str();
    });
  });
}

/// What is ordered before the thread, and its own accesses, become visible to the asynchronous
/// proxy.
void Machine::proxyFence(Warp &warp, uint32_t lanes) {
  forLanes(lanes, [&](unsigned lane) {
    joinInto(warp.block->clocks[warp.thread(lane)].before.proxied, snapshot(warp, lane));
  });
}

void Machine::raise(Warp &warp, unsigned lane, unsigned agent, uint32_t epoch) {
  SharedClock &before = warp.block->clocks[warp.thread(lane)].before.plain;
  auto raised = before ? std::make_shared<Clock>(*before) : std::make_shared<Clock>();
  raised->raise(warp.block->linear, agent, epoch);
  before = std::move(raised);
}

/// a is the destination, b the source, c the number of source bytes; imm bytes are written.
void Machine::copyAsync(Warp &warp, uint32_t lanes, uint32_t pc) {
  const Instruction &inst = program.code[pc];
  countAccess(warp, lanes, pc, Space::Shared, inst.imm);
  forLanes(lanes, [&](unsigned lane) {
    uint64_t to = warp.registers[inst.a].v[lane], from = warp.registers[inst.b].v[lane];
    uint64_t bytes =
        inst.c == noRegister ? inst.imm : std::min(warp.registers[inst.c].v[lane], inst.imm);
    if (!aligned(warp, lane, pc, to, inst.imm) || !aligned(warp, lane, pc, from, inst.imm))
      return;
    Place target = locate(warp, lane, pc, Space::Shared, to, inst.imm), source;
    if (bytes)
      source = locate(warp, lane, pc, Space::Global, from, bytes);
    if (!target.bytes || (bytes && !source.bytes))
      return;
    unsigned thread = warp.thread(lane);
    uint32_t epoch = warp.block->copies[thread].epoch;
    warp.block->copies[thread].issue(pc);
    Stamp stamp = stampOfAgent(*warp.block, agentOfCopies(thread), epoch);
    if (bytes)
      accessFor(warp, lane, pc, stamp, source, bytes, /*write=*/false);
    accessFor(warp, lane, pc, stamp, target, inst.imm, /*write=*/true);
    Transfer transfer{Transfer::Kind::Copy, warp.block, thread, epoch, pc};
    transfer.pieces.push_back({target.bytes, source.bytes, static_cast<uint32_t>(bytes),
                               static_cast<uint32_t>(inst.imm - bytes)});
    transfers.push_back(std::move(transfer));
  });
}

void Machine::commitCopies(Warp &warp, uint32_t lanes, bool bulk) {
  forLanes(lanes, [&](unsigned lane) {
    CopyGroups &groups = (bulk ? warp.block->bulkStores : warp.block->copies)[warp.thread(lane)];
    groups.committed.push_back(groups.epoch++);
  });
}

/// imm groups may remain; kind tells bulk stores from copies.
void Machine::waitForCopies(Warp &warp, uint32_t lanes, const Instruction &inst) {
  bool bulk = inst.kind;
  forLanes(lanes, [&](unsigned lane) {
    unsigned thread = warp.thread(lane);
    CopyGroups &groups = (bulk ? warp.block->bulkStores : warp.block->copies)[thread];
    if (groups.committed.size() <= inst.imm)
      return;
    uint32_t epoch = groups.committed[groups.committed.size() - 1 - inst.imm];
    groups.waited = epoch;
    performUpTo(*warp.block, thread, bulk ? Transfer::Kind::BulkStore : Transfer::Kind::Copy,
                epoch);
    raise(warp, lane, bulk ? agentOfBulkStores(thread) : agentOfCopies(thread), epoch);
  });
}

void Machine::arriveAfterCopies(Warp &warp, uint32_t lanes, uint32_t pc) {
  const Instruction &inst = program.code[pc];
  forLanes(lanes, [&](unsigned lane) {
    uint64_t offset;
    MBarrier *barrier = mbarrierAt(warp, lane, pc, warp.registers[inst.a].v[lane], offset);
    if (!barrier)
      return;
    unsigned thread = warp.thread(lane);
    // Without noinc the count grows by the arrival that follows.
    if (!inst.imm)
      ++barrier->pending;
    // Who waits for the mbarrier waits for the copies.
    CopyGroups &groups = warp.block->copies[thread];
    groups.waited = groups.epoch;
    Transfer transfer{Transfer::Kind::ArriveAfterCopies, warp.block, thread, groups.epoch++, pc};
    transfer.mbarrier = offset;
    transfers.push_back(std::move(transfer));
  });
}

/// a is the destination, b the source, c the bytes, imm the register of the mbarrier's address.
void Machine::bulkLoad(Warp &warp, uint32_t lanes, uint32_t pc) {
  const Instruction &inst = program.code[pc];
  forLanes(lanes, [&](unsigned lane) {
    uint64_t to = warp.registers[inst.a].v[lane], from = warp.registers[inst.b].v[lane];
    uint64_t bytes = warp.registers[inst.c].v[lane], offset;
    if (!aligned(warp, lane, pc, to, 16) || !aligned(warp, lane, pc, from, 16) ||
        !aligned(warp, lane, pc, bytes, 16))
      return;
    Place target = locate(warp, lane, pc, Space::Cluster, to, bytes);
    Place source = locate(warp, lane, pc, Space::Global, from, bytes);
    MBarrier *barrier = mbarrierAt(warp, lane, pc, warp.registers[inst.imm].v[lane], offset);
    if (!target.bytes || !source.bytes || !barrier)
      return;
    uint32_t epoch = barrier->firstEpoch + barrier->phase;
    Stamp stamp = stampOfAgent(*warp.block, agentOfMBarrier(barrier->index), epoch);
    accessFor(warp, lane, pc, stamp, source, bytes, /*write=*/false);
    accessFor(warp, lane, pc, stamp, target, bytes, /*write=*/true);
    Transfer transfer{
        Transfer::Kind::BulkLoad, warp.block, warp.thread(lane), epoch, pc, offset, bytes};
    transfer.pieces.push_back({target.bytes, source.bytes, static_cast<uint32_t>(bytes), 0});
    transfers.push_back(std::move(transfer));
  });
}

/// a is the destination in global memory, b the source in shared memory, c the bytes.
void Machine::bulkStore(Warp &warp, uint32_t lanes, uint32_t pc) {
  const Instruction &inst = program.code[pc];
  forLanes(lanes, [&](unsigned lane) {
    uint64_t to = warp.registers[inst.a].v[lane], from = warp.registers[inst.b].v[lane];
    uint64_t bytes = warp.registers[inst.c].v[lane];
    if (!aligned(warp, lane, pc, to, 16) || !aligned(warp, lane, pc, from, 16) ||
        !aligned(warp, lane, pc, bytes, 16))
      return;
    Place target = locate(warp, lane, pc, Space::Global, to, bytes);
    Place source = locate(warp, lane, pc, Space::Shared, from, bytes);
    if (!target.bytes || !source.bytes)
      return;
    unsigned thread = warp.thread(lane);
    uint32_t epoch = warp.block->bulkStores[thread].epoch;
    warp.block->bulkStores[thread].issue(pc);
    Stamp stamp = stampOfAgent(*warp.block, agentOfBulkStores(thread), epoch);
    checkProxy(warp, lane, pc, source, bytes);
    accessFor(warp, lane, pc, stamp, source, bytes, /*write=*/false);
    accessFor(warp, lane, pc, stamp, target, bytes, /*write=*/true);
    Transfer transfer{Transfer::Kind::BulkStore, warp.block, thread, epoch, pc};
    transfer.pieces.push_back({target.bytes, source.bytes, static_cast<uint32_t>(bytes), 0});
    transfers.push_back(std::move(transfer));
  });
}

void Machine::perform(size_t index) {
  Transfer transfer = std::move(transfers[index]);
  transfers.erase(transfers.begin() + index);
  for (const Transfer::Piece &piece : transfer.pieces) {
    if (piece.bytes)
      std::memcpy(piece.to, piece.from, piece.bytes);
    std::memset(piece.to + piece.bytes, 0, piece.zeros);
  }
  Block &block = *transfer.block;
  auto found = block.mbarriers.find(transfer.mbarrier);
  if (transfer.kind == Transfer::Kind::ArriveAfterCopies) {
    performUpTo(block, transfer.thread, Transfer::Kind::Copy, transfer.epoch);
    if (found == block.mbarriers.end())
      return;
    found->second.gathering.add(agentOfCopies(transfer.thread), transfer.epoch);
    found->second.pending -= found->second.pending != 0;
    completePhase(block, found->second);
  } else if (transfer.kind == Transfer::Kind::BulkLoad && found != block.mbarriers.end()) {
    found->second.bytes -= transfer.bytes;
    completePhase(block, found->second);
  }
}

void Machine::performUpTo(Block &block, unsigned thread, Transfer::Kind kind, uint32_t epoch) {
  for (size_t i = 0; i < transfers.size();)
    if (const Transfer &each = transfers[i];
        each.block == &block && each.thread == thread && each.kind == kind && each.epoch <= epoch)
      perform(i);
    else
      ++i;
}

/// Shared memory goes to another block now; nothing may still read or write it.
void Machine::endBlock(Block &block) {
  auto underWay = [&](unsigned thread, uint32_t pc) {
    report(FindingKind::AsyncNotWaited, pc, 0, [&] {
      return "the block of " + threadName(block, thread) + " ends without a wait for its copy";
    });
  };
  for (unsigned thread = 0; thread != threadsPerBlock; ++thread)
    for (const CopyGroups *groups : {&block.copies[thread], &block.bulkStores[thread]})
      if (groups->issued > groups->waited)
        underWay(thread, groups->pc);
  for (size_t i = 0; i < transfers.size();) {
    if (transfers[i].block != &block) {
      ++i;
      continue;
    }
    underWay(transfers[i].thread, transfers[i].pc);
    perform(i);
  }
}

} // namespace qcc::simt
