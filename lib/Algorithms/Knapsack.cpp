// Multiple-choice knapsacks; see Knapsack.h.
#include "qcc/Algorithms/Knapsack.h"
#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>

namespace qcc {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kSlack = 1e-9; ///< of a budget, for sums of rounded numbers

using Groups = std::vector<std::vector<KnapsackOption>>;
using Choice = std::vector<int>;

class Solver {
public:
  Solver(const Groups &groups, const std::vector<double> &budgets, const KnapsackOptions &options)
      : groups(groups), budgets(budgets), options(options), dims(budgets.size()) {
    // Costs in units of their budgets, so that multipliers are comparable.
    for (size_t d = 0; d < dims; ++d) {
      double largest = 0;
      for (const auto &group : groups)
        for (const KnapsackOption &option : group)
          largest = std::max(largest, option.costs[d]);
      units.push_back(budgets[d] > 0 ? budgets[d] : largest > 0 ? largest : 1);
    }
  }

  KnapsackResult run() {
    KnapsackResult result;
    Choice cheapest = leastExcess();
    best = cheapest;
    feasible = excess(cheapest) <= 0;
    bestLoss = feasible ? lossOf(cheapest) : kInfinity;
    multipliers.assign(dims, 0);
    double bound = dualAscent();
    if (feasible)
      improve(best);
    if (feasible && bestLoss > bound + tolerance())
      result.optimal = branch();
    else
      result.optimal = feasible;
    result.feasible = feasible;
    result.choice = best;
    result.loss = lossOf(best);
    result.costs = costsOf(best);
    result.bound = result.optimal ? result.loss : bound;
    return result;
  }

private:
  double tolerance() const { return 1e-12 * (1 + std::fabs(bestLoss)); }
  const KnapsackOption &option(size_t group, const Choice &choice) const {
    return groups[group][choice[group]];
  }
  double lossOf(const Choice &choice) const {
    double sum = 0;
    for (size_t g = 0; g < groups.size(); ++g)
      sum += option(g, choice).loss;
    return sum;
  }
  std::vector<double> costsOf(const Choice &choice) const {
    std::vector<double> costs(dims);
    for (size_t g = 0; g < groups.size(); ++g)
      for (size_t d = 0; d < dims; ++d)
        costs[d] += option(g, choice).costs[d];
    return costs;
  }
  double excessOf(const std::vector<double> &costs) const {
    double sum = 0;
    for (size_t d = 0; d < dims; ++d)
      sum += std::max(0.0, (costs[d] - budgets[d]) / units[d] - kSlack);
    return sum;
  }
  double excess(const Choice &choice) const { return excessOf(costsOf(choice)); }

  /// The option of a group that minimizes loss + multipliers * cost.
  int cheapestUnder(size_t g, const std::vector<double> &weights, double lossWeight,
                    double *value = nullptr) const {
    int at = 0;
    double least = kInfinity;
    for (size_t i = 0; i < groups[g].size(); ++i) {
      double sum = lossWeight * groups[g][i].loss;
      for (size_t d = 0; d < dims; ++d)
        sum += weights[d] * groups[g][i].costs[d] / units[d];
      if (sum < least) {
        least = sum;
        at = static_cast<int>(i);
      }
    }
    if (value)
      *value = least;
    return at;
  }

  /// The choice that comes closest to the budgets: by weights that grow where it exceeds.
  Choice leastExcess() const {
    std::vector<double> weights(dims, 1.0);
    Choice best(groups.size());
    double least = kInfinity;
    for (int round = 0; round < 50; ++round) {
      Choice choice(groups.size());
      for (size_t g = 0; g < groups.size(); ++g)
        choice[g] = cheapestUnder(g, weights, 0);
      std::vector<double> costs = costsOf(choice);
      if (double found = excessOf(costs); found < least) {
        least = found;
        best = choice;
      }
      if (least <= 0)
        break;
      for (size_t d = 0; d < dims; ++d)
        weights[d] *= costs[d] > budgets[d] ? 1.3 : 0.8;
    }
    if (least > 0)
      descendExcess(best);
    return best;
  }

  void descendExcess(Choice &choice) const {
    double now = excess(choice);
    for (bool moved = true; moved && now > 0;) {
      moved = false;
      for (size_t g = 0; g < groups.size(); ++g)
        for (size_t i = 0; i < groups[g].size(); ++i) {
          int before = choice[g];
          choice[g] = static_cast<int>(i);
          if (double found = excess(choice); found < now) {
            now = found;
            moved = true;
          } else {
            choice[g] = before;
          }
        }
    }
  }

  /// Value of the relaxation: no choice within the budgets loses less.
  double relaxed(const std::vector<double> &weights, Choice &choice) const {
    double sum = 0;
    for (size_t g = 0; g < groups.size(); ++g) {
      double value;
      choice[g] = cheapestUnder(g, weights, 1, &value);
      sum += value;
    }
    for (size_t d = 0; d < dims; ++d)
      sum -= weights[d] * budgets[d] / units[d];
    return sum;
  }

  void offer(Choice choice) {
    repair(choice);
    if (excess(choice) > 0)
      return;
    if (double loss = lossOf(choice); loss < bestLoss) {
      bestLoss = loss;
      best = std::move(choice);
      feasible = true;
    }
  }

  /// Multipliers by bisection for one budget, by subgradients for several.
  double dualAscent() {
    Choice choice(groups.size());
    double bound = relaxed(multipliers, choice);
    offer(choice);
    if (dims == 1) {
      double low = 0, high = 1e-12;
      for (int i = 0; i < 200; ++i, high *= 4) {
        relaxed({high}, choice);
        if (excess(choice) <= 0)
          break;
      }
      for (int i = 0; i < 100; ++i) {
        double middle = 0.5 * (low + high), value = relaxed({middle}, choice);
        (excess(choice) > 0 ? low : high) = middle;
        keepBound(value, {middle}, bound);
        if (i % 10 == 9 || i < 10)
          offer(choice);
      }
      keepBound(relaxed({high}, choice), {high}, bound);
      offer(choice);
      return bound;
    }
    std::vector<double> weights = multipliers;
    double scale = 1;
    for (int i = 0; i < 600; ++i) {
      double value = relaxed(weights, choice);
      keepBound(value, weights, bound);
      if (i % 20 == 0)
        offer(choice);
      std::vector<double> costs = costsOf(choice);
      double norm = 0;
      for (size_t d = 0; d < dims; ++d)
        norm += std::pow((costs[d] - budgets[d]) / units[d], 2);
      if (norm == 0)
        break;
      double gap = std::isfinite(bestLoss) ? std::max(bestLoss - value, 1e-12 * std::fabs(bestLoss))
                                           : 1 + std::fabs(value);
      for (size_t d = 0; d < dims; ++d)
        weights[d] =
            std::max(0.0, weights[d] + scale * gap / norm * (costs[d] - budgets[d]) / units[d]);
      if (i % 50 == 49)
        scale *= 0.7;
    }
    offer(choice);
    return bound;
  }

  void keepBound(double value, const std::vector<double> &weights, double &bound) {
    if (value > bound) {
      bound = value;
      multipliers = weights;
    }
  }

  /// Exchanges with the least loss for each unit of excess removed, until it fits.
  void repair(Choice &choice) const {
    std::vector<double> costs = costsOf(choice);
    for (double now = excessOf(costs); now > 0;) {
      double bestRate = kInfinity, after = now;
      size_t group = 0;
      int to = -1;
      for (size_t g = 0; g < groups.size(); ++g)
        for (size_t i = 0; i < groups[g].size(); ++i) {
          double left = excessOf(moved(costs, g, choice[g], static_cast<int>(i)));
          if (!(left < now))
            continue;
          double rate = (groups[g][i].loss - option(g, choice).loss) / (now - left);
          if (rate < bestRate) {
            bestRate = rate;
            group = g;
            to = static_cast<int>(i);
            after = left;
          }
        }
      if (to < 0)
        return;
      costs = moved(costs, group, choice[group], to);
      choice[group] = to;
      now = after;
    }
  }

  std::vector<double> moved(std::vector<double> costs, size_t g, int from, int to) const {
    for (size_t d = 0; d < dims; ++d)
      costs[d] += groups[g][to].costs[d] - groups[g][from].costs[d];
    return costs;
  }

  /// Single exchanges, then pairs, that lower the loss within the budgets.
  void improve(Choice &choice) {
    std::vector<double> costs = costsOf(choice);
    for (int round = 0; round < 100; ++round)
      if (!improveSingle(choice, costs) && !(options.pairs && improvePair(choice, costs)))
        break;
    bestLoss = lossOf(choice);
  }
  bool improveSingle(Choice &choice, std::vector<double> &costs) const {
    bool any = false;
    for (size_t g = 0; g < groups.size(); ++g)
      for (size_t i = 0; i < groups[g].size(); ++i) {
        if (!(groups[g][i].loss < option(g, choice).loss))
          continue;
        std::vector<double> next = moved(costs, g, choice[g], static_cast<int>(i));
        if (excessOf(next) > 0)
          continue;
        choice[g] = static_cast<int>(i);
        costs = costsOf(choice);
        any = true;
      }
    return any;
  }
  bool improvePair(Choice &choice, std::vector<double> &costs) const {
    for (size_t g = 0; g < groups.size(); ++g)
      for (size_t i = 0; i < groups[g].size(); ++i) {
        double gain = option(g, choice).loss - groups[g][i].loss;
        if (!(gain > 0))
          continue;
        std::vector<double> first = moved(costs, g, choice[g], static_cast<int>(i));
        for (size_t o = 0; o < groups.size(); ++o)
          for (size_t j = 0; j < groups[o].size() && o != g; ++j) {
            double price = groups[o][j].loss - option(o, choice).loss;
            if (!(price < gain * (1 - 1e-12)) ||
                excessOf(moved(first, o, choice[o], static_cast<int>(j))) > 0)
              continue;
            choice[g] = static_cast<int>(i);
            choice[o] = static_cast<int>(j);
            costs = costsOf(choice);
            return true;
          }
      }
    return false;
  }

  /// Depth-first over groups in order of how much they matter; the bound of what is left is that of
  /// the multipliers. True when the whole tree was seen.
  bool branch() {
    order.resize(groups.size());
    std::iota(order.begin(), order.end(), size_t(0));
    auto spread = [&](size_t g) {
      double low = kInfinity, high = -kInfinity;
      for (const KnapsackOption &option : groups[g]) {
        low = std::min(low, reduced(option));
        high = std::max(high, reduced(option));
      }
      return high - low;
    };
    std::vector<double> spreads;
    for (size_t g = 0; g < groups.size(); ++g)
      spreads.push_back(spread(g));
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return spreads[a] != spreads[b] ? spreads[a] > spreads[b] : a < b;
    });
    // Suffix sums of the cheapest reduced losses, and of the least costs.
    tail.assign(groups.size() + 1, 0);
    least.assign(groups.size() + 1, std::vector<double>(dims));
    for (size_t at = groups.size(); at-- > 0;) {
      double low = kInfinity;
      least[at] = least[at + 1];
      std::vector<double> lowest(dims, kInfinity);
      for (const KnapsackOption &option : groups[order[at]]) {
        low = std::min(low, reduced(option));
        for (size_t d = 0; d < dims; ++d)
          lowest[d] = std::min(lowest[d], option.costs[d]);
      }
      tail[at] = tail[at + 1] + low;
      for (size_t d = 0; d < dims; ++d)
        least[at][d] += lowest[d];
    }
    constant = 0;
    for (size_t d = 0; d < dims; ++d)
      constant += multipliers[d] * budgets[d] / units[d];
    path.assign(groups.size(), 0);
    nodesLeft = options.nodes;
    visit(0, 0, 0, std::vector<double>(dims));
    return nodesLeft > 0;
  }

  double reduced(const KnapsackOption &option) const {
    double sum = option.loss;
    for (size_t d = 0; d < dims; ++d)
      sum += multipliers[d] * option.costs[d] / units[d];
    return sum;
  }

  void visit(size_t at, double loss, double reducedSum, const std::vector<double> &costs) {
    if (--nodesLeft <= 0 || !(reducedSum + tail[at] - constant < bestLoss - tolerance()))
      return;
    for (size_t d = 0; d < dims; ++d)
      if ((costs[d] + least[at][d] - budgets[d]) / units[d] > kSlack)
        return;
    if (at == groups.size()) {
      if (loss < bestLoss) {
        bestLoss = loss;
        best = path;
      }
      return;
    }
    const auto &group = groups[order[at]];
    std::vector<int> byValue(group.size());
    std::iota(byValue.begin(), byValue.end(), 0);
    std::sort(byValue.begin(), byValue.end(), [&](int a, int b) {
      double left = reduced(group[a]), right = reduced(group[b]);
      return left != right ? left < right : a < b;
    });
    for (int i : byValue) {
      std::vector<double> next = costs;
      for (size_t d = 0; d < dims; ++d)
        next[d] += group[i].costs[d];
      path[order[at]] = i;
      visit(at + 1, loss + group[i].loss, reducedSum + reduced(group[i]), next);
    }
  }

  const Groups &groups;
  const std::vector<double> &budgets;
  const KnapsackOptions &options;
  size_t dims;
  std::vector<double> units, multipliers;
  Choice best;
  double bestLoss = kInfinity;
  bool feasible = false;
  // Of the branch and bound.
  std::vector<size_t> order;
  std::vector<double> tail;
  std::vector<std::vector<double>> least;
  double constant = 0;
  Choice path;
  int64_t nodesLeft = 0;
};

} // namespace

KnapsackResult chooseOptions(const std::vector<std::vector<KnapsackOption>> &groups,
                             const std::vector<double> &budgets, const KnapsackOptions &options) {
  for ([[maybe_unused]] const auto &group : groups) {
    assert(!group.empty() && "every group has an option");
    for ([[maybe_unused]] const KnapsackOption &option : group)
      assert(option.costs.size() == budgets.size());
  }
  return Solver(groups, budgets, options).run();
}

} // namespace qcc
