// ONNX test data folders, and which of their tensors is which input or output.
#include "qcc/Data/TestData.h"
#include "qcc/Data/DataFiles.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <algorithm>

using namespace qcc;
using namespace qcc::data;
using llvm::StringRef;
namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

/// input_0.pb, input_1.pb, … of a folder, in the order of their numbers.
static llvm::Expected<std::vector<NamedTensor>> readNumbered(StringRef folder, StringRef prefix) {
  std::vector<std::pair<unsigned, std::string>> files;
  auto found = filesIn(folder, [&](StringRef file) {
    StringRef name = path::filename(file);
    unsigned number = 0;
    if (!name.consume_front(prefix) || !name.consume_back(".pb") || name.getAsInteger(10, number))
      return false;
    files.push_back({number, file.str()});
    return true;
  });
  if (!found)
    return found.takeError();
  std::sort(files.begin(), files.end());
  std::vector<NamedTensor> tensors;
  for (auto &[number, file] : files) {
    auto tensor = readPb(file);
    if (!tensor)
      return tensor.takeError();
    tensors.push_back(std::move(*tensor));
  }
  return tensors;
}

llvm::Expected<TestData> data::readTestData(StringRef folder) {
  auto inputs = readNumbered(folder, "input_");
  if (!inputs)
    return inputs.takeError();
  auto outputs = readNumbered(folder, "output_");
  if (!outputs)
    return outputs.takeError();
  return TestData{std::move(*inputs), std::move(*outputs)};
}

llvm::Expected<std::vector<size_t>> data::matchNames(llvm::ArrayRef<NamedTensor> tensors,
                                                     llvm::ArrayRef<TensorInfo> signature,
                                                     StringRef where, StringRef what) {
  std::vector<size_t> places;
  std::vector<bool> taken(signature.size(), false);
  for (size_t i = 0; i < tensors.size(); ++i) {
    size_t place = i;
    for (size_t k = 0; k < signature.size(); ++k)
      if (!tensors[i].name.empty() && signature[k].name == tensors[i].name)
        place = k;
    if (place >= signature.size() || taken[place])
      return makeError(Diag::UnsuitableData, where.str(),
                       what.str() + " " + std::to_string(i) + " '" + tensors[i].name +
                           "' matches no " + what.str() + " of the model, which has " +
                           std::to_string(signature.size()));
    taken[place] = true;
    places.push_back(place);
  }
  return places;
}
