// Needs, from the results back to what they are made of.
#include "Needs.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;

/// The size that decides, where `op` is a qnt.choose or a group or launch of one; else null.
static DimExpr choiceOf(Operation *op) {
  if (auto choose = dyn_cast<ChooseOp>(op))
    return dimsOf(choose.getWhich())[0];
  auto inside = [](Region &body) {
    auto choices = body.getOps<ChooseOp>();
    return choices.empty() ? DimExpr() : dimsOf((*choices.begin()).getWhich())[0];
  };
  if (auto fused = dyn_cast<FusedOp>(op))
    return fused.getKind() == "choose" ? inside(fused.getBody()) : DimExpr();
  auto launch = dyn_cast<LaunchOp>(op);
  auto kernel = launch ? SymbolTable::lookupNearestSymbolFrom<KernelOp>(op, launch.getKernelAttr())
                       : KernelOp();
  if (!kernel || kernel.getKind() != "choose")
    return {};
  llvm::StringMap<DimExpr> values;
  for (auto [i, dim] : llvm::enumerate(dimsOf(launch.getDims())))
    values["d" + std::to_string(i)] = dim;
  DimExpr which = inside(kernel.getBody());
  return which ? which.substitute(values) : which;
}

Needs::Needs(Block &block) {
  hasChoice = llvm::any_of(block, [](Operation &op) { return choiceOf(&op) != DimExpr(); });
  if (hasChoice)
    compute(block);
}

void Needs::compute(Block &block) {
  MLIRContext *context = block.getParentOp()->getContext();
  DimExpr always = DimExpr::constant(context, 1);
  DenseMap<Operation *, DimExpr> found;
  llvm::StringMap<DimExpr> symbols; // needs of produced symbols
  auto add = [&](DimExpr &place, DimExpr need) {
    if (!place || place == need)
      place = need;
    else
      place = place.isConstant(1) || need.isConstant(1) ? always : place.max(need);
  };
  auto addSymbols = [&](ArrayRef<DimExpr> dims, DimExpr need) {
    for (DimExpr dim : dims)
      dim.collectSymbols([&](StringRef name) { add(symbols[name], need); });
  };
  for (Operation &op : llvm::reverse(block)) {
    DimExpr need = found.lookup(&op);
    if (op.hasTrait<OpTrait::IsTerminator>())
      need = always;
    if (auto binding = dyn_cast<BindDimOp>(op))
      need = symbols.lookup(binding.getSymbol());
    if (auto nonZero = dyn_cast<NonZeroOp>(op))
      if (DimExpr counted = symbols.lookup(nonZero.getSymbol()))
        add(need, counted);
    if (isa<RequireEqualOp>(op)) // says itself when it holds
      continue;
    if (!need)
      need = always;
    if (!need.isConstant(1))
      needs[&op] = need;
    DimExpr which = choiceOf(&op);
    bool chooses = which && op.getNumOperands() == 2; // one operand is both
    for (auto [i, operand] : llvm::enumerate(op.getOperands())) {
      Operation *def = operand.getDefiningOp();
      if (!def || def->getBlock() != &block)
        continue;
      add(found[def], !chooses ? need : i == 0 ? need * which : need * (always - which));
    }
    auto addAll = [&](Operation *inner) {
      for (Type type : inner->getResultTypes())
        addSymbols(dimsOf(type), need);
      for (NamedAttribute attr : inner->getAttrs())
        if (auto dims = dyn_cast<DimsAttr>(attr.getValue()))
          addSymbols(dimsOf(dims), need);
    };
    if (isa<LoopOp>(op))
      op.walk(addAll);
    else
      addAll(&op);
  }
}
