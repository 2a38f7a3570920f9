// Scales of blocks by search instead of by range: clipping a block's largest weights often costs
// less than the coarser grid that covers them.
#ifndef QCC_ALGORITHMS_CLIP_H
#define QCC_ALGORITHMS_CLIP_H

#include "qcc/Algorithms/WeightCodec.h"

namespace qcc {

/// Scales that are tried: multiples of the round-to-nearest scale in equal steps, and for zero
/// points the three nearest to the middle of the range; then the least-squares scale of the codes.
struct GridSearch {
  int steps = 24;
  bool leastSquares = true;
};

/// The grid with the least sum of weights[i] * (x[i] - decoded)^2 (weights null: all 1); its error
/// goes to `error` when not null. Never worse than gridFor, which is tried too. `super` as there.
Grid searchGrid(const Coder &coder, const float *x, const float *weights, int64_t count,
                float super = 0, const GridSearch &options = {}, double *error = nullptr);
/// The error of one grid.
double gridError(const Coder &coder, const float *x, const float *weights, int64_t count,
                 Grid grid);

/// Second-level scales of rows, as round-to-nearest has them; empty without two levels.
std::vector<float> rowSupers(const WeightFormat &format, const float *x, int64_t rows, int64_t k);
/// Puts a grid in its place.
void setGrid(const WeightFormat &format, EncodedRows &out, int64_t row, int64_t block, Grid grid);
Grid gridAt(const WeightFormat &format, const EncodedRows &rows, int64_t row, int64_t block);

/// Encodes rows with searched grids. `importance` weighs columns ([k], such as the mean squares of
/// the inputs) or is null; `threads` 0 means all. The table of a codebook must be there.
EncodedRows clipRows(const WeightFormat &format, const float *x, int64_t rows, int64_t k,
                     const float *importance, const GridSearch &options, unsigned threads);

} // namespace qcc
#endif
