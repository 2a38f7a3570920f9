// Root mean square normalisation, also in a wider type between casts.
// RUN: qcc-opt %s --qcc-raise-rms-norm --split-input-file --remarks-filter=raise --remark-format=emitRemark 2>%t.err | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK < %t.err

!x = tensor<2x4xf32>
!m = tensor<2x1xf32>
!h = tensor<2x4xf16>

// CHECK-LABEL: @reciprocal
// CHECK-SAME: (%[[X:.*]]: tensor<2x4xf32>)
// REMARK: remark: [Passed] raise-rms-norm
func.func @reciprocal(%x: !x) -> !x {
  // CHECK: %[[G:.*]] = qnt.constant
  // CHECK-NEXT: %[[N:.*]] = qnt.rms_norm %[[X]], %[[G]] {epsilon = 5.0{{.*}} : f64}
  // CHECK-NEXT: return %[[N]]
  %two = qnt.constant dense<2.0> : tensor<f32>
  %eps = qnt.constant dense<0.5> : tensor<f32>
  %gain = qnt.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
  %sq = qnt.pow %x, %two : (!x, tensor<f32>) -> !x
  %mean = qnt.reduce mean %sq {axes = array<i64: 1>, keepDims = true} : (!x) -> !m
  %0 = qnt.add %mean, %eps : (!m, tensor<f32>) -> !m
  %1 = qnt.sqrt %0 : (!m) -> !m
  %2 = qnt.reciprocal %1 : (!m) -> !m
  %3 = qnt.mul %x, %2 : (!x, !m) -> !x
  %4 = qnt.mul %gain, %3 : (tensor<4xf32>, !x) -> !x
  return %4 : !x
}

// CHECK-LABEL: @between_casts
// CHECK-SAME: (%[[X:.*]]: tensor<2x4xf16>)
func.func @between_casts(%h: !h) -> !h {
  // CHECK: %[[N:.*]] = qnt.rms_norm %[[X]], %{{.*}} : (tensor<2x4xf16>, tensor<4xf16>) -> tensor<2x4xf16>
  // CHECK-NEXT: return %[[N]]
  %power = qnt.constant dense<-0.5> : tensor<f32>
  %eps = qnt.constant dense<0.5> : tensor<f32>
  %gain = qnt.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf16>
  %x = qnt.cast %h : (!h) -> !x
  %sq = qnt.mul %x, %x : (!x, !x) -> !x
  %mean = qnt.reduce mean %sq {axes = array<i64: 1>, keepDims = true} : (!x) -> !m
  %0 = qnt.add %mean, %eps : (!m, tensor<f32>) -> !m
  %1 = qnt.pow %0, %power : (!m, tensor<f32>) -> !m
  %2 = qnt.mul %x, %1 : (!x, !m) -> !x
  %3 = qnt.cast %2 : (!x) -> !h
  %4 = qnt.mul %3, %gain : (!h, tensor<4xf16>) -> !h
  return %4 : !h
}

// -----

!x = tensor<2x4xf32>
!m = tensor<2x1xf32>

// CHECK-LABEL: @another_value
// REMARK: remark: [Missed] raise-rms-norm {{.*}}the mean square divides no value that was squared
func.func @another_value(%x: !x, %y: !x) -> !x {
  // CHECK-NOT: qnt.rms_norm
  %sq = qnt.mul %x, %x : (!x, !x) -> !x
  %mean = qnt.reduce mean %sq {axes = array<i64: 1>, keepDims = true} : (!x) -> !m
  %0 = qnt.sqrt %mean : (!m) -> !m
  %1 = qnt.div %y, %0 : (!x, !m) -> !x
  return %1 : !x
}

// -----

!x = tensor<2x4xf32>
!m = tensor<2x1xf32>

// CHECK-LABEL: @gain_of_a_row
func.func @gain_of_a_row(%x: !x, %g: !m) -> !x {
  // CHECK: %[[N:.*]] = qnt.rms_norm %{{.*}} {epsilon = 0.0{{.*}} : f64}
  // CHECK-NEXT: qnt.mul %[[N]]
  %sq = qnt.mul %x, %x : (!x, !x) -> !x
  %mean = qnt.reduce mean %sq {axes = array<i64: 1>, keepDims = true} : (!x) -> !m
  %0 = qnt.sqrt %mean : (!m) -> !m
  %1 = qnt.div %x, %0 : (!x, !m) -> !x
  %2 = qnt.mul %1, %g : (!x, !m) -> !x
  return %2 : !x
}
