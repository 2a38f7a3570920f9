// Bytes that are no range of a file: files named by the hash of what they hold.
#ifndef QCC_PIPELINE_BLOBFOLDER_H
#define QCC_PIPELINE_BLOBFOLDER_H

#include "Qnt/Qnt.h"
#include "llvm/Support/Error.h"
#include <string>

namespace qcc {

class BlobFolder {
public:
  explicit BlobFolder(std::string dir) : dir(std::move(dir)) {}
  /// Writes the bytes unless they are there already. Errors: 1102.
  llvm::Expected<qnt::BlobAttr> add(mlir::MLIRContext &context, llvm::ArrayRef<uint8_t> bytes);

private:
  std::string dir;
};

} // namespace qcc
#endif
