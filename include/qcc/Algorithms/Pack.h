// The packed layouts of weights, as kernels of every feature level read them, and their writers.
//
// Weights are logically [N][K]: N outputs, K inputs. All layouts are sequences of panels of 16
// outputs, the last one padded with zeros, so that panels can be packed independently (and in
// parallel), and a kernel reads one contiguous stream per panel.
#ifndef QCC_ALGORITHMS_PACK_H
#define QCC_ALGORITHMS_PACK_H

#include <array>
#include <cstdint>
#include <span>

namespace qcc {

constexpr int64_t kPanel = 16;
constexpr int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t roundUp(int64_t a, int64_t b) { return ceilDiv(a, b) * b; }

/// Bytes that a way of a first-level cache holds on most machines: lines at multiples of it compete
/// for the few ways of one set.
constexpr int64_t kCacheWay = 4096;
/// Bytes from a row of activations' codes to the next: tiles read a line of many rows at once.
constexpr int64_t tokenRowStride(int64_t bytes) {
  int64_t lines = roundUp(bytes, 64);
  return lines % kCacheWay ? lines : lines + 64;
}

constexpr int64_t panels(int64_t n) { return ceilDiv(n, kPanel); }

/// A matrix read through strides: element (n, k) at data[n * nStride + k * kStride]. ONNX stores
/// MatMul weights [K][N], so nStride = 1 and kStride = N there.
template <typename T> struct StridedMatrix {
  const T *data;
  int64_t n, k;
  int64_t nStride, kStride;
};

// f32 or f16: [panels][K][16].
constexpr int64_t packedFloatBytes(int64_t n, int64_t k, int64_t elementBytes) {
  return panels(n) * k * kPanel * elementBytes;
}
/// Writes panels [first, last) to out, which points to panel 0.
void packF32(const StridedMatrix<float> &w, int64_t first, int64_t last, float *out);
void packBits16(const StridedMatrix<uint16_t> &w, int64_t first, int64_t last, uint16_t *out);

// bf16: [panels][ceil(K/2)][16][2]; K padded with 0.
constexpr int64_t packedPairBytes(int64_t n, int64_t k) {
  return panels(n) * roundUp(k, 2) * kPanel * 2;
}
void packPairs(const StridedMatrix<uint16_t> &w, int64_t first, int64_t last, uint16_t *out);

// 8-bit codes: [panels][ceil(K/4)][16][4] of s8; K padded with zeros.
constexpr int64_t packedW8Bytes(int64_t n, int64_t k) { return panels(n) * roundUp(k, 4) * kPanel; }
/// Also writes correction[16 * panel + j] = -offset * Σ_k w, what the accumulators start with when
/// activations are stored as unsigned codes a + offset (128 for dynamic int8). `correction` has
/// 16 * panels entries.
void packW8(const StridedMatrix<int8_t> &w, int64_t first, int64_t last, int32_t offset,
            int8_t *out, int32_t *correction);

//===-- Codes of 1 to 8 bits in blocks (panel16_block)
//-------------------------------------------===//

/// How the zero point of a block is stored.
enum class BlockZeros {
  None,
  Packed, ///< as a code: two a byte up to 4 bits (outputs j and j + 8), else one byte each
  Float   ///< f32
};

/// Codes of `bits` bits with scales per block of `group` inputs. The buffer is
///   table   tableEntries f32 (codebooks), padded to 64 bytes,
///   panels  of 16 outputs, each
///             super   16 f32, when twoLevel: the scale is float(code) * super,
///             blocks  ceil(K / group), each
///                       codes   ceil(group / unit) units,
///                       scales  16 numbers of scaleBytes each,
///                       zeros   see BlockZeros.
/// Codes are unsigned; signed ones are stored with 2^(bits - 1) added, zero points likewise.
///
/// A code is split into planes of 8, 4, 2 or 1 bits, the low bits in the widest plane (3 = 2 + 1,
/// 5 = 4 + 1, 6 = 4 + 2, 7 = 4 + 2 + 1). A sub-vector is 4 inputs of 16 outputs, byte 4 j + i for
/// output j and input i. A 64-byte vector of a plane of p bits holds 8 / p sub-vectors, the first
/// in the lowest bits. A unit is the inputs that a vector of the narrowest plane holds: its
/// vectors, widest plane first, follow each other. Inputs and outputs that do not exist have code
/// 0, and what kernels multiply them with is 0 too.
struct BlockLayout {
  int bits = 4;
  int64_t group = 32;     ///< inputs of a block; 0: all of them are one
  int64_t scaleBytes = 2; ///< 1, 2 or 4
  BlockZeros zeros = BlockZeros::Packed;
  bool twoLevel = false;
  int64_t tableEntries = 0;

  /// Widths of the planes, widest first, 0 where there are fewer.
  constexpr std::array<int, 3> planes() const {
    std::array<int, 3> widths = {};
    for (int width = 8, left = bits, i = 0; width; width /= 2)
      if (left >= width)
        widths[i++] = width, left -= width;
    return widths;
  }
  constexpr int narrowest() const { return bits & -bits; }
  constexpr int64_t unit() const { return 32 / narrowest(); }       ///< inputs
  constexpr int64_t unitBytes() const { return unit() * 2 * bits; } ///< of 16 outputs
  constexpr int64_t zeroBytes() const {
    return zeros == BlockZeros::None    ? 0
           : zeros == BlockZeros::Float ? kPanel * 4
           : bits <= 4                  ? kPanel / 2
                                        : kPanel;
  }
  constexpr int64_t headerBytes() const { return twoLevel ? kPanel * 4 : 0; }
  constexpr int64_t tableBytes() const { return roundUp(tableEntries * 4, 64); }
  constexpr int64_t blocks(int64_t k) const { return group ? ceilDiv(k, group) : 1; }
  constexpr int64_t codeBytes(int64_t k) const {
    return ceilDiv(group ? group : k, unit()) * unitBytes();
  }
  constexpr int64_t blockBytes(int64_t k) const {
    return codeBytes(k) + kPanel * scaleBytes + zeroBytes();
  }
  constexpr int64_t panelBytes(int64_t k) const {
    return headerBytes() + blocks(k) * blockBytes(k);
  }
  constexpr int64_t bytes(int64_t n, int64_t k) const {
    return tableBytes() + panels(n) * panelBytes(k);
  }
};

/// What is packed: codes (n, k) as stored, one a byte; scales and zero points [n][blocks].
struct BlockSource {
  StridedMatrix<uint8_t> codes;
  const void *scales;                ///< scaleBytes each, in the target's type already
  const uint8_t *zeros = nullptr;    ///< BlockZeros::Packed
  const float *floatZeros = nullptr; ///< BlockZeros::Float
  const float *super = nullptr;      ///< twoLevel: [n]
};
/// Writes panels [first, last) to out, which points to panel 0 (behind the table).
void packBlocks(const BlockSource &w, const BlockLayout &layout, int64_t first, int64_t last,
                uint8_t *out);
/// The inverse for outputs [0, n): dense [n][k] codes, [n][blocks] scales and zero points, [n]
/// super; what the layout lacks may be null.
struct BlockParts {
  uint8_t *codes;
  void *scales;
  uint8_t *zeros = nullptr;
  float *floatZeros = nullptr;
  float *super = nullptr;
};
void unpackBlocks(const uint8_t *packed, const BlockLayout &layout, int64_t n, int64_t k,
                  const BlockParts &parts);
/// The code of output j of a panel and input i of a block, whose first unit is at `units`.
uint8_t blockCode(const uint8_t *units, const BlockLayout &layout, int64_t j, int64_t i);

// The inverses, for tests and inspection: dense [N][K].
void unpackF32(const float *packed, int64_t n, int64_t k, float *out);
void unpackW8(const int8_t *packed, int64_t n, int64_t k, int8_t *out);

} // namespace qcc
#endif
