// `qcc eval --tokens`: perplexity, and divergence from a reference.
#include "Eval.h"
#include <numeric>

using namespace qcc;
using namespace qcc::cli;

llvm::Error Evaluation::evalTokens() {
  std::string file = args.get("--tokens");
  auto ctx = args.integer("--ctx", 0, 2, INT32_MAX);
  if (!ctx)
    return ctx.takeError();
  auto samples = SampleSet::open(file, {limit, *ctx});
  if (!samples)
    return samples.takeError();
  Progress progress(context, "eval");
  auto series = measureTokens(*subject, reference, *samples, progress.function());
  if (!series)
    return series.takeError();
  int64_t windows = samples->count();
  Estimate ppl = perplexity(series->nll);
  llvm::json::Object facts{{"windows", windows},
                           {"ctx", series->width},
                           {"predictions", static_cast<int64_t>(series->nll.size())},
                           {"perplexity", jsonNumber(ppl.value)},
                           {"perplexity_se", jsonNumber(ppl.standardError)}};
  std::vector<std::vector<std::string>> rows = {
      {"perplexity", formatNumber(ppl.value, 6) + " ± " + formatNumber(ppl.standardError, 3)},
      {"predictions",
       std::to_string(series->nll.size()) + " in " + std::to_string(windows) + " windows"}};
  if (reference) {
    Estimate base = perplexity(series->referenceNll),
             delta = perplexityDifference(series->nll, series->referenceNll);
    double low = delta.value - z95 * delta.standardError;
    double high = delta.value + z95 * delta.standardError;
    double top1 = static_cast<double>(
                      std::accumulate(series->agree.begin(), series->agree.end(), int64_t(0))) /
                  static_cast<double>(series->nll.size());
    double meanKld = mean(series->kld), tail = quantile(series->kld, 0.999);
    double kldError = std::sqrt(variance(series->kld) / static_cast<double>(series->kld.size()));
    facts["reference_perplexity"] = jsonNumber(base.value);
    facts["delta_perplexity"] = jsonNumber(delta.value);
    facts["delta_perplexity_ci95"] = llvm::json::Array{jsonNumber(low), jsonNumber(high)};
    facts["kld_mean"] = jsonNumber(meanKld);
    facts["kld_mean_se"] = jsonNumber(kldError);
    facts["kld_p99_9"] = jsonNumber(tail);
    facts["top1"] = top1;
    rows.push_back({"reference", formatNumber(base.value, 6)});
    rows.push_back({"difference", formatNumber(delta.value, 4) + " (95 %: " + formatNumber(low, 4) +
                                      " to " + formatNumber(high, 4) + ")"});
    rows.push_back({"KLD mean", formatNumber(meanKld, 5) + " ± " + formatNumber(kldError, 3)});
    rows.push_back({"KLD p99.9", formatNumber(tail, 5)});
    rows.push_back({"top-1 equal", formatNumber(100 * top1, 5) + " %"});
  }
  finish("tokens", std::move(facts), rows);
  return llvm::Error::success();
}
