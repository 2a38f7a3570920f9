// Comparing outputs with expected ones.
#include "qcc/Quality/Compare.h"
#include "qcc/Support/Diagnostics.h"
#include "qcc/Support/Print.h"
#include <cmath>
#include <limits>

using namespace qcc;
using namespace qcc::data;
using namespace qcc::quality;

/// How far beyond the tolerance two floats are: at most 1 is equal.
static double excess(double got, double want, Tolerance tolerance) {
  constexpr double never = std::numeric_limits<double>::infinity();
  if (std::isnan(got) || std::isnan(want))
    return std::isnan(got) && std::isnan(want) ? 0 : never;
  if (std::isinf(got) || std::isinf(want))
    return got == want ? 0 : never;
  double difference = std::abs(got - want);
  double bound = tolerance.atol + tolerance.rtol * std::abs(want);
  if (difference <= bound)
    return 0;
  return bound > 0 ? difference / bound : never;
}

Comparison quality::compareTensors(const HostTensor &got, const HostTensor &want,
                                   Tolerance tolerance) {
  Comparison result;
  result.sameType = got.dtype() == want.dtype();
  result.sameShape = got.dims() == want.dims();
  if (!result.sameType || !result.sameShape)
    return result;
  bool floats = isFloatType(got.dtype());
  int64_t worst = -1;
  double worstExcess = 0, worstDifference = -1;
  result.count = got.count();
  for (int64_t i = 0; i < got.count(); ++i) {
    double a = got.number(i), b = want.number(i), difference = std::abs(a - b);
    if (std::isfinite(difference))
      result.maxAbs = std::max(result.maxAbs, difference);
    double beyond =
        floats ? excess(a, b, tolerance) : (got.integer(i) == want.integer(i) ? 0 : 1 + difference);
    if (beyond == 0)
      continue;
    ++result.bad;
    if (worst < 0 || beyond > worstExcess ||
        (beyond == worstExcess && difference > worstDifference)) {
      worst = i;
      worstExcess = beyond;
      worstDifference = difference;
    }
  }
  if (worst < 0)
    return result;
  result.worstGot = got.number(worst);
  result.worstWant = want.number(worst);
  result.worstIndex.resize(got.rank());
  for (int64_t axis = got.rank() - 1; axis >= 0; --axis) {
    result.worstIndex[axis] = worst % got.dims()[axis];
    worst /= got.dims()[axis];
  }
  return result;
}

llvm::Error quality::comparisonError(const Comparison &result, const HostTensor &got,
                                     const HostTensor &want, llvm::StringRef where,
                                     llvm::StringRef output) {
  std::string label = ("output '" + output + "'").str();
  if (!result.sameType)
    return makeError(Diag::OutputMismatch, where.str(),
                     label + " has type " + dtypeName(got.dtype()).str() + ", expected " +
                         dtypeName(want.dtype()).str());
  if (!result.sameShape)
    return makeError(Diag::OutputMismatch, where.str(),
                     label + " has shape " + dimsToString(got.dims()) + ", expected " +
                         dimsToString(want.dims()));
  std::string index = "[";
  for (size_t axis = 0; axis < result.worstIndex.size(); ++axis)
    index += (axis ? ", " : "") + std::to_string(result.worstIndex[axis]);
  return makeError(Diag::OutputsDiffer, where.str(),
                   label + " differs in " + std::to_string(result.bad) + " of " +
                       std::to_string(result.count) + " elements, worst at " + index + "]: got " +
                       formatNumber(result.worstGot) + ", expected " +
                       formatNumber(result.worstWant));
}

int64_t quality::countNotFinite(const HostTensor &tensor) {
  int64_t count = 0;
  if (isFloatType(tensor.dtype()))
    for (int64_t i = 0; i < tensor.count(); ++i)
      count += !std::isfinite(tensor.number(i));
  return count;
}
