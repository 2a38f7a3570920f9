// Formulas of the dialect's reference, op by op, so that one emitter schedules every row kernel.
// RUN: qcc-opt %s --pass-pipeline='builtin.module(qnt.kernel(qcc-expand-rows))' | FileCheck %s

!x = tensor<?x?xf32, #qnt.dims<[d0, d1]>>
!r = tensor<?x1xf32, #qnt.dims<[d0, 1]>>
!g = tensor<?xf32, #qnt.dims<[d1]>>
!codes = !qnt.q<[d0, d1], i8, token, scale f32>

// CHECK-LABEL: qnt.kernel @softmax
qnt.kernel @softmax "row" dims 2 {
^bb0(%x: !x):
  // CHECK: %[[M:.*]] = qnt.reduce max %[[X:.*]] {axes = array<i64: 1>, keepDims = true}
  // CHECK-NEXT: %[[S:.*]] = qnt.sub %[[X]], %[[M]]
  // CHECK-NEXT: %[[E:.*]] = qnt.exp %[[S]]
  // CHECK-NEXT: %[[T:.*]] = qnt.reduce sum %[[E]]
  // CHECK-NEXT: %[[I:.*]] = qnt.reciprocal %[[T]]
  // CHECK-NEXT: %[[O:.*]] = qnt.mul %[[E]], %[[I]]
  // CHECK-NEXT: qnt.yield %[[O]]
  %0 = qnt.softmax %x : (!x) -> !x
  qnt.yield %0 : !x
}

// CHECK-LABEL: qnt.kernel @log_softmax
qnt.kernel @log_softmax "row" dims 2 {
^bb0(%x: !x):
  // CHECK: %[[S:.*]] = qnt.sub
  // CHECK-NEXT: %[[E:.*]] = qnt.exp %[[S]]
  // CHECK-NEXT: %[[T:.*]] = qnt.reduce sum %[[E]]
  // CHECK-NEXT: %[[L:.*]] = qnt.log %[[T]]
  // CHECK-NEXT: qnt.sub %[[S]], %[[L]]
  %0 = qnt.softmax %x {log = true} : (!x) -> !x
  qnt.yield %0 : !x
}

// The length is a parameter, not a number; the variance is that of the centred row.
// CHECK-LABEL: qnt.kernel @layer_norm
qnt.kernel @layer_norm "row" dims 2 {
// CHECK-NEXT: ^bb0(%[[X:.*]]: tensor<?x?x{{.*}}>, %[[G:.*]]: tensor<?x{{.*}}>, %[[B:.*]]: tensor<?x{{.*}}>):
^bb0(%x: !x, %g: !g, %b: !g):
  // CHECK-NEXT: %[[S:.*]] = qnt.reduce sum %[[X]]
  // CHECK-NEXT: %[[D:.*]] = qnt.dim_tensor <[d1]> : tensor<i64>
  // CHECK-NEXT: %[[N:.*]] = qnt.cast %[[D]]
  // CHECK-NEXT: %[[MU:.*]] = qnt.div %[[S]], %[[N]]
  // CHECK-NEXT: %[[C:.*]] = qnt.sub %[[X]], %[[MU]]
  // CHECK-NEXT: %[[SQ:.*]] = qnt.mul %[[C]], %[[C]]
  // CHECK-NEXT: qnt.reduce sum %[[SQ]]
  // CHECK: %[[V:.*]] = qnt.div
  // CHECK-NEXT: %[[EPS:.*]] = qnt.constant dense<9.99999974E-6>
  // CHECK-NEXT: %[[W:.*]] = qnt.add %[[V]], %[[EPS]]
  // CHECK-NEXT: %[[Q:.*]] = qnt.sqrt %[[W]]
  // CHECK-NEXT: %[[I:.*]] = qnt.reciprocal %[[Q]]
  // CHECK-NEXT: %[[O:.*]] = qnt.mul %[[C]], %[[I]]
  // CHECK-NEXT: %[[P:.*]] = qnt.mul %[[O]], %[[G]]
  // CHECK-NEXT: qnt.add %[[P]], %[[B]]
  %0 = qnt.layer_norm %x gain %g bias %b {epsilon = 1.0e-05} : (!x, !g, !g) -> !x
  qnt.yield %0 : !x
}

// CHECK-LABEL: qnt.kernel @rms_norm
qnt.kernel @rms_norm "row" dims 2 {
// CHECK-NEXT: ^bb0(%[[X:.*]]: tensor
^bb0(%x: !x):
  // CHECK-NEXT: %[[SQ:.*]] = qnt.mul %[[X]], %[[X]]
  // CHECK-NEXT: qnt.reduce sum %[[SQ]]
  // CHECK: %[[I:.*]] = qnt.reciprocal
  // CHECK-NEXT: %[[O:.*]] = qnt.mul %[[X]], %[[I]]
  // CHECK-NEXT: qnt.yield %[[O]]
  %0 = qnt.rms_norm %x {epsilon = 1.0e-05} : (!x) -> !x
  qnt.yield %0 : !x
}

// CHECK-LABEL: qnt.kernel @compound
qnt.kernel @compound "row" dims 2 {
// CHECK-NEXT: ^bb0(%[[X:.*]]: tensor
^bb0(%x: !x):
  // CHECK-NEXT: %[[SUM:.*]] = qnt.reduce sum %[[X]]
  // CHECK: %[[MEAN:.*]] = qnt.div %[[SUM]]
  // CHECK-NEXT: %[[SQ:.*]] = qnt.mul %[[X]], %[[X]]
  // CHECK-NEXT: %[[SS:.*]] = qnt.reduce sum %[[SQ]]
  // CHECK-NEXT: %[[L2:.*]] = qnt.sqrt %[[SS]]
  // CHECK-NEXT: %[[M:.*]] = qnt.reduce max %[[X]]
  // CHECK-NEXT: %[[S:.*]] = qnt.sub %[[X]], %[[M]]
  // CHECK-NEXT: %[[E:.*]] = qnt.exp %[[S]]
  // CHECK-NEXT: %[[T:.*]] = qnt.reduce sum %[[E]]
  // CHECK-NEXT: %[[L:.*]] = qnt.log %[[T]]
  // CHECK-NEXT: %[[LSE:.*]] = qnt.add %[[M]], %[[L]]
  // CHECK-NEXT: qnt.yield %[[MEAN]], %[[L2]], %[[LSE]]
  %0 = qnt.reduce mean %x {axes = array<i64: 1>, keepDims = true} : (!x) -> !r
  %1 = qnt.reduce l2 %x {axes = array<i64: 1>, keepDims = true} : (!x) -> !r
  %2 = qnt.reduce log_sum_exp %x {axes = array<i64: 1>, keepDims = true} : (!x) -> !r
  qnt.yield %0, %1, %2 : !r, !r, !r
}

// Simple already; and codes have an emitter of their own.
// CHECK-LABEL: qnt.kernel @simple
qnt.kernel @simple "row" dims 2 {
^bb0(%x: !x):
  // CHECK: qnt.reduce prod
  // CHECK-NEXT: qnt.quantize
  // CHECK-NEXT: qnt.yield
  %0 = qnt.reduce prod %x {axes = array<i64: 1>, keepDims = true} : (!x) -> !r
  %1 = qnt.quantize %x : (!x) -> !codes
  qnt.yield %0, %1 : !r, !codes
}

// Kernels of other kinds are not rows.
// CHECK-LABEL: qnt.kernel @other_kind
qnt.kernel @other_kind "softmax" dims 2 {
^bb0(%x: !x):
  // CHECK: qnt.softmax
  %0 = qnt.softmax %x : (!x) -> !x
  qnt.yield %0 : !x
}
