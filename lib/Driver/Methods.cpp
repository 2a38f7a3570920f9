// Methods as what they do to one layer.
#include "qcc/Driver/Methods.h"
#include "qcc/Algorithms/InputError.h"
#include "qcc/Algorithms/Rounding.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/ADT/StringExtras.h"

using namespace qcc;
using llvm::Expected;
using llvm::StringRef;

/// Why methods of the list contradict each other; empty where they do not.
static std::string contradictionIn(llvm::ArrayRef<std::string> list) {
  struct {
    StringRef one;
    std::vector<StringRef> others;
    const char *what;
  } const exclusive[] = {
      {"rtn", {"clip", "gptq", "rounding", "default", "stochastic"}, "chooses codes"},
      {"stochastic", {"clip", "gptq", "rounding", "signround", "default"}, "chooses codes"},
      {"smoothquant", {"awq"}, "scales channels"},
      {"outliers", {"columns", "sparse"}, "chooses what is computed beside the product on codes"}};
  for (const auto &entry : exclusive)
    for (StringRef other : entry.others)
      if (llvm::is_contained(list, entry.one) && llvm::is_contained(list, other))
        return ("each of " + entry.one + " and " + other + " " + entry.what).str();
  return {};
}

std::vector<TreatmentChoices> MethodPlan::rounds() const {
  std::vector<TreatmentChoices> rounds;
  auto add = [&](bool asked, auto allow) {
    if (asked)
      allow(rounds.emplace_back());
  };
  add(smooth, [](TreatmentChoices &round) { round.smooth = true; });
  add(awq, [](TreatmentChoices &round) { round.awq = true; });
  add(outliers, [](TreatmentChoices &round) {
    round.smooth = round.thresholds = round.columns = round.sparse = true;
    round.steps = 10;
  });
  add(columns, [](TreatmentChoices &round) { round.columns = true; });
  add(sparse, [](TreatmentChoices &round) { round.sparse = true; });
  return rounds;
}

Expected<MethodPlan> qcc::planMethods(llvm::ArrayRef<std::string> names, bool haveData) {
  std::vector<std::string> list(names.begin(), names.end());
  if (list.empty())
    list = {haveData ? "default" : "rtn"};
  MethodPlan plan;
  plan.text = llvm::join(list, ",");
  if (std::string why = contradictionIn(list); !why.empty())
    return makeError(Diag::BadOptionValue, "", "--method=" + plan.text + ": " + why, {},
                     "name one of them");
  auto has = [&](StringRef name) { return llvm::is_contained(list, name); };
  bool isDefault = has("default");
  plan.gptq = isDefault || has("gptq");
  plan.refine = isDefault || has("rounding");
  plan.aim = isDefault;
  plan.kmeans = isDefault || has("kmeans");
  plan.hadamard = has("hadamard");
  plan.smooth = has("smoothquant");
  plan.awq = has("awq");
  plan.outliers = has("outliers");
  plan.columns = has("columns");
  plan.sparse = has("sparse");
  plan.rows = has("rows");
  plan.bias = has("bias");
  plan.signRound = has("signround");
  plan.stochastic = has("stochastic");
  // AWQ searches how far to clip after the scales (section 3.2 and its code).
  bool chosen = has("rtn") || plan.gptq || plan.stochastic;
  plan.clip = has("clip") || has("rounding") || (plan.awq && !chosen);
  bool onData = plan.gptq || plan.refine || plan.signRound || plan.bias || plan.rows ||
                !plan.rounds().empty();
  if (!haveData && onData)
    return makeError(Diag::BadOptionValue, "",
                     "--method=" + plan.text + " needs samples to work on", {},
                     "give --calib DATA, or use rtn, clip, stochastic or hadamard");
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

static LayerRecipe recipeOf(const MethodPlan &plan, const WeightFormat &format) {
  LayerRecipe recipe;
  recipe.method = plan.gptq   ? LayerRecipe::Method::Gptq
                  : plan.clip ? LayerRecipe::Method::Clip
                              : LayerRecipe::Method::Rtn;
  recipe.gptq.actOrder = true;
  if (!plan.refine || (plan.refineNarrow && format.bits >= 8))
    recipe.refine.sweeps = 0;
  return recipe;
}

/// The summed objective of codes.
static double objectiveOf(const WeightFormat &format, const std::vector<float> &w,
                          const EncodedRows &q, const double *h, unsigned threads) {
  double sum = 0;
  for (double row : rowObjectives(format, w.data(), q, h, threads))
    sum += row;
  return sum;
}

static EncodedRows byRecipe(const MethodPlan &plan, const WeightFormat &format,
                            const std::vector<float> &matrix, int64_t rows, int64_t columns,
                            const Moments *moments, unsigned threads, WeightReport &report) {
  LayerRecipe recipe = recipeOf(plan, format);
  const double *h = moments ? moments->gram.data() : nullptr;
  if (h && plan.gptq)
    recipe.factor = &moments->factor(recipe.gptq, threads);
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
  double rtn =
      objectiveOf(format, matrix, encodeRows(format, matrix.data(), rows, columns), h, threads);
  double ours = objectiveOf(format, matrix, codes, h, threads);
  if (ours > rtn) {
    report.layer.notes.push_back("the aim at the float model's outputs would leave the layer "
                                 "further from its weights than rounding: aims at the weights");
    return quantizeLayer(format, matrix.data(), rows, columns, h, recipe, threads, &report.layer);
  }
  report.layer.rtn = rtn;
  report.layer.result = ours;
  return codes;
}

EncodedRows qcc::chooseCodes(const MethodPlan &plan, const WeightFormat &format,
                             std::vector<float> matrix, int64_t rows, int64_t columns,
                             const Moments *moments, unsigned threads, WeightReport &report) {
  EncodedRows codes =
      plan.stochastic
          ? stochasticRows(format, matrix.data(), rows, columns, plan.seed, report.name, threads)
          : byRecipe(plan, format, matrix, rows, columns, moments, threads, report);
  if (plan.signRound && moments) {
    signRound(format, matrix.data(), codes, moments->gram.data(), {}, threads);
    report.layer.result = objectiveOf(format, matrix, codes, moments->gram.data(), threads);
  }
  return codes;
}
