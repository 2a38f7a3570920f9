// Writes protobuf messages byte by byte, right and wrong ones, and ONNX messages by name on top.
#ifndef QCC_TEST_ONNX_WIREWRITER_H
#define QCC_TEST_ONNX_WIREWRITER_H

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

namespace qcc::test {

class WireWriter {
public:
  static std::string encode(uint64_t value) {
    std::string out;
    for (; value >= 0x80; value >>= 7)
      out += static_cast<char>(value | 0x80);
    return out + static_cast<char>(value);
  }
  WireWriter &raw(const std::string &bytes) {
    out += bytes;
    return *this;
  }
  WireWriter &tag(uint32_t field, unsigned wire) {
    return raw(encode(static_cast<uint64_t>(field) << 3 | wire));
  }
  WireWriter &varint(uint32_t field, int64_t value) {
    return tag(field, 0).raw(encode(static_cast<uint64_t>(value)));
  }
  WireWriter &bytes(uint32_t field, const std::string &value) {
    return tag(field, 2).raw(encode(value.size())).raw(value);
  }
  WireWriter &message(uint32_t field, const WireWriter &inner) { return bytes(field, inner.out); }
  WireWriter &fixed32(uint32_t field, float value) { return tag(field, 5).raw(pod(value)); }
  WireWriter &fixed64(uint32_t field, double value) { return tag(field, 1).raw(pod(value)); }
  WireWriter &packed(uint32_t field, const std::vector<int64_t> &values) {
    std::string run;
    for (int64_t value : values)
      run += encode(static_cast<uint64_t>(value));
    return bytes(field, run);
  }
  template <typename T> static std::string pod(T value) {
    return std::string(reinterpret_cast<const char *>(&value), sizeof value);
  }
  template <typename T> static std::string pods(const std::vector<T> &values) {
    return std::string(reinterpret_cast<const char *>(values.data()), values.size() * sizeof(T));
  }
  const std::string &str() const { return out; }

private:
  std::string out;
};

using Names = std::vector<std::string>;

/// A TensorProto without data.
inline WireWriter tensorHead(const std::string &name, int type, const std::vector<int64_t> &dims) {
  WireWriter w;
  for (int64_t dim : dims)
    w.varint(1, dim);
  return w.varint(2, type).bytes(8, name);
}
inline WireWriter rawTensor(const std::string &name, int type, const std::vector<int64_t> &dims,
                            const std::string &raw) {
  return tensorHead(name, type, dims).bytes(9, raw);
}
inline WireWriter entry(const std::string &key, const std::string &value) {
  return WireWriter().bytes(1, key).bytes(2, value);
}
/// A TensorProto whose bytes lie in a file.
inline WireWriter externalTensor(const std::string &name, int type,
                                 const std::vector<int64_t> &dims,
                                 const std::vector<std::pair<std::string, std::string>> &entries) {
  WireWriter w = tensorHead(name, type, dims);
  for (const auto &[key, value] : entries)
    w.message(13, entry(key, value));
  return w.varint(14, 1);
}

/// A ValueInfoProto of a tensor; a dimension below 0 gets no value.
inline WireWriter value(const std::string &name, int type = 1,
                        const std::vector<int64_t> &dims = {}) {
  WireWriter shape;
  for (int64_t dim : dims)
    shape.message(1, dim < 0 ? WireWriter() : WireWriter().varint(1, dim));
  WireWriter tensorType = WireWriter().varint(1, type).message(2, shape);
  return WireWriter().bytes(1, name).message(2, WireWriter().message(1, tensorType));
}

inline WireWriter node(const std::string &op, const Names &inputs, const Names &outputs,
                       const std::string &name = "", const std::string &domain = "") {
  WireWriter w;
  for (const std::string &input : inputs)
    w.bytes(1, input);
  for (const std::string &output : outputs)
    w.bytes(2, output);
  if (!name.empty())
    w.bytes(3, name);
  w.bytes(4, op);
  if (!domain.empty())
    w.bytes(7, domain);
  return w;
}

inline WireWriter intAttribute(const std::string &name, int64_t value) {
  return WireWriter().bytes(1, name).varint(3, value).varint(20, 2);
}
inline WireWriter refAttribute(const std::string &name, const std::string &ref, int type) {
  return WireWriter().bytes(1, name).bytes(21, ref).varint(20, type);
}
inline WireWriter graphAttribute(const std::string &name, const WireWriter &graph) {
  return WireWriter().bytes(1, name).message(6, graph).varint(20, 5);
}

/// A GraphProto of nodes; more fields can be appended.
inline WireWriter graph(const std::vector<WireWriter> &nodes, const Names &inputs = {},
                        const Names &outputs = {}) {
  WireWriter w;
  for (const WireWriter &n : nodes)
    w.message(1, n);
  w.bytes(2, "g");
  for (const std::string &input : inputs)
    w.message(11, value(input, 1, {2, 3}));
  for (const std::string &output : outputs)
    w.message(12, value(output, 1, {2, 3}));
  return w;
}

inline WireWriter opset(const std::string &domain, int64_t version) {
  return WireWriter().bytes(1, domain).varint(2, version);
}

inline WireWriter model(const WireWriter &graph, const std::vector<WireWriter> &functions = {}) {
  WireWriter w;
  w.varint(1, 8).bytes(2, "writer").message(7, graph).message(8, opset("", 17));
  for (const WireWriter &function : functions)
    w.message(25, function);
  return w;
}

inline WireWriter function(const std::string &name, const Names &inputs, const Names &outputs,
                           const std::vector<WireWriter> &nodes, const std::string &domain = "f",
                           int64_t version = 17) {
  WireWriter w;
  w.bytes(1, name).bytes(10, domain).message(9, opset("", version));
  for (const std::string &input : inputs)
    w.bytes(4, input);
  for (const std::string &output : outputs)
    w.bytes(5, output);
  for (const WireWriter &n : nodes)
    w.message(7, n);
  return w;
}

} // namespace qcc::test
#endif
