// Which buffers share memory. Sizes are expressions, so slots are chosen by the sizes at sample
// values of the symbols and made correct for all values by taking maxima.
#ifndef QCC_LIB_LOWER_ARENAPLAN_H
#define QCC_LIB_LOWER_ARENAPLAN_H

#include "Qnt/DimExpr.h"

namespace qcc::lower {

/// A buffer alive from step `first` to step `last`, both included, and from one level of steps to
/// another: what a GPU may do at the same time is of one level. Slots are shared by buffers that
/// are not alive together in either sense.
struct Lifetime {
  qnt::DimExpr bytes;
  size_t first, last;
  size_t firstLevel, lastLevel;
  size_t slot = 0; ///< result
};

struct ArenaPlan {
  /// Sizes that a slot must be able to hold: its size is their maximum, rounded up to 64.
  std::vector<llvm::SmallVector<qnt::DimExpr>> slots;

  /// Assigns slots to `lifetimes`, which ascend in `first`.
  static ArenaPlan build(llvm::MutableArrayRef<Lifetime> lifetimes);
};

} // namespace qcc::lower
#endif
