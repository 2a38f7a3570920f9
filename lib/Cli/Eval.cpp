// `qcc eval`: perplexity and divergence over tokens, similarity of sentence pairs, distance from a
// reference and classification over data sets.
#include "qcc/Cli/Context.h"
#include "qcc/Cli/DataFiles.h"
#include "qcc/Cli/Inputs.h"
#include "qcc/Cli/Print.h"
#include "qcc/Cli/Samples.h"
#include "qcc/Cli/Stats.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/ADT/StringExtras.h"
#include <algorithm>
#include <cmath>
#include <numeric>

using namespace qcc;
using namespace qcc::cli;
using llvm::StringRef;

namespace {
llvm::Error unsuitable(StringRef where, const llvm::Twine &why) {
  return makeError(Diag::UnsuitableData, where.str(), why.str());
}

/// JSON has no NaN.
llvm::json::Value jsonNumber(double value) {
  return std::isfinite(value) ? llvm::json::Value(value) : llvm::json::Value(nullptr);
}

/// A model with one session that all runs share.
class Subject {
public:
  static llvm::Expected<std::unique_ptr<Subject>> open(const Args &args, const Context &context,
                                                       StringRef path) {
    auto subject = std::make_unique<Subject>();
    auto opened = openModel(args, context, path);
    if (!opened)
      return opened.takeError();
    subject->opened = std::move(*opened);
    auto session = subject->opened.model->newSession();
    if (!session)
      return session.takeError();
    subject->session = std::move(*session);
    return subject;
  }

  const Model &model() const { return *opened.model; }

  /// Fills in what is absent and runs.
  llvm::Expected<std::vector<HostTensor>> run(PartialInputs values) {
    auto inputs = completeInputs(model(), std::move(values));
    if (!inputs)
      return inputs.takeError();
    return session->run(*inputs);
  }

private:
  OpenedModel opened;
  std::unique_ptr<Session> session; // goes before its model
};

class Evaluation {
public:
  Evaluation(const Args &args, const Context &context) : args(args), context(context) {}
  llvm::Error run();

private:
  llvm::Error openSubjects(StringRef path);
  llvm::Error evalTokens();
  llvm::Expected<std::vector<HostTensor>> cutWindows(StringRef file);
  llvm::Error predictions(Subject &subject, const HostTensor &window,
                          std::vector<std::vector<double>> &logProbs);
  llvm::Error evalPairs();
  llvm::Expected<std::vector<std::vector<double>>>
  embedAll(const std::vector<NamedTensor> &arrays, StringRef prefix, StringRef file, int64_t count);
  llvm::Error embedBatch(const std::map<std::string, const HostTensor *> &arrays,
                         llvm::ArrayRef<int64_t> rows, int64_t length,
                         std::vector<std::vector<double>> &vectors);
  llvm::Error evalData();
  llvm::Expected<PartialInputs> sampleInputs(const Model &target, const Sample &sample,
                                             StringRef file);
  llvm::Error evalDistance(const std::vector<Sample> &samples, StringRef file);
  llvm::Error evalLabels(const std::vector<Sample> &samples, StringRef file);
  void finish(StringRef protocol, llvm::json::Object facts,
              const std::vector<std::vector<std::string>> &rows);

  const Args &args;
  const Context &context;
  std::unique_ptr<Subject> subject, reference;
  int64_t limit = -1;
};

llvm::Error Evaluation::openSubjects(StringRef path) {
  auto opened = Subject::open(args, context, path);
  if (!opened)
    return opened.takeError();
  subject = std::move(*opened);
  if (!args.has("--against"))
    return llvm::Error::success();
  // The scheme on the command line is for the model, not for what it is held against.
  Args plain = args;
  for (const char *option : {"--quantize", "--skip", "--embed", "--head", "--force-level"})
    plain.values.erase(option);
  opened = Subject::open(plain, context, args.get("--against"));
  if (!opened)
    return opened.takeError();
  reference = std::move(*opened);
  return llvm::Error::success();
}

llvm::Error Evaluation::run() {
  auto path = onlyModel(args, "eval");
  if (!path)
    return path.takeError();
  if (args.has("--accept") && args.get("--accept") != "none")
    return makeError(Diag::NotAvailable, "", "qcc eval --accept is not available in this version");
  int protocols = args.has("--tokens") + args.has("--pairs") + args.has("--data");
  if (protocols != 1)
    return makeError(Diag::UsageError, "", "give one of --tokens, --pairs and --data", {},
                     "qcc eval --help shows examples");
  auto count = args.integer("--limit", -1, 1, INT64_MAX);
  if (!count)
    return count.takeError();
  limit = *count;
  if (llvm::Error error = openSubjects(*path))
    return error;
  return args.has("--tokens") ? evalTokens() : args.has("--pairs") ? evalPairs() : evalData();
}

void Evaluation::finish(StringRef protocol, llvm::json::Object facts,
                        const std::vector<std::vector<std::string>> &rows) {
  if (!context.json) {
    printTable(context.out, rows);
    return;
  }
  facts["schema"] = "qcc.eval/1";
  facts["protocol"] = protocol;
  facts["model"] = subject->model().path;
  facts["level"] = subject->model().level;
  if (reference)
    facts["against"] = reference->model().path;
  context.printJson(std::move(facts));
}

// --- Tokens --------------------------------------------------------------------------------------

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

/// Log-probabilities of the next token at all positions but the last.
llvm::Error Evaluation::predictions(Subject &which, const HostTensor &window,
                                    std::vector<std::vector<double>> &logProbs) {
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
  const HostTensor &logits = (*outputs)[findLogits(model)];
  int64_t length = window.dims()[1];
  if (logits.rank() != 3 || logits.dims()[0] != 1 || logits.dims()[1] != length)
    return unsuitable(model.path, "logits of shape " + dimsToString(logits.dims()) +
                                      " are not a prediction per token (1x" + llvm::Twine(length) +
                                      "xV)");
  int64_t vocabulary = logits.dims()[2];
  logProbs.assign(length - 1, {});
  for (int64_t t = 0; t + 1 < length; ++t) {
    if (window.as<int64_t>()[t + 1] < 0 || window.as<int64_t>()[t + 1] >= vocabulary)
      return unsuitable(model.path, "token " + llvm::Twine(window.as<int64_t>()[t + 1]) +
                                        " is outside the vocabulary of " + llvm::Twine(vocabulary));
    std::vector<double> &row = logProbs[t];
    row.resize(vocabulary);
    for (int64_t v = 0; v < vocabulary; ++v)
      row[v] = logits.number(t * vocabulary + v);
    logSoftmax(row);
  }
  return llvm::Error::success();
}

llvm::Error Evaluation::evalTokens() {
  std::string file = args.get("--tokens");
  auto windows = cutWindows(file);
  if (!windows)
    return windows.takeError();
  std::vector<double> nll, referenceNll, kld;
  int64_t agree = 0;
  Progress progress(context, "eval");
  std::vector<std::vector<double>> ours, theirs;
  for (size_t w = 0; w < windows->size(); ++w) {
    const HostTensor &window = (*windows)[w];
    if (llvm::Error error = predictions(*subject, window, ours))
      return error;
    if (reference)
      if (llvm::Error error = predictions(*reference, window, theirs))
        return error;
    for (size_t t = 0; t < ours.size(); ++t) {
      int64_t next = window.as<int64_t>()[t + 1];
      nll.push_back(-ours[t][next]);
      if (!reference)
        continue;
      if (theirs[t].size() != ours[t].size())
        return unsuitable(reference->model().path,
                          "the vocabularies differ: " + llvm::Twine(theirs[t].size()) + " and " +
                              llvm::Twine(ours[t].size()));
      referenceNll.push_back(-theirs[t][next]);
      kld.push_back(klDivergence(theirs[t], ours[t]));
      agree += argmax(ours[t]) == argmax(theirs[t]);
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

// --- Pairs ---------------------------------------------------------------------------------------

/// Mean over the unmasked positions of each row; an output that is pooled already passes through.
llvm::Error meanPool(const HostTensor &output, const HostTensor &mask, int64_t row,
                     std::vector<double> &pooled) {
  if (output.rank() != 2 && output.rank() != 3)
    return unsuitable("", "output of shape " + dimsToString(output.dims()) +
                              " is neither BxSxH nor BxH");
  int64_t width = output.dims().back(), length = output.rank() == 3 ? output.dims()[1] : 1;
  pooled.assign(width, 0);
  double weight = 0;
  for (int64_t t = 0; t < length; ++t) {
    if (output.rank() == 3 && mask.number(row * mask.dims()[1] + t) == 0)
      continue;
    weight += 1;
    for (int64_t h = 0; h < width; ++h)
      pooled[h] += output.number((row * length + t) * width + h);
  }
  for (double &value : pooled)
    value /= std::max(weight, 1.0);
  return llvm::Error::success();
}

/// Runs `rows` of the arrays, cut to `length` tokens, as one batch.
llvm::Error Evaluation::embedBatch(const std::map<std::string, const HostTensor *> &arrays,
                                   llvm::ArrayRef<int64_t> rows, int64_t length,
                                   std::vector<std::vector<double>> &vectors) {
  const Model &model = subject->model();
  PartialInputs values(model.inputs.size());
  HostTensor mask;
  for (auto &[name, array] : arrays) {
    int64_t width = array->dims()[1], used = std::min(width, length);
    HostTensor part(array->dtype(), {static_cast<int64_t>(rows.size()), length});
    for (size_t i = 0; i < rows.size(); ++i)
      for (int64_t t = 0; t < used; ++t)
        part.setNumber(i * length + t, array->number(rows[i] * width + t));
    if (name == "attention_mask")
      mask = part.clone();
    int index = findInput(model, name);
    if (index < 0)
      index = findInputRole(model, StringRef(name).contains("ids") && name != "input_ids" ? "types"
                                   : name == "attention_mask"                             ? "mask"
                                                                                          : "ids");
    if (index < 0)
      continue;
    auto fitted = fitInput(model, index, std::move(part), /*convert=*/true);
    if (!fitted)
      return fitted.takeError();
    values[index] = std::move(*fitted);
  }
  auto outputs = subject->run(std::move(values));
  if (!outputs)
    return outputs.takeError();
  for (size_t i = 0; i < rows.size(); ++i)
    if (llvm::Error error =
            meanPool(outputs->front(), mask, static_cast<int64_t>(i), vectors[rows[i]]))
      return error;
  return llvm::Error::success();
}

/// A vector per sentence. Rows of equal length go together and padding never reaches the model, so
/// that the size of a batch changes nothing.
llvm::Expected<std::vector<std::vector<double>>>
Evaluation::embedAll(const std::vector<NamedTensor> &all, StringRef prefix, StringRef file,
                     int64_t count) {
  std::map<std::string, const HostTensor *> arrays;
  for (const NamedTensor &array : all)
    if (StringRef name = array.name; name.consume_front(prefix)) {
      if (array.tensor.rank() != 2 || array.tensor.dims()[0] < count)
        return unsuitable(file, "array '" + llvm::Twine(array.name) + "' has shape " +
                                    dimsToString(array.tensor.dims()) + ", expected " +
                                    llvm::Twine(count) + " rows of tokens");
      arrays[name.str()] = &array.tensor;
    }
  if (!arrays.count("input_ids") || !arrays.count("attention_mask"))
    return unsuitable(file, prefix + "input_ids or " + prefix + "attention_mask is missing");
  const HostTensor &mask = *arrays["attention_mask"];
  int64_t width = mask.dims()[1], fixed = 0;
  int ids = findInputRole(subject->model(), "ids");
  bool isFixed = ids >= 0 && subject->model().inputs[ids].dims.size() == 2 &&
                 !StringRef(subject->model().inputs[ids].dims[1]).getAsInteger(10, fixed);
  std::vector<int64_t> lengths(count, 1), order(count);
  for (int64_t row = 0; row < count; ++row)
    for (int64_t t = 0; t < width; ++t)
      if (mask.number(row * width + t) != 0)
        lengths[row] = t + 1;
  if (isFixed)
    std::fill(lengths.begin(), lengths.end(), fixed);
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return std::pair(lengths[a], a) < std::pair(lengths[b], b);
  });
  auto batch = args.integer("--batch", 8, 1, 4096);
  if (!batch)
    return batch.takeError();
  std::vector<std::vector<double>> vectors(count);
  Progress progress(context, "eval");
  for (int64_t begin = 0; begin < count;) {
    int64_t end = begin + 1;
    while (end < count && end - begin < *batch && lengths[order[end]] == lengths[order[begin]])
      ++end;
    llvm::ArrayRef<int64_t> rows = llvm::ArrayRef(order).slice(begin, end - begin);
    if (llvm::Error error = embedBatch(arrays, rows, lengths[order[begin]], vectors))
      return error;
    begin = end;
    progress.show(end, count);
  }
  return vectors;
}

llvm::Error Evaluation::evalPairs() {
  std::string file = args.get("--pairs");
  auto arrays = readArrays(file);
  if (!arrays)
    return arrays.takeError();
  const HostTensor *gold = nullptr;
  for (const NamedTensor &array : *arrays)
    if (array.name == "gold" && array.tensor.rank() == 1)
      gold = &array.tensor;
  if (!gold)
    return unsuitable(file, "no array 'gold' with a number per pair");
  int64_t count = limit >= 0 ? std::min(limit, gold->count()) : gold->count();
  auto a = embedAll(*arrays, "a_", file, count);
  if (!a)
    return a.takeError();
  auto b = embedAll(*arrays, "b_", file, count);
  if (!b)
    return b.takeError();
  std::vector<double> similarity, want;
  for (int64_t i = 0; i < count; ++i) {
    similarity.push_back(cosine((*a)[i], (*b)[i]));
    want.push_back(gold->number(i));
  }
  double rank = spearman(similarity, want), linear = pearson(similarity, want);
  finish("pairs",
         llvm::json::Object{
             {"pairs", count}, {"spearman", jsonNumber(rank)}, {"pearson", jsonNumber(linear)}},
         {{"Spearman", formatNumber(rank, 6)},
          {"Pearson", formatNumber(linear, 6)},
          {"pairs", std::to_string(count)}});
  return llvm::Error::success();
}

// --- Data sets -----------------------------------------------------------------------------------

/// The arrays of a sample that the model takes, by name or role.
llvm::Expected<PartialInputs> Evaluation::sampleInputs(const Model &target, const Sample &sample,
                                                       StringRef file) {
  PartialInputs values(target.inputs.size());
  for (auto &[name, array] : sample.arrays) {
    int index = findInput(target, name);
    if (index < 0)
      index = findInputRole(target, name);
    if (index < 0)
      continue;
    HostTensor value = array.clone();
    // A sample of its own shape may be the whole batch or one row of it.
    size_t rank = target.inputs[index].dims.size();
    std::vector<int64_t> dims = value.dims().vec();
    if (sample.stacked && dims.size() == rank + 1)
      dims.erase(dims.begin());
    else if (dims.size() + 1 == rank)
      dims.insert(dims.begin(), 1);
    auto fitted = fitInput(target, index, std::move(value).reshaped(std::move(dims)), true);
    if (!fitted)
      return fitted.takeError();
    values[index] = std::move(*fitted);
  }
  return values;
}

/// Sums over all samples of one output.
struct Distance {
  double signal = 0, noise = 0;
  std::vector<double> cosines, kld;
  int64_t rows = 0, agree = 0;
};

/// Compares the unmasked positions of an output; `logits` adds divergence and top-1.
void accumulate(const HostTensor &got, const HostTensor &want, const HostTensor *mask, bool logits,
                Distance &distance) {
  int64_t width = got.rank() ? got.dims().back() : 1;
  int64_t rows = width ? got.count() / width : 0;
  bool masked = mask && got.rank() == 3 && mask->rank() == 2 && mask->dims()[0] == got.dims()[0] &&
                mask->dims()[1] == got.dims()[1];
  std::vector<double> allGot, allWant;
  for (int64_t row = 0; row < rows; ++row) {
    if (masked && mask->number(row) == 0)
      continue;
    std::vector<double> a(width), b(width);
    for (int64_t i = 0; i < width; ++i) {
      a[i] = got.number(row * width + i);
      b[i] = want.number(row * width + i);
      distance.signal += b[i] * b[i];
      distance.noise += (a[i] - b[i]) * (a[i] - b[i]);
    }
    allGot.insert(allGot.end(), a.begin(), a.end());
    allWant.insert(allWant.end(), b.begin(), b.end());
    if (!logits)
      continue;
    ++distance.rows;
    distance.agree += argmax(a) == argmax(b);
    logSoftmax(a);
    logSoftmax(b);
    distance.kld.push_back(klDivergence(b, a));
  }
  if (!allGot.empty())
    distance.cosines.push_back(cosine(allGot, allWant));
}

llvm::Error Evaluation::evalDistance(const std::vector<Sample> &samples, StringRef file) {
  const Model &model = subject->model();
  std::vector<Distance> distances(model.outputs.size());
  Progress progress(context, "eval");
  int maskIndex = findInputRole(model, "mask");
  for (size_t s = 0; s < samples.size(); ++s) {
    auto values = sampleInputs(model, samples[s], file);
    auto others = sampleInputs(reference->model(), samples[s], file);
    if (!values || !others)
      return llvm::joinErrors(values.takeError(), others.takeError());
    std::optional<HostTensor> mask;
    if (maskIndex >= 0 && (*values)[maskIndex])
      mask = (*values)[maskIndex]->clone();
    auto got = subject->run(std::move(*values));
    if (!got)
      return got.takeError();
    auto want = reference->run(std::move(*others));
    if (!want)
      return want.takeError();
    if (got->size() != want->size())
      return unsuitable(reference->model().path, "the models have " + llvm::Twine(got->size()) +
                                                     " and " + llvm::Twine(want->size()) +
                                                     " outputs");
    for (size_t i = 0; i < got->size(); ++i) {
      if ((*got)[i].dims() != (*want)[i].dims())
        return unsuitable(reference->model().path, "output '" + llvm::Twine(model.outputs[i].name) +
                                                       "' has shapes " +
                                                       dimsToString((*got)[i].dims()) + " and " +
                                                       dimsToString((*want)[i].dims()));
      bool logits = model.outputs[i].role == "logits" || model.outputs[i].name == "logits";
      accumulate((*got)[i], (*want)[i], mask ? &*mask : nullptr, logits, distances[i]);
    }
    progress.show(static_cast<int64_t>(s) + 1, static_cast<int64_t>(samples.size()));
  }
  llvm::json::Array list;
  std::vector<std::vector<std::string>> rows = {
      {"output", "cosine", "worst", "SQNR dB", "KLD", "top-1 equal"}};
  for (size_t i = 0; i < distances.size(); ++i) {
    const Distance &distance = distances[i];
    double worst = distance.cosines.empty()
                       ? NAN
                       : *std::min_element(distance.cosines.begin(), distance.cosines.end());
    double sqnr = 10 * std::log10(distance.signal / distance.noise);
    double top1 = static_cast<double>(distance.agree) / static_cast<double>(distance.rows);
    llvm::json::Object facts{{"name", model.outputs[i].name},
                             {"cosine", jsonNumber(mean(distance.cosines))},
                             {"cosine_min", jsonNumber(worst)},
                             {"sqnr_db", jsonNumber(sqnr)}};
    bool logits = !distance.kld.empty();
    if (logits) {
      facts["kld_mean"] = jsonNumber(mean(distance.kld));
      facts["kld_p99_9"] = jsonNumber(quantile(distance.kld, 0.999));
      facts["top1"] = jsonNumber(top1);
    }
    rows.push_back({model.outputs[i].name, formatNumber(mean(distance.cosines), 7),
                    formatNumber(worst, 7), formatNumber(sqnr, 4),
                    logits ? formatNumber(mean(distance.kld), 4) : "-",
                    logits ? formatNumber(100 * top1, 5) + " %" : "-"});
    list.push_back(std::move(facts));
  }
  finish("data",
         llvm::json::Object{{"samples", static_cast<int64_t>(samples.size())},
                            {"outputs", std::move(list)}},
         rows);
  return llvm::Error::success();
}

llvm::Error Evaluation::evalLabels(const std::vector<Sample> &samples, StringRef file) {
  std::string name = args.get("--labels");
  std::vector<int64_t> labels, ours, theirs;
  Progress progress(context, "eval");
  auto predict = [&](Subject &which, const Sample &sample,
                     std::vector<int64_t> &list) -> llvm::Error {
    auto values = sampleInputs(which.model(), sample, file);
    if (!values)
      return values.takeError();
    auto outputs = which.run(std::move(*values));
    if (!outputs)
      return outputs.takeError();
    const HostTensor &scores = (*outputs)[findLogits(which.model())];
    if (scores.rank() < 1 || scores.rank() > 2 || scores.count() == 0 ||
        scores.count() != scores.dims().back())
      return unsuitable(which.model().path, "an output of shape " + dimsToString(scores.dims()) +
                                                " is not a score per class");
    list.push_back(argmax(scores.numbers()));
    return llvm::Error::success();
  };
  for (size_t s = 0; s < samples.size(); ++s) {
    auto label = samples[s].arrays.find(name);
    if (label == samples[s].arrays.end() || label->second.count() != 1)
      return unsuitable(file,
                        "no array '" + llvm::Twine(name) + "' with a class number per sample");
    labels.push_back(label->second.integer(0));
    if (llvm::Error error = predict(*subject, samples[s], ours))
      return error;
    if (reference)
      if (llvm::Error error = predict(*reference, samples[s], theirs))
        return error;
    progress.show(static_cast<int64_t>(s) + 1, static_cast<int64_t>(samples.size()));
  }
  Classification result = classify(ours, labels);
  llvm::json::Object facts{{"samples", static_cast<int64_t>(samples.size())},
                           {"accuracy", result.accuracy},
                           {"f1", result.f1}};
  std::vector<std::vector<std::string>> rows = {{"accuracy", formatNumber(result.accuracy, 6)},
                                                {"F1", formatNumber(result.f1, 6)},
                                                {"samples", std::to_string(samples.size())}};
  if (reference) {
    Classification base = classify(theirs, labels);
    int64_t onlyOurs = 0, onlyTheirs = 0;
    for (size_t i = 0; i < labels.size(); ++i) {
      onlyOurs += ours[i] == labels[i] && theirs[i] != labels[i];
      onlyTheirs += ours[i] != labels[i] && theirs[i] == labels[i];
    }
    double p = mcnemar(onlyOurs, onlyTheirs);
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
  auto samples = readSamples(file, limit);
  if (!samples)
    return samples.takeError();
  if (samples->empty())
    return unsuitable(file, "there are no samples");
  return args.has("--labels") ? evalLabels(*samples, file) : evalDistance(*samples, file);
}
} // namespace

llvm::Error cli::runEval(const Args &args, const Context &context) {
  // What is compiled on the way computes the same bits everywhere, so that figures compare.
  Args exact = args;
  if (!exact.has("--numerics"))
    exact.values["--numerics"] = {"exact"};
  return Evaluation(exact, context).run();
}
