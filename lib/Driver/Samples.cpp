// Samples from files, completed to what a model takes.
#include "qcc/Driver/Samples.h"
#include "qcc/Data/Inputs.h"
#include "qcc/Pipeline/Signature.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::data;
using llvm::Expected;

namespace {

/// A model that is only looked at.
class SignatureModel : public Model {
public:
  Expected<std::unique_ptr<Session>> newSession() override {
    return makeError(Diag::Internal, path, "a signature cannot be run");
  }
};

std::shared_ptr<Model> signatureOf(func::FuncOp function) {
  auto model = std::make_shared<SignatureModel>();
  model->path = "model";
  model->inputs = inputInfos(function);
  model->outputs = outputInfos(function);
  guessRoles(*model);
  return model;
}

} // namespace

std::function<Expected<std::vector<HostTensor>>(size_t)> MaskedSamples::source() {
  return [this](size_t sample) {
    auto inputs = samples.inputs(sample);
    if (inputs && samples.maskInput >= 0)
      mask = (*inputs)[samples.maskInput].clone();
    return inputs;
  };
}

std::vector<uint8_t> MaskedSamples::counted(int64_t rows) const {
  // Values of another number of positions (pooled ones, say) all count.
  if (samples.maskInput < 0 || mask.count() != rows)
    return {};
  std::vector<uint8_t> counted(rows);
  for (int64_t i = 0; i < rows; ++i)
    counted[i] = mask.number(i) != 0;
  return counted;
}

ModelSamples qcc::samplesOf(func::FuncOp function, SampleSet set, std::string hash) {
  std::shared_ptr<Model> model = signatureOf(function);
  ModelSamples samples;
  samples.count = static_cast<size_t>(set.count());
  samples.hash = std::move(hash);
  samples.maskInput = findInputRole(*model, "mask");
  auto shared = std::make_shared<SampleSet>(std::move(set));
  samples.inputs = [model, shared](size_t i) -> Expected<std::vector<HostTensor>> {
    auto sample = shared->get(static_cast<int64_t>(i));
    if (!sample)
      return sample.takeError();
    auto bound = bindSample(*model, *sample);
    if (!bound)
      return bound.takeError();
    return completeInputs(*model, std::move(*bound));
  };
  return samples;
}

Expected<ModelSamples> qcc::openSamples(func::FuncOp function, StringRef where, int64_t ctx,
                                        int64_t limit) {
  auto set = SampleSet::open(where, {limit, ctx});
  if (!set)
    return set.takeError();
  auto hash = set->contentHash();
  if (!hash)
    return hash.takeError();
  if (set->count() == 0)
    return makeError(Diag::UnsuitableData, where.str(), "holds no sample");
  return samplesOf(function, std::move(*set), std::move(*hash));
}

void qcc::noteFewSamples(const ModelSamples &samples, StringRef where, llvm::raw_ostream &err) {
  constexpr size_t enough = 128;
  if (samples.count < enough)
    err << llvm::formatv("{0}: note: {1} samples are few to calibrate on; {2} to 1024 are usual\n",
                         where, samples.count, enough);
}
