// A loop of the model is a loop of its body: states and stacks lie in the arena.
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

// CHECK-LABEL: func.func @model_run(
// The state begins as its init; then turn 0.
// CHECK: "llvm.intr.memcpy"
// CHECK: cf.br ^[[HEAD:bb[0-9]+]](%c0_i64
// CHECK: ^[[HEAD]](%[[TURN:.*]]: i64):
// CHECK: llvm.store %[[TURN]]
// CHECK: %[[MORE:.*]] = arith.cmpi slt, %[[TURN]]
// CHECK: cf.cond_br %[[MORE]], ^[[BODY:bb[0-9]+]], ^[[EXIT:bb[0-9]+]]
// CHECK: ^[[EXIT]]:
// After the loop, the launch into the output.
// CHECK: llvm.call
// CHECK: ^[[BODY]]:
// The number of the turn is stored for whoever reads it, then the launches.
// CHECK: llvm.store %[[TURN]]
// CHECK: llvm.call
// CHECK: llvm.call
// The row, at the turn's place from the end; the next state; the condition.
// CHECK: %[[ROW:.*]] = arith.muli
// CHECK: "llvm.intr.memcpy"
// CHECK: llvm.icmp "ne"
// CHECK: "llvm.intr.memcpy"
// CHECK: cf.cond_br %{{.*}}, ^[[HEAD]](%{{.*}} : i64), ^[[STOP:bb[0-9]+]]
// CHECK: ^[[STOP]]:
// CHECK: cf.br ^[[EXIT]]
func.func @model(%x: !x {qnt.name = "x"}) -> (!x {qnt.name = "y"})
    attributes {qnt.symbols = [#qnt.symbol<"n", input = 0, axis = 0>, #qnt.symbol<"turn", input = -1, axis = 0>]} {
  %end, %rows, %taken = qnt.loop <[n]> as "turn" while captures(%x : !x) from(%x : !x) rows <[n - turn - 1]> {
  ^bb0(%c: !x, %s: !x):
    %number = qnt.dim_tensor <[turn]> : tensor<i64>
    %next = qnt.launch @add <[n]>(%s, %c) : (!x, !x) -> !x
    %go = qnt.launch @less <[]>(%number) : (tensor<i64>) -> tensor<i1>
    qnt.yield %next, %next, %go : !x, !x, tensor<i1>
  } states !x stacks tensor<?x?xf32, #qnt.dims<[n, n]>> taken tensor<i64>
  %y = qnt.launch @add <[n]>(%end, %end) : (!x, !x) -> !x
  return %y : !x
}
