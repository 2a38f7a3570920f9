// Temporary folders and the list of those that exist.
#include "qcc/Support/TempFolder.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include <mutex>
#include <set>

using namespace qcc;
namespace fs = llvm::sys::fs;

namespace {
struct Registry {
  std::mutex mutex;
  std::set<std::string> paths;
};
/// Only the interrupt needs to know every folder; hence one registry for the process.
Registry &registry() {
  static Registry instance;
  return instance;
}
} // namespace

llvm::Expected<std::unique_ptr<TempFolder>> TempFolder::create() {
  llvm::SmallString<128> path;
  if (std::error_code failed = fs::createUniqueDirectory("qcc", path))
    return makeError(Diag::CannotWrite, "temporary folder", failed.message());
  std::lock_guard<std::mutex> lock(registry().mutex);
  registry().paths.insert(std::string(path));
  return std::unique_ptr<TempFolder>(new TempFolder(std::string(path)));
}

TempFolder::~TempFolder() {
  std::lock_guard<std::mutex> lock(registry().mutex);
  registry().paths.erase(path);
  fs::remove_directories(path, /*IgnoreErrors=*/true);
}

void TempFolder::removeAll() {
  std::lock_guard<std::mutex> lock(registry().mutex);
  for (const std::string &folder : registry().paths)
    fs::remove_directories(folder, /*IgnoreErrors=*/true);
}
