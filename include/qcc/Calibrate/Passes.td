// Passes of the calibrate stage: what a run on samples is to look at.
#ifndef QCC_CALIBRATE_PASSES
#define QCC_CALIBRATE_PASSES

include "mlir/Pass/PassBase.td"

def ObserveRanges : Pass<"qcc-observe-ranges", "::mlir::func::FuncOp"> {
  let summary = "Observe what linear layers read";
  let description = [{
    Each value that is the input of linear layers gets a `qnt.observe`, named after the node of the
    first of them, which these layers then read. Evaluating the model on samples and adding what
    the observers see to a `RangeStore` (qcc/Support/Ranges.h) gives the ranges that later stages ask for.

    Needs: layers raised. Leaves: `qnt.observe` on the inputs of layers. Refuses: inputs that are
    constant, and inputs that are observed already.

    Example: test/Calibrate/observe-ranges.mlir
  }];
  let dependentDialects = ["::qcc::qnt::QntDialect"];
}

#endif
