// Where the parts of a quantized tensor lie in its buffer. Parts start at multiples of 64 bytes.
//
// logical: codes row-major, below 8 bits packed low bits first, rows starting on bytes; then scales
//   in the scale type ([N], [N][blocks], or one); zero points, as many, one byte each or in their
//   float type; super scales f32 [N]; the table of a codebook, 2^bits floats.
// panel16_f32: packF32 or packBits16. panel16_k2: packPairs.
// panel16_k4: packW8; f32 scales [N up to 16]; i32 corrections [N up to 16].
// panel16_block: everything in one stream of panels (Pack.h), behind the table of a codebook.
// token_u8: code + 128, rows of K rounded up to 64; f32 scales [M]; i32 zero points [M].
// token_s8: codes, rows of K rounded up to whole blocks, then to 64; f32 scales [M][groups]; i32
//   sums [M][blocks].
// token_s16: code = 256 * high + low with both in -128 .. 127: each row has a plane of high bytes,
//   then one of low bytes, each as a row of token_s8; scales and sums (of whole codes) likewise.
// token_f32: f32 numbers that codes of 8-bit floats spell, which processors multiply; f32 scales
//   [M]. token_f8: those codes, rows of K rounded up to 64; f32 scales [M].
#ifndef QCC_KERNELS_QUANTIZEDLAYOUT_H
#define QCC_KERNELS_QUANTIZEDLAYOUT_H

#include "Qnt/Qnt.h"
#include "qcc/Algorithms/Pack.h"
#include "qcc/Kernels/SmallFloats.h"

namespace qcc {

struct QuantizedLayout {
  qnt::DimExpr rowBytes;   ///< bytes from one row of codes to the next (logical, token)
  qnt::DimExpr scales;     ///< byte offset of the scales
  qnt::DimExpr extra;      ///< byte offset of zero points, corrections or sums
  qnt::DimExpr supers;     ///< byte offset of the super scales (logical)
  qnt::DimExpr table;      ///< byte offset of the table of a codebook
  qnt::DimExpr blocks;     ///< scales per row (1 unless in blocks); token: sums per row
  qnt::DimExpr groups;     ///< token: scales per row
  qnt::DimExpr planeBytes; ///< token_s16: bytes from the high plane of a row to its low plane
  qnt::DimExpr bytes;      ///< of the whole buffer
};

/// The layout of `type`; offsets are expressions over the symbols of its dimensions.
QuantizedLayout layoutOf(qnt::QType type);
inline qnt::DimExpr quantizedBytes(qnt::QType type) { return layoutOf(type).bytes; }

/// How kernels read the scales of a type.
ScaleForm scaleFormOf(mlir::Type scale);

/// Packing parameters of a type in layout panel16_block. Packers add 2^(bits - 1) to codes and zero
/// points of signed storages and repeat a scale that all rows share.
BlockLayout blockLayoutOf(qnt::QType type);

} // namespace qcc
#endif
