// The executable meaning of the qnt dialect: one scalar evaluation per op, exactly as the op
// descriptions say. Correct first; quick enough for tests, constant folding and small models.
#ifndef QCC_REFERENCE_INTERPRETER_H
#define QCC_REFERENCE_INTERPRETER_H

#include "Qnt/Qnt.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"
#include <functional>
#include <memory>
#include <variant>
#include <vector>

namespace qcc::reference {

/// A dense row-major tensor, little-endian, over bytes that it shares or borrows. Copies are cheap
/// and see the same bytes. Booleans (`i1`) take one byte, 0 or 1.
class Tensor {
public:
  Tensor() = default;
  /// Zeros that this tensor owns.
  Tensor(mlir::Type element, llvm::ArrayRef<int64_t> dims);
  /// Bytes of another; `owner` (may be null) keeps them alive. They need not be aligned.
  static Tensor borrow(mlir::Type element, llvm::ArrayRef<int64_t> dims, const void *bytes,
                       std::shared_ptr<const void> owner = nullptr);
  /// Owned elements, converted from `values` as a qnt.cast from double would.
  static Tensor of(mlir::Type element, llvm::ArrayRef<int64_t> dims, llvm::ArrayRef<double> values);
  /// Contents of a dense attribute; an error for the kinds that hold no plain elements.
  static llvm::Expected<Tensor> fromAttr(mlir::ElementsAttr attr);

  explicit operator bool() const { return static_cast<bool>(type); }
  mlir::Type elementType() const { return type; }
  llvm::ArrayRef<int64_t> dims() const { return shape; }
  int64_t rank() const { return static_cast<int64_t>(shape.size()); }
  int64_t size() const;
  int64_t bytesPerElement() const;
  int64_t byteSize() const { return size() * bytesPerElement(); }
  const char *data() const { return bytes; }
  /// Only for a tensor that owns its bytes alone.
  char *mutableData();
  /// The same bytes under other dimensions with the same element count.
  Tensor withDims(llvm::ArrayRef<int64_t> dims) const;

  /// Element `i` in row-major order as a double (64-bit integers may round) or an integer.
  double real(int64_t i) const;
  int64_t integer(int64_t i) const;
  /// The elements as a dense attribute of a constant's type.
  mlir::DenseElementsAttr toAttr() const;

private:
  mlir::Type type;
  llvm::SmallVector<int64_t> shape;
  const char *bytes = nullptr;
  std::shared_ptr<const void> owner;
};

/// A value of type `!qnt.q`, by its logical content. A layout is a fact of the type alone; codes
/// are always row-major here.
struct QTensor {
  qnt::QType type;
  llvm::SmallVector<int64_t> dims;
  std::vector<int32_t> codes; ///< floats by their bits, codebooks by index
  /// What values are multiplied by. One per group, row-major over the dimensions in which the
  /// grouped axis is counted in groups.
  std::vector<float> scales;
  std::vector<float> zeros;        ///< as many as scales, or empty when symmetric
  std::vector<uint8_t> scaleCodes; ///< as many as scales, with two levels
  std::vector<float> supers;       ///< one per row, with two levels
  std::vector<float> table;        ///< 2^bits values of a codebook
  Tensor reals;                    ///< of layouts that hold floats, which have no codes

  /// Index into `scales` of the element at row-major index `i`.
  int64_t group(int64_t i) const;
  int64_t groupCount() const;
};

using RtValue = std::variant<Tensor, std::shared_ptr<const QTensor>>;

/// Where the bytes of weights are.
class WeightSource {
public:
  struct Bytes {
    const char *data = nullptr;
    size_t size = 0;
    std::shared_ptr<const void> owner;
  };
  virtual ~WeightSource() = default;
  /// Bytes of a `#qnt.file` or `#qnt.blob`.
  virtual llvm::Expected<Bytes> read(mlir::Attribute source) = 0;
};

/// Files beneath the model's folder and blobs `DIR/SHA256`, mapped.
class FolderWeights : public WeightSource {
public:
  FolderWeights(std::string modelDir, std::string blobDir)
      : modelDir(std::move(modelDir)), blobDir(std::move(blobDir)) {}
  llvm::Expected<Bytes> read(mlir::Attribute source) override;

private:
  std::string modelDir, blobDir;
};

/// What an evaluation knows besides operands.
struct Environment {
  llvm::StringMap<int64_t> symbols; ///< values of dimension symbols; non_zero adds its own
  WeightSource *weights = nullptr;  ///< needed by qnt.use of weights with a source
  /// Called after each op of a function, its fused groups and kernels.
  std::function<void(mlir::Operation *, llvm::ArrayRef<RtValue>)> observe;
  llvm::DenseMap<mlir::Operation *, RtValue> weightCache;

  /// Value of a dimension, or an error that names a symbol without value.
  llvm::Expected<int64_t> size(qnt::DimExpr dim, mlir::Operation *op) const;
  llvm::Expected<llvm::SmallVector<int64_t>> sizes(mlir::Type type, mlir::Operation *op) const;
};

/// Evaluates one op. Needs no weights and no symbols when the op mentions none, so that it serves
/// constant folding. Never aborts: faults of the op (an index outside its axis, division by zero)
/// and ops of other dialects are coded errors.
llvm::Expected<llvm::SmallVector<RtValue>>
evaluateOp(mlir::Operation *op, llvm::ArrayRef<RtValue> operands, Environment &environment);

/// The value of a weight: its bytes, or its recipe evaluated. Cached in `environment`.
llvm::Expected<RtValue> evaluateWeight(qnt::WeightOp weight, Environment &environment);

/// Runs a function: binds its symbols (`qnt.symbols`) from the inputs' sizes, checks every other
/// size against its expression, then evaluates the body in order.
llvm::Expected<llvm::SmallVector<RtValue>> evaluateFunction(mlir::func::FuncOp function,
                                                            llvm::ArrayRef<RtValue> inputs,
                                                            Environment &environment);
llvm::Expected<llvm::SmallVector<RtValue>> evaluateFunction(mlir::func::FuncOp function,
                                                            llvm::ArrayRef<RtValue> inputs,
                                                            WeightSource &weights);

/// The quantization of qnt.quantize under `type`, on `x` with the dimensions `dims`.
QTensor quantize(qnt::QType type, llvm::ArrayRef<int64_t> dims, llvm::ArrayRef<float> x);
/// `scale * (value(code) - zero)` of every element.
std::vector<float> dequantize(const QTensor &x);

} // namespace qcc::reference
#endif
