// Predictions of the next token: likelihoods, divergence from a reference, agreement.
#include "qcc/Quality/Series.h"
#include "qcc/Quality/Stats.h"
#include "llvm/ADT/Twine.h"

using namespace qcc;
using namespace qcc::data;
using namespace qcc::quality;

namespace {
/// Logits [1, length, V] and what they are predictions for.
struct Prediction {
  HostTensor logits, ids;
  std::optional<HostTensor> mask;
  bool counts(int64_t t) const {
    bool fits = mask && mask->count() == ids.count();
    return !fits || (mask->number(t) != 0 && mask->number(t + 1) != 0);
  }
};
} // namespace

static llvm::Expected<Prediction> predict(Subject &subject, const Sample &sample) {
  const Model &model = subject.model();
  int ids = findInputRole(model, "ids"), mask = findInputRole(model, "mask");
  if (ids < 0)
    return unsuitable(model.path, "the model has no input with the role ids; see qcc inspect");
  auto values = bindSample(model, sample);
  if (!values)
    return values.takeError();
  if (!(*values)[ids])
    return unsuitable(model.path, "a sample has no array of token ids");
  Prediction result;
  result.ids = (*values)[ids]->clone();
  if (mask >= 0 && (*values)[mask])
    result.mask = (*values)[mask]->clone();
  auto outputs = subject.run(std::move(*values));
  if (!outputs)
    return outputs.takeError();
  result.logits = std::move((*outputs)[findLogits(model)]);
  int64_t length = result.ids.count();
  const HostTensor &logits = result.logits;
  if (logits.rank() != 3 || logits.dims()[0] != 1 || logits.dims()[1] != length)
    return unsuitable(model.path, "logits of shape " + dimsToString(logits.dims()) +
                                      " are not a prediction per token (1x" + llvm::Twine(length) +
                                      "xV)");
  for (int64_t t = 0; t < length; ++t)
    if (int64_t id = result.ids.integer(t); id < 0 || id >= logits.dims()[2])
      return unsuitable(model.path, "token " + llvm::Twine(id) + " is outside the vocabulary of " +
                                        llvm::Twine(logits.dims()[2]));
  return result;
}

/// Log-probabilities of the token after position t.
static void logProbabilities(const HostTensor &logits, int64_t t, std::vector<double> &row) {
  int64_t vocabulary = logits.dims()[2];
  row.resize(vocabulary);
  for (int64_t v = 0; v < vocabulary; ++v)
    row[v] = logits.number(t * vocabulary + v);
  logSoftmax(row);
}

static void addPredictions(const Prediction &ours, const Prediction *theirs, TokenSeries &series) {
  std::vector<double> logP, logQ;
  int64_t length = ours.ids.count(), count = 0;
  for (int64_t t = 0; t + 1 < length; ++t) {
    if (!ours.counts(t))
      continue;
    ++count;
    int64_t next = ours.ids.integer(t + 1);
    logProbabilities(ours.logits, t, logQ);
    series.nll.push_back(-logQ[next]);
    if (!theirs)
      continue;
    logProbabilities(theirs->logits, t, logP);
    series.referenceNll.push_back(-logP[next]);
    series.kld.push_back(klDivergence(logP, logQ));
    series.agree.push_back(argmax(logQ) == argmax(logP));
  }
  series.predictions.push_back(count);
  series.width = std::max(series.width, length);
}

llvm::Expected<TokenSeries> quality::measureTokens(Subject &model, Subject *reference,
                                                   const SampleSet &samples,
                                                   const ProgressFn &progress) {
  TokenSeries series;
  for (int64_t i = 0; i < samples.count(); ++i) {
    auto sample = samples.get(i);
    if (!sample)
      return sample.takeError();
    auto ours = predict(model, *sample);
    if (!ours)
      return ours.takeError();
    if (!reference) {
      addPredictions(*ours, nullptr, series);
    } else {
      auto theirs = predict(*reference, *sample);
      if (!theirs)
        return theirs.takeError();
      if (theirs->logits.dims() != ours->logits.dims())
        return unsuitable(reference->model().path,
                          "the vocabularies differ: " + llvm::Twine(theirs->logits.dims()[2]) +
                              " and " + llvm::Twine(ours->logits.dims()[2]));
      addPredictions(*ours, &*theirs, series);
    }
    progress(i + 1, samples.count());
  }
  if (series.nll.empty())
    return unsuitable(samples.where(), "there is nothing to predict");
  return series;
}
