// Element types, their conversions, and tensors that own their bytes.
#include "qcc/Data/HostTensor.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/bit.h"
#include <cassert>
#include <cmath>
#include <cstring>
#include <limits>

using namespace qcc::data;

namespace {
struct TypeRow {
  uint32_t dtype;
  const char *name;
  unsigned size;
};
constexpr TypeRow types[] = {{QCC_F32, "f32", 4},
                             {QCC_U8, "u8", 1},
                             {QCC_I8, "i8", 1},
                             {QCC_U16, "u16", 2},
                             {QCC_I16, "i16", 2},
                             {QCC_I32, "i32", 4},
                             {QCC_I64, "i64", 8},
                             {QCC_BOOL, "bool", 1},
                             {QCC_F16, "f16", 2},
                             {QCC_F64, "f64", 8},
                             {QCC_U32, "u32", 4},
                             {QCC_U64, "u64", 8},
                             {QCC_BF16, "bf16", 2},
                             {QCC_F8E4M3FN, "f8e4m3fn", 1},
                             {QCC_F8E4M3FNUZ, "f8e4m3fnuz", 1},
                             {QCC_F8E5M2, "f8e5m2", 1},
                             {QCC_F8E5M2FNUZ, "f8e5m2fnuz", 1},
                             {QCC_F8E8M0, "f8e8m0", 1}};
constexpr int64_t maxElements = int64_t(1) << 40;

const TypeRow *findType(uint32_t dtype) {
  for (const TypeRow &row : types)
    if (row.dtype == dtype)
      return &row;
  return nullptr;
}

/// The format of an 8-bit float, or null.
const llvm::fltSemantics *smallFloat(uint32_t dtype) {
  switch (dtype) {
  case QCC_F8E4M3FN:
    return &llvm::APFloat::Float8E4M3FN();
  case QCC_F8E4M3FNUZ:
    return &llvm::APFloat::Float8E4M3FNUZ();
  case QCC_F8E5M2:
    return &llvm::APFloat::Float8E5M2();
  case QCC_F8E5M2FNUZ:
    return &llvm::APFloat::Float8E5M2FNUZ();
  case QCC_F8E8M0:
    return &llvm::APFloat::Float8E8M0FNU();
  default:
    return nullptr;
  }
}

double smallToNumber(const llvm::fltSemantics &format, uint8_t bits) {
  if (&format == &llvm::APFloat::Float8E8M0FNU() && bits == 255)
    return std::numeric_limits<double>::quiet_NaN(); // which APFloat takes for infinity
  llvm::APFloat value(format, llvm::APInt(8, bits));
  bool loses;
  value.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven, &loses);
  return value.convertToDouble();
}

uint8_t numberToSmall(const llvm::fltSemantics &format, double number) {
  llvm::APFloat value(number);
  bool loses;
  value.convert(format, llvm::APFloat::rmNearestTiesToEven, &loses);
  return static_cast<uint8_t>(value.bitcastToAPInt().getZExtValue());
}

/// Truncates towards zero and clamps; NaN becomes 0.
template <typename T> T toInteger(double value) {
  if (std::isnan(value))
    return 0;
  // 2^digits is exact as a double, the largest T may not be.
  double limit = std::ldexp(1.0, std::numeric_limits<T>::digits);
  if (value >= limit)
    return std::numeric_limits<T>::max();
  if (value <= static_cast<double>(std::numeric_limits<T>::min()))
    return std::numeric_limits<T>::min();
  return static_cast<T>(value);
}
} // namespace

unsigned qcc::data::dtypeSize(uint32_t dtype) {
  const TypeRow *row = findType(dtype);
  return row ? row->size : 0;
}

llvm::StringRef qcc::data::dtypeName(uint32_t dtype) {
  const TypeRow *row = findType(dtype);
  return row ? row->name : "unknown type";
}

std::optional<uint32_t> qcc::data::dtypeFromName(llvm::StringRef name) {
  for (const TypeRow &row : types)
    if (name == row.name)
      return row.dtype;
  return std::nullopt;
}

bool qcc::data::isFloatType(uint32_t dtype) {
  return dtype == QCC_F32 || dtype == QCC_F16 || dtype == QCC_BF16 || dtype == QCC_F64 ||
         smallFloat(dtype);
}

float qcc::data::halfToFloat(uint16_t bits) {
  uint32_t sign = uint32_t(bits & 0x8000) << 16, exponent = (bits >> 10) & 31;
  uint32_t mantissa = bits & 0x3ff;
  if (exponent == 31)
    return llvm::bit_cast<float>(sign | 0x7f800000u | mantissa << 13);
  if (exponent != 0)
    return llvm::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
  float tiny = std::ldexp(static_cast<float>(mantissa), -24);
  return sign ? -tiny : tiny;
}

uint16_t qcc::data::floatToHalf(float value) {
  uint32_t bits = llvm::bit_cast<uint32_t>(value);
  uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000)
    return sign | 0x7e00;
  if (magnitude >= 0x477ff000) // 65520 and above round to infinity
    return sign | 0x7c00;
  if (magnitude < 0x38800000) { // subnormal: count steps of 2^-24, rounding to even
    float steps = std::ldexp(llvm::bit_cast<float>(magnitude), 24);
    return sign | static_cast<uint16_t>(std::nearbyint(steps));
  }
  uint32_t odd = magnitude >> 13 & 1;
  return sign | static_cast<uint16_t>((magnitude - 0x38000000 + 0xfff + odd) >> 13);
}

float qcc::data::bfloatToFloat(uint16_t bits) {
  return llvm::bit_cast<float>(uint32_t(bits) << 16);
}

uint16_t qcc::data::floatToBfloat(float value) {
  uint32_t bits = llvm::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffff) > 0x7f800000)
    return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

std::optional<int64_t> qcc::data::countElements(llvm::ArrayRef<int64_t> dims) {
  int64_t count = 1;
  bool empty = false;
  for (int64_t dim : dims) {
    if (dim < 0 || dim > maxElements)
      return std::nullopt;
    if (dim == 0) {
      empty = true;
      continue;
    }
    if (count > maxElements / dim)
      return std::nullopt;
    count *= dim;
  }
  return empty ? 0 : count;
}

std::string qcc::data::dimsToString(llvm::ArrayRef<int64_t> dims) {
  if (dims.empty())
    return "scalar";
  std::string text;
  for (int64_t dim : dims)
    text += (text.empty() ? "" : "x") + std::to_string(dim);
  return text;
}

HostTensor::HostTensor(uint32_t dtype, std::vector<int64_t> dims)
    : type(dtype), shape(std::move(dims)) {
  std::optional<int64_t> count = countElements(shape);
  assert(count && dtypeSize(dtype) && "dims and type are checked where they come from");
  elements = *count;
  size_t padded = (bytes() + 64) / 64 * 64;
  memory.reset(static_cast<uint8_t *>(std::aligned_alloc(64, padded)));
  if (!memory)
    llvm::report_bad_alloc_error("a tensor does not fit in memory");
  std::memset(memory.get(), 0, padded);
}

HostTensor HostTensor::clone() const {
  HostTensor copy(type, shape);
  if (bytes())
    std::memcpy(copy.data(), data(), bytes());
  return copy;
}

double HostTensor::number(int64_t i) const {
  if (const llvm::fltSemantics *format = smallFloat(type))
    return smallToNumber(*format, data()[i]);
  switch (type) {
  case QCC_F32:
    return as<float>()[i];
  case QCC_F64:
    return as<double>()[i];
  case QCC_F16:
    return halfToFloat(as<uint16_t>()[i]);
  case QCC_BF16:
    return bfloatToFloat(as<uint16_t>()[i]);
  case QCC_U64:
    return static_cast<double>(as<uint64_t>()[i]);
  default:
    return static_cast<double>(integer(i));
  }
}

int64_t HostTensor::integer(int64_t i) const {
  switch (type) {
  case QCC_U8:
  case QCC_BOOL:
    return as<uint8_t>()[i];
  case QCC_I8:
    return as<int8_t>()[i];
  case QCC_U16:
    return as<uint16_t>()[i];
  case QCC_I16:
    return as<int16_t>()[i];
  case QCC_I32:
    return as<int32_t>()[i];
  case QCC_U32:
    return as<uint32_t>()[i];
  case QCC_I64:
  case QCC_U64:
    return as<int64_t>()[i];
  default:
    return toInteger<int64_t>(number(i));
  }
}

void HostTensor::setNumber(int64_t i, double value) {
  if (const llvm::fltSemantics *format = smallFloat(type))
    data()[i] = numberToSmall(*format, value);
  switch (type) {
  case QCC_F32:
    as<float>()[i] = static_cast<float>(value);
    break;
  case QCC_F64:
    as<double>()[i] = value;
    break;
  case QCC_F16:
    as<uint16_t>()[i] = floatToHalf(static_cast<float>(value));
    break;
  case QCC_BF16:
    as<uint16_t>()[i] = floatToBfloat(static_cast<float>(value));
    break;
  case QCC_BOOL:
    as<uint8_t>()[i] = value != 0;
    break;
  case QCC_U8:
    as<uint8_t>()[i] = toInteger<uint8_t>(value);
    break;
  case QCC_I8:
    as<int8_t>()[i] = toInteger<int8_t>(value);
    break;
  case QCC_U16:
    as<uint16_t>()[i] = toInteger<uint16_t>(value);
    break;
  case QCC_I16:
    as<int16_t>()[i] = toInteger<int16_t>(value);
    break;
  case QCC_I32:
    as<int32_t>()[i] = toInteger<int32_t>(value);
    break;
  case QCC_U32:
    as<uint32_t>()[i] = toInteger<uint32_t>(value);
    break;
  case QCC_I64:
    as<int64_t>()[i] = toInteger<int64_t>(value);
    break;
  case QCC_U64:
    as<uint64_t>()[i] = toInteger<uint64_t>(value);
    break;
  }
}

std::vector<double> HostTensor::numbers() const {
  std::vector<double> values(count());
  for (int64_t i = 0; i < count(); ++i)
    values[i] = number(i);
  return values;
}

HostTensor HostTensor::rows(int64_t begin, int64_t end) const {
  assert(rank() >= 1 && begin >= 0 && begin <= end && end <= shape[0]);
  std::vector<int64_t> dims = shape;
  dims[0] = end - begin;
  HostTensor part(type, std::move(dims));
  size_t rowBytes = shape[0] ? bytes() / shape[0] : 0;
  if (part.bytes())
    std::memcpy(part.data(), data() + begin * rowBytes, part.bytes());
  return part;
}

HostTensor HostTensor::prefix(int64_t axis, int64_t length) const {
  assert(axis < rank() && length >= 0 && length <= shape[axis]);
  std::vector<int64_t> dims = shape;
  dims[axis] = length;
  HostTensor part(type, std::move(dims));
  if (!part.bytes())
    return part;
  size_t inner = dtypeSize(type), outer = 1;
  for (int64_t i = 0; i < axis; ++i)
    outer *= shape[i];
  for (int64_t i = axis + 1; i < rank(); ++i)
    inner *= shape[i];
  for (size_t i = 0; i < outer; ++i)
    std::memcpy(part.data() + i * length * inner, data() + i * shape[axis] * inner, length * inner);
  return part;
}

HostTensor HostTensor::reshaped(std::vector<int64_t> dims) && {
  assert(countElements(dims) == elements);
  HostTensor result = std::move(*this);
  result.shape = std::move(dims);
  return result;
}

HostTensor HostTensor::cast(uint32_t dtype) const {
  if (dtype == type)
    return clone();
  HostTensor result(dtype, shape);
  bool integers = !isFloatType(dtype) && !isFloatType(type);
  for (int64_t i = 0; i < count(); ++i) {
    if (integers && dtypeSize(dtype) == 8)
      result.as<int64_t>()[i] = integer(i);
    else
      result.setNumber(i, number(i));
  }
  return result;
}

std::optional<HostTensor> qcc::data::concatenate(llvm::ArrayRef<HostTensor> parts) {
  if (parts.empty() || parts.front().rank() == 0)
    return std::nullopt;
  std::vector<int64_t> dims = parts.front().dims().vec();
  dims[0] = 0;
  for (const HostTensor &part : parts) {
    if (part.dtype() != parts.front().dtype() ||
        part.dims().drop_front() != parts.front().dims().drop_front())
      return std::nullopt;
    dims[0] += part.dims()[0];
  }
  if (!countElements(dims))
    return std::nullopt;
  HostTensor whole(parts.front().dtype(), std::move(dims));
  uint8_t *to = whole.data();
  for (const HostTensor &part : parts) {
    if (part.bytes())
      std::memcpy(to, part.data(), part.bytes());
    to += part.bytes();
  }
  return whole;
}
