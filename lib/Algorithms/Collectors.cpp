// Collectors of calibration; see Collectors.h.
#include "qcc/Algorithms/Collectors.h"
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace qcc {

//===-- Sketch -----------------------------------------------------------------------------------//

void Sketch::add(const float *x, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    auto bits = std::bit_cast<uint32_t>(x[i]);
    uint32_t exponent = bits >> 23 & 255, cell = bits >> 14 & (kCells - 1);
    if (exponent == 255) {
      ++rejected;
      continue;
    }
    extremes = finite ? Range{std::min(extremes.low, x[i]), std::max(extremes.high, x[i])}
                      : Range{x[i], x[i]};
    ++finite;
    if ((bits & 0x7fffffff) == 0) {
      ++zeros;
      continue;
    }
    auto &page = bits >> 31 ? negative[exponent] : positive[exponent];
    if (!page)
      page = std::make_unique<Page>();
    ++(*page)[cell];
  }
}

void Sketch::merge(const Sketch &other) {
  if (other.finite)
    extremes = finite ? Range{std::min(extremes.low, other.extremes.low),
                              std::max(extremes.high, other.extremes.high)}
                      : other.extremes;
  zeros += other.zeros;
  finite += other.finite;
  rejected += other.rejected;
  auto mergePages = [](auto &into, const auto &from) {
    for (int64_t page = 0; page < kPages; ++page) {
      if (!from[page])
        continue;
      if (!into[page])
        into[page] = std::make_unique<Page>();
      for (int64_t i = 0; i < kCells; ++i)
        (*into[page])[i] += (*from[page])[i];
    }
  };
  mergePages(negative, other.negative);
  mergePages(positive, other.positive);
}

float Sketch::middle(int64_t page, int64_t cell) {
  return std::bit_cast<float>(static_cast<uint32_t>(page << 23 | cell << 14 | 1 << 13));
}

float Sketch::quantile(double q) const {
  if (!finite)
    return 0;
  auto rank = static_cast<int64_t>(std::floor(q * static_cast<double>(finite - 1) + 0.5));
  if (rank <= 0)
    return extremes.low;
  if (rank >= finite - 1)
    return extremes.high;
  int64_t below = 0;
  float found = extremes.high;
  bool done = false;
  cells([&](float value, int64_t count) {
    if (done)
      return;
    below += count;
    if (below > rank) {
      found = value;
      done = true;
    }
  });
  return std::clamp(found, extremes.low, extremes.high);
}

float Sketch::magnitudeQuantile(double q) const {
  if (!finite)
    return 0;
  float largest = std::max(std::fabs(extremes.low), std::fabs(extremes.high));
  auto rank = static_cast<int64_t>(std::floor(q * static_cast<double>(finite - 1) + 0.5));
  if (rank >= finite - 1)
    return largest;
  int64_t below = zeros;
  if (below > rank)
    return 0;
  for (int64_t page = 0; page < kPages; ++page)
    for (int64_t i = 0; i < kCells; ++i) {
      below +=
          (negative[page] ? (*negative[page])[i] : 0) + (positive[page] ? (*positive[page])[i] : 0);
      if (below > rank)
        return std::min(middle(page, i), largest);
    }
  return largest;
}

//===-- Ranges -----------------------------------------------------------------------------------//

namespace {

/// Within minmax, and with 0.
Range confine(Range range, Range minmax) {
  float low = std::min(minmax.low, 0.0f), high = std::max(minmax.high, 0.0f);
  return {std::clamp(range.low, low, 0.0f), std::clamp(range.high, 0.0f, high)};
}

/// Divergence of the first `kept` cells, the rest added to the last of them, from what remains when
/// they are merged into `levels` (Migacz 2017; empty cells stay empty).
double divergence(const std::vector<double> &cells, const std::vector<double> &tails, int64_t kept,
                  int64_t levels) {
  double total = tails[0], clipped = tails[kept];
  double sumQ = tails[0] - clipped, sum = 0;
  if (!(sumQ > 0))
    return std::numeric_limits<double>::infinity();
  for (int64_t level = 0; level < levels; ++level) {
    int64_t from = level * kept / levels, to = (level + 1) * kept / levels;
    double mass = tails[from] - tails[to];
    int64_t filled = 0;
    for (int64_t i = from; i < to; ++i)
      filled += cells[i] > 0;
    if (!filled)
      continue;
    double q = mass / static_cast<double>(filled) / sumQ;
    for (int64_t i = from; i < to; ++i) {
      double p = (cells[i] + (i == kept - 1 ? clipped : 0)) / total;
      if (cells[i] > 0 && p > 0)
        sum += p * std::log(p / q);
    }
  }
  // Clipped numbers where the distribution has nothing else are not represented at all.
  if (clipped > 0 && cells[kept - 1] <= 0)
    sum += clipped / total * std::log(clipped / total / 1e-10);
  return sum;
}

} // namespace

Range percentileRange(const Sketch &sketch, double share) {
  return confine({sketch.quantile(1 - share), sketch.quantile(share)}, sketch.minmax());
}

Range entropyRange(const Sketch &sketch, unsigned bits) {
  constexpr int64_t count = 2048;
  Range minmax = sketch.minmax();
  double largest = std::max(std::fabs(minmax.low), std::fabs(minmax.high));
  if (!(largest > 0))
    return {};
  std::vector<double> cells(count), tails(count + 1);
  sketch.cells([&](float value, int64_t weight) {
    if (value == 0) // the commonest number by construction (masks, ReLU); every grid has it
      return;
    // A cell of the sketch is spread over those of the histogram that it overlaps.
    double middle = std::fabs(value), half = middle / 1024;
    double from = (middle - half) / largest * count, to = (middle + half) / largest * count;
    for (auto i = static_cast<int64_t>(from); i <= static_cast<int64_t>(to); ++i) {
      double overlap = std::min(to, i + 1.0) - std::max(from, static_cast<double>(i));
      cells[std::min(i, count - 1)] += static_cast<double>(weight) * overlap / (to - from);
    }
  });
  for (int64_t i = count; i-- > 0;)
    tails[i] = tails[i + 1] + cells[i];
  int64_t levels = int64_t(1) << (bits - 1), best = count;
  double least = std::numeric_limits<double>::infinity();
  for (int64_t kept = std::min(levels, count); kept <= count; ++kept)
    if (double found = divergence(cells, tails, kept, levels); found < least) {
      least = found;
      best = kept;
    }
  auto threshold = static_cast<float>(largest * static_cast<double>(best) / count);
  return confine({-threshold, threshold}, minmax);
}

double squaredError(const Sketch &sketch, Range range, unsigned bits) {
  double low = range.low, high = range.high;
  double step = (high - low) / static_cast<double>((int64_t(1) << bits) - 1), sum = 0;
  sketch.cells([&](float value, int64_t count) {
    double x = std::clamp(static_cast<double>(value), low, high), error = value - x;
    if (error == 0 && step > 0)
      error = x - std::nearbyint(x / step) * step;
    sum += static_cast<double>(count) * error * error;
  });
  return sum;
}

Range squaredErrorRange(const Sketch &sketch, unsigned bits, bool symmetric) {
  Range minmax = confine(sketch.minmax(), sketch.minmax());
  if (symmetric)
    minmax.high = std::max(-minmax.low, minmax.high), minmax.low = -minmax.high;
  constexpr int steps = 64;
  double least = squaredError(sketch, minmax, bits);
  Range best = minmax;
  auto attempt = [&](Range range) {
    if (double error = squaredError(sketch, range, bits); error < least) {
      least = error;
      best = range;
    }
  };
  auto share = [](float x, int i) { return x * static_cast<float>(i) / steps; };
  for (int i = steps; i-- > 1;)
    attempt({share(minmax.low, i), share(minmax.high, i)});
  if (!symmetric) { // then each side by itself
    float low = best.low, high = best.high;
    for (int i = steps; i >= 1; --i)
      attempt({share(minmax.low, i), high});
    low = best.low;
    for (int i = steps; i >= 1; --i)
      attempt({low, share(minmax.high, i)});
  }
  return confine(best, sketch.minmax());
}

void MovingRange::addSample(Range range) {
  double keep = empty ? 0 : momentum;
  low = keep * low + (1 - keep) * range.low;
  high = keep * high + (1 - keep) * range.high;
  empty = false;
}

void Convergence::addSample(Range range) {
  now = range;
  if (std::has_single_bit(static_cast<uint64_t>(++seen))) {
    half = seen == 1 ? range : last;
    last = range;
  }
}

double Convergence::drift() const {
  if (seen < 2)
    return std::numeric_limits<double>::infinity();
  // `last` is of more than half of the samples: the one before it is of at most half.
  double width = static_cast<double>(now.high) - now.low;
  double change = std::fabs(static_cast<double>(now.low) - half.low) +
                  std::fabs(static_cast<double>(now.high) - half.high);
  return width > 0 ? change / width : 0;
}

} // namespace qcc
