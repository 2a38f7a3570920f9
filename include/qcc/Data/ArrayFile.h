// Arrays in files whose leading axis is read row by row, however large the file.
#ifndef QCC_DATA_ARRAYFILE_H
#define QCC_DATA_ARRAYFILE_H

#include "qcc/Data/DataFiles.h"

namespace qcc::data {

/// One array, its elements still in the file. Reading rows in ascending order is quick; going back
/// in a compressed member starts it anew. Memory holds the rows asked for, except that
/// column-major arrays are read whole. One thread at a time.
class ArrayFile {
public:
  virtual ~ArrayFile() = default;
  /// Rows [begin, end) of the leading axis; rank >= 1. Errors: QCC1820.
  virtual llvm::Expected<HostTensor> rows(int64_t begin, int64_t end) = 0;

  std::string name;
  uint32_t dtype = QCC_F32;
  std::vector<int64_t> dims;
  int64_t count() const { return dims.empty() ? 0 : dims[0]; }
};

/// The arrays of an .npz, of a folder of .npy files, or the one of an .npy file (named after it).
/// Every member of an archive is read once to verify its checksum. Errors: QCC1101, 1808, 1820,
/// 1821.
llvm::Expected<std::vector<std::unique_ptr<ArrayFile>>> openArrays(llvm::StringRef path);

} // namespace qcc::data
#endif
