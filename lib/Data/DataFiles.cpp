// Opening and writing data files, and the one place that knows suffixes.
#include "qcc/Data/DataFiles.h"
#include "qcc/Onnx/Reader.h"
#include "qcc/Support/AtomicOutput.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include <algorithm>
#include <cstring>

using namespace qcc;
using namespace qcc::data;
using llvm::ArrayRef;
using llvm::StringRef;
namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

static llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> openData(StringRef file) {
  auto buffer = llvm::MemoryBuffer::getFile(file, /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
  if (!buffer)
    return makeError(Diag::CannotRead, file.str(), buffer.getError().message());
  return std::move(*buffer);
}

static ArrayRef<uint8_t> bytesOf(const llvm::MemoryBuffer &buffer) {
  return {reinterpret_cast<const uint8_t *>(buffer.getBufferStart()), buffer.getBufferSize()};
}

llvm::Expected<HostTensor> data::readNpy(StringRef file) {
  auto buffer = openData(file);
  if (!buffer)
    return buffer.takeError();
  return parseNpy(bytesOf(**buffer), file);
}

llvm::Expected<std::vector<NamedTensor>> data::readNpz(StringRef file) {
  auto buffer = openData(file);
  if (!buffer)
    return buffer.takeError();
  return parseNpz(bytesOf(**buffer), file);
}

/// Elements of `bits` bits, the first in the low bits of a byte, one per byte.
static HostTensor unpack(ArrayRef<uint8_t> bytes, unsigned bits, bool isSigned,
                         std::vector<int64_t> dims) {
  HostTensor tensor(isSigned ? QCC_I8 : QCC_U8, std::move(dims));
  unsigned perByte = 8 / bits, mask = (1u << bits) - 1;
  for (int64_t i = 0; i < tensor.count(); ++i) {
    unsigned code = bytes[i / perByte] >> (i % perByte * bits) & mask;
    bool negative = isSigned && code >> (bits - 1);
    tensor.data()[i] = static_cast<uint8_t>(negative ? code | ~mask : code);
  }
  return tensor;
}

llvm::Expected<NamedTensor> data::readPb(StringRef file) {
  auto read = onnx::readTensorFile(file);
  if (!read)
    return read.takeError();
  onnx::OwnedTensor &source = *read;
  std::optional<int64_t> count = countElements(source.dims);
  std::optional<uint64_t> size =
      count ? onnx::byteSize(source.dataType, *count) : std::optional<uint64_t>();
  bool small = source.dataType == onnx::Int4 || source.dataType == onnx::UInt4 ||
               source.dataType == onnx::Int2 || source.dataType == onnx::UInt2 ||
               source.dataType == onnx::Float4E2M1; // as codes
  if (!small && !dtypeSize(source.dataType))
    return makeError(Diag::UnsupportedData, file.str(),
                     "tensors of type " + onnx::dataTypeName(source.dataType) +
                         " are not inputs or outputs of models");
  if (!count || !size || *size != source.bytes.size())
    return makeError(Diag::MalformedData, file.str(),
                     "shape " + dimsToString(source.dims) + " does not match " +
                         std::to_string(source.bytes.size()) + " bytes of data");
  if (small)
    return NamedTensor{source.name,
                       unpack(source.bytes, onnx::bitWidth(source.dataType),
                              source.dataType == onnx::Int4 || source.dataType == onnx::Int2,
                              source.dims)};
  HostTensor tensor(source.dataType, source.dims);
  if (tensor.bytes())
    std::memcpy(tensor.data(), source.bytes.data(), tensor.bytes());
  return NamedTensor{source.name, std::move(tensor)};
}

llvm::Expected<HostTensor> data::readTensor(StringRef file, StringRef name) {
  StringRef suffix = path::extension(file);
  if (suffix == ".npy")
    return readNpy(file);
  if (suffix == ".pb") {
    auto named = readPb(file);
    if (!named)
      return named.takeError();
    return std::move(named->tensor);
  }
  if (suffix != ".npz")
    return makeError(Diag::UsageError, file.str(), "not an .npy, .npz or .pb file");
  auto arrays = readNpz(file);
  if (!arrays)
    return arrays.takeError();
  for (NamedTensor &array : *arrays)
    if (array.name == name)
      return std::move(array.tensor);
  if (arrays->size() == 1)
    return std::move(arrays->front().tensor);
  return makeError(Diag::UnsuitableData, file.str(),
                   "no array named '" + name.str() + "' among " + std::to_string(arrays->size()));
}

llvm::Expected<std::vector<std::string>>
data::filesIn(StringRef folder, llvm::function_ref<bool(StringRef path)> wanted) {
  std::vector<std::string> files;
  std::error_code code;
  for (fs::directory_iterator it(folder, code), end; it != end && !code; it.increment(code))
    if (wanted(it->path()))
      files.push_back(it->path());
  if (code)
    return makeError(Diag::CannotRead, folder.str(), code.message());
  std::sort(files.begin(), files.end());
  return files;
}

llvm::Expected<std::vector<NamedTensor>> data::readArrays(StringRef where) {
  if (!fs::is_directory(where)) {
    if (path::extension(where) == ".npz")
      return readNpz(where);
    return makeError(Diag::CannotRead, where.str(),
                     fs::exists(where) ? "not an .npz file or a folder of .npy files"
                                       : "no such file or folder");
  }
  auto files = filesIn(where, [](StringRef file) { return path::extension(file) == ".npy"; });
  if (!files)
    return files.takeError();
  std::vector<NamedTensor> arrays;
  for (const std::string &file : *files) {
    auto tensor = readNpy(file);
    if (!tensor)
      return tensor.takeError();
    arrays.push_back({path::stem(file).str(), std::move(*tensor)});
  }
  if (arrays.empty())
    return makeError(Diag::UnsuitableData, where.str(), "the folder holds no .npy files");
  return arrays;
}

llvm::Error data::writeNpy(StringRef file, const HostTensor &tensor) {
  return writeFileAtomically(file, formatNpy(tensor));
}
