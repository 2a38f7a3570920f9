// Parts as files: 32 bytes of SHA-256, then the bytes.
#include "qcc/Driver/WorkFolder.h"
#include "qcc/Support/AtomicOutput.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"
#include <cstring>

using namespace qcc;
using llvm::StringRef;

static std::string hexHash(StringRef text) {
  return llvm::toHex(llvm::SHA256::hash(llvm::arrayRefFromStringRef(text)), true);
}

llvm::Expected<WorkFolder> WorkFolder::open(StringRef folder, StringRef key) {
  std::string path = folder.str() + "/" + hexHash(key).substr(0, 16);
  if (std::error_code failed = llvm::sys::fs::create_directories(path))
    return makeError(Diag::CannotWrite, path, failed.message());
  return WorkFolder(path);
}

std::string WorkFolder::fileOf(StringRef name) const {
  return folder + "/" + hexHash(name).substr(0, 24) + ".part";
}

std::optional<std::vector<uint8_t>> WorkFolder::find(StringRef name) const {
  auto buffer = llvm::MemoryBuffer::getFile(fileOf(name), false, false);
  if (!buffer || (*buffer)->getBufferSize() < 32)
    return std::nullopt;
  auto bytes = llvm::arrayRefFromStringRef((*buffer)->getBuffer());
  auto hash = llvm::SHA256::hash(bytes.drop_front(32));
  if (std::memcmp(hash.data(), bytes.data(), 32) != 0)
    return std::nullopt;
  return std::vector<uint8_t>(bytes.begin() + 32, bytes.end());
}

llvm::Error WorkFolder::keep(StringRef name, llvm::ArrayRef<uint8_t> bytes) const {
  auto hash = llvm::SHA256::hash(bytes);
  std::string text(reinterpret_cast<const char *>(hash.data()), hash.size());
  text.append(reinterpret_cast<const char *>(bytes.data()), bytes.size());
  return writeFileAtomically(fileOf(name), text);
}

void WorkFolder::remove() const {
  llvm::sys::fs::remove_directories(folder);
  // The folder around it goes when nothing else is in it.
  llvm::sys::fs::remove(llvm::sys::path::parent_path(folder));
}
