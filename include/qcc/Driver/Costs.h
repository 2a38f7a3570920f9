// How long layers take on a machine: measured once by `qcc tune`, asked by the choice of schemes.
#ifndef QCC_DRIVER_COSTS_H
#define QCC_DRIVER_COSTS_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace qcc {

/// One measured layer: M rows times an [N, K] matrix, quantization of the rows included.
struct CostEntry {
  std::string scheme; ///< canonical; "f32" for floats
  unsigned threads = 1;
  int64_t m = 0, n = 0, k = 0;
  double ms = 0; ///< median
};

/// A table of costs as a JSON file: {"schema": "qcc.costs/1", "target": LEVEL, "layers": [...]}.
class CostTable {
public:
  std::string target; ///< feature level that ran
  std::vector<CostEntry> entries;

  /// Predicted milliseconds of a layer; nothing when the table has no entry of the scheme. From the
  /// measured matrix of the nearest shape, scaled by the number of weights, with M between the two
  /// nearest measured ones interpolated linearly.
  std::optional<double> predict(llvm::StringRef scheme, unsigned threads, int64_t m, int64_t n,
                                int64_t k) const;

  std::string toJson() const;
  /// Errors: 1101, 1874.
  static llvm::Expected<CostTable> read(llvm::StringRef path);
  static llvm::Expected<CostTable> fromJson(llvm::StringRef text, llvm::StringRef where);
};

} // namespace qcc
#endif
