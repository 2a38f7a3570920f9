// RUN: qcc-opt %s --qcc-pack-weights --split-input-file --verify-diagnostics | FileCheck %s
// RUN: not qcc-opt %s --qcc-pack-weights --split-input-file --remarks-filter=pack --remark-policy=all --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

!row = !qnt.q<[s, 64], i8, token, scale f32>
!row32 = !qnt.q<[s, 64], i8, token, scale f32, sums 32>
!w8 = !qnt.q<[40, 64], i8, axis 0, scale f32>
!w4 = !qnt.q<[40, 64], u4, block 1 x 32, scale f16, zero ui4>
!wide = !qnt.q<[s, 64], i16, token, scale f32, sums 256>
!grouped = !qnt.q<[s, 64], i8, token, scale f32, group 16, sums 16>
!x = tensor<?x64xf32, #qnt.dims<[s, 64]>>
!y = tensor<?x40xf32, #qnt.dims<[s, 40]>>

// CHECK-DAG: qnt.weight @w.packed : !qnt.q<[40, 64], f32, tensor, scale f32, layout panel16_f32> {
// CHECK-DAG: qnt.weight @half.cast.packed : !qnt.q<[40, 64], f16, tensor, scale f32, layout panel16_f32> {
// CHECK-DAG: qnt.weight @w.q8.packed : !qnt.q<[40, 64], i8, axis 0, scale f32, layout panel16_k4> {
// CHECK-DAG: qnt.weight @w.q4.packed : !qnt.q<[40, 64], u4, block 1 x 32, scale f16, zero ui4, layout panel16_block> {
qnt.weight @w : tensor<40x64xf32> = #qnt.file<"m.bin", 0, 10240>
qnt.weight @half : tensor<40x64xf16> = #qnt.file<"m.bin", 10240, 5120>
qnt.weight @half.cast : tensor<40x64xf32> {
  %0 = qnt.use @half : tensor<40x64xf16>
  %1 = qnt.cast %0 : (tensor<40x64xf16>) -> tensor<40x64xf32>
  qnt.yield %1 : tensor<40x64xf32>
}
// CHECK-DAG: qnt.weight @alone.packed : !qnt.q<[40, 64], bf16, tensor, scale f32, layout panel16_k2> {
qnt.weight @alone : tensor<40x64xf32> = #qnt.file<"m.bin", 20480, 10240>
// CHECK-DAG: qnt.weight @bfloat.cast.packed : !qnt.q<[40, 64], bf16, tensor, scale f32, layout panel16_k2> {
qnt.weight @bfloat : tensor<40x64xbf16> = #qnt.file<"m.bin", 15360, 5120>
qnt.weight @bfloat.cast : tensor<40x64xf32> {
  %0 = qnt.use @bfloat : tensor<40x64xbf16>
  %1 = qnt.cast %0 : (tensor<40x64xbf16>) -> tensor<40x64xf32>
  qnt.yield %1 : tensor<40x64xf32>
}
qnt.weight @w.q8 : !w8 {
  %0 = qnt.use @w : tensor<40x64xf32>
  %1 = qnt.quantize %0 : (tensor<40x64xf32>) -> !w8
  qnt.yield %1 : !w8
}
qnt.weight @w.q4 : !w4 {
  %0 = qnt.use @w : tensor<40x64xf32>
  %1 = qnt.quantize %0 : (tensor<40x64xf32>) -> !w4
  qnt.yield %1 : !w4
}

// CHECK-LABEL: func.func @floats
func.func @floats(%x: !x) -> (!y, !y) {
  // CHECK: %[[W:.*]] = qnt.use @w.packed
  // CHECK: qnt.fused "linear"(%arg0, %[[W]])
  // CHECK: qnt.linear {{.*}}layout panel16_f32
  // REMARK: layout=panel16_f32
  // REMARK: layout=panel16_f32
  // REMARK: layout=panel16_k4
  // REMARK: layout=panel16_block
  // REMARK: layout=panel16_block
  %0 = qnt.use @w : tensor<40x64xf32>
  %1 = qnt.fused "linear"(%x, %0) {
  ^bb0(%a: !x, %b: tensor<40x64xf32>):
    %4 = qnt.linear %a, %b : (!x, tensor<40x64xf32>) -> !y
    qnt.yield %4 : !y
  } : (!x, tensor<40x64xf32>) -> !y
  %2 = qnt.use @half.cast : tensor<40x64xf32>
  %3 = qnt.fused "linear"(%x, %2) {
  ^bb0(%a: !x, %b: tensor<40x64xf32>):
    %4 = qnt.linear %a, %b : (!x, tensor<40x64xf32>) -> !y
    qnt.yield %4 : !y
  } : (!x, tensor<40x64xf32>) -> !y
  return %1, %3 : !y, !y
}

// Weights are rounded for products of bf16, unless they are bf16 already; a look-up shares those alone.
// CHECK-LABEL: func.func @pairs
func.func @pairs(%x: !x, %i: tensor<?xi64, #qnt.dims<[s]>>) -> (!y, !y, !x, !x) {
  // CHECK: %[[ROUNDED:.*]] = qnt.use @alone.packed : {{.*}}layout panel16_k2>
  // CHECK: qnt.fused "linear"(%arg0, %[[ROUNDED]])
  // CHECK: %[[OWN:.*]] = qnt.use @bfloat.cast.packed : {{.*}}layout panel16_k2>
  // CHECK: qnt.fused "linear"(%arg0, %[[OWN]])
  // CHECK: qnt.fused "gather"
  // CHECK: %[[SHARED:.*]] = qnt.use @bfloat.cast.packed
  // CHECK: qnt.fused "qgather"(%[[SHARED]], %arg1)
  %w = qnt.use @alone : tensor<40x64xf32>
  %0 = qnt.fused "linear"(%x, %w) {
  ^bb0(%a: !x, %b: tensor<40x64xf32>):
    %4 = qnt.linear %a, %b {products = #qnt<storage bf16>} : (!x, tensor<40x64xf32>) -> !y
    qnt.yield %4 : !y
  } : (!x, tensor<40x64xf32>) -> !y
  %t = qnt.use @bfloat.cast : tensor<40x64xf32>
  %1 = qnt.fused "linear"(%x, %t) {
  ^bb0(%a: !x, %b: tensor<40x64xf32>):
    %4 = qnt.linear %a, %b {products = #qnt<storage bf16>} : (!x, tensor<40x64xf32>) -> !y
    qnt.yield %4 : !y
  } : (!x, tensor<40x64xf32>) -> !y
  %2 = qnt.fused "gather"(%w, %i) {
  ^bb0(%a: tensor<40x64xf32>, %b: tensor<?xi64, #qnt.dims<[s]>>):
    %4 = qnt.gather %a, %b {axis = 0 : i64} : (tensor<40x64xf32>, tensor<?xi64, #qnt.dims<[s]>>) -> !x
    qnt.yield %4 : !x
  } : (tensor<40x64xf32>, tensor<?xi64, #qnt.dims<[s]>>) -> !x
  %3 = qnt.fused "gather"(%t, %i) {
  ^bb0(%a: tensor<40x64xf32>, %b: tensor<?xi64, #qnt.dims<[s]>>):
    %4 = qnt.gather %a, %b {axis = 0 : i64} : (tensor<40x64xf32>, tensor<?xi64, #qnt.dims<[s]>>) -> !x
    qnt.yield %4 : !x
  } : (tensor<40x64xf32>, tensor<?xi64, #qnt.dims<[s]>>) -> !x
  return %0, %1, %2, %3 : !y, !y, !x, !x
}

// The codes of the input are laid out as the weights need them, and a look-up shares the table.
// CHECK-LABEL: func.func @codes
func.func @codes(%x: !x, %i: tensor<?xi64, #qnt.dims<[s]>>) -> (!y, !y, !x) {
  // CHECK: qnt.fused "row"
  // CHECK: qnt.quantize {{.*}}layout token_u8
  // CHECK: qnt.quantize {{.*}}layout token_s8
  %0, %1 = qnt.fused "row"(%x) {
  ^bb0(%a: !x):
    %6 = qnt.quantize %a : (!x) -> !row
    %7 = qnt.quantize %a : (!x) -> !row32
    qnt.yield %6, %7 : !row, !row32
  } : (!x) -> (!row, !row32)
  // CHECK: qnt.qlinear {{.*}}layout token_u8>, {{.*}}layout panel16_k4>
  %w8 = qnt.use @w.q8 : !w8
  %2 = qnt.fused "qlinear"(%0, %w8) {
  ^bb0(%a: !row, %b: !w8):
    %6 = qnt.qlinear %a, %b : (!row, !w8) -> !y
    qnt.yield %6 : !y
  } : (!row, !w8) -> !y
  // CHECK: qnt.qlinear {{.*}}layout token_s8>, {{.*}}layout panel16_block>
  %w4 = qnt.use @w.q4 : !w4
  %3 = qnt.fused "qlinear"(%1, %w4) {
  ^bb0(%a: !row32, %b: !w4):
    %6 = qnt.qlinear %a, %b : (!row32, !w4) -> !y
    qnt.yield %6 : !y
  } : (!row32, !w4) -> !y
  // CHECK: qnt.qgather {{.*}}layout panel16_k4>
  %5 = qnt.fused "qgather"(%w8, %i) {
  ^bb0(%a: !w8, %b: tensor<?xi64, #qnt.dims<[s]>>):
    %6 = qnt.qgather %a, %b : (!w8, tensor<?xi64, #qnt.dims<[s]>>) -> !x
    qnt.yield %6 : !x
  } : (!w8, tensor<?xi64, #qnt.dims<[s]>>) -> !x
  return %2, %3, %5 : !y, !y, !x
}

// One weight that floats, wide codes and codes in groups read has one layout, beside the one that
// full sums have.
// CHECK-LABEL: func.func @inputs
func.func @inputs(%x: !x) -> (!y, !y, !y) {
  // CHECK: qnt.quantize {{.*}}layout token_s16
  // CHECK: qnt.quantize {{.*}}group 16, sums 16, layout token_s8
  %0, %1 = qnt.fused "row"(%x) {
  ^bb0(%a: !x):
    %6 = qnt.quantize %a : (!x) -> !wide
    %7 = qnt.quantize %a : (!x) -> !grouped
    qnt.yield %6, %7 : !wide, !grouped
  } : (!x) -> (!wide, !grouped)
  // CHECK: %[[W:.*]] = qnt.use @[[NAME:w.q8.packed[_0-9]*]] : {{.*}}layout panel16_block>
  // CHECK: qnt.qlinear {{.*}}layout token_s16>, {{.*}}layout panel16_block>
  %w8 = qnt.use @w.q8 : !w8
  %2 = qnt.fused "qlinear"(%0, %w8) {
  ^bb0(%a: !wide, %b: !w8):
    %6 = qnt.qlinear %a, %b : (!wide, !w8) -> !y
    qnt.yield %6 : !y
  } : (!wide, !w8) -> !y
  // CHECK: qnt.use @[[NAME]] :
  // CHECK: qnt.qlinear {{.*}}group 16, sums 16, layout token_s8>, {{.*}}layout panel16_block>
  %3 = qnt.fused "qlinear"(%1, %w8) {
  ^bb0(%a: !grouped, %b: !w8):
    %6 = qnt.qlinear %a, %b : (!grouped, !w8) -> !y
    qnt.yield %6 : !y
  } : (!grouped, !w8) -> !y
  // CHECK: qnt.use @[[NAME]] :
  // CHECK: qnt.qlinear %{{.*}} : (tensor<{{.*}}>, {{.*}}layout panel16_block>
  %4 = qnt.fused "qlinear"(%x, %w8) {
  ^bb0(%a: !x, %b: !w8):
    %6 = qnt.qlinear %a, %b : (!x, !w8) -> !y
    qnt.yield %6 : !y
  } : (!x, !w8) -> !y
  return %2, %3, %4 : !y, !y, !y
}

// -----

func.func @computed(%x: tensor<2x64xf32>, %w: tensor<40x64xf32>) -> tensor<2x40xf32> {
  %0 = qnt.fused "linear"(%x, %w) {
  ^bb0(%a: tensor<2x64xf32>, %b: tensor<40x64xf32>):
    // expected-error @below {{QCC1510: the weight of a linear layer is not a constant}}
    %1 = qnt.linear %a, %b : (tensor<2x64xf32>, tensor<40x64xf32>) -> tensor<2x40xf32>
    qnt.yield %1 : tensor<2x40xf32>
  } : (tensor<2x64xf32>, tensor<40x64xf32>) -> tensor<2x40xf32>
  return %0 : tensor<2x40xf32>
}

// -----

qnt.weight @w : tensor<40x64xf64> = #qnt.file<"m.bin", 0, 20480>
func.func @doubles(%x: tensor<2x64xf64>) -> tensor<2x40xf64> {
  %w = qnt.use @w : tensor<40x64xf64>
  %0 = qnt.fused "linear"(%x, %w) {
  ^bb0(%a: tensor<2x64xf64>, %b: tensor<40x64xf64>):
    // expected-error @below {{QCC1510: the weight of a linear layer has no layout that kernels read: tensor<40x64xf64>}}
    %1 = qnt.linear %a, %b : (tensor<2x64xf64>, tensor<40x64xf64>) -> tensor<2x40xf64>
    qnt.yield %1 : tensor<2x40xf64>
  } : (tensor<2x64xf64>, tensor<40x64xf64>) -> tensor<2x40xf64>
  return %0 : tensor<2x40xf64>
}

// -----

!x = !qnt.q<[2, 66], i8, token, scale f32>
!w = !qnt.q<[40, 66], i4, block 1 x 6, scale f32>
qnt.weight @w : !w = #qnt.file<"m.bin", 0, 3072>
func.func @unaligned(%x: !x) -> tensor<2x40xf32> {
  %w = qnt.use @w : !w
  %0 = qnt.fused "qlinear"(%x, %w) {
  ^bb0(%a: !x, %b: !w):
    // expected-error @below {{QCC1510: the weight of a linear layer has no layout that kernels read: !qnt.q<[40, 66], i4, block 1 x 6, scale f32>}}
    %1 = qnt.qlinear %a, %b : (!x, !w) -> tensor<2x40xf32>
    qnt.yield %1 : tensor<2x40xf32>
  } : (!x, !w) -> tensor<2x40xf32>
  return %0 : tensor<2x40xf32>
}

// -----

!x8 = !qnt.q<[2, 64], f8e4m3fn, token, scale f32>
!w8 = !qnt.q<[40, 64], f8e4m3fn, axis 0, scale f32>
qnt.weight @w : !w8 = #qnt.file<"m.bin", 0, 2720>
// CHECK-LABEL: func.func @float8_as_numbers
func.func @float8_as_numbers(%x: tensor<2x64xf32>) -> tensor<2x40xf32> {
  // CHECK: qnt.quantize {{.*}} -> !qnt.q<[2, 64], f8e4m3fn, token, scale f32, layout token_f32>
  // CHECK: qnt.qlinear {{.*}}layout token_f32>, !qnt.q<[40, 64], f8e4m3fn, axis 0, scale f32, layout panel16_block>
  %q = qnt.fused "row"(%x) {
  ^bb0(%a: tensor<2x64xf32>):
    %1 = qnt.quantize %a : (tensor<2x64xf32>) -> !x8
    qnt.yield %1 : !x8
  } : (tensor<2x64xf32>) -> !x8
  %w = qnt.use @w : !w8
  %0 = qnt.fused "qlinear"(%q, %w) {
  ^bb0(%a: !x8, %b: !w8):
    %1 = qnt.qlinear %a, %b : (!x8, !w8) -> tensor<2x40xf32>
    qnt.yield %1 : tensor<2x40xf32>
  } : (!x8, !w8) -> tensor<2x40xf32>
  return %0 : tensor<2x40xf32>
}

// -----

!x8 = !qnt.q<[2, 64], f8e4m3fn, token, scale f32>
!w8 = !qnt.q<[40, 64], f8e4m3fn, axis 0, scale f32>
qnt.weight @w : !w8 = #qnt.file<"m.bin", 0, 2720>
// CHECK-LABEL: func.func @float8_as_codes
func.func @float8_as_codes(%x: tensor<2x64xf32>) -> tensor<2x40xf32> {
  // CHECK: qnt.quantize {{.*}} -> !qnt.q<[2, 64], f8e4m3fn, token, scale f32, layout token_f8>
  // CHECK: qnt.qlinear {{.*}}layout token_f8>, !qnt.q<[40, 64], f8e4m3fn, axis 0, scale f32, layout panel16_block>
  %q = qnt.fused "row"(%x) {
  ^bb0(%a: tensor<2x64xf32>):
    %1 = qnt.quantize %a : (tensor<2x64xf32>) -> !x8
    qnt.yield %1 : !x8
  } : (tensor<2x64xf32>) -> !x8
  %w = qnt.use @w : !w8
  %0 = qnt.fused "qlinear"(%q, %w) {
  ^bb0(%a: !x8, %b: !w8):
    %1 = qnt.qlinear %a, %b {products = #qnt<storage f8e4m3fn>} : (!x8, !w8) -> tensor<2x40xf32>
    qnt.yield %1 : tensor<2x40xf32>
  } : (!x8, !w8) -> tensor<2x40xf32>
  return %0 : tensor<2x40xf32>
}
