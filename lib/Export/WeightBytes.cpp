// Parts of weights in the order and packing of initializers.
#include "Carriers.h"
#include "GraphExporter.h"
#include "qcc/Kernels/QuantizedLayout.h"
#include "llvm/Support/MathExtras.h"

using namespace qcc;
using namespace qcc::exporter;
using namespace qcc::qnt;

namespace {

using Bytes = std::vector<uint8_t>;

/// A matrix of elements of 1 to 64 bits, rows beginning on bytes.
struct Elements {
  const uint8_t *data;
  int64_t rows, columns, bits, rowBytes;

  uint64_t at(int64_t row, int64_t column) const {
    const uint8_t *bytes = data + row * rowBytes + column * bits / 8;
    if (bits < 8)
      return bytes[0] >> (column * bits % 8) & ((1u << bits) - 1);
    uint64_t value = 0;
    std::memcpy(&value, bytes, bits / 8);
    return value;
  }
};

/// Elements one after another, low bits first.
class Packer {
public:
  Packer(int64_t count, int64_t bits) : bits(bits), out((count * bits + 7) / 8) {}
  void put(int64_t i, uint64_t value) {
    if (bits < 8)
      out[i * bits / 8] |= static_cast<uint8_t>(value << (i * bits % 8));
    else
      std::memcpy(&out[i * (bits / 8)], &value, bits / 8);
  }
  int64_t bits;
  Bytes out;
};

/// Side of the squares in which matrices are transposed, so that lines of both stay in the cache.
constexpr int64_t kTile = 64;

Bytes packed(const Elements &matrix, bool transposed) {
  Packer packer(matrix.rows * matrix.columns, matrix.bits);
  for (int64_t r0 = 0; r0 < matrix.rows; r0 += kTile)
    for (int64_t c0 = 0; c0 < matrix.columns; c0 += kTile)
      for (int64_t r = r0; r < std::min(r0 + kTile, matrix.rows); ++r)
        for (int64_t c = c0; c < std::min(c0 + kTile, matrix.columns); ++c)
          packer.put(transposed ? c * matrix.rows + r : r * matrix.columns + c, matrix.at(r, c));
  return std::move(packer.out);
}

int64_t sizeAt(mlir::Type type, size_t axis) { return *dimsOf(type)[axis].constantValue(); }

/// Codes in whole blocks, counted from 0.
Bytes blockCodes(QType type, const Elements &codes) {
  int64_t blocks = llvm::divideCeil(codes.columns, type.getBlock()), bits = codes.bits;
  int64_t padded = blocks * type.getBlock();
  uint64_t bias = isUnsignedStorage(type.getStorage()) ? 0 : uint64_t(1) << (bits - 1);
  uint64_t mask = (uint64_t(1) << bits) - 1;
  Packer packer(codes.rows * padded, bits);
  for (int64_t r = 0; r < codes.rows; ++r)
    for (int64_t c = 0; c < padded; ++c)
      packer.put(r * padded + c, ((c < codes.columns ? codes.at(r, c) : 0) + bias) & mask);
  return std::move(packer.out);
}

/// Zero points of one byte each as rows of packed ones that begin on bytes.
Bytes blockZeros(const Elements &zeros, int64_t bits) {
  int64_t width = llvm::divideCeil(zeros.columns * bits, 8);
  Bytes out(zeros.rows * width);
  for (int64_t r = 0; r < zeros.rows; ++r)
    for (int64_t c = 0; c < zeros.columns; ++c)
      out[r * width + c * bits / 8] |=
          static_cast<uint8_t>((zeros.at(r, c) & ((1u << bits) - 1)) << (c * bits % 8));
  return out;
}

/// One byte each to elements of `bits`.
Bytes narrowed(const Elements &bytes, int64_t bits, bool transposed) {
  Packer packer(bytes.rows * bytes.columns, bits);
  for (int64_t r = 0; r < bytes.rows; ++r)
    for (int64_t c = 0; c < bytes.columns; ++c)
      packer.put(transposed ? c * bytes.rows + r : r * bytes.columns + c,
                 bytes.at(r, c) & ((1u << bits) - 1));
  return std::move(packer.out);
}

Bytes densePart(const WeightPart &part, llvm::ArrayRef<uint8_t> buffer) {
  WeightOp weight = part.weight;
  auto type = mlir::cast<mlir::RankedTensorType>(weight.getType());
  mlir::Type element = type.getElementType();
  int64_t bits = element.isIntOrFloat() ? element.getIntOrFloatBitWidth() : 8, count = 1;
  bool isBool = element.isInteger(1);
  for (int64_t size : type.getShape())
    count *= size;
  int64_t stored = std::max<int64_t>(bits, 8);
  if (bits < 8 && !isBool) // one byte each in the store
    return narrowed({buffer.data(), 1, count, 8, count}, bits, false);
  if (!part.transposed)
    return buffer.vec();
  int64_t columns = sizeAt(type, 1);
  return packed({buffer.data(), sizeAt(type, 0), columns, stored, columns * stored / 8}, true);
}

} // namespace

std::vector<uint8_t> exporter::partBytes(const WeightPart &part, llvm::ArrayRef<uint8_t> buffer) {
  if (part.kind == PartKind::Dense)
    return densePart(part, buffer);
  WeightOp weight = part.weight;
  auto type = mlir::cast<QType>(weight.getType());
  QuantizedLayout layout = layoutOf(type);
  int64_t rows = sizeAt(type, 0), columns = sizeAt(type, 1), bits = type.getBits();
  bool single = type.getGranularity() == Granularity::tensor;
  int64_t blocks = single ? 1 : *layout.blocks.constantValue();
  int64_t groupRows = single ? 1 : rows;
  auto at = [&](DimExpr offset) { return buffer.data() + *offset.constantValue(); };
  Elements codes = {buffer.data(), rows, columns, bits, *layout.rowBytes.constantValue()};
  int64_t scaleBits = type.getScale().getIntOrFloatBitWidth();
  Elements scales = {at(layout.scales), groupRows, blocks, scaleBits, blocks * scaleBits / 8};
  switch (part.kind) {
  case PartKind::Codes:
    return packed(codes, part.transposed);
  case PartKind::Scales:
    return packed(scales, part.transposed);
  case PartKind::Zeros:
    return narrowed({at(layout.extra), groupRows, blocks, 8, blocks}, bits, part.transposed);
  case PartKind::BlockCodes:
    return blockCodes(type, codes);
  case PartKind::RealZeros: {
    int64_t bytes = type.getZero().getIntOrFloatBitWidth() / 8;
    const uint8_t *zeros = at(layout.extra);
    return {zeros, zeros + groupRows * blocks * bytes};
  }
  case PartKind::BlockZeros:
    return blockZeros({at(layout.extra), groupRows, blocks, 8, blocks}, bits);
  case PartKind::Dense:
    break;
  }
  return {};
}
