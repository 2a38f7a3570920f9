// Passes of the raise stage: what exporters spell in many ops becomes one op again.
#ifndef QCC_RAISE_PASSES
#define QCC_RAISE_PASSES

include "mlir/Pass/PassBase.td"

class Qcc_RaisePass<string flag> : Pass<flag, "::mlir::func::FuncOp"> {
  let dependentDialects = ["::qcc::qnt::QntDialect"];
}

def RaiseReshape : Qcc_RaisePass<"qcc-raise-reshape"> {
  let summary = "Find gathers that read every row in order";
  let description = [{
    `x[indices]` along the first axis, with indices that are sums of multiples of `qnt.iota` and count
    the rows of x from 0 on, becomes a `qnt.reshape`. So do masks look that were indexed by batch and
    position.

    Needs: an imported function. Leaves: `qnt.reshape`.
    Refuses: indices that skip, repeat or turn back.

    Example: test/Raise/raise-reshape.mlir
  }];
}

def RaiseLayerNorm : Qcc_RaisePass<"qcc-raise-layer-norm"> {
  let summary = "Find layer normalisation";
  let description = [{
    `(x - mean x) / sqrt(mean (x - mean x)^2 + epsilon)` over the last axis, with square, root and
    quotient in any spelling, becomes `qnt.layer_norm`. A product with, then a sum of a vector of the
    last dimension become gain and bias; a computation in a wider float type between two casts is
    done in the narrow type, whose ops compute in f32 anyway.

    Needs: an imported function. Leaves: `qnt.layer_norm`.
    Refuses: other axes than the last; gains that are not one vector.

    Example: test/Raise/raise-layer-norm.mlir
  }];
}

def RaiseRmsNorm : Qcc_RaisePass<"qcc-raise-rms-norm"> {
  let summary = "Find root mean square normalisation";
  let description = [{
    `x / sqrt(mean x^2 + epsilon)` over the last axis becomes `qnt.rms_norm`, with gain and casts as
    in qcc-raise-layer-norm.

    Needs: layer norms raised before, which contain this form. Leaves: `qnt.rms_norm`.
    Refuses: other axes than the last; gains that are not one vector.

    Example: test/Raise/raise-rms-norm.mlir
  }];
}

def RaiseGelu : Qcc_RaisePass<"qcc-raise-gelu"> {
  let summary = "Find GELU in its three forms";
  let description = [{
    `x/2 (1 + erf(x / sqrt 2))`, the tanh form with the cube spelled as a power or as products, and
    `x sigmoid(1.702 x)`, with factors in any order, become `qnt.gelu`.

    Needs: an imported function. Leaves: `qnt.gelu`.
    Refuses: other constants than those of the three formulas.

    Example: test/Raise/raise-gelu.mlir
  }];
}

def RaiseSilu : Qcc_RaisePass<"qcc-raise-silu"> {
  let summary = "Find SiLU";
  let description = [{
    `x sigmoid(x)` and `x / (1 + exp(-x))` become `qnt.silu`.

    Needs: an imported function. Leaves: `qnt.silu`.
    Refuses: a sigmoid of another value than its factor (a gate).

    Example: test/Raise/raise-silu.mlir
  }];
}

def RaiseRope : Qcc_RaisePass<"qcc-raise-rope"> {
  let summary = "Find rotary position embedding";
  let description = [{
    `x * cos + rotate(x) * sin`, where rotate swaps the halves of the last axis (or neighbours) and
    negates one, becomes `qnt.rope`; so does the form that computes the two halves apart and joins
    them. The tables of the sum form have twice the width that the op wants: their first half is
    recomputed from what was repeated. A rotation of the first channels that the others are joined to
    again becomes one op on all channels.

    Needs: an imported function. Leaves: `qnt.rope`.
    Refuses: tables whose halves are not provably equal.

    Example: test/Raise/raise-rope.mlir
  }];
}

def RaiseAttention : Qcc_RaisePass<"qcc-raise-attention"> {
  let summary = "Find scaled dot-product attention";
  let description = [{
    `softmax(scale * q k^T [capped] [+ mask]) v` becomes `qnt.attention`. The scale may be split over
    q, k and the scores; masks may be added or selected, several of them in a row; a guard that
    replaces NaN by 0 becomes `safe`; heads of k and v repeated for groups are read once. A mask of 0
    and minus infinity becomes boolean; other fill values stay numbers, because they make fully masked
    rows uniform instead of NaN. Operands [B * H, S, D] are split into batch and heads. A column of one
    score per head beside those of the keys, whose share is cut off, is the sink.

    Needs: an imported function. Leaves: `qnt.attention`.
    Refuses: scores that are read elsewhere, factors between mask and softmax, ranks other than 3 and 4.

    Example: test/Raise/raise-attention.mlir
  }];
}

def RaiseLinear : Qcc_RaisePass<"qcc-raise-linear"> {
  let summary = "Give linear layers their bias and natural dimensions";
  let description = [{
    A product with a constant matrix becomes `qnt.linear`, a constant vector added to it its bias. A
    layer on rows flattened to a matrix works on the unflattened tensor. One that reads codes of one scale
    through reshapes reads those of the reshaped tensor.

    Needs: an imported function. Leaves: `qnt.linear` with bias.
    Refuses: biases that are computed, products that are read before the sum.

    Example: test/Raise/raise-linear.mlir
  }];
}

#endif
