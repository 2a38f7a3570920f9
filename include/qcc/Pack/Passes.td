// Passes of the pack stage: every matrix and every row of codes gets the layout that kernels read.
#ifndef QCC_PACK_PASSES
#define QCC_PACK_PASSES

include "mlir/Pass/PassBase.td"

def PackWeights : Pass<"qcc-pack-weights", "::mlir::ModuleOp"> {
  let summary = "Choose the layout of the matrices and codes that kernels read";
  let description = [{
    The weight of each linear layer becomes a recipe that ends in `qnt.pack`: `panel16_f32` for
    floats (kept in 16 bits where the model stores them so), `panel16_k4` for 8-bit codes whose
    products are summed over all of K, `panel16_block` for all other codes. Codes of activations
    become `token_u8`, `token_s8` where they have sums or groups, or `token_s16`; those of 8-bit
    floats `token_f8` where all layers have `products = f8e4m3fn`, else `token_f32`. A table that a
    layer and a look-up share is packed once, for both.

    Needs: the fuse stage. Leaves: no logical layout at a linear layer. Refuses (QCC1510): weights
    that are no constants, and storages without a layout.

    Example: test/Pack/pack-weights.mlir
  }];
  let dependentDialects = ["::qcc::qnt::QntDialect"];
}

#endif
