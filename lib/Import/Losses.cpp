// Losses over classes, as exported training graphs have them for evaluation.
#include "OpTable.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

/// -w[target] * x[target] per sample, and its sum or weighted mean. x is [N, C, ..], targets [N,
/// ..].
void outLoss(NodeBuilder &n, Value x, Value target, Value weights) {
  if (!x || !target || !n.atLeast(x, 2) || n.rank(target) + 1 != n.rank(x))
    return n.fail(Diag::ShapeMismatch, "scores and targets do not fit each other");
  Type element = n.element(x);
  Value share; // what each sample counts
  if (n.hasAttr("ignore_index")) {
    Value ignored =
        n.compare(qnt::Predicate::eq, target, static_cast<double>(n.intAttr("ignore_index", 0)));
    target = n.select(ignored, n.like(target, 0), target);
    share = n.select(ignored, n.scalar(element, 0), n.scalar(element, 1));
  }
  Value wide = n.unsqueeze(target, {1});
  if (!wide)
    return;
  Value taken = n.make<qnt::GatherElementsOp>(n.type(n.dims(wide), element), x, wide, 1);
  Value loss = n.unary<qnt::NegOp>(n.squeeze(taken, {1}));
  if (weights) {
    Value own = n.gather(weights, target, 0);
    share = share ? n.mul(own, share) : own;
  }
  if (share)
    loss = n.mul(loss, share);
  std::string reduction = n.stringAttr("reduction", "mean");
  auto axes = llvm::to_vector(llvm::seq<int64_t>(0, static_cast<int64_t>(n.rank(target))));
  if (reduction == "none")
    return n.out(0, loss);
  if (reduction != "sum" && reduction != "mean")
    return n.fail(Diag::BadNode, "reduction '" + reduction + "' is not none, sum or mean");
  if (reduction == "mean" && !share)
    return n.out(0, n.reduce(qnt::ReduceKind::mean, loss, axes, false));
  Value sum = n.reduce(qnt::ReduceKind::sum, loss, axes, false);
  n.out(0,
        reduction == "sum" ? sum : n.div(sum, n.reduce(qnt::ReduceKind::sum, share, axes, false)));
}

void negativeLogLikelihood(NodeBuilder &n) { outLoss(n, n.in(0), n.in(1), n.optional(2)); }

void softmaxCrossEntropy(NodeBuilder &n) {
  Value x = n.in(0);
  if (!x || !n.atLeast(x, 2))
    return;
  Value chances = n.softmax(x, 1, /*log=*/true);
  outLoss(n, chances, n.in(1), n.optional(2));
  n.out(1, chances);
}

constexpr OpEntry table[] = {
    {"", "NegativeLogLikelihoodLoss", 12, negativeLogLikelihood},
    {"", "SoftmaxCrossEntropyLoss", 12, softmaxCrossEntropy},
};

} // namespace

ArrayRef<OpEntry> qcc::import::lossOps() { return table; }
