// Interpolation: every element of the result is a weighted sum of at most 1, 2 or 4 elements along
// each resized axis, computed in f64. Weights of outer axes are computed once per row.
#include "FamilySupport.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::lower;
using namespace qcc::qnt;

namespace {

/// Source elements and their weights along one axis; no weights where there is one element.
struct Taps {
  SmallVector<Value> offsets, weights;
};

class ResizeEmitter {
public:
  explicit ResizeEmitter(KernelFrame &frame)
      : frame(frame), k(frame.k), op(opOf<ResizeOp>(frame.kernel)) {}
  LogicalResult emit();

private:
  LogicalResult check();
  bool isResized(size_t axis) { return in[axis] != out[axis] || op.getScales()[axis] != 1; }
  Value sourceAt(size_t axis, Value index);
  Value nearest(Value x);
  Value cubic(Value distance, bool isFar);
  Taps taps(size_t axis, Value index);
  Value interpolate(ArrayRef<Taps> all, Value offset);

  KernelFrame &frame;
  KernelBuilder &k;
  ResizeOp op;
  Elem elem = Elem::F32;
  Value x;
  SmallVector<DimExpr> in, out;
  SmallVector<Value> inSizes, outSizes, strides;
};

LogicalResult ResizeEmitter::check() {
  for (StringRef known :
       {"half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners", "half_pixel_symmetric"})
    if (op.getCoordinates() == known)
      return success();
  return refuse(op, "coordinate transformation '" + op.getCoordinates() + "'");
}

/// Where index `index` of the result lies on the source axis.
Value ResizeEmitter::sourceAt(size_t axis, Value index) {
  StringRef mode = op.getCoordinates();
  Value i = k.toF64(index), half = k.cf64(0.5), scale = k.cf64(op.getScales()[axis]);
  Value size = k.toF64(inSizes[axis]), outSize = k.toF64(outSizes[axis]);
  Value centered = k.sub(k.div(k.add(i, half), scale), half);
  Value several = k.gt(outSizes[axis], k.ci64(1));
  if (mode == "half_pixel")
    return centered;
  if (mode == "pytorch_half_pixel")
    return k.select(several, centered, k.cf64(0));
  if (mode == "asymmetric")
    return k.div(i, scale);
  if (mode == "align_corners") {
    Value divisor = k.select(several, k.sub(outSize, k.cf64(1)), k.cf64(1));
    return k.select(several, k.div(k.mul(i, k.sub(size, k.cf64(1))), divisor), k.cf64(0));
  }
  // half_pixel_symmetric: both ends lose the same part of a fractional size.
  Value lost = k.sub(k.cf64(1), k.div(outSize, k.mul(scale, size)));
  return k.sub(k.add(k.mul(k.div(size, k.cf64(2)), lost), k.div(k.add(i, half), scale)), half);
}

Value ResizeEmitter::nearest(Value x) {
  StringRef rule = op.getNearest();
  if (rule == "round_prefer_ceil")
    return k.floor(k.add(x, k.cf64(0.5)));
  if (rule == "floor")
    return k.floor(x);
  if (rule == "ceil")
    return k.ceil(x);
  return k.ceil(k.sub(x, k.cf64(0.5)));
}

/// Cubic convolution (Keys 1981, equation 4) at a distance below 1, or in 1 .. 2 (isFar).
Value ResizeEmitter::cubic(Value d, bool isFar) {
  double a = op.getCubicCoefficient().convertToDouble();
  auto c = [&](double v) { return k.cf64(v); };
  if (isFar)
    return k.sub(k.mul(k.add(k.mul(k.sub(k.mul(c(a), d), c(5 * a)), d), c(8 * a)), d), c(4 * a));
  return k.add(k.mul(k.mul(k.sub(k.mul(c(a + 2), d), c(a + 3)), d), d), c(1));
}

Taps ResizeEmitter::taps(size_t axis, Value index) {
  Taps result;
  if (!isResized(axis)) {
    result.offsets.push_back(k.mul(index, strides[axis]));
    return result;
  }
  Value at = sourceAt(axis, index), one = k.cf64(1), first;
  SmallVector<Value> weights;
  if (op.getMode() == "nearest") {
    first = k.toI64(nearest(at));
    weights.push_back(Value());
  } else {
    Value below = k.floor(at), t = k.sub(at, below);
    first = k.toI64(below);
    if (op.getMode() == "linear") {
      weights = {k.sub(one, t), t};
    } else {
      first = k.sub(first, k.ci64(1));
      weights = {cubic(k.add(t, one), true), cubic(t, false), cubic(k.sub(one, t), false),
                 cubic(k.sub(k.cf64(2), t), true)};
    }
  }
  Value sum = k.cf64(0), last = k.sub(inSizes[axis], k.ci64(1));
  for (auto [j, weight] : llvm::enumerate(weights)) {
    Value source = k.add(first, k.ci64(j));
    if (weight && op.getExcludeOutside()) {
      weight = k.select(k.ltU(source, inSizes[axis]), weight, k.cf64(0));
      sum = k.add(sum, weight);
    }
    source = k.max(k.ci64(0), k.min(source, last));
    result.offsets.push_back(k.mul(source, strides[axis]));
  }
  if (weights.size() == 1)
    return result;
  for (Value weight : weights)
    result.weights.push_back(op.getExcludeOutside() ? k.div(weight, sum) : weight);
  return result;
}

/// The weighted sum over the axes of `all`, the elements beginning at `offset`.
Value ResizeEmitter::interpolate(ArrayRef<Taps> all, Value offset) {
  if (all.empty())
    return k.cast(k.load(elem, x, offset), elem, Elem::F64);
  const Taps &taps = all.front();
  if (taps.weights.empty())
    return interpolate(all.drop_front(), k.add(offset, taps.offsets[0]));
  Value sum = k.cf64(0);
  for (auto [at, weight] : llvm::zip(taps.offsets, taps.weights))
    sum = k.add(sum, k.mul(weight, interpolate(all.drop_front(), k.add(offset, at))));
  return sum;
}

LogicalResult ResizeEmitter::emit() {
  if (failed(check()))
    return failure();
  auto pointer = densePointer(frame, op.getX());
  if (failed(pointer))
    return failure();
  x = *pointer;
  elem = elemOfValue(op.getX());
  in = dimsOf(op.getX().getType());
  out = dimsOf(op.getType());
  int64_t resized = 0;
  for (size_t axis = 0; axis < in.size(); ++axis)
    resized += isResized(axis);
  if (op.getMode() == "cubic" && resized > 3)
    return refuse(op, "cubic interpolation of " + Twine(resized) + " axes; 3 is the most");
  inSizes = dimValues(frame, in);
  outSizes = dimValues(frame, out);
  strides = dimValues(frame, denseStrides(op.getContext(), in));
  Value result = frame.resultPointer(0);
  RowBlocks rows(rowCount(op.getContext(), out), out.back());
  rows.forRows(frame, [&](Value row) {
    SmallVector<Value> index = unravel(k, row, ArrayRef(outSizes).drop_back());
    SmallVector<Taps> all;
    for (auto [axis, i] : llvm::enumerate(index))
      all.push_back(taps(axis, i));
    k.forRange(outSizes.back(), [&](Value j) {
      all.resize(index.size());
      all.push_back(taps(index.size(), j));
      Value value = k.cast(interpolate(all, k.ci64(0)), Elem::F64, elem);
      k.store(elem, value, result, k.add(k.mul(row, outSizes.back()), j));
    });
  });
  return success();
}

} // namespace

FailureOr<LaunchShape> lower::resizeShape(KernelOp kernel) {
  SmallVector<DimExpr> out = dimsOf(opOf<ResizeOp>(kernel).getType());
  return RowBlocks(rowCount(kernel.getContext(), out), out.back()).launch();
}
LogicalResult lower::emitResize(KernelFrame &frame) { return ResizeEmitter(frame).emit(); }
