// The export of one function: names of its values, the nodes so far, and which weights fill which
// initializers.
#ifndef QCC_LIB_EXPORT_GRAPHEXPORTER_H
#define QCC_LIB_EXPORT_GRAPHEXPORTER_H

#include "Carriers.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "qcc/Export/Export.h"
#include "qcc/Onnx/Model.h"
#include "llvm/ADT/StringSet.h"

namespace qcc::exporter {

using llvm::ArrayRef;
using llvm::SmallVector;
using llvm::StringRef;
using mlir::Operation;
using mlir::Type;
using mlir::Value;
using qnt::DimExpr;
using Names = std::vector<std::string>;
using Attributes = std::vector<onnx::Attribute>;

onnx::Attribute attr(StringRef name, int64_t value);
onnx::Attribute attr(StringRef name, double value);
onnx::Attribute attr(StringRef name, StringRef value);
onnx::Attribute attr(StringRef name, ArrayRef<int64_t> values);

/// TensorProto.DataType of an element type; Undefined where ONNX has none.
int32_t dataTypeOf(Type element);

class GraphExporter {
public:
  GraphExporter(mlir::ModuleOp module, OnnxForm form) : symbols(module), form(form) {}

  /// Builds `model` and `parts`. Everything without a form is one error.
  llvm::Error run(mlir::func::FuncOp function);

  onnx::Model model;
  std::vector<WeightPart> parts; ///< the initializers that are weights

  //===-- Errors ---------------------------------------------------------------------------------//
  /// The op cannot be exported; the export goes on to find the others.
  void refuse(Operation *op, const llvm::Twine &why);
  void refuseWeight(qnt::WeightOp weight, StringRef why);

  //===-- Values ---------------------------------------------------------------------------------//
  /// The ONNX name of a tensor; empty where it is a result of something refused.
  std::string name(Value value);
  /// `value` is the ONNX value `name` from here on, which takes the name of an output where the
  /// function returns it.
  void define(Value value, std::string name);
  /// Codes of activations, by their value.
  struct Tokens {
    std::string codes, scale, zero;
    Attributes attributes; ///< axis and block size
    std::string real;      ///< dequantized, once it is needed
  };
  llvm::DenseMap<Value, Tokens> tokens;
  /// The real numbers of codes.
  std::string real(Value codes);

  //===-- Weights --------------------------------------------------------------------------------//
  qnt::WeightOp weightOf(Value value);
  /// What initializers of a weight are called.
  static std::string nameOf(qnt::WeightOp weight);
  /// A float matrix [N, K] as the right operand of MatMul, [K, N].
  std::string rightOperand(Value matrix);
  /// The real numbers of a quantized weight, [N, K] or transposed. Empty when refused.
  std::string dequantized(qnt::WeightOp weight, bool transposed);
  /// An initializer whose bytes are that part of the weight.
  std::string weightPart(StringRef name, int32_t dataType, ArrayRef<int64_t> dims, WeightPart part);
  /// Whether every reader of the weight multiplies with it.
  bool isOnlyMultiplied(qnt::WeightOp weight) const;

  //===-- Nodes ----------------------------------------------------------------------------------//
  /// Adds a node and returns its result.
  std::string add(StringRef op, Names inputs, Attributes attributes = {}, StringRef domain = "");
  Names addMany(StringRef op, Names inputs, size_t results, Attributes attributes = {},
                StringRef domain = "");
  std::string cast(const std::string &x, Type from, Type to);
  std::string reshape(const std::string &x, ArrayRef<DimExpr> from, ArrayRef<DimExpr> to);
  std::string transpose(const std::string &x, ArrayRef<int64_t> order);
  /// Constant bounds along one axis.
  std::string slice(const std::string &x, int64_t axis, int64_t start, int64_t end,
                    int64_t step = 1);
  /// dataTypeOf(), with the opset that knows the type.
  int32_t dataType(Type element);
  /// The model needs this opset.
  void require(int64_t version) { opset = std::max(opset, version); }

  //===-- Constants ------------------------------------------------------------------------------//
  /// A small initializer, made once.
  std::string constant(int32_t dataType, ArrayRef<int64_t> dims, std::vector<uint8_t> bytes,
                       StringRef base = "constant");
  std::string integers(ArrayRef<int64_t> values); ///< i64, rank 1
  std::string number(Type element, double value); ///< a scalar
  std::string constant(mlir::DenseElementsAttr value);

  //===-- Dimensions -----------------------------------------------------------------------------//
  std::string dimension(DimExpr dim); ///< i64 [1]
  std::string scalar(DimExpr dim);    ///< i64 of rank 0
  std::string shape(ArrayRef<DimExpr> dims);
  /// 0 .. size - 1 as i64 [size].
  std::string range(DimExpr size);
  llvm::StringMap<std::string> symbolValues; ///< i64 [1]

  OnnxForm formOf() const { return form; }

private:
  void declare(mlir::func::FuncOp function);
  onnx::ValueInfo valueInfo(StringRef name, Type type);
  void exportOp(Operation *op);
  void nameNodes(Operation *op, size_t from);
  std::string unique(StringRef base);
  std::string combine(DimExpr dim);

  mlir::SymbolTable symbols;
  OnnxForm form;
  int64_t opset = 21; ///< the first with 4-bit integers and blocks
  llvm::DenseMap<Value, std::string> names;
  llvm::DenseMap<Value, std::string> outputNames;
  llvm::StringSet<> used, usedNodes;
  llvm::StringMap<unsigned> counts;
  llvm::StringMap<std::string> constants, shapes, transposed, weightReals;
  llvm::DenseMap<mlir::Attribute, std::string> dims, scalars, ranges;
  std::string base;     ///< of the names of what is being exported
  size_t firstNode = 0; ///< of the op that is being exported
  std::vector<std::string> refusals;
  std::string firstWhere, firstWhy;
};

/// Each family exports an op or says that it is another's.
bool exportElementwise(GraphExporter &e, Operation *op);
bool exportMove(GraphExporter &e, Operation *op);
bool exportLayer(GraphExporter &e, Operation *op);
bool exportTransform(GraphExporter &e, Operation *op);
bool exportQuantized(GraphExporter &e, Operation *op);

} // namespace qcc::exporter
#endif
