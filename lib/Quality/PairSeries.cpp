// Sentence pairs: similarity of mean-pooled outputs.
#include "qcc/Data/DataFiles.h"
#include "qcc/Quality/Series.h"
#include "qcc/Quality/Stats.h"
#include "llvm/ADT/Twine.h"
#include <algorithm>
#include <map>
#include <numeric>

using namespace qcc;
using namespace qcc::data;
using namespace qcc::quality;
using llvm::StringRef;

namespace {
/// Mean over the unmasked positions of each row; an output that is pooled already passes through.
llvm::Error meanPool(const HostTensor &output, const HostTensor &mask, int64_t row,
                     std::vector<double> &pooled) {
  if (output.rank() != 2 && output.rank() != 3)
    return unsuitable("", "output of shape " + dimsToString(output.dims()) +
                              " is neither BxSxH nor BxH");
  int64_t width = output.dims().back(), length = output.rank() == 3 ? output.dims()[1] : 1;
  pooled.assign(width, 0);
  double weight = 0;
  for (int64_t t = 0; t < length; ++t) {
    if (output.rank() == 3 && mask.number(row * mask.dims()[1] + t) == 0)
      continue;
    weight += 1;
    for (int64_t h = 0; h < width; ++h)
      pooled[h] += output.number((row * length + t) * width + h);
  }
  for (double &value : pooled)
    value /= std::max(weight, 1.0);
  return llvm::Error::success();
}
} // namespace

/// Runs `rows` of the arrays, cut to `length` tokens, as one batch.
static llvm::Error embedBatch(Subject &subject,
                              const std::map<std::string, const HostTensor *> &arrays,
                              llvm::ArrayRef<int64_t> rows, int64_t length,
                              std::vector<std::vector<double>> &vectors) {
  const Model &model = subject.model();
  PartialInputs values(model.inputs.size());
  HostTensor mask;
  for (auto &[name, array] : arrays) {
    int64_t width = array->dims()[1], used = std::min(width, length);
    HostTensor part(array->dtype(), {static_cast<int64_t>(rows.size()), length});
    for (size_t i = 0; i < rows.size(); ++i)
      for (int64_t t = 0; t < used; ++t)
        part.setNumber(i * length + t, array->number(rows[i] * width + t));
    if (name == "attention_mask")
      mask = part.clone();
    int index = findInput(model, name);
    if (index < 0)
      index = findInputRole(model, StringRef(name).contains("ids") && name != "input_ids" ? "types"
                                   : name == "attention_mask"                             ? "mask"
                                                                                          : "ids");
    if (index < 0)
      continue;
    auto fitted = fitInput(model, index, std::move(part), /*convert=*/true);
    if (!fitted)
      return fitted.takeError();
    values[index] = std::move(*fitted);
  }
  auto outputs = subject.run(std::move(values));
  if (!outputs)
    return outputs.takeError();
  for (size_t i = 0; i < rows.size(); ++i)
    if (llvm::Error error =
            meanPool(outputs->front(), mask, static_cast<int64_t>(i), vectors[rows[i]]))
      return error;
  return llvm::Error::success();
}

/// A vector per sentence. Rows of equal length go together and padding never reaches the model, so
/// that the size of a batch changes nothing.
static llvm::Expected<std::vector<std::vector<double>>>
embedAll(Subject &subject, const std::vector<NamedTensor> &all, StringRef prefix, StringRef file,
         int64_t count, int64_t batch, const ProgressFn &progress) {
  std::map<std::string, const HostTensor *> arrays;
  for (const NamedTensor &array : all)
    if (StringRef name = array.name; name.consume_front(prefix)) {
      if (array.tensor.rank() != 2 || array.tensor.dims()[0] < count)
        return unsuitable(file, "array '" + llvm::Twine(array.name) + "' has shape " +
                                    dimsToString(array.tensor.dims()) + ", expected " +
                                    llvm::Twine(count) + " rows of tokens");
      arrays[name.str()] = &array.tensor;
    }
  if (!arrays.count("input_ids") || !arrays.count("attention_mask"))
    return unsuitable(file, prefix + "input_ids or " + prefix + "attention_mask is missing");
  const HostTensor &mask = *arrays["attention_mask"];
  int64_t width = mask.dims()[1], fixed = 0;
  int ids = findInputRole(subject.model(), "ids");
  bool isFixed = ids >= 0 && subject.model().inputs[ids].dims.size() == 2 &&
                 !StringRef(subject.model().inputs[ids].dims[1]).getAsInteger(10, fixed);
  std::vector<int64_t> lengths(count, 1), order(count);
  for (int64_t row = 0; row < count; ++row)
    for (int64_t t = 0; t < width; ++t)
      if (mask.number(row * width + t) != 0)
        lengths[row] = t + 1;
  if (isFixed)
    std::fill(lengths.begin(), lengths.end(), fixed);
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return std::pair(lengths[a], a) < std::pair(lengths[b], b);
  });
  std::vector<std::vector<double>> vectors(count);
  for (int64_t begin = 0; begin < count;) {
    int64_t end = begin + 1;
    while (end < count && end - begin < batch && lengths[order[end]] == lengths[order[begin]])
      ++end;
    llvm::ArrayRef<int64_t> rows = llvm::ArrayRef(order).slice(begin, end - begin);
    if (llvm::Error error = embedBatch(subject, arrays, rows, lengths[order[begin]], vectors))
      return error;
    begin = end;
    progress(end, count);
  }
  return vectors;
}

/// Similarity of every pair.
static llvm::Error addSimilarities(Subject &subject, const std::vector<NamedTensor> &arrays,
                                   StringRef file, int64_t count, int64_t batch,
                                   const ProgressFn &progress, std::vector<double> &list) {
  int64_t seen = list.empty() ? 0 : 2 * count;
  auto halves = [&](int64_t done, int64_t) { progress((seen + done) / 2, count); };
  auto a = embedAll(subject, arrays, "a_", file, count, batch, halves);
  if (!a)
    return a.takeError();
  seen += count;
  auto b = embedAll(subject, arrays, "b_", file, count, batch, halves);
  if (!b)
    return b.takeError();
  for (int64_t i = 0; i < count; ++i)
    list.push_back(cosine((*a)[i], (*b)[i]));
  return llvm::Error::success();
}

llvm::Expected<PairSeries> quality::measurePairs(Subject &model, Subject *reference, StringRef file,
                                                 int64_t limit, int64_t batch,
                                                 const ProgressFn &progress) {
  auto arrays = readArrays(file);
  if (!arrays)
    return arrays.takeError();
  const HostTensor *gold = nullptr;
  for (const NamedTensor &array : *arrays)
    if (array.name == "gold" && array.tensor.rank() == 1)
      gold = &array.tensor;
  if (!gold)
    return unsuitable(file, "no array 'gold' with a number per pair");
  int64_t count = limit >= 0 ? std::min(limit, gold->count()) : gold->count();
  PairSeries series;
  if (llvm::Error error =
          addSimilarities(model, *arrays, file, count, batch, progress, series.similarity))
    return std::move(error);
  if (reference)
    if (llvm::Error error = addSimilarities(*reference, *arrays, file, count, batch, progress,
                                            series.referenceSimilarity))
      return std::move(error);
  for (int64_t i = 0; i < count; ++i)
    series.gold.push_back(gold->number(i));
  return series;
}
