// Activation functions by their formulas.
#include "OpTable.h"
#include <cmath>

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

using qnt::Predicate;

template <typename Op> void plain(NodeBuilder &n) { n.out(0, n.unary<Op>(n.in(0))); }

void hardSigmoid(NodeBuilder &n) {
  Value x = n.in(0);
  double alpha = n.floatAttr("alpha", 0.2f), beta = n.floatAttr("beta", 0.5);
  n.out(0, n.maximum(n.minimum(n.add(n.mul(x, alpha), beta), 1), 0));
}

void hardSwish(NodeBuilder &n) {
  Value x = n.in(0);
  n.out(0, n.mul(x, n.maximum(n.minimum(n.add(n.mul(x, 1.0f / 6.0f), 0.5), 1), 0)));
}

void leakyRelu(NodeBuilder &n) {
  Value x = n.in(0);
  n.out(0, n.select(n.compare(Predicate::lt, x, 0), n.mul(x, n.floatAttr("alpha", 0.01f)), x));
}

void prelu(NodeBuilder &n) {
  Value x = n.in(0);
  n.out(0, n.select(n.compare(Predicate::lt, x, 0), n.mul(x, n.in(1)), x));
}

void elu(NodeBuilder &n) {
  Value x = n.in(0);
  Value low = n.mul(n.sub(n.unary<qnt::ExpOp>(x), 1), n.floatAttr("alpha", 1));
  n.out(0, n.select(n.compare(Predicate::lt, x, 0), low, x));
}

void selu(NodeBuilder &n) {
  Value x = n.in(0);
  double alpha = n.floatAttr("alpha", 1.67326319217681884765625f);
  double gamma = n.floatAttr("gamma", 1.05070102214813232421875f);
  Value low = n.sub(n.mul(n.unary<qnt::ExpOp>(x), alpha), alpha);
  n.out(0, n.mul(n.select(n.compare(Predicate::le, x, 0), low, x), gamma));
}

void celu(NodeBuilder &n) {
  Value x = n.in(0);
  double alpha = n.floatAttr("alpha", 1);
  Value low = n.mul(n.sub(n.unary<qnt::ExpOp>(n.div(x, alpha)), 1), alpha);
  n.out(0, n.add(n.maximum(x, 0), n.minimum(low, 0)));
}

void softsign(NodeBuilder &n) {
  Value x = n.in(0);
  n.out(0, n.div(x, n.add(n.unary<qnt::AbsOp>(x), 1)));
}

void thresholdedRelu(NodeBuilder &n) {
  Value x = n.in(0);
  n.out(0, n.select(n.compare(Predicate::gt, x, n.floatAttr("alpha", 1)), x, n.like(x, 0)));
}

void mish(NodeBuilder &n) {
  Value x = n.in(0);
  n.out(0, n.mul(x, n.unary<qnt::TanhOp>(n.unary<qnt::SoftplusOp>(x))));
}

void shrink(NodeBuilder &n) {
  Value x = n.in(0);
  double bias = n.floatAttr("bias", 0), lambda = n.floatAttr("lambd", 0.5);
  Value high = n.select(n.compare(Predicate::gt, x, lambda), n.sub(x, bias), n.like(x, 0));
  n.out(0, n.select(n.compare(Predicate::lt, x, -lambda), n.add(x, bias), high));
}

/// x * sigmoid(alpha * x): ONNX Swish, and com.microsoft.QuickGelu with its other default.
template <int defaultMilli> void swish(NodeBuilder &n) {
  Value x = n.in(0);
  double alpha = n.floatAttr("alpha", static_cast<float>(defaultMilli) / 1000.0f);
  if (alpha == 1)
    return n.out(0, n.unary<qnt::SiluOp>(x));
  if (static_cast<float>(alpha) == 1.702f)
    return n.out(0, n.gelu(x, qnt::GeluKind::sigmoid));
  n.out(0, n.mul(x, n.unary<qnt::SigmoidOp>(n.mul(x, alpha))));
}

void gelu(NodeBuilder &n) {
  std::string approximate = n.stringAttr("approximate", "none");
  if (approximate != "none" && approximate != "tanh")
    return n.fail(Diag::BadNode, "approximate '" + approximate + "' is neither none nor tanh");
  n.out(0, n.gelu(n.in(0), approximate == "tanh" ? qnt::GeluKind::tanh : qnt::GeluKind::erf));
}

template <bool tanh> void biasGelu(NodeBuilder &n) {
  Value x = n.in(0);
  if (n.has(1))
    x = n.add(x, n.in(1));
  n.out(0, n.gelu(x, tanh ? qnt::GeluKind::tanh : qnt::GeluKind::erf));
}

/// Softmax before opset 13 sees two axes: everything before `axis`, and the rest.
Value flattened(NodeBuilder &n, Value x, llvm::function_ref<Value(Value, int64_t)> f) {
  if (!x)
    return {};
  if (n.rank(x) == 0) {
    Value one = f(n.reshape(x, {n.dim(1)}), 0);
    return n.reshape(one, {});
  }
  bool flat = n.opset < 13;
  int64_t axis = n.axisAttr(n.rank(x), flat ? 1 : -1);
  if (n.failed())
    return {};
  if (!flat || axis == static_cast<int64_t>(n.rank(x)) - 1)
    return f(x, axis);
  Dims all = n.dims(x);
  return n.reshape(f(n.flatten(x, axis), 1), all);
}

template <bool log> void softmax(NodeBuilder &n) {
  n.out(0, flattened(n, n.in(0), [&](Value x, int64_t axis) { return n.softmax(x, axis, log); }));
}

void hardmax(NodeBuilder &n) {
  n.out(0, flattened(n, n.in(0), [&](Value x, int64_t axis) {
          Value best = n.argReduce(x, axis, /*keepDims=*/true, /*minimum=*/false, /*last=*/false);
          Value index = n.iota(n.dims(x), axis, n.dim(0), 1, n.i64());
          return n.cast(n.compare(Predicate::eq, index, best), n.element(x));
        }));
}

/// com.microsoft: y times a factor for each row, rounded, on top of x.
void gatedAdd(NodeBuilder &n) {
  Value x = n.in(0), y = n.in(1), gate = n.in(2);
  if (!x || !y || !gate || !n.atLeast(x, 1))
    return;
  Dims all = n.dims(x), rows = all;
  rows.back() = n.dim(1);
  n.out(0, n.add(x, n.mul(n.fit(y, all, "the second operand"), n.fit(gate, rows, "the gate"))));
}

/// com.microsoft: silu(scale * x); narrow types are rounded after each step.
void scaledSilu(NodeBuilder &n) {
  Value x = n.in(0);
  Value scale = n.has(1) ? n.reshape(n.cast(n.in(1), n.f32()), {})
                         : n.scalar(n.f32(), n.floatAttr("alpha", 1));
  if (!x || !scale)
    return;
  Value scaled = n.cast(n.mul(n.cast(x, n.f32()), scale), n.element(x));
  n.out(0, n.element(x).isF32() ? n.unary<qnt::SiluOp>(scaled)
                                : n.mul(scaled, n.unary<qnt::SigmoidOp>(scaled)));
}

/// com.microsoft: softmax of the sum with a bias, which broadcasts, over all axes from `axis` on.
void biasSoftmax(NodeBuilder &n) {
  Value x = n.in(0), sum = n.add(x, n.in(1));
  int64_t axis = n.axisAttr(n.rank(x), 1);
  if (!sum || n.failed())
    return;
  if (n.dims(sum) != n.dims(x))
    return n.fail(Diag::ShapeMismatch, "the bias " + text(n.dims(n.in(1))) +
                                           " does not broadcast to " + text(n.dims(x)));
  Dims all = n.dims(sum);
  if (axis == static_cast<int64_t>(all.size()) - 1)
    return n.out(0, n.softmax(sum, axis));
  n.out(0, n.reshape(n.softmax(n.flatten(sum, axis), 1), all));
}

void biasAdd(NodeBuilder &n) { n.out(0, n.add(n.add(n.in(0), n.in(1)), n.in(2))); }

/// com.microsoft: the first half of the sum with a bias times gelu of the second.
void biasSplitGelu(NodeBuilder &n) {
  Value sum = n.add(n.in(0), n.in(1));
  if (!sum || !n.atLeast(sum, 1))
    return;
  DimExpr half = n.divided(n.last(sum), 2, "channels", "halves");
  auto axis = static_cast<int64_t>(n.rank(sum)) - 1;
  Value left = n.slice(sum, axis, n.dim(0), half), right = n.slice(sum, axis, half, half);
  n.out(0, n.mul(left, n.gelu(right, qnt::GeluKind::erf)));
}

constexpr OpEntry table[] = {
    {"", "Relu", 7, plain<qnt::ReluOp>},
    {"", "Sigmoid", 7, plain<qnt::SigmoidOp>},
    {"", "Tanh", 7, plain<qnt::TanhOp>},
    {"", "Softplus", 7, plain<qnt::SoftplusOp>},
    {"", "HardSigmoid", 7, hardSigmoid},
    {"", "HardSwish", 14, hardSwish},
    {"", "LeakyRelu", 7, leakyRelu},
    {"", "PRelu", 7, prelu},
    {"", "Elu", 7, elu},
    {"", "Selu", 7, selu},
    {"", "Celu", 12, celu},
    {"", "Softsign", 7, softsign},
    {"", "ThresholdedRelu", 10, thresholdedRelu},
    {"", "Mish", 18, mish},
    {"", "Shrink", 9, shrink},
    {"", "Swish", 24, swish<1000>},
    {"", "Gelu", 20, gelu},
    {"", "Softmax", 7, softmax<false>},
    {"", "LogSoftmax", 7, softmax<true>},
    {"", "Hardmax", 7, hardmax},
    {"com.microsoft", "Gelu", 1, biasGelu<false>},
    {"com.microsoft", "BiasGelu", 1, biasGelu<false>},
    {"com.microsoft", "FastGelu", 1, biasGelu<true>},
    {"com.microsoft", "BiasSoftmax", 1, biasSoftmax},
    {"com.microsoft", "BiasAdd", 1, biasAdd},
    {"com.microsoft", "BiasSplitGelu", 1, biasSplitGelu},
    {"com.microsoft", "GatedAdd", 1, gatedAdd},
    {"com.microsoft", "ScaledSiLU", 1, scaledSilu},
    {"com.microsoft", "QuickGelu", 1, swish<1702>},
};

} // namespace

Activation qcc::import::activationNamed(NodeBuilder &n, StringRef name, std::optional<double> a,
                                        std::optional<double> b) {
  std::string lower = name.lower();
  auto is = [&](StringRef other) { return lower == other; };
  if (is("relu"))
    return [&n](Value x) { return n.maximum(x, 0); };
  if (is("tanh"))
    return [&n](Value x) { return n.unary<qnt::TanhOp>(x); };
  if (is("sigmoid"))
    return [&n](Value x) { return n.unary<qnt::SigmoidOp>(x); };
  if (is("softsign"))
    return [&n](Value x) { return n.div(x, n.add(n.unary<qnt::AbsOp>(x), 1)); };
  if (is("softplus"))
    return [&n](Value x) { return n.unary<qnt::SoftplusOp>(x); };
  if (is("affine"))
    return [&n, a = a.value_or(1), b = b.value_or(0)](Value x) { return n.add(n.mul(x, a), b); };
  if (is("leakyrelu"))
    return [&n, a = a.value_or(0.01f)](Value x) {
      return n.select(n.compare(Predicate::lt, x, 0), n.mul(x, a), x);
    };
  if (is("thresholdedrelu"))
    return [&n, a = a.value_or(1)](Value x) {
      return n.select(n.compare(Predicate::ge, x, a), x, n.like(x, 0));
    };
  if (is("scaledtanh"))
    return [&n, a = a.value_or(1), b = b.value_or(1)](Value x) {
      return n.mul(n.unary<qnt::TanhOp>(n.mul(x, b)), a);
    };
  if (is("hardsigmoid"))
    return [&n, a = a.value_or(0.2f), b = b.value_or(0.5)](Value x) {
      return n.maximum(n.minimum(n.add(n.mul(x, a), b), 1), 0);
    };
  if (is("elu"))
    return [&n, a = a.value_or(1)](Value x) {
      Value low = n.mul(n.sub(n.unary<qnt::ExpOp>(x), 1), a);
      return n.select(n.compare(Predicate::lt, x, 0), low, x);
    };
  return {};
}

ArrayRef<OpEntry> qcc::import::activationOps() { return table; }
