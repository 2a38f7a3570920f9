// Resize and Upsample.
#include "OpTable.h"
#include "RunTimeSizes.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

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
  if (coordinates == "tf_crop_and_resize" || n.intAttr("antialias", 0) != 0)
    return n.unsupported("uses tf_crop_and_resize or antialias", "resize without");
  std::string nearest = n.stringAttr("nearest_mode", n.opset < 11 ? "floor" : "round_prefer_floor");
  n.out(0, n.make<qnt::ResizeOp>(n.type(to, n.element(x)), x, mode, coordinates, nearest, scales,
                                 llvm::APFloat(n.floatAttr("cubic_coeff_a", -0.75)),
                                 n.intAttr("exclude_outside", 0) != 0,
                                 llvm::APFloat(n.floatAttr("extrapolation_value", 0))));
}

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

/// Cubic convolution (Keys 1981, equation 4) at distance t + 1, t, 1 - t and 2 - t.
SmallVector<Value> cubicWeights(NodeBuilder &n, Value t) {
  double a = n.floatAttr("cubic_coeff_a", -0.75);
  auto isFar = [&](Value d) {
    return n.sub(n.mul(n.add(n.mul(n.sub(n.mul(d, a), 5 * a), d), 8 * a), d), 4 * a);
  };
  auto isNear = [&](Value d) {
    return n.add(n.mul(n.mul(n.sub(n.mul(d, a + 2), a + 3), d), d), 1);
  };
  Value one = n.like(t, 1), two = n.like(t, 2);
  return {isFar(n.add(t, 1)), isNear(t), isNear(n.sub(one, t)), isFar(n.sub(two, t))};
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
      weights = cubicWeights(n, t), first = n.sub(first, 1);
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
  if (n.intAttr("antialias", 0) != 0)
    return n.unsupported("smoothes what it makes smaller", "resize without antialias");
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
  Value y = mode == "nearest" ? x : n.cast(x, f64);
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
    y = resizedAxis(n, y, a, mode, coordinates);
  }
  n.out(0, n.cast(y, element));
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
