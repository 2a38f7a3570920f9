// Byte offsets of the parts of quantized buffers.
#include "qcc/Kernels/QuantizedLayout.h"

using namespace qcc;
using namespace qcc::qnt;

static DimExpr align64(DimExpr bytes) {
  return bytes.ceilDiv(DimExpr::constant(bytes.getContext(), 64)) * 64;
}

BlockLayout qcc::blockLayoutOf(QType type) {
  BlockLayout layout;
  layout.bits = static_cast<int>(type.getBits());
  layout.group = type.getGranularity() == Granularity::block ? type.getBlock() : 0;
  layout.scaleBytes = type.getScale().getIntOrFloatBitWidth() / 8;
  layout.zeros = !type.getZero()                        ? BlockZeros::None
                 : isa<mlir::FloatType>(type.getZero()) ? BlockZeros::Float
                                                        : BlockZeros::Packed;
  layout.twoLevel = static_cast<bool>(type.getSuper());
  layout.tableEntries = type.getCodebook() ? int64_t(1) << type.getBits() : 0;
  return layout;
}

namespace {

/// Bytes in layout panel16_block; K may be an expression.
DimExpr blockBytes(QType type, DimExpr n16, DimExpr k) {
  BlockLayout layout = blockLayoutOf(type);
  auto c = [&](int64_t value) { return DimExpr::constant(type.getContext(), value); };
  // A block as long as the row has as many units as the row needs.
  DimExpr panel = layout.group ? k.ceilDiv(c(layout.group)) * layout.blockBytes(layout.group)
                               : k.ceilDiv(c(layout.unit())) * layout.unitBytes() +
                                     (layout.blockBytes(0) - layout.codeBytes(0));
  return n16.floorDiv(c(16)) * (panel + layout.headerBytes()) + layout.tableBytes();
}

/// What every layout starts from.
struct Shape {
  QType type;
  DimExpr rows, k, n16;

  explicit Shape(QType type) : type(type), rows(constant(1)), k(constant(1)), n16(constant(0)) {
    llvm::SmallVector<DimExpr> dims = dimsOf(type);
    if (!dims.empty())
      k = dims.pop_back_val();
    for (DimExpr dim : dims)
      rows = rows * dim;
    n16 = rows.ceilDiv(constant(16)) * 16;
  }
  DimExpr constant(int64_t value) const { return DimExpr::constant(type.getContext(), value); }
  QuantizedLayout empty() const {
    DimExpr zero = constant(0), one = constant(1);
    return {zero, zero, zero, zero, zero, one, one, zero, zero};
  }
};

/// Bytes of one zero point.
int64_t zeroBytes(QType type) {
  if (!type.getZero())
    return 0;
  return isa<mlir::FloatType>(type.getZero()) ? type.getZero().getIntOrFloatBitWidth() / 8 : 1;
}

QuantizedLayout logicalLayout(const Shape &s) {
  QuantizedLayout layout = s.empty();
  QType type = s.type;
  layout.rowBytes = (s.k * type.getBits()).ceilDiv(s.constant(8));
  int64_t run = type.getGranularity() == Granularity::block ? type.getBlock() : type.getGroup();
  if (run)
    layout.blocks = s.k.ceilDiv(s.constant(run));
  bool one = type.getGranularity() == Granularity::tensor;
  DimExpr scales = one ? s.constant(1) : s.rows * layout.blocks;
  layout.scales = align64(s.rows * layout.rowBytes);
  layout.extra = layout.scales + align64(scales * (type.getScale().getIntOrFloatBitWidth() / 8));
  layout.supers = layout.extra + align64(scales * zeroBytes(type));
  layout.table = layout.supers + (type.getSuper() ? align64(s.rows * 4) : s.constant(0));
  layout.bytes =
      layout.table +
      (type.getCodebook() ? align64(s.constant(int64_t(4) << type.getBits())) : s.constant(0));
  return layout;
}

/// tokenRowStride() of whole lines.
DimExpr tokenRowBytes(DimExpr bytes) {
  DimExpr one = DimExpr::constant(bytes.getContext(), 1);
  DimExpr way = DimExpr::constant(bytes.getContext(), kCacheWay);
  return bytes + (one - bytes.mod(way).min(one)) * 64;
}

QuantizedLayout tokenLayout(const Shape &s) {
  QuantizedLayout layout = s.empty();
  QType type = s.type;
  if (type.getGroup())
    layout.groups = s.k.ceilDiv(s.constant(type.getGroup()));
  DimExpr length = s.k;
  if (type.getBlock()) {
    layout.blocks = s.k.ceilDiv(s.constant(type.getBlock()));
    length = layout.blocks * type.getBlock();
  }
  layout.planeBytes = align64(length * (type.getLayout() == Layout::token_f32 ? 4 : 1));
  layout.rowBytes =
      tokenRowBytes(layout.planeBytes * (type.getLayout() == Layout::token_s16 ? 2 : 1));
  layout.scales = s.rows * layout.rowBytes;
  layout.extra = layout.scales + align64(s.rows * layout.groups * 4);
  bool hasExtra = type.getZero() || type.getBlock();
  layout.bytes = layout.extra + (hasExtra ? align64(s.rows * layout.blocks * 4) : s.constant(0));
  return layout;
}

} // namespace

ScaleForm qcc::scaleFormOf(mlir::Type scale) {
  if (scale.isF16())
    return ScaleForm::F16;
  if (scale.isBF16())
    return ScaleForm::BF16;
  if (isa<mlir::Float8E8M0FNUType>(scale))
    return ScaleForm::E8M0;
  if (isa<mlir::Float8E4M3FNType>(scale))
    return ScaleForm::E4M3;
  return scale.isInteger(8) ? ScaleForm::U8 : ScaleForm::F32;
}

QuantizedLayout qcc::layoutOf(QType type) {
  Shape s(type);
  QuantizedLayout layout = s.empty();
  switch (type.getLayout()) {
  case Layout::logical:
    return logicalLayout(s);
  case Layout::token_u8:
  case Layout::token_s8:
  case Layout::token_s16:
  case Layout::token_f32:
  case Layout::token_f8:
    return tokenLayout(s);
  case Layout::panel16_f32:
    layout.bytes = s.n16 * s.k * (type.getBits() / 8);
    return layout;
  case Layout::panel16_k2:
    layout.bytes = s.n16 * s.k.ceilDiv(s.constant(2)) * 4;
    return layout;
  case Layout::panel16_k4:
    layout.scales = align64(s.n16 * s.k.ceilDiv(s.constant(4)) * 4);
    layout.extra = layout.scales + s.n16 * 4;
    layout.bytes = layout.extra + s.n16 * 4;
    return layout;
  case Layout::panel16_block:
    if (type.getGranularity() == Granularity::block)
      layout.blocks = s.k.ceilDiv(s.constant(type.getBlock()));
    layout.bytes = blockBytes(type, s.n16, s.k);
    return layout;
  }
  llvm_unreachable("all layouts are above");
}
