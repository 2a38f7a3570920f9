// Best fit over the flat list of launches.
#include "ArenaPlan.h"

using namespace qcc::lower;
using namespace qcc::qnt;

namespace {
/// A size to compare by: symbols at values of the order that models see.
int64_t sampleSize(DimExpr bytes) {
  llvm::StringMap<int64_t> values;
  bytes.collectSymbols([&](llvm::StringRef name) { values.try_emplace(name, 64); });
  return bytes.evaluate(values).value_or(0);
}

/// Adds `bytes` unless a size that is never smaller is there; drops sizes that it never falls
/// below.
void addSize(llvm::SmallVector<DimExpr> &sizes, DimExpr bytes) {
  for (DimExpr size : sizes)
    if ((size - bytes).isNonNegative())
      return;
  llvm::erase_if(sizes, [&](DimExpr size) { return (bytes - size).isNonNegative(); });
  sizes.push_back(bytes);
}
} // namespace

ArenaPlan ArenaPlan::build(llvm::MutableArrayRef<Lifetime> lifetimes) {
  struct Slot {
    int64_t size = 0;
    size_t freeAfter = 0, freeAfterLevel = 0;
  };
  ArenaPlan plan;
  std::vector<Slot> slots;
  for (Lifetime &buffer : lifetimes) {
    int64_t size = sampleSize(buffer.bytes);
    // The tightest free slot that is large enough, else the largest free one.
    int best = -1;
    for (size_t i = 0; i < slots.size(); ++i) {
      if (slots[i].freeAfter >= buffer.first || slots[i].freeAfterLevel >= buffer.firstLevel)
        continue;
      bool fits = slots[i].size >= size, bestFits = best >= 0 && slots[best].size >= size;
      if (best < 0 || (fits && (!bestFits || slots[i].size < slots[best].size)) ||
          (!fits && !bestFits && slots[i].size > slots[best].size))
        best = i;
    }
    if (best < 0) {
      best = slots.size();
      slots.emplace_back();
      plan.slots.emplace_back();
    }
    slots[best].size = std::max(slots[best].size, size);
    slots[best].freeAfter = buffer.last;
    slots[best].freeAfterLevel = buffer.lastLevel;
    addSize(plan.slots[best], buffer.bytes);
    buffer.slot = best;
  }
  return plan;
}
