// Codes in their logical layout, and their place in the model.
#include "qcc/Driver/Codes.h"
#include "qcc/Kernels/QuantizedLayout.h"
#include "qcc/Pipeline/BlobFolder.h"
#include <cstring>

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;
using llvm::Error;

/// Rows of codes of `bits` bits, the first in the lowest bits of each row's bytes.
static void packRow(const uint8_t *codes, int64_t count, unsigned bits, uint8_t *out) {
  uint32_t mask = (1u << bits) - 1;
  for (int64_t i = 0; i < count; ++i) {
    uint32_t code = codes[i] & mask;
    int64_t at = i * bits;
    out[at / 8] |= static_cast<uint8_t>(code << at % 8);
    if (at % 8 + bits > 8)
      out[at / 8 + 1] |= static_cast<uint8_t>(code >> (8 - at % 8));
  }
}

static void putScale(Type type, float scale, uint8_t *out) {
  if (type.isF32()) {
    std::memcpy(out, &scale, 4);
    return;
  }
  uint16_t half = type.isF16() ? halfFromFloat(scale) : bfloatFromFloat(scale);
  std::memcpy(out, &half, 2);
}

std::vector<uint8_t> qcc::logicalBytes(QType type, const EncodedRows &rows) {
  QuantizedLayout layout = layoutOf(type.withLayout(Layout::logical));
  auto constant = [](DimExpr expr) { return *expr.constantValue(); };
  std::vector<uint8_t> bytes(constant(layout.bytes));
  int64_t rowBytes = constant(layout.rowBytes);
  for (int64_t row = 0; row < rows.rows; ++row)
    packRow(rows.codes.data() + row * rows.k, rows.k, type.getBits(), &bytes[row * rowBytes]);
  uint8_t *scales = bytes.data() + constant(layout.scales);
  int64_t scaleBytes = type.getScale().getIntOrFloatBitWidth() / 8;
  for (size_t i = 0; i < rows.scales.size(); ++i)
    putScale(type.getScale(), rows.scales[i], scales + i * scaleBytes);
  if (type.getZero())
    std::memcpy(bytes.data() + constant(layout.extra), rows.zeros.data(), rows.zeros.size());
  return bytes;
}

Error qcc::useCodes(LoadedModel &model, MarkedWeight &weight, ArrayRef<uint8_t> bytes) {
  ModuleOp module = *model.module;
  BlobFolder blobs(model.blobDir);
  auto blob = blobs.add(*module.getContext(), bytes);
  if (!blob)
    return blob.takeError();
  SymbolTable symbols(module);
  QuantizeOp quantize = weight.quantize;
  OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
  auto codes = WeightOp::create(builder, quantize.getLoc(), weight.name + ".codes",
                                quantize.getType(), *blob, StringAttr());
  symbols.insert(codes);
  builder.setInsertionPoint(quantize);
  auto use = UseOp::create(builder, quantize.getLoc(), quantize.getType(),
                           FlatSymbolRefAttr::get(codes.getSymNameAttr()));
  quantize.getOut().replaceAllUsesWith(use.getOut());
  quantize.erase();
  weight.quantize = {};
  return Error::success();
}
