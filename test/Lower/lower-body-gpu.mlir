// With code for GPUs beside, the memory of tensors is reached through services: 8 launches, 24 copies, 32 reads, 40
// writes. Before a launch its site is left in the call.
// RUN: qcc-opt %s --qcc-lower-body | FileCheck %s

!k = tensor<?xf32, #qnt.dims<[d0]>>
!x = tensor<?xf32, #qnt.dims<[n]>>

qnt.section [] at [] bytes 0
qnt.kernel @add "map" dims 1 {
^bb0(%x: !k, %y: !k):
  %0 = qnt.add %x, %y : (!k, !k) -> !k
  qnt.yield %0 : !k
}
qnt.kernel @less "map" dims 0 {
^bb0(%x: tensor<i64>):
  %0 = qnt.compare lt %x, %x : (tensor<i64>, tensor<i64>) -> tensor<i1>
  qnt.yield %0 : tensor<i1>
}
module @"nvptx-sm_80" {}

// CHECK: func.func @model_run(%[[CALL:.*]]: !llvm.ptr, %{{.*}}: i64)
// CHECK-NOT: memcpy
// CHECK: %[[ARGS:.*]] = llvm.alloca
// The state begins as its init.
// CHECK: llvm.getelementptr %{{.*}}[24]
// CHECK: llvm.call %{{.*}}(%[[CALL]],
// The fault of a service is returned.
// CHECK: cf.cond_br
// CHECK: return
// The number of the turn goes by way of the slots.
// CHECK: ^{{bb[0-9]+}}(%[[TURN:.*]]: i64):
// CHECK: %[[ROOM:.*]] = llvm.getelementptr %[[ARGS]][0]
// CHECK: llvm.store %[[TURN]], %[[ROOM]]
// CHECK: llvm.getelementptr %{{.*}}[40]
// CHECK: llvm.call %{{.*}}(%[[CALL]], %{{.*}}, %[[ARGS]], %c8_i64
// CHECK: %[[SITE:.*]] = llvm.getelementptr %[[CALL]][88]
// CHECK: llvm.store %{{.*}}, %[[SITE]]
// CHECK: llvm.getelementptr %{{.*}}[8]
// CHECK: llvm.call
// A byte of the condition.
// CHECK: llvm.getelementptr %{{.*}}[32]
// CHECK: llvm.call %{{.*}}(%[[CALL]], %[[ARGS]], %{{.*}}, %c1_i64
// CHECK: llvm.icmp "ne"
// CHECK-NOT: memcpy
func.func @model(%x: !x {qnt.name = "x"}) -> (!x {qnt.name = "y"})
    attributes {qnt.symbols = [#qnt.symbol<"n", input = 0, axis = 0>, #qnt.symbol<"turn", input = -1, axis = 0>]} {
  %end, %rows, %taken = qnt.loop <[n]> as "turn" while captures(%x : !x) from(%x : !x) rows <[n - turn - 1]> {
  ^bb0(%c: !x, %s: !x):
    %number = qnt.dim_tensor <[turn]> : tensor<i64>
    %next = qnt.launch @add <[n]>(%s, %c) : (!x, !x) -> !x
    %go = qnt.launch @less <[]>(%number) : (tensor<i64>) -> tensor<i1>
    qnt.yield %next, %next, %go : !x, !x, tensor<i1>
  } states !x stacks tensor<?x?xf32, #qnt.dims<[n, n]>> taken tensor<i64>
  return %end : !x
}
