// Epilogues: what a micro-kernel can do to a tile of results while it holds it in registers.
// RUN: qcc-opt %s --qcc-fuse-linear --verify-diagnostics --remarks-filter=fuse --remark-format=emitRemark --remark-policy=all | FileCheck %s

!x = tensor<?x8xf32, #qnt.dims<[s, 8]>>
!w = tensor<6x8xf32>
!y = tensor<?x6xf32, #qnt.dims<[s, 6]>>
!r = tensor<?x1xf32, #qnt.dims<[s, 1]>>
!codes = !qnt.q<[s, 8], i8, token, scale f32>
!q8 = !qnt.q<[6, 8], i8, axis 0, scale f32>

// A scalar, one value per column, one per row, the whole: each in either operand.
// CHECK-LABEL: func.func @chain
func.func @chain(%x: !x, %w: !w, %b: tensor<6xf32>, %r: !r, %y: !y) -> !y {
  // CHECK: %[[F:.*]] = qnt.fused "linear"(%arg0, %arg1, %arg2, %arg3, %arg4) {
  // CHECK-NEXT: ^bb0(%[[X:.*]]: tensor<?x8{{.*}}>, %[[W:.*]]: tensor<6x8xf32>, %[[B:.*]]: tensor<6xf32>, %[[R:.*]]: tensor<?x1{{.*}}>, %[[Y:.*]]: tensor<?x6{{.*}}>):
  // CHECK-NEXT: %[[L:.*]] = qnt.linear %[[X]], %[[W]], %[[B]]
  // CHECK-NEXT: %[[G:.*]] = qnt.gelu %[[L]]
  // CHECK-NEXT: %[[C:.*]] = qnt.constant
  // CHECK-NEXT: %[[M:.*]] = qnt.mul %[[G]], %[[C]]
  // CHECK-NEXT: %[[N:.*]] = qnt.mul %[[M]], %[[B]]
  // CHECK-NEXT: %[[P:.*]] = qnt.mul %[[R]], %[[N]]
  // CHECK-NEXT: %[[A:.*]] = qnt.add %[[Y]], %[[P]]
  // CHECK-NEXT: qnt.yield %[[A]]
  // CHECK: return %[[F]]
  %two = qnt.constant dense<2.0> : tensor<f32>
  // expected-remark @below {{fuse-linear | Category:fuse | epilogue=5}}
  %0 = qnt.linear %x, %w, %b : (!x, !w, tensor<6xf32>) -> !y
  %1 = qnt.gelu %0 : (!y) -> !y
  %2 = qnt.mul %1, %two : (!y, tensor<f32>) -> !y
  %3 = qnt.mul %2, %b : (!y, tensor<6xf32>) -> !y
  %4 = qnt.mul %r, %3 : (!r, !y) -> !y
  %5 = qnt.add %y, %4 : (!y, !y) -> !y
  return %5 : !y
}

// CHECK-LABEL: func.func @codes
func.func @codes(%x: !codes, %w: !q8) -> !y {
  // CHECK: qnt.fused "qlinear"(%arg0, %arg1)
  // CHECK: qnt.relu
  // CHECK-NEXT: qnt.yield
  // expected-remark @below {{epilogue=1}}
  %0 = qnt.qlinear %x, %w : (!codes, !q8) -> !y
  %1 = qnt.relu %0 : (!y) -> !y
  return %1 : !y
}

// The sum of two layers is in the epilogue of the first, which then runs last.
// CHECK-LABEL: func.func @sum_of_two
func.func @sum_of_two(%x: !x, %v: !w, %w: !w) -> !y {
  // CHECK: %[[ONE:.*]] = qnt.fused "linear"(%arg0, %arg2) {
  // CHECK: %[[BOTH:.*]] = qnt.fused "linear"(%arg0, %arg1, %[[ONE]]) {
  // CHECK: return %[[BOTH]]
  // expected-remark @below {{epilogue=1}}
  %0 = qnt.linear %x, %v : (!x, !w) -> !y
  // expected-remark @below {{epilogue=0}}
  %1 = qnt.linear %x, %w : (!x, !w) -> !y
  %2 = qnt.add %0, %1 : (!y, !y) -> !y
  return %2 : !y
}

// CHECK-LABEL: func.func @two_users
func.func @two_users(%x: !x, %w: !w) -> (!y, !y) {
  // CHECK: %[[F:.*]] = qnt.fused "linear"
  // CHECK: qnt.exp %[[F]]
  // expected-remark @below {{the value has several users}}
  // expected-remark @below {{epilogue=0}}
  %0 = qnt.linear %x, %w : (!x, !w) -> !y
  %1 = qnt.exp %0 : (!y) -> !y
  return %0, %1 : !y, !y
}

// One value per column and batch is neither one per column nor one per row.
// CHECK-LABEL: func.func @per_batch
func.func @per_batch(%x: tensor<2x3x8xf32>, %w: !w, %b: tensor<2x1x6xf32>) -> tensor<2x3x6xf32> {
  // CHECK: %[[F:.*]] = qnt.fused "linear"
  // CHECK: qnt.add %[[F]], %arg2
  // expected-remark @below {{epilogue=0}}
  %0 = qnt.linear %x, %w : (tensor<2x3x8xf32>, !w) -> tensor<2x3x6xf32>
  // expected-remark @below {{an operand broadcasts along neither rows nor columns}}
  %1 = qnt.add %0, %b : (tensor<2x3x6xf32>, tensor<2x1x6xf32>) -> tensor<2x3x6xf32>
  return %1 : tensor<2x3x6xf32>
}

// The result is larger than what the layer computes.
// CHECK-LABEL: func.func @wider
func.func @wider(%x: !x, %w: !w, %b: tensor<3x1x6xf32>) -> tensor<3x?x6xf32, #qnt.dims<[3, s, 6]>> {
  // CHECK: %[[F:.*]] = qnt.fused "linear"
  // CHECK: qnt.add %[[F]], %arg2
  // expected-remark @below {{epilogue=0}}
  %0 = qnt.linear %x, %w : (!x, !w) -> !y
  %1 = qnt.add %0, %b : (!y, tensor<3x1x6xf32>) -> tensor<3x?x6xf32, #qnt.dims<[3, s, 6]>>
  return %1 : tensor<3x?x6xf32, #qnt.dims<[3, s, 6]>>
}

// The side path of outliers joins the layer that it is added to, if nothing else reads it.
// CHECK-LABEL: func.func @side
func.func @side(%x: tensor<2x4xf32>, %w: tensor<6x4xf32>, %v: tensor<1x6xf32>, %c: tensor<1xi32>, %w2: tensor<6x6xf32>) -> (tensor<2x6xf32>, tensor<2x6xf32>) {
  // CHECK: qnt.fused "linear"
  // CHECK: %[[L:.*]] = qnt.linear
  // CHECK: %[[S:.*]] = qnt.sparse_linear
  // CHECK: qnt.add %[[L]], %[[S]]
  // CHECK: qnt.sparse_linear
  // CHECK: qnt.fused "linear"
  // expected-remark@+1 {{epilogue=2}}
  %0 = qnt.linear %x, %w : (tensor<2x4xf32>, tensor<6x4xf32>) -> tensor<2x6xf32>
  %1 = qnt.sparse_linear %x, %v, %c : (tensor<2x4xf32>, tensor<1x6xf32>, tensor<1xi32>) -> tensor<2x6xf32>
  %2 = qnt.add %0, %1 : (tensor<2x6xf32>, tensor<2x6xf32>) -> tensor<2x6xf32>
  %3 = qnt.sparse_linear %x, %v, %c : (tensor<2x4xf32>, tensor<1x6xf32>, tensor<1xi32>) -> tensor<2x6xf32>
  // expected-remark@+1 {{epilogue=1}}
  %4 = qnt.linear %3, %w2 : (tensor<2x6xf32>, tensor<6x6xf32>) -> tensor<2x6xf32>
  %5 = qnt.add %4, %3 : (tensor<2x6xf32>, tensor<2x6xf32>) -> tensor<2x6xf32>
  return %2, %5 : tensor<2x6xf32>, tensor<2x6xf32>
}

// A weight of one element has an address as any other.
// CHECK-LABEL: func.func @one_weight
func.func @one_weight(%x: tensor<4x1xf32>) -> tensor<4x1xf32> {
  // CHECK: %[[W:.*]] = qnt.constant
  // CHECK: qnt.fused "linear"(%arg0, %[[W]])
  // CHECK: return
  %w = qnt.constant dense<2.0> : tensor<1x1xf32>
  // expected-remark @below {{epilogue=0}}
  %0 = qnt.linear %x, %w : (tensor<4x1xf32>, tensor<1x1xf32>) -> tensor<4x1xf32>
  return %0 : tensor<4x1xf32>
}
