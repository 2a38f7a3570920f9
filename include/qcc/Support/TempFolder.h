// A folder for the length of a command.
#ifndef QCC_SUPPORT_TEMPFOLDER_H
#define QCC_SUPPORT_TEMPFOLDER_H

#include "llvm/Support/Error.h"
#include <memory>
#include <string>

namespace qcc {

/// Made in the system's temporary folder, removed with all it holds by the destructor, or by
/// removeAll() when the process is interrupted. What is in it when the process is killed stays.
class TempFolder {
public:
  /// Errors: 1102.
  static llvm::Expected<std::unique_ptr<TempFolder>> create();
  ~TempFolder();
  const std::string path;

  /// For the interrupt: removes every folder that is still there.
  static void removeAll();

private:
  explicit TempFolder(std::string path) : path(std::move(path)) {}
};

} // namespace qcc
#endif
