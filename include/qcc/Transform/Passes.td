// Passes of the transform stage: what needs statistics and changes ranges.
#ifndef QCC_TRANSFORM_PASSES
#define QCC_TRANSFORM_PASSES

include "mlir/Pass/PassBase.td"

def MigrateScales : Pass<"qcc-migrate-scales", "::mlir::func::FuncOp"> {
  let summary = "Move large channels of activations into the weights that read them";
  let description = [{
    Between a norm and the layers that read it, channel j is divided by
    `s[j] = max|x[j]|^alpha / max|w[:, j]|^(1 - alpha)` and the columns of the weights multiplied by
    it (Xiao et al. 2022, SmoothQuant, equation 4), which changes no value but leaves ranges that
    int8 covers better. The norm's gain and bias take the division; all of it becomes recipes. A
    channel that is zero in the samples or in the weights keeps its scale.

    Needs: `qcc-observe-ranges`, and the ranges of a run in the file `ranges`; without one, nothing
    moves. Leaves: no `qnt.observe`; ranges of migrated values are divided by s. Refuses with remarks:
    values that no norm with a constant gain makes, that others than layers read, weights that
    are computed, ids without a range; with error QCC1530 files that cannot be understood.

    Example: test/Transform/migrate-scales.mlir
  }];
  let options = [
    Option<"ranges", "ranges", "std::string", "\"\"", "file of ranges (qcc/Support/Ranges.h)">,
    Option<"alpha", "alpha", "double", "0.5", "how much moves: 0 nothing of the activations, 1 all">];
  let dependentDialects = ["::qcc::qnt::QntDialect"];
}

#endif
