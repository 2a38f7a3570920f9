// Operands, rows, copies and checked indices of kernel families.
#include "FamilySupport.h"
#include "RowCodes.h"
#include "qcc/Lower/Elementwise.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::lower;
using namespace qcc::qnt;

LogicalResult lower::refuse(Operation *op, const Twine &message) {
  return op->emitOpError() << diagName(Diag::NoKernel) << ": " << message;
}

std::string lower::typeText(Value value) {
  std::string text;
  llvm::raw_string_ostream(text) << elementTypeOf(value.getType());
  return text;
}

std::string lower::valueText(Value value) {
  std::string text;
  llvm::raw_string_ostream(text) << value.getType();
  return text;
}

lower::AroundAxis::AroundAxis(MLIRContext *context, ArrayRef<DimExpr> dims, int64_t axis)
    : outer(elementCount(context, dims.take_front(axis))), size(dims[axis]),
      inner(elementCount(context, dims.drop_front(axis + 1))) {}

SmallVector<Value> lower::dimValues(KernelFrame &frame, ArrayRef<DimExpr> dims) {
  return llvm::map_to_vector(dims, [&](DimExpr dim) { return frame.dim(dim); });
}

SmallVector<Value> lower::unravel(KernelBuilder &k, Value linear, ArrayRef<Value> sizes) {
  SmallVector<Value> index(sizes.size());
  for (int i = static_cast<int>(sizes.size()) - 1; i >= 0; --i) {
    index[i] = i ? k.remU(linear, sizes[i]) : linear;
    if (i)
      linear = k.divU(linear, sizes[i]);
  }
  return index;
}

RowBlocks::RowBlocks(DimExpr rows, DimExpr work)
    : rows(rows), perTask(DimExpr::constant(rows.getContext(), 8192).ceilDiv(work + 1)) {}

LaunchShape RowBlocks::launch() const {
  MLIRContext *context = rows.getContext();
  return {rows.ceilDiv(perTask), DimExpr::constant(context, 4), DimExpr::constant(context, 0)};
}

void RowBlocks::forRows(KernelFrame &frame, llvm::function_ref<void(Value)> body) const {
  KernelBuilder &k = frame.k;
  Value count = frame.dim(rows), step = frame.dim(perTask);
  Value from = k.mul(k.begin(), step), to = k.min(k.mul(k.end(), step), count);
  k.forLoop(from, to, k.ci64(1), body);
}

LaunchShape lower::singleTask(MLIRContext *context) {
  DimExpr one = DimExpr::constant(context, 1);
  return {one, one, DimExpr::constant(context, 0)};
}

Value Operand::at(KernelBuilder &k, ArrayRef<Value> index) const {
  Value result = offset;
  for (auto [i, value] : llvm::enumerate(index))
    if (known[i] == 1)
      result = k.add(result, value);
    else if (known[i] != 0)
      result = k.add(result, k.mul(value, strides[i]));
  return result;
}

Value Operand::vload(KernelBuilder &k, Value at, Value i, Value lanes) const {
  if (codes)
    return decodeLanes(k, *codes, k.bytePtr(pointer, at), i, lanes);
  if (known.empty() || known.back() == 0)
    return k.broadcast(k.load(elem, pointer, at));
  if (known.back() == 1)
    return k.vload(elem, pointer, k.add(at, i), lanes);
  Value stride = strides.back();
  return k.vloadStrided(elem, pointer, k.add(at, k.mul(i, stride)), stride, lanes);
}

/// The constant that `value` is, behind views of it.
static ConstantOp constantBehind(Value value) {
  while (isView(value.getDefiningOp()))
    value = value.getDefiningOp()->getOperand(0);
  return value.getDefiningOp<ConstantOp>();
}

FailureOr<Operand> lower::operandOf(KernelFrame &frame, Value value, ArrayRef<DimExpr> dims) {
  KernelBuilder &k = frame.k;
  SmallVector<DimExpr> own = dimsOf(value.getType());
  if (dims.empty())
    dims = own;
  Operand operand;
  if (ConstantOp constant = constantBehind(value)) {
    operand.elem = elemOfValue(constant);
    operand.pointer = k.stackBuffer(64);
    k.store(operand.elem, emitConstant(k, constant), operand.pointer);
    operand.offset = k.ci64(0);
    operand.strides.assign(dims.size(), k.ci64(0));
    operand.known.assign(dims.size(), 0);
    return operand;
  }
  if (auto decode = value.getDefiningOp<DecodeRowsOp>()) {
    auto bytes = operandOf(frame, decode.getX());
    if (succeeded(bytes))
      bytes->codes = rowCodesOf(decode);
    return bytes;
  }
  auto argument = dyn_cast<BlockArgument>(value);
  if (argument && isa<KvType>(argument.getType())) {
    auto [batch, head] = frame.cacheStrides(argument);
    operand.elem = elemOfValue(value);
    operand.pointer = frame.pointer(argument);
    operand.offset = k.ci64(0);
    operand.strides = {batch, head, frame.dim(own[3]), k.ci64(1)};
    operand.known = {-1, -1, -1, 1};
    return operand;
  }
  FailureOr<Access> access = accessOf(value);
  if (failed(access))
    return refuse(value.getDefiningOp() ? value.getDefiningOp() : frame.kernel,
                  "a view of an operand has no strides");
  Access wide = access->broadcastTo(own, dims);
  operand.elem = wide.elem;
  operand.pointer = frame.pointer(wide.source);
  operand.offset = frame.dim(wide.offset);
  for (auto [stride, dim] : llvm::zip(wide.strides, dims)) {
    bool zero = stride.isConstant(0) || dim.isConstant(1);
    operand.strides.push_back(frame.dim(stride));
    operand.known.push_back(zero ? 0 : stride.isConstant(1) ? 1 : -1);
  }
  return operand;
}

FailureOr<Value> lower::densePointer(KernelFrame &frame, Value value) {
  FailureOr<Operand> operand = operandOf(frame, value);
  if (failed(operand))
    return failure();
  if (!constantBehind(value)) {
    auto access = accessOf(value);
    SmallVector<DimExpr> dense = denseStrides(value.getContext(), dimsOf(value.getType()));
    if (access->strides != dense || !access->offset.isConstant(0))
      return refuse(frame.kernel, "an operand must be dense");
  }
  return operand->pointer;
}

Elem lower::copyElem(Elem elem) {
  switch (elemBytes(elem)) {
  case 1:
    return Elem::I8;
  case 2:
    return Elem::I16;
  case 4:
    return Elem::I32;
  default:
    return Elem::I64;
  }
}

void lower::copyRun(KernelBuilder &k, Elem elem, Value src, Value from, Value dst, Value to,
                    Value count) {
  Elem raw = copyElem(elem);
  Value in = k.elemPtr(raw, src, from), out = k.elemPtr(raw, dst, to);
  k.forLanes(k.max(count, k.ci64(0)), [&](Value i, Value lanes) {
    k.vstore(raw, k.vload(raw, in, i, lanes), out, i, lanes);
  });
}

void lower::fillRun(KernelBuilder &k, Elem elem, Value value, Value dst, Value to, Value count) {
  Value out = k.elemPtr(elem, dst, to), wide = k.broadcast(value);
  k.forLanes(k.max(count, k.ci64(0)),
             [&](Value i, Value lanes) { k.vstore(elem, wide, out, i, lanes); });
}

CheckedIndex lower::checkIndex(KernelBuilder &k, Value index, Value size) {
  Value fromEnd = k.select(k.lt(index, k.ci64(0)), k.add(index, size), index);
  Value good = k.ltU(fromEnd, size);
  k.faultIf(k.not_(good), QCC_FAULT_INDEX);
  return {fromEnd, good};
}
