// Finished parts of a long quantization, so that an interrupted one goes on where it stopped.
#ifndef QCC_DRIVER_WORKFOLDER_H
#define QCC_DRIVER_WORKFOLDER_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace qcc {

/// A folder of parts under a key that names everything that they depend on: parts that another
/// model, other data or other options left are never found.
class WorkFolder {
public:
  /// `key` is any text; its hash names the folder within `folder`. Errors: 1102.
  static llvm::Expected<WorkFolder> open(llvm::StringRef folder, llvm::StringRef key);

  /// The bytes kept as `name`; nothing when there are none or they are damaged.
  std::optional<std::vector<uint8_t>> find(llvm::StringRef name) const;
  /// Keeps bytes, with a hash of them. Errors: 1102.
  llvm::Error keep(llvm::StringRef name, llvm::ArrayRef<uint8_t> bytes) const;
  /// Removes all parts of the key.
  void remove() const;
  const std::string &path() const { return folder; }

private:
  explicit WorkFolder(std::string folder) : folder(std::move(folder)) {}
  std::string fileOf(llvm::StringRef name) const;
  std::string folder;
};

} // namespace qcc
#endif
