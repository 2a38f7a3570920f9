// Weights that make good what the layers before them got wrong.
//
// A quantized model hands a layer inputs x where the float model would have handed it xf. The
// matrix V that best reproduces the float outputs from what really arrives,
//   min_V  sum |W xf - V x|^2 + lambda |V - W|^2,   V = (W C + lambda W)(G + lambda I)^-1,
// with G = sum x x^T and C = sum xf x^T, is a better aim for quantization than W itself
// (Li et al. 2025, GPTAQ: "asymmetric calibration"). Aiming all the way at it follows the samples
// too closely; part of the way is better on other data.
#ifndef QCC_ALGORITHMS_INPUTERROR_H
#define QCC_ALGORITHMS_INPUTERROR_H

#include <cstdint>

namespace qcc {

struct InputErrorOptions {
  double strength = 0.5; ///< 0: W, 1: V
  double damp = 0.01;    ///< lambda in means of diag(G)
};

/// Replaces w [rows][k] by w + strength * (V - w). `gram` and `cross` are [k][k] row-major, `cross`
/// with xf along rows. Leaves w as it is and gives false where they hold NaN or infinities or
/// `gram` cannot be factored. Inputs that were always zero keep their weights.
bool aimAtFloatOutputs(float *w, int64_t rows, int64_t k, const double *gram, const double *cross,
                       const InputErrorOptions &options);

} // namespace qcc
#endif
