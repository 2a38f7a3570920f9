// Round-to-nearest quantization of matrices, row by row, bit for bit as qnt.quantize defines it.
#ifndef QCC_ALGORITHMS_QUANTIZE_H
#define QCC_ALGORITHMS_QUANTIZE_H

#include <cstdint>

namespace qcc {

enum class ScaleFormat { F32, F16, BF16 };

/// How the codes of a row are chosen. `real = scale * (code - zero)`.
struct RtnScheme {
  unsigned bits = 8;       ///< 2, 4 or 8
  bool isUnsigned = false; ///< codes 0 .. 2^bits - 1, else -2^(bits-1) .. 2^(bits-1) - 1
  bool zeroPoint = false;
  ScaleFormat scale = ScaleFormat::F32; ///< scales are rounded to it before use
  int64_t block = 0;                    ///< elements that share a scale; 0: the row

  int64_t blocks(int64_t k) const { return block && k ? (k + block - 1) / block : 1; }
};

/// Quantizes `rows` dense rows of `k` numbers. `codes` gets one byte each (two's complement where
/// signed); `scales` and, with zero points, `zeros` (as codes are) [rows][blocks(k)]. `zeros` may
/// be null otherwise. NaN becomes the zero point and does not count for the range.
void quantizeRows(const RtnScheme &scheme, const float *x, int64_t rows, int64_t k, uint8_t *codes,
                  float *scales, int8_t *zeros);

/// Bits of 16-bit floats; to them rounds to nearest even, overflow gives infinity.
uint16_t halfFromFloat(float value);
float floatFromHalf(uint16_t bits);
uint16_t bfloatFromFloat(float value);
float floatFromBfloat(uint16_t bits);
float roundToFormat(ScaleFormat format, float value);

} // namespace qcc
#endif
