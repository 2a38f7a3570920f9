// Half types are storage: signature and weights keep them, arithmetic is f32.
// RUN: qcc-opt %s --qcc-promote-half | FileCheck %s

!h = tensor<4x8xf16>
!b = tensor<4x8xbf16>
!f = tensor<4x8xf32>
!hw = tensor<6x8xf16>
!ho = tensor<4x6xf16>
qnt.weight @w : !hw = #qnt.file<"m.bin", 0, 96>

// CHECK-LABEL: func.func @half(%arg0: tensor<4x8xf16>) -> tensor<4x6xf16>
func.func @half(%x: !h) -> !ho {
  // CHECK-NEXT: %[[X:.*]] = qnt.cast %arg0 : (tensor<4x8xf16>) -> tensor<4x8xf32>
  // CHECK-NEXT: %[[U:.*]] = qnt.use @w : tensor<6x8xf16>
  // CHECK-NEXT: %[[W:.*]] = qnt.cast %[[U]] : (tensor<6x8xf16>) -> tensor<6x8xf32>
  // CHECK-NEXT: %[[L:.*]] = qnt.linear %[[X]], %[[W]] : {{.*}} -> tensor<4x6xf32>
  // CHECK-NEXT: %[[G:.*]] = qnt.gelu %[[L]] : (tensor<4x6xf32>) -> tensor<4x6xf32>
  // CHECK-NEXT: %[[Y:.*]] = qnt.cast %[[G]] : (tensor<4x6xf32>) -> tensor<4x6xf16>
  // CHECK-NEXT: return %[[Y]]
  %0 = qnt.use @w : !hw
  %1 = qnt.linear %x, %0 : (!h, !hw) -> !ho
  %2 = qnt.gelu %1 : (!ho) -> !ho
  return %2 : !ho
}

// Casts between a half type and f32 that the model had are gone; others give f32 at once.
// CHECK-LABEL: func.func @mixed
func.func @mixed(%x: !b, %y: !f, %i: tensor<4x8xi64>) -> (!f, !b) {
  // CHECK-NEXT: %[[X:.*]] = qnt.cast %arg0
  // CHECK-NEXT: %[[C:.*]] = qnt.constant dense<1.000000e+00> : tensor<bf16>
  // CHECK-NEXT: %[[CW:.*]] = qnt.cast %[[C]] : (tensor<bf16>) -> tensor<f32>
  // CHECK-NEXT: %[[A:.*]] = qnt.add %[[X]], %[[CW]]
  // CHECK-NEXT: %[[M:.*]] = qnt.mul %[[A]], %arg1
  // CHECK-NEXT: %[[I:.*]] = qnt.cast %arg2 : (tensor<4x8xi64>) -> tensor<4x8xf32>
  // CHECK-NEXT: %[[S:.*]] = qnt.add %[[M]], %[[I]]
  // CHECK-NEXT: %[[Y:.*]] = qnt.cast %[[S]] : (tensor<4x8xf32>) -> tensor<4x8xbf16>
  // CHECK-NEXT: return %[[M]], %[[Y]]
  %c = qnt.constant dense<1.0> : tensor<bf16>
  %0 = qnt.add %x, %c : (!b, tensor<bf16>) -> !b
  %1 = qnt.cast %0 : (!b) -> !f
  %2 = qnt.mul %1, %y : (!f, !f) -> !f
  %3 = qnt.cast %2 : (!f) -> !b
  %4 = qnt.cast %i : (tensor<4x8xi64>) -> !b
  %5 = qnt.add %3, %4 : (!b, !b) -> !b
  return %2, %5 : !f, !b
}

// Results of other types stay what they are.
// CHECK-LABEL: func.func @compare
func.func @compare(%x: !h, %y: !h) -> tensor<4x8xi1> {
  // CHECK: qnt.compare lt %{{.*}}, %{{.*}} : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xi1>
  %0 = qnt.compare lt %x, %y : (!h, !h) -> tensor<4x8xi1>
  return %0 : tensor<4x8xi1>
}

// No half types, or no reader: nothing is added.
// CHECK-LABEL: func.func @kept
func.func @kept(%x: !f, %unused: !h) -> !f {
  // CHECK-NOT: qnt.cast
  // CHECK: return
  %0 = qnt.exp %x : (!f) -> !f
  return %0 : !f
}

// The application sees the types that the model has.
// CHECK-LABEL: func.func @host
func.func @host(%x: !h) -> !h {
  // CHECK: %[[G:.*]] = qnt.gelu %{{.*}} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  // CHECK-NEXT: %[[H:.*]] = qnt.cast %[[G]] : (tensor<4x8xf32>) -> tensor<4x8xf16>
  // CHECK-NEXT: %[[O:.*]] = qnt.host_call "my" "Odd"(%[[H]]) {{.*}} : (tensor<4x8xf16>) -> tensor<4x8xf16>
  // CHECK-NEXT: qnt.cast %[[O]] : (tensor<4x8xf16>) -> tensor<4x8xf32>
  // CHECK-NEXT: qnt.gelu
  %0 = qnt.gelu %x : (!h) -> !h
  %1 = qnt.host_call "my" "Odd" (%0) {elements = [f16], positions = array<i64: 0>, settings = "{}"} : (!h) -> !h
  %2 = qnt.gelu %1 : (!h) -> !h
  return %2 : !h
}

// Scales of quantized weights keep their type, which is the scheme's; other readers see f32.
// CHECK-LABEL: func.func @scales
func.func @scales(%c: tensor<4x8xi8>) -> (!f, tensor<8x1xf32>) {
  // CHECK-NEXT: %[[S:.*]] = qnt.constant dense<5.000000e-01> : tensor<8x1xf16>
  // CHECK-NEXT: %[[W:.*]] = qnt.cast %[[S]] : (tensor<8x1xf16>) -> tensor<8x1xf32>
  // CHECK-NEXT: %[[T:.*]] = qnt.reshape %[[S]] : (tensor<8x1xf16>) -> tensor<4x2xf16>
  // CHECK-NEXT: %[[Q:.*]] = qnt.assemble %arg0, %[[T]] : (tensor<4x8xi8>, tensor<4x2xf16>)
  // CHECK-NEXT: %[[R:.*]] = qnt.dequantize %[[Q]]
  // CHECK-NEXT: return %[[R]], %[[W]]
  %s = qnt.constant dense<0.5> : tensor<8x1xf16>
  %0 = qnt.reshape %s : (tensor<8x1xf16>) -> tensor<4x2xf16>
  %1 = qnt.assemble %c, %0 : (tensor<4x8xi8>, tensor<4x2xf16>) -> !qnt.q<[4, 8], i8, block 1 x 4, scale f16>
  %2 = qnt.dequantize %1 : (!qnt.q<[4, 8], i8, block 1 x 4, scale f16>) -> !f
  %3 = qnt.cast %s : (tensor<8x1xf16>) -> tensor<8x1xf32>
  return %2, %3 : !f, tensor<8x1xf32>
}
