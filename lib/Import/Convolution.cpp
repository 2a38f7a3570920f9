// Convolution, and pooling as maxima and sums of shifted slices.
#include "OpTable.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

/// Elements of a pooling window, each of which becomes a slice.
constexpr int64_t maxWindow = 256;

/// How windows lie over the spatial axes.
struct Window {
  SmallVector<int64_t> kernel, strides, dilations, pads;
  size_t spatial() const { return kernel.size(); }
  int64_t extent(size_t i) const { return dilations[i] * (kernel[i] - 1) + 1; }
};

/// Padding so that ceil(size / stride) windows fit; the odd one goes where auto_pad says.
bool autoPad(NodeBuilder &n, StringRef mode, ArrayRef<DimExpr> sizes, Window &w) {
  for (size_t i = 0; i < w.spatial(); ++i) {
    int64_t total = 0;
    if (mode != "VALID") {
      auto size = sizes[i].constantValue();
      if (!size && w.strides[i] != 1) {
        n.unsupported("auto_pad of a dynamic size", "fix it with --shape or give pads");
        return false;
      }
      int64_t windows = size ? llvm::divideCeil(*size, static_cast<uint64_t>(w.strides[i])) : 0;
      total = size ? std::max<int64_t>(0, (windows - 1) * w.strides[i] + w.extent(i) - *size)
                   : w.extent(i) - 1;
    }
    int64_t less = total / 2, more = total - less;
    w.pads[i] = mode == "SAME_LOWER" ? more : less;
    w.pads[i + w.spatial()] = total - w.pads[i];
  }
  return true;
}

std::optional<Window> window(NodeBuilder &n, ArrayRef<int64_t> kernel, ArrayRef<DimExpr> sizes) {
  size_t spatial = sizes.size();
  Window w;
  w.kernel = n.intsAttr("kernel_shape", kernel);
  w.strides = n.intsAttr("strides", SmallVector<int64_t>(spatial, 1));
  w.dilations = n.intsAttr("dilations", SmallVector<int64_t>(spatial, 1));
  w.pads = n.intsAttr("pads", SmallVector<int64_t>(2 * spatial, 0));
  auto bad = [](ArrayRef<int64_t> list) {
    return llvm::any_of(list, [](int64_t v) { return v < 1 || v > (1 << 20); });
  };
  if (w.kernel.size() != spatial || w.strides.size() != spatial || w.dilations.size() != spatial ||
      w.pads.size() != 2 * spatial || bad(w.kernel) || bad(w.strides) || bad(w.dilations) ||
      llvm::any_of(w.pads, [](int64_t v) { return v < 0 || v > (1 << 20); })) {
    n.fail(Diag::BadNode, "kernel_shape, strides, dilations or pads do not fit " + Twine(spatial) +
                              " spatial axes");
    return std::nullopt;
  }
  std::string mode = n.stringAttr("auto_pad", "NOTSET");
  if (mode != "NOTSET" && !autoPad(n, mode, sizes, w))
    return std::nullopt;
  return w;
}

/// Windows along axis i of `size` elements before padding.
DimExpr windows(NodeBuilder &n, const Window &w, size_t i, DimExpr size, bool roundUp) {
  DimExpr span = size + (w.pads[i] + w.pads[i + w.spatial()] - w.extent(i));
  DimExpr stride = n.dim(w.strides[i]);
  DimExpr count = (roundUp ? span.ceilDiv(stride) : span.floorDiv(stride)) + 1;
  if (count.constantValue().value_or(0) < 0)
    n.fail(Diag::ShapeMismatch, "a window of " + Twine(w.extent(i)) + " does not fit the " +
                                    size.str() + " elements of an axis and their padding");
  // The last window must begin inside the input or its left padding.
  return roundUp ? count.min((size + w.pads[i]).ceilDiv(stride)) : count;
}

/// Sizes of the kernel; nothing after a failure.
std::optional<SmallVector<int64_t>> kernelSizes(NodeBuilder &n, Value x, Value weight) {
  if (n.rank(x) < 3 || n.rank(weight) != n.rank(x)) {
    n.fail(Diag::ShapeMismatch, "needs data and weight of one rank, at least 3");
    return std::nullopt;
  }
  SmallVector<int64_t> kernel;
  Dims dims = n.dims(weight);
  for (DimExpr size : ArrayRef(dims).drop_front(2)) {
    if (!size.constantValue()) {
      n.unsupported("the kernel has a dynamic size");
      return std::nullopt;
    }
    kernel.push_back(*size.constantValue());
  }
  return kernel;
}

/// x with the channels that a weight has, also where a computed size says how many there are.
Value withChannels(NodeBuilder &n, Value x, DimExpr channels) {
  Dims dims = n.dims(x);
  n.equal(dims[1], channels, "channels");
  if (n.failed())
    return {};
  dims = n.dims(x);
  dims[1] = n.importer.space.resolve(channels);
  return n.conformExactly(x, dims);
}

} // namespace

Value qcc::import::convolved(NodeBuilder &n, Value x, Value weight, Value bias) {
  if (!x || !weight || !n.sameElement(x, weight))
    return {};
  auto kernel = kernelSizes(n, x, weight);
  if (!kernel)
    return {};
  int64_t groups = n.intAttr("group", 1);
  if (groups < 1) {
    n.fail(Diag::BadNode, "group is " + Twine(groups));
    return {};
  }
  x = withChannels(n, x, n.at(weight, 1) * groups);
  if (!x)
    return {};
  Dims to = n.dims(x);
  auto w = window(n, *kernel, ArrayRef(to).drop_front(2));
  if (!w)
    return {};
  if (!llvm::equal(w->kernel, *kernel)) {
    n.fail(Diag::BadNode, "kernel_shape is not the weight's");
    return {};
  }
  to[1] = n.at(weight, 0);
  for (size_t i = 0; i < w->spatial(); ++i)
    to[i + 2] = windows(n, *w, i, to[i + 2], false);
  if (n.failed())
    return {};
  return n.make<qnt::ConvOp>(n.type(to, n.element(x)), x, weight, bias, w->strides, w->dilations,
                             w->pads, groups);
}

namespace {

void conv(NodeBuilder &n) { n.out(0, convolved(n, n.in(0), n.in(1), n.optional(2))); }

/// A value per output channel, brought into the form of [B, M, spatial..]; one for all as it is.
Value perChannel(NodeBuilder &n, Value v, size_t rank, size_t axis) {
  if (!v || n.rank(v) == 0 || n.at(v, 0).isConstant(1))
    return n.reshape(v, {});
  Dims to(rank, n.dim(1));
  to[axis] = n.at(v, 0);
  return n.reshape(v, to);
}

/// Codes minus their zero points in 32 bits; `axis` is that of the channels.
Value centredCodes(NodeBuilder &n, Value codes, Value zero, size_t axis) {
  Type wide = n.builder.getI32Type();
  codes = n.cast(codes, wide);
  return zero && codes ? n.sub(codes, perChannel(n, n.cast(zero, wide), n.rank(codes), axis))
                       : codes;
}

void convInteger(NodeBuilder &n) {
  n.out(0, convolved(n, centredCodes(n, n.in(0), n.optional(2), 1),
                     centredCodes(n, n.in(1), n.optional(3), 0), {}));
}

/// The exact sum with its bias in 32 bits, scaled to real and on to codes.
void qlinearConv(NodeBuilder &n) {
  Value xScale = n.in(1), wScale = n.in(4), scale = n.in(6), zero = n.in(7);
  if (n.intAttr("channels_last", 0) != 0)
    return n.unsupported("has its channels last", "keep them first");
  Value sum = convolved(n, centredCodes(n, n.in(0), n.in(2), 1),
                        centredCodes(n, n.in(3), n.in(5), 0), n.optional(8));
  if (!sum || !xScale || !wScale || !scale || !zero || !n.isInteger(zero))
    return n.fail(Diag::BadNode, "the operands do not fit");
  Value both = n.mul(n.reshape(xScale, {}), perChannel(n, wScale, n.rank(sum), 1));
  Value real = n.mul(n.cast(sum, n.element(scale)), both);
  Value steps = n.unary<qnt::RoundOp>(n.div(real, n.reshape(scale, {})));
  steps = n.add(steps, n.cast(n.reshape(zero, {}), n.element(scale)));
  auto codes = cast<IntegerType>(n.element(zero));
  double high = std::exp2(codes.getWidth() - (codes.isUnsigned() ? 0 : 1)) - 1;
  n.out(0, n.cast(n.minimum(n.maximum(steps, codes.isUnsigned() ? 0 : -high - 1), high), codes));
}

/// x with stride - 1 zeros after each element of spatial axis i, but not after the last.
Value stretched(NodeBuilder &n, Value x, size_t axis, int64_t stride) {
  if (stride == 1)
    return x;
  Dims from = n.dims(x), low(from.size() + 1, n.dim(0)), high = low;
  high[axis + 1] = n.dim(stride - 1);
  Value wide = n.pad(n.unsqueeze(x, {static_cast<int64_t>(axis + 1)}), n.like(x, 0), low, high,
                     qnt::PadMode::constant);
  Dims merged = from;
  merged[axis] = from[axis] * stride;
  return n.slice(n.reshape(wide, merged), static_cast<int64_t>(axis), n.dim(0),
                 merged[axis] - (stride - 1));
}

/// [C, M / groups, kernel..] as the weight [M, C / groups, kernel..] of the convolution that goes
/// the other way: mirrored.
Value mirrored(NodeBuilder &n, Value weight, int64_t groups, ArrayRef<int64_t> kernel) {
  Dims d = n.dims(weight);
  DimExpr inputs = n.divided(d[0], groups, "channels", "groups");
  if (n.failed())
    return {};
  Dims split = {n.dim(groups), inputs}, merged = {d[1] * groups, inputs};
  split.append(d.begin() + 1, d.end());
  merged.append(d.begin() + 2, d.end());
  weight = n.reshape(n.swapAxes(n.reshape(weight, split), 1, 2), merged);
  for (auto [i, size] : llvm::enumerate(kernel))
    weight = n.slice(weight, static_cast<int64_t>(i + 2), n.dim(size - 1), n.dim(size), -1);
  return weight;
}

/// Pads that give the sizes of attribute output_shape; the odd one goes where auto_pad says.
bool padsForShape(NodeBuilder &n, Value x, Window &w, ArrayRef<int64_t> extra) {
  auto wanted = n.intsAttr("output_shape");
  std::string mode = n.stringAttr("auto_pad", "NOTSET");
  bool same = mode == "SAME_UPPER" || mode == "SAME_LOWER";
  if (mode == "VALID")
    std::fill(w.pads.begin(), w.pads.end(), 0);
  if (wanted.empty() && !same)
    return true;
  if (wanted.size() == n.rank(x)) // batch and channels may be given too
    wanted.erase(wanted.begin(), wanted.begin() + 2);
  if (!wanted.empty() && wanted.size() != w.spatial()) {
    n.fail(Diag::BadNode, "output_shape does not fit the spatial axes");
    return false;
  }
  for (size_t i = 0; i < w.spatial(); ++i) {
    auto size = n.at(x, i + 2).constantValue();
    if (!size) {
      n.unsupported("pads a dynamic size to an output size", "fix it with --shape or give pads");
      return false;
    }
    int64_t out = wanted.empty() ? *size * w.strides[i] : wanted[i];
    int64_t total = w.strides[i] * (*size - 1) + extra[i] + w.extent(i) - out;
    if (total < 0) { // more than the kernel reaches: zeros at the end
      w.pads[i] = 0;
      w.pads[i + w.spatial()] = total;
      continue;
    }
    int64_t less = total / 2, more = total - less;
    w.pads[i] = mode == "SAME_UPPER" ? less : more;
    w.pads[i + w.spatial()] = total - w.pads[i];
  }
  return true;
}

/// The convolution backwards: of the stretched input, padded by what the kernel reaches.
void convTransposeOf(NodeBuilder &n, ArrayRef<int64_t> pads, Value bias) {
  Value x = n.in(0), weight = n.in(1);
  if (!x || !weight || !n.sameElement(x, weight))
    return;
  auto kernel = kernelSizes(n, x, weight);
  int64_t groups = n.intAttr("group", 1);
  if (!kernel || groups < 1 || groups > (1 << 20))
    return n.fail(Diag::BadNode, "group is " + Twine(groups));
  size_t spatial = kernel->size();
  Window w{*kernel, n.intsAttr("strides", SmallVector<int64_t>(spatial, 1)),
           n.intsAttr("dilations", SmallVector<int64_t>(spatial, 1)),
           pads.empty() ? SmallVector<int64_t>(2 * spatial, 0) : llvm::to_vector(pads)};
  auto extra = n.intsAttr("output_padding", SmallVector<int64_t>(spatial, 0));
  auto bad = [](ArrayRef<int64_t> list) {
    return llvm::any_of(list, [](int64_t v) { return v < 1 || v > (1 << 20); });
  };
  if (w.strides.size() != spatial || w.dilations.size() != spatial ||
      w.pads.size() != 2 * spatial || extra.size() != spatial || bad(w.strides) ||
      bad(w.dilations) || bad(*kernel))
    return n.fail(Diag::BadNode, "attributes do not fit " + Twine(spatial) + " spatial axes");
  x = withChannels(n, x, n.at(weight, 0));
  if (!x)
    return;
  if (!padsForShape(n, x, w, extra))
    return;
  Dims low(spatial + 2, n.dim(0)), high = low;
  for (size_t i = 0; i < spatial; ++i) {
    x = stretched(n, x, i + 2, w.strides[i]);
    int64_t before = w.extent(i) - 1 - w.pads[i];
    int64_t after = w.extent(i) - 1 - w.pads[i + spatial] + extra[i];
    auto axis = static_cast<int64_t>(i + 2);
    if (!x || n.failed())
      return;
    int64_t cropLow = std::max<int64_t>(0, -before), cropHigh = std::max<int64_t>(0, -after);
    if (cropLow || cropHigh)
      x = n.slice(x, axis, n.dim(cropLow), n.at(x, axis) - (cropLow + cropHigh));
    low[i + 2] = n.dim(std::max<int64_t>(0, before));
    high[i + 2] = n.dim(std::max<int64_t>(0, after));
  }
  x = n.pad(x, n.like(x, 0), low, high, qnt::PadMode::constant);
  weight = mirrored(n, weight, groups, *kernel);
  if (!x || !weight || n.failed())
    return;
  Window plain{*kernel, SmallVector<int64_t>(spatial, 1), w.dilations,
               SmallVector<int64_t>(2 * spatial, 0)};
  Dims to = n.dims(x);
  to[1] = n.at(weight, 0);
  for (size_t i = 0; i < spatial; ++i)
    to[i + 2] = windows(n, plain, i, to[i + 2], false);
  if (!n.failed())
    n.out(0, n.make<qnt::ConvOp>(n.type(to, n.element(x)), x, weight, bias, plain.strides,
                                 plain.dilations, plain.pads, groups));
}

void convTranspose(NodeBuilder &n) { convTransposeOf(n, n.intsAttr("pads"), n.optional(2)); }

/// com.microsoft: the pads are an input.
void convTransposeWithDynamicPads(NodeBuilder &n) {
  auto pads = n.has(2) ? n.integers(2) : SmallVector<int64_t>();
  if (!pads)
    return n.unsupported("its pads are computed at run time", "make them constants");
  convTransposeOf(n, *pads, n.optional(3));
}

/// Calls `visit` with the slice of `x` that each element of the windows sees, in row-major order.
void eachTap(NodeBuilder &n, Value x, const Window &w, ArrayRef<DimExpr> counts,
             llvm::function_ref<void(Value)> visit) {
  SmallVector<int64_t> offset(w.spatial(), 0);
  while (x) {
    Dims to = n.dims(x), starts(to.size(), n.dim(0));
    SmallVector<int64_t> steps(to.size(), 1);
    for (size_t i = 0; i < w.spatial(); ++i) {
      starts[i + 2] = n.dim(offset[i] * w.dilations[i]);
      steps[i + 2] = w.strides[i];
      to[i + 2] = counts[i];
    }
    visit(n.make<qnt::SliceOp>(n.type(to, n.element(x)), x, qnt::makeDims(n.context(), starts),
                               steps));
    size_t i = w.spatial();
    while (i > 0 && ++offset[i - 1] == w.kernel[i - 1])
      offset[--i] = 0;
    if (i == 0)
      return;
  }
}

/// Combines the slices of `x` that each window offset sees.
Value overWindows(NodeBuilder &n, Value x, const Window &w, ArrayRef<DimExpr> counts,
                  bool maximum) {
  Value total;
  eachTap(n, x, w, counts, [&](Value part) {
    total = !total ? part : maximum ? n.maximum(total, part) : n.add(total, part);
  });
  return total;
}

/// Padding on the right may have to grow so that rounded-up windows are whole.
Value padded(NodeBuilder &n, Value x, const Window &w, ArrayRef<DimExpr> counts, double fill) {
  Dims sizes = n.dims(x), low(sizes.size(), n.dim(0)), high = low;
  for (size_t i = 0; i < w.spatial(); ++i) {
    low[i + 2] = n.dim(w.pads[i]);
    DimExpr reach = (counts[i] - 1) * w.strides[i] + w.extent(i);
    high[i + 2] = (reach - sizes[i + 2] - w.pads[i]).max(n.dim(w.pads[i + w.spatial()]));
  }
  auto zero = [](DimExpr d) { return d.isConstant(0); };
  if (llvm::all_of(low, zero) && llvm::all_of(high, zero))
    return x;
  return n.pad(x, n.like(x, fill), low, high, qnt::PadMode::constant);
}

/// The windows over x and how many there are along each axis; nothing after a failure.
std::optional<std::pair<Window, Dims>> poolWindows(NodeBuilder &n, Value x) {
  if (!x || n.rank(x) < 3) {
    n.fail(Diag::ShapeMismatch, "needs spatial axes, but the rank is " + Twine(n.rank(x)));
    return std::nullopt;
  }
  Dims sizes = n.dims(x), counts;
  auto w = window(n, {}, ArrayRef(sizes).drop_front(2));
  if (!w)
    return std::nullopt;
  int64_t taps = 1;
  for (int64_t size : w->kernel)
    taps *= size;
  if (taps > maxWindow) {
    n.unsupported("pools windows of " + Twine(taps) + " elements");
    return std::nullopt;
  }
  for (size_t i = 0; i < w->spatial(); ++i)
    counts.push_back(windows(n, *w, i, sizes[i + 2], n.intAttr("ceil_mode", 0) != 0));
  return std::pair(*w, counts);
}

/// Maxima of windows over `x`, which is padded, and where in [N, C, spatial..] of those sizes each
/// first one lies; column-major in each plane with `byColumn`.
std::pair<Value, Value> maximaAndPlaces(NodeBuilder &n, Value x, ArrayRef<DimExpr> sizes,
                                        const Window &w, ArrayRef<DimExpr> counts, bool byColumn) {
  size_t rank = sizes.size();
  Dims ones(rank, n.dim(1));
  Value place;
  for (size_t i = 0; i < w.spatial(); ++i) {
    size_t axis = byColumn ? rank - 1 - i : i + 2;
    Dims along = ones;
    along[axis] = sizes[axis];
    Value own = n.iota(along, static_cast<int64_t>(axis), n.dim(0), 1, n.i64());
    place = place ? n.add(n.mul(place, n.dimTensor(sizes[axis], n.i64())), own) : own;
  }
  SmallVector<Value> places;
  eachTap(n, padded(n, place, w, counts, 0), w, counts,
          [&](Value part) { places.push_back(part); });
  Value best, at;
  size_t tap = 0;
  eachTap(n, x, w, counts, [&](Value part) {
    Value own = places[tap++];
    if (!best) {
      best = part, at = n.broadcast(own, n.dims(part));
      return;
    }
    Value larger = n.compare(qnt::Predicate::gt, part, best);
    best = n.select(larger, part, best), at = n.select(larger, own, at);
  });
  Dims batches = ones, channels = ones;
  batches[0] = sizes[0], channels[1] = sizes[1];
  Value plane =
      n.add(n.mul(n.iota(batches, 0, n.dim(0), 1, n.i64()), n.dimTensor(sizes[1], n.i64())),
            n.iota(channels, 1, n.dim(0), 1, n.i64()));
  DimExpr area = qnt::elementCount(n.context(), sizes.drop_front(2));
  return {best, n.add(at, n.mul(plane, n.dimTensor(area, n.i64())))};
}

/// What no element is below.
double lowestOf(Type element) {
  auto integer = dyn_cast<IntegerType>(element);
  if (!integer)
    return -std::numeric_limits<double>::infinity();
  return integer.isUnsigned() ? 0 : -std::exp2(integer.getWidth() - 1);
}

void maxPool(NodeBuilder &n) {
  Value x = n.in(0);
  if (!n.wants(1))
    return n.out(0, maxPooled(n, x));
  auto over = poolWindows(n, x);
  if (!over)
    return;
  auto &[w, counts] = *over;
  bool byColumn = n.intAttr("storage_order", 0) != 0;
  Value all = padded(n, x, w, counts, lowestOf(n.element(x)));
  auto [maxima, places] = maximaAndPlaces(n, all, n.dims(x), w, counts, byColumn);
  n.out(0, maxima);
  n.out(1, places);
}

/// (sum |x|^p)^(1/p) of each window.
void lpPool(NodeBuilder &n) {
  Value x = n.in(0);
  auto over = poolWindows(n, x);
  int64_t p = n.intAttr("p", 2);
  if (!over)
    return;
  if (p < 1)
    return n.fail(Diag::BadNode, "p is " + Twine(p));
  auto &[w, counts] = *over;
  Value size = n.unary<qnt::AbsOp>(x), exponent = n.like(x, static_cast<double>(p));
  Value power = p == 1 ? size : p == 2 ? n.mul(x, x) : n.binary<qnt::PowOp>(size, exponent);
  Value sum = overWindows(n, padded(n, power, w, counts, 0), w, counts, false);
  n.out(0, p == 1   ? sum
           : p == 2 ? n.unary<qnt::SqrtOp>(sum)
                    : n.binary<qnt::PowOp>(sum, n.like(x, 1.0 / static_cast<double>(p))));
}

void averagePool(NodeBuilder &n) {
  Value x = n.in(0);
  if (x && !n.isFloat(x))
    return n.fail(Diag::TypeMismatch, "averages integers");
  n.out(0, averagePooled(n, x));
}

/// Local response: x / (bias + alpha / size * sum over neighbouring channels of x^2)^beta.
void lrn(NodeBuilder &n) {
  Value x = n.in(0);
  int64_t size = n.intAttr("size", 1);
  if (n.rank(x) < 2 || size < 1 || size > maxWindow)
    return n.fail(Diag::BadNode, "size is " + Twine(size));
  Dims low(n.rank(x), n.dim(0)), high = low;
  low[1] = n.dim((size - 1) / 2), high[1] = n.dim(size - 1 - (size - 1) / 2);
  Value squares = n.pad(n.mul(x, x), n.like(x, 0), low, high, qnt::PadMode::constant), sum;
  for (int64_t i = 0; i < size && squares; ++i) {
    Value part = n.slice(squares, 1, n.dim(i), n.at(x, 1));
    sum = sum ? n.add(sum, part) : part;
  }
  double alpha = n.floatAttr("alpha", 1e-4f), beta = n.floatAttr("beta", 0.75);
  Value base = n.add(n.mul(sum, alpha / static_cast<double>(size)), n.floatAttr("bias", 1));
  n.out(0, n.div(x, n.binary<qnt::PowOp>(base, n.like(x, beta))));
}

constexpr OpEntry table[] = {
    {"", "Conv", 7, conv},
    {"", "ConvTranspose", 7, convTranspose},
    {"", "ConvInteger", 10, convInteger},
    {"", "QLinearConv", 10, qlinearConv},
    {"", "LpPool", 7, lpPool},
    {"", "MaxPool", 7, maxPool},
    {"", "AveragePool", 7, averagePool},
    {"", "LRN", 7, lrn},
    {"com.microsoft", "QLinearConv", 1, qlinearConv},
    {"com.microsoft", "ConvTransposeWithDynamicPads", 1, convTransposeWithDynamicPads},
};

} // namespace

Value qcc::import::maxPooled(NodeBuilder &n, Value x) {
  auto over = poolWindows(n, x);
  if (!over)
    return {};
  auto &[w, counts] = *over;
  return overWindows(n, padded(n, x, w, counts, lowestOf(n.element(x))), w, counts, true);
}

Value qcc::import::averagePooled(NodeBuilder &n, Value x) {
  auto over = poolWindows(n, x);
  if (!over)
    return {};
  auto &[w, counts] = *over;
  Value sum = overWindows(n, padded(n, x, w, counts, 0), w, counts, false);
  // How many elements each window holds: padding counts only when asked to.
  Dims ones = n.dims(x);
  ones[0] = ones[1] = n.dim(1);
  Value one = n.broadcast(n.like(x, 1), ones);
  if (n.intAttr("count_include_pad", 0) != 0) {
    Dims low(ones.size(), n.dim(0)), high = low;
    for (size_t i = 0; i < w.spatial(); ++i)
      low[i + 2] = n.dim(w.pads[i]), high[i + 2] = n.dim(w.pads[i + w.spatial()]);
    one = n.pad(one, n.like(x, 1), low, high, qnt::PadMode::constant);
    // What rounding up adds beyond the padding does not count.
    Window rest = w;
    std::fill(rest.pads.begin(), rest.pads.end(), 0);
    one = padded(n, one, rest, counts, 0);
  } else {
    one = padded(n, one, w, counts, 0);
  }
  return n.div(sum, overWindows(n, one, w, counts, false));
}

ArrayRef<OpEntry> qcc::import::convolutionOps() { return table; }
