// Passes of the lower stage: groups become kernels, kernels loops, the model a list of launches.
#ifndef QCC_LOWER_PASSES
#define QCC_LOWER_PASSES

include "mlir/Pass/PassBase.td"

def OutlineKernels : Pass<"qcc-outline-kernels", "::mlir::ModuleOp"> {
  let summary = "Outline fused groups, one kernel for each structure";
  let description = [{
    Every `qnt.fused` becomes a `qnt.launch` of a `qnt.kernel`. Dimensions become parameters d0, d1,
    ... in order of appearance; in kinds that are generic in their sizes (`map`, `row`, `linear`,
    `qlinear`) constants other than 1 do too. Kernels whose bodies then print alike are one.

    Needs: the fuse stage. Leaves: no `qnt.fused`. Refuses: nothing.

    Example: test/Lower/outline-kernels.mlir
  }];
  let dependentDialects = ["::qcc::qnt::QntDialect"];
}

def ExpandRows : Pass<"qcc-expand-rows", "::qcc::qnt::KernelOp"> {
  let summary = "Spell normalisations and softmax as reductions and elementwise ops";
  let description = [{
    Inside kernels of kind `row`: softmax, layer_norm, rms_norm and the compound reductions become
    `qnt.reduce` (sum, max, min, prod) of the last axis and elementwise ops, exactly as their
    formulas say, so that one emitter schedules all of them.

    Needs: `qcc-outline-kernels`. Leaves: simple reductions only. Refuses: nothing.

    Example: test/Lower/expand-rows.mlir
  }];
  let dependentDialects = ["::qcc::qnt::QntDialect"];
}

def PlaceWeights : Pass<"qcc-place-weights", "::mlir::ModuleOp"> {
  let summary = "Give every weight and constant that code reads its place in the weight section";
  let description = [{
    Constants become weights; the weights that functions use are laid out in order of first use,
    64-byte aligned, in one `qnt.section`. Weights that only recipes read get no place.

    Needs: kernels outlined, layouts chosen. Leaves: one `qnt.section`; functions hold no
    `qnt.constant`. Refuses: nothing.

    Example: test/Lower/place-weights.mlir
  }];
  let dependentDialects = ["::qcc::qnt::QntDialect"];
}

def LowerKernels : Pass<"qcc-lower-kernels", "::mlir::ModuleOp"> {
  let summary = "Write the loops of every kernel for one feature level";
  let description = [{
    Adds a nested module named after the level, with one function of the kernel ABI for each
    `qnt.kernel`, made of scf, arith, vector, tile and llvm operations. Matrix products go in the
    register tiles that are fastest in the table of costs, where that is of the level, else in the
    table that comes with qcc.

    Needs: `qcc-expand-rows`. Leaves: the kernels in place, so that the next level can be written.
    Refuses: a kernel without code on the level (error QCC1650 names the op); a table that cannot be
    read (QCC1101, QCC1874).

    Example: test/Lower/lower-kernels.mlir
  }];
  let options = [Option<"level", "level", "std::string", "\"scalar\"", "feature level, as `qcc targets` prints">,
                 Option<"costs", "costs", "std::string", "\"\"", "file that `qcc tune` wrote">];
  let dependentDialects = ["::qcc::qnt::QntDialect", "::qcc::tile::TileDialect",
    "::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect",
    "::mlir::math::MathDialect", "::mlir::LLVM::LLVMDialect", "::mlir::func::FuncDialect"];
}

def LowerBody : Pass<"qcc-lower-body", "::mlir::ModuleOp"> {
  let summary = "Turn the model into its plan and run functions";
  let description = [{
    Buffers get lifetimes and slots of an arena whose offsets are expressions of the symbols. `plan`
    binds the symbols, makes the checks and sizes the arena; `run` is the flat list of launches.
    Both land in the nested module `body`; `qnt.entry` describes the signature. Where there is code
    for GPUs, `run` reaches the memory of tensors through services.

    Needs: `qcc-place-weights`. Leaves: no model function. Refuses: nothing.

    Example: test/Lower/lower-body.mlir
  }];
  let dependentDialects = ["::qcc::qnt::QntDialect", "::mlir::arith::ArithDialect",
    "::mlir::cf::ControlFlowDialect", "::mlir::LLVM::LLVMDialect", "::mlir::func::FuncDialect"];
}

#endif
