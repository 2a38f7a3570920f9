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

void packW4(const W4Source &w, const W4Layout &layout, int64_t first, int64_t last, uint8_t *out) {
  const StridedMatrix<uint8_t> &c = w.codes;
  int64_t blocks = layout.blocks(c.k);
  const auto *scales = static_cast<const uint8_t *>(w.scales);
  for (int64_t p = first; p < last; ++p) {
    uint8_t *panel = out + p * layout.panelBytes(c.k);
    std::memset(panel, 0, layout.panelBytes(c.k));
    int64_t columns = std::min(kPanel, c.n - p * kPanel);
    for (int64_t j = 0; j < columns; ++j) {
      int64_t n = p * kPanel + j;
      const uint8_t *source = c.data + n * c.nStride;
      for (int64_t block = 0; block < blocks; ++block) {
        uint8_t *base = panel + block * layout.blockBytes();
        int64_t inputs = std::min(layout.group, c.k - block * layout.group);
        for (int64_t i = 0; i < inputs; ++i) {
          uint8_t code = source[(block * layout.group + i) * c.kStride] & 15;
          base[(i / 8) * 64 + 4 * j + i % 4] |= i / 4 % 2 ? code << 4 : code;
        }
        std::memcpy(base + layout.codeBytes() + j * layout.scaleBytes,
                    scales + (n * blocks + block) * layout.scaleBytes, layout.scaleBytes);
        uint8_t zero = w.zeros ? w.zeros[n * blocks + block] & 15 : 8;
        if (layout.zeroPoints)
          base[layout.codeBytes() + kPanel * layout.scaleBytes + j % (kPanel / 2)] |=
              j < kPanel / 2 ? zero : zero << 4;
      }
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

void unpackW4(const uint8_t *packed, const W4Layout &layout, int64_t n, int64_t k, uint8_t *codes,
              void *scales, uint8_t *zeros) {
  int64_t blocks = layout.blocks(k);
  auto *scaleBytes = static_cast<uint8_t *>(scales);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t b = 0; b < blocks; ++b) {
      int64_t j = i % kPanel;
      const uint8_t *base = packed + i / kPanel * layout.panelBytes(k) + b * layout.blockBytes();
      for (int64_t x = 0; x < std::min(layout.group, k - b * layout.group); ++x) {
        uint8_t pair = base[x / 8 * 64 + 4 * j + x % 4];
        codes[i * k + b * layout.group + x] = x / 4 % 2 ? pair >> 4 : pair & 15;
      }
      std::memcpy(scaleBytes + (i * blocks + b) * layout.scaleBytes,
                  base + layout.codeBytes() + j * layout.scaleBytes, layout.scaleBytes);
      uint8_t pair = base[layout.codeBytes() + kPanel * layout.scaleBytes + j % (kPanel / 2)];
      uint8_t zero = j < kPanel / 2 ? pair & 15 : pair >> 4;
      zeros[i * blocks + b] = layout.zeroPoints ? zero : 8;
    }
}

} // namespace qcc
