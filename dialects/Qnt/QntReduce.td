// Reductions, order statistics and scans.
#ifndef QNT_REDUCE
#define QNT_REDUCE

include "QntTypes.td"
include "QntShape.td"

def Qnt_ReduceOp : Qnt_ShapeOp<"reduce"> {
  let summary = "reduction over axes";
  let description = [{
    `sum`, `mean`, `max`, `min`, `prod`, `l1` = sum |x|, `l2` = sqrt(sum x^2), `sum_square`,
    `log_sum` = ln(sum x), `log_sum_exp` = m + ln(sum e^(x-m)) with m = max x. Float sums run over
    16 interleaved lanes, then a fixed tree. An empty reduction gives the neutral element.

    Constraints:
    * (C1) `axes` are distinct ascending axes of `x`.
    * (C2) `out` keeps reduced axes with size 1 (`keepDims`) or drops them; element types agree.
  }];
  let arguments = (ins Qnt_ReduceKindAttr:$kind, Qnt_Tensor:$x, DenseI64ArrayAttr:$axes,
                       BoolAttr:$keepDims);
  let assemblyFormat = "$kind $x attr-dict `:` functional-type(operands, results)";
}

def Qnt_ArgReduceOp : Qnt_ShapeOp<"arg_reduce"> {
  let summary = "index of the largest or smallest element along an axis";
  let description = [{
    `i64` index of the first (or with `selectLast` last) maximum, or minimum with `minimum`.

    Constraints:
    * (C1) `axis` is an axis of `x`.
    * (C2) `out` is `i64` and keeps the axis with size 1 (`keepDims`) or drops it.
  }];
  let arguments = (ins Qnt_Tensor:$x, I64Attr:$axis, BoolAttr:$keepDims,
                       DefaultValuedAttr<BoolAttr, "false">:$minimum,
                       DefaultValuedAttr<BoolAttr, "false">:$selectLast);
}

def Qnt_CumSumOp : Qnt_ShapeOp<"cum_sum"> {
  let summary = "running sum along an axis";
  let description = [{
    Constraints:
    * (C1) `axis` is an axis of `x`; `out` has the type of `x`.
  }];
  let arguments = (ins Qnt_Tensor:$x, I64Attr:$axis, DefaultValuedAttr<BoolAttr, "false">:$exclusive,
                       DefaultValuedAttr<BoolAttr, "false">:$reverse);
}

def Qnt_TopKOp : Qnt_Op<"top_k", [Pure]> {
  let summary = "the k largest or smallest elements along an axis and their indices";
  let description = [{
    Sorted, equal elements by ascending index; `k` is the size of the results along `axis`.

    Constraints:
    * (C1) `axis` is an axis of `x`; `values` and `indices` have the same dimensions.
    * (C2) `values` has the element type of `x`, `indices` has `i64`.
  }];
  let arguments = (ins Qnt_Tensor:$x, I64Attr:$axis, DefaultValuedAttr<BoolAttr, "true">:$largest);
  let results = (outs Qnt_Tensor:$values, Qnt_Tensor:$indices);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

#endif
