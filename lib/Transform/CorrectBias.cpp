// What quantization shifts on average, added back to biases.
#include "LayerQueries.h"
#include "mlir/IR/Remarks.h"
#include "qcc/Transform/Layers.h"
#include "qcc/Transform/Passes.h"

namespace qcc::transform {
#define GEN_PASS_DEF_CORRECTBIAS
#include "qcc/Transform/Passes.h.inc"
} // namespace qcc::transform

using namespace mlir;
using namespace qcc;
using namespace qcc::transform;
using namespace qcc::qnt;

namespace {

const remark::RemarkOpts remarkCorrect =
    remark::RemarkOpts::name("correct-bias").category("transform");

struct CorrectBias : qcc::transform::impl::CorrectBiasBase<CorrectBias> {
  using CorrectBiasBase::CorrectBiasBase;

  void runOnOperation() override {
    Files files;
    if (failed(files.read(getOperation(), {}, decisions)))
      return signalPassFailure();
    IRRewriter rewriter(&getContext());
    for (LinearOp layer : getOperation().getOps<LinearOp>()) {
      const LayerDecision *decision = files.decisionFor(layer);
      if (!decision || decision->bias.empty())
        continue;
      if (static_cast<int64_t>(decision->bias.size()) != outputsOf(layer)) {
        (void)unfit(layer, "bias", decision->bias.size(), outputsOf(layer));
        return signalPassFailure();
      }
      if (!elementTypeOf(layer.getType()).isF32()) {
        remark::missed(layer.getLoc(), remarkCorrect) << remark::reason("the layer is not of f32");
        continue;
      }
      addToBias(rewriter, layer, decision->bias);
      remark::passed(layer.getLoc(), remarkCorrect) << remark::metric("channels", outputsOf(layer));
    }
  }
};

} // namespace

void transform::addToBias(RewriterBase &rewriter, LinearOp layer, ArrayRef<float> shift) {
  rewriter.setInsertionPoint(layer);
  Value bias = constantList(rewriter, layer.getLoc(), shift);
  if (Value old = layer.getBias())
    bias = AddOp::create(rewriter, layer.getLoc(), old.getType(), old, bias);
  layer.getBiasMutable().assign(bias);
}
