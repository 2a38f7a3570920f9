// Reading data sets in the forms that --data takes.
#include "qcc/Data/Samples.h"
#include "qcc/Data/DataFiles.h"
#include "qcc/Data/TestData.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <algorithm>

using namespace qcc;
using namespace qcc::data;
using llvm::StringRef;
namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

/// Arrays of N samples, cut into N.
static llvm::Expected<std::vector<Sample>> cutSamples(std::vector<NamedTensor> arrays,
                                                      StringRef where, int64_t limit) {
  int64_t count = -1;
  for (const NamedTensor &array : arrays) {
    int64_t size = array.tensor.rank() ? array.tensor.dims()[0] : 0;
    if (array.tensor.rank() == 0 || (count >= 0 && size != count))
      return makeError(Diag::UnsuitableData, where.str(),
                       "array '" + array.name + "' of shape " + dimsToString(array.tensor.dims()) +
                           " does not have the leading sample axis of '" + arrays[0].name +
                           "', shape " + dimsToString(arrays[0].tensor.dims()));
    count = size;
  }
  if (limit >= 0)
    count = std::min(count, limit);
  std::vector<Sample> samples;
  for (int64_t i = 0; i < count; ++i) {
    Sample sample;
    sample.stacked = true;
    for (const NamedTensor &array : arrays)
      sample.arrays.emplace(array.name, array.tensor.rows(i, i + 1));
    samples.push_back(std::move(sample));
  }
  return samples;
}

static llvm::Expected<Sample> readOne(StringRef file) {
  std::vector<NamedTensor> arrays;
  if (fs::is_directory(file)) {
    auto data = readTestData(file);
    if (!data)
      return data.takeError();
    arrays = std::move(data->inputs);
  } else {
    auto read = readNpz(file);
    if (!read)
      return read.takeError();
    arrays = std::move(*read);
  }
  Sample sample;
  for (NamedTensor &array : arrays)
    sample.arrays.emplace(array.name, std::move(array.tensor));
  return sample;
}

llvm::Expected<std::vector<Sample>> data::readSamples(StringRef where, int64_t limit) {
  std::vector<std::string> parts;
  bool testData = fs::exists(where + "/input_0.pb");
  if (fs::is_directory(where) && !testData) {
    auto found = filesIn(where, [](StringRef file) {
      return path::extension(file) == ".npz" || fs::exists(file + "/input_0.pb");
    });
    if (!found)
      return found.takeError();
    parts = std::move(*found);
  }
  if (testData)
    parts.push_back(where.str());
  if (parts.empty()) {
    auto arrays = readArrays(where);
    if (!arrays)
      return arrays.takeError();
    return cutSamples(std::move(*arrays), where, limit);
  }
  if (limit >= 0 && static_cast<size_t>(limit) < parts.size())
    parts.resize(limit);
  std::vector<Sample> samples;
  for (const std::string &part : parts) {
    auto sample = readOne(part);
    if (!sample)
      return sample.takeError();
    samples.push_back(std::move(*sample));
  }
  return samples;
}
