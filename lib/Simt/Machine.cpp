// Life of blocks, scheduling and control flow.
#include "Machine.h"
#include "llvm/Support/FormatVariadic.h"
#include <numeric>

namespace qcc::simt {

/// Instructions that a group executes before another is picked, at most.
static constexpr unsigned longestTurn = 96;

llvm::StringRef findingName(FindingKind kind) {
  static constexpr llvm::StringLiteral names[] = {
      "race",       "benign write",     "out of bounds", "misaligned", "uninitialized", "deadlock",
      "divergence", "async not waited", "proxy fence",   "barrier",    "trap"};
  return names[static_cast<size_t>(kind)];
}

static uint64_t product(const std::array<unsigned, 3> &extent) {
  return uint64_t(extent[0]) * extent[1] * extent[2];
}

Machine::Machine(const Program &program, Device &device, llvm::ArrayRef<Argument> arguments,
                 const Launch &launch, llvm::function_ref<std::string(uint32_t)> describe)
    : accesses(program.code.size()), program(program), device(device), launch(launch),
      describe(describe), rng(launch.seed), threadsPerBlock(product(launch.block)) {
  threadAgents = (threadsPerBlock + warpSize - 1) / warpSize * warpSize;
  agentsPerBlock = agentOfBulkStores(threadAgents);
  residentLimit = launch.residentBlocks ? launch.residentBlocks : 1 + random(4);
  waiting.resize(product(launch.grid));
  std::iota(waiting.begin(), waiting.end(), 0);
  for (size_t i = waiting.size(); i > 1; --i)
    std::swap(waiting[i - 1], waiting[random(i)]);

  for (const GlobalVariable &variable : program.globals)
    globals.push_back(device.upload(variable.bytes, variable.name));
  for (auto [parameter, bytes] : llvm::zip_equal(program.parameters, arguments)) {
    if (parameter.byValue) {
      // Aligned as strictly as any parameter may ask for.
      parameters.resize((parameters.size() + 127) / 128 * 128);
      parameterRegisters.push_back(parameter.reg);
      parameterValues.push_back(paramWindow + parameters.size());
      parameters.insert(parameters.end(), bytes.begin(), bytes.end());
      continue;
    }
    for (auto [i, leaf] : llvm::enumerate(parameter.layout.leaves)) {
      uint64_t value = 0;
      std::memcpy(&value, bytes.data() + leaf.offset, leaf.bytes);
      parameterRegisters.push_back(parameter.reg + i);
      parameterValues.push_back(value);
    }
  }
}

Machine::~Machine() {
  for (uint64_t address : globals)
    device.release(address);
}

std::array<unsigned, 3> Machine::position(unsigned linear,
                                          const std::array<unsigned, 3> &extent) const {
  return {linear % extent[0], linear / extent[0] % extent[1], linear / extent[0] / extent[1]};
}

std::unique_ptr<Block> Machine::makeBlock(uint32_t linear) {
  unsigned sharedBytes = program.staticSharedEnd - sharedBase + launch.dynamicSharedBytes;
  auto block = std::unique_ptr<Block>(new Block{linear,
                                                position(linear, launch.grid),
                                                threadsPerBlock,
                                                {},
                                                {},
                                                std::vector<uint8_t>(sharedBytes),
                                                Shadow(sharedBytes, /*defined=*/false),
                                                {}});
  block->clocks.resize(threadsPerBlock);
  block->copies.resize(threadsPerBlock);
  block->bulkStores.resize(threadsPerBlock);
  for (unsigned first = 0; first < threadsPerBlock; first += warpSize) {
    unsigned lanes = std::min(threadsPerBlock - first, warpSize);
    Warp warp{block.get(), first / warpSize, static_cast<uint32_t>((1ull << lanes) - 1), {}, {},
              {}};
    warp.groups.push_back({0, warp.live});
    block->warps.push_back(std::move(warp));
  }
  for (Warp &warp : block->warps)
    setParameters(warp);
  return block;
}

void Machine::setParameters(Warp &warp) {
  warp.registers.resize(program.registers);
  warp.local.resize(size_t(program.localBytes) * warpSize);
  auto set = [&](uint32_t reg, uint64_t value) {
    std::fill_n(warp.registers[reg].v, warpSize, value);
  };
  for (const Constant &constant : program.constants)
    set(constant.reg, constant.value);
  for (auto [variable, address] : llvm::zip_equal(program.globals, globals))
    for (uint32_t reg : variable.registers)
      set(reg, address);
  for (auto [reg, value] : llvm::zip_equal(parameterRegisters, parameterValues))
    set(reg, value);
}

void Machine::admitBlocks() {
  while (blocks.size() < residentLimit && !waiting.empty()) {
    blocks.push_back(makeBlock(waiting.back()));
    waiting.pop_back();
  }
}

void Machine::run() {
  device.beginLaunch();
  for (admitBlocks(); !blocks.empty() && !stopped; admitBlocks()) {
    Warp *warp = pickWarp();
    if (!transfers.empty() && (!warp || random(8) == 0))
      perform(random(transfers.size()));
    else if (warp)
      runGroup(*warp, pickGroup(*warp));
    else
      return reportStuck();
    if (!warp)
      continue;
    if (counts.warpInstructions > launch.maxSteps) {
      report(FindingKind::Deadlock, warp->groups.empty() ? 0 : warp->groups[0].pc, 0, [&] {
        return llvm::formatv("no end after {0} instructions", counts.warpInstructions).str();
      });
      return;
    }
    if (warp->block->live == 0) {
      endBlock(*warp->block);
      llvm::erase_if(blocks, [&](const auto &block) { return block.get() == warp->block; });
    }
  }
}

static bool isReady(const Group &group) { return group.state == Group::State::Ready; }

/// Any warp that can go on, or null.
Warp *Machine::pickWarp() {
  size_t firstBlock = random(blocks.size());
  for (size_t i = 0; i != blocks.size(); ++i) {
    std::vector<Warp> &warps = blocks[(firstBlock + i) % blocks.size()]->warps;
    size_t firstWarp = random(warps.size());
    for (size_t j = 0; j != warps.size(); ++j)
      if (Warp &warp = warps[(firstWarp + j) % warps.size()]; llvm::any_of(warp.groups, isReady))
        return &warp;
  }
  return nullptr;
}

/// Mostly the group that is furthest behind, so that diverged lanes meet again.
size_t Machine::pickGroup(const Warp &warp) {
  llvm::SmallVector<size_t, 4> ready;
  for (auto [i, group] : llvm::enumerate(warp.groups))
    if (isReady(group))
      ready.push_back(i);
  if (ready.size() > 1 && random(4) == 0)
    return ready[random(ready.size())];
  return *llvm::min_element(
      ready, [&](size_t a, size_t b) { return warp.groups[a].pc < warp.groups[b].pc; });
}

void Machine::runGroup(Warp &warp, size_t group) {
  for (uint64_t turn = 1 + random(longestTurn); turn; --turn) {
    ++counts.warpInstructions;
    counts.threadInstructions += __builtin_popcount(warp.groups[group].lanes);
    if (!step(warp, group) || stopped)
      return;
  }
}

bool Machine::step(Warp &warp, size_t index) {
  Group &group = warp.groups[index];
  uint32_t pc = group.pc, lanes = group.lanes;
  const Instruction &inst = program.code[pc];
  if (!warp.wgmma.inFlight.empty())
    checkInFlight(warp, pc);
  switch (inst.op) {
  case Op::Map:
    map(warp, lanes, inst);
    break;
  case Op::Copy:
    copy(warp, lanes, inst);
    break;
  case Op::Address:
    address(warp, lanes, inst);
    break;
  case Op::Element:
  case Op::SetElement:
    element(warp, lanes, inst);
    break;
  case Op::Bitcast:
    bitcast(warp, lanes, inst);
    break;
  case Op::Special:
    special(warp, lanes, inst);
    break;
  case Op::Load:
    load(warp, lanes, pc);
    break;
  case Op::Store:
    store(warp, lanes, pc);
    break;
  case Op::AtomicRmw:
    atomicReadModifyWrite(warp, lanes, pc);
    break;
  case Op::CompareExchange:
    compareExchange(warp, lanes, pc);
    break;
  case Op::Fence:
    fence(warp, lanes, inst.flags);
    break;
  case Op::MemorySet:
    memorySet(warp, lanes, pc);
    break;
  case Op::MemoryCopy:
    memoryCopy(warp, lanes, pc);
    break;
  case Op::CopyAsync:
    copyAsync(warp, lanes, pc);
    break;
  case Op::CommitCopies:
    commitCopies(warp, lanes, inst.imm);
    break;
  case Op::WaitForCopies:
    waitForCopies(warp, lanes, inst);
    break;
  case Op::ArriveAfterCopies:
    arriveAfterCopies(warp, lanes, pc);
    break;
  case Op::BulkLoad:
    bulkLoad(warp, lanes, pc);
    break;
  case Op::BulkStore:
    bulkStore(warp, lanes, pc);
    break;
  case Op::TensorCopy:
    tensorCopy(warp, lanes, pc);
    break;
  case Op::ProxyFence:
    proxyFence(warp, lanes);
    break;
  case Op::MBarrierInit:
    initMBarrier(warp, lanes, pc);
    break;
  case Op::MBarrierInval:
    invalidateMBarrier(warp, lanes, pc);
    break;
  case Op::MBarrierArrive:
    arriveAtMBarrier(warp, lanes, pc);
    break;
  case Op::MBarrierWait:
    return waitAtMBarrier(warp, index);
  case Op::LoadMatrix:
  case Op::StoreMatrix:
  case Op::Multiply:
  case Op::MultiplyAsync:
  case Op::WgmmaFence:
  case Op::WgmmaCommit:
  case Op::WgmmaWait:
  case Op::WarpSync:
  case Op::Shuffle:
  case Op::Vote:
  case Op::Reduce:
  case Op::Match:
  case Op::Elect:
    converge(warp, index);
    return false;
  case Op::BlockSync:
  case Op::BlockArrive:
    return arriveAtBarrier(warp, index, inst.op == Op::BlockSync);
  case Op::Jump:
    jump(warp, index, inst.target);
    return index == 0 && warp.groups.size() == 1;
  case Op::Branch:
    branch(warp, index, inst);
    return index == 0 && warp.groups.size() == 1;
  case Op::Switch:
    switchTo(warp, index, inst);
    return index == 0 && warp.groups.size() == 1;
  case Op::Exit:
    exit(warp, index);
    return false;
  case Op::Trap:
    report(FindingKind::Trap, pc, 0, [&] {
      return threadName(*warp.block, warp.thread(__builtin_ctz(lanes))) + " executes a trap";
    });
    stopped = true;
    return false;
  }
  group.pc = pc + 1;
  return true;
}

/// Moves the group and merges it with one that waits to run the same instruction.
void Machine::jump(Warp &warp, size_t index, uint32_t pc) {
  Group &group = warp.groups[index];
  group.pc = pc;
  for (Group &other : warp.groups)
    if (&other != &group && isReady(other) && other.pc == pc) {
      other.lanes |= group.lanes;
      warp.groups.erase(&group);
      return;
    }
}

void Machine::branch(Warp &warp, size_t index, const Instruction &inst) {
  Group &group = warp.groups[index];
  const Lanes &condition = warp.registers[inst.a];
  uint32_t taken = 0;
  for (uint32_t lanes = group.lanes; lanes; lanes &= lanes - 1)
    taken |= (condition.v[__builtin_ctz(lanes)] & 1) << __builtin_ctz(lanes);
  uint32_t rest = group.lanes & ~taken;
  if (!taken || !rest) {
    jump(warp, index, taken ? inst.target : inst.otherwise);
    return;
  }
  group.lanes = taken;
  warp.groups.push_back({inst.otherwise, rest});
  size_t second = warp.groups.size() - 1;
  jump(warp, second, inst.otherwise);
  jump(warp, index, inst.target);
}

/// wideList holds pairs of a case and its target.
void Machine::switchTo(Warp &warp, size_t index, const Instruction &inst) {
  uint32_t left = warp.groups[index].lanes;
  std::map<uint32_t, uint32_t> lanesOf;
  for (uint32_t lanes = left; lanes; lanes &= lanes - 1) {
    unsigned lane = __builtin_ctz(lanes);
    uint32_t target = inst.otherwise;
    for (uint32_t i = 0; i != inst.listCount; i += 2)
      if (program.wideList[inst.list + i] == warp.registers[inst.a].v[lane])
        target = program.wideList[inst.list + i + 1];
    lanesOf[target] |= 1u << lane;
  }
  warp.groups.erase(warp.groups.begin() + index);
  for (auto [target, lanes] : lanesOf) {
    warp.groups.push_back({target, lanes});
    jump(warp, warp.groups.size() - 1, target);
  }
}

void Machine::exit(Warp &warp, size_t index) {
  uint32_t lanes = warp.groups[index].lanes;
  warp.groups.erase(warp.groups.begin() + index);
  warp.live &= ~lanes;
  warp.block->live -= __builtin_popcount(lanes);
  // Those that wait wait for live threads only.
  for (size_t i = 0; i != warp.groups.size(); ++i)
    if (Group &group = warp.groups[i]; group.state == Group::State::Converging)
      if (completeConvergence(warp, group.pc, group.members))
        i = -1;
  for (unsigned id = 0; id != warp.block->barriers.size(); ++id)
    releaseBarrier(*warp.block, id);
}

void Machine::report(FindingKind kind, uint32_t pc, uint32_t other, Text text) {
  auto [found, fresh] = known.try_emplace({kind, pc, other}, findings.size());
  if (fresh)
    findings.push_back({kind, pc, text(), 0});
  ++findings[found->second].count;
}

std::string Machine::threadName(const Block &block, unsigned thread) const {
  auto [x, y, z] = position(thread, launch.block);
  return llvm::formatv("thread ({0}, {1}, {2}) of block ({3}, {4}, {5})", x, y, z, block.id[0],
                       block.id[1], block.id[2]);
}

std::string Machine::agentName(uint32_t agent) const {
  unsigned index = agent % agentsPerBlock, of = index;
  const char *what = "";
  if (index >= agentOfBulkStores(0)) {
    what = "a bulk store of ";
    of = index - agentOfBulkStores(0);
  } else if (index >= agentOfCopies(0)) {
    what = "an asynchronous copy of ";
    of = index - agentOfCopies(0);
  } else if (index >= agentOfProducts(0)) {
    what = "an asynchronous product of the warp of ";
    of = (index - agentOfProducts(0)) * warpSize;
  } else if (index >= threadAgents) {
    auto [bx, by, bz] = position(agent / agentsPerBlock, launch.grid);
    return llvm::formatv("a bulk copy for mbarrier {0} of block ({1}, {2}, {3})",
                         index - threadAgents, bx, by, bz);
  }
  auto [x, y, z] = position(of, launch.block);
  auto [bx, by, bz] = position(agent / agentsPerBlock, launch.grid);
  return llvm::formatv("{0}thread ({1}, {2}, {3}) of block ({4}, {5}, {6})", what, x, y, z, bx, by,
                       bz);
}

} // namespace qcc::simt
