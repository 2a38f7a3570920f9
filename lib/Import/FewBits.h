// Matrices of 2, 4 or 8 bits in blocks, as com.microsoft operators carry them.
#ifndef QCC_LIB_IMPORT_FEWBITS_H
#define QCC_LIB_IMPORT_FEWBITS_H

#include "NodeBuilder.h"

namespace qcc::import {

struct BlockMatrix {
  Value codes; ///< packed bytes, low bits first, rows padded to whole blocks
  Value scale; ///< [rows * blocks]
  Value zero;  ///< packed rows of bytes, or floats [rows * blocks], or null for the middle code
  int64_t rows, columns, block, bits;
  bool unpacked = false; ///< a byte for each code
};

/// The real matrix [rows, columns] as f32, dequantized from codes.
Value dequantized(NodeBuilder &n, const BlockMatrix &m);
/// Whether the parts have the sizes that the matrix needs; fails where not.
bool checkBlocks(NodeBuilder &n, const BlockMatrix &m);
/// Fails unless there are 2, 4 or 8 bits.
bool checkBits(NodeBuilder &n, int64_t bits);
/// Bytes [.., B] as codes [.., B * 8 / bits], low bits first (or high bits, as bitsandbytes has
/// it).
Value unpack(NodeBuilder &n, Value bytes, int64_t bits, bool highFirst = false);

} // namespace qcc::import
#endif
