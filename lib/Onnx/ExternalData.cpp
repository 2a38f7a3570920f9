// Opening the files behind a model. External data must stay beneath the model's folder: the kernel
// resolves the path without links (openat2), or, where it is too old, each component is opened by
// itself. What is checked is the open descriptor, and that descriptor is what gets mapped.
#include "Wire.h"
#include "llvm/Support/Path.h"
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace qcc;
using namespace qcc::onnx;
using llvm::StringRef;

MappedFile::~MappedFile() {
  if (owned && size)
    ::munmap(const_cast<uint8_t *>(data), size);
}

void MappedFile::swap(MappedFile &other) noexcept {
  std::swap(path, other.path);
  std::swap(data, other.data);
  std::swap(size, other.size);
  std::swap(owned, other.owned);
}

namespace {

/// Closes a descriptor at the end of its scope.
struct Descriptor {
  explicit Descriptor(int fd) : fd(fd) {}
  Descriptor(const Descriptor &) = delete;
  ~Descriptor() {
    if (fd >= 0)
      ::close(fd);
  }
  int fd;
};

// Opening must not wait for the other end of a pipe nor make a terminal ours.
constexpr int readFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

// The kernel's struct open_how and its flags, for C libraries that do not have them.
struct OpenHow {
  uint64_t flags, mode, resolve;
};
constexpr uint64_t resolveNoMagicLinks = 0x02, resolveNoSymlinks = 0x04, resolveBeneath = 0x08;

} // namespace

int qcc::onnx::openBeneathByKernel(int folder, const std::string &path) {
#ifdef SYS_openat2
  OpenHow how = {readFlags, 0, resolveNoMagicLinks | resolveNoSymlinks | resolveBeneath};
  return static_cast<int>(::syscall(SYS_openat2, folder, path.c_str(), &how, sizeof how));
#else
  errno = ENOSYS;
  return -1;
#endif
}

int qcc::onnx::openBeneathByComponent(int folder, StringRef path) {
  int current = folder;
  while (true) {
    auto [head, rest] = path.split('/');
    int flags =
        rest.empty() ? readFlags | O_NOFOLLOW : O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int next = ::openat(current, head.str().c_str(), flags);
    int saved = errno;
    // A link where a folder is asked for reports ENOTDIR.
    struct stat info;
    if (next < 0 && saved == ENOTDIR &&
        ::fstatat(current, head.str().c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISLNK(info.st_mode))
      saved = ELOOP;
    if (current != folder)
      ::close(current);
    errno = saved;
    if (next < 0 || rest.empty())
      return next;
    current = next;
    path = rest;
  }
}

namespace {

llvm::Expected<MappedFile> mapDescriptor(int fd, uint64_t size, StringRef path,
                                         const std::string &where) {
  if (size == 0)
    return MappedFile(path.str(), nullptr, 0, false);
  void *data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (data == MAP_FAILED)
    return makeError(Diag::CannotRead, where,
                     "cannot map '" + printable(path) + "': " + std::strerror(errno));
  return MappedFile(path.str(), static_cast<const uint8_t *>(data), size, true);
}

/// The location without '.' and empty components, or nothing when it could leave the folder.
std::optional<std::string> normalise(StringRef location) {
  if (location.empty() || location.starts_with("/") || location.contains('\0'))
    return std::nullopt;
  std::string out;
  for (StringRef rest = location; !rest.empty();) {
    StringRef head;
    std::tie(head, rest) = rest.split('/');
    if (head == "..")
      return std::nullopt;
    if (head.empty() || head == ".")
      continue;
    if (!out.empty())
      out += '/';
    out += head;
  }
  if (out.empty() || location.ends_with("/"))
    return std::nullopt;
  return out;
}

} // namespace

llvm::Expected<MappedFile> qcc::onnx::mapFile(StringRef path) {
  if (path.empty() || path.contains('\0'))
    return makeError(Diag::CannotRead, printable(path), "the path is empty or holds a NUL byte");
  Descriptor file(::open(path.str().c_str(), readFlags));
  struct stat info;
  if (file.fd < 0 || ::fstat(file.fd, &info) != 0)
    return makeError(Diag::CannotRead, path.str(),
                     std::string("cannot open: ") + std::strerror(errno));
  if (!S_ISREG(info.st_mode))
    return makeError(Diag::CannotRead, path.str(),
                     S_ISDIR(info.st_mode) ? "is a folder, not a file" : "is not a regular file");
  return mapDescriptor(file.fd, static_cast<uint64_t>(info.st_size), path, path.str());
}

ExternalFiles::~ExternalFiles() {
  if (folder >= 0)
    ::close(folder);
}

llvm::Error ExternalFiles::openFolder(const std::string &where) {
  if (folder >= 0)
    return llvm::Error::success();
  StringRef parent = llvm::sys::path::parent_path(modelPath);
  std::string name = parent.empty() ? "." : parent.str();
  folder = ::open(name.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0)
    return llvm::Error::success();
  return makeError(Diag::CannotRead, where,
                   "cannot open the model's folder '" + name + "': " + std::strerror(errno));
}

static llvm::Error openError(int code, StringRef location, const std::string &where) {
  std::string name = "'" + printable(location) + "'";
  if (code == ELOOP)
    return makeError(Diag::ExternalDataLink, where,
                     "external data " + name + " is reached through a symbolic link", {},
                     "copy the data file itself beside the model");
  if (code == ENXIO)
    return makeError(Diag::ExternalDataKind, where,
                     "external data " + name + " is not a regular file");
  return makeError(Diag::ExternalDataMissing, where,
                   "cannot open external data " + name + ": " + std::strerror(code), {},
                   "the file is looked for relative to the model's folder");
}

llvm::Expected<int> ExternalFiles::open(StringRef location, const std::string &where) {
  std::optional<std::string> path = normalise(location);
  if (!path)
    return makeError(Diag::ExternalDataPath, where,
                     "location '" + printable(location) +
                         "' is not a relative path beneath the model's folder");
  if (auto found = known.find(*path); found != known.end())
    return found->second;
  if (llvm::Error error = openFolder(where))
    return std::move(error);
  int fd = openBeneathByKernel(folder, *path);
  // Old kernels lack the call and some sandboxes forbid it.
  if (fd < 0 && (errno == ENOSYS || errno == EPERM || errno == EINVAL))
    fd = openBeneathByComponent(folder, *path);
  Descriptor file(fd);
  struct stat info;
  if (fd < 0 || ::fstat(fd, &info) != 0)
    return openError(errno, location, where);
  std::string name = "'" + printable(location) + "'";
  if (!S_ISREG(info.st_mode))
    return makeError(Diag::ExternalDataKind, where,
                     "external data " + name +
                         (S_ISDIR(info.st_mode) ? " is a folder" : " is not a regular file"));
  if (info.st_nlink > 1)
    return makeError(Diag::ExternalDataLink, where,
                     "external data " + name + " has " + std::to_string(info.st_nlink) +
                         " hard links, 1 is allowed",
                     {}, "copy the data file itself beside the model");
  llvm::Expected<MappedFile> mapped =
      mapDescriptor(fd, static_cast<uint64_t>(info.st_size), *path, where);
  if (!mapped)
    return mapped.takeError();
  int index = static_cast<int>(files.size());
  files.push_back(std::move(*mapped));
  known[*path] = index;
  return index;
}
