// From the bytes of a ModelProto to a Model: one function per message, fields by ONNX's numbers.
#include "qcc/Onnx/Reader.h"
#include "Wire.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace qcc;
using namespace qcc::onnx;
using llvm::StringRef;
using llvm::Twine;

namespace {

class ModelReader {
public:
  ModelReader(Context &context, Model &model)
      : context(context), model(model), external(model.path, model.files) {}

  bool readModel(Cursor cursor);

private:
  bool readModelField(Cursor &cursor, const Field &field);
  bool readOpset(Cursor cursor, OpsetImports &imports);
  bool readMetadata(Cursor cursor);
  bool readGraph(Cursor cursor, Graph &graph);
  bool readGraphField(Cursor &cursor, const Field &field, Graph &graph);
  bool readNode(Cursor cursor, Node &node);
  bool readNodes(Cursor &cursor, const Field &field, std::vector<Node> &nodes);
  bool readAttributes(Cursor &cursor, const Field &field, const char *name,
                      std::vector<Attribute> &attributes);
  bool readAttribute(Cursor cursor, Attribute &attribute);
  bool readAttributeField(Cursor &cursor, const Field &field, Attribute &attribute);
  bool readInnerGraph(Cursor &cursor, const Field &field, const char *name, Attribute &attribute);
  bool finishAttribute(Attribute &attribute, const uint8_t *at, uint32_t seen);
  bool readTensors(Cursor &cursor, const Field &field, const char *name, std::vector<Tensor> &out);
  bool readSparse(Cursor cursor, SparseTensor &tensor);
  bool readValues(Cursor &cursor, const Field &field, const char *name,
                  std::vector<ValueInfo> &out);
  bool readValue(Cursor cursor, ValueInfo &value);
  bool readType(Cursor cursor, ValueInfo &value);
  bool readTensorType(Cursor cursor, ValueInfo &value);
  bool readShape(Cursor cursor, ValueInfo &value);
  bool readDim(Cursor cursor, Dim &dim);
  bool readFunction(Cursor cursor, Function &function);
  bool readFunctionField(Cursor &cursor, const Field &field, Function &function);
  bool once(bool already, const Field &field, const char *name);
  bool domain(Cursor &cursor, const Field &field, std::string &out);

  /// Calls `read` for each field of a message until one fails.
  template <typename Read> bool each(Cursor &cursor, Read read) {
    while (!cursor.done()) {
      Field field;
      if (!cursor.next(field) || !read(field))
        return false;
    }
    return true;
  }

  Context &context;
  Model &model;
  ExternalFiles external;
  bool sawGraph = false;
};

bool ModelReader::once(bool already, const Field &field, const char *name) {
  return !already || context.fail(Diag::RepeatedField, field.at,
                                  Twine("field '") + name + "' is present twice");
}

/// The default operator set has two spellings.
bool ModelReader::domain(Cursor &cursor, const Field &field, std::string &out) {
  if (!cursor.text(field, "domain", out))
    return false;
  if (out == "ai.onnx")
    out.clear();
  return true;
}

bool ModelReader::readModel(Cursor cursor) {
  const uint8_t *at = cursor.position();
  if (!each(cursor, [&](const Field &field) { return readModelField(cursor, field); }))
    return false;
  if (!sawGraph)
    return context.fail(Diag::MissingField, at, "the model has no graph");
  if (model.irVersion < 1)
    return context.fail(Diag::MissingField, at,
                        "the model's ir_version is " + Twine(model.irVersion) +
                            ", at least 1 is needed");
  if (model.opsetImports.empty()) {
    if (model.irVersion >= 3)
      return context.fail(Diag::BadOpset, at, "the model imports no operator set");
    model.opsetImports[""] = 1; // what models meant before imports existed
  }
  return true;
}

bool ModelReader::readModelField(Cursor &cursor, const Field &field) {
  switch (field.number) {
  case 1:
    return cursor.int64(field, "ir_version", model.irVersion);
  case 2:
    return cursor.text(field, "producer_name", model.producerName);
  case 3:
    return cursor.text(field, "producer_version", model.producerVersion);
  case 4:
    return cursor.text(field, "domain", model.domain);
  case 5:
    return cursor.int64(field, "model_version", model.modelVersion);
  case 6:
    return cursor.bytes(field, "doc_string", model.docString);
  case 7:
    if (!once(sawGraph, field, "graph"))
      return false;
    sawGraph = true;
    return cursor.message(field, "graph", -1, &model.graph.name,
                          [&](Cursor inner) { return readGraph(inner, model.graph); });
  case 8:
    return cursor.message(field, "opset_import", -1, nullptr,
                          [&](Cursor inner) { return readOpset(inner, model.opsetImports); });
  case 14:
    return cursor.message(field, "metadata_props", -1, nullptr,
                          [&](Cursor inner) { return readMetadata(inner); });
  case 20:
    if (model.notes.size() < 64)
      model.notes.push_back(context.file + ": training information is ignored");
    return cursor.expect(field, Wire::Length, "training_info");
  case 25: {
    if (!context.charge(sizeof(Function), field.at))
      return false;
    Function &function = model.functions.emplace_back();
    return cursor.message(field, "functions", static_cast<int64_t>(model.functions.size()) - 1,
                          &function.name,
                          [&](Cursor inner) { return readFunction(inner, function); });
  }
  default:
    return true;
  }
}

bool ModelReader::readOpset(Cursor cursor, OpsetImports &imports) {
  const uint8_t *at = cursor.position();
  std::string name;
  int64_t version = 0;
  if (!each(cursor, [&](const Field &field) {
        return field.number == 1   ? domain(cursor, field, name)
               : field.number == 2 ? cursor.int64(field, "version", version)
                                   : true;
      }))
    return false;
  std::string shown = name.empty() ? "ai.onnx" : printable(name);
  if (version < 1)
    return context.fail(Diag::BadOpset, at,
                        "operator set " + Twine(shown) + " has version " + Twine(version) +
                            ", at least 1 is needed");
  auto [found, isNew] = imports.try_emplace(name, version);
  if (!isNew && found->second != version)
    return context.fail(Diag::BadOpset, at,
                        "operator set " + Twine(shown) + " is imported in versions " +
                            Twine(found->second) + " and " + Twine(version));
  return context.charge(96 + name.size(), at);
}

bool ModelReader::readMetadata(Cursor cursor) {
  if (!context.charge(sizeof(model.metadata[0]), cursor.position()))
    return false;
  auto &[key, value] = model.metadata.emplace_back();
  return each(cursor, [&](const Field &field) {
    return field.number == 1   ? cursor.text(field, "key", key)
           : field.number == 2 ? cursor.bytes(field, "value", value)
                               : true;
  });
}

bool ModelReader::readGraph(Cursor cursor, Graph &graph) {
  if (context.graphDepth >= context.options.maxGraphDepth)
    return context.fail(Diag::TooDeep, cursor.position(),
                        "graphs are nested deeper than " + Twine(context.options.maxGraphDepth));
  ++context.graphDepth;
  graph.position = context.offsetOf(cursor.position());
  bool ok = each(cursor, [&](const Field &field) { return readGraphField(cursor, field, graph); });
  --context.graphDepth;
  return ok;
}

bool ModelReader::readGraphField(Cursor &cursor, const Field &field, Graph &graph) {
  switch (field.number) {
  case 1:
    return readNodes(cursor, field, graph.nodes);
  case 2:
    return cursor.text(field, "name", graph.name);
  case 5:
    if (!readTensors(cursor, field, "initializer", graph.initializers))
      return false;
    if (graph.initializers.back().name.empty())
      return context.fail(Diag::MissingField, field.at, "an initializer has no name");
    return true;
  case 11:
    return readValues(cursor, field, "input", graph.inputs);
  case 12:
    return readValues(cursor, field, "output", graph.outputs);
  case 13:
    return readValues(cursor, field, "value_info", graph.valueInfos);
  case 15: {
    if (!context.charge(sizeof(SparseTensor), field.at))
      return false;
    auto index = static_cast<int64_t>(graph.sparseInitializers.size());
    SparseTensor &tensor = graph.sparseInitializers.emplace_back();
    if (!cursor.message(field, "sparse_initializer", index, &tensor.values.name,
                        [&](Cursor inner) { return readSparse(inner, tensor); }))
      return false;
    if (tensor.values.name.empty())
      return context.fail(Diag::MissingField, field.at, "a sparse initializer has no name");
    return true;
  }
  default:
    return true;
  }
}

bool ModelReader::readNodes(Cursor &cursor, const Field &field, std::vector<Node> &nodes) {
  if (!context.chargeNode(field.at) || !context.charge(sizeof(Node), field.at))
    return false;
  auto index = static_cast<int64_t>(nodes.size());
  Node &node = nodes.emplace_back();
  return cursor.message(field, "node", index, &node.name,
                        [&](Cursor inner) { return readNode(inner, node); });
}

bool ModelReader::readNode(Cursor cursor, Node &node) {
  const uint8_t *at = cursor.position();
  node.position = context.offsetOf(at);
  if (!each(cursor, [&](const Field &field) {
        switch (field.number) {
        case 1:
          return cursor.texts(field, "input", node.inputs);
        case 2:
          return cursor.texts(field, "output", node.outputs);
        case 3:
          return cursor.text(field, "name", node.name);
        case 4:
          return cursor.text(field, "op_type", node.opType);
        case 5:
          return readAttributes(cursor, field, "attribute", node.attributes);
        case 7:
          return domain(cursor, field, node.domain);
        case 8:
          return cursor.text(field, "overload", node.overload);
        default:
          return true;
        }
      }))
    return false;
  if (node.opType.empty())
    return context.fail(Diag::MissingField, at, "the node has no op_type");
  return true;
}

bool ModelReader::readAttributes(Cursor &cursor, const Field &field, const char *name,
                                 std::vector<Attribute> &attributes) {
  if (!context.charge(sizeof(Attribute), field.at))
    return false;
  auto index = static_cast<int64_t>(attributes.size());
  Attribute &attribute = attributes.emplace_back();
  if (!cursor.message(field, name, index, &attribute.name,
                      [&](Cursor inner) { return readAttribute(inner, attribute); }))
    return false;
  // Nodes have few attributes; a hostile one with many pays by the charge above.
  if (attributes.size() > 256)
    return context.fail(Diag::LimitExceeded, field.at, "more than 256 attributes in one list");
  for (const Attribute &other : llvm::ArrayRef(attributes).drop_back())
    if (other.name == attributes.back().name)
      return context.fail(Diag::BadAttribute, field.at,
                          "attribute '" + Twine(printable(other.name)) + "' is present twice");
  return true;
}

bool ModelReader::readAttribute(Cursor cursor, Attribute &attribute) {
  const uint8_t *at = cursor.position();
  attribute.position = context.offsetOf(at);
  uint32_t seen = 0; // bit per field number
  if (!each(cursor, [&](const Field &field) {
        if (field.number < 32) {
          bool message = field.number == 5 || field.number == 6;
          if (message && !once(seen >> field.number & 1, field, field.number == 5 ? "t" : "g"))
            return false;
          seen |= 1u << field.number;
        }
        return readAttributeField(cursor, field, attribute);
      }))
    return false;
  return finishAttribute(attribute, at, seen);
}

bool ModelReader::readAttributeField(Cursor &cursor, const Field &field, Attribute &attribute) {
  switch (field.number) {
  case 1:
    return cursor.text(field, "name", attribute.name);
  case 2:
    return cursor.real(field, "f", attribute.f);
  case 3:
    return cursor.int64(field, "i", attribute.i);
  case 4:
    return cursor.bytes(field, "s", attribute.s);
  case 5:
    return readTensors(cursor, field, "t", attribute.tensors);
  case 6:
    return readInnerGraph(cursor, field, "g", attribute);
  case 7:
    return cursor.reals(field, "floats", attribute.floats);
  case 8:
    return cursor.int64s(field, "ints", attribute.ints);
  case 9:
    return cursor.byteStrings(field, "strings", attribute.strings);
  case 10:
    return readTensors(cursor, field, "tensors", attribute.tensors);
  case 11:
    return readInnerGraph(cursor, field, "graphs", attribute);
  case 20: {
    int32_t type;
    if (!cursor.int32(field, "type", type))
      return false;
    attribute.type = static_cast<AttributeType>(type);
    return true;
  }
  case 21:
    return cursor.text(field, "ref_attr_name", attribute.refAttrName);
  default:
    return true;
  }
}

bool ModelReader::readInnerGraph(Cursor &cursor, const Field &field, const char *name,
                                 Attribute &attribute) {
  if (!context.charge(sizeof(Graph) + 32, field.at))
    return false;
  auto index = static_cast<int64_t>(attribute.graphs.size());
  auto graph = attribute.graphs.emplace_back(std::make_shared<Graph>());
  return cursor.message(field, name, index, &graph->name,
                        [&](Cursor inner) { return readGraph(inner, *graph); });
}

/// The type that follows from the fields alone, for writers that leave `type` out.
static AttributeType impliedType(uint32_t seen) {
  static constexpr std::pair<unsigned, AttributeType> order[] = {
      {2, AttributeType::Float},   {3, AttributeType::Int},          {4, AttributeType::String},
      {5, AttributeType::Tensor},  {6, AttributeType::Graph},        {7, AttributeType::Floats},
      {8, AttributeType::Ints},    {9, AttributeType::Strings},      {10, AttributeType::Tensors},
      {11, AttributeType::Graphs}, {22, AttributeType::SparseTensor}};
  for (auto [field, type] : order)
    if (seen >> field & 1)
      return type;
  return AttributeType::Undefined;
}

bool ModelReader::finishAttribute(Attribute &attribute, const uint8_t *at, uint32_t seen) {
  if (attribute.name.empty())
    return context.fail(Diag::BadAttribute, at, "the attribute has no name");
  if (attribute.type == AttributeType::Undefined)
    attribute.type = impliedType(seen);
  if (!attribute.refAttrName.empty()) {
    if (!context.inFunction)
      return context.fail(Diag::BadAttribute, at,
                          "the attribute refers to '" + Twine(printable(attribute.refAttrName)) +
                              "' of a function but stands outside of one");
    return true;
  }
  auto type = static_cast<int32_t>(attribute.type);
  if (type < 1 || type > 14)
    return context.fail(Diag::BadAttribute, at,
                        type == 0 ? Twine("the attribute has no type")
                                  : "attribute type " + Twine(type) + " does not exist");
  bool lacksTensor = attribute.type == AttributeType::Tensor && attribute.tensors.size() != 1;
  bool lacksGraph = attribute.type == AttributeType::Graph && attribute.graphs.size() != 1;
  if (lacksTensor || lacksGraph)
    return context.fail(Diag::BadAttribute, at,
                        "the attribute is of type " + Twine(attributeTypeName(attribute.type)) +
                            " but does not hold exactly one");
  // Graphs that the type does not announce would be seen by some walks and not by others.
  bool graphType =
      attribute.type == AttributeType::Graph || attribute.type == AttributeType::Graphs;
  if (!attribute.graphs.empty() && !graphType)
    return context.fail(Diag::BadAttribute, at,
                        "the attribute holds a graph but is of type " +
                            Twine(attributeTypeName(attribute.type)));
  return true;
}

bool ModelReader::readTensors(Cursor &cursor, const Field &field, const char *name,
                              std::vector<Tensor> &out) {
  if (!context.charge(sizeof(Tensor), field.at))
    return false;
  auto index = static_cast<int64_t>(out.size());
  Tensor &tensor = out.emplace_back();
  return cursor.message(field, name, index, &tensor.name, [&](Cursor inner) {
    return readTensor(inner, tensor, &external, model.files, model.notes);
  });
}

bool ModelReader::readSparse(Cursor cursor, SparseTensor &tensor) {
  bool sawValues = false, sawIndices = false;
  const uint8_t *at = cursor.position();
  if (!each(cursor, [&](const Field &field) {
        if (field.number == 3)
          return cursor.int64s(field, "dims", tensor.dims);
        if (field.number != 1 && field.number != 2)
          return true;
        bool isValues = field.number == 1;
        bool &saw = isValues ? sawValues : sawIndices;
        const char *name = isValues ? "values" : "indices";
        if (!once(saw, field, name))
          return false;
        saw = true;
        Tensor &part = isValues ? tensor.values : tensor.indices;
        return cursor.message(field, name, -1, nullptr, [&](Cursor inner) {
          return readTensor(inner, part, &external, model.files, model.notes);
        });
      }))
    return false;
  if (!elementCount(tensor.dims))
    return context.fail(Diag::BadDim, at,
                        "the sparse tensor's dimensions are negative or too large");
  if (!sawValues || !sawIndices)
    return context.fail(Diag::MissingField, at, "the sparse tensor lacks its values or indices");
  return true;
}

bool ModelReader::readValues(Cursor &cursor, const Field &field, const char *name,
                             std::vector<ValueInfo> &out) {
  if (!context.charge(sizeof(ValueInfo), field.at))
    return false;
  auto index = static_cast<int64_t>(out.size());
  ValueInfo &value = out.emplace_back();
  return cursor.message(field, name, index, &value.name,
                        [&](Cursor inner) { return readValue(inner, value); });
}

bool ModelReader::readValue(Cursor cursor, ValueInfo &value) {
  const uint8_t *at = cursor.position();
  value.position = context.offsetOf(at);
  bool sawType = false;
  if (!each(cursor, [&](const Field &field) {
        if (field.number == 1)
          return cursor.text(field, "name", value.name);
        if (field.number != 2)
          return true;
        if (!once(sawType, field, "type"))
          return false;
        sawType = true;
        return cursor.message(field, "type", -1, nullptr,
                              [&](Cursor inner) { return readType(inner, value); });
      }))
    return false;
  if (value.name.empty())
    return context.fail(Diag::MissingField, at, "the value has no name");
  return true;
}

bool ModelReader::readType(Cursor cursor, ValueInfo &value) {
  return each(cursor, [&](const Field &field) {
    TypeKind kind = field.number == 1   ? TypeKind::Tensor
                    : field.number == 4 ? TypeKind::Sequence
                    : field.number == 5 ? TypeKind::Map
                    : field.number == 7 ? TypeKind::Opaque
                    : field.number == 8 ? TypeKind::SparseTensor
                    : field.number == 9 ? TypeKind::Optional
                                        : TypeKind::None;
    if (kind == TypeKind::None)
      return true;
    if (!once(value.kind != TypeKind::None, field, "type.value"))
      return false;
    value.kind = kind;
    if (kind != TypeKind::Tensor && kind != TypeKind::SparseTensor)
      return cursor.expect(field, Wire::Length, "type.value");
    return cursor.message(field, "tensor_type", -1, nullptr,
                          [&](Cursor inner) { return readTensorType(inner, value); });
  });
}

bool ModelReader::readTensorType(Cursor cursor, ValueInfo &value) {
  const uint8_t *at = cursor.position();
  if (!each(cursor, [&](const Field &field) {
        if (field.number == 1)
          return cursor.int32(field, "elem_type", value.elemType);
        if (field.number != 2)
          return true;
        if (!once(value.hasShape, field, "shape"))
          return false;
        value.hasShape = true;
        return cursor.message(field, "shape", -1, nullptr,
                              [&](Cursor inner) { return readShape(inner, value); });
      }))
    return false;
  // Undefined is common where exporters know the name of a value only.
  if (value.elemType < Undefined || value.elemType > Int2)
    return context.fail(Diag::BadTensorType, at,
                        "the value has the unknown element type " + Twine(value.elemType));
  return true;
}

bool ModelReader::readShape(Cursor cursor, ValueInfo &value) {
  const uint8_t *at = cursor.position();
  if (!each(cursor, [&](const Field &field) {
        if (field.number != 1)
          return true;
        auto index = static_cast<int64_t>(value.dims.size());
        if (index >= 64)
          return context.fail(Diag::BadDim, field.at, "the value has more than 64 dimensions");
        if (!context.charge(sizeof(Dim), field.at))
          return false;
        Dim &dim = value.dims.emplace_back();
        return cursor.message(field, "dim", index, nullptr,
                              [&](Cursor inner) { return readDim(inner, dim); });
      }))
    return false;
  std::vector<int64_t> known;
  for (const Dim &dim : value.dims)
    if (dim.value && *dim.value)
      known.push_back(*dim.value);
  if (!elementCount(known))
    return context.fail(Diag::TensorTooLarge, at,
                        "the known dimensions of the value multiply to more than 2^40 elements");
  return true;
}

bool ModelReader::readDim(Cursor cursor, Dim &dim) {
  const uint8_t *at = cursor.position();
  if (!each(cursor, [&](const Field &field) {
        if (field.number == 1)
          return cursor.int64(field, "dim_value", dim.value.emplace());
        return field.number == 2 ? cursor.text(field, "dim_param", dim.param) : true;
      }))
    return false;
  if (dim.value && (*dim.value < 0 || *dim.value > int64_t(1) << 40))
    return context.fail(Diag::BadDim, at,
                        "the dimension is " + Twine(*dim.value) + ", outside 0..2^40",
                        "leave the value out where a dimension is unknown, or give it a name");
  return true;
}

bool ModelReader::readFunction(Cursor cursor, Function &function) {
  const uint8_t *at = cursor.position();
  function.position = context.offsetOf(at);
  context.inFunction = true;
  bool ok =
      each(cursor, [&](const Field &field) { return readFunctionField(cursor, field, function); });
  context.inFunction = false;
  if (!ok)
    return false;
  if (function.name.empty())
    return context.fail(Diag::MissingField, at, "the function has no name");
  return true;
}

bool ModelReader::readFunctionField(Cursor &cursor, const Field &field, Function &function) {
  switch (field.number) {
  case 1:
    return cursor.text(field, "name", function.name);
  case 4:
    return cursor.texts(field, "input", function.inputs);
  case 5:
    return cursor.texts(field, "output", function.outputs);
  case 6:
    return cursor.texts(field, "attribute", function.attributeNames);
  case 7:
    return readNodes(cursor, field, function.nodes);
  case 9:
    return cursor.message(field, "opset_import", -1, nullptr,
                          [&](Cursor inner) { return readOpset(inner, function.opsetImports); });
  case 10:
    return domain(cursor, field, function.domain);
  case 11:
    return readAttributes(cursor, field, "attribute_proto", function.attributeDefaults);
  case 12:
    return readValues(cursor, field, "value_info", function.valueInfos);
  case 13:
    return cursor.text(field, "overload", function.overload);
  default:
    return true;
  }
}

/// What the file seems to be when its first field begins no ModelProto; empty when it may be one.
std::string strangeStart(llvm::ArrayRef<uint8_t> bytes) {
  StringRef head(reinterpret_cast<const char *>(bytes.data()), std::min<size_t>(bytes.size(), 512));
  if (head.empty())
    return "the file is empty";
  if (head.starts_with("version https://git-lfs"))
    return "the file is a pointer of large-file storage, not the model it stands for";
  if (head.starts_with("PK\x03\x04"))
    return "the file is a zip archive";
  if (head.starts_with("GGUF"))
    return "the file is in GGUF format";
  if (llvm::all_of(head, [](char c) { return llvm::isPrint(c) || llvm::isSpace(c); }))
    return "the file holds text";
  static constexpr uint8_t varintTags[] = {1 << 3, 5 << 3};
  static constexpr uint8_t lengthTags[] = {2, 3, 4, 6, 7, 8, 14};
  uint8_t first = bytes[0];
  bool known =
      llvm::is_contained(varintTags, first) ||
      llvm::any_of(lengthTags, [&](uint8_t number) { return first == (number << 3 | 2); }) ||
      (bytes.size() > 1 && bytes[1] == 1 && (first == 0xa2 || first == 0xca));
  return known ? "" : "its first bytes begin no ModelProto";
}

llvm::Error parse(Model &model, llvm::ArrayRef<uint8_t> bytes, const ReadOptions &options) {
  Context context(bytes, model.path, options);
  if (std::string strange = strangeStart(bytes); !strange.empty())
    return makeError(Diag::NotOnnx, context.file, "not an ONNX model: " + strange);
  Cursor cursor(context, bytes.begin(), bytes.end());
  if (!ModelReader(context, model).readModel(cursor))
    return context.takeError();
  return options.validate ? validateModel(model) : llvm::Error::success();
}

} // namespace

llvm::Expected<std::unique_ptr<Model>>
qcc::onnx::readModelBuffer(llvm::ArrayRef<uint8_t> bytes, StringRef path, ReadOptions options) {
  auto model = std::make_unique<Model>();
  model->path = path.str();
  model->files.emplace_back(path.str(), bytes.data(), bytes.size(), /*owned=*/false);
  if (llvm::Error error = parse(*model, bytes, options))
    return std::move(error);
  return model;
}

llvm::Expected<std::unique_ptr<Model>> qcc::onnx::readModel(StringRef path, ReadOptions options) {
  llvm::Expected<MappedFile> file = mapFile(path);
  if (!file)
    return file.takeError();
  auto model = std::make_unique<Model>();
  model->path = path.str();
  llvm::ArrayRef<uint8_t> bytes = file->bytes();
  model->files.push_back(std::move(*file));
  if (llvm::Error error = parse(*model, bytes, options))
    return std::move(error);
  return model;
}
