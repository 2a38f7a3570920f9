// What calibration saw, as a JSON file that passes and later commands read:
//
//   {"schema": "qcc.statistics/1", "model": HASH, "data": HASH, "samples": N, "values": {ID: {
//     "channels": K, "positions": N, "min": x, "max": x, "drift": x,
//     "ranges": {"minmax": [low, high], "percentile": [..], "entropy": [..], "mse": [..],
//     "average": [..]}, "magnitude": [K numbers], "mean_magnitude": [..], "mean_square": [..]}}}
//
// IDs are those of the observers (qcc-observe-ranges): the node of the first layer that reads the
// value. Passes that ask for ranges by channel (Ranges.h) read these files as well.
#ifndef QCC_SUPPORT_STATISTICS_H
#define QCC_SUPPORT_STATISTICS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <map>
#include <string>
#include <vector>

namespace qcc {

/// Ways to find a range: keys of ValueStatistics::ranges.
inline constexpr llvm::StringLiteral kCollectors[] = {"minmax", "average", "percentile", "entropy",
                                                      "mse"};

/// The numbers that a static scale has to cover.
struct Interval {
  double low = 0, high = 0;
  bool operator==(const Interval &) const = default;
};

struct ValueStatistics {
  int64_t channels = 0;
  int64_t positions = 0; ///< rows that counted: those outside the attention mask never do
  double min = 0, max = 0;
  /// How much the range grew in the second half of the samples, relative to its width: near 0, more
  /// samples would not have changed it.
  double drift = 0;
  std::map<std::string, Interval> ranges;                  ///< by collector
  std::vector<float> magnitude, meanMagnitude, meanSquare; ///< by channel
  bool operator==(const ValueStatistics &) const = default;
};

class StatisticsStore {
public:
  std::string modelHash, dataHash;
  int64_t samples = 0;
  std::map<std::string, ValueStatistics, std::less<>> values;

  const ValueStatistics *find(llvm::StringRef id) const;
  std::string toJson() const;
  /// Errors: 1533 with the entry that is wrong.
  static llvm::Expected<StatisticsStore> fromJson(llvm::StringRef text, llvm::StringRef where);
  /// Errors: 1101, 1533.
  static llvm::Expected<StatisticsStore> read(llvm::StringRef path);
};

} // namespace qcc
#endif
