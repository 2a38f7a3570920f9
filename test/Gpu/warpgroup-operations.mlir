// What warpgroups of a block do together, for one of their threads.
// RUN: qcc-opt %s --qcc-distribute-lanes --cse --split-input-file | FileCheck %s

// To what one warpgroup does alone it is a block: a third of the memory, a barrier of 128 threads.
// CHECK: llvm.mlir.global external @qcc_shared() {addr_space = 3 : i32, alignment = 1024 : i64}
// CHECK-LABEL: func.func @alone
// CHECK-SAME: qcc.block_threads = 384 : i64
// CHECK-SAME: qcc.shared_bytes = 3072 : i64
// CHECK: %[[TID:.*]] = nvvm.read.ptx.sreg.tid.x : i32
// CHECK: %[[HERE:.*]] = arith.andi %[[TID]], %c127_i32
// CHECK: nvvm.shfl.sync idx %{{.*}}, %[[HERE]]
// Blocks are numbered warpgroup by warpgroup.
// CHECK: %[[SHIFTED:.*]] = arith.shrui %[[TID]], %c7_i32
// CHECK: %[[WARPGROUP:.*]] = nvvm.shfl.sync idx %c-1_i32, %[[SHIFTED]], %c0_i32, %c31_i32
// CHECK: %[[BEFORE:.*]] = arith.muli %[[WARPGROUP]], %{{.*}} : i32
// CHECK: arith.addi %{{.*}}, %[[BEFORE]] : i32
// CHECK: llvm.mlir.addressof @qcc_shared
// CHECK: %[[OWN:.*]] = arith.muli %{{.*}}, %c1024_i32
// CHECK: llvm.getelementptr %{{.*}}[%[[OWN]]]
// CHECK: %[[ID:.*]] = arith.addi %{{.*}}, %c1_i32
// CHECK: nvvm.barrier id = %[[ID]] number_of_threads = %c128_i32
func.func @alone(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 attributes {tile.warpgroups = 3 : i64} {
  %group, %groups, %block, %blocks = tile.position
  %p = tile.shared 1024 : !llvm.ptr
  llvm.store %block, %p : i64, !llvm.ptr
  tile.barrier
  return %group : i64
}

// -----

// Two mbarriers a stage: 128 threads fill it, eight warps give it back. Use n is of stage n mod 4, in
// phase n / 4.
// CHECK-LABEL: func.func @ring
// CHECK: nvvm.mbarrier.init %{{.*}}, %c128_i32
// CHECK-COUNT-3: nvvm.mbarrier.init %{{.*}}, %c128_i32
// CHECK-COUNT-4: nvvm.mbarrier.init %{{.*}}, %c8_i32
// CHECK: nvvm.fence.mbarrier.init
// CHECK: nvvm.barrier
// CHECK: nvvm.setmaxregister decrease 56
// CHECK: %[[PHASE:.*]] = arith.andi %{{.*}}, %c1_i32
// CHECK: %[[BEFORE:.*]] = arith.xori %[[PHASE]], %c1_i32
// CHECK: nvvm.mbarrier.try_wait.parity %{{.*}}, %[[BEFORE]], %{{.*}} : !llvm.ptr<3>, i32, i32
// CHECK-NOT: nvvm.fence.proxy
// Sixteen bytes of a line change places with those of the seven others.
// CHECK: %[[EIGHTH:.*]] = arith.andi %{{.*}}, %c7_i32
// CHECK: %[[MOVED:.*]] = arith.muli %[[EIGHTH]], %c16_i32
// CHECK: arith.xori %{{.*}}, %[[MOVED]]
// CHECK: nvvm.cp.async.shared.global
// CHECK: nvvm.mbarrier.expect_tx %[[FULL:.*]], %c2048_i32
// CHECK: nvvm.cp.async.bulk.shared.cluster.global %{{.*}}, %{{.*}}, %[[FULL]], %c2048_i32
// CHECK: nvvm.cp.async.mbarrier.arrive %{{.*}} {noinc = true}
// CHECK: nvvm.mbarrier.try_wait.parity %{{.*}}, %[[PHASE]],
// CHECK: nvvm.fence.proxy {kind = #nvvm.proxy_kind<async.shared>, space = #nvvm.shared_space<cta>}
// CHECK: nvvm.bar.warp.sync
// CHECK: nvvm.mbarrier.arrive
func.func @ring(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 attributes {tile.warpgroups = 3 : i64} {
  %p = tile.shared whole 65536 : !llvm.ptr
  tile.ring_begin %p {stages = 4 : i64} : !llvm.ptr
  tile.registers 56
  tile.ring_wait free %p use %begin {stages = 4 : i64} : !llvm.ptr
  tile.copy_async %args by %begin lines %end bytes %worker to %p {maxLines = 16 : i64, width = 128 : i64, run = 128 : i64, pad = 0 : i64, swizzled} : !llvm.ptr, !llvm.ptr
  tile.copy_bulk %args by %begin last %end to %p ring %p use %begin {lines = 8 : i64, width = 2048 : i64, stages = 4 : i64} : !llvm.ptr, !llvm.ptr, !llvm.ptr
  tile.ring_pass %p use %begin {stages = 4 : i64} : !llvm.ptr
  tile.ring_wait %p use %begin {stages = 4 : i64} : !llvm.ptr
  tile.ring_pass free %p use %begin {stages = 4 : i64} : !llvm.ptr
  return %begin : i64
}

// -----

// Words of panels come from registers, rows from shared memory: in lines of 128 bytes with a swizzle,
// eight of them in 1024 bytes. Four products of a stage, 32 bytes of K each.
// CHECK-LABEL: func.func @products
// CHECK: nvvm.setmaxregister increase 224
// CHECK-COUNT-8: llvm.load %{{.*}} {alignment = 8 : i64} : !llvm.ptr<3> -> vector<2xi32>
// CHECK: arith.constant 4611686293305360384 : i64
// CHECK: llvm.inline_asm has_side_effects asm_dialect = att "{ .reg .pred p; setp.ne.b32 p, 1, 0; wgmma.fence.sync.aligned; wgmma.mma_async.sync.aligned.m64n64k32.s32.s8.u8 {$0,
// CHECK-SAME: {$64,$65,$66,$67}, $80, p; wgmma.mma_async
// CHECK-SAME: {$68,$69,$70,$71}, $81, p; wgmma.mma_async
// CHECK-SAME: {$72,$73,$74,$75}, $82, p; wgmma.mma_async
// CHECK-SAME: {$76,$77,$78,$79}, $83, p; wgmma.commit_group.sync.aligned; wgmma.wait_group.sync.aligned 0; }", "=r,
// CHECK-NOT: llvm.inline_asm
// Two columns of a row, then of the next one.
// CHECK: llvm.store %{{.*}}, %[[TO:.*]] {alignment = 8 : i64} : vector<2xi32>, !llvm.ptr<3>
// CHECK: llvm.getelementptr %{{.*}}[272]
// CHECK-COUNT-15: llvm.store %{{.*}} {alignment = 8 : i64} : vector<2xi32>, !llvm.ptr<3>
func.func @products(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 attributes {tile.warpgroups = 3 : i64} {
  tile.registers more 224
  %p = tile.shared whole 65536 : !llvm.ptr
  %z = arith.constant dense<0> : vector<64xi32>
  %s:8 = tile.warpgroup_multiply %z, %z, %z, %z, %z, %z, %z, %z a %p b %p {rows = 64 : i64} : (vector<64xi32>, vector<64xi32>, vector<64xi32>, vector<64xi32>, vector<64xi32>, vector<64xi32>, vector<64xi32>, vector<64xi32>, !llvm.ptr, !llvm.ptr) -> (vector<64xi32>, vector<64xi32>, vector<64xi32>, vector<64xi32>, vector<64xi32>, vector<64xi32>, vector<64xi32>, vector<64xi32>)
  tile.warpgroup_store %s#0, %s#1, %s#2, %s#3, %s#4, %s#5, %s#6, %s#7 to %p {rows = 64 : i64} : !llvm.ptr, vector<64xi32>, vector<64xi32>, vector<64xi32>, vector<64xi32>, vector<64xi32>, vector<64xi32>, vector<64xi32>, vector<64xi32>
  return %begin : i64
}

// -----

// CHECK-LABEL: func.func @pairs
// CHECK: wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {
// CHECK-SAME: {$64,$65,$66,$67}, $80, p, 1, 1, 0;
// CHECK-SAME: "=f,
func.func @pairs(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 attributes {tile.warpgroups = 3 : i64} {
  %p = tile.shared whole 65536 : !llvm.ptr
  %z = arith.constant dense<0.0> : vector<64xf32>
  %s:8 = tile.warpgroup_multiply %z, %z, %z, %z, %z, %z, %z, %z a %p b %p {rows = 64 : i64, bf16} : (vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, !llvm.ptr, !llvm.ptr) -> (vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>)
  tile.warpgroup_store %s#0, %s#1, %s#2, %s#3, %s#4, %s#5, %s#6, %s#7 to %p {rows = 64 : i64} : !llvm.ptr, vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>
  return %begin : i64
}

// -----

// Words that are in registers already: without sums products begin with 0. Two columns of a thread lie
// side by side.
// CHECK-LABEL: func.func @words
// CHECK: llvm.load %{{.*}} {alignment = 8 : i64} : !llvm.ptr<3> -> vector<2xi32>
// CHECK-COUNT-2: arith.shrui %{{.*}}, %{{.*}} : i32
// CHECK: llvm.inline_asm has_side_effects asm_dialect = att "{ .reg .pred p; setp.ne.b32 p, 1, 0; .reg .pred q; setp.ne.b32 q, 0, 0; wgmma.fence.sync.aligned; wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {$0,
// CHECK-SAME: {$32,$33,$34,$35}, $40, q, 1, 1, 0; wgmma.mma_async
// CHECK-SAME: {$36,$37,$38,$39}, $41, p, 1, 1, 0; wgmma.commit_group.sync.aligned; wgmma.wait_group.sync.aligned 0; }", "=f,
// CHECK: llvm.load %{{.*}} {alignment = 8 : i64} : !llvm.ptr<3> -> vector<2xi32>
// CHECK: vector.from_elements %[[FIRST:.*]], %[[FIRST]], %[[SECOND:.*]], %[[SECOND]] : vector<4xf32>
func.func @words(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 attributes {tile.warpgroups = 3 : i64} {
  %p = tile.shared whole 65536 : !llvm.ptr
  %a, %b = tile.warpgroup_words %p {high = 64 : i64, low = 0 : i64, highBits = 0 : i64, lowBits = 16 : i64} : !llvm.ptr -> vector<16xi32>, vector<16xi32>
  %s:8 = tile.warpgroup_multiply_words a %p words %a, %b, %a, %b, %a, %b, %a, %b {rows = 64 : i64} : (!llvm.ptr, vector<16xi32>, vector<16xi32>, vector<16xi32>, vector<16xi32>, vector<16xi32>, vector<16xi32>, vector<16xi32>, vector<16xi32>) -> (vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>)
  %n = tile.warpgroup_by_column %p : !llvm.ptr -> vector<64xf32>
  tile.warpgroup_store %s#0, %s#1, %s#2, %s#3, %s#4, %s#5, %s#6, %n to %p {rows = 64 : i64} : !llvm.ptr, vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>
  return %begin : i64
}

// Weights are 8-bit floats of either type, rows of e4m3.
// CHECK-LABEL: func.func @float8
// CHECK: wgmma.mma_async.sync.aligned.m64n64k32.f32.e5m2.e4m3 {$0,
// CHECK-SAME: {$32,$33,$34,$35}, $36, q, 1, 1; wgmma.commit_group.sync.aligned; wgmma.wait_group.sync.aligned 0; }", "=f,
func.func @float8(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 attributes {tile.warpgroups = 3 : i64} {
  %p = tile.shared whole 65536 : !llvm.ptr
  %a, %b = tile.warpgroup_words %p {high = 128 : i64, low = 64 : i64, highBits = 0 : i64, lowBits = 0 : i64} : !llvm.ptr -> vector<16xi32>, vector<16xi32>
  %s:8 = tile.warpgroup_multiply_words a %p words %a, %b, %a, %b {float8 = f8E5M2, rows = 64 : i64} : (!llvm.ptr, vector<16xi32>, vector<16xi32>, vector<16xi32>, vector<16xi32>) -> (vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>)
  tile.warpgroup_store %s#0, %s#1, %s#2, %s#3, %s#4, %s#5, %s#6, %s#7 to %p {rows = 64 : i64} : !llvm.ptr, vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>
  return %begin : i64
}
