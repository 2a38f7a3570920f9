// RUN: qcc-opt %s --qcc-kernel-entry | FileCheck %s

// Group g of the grid is worker g; its scratch memory comes behind its frame.
// CHECK: llvm.func @copy(%[[LAUNCH:.*]]: !llvm.ptr<1> {llvm.align = 8 : i64, llvm.noalias, llvm.readonly})
// CHECK-SAME: nvvm.kernel, nvvm.maxntid = array<i32: 128>, nvvm.minctasm = 1 : i32, qcc.frame_bytes = 64 : i64, qcc.slots = 4 : i64
// CHECK: %[[RANGE:.*]] = llvm.intr.smax
// CHECK: %[[BEGIN:.*]] = llvm.mul %[[WORKER:.*]], %[[RANGE]]
// CHECK: %[[END:.*]] = llvm.intr.smin
// CHECK: %[[SOME:.*]] = llvm.icmp "slt" %[[BEGIN]], %[[END]]
// CHECK: llvm.cond_br %[[SOME]]
// CHECK: llvm.getelementptr %[[LAUNCH]][24]
// CHECK: %[[FRAME:.*]] = llvm.mlir.constant(64 : i64)
// CHECK: %[[OFFSET:.*]] = llvm.add %{{.*}}, %[[FRAME]]
// CHECK: %[[SCRATCH:.*]] = llvm.getelementptr %{{.*}}[%[[OFFSET]]]
// CHECK: %[[FAULT:.*]] = llvm.call @copy_body(%{{.*}}, %[[BEGIN]], %[[END]], %[[WORKER]], %[[SCRATCH]])
// CHECK: llvm.atomicrmw umin %{{.*}}, %{{.*}} monotonic
// CHECK: llvm.func internal @copy_body(%{{.*}}: !llvm.ptr, {{.*}}) -> i64 attributes {always_inline
// Addresses among the slots are of global memory.
// CHECK: %[[G:.*]] = llvm.load %{{.*}} : !llvm.ptr -> !llvm.ptr<1>
// CHECK-NEXT: %[[PG:.*]] = llvm.addrspacecast %[[G]] : !llvm.ptr<1> to !llvm.ptr
// CHECK-NEXT: llvm.store %{{.*}}, %[[PG]]
llvm.func @copy(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 attributes {qcc.frame_bytes = 64 : i64} {
  %at = llvm.getelementptr inbounds %args[3] : (!llvm.ptr) -> !llvm.ptr, i64
  %p = llvm.load %at : !llvm.ptr -> !llvm.ptr
  llvm.store %begin, %p : i64, !llvm.ptr
  %c0 = llvm.mlir.constant(0 : i64) : i64
  llvm.return %c0 : i64
}

// All groups of a cooperative kernel are given all tasks.
// CHECK: llvm.func @together({{.*}}qcc.shared_bytes = 256 : i64
// CHECK: %[[TASKS:.*]] = llvm.load
// CHECK-NOT: llvm.intr.smin
// CHECK: llvm.call @together_body(%{{.*}}, %{{.*}}, %[[TASKS]], %{{.*}}, %{{.*}})
llvm.func @together(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 attributes {qcc.frame_bytes = 0 : i64, qcc.shared_bytes = 256 : i64} {
  %c0 = llvm.mlir.constant(0 : i64) : i64
  llvm.return %c0 : i64
}

// What was said of a loop is said where translation finds it.
// CHECK-LABEL: llvm.func internal @rounds_body
// CHECK: llvm.br ^{{.*}} {loop_annotation = #{{.*}}}
#disabled = #llvm.loop_unroll<disable = true>
#rolled = #llvm.loop_annotation<unroll = #disabled>
llvm.func @rounds(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 attributes {qcc.frame_bytes = 0 : i64} {
  %c1 = llvm.mlir.constant(1 : i64) : i64
  llvm.br ^round(%begin : i64)
^round(%i: i64):
  llvm.store volatile %i, %args : i64, !llvm.ptr
  %more = llvm.icmp "slt" %i, %end : i64
  llvm.cond_br %more, ^next, ^done
^next:
  %j = llvm.add %i, %c1 : i64
  llvm.br ^round(%j : i64) {llvm.loop_annotation = #rolled}
^done:
  llvm.return %i : i64
}
