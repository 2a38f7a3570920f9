// Quantization that is taken back at once needs no bytes between.
// RUN: qcc-opt %s --qcc-drop-casts --split-input-file | FileCheck %s

!x = tensor<4xf32>

// QuantizeLinear and DequantizeLinear with zero point 104: bounds 0 - 104 and 255 - 104.
// CHECK-LABEL: func.func @pair
func.func @pair(%x: !x) -> !x {
  // CHECK: %[[S:.*]] = qnt.constant dense<2.5
  // CHECK: %[[D:.*]] = qnt.div %arg0, %[[S]]
  // CHECK-NEXT: %[[R:.*]] = qnt.round %[[D]]
  // CHECK: %[[L:.*]] = qnt.constant dense<-1.040000e+02>
  // CHECK: %[[A:.*]] = qnt.max %[[R]], %[[L]]
  // CHECK: %[[H:.*]] = qnt.constant dense<1.510000e+02>
  // CHECK: %[[B:.*]] = qnt.min %[[A]], %[[H]]
  // CHECK-NEXT: %[[M:.*]] = qnt.mul %[[B]], %[[S]]
  // CHECK-NEXT: return %[[M]]
  %s = qnt.constant dense<2.5> : tensor<f32>
  %z = qnt.constant dense<104.0> : tensor<f32>
  %low = qnt.constant dense<0.0> : tensor<f32>
  %high = qnt.constant dense<255.0> : tensor<f32>
  %zi = qnt.constant dense<104> : tensor<i32>
  %0 = qnt.div %x, %s : (!x, tensor<f32>) -> !x
  %1 = qnt.round %0 : (!x) -> !x
  %2 = qnt.add %1, %z : (!x, tensor<f32>) -> !x
  %3 = qnt.max %2, %low : (!x, tensor<f32>) -> !x
  %4 = qnt.min %3, %high : (!x, tensor<f32>) -> !x
  %5 = qnt.cast %4 : (!x) -> tensor<4xui8>
  %6 = qnt.cast %5 : (tensor<4xui8>) -> tensor<4xi32>
  %7 = qnt.sub %6, %zi : (tensor<4xi32>, tensor<i32>) -> tensor<4xi32>
  %8 = qnt.cast %7 : (tensor<4xi32>) -> !x
  %9 = qnt.mul %8, %s : (!x, tensor<f32>) -> !x
  return %9 : !x
}

// -----

!x = tensor<4xf32>

// A zero point that is computed stays where it is; the casts go.
// CHECK-LABEL: func.func @computed
func.func @computed(%x: !x, %z: tensor<ui8>) -> !x {
  // CHECK: %[[Z:.*]] = qnt.cast %arg1
  // CHECK: qnt.add
  // CHECK-NEXT: qnt.max
  // CHECK-NEXT: %[[B:.*]] = qnt.min
  // CHECK-NEXT: %[[D:.*]] = qnt.sub %[[B]], %[[Z]]
  // CHECK-NEXT: return %[[D]]
  %low = qnt.constant dense<0.0> : tensor<f32>
  %high = qnt.constant dense<255.0> : tensor<f32>
  %zf = qnt.cast %z : (tensor<ui8>) -> tensor<f32>
  %0 = qnt.round %x : (!x) -> !x
  %1 = qnt.add %0, %zf : (!x, tensor<f32>) -> !x
  %2 = qnt.max %1, %low : (!x, tensor<f32>) -> !x
  %3 = qnt.min %2, %high : (!x, tensor<f32>) -> !x
  %4 = qnt.cast %3 : (!x) -> tensor<4xui8>
  %5 = qnt.cast %4 : (tensor<4xui8>) -> !x
  %6 = qnt.sub %5, %zf : (!x, tensor<f32>) -> !x
  return %6 : !x
}

// -----

!x = tensor<4xf32>

// The cast takes a fraction off here, wraps there.
// CHECK-LABEL: func.func @needed
// CHECK-COUNT-4: qnt.cast
// CHECK: return
func.func @needed(%x: !x) -> (!x, !x) {
  %low = qnt.constant dense<0.0> : tensor<f32>
  %high = qnt.constant dense<256.0> : tensor<f32>
  %0 = qnt.max %x, %low : (!x, tensor<f32>) -> !x
  %1 = qnt.min %0, %high : (!x, tensor<f32>) -> !x
  %2 = qnt.cast %1 : (!x) -> tensor<4xi16>
  %3 = qnt.cast %2 : (tensor<4xi16>) -> !x
  %4 = qnt.round %x : (!x) -> !x
  %5 = qnt.max %4, %low : (!x, tensor<f32>) -> !x
  %6 = qnt.min %5, %high : (!x, tensor<f32>) -> !x
  %7 = qnt.cast %6 : (!x) -> tensor<4xui8>
  %8 = qnt.cast %7 : (tensor<4xui8>) -> !x
  return %3, %8 : !x, !x
}
