// Random weights with codes in blocks, packed and plain, for tests of products.
#ifndef QCC_TEST_KERNELS_BLOCKTESTING_H
#define QCC_TEST_KERNELS_BLOCKTESTING_H

#include "MatmulTesting.h"
#include <bit>
#include <cmath>
#include <limits>

namespace qcc::test {

inline constexpr float kF4[16] = {0,     0.5f,  1,  1.5f,  2,  3,  4,  6,
                                  -0.0f, -0.5f, -1, -1.5f, -2, -3, -4, -6};

/// f8 by the definition: sign, exponent and fraction.
inline float smallFloat(uint8_t code, int exponentBits, int fractionBits, bool hasInfinity) {
  int exponent = code >> fractionBits & ((1 << exponentBits) - 1);
  int fraction = code & ((1 << fractionBits) - 1), bias = (1 << (exponentBits - 1)) - 1;
  int last = (1 << exponentBits) - 1;
  float sign = code & 0x80 ? -1.0f : 1.0f;
  if (hasInfinity && exponent == last)
    return fraction ? NAN : sign * std::numeric_limits<float>::infinity();
  if (!hasInfinity && (code & 0x7f) == 0x7f)
    return NAN;
  if (exponent == 0)
    return sign * std::ldexp(float(fraction), 1 - bias - fractionBits);
  return sign * std::ldexp(1 + float(fraction) / float(1 << fractionBits), exponent - bias);
}

/// What a code stands for, by the kind of product.
inline float valueOf(const BlockProduct &p, const std::vector<float> &table, uint8_t code) {
  switch (p.value) {
  case CodeValue::Uniform:
    return float(p.step * code - p.bias);
  case CodeValue::Table:
    return table[code];
  case CodeValue::Integers:
    return (float(p.integers[code]) - float(p.bias)) * p.unit;
  case CodeValue::Float4E2M1:
    return kF4[code];
  case CodeValue::Float8E4M3:
    return smallFloat(code, 4, 3, false);
  case CodeValue::Float8E5M2:
    return smallFloat(code, 5, 2, true);
  }
  return 0;
}

/// A random scale as stored, and its value.
struct Scale {
  uint32_t bits;
  float value;
};
inline Scale randomScale(ScaleForm form) {
  switch (form) {
  case ScaleForm::F32: {
    float v = uniform(0.001f, 1);
    return {std::bit_cast<uint32_t>(v), v};
  }
  case ScaleForm::F16: {
    auto v = (_Float16)uniform(0.001f, 1);
    return {std::bit_cast<uint16_t>(v), float(v)};
  }
  case ScaleForm::BF16: {
    uint32_t bits = std::bit_cast<uint32_t>(uniform(0.001f, 1)) >> 16;
    return {bits, std::bit_cast<float>(bits << 16)};
  }
  case ScaleForm::E8M0: {
    auto code = uint32_t(integer(0, 9) ? integer(110, 130) : 0);
    return {code, std::ldexp(1.0f, int(code) - 127)};
  }
  case ScaleForm::E4M3: {
    auto code = uint32_t(integer(0, 126));
    return {code, smallFloat(uint8_t(code), 4, 3, false)};
  }
  case ScaleForm::U8: {
    auto code = uint32_t(integer(0, 255));
    return {code, float(code)};
  }
  }
  return {};
}

/// A number from 0 to `top`; with `extreme` one of the two.
inline int code(int top, bool extreme) { return extreme ? top * integer(0, 1) : integer(0, top); }

/// Weights of a random product, packed and plain.
struct Weights {
  std::vector<uint8_t> codes, zeros, scaleBytes, packed;
  std::vector<float> floatZeros, scales, super, table;

  Weights(const BlockProduct &p, int64_t n, int64_t k, bool extreme = false) {
    const BlockLayout &w = p.layout;
    int64_t blocks = w.blocks(k), top = (int64_t(1) << w.bits) - 1;
    for (int64_t i = 0; i < n * k; ++i) {
      auto c = uint8_t(code(int(top), extreme));
      if (!std::isfinite(valueOf(p, std::vector<float>(256), c)) && integer(0, 400))
        c = 1; // NaN and infinity sometimes
      codes.push_back(c);
    }
    for (int64_t i = 0; i < n; ++i)
      super.push_back(uniform(0.01f, 1));
    for (int64_t i = 0; i < n * blocks; ++i) {
      zeros.push_back(uint8_t(code(int(top), extreme)));
      floatZeros.push_back(uniform(0, float(top)));
      Scale scale = randomScale(p.scale);
      const auto *bytes = reinterpret_cast<const uint8_t *>(&scale.bits);
      scaleBytes.insert(scaleBytes.end(), bytes, bytes + w.scaleBytes);
      scales.push_back(w.twoLevel ? scale.value * super[i / blocks] : scale.value);
    }
    for (int64_t i = 0; i < w.tableEntries; ++i)
      table.push_back(uniform(-1, 1));
    pack(p, n, k);
  }
  /// Once more, if parts were changed.
  void pack(const BlockProduct &p, int64_t n, int64_t k) {
    const BlockLayout &w = p.layout;
    packed.resize(w.bytes(n, k) + 64);
    if (!table.empty())
      std::memcpy(packed.data(), table.data(), table.size() * 4);
    packBlocks({{codes.data(), n, k, k, 1},
                scaleBytes.data(),
                zeros.data(),
                floatZeros.data(),
                super.data()},
               w, 0, panels(n), packed.data() + w.tableBytes());
  }
  float zero(const BlockProduct &p, int64_t at) const {
    return p.layout.zeros == BlockZeros::None    ? 0
           : p.layout.zeros == BlockZeros::Float ? floatZeros[at]
                                                 : zeros[at];
  }
};

inline BlockProduct product(int bits, int64_t group, BlockCore core,
                            BlockZeros zeros = BlockZeros::None) {
  BlockProduct p;
  p.layout = {bits, group, 2, zeros};
  p.core = core;
  p.bias = zeros == BlockZeros::None ? 1 << (bits - 1) : 0;
  p.inputs = group;
  return p;
}

inline void setScale(BlockProduct &p, ScaleForm form) {
  p.scale = form;
  p.layout.scaleBytes = form == ScaleForm::F32                              ? 4
                        : form == ScaleForm::F16 || form == ScaleForm::BF16 ? 2
                                                                            : 1;
}

} // namespace qcc::test
#endif
