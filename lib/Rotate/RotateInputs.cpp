// Inputs of layers that nothing before them can rotate, rotated at run time.
#include "Weights.h"
#include "mlir/IR/Remarks.h"
#include "qcc/Algorithms/Hadamard.h"
#include "qcc/Rotate/Passes.h"
#include "llvm/ADT/MapVector.h"

namespace qcc::rotate {
#define GEN_PASS_DEF_ROTATEINPUTS
#include "qcc/Rotate/Passes.h.inc"
} // namespace qcc::rotate

using namespace mlir;
using namespace qcc;
using namespace qcc::rotate;
using namespace qcc::qnt;

namespace {

const remark::RemarkOpts remarkRotate =
    remark::RemarkOpts::name("rotate-inputs").category("rotate");

/// A rotation costs `base` additions a number beside the butterflies.
constexpr int64_t maxBase = 32;
/// Smaller blocks spread too little.
constexpr int64_t minBlock = 16;

/// Whether `value` comes out of a product, an activation or attention: where channels of large
/// magnitude arise that no weight can take.
bool isComputedPointwise(Value value) {
  while (isa_and_nonnull<ReshapeOp, TransposeOp>(value.getDefiningOp()))
    value = value.getDefiningOp()->getOperand(0);
  Operation *def = value.getDefiningOp();
  return isa_and_nonnull<MulOp, GeluOp, SiluOp, ReluOp, SigmoidOp, TanhOp, AttentionOp>(def);
}

/// Block of a rotation of `channels` at run time, or 0.
int64_t blockFor(int64_t channels) {
  int64_t whole = largestHadamardBlock(channels);
  int64_t block = hadamardBase(whole) <= maxBase ? whole : powerOfTwoIn(channels);
  return block < minBlock ? 0 : block;
}

const char *whyNot(LinearOp layer) {
  if (!hasFloatWeights(layer))
    return "the weight is computed, came quantized or is not of f32";
  auto rotated = layer.getWeight().getDefiningOp<HadamardOp>();
  if (rotated && rotated.getAxis() == 1)
    return "the input is rotated already";
  if (!isComputedPointwise(layer.getX()))
    return "the input comes from no product, activation or attention";
  if (!elementTypeOf(layer.getX().getType()).isF32())
    return "the input is not of f32";
  auto channels = dimsOf(layer.getWeight().getType())[1].constantValue();
  return blockFor(channels.value_or(1)) ? nullptr : "no large Hadamard matrix divides the channels";
}

/// A channel that is large where the weights are small, or the other way round, is balanced first:
/// a rotation would give its size to all others.
Value balanced(IRRewriter &rewriter, Value x, SmallVector<LinearOp> layers) {
  Value s = columnMagnitudes(rewriter, layers);
  for (LinearOp layer : layers) {
    Value weight = layer.getWeight();
    layer.getWeightMutable().assign(
        DivOp::create(rewriter, layer.getLoc(), weight.getType(), weight, s));
  }
  return MulOp::create(rewriter, x.getLoc(), x.getType(), x, s);
}

struct RotateInputs : qcc::rotate::impl::RotateInputsBase<RotateInputs> {
  void runOnOperation() override {
    llvm::MapVector<Value, SmallVector<LinearOp>> readers;
    for (LinearOp layer : getOperation().getOps<LinearOp>()) {
      if (const char *reason = whyNot(layer))
        remark::missed(layer.getLoc(), remarkRotate) << remark::reason("{0}", reason);
      else
        readers[layer.getX()].push_back(layer);
    }
    IRRewriter rewriter(&getContext());
    for (auto &[x, layers] : readers) {
      SmallVector<DimExpr> dims = dimsOf(x.getType());
      // Without signs: those of the weights before it would do as well, and kernels have less to
      // do.
      Rotation rotation{blockFor(*dims.back().constantValue()), 0};
      for (LinearOp layer : ArrayRef(layers).drop_front())
        moveAbove(layer.getWeight().getDefiningOp(), layers.front());
      rewriter.setInsertionPoint(layers.front());
      Value even = balanced(rewriter, x, layers);
      Value rotated = rotation.rotate(rewriter, even, static_cast<int64_t>(dims.size()) - 1);
      for (LinearOp layer : layers) {
        rotation.foldIntoInput(rewriter, layer);
        layer.getXMutable().assign(rotated);
      }
      remark::passed(x.getLoc(), remarkRotate)
          << remark::metric("block", rotation.block)
          << remark::metric("layers", static_cast<int64_t>(layers.size()));
    }
  }
};

} // namespace
