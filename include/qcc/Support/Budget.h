// Budgets as users write them: sizes such as 60MB, latencies such as 5ms@1x128,threads=2.
#ifndef QCC_SUPPORT_BUDGET_H
#define QCC_SUPPORT_BUDGET_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <string>
#include <vector>

namespace qcc {

/// "60MB", "1.5 GB", "512KiB" or a plain number of bytes; kB, MB, GB, TB are powers of 1000, KiB,
/// MiB, GiB powers of 1024. QCC1006 names `what`.
llvm::Expected<uint64_t> parseBytes(llvm::StringRef text, llvm::StringRef what);

/// At most so many milliseconds for one run of this kind.
struct LatencyBudget {
  enum class Run {
    Shape,  ///< the ids (or the first input) have the shape `dims`
    Decode, ///< a decoder's step of one token
    Prefill ///< a decoder's step of `tokens` tokens on an empty cache
  };
  double ms = 0;
  Run run = Run::Shape;
  std::vector<int64_t> dims;
  int64_t tokens = 0;
  unsigned threads = 0; ///< 0: the runtime's default

  bool operator==(const LatencyBudget &) const = default;
  /// Canonical text; parseLatency(str()) is equal.
  std::string str() const;
};

/// 5ms@1x128[,threads=2], 20us@decode, 1.5s@prefill512. QCC1006 names `what`.
llvm::Expected<LatencyBudget> parseLatency(llvm::StringRef text, llvm::StringRef what);

} // namespace qcc
#endif
