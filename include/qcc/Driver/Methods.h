// How the codes of a weight are chosen: the names of --method, and what each one does to a layer.
#ifndef QCC_DRIVER_METHODS_H
#define QCC_DRIVER_METHODS_H

#include "qcc/Algorithms/Layer.h"
#include "qcc/Algorithms/Treatment.h"
#include "qcc/Driver/Sequential.h"

namespace qcc {

/// What a list of methods asks for, in the order in which it happens: rotations, treatments of
/// outliers in rounds, then the codes of each layer, then biases.
struct MethodPlan {
  bool hadamard = false; ///< rotate: by randomized Hadamard matrices
  bool smooth = false;   ///< transform: channels scaled, exponents searched (SmoothQuant)
  bool awq = false;      ///< transform: likewise by mean magnitudes (AWQ)
  bool outliers = false; ///< transform: for each layer what pays: scales, columns, weights
  bool columns = false;  ///< transform: outlier channels beside the product on codes
  bool sparse = false;   ///< transform: outlier weights beside it
  bool rows = false;     ///< transform: output channels that get 8 bits
  bool clip = false;     ///< grids by search, weighted by the mean squares of inputs
  bool gptq = false;     ///< errors made good by later columns
  bool refine = false;   ///< rounding and grids optimised over the layer, by descent
  /// Which leaves 8-bit weights as they are where inputs have static ranges: there the ranges lose
  /// far more than the weights, and what descent gains on samples it loses on other data.
  bool refineNarrow = false;
  bool aim = false;        ///< at the float model's outputs (Algorithms/InputError.h)
  bool kmeans = false;     ///< tables of codebooks weighted by the mean squares of inputs
  bool signRound = false;  ///< rounding learned by signed steps
  bool stochastic = false; ///< codes by chance
  bool bias = false;       ///< what quantization shifts on average goes into biases
  uint64_t seed = 0;       ///< of whatever is random
  std::string text;        ///< canonical list

  /// Whether layers are quantized one after another on samples.
  bool needsMoments() const { return clip || gptq || refine || aim || kmeans || signRound || bias; }
  /// Whether codes are chosen layer by layer at all, not where the artifact is written.
  bool choosesCodes() const { return needsMoments() || stochastic; }
  /// The treatments of outliers, each on the model as the ones before left it.
  std::vector<TreatmentChoices> rounds() const;
};

/// The plan of --method; without names, the default recipe where there is data, else rtn. Errors:
/// 1006 for methods that need data where there is none, and for lists that contradict themselves.
llvm::Expected<MethodPlan> planMethods(llvm::ArrayRef<std::string> names, bool haveData);

/// What became of a weight.
struct WeightReport {
  std::string name, scheme;
  int64_t rows = 0, columns = 0;
  LayerReport layer;
  double energy = 0; ///< the layer objective of zero weights, which losses are relative to
  uint64_t bytes = 0;
  bool resumed = false;
};

/// Chooses codes under `plan`. Null moments: without data. `report.name` names the weight.
EncodedRows chooseCodes(const MethodPlan &plan, const WeightFormat &format,
                        std::vector<float> matrix, int64_t rows, int64_t columns,
                        const Moments *moments, unsigned threads, WeightReport &report);

} // namespace qcc
#endif
