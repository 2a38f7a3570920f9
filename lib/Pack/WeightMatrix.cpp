// Strided tensors and matrices of codes behind recipes.
#include "WeightMatrix.h"
#include "qcc/Kernels/QuantizedLayout.h"
#include "llvm/ADT/STLExtras.h"
#include <cstring>

using namespace mlir;
using namespace qcc;
using namespace qcc::pack;
using namespace qcc::qnt;
using reference::QTensor;
using reference::Tensor;

//===-- Strided tensors --------------------------------------------------------------------------//

static SmallVector<int64_t> denseStrides(ArrayRef<int64_t> dims) {
  SmallVector<int64_t> strides(dims.size(), 1);
  for (size_t i = dims.size(); i > 1; --i)
    strides[i - 2] = strides[i - 1] * dims[i - 1];
  return strides;
}

StridedView StridedView::of(const Tensor &tensor) {
  StridedView view;
  view.data = tensor.data();
  view.stored = view.element = tensor.elementType();
  view.dims.assign(tensor.dims().begin(), tensor.dims().end());
  view.strides = denseStrides(view.dims);
  // A copy of the tensor keeps its bytes alive.
  view.owner = std::make_shared<Tensor>(tensor);
  return view;
}

int64_t StridedView::size() const {
  int64_t count = 1;
  for (int64_t dim : dims)
    count *= dim;
  return count;
}

int64_t StridedView::storedBytes() const {
  return std::max<int64_t>(1, stored.isIntOrFloat() ? stored.getIntOrFloatBitWidth() / 8 : 8);
}

bool StridedView::isDense() const {
  int64_t expected = 1;
  for (size_t i = dims.size(); i-- > 0;) {
    if (dims[i] != 1 && strides[i] != expected)
      return false;
    expected *= dims[i];
  }
  return true;
}

bool StridedView::isFloat() const { return stored.isF32() || stored.isF16() || stored.isBF16(); }

static float loadFloat(const char *data, int64_t index, Type stored) {
  if (stored.isF32()) {
    float value;
    std::memcpy(&value, data + index * 4, 4);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, data + index * 2, 2);
  return stored.isF16() ? floatFromHalf(bits) : floatFromBfloat(bits);
}

/// Calls f(position, offset, count, stride) for each run along the last axis within [first, last).
template <typename F>
static void forRuns(const StridedView &view, int64_t first, int64_t last, F f) {
  int64_t width = view.dims.empty() ? 1 : view.dims.back();
  int64_t stride = view.strides.empty() ? 1 : view.strides.back();
  for (int64_t at = first; at < last;) {
    int64_t column = at % width, rest = at / width, offset = column * stride;
    for (size_t i = view.dims.size(); i > 1; --i) {
      offset += rest % view.dims[i - 2] * view.strides[i - 2];
      rest /= view.dims[i - 2];
    }
    int64_t count = std::min(width - column, last - at);
    f(at - first, offset, count, stride);
    at += count;
  }
}

template <size_t Bytes>
static void copyRun(const char *from, int64_t count, int64_t stride, char *to) {
  if (stride == 1)
    return void(std::memcpy(to, from, count * Bytes));
  for (int64_t i = 0; i < count; ++i)
    std::memcpy(to + i * Bytes, from + i * stride * static_cast<int64_t>(Bytes), Bytes);
}

void StridedView::copyTo(int64_t first, int64_t last, char *out) const {
  int64_t bytes = storedBytes();
  forRuns(*this, first, last, [&](int64_t at, int64_t offset, int64_t count, int64_t stride) {
    if (stored != element) {
      for (int64_t i = 0; i < count; ++i) {
        float value = loadFloat(data, offset + i * stride, stored);
        std::memcpy(out + (at + i) * 4, &value, 4);
      }
      return;
    }
    const char *from = data + offset * bytes;
    char *to = out + at * bytes;
    switch (bytes) {
    case 1:
      return copyRun<1>(from, count, stride, to);
    case 2:
      return copyRun<2>(from, count, stride, to);
    case 4:
      return copyRun<4>(from, count, stride, to);
    default:
      return copyRun<8>(from, count, stride, to);
    }
  });
}

Tensor StridedView::toTensor() const {
  if (stored == element && isDense())
    return Tensor::borrow(element, dims, data, owner);
  Tensor tensor(element, dims);
  copyTo(0, size(), tensor.mutableData());
  return tensor;
}

//===-- Rows -------------------------------------------------------------------------------------//

void FloatRows::read(int64_t first, int64_t last, float *out) const {
  int64_t k = columns(), ns = view.strides[0], ks = view.strides[1];
  if (view.stored.isF32() && ks == 1) {
    for (int64_t n = first; n < last; ++n)
      std::memcpy(out + (n - first) * k, view.data + n * ns * 4, k * 4);
    return;
  }
  // Tiles keep both sides in cache where the matrix is stored transposed.
  constexpr int64_t tile = 16;
  for (int64_t k0 = 0; k0 < k; k0 += tile)
    for (int64_t n = first; n < last; ++n)
      for (int64_t i = k0; i < std::min(k, k0 + tile); ++i)
        out[(n - first) * k + i] = loadFloat(view.data, n * ns + i * ks, view.stored);
}

bool pack::isByRows(QType type) {
  if (dimsOf(type).size() != 2 || type.getBits() > 8)
    return false;
  return (type.getGranularity() == Granularity::axis && type.getAxis() == 0) ||
         (type.getGranularity() == Granularity::block && type.getAxis() == 1);
}

CodeRows::CodeRows(QType type, int64_t rows, int64_t columns)
    : type(type), rows(rows), columns(columns), blocks(blocksOf(type, columns)) {}

int64_t CodeRows::blocksOf(QType type, int64_t columns) {
  return type.getGranularity() == Granularity::block ? llvm::divideCeil(columns, type.getBlock())
                                                     : 1;
}

ScaleFormat pack::scaleFormat(Type type) {
  return type.isF16() ? ScaleFormat::F16 : type.isBF16() ? ScaleFormat::BF16 : ScaleFormat::F32;
}

void pack::appendScales(ScaleFormat format, ArrayRef<float> scales, std::vector<uint8_t> &out) {
  auto append = [&](const void *bytes, size_t count) {
    const auto *from = static_cast<const uint8_t *>(bytes);
    out.insert(out.end(), from, from + count);
  };
  if (format == ScaleFormat::F32)
    return append(scales.data(), scales.size() * 4);
  for (float scale : scales) {
    uint16_t bits = format == ScaleFormat::F16 ? halfFromFloat(scale) : bfloatFromFloat(scale);
    append(&bits, 2);
  }
}

namespace {

class QuantizedRows : public CodeRows {
public:
  QuantizedRows(QType type, StridedView view)
      : CodeRows(type, view.dims[0], view.dims[1]), source(std::move(view)) {
    scheme.bits = static_cast<int>(type.getBits());
    scheme.isUnsigned = isUnsignedStorage(type.getStorage());
    scheme.zeroPoint = static_cast<bool>(type.getZero());
    scheme.scale = scaleFormat(type.getScale());
    scheme.block = type.getGranularity() == Granularity::block ? type.getBlock() : 0;
  }
  void read(int64_t first, int64_t last, uint8_t *codes, float *scales,
            int8_t *zeros) const override {
    std::vector<float> dense((last - first) * columns);
    source.read(first, last, dense.data());
    RowParts parts;
    parts.codes = codes;
    parts.scales = scales;
    parts.zeros = zeros;
    encodeRows(scheme, dense.data(), last - first, columns, parts);
  }

private:
  FloatRows source;
  WeightFormat scheme;
};

class TensorRows : public CodeRows {
public:
  TensorRows(QType type, std::shared_ptr<const QTensor> tensor)
      : CodeRows(type, tensor->dims[0], tensor->dims[1]), tensor(std::move(tensor)) {}
  void read(int64_t first, int64_t last, uint8_t *codes, float *scales,
            int8_t *zeros) const override {
    for (int64_t i = first * columns; i < last * columns; ++i)
      codes[i - first * columns] = static_cast<uint8_t>(tensor->codes[i]);
    for (int64_t i = first * blocks; i < last * blocks; ++i) {
      scales[i - first * blocks] = tensor->scales[i];
      if (zeros)
        zeros[i - first * blocks] = static_cast<int8_t>(static_cast<int32_t>(tensor->zeros[i]));
    }
  }

private:
  std::shared_ptr<const QTensor> tensor;
};

class AssembledRows : public CodeRows {
public:
  AssembledRows(QType type, StridedView carrier, std::vector<float> scales,
                std::vector<int8_t> zeros)
      : CodeRows(type, *dimsOf(type)[0].constantValue(), *dimsOf(type)[1].constantValue()),
        carrier(std::move(carrier)), scales(std::move(scales)), zeros(std::move(zeros)) {}
  void read(int64_t first, int64_t last, uint8_t *codes, float *scalesOut,
            int8_t *zerosOut) const override {
    readCodes(first * columns, last * columns, codes);
    std::copy(&scales[first * blocks], &scales[0] + last * blocks, scalesOut);
    if (zerosOut)
      std::copy(&zeros[first * blocks], &zeros[0] + last * blocks, zerosOut);
  }

private:
  void readCodes(int64_t first, int64_t last, uint8_t *codes) const {
    unsigned bits = type.getBits();
    if (carrier.size() == rows * columns) {
      carrier.copyTo(first, last, reinterpret_cast<char *>(codes));
    } else {
      int64_t from = first * bits / 8;
      std::vector<char> bytes((last * bits + 7) / 8 - from);
      carrier.copyTo(from, from + bytes.size(), bytes.data());
      for (int64_t i = first; i < last; ++i)
        codes[i - first] = static_cast<uint8_t>(bytes[i * bits / 8 - from]) >> (i * bits % 8);
    }
    signExtend(codes, last - first);
  }
  /// The low bits count; signed codes fill the byte with their sign.
  void signExtend(uint8_t *codes, int64_t count) const {
    unsigned spare = 8 - type.getBits();
    if (!spare)
      return;
    bool isUnsigned = isUnsignedStorage(type.getStorage());
    for (int64_t i = 0; i < count; ++i) {
      auto high = static_cast<uint8_t>(codes[i] << spare);
      codes[i] =
          isUnsigned ? high >> spare : static_cast<uint8_t>(static_cast<int8_t>(high) >> spare);
    }
  }

  StridedView carrier;
  std::vector<float> scales;
  std::vector<int8_t> zeros;
};

class LogicalRows : public CodeRows {
public:
  LogicalRows(QType type, const char *bytes, std::shared_ptr<const void> owner)
      : CodeRows(type, *dimsOf(type)[0].constantValue(), *dimsOf(type)[1].constantValue()),
        bytes(bytes), owner(std::move(owner)) {
    QuantizedLayout layout = layoutOf(type);
    rowBytes = *layout.rowBytes.constantValue();
    scalesAt = *layout.scales.constantValue();
    zerosAt = *layout.extra.constantValue();
  }
  void read(int64_t first, int64_t last, uint8_t *codes, float *scales,
            int8_t *zeros) const override {
    for (int64_t row = first; row < last; ++row)
      readRow(bytes + row * rowBytes, codes + (row - first) * columns);
    int64_t from = first * blocks, count = (last - first) * blocks;
    for (int64_t i = 0; i < count; ++i)
      scales[i] = loadFloat(bytes + scalesAt, from + i, type.getScale());
    if (zeros)
      std::memcpy(zeros, bytes + zerosAt + from, count);
  }

private:
  void readRow(const char *row, uint8_t *codes) const {
    unsigned bits = type.getBits(), spare = 8 - bits;
    if (!spare)
      return void(std::memcpy(codes, row, columns));
    bool isUnsigned = isUnsignedStorage(type.getStorage());
    for (int64_t i = 0; i < columns; ++i) {
      auto high =
          static_cast<uint8_t>(static_cast<uint8_t>(row[i * bits / 8]) >> (i * bits % 8) << spare);
      codes[i] =
          isUnsigned ? high >> spare : static_cast<uint8_t>(static_cast<int8_t>(high) >> spare);
    }
  }

  const char *bytes;
  std::shared_ptr<const void> owner;
  int64_t rowBytes, scalesAt, zerosAt;
};

} // namespace

std::unique_ptr<CodeRows> pack::quantizedRows(QType type, StridedView view) {
  if (!isByRows(type) || !view.isFloat() || (type.getZero() && !type.getZero().isInteger()))
    return nullptr;
  return std::make_unique<QuantizedRows>(type, std::move(view));
}

std::unique_ptr<CodeRows> pack::tensorRows(std::shared_ptr<const QTensor> tensor) {
  QType type = tensor->type;
  if (tensor->reals || !isByRows(type) || (type.getZero() && !type.getZero().isInteger()))
    return nullptr;
  return std::make_unique<TensorRows>(type, std::move(tensor));
}

std::shared_ptr<const CodeRows> pack::assembledRows(QType type, const StridedView &codes,
                                                    const StridedView &scales,
                                                    const StridedView *zeros) {
  if (!isByRows(type) || codes.stored != codes.element || codes.storedBytes() != 1 ||
      isa<FloatType>(codes.stored) || !scales.isFloat())
    return nullptr;
  int64_t n = *dimsOf(type)[0].constantValue(), k = *dimsOf(type)[1].constantValue();
  int64_t bits = type.getBits(), groups = CodeRows::blocksOf(type, k) * n;
  bool isPacked = codes.size() != n * k;
  if (scales.size() != groups ||
      (isPacked && (bits >= 8 || codes.size() != (n * k * bits + 7) / 8)))
    return nullptr;
  std::vector<float> scaleValues(groups);
  std::vector<int8_t> zeroValues(zeros ? groups : 0);
  StridedView wide = scales;
  wide.element = Float32Type::get(type.getContext());
  wide.copyTo(0, groups, reinterpret_cast<char *>(scaleValues.data()));
  if (zeros) {
    if (zeros->storedBytes() != 1 || isa<FloatType>(zeros->stored) || zeros->size() != groups)
      return nullptr;
    zeros->copyTo(0, groups, reinterpret_cast<char *>(zeroValues.data()));
    for (int8_t &zero : zeroValues) {
      auto high = static_cast<uint8_t>(static_cast<uint8_t>(zero) << (8 - bits));
      zero = static_cast<int8_t>(isUnsignedStorage(type.getStorage())
                                     ? high >> (8 - bits)
                                     : static_cast<int8_t>(high) >> (8 - bits));
    }
  }
  return std::make_shared<AssembledRows>(type, codes, std::move(scaleValues),
                                         std::move(zeroValues));
}

std::shared_ptr<const QTensor> pack::toQTensor(const CodeRows &rows) {
  auto tensor = std::make_shared<QTensor>();
  tensor->type = rows.type;
  tensor->dims = {rows.rows, rows.columns};
  std::vector<uint8_t> codes(rows.rows * rows.columns);
  std::vector<int8_t> zeros(rows.type.getZero() ? rows.rows * rows.blocks : 0);
  tensor->scales.resize(rows.rows * rows.blocks);
  rows.read(0, rows.rows, codes.data(), tensor->scales.data(),
            zeros.empty() ? nullptr : zeros.data());
  bool isUnsigned = isUnsignedStorage(rows.type.getStorage());
  for (uint8_t code : codes)
    tensor->codes.push_back(isUnsigned ? int32_t(code) : int32_t(static_cast<int8_t>(code)));
  for (int8_t zero : zeros)
    tensor->zeros.push_back(isUnsigned ? float(static_cast<uint8_t>(zero)) : float(zero));
  return tensor;
}

std::shared_ptr<const CodeRows> pack::logicalRows(QType type, const char *bytes,
                                                  std::shared_ptr<const void> owner) {
  if (!isByRows(type) || type.getLayout() != Layout::logical)
    return nullptr;
  return std::make_shared<LogicalRows>(type, bytes, std::move(owner));
}
