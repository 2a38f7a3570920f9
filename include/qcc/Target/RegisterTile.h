// Blocks of results of a matrix product whose sums stay in registers over all of K.
#ifndef QCC_TARGET_REGISTERTILE_H
#define QCC_TARGET_REGISTERTILE_H

#include <cstdint>
#include <vector>

namespace qcc {

struct RegisterTile {
  int rows = 1;
  int panels = 1; ///< of 16 columns
  bool operator==(const RegisterTile &) const = default;
};

/// The tile of products of `fromRows` rows or more.
struct TileRule {
  int64_t fromRows = 1;
  RegisterTile tile;
  bool operator==(const TileRule &) const = default;
};

/// By rows, descending; the last is from one row.
using TileRules = std::vector<TileRule>;

} // namespace qcc
#endif
