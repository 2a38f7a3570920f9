// Folds: rewrites that need nothing but the op and the definitions of its operands.
// RUN: qcc-opt %s --canonicalize | FileCheck %s

!m = tensor<2x6xf32>

// CHECK-LABEL: @reshape
// CHECK-SAME: (%[[X:.*]]: tensor<2x6xf32>)
func.func @reshape(%x: !m) -> (!m, tensor<12xf32>) {
  // CHECK-NEXT: %[[FLAT:.*]] = qnt.reshape %[[X]] : (tensor<2x6xf32>) -> tensor<12xf32>
  // CHECK-NEXT: return %[[X]], %[[FLAT]]
  %0 = qnt.reshape %x : (!m) -> !m
  %1 = qnt.reshape %x : (!m) -> tensor<3x4xf32>
  %2 = qnt.reshape %1 : (tensor<3x4xf32>) -> tensor<12xf32>
  return %0, %2 : !m, tensor<12xf32>
}

// CHECK-LABEL: @transpose
// CHECK-SAME: (%[[X:.*]]: tensor<2x3x4xf32>)
func.func @transpose(%x: tensor<2x3x4xf32>) -> (tensor<2x3x4xf32>, tensor<3x4x2xf32>) {
  // CHECK-NEXT: %[[T:.*]] = qnt.transpose %[[X]] {permutation = array<i64: 1, 2, 0>}
  // CHECK-NEXT: return %[[X]], %[[T]]
  %0 = qnt.transpose %x {permutation = array<i64: 0, 1, 2>} : (tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %1 = qnt.transpose %x {permutation = array<i64: 1, 0, 2>} : (tensor<2x3x4xf32>) -> tensor<3x2x4xf32>
  %2 = qnt.transpose %1 {permutation = array<i64: 0, 2, 1>} : (tensor<3x2x4xf32>) -> tensor<3x4x2xf32>
  return %0, %2 : tensor<2x3x4xf32>, tensor<3x4x2xf32>
}

// CHECK-LABEL: @trivial
// CHECK-SAME: (%[[X:.*]]: tensor<2x6xf32>)
func.func @trivial(%x: !m) -> (!m, !m, !m) {
  // CHECK-NEXT: return %[[X]], %[[X]], %[[X]]
  %0 = qnt.broadcast %x : (!m) -> !m
  %1 = qnt.slice %x {starts = #qnt.dims<[0, 0]>, steps = array<i64: 1, 1>} : (!m) -> !m
  %2 = qnt.concat %x {axis = 1 : i64} : (!m) -> !m
  return %0, %1, %2 : !m, !m, !m
}

// CHECK-LABEL: @kept
func.func @kept(%x: !m) -> (!m, tensor<2x3xf32>) {
  // A reversal has the type of its operand and is still work.
  // CHECK: qnt.slice
  %0 = qnt.slice %x {starts = #qnt.dims<[0, 5]>, steps = array<i64: 1, -1>} : (!m) -> !m
  // CHECK: qnt.slice
  %1 = qnt.slice %x {starts = #qnt.dims<[0, 3]>, steps = array<i64: 1, 1>} : (!m) -> tensor<2x3xf32>
  return %0, %1 : !m, tensor<2x3xf32>
}

// CHECK-LABEL: @constants
func.func @constants() -> (tensor<2xf32>, tensor<2xf32>) {
  // Equal constants are one.
  // CHECK-NEXT: %[[C:.*]] = qnt.constant
  // CHECK-NEXT: return %[[C]], %[[C]]
  %0 = qnt.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %1 = qnt.constant dense<[1.0, 2.0]> : tensor<2xf32>
  return %0, %1 : tensor<2xf32>, tensor<2xf32>
}

// A rotation and its inverse vanish; another block or axis does not undo it.
// CHECK-LABEL: @hadamard
// CHECK-SAME: (%[[X:.*]]: tensor<4x8xf32>)
func.func @hadamard(%x: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
  // CHECK-NEXT: %[[H:.*]] = qnt.hadamard %[[X]]
  // CHECK-NEXT: %[[R:.*]] = qnt.hadamard %[[H]]
  // CHECK-NEXT: return %[[X]], %[[R]]
  %0 = qnt.hadamard %x {axis = 1 : i64, block = 8 : i64, seed = 1 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %1 = qnt.hadamard %0 {axis = 1 : i64, block = 8 : i64, seed = 1 : i64, inverse = true} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %2 = qnt.hadamard %0 {axis = 1 : i64, block = 4 : i64, seed = 1 : i64, inverse = true} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %1, %2 : tensor<4x8xf32>, tensor<4x8xf32>
}
