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
    Round to nearest, the reference of every other method. All arithmetic is in f32; scales are
    rounded to their type before codes are chosen; `a` is max |x| of the group, NaN left out.

    | storage | scale | code |
    |---|---|---|
    | integers of b bits | `a / (2^(b-1) - 1)` | `clamp(roundeven(x / scale), -q, q)`, q = 2^(b-1) - 1 |
    | with a zero point | `(max(x, 0) - min(x, 0)) / (2^b - 1)`, `zero = clamp(roundeven(-min / scale))` counted from the lowest code | `clamp(roundeven(x / scale) + zero)` to all codes |
    | with a zero point of float type | likewise; `zero = -min / scale` from the lowest code, not rounded to an integer | `clamp(roundeven(x / scale + zero))` to all codes |
    | `i16` per token | `a / 32639` | as integers, q = 32639 = 256 * 127 + 127 |
    | `ternary` | mean of abs(x) (BitNet b1.58, Ma et al. 2024, eq. 1-3) | `clamp(roundeven(x / scale), -1, 1)` |
    | codebook [-1, 1] | mean of abs(x) (XNOR-Net, Rastegari et al. 2016, eq. 6) | nearest |
    | other fixed codebooks | `a / max abs(table)` | nearest to `x / scale`, ties to the lower code |
    | learned codebook | `a` | nearest in a table that minimises the squared error |
    | 4- and 8-bit floats | `a / max` with max = 448, 57344 or 6 | nearest, ties to even, saturating |
    | `f4e2m1`, scale f8E8M0FNU | `2^(floor(log2(a)) - 2)` (OCP MX 1.0, 6.3) | likewise |

    Means come from 8 interleaved sums in f64, added in ascending order. "Nearest" in a table counts
    the middles between neighbours (f32) that lie below. A scale of type f8E8M0FNU is else the
    smallest power of two, at least 2^-126, that is not below. With two levels `super` is the largest
    scale of the row over 255 (ui8) or 448 (f8E4M3FN), the scale code the nearest to `scale / super`.
    8-bit scales above zero have codes above zero. A group whose scale is 0 has codes of the value
    nearest to 0.
    NaN becomes the zero point. For granularity `token` the quotient is taken as `x * (1 / scale)`.

    Constraints:
    * (C1) `out` has the dimensions of `x`.
    * (C2) tokens are i8, i16 or f8e4m3fn codes, i16 without zero point, f8e4m3fn without groups, with
      scales of f32.
  }];
  let arguments = (ins Qnt_Tensor:$x);
  let results = (outs Qnt_QType:$out);
}

def Qnt_QuantizeStaticOp : Qnt_QuantOp<"quantize_static"> {
  let summary = "real numbers to codes with a scale known before";
  let description = [{
    `code = clamp(roundeven(x * (1 / scale)) + z)`, `z = zero + shift`, where `shift` is 0 if it is
    absent, to -128 .. 127 with a zero point or `full`, else to -127 .. 127. The result is per token,
    every token with the same scale and zero point, so that products do not tell static from dynamic
    inputs. A result without zero point stands for `x + scale z`. Codes of f8e4m3fn are the nearest to
    `x * (1 / scale)`, ties to even, saturating; NaN is 0.

    Constraints:
    * (C1) `out` has the dimensions of `x`.
    * (C2) `out` has i8 or f8e4m3fn codes per token with scales of f32 and no groups.
    * (C3) `scale` is positive and finite, and so is its reciprocal; `zero` is in -128 .. 127, and 0 where `out` has none and `full` is not there.
    * (C4) `shift`, if present, is an i32 of rank 0, and `out` has a zero point or `full` is there, which belongs to i8. That `zero + shift` is in
      -128 .. 127 is up to who makes it.
  }];
  let arguments = (ins Qnt_Tensor:$x, Optional<Qnt_Tensor>:$shift, F32Attr:$scale,
                       DefaultValuedAttr<I64Attr, "0">:$zero, UnitAttr:$full);
  let results = (outs Qnt_QType:$out);
}

def Qnt_DequantizeOp : Qnt_QuantOp<"dequantize"> {
  let summary = "codes to real numbers";
  let description = [{
    `out = scale * (value(code) - zero)`, both steps in f32.

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
    packed with the low bits first; 8-bit floats are their bits.

    Constraints:
    * (C1) the component types fit the scheme of `out`, which has neither a learned codebook nor
      scales of two levels.
  }];
  let arguments = (ins Qnt_Tensor:$codes, Qnt_Tensor:$scale, Optional<Qnt_Tensor>:$zero);
  let results = (outs Qnt_QType:$out);
}

def Qnt_PackOp : Qnt_Op<"pack", [Pure]> {
  let summary = "the same matrix in the layout that kernels read";
  let description = [{
    A pure change of layout, evaluated once at compile time: `panel16_f32` for float matrices [N, K],
    `panel16_k2` for those of bf16, `panel16_k4` for symmetric 8-bit codes per channel, `panel16_block` for every other scheme by
    rows (Pack.h has the formulas).

    Constraints:
    * (C1) `x` is a matrix, and the layout fits its storage.
  }];
  let arguments = (ins Qnt_Value:$x);
  let results = (outs Qnt_QType:$out);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Qnt_QLinearOp : Qnt_QuantOp<"qlinear"> {
  let summary = "linear layer on codes";
  let description = [{
    `weight` is `[N, K]`; `x` has codes per token or is a float tensor. Which of five meanings holds
    follows from the two types (`productOf` in Qnt.h). Orders are the same on every target, for every
    number of tokens. `round` is to f32, and the bias is added last.

    1. *Full sum*, where `x` has i8 codes without groups and `weight` has symmetric i8 codes, one
       scale per row or for all: `acc = sum_k (xcode - xzero) * wcode` over the full K (exact in
       int32), `out = round(acc) * (xscale * wscale[n])`.
    2. *Block sums*, where `x` has other i8 codes or `weight` is stored otherwise, in integers: with
       or without integer zero points, `ternary`, `f4e2m1` (numbers doubled, the scale halved) or a
       fixed codebook of at most 4 bits of integers from -128 to 127. K is cut into steps: the weight's blocks (one
       block is all of K where scales are per row), or the groups of `x` where these are smaller.
       From r = 0, for steps ascending: `r = fma(round(sum_k xcode * (wvalue - zero)), s, r)`, the sum
       exact in int32, with `s = wscale` and finally `out = r * xscale`; or, where `x` has groups,
       `s = wscale * xscale` and `out = r`.
    3. *Float sums*, where `x` is a float tensor, or `weight` has 8-bit floats, another codebook or
       floating zero points. Codes `x` are dequantized first. For blocks ascending:
       `t = fma(x[k], value(code) - zero, t)` for k ascending from t = 0, then
       `r = fma(t, wscale, r)`, `out = r`.
    4. *Wide sums*, where `x` has i16 codes and weights are as in 2 or 1: as 2, with exact sums rounded
       once to f32, and blocks of 256 where the weight's scales are per row.
    5. *Scaled float sums*, where `x` has f8e4m3fn codes: as 3 with `value(xcode)` for `x`, and finally
       `out = r * xscale`.

    With `products = bf16` levels with tensor cores may round `x` and `value(code) - zero` of meanings
    3 and 5 to bf16, and take the sums `t` in another order. With `products = f8e4m3fn` they may, in
    meaning 5, take the sums of runs of 128 inputs or more as their products of 8-bit floats do, which
    may keep fewer bits than f32 has. Others compute it as without.

    Constraints:
    * (C1) `weight` is `[N, K]` of at most 8 bits: one scale, per axis 0, or in blocks along axis 1.
    * (C2) `x` is a float tensor, or has i8, i16 or f8e4m3fn codes per token, symmetric for meanings 2
      and 4; its last dimension is K.
    * (C3) no accumulator can overflow int32: a step, or K in meaning 1, has at most
      `2^31 / (255 * 128)` products for codes of 8 bits, `2^31 / (2^bits * 128)` below.
    * (C4) `out` has the leading dimensions of `x`, then N; `bias`, if present, is `[N]`.
    * (C5) of the groups of `x` and the weight's blocks the smaller size divides the larger.
    * (C6) in meanings 2 and 4 the sums of `x`, if it has any, are those of the steps.
    * (C7) `products` is f32; or bf16 in meaning 5, and in 3 with an `x` of f32, or of bf16 with K a
      multiple of 8; or f8e4m3fn in meaning 5 with weights of f8e4m3fn or f8e5m2.
  }];
  let arguments = (ins Qnt_Value:$x, Qnt_QType:$weight, Optional<Qnt_Tensor>:$bias,
                       DefaultValuedAttr<Qnt_StorageAttr, "Storage::f32">:$products);
  let results = (outs Qnt_Tensor:$out);
}

def Qnt_QGatherOp : Qnt_QuantOp<"qgather"> {
  let summary = "rows of a quantized table by index, as real numbers";
  let description = [{
    `out[i.., :] = scale * (value(code) - zero)` of row `indices[i..]`: a quantized embedding.

    Constraints:
    * (C1) `table` is a matrix per axis 0 or in blocks along axis 1, logical or in a layout that it
      shares with an output head: `panel16_k4` or `panel16_block`; or floats in `panel16_f32` or `panel16_k2`.
    * (C2) `out` has the dimensions of `indices`, then the row's.
  }];
  let arguments = (ins Qnt_QType:$table, Qnt_Tensor:$indices);
  let results = (outs Qnt_Tensor:$out);
}

#endif
