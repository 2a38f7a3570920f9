// What is done about the outliers of an input: nothing, its channels scaled before and the weights'
// columns after, columns or single weights computed in floats beside the product on codes. Chosen
// by the error that the layers behind the input make on rows of it, and by what the side path
// costs.
#ifndef QCC_ALGORITHMS_TREATMENT_H
#define QCC_ALGORITHMS_TREATMENT_H

#include "qcc/Algorithms/WeightCodec.h"
#include <string>
#include <vector>

namespace qcc {

/// How the rows of an input become codes.
struct ActivationFormat {
  unsigned bits = 0;      ///< 0: they stay floats
  bool isFloat = false;   ///< codes are f8e4m3, not integers
  bool zeroPoint = false; ///< over [min, max] with 0 inside, else symmetric
  int64_t group = 0;      ///< numbers of a row that share a scale; 0: the row
  /// A scale that calibration fixed, and its zero point; 0: found for each row.
  float fixedScale = 0;
  int32_t fixedZero = 0;
};

/// Replaces each row of x [rows][k] by what its codes say.
void roundActivations(const ActivationFormat &format, float *x, int64_t rows, int64_t k);

/// One of the layers behind an input.
struct TreatedLayer {
  const float *w = nullptr; ///< [rows][k]
  int64_t rows = 0;
  WeightFormat format;
  bool wholeTensor = false; ///< one scale for all rows
  double bytes = 0;         ///< of its codes, what side paths are compared with
  ActivationFormat input;
};

/// The input on samples.
struct TreatedInput {
  int64_t k = 0;
  std::vector<float> rows;                               ///< [count][k], some of its rows
  std::vector<float> largest, meanMagnitude, meanSquare; ///< of its channels, over all rows
};

struct Treatment {
  enum class Kind { None, Migrate, Columns, Sparse };
  Kind kind = Kind::None;
  std::vector<float> scales;     ///< Migrate: what channels are divided by
  bool atRunTime = false;        ///< Migrate: by a product before the layers
  std::vector<int32_t> columns;  ///< Columns: ascending
  double fraction = 0;           ///< Sparse: of the weights of each row
  std::vector<float> importance; ///< Sparse: roots of mean squares, which weigh columns
  std::string how;               ///< in words: "alpha 0.55", "4 columns"
  /// Relative error of the layers' outputs, squared: of a row over its energy plus that of the
  /// median row, in the mean over rows and layers. So a row that is large counts like the others.
  double error = 0;
  /// Bytes of the side path over those of the codes, plus its multiply-adds over the layers'.
  double cost = 0;
  /// What is minimized: an eighth more bytes or products must halve the squared error.
  double score() const { return error * (1 + 8 * cost); }
};

/// Which treatments are allowed.
struct TreatmentChoices {
  bool smooth = false;     ///< Migrate: max|x|^a / max|w|^(1-a) (Xiao et al. 2022, SmoothQuant)
  bool awq = false;        ///< Migrate: mean|x|^a, normalised (Lin et al. 2023, AWQ)
  bool thresholds = false; ///< Migrate: max(1, max|x| / t) (Wei et al. 2023, Outlier Suppression+)
  bool columns = false;    ///< (Dettmers et al. 2022, LLM.int8())
  bool sparse = false;     ///< (Dettmers et al. 2023, SpQR)
  int steps = 20;          ///< exponents tried: 0, 1/steps, … 1
  bool atRunTime = false;  ///< nothing before the layers can take the scales: a product does
};

/// Tries treatments of the layers behind one input, with weights rounded to nearest.
class TreatmentSearch {
public:
  /// `layers` and `input` must outlive the search. Of layers with many outputs some are measured.
  TreatmentSearch(const std::vector<TreatedLayer> &layers, const TreatedInput &input,
                  unsigned threads);
  /// The best of each kind allowed, doing nothing first; errors and costs filled in.
  std::vector<Treatment> candidates(const TreatmentChoices &choices) const;
  /// Index of the least score; a treatment must gain at least 2 % on doing nothing.
  static size_t best(const std::vector<Treatment> &candidates);
  double errorOf(const Treatment &treatment) const;
  double costOf(const Treatment &treatment) const;

private:
  struct Measured {
    const TreatedLayer *layer;
    std::vector<float> w, out; ///< some rows of the weight; outputs of the sampled rows for them
    int64_t rows = 0;
    std::vector<double> energy; ///< of rows of `out`, plus the median's
  };
  double errorOf(const Measured &layer, const Treatment &treatment) const;
  Treatment bestScales(const TreatmentChoices &choices) const;
  Treatment bestColumns() const;
  Treatment bestSparse() const;
  std::vector<int32_t> columnsByHarm() const;

  const std::vector<TreatedLayer> &layers;
  const TreatedInput &input;
  unsigned threads;
  int64_t k, samples;
  std::vector<Measured> measured;
  std::vector<float> columnMagnitudes; ///< over all rows of all layers
};

/// max|x|^alpha / max|w|^(1 - alpha), 1 where either is 0 (Xiao et al. 2022, SmoothQuant, eq. 4).
/// `weightMagnitudes` is the largest |w| of each column over all layers.
std::vector<float> smoothScales(const std::vector<float> &magnitudes,
                                const std::vector<float> &weightMagnitudes, double alpha);
/// mean|x|^alpha / sqrt(max * min) of these powers, 1 where a channel is 0 (Lin et al. 2023, AWQ,
/// section 3.2, with the normalisation of its code).
std::vector<float> awqScales(const std::vector<float> &meanMagnitudes, double alpha);
/// max(1, magnitude / threshold) (Wei et al. 2023, Outlier Suppression+, section 4.2).
std::vector<float> thresholdScales(const std::vector<float> &magnitudes, double threshold);
/// The `count` largest |w| * importance of a row ([k] each), by falling value, ties by column.
std::vector<int32_t> topColumns(const float *w, const float *importance, int64_t k, int64_t count);

} // namespace qcc
#endif
