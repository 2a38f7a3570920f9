// What a GPU can do at most: for rooflines and for how many blocks it holds at once.
#ifndef QCC_TARGET_DEVICE_H
#define QCC_TARGET_DEVICE_H

#include "qcc/Target/Target.h"

namespace qcc {

/// A device that a level's code runs on, as its maker describes it.
struct Device {
  const char *level, *name;
  int multiprocessors;
  double bytesPerSecond; ///< of its memory
  // Operations a second, two a multiply-add; products of int8 and bf16 in dense matrices.
  double int8, bf16, f32;
  // Of a multiprocessor: 32-bit registers, threads, blocks, bytes of shared memory.
  int64_t registers, threads, blocks, sharedBytes;
};

/// The device that stands for `target`, or null where it is no GPU.
const Device *deviceOf(const Target &target);

/// A kernel that follows another one in a graph of launches takes so long at least: an assumption,
/// not measured.
constexpr double kGraphLaunchSeconds = 1.5e-6;

/// What a block of a kernel takes.
struct BlockNeeds {
  int64_t threads = 0, registers = 0, sharedBytes = 0; ///< registers: of a thread
};

struct Occupancy {
  int64_t blocks = 0;     ///< that a multiprocessor holds at once
  double share = 0;       ///< of the threads that it could hold
  const char *limit = ""; ///< what there is too little of for one more
};

/// Registers are given to warps in units of 256; each block has 1 KB of shared memory of the
/// system's (CUDA C++ Programming Guide, technical specifications per compute capability).
Occupancy occupancyOf(const Device &device, const BlockNeeds &needs);

} // namespace qcc
#endif
