// What undoes windows: Col2Im and MaxUnpool, which scatter elements to where they came from.
#include "OpTable.h"
#include "RunTimeSizes.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

bool outside(ArrayRef<int64_t> list, int64_t low) {
  return llvm::any_of(list, [&](int64_t v) { return v < low || v > (1 << 20); });
}

/// Blocks of an image, one for each place of a window.
struct Blocks {
  Dims block;
  SmallVector<int64_t> strides, dilations, pads;
  Dims padded, windows; ///< sizes of the image with its padding, and windows along each axis
};

std::optional<Blocks> blocksOf(NodeBuilder &n, ArrayRef<DimExpr> image) {
  auto block = n.has(2) ? sizesOf(n, 2, "the block") : std::nullopt;
  if (!block)
    return std::nullopt;
  size_t rank = image.size();
  Blocks b{*block,
           n.intsAttr("strides", SmallVector<int64_t>(rank, 1)),
           n.intsAttr("dilations", SmallVector<int64_t>(rank, 1)),
           n.intsAttr("pads", SmallVector<int64_t>(2 * rank, 0)),
           {},
           {}};
  if (b.block.size() != rank || b.strides.size() != rank || b.dilations.size() != rank ||
      b.pads.size() != 2 * rank || outside(b.strides, 1) || outside(b.dilations, 1) ||
      outside(b.pads, 0) ||
      llvm::any_of(b.block, [](DimExpr size) { return size.constantValue().value_or(1) < 1; })) {
    n.fail(Diag::BadNode, "block, strides, dilations or pads do not fit " + Twine(rank) + " axes");
    return std::nullopt;
  }
  for (size_t i = 0; i < rank; ++i) {
    b.padded.push_back(image[i] + (b.pads[i] + b.pads[i + rank]));
    DimExpr room = b.padded[i] - ((b.block[i] - 1) * b.dilations[i] + 1);
    b.windows.push_back(room.floorDiv(n.dim(b.strides[i])) + 1);
  }
  return b;
}

/// Where in the padded image the elements of all blocks belong: [block * windows, 1].
Value placesOf(NodeBuilder &n, const Blocks &b) {
  size_t rank = b.block.size();
  Dims ones(2 * rank, n.dim(1));
  Value place;
  for (size_t i = 0; i < rank; ++i) {
    Dims inBlock = ones, byWindow = ones;
    inBlock[i] = b.block[i], byWindow[rank + i] = b.windows[i];
    auto axis = static_cast<int64_t>(i);
    Value own =
        n.add(n.iota(inBlock, axis, n.dim(0), b.dilations[i], n.i64()),
              n.iota(byWindow, axis + static_cast<int64_t>(rank), n.dim(0), b.strides[i], n.i64()));
    place = place ? n.add(n.mul(place, n.dimTensor(b.padded[i], n.i64())), own) : own;
  }
  return place ? n.reshape(place, {qnt::elementCount(n.context(), n.dims(place)), n.dim(1)})
               : Value();
}

/// `rows` added up at their places in zeros [count, ..].
Value scattered(NodeBuilder &n, Value rows, Value places, DimExpr count, qnt::ScatterKind kind) {
  if (!rows || !places)
    return {};
  Dims to = n.dims(rows);
  to[0] = count;
  Value zeros = n.broadcast(n.like(rows, 0), to);
  if (!zeros)
    return {};
  return n.make<qnt::ScatterNdOp>(zeros.getType(), zeros, places, rows, kind);
}

void col2Im(NodeBuilder &n) {
  Value x = n.in(0);
  auto image = n.has(1) ? sizesOf(n, 1, "the image") : std::nullopt;
  auto blocks = image ? blocksOf(n, *image) : std::nullopt;
  if (!x || !blocks || n.failed())
    return;
  if (n.rank(x) != 3)
    return n.fail(Diag::ShapeMismatch,
                  "needs [batch, channels * block, blocks], but has rank " + Twine(n.rank(x)));
  const Blocks &b = *blocks;
  DimExpr block = qnt::elementCount(n.context(), b.block);
  DimExpr windows = qnt::elementCount(n.context(), b.windows), wide = n.at(x, 1);
  DimExpr channels = n.divided(wide, block, "channels", "places of a block");
  n.equal(n.at(x, 2), windows, "numbers of blocks");
  if (n.failed())
    return;
  DimExpr batch = n.at(x, 0), planes = batch * channels;
  Value rows = n.swapLast(n.reshape(x, {planes, block * windows}));
  Value all = scattered(n, rows, placesOf(n, b), qnt::elementCount(n.context(), b.padded),
                        qnt::ScatterKind::add);
  Dims to = {batch, channels};
  llvm::append_range(to, b.padded);
  Value y = n.reshape(n.swapLast(all), to);
  for (size_t i = 0; i < b.block.size(); ++i)
    if (b.pads[i] || b.pads[i + b.block.size()])
      y = n.slice(y, static_cast<int64_t>(i + 2), n.dim(b.pads[i]), (*image)[i]);
  n.out(0, y);
}

/// Maxima back at their places, given in the tensor that the pooling attributes imply; an
/// output_shape beyond it is filled with zeros.
void maxUnpool(NodeBuilder &n) {
  Value x = n.in(0), places = n.in(1);
  if (!n.atLeast(x, 3) || !places)
    return;
  Dims to = n.dims(x);
  size_t spatial = to.size() - 2;
  auto kernel = n.intsAttr("kernel_shape");
  auto strides = n.intsAttr("strides", SmallVector<int64_t>(spatial, 1));
  auto pads = n.intsAttr("pads", SmallVector<int64_t>(2 * spatial, 0));
  if (kernel.size() != spatial || strides.size() != spatial || pads.size() != 2 * spatial ||
      outside(kernel, 1) || outside(strides, 1) || outside(pads, 0) ||
      n.rank(places) != to.size() || !n.element(places).isInteger(64))
    return n.fail(Diag::BadNode,
                  "places or attributes do not fit " + Twine(spatial) + " spatial axes");
  for (size_t i = 0; i < to.size(); ++i)
    n.equal(to[i], n.at(places, i), "sizes of maxima and places");
  auto wanted = n.has(2) ? sizesOf(n, 2, "the output's shape") : std::optional<Dims>();
  if (n.failed())
    return;
  to = n.dims(x);
  for (size_t i = 0; i < spatial; ++i)
    to[i + 2] = (to[i + 2] - 1) * strides[i] + (kernel[i] - pads[i] - pads[i + spatial]);
  DimExpr count = qnt::elementCount(n.context(), n.dims(x));
  Value all = scattered(n, n.reshape(x, {count}), n.reshape(places, {count, n.dim(1)}),
                        qnt::elementCount(n.context(), to), qnt::ScatterKind::set);
  Value y = n.reshape(all, to);
  if (wanted) {
    if (wanted->size() != to.size())
      return n.fail(Diag::ShapeMismatch, "the output's shape has " + Twine(wanted->size()) +
                                             " axes instead of " + Twine(to.size()));
    Dims low(to.size(), n.dim(0)), high = low;
    for (size_t i = 0; i < to.size(); ++i) {
      if ((*wanted)[i] == to[i])
        continue;
      high[i] = (*wanted)[i] - to[i];
      if (high[i].constantValue().value_or(0) < 0)
        return n.fail(Diag::ShapeMismatch, "an output of " + text(*wanted) + " does not hold the " +
                                               text(to) + " that were pooled");
    }
    y = n.pad(y, n.like(y, 0), low, high, qnt::PadMode::constant);
  }
  n.out(0, y);
}

constexpr OpEntry table[] = {
    {"", "Col2Im", 18, col2Im},
    {"", "MaxUnpool", 9, maxUnpool},
};

} // namespace

ArrayRef<OpEntry> qcc::import::unfoldingOps() { return table; }
