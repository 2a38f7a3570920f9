// What the families of ops share inside the interpreter: operands of a call, numbers in one of
// three compute types, and walks over indices.
#ifndef QCC_LIB_REFERENCE_DETAIL_H
#define QCC_LIB_REFERENCE_DETAIL_H

#include "qcc/Reference/Interpreter.h"
#include "qcc/Support/Diagnostics.h"
#include <array>
#include <cmath>

namespace qcc::reference {

using Dims = llvm::SmallVector<int64_t>;
using Results = llvm::Expected<llvm::SmallVector<RtValue>>;

inline int64_t product(llvm::ArrayRef<int64_t> dims) {
  int64_t count = 1;
  for (int64_t dim : dims)
    count *= dim;
  return count;
}
std::string dimsText(llvm::ArrayRef<int64_t> dims);

/// One op with its operands: what every evaluation function is given.
struct Call {
  mlir::Operation *op;
  llvm::ArrayRef<RtValue> operands;
  Environment &environment;

  const Tensor &tensor(unsigned i) const { return std::get<Tensor>(operands[i]); }
  const QTensor &quantized(unsigned i) const {
    return *std::get<std::shared_ptr<const QTensor>>(operands[i]);
  }
  bool isQuantized(unsigned i) const { return operands[i].index() == 1; }
  mlir::Type resultElement(unsigned i = 0) const {
    return qnt::elementTypeOf(op->getResult(i).getType());
  }
  llvm::Expected<Dims> resultDims(unsigned i = 0) const {
    return environment.sizes(op->getResult(i).getType(), op);
  }
  llvm::Error fail(Diag code, std::string message, std::string help = {}) const;
};

std::string describe(mlir::Operation *op);

inline Results one(Tensor tensor) { return llvm::SmallVector<RtValue>{std::move(tensor)}; }
inline Results one(QTensor tensor) {
  return llvm::SmallVector<RtValue>{std::make_shared<const QTensor>(std::move(tensor))};
}

//===-- Numbers ----------------------------------------------------------------------------------//

/// f16, bf16 and 8-bit floats compute in float; f64 in double; integers and booleans modulo 2^64.
enum class Compute { Float, Double, Integer };
Compute computeOf(mlir::Type element);
/// Whether integers of this type compare and divide without sign. i1 counts as unsigned.
inline bool isUnsigned(mlir::Type element) {
  return element.isUnsignedInteger() || element.isInteger(1);
}

/// Elements of a tensor as T: a view where the bytes already are, else a copy.
template <typename T> class Numbers {
public:
  const T *data = nullptr;
  int64_t count = 0;
  std::vector<T> owned;
  const T &operator[](int64_t i) const { return data[i]; }
};
/// T is float, double or int64_t; any element type converts (integers of any width to int64_t by
/// sign; an i1 is 0 or 1).
template <typename T> Numbers<T> load(const Tensor &tensor);
/// Rounds to the element type (nearest even) or wraps.
template <typename T>
Tensor store(mlir::Type element, llvm::ArrayRef<int64_t> dims, llvm::ArrayRef<T> values);
template <typename T>
Tensor store(mlir::Type element, llvm::ArrayRef<int64_t> dims, const std::vector<T> &values) {
  return store<T>(element, dims, llvm::ArrayRef<T>(values));
}

/// `value` rounded to a float type of at most 32 bits.
float roundTo(mlir::Type type, float value);

/// Calls `f.template operator()<T>()` with the compute type of `element`.
template <typename F> auto dispatch(mlir::Type element, F f) {
  switch (computeOf(element)) {
  case Compute::Float:
    return f.template operator()<float>();
  case Compute::Double:
    return f.template operator()<double>();
  case Compute::Integer:
    break;
  }
  return f.template operator()<int64_t>();
}

/// Sum of f(0) .. f(n - 1) over 16 interleaved lanes: lane l takes l, l + 16, ...; then lanes 8, 4,
/// 2 and 1 apart are added.
template <typename T, typename F> T laneSum(int64_t n, F f) {
  T lanes[16] = {};
  for (int64_t i = 0; i < n; ++i)
    lanes[i % 16] = lanes[i % 16] + f(i);
  for (int width = 8; width > 0; width /= 2)
    for (int lane = 0; lane < width; ++lane)
      lanes[lane] = lanes[lane] + lanes[lane + width];
  return lanes[0];
}

//===-- Indices ----------------------------------------------------------------------------------//

/// Row-major strides in elements.
Dims stridesOf(llvm::ArrayRef<int64_t> dims);
/// Strides of a tensor with `dims` read under the dimensions `out`: 0 along broadcast axes.
Dims broadcastStrides(llvm::ArrayRef<int64_t> dims, llvm::ArrayRef<int64_t> out);

/// Visits `dims` in row-major order: f(i, offsets) with offsets[j] the dot product of the index and
/// strides[j].
template <size_t N, typename F>
void walk(llvm::ArrayRef<int64_t> dims, const std::array<Dims, N> &strides, F f) {
  int64_t total = product(dims);
  Dims index(dims.size(), 0);
  std::array<int64_t, N> offsets{};
  for (int64_t i = 0; i < total; ++i) {
    f(i, offsets);
    for (int64_t axis = static_cast<int64_t>(dims.size()) - 1; axis >= 0; --axis) {
      for (size_t j = 0; j < N; ++j)
        offsets[j] += strides[j][axis];
      if (++index[axis] < dims[axis])
        break;
      for (size_t j = 0; j < N; ++j)
        offsets[j] -= strides[j][axis] * dims[axis];
      index[axis] = 0;
    }
  }
}

/// Elements of `x` at base + walk over strides: what transpose, slice and broadcast are.
Tensor gatherStrided(const Tensor &x, llvm::ArrayRef<int64_t> dims, llvm::ArrayRef<int64_t> strides,
                     int64_t base);

/// An index normalised to 0 .. size - 1, or an error that names both.
llvm::Expected<int64_t> checkIndex(const Call &call, int64_t index, int64_t size);

/// A shape seen around one axis: outer x size x inner.
struct AroundAxis {
  int64_t outer, size, inner;
  AroundAxis(llvm::ArrayRef<int64_t> dims, int64_t axis)
      : outer(product(dims.take_front(axis))), size(dims[axis]),
        inner(product(dims.drop_front(axis + 1))) {}
};

//===-- Families ---------------------------------------------------------------------------------//

/// Each evaluates the ops of one file of op definitions and returns nothing for other ops.
std::optional<Results> evaluateElementwise(const Call &call);
std::optional<Results> evaluateShape(const Call &call);
std::optional<Results> evaluateIndexing(const Call &call);
std::optional<Results> evaluateReduce(const Call &call);
std::optional<Results> evaluateModel(const Call &call);
std::optional<Results> evaluateCache(const Call &call);
std::optional<Results> evaluateQuantize(const Call &call);
std::optional<Results> evaluateTransform(const Call &call);
Results evaluateQLinear(const Call &call, qnt::QLinearOp op);
Results evaluateQGather(const Call &call);
Results evaluateResize(const Call &call);
Results evaluateAttention(const Call &call);

/// Code number `i` of packed codes, the low bits of a byte first; signed ones by their sign.
int32_t codeAt(const char *bytes, int64_t i, qnt::Storage storage);

/// What codes stand for before zero point and scale, looked up.
class CodeValues {
public:
  explicit CodeValues(const QTensor &q);
  float operator()(int32_t code) const { return table.empty() ? float(code) : table[code]; }

private:
  std::vector<float> table; ///< of floats and codebooks
};

/// A (logical, dense) matrix of reals behind a tensor or a quantized tensor.
Numbers<float> loadReals(const RtValue &value);

} // namespace qcc::reference
#endif
