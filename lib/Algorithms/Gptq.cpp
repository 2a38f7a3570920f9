// GPTQ; see Gptq.h.
#include "qcc/Algorithms/Gptq.h"
#include "Clones.h"
#include "Dense.h"
#include <algorithm>
#include <cmath>
#include <numeric>

namespace qcc {

using dense::parallelFor;
using dense::View;

namespace {

constexpr int64_t kStrip = 128; ///< columns whose errors are applied together

/// row[i] -= factor * other[i]
QCC_CLONES void subtract(float *row, const float *other, float factor, int64_t count) {
  for (int64_t i = 0; i < count; ++i)
    row[i] -= factor * other[i];
}

/// Upper factor U of H^-1 = Uᵀ U in the order of `columns`. With J the reversal, J H J = L Lᵀ gives
/// H = R Rᵀ with R = J L J upper, so that U = R^-1 = J L^-1 J: one factorization, one inverse.
bool inverseFactor(const double *h, int64_t k, const std::vector<int64_t> &columns, double lambda,
                   std::vector<double> &factor, unsigned threads) {
  factor.resize(k * k);
  parallelFor(threads, k, 64, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i)
      for (int64_t j = 0; j <= i; ++j)
        factor[i * k + j] = h[columns[k - 1 - i] * k + columns[k - 1 - j]];
    for (int64_t i = first; i < last; ++i) {
      double &diagonal = factor[i * k + i];
      diagonal = diagonal > 0 ? diagonal + lambda : 1;
    }
  });
  if (!dense::cholesky(factor.data(), k, threads))
    return false;
  dense::invertLower(factor.data(), k, threads);
  return true;
}

class Walk {
public:
  Walk(const WeightFormat &format, const float *w, int64_t rows, int64_t k,
       const HessianFactor &known, const GptqOptions &options, unsigned threads)
      : format(format), coder(format), w(w), rows(rows), k(k), options(options), threads(threads),
        block(format.blockLength(k)), columns(known.columns), dead(known.dead), factor(known.upper),
        weights(known.weights) {}

  EncodedRows run() {
    out = makeRows(format, rows, k);
    out.supers = rowSupers(format, w, rows, k);
    copyWeights();
    bool early = options.staticGroups || options.actOrder || block == k;
    if (early)
      parallelFor(threads, rows, 16, [&](int64_t first, int64_t last) {
        for (int64_t row = first; row < last; ++row)
          for (int64_t b = 0; b < out.blocks; ++b)
            chooseGrid(row, b, w + row * k);
      });
    std::vector<float> errors(rows * kStrip);
    for (int64_t from = 0; from < k;) {
      int64_t to = stripEnd(from, early);
      parallelFor(threads, rows, 16, [&](int64_t first, int64_t last) {
        for (int64_t row = first; row < last; ++row)
          walkStrip(row, from, to, early, &errors[row * kStrip]);
      });
      dense::addProduct(View<float>{work.data() + to, rows, k - to, k},
                        View<const float>{errors.data(), rows, to - from, kStrip},
                        View<const float>{factor.data() + from * k + to, to - from, k - to, k},
                        -1.0f, threads);
      from = to;
    }
    return std::move(out);
  }

private:
  void copyWeights() {
    work.resize(rows * k);
    parallelFor(threads, rows, 64, [&](int64_t first, int64_t last) {
      for (int64_t row = first; row < last; ++row)
        for (int64_t i = 0; i < k; ++i)
          work[row * k + i] = w[row * k + columns[i]];
    });
  }

  int64_t stripEnd(int64_t from, bool early) const {
    int64_t to = std::min(k, from + kStrip);
    if (early)
      return to;
    // Blocks start where all errors before them have been applied.
    if (block >= kStrip)
      return std::min(to, (from / block + 1) * block);
    return std::min(k, from + kStrip / block * block);
  }

  void chooseGrid(int64_t row, int64_t b, const float *values) {
    int64_t from = b * block, length = std::min(block, k - from);
    float super = format.super ? out.supers[row] : 0;
    bool allDead = std::all_of(&weights[from], &weights[from] + length,
                               [](float weight) { return weight == 0; });
    Grid grid = options.searchGrids
                    ? searchGrid(coder, values + from, allDead ? nullptr : &weights[from], length,
                                 super, options.search)
                    : gridFor(format, values + from, length, super);
    setGrid(format, out, row, b, grid);
  }

  void walkStrip(int64_t row, int64_t from, int64_t to, bool early, float *errors) {
    float *values = &work[row * k];
    Grid grid;
    for (int64_t i = from; i < to; ++i) {
      int64_t column = columns[i];
      if (!early && column % block == 0)
        chooseGrid(row, column / block, values);
      if (early || column % block == 0 || i == from)
        grid = gridAt(format, out, row, column / block);
      uint8_t code = coder.nearest(values[i], grid);
      out.codes[row * k + column] = code;
      const float *factors = &factor[i * k];
      errors[i - from] = dead[column] ? 0 : (values[i] - coder.decode(code, grid)) / factors[i];
      if (errors[i - from] != 0)
        subtract(values + i + 1, factors + i + 1, errors[i - from], to - i - 1);
    }
  }

  const WeightFormat &format;
  Coder coder;
  const float *w;
  int64_t rows, k;
  const GptqOptions &options;
  unsigned threads;
  int64_t block;
  const std::vector<int64_t> &columns;
  const std::vector<bool> &dead;
  const std::vector<float> &factor, &weights;
  std::vector<float> work; ///< weights as they stand, in the order of the walk
  EncodedRows out;
};

void orderColumns(const double *h, int64_t k, bool byEnergy, HessianFactor &factor) {
  factor.columns.resize(k);
  factor.dead.resize(k);
  std::iota(factor.columns.begin(), factor.columns.end(), 0);
  for (int64_t i = 0; i < k; ++i)
    if (!(h[i * k + i] > 0)) {
      factor.dead[i] = true;
      ++factor.report.deadColumns;
    }
  if (byEnergy)
    std::sort(factor.columns.begin(), factor.columns.end(), [&](int64_t a, int64_t b) {
      double left = h[a * k + a], right = h[b * k + b];
      return left != right ? left > right : a < b;
    });
}

} // namespace

HessianFactor factorHessian(const double *h, int64_t k, const GptqOptions &options,
                            unsigned threads) {
  HessianFactor factor;
  GptqReport &report = factor.report;
  orderColumns(h, k, options.actOrder, factor);
  double sum = 0;
  for (int64_t i = 0; i < k; ++i)
    sum += h[i * k + i];
  int64_t alive = k - report.deadColumns;
  double mean = alive ? sum / static_cast<double>(alive) : 1;
  report.failed = true;
  if (!std::isfinite(mean))
    return factor;
  std::vector<double> lower;
  double damp = std::max(options.damp, 0.0);
  for (; damp <= 10; damp = damp > 0 ? damp * 10 : 1e-6)
    if (inverseFactor(h, k, factor.columns, damp * mean, lower, threads))
      break;
  if (damp > 10)
    return factor;
  report.damp = damp;
  report.failed = false;
  factor.upper.resize(k * k);
  parallelFor(threads, k, 64, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i)
      for (int64_t j = 0; j < k; ++j)
        factor.upper[i * k + j] = static_cast<float>(lower[(k - 1 - i) * k + (k - 1 - j)]);
  });
  // The walk's error is the sum of ((w - q) / U_jj)^2: these are the weights of columns.
  factor.weights.resize(k);
  for (int64_t i = 0; i < k; ++i) {
    float diagonal = factor.upper[i * k + i];
    int64_t column = factor.columns[i];
    factor.weights[column] = factor.dead[column] ? 0 : 1 / (diagonal * diagonal);
  }
  return factor;
}

EncodedRows gptq(const WeightFormat &format, const float *w, int64_t rows, int64_t k,
                 const HessianFactor &factor, const GptqOptions &options, unsigned threads) {
  if (!factor.report.failed)
    return Walk(format, w, rows, k, factor, options, threads).run();
  EncodedRows out = makeRows(format, rows, k);
  encodeRows(format, w, rows, k, partsOf(out));
  return out;
}

EncodedRows gptq(const WeightFormat &format, const float *w, int64_t rows, int64_t k,
                 const double *h, const GptqOptions &options, unsigned threads,
                 GptqReport *report) {
  HessianFactor factor = factorHessian(h, k, options, threads);
  if (report)
    *report = factor.report;
  return gptq(format, w, rows, k, factor, options, threads);
}

std::vector<double> errorObjectives(const float *errors, int64_t rows, int64_t k, const double *h,
                                    unsigned threads) {
  std::vector<float> second(k * k), products(rows * k);
  double largest = 0;
  for (int64_t i = 0; i < k; ++i)
    largest = std::max(largest, h[i * k + i]);
  double unit = largest > 0 && std::isfinite(largest) ? largest : 1;
  for (int64_t i = 0; i < k * k; ++i)
    second[i] = static_cast<float>(h[i] / unit);
  dense::addProduct(View<float>{products.data(), rows, k, k}, View<const float>{errors, rows, k, k},
                    View<const float>{second.data(), k, k, k}, 1.0f, threads);
  std::vector<double> objectives(rows);
  for (int64_t row = 0; row < rows; ++row) {
    double sum = 0;
    for (int64_t i = row * k; i < (row + 1) * k; ++i)
      sum += static_cast<double>(errors[i]) * products[i];
    objectives[row] = sum * unit;
  }
  return objectives;
}

std::vector<double> rowObjectives(const WeightFormat &format, const float *w, const EncodedRows &q,
                                  const double *h, unsigned threads) {
  std::vector<float> errors(q.rows * q.k);
  decodeRows(format, q, errors.data());
  for (int64_t i = 0; i < q.rows * q.k; ++i)
    errors[i] = w[i] - errors[i];
  return errorObjectives(errors.data(), q.rows, q.k, h, threads);
}

} // namespace qcc
