// Output channels of a layer as a layer of their own, so that they can get another scheme.
#include "LayerQueries.h"
#include "qcc/Transform/Layers.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::transform;
using namespace qcc::qnt;

/// Rows of a constant matrix or entries of a constant list.
static Value rowsOf(RewriterBase &rewriter, Value from, ArrayRef<int32_t> rows) {
  SmallVector<DimExpr> dims = dimsOf(from.getType());
  dims[0] = DimExpr::constant(rewriter.getContext(), static_cast<int64_t>(rows.size()));
  Value list = constantList(rewriter, from.getLoc(), rows);
  return GatherOp::create(rewriter, from.getLoc(),
                          makeTensorType(dims, elementTypeOf(from.getType())), from, list, 0);
}

/// `layer` for some of its rows.
static LinearOp partOf(RewriterBase &rewriter, LinearOp layer, ArrayRef<int32_t> rows,
                       Location loc) {
  SmallVector<DimExpr> dims = dimsOf(layer.getType());
  dims.back() = DimExpr::constant(rewriter.getContext(), static_cast<int64_t>(rows.size()));
  Value bias = layer.getBias() ? rowsOf(rewriter, layer.getBias(), rows) : Value();
  Value weight = rowsOf(rewriter, layer.getWeight(), rows);
  return LinearOp::create(rewriter, loc, makeTensorType(dims, elementTypeOf(layer.getType())),
                          layer.getX(), weight, bias);
}

const char *transform::whyNotPromoted(LinearOp layer) {
  if (!hasFloatWeight(layer) || !elementTypeOf(layer.getType()).isF32())
    return "the weight is computed, came quantized or is not of f32";
  if (layer.getBias() && !isConstant(layer.getBias()))
    return "the bias is computed";
  return nullptr;
}

void transform::promoteRows(RewriterBase &rewriter, LinearOp layer, ArrayRef<int32_t> rows) {
  assert(!whyNotPromoted(layer) && !rows.empty());
  auto all = static_cast<int32_t>(outputsOf(layer));
  SmallVector<int32_t> rest, place(all); // place: where each output lies behind the two parts
  for (int32_t row = 0; row < all; ++row) {
    const int32_t *found = llvm::lower_bound(rows, row);
    bool promoted = found != rows.end() && *found == row;
    place[row] = promoted ? all - static_cast<int32_t>(rows.end() - found)
                          : static_cast<int32_t>(rest.size());
    if (!promoted)
      rest.push_back(row);
  }
  rewriter.setInsertionPoint(layer);
  StringRef name = nodeName(layer.getLoc());
  auto apart = rewriter.getStringAttr((name.empty() ? "layer" : name) + promotedSuffix);
  LinearOp low = partOf(rewriter, layer, rest, layer.getLoc());
  LinearOp high = partOf(rewriter, layer, rows, NameLoc::get(apart, layer.getLoc()));
  Location loc = layer.getLoc();
  auto last = static_cast<int64_t>(dimsOf(layer.getType()).size()) - 1;
  Value both = ConcatOp::create(rewriter, loc, layer.getType(),
                                ValueRange{low.getOut(), high.getOut()}, last);
  Value order = constantList(rewriter, loc, ArrayRef<int32_t>(place));
  rewriter.replaceOpWithNewOp<GatherOp>(layer, layer.getType(), both, order, last);
}
