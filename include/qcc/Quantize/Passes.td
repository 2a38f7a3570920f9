// Passes of the quantize stage: fake quantization becomes codes, weight expressions become recipes.
#ifndef QCC_QUANTIZE_PASSES
#define QCC_QUANTIZE_PASSES

include "mlir/Pass/PassBase.td"

def QuantizeLinear : Pass<"qcc-quantize-linear", "::mlir::func::FuncOp"> {
  let summary = "Compute linear layers on codes";
  let description = [{
    `linear(dequantize(x), dequantize(w), bias)` becomes `qlinear(x, w, bias)` where the codes of
    both sides have an integer product; `linear(x, dequantize(w), bias)` of other inputs becomes
    `qlinear` of the floats and the codes of the weight.

    Needs: `qcc-assign-schemes`, or a model that came quantized. Leaves: such layers as
    `qnt.qlinear`. Refuses: weights whose scales go neither with output channels nor with blocks
    along K. Inputs whose codes have no integer product (other granularities, sums that the weight
    does not need, sums that could overflow 32 bits) count as floats.

    Example: test/Quantize/quantize-linear.mlir
  }];
  let dependentDialects = ["::qcc::qnt::QntDialect"];
}

def QuantizeGather : Pass<"qcc-quantize-gather", "::mlir::func::FuncOp"> {
  let summary = "Look up embeddings in quantized tables";
  let description = [{
    `gather(dequantize(table), indices)` along axis 0 of a matrix becomes `qgather(table, indices)`.

    Needs: `qcc-assign-schemes`, or a model that came quantized. Leaves: such look-ups as
    `qnt.qgather`. Refuses: other axes, and tables that are neither per row nor in blocks of a row.

    Example: test/Quantize/quantize-gather.mlir
  }];
  let dependentDialects = ["::qcc::qnt::QntDialect"];
}

def HoistWeights : Pass<"qcc-hoist-weights", "::mlir::ModuleOp"> {
  let summary = "Turn expressions over weights and constants into recipes";
  let description = [{
    Each maximal expression of pure ops over weights and constants alone becomes a weight with a
    recipe, which the compiler evaluates once. Expressions of constants whose value fits a constant
    become one. Equal recipes are one weight; a recipe that reads another takes in its ops; weights
    that nothing reads are erased.

    Needs: nothing. Leaves: functions that read weights and constants through ops that also read
    activations, or that only repeat elements. Refuses: expressions whose value is much larger than
    what it is made of.

    Example: test/Quantize/hoist-weights.mlir
  }];
  let dependentDialects = ["::qcc::qnt::QntDialect"];
}

#endif
