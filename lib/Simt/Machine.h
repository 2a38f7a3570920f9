// The machine: blocks of warps that execute a program in an order that a seed decides.
#ifndef QCC_SIMT_MACHINE_H
#define QCC_SIMT_MACHINE_H

#include "Clock.h"
#include "Program.h"
#include "Shadow.h"
#include "qcc/Simt/Device.h"
#include "qcc/Simt/Launch.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"
#include <map>
#include <random>
#include <unordered_map>

namespace qcc::simt {

/// Lanes of a warp at one instruction. Lanes that diverge form groups that are scheduled by
/// themselves until they meet again.
struct Group {
  enum class State : uint8_t { Ready, Converging, AtBarrier, Polling };
  uint32_t pc = 0;
  uint32_t lanes = 0;
  State state = State::Ready;
  uint32_t members = 0; // Converging: the lanes it waits for
  uint8_t barrier = 0;  // AtBarrier
};

/// What a warp has issued with wgmma and not waited for.
struct WarpgroupState {
  struct Accumulators {
    uint32_t first, count, group;
  };
  uint32_t committed = 0;
  bool fenced = false;
  llvm::SmallVector<Accumulators, 8> inFlight; // registers that only the wait makes readable
};

struct Block;

struct Warp {
  Block *block;
  unsigned index;
  uint32_t live; // lanes that exist and have not exited
  std::vector<Lanes> registers;
  std::vector<uint8_t> local; // of one lane after another
  llvm::SmallVector<Group, 4> groups;
  WarpgroupState wgmma = {};

  unsigned thread(unsigned lane) const { return index * warpSize + lane; }
};

/// The clocks of those who arrive at one synchronisation.
class Gathering {
public:
  /// The thread's accesses so far; those after are of its next epoch.
  void add(ThreadClock &clock, unsigned thread);
  /// What another agent of the block has done up to an epoch.
  void add(unsigned agent, uint32_t epoch) { epochs.push_back({agent, epoch}); }
  Order joined(uint32_t block) const;

private:
  llvm::SmallVector<SharedClock, 4> plain, proxied; // distinct ones
  llvm::SmallVector<std::pair<unsigned, uint32_t>, 32> epochs;
};

/// One of the sixteen barriers of a block.
struct BlockBarrier {
  unsigned arrived = 0;
  unsigned count = 0; // of threads; zero is all that are live
  uint32_t pc = 0;    // of the first arrival
  Gathering gathering;
};

/// An mbarrier object in shared memory.
struct MBarrier {
  unsigned index; // among those of the block
  uint32_t count = 0, pending = 0;
  int64_t bytes = 0; // expected and not yet there
  uint32_t phase = 0;
  uint32_t firstEpoch = 1; // of the agent that copies for it, in phase 0
  Gathering gathering = {};
  Order completed = {}; // at the end of the phase before
};

/// Asynchronous copies of one thread. Epochs number what is waited for together.
struct CopyGroups {
  uint32_t epoch = 1;
  std::vector<uint32_t> committed; // epoch of each group
  uint32_t issued = 0, waited = 0; // the last epochs that there was a copy in and a wait for
  uint32_t pc = 0;                 // of the last copy

  void issue(uint32_t at) {
    issued = epoch;
    pc = at;
  }
};

struct Block {
  uint32_t linear;
  std::array<unsigned, 3> id;
  unsigned live; // threads that have not exited
  std::vector<Warp> warps;
  std::vector<ThreadClock> clocks;
  std::vector<uint8_t> shared; // begins at sharedBase
  Shadow sharedShadow;
  std::array<BlockBarrier, 16> barriers;
  std::map<uint64_t, MBarrier> mbarriers = {};          // by offset
  std::vector<CopyGroups> copies = {}, bulkStores = {}; // by thread
};

/// An asynchronous copy that has been issued and is performed at some time before it is waited for.
struct Transfer {
  struct Piece {
    uint8_t *to;
    const uint8_t *from;
    uint32_t bytes, zeros; // zeros follow the bytes
  };
  enum class Kind : uint8_t { Copy, ArriveAfterCopies, BulkLoad, BulkStore };
  Kind kind;
  Block *block;
  unsigned thread;
  uint32_t epoch, pc;
  uint64_t mbarrier = 0, bytes = 0; // what completes when it is performed
  llvm::SmallVector<Piece, 1> pieces = {};
};

class Machine {
public:
  struct Found {
    FindingKind kind;
    uint32_t pc;
    std::string text;
    uint64_t count;
  };
  struct AccessCounts {
    uint64_t warpAccesses = 0, sectors = 0, idealSectors = 0, extraPasses = 0;
  };

  /// `describe` names an instruction's place in the source.
  Machine(const Program &program, Device &device, llvm::ArrayRef<Argument> arguments,
          const Launch &launch, llvm::function_ref<std::string(uint32_t pc)> describe);
  ~Machine();

  void run();

  std::vector<Found> findings;
  Counts counts;
  std::vector<AccessCounts> accesses; // by instruction

private:
  /// Bytes of some memory that one lane accesses.
  struct Place {
    uint8_t *bytes = nullptr;
    Shadow *shadow = nullptr; // null where no other thread can reach
    uint64_t offset = 0;
  };
  using Text = llvm::function_ref<std::string()>;

  // Machine.cpp: life of blocks, scheduling, control flow
  void admitBlocks();
  std::unique_ptr<Block> makeBlock(uint32_t linear);
  void setParameters(Warp &warp);
  Warp *pickWarp();
  size_t pickGroup(const Warp &warp);
  void runGroup(Warp &warp, size_t group);
  /// Whether the group goes on; false where it waits, exited or was merged.
  bool step(Warp &warp, size_t group);
  void jump(Warp &warp, size_t group, uint32_t pc);
  void branch(Warp &warp, size_t group, const Instruction &inst);
  void switchTo(Warp &warp, size_t group, const Instruction &inst);
  void exit(Warp &warp, size_t group);
  uint64_t random(uint64_t below) { return rng() % below; }

  // Straight.cpp: instructions that only touch registers
  void map(Warp &warp, uint32_t lanes, const Instruction &inst);
  void copy(Warp &warp, uint32_t lanes, const Instruction &inst);
  void address(Warp &warp, uint32_t lanes, const Instruction &inst);
  void element(Warp &warp, uint32_t lanes, const Instruction &inst);
  void bitcast(Warp &warp, uint32_t lanes, const Instruction &inst);
  void special(Warp &warp, uint32_t lanes, const Instruction &inst);
  uint64_t specialValue(const Warp &warp, unsigned lane, Special which) const;

  // MemoryOps.cpp
  void load(Warp &warp, uint32_t lanes, uint32_t pc);
  void store(Warp &warp, uint32_t lanes, uint32_t pc);
  void memorySet(Warp &warp, uint32_t lanes, uint32_t pc);
  void memoryCopy(Warp &warp, uint32_t lanes, uint32_t pc);
  Place locate(Warp &warp, unsigned lane, uint32_t pc, Space space, uint64_t address,
               uint64_t bytes);
  Place rowOfMatrix(Warp &warp, unsigned giver, uint32_t pc);
  Place locateShared(Warp &warp, uint64_t offset, uint64_t bytes);
  void outOfBounds(Warp &warp, unsigned lane, uint32_t pc, Space space, uint64_t address,
                   uint64_t bytes);
  bool aligned(Warp &warp, unsigned lane, uint32_t pc, uint64_t address, uint32_t alignment);
  void observe(Warp &warp, unsigned lane, uint32_t pc, const Place &place, uint32_t bytes,
               uint8_t flags);
  void overwrite(Warp &warp, unsigned lane, uint32_t pc, const Place &place, const uint8_t *data,
                 uint32_t bytes, uint8_t flags);
  void conflict(Warp &warp, unsigned lane, uint32_t pc, const Accessor &me, const Accessor &earlier,
                bool equalBytes);
  void countAccess(Warp &warp, uint32_t lanes, uint32_t pc, Space space, uint32_t bytes);

  // AtomicOps.cpp
  void atomicReadModifyWrite(Warp &warp, uint32_t lanes, uint32_t pc);
  void compareExchange(Warp &warp, uint32_t lanes, uint32_t pc);
  void fence(Warp &warp, uint32_t lanes, uint8_t flags);
  void afterAtomicRead(Warp &warp, unsigned lane, const uint8_t *word, uint8_t flags);
  void beforeAtomicWrite(Warp &warp, unsigned lane, const uint8_t *word, uint8_t flags,
                         bool modifies);

  // WarpOps.cpp
  void converge(Warp &warp, size_t group);
  bool completeConvergence(Warp &warp, uint32_t pc, uint32_t members);
  void executeTogether(Warp &warp, uint32_t lanes, uint32_t pc);
  void syncWarp(Warp &warp, uint32_t lanes);
  void shuffle(Warp &warp, uint32_t lanes, uint32_t pc);
  void vote(Warp &warp, uint32_t lanes, const Instruction &inst);
  void reduce(Warp &warp, uint32_t lanes, const Instruction &inst);
  void match(Warp &warp, uint32_t lanes, const Instruction &inst);
  void elect(Warp &warp, uint32_t lanes, const Instruction &inst);

  // BarrierOps.cpp
  bool arriveAtBarrier(Warp &warp, size_t group, bool waits);
  void releaseBarrier(Block &block, unsigned id);
  void reportStuck();

  // AsyncOps.cpp: cp.async and the bulk copies
  void copyAsync(Warp &warp, uint32_t lanes, uint32_t pc);
  void commitCopies(Warp &warp, uint32_t lanes, bool bulk);
  void waitForCopies(Warp &warp, uint32_t lanes, const Instruction &inst);
  void arriveAfterCopies(Warp &warp, uint32_t lanes, uint32_t pc);
  void bulkLoad(Warp &warp, uint32_t lanes, uint32_t pc);
  void bulkStore(Warp &warp, uint32_t lanes, uint32_t pc);
  void perform(size_t transfer);
  void performUpTo(Block &block, unsigned thread, Transfer::Kind kind, uint32_t epoch);
  void endBlock(Block &block);
  void proxyFence(Warp &warp, uint32_t lanes);

  // TensorOps.cpp: copies of boxes of tensors
  void tensorCopy(Warp &warp, uint32_t lanes, uint32_t pc);

  // MBarrierOps.cpp
  void initMBarrier(Warp &warp, uint32_t lanes, uint32_t pc);
  void invalidateMBarrier(Warp &warp, uint32_t lanes, uint32_t pc);
  void arriveAtMBarrier(Warp &warp, uint32_t lanes, uint32_t pc);
  /// Whether the group goes on.
  bool waitAtMBarrier(Warp &warp, size_t group);
  MBarrier *mbarrierAt(Warp &warp, unsigned lane, uint32_t pc, uint64_t address, uint64_t &offset);
  void completePhase(Block &block, MBarrier &barrier);

  // MatrixOps.cpp and WarpgroupOps.cpp
  void loadMatrix(Warp &warp, uint32_t lanes, uint32_t pc);
  void storeMatrix(Warp &warp, uint32_t lanes, uint32_t pc);
  void multiply(Warp &warp, uint32_t lanes, const Instruction &inst);
  void multiplyAsync(Warp &warp, uint32_t lanes, uint32_t pc);
  void commitProducts(Warp &warp);
  void waitForProducts(Warp &warp, uint32_t lanes, const Instruction &inst);
  void checkInFlight(Warp &warp, uint32_t pc);

  /// An access by what works for a thread: ordered as the thread is when it issues it.
  void accessFor(Warp &warp, unsigned lane, uint32_t pc, Stamp stamp, const Place &place,
                 uint64_t bytes, bool write);
  /// Whether plain writes to the bytes are visible to the asynchronous proxy.
  void checkProxy(Warp &warp, unsigned lane, uint32_t pc, const Place &place, uint64_t bytes);

  // Report
  void report(FindingKind kind, uint32_t pc, uint32_t other, Text text);
  std::string threadName(const Block &block, unsigned thread) const;
  std::string agentName(uint32_t agent) const;
  std::array<unsigned, 3> position(unsigned linear, const std::array<unsigned, 3> &extent) const;

  // Clocks
  Stamp stampOf(const Warp &warp, unsigned lane) const {
    unsigned thread = warp.thread(lane);
    return {warp.block->linear * agentsPerBlock + thread, warp.block->clocks[thread].epoch};
  }
  bool ordered(const SharedClock &clock, Stamp earlier) const {
    return clock && clock->at(earlier.agent / agentsPerBlock, earlier.agent % agentsPerBlock) >=
                        earlier.epoch;
  }
  // Agents of a block: its threads, then one for each mbarrier, warp's products, and thread's
  // copies.
  static constexpr unsigned mbarrierLimit = 256;
  unsigned agentOfMBarrier(unsigned index) const { return threadAgents + index; }
  unsigned agentOfProducts(unsigned warp) const { return threadAgents + mbarrierLimit + warp; }
  unsigned agentOfCopies(unsigned thread) const {
    return threadAgents + mbarrierLimit + warpSize + thread;
  }
  unsigned agentOfBulkStores(unsigned thread) const { return agentOfCopies(threadAgents) + thread; }
  bool isThread(uint32_t agent) const { return agent % agentsPerBlock < threadAgents; }
  /// Whether the agent's writes go through the same proxy as those of threads.
  bool isPlain(uint32_t agent) const {
    unsigned index = agent % agentsPerBlock;
    return index < threadAgents || (index >= agentOfCopies(0) && index < agentOfBulkStores(0));
  }
  Stamp stampOfAgent(const Block &block, unsigned agent, uint32_t epoch) const {
    return {block.linear * agentsPerBlock + agent, epoch};
  }
  /// The thread has waited for what the agent did up to the epoch.
  void raise(Warp &warp, unsigned lane, unsigned agent, uint32_t epoch);
  SharedClock snapshot(Warp &warp, unsigned lane);

  const Program &program;
  Device &device;
  const Launch &launch;
  llvm::function_ref<std::string(uint32_t)> describe;
  std::mt19937_64 rng;
  uint32_t agentsPerBlock, threadAgents;
  unsigned threadsPerBlock;
  unsigned residentLimit;
  std::vector<uint32_t> waiting; // blocks that have not begun
  std::vector<std::unique_ptr<Block>> blocks;
  std::vector<uint8_t> parameters;       // of byval arguments
  std::vector<uint64_t> parameterValues; // one by one for all registers
  std::vector<uint32_t> parameterRegisters;
  std::vector<uint64_t> globals;                             // addresses of the module's variables
  std::unordered_map<const uint8_t *, SharedClock> released; // by word of atomics
  std::map<std::tuple<FindingKind, uint32_t, uint32_t>, size_t> known;
  std::vector<Transfer> transfers; // issued, not performed
  bool stopped = false;
};

} // namespace qcc::simt

#endif
