// Registration of the dialect, and how its attributes and types read and print.
#include "Qnt/Qnt.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace qcc::qnt;

#include "Qnt/QntDialect.cpp.inc"
#include "Qnt/QntEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "Qnt/QntAttrs.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "Qnt/QntTypes.cpp.inc"
#define GET_OP_CLASSES
#include "Qnt/QntOps.cpp.inc"

void QntDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "Qnt/QntAttrs.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "Qnt/QntTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "Qnt/QntOps.cpp.inc"
      >();
}

//===-- Dimensions -------------------------------------------------------------------------------//

namespace {

FailureOr<DimExpr> parseSum(AsmParser &parser, int depth);

FailureOr<DimExpr> parseCall(AsmParser &parser, StringRef name, int depth) {
  auto a = parseSum(parser, depth);
  if (failed(a) || parser.parseComma())
    return failure();
  auto b = parseSum(parser, depth);
  if (failed(b) || parser.parseRParen())
    return failure();
  if (name == "floordiv")
    return a->floorDiv(*b);
  if (name == "ceildiv")
    return a->ceilDiv(*b);
  if (name == "mod")
    return a->mod(*b);
  if (name == "min")
    return a->min(*b);
  if (name == "max")
    return a->max(*b);
  return parser.emitError(parser.getCurrentLocation(), "unknown dimension function '")
         << name << "'";
}

FailureOr<DimExpr> parseAtom(AsmParser &parser, int depth) {
  MLIRContext *context = parser.getContext();
  if (depth > 64)
    return parser.emitError(parser.getCurrentLocation(), "dimension expression nests too deeply");
  if (succeeded(parser.parseOptionalMinus())) {
    auto operand = parseAtom(parser, depth + 1);
    if (failed(operand))
      return failure();
    return *operand * -1;
  }
  if (succeeded(parser.parseOptionalLParen())) {
    auto inner = parseSum(parser, depth + 1);
    if (failed(inner) || parser.parseRParen())
      return failure();
    return inner;
  }
  int64_t value;
  if (OptionalParseResult result = parser.parseOptionalInteger(value); result.has_value()) {
    if (failed(*result))
      return failure();
    return DimExpr::constant(context, value);
  }
  std::string quoted;
  if (succeeded(parser.parseOptionalString(&quoted)))
    return DimExpr::symbol(context, quoted);
  StringRef word;
  if (parser.parseKeyword(&word))
    return failure();
  if (succeeded(parser.parseOptionalLParen()))
    return parseCall(parser, word, depth + 1);
  return DimExpr::symbol(context, word);
}

FailureOr<DimExpr> parseProduct(AsmParser &parser, int depth) {
  auto left = parseAtom(parser, depth);
  while (succeeded(left) && succeeded(parser.parseOptionalStar())) {
    auto right = parseAtom(parser, depth);
    if (failed(right))
      return failure();
    left = *left * *right;
  }
  return left;
}

FailureOr<DimExpr> parseSum(AsmParser &parser, int depth) {
  auto left = parseProduct(parser, depth + 1);
  while (succeeded(left)) {
    bool plus = succeeded(parser.parseOptionalPlus());
    if (!plus && failed(parser.parseOptionalMinus()))
      break;
    auto right = parseProduct(parser, depth + 1);
    if (failed(right))
      return failure();
    left = plus ? *left + *right : *left - *right;
  }
  return left;
}

} // namespace

FailureOr<DimsAttr> qcc::qnt::parseDims(AsmParser &parser) {
  SmallVector<Attribute> dims;
  auto parseOne = [&]() -> ParseResult {
    auto dim = parseSum(parser, 0);
    if (failed(dim))
      return failure();
    dims.push_back(dim->getAttr());
    return success();
  };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, parseOne))
    return failure();
  return DimsAttr::get(parser.getContext(), dims);
}

void qcc::qnt::printDims(AsmPrinter &printer, DimsAttr dims) {
  printer << '[';
  llvm::interleaveComma(dims.getDims(), printer,
                        [&](Attribute dim) { printer << DimExpr(dim).str(); });
  printer << ']';
}

Attribute DimAttr::parse(AsmParser &parser, Type) {
  if (parser.parseLess())
    return {};
  auto dim = parseSum(parser, 0);
  if (failed(dim) || parser.parseGreater())
    return {};
  return dim->getAttr();
}
void DimAttr::print(AsmPrinter &printer) const { printer << '<' << DimExpr(*this).str() << '>'; }

Attribute DimsAttr::parse(AsmParser &parser, Type) {
  if (parser.parseLess())
    return {};
  auto dims = parseDims(parser);
  if (failed(dims) || parser.parseGreater())
    return {};
  return *dims;
}
void DimsAttr::print(AsmPrinter &printer) const {
  printer << '<';
  printDims(printer, *this);
  printer << '>';
}

SmallVector<DimExpr> qcc::qnt::dimsOf(DimsAttr dims) {
  return llvm::map_to_vector(dims.getDims(), [](Attribute dim) { return DimExpr(dim); });
}

SmallVector<DimExpr> qcc::qnt::dimsOf(Type type) {
  if (auto quantized = dyn_cast<QType>(type))
    return dimsOf(quantized.getDims());
  if (auto cache = dyn_cast<KvType>(type))
    return dimsOf(cache.getDims());
  auto tensor = cast<RankedTensorType>(type);
  if (auto dims = dyn_cast_or_null<DimsAttr>(tensor.getEncoding()))
    return dimsOf(dims);
  return llvm::map_to_vector(tensor.getShape(), [&](int64_t size) {
    // A dynamic size without an expression is an unnamed symbol; import never makes one.
    return ShapedType::isDynamic(size) ? DimExpr::symbol(type.getContext(), "?")
                                       : DimExpr::constant(type.getContext(), size);
  });
}

Type qcc::qnt::elementTypeOf(Type type) {
  if (isa<QType>(type))
    return Float32Type::get(type.getContext());
  if (auto cache = dyn_cast<KvType>(type))
    return cache.getElement();
  return cast<RankedTensorType>(type).getElementType();
}

DimsAttr qcc::qnt::makeDims(MLIRContext *context, ArrayRef<DimExpr> dims) {
  return DimsAttr::get(context,
                       llvm::map_to_vector(dims, [](DimExpr dim) { return dim.getAttr(); }));
}

RankedTensorType qcc::qnt::makeTensorType(ArrayRef<DimExpr> dims, Type elementType) {
  SmallVector<int64_t> shape;
  bool dynamic = false;
  for (DimExpr dim : dims) {
    auto value = dim.constantValue();
    dynamic |= !value;
    shape.push_back(value.value_or(ShapedType::kDynamic));
  }
  if (!dynamic)
    return RankedTensorType::get(shape, elementType);
  return RankedTensorType::get(shape, elementType, makeDims(elementType.getContext(), dims));
}

std::optional<double> qcc::qnt::splatOf(Value value) {
  auto constant = value ? value.getDefiningOp<ConstantOp>() : ConstantOp();
  auto dense = constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : DenseElementsAttr();
  if (!dense || !dense.isSplat())
    return std::nullopt;
  if (isa<FloatType>(dense.getElementType())) {
    llvm::APFloat number = dense.getSplatValue<llvm::APFloat>();
    bool loses;
    number.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven, &loses);
    return number.convertToDouble();
  }
  llvm::APInt number = dense.getSplatValue<llvm::APInt>();
  bool isSigned = !dense.getElementType().isUnsignedInteger() && number.getBitWidth() > 1;
  return isSigned ? static_cast<double>(number.getSExtValue())
                  : static_cast<double>(number.getZExtValue());
}

bool qcc::qnt::isConstantValue(Value value) {
  SmallVector<Value> open = {value};
  DenseSet<Value> seen;
  while (!open.empty()) {
    Value next = open.pop_back_val();
    if (!seen.insert(next).second)
      continue;
    Operation *def = next.getDefiningOp();
    if (!def || !isMemoryEffectFree(def))
      return false;
    // What only depends on sizes is cheap, but sizes differ from sample to sample.
    llvm::append_range(open, def->getOperands());
    if (def->getNumOperands() == 0 && !isa<UseOp, ConstantOp>(def))
      return false;
  }
  return true;
}

std::optional<double> qcc::qnt::splatBehind(Value value) {
  while (Operation *op = value ? value.getDefiningOp() : nullptr) {
    if (!isa<CastOp, ReshapeOp, BroadcastOp, TransposeOp>(op))
      break;
    value = op->getOperand(0);
  }
  return splatOf(value);
}

DimExpr qcc::qnt::elementCount(MLIRContext *context, ArrayRef<DimExpr> dims) {
  DimExpr count = DimExpr::constant(context, 1);
  for (DimExpr dim : dims)
    count = count * dim;
  return count;
}

std::optional<SmallVector<DimExpr>> qcc::qnt::broadcastDims(ArrayRef<DimExpr> a,
                                                            ArrayRef<DimExpr> b) {
  if (a.size() < b.size())
    std::swap(a, b);
  SmallVector<DimExpr> result(a.begin(), a.end());
  size_t offset = a.size() - b.size();
  for (size_t i = 0; i < b.size(); ++i) {
    DimExpr &left = result[offset + i];
    if (left == b[i] || b[i].isConstant(1))
      continue;
    if (!left.isConstant(1))
      return std::nullopt;
    left = b[i];
  }
  return result;
}

bool qcc::qnt::broadcastsTo(ArrayRef<DimExpr> from, ArrayRef<DimExpr> to) {
  if (from.size() > to.size())
    return false;
  size_t offset = to.size() - from.size();
  for (size_t i = 0; i < from.size(); ++i)
    if (from[i] != to[offset + i] && !from[i].isConstant(1))
      return false;
  return true;
}

StringRef qcc::qnt::nodeName(Location loc) {
  StringRef name;
  loc->walk([&](Location inner) {
    if (auto named = dyn_cast<NameLoc>(inner)) {
      name = named.getName();
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  return name;
}

Type KvType::parse(AsmParser &parser) {
  if (parser.parseLess())
    return {};
  auto dims = parseDims(parser);
  Type element;
  if (failed(dims) || parser.parseComma() || parser.parseType(element) || parser.parseGreater())
    return {};
  return KvType::get(parser.getContext(), *dims, element);
}
void KvType::print(AsmPrinter &printer) const {
  printer << '<';
  printDims(printer, getDims());
  printer << ", " << getElement() << '>';
}
