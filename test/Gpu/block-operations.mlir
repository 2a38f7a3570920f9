// What a block of threads does together, for one of them.
// RUN: qcc-opt %s --qcc-distribute-lanes --cse --split-input-file | FileCheck %s

// Shared memory is one symbol, as large as the largest use of a kernel asks for; a barrier is of the
// whole block.
// CHECK: llvm.mlir.global external @qcc_shared() {addr_space = 3 : i32, alignment = 128 : i64} : !llvm.array<0 x i8>
// CHECK-LABEL: func.func @position
// CHECK-SAME: qcc.shared_bytes = 4096 : i64
// A shuffle keeps what depends on the number in its place.
// CHECK: %[[TID:.*]] = nvvm.read.ptx.sreg.tid.x : i32
// CHECK: %[[HERE:.*]] = nvvm.shfl.sync idx %{{.*}}, %[[TID]]
// CHECK: arith.shrui %[[HERE]], %c4
// CHECK: nvvm.read.ptx.sreg.ctaid.x : i32
// CHECK: nvvm.read.ptx.sreg.nctaid.x : i32
// CHECK: llvm.mlir.addressof @qcc_shared : !llvm.ptr<3>
// CHECK: nvvm.barrier
func.func @position(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 {
  %group, %groups, %block, %blocks = tile.position
  %small = tile.shared 128 : !llvm.ptr
  %large = tile.shared 4096 : !llvm.ptr
  %sum = arith.addi %group, %block : i64
  %all = arith.muli %groups, %blocks : i64
  llvm.store %sum, %small : i64, !llvm.ptr
  tile.barrier
  return %all : i64
}

// -----

// The warp's first thread says it, so that nobody knows that it is the number from before.
// CHECK-LABEL: func.func @again
// CHECK: %[[NUMBER:.*]] = arith.trunci %arg1 : i64 to i32
// CHECK: %[[SAID:.*]] = nvvm.shfl.sync idx %{{.*}}, %[[NUMBER]], %c0_i32, %c31_i32
// CHECK: %[[AGAIN:.*]] = arith.extui %[[SAID]] : i32 to i64
// CHECK: nvvm.shfl.sync
// CHECK: return %{{.*}} : i64
func.func @again(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 {
  %shared = tile.shared 128 : !llvm.ptr
  %one = tile.again %begin
  %two = tile.again %begin
  %sum = arith.addi %one, %two : i64
  return %sum : i64
}

// -----

// 64 rows of 64 bytes are 256 pieces of 16 bytes, two a thread, which are 32 rows apart; 16 bytes
// behind each row are left out. What does not exist is copied as zeros.
// CHECK-LABEL: func.func @copy
// CHECK: %[[PIECE:.*]] = arith.muli %{{.*}}, %c16_i32
// CHECK: %[[ROW:.*]] = arith.shrui %[[PIECE]], %c6_i32
// CHECK: %[[BYTE:.*]] = arith.andi %[[PIECE]], %c63_i32
// CHECK: %[[PADS:.*]] = arith.muli %[[ROW]], %c16_i32
// CHECK: %[[PADDED:.*]] = arith.addi %[[PIECE]], %[[PADS]]
// CHECK: %[[TO:.*]] = llvm.getelementptr %{{.*}}[%[[PADDED]]] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i8
// CHECK: arith.cmpi slt, %[[ROW]], %{{.*}} : i32
// CHECK: %[[LEFT:.*]] = arith.select
// CHECK: nvvm.cp.async.shared.global %{{.*}}, %{{.*}}, 16, cache = {{ *}}cg, %[[LEFT]]
// CHECK: %[[BELOW:.*]] = arith.addi %[[ROW]], %c32_i32
// CHECK: llvm.getelementptr %[[TO]][2560]
// CHECK: nvvm.cp.async.shared.global
// CHECK-NOT: nvvm.cp.async.shared.global
// CHECK: nvvm.cp.async.commit.group
// CHECK: nvvm.cp.async.wait.group 2
func.func @copy(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 {
  %to = tile.shared 5120 : !llvm.ptr
  tile.copy_async %args by %begin lines %end bytes %worker to %to {maxLines = 64 : i64, width = 64 : i64, run = 64 : i64, pad = 16 : i64} : !llvm.ptr, !llvm.ptr
  tile.commit
  tile.await 2
  return %begin : i64
}

// -----

// Sixteen rows with eight columns a warp: a step of 32 bytes of K is a load of four matrices, two
// words of a panel and a product.
// CHECK-LABEL: func.func @bytes
// CHECK: nvvm.bar.warp.sync
// CHECK: nvvm.shfl.sync idx
// CHECK: nvvm.ldmatrix %{{.*}} {eltType = #nvvm.ld_st_matrix_elt_type<b16>, layout = #nvvm.mma_layout<row>, num = 4 : i32
// CHECK: nvvm.mma.sync
// CHECK-SAME: intOverflowBehavior = #nvvm.mma_int_overflow<wrapped>
// CHECK-SAME: multiplicandAPtxType = #nvvm.mma_type<u8>, multiplicandBPtxType = #nvvm.mma_type<s8>, shape = #nvvm.shape<m = 16, n = 8, k = 32>
// CHECK: nvvm.ldmatrix
// CHECK: nvvm.mma.sync
// CHECK-NOT: nvvm.mma.sync
// Rows of results are 36 numbers apart; the lower ones are 8 rows below.
// CHECK: llvm.store %{{.*}}, %[[AT:.*]] {alignment = 8 : i64} : vector<2xi32>, !llvm.ptr<3>
// CHECK: llvm.getelementptr %{{.*}}[1152]
// CHECK: llvm.store
func.func @bytes(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 {
  %a = tile.shared 8192 : !llvm.ptr
  %zero = arith.constant dense<0> : vector<64xi32>
  %sums = tile.multiply %zero a %a b %a {rows = 16 : i64, columns = 32 : i64, slices = 1 : i64, aStride = 80 : i64, bStride = 1280 : i64, depth = 64 : i64} : (vector<64xi32>, !llvm.ptr, !llvm.ptr) -> vector<64xi32>
  tile.store_sums %sums to %a {rows = 16 : i64, columns = 32 : i64, slices = 1 : i64} : !llvm.ptr, vector<64xi32>
  return %begin : i64
}

// -----

// Four slices: a warp has all 32 columns, four words of a panel at once.
// CHECK-LABEL: func.func @pairs
// CHECK: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<3> -> vector<4xi32>
// CHECK: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<3> -> vector<4xi32>
// CHECK-COUNT-4: nvvm.mma.sync {{.*}}#nvvm.mma_type<bf16>, shape = #nvvm.shape<m = 16, n = 8, k = 16>
// CHECK-NOT: nvvm.mma.sync
func.func @pairs(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 {
  %a = tile.shared 65536 : !llvm.ptr
  %zero = arith.constant dense<0.0> : vector<64xf32>
  %sums:4 = tile.multiply %zero, %zero, %zero, %zero a %a b %a {rows = 16 : i64, columns = 32 : i64, slices = 4 : i64, aStride = 272 : i64, bStride = 5120 : i64, depth = 32 : i64, bf16} : (vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, !llvm.ptr, !llvm.ptr) -> (vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>)
  tile.store_sums %sums#0, %sums#1, %sums#2, %sums#3 to %a {rows = 16 : i64, columns = 32 : i64, slices = 4 : i64} : !llvm.ptr, vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>
  return %begin : i64
}

// -----

// Columns 2 t and 2 t + 1 in both rows of a thread; rows g and g + 8 twice each, the last one at most.
// CHECK-LABEL: func.func @beside
// CHECK: llvm.load %{{.*}} {alignment = 8 : i64} : !llvm.ptr<3> -> vector<2xi32>
// CHECK: vector.from_elements %[[C0:.*]], %[[C1:.*]], %[[C0]], %[[C1]] : vector<4xf32>
// CHECK: arith.minsi
// CHECK: %[[UPPER:.*]] = llvm.load %{{.*}} -> i32
// CHECK: arith.minsi
// CHECK: %[[LOWER:.*]] = llvm.load %{{.*}} -> i32
// CHECK: vector.from_elements %[[UPPER]], %[[UPPER]], %[[LOWER]], %[[LOWER]] : vector<4xi32>
func.func @beside(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 {
  %p = tile.shared 128 : !llvm.ptr
  %column = tile.by_column %p {rows = 16 : i64, columns = 32 : i64, slices = 1 : i64} : !llvm.ptr -> vector<64xf32>
  %row = tile.by_row %args by %begin last %end {rows = 16 : i64, columns = 32 : i64, slices = 1 : i64} : !llvm.ptr -> vector<64xi32>
  %integer = arith.sitofp %row : vector<64xi32> to vector<64xf32>
  %sum = arith.addf %integer, %column : vector<64xf32>
  tile.store_sums %sum to %p {rows = 16 : i64, columns = 32 : i64, slices = 1 : i64} : !llvm.ptr, vector<64xf32>
  return %begin : i64
}

// -----

// Pieces of 4 bytes, for lines that begin anywhere; the last ones of a single line are copied by a
// part of the threads.
// CHECK-LABEL: func.func @pieces
// CHECK: nvvm.cp.async.shared.global %{{.*}}, %{{.*}}, 4, cache = {{ *}}ca
// CHECK: nvvm.cp.async.shared.global %{{.*}}, %{{.*}}, 16, cache = {{ *}}cg
// CHECK: arith.cmpi ult, %{{.*}}, %c256_i32
// CHECK: scf.if
// CHECK: nvvm.cp.async.shared.global %{{.*}}, %{{.*}}, 16, cache = {{ *}}cg
func.func @pieces(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 {
  %to = tile.shared 4096 : !llvm.ptr
  tile.copy_async %args by %begin lines %end bytes %worker to %to {maxLines = 1 : i64, width = 512 : i64, run = 16 : i64, pad = 0 : i64, piece = 4 : i64} : !llvm.ptr, !llvm.ptr
  tile.copy_async %args by %begin lines %end bytes %worker to %to {maxLines = 1 : i64, width = 2304 : i64, run = 16 : i64, pad = 0 : i64} : !llvm.ptr, !llvm.ptr
  return %begin : i64
}

// -----

// Numbers of f32 are rounded two at a time.
// CHECK-LABEL: func.func @wide
// CHECK-NOT: nvvm.ldmatrix
// CHECK: llvm.load %{{.*}} {alignment = 8 : i64} : !llvm.ptr<3> -> vector<2xi32>
// CHECK: nvvm.convert.f32x2.to.bf16x2
// CHECK: nvvm.mma.sync {{.*}}shape = #nvvm.shape<m = 16, n = 8, k = 16>
func.func @wide(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 {
  %a = tile.shared 8192 : !llvm.ptr
  %zero = arith.constant dense<0.0> : vector<64xf32>
  %sums = tile.multiply %zero a %a b %a {rows = 16 : i64, columns = 32 : i64, slices = 1 : i64, aStride = 160 : i64, bStride = 1280 : i64, depth = 32 : i64, bf16, wide} : (vector<64xf32>, !llvm.ptr, !llvm.ptr) -> vector<64xf32>
  tile.store_sums %sums to %a {rows = 16 : i64, columns = 32 : i64, slices = 1 : i64} : !llvm.ptr, vector<64xf32>
  return %begin : i64
}

// -----

// Half a product: two matrices of A, a word of B.
// CHECK-LABEL: func.func @half
// CHECK: nvvm.ldmatrix %{{.*}} {{.*}}num = 2 : i32
// CHECK: nvvm.mma.sync {{.*}}shape = #nvvm.shape<m = 16, n = 8, k = 16>
// CHECK-NOT: nvvm.mma.sync
func.func @half(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 {
  %a = tile.shared 8192 : !llvm.ptr
  %zero = arith.constant dense<0> : vector<64xi32>
  %sums = tile.multiply %zero a %a b %a {rows = 16 : i64, columns = 32 : i64, slices = 1 : i64, aStride = 80 : i64, bStride = 1280 : i64, depth = 16 : i64} : (vector<64xi32>, !llvm.ptr, !llvm.ptr) -> vector<64xi32>
  tile.store_sums %sums to %a {rows = 16 : i64, columns = 32 : i64, slices = 1 : i64} : !llvm.ptr, vector<64xi32>
  return %begin : i64
}

// -----

// Words of a thread's column and quarter, moved by what the quarter says; codes go to the product as
// they are, and A has those of the quarter side by side.
// CHECK-LABEL: func.func @words
// CHECK: %[[WORD:.*]] = llvm.load %{{.*}} {alignment = 4 : i64} : !llvm.ptr<3> -> i32
// CHECK: arith.shrui %[[WORD]]
// CHECK: llvm.load %{{.*}} {alignment = 8 : i64} : !llvm.ptr<3> -> vector<2xi32>
// CHECK: llvm.load %{{.*}} {alignment = 8 : i64} : !llvm.ptr<3> -> vector<2xi32>
// CHECK: nvvm.mma.sync {{.*}}shape = #nvvm.shape<m = 16, n = 8, k = 32>
// CHECK-NOT: nvvm.mma.sync
func.func @words(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 {
  %a = tile.shared 8192 : !llvm.ptr
  %zero = arith.constant dense<0> : vector<64xi32>
  %word = tile.load_words %a by %begin {high = 64 : i64, low = 0 : i64, highBits = 0 : i64, lowBits = 4 : i64} : !llvm.ptr -> vector<16xi32>
  %sums = tile.multiply_words %zero a %a words %word, %word {aStride = 288 : i64} : (vector<64xi32>, !llvm.ptr, vector<16xi32>, vector<16xi32>) -> vector<64xi32>
  tile.store_sums %sums to %a {rows = 16 : i64, columns = 32 : i64, slices = 1 : i64} : !llvm.ptr, vector<64xi32>
  return %begin : i64
}

// -----

// Codes of 8-bit floats: what words of bytes are is said by the operation alone.
// CHECK-LABEL: func.func @float8
// CHECK: nvvm.ldmatrix
// CHECK: llvm.call_intrinsic "llvm.nvvm.mma.m16n8k32.row.col.f32.e4m3.e5m2.f32"
func.func @float8(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 {
  %a = tile.shared 8192 : !llvm.ptr
  %zero = arith.constant dense<0.0> : vector<64xf32>
  %sums = tile.multiply %zero a %a b %a {rows = 16 : i64, columns = 32 : i64, slices = 1 : i64, aStride = 80 : i64, bStride = 1280 : i64, depth = 64 : i64, float8 = f8E5M2} : (vector<64xf32>, !llvm.ptr, !llvm.ptr) -> vector<64xf32>
  tile.store_sums %sums to %a {rows = 16 : i64, columns = 32 : i64, slices = 1 : i64} : !llvm.ptr, vector<64xf32>
  return %begin : i64
}

// -----

// As bf16 a product of 32 inputs is two: of the first two codes of a word, and of the other two.
// CHECK-LABEL: func.func @float8_as_bf16
// CHECK: llvm.intr.fma{{.*}} vector<2xbf16>
// CHECK-COUNT-4: nvvm.mma.sync {{.*}}#nvvm.mma_type<bf16>, shape = #nvvm.shape<m = 16, n = 8, k = 16>
// CHECK-NOT: nvvm.mma.sync
func.func @float8_as_bf16(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 {
  %a = tile.shared 8192 : !llvm.ptr
  %zero = arith.constant dense<0.0> : vector<64xf32>
  %sums = tile.multiply %zero a %a b %a {rows = 16 : i64, columns = 32 : i64, slices = 1 : i64, aStride = 80 : i64, bStride = 1280 : i64, depth = 64 : i64, bf16, float8 = f8E4M3FN} : (vector<64xf32>, !llvm.ptr, !llvm.ptr) -> vector<64xf32>
  tile.store_sums %sums to %a {rows = 16 : i64, columns = 32 : i64, slices = 1 : i64} : !llvm.ptr, vector<64xf32>
  return %begin : i64
}
