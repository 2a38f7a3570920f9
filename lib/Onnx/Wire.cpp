// Decoding of protobuf fields. Every length is compared with the bytes left before it is used.
#include "Wire.h"
#include "llvm/Support/ConvertUTF.h"
#include "llvm/Support/raw_ostream.h"
#include <cstring>

using namespace qcc;
using namespace qcc::onnx;
using llvm::Twine;

std::string qcc::onnx::printable(llvm::StringRef name) {
  constexpr size_t longest = 160;
  std::string out;
  llvm::raw_string_ostream os(out);
  for (unsigned char c : name.take_front(longest)) {
    if (c < 0x20 || c == 0x7f)
      os << "\\x" << "0123456789abcdef"[c >> 4] << "0123456789abcdef"[c & 15];
    else
      os << c;
  }
  if (name.size() > longest)
    os << "...";
  return out;
}

std::string Context::where() const {
  std::string out = file;
  llvm::raw_string_ostream os(out);
  const char *separator = ": ";
  for (const Step &step : path) {
    os << separator << step.field;
    if (step.index >= 0)
      os << '[' << step.index << ']';
    if (step.label && !step.label->empty())
      os << " '" << printable(*step.label) << "'";
    separator = ".";
  }
  return out;
}

bool Context::fail(Diag code, const uint8_t *at, const Twine &message, const Twine &help) {
  if (!error)
    error.emplace(makeError(code, where() + " at byte " + std::to_string(offsetOf(at)),
                            message.str(), {}, help.str()));
  return false;
}

bool Context::fail(llvm::Error other) {
  if (!error)
    error.emplace(std::move(other));
  else
    llvm::consumeError(std::move(other));
  return false;
}

bool Context::charge(uint64_t bytes, const uint8_t *at) {
  graphBytes += bytes;
  if (graphBytes <= options.maxGraphBytes)
    return true;
  return fail(Diag::LimitExceeded, at,
              "graph data takes more than " + Twine(options.maxGraphBytes) + " bytes");
}

bool Context::chargeInline(uint64_t bytes, const uint8_t *at) {
  if (bytes <= options.maxInlineBytes - inlineBytes) {
    inlineBytes += bytes;
    return true;
  }
  return fail(Diag::LimitExceeded, at,
              "typed tensor fields take more than " + Twine(options.maxInlineBytes) + " bytes",
              "store the weights as raw_data or external data");
}

bool Context::chargeNode(const uint8_t *at) {
  if (++nodes <= options.maxNodes)
    return true;
  return fail(Diag::LimitExceeded, at, "more than " + Twine(options.maxNodes) + " nodes");
}

bool Cursor::varint(uint64_t &value) {
  const uint8_t *start = pos;
  value = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    if (pos == end)
      return context.fail(Diag::Truncated, start, "the message ends inside an integer");
    uint8_t byte = *pos++;
    if (shift == 63 && byte > 1)
      return context.fail(Diag::BadVarint, start, "integer takes more than 64 bits");
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80)
      return true;
  }
  return context.fail(Diag::BadVarint, start, "integer takes more than ten bytes");
}

bool Cursor::tag(uint32_t &number, Wire &wire) {
  const uint8_t *start = pos;
  uint64_t tag;
  if (!varint(tag))
    return false;
  uint64_t type = tag & 7;
  if (tag >> 32 || (tag >> 3) == 0)
    return context.fail(Diag::WrongWireType, start,
                        "field number " + Twine(tag >> 3) + " is outside 1..536870911");
  if (type > 5)
    return context.fail(Diag::WrongWireType, start, "wire type " + Twine(type) + " does not exist");
  number = static_cast<uint32_t>(tag >> 3);
  wire = static_cast<Wire>(type);
  return true;
}

bool Cursor::payload(Field &field) {
  const uint8_t *start = pos;
  auto left = static_cast<uint64_t>(end - pos);
  switch (field.wire) {
  case Wire::Varint:
    return varint(field.value);
  case Wire::Fixed64:
  case Wire::Fixed32: {
    uint64_t width = field.wire == Wire::Fixed64 ? 8 : 4;
    if (left < width)
      return context.fail(Diag::Truncated, field.at,
                          "field " + Twine(field.number) + " needs " + Twine(width) +
                              " bytes but its message has " + Twine(left) + " left");
    field.value = 0;
    std::memcpy(&field.value, pos, width);
    pos += width;
    return true;
  }
  case Wire::Length: {
    uint64_t length;
    if (!varint(length))
      return false;
    left = static_cast<uint64_t>(end - pos);
    if (length > left)
      return context.fail(Diag::Truncated, start,
                          "field " + Twine(field.number) + " is " + Twine(length) +
                              " bytes long but its message has " + Twine(left) + " left");
    field.begin = pos;
    pos += length;
    field.end = pos;
    return true;
  }
  case Wire::Group:
    return skipGroup(field.number, field.at);
  case Wire::EndGroup:
    return context.fail(Diag::WrongWireType, field.at, "end of a group that did not begin");
  }
  return false;
}

bool Cursor::next(Field &field) {
  field = Field();
  field.at = pos;
  return tag(field.number, field.wire) && payload(field);
}

/// Groups nest; their numbers are kept on a stack rather than in recursive calls.
bool Cursor::skipGroup(uint32_t number, const uint8_t *at) {
  llvm::SmallVector<uint32_t, 8> open = {number};
  while (!open.empty()) {
    if (pos == end)
      return context.fail(Diag::WrongWireType, at, "group " + Twine(number) + " does not close");
    Field field;
    field.at = pos;
    if (!tag(field.number, field.wire))
      return false;
    if (field.wire == Wire::Group) {
      open.push_back(field.number);
      if (open.size() > context.options.maxMessageDepth)
        return context.fail(Diag::TooDeep, field.at, "groups are nested too deep");
    } else if (field.wire == Wire::EndGroup) {
      if (open.pop_back_val() != field.number)
        return context.fail(Diag::WrongWireType, field.at,
                            "end of group " + Twine(field.number) + ", which is not open");
    } else if (!payload(field)) {
      return false;
    }
  }
  return true;
}

static const char *wireName(Wire wire) {
  static const char *const names[] = {"an integer", "a 64-bit value",  "a byte string",
                                      "a group",    "an end of group", "a 32-bit value"};
  return names[static_cast<unsigned>(wire)];
}

bool Cursor::expect(const Field &field, Wire wire, const char *name) {
  if (field.wire == wire)
    return true;
  return context.fail(Diag::WrongWireType, field.at,
                      Twine("field '") + name + "' (" + Twine(field.number) + ") is encoded as " +
                          wireName(field.wire) + ", not as " + wireName(wire));
}

bool Cursor::int64(const Field &field, const char *name, int64_t &out) {
  out = static_cast<int64_t>(field.value);
  return expect(field, Wire::Varint, name);
}

bool Cursor::int32(const Field &field, const char *name, int32_t &out) {
  if (!expect(field, Wire::Varint, name))
    return false;
  auto value = static_cast<int64_t>(field.value);
  out = static_cast<int32_t>(value);
  if (value >= INT32_MIN && value <= INT32_MAX)
    return true;
  return context.fail(Diag::BadVarint, field.at,
                      Twine("field '") + name + "' holds " + Twine(value) +
                          ", not a 32-bit integer");
}

bool Cursor::real(const Field &field, const char *name, float &out) {
  if (!expect(field, Wire::Fixed32, name))
    return false;
  auto bits = static_cast<uint32_t>(field.value);
  std::memcpy(&out, &bits, 4);
  return true;
}

bool Cursor::bytes(const Field &field, const char *name, std::string &out) {
  if (!expect(field, Wire::Length, name) || !context.charge(field.size(), field.at))
    return false;
  out.assign(reinterpret_cast<const char *>(field.begin), field.size());
  return true;
}

bool Cursor::text(const Field &field, const char *name, std::string &out) {
  if (!expect(field, Wire::Length, name))
    return false;
  if (field.size() && std::memchr(field.begin, 0, field.size()))
    return context.fail(Diag::BadName, field.at, Twine("field '") + name + "' holds a NUL byte");
  const llvm::UTF8 *begin = field.begin;
  if (!llvm::isLegalUTF8String(&begin, field.end))
    return context.fail(Diag::BadName, begin, Twine("field '") + name + "' is not UTF-8");
  return bytes(field, name, out);
}

bool Cursor::int64s(const Field &field, const char *name, std::vector<int64_t> &out) {
  if (field.wire == Wire::Varint) {
    out.push_back(static_cast<int64_t>(field.value));
    return context.charge(8, field.at);
  }
  if (!expect(field, Wire::Length, name))
    return false;
  Cursor run(context, field.begin, field.end);
  while (!run.done()) {
    uint64_t value;
    if (!run.varint(value) || !context.charge(8, field.at))
      return false;
    out.push_back(static_cast<int64_t>(value));
  }
  return true;
}

bool Cursor::reals(const Field &field, const char *name, std::vector<float> &out) {
  if (field.wire == Wire::Fixed32) {
    out.emplace_back();
    return real(field, name, out.back()) && context.charge(4, field.at);
  }
  if (!expect(field, Wire::Length, name) || !context.charge(field.size(), field.at))
    return false;
  if (field.size() % 4)
    return context.fail(Diag::Truncated, field.at,
                        Twine("field '") + name + "' packs 32-bit values into " +
                            Twine(field.size()) + " bytes, which is no multiple of 4");
  if (field.size() == 0)
    return true;
  size_t before = out.size();
  out.resize(before + field.size() / 4);
  std::memcpy(out.data() + before, field.begin, field.size());
  return true;
}

bool Cursor::texts(const Field &field, const char *name, std::vector<std::string> &out) {
  return context.charge(sizeof(std::string), field.at) && text(field, name, out.emplace_back());
}

bool Cursor::byteStrings(const Field &field, const char *name, std::vector<std::string> &out) {
  return context.charge(sizeof(std::string), field.at) && bytes(field, name, out.emplace_back());
}

bool Cursor::message(const Field &field, const char *name, int64_t index, const std::string *label,
                     llvm::function_ref<bool(Cursor)> read) {
  if (!expect(field, Wire::Length, name))
    return false;
  if (context.path.size() >= context.options.maxMessageDepth)
    return context.fail(Diag::TooDeep, field.at,
                        "messages are nested deeper than " +
                            Twine(context.options.maxMessageDepth));
  context.path.push_back({name, index, label});
  bool ok = read(Cursor(context, field.begin, field.end));
  context.path.pop_back();
  return ok;
}
