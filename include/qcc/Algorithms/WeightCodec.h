// What weights are encoded as, and round-to-nearest encoding row by row: the reference that every
// other method starts from, bit for bit as qnt.quantize defines it.
//
//   real = scale * (value(code) - zero)
//
// `value` is the code itself for uniform and ternary codes, the float that the code spells for
// floats of 4 and 8 bits, and table[code] for codebooks. All functions are pure, and quick enough
// for 10^9 weights: callers may cut rows among threads as they like.
#ifndef QCC_ALGORITHMS_WEIGHTCODEC_H
#define QCC_ALGORITHMS_WEIGHTCODEC_H

#include "qcc/Algorithms/FloatFormats.h"
#include <cstdint>
#include <string>
#include <vector>

namespace qcc {

enum class WeightKind { Uniform, Ternary, Float8E4M3, Float8E5M2, Float4E2M1, Codebook };

/// What a scale is stored as. U8 exists only with `super`.
enum class ScaleFormat { F32, F16, BF16, E8M0, E4M3, U8 };

struct WeightFormat {
  WeightKind kind = WeightKind::Uniform;
  unsigned bits = 8;       ///< 1 to 8; ternary 2, floats their own
  bool isUnsigned = false; ///< codes 0 .. 2^bits - 1, else -2^(bits-1) .. 2^(bits-1) - 1
  bool zeroPoint = false;  ///< uniform codes only; in the range of the codes
  ScaleFormat scale = ScaleFormat::F32; ///< scales are rounded to it before codes are chosen
  /// Two levels: scale = float(scale code) * super, rounded once to f32, one super a row.
  /// QLoRA (Dettmers et al. 2023), section 3, double quantization; with E8M0 it makes no sense.
  bool super = false;
  int64_t block = 0; ///< elements that share a scale; 0: the row
  /// Codebooks: at most 2^bits values, ascending. Empty: learned from the tensor, see learnTable.
  std::vector<float> table;
  /// The table was learned: scales are absmax, not absmax / max|table|.
  bool learned = false;

  int64_t blocks(int64_t k) const { return block && k ? (k + block - 1) / block : 1; }
  int64_t blockLength(int64_t k) const { return block ? block : k; }
  /// Numbers -1 and 1: the scale is the mean magnitude (XNOR-Net, Rastegari et al. 2016, eq. 6).
  bool isBinary() const {
    return kind == WeightKind::Codebook && table.size() == 2 && table[0] == -1 && table[1] == 1;
  }
  /// Bits that a weight takes, scales and zero points included; `k` numbers a row.
  double bitsPerWeight(int64_t k) const;
};

/// Why there are no such weights; empty where there are.
std::string problemOf(const WeightFormat &format);

/// Lowest and highest code of uniform and ternary codes. Without zero points signed codes keep to
/// ±(2^(bits-1) - 1), so that -x has the negative of x's code.
struct CodeRange {
  int32_t low, high;
};
CodeRange codeRange(const WeightFormat &format);

/// The 4-bit NormalFloat (QLoRA, appendix E).
const std::vector<float> &normalFloat4();

/// Rows of codes: one byte a code (two's complement where signed), [rows][k].
struct EncodedRows {
  int64_t rows = 0, k = 0, blocks = 1;
  std::vector<uint8_t> codes;
  std::vector<float> scales;       ///< [rows][blocks], what decoding multiplies by
  std::vector<int8_t> zeros;       ///< [rows][blocks] as codes are, or empty
  std::vector<float> supers;       ///< [rows] with two levels, or empty
  std::vector<uint8_t> scaleCodes; ///< [rows][blocks] with two levels, or empty
  std::vector<float> table;        ///< of codebooks
};

EncodedRows makeRows(const WeightFormat &format, int64_t rows, int64_t k);

/// Where the parts of rows go; null parts are left out.
struct RowParts {
  uint8_t *codes = nullptr;
  float *scales = nullptr;
  int8_t *zeros = nullptr;
  uint8_t *scaleCodes = nullptr;
  float *supers = nullptr;
};
RowParts partsOf(EncodedRows &rows, int64_t firstRow = 0);

/// Encodes `rows` dense rows of `k` numbers. NaN becomes zero (the zero point) and does not count
/// for ranges. The table of a codebook must be there.
void encodeRows(const WeightFormat &format, const float *x, int64_t rows, int64_t k,
                RowParts parts);
/// All at once; learns the table of a codebook without one, weighted by `importance` ([k] or null).
EncodedRows encodeRows(const WeightFormat &format, const float *x, int64_t rows, int64_t k,
                       const float *importance = nullptr);
/// Dense rows. `parts.zeros` may be null.
void decodeRows(const WeightFormat &format, const EncodedRows &rows, float *out);

/// Table of 2^bits values for x[rows][k] over the absmax of each block: the best in the weighted
/// squares (SqueezeLLM, Kim et al. 2023, section 4.1), of a histogram of 8192 cells.
/// `importance` is [k], or null.
std::vector<float> learnTable(const WeightFormat &format, const float *x, int64_t rows, int64_t k,
                              const float *importance = nullptr);

//===-- One block --------------------------------------------------------------------------------//

/// Scale and zero point of a block. `zero` is in codes.
struct Grid {
  float scale = 0, zero = 0;
};

/// The scale of a block before it is rounded.
float rawScale(const WeightFormat &format, const float *x, int64_t count);
/// A scale as the format can store it. `super` counts with two levels.
float roundScale(const WeightFormat &format, float raw, float super = 0);
/// Second-level scale of a row whose largest raw scale is `maxRaw`.
float superFor(const WeightFormat &format, float maxRaw);
/// Zero point of a block whose scale is fixed; 0 without zero points.
float zeroFor(const WeightFormat &format, const float *x, int64_t count, float scale);
/// Code of a rounded scale where scales have codes of 8 bits (E8M0, E4M3, U8).
uint8_t scaleCode(const WeightFormat &format, float scale, float super = 0);
Grid gridFor(const WeightFormat &format, const float *x, int64_t count, float super = 0);

/// Numbers of a format with what looking them up needs. Cheap to copy by reference only.
class Coder {
public:
  explicit Coder(const WeightFormat &format);
  const WeightFormat &format() const { return fmt; }
  /// The code whose value is nearest to x / scale + zero; ties to the even code (uniform), the
  /// even fraction (floats), the lower code (tables).
  uint8_t nearest(float x, Grid grid) const;
  void nearest(const float *x, int64_t count, Grid grid, uint8_t *codes) const;
  /// value(code), for any byte of `codes`.
  float value(uint8_t code) const { return values[code]; }
  float decode(uint8_t code, Grid grid) const { return grid.scale * (values[code] - grid.zero); }
  /// The codes in ascending order of their values (a byte each), without -0.
  const std::vector<uint8_t> &ordered() const { return order; }

private:
  WeightFormat fmt;
  CodeRange range;
  float values[256];
  std::vector<float> middles; ///< between neighbours of the table
  std::vector<uint8_t> order;
};

/// A scale in a format without codes; U8 and E4M3 see WeightFormat.
float roundToFormat(ScaleFormat format, float value);

} // namespace qcc
#endif
