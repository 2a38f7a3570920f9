// Strips of a warpgroup, multiplied together, for one of its threads.
// RUN: qcc-opt %s --qcc-distribute-lanes --cse --split-input-file | FileCheck %s

// 64 rows of 16 numbers with 16 lines, then of 16 weights with 16 lines of 32 numbers, which are turned.
// CHECK-LABEL: func.func @products
// CHECK-NOT: nvvm.mma.sync
// CHECK: llvm.inline_asm has_side_effects{{.*}}wgmma.fence.sync.aligned; wgmma.mma_async.sync.aligned.m64n16k16.f32.bf16.bf16 {$0,$1,$2,$3,$4,$5,$6,$7}, {$16,$17,$18,$19}, $20, p, 1, 1, 0; wgmma.commit_group.sync.aligned; wgmma.wait_group.sync.aligned 0;
// CHECK-COUNT-4: nvvm.convert.f32x2.to.bf16x2
// CHECK-NOT: nvvm.convert
// CHECK: llvm.inline_asm has_side_effects{{.*}}m64n32k16.f32.bf16.bf16 {{.*}}, $36, p, 1, 1, 1; wgmma.commit_group
// CHECK-NOT: inline_asm
func.func @products(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 attributes {tile.warpgroups = 3 : i64} {
  %m = tile.shared whole 16384 : !llvm.ptr
  %zero = arith.constant dense<0.0> : vector<64xf32>
  %q = tile.load_rows %m {stride = 48 : i64, slices = 1 : i64} : !llvm.ptr -> vector<64xi32>
  %s:2 = tile.dot_lines %zero, %zero rows %q b %m {stride = 2048 : i64, slices = 1 : i64, swizzled} : (vector<64xf32>, vector<64xf32>, vector<64xi32>, !llvm.ptr) -> (vector<64xf32>, vector<64xf32>)
  %o:4 = tile.weigh_lines %zero, %zero, %zero, %zero weights %s#0, %s#1 b %m {stride = 2048 : i64, slices = 1 : i64, swizzled} : (vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, !llvm.ptr) -> (vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>)
  tile.store_rows %o#0, %o#3 to %m {stride = 96 : i64} : !llvm.ptr, vector<64xf32>, vector<64xf32>
  return %begin : i64
}

// -----

// Pieces of eight numbers; a line that is not there is 0. A stage that was written is full at once. A warpgroup
// that copies has no registers for rounds that are unrolled.
// CHECK: #llvm.loop_annotation<unroll = #
// CHECK-LABEL: func.func @fetch
// CHECK: scf.for
// CHECK: %[[EXISTS:.*]] = arith.cmpi slt
// CHECK-COUNT-2: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr -> vector<4xf32>
// CHECK-COUNT-4: nvvm.convert.f32x2.to.bf16x2
// CHECK: %[[WORDS:.*]] = arith.select %[[EXISTS]]
// CHECK: arith.xori
// CHECK: llvm.store %[[WORDS]], %{{.*}} {alignment = 16 : i64} : vector<4xi32>, !llvm.ptr<3>
// CHECK: } {llvm.loop_annotation = #{{.*}}}
// CHECK: nvvm.mbarrier.arrive
// CHECK: scf.for
// CHECK-COUNT-8: llvm.load %{{.*}} {alignment = 2 : i64} : !llvm.ptr -> i16
// CHECK: llvm.store %{{.*}} {alignment = 16 : i64} : vector<4xi32>, !llvm.ptr<3>
func.func @fetch(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 attributes {tile.warpgroups = 3 : i64} {
  %m = tile.shared whole 16384 : !llvm.ptr
  %ring = llvm.getelementptr %m[8192] : (!llvm.ptr) -> !llvm.ptr, i8
  tile.fetch_lines %args by %begin lines %end to %m {maxLines = 64 : i64, width = 16 : i64, chunk = 8192 : i64, numbers = f32, aligned} : !llvm.ptr, !llvm.ptr
  tile.ring_pass written %ring use %begin {stages = 4 : i64} : !llvm.ptr
  tile.fetch_lines %args by %begin lines %end to %m {maxLines = 64 : i64, width = 16 : i64, chunk = 8192 : i64, numbers = i16} : !llvm.ptr, !llvm.ptr
  return %begin : i64
}

// -----

// 8-bit floats come in words where lines are aligned, else byte by byte; codes always by words.
// CHECK-LABEL: func.func @fetch_codes
// CHECK: scf.for
// CHECK: llvm.load %{{.*}} {alignment = 8 : i64} : !llvm.ptr -> vector<2xi32>
// CHECK-COUNT-4: llvm.intr.fma({{.*}}) : (vector<2xbf16>
// CHECK: scf.for
// CHECK-COUNT-8: llvm.load %{{.*}} {alignment = 1 : i64} : !llvm.ptr -> i8
// CHECK-COUNT-4: llvm.intr.fma({{.*}}) : (vector<2xbf16>
// CHECK: scf.for
// CHECK: %[[SCALE:.*]] = llvm.load %{{.*}} {alignment = 4 : i64} : !llvm.ptr -> f32
// CHECK: llvm.load %{{.*}} {alignment = 4 : i64} : !llvm.ptr -> i32
// CHECK: arith.mulf %{{.*}}, %[[SCALE]]
// CHECK-COUNT-4: nvvm.convert.f32x2.to.bf16x2
func.func @fetch_codes(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 attributes {tile.warpgroups = 3 : i64} {
  %m = tile.shared whole 16384 : !llvm.ptr
  tile.fetch_lines %args by %begin lines %end to %m {maxLines = 64 : i64, width = 16 : i64, chunk = 8192 : i64, numbers = f8E4M3FN, aligned} : !llvm.ptr, !llvm.ptr
  tile.fetch_lines %args by %begin lines %end to %m {maxLines = 64 : i64, width = 16 : i64, chunk = 8192 : i64, numbers = f8E4M3FN} : !llvm.ptr, !llvm.ptr
  tile.fetch_lines %args by %begin lines %end to %m {maxLines = 64 : i64, width = 16 : i64, chunk = 8192 : i64, numbers = si8, scales = 16 : i64} : !llvm.ptr, !llvm.ptr
  return %begin : i64
}
