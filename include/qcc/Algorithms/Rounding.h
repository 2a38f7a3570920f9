// Roundings other than to the nearest code, on grids that stay.
#ifndef QCC_ALGORITHMS_ROUNDING_H
#define QCC_ALGORITHMS_ROUNDING_H

#include "qcc/Algorithms/WeightCodec.h"
#include <string_view>

namespace qcc {

/// Round-to-nearest grids, codes by chance: of its two neighbours a number becomes the upper one
/// with the probability of its place between them, so that the expected value is the number itself
/// where it is not clipped. Each number's draw is that of (seed, name, row * k + column).
EncodedRows stochasticRows(const WeightFormat &format, const float *x, int64_t rows, int64_t k,
                           uint64_t seed, std::string_view name, unsigned threads);

struct SignRoundOptions {
  int steps = 200;
  double reach = 0.5; ///< of a rounding offset, in scales
};

/// Learns an offset of each number before rounding by signed steps down the gradient of
/// tr((W - Q) H (W - Q)ᵀ), rounding taken for the identity (Cheng et al. 2023, SignRound; the
/// restriction to offsets of half a scale is that of AdaRound, Nagel et al. 2020). Of each row the
/// best codes seen stay: none is worse than it was. Grids of `q` are kept.
void signRound(const WeightFormat &format, const float *w, EncodedRows &q, const double *h,
               const SignRoundOptions &options, unsigned threads);

} // namespace qcc
#endif
