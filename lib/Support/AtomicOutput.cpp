// AtomicOutputs: temporary files beside their destinations, removed unless committed.
#include "qcc/Support/AtomicOutput.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Errno.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Signals.h"
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

using namespace llvm;

namespace qcc {

Error writeError(StringRef path, int errnoValue) {
  std::string text = sys::StrError(errnoValue);
  switch (errnoValue) {
  case ENOSPC:
  case EDQUOT:
  case EFBIG:
    return makeError(Diag::OutputNoSpace, path.str(), "cannot write: " + text, {},
                     "free some space, or choose another folder with -o");
  case EISDIR:
    return makeError(Diag::OutputIsDirectory, path.str(), "cannot write: " + text, {},
                     "name a file with -o");
  default:
    return makeError(Diag::CannotWrite, path.str(), "cannot write: " + text);
  }
}

static Error writeError(StringRef path, std::error_code ec) {
  return writeError(path, ec.default_error_condition().value());
}

AtomicOutputs::~AtomicOutputs() {
  for (File &file : files) {
    if (file.fd >= 0)
      ::close(file.fd);
    if (!file.done)
      sys::fs::remove(file.temp);
    sys::DontRemoveFileOnSignal(file.temp);
  }
}

Expected<size_t> AtomicOutputs::add(StringRef path) {
  if (path.empty() || path.ends_with("/"))
    return writeError(path, EISDIR);
  sys::fs::file_status status;
  if (!sys::fs::status(path, status)) {
    if (sys::fs::is_directory(status))
      return writeError(path, EISDIR);
    // Renaming over a device or a pipe would replace it.
    if (!sys::fs::is_regular_file(status))
      return makeError(Diag::OutputNotRegular, path.str(), "cannot write: not a regular file");
  }
  StringRef folder = sys::path::parent_path(path);
  SmallString<128> pattern(folder);
  sys::path::append(pattern, "." + sys::path::filename(path) + ".%%%%%%%%.tmp");
  SmallString<128> temp;
  int fd = -1;
  if (std::error_code ec = sys::fs::createUniqueFile(pattern, fd, temp, sys::fs::OF_None,
                                                     sys::fs::all_read | sys::fs::all_write))
    return writeError(path, ec);
  ::close(fd); // the linker replaces the file; open() reopens what is there then
  sys::RemoveFileOnSignal(temp);
  files.push_back({path.str(), temp.str().str(), -1, false});
  return files.size() - 1;
}

Error AtomicOutputs::open(File &file) {
  if (file.fd >= 0)
    return Error::success();
  file.fd = ::open(file.temp.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  return file.fd >= 0 ? Error::success() : writeError(file.path, errno);
}

Error AtomicOutputs::write(size_t index, uint64_t offset, ArrayRef<uint8_t> bytes) {
  File &file = files[index];
  if (Error e = open(file))
    return e;
  while (!bytes.empty()) {
    size_t piece = std::min<size_t>(bytes.size(), size_t(1) << 30);
    ssize_t n = ::pwrite(file.fd, bytes.data(), piece, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return writeError(file.path, n < 0 ? errno : ENOSPC);
    bytes = bytes.drop_front(n);
    offset += n;
  }
  return Error::success();
}

Error AtomicOutputs::checkSpace(size_t index, uint64_t bytes) {
  ErrorOr<sys::fs::space_info> space = sys::fs::disk_space(files[index].temp);
  if (!space || space->available >= bytes)
    return Error::success(); // unknown: the write itself will tell
  return makeError(Diag::OutputNoSpace, files[index].path,
                   "the output needs " + std::to_string(bytes >> 20) + " MiB, and " +
                       std::to_string(space->available >> 20) +
                       " MiB are free: " + sys::StrError(ENOSPC),
                   {}, "free some space, or choose another folder with -o");
}

Error AtomicOutputs::commit() {
  for (File &file : files) {
    if (Error e = open(file))
      return e;
    // File systems that cannot sync say so with EINVAL.
    if (::fsync(file.fd) != 0 && errno != EINVAL && errno != EROFS)
      return writeError(file.path, errno);
    int fd = file.fd;
    file.fd = -1;
    if (::close(fd) != 0 && errno != EINTR)
      return writeError(file.path, errno);
  }
  for (File &file : files) {
    if (std::error_code ec = sys::fs::rename(file.temp, file.path))
      return writeError(file.path, ec);
    file.done = true;
    sys::DontRemoveFileOnSignal(file.temp);
  }
  return Error::success();
}

Error writeFileAtomically(StringRef path, ArrayRef<uint8_t> bytes) {
  AtomicOutputs outputs;
  Expected<size_t> index = outputs.add(path);
  if (!index)
    return index.takeError();
  if (Error e = outputs.write(*index, 0, bytes))
    return e;
  return outputs.commit();
}

Error writeFileAtomically(StringRef path, StringRef text) {
  return writeFileAtomically(path, arrayRefFromStringRef(text));
}

} // namespace qcc
