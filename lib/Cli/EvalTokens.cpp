// `qcc eval --tokens`: perplexity, and divergence from a reference.
#include "Eval.h"

using namespace qcc;
using namespace qcc::cli;
using namespace qcc::data;
using namespace qcc::quality;
using llvm::StringRef;

/// Windows without overlap, [1, ctx] each. A tail shorter than a window is left out.
llvm::Expected<std::vector<HostTensor>> Evaluation::cutWindows(StringRef file) {
  auto tokens = readTensor(file, "tokens");
  if (!tokens)
    return tokens.takeError();
  if (tokens->rank() < 1 || tokens->rank() > 2 || isFloatType(tokens->dtype()))
    return unsuitable(file, "token ids are a line or rows of integers, not " +
                                dtypeName(tokens->dtype()) + " of shape " +
                                dimsToString(tokens->dims()));
  bool rows = tokens->rank() == 2;
  int64_t line = rows ? tokens->dims()[1] : tokens->count();
  if (!rows && !args.has("--ctx"))
    return makeError(Diag::UsageError, "", "--tokens with a line of ids needs --ctx N");
  auto ctx = args.integer("--ctx", line, 2, INT32_MAX);
  if (!ctx)
    return ctx.takeError();
  if (*ctx > line)
    return unsuitable(file, "windows of " + llvm::Twine(*ctx) + " tokens do not fit in " +
                                llvm::Twine(line));
  std::vector<HostTensor> windows;
  for (int64_t row = 0; row < (rows ? tokens->dims()[0] : 1); ++row)
    for (int64_t begin = 0; begin + *ctx <= line; begin += *ctx) {
      if (limit >= 0 && static_cast<int64_t>(windows.size()) >= limit)
        return windows;
      HostTensor window(QCC_I64, {1, *ctx});
      for (int64_t i = 0; i < *ctx; ++i)
        window.as<int64_t>()[i] = tokens->integer(row * line + begin + i);
      windows.push_back(std::move(window));
    }
  return windows;
}

/// Logits [1, ctx, V] of a window.
llvm::Expected<HostTensor> Evaluation::predict(Subject &which, const HostTensor &window) {
  const Model &model = which.model();
  int ids = findInputRole(model, "ids");
  if (ids < 0)
    return unsuitable(model.path, "the model has no input with the role ids; see qcc inspect");
  PartialInputs values(model.inputs.size());
  auto fitted = fitInput(model, ids, window.clone(), /*convert=*/true);
  if (!fitted)
    return fitted.takeError();
  values[ids] = std::move(*fitted);
  auto outputs = which.run(std::move(values));
  if (!outputs)
    return outputs.takeError();
  HostTensor &logits = (*outputs)[findLogits(model)];
  int64_t length = window.dims()[1];
  if (logits.rank() != 3 || logits.dims()[0] != 1 || logits.dims()[1] != length)
    return unsuitable(model.path, "logits of shape " + dimsToString(logits.dims()) +
                                      " are not a prediction per token (1x" + llvm::Twine(length) +
                                      "xV)");
  for (int64_t t = 0; t < length; ++t)
    if (int64_t id = window.as<int64_t>()[t]; id < 0 || id >= logits.dims()[2])
      return unsuitable(model.path, "token " + llvm::Twine(id) + " is outside the vocabulary of " +
                                        llvm::Twine(logits.dims()[2]));
  return std::move(logits);
}

/// Log-probabilities of the token after position t.
static void logProbabilities(const HostTensor &logits, int64_t t, std::vector<double> &row) {
  int64_t vocabulary = logits.dims()[2];
  row.resize(vocabulary);
  for (int64_t v = 0; v < vocabulary; ++v)
    row[v] = logits.number(t * vocabulary + v);
  logSoftmax(row);
}

llvm::Error Evaluation::evalTokens() {
  std::string file = args.get("--tokens");
  auto windows = cutWindows(file);
  if (!windows)
    return windows.takeError();
  std::vector<double> nll, referenceNll, kld;
  int64_t agree = 0;
  Progress progress(context, "eval");
  std::vector<double> ours, theirs;
  for (size_t w = 0; w < windows->size(); ++w) {
    const HostTensor &window = (*windows)[w];
    auto logits = predict(*subject, window);
    if (!logits)
      return logits.takeError();
    HostTensor others;
    if (reference) {
      auto predicted = predict(*reference, window);
      if (!predicted)
        return predicted.takeError();
      others = std::move(*predicted);
      if (others.dims() != logits->dims())
        return unsuitable(reference->model().path,
                          "the vocabularies differ: " + llvm::Twine(others.dims()[2]) + " and " +
                              llvm::Twine(logits->dims()[2]));
    }
    for (int64_t t = 0; t + 1 < window.dims()[1]; ++t) {
      int64_t next = window.as<int64_t>()[t + 1];
      logProbabilities(*logits, t, ours);
      nll.push_back(-ours[next]);
      if (!reference)
        continue;
      logProbabilities(others, t, theirs);
      referenceNll.push_back(-theirs[next]);
      kld.push_back(klDivergence(theirs, ours));
      agree += argmax(ours) == argmax(theirs);
    }
    progress.show(static_cast<int64_t>(w) + 1, static_cast<int64_t>(windows->size()));
  }
  Estimate ppl = perplexity(nll);
  llvm::json::Object facts{{"windows", static_cast<int64_t>(windows->size())},
                           {"ctx", windows->front().dims()[1]},
                           {"predictions", static_cast<int64_t>(nll.size())},
                           {"perplexity", jsonNumber(ppl.value)},
                           {"perplexity_se", jsonNumber(ppl.standardError)}};
  std::vector<std::vector<std::string>> rows = {
      {"perplexity", formatNumber(ppl.value, 6) + " ± " + formatNumber(ppl.standardError, 3)},
      {"predictions",
       std::to_string(nll.size()) + " in " + std::to_string(windows->size()) + " windows"}};
  if (reference) {
    Estimate base = perplexity(referenceNll), delta = perplexityDifference(nll, referenceNll);
    double low = delta.value - z95 * delta.standardError;
    double high = delta.value + z95 * delta.standardError;
    double top1 = static_cast<double>(agree) / static_cast<double>(nll.size());
    double meanKld = mean(kld), tail = quantile(kld, 0.999);
    double kldError = std::sqrt(variance(kld) / static_cast<double>(kld.size()));
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
