// Passes of the fuse stage: ops become groups, each of which is one kernel.
#ifndef QCC_FUSE_PASSES
#define QCC_FUSE_PASSES

include "mlir/Pass/PassBase.td"

def MarkSlices : Pass<"qcc-mark-slices", "::mlir::func::FuncOp"> {
  let summary = "Find the symbol along which a run may be cut into independent parts";
  let description = [{
    Marks the function with the symbol of an input's first axis that every value either does without or
    has as a factor of its first axis, such that no op mixes what belongs to different indices of it:
    nearly always the batch. The runtime then runs parts of a batch side by side, each of them from
    beginning to end while it lies in a core's cache.

    Needs: ops, not yet groups. Leaves: the ops as they are. Refuses: nothing; without such a symbol
    there is no mark, and a remark names the op that mixes.

    Example: test/Fuse/mark-slices.mlir
  }];
  let dependentDialects = ["::qcc::qnt::QntDialect"];
}

def TrimLogits : Pass<"qcc-trim-logits", "::mlir::func::FuncOp"> {
  let summary = "Compute the logits of as many last positions as are asked for";
  let description = [{
    In functions with caches. Logits `[b, s, v]`, one row a position, become `[b, n, v]` with an asked symbol
    `n <= s`: what computes them position by position, from the layers of the head up to the last residual sum,
    works on the last n positions. A generator that asks for one saves the head's work on all
    others of a prompt, and their memory.

    Needs: `qcc-fuse-cache`; layers not yet in groups. Leaves: a slice in front of the head. Refuses: logits that no layer
    gives, or that others read, too; they stay as they are, and a remark says why.

    Example: test/Fuse/trim-logits.mlir
  }];
  let dependentDialects = ["::qcc::qnt::QntDialect"];
}

def DropCasts : Pass<"qcc-drop-casts", "::mlir::func::FuncOp"> {
  let summary = "Keep integers in the floats that hold them";
  let description = [{
    QuantizeLinear and DequantizeLinear side by side divide, round, add a zero point, clamp, cast to 8 bits
    and cast back. Where all elements of a float tensor are integers that fit the type between, both casts
    go; a zero point that is added before the clamp and taken off behind it goes into the bounds.
    NaN, which has no code, stays NaN.

    Needs: nothing. Leaves: the same numbers. Refuses: values that may have a fraction or lie outside
    of the type.

    Example: test/Fuse/drop-casts.mlir
  }];
  let dependentDialects = ["::qcc::qnt::QntDialect"];
}

def NarrowProducts : Pass<"qcc-narrow-products", "::mlir::func::FuncOp"> {
  let summary = "Multiply floats as bf16 in layers of floats";
  let description = [{
    `linear` with inputs of f32 gets `products = bf16`: dots of pairs take half the time of multiply-adds where a
    level has them, and the weights half the space everywhere. `qlinear` with inputs of f32 gets an attribute of the
    same name, which GPUs look at: their tensor cores multiply the values of codes as bf16. `qlinear` of 8-bit floats
    on both sides gets `products = f8e4m3fn` where `float8` says that a level multiplies them and blocks are of
    64, 128 or 256, all layers with such inputs or none, as they may share inputs. `attention` with products
    of f32 gets it too, which says what tensor cores may round; other levels compute it as before. With
    `round-inputs`, as for GPUs, what layers of floats multiply is rounded where it is made: a `cast` to bf16, which joins
    the kernel in front, halves what products read. Part of `--numerics=fast` only.

    Needs: `qcc-quantize-linear`, which leaves `linear` to layers of floats. Leaves: such layers with products of
    bf16, weights as they were; `qcc-pack-weights` rounds them. Refuses: inputs of other types, and layers of
    floats beside layers on codes, which somebody kept in floats for the sake of their precision.

    Example: test/Fuse/narrow-products.mlir
  }];
  let options = [Option<"roundInputs", "round-inputs", "bool", "false", "inputs of layers of floats become bf16">,
                 Option<"float8", "float8", "bool", "false", "a level multiplies 8-bit floats">];
  let dependentDialects = ["::qcc::qnt::QntDialect"];
}

def NormalizeReductions : Pass<"qcc-normalize-reductions", "::mlir::func::FuncOp"> {
  let summary = "Reduce over the last axis only";
  let description = [{
    A reduction over other axes becomes a transpose that brings them last, a reshape that makes them
    one, a reduction that keeps the axis with size one, and a reshape to the result's dimensions:
    the one form that row kernels know. The largest or smallest element of a whole tensor is that of
    the largest or smallest of its rows, which many workers find and other kernels of rows can.

    Needs: nothing. Leaves: every `qnt.reduce` reduces exactly the last axis and keeps it.
    Refuses: nothing.

    Example: test/Fuse/normalize-reductions.mlir
  }];
  let dependentDialects = ["::qcc::qnt::QntDialect"];
}

def SplitNonZero : Pass<"qcc-split-non-zero", "::mlir::func::FuncOp"> {
  let summary = "Count before using a size that depends on values";
  let description = [{
    Before each `qnt.non_zero`: its `qnt.non_zero_count`, and a `qnt.bind_dim` that gives the produced
    symbol its value. The body is cut into segments there.

    Needs: nothing. Leaves: every produced symbol bound before its first use. Refuses: nothing.

    Example: test/Fuse/split-non-zero.mlir
  }];
  let dependentDialects = ["::qcc::qnt::QntDialect"];
}

def FuseCache : Pass<"qcc-fuse-cache", "::mlir::func::FuncOp"> {
  let summary = "Keep past, new rows and present of a decoder in one place";
  let description = [{
    `present = concat(past, rows)` along the length, where `past` is an argument read by nothing else
    and `present` a result that only attention reads besides, as it is or decoded, becomes `qnt.kv_begin` and
    `qnt.kv_append` in the storage of the result: a session that keeps that storage copies nothing.

    Needs: attention raised. Leaves: caches as `!qnt.kv`. Refuses: other readers of past or
    present, and models whose sizes depend on values.

    Example: test/Fuse/fuse-cache.mlir
  }];
  let dependentDialects = ["::qcc::qnt::QntDialect"];
}

def FuseLinear : Pass<"qcc-fuse-linear", "::mlir::func::FuncOp"> {
  let summary = "Put elementwise successors into the epilogue of a linear layer";
  let description = [{
    Each `qnt.linear` and `qnt.qlinear` becomes a group with the chain of elementwise ops that
    follow it, as long as each link has one user, keeps the dimensions, and its other operands are
    scalars, one value per column or row, or of the result's own dimensions. A `qnt.sparse_linear` that
    the chain adds, and nothing else reads, is computed in the epilogue too.

    Needs: biases merged into the layer. Leaves: linear layers only inside `qnt.fused`.
    Refuses: a value with several users, or an operand that broadcasts otherwise.

    Example: test/Fuse/fuse-linear.mlir
  }];
  let dependentDialects = ["::qcc::qnt::QntDialect"];
}

def FuseHadamard : Pass<"qcc-fuse-hadamard", "::mlir::func::FuncOp"> {
  let summary = "Quantize rows in the kernel that rotates them";
  let description = [{
    Each `qnt.hadamard` along the last axis becomes a group with the `qnt.quantize` per token that reads
    it: the row is rotated, its range taken and its codes written while it lies in the cache.

    Needs: nothing. Leaves: rotations of the last axis only inside `qnt.fused`.
    Refuses: other axes, and codes that are not int8 per token, which stay apart.

    Example: test/Fuse/fuse-hadamard.mlir
  }];
  let dependentDialects = ["::qcc::qnt::QntDialect"];
}

def FuseAttention : Pass<"qcc-fuse-attention", "::mlir::func::FuncOp"> {
  let summary = "Let attention read and write transposed heads in place";
  let description = [{
    Each `qnt.attention` becomes a group that includes the transposes and reshapes of its query, key
    and value and the one after it, so that heads are never copied. Keys and values that are decoded from codes are
    decoded in the group, as they are read.

    Needs: attention raised. Leaves: attention only inside `qnt.fused`.
    Refuses: a view that addresses elements in no strided way.

    Example: test/Fuse/fuse-attention.mlir
  }];
  let dependentDialects = ["::qcc::qnt::QntDialect"];
}

def FuseRows : Pass<"qcc-fuse-rows", "::mlir::func::FuncOp"> {
  let summary = "Group elementwise ops, normalisations and quantization of rows";
  let description = [{
    Elementwise ops and reductions of the last axis join the group of an operand when they walk the
    same rows and no path leads out of the group and back. Transposes, slices and broadcasts become
    part of how an operand is addressed. A group with a reduction is of kind `row`, one without
    `map`.

    Needs: `qcc-normalize-reductions`. Leaves: elementwise ops and row ops only inside `qnt.fused`.
    Refuses: joining through a path outside the group, and groups of more than `max-ops`.

    Example: test/Fuse/fuse-rows.mlir
  }];
  let options = [Option<"maxOps", "max-ops", "unsigned", "24", "largest group; 1 does not fuse">];
  let dependentDialects = ["::qcc::qnt::QntDialect"];
}

def FuseRest : Pass<"qcc-fuse-rest", "::mlir::func::FuncOp"> {
  let summary = "Make every remaining op a kernel of its own";
  let description = [{
    Needs: the other passes of the stage. Leaves: outside `qnt.fused` only weights, constants, row-major
    reshapes and dimension ops. Views that nothing absorbed become strided copies.
    Refuses: nothing.

    Example: test/Fuse/fuse-rest.mlir
  }];
  let dependentDialects = ["::qcc::qnt::QntDialect"];
}

#endif
