// The batch is what no op mixes; where one does, there is no mark.
// RUN: qcc-opt %s --qcc-mark-slices --split-input-file --remarks-filter=fuse --remark-format=emitRemark 2>%t.err | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK < %t.err

#b = #qnt.symbol<"b", min = 1, max = 0, divisor = 1, input = 0, axis = 0>
#s = #qnt.symbol<"s", min = 1, max = 0, divisor = 1, input = 0, axis = 1>
!ids = tensor<?x?xi64, #qnt.dims<[b, s]>>
!x = tensor<?x?x8xf32, #qnt.dims<[b, s, 8]>>
!heads = tensor<?x?x2x4xf32, #qnt.dims<[b, s, 2, 4]>>
!apart = tensor<?x2x?x4xf32, #qnt.dims<[b, 2, s, 4]>>
!rows = tensor<?x8xf32, #qnt.dims<[b * s, 8]>>
!codes = !qnt.q<[b, s, 8], i8, token, scale f32, zero i8>

// Embedding, norm, codes, attention, rows of all sequences after each other.
// CHECK: func.func @encoder
// CHECK-SAME: qnt.slices = "b"
// REMARK: remark: [Passed] mark-slices {{.*}}symbol=b
func.func @encoder(%ids: !ids, %table: tensor<9x8xf32>, %mask: tensor<?x1x1x?xi1, #qnt.dims<[b, 1, 1, s]>>) -> !rows attributes {qnt.symbols = [#b, #s]} {
  %0 = qnt.gather %table, %ids {axis = 0 : i64} : (tensor<9x8xf32>, !ids) -> !x
  %1 = qnt.layer_norm %0 {epsilon = 1.0e-5 : f64} : (!x) -> !x
  %2 = qnt.quantize %1 : (!x) -> !codes
  %3 = qnt.dequantize %2 : (!codes) -> !x
  %4 = qnt.reshape %3 : (!x) -> !heads
  %5 = qnt.transpose %4 {permutation = array<i64: 0, 2, 1, 3>} : (!heads) -> !apart
  %6 = qnt.attention %5, %5, %5, %mask {scale = 0.5 : f64} : (!apart, !apart, !apart, tensor<?x1x1x?xi1, #qnt.dims<[b, 1, 1, s]>>) -> !apart
  %7 = qnt.transpose %6 {permutation = array<i64: 0, 2, 1, 3>} : (!apart) -> !heads
  %8 = qnt.reshape %7 : (!heads) -> !rows
  return %8 : !rows
}

// -----

#b = #qnt.symbol<"b", min = 1, max = 0, divisor = 1, input = 0, axis = 0>
!x = tensor<?x8xf32, #qnt.dims<[b, 8]>>

// CHECK: func.func @sum_over_all
// CHECK-NOT: qnt.slices
// REMARK: remark: [Missed] mark-slices {{.*}}qnt.reduce mixes indices of b
func.func @sum_over_all(%x: !x) -> !x attributes {qnt.symbols = [#b]} {
  %0 = qnt.reduce sum %x {axes = array<i64: 0>, keepDims = true} : (!x) -> tensor<1x8xf32>
  %1 = qnt.sub %x, %0 : (!x, tensor<1x8xf32>) -> !x
  return %1 : !x
}

// -----

#b = #qnt.symbol<"b", min = 1, max = 0, divisor = 1, input = 0, axis = 0>
!x = tensor<?x8xf32, #qnt.dims<[b, 8]>>

// CHECK: func.func @products_of_samples
// CHECK-NOT: qnt.slices
// REMARK: remark: [Missed] mark-slices {{.*}}qnt.transpose mixes indices of b
func.func @products_of_samples(%x: !x) -> tensor<?x?xf32, #qnt.dims<[b, b]>> attributes {qnt.symbols = [#b]} {
  %0 = qnt.transpose %x {permutation = array<i64: 1, 0>} : (!x) -> tensor<8x?xf32, #qnt.dims<[8, b]>>
  %1 = qnt.matmul %x, %0 : (!x, tensor<8x?xf32, #qnt.dims<[8, b]>>) -> tensor<?x?xf32, #qnt.dims<[b, b]>>
  return %1 : tensor<?x?xf32, #qnt.dims<[b, b]>>
}

// -----

#b = #qnt.symbol<"b", min = 1, max = 0, divisor = 1, input = 0, axis = 0>
!x = tensor<?x8xf32, #qnt.dims<[b, 8]>>

// The number of each sample is not the same for every part.
// CHECK: func.func @numbered
// CHECK-NOT: qnt.slices
// REMARK: remark: [Missed] mark-slices {{.*}}qnt.iota mixes indices of b
func.func @numbered(%x: !x) -> tensor<?x8xi64, #qnt.dims<[b, 8]>> attributes {qnt.symbols = [#b]} {
  %0 = qnt.cast %x : (!x) -> tensor<?x8xi64, #qnt.dims<[b, 8]>>
  %1 = qnt.iota {axis = 0 : i64, start = #qnt.dims<[0]>} : tensor<?x8xi64, #qnt.dims<[b, 8]>>
  %2 = qnt.add %0, %1 : (tensor<?x8xi64, #qnt.dims<[b, 8]>>, tensor<?x8xi64, #qnt.dims<[b, 8]>>) -> tensor<?x8xi64, #qnt.dims<[b, 8]>>
  return %2 : tensor<?x8xi64, #qnt.dims<[b, 8]>>
}

// -----

#b = #qnt.symbol<"b", min = 1, max = 0, divisor = 1, input = 0, axis = 0>
!x = tensor<?x8xf32, #qnt.dims<[b, 8]>>

// Every part would write the whole second output.
// CHECK: func.func @constant_output
// CHECK-NOT: qnt.slices
// REMARK: remark: [Missed] mark-slices {{.*}}func.return mixes indices of b
func.func @constant_output(%x: !x, %y: tensor<8xf32>) -> (!x, tensor<8xf32>) attributes {qnt.symbols = [#b]} {
  %0 = qnt.exp %x : (!x) -> !x
  %1 = qnt.exp %y : (tensor<8xf32>) -> tensor<8xf32>
  return %0, %1 : !x, tensor<8xf32>
}
