// `qcc eval --data`: distance from a reference, and classification.
#include "Eval.h"
#include "qcc/Algorithms/Resample.h"
#include <algorithm>
#include <numeric>

using namespace qcc;
using namespace qcc::cli;

llvm::Error Evaluation::evalDistance(const SampleSet &samples) {
  Progress progress(context, "eval");
  auto outputs = measureOutputs(*subject, *reference, samples, progress.function());
  if (!outputs)
    return outputs.takeError();
  llvm::json::Array list;
  std::vector<std::vector<std::string>> rows = {
      {"output", "cosine", "worst", "SQNR dB", "KLD", "top-1 equal"}};
  for (const OutputSeries &series : *outputs) {
    double signal = 0, noise = 0;
    std::vector<double> cosines;
    for (const OutputSeries::PerSample &sample : series.samples) {
      signal += sample.signal;
      noise += sample.noise;
      cosines.push_back(sample.cosine);
    }
    double worst = cosines.empty() ? NAN : *std::min_element(cosines.begin(), cosines.end());
    double sqnr = 10 * std::log10(signal / noise);
    double agree = std::accumulate(series.agree.begin(), series.agree.end(), 0.0);
    double top1 = agree / static_cast<double>(series.agree.size());
    llvm::json::Object facts{{"name", series.name},
                             {"cosine", jsonNumber(mean(cosines))},
                             {"cosine_min", jsonNumber(worst)},
                             {"sqnr_db", jsonNumber(sqnr)}};
    bool logits = !series.kld.empty();
    if (logits) {
      facts["kld_mean"] = jsonNumber(mean(series.kld));
      facts["kld_p99_9"] = jsonNumber(quantile(series.kld, 0.999));
      facts["top1"] = jsonNumber(top1);
    }
    rows.push_back({series.name, formatNumber(mean(cosines), 7), formatNumber(worst, 7),
                    formatNumber(sqnr, 4), logits ? formatNumber(mean(series.kld), 4) : "-",
                    logits ? formatNumber(100 * top1, 5) + " %" : "-"});
    list.push_back(std::move(facts));
  }
  finish("data", llvm::json::Object{{"samples", samples.count()}, {"outputs", std::move(list)}},
         rows);
  return llvm::Error::success();
}

llvm::Error Evaluation::evalLabels(const SampleSet &samples) {
  Progress progress(context, "eval");
  auto series =
      measureLabels(*subject, reference, samples, args.get("--labels"), progress.function());
  if (!series)
    return series.takeError();
  Classification result = classify(series->predicted, series->labels);
  llvm::json::Object facts{
      {"samples", samples.count()}, {"accuracy", result.accuracy}, {"f1", result.f1}};
  std::vector<std::vector<std::string>> rows = {{"accuracy", formatNumber(result.accuracy, 6)},
                                                {"F1", formatNumber(result.f1, 6)},
                                                {"samples", std::to_string(samples.count())}};
  if (reference) {
    Classification base = classify(series->referencePredicted, series->labels);
    int64_t onlyOurs = 0, onlyTheirs = 0;
    for (size_t i = 0; i < series->labels.size(); ++i) {
      bool ours = series->predicted[i] == series->labels[i];
      bool theirs = series->referencePredicted[i] == series->labels[i];
      onlyOurs += ours && !theirs;
      onlyTheirs += !ours && theirs;
    }
    double p = mcnemarExact(onlyOurs, onlyTheirs);
    facts["reference_accuracy"] = base.accuracy;
    facts["reference_f1"] = base.f1;
    facts["only_model_right"] = onlyOurs;
    facts["only_reference_right"] = onlyTheirs;
    facts["mcnemar_p"] = p;
    rows.push_back({"reference", formatNumber(base.accuracy, 6)});
    rows.push_back({"McNemar p", formatNumber(p, 4) + " (only model right " +
                                     std::to_string(onlyOurs) + ", only reference " +
                                     std::to_string(onlyTheirs) + ")"});
  }
  finish("labels", std::move(facts), rows);
  return llvm::Error::success();
}

llvm::Error Evaluation::evalData() {
  std::string file = args.get("--data");
  if (!args.has("--labels") && !reference)
    return makeError(Diag::UsageError, "", "--data needs --labels NAME or --against MODEL");
  auto ctx = args.integer("--ctx", 0, 2, INT32_MAX);
  if (!ctx)
    return ctx.takeError();
  auto samples = SampleSet::open(file, {limit, *ctx});
  if (!samples)
    return samples.takeError();
  if (samples->count() == 0)
    return unsuitable(file, "there are no samples");
  return args.has("--labels") ? evalLabels(*samples) : evalDistance(*samples);
}
