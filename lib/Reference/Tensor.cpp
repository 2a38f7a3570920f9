// Tensors of the interpreter and the conversion of their elements.
#include "Detail.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/ADT/APFloat.h"
#include <algorithm>
#include <cstring>

using namespace mlir;
using namespace qcc;
using namespace qcc::reference;

//===-- Element types ----------------------------------------------------------------------------//

namespace {

unsigned bytesOf(Type element) {
  if (element.isIndex())
    return 8;
  return std::max(1u, element.getIntOrFloatBitWidth() / 8);
}

template <typename To, typename From> To bitsAs(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof(To));
  return to;
}

float fromHalf(uint16_t half) {
  uint32_t sign = uint32_t(half & 0x8000) << 16, magnitude = half & 0x7fff;
  if (magnitude >= 0x7c00) // infinity and NaN
    return bitsAs<float>(sign | 0x7f800000u | (magnitude & 0x3ff) << 13);
  if (magnitude < 0x400) // zero and subnormal
    return bitsAs<float>(sign | bitsAs<uint32_t>(float(magnitude) * 0x1p-24f));
  return bitsAs<float>(sign | ((magnitude << 13) + 0x38000000u));
}

uint16_t toHalf(float value) {
  uint32_t bits = bitsAs<uint32_t>(value), magnitude = bits & 0x7fffffff;
  uint16_t sign = bits >> 16 & 0x8000;
  if (magnitude > 0x7f800000)
    return sign | 0x7e00;
  if (magnitude >= 0x477ff000) // 65520 and above round to infinity
    return sign | 0x7c00;
  if (magnitude < 0x38800000)
    return sign | uint16_t(std::nearbyint(bitsAs<float>(magnitude) * 0x1p24f));
  magnitude += 0xfff + (magnitude >> 13 & 1);
  return sign | uint16_t((magnitude - 0x38000000u) >> 13);
}

float fromBrain(uint16_t value) { return bitsAs<float>(uint32_t(value) << 16); }

uint16_t toBrain(float value) {
  uint32_t bits = bitsAs<uint32_t>(value);
  if ((bits & 0x7fffffff) > 0x7f800000)
    return uint16_t(bits >> 16) | 0x40;
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/// A double rounded once to `digits` significant bits with the smallest normal 2^minExponent, so
/// that the further step through float cannot round again.
double roundDigits(double value, int digits, int minExponent) {
  if (!std::isfinite(value) || value == 0)
    return value;
  int exponent;
  std::frexp(value, &exponent);
  double ulp = std::ldexp(1.0, std::max(exponent, minExponent + 1) - digits);
  return std::nearbyint(value / ulp) * ulp;
}

const llvm::fltSemantics &semanticsOf(Type element) {
  return cast<FloatType>(element).getFloatSemantics();
}

double loadSmallFloat(Type element, uint8_t bits) {
  if (isa<Float8E8M0FNUType>(element) && bits == 255)
    return NAN; // which APFloat takes for infinity
  llvm::APFloat value(semanticsOf(element), llvm::APInt(element.getIntOrFloatBitWidth(), bits));
  bool loses;
  value.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven, &loses);
  return value.convertToDouble();
}

uint8_t storeSmallFloat(Type element, double real) {
  if (isa<Float4E2M1FNType>(element) && std::isnan(real))
    return 8; // -0: there is no NaN
  if (isa<Float4E2M1FNType>(element))
    real = std::clamp(real, -6.0, 6.0); // nor infinity
  llvm::APFloat value(real);
  bool loses;
  value.convert(semanticsOf(element), llvm::APFloat::rmNearestTiesToEven, &loses);
  return uint8_t(value.bitcastToAPInt().getZExtValue());
}

template <typename T> T read(const char *bytes, int64_t i) {
  T value;
  std::memcpy(&value, bytes + i * sizeof(T), sizeof(T));
  return value;
}
template <typename T> void write(char *bytes, int64_t i, T value) {
  std::memcpy(bytes + i * sizeof(T), &value, sizeof(T));
}

int64_t loadInteger(Type element, const char *bytes, int64_t i) {
  bool isSigned = !isUnsigned(element);
  switch (bytesOf(element)) {
  case 1:
    return isSigned ? int64_t(read<int8_t>(bytes, i)) : int64_t(read<uint8_t>(bytes, i));
  case 2:
    return isSigned ? int64_t(read<int16_t>(bytes, i)) : int64_t(read<uint16_t>(bytes, i));
  case 4:
    return isSigned ? int64_t(read<int32_t>(bytes, i)) : int64_t(read<uint32_t>(bytes, i));
  default:
    return read<int64_t>(bytes, i);
  }
}

void storeInteger(Type element, char *bytes, int64_t i, int64_t value) {
  if (element.isInteger(1))
    return write<uint8_t>(bytes, i, value != 0);
  unsigned bits = element.isIndex() ? 64 : element.getIntOrFloatBitWidth();
  if (bits < 8) { // one code per byte, extended by its sign
    uint64_t low = uint64_t(value) & ((1u << bits) - 1);
    bool negative = !element.isUnsignedInteger() && (low >> (bits - 1));
    return write<uint8_t>(bytes, i, uint8_t(negative ? low | ~uint64_t((1u << bits) - 1) : low));
  }
  switch (bits) {
  case 8:
    return write<int8_t>(bytes, i, int8_t(value));
  case 16:
    return write<int16_t>(bytes, i, int16_t(value));
  case 32:
    return write<int32_t>(bytes, i, int32_t(value));
  default:
    return write<int64_t>(bytes, i, value);
  }
}

double loadFloat(Type element, const char *bytes, int64_t i) {
  if (element.isF32())
    return read<float>(bytes, i);
  if (element.isF64())
    return read<double>(bytes, i);
  if (element.isF16())
    return fromHalf(read<uint16_t>(bytes, i));
  if (element.isBF16())
    return fromBrain(read<uint16_t>(bytes, i));
  return loadSmallFloat(element, read<uint8_t>(bytes, i));
}

void storeFloat(Type element, char *bytes, int64_t i, double value) {
  if (element.isF32())
    return write<float>(bytes, i, float(value));
  if (element.isF64())
    return write<double>(bytes, i, value);
  if (element.isF16())
    return write<uint16_t>(bytes, i, toHalf(float(roundDigits(value, 11, -14))));
  if (element.isBF16())
    return write<uint16_t>(bytes, i, toBrain(float(roundDigits(value, 8, -126))));
  write<uint8_t>(bytes, i, storeSmallFloat(element, value));
}

} // namespace

Compute reference::computeOf(Type element) {
  if (element.isF64())
    return Compute::Double;
  return isa<FloatType>(element) ? Compute::Float : Compute::Integer;
}

float reference::roundTo(Type type, float value) {
  if (type.isF16())
    return fromHalf(toHalf(value));
  if (type.isBF16())
    return fromBrain(toBrain(value));
  return value;
}

template <typename T> Numbers<T> reference::load(const Tensor &tensor) {
  Numbers<T> numbers;
  numbers.count = tensor.size();
  Type element = tensor.elementType();
  const char *bytes = tensor.data();
  bool same = std::is_same_v<T, float>    ? element.isF32()
              : std::is_same_v<T, double> ? element.isF64()
                                          : element.isInteger(64) || element.isIndex();
  if (same && reinterpret_cast<uintptr_t>(bytes) % alignof(T) == 0) {
    numbers.data = reinterpret_cast<const T *>(bytes);
    return numbers;
  }
  numbers.owned.resize(numbers.count);
  bool real = isa<FloatType>(element), wide = element.isUnsignedInteger(64);
  for (int64_t i = 0; i < numbers.count; ++i)
    if (real)
      numbers.owned[i] = static_cast<T>(loadFloat(element, bytes, i));
    else if (wide && !std::is_same_v<T, int64_t>)
      numbers.owned[i] = static_cast<T>(uint64_t(loadInteger(element, bytes, i)));
    else
      numbers.owned[i] = static_cast<T>(loadInteger(element, bytes, i));
  numbers.data = numbers.owned.data();
  return numbers;
}

template <typename T>
Tensor reference::store(Type element, ArrayRef<int64_t> dims, ArrayRef<T> values) {
  Tensor tensor(element, dims);
  assert(tensor.size() == static_cast<int64_t>(values.size()) && "sizes differ");
  char *bytes = tensor.mutableData();
  for (auto [i, value] : llvm::enumerate(values))
    if (isa<FloatType>(element))
      storeFloat(element, bytes, i, static_cast<double>(value));
    else
      storeInteger(element, bytes, i, static_cast<int64_t>(value));
  return tensor;
}

namespace qcc::reference {
template Numbers<float> load<float>(const Tensor &);
template Numbers<double> load<double>(const Tensor &);
template Numbers<int64_t> load<int64_t>(const Tensor &);
template Tensor store<float>(Type, ArrayRef<int64_t>, ArrayRef<float>);
template Tensor store<double>(Type, ArrayRef<int64_t>, ArrayRef<double>);
template Tensor store<int64_t>(Type, ArrayRef<int64_t>, ArrayRef<int64_t>);
} // namespace qcc::reference

//===-- Tensor -----------------------------------------------------------------------------------//

Tensor::Tensor(Type element, ArrayRef<int64_t> dims) : type(element), shape(dims) {
  auto storage = std::make_shared<std::vector<char>>(std::max<int64_t>(byteSize(), 1));
  bytes = storage->data();
  owner = std::shared_ptr<const void>(storage, storage->data());
}

Tensor Tensor::borrow(Type element, ArrayRef<int64_t> dims, const void *bytes,
                      std::shared_ptr<const void> owner) {
  Tensor tensor;
  tensor.type = element;
  tensor.shape.assign(dims.begin(), dims.end());
  tensor.bytes = static_cast<const char *>(bytes);
  tensor.owner = std::move(owner);
  return tensor;
}

Tensor Tensor::of(Type element, ArrayRef<int64_t> dims, ArrayRef<double> values) {
  return store<double>(element, dims, values);
}

int64_t Tensor::size() const { return product(shape); }
int64_t Tensor::bytesPerElement() const { return bytesOf(type); }

char *Tensor::mutableData() {
  assert(owner && owner.use_count() == 1 && "only the sole owner may write");
  return const_cast<char *>(bytes);
}

Tensor Tensor::withDims(ArrayRef<int64_t> dims) const {
  assert(product(dims) == size() && "a reshape keeps the element count");
  Tensor tensor = *this;
  tensor.shape.assign(dims.begin(), dims.end());
  return tensor;
}

double Tensor::real(int64_t i) const {
  if (isa<FloatType>(type))
    return loadFloat(type, bytes, i);
  int64_t value = loadInteger(type, bytes, i);
  return type.isUnsignedInteger(64) ? double(uint64_t(value)) : double(value);
}

int64_t Tensor::integer(int64_t i) const {
  return isa<FloatType>(type) ? int64_t(loadFloat(type, bytes, i)) : loadInteger(type, bytes, i);
}

llvm::Expected<Tensor> Tensor::fromAttr(ElementsAttr attr) {
  Type element = attr.getElementType();
  Tensor tensor(element, attr.getShapedType().getShape());
  char *bytes = tensor.mutableData();
  if (auto dense = dyn_cast<DenseElementsAttr>(attr)) {
    bool plain = element.isIntOrFloat() && element.getIntOrFloatBitWidth() >= 8;
    if (plain && !dense.isSplat()) {
      if (tensor.byteSize() != 0)
        std::memcpy(bytes, dense.getRawData().data(), tensor.byteSize());
      return tensor;
    }
    if (isa<FloatType>(element)) {
      for (auto [i, value] : llvm::enumerate(dense.getValues<llvm::APFloat>())) {
        uint64_t bits = value.bitcastToAPInt().getZExtValue();
        std::memcpy(bytes + i * tensor.bytesPerElement(), &bits, tensor.bytesPerElement());
      }
      return tensor;
    }
    if (element.isIntOrIndex()) {
      for (auto [i, value] : llvm::enumerate(dense.getValues<llvm::APInt>()))
        storeInteger(element, bytes, i,
                     isUnsigned(element) ? int64_t(value.getZExtValue()) : value.getSExtValue());
      return tensor;
    }
  }
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(attr))
    if (AsmResourceBlob *blob = resource.getRawHandle().getBlob();
        blob && int64_t(blob->getData().size()) == tensor.byteSize()) {
      std::memcpy(bytes, blob->getData().data(), tensor.byteSize());
      return tensor;
    }
  std::string text;
  llvm::raw_string_ostream(text) << "constant has no plain elements of type " << element;
  return makeError(Diag::ElementTypeUnfit, "qnt.constant", text);
}

DenseElementsAttr Tensor::toAttr() const {
  auto attrType = RankedTensorType::get(shape, type);
  if (isa<FloatType>(type) || (type.isIntOrIndex() && bytesPerElement() * 8 == 64) ||
      (type.isInteger() && type.getIntOrFloatBitWidth() >= 8))
    return DenseElementsAttr::getFromRawBuffer(attrType, ArrayRef<char>(bytes, byteSize()));
  unsigned bits = type.getIntOrFloatBitWidth();
  SmallVector<llvm::APInt> values;
  for (int64_t i = 0, e = size(); i < e; ++i)
    values.emplace_back(bits, uint64_t(loadInteger(type, bytes, i)) & ((uint64_t(1) << bits) - 1));
  return DenseElementsAttr::get(attrType, values);
}

//===-- Quantized tensors ------------------------------------------------------------------------//

int64_t QTensor::groupCount() const {
  switch (type.getGranularity()) {
  case qnt::Granularity::tensor:
    return 1;
  case qnt::Granularity::axis:
    return dims[type.getAxis()];
  case qnt::Granularity::token: {
    int64_t perToken = type.getGroup() ? llvm::divideCeil(dims.back(), type.getGroup()) : 1;
    return product(ArrayRef(dims).drop_back()) * perToken;
  }
  case qnt::Granularity::block:
    break;
  }
  Dims grouped(dims);
  grouped[type.getAxis()] = llvm::divideCeil(grouped[type.getAxis()], type.getBlock());
  return product(grouped);
}

int64_t QTensor::group(int64_t i) const {
  if (type.getGranularity() == qnt::Granularity::tensor)
    return 0;
  if (type.getGranularity() == qnt::Granularity::token) {
    if (!type.getGroup())
      return i / dims.back();
    int64_t perToken = llvm::divideCeil(dims.back(), type.getGroup());
    return i / dims.back() * perToken + i % dims.back() / type.getGroup();
  }
  AroundAxis around(dims, type.getAxis());
  int64_t inner = i % around.inner, index = i / around.inner % around.size;
  if (type.getGranularity() == qnt::Granularity::axis)
    return index;
  int64_t outer = i / around.inner / around.size;
  int64_t groups = llvm::divideCeil(around.size, type.getBlock());
  return (outer * groups + index / type.getBlock()) * around.inner + inner;
}

//===-- Walks ------------------------------------------------------------------------------------//

std::string reference::dimsText(ArrayRef<int64_t> dims) {
  std::string text = "[";
  for (int64_t dim : dims)
    text += (text.size() > 1 ? ", " : "") + std::to_string(dim);
  return text + "]";
}

Dims reference::stridesOf(ArrayRef<int64_t> dims) {
  Dims strides(dims.size(), 1);
  for (int64_t axis = static_cast<int64_t>(dims.size()) - 2; axis >= 0; --axis)
    strides[axis] = strides[axis + 1] * dims[axis + 1];
  return strides;
}

Dims reference::broadcastStrides(ArrayRef<int64_t> dims, ArrayRef<int64_t> out) {
  Dims own = stridesOf(dims), strides(out.size(), 0);
  size_t offset = out.size() - dims.size();
  for (size_t axis = 0; axis < dims.size(); ++axis)
    strides[offset + axis] = dims[axis] == 1 ? 0 : own[axis];
  return strides;
}

Tensor reference::gatherStrided(const Tensor &x, ArrayRef<int64_t> dims, ArrayRef<int64_t> strides,
                                int64_t base) {
  Tensor out(x.elementType(), dims);
  char *to = out.mutableData();
  int64_t width = x.bytesPerElement();
  walk<1>(dims, {Dims(strides)}, [&](int64_t i, const std::array<int64_t, 1> &offsets) {
    std::memcpy(to + i * width, x.data() + (base + offsets[0]) * width, width);
  });
  return out;
}

llvm::Expected<int64_t> reference::checkIndex(const Call &call, int64_t index, int64_t size) {
  if (index >= -size && index < size)
    return index < 0 ? index + size : index;
  return call.fail(Diag::IndexOutsideAxis, "index " + std::to_string(index) +
                                               " is outside an axis of size " +
                                               std::to_string(size));
}
