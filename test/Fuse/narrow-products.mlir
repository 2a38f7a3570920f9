// RUN: qcc-opt %s --qcc-narrow-products --split-input-file | FileCheck %s
// RUN: qcc-opt %s --qcc-narrow-products=round-inputs --split-input-file | FileCheck %s --check-prefix=ROUND
// RUN: qcc-opt %s --qcc-narrow-products=float8 --split-input-file | FileCheck %s --check-prefix=FLOAT8
// RUN: qcc-opt %s --qcc-narrow-products --split-input-file --remarks-filter=fuse --remark-policy=all --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// CHECK-LABEL: func.func @floats
func.func @floats(%x: tensor<5x64xf32>, %w: tensor<32x64xf32>, %b: tensor<32xf32>) -> tensor<5x32xf32> {
  // REMARK: narrow-products
  // REMARK-SAME: bits=16
  // CHECK: qnt.linear %arg0, %arg1, %arg2 {products = #qnt<storage bf16>}
  %0 = qnt.linear %x, %w, %b : (tensor<5x64xf32>, tensor<32x64xf32>, tensor<32xf32>) -> tensor<5x32xf32>
  return %0 : tensor<5x32xf32>
}

// -----

// CHECK-LABEL: func.func @others
func.func @others(%i: tensor<5x64xi32>, %wi: tensor<32x64xi32>, %d: tensor<5x64xf64>, %wd: tensor<32x64xf64>)
    -> (tensor<5x32xi32>, tensor<5x32xf64>) {
  // REMARK: the input is not of f32
  // REMARK: the input is not of f32
  // CHECK-NOT: products
  %0 = qnt.linear %i, %wi : (tensor<5x64xi32>, tensor<32x64xi32>) -> tensor<5x32xi32>
  %1 = qnt.linear %d, %wd : (tensor<5x64xf64>, tensor<32x64xf64>) -> tensor<5x32xf64>
  return %0, %1 : tensor<5x32xi32>, tensor<5x32xf64>
}

// -----

// CHECK-LABEL: func.func @beside_codes
func.func @beside_codes(%x: tensor<5x64xf32>, %w: tensor<32x64xf32>, %c: !qnt.q<[32, 64], i8, axis 0, scale f32>)
    -> (tensor<5x32xf32>, tensor<5x32xf32>) {
  // REMARK: bits=16
  // REMARK: layers beside it are on codes
  // CHECK: qnt.linear %{{.*}}, %{{.*}} :
  %0 = qnt.linear %x, %w : (tensor<5x64xf32>, tensor<32x64xf32>) -> tensor<5x32xf32>
  // CHECK: qnt.qlinear %{{.*}} {products = #qnt<storage bf16>}
  %1 = qnt.qlinear %x, %c : (tensor<5x64xf32>, !qnt.q<[32, 64], i8, axis 0, scale f32>) -> tensor<5x32xf32>
  return %0, %1 : tensor<5x32xf32>, tensor<5x32xf32>
}

// -----

// Codes of inputs have exact sums.
// CHECK-LABEL: func.func @codes
func.func @codes(%x: !qnt.q<[5, 64], i8, token, scale f32>, %c: !qnt.q<[32, 64], i8, axis 0, scale f32>) -> tensor<5x32xf32> {
  // CHECK-NOT: products
  %0 = qnt.qlinear %x, %c : (!qnt.q<[5, 64], i8, token, scale f32>, !qnt.q<[32, 64], i8, axis 0, scale f32>) -> tensor<5x32xf32>
  return %0 : tensor<5x32xf32>
}

// -----

// CHECK-LABEL: func.func @attention
func.func @attention(%q: tensor<1x4x5x64xf32>, %k: tensor<1x2x7x64xf32>, %x: tensor<5x64xf32>,
    %c: !qnt.q<[32, 64], i8, axis 0, scale f32>) -> (tensor<1x4x5x64xf32>, tensor<1x4x5x64xf32>, tensor<5x32xf32>) {
  // CHECK: qnt.attention %arg0, %arg1, %arg1 {products = #qnt<storage bf16>, scale = 1.250000e-01 : f64}
  // CHECK: qnt.attention %arg0, %arg1, %arg1 {products = #qnt<storage i16>, scale = 1.250000e-01 : f64}
  %0 = qnt.attention %q, %k, %k {scale = 0.125 : f64} : (tensor<1x4x5x64xf32>, tensor<1x2x7x64xf32>, tensor<1x2x7x64xf32>) -> tensor<1x4x5x64xf32>
  %1 = qnt.attention %q, %k, %k {scale = 0.125 : f64, products = #qnt<storage i16>} : (tensor<1x4x5x64xf32>, tensor<1x2x7x64xf32>, tensor<1x2x7x64xf32>) -> tensor<1x4x5x64xf32>
  %2 = qnt.qlinear %x, %c : (tensor<5x64xf32>, !qnt.q<[32, 64], i8, axis 0, scale f32>) -> tensor<5x32xf32>
  return %0, %1, %2 : tensor<1x4x5x64xf32>, tensor<1x4x5x64xf32>, tensor<5x32xf32>
}

// -----

// What was widened is read as it was; keys and values are of one type.
// CHECK-LABEL: func.func @halves
func.func @halves(%q: tensor<1x4x5x64xf16>, %k: tensor<1x2x7x64xf16>, %w: tensor<1x2x7x64xf32>)
    -> (tensor<1x4x5x64xf32>, tensor<1x4x5x64xf32>) {
  // CHECK: %[[WIDE:.*]] = qnt.cast %arg1
  // CHECK: qnt.attention %arg0, %arg1, %arg1 {{.*}} : (tensor<1x4x5x64xf16>, tensor<1x2x7x64xf16>, tensor<1x2x7x64xf16>) -> tensor<1x4x5x64xf32>
  // CHECK: qnt.attention %arg0, %[[WIDE]], %arg2
  %0 = qnt.cast %q : (tensor<1x4x5x64xf16>) -> tensor<1x4x5x64xf32>
  %1 = qnt.cast %k : (tensor<1x2x7x64xf16>) -> tensor<1x2x7x64xf32>
  %2 = qnt.attention %0, %1, %1 {scale = 0.125 : f64} : (tensor<1x4x5x64xf32>, tensor<1x2x7x64xf32>, tensor<1x2x7x64xf32>) -> tensor<1x4x5x64xf32>
  %3 = qnt.attention %0, %1, %w {scale = 0.125 : f64} : (tensor<1x4x5x64xf32>, tensor<1x2x7x64xf32>, tensor<1x2x7x64xf32>) -> tensor<1x4x5x64xf32>
  return %2, %3 : tensor<1x4x5x64xf32>, tensor<1x4x5x64xf32>
}

// -----

// Inputs are rounded once for all of their layers, and what was bf16 before is taken as it was. Rows that
// are no multiple of 16 bytes stay.
// CHECK-LABEL: func.func @inputs
// ROUND-LABEL: func.func @inputs
func.func @inputs(%x: tensor<5x64xf32>, %y: tensor<5x64xbf16>, %z: tensor<5x12xf32>, %w: tensor<32x64xf32>, %v: tensor<32x12xf32>)
    -> (tensor<5x32xf32>, tensor<5x32xf32>, tensor<5x32xf32>, tensor<5x32xf32>, tensor<5x32xf32>) {
  // CHECK-COUNT-1: qnt.cast
  // CHECK-NOT: qnt.cast
  // ROUND: %[[X:.*]] = qnt.cast %arg0 : (tensor<5x64xf32>) -> tensor<5x64xbf16>
  %wide = qnt.cast %y : (tensor<5x64xbf16>) -> tensor<5x64xf32>
  // ROUND: qnt.linear %[[X]], %arg3 {products = #qnt<storage bf16>} : (tensor<5x64xbf16>, tensor<32x64xf32>) -> tensor<5x32xf32>
  %0 = qnt.linear %x, %w : (tensor<5x64xf32>, tensor<32x64xf32>) -> tensor<5x32xf32>
  // ROUND: qnt.linear %[[X]], %arg3
  %1 = qnt.linear %x, %w : (tensor<5x64xf32>, tensor<32x64xf32>) -> tensor<5x32xf32>
  // ROUND: qnt.linear %arg1, %arg3 {products = #qnt<storage bf16>}
  %2 = qnt.linear %wide, %w : (tensor<5x64xf32>, tensor<32x64xf32>) -> tensor<5x32xf32>
  // ROUND: qnt.linear %arg1, %arg3 {products = #qnt<storage bf16>}
  %3 = qnt.linear %y, %w : (tensor<5x64xbf16>, tensor<32x64xf32>) -> tensor<5x32xf32>
  // ROUND: qnt.linear %arg2, %arg4 {products = #qnt<storage bf16>} : (tensor<5x12xf32>
  %4 = qnt.linear %z, %v : (tensor<5x12xf32>, tensor<32x12xf32>) -> tensor<5x32xf32>
  return %0, %1, %2, %3, %4 : tensor<5x32xf32>, tensor<5x32xf32>, tensor<5x32xf32>, tensor<5x32xf32>, tensor<5x32xf32>
}

// -----

// Where levels multiply 8-bit floats, layers of them on both sides do, but all or none.
!x8 = !qnt.q<[5, 64], f8e4m3fn, token, scale f32>
!w8 = !qnt.q<[32, 64], f8e5m2, block 1 x 64, scale f16>
// CHECK-LABEL: func.func @eight_bit_floats
// FLOAT8-LABEL: func.func @eight_bit_floats
func.func @eight_bit_floats(%x: !x8, %w: !w8, %r: tensor<5x64xf32>) -> (tensor<5x32xf32>, tensor<5x32xf32>) {
  // REMARK: bits=16
  // REMARK: bits=16
  // CHECK: qnt.qlinear %arg0, %arg1 {products = #qnt<storage bf16>}
  // FLOAT8: qnt.qlinear %arg0, %arg1 {products = #qnt<storage f8e4m3fn>}
  // FLOAT8: qnt.qlinear %arg2, %arg1 {products = #qnt<storage bf16>}
  %0 = qnt.qlinear %x, %w : (!x8, !w8) -> tensor<5x32xf32>
  %1 = qnt.qlinear %r, %w : (tensor<5x64xf32>, !w8) -> tensor<5x32xf32>
  return %0, %1 : tensor<5x32xf32>, tensor<5x32xf32>
}

// -----

!x8 = !qnt.q<[5, 64], f8e4m3fn, token, scale f32>
!w8 = !qnt.q<[32, 64], f8e4m3fn, axis 0, scale f32>
!w4 = !qnt.q<[32, 64], i4, block 1 x 32, scale f16>
// FLOAT8-LABEL: func.func @beside_integers
func.func @beside_integers(%x: !x8, %w: !w8, %i: !w4) -> (tensor<5x32xf32>, tensor<5x32xf32>) {
  // REMARK: bits=16
  // REMARK: bits=16
  // FLOAT8-COUNT-2: qnt.qlinear {{.*}} {products = #qnt<storage bf16>}
  %0 = qnt.qlinear %x, %w : (!x8, !w8) -> tensor<5x32xf32>
  %1 = qnt.qlinear %x, %i : (!x8, !w4) -> tensor<5x32xf32>
  return %0, %1 : tensor<5x32xf32>, tensor<5x32xf32>
}
