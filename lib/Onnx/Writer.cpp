// Protobuf messages of ONNX as bytes; onnx.proto gives the numbers of fields.
#include "qcc/Onnx/Writer.h"
#include "llvm/Support/MathExtras.h"
#include <cassert>
#include <cstring>

using namespace qcc;
using namespace qcc::onnx;
using llvm::StringRef;

namespace {

/// Tensors in a data file begin at multiples of this, so that it can be mapped.
constexpr uint64_t dataAlign = 64;

class Message {
public:
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7)
      bytes += static_cast<char>(value | 0x80);
    bytes += static_cast<char>(value);
  }
  void tag(uint32_t field, unsigned wire) { varint(static_cast<uint64_t>(field) << 3 | wire); }
  void integer(uint32_t field, int64_t value) {
    tag(field, 0);
    varint(static_cast<uint64_t>(value));
  }
  void real(uint32_t field, float value) {
    tag(field, 5);
    char raw[4];
    std::memcpy(raw, &value, 4);
    bytes.append(raw, 4);
  }
  /// Tag and length of a field whose bytes follow.
  void open(uint32_t field, uint64_t length) {
    tag(field, 2);
    varint(length);
  }
  void text(uint32_t field, StringRef value) {
    open(field, value.size());
    bytes += value;
  }
  /// A field that is left out where it is empty.
  void optionalText(uint32_t field, StringRef value) {
    if (!value.empty())
      text(field, value);
  }
  void message(uint32_t field, const Message &inner) { text(field, inner.bytes); }

  std::string bytes;
};

Message valueInfoMessage(const ValueInfo &info) {
  Message shape;
  for (const Dim &dim : info.dims) {
    Message one;
    if (dim.value)
      one.integer(1, *dim.value);
    else
      one.optionalText(2, dim.param);
    shape.message(1, one);
  }
  Message tensor, type, value;
  tensor.integer(1, info.elemType);
  if (info.hasShape)
    tensor.message(2, shape);
  type.message(1, tensor);
  value.text(1, info.name);
  value.message(2, type);
  return value;
}

/// A TensorProto without its bytes.
Message tensorHead(const Tensor &tensor) {
  Message head;
  for (int64_t dim : tensor.dims)
    head.integer(1, dim);
  head.integer(2, tensor.dataType);
  head.optionalText(8, tensor.name);
  return head;
}

Message inlineTensor(const Tensor &tensor) {
  Message message = tensorHead(tensor);
  message.open(9, tensor.data.inlineBytes.size());
  message.bytes.append(tensor.data.inlineBytes.begin(), tensor.data.inlineBytes.end());
  return message;
}

Message attributeMessage(const Attribute &attribute) {
  Message message;
  message.text(1, attribute.name);
  switch (attribute.type) {
  case AttributeType::Float:
    message.real(2, attribute.f);
    break;
  case AttributeType::Int:
    message.integer(3, attribute.i);
    break;
  case AttributeType::String:
    message.text(4, attribute.s);
    break;
  case AttributeType::Tensor:
    message.message(5, inlineTensor(*attribute.tensor()));
    break;
  case AttributeType::Floats:
    for (float value : attribute.floats)
      message.real(7, value);
    break;
  case AttributeType::Ints:
    for (int64_t value : attribute.ints)
      message.integer(8, value);
    break;
  case AttributeType::Strings:
    for (const std::string &value : attribute.strings)
      message.text(9, value);
    break;
  default:
    assert(false && "no graphs are written");
  }
  message.integer(20, static_cast<int64_t>(attribute.type));
  return message;
}

Message nodeMessage(const Node &node) {
  Message message;
  for (const std::string &input : node.inputs)
    message.text(1, input);
  for (const std::string &output : node.outputs)
    message.text(2, output);
  message.optionalText(3, node.name);
  message.text(4, node.opType);
  for (const Attribute &attribute : node.attributes)
    message.message(5, attributeMessage(attribute));
  message.optionalText(7, node.domain);
  return message;
}

/// Bytes that are known, then room for those of a tensor.
struct Part {
  std::string bytes;
  uint64_t room = 0;
  size_t initializer = 0; ///< that the room belongs to
};

class Layout {
public:
  Layout(const Model &model, StringRef dataFile) : model(model), dataFile(dataFile) {}

  ModelImage run(bool external) {
    ModelImage image;
    image.places.resize(model.graph.initializers.size());
    std::vector<Part> graph = graphParts(external, image);
    uint64_t graphBytes = 0;
    for (const Part &part : graph)
      graphBytes += part.bytes.size() + part.room;
    Message head = modelHead();
    head.open(7, graphBytes);
    add(image, head.bytes);
    for (Part &part : graph) {
      add(image, part.bytes);
      if (part.room)
        image.places[part.initializer] = {false, image.modelBytes, part.room};
      image.modelBytes += part.room;
    }
    add(image, modelTail().bytes);
    return image;
  }

private:
  static void add(ModelImage &image, const std::string &bytes) {
    uint64_t end =
        image.pieces.empty() ? 0 : image.pieces.back().offset + image.pieces.back().bytes.size();
    if (image.pieces.empty() || end != image.modelBytes)
      image.pieces.push_back({image.modelBytes, ""});
    image.pieces.back().bytes += bytes;
    image.modelBytes += bytes.size();
  }

  Message modelHead() const {
    Message head;
    head.integer(1, model.irVersion);
    head.optionalText(2, model.producerName);
    head.optionalText(3, model.producerVersion);
    head.optionalText(6, model.docString);
    return head;
  }

  Message modelTail() const {
    Message tail;
    for (const auto &[domain, version] : model.opsetImports) {
      Message import;
      import.text(1, domain);
      import.integer(2, version);
      tail.message(8, import);
    }
    for (const auto &[key, value] : model.metadata)
      tail.message(14, entry(key, value));
    return tail;
  }

  static Message entry(StringRef key, StringRef value) {
    Message message;
    message.text(1, key);
    message.text(2, value);
    return message;
  }

  std::vector<Part> graphParts(bool external, ModelImage &image) const {
    Message first;
    for (const Node &node : model.graph.nodes)
      first.message(1, nodeMessage(node));
    first.text(2, model.graph.name);
    std::vector<Part> parts = {{std::move(first.bytes)}};
    for (size_t i = 0; i < model.graph.initializers.size(); ++i)
      parts.push_back(initializerPart(i, external, image));
    Message last;
    for (const ValueInfo &info : model.graph.inputs)
      last.message(11, valueInfoMessage(info));
    for (const ValueInfo &info : model.graph.outputs)
      last.message(12, valueInfoMessage(info));
    parts.push_back({std::move(last.bytes)});
    return parts;
  }

  Part initializerPart(size_t i, bool external, ModelImage &image) const {
    const Tensor &tensor = model.graph.initializers[i];
    assert(!tensor.isString() && "strings are not written");
    Message field;
    if (tensor.data.file == TensorData::inlineFile) {
      field.message(5, inlineTensor(tensor));
      return {std::move(field.bytes)};
    }
    Message head = tensorHead(tensor);
    if (external) {
      uint64_t offset = llvm::alignTo(image.dataBytes, dataAlign);
      image.dataBytes = offset + tensor.data.length;
      image.places[i] = {true, offset, tensor.data.length};
      head.message(13, entry("location", dataFile));
      head.message(13, entry("offset", std::to_string(offset)));
      head.message(13, entry("length", std::to_string(tensor.data.length)));
      head.integer(14, 1);
      field.message(5, head);
      return {std::move(field.bytes)};
    }
    head.open(9, tensor.data.length);
    field.open(5, head.bytes.size() + tensor.data.length);
    return {field.bytes + head.bytes, tensor.data.length, i};
  }

  const Model &model;
  StringRef dataFile;
};

} // namespace

ModelImage qcc::onnx::layOutModel(const Model &model, StringRef dataFile, uint64_t limit) {
  ModelImage image = Layout(model, dataFile).run(/*external=*/false);
  return image.modelBytes <= limit ? image : Layout(model, dataFile).run(/*external=*/true);
}
