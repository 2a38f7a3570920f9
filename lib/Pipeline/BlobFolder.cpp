// Blobs by content.
#include "qcc/Pipeline/BlobFolder.h"
#include "qcc/Support/AtomicOutput.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"

using namespace qcc;

llvm::Expected<qnt::BlobAttr> BlobFolder::add(mlir::MLIRContext &context,
                                              llvm::ArrayRef<uint8_t> bytes) {
  std::string name = llvm::toHex(llvm::SHA256::hash(bytes), true);
  if (std::error_code failed = llvm::sys::fs::create_directories(dir))
    return makeError(Diag::CannotWrite, dir, failed.message());
  llvm::SmallString<128> path(dir);
  llvm::sys::path::append(path, name);
  if (!llvm::sys::fs::exists(path))
    if (llvm::Error failed = writeFileAtomically(
            path, llvm::StringRef(reinterpret_cast<const char *>(bytes.data()), bytes.size())))
      return std::move(failed);
  return qnt::BlobAttr::get(&context, name, bytes.size());
}
