// The packed layouts of weights, as kernels of every feature level read them, and their writers.
//
// Weights are logically [N][K]: N outputs, K inputs. All layouts are sequences of panels of 16
// outputs, the last one padded with zeros, so that panels can be packed independently (and in
// parallel), and a kernel reads one contiguous stream per panel.
#ifndef QCC_ALGORITHMS_PACK_H
#define QCC_ALGORITHMS_PACK_H

#include <cstdint>
#include <span>

namespace qcc {

constexpr int64_t kPanel = 16;
constexpr int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t roundUp(int64_t a, int64_t b) { return ceilDiv(a, b) * b; }
constexpr int64_t panels(int64_t n) { return ceilDiv(n, kPanel); }

/// A matrix read through strides: element (n, k) at data[n * nStride + k * kStride]. ONNX stores
/// MatMul weights [K][N], so nStride = 1 and kStride = N there.
template <typename T> struct StridedMatrix {
  const T *data;
  int64_t n, k;
  int64_t nStride, kStride;
};

// f32, or 16-bit floats: [panels][K][16].
constexpr int64_t packedFloatBytes(int64_t n, int64_t k, int64_t elementBytes) {
  return panels(n) * k * kPanel * elementBytes;
}
/// Writes panels [first, last) to out, which points to panel 0.
void packF32(const StridedMatrix<float> &w, int64_t first, int64_t last, float *out);
void packBits16(const StridedMatrix<uint16_t> &w, int64_t first, int64_t last, uint16_t *out);

// 8-bit codes: [panels][ceil(K/4)][16][4] of s8; K padded with zeros.
constexpr int64_t packedW8Bytes(int64_t n, int64_t k) { return panels(n) * roundUp(k, 4) * kPanel; }
/// Also writes correction[16 * panel + j] = -offset * Σ_k w, what the accumulators start with when
/// activations are stored as unsigned codes a + offset (128 for dynamic int8). `correction` has
/// 16 * panels entries.
void packW8(const StridedMatrix<int8_t> &w, int64_t first, int64_t last, int32_t offset,
            int8_t *out, int32_t *correction);

/// 4-bit codes in blocks of `group` along K. A panel is ceil(K / group) blocks; a block is
///   codes  ceil(group / 8) vectors of 64 bytes; vector v, byte 4 j + i holds output j: the low
///          half is input 8 v + i, the high half input 8 v + 4 + i of the block (zero beyond it),
///   scales 16 numbers of scaleBytes each (2: f16 or bf16, 4: f32),
///   zeros  8 bytes, when zeroPoints: byte j has those of outputs j (low half) and j + 8; without
///          them every zero point is 8.
/// The meaning of a code c is (c - zero) * scale.
struct W4Layout {
  int64_t group = 32; ///< a multiple of 4; 32 k is fastest
  int64_t scaleBytes = 2;
  bool zeroPoints = true;

  constexpr int64_t codeBytes() const { return ceilDiv(group, 8) * 64; }
  constexpr int64_t blockBytes() const {
    return codeBytes() + kPanel * scaleBytes + (zeroPoints ? kPanel / 2 : 0);
  }
  constexpr int64_t blocks(int64_t k) const { return ceilDiv(k, group); }
  constexpr int64_t panelBytes(int64_t k) const { return blocks(k) * blockBytes(); }
  constexpr int64_t bytes(int64_t n, int64_t k) const { return panels(n) * panelBytes(k); }
};
/// Source of packW4: codes (n, k) in 0..15, one a byte; scales and zero points [n][blocks].
struct W4Source {
  StridedMatrix<uint8_t> codes;
  const void *scales;   ///< scaleBytes each, in the target's type already
  const uint8_t *zeros; ///< null when all are 8
};
void packW4(const W4Source &w, const W4Layout &layout, int64_t first, int64_t last, uint8_t *out);

// The inverses, for tests and inspection: dense [N][K].
void unpackF32(const float *packed, int64_t n, int64_t k, float *out);
void unpackW8(const int8_t *packed, int64_t n, int64_t k, int8_t *out);
void unpackW4(const uint8_t *packed, const W4Layout &layout, int64_t n, int64_t k, uint8_t *codes,
              void *scales, uint8_t *zeros);

} // namespace qcc
#endif
