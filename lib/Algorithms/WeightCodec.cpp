// Round-to-nearest encoding of rows; see WeightCodec.h.
#include "qcc/Algorithms/WeightCodec.h"
#include "Clones.h"
#include <algorithm>
#include <cassert>
#include <cmath>

namespace qcc {

namespace {

MiniFloat miniFloat(WeightKind kind) {
  return kind == WeightKind::Float8E4M3   ? kFloat8E4M3
         : kind == WeightKind::Float8E5M2 ? kFloat8E5M2
                                          : kFloat4E2M1;
}

bool isMini(WeightKind kind) {
  return kind == WeightKind::Float8E4M3 || kind == WeightKind::Float8E5M2 ||
         kind == WeightKind::Float4E2M1;
}

float largestOf(const std::vector<float> &table) {
  float largest = 0;
  for (float value : table)
    largest = std::fmax(largest, std::fabs(value));
  return largest;
}

struct Range {
  float low, high;
};

/// Smallest and largest with 0 included; comparisons are false on NaN, which is so left out.
QCC_CLONES Range rangeOf(const float *x, int64_t count) {
  constexpr int64_t lanes = 16;
  float low[lanes] = {}, high[lanes] = {};
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    for (int64_t j = 0; j < lanes; ++j) {
      low[j] = x[i + j] < low[j] ? x[i + j] : low[j];
      high[j] = x[i + j] > high[j] ? x[i + j] : high[j];
    }
  for (; i < count; ++i) {
    low[0] = x[i] < low[0] ? x[i] : low[0];
    high[0] = x[i] > high[0] ? x[i] : high[0];
  }
  return {*std::min_element(low, low + lanes), *std::max_element(high, high + lanes)};
}

/// Mean magnitude, NaN as 0: 8 interleaved sums in f64, added in ascending order.
QCC_CLONES float meanMagnitude(const float *x, int64_t count) {
  constexpr int64_t lanes = 8;
  double sums[lanes] = {};
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    for (int64_t j = 0; j < lanes; ++j) {
      double magnitude = std::fabs(static_cast<double>(x[i + j]));
      sums[j] += magnitude == magnitude ? magnitude : 0.0;
    }
  for (; i < count; ++i)
    if (x[i] == x[i])
      sums[i % lanes] += std::fabs(static_cast<double>(x[i]));
  double sum = 0;
  for (double part : sums)
    sum += part;
  return count ? static_cast<float>(sum / static_cast<double>(count)) : 0.0f;
}

/// clamp(roundeven(x / scale) + zero, low, high). Adding and subtracting 1.5 * 2^23 rounds to even;
/// quotients are cut off at 2^10 before, far outside every code.
QCC_CLONES void uniformCodes(const float *x, int64_t count, float scale, float zero, float low,
                             float high, uint8_t *codes) {
  constexpr float magic = 0x1.8p23f, far = 1024.0f;
  for (int64_t i = 0; i < count; ++i) {
    float q = x[i] / scale;
    q = q < -far ? -far : q;
    q = q > far ? far : q;
    float rounded = (q + magic) - magic;
    float code = rounded + zero;
    code = code < low ? low : code;
    code = code > high ? high : code;
    code = q == q ? code : zero;
    codes[i] = static_cast<uint8_t>(static_cast<int32_t>(code));
  }
}

QCC_CLONES void e4m3Codes(const float *x, int64_t count, float scale, uint8_t *codes) {
  for (int64_t i = 0; i < count; ++i)
    codes[i] = miniFromFloat(kFloat8E4M3, x[i] / scale);
}
QCC_CLONES void e5m2Codes(const float *x, int64_t count, float scale, uint8_t *codes) {
  for (int64_t i = 0; i < count; ++i)
    codes[i] = miniFromFloat(kFloat8E5M2, x[i] / scale);
}
QCC_CLONES void e2m1Codes(const float *x, int64_t count, float scale, uint8_t *codes) {
  for (int64_t i = 0; i < count; ++i)
    codes[i] = miniFromFloat(kFloat4E2M1, x[i] / scale);
}

void miniCodes(WeightKind kind, const float *x, int64_t count, float scale, uint8_t *codes) {
  if (kind == WeightKind::Float8E4M3)
    return e4m3Codes(x, count, scale, codes);
  if (kind == WeightKind::Float8E5M2)
    return e5m2Codes(x, count, scale, codes);
  e2m1Codes(x, count, scale, codes);
}

/// Counts the middles below x / scale: quick for tables of at most 16 values.
QCC_CLONES void smallTableCodes(const float *x, int64_t count, float scale, const float *middles,
                                int64_t middleCount, uint8_t *codes) {
  for (int64_t i = 0; i < count; ++i) {
    float q = x[i] / scale;
    q = q == q ? q : 0.0f;
    int32_t code = 0;
    for (int64_t j = 0; j < middleCount; ++j)
      code += q > middles[j];
    codes[i] = static_cast<uint8_t>(code);
  }
}

uint8_t tableCode(const std::vector<float> &middles, float q) {
  q = q == q ? q : 0.0f;
  return static_cast<uint8_t>(std::lower_bound(middles.begin(), middles.end(), q) -
                              middles.begin());
}

} // namespace

float roundToFormat(ScaleFormat format, float value) {
  switch (format) {
  case ScaleFormat::F32:
  case ScaleFormat::U8:
    return value;
  case ScaleFormat::F16:
    return floatFromHalf(halfFromFloat(value));
  case ScaleFormat::BF16:
    return floatFromBfloat(bfloatFromFloat(value));
  case ScaleFormat::E8M0:
    return floatFromE8m0(e8m0FromFloat(value));
  case ScaleFormat::E4M3: { // a scale does not vanish
    uint8_t code = miniFromFloat(kFloat8E4M3, std::fabs(value));
    return floatFromMini(kFloat8E4M3, value > 0 && !code ? 1 : code);
  }
  }
  return value;
}

CodeRange codeRange(const WeightFormat &format) {
  if (format.kind == WeightKind::Ternary)
    return {-1, 1};
  int32_t count = int32_t(1) << format.bits;
  if (format.isUnsigned || format.kind != WeightKind::Uniform)
    return {0, count - 1};
  return {format.zeroPoint ? -count / 2 : -count / 2 + 1, count / 2 - 1};
}

const std::vector<float> &normalFloat4() {
  static const std::vector<float> table = {
      -1.0f,
      -0.6961928009986877f,
      -0.5250730514526367f,
      -0.39491748809814453f,
      -0.28444138169288635f,
      -0.18477343022823334f,
      -0.09105003625154495f,
      0.0f,
      0.07958029955625534f,
      0.16093020141124725f,
      0.24611230194568634f,
      0.33791524171829224f,
      0.44070982933044434f,
      0.5626170039176941f,
      0.7229568362236023f,
      1.0f,
  };
  return table;
}

std::string problemOf(const WeightFormat &format) {
  auto bits = [&](const char *what, unsigned count) {
    return format.bits == count ? std::string()
                                : std::string(what) + " have " + std::to_string(count) +
                                      " bits, not " + std::to_string(format.bits);
  };
  if (format.block < 0)
    return "block of " + std::to_string(format.block) + " elements";
  if (format.scale == ScaleFormat::U8 && !format.super)
    return "scales of unsigned bytes need a second level";
  if (format.super && format.scale != ScaleFormat::U8 && format.scale != ScaleFormat::E4M3)
    return "two levels of scales need unsigned bytes or f8E4M3FN in the first";
  if (format.zeroPoint && format.kind != WeightKind::Uniform)
    return "zero points need uniform codes";
  switch (format.kind) {
  case WeightKind::Uniform:
    if (format.bits < 1 || format.bits > 8)
      return std::to_string(format.bits) + " bits of a code, not 1 to 8";
    if (format.bits == 1 && !format.zeroPoint)
      return "uniform codes of 1 bit need a zero point; without one the codebook [-1, 1] is meant";
    return {};
  case WeightKind::Ternary:
    return bits("ternary codes", 2);
  case WeightKind::Float8E4M3:
  case WeightKind::Float8E5M2:
    return bits("such floats", 8);
  case WeightKind::Float4E2M1:
    return bits("such floats", 4);
  case WeightKind::Codebook:
    break;
  }
  if (format.bits < 1 || format.bits > 8)
    return std::to_string(format.bits) + " bits of a code, not 1 to 8";
  if (format.table.empty())
    return {};
  if (format.table.size() < 2 || format.table.size() > (1u << format.bits))
    return "a table of " + std::to_string(format.table.size()) + " values for codes of " +
           std::to_string(format.bits) + " bits";
  for (size_t i = 0; i < format.table.size(); ++i)
    if (!std::isfinite(format.table[i]) || (i && format.table[i] < format.table[i - 1]))
      return "the table's values do not ascend at " + std::to_string(i);
  if (largestOf(format.table) == 0)
    return "the table holds zeros only";
  return {};
}

double WeightFormat::bitsPerWeight(int64_t k) const {
  if (k <= 0)
    return bits;
  double scaleBits = scale == ScaleFormat::F32                                 ? 32
                     : scale == ScaleFormat::F16 || scale == ScaleFormat::BF16 ? 16
                                                                               : 8;
  double perRow = static_cast<double>(blocks(k)) * (scaleBits + (zeroPoint ? bits : 0));
  return bits + (perRow + (super ? 32 : 0)) / static_cast<double>(k);
}

//===-- One block --------------------------------------------------------------------------------//

float rawScale(const WeightFormat &format, const float *x, int64_t count) {
  if (format.kind == WeightKind::Ternary || format.isBinary())
    return meanMagnitude(x, count);
  Range range = rangeOf(x, count);
  if (format.zeroPoint)
    return (range.high - range.low) / float((1 << format.bits) - 1);
  float absmax = std::fmax(-range.low, range.high);
  if (isMini(format.kind)) {
    float max = miniFloat(format.kind).max;
    // OCP microscaling formats 1.0, 6.3: the power of two of the largest, over that of the format.
    if (format.scale == ScaleFormat::E8M0)
      return absmax > 0 && std::isfinite(absmax)
                 ? std::ldexp(1.0f, std::max(floorLog2(absmax) - floorLog2(max), -126))
                 : absmax;
    return absmax / max;
  }
  if (format.kind == WeightKind::Codebook)
    return format.learned || format.table.empty() ? absmax : absmax / largestOf(format.table);
  return absmax / float((1 << (format.bits - 1)) - 1);
}

uint8_t scaleCode(const WeightFormat &format, float scale, float super) {
  float steps = format.super ? (super > 0 ? scale / super : 0.0f) : scale;
  uint8_t least = scale > 0 && (!format.super || super > 0) ? 1 : 0;
  switch (format.scale) {
  case ScaleFormat::U8:
    return std::max(least, static_cast<uint8_t>(std::nearbyint(std::fmin(steps, 255.0f))));
  case ScaleFormat::E4M3:
    return std::max(least, miniFromFloat(kFloat8E4M3, std::fabs(steps)));
  case ScaleFormat::E8M0:
    return e8m0FromFloat(scale);
  default:
    assert(false && "scales of this format have no codes of 8 bits");
    return 0;
  }
}

float roundScale(const WeightFormat &format, float raw, float super) {
  if (!format.super)
    return roundToFormat(format.scale, raw);
  uint8_t code = scaleCode(format, raw, super);
  return (format.scale == ScaleFormat::U8 ? float(code) : floatFromMini(kFloat8E4M3, code)) * super;
}

float superFor(const WeightFormat &format, float maxRaw) {
  return format.super ? maxRaw / (format.scale == ScaleFormat::U8 ? 255.0f : kFloat8E4M3.max) : 0;
}

float zeroFor(const WeightFormat &format, const float *x, int64_t count, float scale) {
  if (!format.zeroPoint || !(scale > 0))
    return 0;
  CodeRange range = codeRange(format);
  float low = static_cast<float>(range.low), high = static_cast<float>(range.high);
  float zero = std::nearbyint(-rangeOf(x, count).low / scale) + low;
  return std::isnan(zero) ? 0 : std::clamp(zero, low, high); // infinities have no grid
}

Grid gridFor(const WeightFormat &format, const float *x, int64_t count, float super) {
  float scale = roundScale(format, rawScale(format, x, count), super);
  return {scale, zeroFor(format, x, count, scale)};
}

Coder::Coder(const WeightFormat &format) : fmt(format), range(codeRange(format)) {
  assert(problemOf(format).empty());
  std::fill(values, values + 256, 0.0f);
  int32_t count = 1 << format.bits;
  switch (format.kind) {
  case WeightKind::Uniform:
  case WeightKind::Ternary:
    for (int32_t code = -128; code < 256; ++code)
      if (format.isUnsigned ? code >= 0 : code < 128)
        values[static_cast<uint8_t>(code)] = static_cast<float>(code);
    for (int32_t code = range.low; code <= range.high; ++code)
      order.push_back(static_cast<uint8_t>(code));
    return;
  case WeightKind::Codebook:
    assert(!format.table.empty() && "learn the table first");
    for (size_t i = 0; i < format.table.size(); ++i) {
      values[i] = format.table[i];
      order.push_back(static_cast<uint8_t>(i));
      if (i)
        middles.push_back(0.5f * (format.table[i - 1] + format.table[i]));
    }
    return;
  default:
    for (int32_t code = 0; code < count; ++code) {
      values[code] = floatFromMini(miniFloat(format.kind), static_cast<uint8_t>(code));
      if (std::fabs(values[code]) <= miniFloat(format.kind).max && code != count / 2)
        order.push_back(static_cast<uint8_t>(code));
    }
    std::sort(order.begin(), order.end(),
              [&](uint8_t a, uint8_t b) { return values[a] < values[b]; });
  }
}

void Coder::nearest(const float *x, int64_t count, Grid grid, uint8_t *codes) const {
  if (grid.scale == 0) {
    std::fill_n(codes, count, nearest(0.0f, grid));
    return;
  }
  switch (fmt.kind) {
  case WeightKind::Uniform:
  case WeightKind::Ternary:
    return uniformCodes(x, count, grid.scale, grid.zero, static_cast<float>(range.low),
                        static_cast<float>(range.high), codes);
  case WeightKind::Codebook:
    if (middles.size() < 16)
      return smallTableCodes(x, count, grid.scale, middles.data(),
                             static_cast<int64_t>(middles.size()), codes);
    for (int64_t i = 0; i < count; ++i)
      codes[i] = tableCode(middles, x[i] / grid.scale);
    return;
  default:
    return miniCodes(fmt.kind, x, count, grid.scale, codes);
  }
}

uint8_t Coder::nearest(float x, Grid grid) const {
  float q = grid.scale == 0 ? 0.0f : x / grid.scale;
  switch (fmt.kind) {
  case WeightKind::Uniform:
  case WeightKind::Ternary: {
    float code = grid.zero;
    if (q == q)
      code = std::clamp(std::nearbyint(std::clamp(q, -1024.0f, 1024.0f)) + grid.zero,
                        static_cast<float>(range.low), static_cast<float>(range.high));
    return static_cast<uint8_t>(static_cast<int32_t>(code));
  }
  case WeightKind::Codebook:
    return tableCode(middles, q);
  default:
    return miniFromFloat(miniFloat(fmt.kind), q);
  }
}

//===-- Rows -------------------------------------------------------------------------------------//

EncodedRows makeRows(const WeightFormat &format, int64_t rows, int64_t k) {
  EncodedRows out;
  out.rows = rows;
  out.k = k;
  out.blocks = format.blocks(k);
  out.codes.resize(rows * k);
  out.scales.resize(rows * out.blocks);
  if (format.zeroPoint)
    out.zeros.resize(rows * out.blocks);
  if (format.super) {
    out.supers.resize(rows);
    out.scaleCodes.resize(rows * out.blocks);
  }
  out.table = format.table;
  return out;
}

RowParts partsOf(EncodedRows &rows, int64_t firstRow) {
  RowParts parts;
  parts.codes = rows.codes.data() + firstRow * rows.k;
  parts.scales = rows.scales.data() + firstRow * rows.blocks;
  if (!rows.zeros.empty())
    parts.zeros = rows.zeros.data() + firstRow * rows.blocks;
  if (!rows.supers.empty()) {
    parts.supers = rows.supers.data() + firstRow;
    parts.scaleCodes = rows.scaleCodes.data() + firstRow * rows.blocks;
  }
  return parts;
}

void encodeRows(const WeightFormat &format, const float *x, int64_t rows, int64_t k,
                RowParts parts) {
  Coder coder(format);
  int64_t block = format.blockLength(k), blocks = format.blocks(k);
  std::vector<float> raw(blocks);
  for (int64_t row = 0; row < rows; ++row) {
    const float *from = x + row * k;
    float maxRaw = 0;
    for (int64_t b = 0; b < blocks; ++b) {
      raw[b] = rawScale(format, from + b * block, std::min(block, k - b * block));
      maxRaw = std::fmax(maxRaw, raw[b]);
    }
    float super = superFor(format, maxRaw);
    if (parts.supers)
      parts.supers[row] = super;
    for (int64_t b = 0; b < blocks; ++b) {
      int64_t at = row * blocks + b, length = std::min(block, k - b * block);
      float scale = roundScale(format, raw[b], super);
      Grid grid{scale, zeroFor(format, from + b * block, length, scale)};
      if (parts.scales)
        parts.scales[at] = scale;
      if (parts.zeros)
        parts.zeros[at] = static_cast<int8_t>(static_cast<int32_t>(grid.zero));
      if (parts.scaleCodes)
        parts.scaleCodes[at] = scaleCode(format, raw[b], super);
      if (parts.codes)
        coder.nearest(from + b * block, length, grid, parts.codes + row * k + b * block);
    }
  }
}

EncodedRows encodeRows(const WeightFormat &format, const float *x, int64_t rows, int64_t k,
                       const float *importance) {
  WeightFormat full = format;
  if (full.kind == WeightKind::Codebook && full.table.empty()) {
    full.table = learnTable(full, x, rows, k, importance);
    full.learned = true;
  }
  EncodedRows out = makeRows(full, rows, k);
  encodeRows(full, x, rows, k, partsOf(out));
  return out;
}

void decodeRows(const WeightFormat &format, const EncodedRows &rows, float *out) {
  WeightFormat full = format;
  if (full.kind == WeightKind::Codebook)
    full.table = rows.table;
  Coder coder(full);
  int64_t block = format.blockLength(rows.k);
  for (int64_t row = 0; row < rows.rows; ++row)
    for (int64_t b = 0; b < rows.blocks; ++b) {
      int64_t at = row * rows.blocks + b;
      float zero = 0;
      if (!rows.zeros.empty())
        zero = format.isUnsigned ? static_cast<float>(static_cast<uint8_t>(rows.zeros[at]))
                                 : static_cast<float>(rows.zeros[at]);
      Grid grid{rows.scales[at], zero};
      for (int64_t i = b * block; i < std::min(rows.k, (b + 1) * block); ++i)
        out[row * rows.k + i] = coder.decode(rows.codes[row * rows.k + i], grid);
    }
}

} // namespace qcc
