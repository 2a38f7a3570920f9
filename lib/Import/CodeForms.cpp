// Schemes behind Q/DQ pairs: constant matrices with scales, codes of tokens with scales computed
// from their ranges, codes with a scale for all. lib/Export/Quantized.cpp writes the same formulas.
#include "CodeForms.h"
#include <functional>

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

//===-- The graph around a node ------------------------------------------------------------------//

const onnx::Node *GraphImporter::producerOf(StringRef name) {
  if (producers.empty())
    for (const onnx::Node &node : model.graph.nodes)
      for (const std::string &output : node.outputs)
        producers.try_emplace(output, &node);
  return producers.lookup(name);
}

void GraphImporter::findReaders() {
  if (readers.empty())
    for (const onnx::Node &node : model.graph.nodes)
      for (const std::string &input : node.inputs)
        readers[input].push_back(&node);
}

bool GraphImporter::isOnlyCastToFloat(StringRef name) {
  findReaders();
  auto found = readers.find(name);
  bool isOutput = llvm::is_contained(outputNames(), name);
  return !isOutput && found != readers.end() &&
         llvm::all_of(found->second, [](const onnx::Node *reader) {
           auto to = reader->getInt("to", 0);
           bool casts = reader->opType == "Cast" && to && *to == onnx::Float;
           if (!to)
             llvm::consumeError(to.takeError());
           return casts;
         });
}

bool GraphImporter::feedsOnlyProducts(const onnx::Node &quantize) {
  findReaders();
  auto all = [&](const onnx::Node &node, llvm::function_ref<bool(const onnx::Node &)> holds) {
    auto found = readers.find(node.outputs.empty() ? "" : node.outputs[0]);
    return found != readers.end() &&
           llvm::all_of(found->second, [&](const onnx::Node *reader) { return holds(*reader); });
  };
  std::function<bool(const onnx::Node &)> feedsProducts = [&](const onnx::Node &node) {
    return all(node, [&](const onnx::Node &reader) {
      if (reader.input(0) != node.outputs[0])
        return false;
      if (llvm::is_contained({"Reshape", "Flatten", "Squeeze", "Unsqueeze"}, reader.opType))
        return feedsProducts(reader);
      return llvm::is_contained({"MatMul", "Gemm", "MatMulNBits"}, reader.opType) &&
             reader.input(1) != node.outputs[0];
    });
  };
  return all(quantize, [&](const onnx::Node &dequantize) {
    return dequantize.opType == "DequantizeLinear" && feedsProducts(dequantize);
  });
}

namespace {

//===-- Constants --------------------------------------------------------------------------------//

/// A constant as the model has it, a weight or small; null otherwise.
Value plainConstant(Value value) {
  return isa_and_nonnull<qnt::UseOp, qnt::ConstantOp>(value.getDefiningOp()) ? value : Value();
}

/// The storage of codes of an element type.
std::optional<qnt::Storage> storageOf(Type element) {
  using qnt::Storage;
  if (auto integer = dyn_cast<IntegerType>(element)) {
    bool isUnsigned = integer.isUnsigned();
    switch (integer.getWidth()) {
    case 8:
      return isUnsigned ? Storage::u8 : Storage::i8;
    case 4:
      return isUnsigned ? Storage::u4 : Storage::i4;
    case 2:
      return isUnsigned ? Storage::u2 : Storage::i2;
    default:
      return std::nullopt;
    }
  }
  for (Storage storage : {Storage::f8e4m3fn, Storage::f8e5m2, Storage::f8e4m3fnuz,
                          Storage::f8e5m2fnuz, Storage::f4e2m1})
    if (qnt::floatTypeOf(storage, element.getContext()) == element)
      return storage;
  return std::nullopt;
}

bool isScaleType(Type element) {
  return isa<Float32Type, Float16Type, BFloat16Type, Float8E8M0FNUType>(element);
}

struct Grouping {
  qnt::Granularity granularity = qnt::Granularity::tensor;
  int64_t axis = -1, block = 0;
};

/// How scales share out a matrix; nothing where they do not fit.
std::optional<Grouping> groupingOf(NodeBuilder &n, Dims codes, Dims scales, int64_t block) {
  if (qnt::elementCount(n.context(), scales).isConstant(1) && scales.size() <= 1)
    return Grouping{};
  int64_t axis = n.intAttr("axis", 1);
  axis += axis < 0 ? 2 : 0;
  if (axis < 0 || axis > 1)
    return std::nullopt;
  if (scales.size() == 1 && block == 0 && scales[0] == codes[axis])
    return Grouping{qnt::Granularity::axis, axis, 0};
  if (scales.size() != 2 || block < 2 || scales[1 - axis] != codes[1 - axis] ||
      scales[axis] != codes[axis].ceilDiv(n.dim(block)))
    return std::nullopt;
  return Grouping{qnt::Granularity::block, axis, block};
}

bool isStaticMatrix(NodeBuilder &n, Value value) {
  Dims dims = n.dims(value);
  return dims.size() == 2 &&
         llvm::all_of(dims, [](DimExpr d) { return d.constantValue() && *d.constantValue() > 0; });
}

} // namespace

Value qcc::import::storedScale(NodeBuilder &n, size_t input) {
  Value scale = n.in(input);
  const onnx::Node *cast = n.importer.producerOf(n.node.input(input));
  Entry *before = cast && cast->opType == "Cast" ? n.importer.find(cast->input(0)) : nullptr;
  if (!scale || !before || !before->tensor || !n.element(scale).isF32())
    return scale;
  Type element = n.importer.elementType(before->tensor->dataType);
  if (!element || !isScaleType(element))
    return scale;
  auto stored = n.importer.materialise(*before, cast->input(0));
  if (stored)
    return *stored;
  llvm::consumeError(stored.takeError());
  return scale;
}

Value qcc::import::dequantizedConstant(NodeBuilder &n, int64_t block) {
  Value codes = plainConstant(n.in(0)), scale = n.in(1), zero = n.optional(2);
  Value stored = scale ? plainConstant(storedScale(n, 1)) : Value();
  if (!codes || !stored || !isStaticMatrix(n, codes) || !isScaleType(n.element(stored)) ||
      (zero && !plainConstant(zero)))
    return {};
  auto storage = storageOf(n.element(codes));
  auto grouping = groupingOf(n, n.dims(codes), n.dims(stored), block);
  if (!storage || !grouping)
    return {};
  bool isFloat = isa<FloatType>(n.element(codes));
  if (zero && isFloat && qnt::splatOf(zero) == 0.0)
    zero = {};
  // Unsigned codes without zero points, and floats with them, stay plain arithmetic.
  bool needsZero = !isFloat && qnt::isUnsignedStorage(*storage);
  if ((needsZero && !zero) || (zero && isFloat) ||
      (zero && (n.element(zero) != n.element(codes) || n.dims(zero) != n.dims(stored))))
    return {};
  auto type =
      qnt::QType::get(n.context(), qnt::makeDims(n.context(), n.dims(codes)), *storage,
                      grouping->granularity, grouping->axis, grouping->block, n.element(stored),
                      zero ? n.element(zero) : Type(), qnt::Layout::logical);
  Value whole = n.make<qnt::AssembleOp>(type, codes, stored, zero);
  return n.make<qnt::DequantizeOp>(n.type(n.dims(codes), n.f32()), whole);
}

Value qcc::import::transposedCodes(NodeBuilder &n, Value x) {
  auto real = x.getDefiningOp<qnt::DequantizeOp>();
  auto whole = real ? real.getX().getDefiningOp<qnt::AssembleOp>() : qnt::AssembleOp();
  if (!whole || !isStaticMatrix(n, whole.getCodes()))
    return {};
  qnt::QType type = whole.getOut().getType();
  Dims dims = qnt::dimsOf(type);
  if (dims != n.dims(whole.getCodes()))
    return {};
  std::swap(dims[0], dims[1]);
  auto turned = [&](Value part) {
    return part && n.rank(part) == 2 ? n.transpose(part, {1, 0}) : part;
  };
  int64_t axis = type.getAxis() < 0 ? -1 : 1 - type.getAxis();
  auto other = qnt::QType::get(n.context(), qnt::makeDims(n.context(), dims), type.getStorage(),
                               type.getGranularity(), axis, type.getBlock(), type.getScale(),
                               type.getZero(), type.getLayout());
  Value parts = n.make<qnt::AssembleOp>(other, turned(whole.getCodes()), turned(whole.getScale()),
                                        turned(whole.getZero()));
  return n.make<qnt::DequantizeOp>(n.type(dims, n.element(x)), parts);
}

//===-- Tokens -----------------------------------------------------------------------------------//

namespace {

/// Whether two expressions compute the same from the same values.
bool same(Value a, Value b, int depth = 12) {
  if (a == b)
    return true;
  Operation *x = a ? a.getDefiningOp() : nullptr, *y = b ? b.getDefiningOp() : nullptr;
  if (!x || !y || depth == 0 || x->getName() != y->getName() || a.getType() != b.getType() ||
      x->getNumOperands() != y->getNumOperands() || x->getNumResults() != 1 ||
      x->getPropertiesAsAttribute() != y->getPropertiesAsAttribute() || !isPure(x))
    return false;
  for (auto [p, q] : llvm::zip(x->getOperands(), y->getOperands()))
    if (!same(p, q, depth - 1))
      return false;
  return true;
}

/// The least scale that the exporter writes; other models are not asked further.
constexpr float leastScale = 1e-30f;

/// The scale of symmetric codes, for each token or each group of it.
Value symmetricScale(NodeBuilder &n, Value x, int64_t group, double levels) {
  Value sizes = n.unary<qnt::AbsOp>(x);
  auto axis = static_cast<int64_t>(n.rank(x)) - 1;
  if (group) {
    Dims runs = n.dims(x);
    runs.back() = n.dim(*runs.back().constantValue() / group);
    runs.push_back(n.dim(group));
    sizes = n.reshape(sizes, runs);
    ++axis;
  }
  Value most = n.reduce(qnt::ReduceKind::max, sizes, {axis}, /*keepDims=*/!group);
  return n.maximum(n.div(most, levels), leastScale);
}

/// Whether scale and zero point are those of codes that use all of -128 .. 127.
bool isAsymmetric(NodeBuilder &n, Value x, Value scale, Value zero) {
  auto axis = static_cast<int64_t>(n.rank(x)) - 1;
  Value high = n.maximum(n.reduce(qnt::ReduceKind::max, x, {axis}, true), 0);
  Value low = n.minimum(n.reduce(qnt::ReduceKind::min, x, {axis}, true), 0);
  if (!same(scale, n.maximum(n.div(n.sub(high, low), 255), leastScale)))
    return false;
  Value steps = n.unary<qnt::RoundOp>(n.div(n.unary<qnt::NegOp>(low), scale));
  return same(zero, n.cast(n.sub(steps, 128), n.builder.getIntegerType(8)));
}

qnt::QType tokenType(NodeBuilder &n, Value x, qnt::Storage storage, Type zero, int64_t group) {
  return qnt::QType::get(n.context(), qnt::makeDims(n.context(), n.dims(x)), storage,
                         qnt::Granularity::token, -1, 0, n.f32(), zero, Type(), qnt::CodebookAttr(),
                         group, qnt::Layout::logical);
}

/// Codes whose scale is computed from the token.
Value dynamicTokens(NodeBuilder &n, Value x, Value scale, Value zero, Type codes, int64_t block) {
  auto guard = scale.getDefiningOp<qnt::MaxOp>();
  auto least = guard ? qnt::splatOf(guard.getY()) : std::nullopt;
  size_t rank = n.rank(x);
  auto k = rank ? n.dims(x).back().constantValue() : std::nullopt;
  int64_t axis = n.intAttr("axis", 1);
  axis += axis < 0 ? static_cast<int64_t>(rank) : 0;
  bool isWide = codes.isSignlessInteger(16), isReal = isa<Float8E4M3FNType>(codes);
  if (!least || *least != double(leastScale) || !k || axis + 1 != static_cast<int64_t>(rank) ||
      block < 1 || *k % block != 0 || !(codes.isSignlessInteger(8) || isWide || isReal))
    return {};
  auto make = [&](Type zeroType, int64_t group) {
    auto storage = isReal ? qnt::Storage::f8e4m3fn : isWide ? qnt::Storage::i16 : qnt::Storage::i8;
    return n.make<qnt::QuantizeOp>(tokenType(n, x, storage, zeroType, group), x);
  };
  if (isReal) {
    bool perToken = block == *k && !zero && same(scale, symmetricScale(n, x, 0, 448));
    return perToken ? make({}, 0) : Value();
  }
  if (zero)
    return !isWide && block == *k && isAsymmetric(n, x, scale, zero) ? make(codes, 0) : Value();
  double levels = isWide ? 32639 : 127;
  if (block == *k && same(scale, symmetricScale(n, x, 0, levels)))
    return make({}, 0);
  return same(scale, symmetricScale(n, x, block, levels)) ? make({}, block) : Value();
}

/// The value that min(max(x, -most), most) clips, or null.
Value clipped(Value x, float most) {
  auto upper = x.getDefiningOp<qnt::MinOp>();
  auto lower = upper ? upper.getX().getDefiningOp<qnt::MaxOp>() : qnt::MaxOp();
  auto high = upper ? qnt::splatOf(upper.getY()) : std::nullopt;
  auto low = lower ? qnt::splatOf(lower.getY()) : std::nullopt;
  return high && low && *high == double(most) && *low == -double(most) ? lower.getX() : Value();
}

/// Codes with one constant scale, for products only: elsewhere plain arithmetic fuses better.
Value staticTokens(NodeBuilder &n, Value x, Value scale, Value zero, Type codes) {
  auto step = qnt::splatOf(scale), zeroPoint = qnt::splatOf(zero);
  bool isReal = isa<Float8E4M3FNType>(codes), isBytes = codes.isInteger(8) || isReal;
  if (!step || !isOne(n, scale) || !isBytes || n.rank(x) == 0 ||
      (!isReal && !(n.element(x).isF32() && n.element(scale).isF32())) ||
      (zero && (!zeroPoint || !isOne(n, zero))) || !n.importer.feedsOnlyProducts(n.node))
    return {};
  auto number = static_cast<float>(*step);
  if (!(number > 0) || !std::isfinite(number) || !std::isfinite(1 / number))
    return {};
  if (isReal) {
    if ((zero && *zeroPoint != 0) || n.intAttr("saturate", 1) == 0)
      return {};
    Value wide = n.cast(x, n.f32());
    auto type = tokenType(n, wide, qnt::Storage::f8e4m3fn, Type(), 0);
    return n.make<qnt::QuantizeStaticOp>(type, wide, Value(), n.builder.getF32FloatAttr(number),
                                         n.builder.getI64IntegerAttr(0), UnitAttr());
  }
  Type i8 = n.builder.getIntegerType(8);
  int64_t shift = codes.isUnsignedInteger() ? 128 : 0;
  Value from = zero ? x : clipped(x, 127 * number);
  if (!from || (!zero && shift))
    return {};
  int64_t at = zero ? static_cast<int64_t>(*zeroPoint) - shift : 0;
  auto type = tokenType(n, from, qnt::Storage::i8, zero ? i8 : Type(), 0);
  return n.make<qnt::QuantizeStaticOp>(type, from, Value(), n.builder.getF32FloatAttr(number),
                                       n.builder.getI64IntegerAttr(at), UnitAttr());
}

} // namespace

void qcc::import::rememberTokens(NodeBuilder &n, Value codes, int64_t block) {
  Value x = n.in(0), scale = n.in(1), zero = n.optional(2);
  if (!codes || !x || !scale || n.failed())
    return;
  Value tokens;
  if (n.element(x).isF32())
    tokens = dynamicTokens(n, x, scale, zero, n.element(codes), block);
  if (!tokens)
    tokens = staticTokens(n, x, scale, zero, n.element(codes));
  if (tokens)
    n.importer.tokens[codes] = {tokens, scale, zero};
}

Value qcc::import::dequantizedTokens(NodeBuilder &n) {
  auto found = n.importer.tokens.find(n.in(0));
  if (found == n.importer.tokens.end())
    return {};
  auto &[codes, scale, zero] = found->second;
  Value ownScale = n.in(1), ownZero = n.optional(2);
  bool sameZero =
      static_cast<bool>(zero) == static_cast<bool>(ownZero) && (!zero || same(zero, ownZero));
  if (!same(scale, ownScale) || !sameZero)
    return {};
  return n.make<qnt::DequantizeOp>(n.type(qnt::dimsOf(codes.getType()), n.f32()), codes);
}
