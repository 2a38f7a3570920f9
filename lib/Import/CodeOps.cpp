// com.microsoft operators on 8-bit codes with their scales and zero points side by side.
#include "CodeProducts.h"
#include "OpTable.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

/// scale * (codes - zero) of three inputs from i on.
Value real(NodeBuilder &n, size_t i) {
  Value codes = n.in(i), scale = n.in(i + 1);
  if (!codes || !scale)
    return {};
  return n.mul(n.cast(centred(n, codes, n.optional(i + 2)), n.element(scale)), plain(n, scale));
}

/// clamp(round(x / scale) + zero); without a zero point to the codes of `otherwise`.
Value coded(NodeBuilder &n, Value x, Value scale, Value zero, Type otherwise) {
  if (!x || !scale)
    return {};
  Type codes = zero ? n.element(zero) : otherwise;
  auto integer = dyn_cast_or_null<IntegerType>(codes);
  if (!integer) {
    n.fail(Diag::TypeMismatch, "codes are not integers");
    return {};
  }
  double high = std::exp2(integer.getWidth() - (integer.isUnsigned() ? 0 : 1)) - 1;
  double low = integer.isUnsigned() ? 0 : -high - 1;
  Value steps = n.unary<qnt::RoundOp>(n.div(x, plain(n, scale)));
  if (zero)
    steps = n.add(steps, n.cast(plain(n, zero), n.element(x)));
  return n.cast(n.minimum(n.maximum(steps, low), high), codes);
}

template <typename Op> void qlinearBinary(NodeBuilder &n) {
  n.out(0,
        coded(n, n.binary<Op>(real(n, 0), real(n, 3)), n.in(6), n.optional(7), n.inputElement(0)));
}

void qlinearSigmoid(NodeBuilder &n) {
  n.out(0,
        coded(n, n.unary<qnt::SigmoidOp>(real(n, 0)), n.in(3), n.optional(4), n.inputElement(0)));
}

void qlinearSoftmax(NodeBuilder &n) {
  Value x = real(n, 0);
  if (!x)
    return;
  size_t rank = n.rank(x);
  bool flat = n.intAttr("opset", 13) < 13;
  int64_t axis = n.axis(n.intAttr("axis", flat ? 1 : -1), rank);
  if (n.failed())
    return;
  Dims all = n.dims(x);
  Value y = flat && axis + 1 != static_cast<int64_t>(rank)
                ? n.reshape(n.softmax(n.flatten(x, axis), 1), all)
                : n.softmax(x, axis);
  n.out(0, coded(n, y, n.in(3), n.optional(4), n.inputElement(0)));
}

void qlinearConcat(NodeBuilder &n) {
  SmallVector<Value> parts;
  for (size_t i = 2; i + 2 < n.numInputs(); i += 3)
    parts.push_back(real(n, i));
  if (parts.empty() || !parts[0])
    return n.fail(Diag::BadNode, "has no operands");
  int64_t axis = n.axisAttr(n.rank(parts[0]), 0);
  if (!n.failed())
    n.out(0, coded(n, n.concat(parts, axis), n.in(0), n.in(1), n.inputElement(1)));
}

void qlinearLeakyRelu(NodeBuilder &n) {
  Value x = real(n, 0);
  Value low = n.mul(x, n.floatAttr("alpha", 0.01f));
  n.out(0, coded(n, n.select(n.compare(qnt::Predicate::lt, x, 0), low, x), n.in(3), n.optional(4),
                 n.inputElement(0)));
}

void qlinearWhere(NodeBuilder &n) {
  n.out(0, coded(n, n.select(n.in(0), real(n, 1), real(n, 4)), n.in(7), n.optional(8),
                 n.inputElement(1)));
}

/// Operand 0 as real numbers, channels first.
Value realImage(NodeBuilder &n) {
  Value x = real(n, 0);
  if (!x || !n.atLeast(x, 3))
    return {};
  auto rank = static_cast<int64_t>(n.rank(x));
  if (n.intAttr("channels_last", 0) == 0)
    return x;
  SmallVector<int64_t> order = {0, rank - 1};
  for (int64_t i = 1; i < rank - 1; ++i)
    order.push_back(i);
  return n.transpose(x, order);
}

void outImage(NodeBuilder &n, Value y) {
  if (y && n.intAttr("channels_last", 0) != 0) {
    auto order = llvm::to_vector(llvm::seq<int64_t>(2, static_cast<int64_t>(n.rank(y))));
    order.insert(order.begin(), 0);
    order.push_back(1);
    y = n.transpose(y, order);
  }
  n.out(0, coded(n, y, n.in(3), n.optional(4), n.inputElement(0)));
}

void qlinearGlobalAveragePool(NodeBuilder &n) {
  Value x = realImage(n);
  if (x)
    outImage(n, n.reduce(qnt::ReduceKind::mean, x,
                         llvm::to_vector(llvm::seq<int64_t>(2, static_cast<int64_t>(n.rank(x)))),
                         true));
}

void qlinearAveragePool(NodeBuilder &n) {
  Value x = realImage(n);
  if (x)
    outImage(n, averagePooled(n, x));
}

void qlinearReduceMean(NodeBuilder &n) {
  Value x = real(n, 0);
  if (!x)
    return;
  auto axes = llvm::to_vector(llvm::seq<int64_t>(0, static_cast<int64_t>(n.rank(x))));
  if (n.hasAttr("axes"))
    axes = n.axes(n.intsAttr("axes"), n.rank(x));
  if (n.failed())
    return;
  n.out(0, coded(n, n.reduce(qnt::ReduceKind::mean, x, axes, n.intAttr("keepdims", 1) != 0),
                 n.in(3), n.optional(4), n.inputElement(0)));
}

/// alpha * scales * (A' B' + C), C in 32-bit steps; to codes where an output scale is given.
void qgemm(NodeBuilder &n) {
  Value a = n.in(0), b = n.in(3), aScale = n.in(1), bScale = n.in(4);
  if (!a || !b || !aScale || !bScale || n.rank(a) != 2 || n.rank(b) != 2)
    return n.fail(Diag::ShapeMismatch, "needs matrices");
  if (n.intAttr("transA", 0) != 0)
    a = n.swapLast(a);
  CodeOperands operands{a, n.optional(2), b, n.optional(5), n.intAttr("transB", 0) != 0};
  Value scale = n.mul(plain(n, aScale), plain(n, bScale));
  double alpha = n.floatAttr("alpha", 1);
  if (alpha != 1)
    scale = n.mul(scale, alpha);
  if (!scale)
    return;
  Value y = n.mul(realsOfCodes(n, operands, n.element(scale), n.optional(6)), scale);
  n.out(0, n.has(7) ? coded(n, y, n.in(7), n.optional(8), n.inputElement(0)) : y);
}

/// The input's codes as DynamicQuantizeLinear makes them, then the integer product scaled.
void dynamicQuantizeMatmul(NodeBuilder &n) {
  Value x = n.in(0), b = n.in(1), bScale = n.in(2);
  if (!x || !b || !bScale)
    return;
  DynamicCodes a = dynamicCodes(n, x);
  Value both = n.mul(a.scale, plain(n, bScale));
  if (!both)
    return;
  Value y = n.mul(realsOfCodes(n, {a.codes, a.zero, b, n.optional(3)}, n.element(both)), both);
  n.out(0, n.has(4) ? n.add(y, n.in(4)) : y);
}

void qattention(NodeBuilder &n) {
  Value codes = n.in(0), weight = n.in(1), bias = n.in(2), xScale = n.in(3), wScale = n.in(4);
  if (!codes || !weight || !bias || !xScale || !wScale)
    return;
  if (n.rank(codes) != 3 || n.rank(weight) != 2)
    return n.fail(Diag::BadNode, "needs an input of rank 3 and a weight of rank 2");
  Value scale = n.mul(plain(n, xScale), plain(n, wScale));
  if (!scale)
    return;
  CodeOperands operands{codes, n.optional(6), weight, n.optional(7)};
  Value product = n.add(n.mul(realsOfCodes(n, operands, n.element(scale)), scale), bias);
  attentionOfProduct(n, product, /*maskAt=*/5, /*pastAt=*/8, /*biasAt=*/0);
}

/// Tables and parameters i, with their scales from 8 and their zero points from 13 on.
void qembedLayerNormalization(NodeBuilder &n) {
  auto table = [&](size_t i) -> Value {
    if (!n.has(i))
      return {};
    Value scale = n.in(i + 6);
    if (!scale)
      return {};
    Value codes = centred(n, n.in(i), n.optional(i + 11));
    return n.mul(n.cast(codes, n.element(scale)), plain(n, scale));
  };
  embedAndNormalise(n, {n.in(0),
                        n.optional(1),
                        table(2),
                        table(3),
                        table(4),
                        table(5),
                        table(6),
                        n.optional(7),
                        {}});
}

constexpr OpEntry table[] = {
    {"com.microsoft", "QLinearAdd", 1, qlinearBinary<qnt::AddOp>},
    {"com.microsoft", "QLinearMul", 1, qlinearBinary<qnt::MulOp>},
    {"com.microsoft", "QLinearSigmoid", 1, qlinearSigmoid},
    {"com.microsoft", "QLinearSoftmax", 1, qlinearSoftmax},
    {"com.microsoft", "QLinearConcat", 1, qlinearConcat},
    {"com.microsoft", "QLinearLeakyRelu", 1, qlinearLeakyRelu},
    {"com.microsoft", "QLinearWhere", 1, qlinearWhere},
    {"com.microsoft", "QLinearAveragePool", 1, qlinearAveragePool},
    {"com.microsoft", "QLinearGlobalAveragePool", 1, qlinearGlobalAveragePool},
    {"com.microsoft", "QLinearReduceMean", 1, qlinearReduceMean},
    {"com.microsoft", "QGemm", 1, qgemm},
    {"com.microsoft", "DynamicQuantizeMatMul", 1, dynamicQuantizeMatmul},
    {"com.microsoft", "QAttention", 1, qattention},
    {"com.microsoft", "QEmbedLayerNormalization", 1, qembedLayerNormalization},
};

} // namespace

ArrayRef<OpEntry> qcc::import::codeOps() { return table; }
