// Recipes for layers; see Layer.h.
#include "qcc/Algorithms/Layer.h"
#include "Dense.h"
#include <algorithm>
#include <chrono>
#include <cmath>

namespace qcc {

namespace {

bool isFinite(const float *x, int64_t count) {
  return std::all_of(x, x + count, [](float value) { return std::isfinite(value); });
}

void copyRow(EncodedRows &to, const EncodedRows &from, int64_t row) {
  int64_t blocks = to.blocks, k = to.k;
  std::copy_n(&from.codes[row * k], k, &to.codes[row * k]);
  std::copy_n(&from.scales[row * blocks], blocks, &to.scales[row * blocks]);
  if (!to.zeros.empty())
    std::copy_n(&from.zeros[row * blocks], blocks, &to.zeros[row * blocks]);
  if (!to.supers.empty()) {
    to.supers[row] = from.supers[row];
    std::copy_n(&from.scaleCodes[row * blocks], blocks, &to.scaleCodes[row * blocks]);
  }
}

EncodedRows roundAll(const WeightFormat &format, const float *w, int64_t rows, int64_t k,
                     unsigned threads) {
  EncodedRows out = makeRows(format, rows, k);
  dense::parallelFor(threads, rows, 64, [&](int64_t first, int64_t last) {
    encodeRows(format, w + first * k, last - first, k, partsOf(out, first));
  });
  return out;
}

/// Without inputs: the search minimizes plain squares, which is the objective of the identity.
void searchPlain(const WeightFormat &format, const float *w, EncodedRows &out,
                 const LayerRecipe &recipe, unsigned threads, LayerReport &report) {
  std::vector<float> before(out.rows * out.k), after(out.rows * out.k);
  decodeRows(format, out, before.data());
  if (recipe.method != LayerRecipe::Method::Rtn)
    out = clipRows(format, w, out.rows, out.k, nullptr, recipe.gptq.search, threads);
  decodeRows(format, out, after.data());
  for (int64_t i = 0; i < out.rows * out.k; ++i) {
    report.rtn += std::pow(static_cast<double>(w[i]) - before[i], 2);
    report.result += std::pow(static_cast<double>(w[i]) - after[i], 2);
  }
  if (recipe.method == LayerRecipe::Method::Gptq)
    report.notes.push_back("no statistics of inputs: scales by search on the weights alone");
}

EncodedRows byMethod(const WeightFormat &format, const float *w, const EncodedRows &rounded,
                     const double *h, const LayerRecipe &recipe, unsigned threads,
                     LayerReport &report) {
  int64_t rows = rounded.rows, k = rounded.k;
  if (recipe.method == LayerRecipe::Method::Rtn)
    return rounded;
  if (recipe.method == LayerRecipe::Method::Clip) {
    std::vector<float> importance(k);
    for (int64_t i = 0; i < k; ++i)
      importance[i] = static_cast<float>(h[i * k + i]);
    return clipRows(format, w, rows, k, importance.data(), recipe.gptq.search, threads);
  }
  HessianFactor own;
  if (!recipe.factor)
    own = factorHessian(h, k, recipe.gptq, threads);
  const HessianFactor &factor = recipe.factor ? *recipe.factor : own;
  const GptqReport &walk = factor.report;
  EncodedRows out = gptq(format, w, rows, k, factor, recipe.gptq, threads);
  report.damp = walk.damp;
  report.deadColumns = walk.deadColumns;
  if (walk.failed)
    report.notes.push_back("no damping made the second moments positive definite: rounded to "
                           "nearest");
  else if (walk.damp > recipe.gptq.damp)
    report.notes.push_back("damping raised from " + std::to_string(recipe.gptq.damp) + " to " +
                           std::to_string(walk.damp));
  return out;
}

/// Rows that are better as round-to-nearest has them.
void keepBetter(const WeightFormat &format, const float *w, const EncodedRows &rounded,
                EncodedRows &out, const double *h, unsigned threads, LayerReport &report) {
  std::vector<double> before = rowObjectives(format, w, rounded, h, threads);
  std::vector<double> after = rowObjectives(format, w, out, h, threads);
  for (int64_t row = 0; row < out.rows; ++row) {
    if (after[row] > before[row]) {
      copyRow(out, rounded, row);
      after[row] = before[row];
      ++report.rowsKept;
    }
    report.rtn += before[row];
    report.result += after[row];
  }
  if (report.rowsKept)
    report.notes.push_back("round-to-nearest was better for " + std::to_string(report.rowsKept) +
                           " of " + std::to_string(out.rows) + " rows and stays");
}

} // namespace

EncodedRows quantizeLayer(const WeightFormat &format, const float *w, int64_t rows, int64_t k,
                          const double *h, const LayerRecipe &recipe, unsigned threads,
                          LayerReport *report) {
  auto started = std::chrono::steady_clock::now();
  LayerReport local;
  LayerReport &into = report ? *report : local;
  WeightFormat full = format;
  if (full.kind == WeightKind::Codebook && full.table.empty()) {
    std::vector<float> importance(k, 1.0f);
    for (int64_t i = 0; h && i < k; ++i)
      importance[i] = static_cast<float>(h[i * k + i]);
    full.table = learnTable(full, w, rows, k, importance.data());
    full.learned = true;
  }
  EncodedRows rounded = roundAll(full, w, rows, k, threads), out = rounded;
  bool usable = h && std::all_of(h, h + k * k, [](double x) { return std::isfinite(x); });
  if (h && !usable)
    into.notes.push_back("the second moments hold NaN or infinities: rounded to nearest");
  else if (!isFinite(w, rows * k))
    into.notes.push_back("the weights hold NaN or infinities: rounded to nearest");
  else if (!h)
    searchPlain(full, w, out, recipe, threads, into);
  else {
    out = byMethod(full, w, rounded, h, recipe, threads, into);
    if (recipe.refine.sweeps > 0 && recipe.method != LayerRecipe::Method::Rtn) {
      RefineReport refined;
      refine(full, w, out, h, recipe.refine, threads, &refined);
      into.sweeps = refined.sweeps;
    }
    keepBetter(full, w, rounded, out, h, threads, into);
  }
  into.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  return out;
}

std::vector<float> biasCorrection(const WeightFormat &format, const float *w, const EncodedRows &q,
                                  const std::vector<double> &floatMean,
                                  const std::vector<double> &mean) {
  std::vector<float> decoded(q.rows * q.k), shifts(q.rows);
  decodeRows(format, q, decoded.data());
  for (int64_t row = 0; row < q.rows; ++row) {
    double sum = 0;
    for (int64_t i = 0; i < q.k; ++i)
      sum += w[row * q.k + i] * floatMean[i] - decoded[row * q.k + i] * mean[i];
    shifts[row] = static_cast<float>(sum);
  }
  return shifts;
}

} // namespace qcc
