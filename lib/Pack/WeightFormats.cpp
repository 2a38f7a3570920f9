// Quantized types in the terms of the algorithms; see WeightFormats.h.
#include "qcc/Pack/WeightFormats.h"
#include "qcc/Kernels/QuantizedLayout.h"
#include <cstring>

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;

static std::optional<WeightKind> kindOf(QType type) {
  if (type.getCodebook())
    return WeightKind::Codebook;
  switch (type.getStorage()) {
  case Storage::ternary:
    return WeightKind::Ternary;
  case Storage::f8e4m3fn:
    return WeightKind::Float8E4M3;
  case Storage::f8e5m2:
    return WeightKind::Float8E5M2;
  case Storage::f4e2m1:
    return WeightKind::Float4E2M1;
  default:
    return isIntegerStorage(type.getStorage()) ? std::optional(WeightKind::Uniform) : std::nullopt;
  }
}

ScaleFormat pack::scaleFormat(Type type) {
  return type.isF16()                   ? ScaleFormat::F16
         : type.isBF16()                ? ScaleFormat::BF16
         : isa<Float8E8M0FNUType>(type) ? ScaleFormat::E8M0
         : isa<Float8E4M3FNType>(type)  ? ScaleFormat::E4M3
         : type.isInteger(8)            ? ScaleFormat::U8
                                        : ScaleFormat::F32;
}

std::optional<WeightFormat> pack::weightFormatOf(QType type) {
  auto kind = kindOf(type);
  if (!kind || !type.isByRows() || type.getBits() > 8)
    return std::nullopt;
  WeightFormat format;
  format.kind = *kind;
  format.bits = type.getBits();
  format.isUnsigned = *kind == WeightKind::Uniform && isUnsignedStorage(type.getStorage());
  format.zeroPoint = type.getZero() && type.getZero().isInteger();
  format.scale = scaleFormat(type.getScale());
  format.super = static_cast<bool>(type.getSuper());
  format.block = type.getGranularity() == Granularity::block ? type.getBlock() : 0;
  if (CodebookAttr codebook = type.getCodebook()) {
    format.learned = codebook.isLearned();
    format.table = codebook.table();
  }
  if (!problemOf(format).empty())
    return std::nullopt;
  return format;
}

bool pack::isChosenByRows(QType type) {
  return weightFormatOf(type) && type.getGranularity() != Granularity::tensor &&
         !isa_and_nonnull<FloatType>(type.getZero());
}

void pack::appendScales(ScaleFormat format, ArrayRef<float> scales, std::vector<uint8_t> &out) {
  auto append = [&](const void *bytes, size_t count) {
    const auto *from = static_cast<const uint8_t *>(bytes);
    out.insert(out.end(), from, from + count);
  };
  switch (format) {
  case ScaleFormat::F32:
    return append(scales.data(), scales.size() * 4);
  case ScaleFormat::F16:
  case ScaleFormat::BF16:
    for (float scale : scales) {
      uint16_t bits = format == ScaleFormat::F16 ? halfFromFloat(scale) : bfloatFromFloat(scale);
      append(&bits, 2);
    }
    return;
  case ScaleFormat::E8M0:
    for (float scale : scales)
      out.push_back(e8m0FromFloat(scale));
    return;
  case ScaleFormat::E4M3:
    for (float scale : scales)
      out.push_back(miniFromFloat(kFloat8E4M3, scale));
    return;
  case ScaleFormat::U8:
    for (float scale : scales)
      out.push_back(static_cast<uint8_t>(scale));
  }
}

void pack::packCodes(const uint8_t *codes, int64_t count, unsigned bits, uint8_t *out) {
  if (bits == 8)
    return void(std::memcpy(out, codes, count));
  std::memset(out, 0, (count * bits + 7) / 8);
  uint32_t mask = (1u << bits) - 1;
  for (int64_t i = 0; i < count; ++i) {
    uint32_t code = codes[i] & mask;
    int64_t at = i * bits;
    out[at / 8] |= static_cast<uint8_t>(code << at % 8);
    if (at % 8 + bits > 8)
      out[at / 8 + 1] |= static_cast<uint8_t>(code >> (8 - at % 8));
  }
}

void pack::unpackCodes(const uint8_t *packed, int64_t first, int64_t count, unsigned bits,
                       bool isUnsigned, uint8_t *codes) {
  unsigned spare = 8 - bits;
  if (!spare)
    return void(std::memcpy(codes, packed + first, count));
  for (int64_t i = 0; i < count; ++i) {
    int64_t at = (first + i) * bits;
    uint32_t wide = packed[at / 8] >> at % 8;
    if (at % 8 + bits > 8)
      wide |= uint32_t(packed[at / 8 + 1]) << (8 - at % 8);
    auto high = static_cast<uint8_t>(wide << spare);
    codes[i] = isUnsigned ? static_cast<uint8_t>(high >> spare)
                          : static_cast<uint8_t>(static_cast<int8_t>(high) >> spare);
  }
}

std::vector<uint8_t> pack::logicalBytes(QType type, const EncodedRows &rows) {
  assert(isChosenByRows(type) && "scales and zero points would not fit");
  QuantizedLayout layout = layoutOf(type.withLayout(Layout::logical));
  auto at = [](DimExpr offset) { return static_cast<size_t>(*offset.constantValue()); };
  std::vector<uint8_t> bytes(at(layout.bytes)), scales;
  auto put = [&](size_t offset, const void *data, size_t count) {
    if (count)
      std::memcpy(&bytes[offset], data, count);
  };
  int64_t n = *dimsOf(type)[0].constantValue(), k = *dimsOf(type)[1].constantValue();
  for (int64_t row = 0; row < n; ++row)
    packCodes(rows.codes.data() + row * k, k, type.getBits(), &bytes[row * at(layout.rowBytes)]);
  if (type.getSuper())
    scales = rows.scaleCodes;
  else
    appendScales(scaleFormat(type.getScale()), rows.scales, scales);
  put(at(layout.scales), scales.data(), scales.size());
  if (type.getZero())
    put(at(layout.extra), rows.zeros.data(), rows.zeros.size());
  put(at(layout.supers), rows.supers.data(), rows.supers.size() * 4);
  if (type.getCodebook())
    put(at(layout.table), rows.table.data(), rows.table.size() * 4);
  return bytes;
}
