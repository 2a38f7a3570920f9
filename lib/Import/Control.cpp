// Branches: known ones, and ones that data decides.
#include "LoopBuilder.h"
#include "OpTable.h"
#include "RunTimeSizes.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

std::optional<std::vector<Entry>> importBranch(NodeBuilder &n, StringRef name, DimExpr guard) {
  const onnx::Graph *graph = bodyOf(n, name);
  if (!graph)
    return std::nullopt;
  auto results = n.importer.importBranch(*graph, guard);
  if (!results)
    n.fail(Diag::BadNode, llvm::toString(results.takeError()));
  else if (results->size() != n.numOutputs())
    n.fail(Diag::BadNode, name + " has " + Twine(results->size()) + " outputs instead of " +
                              Twine(n.numOutputs()));
  if (n.failed())
    return std::nullopt;
  return std::move(*results);
}

/// x where `which` is 1, y where it is 0.
DimExpr chosen(NodeBuilder &n, DimExpr which, DimExpr x, DimExpr y) {
  x = n.importer.space.resolve(x), y = n.importer.space.resolve(y);
  return x == y ? x : which * x + (n.dim(1) - which) * y;
}

/// Small integers stay sizes, so that shape arithmetic goes on behind the branches.
std::optional<ShapeValue> chooseKnown(NodeBuilder &n, DimExpr which, const Entry &x,
                                      const Entry &y) {
  if (!x.known || !y.known || x.known->type != y.known->type || x.known->shape != y.known->shape ||
      !isa<IntegerType>(x.known->type) || x.known->type.isInteger(1))
    return std::nullopt;
  ShapeValue result = *x.known;
  for (auto [a, b] : llvm::zip(result.elements, y.known->elements))
    a.dim = chosen(n, which, a.dim, b.dim);
  return result;
}

Value choose(NodeBuilder &n, DimExpr which, Value x, Value y) {
  Dims from = n.dims(x), other = n.dims(y), to;
  if (from.size() != other.size()) {
    n.unsupported("the branches give values of ranks " + Twine(from.size()) + " and " +
                      Twine(other.size()),
                  "let both branches give the same rank");
    return {};
  }
  if (!n.sameElement(x, y))
    return {};
  for (auto [a, b] : llvm::zip(from, other))
    to.push_back(chosen(n, which, a, b));
  return n.make<qnt::ChooseOp>(n.type(to, n.element(x)), qnt::makeDims(n.context(), {which}), x, y);
}

/// The condition is data: both branches are imported, and one of them is computed.
void branchAtRunTime(NodeBuilder &n) {
  Value condition = n.in(0);
  if (!condition)
    return;
  if (!qnt::elementCount(n.context(), n.dims(condition)).isConstant(1))
    return n.fail(Diag::ShapeMismatch, "the condition is not one value");
  DimExpr which = bindSize(n, condition, "branch");
  auto yes = importBranch(n, "then_branch", which);
  auto no = yes ? importBranch(n, "else_branch", n.dim(1) - which) : std::nullopt;
  if (!yes || !no || n.failed())
    return;
  for (size_t i = 0; i < n.numOutputs(); ++i) {
    Entry &x = (*yes)[i], &y = (*no)[i];
    if (x.poisoned || y.poisoned) {
      Entry entry;
      entry.poisoned = true;
      n.importer.define(n.node.outputs[i], std::move(entry));
      continue;
    }
    if (auto known = chooseKnown(n, which, x, y)) {
      n.outKnown(i, std::move(*known));
      continue;
    }
    auto first = n.importer.materialise(x, n.node.outputs[i]);
    if (!first)
      return n.fail(Diag::BadNode, llvm::toString(first.takeError()));
    auto second = n.importer.materialise(y, n.node.outputs[i]);
    if (!second)
      return n.fail(Diag::BadNode, llvm::toString(second.takeError()));
    n.out(i, choose(n, which, *first, *second));
  }
}

void branch(NodeBuilder &n) {
  auto condition = n.number(0);
  if (!condition)
    return branchAtRunTime(n);
  auto results = importBranch(n, *condition != 0 ? "then_branch" : "else_branch", {});
  if (!results)
    return;
  for (auto [i, entry] : llvm::enumerate(*results))
    n.importer.define(n.node.outputs[i], std::move(entry));
}

constexpr OpEntry table[] = {
    {"", "If", 7, branch},
};

} // namespace

ArrayRef<OpEntry> qcc::import::controlOps() { return table; }
