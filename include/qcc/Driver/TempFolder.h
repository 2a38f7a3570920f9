// A folder for the length of a command.
#ifndef QCC_DRIVER_TEMPFOLDER_H
#define QCC_DRIVER_TEMPFOLDER_H

#include "llvm/Support/Error.h"
#include <memory>
#include <string>

namespace qcc {

/// Made in the system's temporary folder, removed with all it holds by the destructor. What is in
/// it when the process is killed stays; runs keep their large files unlinked (SampleTensors.h).
class TempFolder {
public:
  /// Errors: 1102.
  static llvm::Expected<std::unique_ptr<TempFolder>> create();
  ~TempFolder();
  const std::string path;

private:
  explicit TempFolder(std::string path) : path(std::move(path)) {}
};

} // namespace qcc
#endif
