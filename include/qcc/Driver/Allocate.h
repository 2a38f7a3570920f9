// Which scheme each weight gets: candidates, what each is predicted to cost in quality and bytes,
// and the best choice under budgets.
//
// Predicted loss: the damage of a layer is its relative output error under a scheme, times how much
// the model's output suffers from an error of that layer. The first is computed from second moments
// of its inputs for every candidate; the second is measured, by quantizing this layer alone under
// the coarsest candidate and comparing the model's outputs. Losses of layers add up (the linearity
// theorem of Malinovskii et al. 2024, HIGGS, section 3). Where candidates store inputs differently,
// what that loses is measured likewise and added.
#ifndef QCC_DRIVER_ALLOCATE_H
#define QCC_DRIVER_ALLOCATE_H

#include "qcc/Driver/Layers.h"
#include "qcc/Driver/Methods.h"

namespace qcc {

struct Candidate {
  std::string scheme; ///< canonical; "keep" leaves the weight as it is
  std::string inputs; ///< how it stores what the layer reads: equal where that is the same
  double bytes = 0;   ///< of codes, scales and zero points
  double error = 0;   ///< relative output error of the layer
  double nearest = 0; ///< the same with codes to nearest, as sensitivities are measured
  double loss = 0;    ///< predicted: error times the weight's sensitivity
  double ms = 0;      ///< predicted time at the budget's shape; 0 without a latency budget
};

struct WeightChoice {
  std::string name;
  std::string kind; ///< equal where layers of one scheme run by the same kernel: what reads them
  int64_t rows = 0, columns = 0;
  bool isTable = false;   ///< only looked up in
  double sensitivity = 0; ///< loss of the model per relative output error of the layer
  double measured = 0;    ///< loss with this weight alone under the coarsest candidate
  std::vector<Candidate> candidates;
  int chosen = 0;
};

struct AllocationOptions {
  std::string folder; ///< temporary
  unsigned threads = 0;
  int64_t lossSamples = 8; ///< samples on which sensitivities are measured
  bool orFloat = false;    ///< "keep" is a candidate too, the last one
  bool toNearest = false;  ///< codes will be to nearest; else a method makes errors good
  std::function<void(uint64_t done, uint64_t all, llvm::StringRef what)> progress;
};

/// Fills in candidates, errors and sensitivities of every weight that `schemes` mark. `floats` is
/// the model before schemes are assigned; `base` the options of the compile.
llvm::Expected<std::vector<WeightChoice>>
weighCandidates(const LoadedModel &floats, llvm::ArrayRef<std::string> schemes,
                const ModelSamples &samples, const PipelineOptions &base,
                const CompileRequest &request, const AllocationOptions &options);

struct Allocation {
  bool feasible = false, optimal = false;
  double loss = 0, bytes = 0, ms = 0, bound = 0;
  size_t kernels = 0; ///< pairs of kind and scheme that layers use
};
/// Chooses within `maxBytes` (of weights) and `maxMs`; nothing: no limit. Each pair of kind and
/// scheme that is used takes `kernelBytes` of the bytes too, which Allocation::bytes leaves out.
Allocation allocate(std::vector<WeightChoice> &choices, std::optional<double> maxBytes,
                    std::optional<double> maxMs, double kernelBytes = 0);

/// The fewest bytes whose predicted loss is at most `maxLoss`.
Allocation allocateForLoss(std::vector<WeightChoice> &choices, double maxLoss);

/// Gives the weights that predict half of the loss, the worst first, their next better candidate.
/// False when none has one.
bool promoteWorst(std::vector<WeightChoice> &choices);

/// The choice as a recipe file that qcc-assign-schemes reads.
std::string recipeOf(llvm::ArrayRef<WeightChoice> choices);

/// Mean divergence of a model's outputs from another's on samples: KLD for logits, else
/// 1 - cosine.
class OutputLoss {
public:
  static llvm::Expected<std::unique_ptr<OutputLoss>>
  create(const LoadedModel &reference, const ModelSamples &samples, const PieceOptions &options);
  ~OutputLoss();
  llvm::Expected<double> of(const LoadedModel &model) const;
  /// What losses of this model are: "KLD" or "1 - cosine".
  static std::string unit(const LoadedModel &model);

private:
  struct Impl;
  explicit OutputLoss(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl;
};

} // namespace qcc
#endif
