// Loads and stores: addresses, bounds, order, sectors and banks.
#include "LaneFunctions.h"
#include "Machine.h"
#include "llvm/Support/FormatVariadic.h"
#include <cstring>

namespace qcc::simt {

/// The space that a generic address points into, and the address there.
static std::pair<Space, uint64_t> resolve(Space space, uint64_t address) {
  if (space != Space::Generic)
    return {space, address};
  switch (address & windowMask) {
  case sharedWindow:
    return {Space::Cluster, address - sharedWindow};
  case localWindow:
    return {Space::Local, address - localWindow};
  }
  return {Space::Global, address};
}

void Machine::outOfBounds(Warp &warp, unsigned lane, uint32_t pc, Space space, uint64_t address,
                          uint64_t bytes) {
  report(FindingKind::OutOfBounds, pc, 0, [&]() -> std::string {
    std::string who = threadName(*warp.block, warp.thread(lane));
    if (space == Space::Shared || space == Space::Cluster)
      return llvm::formatv("{0} accesses {1} bytes at {2} of {3} bytes of shared memory", who,
                           bytes, static_cast<int64_t>(address - sharedBase),
                           warp.block->shared.size());
    if (space == Space::Local)
      return llvm::formatv("{0} accesses {1} bytes at {2} of {3} bytes of local memory", who, bytes,
                           address, program.localBytes);
    Device::Allocation *near = device.find(address);
    if (!near)
      return llvm::formatv("{0} accesses {1} bytes at address {2:x}", who, bytes, address);
    return llvm::formatv("{0} accesses {1} bytes at {2} of '{3}', which has {4}", who, bytes,
                         address - near->address, near->name, near->bytes.size());
  });
}

/// The offset is an address in the space of shared memory.
Machine::Place Machine::locateShared(Warp &warp, uint64_t offset, uint64_t bytes) {
  Block &block = *warp.block;
  if (offset < sharedBase || offset + bytes > sharedBase + block.shared.size())
    return {};
  offset -= sharedBase;
  return {block.shared.data() + offset, &block.sharedShadow, offset};
}

Machine::Place Machine::locate(Warp &warp, unsigned lane, uint32_t pc, Space space,
                               uint64_t address, uint64_t bytes) {
  auto [in, at] = resolve(space, address);
  Place place;
  if (in == Space::Shared || in == Space::Cluster) {
    place = locateShared(warp, at, bytes);
  } else if (in == Space::Local) {
    if (at + bytes <= program.localBytes)
      place.bytes = warp.local.data() + size_t(lane) * program.localBytes + at;
  } else if ((at & windowMask) == paramWindow) {
    if (at - paramWindow + bytes <= parameters.size())
      place.bytes = parameters.data() + (at - paramWindow);
  } else if (Device::Allocation *found = device.find(at)) {
    uint64_t offset = at - found->address;
    if (offset + bytes <= found->bytes.size())
      place = {found->bytes.data() + offset, found->shadow.get(), offset};
  }
  if (!place.bytes)
    outOfBounds(warp, lane, pc, in, at, bytes);
  return place;
}

bool Machine::aligned(Warp &warp, unsigned lane, uint32_t pc, uint64_t address,
                      uint32_t alignment) {
  if (address % alignment == 0)
    return true;
  report(FindingKind::Misaligned, pc, 0, [&] {
    return llvm::formatv("{0} accesses address {1:x}, which is not aligned to {2}",
                         threadName(*warp.block, warp.thread(lane)), address, alignment)
        .str();
  });
  return false;
}

void Machine::conflict(Warp &warp, unsigned lane, uint32_t pc, const Accessor &me,
                       const Accessor &earlier, bool equalBytes) {
  bool benign = me.write && earlier.write && equalBytes;
  bool async = !isThread(earlier.stamp.agent);
  if (benign && !async && !launch.reportBenignWrites)
    return;
  FindingKind kind = async    ? FindingKind::AsyncNotWaited
                     : benign ? FindingKind::BenignWrite
                              : FindingKind::Race;
  report(kind, pc, earlier.pc, [&] {
    return llvm::formatv("{0}{1} {2} without order what {3} {4} at {5}",
                         isThread(me.stamp.agent) ? "" : "an asynchronous operation of ",
                         threadName(*warp.block, warp.thread(lane)), me.write ? "writes" : "reads",
                         agentName(earlier.stamp.agent), earlier.write ? "wrote" : "read",
                         describe(earlier.pc))
        .str();
  });
}

void Machine::observe(Warp &warp, unsigned lane, uint32_t pc, const Place &place, uint32_t bytes,
                      uint8_t flags) {
  if (!place.shadow)
    return;
  if (!place.shadow->defined(place.offset, bytes))
    report(FindingKind::Uninitialized, pc, 0, [&] {
      return llvm::formatv("{0} reads {1} bytes at {2} that nothing wrote",
                           threadName(*warp.block, warp.thread(lane)), bytes, place.offset)
          .str();
    });
  Accessor me{stampOf(warp, lane), pc, (flags & (volatileAccess | atomicAccess)) != 0,
              /*write=*/false};
  const ThreadClock &clock = warp.block->clocks[warp.thread(lane)];
  place.shadow->access(
      place.offset, bytes, me, [&](Stamp stamp) { return ordered(clock.before.plain, stamp); },
      [&](const Accessor &earlier) { conflict(warp, lane, pc, me, earlier, false); });
}

void Machine::overwrite(Warp &warp, unsigned lane, uint32_t pc, const Place &place,
                        const uint8_t *data, uint32_t bytes, uint8_t flags) {
  if (place.shadow) {
    Accessor me{stampOf(warp, lane), pc, (flags & (volatileAccess | atomicAccess)) != 0,
                /*write=*/true};
    const ThreadClock &clock = warp.block->clocks[warp.thread(lane)];
    bool equal = std::memcmp(place.bytes, data, bytes) == 0;
    place.shadow->access(
        place.offset, bytes, me, [&](Stamp stamp) { return ordered(clock.before.plain, stamp); },
        [&](const Accessor &earlier) { conflict(warp, lane, pc, me, earlier, equal); });
    place.shadow->define(place.offset, bytes);
  }
  std::memcpy(place.bytes, data, bytes);
}

void Machine::load(Warp &warp, uint32_t lanes, uint32_t pc) {
  const Instruction &inst = program.code[pc];
  const Layout &layout = program.layouts[inst.layout];
  countAccess(warp, lanes, pc, static_cast<Space>(inst.kind), layout.size);
  forLanes(lanes, [&](unsigned lane) {
    uint64_t at = warp.registers[inst.a].v[lane];
    Place place;
    if (aligned(warp, lane, pc, at, layout.alignment))
      place = locate(warp, lane, pc, static_cast<Space>(inst.kind), at, layout.size);
    for (auto [i, leaf] : llvm::enumerate(layout.leaves)) {
      uint64_t value = 0;
      if (place.bytes)
        std::memcpy(&value, place.bytes + leaf.offset, leaf.bytes);
      warp.registers[inst.dst + i].v[lane] = value & lowBits(leaf.bits);
    }
    if (!place.bytes)
      return;
    observe(warp, lane, pc, place, layout.size, inst.flags);
    if (inst.flags & (volatileAccess | atomicAccess))
      afterAtomicRead(warp, lane, place.bytes, inst.flags);
  });
}

void Machine::store(Warp &warp, uint32_t lanes, uint32_t pc) {
  const Instruction &inst = program.code[pc];
  const Layout &layout = program.layouts[inst.layout];
  countAccess(warp, lanes, pc, static_cast<Space>(inst.kind), layout.size);
  forLanes(lanes, [&](unsigned lane) {
    uint64_t at = warp.registers[inst.a].v[lane];
    if (!aligned(warp, lane, pc, at, layout.alignment))
      return;
    Place place = locate(warp, lane, pc, static_cast<Space>(inst.kind), at, layout.size);
    if (!place.bytes)
      return;
    llvm::SmallVector<uint8_t, 64> data(place.bytes, place.bytes + layout.size);
    for (auto [i, leaf] : llvm::enumerate(layout.leaves))
      std::memcpy(data.data() + leaf.offset, &warp.registers[inst.b + i].v[lane], leaf.bytes);
    if (inst.flags & (volatileAccess | atomicAccess))
      beforeAtomicWrite(warp, lane, place.bytes, inst.flags, /*modifies=*/false);
    overwrite(warp, lane, pc, place, data.data(), layout.size, inst.flags);
  });
}

/// a is the destination, b the byte, c the count.
void Machine::memorySet(Warp &warp, uint32_t lanes, uint32_t pc) {
  const Instruction &inst = program.code[pc];
  forLanes(lanes, [&](unsigned lane) {
    uint64_t bytes = warp.registers[inst.c].v[lane];
    Place place = locate(warp, lane, pc, static_cast<Space>(inst.kind),
                         warp.registers[inst.a].v[lane], bytes);
    std::vector<uint8_t> data(bytes, warp.registers[inst.b].v[lane]);
    if (place.bytes)
      overwrite(warp, lane, pc, place, data.data(), bytes, inst.flags);
  });
}

/// a is the destination, b the source in space `imm`, c the count.
void Machine::memoryCopy(Warp &warp, uint32_t lanes, uint32_t pc) {
  const Instruction &inst = program.code[pc];
  forLanes(lanes, [&](unsigned lane) {
    uint64_t bytes = warp.registers[inst.c].v[lane];
    Place to = locate(warp, lane, pc, static_cast<Space>(inst.kind), warp.registers[inst.a].v[lane],
                      bytes);
    Place from =
        locate(warp, lane, pc, static_cast<Space>(inst.imm), warp.registers[inst.b].v[lane], bytes);
    if (!to.bytes || !from.bytes)
      return;
    observe(warp, lane, pc, from, bytes, inst.flags);
    std::vector<uint8_t> data(from.bytes, from.bytes + bytes);
    overwrite(warp, lane, pc, to, data.data(), bytes, inst.flags);
  });
}

/// Passes that shared memory needs beyond one: 32 banks of 4 bytes, of which each delivers one word
/// in a pass. Accesses of 8 and 16 bytes go by halves and quarters of a warp.
static unsigned extraPasses(llvm::ArrayRef<uint64_t> addresses, uint32_t bytes) {
  size_t lanesPerPhase = bytes <= 4 ? 32 : bytes <= 8 ? 16 : 8;
  unsigned extra = 0;
  for (; !addresses.empty();
       addresses = addresses.drop_front(std::min(lanesPerPhase, addresses.size()))) {
    llvm::SmallVector<uint64_t, 64> words;
    for (uint64_t address : addresses.take_front(lanesPerPhase))
      for (uint64_t word = address / 4; word * 4 < address + bytes; ++word)
        words.push_back(word);
    llvm::sort(words);
    words.erase(llvm::unique(words), words.end());
    unsigned ofBank[32] = {}, most = 1;
    for (uint64_t word : words)
      most = std::max(most, ++ofBank[word % 32]);
    extra += most - 1;
  }
  return extra;
}

void Machine::countAccess(Warp &warp, uint32_t lanes, uint32_t pc, Space space, uint32_t bytes) {
  llvm::SmallVector<uint64_t, warpSize> global, shared;
  forLanes(lanes, [&](unsigned lane) {
    auto [in, at] = resolve(space, warp.registers[program.code[pc].a].v[lane]);
    if (in == Space::Shared || in == Space::Cluster)
      shared.push_back(at);
    else if (in == Space::Global || in == Space::Constant)
      global.push_back(at);
  });
  AccessCounts &here = accesses[pc];
  ++here.warpAccesses;
  if (!shared.empty()) {
    unsigned extra = extraPasses(shared, bytes);
    here.extraPasses += extra;
    counts.extraPasses += extra;
  }
  if (global.empty())
    return;
  llvm::SmallVector<uint64_t, 64> sectors;
  for (uint64_t at : global)
    for (uint64_t sector = at / 32; sector * 32 < at + bytes; ++sector)
      sectors.push_back(sector);
  llvm::sort(sectors);
  sectors.erase(llvm::unique(sectors), sectors.end());
  llvm::sort(global);
  size_t distinct = llvm::unique(global) - global.begin();
  uint64_t ideal = (distinct * bytes + 31) / 32;
  here.sectors += sectors.size();
  here.idealSectors += std::min<uint64_t>(ideal, sectors.size());
  counts.sectors += sectors.size();
  counts.idealSectors += std::min<uint64_t>(ideal, sectors.size());
}

} // namespace qcc::simt
