// Zip archives as far as .npz files need them: the directory, and members as streams of bytes.
// Format: APPNOTE.TXT 6.3 sections 4.3 and 4.5.3 (zip64).
#ifndef QCC_LIB_DATA_ZIP_H
#define QCC_LIB_DATA_ZIP_H

#include "qcc/Data/DataFiles.h"
#include <functional>

namespace qcc::data {

struct ZipMember {
  std::string name;
  unsigned method = 0, flags = 0; ///< method 0: stored, 8: deflated
  uint32_t crc = 0;
  uint64_t packed = 0, size = 0, offset = 0;
};

/// Bytes of a member in order, from memory that holds the archive. Memory does not grow with the
/// member.
class MemberStream {
public:
  MemberStream(llvm::ArrayRef<uint8_t> packed, const ZipMember &member);
  ~MemberStream();
  MemberStream(const MemberStream &) = delete;
  MemberStream &operator=(const MemberStream &) = delete;

  /// The next bytes; fewer than asked for at the end or where the member is damaged.
  size_t read(uint8_t *to, size_t length);
  /// Whether all bytes of the member have been read and nothing follows them.
  bool atEnd();
  uint64_t position() const { return at; }
  void rewind();

private:
  size_t inflateTo(uint8_t *to, size_t length);
  struct Inflate;
  llvm::ArrayRef<uint8_t> packed;
  bool stored;
  uint64_t size, at = 0, in = 0;
  std::unique_ptr<Inflate> inflate;
};

/// Refuses what overlaps or lies about its size. Errors are QCC1820.
class ZipArchive {
public:
  ZipArchive(llvm::ArrayRef<uint8_t> bytes, llvm::StringRef where, DataLimits limits = {})
      : bytes(bytes), where(where), limits(limits) {}

  llvm::Error readDirectory();
  /// The bytes of a member as they lie in the archive.
  llvm::Expected<llvm::ArrayRef<uint8_t>> packedBytes(const ZipMember &member) const;
  /// Reads all of a member once, in parts that `sink` gets, and compares its size and checksum.
  llvm::Error verify(const ZipMember &member,
                     const std::function<void(llvm::ArrayRef<uint8_t>)> &sink) const;

  std::vector<ZipMember> members;

private:
  llvm::Error malformed(const llvm::Twine &why) const;
  bool within(uint64_t offset, uint64_t length) const {
    return offset <= bytes.size() && length <= bytes.size() - offset;
  }
  llvm::Error findDirectory(uint64_t &offset, uint64_t &length, uint64_t &count);
  llvm::Error readMember(uint64_t &cursor, uint64_t end, uint64_t &total);

  llvm::ArrayRef<uint8_t> bytes;
  llvm::StringRef where;
  DataLimits limits;
};

} // namespace qcc::data
#endif
