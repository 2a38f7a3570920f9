// Rotations and the side path of outliers.
#include "Detail.h"
#include "qcc/Algorithms/Hadamard.h"
#include "llvm/ADT/TypeSwitch.h"
#include <numeric>

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;
using namespace qcc::reference;

namespace {

Results evaluateHadamard(const Call &call, HadamardOp op) {
  const Tensor &x = call.tensor(0);
  if (!hadamardBase(op.getBlock()))
    return call.fail(Diag::SizesUnfit,
                     "no Hadamard matrix of order " + std::to_string(op.getBlock()) + " is known");
  Numbers<float> in = load<float>(x);
  std::vector<float> out(in.data, in.data + in.count);
  AroundAxis around(x.dims(), op.getAxis());
  for (int64_t i = 0; i < around.outer; ++i)
    hadamardRotate(out.data() + i * around.size * around.inner, around.size, around.inner,
                   op.getBlock(), static_cast<uint64_t>(op.getSeed()), op.getInverse());
  return one(store<float>(call.resultElement(), x.dims(), out));
}

Results evaluateSparseLinear(const Call &call, SparseLinearOp op) {
  auto dims = call.resultDims();
  if (!dims)
    return dims.takeError();
  const Tensor &x = call.tensor(0), &columns = call.tensor(2);
  int64_t k = x.dims().back(), rows = product(x.dims().drop_back());
  int64_t entries = call.tensor(1).dims()[0], n = dims->back();
  Numbers<float> in = load<float>(x), values = load<float>(call.tensor(1));
  Numbers<int64_t> at = load<int64_t>(columns);
  for (int64_t i = 0; i < at.count; ++i)
    if (at[i] < 0 || at[i] >= k)
      return call.fail(Diag::IndexOutsideAxis, "column " + std::to_string(at[i]) +
                                                   " is outside an axis of size " +
                                                   std::to_string(k));
  bool shared = columns.rank() == 1;
  std::vector<float> out(rows * n);
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t r = 0; r < entries; ++r)
      for (int64_t j = 0; j < n; ++j)
        out[row * n + j] =
            std::fma(in[row * k + at[shared ? r : r * n + j]], values[r * n + j], out[row * n + j]);
  return one(store<float>(call.resultElement(), *dims, out));
}

Results evaluateTopColumns(const Call &call) {
  auto dims = call.resultDims();
  if (!dims)
    return dims.takeError();
  int64_t count = (*dims)[0], n = (*dims)[1], k = call.tensor(0).dims()[1];
  Numbers<float> x = load<float>(call.tensor(0));
  std::vector<int64_t> out(count * n), order(k);
  for (int64_t row = 0; row < n; ++row) {
    const float *w = x.data + row * k;
    std::iota(order.begin(), order.end(), int64_t(0));
    // NaN counts as infinite, so that there is an order.
    auto magnitude = [&](int64_t i) {
      return std::isnan(w[i]) ? std::numeric_limits<float>::infinity() : std::fabs(w[i]);
    };
    std::nth_element(order.begin(), order.begin() + count - 1, order.end(),
                     [&](int64_t a, int64_t b) {
                       float x = magnitude(a), y = magnitude(b);
                       return x > y || (x == y && a < b);
                     });
    std::sort(order.begin(), order.begin() + count);
    for (int64_t r = 0; r < count; ++r)
      out[r * n + row] = order[r];
  }
  return one(store<int64_t>(call.resultElement(), *dims, out));
}

} // namespace

std::optional<Results> reference::evaluateTransform(const Call &call) {
  return llvm::TypeSwitch<Operation *, std::optional<Results>>(call.op)
      .Case<HadamardOp>([&](HadamardOp op) { return evaluateHadamard(call, op); })
      .Case<SparseLinearOp>([&](SparseLinearOp op) { return evaluateSparseLinear(call, op); })
      .Case<TopColumnsOp>([&](auto) { return evaluateTopColumns(call); })
      .Default([](Operation *) { return std::nullopt; });
}
