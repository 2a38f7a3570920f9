// What the patterns of this stage are made of.
#include "Match.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;

//===-- Constants --------------------------------------------------------------------------------//

bool raise::isSplat(Value value, double number) {
  auto splat = splatBehind(value);
  return splat && *splat == number;
}

bool raise::isNear(double got, double want, Type element) {
  double tolerance = element.getIntOrFloatBitWidth() <= 16 ? 4e-3 : 1e-4;
  return std::abs(got - want) <= tolerance * std::abs(want);
}

bool raise::isConstant(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return false;
  if (isa<ConstantOp, UseOp>(op))
    return true;
  bool movesOnly = isa<TransposeOp, ReshapeOp, BroadcastOp, SliceOp, ConcatOp, CastOp, QuantizeOp,
                       DequantizeOp, AssembleOp>(op) ||
                   op->hasTrait<Elementwise>();
  return movesOnly && llvm::all_of(op->getOperands(), isConstant);
}

//===-- Structure --------------------------------------------------------------------------------//

static bool sameUpTo(Value a, Value b, int depth) {
  if (a == b)
    return true;
  Operation *x = a.getDefiningOp(), *y = b.getDefiningOp();
  if (!x || !y || depth == 0 || x->getName() != y->getName() || a.getType() != b.getType() ||
      x->getNumOperands() != y->getNumOperands() || x->getNumRegions() != 0 ||
      x->getDiscardableAttrDictionary() != y->getDiscardableAttrDictionary() ||
      x->getPropertiesAsAttribute() != y->getPropertiesAsAttribute() || !isPure(x) ||
      cast<OpResult>(a).getResultNumber() != cast<OpResult>(b).getResultNumber())
    return false;
  for (auto [p, q] : llvm::zip(x->getOperands(), y->getOperands()))
    if (!sameUpTo(p, q, depth - 1))
      return false;
  return true;
}

bool raise::same(Value a, Value b) { return sameUpTo(a, b, 6); }

std::optional<raise::Scaled> raise::scaled(Value value) {
  Operation *op = value.getDefiningOp();
  auto keeps = [&](Value x) { return dimsOf(x.getType()) == dimsOf(value.getType()); };
  if (auto mul = dyn_cast_or_null<MulOp>(op)) {
    if (auto factor = splatBehind(mul.getY()); factor && keeps(mul.getX()))
      return Scaled{mul.getX(), *factor};
    if (auto factor = splatBehind(mul.getX()); factor && keeps(mul.getY()))
      return Scaled{mul.getY(), *factor};
  }
  if (auto div = dyn_cast_or_null<DivOp>(op))
    if (auto divisor = splatBehind(div.getY()); divisor && *divisor != 0 && keeps(div.getX()) &&
                                                isa<FloatType>(elementTypeOf(value.getType())))
      return Scaled{div.getX(), 1 / *divisor};
  return std::nullopt;
}

static void takeApart(Value value, ArrayRef<Value> stops, raise::Product &product, int depth) {
  if (!llvm::is_contained(stops, value) && depth > 0) {
    if (auto number = splatBehind(value)) {
      product.factor *= *number;
      return;
    }
    if (auto mul = value.getDefiningOp<MulOp>()) {
      takeApart(mul.getX(), stops, product, depth - 1);
      return takeApart(mul.getY(), stops, product, depth - 1);
    }
    if (auto quotient = raise::scaled(value)) {
      product.factor *= quotient->factor;
      return takeApart(quotient->x, stops, product, depth - 1);
    }
    if (auto pow = value.getDefiningOp<PowOp>())
      if (auto exponent = splatBehind(pow.getY()); exponent && (*exponent == 2 || *exponent == 3)) {
        for (int i = 0; i < int(*exponent); ++i)
          takeApart(pow.getX(), stops, product, depth - 1);
        return;
      }
  }
  product.factors.push_back(value);
}

raise::Product raise::productOf(Value value, ArrayRef<Value> stops) {
  Product product;
  takeApart(value, stops, product, 6);
  return product;
}

bool raise::Product::is(ArrayRef<Value> wanted) const {
  SmallVector<Value> rest(factors);
  for (Value value : wanted) {
    auto *found = llvm::find_if(rest, [&](Value other) { return same(value, other); });
    if (found == rest.end())
      return false;
    rest.erase(found);
  }
  return rest.empty();
}

Operation *raise::findProduct(Value term, double factor, ArrayRef<Value> wanted) {
  SmallVector<Value> level = {term};
  for (int depth = 0; depth < 4 && !level.empty(); ++depth) {
    SmallVector<Value> next;
    for (Value value : level)
      for (Operation *user : value.getUsers()) {
        if (!isa<MulOp, DivOp>(user))
          continue;
        Product product = productOf(user->getResult(0), wanted);
        if (isNear(product.factor, factor, elementTypeOf(value.getType())) && product.is(wanted) &&
            user->getResult(0).getType() == wanted[0].getType())
          return user;
        next.push_back(user->getResult(0));
      }
    level = next;
  }
  return nullptr;
}

Value raise::meanOf(Value value) {
  auto reduce = value.getDefiningOp<ReduceOp>();
  if (!reduce || !reduce.getKeepDims() || reduce.getAxes().size() != 1)
    return {};
  SmallVector<DimExpr> dims = dimsOf(reduce.getX().getType());
  if (reduce.getAxes()[0] != int64_t(dims.size()) - 1)
    return {};
  return reduce.getKind() == ReduceKind::mean ? reduce.getX() : Value();
}

Value raise::squareOf(Value value) {
  if (auto mul = value.getDefiningOp<MulOp>())
    return same(mul.getX(), mul.getY()) ? mul.getX() : Value();
  return otherOperand<PowOp>(value, [](Value y) { return isSplat(y, 2); });
}

/// v, for 1 / sqrt(v).
static Value inverseRootOf(Value value) {
  if (auto pow = value.getDefiningOp<PowOp>())
    return raise::isSplat(pow.getY(), -0.5) ? pow.getX() : Value();
  auto reciprocalOf = [](Value value) -> Value {
    if (auto op = value.getDefiningOp<ReciprocalOp>())
      return op.getX();
    auto div = value.getDefiningOp<DivOp>();
    return div && raise::isSplat(div.getX(), 1) ? div.getY() : Value();
  };
  if (Value root = reciprocalOf(value))
    if (auto sqrt = root.getDefiningOp<SqrtOp>())
      return sqrt.getX();
  if (auto sqrt = value.getDefiningOp<SqrtOp>())
    return reciprocalOf(sqrt.getX());
  return {};
}

std::optional<raise::Normalised> raise::normalised(Operation *op) {
  Normalised result;
  Value inside;
  if (auto div = dyn_cast<DivOp>(op)) {
    auto root = div.getY().getDefiningOp<SqrtOp>();
    if (!root)
      return std::nullopt;
    result.numerator = div.getX();
    inside = root.getX();
  } else if (auto mul = dyn_cast<MulOp>(op)) {
    inside = inverseRootOf(mul.getY());
    result.numerator = mul.getX();
    if (!inside) {
      inside = inverseRootOf(mul.getX());
      result.numerator = mul.getY();
    }
  }
  if (!inside || result.numerator.getType() != op->getResult(0).getType())
    return std::nullopt;
  if (auto add = inside.getDefiningOp<AddOp>()) {
    bool last = splatBehind(add.getY()).has_value();
    auto epsilon = splatBehind(last ? add.getY() : add.getX());
    if (!epsilon || *epsilon < 0)
      return std::nullopt;
    result.epsilon = *epsilon;
    inside = last ? add.getX() : add.getY();
  }
  Value mean = meanOf(inside);
  result.square = mean ? squareOf(mean) : Value();
  if (!result.square || result.square.getType() != result.numerator.getType())
    return std::nullopt;
  return result;
}

std::optional<raise::LastSlice> raise::lastSlice(Value value) {
  auto slice = value.getDefiningOp<SliceOp>();
  if (!slice)
    return std::nullopt;
  SmallVector<DimExpr> in = dimsOf(slice.getX().getType()), out = dimsOf(slice.getType()),
                       starts = dimsOf(slice.getStarts());
  for (size_t axis = 0; axis + 1 < in.size(); ++axis)
    if (in[axis] != out[axis] || !starts[axis].isConstant(0) || slice.getSteps()[axis] != 1)
      return std::nullopt;
  auto start = starts.back().constantValue(), width = out.back().constantValue();
  if (!start || !width)
    return std::nullopt;
  return LastSlice{slice.getX(), *start, *width, slice.getSteps().back()};
}

std::optional<std::pair<Value, Value>> raise::joinedPair(Value value) {
  auto concat = value.getDefiningOp<ConcatOp>();
  if (!concat || concat.getInputs().size() != 2 ||
      int64_t(concat.getAxis()) != int64_t(dimsOf(concat.getType()).size()) - 1)
    return std::nullopt;
  return std::pair(concat.getInputs()[0], concat.getInputs()[1]);
}

//===-- Building ---------------------------------------------------------------------------------//

Type raise::typeLike(Value value, ArrayRef<DimExpr> dims) {
  return makeTensorType(dims, elementTypeOf(value.getType()));
}

Value raise::reshapeTo(OpBuilder &builder, Value value, ArrayRef<DimExpr> dims) {
  while (auto inner = value.getDefiningOp<ReshapeOp>())
    value = inner.getX();
  Type type = typeLike(value, dims);
  return type == value.getType() ? value : ReshapeOp::create(builder, value.getLoc(), type, value);
}

Value raise::swapLast(OpBuilder &builder, Value value) {
  SmallVector<DimExpr> dims = dimsOf(value.getType());
  SmallVector<int64_t> order = llvm::to_vector(llvm::seq<int64_t>(0, dims.size()));
  if (auto inner = value.getDefiningOp<TransposeOp>()) {
    order.assign(inner.getPermutation().begin(), inner.getPermutation().end());
    value = inner.getX();
  }
  std::swap(order[order.size() - 1], order[order.size() - 2]);
  std::swap(dims[dims.size() - 1], dims[dims.size() - 2]);
  if (llvm::is_sorted(order))
    return value;
  return TransposeOp::create(builder, value.getLoc(), typeLike(value, dims), value, order);
}

Value raise::asVector(OpBuilder &builder, Value value, DimExpr channels) {
  SmallVector<DimExpr> dims = dimsOf(value.getType());
  if (dims.empty() || dims.back() != channels)
    return {};
  for (DimExpr dim : ArrayRef(dims).drop_back())
    if (!dim.isConstant(1))
      return {};
  return reshapeTo(builder, value, {channels});
}

namespace {

/// The vector that the only user of `value`, an OpTy, combines it with.
template <typename OpTy> Value vectorOfUser(OpBuilder &builder, Value value, OpTy &user) {
  user = raise::onlyUser<OpTy>(value);
  if (!user || user.getType() != value.getType())
    return {};
  builder.setInsertionPoint(user);
  Value other = user.getX() == value ? user.getY() : user.getX();
  return raise::asVector(builder, other, dimsOf(value.getType()).back());
}

/// The value before a cast to a wider float type whose result goes back to its type.
Value narrowSource(Operation *norm, CastOp &back) {
  auto widen = norm->getOperand(0).getDefiningOp<CastOp>();
  back = raise::onlyUser<CastOp>(norm->getResult(0));
  bool narrow = widen && back && isa<FloatType>(elementTypeOf(widen.getX().getType())) &&
                widen.getX().getType() == back.getType();
  return narrow ? widen.getX() : Value();
}

void narrow(OpBuilder &builder, Operation *norm) {
  CastOp back;
  Value x = narrowSource(norm, back);
  if (!x)
    return;
  norm->setOperand(0, x);
  norm->getResult(0).setType(x.getType());
  back.getResult().replaceAllUsesWith(norm->getResult(0));
  back.erase();
}

} // namespace

void raise::absorbParameters(func::FuncOp function) {
  OpBuilder builder(function.getContext());
  auto absorbGain = [&](auto norm) {
    narrow(builder, norm);
    MulOp mul;
    Value gain = norm.getGain() ? Value() : vectorOfUser(builder, norm.getResult(), mul);
    if (!gain)
      return;
    norm->moveBefore(mul);
    norm.getGainMutable().assign(gain);
    mul.getResult().replaceAllUsesWith(norm.getResult());
    mul.erase();
    narrow(builder, norm);
  };
  SmallVector<Operation *> norms;
  function.walk([&](Operation *op) {
    if (isa<LayerNormOp, RmsNormOp>(op))
      norms.push_back(op);
  });
  for (Operation *op : norms) {
    if (auto norm = dyn_cast<RmsNormOp>(op)) {
      absorbGain(norm);
      continue;
    }
    auto norm = cast<LayerNormOp>(op);
    absorbGain(norm);
    AddOp add;
    Value bias = norm.getBias() ? Value() : vectorOfUser(builder, norm.getResult(), add);
    if (!bias)
      continue;
    norm->moveBefore(add);
    norm.getBiasMutable().assign(bias);
    add.getResult().replaceAllUsesWith(norm.getResult());
    add.erase();
    narrow(builder, norm);
  }
}

void raise::eraseDead(func::FuncOp function) {
  SmallVector<Operation *> ops;
  function.walk([&](Operation *op) { ops.push_back(op); });
  for (Operation *op : llvm::reverse(ops))
    if (op != function && isOpTriviallyDead(op))
      op->erase();
}

void raise::reportRaised(Operation *op, StringRef pass) {
  remark::passed(op->getLoc(), remark::RemarkOpts::name(pass).category("raise"))
      << remark::metric("op", op->getName().getStringRef());
}

void raise::reportLeft(Operation *op, StringRef pass, StringRef why) {
  remark::missed(op->getLoc(), remark::RemarkOpts::name(pass).category("raise"))
      << remark::reason("{0}", why);
}
