// `qcc compare`: where two builds differ, output by output or value by value, worst first.
#include "Eval.h"
#include "qcc/Onnx/Reader.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Path.h"
#include <set>

using namespace qcc;
using namespace qcc::cli;
using llvm::StringRef;

namespace {
/// A row of the table: one value of the model, over all samples.
struct Row {
  std::string name;
  double cosine = 0, worst = 1, sqnr = 0, signal = 0, noise = 0, maxAbs = 0;
  int64_t place = 0; ///< in the order of computation
};

/// Ops whose results say most about what happens inside a transformer.
bool isTelling(const onnx::Node &node) {
  static const std::set<StringRef> ops = {"MatMul",
                                          "Gemm",
                                          "Conv",
                                          "Softmax",
                                          "LayerNormalization",
                                          "Gelu",
                                          "FastGelu",
                                          "BiasGelu",
                                          "Attention",
                                          "SkipLayerNormalization",
                                          "Relu",
                                          "Tanh",
                                          "Erf",
                                          "MultiHeadAttention",
                                          "RMSNormalization",
                                          "Sigmoid",
                                          "MatMulNBits",
                                          "GroupQueryAttention",
                                          "SimplifiedLayerNormalization",
                                          "MatMulInteger",
                                          "SkipSimplifiedLayerNormalization",
                                          "RotaryEmbedding"};
  return ops.count(node.opType) != 0;
}

/// Values inside the graph, in order, that are computed by telling ops.
llvm::Expected<std::vector<std::string>> valuesInside(StringRef path) {
  auto model = onnx::readModel(path);
  if (!model)
    return model.takeError();
  std::vector<std::string> names;
  for (const onnx::Node &node : (*model)->graph.nodes)
    if (isTelling(node) && !node.outputs.empty() && !node.outputs[0].empty())
      names.push_back(node.outputs[0]);
  return names;
}

llvm::Expected<std::vector<std::string>> sharedValues(StringRef a, StringRef b) {
  for (StringRef path : {a, b})
    if (llvm::sys::path::extension(path) != ".onnx")
      return makeError(Diag::UsageError, path.str(),
                       "--layerwise looks into models, which needs .onnx files", {},
                       "give the .onnx twice, with --quantize for the first");
  auto ours = valuesInside(a), theirs = valuesInside(b);
  if (!ours || !theirs)
    return llvm::joinErrors(ours.takeError(), theirs.takeError());
  std::set<std::string> known(theirs->begin(), theirs->end());
  std::vector<std::string> both;
  for (std::string &name : *ours)
    if (known.count(name))
      both.push_back(std::move(name));
  if (both.empty())
    return unsuitable(a, "no value inside has a namesake in " + b);
  return both;
}

class Comparing {
public:
  Comparing(const Args &args, const Context &context) : args(args), context(context) {}
  llvm::Error run();

private:
  llvm::Error open();
  llvm::Error measure(const SampleSet &samples);
  void print(const SampleSet &samples);

  const Args &args;
  const Context &context;
  OpenedSubject ours, theirs;
  std::vector<Row> rows;
  int64_t top = 20;
};
} // namespace

llvm::Error Comparing::open() {
  StringRef a = args.positionals[0], b = args.positionals[1];
  Args first = args, second = referenceArgs(args);
  if (args.has("--layerwise")) {
    auto values = sharedValues(a, b);
    if (!values)
      return values.takeError();
    std::string list = llvm::join(*values, ",");
    first.values["--outputs"] = {list};
    second.values["--outputs"] = {list};
  }
  auto opened = openSubject(first, context, a);
  if (!opened)
    return opened.takeError();
  ours = std::move(*opened);
  opened = openSubject(second, context, b);
  if (!opened)
    return opened.takeError();
  theirs = std::move(*opened);
  return llvm::Error::success();
}

/// Outputs of A with a namesake in B.
llvm::Error Comparing::measure(const SampleSet &samples) {
  const Model &model = ours.subject->model(), &other = theirs.subject->model();
  std::vector<std::pair<size_t, size_t>> pairs;
  std::vector<OutputSeries> series;
  for (size_t i = 0; i < model.outputs.size(); ++i)
    for (size_t k = 0; k < other.outputs.size(); ++k)
      if (model.outputs[i].name == other.outputs[k].name) {
        pairs.push_back({i, k});
        Row row;
        row.name = model.outputs[i].name;
        row.place = static_cast<int64_t>(i);
        rows.push_back(std::move(row));
      }
  if (pairs.empty())
    return unsuitable(model.path, "no output has a namesake in " + other.path);
  series.resize(pairs.size());
  int maskIndex = findInputRole(model, "mask");
  Progress progress(context, "compare");
  for (int64_t s = 0; s < samples.count(); ++s) {
    auto sample = samples.get(s);
    if (!sample)
      return sample.takeError();
    auto values = bindSample(model, *sample);
    if (!values)
      return values.takeError();
    std::optional<HostTensor> mask;
    if (maskIndex >= 0 && (*values)[maskIndex])
      mask = (*values)[maskIndex]->clone();
    auto got = ours.subject->run(std::move(*values));
    if (!got)
      return got.takeError();
    auto want = theirs.subject->run(*sample);
    if (!want)
      return want.takeError();
    for (size_t p = 0; p < pairs.size(); ++p) {
      const HostTensor &a = (*got)[pairs[p].first], &b = (*want)[pairs[p].second];
      if (a.dims() != b.dims())
        return unsuitable(model.path, "output '" + llvm::Twine(rows[p].name) + "' has shapes " +
                                          dimsToString(a.dims()) + " and " +
                                          dimsToString(b.dims()));
      addOutput(a, b, mask ? &*mask : nullptr, series[p]);
      for (int64_t i = 0; i < a.count(); ++i)
        rows[p].maxAbs = std::max(rows[p].maxAbs, std::abs(a.number(i) - b.number(i)));
    }
    progress.show(s + 1, samples.count());
  }
  for (size_t p = 0; p < pairs.size(); ++p) {
    for (const OutputSeries::PerSample &sample : series[p].samples) {
      rows[p].cosine += sample.cosine / static_cast<double>(series[p].samples.size());
      rows[p].worst = std::min(rows[p].worst, sample.cosine);
      rows[p].signal += sample.signal;
      rows[p].noise += sample.noise;
    }
    rows[p].sqnr = 10 * std::log10(rows[p].signal / rows[p].noise);
  }
  return llvm::Error::success();
}

void Comparing::print(const SampleSet &samples) {
  // Equal values have an SQNR of infinity, or none where all are zero: they come last.
  auto rank = [](const Row &row) {
    return std::pair(row.noise == 0 ? INFINITY : row.sqnr, row.place);
  };
  std::sort(rows.begin(), rows.end(),
            [&](const Row &a, const Row &b) { return rank(a) < rank(b); });
  if (context.json) {
    llvm::json::Array list;
    for (const Row &row : rows)
      list.push_back(llvm::json::Object{{"name", row.name},
                                        {"place", row.place},
                                        {"sqnr_db", jsonNumber(row.sqnr)},
                                        {"cosine", jsonNumber(row.cosine)},
                                        {"cosine_min", jsonNumber(row.worst)},
                                        {"max_abs", jsonNumber(row.maxAbs)}});
    context.printJson(llvm::json::Object{{"schema", "qcc.compare/1"},
                                         {"model", ours.subject->model().path},
                                         {"against", theirs.subject->model().path},
                                         {"samples", samples.count()},
                                         {"layerwise", args.has("--layerwise")},
                                         {"values", std::move(list)}});
    return;
  }
  std::vector<std::vector<std::string>> table = {
      {"value", "order", "SQNR dB", "cosine", "worst", "largest difference"}};
  size_t shown = std::min<size_t>(rows.size(), top);
  for (const Row &row : llvm::ArrayRef(rows).take_front(shown))
    table.push_back({row.name, std::to_string(row.place + 1), formatNumber(row.sqnr, 4),
                     formatNumber(row.cosine, 7), formatNumber(row.worst, 7),
                     formatNumber(row.maxAbs, 4)});
  printTable(context.out, table);
  if (shown < rows.size())
    context.out << "and " << rows.size() - shown << " that differ less\n";
}

llvm::Error Comparing::run() {
  if (args.positionals.size() != 2)
    return makeError(Diag::UsageError, "",
                     "qcc compare takes two models, " + std::to_string(args.positionals.size()) +
                         " are given");
  if (!args.has("--data"))
    return makeError(Diag::UsageError, "", "qcc compare needs --data DATA");
  auto ctx = args.integer("--ctx", 0, 2, INT32_MAX);
  auto limit = args.integer("--limit", -1, 1, INT64_MAX);
  auto most = args.integer("--top", 20, 1, INT32_MAX);
  if (!ctx || !limit || !most)
    return llvm::joinErrors(llvm::joinErrors(ctx.takeError(), limit.takeError()), most.takeError());
  top = *most;
  auto samples = SampleSet::open(args.get("--data"), {*limit, *ctx});
  if (!samples)
    return samples.takeError();
  if (samples->count() == 0)
    return unsuitable(args.get("--data"), "there are no samples");
  if (llvm::Error error = open())
    return error;
  if (llvm::Error error = measure(*samples))
    return error;
  print(*samples);
  return llvm::Error::success();
}

llvm::Error cli::runCompare(const Args &args, const Context &context) {
  Args exact = args;
  if (!exact.has("--numerics"))
    exact.values["--numerics"] = {"exact"};
  return Comparing(exact, context).run();
}
