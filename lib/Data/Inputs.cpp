// Random values, defaults by role, and fitting given values to a signature.
#include "qcc/Data/Inputs.h"
#include "qcc/Data/Dims.h"
#include "qcc/Support/Diagnostics.h"
#include <cmath>

using namespace qcc;
using namespace qcc::data;
using llvm::StringRef;

uint64_t Random::next() {
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

double Random::uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

double Random::normal() {
  double radius = std::sqrt(-2 * std::log(1 - uniform()));
  return radius * std::cos(2 * M_PI * uniform());
}

int64_t Random::below(int64_t bound) {
  return static_cast<int64_t>(
      static_cast<unsigned __int128>(next()) * static_cast<uint64_t>(bound) >> 64);
}

static llvm::Error badRandom(StringRef text) {
  return makeError(Diag::BadOptionValue, "", "--random '" + text.str() + "' is not understood", {},
                   "it reads NAME=i64[1x128]:0..30000 or NAME=f32[2x3]");
}

llvm::Expected<RandomSpec> data::parseRandomSpec(StringRef text) {
  RandomSpec spec;
  auto [front, back] = text.rsplit('[');
  auto [name, type] = front.rsplit('=');
  std::optional<uint32_t> dtype = dtypeFromName(type);
  if (name.empty() || !dtype || !back.contains(']'))
    return badRandom(text);
  spec.name = name.str();
  spec.dtype = *dtype;
  llvm::SmallVector<StringRef> parts;
  auto [dims, range] = back.rsplit(']');
  dims.split(parts, 'x', -1, /*KeepEmpty=*/false);
  for (StringRef part : parts) {
    int64_t dim = 0;
    if (part.getAsInteger(10, dim) || dim < 0)
      return badRandom(text);
    spec.dims.push_back(dim);
  }
  if (!countElements(spec.dims))
    return badRandom(text);
  if (range.empty())
    return spec;
  if (!range.consume_front(":"))
    return badRandom(text);
  auto [low, high] = range.split("..");
  if (low.getAsDouble(spec.low) || high.getAsDouble(spec.high) || !(spec.high > spec.low))
    return badRandom(text);
  spec.ranged = true;
  return spec;
}

HostTensor data::makeRandom(const RandomSpec &spec, uint64_t seed) {
  HostTensor tensor(spec.dtype, spec.dims);
  Random random(seed);
  double low = spec.ranged ? spec.low : 0, high = spec.ranged ? spec.high : 2;
  bool floats = isFloatType(spec.dtype);
  for (int64_t i = 0; i < tensor.count(); ++i) {
    if (floats && !spec.ranged)
      tensor.setNumber(i, random.normal());
    else if (floats)
      tensor.setNumber(i, low + (high - low) * random.uniform());
    else
      tensor.setNumber(i, low + static_cast<double>(random.below(
                                    std::max<int64_t>(1, static_cast<int64_t>(high - low)))));
  }
  return tensor;
}

llvm::Expected<HostTensor> data::fitInput(const Model &model, size_t index, HostTensor value,
                                          bool convert) {
  const TensorInfo &info = model.inputs[index];
  bool sameKind = isFloatType(info.dtype) == isFloatType(value.dtype());
  if (convert && sameKind)
    value = value.cast(info.dtype);
  if (value.dtype() != info.dtype)
    return makeError(Diag::UnsuitableData, model.path,
                     "input " + describe(info) + " is given values of type " +
                         dtypeName(value.dtype()).str());
  if (static_cast<size_t>(value.rank()) != info.dims.size())
    return makeError(Diag::UnsuitableData, model.path,
                     "input " + describe(info) + " is given values of shape " +
                         dimsToString(value.dims()));
  return std::move(value);
}

int64_t data::pastLength(const Model &model, const std::vector<std::vector<int64_t>> &shapes) {
  for (size_t i = 0; i < model.inputs.size(); ++i)
    if (isPastRole(model.inputs[i].role) && shapes[i].size() >= 3)
      return shapes[i][shapes[i].size() - 2];
  return 0;
}

/// ones, counting or zeros; nothing for roles without a default.
static std::optional<HostTensor> defaultFor(const TensorInfo &info,
                                            const std::vector<int64_t> &dims, int64_t past) {
  if (info.role == "types" || isPastRole(info.role))
    return HostTensor(info.dtype, dims);
  if (info.role != "mask" && info.role != "positions")
    return std::nullopt;
  HostTensor tensor(info.dtype, dims);
  int64_t row = dims.empty() ? 1 : std::max<int64_t>(1, dims.back());
  for (int64_t i = 0; i < tensor.count(); ++i)
    tensor.setNumber(i, info.role == "mask" ? 1 : static_cast<double>(past + i % row));
  return tensor;
}

/// Positions count the unmasked tokens of their row, so that left padding does not shift them.
static void countUnmasked(HostTensor &positions, const HostTensor &mask) {
  if (mask.rank() != 2 || positions.rank() != 2 || positions.dims()[0] != mask.dims()[0])
    return;
  int64_t total = mask.dims()[1], length = positions.dims()[1];
  for (int64_t row = 0; row < mask.dims()[0]; ++row) {
    int64_t seen = 0;
    for (int64_t i = 0; i < total; ++i) {
      int64_t at = i - (total - length);
      if (at >= 0)
        positions.setNumber(row * length + at, static_cast<double>(seen));
      seen += mask.number(row * total + i) != 0;
    }
  }
}

llvm::Expected<std::vector<HostTensor>> data::completeInputs(const Model &model,
                                                             PartialInputs values) {
  std::vector<std::string> absent;
  std::vector<std::optional<std::vector<int64_t>>> given(model.inputs.size());
  for (size_t i = 0; i < model.inputs.size(); ++i) {
    const TensorInfo &info = model.inputs[i];
    bool hasDefault = info.role == "mask" || info.role == "positions" || info.role == "types" ||
                      isPastRole(info.role);
    if (values[i])
      given[i] = values[i]->dims().vec();
    else if (!hasDefault)
      absent.push_back("no value for " + describe(info));
  }
  if (!absent.empty())
    return makeError(Diag::InputsMissing, model.path,
                     std::to_string(absent.size()) + " input(s) have no value", absent,
                     "give --input NAME=FILE or --random for them");
  std::vector<HostTensor> inputs;
  bool complete = llvm::all_of(values, [](const auto &value) { return value.has_value(); });
  std::vector<std::vector<int64_t>> shapes;
  if (!complete) {
    auto solved = solveShapes(model, given);
    if (!solved)
      return solved.takeError();
    shapes = std::move(*solved);
  }
  int64_t past = complete ? 0 : pastLength(model, shapes);
  int mask = findInputRole(model, "mask");
  for (size_t i = 0; i < model.inputs.size(); ++i) {
    bool count = !values[i] && model.inputs[i].role == "positions" && mask >= 0 && values[mask];
    if (!values[i])
      values[i] = defaultFor(model.inputs[i], shapes[i], past);
    if (count)
      countUnmasked(*values[i],
                    static_cast<size_t>(mask) < inputs.size() ? inputs[mask] : *values[mask]);
    inputs.push_back(std::move(*values[i]));
  }
  return inputs;
}

std::vector<HostTensor> data::syntheticInputs(const Model &model,
                                              const std::vector<std::vector<int64_t>> &shapes,
                                              int64_t vocabulary, uint64_t seed) {
  Random random(seed);
  int64_t past = pastLength(model, shapes);
  std::vector<HostTensor> inputs;
  for (size_t i = 0; i < model.inputs.size(); ++i) {
    const TensorInfo &info = model.inputs[i];
    bool floats = isFloatType(info.dtype);
    std::optional<HostTensor> known = defaultFor(info, shapes[i], past);
    HostTensor tensor = known && !(isPastRole(info.role) && floats)
                            ? std::move(*known)
                            : HostTensor(info.dtype, shapes[i]);
    bool ids = info.role == "ids" || (info.role.empty() && !floats && info.dtype != QCC_BOOL &&
                                      StringRef(info.name).ends_with("ids"));
    for (int64_t k = 0; k < tensor.count(); ++k) {
      if (ids)
        tensor.setNumber(k, static_cast<double>(random.below(vocabulary)));
      else if (floats && info.role != "mask")
        tensor.setNumber(k, random.normal());
    }
    inputs.push_back(std::move(tensor));
  }
  return inputs;
}
