// Passes of the transform stage: what needs statistics and changes ranges.
#ifndef QCC_TRANSFORM_PASSES
#define QCC_TRANSFORM_PASSES

include "mlir/Pass/PassBase.td"

def SplitOutliers : Pass<"qcc-split-outliers", "::mlir::func::FuncOp"> {
  let summary = "Compute outliers exactly beside the product on codes";
  let description = [{
    A layer becomes the sum of itself without outliers and a `qnt.sparse_linear` with them, which the
    kernel of the layer adds. Either whole input channels: they are zero in the input and the weight
    that are quantized later (Dettmers et al. 2022, LLM.int8, section 3.2). Or elements of the weight:
    the largest of each row, perhaps weighted by input channel (Dettmers et al. 2023, SpQR). A layer's
    decision says which; without one, the channels whose magnitude is above `ratio` times the median
    are split off, if they are at most `max-fraction` of all.

    Statistics: ranges of split channels become 0, those of the others stay. The observer stays, on
    the value before the split.

    Needs: `qcc-observe-ranges`, and ranges of a run or decisions; without either nothing splits.
    Leaves: the function unchanged up to rounding, and layers that nothing else migrates. Refuses
    with remarks: weights that are computed or came quantized, ids without a range; with errors
    QCC1530 to QCC1532 files that cannot be understood or belong to another model.

    Example: test/Transform/split-outliers.mlir
  }];
  let options = [
    Option<"ranges", "ranges", "std::string", "\"\"", "file of ranges (qcc/Support/Ranges.h)">,
    Option<"decisions", "decisions", "std::string", "\"\"", "file of decisions (qcc/Support/Decisions.h)">,
    Option<"ratio", "ratio", "double", "8.0", "of an outlier channel to the median">,
    Option<"maxFraction", "max-fraction", "double", "0.03125", "of the channels that may split">];
  let dependentDialects = ["::qcc::qnt::QntDialect"];
}

def CorrectBias : Pass<"qcc-correct-bias", "::mlir::func::FuncOp"> {
  let summary = "Add back to biases what quantization shifts on average";
  let description = [{
    Each layer with a `bias` in the file of decisions gets it added to its own (Nagel et al. 2019,
    Data-free quantization, section 4.2: the expected error of the output).

    Statistics: those of the layer's output move by the bias.

    Needs: decisions; without them nothing changes. It runs before passes that move observers, by whose
    ids layers may be named. Leaves: one more constant term. Refuses with
    a remark: layers that are not of f32; with QCC1531 and QCC1532 files that cannot be understood
    or belong to another model.

    Example: test/Transform/correct-bias.mlir
  }];
  let options = [
    Option<"decisions", "decisions", "std::string", "\"\"", "file of decisions (qcc/Support/Decisions.h)">];
  let dependentDialects = ["::qcc::qnt::QntDialect"];
}

def MigrateScales : Pass<"qcc-migrate-scales", "::mlir::func::FuncOp"> {
  let summary = "Move large channels of activations into the weights that read them";
  let description = [{
    Between what makes a value and the layers that read it, channel j is divided by s[j] and the
    columns of the weights multiplied by it, which changes no value but leaves ranges that codes
    cover better. Without another decision `s[j] = max|x[j]|^alpha / max|w[:, j]|^(1 - alpha)` (Xiao et
    al. 2022, SmoothQuant, equation 4); with the rule `awq`, `s[j] = m[j]^alpha / sqrt(max s * min s)`
    of mean magnitudes (Lin et al. 2023, AWQ); or the scales of the decision. A channel that is zero
    in the samples or in the weights keeps its scale.

    The division goes into a norm's gain and bias, or into the rows and bias of a layer: right
    before, through a relu, through one factor of a product, or through attention from the layer of
    its values, where heads that share values share scales. All of it becomes recipes. Where a
    decision says `inline`, it is a product before the layers instead.

    Statistics: ranges of migrated values, and of a factor or value on the way, are divided by s.

    Needs: `qcc-observe-ranges`, and ranges of a run or decisions; without either nothing moves.
    Leaves: no `qnt.observe`. Refuses with remarks: values that neither a norm nor a layer makes (but
    inline), that others than layers read, weights that are computed, values out of a cache, ids without a range;
    with errors QCC1530 to QCC1532 files that cannot be understood or belong to another model.

    Example: test/Transform/migrate-scales.mlir
  }];
  let options = [
    Option<"ranges", "ranges", "std::string", "\"\"", "file of ranges (qcc/Support/Ranges.h)">,
    Option<"decisions", "decisions", "std::string", "\"\"", "file of decisions (qcc/Support/Decisions.h)">,
    Option<"alpha", "alpha", "double", "0.5", "how much moves: 0 nothing of the activations, 1 all">];
  let dependentDialects = ["::qcc::qnt::QntDialect"];
}

#endif
