// Resize and Upsample.
#include "OpTable.h"
#include "RunTimeSizes.h"
#include "Sampling.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

//===-- Sizes that are data ----------------------------------------------------------------------//

/// One axis of a resize, everything about it a scalar of f64 that is known at run time.
struct ResizeAxis {
  int64_t axis;
  DimExpr size; ///< of the result
  Value scale, in, out;
  Value start, end; ///< the region of interest, for tf_crop_and_resize
};

/// Where the elements of the result lie on the source axis: f64 [size].
Value sourceOf(NodeBuilder &n, const ResizeAxis &a, StringRef mode) {
  Value i = n.cast(n.iota({a.size}, 0, n.dim(0), 1, n.i64()), n.builder.getF64Type());
  Value several = n.compare(qnt::Predicate::gt, a.out, 1), zero = n.like(i, 0);
  Value centred = n.sub(n.div(n.add(i, 0.5), a.scale), 0.5);
  Value last = n.sub(a.in, 1), steps = n.maximum(n.sub(a.out, 1), 1);
  if (mode == "half_pixel")
    return centred;
  if (mode == "pytorch_half_pixel")
    return n.select(several, centred, zero);
  if (mode == "asymmetric")
    return n.div(i, a.scale);
  if (mode == "align_corners")
    return n.select(several, n.div(n.mul(i, last), steps), zero);
  if (mode == "half_pixel_symmetric") {
    Value lost = n.sub(n.like(i, 1), n.div(a.out, n.mul(a.scale, a.in)));
    return n.add(n.mul(n.div(a.in, 2), lost), centred);
  }
  if (mode == "tf_crop_and_resize") {
    Value along = n.div(n.mul(n.mul(i, n.sub(a.end, a.start)), last), steps);
    Value middle = n.mul(n.mul(n.add(a.start, a.end), 0.5), last);
    return n.select(several, n.add(n.mul(a.start, last), along), middle);
  }
  n.fail(Diag::BadNode, "coordinate transformation '" + mode + "' is not known");
  return {};
}

/// The element that a nearest rule takes.
Value nearestTo(NodeBuilder &n, Value at) {
  std::string rule = n.stringAttr("nearest_mode", n.opset < 11 ? "floor" : "round_prefer_floor");
  if (rule == "floor")
    return n.unary<qnt::FloorOp>(at);
  if (rule == "ceil")
    return n.unary<qnt::CeilOp>(at);
  if (rule == "round_prefer_ceil")
    return n.unary<qnt::FloorOp>(n.add(at, 0.5));
  if (rule == "round_prefer_floor")
    return n.unary<qnt::CeilOp>(n.sub(at, 0.5));
  n.fail(Diag::BadNode, "nearest_mode '" + rule + "' is not known");
  return {};
}

/// x (f64, or any type where elements are only moved) with axis `a` resized.
Value resizedAxis(NodeBuilder &n, Value x, const ResizeAxis &a, StringRef mode,
                  StringRef coordinates) {
  Value at = sourceOf(n, a, coordinates);
  if (!at)
    return {};
  SmallVector<Value> weights;
  Value first;
  if (mode == "nearest") {
    first = nearestTo(n, at);
  } else {
    first = n.unary<qnt::FloorOp>(at);
    Value t = n.sub(at, first);
    if (mode == "linear")
      weights = {n.sub(n.like(t, 1), t), t};
    else
      weights = cubicTaps(n, t, n.floatAttr("cubic_coeff_a", -0.75)), first = n.sub(first, 1);
  }
  Dims along(n.rank(x), n.dim(1));
  along[a.axis] = a.size;
  Value sum, share, last = n.sub(a.in, 1);
  for (size_t j = 0; j < std::max<size_t>(1, weights.size()) && !n.failed(); ++j) {
    Value source = j ? n.add(first, static_cast<double>(j)) : first;
    Value index = n.cast(n.minimum(n.maximum(source, 0), last), n.i64());
    Value part = n.gather(x, index, a.axis);
    if (weights.empty()) {
      sum = part;
      break;
    }
    Value weight = weights[j];
    if (n.intAttr("exclude_outside", 0) != 0) {
      Value inside = n.binary<qnt::AndOp>(n.compare(qnt::Predicate::ge, source, 0),
                                          n.compare(qnt::Predicate::le, source, last));
      weight = n.select(inside, weight, n.like(weight, 0));
      share = share ? n.add(share, weight) : weight;
    }
    part = n.mul(part, n.reshape(weight, along));
    sum = sum ? n.add(sum, part) : part;
  }
  if (share)
    sum = n.div(sum, n.reshape(share, along));
  if (coordinates == "tf_crop_and_resize" && sum) {
    Value outside = n.binary<qnt::OrOp>(n.compare(qnt::Predicate::lt, at, 0),
                                        n.compare(qnt::Predicate::gt, at, last));
    sum = n.select(n.reshape(outside, along), n.like(sum, n.floatAttr("extrapolation_value", 0)),
                   sum);
  }
  return sum;
}

//===-- Smoothing --------------------------------------------------------------------------------//

/// One axis made smaller with its filter stretched by 1 / scale, so that all elements count. With
/// exclude_outside those beyond the ends have no weight, else the first and last repeat. The filter
/// of each result element is a row of a matrix, which is a constant where the sizes are. It reaches
/// over `margin` elements to either side.
Value smoothedAxis(NodeBuilder &n, Value x, const ResizeAxis &a, DimExpr margin, StringRef mode,
                   StringRef coordinates) {
  Value at = sourceOf(n, a, coordinates), narrow = n.minimum(a.scale, 1);
  if (!at)
    return {};
  Dims pads(n.rank(x), n.dim(0));
  pads[a.axis] = margin;
  DimExpr own = n.at(x, a.axis), wide = own + margin * 2;
  Value source = n.cast(n.iota({n.dim(1), wide}, 1, n.dim(0) - margin, 1, n.i64()), n.element(at));
  Value d = n.unary<qnt::AbsOp>(n.mul(n.sub(source, n.unsqueeze(at, {1})), narrow)), weight;
  if (mode == "linear") {
    weight = n.maximum(n.sub(n.like(d, 1), d), 0);
  } else {
    SmallVector<Value> taps = cubicTaps(n, d, n.floatAttr("cubic_coeff_a", -0.75));
    Value beyond = cubicTaps(n, n.sub(d, 1), n.floatAttr("cubic_coeff_a", -0.75))[0];
    weight = n.select(n.compare(qnt::Predicate::le, d, 1), taps[1],
                      n.select(n.compare(qnt::Predicate::lt, d, 2), beyond, n.like(d, 0)));
  }
  if (n.intAttr("exclude_outside", 0) != 0) {
    Value inside = both(n, n.compare(qnt::Predicate::ge, source, 0),
                        n.compare(qnt::Predicate::lt, source, a.in));
    weight = n.select(inside, weight, n.like(weight, 0));
  }
  weight = n.div(weight, n.reduce(qnt::ReduceKind::sum, weight, {1}, true));
  x = n.pad(x, n.like(x, 0), pads, pads, qnt::PadMode::edge);
  if (!x || !weight)
    return {};
  size_t last = n.rank(x) - 1, axis = static_cast<size_t>(a.axis);
  Value turned = n.swapAxes(x, axis, last);
  return n.swapAxes(n.matmul(turned, n.cast(n.swapLast(weight), n.element(x))), axis, last);
}

/// How far the filter of a mode reaches.
double reachOf(StringRef mode) { return mode == "linear" ? 1 : 2; }

/// Vectors of f64 over the axes: the scales, and the sizes of the result.
std::optional<std::pair<Value, Value>> targetOf(NodeBuilder &n, size_t scalesAt, Value in) {
  Type f64 = n.builder.getF64Type();
  std::string policy = n.stringAttr("keep_aspect_ratio_policy", "stretch");
  bool bySizes =
      n.opset >= 11 && n.has(3) && !(n.rank(n.in(3)) == 1 && n.at(n.in(3), 0).isConstant(0));
  if (!bySizes) {
    Value scales = n.cast(n.in(scalesAt), f64);
    if (!scales || n.rank(scales) != 1 || lengthOf(n, scales) != lengthOf(n, in)) {
      n.fail(Diag::BadNode, "scales and axes differ in length");
      return std::nullopt;
    }
    return std::pair(scales, n.unary<qnt::FloorOp>(n.mul(in, scales)));
  }
  Value sizes = n.cast(integerVector(n, 3, "the sizes"), f64);
  if (!sizes || lengthOf(n, sizes) != lengthOf(n, in)) {
    n.fail(Diag::BadNode, "sizes and axes differ in length");
    return std::nullopt;
  }
  Value scales = n.div(sizes, in);
  if (policy == "stretch")
    return std::pair(scales, sizes);
  bool smaller = policy == "not_larger";
  if (!smaller && policy != "not_smaller") {
    n.fail(Diag::BadNode, "keep_aspect_ratio_policy '" + policy + "' is not known");
    return std::nullopt;
  }
  Value one = n.reduce(smaller ? qnt::ReduceKind::min : qnt::ReduceKind::max, scales, {0}, true);
  scales = n.broadcast(one, n.dims(scales));
  return std::pair(scales, n.unary<qnt::FloorOp>(n.add(n.mul(in, scales), 0.5)));
}

/// Sizes are data: each axis is gathered by computed indices and weighted.
void resizeAtRunTime(NodeBuilder &n, size_t scalesAt) {
  Value x = n.in(0);
  size_t rank = n.rank(x);
  Type f64 = n.builder.getF64Type(), element = n.element(x);
  std::string mode = n.stringAttr("mode", "nearest");
  std::string coordinates =
      n.opset < 11 ? "asymmetric" : n.stringAttr("coordinate_transformation_mode", "half_pixel");
  if (mode != "nearest" && mode != "linear" && mode != "cubic")
    return n.fail(Diag::BadNode, "mode '" + mode + "' is not nearest, linear or cubic");
  bool smoothes = n.intAttr("antialias", 0) != 0 && mode != "nearest";
  if (smoothes && coordinates == "tf_crop_and_resize")
    return n.unsupported("smoothes a region of interest", "cut it out, then resize it");
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(0, static_cast<int64_t>(rank)));
  if (n.hasAttr("axes"))
    axes = n.intsAttr("axes");
  Dims own;
  for (int64_t &axis : axes) {
    axis = n.axis(axis, rank);
    own.push_back(n.at(x, axis));
  }
  Value in = n.cast(dimVector(n, own), f64);
  auto target = n.failed() ? std::nullopt : targetOf(n, scalesAt, in);
  if (!target)
    return;
  auto [scales, sizes] = *target;
  auto count = static_cast<int64_t>(axes.size());
  Value region;
  if (coordinates == "tf_crop_and_resize") {
    region = n.cast(n.in(1), f64);
    if (!region || n.rank(region) != 1 || lengthOf(n, region) != 2 * count)
      return n.fail(Diag::BadNode, "the region of interest does not fit the axes");
  }
  Type sums = smoothes && !element.isF64() ? n.f32() : f64;
  Value y = mode == "nearest" ? x : n.cast(x, sums);
  for (int64_t i = 0; i < count && !n.failed(); ++i) {
    if (auto known = n.known(scalesAt); known && i < static_cast<int64_t>(known->elements.size()) &&
                                        known->elements[i].real == 1.0 && !region)
      continue;
    ResizeAxis a{axes[i], {}, elementAt(n, scales, i), elementAt(n, in, i), elementAt(n, sizes, i),
                 {},      {}};
    a.size = bindSize(n, a.out, "size");
    if (region) {
      a.start = elementAt(n, region, i);
      a.end = elementAt(n, region, i + count);
    }
    if (smoothes) {
      Value margin = n.div(n.like(a.scale, reachOf(mode)), n.minimum(a.scale, 1));
      y = smoothedAxis(n, y, a, bindSize(n, n.unary<qnt::CeilOp>(margin), "margin"), mode,
                       coordinates);
    } else {
      y = resizedAxis(n, y, a, mode, coordinates);
    }
  }
  n.out(0, n.cast(y, element));
}

/// x resized by constant scales, smoothed along the axes that change.
Value smoothed(NodeBuilder &n, Value x, ArrayRef<DimExpr> to, ArrayRef<double> scales,
               StringRef mode, StringRef coordinates) {
  Type f64 = n.builder.getF64Type(), element = n.element(x);
  if (mode != "linear" && mode != "cubic") {
    n.fail(Diag::BadNode, "mode '" + mode + "' is not nearest, linear or cubic");
    return {};
  }
  Value y = n.cast(x, element.isF64() ? element : n.f32());
  for (size_t i = 0; i < to.size() && !n.failed(); ++i) {
    if (scales[i] == 1)
      continue;
    ResizeAxis a{static_cast<int64_t>(i),
                 to[i],
                 n.scalar(f64, scales[i]),
                 n.dimTensor(n.at(x, i), f64),
                 n.dimTensor(to[i], f64),
                 {},
                 {}};
    double margin = std::ceil(reachOf(mode) / std::min(scales[i], 1.0));
    y = smoothedAxis(n, y, a, n.dim(saturated(margin)), mode, coordinates);
  }
  return n.cast(y, element);
}

//===-- Known sizes ------------------------------------------------------------------------------//

/// Where all sizes are known: one op.
void resizeByConstants(NodeBuilder &n) {
  Value x = n.in(0);
  if (!x)
    return;
  Dims from = n.dims(x), to = from;
  size_t rank = from.size();
  auto axes = n.hasAttr("axes")
                  ? n.intsAttr("axes")
                  : llvm::to_vector(llvm::seq<int64_t>(0, static_cast<int64_t>(rank)));
  for (int64_t &axis : axes)
    axis = n.axis(axis, rank);
  size_t scalesAt = n.opset < 11 ? 1 : 2; // Upsample and Resize-10 have no region of interest
  SmallVector<double> scales(rank, 1.0);
  auto given = n.opset >= 11 && n.has(3) ? n.dimsValue(3) : std::optional<Dims>();
  auto factors = n.has(scalesAt) ? n.known(scalesAt) : std::optional<ShapeValue>();
  if (n.failed())
    return;
  if (n.stringAttr("keep_aspect_ratio_policy", "stretch") != "stretch")
    return n.unsupported("keep_aspect_ratio_policy is not stretch", "give the sizes themselves");
  if (n.hasAttr("scales")) { // Upsample before opset 9
    factors = ShapeValue{n.f32(), {}, {}};
    for (double scale : n.floatsAttr("scales"))
      factors->elements.push_back({DimExpr(), 1, scale});
  }
  bool bySizes = given && !given->empty();
  if (!bySizes && (!factors || factors->elements.size() != axes.size()))
    return n.unsupported("the new size depends on the data", "make it a constant");
  if (bySizes && given->size() != axes.size())
    return n.fail(Diag::BadNode, "sizes and axes differ in length");
  for (auto [i, axis] : llvm::enumerate(axes)) {
    auto size = from[axis].constantValue();
    if (bySizes) {
      to[axis] = (*given)[i];
      auto target = to[axis].constantValue();
      if (to[axis] == from[axis])
        continue;
      if (!size || !target || *size == 0)
        return n.unsupported("resizes a dynamic dimension", "fix it with --shape");
      scales[axis] = static_cast<double>(*target) / static_cast<double>(*size);
      continue;
    }
    auto factor = factors->elements[i].real;
    if (!factor || !(*factor > 0))
      return n.fail(Diag::BadNode, "a scale is not a positive constant");
    scales[axis] = *factor;
    if (*factor == 1)
      continue;
    if (!size && *factor != std::trunc(*factor))
      return n.unsupported("resizes a dynamic dimension by a fraction", "fix it with --shape");
    to[axis] = size ? n.dim(static_cast<int64_t>(std::floor(static_cast<double>(*size) * *factor)))
                    : from[axis] * static_cast<int64_t>(*factor);
  }
  std::string mode = n.stringAttr("mode", "nearest");
  std::string coordinates =
      n.opset < 11 ? "asymmetric" : n.stringAttr("coordinate_transformation_mode", "half_pixel");
  if (n.intAttr("antialias", 0) != 0 && mode != "nearest")
    return n.out(0, smoothed(n, x, to, scales, mode, coordinates));
  std::string nearest = n.stringAttr("nearest_mode", n.opset < 11 ? "floor" : "round_prefer_floor");
  n.out(0, n.make<qnt::ResizeOp>(n.type(to, n.element(x)), x, mode, coordinates, nearest, scales,
                                 llvm::APFloat(n.floatAttr("cubic_coeff_a", -0.75)),
                                 n.intAttr("exclude_outside", 0) != 0,
                                 llvm::APFloat(n.floatAttr("extrapolation_value", 0))));
}

void resize(NodeBuilder &n) {
  Value x = n.in(0);
  if (!x)
    return;
  size_t scalesAt = n.opset < 11 ? 1 : 2; // Upsample and Resize-10 have no region of interest
  bool bySizes = n.opset >= 11 && n.has(3);
  size_t decides = bySizes ? 3 : scalesAt;
  auto size = [](DimExpr dim) { return dim.constantValue().has_value(); };
  bool constant = n.hasAttr("scales") || (n.has(decides) && n.known(decides));
  if (constant && bySizes)
    constant = llvm::all_of(n.dims(x), size) && n.integers(3);
  if (constant && n.stringAttr("keep_aspect_ratio_policy", "stretch") == "stretch" &&
      n.stringAttr("coordinate_transformation_mode", "half_pixel") != "tf_crop_and_resize")
    return resizeByConstants(n);
  if (!n.has(decides))
    return n.fail(Diag::BadNode, "has neither scales nor sizes");
  resizeAtRunTime(n, scalesAt);
}

constexpr OpEntry table[] = {
    {"", "Resize", 10, resize},
    {"", "Upsample", 7, resize},
};

} // namespace

ArrayRef<OpEntry> qcc::import::resizeOps() { return table; }
