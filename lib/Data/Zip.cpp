// Reading zip archives without trusting them.
#include "Zip.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/Support/Endian.h"
#include <algorithm>
#include <cstring>
#include <zlib.h>

using namespace qcc;
using namespace qcc::data;
using llvm::ArrayRef;
using llvm::support::endian::read16le;
using llvm::support::endian::read32le;
using llvm::support::endian::read64le;

constexpr size_t endSize = 22, centralSize = 46, localSize = 30;
/// Deflate cannot shrink more than this; a larger claim is a lie.
constexpr uint64_t maxDeflateRatio = 1040;

llvm::Error ZipArchive::malformed(const llvm::Twine &why) const {
  return makeError(Diag::MalformedData, where.str(), why.str());
}

llvm::Error ZipArchive::findDirectory(uint64_t &offset, uint64_t &length, uint64_t &count) {
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
static void readZip64(ArrayRef<uint8_t> extra, ZipMember &member) {
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

llvm::Error ZipArchive::readMember(uint64_t &cursor, uint64_t end, uint64_t &total) {
  if (end - cursor < centralSize || read32le(bytes.data() + cursor) != 0x02014b50)
    return malformed("the directory is cut short");
  const uint8_t *entry = bytes.data() + cursor;
  ZipMember member;
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

llvm::Error ZipArchive::readDirectory() {
  uint64_t cursor = 0, length = 0, count = 0, total = 0;
  if (llvm::Error error = findDirectory(cursor, length, count))
    return error;
  uint64_t end = cursor + length;
  for (uint64_t i = 0; i < count; ++i)
    if (llvm::Error error = readMember(cursor, end, total))
      return error;
  // Members that share bytes are how a small archive claims to be a huge one.
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  for (const ZipMember &member : members)
    ranges.push_back({member.offset, member.offset + localSize + member.packed});
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 1; i < ranges.size(); ++i)
    if (ranges[i].first < ranges[i - 1].second)
      return malformed("members overlap");
  return llvm::Error::success();
}

llvm::Expected<ArrayRef<uint8_t>> ZipArchive::packedBytes(const ZipMember &member) const {
  const uint8_t *local = bytes.data() + member.offset;
  std::string label = "member '" + member.name + "'";
  if (read32le(local) != 0x04034b50)
    return malformed(label + " has no header");
  uint64_t start = member.offset + localSize + read16le(local + 26) + read16le(local + 28);
  if (!within(start, member.packed))
    return malformed(label + " lies outside the file");
  return bytes.slice(start, member.packed);
}

llvm::Error ZipArchive::verify(const ZipMember &member,
                               const std::function<void(llvm::ArrayRef<uint8_t>)> &sink) const {
  auto packed = packedBytes(member);
  if (!packed)
    return packed.takeError();
  MemberStream stream(*packed, member);
  std::string label = "member '" + member.name + "'";
  std::vector<uint8_t> buffer(std::min<uint64_t>(member.size, 1 << 18));
  uLong crc = 0;
  size_t got = buffer.size();
  while (got == buffer.size() && stream.position() < member.size) {
    got = stream.read(buffer.data(), buffer.size());
    crc = crc32_z(crc, buffer.data(), got);
    sink(ArrayRef<uint8_t>(buffer).take_front(got));
  }
  if (!stream.atEnd())
    return malformed(label + " is damaged: " + llvm::Twine(stream.position()) + " of " +
                     llvm::Twine(member.size) + " bytes inflate");
  if (crc != member.crc)
    return malformed(label + " is damaged (checksum)");
  return llvm::Error::success();
}

struct MemberStream::Inflate {
  z_stream stream = {};
  bool open = false, ended = false, failed = false;
  ~Inflate() {
    if (open)
      inflateEnd(&stream);
  }
};

MemberStream::MemberStream(ArrayRef<uint8_t> packed, const ZipMember &member)
    : packed(packed), stored(member.method == 0), size(member.size) {
  rewind();
}

MemberStream::~MemberStream() = default;

void MemberStream::rewind() {
  at = in = 0;
  if (stored)
    return;
  inflate = std::make_unique<Inflate>();
  inflate->open = inflateInit2(&inflate->stream, -MAX_WBITS) == Z_OK;
  inflate->failed = !inflate->open;
}

/// Inflates at most `length` bytes.
size_t MemberStream::inflateTo(uint8_t *to, size_t length) {
  size_t out = 0;
  while (!inflate->ended && !inflate->failed && out < length) {
    constexpr uint64_t step = 1u << 30; // zlib counts in 32 bits
    z_stream &z = inflate->stream;
    z.next_in = const_cast<uint8_t *>(packed.data()) + in;
    z.avail_in = static_cast<uInt>(std::min<uint64_t>(step, packed.size() - in));
    z.next_out = to + out;
    z.avail_out = static_cast<uInt>(std::min<uint64_t>(step, length - out));
    uInt availIn = z.avail_in, availOut = z.avail_out;
    int status = ::inflate(&z, Z_NO_FLUSH);
    in += availIn - z.avail_in;
    out += availOut - z.avail_out;
    inflate->ended = status == Z_STREAM_END;
    inflate->failed = status != Z_OK && !inflate->ended;
  }
  return out;
}

size_t MemberStream::read(uint8_t *to, size_t length) {
  length = static_cast<size_t>(std::min<uint64_t>(length, size - at));
  if (stored && length)
    std::memcpy(to, packed.data() + at, length);
  else if (!stored)
    length = inflateTo(to, length);
  at += length;
  return length;
}

bool MemberStream::atEnd() {
  if (at != size || stored)
    return at == size;
  // One byte more tells whether the stream closes here.
  uint8_t beyond = 0;
  return inflate->ended || (inflateTo(&beyond, 1) == 0 && inflate->ended);
}
