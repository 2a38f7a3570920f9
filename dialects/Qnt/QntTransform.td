// What quantization adds beside layers: rotations, and the exact side path of outliers.
#ifndef QNT_TRANSFORM
#define QNT_TRANSFORM

include "QntShape.td"

def Qnt_HadamardOp : Qnt_ShapeOp<"hadamard"> {
  let summary = "rotation of an axis by a randomized Hadamard matrix";
  let description = [{
    Each run of `block` consecutive elements v along `axis` becomes `F v`, or with `inverse` `F' v`
    (the transpose), where `F = H D / sqrt(block)`: H is a Hadamard matrix, D a diagonal of signs drawn
    from `seed` (none for seed 0), the same in every run. `qcc/Algorithms/Hadamard.h` defines H, D
    and the order of the float steps. F is orthogonal: `linear(F x, w F', b) = linear(x, w, b)` up to
    rounding, and one large element of v is spread over the whole run (Ashkboos et al. 2024, QuaRot).
    Sums and differences are of f32.

    Constraints:
    * (C1) `axis` is an axis of `x` with a constant size that `block` divides.
    * (C2) `out` has the type of `x`, which is f32, f16 or bf16.
  }];
  let arguments = (ins Qnt_Tensor:$x, I64Attr:$axis, I64Attr:$block, DefaultValuedAttr<I64Attr, "0">:$seed,
                       DefaultValuedAttr<BoolAttr, "false">:$inverse);
  let hasFolder = 1;
}

def Qnt_SparseLinearOp : Qnt_ShapeOp<"sparse_linear"> {
  let summary = "product with a constant matrix of which few elements are kept";
  let description = [{
    `out[.., n] = sum_r x[.., columns[r, n]] * values[r, n]`, r ascending with one fused multiply-add
    per step from +0. `columns` of one axis hold for all n: whole columns of a matrix (Dettmers et
    al. 2022, LLM.int8). With two axes each output has its own (Dettmers et al. 2023, SpQR). An output
    with fewer elements is filled with values of 0. Indices are of elements of x; kernels take one
    beyond them for the last.

    Constraints:
    * (C1) `values` is `[R, N]`, and `columns` is `[R]` or `[R, N]` of `i32`.
    * (C2) `out` has the leading dimensions of `x`, then N.
    * (C3) `x` and `out` are f32; `values` is f32, f16 or bf16.
  }];
  let arguments = (ins Qnt_Tensor:$x, Qnt_Tensor:$values, Qnt_Tensor:$columns);
}

def Qnt_TopColumnsOp : Qnt_ShapeOp<"top_columns"> {
  let summary = "where the elements of largest magnitude of each row lie";
  let description = [{
    `out[:, n]` are the columns of the R elements of row n of `x` that are largest in magnitude (of equal
    ones the first), ascending. Evaluated at compile time; there is no kernel.

    Constraints:
    * (C1) `x` is a float matrix `[N, K]` and `out` is `[R, N]` of `i32` with constant `1 <= R <= K`.
  }];
  let arguments = (ins Qnt_Tensor:$x);
}

#endif
