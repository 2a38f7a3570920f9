// The quantized tensor type.
#ifndef QNT_TYPES
#define QNT_TYPES

include "QntAttrs.td"

def Qnt_QType : TypeDef<Qnt_Dialect, "Q"> {
  let mnemonic = "q";
  let summary = "a quantized tensor: codes with their scales and zero points";
  let description = [{
    `real = scale * (value(code) - zero)`. `dims` are logical. `value` is the code itself for
    integers and `ternary` (codes -1, 0, 1 in 2 bits), the number that the bits spell for floats of
    4 and 8 bits, and `table[code]` with a `codebook`.

    Granularity says what shares a scale: the whole tensor, one index of `axis`, a block of `block`
    consecutive indices along `axis` (the last may be ragged) within each index of the other axes,
    or one token (all indices of the last axis; computed at run time, or a constant in static
    schemes). `group N` divides a token into runs of N indices with a scale each; `sums N` keeps the
    sums of a token's codes over runs of N indices, which products with weights in blocks need.
    `zero = none` is symmetric; a zero point of float type is one of imported models.

    With `super f32` scales have two levels: `scale = float(scale code) * super[n]`, rounded once to
    f32, with one super scale for each index n of axis 0. `layout` is part of the type so that a
    kernel cannot be given the wrong one; `logical` is row-major.

    ```mlir
    !qnt.q<[384, 1536], i8, axis 0, scale f32>
    !qnt.q<[384, 1536], u4, block 1 x 32, scale f16, zero ui4>
    !qnt.q<[384, 1536], u1, block 1 x 64, scale f16, codebook #qnt.codebook<[-1.0, 1.0]>>
    !qnt.q<[384, 1536], f4e2m1, block 1 x 32, scale f8E8M0FNU>
    !qnt.q<[384, 1536], u3, block 1 x 64, scale ui8, super f32, codebook #qnt.codebook<learned>>
    !qnt.q<[b, s, 384], i8, token, scale f32>
    !qnt.q<[b, s, 384], i8, token, scale f32, group 128, sums 32>
    ```

    Constraints:
    * (C1) `axis` is an axis; `block` is at least 2 where granularity is `block`.
    * (C2) `scale` is f32, f16, bf16, f8E8M0FNU or f8E4M3FN, or ui8 with `super`.
    * (C3) `super` is f32, over scales of ui8 or f8E4M3FN, of a matrix in blocks along axis 1.
    * (C4) `zero` is an integer or float type; floats, `ternary` and codebooks have none.
    * (C5) a codebook's codes are unsigned integers of at most 8 bits that count all its values,
      and do not belong to tokens.
    * (C6) `group` and `sums` belong to tokens; the smaller divides the larger.
  }];
  let parameters = (ins "::qcc::qnt::DimsAttr":$dims, "::qcc::qnt::Storage":$storage,
                        "::qcc::qnt::Granularity":$granularity, "int64_t":$axis, "int64_t":$block,
                        "::mlir::Type":$scale, "::mlir::Type":$zero, "::mlir::Type":$super,
                        "::qcc::qnt::CodebookAttr":$codebook, "int64_t":$group,
                        "::qcc::qnt::Layout":$layout);
  let builders = [
    // One level of scales, no codebook, no groups.
    TypeBuilder<(ins "::qcc::qnt::DimsAttr":$dims, "::qcc::qnt::Storage":$storage,
                     "::qcc::qnt::Granularity":$granularity, "int64_t":$axis, "int64_t":$block,
                     "::mlir::Type":$scale, "::mlir::Type":$zero, "::qcc::qnt::Layout":$layout), [{
      return $_get($_ctxt, dims, storage, granularity, axis, block, scale, zero, ::mlir::Type(),
                   ::qcc::qnt::CodebookAttr(), int64_t(0), layout);
    }]>];
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Bits of one code.
    unsigned getBits() const;
    bool isSymmetric() const { return !getZero(); }
    /// Whether values are evenly spaced: integers without a codebook.
    bool isUniform() const;
    /// A matrix whose scales go with its rows: one for all, one per row, or blocks along a row.
    bool isByRows() const;
    QType withLayout(Layout layout) const;
    QType withDims(DimsAttr dims) const;
  }];
}

def Qnt_KvType : TypeDef<Qnt_Dialect, "Kv"> {
  let mnemonic = "kv";
  let summary = "a cache tensor whose strides are known at run time only";
  let description = [{
    `!qnt.kv<[b, h, p + s, d], f32>`: dimensions [batch, heads, length, width]; rows of `width`
    elements are dense and follow each other, batch and head strides are arguments. What a session
    preallocates, and what attention reads in place.
  }];
  let parameters = (ins "::qcc::qnt::DimsAttr":$dims, "::mlir::Type":$element);
  let hasCustomAssemblyFormat = 1;
}

def Qnt_Tensor : AnyTypeOf<[AnyRankedTensor], "ranked tensor">;
def Qnt_Value : AnyTypeOf<[AnyRankedTensor, Qnt_QType, Qnt_KvType], "tensor, quantized tensor or cache">;
def Qnt_TensorOrKv : AnyTypeOf<[AnyRankedTensor, Qnt_KvType], "tensor or cache">;

#endif
