// Row-wise reading of mapped .npy files and of members of .npz files.
#include "qcc/Data/ArrayFile.h"
#include "NpyHeader.h"
#include "Zip.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <sys/mman.h>

using namespace qcc;
using namespace qcc::data;
using llvm::ArrayRef;
using llvm::StringRef;
namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

namespace {
/// A mapped file that gives its pages back after so many bytes have been read, so that resident
/// memory does not grow with the file. Mapped here since llvm::MemoryBuffer's advice is
/// posix_madvise's, which glibc ignores.
class MappedFile {
public:
  static llvm::Expected<std::shared_ptr<MappedFile>> open(StringRef file) {
    auto failed = [&](std::error_code code) {
      return makeError(Diag::CannotRead, file.str(), code.message());
    };
    auto handle = fs::openNativeFileForRead(file);
    if (!handle)
      return failed(llvm::errorToErrorCode(handle.takeError()));
    auto mapped = std::make_shared<MappedFile>();
    mapped->path = file.str();
    fs::file_status status;
    std::error_code code = fs::status(*handle, status);
    if (!code && status.type() != fs::file_type::regular_file)
      code = std::make_error_code(std::errc::invalid_argument);
    if (!code && status.getSize()) {
      mapped->size = status.getSize();
      mapped->data = ::mmap(nullptr, mapped->size, PROT_READ, MAP_PRIVATE, *handle, 0);
      if (mapped->data == MAP_FAILED) {
        code = std::error_code(errno, std::generic_category());
        mapped->data = nullptr;
      }
    }
    fs::closeFile(*handle);
    if (code)
      return failed(code);
    return mapped;
  }
  ~MappedFile() {
    if (data)
      ::munmap(data, size);
  }
  ArrayRef<uint8_t> bytes() const { return {static_cast<const uint8_t *>(data), size}; }
  void touched(uint64_t count) {
    constexpr uint64_t most = 16 << 20;
    if ((since += count) < most || !data)
      return;
    since = 0;
    ::madvise(data, size, MADV_DONTNEED);
  }
  std::string path;

private:
  void *data = nullptr;
  size_t size = 0;
  uint64_t since = 0;
};

/// Elements that lie in the file as they are.
class PlainArray : public ArrayFile {
public:
  PlainArray(std::shared_ptr<MappedFile> file, ArrayRef<uint8_t> elements, NpyHeader header)
      : file(std::move(file)), elements(elements), header(std::move(header)) {}

  llvm::Expected<HostTensor> rows(int64_t begin, int64_t end) override {
    assert(begin >= 0 && begin <= end && end <= count());
    if (header.fortran && dims.size() > 1) {
      if (!whole.count())
        whole = finishNpy(header, copy(0, count()));
      return whole.rows(begin, end);
    }
    return finishNpy(header, copy(begin, end));
  }

private:
  HostTensor copy(int64_t begin, int64_t end) {
    std::vector<int64_t> shape = dims;
    shape[0] = end - begin;
    HostTensor tensor(dtype, std::move(shape));
    if (tensor.bytes())
      std::memcpy(tensor.data(), elements.data() + tensor.bytes() / (end - begin) * begin,
                  tensor.bytes());
    file->touched(tensor.bytes());
    return tensor;
  }

  std::shared_ptr<MappedFile> file;
  ArrayRef<uint8_t> elements;
  NpyHeader header;
  HostTensor whole;
};

/// A deflated member: a stream that only goes forward.
class DeflatedArray : public ArrayFile {
public:
  DeflatedArray(std::shared_ptr<MappedFile> file, ArrayRef<uint8_t> packed, const ZipMember &member,
                NpyHeader header)
      : file(std::move(file)), stream(packed, member), header(std::move(header)) {}

  llvm::Expected<HostTensor> rows(int64_t begin, int64_t end) override {
    assert(begin >= 0 && begin <= end && end <= count());
    bool column = header.fortran && dims.size() > 1;
    if (column && whole.count())
      return whole.rows(begin, end);
    std::vector<int64_t> shape = dims;
    shape[0] = column ? count() : end - begin;
    HostTensor tensor(dtype, std::move(shape));
    uint64_t row = tensor.dims()[0] ? tensor.bytes() / tensor.dims()[0] : 0;
    uint64_t from = header.start + (column ? 0 : row * begin);
    if (llvm::Error error = skipTo(from))
      return std::move(error);
    if (stream.read(tensor.data(), tensor.bytes()) != tensor.bytes())
      return damaged();
    file->touched(tensor.bytes());
    if (!column)
      return finishNpy(header, std::move(tensor));
    whole = finishNpy(header, std::move(tensor));
    return whole.rows(begin, end);
  }

private:
  llvm::Error damaged() const {
    return makeError(Diag::MalformedData, file->path,
                     "array '" + name + "' changed while it was read");
  }
  llvm::Error skipTo(uint64_t position) {
    if (position < stream.position())
      stream.rewind();
    std::vector<uint8_t> scrap(std::min<uint64_t>(position - stream.position(), 1 << 16));
    while (stream.position() < position) {
      size_t wanted = std::min<uint64_t>(scrap.size(), position - stream.position());
      if (stream.read(scrap.data(), wanted) != wanted)
        return damaged();
    }
    return llvm::Error::success();
  }

  std::shared_ptr<MappedFile> file;
  MemberStream stream;
  NpyHeader header;
  HostTensor whole;
};

std::unique_ptr<ArrayFile> named(std::unique_ptr<ArrayFile> array, StringRef name,
                                 const NpyHeader &header) {
  array->name = name.str();
  array->dtype = header.dtype;
  array->dims = header.dims;
  return array;
}

llvm::Expected<std::unique_ptr<ArrayFile>> openNpy(StringRef where) {
  auto file = MappedFile::open(where);
  if (!file)
    return file.takeError();
  ArrayRef<uint8_t> bytes = (*file)->bytes();
  auto header = parseNpyHeader(bytes, bytes.size(), where);
  if (!header)
    return header.takeError();
  ArrayRef<uint8_t> elements = bytes.drop_front(header->start);
  return named(std::make_unique<PlainArray>(std::move(*file), elements, *header), path::stem(where),
               *header);
}

llvm::Expected<std::unique_ptr<ArrayFile>> openMember(const std::shared_ptr<MappedFile> &file,
                                                      const ZipArchive &archive,
                                                      const ZipMember &member) {
  StringRef name = member.name;
  if (!name.consume_back(".npy"))
    return makeError(Diag::MalformedData, file->path,
                     "member '" + member.name + "' is not an .npy array");
  // The header of version 1 ends within 64 KiB; longer ones belong to structured arrays.
  constexpr size_t most = 10 + 65535;
  std::vector<uint8_t> head;
  if (llvm::Error error = archive.verify(member, [&](ArrayRef<uint8_t> part) {
        if (head.size() < most)
          head.insert(head.end(), part.begin(), part.end());
        file->touched(part.size());
      }))
    return std::move(error);
  std::string label = file->path + "(" + name.str() + ")";
  auto header = parseNpyHeader(head, member.size, label);
  if (!header)
    return header.takeError();
  ArrayRef<uint8_t> packed = llvm::cantFail(archive.packedBytes(member));
  if (member.method == 0)
    return named(std::make_unique<PlainArray>(file, packed.drop_front(header->start), *header),
                 name, *header);
  return named(std::make_unique<DeflatedArray>(file, packed, member, *header), name, *header);
}

llvm::Expected<std::vector<std::unique_ptr<ArrayFile>>> openNpz(StringRef where) {
  auto file = MappedFile::open(where);
  if (!file)
    return file.takeError();
  ZipArchive archive((*file)->bytes(), where);
  if (llvm::Error error = archive.readDirectory())
    return std::move(error);
  std::vector<std::unique_ptr<ArrayFile>> arrays;
  for (const ZipMember &member : archive.members) {
    auto array = openMember(*file, archive, member);
    if (!array)
      return array.takeError();
    for (const auto &other : arrays)
      if (other->name == (*array)->name)
        return makeError(Diag::MalformedData, where.str(),
                         "two members named '" + other->name + "'");
    arrays.push_back(std::move(*array));
  }
  return arrays;
}
} // namespace

llvm::Expected<std::vector<std::unique_ptr<ArrayFile>>> data::openArrays(StringRef where) {
  std::vector<std::unique_ptr<ArrayFile>> arrays;
  std::vector<std::string> files;
  if (!fs::is_directory(where)) {
    StringRef suffix = path::extension(where);
    if (suffix == ".npz")
      return openNpz(where);
    if (suffix != ".npy")
      return makeError(Diag::CannotRead, where.str(),
                       fs::exists(where) ? "not an .npz file, an .npy file or a folder of them"
                                         : "no such file or folder");
    files.push_back(where.str());
  } else {
    auto found = filesIn(where, [](StringRef file) { return path::extension(file) == ".npy"; });
    if (!found)
      return found.takeError();
    files = std::move(*found);
  }
  for (const std::string &file : files) {
    auto array = openNpy(file);
    if (!array)
      return array.takeError();
    arrays.push_back(std::move(*array));
  }
  if (arrays.empty())
    return makeError(Diag::UnsuitableData, where.str(), "the folder holds no .npy files");
  return arrays;
}
