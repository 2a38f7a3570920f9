// Instructions that only touch registers.
#include "LaneFunctions.h"
#include "Machine.h"

namespace qcc::simt {

void Machine::map(Warp &warp, uint32_t lanes, const Instruction &inst) {
  Lanes *r = warp.registers.data();
  auto operand = [&](uint32_t reg) -> const Lanes * { return reg == noRegister ? r : r + reg; };
  const Lanes *a = operand(inst.a), *b = operand(inst.b), *c = operand(inst.c);
  for (unsigned i = 0; i != inst.count; ++i)
    inst.fn(r[inst.dst + i], a[inst.broadcastA ? 0 : i], inst.b == noRegister ? *b : b[i],
            inst.c == noRegister ? *c : c[i], lanes, inst.imm);
}

void Machine::copy(Warp &warp, uint32_t lanes, const Instruction &inst) {
  Lanes *r = warp.registers.data();
  for (unsigned i = 0; i != inst.count; ++i)
    forLanes(lanes, [&](unsigned lane) { r[inst.dst + i].v[lane] = r[inst.a + i].v[lane]; });
}

/// wideList holds register, width and stride of each index.
void Machine::address(Warp &warp, uint32_t lanes, const Instruction &inst) {
  Lanes *r = warp.registers.data();
  forLanes(lanes, [&](unsigned lane) { r[inst.dst].v[lane] = r[inst.a].v[lane] + inst.imm; });
  for (uint32_t i = 0; i != inst.listCount; i += 3) {
    const Lanes &index = r[program.wideList[inst.list + i]];
    unsigned width = program.wideList[inst.list + i + 1];
    uint64_t stride = program.wideList[inst.list + i + 2];
    forLanes(lanes, [&](unsigned lane) {
      r[inst.dst].v[lane] += signExtended(index.v[lane], width) * stride;
    });
  }
}

/// Elements at an index that is known at run time only: a is the vector, b the index.
void Machine::element(Warp &warp, uint32_t lanes, const Instruction &inst) {
  Lanes *r = warp.registers.data();
  forLanes(lanes, [&](unsigned lane) {
    uint64_t index = r[inst.b].v[lane] % inst.count;
    if (inst.op == Op::Element) {
      r[inst.dst].v[lane] = r[inst.a + index].v[lane];
      return;
    }
    for (unsigned i = 0; i != inst.count; ++i)
      r[inst.dst + i].v[lane] = r[(i == index ? inst.c : inst.a + i)].v[lane];
  });
}

/// Both sides are one string of bits, the first element lowest; widths are powers of two.
void Machine::bitcast(Warp &warp, uint32_t lanes, const Instruction &inst) {
  Lanes *r = warp.registers.data();
  unsigned from = fromWidth(inst.imm), to = toWidth(inst.imm), piece = std::min(from, to);
  forLanes(lanes, [&](unsigned lane) {
    for (unsigned i = 0; i != inst.listCount; ++i)
      r[inst.dst + i].v[lane] = 0;
    for (unsigned bit = 0; bit < inst.count * from; bit += piece) {
      uint64_t bits = r[inst.a + bit / from].v[lane] >> bit % from & lowBits(piece);
      r[inst.dst + bit / to].v[lane] |= bits << bit % to;
    }
  });
}

uint64_t Machine::specialValue(const Warp &warp, unsigned lane, Special which) const {
  auto component = [&](Special first, const std::array<unsigned, 3> &of) {
    return of[static_cast<unsigned>(which) - static_cast<unsigned>(first)];
  };
  switch (which) {
  case Special::TidX:
  case Special::TidY:
  case Special::TidZ:
    return component(Special::TidX, position(warp.thread(lane), launch.block));
  case Special::NtidX:
  case Special::NtidY:
  case Special::NtidZ:
    return component(Special::NtidX, launch.block);
  case Special::CtaidX:
  case Special::CtaidY:
  case Special::CtaidZ:
    return component(Special::CtaidX, warp.block->id);
  case Special::NctaidX:
  case Special::NctaidY:
  case Special::NctaidZ:
    return component(Special::NctaidX, launch.grid);
  case Special::LaneId:
    return lane;
  case Special::WarpId:
    return warp.index;
  case Special::WarpCount:
    return warp.block->warps.size();
  case Special::SmId:
    return warp.block->linear % residentLimit;
  case Special::SmCount:
    return residentLimit;
  case Special::MaskEq:
    return 1u << lane;
  case Special::MaskLe:
    return (2u << lane) - 1;
  case Special::MaskLt:
    return (1u << lane) - 1;
  case Special::MaskGe:
    return ~((1u << lane) - 1);
  case Special::MaskGt:
    return ~((2u << lane) - 1);
  case Special::DynamicShared:
    return launch.dynamicSharedBytes;
  case Special::TotalShared:
    return warp.block->shared.size();
  case Special::Clock:
    return counts.warpInstructions;
  case Special::Zero:
    return 0;
  case Special::One:
    return 1;
  }
  return 0;
}

void Machine::special(Warp &warp, uint32_t lanes, const Instruction &inst) {
  uint64_t keep = lowBits(inst.bits);
  forLanes(lanes, [&](unsigned lane) {
    warp.registers[inst.dst].v[lane] =
        specialValue(warp, lane, static_cast<Special>(inst.kind)) & keep;
  });
}

} // namespace qcc::simt
