// Making a qnt.fused out of ops.
#include "Group.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;

bool fuse::isView(Operation *op) {
  return isa_and_nonnull<TransposeOp, BroadcastOp, SliceOp, ReshapeOp>(op);
}

bool fuse::hasStridedAccess(Value value, Value &root) {
  // Walk down to the root; a reshape must sit below every other view.
  bool sawReshape = false;
  root = value;
  while (isView(root.getDefiningOp())) {
    bool isReshape = isa<ReshapeOp>(root.getDefiningOp());
    if (sawReshape && !isReshape)
      return false;
    sawReshape |= isReshape;
    root = root.getDefiningOp()->getOperand(0);
  }
  return true;
}

static bool isScalarConstant(Operation *op) {
  auto constant = dyn_cast_or_null<ConstantOp>(op);
  return constant && cast<ShapedType>(constant.getType()).getNumElements() == 1 &&
         isa<DenseElementsAttr>(constant.getValue());
}

namespace {
/// Copies ops into the body of a group, and collects what the group reads from outside.
struct BodyBuilder {
  llvm::SetVector<Operation *> members;
  llvm::SetVector<Value> inputs;
  IRMapping mapping;

  /// What an operand starts from outside; views in between are copied when `absorb`. Constants that
  /// are read as numbers are copied too; views, layers and gathers need an address.
  void collect(OpOperand &use, bool absorb) {
    Value operand = use.get();
    Operation *user = use.getOwner();
    Operation *def = operand.getDefiningOp();
    bool asNumber =
        isScalarConstant(def) && (user->hasTrait<Elementwise>() || isa<IdentityOp>(user));
    if (def && (members.contains(def) || asNumber))
      return;
    Value root = operand;
    if (absorb && fuse::isView(def) && fuse::hasStridedAccess(operand, root)) {
      if (root.getDefiningOp() && members.contains(root.getDefiningOp()))
        root = operand; // a view of a member is not addressable; it must have been a member
      inputs.insert(root);
      return;
    }
    inputs.insert(operand);
  }

  /// The value inside the body that stands for `operand`.
  Value inside(OpBuilder &builder, Value operand) {
    if (Value mapped = mapping.lookupOrNull(operand))
      return mapped;
    Operation *def = operand.getDefiningOp();
    if (fuse::isView(def))
      inside(builder, def->getOperand(0));
    Operation *copy = builder.clone(*def, mapping);
    return copy->getResult(0);
  }
};
} // namespace

FusedOp fuse::makeGroup(RewriterBase &rewriter, ArrayRef<Operation *> ops, StringRef kind,
                        llvm::function_ref<bool(OpOperand &)> absorbViews) {
  BodyBuilder body;
  body.members.insert(ops.begin(), ops.end());
  for (Operation *op : ops)
    for (OpOperand &operand : op->getOpOperands())
      body.collect(operand, absorbViews(operand));
  SmallVector<Value> outputs;
  SmallVector<Location> locations;
  for (Operation *op : ops) {
    locations.push_back(op->getLoc());
    for (Value result : op->getResults())
      if (llvm::any_of(result.getUsers(),
                       [&](Operation *user) { return !body.members.contains(user); }))
        outputs.push_back(result);
  }
  rewriter.setInsertionPointAfter(ops.back());
  Location loc = rewriter.getFusedLoc(locations);
  auto fused = FusedOp::create(rewriter, loc, ValueRange(outputs).getTypes(), kind,
                               body.inputs.getArrayRef());
  Block *block = rewriter.createBlock(&fused.getBody());
  for (Value input : body.inputs)
    body.mapping.map(input, block->addArgument(input.getType(), input.getLoc()));
  rewriter.setInsertionPointToStart(block);
  for (Operation *op : ops) {
    for (Value operand : op->getOperands())
      body.inside(rewriter, operand);
    rewriter.clone(*op, body.mapping);
  }
  SmallVector<Value> yielded;
  for (Value output : outputs)
    yielded.push_back(body.mapping.lookup(output));
  YieldOp::create(rewriter, loc, yielded);
  for (auto [output, result] : llvm::zip(outputs, fused.getOutputs()))
    rewriter.replaceAllUsesWith(output, result);
  for (Operation *op : llvm::reverse(ops))
    rewriter.eraseOp(op);
  return fused;
}

namespace {

/// Ops of a block in an order in which everything comes after what it needs.
class BlockOrder {
public:
  explicit BlockOrder(Block &block) : block(block) {
    for (BindDimOp binding : block.getOps<BindDimOp>())
      bindings[binding.getSymbol()] = binding;
  }

  std::vector<Operation *> take() {
    for (Operation &op : block.without_terminator())
      visit(&op);
    return std::move(order);
  }

private:
  /// Ops that `op` comes after.
  SmallVector<Operation *> needs(Operation *op) {
    SmallVector<Operation *> list;
    for (Value operand : op->getOperands())
      if (Operation *def = operand.getDefiningOp(); def && def->getBlock() == &block)
        list.push_back(def);
    if (bindings.empty())
      return list;
    auto addSymbols = [&](ArrayRef<DimExpr> dims) {
      for (DimExpr dim : dims)
        dim.collectSymbols([&](StringRef name) {
          if (Operation *binding = bindings.lookup(name); binding && binding != op)
            list.push_back(binding);
        });
    };
    op->walk([&](Operation *inner) {
      for (Type type : inner->getResultTypes())
        addSymbols(dimsOf(type));
      for (NamedAttribute attr : inner->getAttrs())
        if (auto dims = dyn_cast<DimsAttr>(attr.getValue()))
          addSymbols(dimsOf(dims));
    });
    return list;
  }

  void visit(Operation *root) {
    if (!seen.insert(root).second)
      return;
    SmallVector<std::pair<Operation *, SmallVector<Operation *>>> stack;
    stack.push_back({root, needs(root)});
    while (!stack.empty()) {
      auto &[op, open] = stack.back();
      if (open.empty()) {
        order.push_back(op);
        stack.pop_back();
        continue;
      }
      Operation *next = open.front();
      open.erase(open.begin());
      if (seen.insert(next).second)
        stack.push_back({next, needs(next)});
    }
  }

  Block &block;
  llvm::StringMap<Operation *> bindings;
  llvm::DenseSet<Operation *> seen;
  std::vector<Operation *> order;
};

} // namespace

void fuse::sortBlock(Block &block) {
  Operation *end = block.getTerminator();
  for (Operation *op : BlockOrder(block).take())
    op->moveBefore(end);
}

void fuse::eraseDead(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
    if (op.use_empty() && isMemoryEffectFree(&op) && !op.hasTrait<OpTrait::IsTerminator>())
      op.erase();
}
