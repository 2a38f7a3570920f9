// qcc-raise-attention: softmax(scale * q k^T [capped] [+ mask]) v.
#include "Match.h"
#include <limits>

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;

namespace qcc::raise {
#define GEN_PASS_DEF_RAISEATTENTION
#include "qcc/Raise/Passes.h.inc"
} // namespace qcc::raise

namespace {

const double infinity = std::numeric_limits<double>::infinity();

/// A condition on scores: admitted where `value` is true (or false).
struct Condition {
  Value value;
  bool inverted = false;
};

/// What is found on the way from the probabilities back to q and k.
struct Scores {
  Value query, key, value, sink;
  double scale = 1, softcap = 0;
  SmallVector<DimExpr> lead; ///< batch and heads, where scores of rank 4 were seen
  bool safe = false, keyIsTransposed = false;
  SmallVector<Value> added;
  SmallVector<Condition> conditions;
  std::string why; ///< it is no attention, or empty
};

/// Whether the scores, and not a mask, come from here.
bool leadsToProduct(Value value, int depth = 8) {
  Operation *op = value.getDefiningOp();
  if (!op || depth == 0)
    return false;
  if (isa<MatmulOp>(op))
    return true;
  if (isa<CastOp, TanhOp, ReshapeOp>(op))
    return leadsToProduct(op->getOperand(0), depth - 1);
  if (isa<AddOp, MulOp, DivOp, SelectOp>(op))
    return llvm::any_of(op->getOperands(),
                        [&](Value operand) { return leadsToProduct(operand, depth - 1); });
  return false;
}

Value throughFloatCasts(Value value) {
  while (auto cast = value.getDefiningOp<CastOp>()) {
    if (!isa<FloatType>(elementTypeOf(cast.getX().getType())))
      break;
    value = cast.getX();
  }
  return value;
}

/// x, for a reshape that only merges or splits batch and heads.
Value regrouped(Value value) {
  auto reshape = value.getDefiningOp<ReshapeOp>();
  if (!reshape)
    return {};
  SmallVector<DimExpr> in = dimsOf(reshape.getX().getType()), out = dimsOf(reshape.getType());
  bool sizes = in.size() >= 3 && in.size() <= 4 && out.size() >= 3 && out.size() <= 4;
  return sizes && ArrayRef(in).take_back(2) == ArrayRef(out).take_back(2) ? reshape.getX()
                                                                          : Value();
}

/// The condition that an added mask of 0 and -inf stands for.
std::optional<Condition> conditionOf(Value mask) {
  auto select = mask.getDefiningOp<SelectOp>();
  if (!select)
    return std::nullopt;
  if (raise::isSplat(select.getX(), 0) && raise::isSplat(select.getY(), -infinity))
    return Condition{select.getCondition(), false};
  if (raise::isSplat(select.getX(), -infinity) && raise::isSplat(select.getY(), 0))
    return Condition{select.getCondition(), true};
  return std::nullopt;
}

//===-- From probabilities to operands -----------------------------------------------------------//

class ScoresReader {
public:
  explicit ScoresReader(MatmulOp product) { read(product); }
  Scores scores;

private:
  void read(MatmulOp product) {
    scores.value = product.getY();
    Value weights = throughFloatCasts(product.getX());
    if (Value source = regrouped(weights))
      weights = throughFloatCasts(source);
    weights = throughFloatCasts(throughGuard(weights));
    SliceOp kept = weights.getDefiningOp<SliceOp>();
    if (kept)
      weights = throughFloatCasts(kept.getX());
    auto softmax = weights.getDefiningOp<SoftmaxOp>();
    if (!softmax || softmax.getLog())
      return refuse("no softmax");
    if (product.getTransposeY())
      return refuse("the values are transposed");
    size_t rank = dimsOf(softmax.getType()).size(), outer = dimsOf(product.getType()).size();
    if (rank < 3 || rank > 4 || outer < 3 || outer > 4)
      return refuse("the scores do not have rank 3 or 4");
    see(softmax.getType());
    size_t readers =
        llvm::count_if(softmax->getUsers(), [](Operation *user) { return !isa<IsNanOp>(user); });
    if (readers != 1)
      return refuse("the probabilities are read elsewhere");
    Value at = softmax.getX();
    if (kept && !(at = scoresBesideSink(kept, at)))
      return refuse("a part of the probabilities is read");
    while (step(at)) {
    }
    if (!scores.why.empty())
      return;
    auto inner = at.getDefiningOp<MatmulOp>();
    if (!inner)
      return refuse("the scores are no product");
    scores.query = inner.getX();
    scores.key = inner.getY();
    scores.keyIsTransposed = !inner.getTransposeY();
  }

  /// x, for x less the largest of each row: softmax does that itself.
  static Value throughShift(Value value) {
    auto sub = value.getDefiningOp<SubOp>();
    auto largest = sub ? sub.getY().getDefiningOp<ReduceOp>() : ReduceOp();
    bool shifts = largest && largest.getKind() == ReduceKind::max && largest.getX() == sub.getX() &&
                  largest.getAxes() ==
                      ArrayRef<int64_t>{static_cast<int64_t>(dimsOf(sub.getType()).size() - 1)};
    return shifts ? sub.getX() : value;
  }

  /// The scores of softmax([scores, sink]) of which `kept` leaves those of keys; null where it is
  /// anything else. The sink becomes a vector with a number for each head.
  Value scoresBesideSink(SliceOp kept, Value logits) {
    auto concat =
        throughFloatCasts(throughShift(throughFloatCasts(logits))).getDefiningOp<ConcatOp>();
    if (!concat || concat.getInputs().size() != 2)
      return {};
    Value keys = concat.getInputs()[0], sink = throughFloatCasts(concat.getInputs()[1]);
    SmallVector<DimExpr> dims = dimsOf(keys.getType());
    bool fits = dims.size() == 4 && concat.getAxis() == 3 && dimsOf(kept.getType()) == dims &&
                llvm::all_of(dimsOf(kept.getStarts()), [](DimExpr d) { return d.isConstant(0); });
    while (auto wide = sink.getDefiningOp<BroadcastOp>())
      sink = throughFloatCasts(wide.getX());
    SmallVector<DimExpr> own = dimsOf(sink.getType());
    if (!fits || own.size() > 4 || !isa<FloatType>(elementTypeOf(sink.getType())))
      return {};
    own.insert(own.begin(), 4 - own.size(), DimExpr::constant(kept.getContext(), 1));
    if (!own[0].isConstant(1) || own[1] != dims[1] || !own[2].isConstant(1) ||
        !own[3].isConstant(1))
      return {};
    scores.sink = sink;
    return keys;
  }

  /// Remembers batch and heads.
  void see(Type type) {
    SmallVector<DimExpr> dims = dimsOf(type);
    if (dims.size() == 4)
      scores.lead = {dims[0], dims[1]};
  }

  void refuse(StringRef why) { scores.why = why.str(); }

  /// select(is_nan(p), 0, p)
  Value throughGuard(Value value) {
    auto select = value.getDefiningOp<SelectOp>();
    auto isNan = select ? select.getCondition().getDefiningOp<IsNanOp>() : IsNanOp();
    if (!isNan || isNan.getX() != select.getY() || !raise::isSplat(select.getX(), 0))
      return value;
    scores.safe = true;
    return select.getY();
  }

  /// One step back; false at the product of q and k, or when refused.
  bool step(Value &at) {
    at = throughFloatCasts(at);
    see(at.getType());
    if (Value source = regrouped(at)) {
      at = source;
      return true;
    }
    Operation *op = at.getDefiningOp();
    if (auto add = dyn_cast_or_null<AddOp>(op)) {
      bool first = leadsToProduct(add.getX());
      Value mask = first ? add.getY() : add.getX(), next = first ? add.getX() : add.getY();
      if (!leadsToProduct(next) || !mayMask(next, at))
        return false;
      if (auto condition = conditionOf(mask))
        scores.conditions.push_back(*condition);
      else
        scores.added.push_back(mask);
      at = next;
      return true;
    }
    if (auto select = dyn_cast_or_null<SelectOp>(op))
      return stepSelect(select, at);
    if (auto scaled = raise::scaled(at)) {
      if (auto tanh = scaled->x.getDefiningOp<TanhOp>()) {
        auto inner = raise::scaled(tanh.getX());
        Type element = elementTypeOf(at.getType());
        if (!inner || !raise::isNear(inner->factor * scaled->factor, 1, element))
          return scores.why = "tanh is no cap of the scores", false;
        if (scores.softcap != 0 || scores.scale != 1)
          return scores.why = "a factor lies between cap and softmax", false;
        scores.softcap = scaled->factor;
        at = inner->x;
        return true;
      }
      if (leadsToProduct(scaled->x)) {
        scores.scale *= scaled->factor;
        at = scaled->x;
        return true;
      }
    }
    return false;
  }

  /// select(condition, scores, -inf), or with another fill value an added mask.
  bool stepSelect(SelectOp select, Value &at) {
    bool first = leadsToProduct(select.getX());
    Value next = first ? select.getX() : select.getY(),
          fill = first ? select.getY() : select.getX();
    auto number = splatBehind(fill);
    if (!number || !leadsToProduct(next))
      return scores.why = "scores are selected against no constant", false;
    if (!mayMask(next, at))
      return false;
    if (*number != -infinity && *number > -1e9)
      return scores.why = "a selected score is not masked", false;
    if (*number == -infinity) {
      scores.conditions.push_back({select.getCondition(), !first});
    } else {
      // A huge negative number absorbs the score it is added to.
      OpBuilder builder(select);
      Type element = elementTypeOf(select.getType());
      auto scalar = RankedTensorType::get({}, element);
      auto constant = [&](double value) -> Value {
        llvm::APFloat number(value);
        bool loses;
        number.convert(cast<FloatType>(element).getFloatSemantics(),
                       llvm::APFloat::rmNearestTiesToEven, &loses);
        return ConstantOp::create(builder, select.getLoc(), scalar,
                                  DenseElementsAttr::get(scalar, number));
      };
      Value zero = constant(0), huge = constant(*number);
      Type type = raise::typeLike(select.getResult(), dimsOf(select.getCondition().getType()));
      scores.added.push_back(SelectOp::create(builder, select.getLoc(), type, select.getCondition(),
                                              first ? zero : huge, first ? huge : zero));
    }
    at = next;
    return true;
  }

  /// Masks come after cap and scale; a mask must not widen the scores.
  bool mayMask(Value next, Value at) {
    if (scores.softcap != 0 || scores.scale != 1)
      return scores.why = "a factor lies between mask and softmax", false;
    if (dimsOf(next.getType()) != dimsOf(at.getType()))
      return scores.why = "the mask has more dimensions than the scores", false;
    return true;
  }
};

//===-- Operands ---------------------------------------------------------------------------------//

/// Takes numbers out of an operand into the scale.
Value unscale(Value value, double &scale) {
  while (auto scaled = raise::scaled(throughFloatCasts(value))) {
    scale *= scaled->factor;
    value = scaled->x;
  }
  return value;
}

/// [.., T, D] for a key given as [.., D, T].
Value naturalKey(OpBuilder &builder, Value key, double &scale) {
  key = unscale(key, scale);
  // reshape(transpose(rows)): heads were merged with the batch around the transpose.
  if (auto outer = key.getDefiningOp<ReshapeOp>())
    if (auto transpose = outer.getX().getDefiningOp<TransposeOp>()) {
      SmallVector<DimExpr> out = dimsOf(key.getType()), in = dimsOf(transpose.getType());
      size_t a = out.size(), b = in.size();
      Value rows = raise::swapLast(builder, transpose);
      if (b >= 2 && out[a - 1] == in[b - 1] && out[a - 2] == in[b - 2] &&
          !rows.getDefiningOp<TransposeOp>()) {
        std::swap(out[a - 1], out[a - 2]);
        return unscale(raise::reshapeTo(builder, rows, out), scale);
      }
    }
  return unscale(raise::swapLast(builder, key), scale);
}

/// Whether heads are gathered as 0, 0, 1, 1, ...: each of `groups` in turn, as often as the others.
bool repeatsEach(Value indices, DimExpr groups) {
  auto constant = indices.getDefiningOp<ConstantOp>();
  auto list =
      constant ? dyn_cast<DenseIntElementsAttr>(constant.getValue()) : DenseIntElementsAttr();
  std::optional<int64_t> count = groups.constantValue();
  if (!list || list.getType().getRank() != 1 || !count || *count < 1 ||
      list.getNumElements() % *count)
    return false;
  int64_t times = list.getNumElements() / *count, at = 0;
  return llvm::all_of(list.getValues<APInt>(),
                      [&](const APInt &index) { return index.getSExtValue() == at++ / times; });
}

/// [B, G, T, D] for heads that were repeated to [B, G * n, T, D].
Value ungrouped(OpBuilder &builder, Value value) {
  if (auto gather = value.getDefiningOp<GatherOp>()) {
    SmallVector<DimExpr> in = dimsOf(gather.getX().getType());
    bool repeats =
        gather.getAxis() == 1 && in.size() == 4 && repeatsEach(gather.getIndices(), in[1]);
    return repeats ? gather.getX() : value;
  }
  auto merged = value.getDefiningOp<ReshapeOp>();
  auto wide = merged ? merged.getX().getDefiningOp<BroadcastOp>() : BroadcastOp();
  if (!wide)
    return value;
  SmallVector<DimExpr> out = dimsOf(value.getType()), all = dimsOf(wide.getType()),
                       in = dimsOf(wide.getX().getType());
  if (in.size() != all.size())
    return value;
  // Tiling leaves an axis of 1 behind each one that it repeats.
  for (size_t axis = all.size(); axis-- > 0 && all.size() > 5;)
    if (all[axis].isConstant(1)) {
      all.erase(all.begin() + axis);
      in.erase(in.begin() + axis);
    }
  bool repeats = out.size() == 4 && all.size() == 5 && in[2].isConstant(1) && all[0] == out[0] &&
                 all[1] * all[2] == out[1] && all[3] == out[2] && all[4] == out[3];
  for (size_t axis : {0, 1, 3, 4})
    repeats = repeats && in[axis] == all[axis];
  return repeats ? raise::reshapeTo(builder, wide.getX(), {in[0], in[1], in[3], in[4]}) : value;
}

/// A mask on scores [B * H, S, T] as one on [B, H, S, T].
Value splitHeads(OpBuilder &builder, Value mask, ArrayRef<DimExpr> lead) {
  SmallVector<DimExpr> dims = dimsOf(mask.getType());
  if (dims.size() != 3 || dims[0].isConstant(1) || dims[0] != lead[0] * lead[1])
    return mask;
  return raise::reshapeTo(builder, mask, {lead[0], lead[1], dims[1], dims[2]});
}

/// One mask from all that were added or selected; null for none.
Value buildMask(OpBuilder &builder, Location loc, Scores &scores) {
  for (Condition &next : scores.conditions)
    next.value = splitHeads(builder, next.value, scores.lead);
  for (Value &next : scores.added)
    next = splitHeads(builder, next, scores.lead);
  auto joined = [&](Value a, Value b) {
    auto dims = broadcastDims(dimsOf(a.getType()), dimsOf(b.getType()));
    assert(dims && "masks fit the scores");
    return *dims;
  };
  Value condition, added;
  for (const Condition &next : scores.conditions) {
    Value value = next.value;
    if (next.inverted)
      value = NotOp::create(builder, loc, value.getType(), value);
    if (condition)
      value = AndOp::create(builder, loc, raise::typeLike(value, joined(condition, value)),
                            condition, value);
    condition = value;
  }
  for (Value next : scores.added) {
    if (added && elementTypeOf(added.getType()) != elementTypeOf(next.getType()))
      next = CastOp::create(builder, loc,
                            makeTensorType(dimsOf(next.getType()), elementTypeOf(added.getType())),
                            next);
    added = added ? AddOp::create(builder, loc, raise::typeLike(added, joined(added, next)), next,
                                  added)
                        .getResult()
                  : next;
  }
  if (!condition || !added)
    return condition ? condition : added;
  auto scalar = RankedTensorType::get({}, elementTypeOf(added.getType()));
  auto element = cast<FloatType>(scalar.getElementType());
  Value never = ConstantOp::create(
      builder, loc, scalar,
      DenseElementsAttr::get(scalar, llvm::APFloat::getInf(element.getFloatSemantics(), true)));
  return SelectOp::create(builder, loc, raise::typeLike(added, joined(condition, added)), condition,
                          added, never);
}

struct RaiseAttention : raise::impl::RaiseAttentionBase<RaiseAttention> {
  /// Empty, or why the operands do not fit.
  StringRef check(Value q, Value k, Value v, Value mask, MatmulOp product) {
    if (dimsOf(q.getType()).size() != 4 || dimsOf(k.getType()).size() != 4 ||
        dimsOf(v.getType()).size() != 4)
      return "the operands do not have rank 4";
    SmallVector<DimExpr> dq = dimsOf(q.getType()), dk = dimsOf(k.getType()),
                         dv = dimsOf(v.getType());
    if (dk[0] != dq[0] || dv[0] != dq[0] || dv[1] != dk[1] || dv[2] != dk[2] || dk[3] != dq[3] ||
        !dq[1].exactDiv(dk[1]))
      return "the dimensions of query, key and value differ";
    if (mask && !broadcastsTo(dimsOf(mask.getType()), {dq[0], dq[1], dq[2], dk[2]}))
      return "the mask has more dimensions than the scores";
    SmallVector<DimExpr> out = dimsOf(product.getType());
    if (out.size() == 3)
      out.insert(out.begin(), DimExpr::constant(product.getContext(), 1));
    if (out[0] * out[1] != dq[0] * dq[1] || out[2] != dq[2] || out[3] != dv[3])
      return "the result has other dimensions than the query";
    return "";
  }

  /// Operands of a product of rank 3 whose first axis is batch times heads, as in [B * H, S, D].
  void splitOperands(OpBuilder &builder, Scores &scores, Value &q, Value &k, Value &v) {
    SmallVector<DimExpr> dims = dimsOf(q.getType());
    if (dims.size() == 3 && scores.lead.empty()) {
      Value source = regrouped(q);
      SmallVector<DimExpr> in = source ? dimsOf(source.getType()) : SmallVector<DimExpr>();
      if (in.size() == 4)
        scores.lead = {in[0], in[1]};
      else // one batch of as many heads means the same
        scores.lead = {DimExpr::constant(q.getContext(), 1), dims[0]};
    }
    for (Value *operand : {&q, &k, &v}) {
      SmallVector<DimExpr> own = dimsOf(operand->getType());
      if (own.size() == 3 && own[0] == scores.lead[0] * scores.lead[1])
        *operand =
            raise::reshapeTo(builder, *operand, {scores.lead[0], scores.lead[1], own[1], own[2]});
    }
  }

  /// Casts along the way fall away where all operands come from one type, as in models of half
  /// precision that widen the scores; else the product's type rules.
  void unifyTypes(OpBuilder &builder, MatmulOp product, Value &q, Value &k, Value &v) {
    Type element = elementTypeOf(q.getType());
    if (elementTypeOf(k.getType()) == element && elementTypeOf(v.getType()) == element)
      return;
    element = elementTypeOf(product.getType());
    for (Value *operand : {&q, &k, &v})
      if (elementTypeOf(operand->getType()) != element)
        *operand = CastOp::create(builder, product.getLoc(),
                                  makeTensorType(dimsOf(operand->getType()), element), *operand);
  }

  void raise(MatmulOp product) {
    Scores scores = ScoresReader(product).scores;
    if (!scores.why.empty()) {
      if (scores.why != "no softmax")
        raise::reportLeft(product, "raise-attention", scores.why);
      return;
    }
    OpBuilder builder(product);
    double scale = scores.scale;
    Value q = throughFloatCasts(unscale(scores.query, scale));
    Value k = scores.keyIsTransposed ? naturalKey(builder, scores.key, scale)
                                     : unscale(scores.key, scale);
    k = throughFloatCasts(unscale(k, scale));
    Value v = throughFloatCasts(scores.value);
    splitOperands(builder, scores, q, k, v);
    k = throughFloatCasts(unscale(ungrouped(builder, k), scale));
    v = ungrouped(builder, v);
    unifyTypes(builder, product, q, k, v);
    Value mask = buildMask(builder, product.getLoc(), scores);
    if (StringRef why = check(q, k, v, mask, product); !why.empty())
      return raise::reportLeft(product, "raise-attention", why);
    SmallVector<DimExpr> dims = dimsOf(q.getType());
    dims.back() = dimsOf(v.getType()).back();
    Type type = raise::typeLike(q, dims);
    Value sink = scores.sink;
    if (sink)
      sink = raise::reshapeTo(builder, sink, {dimsOf(q.getType())[1]});
    auto attention = AttentionOp::create(builder, product.getLoc(), type, q, k, v, mask, sink,
                                         llvm::APFloat(scale), llvm::APFloat(scores.softcap), false,
                                         0, scores.safe);
    Value out = raise::reshapeTo(builder, attention, dimsOf(product.getType()));
    if (out.getType() != product.getType())
      out = CastOp::create(builder, product.getLoc(), product.getType(), out);
    product.getResult().replaceAllUsesWith(out);
    raise::reportRaised(attention, "raise-attention");
  }

  /// Attention that the model has as an op of its own: heads that were repeated for it are shared.
  void shareHeads(AttentionOp attention) {
    OpBuilder builder(attention);
    Value k = ungrouped(builder, attention.getKey()), v = ungrouped(builder, attention.getValue());
    if (k == attention.getKey() || v == attention.getValue() ||
        dimsOf(k.getType())[1] != dimsOf(v.getType())[1])
      return;
    attention.getKeyMutable().assign(k);
    attention.getValueMutable().assign(v);
    raise::reportRaised(attention, "raise-attention");
  }

  void runOnOperation() override {
    SmallVector<MatmulOp> products;
    SmallVector<AttentionOp> given;
    getOperation().walk([&](MatmulOp op) { products.push_back(op); });
    getOperation().walk([&](AttentionOp op) { given.push_back(op); });
    for (AttentionOp attention : given)
      shareHeads(attention);
    for (MatmulOp product : products)
      raise(product);
    raise::eraseDead(getOperation());
  }
};

} // namespace
