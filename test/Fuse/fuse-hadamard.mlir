// RUN: qcc-opt %s --qcc-fuse-hadamard | FileCheck %s
// RUN: qcc-opt %s --qcc-fuse-hadamard --remarks-filter=fuse --remark-policy=all --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

!x = tensor<4x96xf32>
!c = !qnt.q<[4, 96], i8, token, scale f32, zero i8>

// CHECK-LABEL: func.func @codes
func.func @codes(%x: !x) -> !c {
  // CHECK: qnt.fused "hadamard"(%arg0) {
  // CHECK: %[[R:.*]] = qnt.hadamard
  // CHECK: qnt.quantize %[[R]]
  // REMARK: codes=yes
  %0 = qnt.hadamard %x {axis = 1 : i64, block = 96 : i64} : (!x) -> !x
  %1 = qnt.quantize %0 : (!x) -> !c
  return %1 : !c
}

// CHECK-LABEL: func.func @reals
func.func @reals(%x: !x) -> (!x, !x) {
  // CHECK: qnt.fused "hadamard"
  // REMARK: codes=no
  %0 = qnt.hadamard %x {axis = 1 : i64, block = 32 : i64} : (!x) -> !x
  // REMARK: Reason="another axis rotates"
  // CHECK: qnt.hadamard %arg0 {axis = 0 : i64
  // CHECK-NOT: qnt.fused
  %1 = qnt.hadamard %x {axis = 0 : i64, block = 4 : i64} : (!x) -> !x
  return %0, %1 : !x, !x
}

// CHECK-LABEL: func.func @otherCodes
func.func @otherCodes(%x: !x) -> !qnt.q<[4, 96], i8, tensor, scale f32> {
  // REMARK: Reason="the codes are not of 8 bits per token"
  // CHECK: qnt.fused "hadamard"
  // CHECK: qnt.quantize
  %0 = qnt.hadamard %x {axis = 1 : i64, block = 32 : i64} : (!x) -> !x
  %1 = qnt.quantize %0 : (!x) -> !qnt.q<[4, 96], i8, tensor, scale f32>
  return %1 : !qnt.q<[4, 96], i8, tensor, scale f32>
}
