// `qcc eval --data`: distance from a reference, and classification.
#include "Eval.h"
#include <algorithm>

using namespace qcc;
using namespace qcc::cli;
using namespace qcc::data;
using namespace qcc::quality;
using llvm::StringRef;

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

namespace {
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
} // namespace

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
