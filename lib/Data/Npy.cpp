// The .npy format: a magic, a header that is a Python dict literal, and the elements.
// Format: numpy.lib.format documentation, versions 1.0 to 3.0.
#include "NpyHeader.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include <algorithm>
#include <cstring>

using namespace qcc;
using namespace qcc::data;
using llvm::ArrayRef;
using llvm::StringRef;

namespace {
llvm::Error malformed(StringRef where, const llvm::Twine &why) {
  return makeError(Diag::MalformedData, where.str(), why.str());
}

/// Reads the literal {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }.
class HeaderParser {
public:
  HeaderParser(StringRef text, StringRef where) : text(text), where(where) {}

  llvm::Error parse(NpyHeader &header) {
    if (!take('{'))
      return malformed(where, "the .npy header is not a dictionary");
    while (!take('}')) {
      std::string key;
      if (!takeString(key) || !take(':'))
        return malformed(where, "a key of the .npy header is malformed");
      if (llvm::Error error = parseValue(key, header))
        return error;
      take(',');
    }
    if (!sawDescr || !sawShape || !sawOrder)
      return malformed(where, "the .npy header lacks descr, fortran_order or shape");
    return llvm::Error::success();
  }

private:
  llvm::Error parseValue(StringRef key, NpyHeader &header) {
    if (key == "descr" && !sawDescr)
      return sawDescr = true, parseDescr(header);
    if (key == "fortran_order" && !sawOrder) {
      sawOrder = true;
      if (takeWord("True"))
        header.fortran = true;
      else if (!takeWord("False"))
        return malformed(where, "fortran_order is neither True nor False");
      return llvm::Error::success();
    }
    if (key == "shape" && !sawShape)
      return sawShape = true, parseShape(header);
    return malformed(where, "unexpected key '" + llvm::Twine(key) + "' in the .npy header");
  }

  llvm::Error parseDescr(NpyHeader &header) {
    std::string descr;
    if (!takeString(descr))
      return makeError(Diag::UnsupportedData, where.str(), "structured arrays are not tensors");
    char order = descr.empty() ? ' ' : descr[0];
    if (!StringRef("<>|=").contains(order))
      return malformed(where, "the type '" + llvm::Twine(descr) + "' has no byte order");
    header.swapped = order == '>';
    static constexpr std::pair<const char *, uint32_t> table[] = {
        {"f4", QCC_F32}, {"f8", QCC_F64}, {"f2", QCC_F16}, {"i1", QCC_I8},
        {"i2", QCC_I16}, {"i4", QCC_I32}, {"i8", QCC_I64}, {"u1", QCC_U8},
        {"u2", QCC_U16}, {"u4", QCC_U32}, {"u8", QCC_U64}, {"b1", QCC_BOOL}};
    for (auto [name, dtype] : table)
      if (StringRef(descr).drop_front() == name) {
        header.dtype = dtype;
        return llvm::Error::success();
      }
    return makeError(Diag::UnsupportedData, where.str(),
                     "arrays of type '" + descr + "' are not tensors", {},
                     "use float, int, uint or bool arrays");
  }

  llvm::Error parseShape(NpyHeader &header) {
    if (!take('('))
      return malformed(where, "the shape is not a tuple");
    while (!take(')')) {
      skipSpace();
      size_t length = text.find_if_not(llvm::isDigit);
      int64_t dim = 0;
      if (length == 0 || length == StringRef::npos || text.take_front(length).getAsInteger(10, dim))
        return malformed(where, "the shape is malformed");
      header.dims.push_back(dim);
      text = text.drop_front(length);
      text.consume_front("L"); // Python 2 wrote long integers so
      take(',');
      if (header.dims.size() > 64)
        return malformed(where, "the shape has more than 64 dimensions");
    }
    return llvm::Error::success();
  }

  void skipSpace() { text = text.ltrim(); }
  bool take(char c) { return skipSpace(), text.consume_front(StringRef(&c, 1)); }
  bool takeWord(StringRef word) { return skipSpace(), text.consume_front(word); }
  bool takeString(std::string &value) {
    skipSpace();
    if (text.empty() || (text[0] != '\'' && text[0] != '"'))
      return false;
    size_t end = text.find(text[0], 1);
    if (end == StringRef::npos)
      return false;
    value = text.slice(1, end).str();
    text = text.drop_front(end + 1);
    return true;
  }

  StringRef text, where;
  bool sawDescr = false, sawShape = false, sawOrder = false;
};

void swapElements(HostTensor &tensor) {
  unsigned size = dtypeSize(tensor.dtype());
  for (int64_t i = 0; i < tensor.count(); ++i)
    std::reverse(tensor.data() + i * size, tensor.data() + (i + 1) * size);
}

/// Column-major elements of dims in row-major order.
HostTensor fromFortran(const HostTensor &source) {
  HostTensor result(source.dtype(), source.dims().vec());
  unsigned size = dtypeSize(source.dtype());
  std::vector<int64_t> index(source.rank(), 0);
  for (int64_t i = 0; i < source.count(); ++i) {
    int64_t from = 0;
    for (int64_t axis = source.rank() - 1; axis >= 0; --axis)
      from = from * source.dims()[axis] + index[axis];
    std::memcpy(result.data() + i * size, source.data() + from * size, size);
    for (int64_t axis = source.rank() - 1; axis >= 0 && ++index[axis] == source.dims()[axis];
         --axis)
      index[axis] = 0;
  }
  return result;
}
} // namespace

llvm::Expected<NpyHeader> data::parseNpyHeader(ArrayRef<uint8_t> bytes, uint64_t size,
                                               StringRef where) {
  constexpr size_t prefix = 8;
  if (bytes.size() < prefix + 4 || std::memcmp(bytes.data(), "\x93NUMPY", 6) != 0)
    return malformed(where, "not an .npy file (no NUMPY magic)");
  unsigned version = bytes[6];
  if (version < 1 || version > 3)
    return malformed(where, "unknown .npy version " + llvm::Twine(version));
  size_t lengthBytes = version == 1 ? 2 : 4;
  uint64_t headerLength = version == 1 ? llvm::support::endian::read16le(bytes.data() + prefix)
                                       : llvm::support::endian::read32le(bytes.data() + prefix);
  size_t start = prefix + lengthBytes;
  if (headerLength > bytes.size() - start)
    return malformed(where, "the .npy header claims " + llvm::Twine(headerLength) +
                                " bytes, the file has " + llvm::Twine(bytes.size() - start));
  NpyHeader header;
  StringRef text(reinterpret_cast<const char *>(bytes.data()) + start, headerLength);
  if (llvm::Error error = HeaderParser(text, where).parse(header))
    return std::move(error);
  header.start = start + headerLength;
  std::optional<int64_t> count = countElements(header.dims);
  uint64_t payload = size - header.start;
  if (!count || static_cast<uint64_t>(*count) * dtypeSize(header.dtype) > payload)
    return malformed(where, "shape " + dimsToString(header.dims) + " of " +
                                dtypeName(header.dtype) + " does not fit in the " +
                                llvm::Twine(payload) + " bytes that follow");
  return header;
}

HostTensor data::finishNpy(const NpyHeader &header, HostTensor tensor) {
  if (header.swapped)
    swapElements(tensor);
  if (header.dtype == QCC_BOOL)
    for (int64_t i = 0; i < tensor.count(); ++i)
      tensor.data()[i] = tensor.data()[i] != 0;
  return header.fortran && tensor.rank() > 1 ? fromFortran(tensor) : std::move(tensor);
}

llvm::Expected<HostTensor> data::parseNpy(ArrayRef<uint8_t> bytes, StringRef where) {
  auto header = parseNpyHeader(bytes, bytes.size(), where);
  if (!header)
    return header.takeError();
  HostTensor tensor(header->dtype, header->dims);
  if (tensor.bytes())
    std::memcpy(tensor.data(), bytes.data() + header->start, tensor.bytes());
  return finishNpy(*header, std::move(tensor));
}

std::vector<uint8_t> data::formatNpy(const HostTensor &tensor) {
  if (isFloatType(tensor.dtype()) && dtypeSize(tensor.dtype()) <= 2 && tensor.dtype() != QCC_F16)
    return formatNpy(tensor.cast(QCC_F32));
  static constexpr std::pair<uint32_t, const char *> table[] = {
      {QCC_F32, "<f4"}, {QCC_F64, "<f8"}, {QCC_F16, "<f2"}, {QCC_I8, "|i1"},
      {QCC_I16, "<i2"}, {QCC_I32, "<i4"}, {QCC_I64, "<i8"}, {QCC_U8, "|u1"},
      {QCC_U16, "<u2"}, {QCC_U32, "<u4"}, {QCC_U64, "<u8"}, {QCC_BOOL, "|b1"}};
  const char *descr = "<f4";
  for (auto [dtype, name] : table)
    if (dtype == tensor.dtype())
      descr = name;
  std::string header = std::string("{'descr': '") + descr + "', 'fortran_order': False, 'shape': (";
  for (int64_t dim : tensor.dims())
    header += std::to_string(dim) + ", ";
  header += "), }";
  // The elements begin at a multiple of 64.
  constexpr size_t prefix = 10;
  header.append(63 - (prefix + header.size()) % 64, ' ');
  header += '\n';
  std::vector<uint8_t> bytes = {0x93,
                                'N',
                                'U',
                                'M',
                                'P',
                                'Y',
                                1,
                                0,
                                static_cast<uint8_t>(header.size()),
                                static_cast<uint8_t>(header.size() >> 8)};
  bytes.insert(bytes.end(), header.begin(), header.end());
  if (tensor.bytes())
    bytes.insert(bytes.end(), tensor.data(), tensor.data() + tensor.bytes());
  return bytes;
}
