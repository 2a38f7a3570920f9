// The swizzles that tensor copies and wgmma apply to addresses in shared memory.
#ifndef QCC_SIMT_SWIZZLE_H
#define QCC_SIMT_SWIZZLE_H

#include <cstdint>

namespace qcc::simt {

/// Mode 1, 2 and 3 of a tensor map: within 32, 64 or 128 bytes the 16-byte chunks are permuted by
/// the bits of the address from 128 on.
inline uint64_t swizzled(uint64_t address, unsigned mode) {
  uint64_t chunks = (1u << mode) - 1;
  return address ^ (address >> 7 & chunks) << 4;
}

} // namespace qcc::simt

#endif
