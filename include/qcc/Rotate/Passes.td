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

def RotateHadamard : Pass<"qcc-rotate-hadamard", "::mlir::func::FuncOp"> {
  let summary = "Turn the residual stream by a randomized Hadamard matrix folded into weights";
  let description = [{
    The values that sums, norms without gain, views and look-ups connect are one stream. With an
    orthogonal F, everything that writes it (layers, tables, constants) takes F behind it and every
    layer that reads it F' before it, as recipes; nothing else changes, and large channels are spread
    over all (Ashkboos et al. 2024, QuaRot, section 4; Ashkboos et al. 2024, SliceGPT, section 3, for
    layer norms: the mean is taken out of everything that writes the stream, and they become RMS
    norms). Where an op that does not commute makes or reads the stream, it is rotated at run time,
    at up to two places each.

    Statistics: none exist yet; those of later runs are of rotated values.

    Needs: `qcc-fold-norm-gains`. Leaves: the function unchanged up to rounding. Refuses with remarks:
    norms with gains (those after the sum, whose results enter the next sum, keep them), streams
    with more borders, layer norms whose stream something else reads, channels without a matrix.

    Example: test/Rotate/rotate-hadamard.mlir
  }];
  let options = [Option<"seed", "seed", "uint64_t", "1", "of the signs; 0 has none">];
  let dependentDialects = ["::qcc::qnt::QntDialect"];
}

def RotateHeads : Pass<"qcc-rotate-heads", "::mlir::func::FuncOp"> {
  let summary = "Turn the value heads of attention by a Hadamard matrix folded into weights";
  let description = [{
    Attention is linear in its values: with F on the rows that a layer makes for each head, and F' on
    the columns of the layers that read the heads, nothing changes (Ashkboos et al. 2024, QuaRot,
    section 4, stage 1c). Where each value channel is read by one column of weights, rows and columns
    are balanced first: row j is multiplied by max |w[:, j]| of the readers, column j divided by it.

    Statistics: none exist yet; those of later runs are of rotated values.

    Needs: attention and layers raised. Leaves: the function unchanged up to rounding. Refuses with
    remarks: values out of a cache, whose rows callers see, and other readers of values or heads.

    Example: test/Rotate/rotate-heads.mlir
  }];
  let options = [Option<"seed", "seed", "uint64_t", "1", "of the signs; 0 has none">];
  let dependentDialects = ["::qcc::qnt::QntDialect"];
}

def RotateInputs : Pass<"qcc-rotate-inputs", "::mlir::func::FuncOp"> {
  let summary = "Rotate inputs of layers at run time, and fold the inverse into their weights";
  let description = [{
    Behind a product, an activation or attention no weight can take a rotation. `qnt.hadamard` does it
    there at run time, in the kernel that quantizes the row, and the weight takes the inverse
    (Ashkboos et al. 2024, QuaRot, section 4, stage 1b). The matrix has no signs, and a base of at
    most 32. Before it channel j is multiplied by max |w[:, j]| and the weights' column divided by
    it: what a channel adds to the outputs is spread, not its magnitude, which an outlier whose
    weights are small would give to all others.

    Statistics: none exist yet; those of later runs are of rotated values.

    Needs: `qcc-rotate-hadamard` and `qcc-rotate-heads`, where they are wanted, before it. Leaves: the
    function unchanged up to rounding. Refuses with remarks: inputs that are rotated already or come
    from elsewhere, weights that are computed, channels without a large matrix.

    Example: test/Rotate/rotate-inputs.mlir
  }];
  let dependentDialects = ["::qcc::qnt::QntDialect"];
}

#endif
