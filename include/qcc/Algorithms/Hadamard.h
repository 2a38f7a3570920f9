// Randomized Hadamard rotations: orthogonal matrices that cost n log n steps and spread one large
// channel over all of them (Ashkboos et al. 2024, QuaRot, section 3).
//
// On each block of `order` numbers, F = H D / sqrt(order): D is a diagonal of signs, H a Hadamard
// matrix P (x) W with W of order 2^k (Sylvester) and P of a small order `base`: 1, or a matrix of
// Paley (1933), for which orders 12, 20, 28, 36, 44, 60, 68, 76, ... exist. So 576 = 36 * 16 and
// 768 = 12 * 64 have one, 11008 = 2^8 * 43 does not and rotates in blocks of 256.
//
// The order of float steps is fixed: signs; W by butterflies of stride 1, 2, 4, ...; P by sums over
// ascending index, starting from +0; one multiplication by the float nearest 1 / sqrt(order). The
// inverse does the same with P transposed and the signs last.
#ifndef QCC_ALGORITHMS_HADAMARD_H
#define QCC_ALGORITHMS_HADAMARD_H

#include <cstdint>
#include <vector>

namespace qcc {

/// Order of P in the Hadamard matrix of order `order` that is used here: 1 for powers of two, the
/// smallest Paley order with a power of two as cofactor otherwise, 0 where there is none.
int64_t hadamardBase(int64_t order);
/// The largest divisor of `n` that is the order of a matrix; at least 1.
int64_t largestHadamardBlock(int64_t n);
/// The largest power of two that divides `n` > 0.
int64_t powerOfTwoIn(int64_t n);
/// P, row-major, entries 1 and -1; `base` is a result of hadamardBase().
std::vector<int8_t> hadamardMatrix(int64_t base);
/// The factor of the last step, 1 / sqrt(order) as a float.
float hadamardScale(int64_t order);

/// Whether D has -1 at `index` of a block. Seed 0 has no signs. The bit is the highest of
/// `mix(uint32(index) * 0x9e3779b1 ^ hadamardKey(seed))`, mix(h): h ^= h >> 16, h *= 0x85ebca6b,
/// h ^= h >> 13, h *= 0xc2b2ae35, h ^= h >> 16 (the finalizer of MurmurHash3).
bool hadamardSign(uint64_t seed, int64_t index);
uint32_t hadamardKey(uint64_t seed);

/// Rotates `x`, [n][inner], along its first axis, in place: each column by F (or its inverse) on
/// consecutive blocks of `order`, which divides n and has a base.
void hadamardRotate(float *x, int64_t n, int64_t inner, int64_t order, uint64_t seed, bool inverse);

} // namespace qcc
#endif
