// The quantized tensor type.
#ifndef QNT_TYPES
#define QNT_TYPES

include "QntAttrs.td"

def Qnt_QType : TypeDef<Qnt_Dialect, "Q"> {
  let mnemonic = "q";
  let summary = "a quantized tensor: codes with their scales and zero points";
  let description = [{
    `real = scale * (code - zero)`. `dims` are logical. Granularity says what shares a scale:
    the whole tensor, one index of `axis`, a block of `block` consecutive indices along `axis`
    (the last may be ragged) within each index of the other axes, or one token (all indices of
    the last axis; computed at run time; `sums N` keeps the sums of its codes over blocks of N too,
    for weights with zero points). `zero = none` is symmetric. `layout` is part of the type
    so that a kernel cannot be given the wrong one; `logical` is row-major.

    ```mlir
    !qnt.q<[384, 1536], i8, axis 0, scale f32>
    !qnt.q<[384, 1536], u4, block 1 x 32, scale f16, zero ui4>
    !qnt.q<[b, s, 384], i8, token, scale f32>
    ```
  }];
  let parameters = (ins "::qcc::qnt::DimsAttr":$dims, "::qcc::qnt::Storage":$storage,
                        "::qcc::qnt::Granularity":$granularity, "int64_t":$axis, "int64_t":$block,
                        "::mlir::Type":$scale, "::mlir::Type":$zero,
                        "::qcc::qnt::Layout":$layout);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Bits of one code.
    unsigned getBits() const;
    bool isSymmetric() const { return !getZero(); }
    QType withLayout(Layout layout) const;
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
