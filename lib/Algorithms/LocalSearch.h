// The search of refinement for one tile of one row: codes and a grid while the rest stands.
#ifndef QCC_LIB_ALGORITHMS_LOCALSEARCH_H
#define QCC_LIB_ALGORITHMS_LOCALSEARCH_H

#include "qcc/Algorithms/WeightCodec.h"
#include <algorithm>
#include <cmath>
#include <vector>

namespace qcc {

constexpr int64_t kWidestTile = 128; ///< columns of a tile, at most

/// What all rows share for a run of columns: the block of H, its inverse, and the upper factor U of
/// that inverse.
struct Tile {
  int64_t from, width;
  std::vector<float> h, inverse, factor;
  std::vector<float> perCurvature, perFactor; ///< 1 / H_ii, 0 for dead columns; 1 / U_ii
  bool regular = false;

  Tile(const float *full, int64_t k, int64_t from, int64_t to);
};

#define QCC_INLINE [[gnu::always_inline]] inline

/// A way to fill a tile. `change` is that of the objective against what stands.
struct Choice {
  float scale, zero;
  double change;
  uint8_t codes[kWidestTile];
  float values[kWidestTile]; ///< decoded
};

/// With d the change of the tile's numbers and g the row's gradient H (w - q), the objective
/// changes by dᵀ H d - 2 dᵀ g. Everything is inlined into the caller, which is compiled for several
/// feature levels.
class LocalSearch {
public:
  /// In place of a constructor: clang 22 leaves constructors out of functions with several targets.
  QCC_INLINE void bind(const Coder &itsCoder, const Tile &itsTile, const float *itsGradient) {
    coder = &itsCoder;
    tile = &itsTile;
    width = itsTile.width;
    gradient = itsGradient;
    WeightKind kind = itsCoder.format().kind;
    uniform = kind == WeightKind::Uniform || kind == WeightKind::Ternary;
    CodeRange range = codeRange(itsCoder.format());
    low = static_cast<float>(range.low);
    high = static_cast<float>(range.high);
  }

  QCC_INLINE void start(const uint8_t *codes, Grid grid) {
    best.scale = grid.scale;
    best.zero = grid.zero;
    best.change = 0;
    for (int64_t i = 0; i < width; ++i) {
      best.codes[i] = codes[i];
      best.values[i] = stands[i] = coder->decode(codes[i], grid);
    }
    if (!tile->regular)
      return;
    std::copy_n(stands, width, target);
    for (int64_t i = 0; i < width; ++i)
      axpy(target, &tile->inverse[i * width], gradient[i], 0);
    // With t the target, the objective is (q - t)ᵀ H (q - t) and a constant.
    ground = 0;
    for (int64_t i = 0; i < width; ++i)
      ground += gradient[i] * (target[i] - stands[i]);
  }

  /// Coordinate descent from the best codes so far.
  QCC_INLINE void descend() {
    Choice next = best;
    settle(next);
    keep(next);
  }

  /// Codes for another grid: the nearest plane, then descent.
  QCC_INLINE void tryGrid(Grid grid) {
    if (!tile->regular || !(grid.scale > 0))
      return;
    Choice next;
    next.scale = grid.scale;
    next.zero = grid.zero;
    float work[kWidestTile], inverse = 1 / grid.scale;
    std::copy_n(target, width, work);
    // The objective is the sum of squared errors here. Descent seldom gains a tenth of it.
    float limit = 1.1f * (ground + static_cast<float>(best.change)), sum = 0;
    for (int64_t i = 0; i < width; ++i) {
      next.codes[i] = nearest(work[i], grid, inverse);
      next.values[i] = coder->decode(next.codes[i], grid);
      float error = (work[i] - next.values[i]) * tile->perFactor[i];
      sum += error * error;
      if (sum > limit)
        return;
      axpy(work, &tile->factor[i * width], -error, i + 1);
    }
    settle(next);
    keep(next);
  }

  /// Scale of the best codes by least squares: q = s c, with c the codes less the zero point.
  QCC_INLINE float fittedScale() const {
    float products[kWidestTile], before[kWidestTile];
    multiply(best.values, products);
    multiply(stands, before);
    double top = 0, bottom = 0;
    for (int64_t i = 0; i < width; ++i) {
      top += static_cast<double>(best.values[i]) * (gradient[i] + before[i]);
      bottom += static_cast<double>(best.values[i]) * products[i];
    }
    return bottom > 0 && top > 0 ? static_cast<float>(best.scale * (top / bottom)) : best.scale;
  }

  Choice best;

private:
  QCC_INLINE void axpy(float *row, const float *other, float factor, int64_t from) const {
    for (int64_t i = from; i < width; ++i)
      row[i] += factor * other[i];
  }

  QCC_INLINE void multiply(const float *x, float *out) const {
    std::fill_n(out, width, 0.0f);
    for (int64_t i = 0; i < width; ++i)
      axpy(out, &tile->h[i * width], x[i], 0);
  }

  QCC_INLINE uint8_t nearest(float x, Grid grid, float inverse) const {
    if (!uniform)
      return coder->nearest(x, grid);
    constexpr float magic = 0x1.8p23f, far = 1024.0f;
    float q = std::max(-far, std::min(far, x * inverse));
    float code = (q + magic) - magic + grid.zero;
    return static_cast<uint8_t>(static_cast<int32_t>(std::max(low, std::min(high, code))));
  }

  /// Coordinate descent on codes, then the change of the objective.
  QCC_INLINE void settle(Choice &choice) const {
    float rest[kWidestTile], inverse = choice.scale > 0 ? 1 / choice.scale : 0;
    const Grid grid{choice.scale, choice.zero};
    std::copy_n(gradient, width, rest);
    for (int64_t i = 0; i < width; ++i)
      if (float change = choice.values[i] - stands[i]; change != 0)
        axpy(rest, &tile->h[i * width], -change, 0);
    for (int pass = 0; pass < 4; ++pass) {
      bool moved = false;
      for (int64_t i = 0; i < width; ++i) {
        float wanted = choice.values[i] + rest[i] * tile->perCurvature[i];
        uint8_t code = nearest(wanted, grid, inverse);
        if (code == choice.codes[i])
          continue;
        float value = coder->decode(code, grid), step = value - choice.values[i];
        if (!(step * (step * tile->h[i * width + i] - 2 * rest[i]) < 0))
          continue;
        choice.codes[i] = code;
        choice.values[i] = value;
        axpy(rest, &tile->h[i * width], -step, 0);
        moved = true;
      }
      if (!moved)
        break;
    }
    double change = 0;
    for (int64_t i = 0; i < width; ++i)
      change -= static_cast<double>(choice.values[i] - stands[i]) *
                (static_cast<double>(gradient[i]) + rest[i]);
    choice.change = change;
  }

  QCC_INLINE void keep(const Choice &next) {
    if (next.change < best.change)
      best = next;
  }

  const Coder *coder;
  const Tile *tile;
  int64_t width;
  const float *gradient;
  bool uniform;
  float low, high, ground;
  float stands[kWidestTile], target[kWidestTile];
};

} // namespace qcc
#endif
