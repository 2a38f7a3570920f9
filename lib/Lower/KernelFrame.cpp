// Parameters, dimensions and operand accesses of a kernel being written.
#include "qcc/Lower/KernelFrame.h"
#include "qcc/Kernels/QuantizedLayout.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::lower;
using namespace qcc::qnt;

std::optional<Elem> lower::elemOf(Type type) {
  if (type.isF32())
    return Elem::F32;
  if (type.isF64())
    return Elem::F64;
  if (type.isF16())
    return Elem::F16;
  if (type.isBF16())
    return Elem::BF16;
  if (isa<Float8E4M3FNType>(type))
    return Elem::F8E4M3FN;
  if (isa<Float8E4M3FNUZType>(type))
    return Elem::F8E4M3FNUZ;
  if (isa<Float8E5M2Type>(type))
    return Elem::F8E5M2;
  if (isa<Float8E5M2FNUZType>(type))
    return Elem::F8E5M2FNUZ;
  if (isa<Float8E8M0FNUType>(type))
    return Elem::F8E8M0;
  if (isa<Float4E2M1FNType>(type))
    return Elem::F4E2M1;
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer)
    return std::nullopt;
  bool isUnsigned = integer.isUnsigned();
  switch (integer.getWidth()) {
  case 1:
    return Elem::Bool;
  case 2:
    return isUnsigned ? Elem::U2 : Elem::I2;
  case 4:
    return isUnsigned ? Elem::U4 : Elem::I4;
  case 8:
    return isUnsigned ? Elem::U8 : Elem::I8;
  case 16:
    return isUnsigned ? Elem::U16 : Elem::I16;
  case 32:
    return isUnsigned ? Elem::U32 : Elem::I32;
  case 64:
    return isUnsigned ? Elem::U64 : Elem::I64;
  }
  return std::nullopt;
}

SmallVector<DimExpr> lower::denseStrides(MLIRContext *context, ArrayRef<DimExpr> dims) {
  SmallVector<DimExpr> strides(dims.size(), DimExpr::constant(context, 1));
  for (int i = static_cast<int>(dims.size()) - 2; i >= 0; --i)
    strides[i] = strides[i + 1] * dims[i + 1];
  return strides;
}

bool lower::isView(Operation *op) {
  return isa_and_nonnull<TransposeOp, BroadcastOp, SliceOp, ReshapeOp, IdentityOp>(op);
}

Access Access::broadcastTo(ArrayRef<DimExpr> from, ArrayRef<DimExpr> dims) const {
  Access result = *this;
  DimExpr zero = DimExpr::constant(offset.getContext(), 0);
  result.strides.assign(dims.size(), zero);
  size_t lead = dims.size() - from.size();
  for (size_t i = 0; i < from.size(); ++i)
    if (!from[i].isConstant(1) || dims[lead + i].isConstant(1))
      result.strides[lead + i] = strides[i];
  return result;
}

FailureOr<Access> lower::accessOf(Value value) {
  MLIRContext *context = value.getContext();
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    auto elem = elemOf(elementTypeOf(value.getType()));
    if (!elem)
      return failure();
    return Access{argument, *elem, DimExpr::constant(context, 0),
                  denseStrides(context, dimsOf(value.getType()))};
  }
  Operation *op = value.getDefiningOp();
  if (!isView(op))
    return failure();
  FailureOr<Access> inner = accessOf(op->getOperand(0));
  if (failed(inner))
    return failure();
  SmallVector<DimExpr> from = dimsOf(op->getOperand(0).getType()), to = dimsOf(value.getType());
  if (isa<ReshapeOp>(op)) {
    if (inner->strides != denseStrides(context, from))
      return failure();
    inner->strides = denseStrides(context, to);
  } else if (isa<BroadcastOp>(op)) {
    return inner->broadcastTo(from, to);
  } else if (auto transpose = dyn_cast<TransposeOp>(op)) {
    SmallVector<DimExpr> strides;
    for (int64_t axis : transpose.getPermutation())
      strides.push_back(inner->strides[axis]);
    inner->strides = strides;
  } else if (auto slice = dyn_cast<SliceOp>(op)) {
    for (auto [i, start] : llvm::enumerate(dimsOf(slice.getStarts()))) {
      inner->offset = inner->offset + start * inner->strides[i];
      inner->strides[i] = inner->strides[i] * slice.getSteps()[i];
    }
  }
  return inner;
}

DimExpr lower::bufferBytes(Type type) {
  MLIRContext *context = type.getContext();
  SmallVector<DimExpr> dims = dimsOf(type);
  if (auto quantized = dyn_cast<QType>(type))
    return quantizedBytes(quantized);
  return elementCount(context, dims) * elemBytes(*elemOf(elementTypeOf(type)));
}

KernelFrame::KernelFrame(KernelBuilder &k, KernelOp kernel) : k(k), kernel(kernel) {}

int lower::slotsOf(Type type) { return isa<KvType>(type) ? 3 : 1; }

int KernelFrame::operandSlot(unsigned i) {
  int slot = 0;
  for (BlockArgument argument : body().getArguments().take_front(i))
    slot += slotsOf(argument.getType());
  return slot;
}
int KernelFrame::resultSlot(unsigned i) {
  int slot = operandSlot(body().getNumArguments());
  for (Type type :
       llvm::make_range(yield()->operand_type_begin(), yield()->operand_type_begin() + i))
    slot += slotsOf(type);
  return slot;
}

Value KernelFrame::pointer(BlockArgument operand) {
  return k.argPtr(operandSlot(operand.getArgNumber()));
}
Value KernelFrame::resultPointer(unsigned i) { return k.argPtr(resultSlot(i)); }
std::pair<Value, Value> KernelFrame::cacheStrides(BlockArgument operand) {
  int slot = operandSlot(operand.getArgNumber());
  return {k.argI64(slot + 1), k.argI64(slot + 2)};
}

Value KernelFrame::dim(DimExpr expr) {
  auto it = dims.find(expr.getAttr());
  if (it != dims.end())
    return it->second;
  int first = resultSlot(yield()->getNumOperands());
  Value value = emitDim(k, expr, [&](StringRef name) {
    int index = 0;
    bool isParameter = name.consume_front("d") && !name.getAsInteger(10, index);
    assert(isParameter && "kernel dimensions are d0, d1, ...");
    (void)isParameter;
    return k.argI64(first + index);
  });
  return dims[expr.getAttr()] = value;
}

Value lower::emitDim(ValueBuilder &b, DimExpr expr, llvm::function_ref<Value(StringRef)> symbol) {
  switch (expr.kind()) {
  case DimKind::Const:
    return b.ci64(expr.value());
  case DimKind::Symbol:
    return symbol(expr.symbolName());
  case DimKind::Sum: {
    Value sum;
    for (Attribute term : expr.operands()) {
      Value value = emitDim(b, term, symbol);
      sum = sum ? b.add(sum, value) : value;
    }
    return expr.value() ? b.add(sum, b.ci64(expr.value())) : sum;
  }
  case DimKind::Product: {
    Value product;
    for (Attribute factor : expr.operands()) {
      Value value = emitDim(b, factor, symbol);
      product = product ? b.mul(product, value) : value;
    }
    return expr.value() == 1 ? product : b.mul(product, b.ci64(expr.value()));
  }
  default:
    break;
  }
  Value x = emitDim(b, expr.operands()[0], symbol), y = emitDim(b, expr.operands()[1], symbol);
  if (expr.kind() == DimKind::Min)
    return b.min(x, y);
  if (expr.kind() == DimKind::Max)
    return b.max(x, y);
  // Flooring division by a divisor that is at least 1 (an empty axis divides as 1: the quotient is
  // then multiplied by zero elements).
  Value divisor = b.max(y, b.ci64(1));
  Value quotient = b.div(x, divisor), remainder = b.rem(x, divisor);
  Value below = b.lt(remainder, b.ci64(0));
  if (expr.kind() == DimKind::FloorDiv)
    return b.select(below, b.sub(quotient, b.ci64(1)), quotient);
  if (expr.kind() == DimKind::Mod)
    return b.select(below, b.add(remainder, divisor), remainder);
  return b.select(b.gt(remainder, b.ci64(0)), b.add(quotient, b.ci64(1)), quotient);
}
