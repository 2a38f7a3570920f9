// qcc-raise-rope: x * cos + rotate(x) * sin, and the form that computes the halves apart.
#include "Match.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;

namespace qcc::raise {
#define GEN_PASS_DEF_RAISEROPE
#include "qcc/Raise/Passes.h.inc"
} // namespace qcc::raise

namespace {

DimExpr lastOf(Value value) {
  SmallVector<DimExpr> dims = dimsOf(value.getType());
  return dims.empty() ? DimExpr::constant(value.getContext(), 1) : dims.back();
}

/// x, for -x.
Value negated(Value value) {
  if (auto neg = value.getDefiningOp<NegOp>())
    return neg.getX();
  auto scaled = raise::scaled(value);
  return scaled && scaled->factor == -1 ? scaled->x : Value();
}

/// Looks through reshapes that add a last axis of size 1.
Value withoutLastOne(Value value) {
  auto reshape = value.getDefiningOp<ReshapeOp>();
  SmallVector<DimExpr> dims = dimsOf(value.getType());
  if (!reshape || dims.empty() || !dims.back().isConstant(1))
    return {};
  dims.pop_back();
  return dimsOf(reshape.getX().getType()) == dims ? reshape.getX() : Value();
}

//===-- Tables -----------------------------------------------------------------------------------//

/// Computes the first half of a table [.., 2 W] whose halves (or, interleaved, neighbours) are
/// equal, by following the computation back to what was repeated.
class HalfTable {
public:
  HalfTable(bool interleaved, DenseMap<Value, Value> &known)
      : interleaved(interleaved), known(known) {}

  /// Null when the halves are not provably equal.
  Value of(Value value) {
    auto [entry, isNew] = known.try_emplace(value);
    if (!isNew)
      return entry->second;
    Value half = compute(value);
    return known[value] = half;
  }

private:
  Type halfType(Value value) {
    SmallVector<DimExpr> dims = dimsOf(value.getType());
    dims.back() = DimExpr::constant(value.getContext(), *dims.back().constantValue() / 2);
    return raise::typeLike(value, dims);
  }

  /// What was repeated in place.
  Value repeated(Value value) {
    if (auto pair = raise::joinedPair(value); pair && !interleaved)
      return raise::same(pair->first, pair->second) ? pair->first : Value();
    auto flat = value.getDefiningOp<ReshapeOp>();
    if (!flat || !interleaved)
      return {};
    Value source;
    if (auto wide = flat.getX().getDefiningOp<BroadcastOp>(); wide && lastOf(wide).isConstant(2))
      source = withoutLastOne(wide.getX());
    else if (auto pair = raise::joinedPair(flat.getX());
             pair && raise::same(pair->first, pair->second))
      source = withoutLastOne(pair->first);
    return source && source.getType() == halfType(value) ? source : Value();
  }

  Value compute(Value value) {
    auto size = lastOf(value).constantValue();
    Operation *op = value.getDefiningOp();
    if (!size || *size % 2 != 0 || !op)
      return {};
    if (Value source = repeated(value))
      return source;
    OpBuilder builder(op->getContext());
    builder.setInsertionPointAfter(op);
    if (auto scaled = raise::scaled(value); scaled && scaled->factor == 1)
      return of(scaled->x);
    if (auto constant = dyn_cast<ConstantOp>(op))
      return constantHalf(builder, constant);
    bool keepsLast = isa<ReshapeOp, BroadcastOp>(op) && lastOf(op->getOperand(0)) == lastOf(value);
    if (auto transpose = dyn_cast<TransposeOp>(op))
      keepsLast =
          transpose.getPermutation().back() + 1 == int64_t(transpose.getPermutation().size());
    if (!keepsLast && !op->hasTrait<Elementwise>())
      return {};
    IRMapping map;
    for (Value operand : op->getOperands()) {
      if (lastOf(operand).isConstant(1))
        continue; // the same for all channels
      Value half = of(operand);
      if (!half)
        return {};
      map.map(operand, half);
    }
    Operation *clone = builder.clone(*op, map);
    clone->getResult(0).setType(halfType(value));
    return clone->getResult(0);
  }

  Value constantHalf(OpBuilder &builder, ConstantOp op) {
    auto dense = dyn_cast<DenseElementsAttr>(op.getValue());
    if (!dense)
      return {};
    SmallVector<Attribute> all(dense.getValues<Attribute>()), half;
    size_t size = *lastOf(op).constantValue(), apart = interleaved ? 1 : size / 2;
    for (size_t i = 0; i < all.size(); ++i) {
      bool first = interleaved ? i % 2 == 0 : i % size < size / 2;
      if (first && all[i] != all[i + apart])
        return {};
      if (first)
        half.push_back(all[i]);
    }
    auto type = cast<RankedTensorType>(halfType(op));
    return ConstantOp::create(builder, op.getLoc(), type, DenseElementsAttr::get(type, half));
  }

  bool interleaved;
  DenseMap<Value, Value> &known;
};

//===-- Rotations --------------------------------------------------------------------------------//

struct Rotation {
  Value x, cos, sin;
  bool interleaved = false;
};

/// x, for its halves exchanged and the new first one negated.
Value rotatedHalves(Value value) {
  auto pair = raise::joinedPair(value);
  Value minus = pair ? negated(pair->first) : Value();
  auto second = minus ? raise::lastSlice(minus) : std::nullopt;
  auto first = minus ? raise::lastSlice(pair->second) : std::nullopt;
  bool fits = first && second && raise::same(first->x, second->x) && first->start == 0 &&
              first->step == 1 && second->step == 1 && second->start == first->width &&
              first->width == second->width && first->x.getType() == value.getType();
  return fits ? first->x : Value();
}

/// x, for its neighbours exchanged and the new first ones negated.
Value rotatedNeighbours(Value value) {
  auto flat = value.getDefiningOp<ReshapeOp>();
  auto pair = flat ? raise::joinedPair(flat.getX()) : std::nullopt;
  if (!pair)
    return {};
  Value minus = negated(pair->first), odd, even = withoutLastOne(pair->second);
  if (minus)
    odd = withoutLastOne(minus);
  else if (Value inner = withoutLastOne(pair->first))
    odd = negated(inner);
  auto first = even ? raise::lastSlice(even) : std::nullopt;
  auto second = odd ? raise::lastSlice(odd) : std::nullopt;
  bool fits = first && second && raise::same(first->x, second->x) && first->step == 2 &&
              second->step == 2 && first->start == 0 && second->start == 1 &&
              first->x.getType() == value.getType();
  return fits ? first->x : Value();
}

/// The operands of a product, the second of which satisfies `test`.
template <typename F> bool productWith(Value value, F test, Value &other, Value &tested) {
  auto mul = value.getDefiningOp<MulOp>();
  if (!mul)
    return false;
  for (auto [a, b] : {std::pair(mul.getX(), mul.getY()), std::pair(mul.getY(), mul.getX())})
    if (test(b)) {
      other = a;
      tested = b;
      return true;
    }
  return false;
}

/// x * cos + rotate(x) * sin, tables of full width.
std::optional<Rotation> sumForm(AddOp add) {
  for (auto [a, b] : {std::pair(add.getX(), add.getY()), std::pair(add.getY(), add.getX())}) {
    Rotation r;
    Value rotated, x;
    auto isRotated = [&](Value value) {
      r.x = rotatedHalves(value);
      r.interleaved = !r.x;
      if (!r.x)
        r.x = rotatedNeighbours(value);
      return static_cast<bool>(r.x);
    };
    auto isX = [&](Value value) { return raise::same(value, r.x); };
    if (productWith(b, isRotated, r.sin, rotated) && productWith(a, isX, r.cos, x) &&
        r.x.getType() == add.getType())
      return r;
  }
  return std::nullopt;
}

/// concat(a * cos - b * sin, b * cos + a * sin) for halves a and b, tables of half the width.
std::optional<Rotation> halvesForm(ConcatOp concat) {
  auto pair = raise::joinedPair(concat);
  auto sub = pair ? pair->first.getDefiningOp<SubOp>() : SubOp();
  auto add = pair ? pair->second.getDefiningOp<AddOp>() : AddOp();
  auto ac = sub ? sub.getX().getDefiningOp<MulOp>() : MulOp();
  auto bs = sub ? sub.getY().getDefiningOp<MulOp>() : MulOp();
  if (!add || !ac || !bs)
    return std::nullopt;
  for (auto [a, cos] : {std::pair(ac.getX(), ac.getY()), std::pair(ac.getY(), ac.getX())})
    for (auto [b, sin] : {std::pair(bs.getX(), bs.getY()), std::pair(bs.getY(), bs.getX())}) {
      auto first = raise::lastSlice(a), second = raise::lastSlice(b);
      if (!first || !second || !raise::same(first->x, second->x) || first->start != 0 ||
          first->step != 1 || second->step != 1 || second->start != first->width ||
          second->width != first->width || first->x.getType() != concat.getType())
        continue;
      raise::Product bc = raise::productOf(add.getX(), {a, b, cos, sin}),
                     as = raise::productOf(add.getY(), {a, b, cos, sin});
      bool fits = bc.factor == 1 && as.factor == 1 &&
                  ((bc.is({b, cos}) && as.is({a, sin})) || (bc.is({a, sin}) && as.is({b, cos})));
      if (fits)
        return Rotation{first->x, cos, sin, false};
    }
  return std::nullopt;
}

struct RaiseRope : raise::impl::RaiseRopeBase<RaiseRope> {
  DenseMap<Value, Value> halves, evens;

  /// Builds the op in the place of `root`; tables have half the width.
  RopeOp replace(Operation *root, const Rotation &r) {
    if (r.cos.getType() != r.sin.getType() || lastOf(r.cos) * 2 != lastOf(r.x)) {
      raise::reportLeft(root, "raise-rope", "the tables of cos and sin differ in form");
      return {};
    }
    OpBuilder builder(root);
    auto rope =
        RopeOp::create(builder, root->getLoc(), r.x.getType(), r.x, r.cos, r.sin, r.interleaved);
    root->getResult(0).replaceAllUsesWith(rope);
    raise::reportRaised(rope, "raise-rope");
    return rope;
  }

  /// concat(rope(x[:2W]), x[2W:]) is rope(x).
  void widen(RopeOp rope) {
    auto turned = raise::lastSlice(rope.getX());
    auto concat = raise::onlyUser<ConcatOp>(rope.getResult());
    auto pair = concat ? raise::joinedPair(concat) : std::nullopt;
    auto rest =
        pair && pair->first == rope.getResult() ? raise::lastSlice(pair->second) : std::nullopt;
    if (!turned || !rest || !raise::same(turned->x, rest->x) || turned->start != 0 ||
        turned->step != 1 || rest->step != 1 || rest->start != turned->width ||
        turned->x.getType() != concat.getType())
      return;
    rope->moveBefore(concat);
    rope.getXMutable().assign(turned->x);
    rope.getResult().setType(cast<RankedTensorType>(concat.getType()));
    concat.getResult().replaceAllUsesWith(rope.getResult());
    concat.erase();
  }

  RopeOp raiseSum(AddOp add) {
    auto r = sumForm(add);
    if (!r)
      return {};
    HalfTable half(r->interleaved, r->interleaved ? evens : halves);
    Value cos = half.of(r->cos), sin = half.of(r->sin);
    if (!cos || !sin) {
      raise::reportLeft(add, "raise-rope", "the halves of its tables are not provably equal");
      return {};
    }
    return replace(add, {r->x, cos, sin, r->interleaved});
  }

  void runOnOperation() override {
    halves.clear();
    evens.clear();
    SmallVector<Operation *> anchors;
    getOperation().walk([&](Operation *op) {
      if (isa<AddOp, ConcatOp>(op))
        anchors.push_back(op);
    });
    SmallVector<RopeOp> raised;
    for (Operation *op : anchors) {
      RopeOp rope;
      if (auto add = dyn_cast<AddOp>(op))
        rope = raiseSum(add);
      else if (auto r = halvesForm(cast<ConcatOp>(op)))
        rope = replace(op, *r);
      if (rope)
        raised.push_back(rope);
    }
    llvm::for_each(raised, [&](RopeOp rope) { widen(rope); });
    raise::eraseDead(getOperation());
  }
};

} // namespace
