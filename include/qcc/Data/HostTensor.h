// A dense tensor in host memory: what data files hold and what a run takes and gives.
#ifndef QCC_DATA_HOSTTENSOR_H
#define QCC_DATA_HOSTTENSOR_H

#include "qcc/model.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace qcc::data {

/// Bytes of an element of a qcc_dtype; 0 for numbers that no HostTensor can have.
unsigned dtypeSize(uint32_t dtype);
/// "f32", "i64", "bool", …
llvm::StringRef dtypeName(uint32_t dtype);
/// The inverse of dtypeName.
std::optional<uint32_t> dtypeFromName(llvm::StringRef name);
bool isFloatType(uint32_t dtype);

float halfToFloat(uint16_t bits);
/// Rounds to nearest, ties to even; overflow becomes infinity.
uint16_t floatToHalf(float value);
float bfloatToFloat(uint16_t bits);
uint16_t floatToBfloat(float value);

/// Product of non-negative dims, or nothing when it exceeds 2^40 or a dim is negative.
std::optional<int64_t> countElements(llvm::ArrayRef<int64_t> dims);
/// "2x9x64"; "scalar" for rank 0.
std::string dimsToString(llvm::ArrayRef<int64_t> dims);

/// Dense, row-major, 64-byte aligned, zeroed when made; owns its bytes. The type is one of
/// qcc_dtype. Movable, not copyable by accident: clone() copies.
class HostTensor {
public:
  HostTensor() = default;
  /// `dims` must have a count (countElements) and `dtype` a size.
  HostTensor(uint32_t dtype, std::vector<int64_t> dims);
  HostTensor(HostTensor &&) = default;
  HostTensor &operator=(HostTensor &&) = default;

  HostTensor clone() const;

  uint32_t dtype() const { return type; }
  llvm::ArrayRef<int64_t> dims() const { return shape; }
  int64_t rank() const { return static_cast<int64_t>(shape.size()); }
  int64_t count() const { return elements; }
  size_t bytes() const { return static_cast<size_t>(elements) * dtypeSize(type); }
  uint8_t *data() { return memory.get(); }
  const uint8_t *data() const { return memory.get(); }
  template <typename T> T *as() { return reinterpret_cast<T *>(memory.get()); }
  template <typename T> const T *as() const { return reinterpret_cast<const T *>(memory.get()); }

  /// Element `index` (row-major) as a number. Integers beyond 2^53 lose their low bits.
  double number(int64_t index) const;
  /// Stores `value` rounded to the type: to even for floats, towards zero and clamped for integers.
  void setNumber(int64_t index, double value);
  /// The bits of an integer element, sign-extended.
  int64_t integer(int64_t index) const;
  /// All elements, widened.
  std::vector<double> numbers() const;
  /// Rows [begin, end) of the leading axis as a tensor of its own.
  HostTensor rows(int64_t begin, int64_t end) const;
  /// Keeps the first `length` positions of `axis`.
  HostTensor prefix(int64_t axis, int64_t length) const;
  /// The same bytes under other dims of equal count.
  HostTensor reshaped(std::vector<int64_t> dims) &&;
  /// Converted element by element.
  HostTensor cast(uint32_t dtype) const;

private:
  struct Free {
    void operator()(uint8_t *pointer) const { std::free(pointer); }
  };
  uint32_t type = QCC_F32;
  std::vector<int64_t> shape = {0};
  int64_t elements = 0;
  std::unique_ptr<uint8_t, Free> memory;
};

struct NamedTensor {
  std::string name;
  HostTensor tensor;
};

/// `parts` one behind the other along axis 0; nothing where there are none, or types or other axes
/// differ, or there is no axis.
std::optional<HostTensor> concatenate(llvm::ArrayRef<HostTensor> parts);

} // namespace qcc::data
#endif
