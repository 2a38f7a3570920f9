// Rows of a weight (output channels) that are worth more bits than the rest.
#ifndef QCC_ALGORITHMS_PROMOTION_H
#define QCC_ALGORITHMS_PROMOTION_H

#include "qcc/Algorithms/WeightCodec.h"
#include <vector>

namespace qcc {

/// What each row gains from `high` over `low` (both round-to-nearest): the difference of the row's
/// objective under h [k][k], times `rowWeights` ([rows], such as mean squares of the gradients of
/// the outputs; null: 1). With the identity as h and squared gradients this is the row-wise trace
/// of the Hessian (HAWQ-V2, Dong et al. 2020, eq. 11, row by row).
std::vector<double> rowScores(const WeightFormat &low, const WeightFormat &high, const float *w,
                              int64_t rows, int64_t k, const double *h, const double *rowWeights,
                              unsigned threads);
/// Rows with the `count` largest scores, ascending; ties go to the lower row.
std::vector<int32_t> promoteRows(const std::vector<double> &scores, int64_t count);

} // namespace qcc
#endif
