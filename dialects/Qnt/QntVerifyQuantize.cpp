// Verifiers of the ops of quantization, weights, kernels and caches: one comment (Cn) per
// constraint.
#include "VerifyHelpers.h"

using namespace mlir;
using namespace qcc::qnt;
using namespace qcc::qnt::verify;

LogicalResult QuantizeOp::verify() {
  QType out = getOut().getType();
  if (failed(sameDims(*this, "result", dimsOf(out), dimsOf(getX().getType())))) // (C1)
    return failure();
  if (out.getGranularity() != Granularity::token)
    return success();
  bool fits = out.getStorage() == Storage::i8 ||
              (out.getStorage() == Storage::i16 && !out.getZero()) ||
              (out.getStorage() == Storage::f8e4m3fn && !out.getGroup());
  if (!fits || !out.getScale().isF32()) // (C2)
    return emitOpError()
           << "tokens are i8, i16 without zero point, or f8e4m3fn without groups, with "
              "scales of f32, but the result is "
           << out;
  return success();
}
LogicalResult QuantizeStaticOp::verify() {
  QType out = getOut().getType();
  if (failed(sameDims(*this, "result", dimsOf(out), dimsOf(getX().getType())))) // (C1)
    return failure();
  bool isReal = out.getStorage() == Storage::f8e4m3fn;
  if (out.getGranularity() != Granularity::token || (out.getStorage() != Storage::i8 && !isReal) ||
      !out.getScale().isF32() || out.getGroup()) // (C2)
    return emitOpError()
           << "result must have i8 or f8e4m3fn codes per token with scales of f32 and "
              "no groups, but is "
           << out;
  float scale = getScale().convertToFloat();
  if (!(scale > 0) || !std::isfinite(scale) || !std::isfinite(1 / scale)) // (C3)
    return emitOpError() << "scale must be positive and finite, but is " << scale;
  int64_t zero = getZero();
  bool moves = !isReal && (out.getZero() || getFull());
  if (zero < -128 || zero > 127 || (zero != 0 && !moves))
    return emitOpError() << "zero point " << zero << " does not fit " << out;
  if (!getShift()) // (C4)
    return success();
  Type shift = getShift().getType();
  if (!dimsOf(shift).empty() || !elementTypeOf(shift).isInteger(32) || !moves)
    return emitOpError() << "shift must be an i32 of rank 0 for codes that move, but is " << shift
                         << " for " << out;
  return success();
}
LogicalResult DequantizeOp::verify() {
  return sameDims(*this, "result", dimsOf(getOut().getType()), dimsOf(getX().getType())); // (C1)
}
LogicalResult AssembleOp::verify() {
  QType type = getOut().getType();
  if (elementTypeOf(getScale().getType()) != type.getScale()) // (C1)
    return emitOpError() << "scales are " << elementTypeOf(getScale().getType()) << " instead of "
                         << type.getScale();
  if (static_cast<bool>(getZero()) != static_cast<bool>(type.getZero()))
    return emitOpError("zero points must be given exactly when the type has them");
  if (type.getSuper() || (type.getCodebook() && type.getCodebook().isLearned()))
    return emitOpError() << "has no operand for the table or the super scales of " << type;
  return success();
}
/// Whether `layout` is one for codes of type `in`.
static bool packs(QType in, Layout layout) {
  bool isMatrix = in.isByRows() && in.getBits() <= 8;
  if (layout == Layout::panel16_k4)
    return isMatrix && in.getBits() == 8 && in.getGranularity() != Granularity::block;
  return layout == Layout::panel16_block && isMatrix;
}
LogicalResult PackOp::verify() {
  QType out = getOut().getType();
  if (dimsOf(out).size() != 2) // (C1)
    return emitOpError() << "packs matrices, but the rank is " << dimsOf(out).size();
  if (failed(sameDims(*this, "result", dimsOf(out), dimsOf(getX().getType()))))
    return failure();
  auto in = dyn_cast<QType>(getX().getType());
  bool fits = in ? packs(in, out.getLayout()) : holdsReals(out);
  if (!fits)
    return emitOpError() << "layout " << stringifyLayout(out.getLayout()) << " does not fit "
                         << getX().getType();
  return success();
}

/// The input's part of qlinear's constraints.
static LogicalResult verifyProductInput(QLinearOp op, QType weight) {
  auto x = dyn_cast<QType>(op.getX().getType());
  if (!x && isa<FloatType>(elementTypeOf(op.getX().getType())))
    return success();
  bool isToken = x && x.getGranularity() == Granularity::token &&
                 (x.getStorage() == Storage::i8 || x.getStorage() == Storage::i16 ||
                  x.getStorage() == Storage::f8e4m3fn);
  if (!isToken) // (C2)
    return op.emitOpError() << "input must be floats, or i8, i16 or f8e4m3fn per token, but is "
                            << op.getX().getType();
  Product product = productOf(x, weight);
  bool inSteps = product == Product::BlockSums || product == Product::WideSums;
  if (inSteps && x.getZero())
    return op.emitOpError() << "input must be symmetric for sums over blocks, but is " << x;
  int64_t k = dimsOf(weight)[1].constantValue().value_or(0);
  int64_t step = productStep(x, weight, k);
  if (inSteps && x.getBlock() && k && x.getBlock() != step) // (C6)
    return op.emitOpError() << "input has sums over " << x.getBlock() << " codes instead of "
                            << step;
  int64_t block = weight.getGranularity() == Granularity::block ? weight.getBlock() : 0;
  if (product == Product::WideSums && !block)
    block = kWideBlock;
  int64_t group = x.getGroup();
  if (inSteps && block && group && std::max(block, group) % std::min(block, group) != 0) // (C5)
    return op.emitOpError() << "groups of " << group << " inputs and blocks of " << block
                            << " do not divide each other";
  if (sumsFloats(product))
    return success();
  int64_t bits = weight.getCodebook() ? 8 : weight.getBits();
  int64_t most = (int64_t(1) << 31) / (bits == 8 ? 255 * 128 : (1 << bits) * 128);
  if (step > most) // (C3)
    return op.emitOpError() << "an accumulation over " << step << " products may overflow int32";
  return success();
}

LogicalResult QLinearOp::verify() {
  QType weight = getWeight().getType();
  if (failed(verifyLinear(*this, getX().getType(), weight, getBias(), // (C1), (C4)
                          getOut().getType())))
    return failure();
  if (!weight.isByRows() || weight.getBits() > 8)
    return emitOpError() << "weight must have codes of at most 8 bits, with one scale, per axis 0 "
                            "or in blocks along axis 1, but is "
                         << weight;
  if (failed(verifyProductInput(*this, weight)))
    return failure();
  if (getProducts() == Storage::f32)
    return success();
  if (getProducts() == Storage::f8e4m3fn) { // (C7)
    if (!sumsFloat8(getX().getType(), weight))
      return emitOpError("products of f8e4m3fn need codes of 8-bit floats on both sides");
    return success();
  }
  if (getProducts() != Storage::bf16)
    return emitOpError() << "products must be of f32, bf16 or f8e4m3fn, but are of "
                         << stringifyStorage(getProducts());
  if (!sumsFloatInputs(getX().getType(), weight))
    return emitOpError("products of bf16 need sums of floats of an input of f32 or f8e4m3fn, or of "
                       "bf16 in multiples of 8");
  return success();
}
LogicalResult QGatherOp::verify() {
  QType table = getTable().getType();
  bool perAxis = table.getGranularity() == Granularity::axis && table.getAxis() == 0;
  bool blocks = table.getGranularity() == Granularity::block && table.getAxis() == 1;
  SmallVector<DimExpr> dims = dimsOf(table);
  bool readable = table.getLayout() == Layout::logical ||
                  table.getLayout() == Layout::panel16_block ||
                  (table.getLayout() == Layout::panel16_k4 && perAxis && table.getBits() == 8);
  bool reals = holdsReals(table);
  if (dims.size() != 2 || (!reals && ((!perAxis && !blocks) || !readable))) // (C1)
    return emitOpError()
           << "table must be a matrix per axis 0 or in blocks along axis 1, logical or "
              "of layout panel16_k4 or panel16_block, or one of floats in panels, but is "
           << table;
  if (failed(isIndex(*this, "indices", getIndices().getType())))
    return failure();
  SmallVector<DimExpr> want = dimsOf(getIndices().getType());
  want.push_back(dims[1]);
  return sameDims(*this, "result", dimsOf(getOut().getType()), want); // (C2)
}

LogicalResult ObserveOp::verify() {
  if (getId().empty()) // (C2)
    return emitOpError("needs an id");
  return sameType(*this, "result", getType(), getX().getType()); // (C1)
}

LogicalResult WeightOp::verify() {
  bool hasRecipe = !getRecipe().empty();
  if (hasRecipe == getSource().has_value()) // (C1)
    return emitOpError("needs either a source or a recipe");
  for (DimExpr dim : dimsOf(getType()))
    if (!dim.constantValue()) // (C4)
      return emitOpError() << "has the dimension " << dim.str() << ", which is not a constant";
  if (hasRecipe) {
    auto yield = dyn_cast_or_null<YieldOp>(
        getRecipe().front().empty() ? nullptr : &getRecipe().front().back());
    if (!yield || yield->getNumOperands() != 1 || yield->getOperand(0).getType() != getType())
      return emitOpError() << "recipe must yield one value of type " << getType(); // (C3)
    return success();
  }
  auto tensor = dyn_cast<RankedTensorType>(getType());
  if (!tensor)
    return success();
  unsigned bits = tensor.getElementType().isInteger(1) ? 8 : tensor.getElementTypeBitWidth();
  uint64_t want = (static_cast<uint64_t>(tensor.getNumElements()) * bits + 7) / 8, got = want;
  if (auto file = dyn_cast<FileAttr>(*getSource()))
    got = file.getLength();
  else if (auto blob = dyn_cast<BlobAttr>(*getSource()))
    got = blob.getLength();
  else
    return emitOpError() << "source must be #qnt.file or #qnt.blob, but is " << *getSource();
  if (got != want) // (C2)
    return emitOpError() << "source has " << got << " bytes instead of " << want;
  return success();
}

LogicalResult UseOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto weight = symbols.lookupNearestSymbolFrom<WeightOp>(*this, getWeightAttr());
  if (!weight) // (C1)
    return emitOpError() << "names no weight: " << getWeightAttr();
  if (weight.getType() != getOut().getType())
    return emitOpError() << "has type " << getOut().getType() << ", but the weight has "
                         << weight.getType();
  return success();
}

LogicalResult FusedOp::verify() {
  Block &block = getBody().front();
  if (block.getArgumentTypes() != getInputs().getTypes()) // (C1)
    return emitOpError("block arguments do not have the operands' types");
  auto yield = dyn_cast<YieldOp>(block.getTerminator());
  if (!yield || yield.getOperandTypes() != getOutputs().getTypes())
    return emitOpError("body does not yield the results' types");
  return success();
}

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto kernel = symbols.lookupNearestSymbolFrom<KernelOp>(*this, getKernelAttr());
  if (!kernel) // (C1)
    return emitOpError() << "names no kernel: " << getKernelAttr();
  if (static_cast<size_t>(kernel.getNumDims()) != getDims().getDims().size())
    return emitOpError() << "gives " << getDims().getDims().size() << " dimensions, but "
                         << getKernelAttr() << " has " << kernel.getNumDims();
  Block &body = kernel.getBody().front();
  if (body.getNumArguments() != getInputs().size() ||
      body.getTerminator()->getNumOperands() != getOutputs().size())
    return emitOpError() << "does not have the operands and results of " << getKernelAttr();
  return success();
}

LogicalResult SectionOp::verify() {
  if (getOffsets().size() != getWeights().size()) // (C1)
    return emitOpError() << "has " << getOffsets().size() << " offsets for " << getWeights().size()
                         << " weights";
  int64_t last = -1, bytes = getBytes();
  for (int64_t offset : getOffsets()) {
    if (offset <= last || offset % 64 != 0 || offset >= bytes)
      return emitOpError() << "offset " << offset << " does not ascend in multiples of 64 below "
                           << getBytes();
    last = offset;
  }
  return success();
}
