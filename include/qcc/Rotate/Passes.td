// Passes of the rotate stage: transforms of weights that need no data.
#ifndef QCC_ROTATE_PASSES
#define QCC_ROTATE_PASSES

include "mlir/Pass/PassBase.td"

def FoldNormGains : Pass<"qcc-fold-norm-gains", "::mlir::func::FuncOp"> {
  let summary = "Move gains and biases of normalisations into the layers that follow";
  let description = [{
    With gain `g` and bias `b`, `linear(n * g + b, w, c) = linear(n, w * g, c + w b)`: the columns of
    each weight take the gain, the layer's bias what the weight makes of the norm's. The products are
    ops over weights, which become recipes. A norm without gain commutes with rotations of its
    channels (RMS norms exactly).

    Needs: norms and layers raised. Leaves: no gain and no bias at norms that only layers read.
    Refuses: norms that something else reads, gains that are computed, weights that are computed or
    came quantized.

    Example: test/Rotate/fold-norm-gains.mlir
  }];
  let dependentDialects = ["::qcc::qnt::QntDialect"];
}

#endif
