// Descent on codes and scales; see Refine.h.
#include "qcc/Algorithms/Refine.h"
#include "Clones.h"
#include "Dense.h"
#include <algorithm>
#include <cmath>

namespace qcc {

using dense::parallelFor;
using dense::View;

namespace {

constexpr int64_t kWidest = 128; ///< columns of a tile, at most

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

/// What all rows share for columns [from, to): the block of H, its inverse, and the upper factor U
/// of that inverse.
struct Tile {
  int64_t from, width;
  std::vector<float> h, inverse, factor;
  bool regular = false;

  Tile(const float *full, int64_t k, int64_t from, int64_t to) : from(from), width(to - from) {
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
  }
};

/// A way to fill a tile of a row. `change` is that of the objective against what stands.
struct Choice {
  Grid grid;
  double change = 0;
  uint8_t codes[kWidest];
  float values[kWidest]; ///< decoded
};

/// One tile of one row, everything else fixed. With d the change of the tile's numbers and g the
/// row's gradient H (w - q), the objective changes by dᵀ H d - 2 dᵀ g.
class Local {
public:
  Local(const Coder &coder, const Tile &tile, const float *gradient)
      : coder(coder), tile(tile), width(tile.width), gradient(gradient) {}

  void start(const uint8_t *codes, Grid grid) {
    best.grid = grid;
    best.change = 0;
    for (int64_t i = 0; i < width; ++i) {
      best.codes[i] = codes[i];
      best.values[i] = stands[i] = coder.decode(codes[i], grid);
    }
    if (!tile.regular)
      return;
    for (int64_t i = 0; i < width; ++i)
      target[i] = stands[i] + static_cast<float>(dot(&tile.inverse[i * width], gradient, width));
  }

  /// Coordinate descent from the best codes so far.
  void descend() {
    Choice next = best;
    settle(next);
    keep(next);
  }

  /// Codes for another grid: the nearest plane, then descent.
  void tryGrid(Grid grid) {
    if (!tile.regular || !(grid.scale > 0))
      return;
    Choice next;
    next.grid = grid;
    float work[kWidest];
    std::copy_n(target, width, work);
    for (int64_t i = 0; i < width; ++i) {
      next.codes[i] = coder.nearest(work[i], grid);
      next.values[i] = coder.decode(next.codes[i], grid);
      const float *factors = &tile.factor[i * width];
      float error = (work[i] - next.values[i]) / factors[i];
      for (int64_t j = i + 1; j < width; ++j)
        work[j] -= error * factors[j];
    }
    settle(next);
    keep(next);
  }

  /// Scale of the best codes by least squares: q = s c, with c the codes less the zero point.
  float fittedScale() const {
    const float scale = best.grid.scale;
    if (!(scale > 0))
      return scale;
    float changes[kWidest], products[kWidest], before[kWidest];
    for (int64_t i = 0; i < width; ++i)
      changes[i] = best.values[i];
    multiply(changes, products);
    multiply(stands, before);
    double top = 0, bottom = 0;
    for (int64_t i = 0; i < width; ++i) {
      top += static_cast<double>(changes[i]) * (gradient[i] + before[i]);
      bottom += static_cast<double>(changes[i]) * products[i];
    }
    return bottom > 0 && top > 0 ? static_cast<float>(scale * (top / bottom)) : scale;
  }

  Choice best;

private:
  void multiply(const float *x, float *out) const {
    std::fill_n(out, width, 0.0f);
    for (int64_t i = 0; i < width; ++i)
      if (x[i] != 0)
        addScaled(out, &tile.h[i * width], x[i], width);
  }

  /// Coordinate descent on codes, then the change of the objective.
  void settle(Choice &choice) const {
    float changes[kWidest], rest[kWidest];
    for (int64_t i = 0; i < width; ++i)
      changes[i] = choice.values[i] - stands[i];
    multiply(changes, rest);
    for (int64_t i = 0; i < width; ++i)
      rest[i] = gradient[i] - rest[i];
    for (int pass = 0; pass < 4; ++pass) {
      bool moved = false;
      for (int64_t i = 0; i < width; ++i) {
        float curvature = tile.h[i * width + i];
        if (!(curvature > 0))
          continue;
        uint8_t code = coder.nearest(choice.values[i] + rest[i] / curvature, choice.grid);
        if (code == choice.codes[i])
          continue;
        float value = coder.decode(code, choice.grid), step = value - choice.values[i];
        if (!(step * (step * curvature - 2 * rest[i]) < 0))
          continue;
        choice.codes[i] = code;
        choice.values[i] = value;
        addScaled(rest, &tile.h[i * width], -step, width);
        moved = true;
      }
      if (!moved)
        break;
    }
    choice.change = 0;
    for (int64_t i = 0; i < width; ++i)
      choice.change -= static_cast<double>(choice.values[i] - stands[i]) *
                       (static_cast<double>(gradient[i]) + rest[i]);
  }

  void keep(const Choice &next) {
    if (next.change < best.change)
      best = next;
  }

  const Coder &coder;
  const Tile &tile;
  int64_t width;
  const float *gradient;
  float stands[kWidest], target[kWidest];
};

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
    double largest = 0;
    for (int64_t i = 0; i < k; ++i)
      largest = std::max(largest, h[i * k + i]);
    unit = largest > 0 ? largest : 1;
    second.resize(k * k);
    parallelFor(threads, k, 64, [&](int64_t first, int64_t last) {
      for (int64_t i = first * k; i < last * k; ++i)
        second[i] = static_cast<float>(h[i] / unit);
    });
    errors.resize(rows * k);
    gradient.resize(rows * k);
    decodeRows(format, q, errors.data());
    for (int64_t i = 0; i < rows * k; ++i)
      errors[i] = w[i] - errors[i];
    renewGradient();
    wide = block > kWidest;
    width = wide ? 64 : block;
  }

  void renewGradient() {
    std::fill(gradient.begin(), gradient.end(), 0.0f);
    dense::addProduct(View<float>{gradient.data(), rows, k, k},
                      View<const float>{errors.data(), rows, k, k},
                      View<const float>{second.data(), k, k, k}, 1.0f, threads);
  }

  double objective() const {
    double sum = 0;
    for (int64_t row = 0; row < rows; ++row)
      sum += dot(&errors[row * k], &gradient[row * k], k);
    return sum;
  }

  void sweep() {
    std::vector<float> changes(rows * width);
    for (int64_t from = 0; from < k;) {
      int64_t to = std::min(k, from + width);
      if (wide)
        to = std::min(to, (from / block + 1) * block);
      Tile tile(second.data(), k, from, to);
      parallelFor(threads, rows, 8, [&](int64_t first, int64_t last) {
        for (int64_t row = first; row < last; ++row)
          improve(tile, row, &changes[row * width]);
      });
      dense::addProduct(View<float>{gradient.data(), rows, k, k},
                        View<const float>{changes.data(), rows, tile.width, width},
                        View<const float>{second.data() + from * k, tile.width, k, k}, -1.0f,
                        threads);
      from = to;
    }
    if (options.scales && block == k)
      parallelFor(threads, rows, 16, [&](int64_t first, int64_t last) {
        for (int64_t row = first; row < last; ++row)
          fitRow(row);
      });
    renewGradient(); // without the rounding of the steps
  }

  void improve(const Tile &tile, int64_t row, float *changes) {
    int64_t b = tile.from / block, at = row * k + tile.from;
    Local local(coder, tile, &gradient[at]);
    Grid grid = gridAt(format, q, row, b);
    local.start(&q.codes[at], grid);
    local.descend();
    local.tryGrid(grid);
    if (options.scales && !wide)
      tryScales(local, row);
    const Choice &best = local.best;
    for (int64_t i = 0; i < tile.width; ++i) {
      float value = w[at + i] - best.values[i];
      changes[i] = errors[at + i] - value;
      errors[at + i] = value;
      q.codes[at + i] = best.codes[i];
    }
    if (options.scales && !wide)
      setGrid(format, q, row, b, best.grid);
  }

  void tryScales(Local &local, int64_t row) const {
    float super = format.super ? q.supers[row] : 0;
    auto attempt = [&](float scale, float zero) {
      Grid grid{roundScale(format, scale, super), zero};
      if (grid.scale != local.best.grid.scale || grid.zero != local.best.grid.zero)
        local.tryGrid(grid);
    };
    attempt(local.fittedScale(), local.best.grid.zero);
    if (options.breadth == 0)
      return;
    Grid centre = local.best.grid;
    float step = format.scale == ScaleFormat::E8M0 ? 2.0f : options.breadth > 1 ? 1.03f : 1.05f;
    for (int i = 1; i <= options.breadth; ++i)
      for (float factor : {std::pow(step, float(i)), std::pow(step, float(-i))})
        attempt(centre.scale * factor, centre.zero);
    if (format.zeroPoint) {
      CodeRange range = codeRange(format);
      for (float shift : {-1.0f, 1.0f}) {
        float zero = centre.zero + shift;
        if (zero < static_cast<float>(range.low) || zero > static_cast<float>(range.high))
          continue;
        for (float factor : {1.0f, step, 1 / step})
          attempt(centre.scale * factor, zero);
      }
    }
    attempt(local.fittedScale(), local.best.grid.zero);
  }

  /// q (1 + r) for the whole row: the gradient is H w - H q, and H q = H w - gradient.
  void fitRow(int64_t row) {
    Grid grid = gridAt(format, q, row, 0);
    if (!(grid.scale > 0))
      return;
    std::vector<float> values(k), products(k);
    for (int64_t i = 0; i < k; ++i)
      values[i] = w[row * k + i] - errors[row * k + i];
    for (int64_t i = 0; i < k; ++i)
      if (values[i] != 0)
        addScaled(products.data(), &second[i * k], values[i], k);
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
  }

  WeightFormat format;
  Coder coder;
  const float *w;
  EncodedRows &q;
  const double *h;
  const RefineOptions &options;
  unsigned threads;
  int64_t rows, k, block, width = 0;
  bool wide = false; ///< a tile is a part of a block
  double unit = 1;
  std::vector<float> second;           ///< H in units of its largest diagonal entry
  std::vector<float> errors, gradient; ///< w - q and its product with H
};

} // namespace

void refine(const WeightFormat &format, const float *w, EncodedRows &q, const double *h,
            const RefineOptions &options, unsigned threads, RefineReport *report) {
  RefineReport local;
  Descent(format, w, q, h, options, threads).run(report ? *report : local);
}

} // namespace qcc
