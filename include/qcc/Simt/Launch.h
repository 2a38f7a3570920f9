// How a kernel is launched in the tile interpreter, and what is counted while it runs.
#ifndef QCC_SIMT_LAUNCH_H
#define QCC_SIMT_LAUNCH_H

#include "llvm/ADT/StringRef.h"
#include <array>
#include <cstdint>
#include <vector>

namespace qcc::simt {

struct Launch {
  std::array<unsigned, 3> grid = {1, 1, 1};
  std::array<unsigned, 3> block = {32, 1, 1};
  unsigned dynamicSharedBytes = 0;
  /// Decides the order of blocks, warps and asynchronous copies; equal seeds give equal runs.
  uint64_t seed = 1;
  /// Instructions of warps after which a run counts as hung.
  uint64_t maxSteps = 1ull << 32;
  /// How many blocks run interleaved; 0 lets the seed choose from 1 to 4. Kernels whose blocks
  /// wait for each other need all of them.
  unsigned residentBlocks = 0;
  /// Whether unordered writes of equal bytes are findings.
  bool reportBenignWrites = true;
};

/// One kernel argument: its bytes, as the parameter (by value if it has llvm.byval) holds them.
using Argument = std::vector<uint8_t>;
template <typename T> Argument argument(const T &value) {
  auto *bytes = reinterpret_cast<const uint8_t *>(&value);
  return Argument(bytes, bytes + sizeof(T));
}

/// What can be wrong with an execution. A finding is a fault of the kernel, whatever the values
/// that came out.
enum class FindingKind : uint8_t {
  Race,           // two accesses without order, one of them a write
  BenignWrite,    // two writes of equal bytes without order
  OutOfBounds,    // outside of every allocation; a load gives zero, a store does nothing
  Misaligned,     // an address that the instruction may not have
  Uninitialized,  // a read of bytes that nothing wrote
  Deadlock,       // threads wait and nothing can release them, or the step limit
  Divergence,     // the wrong threads take part in a synchronisation
  AsyncNotWaited, // bytes of an asynchronous operation used before it was waited for
  ProxyFence,     // a plain write seen by an asynchronous operation without a proxy fence
  Barrier,        // misuse of an mbarrier: not initialised, too many arrivals, wrong byte counts
  Trap,           // llvm.intr.trap or llvm.unreachable was executed
};
llvm::StringRef findingName(FindingKind kind);

struct Counts {
  uint64_t threadInstructions = 0;
  uint64_t warpInstructions = 0;
  uint64_t sectors = 0;      // 32-byte sectors of global memory, over all accesses of warps
  uint64_t idealSectors = 0; // as few as their bytes fit into
  uint64_t extraPasses = 0;  // of shared memory, beyond those without bank conflicts
  uint64_t blockBarriers = 0;
};

} // namespace qcc::simt

#endif
