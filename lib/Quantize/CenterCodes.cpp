// Zero points of 8-bit weights: gone where they are the middle of the codes, else a term of its
// own.
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Remarks.h"
#include "qcc/Quantize/Passes.h"

namespace qcc::quantize {
#define GEN_PASS_DEF_CENTERCODES
#include "qcc/Quantize/Passes.h.inc"
} // namespace qcc::quantize

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;

namespace {

const remark::RemarkOpts remarkCenter =
    remark::RemarkOpts::name("center-codes").category("quantize");

/// A layer on codes of tokens and 8-bit weights with zero points.
class CentredWeight {
public:
  CentredWeight(IRRewriter &rewriter, LinearOp layer)
      : b(rewriter), layer(layer), loc(layer.getLoc()) {}

  bool applies() {
    auto input = layer.getX().getDefiningOp<DequantizeOp>();
    auto weight = layer.getWeight().getDefiningOp<DequantizeOp>();
    parts = weight ? weight.getX().getDefiningOp<AssembleOp>() : AssembleOp();
    if (!input || !parts)
      return false;
    type = parts.getOut().getType();
    QType tokens = input.getX().getType();
    bool byRows = type.getGranularity() == Granularity::tensor ||
                  (type.getGranularity() == Granularity::axis && type.getAxis() == 0);
    bool bytes = type.getStorage() == Storage::i8 || type.getStorage() == Storage::u8;
    return tokens.getGranularity() == Granularity::token && tokens.getStorage() == Storage::i8 &&
           tokens.getZero() && byRows && bytes && isa_and_nonnull<IntegerType>(type.getZero()) &&
           elementTypeOf(layer.getType()).isF32() && type.getScale().isF32();
  }

  void rewrite() {
    b.setInsertionPoint(layer);
    middle = type.getStorage() == Storage::u8 ? 128 : 0;
    auto other = QType::get(type.getContext(), type.getDims(), Storage::i8, type.getGranularity(),
                            type.getAxis(), 0, type.getScale(), Type(), type.getLayout());
    Value codes = AssembleOp::create(b, loc, other, centredCodes(), parts.getScale(), Value());
    Value weight = DequantizeOp::create(b, loc, layer.getWeight().getType(), codes);
    bool plain = splatOf(parts.getZero()) == middle;
    Value product =
        LinearOp::create(b, loc, layer.getType(), layer.getX(), weight, layer.getBias());
    if (!plain)
      product = AddOp::create(b, loc, layer.getType(), product, correction());
    remark::passed(loc, remarkCenter) << remark::metric("term", plain ? "none" : "sums of inputs");
    b.replaceOp(layer, product);
  }

private:
  Type withElement(Value value, Type element) {
    return makeTensorType(dimsOf(value.getType()), element);
  }
  Value constant(Type element, int64_t number) {
    auto scalar = RankedTensorType::get({}, element);
    Attribute value = isa<FloatType>(element)
                          ? Attribute(b.getFloatAttr(element, static_cast<double>(number)))
                          : Attribute(b.getIntegerAttr(element, number));
    return ConstantOp::create(b, loc, scalar, DenseElementsAttr::get(scalar, value));
  }

  /// The codes as signed bytes, the middle of their range 0.
  Value centredCodes() {
    Value codes = parts.getCodes();
    if (!middle)
      return codes;
    Type i32 = b.getI32Type();
    Value wide = CastOp::create(b, loc, withElement(codes, i32), codes);
    wide = SubOp::create(b, loc, wide.getType(), wide, constant(i32, middle));
    return CastOp::create(b, loc, withElement(codes, b.getIntegerType(8)), wide);
  }

  /// sum_k x[k] times scale * (middle - zero) of each row.
  Value correction() {
    Value x = layer.getX(), zero = parts.getZero(), scale = parts.getScale();
    Type f32 = b.getF32Type();
    Value away = CastOp::create(b, loc, withElement(zero, f32), zero);
    away = SubOp::create(b, loc, away.getType(), constant(f32, middle), away);
    away = MulOp::create(b, loc, away.getType(), away, scale);
    SmallVector<DimExpr> dims = dimsOf(x.getType());
    auto axis = static_cast<int64_t>(dims.size()) - 1;
    dims.back() = DimExpr::constant(b.getContext(), 1);
    Value sums = ReduceOp::create(b, loc, makeTensorType(dims, f32),
                                  ReduceKindAttr::get(b.getContext(), ReduceKind::sum), x,
                                  b.getDenseI64ArrayAttr({axis}), b.getBoolAttr(true));
    auto joined = broadcastDims(dims, dimsOf(away.getType()));
    return MulOp::create(b, loc, makeTensorType(*joined, f32), sums, away);
  }

  IRRewriter &b;
  LinearOp layer;
  Location loc;
  AssembleOp parts;
  QType type;
  int64_t middle = 0;
};

/// A layer whose input has a fixed zero point, and whose weight has products by blocks.
class CentredInput {
public:
  CentredInput(IRRewriter &rewriter, LinearOp layer)
      : b(rewriter), layer(layer), loc(layer.getLoc()) {}

  bool applies() {
    auto input = layer.getX().getDefiningOp<DequantizeOp>();
    weight = layer.getWeight().getDefiningOp<DequantizeOp>();
    fixed = input ? input.getX().getDefiningOp<QuantizeStaticOp>() : QuantizeStaticOp();
    if (!fixed || !weight || !fixed.getOut().getType().getZero())
      return false;
    Product product = productOf(fixed.getOut().getType(), weight.getX().getType());
    return product == Product::BlockSums && elementTypeOf(layer.getType()).isF32();
  }

  /// x = (x + s z) - s z: the codes of the first without zero point are those of x with z.
  void rewrite() {
    b.setInsertionPoint(layer);
    QType type = fixed.getOut().getType();
    auto other =
        QType::get(type.getContext(), type.getDims(), type.getStorage(), type.getGranularity(),
                   type.getAxis(), type.getBlock(), type.getScale(), Type(), type.getSuper(),
                   type.getCodebook(), type.getGroup(), type.getLayout());
    Value codes =
        QuantizeStaticOp::create(b, loc, other, fixed.getX(), fixed.getShift(),
                                 fixed.getScaleAttr(), fixed.getZeroAttr(), b.getUnitAttr());
    Value moved = DequantizeOp::create(b, loc, layer.getX().getType(), codes);
    Value bias = move();
    bias = layer.getBias() ? Value(SubOp::create(b, loc, bias.getType(), layer.getBias(), bias))
                           : Value(NegOp::create(b, loc, bias.getType(), bias));
    Value product = LinearOp::create(b, loc, layer.getType(), moved, layer.getWeight(), bias);
    remark::passed(loc, remarkCenter) << remark::metric("term", "sums of weights");
    b.replaceOp(layer, product);
  }

private:
  Value scalar(double number) {
    auto type = RankedTensorType::get({}, b.getF32Type());
    return ConstantOp::create(b, loc, type,
                              DenseElementsAttr::get(type, static_cast<float>(number)));
  }

  /// s z times the sum of each row of the weight.
  Value move() {
    SmallVector<DimExpr> rows = {dimsOf(weight.getType())[0]};
    Type type = makeTensorType(rows, b.getF32Type());
    Value sums =
        ReduceOp::create(b, loc, type, ReduceKindAttr::get(b.getContext(), ReduceKind::sum),
                         layer.getWeight(), b.getDenseI64ArrayAttr({1}), b.getBoolAttr(false));
    float scale = fixed.getScale().convertToFloat();
    auto zero = static_cast<int64_t>(fixed.getZero());
    Value by = scalar(static_cast<double>(scale) * static_cast<double>(zero));
    if (Value shift = fixed.getShift()) {
      Type real = makeTensorType(dimsOf(shift.getType()), b.getF32Type());
      Value moved = CastOp::create(b, loc, real, shift);
      moved = AddOp::create(b, loc, real, moved, scalar(static_cast<double>(zero)));
      by = MulOp::create(b, loc, real, moved, scalar(scale));
    }
    return MulOp::create(b, loc, type, sums, by);
  }

  IRRewriter &b;
  LinearOp layer;
  Location loc;
  QuantizeStaticOp fixed;
  DequantizeOp weight;
};

struct CenterCodes : qcc::quantize::impl::CenterCodesBase<CenterCodes> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<LinearOp> layers(getOperation().getOps<LinearOp>());
    for (LinearOp layer : layers)
      if (CentredWeight centred(rewriter, layer); centred.applies())
        centred.rewrite();
      else if (CentredInput centred(rewriter, layer); centred.applies())
        centred.rewrite();
  }
};

} // namespace
