// The operators of quantized models as plain arithmetic on integers and scales.
#include "CodeForms.h"
#include "CodeProducts.h"
#include "OpTable.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

/// Smallest and largest value of an integer type.
std::pair<double, double> limits(Type element) {
  auto integer = cast<IntegerType>(element);
  unsigned bits = integer.getWidth();
  if (integer.isUnsigned())
    return {0, std::exp2(bits) - 1};
  return {-std::exp2(bits - 1), std::exp2(bits - 1) - 1};
}

/// A scale or zero point brought into a form that broadcasts against x: a scalar as it is, a
/// vector along `axis`, and blocks repeated along it.
Value spread(NodeBuilder &n, Value parameter, Value x, int64_t block) {
  if (!parameter || !x)
    return {};
  Dims p = n.dims(parameter), full = n.dims(x);
  if (p.empty() || (p.size() == 1 && p[0].isConstant(1)))
    return n.reshape(parameter, {});
  int64_t axis = n.axis(n.intAttr("axis", 1), full.size());
  if (n.failed())
    return {};
  if (p.size() == 1) {
    Dims to(full.size(), n.dim(1));
    to[axis] = n.equal(full[axis], p[0], "scale and axis");
    return n.reshape(parameter, to);
  }
  if (block < 1 || p.size() != full.size()) {
    n.fail(Diag::ShapeMismatch, "scales " + text(p) + " do not fit " + text(full));
    return {};
  }
  if (p[axis].isConstant(1) && full[axis].constantValue().value_or(INT64_MAX) <= block)
    return parameter; // one block is all
  // [.., K / block, ..] to [.., K, ..]; the last block may be ragged.
  Dims wide = p;
  wide.insert(wide.begin() + axis + 1, n.dim(block));
  Dims merged = p;
  merged[axis] = p[axis] * block;
  Value repeated = n.reshape(n.broadcast(n.unsqueeze(parameter, {axis + 1}), wide), merged);
  if (merged[axis] != full[axis])
    repeated = n.slice(repeated, axis, n.dim(0), full[axis]);
  return repeated;
}

void dequantizeLinear(NodeBuilder &n) {
  Value x = n.in(0), scale = n.in(1);
  if (!x || !scale)
    return;
  int64_t block = n.intAttr("block_size", 0);
  Type element = n.element(scale);
  if (n.intAttr("output_dtype", 0) != 0)
    element = n.importer.elementType(static_cast<int32_t>(n.intAttr("output_dtype", 1)));
  // The product of a code and a scale of 16 bits is exact in f32: it is rounded once either way.
  if (Value real = dequantizedConstant(n, block))
    return n.out(0, n.cast(n.cast(real, n.element(scale)), element));
  if (Value real = dequantizedTokens(n)) {
    rememberCodes(n, real);
    return n.out(0, n.cast(real, element));
  }
  Value codes;
  if (n.has(2) && n.isInteger(x)) {
    // The difference of two codes is exact in 32 bits.
    Type wide = n.builder.getI32Type();
    Value zero = spread(n, n.cast(n.in(2), wide), x, block);
    codes = n.cast(n.sub(n.cast(x, wide), zero), n.element(scale));
  } else {
    codes = n.cast(x, n.element(scale));
  }
  Value real = n.mul(codes, spread(n, scale, x, block));
  rememberCodes(n, real);
  n.out(0, n.cast(real, element));
}

/// clamp(round(x / scale) + zero) to the type of the codes.
Value quantized(NodeBuilder &n, Value x, Value scale, Value zero, Type codes) {
  Value steps = n.unary<qnt::RoundOp>(n.div(x, scale));
  if (zero)
    steps = n.add(steps, n.cast(zero, n.element(x)));
  auto [low, high] = limits(codes);
  return n.cast(n.minimum(n.maximum(steps, low), high), codes);
}

void quantizeLinear(NodeBuilder &n) {
  Value x = n.in(0), scale = n.in(1);
  if (!x || !scale)
    return;
  int64_t block = n.intAttr("block_size", 0);
  Type codes = n.builder.getIntegerType(8, /*isSigned=*/false);
  if (n.has(2))
    codes = n.inputElement(2);
  else if (n.intAttr("output_dtype", 0) != 0)
    codes = n.importer.elementType(static_cast<int32_t>(n.intAttr("output_dtype", 2)));
  if (codes && isa<FloatType>(codes)) { // no zero point, no rounding to integers
    Value steps = n.div(x, n.cast(spread(n, scale, x, block), n.element(x)));
    if (n.has(2)) // a zero too, which takes the sign of -0
      steps = n.add(steps, n.cast(spread(n, n.in(2), x, block), n.element(x)));
    Value result = n.castSaturating(steps, codes, n.intAttr("saturate", 1) != 0);
    rememberTokens(n, result, block);
    return n.out(0, result);
  }
  if (!codes || !isa<IntegerType>(codes))
    return n.unsupported("quantizes to a type that qcc does not take");
  Value wide = n.isInteger(x) ? n.cast(x, n.f32()) : x;
  Value zero = n.has(2) ? spread(n, n.in(2), x, block) : Value();
  Value result =
      quantized(n, wide, n.cast(spread(n, scale, x, block), n.element(wide)), zero, codes);
  rememberTokens(n, result, block);
  n.out(0, result);
}

void dynamicQuantizeLinear(NodeBuilder &n) {
  DynamicCodes made = dynamicCodes(n, n.in(0));
  n.out(0, made.codes);
  n.out(1, made.scale);
  n.out(2, made.zero);
}

void matmulInteger(NodeBuilder &n) {
  StringRef output = n.node.outputs.empty() ? StringRef() : StringRef(n.node.outputs[0]);
  n.out(0, sumsOfCodes(n, {n.in(0), n.optional(2), n.in(1), n.optional(3)}, output));
}

/// com.microsoft: the product scaled to float, with a bias.
void matmulIntegerToFloat(NodeBuilder &n) {
  Value scale = n.mul(n.in(2), n.in(3));
  CodeOperands operands{n.in(0), n.optional(4), n.in(1), n.optional(5)};
  Value out = n.mul(realsOfCodes(n, operands, n.element(scale)), scale);
  n.out(0, n.has(6) ? n.add(out, n.in(6)) : out);
}

void qlinearMatmul(NodeBuilder &n) {
  Value aScale = n.in(1), bScale = n.in(4), scale = n.in(6), zero = n.in(7);
  if (!aScale || !bScale || !scale || !zero)
    return;
  CodeOperands operands{n.in(0), n.in(2), n.in(3), n.in(5)};
  if (n.rank(aScale) == 1 && !n.at(aScale, 0).isConstant(1))
    aScale = n.unsqueeze(aScale, {1});
  Value reals = realsOfCodes(n, operands, n.element(scale));
  Value real = n.mul(reals, n.mul(plain(n, aScale), plain(n, bScale)));
  n.out(0, quantized(n, real, plain(n, scale), plain(n, zero), n.element(zero)));
}

constexpr OpEntry table[] = {
    {"", "DequantizeLinear", 10, dequantizeLinear},
    {"", "QuantizeLinear", 10, quantizeLinear},
    {"", "DynamicQuantizeLinear", 11, dynamicQuantizeLinear},
    {"", "MatMulInteger", 10, matmulInteger},
    {"", "QLinearMatMul", 10, qlinearMatmul},
    {"com.microsoft", "DequantizeLinear", 1, dequantizeLinear},
    {"com.microsoft", "QuantizeLinear", 1, quantizeLinear},
    {"com.microsoft", "MatMulIntegerToFloat", 1, matmulIntegerToFloat},
};

} // namespace

DynamicCodes qcc::import::dynamicCodes(NodeBuilder &n, Value x) {
  if (!x)
    return {};
  auto axes = llvm::to_vector(llvm::seq<int64_t>(0, static_cast<int64_t>(n.rank(x))));
  Value high = n.maximum(n.reduce(qnt::ReduceKind::max, x, axes, false), 0);
  Value low = n.minimum(n.reduce(qnt::ReduceKind::min, x, axes, false), 0);
  // Zeros alone have scale 1, as in onnxruntime: by the formula it were 0, and no code a number.
  Value range = n.sub(high, low);
  Value isFlat = n.compare(qnt::Predicate::eq, range, 0);
  Value scale = n.select(isFlat, n.like(range, 1), n.div(range, 255));
  Type bytes = n.builder.getIntegerType(8, /*isSigned=*/false);
  Value zero = n.unary<qnt::RoundOp>(n.div(n.unary<qnt::NegOp>(low), scale));
  zero = n.cast(n.minimum(n.maximum(zero, 0), 255), bytes);
  return {quantized(n, x, scale, zero, bytes), scale, zero};
}

ArrayRef<OpEntry> qcc::import::quantizeOps() { return table; }
