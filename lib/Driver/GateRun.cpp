// Two builds for this machine under the eye of the gate.
#include "qcc/Driver/GateRun.h"
#include "qcc/Driver/HostBuild.h"
#include "qcc/Quality/Evaluate.h"

using namespace qcc;
using namespace qcc::quality;
using llvm::Error;
using llvm::Expected;
using llvm::StringRef;

namespace {

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

/// The scheme that stands for all layers where latency is predicted.
std::string mainScheme(const QuantizeRequest &wish) {
  return wish.candidates.empty() ? "f32" : schemeToString(wish.candidates.front(), wish.ownSchemes);
}

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
  auto candidate = buildForHost(request.afterQuantize(qnt.str()), (folder + "/candidate.so").str());
  if (!candidate)
    return candidate.takeError();
  CompileRequest plain = request;
  plain.quantize = {};
  auto reference = buildForHost(std::move(plain), (folder + "/reference.so").str());
  if (!reference)
    return reference.takeError();
  GateInputs inputs;
  inputs.model = candidate->subject.get();
  inputs.reference = reference->subject.get();
  inputs.samples = std::move(*samples);
  inputs.labels = wish.evalData.labels;
  inputs.bytes = candidate->bytes;
  inputs.latency = [&](const LatencyBudget &budget) {
    return latencyOnTarget(request, candidate->path, mainScheme(wish), budget);
  };
  return evaluateGate(wish.gate, inputs);
}
