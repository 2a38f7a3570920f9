// Passes of the assign-bits stage: which tensor is stored and computed how.
#ifndef QCC_ASSIGNBITS_PASSES
#define QCC_ASSIGNBITS_PASSES

include "mlir/Pass/PassBase.td"

def AssignSchemes : Pass<"qcc-assign-schemes", "::mlir::func::FuncOp"> {
  let summary = "Mark what is quantized, and how, by fake quantization";
  let description = [{
    Inputs and weights of linear layers, and embedding tables, are quantized and dequantized in
    place, under one scheme for layers, one for the output head and one for embeddings: the form in
    which models arrive that were quantized elsewhere. A layer counts when its weight is made of
    constants and both its dimensions are at least `min-dim`. The head is the layer whose result is
    the logits: a function result of that role, or one of 8192 channels or more, or a layer that
    shares its matrix with an embedding. A matrix that a layer and a look-up share has one scheme,
    the head's. A weight that came quantized in codes that kernels take keeps them, whatever the
    scheme says of weights; only the layer's input is quantized. Inputs are quantized per token, with
    the sums of codes that the weights need, or stay floats under schemes without activations.

    A recipe (a file) names schemes of its own and overrides the scheme of tensors by globs over
    node and weight names; the last that matches holds, for layers, heads and tables alike.

    Needs: biases merged into the layer, layers raised. Leaves: `qnt.dequantize` of `qnt.quantize`
    around what is quantized. Refuses with remarks: small matrices, weights that are computed, names
    that match `skip`; with error QCC1501 schemes that have no kernels, with QCC1540 static schemes
    without ranges.

    Example: test/AssignBits/assign-schemes.mlir
  }];
  let options = [
    Option<"scheme", "scheme", "std::string", "\"w8a8\"", "scheme of linear layers">,
    Option<"embed", "embed", "std::string", "\"w8\"", "embedding tables: f32, f16, w8, w4, or a scheme without activations">,
    Option<"head", "head", "std::string", "\"w8\"", "output head: f32, f16, w8, w4, or a scheme">,
    Option<"statistics", "statistics", "std::string", "\"\"", "file of statistics (qcc/Support/Statistics.h) that static scales come from">,
    Option<"collector", "collector", "std::string", "\"mse\"", "which range of it: minmax, average, percentile, entropy or mse">,
    Option<"recipe", "recipe", "std::string", "", "file with schemes of its own and overrides">,
    Option<"minDim", "min-dim", "int64_t", "32", "smallest K and N that are quantized">,
    ListOption<"skip", "skip", "std::string", "globs over node and weight names to leave alone">];
  let dependentDialects = ["::qcc::qnt::QntDialect"];
}

#endif
