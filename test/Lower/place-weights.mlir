// The section holds what launches read, in the order they read it, 64-byte aligned.
// RUN: qcc-opt %s --qcc-place-weights | FileCheck %s

!m = tensor<4x6xf32>
!codes = !qnt.q<[100, 100], i8, axis 0, scale f32>

// Constants are weights whose recipe is the constant; equal ones are one.
// CHECK-DAG: qnt.weight @constant : tensor<2xi64> {
// CHECK-DAG: qnt.weight @constant_0 : tensor<0xf32> {
// CHECK-DAG: qnt.weight @second : tensor<4x6xf32> = #qnt.file
qnt.weight @second : !m = #qnt.file<"m.bin", 96, 96>
qnt.weight @first : tensor<5xf32> = #qnt.file<"m.bin", 0, 20>
qnt.weight @source : tensor<100x100xf32> = #qnt.file<"m.bin", 192, 40000>
qnt.weight @derived : !codes {
  %0 = qnt.use @source : tensor<100x100xf32>
  %1 = qnt.quantize %0 : (tensor<100x100xf32>) -> !codes
  qnt.yield %1 : !codes
}
qnt.kernel @k "map" dims 0 {
^bb0(%a: tensor<5xf32>, %b: !m, %c: tensor<2xi64>, %d: tensor<0xf32>, %e: !codes):
  qnt.yield
}

// CHECK-LABEL: func.func @f
func.func @f() {
  // CHECK-NOT: qnt.constant
  // CHECK: %[[A:.*]] = qnt.use @first
  // CHECK-NEXT: %[[C:.*]] = qnt.use @constant : tensor<2xi64>
  // CHECK-NEXT: %[[B:.*]] = qnt.use @second
  // CHECK-NEXT: %[[D:.*]] = qnt.use @constant_0
  // CHECK-NEXT: %[[E:.*]] = qnt.use @derived
  // CHECK-NEXT: qnt.launch @k <[]>(%[[A]], %[[B]], %[[C]], %[[D]], %[[E]])
  %a = qnt.use @first : tensor<5xf32>
  %c = qnt.constant dense<[1, 2]> : tensor<2xi64>
  %b = qnt.use @second : !m
  %d = qnt.constant dense<> : tensor<0xf32>
  %e = qnt.use @derived : !codes
  qnt.launch @k <[]>(%a, %b, %c, %d, %e) : (tensor<5xf32>, !m, tensor<2xi64>, tensor<0xf32>, !codes) -> ()
  return
}

// Entry points share places.
// CHECK-LABEL: func.func @g
func.func @g() {
  // CHECK-NEXT: qnt.use @constant
  // CHECK-NEXT: qnt.use @second
  %c = qnt.constant dense<[1, 2]> : tensor<2xi64>
  %b = qnt.use @second : !m
  return
}

// An empty tensor still has an address of its own; only recipes read @source, so it gets no place.
// Codes lie before their scales: 10000 bytes, then 400, each padded to 64.
// CHECK: qnt.section [@first, @constant, @second, @constant_0, @derived] at [0, 64, 128, 256, 320] bytes 10816
