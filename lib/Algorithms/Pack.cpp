// Writers and readers of the packed weight layouts; see Pack.h.
#include "qcc/Algorithms/Pack.h"
#include <algorithm>
#include <cstring>

namespace qcc {

/// [K][16] panels of any element; K is walked in chunks that keep both sides in cache.
template <typename T>
static void packPanels(const StridedMatrix<T> &w, int64_t first, int64_t last, T *out) {
  constexpr int64_t chunk = 64;
  for (int64_t p = first; p < last; ++p) {
    int64_t columns = std::min(kPanel, w.n - p * kPanel);
    const T *source = w.data + p * kPanel * w.nStride;
    T *panel = out + p * w.k * kPanel;
    for (int64_t k0 = 0; k0 < w.k; k0 += chunk) {
      int64_t k1 = std::min(w.k, k0 + chunk);
      if (w.nStride == 1 && columns == kPanel) {
        for (int64_t k = k0; k < k1; ++k)
          std::memcpy(panel + k * kPanel, source + k * w.kStride, kPanel * sizeof(T));
        continue;
      }
      for (int64_t j = 0; j < kPanel; ++j)
        for (int64_t k = k0; k < k1; ++k)
          panel[k * kPanel + j] = j < columns ? source[j * w.nStride + k * w.kStride] : T(0);
    }
  }
}

void packF32(const StridedMatrix<float> &w, int64_t first, int64_t last, float *out) {
  packPanels(w, first, last, out);
}
void packBits16(const StridedMatrix<uint16_t> &w, int64_t first, int64_t last, uint16_t *out) {
  packPanels(w, first, last, out);
}

void packPairs(const StridedMatrix<uint16_t> &w, int64_t first, int64_t last, uint16_t *out) {
  int64_t padded = roundUp(w.k, 2);
  for (int64_t p = first; p < last; ++p)
    for (int64_t j = 0; j < kPanel; ++j) {
      int64_t row = p * kPanel + j;
      for (int64_t k = 0; k < padded; ++k)
        out[(p * padded + k - k % 2) * kPanel + j * 2 + k % 2] =
            row < w.n && k < w.k ? w.data[row * w.nStride + k * w.kStride] : uint16_t(0);
    }
}

void packW8(const StridedMatrix<int8_t> &w, int64_t first, int64_t last, int32_t offset,
            int8_t *out, int32_t *correction) {
  int64_t padded = roundUp(w.k, 4);
  for (int64_t p = first; p < last; ++p) {
    int8_t *panel = out + p * padded * kPanel;
    int64_t columns = std::min(kPanel, w.n - p * kPanel);
    if (columns < kPanel || padded != w.k)
      std::memset(panel, 0, padded * kPanel);
    uint32_t sums[kPanel] = {};
    const int8_t *source = w.data + p * kPanel * w.nStride;
    // The source is walked along its dense axis.
    if (w.nStride <= w.kStride) {
      for (int64_t k = 0; k < w.k; ++k)
        for (int64_t j = 0; j < columns; ++j) {
          int8_t v = source[j * w.nStride + k * w.kStride];
          panel[(k / 4) * 64 + j * 4 + k % 4] = v;
          sums[j] += static_cast<uint32_t>(int32_t(v));
        }
    } else {
      for (int64_t j = 0; j < columns; ++j)
        for (int64_t k = 0; k < w.k; ++k) {
          int8_t v = source[j * w.nStride + k * w.kStride];
          panel[(k / 4) * 64 + j * 4 + k % 4] = v;
          sums[j] += static_cast<uint32_t>(int32_t(v));
        }
    }
    for (int64_t j = 0; j < kPanel; ++j)
      correction[p * kPanel + j] =
          static_cast<int32_t>(0u - static_cast<uint32_t>(offset) * sums[j]);
  }
}

//===-- Codes in blocks -----------------------------------------------------------------------===//

/// Where the parts of a code lie: for each plane the byte, the shift in it, and the code's bits.
namespace {
struct CodePart {
  int64_t byte;
  int shift, width;
};
} // namespace

/// The parts of the code of output j and input i of a block, as many as planes.
static int codeParts(const BlockLayout &layout, int64_t j, int64_t i, CodePart *parts) {
  int64_t unit = i / layout.unit(), within = i % layout.unit();
  int64_t sub = within / 4, plane = unit * layout.unitBytes();
  int count = 0;
  for (int width : layout.planes()) {
    if (!width)
      break;
    int perVector = 8 / width;
    parts[count++] = {plane + sub / perVector * 64 + 4 * j + within % 4,
                      static_cast<int>(sub % perVector) * width, width};
    plane += layout.unit() / 4 / perVector * 64;
  }
  return count;
}

static void setBlockCode(uint8_t *units, const BlockLayout &layout, int64_t j, int64_t i,
                         unsigned code) {
  CodePart parts[3];
  for (int p = 0, count = codeParts(layout, j, i, parts); p < count; ++p) {
    unsigned mask = (1u << parts[p].width) - 1;
    uint8_t &byte = units[parts[p].byte];
    byte =
        static_cast<uint8_t>((byte & ~(mask << parts[p].shift)) | (code & mask) << parts[p].shift);
    code >>= parts[p].width;
  }
}

uint8_t blockCode(const uint8_t *units, const BlockLayout &layout, int64_t j, int64_t i) {
  CodePart parts[3];
  unsigned code = 0;
  int at = 0;
  for (int p = 0, count = codeParts(layout, j, i, parts); p < count; ++p) {
    code |= (units[parts[p].byte] >> parts[p].shift & ((1u << parts[p].width) - 1)) << at;
    at += parts[p].width;
  }
  return static_cast<uint8_t>(code);
}

static void packBlock(const BlockSource &w, const BlockLayout &layout, int64_t n, int64_t block,
                      uint8_t *base) {
  const StridedMatrix<uint8_t> &c = w.codes;
  int64_t j = n % kPanel, blocks = layout.blocks(c.k), at = n * blocks + block;
  int64_t from = block * layout.group, inputs = c.k - from;
  if (layout.group)
    inputs = std::min(layout.group, inputs);
  const uint8_t *source = c.data + n * c.nStride + from * c.kStride;
  if (layout.bits == 4) { // the common width, without the detour over planes
    for (int64_t i = 0; i < inputs; ++i) {
      uint8_t &byte = base[(i / 8) * 64 + 4 * j + i % 4];
      uint8_t code = source[i * c.kStride] & 15;
      byte = static_cast<uint8_t>(i / 4 % 2 ? (byte & 15) | code << 4 : (byte & 240) | code);
    }
  } else if (layout.bits == 8) {
    for (int64_t i = 0; i < inputs; ++i)
      base[(i / 4) * 64 + 4 * j + i % 4] = source[i * c.kStride];
  } else {
    for (int64_t i = 0; i < inputs; ++i)
      setBlockCode(base, layout, j, i, source[i * c.kStride]);
  }
  uint8_t *scales = base + layout.codeBytes(c.k);
  std::memcpy(scales + j * layout.scaleBytes,
              static_cast<const uint8_t *>(w.scales) + at * layout.scaleBytes, layout.scaleBytes);
  uint8_t *zeros = scales + kPanel * layout.scaleBytes;
  if (layout.zeros == BlockZeros::Float)
    std::memcpy(zeros + 4 * j, w.floatZeros + at, 4);
  else if (layout.zeros == BlockZeros::Packed && layout.bits > 4)
    zeros[j] = w.zeros[at];
  else if (layout.zeros == BlockZeros::Packed)
    zeros[j % (kPanel / 2)] |=
        static_cast<uint8_t>(j < kPanel / 2 ? w.zeros[at] & 15 : w.zeros[at] << 4);
}

void packBlocks(const BlockSource &w, const BlockLayout &layout, int64_t first, int64_t last,
                uint8_t *out) {
  int64_t n = w.codes.n, k = w.codes.k, blocks = layout.blocks(k);
  for (int64_t p = first; p < last; ++p) {
    uint8_t *panel = out + p * layout.panelBytes(k), *body = panel + layout.headerBytes();
    std::memset(panel, 0, layout.panelBytes(k));
    for (int64_t row = p * kPanel; row < std::min(n, (p + 1) * kPanel); ++row) {
      if (layout.twoLevel)
        std::memcpy(panel + row % kPanel * 4, w.super + row, 4);
      for (int64_t b = 0; b < blocks; ++b)
        packBlock(w, layout, row, b, body + b * layout.blockBytes(k));
    }
  }
}

void unpackBlocks(const uint8_t *packed, const BlockLayout &layout, int64_t n, int64_t k,
                  const BlockParts &parts) {
  int64_t blocks = layout.blocks(k);
  auto *scales = static_cast<uint8_t *>(parts.scales);
  for (int64_t row = 0; row < n; ++row) {
    int64_t j = row % kPanel;
    const uint8_t *panel = packed + row / kPanel * layout.panelBytes(k);
    if (layout.twoLevel)
      std::memcpy(parts.super + row, panel + 4 * j, 4);
    for (int64_t b = 0; b < blocks; ++b) {
      const uint8_t *base = panel + layout.headerBytes() + b * layout.blockBytes(k);
      int64_t from = b * layout.group, at = row * blocks + b;
      for (int64_t i = 0; i < (layout.group ? std::min(layout.group, k - from) : k); ++i)
        parts.codes[row * k + from + i] = blockCode(base, layout, j, i);
      const uint8_t *tail = base + layout.codeBytes(k);
      std::memcpy(scales + at * layout.scaleBytes, tail + j * layout.scaleBytes, layout.scaleBytes);
      tail += kPanel * layout.scaleBytes;
      if (layout.zeros == BlockZeros::Float)
        std::memcpy(parts.floatZeros + at, tail + 4 * j, 4);
      else if (layout.zeros == BlockZeros::Packed && layout.bits > 4)
        parts.zeros[at] = tail[j];
      else if (layout.zeros == BlockZeros::Packed)
        parts.zeros[at] = j < kPanel / 2 ? tail[j] & 15 : tail[j - kPanel / 2] >> 4;
    }
  }
}

void unpackF32(const float *packed, int64_t n, int64_t k, float *out) {
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < k; ++j)
      out[i * k + j] = packed[(i / kPanel * k + j) * kPanel + i % kPanel];
}

void unpackW8(const int8_t *packed, int64_t n, int64_t k, int8_t *out) {
  int64_t padded = roundUp(k, 4);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < k; ++j)
      out[i * k + j] = packed[i / kPanel * padded * kPanel + j / 4 * 64 + i % kPanel * 4 + j % 4];
}

} // namespace qcc
