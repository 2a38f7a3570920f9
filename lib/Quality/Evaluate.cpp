// Deciding gates.
#include "qcc/Quality/Evaluate.h"
#include "qcc/Quality/Stats.h"
#include "qcc/Support/Print.h"
#include <cmath>
#include <map>

using namespace qcc;
using namespace qcc::data;
using namespace qcc::quality;
using llvm::StringRef;

namespace {
/// Measures each data set once, however many limits are on it.
class GateRun {
public:
  GateRun(const Gate &gate, const GateInputs &inputs) : gate(gate), inputs(inputs) {}
  llvm::Expected<GateResult> run();

private:
  llvm::Error addGuard();
  llvm::Error addPercent();
  llvm::Error addSet(const GateSet &set);
  llvm::Error addCosts();
  llvm::Error addUnits(const SampleSet &samples, const GateSet &set);
  void add(const Units &units, GateSet set, bool lenient);
  void finish();

  llvm::Error needReference(StringRef what) const;
  llvm::Expected<const TokenSeries *> tokens(const SampleSet &samples, bool compare,
                                             const std::string &key);
  llvm::Expected<const std::vector<OutputSeries> *> outputs(const SampleSet &samples,
                                                            const std::string &key);
  llvm::Expected<const LabelSeries *> classes(const SampleSet &samples, StringRef labels,
                                              const std::string &key);

  const Gate &gate;
  const GateInputs &inputs;
  GateResult result;
  std::map<std::string, TokenSeries> tokenCache;
  std::map<std::string, std::vector<OutputSeries>> outputCache;
  std::map<std::string, LabelSeries> labelCache;
};

std::string keyOf(const GateSet &set) {
  return set.data + "|" + std::to_string(set.ctx) + "|" + std::to_string(set.limit);
}

} // namespace

bool quality::isResult(const TensorInfo &output) {
  StringRef role = output.role, name = output.name;
  return !role.starts_with("present") && !role.starts_with("past") && !name.starts_with("present");
}

llvm::Error GateRun::needReference(StringRef what) const {
  if (inputs.reference)
    return llvm::Error::success();
  return makeError(Diag::UsageError, "",
                   ("the limit on " + what + " needs a reference model").str(), {},
                   "give --against MODEL");
}

llvm::Expected<const TokenSeries *> GateRun::tokens(const SampleSet &samples, bool compare,
                                                    const std::string &key) {
  // With a reference at hand one pass serves every limit on the set.
  compare |= inputs.reference != nullptr;
  auto found = tokenCache.find(key);
  if (found == tokenCache.end()) {
    auto series = measureTokens(*inputs.model, compare ? inputs.reference : nullptr, samples,
                                inputs.progress);
    if (!series)
      return series.takeError();
    found = tokenCache.emplace(key, std::move(*series)).first;
  }
  return &found->second;
}

llvm::Expected<const std::vector<OutputSeries> *> GateRun::outputs(const SampleSet &samples,
                                                                   const std::string &key) {
  auto found = outputCache.find(key);
  if (found == outputCache.end()) {
    auto series = measureOutputs(*inputs.model, *inputs.reference, samples, inputs.progress);
    if (!series)
      return series.takeError();
    found = outputCache.emplace(key, std::move(*series)).first;
  }
  return &found->second;
}

llvm::Expected<const LabelSeries *> GateRun::classes(const SampleSet &samples, StringRef labels,
                                                     const std::string &key) {
  std::string whole = key + "|" + labels.str();
  auto found = labelCache.find(whole);
  if (found == labelCache.end()) {
    auto series = measureLabels(*inputs.model, inputs.reference, samples, labels, inputs.progress);
    if (!series)
      return series.takeError();
    found = labelCache.emplace(whole, std::move(*series)).first;
  }
  return &found->second;
}

void GateRun::add(const Units &units, GateSet set, bool lenient) {
  result.sets.push_back(decide(units, set, gate.confidence, lenient));
}

/// The limit of `set` on `samples`, on one output or on each.
llvm::Error GateRun::addUnits(const SampleSet &samples, const GateSet &set) {
  bool lenient = gate.kind == Gate::Kind::Guard;
  std::string key = keyOf(set);
  const Model &model = inputs.model->model();
  bool drop = set.maxDrop && !losslessValue(set.metric);
  bool compares = set.metric == Metric::Kld || set.metric == Metric::Top1 ||
                  set.metric == Metric::Cosine || set.metric == Metric::Sqnr;
  if (drop || compares)
    if (llvm::Error error = needReference(metricName(set.metric)))
      return error;
  if (set.metric == Metric::Accuracy || set.metric == Metric::F1) {
    auto series = classes(samples, set.labels, key);
    if (!series)
      return series.takeError();
    return add(labelUnits(**series, set.metric), set, lenient), llvm::Error::success();
  }
  if (set.metric == Metric::Perplexity ||
      (compares && samples.isTokens() && set.metric != Metric::Cosine &&
       set.metric != Metric::Sqnr)) {
    auto series = tokens(samples, compares, key);
    if (!series)
      return series.takeError();
    return add(tokenUnits(**series, set.metric), set, lenient), llvm::Error::success();
  }
  auto list = outputs(samples, key);
  if (!list)
    return list.takeError();
  bool onLogits = set.metric == Metric::Kld || set.metric == Metric::Top1;
  size_t logits = static_cast<size_t>(findLogits(model)), added = 0;
  size_t results = llvm::count_if(model.outputs, isResult);
  for (size_t i = 0; i < (*list)->size(); ++i) {
    const OutputSeries &series = (**list)[i];
    if (onLogits ? i != logits : !isResult(model.outputs[i]))
      continue;
    if (onLogits && !series.logits)
      return unsuitable(model.path, "metric " + metricName(set.metric) +
                                        " needs an output named or with the role logits");
    GateSet named = set;
    if (!onLogits && results > 1)
      named.name += "/" + series.name;
    add(outputUnits(series, set.metric), named, lenient);
    ++added;
  }
  if (added == 0)
    return unsuitable(model.path, "the model has no output to compare");
  return llvm::Error::success();
}

llvm::Error GateRun::addSet(const GateSet &set) {
  auto samples = SampleSet::open(set.data, {set.limit, set.ctx});
  if (!samples)
    return samples.takeError();
  if (samples->count() == 0)
    return unsuitable(set.data, "there are no samples");
  if (set.metric == Metric::Spearman) {
    bool drop = set.maxDrop.has_value();
    if (drop)
      if (llvm::Error error = needReference("spearman"))
        return error;
    auto series = measurePairs(*inputs.model, drop ? inputs.reference : nullptr, set.data,
                               set.limit, /*batch=*/8, inputs.progress);
    if (!series)
      return series.takeError();
    return add(pairUnits(*series), set, false), llvm::Error::success();
  }
  if (set.metric != Metric::Command)
    return addUnits(*samples, set);
  Units units;
  units.metric = Metric::Command;
  units.samples = units.predictions = samples->count();
  auto ours = runCommand(*inputs.model, *samples, set.command, inputs.progress);
  if (!ours)
    return ours.takeError();
  double theirs = 0;
  if (set.maxDrop) {
    if (llvm::Error error = needReference("cmd"))
      return error;
    auto value = runCommand(*inputs.reference, *samples, set.command, inputs.progress);
    if (!value)
      return value.takeError();
    theirs = *value;
    units.hasReference = true;
  }
  units.rows.push_back({*ours, 1, theirs});
  return add(units, set, false), llvm::Error::success();
}

bool quality::hasLogits(const Model &model) {
  const TensorInfo &first = model.outputs[findLogits(model)];
  return first.role == "logits" || first.name == "logits";
}

llvm::Error GateRun::addGuard() {
  if (!inputs.samples || inputs.samples->count() == 0)
    return llvm::Error::success();
  GateSet set;
  set.name = "guard";
  bool logits = hasLogits(inputs.model->model());
  set.metric = logits ? Metric::Kld : Metric::Cosine;
  (logits ? set.max : set.min) = logits ? guardKld : guardCosine;
  return addUnits(*inputs.samples, set);
}

llvm::Error GateRun::addPercent() {
  if (!inputs.samples || inputs.samples->count() == 0)
    return makeError(Diag::UsageError, "", "--accept=" + gate.text + " needs data");
  GateSet set;
  set.name = gate.text;
  double share = gate.percent / 100;
  if (!inputs.labels.empty()) {
    set.metric = Metric::Accuracy;
    set.labels = inputs.labels;
    set.maxDrop = 1 - share;
    set.relative = true;
  } else if (inputs.samples->isTokens()) {
    set.metric = Metric::Perplexity;
    set.maxDrop = 1 - share;
    set.relative = true;
  } else {
    set.metric = hasLogits(inputs.model->model()) ? Metric::Top1 : Metric::Cosine;
    set.min = share;
  }
  return addUnits(*inputs.samples, set);
}

llvm::Error GateRun::addCosts() {
  if (gate.size) {
    if (!inputs.bytes)
      return makeError(Diag::UsageError, "", "the limit on size needs a compiled model");
    GateResult::Cost cost;
    cost.what = "size in bytes";
    cost.value = static_cast<double>(*inputs.bytes);
    cost.allowed = static_cast<double>(*gate.size);
    cost.accepted = cost.value <= cost.allowed;
    result.costs.push_back(std::move(cost));
  }
  for (const LatencyBudget &budget : gate.latency) {
    if (!inputs.latency)
      return makeError(Diag::UsageError, "", "the limit on latency needs a compiled model");
    auto series = inputs.latency(budget);
    if (!series)
      return series.takeError();
    GateResult::Cost cost;
    cost.what = "latency in ms at " + budget.str().substr(budget.str().find('@') + 1);
    cost.value = quantile(series->ms, 0.5);
    cost.allowed = budget.ms;
    cost.predicted = series->predicted;
    if (!series->predicted)
      cost.bound = medianBound(series->ms, gate.confidence);
    cost.accepted = cost.bound.value_or(cost.value) <= cost.allowed;
    result.costs.push_back(std::move(cost));
  }
  return llvm::Error::success();
}

/// The verdict, and the miss or the pass that is closest.
void GateRun::finish() {
  result.measured = !result.sets.empty();
  struct Entry {
    double margin;
    bool accepted;
    std::string text;
  };
  std::vector<Entry> entries;
  for (const SetResult &set : result.sets)
    entries.push_back({set.margin, set.accepted,
                       set.measurement.name + ": " + set.limit + ", sure is " +
                           formatNumber(set.bound, 5) + " at a value of " +
                           formatNumber(set.tested, 5)});
  for (const GateResult::Cost &cost : result.costs)
    entries.push_back({(cost.allowed - cost.bound.value_or(cost.value)) / cost.allowed,
                       cost.accepted,
                       cost.what + ": " + formatNumber(cost.value, 6) + " of at most " +
                           formatNumber(cost.allowed, 9)});
  const Entry *nearest = nullptr;
  for (const Entry &entry : entries) {
    result.accepted &= entry.accepted;
    bool firstMiss = nearest && nearest->accepted && !entry.accepted;
    bool sameKind = nearest && nearest->accepted == entry.accepted;
    // Of misses the one with the least to go, of passes the one with the least to spare.
    bool closer = sameKind && (entry.accepted ? entry.margin < nearest->margin
                                              : entry.margin > nearest->margin);
    if (!nearest || firstMiss || closer)
      nearest = &entry;
  }
  if (nearest)
    result.nearest = nearest->text;
}

llvm::Expected<GateResult> GateRun::run() {
  result.text = gate.text;
  llvm::Error error = llvm::Error::success();
  if (gate.kind == Gate::Kind::Guard)
    error = llvm::joinErrors(std::move(error), addGuard());
  else if (gate.kind == Gate::Kind::Percent)
    error = llvm::joinErrors(std::move(error), addPercent());
  for (const GateSet &set : gate.sets) {
    if (error)
      return std::move(error);
    error = llvm::joinErrors(std::move(error), addSet(set));
  }
  if (error)
    return std::move(error);
  if (llvm::Error costs = addCosts())
    return std::move(costs);
  finish();
  return std::move(result);
}

llvm::Expected<GateResult> quality::evaluateGate(const Gate &gate, const GateInputs &inputs) {
  return GateRun(gate, inputs).run();
}
