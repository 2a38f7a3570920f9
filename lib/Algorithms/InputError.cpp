// The regularised least-squares aim; see InputError.h.
#include "qcc/Algorithms/InputError.h"
#include <Eigen/Cholesky>
#include <cmath>

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

bool qcc::aimAtFloatOutputs(float *w, int64_t rows, int64_t k, const double *gram,
                            const double *cross, const InputErrorOptions &options) {
  Eigen::Map<const Matrix> g(gram, k, k), c(cross, k, k);
  if (k == 0 || !g.allFinite() || !c.allFinite())
    return false;
  double lambda = options.damp * g.diagonal().mean();
  if (!(lambda > 0))
    return false;
  // W + (W C - W G)(G + lambda I)^-1 = V, which is exactly W where nothing upstream changed.
  Matrix damped = g;
  damped.diagonal().array() += lambda;
  Eigen::LLT<Matrix> factor(damped);
  if (factor.info() != Eigen::Success)
    return false;
  Matrix difference = c - g;
  Eigen::Map<Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>> weights(w, rows,
                                                                                            k);
  Matrix aim = weights.cast<double>() * difference;
  Matrix change = factor.solve(aim.transpose()).transpose();
  weights += (options.strength * change).cast<float>();
  return true;
}
