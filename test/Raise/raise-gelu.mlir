// GELU in its three formulas, factors in any order.
// RUN: qcc-opt %s --qcc-raise-gelu --split-input-file --remarks-filter=raise --remark-format=emitRemark 2>%t.err | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK < %t.err

!x = tensor<4xf32>

// CHECK-LABEL: @erf
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>)
// REMARK: remark: [Passed] raise-gelu
func.func @erf(%x: !x) -> !x {
  // CHECK-NEXT: %[[G:.*]] = qnt.gelu %[[X]] : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK-NEXT: return %[[G]]
  %root = qnt.constant dense<1.41421354> : tensor<f32>
  %one = qnt.constant dense<1.0> : tensor<1xf32>
  %half = qnt.constant dense<0.5> : tensor<f32>
  %0 = qnt.div %x, %root : (!x, tensor<f32>) -> !x
  %1 = qnt.erf %0 : (!x) -> !x
  %2 = qnt.add %one, %1 : (tensor<1xf32>, !x) -> !x
  %3 = qnt.mul %x, %2 : (!x, !x) -> !x
  %4 = qnt.mul %3, %half : (!x, tensor<f32>) -> !x
  return %4 : !x
}

// CHECK-LABEL: @erf_of_a_product
func.func @erf_of_a_product(%x: !x) -> !x {
  // CHECK: qnt.gelu
  // CHECK-NEXT: return
  %root = qnt.constant dense<0.707106769> : tensor<f32>
  %one = qnt.constant dense<1.0> : tensor<f32>
  %half = qnt.constant dense<0.5> : tensor<f32>
  %0 = qnt.mul %x, %root : (!x, tensor<f32>) -> !x
  %1 = qnt.erf %0 : (!x) -> !x
  %2 = qnt.add %1, %one : (!x, tensor<f32>) -> !x
  %3 = qnt.mul %half, %x : (tensor<f32>, !x) -> !x
  %4 = qnt.mul %3, %2 : (!x, !x) -> !x
  return %4 : !x
}

// CHECK-LABEL: @tanh_with_power
func.func @tanh_with_power(%x: !x) -> !x {
  // CHECK-NEXT: qnt.gelu %{{.*}} {kind = #qnt<gelu_kind tanh>}
  // CHECK-NEXT: return
  %three = qnt.constant dense<3.0> : tensor<f32>
  %cubic = qnt.constant dense<0.044715> : tensor<f32>
  %root = qnt.constant dense<0.797884583> : tensor<f32>
  %one = qnt.constant dense<1.0> : tensor<f32>
  %half = qnt.constant dense<0.5> : tensor<f32>
  %0 = qnt.mul %x, %half : (!x, tensor<f32>) -> !x
  %1 = qnt.pow %x, %three : (!x, tensor<f32>) -> !x
  %2 = qnt.mul %1, %cubic : (!x, tensor<f32>) -> !x
  %3 = qnt.add %x, %2 : (!x, !x) -> !x
  %4 = qnt.mul %3, %root : (!x, tensor<f32>) -> !x
  %5 = qnt.tanh %4 : (!x) -> !x
  %6 = qnt.add %5, %one : (!x, tensor<f32>) -> !x
  %7 = qnt.mul %0, %6 : (!x, !x) -> !x
  return %7 : !x
}

// CHECK-LABEL: @tanh_with_products
func.func @tanh_with_products(%x: !x) -> !x {
  // CHECK-NEXT: qnt.gelu %{{.*}} {kind = #qnt<gelu_kind tanh>}
  // CHECK-NEXT: return
  %cubic = qnt.constant dense<0.044715> : tensor<f32>
  %root = qnt.constant dense<0.797884583> : tensor<f32>
  %one = qnt.constant dense<1.0> : tensor<f32>
  %half = qnt.constant dense<0.5> : tensor<f32>
  %0 = qnt.mul %x, %cubic : (!x, tensor<f32>) -> !x
  %1 = qnt.mul %0, %x : (!x, !x) -> !x
  %2 = qnt.add %one, %1 : (tensor<f32>, !x) -> !x
  %3 = qnt.mul %x, %root : (!x, tensor<f32>) -> !x
  %4 = qnt.mul %3, %2 : (!x, !x) -> !x
  %5 = qnt.tanh %4 : (!x) -> !x
  %6 = qnt.add %5, %one : (!x, tensor<f32>) -> !x
  %7 = qnt.mul %x, %6 : (!x, !x) -> !x
  %8 = qnt.mul %7, %half : (!x, tensor<f32>) -> !x
  return %8 : !x
}

// CHECK-LABEL: @sigmoid
func.func @sigmoid(%x: !x) -> !x {
  // CHECK-NEXT: qnt.gelu %{{.*}} {kind = #qnt<gelu_kind sigmoid>}
  // CHECK-NEXT: return
  %c = qnt.constant dense<1.702> : tensor<f32>
  %0 = qnt.mul %x, %c : (!x, tensor<f32>) -> !x
  %1 = qnt.sigmoid %0 : (!x) -> !x
  %2 = qnt.mul %1, %x : (!x, !x) -> !x
  return %2 : !x
}

// -----

!x = tensor<4xf32>

// CHECK-LABEL: @other_constant
// REMARK: remark: [Missed] raise-gelu {{.*}}erf is not of x / sqrt(2)
func.func @other_constant(%x: !x) -> !x {
  // CHECK-NOT: qnt.gelu
  %two = qnt.constant dense<2.0> : tensor<f32>
  %one = qnt.constant dense<1.0> : tensor<f32>
  %half = qnt.constant dense<0.5> : tensor<f32>
  %0 = qnt.div %x, %two : (!x, tensor<f32>) -> !x
  %1 = qnt.erf %0 : (!x) -> !x
  %2 = qnt.add %one, %1 : (tensor<f32>, !x) -> !x
  %3 = qnt.mul %x, %2 : (!x, !x) -> !x
  %4 = qnt.mul %3, %half : (!x, tensor<f32>) -> !x
  return %4 : !x
}

// -----

!x = tensor<4xf32>

// CHECK-LABEL: @other_factor
// REMARK: remark: [Missed] raise-gelu {{.*}}the factors around it are not those of GELU
func.func @other_factor(%x: !x, %y: !x) -> !x {
  // CHECK-NOT: qnt.gelu
  %root = qnt.constant dense<1.41421354> : tensor<f32>
  %one = qnt.constant dense<1.0> : tensor<f32>
  %half = qnt.constant dense<0.5> : tensor<f32>
  %0 = qnt.div %x, %root : (!x, tensor<f32>) -> !x
  %1 = qnt.erf %0 : (!x) -> !x
  %2 = qnt.add %one, %1 : (tensor<f32>, !x) -> !x
  %3 = qnt.mul %y, %2 : (!x, !x) -> !x
  %4 = qnt.mul %3, %half : (!x, tensor<f32>) -> !x
  return %4 : !x
}
