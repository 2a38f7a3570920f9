// Search of scales and zero points; see Clip.h.
#include "qcc/Algorithms/Clip.h"
#include "Clones.h"
#include "Dense.h"
#include <algorithm>
#include <cmath>

namespace qcc {

namespace {

/// Sum of w * (x - s * (code - zero))^2 over uniform codes, in 8 interleaved sums.
QCC_CLONES double uniformError(const float *x, const float *w, int64_t count, float scale,
                               float zero, float low, float high) {
  constexpr float magic = 0x1.8p23f, far = 1024.0f;
  constexpr int64_t lanes = 8;
  float sums[lanes] = {}, inverse = 1.0f / scale;
  auto one = [&](int64_t i) {
    float q = x[i] * inverse;
    q = q < -far ? -far : q;
    q = q > far ? far : q;
    float code = (q + magic) - magic + zero;
    code = code < low ? low : code;
    code = code > high ? high : code;
    float error = x[i] - scale * (code - zero);
    return (w ? w[i] : 1.0f) * error * error;
  };
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    for (int64_t j = 0; j < lanes; ++j)
      sums[j] += one(i + j);
  for (; i < count; ++i)
    sums[i % lanes] += one(i);
  double sum = 0;
  for (float part : sums)
    sum += part;
  return sum;
}

struct Multiples {
  float least, most;
};

/// Where the best scale lies, in units of the round-to-nearest scale.
Multiples multiplesOf(const WeightFormat &format) {
  switch (format.kind) {
  case WeightKind::Ternary:
    return {0.6f, 2.2f};
  case WeightKind::Float8E4M3:
  case WeightKind::Float8E5M2:
    return {0.8f, 1.2f};
  case WeightKind::Float4E2M1:
    return {0.5f, 2.0f};
  case WeightKind::Codebook:
    return format.isBinary() ? Multiples{0.7f, 1.4f} : Multiples{0.55f, 1.1f};
  case WeightKind::Uniform:
    break;
  }
  return {format.bits <= 2 ? 0.3f : format.bits == 3 ? 0.5f : 0.65f, 1.05f};
}

/// Scale that fits x best given the codes, by weighted least squares.
float fittedScale(const Coder &coder, const float *x, const float *w, int64_t count, Grid grid) {
  double top = 0, bottom = 0;
  for (int64_t i = 0; i < count; ++i) {
    double weight = w ? w[i] : 1, value = coder.value(coder.nearest(x[i], grid)) - grid.zero;
    top += weight * x[i] * value;
    bottom += weight * value * value;
  }
  return bottom > 0 && top > 0 ? static_cast<float>(top / bottom) : grid.scale;
}

class Search {
public:
  Search(const Coder &coder, const float *x, const float *w, int64_t count, float super)
      : coder(coder), x(x), w(w), count(count), super(super) {
    const WeightFormat &format = coder.format();
    best = gridFor(format, x, count, super);
    error = gridError(coder, x, w, count, best);
    raw = rawScale(format, x, count);
    auto [low, high] = std::minmax_element(x, x + count);
    middle = 0.5f * (std::min(*low, 0.0f) + std::max(*high, 0.0f));
  }
  void scale(float wanted) {
    const WeightFormat &format = coder.format();
    float scale = roundScale(format, wanted, super);
    if (!(scale > 0) || scale == last)
      return;
    last = scale;
    if (!format.zeroPoint)
      return tryGrid({scale, 0});
    CodeRange range = codeRange(format);
    auto low = static_cast<float>(range.low), high = static_cast<float>(range.high);
    float centre = std::nearbyint(0.5f * (low + high) - middle / scale);
    for (float shift : {-1.0f, 0.0f, 1.0f})
      if (float zero = centre + shift; zero >= low && zero <= high)
        tryGrid({scale, zero});
  }
  void fit() {
    float scale = roundScale(coder.format(), fittedScale(coder, x, w, count, best), super);
    if (scale > 0)
      tryGrid({scale, best.zero});
  }
  Grid best;
  double error;
  float raw;

private:
  void tryGrid(Grid grid) {
    double found = gridError(coder, x, w, count, grid);
    if (found < error) {
      error = found;
      best = grid;
    }
  }
  const Coder &coder;
  const float *x, *w;
  int64_t count;
  float super, middle, last = 0;
};

} // namespace

double gridError(const Coder &coder, const float *x, const float *weights, int64_t count,
                 Grid grid) {
  const WeightFormat &format = coder.format();
  if (format.kind == WeightKind::Uniform && grid.scale > 0) {
    CodeRange range = codeRange(format);
    return uniformError(x, weights, count, grid.scale, grid.zero, static_cast<float>(range.low),
                        static_cast<float>(range.high));
  }
  constexpr int64_t piece = 256;
  uint8_t codes[piece];
  double sum = 0;
  for (int64_t from = 0; from < count; from += piece) {
    int64_t length = std::min(piece, count - from);
    coder.nearest(x + from, length, grid, codes);
    for (int64_t i = 0; i < length; ++i) {
      double error = static_cast<double>(x[from + i]) - coder.decode(codes[i], grid);
      sum += (weights ? weights[from + i] : 1.0f) * error * error;
    }
  }
  return sum;
}

Grid searchGrid(const Coder &coder, const float *x, const float *weights, int64_t count,
                float super, const GridSearch &options, double *error) {
  Search search(coder, x, weights, count, super);
  if (search.raw > 0 && std::isfinite(search.raw)) {
    Multiples range = multiplesOf(coder.format());
    for (int i = 0; i < options.steps; ++i)
      search.scale(search.raw * (range.most - (range.most - range.least) * static_cast<float>(i) /
                                                  static_cast<float>(options.steps)));
    if (options.leastSquares)
      search.fit();
  }
  if (error)
    *error = search.error;
  return search.best;
}

std::vector<float> rowSupers(const WeightFormat &format, const float *x, int64_t rows, int64_t k) {
  if (!format.super)
    return {};
  std::vector<float> supers(rows);
  int64_t block = format.blockLength(k);
  for (int64_t row = 0; row < rows; ++row) {
    float maxRaw = 0;
    for (int64_t at = 0; at < k; at += block)
      maxRaw = std::fmax(maxRaw, rawScale(format, x + row * k + at, std::min(block, k - at)));
    supers[row] = superFor(format, maxRaw);
  }
  return supers;
}

void setGrid(const WeightFormat &format, EncodedRows &out, int64_t row, int64_t block, Grid grid) {
  int64_t at = row * out.blocks + block;
  out.scales[at] = grid.scale;
  if (format.zeroPoint)
    out.zeros[at] = static_cast<int8_t>(static_cast<int32_t>(grid.zero));
  if (format.super)
    out.scaleCodes[at] = scaleCode(format, grid.scale, out.supers[row]);
}

Grid gridAt(const WeightFormat &format, const EncodedRows &rows, int64_t row, int64_t block) {
  int64_t at = row * rows.blocks + block;
  Grid grid{rows.scales[at], 0};
  if (format.zeroPoint)
    grid.zero = format.isUnsigned ? static_cast<float>(static_cast<uint8_t>(rows.zeros[at]))
                                  : static_cast<float>(rows.zeros[at]);
  return grid;
}

EncodedRows clipRows(const WeightFormat &format, const float *x, int64_t rows, int64_t k,
                     const float *importance, const GridSearch &options, unsigned threads) {
  EncodedRows out = makeRows(format, rows, k);
  out.supers = rowSupers(format, x, rows, k);
  Coder coder(format);
  int64_t block = format.blockLength(k);
  dense::parallelFor(threads, rows, 16, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row)
      for (int64_t b = 0; b < out.blocks; ++b) {
        int64_t from = b * block, length = std::min(block, k - from);
        Grid grid = searchGrid(coder, x + row * k + from, importance ? importance + from : nullptr,
                               length, format.super ? out.supers[row] : 0, options);
        setGrid(format, out, row, b, grid);
        coder.nearest(x + row * k + from, length, grid, &out.codes[row * k + from]);
      }
  });
  return out;
}

} // namespace qcc
