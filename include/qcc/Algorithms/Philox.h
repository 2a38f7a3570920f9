// Random numbers that are a function of a counter: any of them can be had at once, in any order,
// from any thread, the same on every machine.
#ifndef QCC_ALGORITHMS_PHILOX_H
#define QCC_ALGORITHMS_PHILOX_H

#include <array>
#include <cstdint>
#include <string_view>

namespace qcc {

/// Philox4x32-10 (Salmon et al. 2011, Parallel random numbers: as easy as 1, 2, 3).
std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

/// Numbers for one purpose: of the seed of a run and the name of what is random, e.g. a tensor.
class RandomStream {
public:
  RandomStream(uint64_t seed, std::string_view name);
  uint32_t bits(uint64_t index) const { return block(index / 4)[index % 4]; }
  /// In [0, 1), with 24 bits.
  float uniform(uint64_t index) const { return static_cast<float>(bits(index) >> 8) * 0x1p-24f; }
  /// In [0, bound), by multiplication; the bias is below bound / 2^64.
  uint64_t below(uint64_t index, uint64_t bound) const;
  /// Four numbers, of indices 4 i to 4 i + 3.
  std::array<uint32_t, 4> block(uint64_t i) const;

private:
  std::array<uint32_t, 2> key;
  uint32_t name[2];
};

} // namespace qcc
#endif
