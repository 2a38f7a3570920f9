// The place of every weight and constant in the weight section.
#include "qcc/Lower/KernelFrame.h"
#include "qcc/Lower/Passes.h"

namespace qcc::lower {
#define GEN_PASS_DEF_PLACEWEIGHTS
#include "qcc/Lower/Passes.h.inc"
} // namespace qcc::lower

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;

namespace {

/// Constants become weights whose recipe is the constant.
void constantsToWeights(ModuleOp module) {
  SymbolTable symbols(module);
  llvm::DenseMap<Attribute, WeightOp> made;
  SmallVector<ConstantOp> constants;
  for (func::FuncOp function : module.getOps<func::FuncOp>())
    forEachBlock(function.getBody().front(),
                 [&](Block &block) { llvm::append_range(constants, block.getOps<ConstantOp>()); });
  OpBuilder builder(module.getContext());
  for (ConstantOp constant : constants) {
    WeightOp &weight = made[constant.getValue()];
    if (!weight) {
      builder.setInsertionPointToStart(module.getBody());
      weight = WeightOp::create(builder, constant.getLoc(), "constant", constant.getType(),
                                Attribute(), StringAttr());
      builder.createBlock(&weight.getRecipe());
      Value copy = builder.clone(*constant)->getResult(0);
      YieldOp::create(builder, constant.getLoc(), copy);
      symbols.insert(weight);
    }
    builder.setInsertionPoint(constant);
    auto use = UseOp::create(builder, constant.getLoc(), constant.getType(),
                             FlatSymbolRefAttr::get(weight.getSymNameAttr()));
    constant.replaceAllUsesWith(use.getResult());
    constant.erase();
  }
}

struct PlaceWeights : qcc::lower::impl::PlaceWeightsBase<PlaceWeights> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    constantsToWeights(module);
    SymbolTable symbols(module);
    llvm::SetVector<Attribute> order;
    for (func::FuncOp function : module.getOps<func::FuncOp>())
      forEachBlock(function.getBody().front(), [&](Block &block) {
        for (UseOp use : block.getOps<UseOp>())
          order.insert(use.getWeightAttr());
      });
    SmallVector<int64_t> offsets;
    int64_t end = 0;
    for (Attribute reference : order) {
      auto weight = symbols.lookup<WeightOp>(cast<FlatSymbolRefAttr>(reference).getValue());
      offsets.push_back(end);
      int64_t bytes = *lower::bufferBytes(weight.getType()).constantValue();
      end += std::max<int64_t>(64, (bytes + 63) / 64 * 64);
    }
    OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
    SectionOp::create(builder, module.getLoc(), builder.getArrayAttr(order.getArrayRef()),
                      builder.getDenseI64ArrayAttr(offsets), builder.getI64IntegerAttr(end));
  }
};

} // namespace
