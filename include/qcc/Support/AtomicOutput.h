// Files that appear whole or not at all: written under a temporary name in their folder, then
// renamed together.
#ifndef QCC_SUPPORT_ATOMICOUTPUT_H
#define QCC_SUPPORT_ATOMICOUTPUT_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <string>
#include <vector>

namespace qcc {

/// A coded error for a failed write to `path`: 1130 no space, 1131 a directory, 1102 anything else;
/// the message carries the system's text.
llvm::Error writeError(llvm::StringRef path, int errnoValue);

/// A set of outputs that belong together. What has not been committed is removed by the destructor
/// and by SIGINT. Existing files survive until commit.
class AtomicOutputs {
public:
  AtomicOutputs() = default;
  AtomicOutputs(const AtomicOutputs &) = delete;
  AtomicOutputs &operator=(const AtomicOutputs &) = delete;
  ~AtomicOutputs();

  /// Reserves a temporary file beside `path`; returns its index. Fails early when the folder is
  /// absent or not writable, or `path` is a directory.
  llvm::Expected<size_t> add(llvm::StringRef path);
  const std::string &tempPath(size_t index) const { return files[index].temp; }
  /// Writes at an offset, through a descriptor that is opened on first use.
  llvm::Error write(size_t index, uint64_t offset, llvm::ArrayRef<uint8_t> bytes);
  /// An error unless the file system has `bytes` free.
  llvm::Error checkSpace(size_t index, uint64_t bytes);
  /// fsync and rename, in the order of add().
  llvm::Error commit();

private:
  struct File {
    std::string path, temp;
    int fd = -1;
    bool done = false;
  };
  llvm::Error open(File &file);
  std::vector<File> files;
};

/// The whole of a small file at once.
llvm::Error writeFileAtomically(llvm::StringRef path, llvm::ArrayRef<uint8_t> bytes);
llvm::Error writeFileAtomically(llvm::StringRef path, llvm::StringRef text);

} // namespace qcc
#endif
