// Descent on codes and scales; see Refine.h.
#include "qcc/Algorithms/Refine.h"
#include "Clones.h"
#include "Dense.h"
#include "LocalSearch.h"
#include <algorithm>
#include <cmath>

namespace qcc {

using dense::parallelFor;
using dense::View;

namespace {

constexpr int64_t kGroup = 128; ///< columns whose changes are applied together
static_assert(kGroup >= kWidestTile);

QCC_CLONES void addScaled(float *row, const float *other, float factor, int64_t count) {
  for (int64_t i = 0; i < count; ++i)
    row[i] += factor * other[i];
}

QCC_CLONES double dot(const float *a, const float *b, int64_t count) {
  constexpr int64_t lanes = 8;
  float sums[lanes] = {};
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    for (int64_t j = 0; j < lanes; ++j)
      sums[j] += a[i + j] * b[i + j];
  double sum = 0;
  for (; i < count; ++i)
    sum += static_cast<double>(a[i]) * b[i];
  for (float part : sums)
    sum += part;
  return sum;
}

/// Grids to try for a tile.
struct Attempts {
  RefineOptions options;
  float super = 0;
  bool grids = false;      ///< whether the tile has a grid to itself
  bool neighbours = false; ///< beside the fitted scale
};

QCC_INLINE void tryScales(LocalSearch &local, const WeightFormat &format,
                          const Attempts &attempts) {
  float tried[32] = {}, zeros[32] = {};
  int count = 0;
  auto attempt = [&](float scale, float zero) __attribute__((always_inline)) {
    Grid grid{roundScale(format, scale, attempts.super), zero};
    for (int i = 0; i < count; ++i)
      if (tried[i] == grid.scale && zeros[i] == grid.zero)
        return;
    if (count < 32) {
      tried[count] = grid.scale;
      zeros[count++] = grid.zero;
    }
    local.tryGrid(grid);
  };
  attempt(local.best.scale, local.best.zero);
  attempt(local.fittedScale(), local.best.zero);
  if (attempts.options.breadth == 0 || !attempts.neighbours)
    return;
  Grid centre{local.best.scale, local.best.zero};
  float step = format.scale == ScaleFormat::E8M0 ? 2.0f
               : attempts.options.breadth > 1    ? 1.03f
                                                 : 1.05f;
  float up = centre.scale, down = centre.scale;
  for (int i = 1; i <= std::min(attempts.options.breadth, 4); ++i) {
    attempt(up *= step, centre.zero);
    attempt(down /= step, centre.zero);
  }
  if (format.zeroPoint) {
    CodeRange range = codeRange(format);
    for (float shift : {-1.0f, 1.0f}) {
      float zero = centre.zero + shift;
      if (zero < static_cast<float>(range.low) || zero > static_cast<float>(range.high))
        continue;
      attempt(centre.scale, zero);
      attempt(centre.scale * step, zero);
      attempt(centre.scale / step, zero);
    }
  }
  attempt(local.fittedScale(), local.best.zero);
}

/// The best of one tile of one row.
QCC_CLONES void improveTile(const Coder &coder, const Tile &tile, const float *gradient,
                            const uint8_t *codes, Grid grid, const Attempts &attempts,
                            Choice &result) {
  LocalSearch local;
  local.bind(coder, tile, gradient);
  local.start(codes, grid);
  local.descend();
  if (attempts.grids)
    tryScales(local, coder.format(), attempts);
  else
    local.tryGrid(grid);
  result = local.best;
}

class Descent {
public:
  Descent(const WeightFormat &format, const float *w, EncodedRows &q, const double *h,
          const RefineOptions &options, unsigned threads)
      : format(withTable(format, q)), coder(this->format), w(w), q(q), h(h), options(options),
        threads(threads), rows(q.rows), k(q.k), block(format.blockLength(q.k)) {}

  void run(RefineReport &report) {
    prepare();
    report.before = objective();
    double last = report.before;
    for (report.sweeps = 0; report.sweeps < options.sweeps;) {
      sweep();
      ++report.sweeps;
      double now = objective();
      bool slow = !(now < last * (1 - 1e-4));
      last = now;
      if (slow)
        break;
    }
    report.before *= unit;
    report.after = last * unit;
  }

private:
  static WeightFormat withTable(WeightFormat format, const EncodedRows &q) {
    if (format.kind == WeightKind::Codebook)
      format.table = q.table;
    return format;
  }

  void prepare() {
    double largest = 0, mean = 0;
    for (int64_t i = 0; i < k; ++i) {
      largest = std::max(largest, h[i * k + i]);
      mean += h[i * k + i] / static_cast<double>(k);
    }
    unit = largest > 0 ? largest : 1;
    second.resize(k * k);
    parallelFor(threads, k, 64, [&](int64_t first, int64_t last) {
      for (int64_t i = first * k; i < last * k; ++i)
        second[i] = static_cast<float>((h[i] + (i % (k + 1) ? 0 : options.damp * mean)) / unit);
    });
    errors.resize(rows * k);
    gradient.resize(rows * k);
    decodeRows(format, q, errors.data());
    for (int64_t i = 0; i < rows * k; ++i)
      errors[i] = w[i] - errors[i];
    renewGradient();
    if (options.scales && block == k) {
      whole.resize(rows * k);
      product(w, whole);
    }
    wide = block > kWidestTile;
    width = wide ? 64 : block;
    quiet.assign(rows * q.blocks, 0);
  }

  void renewGradient() { product(errors.data(), gradient); }

  void product(const float *x, std::vector<float> &out) {
    std::fill(out.begin(), out.end(), 0.0f);
    dense::addProduct(View<float>{out.data(), rows, k, k}, View<const float>{x, rows, k, k},
                      View<const float>{second.data(), k, k, k}, 1.0f, threads);
  }

  double objective() const {
    double sum = 0;
    for (int64_t row = 0; row < rows; ++row)
      sum += dot(&errors[row * k], &gradient[row * k], k);
    return sum;
  }

  /// Within a group of tiles the gradient is kept up to the group's end only; what follows gets all
  /// of the group's changes at once, and what lies before waits for the end of the sweep.
  void sweep() {
    std::vector<float> changes(rows * kGroup);
    for (int64_t group = 0; group < k;) {
      int64_t end = std::min(k, group + std::max(width, kGroup / width * width));
      for (int64_t from = group; from < end;) {
        int64_t to = std::min(end, from + width);
        if (wide)
          to = std::min(to, (from / block + 1) * block);
        Tile tile(second.data(), k, from, to);
        parallelFor(threads, rows, 8, [&](int64_t first, int64_t last) {
          for (int64_t row = first; row < last; ++row)
            improve(tile, row, &changes[row * kGroup + from - group]);
        });
        apply(changes, from - group, from, to, to, end);
        from = to;
      }
      apply(changes, 0, group, end, end, k);
      group = end;
    }
    renewGradient();
    if (options.scales && block == k)
      parallelFor(threads, rows, 16, [&](int64_t first, int64_t last) {
        for (int64_t row = first; row < last; ++row)
          fitRow(row);
      });
  }

  /// What the changes of columns [from, to), at `offset` in each row of `changes`, mean for the
  /// gradient of columns [first, last).
  void apply(const std::vector<float> &changes, int64_t offset, int64_t from, int64_t to,
             int64_t first, int64_t last) {
    if (first < last)
      dense::addProduct(
          View<float>{gradient.data() + first, rows, last - first, k},
          View<const float>{changes.data() + offset, rows, to - from, kGroup},
          View<const float>{second.data() + from * k + first, to - from, last - first, k}, -1.0f,
          threads);
  }

  void improve(const Tile &tile, int64_t row, float *changes) {
    int64_t b = tile.from / block, at = row * k + tile.from;
    Attempts attempts{options, format.super ? q.supers[row] : 0, options.scales && !wide, false};
    // Neighbours of a grid that has not moved for a sweep were tried before.
    uint8_t &settled = quiet[row * q.blocks + b];
    attempts.neighbours = !settled;
    Choice best;
    Grid grid = gridAt(format, q, row, b);
    improveTile(coder, tile, &gradient[at], &q.codes[at], grid, attempts, best);
    if (attempts.grids) {
      settled = best.scale == grid.scale && best.zero == grid.zero;
      setGrid(format, q, row, b, {best.scale, best.zero});
    }
    for (int64_t i = 0; i < tile.width; ++i) {
      float value = w[at + i] - best.values[i];
      changes[i] = errors[at + i] - value;
      errors[at + i] = value;
      q.codes[at + i] = best.codes[i];
    }
  }

  /// q (1 + r) for the whole row: the gradient is H w - H q, and H q = H w - gradient.
  void fitRow(int64_t row) {
    Grid grid = gridAt(format, q, row, 0);
    if (!(grid.scale > 0))
      return;
    std::vector<float> values(k), products(k);
    for (int64_t i = 0; i < k; ++i) {
      values[i] = w[row * k + i] - errors[row * k + i];
      products[i] = whole[row * k + i] - gradient[row * k + i];
    }
    double bottom = dot(values.data(), products.data(), k);
    double top = dot(values.data(), &gradient[row * k], k);
    if (!(bottom > 0))
      return;
    float super = format.super ? q.supers[row] : 0;
    float scale = roundScale(format, static_cast<float>(grid.scale * (1 + top / bottom)), super);
    double ratio = static_cast<double>(scale) / grid.scale - 1;
    if (!(scale > 0) || !(ratio * (ratio * bottom - 2 * top) < 0))
      return;
    setGrid(format, q, row, 0, {scale, grid.zero});
    for (int64_t i = 0; i < k; ++i)
      errors[row * k + i] = w[row * k + i] - coder.decode(q.codes[row * k + i], {scale, grid.zero});
    addScaled(&gradient[row * k], products.data(), static_cast<float>(-ratio), k);
  }

  WeightFormat format;
  Coder coder;
  const float *w;
  EncodedRows &q;
  const double *h;
  const RefineOptions &options;
  unsigned threads;
  int64_t rows, k, block, width = 0;
  bool wide = false;          ///< a tile is a part of a block
  std::vector<uint8_t> quiet; ///< blocks whose grid stayed in the last sweep
  double unit = 1;
  std::vector<float> second;           ///< H in units of its largest diagonal entry
  std::vector<float> errors, gradient; ///< w - q and its product with H
  std::vector<float> whole;            ///< w's product with H, where rows have one scale
};

} // namespace

Tile::Tile(const float *full, int64_t k, int64_t from, int64_t to) : from(from), width(to - from) {
  h.resize(width * width);
  std::vector<double> lower(width * width);
  double largest = 0;
  for (int64_t i = 0; i < width; ++i)
    largest = std::max<double>(largest, full[(from + i) * k + from + i]);
  for (int64_t i = 0; i < width; ++i)
    for (int64_t j = 0; j < width; ++j) {
      h[i * width + j] = full[(from + i) * k + from + j];
      lower[i * width + j] =
          full[(from + width - 1 - i) * k + from + width - 1 - j] + (i == j ? largest * 1e-6 : 0);
    }
  regular = largest > 0 && dense::cholesky(lower.data(), width, 1);
  perCurvature.resize(width);
  for (int64_t i = 0; i < width; ++i)
    if (float curvature = h[i * width + i]; curvature > 0)
      perCurvature[i] = 1 / curvature;
  if (!regular)
    return;
  dense::invertLower(lower.data(), width, 1);
  factor.resize(width * width);
  inverse.resize(width * width);
  for (int64_t i = 0; i < width; ++i)
    for (int64_t j = 0; j < width; ++j)
      factor[i * width + j] = static_cast<float>(lower[(width - 1 - i) * width + width - 1 - j]);
  for (int64_t i = 0; i < width; ++i)
    for (int64_t j = 0; j < width; ++j) {
      double sum = 0;
      for (int64_t p = 0; p <= std::min(i, j); ++p)
        sum += static_cast<double>(factor[p * width + i]) * factor[p * width + j];
      inverse[i * width + j] = static_cast<float>(sum);
    }
  perFactor.resize(width);
  for (int64_t i = 0; i < width; ++i)
    perFactor[i] = 1 / factor[i * width + i];
}

void refine(const WeightFormat &format, const float *w, EncodedRows &q, const double *h,
            const RefineOptions &options, unsigned threads, RefineReport *report) {
  RefineReport local;
  Descent(format, w, q, h, options, threads).run(report ? *report : local);
}

} // namespace qcc
