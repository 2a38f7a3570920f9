// Convolution, and pooling as maxima and sums of shifted slices.
#include "OpTable.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

/// Elements of a pooling window, each of which becomes a slice.
constexpr int64_t maxWindow = 1024;

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
  // The last window must begin inside the input or its left padding.
  if (count.constantValue().value_or(0) < 0)
    n.fail(Diag::ShapeMismatch, "a window of " + Twine(w.extent(i)) + " does not fit the " +
                                    size.str() + " elements of an axis and their padding");
  if (auto value = count.constantValue(), whole = size.constantValue();
      roundUp && value && whole && (*value - 1) * w.strides[i] >= *whole + w.pads[i])
    return count - 1;
  return count;
}

void conv(NodeBuilder &n) {
  Value x = n.in(0), weight = n.in(1), bias = n.optional(2);
  if (!x || !weight || !n.sameElement(x, weight))
    return;
  if (n.rank(x) < 3 || n.rank(weight) != n.rank(x))
    return n.fail(Diag::ShapeMismatch, "needs data and weight of one rank, at least 3");
  SmallVector<int64_t> kernel;
  for (DimExpr size : ArrayRef(n.dims(weight)).drop_front(2)) {
    if (!size.constantValue())
      return n.unsupported("the kernel has a dynamic size");
    kernel.push_back(*size.constantValue());
  }
  int64_t groups = n.intAttr("group", 1);
  n.equal(n.at(x, 1), n.at(weight, 1) * groups, "channels");
  if (n.failed() || groups < 1)
    return n.fail(Diag::BadNode, "group is " + Twine(groups));
  Dims to = n.dims(x);
  auto w = window(n, kernel, ArrayRef(to).drop_front(2));
  if (!w)
    return;
  if (!llvm::equal(w->kernel, kernel))
    return n.fail(Diag::BadNode, "kernel_shape is not the weight's");
  to[1] = n.at(weight, 0);
  for (size_t i = 0; i < w->spatial(); ++i)
    to[i + 2] = windows(n, *w, i, to[i + 2], false);
  if (n.failed())
    return;
  n.out(0, n.make<qnt::ConvOp>(n.type(to, n.element(x)), x, weight, bias, w->strides, w->dilations,
                               w->pads, groups));
}

/// Combines the slices of `x` that each window offset sees.
Value overWindows(NodeBuilder &n, Value x, const Window &w, ArrayRef<DimExpr> counts,
                  bool maximum) {
  Value total;
  SmallVector<int64_t> offset(w.spatial(), 0);
  while (x) {
    Dims to = n.dims(x), starts(to.size(), n.dim(0));
    SmallVector<int64_t> steps(to.size(), 1);
    for (size_t i = 0; i < w.spatial(); ++i) {
      starts[i + 2] = n.dim(offset[i] * w.dilations[i]);
      steps[i + 2] = w.strides[i];
      to[i + 2] = counts[i];
    }
    Value part = n.make<qnt::SliceOp>(n.type(to, n.element(x)), x,
                                      qnt::makeDims(n.context(), starts), steps);
    total = !total ? part : maximum ? n.maximum(total, part) : n.add(total, part);
    size_t i = 0;
    while (i < w.spatial() && ++offset[i] == w.kernel[i])
      offset[i++] = 0;
    if (i == w.spatial())
      return total;
  }
  return {};
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

template <bool maximum> void pool(NodeBuilder &n) {
  Value x = n.in(0);
  if (n.rank(x) < 3)
    return n.fail(Diag::ShapeMismatch, "needs spatial axes, but the rank is " + Twine(n.rank(x)));
  if (maximum && n.wants(1))
    return n.unsupported("gives the indices of maxima", "leave out the second output");
  Dims sizes = n.dims(x);
  auto w = window(n, {}, ArrayRef(sizes).drop_front(2));
  if (!w)
    return;
  int64_t taps = 1;
  for (int64_t size : w->kernel)
    taps *= size;
  if (taps > 256)
    return n.unsupported("pools windows of " + Twine(taps) + " elements");
  if (!maximum && !n.isFloat(x))
    return n.fail(Diag::TypeMismatch, "averages integers");
  Dims counts;
  for (size_t i = 0; i < w->spatial(); ++i)
    counts.push_back(windows(n, *w, i, sizes[i + 2], n.intAttr("ceil_mode", 0) != 0));
  if (maximum) {
    double lowest = -std::numeric_limits<double>::infinity();
    if (auto integer = dyn_cast<IntegerType>(n.element(x)))
      lowest = integer.isUnsigned() ? 0 : -std::exp2(integer.getWidth() - 1);
    return n.out(0, overWindows(n, padded(n, x, *w, counts, lowest), *w, counts, true));
  }
  Value sum = overWindows(n, padded(n, x, *w, counts, 0), *w, counts, false);
  // How many elements each window holds: padding counts only when asked to.
  Dims ones(sizes.begin(), sizes.end());
  ones[0] = ones[1] = n.dim(1);
  Value one = n.broadcast(n.like(x, 1), ones);
  if (n.intAttr("count_include_pad", 0) != 0) {
    Dims low(ones.size(), n.dim(0)), high = low;
    for (size_t i = 0; i < w->spatial(); ++i)
      low[i + 2] = n.dim(w->pads[i]), high[i + 2] = n.dim(w->pads[i + w->spatial()]);
    one = n.pad(one, n.like(x, 1), low, high, qnt::PadMode::constant);
    // What rounding up adds beyond the padding does not count.
    Window rest = *w;
    std::fill(rest.pads.begin(), rest.pads.end(), 0);
    one = padded(n, one, rest, counts, 0);
  } else {
    one = padded(n, one, *w, counts, 0);
  }
  n.out(0, n.div(sum, overWindows(n, one, *w, counts, false)));
}

constexpr OpEntry table[] = {
    {"", "Conv", 7, conv},
    {"", "MaxPool", 7, pool<true>},
    {"", "AveragePool", 7, pool<false>},
};

} // namespace

ArrayRef<OpEntry> qcc::import::convolutionOps() { return table; }
