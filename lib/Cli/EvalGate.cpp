// `qcc eval --accept`: the gate, decided on a model that exists.
#include "Eval.h"
#include "Options.h"
#include "qcc/Data/RuntimeModel.h"
#include "qcc/Quality/Evaluate.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace qcc;
using namespace qcc::cli;
using llvm::StringRef;
namespace fs = llvm::sys::fs;

/// Bytes of an artifact and of the weights in a file beside it.
static std::optional<uint64_t> artifactBytes(StringRef artifact) {
  uint64_t bytes = 0, sidecar = 0;
  if (fs::file_size(artifact, bytes))
    return std::nullopt;
  llvm::SmallString<256> beside(artifact);
  llvm::sys::path::replace_extension(beside, ".weights");
  if (!fs::file_size(beside, sidecar))
    bytes += sidecar;
  return bytes;
}

static llvm::Expected<LatencySeries> timeArtifact(StringRef artifact, const Args &args,
                                                  const LatencyBudget &budget) {
  LoadOptions options;
  options.threads = budget.threads;
  options.forceLevel = args.get("--force-level");
  auto gpu = parseDevice(args);
  if (!gpu)
    return gpu.takeError();
  options.gpu = *gpu;
  auto model = loadRuntimeModel(artifact, options);
  if (!model)
    return model.takeError();
  return measureLatency(**model, budget);
}

/// What the short forms measure on: --data or --tokens.
llvm::Expected<std::optional<SampleSet>> Evaluation::gateSamples() {
  if (!args.has("--data") && !args.has("--tokens"))
    return std::nullopt;
  auto ctx = args.integer("--ctx", 0, 2, INT32_MAX);
  if (!ctx)
    return ctx.takeError();
  auto samples = SampleSet::open(args.has("--data") ? args.get("--data") : args.get("--tokens"),
                                 {limit, *ctx});
  if (!samples)
    return samples.takeError();
  return std::optional<SampleSet>(std::move(*samples));
}

llvm::Error Evaluation::evalGate(const Gate &gate) {
  GateInputs inputs;
  inputs.model = subject;
  inputs.reference = reference;
  auto samples = gateSamples();
  if (!samples)
    return samples.takeError();
  inputs.samples = std::move(*samples);
  inputs.labels = args.get("--labels");
  const std::string &artifact = ours.opened.artifact;
  inputs.bytes = artifactBytes(artifact);
  inputs.latency = [&](const LatencyBudget &budget) {
    return timeArtifact(artifact, args, budget);
  };
  if (gate.kind == Gate::Kind::Guard && !inputs.samples)
    return makeError(Diag::UsageError, "", "--accept=guard needs --data or --tokens");
  Progress progress(context, "eval");
  inputs.progress = progress.function();
  auto result = evaluateGate(gate, inputs);
  if (!result)
    return result.takeError();
  finish("gate", llvm::json::Object{{"gate", toJson(*result)}}, gateTable(*result));
  return gateError(*result, subject->model().path);
}
