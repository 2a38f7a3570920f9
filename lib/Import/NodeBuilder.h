// What an op's import function works with: the node's inputs, attributes and outputs, and helpers
// that build qnt ops. Errors stick: after fail() every helper returns a null value and accepts null
// values, so that import functions read as straight-line formulas.
#ifndef QCC_LIB_IMPORT_NODEBUILDER_H
#define QCC_LIB_IMPORT_NODEBUILDER_H

#include "GraphImporter.h"
#include "llvm/Support/FormatVariadic.h"

namespace qcc::import {

using llvm::ArrayRef;
using llvm::SmallVector;
using llvm::StringRef;
using mlir::RankedTensorType;
using mlir::Type;
using mlir::Value;

using Dims = SmallVector<DimExpr>;

/// The integer in a number, within ±2^62: constants of a file may hold anything.
inline int64_t saturated(double value) {
  return value == value ? static_cast<int64_t>(std::clamp(value, -0x1p62, 0x1p62)) : 0;
}

class NodeBuilder {
public:
  NodeBuilder(GraphImporter &importer, const onnx::Node &node, int64_t opset)
      : importer(importer), node(node), opset(opset), builder(importer.builder) {}

  GraphImporter &importer;
  const onnx::Node &node;
  const int64_t opset;
  mlir::OpBuilder &builder;

  //===-- Errors ---------------------------------------------------------------------------------//
  void fail(Diag code, const llvm::Twine &message, StringRef help = "");
  /// The node cannot be imported as it is; the import goes on to find the others.
  void unsupported(const llvm::Twine &reason, StringRef remedy = "");
  /// What the node is made of is not supported, which has been said already.
  void poison() { isFailed = refused = true; }
  bool failed() const { return isFailed; }
  llvm::Error takeError() { return std::move(error); }
  bool isUnsupported() const { return refused; }
  ~NodeBuilder() { llvm::consumeError(std::move(error)); }

  //===-- Inputs, attributes, outputs ------------------------------------------------------------//
  size_t numInputs() const { return node.inputs.size(); }
  size_t numOutputs() const { return node.outputs.size(); }
  bool has(size_t i) const { return !node.input(i).empty(); }
  bool wants(size_t i) const { return i < node.outputs.size() && !node.outputs[i].empty(); }
  /// Input i, which must be there.
  Value in(size_t i);
  /// Input i, or null where it is absent.
  Value optional(size_t i) { return has(i) ? in(i) : Value(); }
  /// Input i as a shape value, where it is one.
  std::optional<ShapeValue> known(size_t i);
  /// Input i as constant integers, where it is such.
  std::optional<SmallVector<int64_t>> integers(size_t i);
  std::optional<Dims> dimsValue(size_t i);
  /// Input i, a constant number.
  std::optional<double> number(size_t i);
  /// Dimensions and element type of input i without making a value of it.
  Dims inputDims(size_t i);
  Type inputElement(size_t i);

  int64_t intAttr(StringRef name, int64_t def);
  double floatAttr(StringRef name, double def);
  std::string stringAttr(StringRef name, StringRef def);
  std::vector<std::string> stringsAttr(StringRef name); ///< empty where it is absent
  SmallVector<int64_t> intsAttr(StringRef name, ArrayRef<int64_t> def = {});
  SmallVector<double> floatsAttr(StringRef name, ArrayRef<double> def = {});
  bool hasAttr(StringRef name) const { return node.has(name); }
  /// `value` in 0 .. rank - 1, or a failure.
  int64_t axis(int64_t value, size_t rank);
  SmallVector<int64_t> axes(ArrayRef<int64_t> values, size_t rank);
  int64_t axisAttr(size_t rank, int64_t def) { return axis(intAttr("axis", def), rank); }
  /// Axes from attribute `axes` or, in later opsets, from input i. Nothing when absent.
  std::optional<SmallVector<int64_t>> axesFrom(size_t input);

  void out(size_t i, Value value);
  bool sizesArePossible(Value value);
  void outKnown(size_t i, ShapeValue value);

  //===-- Types ----------------------------------------------------------------------------------//
  mlir::MLIRContext *context() const { return importer.context; }
  DimExpr dim(int64_t value) const { return DimExpr::constant(importer.context, value); }
  Dims dims(Value value) const { return value ? qnt::dimsOf(value.getType()) : Dims(); }
  Dims dims(ArrayRef<int64_t> values) const;
  size_t rank(Value value) const { return dims(value).size(); }
  /// One dimension; a failure (and 1) where the rank is too small.
  DimExpr at(Value value, size_t axis);
  DimExpr last(Value value) { return at(value, rank(value) - 1); }
  /// Fails, and is false, unless x is there and has at least that rank.
  bool atLeast(Value x, size_t rank);
  Type element(Value value) const;
  bool isFloat(Value value) const { return value && mlir::isa<mlir::FloatType>(element(value)); }
  bool isInteger(Value value) const {
    return value && mlir::isa<mlir::IntegerType>(element(value));
  }
  RankedTensorType type(ArrayRef<DimExpr> dims, Type element) const;
  Type i64() const { return builder.getI64Type(); }
  Type i1() const { return builder.getI1Type(); }
  Type f32() const { return builder.getF32Type(); }

  //===-- Dimensions -----------------------------------------------------------------------------//
  /// One dimension that both are; records what that takes, fails where it cannot be.
  DimExpr equal(DimExpr a, DimExpr b, const char *what, bool broadcast = false);
  /// The size of each of `by` equal parts; records what that takes, fails where it cannot be.
  /// `what` and `parts` name both sides in the message.
  DimExpr divided(DimExpr whole, DimExpr by, StringRef what, StringRef parts);
  DimExpr divided(DimExpr whole, int64_t by, StringRef what, StringRef parts) {
    return divided(whole, dim(by), what, parts);
  }
  /// `size`, which must not be negative: fails where it is, checks at run time where that is
  /// unknown.
  DimExpr natural(DimExpr size, const char *what);
  /// NumPy broadcast of all, with the equalities that takes.
  std::optional<Dims> broadcastDims(ArrayRef<Dims> all);
  /// x repeated along `axis` to `size`, of which x has 1 or all elements: the sizes decide at run
  /// time.
  Value stretch(Value x, size_t axis, DimExpr size);
  /// x with dimensions equal to `dims` in form (or 1), where they are known to be equal.
  Value conform(Value x, ArrayRef<DimExpr> dims);
  /// The same, dimension for dimension.
  Value conformExactly(Value x, ArrayRef<DimExpr> dims);
  /// x, which has to have just these dimensions: records what that takes, fails where it cannot be.
  Value fit(Value x, ArrayRef<DimExpr> dims, const char *what);

  //===-- Ops ------------------------------------------------------------------------------------//
  template <typename Op, typename... Args> Value make(Type type, Args &&...args) {
    return builder.createOrFold<Op>(current, type, std::forward<Args>(args)...);
  }
  template <typename Op> Value unary(Value x) { return x ? make<Op>(x.getType(), x) : Value(); }
  template <typename Op> Value binary(Value x, Value y) {
    if (!x || !y || !sameElement(x, y))
      return {};
    Value both[] = {x, y};
    auto dims = unify(both);
    return dims ? make<Op>(type(*dims, element(x)), both[0], both[1]) : Value();
  }
  Value add(Value x, Value y) { return binary<qnt::AddOp>(x, y); }
  Value sub(Value x, Value y) { return binary<qnt::SubOp>(x, y); }
  Value mul(Value x, Value y) { return binary<qnt::MulOp>(x, y); }
  Value div(Value x, Value y) { return binary<qnt::DivOp>(x, y); }
  Value minimum(Value x, Value y) { return binary<qnt::MinOp>(x, y); }
  Value maximum(Value x, Value y) { return binary<qnt::MaxOp>(x, y); }
  // With a number of x's element type on the right.
  Value add(Value x, double y) { return add(x, like(x, y)); }
  Value sub(Value x, double y) { return sub(x, like(x, y)); }
  Value mul(Value x, double y) { return mul(x, like(x, y)); }
  Value div(Value x, double y) { return div(x, like(x, y)); }
  Value minimum(Value x, double y) { return minimum(x, like(x, y)); }
  Value maximum(Value x, double y) { return maximum(x, like(x, y)); }

  Value compare(qnt::Predicate predicate, Value x, Value y);
  Value compare(qnt::Predicate predicate, Value x, double y) {
    return compare(predicate, x, like(x, y));
  }
  Value select(Value condition, Value x, Value y);
  Value cast(Value x, Type element);
  /// To an 8-bit float: values beyond its range become its largest, if `saturate`.
  Value castSaturating(Value x, Type to, bool saturate);
  Value scalar(Type element, double number);
  Value scalarInteger(Type element, int64_t number);
  Value like(Value x, double number) { return x ? scalar(element(x), number) : Value(); }
  Value constant(ArrayRef<int64_t> numbers); ///< i64, rank 1

  Value reshape(Value x, ArrayRef<DimExpr> dims);
  Value flatten(Value x, size_t axis); ///< to two axes
  Value unsqueeze(Value x, ArrayRef<int64_t> axes);
  Value squeeze(Value x, ArrayRef<int64_t> axes);
  Value transpose(Value x, ArrayRef<int64_t> permutation);
  Value swapLast(Value x); ///< exchanges the last two axes
  /// Exchanges two axes.
  Value swapAxes(Value x, size_t a, size_t b);
  Value broadcast(Value x, ArrayRef<DimExpr> dims);
  Value slice(Value x, int64_t axis, DimExpr start, DimExpr size, int64_t step = 1);
  Value concat(ArrayRef<Value> values, int64_t axis);
  Value gather(Value x, Value indices, int64_t axis);
  Value pad(Value x, Value fill, ArrayRef<DimExpr> low, ArrayRef<DimExpr> high, qnt::PadMode mode);
  Value iota(ArrayRef<DimExpr> dims, int64_t axis, DimExpr start, int64_t step, Type element);
  Value dimTensor(DimExpr dim, Type element); ///< rank 0
  Value reduce(qnt::ReduceKind kind, Value x, ArrayRef<int64_t> axes, bool keepDims);
  Value argReduce(Value x, int64_t axis, bool keepDims, bool minimum, bool last);
  Value softmax(Value x, int64_t axis, bool log = false);
  Value matmul(Value x, Value y, bool transposeY = false); ///< NumPy's rules, any rank
  Value linear(Value x, Value weight, Value bias = {});    ///< weight [N, K]
  Value layerNorm(Value x, Value gain, Value bias, double epsilon);
  Value rmsNorm(Value x, Value gain, double epsilon);
  Value gelu(Value x, qnt::GeluKind kind);

  mlir::Location current = builder.getUnknownLoc();

  /// Broadcast dimensions of the values, each of which is brought into a form that fits them.
  std::optional<Dims> unify(llvm::MutableArrayRef<Value> values);
  bool sameElement(Value x, Value y);

private:
  bool checkEpsilon(double epsilon);
  llvm::Error error = llvm::Error::success();
  bool isFailed = false, refused = false;
};

std::string text(ArrayRef<DimExpr> dims);

} // namespace qcc::import
#endif
