// How far a run over layers is, and how long it takes: estimated before it starts, measured while
// it goes on.
#ifndef QCC_DRIVER_PROGRESS_H
#define QCC_DRIVER_PROGRESS_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/raw_ostream.h"
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace qcc {

/// Work is counted in millions of multiply-adds, so that a layer of four times the width counts for
/// what it takes and not for one of many.
struct GroupSize {
  int64_t inputs = 0;    ///< K of the layers that share an input
  int64_t outputs = 0;   ///< N, summed over them
  int64_t positions = 0; ///< rows of the input over all samples
};

/// What choosing the codes of a group takes: second moments (twice as much again where the float
/// model is followed), the layers themselves on all samples, the factor of the moments, the walk
/// along columns.
uint64_t groupWork(const GroupSize &size, bool followFloat);

/// Millions of multiply-adds per second of sums of products on this machine now.
double probeWorkRate(unsigned threads);

/// "40 s", "12 min", "3.1 h".
std::string roughTime(double seconds);

/// Says once how long it will take, where that is long, and on a terminal how much is left.
class LayerProgress {
public:
  /// `what` names the run; an `estimate` on a run of `threads` is given before the first layer.
  LayerProgress(llvm::raw_ostream &err, llvm::StringRef what, bool quiet, bool estimate = false,
                unsigned threads = 0);
  ~LayerProgress();
  /// `done` of `all`, in any unit; `name` is what comes next.
  void operator()(uint64_t done, uint64_t all, llvm::StringRef name);

private:
  using Clock = std::chrono::steady_clock;
  void sayEstimate(uint64_t all);
  llvm::raw_ostream &err;
  std::string what;
  bool quiet, onTerminal, estimate, shown = false;
  unsigned threads;
  std::optional<double> expected; ///< seconds in all
  Clock::time_point start = Clock::now();
};

} // namespace qcc
#endif
