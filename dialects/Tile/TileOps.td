// The tile dialect: the few vector operations of kernels that upstream dialects cannot say and that
// every feature level computes differently, each with one exact meaning. See Rationale.md.
#ifndef QCC_TILE_OPS
#define QCC_TILE_OPS

include "mlir/IR/OpBase.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Dialect/LLVMIR/LLVMOpBase.td"

def Tile_Dialect : Dialect {
  let name = "tile";
  let cppNamespace = "::qcc::tile";
  let summary = "vector operations that feature levels compute differently";
  let description = [{
    Operands are vectors of registers' worth of lanes and raw pointers; there are no buffers and no
    layouts. Each operation has one result on all machines, bit by bit; `qcc-lower-tile` picks the
    instructions.
  }];
}

class Tile_Op<string mnemonic, list<Trait> traits = []> : Op<Tile_Dialect, mnemonic, traits>;

def Tile_Vec : VectorOfRankAndType<[1], [AnyType]>;

def Tile_Dot4Op : Tile_Op<"dot4", [Pure, AllTypesMatch<["acc", "result"]>]> {
  let summary = "sums of four byte products, added to 32-bit lanes";
  let description = [{
    result[i] = acc[i] + Σ_{j<4} a(4i + j) · s(b[4i + j])   (mod 2^32)

    where s() reads a byte as two's complement and a(i) is a[i] as unsigned, or s(a[i]) if `signed`.
    Exact: no saturation at any step. `bits` promises that unsigned a are below 2^bits; with at most
    7 the lowering may use 16-bit partial sums.

    (C1) acc is a vector of i32, a and b are vectors of i8 with four times as many lanes.
    (C2) the lanes of acc are a multiple of 16.
    (C3) 1 <= bits <= 8; 8 if signed.
  }];
  let arguments = (ins VectorOfRankAndType<[1], [I32]>:$acc, VectorOfRankAndType<[1], [I8]>:$a,
                       VectorOfRankAndType<[1], [I8]>:$b, DefaultValuedAttr<I64Attr, "8">:$bits,
                       UnitAttr:$isSigned);
  let results = (outs VectorOfRankAndType<[1], [I32]>:$result);
  let assemblyFormat = "$acc `,` $a `,` $b (`signed` $isSigned^)? attr-dict `:` type($acc) `,` type($a) `,` type($b)";
  let hasVerifier = 1;
}

def Tile_MmlaOp : Tile_Op<"mmla", [Pure, AllTypesMatch<["acc", "result"]>, AllTypesMatch<["a", "b"]>]> {
  let summary = "products of 2 × 8 by 8 × 2 bytes in every 128 bits, added to 32-bit lanes";
  let description = [{
    result[4p + 2i + j] = acc[4p + 2i + j] + Σ_{k<8} u(a[16p + 8i + k]) · s(b[16p + 8j + k])   (mod 2^32)

    for i, j < 2, where u() reads a byte as unsigned and s() as two's complement. Exact: no
    saturation at any step.

    (C1) acc is a vector of i32, a and b are vectors of i8 with four times as many lanes.
    (C2) the lanes of acc are a multiple of 16.
  }];
  let arguments = (ins VectorOfRankAndType<[1], [I32]>:$acc, VectorOfRankAndType<[1], [I8]>:$a,
                       VectorOfRankAndType<[1], [I8]>:$b);
  let results = (outs VectorOfRankAndType<[1], [I32]>:$result);
  let assemblyFormat = "$acc `,` $a `,` $b attr-dict `:` type($acc) `,` type($a)";
  let hasVerifier = 1;
}

def Tile_Dot2Op : Tile_Op<"dot2", [Pure, AllTypesMatch<["acc", "result"]>, AllTypesMatch<["a", "b"]>]> {
  let summary = "sums of two products of 16-bit numbers, added to 32-bit lanes";
  let description = [{
    result[i] = acc[i] + a[2i] · b[2i] + a[2i + 1] · b[2i + 1]   (mod 2^32, a and b signed)

    (C1) acc is a vector of i32, a and b are vectors of i16 with twice as many lanes.
    (C2) the lanes of acc are a multiple of 16.
  }];
  let arguments = (ins VectorOfRankAndType<[1], [I32]>:$acc, VectorOfRankAndType<[1], [I16]>:$a,
                       VectorOfRankAndType<[1], [I16]>:$b);
  let results = (outs VectorOfRankAndType<[1], [I32]>:$result);
  let assemblyFormat = "$acc `,` $a `,` $b attr-dict `:` type($acc) `,` type($a)";
  let hasVerifier = 1;
}

def Tile_DotBf16Op : Tile_Op<"dot_bf16", [Pure, AllTypesMatch<["acc", "result"]>, AllTypesMatch<["a", "b"]>]> {
  let summary = "sums of two products of bf16, added to f32 lanes";
  let description = [{
    result[i] = fma(a[2i], b[2i], fma(a[2i + 1], b[2i + 1], acc[i]))

    Each step is rounded once, to nearest even. Operands and sums below 2^-126 in magnitude may
    count as 0, and a NaN may be any.

    (C1) acc is a vector of f32, a and b are vectors of bf16 with twice as many lanes.
    (C2) the lanes of acc are a multiple of 16.
  }];
  let arguments = (ins VectorOfRankAndType<[1], [F32]>:$acc, VectorOfRankAndType<[1], [BF16]>:$a,
                       VectorOfRankAndType<[1], [BF16]>:$b);
  let results = (outs VectorOfRankAndType<[1], [F32]>:$result);
  let assemblyFormat = "$acc `,` $a `,` $b attr-dict `:` type($acc) `,` type($a)";
  let hasVerifier = 1;
}

def Tile_ToBf16Op : Tile_Op<"to_bf16", [Pure, SameOperandsAndResultShape]> {
  let summary = "the nearest bf16, ties to even";
  let description = [{
    Values below 2^-126 in magnitude may become 0, and a NaN may be any.

    (C1) value is a vector of f32, the result a vector of bf16 of the same lanes, a multiple of 16.
  }];
  let arguments = (ins VectorOfRankAndType<[1], [F32]>:$value);
  let results = (outs VectorOfRankAndType<[1], [BF16]>:$result);
  let assemblyFormat = "$value attr-dict `:` type($value) `->` type($result)";
  let hasVerifier = 1;
}

def Tile_LookupOp : Tile_Op<"lookup", [Pure]> {
  let summary = "entries of a table of sixteen";
  let description = [{
    result[i] = table[indices[i] mod 16]   (indices as unsigned)

    (C1) table has 16 elements of f32 and indices are i32, or both are of i8.
    (C2) the result has the element type of the table and the lanes of the indices.
    (C3) the lanes of the indices are a multiple of 16.
  }];
  let arguments = (ins Tile_Vec:$table, Tile_Vec:$indices);
  let results = (outs Tile_Vec:$result);
  let assemblyFormat = "$table `,` $indices attr-dict `:` type($table) `,` type($indices) `->` type($result)";
  let hasVerifier = 1;
}

def Tile_RoundEvenToI32Op : Tile_Op<"round_even_to_i32", [Pure, SameOperandsAndResultShape]> {
  let summary = "nearest integer, ties to even";
  let description = [{
    result[i] = the integer nearest to value[i], the even one of two equally near;
    -2^31 when that is outside [-2^31, 2^31) or value[i] is NaN.

    (C1) value is a vector of f32, the result a vector of i32 of the same lanes.
  }];
  let arguments = (ins VectorOfRankAndType<[1], [F32]>:$value);
  let results = (outs VectorOfRankAndType<[1], [I32]>:$result);
  let assemblyFormat = "$value attr-dict `:` type($value) `->` type($result)";
}

def Tile_LoadOp : Tile_Op<"load", [MemoryEffects<[MemRead]>, AllTypesMatch<["fill", "result"]>]> {
  let summary = "the first lanes of a vector from memory";
  let description = [{
    result[i] = element i at ptr if i < lanes, else fill[i]. Bytes of elements at or beyond `lanes`
    are not read. ptr needs no alignment.

    (C1) fill has the type of the result.
    (C2) the element type is i8, i16, i32, i64, f16, bf16, f32 or f64.
  }];
  let arguments = (ins LLVM_AnyPointer:$ptr, I64:$lanes, Tile_Vec:$fill);
  let results = (outs Tile_Vec:$result);
  let assemblyFormat = "$ptr `,` $lanes `,` $fill attr-dict `:` type($ptr) `->` type($result)";
  let hasVerifier = 1;
}

def Tile_StoreOp : Tile_Op<"store", [MemoryEffects<[MemWrite]>]> {
  let summary = "the first lanes of a vector to memory";
  let description = [{
    Writes value[i] as element i at ptr for i < lanes and nothing else.

    (C1) the element type is i8, i16, i32, i64, f16, bf16, f32 or f64.
  }];
  let arguments = (ins Tile_Vec:$value, LLVM_AnyPointer:$ptr, I64:$lanes);
  let assemblyFormat = "$value `,` $ptr `,` $lanes attr-dict `:` type($value) `,` type($ptr)";
  let hasVerifier = 1;
}

def Tile_PrefetchOp : Tile_Op<"prefetch", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "a hint that the cache line at ptr will be read";
  let description = [{
    No result and no effect on values; any address is allowed.

    (C1) 0 <= locality <= 3, where 3 asks for the nearest cache.
  }];
  let arguments = (ins LLVM_AnyPointer:$ptr, DefaultValuedAttr<I64Attr, "3">:$locality);
  let assemblyFormat = "$ptr attr-dict `:` type($ptr)";
  let hasVerifier = 1;
}

def Tile_ConfigureOp : Tile_Op<"configure", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "matrix tiles are used from here on";
  let description = [{
    Once before the first product in matrix tiles of a kernel call; costs more than a hundred nanoseconds
    where tiles are registers.
  }];
  let assemblyFormat = "attr-dict";
}

def Tile_ReleaseOp : Tile_Op<"release", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "matrix tiles are no longer used";
  let description = [{ Ends what `tile.configure` began, on every way out of the kernel. }];
  let assemblyFormat = "attr-dict";
}

def Tile_BlockDotOp : Tile_Op<"block_dot", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "sums of products over all of K, for 16 or 32 rows and 32 columns";
  let description = [{
    out[r][16 g + j] = init[16 g + j] + Σ_{s <= steps} Σ_{i < 16} Σ_{c < 4}
                         u(a[r · aStride + 64 s + 4 i + c]) · s(B(g, s)[64 i + 4 j + c])   (mod 2^32)

    for r < rows, g < 2, j < 16, where u() reads a byte as unsigned and s() as two's complement,
    B(g, s) is at b + g · bStride + 1024 s for s < steps, and at last + g · lastStride for
    s = steps. So K is steps + 1 times 64, and the last 64 may lie elsewhere, filled up with zeros.
    init and out are 32-bit integers, out is dense. Strides are in bytes.

    With `bf16` the four bytes are two numbers of bf16, init and out are f32, and each step s adds

        Σ_{i < 16} Σ_{c < 2} a[r · aStride + 64 s + 4 i + 2 c] · B(g, s)[64 i + 4 j + 2 c]

    in an order that the level chooses, every addition rounded to nearest even. Operands and sums
    below 2^-126 in magnitude may count as 0, and a NaN may be any.

    (C1) rows is 16 or 32.
    (C2) `tile.configure` came before in this kernel call, `tile.release` did not.
  }];
  let arguments = (ins LLVM_AnyPointer:$init, LLVM_AnyPointer:$a, I64:$aStride, LLVM_AnyPointer:$b,
                       I64:$bStride, I64:$steps, LLVM_AnyPointer:$last, I64:$lastStride,
                       LLVM_AnyPointer:$out, I64Attr:$rows, UnitAttr:$bf16);
  let assemblyFormat = [{
    `init` $init `a` $a `by` $aStride `b` $b `by` $bStride `steps` $steps `last` $last `by`
    $lastStride `out` $out attr-dict `:` type($init) `,` type($a) `,` type($b) `,` type($last) `,`
    type($out)
  }];
  let hasVerifier = 1;
}

def Tile_StepDotOp : Tile_Op<"step_dot", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "sums of byte products over each of a few steps of K, for 16 rows and 16 columns";
  let description = [{
    out[s][r][j] = Σ_{c < columns} Σ_{i < 64} s(a[r · aStride + 64 (s · columns / parts + c) + i])
                                     · s(b[1024 (s · columns + c) + 64 (i / 4) + 4 j + i mod 4])   (mod 2^32)

    for s < steps, r < 16, j < 16, where s() reads a byte as two's complement and divisions round
    down. A step is `columns` times 64 bytes of the rows of A, with as many tiles of 1024 bytes of B.
    With `parts` > 1 it is one of as many steps that share 64 bytes of A: its tile of B has zeros
    where those of the others lie. out are 32-bit integers, dense. The stride is in bytes.

    (C1) steps is 1 to 4.
    (C2) parts is 1, 2 or 4.
    (C3) columns is 1 unless parts is.
    (C4) `tile.configure` came before in this kernel call, `tile.release` did not.
  }];
  let arguments = (ins LLVM_AnyPointer:$a, I64:$aStride, LLVM_AnyPointer:$b, I64:$columns,
                       LLVM_AnyPointer:$out, I64Attr:$steps, I64Attr:$parts);
  let assemblyFormat = [{
    `a` $a `by` $aStride `b` $b `columns` $columns `out` $out attr-dict `:` type($a) `,` type($b) `,`
    type($out)
  }];
  let hasVerifier = 1;
}

#endif
