// Samples from files, completed to what a model takes.
#include "qcc/Driver/Samples.h"
#include "qcc/Data/DataFiles.h"
#include "qcc/Data/Inputs.h"
#include "qcc/Data/Samples.h"
#include "qcc/Pipeline/Signature.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/SHA256.h"
#include <map>

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

/// Windows of `ctx` ids without overlap.
Expected<std::vector<Sample>> tokenWindows(HostTensor tokens, StringRef where, int64_t ctx,
                                           int64_t limit) {
  bool rows = tokens.rank() == 2;
  if (!rows && ctx <= 0)
    return makeError(Diag::UsageError, where.str(), "a line of token ids needs --ctx N");
  int64_t line = rows ? tokens.dims()[1] : tokens.count();
  int64_t width = ctx > 0 ? std::min(ctx, line) : line;
  std::vector<Sample> windows;
  for (int64_t row = 0; row < (rows ? tokens.dims()[0] : 1); ++row)
    for (int64_t at = 0; at + width <= line && width > 0; at += width) {
      if (limit >= 0 && static_cast<int64_t>(windows.size()) >= limit)
        return windows;
      HostTensor window(QCC_I64, {1, width});
      for (int64_t i = 0; i < width; ++i)
        window.as<int64_t>()[i] = tokens.integer(row * line + at + i);
      Sample sample;
      sample.stacked = false;
      sample.arrays.emplace("ids", std::move(window));
      windows.push_back(std::move(sample));
    }
  return windows;
}

/// Arrays a_NAME and b_NAME are two texts a sample: they become samples of their own.
std::vector<Sample> splitPairs(std::vector<Sample> samples) {
  std::vector<Sample> split;
  for (Sample &sample : samples) {
    if (!sample.arrays.count("a_input_ids") || !sample.arrays.count("b_input_ids"))
      return samples;
    for (StringRef prefix : {"a_", "b_"}) {
      Sample half;
      half.stacked = sample.stacked;
      for (auto &[name, array] : sample.arrays)
        if (StringRef rest = name; rest.consume_front(prefix))
          half.arrays.emplace(rest.str(), array.clone());
      split.push_back(std::move(half));
    }
  }
  return split;
}

int inputFor(const Model &model, StringRef name) {
  int index = findInput(model, name);
  if (index < 0)
    index = findInputRole(model, name);
  if (index < 0) {
    static const std::map<StringRef, StringRef> usual = {{"input_ids", "ids"},
                                                         {"attention_mask", "mask"},
                                                         {"token_type_ids", "types"},
                                                         {"position_ids", "positions"}};
    auto role = usual.find(name);
    index = role == usual.end() ? -1 : findInputRole(model, role->second);
  }
  return index;
}

Expected<std::vector<HostTensor>> completed(const Model &model, const Sample &sample) {
  PartialInputs values(model.inputs.size());
  for (auto &[name, array] : sample.arrays) {
    int index = inputFor(model, name);
    if (index < 0)
      continue;
    HostTensor value = array.clone();
    // A sample of its own shape may be the whole batch or one row of it.
    size_t rank = model.inputs[index].dims.size();
    std::vector<int64_t> dims = value.dims().vec();
    if (sample.stacked && dims.size() == rank + 1)
      dims.erase(dims.begin());
    else if (dims.size() + 1 == rank)
      dims.insert(dims.begin(), 1);
    auto fitted = fitInput(model, index, std::move(value).reshaped(std::move(dims)), true);
    if (!fitted)
      return fitted.takeError();
    values[index] = std::move(*fitted);
  }
  return completeInputs(model, std::move(values));
}

std::string hashOf(const std::vector<Sample> &samples) {
  llvm::SHA256 hash;
  for (const Sample &sample : samples)
    for (auto &[name, array] : sample.arrays) {
      hash.update(name);
      hash.update(dimsToString(array.dims()));
      hash.update(ArrayRef<uint8_t>(array.data(), array.bytes()));
    }
  return llvm::toHex(hash.final(), true);
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

Expected<SampleSource> qcc::openSamples(func::FuncOp function, StringRef where, int64_t ctx,
                                        int64_t limit) {
  std::shared_ptr<Model> model = signatureOf(function);
  std::vector<Sample> samples;
  if (where.ends_with(".npy")) {
    auto tokens = readTensor(where, "tokens");
    if (!tokens)
      return tokens.takeError();
    auto windows = tokenWindows(std::move(*tokens), where, ctx, limit);
    if (!windows)
      return windows.takeError();
    samples = std::move(*windows);
  } else {
    auto read = readSamples(where, limit);
    if (!read)
      return read.takeError();
    samples = splitPairs(std::move(*read));
    if (limit >= 0 && samples.size() > static_cast<size_t>(limit))
      samples.resize(limit);
  }
  if (samples.empty())
    return makeError(Diag::UnsuitableData, where.str(), "holds no sample");
  SampleSource source;
  source.count = samples.size();
  source.hash = hashOf(samples);
  source.maskInput = findInputRole(*model, "mask");
  auto shared = std::make_shared<std::vector<Sample>>(std::move(samples));
  source.inputs = [model, shared](size_t i) { return completed(*model, (*shared)[i]); };
  return source;
}
