// Methods as what they do to one layer.
#include "qcc/Driver/Methods.h"
#include "qcc/Algorithms/InputError.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/ADT/StringExtras.h"

using namespace qcc;
using llvm::Expected;
using llvm::StringRef;

Expected<MethodPlan> qcc::planMethods(llvm::ArrayRef<std::string> names, bool haveData) {
  std::vector<std::string> list(names.begin(), names.end());
  if (list.empty())
    list = {haveData ? "default" : "rtn"};
  MethodPlan plan;
  plan.text = llvm::join(list, ",");
  for (StringRef name : list) {
    bool isDefault = name == "default";
    plan.gptq |= isDefault || name == "gptq";
    plan.refine |= isDefault || name == "rounding";
    plan.aim |= isDefault;
    plan.clip |= name == "clip" || name == "rounding";
    plan.kmeans |= isDefault || name == "kmeans";
    plan.hadamard |= name == "hadamard";
    plan.smooth |= name == "smoothquant";
    plan.awq |= name == "awq";
    plan.columns |= name == "outliers";
    plan.sparse |= name == "sparse";
    plan.bias |= name == "bias";
  }
  if (!haveData && (plan.gptq || plan.refine || plan.needsRanges() || plan.bias))
    return makeError(Diag::BadOptionValue, "",
                     "--method=" + plan.text + " needs samples to work on", {},
                     "give --calib DATA, or use rtn, clip or hadamard");
  return plan;
}

/// The objective of all-zero weights: what the layer's outputs amount to.
static double energyOf(const WeightFormat &format, const std::vector<float> &w, int64_t rows,
                       int64_t k, const double *h, unsigned threads) {
  EncodedRows nothing = makeRows(format, rows, k);
  std::fill(nothing.scales.begin(), nothing.scales.end(), 0.0f);
  double sum = 0;
  for (double row : rowObjectives(format, w.data(), nothing, h, threads))
    sum += row;
  return sum;
}

static LayerRecipe recipeOf(const MethodPlan &plan) {
  LayerRecipe recipe;
  recipe.method = plan.gptq   ? LayerRecipe::Method::Gptq
                  : plan.clip ? LayerRecipe::Method::Clip
                              : LayerRecipe::Method::Rtn;
  recipe.gptq.actOrder = true;
  if (!plan.refine)
    recipe.refine.sweeps = 0;
  return recipe;
}

EncodedRows qcc::chooseCodes(const MethodPlan &plan, const WeightFormat &format,
                             std::vector<float> matrix, int64_t rows, int64_t columns,
                             const Moments *moments, unsigned threads, WeightReport &report) {
  LayerRecipe recipe = recipeOf(plan);
  const double *h = moments ? moments->gram.data() : nullptr;
  if (!h)
    return quantizeLayer(format, matrix.data(), rows, columns, h, recipe, threads, &report.layer);
  report.energy = energyOf(format, matrix, rows, columns, h, threads);
  if (!plan.aim || moments->cross.empty())
    return quantizeLayer(format, matrix.data(), rows, columns, h, recipe, threads, &report.layer);
  std::vector<float> aimed = matrix;
  if (!aimAtFloatOutputs(aimed.data(), rows, columns, h, moments->cross.data(), {}))
    report.layer.notes.push_back("inputs hold NaN or are all zero: aims at the weights themselves");
  EncodedRows codes =
      quantizeLayer(format, aimed.data(), rows, columns, h, recipe, threads, &report.layer);
  // What is reported, and never above round-to-nearest, is the error against the weights as given.
  auto objective = [&](const EncodedRows &q) {
    double sum = 0;
    for (double row : rowObjectives(format, matrix.data(), q, h, threads))
      sum += row;
    return sum;
  };
  double rtn = objective(encodeRows(format, matrix.data(), rows, columns)), ours = objective(codes);
  if (ours > rtn) {
    report.layer.notes.push_back("the aim at the float model's outputs would leave the layer "
                                 "further from its weights than rounding: aims at the weights");
    return quantizeLayer(format, matrix.data(), rows, columns, h, recipe, threads, &report.layer);
  }
  report.layer.rtn = rtn;
  report.layer.result = ours;
  return codes;
}
