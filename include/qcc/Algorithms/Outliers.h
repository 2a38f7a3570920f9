// What is worth more precision than the rest of a matrix: input columns, single weights, rows.
#ifndef QCC_ALGORITHMS_OUTLIERS_H
#define QCC_ALGORITHMS_OUTLIERS_H

#include "qcc/Algorithms/WeightCodec.h"
#include <vector>

namespace qcc {

struct ColumnCurve {
  std::vector<int32_t> order;  ///< columns, the most valuable first
  std::vector<int32_t> counts; ///< 0, 1, 2, 4, … as asked
  std::vector<double> errors;  ///< when the first counts[i] columns are computed exactly
  /// The count with the least errors[i] + price * counts[i]; its columns ascend.
  std::vector<int32_t> choose(double price) const;
};

/// Columns of w [rows][k] ordered by what computing them exactly gains: their own rounding error,
/// and the finer scales of the blocks whose largest weight they hold, both under `squares` ([k],
/// sums of squares of the inputs). With `magnitudes` ([k], largest |x|, else null) and activation
/// bits, also the finer steps of activations (LLM.int8(), Dettmers et al. 2022, section 3.2), at
/// the noise that Migration.h describes; `positions` is how many rows `squares` sums. The errors of
/// the curve are of weights encoded anew, up to `most` columns.
ColumnCurve outlierColumns(const WeightFormat &format, const float *w, int64_t rows, int64_t k,
                           const float *squares, const float *magnitudes, int64_t positions,
                           unsigned activationBits, int64_t most, unsigned threads);

struct ResidualEntry {
  int32_t row, column;
  float value; ///< the weight
  double gain; ///< share of its block's error that leaving it out saves
};

/// The `count` weights of w [rows][k] whose removal from their blocks lowers the error under
/// `squares` the most (SpQR, Dettmers et al. 2023, section 3.2: outliers by what they cost, not by
/// their size), at most four of a block; sorted by row and column. With each removed, its block is
/// rounded with a scale that need not reach it.
std::vector<ResidualEntry> sparseResidual(const WeightFormat &format, const float *w, int64_t rows,
                                          int64_t k, const float *squares, int64_t count,
                                          unsigned threads);

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
