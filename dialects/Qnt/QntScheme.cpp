// The quantized type: its text, its constraints, and what products on its codes mean.
#include "Qnt/Qnt.h"
#include <cmath>

using namespace mlir;
using namespace qcc::qnt;

//===-- Codebooks --------------------------------------------------------------------------------//

CodebookAttr CodebookAttr::learned(MLIRContext *context) { return fixed(context, {}); }

CodebookAttr CodebookAttr::fixed(MLIRContext *context, ArrayRef<float> values) {
  return get(context, DenseF32ArrayAttr::get(context, values));
}

LogicalResult CodebookAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                   DenseF32ArrayAttr values) {
  ArrayRef<float> table = values.asArrayRef();
  if (table.empty()) // learned
    return success();
  if (table.size() < 2 || table.size() > 256) // (C1)
    return emitError() << "a codebook has 2 to 256 values, but this one has " << table.size();
  for (size_t i = 0; i < table.size(); ++i)
    if (!std::isfinite(table[i]) || (i && !(table[i - 1] < table[i])))
      return emitError() << "the values of a codebook are finite and ascend, but value " << i
                         << " is " << table[i];
  return success();
}

Attribute CodebookAttr::parse(AsmParser &parser, Type) {
  SmallVector<float> values;
  auto parseOne = [&]() -> ParseResult {
    double value;
    if (parser.parseFloat(value))
      return failure();
    values.push_back(static_cast<float>(value));
    return success();
  };
  if (parser.parseLess())
    return {};
  if (failed(parser.parseOptionalKeyword("learned"))) {
    SMLoc at = parser.getCurrentLocation();
    if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, parseOne))
      return {};
    if (values.empty()) {
      parser.emitError(at, "a codebook has 2 to 256 values, but this one has 0"); // (C1)
      return {};
    }
  }
  if (parser.parseGreater())
    return {};
  return parser.getChecked<CodebookAttr>(parser.getContext(),
                                         DenseF32ArrayAttr::get(parser.getContext(), values));
}

void CodebookAttr::print(AsmPrinter &printer) const {
  if (isLearned()) {
    printer << "<learned>";
    return;
  }
  printer << "<[";
  llvm::interleaveComma(table(), printer.getStream(),
                        [&](float value) { printer.printFloat(llvm::APFloat(value)); });
  printer << "]>";
}

//===-- Storages ---------------------------------------------------------------------------------//

unsigned qcc::qnt::bitsOf(Storage storage) {
  switch (storage) {
  case Storage::f32:
    return 32;
  case Storage::i16:
  case Storage::u16:
  case Storage::f16:
  case Storage::bf16:
    return 16;
  case Storage::i8:
  case Storage::u8:
  case Storage::f8e4m3fn:
  case Storage::f8e5m2:
  case Storage::f8e4m3fnuz:
  case Storage::f8e5m2fnuz:
    return 8;
  case Storage::i7:
  case Storage::u7:
    return 7;
  case Storage::i6:
  case Storage::u6:
    return 6;
  case Storage::i5:
  case Storage::u5:
    return 5;
  case Storage::i4:
  case Storage::u4:
  case Storage::f4e2m1:
    return 4;
  case Storage::i3:
  case Storage::u3:
    return 3;
  case Storage::i2:
  case Storage::u2:
  case Storage::ternary:
    return 2;
  case Storage::u1:
    return 1;
  }
  llvm_unreachable("all storages are above");
}

FloatType qcc::qnt::floatTypeOf(Storage storage, MLIRContext *context) {
  switch (storage) {
  case Storage::f32:
    return Float32Type::get(context);
  case Storage::f16:
    return Float16Type::get(context);
  case Storage::bf16:
    return BFloat16Type::get(context);
  case Storage::f8e4m3fn:
    return Float8E4M3FNType::get(context);
  case Storage::f8e5m2:
    return Float8E5M2Type::get(context);
  case Storage::f8e4m3fnuz:
    return Float8E4M3FNUZType::get(context);
  case Storage::f8e5m2fnuz:
    return Float8E5M2FNUZType::get(context);
  case Storage::f4e2m1:
    return Float4E2M1FNType::get(context);
  default:
    return {};
  }
}

static bool isFloatStorage(Storage storage) {
  return llvm::is_contained({Storage::f32, Storage::f16, Storage::bf16, Storage::f8e4m3fn,
                             Storage::f8e5m2, Storage::f8e4m3fnuz, Storage::f8e5m2fnuz,
                             Storage::f4e2m1},
                            storage);
}

bool qcc::qnt::isIntegerStorage(Storage storage) { return !isFloatStorage(storage); }

bool qcc::qnt::isUnsignedStorage(Storage storage) {
  return isFloatStorage(storage) ||
         llvm::is_contained({Storage::u1, Storage::u2, Storage::u3, Storage::u4, Storage::u5,
                             Storage::u6, Storage::u7, Storage::u8, Storage::u16},
                            storage);
}

//===-- Products ---------------------------------------------------------------------------------//

std::optional<float> qcc::qnt::integerUnit(QType weight) {
  if (CodebookAttr codebook = weight.getCodebook()) {
    bool few = !codebook.isLearned() && weight.getBits() <= 4;
    bool integers = few && llvm::all_of(codebook.table(), [](float value) {
                      return value == std::nearbyint(value) && value >= -128 && value <= 127;
                    });
    return integers ? std::optional(1.0f) : std::nullopt;
  }
  if (weight.getStorage() == Storage::f4e2m1)
    return 0.5f;
  bool integral = isIntegerStorage(weight.getStorage()) && weight.getBits() <= 8 &&
                  (!weight.getZero() || weight.getZero().isInteger());
  return integral ? std::optional(1.0f) : std::nullopt;
}

Product qcc::qnt::productOf(Type x, QType weight) {
  auto codes = dyn_cast<QType>(x);
  if (codes && codes.getStorage() == Storage::f8e4m3fn)
    return Product::ScaledFloatSums;
  if (!codes || !integerUnit(weight))
    return Product::FloatSums;
  if (codes.getStorage() == Storage::i16)
    return Product::WideSums;
  bool inBlocks = weight.getGranularity() == Granularity::block;
  bool plain = weight.getStorage() == Storage::i8 && !weight.getZero() && !codes.getGroup();
  return plain && !inBlocks ? Product::FullSum : Product::BlockSums;
}

bool qcc::qnt::hasRowsOfPairs(Type x) {
  Type element = elementTypeOf(x);
  SmallVector<DimExpr> dims = dimsOf(x);
  auto inputs = dims.empty() ? std::nullopt : dims.back().constantValue();
  return element.isF32() || (element.isBF16() && inputs.value_or(0) % 8 == 0);
}

bool qcc::qnt::sumsFloatInputs(Type x, QType weight) {
  Product product = productOf(x, weight);
  return product == Product::ScaledFloatSums ||
         (product == Product::FloatSums && !isa<QType>(x) && hasRowsOfPairs(x));
}

bool qcc::qnt::sumsFloat8(Type x, QType weight) {
  return productOf(x, weight) == Product::ScaledFloatSums &&
         (weight.getStorage() == Storage::f8e4m3fn || weight.getStorage() == Storage::f8e5m2);
}

bool qcc::qnt::holdsReals(QType type) {
  return type.getLayout() == Layout::panel16_f32 || type.getLayout() == Layout::panel16_k2;
}

int64_t qcc::qnt::productStep(Type x, QType weight, int64_t length) {
  Product product = productOf(x, weight);
  int64_t block = weight.getGranularity() == Granularity::block ? weight.getBlock()
                  : product == Product::WideSums                ? kWideBlock
                                                                : length;
  auto codes = dyn_cast<QType>(x);
  if (!codes || !codes.getGroup() || sumsFloats(product))
    return block;
  return std::min(block, codes.getGroup());
}

//===-- The type ---------------------------------------------------------------------------------//

unsigned QType::getBits() const { return bitsOf(getStorage()); }

bool QType::isUniform() const {
  return isIntegerStorage(getStorage()) && getStorage() != Storage::ternary && !getCodebook();
}

bool QType::isByRows() const {
  if (getDims().getDims().size() != 2)
    return false;
  return getGranularity() == Granularity::tensor ||
         (getGranularity() == Granularity::axis && getAxis() == 0) ||
         (getGranularity() == Granularity::block && getAxis() == 1);
}

QType QType::withLayout(Layout layout) const {
  return QType::get(getContext(), getDims(), getStorage(), getGranularity(), getAxis(), getBlock(),
                    getScale(), getZero(), getSuper(), getCodebook(), getGroup(), layout);
}

QType QType::withDims(DimsAttr dims) const {
  return QType::get(getContext(), dims, getStorage(), getGranularity(), getAxis(), getBlock(),
                    getScale(), getZero(), getSuper(), getCodebook(), getGroup(), getLayout());
}

static LogicalResult verifyScale(function_ref<InFlightDiagnostic()> emitError, DimsAttr dims,
                                 Granularity granularity, int64_t axis, Type scale, Type super) {
  bool isCode = scale.isInteger(8) && scale.isUnsignedInteger();
  if (!scale.isF32() && !scale.isF16() && !scale.isBF16() && !isa<Float8E8M0FNUType>(scale) &&
      !isa<Float8E4M3FNType>(scale) && !(isCode && super)) // (C2)
    return emitError() << "scale must be f32, f16, bf16, f8E8M0FNU or f8E4M3FN, or ui8 with "
                          "super, but is "
                       << scale;
  bool inBlocks = dims.getDims().size() == 2 && granularity == Granularity::block && axis == 1;
  if (super && (!super.isF32() || !inBlocks || !(isCode || isa<Float8E4M3FNType>(scale)))) // (C3)
    return emitError() << "super must be f32 over scales of ui8 or f8E4M3FN of a matrix in blocks "
                          "along axis 1, but is "
                       << super << " over " << scale;
  return success();
}

LogicalResult QType::verify(function_ref<InFlightDiagnostic()> emitError, DimsAttr dims,
                            Storage storage, Granularity granularity, int64_t axis, int64_t block,
                            Type scale, Type zero, Type super, CodebookAttr codebook, int64_t group,
                            Layout) {
  auto rank = static_cast<int64_t>(dims.getDims().size());
  bool hasAxis = granularity == Granularity::axis || granularity == Granularity::block;
  if (hasAxis && (axis < 0 || axis >= rank)) // (C1)
    return emitError() << "axis " << axis << " is outside rank " << rank;
  if (granularity == Granularity::block && block < 2)
    return emitError() << "block must be at least 2, but is " << block;
  if (failed(verifyScale(emitError, dims, granularity, axis, scale, super)))
    return failure();
  if (zero && !zero.isInteger() && !isa<FloatType>(zero)) // (C4)
    return emitError() << "zero must be an integer or float type, but is " << zero;
  if (zero && (codebook || storage == Storage::ternary || isFloatStorage(storage)))
    return emitError() << "codes that are no plain integers have no zero point, but this type has "
                       << zero;
  if (codebook) { // (C5)
    if (isFloatStorage(storage) || !isUnsignedStorage(storage) || bitsOf(storage) > 8 ||
        codebook.table().size() > size_t(1) << bitsOf(storage))
      return emitError() << "codes of type " << stringifyStorage(storage) << " cannot count "
                         << (codebook.isLearned() ? "the" : std::to_string(codebook.table().size()))
                         << " values of a codebook";
    if (granularity == Granularity::token)
      return emitError() << "tokens have no codebook";
  }
  bool isToken = granularity == Granularity::token;
  if (group < 0 || block < 0 || (group && !isToken)) // (C6)
    return emitError() << "group " << group << " does not belong to granularity "
                       << stringifyGranularity(granularity);
  if (isToken && group && block && std::max(group, block) % std::min(group, block) != 0)
    return emitError() << "groups of " << group << " and sums over " << block
                       << " do not divide each other";
  return success();
}

namespace {

/// The fields after the granularity, in any order.
struct Fields {
  int64_t axis = -1, block = 0, group = 0;
  Type scale, zero, super;
  CodebookAttr codebook;
  Layout layout = Layout::logical;

  ParseResult parse(AsmParser &parser);
  ParseResult parseGrouping(AsmParser &parser, Granularity granularity);
};

/// "0" of an axis, or "1 x 32" of a block. The lexer may join "x32" into one word.
ParseResult Fields::parseGrouping(AsmParser &parser, Granularity granularity) {
  if (granularity == Granularity::axis)
    return parser.parseInteger(axis);
  if (granularity != Granularity::block)
    return success();
  StringRef by;
  if (parser.parseInteger(axis) || parser.parseKeyword(&by))
    return failure();
  if (by == "x")
    return parser.parseInteger(block);
  if (!by.consume_front("x") || by.getAsInteger(10, block))
    return parser.emitError(parser.getCurrentLocation(), "expected 'AXIS x SIZE'");
  return success();
}

ParseResult Fields::parse(AsmParser &parser) {
  StringRef word;
  if (parser.parseKeyword(&word))
    return failure();
  if (word == "scale")
    return parser.parseType(scale);
  if (word == "zero")
    return parser.parseType(zero);
  if (word == "super")
    return parser.parseType(super);
  if (word == "codebook")
    return parser.parseAttribute(codebook);
  if (word == "sums")
    return parser.parseInteger(block);
  if (word == "group")
    return parser.parseInteger(group);
  if (word != "layout")
    return parser.emitError(parser.getCurrentLocation(), "unknown field '") << word << "'";
  if (parser.parseKeyword(&word) || !symbolizeLayout(word))
    return parser.emitError(parser.getCurrentLocation(), "unknown layout");
  layout = *symbolizeLayout(word);
  return success();
}

} // namespace

Type QType::parse(AsmParser &parser) {
  // The list of dimensions is spelled as #qnt.dims is, between the same brackets.
  StringRef storageWord, granularityWord;
  if (parser.parseLess())
    return {};
  auto dims = parseDims(parser);
  if (failed(dims) || parser.parseComma() || parser.parseKeyword(&storageWord) ||
      parser.parseComma() || parser.parseKeyword(&granularityWord))
    return {};
  auto storage = symbolizeStorage(storageWord);
  auto granularity = symbolizeGranularity(granularityWord);
  if (!storage || !granularity)
    return parser.emitError(parser.getCurrentLocation(), "unknown storage or granularity"), Type();
  Fields fields;
  fields.scale = Float32Type::get(parser.getContext());
  if (fields.parseGrouping(parser, *granularity))
    return {};
  while (succeeded(parser.parseOptionalComma()))
    if (fields.parse(parser))
      return {};
  if (parser.parseGreater())
    return {};
  return parser.getChecked<QType>(parser.getContext(), *dims, *storage, *granularity, fields.axis,
                                  fields.block, fields.scale, fields.zero, fields.super,
                                  fields.codebook, fields.group, fields.layout);
}

void QType::print(AsmPrinter &printer) const {
  printer << '<';
  printDims(printer, getDims());
  printer << ", " << stringifyStorage(getStorage()) << ", "
          << stringifyGranularity(getGranularity());
  if (getGranularity() == Granularity::axis)
    printer << ' ' << getAxis();
  if (getGranularity() == Granularity::block)
    printer << ' ' << getAxis() << " x " << getBlock();
  printer << ", scale " << getScale();
  if (getSuper())
    printer << ", super " << getSuper();
  if (getZero())
    printer << ", zero " << getZero();
  if (getCodebook())
    printer << ", codebook " << getCodebook();
  if (getGroup())
    printer << ", group " << getGroup();
  if (getGranularity() == Granularity::token && getBlock())
    printer << ", sums " << getBlock();
  if (getLayout() != Layout::logical)
    printer << ", layout " << stringifyLayout(getLayout());
  printer << '>';
}
