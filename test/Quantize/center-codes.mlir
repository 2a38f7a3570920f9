// Zero points become terms beside products that cannot have them.
// RUN: qcc-opt %s --qcc-center-codes | FileCheck %s
// RUN: qcc-opt %s --qcc-center-codes --remarks-filter=quantize --remark-format=emitRemark --remark-policy=all -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

!x = tensor<?x64xf32, #qnt.dims<[t, 64]>>
!y = tensor<?x32xf32, #qnt.dims<[t, 32]>>
!m = tensor<32x64xf32>
!tokens = !qnt.q<[t, 64], i8, token, scale f32, zero i8>
!plain = !qnt.q<[t, 64], i8, token, scale f32>
!bytes = !qnt.q<[32, 64], u8, axis 0, scale f32, zero ui8>
!signed = !qnt.q<[32, 64], i8, tensor, scale f32, zero i8>
!blocks = !qnt.q<[32, 64], i4, block 1 x 32, scale f32>

// The middle of the codes: nothing is left of it.
// REMARK: remark: [Passed] center-codes {{.*}}term=none
// CHECK-LABEL: func.func @middle
// CHECK-DAG: %[[W:.*]] = qnt.use @bytes
// CHECK: %[[WIDE:.*]] = qnt.cast %[[W]] : (tensor<32x64xui8>) -> tensor<32x64xi32>
// CHECK: qnt.sub %[[WIDE]], %{{.*}} : (tensor<32x64xi32>, tensor<i32>)
// CHECK: %[[CODES:.*]] = qnt.cast %{{.*}} -> tensor<32x64xi8>
// CHECK: %[[A:.*]] = qnt.assemble %[[CODES]], %{{.*}} -> !qnt.q<[32, 64], i8, axis 0, scale f32>
// CHECK: %[[D:.*]] = qnt.dequantize %[[A]]
// CHECK: %[[Y:.*]] = qnt.linear %{{.*}}, %[[D]]
// CHECK-NEXT: return %[[Y]]
qnt.weight @bytes : tensor<32x64xui8> = #qnt.file<"m.bin", 0, 2048>
qnt.weight @signed : tensor<32x64xi8> = #qnt.file<"m.bin", 0, 2048>
qnt.weight @few : tensor<32x64xi4> = #qnt.file<"m.bin", 0, 1024>
qnt.weight @scale : tensor<32xf32> = #qnt.file<"m.bin", 2048, 128>
qnt.weight @scales : tensor<32x2xf32> = #qnt.file<"m.bin", 2048, 256>
func.func @middle(%codes: !tokens) -> !y {
  %x = qnt.dequantize %codes : (!tokens) -> !x
  %w = qnt.use @bytes : tensor<32x64xui8>
  %s = qnt.use @scale : tensor<32xf32>
  %z = qnt.constant dense<128> : tensor<32xui8>
  %q = qnt.assemble %w, %s, %z : (tensor<32x64xui8>, tensor<32xf32>, tensor<32xui8>) -> !bytes
  %m = qnt.dequantize %q : (!bytes) -> !m
  %y = qnt.linear %x, %m : (!x, !m) -> !y
  return %y : !y
}

// Any other zero point: the sum of the input times scale and distance.
// REMARK: remark: [Passed] center-codes {{.*}}term="sums of inputs"
// CHECK-LABEL: func.func @elsewhere
// CHECK: %[[X:.*]] = qnt.dequantize %arg0
// CHECK: %[[A:.*]] = qnt.assemble %{{.*}}, %{{.*}} -> !qnt.q<[32, 64], i8, tensor, scale f32>
// CHECK: %[[P:.*]] = qnt.linear %[[X]]
// CHECK: %[[AWAY:.*]] = qnt.sub
// CHECK: %[[STEP:.*]] = qnt.mul %[[AWAY]]
// CHECK: %[[SUM:.*]] = qnt.reduce sum %[[X]] {axes = array<i64: 1>, keepDims = true}
// CHECK: %[[TERM:.*]] = qnt.mul %[[SUM]], %[[STEP]]
// CHECK: %[[Y:.*]] = qnt.add %[[P]], %[[TERM]]
// CHECK-NEXT: return %[[Y]]
func.func @elsewhere(%codes: !tokens) -> !y {
  %x = qnt.dequantize %codes : (!tokens) -> !x
  %w = qnt.use @signed : tensor<32x64xi8>
  %s = qnt.constant dense<0.5> : tensor<f32>
  %z = qnt.constant dense<3> : tensor<i8>
  %q = qnt.assemble %w, %s, %z : (tensor<32x64xi8>, tensor<f32>, tensor<i8>) -> !signed
  %m = qnt.dequantize %q : (!signed) -> !m
  %y = qnt.linear %x, %m : (!x, !m) -> !y
  return %y : !y
}

// Sums over blocks: the same codes without their zero point, and the rows' sums in the bias.
// REMARK: remark: [Passed] center-codes {{.*}}term="sums of weights"
// CHECK-LABEL: func.func @inputs
// CHECK: %[[CODES:.*]] = qnt.quantize_static %arg0 {full, scale = 2.500000e-01 : f32, zero = -3 : i64} : {{.*}} -> !qnt.q<[t, 64], i8, token, scale f32>
// CHECK: %[[X:.*]] = qnt.dequantize %[[CODES]]
// CHECK: %[[SUM:.*]] = qnt.reduce sum %[[M:.*]] {axes = array<i64: 1>, keepDims = false}
// CHECK: %[[BY:.*]] = qnt.constant dense<-7.500000e-01>
// CHECK: %[[MOVE:.*]] = qnt.mul %[[SUM]], %[[BY]]
// CHECK: %[[BIAS:.*]] = qnt.sub %arg1, %[[MOVE]]
// CHECK: %[[Y:.*]] = qnt.linear %[[X]], %[[M]], %[[BIAS]]
// CHECK-NEXT: return %[[Y]]
func.func @inputs(%real: !x, %bias: tensor<32xf32>) -> !y {
  %codes = qnt.quantize_static %real {scale = 0.25 : f32, zero = -3 : i64} : (!x) -> !tokens
  %x = qnt.dequantize %codes : (!tokens) -> !x
  %w = qnt.use @few : tensor<32x64xi4>
  %s = qnt.use @scales : tensor<32x2xf32>
  %q = qnt.assemble %w, %s : (tensor<32x64xi4>, tensor<32x2xf32>) -> !blocks
  %m = qnt.dequantize %q : (!blocks) -> !m
  %y = qnt.linear %x, %m, %bias : (!x, !m, tensor<32xf32>) -> !y
  return %y : !y
}

// A zero point that is data moves the bias when the model runs.
// CHECK-LABEL: func.func @shifted
// CHECK: qnt.quantize_static %arg0, %arg1 {full, scale = 2.500000e-01 : f32, zero = -128 : i64} : {{.*}} -> !qnt.q<[t, 64], i8, token, scale f32>
// CHECK: %[[REAL:.*]] = qnt.cast %arg1 : (tensor<i32>) -> tensor<f32>
// CHECK: %[[ZERO:.*]] = qnt.add %[[REAL]]
// CHECK: %[[BY:.*]] = qnt.mul %[[ZERO]]
// CHECK: %[[MOVE:.*]] = qnt.mul %{{.*}}, %[[BY]]
// CHECK: %[[BIAS:.*]] = qnt.neg %[[MOVE]]
// CHECK: qnt.linear %{{.*}}, %{{.*}}, %[[BIAS]]
func.func @shifted(%real: !x, %shift: tensor<i32>) -> !y {
  %codes = qnt.quantize_static %real, %shift {scale = 0.25 : f32, zero = -128 : i64} : (!x, tensor<i32>) -> !tokens
  %x = qnt.dequantize %codes : (!tokens) -> !x
  %w = qnt.use @few : tensor<32x64xi4>
  %s = qnt.use @scales : tensor<32x2xf32>
  %q = qnt.assemble %w, %s : (tensor<32x64xi4>, tensor<32x2xf32>) -> !blocks
  %m = qnt.dequantize %q : (!blocks) -> !m
  %y = qnt.linear %x, %m : (!x, !m) -> !y
  return %y : !y
}

// What has an integer product as it is, or none at all, stays: per channel without a zero point, float
// inputs.
// CHECK-LABEL: func.func @others
// CHECK-NOT: qnt.sub
// CHECK-NOT: qnt.reduce
// CHECK: return
func.func @others(%codes: !tokens, %real: !x) -> (!y, !y) {
  %x = qnt.dequantize %codes : (!tokens) -> !x
  %w = qnt.use @signed : tensor<32x64xi8>
  %s = qnt.constant dense<0.5> : tensor<f32>
  %z = qnt.constant dense<3> : tensor<i8>
  %q0 = qnt.assemble %w, %s : (tensor<32x64xi8>, tensor<f32>) -> !qnt.q<[32, 64], i8, tensor, scale f32>
  %m0 = qnt.dequantize %q0 : (!qnt.q<[32, 64], i8, tensor, scale f32>) -> !m
  %y0 = qnt.linear %x, %m0 : (!x, !m) -> !y
  %q1 = qnt.assemble %w, %s, %z : (tensor<32x64xi8>, tensor<f32>, tensor<i8>) -> !signed
  %m1 = qnt.dequantize %q1 : (!signed) -> !m
  %y1 = qnt.linear %real, %m1 : (!x, !m) -> !y
  return %y0, %y1 : !y, !y
}
