// Byte offsets of the parts of quantized buffers.
#include "qcc/Kernels/QuantizedLayout.h"

using namespace qcc;
using namespace qcc::qnt;

static DimExpr align64(DimExpr bytes) {
  return bytes.ceilDiv(DimExpr::constant(bytes.getContext(), 64)) * 64;
}

W4Layout qcc::w4LayoutOf(QType type) {
  W4Layout layout;
  layout.group = type.getBlock();
  layout.scaleBytes = type.getScale().getIntOrFloatBitWidth() / 8;
  layout.zeroPoints = static_cast<bool>(type.getZero());
  return layout;
}

QuantizedLayout qcc::layoutOf(QType type) {
  mlir::MLIRContext *context = type.getContext();
  auto c = [&](int64_t value) { return DimExpr::constant(context, value); };
  llvm::SmallVector<DimExpr> dims = dimsOf(type);
  DimExpr k = dims.empty() ? c(1) : dims.back();
  DimExpr rows = c(1);
  for (DimExpr dim : llvm::ArrayRef(dims).drop_back(dims.empty() ? 0 : 1))
    rows = rows * dim;
  DimExpr n16 = rows.ceilDiv(c(16)) * 16;
  QuantizedLayout layout{c(0), c(0), c(0), c(1), c(0)};
  int64_t scaleBytes = type.getScale().getIntOrFloatBitWidth() / 8;
  switch (type.getLayout()) {
  case Layout::panel16_f32:
    layout.bytes = n16 * k * (type.getBits() / 8);
    return layout;
  case Layout::panel16_k4:
    layout.scales = align64(n16 * k.ceilDiv(c(4)) * 4);
    layout.extra = layout.scales + n16 * 4;
    layout.bytes = layout.extra + n16 * 4;
    return layout;
  case Layout::panel16_u4: {
    W4Layout w4 = w4LayoutOf(type);
    layout.blocks = k.ceilDiv(c(w4.group));
    layout.bytes = n16.floorDiv(c(16)) * layout.blocks * w4.blockBytes();
    return layout;
  }
  case Layout::token_u8:
  case Layout::token_s8:
    layout.rowBytes = align64(k);
    layout.scales = rows * layout.rowBytes;
    layout.extra = layout.scales + align64(rows * 4);
    layout.bytes = layout.extra + (type.getZero() ? align64(rows * 4) : c(0));
    if (type.getBlock()) {
      layout.blocks = k.ceilDiv(c(type.getBlock()));
      layout.rowBytes = align64(layout.blocks * type.getBlock());
      layout.scales = rows * layout.rowBytes;
      layout.extra = layout.scales + align64(rows * 4);
      layout.bytes = layout.extra + align64(rows * layout.blocks * 4);
    }
    return layout;
  case Layout::logical:
    break;
  }
  layout.rowBytes = (k * type.getBits()).ceilDiv(c(8));
  if (type.getGranularity() == Granularity::block)
    layout.blocks = k.ceilDiv(c(type.getBlock()));
  DimExpr scales = type.getGranularity() == Granularity::tensor ? c(1) : rows * layout.blocks;
  layout.scales = align64(rows * layout.rowBytes);
  layout.extra = layout.scales + align64(scales * scaleBytes);
  layout.bytes = layout.extra + (type.getZero() ? align64(scales) : c(0));
  return layout;
}
