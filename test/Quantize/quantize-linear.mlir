// RUN: qcc-opt %s --qcc-quantize-linear | FileCheck %s
// RUN: qcc-opt %s --qcc-quantize-linear --remarks-filter=quantize --remark-policy=all --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

!row = !qnt.q<[2, 64], i8, token, scale f32>
!row32 = !qnt.q<[2, 64], i8, token, scale f32, sums 32>
!w8 = !qnt.q<[40, 64], i8, axis 0, scale f32>
!w4 = !qnt.q<[40, 64], u4, block 1 x 32, scale f16, zero ui4>
!uneven = !qnt.q<[40, 64], u8, axis 0, scale f32, zero ui8>
!f8 = !qnt.q<[40, 64], f8e4m3fn, axis 0, scale f32>
!wide = !qnt.q<[2, 64], i16, token, scale f32, sums 32>
!real = !qnt.q<[2, 64], f8e4m3fn, token, scale f32>
!columns = !qnt.q<[40, 64], i8, axis 1, scale f32>

// CHECK-LABEL: func.func @per_channel
func.func @per_channel(%x: !row, %w: !w8, %b: tensor<40xf32>) -> tensor<2x40xf32> {
  // CHECK-NEXT: %[[R:.*]] = qnt.qlinear %arg0, %arg1, %arg2
  // CHECK-NEXT: return %[[R]]
  // REMARK: quantize-linear
  // REMARK-SAME: bits=8
  %0 = qnt.dequantize %x : (!row) -> tensor<2x64xf32>
  %1 = qnt.dequantize %w : (!w8) -> tensor<40x64xf32>
  %2 = qnt.linear %0, %1, %b : (tensor<2x64xf32>, tensor<40x64xf32>, tensor<40xf32>) -> tensor<2x40xf32>
  return %2 : tensor<2x40xf32>
}

// CHECK-LABEL: func.func @blocks
func.func @blocks(%x: !row32, %w: !w4) -> tensor<2x40xf32> {
  // CHECK-NEXT: qnt.qlinear %arg0, %arg1 :
  // REMARK: quantize-linear
  // REMARK-SAME: bits=4
  %0 = qnt.dequantize %x : (!row32) -> tensor<2x64xf32>
  %1 = qnt.dequantize %w : (!w4) -> tensor<40x64xf32>
  %2 = qnt.linear %0, %1 : (tensor<2x64xf32>, tensor<40x64xf32>) -> tensor<2x40xf32>
  return %2 : tensor<2x40xf32>
}

// The input is read by others as well, and keeps its real numbers for them.
// CHECK-LABEL: func.func @shared
func.func @shared(%x: !row, %w: !w8) -> (tensor<2x40xf32>, tensor<2x64xf32>) {
  // CHECK-NEXT: qnt.dequantize %arg0
  // CHECK-NEXT: qnt.qlinear %arg0, %arg1
  %0 = qnt.dequantize %x : (!row) -> tensor<2x64xf32>
  %1 = qnt.dequantize %w : (!w8) -> tensor<40x64xf32>
  %2 = qnt.linear %0, %1 : (tensor<2x64xf32>, tensor<40x64xf32>) -> tensor<2x40xf32>
  return %2, %0 : tensor<2x40xf32>, tensor<2x64xf32>
}

// CHECK-LABEL: func.func @wide
func.func @wide(%x: !wide, %w: !w4) -> tensor<2x40xf32> {
  // CHECK-NEXT: qnt.qlinear %arg0, %arg1 :
  // REMARK: meaning=4
  %0 = qnt.dequantize %x : (!wide) -> tensor<2x64xf32>
  %1 = qnt.dequantize %w : (!w4) -> tensor<40x64xf32>
  %2 = qnt.linear %0, %1 : (tensor<2x64xf32>, tensor<40x64xf32>) -> tensor<2x40xf32>
  return %2 : tensor<2x40xf32>
}

// CHECK-LABEL: func.func @eight_bit_floats
func.func @eight_bit_floats(%x: !real, %w: !f8, %i: !w4) -> (tensor<2x40xf32>, tensor<2x40xf32>) {
  // CHECK-NEXT: qnt.qlinear %arg0, %arg1 :
  // CHECK-NEXT: qnt.qlinear %arg0, %arg2 :
  // REMARK: meaning=5
  // REMARK: meaning=5
  %0 = qnt.dequantize %x : (!real) -> tensor<2x64xf32>
  %1 = qnt.dequantize %w : (!f8) -> tensor<40x64xf32>
  %2 = qnt.linear %0, %1 : (tensor<2x64xf32>, tensor<40x64xf32>) -> tensor<2x40xf32>
  %3 = qnt.dequantize %i : (!w4) -> tensor<40x64xf32>
  %4 = qnt.linear %0, %3 : (tensor<2x64xf32>, tensor<40x64xf32>) -> tensor<2x40xf32>
  return %2, %4 : tensor<2x40xf32>, tensor<2x40xf32>
}

// Inputs that are no codes, or whose codes have no integer product, are read as numbers.
// CHECK-LABEL: func.func @floats
func.func @floats(%x: tensor<2x64xf32>, %q: !row, %w: !w4, %f: !f8) -> (tensor<2x40xf32>, tensor<2x40xf32>, tensor<2x40xf32>) {
  // CHECK: qnt.qlinear %arg0, %arg2 : (tensor<2x64xf32>,
  // CHECK: %[[D:.*]] = qnt.dequantize %arg1
  // CHECK: qnt.qlinear %[[D]], %arg2 : (tensor<2x64xf32>,
  // CHECK: qnt.qlinear %[[D]], %arg3 : (tensor<2x64xf32>,
  // REMARK: meaning=3
  // REMARK: Reason="the input does not carry the sums that the weight needs"
  // REMARK: meaning=3
  // REMARK: Reason="the weight's values are no integers"
  // REMARK: meaning=3
  %0 = qnt.dequantize %w : (!w4) -> tensor<40x64xf32>
  %1 = qnt.linear %x, %0 : (tensor<2x64xf32>, tensor<40x64xf32>) -> tensor<2x40xf32>
  %2 = qnt.dequantize %q : (!row) -> tensor<2x64xf32>
  %3 = qnt.linear %2, %0 : (tensor<2x64xf32>, tensor<40x64xf32>) -> tensor<2x40xf32>
  %4 = qnt.dequantize %f : (!f8) -> tensor<40x64xf32>
  %5 = qnt.linear %2, %4 : (tensor<2x64xf32>, tensor<40x64xf32>) -> tensor<2x40xf32>
  return %1, %3, %5 : tensor<2x40xf32>, tensor<2x40xf32>, tensor<2x40xf32>
}

// CHECK-LABEL: func.func @refused
func.func @refused(%x: !row, %u: !uneven, %c: !columns) -> (tensor<2x40xf32>, tensor<2x40xf32>) {
  // CHECK: %[[D:.*]] = qnt.dequantize %arg0
  // CHECK: qnt.qlinear %[[D]], %arg1
  // CHECK: qnt.linear
  // REMARK: Reason="the input does not carry the sums that the weight needs"
  // REMARK: Reason="the weight is neither per output channel nor in blocks along K"
  %0 = qnt.dequantize %x : (!row) -> tensor<2x64xf32>
  %1 = qnt.dequantize %u : (!uneven) -> tensor<40x64xf32>
  %2 = qnt.linear %0, %1 : (tensor<2x64xf32>, tensor<40x64xf32>) -> tensor<2x40xf32>
  %3 = qnt.dequantize %c : (!columns) -> tensor<40x64xf32>
  %4 = qnt.linear %0, %3 : (tensor<2x64xf32>, tensor<40x64xf32>) -> tensor<2x40xf32>
  return %2, %4 : tensor<2x40xf32>, tensor<2x40xf32>
}

// Codes of imported models have no sums yet: each product gets the ones that it needs.
// CHECK-LABEL: func.func @sums
func.func @sums(%x: tensor<2x64xf32>, %w: !w4, %v: !w8) -> (tensor<2x40xf32>, tensor<2x40xf32>, tensor<2x40xf32>) {
  // CHECK-NEXT: %[[S:.*]] = qnt.quantize %arg0 : {{.*}} -> !qnt.q<[2, 64], i8, token, scale f32, sums 32>
  // CHECK-NEXT: %[[P:.*]] = qnt.quantize %arg0 : {{.*}} -> !qnt.q<[2, 64], i8, token, scale f32>
  // CHECK-NEXT: qnt.qlinear %[[S]], %arg1 :
  // CHECK-NEXT: qnt.qlinear %[[S]], %arg1 :
  // CHECK-NEXT: qnt.qlinear %[[P]], %arg2 :
  %q = qnt.quantize %x : (tensor<2x64xf32>) -> !row
  %0 = qnt.dequantize %q : (!row) -> tensor<2x64xf32>
  %1 = qnt.dequantize %w : (!w4) -> tensor<40x64xf32>
  %2 = qnt.dequantize %v : (!w8) -> tensor<40x64xf32>
  %3 = qnt.linear %0, %1 : (tensor<2x64xf32>, tensor<40x64xf32>) -> tensor<2x40xf32>
  %4 = qnt.linear %0, %1 : (tensor<2x64xf32>, tensor<40x64xf32>) -> tensor<2x40xf32>
  %5 = qnt.linear %0, %2 : (tensor<2x64xf32>, tensor<40x64xf32>) -> tensor<2x40xf32>
  return %3, %4, %5 : tensor<2x40xf32>, tensor<2x40xf32>, tensor<2x40xf32>
}
