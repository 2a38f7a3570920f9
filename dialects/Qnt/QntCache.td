// Caches of decoders: storage that outlives a call, and rows of it as codes.
#ifndef QNT_CACHE
#define QNT_CACHE

include "QntTypes.td"
include "QntShape.td"

def Qnt_KvBeginOp : Qnt_Op<"kv_begin", [Pure]> {
  let summary = "a cache that starts with past rows";
  let description = [{
    `past` [B, H, P, D] in the storage of function result `output`. A session keeps that storage
    between calls, so that the past is in place already and nothing is done; the stateless entry
    point copies it there.

    Constraints:
    * (C1) `past` has rank 4; `out` has its dimensions and element type.
  }];
  let arguments = (ins Qnt_Tensor:$past, I64Attr:$output);
  let results = (outs Qnt_KvType:$out);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Qnt_KvAppendOp : Qnt_Op<"kv_append", [Pure]> {
  let summary = "a cache with new rows after the ones it has";
  let description = [{
    `rows` [B, H, S, D] become rows P .. P + S of `cache` [B, H, P, D], in its storage; `cache`
    itself is not to be read afterwards.

    Constraints:
    * (C1) `rows` has rank 4, and `out` is `[B, H, P + S, D]`.
    * (C2) element types agree.
  }];
  let arguments = (ins Qnt_KvType:$cache, Qnt_Tensor:$rows);
  let results = (outs Qnt_KvType:$out);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Qnt_KvResultOp : Qnt_Op<"kv_result", [Pure]> {
  let summary = "the cache as the function result it is stored in";
  let description = [{
    Constraints:
    * (C1) `out` has the dimensions and element type of `cache`.
  }];
  let arguments = (ins Qnt_KvType:$cache);
  let results = (outs Qnt_Tensor:$out);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Qnt_EncodeRowsOp : Qnt_ShapeOp<"encode_rows"> {
  let summary = "rows of numbers as rows of bytes that hold codes and their scales";
  let description = [{
    Each row x of D channels becomes one row of bytes that needs nothing beside it: rows are appended, dropped and moved
    as bytes. Numbers of several bytes are little-endian. `round` is to nearest, ties to even, in f32.

    With `codes = i8`: D signed bytes, then `scale` as f32:

        scale = max |x| / 127
        code[d] = clamp(round(x[d] * (1 / scale)), -127, 127), or 0 where scale < 2^-126

    With `codes = u4`, for each block of 32 channels (the last may be shorter), n of them: min(n, 16) bytes, of which
    byte j holds channel j in its low half and channel 16 + j, or 0, in its high half. Behind the codes of all blocks,
    for each block, `step` and `low` as f16, rounded to nearest even:

        low = f16(clamp(min x, -65504, 65504)), 0 being +0
        step = f16(min((max x - min x) / 15, 65504))
        code[d] = clamp(round((x[d] - low) * (1 / step)), 0, 15), or 0 where step is 0

    A row, with u4 a block, that holds an infinity or a NaN has codes of 0 and `scale`, or `step`, NaN (0x7fc00000,
    0x7e00), and low = 0.

    Constraints:
    * (C1) `codes` is i8 or u4.
    * (C2) `x` is f32 and has a constant last dimension D.
    * (C3) `out` is ui8 with the leading dimensions of `x`, then the bytes of a row.
  }];
  let arguments = (ins Qnt_Tensor:$x, Qnt_StorageAttr:$codes);
}

def Qnt_DecodeRowsOp : Qnt_ShapeOp<"decode_rows"> {
  let summary = "the numbers that rows of `qnt.encode_rows` stand for";
  let description = [{
    `out[d] = code[d] * scale` with `codes = i8`, `fma(code[d], step, low)` with u4, in f32. Rows of zero bytes are
    rows of zeros.

    Constraints:
    * (C1) `codes` is i8 or u4.
    * (C2) `out` is f32 and has a constant last dimension D.
    * (C3) `x` is ui8 with the leading dimensions of `out`, then the bytes of a row of D channels.
  }];
  let arguments = (ins Qnt_TensorOrKv:$x, Qnt_StorageAttr:$codes);
}

#endif
