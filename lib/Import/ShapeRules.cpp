// Shape arithmetic: ONNX ops carried out on shape values, element by element. An op whose result
// cannot be told for all sizes is left to the ordinary import.
#include "NodeBuilder.h"
#include "ShapeElements.h"
#include <cmath>
#include <numeric>

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

using Result = std::optional<ShapeValue>;

//===-- Index arithmetic -------------------------------------------------------------------------//

int64_t product(ArrayRef<int64_t> shape) {
  int64_t count = 1;
  for (int64_t size : shape)
    if (llvm::MulOverflow(count, size, count))
      return INT64_MAX;
  return count;
}

std::optional<SmallVector<int64_t>> broadcastShape(ArrayRef<int64_t> a, ArrayRef<int64_t> b) {
  if (a.size() < b.size())
    std::swap(a, b);
  SmallVector<int64_t> result(a);
  size_t offset = a.size() - b.size();
  for (size_t i = 0; i < b.size(); ++i) {
    int64_t &left = result[offset + i];
    if (left == b[i] || b[i] == 1)
      continue;
    if (left != 1)
      return std::nullopt;
    left = b[i];
  }
  return result;
}

/// Flat index into a tensor of `from` that broadcasts to flat index `i` of `to`.
size_t sourceIndex(ArrayRef<int64_t> from, ArrayRef<int64_t> to, int64_t i) {
  size_t offset = to.size() - from.size();
  int64_t index = 0, stride = 1;
  for (size_t axis = to.size(); axis-- > 0;) {
    int64_t at = i % to[axis];
    i /= to[axis];
    if (axis >= offset && from[axis - offset] != 1) {
      index += at * stride;
      stride *= from[axis - offset];
    }
  }
  return static_cast<size_t>(index);
}

Result broadcastValue(const ShapeValue &x, ArrayRef<int64_t> shape) {
  int64_t count = product(shape);
  if (count > ShapeValue::maxElements)
    return std::nullopt;
  ShapeValue result{x.type, llvm::to_vector(shape), {}};
  for (int64_t i = 0; i < count; ++i)
    result.elements.push_back(x.elements[sourceIndex(x.shape, shape, i)]);
  return result;
}

/// Applies `f` to the broadcast elements of x and y.
template <typename F> Result zip(const ShapeValue &x, const ShapeValue &y, Type type, F f) {
  auto shape = broadcastShape(x.shape, y.shape);
  if (!shape)
    return std::nullopt;
  auto a = broadcastValue(x, *shape), b = broadcastValue(y, *shape);
  if (!a || !b)
    return std::nullopt;
  ShapeValue result{type, *shape, {}};
  for (size_t i = 0; i < a->elements.size(); ++i) {
    MaybeElement element = f(a->elements[i], b->elements[i]);
    if (!element)
      return std::nullopt;
    result.elements.push_back(*element);
  }
  return result;
}

/// Elements `indices` along `axis`.
ShapeValue take(const ShapeValue &x, size_t axis, ArrayRef<int64_t> indices) {
  int64_t outer = product(ArrayRef(x.shape).take_front(axis)), size = x.shape[axis],
          inner = product(ArrayRef(x.shape).drop_front(axis + 1));
  ShapeValue result{x.type, x.shape, {}};
  result.shape[axis] = static_cast<int64_t>(indices.size());
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t index : indices)
      for (int64_t i = 0; i < inner; ++i)
        result.elements.push_back(x.elements[(o * size + index) * inner + i]);
  return result;
}

std::optional<size_t> normalAxis(int64_t axis, int64_t rank) {
  if (axis < 0)
    axis += rank;
  if (axis < 0 || axis >= rank)
    return std::nullopt;
  return static_cast<size_t>(axis);
}

//===-- Rules ------------------------------------------------------------------------------------//

Result shapeRule(NodeBuilder &n) {
  Dims dims = n.inputDims(0);
  auto rank = static_cast<int64_t>(dims.size());
  auto clamp = [&](int64_t value) {
    return std::clamp<int64_t>(value < 0 ? value + rank : value, 0, rank);
  };
  int64_t start = clamp(n.intAttr("start", 0)), end = clamp(n.intAttr("end", rank));
  return ShapeValue::ofDims(n.context(),
                            ArrayRef(dims).slice(start, std::max<int64_t>(0, end - start)));
}

Result sizeRule(NodeBuilder &n) {
  return ShapeValue::ofScalar(n.context(), qnt::elementCount(n.context(), n.inputDims(0)));
}

Result identityRule(NodeBuilder &n) { return n.known(0); }

Result castRule(NodeBuilder &n) {
  auto x = n.known(0);
  if (!x)
    return std::nullopt;
  Type to = n.node.opType == "CastLike"
                ? n.inputElement(1)
                : n.importer.elementType(static_cast<int32_t>(n.intAttr("to", 0)));
  if (!to || (!isa<FloatType>(to) && !isa<IntegerType>(to)))
    return std::nullopt;
  ShapeValue result{to, x->shape, {}};
  for (const Element &element : x->elements) {
    auto value = castElement(n.context(), element, x->type, to);
    if (!value)
      return std::nullopt;
    result.elements.push_back(*value);
  }
  return result;
}

Result gatherRule(NodeBuilder &n) {
  auto x = n.known(0);
  auto indices = n.known(1);
  if (!x || !indices || !indices->integers())
    return std::nullopt;
  auto axis = normalAxis(n.intAttr("axis", 0), x->rank());
  if (!axis)
    return std::nullopt;
  SmallVector<int64_t> flat = *indices->integers();
  for (int64_t &index : flat) {
    if (index < 0)
      index += x->shape[*axis];
    if (index < 0 || index >= x->shape[*axis])
      return std::nullopt;
  }
  if (product(indices->shape) * static_cast<int64_t>(x->elements.size()) > 1 << 14)
    return std::nullopt;
  ShapeValue result = take(*x, *axis, flat);
  SmallVector<int64_t> shape(x->shape.begin(), x->shape.begin() + *axis);
  llvm::append_range(shape, indices->shape);
  shape.append(x->shape.begin() + *axis + 1, x->shape.end());
  result.shape = shape;
  return result;
}

Result sliceRule(NodeBuilder &n) {
  auto x = n.known(0);
  if (!x)
    return std::nullopt;
  bool inputs = n.opset >= 10;
  auto list = [&](StringRef attr, size_t input) -> std::optional<SmallVector<int64_t>> {
    if (inputs)
      return n.integers(input);
    return n.intsAttr(attr);
  };
  auto starts = list("starts", 1), ends = list("ends", 2);
  if (!starts || !ends || starts->size() != ends->size())
    return std::nullopt;
  SmallVector<int64_t> axes(llvm::to_vector(llvm::seq<int64_t>(0, starts->size())));
  SmallVector<int64_t> steps(starts->size(), 1);
  if (inputs ? n.has(3) : n.hasAttr("axes")) {
    auto given = list("axes", 3);
    if (!given)
      return std::nullopt;
    axes = *given;
  }
  if (inputs && n.has(4)) {
    auto given = n.integers(4);
    if (!given)
      return std::nullopt;
    steps = *given;
  }
  if (axes.size() != starts->size() || steps.size() != starts->size())
    return std::nullopt;
  ShapeValue result = *x;
  for (size_t i = 0; i < axes.size(); ++i) {
    auto axis = normalAxis(axes[i], result.rank());
    if (!axis || steps[i] == 0)
      return std::nullopt;
    int64_t size = result.shape[*axis], step = steps[i];
    auto clamp = [&](int64_t value) {
      if (value < 0)
        value = std::max(value, -size - 1) + size;
      return step > 0 ? std::clamp<int64_t>(value, 0, size)
                      : std::clamp<int64_t>(value, -1, size - 1);
    };
    SmallVector<int64_t> indices;
    int64_t end = clamp((*ends)[i]);
    for (int64_t at = clamp((*starts)[i]); step > 0 ? at < end : at > end;) {
      indices.push_back(at);
      if (llvm::AddOverflow(at, step, at))
        break;
    }
    result = take(result, *axis, indices);
  }
  return result;
}

Result concatRule(NodeBuilder &n) {
  auto first = n.known(0);
  if (!first)
    return std::nullopt;
  auto axis = normalAxis(n.intAttr("axis", n.opset < 4 ? 1 : 0), first->rank());
  if (!axis)
    return std::nullopt;
  ShapeValue result{first->type, first->shape, {}};
  result.shape[*axis] = 0;
  SmallVector<ShapeValue> parts;
  for (size_t i = 0; i < n.numInputs(); ++i) {
    auto part = n.known(i);
    if (!part || part->rank() != first->rank() || part->type != first->type)
      return std::nullopt;
    result.shape[*axis] += part->shape[*axis];
    parts.push_back(*part);
  }
  if (product(result.shape) > ShapeValue::maxElements)
    return std::nullopt;
  int64_t outer = product(ArrayRef(first->shape).take_front(*axis));
  for (int64_t o = 0; o < outer; ++o)
    for (const ShapeValue &part : parts) {
      int64_t run = product(ArrayRef(part.shape).drop_front(*axis));
      if (static_cast<size_t>((o + 1) * run) > part.elements.size())
        return std::nullopt; // the other sizes differ
      result.elements.append(part.elements.begin() + o * run,
                             part.elements.begin() + (o + 1) * run);
    }
  if (static_cast<int64_t>(result.elements.size()) != product(result.shape))
    return std::nullopt;
  return result;
}

Result squeezeRule(NodeBuilder &n) {
  if (n.has(1) && !n.known(1))
    return std::nullopt;
  auto x = n.known(0);
  bool given = n.opset >= 13 ? n.has(1) : n.hasAttr("axes");
  auto axes = given ? n.axesFrom(1) : SmallVector<int64_t>();
  if (!x || !axes)
    return std::nullopt;
  SmallVector<int64_t> shape;
  for (auto [i, size] : llvm::enumerate(x->shape)) {
    bool drop = !given && size == 1;
    for (int64_t axis : *axes)
      drop |= normalAxis(axis, x->rank()) == i;
    if (!drop)
      shape.push_back(size);
    else if (size != 1)
      return std::nullopt;
  }
  x->shape = shape;
  return x;
}

Result unsqueezeRule(NodeBuilder &n) {
  if (n.has(1) && !n.known(1))
    return std::nullopt;
  auto x = n.known(0);
  auto axes = n.axesFrom(1);
  if (!x || !axes || axes->size() > 16)
    return std::nullopt;
  int64_t rank = x->rank() + static_cast<int64_t>(axes->size());
  SmallVector<int64_t> shape(rank, 0);
  for (int64_t axis : *axes) {
    auto at = normalAxis(axis, rank);
    if (!at || shape[*at] == 1)
      return std::nullopt;
    shape[*at] = 1;
  }
  size_t next = 0;
  for (int64_t &size : shape)
    if (size != 1)
      size = x->shape[next++];
  x->shape = shape;
  return x;
}

Result reshapeRule(NodeBuilder &n) {
  auto x = n.known(0);
  auto shape = n.opset < 5 ? std::optional(n.intsAttr("shape")) : n.integers(1);
  if (!x || !shape)
    return std::nullopt;
  int64_t inferred = -1, rest = 1;
  for (size_t i = 0; i < shape->size(); ++i) {
    int64_t &size = (*shape)[i];
    if (size == 0 && n.intAttr("allowzero", 0) == 0 && i < x->shape.size())
      size = x->shape[i];
    if (size == -1)
      inferred = static_cast<int64_t>(i);
    else if (size < 0 || llvm::MulOverflow(rest, size, rest))
      return std::nullopt;
  }
  auto count = static_cast<int64_t>(x->elements.size());
  if (inferred >= 0) {
    if (rest == 0 || count % rest != 0)
      return std::nullopt;
    (*shape)[inferred] = count / rest;
  } else if (rest != count) {
    return std::nullopt;
  }
  if (llvm::count(*shape, -1))
    return std::nullopt;
  x->shape = *shape;
  return x;
}

Result expandRule(NodeBuilder &n) {
  auto x = n.known(0);
  auto shape = n.integers(1);
  if (!x || !shape)
    return std::nullopt;
  auto full = broadcastShape(x->shape, *shape);
  return full && llvm::all_of(*full, [](int64_t s) { return s >= 0; }) ? broadcastValue(*x, *full)
                                                                       : std::nullopt;
}

Result tileRule(NodeBuilder &n) {
  auto x = n.known(0);
  auto repeats = n.integers(1);
  if (!x || !repeats || repeats->size() != x->shape.size())
    return std::nullopt;
  ShapeValue result = *x;
  for (auto [axis, repeat] : llvm::enumerate(*repeats)) {
    SmallVector<int64_t> indices;
    if (repeat < 0 || repeat * std::max<int64_t>(1, result.shape[axis]) > ShapeValue::maxElements)
      return std::nullopt;
    for (int64_t r = 0; r < repeat; ++r)
      for (int64_t i = 0; i < result.shape[axis]; ++i)
        indices.push_back(i);
    result = take(result, axis, indices);
    if (static_cast<int64_t>(result.elements.size()) > ShapeValue::maxElements)
      return std::nullopt;
  }
  return result;
}

Result whereRule(NodeBuilder &n) {
  auto c = n.known(0), x = n.known(1), y = n.known(2);
  if (!c || !x || !y || x->type != y->type || !c->integers())
    return std::nullopt;
  auto shape = broadcastShape(x->shape, y->shape);
  shape = shape ? broadcastShape(*shape, c->shape) : std::nullopt;
  if (!shape)
    return std::nullopt;
  auto fullX = broadcastValue(*x, *shape);
  auto fullC = broadcastValue(*c, *shape), fullY = broadcastValue(*y, *shape);
  if (!fullX || !fullC || !fullY)
    return std::nullopt;
  for (size_t i = 0; i < fullX->elements.size(); ++i)
    if (*fullC->elements[i].integer() == 0)
      fullX->elements[i] = fullY->elements[i];
  return fullX;
}

Result compareRule(NodeBuilder &n) {
  auto x = n.known(0), y = n.known(1);
  if (!x || !y || x->type != y->type)
    return std::nullopt;
  return zip(*x, *y, n.i1(), [&](const Element &a, const Element &b) -> MaybeElement {
    auto truth = compareElements(n.node.opType, a, b);
    if (!truth)
      return std::nullopt;
    return ofDim(n.dim(*truth));
  });
}

Result logicRule(NodeBuilder &n) {
  auto x = n.known(0), y = n.known(1);
  if (!x || !y || !x->type.isInteger(1) || !y->type.isInteger(1))
    return std::nullopt;
  StringRef op = n.node.opType;
  return zip(*x, *y, n.i1(), [&](const Element &a, const Element &b) -> MaybeElement {
    bool p = *a.integer() != 0, q = *b.integer() != 0;
    return ofDim(n.dim(op == "And" ? p && q : op == "Or" ? p || q : p != q));
  });
}

Result arithRule(NodeBuilder &n) {
  auto kind = llvm::StringSwitch<Arith>(n.node.opType)
                  .Case("Add", Arith::Add)
                  .Case("Sub", Arith::Sub)
                  .Case("Mul", Arith::Mul)
                  .Case("Div", Arith::Div)
                  .Case("Mod", Arith::Mod)
                  .Case("Min", Arith::Min)
                  .Case("Max", Arith::Max)
                  .Default(Arith::Pow);
  if (kind == Arith::Mod && n.intAttr("fmod", 0) != 0)
    return std::nullopt;
  auto result = n.known(0);
  for (size_t i = 1; i < n.numInputs() && result; ++i) {
    auto y = n.known(i);
    if (!y || y->type != result->type)
      return std::nullopt;
    Type type = result->type;
    if (type.isInteger(1) || (kind == Arith::Mod && isa<FloatType>(type)))
      return std::nullopt;
    result = zip(*result, *y, type, [&](const Element &a, const Element &b) {
      return combineElements(n.context(), type, kind, a, b);
    });
  }
  return result;
}

Result unaryRule(NodeBuilder &n) {
  auto x = n.known(0);
  if (!x)
    return std::nullopt;
  for (Element &element : x->elements) {
    auto value = unaryElement(n.context(), x->type, n.node.opType, element);
    if (!value)
      return std::nullopt;
    element = *value;
  }
  return x;
}

Result constantOfShapeRule(NodeBuilder &n) {
  auto shape = n.integers(0);
  if (!shape || llvm::any_of(*shape, [](int64_t s) { return s < 0; }) ||
      product(*shape) > ShapeValue::maxElements)
    return std::nullopt;
  ShapeValue fill{n.f32(), {}, {ofReal(n.f32(), 0)}};
  if (const onnx::Attribute *value = n.node.attribute("value")) {
    auto known = value->tensor() ? n.importer.knownOf(*value->tensor()) : std::nullopt;
    if (!known || known->elements.size() != 1)
      return std::nullopt;
    fill = *known;
  }
  fill.shape.clear();
  return broadcastValue(fill, *shape);
}

Result rangeRule(NodeBuilder &n) {
  auto start = n.known(0), limit = n.known(1), delta = n.known(2);
  if (!start || !limit || !delta || start->isFloat() || limit->elements.size() != 1 ||
      start->elements.size() != 1 || delta->elements.size() != 1 || limit->isFloat())
    return std::nullopt;
  auto step = delta->elements[0].integer();
  if (!step || *step == 0 || *step == INT64_MIN)
    return std::nullopt;
  DimExpr span = limit->elements[0].dim - start->elements[0].dim;
  auto length = (*step > 0 ? span : span * -1).constantValue();
  if (!length)
    return std::nullopt;
  int64_t count = std::max<int64_t>(
      0, llvm::divideCeil(std::max<int64_t>(0, *length), static_cast<uint64_t>(std::abs(*step))));
  if (count > ShapeValue::maxElements)
    return std::nullopt;
  ShapeValue result{start->type, {count}, {}};
  for (int64_t i = 0; i < count; ++i)
    result.elements.push_back(ofDim(start->elements[0].dim + i * *step));
  return result;
}

Result reduceRule(NodeBuilder &n) {
  if (n.has(1) && !n.known(1))
    return std::nullopt;
  auto x = n.known(0);
  if (!x || x->rank() > 1 || x->elements.empty())
    return std::nullopt;
  bool inputs = n.opset >= 18 || (n.node.opType == "ReduceSum" && n.opset >= 13);
  bool given = inputs ? n.has(1) : n.hasAttr("axes");
  if (given && !n.axesFrom(1))
    return std::nullopt;
  if ((!given || n.axesFrom(1)->empty()) && n.intAttr("noop_with_empty_axes", 0))
    return x;
  auto kind = llvm::StringSwitch<Arith>(n.node.opType)
                  .Case("ReduceSum", Arith::Add)
                  .Case("ReduceProd", Arith::Mul)
                  .Case("ReduceMin", Arith::Min)
                  .Default(Arith::Max);
  Element total = x->elements[0];
  for (const Element &element : ArrayRef(x->elements).drop_front()) {
    auto next = combineElements(n.context(), x->type, kind, total, element);
    if (!next)
      return std::nullopt;
    total = *next;
  }
  ShapeValue result{x->type, {}, {total}};
  if (x->rank() == 1 && n.intAttr("keepdims", 1))
    result.shape = {1};
  return result;
}

bool splitRule(NodeBuilder &n) {
  auto x = n.known(0);
  if (!x)
    return false;
  auto axis = normalAxis(n.intAttr("axis", 0), x->rank());
  if (!axis)
    return false;
  int64_t size = x->shape[*axis], parts = static_cast<int64_t>(n.numOutputs());
  std::optional<SmallVector<int64_t>> sizes;
  if (n.opset >= 13 ? n.has(1) : n.hasAttr("split")) {
    sizes = n.opset >= 13 ? n.integers(1) : std::optional(n.intsAttr("split"));
  } else if (parts > 0) {
    int64_t each = llvm::divideCeil(size, static_cast<uint64_t>(parts));
    sizes.emplace(parts, each);
    sizes->back() = size - each * (parts - 1);
  }
  if (!sizes || static_cast<int64_t>(sizes->size()) != parts)
    return false;
  int64_t sum = 0;
  for (int64_t part : *sizes) {
    if (part < 0)
      return false;
    sum += part;
  }
  if (sum != size)
    return false;
  int64_t start = 0;
  for (auto [i, part] : llvm::enumerate(*sizes)) {
    n.outKnown(i, take(*x, *axis, llvm::to_vector(llvm::seq<int64_t>(start, start + part))));
    start += part;
  }
  return true;
}

Result nonZeroRule(NodeBuilder &n) {
  auto x = n.known(0);
  if (!x || !x->isConstant() || x->rank() != 1)
    return std::nullopt;
  ShapeValue result{n.i64(), {1, 0}, {}};
  for (auto [i, element] : llvm::enumerate(x->elements))
    if (element.real ? *element.real != 0 : *element.integer() != 0)
      result.elements.push_back(ofDim(n.dim(static_cast<int64_t>(i))));
  result.shape[1] = static_cast<int64_t>(result.elements.size());
  return result;
}

using Rule = Result (*)(NodeBuilder &);

Rule ruleOf(StringRef op) {
  static const llvm::StringMap<Rule> rules = {{"Shape", shapeRule},
                                              {"Size", sizeRule},
                                              {"Identity", identityRule},
                                              {"Cast", castRule},
                                              {"CastLike", castRule},
                                              {"Gather", gatherRule},
                                              {"Slice", sliceRule},
                                              {"Concat", concatRule},
                                              {"Squeeze", squeezeRule},
                                              {"Unsqueeze", unsqueezeRule},
                                              {"Reshape", reshapeRule},
                                              {"Expand", expandRule},
                                              {"Tile", tileRule},
                                              {"Where", whereRule},
                                              {"Equal", compareRule},
                                              {"Less", compareRule},
                                              {"Greater", compareRule},
                                              {"LessOrEqual", compareRule},
                                              {"GreaterOrEqual", compareRule},
                                              {"And", logicRule},
                                              {"Or", logicRule},
                                              {"Xor", logicRule},
                                              {"Add", arithRule},
                                              {"Sub", arithRule},
                                              {"Mul", arithRule},
                                              {"Div", arithRule},
                                              {"Mod", arithRule},
                                              {"Min", arithRule},
                                              {"Max", arithRule},
                                              {"Pow", arithRule},
                                              {"Neg", unaryRule},
                                              {"Abs", unaryRule},
                                              {"Floor", unaryRule},
                                              {"Ceil", unaryRule},
                                              {"Round", unaryRule},
                                              {"Sqrt", unaryRule},
                                              {"Reciprocal", unaryRule},
                                              {"Exp", unaryRule},
                                              {"Log", unaryRule},
                                              {"Relu", unaryRule},
                                              {"Not", unaryRule},
                                              {"Sign", unaryRule},
                                              {"ConstantOfShape", constantOfShapeRule},
                                              {"Range", rangeRule},
                                              {"ReduceSum", reduceRule},
                                              {"ReduceProd", reduceRule},
                                              {"ReduceMin", reduceRule},
                                              {"ReduceMax", reduceRule},
                                              {"NonZero", nonZeroRule}};
  auto it = rules.find(op);
  return it == rules.end() ? nullptr : it->second;
}

} // namespace

bool qcc::import::evaluateShapeValue(NodeBuilder &node) {
  if (!node.node.domain.empty())
    return false;
  if (node.node.opType == "Split")
    return splitRule(node);
  Rule rule = ruleOf(node.node.opType);
  if (!rule)
    return false;
  auto result = rule(node);
  if (!result || node.failed() ||
      static_cast<int64_t>(result->elements.size()) > ShapeValue::maxElements)
    return false;
  node.outKnown(0, std::move(*result));
  return true;
}
