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

//===-- Blocks of groups ----------------------------------------------------------------------===//
//
// Operations of cooperative kernels, in which the eight groups of sixteen lanes that are a block
// compute one tile of results together. All groups of a block execute them, in the same order, with
// the same operands but for sums.

def Tile_PositionOp : Tile_Op<"position"> {
  let summary = "which group of which block this is";
  let description = [{
    The kernel's copy that runs is group `group` of the `groups` of block `block` of `blocks`. It is not
    pure, so that what depends on it is computed where it is asked for, rather than ahead of a loop
    whose sums need the registers.
  }];
  let results = (outs I64:$group, I64:$groups, I64:$block, I64:$blocks);
  let assemblyFormat = "attr-dict";
}

def Tile_AgainOp : Tile_Op<"again", [AllTypesMatch<["number", "result"]>]> {
  let summary = "a number of the block, as if it were not known before";
  let description = [{
    All groups of the block have the same `number`, which is not negative and below 2^31. Like `tile.position`
    this is not pure: what is computed from the result is computed after it, from this number alone, instead
    of waiting in registers during a loop whose sums need them.
  }];
  let arguments = (ins I64:$number);
  let results = (outs I64:$result);
  let assemblyFormat = "$number attr-dict";
}

def Tile_SharedOp : Tile_Op<"shared", [Pure]> {
  let summary = "the memory that the groups of a block share";
  let description = [{
    The address of at least `bytes` bytes, a multiple of 128. All of them in a kernel are one memory,
    whose contents are undefined when the kernel begins. In blocks of warpgroups each warpgroup has a
    memory of its own; `whole` is that of all, a multiple of 1024.

    (C1) bytes > 0.
  }];
  let arguments = (ins I64Attr:$bytes, UnitAttr:$whole);
  let results = (outs LLVM_AnyPointer:$ptr);
  let assemblyFormat = "(`whole` $whole^)? $bytes attr-dict `:` type($ptr)";
  let hasVerifier = 1;
}

def Tile_BarrierOp : Tile_Op<"barrier", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "the groups of a block wait for each other";
  let description = [{ What any of them did before it, all of them see after it. }];
  let assemblyFormat = "attr-dict";
}

def Tile_ScratchOfOp : Tile_Op<"scratch_of"> {
  let summary = "the scratch memory of a block";
  let description = [{
    Of block `block`, as `tile.position` numbers them, at least `bytes` bytes that all blocks can read and
    write. What others wrote is there after a `tile.join`.

    (C1) bytes is a multiple of 16; as many for each warpgroup of a block are within the scratch memory of a
         launch.
  }];
  let arguments = (ins I64:$block, I64Attr:$bytes);
  let results = (outs LLVM_AnyPointer:$ptr);
  let assemblyFormat = "$block attr-dict `:` type($ptr)";
  let hasVerifier = 1;
}

def Tile_JoinOp : Tile_Op<"join", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "whether all blocks that share some work have done their part";
  let description = [{
    Each of `count` blocks executes this once in a launch with the same `work`. The last one is told so, and
    sees what the others did before they joined; nobody waits. The number of the work is below the number of
    blocks and below 4096. `shared` is the address of 4 bytes of the block's own, which the next
    `tile.barrier` gives back.
  }];
  let arguments = (ins I64:$work, I64:$count, LLVM_AnyPointer:$shared);
  let results = (outs I1:$last);
  let assemblyFormat = "$work `of` $count `by` $shared attr-dict `:` type($shared)";
}

def Tile_CopyAsyncOp : Tile_Op<"copy_async", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "begins to copy lines to shared memory";
  let description = [{
    to[x + x / run · pad] = from[l · stride + j] if l < lines and j < bytes, else 0

    for x = width · l + j, l < maxLines, j < width, all in bytes. Every group copies a part, for which
    it waits with `tile.await`. If `swizzled`, bits 4 to 6 of the address in `to` are exclusive-ored
    with bits 7 to 9.

    (C1) maxLines, width and run are powers of two; width and run at least 16, run at most 2048 and
         at most all bytes. The width of a single line may be any multiple of 16.
    (C2) pad is a multiple of 16. So is to; from and stride are multiples of `piece`, 4 or 16.
    (C3) `swizzled` lines have 128 bytes in pieces of 16 and no padding; to is a multiple of 1024.
  }];
  let arguments = (ins LLVM_AnyPointer:$from, I64:$stride, I64:$lines, I64:$bytes,
                       LLVM_AnyPointer:$to, I64Attr:$maxLines, I64Attr:$width, I64Attr:$run,
                       I64Attr:$pad, DefaultValuedAttr<I64Attr, "16">:$piece, UnitAttr:$swizzled);
  let assemblyFormat = [{
    $from `by` $stride `lines` $lines `bytes` $bytes `to` $to attr-dict `:` type($from) `,` type($to)
  }];
  let hasVerifier = 1;
}

def Tile_CommitOp : Tile_Op<"commit", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "ends a batch of copies";
  let description = [{ The copies begun since the last batch, if any, are the next one. }];
  let assemblyFormat = "attr-dict";
}

def Tile_AwaitOp : Tile_Op<"await", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "waits for all batches of copies but the last ones";
  let description = [{
    A group waits for its own parts; after a `tile.barrier` all see them.

    (C1) pending >= 0, the batches that are not waited for.
  }];
  let arguments = (ins I64Attr:$pending);
  let assemblyFormat = "$pending attr-dict";
  let hasVerifier = 1;
}

// The sums of a tile are rows · columns numbers in each of `slices`. The level chooses which group
// holds which of them and where in its vectors; for one shape it is the same everywhere. Vectors
// are a matrix (SumsShape in Tile.h): those in one row hold sums of the same rows, those in one
// column sums of the same columns.
//
// (S1) rows is 16, 64 or 128, columns 32, 64 or 128, slices 1 or 4, as SumsShape::isValid() has it.
// (S2) there are SumsShape::vectors() vectors of 64 i32 or f32.
class Tile_SumsOp<string mnemonic, list<Trait> traits> : Tile_Op<mnemonic, traits> {
  let hasVerifier = 1;
}
defvar Tile_Sums = Variadic<VectorOfRankAndType<[1], [I32, F32]>>;

def Tile_MultiplyOp : Tile_SumsOp<"multiply", [MemoryEffects<[MemRead]>]> {
  let summary = "products of rows and panels in shared memory, added to the sums of a tile";
  let description = [{
    sum(r, c, w) += Σ_{i < depth} u(a[r · aStride + 64 w + i]) · s(B(c, 64 w + i))   (mod 2^32)

    for r < rows, c < columns, w < slices, where u() reads a byte as unsigned, or as s() if `signed`,
    s() as two's complement, and B(c, i) is byte x + x / 128 · 32 at b + c / 16 · bStride for
    x = 64 (i / 4) + 4 (c mod 16) + i mod 4: a panel with 32 bytes of padding behind each 128.

    With `bf16` two bytes are a number, sums are f32, and additions are rounded in a way and an order
    that the level chooses; operands and sums below 2^-126 in magnitude may count as 0. If A is also
    `wide` its numbers are f32, which are rounded to bf16 first, at a[r · aStride + 2 (64 w + i)].

    With `float8`, a type of 8-bit floats, bytes of A are f8E4M3FN and those of B of that type, and
    sums are f32, added as the level does, which may keep fewer bits than f32 has. With `bf16` as well
    what they spell is multiplied as bf16; infinities and NaN then count as numbers.

    (C1) depth is 32 or 64, or 16 for bytes.
    (C2) aStride and bStride are multiples of 16.
    (C3) only numbers of bf16 are wide.
    (C4) float8 is f8E4M3FN or f8E5M2, neither signed nor wide is there, and depth is 32 or 64.
  }];
  let arguments = (ins Tile_Sums:$sums, LLVM_AnyPointer:$a, LLVM_AnyPointer:$b, I64Attr:$rows,
                       I64Attr:$columns, I64Attr:$slices, I64Attr:$aStride, I64Attr:$bStride,
                       I64Attr:$depth, UnitAttr:$isSigned, UnitAttr:$bf16, UnitAttr:$wide,
                       OptionalAttr<TypeAttr>:$float8);
  let results = (outs Tile_Sums:$results);
  let assemblyFormat = [{
    $sums `a` $a `b` $b (`signed` $isSigned^)? attr-dict `:` functional-type(operands, results)
  }];
}

// A tile of 16 rows and 32 columns whose B goes through registers: of the 128 lanes of a block each
// has a column c < 32 and a quarter t < 4 of some inputs, the level chooses which.

def Tile_LoadWordsOp : Tile_Op<"load_words", [MemoryEffects<[MemRead]>]> {
  let summary = "words of panels, as products of registers take them";
  let description = [{
    A lane's result is the word

        ptr[c / 16 · stride + 4 (c mod 16) + t / 2 · high + t mod 2 · low]

    offsets in bytes, moved right by t / 2 · highBits + t mod 2 · lowBits bits.

    (C1) ptr and stride are multiples of 4; ptr is in shared memory.
  }];
  let arguments = (ins LLVM_AnyPointer:$ptr, I64:$stride, I64Attr:$high, I64Attr:$low,
                       I64Attr:$highBits, I64Attr:$lowBits);
  let results = (outs VectorOfLengthAndType<[16], [I32]>:$result);
  let assemblyFormat = "$ptr `by` $stride attr-dict `:` type($ptr) `->` type($result)";
}

def Tile_MultiplyWordsOp : Tile_Op<"multiply_words", [MemoryEffects<[MemRead]>]> {
  let summary = "products of rows in shared memory and words in registers, added to the sums of a tile";
  let description = [{
    Of w words each lane has the codes 0 .. 4 w - 1 of a quarter, four a word, as signed bytes:

        sum(r, c) += Σ_{t < 4} Σ_{i < 4 w} s(a[r · aStride + 4 w t + i]) · code(c, t, i)   (mod 2^32)

    Where sums are f32 words hold two numbers of bf16 each, and A is f32, rounded to bf16, or with `narrow`
    bf16 already, in half the bytes:

        sum(r, c) += Σ_{t < 4} Σ_{i < 2 w} a[r · aStride + 4 (2 w t + i)] · number(c, t, i)

    in an order and a rounding that the level chooses; the words of numbers 4 j to 4 j + 3 are
    (4 j, 4 j + 2) and (4 j + 1, 4 j + 3), with `narrow` (4 j, 4 j + 1) and (4 j + 2, 4 j + 3), the first
    of them in the low bits. With `float8`, and `bf16`, codes are 8-bit floats as `tile.multiply` has
    them, and sums f32.

    (C1) sums are 64 elements of i32 or f32, those of 16 rows, 32 columns and one slice.
    (C2) there are 1 or 2 words of codes, 2 or 4 of numbers.
    (C3) aStride is a multiple of 16.
    (C4) float8 is f8E4M3FN or f8E5M2, sums are f32, and there are 2 words; bf16 is only there with it.
  }];
  let arguments = (ins VectorOfLengthAndType<[64], [I32, F32]>:$sums, LLVM_AnyPointer:$a,
                       Variadic<VectorOfLengthAndType<[16], [I32]>>:$words, I64Attr:$aStride,
                       UnitAttr:$narrow, OptionalAttr<TypeAttr>:$float8, UnitAttr:$bf16);
  let results = (outs VectorOfLengthAndType<[64], [I32, F32]>:$result);
  let assemblyFormat = [{
    $sums `a` $a `words` $words (`narrow` $narrow^)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Tile_ByColumnOp : Tile_SumsOp<"by_column", [MemoryEffects<[MemRead]>]> {
  let summary = "numbers of columns in the places of their sums";
  let description = [{
    In the place of sum(r, c, w) is the 32-bit number c at ptr. There is a vector for each column of the
    matrix of vectors.

    (C1) ptr is in shared memory and a multiple of 16.
  }];
  let arguments = (ins LLVM_AnyPointer:$ptr, I64Attr:$rows, I64Attr:$columns, I64Attr:$slices);
  let results = (outs Tile_Sums:$results);
  let assemblyFormat = "$ptr attr-dict `:` type($ptr) `->` type($results)";
}

def Tile_ByRowOp : Tile_SumsOp<"by_row", [MemoryEffects<[MemRead]>]> {
  let summary = "numbers of rows in the places of their sums";
  let description = [{
    In the place of sum(r, c, w) is the 32-bit number min(r, last) · stride at ptr. There is a vector
    for each row of the matrix of vectors.
  }];
  let arguments = (ins LLVM_AnyPointer:$ptr, I64:$stride, I64:$last, I64Attr:$rows,
                       I64Attr:$columns, I64Attr:$slices);
  let results = (outs Tile_Sums:$results);
  let assemblyFormat = "$ptr `by` $stride `last` $last attr-dict `:` type($ptr) `->` type($results)";
}

def Tile_StoreSumsOp : Tile_SumsOp<"store_sums", [MemoryEffects<[MemWrite]>]> {
  let summary = "the sums of a tile to shared memory";
  let description = [{
    to[(w · rows + r) · (columns + 4) + c] = sum(r, c, w)   (numbers of 32 bits)

    (C1) to is a multiple of 16.
  }];
  let arguments = (ins Tile_Sums:$sums, LLVM_AnyPointer:$to, I64Attr:$rows, I64Attr:$columns,
                       I64Attr:$slices);
  let assemblyFormat = "$sums `to` $to attr-dict `:` type($to) `,` type($sums)";
}

//===-- Strips --------------------------------------------------------------------------------===//
//
// A strip is sixteen rows of numbers in the registers of two groups of a block, a *warp*; for one
// count of columns its vectors hold the same places of it everywhere, which the level chooses. A
// vector is of 8 columns of sums, 64 f32 in each group, or of 16 columns of operands: 16-bit numbers
// two to a word, 64 i32. The four strips of a block are those of groups 0 and 1, 2 and 3, and so on:
// strip w, with `slices` s, is strip w mod 4/s of rows and slice w s/4 of columns.
//
// (R1) slices is 1, 2 or 4.
class Tile_StripOp<string mnemonic, list<Trait> traits> : Tile_Op<mnemonic, traits> {
  let hasVerifier = 1;
}
defvar Tile_StripSums = Variadic<VectorOfRankAndType<[1], [F32]>>;
defvar Tile_StripWords = Variadic<VectorOfRankAndType<[1], [I32]>>;

def Tile_PlacesOp : Tile_StripOp<"places", [Pure]> {
  let summary = "numbers of rows and columns in the places of sums";
  let description = [{
    In the place of row r and column c of a strip's first vector are 16 (w mod 4/s) + r in `rows` and
    columns · (w s/4) + c in `columnsOf`, where `columns` is the count of a strip.
  }];
  let arguments = (ins I64Attr:$columns, I64Attr:$slices);
  let results = (outs VectorOfLengthAndType<[64], [I32]>:$rows, VectorOfLengthAndType<[64], [I32]>:$columnsOf);
  let assemblyFormat = "attr-dict `:` type($rows) `,` type($columnsOf)";
}

def Tile_LoadRowsOp : Tile_StripOp<"load_rows", [MemoryEffects<[MemRead]>]> {
  let summary = "rows of 16-bit numbers in shared memory as operands";
  let description = [{
    row(r, i) = number i at from + (16 (w mod 4/s) + r) · stride, for i < 16 times the count of vectors.
    stride is in bytes.

    (C1) from and stride are multiples of 16.
  }];
  let arguments = (ins LLVM_AnyPointer:$from, I64Attr:$stride, I64Attr:$slices);
  let results = (outs Tile_StripWords:$results);
  let assemblyFormat = "$from attr-dict `:` type($from) `->` type($results)";
}

def Tile_DotLinesOp : Tile_StripOp<"dot_lines", [AttrSizedOperandSegments, MemoryEffects<[MemRead]>]> {
  let summary = "dot products of a strip's rows with lines in shared memory, added to sums";
  let description = [{
    sum(r, c) += Σ_i row(r, i) · b[C (w s/4) + c, i]

    where C is the columns of the sums, and b[l, i] number i at b + l · stride, of f16 if `half`, else
    of bf16. Additions are rounded in a way and an order that the level chooses; operands and sums
    below the smallest normal number may count as 0.

    If `swizzled`, the four strips are multiplied together, and b[l, i] is at b + i / 64 · stride + 128 l +
    2 (i mod 64), swizzled as `tile.copy_async` has it.

    (C1) sums are pairs of vectors.
    (C2) b and stride are multiples of 16, or of 1024 if `swizzled`.
    (C3) `swizzled` lines are for one slice of up to 256 columns, in kernels with `tile.warpgroups`.
  }];
  let arguments = (ins Tile_StripSums:$sums, Tile_StripWords:$numbers, LLVM_AnyPointer:$b, I64Attr:$stride,
                       I64Attr:$slices, UnitAttr:$half, UnitAttr:$swizzled);
  let results = (outs Tile_StripSums:$results);
  let assemblyFormat = [{
    $sums `rows` $numbers `b` $b attr-dict `:` functional-type(operands, results)
  }];
}
def Tile_WeighLinesOp : Tile_StripOp<"weigh_lines", [AttrSizedOperandSegments, MemoryEffects<[MemRead]>]> {
  let summary = "sums of lines in shared memory, weighted by a strip's numbers";
  let description = [{
    sum(r, e) += Σ_{c < C} round(weight(r, c)) · b[C (w s/4) + c, e]

    where C is the columns of the weights; round() to the nearest number of 16 bits, ties to even, and
    all else as in `tile.dot_lines`.

    (C1) sums and weights are pairs of vectors.
    (C2) b and stride are as for `tile.dot_lines`.
    (C3) So are `swizzled` lines.
  }];
  let arguments = (ins Tile_StripSums:$sums, Tile_StripSums:$weights, LLVM_AnyPointer:$b, I64Attr:$stride,
                       I64Attr:$slices, UnitAttr:$half, UnitAttr:$swizzled);
  let results = (outs Tile_StripSums:$results);
  let assemblyFormat = [{
    $sums `weights` $weights `b` $b attr-dict `:` functional-type(operands, results)
  }];
}

def Tile_ReduceRowsOp : Tile_Op<"reduce_rows", [Pure, SameOperandsAndResultType]> {
  let summary = "sums, or largest, of the eight numbers of each row";
  let description = [{
    In all places of a row is the sum of what is in them, in an order that the level chooses, or with
    `largest` the largest; then a NaN is left out if anything else is there.
  }];
  let arguments = (ins VectorOfLengthAndType<[64], [F32]>:$value, UnitAttr:$largest);
  let results = (outs VectorOfLengthAndType<[64], [F32]>:$result);
  let assemblyFormat = "$value attr-dict `:` type($value)";
}

def Tile_StoreRowsOp : Tile_Op<"store_rows", [MemoryEffects<[MemWrite]>]> {
  let summary = "the sums of all strips to shared memory";
  let description = [{
    f32 number c at to + (16 w + r) · stride is sum(r, c) of strip w. stride is in bytes.

    (C1) to and stride are multiples of 8.
  }];
  let arguments = (ins Tile_StripSums:$sums, LLVM_AnyPointer:$to, I64Attr:$stride);
  let assemblyFormat = "$sums `to` $to attr-dict `:` type($to) `,` type($sums)";
  let hasVerifier = 1;
}

def Tile_NarrowLinesOp : Tile_Op<"narrow_lines", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "lines of numbers in shared memory as lines of bf16";
  let description = [{
    bf16 number i at to + l · toStride is the nearest to number i of the line at from + l · fromStride, ties
    to even, for l < lines and i < width. Strides are in bytes. Every group does a part, without waiting for
    others. `numbers` says what they are:

    - f32 or f8E4M3FN: numbers side by side.
    - si8: codes side by side, and the f32 `scale` at byte `scales` of the line; number i is
      code[i] · scale in f32.
    - ui4: of each 32 numbers, 16 bytes, of which byte j has code j in its low and code 16 + j in its high
      half; of the last 16 of an odd count only low halves. From byte `scales` of the line on, for each 32,
      `step` and `low` of f16; number i is fma(code[i], step, low) in f32.

    (C1) numbers is one of these types.
    (C2) width is a multiple of 8, of codes of ui4 16; to and toStride are multiples of 16. from and fromStride
         are multiples of 16 for f32, of 8 for f8E4M3FN, of 4 for codes, and so is `scales`.
  }];
  let arguments = (ins LLVM_AnyPointer:$from, LLVM_AnyPointer:$to, I64Attr:$lines, I64Attr:$width,
                       I64Attr:$fromStride, I64Attr:$toStride, TypeAttr:$numbers,
                       DefaultValuedAttr<I64Attr, "0">:$scales);
  let assemblyFormat = "$from `to` $to attr-dict `:` type($from) `,` type($to)";
  let hasVerifier = 1;
}

def Tile_FetchLinesOp : Tile_Op<"fetch_lines", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "lines of numbers as swizzled lines of 16 bits in shared memory";
  let description = [{
    Number i of line l at to, as `swizzled` lines of `tile.dot_lines` lie there, `chunk` bytes from 64 numbers
    to the next, is for l < maxLines and i < width

        number i at from + l · stride if l < lines, else 0

    Numbers of 16 bits, i16, are stored as they are. Of others, which `numbers` and `scales` describe as for
    `tile.narrow_lines`, the nearest bf16 are stored, ties to even. Every group does a part, without waiting
    for others. The stride is in bytes.

    (C1) numbers is i16, f32, f8E4M3FN, si8 or ui4.
    (C2) width is a multiple of 8, of codes of ui4 16; maxLines times width and chunk are of 1024, and so is to.
         from, stride and `scales` are multiples of 4 for codes. For others from and stride are multiples of 16
         if `aligned`, else of a number's bytes.
    (C3) lines > 0.
  }];
  let arguments = (ins LLVM_AnyPointer:$from, I64:$stride, I64:$lines, LLVM_AnyPointer:$to,
                       I64Attr:$maxLines, I64Attr:$width, I64Attr:$chunk, TypeAttr:$numbers,
                       DefaultValuedAttr<I64Attr, "0">:$scales, UnitAttr:$aligned);
  let assemblyFormat = [{
    $from `by` $stride `lines` $lines `to` $to attr-dict `:` type($from) `,` type($to)
  }];
  let hasVerifier = 1;
}

def Tile_GatherOp : Tile_Op<"gather", [MemoryEffects<[MemRead]>]> {
  let summary = "elements of memory by their numbers";
  let description = [{
    result[i] = element indices[i] at ptr.

    (C1) the result has the lanes of the indices.
  }];
  let arguments = (ins LLVM_AnyPointer:$ptr, VectorOfRankAndType<[1], [I64]>:$indices);
  let results = (outs Tile_Vec:$result);
  let assemblyFormat = "$ptr `,` $indices attr-dict `:` type($ptr) `,` type($indices) `->` type($result)";
  let hasVerifier = 1;
}

def Tile_Exp2Op : Tile_Op<"exp2", [Pure, SameOperandsAndResultType]> {
  let summary = "powers of two, approximately";
  let description = [{
    result[i] = 2^value[i] within 2^-22 of it, 0 for value[i] = -inf. Operands and results below 2^-126 in
    magnitude may count as 0.
  }];
  let arguments = (ins VectorOfRankAndType<[1], [F32]>:$value);
  let results = (outs VectorOfRankAndType<[1], [F32]>:$result);
  let assemblyFormat = "$value attr-dict `:` type($value)";
}

//===-- Blocks of warpgroups ------------------------------------------------------------------===//
//
// A cooperative kernel with the attribute `tile.warpgroups` runs in blocks of that many warpgroups,
// eight groups each. To the operations above a warpgroup is a block: it has its own number among
// blocks, its own shared memory, and a barrier of its own. With the operations below the warpgroups
// of a block work on one tile, and no longer do all the same: the last one fills stages of shared
// memory, which the others use.
//
// Stages are a ring. Their uses are numbered from 0: use n is of stage n mod `stages`. All groups of
// a warpgroup execute these operations, in the same order, with the same operands but for sums.

def Tile_WarpgroupOp : Tile_Op<"warpgroup"> {
  let summary = "which warpgroup of which block this is";
  let description = [{
    Warpgroup `warpgroup` of block `block` of `blocks`, which are whole blocks.
  }];
  let results = (outs I64:$warpgroup, I64:$block, I64:$blocks);
  let assemblyFormat = "attr-dict";
}

def Tile_RegistersOp : Tile_Op<"registers", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "how many registers the threads of this warpgroup have from here on";
  let description = [{
    Before, all have as many as a block leaves room for; `more` than those wait until others gave
    theirs up.

    (C1) count is a multiple of 8 from 24 to 256.
  }];
  let arguments = (ins I64Attr:$count, UnitAttr:$more);
  let assemblyFormat = "(`more` $more^)? $count attr-dict";
  let hasVerifier = 1;
}

class Tile_RingOp<string mnemonic> : Tile_Op<mnemonic, [MemoryEffects<[MemRead, MemWrite]>]> {
  let hasVerifier = 1;
}

def Tile_RingBeginOp : Tile_RingOp<"ring_begin"> {
  let summary = "all stages of a ring are free";
  let description = [{
    `ring` is the address of 16 · stages bytes of memory of the whole block, all of which executes this.

    (C1) stages is a power of two up to 16.
  }];
  let arguments = (ins LLVM_AnyPointer:$ring, I64Attr:$stages);
  let assemblyFormat = "$ring attr-dict `:` type($ring)";
}

def Tile_RingWaitOp : Tile_RingOp<"ring_wait"> {
  let summary = "waits until a stage may be used, or filled";
  let description = [{
    Until the stage of use `use` has been filled for it; or, with `free`, until its use before, if any,
    is over.

    (C1) stages is a power of two up to 16.
  }];
  let arguments = (ins LLVM_AnyPointer:$ring, I64:$use, I64Attr:$stages, UnitAttr:$free);
  let assemblyFormat = "(`free` $free^)? $ring `use` $use attr-dict `:` type($ring)";
}

def Tile_RingPassOp : Tile_RingOp<"ring_pass"> {
  let summary = "hands a stage over";
  let description = [{
    The stage of use `use` is filled as soon as the copies are there that its warpgroup has begun; or,
    with `written`, at once; or, with `free`, it is not used any more.

    (C1) stages is a power of two up to 16.
  }];
  let arguments = (ins LLVM_AnyPointer:$ring, I64:$use, I64Attr:$stages, UnitAttr:$free,
                       UnitAttr:$written);
  let assemblyFormat = "(`free` $free^)? (`written` $written^)? $ring `use` $use attr-dict `:` type($ring)";
}

def Tile_CopyBulkOp : Tile_RingOp<"copy_bulk"> {
  let summary = "begins to copy long lines to a stage";
  let description = [{
    to[width · l + j] = from[min(l, last) · stride + j]   for l < lines, j < width

    all in bytes. The stage of use `use` is not full before they are there.

    (C1) stages is a power of two up to 16.
    (C2) width is a multiple of 16. So are from, to and stride. lines are at most 128.
  }];
  let arguments = (ins LLVM_AnyPointer:$from, I64:$stride, I64:$last, LLVM_AnyPointer:$to,
                       LLVM_AnyPointer:$ring, I64:$use, I64Attr:$lines, I64Attr:$width,
                       I64Attr:$stages);
  let assemblyFormat = [{
    $from `by` $stride `last` $last `to` $to `ring` $ring `use` $use attr-dict `:` type($from) `,`
    type($to) `,` type($ring)
  }];
}

// The sums of a warpgroup are of 64 columns, in rows / 8 vectors. Vector i holds those of rows 8 i to
// 8 i + 7.
//
// (W1) rows is a multiple of 64 up to 256.
// (W2) there are rows / 8 vectors of 64 i32 or f32.

def Tile_WarpgroupMultiplyOp : Tile_SumsOp<"warpgroup_multiply", [MemoryEffects<[MemRead]>]> {
  let summary = "products of rows and panels in shared memory, added to the sums of a warpgroup";
  let description = [{
    sum(r, c) += Σ_{i < 128} u(A(r, i)) · s(b[2048 (c / 16) + 64 (i / 4) + 4 (c mod 16) + i mod 4])   (mod 2^32)

    for r < rows, c < 64, where A(r, i) is byte 128 r + i at a, swizzled as `tile.copy_async` has it, and
    u(), s(), `signed` and `bf16` are as for `tile.multiply`. b is 16 bytes aligned, a 1024.
  }];
  let arguments = (ins Tile_Sums:$sums, LLVM_AnyPointer:$a, LLVM_AnyPointer:$b, I64Attr:$rows,
                       UnitAttr:$isSigned, UnitAttr:$bf16);
  let results = (outs Tile_Sums:$results);
  let assemblyFormat = [{
    $sums `a` $a `b` $b (`signed` $isSigned^)? attr-dict `:` functional-type(operands, results)
  }];
}

// Where words of weights are in registers already, a lane of a warpgroup has two neighbouring columns c
// and c + 1 < 64 and a quarter t < 4 of some inputs; the level chooses which.

def Tile_WarpgroupWordsOp : Tile_Op<"warpgroup_words", [MemoryEffects<[MemRead]>]> {
  let summary = "words of panels, as products of a warpgroup take them from registers";
  let description = [{
    Groups 2 p and 2 p + 1 have columns 16 p to 16 p + 15, a panel, and give its address. A lane's results
    are the words

        ptr[4 (c mod 16) + t / 2 · high + t mod 2 · low]

    of columns c and c + 1, offsets in bytes, moved right by t / 2 · highBits + t mod 2 · lowBits bits.

    (C1) ptr is in shared memory and a multiple of 8.
  }];
  let arguments = (ins LLVM_AnyPointer:$ptr, I64Attr:$high, I64Attr:$low, I64Attr:$highBits,
                       I64Attr:$lowBits);
  let results = (outs VectorOfLengthAndType<[16], [I32]>:$first,
                      VectorOfLengthAndType<[16], [I32]>:$second);
  let assemblyFormat = "$ptr attr-dict `:` type($ptr) `->` type($first) `,` type($second)";
}

def Tile_WarpgroupMultiplyWordsOp : Tile_SumsOp<"warpgroup_multiply_words", [MemoryEffects<[MemRead]>, AttrSizedOperandSegments]> {
  let summary = "products of rows in shared memory and words in registers, added to the sums of a warpgroup";
  let description = [{
    Of each four words a lane has the bytes 4 t to 4 t + 3 of columns c and c + 1, then bytes 16 + 4 t to
    19 + 4 t of both:

        sum(r, c) += Σ_{i < 8 w} s(A(r, i)) · s(byte(c, i))   (mod 2^32)

    with w words, where A is as for `tile.warpgroup_multiply`; or products of numbers of bf16 where sums are
    f32, or with `float8` of f8E4M3FN and that type, as `tile.multiply` has them. Without `sums` they begin
    with 0. a is 1024 bytes aligned but for a multiple of 32 less than 128.

    (C1) there are 4, 8, 12 or 16 words.
    (C2) float8 is f8E4M3FN or f8E5M2, and sums are then f32.
  }];
  let arguments = (ins Variadic<VectorOfLengthAndType<[64], [I32, F32]>>:$sums, LLVM_AnyPointer:$a,
                       Variadic<VectorOfLengthAndType<[16], [I32]>>:$words, I64Attr:$rows,
                       OptionalAttr<TypeAttr>:$float8);
  let results = (outs Tile_Sums:$results);
  let assemblyFormat = [{
    (`sums` $sums^)? `a` $a `words` $words attr-dict `:` functional-type(operands, results)
  }];
  let extraClassDeclaration = "static constexpr int64_t kProductWords = 4;";
}

def Tile_WarpgroupByColumnOp : Tile_Op<"warpgroup_by_column", [MemoryEffects<[MemRead]>]> {
  let summary = "numbers of columns in the places of the sums of a warpgroup";
  let description = [{
    In the place of sum(r, c), in whichever of its vectors, is the 32-bit number c at ptr.

    (C1) ptr is in shared memory and a multiple of 8.
  }];
  let arguments = (ins LLVM_AnyPointer:$ptr);
  let results = (outs VectorOfLengthAndType<[64], [I32, F32]>:$result);
  let assemblyFormat = "$ptr attr-dict `:` type($ptr) `->` type($result)";
}

def Tile_WarpgroupStoreOp : Tile_SumsOp<"warpgroup_store", [MemoryEffects<[MemWrite]>]> {
  let summary = "sums of a warpgroup to shared memory";
  let description = [{
    to[r · (64 + 4) + c] = sum(r, c)   (numbers of 32 bits), for r < rows, as many as the vectors hold
  }];
  let arguments = (ins Tile_Sums:$sums, LLVM_AnyPointer:$to, I64Attr:$rows);
  let assemblyFormat = "$sums `to` $to attr-dict `:` type($to) `,` type($sums)";
}

#endif
