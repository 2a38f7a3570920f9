// The header of an .npy array, apart from its elements.
#ifndef QCC_LIB_DATA_NPYHEADER_H
#define QCC_LIB_DATA_NPYHEADER_H

#include "qcc/Data/DataFiles.h"

namespace qcc::data {

struct NpyHeader {
  uint32_t dtype = 0;
  bool swapped = false; ///< big-endian
  bool fortran = false; ///< column-major
  std::vector<int64_t> dims;
  uint64_t start = 0; ///< offset of the elements
};

/// `bytes` is the beginning of an array of `size` bytes and holds the header whole; the elements
/// fit into the rest.
llvm::Expected<NpyHeader> parseNpyHeader(llvm::ArrayRef<uint8_t> bytes, uint64_t size,
                                         llvm::StringRef where);
/// Elements as they lie in the file, brought to this machine's byte order and to row-major order.
HostTensor finishNpy(const NpyHeader &header, HostTensor tensor);

} // namespace qcc::data
#endif
