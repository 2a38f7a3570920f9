// Ops that move or make elements without arithmetic.
#ifndef QNT_SHAPE
#define QNT_SHAPE

include "QntTypes.td"

class Qnt_ShapeOp<string mnemonic, list<Trait> traits = [Pure]> : Qnt_Op<mnemonic, traits> {
  let results = (outs Qnt_Tensor:$out);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Qnt_ConstantOp : Qnt_Op<"constant", [Pure, ConstantLike, AllTypesMatch<["value", "out"]>]> {
  let summary = "a constant of at most 1 KiB";
  let description = [{
    Larger constants are `qnt.weight` symbols.

    Constraints:
    * (C1) `value` has at most 1024 bytes.
  }];
  let arguments = (ins ElementsAttr:$value);
  let results = (outs Qnt_Tensor:$out);
  let assemblyFormat = "attr-dict $value";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Qnt_DimTensorOp : Qnt_ShapeOp<"dim_tensor"> {
  let summary = "dimension expressions as an integer tensor";
  let description = [{
    `out[i] = dims[i]`: what is left of a shape subgraph whose value is needed as data.

    Constraints:
    * (C1) `out` is `i64` (or `i32`) of rank 1 with as many elements as `dims`, or of rank 0 for one.
  }];
  let arguments = (ins Qnt_DimsAttr:$dims);
  let assemblyFormat = "$dims attr-dict `:` type($out)";
}

def Qnt_RequireEqualOp : Qnt_Op<"require_equal", []> {
  let summary = "two dimensions must be equal at run time";
  let description = [{
    One check in the function's prologue; a violation is a status that names both. `dims` holds
    exactly the two expressions.

    Constraints:
    * (C1) `dims` has two elements.
  }];
  let arguments = (ins Qnt_DimsAttr:$dims);
  let assemblyFormat = "$dims attr-dict";
  let hasVerifier = 1;
}

def Qnt_IotaOp : Qnt_ShapeOp<"iota"> {
  let summary = "an arithmetic progression along one axis";
  let description = [{
    `out[.., i, ..] = start + i * step` with `i` the index along `axis`; `start` is a dimension expression.

    Constraints:
    * (C1) `axis` is an axis of `out`.
    * (C2) `start` has one element.
  }];
  let arguments = (ins I64Attr:$axis, Qnt_DimsAttr:$start, DefaultValuedAttr<I64Attr, "1">:$step);
  let assemblyFormat = "attr-dict `:` type($out)";
}

def Qnt_ReshapeOp : Qnt_ShapeOp<"reshape"> {
  let summary = "same elements in row-major order under other dimensions";
  let description = [{
    Constraints:
    * (C1) the element types are equal.
    * (C2) where both element counts are known they are equal.
  }];
  let arguments = (ins Qnt_Tensor:$x);
  let hasFolder = 1;
}

def Qnt_TransposeOp : Qnt_ShapeOp<"transpose"> {
  let summary = "permutation of axes";
  let description = [{
    `out` axis `i` is `x` axis `permutation[i]`.

    Constraints:
    * (C1) `permutation` is a permutation of the axes of `x`.
    * (C2) `out` has the permuted dimensions and the element type of `x`.
  }];
  let arguments = (ins Qnt_Tensor:$x, DenseI64ArrayAttr:$permutation);
  let hasFolder = 1;
}

def Qnt_BroadcastOp : Qnt_ShapeOp<"broadcast"> {
  let summary = "repetition along axes of size one and new leading axes";
  let description = [{
    Constraints:
    * (C1) `x` broadcasts to the dimensions of `out` as in NumPy, with the same element type.
  }];
  let arguments = (ins Qnt_Tensor:$x);
  let hasFolder = 1;
}

def Qnt_SliceOp : Qnt_ShapeOp<"slice"> {
  let summary = "every steps-th element from starts on, along each axis";
  let description = [{
    `out[i..] = x[starts + i * steps]`; sizes are those of `out`. `starts` are dimension
    expressions, already normalised to 0 .. size; a step may be negative.

    Constraints:
    * (C1) `starts` and `steps` have one entry per axis and no step is 0.
    * (C2) `out` has the rank and element type of `x`.
  }];
  let arguments = (ins Qnt_Tensor:$x, Qnt_DimsAttr:$starts, DenseI64ArrayAttr:$steps);
  let hasFolder = 1;
}

def Qnt_ConcatOp : Qnt_ShapeOp<"concat"> {
  let summary = "operands side by side along an axis";
  let description = [{
    Constraints:
    * (C1) there is an operand, and `axis` is an axis of it.
    * (C2) ranks and element types agree, and the sizes along `axis` add up.
  }];
  let arguments = (ins Variadic<Qnt_Tensor>:$inputs, I64Attr:$axis);
  let hasFolder = 1;
}

def Qnt_PadOp : Qnt_ShapeOp<"pad"> {
  let summary = "padding before and after each axis";
  let description = [{
    `low` and `high` (dimension expressions, never negative) elements come before and after each
    axis: `value` (a scalar tensor, `constant` mode), mirrored, the edge, or from the other end.

    Constraints:
    * (C1) `low` and `high` have one entry per axis.
    * (C2) `value` is a scalar of the element type of `x`.
  }];
  let arguments = (ins Qnt_Tensor:$x, Qnt_Tensor:$value, Qnt_DimsAttr:$low, Qnt_DimsAttr:$high,
                       DefaultValuedAttr<Qnt_PadModeAttr, "PadMode::constant">:$mode);
}

def Qnt_GatherOp : Qnt_ShapeOp<"gather"> {
  let summary = "slices of x along an axis by index";
  let description = [{
    `out[a.., i.., b..] = x[a.., indices[i..], b..]`. A negative index counts from the end; one
    outside the axis is a fault that names the op.

    Constraints:
    * (C1) `axis` is an axis of `x`.
    * (C2) `indices` are `i64` or `i32`.
    * (C3) `out` has the dimensions `x[:axis] + indices + x[axis+1:]` and the element type of `x`.
  }];
  let arguments = (ins Qnt_Tensor:$x, Qnt_Tensor:$indices, I64Attr:$axis);
}

def Qnt_GatherElementsOp : Qnt_ShapeOp<"gather_elements"> {
  let summary = "single elements along an axis by index";
  let description = [{
    `out[i.., j, k..] = x[i.., indices[i.., j, k..], k..]`.

    Constraints:
    * (C1) `axis` is an axis of `x`; ranks of `x` and `indices` agree.
    * (C2) `out` has the dimensions of `indices` and the element type of `x`.
  }];
  let arguments = (ins Qnt_Tensor:$x, Qnt_Tensor:$indices, I64Attr:$axis);
}

def Qnt_GatherNdOp : Qnt_ShapeOp<"gather_nd"> {
  let summary = "slices of x by index tuples";
  let description = [{
    The last axis of `indices` holds tuples that index the axes of `x` after `batchDims`.

    Constraints:
    * (C1) `batchDims` is smaller than both ranks, and tuples are not longer than the remaining rank.
    * (C2) `out` has the dimensions `indices[:-1] + x[batchDims + tuple:]` and the element type of `x`.
  }];
  let arguments = (ins Qnt_Tensor:$x, Qnt_Tensor:$indices, DefaultValuedAttr<I64Attr, "0">:$batchDims);
}

def Qnt_ScatterNdOp : Qnt_ShapeOp<"scatter_nd"> {
  let summary = "x with slices replaced or combined by index tuples";
  let description = [{
    Constraints:
    * (C1) `out` has the type of `x`; `updates` has its element type.
    * (C2) `updates` has the dimensions `indices[:-1] + x[tuple:]`.
  }];
  let arguments = (ins Qnt_Tensor:$x, Qnt_Tensor:$indices, Qnt_Tensor:$updates,
                       DefaultValuedAttr<Qnt_ScatterKindAttr, "ScatterKind::set">:$kind);
}

def Qnt_ScatterElementsOp : Qnt_ShapeOp<"scatter_elements"> {
  let summary = "x with single elements along an axis replaced or combined";
  let description = [{
    Constraints:
    * (C1) `axis` is an axis of `x`; `out` has the type of `x`.
    * (C2) `updates` has the dimensions of `indices` and the element type of `x`.
  }];
  let arguments = (ins Qnt_Tensor:$x, Qnt_Tensor:$indices, Qnt_Tensor:$updates, I64Attr:$axis,
                       DefaultValuedAttr<Qnt_ScatterKindAttr, "ScatterKind::set">:$kind);
}

def Qnt_NonZeroOp : Qnt_ShapeOp<"non_zero"> {
  let summary = "indices of the elements that are not zero";
  let description = [{
    `out[r, j]` is the index along axis `r` of the `j`-th non-zero element in row-major order. The
    last dimension of `out` is the produced symbol `symbol`.

    Constraints:
    * (C1) `out` is `i64` with dimensions `[max(rank, 1), symbol]`.
  }];
  let arguments = (ins Qnt_Tensor:$x, StrAttr:$symbol);
}

def Qnt_NonZeroCountOp : Qnt_ShapeOp<"non_zero_count"> {
  let summary = "the number of elements that are not zero";
  let description = [{
    Constraints:
    * (C1) `out` is an `i64` of rank 0.
  }];
  let arguments = (ins Qnt_Tensor:$x);
}

def Qnt_ResizeOp : Qnt_ShapeOp<"resize"> {
  let summary = "interpolation to other sizes";
  let description = [{
    ONNX Resize semantics (opset 19) along `axes`; sizes are those of `out`; `scales` are the
    factors that the coordinate transformation uses.

    Constraints:
    * (C1) `mode` is nearest, linear or cubic; `scales` has one entry per axis, all positive.
    * (C2) `out` has the rank and element type of `x`.
  }];
  let arguments = (ins Qnt_Tensor:$x, StrAttr:$mode, StrAttr:$coordinates, StrAttr:$nearest,
                       DenseF64ArrayAttr:$scales, DefaultValuedAttr<F64Attr, "-0.75">:$cubicCoefficient,
                       DefaultValuedAttr<BoolAttr, "false">:$excludeOutside,
                       DefaultValuedAttr<F64Attr, "0.0">:$extrapolation);
}

def Qnt_IdentityOp : Qnt_ShapeOp<"identity"> {
  let summary = "a copy under another name";
  let description = [{
    Kept only where a function returns an argument or a weight, so that outputs have storage.

    Constraints:
    * (C1) `out` has the type of `x`.
  }];
  let arguments = (ins Qnt_Tensor:$x);
}

#endif
