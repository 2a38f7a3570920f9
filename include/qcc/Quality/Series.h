// What models say sample by sample: the raw figures from which metrics and their confidence follow.
#ifndef QCC_QUALITY_SERIES_H
#define QCC_QUALITY_SERIES_H

#include "qcc/Quality/Subject.h"

namespace qcc::quality {

/// Predictions of the next token. Flat over all samples in order.
struct TokenSeries {
  int64_t width = 0;                ///< tokens of the longest sample
  std::vector<int64_t> predictions; ///< of each sample
  std::vector<double> nll;          ///< -ln p of the token that follows
  std::vector<double> referenceNll,
      kld;                    ///< empty without a reference; kld is KL(reference ‖ model)
  std::vector<uint8_t> agree; ///< the likeliest tokens are equal
};
/// Every sample gives one prediction less than it has tokens; positions whose attention mask is 0,
/// and those before them, give none. `reference` may be null.
llvm::Expected<TokenSeries> measureTokens(Subject &model, Subject *reference,
                                          const data::SampleSet &samples,
                                          const ProgressFn &progress);

/// One output against the reference's. Rows are vectors along the last axis of unmasked positions.
struct OutputSeries {
  std::string name;
  bool logits = false;
  struct PerSample {
    double signal = 0, noise = 0; ///< sums of squares: of the reference, of the difference
    double cosine = 0;            ///< of all unmasked elements
    int64_t rows = 0;
  };
  std::vector<PerSample> samples; ///< those without an unmasked element are left out
  std::vector<double> kld;        ///< by row, for logits
  std::vector<uint8_t> agree;     ///< by row, for logits
};
llvm::Expected<std::vector<OutputSeries>> measureOutputs(Subject &model, Subject &reference,
                                                         const data::SampleSet &samples,
                                                         const ProgressFn &progress);
/// Adds one output of one sample. `mask` may be null; it counts where its shape is that of the
/// output's leading axes.
void addOutput(const data::HostTensor &got, const data::HostTensor &want,
               const data::HostTensor *mask, OutputSeries &series);

/// Class numbers.
struct LabelSeries {
  std::vector<int64_t> labels, predicted, referencePredicted;
};
/// `labels` names an array of the samples, or an .npy file with a number per sample.
llvm::Expected<LabelSeries> measureLabels(Subject &model, Subject *reference,
                                          const data::SampleSet &samples, llvm::StringRef labels,
                                          const ProgressFn &progress);

/// Similarities of sentence pairs.
struct PairSeries {
  std::vector<double> similarity, referenceSimilarity, gold;
};
/// a_input_ids, a_attention_mask, b_…, gold. Cosine of mean-pooled outputs; `batch` rows of equal
/// length run together, which changes no result.
llvm::Expected<PairSeries> measurePairs(Subject &model, Subject *reference, llvm::StringRef file,
                                        int64_t limit, int64_t batch, const ProgressFn &progress);

} // namespace qcc::quality
#endif
