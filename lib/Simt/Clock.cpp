// Vector clocks, one vector of epochs for each block that is known.
#include "Clock.h"
#include <algorithm>

namespace qcc::simt {

uint32_t Clock::at(uint32_t block, uint32_t index) const {
  auto found = blocks.find(block);
  return found == blocks.end() || index >= found->second->size() ? 0 : (*found->second)[index];
}

std::vector<uint32_t> &Clock::unshared(uint32_t block) {
  Epochs &epochs = blocks[block];
  if (!epochs)
    epochs = std::make_shared<std::vector<uint32_t>>();
  else if (epochs.use_count() > 1)
    epochs = std::make_shared<std::vector<uint32_t>>(*epochs);
  return *epochs;
}

void Clock::raise(uint32_t block, uint32_t index, uint32_t epoch) {
  std::vector<uint32_t> &epochs = unshared(block);
  if (index >= epochs.size())
    epochs.resize(index + 1);
  epochs[index] = std::max(epochs[index], epoch);
}

void Clock::join(const Clock &other) {
  for (const auto &[block, theirs] : other.blocks) {
    Epochs &ours = blocks[block];
    if (ours == theirs)
      continue;
    if (!ours) {
      ours = theirs;
      continue;
    }
    std::vector<uint32_t> &epochs = unshared(block);
    if (epochs.size() < theirs->size())
      epochs.resize(theirs->size());
    for (size_t i = 0; i != theirs->size(); ++i)
      epochs[i] = std::max(epochs[i], (*theirs)[i]);
  }
}

void joinInto(SharedClock &clock, const SharedClock &other) {
  if (!other || clock == other)
    return;
  if (!clock) {
    clock = other;
    return;
  }
  auto joined = std::make_shared<Clock>(*clock);
  joined->join(*other);
  clock = std::move(joined);
}

void Order::join(const Order &other) {
  joinInto(plain, other.plain);
  joinInto(proxied, other.proxied);
}

} // namespace qcc::simt
