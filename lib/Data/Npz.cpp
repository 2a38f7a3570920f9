// The .npz format: a zip archive of .npy members. A member is inflated into a buffer of the size
// that it declares, so that an archive takes no more memory than it declares and DataLimits allows.
#include "Zip.h"
#include "qcc/Support/Diagnostics.h"

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
