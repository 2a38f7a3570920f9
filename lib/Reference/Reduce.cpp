// Reductions, order statistics and scans.
#include "Detail.h"
#include "llvm/ADT/TypeSwitch.h"
#include <limits>
#include <numeric>

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;
using namespace qcc::reference;

namespace {

template <typename T> constexpr T lowest() {
  return std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity()
                                              : std::numeric_limits<T>::lowest();
}
template <typename T> constexpr T highest() {
  return std::numeric_limits<T>::has_infinity ? std::numeric_limits<T>::infinity()
                                              : std::numeric_limits<T>::max();
}

template <typename T> bool isNan(T x) { return x != x; }

/// Largest (smallest) of x(0) .. x(n - 1); NaN wins.
template <typename T, typename F> T extreme(int64_t n, bool largest, F x) {
  T best = largest ? lowest<T>() : highest<T>();
  for (int64_t i = 0; i < n; ++i) {
    T value = x(i);
    if (isNan(value))
      return value;
    if (largest ? best < value : value < best)
      best = value;
  }
  return best;
}

/// Real reductions; x(i) is the i-th reduced element in row-major order.
template <typename T, typename F> T reduceReal(ReduceKind kind, int64_t n, F x) {
  auto square = [&](int64_t i) { return x(i) * x(i); };
  switch (kind) {
  case ReduceKind::sum:
    return laneSum<T>(n, x);
  case ReduceKind::mean:
    return laneSum<T>(n, x) / T(n);
  case ReduceKind::max:
  case ReduceKind::min:
    return extreme<T>(n, kind == ReduceKind::max, x);
  case ReduceKind::prod: {
    T result = 1;
    for (int64_t i = 0; i < n; ++i)
      result *= x(i);
    return result;
  }
  case ReduceKind::l1:
    return laneSum<T>(n, [&](int64_t i) { return std::fabs(x(i)); });
  case ReduceKind::l2:
    return std::sqrt(laneSum<T>(n, square));
  case ReduceKind::sum_square:
    return laneSum<T>(n, square);
  case ReduceKind::log_sum:
    return std::log(laneSum<T>(n, x));
  case ReduceKind::log_sum_exp: {
    T m = extreme<T>(n, true, x);
    return n == 0 ? m : m + std::log(laneSum<T>(n, [&](int64_t i) { return std::exp(x(i) - m); }));
  }
  }
  return 0;
}

/// Integer reductions wrap; the mean truncates. Kinds with roots and logarithms have no meaning.
template <typename F>
std::optional<int64_t> reduceInteger(ReduceKind kind, int64_t n, bool isUnsigned, F x) {
  uint64_t sum = 0, prod = 1;
  for (int64_t i = 0; i < n; ++i) {
    int64_t value = x(i);
    if (kind == ReduceKind::l1 && value < 0 && !isUnsigned)
      value = int64_t(-uint64_t(value));
    sum += kind == ReduceKind::sum_square ? uint64_t(value) * uint64_t(value) : uint64_t(value);
    prod *= uint64_t(value);
  }
  switch (kind) {
  case ReduceKind::sum:
  case ReduceKind::l1:
  case ReduceKind::sum_square:
    return int64_t(sum);
  case ReduceKind::prod:
    return int64_t(prod);
  case ReduceKind::mean:
    return n == 0 ? 0 : isUnsigned ? int64_t(sum / uint64_t(n)) : int64_t(sum) / n;
  case ReduceKind::max:
  case ReduceKind::min:
    break;
  default:
    return std::nullopt;
  }
  // Unsigned numbers order as signed ones do after flipping the top bit.
  uint64_t flip = isUnsigned ? uint64_t(1) << 63 : 0;
  int64_t best = extreme<int64_t>(n, kind == ReduceKind::max,
                                  [&](int64_t i) { return int64_t(uint64_t(x(i)) ^ flip); });
  return int64_t(uint64_t(best) ^ flip);
}

template <typename T> Results evaluateReduceAs(const Call &call, ReduceOp op) {
  const Tensor &x = call.tensor(0);
  Dims own = stridesOf(x.dims()), kept, keptStrides, reduced, reducedStrides, dims;
  for (auto [axis, size] : llvm::enumerate(x.dims())) {
    bool isReduced = llvm::is_contained(op.getAxes(), int64_t(axis));
    (isReduced ? reduced : kept).push_back(size);
    (isReduced ? reducedStrides : keptStrides).push_back(own[axis]);
    if (!isReduced || op.getKeepDims())
      dims.push_back(isReduced ? 1 : size);
  }
  std::vector<int64_t> offsets(product(reduced));
  walk<1>(reduced, {reducedStrides},
          [&](int64_t i, const std::array<int64_t, 1> &at) { offsets[i] = at[0]; });
  Numbers<T> in = load<T>(x);
  std::vector<T> out(product(kept));
  bool u = isUnsigned(x.elementType()), fits = true;
  walk<1>(kept, {keptStrides}, [&](int64_t i, const std::array<int64_t, 1> &at) {
    auto element = [&](int64_t j) { return in[at[0] + offsets[j]]; };
    if constexpr (std::is_same_v<T, int64_t>) {
      auto value = reduceInteger(op.getKind(), offsets.size(), u, element);
      fits &= value.has_value();
      out[i] = value.value_or(0);
    } else {
      out[i] = reduceReal<T>(op.getKind(), offsets.size(), element);
    }
  });
  if (!fits)
    return call.fail(Diag::ElementTypeUnfit, "reduction '" +
                                                 stringifyReduceKind(op.getKind()).str() +
                                                 "' has no meaning on integers");
  return one(store<T>(call.resultElement(), dims, out));
}

/// Whether `a` comes before `b` in descending (ascending) order; NaN counts as the largest.
template <typename T> bool precedes(T a, T b, bool descending, bool isUnsigned) {
  if (isNan(a) || isNan(b))
    return descending ? isNan(a) && !isNan(b) : !isNan(a) && isNan(b);
  if constexpr (std::is_same_v<T, int64_t>)
    if (isUnsigned)
      return descending ? uint64_t(a) > uint64_t(b) : uint64_t(a) < uint64_t(b);
  return descending ? a > b : a < b;
}

template <typename T> Results evaluateArgReduceAs(const Call &call, ArgReduceOp op) {
  const Tensor &x = call.tensor(0);
  AroundAxis around(x.dims(), op.getAxis());
  if (around.size == 0)
    return call.fail(Diag::SizesUnfit, "has no element along axis " + std::to_string(op.getAxis()));
  Numbers<T> in = load<T>(x);
  bool u = isUnsigned(x.elementType());
  Dims dims(x.dims());
  dims[op.getAxis()] = 1;
  if (!op.getKeepDims())
    dims.erase(dims.begin() + op.getAxis());
  std::vector<int64_t> out(around.outer * around.inner);
  for (int64_t i = 0, e = out.size(); i < e; ++i) {
    const T *row = in.data + i / around.inner * around.size * around.inner + i % around.inner;
    int64_t best = 0;
    for (int64_t j = 1; j < around.size; ++j) {
      T value = row[j * around.inner], leader = row[best * around.inner];
      if (precedes<T>(value, leader, !op.getMinimum(), u) ||
          (op.getSelectLast() && !precedes<T>(leader, value, !op.getMinimum(), u)))
        best = j;
    }
    out[i] = best;
  }
  return one(store<int64_t>(call.resultElement(), dims, out));
}

template <typename T> Results evaluateCumSumAs(const Call &call, CumSumOp op) {
  using Sum = std::conditional_t<std::is_same_v<T, int64_t>, uint64_t, T>; // integers wrap
  const Tensor &x = call.tensor(0);
  AroundAxis around(x.dims(), op.getAxis());
  Numbers<T> in = load<T>(x);
  std::vector<T> out(in.count);
  for (int64_t row = 0; row < around.outer * around.inner; ++row) {
    int64_t base = row / around.inner * around.size * around.inner + row % around.inner;
    Sum sum = 0;
    for (int64_t j = 0; j < around.size; ++j) {
      int64_t at = base + (op.getReverse() ? around.size - 1 - j : j) * around.inner;
      Sum next = sum + Sum(in[at]);
      out[at] = T(op.getExclusive() ? sum : next);
      sum = next;
    }
  }
  return one(store<T>(call.resultElement(), x.dims(), out));
}

template <typename T> Results evaluateTopKAs(const Call &call, TopKOp op) {
  auto dims = call.resultDims();
  if (!dims)
    return dims.takeError();
  const Tensor &x = call.tensor(0);
  AroundAxis around(x.dims(), op.getAxis());
  int64_t k = (*dims)[op.getAxis()];
  if (k > around.size)
    return call.fail(Diag::SizesUnfit, "takes " + std::to_string(k) + " of " +
                                           std::to_string(around.size) + " elements");
  Numbers<T> in = load<T>(x);
  bool u = isUnsigned(x.elementType());
  std::vector<T> values(product(*dims));
  std::vector<int64_t> indices(values.size()), order(around.size);
  for (int64_t row = 0; row < around.outer * around.inner; ++row) {
    int64_t outer = row / around.inner, inner = row % around.inner;
    const T *from = in.data + outer * around.size * around.inner + inner;
    std::iota(order.begin(), order.end(), 0);
    llvm::sort(order, [&](int64_t a, int64_t b) {
      T x = from[a * around.inner], y = from[b * around.inner];
      if (precedes<T>(x, y, op.getLargest(), u))
        return true;
      return a < b && !precedes<T>(y, x, op.getLargest(), u);
    });
    for (int64_t j = 0; j < k; ++j) {
      int64_t to = (outer * k + j) * around.inner + inner;
      values[to] = from[order[j] * around.inner];
      indices[to] = order[j];
    }
  }
  return SmallVector<RtValue>{store<T>(x.elementType(), *dims, values),
                              store<int64_t>(call.resultElement(1), *dims, indices)};
}

} // namespace

std::optional<Results> reference::evaluateReduce(const Call &call) {
  if (!isa<ReduceOp, ArgReduceOp, CumSumOp, TopKOp>(call.op))
    return std::nullopt;
  return dispatch(call.tensor(0).elementType(), [&]<typename T>() -> Results {
    return llvm::TypeSwitch<Operation *, Results>(call.op)
        .Case<ReduceOp>([&](ReduceOp op) { return evaluateReduceAs<T>(call, op); })
        .template Case<ArgReduceOp>(
            [&](ArgReduceOp op) { return evaluateArgReduceAs<T>(call, op); })
        .template Case<CumSumOp>([&](CumSumOp op) { return evaluateCumSumAs<T>(call, op); })
        .template Case<TopKOp>([&](TopKOp op) { return evaluateTopKAs<T>(call, op); });
  });
}
