// The walk over a function: names, nodes and initializers. One file per family of ops.
#include "GraphExporter.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/ADT/TypeSwitch.h"
#include <cmath>

using namespace mlir;
using namespace qcc;
using namespace qcc::exporter;
using namespace qcc::qnt;

//===-- Attributes and types ---------------------------------------------------------------------//

static onnx::Attribute attributeOf(StringRef name, onnx::AttributeType type) {
  onnx::Attribute attribute;
  attribute.name = name.str();
  attribute.type = type;
  return attribute;
}

onnx::Attribute exporter::attr(StringRef name, int64_t value) {
  onnx::Attribute attribute = attributeOf(name, onnx::AttributeType::Int);
  attribute.i = value;
  return attribute;
}

onnx::Attribute exporter::attr(StringRef name, double value) {
  onnx::Attribute attribute = attributeOf(name, onnx::AttributeType::Float);
  attribute.f = static_cast<float>(value);
  return attribute;
}

onnx::Attribute exporter::attr(StringRef name, StringRef value) {
  onnx::Attribute attribute = attributeOf(name, onnx::AttributeType::String);
  attribute.s = value.str();
  return attribute;
}

onnx::Attribute exporter::attr(StringRef name, ArrayRef<int64_t> values) {
  onnx::Attribute attribute = attributeOf(name, onnx::AttributeType::Ints);
  attribute.ints = values.vec();
  return attribute;
}

static int32_t integerType(IntegerType type) {
  bool isUnsigned = type.isUnsigned();
  switch (type.getWidth()) {
  case 1:
    return onnx::Bool;
  case 2:
    return isUnsigned ? onnx::UInt2 : onnx::Int2;
  case 4:
    return isUnsigned ? onnx::UInt4 : onnx::Int4;
  case 8:
    return isUnsigned ? onnx::UInt8 : onnx::Int8;
  case 16:
    return isUnsigned ? onnx::UInt16 : onnx::Int16;
  case 32:
    return isUnsigned ? onnx::UInt32 : onnx::Int32;
  case 64:
    return isUnsigned ? onnx::UInt64 : onnx::Int64;
  default:
    return onnx::Undefined;
  }
}

int32_t exporter::dataTypeOf(Type element) {
  return llvm::TypeSwitch<Type, int32_t>(element)
      .Case([](IntegerType type) { return integerType(type); })
      .Case([](Float32Type) { return onnx::Float; })
      .Case([](Float64Type) { return onnx::Double; })
      .Case([](Float16Type) { return onnx::Float16; })
      .Case([](BFloat16Type) { return onnx::BFloat16; })
      .Case([](Float8E4M3FNType) { return onnx::Float8E4M3FN; })
      .Case([](Float8E4M3FNUZType) { return onnx::Float8E4M3FNUZ; })
      .Case([](Float8E5M2Type) { return onnx::Float8E5M2; })
      .Case([](Float8E5M2FNUZType) { return onnx::Float8E5M2FNUZ; })
      .Case([](Float8E8M0FNUType) { return onnx::Float8E8M0; })
      .Case([](Float4E2M1FNType) { return onnx::Float4E2M1; })
      .Default([](Type) { return onnx::Undefined; });
}

/// The first version of the file format that knows an opset (onnx/docs/Versioning.md).
static int64_t irVersionOf(int64_t opset) {
  return opset <= 22 ? 10 : opset == 23 ? 11 : opset == 24 ? 12 : 13;
}

/// The first opset whose operators take a type.
static int64_t opsetOf(int32_t dataType) {
  switch (dataType) {
  case onnx::Int2:
  case onnx::UInt2:
    return 25;
  case onnx::Float8E8M0:
    return 24;
  case onnx::Float4E2M1:
    return 23;
  default:
    return 21;
  }
}

int32_t GraphExporter::dataType(Type element) {
  int32_t type = dataTypeOf(element);
  opset = std::max(opset, opsetOf(type));
  return type;
}

//===-- Errors -----------------------------------------------------------------------------------//

void GraphExporter::refuse(Operation *op, const Twine &why) {
  StringRef node = nodeName(op->getLoc());
  std::string where =
      node.empty() ? op->getName().getStringRef().str() : "node '" + node.str() + "'";
  if (refusals.empty())
    firstWhere = where, firstWhy = why.str();
  refusals.push_back(where + ": " + why.str());
}

void GraphExporter::refuseWeight(WeightOp weight, StringRef why) {
  std::string where = "tensor '" + nameOf(weight) + "'", line = where + ": " + why.str();
  if (llvm::is_contained(refusals, line))
    return;
  if (refusals.empty())
    firstWhere = where, firstWhy = why.str();
  refusals.push_back(line);
}

//===-- Values -----------------------------------------------------------------------------------//

std::string GraphExporter::unique(StringRef wanted) {
  if (used.insert(wanted).second)
    return wanted.str();
  while (true) {
    std::string name = (wanted + "_" + Twine(++counts[wanted])).str();
    if (used.insert(name).second)
      return name;
  }
}

std::string GraphExporter::name(Value value) {
  if (auto found = names.find(value); found != names.end())
    return found->second;
  if (isa<QType>(value.getType()))
    return real(value);
  WeightOp weight = weightOf(value);
  if (!weight)
    return {};
  auto type = cast<RankedTensorType>(weight.getType());
  return names[value] = weightPart(nameOf(weight), dataTypeOf(type.getElementType()),
                                   type.getShape(), {weight});
}

void GraphExporter::define(Value value, std::string name) {
  auto wanted = outputNames.find(value);
  if (wanted == outputNames.end()) {
    names[value] = std::move(name);
    return;
  }
  std::string output = wanted->second;
  // A result that later ops may read under its own name keeps it.
  bool isOwn = model.graph.nodes.size() > firstNode &&
               model.graph.nodes.back().outputs == Names{name} &&
               !isa<DimTensorOp, DequantizeOp>(value.getDefiningOp());
  if (!isOwn)
    add("Identity", {name});
  model.graph.nodes.back().outputs[0] = output;
  names[value] = output;
}

WeightOp GraphExporter::weightOf(Value value) {
  auto use = value.getDefiningOp<UseOp>();
  return use ? symbols.lookup<WeightOp>(use.getWeight()) : WeightOp();
}

/// Codes are called as the weight that they are codes of; weights that passes made after their
/// symbols, the model's own as the model has it.
std::string GraphExporter::nameOf(WeightOp weight) {
  StringRef node = nodeName(weight.getLoc()), symbol = weight.getSymName();
  std::string same;
  for (char c : node)
    same += llvm::isAlnum(c) || c == '_' || c == '.' ? c : '_';
  StringRef stem = symbol;
  if (isa<QType>(weight.getType())) {
    stem.consume_back(".codes");
    auto [front, bits] = stem.rsplit(".q");
    if (!bits.empty() && llvm::all_of(bits, llvm::isDigit))
      stem = front;
  }
  return !node.empty() && stem == same ? node.str() : stem.str();
}

//===-- Weights ----------------------------------------------------------------------------------//

std::string GraphExporter::weightPart(StringRef wanted, int32_t dataType, ArrayRef<int64_t> dims,
                                      WeightPart part) {
  onnx::Tensor tensor;
  tensor.name = unique(wanted);
  tensor.dataType = dataType;
  tensor.dims = dims.vec();
  tensor.data.file = 1; // to be written later
  tensor.data.length = onnx::byteSize(dataType, *onnx::elementCount(dims)).value_or(0);
  part.initializer = model.graph.initializers.size();
  if (tensor.data.length == 0)
    tensor.data.file = onnx::TensorData::inlineFile;
  else
    parts.push_back(part);
  model.graph.initializers.push_back(std::move(tensor));
  return model.graph.initializers.back().name;
}

bool GraphExporter::isOnlyMultiplied(WeightOp weight) const {
  bool only = true;
  auto function = weight->getParentOfType<ModuleOp>().getOps<func::FuncOp>();
  (*function.begin()).walk([&](UseOp use) {
    if (use.getWeight() != weight.getSymName())
      return;
    for (OpOperand &operand : use.getOut().getUses())
      only &= isa<LinearOp, QLinearOp>(operand.getOwner()) && operand.getOperandNumber() == 1;
  });
  return only;
}

std::string GraphExporter::rightOperand(Value matrix) {
  WeightOp weight = weightOf(matrix);
  std::string key = weight ? weight.getSymName().str() : name(matrix);
  std::string &made = transposed[key];
  if (!made.empty())
    return made;
  if (weight && isOnlyMultiplied(weight)) {
    auto type = cast<RankedTensorType>(weight.getType());
    int64_t dims[] = {type.getDimSize(1), type.getDimSize(0)};
    return made = weightPart(nameOf(weight), dataType(type.getElementType()), dims,
                             {weight, PartKind::Dense, /*transposed=*/true});
  }
  std::string transposedName = transpose(name(matrix), {1, 0});
  return transposed[key] = transposedName;
}

//===-- Nodes ------------------------------------------------------------------------------------//

Names GraphExporter::addMany(StringRef op, Names inputs, size_t results, Attributes attributes,
                             StringRef domain) {
  while (!inputs.empty() && inputs.back().empty())
    inputs.pop_back();
  onnx::Node node;
  node.opType = op.str();
  node.domain = domain.str();
  node.inputs = std::move(inputs);
  node.attributes = std::move(attributes);
  for (size_t i = 0; i < results; ++i)
    node.outputs.push_back(unique((base + "/" + op + "_output").str()));
  model.graph.nodes.push_back(std::move(node));
  return model.graph.nodes.back().outputs;
}

std::string GraphExporter::add(StringRef op, Names inputs, Attributes attributes,
                               StringRef domain) {
  return addMany(op, std::move(inputs), 1, std::move(attributes), domain).front();
}

std::string GraphExporter::cast(const std::string &x, Type from, Type to) {
  return from == to ? x : add("Cast", {x}, {attr("to", int64_t(dataType(to)))});
}

std::string GraphExporter::transpose(const std::string &x, ArrayRef<int64_t> order) {
  return add("Transpose", {x}, {attr("perm", order)});
}

std::string GraphExporter::slice(const std::string &x, int64_t axis, int64_t start, int64_t end,
                                 int64_t step) {
  return add("Slice", {x, integers({start}), integers({end}), integers({axis}), integers({step})});
}

//===-- Constants --------------------------------------------------------------------------------//

std::string GraphExporter::constant(int32_t dataType, ArrayRef<int64_t> dims,
                                    std::vector<uint8_t> bytes, StringRef wanted) {
  std::string key = std::to_string(dataType) + ":";
  for (int64_t dim : dims)
    key += std::to_string(dim) + "x";
  key.append(bytes.begin(), bytes.end());
  std::string &made = constants[key];
  if (!made.empty())
    return made;
  onnx::Tensor tensor;
  tensor.name = made = unique(wanted);
  tensor.dataType = dataType;
  tensor.dims = dims.vec();
  tensor.data.length = bytes.size();
  tensor.data.inlineBytes = std::move(bytes);
  model.graph.initializers.push_back(std::move(tensor));
  return made;
}

std::string GraphExporter::integers(ArrayRef<int64_t> values) {
  std::vector<uint8_t> bytes(values.size() * 8);
  if (!values.empty())
    std::memcpy(bytes.data(), values.data(), bytes.size());
  return constant(onnx::Int64, {static_cast<int64_t>(values.size())}, std::move(bytes));
}

std::string GraphExporter::number(Type element, double value) {
  auto type = RankedTensorType::get({}, element);
  if (auto integer = dyn_cast<IntegerType>(element))
    return constant(DenseElementsAttr::get(
        type, APInt(integer.getWidth(), static_cast<uint64_t>(static_cast<int64_t>(value)),
                    /*isSigned=*/false, /*implicitTrunc=*/true)));
  APFloat number(value);
  bool lossy;
  number.convert(::cast<FloatType>(element).getFloatSemantics(), APFloat::rmNearestTiesToEven,
                 &lossy);
  return constant(DenseElementsAttr::get(type, number));
}

/// Little-endian bytes of all elements; types below 8 bits are packed, booleans take a byte.
static std::vector<uint8_t> bytesOf(DenseElementsAttr value) {
  Type element = value.getElementType();
  auto count = static_cast<size_t>(value.getNumElements());
  size_t bits = element.isInteger(1) ? 8 : element.getIntOrFloatBitWidth();
  std::vector<uint8_t> bytes((count * bits + 7) / 8);
  auto put = [&](size_t i, const APInt &raw) {
    uint64_t word = raw.getZExtValue();
    if (bits < 8)
      bytes[i * bits / 8] |= static_cast<uint8_t>(word << (i * bits % 8));
    else
      std::memcpy(&bytes[i * bits / 8], &word, bits / 8);
  };
  if (isa<FloatType>(element))
    for (auto [i, number] : llvm::enumerate(value.getValues<APFloat>()))
      put(i, number.bitcastToAPInt());
  else
    for (auto [i, number] : llvm::enumerate(value.getValues<APInt>()))
      put(i, number);
  return bytes;
}

std::string GraphExporter::constant(DenseElementsAttr value) {
  return constant(dataType(value.getElementType()), value.getType().getShape(), bytesOf(value));
}

//===-- The function -----------------------------------------------------------------------------//

onnx::ValueInfo GraphExporter::valueInfo(StringRef name, Type type) {
  onnx::ValueInfo info;
  info.name = name.str();
  info.kind = onnx::TypeKind::Tensor;
  info.elemType = dataType(elementTypeOf(type));
  info.hasShape = true;
  for (DimExpr dim : dimsOf(type)) {
    onnx::Dim one;
    one.value = dim.constantValue();
    if (!one.value)
      one.param = dim.str();
    info.dims.push_back(one);
  }
  return info;
}

void GraphExporter::declare(func::FuncOp function) {
  model.graph.name = function.getSymName().str();
  auto nameAt = [&](auto attribute, const char *otherwise, size_t i) {
    auto given = dyn_cast_or_null<StringAttr>(attribute);
    return given ? given.str() : otherwise + std::to_string(i);
  };
  for (auto [i, argument] : llvm::enumerate(function.getArguments())) {
    std::string input = nameAt(function.getArgAttr(i, nameAttrName), "input", i);
    used.insert(input);
    names[argument] = input;
    model.graph.inputs.push_back(valueInfo(input, argument.getType()));
  }
  if (auto list = function->getAttrOfType<ArrayAttr>(symbolsAttrName))
    for (auto symbol : list.getAsRange<SymbolAttr>()) {
      if (!symbol.isBound())
        continue;
      base = symbol.getName().str();
      int64_t axis = symbol.getAxis();
      symbolValues[symbol.getName()] =
          add("Shape", {names[function.getArgument(symbol.getInput())]},
              {attr("start", axis), attr("end", axis + 1)});
    }
  Operation *end = function.getBody().front().getTerminator();
  for (auto [i, value] : llvm::enumerate(end->getOperands())) {
    std::string output = nameAt(function.getResultAttr(i, nameAttrName), "output", i);
    used.insert(output);
    onnx::ValueInfo info = valueInfo(output, value.getType());
    for (onnx::Dim &dim : info.dims) // only names that inputs have mean something
      if (!dim.value && !symbolValues.contains(dim.param))
        dim.param.clear();
    model.graph.outputs.push_back(info);
    if (!isa_and_nonnull<UseOp, ConstantOp>(value.getDefiningOp()) && value.getDefiningOp())
      outputNames.try_emplace(value, output);
  }
}

/// The node that computes the op (a layer's product, else the last one) gets its name, so that
/// statistics and overrides go on to fit.
void GraphExporter::nameNodes(Operation *op, size_t from) {
  std::vector<onnx::Node> &nodes = model.graph.nodes;
  bool isLayer = isa<LinearOp, QLinearOp>(op);
  for (size_t i = from; i < nodes.size(); ++i) {
    bool bare = isLayer ? StringRef(nodes[i].opType).starts_with("MatMul") : i + 1 == nodes.size();
    std::string wanted = bare ? base : base + "/" + nodes[i].opType;
    std::string name = wanted;
    for (int n = 1; !usedNodes.insert(name).second; ++n)
      name = wanted + "_" + std::to_string(n);
    nodes[i].name = name;
  }
}

void GraphExporter::exportOp(Operation *op) {
  StringRef node = nodeName(op->getLoc());
  base = node.empty() ? op->getName().stripDialect().str() : node.str();
  firstNode = model.graph.nodes.size();
  for (Type type : op->getResultTypes())
    if (isa<RankedTensorType>(type) && dataTypeOf(elementTypeOf(type)) == onnx::Undefined)
      return refuse(op, "its element type has no ONNX form");
  bool done = exportElementwise(*this, op) || exportMove(*this, op) || exportLayer(*this, op) ||
              exportTransform(*this, op) || exportQuantized(*this, op);
  if (!done)
    refuse(op, "'" + op->getName().getStringRef() + "' has no ONNX form");
  nameNodes(op, firstNode);
}

llvm::Error GraphExporter::run(func::FuncOp function) {
  declare(function);
  nameNodes(function, 0);
  Block &block = function.getBody().front();
  for (Operation &op : block.without_terminator())
    if (!isOpTriviallyDead(&op))
      exportOp(&op);
  if (!refusals.empty()) {
    std::vector<std::string> notes;
    if (refusals.size() > 1)
      notes.assign(refusals.begin() + 1, refusals.begin() + std::min<size_t>(refusals.size(), 11));
    if (refusals.size() > 11)
      notes.push_back("and " + std::to_string(refusals.size() - 11) + " more");
    return makeError(Diag::NoOnnxForm, firstWhere, firstWhy, std::move(notes),
                     "write a .qnt, or choose a scheme that ONNX can carry");
  }
  for (auto [value, info] :
       llvm::zip_equal(block.getTerminator()->getOperands(), model.graph.outputs)) {
    std::string from = name(value);
    if (from == info.name)
      continue;
    base = info.name;
    add("Identity", {from});
    model.graph.nodes.back().outputs[0] = info.name;
    nameNodes(function, model.graph.nodes.size() - 1);
  }
  model.producerName = "qcc";
  model.irVersion = irVersionOf(opset);
  model.opsetImports[""] = opset;
  for (const onnx::Node &node : model.graph.nodes)
    if (!node.domain.empty())
      model.opsetImports[node.domain] = 1;
  return llvm::Error::success();
}
