// Codes: weights by DequantizeLinear or MatMulNBits, activations by QuantizeLinear with scales that
// are constants or computed for each token. lib/Import/TokenCodes.cpp reads the same formulas.
#include "GraphExporter.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::exporter;
using namespace qcc::qnt;

namespace {

/// Scales are at least this, so that rows of zeros do not divide by zero.
constexpr float kLeastScale = 1e-30f;

//===-- Activations ------------------------------------------------------------------------------//

/// Scale and zero point of codes that use all of -128 .. 127.
void asymmetric(GraphExporter &e, GraphExporter::Tokens &tokens, const std::string &x,
                const std::string &axis, MLIRContext *context) {
  Type f32 = Float32Type::get(context), i8 = IntegerType::get(context, 8);
  std::string zero = e.number(f32, 0);
  std::string high = e.add("Max", {e.add("ReduceMax", {x, axis}), zero});
  std::string low = e.add("Min", {e.add("ReduceMin", {x, axis}), zero});
  std::string width = e.add("Div", {e.add("Sub", {high, low}), e.number(f32, 255)});
  tokens.scale = e.add("Max", {width, e.number(f32, kLeastScale)});
  std::string steps = e.add("Round", {e.add("Div", {e.add("Neg", {low}), tokens.scale})});
  tokens.zero = e.cast(e.add("Sub", {steps, e.number(f32, 128)}), f32, i8);
}

/// Scales of codes from -levels to levels, for each token or each group of it.
void symmetric(GraphExporter &e, GraphExporter::Tokens &tokens, const std::string &x,
               ArrayRef<DimExpr> dims, int64_t group, double levels) {
  MLIRContext *context = dims[0].getContext();
  Type f32 = Float32Type::get(context);
  std::string sizes = e.add("Abs", {x});
  auto axis = static_cast<int64_t>(dims.size()) - 1;
  Attributes keep;
  if (group) {
    SmallVector<DimExpr> runs(dims);
    runs.back() = DimExpr::constant(context, *dims.back().constantValue() / group);
    runs.push_back(DimExpr::constant(context, group));
    sizes = e.reshape(sizes, dims, runs);
    ++axis;
    keep = {attr("keepdims", int64_t(0))};
  }
  std::string most = e.add("ReduceMax", {sizes, e.integers({axis})}, keep);
  std::string scale = e.add("Div", {most, e.number(f32, levels)});
  tokens.scale = e.add("Max", {scale, e.number(f32, kLeastScale)});
}

/// The attribute that says the type of codes where there is no zero point.
onnx::Attribute codeType(QType type) {
  return attr("output_dtype", int64_t(type.getStorage() == Storage::i16        ? onnx::Int16
                                      : type.getStorage() == Storage::f8e4m3fn ? onnx::Float8E4M3FN
                                                                               : onnx::Int8));
}

/// The number that the largest code stands for.
double levelsOf(QType type) {
  return type.getStorage() == Storage::i16        ? 32639
         : type.getStorage() == Storage::f8e4m3fn ? 448
                                                  : 127;
}

void quantize(GraphExporter &e, QuantizeOp op) {
  QType type = op.getOut().getType();
  SmallVector<DimExpr> dims = dimsOf(type);
  auto k = dims.back().constantValue();
  bool isToken = type.getGranularity() == Granularity::token &&
                 elementTypeOf(op.getX().getType()).isF32() && k && *k > 0;
  int64_t group = isToken ? type.getGroup() : 0;
  if (!isToken || (group && *k % group != 0))
    return e.refuse(op, "codes of activations have an ONNX form for tokens of f32 and groups that "
                        "divide them only");
  std::string x = e.name(op.getX());
  auto axis = static_cast<int64_t>(dims.size()) - 1;
  GraphExporter::Tokens tokens;
  tokens.attributes = {attr("axis", axis), attr("block_size", group ? group : *k)};
  Attributes attributes = tokens.attributes;
  if (type.getZero()) {
    asymmetric(e, tokens, x, e.integers({axis}), op.getContext());
  } else {
    symmetric(e, tokens, x, dims, group, levelsOf(type));
    attributes.push_back(codeType(type));
  }
  tokens.codes = e.add("QuantizeLinear", {x, tokens.scale, tokens.zero}, attributes);
  e.tokens[op.getOut()] = tokens;
}

/// One scale for all; without a zero point codes stay off -128 because values are clipped before.
void quantizeStatic(GraphExporter &e, QuantizeStaticOp op) {
  if (op.getShift() || (op.getFull() && !op.getOut().getType().getZero()))
    return e.refuse(op, "codes whose zero point is taken into the bias, or found when the model "
                        "runs, have no form in Q and DQ");
  QType type = op.getOut().getType();
  Type f32 = Float32Type::get(op.getContext()), i8 = IntegerType::get(op.getContext(), 8);
  std::string x = e.name(op.getX());
  float scale = op.getScale().convertToFloat();
  GraphExporter::Tokens tokens;
  Attributes attributes;
  tokens.scale = e.number(f32, scale);
  if (type.getZero()) {
    tokens.zero = e.number(i8, static_cast<double>(static_cast<int64_t>(op.getZero())));
  } else {
    if (type.getStorage() == Storage::i8) { // 8-bit floats saturate
      float most = 127 * scale;
      x = e.add("Clip", {x, e.number(f32, -most), e.number(f32, most)});
    }
    attributes.push_back(codeType(type));
  }
  tokens.codes = e.add("QuantizeLinear", {x, tokens.scale, tokens.zero}, attributes);
  e.tokens[op.getOut()] = tokens;
}

//===-- Weights ----------------------------------------------------------------------------------//

/// Scales that are stored in another type are cast where they are read, so that products are of f32
/// and the stored type is kept.
std::string scalesOf(GraphExporter &e, WeightOp weight, ArrayRef<int64_t> dims, bool transposed) {
  auto type = cast<QType>(weight.getType());
  std::string stored =
      e.weightPart(GraphExporter::nameOf(weight) + "_scale", dataTypeOf(type.getScale()), dims,
                   {weight, PartKind::Scales, transposed});
  return e.cast(stored, type.getScale(), Float32Type::get(weight.getContext()));
}

/// A layer whose weight is in blocks, by com.microsoft's operator.
std::string matmulNBits(GraphExporter &e, QLinearOp op, WeightOp weight, const std::string &x) {
  auto type = cast<QType>(weight.getType());
  int64_t bits = matmulBits(type), block = type.getBlock();
  int64_t n = *dimsOf(type)[0].constantValue(), k = *dimsOf(type)[1].constantValue();
  int64_t blocks = llvm::divideCeil(k, block);
  std::string name = GraphExporter::nameOf(weight);
  Names inputs = {x, e.weightPart(name, onnx::UInt8, {n, blocks, block * bits / 8},
                                  {weight, PartKind::BlockCodes})};
  inputs.push_back(scalesOf(e, weight, {n * blocks}, false));
  if (Type zero = type.getZero(); isa_and_nonnull<FloatType>(zero)) {
    std::string stored = e.weightPart(name + "_zero_point", e.dataType(zero), {n * blocks},
                                      {weight, PartKind::RealZeros});
    inputs.push_back(e.cast(stored, zero, Float32Type::get(op.getContext())));
  } else if (zero) {
    int64_t width = llvm::divideCeil(blocks * bits, 8);
    inputs.push_back(e.weightPart(name + "_zero_point", onnx::UInt8, {n * width},
                                  {weight, PartKind::BlockZeros}));
  }
  return e.add("MatMulNBits", inputs,
               {attr("N", n), attr("K", k), attr("bits", bits), attr("block_size", block)},
               "com.microsoft");
}

std::string product(GraphExporter &e, QLinearOp op) {
  WeightOp weight = e.weightOf(op.getWeight());
  if (!weight) {
    e.refuse(op, "its weight is computed");
    return {};
  }
  std::string x = e.name(op.getX());
  if (e.formOf() == OnnxForm::Microsoft && matmulBits(op.getWeight().getType()) != 0)
    return matmulNBits(e, op, weight, x);
  bool transposed = e.isOnlyMultiplied(weight);
  std::string matrix = e.dequantized(weight, transposed);
  if (matrix.empty())
    return {};
  return e.add("MatMul", {x, transposed ? matrix : e.transpose(matrix, {1, 0})});
}

std::string lookedUp(GraphExporter &e, QGatherOp op) {
  WeightOp weight = e.weightOf(op.getTable());
  if (!weight) {
    e.refuse(op, "its table is computed");
    return {};
  }
  std::string table = e.dequantized(weight, false);
  if (table.empty())
    return {};
  return e.add("Gather", {table, e.name(op.getIndices())}, {attr("axis", int64_t(0))});
}

} // namespace

std::string GraphExporter::real(Value codes) {
  auto found = tokens.find(codes);
  if (found == tokens.end()) {
    WeightOp weight = weightOf(codes);
    return weight ? dequantized(weight, false) : std::string();
  }
  Tokens &parts = found->second;
  if (parts.real.empty())
    parts.real = add("DequantizeLinear", {parts.codes, parts.scale, parts.zero}, parts.attributes);
  return parts.real;
}

std::string GraphExporter::dequantized(WeightOp weight, bool transposed) {
  auto type = dyn_cast<QType>(weight.getType());
  Carrier carrier = carrierOf(type);
  if (!carrier) {
    refuseWeight(weight, carrier.why);
    return {};
  }
  std::string key = (weight.getSymName() + (transposed ? "'" : "")).str();
  if (std::string made = weightReals.lookup(key); !made.empty())
    return made;
  require(carrier.opset);
  int64_t rows = *dimsOf(type)[0].constantValue(), columns = *dimsOf(type)[1].constantValue();
  auto oriented = [&](int64_t r, int64_t c) {
    return transposed ? SmallVector<int64_t>{c, r} : SmallVector<int64_t>{r, c};
  };
  SmallVector<int64_t> groups;
  Attributes attributes;
  if (type.getGranularity() == Granularity::axis) {
    groups = {rows};
    attributes = {attr("axis", int64_t(transposed ? 1 : 0))};
  } else if (type.getGranularity() == Granularity::block) {
    groups = oriented(rows, llvm::divideCeil(columns, type.getBlock()));
    attributes = {attr("axis", int64_t(transposed ? 0 : 1)), attr("block_size", type.getBlock())};
  }
  std::string name = nameOf(weight);
  Names inputs = {weightPart(name, carrier.codes, oriented(rows, columns),
                             {weight, PartKind::Codes, transposed})};
  inputs.push_back(scalesOf(*this, weight, groups, transposed));
  if (type.getZero())
    inputs.push_back(weightPart(name + "_zero_point", carrier.codes, groups,
                                {weight, PartKind::Zeros, transposed}));
  std::string made = add("DequantizeLinear", inputs, attributes);
  return weightReals[key] = made;
}

bool exporter::exportQuantized(GraphExporter &e, Operation *op) {
  if (auto quantizeOp = dyn_cast<QuantizeOp>(op))
    return quantize(e, quantizeOp), true;
  if (auto fixed = dyn_cast<QuantizeStaticOp>(op))
    return quantizeStatic(e, fixed), true;
  if (auto dequantize = dyn_cast<DequantizeOp>(op)) {
    std::string value = e.real(dequantize.getX());
    Type f32 = Float32Type::get(op->getContext());
    if (!value.empty())
      e.define(dequantize.getOut(), e.cast(value, f32, elementTypeOf(dequantize.getType())));
    return true;
  }
  std::string made;
  if (auto layer = dyn_cast<QLinearOp>(op)) {
    made = product(e, layer);
    if (!made.empty() && layer.getBias())
      made = e.add("Add", {made, e.name(layer.getBias())});
  } else if (auto table = dyn_cast<QGatherOp>(op)) {
    made = lookedUp(e, table);
  } else {
    return false;
  }
  if (!made.empty())
    e.define(op->getResult(0), made);
  return true;
}
