// Reading data sets in the forms that --data takes, and giving samples to models.
#include "qcc/Data/Samples.h"
#include "qcc/Data/ArrayFile.h"
#include "qcc/Data/TestData.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"
#include <algorithm>
#include <cassert>
#include <cstring>
#include <numeric>

using namespace qcc;
using namespace qcc::data;
using llvm::StringRef;
namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

static llvm::Error unsuitable(StringRef where, const llvm::Twine &why) {
  return makeError(Diag::UnsuitableData, where.str(), why.str());
}

namespace {
using Arrays = std::vector<std::unique_ptr<ArrayFile>>;

/// Arrays with a leading sample axis.
class StackedSource : public SampleSource {
public:
  static llvm::Expected<std::shared_ptr<SampleSource>> create(Arrays arrays, StringRef where) {
    auto source = std::make_shared<StackedSource>();
    const ArrayFile &first = *arrays.front();
    for (const auto &array : arrays)
      if (array->dims.empty() || array->count() != first.count())
        return unsuitable(where, "array '" + array->name + "' of shape " +
                                     dimsToString(array->dims) +
                                     " does not have the leading sample axis of '" + first.name +
                                     "', shape " + dimsToString(first.dims));
    auto has = [&](StringRef name) {
      return llvm::any_of(arrays, [&](const auto &array) { return array->name == name; });
    };
    source->paired = has("a_input_ids") && has("b_input_ids");
    source->count = first.count() * (source->paired ? 2 : 1);
    source->arrays = std::move(arrays);
    return source;
  }
  llvm::Expected<Sample> read(int64_t index) override {
    Sample sample;
    sample.stacked = true;
    int64_t at = paired ? index / 2 : index;
    for (auto &array : arrays) {
      StringRef name = array->name;
      if (paired && !name.consume_front(index % 2 ? "b_" : "a_"))
        continue;
      auto row = array->rows(at, at + 1);
      if (!row)
        return row.takeError();
      sample.arrays.emplace(name.str(), std::move(*row));
    }
    return sample;
  }

private:
  Arrays arrays;
  bool paired = false; ///< a_… and b_… are two texts, which are samples of their own
};

/// A file or a test data folder per sample.
class FolderSource : public SampleSource {
public:
  explicit FolderSource(std::vector<std::string> list) : parts(std::move(list)) {
    count = static_cast<int64_t>(parts.size());
  }
  llvm::Expected<Sample> read(int64_t index) override {
    const std::string &part = parts[index];
    std::vector<NamedTensor> arrays;
    if (fs::is_directory(part)) {
      auto data = readTestData(part);
      if (!data)
        return data.takeError();
      arrays = std::move(data->inputs);
    } else {
      auto all = readNpz(part);
      if (!all)
        return all.takeError();
      arrays = std::move(*all);
    }
    Sample sample;
    for (NamedTensor &array : arrays)
      sample.arrays.emplace(array.name, std::move(array.tensor));
    return sample;
  }

private:
  std::vector<std::string> parts;
};

/// Windows of token ids.
class TokenSource : public SampleSource {
public:
  static llvm::Expected<std::shared_ptr<SampleSource>> create(std::unique_ptr<ArrayFile> tokens,
                                                              StringRef where, int64_t ctx) {
    auto source = std::make_shared<TokenSource>();
    bool line = tokens->dims.size() == 1;
    if (line && ctx <= 0)
      return makeError(Diag::UsageError, where.str(), "a line of token ids needs --ctx N");
    int64_t length = tokens->dims.back();
    source->width = ctx > 0 ? ctx : length;
    if (source->width > length || source->width < 1)
      return unsuitable(where, "windows of " + llvm::Twine(source->width) +
                                   " tokens do not fit in " + llvm::Twine(length));
    source->perRow = length / source->width;
    source->count = source->perRow * (line ? 1 : tokens->count());
    source->array = std::move(tokens);
    source->tokens = true;
    return source;
  }
  llvm::Expected<Sample> read(int64_t index) override {
    bool line = array->dims.size() == 1;
    int64_t row = index / perRow, begin = index % perRow * width;
    auto part = line ? array->rows(begin, begin + width) : array->rows(row, row + 1);
    if (!part)
      return part.takeError();
    HostTensor window(QCC_I64, {1, width});
    for (int64_t i = 0; i < width; ++i)
      window.as<int64_t>()[i] = part->integer(line ? i : begin + i);
    Sample sample;
    sample.arrays.emplace("ids", std::move(window));
    return sample;
  }

private:
  std::unique_ptr<ArrayFile> array;
  int64_t width = 0, perRow = 0;
};

/// Whether the arrays are one of token ids rather than of samples.
bool areTokens(const Arrays &arrays, StringRef where, int64_t ctx) {
  const ArrayFile &first = *arrays.front();
  if (arrays.size() != 1 || isFloatType(first.dtype) || first.dtype == QCC_BOOL)
    return false;
  bool line = first.dims.size() == 1, rows = first.dims.size() == 2;
  bool named = path::extension(where) == ".npy" || first.name == "tokens";
  return (line && (named || ctx > 0)) || (rows && named);
}

llvm::Expected<std::vector<std::string>> partsOf(StringRef where) {
  std::vector<std::string> parts;
  if (!fs::is_directory(where))
    return parts;
  if (fs::exists(where + "/input_0.pb")) {
    parts.push_back(where.str());
    return parts;
  }
  return filesIn(where, [](StringRef file) {
    return path::extension(file) == ".npz" || fs::exists(file + "/input_0.pb");
  });
}

llvm::Expected<std::shared_ptr<SampleSource>> openSource(StringRef where, int64_t ctx) {
  auto parts = partsOf(where);
  if (!parts)
    return parts.takeError();
  if (!parts->empty())
    return std::make_shared<FolderSource>(std::move(*parts));
  auto arrays = openArrays(where);
  if (!arrays)
    return arrays.takeError();
  if (arrays->empty())
    return unsuitable(where, "the file holds no arrays");
  if (areTokens(*arrays, where, ctx))
    return TokenSource::create(std::move(arrays->front()), where, ctx);
  if (path::extension(where) == ".npy")
    return unsuitable(where, "token ids are a line or rows of integers, not " +
                                 dtypeName(arrays->front()->dtype) + " of shape " +
                                 dimsToString(arrays->front()->dims));
  return StackedSource::create(std::move(*arrays), where);
}
} // namespace

llvm::Expected<SampleSet> SampleSet::open(StringRef where, const SampleOptions &options) {
  auto source = openSource(where, options.ctx);
  if (!source)
    return source.takeError();
  int64_t count = (*source)->count;
  SampleSet set(std::move(*source), where.str());
  set.indices.resize(options.limit >= 0 ? std::min(options.limit, count) : count);
  std::iota(set.indices.begin(), set.indices.end(), 0);
  return set;
}

llvm::Expected<Sample> SampleSet::get(int64_t index) const {
  assert(index >= 0 && index < count());
  return source->read(indices[index]);
}

SampleSet SampleSet::select(llvm::ArrayRef<int64_t> chosen) const {
  SampleSet set(source, place);
  for (int64_t index : chosen)
    set.indices.push_back(indices[index]);
  return set;
}

std::pair<SampleSet, SampleSet> SampleSet::split(double share, uint64_t seed) const {
  int64_t aside = static_cast<int64_t>(share * static_cast<double>(count()) + 0.5);
  aside = std::clamp<int64_t>(aside, std::min<int64_t>(1, count() - 1),
                              std::max<int64_t>(0, count() - 1));
  // A partial Fisher-Yates shuffle draws which.
  std::vector<int64_t> order(count());
  std::iota(order.begin(), order.end(), 0);
  Random random(seed);
  for (int64_t i = 0; i < aside; ++i)
    std::swap(order[i], order[i + random.below(count() - i)]);
  std::sort(order.begin(), order.begin() + aside);
  std::sort(order.begin() + aside, order.end());
  llvm::ArrayRef<int64_t> all(order);
  return {select(all.drop_front(aside)), select(all.take_front(aside))};
}

llvm::Expected<std::string> SampleSet::contentHash() const {
  llvm::SHA256 hash;
  hash.update("qcc.data/1\n");
  for (int64_t i = 0; i < count(); ++i) {
    auto sample = get(i);
    if (!sample)
      return sample.takeError();
    hash.update("sample " + std::to_string(sample->arrays.size()) + "\n");
    for (auto &[name, array] : sample->arrays) {
      hash.update(name + " " + dtypeName(array.dtype()).str() + " " + dimsToString(array.dims()) +
                  "\n");
      hash.update(llvm::ArrayRef<uint8_t>(array.data(), array.bytes()));
    }
  }
  return llvm::toHex(hash.final(), /*LowerCase=*/true);
}

llvm::Expected<std::vector<Sample>> data::readSamples(StringRef where, int64_t limit) {
  auto set = SampleSet::open(where, {limit, 0});
  if (!set)
    return set.takeError();
  std::vector<Sample> samples;
  for (int64_t i = 0; i < set->count(); ++i) {
    auto sample = set->get(i);
    if (!sample)
      return sample.takeError();
    samples.push_back(std::move(*sample));
  }
  return samples;
}

int data::inputForArray(const Model &model, StringRef name) {
  static constexpr std::pair<const char *, const char *> usual[] = {{"input_ids", "ids"},
                                                                    {"tokens", "ids"},
                                                                    {"attention_mask", "mask"},
                                                                    {"token_type_ids", "types"},
                                                                    {"position_ids", "positions"}};
  int index = findInput(model, name);
  if (index < 0)
    index = findInputRole(model, name);
  for (auto [array, role] : usual)
    if (index < 0 && name == array)
      index = findInputRole(model, role);
  return index;
}

llvm::Expected<PartialInputs> data::bindSample(const Model &model, const Sample &sample) {
  PartialInputs values(model.inputs.size());
  for (auto &[name, array] : sample.arrays) {
    int index = inputForArray(model, name);
    if (index < 0)
      continue;
    // A sample of its own shape may be the whole batch or one row of it.
    size_t rank = model.inputs[index].dims.size();
    std::vector<int64_t> dims = array.dims().vec();
    if (sample.stacked && dims.size() == rank + 1)
      dims.erase(dims.begin());
    else if (dims.size() + 1 == rank)
      dims.insert(dims.begin(), 1);
    auto fitted = fitInput(model, index, array.clone().reshaped(std::move(dims)), true);
    if (!fitted)
      return fitted.takeError();
    values[index] = std::move(*fitted);
  }
  return values;
}

BatchReader::BatchReader(const SampleSet &samples, const Model &model, int64_t most)
    : samples(samples), model(model), most(most) {
  // Inputs without a batch axis of their own, or with a fixed one, run one sample at a time.
  for (const TensorInfo &input : model.inputs) {
    int64_t fixed = 0;
    if (input.dims.empty() || !StringRef(input.dims[0]).getAsInteger(10, fixed))
      this->most = 1;
  }
}

static bool sameShapes(llvm::ArrayRef<HostTensor> a, llvm::ArrayRef<HostTensor> b) {
  for (size_t i = 0; i < a.size(); ++i)
    if (a[i].dims() != b[i].dims())
      return false;
  return true;
}

llvm::Expected<std::optional<Batch>> BatchReader::next() {
  std::vector<std::vector<HostTensor>> parts;
  Batch batch;
  batch.first = at;
  while (at < samples.count() && static_cast<int64_t>(parts.size()) < most) {
    if (!ahead) {
      auto sample = samples.get(at);
      if (!sample)
        return sample.takeError();
      auto values = bindSample(model, *sample);
      if (!values)
        return values.takeError();
      auto inputs = completeInputs(model, std::move(*values));
      if (!inputs)
        return inputs.takeError();
      ahead = std::move(*inputs);
    }
    if (!parts.empty() && !sameShapes(parts.front(), *ahead))
      break;
    parts.push_back(std::move(*ahead));
    ahead.reset();
    ++at;
  }
  if (parts.empty())
    return std::nullopt;
  batch.count = static_cast<int64_t>(parts.size());
  batch.mask = findInputRole(model, "mask");
  if (parts.size() == 1)
    batch.inputs = std::move(parts.front());
  else
    for (size_t input = 0; input < model.inputs.size(); ++input) {
      std::vector<HostTensor> column;
      for (std::vector<HostTensor> &part : parts)
        column.push_back(std::move(part[input]));
      batch.inputs.push_back(std::move(*concatenate(column)));
    }
  return batch;
}
