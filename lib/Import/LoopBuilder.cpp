// The body of a loop: which of its ops have to be in it, and what it reads from outside.
#include "LoopBuilder.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;
using qnt::LoopOp;

const onnx::Graph *qcc::import::bodyOf(NodeBuilder &n, StringRef name) {
  auto graph = n.node.getGraph(name);
  if (!graph)
    n.fail(Diag::BadNode, llvm::toString(graph.takeError()));
  else if (!*graph)
    n.fail(Diag::BadNode, name + " is missing");
  return n.failed() ? nullptr : *graph;
}

LoopBuilder::LoopBuilder(NodeBuilder &n, DimExpr turns)
    : n(n), turns(turns), symbol(n.importer.space.declareProduced("turn")) {
  open = LoopOp::create(n.builder, n.current, TypeRange(), TypeRange(), Type(),
                        qnt::makeDims(n.context(), {turns}), symbol, qnt::makeDims(n.context(), {}),
                        false, ValueRange(), ValueRange());
  open.getBody().emplaceBlock();
  n.importer.openLoops.push_back({symbol, turns});
}

Value LoopBuilder::state(Value init) {
  inits.push_back(init);
  return open.getBody().front().addArgument(init.getType(), n.current);
}

/// Ops of the body that depend on the turn, in order.
SmallVector<Operation *> LoopBuilder::varyingOps() {
  DenseSet<Value> values;
  for (Value state : open.getBody().getArguments())
    values.insert(state);
  SmallVector<Operation *> ops;
  for (Operation *op = open->getNextNode(); op; op = op->getNextNode())
    if (isVarying(op, values)) {
      values.insert_range(op->getResults());
      ops.push_back(op);
    }
  return ops;
}

bool LoopBuilder::isVarying(Operation *op, const DenseSet<Value> &values) const {
  if (llvm::any_of(op->getOperands(), [&](Value operand) { return values.contains(operand); }))
    return true;
  WalkResult result = op->walk([&](Operation *inner) {
    for (NamedAttribute attr : inner->getAttrs())
      if (auto dims = dyn_cast<qnt::DimsAttr>(attr.getValue()))
        if (qnt::mentions(qnt::dimsOf(dims), symbol))
          return WalkResult::interrupt();
    for (Type type : inner->getResultTypes())
      if (qnt::mentions(qnt::dimsOf(type), symbol))
        return WalkResult::interrupt();
    return WalkResult::advance();
  });
  return result.wasInterrupted();
}

/// Whether two sizes can be taken as equal: not where that takes an empty value.
bool LoopBuilder::mayBeEqual(DimExpr own, DimExpr other) const {
  if (qnt::mentions({own, other}, symbol))
    return false;
  auto [outcome, solution] =
      n.importer.space.solve(n.importer.space.resolve(own), n.importer.space.resolve(other));
  return outcome != DimSpace::Outcome::Different &&
         (outcome != DimSpace::Outcome::Substituted || !solution.value.isConstant(0));
}

/// Whether states keep their sizes and types, which takes an equation for each of their axes.
bool LoopBuilder::equateStates(ArrayRef<Value> next) {
  for (size_t i = 0; i < next.size(); ++i) {
    Value state = open.getBody().getArgument(i);
    Dims own = n.dims(state), other = n.dims(next[i]);
    bool fits = own.size() == other.size() && n.element(state) == n.element(next[i]);
    for (size_t axis = 0; fits && axis < own.size(); ++axis)
      fits = mayBeEqual(own[axis], other[axis]) && n.importer.requireEqual(own[axis], other[axis]);
    fits = fits && llvm::all_of(llvm::zip(n.dims(state), n.dims(next[i])),
                                [&](auto pair) { return std::get<0>(pair) == std::get<1>(pair); });
    if (!fits) {
      reason = "value " + std::to_string(i) +
               ", which it carries from turn to turn, changes its size or type from " + text(own) +
               " to " + text(other);
      return false;
    }
  }
  return true;
}

bool LoopBuilder::mayMove(Operation *op) {
  if (isa<qnt::BindDimOp, qnt::NonZeroOp>(op))
    reason = "a size in its body depends on values of the turn";
  else if (isa<qnt::RequireEqualOp>(op))
    reason = "sizes in its body have to be equal that differ from turn to turn";
  for (Type type : op->getResultTypes())
    if (qnt::mentions(qnt::dimsOf(type), symbol))
      reason = "a size in its body changes with the turn";
  return reason.empty();
}

void LoopBuilder::moveInto(LoopOp loop, ArrayRef<Operation *> ops, ArrayRef<Value> captures) {
  loop.getBody().takeBody(open.getBody());
  open->erase();
  Block &block = loop.getBody().front();
  for (Operation *op : ops)
    op->moveBefore(&block, block.end());
  for (auto [i, value] : llvm::enumerate(captures)) {
    Value argument = block.insertArgument(i, value.getType(), value.getLoc());
    Value outside = value;
    outside.replaceUsesWithIf(argument,
                              [&](OpOperand &use) { return use.getOwner()->getBlock() == &block; });
  }
}

std::optional<LoopBuilder::Results> LoopBuilder::finish(ArrayRef<Value> next, ArrayRef<Value> rows,
                                                        ArrayRef<bool> reverse, Value condition) {
  if (!equateStates(next))
    return std::nullopt;
  SmallVector<Operation *> inside = varyingOps();
  if (!llvm::all_of(inside, [&](Operation *op) { return mayMove(op); }))
    return std::nullopt;
  DenseSet<Value> varying;
  for (Value state : open.getBody().getArguments())
    varying.insert(state);
  for (Operation *op : inside)
    varying.insert_range(op->getResults());
  SmallVector<Value> yielded(next);
  llvm::append_range(yielded, rows);
  if (condition)
    yielded.push_back(condition);
  llvm::SetVector<Value> captures;
  auto capture = [&](ValueRange values) {
    for (Value value : values)
      if (!varying.contains(value))
        captures.insert(value);
  };
  for (Operation *op : inside)
    capture(op->getOperands());
  capture(yielded);
  SmallVector<Type> stackTypes;
  SmallVector<DimExpr> positions;
  for (auto [row, back] : llvm::zip(rows, reverse)) {
    Dims dims = n.dims(row);
    dims.insert(dims.begin(), turns);
    stackTypes.push_back(n.type(dims, n.element(row)));
    positions.push_back(at(back));
  }
  auto loop = LoopOp::create(
      n.builder, n.current, ValueRange(inits).getTypes(), stackTypes,
      condition ? Type(n.type({}, n.i64())) : Type(), qnt::makeDims(n.context(), {turns}), symbol,
      qnt::makeDims(n.context(), positions), bool(condition), captures.getArrayRef(), inits);
  moveInto(loop, inside, captures.getArrayRef());
  Block &block = loop.getBody().front();
  for (Value &value : yielded)
    if (auto found = llvm::find(captures, value); found != captures.end())
      value = block.getArgument(found - captures.begin());
  OpBuilder inner = OpBuilder::atBlockEnd(&block);
  qnt::YieldOp::create(inner, n.current, yielded);
  loop.sinkConstants();
  return Results{SmallVector<Value>(loop.getStates()), SmallVector<Value>(loop.getStacks()),
                 loop.getTaken()};
}

void LoopBuilder::drop() {
  SmallVector<Operation *> ops = varyingOps();
  for (Operation *op : llvm::reverse(ops))
    n.importer.erase(op);
  open->erase();
}
