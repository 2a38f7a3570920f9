// Hadamard matrices of Paley and Sylvester, and the rotation by them.
#include "qcc/Algorithms/Hadamard.h"
#include "Clones.h"
#include <algorithm>
#include <cassert>
#include <cmath>

using namespace qcc;

namespace {

/// Larger bases cost more than they spread: base additions for each number.
constexpr int64_t maxBase = 256;

bool isPrime(int64_t n) {
  for (int64_t i = 2; i * i <= n; ++i)
    if (n % i == 0)
      return false;
  return n > 1;
}

/// Paley's first construction: order q + 1 for a prime q = 3 mod 4.
bool isFirstPaley(int64_t order) { return order % 4 == 0 && isPrime(order - 1); }
/// The second: order 2 (q + 1) for a prime q = 1 mod 4.
bool isSecondPaley(int64_t order) { return order % 8 == 4 && isPrime(order / 2 - 1); }

/// Whether i is a square modulo the prime q: 1, -1, or 0 for i = 0.
std::vector<int8_t> quadraticCharacter(int64_t q) {
  std::vector<int8_t> chi(q, -1);
  chi[0] = 0;
  for (int64_t i = 1; i < q; ++i)
    chi[i * i % q] = 1;
  return chi;
}

/// The bordered matrix of Jacobsthal: row 0 is 0, 1, 1, ...; column 0 below it is `column`.
std::vector<int8_t> conference(int64_t q, int8_t column) {
  std::vector<int8_t> chi = quadraticCharacter(q), c((q + 1) * (q + 1));
  for (int64_t i = 0; i <= q; ++i)
    for (int64_t j = 0; j <= q; ++j)
      c[i * (q + 1) + j] = i && j ? chi[(i - j + q) % q]
                                  : static_cast<int8_t>(i   ? column
                                                        : j ? 1
                                                            : 0);
  return c;
}

uint32_t mix(uint32_t h) {
  h ^= h >> 16;
  h *= 0x85ebca6b;
  h ^= h >> 13;
  h *= 0xc2b2ae35;
  return h ^ h >> 16;
}

/// Columns of [count][inner] by W: butterflies of growing stride.
QCC_CLONES void butterflies(float *x, int64_t count, int64_t inner) {
  for (int64_t stride = inner; stride < count * inner; stride *= 2)
    for (int64_t at = 0; at < count * inner; at += 2 * stride)
      for (int64_t i = at; i < at + stride; ++i) {
        float a = x[i], b = x[i + stride];
        x[i] = a + b;
        x[i + stride] = a - b;
      }
}

/// out, [base][run], columns of x by P or its transpose. No templates here: those that a clone uses
/// first would get no code of their own.
QCC_CLONES void multiplyBase(const float *x, int64_t base, int64_t run, const int8_t *matrix,
                             bool transpose, float *out) {
  for (int64_t i = 0; i < base; ++i) {
    float *to = out + i * run;
    for (int64_t t = 0; t < run; ++t)
      to[t] = 0;
    for (int64_t j = 0; j < base; ++j) {
      float sign = matrix[transpose ? j * base + i : i * base + j];
      const float *from = x + j * run;
      for (int64_t t = 0; t < run; ++t)
        to[t] += sign * from[t];
    }
  }
}

} // namespace

int64_t qcc::powerOfTwoIn(int64_t n) { return n & -n; }

int64_t qcc::hadamardBase(int64_t order) {
  if (order < 1)
    return 0;
  int64_t power = powerOfTwoIn(order);
  if (power == order)
    return 1;
  for (int64_t base = order / power; base <= std::min(order, maxBase); base *= 2)
    if (isFirstPaley(base) || isSecondPaley(base))
      return base;
  return 0;
}

int64_t qcc::largestHadamardBlock(int64_t n) {
  for (int64_t parts = 1; parts < n; ++parts)
    if (n % parts == 0 && hadamardBase(n / parts))
      return n / parts;
  return 1;
}

std::vector<int8_t> qcc::hadamardMatrix(int64_t base) {
  if (base == 1)
    return {1};
  std::vector<int8_t> h;
  if (isFirstPaley(base)) { // I + S, S skew
    h = conference(base - 1, -1);
    for (int64_t i = 0; i < base; ++i)
      h[i * base + i] = 1;
    return h;
  }
  assert(isSecondPaley(base) && "hadamardBase() knows the orders");
  // C (x) [1 1; 1 -1] + I (x) [1 -1; -1 -1], C symmetric with a zero diagonal.
  int64_t half = base / 2;
  std::vector<int8_t> c = conference(half - 1, 1);
  h.resize(base * base);
  for (int64_t i = 0; i < base; ++i)
    for (int64_t j = 0; j < base; ++j) {
      bool a = i % 2, b = j % 2;
      int8_t off = a && b ? -1 : 1, diagonal = a || b ? -1 : 1;
      h[i * base + j] = i / 2 == j / 2 ? diagonal : int8_t(c[i / 2 * half + j / 2] * off);
    }
  return h;
}

float qcc::hadamardScale(int64_t order) {
  return static_cast<float>(1 / std::sqrt(static_cast<double>(order)));
}

uint32_t qcc::hadamardKey(uint64_t seed) {
  // One step of SplitMix64 (Steele, Lea and Flood 2014).
  uint64_t z = seed + 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return static_cast<uint32_t>((z ^ z >> 31) >> 32);
}

bool qcc::hadamardSign(uint64_t seed, int64_t index) {
  return seed && mix(static_cast<uint32_t>(index) * 0x9e3779b1 ^ hadamardKey(seed)) >> 31;
}

void qcc::hadamardRotate(float *x, int64_t n, int64_t inner, int64_t order, uint64_t seed,
                         bool inverse) {
  int64_t base = hadamardBase(order);
  assert(base && n % order == 0 && "the caller has checked the order");
  int64_t power = order / base;
  std::vector<int8_t> matrix = hadamardMatrix(base);
  std::vector<float> scratch;
  float scale = hadamardScale(order);
  auto applySigns = [&](float *block) {
    for (int64_t i = 0; i < order; ++i)
      if (hadamardSign(seed, i))
        for (int64_t t = i * inner; t < (i + 1) * inner; ++t)
          block[t] = -block[t];
  };
  for (int64_t at = 0; at < n; at += order) {
    float *block = x + at * inner;
    if (!inverse)
      applySigns(block);
    for (int64_t j = 0; j < base; ++j)
      butterflies(block + j * power * inner, power, inner);
    if (base > 1) {
      scratch.resize(order * inner);
      multiplyBase(block, base, power * inner, matrix.data(), inverse, scratch.data());
      std::copy(scratch.begin(), scratch.end(), block);
    }
    for (int64_t t = 0; t < order * inner; ++t)
      block[t] *= scale;
    if (inverse)
      applySigns(block);
  }
}
