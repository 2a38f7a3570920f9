// One tensor of every sample of a data set, on disk and mapped: what a run leaves for the next one.
#ifndef QCC_DRIVER_SAMPLETENSORS_H
#define QCC_DRIVER_SAMPLETENSORS_H

#include "qcc/runtime.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <memory>
#include <vector>

namespace qcc {

/// Tensors of one type whose sizes may differ from sample to sample. They lie in an unlinked file
/// in the temporary folder, so that memory holds only what is being read and the bytes vanish with
/// the process, however it ends. Not for several threads at once.
class SampleTensors {
public:
  /// Errors: QCC1102 (no room, no permission).
  static llvm::Expected<std::unique_ptr<SampleTensors>> create(llvm::StringRef folder);
  ~SampleTensors();

  /// Adds the tensor of the next sample.
  llvm::Error append(const qcc_tensor &tensor);
  size_t size() const { return entries.size(); }
  /// A view, valid until another sample is viewed or one is appended.
  llvm::Expected<qcc_tensor> view(size_t sample);

private:
  struct Entry {
    qcc_dtype dtype;
    std::vector<int64_t> dims;
    uint64_t offset, bytes;
  };
  SampleTensors(int file, std::string folder) : file(file), folder(std::move(folder)) {}
  llvm::Error map(size_t sample);
  void unmap();

  int file;
  std::string folder;
  std::vector<Entry> entries;
  uint64_t end = 0;
  void *mapped = nullptr; ///< the tensor of one sample
  size_t mappedSample = 0;
  uint64_t mappedOffset = 0, mappedBytes = 0;
};

} // namespace qcc
#endif
