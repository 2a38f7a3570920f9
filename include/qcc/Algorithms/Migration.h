// Scales that move difficulty between inputs and weights: y = (x / s) (W diag(s))ᵀ, one s for each
// input channel, shared by all layers that read the same input.
#ifndef QCC_ALGORITHMS_MIGRATION_H
#define QCC_ALGORITHMS_MIGRATION_H

#include "qcc/Algorithms/WeightCodec.h"
#include <vector>

namespace qcc {

/// Weights [rows][k] of one of the layers behind an input.
struct LayerWeights {
  const float *w = nullptr;
  int64_t rows = 0;
  WeightFormat format;
};

/// What is known of the input: [k] each, over `positions` rows.
struct InputStatistics {
  int64_t k = 0, positions = 0;
  const double *moments = nullptr;       ///< [k][k], sum of x xᵀ
  const float *magnitudes = nullptr;     ///< largest |x|
  const float *meanMagnitudes = nullptr; ///< mean |x|
};

/// max|x|^alpha / max|w|^(1 - alpha), 1 where either is 0 (Xiao et al. 2022, SmoothQuant, eq. 4).
/// `weightMagnitudes` is the largest |w| of each column over all layers.
std::vector<float> smoothScales(const std::vector<float> &magnitudes,
                                const std::vector<float> &weightMagnitudes, double alpha);
/// mean|x|^alpha / sqrt(max * min) of these powers, 1 where a channel is 0 (Lin et al. 2023, AWQ,
/// section 3.2, with the normalisation of its code).
std::vector<float> awqScales(const std::vector<float> &meanMagnitudes, double alpha);
/// Largest |w| of each column over layers.
std::vector<float> columnMagnitudes(const std::vector<LayerWeights> &layers, int64_t k);

struct MigrationOptions {
  int steps = 20; ///< alphas tried: 0, 1/steps, …, 1
  /// Bits of symmetric activations with a scale for each row of the input; 0: inputs stay floats.
  unsigned activationBits = 0;
};

struct MigrationResult {
  double alpha = 0;
  std::vector<float> scales;    ///< [k]; all 1 when nothing is better
  double before = 0, after = 0; ///< the error that was minimized, of scales 1 and of these
};

/// The alpha with the least error of outputs, by round-to-nearest weights under the input's moments
/// (tr(E H Eᵀ) for E = W - Q(W diag(s)) diag(1/s), summed over layers) and, with activation bits,
/// the noise of rounding x / s: positions * step^2 / 12 * |W diag(s)|^2, where the step follows
/// from the largest |x| / s of all channels. Scales 1 are among those tried.
MigrationResult searchAwq(const std::vector<LayerWeights> &layers, const InputStatistics &input,
                          const MigrationOptions &options, unsigned threads);
MigrationResult searchSmooth(const std::vector<LayerWeights> &layers, const InputStatistics &input,
                             const MigrationOptions &options, unsigned threads);
/// The error of given scales.
double migrationError(const std::vector<LayerWeights> &layers, const InputStatistics &input,
                      const std::vector<float> &scales, unsigned activationBits, unsigned threads);

/// What to add to a layer's bias [rows] so that the mean of its outputs stays: (W - Q) mean(x)
/// (Nagel et al. 2019, Data-free quantization, section 4.2).
std::vector<float> biasCorrection(const WeightFormat &format, const float *w, const EncodedRows &q,
                                  const float *meanInput);

} // namespace qcc
#endif
