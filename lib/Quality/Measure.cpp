// Clocks and commands: latency of loaded models, and numbers that other programs compute.
#include "qcc/Data/DataFiles.h"
#include "qcc/Data/Dims.h"
#include "qcc/Quality/Evaluate.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"
#include <chrono>
#include <cmath>

using namespace qcc;
using namespace qcc::data;
using namespace qcc::quality;
using llvm::StringRef;
namespace fs = llvm::sys::fs;

namespace {
using Clock = std::chrono::steady_clock;

double milliseconds(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

/// Calls `run` once to warm up, then for `seconds`, at least 5 times.
llvm::Expected<LatencySeries> repeat(llvm::function_ref<llvm::Expected<double>()> run,
                                     double seconds) {
  LatencySeries series;
  auto warm = run();
  if (!warm)
    return warm.takeError();
  Clock::time_point begin = Clock::now();
  while (series.ms.size() < 5 ||
         (milliseconds(begin) < 1000 * seconds && series.ms.size() < 100000)) {
    auto ms = run();
    if (!ms)
      return ms.takeError();
    series.ms.push_back(*ms);
  }
  return series;
}

/// A decoder of the C API, destroyed with this.
struct Decoder {
  qcc_decoder *handle = nullptr;
  ~Decoder() { qcc_decoder_destroy(handle); }
};

llvm::Expected<LatencySeries> measureDecoder(RuntimeModel &model, const LatencyBudget &budget,
                                             double seconds) {
  if (model.caches == 0)
    return makeError(Diag::NotADecoder, model.path, "@decode and @prefill need a key/value cache");
  // A step of one token follows a prompt of this length, so that there is something to attend to.
  constexpr int64_t before = 64;
  bool decode = budget.run == LatencyBudget::Run::Decode;
  int64_t tokens = decode ? 1 : budget.tokens, depth = decode ? before : 0;
  Decoder decoder;
  qcc_error error = {};
  qcc_decoder_options options = {};
  options.struct_size = sizeof(options);
  options.gpu = model.gpu;
  if (qcc_decoder_create(model.handle, 0, model.pool, 1, depth + tokens, &options, &decoder.handle,
                         &error))
    return runtimeError(error, model.path);
  std::vector<int64_t> ids(depth + tokens, 0);
  int64_t vocabulary = vocabularyOf(model);
  Random random(0);
  for (int64_t &id : ids)
    id = vocabulary > 0 ? random.below(vocabulary) : 0;
  auto step = [&](int64_t begin, int64_t count) -> llvm::Error {
    qcc_tensor logits = {};
    if (qcc_decoder_step(decoder.handle, ids.data() + begin, count, &logits, &error))
      return runtimeError(error, model.path);
    return llvm::Error::success();
  };
  return repeat(
      [&]() -> llvm::Expected<double> {
        if (qcc_decoder_reset(decoder.handle, &error))
          return runtimeError(error, model.path);
        if (depth)
          if (llvm::Error failed = step(0, depth))
            return std::move(failed);
        Clock::time_point begin = Clock::now();
        if (llvm::Error failed = step(depth, tokens))
          return std::move(failed);
        return milliseconds(begin);
      },
      seconds);
}
} // namespace

llvm::Expected<LatencySeries> quality::measureLatency(RuntimeModel &model,
                                                      const LatencyBudget &budget, double seconds) {
  if (budget.run != LatencyBudget::Run::Shape)
    return measureDecoder(model, budget, seconds);
  if (model.inputs.empty())
    return unsuitable(model.path, "the model has no input to give a shape to");
  std::vector<std::optional<std::vector<int64_t>>> given(model.inputs.size());
  int ids = findInputRole(model, "ids");
  given[ids < 0 ? 0 : ids] = budget.dims;
  auto shapes = solveShapes(model, given);
  if (!shapes)
    return shapes.takeError();
  int64_t vocabulary = vocabularyOf(model);
  std::vector<HostTensor> inputs =
      syntheticInputs(model, *shapes, vocabulary > 0 ? vocabulary : 2, 0);
  auto session = model.newSession();
  if (!session)
    return session.takeError();
  return repeat(
      [&]() -> llvm::Expected<double> {
        Clock::time_point begin = Clock::now();
        auto outputs = (*session)->run(inputs);
        if (!outputs)
          return outputs.takeError();
        return milliseconds(begin);
      },
      seconds);
}

/// All outputs of all samples: one array per output where shapes agree but for the leading axis,
/// else one per sample, NAME.0, NAME.1 and so on.
static llvm::Expected<std::vector<NamedTensor>> runAll(Subject &model, const SampleSet &samples,
                                                       const ProgressFn &progress) {
  std::vector<std::vector<HostTensor>> columns(model.model().outputs.size());
  for (int64_t i = 0; i < samples.count(); ++i) {
    auto sample = samples.get(i);
    if (!sample)
      return sample.takeError();
    auto outputs = model.run(*sample);
    if (!outputs)
      return outputs.takeError();
    for (size_t k = 0; k < columns.size(); ++k)
      columns[k].push_back(std::move((*outputs)[k]));
    progress(i + 1, samples.count());
  }
  std::vector<NamedTensor> arrays;
  for (size_t k = 0; k < columns.size(); ++k) {
    const std::string &name = model.model().outputs[k].name;
    if (std::optional<HostTensor> whole = concatenate(columns[k])) {
      arrays.push_back({name, std::move(*whole)});
      continue;
    }
    for (size_t i = 0; i < columns[k].size(); ++i)
      arrays.push_back({name + "." + std::to_string(i), std::move(columns[k][i])});
  }
  return arrays;
}

llvm::Expected<double> quality::runCommand(Subject &model, const SampleSet &samples,
                                           StringRef command, const ProgressFn &progress) {
  auto arrays = runAll(model, samples, progress);
  if (!arrays)
    return arrays.takeError();
  llvm::SmallString<128> folder;
  if (std::error_code code = fs::createUniqueDirectory("qcc-gate", folder))
    return makeError(Diag::CannotWrite, "temporary folder", code.message());
  std::string place = folder.str().str(), file = place + "/outputs.npz", out = place + "/out";
  auto failed = [&](const llvm::Twine &why) {
    return makeError(Diag::GateCommandFailed, "", ("cmd '" + command + "' " + why).str());
  };
  auto evaluate = [&]() -> llvm::Expected<double> {
    if (llvm::Error error = writeNpz(file, *arrays))
      return std::move(error);
    std::string line = (command + " \"$0\"").str(), reason;
    std::optional<StringRef> redirects[] = {StringRef(""), StringRef(out), std::nullopt};
    int status = llvm::sys::ExecuteAndWait("/bin/sh", {"/bin/sh", "-c", line, file}, std::nullopt,
                                           redirects, 0, 0, &reason);
    if (status != 0)
      return failed("ends with status " + llvm::Twine(status) +
                    (reason.empty() ? "" : ": " + reason));
    auto buffer = llvm::MemoryBuffer::getFile(out);
    StringRef text = buffer ? (*buffer)->getBuffer().trim() : StringRef();
    double value = 0;
    if (text.getAsDouble(value) || !std::isfinite(value))
      return failed("prints '" + text.take_front(80) + "', not one number");
    return value;
  };
  auto value = evaluate();
  fs::remove_directories(place, /*IgnoreErrors=*/true);
  return value;
}
