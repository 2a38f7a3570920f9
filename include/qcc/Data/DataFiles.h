// Tensors in files: NumPy arrays (.npy), their archives (.npz) and ONNX test data (.pb).
// Files are hostile until parsed: every size is checked against the file before memory is taken.
// Errors: QCC1101/1102 (files), QCC1820 (malformed), QCC1821 (types that no model takes).
#ifndef QCC_DATA_DATAFILES_H
#define QCC_DATA_DATAFILES_H

#include "qcc/Data/HostTensor.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Error.h"

namespace qcc::data {

/// Bounds on what a data file may ask for.
struct DataLimits {
  uint64_t maxEntries = 65536;           ///< in one archive
  uint64_t maxBytes = uint64_t(1) << 36; ///< of all arrays of one file together
};

/// Parses the bytes of an .npy file, versions 1 to 3, C or Fortran order, either byte order.
/// `where` names the file in messages.
llvm::Expected<HostTensor> parseNpy(llvm::ArrayRef<uint8_t> bytes, llvm::StringRef where);
/// The bytes of an .npy file (version 1). bf16 has no NumPy type and is written as f32.
std::vector<uint8_t> formatNpy(const HostTensor &tensor);

/// Parses a zip archive of .npy members, stored or deflated; names lose their `.npy`.
llvm::Expected<std::vector<NamedTensor>> parseNpz(llvm::ArrayRef<uint8_t> bytes,
                                                  llvm::StringRef where, DataLimits limits = {});

llvm::Expected<HostTensor> readNpy(llvm::StringRef path);
llvm::Expected<std::vector<NamedTensor>> readNpz(llvm::StringRef path);
/// A serialized TensorProto. 4- and 2-bit integers are unpacked to 8 bits.
llvm::Expected<NamedTensor> readPb(llvm::StringRef path);

/// One tensor from .npy, .pb, or an .npz: its member `name`, or its only one.
llvm::Expected<HostTensor> readTensor(llvm::StringRef path, llvm::StringRef name);
/// All arrays of an .npz, or of a folder of .npy files named after them.
llvm::Expected<std::vector<NamedTensor>> readArrays(llvm::StringRef path);

/// Paths of what `folder` holds and `wanted` accepts, sorted.
llvm::Expected<std::vector<std::string>>
filesIn(llvm::StringRef folder, llvm::function_ref<bool(llvm::StringRef path)> wanted);

/// Writes by atomic rename.
llvm::Error writeNpy(llvm::StringRef path, const HostTensor &tensor);
/// An archive of stored members NAME.npy, without times, so that equal arrays are equal bytes. At
/// most 65,535 arrays and maxBytes, which the format allows to be 4 GiB at most. Errors: 1102.
llvm::Error writeNpz(llvm::StringRef path, llvm::ArrayRef<NamedTensor> arrays,
                     uint64_t maxBytes = 0xffffffff);

} // namespace qcc::data
#endif
