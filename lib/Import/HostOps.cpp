// Operators that the application computes: how the command line declares them, and their nodes.
#include "OpTable.h"
#include "llvm/Support/JSON.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

//===-- Declarations -----------------------------------------------------------------------------//

namespace {

llvm::Error badHostOp(StringRef text, const Twine &why) {
  return makeError(
      Diag::BadOptionValue, "", ("--host-op '" + text + "': " + why).str(), {},
      "write DOMAIN::OP, and after = the results: like(0), or f32[x0.0, x1.1 + 2, 64]; "
      "several with ; between them");
}

/// The parts of `text` between separators that no bracket encloses.
SmallVector<StringRef> splitOutside(StringRef text, char separator) {
  SmallVector<StringRef> parts;
  int depth = 0;
  size_t start = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i == text.size() || (text[i] == separator && depth == 0)) {
      parts.push_back(text.slice(start, i).trim());
      start = i + 1;
    } else if (text[i] == '(' || text[i] == '[') {
      ++depth;
    } else if (text[i] == ')' || text[i] == ']') {
      --depth;
    }
  }
  return parts;
}

/// Input I of "xI".
std::optional<unsigned> inputOf(StringRef text) {
  unsigned number;
  if (!text.consume_front("x") || text.getAsInteger(10, number))
    return std::nullopt;
  return number;
}

Type namedElement(MLIRContext *context, StringRef name) {
  Builder b(context);
  if (name == "f32")
    return b.getF32Type();
  if (name == "f16")
    return b.getF16Type();
  if (name == "bf16")
    return b.getBF16Type();
  if (name == "f64")
    return b.getF64Type();
  if (name == "bool")
    return b.getI1Type();
  bool isUnsigned = name.starts_with("u");
  unsigned bits = 0;
  if (name.size() < 2 || (name[0] != 'i' && !isUnsigned) ||
      name.drop_front().getAsInteger(10, bits) ||
      (bits != 8 && bits != 16 && bits != 32 && bits != 64))
    return {};
  return IntegerType::get(context, bits,
                          isUnsigned ? IntegerType::Unsigned : IntegerType::Signless);
}

llvm::Expected<HostOp::Result> parseResult(StringRef whole, StringRef text) {
  HostOp::Result result;
  if (StringRef rest = text; rest.consume_front("like(") && rest.consume_back(")")) {
    unsigned number;
    if (rest.trim().getAsInteger(10, number))
      return badHostOp(whole, "'" + text + "' names no input");
    result.like = number;
    return result;
  }
  auto [element, dims] = text.split('[');
  result.element = element.trim().str();
  MLIRContext names(MLIRContext::Threading::DISABLED);
  if (!dims.consume_back("]") ||
      (!namedElement(&names, result.element) && !inputOf(result.element)))
    return badHostOp(whole, "'" + text + "' is no type of a result");
  names.loadDialect<qnt::QntDialect>();
  if (!dims.trim().empty())
    for (StringRef dim : splitOutside(dims, ',')) {
      if (!DimExpr::parse(&names, dim))
        return badHostOp(whole, "'" + dim + "' is no size");
      result.dims.push_back(dim.str());
    }
  return result;
}

bool holdsNode(const onnx::Graph &graph, const HostOp &host) {
  return llvm::any_of(graph.nodes, [&](const onnx::Node &node) {
    if (node.domain == host.domain && node.opType == host.name)
      return true;
    return llvm::any_of(node.attributes, [&](const onnx::Attribute &attribute) {
      return llvm::any_of(attribute.graphs,
                          [&](const auto &body) { return holdsNode(*body, host); });
    });
  });
}

} // namespace

llvm::Expected<HostOp> qcc::parseHostOp(StringRef text) {
  auto [name, results] = text.split('=');
  HostOp host;
  name = name.trim();
  host.text = name.str();
  auto [domain, op] = name.rsplit("::");
  if (op.empty() && !name.contains("::")) {
    op = domain;
    domain = "";
  }
  if (op.empty())
    return badHostOp(text, "names no operator");
  host.domain = domain == "ai.onnx" ? "" : domain.str();
  host.name = op.str();
  if (!text.contains('='))
    return host;
  for (StringRef part : splitOutside(results, ';')) {
    auto result = parseResult(text, part);
    if (!result)
      return result.takeError();
    host.results.push_back(std::move(*result));
  }
  return host;
}

llvm::Error GraphImporter::readHostOps() {
  for (const std::string &text : options.hostOps) {
    auto host = parseHostOp(text);
    if (!host)
      return host.takeError();
    if (!holdsNode(model.graph, *host))
      return badHostOp(text, "the model has no such node");
    hostOps.push_back(std::move(*host));
  }
  return llvm::Error::success();
}

const HostOp *GraphImporter::hostOpFor(const onnx::Node &node) const {
  for (const HostOp &host : hostOps)
    if (host.domain == node.domain && host.name == node.opType)
      return &host;
  return nullptr;
}

//===-- Attributes -------------------------------------------------------------------------------//

namespace {

std::string utf8(StringRef text) {
  return llvm::json::isUTF8(text) ? text.str() : llvm::json::fixUTF8(text);
}

/// {"dims": [2], "type": "float", "data": [1.0, 2.0]}; nothing for one that is too large or odd.
std::optional<llvm::json::Value> tensorJson(const NodeBuilder &n, const onnx::Tensor &tensor) {
  auto known = n.importer.knownOf(tensor);
  if (!known)
    return std::nullopt;
  llvm::json::Array data;
  for (const Element &element : known->elements)
    if (element.real)
      data.push_back(*element.real);
    else
      data.push_back(element.integer().value_or(0));
  return llvm::json::Object{{"type", onnx::dataTypeName(tensor.dataType)},
                            {"dims", llvm::json::Array(tensor.dims)},
                            {"data", std::move(data)}};
}

std::optional<llvm::json::Value> attributeJson(const NodeBuilder &n, const onnx::Attribute &a) {
  switch (a.type) {
  case onnx::AttributeType::Float:
    return a.f;
  case onnx::AttributeType::Int:
    return a.i;
  case onnx::AttributeType::String:
    return utf8(a.s);
  case onnx::AttributeType::Floats:
    return llvm::json::Array(a.floats);
  case onnx::AttributeType::Ints:
    return llvm::json::Array(a.ints);
  case onnx::AttributeType::Strings: {
    llvm::json::Array list;
    for (const std::string &text : a.strings)
      list.push_back(utf8(text));
    return list;
  }
  case onnx::AttributeType::Tensor:
    return a.tensor() ? tensorJson(n, *a.tensor()) : std::nullopt;
  default:
    return std::nullopt;
  }
}

/// The node's attributes as a JSON object.
std::optional<std::string> attributesOf(NodeBuilder &n) {
  llvm::json::Object object;
  for (const onnx::Attribute &attribute : n.node.attributes) {
    auto value = attributeJson(n, attribute);
    if (!value) {
      n.unsupported("its attribute '" + attribute.name + "' (" +
                        onnx::attributeTypeName(attribute.type) +
                        ") cannot be handed to the application",
                    "numbers, texts, lists of them and small tensors can");
      return std::nullopt;
    }
    object[utf8(attribute.name)] = std::move(*value);
  }
  std::string text;
  llvm::raw_string_ostream(text) << llvm::json::Value(std::move(object));
  return text;
}

//===-- Results ----------------------------------------------------------------------------------//

/// Input `number` of the node, for a result's type that mentions it.
Value mentioned(NodeBuilder &n, unsigned number, StringRef what) {
  if (number < n.numInputs() && n.has(number))
    return n.in(number);
  n.fail(Diag::BadNode,
         "--host-op: " + what + " names input " + Twine(number) + ", which the node does not have");
  return {};
}

/// A size with xI.A replaced by axis A of input I.
DimExpr sizeOf(NodeBuilder &n, StringRef text) {
  auto parsed = DimExpr::parse(n.context(), text);
  llvm::StringMap<DimExpr> values;
  parsed->collectSymbols([&](StringRef word) {
    auto [input, axis] = word.split('.');
    auto number = inputOf(input);
    unsigned at = 0;
    if (n.failed())
      return;
    if (!number || axis.getAsInteger(10, at)) {
      if (!n.importer.space.has(word))
        n.fail(Diag::BadNode, "--host-op: '" + word +
                                  "' is neither xI.A, axis A of input I, nor a "
                                  "size of the model's inputs");
      return;
    }
    Value value = mentioned(n, *number, "'" + word.str() + "'");
    if (value && at >= n.rank(value))
      n.fail(Diag::BadNode, "--host-op: '" + word + "' is beyond the rank " + Twine(n.rank(value)) +
                                " of the input");
    else if (value)
      values[word] = n.at(value, at);
  });
  return n.failed() ? n.dim(1) : n.importer.space.resolve(parsed->substitute(values));
}

RankedTensorType declaredResult(NodeBuilder &n, const HostOp::Result &result) {
  if (result.like) {
    Value value = mentioned(n, *result.like, "like()");
    return value ? n.type(n.dims(value), n.element(value)) : RankedTensorType();
  }
  Type element = namedElement(n.context(), result.element);
  if (!element) {
    Value value = mentioned(n, *inputOf(result.element), "'" + result.element + "'");
    element = n.element(value);
  }
  Dims dims;
  for (const std::string &dim : result.dims)
    dims.push_back(sizeOf(n, dim));
  return n.failed() ? RankedTensorType() : n.type(dims, element);
}

/// The type that the model itself declares of output `i`.
RankedTensorType modelResult(NodeBuilder &n, const HostOp &host, size_t i) {
  const std::string &name = n.node.outputs[i];
  const onnx::ValueInfo *info = name.empty() ? nullptr : n.importer.declaration(name);
  Type element = info && info->kind == onnx::TypeKind::Tensor && info->hasShape
                     ? n.importer.elementType(info->elemType)
                     : Type();
  auto dims = element ? n.importer.declaredDims(*info, /*invent=*/false) : std::nullopt;
  if (dims)
    return n.type(*dims, element);
  n.unsupported("the model does not say type and sizes of its output " + Twine(i),
                "say them: --host-op='" + host.text + "=like(0)' or ='f32[x0.0, 64]'");
  return {};
}

} // namespace

void qcc::import::importHostCall(NodeBuilder &n, const HostOp &host) {
  SmallVector<Value> inputs;
  SmallVector<int64_t> positions;
  SmallVector<Attribute> elements;
  SmallVector<Type> types;
  auto check = [&](Type element, const Twine &what) {
    if (!element || qnt::isHostElement(element))
      return;
    std::string name;
    llvm::raw_string_ostream(name) << element;
    n.unsupported(what + " has element type " + name +
                  ", which cannot be handed to the application");
  };
  for (size_t i = 0; i < n.numInputs() && !n.failed(); ++i) {
    positions.push_back(n.has(i) ? static_cast<int64_t>(inputs.size()) : -1);
    Value value = n.optional(i);
    if (!value)
      continue;
    check(n.element(value), "input " + Twine(i));
    inputs.push_back(value);
    elements.push_back(TypeAttr::get(n.element(value)));
  }
  if (!host.results.empty() && host.results.size() < n.numOutputs())
    return n.fail(Diag::BadNode, "--host-op declares " + Twine(host.results.size()) +
                                     " results, the node has " + Twine(n.numOutputs()));
  for (size_t i = 0; i < n.numOutputs() && !n.failed(); ++i) {
    types.push_back(host.results.empty() ? modelResult(n, host, i)
                                         : declaredResult(n, host.results[i]));
    if (types.back())
      check(cast<RankedTensorType>(types.back()).getElementType(), "output " + Twine(i));
  }
  auto attributes = n.failed() ? std::nullopt : attributesOf(n);
  if (n.failed())
    return;
  auto call =
      qnt::HostCallOp::create(n.builder, n.current, types, host.domain, host.name, *attributes,
                              positions, n.builder.getArrayAttr(elements), inputs);
  for (size_t i = 0; i < n.numOutputs(); ++i)
    n.out(i, call.getResult(i));
}
