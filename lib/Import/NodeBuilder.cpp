// Helpers of import functions.
#include "NodeBuilder.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

std::string qcc::import::text(ArrayRef<DimExpr> dims) {
  std::string result = "[";
  for (DimExpr dim : dims)
    result += (result.size() > 1 ? ", " : "") + dim.str();
  return result + "]";
}

//===-- Errors -----------------------------------------------------------------------------------//

void NodeBuilder::fail(Diag code, const Twine &message, StringRef help) {
  if (isFailed)
    return;
  isFailed = true;
  llvm::consumeError(std::move(error));
  error = makeError(code, importer.where(node), message.str(), {}, help.str());
}

void NodeBuilder::unsupported(const Twine &reason, StringRef remedy) {
  if (isFailed)
    return;
  isFailed = refused = true;
  importer.addUnsupported(node, opset, reason.str(), remedy.str());
}

//===-- Inputs, attributes, outputs --------------------------------------------------------------//

Value NodeBuilder::in(size_t i) {
  Entry *entry = has(i) ? importer.find(node.inputs[i]) : nullptr;
  if (!entry) {
    fail(Diag::BadNode, "input " + Twine(i) + " is missing");
    return {};
  }
  auto value = importer.materialise(*entry, node.inputs[i]);
  if (value)
    return *value;
  llvm::Error problem = value.takeError();
  if (isFailed) {
    llvm::consumeError(std::move(problem));
    return {};
  }
  isFailed = true;
  llvm::consumeError(std::move(error));
  error = std::move(problem);
  return {};
}

std::optional<ShapeValue> NodeBuilder::known(size_t i) {
  Entry *entry = has(i) ? importer.find(node.inputs[i]) : nullptr;
  if (!entry)
    return std::nullopt;
  if (!entry->known && entry->tensor)
    entry->known = importer.knownOf(*entry->tensor);
  if (!entry->known && entry->value)
    if (auto constant = entry->value.getDefiningOp<qnt::ConstantOp>())
      if (auto dense = dyn_cast<DenseElementsAttr>(constant.getValue()))
        entry->known = ShapeValue::ofAttribute(dense);
  if (entry->known && importer.space.anySubstitution())
    for (Element &element : entry->known->elements)
      if (element.dim)
        element.dim = importer.space.resolve(element.dim);
  return entry->known;
}

std::optional<SmallVector<int64_t>> NodeBuilder::integers(size_t i) {
  auto value = known(i);
  if (!value || value->rank() > 1)
    return std::nullopt;
  return value->integers();
}

std::optional<Dims> NodeBuilder::dimsValue(size_t i) {
  auto value = known(i);
  if (!value || value->rank() > 1)
    return std::nullopt;
  return value->dims();
}

std::optional<double> NodeBuilder::number(size_t i) {
  auto value = known(i);
  if (!value || value->elements.size() != 1)
    return std::nullopt;
  const Element &element = value->elements[0];
  if (element.real)
    return element.real;
  if (auto integer = element.integer(); integer && element.divisor == 1)
    return static_cast<double>(*integer);
  return std::nullopt;
}

Dims NodeBuilder::inputDims(size_t i) {
  Entry *entry = has(i) ? importer.find(node.inputs[i]) : nullptr;
  if (!entry) {
    fail(Diag::BadNode, "input " + Twine(i) + " is missing");
    return {};
  }
  if (entry->value)
    return dims(entry->value);
  if (entry->known)
    return dims(entry->known->shape);
  return dims(entry->tensor->dims);
}

Type NodeBuilder::inputElement(size_t i) {
  Entry *entry = has(i) ? importer.find(node.inputs[i]) : nullptr;
  if (!entry) {
    fail(Diag::BadNode, "input " + Twine(i) + " is missing");
    return {};
  }
  if (entry->value)
    return element(entry->value);
  return entry->known ? entry->known->type : importer.elementType(entry->tensor->dataType);
}

/// Takes the value of a getter, or makes its error the node's.
template <typename T> static T take(NodeBuilder &n, llvm::Expected<T> value) {
  if (value)
    return std::move(*value);
  n.fail(Diag::BadNode, llvm::toString(value.takeError()));
  return {};
}

int64_t NodeBuilder::intAttr(StringRef name, int64_t def) {
  return take(*this, node.getInt(name, def));
}
double NodeBuilder::floatAttr(StringRef name, double def) {
  return node.has(name) ? take(*this, node.getFloat(name, 0)) : def;
}
std::string NodeBuilder::stringAttr(StringRef name, StringRef def) {
  return take(*this, node.getString(name, def));
}
std::vector<std::string> NodeBuilder::stringsAttr(StringRef name) {
  return take(*this, node.getStrings(name));
}
SmallVector<int64_t> NodeBuilder::intsAttr(StringRef name, ArrayRef<int64_t> def) {
  auto list = take(*this, node.getInts(name, def));
  return {list.begin(), list.end()};
}
SmallVector<double> NodeBuilder::floatsAttr(StringRef name, ArrayRef<double> def) {
  if (!node.has(name))
    return llvm::to_vector(def);
  auto list = take(*this, node.getFloats(name, {}));
  return {list.begin(), list.end()};
}

int64_t NodeBuilder::axis(int64_t value, size_t rank) {
  auto size = static_cast<int64_t>(rank);
  int64_t normal = value < 0 ? value + size : value;
  if (normal >= 0 && normal < size)
    return normal;
  fail(Diag::BadNode, "axis " + Twine(value) + " is outside rank " + Twine(size));
  return 0;
}

SmallVector<int64_t> NodeBuilder::axes(ArrayRef<int64_t> values, size_t rank) {
  SmallVector<int64_t> result;
  for (int64_t value : values)
    result.push_back(axis(value, rank));
  llvm::sort(result);
  if (std::adjacent_find(result.begin(), result.end()) != result.end())
    fail(Diag::BadNode, "an axis is named twice");
  return result;
}

std::optional<SmallVector<int64_t>> NodeBuilder::axesFrom(size_t input) {
  if (has(input)) {
    auto list = integers(input);
    if (!list)
      unsupported("the axes are computed at run time", "make them constants");
    return list;
  }
  if (hasAttr("axes"))
    return intsAttr("axes");
  return std::nullopt;
}

/// No known size is negative, and together they are few enough for 64-bit arithmetic on bytes.
bool NodeBuilder::sizesArePossible(Value value) {
  constexpr int64_t maxElements = int64_t(1) << 40;
  int64_t elements = 1;
  for (DimExpr size : dims(value)) {
    auto known = size.constantValue();
    if (!known || *known == 0)
      continue;
    if (*known < 0) {
      fail(Diag::ShapeMismatch, "the result would have the dimensions " + text(dims(value)));
      return false;
    }
    if (llvm::MulOverflow(elements, *known, elements) || elements > maxElements) {
      fail(Diag::TensorTooLarge,
           "the result " + text(dims(value)) + " has more than 2^40 elements");
      return false;
    }
  }
  return true;
}

void NodeBuilder::out(size_t i, Value value) {
  if (!wants(i))
    return;
  if (!value && !isFailed)
    fail(Diag::BadNode, "the operands do not fit the operator");
  if (isFailed || !sizesArePossible(value))
    return;
  Entry entry;
  entry.value = value;
  importer.define(node.outputs[i], std::move(entry));
}

void NodeBuilder::outKnown(size_t i, ShapeValue value) {
  if (!wants(i) || isFailed)
    return;
  Entry entry;
  entry.known = std::move(value);
  importer.define(node.outputs[i], std::move(entry));
}

//===-- Types and dimensions ---------------------------------------------------------------------//

Dims NodeBuilder::dims(ArrayRef<int64_t> values) const {
  return llvm::map_to_vector<6>(values, [&](int64_t value) { return dim(value); });
}

DimExpr NodeBuilder::at(Value value, size_t axis) {
  Dims all = dims(value);
  if (axis < all.size())
    return all[axis];
  if (value)
    fail(Diag::ShapeMismatch, "an operand of " + text(all) + " has too few axes");
  return dim(1);
}

bool NodeBuilder::atLeast(Value x, size_t rank) {
  Dims all = dims(x);
  if (x && all.size() >= rank)
    return true;
  if (x)
    fail(Diag::ShapeMismatch, "an operand of " + text(all) + " has a rank below " + Twine(rank));
  return false;
}

Type NodeBuilder::element(Value value) const {
  return value ? qnt::elementTypeOf(value.getType()) : Type();
}

RankedTensorType NodeBuilder::type(ArrayRef<DimExpr> dims, Type element) const {
  Dims resolved;
  for (DimExpr dim : dims)
    resolved.push_back(importer.space.resolve(dim));
  return qnt::makeTensorType(resolved, element);
}

DimExpr NodeBuilder::equal(DimExpr a, DimExpr b, const char *what, bool broadcast) {
  if (a == b)
    return a;
  DimExpr result = importer.requireEqual(a, b, broadcast);
  if (!result)
    fail(Diag::ShapeMismatch, Twine(what) + " " + a.str() + " and " + b.str() + " differ");
  return result ? result : a;
}

DimExpr NodeBuilder::divided(DimExpr whole, DimExpr by, StringRef what, StringRef parts) {
  if (auto exact = by.isConstant(0) ? std::nullopt : whole.exactDiv(by))
    return *exact;
  if (by.constantValue().value_or(1) < 1 || (whole.constantValue() && by.constantValue())) {
    fail(Diag::ShapeMismatch,
         whole.str() + " " + what + " do not divide by " + by.str() + " " + parts);
    return whole;
  }
  DimExpr quotient = whole.floorDiv(by);
  equal(whole, quotient * by, what.str().c_str());
  return quotient;
}

DimExpr NodeBuilder::natural(DimExpr size, const char *what) {
  if (size.constantValue().value_or(0) < 0)
    fail(Diag::ShapeMismatch, size.str() + " " + what);
  else if (!size.isNonNegative())
    importer.requireZero((size * -1).max(dim(0)));
  return size;
}

/// As slicing the first element gives: 1 unless there is none.
static bool isAtMostOne(DimExpr dim) { return dim.upperBound().value_or(2) <= 1; }

std::optional<Dims> NodeBuilder::broadcastDims(ArrayRef<Dims> all) {
  Dims result;
  for (const Dims &next : all) {
    while (result.size() < next.size())
      result.insert(result.begin(), dim(1));
    size_t offset = result.size() - next.size();
    for (size_t i = 0; i < next.size(); ++i) {
      DimExpr &left = result[offset + i];
      DimExpr right = importer.space.resolve(next[i]);
      left = importer.space.resolve(left);
      if (left == right || right.isConstant(1))
        continue;
      if (left.isConstant(1))
        left = right;
      else if (importer.mayStretch(left, right))
        left = importer.stretch(left, right);
      else if (isAtMostOne(right))
        equal(right, dim(1), "broadcast dimensions");
      else if (isAtMostOne(left))
        equal(left, dim(1), "broadcast dimensions"), left = right;
      else
        left = equal(left, right, "broadcast dimensions", /*broadcast=*/true);
      if (failed())
        return std::nullopt;
    }
  }
  for (DimExpr &each : result)
    each = importer.space.resolve(each);
  return result;
}

Value NodeBuilder::conform(Value x, ArrayRef<DimExpr> want) {
  if (!x)
    return {};
  Dims have = dims(x);
  if (have.size() > want.size()) {
    fail(Diag::ShapeMismatch, text(have) + " does not broadcast to " + text(want));
    return {};
  }
  size_t offset = want.size() - have.size();
  for (size_t i = 0; i < have.size(); ++i) {
    DimExpr size = want[offset + i];
    if (have[i] == size || have[i].isConstant(1))
      continue;
    if (importer.stretches(have[i], size))
      x = stretch(x, i, size);
    else if (isAtMostOne(have[i]))
      size = dim(1);
    have[i] = size;
  }
  return reshape(x, have);
}

Value NodeBuilder::stretch(Value x, size_t axis, DimExpr size) {
  DimExpr own = dims(x)[axis];
  // Either own is 1 or it is size.
  importer.requireEqual((own - 1) * (own - size), dim(0));
  Value index = iota({size}, 0, dim(0), 1, i64());
  index = minimum(index, dimTensor(own - 1, i64()));
  return gather(x, index, static_cast<int64_t>(axis));
}

Value NodeBuilder::conformExactly(Value x, ArrayRef<DimExpr> want) {
  return !x || dims(x) == want ? x : reshape(x, want);
}

Value NodeBuilder::fit(Value x, ArrayRef<DimExpr> want, const char *what) {
  if (!x)
    return {};
  Dims have = dims(x);
  if (have.size() != want.size()) {
    fail(Diag::ShapeMismatch,
         Twine(what) + " has dimensions " + text(have) + " instead of " + text(want));
    return {};
  }
  Dims both;
  for (auto [own, other] : llvm::zip(have, want))
    both.push_back(equal(own, other, what));
  if (failed())
    return {};
  for (DimExpr &each : both)
    each = importer.space.resolve(each);
  return conformExactly(x, both);
}

std::optional<Dims> NodeBuilder::unify(llvm::MutableArrayRef<Value> values) {
  SmallVector<Dims> all;
  for (Value value : values) {
    if (!value)
      return std::nullopt;
    all.push_back(dims(value));
  }
  auto result = broadcastDims(all);
  if (result)
    for (Value &value : values)
      if (value = conform(value, *result); !value)
        return std::nullopt;
  return result;
}

bool NodeBuilder::sameElement(Value x, Value y) {
  if (element(x) == element(y))
    return true;
  std::string message;
  llvm::raw_string_ostream(message)
      << "operands have different element types " << element(x) << " and " << element(y);
  fail(Diag::TypeMismatch, message);
  return false;
}
