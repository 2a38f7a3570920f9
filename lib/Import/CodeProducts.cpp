// Integer products of the operators that have them. One with a constant matrix becomes a product of
// tokens and a quantized weight, as every other quantized layer; any other one plain arithmetic.
#include "CodeProducts.h"
#include "CodeForms.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

/// Sums of this many products at most fit 32 bits, whatever the codes.
constexpr int64_t maxTerms = (int64_t(1) << 31) / (255 * 255);
/// Integers up to here are f32 numbers.
constexpr int64_t exactInFloat = int64_t(1) << 24;
/// Smaller matrices are not worth the tokens.
constexpr int64_t minSize = 16;

bool isByte(Type element) {
  auto integer = dyn_cast<IntegerType>(element);
  return integer && integer.getWidth() == 8;
}

bool isConstant(Value value) {
  return isa_and_nonnull<qnt::UseOp, qnt::ConstantOp>(value.getDefiningOp());
}

/// The largest magnitude of a code of `element` less its zero point.
int64_t largest(Type element, Value zero) {
  bool isUnsigned = element.isUnsignedInteger();
  auto point = zero ? qnt::splatOf(zero) : std::optional<double>(0);
  if (!point)
    return 255;
  int64_t low = isUnsigned ? 0 : -128, high = isUnsigned ? 255 : 127;
  auto middle = static_cast<int64_t>(*point);
  return std::max(middle - low, high - middle);
}

/// Codes less their zero point: tokens of bytes with scale 1, of which none is rounded or cut off.
Value tokensOf(NodeBuilder &n, Value codes, Value zero) {
  int64_t middle = n.element(codes).isUnsignedInteger() ? -128 : 0;
  auto point = zero ? qnt::splatOf(zero) : std::optional<double>(0);
  Value x = n.cast(codes, n.f32()), shift;
  if (point) {
    x = *point != 0 ? n.sub(x, *point) : x;
    middle += static_cast<int64_t>(*point);
  } else {
    zero = n.reshape(zero, {});
    x = n.sub(x, n.cast(zero, n.f32()));
    shift = n.cast(zero, n.builder.getI32Type());
  }
  if (!x)
    return {};
  auto type = qnt::QType::get(n.context(), qnt::makeDims(n.context(), n.dims(x)), qnt::Storage::i8,
                              qnt::Granularity::token, -1, 0, n.f32(), n.builder.getIntegerType(8),
                              Type(), qnt::CodebookAttr(), 0, qnt::Layout::logical);
  Value bytes = n.make<qnt::QuantizeStaticOp>(type, x, shift, n.builder.getF32FloatAttr(1),
                                              n.builder.getI64IntegerAttr(middle), UnitAttr());
  return n.make<qnt::DequantizeOp>(x.getType(), bytes);
}

/// Real numbers as codes with one scale, also behind views of them.
std::optional<GraphImporter::ScaledCodes> codesBehind(NodeBuilder &n, Value real) {
  auto found = n.importer.dequantized.find(real);
  if (found != n.importer.dequantized.end())
    return found->second;
  Operation *view = real.getDefiningOp();
  if (!isa_and_nonnull<qnt::TransposeOp, qnt::ReshapeOp, qnt::BroadcastOp>(view))
    return std::nullopt;
  auto inner = codesBehind(n, view->getOperand(0));
  if (!inner)
    return std::nullopt;
  if (auto transpose = dyn_cast<qnt::TransposeOp>(view))
    inner->codes = n.transpose(inner->codes, transpose.getPermutation());
  else if (isa<qnt::ReshapeOp>(view))
    inner->codes = n.reshape(inner->codes, n.dims(real));
  else
    inner->codes = n.broadcast(inner->codes, n.dims(real));
  return inner;
}

/// The product as that of a quantized layer, or null where it has to be plain arithmetic.
class LayerOfCodes {
public:
  LayerOfCodes(NodeBuilder &n, const CodeOperands &p) : n(n), p(p) {}

  Value build() {
    if (!applies())
      return {};
    Value weight = matrix(), x = tokensOf(n, p.a, p.aZero);
    if (!p.transposed)
      weight = transposedCodes(n, weight);
    return weight && x ? n.linear(x, weight) : Value();
  }
  /// Whether every sum is an f32 number.
  bool isExact() const {
    int64_t k = *n.dims(p.b)[p.transposed ? 1 : 0].constantValue();
    return k * largest(n.element(p.a), p.aZero) * largest(n.element(p.b), p.bZero) < exactInFloat;
  }

private:
  bool applies() const {
    Dims dims = n.dims(p.b);
    if (!p.a || dims.size() != 2 || n.rank(p.a) < 1 || !isConstant(p.b) ||
        !isByte(n.element(p.a)) || !isByte(n.element(p.b)) || (p.bZero && !isConstant(p.bZero)) ||
        (p.aZero && !isOne(n, p.aZero)))
      return false;
    auto k = dims[p.transposed ? 1 : 0].constantValue(),
         columns = dims[p.transposed ? 0 : 1].constantValue();
    bool zeroFits =
        !p.bZero || isOne(n, p.bZero) || n.dims(p.bZero) == Dims{dims[p.transposed ? 0 : 1]};
    return k && columns && *k % 4 == 0 && *k >= minSize && *k <= maxTerms && *columns >= minSize &&
           zeroFits;
  }

  /// The real numbers of codes with scale 1.
  Value matrix() {
    Type element = n.element(p.b);
    bool isUnsigned = element.isUnsignedInteger();
    Value zero = p.bZero;
    if (!zero && isUnsigned)
      zero = n.scalarInteger(element, 0);
    bool byColumn = zero && !isOne(n, zero);
    int64_t axis = p.transposed ? 0 : 1;
    Value one = n.scalar(n.f32(), 1);
    Value scale = byColumn ? n.broadcast(one, n.dims(zero)) : one;
    if (zero && !byColumn)
      zero = n.reshape(zero, {});
    auto type = qnt::QType::get(n.context(), qnt::makeDims(n.context(), n.dims(p.b)),
                                isUnsigned ? qnt::Storage::u8 : qnt::Storage::i8,
                                byColumn ? qnt::Granularity::axis : qnt::Granularity::tensor,
                                byColumn ? axis : -1, 0, n.f32(), zero ? element : Type(),
                                qnt::Layout::logical);
    Value whole = n.make<qnt::AssembleOp>(type, p.b, scale, zero);
    return n.make<qnt::DequantizeOp>(n.type(n.dims(p.b), n.f32()), whole);
  }

  NodeBuilder &n;
  const CodeOperands &p;
};

Value plainSums(NodeBuilder &n, const CodeOperands &p) {
  // Bytes less their zero points fit 16 bits.
  bool bytes = isByte(n.element(p.a)) && isByte(n.element(p.b));
  Type wide = n.builder.getIntegerType(bytes ? 16 : 32);
  Value a = centred(n, p.a, p.aZero, wide, /*rows=*/true);
  Value b = centred(n, p.transposed ? n.swapLast(p.b) : p.b, p.bZero, wide);
  // The columns of b are contiguous where its rows were before a transposition.
  auto transpose = b ? b.getDefiningOp<qnt::TransposeOp>() : qnt::TransposeOp();
  auto order = transpose ? llvm::to_vector(transpose.getPermutation()) : SmallVector<int64_t>();
  size_t rank = order.size();
  if (rank < 2 || order[rank - 2] + 1 != static_cast<int64_t>(rank))
    return n.matmul(a, b);
  std::swap(order[rank - 2], order[rank - 1]);
  return n.matmul(a, n.transpose(transpose.getX(), order), /*transposeY=*/true);
}

/// Whether an i32 bias has numbers that are f32 numbers.
bool isExactBias(NodeBuilder &n, Value bias) {
  auto constant = bias.getDefiningOp<qnt::ConstantOp>();
  auto dense = constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : DenseElementsAttr();
  return dense && llvm::all_of(dense.getValues<APInt>(), [](const APInt &value) {
           return std::abs(value.getSExtValue()) < exactInFloat;
         });
}

} // namespace

Value qcc::import::plain(NodeBuilder &n, Value v) {
  return v && n.rank(v) == 1 && n.at(v, 0).isConstant(1) ? n.reshape(v, {}) : v;
}

Value qcc::import::centred(NodeBuilder &n, Value codes, Value zero, Type wide, bool rows) {
  wide = wide ? wide : n.builder.getI32Type();
  // A product reads its second factor transposed, but not with something done to it in between.
  auto transpose = codes ? codes.getDefiningOp<qnt::TransposeOp>() : qnt::TransposeOp();
  if (transpose && (!zero || isOne(n, zero)))
    return n.transpose(centred(n, transpose.getX(), zero, wide), transpose.getPermutation());
  codes = n.cast(codes, wide);
  if (!zero || !codes)
    return codes;
  zero = plain(n, n.cast(zero, wide));
  return n.sub(codes, rows && n.rank(zero) == 1 ? n.unsqueeze(zero, {1}) : zero);
}

Value qcc::import::sumsOfCodes(NodeBuilder &n, const CodeOperands &operands, StringRef output) {
  if (!operands.a || !operands.b)
    return {};
  LayerOfCodes layer(n, operands);
  Value reals = layer.build();
  if (!reals || (!layer.isExact() && !n.importer.isOnlyCastToFloat(output)))
    return plainSums(n, operands);
  Value sums = n.cast(reals, n.builder.getI32Type());
  n.importer.realSums[sums] = reals;
  return sums;
}

Value qcc::import::realsOfCodes(NodeBuilder &n, const CodeOperands &operands, Type element,
                                Value bias) {
  if (!operands.a || !operands.b || !element)
    return {};
  LayerOfCodes layer(n, operands);
  Value reals = layer.build();
  if (reals && (!bias || (layer.isExact() && isExactBias(n, bias))))
    return n.cast(bias ? n.add(reals, n.cast(bias, n.f32())) : reals, element);
  Value sums = plainSums(n, operands);
  return n.cast(bias ? n.add(sums, bias) : sums, element);
}

void qcc::import::rememberCodes(NodeBuilder &n, Value real) {
  Value codes = n.in(0), scale = n.in(1), zero = n.optional(2);
  if (!real || !codes || !scale || !isByte(n.element(codes)) || !n.element(real).isF32() ||
      !n.element(scale).isF32() || !isOne(n, scale) || (zero && !isOne(n, zero)) ||
      isConstant(codes))
    return;
  n.importer.dequantized[real] = {codes, plain(n, scale), zero};
}

Value qcc::import::productOfCodes(NodeBuilder &n, Value x, Value y) {
  auto left = codesBehind(n, x);
  if (!left)
    return {};
  if (n.rank(y) == 2 && n.importer.isConstant(y)) {
    bool isTokens = isa_and_nonnull<qnt::DequantizeOp>(x.getDefiningOp());
    auto k = n.dims(y)[0].constantValue();
    if (isTokens || n.rank(x) < 2 || !y.getDefiningOp<qnt::DequantizeOp>() || !k || *k % 4 != 0)
      return {};
    Value tokens = tokensOf(n, left->codes, left->zero);
    return n.mul(n.linear(tokens, n.swapLast(y)), left->scale);
  }
  auto right = codesBehind(n, y);
  auto depth = n.dims(x).empty() ? std::nullopt : n.dims(x).back().constantValue();
  if (!right || (depth && *depth > maxTerms))
    return {};
  Value sums = plainSums(n, {left->codes, left->zero, right->codes, right->zero});
  return n.mul(n.cast(sums, n.f32()), n.mul(left->scale, right->scale));
}
