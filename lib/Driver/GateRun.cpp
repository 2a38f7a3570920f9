// Two builds for this machine under the eye of the gate.
#include "qcc/Driver/GateRun.h"
#include "mlir/Support/Timing.h"
#include "qcc/Data/RuntimeModel.h"
#include "qcc/Pipeline/Compile.h"
#include "qcc/Quality/Evaluate.h"
#include "qcc/Target/Target.h"
#include "llvm/Support/FileSystem.h"

using namespace qcc;
using namespace qcc::quality;
using llvm::Error;
using llvm::Expected;
using llvm::StringRef;

namespace {

/// A build that is loaded, with its session.
struct Build {
  std::unique_ptr<data::RuntimeModel> model;
  std::unique_ptr<Subject> subject;
};

Expected<Build> build(CompileRequest request, const std::string &path,
                      std::vector<std::string> targets) {
  request.output = path;
  request.emit = EmitKind::SharedObject;
  request.targets = std::move(targets);
  request.quantize = {};
  request.quiet = true;
  request.report.clear();
  request.dumpStages.clear();
  request.fromStage.clear();
  request.toStage.clear();
  request.facts = nullptr;
  request.quantization = nullptr;
  if (Error failed = compileModel(request, llvm::nulls()))
    return std::move(failed);
  data::LoadOptions load;
  load.threads = request.threads;
  Build result;
  auto loaded = data::loadRuntimeModel(path, load);
  if (!loaded)
    return loaded.takeError();
  result.model = std::move(*loaded);
  auto subject = Subject::create(*result.model);
  if (!subject)
    return subject.takeError();
  result.subject = std::move(*subject);
  return result;
}

/// What the short forms are decided on; nothing without data.
Expected<std::optional<data::SampleSet>> heldOut(const QuantizeRequest &wish) {
  bool own = wish.evalData.given();
  const DataRequest &from = own ? wish.evalData : wish.calib;
  if (!from.given())
    return std::nullopt;
  auto set = data::SampleSet::open(from.where, {from.samples, from.ctx});
  if (!set)
    return set.takeError();
  if (own)
    return std::optional(std::move(*set));
  return std::optional(set->split(0.2, wish.seed).second);
}

/// Whether this machine can run the levels that were asked for; else quality is measured on a host
/// build of the same codes.
std::vector<std::string> hostTargets() { return {hostLevels().front()->name}; }

} // namespace

Expected<GateResult> qcc::decideGate(const CompileRequest &request, StringRef qnt,
                                     StringRef folder) {
  const QuantizeRequest &wish = request.quantize;
  auto samples = heldOut(wish);
  if (!samples)
    return samples.takeError();
  GateResult nothing;
  nothing.text = wish.gate.text;
  bool costs = wish.gate.size || !wish.gate.latency.empty();
  if (!wish.gate.measures() || (!*samples && wish.gate.sets.empty() && !costs))
    return nothing;
  CompileRequest candidateRequest = request;
  candidateRequest.input = qnt.str();
  candidateRequest.shapes.clear();
  candidateRequest.binds.clear();
  candidateRequest.cutInputs.clear();
  candidateRequest.cutOutputs.clear();
  candidateRequest.functions.clear();
  candidateRequest.blobs.clear();
  auto candidate = build(candidateRequest, (folder + "/candidate.so").str(), hostTargets());
  if (!candidate)
    return candidate.takeError();
  auto reference = build(request, (folder + "/reference.so").str(), hostTargets());
  if (!reference)
    return reference.takeError();
  GateInputs inputs;
  inputs.model = candidate->subject.get();
  inputs.reference = reference->subject.get();
  inputs.samples = std::move(*samples);
  inputs.labels = wish.evalData.labels;
  uint64_t bytes = 0;
  if (!llvm::sys::fs::file_size(candidate->model->path, bytes))
    inputs.bytes = bytes;
  inputs.latency = [&](const LatencyBudget &budget) -> Expected<LatencySeries> {
    data::LoadOptions load;
    load.threads = budget.threads ? budget.threads : request.threads;
    auto model = data::loadRuntimeModel(candidate->model->path, load);
    if (!model)
      return model.takeError();
    return measureLatency(**model, budget);
  };
  return evaluateGate(wish.gate, inputs);
}

Expected<double> qcc::measureWhole(const LoadedModel &floats, const PipelineOptions &pipeline,
                                   const CompileRequest &request, const LatencyBudget &budget,
                                   StringRef folder) {
  LoadedModel copy = floats.clone();
  PipelineOptions options = pipeline;
  options.levels = hostTargets();
  CompileRequest writing = request;
  writing.output = (folder + "/whole.so").str();
  writing.emit = EmitKind::SharedObject;
  writing.quiet = true;
  writing.facts = nullptr;
  mlir::DefaultTimingManager manager;
  mlir::TimingScope timing = manager.getRootScope();
  if (Error failed = runStages(copy, Stage::AssignBits, Stage::Lower, options, writing, timing))
    return std::move(failed);
  if (Error failed = emitArtifact(copy, options.levels, writing, llvm::nulls()))
    return std::move(failed);
  data::LoadOptions load;
  load.threads = budget.threads ? budget.threads : request.threads;
  auto model = data::loadRuntimeModel(writing.output, load);
  if (!model)
    return model.takeError();
  auto series = measureLatency(**model, budget);
  if (!series)
    return series.takeError();
  std::vector<double> &ms = series->ms;
  std::nth_element(ms.begin(), ms.begin() + ms.size() / 2, ms.end());
  return ms[ms.size() / 2];
}
