// RUN: qcc-opt %s --qcc-hoist-weights | FileCheck %s
// RUN: qcc-opt %s --qcc-hoist-weights --remarks-filter=quantize --remark-policy=all --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// A chain of ops over a weight is one recipe; an equal one is the same weight.
// Nothing reads @dead and @inner any more.
// CHECK-NOT: @dead
// CHECK-NOT: @inner
// CHECK: qnt.weight @w : tensor<64x40xf32> = #qnt.file<"m.bin", 0, 10240>
qnt.weight @w : tensor<64x40xf32> = #qnt.file<"m.bin", 0, 10240>
qnt.weight @dead : tensor<64x40xf32> = #qnt.file<"m.bin", 10240, 10240>

// A recipe that reads a recipe takes in its ops.
// CHECK: qnt.weight @outer : tensor<64x40xf32> {
// CHECK-NEXT: qnt.use @w
// CHECK-NEXT: qnt.neg
// CHECK-NEXT: qnt.abs
qnt.weight @inner : tensor<64x40xf32> {
  %0 = qnt.use @w : tensor<64x40xf32>
  %1 = qnt.neg %0 : (tensor<64x40xf32>) -> tensor<64x40xf32>
  qnt.yield %1 : tensor<64x40xf32>
}
qnt.weight @outer : tensor<64x40xf32> {
  %0 = qnt.use @inner : tensor<64x40xf32>
  %1 = qnt.abs %0 : (tensor<64x40xf32>) -> tensor<64x40xf32>
  qnt.yield %1 : tensor<64x40xf32>
}

// CHECK: qnt.weight @w.transpose : tensor<40x64xf32> {
// CHECK-NOT: qnt.weight
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<2x64xf32>) -> (tensor<2x40xf32>, tensor<2x40xf32>) {
  // CHECK: %[[T:.*]] = qnt.use @w.transpose
  // CHECK: qnt.linear %arg0, %[[T]]
  // REMARK: remark: {{.*}}hoist-weights
  // REMARK-SAME: weight=w.transpose
  %0 = qnt.use @w : tensor<64x40xf32>
  %1 = qnt.transpose %0 {permutation = array<i64: 1, 0>} : (tensor<64x40xf32>) -> tensor<40x64xf32>
  %2 = qnt.linear %x, %1 : (tensor<2x64xf32>, tensor<40x64xf32>) -> tensor<2x40xf32>
  %3 = qnt.use @w : tensor<64x40xf32>
  %4 = qnt.transpose %3 {permutation = array<i64: 1, 0>} : (tensor<64x40xf32>) -> tensor<40x64xf32>
  %outer = qnt.use @outer : tensor<64x40xf32>
  %5 = qnt.linear %2, %outer : (tensor<2x40xf32>, tensor<64x40xf32>) -> tensor<2x64xf32>
  %6 = qnt.linear %5, %4 : (tensor<2x64xf32>, tensor<40x64xf32>) -> tensor<2x40xf32>
  return %2, %6 : tensor<2x40xf32>, tensor<2x40xf32>
}

// CHECK: qnt.weight @w.q8 : !qnt.q<[40, 64], i8, axis 0, scale f32> {
// CHECK-LABEL: func.func @codes
func.func @codes(%x: !qnt.q<[2, 64], i8, token, scale f32>) -> tensor<2x40xf32> {
  // CHECK-NEXT: %[[Q:.*]] = qnt.use @w.q8
  // CHECK-NEXT: qnt.qlinear %arg0, %[[Q]]
  %0 = qnt.use @w : tensor<64x40xf32>
  %1 = qnt.transpose %0 {permutation = array<i64: 1, 0>} : (tensor<64x40xf32>) -> tensor<40x64xf32>
  %2 = qnt.quantize %1 : (tensor<40x64xf32>) -> !qnt.q<[40, 64], i8, axis 0, scale f32>
  %3 = qnt.qlinear %x, %2 : (!qnt.q<[2, 64], i8, token, scale f32>, !qnt.q<[40, 64], i8, axis 0, scale f32>) -> tensor<2x40xf32>
  return %3 : tensor<2x40xf32>
}

// Small values of constants become constants.
// CHECK-LABEL: func.func @folds
func.func @folds(%x: tensor<2x2xf32>) -> tensor<2x2xf32> {
  // CHECK-NEXT: %[[C:.*]] = qnt.constant dense<{{\[\[}}2.000000e+00, 4.000000e+00], [3.000000e+00, 5.000000e+00]]>
  // CHECK-NEXT: qnt.add %arg0, %[[C]]
  // REMARK: folded=16
  %0 = qnt.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  %1 = qnt.constant dense<1.0> : tensor<f32>
  %2 = qnt.transpose %0 {permutation = array<i64: 1, 0>} : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %3 = qnt.add %2, %1 : (tensor<2x2xf32>, tensor<f32>) -> tensor<2x2xf32>
  %4 = qnt.add %x, %3 : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  return %4 : tensor<2x2xf32>
}

// A table far larger than what it is made of is computed at run time.
// CHECK-LABEL: func.func @large
func.func @large() -> tensor<4096x2048xi1> {
  // CHECK: qnt.compare
  // REMARK: Reason="the value is much larger than what it is made of"
  %0 = qnt.iota {axis = 0 : i64, start = #qnt.dims<[0]>} : tensor<4096x2048xi64>
  %1 = qnt.iota {axis = 1 : i64, start = #qnt.dims<[0]>} : tensor<4096x2048xi64>
  %2 = qnt.compare ge %0, %1 : (tensor<4096x2048xi64>, tensor<4096x2048xi64>) -> tensor<4096x2048xi1>
  return %2 : tensor<4096x2048xi1>
}
