// Files and blobs behind weights, mapped.
#ifndef QCC_LIB_PACK_WEIGHTFILES_H
#define QCC_LIB_PACK_WEIGHTFILES_H

#include "qcc/Reference/Interpreter.h"
#include "llvm/ADT/StringMap.h"

namespace qcc::pack {

/// Maps each file once, read-only, so that its pages are the page cache's and count as nobody's
/// data. Paths of `#qnt.file` must be relative and stay beneath the model's folder.
class WeightFiles : public reference::WeightSource {
public:
  WeightFiles(std::string modelDir, std::string blobDir)
      : modelDir(std::move(modelDir)), blobDir(std::move(blobDir)) {}
  ~WeightFiles() override;
  llvm::Expected<Bytes> read(mlir::Attribute source) override;
  /// Gives back the pages of what was read so far; reading them again loads them again.
  void release();

private:
  struct Mapping {
    const char *data = nullptr;
    uint64_t size = 0;
  };
  llvm::Expected<Mapping> map(const std::string &path);

  std::string modelDir, blobDir;
  llvm::StringMap<Mapping> mappings;
  std::vector<std::pair<const char *, uint64_t>> touched;
};

} // namespace qcc::pack
#endif
