// What blocks that share a task know of each other, for one thread.
// RUN: qcc-opt %s --qcc-distribute-lanes --cse --split-input-file | FileCheck %s

// The distance of two blocks' scratch memory is in the launch, 64 bytes before the slots. One thread
// counts the block between two fences, and sets the count back if it was the last.
// CHECK-LABEL: func.func @join
// CHECK-SAME: (%[[SLOTS:.*]]: !llvm.ptr, %{{.*}}, %[[SCRATCH:[a-z0-9]*]]: !llvm.ptr)
// CHECK-SAME: qcc.shares_tasks
// CHECK: %[[FIELD:.*]] = llvm.getelementptr %[[SLOTS]][-40]
// CHECK: %[[STRIDE:.*]] = llvm.load %[[FIELD]] {alignment = 8 : i64} : !llvm.ptr -> i64
// CHECK: %[[HERE:.*]] = nvvm.read.ptx.sreg.ctaid.x
// CHECK: %[[APART:.*]] = arith.subi %{{.*}}, %[[HERE]]
// CHECK: %[[WIDE:.*]] = arith.extsi %[[APART]]
// CHECK: %[[OFFSET:.*]] = arith.muli %[[WIDE]], %[[STRIDE]]
// CHECK: llvm.getelementptr %[[SCRATCH]]
// CHECK: nvvm.barrier
// CHECK: scf.if
// CHECK: llvm.fence syncscope("device") acq_rel
// CHECK: %[[BEFORE:.*]] = llvm.atomicrmw add %[[COUNTER:.*]], %c1_i32 syncscope("device") monotonic
// CHECK: llvm.fence syncscope("device") acq_rel
// CHECK: llvm.store %[[BEFORE]], %{{.*}} : i32, !llvm.ptr<3>
// CHECK: %[[LAST:.*]] = arith.cmpi eq, %[[BEFORE]]
// CHECK: scf.if %[[LAST]]
// CHECK: llvm.store %c0_i32, %[[COUNTER]]
// CHECK: nvvm.barrier
// CHECK: llvm.load %{{.*}} : !llvm.ptr<3> -> i32
func.func @join(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 {
  %m = tile.shared 128 : !llvm.ptr
  %p = tile.scratch_of %begin {bytes = 64 : i64} : !llvm.ptr
  %x = llvm.load %p : !llvm.ptr -> i64
  %last = tile.join %worker of %x by %m : !llvm.ptr
  %r = arith.select %last, %begin, %end : i64
  return %r : i64
}

// -----

// Warpgroups have parts of their block's scratch memory.
// CHECK-LABEL: func.func @parts
// CHECK: %[[BLOCKS:.*]] = nvvm.read.ptx.sreg.nctaid.x
// CHECK: %[[SECOND:.*]] = arith.cmpi uge, %[[BLOCK:.*]], %[[BLOCKS]]
// CHECK: arith.extui %[[SECOND]]
// CHECK: arith.cmpi uge, %[[BLOCK]]
// CHECK: %[[PART:.*]] = arith.addi
// CHECK: %[[BEFORE:.*]] = arith.muli %[[PART]], %[[BLOCKS]]
// CHECK: arith.subi %[[BLOCK]], %[[BEFORE]]
// CHECK: arith.muli %[[PART]], %c64_i32
func.func @parts(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 attributes {tile.warpgroups = 3 : i64} {
  %p = tile.scratch_of %begin {bytes = 64 : i64} : !llvm.ptr
  %x = llvm.load %p : !llvm.ptr -> i64
  return %x : i64
}
