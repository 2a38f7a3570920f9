// Elements of matrix products, and the product itself.
#ifndef QCC_SIMT_MATRIXVALUES_H
#define QCC_SIMT_MATRIXVALUES_H

#include "LaneFunctions.h"
#include "Program.h"
#include "qcc/Algorithms/FloatFormats.h"
#include <algorithm>
#include <bit>
#include <vector>

namespace qcc::simt {

inline unsigned elementBits(MatrixElement element) {
  switch (element) {
  case MatrixElement::S4:
  case MatrixElement::U4:
    return 4;
  case MatrixElement::F16:
  case MatrixElement::BF16:
    return 16;
  case MatrixElement::TF32:
    return 32;
  default:
    return 8;
  }
}

inline bool isInteger(MatrixElement element) { return element <= MatrixElement::U8; }

inline int32_t integerValue(MatrixElement element, uint32_t bits) {
  bool isSigned = element == MatrixElement::S4 || element == MatrixElement::S8;
  return isSigned ? static_cast<int32_t>(signExtended(bits, elementBits(element)))
                  : static_cast<int32_t>(bits);
}

inline float floatValue(MatrixElement element, uint32_t bits) {
  switch (element) {
  case MatrixElement::F16:
    return floatFromHalf(bits);
  case MatrixElement::BF16:
    return floatFromBfloat(bits);
  case MatrixElement::E4M3:
    return floatFromMini(kFloat8E4M3, bits);
  case MatrixElement::E5M2:
    return floatFromMini(kFloat8E5M2, bits);
  default:
    return std::bit_cast<float>(bits & ~0x1fffu); // tf32: what lies behind ten bits is ignored
  }
}

/// A product of 16 rows: A is [16][k], B [n][k], both as the bits of elements; C and D [16][n]
/// words of 32 bits. Floats multiply exactly and are added in f32 in the order of k.
inline void multiplyTile(const Product &product, const std::vector<uint32_t> &a,
                         const std::vector<uint32_t> &b, std::vector<uint32_t> &d) {
  unsigned n = product.n, k = product.k;
  if (isInteger(product.a)) {
    std::vector<int32_t> as(a.size()), bs(b.size());
    std::transform(a.begin(), a.end(), as.begin(),
                   [&](uint32_t x) { return integerValue(product.a, x); });
    std::transform(b.begin(), b.end(), bs.begin(),
                   [&](uint32_t x) { return integerValue(product.b, x); });
    for (unsigned row = 0; row != 16; ++row)
      for (unsigned col = 0; col != n; ++col) {
        int64_t sum = static_cast<int32_t>(d[row * n + col]);
        for (unsigned i = 0; i != k; ++i)
          sum += as[row * k + i] * bs[col * k + i];
        if (product.saturates)
          sum = std::clamp<int64_t>(sum, INT32_MIN, INT32_MAX);
        d[row * n + col] = static_cast<uint32_t>(sum);
      }
    return;
  }
  std::vector<float> as(a.size()), bs(b.size());
  auto valueOf = [](MatrixElement element, bool negated, uint32_t bits) {
    float value = floatValue(element, bits);
    return negated ? -value : value;
  };
  std::transform(a.begin(), a.end(), as.begin(),
                 [&](uint32_t x) { return valueOf(product.a, product.negatedA, x); });
  std::transform(b.begin(), b.end(), bs.begin(),
                 [&](uint32_t x) { return valueOf(product.b, product.negatedB, x); });
  for (unsigned row = 0; row != 16; ++row)
    for (unsigned col = 0; col != n; ++col) {
      float sum = std::bit_cast<float>(d[row * n + col]);
      for (unsigned i = 0; i != k; ++i) {
        float term = as[row * k + i] * bs[col * k + i];
        sum += term;
      }
      d[row * n + col] = std::bit_cast<uint32_t>(sum);
    }
}

} // namespace qcc::simt

#endif
