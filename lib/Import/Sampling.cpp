// Sampling at computed points: GridSample, AffineGrid, DeformConv and RoiAlign, as gathers of rows
// of channels.
#include "Sampling.h"
#include "OpTable.h"
#include "RunTimeSizes.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;
using qnt::Predicate;

Value qcc::import::channelsLast(NodeBuilder &n, Value x) {
  if (!n.atLeast(x, 3))
    return {};
  Dims all = n.dims(x);
  DimExpr points = qnt::elementCount(n.context(), ArrayRef(all).drop_front(2));
  return n.swapAxes(n.reshape(x, {all[0], all[1], points}), 1, 2);
}

Value qcc::import::sizeNumber(NodeBuilder &n, DimExpr size, Type element) {
  return n.cast(n.dimTensor(size, n.i64()), element);
}

Value qcc::import::clamped(NodeBuilder &n, Value x, Value low, Value high) {
  return n.minimum(n.maximum(x, low), high);
}

Value qcc::import::both(NodeBuilder &n, Value x, Value y) {
  return !x ? y : !y ? x : n.binary<qnt::AndOp>(x, y);
}

SmallVector<Value> qcc::import::cubicTaps(NodeBuilder &n, Value t, double a) {
  auto beyondOne = [&](Value d) {
    return n.sub(n.mul(n.add(n.mul(n.sub(n.mul(d, a), 5 * a), d), 8 * a), d), 4 * a);
  };
  auto withinOne = [&](Value d) {
    return n.add(n.mul(n.mul(n.sub(n.mul(d, a + 2), a + 3), d), d), 1);
  };
  Value one = n.like(t, 1), two = n.like(t, 2);
  return {beyondOne(n.add(t, 1)), withinOne(t), withinOne(n.sub(one, t)), beyondOne(n.sub(two, t))};
}

namespace {

/// Products of so many taps, each of which becomes a gather, are computed at most.
constexpr size_t maxTaps = 64;

enum class Padding { zeros, border, reflection };

/// How a GridSample node reads its grid.
struct Sampler {
  std::string mode; ///< nearest, linear or cubic
  Padding padding = Padding::zeros;
  bool alignCorners = false;
};

std::optional<Sampler> samplerOf(NodeBuilder &n) {
  Sampler s;
  s.mode = n.stringAttr("mode", "linear");
  if (s.mode == "bilinear" || s.mode == "bicubic")
    s.mode = s.mode.substr(2);
  std::string padding = n.stringAttr("padding_mode", "zeros");
  s.alignCorners = n.intAttr("align_corners", 0) != 0;
  if (s.mode != "nearest" && s.mode != "linear" && s.mode != "cubic")
    n.fail(Diag::BadNode, "mode '" + s.mode + "' is not nearest, linear or cubic");
  if (padding == "border")
    s.padding = Padding::border;
  else if (padding == "reflection")
    s.padding = Padding::reflection;
  else if (padding != "zeros")
    n.fail(Diag::BadNode, "padding_mode '" + padding + "' is not zeros, border or reflection");
  return n.failed() ? std::nullopt : std::optional(s);
}

/// One spatial axis of a sample: where its taps lie, and what each weighs.
struct AxisTaps {
  SmallVector<Value> indices; ///< i64, inside the axis
  SmallVector<Value> weights; ///< none with mode nearest
  SmallVector<Value> inside;  ///< whether the tap counts; none where all do
};

/// x mirrored at the borders low and high as often as it takes.
Value reflected(NodeBuilder &n, Value x, Value low, Value high) {
  Value range = n.sub(high, low), period = n.maximum(n.mul(range, 2), 0.5);
  Value from = n.sub(x, low);
  Value turns = n.unary<qnt::FloorOp>(n.div(from, period));
  Value rest = n.sub(from, n.mul(turns, period));
  return n.sub(n.add(low, range), n.unary<qnt::AbsOp>(n.sub(rest, range)));
}

/// Taps of the points `at`, from -1 to 1 over the axis of that size.
AxisTaps tapsOf(NodeBuilder &n, const Sampler &s, Value at, DimExpr size, Type sums) {
  Value count = sizeNumber(n, size, n.element(at)), last = n.sub(count, 1), zero = n.like(at, 0);
  Value place = s.alignCorners ? n.mul(n.div(n.add(at, 1), 2), last)
                               : n.div(n.sub(n.mul(n.add(at, 1), count), 1), 2);
  Value low = s.alignCorners ? zero : n.like(at, -0.5);
  Value high = s.alignCorners ? last : n.sub(count, 0.5);
  if (s.mode == "nearest")
    place = n.unary<qnt::RoundOp>(place);
  if (s.padding == Padding::reflection)
    place = reflected(n, place, low, high);
  if (s.padding == Padding::border) {
    Value within =
        both(n, n.compare(Predicate::ge, place, low), n.compare(Predicate::le, place, high));
    place = n.select(within, place, clamped(n, place, zero, last));
  }
  AxisTaps taps;
  Value first = place;
  if (s.mode != "nearest") {
    first = n.unary<qnt::FloorOp>(place);
    Value t = n.cast(n.sub(place, first), sums);
    if (s.mode == "linear")
      taps.weights = {n.sub(n.like(t, 1), t), t};
    else
      taps.weights = cubicTaps(n, t, -0.75), first = n.sub(first, 1);
  }
  for (size_t i = 0; i < std::max<size_t>(1, taps.weights.size()); ++i) {
    Value source = i ? n.add(first, static_cast<double>(i)) : first;
    if (s.padding == Padding::zeros)
      taps.inside.push_back(
          both(n, n.compare(Predicate::ge, source, zero), n.compare(Predicate::le, source, last)));
    if (s.padding == Padding::reflection)
      source = reflected(n, source, low, high);
    taps.indices.push_back(n.cast(clamped(n, source, zero, last), n.i64()));
  }
  return taps;
}

/// What the taps of all axes see of `rows` [N, points, C], summed: [N, samples, C].
Value sampled(NodeBuilder &n, Value rows, ArrayRef<AxisTaps> axes, ArrayRef<DimExpr> sizes,
              Type sums) {
  SmallVector<size_t> tap(axes.size(), 0);
  Value total;
  while (!n.failed()) {
    Value index, weight, inside;
    for (auto [axis, i] : llvm::zip(llvm::enumerate(axes), tap)) {
      const AxisTaps &own = axis.value();
      index = index ? n.add(n.mul(index, n.dimTensor(sizes[axis.index()], n.i64())), own.indices[i])
                    : own.indices[i];
      if (!own.weights.empty())
        weight = weight ? n.mul(weight, own.weights[i]) : own.weights[i];
      if (!own.inside.empty())
        inside = both(n, inside, own.inside[i]);
    }
    if (!index)
      return {};
    Dims at = n.dims(index), row = {at[0], at[1], n.dim(1)}, to = {at[0], at[1], n.at(rows, 2)};
    Value part = n.make<qnt::GatherNdOp>(n.type(to, n.element(rows)), rows, n.reshape(index, row),
                                         int64_t(1));
    part = weight ? n.cast(part, sums) : part;
    if (inside)
      part = n.select(n.reshape(inside, row), part, n.like(part, 0));
    if (weight)
      part = n.mul(part, n.reshape(weight, row));
    total = total ? n.add(total, part) : part;
    size_t i = axes.size();
    while (i > 0 && ++tap[i - 1] == axes[i - 1].indices.size())
      tap[--i] = 0;
    if (i == 0)
      return total;
  }
  return {};
}

/// f64 where x has it, else f32.
Type sumsOf(NodeBuilder &n, Value x) { return n.element(x).isF64() ? n.element(x) : n.f32(); }

void gridSample(NodeBuilder &n) {
  Value x = n.in(0), grid = n.in(1);
  auto sampler = samplerOf(n);
  if (!sampler || !n.atLeast(x, 3) || !grid)
    return;
  Dims from = n.dims(x), points = n.dims(grid);
  size_t spatial = from.size() - 2;
  if (points.size() != from.size())
    return n.fail(Diag::ShapeMismatch,
                  "a grid of " + text(points) + " does not hold places in " + text(from));
  if (!n.isFloat(grid) || (!n.isFloat(x) && sampler->mode != "nearest"))
    return n.fail(Diag::TypeMismatch, "interpolates integers or by an integer grid");
  size_t perAxis = sampler->mode == "nearest" ? 1 : sampler->mode == "linear" ? 2 : 4, taps = 1;
  for (size_t i = 0; i < spatial; ++i)
    taps = std::min(taps * perAxis, maxTaps + 1);
  if (taps > maxTaps)
    return n.unsupported("interpolates over " + Twine(spatial) + " axes by mode " + sampler->mode,
                         "use mode linear or nearest");
  n.equal(from[0], points[0], "batches");
  n.equal(points.back(), n.dim(static_cast<int64_t>(spatial)), "coordinates of the grid");
  if (n.failed())
    return;
  from = n.dims(x), points = n.dims(grid);
  Type sums = sumsOf(n, x);
  DimExpr samples = qnt::elementCount(n.context(), ArrayRef(points).drop_front().drop_back());
  grid = n.cast(n.reshape(grid, {points[0], samples, points.back()}), sumsOf(n, grid));
  SmallVector<AxisTaps> axes;
  for (size_t i = 0; i < spatial; ++i) {
    // The last axis of the grid names the axes of x from the last on.
    Value at = n.slice(grid, 2, n.dim(static_cast<int64_t>(spatial - 1 - i)), n.dim(1));
    axes.push_back(tapsOf(n, *sampler, n.reshape(at, {points[0], samples}), from[i + 2], sums));
  }
  Value y = sampled(n, channelsLast(n, x), axes, ArrayRef(from).drop_front(2), sums);
  Dims to = {points[0], from[1]};
  to.append(points.begin() + 1, points.end() - 1);
  n.out(0, n.reshape(n.swapAxes(n.cast(y, n.element(x)), 1, 2), to));
}

/// The point of each element of an axis in -1 .. 1, the form of which is [1, .., size, .., 1].
Value axisPoints(NodeBuilder &n, size_t rank, size_t axis, DimExpr size, bool alignCorners,
                 Type element) {
  Dims along(rank, n.dim(1));
  along[axis] = size;
  Value i = n.cast(n.iota(along, static_cast<int64_t>(axis), n.dim(0), 1, n.i64()), element);
  Value count = sizeNumber(n, size, element);
  if (alignCorners)
    return n.sub(n.div(n.mul(i, 2), n.maximum(n.sub(count, 1), 1)), 1);
  return n.sub(n.div(n.add(n.mul(i, 2), 1), count), 1);
}

/// grid[b, p.., c] = sum over j of theta[b, c, j] * point[p, j] + theta[b, c, last].
void affineGrid(NodeBuilder &n) {
  Value theta = n.in(0);
  auto size = n.has(1) ? sizesOf(n, 1, "the size") : std::nullopt;
  if (!theta || n.failed())
    return;
  size_t spatial = size ? size->size() - 2 : 0;
  Dims form = n.dims(theta);
  auto wide = static_cast<int64_t>(spatial);
  if (!size || (size->size() != 4 && size->size() != 5) || form.size() != 3)
    return n.fail(Diag::ShapeMismatch, "theta of " + text(form) + " does not fit a size of " +
                                           Twine(size ? size->size() : 0) +
                                           " axes, which is 4 or 5");
  if (!n.isFloat(theta))
    return n.fail(Diag::TypeMismatch, "theta is not of floats");
  n.equal(form[0], (*size)[0], "batches");
  n.equal(form[1], n.dim(wide), "rows of theta");
  n.equal(form[2], n.dim(wide + 1), "columns of theta");
  if (n.failed())
    return;
  form = n.dims(theta);
  Type sums = sumsOf(n, theta);
  Dims column(spatial + 2, n.dim(1));
  column.front() = form[0], column.back() = n.dim(wide);
  auto factor = [&](int64_t j) {
    return n.reshape(n.slice(n.cast(theta, sums), 2, n.dim(j), n.dim(1)), column);
  };
  bool alignCorners = n.intAttr("align_corners", 0) != 0;
  Value sum;
  for (size_t j = 0; j < spatial; ++j) {
    size_t axis = spatial - 1 - j; // x comes first
    Value points = axisPoints(n, column.size(), axis + 1, (*size)[axis + 2], alignCorners, sums);
    Value part = n.mul(points, factor(static_cast<int64_t>(j)));
    sum = sum ? n.add(sum, part) : part;
  }
  n.out(0, n.cast(n.add(sum, factor(wide)), n.element(theta)));
}

//===-- Deformable convolution -------------------------------------------------------------------//

/// The two elements around each place, in elements of the axis; what lies outside is 0.
AxisTaps linearTaps(NodeBuilder &n, Value place, DimExpr size, Type sums) {
  Value last = n.sub(sizeNumber(n, size, n.element(place)), 1), zero = n.like(place, 0);
  Value first = n.unary<qnt::FloorOp>(place), t = n.cast(n.sub(place, first), sums);
  AxisTaps taps;
  taps.weights = {n.sub(n.like(t, 1), t), t};
  for (int i = 0; i < 2; ++i) {
    Value source = n.add(first, i);
    taps.inside.push_back(
        both(n, n.compare(Predicate::ge, source, zero), n.compare(Predicate::le, source, last)));
    taps.indices.push_back(n.cast(clamped(n, source, zero, last), n.i64()));
  }
  return taps;
}

/// What a DeformConv node says. Each of `offsetGroups` runs of channels has its own places.
struct Deformed {
  SmallVector<int64_t> kernel, strides, dilations, pads;
  int64_t groups = 1, offsetGroups = 1;
  DimExpr planes, rows, columns; ///< batch * offsetGroups, and sizes of the result
  int64_t taps() const { return kernel[0] * kernel[1]; }
};

std::optional<Deformed> deformedOf(NodeBuilder &n, Value x, Value weight, Value offset) {
  for (Value value : {x, weight, offset})
    if (!value || n.rank(value) != 4) {
      n.unsupported("convolves over other than two axes", "use data of [batch, channels, y, x]");
      return std::nullopt;
    }
  Deformed d;
  auto high = n.at(weight, 2).constantValue(), wide = n.at(weight, 3).constantValue();
  d.strides = n.intsAttr("strides", {1, 1}), d.dilations = n.intsAttr("dilations", {1, 1});
  d.pads = n.intsAttr("pads", {0, 0, 0, 0});
  d.groups = n.intAttr("group", 1), d.offsetGroups = n.intAttr("offset_group", 1);
  auto bad = [](ArrayRef<int64_t> list, int64_t low) {
    return llvm::any_of(list, [&](int64_t v) { return v < low || v > (1 << 20); });
  };
  if (!high || !wide) {
    n.unsupported("the kernel has a dynamic size", "fix it with --shape");
    return std::nullopt;
  }
  if (d.strides.size() != 2 || d.dilations.size() != 2 || d.pads.size() != 4 ||
      bad(ArrayRef<int64_t>({*high, *wide, d.groups, d.offsetGroups}), 1) || bad(d.strides, 1) ||
      bad(d.dilations, 1) || bad(d.pads, 0)) {
    n.fail(Diag::BadNode, "kernel, strides, dilations, pads or groups are out of range");
    return std::nullopt;
  }
  d.kernel = {*high, *wide};
  n.equal(n.at(offset, 0), n.at(x, 0), "batches");
  n.equal(n.at(offset, 1), n.dim(2 * d.taps() * d.offsetGroups), "channels of the offsets");
  n.equal(n.at(x, 1), n.at(weight, 1) * d.groups, "channels");
  for (size_t i = 0; i < 2; ++i) {
    int64_t extent = d.dilations[i] * (d.kernel[i] - 1) + 1;
    DimExpr room = n.at(x, i + 2) + (d.pads[i] + d.pads[i + 2] - extent);
    n.equal(n.at(offset, i + 2), room.floorDiv(n.dim(d.strides[i])) + 1, "sizes of the offsets");
  }
  d.planes = n.at(x, 0) * d.offsetGroups;
  d.rows = n.at(offset, 2), d.columns = n.at(offset, 3);
  return n.failed() ? std::nullopt : std::optional(d);
}

/// Where the taps of all windows lie along an axis: [planes, taps * windows].
Value deformedPlaces(NodeBuilder &n, const Deformed &d, Value offset, int64_t axis) {
  Dims all = {d.planes, n.dim(d.kernel[0]), n.dim(d.kernel[1]), d.rows, d.columns};
  Dims byTap(5, n.dim(1)), byWindow = byTap;
  byTap[axis + 1] = all[axis + 1], byWindow[axis + 3] = all[axis + 3];
  Value regular = n.add(n.iota(byTap, axis + 1, n.dim(-d.pads[axis]), d.dilations[axis], n.i64()),
                        n.iota(byWindow, axis + 3, n.dim(0), d.strides[axis], n.i64()));
  Value pairs = n.reshape(offset, {d.planes, n.dim(d.taps()), n.dim(2), d.rows, d.columns});
  Value own = n.reshape(n.slice(pairs, 2, n.dim(axis), n.dim(1)), all);
  Value places = n.add(own, n.cast(regular, n.element(own)));
  return n.reshape(places, {d.planes, d.rows * d.columns * d.taps()});
}

/// A convolution each tap of which is read at an offset of its own, between elements (Dai et al.
/// 2017, section 2.1), and weighed by a mask (Zhu et al. 2019, section 3.2).
void deformConv(NodeBuilder &n) {
  Value x = n.in(0), weight = n.in(1), offset = n.in(2);
  Value bias = n.optional(3), mask = n.optional(4);
  auto d = deformedOf(n, x, weight, offset);
  if (!d || !n.sameElement(x, weight) || !n.sameElement(x, offset))
    return;
  DimExpr perPlane = n.divided(n.at(x, 1), d->offsetGroups, "channels", "groups");
  DimExpr outputs = n.divided(n.at(weight, 0), d->groups, "channels", "groups");
  if (n.failed())
    return;
  if (!n.isFloat(x))
    return n.fail(Diag::TypeMismatch, "convolves integers");
  Type element = n.element(x), sums = sumsOf(n, x);
  Dims from = n.dims(x);
  DimExpr windows = d->rows * d->columns, samples = windows * d->taps();
  offset = n.cast(offset, sums);
  AxisTaps axes[] = {linearTaps(n, deformedPlaces(n, *d, offset, 0), from[2], sums),
                     linearTaps(n, deformedPlaces(n, *d, offset, 1), from[3], sums)};
  Value planes = channelsLast(n, n.reshape(x, {d->planes, perPlane, from[2], from[3]}));
  Value seen = sampled(n, planes, axes, ArrayRef(from).drop_front(2), sums);
  if (mask)
    seen = n.mul(seen, n.reshape(n.cast(mask, sums), {d->planes, samples, n.dim(1)}));
  seen = n.reshape(n.cast(seen, element),
                   {from[0], n.dim(d->offsetGroups), n.dim(d->taps()), windows, perPlane});
  DimExpr inputs = n.at(weight, 1) * d->taps(), groups = n.dim(d->groups);
  Value y;
  if (d->groups == 1) {
    seen = n.reshape(n.transpose(seen, {0, 3, 1, 4, 2}), {from[0], windows, inputs});
    y = n.matmul(seen, n.reshape(weight, {outputs, inputs}), /*transposeY=*/true);
    y = n.swapAxes(y, 1, 2);
  } else {
    seen = n.reshape(n.transpose(seen, {0, 1, 4, 2, 3}), {from[0], groups, inputs, windows});
    y = n.matmul(n.reshape(weight, {groups, outputs, inputs}), seen);
  }
  y = n.reshape(y, {from[0], outputs * d->groups, d->rows, d->columns});
  n.out(0, bias ? n.add(y, n.unsqueeze(bias, {1, 2})) : y);
}

//===-- Regions ----------------------------------------------------------------------------------//

/// One axis of all regions: R regions, `bins` of each, `most` samples per bin.
struct RegionAxis {
  DimExpr bins, most;
  Value start, bin, counts; ///< [R]
};

/// The two elements around each sample, and what each weighs: all [R, bins, most].
struct RegionTaps {
  Value indices[2], weights[2];
  Value counts; ///< whether the sample counts
};

RegionAxis regionAxis(NodeBuilder &n, Value regions, int64_t from, const char *bins) {
  RegionAxis a;
  Type element = n.element(regions);
  int64_t number = n.intAttr(bins, 1), ratio = n.intAttr("sampling_ratio", 0);
  if (number < 1 || ratio < 0 || number > (1 << 20) || ratio > (1 << 20)) {
    n.fail(Diag::BadNode,
           Twine(bins) + " is " + Twine(number) + " and sampling_ratio " + Twine(ratio));
    return a;
  }
  std::string mode = n.stringAttr("coordinate_transformation_mode",
                                  n.opset < 16 ? "output_half_pixel" : "half_pixel");
  bool aligned = mode == "half_pixel";
  if (!aligned && mode != "output_half_pixel")
    n.fail(Diag::BadNode, "coordinate transformation '" + mode + "' is not known");
  double scale = n.floatAttr("spatial_scale", 1);
  DimExpr count = n.at(regions, 0);
  auto edge = [&](int64_t i) {
    Value own = n.mul(n.reshape(n.slice(regions, 1, n.dim(i), n.dim(1)), {count}), scale);
    return aligned ? n.sub(own, 0.5) : own;
  };
  a.bins = n.dim(number);
  a.start = edge(from);
  Value size = n.sub(edge(from + 2), a.start);
  if (!aligned)
    size = n.maximum(size, 1);
  a.bin = n.div(size, static_cast<double>(number));
  if (ratio > 0) {
    a.most = n.dim(ratio);
    a.counts = n.broadcast(n.scalar(element, static_cast<double>(ratio)), {count});
    return a;
  }
  a.counts = n.unary<qnt::CeilOp>(a.bin);
  a.most = bindSize(n, n.reduce(qnt::ReduceKind::max, a.counts, {0}, false), "samples");
  return a;
}

RegionTaps regionTaps(NodeBuilder &n, const RegionAxis &a, DimExpr size) {
  RegionTaps taps;
  Type element = n.element(a.start);
  DimExpr regions = n.at(a.start, 0), one = n.dim(1);
  auto each = [&](Value v) { return n.reshape(v, {regions, one, one}); };
  Value bin = n.cast(n.iota({one, a.bins, one}, 1, n.dim(0), 1, n.i64()), element);
  Value sample = n.cast(n.iota({one, one, a.most}, 2, n.dim(0), 1, n.i64()), element);
  Value counts = n.maximum(each(a.counts), 1);
  Value within = n.div(n.mul(n.add(sample, 0.5), each(a.bin)), counts);
  Value at = n.add(n.add(each(a.start), n.mul(bin, each(a.bin))), within);
  Value count = sizeNumber(n, size, element), last = n.sub(count, 1), zero = n.like(at, 0);
  taps.counts =
      both(n, n.compare(Predicate::lt, sample, each(a.counts)),
           both(n, n.compare(Predicate::ge, at, -1), n.compare(Predicate::le, at, count)));
  Value place = clamped(n, at, zero, last);
  Value low = n.unary<qnt::FloorOp>(place), t = n.sub(place, low);
  taps.indices[0] = n.cast(low, n.i64());
  taps.indices[1] = n.cast(n.minimum(n.add(low, 1), last), n.i64());
  taps.weights[0] = n.sub(n.like(t, 1), t), taps.weights[1] = t;
  return taps;
}

/// Whether a sample along `axis` of [R, .., most, .., C] is one of its region's own.
Value ownSamples(NodeBuilder &n, Value counts, DimExpr most, int64_t axis) {
  Dims along(6, n.dim(1)), regions = along;
  along[axis] = most;
  regions[0] = n.at(counts, 0);
  Value sample = n.cast(n.iota(along, axis, n.dim(0), 1, n.i64()), n.element(counts));
  return n.compare(Predicate::lt, sample, n.reshape(counts, regions));
}

/// Interpolated samples of each bin of each region, averaged or their maximum (He et al. 2017, Mask
/// R-CNN, section 3).
void roiAlign(NodeBuilder &n) {
  Value x = n.in(0), regions = n.in(1), batch = n.in(2);
  std::string mode = n.stringAttr("mode", "avg");
  if (!x || !regions || !batch)
    return;
  if (n.rank(x) != 4 || n.rank(regions) != 2 || n.rank(batch) != 1 ||
      (mode != "avg" && mode != "max"))
    return n.fail(Diag::BadNode, "operands or mode '" + mode + "' do not fit");
  n.equal(n.at(regions, 0), n.at(batch, 0), "regions");
  n.equal(n.at(regions, 1), n.dim(4), "corners of the regions");
  Type sums = sumsOf(n, x);
  regions = n.cast(regions, sums);
  RegionAxis down = regionAxis(n, regions, 1, "output_height");
  RegionAxis across = n.failed() ? RegionAxis() : regionAxis(n, regions, 0, "output_width");
  if (n.failed())
    return;
  Dims from = n.dims(x);
  DimExpr count = n.at(regions, 0), one = n.dim(1);
  RegionTaps rows = regionTaps(n, down, from[2]), columns = regionTaps(n, across, from[3]);
  auto ofRows = [&](Value v) { return n.reshape(v, {count, down.bins, down.most, one, one}); };
  auto ofColumns = [&](Value v) {
    return n.reshape(v, {count, one, one, across.bins, across.most});
  };
  Value plane = n.reshape(n.cast(batch, n.i64()), {count, one, one, one, one});
  Value height = n.dimTensor(from[2], n.i64()), width = n.dimTensor(from[3], n.i64());
  Value table = n.cast(n.reshape(channelsLast(n, x), {from[0] * from[2] * from[3], from[1]}), sums);
  Value total;
  for (int i = 0; i < 4; ++i) {
    Value index = n.add(n.mul(plane, height), ofRows(rows.indices[i / 2]));
    index = n.add(n.mul(index, width), ofColumns(columns.indices[i % 2]));
    Value weight = n.mul(ofRows(rows.weights[i / 2]), ofColumns(columns.weights[i % 2]));
    Value part = n.mul(n.gather(table, index, 0), n.unsqueeze(weight, {5}));
    total = !total ? part : mode == "avg" ? n.add(total, part) : n.maximum(total, part);
  }
  Value counts = n.unsqueeze(both(n, ofRows(rows.counts), ofColumns(columns.counts)), {5});
  if (mode == "avg") {
    Value samples = n.maximum(n.mul(down.counts, across.counts), 1);
    Value sum =
        n.reduce(qnt::ReduceKind::sum, n.select(counts, total, n.like(total, 0)), {2, 4}, false);
    total = n.div(sum, n.reshape(samples, {count, one, one, one}));
  } else {
    // Samples outside of x are 0; those beyond a region's own do not count.
    total = n.select(counts, total, n.like(total, 0));
    Value own = both(n, ownSamples(n, down.counts, down.most, 2),
                     ownSamples(n, across.counts, across.most, 4));
    Value lowest = n.like(total, -std::numeric_limits<double>::infinity());
    total = n.reduce(qnt::ReduceKind::max, n.select(own, total, lowest), {2, 4}, false);
  }
  n.out(0, n.cast(n.transpose(total, {0, 3, 1, 2}), n.element(x)));
}

constexpr OpEntry table[] = {
    {"", "GridSample", 16, gridSample},
    {"", "AffineGrid", 20, affineGrid},
    {"", "DeformConv", 19, deformConv},
    {"", "RoiAlign", 10, roiAlign},
    {"com.microsoft", "GridSample", 1, gridSample},
};

} // namespace

ArrayRef<OpEntry> qcc::import::samplingOps() { return table; }
