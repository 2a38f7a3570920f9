// Look-ups in a model and its summary for people.
#include "qcc/Onnx/Model.h"
#include "Wire.h"
#include "llvm/Support/raw_ostream.h"
#include <cstring>

using namespace qcc;
using namespace qcc::onnx;
using llvm::StringRef;

namespace {
struct TypeFact {
  const char *name;
  unsigned bits;
};
// By TensorProto.DataType.
constexpr TypeFact typeFacts[] = {
    {"undefined", 0},      {"float", 32},       {"uint8", 8},          {"int8", 8},
    {"uint16", 16},        {"int16", 16},       {"int32", 32},         {"int64", 64},
    {"string", 0},         {"bool", 8},         {"float16", 16},       {"double", 64},
    {"uint32", 32},        {"uint64", 64},      {"complex64", 64},     {"complex128", 128},
    {"bfloat16", 16},      {"float8e4m3fn", 8}, {"float8e4m3fnuz", 8}, {"float8e5m2", 8},
    {"float8e5m2fnuz", 8}, {"uint4", 4},        {"int4", 4},           {"float4e2m1", 4},
    {"float8e8m0", 8},     {"uint2", 2},        {"int2", 2},
};
static_assert(std::size(typeFacts) == Int2 + 1);
constexpr int64_t maxElements = int64_t(1) << 40;
} // namespace

unsigned qcc::onnx::bitWidth(int32_t dataType) {
  return dataType >= 0 && dataType <= Int2 ? typeFacts[dataType].bits : 0;
}

std::string qcc::onnx::dataTypeName(int32_t dataType) {
  if (dataType >= 0 && dataType <= Int2)
    return typeFacts[dataType].name;
  return "type " + std::to_string(dataType);
}

std::optional<int64_t> qcc::onnx::elementCount(llvm::ArrayRef<int64_t> dims) {
  int64_t count = 1;
  bool empty = false;
  for (int64_t dim : dims) {
    if (dim < 0)
      return std::nullopt;
    empty |= dim == 0;
  }
  if (empty)
    return 0;
  for (int64_t dim : dims)
    if (__builtin_mul_overflow(count, dim, &count) || count > maxElements)
      return std::nullopt;
  return count;
}

std::optional<uint64_t> qcc::onnx::byteSize(int32_t dataType, int64_t count) {
  unsigned bits = bitWidth(dataType);
  if (bits == 0 || count < 0 || count > maxElements)
    return std::nullopt;
  return (static_cast<uint64_t>(count) * bits + 7) / 8;
}

StringRef qcc::onnx::attributeTypeName(AttributeType type) {
  static const char *const names[] = {"undefined",      "float",   "int",    "string",
                                      "tensor",         "graph",   "floats", "ints",
                                      "strings",        "tensors", "graphs", "sparse tensor",
                                      "sparse tensors", "type",    "types"};
  auto index = static_cast<size_t>(type);
  return index < std::size(names) ? names[index] : "unknown";
}

int64_t Tensor::count() const { return elementCount(dims).value_or(0); }

llvm::ArrayRef<uint8_t> Tensor::bytes(const Model &model) const {
  if (data.file == TensorData::inlineFile)
    return data.inlineBytes;
  llvm::ArrayRef<uint8_t> file = model.files[static_cast<size_t>(data.file)].bytes();
  return file.slice(data.offset, data.length);
}

const Attribute *Node::attribute(StringRef name) const {
  for (const Attribute &attribute : attributes)
    if (attribute.name == name)
      return &attribute;
  return nullptr;
}

std::string Node::describe() const {
  std::string out =
      name.empty() ? "node at byte " + std::to_string(position) : "node '" + printable(name) + "'";
  std::string op = domain.empty() ? opType : domain + "." + opType;
  return out + " (" + printable(op) + ")";
}

static llvm::Error wrongType(const Node &node, const Attribute &attribute, AttributeType wanted) {
  return makeError(Diag::BadAttribute, node.describe(),
                   "attribute '" + printable(attribute.name) + "' is of type " +
                       attributeTypeName(attribute.type).str() + ", it should be " +
                       attributeTypeName(wanted).str());
}

template <typename T, typename Get>
static llvm::Expected<T> typed(const Node &node, StringRef name, AttributeType type, T def,
                               Get get) {
  const Attribute *attribute = node.attribute(name);
  if (!attribute)
    return def;
  if (attribute->type != type)
    return wrongType(node, *attribute, type);
  return get(*attribute);
}

llvm::Expected<int64_t> Node::getInt(StringRef name, int64_t def) const {
  return typed(*this, name, AttributeType::Int, def, [](const Attribute &a) { return a.i; });
}
llvm::Expected<float> Node::getFloat(StringRef name, float def) const {
  return typed(*this, name, AttributeType::Float, def, [](const Attribute &a) { return a.f; });
}
llvm::Expected<std::string> Node::getString(StringRef name, StringRef def) const {
  return typed(*this, name, AttributeType::String, def.str(),
               [](const Attribute &a) { return a.s; });
}
llvm::Expected<std::vector<int64_t>> Node::getInts(StringRef name,
                                                   llvm::ArrayRef<int64_t> def) const {
  return typed(*this, name, AttributeType::Ints, def.vec(),
               [](const Attribute &a) { return a.ints; });
}
llvm::Expected<std::vector<float>> Node::getFloats(StringRef name,
                                                   llvm::ArrayRef<float> def) const {
  return typed(*this, name, AttributeType::Floats, def.vec(),
               [](const Attribute &a) { return a.floats; });
}
llvm::Expected<std::vector<std::string>> Node::getStrings(StringRef name) const {
  return typed<std::vector<std::string>>(*this, name, AttributeType::Strings, {},
                                         [](const Attribute &a) { return a.strings; });
}
llvm::Expected<const Tensor *> Node::getTensor(StringRef name) const {
  return typed<const Tensor *>(*this, name, AttributeType::Tensor, nullptr,
                               [](const Attribute &a) { return a.tensor(); });
}
llvm::Expected<const Graph *> Node::getGraph(StringRef name) const {
  return typed<const Graph *>(*this, name, AttributeType::Graph, nullptr,
                              [](const Attribute &a) { return a.graph(); });
}

const Tensor *Graph::initializer(StringRef name) const {
  for (const Tensor &tensor : initializers)
    if (tensor.name == name)
      return &tensor;
  return nullptr;
}

int64_t Model::opsetVersion(const Node &node) const {
  if (node.opset)
    return node.opset;
  auto found = opsetImports.find(node.domain);
  return found == opsetImports.end() ? 0 : found->second;
}

static void printValue(const ValueInfo &value, llvm::raw_ostream &os) {
  static const char *const kinds[] = {"untyped",  "",    "sparse tensor ", "sequence",
                                      "optional", "map", "opaque"};
  os << printable(value.name) << ": " << kinds[static_cast<int>(value.kind)];
  if (value.kind != TypeKind::Tensor && value.kind != TypeKind::SparseTensor)
    return;
  os << dataTypeName(value.elemType) << '[';
  const char *separator = "";
  for (const Dim &dim : value.dims) {
    os << separator;
    if (dim.value)
      os << *dim.value;
    else
      os << (dim.param.empty() ? "?" : printable(dim.param));
    separator = "x";
  }
  os << (value.hasShape ? "]" : "*]");
}

static void countOps(const Graph &graph, std::map<std::string, size_t> &ops) {
  for (const Node &node : graph.nodes) {
    ++ops[printable(node.domain.empty() ? node.opType : node.domain + "." + node.opType)];
    for (const Attribute &attribute : node.attributes)
      for (const auto &inner : attribute.graphs)
        countOps(*inner, ops);
  }
}

void qcc::onnx::printModel(const Model &model, llvm::raw_ostream &os) {
  os << "model " << printable(model.path) << ": IR version " << model.irVersion;
  if (!model.producerName.empty())
    os << ", by " << printable(model.producerName) << ' ' << printable(model.producerVersion);
  os << '\n';
  for (const auto &[domain, version] : model.opsetImports)
    os << "opset " << (domain.empty() ? "ai.onnx" : printable(domain)) << ' ' << version << '\n';
  for (const ValueInfo &value : model.graph.inputs)
    printValue(value, os << "input "), os << '\n';
  for (const ValueInfo &value : model.graph.outputs)
    printValue(value, os << "output "), os << '\n';
  uint64_t weightBytes = 0;
  for (const Tensor &tensor : model.graph.initializers)
    weightBytes += tensor.data.length;
  os << model.graph.initializers.size() << " initializers, " << weightBytes << " bytes\n";
  for (size_t i = 1; i < model.files.size(); ++i)
    os << "external data " << printable(model.files[i].path) << ", "
       << model.files[i].bytes().size() << " bytes\n";
  if (!model.functions.empty())
    os << model.functions.size() << " functions\n";
  std::map<std::string, size_t> ops;
  countOps(model.graph, ops);
  os << model.graph.nodes.size() << " nodes\n";
  for (const auto &[op, count] : ops)
    os << "  " << count << ' ' << op << '\n';
}
