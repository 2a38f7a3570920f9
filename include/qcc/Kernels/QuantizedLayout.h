// Where the parts of a quantized tensor lie in its buffer. Parts start at multiples of 64 bytes:
//
//   layout        codes                        then                      then
//   logical       row-major, below 8 bits      scales, scale type:       zero points, one byte
//   each:
//                 packed low bits first,       [N] per axis 0,           as many as scales
//                 rows start on bytes          [N][blocks] in blocks
//   panel16_f32   packF32 / packBits16         -                         -
//   panel16_k4    packW8                       f32 [N up to 16]          i32 corrections [N up to
//   16] panel16_u4    packW4 (holds its scales)    -                         - token_u8      code +
//   128, rows of K        f32 [M]                   i32 zero points [M]
//                 rounded up to 64
//   token_s8      code, likewise               f32 [M]                   i32 sums [M][blocks]
#ifndef QCC_KERNELS_QUANTIZEDLAYOUT_H
#define QCC_KERNELS_QUANTIZEDLAYOUT_H

#include "Qnt/Qnt.h"
#include "qcc/Algorithms/Pack.h"

namespace qcc {

struct QuantizedLayout {
  qnt::DimExpr rowBytes; ///< bytes from one row of codes to the next (logical, token)
  qnt::DimExpr scales;   ///< byte offset of the second part
  qnt::DimExpr extra;    ///< byte offset of the third part
  qnt::DimExpr blocks;   ///< scales per row (1 unless in blocks); token: sums per row
  qnt::DimExpr bytes;    ///< of the whole buffer
};

/// The layout of `type`; offsets are expressions over the symbols of its dimensions.
QuantizedLayout layoutOf(qnt::QType type);
inline qnt::DimExpr quantizedBytes(qnt::QType type) { return layoutOf(type).bytes; }

/// Packing parameters of a 4-bit type in blocks along axis 1.
W4Layout w4LayoutOf(qnt::QType type);

} // namespace qcc
#endif
