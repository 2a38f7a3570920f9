// Mapping of the files behind weights.
#include "WeightFiles.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/Support/Path.h"
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace mlir;
using namespace qcc;
using namespace qcc::pack;
using llvm::StringRef;

WeightFiles::~WeightFiles() {
  for (auto &entry : mappings)
    if (entry.second.size)
      ::munmap(const_cast<char *>(entry.second.data), entry.second.size);
}

/// Whether `path` is relative and never leaves its folder by name. Links were refused when the
/// model was read.
static bool staysBeneath(StringRef path) {
  if (path.empty() || path.starts_with("/") || path.contains('\0'))
    return false;
  SmallVector<StringRef> parts;
  path.split(parts, '/');
  return !llvm::is_contained(parts, "..");
}

static bool isHash(StringRef name) {
  return name.size() == 64 && llvm::all_of(name, llvm::isHexDigit);
}

llvm::Expected<WeightFiles::Mapping> WeightFiles::map(const std::string &path) {
  if (auto found = mappings.find(path); found != mappings.end())
    return found->second;
  auto fail = [&](const char *what) {
    return makeError(Diag::WeightBytesMissing, path, std::string(what) + std::strerror(errno));
  };
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0)
    return fail("cannot open: ");
  struct stat info;
  Mapping mapping;
  llvm::Error error = llvm::Error::success();
  if (::fstat(fd, &info) != 0) {
    error = fail("cannot stat: ");
  } else if (!S_ISREG(info.st_mode)) {
    error = makeError(Diag::WeightBytesMissing, path, "is not a regular file");
  } else if (info.st_size > 0) {
    void *data = ::mmap(nullptr, info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
      error = fail("cannot map: ");
    else
      mapping = {static_cast<const char *>(data), static_cast<uint64_t>(info.st_size)};
  }
  ::close(fd);
  if (error)
    return std::move(error);
  return mappings[path] = mapping;
}

llvm::Expected<reference::WeightSource::Bytes> WeightFiles::read(Attribute source) {
  SmallString<128> path;
  uint64_t offset = 0, length = 0;
  if (auto file = dyn_cast<qnt::FileAttr>(source)) {
    if (!staysBeneath(file.getPath()))
      return makeError(Diag::ExternalDataPath, file.getPath().str(),
                       "is not a relative path beneath the model's folder");
    path = modelDir;
    llvm::sys::path::append(path, file.getPath());
    offset = file.getOffset();
    length = file.getLength();
  } else {
    auto blob = cast<qnt::BlobAttr>(source);
    if (!isHash(blob.getSha256()))
      return makeError(Diag::WeightBytesMissing, blob.getSha256().str(),
                       "is not the hash of a blob");
    path = blobDir;
    llvm::sys::path::append(path, blob.getSha256());
    length = blob.getLength();
  }
  auto mapping = map(path.str().str());
  if (!mapping)
    return mapping.takeError();
  if (offset > mapping->size || length > mapping->size - offset)
    return makeError(Diag::WeightBytesMissing, path.str().str(),
                     "has " + std::to_string(mapping->size) + " bytes, but a weight lies at " +
                         std::to_string(offset) + " and has " + std::to_string(length));
  touched.emplace_back(mapping->data + offset, length);
  return Bytes{mapping->data + offset, static_cast<size_t>(length), nullptr};
}

void WeightFiles::release() {
  auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  for (auto [data, length] : touched) {
    // A private mapping that is never written loses nothing but its place in memory.
    uintptr_t begin = reinterpret_cast<uintptr_t>(data) / page * page;
    uintptr_t end = reinterpret_cast<uintptr_t>(data) + length;
    if (end > begin)
      ::madvise(reinterpret_cast<void *>(begin), end - begin, MADV_DONTNEED);
  }
  touched.clear();
}
