// What the transform stage is to do about outliers, layer by layer: methods in rounds, each of
// which sees the model as the rounds before left it.
#ifndef QCC_DRIVER_TREATMENTS_H
#define QCC_DRIVER_TREATMENTS_H

#include "qcc/Algorithms/Treatment.h"
#include "qcc/Driver/Samples.h"
#include "qcc/Pipeline/Compile.h"
#include "qcc/Quality/Report.h"
#include "qcc/Support/Decisions.h"
#include "qcc/Support/Statistics.h"

namespace qcc {

/// What a round found for the layers that read one value.
struct LayerTreatment {
  std::string id;                   ///< of the observer
  std::vector<std::string> weights; ///< as a decision table names them
  std::vector<Treatment> candidates;
  size_t chosen = 0;
  std::string refused; ///< why channels could not be scaled, or nothing was tried; may be empty
  /// The choice and its error in words.
  std::string reason() const;
};

struct TreatmentOptions {
  std::string folder; ///< temporary
  unsigned threads = 0;
  std::function<void(size_t done, size_t all, llvm::StringRef name)> progress;
};

/// Chooses for every observer of `observed` (after the calibrate stage). `assigned` is the same
/// model without observers after assign-bits, which says what becomes codes. Layers that read
/// nothing coded and whose weights stay as they are, and weights that are tables too, are left
/// alone. The choice is the same for every number of threads.
llvm::Expected<std::vector<LayerTreatment>> chooseTreatments(const LoadedModel &observed,
                                                             const LoadedModel &assigned,
                                                             const ModelSamples &samples,
                                                             const TreatmentChoices &choices,
                                                             const TreatmentOptions &options);

/// For the passes: the treatments that scale channels, or the others.
DecisionStore decisionsOf(llvm::ArrayRef<LayerTreatment> treatments, bool scales);

/// Says in the decision table what was done before codes were chosen, and why: in the rows of the
/// weights, or in rows of their own where methods chose no codes.
void addToReport(quality::QuantizeReport &report, llvm::ArrayRef<LayerTreatment> treatments,
                 llvm::StringRef scheme, llvm::StringRef method);

/// A copy of a model whose observers are gone.
LoadedModel withoutObservers(const LoadedModel &observed);

} // namespace qcc
#endif
