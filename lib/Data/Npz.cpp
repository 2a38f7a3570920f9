// The .npz format: a zip archive of .npy members. Reads the central directory, refuses what
// overlaps or lies about its size, and inflates into a buffer of the declared size, so that an
// archive takes no more memory than it declares and DataLimits allows.
// Format: APPNOTE.TXT 6.3 sections 4.3 and 4.5.3 (zip64).
#include "qcc/Data/DataFiles.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/Support/Endian.h"
#include <algorithm>
#include <zlib.h>

using namespace qcc;
using namespace qcc::data;
using llvm::ArrayRef;
using llvm::StringRef;
using llvm::support::endian::read16le;
using llvm::support::endian::read32le;
using llvm::support::endian::read64le;

namespace {
struct Member {
  std::string name;
  unsigned method = 0, flags = 0;
  uint32_t crc = 0;
  uint64_t packed = 0, size = 0, offset = 0;
};

constexpr size_t endSize = 22, centralSize = 46, localSize = 30;
/// Deflate cannot shrink more than this; a larger claim is a lie.
constexpr uint64_t maxDeflateRatio = 1040;

class Archive {
public:
  Archive(ArrayRef<uint8_t> bytes, StringRef where, DataLimits limits)
      : bytes(bytes), where(where), limits(limits) {}

  llvm::Error readDirectory();
  llvm::Expected<std::vector<uint8_t>> extract(const Member &member);

  std::vector<Member> members;

private:
  llvm::Error malformed(const llvm::Twine &why) {
    return makeError(Diag::MalformedData, where.str(), why.str());
  }
  bool within(uint64_t offset, uint64_t length) const {
    return offset <= bytes.size() && length <= bytes.size() - offset;
  }
  llvm::Error findDirectory(uint64_t &offset, uint64_t &length, uint64_t &count);
  llvm::Error readMember(uint64_t &cursor, uint64_t end, uint64_t &total);
  void readZip64(ArrayRef<uint8_t> extra, Member &member);

  ArrayRef<uint8_t> bytes;
  StringRef where;
  DataLimits limits;
};

llvm::Error Archive::findDirectory(uint64_t &offset, uint64_t &length, uint64_t &count) {
  if (bytes.size() < endSize)
    return malformed("not a zip archive (" + llvm::Twine(bytes.size()) + " bytes)");
  // The end record is last but for a comment of at most 65,535 bytes.
  size_t lowest = bytes.size() > endSize + 65535 ? bytes.size() - endSize - 65535 : 0;
  size_t at = bytes.size() - endSize;
  while (read32le(bytes.data() + at) != 0x06054b50) {
    if (at == lowest)
      return malformed("not a zip archive (no end record), or cut short");
    --at;
  }
  const uint8_t *record = bytes.data() + at;
  count = read16le(record + 10);
  length = read32le(record + 12);
  offset = read32le(record + 16);
  bool large = count == 0xffff || length == 0xffffffff || offset == 0xffffffff;
  if (large && at >= 20 && read32le(bytes.data() + at - 20) == 0x07064b50) {
    uint64_t at64 = read64le(bytes.data() + at - 20 + 8);
    if (!within(at64, 56) || read32le(bytes.data() + at64) != 0x06064b50)
      return malformed("the zip64 end record is missing");
    count = read64le(bytes.data() + at64 + 32);
    length = read64le(bytes.data() + at64 + 40);
    offset = read64le(bytes.data() + at64 + 48);
  }
  if (!within(offset, length))
    return malformed("the directory lies outside the file");
  if (count > limits.maxEntries || count > length / centralSize)
    return malformed("the directory claims " + llvm::Twine(count) + " members in " +
                     llvm::Twine(length) + " bytes");
  return llvm::Error::success();
}

/// Field 1 holds 64-bit values for those of size, packed and offset that are all ones.
void Archive::readZip64(ArrayRef<uint8_t> extra, Member &member) {
  while (extra.size() >= 4) {
    unsigned id = read16le(extra.data()), length = read16le(extra.data() + 2);
    extra = extra.drop_front(4);
    if (length > extra.size())
      return;
    if (id == 1) {
      ArrayRef<uint8_t> field = extra.take_front(length);
      for (uint64_t *value : {&member.size, &member.packed, &member.offset})
        if (*value == 0xffffffff && field.size() >= 8) {
          *value = read64le(field.data());
          field = field.drop_front(8);
        }
    }
    extra = extra.drop_front(length);
  }
}

llvm::Error Archive::readMember(uint64_t &cursor, uint64_t end, uint64_t &total) {
  if (end - cursor < centralSize || read32le(bytes.data() + cursor) != 0x02014b50)
    return malformed("the directory is cut short");
  const uint8_t *entry = bytes.data() + cursor;
  Member member;
  member.flags = read16le(entry + 8);
  member.method = read16le(entry + 10);
  member.crc = read32le(entry + 16);
  member.packed = read32le(entry + 20);
  member.size = read32le(entry + 24);
  member.offset = read32le(entry + 42);
  uint64_t nameLength = read16le(entry + 28), extraLength = read16le(entry + 30);
  uint64_t whole = centralSize + nameLength + extraLength + read16le(entry + 32);
  if (whole > end - cursor)
    return malformed("the directory is cut short");
  member.name.assign(reinterpret_cast<const char *>(entry) + centralSize, nameLength);
  readZip64(ArrayRef<uint8_t>(entry + centralSize + nameLength, extraLength), member);
  cursor += whole;
  std::string label = "member '" + member.name + "'";
  if (member.flags & 1)
    return malformed(label + " is encrypted");
  if (member.method != 0 && member.method != 8)
    return malformed(label + " uses compression method " + llvm::Twine(member.method) +
                     "; stored and deflated are read");
  if (!within(member.offset, localSize) || !within(member.offset, member.packed))
    return malformed(label + " lies outside the file");
  if (member.method == 0 ? member.size != member.packed
                         : member.size / maxDeflateRatio > member.packed)
    return malformed(label + " claims " + llvm::Twine(member.size) + " bytes from " +
                     llvm::Twine(member.packed));
  if (member.size > limits.maxBytes - total)
    return malformed("the arrays claim more than " + llvm::Twine(limits.maxBytes) + " bytes");
  total += member.size;
  members.push_back(std::move(member));
  return llvm::Error::success();
}

llvm::Error Archive::readDirectory() {
  uint64_t cursor = 0, length = 0, count = 0, total = 0;
  if (llvm::Error error = findDirectory(cursor, length, count))
    return error;
  uint64_t end = cursor + length;
  for (uint64_t i = 0; i < count; ++i)
    if (llvm::Error error = readMember(cursor, end, total))
      return error;
  // Members that share bytes are how a small archive claims to be a huge one.
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  for (const Member &member : members)
    ranges.push_back({member.offset, member.offset + localSize + member.packed});
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 1; i < ranges.size(); ++i)
    if (ranges[i].first < ranges[i - 1].second)
      return malformed("members overlap");
  return llvm::Error::success();
}

llvm::Expected<std::vector<uint8_t>> Archive::extract(const Member &member) {
  const uint8_t *local = bytes.data() + member.offset;
  std::string label = "member '" + member.name + "'";
  if (read32le(local) != 0x04034b50)
    return malformed(label + " has no header");
  uint64_t start = member.offset + localSize + read16le(local + 26) + read16le(local + 28);
  if (!within(start, member.packed))
    return malformed(label + " lies outside the file");
  const uint8_t *packed = bytes.data() + start;
  std::vector<uint8_t> data(member.size);
  if (member.method == 0) {
    std::copy(packed, packed + member.size, data.begin());
  } else {
    z_stream stream = {};
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
      return malformed(label + " cannot be inflated");
    uint8_t nothing = 0;
    uint64_t in = 0, out = 0;
    int status = Z_OK;
    while (status == Z_OK) {
      constexpr uint64_t step = 1u << 30; // zlib counts in 32 bits
      stream.next_in = const_cast<uint8_t *>(packed) + in;
      stream.avail_in = static_cast<uInt>(std::min(step, member.packed - in));
      stream.next_out = data.empty() ? &nothing : data.data() + out;
      stream.avail_out = static_cast<uInt>(std::min(step, member.size - out));
      uInt availIn = stream.avail_in, availOut = stream.avail_out;
      status = inflate(&stream, Z_NO_FLUSH);
      in += availIn - stream.avail_in;
      out += availOut - stream.avail_out;
    }
    inflateEnd(&stream);
    if (status != Z_STREAM_END || out != member.size)
      return malformed(label + " is damaged: " + llvm::Twine(out) + " of " +
                       llvm::Twine(member.size) + " bytes inflate");
  }
  uLong crc = crc32_z(0, data.data(), data.size());
  if (crc != member.crc)
    return malformed(label + " is damaged (checksum)");
  return data;
}
} // namespace

llvm::Expected<std::vector<NamedTensor>> data::parseNpz(ArrayRef<uint8_t> bytes, StringRef where,
                                                        DataLimits limits) {
  Archive archive(bytes, where, limits);
  if (llvm::Error error = archive.readDirectory())
    return error;
  std::vector<NamedTensor> arrays;
  for (const Member &member : archive.members) {
    StringRef name = member.name;
    if (!name.consume_back(".npy"))
      return makeError(Diag::MalformedData, where.str(),
                       "member '" + member.name + "' is not an .npy array");
    llvm::Expected<std::vector<uint8_t>> data = archive.extract(member);
    if (!data)
      return data.takeError();
    llvm::Expected<HostTensor> tensor = parseNpy(*data, (where + "(" + name + ")").str());
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
