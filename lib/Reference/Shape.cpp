// Ops that make or move elements without arithmetic.
#include "Detail.h"
#include "llvm/ADT/TypeSwitch.h"
#include <cstring>

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;
using namespace qcc::reference;

namespace {

llvm::Expected<Dims> evaluateDims(const Call &call, DimsAttr dims) {
  Dims values;
  for (DimExpr dim : dimsOf(dims)) {
    auto value = call.environment.size(dim, call.op);
    if (!value)
      return value.takeError();
    values.push_back(*value);
  }
  return values;
}

Results evaluateDimTensor(const Call &call, DimTensorOp op) {
  auto values = evaluateDims(call, op.getDims());
  if (!values)
    return values.takeError();
  Dims dims;
  if (cast<RankedTensorType>(op.getType()).getRank() == 1)
    dims.push_back(values->size());
  return one(store<int64_t>(call.resultElement(), dims, ArrayRef<int64_t>(*values)));
}

Results evaluateRequireEqual(const Call &call, RequireEqualOp op) {
  auto values = evaluateDims(call, op.getDims());
  if (!values)
    return values.takeError();
  SmallVector<DimExpr> dims = dimsOf(op.getDims());
  if ((*values)[0] != (*values)[1])
    return call.fail(Diag::DimensionsUnequal,
                     "dimension " + dims[0].str() + " is " + std::to_string((*values)[0]) +
                         ", but " + dims[1].str() + " is " + std::to_string((*values)[1]));
  return SmallVector<RtValue>{};
}

Results evaluateIota(const Call &call, IotaOp op) {
  auto dims = call.resultDims();
  auto start = evaluateDims(call, op.getStart());
  if (!dims || !start)
    return llvm::joinErrors(dims.takeError(), start.takeError());
  AroundAxis around(*dims, op.getAxis());
  std::vector<int64_t> out(product(*dims));
  for (int64_t i = 0, e = out.size(); i < e; ++i)
    out[i] = (*start)[0] + i / around.inner % around.size * op.getStep();
  return one(store<int64_t>(call.resultElement(), *dims, out));
}

Results evaluateReshape(const Call &call) {
  auto dims = call.resultDims();
  if (!dims)
    return dims.takeError();
  const Tensor &x = call.tensor(0);
  if (product(*dims) != x.size())
    return call.fail(Diag::SizesUnfit,
                     "cannot give " + dimsText(x.dims()) + " the dimensions " + dimsText(*dims));
  return one(x.withDims(*dims));
}

Results evaluateTranspose(const Call &call, TransposeOp op) {
  const Tensor &x = call.tensor(0);
  Dims own = stridesOf(x.dims()), dims, strides;
  for (int64_t axis : op.getPermutation()) {
    dims.push_back(x.dims()[axis]);
    strides.push_back(own[axis]);
  }
  return one(gatherStrided(x, dims, strides, 0));
}

Results evaluateBroadcast(const Call &call) {
  auto dims = call.resultDims();
  if (!dims)
    return dims.takeError();
  const Tensor &x = call.tensor(0);
  return one(gatherStrided(x, *dims, broadcastStrides(x.dims(), *dims), 0));
}

Results evaluateSlice(const Call &call, SliceOp op) {
  auto dims = call.resultDims();
  auto starts = evaluateDims(call, op.getStarts());
  if (!dims || !starts)
    return llvm::joinErrors(dims.takeError(), starts.takeError());
  const Tensor &x = call.tensor(0);
  Dims own = stridesOf(x.dims()), strides;
  int64_t base = 0;
  for (auto [axis, step] : llvm::enumerate(op.getSteps())) {
    int64_t first = (*starts)[axis], last = first + ((*dims)[axis] - 1) * step;
    bool empty = (*dims)[axis] == 0;
    if (!empty && (std::min(first, last) < 0 || std::max(first, last) >= x.dims()[axis]))
      return call.fail(Diag::IndexOutsideAxis, "elements " + std::to_string(first) + " to " +
                                                   std::to_string(last) + " are outside axis " +
                                                   std::to_string(axis) + " of size " +
                                                   std::to_string(x.dims()[axis]));
    base += first * own[axis];
    strides.push_back(step * own[axis]);
  }
  return one(gatherStrided(x, *dims, strides, base));
}

Results evaluateConcat(const Call &call, ConcatOp op) {
  auto dims = call.resultDims();
  if (!dims)
    return dims.takeError();
  Tensor out(call.resultElement(), *dims);
  AroundAxis around(*dims, op.getAxis());
  char *to = out.mutableData();
  int64_t width = out.bytesPerElement(), at = 0;
  for (unsigned k = 0; k < call.operands.size(); ++k) {
    const Tensor &x = call.tensor(k);
    int64_t run = x.dims()[op.getAxis()] * around.inner * width;
    if (at + run > around.size * around.inner * width)
      return call.fail(Diag::SizesUnfit, "operands are longer than the result's " +
                                             std::to_string(around.size) + " along the axis");
    for (int64_t outer = 0; outer < around.outer && run != 0; ++outer)
      std::memcpy(to + outer * around.size * around.inner * width + at, x.data() + outer * run,
                  run);
    at += run;
  }
  return one(std::move(out));
}

/// Where element `i` of a padded axis comes from; -1 for the padding value.
int64_t padSource(PadMode mode, int64_t i, int64_t size) {
  if (i >= 0 && i < size)
    return i;
  switch (mode) {
  case PadMode::constant:
    return -1;
  case PadMode::edge:
    return i < 0 ? 0 : size - 1;
  case PadMode::wrap:
    return ((i % size) + size) % size;
  case PadMode::reflect:
    break;
  }
  if (size == 1)
    return 0;
  int64_t period = 2 * (size - 1), r = ((i % period) + period) % period;
  return r < size ? r : period - r;
}

Results evaluateChoose(const Call &call, ChooseOp op) {
  auto which = evaluateDims(call, op.getWhich());
  if (!which)
    return which.takeError();
  return one(call.tensor((*which)[0] != 0 ? 0 : 1));
}

Results evaluatePad(const Call &call, PadOp op) {
  auto dims = call.resultDims();
  auto low = evaluateDims(call, op.getLow());
  if (!dims || !low)
    return llvm::joinErrors(dims.takeError(), low.takeError());
  const Tensor &x = call.tensor(0);
  if (op.getMode() != PadMode::constant && x.size() == 0 && product(*dims) != 0)
    return call.fail(Diag::SizesUnfit, "cannot pad the empty " + dimsText(x.dims()) + " to " +
                                           dimsText(*dims) + " from its own elements");
  Tensor out(call.resultElement(), *dims);
  char *to = out.mutableData();
  int64_t width = out.bytesPerElement(), total = product(*dims);
  Dims own = stridesOf(x.dims()), outStrides = stridesOf(*dims);
  for (int64_t i = 0; i < total; ++i) {
    int64_t from = 0;
    for (size_t axis = 0; axis < dims->size() && from >= 0; ++axis) {
      int64_t index = i / outStrides[axis] % (*dims)[axis] - (*low)[axis];
      int64_t source = padSource(op.getMode(), index, x.dims()[axis]);
      from = source < 0 ? -1 : from + source * own[axis];
    }
    std::memcpy(to + i * width, from < 0 ? call.tensor(1).data() : x.data() + from * width, width);
  }
  return one(std::move(out));
}

} // namespace

std::optional<Results> reference::evaluateShape(const Call &call) {
  return llvm::TypeSwitch<Operation *, std::optional<Results>>(call.op)
      .Case<ConstantOp>([&](ConstantOp op) -> Results {
        auto tensor = Tensor::fromAttr(op.getValue());
        if (!tensor)
          return tensor.takeError();
        return one(std::move(*tensor));
      })
      .Case<DimTensorOp>([&](DimTensorOp op) { return evaluateDimTensor(call, op); })
      .Case<RequireEqualOp>([&](RequireEqualOp op) { return evaluateRequireEqual(call, op); })
      .Case<IotaOp>([&](IotaOp op) { return evaluateIota(call, op); })
      .Case<ReshapeOp>([&](auto) { return evaluateReshape(call); })
      .Case<TransposeOp>([&](TransposeOp op) { return evaluateTranspose(call, op); })
      .Case<BroadcastOp>([&](auto) { return evaluateBroadcast(call); })
      .Case<SliceOp>([&](SliceOp op) { return evaluateSlice(call, op); })
      .Case<ConcatOp>([&](ConcatOp op) { return evaluateConcat(call, op); })
      .Case<ChooseOp>([&](ChooseOp op) { return evaluateChoose(call, op); })
      .Case<PadOp>([&](PadOp op) { return evaluatePad(call, op); })
      .Case<ResizeOp>([&](auto) { return evaluateResize(call); })
      .Case<IdentityOp>([&](auto) { return one(call.tensor(0)); })
      .Default([](Operation *) { return std::nullopt; });
}
