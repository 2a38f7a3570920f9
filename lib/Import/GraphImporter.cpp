// Values, dimensions and the walk over the nodes.
#include "GraphImporter.h"
#include "NodeBuilder.h"
#include "OpTable.h"
#include "mlir/IR/AttrTypeSubElements.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

GraphImporter::GraphImporter(onnx::Model &model, MLIRContext *context, const ImportOptions &options)
    : model(model), context(context), options(options), builder(context) {
  context->loadDialect<qnt::QntDialect, func::FuncDialect>();
}

Type GraphImporter::elementType(int32_t dataType) const {
  auto unsignedType = [&](unsigned bits) {
    return IntegerType::get(context, bits, IntegerType::Unsigned);
  };
  switch (dataType) {
  case onnx::Float:
    return Float32Type::get(context);
  case onnx::Double:
    return Float64Type::get(context);
  case onnx::Float16:
    return Float16Type::get(context);
  case onnx::BFloat16:
    return BFloat16Type::get(context);
  case onnx::Float8E4M3FN:
    return Float8E4M3FNType::get(context);
  case onnx::Float8E4M3FNUZ:
    return Float8E4M3FNUZType::get(context);
  case onnx::Float8E5M2:
    return Float8E5M2Type::get(context);
  case onnx::Float8E5M2FNUZ:
    return Float8E5M2FNUZType::get(context);
  case onnx::Float8E8M0:
    return Float8E8M0FNUType::get(context);
  case onnx::Float4E2M1:
    return Float4E2M1FNType::get(context);
  case onnx::Bool:
    return IntegerType::get(context, 1);
  case onnx::Int2:
    return IntegerType::get(context, 2);
  case onnx::Int4:
    return IntegerType::get(context, 4);
  case onnx::Int8:
    return IntegerType::get(context, 8);
  case onnx::Int16:
    return IntegerType::get(context, 16);
  case onnx::Int32:
    return IntegerType::get(context, 32);
  case onnx::Int64:
    return IntegerType::get(context, 64);
  case onnx::UInt2:
    return unsignedType(2);
  case onnx::UInt4:
    return unsignedType(4);
  case onnx::UInt8:
    return unsignedType(8);
  case onnx::UInt16:
    return unsignedType(16);
  case onnx::UInt32:
    return unsignedType(32);
  case onnx::UInt64:
    return unsignedType(64);
  default:
    return {};
  }
}

std::string GraphImporter::where(const onnx::Node &node) const {
  std::string op = node.domain.empty() ? node.opType : node.domain + "." + node.opType;
  std::string name = node.name.empty() ? "" : "'" + node.name + "' ";
  return model.path + ": node " + name + "(" + op + ", opset " +
         std::to_string(model.opsetVersion(node)) + ")";
}

//===-- Values -----------------------------------------------------------------------------------//

Entry *GraphImporter::find(StringRef name) {
  auto it = values.find(name);
  return it == values.end() ? nullptr : &it->second;
}

void GraphImporter::define(StringRef name, Entry entry) {
  // A value at which the graph was cut stays the function's argument.
  if (!name.empty() && !llvm::is_contained(options.inputs, name.str()))
    values[name] = std::move(entry);
}

std::optional<ShapeValue> GraphImporter::knownOf(const onnx::Tensor &tensor) const {
  Type element = elementType(tensor.dataType);
  if (!element || tensor.count() > ShapeValue::maxElements)
    return std::nullopt;
  auto integer = dyn_cast<IntegerType>(element);
  unsigned width = integer && integer.getWidth() == 1 ? 8 : element.getIntOrFloatBitWidth();
  if (width < 8)
    return std::nullopt;
  ArrayRef<uint8_t> bytes = tensor.bytes(model);
  if (bytes.size() != static_cast<size_t>(tensor.count()) * width / 8)
    return std::nullopt;
  ShapeValue value{element, {tensor.dims.begin(), tensor.dims.end()}, {}};
  for (int64_t i = 0; i < tensor.count(); ++i) {
    uint64_t raw = 0;
    memcpy(&raw, bytes.data() + i * (width / 8), width / 8); // the host is little-endian
    if (auto floatType = dyn_cast<FloatType>(element)) {
      APFloat number(floatType.getFloatSemantics(), APInt(width, raw));
      bool lossy;
      number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lossy);
      value.elements.push_back({DimExpr(), 1, number.convertToDouble()});
      continue;
    }
    APInt bits(width, raw);
    int64_t number =
        integer.isUnsigned() ? static_cast<int64_t>(bits.getZExtValue()) : bits.getSExtValue();
    if (integer.getWidth() == 1)
      number = raw != 0;
    value.elements.push_back({DimExpr::constant(context, number), 1, std::nullopt});
  }
  return value;
}

Value GraphImporter::materialiseKnown(const ShapeValue &known) {
  Location loc = builder.getUnknownLoc();
  if (known.isConstant())
    return qnt::ConstantOp::create(builder, loc, known.attribute());
  // The numerators as one vector, then the divisor, the element type and the shape.
  SmallVector<DimExpr> dims;
  bool divided = false;
  for (const Element &element : known.elements) {
    DimExpr dim =
        element.dim ? element.dim : DimExpr::constant(context, static_cast<int64_t>(*element.real));
    dims.push_back(space.resolve(dim));
    divided |= element.divisor != 1 || (element.real && *element.real != std::trunc(*element.real));
  }
  Type i64 = builder.getI64Type();
  auto count = static_cast<int64_t>(dims.size());
  bool scalar = known.shape.empty();
  auto shape = scalar ? SmallVector<int64_t>() : SmallVector<int64_t>{count};
  Value value = qnt::DimTensorOp::create(builder, loc, RankedTensorType::get(shape, i64),
                                         qnt::makeDims(context, dims));
  if (known.type != i64)
    value = qnt::CastOp::create(builder, loc, RankedTensorType::get(shape, known.type), value);
  if (divided) {
    // (numerator) / divisor per element; constant fractions ride along as number / 1 corrections.
    ShapeValue divisors{known.type, shape, {}};
    ShapeValue offsets{known.type, shape, {}};
    for (const Element &element : known.elements) {
      double rest = element.real ? *element.real - std::trunc(*element.real) : 0;
      divisors.elements.push_back({DimExpr(), 1, static_cast<double>(element.divisor)});
      offsets.elements.push_back({DimExpr(), 1, rest});
    }
    value = qnt::DivOp::create(builder, loc, value.getType(), value, materialiseKnown(divisors));
    value = qnt::AddOp::create(builder, loc, value.getType(), value, materialiseKnown(offsets));
  }
  auto type = RankedTensorType::get(known.shape, known.type);
  if (value.getType() != type)
    value = qnt::ReshapeOp::create(builder, loc, type, value);
  return value;
}

llvm::Expected<Value> GraphImporter::materialise(Entry &entry, StringRef name) {
  if (entry.value)
    return entry.value;
  // Large constants are symbols; what is known of small ones folds better as a constant.
  if (entry.tensor) {
    auto value = materialiseTensor(*entry.tensor, name);
    if (!value)
      return value.takeError();
    return entry.value = *value;
  }
  return entry.value = materialiseKnown(*entry.known);
}

//===-- Dimensions -------------------------------------------------------------------------------//

void GraphImporter::applySubstitutions() {
  AttrTypeReplacer replacer;
  replacer.addReplacement(
      [&](qnt::DimsAttr dims) -> std::optional<std::pair<Attribute, WalkResult>> {
        auto resolved =
            llvm::map_to_vector(qnt::dimsOf(dims), [&](DimExpr d) { return space.resolve(d); });
        return std::pair<Attribute, WalkResult>(qnt::makeDims(context, resolved),
                                                WalkResult::skip());
      });
  replacer.addReplacement([&](RankedTensorType type) -> std::optional<std::pair<Type, WalkResult>> {
    auto resolved =
        llvm::map_to_vector(qnt::dimsOf(type), [&](DimExpr d) { return space.resolve(d); });
    return std::pair<Type, WalkResult>(qnt::makeTensorType(resolved, type.getElementType()),
                                       WalkResult::skip());
  });
  replacer.recursivelyReplaceElementsIn(func, /*replaceAttrs=*/true, /*replaceLocs=*/false,
                                        /*replaceTypes=*/true);
}

bool GraphImporter::mayStretch(DimExpr a, DimExpr b) {
  if (stretched.count({a.str(), b.str()}) || stretched.count({b.str(), a.str()}))
    return true;
  auto [outcome, solution] = space.solve(a, b);
  return outcome == DimSpace::Outcome::Substituted && solution.value.isConstant(0);
}

DimExpr GraphImporter::stretch(DimExpr a, DimExpr b) {
  DimExpr size = a.max(b);
  stretchedTo.insert({a.getAttr(), size.getAttr()});
  stretchedTo.insert({b.getAttr(), size.getAttr()});
  return size;
}

/// A later equation that nothing meets, or only an empty input, shows that an earlier broadcast was
/// one of size 1 after all (a causal mask [s, s] against [1, total] while decoding).
bool GraphImporter::contradicts(DimExpr a, DimExpr b) {
  llvm::StringSet<> symbols;
  for (DimExpr dim : {a, b})
    dim.collectSymbols([&](StringRef name) { symbols.insert(name); });
  for (const Assumption &assumption : llvm::reverse(assumptions)) {
    bool involved = false;
    for (DimExpr dim : {assumption.a, assumption.b})
      space.resolve(dim).collectSymbols(
          [&](StringRef name) { involved |= symbols.contains(name); });
    if (!involved && !symbols.empty())
      continue;
    retryWith = {assumption.a.str(), assumption.b.str()};
    return true;
  }
  return false;
}

DimExpr GraphImporter::requireEqual(DimExpr a, DimExpr b, bool broadcast) {
  a = space.resolve(a), b = space.resolve(b);
  auto [outcome, solution] = space.solve(a, b);
  // What a branch requires says nothing about the rest of the model.
  if (guard && outcome == DimSpace::Outcome::Substituted)
    outcome = DimSpace::Outcome::Unproved;
  DimExpr factor = guard ? guard : DimExpr::constant(context, 1);
  switch (outcome) {
  case DimSpace::Outcome::Equal:
    return a;
  case DimSpace::Outcome::Substituted:
    if (solution.value.isConstant(0) && contradicts(a, b))
      return {};
    if (broadcast)
      assumptions.push_back({a, b});
    space.substitute(solution.name, solution.value);
    applySubstitutions();
    return space.resolve(a);
  case DimSpace::Outcome::Different:
    contradicts(a, b);
    return {};
  case DimSpace::Outcome::Unproved:
    break;
  }
  if (!checked.contains({a.getAttr(), b.getAttr()}) &&
      !checked.contains({b.getAttr(), a.getAttr()})) {
    if (!guard)
      checked.insert({a.getAttr(), b.getAttr()});
    qnt::RequireEqualOp::create(builder, builder.getUnknownLoc(),
                                qnt::makeDims(context, {a * factor, b * factor}));
  }
  // The simpler form makes the rest of the graph simpler.
  return b.str().size() < a.str().size() ? b : a;
}

void GraphImporter::requireZero(DimExpr dim) {
  dim = space.resolve(dim);
  DimExpr zero = DimExpr::constant(context, 0);
  if (!dim.isConstant(0))
    qnt::RequireEqualOp::create(builder, builder.getUnknownLoc(),
                                qnt::makeDims(context, {guard ? dim * guard : dim, zero}));
}

/// Where the model gives an output's size the name that only one input's size has, the two are
/// equal (a mask as long as the cache grows).
void GraphImporter::equateOutputs() {
  llvm::StringMap<int> uses;
  for (Type type : func.getArgumentTypes())
    for (DimExpr dim : qnt::dimsOf(type))
      dim.collectSymbols([&](StringRef name) { ++uses[name]; });
  for (const onnx::ValueInfo &info : model.graph.outputs) {
    Entry *entry = find(info.name);
    if (!entry || !entry->value || !info.hasShape)
      continue;
    SmallVector<DimExpr> dims = qnt::dimsOf(entry->value.getType());
    for (size_t i = 0; i < dims.size() && dims.size() == info.dims.size(); ++i) {
      const std::string &name = info.dims[i].param;
      DimSpace::Symbol *symbol = space.find(name);
      DimExpr dim = space.resolve(dims[i]);
      if (!info.dims[i].isSymbolic() || !symbol || symbol->eliminated || uses[name] != 1 ||
          dim.constantValue())
        continue;
      auto [outcome, solution] = space.solve(DimExpr::symbol(context, name), dim);
      if (outcome != DimSpace::Outcome::Substituted || solution.name != name)
        continue;
      space.substitute(solution.name, solution.value);
      applySubstitutions();
    }
  }
}

bool GraphImporter::isConstant(Value value) {
  auto it = constantValues.find(value);
  if (it != constantValues.end())
    return it->second;
  Operation *op = value.getDefiningOp();
  bool constant = op && isa<qnt::QntDialect>(op->getDialect()) && isMemoryEffectFree(op) &&
                  !isa<qnt::DimTensorOp>(op) && llvm::all_of(op->getResultTypes(), [](Type type) {
                    auto tensor = dyn_cast<RankedTensorType>(type);
                    return !tensor || tensor.hasStaticShape();
                  });
  // Types of operands are static too when they are constant themselves.
  if (constant)
    for (Value operand : op->getOperands())
      constant = constant && isConstant(operand);
  // A symbol in an attribute (iota, slice) makes a value vary although its type is fixed.
  if (constant)
    for (NamedAttribute attr : op->getAttrs())
      if (auto dims = dyn_cast<qnt::DimsAttr>(attr.getValue()))
        for (DimExpr dim : qnt::dimsOf(dims))
          constant = constant && dim.constantValue();
  return constantValues[value] = constant;
}

void GraphImporter::erase(Operation *op) {
  for (Value result : op->getResults()) {
    constantValues.erase(result);
    tokens.erase(result);
    realSums.erase(result);
    dequantized.erase(result);
  }
  op->erase();
}

//===-- Nodes ------------------------------------------------------------------------------------//

Location GraphImporter::location(const onnx::Node &node) {
  auto [it, isNew] = ordinals.try_emplace(&node, static_cast<int64_t>(ordinals.size()));
  std::string name = node.name;
  if (name.empty())
    name = node.opType + "_" + std::to_string(it->second);
  auto file = FileLineColLoc::get(context, llvm::sys::path::filename(model.path),
                                  static_cast<unsigned>(it->second + 1), 0);
  return NameLoc::get(StringAttr::get(context, name), file);
}

static void collectReferences(const onnx::Graph &graph, llvm::StringSet<> &names);
static void collectReferences(const onnx::Node &node, llvm::StringSet<> &names) {
  for (const std::string &input : node.inputs)
    if (!input.empty())
      names.insert(input);
  for (const onnx::Attribute &attribute : node.attributes)
    for (const auto &graph : attribute.graphs)
      collectReferences(*graph, names);
}
static void collectReferences(const onnx::Graph &graph, llvm::StringSet<> &names) {
  for (const onnx::Node &node : graph.nodes)
    collectReferences(node, names);
  for (const onnx::ValueInfo &output : graph.outputs) // may pass an outer value through
    names.insert(output.name);
}

std::vector<std::string> GraphImporter::outputNames() const {
  if (!options.outputs.empty())
    return options.outputs;
  std::vector<std::string> names;
  for (const onnx::ValueInfo &output : model.graph.outputs)
    names.push_back(output.name);
  return names;
}

llvm::Error GraphImporter::findNeededNodes() {
  llvm::StringSet<> names, cut, defined;
  for (const std::string &name : options.inputs)
    cut.insert(name);
  for (const std::string &name : outputNames())
    names.insert(name);
  for (const onnx::Node &node : model.graph.nodes) {
    ordinals.try_emplace(&node, static_cast<int64_t>(ordinals.size()));
    for (const std::string &output : node.outputs)
      if (!output.empty())
        defined.insert(output);
  }
  for (const onnx::Node &node : llvm::reverse(model.graph.nodes)) {
    bool used = llvm::any_of(node.outputs, [&](const std::string &output) {
      return names.contains(output) && !cut.contains(output);
    });
    if (!used)
      continue;
    needed.push_back(&node);
    collectReferences(node, names);
  }
  std::reverse(needed.begin(), needed.end());
  for (const std::string &name : outputNames())
    if (!defined.contains(name) && !find(name))
      return makeError(Diag::UnknownValue, model.path,
                       "the model has no value '" + name + "' to make an output of");
  return llvm::Error::success();
}

llvm::Error GraphImporter::importNode(const onnx::Node &node) {
  visited.insert(&node);
  NodeBuilder n(*this, node, model.opsetVersion(node));
  n.current = location(node);
  bool poisoned = false;
  for (const std::string &input : node.inputs) {
    Entry *entry = input.empty() ? nullptr : find(input);
    if (!input.empty() && !entry)
      return makeError(Diag::BadNode, where(node), "reads '" + input + "', which nothing defines");
    poisoned |= entry && entry->poisoned;
  }
  const HostOp *host = hostOpFor(node);
  const OpEntry *op = findOp(node.domain, node.opType);
  auto refuse = [&](std::string reason, std::string remedy) {
    addUnsupported(node, n.opset, std::move(reason), std::move(remedy));
    poisoned = true;
  };
  if (host) {
    if (!poisoned)
      importHostCall(n, *host);
  } else if (!op)
    refuse(unknownOperator, unknownRemedy);
  else if (node.domain.empty() && n.opset > 0 && (n.opset < op->since))
    refuse("the operator begins with opset " + std::to_string(op->since),
           "declare an opset of at least " + std::to_string(op->since));
  if (!host && !poisoned && !evaluateShapeValue(n) && !n.failed())
    op->build(n);
  if (!n.isUnsupported() && n.failed())
    if (llvm::Error error = noteProblem(node, n.opset, n.takeError()))
      return error;
  poisoned |= n.failed();
  for (const std::string &output : node.outputs) {
    if (output.empty() || (!poisoned && find(output)))
      continue;
    if (!poisoned)
      refuse("qcc does not compute output '" + output + "'", "");
    defineUnknown(output);
  }
  if (poisoned && options.findAll)
    checkBodies(node);
  return llvm::Error::success();
}

llvm::Error GraphImporter::importNodes(ArrayRef<const onnx::Node *> nodes) {
  for (const onnx::Node *node : nodes)
    if (llvm::Error error = importNode(*node))
      return error;
  return llvm::Error::success();
}

llvm::Expected<std::vector<Entry>> GraphImporter::importBranch(const onnx::Graph &graph,
                                                               DimExpr taken) {
  DimExpr outer = guard;
  if (taken)
    guard = outer ? outer * taken : taken;
  auto restore = llvm::scope_exit([&] { guard = outer; });
  for (const onnx::Tensor &tensor : graph.initializers) {
    Entry entry;
    entry.tensor = &tensor;
    define(tensor.name, std::move(entry));
  }
  declareTypes(graph);
  std::vector<const onnx::Node *> nodes;
  for (const onnx::Node &node : graph.nodes)
    nodes.push_back(&node);
  if (llvm::Error error = importNodes(nodes))
    return std::move(error);
  std::vector<Entry> results;
  for (const onnx::ValueInfo &output : graph.outputs) {
    Entry *entry = find(output.name);
    if (!entry)
      return makeError(Diag::BadNode, model.path,
                       "branch output '" + output.name + "' is defined nowhere");
    results.push_back(*entry);
  }
  return results;
}

void GraphImporter::forget(const onnx::Graph &graph) {
  for (const onnx::Node &node : graph.nodes)
    for (const std::string &output : node.outputs)
      values.erase(output);
}

std::optional<bool> GraphImporter::truth(Entry &entry) {
  if (!entry.known && entry.tensor)
    entry.known = knownOf(*entry.tensor);
  if (!entry.known && entry.value)
    if (auto constant = entry.value.getDefiningOp<qnt::ConstantOp>())
      if (auto dense = dyn_cast<DenseElementsAttr>(constant.getValue()))
        entry.known = ShapeValue::ofAttribute(dense);
  if (!entry.known || entry.known->elements.size() != 1 || !entry.known->elements[0].integer())
    return std::nullopt;
  return *entry.known->elements[0].integer() != 0;
}

//===-- The whole --------------------------------------------------------------------------------//

/// Erases pure ops without uses, last first.
static void eraseDeadOps(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
    if (op.use_empty() && !op.hasTrait<OpTrait::IsTerminator>() && isMemoryEffectFree(&op))
      op.erase();
}

/// Sizes that turned out to be constants are written where their symbols were. Returns whether
/// there were any, which may make more values constant.
bool GraphImporter::resolveConstantSizes() {
  bool any = false;
  for (auto binding : llvm::make_early_inc_range(func.getBody().front().getOps<qnt::BindDimOp>())) {
    auto constant = binding.getSize().getDefiningOp<qnt::ConstantOp>();
    auto value = constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : DenseElementsAttr();
    if (!value)
      continue;
    int64_t size = value.getSplatValue<APInt>().getSExtValue();
    space.substitute(binding.getSymbol(), DimExpr::constant(context, size));
    binding.erase();
    any = true;
  }
  if (any)
    applySubstitutions();
  return any;
}

llvm::Error GraphImporter::finish() {
  SmallVector<Value> results;
  SmallVector<DictionaryAttr> attrs;
  llvm::DenseSet<Value> returned;
  for (const std::string &name : outputNames()) {
    Entry *entry = find(name);
    assert(entry && "findNeededNodes() asks for the node of each output");
    builder.setInsertionPointToEnd(&func.getBody().front());
    auto value = materialise(*entry, name);
    if (!value)
      return value.takeError();
    Value result = *value;
    // An output needs storage of its own.
    if (isa<BlockArgument>(result) || isa<qnt::UseOp, qnt::ConstantOp>(result.getDefiningOp()) ||
        !returned.insert(result).second)
      result = qnt::IdentityOp::create(builder, NameLoc::get(builder.getStringAttr(name)),
                                       result.getType(), result);
    results.push_back(result);
    attrs.push_back(builder.getDictionaryAttr(
        builder.getNamedAttr(qnt::nameAttrName, builder.getStringAttr(name))));
  }
  func::ReturnOp::create(builder, builder.getUnknownLoc(), results);
  func.setFunctionType(builder.getFunctionType(func.getBody().front().getArgumentTypes(),
                                               ValueRange(results).getTypes()));
  func.setAllResultAttrs(attrs);
  do {
    eraseDeadOps(func.getBody().front());
    if (llvm::Error error = foldConstants(*module))
      return error;
    func.walk([](qnt::LoopOp loop) { loop.sinkConstants(); });
  } while (resolveConstantSizes());
  SmallVector<Attribute> symbols;
  for (const DimSpace::Symbol &symbol : space.symbols())
    if (!symbol.eliminated)
      symbols.push_back(qnt::SymbolAttr::get(context, symbol.name, symbol.input, symbol.axis,
                                             symbol.min, symbol.max, 1));
  func->setAttr(qnt::symbolsAttrName, builder.getArrayAttr(symbols));
  eraseDeadOps(func.getBody().front());
  assignRoles(func, options.roles);
  // Weights that nothing reads any more.
  llvm::StringSet<> used;
  module->walk([&](qnt::UseOp use) { used.insert(use.getWeight()); });
  for (auto weight : llvm::make_early_inc_range(module->getOps<qnt::WeightOp>()))
    if (!used.contains(weight.getSymName()))
      weight.erase();
  return llvm::Error::success();
}

llvm::Error GraphImporter::run() {
  for (const auto &[domain, version] : model.opsetImports)
    if (domain.empty() && (version < 7 || version > 26))
      if (llvm::Error error =
              noteProblem("", makeError(Diag::UnsupportedOpset, model.path,
                                        "the model uses opset " + std::to_string(version) +
                                            " of ai.onnx, but qcc reads 7 to 26",
                                        {}, "convert the model with onnx.version_converter")))
        return error;
  declareTypes(model.graph);
  if (llvm::Error error = readHostOps())
    return error;
  module = ModuleOp::create(builder.getUnknownLoc());
  builder.setInsertionPointToEnd(module->getBody());
  if (llvm::Error error = declareInputs())
    return error;
  if (llvm::Error error = findNeededNodes())
    return error;
  if (llvm::Error error = importNodes(needed))
    return error;
  if (!refusals.empty())
    return llvm::Error::success();
  equateOutputs();
  return finish();
}
