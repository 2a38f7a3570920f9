// The ops that import functions build, as calls.
#include "CodeForms.h"
#include "NodeBuilder.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

//===-- Elementwise ------------------------------------------------------------------------------//

Value NodeBuilder::compare(qnt::Predicate predicate, Value x, Value y) {
  if (!x || !y || !sameElement(x, y))
    return {};
  Value both[] = {x, y};
  auto dims = unify(both);
  return dims ? make<qnt::CompareOp>(type(*dims, i1()), predicate, both[0], both[1]) : Value();
}

Value NodeBuilder::select(Value condition, Value x, Value y) {
  if (!condition || !x || !y || !sameElement(x, y))
    return {};
  if (!element(condition).isInteger(1)) {
    fail(Diag::TypeMismatch, "the condition is not boolean");
    return {};
  }
  Value all[] = {condition, x, y};
  auto dims = unify(all);
  return dims ? make<qnt::SelectOp>(type(*dims, element(x)), all[0], all[1], all[2]) : Value();
}

Value NodeBuilder::cast(Value x, Type to) {
  if (!x || !to || element(x) == to)
    return to ? x : Value();
  return make<qnt::CastOp>(type(dims(x), to), x);
}

Value NodeBuilder::castSaturating(Value x, Type to, bool saturate) {
  if (x && to && isFloat(x) && saturate &&
      isa<Float8E4M3FNType, Float8E4M3FNUZType, Float8E5M2Type, Float8E5M2FNUZType,
          Float8E8M0FNUType, Float4E2M1FNType>(to)) {
    double most = APFloat::getLargest(cast<FloatType>(to).getFloatSemantics()).convertToDouble();
    x = minimum(maximum(x, -most), most);
  }
  return cast(x, to);
}

Value NodeBuilder::scalar(Type element, double number) {
  if (!element || !isa<FloatType, IntegerType>(element))
    return {};
  ShapeValue value{element, {}, {}};
  if (isa<FloatType>(element))
    value.elements.push_back({DimExpr(), 1, number});
  else
    value.elements.push_back({dim(static_cast<int64_t>(number)), 1, std::nullopt});
  return make<qnt::ConstantOp>(RankedTensorType::get({}, element), value.attribute());
}

Value NodeBuilder::scalarInteger(Type element, int64_t number) {
  ShapeValue value{element, {}, {{dim(number), 1, std::nullopt}}};
  return make<qnt::ConstantOp>(RankedTensorType::get({}, element), value.attribute());
}

Value NodeBuilder::constant(ArrayRef<int64_t> numbers) {
  auto tensor = RankedTensorType::get({static_cast<int64_t>(numbers.size())}, i64());
  return make<qnt::ConstantOp>(tensor, DenseElementsAttr::get(tensor, numbers));
}

//===-- Shape ------------------------------------------------------------------------------------//

Value NodeBuilder::reshape(Value x, ArrayRef<DimExpr> to) {
  if (!x)
    return {};
  auto result = type(to, element(x));
  if (result == x.getType())
    return x;
  DimExpr before = qnt::elementCount(context(), dims(x));
  DimExpr after = qnt::elementCount(context(), qnt::dimsOf(Type(result)));
  if (before.constantValue() && after.constantValue() && before != after) {
    fail(Diag::ShapeMismatch, text(dims(x)) + " does not hold the elements of " + text(to));
    return {};
  }
  return make<qnt::ReshapeOp>(result, x);
}

Value NodeBuilder::flatten(Value x, size_t axis) {
  Dims all = dims(x);
  return x ? reshape(x, {qnt::elementCount(context(), ArrayRef(all).take_front(axis)),
                         qnt::elementCount(context(), ArrayRef(all).drop_front(axis))})
           : Value();
}

Value NodeBuilder::unsqueeze(Value x, ArrayRef<int64_t> at) {
  if (!x)
    return {};
  Dims from = dims(x), to(from.size() + at.size());
  for (int64_t axis : at) {
    if (axis >= static_cast<int64_t>(to.size())) {
      fail(Diag::ShapeMismatch, "an operand of " + text(from) + " has too few axes");
      return {};
    }
    to[axis] = dim(1);
  }
  size_t next = 0;
  for (DimExpr &size : to)
    if (!size)
      size = from[next++];
  return reshape(x, to);
}

Value NodeBuilder::squeeze(Value x, ArrayRef<int64_t> at) {
  if (!x)
    return {};
  Dims from = dims(x), to;
  for (auto [axis, size] : llvm::enumerate(from))
    if (!llvm::is_contained(at, static_cast<int64_t>(axis)))
      to.push_back(size);
    else
      equal(size, dim(1), "squeezed dimension");
  return failed() ? Value() : reshape(x, to);
}

Value NodeBuilder::transpose(Value x, ArrayRef<int64_t> permutation) {
  if (!atLeast(x, permutation.size()))
    return {};
  if (permutation == ArrayRef<int64_t>{1, 0})
    if (Value turned = transposedCodes(*this, x))
      return turned;
  Dims from = dims(x), to;
  for (int64_t axis : permutation)
    to.push_back(from[axis]);
  return make<qnt::TransposeOp>(type(to, element(x)), x, permutation);
}

Value NodeBuilder::swapAxes(Value x, size_t a, size_t b) {
  if (!atLeast(x, std::max(a, b) + 1))
    return {};
  auto permutation = llvm::to_vector(llvm::seq<int64_t>(0, static_cast<int64_t>(rank(x))));
  if (a == b)
    return x;
  std::swap(permutation[a], permutation[b]);
  return transpose(x, permutation);
}

Value NodeBuilder::swapLast(Value x) {
  return atLeast(x, 2) ? swapAxes(x, rank(x) - 2, rank(x) - 1) : Value();
}

Value NodeBuilder::broadcast(Value x, ArrayRef<DimExpr> to) {
  if (!x)
    return {};
  x = conform(x, to);
  if (!x)
    return {};
  auto result = type(to, element(x));
  return result == x.getType() ? x : make<qnt::BroadcastOp>(result, x);
}

Value NodeBuilder::slice(Value x, int64_t axis, DimExpr start, DimExpr size, int64_t step) {
  if (!atLeast(x, static_cast<size_t>(std::max<int64_t>(axis, 0)) + 1))
    return {};
  Dims to = dims(x), starts(to.size(), dim(0));
  SmallVector<int64_t> steps(to.size(), 1);
  to[axis] = size;
  starts[axis] = importer.space.resolve(start);
  steps[axis] = step;
  return make<qnt::SliceOp>(type(to, element(x)), x, qnt::makeDims(context(), starts), steps);
}

Value NodeBuilder::concat(ArrayRef<Value> values, int64_t axis) {
  if (values.empty() || llvm::is_contained(values, Value()))
    return {};
  SmallVector<Value> parts(values);
  size_t size = rank(parts[0]);
  if (!atLeast(parts[0], static_cast<size_t>(std::max<int64_t>(axis, 0)) + 1))
    return {};
  for (Value part : parts) {
    if (!sameElement(parts[0], part))
      return {};
    if (rank(part) != size) {
      fail(Diag::ShapeMismatch, "concatenates ranks " + Twine(size) + " and " + Twine(rank(part)));
      return {};
    }
  }
  Dims to = dims(parts[0]);
  for (size_t i = 1; i < parts.size(); ++i)
    for (size_t a = 0; a < size; ++a)
      if (static_cast<int64_t>(a) != axis)
        to[a] = equal(importer.space.resolve(to[a]), dims(parts[i])[a], "concatenated dimensions");
  if (failed())
    return {};
  DimExpr sum = dim(0);
  for (Value &part : parts) {
    Dims want = to;
    for (DimExpr &each : want)
      each = importer.space.resolve(each);
    want[axis] = dims(part)[axis];
    sum = sum + want[axis];
    part = conformExactly(part, want);
    if (!part)
      return {};
  }
  to[axis] = sum;
  return make<qnt::ConcatOp>(type(to, element(parts[0])), parts, axis);
}

Value NodeBuilder::gather(Value x, Value indices, int64_t axis) {
  if (!indices || !atLeast(x, static_cast<size_t>(std::max<int64_t>(axis, 0)) + 1))
    return {};
  if (!element(indices).isInteger(64) && !element(indices).isInteger(32)) {
    fail(Diag::TypeMismatch, "indices are neither int64 nor int32");
    return {};
  }
  Dims from = dims(x), to(from.begin(), from.begin() + axis);
  llvm::append_range(to, dims(indices));
  to.append(from.begin() + axis + 1, from.end());
  return make<qnt::GatherOp>(type(to, element(x)), x, indices, axis);
}

Value NodeBuilder::pad(Value x, Value fill, ArrayRef<DimExpr> low, ArrayRef<DimExpr> high,
                       qnt::PadMode mode) {
  if (!x || !fill || !sameElement(x, fill))
    return {};
  Dims to = dims(x);
  for (auto [i, size] : llvm::enumerate(to))
    size = size + low[i] + high[i];
  return make<qnt::PadOp>(type(to, element(x)), x, fill, qnt::makeDims(context(), low),
                          qnt::makeDims(context(), high), mode);
}

Value NodeBuilder::iota(ArrayRef<DimExpr> to, int64_t axis, DimExpr start, int64_t step,
                        Type element) {
  return make<qnt::IotaOp>(type(to, element), axis,
                           qnt::makeDims(context(), {importer.space.resolve(start)}), step);
}

Value NodeBuilder::dimTensor(DimExpr value, Type element) {
  value = importer.space.resolve(value);
  if (auto number = value.constantValue())
    return isa<FloatType>(element) ? scalar(element, static_cast<double>(*number))
                                   : scalarInteger(element, *number);
  Value tensor =
      make<qnt::DimTensorOp>(RankedTensorType::get({}, i64()), qnt::makeDims(context(), {value}));
  return cast(tensor, element);
}

//===-- Reductions and model ops -----------------------------------------------------------------//

Value NodeBuilder::reduce(qnt::ReduceKind kind, Value x, ArrayRef<int64_t> axes, bool keepDims) {
  if (!x)
    return {};
  Dims to;
  for (auto [axis, size] : llvm::enumerate(dims(x)))
    if (!llvm::is_contained(axes, static_cast<int64_t>(axis)))
      to.push_back(size);
    else if (keepDims)
      to.push_back(dim(1));
  return make<qnt::ReduceOp>(type(to, element(x)), kind, x, axes, keepDims);
}

Value NodeBuilder::argReduce(Value x, int64_t axis, bool keepDims, bool minimum, bool last) {
  if (!x)
    return {};
  Dims to;
  for (auto [i, size] : llvm::enumerate(dims(x)))
    if (static_cast<int64_t>(i) != axis)
      to.push_back(size);
    else if (keepDims)
      to.push_back(dim(1));
  return make<qnt::ArgReduceOp>(type(to, i64()), x, axis, keepDims, minimum, last);
}

Value NodeBuilder::softmax(Value x, int64_t axis, bool log) {
  if (!atLeast(x, static_cast<size_t>(std::max<int64_t>(axis, 0)) + 1))
    return {};
  size_t last = rank(x) - 1;
  x = swapAxes(x, static_cast<size_t>(axis), last);
  return swapAxes(make<qnt::SoftmaxOp>(x.getType(), x, log), static_cast<size_t>(axis), last);
}

Value NodeBuilder::matmul(Value x, Value y, bool transposeY) {
  if (!x || !y || !sameElement(x, y))
    return {};
  if (rank(x) == 0 || rank(y) == 0) {
    fail(Diag::ShapeMismatch, "multiplies a scalar as a matrix");
    return {};
  }
  bool rowX = rank(x) == 1, columnY = rank(y) == 1;
  if (rowX)
    x = unsqueeze(x, {0});
  if (columnY) {
    y = unsqueeze(y, {transposeY ? 0 : 1});
  }
  size_t kAxis = rank(y) - (transposeY ? 1 : 2);
  DimExpr k = equal(dims(x).back(), dims(y)[kAxis], "contracted dimensions");
  Dims batches[] = {Dims(ArrayRef(dims(x)).drop_back(2)), Dims(ArrayRef(dims(y)).drop_back(2))};
  auto batch = broadcastDims(batches);
  if (!batch || failed())
    return {};
  auto fit = [&](Value value, size_t contracted) {
    Dims own = dims(value), want = *batch;
    own[contracted] = importer.space.resolve(k);
    want.append(own.end() - 2, own.end());
    return conform(conformExactly(value, own), want);
  };
  x = fit(x, rank(x) - 1), y = fit(y, kAxis);
  if (!x || !y)
    return {};
  Dims to = *batch;
  to.push_back(dims(x)[rank(x) - 2]);
  to.push_back(dims(y)[rank(y) - (transposeY ? 2 : 1)]);
  Type sums = element(x).isSignlessInteger(16) ? builder.getI32Type() : element(x);
  Value out = make<qnt::MatmulOp>(type(to, sums), x, y, transposeY);
  SmallVector<int64_t> dropped;
  if (rowX)
    dropped.push_back(static_cast<int64_t>(to.size()) - 2);
  if (columnY)
    dropped.push_back(static_cast<int64_t>(to.size()) - 1);
  return dropped.empty() ? out : squeeze(out, dropped);
}

Value NodeBuilder::linear(Value x, Value weight, Value bias) {
  if (!atLeast(x, 1) || !atLeast(weight, 2) || !sameElement(x, weight))
    return {};
  if (bias && (rank(bias) != 1 || dims(bias)[0] != dims(weight)[0])) {
    Value plain = linear(x, weight);
    return plain ? add(plain, bias) : plain;
  }
  DimExpr k = equal(dims(x).back(), dims(weight)[1], "contracted dimensions");
  if (failed())
    return {};
  Dims to = dims(x);
  to.back() = k;
  x = conformExactly(x, to);
  if (!x)
    return {};
  to.back() = dims(weight)[0];
  return make<qnt::LinearOp>(type(to, element(x)), x, weight, bias);
}

bool NodeBuilder::checkEpsilon(double epsilon) {
  if (!(epsilon >= 0))
    fail(Diag::BadNode, "epsilon is " + std::to_string(epsilon));
  return !isFailed;
}

/// Gain and bias of a norm as [C], where they are that.
static bool isVector(NodeBuilder &n, Value parameter, DimExpr size) {
  return !parameter || (n.rank(parameter) == 1 && n.dims(parameter)[0] == size);
}

Value NodeBuilder::layerNorm(Value x, Value gain, Value bias, double epsilon) {
  if (!atLeast(x, 1) || !checkEpsilon(epsilon))
    return {};
  DimExpr size = dims(x).back();
  auto attr = builder.getF64FloatAttr(epsilon);
  if (isVector(*this, gain, size) && isVector(*this, bias, size))
    return make<qnt::LayerNormOp>(x.getType(), x, gain, bias, attr);
  Value out = make<qnt::LayerNormOp>(x.getType(), x, Value(), Value(), attr);
  if (gain)
    out = mul(out, gain);
  return bias ? add(out, bias) : out;
}

Value NodeBuilder::rmsNorm(Value x, Value gain, double epsilon) {
  if (!atLeast(x, 1) || !checkEpsilon(epsilon))
    return {};
  auto attr = builder.getF64FloatAttr(epsilon);
  if (isVector(*this, gain, dims(x).back()))
    return make<qnt::RmsNormOp>(x.getType(), x, gain, attr);
  return mul(make<qnt::RmsNormOp>(x.getType(), x, Value(), attr), gain);
}

Value NodeBuilder::gelu(Value x, qnt::GeluKind kind) {
  return x ? make<qnt::GeluOp>(x.getType(), x, kind) : Value();
}
