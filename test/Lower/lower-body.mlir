// The model as two functions over the runtime's structs, and an entry that describes them.
// RUN: qcc-opt %s --split-input-file --verify-diagnostics --qcc-lower-body | FileCheck %s

!x = tensor<?x8xf32, #qnt.dims<[s, 8]>>
!k = tensor<?x?xf32, #qnt.dims<[d0, d1]>>
!kw = tensor<?xf32, #qnt.dims<[d1]>>

qnt.weight @w : tensor<8xf32> = #qnt.file<"m.bin", 0, 32>
qnt.weight @v : tensor<8xf32> = #qnt.file<"m.bin", 32, 32>
qnt.section [@w, @v] at [0, 64] bytes 128
qnt.kernel @add "map" dims 2 {
^bb0(%x: !k, %w: !kw):
  %0 = qnt.add %x, %w : (!k, !kw) -> !k
  qnt.yield %0 : !k
}

// Sizes that a symbol does not bind are checked, with the words for the message.
// CHECK: qnt.entry @model {
// CHECK-SAME: caches = []
// CHECK-SAME: checks = [{lhs = "x axis 1", rhs = "8", site = ""}, {lhs = "y axis 0", rhs = "s + 1", site = ""}]
// CHECK-SAME: inputs = [{name = "x", role = "ids", type = tensor<?x8xf32, #qnt.dims<[s, 8]>>}, {name = "y"
// CHECK-SAME: outputs = [{name = "out"
// CHECK-SAME: plan = @model_plan, run = @model_run
// CHECK-SAME: symbols = [#qnt.symbol<"s", input = 0, axis = 0>]
// CHECK: module @body {
// CHECK-LABEL: func.func @model_plan(
// CHECK: %[[S:.*]] = llvm.load
// The first check returns its number plus one.
// CHECK: %[[OK:.*]] = arith.cmpi eq
// CHECK: cf.cond_br %[[OK]]
// CHECK: return %c1_i64
// CHECK: return %c2_i64
// Two values between the three launches share no slot: each has 32 s bytes, rounded up to 64.
// CHECK: %[[B:.*]] = arith.muli %{{.*}}, %c32_i64
// CHECK: %[[R:.*]] = arith.andi
// CHECK: %[[ONE:.*]] = arith.addi %{{.*}}, %[[R]]
// CHECK: %[[TWO:.*]] = arith.addi %[[ONE]]
// CHECK: llvm.store %[[TWO]]
// CHECK-LABEL: func.func @model_run(
// Launch 0 of (x, w), launch 1 of (it, v), launch 2 into the output; a fault carries the launch.
// CHECK: llvm.call
// CHECK: llvm.getelementptr %{{.*}}[%c64_i64]
// CHECK: llvm.call
// CHECK: arith.ori %{{.*}}, %c256_i64
// CHECK: llvm.call
// CHECK: arith.ori %{{.*}}, %c512_i64
// CHECK-NOT: qnt.kernel
func.func @model(%x: !x {qnt.name = "x", qnt.role = "ids"},
                 %y: tensor<?xf32, #qnt.dims<[s + 1]>> {qnt.name = "y"}) -> (!x {qnt.name = "out"})
    attributes {qnt.symbols = [#qnt.symbol<"s", input = 0, axis = 0>]} {
  %w = qnt.use @w : tensor<8xf32>
  %v = qnt.use @v : tensor<8xf32>
  %0 = qnt.launch @add <[s, 8]>(%x, %w) : (!x, tensor<8xf32>) -> !x
  %1 = qnt.launch @add <[s, 8]>(%0, %v) : (!x, tensor<8xf32>) -> !x
  %2 = qnt.launch @add <[s, 8]>(%1, %w) : (!x, tensor<8xf32>) -> !x
  return %2 : !x
}

// -----

// expected-error @below {{has no weight section; run qcc-place-weights first}}
module {
}

// -----

qnt.section [] at [] bytes 0
func.func @left_over(%x: tensor<4xf32>) -> tensor<4xf32> attributes {qnt.symbols = []} {
  // expected-error @below {{has no kernel and no storage: the fuse stage left it over}}
  %0 = qnt.exp %x : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

qnt.section [] at [] bytes 0
!t = tensor<?xf32, #qnt.dims<[t]>>
// expected-error @below {{QCC1225: symbol 't' is declared nowhere}}
func.func @undeclared(%x: !t) -> !t {
  return %x : !t
}

// -----

qnt.section [] at [] bytes 0
!t = tensor<?xf32, #qnt.dims<[t]>>
// expected-error @below {{QCC1225: symbol 't' is axis 1 of input 0, which is not there}}
func.func @no_such_axis(%x: !t) -> !t attributes {qnt.symbols = [#qnt.symbol<"t", input = 0, axis = 1>]} {
  return %x : !t
}

// -----

// An operator that the application computes is one call of a service: number, then addresses and
// dimensions in slots; faults carry a site behind those of the launches.
!x = tensor<?x8xf32, #qnt.dims<[s, 8]>>
qnt.section [] at [] bytes 0
// CHECK: qnt.entry @host {
// CHECK-SAME: hosts = [{attributes = "{\22axis\22:1}", callee = "Odd", domain = "my", inputs = [tensor<?x8xf32, #qnt.dims<[s, 8]>>, unit], node = "odd", outputs = [tensor<?xi64, #qnt.dims<[s]>>]}]
// CHECK-SAME: sites = ["odd"]
// CHECK-LABEL: func.func @host_run(
// CHECK: %[[SERVICES:.*]] = llvm.getelementptr %{{.*}}[8]
// CHECK: %[[SERVICE:.*]] = llvm.getelementptr %{{.*}}[16]
// CHECK: llvm.call %{{.*}}(%arg0, %c0_i64
// CHECK: arith.ori
func.func @host(%x: !x {qnt.name = "x"}) -> (tensor<?xi64, #qnt.dims<[s]>> {qnt.name = "out"})
    attributes {qnt.symbols = [#qnt.symbol<"s", input = 0, axis = 0>]} {
  %0 = qnt.host_call "my" "Odd" (%x) {elements = [f32], positions = array<i64: 0, -1>, settings = "{\"axis\":1}"} : (!x) -> tensor<?xi64, #qnt.dims<[s]>> loc("odd")
  return %0 : tensor<?xi64, #qnt.dims<[s]>>
}
