// Codes and scales made better under the objective tr((W - Q) H (W - Q)ᵀ) (see Gptq.h), by
// descent: no step raises the objective of any row, under H as it is damped here.
#ifndef QCC_ALGORITHMS_REFINE_H
#define QCC_ALGORITHMS_REFINE_H

#include "qcc/Algorithms/Clip.h"
#include <cstdint>

namespace qcc {

struct RefineOptions {
  int sweeps = 4; ///< over all columns; ends early when a sweep gains less than 1 part in 10^4
  /// Scales and zero points of blocks move too. Else only codes do (cyclic coordinate descent,
  /// as QuantEase, Behdin et al. 2023).
  bool scales = true;
  /// Neighbouring scales and zero points tried for a block in each sweep, beside the least-squares
  /// scale of its codes: 0 none, 1 few, 2 many.
  int breadth = 1;
  /// Added to diag(H), in means of it, so that few samples are not followed too closely. With 1024
  /// rows of samples 0.05 here and in GPTQ took a fifth off the divergence of a model of 3 bits and
  /// 768 columns; with 8192 rows it costs nothing.
  double damp = 0.05;
};

struct RefineReport {
  int sweeps = 0;
  double before = 0, after = 0; ///< the objective summed over rows, under the damped H
};

/// Improves `q`, the codes of w [rows][k] under h [k][k], in place.
///
/// Block by block, all rows: with the rest of the row fixed, the objective is a quadratic of the
/// block's numbers. For a few grids its codes are chosen as the nearest plane has them (Babai; GPTQ
/// within the block), then by coordinate descent, and the scale by least squares; the best grid
/// stays when it is better than what was. Rows whose scale spans many columns keep it during the
/// walk, and have it fitted by least squares after every sweep.
void refine(const WeightFormat &format, const float *w, EncodedRows &q, const double *h,
            const RefineOptions &options, unsigned threads, RefineReport *report = nullptr);

} // namespace qcc
#endif
