// ONNX Resize, opset 19, one axis after the other.
#include "Detail.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;
using namespace qcc::reference;

namespace {

/// Where index `i` of the result lies on the source axis; nothing for an unknown transformation.
std::optional<double> sourceAt(StringRef mode, int64_t i, double scale, int64_t in, int64_t out) {
  double x = double(i);
  if (mode == "half_pixel")
    return (x + 0.5) / scale - 0.5;
  if (mode == "pytorch_half_pixel")
    return out > 1 ? (x + 0.5) / scale - 0.5 : 0.0;
  if (mode == "asymmetric")
    return x / scale;
  if (mode == "align_corners")
    return out > 1 ? x * double(in - 1) / double(out - 1) : 0.0;
  if (mode == "half_pixel_symmetric") {
    // The size that the scale asks for may be fractional; both ends lose the same part of it.
    double center = double(in) / 2, offset = center * (1 - double(out) / (scale * double(in)));
    return offset + (x + 0.5) / scale - 0.5;
  }
  return std::nullopt;
}

std::optional<int64_t> nearestOf(StringRef rule, double x) {
  if (rule == "round_prefer_floor")
    return int64_t(std::ceil(x - 0.5));
  if (rule == "round_prefer_ceil")
    return int64_t(std::floor(x + 0.5));
  if (rule == "floor")
    return int64_t(std::floor(x));
  if (rule == "ceil")
    return int64_t(std::ceil(x));
  return std::nullopt;
}

/// Weights of the source elements first, first + 1, ...
struct Taps {
  int64_t first = 0;
  SmallVector<double, 4> weights;
};

/// Cubic convolution (Keys 1981, equation 4) at distance `t` from the second tap.
SmallVector<double, 4> cubicWeights(double t, double a) {
  auto far = [&](double d) { return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a; };
  auto near = [&](double d) { return ((a + 2) * d - (a + 3)) * d * d + 1; };
  return {far(t + 1), near(t), near(1 - t), far(2 - t)};
}

std::optional<Taps> tapsAt(ResizeOp op, int64_t i, double scale, int64_t in, int64_t out) {
  auto x = sourceAt(op.getCoordinates(), i, scale, in, out);
  if (!x)
    return std::nullopt;
  Taps taps;
  if (op.getMode() == "nearest") {
    auto index = nearestOf(op.getNearest(), *x);
    if (!index)
      return std::nullopt;
    return Taps{*index, {1.0}};
  }
  double floor = std::floor(*x), t = *x - floor;
  if (op.getMode() == "linear") {
    taps = {int64_t(floor), {1 - t, t}};
  } else {
    taps = {int64_t(floor) - 1, cubicWeights(t, op.getCubicCoefficient().convertToDouble())};
  }
  if (op.getExcludeOutside()) {
    double sum = 0;
    for (auto [j, weight] : llvm::enumerate(taps.weights)) {
      int64_t at = taps.first + int64_t(j);
      weight = at >= 0 && at < in ? weight : 0;
      sum += weight;
    }
    for (double &weight : taps.weights)
      weight /= sum;
  }
  return taps;
}

} // namespace

Results reference::evaluateResize(const Call &call) {
  auto op = cast<ResizeOp>(call.op);
  auto target = call.resultDims();
  if (!target)
    return target.takeError();
  const Tensor &x = call.tensor(0);
  Dims dims(x.dims());
  Numbers<double> in = load<double>(x);
  std::vector<double> values(in.data, in.data + in.count);
  for (size_t axis = 0; axis < dims.size(); ++axis) {
    double scale = op.getScales()[axis];
    int64_t size = (*target)[axis];
    if (size == dims[axis] && scale == 1)
      continue;
    AroundAxis around(dims, axis);
    std::vector<double> next(around.outer * size * around.inner);
    for (int64_t i = 0; i < size; ++i) {
      auto taps = tapsAt(op, i, scale, around.size, size);
      if (!taps)
        return call.fail(Diag::NoReference, "coordinate transformation '" +
                                                op.getCoordinates().str() + "' with rounding '" +
                                                op.getNearest().str() + "' is not known");
      for (int64_t rest = 0; rest < around.outer * around.inner; ++rest) {
        int64_t outer = rest / around.inner, inner = rest % around.inner;
        double sum = 0;
        for (auto [j, weight] : llvm::enumerate(taps->weights)) {
          int64_t at = std::clamp<int64_t>(taps->first + int64_t(j), 0, around.size - 1);
          sum += weight * values[(outer * around.size + at) * around.inner + inner];
        }
        next[(outer * size + i) * around.inner + inner] = sum;
      }
    }
    values = std::move(next);
    dims[axis] = size;
  }
  return one(store<double>(call.resultElement(), dims, values));
}
