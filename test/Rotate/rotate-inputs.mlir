// RUN: qcc-opt %s --qcc-rotate-inputs | FileCheck %s
// RUN: qcc-opt %s --qcc-rotate-inputs --remarks-filter=rotate --remark-policy=all --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

qnt.weight @w : tensor<8x96xf32> = #qnt.file<"m.bin", 0, 3072>
qnt.weight @o : tensor<8x18xf32> = #qnt.file<"m.bin", 3072, 576>

!x = tensor<4x96xf32>

// 96 = 12 * 8; both layers read one rotation.
// CHECK-LABEL: func.func @gated
func.func @gated(%a: !x, %b: !x) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
  // CHECK: %[[Y:.*]] = qnt.mul
  // CHECK: qnt.reduce max
  // CHECK: %[[S:.*]] = qnt.select
  // CHECK: %[[V:.*]] = qnt.div %{{.*}}, %[[S]] : (tensor<8x96xf32>, tensor<96xf32>)
  // CHECK: %[[X:.*]] = qnt.mul %[[Y]], %[[S]]
  // CHECK: %[[R:.*]] = qnt.hadamard %[[X]] {axis = 1 : i64, block = 96 : i64}
  // CHECK-NEXT: %[[W:.*]] = qnt.hadamard %[[V]] {axis = 1 : i64, block = 96 : i64} : (tensor<8x96xf32>)
  // CHECK-NEXT: qnt.linear %[[R]], %[[W]]
  // CHECK: qnt.linear %[[R]]
  // REMARK: block=96, layers=2
  %w = qnt.use @w : tensor<8x96xf32>
  %0 = qnt.silu %a : (!x) -> !x
  %1 = qnt.mul %0, %b : (!x, !x) -> !x
  %2 = qnt.linear %1, %w : (!x, tensor<8x96xf32>) -> tensor<4x8xf32>
  %3 = qnt.linear %1, %w : (!x, tensor<8x96xf32>) -> tensor<4x8xf32>
  return %2, %3 : tensor<4x8xf32>, tensor<4x8xf32>
}

// CHECK-LABEL: func.func @refused
func.func @refused(%x: !x, %v: tensor<8x96xf32>, %y: tensor<4x18xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>) {
  // REMARK-DAG: Reason="the input comes from no product, activation or attention"
  %w = qnt.use @w : tensor<8x96xf32>
  %o = qnt.use @o : tensor<8x18xf32>
  %0 = qnt.linear %x, %w : (!x, tensor<8x96xf32>) -> tensor<4x8xf32>
  // REMARK-DAG: Reason="the weight is computed, came quantized or is not of f32"
  %1 = qnt.gelu %x : (!x) -> !x
  %2 = qnt.linear %1, %v : (!x, tensor<8x96xf32>) -> tensor<4x8xf32>
  // REMARK-DAG: Reason="the input is rotated already"
  // CHECK: qnt.hadamard %{{.*}} {axis = 1 : i64, block = 32 : i64}
  // CHECK-NOT: qnt.hadamard
  %3 = qnt.hadamard %w {axis = 1 : i64, block = 32 : i64} : (tensor<8x96xf32>) -> tensor<8x96xf32>
  %4 = qnt.linear %1, %3 : (!x, tensor<8x96xf32>) -> tensor<4x8xf32>
  // REMARK-DAG: Reason="no large Hadamard matrix divides the channels"
  %5 = qnt.gelu %y : (tensor<4x18xf32>) -> tensor<4x18xf32>
  %6 = qnt.linear %5, %o : (tensor<4x18xf32>, tensor<8x18xf32>) -> tensor<4x8xf32>
  return %0, %2, %4, %6 : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>
}
