// One layer's weights, quantized by a recipe: what a driver calls for each matrix of a model.
#ifndef QCC_ALGORITHMS_LAYER_H
#define QCC_ALGORITHMS_LAYER_H

#include "qcc/Algorithms/Gptq.h"
#include "qcc/Algorithms/Refine.h"

namespace qcc {

struct LayerRecipe {
  enum class Method {
    Rtn,  ///< scales by range, codes to nearest
    Clip, ///< scales by search under diag(H), codes to nearest
    Gptq, ///< see Gptq.h
  };
  Method method = Method::Gptq;
  GptqOptions gptq;
  RefineOptions refine;                  ///< afterwards, not with Rtn; 0 sweeps: not at all
  const HessianFactor *factor = nullptr; ///< of h under `gptq`, where it is known already
};

struct LayerReport {
  double rtn = 0, result = 0; ///< objective summed over rows, of round-to-nearest and of the result
  double damp = 0;            ///< that the factorization needed
  int64_t deadColumns = 0;
  int64_t rowsKept = 0; ///< rows where round-to-nearest was better and stays
  int sweeps = 0;       ///< of refinement
  double seconds = 0;
  std::vector<std::string> notes; ///< sentences on what went otherwise than asked
};

/// Quantizes w [rows][k] for the second moment h [k][k] of its inputs (symmetric, row-major, any
/// factor; null: all inputs alike, which leaves no method but Clip). A codebook without a table
/// gets one, weighted by diag(h). The objective of no row is above round-to-nearest's. Threads 0:
/// all; their number changes no bit.
EncodedRows quantizeLayer(const WeightFormat &format, const float *w, int64_t rows, int64_t k,
                          const double *h, const LayerRecipe &recipe, unsigned threads,
                          LayerReport *report = nullptr);

/// What to add to a layer's bias [rows] so that the mean of its outputs is that of the float model:
/// W mean(xf) - Q mean(x), with xf the inputs [k] there and x those that reach the codes (Nagel et
/// al. 2019, Data-free quantization, section 4.2).
std::vector<float> biasCorrection(const WeightFormat &format, const float *w, const EncodedRows &q,
                                  const std::vector<double> &floatMean,
                                  const std::vector<double> &mean);

} // namespace qcc
#endif
