// Rows of the sweep: quantize, compile, weigh, time, measure.
#include "qcc/Driver/Sweep.h"
#include "qcc/Data/Inputs.h"
#include "qcc/Driver/HostBuild.h"
#include "qcc/Driver/Quantize.h"
#include "qcc/Quality/Evaluate.h"
#include "qcc/Quality/Stats.h"
#include "qcc/Support/TempFolder.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"

using namespace qcc;
using namespace qcc::quality;
using llvm::Error;
using llvm::Expected;

namespace {

/// The rows where no list is given: what has kernels everywhere, from careful to coarse.
constexpr const char *kUsualSchemes[] = {"w8a8",   "w8",  "w4a8:g32", "w4a8:g128",
                                         "w4:g32", "nf4", "w3a8:g32"};

class Sweep {
public:
  explicit Sweep(const SweepRequest &request) : request(request) {}
  Expected<SweepTable> run();

private:
  Expected<std::vector<Scheme>> schemes() const;
  Error chooseShape();
  Expected<HostBuild> build(const Scheme &scheme);
  Error measure(HostBuild &build, SweepRow &row);
  Expected<std::vector<Measurement>> quality(Subject &subject, const ProgressFn &progress);
  Expected<std::vector<Measurement>> onTokens(Subject &subject, const ProgressFn &progress);
  Expected<std::vector<Measurement>> onOutputs(Subject &subject, const ProgressFn &progress);
  SweepRow row(const Scheme &scheme);

  const SweepRequest &request;
  std::unique_ptr<TempFolder> folder;
  std::optional<data::SampleSet> samples;
  LatencyBudget at;
  HostBuild reference;
  size_t done = 0, rows = 0;
};

Expected<std::vector<Scheme>> Sweep::schemes() const {
  const QuantizeRequest &wish = request.model.quantize;
  if (!wish.candidates.empty())
    return wish.candidates;
  std::vector<Scheme> usual;
  for (const char *text : kUsualSchemes) {
    auto scheme = parseScheme(text, wish.ownSchemes);
    if (!scheme)
      return scheme.takeError();
    usual.push_back(std::move(*scheme));
  }
  return usual;
}

/// A decoder's step, or the shape of the first sample.
Error Sweep::chooseShape() {
  if (request.latencyAt) {
    at = *request.latencyAt;
  } else if (reference.model->caches > 0) {
    at.run = LatencyBudget::Run::Decode;
  } else {
    auto sample = samples->get(0);
    if (!sample)
      return sample.takeError();
    auto inputs = data::bindSample(*reference.model, *sample);
    if (!inputs)
      return inputs.takeError();
    int ids = data::findInputRole(*reference.model, "ids");
    const auto &first = (*inputs)[ids < 0 ? 0 : ids];
    if (!first)
      return unsuitable(request.data.where, "the first sample has no array of token ids");
    at.dims = first->dims().vec();
  }
  if (!at.threads)
    at.threads = request.model.threads;
  at.ms = 1; // a budget's text begins with it; nothing is bounded here
  return Error::success();
}

/// The artifact of a scheme, by way of a .qnt where codes are chosen on data.
Expected<HostBuild> Sweep::build(const Scheme &scheme) {
  CompileRequest compile = request.model;
  QuantizeRequest &wish = compile.quantize;
  wish.keep = wish.automatic = false;
  wish.candidates = {scheme};
  wish.scheme = scheme;
  wish.text = schemeToString(scheme, wish.ownSchemes);
  // The table is the measurement.
  wish.gate = {};
  wish.gate.kind = Gate::Kind::None;
  wish.acceptUnmeasured = true;
  std::string path = folder->path + "/row.so";
  if (!wish.needsRuns())
    return buildForHost(std::move(compile), path);
  CompileRequest first = compile;
  first.emit = EmitKind::Qnt;
  first.output = folder->path + "/row.qnt";
  first.work = folder->path + "/work";
  first.quiet = true;
  first.report.clear();
  first.facts = nullptr;
  if (Error failed = quantizeModel(first, llvm::nulls()))
    return std::move(failed);
  return buildForHost(compile.afterQuantize(first.output), path);
}

Expected<std::vector<Measurement>> Sweep::onTokens(Subject &subject, const ProgressFn &progress) {
  auto series = measureTokens(subject, reference.subject.get(), *samples, progress);
  if (!series)
    return series.takeError();
  std::vector<Measurement> list;
  for (Metric metric : {Metric::Kld, Metric::Top1, Metric::Perplexity})
    list.push_back(estimate(tokenUnits(*series, metric), 0.95));
  return list;
}

Expected<std::vector<Measurement>> Sweep::onOutputs(Subject &subject, const ProgressFn &progress) {
  auto outputs = measureOutputs(subject, *reference.subject, *samples, progress);
  if (!outputs)
    return outputs.takeError();
  const data::Model &model = subject.model();
  std::vector<Measurement> list;
  if (hasLogits(model)) {
    for (Metric metric : {Metric::Kld, Metric::Top1})
      list.push_back(estimate(outputUnits((*outputs)[data::findLogits(model)], metric), 0.95));
    return list;
  }
  size_t results = llvm::count_if(model.outputs, isResult);
  for (auto [output, info] : llvm::zip_equal(*outputs, model.outputs))
    for (Metric metric : {Metric::Cosine, Metric::Sqnr})
      if (isResult(info))
        list.push_back(
            estimate(outputUnits(output, metric), 0.95,
                     results > 1 ? (metricName(metric) + "/" + output.name).str() : std::string()));
  return list;
}

Expected<std::vector<Measurement>> Sweep::quality(Subject &subject, const ProgressFn &progress) {
  const DataRequest &data = request.data;
  if (request.pairs) {
    auto series = measurePairs(subject, nullptr, data.where, data.samples, /*batch=*/8, progress);
    if (!series)
      return series.takeError();
    return std::vector{estimate(pairUnits(*series), 0.95)};
  }
  if (!data.labels.empty()) {
    auto series = measureLabels(subject, nullptr, *samples, data.labels, progress);
    if (!series)
      return series.takeError();
    return std::vector{estimate(labelUnits(*series, Metric::Accuracy), 0.95),
                       estimate(labelUnits(*series, Metric::F1), 0.95)};
  }
  return samples->isTokens() ? onTokens(subject, progress) : onOutputs(subject, progress);
}

Error Sweep::measure(HostBuild &build, SweepRow &row) {
  row.bytes = build.bytes;
  auto series = latencyOnTarget(request.model, build.path, row.scheme, at);
  if (!series)
    return series.takeError();
  row.ms = quantile(series->ms, 0.5);
  row.msPredicted = series->predicted;
  auto list = quality(*build.subject, [&](int64_t now, int64_t all) {
    int64_t share = all ? 100 * now / all : 100;
    request.progress(100 * static_cast<int64_t>(done) + share, 100 * static_cast<int64_t>(rows));
  });
  if (!list)
    return list.takeError();
  row.quality = std::move(*list);
  return Error::success();
}

/// A scheme, or why there is none of it.
SweepRow Sweep::row(const Scheme &scheme) {
  const QuantizeRequest &wish = request.model.quantize;
  SweepRow row;
  row.scheme = schemeToString(scheme, wish.ownSchemes);
  bool data = wish.calib.given() || !wish.statistics.empty();
  row.method = !wish.methods.empty() ? llvm::join(wish.methods, ",") : data ? "default" : "rtn";
  Error failed = Error::success();
  if (auto built = build(scheme))
    failed = llvm::joinErrors(std::move(failed), measure(*built, row));
  else
    failed = llvm::joinErrors(std::move(failed), built.takeError());
  if (failed) {
    std::string text = llvm::toString(std::move(failed));
    row.failed = llvm::StringRef(text).split('\n').first.str();
    row.quality.clear();
    row.ms.reset();
  }
  llvm::sys::fs::remove_directories(folder->path + "/work");
  return row;
}

Expected<SweepTable> Sweep::run() {
  auto temporary = TempFolder::create();
  if (!temporary)
    return temporary.takeError();
  folder = std::move(*temporary);
  auto list = schemes();
  if (!list)
    return list.takeError();
  rows = list->size() + 1;
  auto set = data::SampleSet::open(request.data.where, {request.data.samples, request.data.ctx});
  if (!set)
    return set.takeError();
  if (set->count() == 0)
    return unsuitable(request.data.where, "holds no sample");
  samples = std::move(*set);
  CompileRequest plain = request.model;
  plain.quantize = {};
  auto built = buildForHost(std::move(plain), folder->path + "/reference.so");
  if (!built)
    return built.takeError();
  reference = std::move(*built);
  if (Error failed = chooseShape())
    return std::move(failed);
  SweepTable table;
  table.model = request.model.input;
  table.latencyAt = llvm::StringRef(at.str()).split('@').second.str();
  auto hash = samples->contentHash();
  if (!hash)
    return hash.takeError();
  table.dataHash = std::move(*hash);
  SweepRow first;
  first.scheme = "keep";
  first.method = "-";
  if (Error failed = measure(reference, first))
    return std::move(failed);
  table.rows.push_back(std::move(first));
  for (const Scheme &scheme : *list) {
    ++done;
    request.progress(100 * static_cast<int64_t>(done), 100 * static_cast<int64_t>(rows));
    table.rows.push_back(row(scheme));
  }
  return std::move(table);
}

} // namespace

Expected<SweepTable> qcc::sweepSchemes(const SweepRequest &request, llvm::raw_ostream &) {
  return Sweep(request).run();
}
