// TensorProto: its shape is checked before its data, and its data is never copied when the file
// already holds it as raw little-endian bytes.
#include "Wire.h"
#include "llvm/ADT/StringExtras.h"
#include <cstring>

using namespace qcc;
using namespace qcc::onnx;
using llvm::StringRef;
using llvm::Twine;

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensor bytes are used as they lie");

namespace {

// Field numbers of TensorProto that hold data.
enum : uint32_t {
  floatData = 4,
  int32Data = 5,
  stringData = 6,
  int64Data = 7,
  rawData = 9,
  doubleData = 10,
  uint64Data = 11,
};

const char *dataFieldName(uint32_t number) {
  switch (number) {
  case floatData:
    return "float_data";
  case int32Data:
    return "int32_data";
  case stringData:
    return "string_data";
  case int64Data:
    return "int64_data";
  case doubleData:
    return "double_data";
  case uint64Data:
    return "uint64_data";
  default:
    return "raw_data";
  }
}

/// The typed field that ONNX assigns to a data type.
uint32_t dataFieldOf(int32_t dataType) {
  switch (dataType) {
  case Float:
  case Complex64:
    return floatData;
  case String:
    return stringData;
  case Int64:
    return int64Data;
  case Double:
  case Complex128:
    return doubleData;
  case UInt32:
  case UInt64:
    return uint64Data;
  default:
    return int32Data;
  }
}

/// Bytes that one entry of int32_data or uint64_data stands for. 4-bit and 2-bit types are packed
/// into bytes first, so an entry is a byte of several elements.
unsigned entryBytes(int32_t dataType) {
  unsigned bits = bitWidth(dataType);
  return bits < 8 ? 1 : bits / 8;
}

/// Whether an entry fits a value of `bytes` bytes, read as signed or as bits.
bool entryFits(uint64_t entry, int32_t dataType, unsigned bytes) {
  if (dataType == Bool)
    return entry <= 1;
  if (bytes == 8)
    return true;
  auto value = static_cast<int64_t>(entry);
  int64_t half = int64_t(1) << (8 * bytes - 1);
  return value >= -half && value < 2 * half;
}

bool isMissingFile(const llvm::Error &error) {
  bool missing = false;
  llvm::visitErrors(error, [&](const llvm::ErrorInfoBase &info) {
    if (info.isA<CodedError>())
      missing = static_cast<const CodedError &>(info).code == Diag::ExternalDataMissing;
  });
  return missing;
}

struct External {
  std::optional<std::string> location;
  std::optional<uint64_t> offset, length;
  bool any = false;
};

class TensorReader {
public:
  TensorReader(Cursor cursor, Tensor &tensor, ExternalFiles *external,
               const std::vector<MappedFile> &files, std::vector<std::string> &notes)
      : start(cursor), context(cursor.context), tensor(tensor), files(files),
        externalFiles(external), notes(notes), at(cursor.position()) {}

  bool read();

private:
  bool readFields();
  bool readField(Cursor &cursor, const Field &field);
  bool readEntry(Cursor cursor);
  bool number(StringRef key, StringRef value, const uint8_t *at, std::optional<uint64_t> &out);
  bool checkShape();
  bool checkFields();
  bool resolveExternal();
  bool resolveRaw();
  bool resolveTyped(uint32_t number);
  bool resolveStrings();
  bool appendFixed(const Field &field, Wire wire, unsigned width);
  bool appendVarints(const Field &field);
  bool appendEntry(uint64_t entry, const uint8_t *at);
  bool wrongSize(uint64_t have, const char *what);

  Cursor start;
  Context &context;
  Tensor &tensor;
  const std::vector<MappedFile> &files;
  ExternalFiles *externalFiles;
  std::vector<std::string> &notes;
  const uint8_t *at;

  uint32_t fieldsSeen = 0; ///< bit per data field that holds at least one byte
  Field raw;
  uint64_t rawCount = 0;
  int32_t dataLocation = 0;
  External entries;
  uint64_t wanted = 0; ///< bytes that shape and type ask for
};

bool TensorReader::readEntry(Cursor cursor) {
  std::string key, value;
  const uint8_t *where = cursor.position();
  while (!cursor.done()) {
    Field field;
    if (!cursor.next(field))
      return false;
    if (field.number == 1 && !cursor.text(field, "key", key))
      return false;
    if (field.number == 2 && !cursor.bytes(field, "value", value))
      return false;
  }
  entries.any = true;
  if (key == "location") {
    if (entries.location)
      return context.fail(Diag::BadExternalEntry, where, "external data names its location twice");
    if (StringRef(value).contains('\0'))
      return context.fail(Diag::ExternalDataPath, where,
                          "location '" + Twine(printable(value)) + "' holds a NUL byte");
    entries.location = value;
    return true;
  }
  if (key == "offset")
    return number(key, value, where, entries.offset);
  if (key == "length")
    return number(key, value, where, entries.length);
  // Real writers add keys of their own; a few notes are enough.
  if (key != "checksum" && notes.size() < 64)
    notes.push_back(context.where() + ": external data key '" + printable(key) + "' is ignored");
  return true;
}

bool TensorReader::number(StringRef key, StringRef value, const uint8_t *where,
                          std::optional<uint64_t> &out) {
  if (out)
    return context.fail(Diag::BadExternalEntry, where,
                        "external data names its " + Twine(key) + " twice");
  uint64_t parsed = 0;
  if (value.empty() || !llvm::all_of(value, llvm::isDigit) || value.getAsInteger(10, parsed) ||
      parsed > INT64_MAX)
    return context.fail(Diag::BadExternalEntry, where,
                        "external data " + Twine(key) + " '" + printable(value) +
                            "' is not a decimal number");
  out = parsed;
  return true;
}

bool TensorReader::readField(Cursor &cursor, const Field &field) {
  switch (field.number) {
  case 1:
    return cursor.int64s(field, "dims", tensor.dims);
  case 2:
    return cursor.int32(field, "data_type", tensor.dataType);
  case 3:
    return context.fail(Diag::BadTensorData, field.at, "tensors in segments are not supported");
  case 8:
    return cursor.text(field, "name", tensor.name);
  case 13:
    return cursor.message(field, "external_data", -1, nullptr,
                          [&](Cursor entry) { return readEntry(entry); });
  case 14:
    return cursor.int32(field, "data_location", dataLocation);
  case rawData:
    raw = field;
    if (++rawCount > 1)
      return context.fail(Diag::RepeatedField, field.at, "field 'raw_data' is present twice");
    fieldsSeen |= field.size() ? 1u << rawData : 0;
    return cursor.expect(field, Wire::Length, "raw_data");
  case floatData:
  case int32Data:
  case stringData:
  case int64Data:
  case doubleData:
  case uint64Data:
    // An empty packed run holds nothing, an empty string is an element.
    if (field.wire != Wire::Length || field.size() || field.number == stringData)
      fieldsSeen |= 1u << field.number;
    return true;
  default:
    return true;
  }
}

bool TensorReader::readFields() {
  Cursor cursor = start;
  while (!cursor.done()) {
    Field field;
    if (!cursor.next(field) || !readField(cursor, field))
      return false;
  }
  return true;
}

bool TensorReader::checkShape() {
  if (tensor.dims.size() > 64)
    return context.fail(Diag::BadDim, at,
                        "tensor has " + Twine(tensor.dims.size()) +
                            " dimensions, at most 64 are allowed");
  for (auto [index, dim] : llvm::enumerate(tensor.dims))
    if (dim < 0 || dim > int64_t(1) << 40)
      return context.fail(Diag::BadDim, at,
                          "dimension " + Twine(index) + " of the tensor is " + Twine(dim) +
                              ", outside 0..2^40");
  if (tensor.dataType < Float || tensor.dataType > Int2)
    return context.fail(Diag::BadTensorType, at,
                        tensor.dataType == Undefined
                            ? Twine("tensor has no data type")
                            : "tensor has the unknown data type " + Twine(tensor.dataType));
  std::optional<int64_t> count = elementCount(tensor.dims);
  if (!count)
    return context.fail(Diag::TensorTooLarge, at,
                        "the tensor's dimensions multiply to more than 2^40 elements");
  if (!tensor.isString())
    wanted = *byteSize(tensor.dataType, *count);
  return true;
}

bool TensorReader::checkFields() {
  if (dataLocation != 0 && dataLocation != 1)
    return context.fail(Diag::BadTensorData, at,
                        "data_location " + Twine(dataLocation) + " is neither 0 nor 1");
  if (fieldsSeen & (fieldsSeen - 1))
    return context.fail(Diag::BadTensorData, at, "tensor holds data in two fields at once");
  if (dataLocation == 1 && fieldsSeen)
    return context.fail(Diag::BadTensorData, at,
                        "tensor holds data both inside and outside the model");
  if (dataLocation == 1 && tensor.isString())
    return context.fail(Diag::BadTensorData, at, "string tensors cannot be external");
  if (tensor.isString() && (fieldsSeen & ~(1u << stringData)))
    return context.fail(Diag::BadTensorData, at,
                        "string tensors hold their data in string_data only");
  uint32_t fitting = (1u << dataFieldOf(tensor.dataType)) | (1u << rawData);
  if (fieldsSeen & ~fitting)
    return context.fail(Diag::BadTensorData, at,
                        "data of a " + Twine(dataTypeName(tensor.dataType)) + " tensor lies in " +
                            dataFieldName(llvm::countr_zero(fieldsSeen)) + ", it belongs in " +
                            dataFieldName(dataFieldOf(tensor.dataType)));
  return true;
}

bool TensorReader::wrongSize(uint64_t have, const char *what) {
  std::string shape;
  for (int64_t dim : tensor.dims)
    shape += (shape.empty() ? "" : "x") + std::to_string(dim);
  return context.fail(Diag::TensorSize, at,
                      "tensor of " + Twine(dataTypeName(tensor.dataType)) + "[" + shape +
                          "] takes " + Twine(wanted) + " bytes but " + what + " has " +
                          Twine(have));
}

bool TensorReader::resolveExternal() {
  if (!externalFiles)
    return context.fail(Diag::BadTensorData, at, "external data is not possible here");
  if (!entries.location)
    return context.fail(Diag::BadExternalEntry, at, "external data has no location");
  if (entries.length && *entries.length != wanted)
    return wrongSize(*entries.length, "external data");
  std::string where = context.where() + " at byte " + std::to_string(context.offsetOf(at));
  llvm::Expected<int> file = externalFiles->open(*entries.location, where);
  if (!file) {
    llvm::Error error = file.takeError();
    if (context.options.requireData || !isMissingFile(error))
      return context.fail(std::move(error));
    llvm::consumeError(std::move(error));
    tensor.missing = true;
    return true;
  }
  uint64_t size = files[*file].bytes().size();
  uint64_t offset = entries.offset.value_or(0);
  if (offset > size || wanted > size - offset)
    return context.fail(Diag::ExternalDataRange, at,
                        "tensor takes bytes " + Twine(offset) + ".." + Twine(offset + wanted) +
                            " of '" + printable(*entries.location) + "', which has " + Twine(size));
  tensor.data = {*file, offset, wanted, {}};
  return true;
}

bool TensorReader::resolveRaw() {
  if (raw.size() != wanted)
    return wrongSize(raw.size(), "raw_data");
  if (wanted)
    tensor.data = {0, context.offsetOf(raw.begin), wanted, {}};
  return true;
}

bool TensorReader::appendEntry(uint64_t entry, const uint8_t *where) {
  std::vector<uint8_t> &out = tensor.data.inlineBytes;
  unsigned width = entryBytes(tensor.dataType);
  if (out.size() + width > wanted)
    return wrongSize(out.size() + width, "its data field (at least)");
  if (!entryFits(entry, tensor.dataType, width))
    return context.fail(Diag::BadTensorData, where,
                        "value " + Twine(static_cast<int64_t>(entry)) + " does not fit " +
                            dataTypeName(tensor.dataType));
  const auto *bytes = reinterpret_cast<const uint8_t *>(&entry);
  out.insert(out.end(), bytes, bytes + width);
  return true;
}

bool TensorReader::appendVarints(const Field &field) {
  if (field.wire == Wire::Varint)
    return appendEntry(field.value, field.at);
  if (!start.expect(field, Wire::Length, dataFieldName(field.number)))
    return false;
  Cursor run(context, field.begin, field.end);
  while (!run.done()) {
    uint64_t value;
    const uint8_t *where = run.position();
    if (!run.varint(value) || !appendEntry(value, where))
      return false;
  }
  return true;
}

/// Packed floats and doubles lie in the file as raw_data would: one run that is all of the tensor
/// is used in place.
bool TensorReader::appendFixed(const Field &field, Wire wire, unsigned width) {
  std::vector<uint8_t> &out = tensor.data.inlineBytes;
  const uint8_t *begin = reinterpret_cast<const uint8_t *>(&field.value);
  uint64_t size = width;
  if (field.wire != wire) {
    if (!start.expect(field, Wire::Length, dataFieldName(field.number)))
      return false;
    begin = field.begin;
    size = field.size();
  }
  bool complete = tensor.data.file != TensorData::inlineFile;
  uint64_t have = complete ? wanted : out.size();
  if (size > wanted - have)
    return wrongSize(have + size, dataFieldName(field.number));
  if (size == wanted && size > 64 && begin == field.begin) {
    tensor.data = {0, context.offsetOf(begin), size, {}};
    return true;
  }
  if (size)
    out.insert(out.end(), begin, begin + size);
  return true;
}

bool TensorReader::resolveTyped(uint32_t number) {
  // An entry takes at least one byte of the message and yields at most eight.
  if (!context.chargeInline(std::min(wanted, 8 * start.left()), at))
    return false;
  Cursor cursor = start;
  while (!cursor.done()) {
    Field field;
    if (!cursor.next(field))
      return false;
    if (field.number != number)
      continue;
    bool ok = number == floatData    ? appendFixed(field, Wire::Fixed32, 4)
              : number == doubleData ? appendFixed(field, Wire::Fixed64, 8)
                                     : appendVarints(field);
    if (!ok)
      return false;
  }
  if (tensor.data.file != TensorData::inlineFile)
    return true;
  tensor.data.length = tensor.data.inlineBytes.size();
  if (tensor.data.length != wanted)
    return wrongSize(tensor.data.length, dataFieldName(number));
  return true;
}

bool TensorReader::resolveStrings() {
  Cursor cursor = start;
  while (!cursor.done()) {
    Field field;
    if (!cursor.next(field))
      return false;
    if (field.number == stringData && !cursor.byteStrings(field, "string_data", tensor.strings))
      return false;
  }
  if (static_cast<int64_t>(tensor.strings.size()) != *elementCount(tensor.dims))
    return context.fail(Diag::TensorSize, at,
                        "string tensor of " + Twine(*elementCount(tensor.dims)) +
                            " elements holds " + Twine(tensor.strings.size()));
  return true;
}

bool TensorReader::read() {
  tensor.position = context.offsetOf(at);
  if (!readFields() || !checkShape() || !checkFields())
    return false;
  if (dataLocation == 1)
    return resolveExternal();
  if (entries.any && notes.size() < 64)
    notes.push_back(context.where() + ": external data entries of an inner tensor are ignored");
  if (tensor.isString())
    return resolveStrings();
  if (rawCount && !(fieldsSeen & ~(1u << rawData)))
    return resolveRaw();
  return resolveTyped(dataFieldOf(tensor.dataType));
}

} // namespace

bool qcc::onnx::readTensor(Cursor cursor, Tensor &tensor, ExternalFiles *external,
                           const std::vector<MappedFile> &files, std::vector<std::string> &notes) {
  return TensorReader(cursor, tensor, external, files, notes).read();
}
