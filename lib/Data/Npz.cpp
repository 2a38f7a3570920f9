// The .npz format: a zip archive of .npy members. A member is inflated into a buffer of the size
// that it declares, so that an archive takes no more memory than it declares and DataLimits allows.
#include "Zip.h"
#include "qcc/Support/AtomicOutput.h"
#include "qcc/Support/Diagnostics.h"
#include <zlib.h>

using namespace qcc;
using namespace qcc::data;
using llvm::ArrayRef;
using llvm::StringRef;

llvm::Expected<std::vector<NamedTensor>> data::parseNpz(ArrayRef<uint8_t> archived, StringRef where,
                                                        DataLimits limits) {
  ZipArchive archive(archived, where, limits);
  if (llvm::Error error = archive.readDirectory())
    return error;
  std::vector<NamedTensor> arrays;
  for (const ZipMember &member : archive.members) {
    StringRef name = member.name;
    if (!name.consume_back(".npy"))
      return makeError(Diag::MalformedData, where.str(),
                       "member '" + member.name + "' is not an .npy array");
    std::vector<uint8_t> bytes;
    bytes.reserve(member.size);
    if (llvm::Error error = archive.verify(member, [&](ArrayRef<uint8_t> part) {
          bytes.insert(bytes.end(), part.begin(), part.end());
        }))
      return std::move(error);
    llvm::Expected<HostTensor> tensor = parseNpy(bytes, (where + "(" + name + ")").str());
    if (!tensor)
      return tensor.takeError();
    for (const NamedTensor &other : arrays)
      if (other.name == name)
        return makeError(Diag::MalformedData, where.str(),
                         "two members named '" + name.str() + "'");
    arrays.push_back({name.str(), std::move(*tensor)});
  }
  return arrays;
}

static void put(std::vector<uint8_t> &bytes, uint64_t value, unsigned count) {
  for (unsigned i = 0; i < count; ++i, value >>= 8)
    bytes.push_back(static_cast<uint8_t>(value));
}

llvm::Error data::writeNpz(StringRef path, ArrayRef<NamedTensor> arrays, uint64_t maxBytes) {
  assert(maxBytes <= 0xffffffff && "offsets have 32 bits");
  std::vector<uint8_t> bytes, directory;
  if (arrays.size() > 0xffff)
    return makeError(Diag::CannotWrite, path.str(),
                     std::to_string(arrays.size()) + " arrays do not fit in one archive");
  for (const NamedTensor &array : arrays) {
    std::vector<uint8_t> npy = formatNpy(array.tensor);
    std::string name = array.name + ".npy";
    uint64_t offset = bytes.size();
    if (name.size() > 0xffff)
      return makeError(Diag::CannotWrite, path.str(),
                       "a name of " + std::to_string(name.size()) +
                           " bytes does not fit in an archive");
    // What follows takes the array, its name twice, and less than 128 bytes.
    if (offset + directory.size() + npy.size() + 2 * name.size() + 128 > maxBytes)
      return makeError(Diag::CannotWrite, path.str(),
                       "the arrays do not fit in " + std::to_string(maxBytes) + " bytes");
    // Version 2.0, UTF-8 names, stored, 1980-01-01; then checksum and sizes.
    std::vector<uint8_t> common;
    put(common, 20, 2);
    put(common, 0x0800, 2);
    put(common, 0, 2);
    put(common, 0x00210000, 4);
    put(common, crc32_z(0, npy.data(), npy.size()), 4);
    put(common, npy.size(), 4);
    put(common, npy.size(), 4);
    put(common, name.size(), 2);
    put(common, 0, 2);
    put(bytes, 0x04034b50, 4);
    bytes.insert(bytes.end(), common.begin(), common.end());
    bytes.insert(bytes.end(), name.begin(), name.end());
    bytes.insert(bytes.end(), npy.begin(), npy.end());
    put(directory, 0x02014b50, 4);
    put(directory, 20, 2);
    directory.insert(directory.end(), common.begin(), common.end());
    put(directory, 0, 2 + 2 + 2 + 4); // comment, disk, attributes
    put(directory, offset, 4);
    directory.insert(directory.end(), name.begin(), name.end());
  }
  uint64_t start = bytes.size();
  bytes.insert(bytes.end(), directory.begin(), directory.end());
  put(bytes, 0x06054b50, 4);
  put(bytes, 0, 4);
  put(bytes, arrays.size(), 2);
  put(bytes, arrays.size(), 2);
  put(bytes, directory.size(), 4);
  put(bytes, start, 4);
  put(bytes, 0, 2);
  return writeFileAtomically(path, bytes);
}
