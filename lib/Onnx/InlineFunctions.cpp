// Calls of model functions become the functions' nodes, until none is left.
#include "Wire.h"
#include "qcc/Onnx/Reader.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/MathExtras.h"

using namespace qcc;
using namespace qcc::onnx;
using llvm::StringRef;

namespace {

constexpr unsigned maxCallDepth = 64;
constexpr unsigned maxGraphDepth = 16;

std::string quoted(StringRef name) { return "'" + printable(name) + "'"; }

uint64_t footprint(const Graph &graph);

uint64_t footprint(const Tensor &tensor) {
  uint64_t bytes =
      sizeof tensor + tensor.name.size() + tensor.dims.size() * 8 + tensor.data.inlineBytes.size();
  for (const std::string &text : tensor.strings)
    bytes += sizeof text + text.size();
  return bytes;
}

uint64_t footprint(const Attribute &attribute) {
  uint64_t bytes = sizeof attribute + attribute.name.size() + attribute.s.size() +
                   attribute.floats.size() * 4 + attribute.ints.size() * 8;
  for (const std::string &text : attribute.strings)
    bytes += sizeof text + text.size();
  for (const Tensor &tensor : attribute.tensors)
    bytes += footprint(tensor);
  for (const auto &graph : attribute.graphs)
    bytes += footprint(*graph);
  return bytes;
}

uint64_t footprint(const Node &node) {
  uint64_t bytes = sizeof node + node.name.size() + node.opType.size() + node.domain.size();
  for (const auto *list : {&node.inputs, &node.outputs})
    for (const std::string &name : *list)
      bytes += sizeof name + name.size();
  for (const Attribute &attribute : node.attributes)
    bytes += footprint(attribute);
  return bytes;
}

uint64_t footprint(const Graph &graph) {
  uint64_t bytes = sizeof graph;
  for (const Node &node : graph.nodes)
    bytes += footprint(node);
  for (const Tensor &tensor : graph.initializers)
    bytes += footprint(tensor);
  for (const SparseTensor &tensor : graph.sparseInitializers)
    bytes += footprint(tensor.values) + footprint(tensor.indices);
  for (const auto *list : {&graph.inputs, &graph.outputs, &graph.valueInfos})
    for (const ValueInfo &value : *list)
      bytes += sizeof value + value.name.size() + value.dims.size() * sizeof(Dim);
  return bytes;
}

using FunctionId = std::tuple<StringRef, StringRef, StringRef>;

class Inliner {
public:
  Inliner(Model &model, uint64_t maxNodes, uint64_t maxCopiedBytes)
      : model(model), maxNodes(maxNodes), maxCopiedBytes(maxCopiedBytes) {}
  llvm::Error run();

private:
  friend class Instance;
  const Function *callee(const Node &node) const;
  void collectCallees(llvm::ArrayRef<Node> nodes, std::vector<size_t> &out) const;
  llvm::Error refuseRecursion();
  uint64_t expandedSize(llvm::ArrayRef<Node> nodes, llvm::ArrayRef<uint64_t> sizes) const;
  llvm::Error refuseExplosion();
  llvm::Error recursionError(llvm::ArrayRef<size_t> chain, size_t repeated) const;
  void collectNames(const Graph &graph);
  llvm::Error expand(std::vector<Node> &nodes, unsigned graphDepth, unsigned callDepth);
  std::string fresh(const std::string &wanted);
  std::string where(const Node &node) const { return model.path + ": " + node.describe(); }

  Model &model;
  uint64_t maxNodes, maxCopiedBytes;
  std::map<FunctionId, size_t> functions;
  llvm::StringSet<> taken;
  uint64_t suffix = 0, nodes = 0, calls = 0, copiedBytes = 0;
  std::vector<size_t> calleesFirst; ///< functions, each after those that it calls
};

/// One call: the function's nodes with the call's values and attributes in place.
class Instance {
public:
  Instance(Inliner &inliner, const Function &function, const Node &call)
      : inliner(inliner), function(function), call(call),
        prefix(call.name.empty() ? call.opType : call.name) {}
  llvm::Expected<std::vector<Node>> make();

private:
  llvm::Error checkCall();
  llvm::Error bindOutputs();
  llvm::Error rewrite(Node &node);
  llvm::Error rewriteAttributes(Node &node);
  llvm::Expected<std::optional<Attribute>> resolve(const Attribute &reference);
  llvm::Error rewrite(Graph &graph);
  void rename(std::string &name);
  void setOpset(Node &node);
  llvm::Error wrongCall(const std::string &message) {
    return makeError(Diag::BadFunctionCall, inliner.where(call),
                     "call of function " + quoted(function.name) + ": " + message);
  }

  Inliner &inliner;
  const Function &function;
  const Node &call;
  std::string prefix;
  llvm::StringMap<std::string> names; ///< the function's values -> the model's
  std::vector<Node> copies;           ///< of values that leave under a second name
};

llvm::Error Instance::checkCall() {
  if (call.inputs.size() > function.inputs.size())
    return wrongCall(std::to_string(call.inputs.size()) + " inputs are given, it has " +
                     std::to_string(function.inputs.size()));
  if (call.outputs.size() > function.outputs.size())
    return wrongCall(std::to_string(call.outputs.size()) + " outputs are taken, it has " +
                     std::to_string(function.outputs.size()));
  for (const Attribute &given : call.attributes) {
    auto sameName = [&](const Attribute &other) { return other.name == given.name; };
    auto def = llvm::find_if(function.attributeDefaults, sameName);
    bool hasDefault = def != function.attributeDefaults.end();
    if (!hasDefault && !llvm::is_contained(function.attributeNames, given.name))
      return wrongCall("it has no attribute " + quoted(given.name));
    if (hasDefault && def->type != given.type)
      return wrongCall("attribute " + quoted(given.name) + " is of type " +
                       attributeTypeName(given.type).str() + ", it should be " +
                       attributeTypeName(def->type).str());
  }
  return llvm::Error::success();
}

/// A result of the function takes the call's name for it. One that is an input of the function, or
/// a result already, leaves through an Identity.
llvm::Error Instance::bindOutputs() {
  for (size_t i = 0; i < call.outputs.size(); ++i) {
    const std::string &actual = call.outputs[i], &formal = function.outputs[i];
    if (actual.empty())
      continue;
    auto [found, isNew] = names.try_emplace(formal, actual);
    if (isNew)
      continue;
    if (found->second.empty())
      return wrongCall("output " + quoted(actual) + " stands for input " + quoted(formal) +
                       ", which is not given");
    Node copy;
    copy.name = prefix + "/Identity";
    copy.opType = "Identity";
    copy.inputs = {found->second};
    copy.outputs = {actual};
    copy.position = call.position;
    setOpset(copy);
    if (inliner.model.opsetVersion(copy) == 0)
      copy.opset = 1;
    copies.push_back(std::move(copy));
  }
  return llvm::Error::success();
}

void Instance::setOpset(Node &node) {
  auto own = function.opsetImports.find(node.domain);
  if (own == function.opsetImports.end())
    return;
  int64_t models = inliner.model.opsetImports.try_emplace(node.domain, own->second).first->second;
  node.opset = models == own->second ? 0 : own->second;
}

void Instance::rename(std::string &name) {
  if (name.empty())
    return;
  auto [found, isNew] = names.try_emplace(name);
  if (isNew)
    found->second = inliner.fresh(prefix + "/" + name);
  name = found->second;
}

/// The value that a reference stands for: the call's, else the default, else none.
llvm::Expected<std::optional<Attribute>> Instance::resolve(const Attribute &reference) {
  const Attribute *value = call.attribute(reference.refAttrName);
  if (!value)
    for (const Attribute &def : function.attributeDefaults)
      if (def.name == reference.refAttrName)
        value = &def;
  if (!value)
    return std::nullopt;
  if (reference.type != AttributeType::Undefined && reference.type != value->type)
    return wrongCall("attribute " + quoted(value->name) + " is of type " +
                     attributeTypeName(value->type).str() + ", it should be " +
                     attributeTypeName(reference.type).str());
  inliner.copiedBytes += footprint(*value);
  if (inliner.copiedBytes > inliner.maxCopiedBytes)
    return makeError(Diag::LimitExceeded, inliner.where(call),
                     "expanding functions copies more than " +
                         std::to_string(inliner.maxCopiedBytes) + " bytes");
  Attribute copy = *value;
  copy.name = reference.name;
  return copy;
}

/// Graphs handed in by the call speak of the call's values and are taken as they are; the
/// function's own are renamed. Either way the instance gets its own copy.
llvm::Error Instance::rewriteAttributes(Node &node) {
  std::vector<Attribute> attributes;
  for (Attribute &attribute : node.attributes) {
    bool isReference = !attribute.refAttrName.empty();
    if (isReference) {
      llvm::Expected<std::optional<Attribute>> value = resolve(attribute);
      if (!value)
        return value.takeError();
      if (!*value)
        continue;
      attribute = std::move(**value);
    }
    for (std::shared_ptr<Graph> &graph : attribute.graphs) {
      graph = std::make_shared<Graph>(*graph);
      if (llvm::Error error = isReference ? llvm::Error::success() : rewrite(*graph))
        return error;
    }
    attributes.push_back(std::move(attribute));
  }
  node.attributes = std::move(attributes);
  return llvm::Error::success();
}

llvm::Error Instance::rewrite(Node &node) {
  for (std::string &input : node.inputs)
    rename(input);
  for (std::string &output : node.outputs)
    rename(output);
  node.name = prefix + "/" + (node.name.empty() ? node.opType : node.name);
  setOpset(node);
  return rewriteAttributes(node);
}

/// The graph's own values hide the function's of the same name while it is rewritten.
llvm::Error Instance::rewrite(Graph &graph) {
  llvm::StringMap<std::string> own;
  auto defines = [&](const std::string &name) {
    if (!name.empty() && own.try_emplace(name).second)
      own[name] = inliner.fresh(prefix + "/" + name);
  };
  for (const ValueInfo &input : graph.inputs)
    defines(input.name);
  for (const Tensor &tensor : graph.initializers)
    defines(tensor.name);
  for (const SparseTensor &tensor : graph.sparseInitializers)
    defines(tensor.values.name);
  for (const Node &node : graph.nodes)
    for (const std::string &output : node.outputs)
      defines(output);

  std::vector<std::pair<std::string, std::optional<std::string>>> hidden;
  for (auto &entry : own) {
    auto found = names.find(entry.getKey());
    hidden.emplace_back(entry.getKey().str(), found == names.end()
                                                  ? std::nullopt
                                                  : std::optional<std::string>(found->second));
    names[entry.getKey()] = entry.second;
  }
  for (auto *list : {&graph.inputs, &graph.outputs, &graph.valueInfos})
    for (ValueInfo &value : *list)
      rename(value.name);
  for (Tensor &tensor : graph.initializers)
    rename(tensor.name);
  for (SparseTensor &tensor : graph.sparseInitializers)
    rename(tensor.values.name);
  for (Node &node : graph.nodes)
    if (llvm::Error error = rewrite(node))
      return error;
  for (auto &[name, before] : hidden) {
    if (before)
      names[name] = *before;
    else
      names.erase(name);
  }
  return llvm::Error::success();
}

llvm::Expected<std::vector<Node>> Instance::make() {
  if (llvm::Error error = checkCall())
    return std::move(error);
  for (size_t i = 0; i < function.inputs.size(); ++i)
    names[function.inputs[i]] = call.input(i).str();
  if (llvm::Error error = bindOutputs())
    return std::move(error);
  std::vector<Node> nodes;
  for (const Node &original : function.nodes) {
    size_t values = original.inputs.size() + original.outputs.size() + 1;
    inliner.copiedBytes += footprint(original) + prefix.size() * values;
    if (inliner.copiedBytes > inliner.maxCopiedBytes)
      return makeError(Diag::LimitExceeded, inliner.where(call),
                       "expanding functions copies more than " +
                           std::to_string(inliner.maxCopiedBytes) + " bytes");
    nodes.push_back(original);
    if (llvm::Error error = rewrite(nodes.back()))
      return std::move(error);
  }
  for (Node &copy : copies)
    nodes.push_back(std::move(copy));
  return nodes;
}

const Function *Inliner::callee(const Node &node) const {
  auto found = functions.find({node.domain, node.opType, node.overload});
  return found == functions.end() ? nullptr : &model.functions[found->second];
}

void Inliner::collectCallees(llvm::ArrayRef<Node> nodes, std::vector<size_t> &out) const {
  for (const Node &node : nodes) {
    if (const Function *function = callee(node))
      out.push_back(static_cast<size_t>(function - model.functions.data()));
    for (const Attribute &attribute : node.attributes)
      for (const auto &graph : attribute.graphs)
        collectCallees(graph->nodes, out);
  }
}

llvm::Error Inliner::recursionError(llvm::ArrayRef<size_t> chain, size_t repeated) const {
  std::vector<std::string> notes;
  for (size_t index :
       chain.drop_while([&](size_t index) { return index != repeated; }).take_front(8))
    notes.push_back("through function " + quoted(model.functions[index].name));
  return makeError(Diag::RecursiveFunction,
                   model.path + ": function " + quoted(model.functions[repeated].name),
                   "the function calls itself", std::move(notes));
}

/// Depth-first over who calls whom, without recursive calls: the chain may be as long as the model.
llvm::Error Inliner::refuseRecursion() {
  enum State : uint8_t { New, Open, Done };
  std::vector<State> state(model.functions.size(), New);
  std::vector<std::vector<size_t>> callees(model.functions.size());
  for (size_t i = 0; i < callees.size(); ++i)
    collectCallees(model.functions[i].nodes, callees[i]);
  for (size_t root = 0; root < state.size(); ++root) {
    if (state[root] != New)
      continue;
    std::vector<size_t> chain = {root};
    state[root] = Open;
    while (!chain.empty()) {
      size_t current = chain.back();
      if (callees[current].empty()) {
        state[current] = Done;
        calleesFirst.push_back(current);
        chain.pop_back();
        continue;
      }
      size_t next = callees[current].back();
      callees[current].pop_back();
      if (state[next] == Open)
        return recursionError(chain, next);
      if (state[next] == New) {
        state[next] = Open;
        chain.push_back(next);
      }
    }
  }
  return llvm::Error::success();
}

/// How many nodes and calls a list becomes, saturating; sizes[i] is that of function i.
uint64_t Inliner::expandedSize(llvm::ArrayRef<Node> nodes, llvm::ArrayRef<uint64_t> sizes) const {
  uint64_t total = 0;
  for (const Node &node : nodes) {
    total = llvm::SaturatingAdd<uint64_t>(total, 1);
    if (const Function *function = callee(node))
      total = llvm::SaturatingAdd(total, sizes[function - model.functions.data()]);
    for (const Attribute &attribute : node.attributes)
      for (const auto &graph : attribute.graphs)
        total = llvm::SaturatingAdd(total, expandedSize(graph->nodes, sizes));
  }
  return total;
}

/// Counts before it copies: a few functions that call each other twice make 2^n nodes.
llvm::Error Inliner::refuseExplosion() {
  std::vector<uint64_t> sizes(model.functions.size());
  for (size_t i : calleesFirst)
    sizes[i] = expandedSize(model.functions[i].nodes, sizes);
  // Nodes and calls are bounded by maxNodes each.
  if (expandedSize(model.graph.nodes, sizes) / 2 <= maxNodes)
    return llvm::Error::success();
  for (const Node &node : model.graph.nodes)
    if (expandedSize(node, sizes) / 2 > maxNodes)
      return makeError(Diag::LimitExceeded, where(node),
                       "functions expand to more than " + std::to_string(maxNodes) + " nodes");
  return makeError(Diag::LimitExceeded, model.path,
                   "functions expand to more than " + std::to_string(maxNodes) + " nodes");
}

void Inliner::collectNames(const Graph &graph) {
  for (const auto *list : {&graph.inputs, &graph.outputs, &graph.valueInfos})
    for (const ValueInfo &value : *list)
      taken.insert(value.name);
  for (const Tensor &tensor : graph.initializers)
    taken.insert(tensor.name);
  for (const SparseTensor &tensor : graph.sparseInitializers)
    taken.insert(tensor.values.name);
  for (const Node &node : graph.nodes) {
    for (const auto *list : {&node.inputs, &node.outputs})
      for (const std::string &name : *list)
        taken.insert(name);
    for (const Attribute &attribute : node.attributes)
      for (const auto &inner : attribute.graphs)
        collectNames(*inner);
  }
}

std::string Inliner::fresh(const std::string &wanted) {
  std::string name = wanted;
  while (!taken.insert(name).second)
    name = wanted + "_" + std::to_string(++suffix);
  return name;
}

llvm::Error Inliner::expand(std::vector<Node> &body, unsigned graphDepth, unsigned callDepth) {
  std::vector<Node> out;
  for (Node &node : body) {
    if (++nodes > maxNodes || calls > maxNodes)
      return makeError(Diag::LimitExceeded, where(node),
                       "functions expand to more than " + std::to_string(maxNodes) + " nodes");
    if (graphDepth >= maxGraphDepth || callDepth > maxCallDepth)
      return makeError(Diag::TooDeep, where(node),
                       graphDepth >= maxGraphDepth
                           ? "graphs are nested deeper than " + std::to_string(maxGraphDepth)
                           : "calls are nested deeper than " + std::to_string(maxCallDepth));
    for (Attribute &attribute : node.attributes)
      for (auto &graph : attribute.graphs)
        if (llvm::Error error = expand(graph->nodes, graphDepth + 1, callDepth))
          return error;
    const Function *function = callee(node);
    if (!function) {
      out.push_back(std::move(node));
      continue;
    }
    --nodes; // the call itself goes away
    ++calls;
    llvm::Expected<std::vector<Node>> inner = Instance(*this, *function, node).make();
    if (!inner)
      return inner.takeError();
    if (llvm::Error error = expand(*inner, graphDepth, callDepth + 1))
      return error;
    std::move(inner->begin(), inner->end(), std::back_inserter(out));
  }
  body = std::move(out);
  return llvm::Error::success();
}

llvm::Error Inliner::run() {
  for (size_t i = 0; i < model.functions.size(); ++i) {
    const Function &function = model.functions[i];
    functions.try_emplace({function.domain, function.name, function.overload}, i);
  }
  if (llvm::Error error = refuseRecursion())
    return error;
  if (llvm::Error error = refuseExplosion())
    return error;
  collectNames(model.graph);
  if (llvm::Error error = expand(model.graph.nodes, 0, 0))
    return error;
  functions.clear();
  model.functions.clear();
  return validateGraph(model, model.graph);
}

} // namespace

llvm::Error qcc::onnx::inlineFunctions(Model &model, uint64_t maxNodes, uint64_t maxCopiedBytes) {
  if (model.functions.empty())
    return llvm::Error::success();
  return Inliner(model, maxNodes, maxCopiedBytes).run();
}

llvm::Error qcc::onnx::inlineFunctions(Model &model, uint64_t maxNodes) {
  return inlineFunctions(model, maxNodes, /*maxCopiedBytes=*/uint64_t(1) << 30);
}
