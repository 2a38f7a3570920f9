// Passes of the quantize stage: fake quantization becomes codes, weight expressions become recipes.
#ifndef QCC_QUANTIZE_PASSES
#define QCC_QUANTIZE_PASSES

include "mlir/Pass/PassBase.td"

def CenterCodes : Pass<"qcc-center-codes", "::mlir::func::FuncOp"> {
  let summary = "Take zero points out of products that cannot have them";
  let description = [{
    Of layers on codes of tokens: `w = s (c - z)`, with codes of bytes, scales per tensor or output
    channel and a zero point, becomes `s c' + s (m - z)`, where `c' = c - m` are signed bytes and `m` is the middle
    of the codes, 128 or 0. The second term times x is `s (m - z)` times the sum of x, a term that
    vanishes where `z = m`. What is left has an integer product with any input.

    Static inputs `x = s (c - z)` of other weights (in blocks, of fewer bits) become `s c - s z`: the second
    term is `s z` times the sum of each row of the weight, a constant.

    Needs: `qcc-assign-schemes`, or a model that came quantized. Leaves: layers whose product
    qcc-quantize-linear finds. Refuses: inputs that are floats or have no zero point.

    Example: test/Quantize/center-codes.mlir
  }];
  let dependentDialects = ["::qcc::qnt::QntDialect"];
}

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

def NarrowAttention : Pass<"qcc-narrow-attention", "::mlir::func::FuncOp"> {
  let summary = "Compute attention between 8-bit layers on 16-bit codes";
  let description = [{
    `attention` whose queries, keys and values all come from layers with 8-bit inputs gets `products = i16`: its
    products then take half the time, and their error is far below that of the layers around.

    Needs: `qcc-quantize-linear`. Leaves: such attention with products of codes. Refuses: caches, which one new
    token at a time would have to code again; heads of unknown width; what came from anything but such layers.
    With `required`, what it refuses is an error.

    Example: test/Quantize/narrow-attention.mlir
  }];
  let options = [Option<"required", "required", "bool", "false", "attention that stays on floats is an error">];
  let dependentDialects = ["::qcc::qnt::QntDialect"];
}

def NarrowCaches : Pass<"qcc-narrow-caches", "::mlir::func::FuncOp"> {
  let summary = "Keep the caches of a decoder in fewer bytes";
  let description = [{
    `present = concat(past, rows)` along the length, where `past` is a float argument read by nothing else and `present` a
    result, is stored in another format: past, present and what is put between have its type, new rows are converted
    before, and what reads the cache reads what it stands for. With `f16` and `fp8` (f8E4M3FN, saturated) attention reads
    the cache itself; with `int8` and `int4` rows are those of `qnt.encode_rows`.

    Needs: attention raised. Leaves: caches in that format, arguments and results of another type. Refuses: caches that
    only pass through, as those of cross-attention, whose rows another model wrote; caches of integers; past rows that
    something else reads; for codes, rows of unknown width. A function whose caches are all refused is an error.

    Example: test/Quantize/narrow-caches.mlir
  }];
  let options = [Option<"format", "format", "std::string", "", "f16, fp8, int8 or int4">];
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
