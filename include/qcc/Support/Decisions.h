// What the transform stage is to do with each layer, as a JSON file:
//
//   {"schema": "qcc.decisions/1", "layers": {NAME: {
//     "kind": "none" | "columns" | "sparse" | "migrate",
//     "columns": [3, 17],                  columns: input channels computed exactly; else by ranges
//     "fraction": 0.005,                   sparse: of each row of the weight; at least one element
//     "importance": [..],                  sparse: a factor of |w| for each input channel
//     "rule": "smooth" | "awq", "alpha": 0.5, "magnitudes": [..], or "scales": [..],   migrate
//     "inline": true,                      migrate: by a product before the layers, with "scales"
//     "bias": [..]}}}                      any kind: what is added to each output channel
//
// A layer is found by the name of its node, or by the id of the observer at its input.
#ifndef QCC_SUPPORT_DECISIONS_H
#define QCC_SUPPORT_DECISIONS_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <map>
#include <string>
#include <vector>

namespace qcc {

struct LayerDecision {
  enum class Kind { None, Columns, Sparse, Migrate };
  enum class Rule { Smooth, Awq };

  Kind kind = Kind::None;
  std::vector<int32_t> columns; ///< ascending; empty: by the ranges
  double fraction = 0;
  std::vector<float> importance;
  Rule rule = Rule::Smooth;
  double alpha = 0.5;
  std::vector<float> magnitudes; ///< of input channels, in place of their ranges
  std::vector<float> scales;     ///< positive; given, the rule is not asked
  bool isInline = false;         ///< `scales` divide at run time, not in what makes the value
  std::vector<float> bias;

  bool operator==(const LayerDecision &) const = default;
};

/// Decisions by layer. A store that was never read decides nothing: the passes follow the ranges.
class DecisionStore {
public:
  std::map<std::string, LayerDecision, std::less<>> layers;

  /// The decision for a layer called `name` whose input is observed as `id`; null without one.
  const LayerDecision *find(llvm::StringRef name, llvm::StringRef id = {}) const;

  std::string toJson() const;
  /// Errors: 1531 with the line or the entry that is wrong.
  static llvm::Expected<DecisionStore> fromJson(llvm::StringRef text, llvm::StringRef where);
  /// Errors: 1101, 1531.
  static llvm::Expected<DecisionStore> read(llvm::StringRef path);
};

} // namespace qcc
#endif
