// Constant factors, biases and flattened rows.
// RUN: qcc-opt %s --qcc-raise-linear --split-input-file --remarks-filter=raise --remark-format=emitRemark 2>%t.err | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK < %t.err

qnt.weight @w : tensor<3x4xf32> = #qnt.file<"m.bin", 0, 48>

// CHECK-LABEL: @bias
// CHECK-SAME: (%[[X:.*]]: tensor<2x5x4xf32>)
// REMARK: remark: [Passed] raise-linear
func.func @bias(%x: tensor<2x5x4xf32>) -> tensor<2x5x3xf32> {
  // CHECK-DAG: %[[W:.*]] = qnt.use @w
  // CHECK-DAG: %[[B:.*]] = qnt.constant dense<[1.0
  // CHECK: %[[L:.*]] = qnt.linear %[[X]], %[[W]], %[[B]] : {{.*}} -> tensor<2x5x3xf32>
  // CHECK-NEXT: return %[[L]]
  %w = qnt.use @w : tensor<3x4xf32>
  %b = qnt.constant dense<[[1.0, 2.0, 3.0]]> : tensor<1x3xf32>
  %b1 = qnt.reshape %b : (tensor<1x3xf32>) -> tensor<1x1x3xf32>
  %0 = qnt.linear %x, %w : (tensor<2x5x4xf32>, tensor<3x4xf32>) -> tensor<2x5x3xf32>
  %c = qnt.constant dense<[1.0, 2.0, 3.0]> : tensor<3xf32>
  %1 = qnt.add %c, %0 : (tensor<3xf32>, tensor<2x5x3xf32>) -> tensor<2x5x3xf32>
  return %1 : tensor<2x5x3xf32>
}

// CHECK-LABEL: @matmul
func.func @matmul(%x: tensor<2x5x4xf32>) -> tensor<2x5x3xf32> {
  // CHECK: %[[W:.*]] = qnt.use @w
  // CHECK: qnt.linear %{{.*}}, %[[W]] :
  // CHECK-NEXT: return
  %w = qnt.use @w : tensor<3x4xf32>
  %t = qnt.transpose %w {permutation = array<i64: 1, 0>} : (tensor<3x4xf32>) -> tensor<4x3xf32>
  %0 = qnt.matmul %x, %t : (tensor<2x5x4xf32>, tensor<4x3xf32>) -> tensor<2x5x3xf32>
  return %0 : tensor<2x5x3xf32>
}

// Codes of one scale do not depend on the shape.
// CHECK-LABEL: @codes_behind_a_reshape
func.func @codes_behind_a_reshape(%x: tensor<2x5x4xf32>) -> tensor<10x3xf32> {
  // CHECK: %[[R:.*]] = qnt.reshape %arg0 : (tensor<2x5x4xf32>) -> tensor<10x4xf32>
  // CHECK: %[[Q:.*]] = qnt.quantize_static %[[R]] {scale = 5.000000e-01 : f32} {{.*}} -> !qnt.q<[10, 4], f8e4m3fn, token, scale f32>
  // CHECK: %[[D:.*]] = qnt.dequantize %[[Q]]
  // CHECK: qnt.linear %[[D]], %{{.*}} -> tensor<10x3xf32>
  %w = qnt.use @w : tensor<3x4xf32>
  %q = qnt.quantize_static %x {scale = 0.5 : f32} : (tensor<2x5x4xf32>) -> !qnt.q<[2, 5, 4], f8e4m3fn, token, scale f32>
  %d = qnt.dequantize %q : (!qnt.q<[2, 5, 4], f8e4m3fn, token, scale f32>) -> tensor<2x5x4xf32>
  %0 = qnt.reshape %d : (tensor<2x5x4xf32>) -> tensor<10x4xf32>
  %1 = qnt.linear %0, %w : (tensor<10x4xf32>, tensor<3x4xf32>) -> tensor<10x3xf32>
  return %1 : tensor<10x3xf32>
}

// CHECK-LABEL: @flattened
// CHECK-SAME: (%[[X:.*]]: tensor<2x5x4xf32>)
func.func @flattened(%x: tensor<2x5x4xf32>) -> tensor<2x5x3xf32> {
  // CHECK: %[[L:.*]] = qnt.linear %[[X]], %{{.*}} -> tensor<2x5x3xf32>
  // CHECK-NEXT: return %[[L]]
  %w = qnt.use @w : tensor<3x4xf32>
  %0 = qnt.reshape %x : (tensor<2x5x4xf32>) -> tensor<10x4xf32>
  %1 = qnt.linear %0, %w : (tensor<10x4xf32>, tensor<3x4xf32>) -> tensor<10x3xf32>
  %2 = qnt.reshape %1 : (tensor<10x3xf32>) -> tensor<2x5x3xf32>
  return %2 : tensor<2x5x3xf32>
}

// -----

// CHECK-LABEL: @computed
// REMARK: remark: [Missed] raise-linear {{.*}}the vector added to it is computed
func.func @computed(%x: tensor<5x4xf32>, %w: tensor<3x4xf32>, %b: tensor<3xf32>) -> tensor<5x3xf32> {
  // CHECK: qnt.linear %{{.*}}, %{{.*}} : (tensor<5x4xf32>, tensor<3x4xf32>)
  // CHECK: qnt.add
  %0 = qnt.linear %x, %w : (tensor<5x4xf32>, tensor<3x4xf32>) -> tensor<5x3xf32>
  %1 = qnt.add %0, %b : (tensor<5x3xf32>, tensor<3xf32>) -> tensor<5x3xf32>
  return %1 : tensor<5x3xf32>
}

// -----

// CHECK-LABEL: @read_before
// REMARK: remark: [Missed] raise-linear {{.*}}the product is read before the sum
func.func @read_before(%x: tensor<5x4xf32>, %w: tensor<3x4xf32>) -> (tensor<5x3xf32>, tensor<5x3xf32>) {
  // CHECK: qnt.add
  %b = qnt.constant dense<[1.0, 2.0, 3.0]> : tensor<3xf32>
  %0 = qnt.linear %x, %w : (tensor<5x4xf32>, tensor<3x4xf32>) -> tensor<5x3xf32>
  %1 = qnt.add %0, %b : (tensor<5x3xf32>, tensor<3xf32>) -> tensor<5x3xf32>
  return %0, %1 : tensor<5x3xf32>, tensor<5x3xf32>
}

// -----

// A residual is no bias, and nothing to remark on.
// CHECK-LABEL: @residual
// REMARK-NOT: raise-linear
func.func @residual(%x: tensor<5x4xf32>, %w: tensor<3x4xf32>, %r: tensor<5x3xf32>) -> tensor<5x3xf32> {
  // CHECK: qnt.add
  %0 = qnt.linear %x, %w : (tensor<5x4xf32>, tensor<3x4xf32>) -> tensor<5x3xf32>
  %1 = qnt.add %0, %r : (tensor<5x3xf32>, tensor<5x3xf32>) -> tensor<5x3xf32>
  return %1 : tensor<5x3xf32>
}
