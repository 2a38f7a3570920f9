// `qcc bench`: latency of one or several models in turn, or tokens per second of decoders.
#include "qcc/Cli/Context.h"
#include "qcc/Data/Dims.h"
#include "qcc/Data/Inputs.h"
#include "qcc/Data/RuntimeModel.h"
#include "qcc/Quality/Stats.h"
#include "qcc/Support/Diagnostics.h"
#include "qcc/Support/Print.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <map>
#include <sys/resource.h>

using namespace qcc;
using namespace qcc::cli;
using namespace qcc::data;
using namespace qcc::quality;
using llvm::StringRef;

namespace {
using Clock = std::chrono::steady_clock;
/// Ids are drawn below this when a model does not tell its vocabulary; halved while the model
/// refuses them.
constexpr int64_t assumedVocabulary = 1000;
/// Models take turns this often, so that drift of the machine meets all alike.
constexpr int turns = 5;
/// Largest step with which the cache is filled to --depth.
constexpr int64_t fillStep = 512;

double since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

double peakRssMb() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

/// Times of runs in ms. Beyond a million only every second, fourth, … is kept for the quantiles.
class Timings {
public:
  void add(double ms) {
    least = std::min(least, ms);
    if (count++ % stride)
      return;
    kept.push_back(ms);
    if (kept.size() < limit)
      return;
    for (size_t i = 0; 2 * i < kept.size(); ++i)
      kept[i] = kept[2 * i];
    kept.resize(limit / 2);
    stride *= 2;
  }
  double min() const { return least; }
  double at(double q) const { return quantile(kept, q); }
  int64_t size() const { return count; }

private:
  static constexpr size_t limit = 1 << 20;
  std::vector<double> kept;
  double least = INFINITY;
  int64_t count = 0, stride = 1;
};

struct KernelTime {
  int64_t calls = 0;
  uint64_t ns = 0;
};
using Profile = std::map<std::string, KernelTime>;

void onLaunch(void *context, const qcc_launch_info *launch) {
  KernelTime &time = (*static_cast<Profile *>(context))[launch->kernel ? launch->kernel : "?"];
  ++time.calls;
  time.ns += launch->ns;
}

struct Settings {
  double seconds = 2;
  int64_t runs = 0; ///< 0: by time
  int64_t prompt = 0, generate = 0, depth = 0;
  bool profile = false;
  bool decoder() const { return prompt || generate; }
};

/// One model under measurement.
class Contestant {
public:
  Contestant(OpenedModel opened, const Settings &settings)
      : opened(std::move(opened)), settings(settings),
        model(static_cast<RuntimeModel &>(*this->opened.model)) {}
  ~Contestant() {
    qcc_session_destroy(session);
    qcc_decoder_destroy(decoder);
  }

  llvm::Error prepare(const std::vector<std::string> &shapeTexts);
  /// Measures for a share of the time or number of runs.
  llvm::Error measure(double seconds, int64_t runs);
  llvm::json::Object report() const;

private:
  Timings times;                      ///< ms per run
  Timings promptTimes, generateTimes; ///< ms per whole phase
  Timings stepTimes;                  ///< ms per generated token
  Profile profile;

  llvm::Error parseShapes(const std::vector<std::string> &texts,
                          std::vector<std::optional<std::vector<int64_t>>> &given);
  llvm::Error runOnce();
  llvm::Error prepareDecoder();
  llvm::Error step(const std::vector<int64_t> &tokens, int64_t begin, int64_t count);
  llvm::Error measureDecoder();
  llvm::Error withVocabulary(const std::function<llvm::Error(int64_t)> &attempt);

  OpenedModel opened;
  Settings settings;
  RuntimeModel &model;
  qcc_session *session = nullptr;
  qcc_decoder *decoder = nullptr;
  std::vector<std::vector<int64_t>> shapes;
  std::vector<HostTensor> inputs;
  std::vector<qcc_tensor> views, outputs;
  std::vector<int64_t> tokens;
  int lastStatus = QCC_OK;
};

llvm::Error Contestant::parseShapes(const std::vector<std::string> &texts,
                                    std::vector<std::optional<std::vector<int64_t>>> &given) {
  given.assign(model.inputs.size(), std::nullopt);
  for (const std::string &text : texts) {
    auto [name, dims] = StringRef(text).rsplit('=');
    int index = findInput(model, name);
    if (index < 0)
      index = findInputRole(model, name);
    if (index < 0) {
      std::vector<std::string> names;
      for (const TensorInfo &info : model.inputs)
        names.push_back(info.name);
      return makeError(Diag::BadOptionValue, model.path,
                       "--shape " + text + ": no input named '" + name.str() + "'",
                       {"inputs: " + llvm::join(names, ", ")});
    }
    std::vector<int64_t> values;
    llvm::SmallVector<StringRef> parts;
    dims.split(parts, 'x', -1, /*KeepEmpty=*/false);
    for (StringRef part : parts) {
      values.push_back(0);
      if (part.getAsInteger(10, values.back()) || values.back() < 0)
        return makeError(Diag::BadOptionValue, "",
                         "--shape '" + text + "' does not read NAME=1x128");
    }
    if (!countElements(values))
      return makeError(Diag::BadOptionValue, "", "--shape '" + text + "' is too large");
    given[index] = std::move(values);
  }
  return llvm::Error::success();
}

llvm::Error Contestant::runOnce() {
  for (qcc_tensor &output : outputs)
    output = {};
  qcc_error error = {};
  lastStatus =
      qcc_session_run(session, views.data(), views.size(), outputs.data(), outputs.size(), &error);
  return lastStatus ? runtimeError(error, model.path) : llvm::Error::success();
}

/// Tries ids below the vocabulary; when the model does not tell it, ever fewer until they fit.
llvm::Error Contestant::withVocabulary(const std::function<llvm::Error(int64_t)> &attempt) {
  int64_t known = vocabularyOf(model);
  for (int64_t vocabulary = known ? known : assumedVocabulary;; vocabulary /= 2) {
    llvm::Error error = attempt(vocabulary);
    if (!error || known || vocabulary <= 1 || lastStatus != QCC_ERR_INDEX)
      return error;
    llvm::consumeError(std::move(error));
  }
}

llvm::Error Contestant::prepare(const std::vector<std::string> &shapeTexts) {
  if (settings.decoder())
    return prepareDecoder();
  std::vector<std::optional<std::vector<int64_t>>> given;
  if (llvm::Error error = parseShapes(shapeTexts, given))
    return error;
  auto solved = solveShapes(model, given);
  if (!solved)
    return solved.takeError();
  shapes = std::move(*solved);
  for (size_t i = 0; i < shapes.size(); ++i)
    if (!countElements(shapes[i]))
      return makeError(Diag::BadShape, model.path,
                       "input " + describe(model.inputs[i]) + " would have shape " +
                           dimsToString(shapes[i]));
  qcc_error error = {};
  qcc_session_options options = model.sessionOptions();
  if (qcc_session_create(model.handle, 0, model.pool, &options, &session, &error))
    return runtimeError(error, model.path);
  outputs.resize(model.outputs.size());
  // The first run also warms up caches, pages and threads.
  llvm::Error first = withVocabulary([&](int64_t vocabulary) {
    inputs = syntheticInputs(model, shapes, vocabulary, /*seed=*/0);
    views.clear();
    for (const HostTensor &input : inputs)
      views.push_back(viewOf(input));
    return runOnce();
  });
  if (first)
    return first;
  if (settings.profile && qcc_session_set_profile(session, onLaunch, &profile, &error))
    return runtimeError(error, model.path);
  return llvm::Error::success();
}

llvm::Error Contestant::prepareDecoder() {
  if (!model.caches)
    return makeError(Diag::NotADecoder, model.path, "the model has no key/value cache");
  qcc_error error = {};
  qcc_decoder_options options = {};
  options.struct_size = sizeof(options);
  options.max_step = std::max<int64_t>({settings.prompt, std::min(settings.depth, fillStep), 1});
  options.logits_rows = 1; // all that generating reads
  options.gpu = model.gpu;
  int64_t capacity = settings.depth + settings.prompt + settings.generate;
  if (qcc_decoder_create(model.handle, 0, model.pool, /*batch=*/1, capacity, &options, &decoder,
                         &error))
    return runtimeError(error, model.path);
  llvm::Error first = withVocabulary([&](int64_t vocabulary) {
    Random random(0);
    tokens.resize(capacity);
    for (int64_t &token : tokens)
      token = random.below(vocabulary);
    qcc_decoder_reset(decoder, nullptr);
    for (int64_t at = 0; at < settings.depth; at += fillStep)
      if (llvm::Error failed = step(tokens, at, std::min(fillStep, settings.depth - at)))
        return failed;
    // A prompt or a token, to warm up; then back to the depth.
    return step(tokens, settings.depth, settings.prompt ? settings.prompt : 1);
  });
  if (first)
    return first;
  if (settings.profile &&
      qcc_session_set_profile(qcc_decoder_session(decoder), onLaunch, &profile, &error))
    return runtimeError(error, model.path);
  return llvm::Error::success();
}

llvm::Error Contestant::step(const std::vector<int64_t> &list, int64_t begin, int64_t count) {
  qcc_error error = {};
  lastStatus = qcc_decoder_step(decoder, list.data() + begin, count, nullptr, &error);
  return lastStatus ? runtimeError(error, model.path) : llvm::Error::success();
}

/// Both phases start at the given depth, as separate measurements.
llvm::Error Contestant::measureDecoder() {
  qcc_error error = {};
  auto rewind = [&] { return qcc_decoder_truncate(decoder, settings.depth, &error); };
  if (settings.prompt) {
    if (rewind())
      return runtimeError(error, model.path);
    auto begin = Clock::now();
    if (llvm::Error failed = step(tokens, settings.depth, settings.prompt))
      return failed;
    promptTimes.add(since(begin));
  }
  if (!settings.generate)
    return llvm::Error::success();
  if (rewind())
    return runtimeError(error, model.path);
  auto begin = Clock::now();
  for (int64_t i = 0; i < settings.generate; ++i) {
    auto one = Clock::now();
    if (llvm::Error failed = step(tokens, settings.depth + i, 1))
      return failed;
    stepTimes.add(since(one));
  }
  generateTimes.add(since(begin));
  return llvm::Error::success();
}

llvm::Error Contestant::measure(double seconds, int64_t runs) {
  auto begin = Clock::now();
  for (int64_t done = 0; runs ? done < runs : done == 0 || since(begin) < seconds * 1000; ++done) {
    if (settings.decoder()) {
      if (llvm::Error error = measureDecoder())
        return error;
      continue;
    }
    auto one = Clock::now();
    if (llvm::Error error = runOnce())
      return error;
    times.add(since(one));
  }
  return llvm::Error::success();
}

llvm::json::Object Contestant::report() const {
  // A decoder without generation is timed by its prompt.
  const Timings &list = !settings.decoder() ? times : settings.generate ? stepTimes : promptTimes;
  llvm::json::Object object{
      {"model", model.path},       {"min_ms", list.min()},
      {"median_ms", list.at(0.5)}, {"p99_ms", list.at(0.99)},
      {"runs", list.size()},       {"threads", static_cast<int64_t>(model.threads)},
      {"target", model.level},     {"peak_rss_mb", peakRssMb()}};
  llvm::json::Object dims;
  for (size_t i = 0; i < shapes.size(); ++i)
    dims[model.inputs[i].name] = dimsToString(shapes[i]);
  object["shapes"] = std::move(dims);
  if (settings.decoder()) {
    object["depth"] = settings.depth;
    if (settings.prompt) {
      object["prompt_tokens"] = settings.prompt;
      object["prompt_tok_s"] = 1000.0 * settings.prompt / promptTimes.at(0.5);
    }
    if (settings.generate) {
      object["gen_tokens"] = settings.generate;
      object["gen_tok_s"] = 1000.0 * settings.generate / generateTimes.at(0.5);
    }
  }
  if (settings.profile) {
    llvm::json::Array kernels;
    std::vector<std::pair<std::string, KernelTime>> sorted(profile.begin(), profile.end());
    std::sort(sorted.begin(), sorted.end(),
              [](auto &a, auto &b) { return a.second.ns > b.second.ns; });
    uint64_t total = 0;
    for (auto &[name, time] : sorted)
      total += time.ns;
    for (auto &[name, time] : sorted)
      kernels.push_back(llvm::json::Object{
          {"kernel", name},
          {"calls", time.calls},
          {"ms", static_cast<double>(time.ns) * 1e-6},
          {"share", total ? static_cast<double>(time.ns) / static_cast<double>(total) : 0}});
    object["profile"] = std::move(kernels);
  }
  return object;
}

llvm::Expected<Settings> readSettings(const Args &args) {
  Settings settings;
  auto seconds = args.number("--seconds", settings.seconds, 0);
  if (!seconds)
    return seconds.takeError();
  settings.seconds = *seconds;
  constexpr int64_t maxTokens = 1 << 24;
  for (auto [option, value, min] : {std::tuple("-r", &settings.runs, int64_t(1)),
                                    std::tuple("-p", &settings.prompt, int64_t(0)),
                                    std::tuple("-n", &settings.generate, int64_t(0)),
                                    std::tuple("--depth", &settings.depth, int64_t(0))}) {
    auto number = args.integer(option, 0, min, maxTokens);
    if (!number)
      return number.takeError();
    *value = *number;
  }
  settings.profile = args.has("--profile");
  if (settings.decoder() && args.has("--shape"))
    return makeError(Diag::UsageError, "",
                     "-p and -n say the shapes; --shape does not go with them");
  if (settings.depth && !settings.decoder())
    return makeError(Diag::UsageError, "", "--depth needs -p or -n");
  return settings;
}

/// min_ms and median_ms of an earlier `--json`.
llvm::Expected<llvm::json::Object> readBaseline(StringRef file) {
  auto buffer = llvm::MemoryBuffer::getFile(file);
  if (!buffer)
    return makeError(Diag::CannotRead, file.str(), buffer.getError().message());
  auto value = llvm::json::parse((*buffer)->getBuffer());
  if (!value)
    return makeError(Diag::UnsuitableData, file.str(), llvm::toString(value.takeError()));
  const llvm::json::Object *object = value->getAsObject();
  if (!object || !object->getNumber("median_ms"))
    return makeError(Diag::UnsuitableData, file.str(), "not the output of qcc bench --json");
  return *object;
}

void printProfile(llvm::raw_ostream &out, const llvm::json::Array &kernels) {
  std::vector<std::vector<std::string>> rows = {{"kernel", "calls", "ms", "share"}};
  for (const llvm::json::Value &value : kernels) {
    const llvm::json::Object &row = *value.getAsObject();
    rows.push_back({row.getString("kernel")->str(), std::to_string(*row.getInteger("calls")),
                    formatNumber(*row.getNumber("ms"), 4),
                    formatNumber(100 * *row.getNumber("share"), 3) + " %"});
  }
  printTable(out, rows);
}

void printText(const Context &context, llvm::ArrayRef<llvm::json::Object> reports) {
  std::vector<std::vector<std::string>> rows = {{"model", "min ms", "median ms", "p99 ms", "runs"}};
  bool several = reports.size() > 1, prompts = reports.front().get("prompt_tok_s") != nullptr;
  bool generates = reports.front().get("gen_tok_s") != nullptr;
  if (prompts)
    rows[0].push_back("prompt tok/s");
  if (generates)
    rows[0].push_back("gen tok/s");
  if (several || reports.front().get("ratio"))
    rows[0].push_back("times as fast");
  for (const llvm::json::Object &report : reports) {
    auto number = [&](StringRef key) { return formatNumber(*report.getNumber(key), 4); };
    rows.push_back({report.getString("model")->str(), number("min_ms"), number("median_ms"),
                    number("p99_ms"), std::to_string(*report.getInteger("runs"))});
    for (const char *key : {"prompt_tok_s", "gen_tok_s", "ratio"})
      if (report.get(key))
        rows.back().push_back(number(key));
  }
  printTable(context.out, rows);
  const llvm::json::Object &first = reports.front();
  context.out << *first.getInteger("threads") << " threads, " << *first.getString("target")
              << ", peak memory " << formatNumber(*first.getNumber("peak_rss_mb"), 4) << " MB\n";
  for (const llvm::json::Object &report : reports)
    if (const llvm::json::Array *kernels = report.getArray("profile"))
      printProfile(context.out, *kernels);
}
} // namespace

llvm::Error cli::runBench(const Args &args, const Context &context) {
  if (args.positionals.empty())
    return makeError(Diag::UsageError, "", "no model is given", {},
                     "qcc bench --help shows the form");
  auto settings = readSettings(args);
  if (!settings)
    return settings.takeError();
  std::vector<std::unique_ptr<Contestant>> contestants;
  for (const std::string &path : args.positionals) {
    auto opened = openModel(args, context, path);
    if (!opened)
      return opened.takeError();
    contestants.push_back(std::make_unique<Contestant>(std::move(*opened), *settings));
    if (llvm::Error error = contestants.back()->prepare(args.all("--shape")))
      return error;
  }
  int rounds = contestants.size() > 1 ? turns : 1;
  for (int turn = 0; turn < rounds; ++turn) {
    int64_t runs = settings->runs * (turn + 1) / rounds - settings->runs * turn / rounds;
    for (auto &contestant : contestants)
      if (!settings->runs || runs)
        if (llvm::Error error = contestant->measure(settings->seconds / rounds, runs))
          return error;
  }
  std::vector<llvm::json::Object> reports;
  for (auto &contestant : contestants)
    reports.push_back(contestant->report());
  double base = contestants.size() > 1 ? *reports.front().getNumber("median_ms") : 0;
  if (args.has("--baseline")) {
    auto baseline = readBaseline(args.get("--baseline"));
    if (!baseline)
      return baseline.takeError();
    base = *baseline->getNumber("median_ms");
  }
  // Above 1: faster than the first model, or than the baseline.
  for (llvm::json::Object &report : reports)
    if (base > 0)
      report["ratio"] = base / *report.getNumber("median_ms");
  if (!context.json) {
    printText(context, reports);
    return llvm::Error::success();
  }
  llvm::json::Object whole = reports.front();
  whole["schema"] = "qcc.bench/1";
  if (reports.size() > 1) {
    llvm::json::Array list;
    for (llvm::json::Object &report : reports)
      list.push_back(std::move(report));
    whole["models"] = std::move(list);
  }
  context.printJson(std::move(whole));
  return llvm::Error::success();
}
