// `qcc eval --pairs`: similarity of sentence pairs.
#include "Eval.h"

using namespace qcc;
using namespace qcc::cli;

llvm::Error Evaluation::evalPairs() {
  auto batch = args.integer("--batch", 8, 1, 4096);
  if (!batch)
    return batch.takeError();
  Progress progress(context, "eval");
  auto series =
      measurePairs(*subject, reference, args.get("--pairs"), limit, *batch, progress.function());
  if (!series)
    return series.takeError();
  double rank = spearman(series->similarity, series->gold);
  double linear = pearson(series->similarity, series->gold);
  int64_t pairs = static_cast<int64_t>(series->gold.size());
  llvm::json::Object facts{
      {"pairs", pairs}, {"spearman", jsonNumber(rank)}, {"pearson", jsonNumber(linear)}};
  std::vector<std::vector<std::string>> rows = {{"Spearman", formatNumber(rank, 6)},
                                                {"Pearson", formatNumber(linear, 6)},
                                                {"pairs", std::to_string(pairs)}};
  if (reference) {
    double base = spearman(series->referenceSimilarity, series->gold);
    facts["reference_spearman"] = jsonNumber(base);
    rows.insert(rows.begin() + 1, {"reference", formatNumber(base, 6)});
  }
  finish("pairs", std::move(facts), rows);
  return llvm::Error::success();
}
