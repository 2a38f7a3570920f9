// Vectors become what a thread holds of them.
// RUN: qcc-opt %s --qcc-distribute-lanes --cse --split-input-file | FileCheck %s

// A reduction: two shuffles a step, the order of the tree. Threads of half a warp have the bits of
// their own half in the mask, and the clamp 4111 = 16 << 8 | 15 keeps them there.
// CHECK-LABEL: func.func @sum
// CHECK-SAME: -> i64 attributes {qcc.frame_bytes = 0 : i64}
// CHECK-DAG: %[[LANEID:.*]] = nvvm.read.ptx.sreg.laneid : i32
// CHECK-DAG: %[[CLAMP:.*]] = arith.constant 4111 : i32
// CHECK-DAG: %[[LANE:.*]] = arith.andi %[[LANEID]], %c15
// CHECK-DAG: %[[HALF:.*]] = arith.andi %[[LANEID]], %c16
// CHECK-DAG: %[[MASK:.*]] = arith.shli %c65535{{.*}}, %[[HALF]]
// CHECK-DAG: %[[X:.*]] = llvm.load %{{.*}} {alignment = 4 : i64} : !llvm.ptr -> f32
// CHECK-DAG: %[[BITS:.*]] = arith.bitcast %[[X]] : f32 to i32
// CHECK: nvvm.shfl.sync idx %[[MASK]], %[[BITS]], %{{.*}}, %[[CLAMP]] : i32 -> i32
// CHECK: nvvm.shfl.sync idx
// CHECK: arith.addf %{{.*}}, %{{.*}} : f32
// A scalar is stored by one thread, when all have read what was there and before any reads it.
// CHECK: %[[FIRST:.*]] = arith.cmpi eq, %[[LANE]], %c0
// CHECK: nvvm.bar.warp.sync %[[MASK]]
// CHECK: scf.if %[[FIRST]] {
// CHECK-NEXT: llvm.store %{{.*}} : f32, !llvm.ptr
// CHECK: }
// CHECK-NEXT: nvvm.bar.warp.sync %[[MASK]]
func.func @sum(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 {
  %x = llvm.load %args {alignment = 4 : i64} : !llvm.ptr -> vector<16xf32>
  %low = vector.shuffle %x, %x [0, 1, 2, 3, 4, 5, 6, 7] : vector<16xf32>, vector<16xf32>
  %high = vector.shuffle %x, %x [8, 9, 10, 11, 12, 13, 14, 15] : vector<16xf32>, vector<16xf32>
  %sum = arith.addf %low, %high : vector<8xf32>
  %one = vector.extract %sum[3] : f32 from vector<8xf32>
  llvm.store %one, %args : f32, !llvm.ptr
  %c0 = arith.constant 0 : i64
  return %c0 : i64
}

// -----

// Sixty-four bytes are four a thread, which is what dot products take.
// CHECK-LABEL: func.func @dot
// CHECK: %[[AT:.*]] = llvm.getelementptr inbounds %{{.*}}[%{{.*}}] : (!llvm.ptr, i64) -> !llvm.ptr, i8
// CHECK: %[[A:.*]] = llvm.load %[[AT]] {alignment = 1 : i64} : !llvm.ptr -> vector<4xi8>
// CHECK: nvvm.dot.accumulate.4way %[[A]] <unsigned>, %{{.*}} <signed>, %{{.*}} : vector<4xi8>, vector<4xi8>
// CHECK: nvvm.bar.warp.sync
// CHECK: llvm.store %{{.*}} : i32, !llvm.ptr
// CHECK: nvvm.bar.warp.sync
func.func @dot(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 {
  %acc = arith.constant dense<0> : vector<16xi32>
  %a = llvm.load %args {alignment = 1 : i64} : !llvm.ptr -> vector<64xi8>
  %b = llvm.load %scratch {alignment = 1 : i64} : !llvm.ptr -> vector<64xi8>
  %r = tile.dot4 %acc, %a, %b : vector<16xi32>, vector<64xi8>, vector<64xi8>
  llvm.store %r, %scratch {alignment = 4 : i64} : vector<16xi32>, !llvm.ptr
  %c0 = arith.constant 0 : i64
  return %c0 : i64
}

// -----

// Tails: each thread asks whether its element exists. Stack buffers lie before the scratch memory;
// those of parts come first.
// CHECK-LABEL: func.func private @part
// CHECK-SAME: (%[[P:.*]]: !llvm.ptr, %[[FRAME:.*]]: !llvm.ptr)
// CHECK: %[[OWN:.*]] = llvm.getelementptr inbounds %[[FRAME]][0]
// CHECK: llvm.getelementptr inbounds %[[OWN]][0]
// CHECK-NOT: llvm.alloca
// CHECK-LABEL: func.func @tail
// CHECK-SAME: qcc.frame_bytes = 192 : i64
// CHECK-DAG: %[[BACK:.*]] = arith.constant -192 : i64
// CHECK: %[[FRAME:.*]] = llvm.getelementptr %arg4[%[[BACK]]]
// CHECK: %[[REST:.*]] = llvm.getelementptr inbounds %[[FRAME]][128]
// CHECK: %[[BUFFER:.*]] = llvm.getelementptr inbounds %[[REST]][0]
// CHECK: call @part(%[[BUFFER]], %[[FRAME]]) : (!llvm.ptr, !llvm.ptr) -> ()
// CHECK: %[[HAS:.*]] = arith.cmpi slt, %{{.*}}, %arg2 : i64
// CHECK: scf.if %[[HAS]] -> (i32) {
// CHECK: llvm.load {{.*}} : !llvm.ptr -> i32
// CHECK: nvvm.bar.warp.sync
// CHECK-NEXT: scf.if %[[HAS]] {
// CHECK: llvm.store
// CHECK: nvvm.bar.warp.sync
func.func private @part(%p: !llvm.ptr) {
  %c100 = arith.constant 100 : i64
  %b = llvm.alloca %c100 x i8 {alignment = 64 : i64} : (i64) -> !llvm.ptr
  %v = llvm.load %b : !llvm.ptr -> i32
  llvm.store %v, %p : i32, !llvm.ptr
  return
}
func.func @tail(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 {
  %c8 = arith.constant 8 : i64
  %b = llvm.alloca %c8 x i8 {alignment = 64 : i64} : (i64) -> !llvm.ptr
  func.call @part(%b) : (!llvm.ptr) -> ()
  %fill = arith.constant dense<7> : vector<16xi32>
  %x = tile.load %args, %end, %fill : !llvm.ptr -> vector<16xi32>
  tile.store %x, %scratch, %end : vector<16xi32>, !llvm.ptr
  %c0 = arith.constant 0 : i64
  return %c0 : i64
}
