// Passes of the pipeline itself.
#ifndef QCC_PIPELINE_PASSES
#define QCC_PIPELINE_PASSES

include "mlir/Pass/PassBase.td"

def CheckStage : Pass<"qcc-check-stage", "::mlir::ModuleOp"> {
  let summary = "Fail if an op that a stage uses up is still there";
  let description = [{
    Reports every op that `stage` or an earlier one uses up (Stages.def). Runs at the end of every
    stage.

    Needs: nothing. Leaves: the module as it is. Refuses: used-up ops (error QCC1902).

    Example: test/Pipeline/check-stage.mlir
  }];
  let options = [Option<"stage", "stage", "std::string", "\"import\"", "name of the stage">];
}

def PromoteHalf : Pass<"qcc-promote-half", "::mlir::func::FuncOp"> {
  let summary = "Compute in f32 where the model says f16 or bf16";
  let description = [{
    f16 and bf16 are storage here: function arguments, results and weights keep their type, with
    casts beside them, and everything between computes in f32.

    Needs: nothing. Leaves: no arithmetic on half types. Refuses: nothing.

    Example: test/Pipeline/promote-half.mlir
  }];
  let dependentDialects = ["::qcc::qnt::QntDialect"];
}

#endif
