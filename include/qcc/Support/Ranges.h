// Ranges of values over the samples of a calibration, one magnitude for each channel (index of the
// last axis), as a JSON file: {"schema": "qcc.ranges/1", "ranges": {"ID": [0.5, ...]}}.
#ifndef QCC_SUPPORT_RANGES_H
#define QCC_SUPPORT_RANGES_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <map>
#include <string>
#include <vector>

namespace qcc {

class RangeStore {
public:
  /// Takes rows of `channels` numbers into the range of `id`. NaN does not count. An id keeps the
  /// channels that it was first given; rows of other lengths are ignored, which `add` says by
  /// false.
  bool add(llvm::StringRef id, size_t channels, llvm::ArrayRef<float> rows);
  /// Largest magnitude of each channel, empty for an id that was never seen.
  llvm::ArrayRef<float> magnitudes(llvm::StringRef id) const;
  size_t size() const { return ranges.size(); }

  std::string toJson() const;
  /// Takes statistics files (Statistics.h) as well. Errors: 1530 with the line or the entry that is
  /// wrong, 1533.
  static llvm::Expected<RangeStore> fromJson(llvm::StringRef text, llvm::StringRef where);
  /// Errors: 1101, 1530.
  static llvm::Expected<RangeStore> read(llvm::StringRef path);

private:
  static llvm::Expected<RangeStore> fromStatistics(llvm::StringRef text, llvm::StringRef where);
  std::map<std::string, std::vector<float>, std::less<>> ranges;
};

} // namespace qcc
#endif
