// A counter-based random generator; see Philox.h.
#include "qcc/Algorithms/Philox.h"

namespace qcc {

std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  auto [c0, c1, c2, c3] = counter;
  for (int round = 0; round < 10; ++round) {
    uint64_t first = uint64_t(0xD2511F53) * c0, second = uint64_t(0xCD9E8D57) * c2;
    c0 = static_cast<uint32_t>(second >> 32) ^ c1 ^ key[0];
    c1 = static_cast<uint32_t>(second);
    c2 = static_cast<uint32_t>(first >> 32) ^ c3 ^ key[1];
    c3 = static_cast<uint32_t>(first);
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return {c0, c1, c2, c3};
}

RandomStream::RandomStream(uint64_t seed, std::string_view text)
    : key{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)} {
  uint64_t hash = 0xcbf29ce484222325; // FNV-1a
  for (char c : text)
    hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  name[0] = static_cast<uint32_t>(hash);
  name[1] = static_cast<uint32_t>(hash >> 32);
}

std::array<uint32_t, 4> RandomStream::block(uint64_t i) const {
  return philox({static_cast<uint32_t>(i), static_cast<uint32_t>(i >> 32), name[0], name[1]}, key);
}

uint64_t RandomStream::below(uint64_t index, uint64_t bound) const {
  std::array<uint32_t, 4> words = block(index / 2);
  uint64_t draw = uint64_t(words[index % 2 * 2]) << 32 | words[index % 2 * 2 + 1];
  return static_cast<uint64_t>(static_cast<unsigned __int128>(draw) * bound >> 64);
}

} // namespace qcc
