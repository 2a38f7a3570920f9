// Shape arithmetic: ONNX ops carried out on shape values, element by element. An op whose result
// cannot be told for all sizes is left to the ordinary import.
#include "NodeBuilder.h"
#include "ShapeValue.h"
#include <cmath>
#include <numeric>

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

using MaybeElement = std::optional<Element>;
using Result = std::optional<ShapeValue>;

//===-- Arithmetic on elements -------------------------------------------------------------------//

Element ofDim(DimExpr dim) { return {dim, 1, std::nullopt}; }
Element ofReal(Type type, double value) { return {DimExpr(), 1, roundTo(type, value)}; }

/// A float constant as numerator and divisor when it is a short binary fraction.
std::optional<std::pair<int64_t, int64_t>> fraction(double value) {
  for (int64_t divisor = 1; divisor <= 1024; divisor *= 2)
    if (double scaled = value * static_cast<double>(divisor);
        scaled == std::floor(scaled) && std::abs(scaled) < 1e15)
      return std::pair(static_cast<int64_t>(scaled), divisor);
  return std::nullopt;
}

/// A float element as dim / divisor.
MaybeElement asFraction(MLIRContext *context, const Element &element) {
  if (!element.real)
    return element;
  auto parts = fraction(*element.real);
  if (!parts)
    return std::nullopt;
  return Element{DimExpr::constant(context, parts->first), parts->second, std::nullopt};
}

/// A float element in lowest terms, a number where it is one.
MaybeElement simplify(Type type, DimExpr dim, int64_t divisor) {
  if (divisor == 0 || std::abs(divisor) > (int64_t(1) << 40))
    return std::nullopt;
  if (divisor < 0)
    dim = dim * -1, divisor = -divisor;
  if (auto value = dim.constantValue())
    return ofReal(type, static_cast<double>(*value) / static_cast<double>(divisor));
  if (auto quotient = dim.exactDiv(DimExpr::constant(dim.getContext(), divisor)))
    return Element{*quotient, 1, std::nullopt};
  return Element{dim, divisor, std::nullopt};
}

/// Wraps a constant to the width of an integer type; leaves expressions alone.
DimExpr wrap(Type type, DimExpr dim) {
  auto value = dim.constantValue();
  auto integer = dyn_cast<IntegerType>(type);
  if (!value || !integer || integer.getWidth() >= 64)
    return dim;
  APInt bits(integer.getWidth(), static_cast<uint64_t>(*value), false, true);
  bool zero = integer.isUnsigned() || integer.getWidth() == 1;
  return DimExpr::constant(dim.getContext(),
                           zero ? static_cast<int64_t>(bits.getZExtValue()) : bits.getSExtValue());
}

enum class Arith { Add, Sub, Mul, Div, Mod, Min, Max, Pow };

MaybeElement constantInts(MLIRContext *context, Arith op, int64_t x, int64_t y) {
  auto of = [&](int64_t value) { return ofDim(DimExpr::constant(context, value)); };
  auto ux = static_cast<uint64_t>(x), uy = static_cast<uint64_t>(y);
  switch (op) {
  case Arith::Add:
    return of(static_cast<int64_t>(ux + uy));
  case Arith::Sub:
    return of(static_cast<int64_t>(ux - uy));
  case Arith::Mul:
    return of(static_cast<int64_t>(ux * uy));
  case Arith::Div:
    if (y == 0 || (y == -1 && x == INT64_MIN))
      return std::nullopt;
    return of(x / y);
  case Arith::Mod: {
    if (y == 0 || y == -1)
      return std::nullopt;
    int64_t rest = x % y;
    return of(rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest);
  }
  case Arith::Min:
    return of(std::min(x, y));
  case Arith::Max:
    return of(std::max(x, y));
  case Arith::Pow: {
    uint64_t result = 1;
    if (y < 0 || y > 64)
      return std::nullopt;
    for (int64_t i = 0; i < y; ++i)
      result *= ux;
    return of(static_cast<int64_t>(result));
  }
  }
  return std::nullopt;
}

MaybeElement intArith(MLIRContext *context, Type type, Arith op, const Element &x,
                      const Element &y) {
  auto a = x.integer(), b = y.integer();
  if (a && b) {
    auto result = constantInts(context, op, *a, *b);
    if (result)
      result->dim = wrap(type, result->dim);
    return result;
  }
  switch (op) {
  case Arith::Add:
    return ofDim(x.dim + y.dim);
  case Arith::Sub:
    return ofDim(x.dim - y.dim);
  case Arith::Mul:
    return ofDim(x.dim * y.dim);
  case Arith::Div:
    if (auto exact = b == 0 ? std::nullopt : x.dim.exactDiv(y.dim))
      return ofDim(*exact);
    if (!x.dim.isNonNegative() || !b || *b <= 0)
      return std::nullopt;
    return ofDim(x.dim.floorDiv(y.dim));
  case Arith::Mod:
    if (!x.dim.isNonNegative() || !b || *b <= 0)
      return std::nullopt;
    return ofDim(x.dim.mod(y.dim));
  case Arith::Min:
    return ofDim(x.dim.min(y.dim));
  case Arith::Max:
    return ofDim(x.dim.max(y.dim));
  case Arith::Pow:
    return std::nullopt;
  }
  return std::nullopt;
}

MaybeElement realArith(Type type, Arith op, double x, double y) {
  switch (op) {
  case Arith::Add:
    return ofReal(type, x + y);
  case Arith::Sub:
    return ofReal(type, x - y);
  case Arith::Mul:
    return ofReal(type, x * y);
  case Arith::Div:
    return ofReal(type, x / y);
  case Arith::Min:
    return ofReal(type, std::isnan(x) || std::isnan(y) ? NAN : std::min(x, y));
  case Arith::Max:
    return ofReal(type, std::isnan(x) || std::isnan(y) ? NAN : std::max(x, y));
  case Arith::Pow:
    return ofReal(type, std::pow(x, y));
  case Arith::Mod:
    return ofReal(type, std::fmod(x, y));
  }
  return std::nullopt;
}

MaybeElement floatArith(MLIRContext *context, Type type, Arith op, const Element &x,
                        const Element &y) {
  if (x.real && y.real)
    return realArith(type, op, *x.real, *y.real);
  auto a = asFraction(context, x), b = asFraction(context, y);
  if (!a || !b)
    return std::nullopt;
  switch (op) {
  case Arith::Add:
    return simplify(type, a->dim * b->divisor + b->dim * a->divisor, a->divisor * b->divisor);
  case Arith::Sub:
    return simplify(type, a->dim * b->divisor - b->dim * a->divisor, a->divisor * b->divisor);
  case Arith::Mul:
    return simplify(type, a->dim * b->dim, a->divisor * b->divisor);
  case Arith::Div:
    if (auto divisor = b->integer(); divisor && *divisor != 0)
      return simplify(type, a->dim * b->divisor, a->divisor * *divisor);
    if (a->divisor == 1 && b->divisor == 1)
      if (auto exact = a->dim.exactDiv(b->dim))
        return simplify(type, *exact, 1);
    return std::nullopt;
  case Arith::Min:
  case Arith::Max:
    if (a->divisor != 1 || b->divisor != 1)
      return std::nullopt;
    return simplify(type, op == Arith::Min ? a->dim.min(b->dim) : a->dim.max(b->dim), 1);
  default:
    return std::nullopt;
  }
}

MaybeElement arith(MLIRContext *context, Type type, Arith op, const Element &x, const Element &y) {
  if (isa<FloatType>(type))
    return floatArith(context, type, op, x, y);
  return intArith(context, type, op, x, y);
}

/// Sign of x - y for all sizes: -1, 0, 1; nothing when it varies.
std::optional<int> sign(DimExpr x, DimExpr y) {
  DimExpr difference = x - y;
  if (difference.isConstant(0))
    return 0;
  if ((difference - 1).isNonNegative())
    return 1;
  if ((difference * -1 - 1).isNonNegative())
    return -1;
  return std::nullopt;
}

std::optional<bool> compareElements(StringRef op, const Element &x, const Element &y) {
  auto decide = [&](bool less, bool same, bool greater) {
    if (op == "Equal")
      return same;
    if (op == "Less")
      return less;
    if (op == "LessOrEqual")
      return less || same;
    if (op == "Greater")
      return greater;
    return greater || same;
  };
  if (x.real && y.real)
    return decide(*x.real<*y.real, *x.real == *y.real, *x.real> * y.real);
  if (!x.dim || !y.dim || x.divisor != 1 || y.divisor != 1)
    return std::nullopt;
  if (auto known = sign(x.dim, y.dim))
    return decide(*known < 0, *known == 0, *known > 0);
  // x >= y (or <=) may be all that is known.
  DimExpr difference = x.dim - y.dim;
  if (difference.isNonNegative() && (op == "GreaterOrEqual" || op == "Less"))
    return op == "GreaterOrEqual";
  if ((difference * -1).isNonNegative() && (op == "LessOrEqual" || op == "Greater"))
    return op == "LessOrEqual";
  return std::nullopt;
}

MaybeElement castElement(MLIRContext *context, const Element &x, Type from, Type to) {
  bool toFloat = isa<FloatType>(to), fromFloat = isa<FloatType>(from);
  if (toFloat) {
    if (x.real)
      return ofReal(to, *x.real);
    if (auto value = x.integer(); value && x.divisor == 1)
      return ofReal(to, static_cast<double>(*value));
    return x;
  }
  if (to.isInteger(1)) {
    if (x.real)
      return ofDim(DimExpr::constant(context, *x.real != 0));
    auto zero = sign(x.dim, DimExpr::constant(context, 0));
    if (!zero)
      return std::nullopt;
    return ofDim(DimExpr::constant(context, *zero != 0));
  }
  if (!fromFloat)
    return ofDim(wrap(to, x.dim));
  if (x.real) {
    if (!(std::abs(*x.real) < 9e18))
      return std::nullopt;
    return ofDim(wrap(to, DimExpr::constant(context, static_cast<int64_t>(*x.real))));
  }
  if (x.divisor == 1)
    return ofDim(x.dim);
  if (!x.dim.isNonNegative())
    return std::nullopt;
  return ofDim(x.dim.floorDiv(DimExpr::constant(context, x.divisor)));
}

std::optional<double> realUnary(StringRef op, double x) {
  using Function = double (*)(double);
  auto function = llvm::StringSwitch<Function>(op)
                      .Case("Neg", [](double v) { return -v; })
                      .Case("Abs", [](double v) { return std::abs(v); })
                      .Case("Floor", [](double v) { return std::floor(v); })
                      .Case("Ceil", [](double v) { return std::ceil(v); })
                      .Case("Round", [](double v) { return std::nearbyint(v); })
                      .Case("Sqrt", [](double v) { return std::sqrt(v); })
                      .Case("Reciprocal", [](double v) { return 1 / v; })
                      .Case("Exp", [](double v) { return std::exp(v); })
                      .Case("Log", [](double v) { return std::log(v); })
                      .Case("Relu", [](double v) { return std::max(v, 0.0); })
                      .Default(nullptr);
  if (!function)
    return std::nullopt;
  return function(x);
}

MaybeElement unaryElement(MLIRContext *context, Type type, StringRef op, const Element &x) {
  if (isa<FloatType>(type)) {
    if (x.real) {
      auto value = realUnary(op, *x.real);
      return value ? MaybeElement(ofReal(type, *value)) : std::nullopt;
    }
    DimExpr divisor = DimExpr::constant(context, x.divisor);
    if (op == "Floor")
      return Element{x.dim.floorDiv(divisor), 1, std::nullopt};
    if (op == "Ceil")
      return Element{x.dim.ceilDiv(divisor), 1, std::nullopt};
    if (op == "Neg")
      return Element{x.dim * -1, x.divisor, std::nullopt};
    if ((op == "Abs" || op == "Relu") && x.dim.isNonNegative())
      return x;
    return std::nullopt;
  }
  if (op == "Neg")
    return ofDim(wrap(type, x.dim * -1));
  if (op == "Abs" || op == "Relu") {
    if (x.dim.isNonNegative())
      return x;
    if (auto value = x.integer())
      return ofDim(DimExpr::constant(context, op == "Abs" ? -*value : 0));
    return std::nullopt;
  }
  if (op == "Not" && type.isInteger(1))
    return ofDim(DimExpr::constant(context, *x.integer() == 0));
  if (op == "Sign") {
    auto known = sign(x.dim, DimExpr::constant(context, 0));
    return known ? MaybeElement(ofDim(DimExpr::constant(context, *known))) : std::nullopt;
  }
  return std::nullopt;
}

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
      return arith(n.context(), type, kind, a, b);
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
  if (!step || *step == 0)
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
    auto next = arith(n.context(), x->type, kind, total, element);
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
