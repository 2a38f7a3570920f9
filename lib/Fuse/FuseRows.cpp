// Elementwise ops, normalisations and row quantization as groups that walk the same rows.
#include "Group.h"
#include "mlir/IR/Remarks.h"
#include "qcc/Fuse/Passes.h"

namespace qcc::fuse {
#define GEN_PASS_DEF_FUSEROWS
#include "qcc/Fuse/Passes.h.inc"
} // namespace qcc::fuse

using namespace mlir;
using namespace qcc;
using namespace qcc::fuse;
using namespace qcc::qnt;

namespace {

const remark::RemarkOpts remarkFuse = remark::RemarkOpts::name("fuse-rows").category("fuse");

/// Ops that reduce the last axis of their first operand, whatever else they do.
bool isRowOp(Operation *op) {
  if (auto quantize = dyn_cast<QuantizeOp>(op))
    return quantize.getOut().getType().getGranularity() == Granularity::token;
  return isa<SoftmaxOp, LayerNormOp, RmsNormOp, ReduceOp, QuantizeStaticOp>(op);
}

struct Group {
  SmallVector<Operation *> ops;
  SmallVector<DimExpr> dims; ///< the row space
  bool isRow = false;
};

class Grouper {
public:
  Grouper(Block &block, unsigned maxOps) : maxOps(maxOps) {
    size_t bindings = 0;
    for (auto [i, op] : llvm::enumerate(block)) {
      position[&op] = i;
      segment[&op] = bindings;
      bindings += isa<BindDimOp>(op);
    }
  }
  void visit(Operation *op);
  std::vector<std::unique_ptr<Group>> groups;

private:
  bool fits(Group &group, Operation *op);
  bool wouldCycle(Group &group, Operation *op);
  bool dependsOn(Value value, Group &group, llvm::DenseSet<Operation *> &seen);
  size_t floorOf(Group &group);

  unsigned maxOps;
  size_t floor = 0; ///< no path to the group in question leads through an op before this position
  llvm::DenseMap<Operation *, size_t> position, segment;
  llvm::DenseMap<Operation *, Group *> groupOf;
};

SmallVector<DimExpr> rowSpace(Operation *op) {
  return dimsOf(isRowOp(op) ? op->getOperand(0).getType() : op->getResult(0).getType());
}

/// [.., C] and [.., 1].
bool isScalarOf(ArrayRef<DimExpr> dims, ArrayRef<DimExpr> rows) {
  return dims.size() == rows.size() && !dims.empty() && dims.back().isConstant(1) &&
         dims.drop_back() == rows.drop_back();
}

bool Grouper::fits(Group &group, Operation *op) {
  // What depends on a produced size comes after its binding, and the size may depend on the group.
  if (group.ops.size() >= maxOps || segment[op] != segment[group.ops.front()])
    return false;
  SmallVector<DimExpr> dims = rowSpace(op);
  bool sameRows = ArrayRef(dims) == ArrayRef(group.dims);
  bool scalar = !isRowOp(op) && group.isRow && isScalarOf(dims, group.dims);
  if (!sameRows && !scalar)
    return false;
  // Codes leave a group; nothing inside reads them.
  return llvm::none_of(op->getOperands(), [](Value v) { return isa<QType>(v.getType()); });
}

/// Whether `value` is computed from the group through ops outside it.
bool Grouper::dependsOn(Value value, Group &group, llvm::DenseSet<Operation *> &seen) {
  Operation *def = value.getDefiningOp();
  if (!def || position[def] < floor || !seen.insert(def).second)
    return false;
  if (groupOf.lookup(def) == &group)
    return true;
  // Another group is one node: whatever it reads, this value depends on.
  ArrayRef<Operation *> ops = def;
  if (Group *other = groupOf.lookup(def))
    ops = other->ops;
  for (Operation *op : ops)
    for (Value operand : op->getOperands())
      if (dependsOn(operand, group, seen))
        return true;
  return false;
}

/// The start of the group, or of an earlier group that reaches past it: its first ops depend on
/// whatever its last one reads.
size_t Grouper::floorOf(Group &group) {
  size_t first = position[group.ops.front()];
  for (auto &other : llvm::reverse(groups)) // descending starts
    if (position[other->ops.front()] < first && position[other->ops.back()] > first)
      first = position[other->ops.front()];
  return first;
}

bool Grouper::wouldCycle(Group &group, Operation *op) {
  floor = floorOf(group);
  llvm::DenseSet<Operation *> seen;
  for (Value operand : op->getOperands()) {
    Operation *def = operand.getDefiningOp();
    if (def && groupOf.lookup(def) == &group)
      continue;
    if (dependsOn(operand, group, seen))
      return true;
  }
  return false;
}

void Grouper::visit(Operation *op) {
  if (!op->hasTrait<Elementwise>() && !isRowOp(op))
    return;
  Group *best = nullptr;
  for (Value operand : op->getOperands()) {
    Group *group = operand.getDefiningOp() ? groupOf.lookup(operand.getDefiningOp()) : nullptr;
    if (!group || !fits(*group, op))
      continue;
    if (wouldCycle(*group, op)) {
      remark::missed(op->getLoc(), remarkFuse)
          << remark::reason("a path leads out of the group and back");
      continue;
    }
    if (!best || position[group->ops.back()] > position[best->ops.back()])
      best = group;
  }
  if (!best) {
    groups.push_back(std::make_unique<Group>());
    best = groups.back().get();
    best->dims = rowSpace(op);
  }
  best->ops.push_back(op);
  best->isRow |= isRowOp(op);
  groupOf[op] = best;
}

struct FuseRows : qcc::fuse::impl::FuseRowsBase<FuseRows> {
  using FuseRowsBase::FuseRowsBase;

  void runOnOperation() override {
    forEachBlock(getOperation().getBody().front(), [&](Block &block) { fuseIn(block); });
  }

  void fuseIn(Block &block) {
    Grouper grouper(block, maxOps);
    for (Operation &op : block)
      grouper.visit(&op);
    IRRewriter rewriter(&getContext());
    for (auto &group : grouper.groups) {
      FusedOp fused = makeGroup(rewriter, group->ops, group->isRow ? "row" : "map");
      if (group->ops.size() > 1)
        remark::passed(fused.getLoc(), remarkFuse)
            << remark::metric("ops", static_cast<int64_t>(group->ops.size()));
    }
    eraseDead(block);
    sortBlock(block);
  }
};

} // namespace
