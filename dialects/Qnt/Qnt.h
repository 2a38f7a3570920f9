// The qnt dialect: types, attributes, ops, and the few helpers that every room needs.
#ifndef QCC_QNT_H
#define QCC_QNT_H

#include "Qnt/DimExpr.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace qcc::qnt {
/// Carried by ops that compute each result element from the operand elements it broadcasts from.
template <typename ConcreteType>
class Elementwise : public mlir::OpTrait::TraitBase<ConcreteType, Elementwise> {};

llvm::LogicalResult verifyUnary(mlir::Operation *op);
llvm::LogicalResult verifyBinary(mlir::Operation *op);
} // namespace qcc::qnt

#include "Qnt/QntDialect.h.inc"
#include "Qnt/QntEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "Qnt/QntAttrs.h.inc"
#define GET_TYPEDEF_CLASSES
#include "Qnt/QntTypes.h.inc"
#define GET_OP_CLASSES
#include "Qnt/QntOps.h.inc"

namespace qcc::qnt {

/// Dimensions of a ranked tensor or a `!qnt.q`, as expressions.
llvm::SmallVector<DimExpr> dimsOf(mlir::Type type);
/// Element type of a ranked tensor; f32 for a quantized one (what it stands for).
mlir::Type elementTypeOf(mlir::Type type);
/// tensor<...> with `dims`; carries a `#qnt.dims` encoding unless all are constants.
mlir::RankedTensorType makeTensorType(llvm::ArrayRef<DimExpr> dims, mlir::Type elementType);
DimsAttr makeDims(mlir::MLIRContext *context, llvm::ArrayRef<DimExpr> dims);
llvm::SmallVector<DimExpr> dimsOf(DimsAttr dims);
/// The text of dimensions between square brackets.
llvm::FailureOr<DimsAttr> parseDims(mlir::AsmParser &parser);
void printDims(mlir::AsmPrinter &printer, DimsAttr dims);

/// The one number that all elements of a constant are; nothing for other values.
std::optional<double> splatOf(mlir::Value value);
/// The same, seen through casts, reshapes, broadcasts and transposes.
std::optional<double> splatBehind(mlir::Value value);
/// Whether the value is computed from weights and constants alone.
bool isConstantValue(mlir::Value value);

/// Product of all dimensions.
DimExpr elementCount(mlir::MLIRContext *context, llvm::ArrayRef<DimExpr> dims);
/// NumPy broadcast of two dimension lists; nothing where neither size is 1 and they differ.
std::optional<llvm::SmallVector<DimExpr>> broadcastDims(llvm::ArrayRef<DimExpr> a,
                                                        llvm::ArrayRef<DimExpr> b);
/// Whether `from` broadcasts to `to`.
bool broadcastsTo(llvm::ArrayRef<DimExpr> from, llvm::ArrayRef<DimExpr> to);

//===-- Storages and products --------------------------------------------------------------------//

/// Bits of a code.
unsigned bitsOf(Storage storage);
/// Whether codes are 0 .. 2^bits - 1; floats count as the patterns of their bits.
bool isUnsignedStorage(Storage storage);
/// Integers and `ternary`.
bool isIntegerStorage(Storage storage);
/// The float type that codes spell, or null.
mlir::FloatType floatTypeOf(Storage storage, mlir::MLIRContext *context);

/// Whether a buffer of this type holds floats in panels, which have no codes.
bool holdsReals(QType type);

/// The meanings of qnt.qlinear, as its description numbers them.
enum class Product { FullSum = 1, BlockSums = 2, FloatSums = 3, WideSums = 4, ScaledFloatSums = 5 };
/// Whether sums are of numbers, not of integer codes.
inline bool sumsFloats(Product product) {
  return product == Product::FloatSums || product == Product::ScaledFloatSums;
}
/// The meaning for an input (a float tensor or codes) and a weight that the verifier accepts.
Product productOf(mlir::Type x, QType weight);
/// Whether products of bf16 take `x`: of f32, or of bf16 in rows of whole 16 bytes.
bool hasRowsOfPairs(mlir::Type x);
/// Whether a product of the two is of floats, as `x` has them or as its codes spell them, with
/// values of codes, which products of bf16 take.
bool sumsFloatInputs(mlir::Type x, QType weight);
/// Whether a product of the two is of 8-bit floats.
bool sumsFloat8(mlir::Type x, QType weight);
/// The step of wide sums where scales are per row.
inline constexpr int64_t kWideBlock = 256;

/// Inputs along K whose products are summed before a scale is applied: `length` where it is all.
int64_t productStep(mlir::Type x, QType weight, int64_t length);
/// What integers behind codes count in: 1, or 0.5 for f4e2m1. Nothing where values are no
/// multiples of it below 256 in magnitude.
std::optional<float> integerUnit(QType weight);

/// Whether the application can be handed elements of this type: of whole bytes, or truth values.
bool isHostElement(mlir::Type element);

/// Whether one of `dims` depends on `symbol`.
bool mentions(llvm::ArrayRef<DimExpr> dims, llvm::StringRef symbol);
/// Calls f for the bodies of the loops in `block`, innermost first, then for `block`.
void forEachBlock(mlir::Block &block, llvm::function_ref<void(mlir::Block &)> f);

/// Name of the ONNX node that `loc` comes from: the first name in it.
llvm::StringRef nodeName(mlir::Location loc);

/// Attribute names of model functions and their arguments and results.
inline constexpr llvm::StringLiteral symbolsAttrName = "qnt.symbols"; // array of #qnt.symbol
inline constexpr llvm::StringLiteral slicesAttrName =
    "qnt.slices";                                               // name of a symbol; see MarkSlices
inline constexpr llvm::StringLiteral nameAttrName = "qnt.name"; // ONNX value name
inline constexpr llvm::StringLiteral roleAttrName = "qnt.role"; // "ids", "mask", ...

} // namespace qcc::qnt
#endif
