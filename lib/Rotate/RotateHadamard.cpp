// Residual streams turned by a randomized Hadamard matrix that is folded into the weights.
#include "Stream.h"
#include "mlir/IR/Remarks.h"
#include "qcc/Algorithms/Hadamard.h"
#include "qcc/Rotate/Passes.h"

namespace qcc::rotate {
#define GEN_PASS_DEF_ROTATEHADAMARD
#include "qcc/Rotate/Passes.h.inc"
} // namespace qcc::rotate

using namespace mlir;
using namespace qcc;
using namespace qcc::rotate;
using namespace qcc::qnt;

namespace {

const remark::RemarkOpts remarkRotate =
    remark::RemarkOpts::name("rotate-hadamard").category("rotate");

class Turner {
public:
  Turner(MLIRContext *context, Stream &stream, Rotation rotation)
      : rewriter(context), stream(stream), rotation(rotation), centred(stream.isCentred()) {}
  void run();

private:
  Value withoutMean(Value x, int64_t axis);
  void turnConstants();
  void turnLayers();
  void turnBorders();
  void replaceNorms();

  IRRewriter rewriter;
  Stream &stream;
  Rotation rotation;
  bool centred;
};

/// x - mean(x) along `axis`.
Value Turner::withoutMean(Value x, int64_t axis) {
  if (!centred)
    return x;
  Location loc = x.getLoc();
  SmallVector<DimExpr> dims = dimsOf(x.getType());
  dims[axis] = DimExpr::constant(rewriter.getContext(), 1);
  Value mean = ReduceOp::create(rewriter, loc, makeTensorType(dims, rewriter.getF32Type()),
                                ReduceKindAttr::get(rewriter.getContext(), ReduceKind::mean), x,
                                rewriter.getDenseI64ArrayAttr({axis}), rewriter.getBoolAttr(true));
  return SubOp::create(rewriter, loc, x.getType(), x, mean);
}

void Turner::turnConstants() {
  for (OpOperand *use : stream.constants) {
    Value value = use->get();
    rewriter.setInsertionPoint(use->getOwner());
    int64_t last = static_cast<int64_t>(dimsOf(value.getType()).size()) - 1;
    use->set(rotation.rotate(rewriter, withoutMean(value, last), last));
  }
}

void Turner::turnLayers() {
  for (LinearOp layer : stream.writers) {
    rewriter.setInsertionPoint(layer);
    layer.getWeightMutable().assign(withoutMean(layer.getWeight(), 0));
    if (layer.getBias())
      layer.getBiasMutable().assign(withoutMean(layer.getBias(), 0));
    rotation.foldIntoOutput(rewriter, layer);
  }
  for (LinearOp layer : stream.readers)
    rotation.foldIntoInput(rewriter, layer);
}

/// Rotations at run time where the stream begins and ends.
void Turner::turnBorders() {
  auto lastAxis = [](Value v) { return static_cast<int64_t>(dimsOf(v.getType()).size()) - 1; };
  for (Value entry : stream.entries) {
    SmallVector<OpOperand *> uses;
    for (OpOperand &use : entry.getUses())
      if (stream.isInside(use))
        uses.push_back(&use);
    rewriter.setInsertionPointAfterValue(entry);
    Value turned = rotation.rotate(rewriter, withoutMean(entry, lastAxis(entry)), lastAxis(entry));
    for (OpOperand *use : uses)
      use->set(turned);
  }
  for (auto &[value, uses] : stream.exits) {
    rewriter.setInsertionPointAfterValue(value);
    Value back = rotation.rotate(rewriter, value, lastAxis(value), true);
    for (OpOperand *use : uses)
      use->set(back);
  }
}

/// On values of mean zero a layer norm is an RMS norm.
void Turner::replaceNorms() {
  for (Operation *op : stream.norms)
    if (auto norm = dyn_cast<LayerNormOp>(op)) {
      rewriter.setInsertionPoint(norm);
      rewriter.replaceOpWithNewOp<RmsNormOp>(norm, norm.getType(), norm.getX(), Value(),
                                             norm.getEpsilonAttr());
    }
}

void Turner::run() {
  turnBorders();
  turnConstants();
  turnLayers();
  replaceNorms();
}

struct RotateHadamard : qcc::rotate::impl::RotateHadamardBase<RotateHadamard> {
  using RotateHadamardBase::RotateHadamardBase;

  void runOnOperation() override {
    SmallVector<Operation *> norms;
    for (Operation &op : getOperation().getBody().front())
      if (isa<LayerNormOp, RmsNormOp>(op))
        norms.push_back(&op);
    DenseSet<Operation *> seen;
    uint64_t number = 0;
    for (Operation *norm : norms) {
      if (seen.contains(norm))
        continue;
      bool plain = norm->getNumOperands() == 1;
      if (!plain) {
        remark::missed(norm->getLoc(), remarkRotate) << remark::reason("the norm has a gain");
        continue;
      }
      Stream stream(norm);
      seen.insert(stream.norms.begin(), stream.norms.end());
      if (const char *reason = stream.whyNot()) {
        remark::missed(norm->getLoc(), remarkRotate) << remark::reason("{0}", reason);
        continue;
      }
      Rotation rotation{largestHadamardBlock(stream.channels), seed + number++};
      Location loc = norm->getLoc();
      Turner(&getContext(), stream, rotation).run();
      remark::passed(loc, remarkRotate)
          << remark::metric("channels", stream.channels) << remark::metric("block", rotation.block)
          << remark::metric("writers", static_cast<int64_t>(stream.writers.size()))
          << remark::metric("readers", static_cast<int64_t>(stream.readers.size()))
          << remark::metric("borders",
                            static_cast<int64_t>(stream.entries.size() + stream.exits.size()));
    }
  }
};

} // namespace
