// Shape values as data: conversions from and to attributes.
#include "ShapeValue.h"
#include "mlir/IR/BuiltinTypes.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

bool ShapeValue::isConstant() const {
  return llvm::all_of(elements, [](const Element &e) { return e.isConstant(); });
}

std::optional<SmallVector<int64_t>> ShapeValue::integers() const {
  SmallVector<int64_t> result;
  for (const Element &element : elements) {
    auto value = element.integer();
    if (!value || isFloat())
      return std::nullopt;
    result.push_back(*value);
  }
  return result;
}

std::optional<SmallVector<DimExpr>> ShapeValue::dims() const {
  SmallVector<DimExpr> result;
  for (const Element &element : elements) {
    if (isFloat() || !element.dim)
      return std::nullopt;
    result.push_back(element.dim);
  }
  return result;
}

double qcc::import::roundTo(Type type, double number) {
  if (type.isF64())
    return number;
  if (type.isF32())
    return static_cast<float>(number);
  APFloat value(number);
  bool lossy;
  value.convert(cast<FloatType>(type).getFloatSemantics(), APFloat::rmNearestTiesToEven, &lossy);
  value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lossy);
  return value.convertToDouble();
}

DenseElementsAttr ShapeValue::attribute() const {
  auto tensor = RankedTensorType::get(shape, type);
  if (auto floatType = dyn_cast<FloatType>(type)) {
    SmallVector<APFloat> values;
    for (const Element &element : elements) {
      APFloat value(element.real ? *element.real : static_cast<double>(*element.integer()));
      bool lossy;
      value.convert(floatType.getFloatSemantics(), APFloat::rmNearestTiesToEven, &lossy);
      values.push_back(value);
    }
    return DenseElementsAttr::get(tensor, values);
  }
  SmallVector<APInt> values;
  for (const Element &element : elements)
    values.emplace_back(type.getIntOrFloatBitWidth(), static_cast<uint64_t>(*element.integer()),
                        /*isSigned=*/false, /*implicitTrunc=*/true);
  return DenseElementsAttr::get(tensor, values);
}

ShapeValue ShapeValue::ofDims(MLIRContext *context, ArrayRef<DimExpr> dims) {
  ShapeValue value{IntegerType::get(context, 64), {static_cast<int64_t>(dims.size())}, {}};
  for (DimExpr dim : dims)
    value.elements.push_back({dim, 1, std::nullopt});
  return value;
}

ShapeValue ShapeValue::ofScalar(MLIRContext *context, DimExpr dim) {
  return {IntegerType::get(context, 64), {}, {Element{dim, 1, std::nullopt}}};
}

std::optional<ShapeValue> ShapeValue::ofAttribute(DenseElementsAttr attribute) {
  auto tensor = cast<RankedTensorType>(attribute.getType());
  if (tensor.getNumElements() > maxElements)
    return std::nullopt;
  ShapeValue value{tensor.getElementType(), llvm::to_vector(tensor.getShape()), {}};
  if (value.isFloat()) {
    for (APFloat number : attribute.getValues<APFloat>()) {
      bool lossy;
      number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lossy);
      value.elements.push_back({DimExpr(), 1, number.convertToDouble()});
    }
    return value;
  }
  auto integer = dyn_cast<IntegerType>(value.type);
  if (!integer || integer.getWidth() > 64)
    return std::nullopt;
  bool zeroExtend = integer.isUnsigned() || integer.getWidth() == 1;
  for (const APInt &number : attribute.getValues<APInt>()) {
    int64_t n = zeroExtend ? static_cast<int64_t>(number.getZExtValue()) : number.getSExtValue();
    value.elements.push_back({DimExpr::constant(attribute.getContext(), n), 1, std::nullopt});
  }
  return value;
}
