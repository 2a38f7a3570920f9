// What of a model is not supported, and how a check goes on behind it.
#include "GraphImporter.h"
#include "OpTable.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

UnsupportedOp &GraphImporter::refusal(const std::string &key) {
  UnsupportedOp &entry = refusals[key];
  if (entry.nodes.empty())
    refusalOrder.push_back(key);
  return entry;
}

void GraphImporter::addUnsupported(const onnx::Node &node, int64_t opset, std::string reason,
                                   std::string remedy) {
  std::string key = node.domain + "/" + node.opType + "/" + reason;
  // The body of a loop is imported turn by turn.
  if (!refused.insert({key, &node}).second)
    return;
  UnsupportedOp &entry = refusal(key);
  if (entry.nodes.empty()) {
    entry.op = node.opType;
    entry.domain = node.domain;
    entry.opset = opset;
    entry.reason = std::move(reason);
    entry.remedy = std::move(remedy);
    entry.isUnknown = !findOp(node.domain, node.opType);
    for (const std::string &input : node.inputs)
      if (Entry *value = find(input); value && value->value && !isa<BlockArgument>(value->value) &&
                                      !value->tensor && !llvm::is_contained(entry.inputs, input))
        entry.inputs.push_back(input); // what a cut could end at
    llvm::copy_if(node.outputs, std::back_inserter(entry.outputs),
                  [](const std::string &name) { return !name.empty(); });
  }
  entry.nodes.push_back(node.name.empty() ? "#" + std::to_string(ordinals[&node]) : node.name);
}

/// The parts of a coded error; what is our own fault stays an error.
static llvm::Error takeApart(llvm::Error error, UnsupportedOp &entry) {
  return llvm::handleErrors(std::move(error),
                            [&](std::unique_ptr<CodedError> coded) -> llvm::Error {
                              if (coded->code == Diag::Internal)
                                return llvm::Error(std::move(coded));
                              entry.code = diagName(coded->code);
                              entry.reason = coded->message;
                              entry.remedy = coded->help;
                              return llvm::Error::success();
                            });
}

llvm::Error GraphImporter::noteProblem(const onnx::Node &node, int64_t opset, llvm::Error error) {
  if (!options.findAll)
    return error;
  UnsupportedOp problem;
  if (llvm::Error ours = takeApart(std::move(error), problem))
    return ours;
  addUnsupported(node, opset, problem.reason, problem.remedy);
  refusals[node.domain + "/" + node.opType + "/" + problem.reason].code = problem.code;
  return llvm::Error::success();
}

/// Likewise for an input, or the whole model where `what` is empty.
llvm::Error GraphImporter::noteProblem(StringRef what, llvm::Error error) {
  if (!options.findAll)
    return error;
  UnsupportedOp problem;
  if (llvm::Error ours = takeApart(std::move(error), problem))
    return ours;
  problem.nodes.push_back(what.str());
  refusal("/" + what.str() + "/" + problem.reason) = problem;
  return llvm::Error::success();
}

std::vector<UnsupportedOp> GraphImporter::unsupported() const {
  std::vector<UnsupportedOp> list;
  for (const std::string &key : refusalOrder)
    list.push_back(refusals.at(key));
  return list;
}

void GraphImporter::declareTypes(const onnx::Graph &graph) {
  for (const auto *infos : {&graph.valueInfos, &graph.outputs})
    for (const onnx::ValueInfo &info : *infos)
      declared.try_emplace(info.name, &info);
}

std::optional<SmallVector<DimExpr>> GraphImporter::declaredDims(const onnx::ValueInfo &info,
                                                                bool invent) {
  SmallVector<DimExpr> dims;
  for (const onnx::Dim &dim : info.dims) {
    auto parsed = dim.isSymbolic() ? DimExpr::parse(context, dim.param) : std::nullopt;
    bool known = parsed.has_value();
    if (parsed)
      parsed->collectSymbols([&](StringRef symbol) { known &= space.has(symbol); });
    if (!dim.value && !known && !invent)
      return std::nullopt;
    dims.push_back(dim.value ? DimExpr::constant(context, *dim.value)
                   : known   ? space.resolve(*parsed)
                             : DimExpr::symbol(context, space.declareProduced("unknown")));
  }
  return dims;
}

/// The output of a node that is not supported. To go on with, a check gives it the type that the
/// model declares; without one, what reads it is not looked at closely.
void GraphImporter::defineUnknown(const std::string &name) {
  Entry entry;
  entry.poisoned = true;
  const onnx::ValueInfo *info = options.findAll ? declaration(name) : nullptr;
  if (info && info->kind == onnx::TypeKind::Tensor && info->hasShape)
    if (Type element = elementType(info->elemType)) {
      auto type = qnt::makeTensorType(*declaredDims(*info, /*invent=*/true), element);
      entry.value =
          UnrealizedConversionCastOp::create(builder, builder.getUnknownLoc(), type, ValueRange())
              .getResult(0);
      entry.poisoned = false;
    }
  define(name, std::move(entry));
}

/// Nodes in bodies of a node that was not imported: whether there are such operators at all.
void GraphImporter::checkBodies(const onnx::Node &node) {
  for (const onnx::Attribute &attribute : node.attributes)
    for (const auto &graph : attribute.graphs)
      for (const onnx::Node &inner : graph->nodes) {
        if (!visited.insert(&inner).second)
          continue;
        ordinals.try_emplace(&inner, static_cast<int64_t>(ordinals.size()));
        if (!findOp(inner.domain, inner.opType) && !hostOpFor(inner))
          addUnsupported(inner, model.opsetVersion(inner), unknownOperator, unknownRemedy);
        checkBodies(inner);
      }
}
