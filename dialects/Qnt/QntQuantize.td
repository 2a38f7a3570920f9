// Numbers under a scheme: quantize, dequantize, and the products on codes.
#ifndef QNT_QUANTIZE
#define QNT_QUANTIZE

include "QntTypes.td"
include "QntShape.td"

class Qnt_QuantOp<string mnemonic, list<Trait> traits = [Pure]> : Qnt_Op<mnemonic, traits> {
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Qnt_QuantizeOp : Qnt_QuantOp<"quantize"> {
  let summary = "real numbers to codes under the result's scheme";
  let description = [{
    Scales from the values (round to nearest): symmetric `scale = max|x| / qmax` with qmax = 127 at 8
    bits and `2^(bits-1) - 1` below; with a zero point `scale = (max(x,0) - min(x,0)) / (2^bits - 1)`,
    `zero = round(-min / scale)`. Scales are rounded to the scale type before use; a block of zeros
    has scale 0 and codes equal to the zero point. `code = clamp(roundeven(x / scale) + zero)`; for
    granularity `token` the quotient is taken as `x * (1 / scale)`.

    Constraints:
    * (C1) `out` has the dimensions of `x`.
  }];
  let arguments = (ins Qnt_Tensor:$x);
  let results = (outs Qnt_QType:$out);
}

def Qnt_DequantizeOp : Qnt_QuantOp<"dequantize"> {
  let summary = "codes to real numbers";
  let description = [{
    `out = scale * (code - zero)`.

    Constraints:
    * (C1) `out` has the dimensions of `x`.
  }];
  let arguments = (ins Qnt_QType:$x);
  let results = (outs Qnt_Tensor:$out);
}

def Qnt_AssembleOp : Qnt_QuantOp<"assemble"> {
  let summary = "a quantized tensor from codes, scales and zero points that exist already";
  let description = [{
    The carriers of already quantized models end here. Codes are row-major and, below 8 bits,
    packed with the low bits first.

    Constraints:
    * (C1) the component types fit the scheme of `out`.
  }];
  let arguments = (ins Qnt_Tensor:$codes, Qnt_Tensor:$scale, Optional<Qnt_Tensor>:$zero);
  let results = (outs Qnt_QType:$out);
}

def Qnt_PackOp : Qnt_Op<"pack", [Pure]> {
  let summary = "the same matrix in the layout that kernels read";
  let description = [{
    A pure change of layout, evaluated once at compile time: `panel16_f32` for float matrices [N, K],
    `panel16_k4` for 8-bit codes, `panel16_u4` for 4-bit codes in blocks (Pack.h has the formulas).

    Constraints:
    * (C1) `x` is a matrix, and the layout fits its storage.
  }];
  let arguments = (ins Qnt_Value:$x);
  let results = (outs Qnt_QType:$out);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Qnt_QLinearOp : Qnt_QuantOp<"qlinear"> {
  let summary = "linear layer on codes, int32 accumulation";
  let description = [{
    `x` is quantized per token, `weight` [N, K] per axis 0 or in blocks along axis 1.

    Per axis: `acc = sum_k (xcode - xzero) * wcode` over the full K in int32 (exact), then
    `out = float(acc) * (xscale * wscale[n])`. In blocks (block-fp): for blocks ascending,
    `r = fma(float(sum_k xcode * (wcode - zero)), wscale[n, block], r)`, then `out = r * xscale`. The
    bias is added last. Both orders are the same on every target.

    Constraints:
    * (C1) `weight` is `[N, K]`, per axis 0 or in blocks along axis 1.
    * (C2) `x` has i8 codes per token, symmetric for a weight in blocks, and last dimension K.
    * (C3) no accumulator can overflow: `K * 255 * 128 < 2^31` per axis, the block instead of K in blocks.
    * (C4) `out` has the leading dimensions of `x`, then N; `bias`, if present, is `[N]`.
  }];
  let arguments = (ins Qnt_QType:$x, Qnt_QType:$weight, Optional<Qnt_Tensor>:$bias);
  let results = (outs Qnt_Tensor:$out);
}

def Qnt_QGatherOp : Qnt_QuantOp<"qgather"> {
  let summary = "rows of a quantized table by index, as real numbers";
  let description = [{
    `out[i.., :] = scale * (code - zero)` of row `indices[i..]`: a quantized embedding.

    Constraints:
    * (C1) `table` is a logical matrix per axis 0 or in blocks along axis 1, or one per axis 0 in
      layout `panel16_k4`, which it shares with an output head.
    * (C2) `out` has the dimensions of `indices`, then the row's.
  }];
  let arguments = (ins Qnt_QType:$table, Qnt_Tensor:$indices);
  let results = (outs Qnt_Tensor:$out);
}

#endif
