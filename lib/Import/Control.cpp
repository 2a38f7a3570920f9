// Control flow that is decided at compile time.
#include "OpTable.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

void branch(NodeBuilder &n) {
  auto condition = n.number(0);
  if (!condition)
    return n.unsupported("the condition is only known at run time",
                         "export the branches as models of their own, or fix the shapes that "
                         "decide it with --shape");
  StringRef name = *condition != 0 ? "then_branch" : "else_branch";
  auto graph = n.node.getGraph(name);
  if (!graph)
    return n.fail(Diag::BadNode, llvm::toString(graph.takeError()));
  if (!*graph)
    return n.fail(Diag::BadNode, name + " is missing");
  auto results = n.importer.importBranch(**graph);
  if (!results)
    return n.fail(Diag::BadNode, llvm::toString(results.takeError()));
  if (results->size() != n.numOutputs())
    return n.fail(Diag::BadNode, name + " has " + Twine(results->size()) + " outputs instead of " +
                                     Twine(n.numOutputs()));
  for (auto [i, entry] : llvm::enumerate(*results))
    n.importer.define(n.node.outputs[i], std::move(entry));
}

constexpr OpEntry table[] = {
    {"", "If", 7, branch},
};

} // namespace

ArrayRef<OpEntry> qcc::import::controlOps() { return table; }
