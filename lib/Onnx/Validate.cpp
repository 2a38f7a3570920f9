// Names and order of a graph: one definition per value, every use defined, no circle. Nodes that
// are merely out of order are sorted; ONNX asks for sorted ones, real exporters sometimes forget.
#include "Wire.h"
#include "qcc/Onnx/Reader.h"
#include "llvm/ADT/StringSet.h"
#include <queue>

using namespace qcc;
using namespace qcc::onnx;
using llvm::StringRef;

namespace {

constexpr int noProducer = -1; ///< inputs and initializers

/// Values of one body by name, with the index of the node that makes each.
using Producers = llvm::StringMap<int>;

struct Scope {
  const Producers *values;
  const Scope *outer;
  bool has(StringRef name) const {
    for (const Scope *scope = this; scope; scope = scope->outer)
      if (scope->values->contains(name))
        return true;
    return false;
  }
};

/// Where in the model a body lies, for messages.
struct Place {
  std::string text;
  std::string node(const Node &node) const { return text + ": " + node.describe(); }
};

std::string quoted(StringRef name) { return "'" + printable(name) + "'"; }

class Validator {
public:
  explicit Validator(Model &model) : model(model) {}

  /// `captured` receives the outer values that the graph uses.
  llvm::Error graph(Graph &graph, const Scope *outer, const Place &place,
                    llvm::StringSet<> &captured);
  llvm::Error function(Function &function);

private:
  llvm::Error define(Producers &values, StringRef name, int producer, const std::string &where,
                     const char *what);
  llvm::Error body(std::vector<Node> &nodes, Producers &values, const Scope *outer,
                   const Place &place, llvm::StringSet<> &captured);
  llvm::Error uses(Node &node, const Scope &scope, const Place &place, llvm::StringSet<> &used);
  llvm::Error sort(std::vector<Node> &nodes, const std::vector<std::vector<int>> &needs,
                   const Place &place);
  llvm::Error cycle(const std::vector<Node> &nodes, const std::vector<std::vector<int>> &needs,
                    const std::vector<bool> &placed, const Place &place);
  Model &model;
};

llvm::Error Validator::define(Producers &values, StringRef name, int producer,
                              const std::string &where, const char *what) {
  if (values.try_emplace(name, producer).second)
    return llvm::Error::success();
  return makeError(Diag::DuplicateValue, where,
                   std::string(what) + " " + quoted(name) + " has the name of another value");
}

/// Collects what `node` reads, its inner graphs included.
llvm::Error Validator::uses(Node &node, const Scope &scope, const Place &place,
                            llvm::StringSet<> &used) {
  for (const std::string &input : node.inputs) {
    if (input.empty())
      continue;
    if (!scope.has(input))
      return makeError(Diag::UndefinedValue, place.node(node),
                       "input " + quoted(input) + " is not defined anywhere");
    used.insert(input);
  }
  for (Attribute &attribute : node.attributes)
    for (const std::shared_ptr<Graph> &inner : attribute.graphs) {
      Place innerPlace{place.node(node) + ", attribute " + quoted(attribute.name)};
      if (llvm::Error error = graph(*inner, &scope, innerPlace, used))
        return error;
    }
  return llvm::Error::success();
}

llvm::Error Validator::body(std::vector<Node> &nodes, Producers &values, const Scope *outer,
                            const Place &place, llvm::StringSet<> &captured) {
  for (size_t i = 0; i < nodes.size(); ++i)
    for (const std::string &output : nodes[i].outputs)
      if (!output.empty())
        if (llvm::Error error =
                define(values, output, static_cast<int>(i), place.node(nodes[i]), "output"))
          return error;
  Scope scope{&values, outer};
  std::vector<std::vector<int>> needs(nodes.size());
  bool ordered = true;
  for (size_t i = 0; i < nodes.size(); ++i) {
    llvm::StringSet<> used;
    if (llvm::Error error = uses(nodes[i], scope, place, used))
      return error;
    for (const auto &entry : used) {
      auto found = values.find(entry.getKey());
      if (found == values.end()) {
        captured.insert(entry.getKey());
        continue;
      }
      if (found->second == noProducer)
        continue;
      needs[i].push_back(found->second);
      ordered &= found->second < static_cast<int>(i);
    }
    llvm::sort(needs[i]); // hash order must not show in messages
  }
  return ordered ? llvm::Error::success() : sort(nodes, needs, place);
}

/// Kahn's algorithm; of the nodes that are ready, the one that came first goes first.
llvm::Error Validator::sort(std::vector<Node> &nodes, const std::vector<std::vector<int>> &needs,
                            const Place &place) {
  std::vector<std::vector<int>> users(nodes.size());
  std::vector<size_t> missing(nodes.size());
  std::priority_queue<int, std::vector<int>, std::greater<int>> ready;
  for (size_t i = 0; i < nodes.size(); ++i) {
    missing[i] = needs[i].size();
    for (int producer : needs[i])
      users[static_cast<size_t>(producer)].push_back(static_cast<int>(i));
    if (needs[i].empty())
      ready.push(static_cast<int>(i));
  }
  std::vector<size_t> order;
  std::vector<bool> placed(nodes.size());
  while (!ready.empty()) {
    auto next = static_cast<size_t>(ready.top());
    ready.pop();
    order.push_back(next);
    placed[next] = true;
    for (int user : users[next])
      if (--missing[static_cast<size_t>(user)] == 0)
        ready.push(user);
  }
  if (order.size() != nodes.size())
    return cycle(nodes, needs, placed, place);
  std::vector<Node> sorted;
  sorted.reserve(nodes.size());
  for (size_t index : order)
    sorted.push_back(std::move(nodes[index]));
  nodes = std::move(sorted);
  model.notes.push_back(place.text + ": nodes were out of order and have been sorted");
  return llvm::Error::success();
}

/// Every unplaced node needs an unplaced one, so walking from need to need closes a circle.
llvm::Error Validator::cycle(const std::vector<Node> &nodes,
                             const std::vector<std::vector<int>> &needs,
                             const std::vector<bool> &placed, const Place &place) {
  std::vector<int> visited(nodes.size(), -1);
  std::vector<size_t> walk;
  auto current = static_cast<size_t>(llvm::find(placed, false) - placed.begin());
  while (visited[current] < 0) {
    visited[current] = static_cast<int>(walk.size());
    walk.push_back(current);
    for (int need : needs[current])
      if (!placed[static_cast<size_t>(need)]) {
        current = static_cast<size_t>(need);
        break;
      }
  }
  llvm::ArrayRef<size_t> circle = llvm::ArrayRef(walk).drop_front(visited[current]);
  std::vector<std::string> notes;
  for (size_t index : circle.take_front(8))
    notes.push_back("needs " +
                    (nodes[index].outputs.empty() ? "" : quoted(nodes[index].outputs[0]) + " of ") +
                    nodes[index].describe());
  if (circle.size() > 8)
    notes.push_back("and " + std::to_string(circle.size() - 8) + " nodes more");
  return makeError(Diag::GraphCycle, place.node(nodes[circle.front()]),
                   "the node depends on its own output through " + std::to_string(circle.size()) +
                       (circle.size() == 1 ? " node" : " nodes"),
                   std::move(notes));
}

llvm::Error Validator::graph(Graph &graph, const Scope *outer, const Place &place,
                             llvm::StringSet<> &captured) {
  Producers values, initializers;
  for (const ValueInfo &input : graph.inputs)
    if (llvm::Error error = define(values, input.name, noProducer, place.text, "graph input"))
      return error;
  // Until IR version 4 an initializer had to be an input as well; it is that input's default.
  auto initializer = [&](StringRef name) {
    values.try_emplace(name, noProducer);
    return define(initializers, name, noProducer, place.text, "initializer");
  };
  for (const Tensor &tensor : graph.initializers)
    if (llvm::Error error = initializer(tensor.name))
      return error;
  for (const SparseTensor &tensor : graph.sparseInitializers)
    if (llvm::Error error = initializer(tensor.values.name))
      return error;
  if (llvm::Error error = body(graph.nodes, values, outer, place, captured))
    return error;
  Scope scope{&values, outer};
  for (const ValueInfo &output : graph.outputs) {
    if (!scope.has(output.name))
      return makeError(Diag::UndefinedValue, place.text,
                       "graph output " + quoted(output.name) + " is not defined anywhere");
    if (!values.contains(output.name))
      captured.insert(output.name);
  }
  return llvm::Error::success();
}

llvm::Error Validator::function(Function &function) {
  Place place{model.path + ": function " + quoted(function.name)};
  Producers values;
  for (const std::string &input : function.inputs) {
    if (input.empty() || !values.try_emplace(input, noProducer).second)
      return makeError(Diag::BadFunction, place.text,
                       input.empty() ? "an input has no name"
                                     : "input " + quoted(input) + " is listed twice");
  }
  for (const Attribute &def : function.attributeDefaults)
    if (!def.refAttrName.empty())
      return makeError(Diag::BadAttribute, place.text,
                       "the default of attribute " + quoted(def.name) + " is a reference");
  llvm::StringSet<> captured;
  if (llvm::Error error = body(function.nodes, values, nullptr, place, captured))
    return error;
  for (const std::string &output : function.outputs)
    if (!values.contains(output))
      return makeError(Diag::UndefinedValue, place.text,
                       "function output " + quoted(output) + " is not defined anywhere");
  return llvm::Error::success();
}

} // namespace

llvm::Error qcc::onnx::validateGraph(Model &model, Graph &graph) {
  llvm::StringSet<> captured;
  return Validator(model).graph(graph, nullptr, {model.path}, captured);
}

llvm::Error qcc::onnx::validateModel(Model &model) {
  std::map<std::tuple<StringRef, StringRef, StringRef>, size_t> known;
  for (Function &function : model.functions) {
    if (!known.try_emplace({function.domain, function.name, function.overload}, 0).second)
      return makeError(Diag::BadFunction, model.path,
                       "function " + quoted(function.name) + " of domain " +
                           quoted(function.domain) + " is defined twice");
    if (llvm::Error error = Validator(model).function(function))
      return error;
  }
  return validateGraph(model, model.graph);
}
