// Vector clocks: which accesses of which agents are ordered before a point of a thread.
#ifndef QCC_SIMT_CLOCK_H
#define QCC_SIMT_CLOCK_H

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace qcc::simt {

/// An agent is a thread, or something that copies on a thread's behalf. Agents are numbered block
/// by block, `stride` to a block.
struct Stamp {
  uint32_t agent;
  uint32_t epoch;
};

/// For each agent the last epoch that is ordered before; what is not listed is zero. Immutable once
/// shared: threads that passed one barrier hold the same clock. Epochs of one block are one vector,
/// since synchronisation between blocks is rare.
class Clock {
public:
  uint32_t at(uint32_t block, uint32_t index) const;
  void raise(uint32_t block, uint32_t index, uint32_t epoch);
  void join(const Clock &other);

private:
  using Epochs = std::shared_ptr<std::vector<uint32_t>>;
  std::vector<uint32_t> &unshared(uint32_t block);

  std::map<uint32_t, Epochs> blocks;
};
using SharedClock = std::shared_ptr<const Clock>;

/// What is ordered before a point: for plain accesses, and for those of the asynchronous proxy,
/// which sees plain writes behind a proxy fence only.
struct Order {
  SharedClock plain, proxied;

  void join(const Order &other);
};

/// The clock, or what both order; null orders nothing.
void joinInto(SharedClock &clock, const SharedClock &other);

/// The order as one thread sees it.
struct ThreadClock {
  uint32_t epoch = 1;
  Order before;             // what is ordered before the thread's next access
  SharedClock releaseFence; // at its last release fence
  SharedClock toAcquire;    // what its relaxed loads saw, for the next acquire fence
};

} // namespace qcc::simt

#endif
