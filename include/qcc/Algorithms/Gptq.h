// Weights quantized column by column, each column's error made good by those after it.
//
// A layer y = x Wᵀ with weights W [N][K] and inputs x has, for codes Q, the error
//   tr((W - Q) H (W - Q)ᵀ),  H = sum over inputs of x xᵀ,  [K][K],
// here "the objective". GPTQ (Frantar et al. 2022, section 3) is the greedy walk over columns;
// rows do not depend on each other.
#ifndef QCC_ALGORITHMS_GPTQ_H
#define QCC_ALGORITHMS_GPTQ_H

#include "qcc/Algorithms/Clip.h"
#include <cstdint>
#include <string>
#include <vector>

namespace qcc {

struct GptqOptions {
  bool actOrder = true;      ///< columns by falling diag(H); implies static groups
  bool staticGroups = false; ///< grids of blocks from the weights as they were
  double damp = 0.1;         ///< added to diag(H), in means of it; see RefineOptions
  GridSearch search;
  bool searchGrids = true; ///< else round-to-nearest grids
};

struct GptqReport {
  int64_t deadColumns = 0; ///< inputs that were always zero: rounded to nearest
  double damp = 0;         ///< what was needed: tenfold until the factorization succeeds
  bool failed = false;     ///< H holds NaN or infinities, or no damping helped: all rounded
};

/// What the walk needs of h alone, the same for all weights behind one input.
struct HessianFactor {
  std::vector<int64_t> columns; ///< in the order of the walk
  std::vector<bool> dead;       ///< inputs that were always zero
  std::vector<float> upper;     ///< U with H^-1 = Uᵀ U, [k][k] in that order
  std::vector<float> weights;   ///< 1 / U_jj^2 by column
  GptqReport report;
};
HessianFactor factorHessian(const double *h, int64_t k, const GptqOptions &options,
                            unsigned threads);

/// Quantizes w [rows][k] for inputs whose second moments gave `factor`, with the same options.
/// Threads 0: all; the result does not depend on their number. The table of a codebook must be
/// there.
EncodedRows gptq(const WeightFormat &format, const float *w, int64_t rows, int64_t k,
                 const HessianFactor &factor, const GptqOptions &options, unsigned threads);
/// The same from h [k][k] (symmetric, row-major).
EncodedRows gptq(const WeightFormat &format, const float *w, int64_t rows, int64_t k,
                 const double *h, const GptqOptions &options, unsigned threads,
                 GptqReport *report = nullptr);

/// The objective of each row, with `q` decoded by `format`.
std::vector<double> rowObjectives(const WeightFormat &format, const float *w, const EncodedRows &q,
                                  const double *h, unsigned threads);

/// The same of errors [rows][k].
std::vector<double> errorObjectives(const float *errors, int64_t rows, int64_t k, const double *h,
                                    unsigned threads);

} // namespace qcc
#endif
