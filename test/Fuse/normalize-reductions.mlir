// Row kernels know one form: the last axis, kept with size one.
// RUN: qcc-opt %s --qcc-normalize-reductions | FileCheck %s

!x = tensor<2x?x8xf32, #qnt.dims<[2, s, 8]>>
!keep = tensor<2x?x1xf32, #qnt.dims<[2, s, 1]>>
!drop = tensor<2x?xf32, #qnt.dims<[2, s]>>
!outer = tensor<1x?x1xf32, #qnt.dims<[1, s, 1]>>

// That form already: nothing is added.
// CHECK-LABEL: func.func @last
func.func @last(%x: !x) -> !keep {
  // CHECK-NEXT: %[[R:.*]] = qnt.reduce mean %arg0 {axes = array<i64: 2>, keepDims = true}
  // CHECK-NEXT: return %[[R]]
  %0 = qnt.reduce mean %x {axes = array<i64: 2>, keepDims = true} : (!x) -> !keep
  return %0 : !keep
}

// CHECK-LABEL: func.func @dropped
func.func @dropped(%x: !x) -> !drop {
  // CHECK-NEXT: %[[R:.*]] = qnt.reduce sum %arg0 {axes = array<i64: 2>, keepDims = true}
  // CHECK-NEXT: qnt.reshape %[[R]] {{.*}} -> tensor<2x?xf32, #qnt.dims<[2, s]>>
  %0 = qnt.reduce sum %x {axes = array<i64: 2>, keepDims = false} : (!x) -> !drop
  return %0 : !drop
}

// Two axes with one between them: brought last, then made one of 2 * 8 elements.
// CHECK-LABEL: func.func @outer
func.func @outer(%x: !x) -> !outer {
  // CHECK-NEXT: %[[T:.*]] = qnt.transpose %arg0 {permutation = array<i64: 1, 0, 2>}
  // CHECK-NEXT: %[[M:.*]] = qnt.reshape %[[T]] {{.*}} -> tensor<?x16xf32, #qnt.dims<[s, 16]>>
  // CHECK-NEXT: %[[R:.*]] = qnt.reduce max %[[M]] {axes = array<i64: 1>, keepDims = true}
  // CHECK-NEXT: qnt.reshape %[[R]] {{.*}} -> tensor<1x?x1xf32, #qnt.dims<[1, s, 1]>>
  %0 = qnt.reduce max %x {axes = array<i64: 0, 2>, keepDims = true} : (!x) -> !outer
  return %0 : !outer
}

// Axes in order need no transpose.
// CHECK-LABEL: func.func @all
func.func @all(%x: !x) -> tensor<f32> {
  // CHECK-NEXT: %[[M:.*]] = qnt.reshape %arg0 {{.*}} -> tensor<?xf32, #qnt.dims<[16 * s]>>
  // CHECK-NEXT: %[[R:.*]] = qnt.reduce sum %[[M]] {axes = array<i64: 0>, keepDims = true}
  // CHECK-NEXT: qnt.reshape %[[R]] {{.*}} -> tensor<f32>
  %0 = qnt.reduce sum %x {axes = array<i64: 0, 1, 2>, keepDims = false} : (!x) -> tensor<f32>
  return %0 : tensor<f32>
}

// No axes: each element is a row, since l1 still takes its absolute value.
// CHECK-LABEL: func.func @none
func.func @none(%x: !x) -> !x {
  // CHECK-NEXT: %[[M:.*]] = qnt.reshape %arg0 {{.*}} -> tensor<2x?x8x1xf32, #qnt.dims<[2, s, 8, 1]>>
  // CHECK-NEXT: qnt.reduce l1 %[[M]] {axes = array<i64: 3>, keepDims = true}
  %0 = qnt.reduce l1 %x {axes = array<i64>, keepDims = true} : (!x) -> !x
  return %0 : !x
}

// The largest of all is the largest of the rows' largest.
// CHECK-LABEL: func.func @largest
func.func @largest(%x: !x) -> tensor<f32> {
  // CHECK-NEXT: %[[R:.*]] = qnt.reduce max %arg0 {axes = array<i64: 2>, keepDims = true} {{.*}} -> tensor<2x?x1xf32, #qnt.dims<[2, s, 1]>>
  // CHECK-NEXT: %[[M:.*]] = qnt.reshape %[[R]] {{.*}} -> tensor<?xf32, #qnt.dims<[2 * s]>>
  // CHECK-NEXT: %[[A:.*]] = qnt.reduce max %[[M]] {axes = array<i64: 0>, keepDims = true}
  // CHECK-NEXT: qnt.reshape %[[A]] {{.*}} -> tensor<f32>
  %0 = qnt.reduce max %x {axes = array<i64: 0, 1, 2>, keepDims = false} : (!x) -> tensor<f32>
  return %0 : tensor<f32>
}
