// qcc-raise-reshape: a gather whose indices count 0, 1, 2, ... in order.
#include "Match.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;

namespace qcc::raise {
#define GEN_PASS_DEF_RAISERESHAPE
#include "qcc/Raise/Passes.h.inc"
} // namespace qcc::raise

namespace {

/// An integer tensor whose element at i is `offset` + sum over axes of strides[axis] * i[axis].
struct Affine {
  DimExpr offset;
  SmallVector<DimExpr> strides;
};

/// The number that a tensor of one element holds, if sizes tell it.
std::optional<DimExpr> sizeOf(Value value) {
  while (auto reshape = value.getDefiningOp<ReshapeOp>())
    value = reshape.getX();
  if (auto dim = value.getDefiningOp<DimTensorOp>()) {
    SmallVector<DimExpr> dims = dimsOf(dim.getDims());
    return dims.size() == 1 ? std::optional(dims[0]) : std::nullopt;
  }
  if (auto splat = splatBehind(value); splat && elementTypeOf(value.getType()).isInteger(64))
    return DimExpr::constant(value.getContext(), static_cast<int64_t>(*splat));
  return std::nullopt;
}

class Affinity {
public:
  explicit Affinity(MLIRContext *context) : zero(DimExpr::constant(context, 0)) {}

  std::optional<Affine> of(Value value, int depth = 0) {
    SmallVector<DimExpr> dims = dimsOf(value.getType());
    Operation *op = value.getDefiningOp();
    if (!op || depth > 16)
      return std::nullopt;
    if (auto iota = dyn_cast<IotaOp>(op)) {
      Affine result = flat(dims, dimsOf(iota.getStart())[0]);
      result.strides[iota.getAxis()] = DimExpr::constant(value.getContext(), iota.getStep());
      return result;
    }
    if (auto number = sizeOf(value))
      return flat(dims, *number);
    if (auto reshape = dyn_cast<ReshapeOp>(op))
      return reshaped(of(reshape.getX(), depth + 1), dimsOf(reshape.getX().getType()), dims);
    if (auto broadcast = dyn_cast<BroadcastOp>(op))
      return aligned(of(broadcast.getX(), depth + 1), dims);
    if (auto add = dyn_cast<AddOp>(op)) {
      auto x = aligned(of(add.getX(), depth + 1), dims),
           y = aligned(of(add.getY(), depth + 1), dims);
      if (!x || !y)
        return std::nullopt;
      x->offset = x->offset + y->offset;
      for (auto [own, other] : llvm::zip_equal(x->strides, y->strides))
        own = own + other;
      return x;
    }
    if (auto mul = dyn_cast<MulOp>(op))
      for (auto [x, y] : {std::pair(mul.getX(), mul.getY()), std::pair(mul.getY(), mul.getX())})
        if (auto factor = sizeOf(y))
          if (auto result = aligned(of(x, depth + 1), dims)) {
            result->offset = result->offset * *factor;
            for (DimExpr &stride : result->strides)
              stride = stride * *factor;
            return result;
          }
    return std::nullopt;
  }

private:
  Affine flat(ArrayRef<DimExpr> dims, DimExpr offset) const {
    return {offset, SmallVector<DimExpr>(dims.size(), zero)};
  }

  /// As an operand of a result with more axes.
  std::optional<Affine> aligned(std::optional<Affine> x, ArrayRef<DimExpr> to) const {
    if (x)
      x->strides.insert(x->strides.begin(), to.size() - x->strides.size(), zero);
    return x;
  }

  /// Axes of size 1 come and go; the others stay.
  std::optional<Affine> reshaped(std::optional<Affine> x, ArrayRef<DimExpr> from,
                                 ArrayRef<DimExpr> to) const {
    if (!x)
      return std::nullopt;
    Affine result = flat(to, x->offset);
    size_t at = 0;
    for (auto [axis, size] : llvm::enumerate(to)) {
      while (at < from.size() && from[at].isConstant(1) && !size.isConstant(1))
        ++at;
      if (at < from.size() && from[at] == size)
        result.strides[axis] = x->strides[at++];
      else if (!size.isConstant(1))
        return std::nullopt;
    }
    for (; at < from.size(); ++at)
      if (!from[at].isConstant(1))
        return std::nullopt;
    return result;
  }

  DimExpr zero;
};

/// Whether indices [dims] are 0 .. rows - 1 in row-major order.
bool countsRows(const Affine &index, ArrayRef<DimExpr> dims, DimExpr rows) {
  DimExpr stride = DimExpr::constant(rows.getContext(), 1);
  for (size_t axis = dims.size(); axis-- > 0;) {
    if (dims[axis].isConstant(1))
      continue;
    if (index.strides[axis] != stride)
      return false;
    stride = stride * dims[axis];
  }
  return index.offset.isConstant(0) && stride == rows;
}

struct RaiseReshape : raise::impl::RaiseReshapeBase<RaiseReshape> {
  void runOnOperation() override {
    Affinity affinity(&getContext());
    SmallVector<GatherOp> gathers;
    getOperation().walk([&](GatherOp gather) { gathers.push_back(gather); });
    for (GatherOp gather : gathers) {
      if (gather.getAxis() != 0)
        continue;
      SmallVector<DimExpr> dims = dimsOf(gather.getIndices().getType());
      auto index = affinity.of(gather.getIndices());
      if (!index || !countsRows(*index, dims, dimsOf(gather.getX().getType())[0]))
        continue;
      OpBuilder builder(gather);
      Value reshaped = raise::reshapeTo(builder, gather.getX(), dimsOf(gather.getType()));
      gather.replaceAllUsesWith(reshaped);
      if (Operation *op = reshaped.getDefiningOp())
        raise::reportRaised(op, "raise-reshape");
    }
    raise::eraseDead(getOperation());
  }
};

} // namespace
