// Copies of boxes of tensors between global and shared memory.
#include "LaneFunctions.h"
#include "Machine.h"
#include "Swizzle.h"
#include "llvm/Support/FormatVariadic.h"
#include <cstring>

namespace qcc::simt {

/// The address of an element in global memory; nullopt outside of the tensor.
static std::optional<uint64_t> elementAddress(const TensorMap &map, llvm::ArrayRef<int64_t> at) {
  uint64_t address = map.address + at[0] * map.elementBytes;
  for (unsigned d = 0; d != map.rank; ++d)
    if (at[d] < 0 || static_cast<uint64_t>(at[d]) >= map.dimensions[d])
      return std::nullopt;
    else if (d)
      address += at[d] * map.strides[d - 1];
  return address;
}

/// How many elements from one on are copied at once: 16 bytes, which no swizzle parts, if all of
/// them are inside of the tensor or all outside.
static unsigned runLength(const TensorMap &map, uint64_t element, int64_t innermost) {
  unsigned run = 16 / map.elementBytes;
  bool wholeChunk = element % run == 0 && map.box[0] % run == 0;
  auto extent = static_cast<int64_t>(map.dimensions[0]);
  bool inside = innermost >= 0 && innermost + run <= extent,
       outside = innermost >= extent || innermost + run <= 0;
  return wholeChunk && (inside || outside) ? run : 1;
}

/// a is the place in shared memory, b the tensor map, imm the register of the mbarrier's address of
/// a load; wideList holds the registers of the coordinates. kind is 1 for stores.
void Machine::tensorCopy(Warp &warp, uint32_t lanes, uint32_t pc) {
  const Instruction &inst = program.code[pc];
  bool stores = inst.kind;
  forLanes(lanes, [&](unsigned lane) {
    Block &block = *warp.block;
    TensorMap map;
    Place where =
        locate(warp, lane, pc, Space::Generic, warp.registers[inst.b].v[lane], sizeof(map));
    if (!where.bytes)
      return;
    std::memcpy(&map, where.bytes, sizeof(map));
    if (map.magic != TensorMap().magic || map.rank != inst.listCount) {
      report(FindingKind::OutOfBounds, pc, 0, [&] {
        return threadName(block, warp.thread(lane)) +
               " copies by what is no tensor map of this rank";
      });
      return;
    }
    uint64_t shared = warp.registers[inst.a].v[lane] & ~windowMask, offset = 0;
    if (!aligned(warp, lane, pc, shared, 128))
      return;
    unsigned thread = warp.thread(lane), agent = agentOfBulkStores(thread);
    uint32_t epoch = block.bulkStores[thread].epoch;
    if (stores) {
      block.bulkStores[thread].issue(pc);
    } else {
      MBarrier *barrier = mbarrierAt(warp, lane, pc, warp.registers[inst.imm].v[lane], offset);
      if (!barrier)
        return;
      agent = agentOfMBarrier(barrier->index);
      epoch = barrier->firstEpoch + barrier->phase;
    }
    Stamp stamp = stampOfAgent(block, agent, epoch);
    Transfer transfer{stores ? Transfer::Kind::BulkStore : Transfer::Kind::BulkLoad,
                      &block,
                      thread,
                      epoch,
                      pc,
                      offset};
    uint64_t elements = 1;
    for (unsigned d = 0; d != map.rank; ++d)
      elements *= map.box[d];
    transfer.bytes = elements * map.elementBytes;
    for (uint64_t i = 0, run = 1; i < elements; i += run) {
      int64_t at[5];
      uint64_t rest = i;
      for (unsigned d = 0; d != map.rank; ++d, rest /= map.box[d - 1])
        at[d] = signExtended(warp.registers[program.wideList[inst.list + d]].v[lane], 32) +
                rest % map.box[d];
      run = runLength(map, i, at[0]);
      uint32_t bytes = run * map.elementBytes;
      std::optional<uint64_t> address = elementAddress(map, {at, map.rank});
      if (stores && !address)
        continue;
      uint64_t inShared = swizzled(shared + i * map.elementBytes, map.swizzle);
      Place here = locate(warp, lane, pc, Space::Shared, inShared, bytes), there;
      if (address)
        there = locate(warp, lane, pc, Space::Global, *address, bytes);
      if (!here.bytes || (address && !there.bytes))
        return;
      if (stores)
        checkProxy(warp, lane, pc, here, bytes);
      if (there.bytes)
        accessFor(warp, lane, pc, stamp, there, bytes, stores);
      accessFor(warp, lane, pc, stamp, here, bytes, !stores);
      transfer.pieces.push_back({stores ? there.bytes : here.bytes,
                                 stores ? here.bytes : there.bytes, address ? bytes : 0,
                                 address ? 0 : bytes});
    }
    transfers.push_back(std::move(transfer));
  });
}

} // namespace qcc::simt
