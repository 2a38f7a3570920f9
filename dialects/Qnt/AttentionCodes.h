// The largest codes of attention with `products = i16`, which its formula names.
#ifndef QCC_QNT_ATTENTIONCODES_H
#define QCC_QNT_ATTENTIONCODES_H

#include <cstdint>

namespace qcc::qnt {

/// Keys whose weights and values are multiplied before sums become floats.
constexpr int64_t attentionKeyBlock = 64;

/// The largest code of a value and of a weight: a block of their products fits 32 bits.
constexpr int64_t attentionValueLevels = 8191, attentionWeightLevels = 4095;
static_assert(attentionValueLevels * attentionWeightLevels * attentionKeyBlock < INT64_C(1) << 31);

/// The largest code of queries and keys of heads of this width: all their products fit 32 bits.
constexpr int64_t attentionQueryLevels(int64_t channels) {
  int64_t levels = 32767;
  while (channels * levels * levels >= INT64_C(1) << 31)
    --levels;
  return levels;
}

} // namespace qcc::qnt
#endif
