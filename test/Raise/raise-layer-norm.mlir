// Layer normalisation in the spellings of exporters.
// RUN: qcc-opt %s --qcc-raise-layer-norm --split-input-file --remarks-filter=raise --remark-format=emitRemark 2>%t.err | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK < %t.err

!x = tensor<2x?x4xf32, #qnt.dims<[2, s, 4]>>
!m = tensor<2x?x1xf32, #qnt.dims<[2, s, 1]>>

// CHECK-LABEL: @power_and_quotient
// CHECK-SAME: (%[[X:.*]]: tensor<2x?x4xf32
// REMARK: remark: [Passed] raise-layer-norm
func.func @power_and_quotient(%x: !x) -> !x {
  // CHECK-DAG: %[[G:.*]] = qnt.constant dense<[1.0{{.*}}, 2.0{{.*}}, 3.0{{.*}}, 4.0{{.*}}]>
  // CHECK-DAG: %[[B:.*]] = qnt.constant dense<[5.0{{.*}}, 6.0{{.*}}, 7.0{{.*}}, 8.0{{.*}}]>
  // CHECK: %[[N:.*]] = qnt.layer_norm %[[X]] gain %[[G]] bias %[[B]] {epsilon = {{9.99.*E-6|1.0.*e-05}} : f64}
  // CHECK-NEXT: return %[[N]]
  %two = qnt.constant dense<2.0> : tensor<f32>
  %eps = qnt.constant dense<1.0e-5> : tensor<1xf32>
  %gain = qnt.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
  %bias = qnt.constant dense<[5.0, 6.0, 7.0, 8.0]> : tensor<4xf32>
  %mean = qnt.reduce mean %x {axes = array<i64: 2>, keepDims = true} : (!x) -> !m
  %d = qnt.sub %x, %mean : (!x, !m) -> !x
  %sq = qnt.pow %d, %two : (!x, tensor<f32>) -> !x
  %var = qnt.reduce mean %sq {axes = array<i64: 2>, keepDims = true} : (!x) -> !m
  %0 = qnt.add %var, %eps : (!m, tensor<1xf32>) -> !m
  %1 = qnt.sqrt %0 : (!m) -> !m
  %2 = qnt.div %d, %1 : (!x, !m) -> !x
  %3 = qnt.mul %2, %gain : (!x, tensor<4xf32>) -> !x
  %4 = qnt.add %bias, %3 : (tensor<4xf32>, !x) -> !x
  return %4 : !x
}

// CHECK-LABEL: @product_and_reciprocal_root
func.func @product_and_reciprocal_root(%x: !x) -> !x {
  // CHECK: qnt.layer_norm %{{.*}} {epsilon = 5.0{{.*}} : f64}
  // CHECK-NEXT: return
  %eps = qnt.constant dense<0.5> : tensor<f32>
  %one = qnt.constant dense<1.0> : tensor<f32>
  %mean = qnt.reduce mean %x {axes = array<i64: 2>, keepDims = true} : (!x) -> !m
  %d = qnt.sub %x, %mean : (!x, !m) -> !x
  %mean2 = qnt.reduce mean %x {axes = array<i64: 2>, keepDims = true} : (!x) -> !m
  %d2 = qnt.sub %x, %mean2 : (!x, !m) -> !x
  %sq = qnt.mul %d2, %d2 : (!x, !x) -> !x
  %var = qnt.reduce mean %sq {axes = array<i64: 2>, keepDims = true} : (!x) -> !m
  %0 = qnt.add %eps, %var : (tensor<f32>, !m) -> !m
  %1 = qnt.sqrt %0 : (!m) -> !m
  %2 = qnt.div %one, %1 : (tensor<f32>, !m) -> !m
  %3 = qnt.mul %d, %2 : (!x, !m) -> !x
  return %3 : !x
}

// -----

!x = tensor<2x4xf32>
!m = tensor<1x4xf32>

// CHECK-LABEL: @first_axis
// REMARK: remark: [Missed] raise-layer-norm {{.*}}the mean is not over the last axis alone
func.func @first_axis(%x: !x) -> !x {
  // CHECK-NOT: qnt.layer_norm
  %eps = qnt.constant dense<0.5> : tensor<f32>
  %mean = qnt.reduce mean %x {axes = array<i64: 0>, keepDims = true} : (!x) -> !m
  %d = qnt.sub %x, %mean : (!x, !m) -> !x
  %sq = qnt.mul %d, %d : (!x, !x) -> !x
  %var = qnt.reduce mean %sq {axes = array<i64: 0>, keepDims = true} : (!x) -> !m
  %0 = qnt.add %eps, %var : (tensor<f32>, !m) -> !m
  %1 = qnt.sqrt %0 : (!m) -> !m
  %2 = qnt.div %d, %1 : (!x, !m) -> !x
  return %2 : !x
}

// -----

!x = tensor<2x4xf32>
!m = tensor<2x1xf32>

// CHECK-LABEL: @other_value
// REMARK: remark: [Missed] raise-layer-norm {{.*}}the centred value is not divided by its deviation
func.func @other_value(%x: !x, %y: !x) -> !x {
  // CHECK-NOT: qnt.layer_norm
  %eps = qnt.constant dense<0.5> : tensor<f32>
  %mean = qnt.reduce mean %x {axes = array<i64: 1>, keepDims = true} : (!x) -> !m
  %d = qnt.sub %x, %mean : (!x, !m) -> !x
  %sq = qnt.mul %y, %y : (!x, !x) -> !x
  %var = qnt.reduce mean %sq {axes = array<i64: 1>, keepDims = true} : (!x) -> !m
  %0 = qnt.add %eps, %var : (tensor<f32>, !m) -> !m
  %1 = qnt.sqrt %0 : (!m) -> !m
  %2 = qnt.div %d, %1 : (!x, !m) -> !x
  return %2 : !x
}
