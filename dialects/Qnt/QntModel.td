// Contractions, normalisations, attention: what a transformer is made of.
#ifndef QNT_MODEL
#define QNT_MODEL

include "QntTypes.td"
include "QntShape.td"

def Qnt_MatmulOp : Qnt_ShapeOp<"matmul"> {
  let summary = "batched matrix product of two activations";
  let description = [{
    `out[.., m, n] = sum_k x[.., m, k] * y[.., k, n]` (`y[.., n, k]` with `transposeY`); leading
    axes broadcast. Float sums ascend in k with one fused multiply-add per step; integers are exact
    modulo 2^32 or 2^64, those of i16 (bytes less their zero points) in i32.

    Constraints:
    * (C1) both ranks are at least 2 and the contracted dimensions are equal.
    * (C2) `out` has the broadcast leading dimensions, then m and n; element types agree, except
      that `out` is i32 where the operands are i16.
  }];
  let arguments = (ins Qnt_Tensor:$x, Qnt_Tensor:$y, DefaultValuedAttr<BoolAttr, "false">:$transposeY);
}

def Qnt_LinearOp : Qnt_ShapeOp<"linear"> {
  let summary = "product with a constant matrix, the layer that quantization is about";
  let description = [{
    `out[.., n] = sum_k x[.., k] * weight[n, k] (+ bias[n])`. Rows of `weight` are output channels.
    Sums ascend in k with one fused multiply-add per step; the bias is added last.

    With `products = bf16` elements of `x` and `weight` are rounded to bf16, to nearest even, and sums take the
    second of each two k first: from r = 0, for even k ascending,
    `r = fma(x[k], weight[n, k], fma(x[k + 1], weight[n, k + 1], r))`. Only `--numerics=fast` makes such layers, and
    a kernel may leave `x` as it is, take another order, or count what is below 2^-126 as 0.

    Constraints:
    * (C1) `weight` is `[N, K]` and `x` has last dimension K.
    * (C2) `bias`, if present, is `[N]`.
    * (C3) `out` has the leading dimensions of `x`, then N.
    * (C4) `products` is f32 or bf16; with bf16, `x` is f32, or bf16 with K a multiple of 8.
  }];
  let arguments = (ins Qnt_Tensor:$x, Qnt_Value:$weight, Optional<Qnt_Tensor>:$bias,
                       DefaultValuedAttr<Qnt_StorageAttr, "Storage::f32">:$products);
}

def Qnt_ConvOp : Qnt_ShapeOp<"conv"> {
  let summary = "convolution, channels first";
  let description = [{
    ONNX Conv on `x` [B, C, spatial..] and `weight` [M, C/groups, kernel..].

    Constraints:
    * (C1) `strides`, `dilations` have one entry per spatial axis, `pads` two.
    * (C2) channels fit `groups`; `bias`, if present, is `[M]`.
  }];
  let arguments = (ins Qnt_Tensor:$x, Qnt_Tensor:$weight, Optional<Qnt_Tensor>:$bias,
                       DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations,
                       DenseI64ArrayAttr:$pads, DefaultValuedAttr<I64Attr, "1">:$groups);
}

def Qnt_SoftmaxOp : Qnt_ShapeOp<"softmax"> {
  let summary = "softmax along the last axis";
  let description = [{
    `m = max x; e = exp(x - m); out = e * (1 / sum e)`; with `log`, `(x - m) - ln(sum e)`. A row that is
    all -inf gives NaN, as the formula says.

    Constraints:
    * (C1) the rank is at least 1 and `out` has the type of `x`.
  }];
  let arguments = (ins Qnt_Tensor:$x, DefaultValuedAttr<BoolAttr, "false">:$log);
}

def Qnt_LayerNormOp : Qnt_ShapeOp<"layer_norm", [Pure, AttrSizedOperandSegments]> {
  let summary = "layer normalisation over the last axis (Ba, Kiros and Hinton 2016)";
  let description = [{
    `mu = mean x; v = mean (x - mu)^2; r = 1 / sqrt(v + epsilon); out = (x - mu) * r * gain (+ bias)`.

    Constraints:
    * (C1) `gain` and `bias`, if present, are `[C]` with C the last dimension of `x`.
    * (C2) `out` has the type of `x`; `epsilon` is not negative.
  }];
  let arguments = (ins Qnt_Tensor:$x, Optional<Qnt_Tensor>:$gain, Optional<Qnt_Tensor>:$bias, F64Attr:$epsilon);
  let assemblyFormat = "$x (`gain` $gain^)? (`bias` $bias^)? attr-dict `:` functional-type(operands, results)";
}

def Qnt_RmsNormOp : Qnt_ShapeOp<"rms_norm"> {
  let summary = "root mean square normalisation over the last axis (Zhang and Sennrich 2019)";
  let description = [{
    `r = 1 / sqrt(mean x^2 + epsilon); out = x * r * gain`.

    Constraints:
    * (C1) `gain`, if present, is `[C]` with C the last dimension of `x`.
    * (C2) `out` has the type of `x`; `epsilon` is not negative.
  }];
  let arguments = (ins Qnt_Tensor:$x, Optional<Qnt_Tensor>:$gain, F64Attr:$epsilon);
}

def Qnt_RopeOp : Qnt_ShapeOp<"rope"> {
  let summary = "rotary position embedding (Su et al. 2021, equation 34)";
  let description = [{
    On the first `2 * W` channels of `x` [.., C], with `cos` and `sin` [.., W] that broadcast
    against the leading axes: halves `a = x[.., :W]`, `b = x[.., W:2W]` become `a*cos - b*sin` and
    `b*cos + a*sin`; `interleaved` pairs even and odd channels instead. Other channels pass.

    Constraints:
    * (C1) `2 * W <= C`, and `cos` and `sin` have one type.
    * (C2) `out` has the type of `x`.
  }];
  let arguments = (ins Qnt_Tensor:$x, Qnt_Tensor:$cos, Qnt_Tensor:$sin,
                       DefaultValuedAttr<BoolAttr, "false">:$interleaved);
}

def Qnt_AttentionOp : Qnt_ShapeOp<"attention", [Pure, AttrSizedOperandSegments]> {
  let summary = "scaled dot-product attention, grouped";
  let description = [{
    `query` [B, H, S, D], `key` [B, G, T, D], `value` [B, G, T, E] with G dividing H (head h reads
    group `h / (H / G)`):

        a[s, t] = scale * sum_d q[s, d] * k[t, d]
        a = softcap * tanh(a / softcap)                 where softcap > 0
        a = a + mask[s, t], or -inf where a boolean mask is false
        a = -inf unless t <= s + (T - S)                with causal
        a = -inf unless t > s + (T - S) - window        where window > 0
        out[s] = sum_t softmax(a)[s, t] * v[t]

    With `sink` [H], the softmax of head h has one more score, `sink[h]`, whose value is 0 (attention
    sinks: Xiao et al. 2023; a learned score per head: gpt-oss; `sink = 0`: "softmax plus one").

    Rows without any admitted key give NaN, or 0 with `safe`. Keys are accumulated in blocks of 64
    by absolute index, so that results do not depend on how a prompt is cut into chunks.

    With `products = i16` both products are of 16-bit codes with exact 32-bit sums. A row x of n elements has the
    codes `x' = round(x L / m)` of the scale `x* = m / L`, where `m = max |x|`, and all are 0 where m is. In the
    first product, `L = floor(sqrt((2^31 - 1) / D))`:

        sum_d q[s, d] * k[t, d] = q*[s] * k*[t] * sum_d q'[s, d] * k'[t, d]

    In the second, rows of v have `L = 8191`, and in each block of keys

        w[t] = exp(a[s, t] - max_t a[s, t]),  u = max_t w[t] * v*[t],  p[t] = round(4095 * w[t] * v*[t] / u)
        sum_t w[t] * v[t] = u / 4095 * sum_t p[t] * v'[t]

    so that a result depends on no key that it does not admit. Where a row of q, k or v holds an infinity or a NaN,
    results that read it are NaN.

    With `products = bf16`, which only `--numerics=fast` asks for, a level may round what it multiplies to bf16, or
    f16 where keys and values are of that: query, times the scale, keys, values and weights; sums are of f32 in
    an order of its own, and exponentials within 2^-20 of what they are. Levels without products of matrices do
    as with f32.

    Constraints:
    * (C1) all ranks are 4, batches are equal, G divides H, D and T agree.
    * (C2) `mask`, if present, broadcasts to [B, H, S, T] and is float or `i1`.
    * (C3) `out` is [B, H, S, E].
    * (C4) `sink`, if present, is [H] and float.
    * (C5) `products` is f32, bf16 or i16; with i16, D is a constant and the keys and values are no caches.
  }];
  let arguments = (ins Qnt_Tensor:$query, Qnt_TensorOrKv:$key, Qnt_TensorOrKv:$value, Optional<Qnt_Tensor>:$mask,
                       Optional<Qnt_Tensor>:$sink,
                       F64Attr:$scale, DefaultValuedAttr<F64Attr, "0.0">:$softcap,
                       DefaultValuedAttr<BoolAttr, "false">:$causal,
                       DefaultValuedAttr<I64Attr, "0">:$window,
                       DefaultValuedAttr<BoolAttr, "false">:$safe,
                       DefaultValuedAttr<Qnt_StorageAttr, "Storage::f32">:$products);
  let assemblyFormat = [{
    $query `,` $key `,` $value (`,` $mask^)? (`sink` $sink^)? attr-dict `:` functional-type(operands, results)
  }];
}

#endif
