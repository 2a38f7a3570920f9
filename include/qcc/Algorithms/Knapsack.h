// Schemes for the parts of a model under budgets: multiple-choice knapsacks.
//
// Each group (a layer, say) takes exactly one of its options; the sum of losses shall be least
// while the sums of every cost stay within the budgets.
#ifndef QCC_ALGORITHMS_KNAPSACK_H
#define QCC_ALGORITHMS_KNAPSACK_H

#include <cstdint>
#include <vector>

namespace qcc {

struct KnapsackOption {
  double loss = 0;
  std::vector<double> costs; ///< one a budget, not negative (bytes, milliseconds, …)
  int shared = -1;           ///< what it needs and shares with other options; see below
};

struct KnapsackResult {
  bool feasible = false;   ///< else `choice` is the one that exceeds the budgets least
  bool optimal = false;    ///< proven
  std::vector<int> choice; ///< index of an option for each group
  double loss = 0;
  std::vector<double> costs;
  double bound = 0; ///< no choice within the budgets has a lower loss
};

struct KnapsackOptions {
  /// Nodes of the branch and bound before it settles for the best found.
  int64_t nodes = 200000;
  bool pairs = true; ///< improve by exchanges in two groups at a time too
};

/// Options of `groups` under `budgets` (as many as each option has costs). Lagrangian multipliers
/// give a bound and a first choice, repaired and improved by single and pairwise exchanges; branch
/// and bound then proves it or finds better, within its nodes. Deterministic; ties go to the lower
/// index.
KnapsackResult chooseOptions(const std::vector<std::vector<KnapsackOption>> &groups,
                             const std::vector<double> &budgets,
                             const KnapsackOptions &options = {});

/// The same where options need things that are paid for once, however many groups use them (the
/// kernels that a scheme needs, say): using the things numbered by `shared` of the chosen options
/// costs `prices` of them, out of the first budget. Which things are used is searched for by
/// adding, taking away or exchanging one at a time, from all of them and from the i-th option of
/// every group for each i; the rest is chooseOptions(). Costs of the result include the prices;
/// `optimal` is not claimed and `bound` is that of the problem without prices.
KnapsackResult chooseSharing(const std::vector<std::vector<KnapsackOption>> &groups,
                             const std::vector<double> &budgets, const std::vector<double> &prices,
                             const KnapsackOptions &options = {});

} // namespace qcc
#endif
