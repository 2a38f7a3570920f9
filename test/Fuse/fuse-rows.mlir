// Groups share a pass over the same rows; what would have to run both before and after one stays out.
// RUN: qcc-opt %s --qcc-fuse-rows --verify-diagnostics --remarks-filter=fuse --remark-format=emitRemark --remark-policy=all | FileCheck %s
// RUN: qcc-opt %s --qcc-fuse-rows=max-ops=1 | FileCheck %s --check-prefix=SINGLE

!x = tensor<?x8xf32, #qnt.dims<[s, 8]>>
!t = tensor<8x?xf32, #qnt.dims<[8, s]>>
!r = tensor<?x1xf32, #qnt.dims<[s, 1]>>
!codes = !qnt.q<[s, 8], i8, token, scale f32>

// A residual, its norm and the codes of the next layer are one pass; the transpose is an address.
// CHECK-LABEL: func.func @norm
func.func @norm(%x: !x, %y: !t, %g: tensor<8xf32>) -> (!x, !codes) {
  // CHECK-NEXT: qnt.fused "row"(%arg0, %arg1, %arg2) {
  // CHECK: %[[T:.*]] = qnt.transpose
  // CHECK-NEXT: %[[A:.*]] = qnt.add %{{.*}}, %[[T]]
  // CHECK-NEXT: %[[N:.*]] = qnt.layer_norm %[[A]]
  // CHECK-NEXT: %[[Q:.*]] = qnt.quantize %[[N]]
  // CHECK-NEXT: qnt.yield %[[A]], %[[Q]]
  %0 = qnt.transpose %y {permutation = array<i64: 1, 0>} : (!t) -> !x
  // expected-remark @below {{fuse-rows | Category:fuse | ops=3}}
  %1 = qnt.add %x, %0 : (!x, !x) -> !x
  %2 = qnt.layer_norm %1 gain %g {epsilon = 1.0e-05} : (!x, tensor<8xf32>) -> !x
  %3 = qnt.quantize %2 : (!x) -> !codes
  return %1, %3 : !x, !codes
}

// One value per row walks the same rows; a constant of one element moves in.
// CHECK-LABEL: func.func @scalar_per_row
func.func @scalar_per_row(%x: !x) -> !x {
  // CHECK-NEXT: qnt.fused "row"(%arg0) {
  // CHECK: qnt.constant
  %half = qnt.constant dense<0.5> : tensor<f32>
  // expected-remark @below {{ops=3}}
  %0 = qnt.reduce max %x {axes = array<i64: 1>, keepDims = true} : (!x) -> !r
  %1 = qnt.mul %0, %half : (!r, tensor<f32>) -> !r
  %2 = qnt.div %x, %1 : (!x, !r) -> !x
  return %2 : !x
}

// CHECK-LABEL: func.func @map
// SINGLE-LABEL: func.func @map
func.func @map(%x: !x) -> !x {
  // CHECK-NEXT: qnt.fused "map"(%arg0)
  // CHECK-NOT: qnt.fused
  // SINGLE-COUNT-2: qnt.fused "map"
  // expected-remark @below {{ops=2}}
  %0 = qnt.exp %x : (!x) -> !x
  %1 = qnt.neg %0 : (!x) -> !x
  return %1 : !x
}

// Rows of one are columns of the other.
// CHECK-LABEL: func.func @other_rows
func.func @other_rows(%x: !x) -> !t {
  // CHECK-COUNT-2: qnt.fused "map"
  %0 = qnt.exp %x : (!x) -> !x
  %1 = qnt.transpose %0 {permutation = array<i64: 1, 0>} : (!x) -> !t
  %2 = qnt.neg %1 : (!t) -> !t
  return %2 : !t
}

// CHECK-LABEL: func.func @out_and_back
func.func @out_and_back(%x: !x, %w: tensor<8x8xf32>) -> !x {
  // CHECK-NEXT: %[[E:.*]] = qnt.fused "map"(%arg0)
  // CHECK: %[[L:.*]] = qnt.linear %[[E]]
  // CHECK: qnt.fused "map"(%[[E]], %[[L]])
  %0 = qnt.exp %x : (!x) -> !x
  %1 = qnt.linear %0, %w : (!x, tensor<8x8xf32>) -> !x
  // expected-remark @below {{a path leads out of the group and back}}
  %2 = qnt.add %0, %1 : (!x, !x) -> !x
  return %2 : !x
}

// Two groups that each read the other: the path back starts before the group does.
// CHECK-LABEL: func.func @crossed
func.func @crossed(%x: tensor<2x6xf32>, %y: tensor<3x4xf32>) -> (tensor<2x6xf32>, tensor<3x4xf32>) {
  // CHECK-COUNT-3: qnt.fused "map"
  // expected-remark @below {{ops=2}}
  %a = qnt.exp %x : (tensor<2x6xf32>) -> tensor<2x6xf32>
  %b = qnt.exp %y : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %0 = qnt.reshape %b : (tensor<3x4xf32>) -> tensor<2x6xf32>
  %c = qnt.add %a, %0 : (tensor<2x6xf32>, tensor<2x6xf32>) -> tensor<2x6xf32>
  %1 = qnt.reshape %a : (tensor<2x6xf32>) -> tensor<3x4xf32>
  // expected-remark @below {{a path leads out of the group and back}}
  %d = qnt.add %b, %1 : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  return %c, %d : tensor<2x6xf32>, tensor<3x4xf32>
}
