// When two tensors count as equal.
#ifndef QCC_QUALITY_COMPARE_H
#define QCC_QUALITY_COMPARE_H

#include "qcc/Data/HostTensor.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace qcc::quality {

struct Tolerance {
  double atol = 1e-3, rtol = 1e-3;
};

struct Comparison {
  bool sameType = true, sameShape = true;
  int64_t count = 0;               ///< elements compared
  int64_t bad = 0;                 ///< that differ by more than the tolerance
  double maxAbs = 0;               ///< largest finite |got - want|
  std::vector<int64_t> worstIndex; ///< of the element furthest beyond the tolerance
  double worstGot = 0, worstWant = 0;
  bool equal() const { return sameType && sameShape && bad == 0; }
};

/// Floats: |got - want| <= atol + rtol * |want| in f64, NaN equals NaN, infinities equal
/// themselves. Integers and bools: exact. Other types or shapes are never equal and not compared
/// further.
Comparison compareTensors(const data::HostTensor &got, const data::HostTensor &want,
                          Tolerance tolerance);

/// A failed comparison as QCC1801 or QCC1802: the worst element, both values, how many.
llvm::Error comparisonError(const Comparison &result, const data::HostTensor &got,
                            const data::HostTensor &want, llvm::StringRef where,
                            llvm::StringRef output);

/// Elements that are NaN or infinite.
int64_t countNotFinite(const data::HostTensor &tensor);

} // namespace qcc::quality
#endif
