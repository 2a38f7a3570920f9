// Temporary folders and hashes of files.
#include "qcc/Driver/TempFolder.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SHA256.h"

using namespace qcc;

llvm::Expected<std::unique_ptr<TempFolder>> TempFolder::create() {
  llvm::SmallString<128> path;
  if (std::error_code failed = llvm::sys::fs::createUniqueDirectory("qcc-run", path))
    return makeError(Diag::CannotWrite, std::string(path), failed.message());
  return std::unique_ptr<TempFolder>(new TempFolder(std::string(path)));
}

TempFolder::~TempFolder() { llvm::sys::fs::remove_directories(path); }

std::string qcc::hashOfFile(llvm::StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path, false, false);
  if (!buffer)
    return "";
  return llvm::toHex(llvm::SHA256::hash(llvm::arrayRefFromStringRef((*buffer)->getBuffer())), true);
}
