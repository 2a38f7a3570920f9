// What an attention mask means: causal, a window, padding, or a bias that is added.
#include "qcc/Inspect/Structures.h"
#include "llvm/ADT/DenseSet.h"
#include <cmath>

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;

Value qcc::throughRecipe(Value value) {
  while (auto use = value.getDefiningOp<UseOp>()) {
    auto weight = SymbolTable::lookupNearestSymbolFrom<WeightOp>(use, use.getWeightAttr());
    if (!weight || weight.getRecipe().empty())
      break;
    value = cast<YieldOp>(weight.getRecipe().front().getTerminator()).getValues().front();
  }
  return value;
}

namespace {

/// What a value is computed from.
struct Sources {
  bool mask = false, positions = false, otherInputs = false, weights = false;
  bool any() const { return mask || positions || otherInputs || weights; }
};

Sources sourcesOf(Value value) {
  Sources found;
  SmallVector<Value> open = {value};
  llvm::DenseSet<Value> seen;
  while (!open.empty()) {
    Value at = throughRecipe(open.pop_back_val());
    if (!seen.insert(at).second)
      continue;
    if (auto argument = dyn_cast<BlockArgument>(at)) {
      auto function = dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp());
      auto role = function
                      ? function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), roleAttrName)
                      : StringAttr();
      StringRef name = role ? role.getValue() : "";
      (name == "mask"        ? found.mask
       : name == "positions" ? found.positions
                             : found.otherInputs) = true;
      continue;
    }
    found.weights |= isa<UseOp>(at.getDefiningOp());
    llvm::append_range(open, at.getDefiningOp()->getOperands());
  }
  return found;
}

/// query * s + key * t + offset for the query's and the key's number s and t, lengths left out.
struct Index {
  double query = 0, key = 0, offset = 0;
};

enum class Axis { Unknown, Query, Key };

/// Which index a value varies with, where its shape tells.
Axis axisOf(Value value) {
  SmallVector<DimExpr> dims = dimsOf(value.getType());
  size_t rank = dims.size();
  for (size_t i = 0; i + 2 < rank; ++i)
    if (!dims[i].isConstant(1))
      return Axis::Unknown;
  bool keys = rank >= 1 && !dims[rank - 1].isConstant(1);
  bool queries = rank >= 2 && !dims[rank - 2].isConstant(1);
  return keys == queries ? Axis::Unknown : keys ? Axis::Key : Axis::Query;
}

std::optional<Index> indexOf(Value value, Axis axis) {
  value = throughRecipe(value);
  if (auto number = splatBehind(value))
    return Index{0, 0, *number};
  Operation *op = value.getDefiningOp();
  if (!op)
    return std::nullopt;
  if (axis == Axis::Unknown)
    axis = axisOf(value);
  if (isa<DimTensorOp>(op))
    return Index{};
  if (auto iota = dyn_cast<IotaOp>(op)) {
    if (axis == Axis::Unknown || iota.getStep() != 1)
      return std::nullopt;
    Index index;
    (axis == Axis::Query ? index.query : index.key) = 1;
    auto start = dimsOf(iota.getStart());
    index.offset = start.empty() ? 0 : double(start[0].constantValue().value_or(0));
    return index;
  }
  if (isa<ReshapeOp, CastOp, BroadcastOp, IdentityOp>(op))
    return indexOf(op->getOperand(0), axis);
  if (!isa<AddOp, SubOp>(op))
    return std::nullopt;
  auto x = indexOf(op->getOperand(0), axis), y = indexOf(op->getOperand(1), axis);
  if (!x || !y)
    return std::nullopt;
  double sign = isa<AddOp>(op) ? 1 : -1;
  return Index{x->query + sign * y->query, x->key + sign * y->key, x->offset + sign * y->offset};
}

/// Whether each element of a stored mask admits its key; nothing for a bias.
std::optional<std::vector<bool>> admittedBy(DenseElementsAttr table) {
  std::vector<bool> admitted;
  admitted.reserve(table.getNumElements());
  if (table.getElementType().isInteger(1)) {
    for (bool value : table.getValues<bool>())
      admitted.push_back(value);
    return admitted;
  }
  if (!isa<FloatType>(table.getElementType()))
    return std::nullopt;
  for (const llvm::APFloat &value : table.getValues<llvm::APFloat>()) {
    double number = value.convertToDouble();
    if (number != 0 && number > -1e4)
      return std::nullopt;
    admitted.push_back(number == 0);
  }
  return admitted;
}

/// A stored mask [.., S, T] in which query s sees keys first(s) .. last(s), the same in all copies:
/// causal where last(s) = s + T - S, a window where first(s) = last(s) - size + 1 or 0.
std::optional<MaskMeaning> readTable(DenseElementsAttr table, bool inverted) {
  auto shape = cast<ShapedType>(table.getType()).getShape();
  auto admitted = admittedBy(table);
  if (!admitted || shape.size() < 2)
    return std::nullopt;
  int64_t queries = shape[shape.size() - 2], keys = shape.back(), past = keys - queries;
  auto sees = [&](int64_t row, int64_t key) { return (*admitted)[row * keys + key] != inverted; };
  // The last query shows the window, the first whether there is a future.
  int64_t window = 0;
  while (window < keys && sees(queries - 1, keys - 1 - window))
    ++window;
  bool causal = queries > 1 && past >= 0 && past < keys - 1 && !sees(0, keys - 1);
  auto rows = static_cast<int64_t>(admitted->size()) / std::max<int64_t>(keys, 1);
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t key = 0; key < keys; ++key) {
      int64_t own = row % queries + past;
      bool wanted = (!causal || key <= own) && (window == keys || key > own - window);
      if (sees(row, key) != wanted)
        return std::nullopt;
    }
  MaskMeaning meaning;
  meaning.causal = causal;
  meaning.window = window == keys ? 0 : window;
  return meaning;
}

class MaskReader {
public:
  MaskMeaning meaning;

  void read(Value value, bool inverted) {
    value = throughRecipe(value);
    Operation *op = value.getDefiningOp();
    if (splatBehind(value))
      return;
    if (isa_and_present<NotOp>(op))
      return read(op->getOperand(0), !inverted);
    if ((isa_and_present<AndOp>(op) && !inverted) || (isa_and_present<OrOp>(op) && inverted))
      return readBoth(op, inverted);
    if (isa_and_present<AddOp>(op) && isa<FloatType>(elementTypeOf(value.getType())))
      return readBoth(op, inverted);
    // (1 - condition) * -huge, as eager exporters write it.
    if (auto mul = dyn_cast_or_null<MulOp>(op); mul && splatBehind(mul.getY()).value_or(0) <= -1e4)
      return read(mul.getX(), !inverted);
    if (auto sub = dyn_cast_or_null<SubOp>(op); sub && splatBehind(sub.getX()).value_or(0) == 1)
      return read(sub.getY(), !inverted);
    if (isa_and_present<ReshapeOp, BroadcastOp, CastOp>(op) && keepsIndices(op))
      return read(op->getOperand(0), inverted);
    if (auto constant = dyn_cast_or_null<ConstantOp>(op);
        constant && readStored(constant, inverted))
      return;
    if (auto select = dyn_cast_or_null<SelectOp>(op); select && readSelect(select))
      return;
    if (auto compare = dyn_cast_or_null<CompareOp>(op); compare && readCompare(compare, inverted))
      return;
    readRest(value);
  }

private:
  void readBoth(Operation *op, bool inverted) {
    read(op->getOperand(0), inverted);
    read(op->getOperand(1), inverted);
  }

  /// Whether the last two axes stay what they are.
  static bool keepsIndices(Operation *op) {
    auto in = dimsOf(op->getOperand(0).getType()), out = dimsOf(op->getResult(0).getType());
    for (size_t i = 1; i <= 2; ++i) {
      bool has = i <= in.size();
      DimExpr size = has ? in[in.size() - i] : DimExpr();
      if (i > out.size() || (has && size != out[out.size() - i] && !size.isConstant(1)))
        return false;
    }
    return true;
  }

  /// select(condition, 0, -huge), or with another mask in place of the 0.
  bool readSelect(SelectOp select) {
    auto admits = [](Value value) { return splatBehind(value).value_or(-1) == 0; };
    auto forbids = [](Value value) { return splatBehind(value).value_or(0) <= -1e4; };
    bool first = forbids(select.getY());
    if (!first && !forbids(select.getX()))
      return false;
    read(select.getCondition(), !first);
    Value rest = first ? select.getX() : select.getY();
    if (!admits(rest))
      read(rest, false);
    return true;
  }

  bool readStored(ConstantOp constant, bool inverted) {
    auto table = dyn_cast<DenseElementsAttr>(constant.getValue());
    auto found = table ? readTable(table, inverted) : std::nullopt;
    if (!found)
      return false;
    meaning.causal |= found->causal;
    if (found->window)
      meaning.window = found->window;
    return true;
  }

  bool readCompare(CompareOp compare, bool inverted) {
    auto x = indexOf(compare.getX(), Axis::Unknown), y = indexOf(compare.getY(), Axis::Unknown);
    if (!x || !y)
      return false;
    // difference <= 0, or < 0 where `strict`.
    Predicate predicate = compare.getPredicate();
    bool less = predicate == Predicate::lt || predicate == Predicate::le;
    bool strict = predicate == Predicate::lt || predicate == Predicate::gt;
    if (!less && predicate != Predicate::gt && predicate != Predicate::ge)
      return false;
    if (inverted)
      less = !less, strict = !strict;
    double sign = less ? 1 : -1;
    double query = sign * (x->query - y->query), key = sign * (x->key - y->key);
    double offset = sign * (x->offset - y->offset);
    if (query == -1 && key == 1)
      meaning.causal = true;
    else if (query == 1 && key == -1)
      meaning.window = static_cast<int64_t>(-offset) + (strict ? 0 : 1);
    else if (query != 0 && key != 0)
      return false;
    return true; // of one index alone: a bound that lengths keep
  }

  void note(StringRef text) {
    if (!llvm::is_contained(meaning.others, text.str()))
      meaning.others.push_back(text.str());
  }

  void readRest(Value value) {
    Sources from = sourcesOf(value);
    bool isFloat = isa<FloatType>(elementTypeOf(value.getType()));
    if (from.mask)
      meaning.padding = true;
    else if (from.weights)
      note(isFloat ? "learned bias" : "stored condition");
    else if (from.positions || from.otherInputs)
      note(isFloat ? "bias from an input" : "condition on an input");
    else
      note(isFloat ? "bias by position" : "condition on positions");
  }
};

} // namespace

MaskMeaning qcc::readMask(Value mask) {
  MaskReader reader;
  reader.read(mask, false);
  return reader.meaning;
}
