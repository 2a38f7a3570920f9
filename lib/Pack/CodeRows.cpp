// Matrices of codes: chosen, stored, assembled; see CodeRows.h.
#include "CodeRows.h"
#include "qcc/Kernels/QuantizedLayout.h"
#include "llvm/ADT/STLExtras.h"
#include <cstring>

using namespace mlir;
using namespace qcc;
using namespace qcc::pack;
using namespace qcc::qnt;
using reference::QTensor;
using reference::Tensor;

CodeRows::CodeRows(QType type, int64_t rows, int64_t columns)
    : type(type), rows(rows), columns(columns), blocks(blocksOf(type, columns)) {}

int64_t CodeRows::blocksOf(QType type, int64_t columns) {
  return type.getGranularity() == Granularity::block ? llvm::divideCeil(columns, type.getBlock())
                                                     : 1;
}

bool CodeRows::hasRealZeros() const { return isa_and_nonnull<FloatType>(type.getZero()); }

RowRun::RowRun(const CodeRows &rows, int64_t first, int64_t last) {
  int64_t count = last - first, groups = count * rows.blocks;
  RowBuffers out;
  codes.resize(count * rows.columns);
  out.codes = codes.data();
  scales.resize(groups);
  out.scales = scales.data();
  if (rows.hasRealZeros()) {
    realZeros.resize(groups);
    out.realZeros = realZeros.data();
  } else if (rows.type.getZero()) {
    zeros.resize(groups);
    out.zeros = zeros.data();
  }
  if (rows.type.getSuper()) {
    scaleCodes.resize(groups);
    out.scaleCodes = scaleCodes.data();
    supers.resize(count);
    out.supers = supers.data();
  }
  rows.read(first, last, out);
}

namespace {

bool oneScale(QType type) { return type.getGranularity() == Granularity::tensor; }

//===-- Chosen while they are read ---------------------------------------------------------------//

class QuantizedRows : public CodeRows {
public:
  QuantizedRows(QType type, StridedView view, WeightFormat chosen)
      : CodeRows(type, view.dims[0], view.dims[1]), source(std::move(view)),
        format(std::move(chosen)) {
    bool learns = type.getCodebook() && type.getCodebook().isLearned();
    if (learns || oneScale(type))
      lookAtAll();
    if (type.getCodebook()) {
      table = format.table;
      table.resize(size_t(1) << type.getBits());
    }
  }
  void read(int64_t first, int64_t last, const RowBuffers &out) const override {
    std::vector<float> dense((last - first) * columns);
    source.read(first, last, dense.data());
    if (!oneScale(type))
      return encodeRows(format, dense.data(), last - first, columns, out);
    if (out.codes)
      Coder(format).nearest(dense.data(), static_cast<int64_t>(dense.size()), grid, out.codes);
    for (int64_t i = 0; i < last - first; ++i) {
      if (out.scales)
        out.scales[i] = grid.scale;
      if (out.zeros)
        out.zeros[i] = static_cast<int8_t>(static_cast<int32_t>(grid.zero));
    }
  }

private:
  /// What the whole tensor shares: a learned table, one scale.
  void lookAtAll() {
    std::vector<float> dense(rows * columns);
    source.read(0, rows, dense.data());
    int64_t runs = oneScale(type) ? 1 : rows, length = oneScale(type) ? rows * columns : columns;
    if (type.getCodebook() && type.getCodebook().isLearned())
      format.table = learnTable(format, dense.data(), runs, length);
    if (oneScale(type))
      grid = gridFor(format, dense.data(), length);
  }

  FloatRows source;
  WeightFormat format;
  Grid grid;
};

//===-- As the interpreter made them -------------------------------------------------------------//

class TensorRows : public CodeRows {
public:
  TensorRows(QType type, std::shared_ptr<const QTensor> made)
      : CodeRows(type, made->dims[0], made->dims[1]), tensor(std::move(made)) {
    table = tensor->table;
  }
  void read(int64_t first, int64_t last, const RowBuffers &out) const override {
    for (int64_t i = first * columns; out.codes && i < last * columns; ++i)
      out.codes[i - first * columns] = static_cast<uint8_t>(tensor->codes[i]);
    for (int64_t i = first * blocks; i < last * blocks; ++i) {
      int64_t to = i - first * blocks, from = oneScale(type) ? 0 : i;
      if (out.scales)
        out.scales[to] = tensor->scales[from];
      if (out.zeros)
        out.zeros[to] = static_cast<int8_t>(static_cast<int32_t>(tensor->zeros[from]));
      if (out.realZeros)
        out.realZeros[to] = tensor->zeros[from];
      if (out.scaleCodes)
        out.scaleCodes[to] = tensor->scaleCodes[from];
    }
    if (out.supers)
      std::copy_n(&tensor->supers[first], last - first, out.supers);
  }

private:
  std::shared_ptr<const QTensor> tensor;
};

//===-- Put together from parts ------------------------------------------------------------------//

/// Scales and zero points, one per row where they are one per tensor.
struct Groups {
  std::vector<float> scales, realZeros, supers;
  std::vector<int8_t> zeros;
  std::vector<uint8_t> scaleCodes;
};

/// Codes from bytes; everything else is at hand.
class PartRows : public CodeRows {
public:
  PartRows(QType type, Groups parts)
      : CodeRows(type, *dimsOf(type)[0].constantValue(), *dimsOf(type)[1].constantValue()),
        parts(std::move(parts)) {}
  void read(int64_t first, int64_t last, const RowBuffers &out) const override {
    if (out.codes)
      readCodes(first, last, out.codes);
    int64_t from = first * blocks, count = (last - first) * blocks;
    auto copy = [&](const auto &all, auto *to) {
      for (int64_t i = 0; to && i < count; ++i)
        to[i] = all[oneScale(type) ? 0 : from + i];
    };
    copy(parts.scales, out.scales);
    copy(parts.zeros, out.zeros);
    copy(parts.realZeros, out.realZeros);
    copy(parts.scaleCodes, out.scaleCodes);
    if (out.supers)
      std::copy_n(&parts.supers[first], last - first, out.supers);
  }

protected:
  virtual void readCodes(int64_t first, int64_t last, uint8_t *codes) const = 0;
  bool isUnsigned() const { return isUnsignedStorage(type.getStorage()); }

private:
  Groups parts;
};

class AssembledRows : public PartRows {
public:
  AssembledRows(QType type, StridedView carrier, Groups parts)
      : PartRows(type, std::move(parts)), carrier(std::move(carrier)) {
    if (CodebookAttr codebook = type.getCodebook()) {
      table = codebook.table();
      table.resize(size_t(1) << type.getBits());
    }
  }

private:
  void readCodes(int64_t first, int64_t last, uint8_t *codes) const override {
    unsigned bits = type.getBits();
    int64_t from = first * columns, to = last * columns;
    if (carrier.size() != rows * columns) {
      // Eight codes always end on a byte.
      int64_t base = from / 8 * 8, byte = base / 8 * bits, end = (to * bits + 7) / 8;
      std::vector<uint8_t> bytes(end - byte);
      carrier.copyTo(byte, end, reinterpret_cast<char *>(bytes.data()));
      return unpackCodes(bytes.data(), from - base, to - from, bits, isUnsigned(), codes);
    }
    carrier.copyTo(from, to, reinterpret_cast<char *>(codes));
    // The low bits count.
    for (int64_t i = 0; bits < 8 && i < to - from; ++i)
      unpackCodes(&codes[i], 0, 1, bits, isUnsigned(), &codes[i]);
  }

  StridedView carrier;
};

//===-- In the logical layout --------------------------------------------------------------------//

class LogicalRows : public PartRows {
public:
  LogicalRows(QType type, const char *bytes, std::shared_ptr<const void> owner, Groups parts)
      : PartRows(type, std::move(parts)), bytes(reinterpret_cast<const uint8_t *>(bytes)),
        owner(std::move(owner)), rowBytes(*layoutOf(type).rowBytes.constantValue()) {
    if (type.getCodebook()) {
      table.resize(size_t(1) << type.getBits());
      std::memcpy(table.data(), bytes + *layoutOf(type).table.constantValue(), table.size() * 4);
    }
  }

private:
  void readCodes(int64_t first, int64_t last, uint8_t *codes) const override {
    for (int64_t row = first; row < last; ++row)
      unpackCodes(bytes + row * rowBytes, 0, columns, type.getBits(), isUnsigned(),
                  codes + (row - first) * columns);
  }

  const uint8_t *bytes;
  std::shared_ptr<const void> owner;
  int64_t rowBytes;
};

/// Numbers as stored in a buffer, which need not be aligned.
std::vector<float> readFloats(const char *bytes, Type type, int64_t count) {
  std::vector<float> values(count);
  ScaleFormat format = scaleFormat(type);
  for (int64_t i = 0; i < count; ++i) {
    auto byte = static_cast<uint8_t>(bytes[i]);
    uint16_t half = 0;
    if (format == ScaleFormat::F16 || format == ScaleFormat::BF16)
      std::memcpy(&half, bytes + i * 2, 2);
    switch (format) {
    case ScaleFormat::F32:
      std::memcpy(&values[i], bytes + i * 4, 4);
      break;
    case ScaleFormat::F16:
      values[i] = floatFromHalf(half);
      break;
    case ScaleFormat::BF16:
      values[i] = floatFromBfloat(half);
      break;
    case ScaleFormat::E8M0:
      values[i] = floatFromE8m0(byte);
      break;
    case ScaleFormat::E4M3:
      values[i] = floatFromMini(kFloat8E4M3, byte);
      break;
    case ScaleFormat::U8:
      values[i] = byte;
    }
  }
  return values;
}

/// Zero points as codes are: the low bits, extended by their sign.
std::vector<int8_t> readZeros(const char *bytes, QType type, int64_t count) {
  std::vector<int8_t> zeros(count);
  bool isUnsigned = isUnsignedStorage(type.getStorage());
  for (int64_t i = 0; i < count; ++i)
    unpackCodes(reinterpret_cast<const uint8_t *>(bytes) + i, 0, 1, type.getBits(), isUnsigned,
                reinterpret_cast<uint8_t *>(&zeros[i]));
  return zeros;
}

int64_t groupCount(QType type, int64_t rows, int64_t columns) {
  return oneScale(type) ? 1 : rows * CodeRows::blocksOf(type, columns);
}

} // namespace

std::unique_ptr<CodeRows> pack::quantizedRows(QType type, StridedView view) {
  auto format = weightFormatOf(type);
  if (!format || !view.isFloat() || isa_and_nonnull<FloatType>(type.getZero()))
    return nullptr;
  return std::make_unique<QuantizedRows>(type, std::move(view), std::move(*format));
}

std::unique_ptr<CodeRows> pack::tensorRows(std::shared_ptr<const QTensor> tensor) {
  QType type = tensor->type;
  if (tensor->reals || !type.isByRows() || type.getBits() > 8)
    return nullptr;
  return std::make_unique<TensorRows>(type, std::move(tensor));
}

std::shared_ptr<const CodeRows> pack::assembledRows(QType type, const StridedView &codes,
                                                    const StridedView &scales,
                                                    const StridedView *zeros) {
  if (!type.isByRows() || type.getBits() > 8 || codes.stored != codes.element ||
      codes.storedBytes() != 1 || !scales.isFloat())
    return nullptr;
  int64_t n = *dimsOf(type)[0].constantValue(), k = *dimsOf(type)[1].constantValue();
  int64_t bits = type.getBits(), groups = groupCount(type, n, k);
  bool isPacked = codes.size() != n * k;
  if (scales.size() != groups ||
      (isPacked && (bits >= 8 || codes.size() != (n * k * bits + 7) / 8)))
    return nullptr;
  Groups parts;
  auto readReals = [&](StridedView view, std::vector<float> &out) {
    view.element = Float32Type::get(type.getContext());
    out.resize(groups);
    view.copyTo(0, groups, reinterpret_cast<char *>(out.data()));
  };
  readReals(scales, parts.scales);
  if (zeros && zeros->size() != groups)
    return nullptr;
  if (zeros && isa<FloatType>(type.getZero())) {
    if (!zeros->isFloat())
      return nullptr;
    readReals(*zeros, parts.realZeros);
  } else if (zeros) {
    if (zeros->storedBytes() != 1 || isa<FloatType>(zeros->stored))
      return nullptr;
    std::vector<char> bytes(groups);
    zeros->copyTo(0, groups, bytes.data());
    parts.zeros = readZeros(bytes.data(), type, groups);
  }
  return std::make_shared<AssembledRows>(type, codes, std::move(parts));
}

std::shared_ptr<const CodeRows> pack::logicalRows(QType type, const char *bytes,
                                                  std::shared_ptr<const void> owner) {
  if (!type.isByRows() || type.getBits() > 8 || type.getLayout() != Layout::logical)
    return nullptr;
  QuantizedLayout layout = layoutOf(type);
  auto at = [&](DimExpr offset) { return bytes + *offset.constantValue(); };
  int64_t rows = *dimsOf(type)[0].constantValue();
  int64_t groups = groupCount(type, rows, *dimsOf(type)[1].constantValue());
  Groups parts;
  parts.scales = readFloats(at(layout.scales), type.getScale(), groups);
  if (isa_and_nonnull<FloatType>(type.getZero()))
    parts.realZeros = readFloats(at(layout.extra), type.getZero(), groups);
  else if (type.getZero())
    parts.zeros = readZeros(at(layout.extra), type, groups);
  if (type.getSuper()) {
    parts.scaleCodes.assign(at(layout.scales), at(layout.scales) + groups);
    parts.supers = readFloats(at(layout.supers), type.getSuper(), rows);
    for (int64_t i = 0; i < groups; ++i)
      parts.scales[i] *= parts.supers[i / (groups / rows)];
  }
  return std::make_shared<LogicalRows>(type, bytes, std::move(owner), std::move(parts));
}

std::shared_ptr<const QTensor> pack::toQTensor(const CodeRows &rows) {
  auto tensor = std::make_shared<QTensor>();
  tensor->type = rows.type;
  tensor->dims = {rows.rows, rows.columns};
  RowRun all(rows, 0, rows.rows);
  bool isUnsigned = isUnsignedStorage(rows.type.getStorage());
  auto number = [&](uint8_t code) {
    return isUnsigned ? int32_t(code) : int32_t(static_cast<int8_t>(code));
  };
  for (uint8_t code : all.codes)
    tensor->codes.push_back(number(code));
  size_t groups = groupCount(rows.type, rows.rows, rows.columns);
  for (size_t i = 0; i < groups && i < all.scales.size(); ++i) {
    tensor->scales.push_back(all.scales[i]);
    if (!all.zeros.empty())
      tensor->zeros.push_back(float(number(static_cast<uint8_t>(all.zeros[i]))));
    if (!all.realZeros.empty())
      tensor->zeros.push_back(all.realZeros[i]);
  }
  tensor->scaleCodes = all.scaleCodes;
  tensor->supers = all.supers;
  tensor->table = rows.table;
  return tensor;
}
