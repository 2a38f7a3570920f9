// Knapsacks whose options share what is paid for once; see Knapsack.h.
#include "qcc/Algorithms/Knapsack.h"
#include <algorithm>
#include <cassert>
#include <optional>

namespace qcc {

namespace {

using Groups = std::vector<std::vector<KnapsackOption>>;
using Set = std::vector<char>; ///< which shared things may be used

/// Options of all groups up to which every step of the search is solved well.
constexpr size_t kSmall = 64;

/// From one option of a group to a dearer one that loses less, neighbours on the convex hull.
struct Upgrade {
  size_t group;
  int to;
  double cost, gain;
  double rate() const { return gain / cost; }
};

/// The lower convex hull of the options that `open` allows, from the cheapest on: where it begins
/// and the upgrades along it. -1 where there is no option.
int hullOf(const std::vector<KnapsackOption> &options, size_t group, const Set &open,
           std::vector<Upgrade> &upgrades) {
  std::vector<int> order;
  for (size_t i = 0; i < options.size(); ++i)
    if (options[i].shared < 0 || open[options[i].shared])
      order.push_back(static_cast<int>(i));
  if (order.empty())
    return -1;
  auto cost = [&](int i) { return options[i].costs[0]; };
  auto loss = [&](int i) { return options[i].loss; };
  std::sort(order.begin(), order.end(), [&](int a, int b) {
    if (cost(a) != cost(b))
      return cost(a) < cost(b);
    return loss(a) != loss(b) ? loss(a) < loss(b) : a < b;
  });
  std::vector<int> hull;
  for (int next : order) {
    if (!hull.empty() && loss(next) >= loss(hull.back()))
      continue;
    while (hull.size() >= 2) {
      int b = hull.back(), a = hull[hull.size() - 2];
      if ((loss(a) - loss(b)) * (cost(next) - cost(b)) >
          (loss(b) - loss(next)) * (cost(b) - cost(a)))
        break;
      hull.pop_back();
    }
    hull.push_back(next);
  }
  for (size_t i = 1; i < hull.size(); ++i)
    upgrades.push_back(
        {group, hull[i], cost(hull[i]) - cost(hull[i - 1]), loss(hull[i - 1]) - loss(hull[i])});
  return hull.front();
}

class SharedSolver {
public:
  SharedSolver(const Groups &groups, const std::vector<double> &budgets,
               const std::vector<double> &prices, const KnapsackOptions &options)
      : groups(groups), budgets(budgets), prices(prices), options(options) {
    size_t all = 0;
    for (const auto &group : groups)
      all += group.size();
    isSmall = all <= kSmall;
    quick.nodes = isSmall ? 200 : 0;
    quick.pairs = isSmall;
  }
  KnapsackResult run();

private:
  std::optional<KnapsackResult> solve(const Set &open, const KnapsackOptions &how) const;
  std::optional<KnapsackResult> estimate(const Set &open) const;
  KnapsackResult resultOf(std::vector<int> choice) const;
  Set usedBy(const KnapsackResult &result) const;
  double priceOf(const Set &set) const;
  bool isBetter(const KnapsackResult &a, const KnapsackResult &b) const;
  double excess(const KnapsackResult &result) const;
  std::optional<KnapsackResult> step(const Set &open, const KnapsackResult &now) const;
  void climb(const Set &open);

  const Groups &groups;
  const std::vector<double> &budgets, &prices;
  const KnapsackOptions &options;
  KnapsackOptions quick;
  bool isSmall = false;
  std::optional<KnapsackResult> best;
  Set bestSet;
};

double SharedSolver::priceOf(const Set &set) const {
  double sum = 0;
  for (size_t i = 0; i < set.size(); ++i)
    sum += set[i] ? prices[i] : 0;
  return sum;
}

Set SharedSolver::usedBy(const KnapsackResult &result) const {
  Set used(prices.size());
  for (size_t g = 0; g < groups.size(); ++g)
    if (int shared = groups[g][result.choice[g]].shared; shared >= 0)
      used[shared] = 1;
  return used;
}

double SharedSolver::excess(const KnapsackResult &result) const {
  double sum = 0;
  for (size_t d = 0; d < budgets.size(); ++d)
    sum += std::max(0.0, result.costs[d] - budgets[d]) / (budgets[d] > 0 ? budgets[d] : 1);
  return sum;
}

bool SharedSolver::isBetter(const KnapsackResult &a, const KnapsackResult &b) const {
  if (a.feasible != b.feasible)
    return a.feasible;
  return a.feasible ? a.loss < b.loss * (1 - 1e-12) : excess(a) < excess(b) - 1e-12;
}

/// The best choice that needs nothing outside `open`; nothing where a group has no such option.
std::optional<KnapsackResult> SharedSolver::solve(const Set &open,
                                                  const KnapsackOptions &how) const {
  Groups kept(groups.size());
  std::vector<std::vector<int>> origins(groups.size());
  for (size_t g = 0; g < groups.size(); ++g) {
    for (size_t i = 0; i < groups[g].size(); ++i)
      if (groups[g][i].shared < 0 || open[groups[g][i].shared]) {
        kept[g].push_back(groups[g][i]);
        origins[g].push_back(static_cast<int>(i));
      }
    if (kept[g].empty())
      return std::nullopt;
  }
  std::vector<double> left = budgets;
  left[0] -= priceOf(open);
  std::vector<int> choice = chooseOptions(kept, left, how).choice;
  for (size_t g = 0; g < groups.size(); ++g)
    choice[g] = origins[g][choice[g]];
  return resultOf(std::move(choice));
}

KnapsackResult SharedSolver::resultOf(std::vector<int> choice) const {
  KnapsackResult result;
  result.choice = std::move(choice);
  result.costs.assign(budgets.size(), 0);
  for (size_t g = 0; g < groups.size(); ++g) {
    const KnapsackOption &option = groups[g][result.choice[g]];
    result.loss += option.loss;
    for (size_t d = 0; d < budgets.size(); ++d)
      result.costs[d] += option.costs[d];
  }
  result.costs[0] += priceOf(usedBy(result));
  result.feasible = excess(result) <= 1e-9;
  return result;
}

/// As solve(), near enough to tell sets apart: of many groups under one budget the upgrades with
/// the highest rates, as long as they fit.
std::optional<KnapsackResult> SharedSolver::estimate(const Set &open) const {
  if (isSmall || budgets.size() > 1)
    return solve(open, quick);
  std::vector<Upgrade> upgrades;
  std::vector<int> choice(groups.size());
  double left = budgets[0] - priceOf(open);
  for (size_t g = 0; g < groups.size(); ++g) {
    choice[g] = hullOf(groups[g], g, open, upgrades);
    if (choice[g] < 0)
      return std::nullopt;
    left -= groups[g][choice[g]].costs[0];
  }
  // Rates fall along a hull: the order is that of the hull within each group.
  std::stable_sort(upgrades.begin(), upgrades.end(),
                   [](const Upgrade &a, const Upgrade &b) { return a.rate() > b.rate(); });
  Set isFull(groups.size());
  for (const Upgrade &upgrade : upgrades) {
    if (isFull[upgrade.group] || upgrade.cost > left) {
      isFull[upgrade.group] = 1;
      continue;
    }
    choice[upgrade.group] = upgrade.to;
    left -= upgrade.cost;
  }
  return resultOf(std::move(choice));
}

/// The best that one addition, removal or, where neither helps, exchange makes of `open`.
std::optional<KnapsackResult> SharedSolver::step(const Set &open, const KnapsackResult &now) const {
  std::optional<KnapsackResult> next;
  auto offer = [&](const Set &changed) {
    std::optional<KnapsackResult> found = estimate(changed);
    if (found && isBetter(*found, next ? *next : now))
      next = std::move(found);
  };
  for (size_t i = 0; i < open.size(); ++i) {
    Set changed = open;
    changed[i] = !changed[i];
    offer(changed);
  }
  for (size_t i = 0; i < open.size() && !next; ++i)
    for (size_t j = 0; j < open.size() && open[i]; ++j) {
      if (open[j])
        continue;
      Set changed = open;
      std::swap(changed[i], changed[j]);
      offer(changed);
    }
  return next;
}

/// Step after step from `open`, while it gets better. What is not used is not paid for.
void SharedSolver::climb(const Set &open) {
  std::optional<KnapsackResult> now = estimate(open);
  if (!now)
    return;
  while (auto next = step(usedBy(*now), *now))
    now = std::move(next);
  if (!best || isBetter(*now, *best)) {
    bestSet = usedBy(*now);
    best = std::move(now);
  }
}

KnapsackResult SharedSolver::run() {
  climb(Set(prices.size(), 1));
  size_t most = 0;
  for (const auto &group : groups)
    most = std::max(most, group.size());
  for (size_t i = 0; i < most; ++i) {
    Set same(prices.size());
    for (const auto &group : groups)
      if (int shared = group[std::min(i, group.size() - 1)].shared; shared >= 0)
        same[shared] = 1;
    climb(same);
  }
  if (auto exact = solve(bestSet, options); exact && isBetter(*exact, *best))
    best = std::move(exact);
  best->bound = chooseOptions(groups, budgets, quick).bound;
  best->optimal = false;
  return std::move(*best);
}

} // namespace

KnapsackResult chooseSharing(const Groups &groups, const std::vector<double> &budgets,
                             const std::vector<double> &prices, const KnapsackOptions &options) {
  assert(!budgets.empty() && "prices are paid out of the first budget");
  return SharedSolver(groups, budgets, prices, options).run();
}

} // namespace qcc
