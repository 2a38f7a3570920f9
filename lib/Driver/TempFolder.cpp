// Temporary folders.
#include "qcc/Driver/TempFolder.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"

using namespace qcc;

llvm::Expected<std::unique_ptr<TempFolder>> TempFolder::create() {
  llvm::SmallString<128> path;
  if (std::error_code failed = llvm::sys::fs::createUniqueDirectory("qcc-run", path))
    return makeError(Diag::CannotWrite, std::string(path), failed.message());
  return std::unique_ptr<TempFolder>(new TempFolder(std::string(path)));
}

TempFolder::~TempFolder() { llvm::sys::fs::remove_directories(path); }
