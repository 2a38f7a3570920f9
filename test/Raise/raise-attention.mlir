// Attention with split scales, groups, masks, guard and cap.
// RUN: qcc-opt %s --qcc-raise-attention --split-input-file --remarks-filter=raise --remark-format=emitRemark 2>%t.err | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK < %t.err

!q = tensor<2x4x?x8xf32, #qnt.dims<[2, 4, s, 8]>>
!k = tensor<2x4x?x8xf32, #qnt.dims<[2, 4, t, 8]>>
!kt = tensor<2x4x8x?xf32, #qnt.dims<[2, 4, 8, t]>>
!a = tensor<2x4x?x?xf32, #qnt.dims<[2, 4, s, t]>>
!ai = tensor<2x4x?x?xi1, #qnt.dims<[2, 4, s, t]>>
!m = tensor<2x1x?x?xf32, #qnt.dims<[2, 1, s, t]>>
!b = tensor<2x1x?x?xi1, #qnt.dims<[2, 1, s, t]>>

// CHECK-LABEL: @added_mask
// CHECK-SAME: (%[[Q:[a-z0-9]*]]: {{.*}}, %[[K:[a-z0-9]*]]: {{.*}}, %[[V:[a-z0-9]*]]: {{.*}}, %[[M:[a-z0-9]*]]: tensor<2x1x?x?xf32
// REMARK: remark: [Passed] raise-attention
func.func @added_mask(%q: !q, %k: !k, %v: !k, %m: !m) -> !q {
  // CHECK-NEXT: %[[O:.*]] = qnt.attention %[[Q]], %[[K]], %[[V]], %[[M]] {scale = 2.500000e-01 : f64}
  // CHECK-NEXT: return %[[O]]
  %four = qnt.constant dense<4.0> : tensor<f32>
  %kt = qnt.transpose %k {permutation = array<i64: 0, 1, 3, 2>} : (!k) -> !kt
  %0 = qnt.matmul %q, %kt : (!q, !kt) -> !a
  %1 = qnt.div %0, %four : (!a, tensor<f32>) -> !a
  %2 = qnt.add %1, %m : (!a, !m) -> !a
  %3 = qnt.softmax %2 : (!a) -> !a
  %4 = qnt.matmul %3, %v : (!a, !k) -> !q
  return %4 : !q
}

!g = tensor<2x2x?x8xf32, #qnt.dims<[2, 2, t, 8]>>
!g1 = tensor<2x2x1x?x8xf32, #qnt.dims<[2, 2, 1, t, 8]>>
!g2 = tensor<2x2x2x?x8xf32, #qnt.dims<[2, 2, 2, t, 8]>>

// Scale on both sides, repeated heads, a mask of 0 and -inf, and a guard against NaN.
// CHECK-LABEL: @groups_and_guard
// CHECK-SAME: (%[[Q:[a-z0-9]*]]: {{.*}}, %[[K:[a-z0-9]*]]: {{.*}}, %[[V:[a-z0-9]*]]: {{.*}}, %[[B:[a-z0-9]*]]: tensor<2x1x?x?xi1
func.func @groups_and_guard(%q: !q, %k: !g, %v: !g, %b: !b) -> !q {
  // CHECK-NEXT: %[[O:.*]] = qnt.attention %[[Q]], %[[K]], %[[V]], %[[B]] {safe = true, scale = 2.500000e-01 : f64}
  // CHECK-NEXT: return %[[O]]
  %half = qnt.constant dense<0.5> : tensor<f32>
  %zero = qnt.constant dense<0.0> : tensor<1xf32>
  %never = qnt.constant dense<0xFF800000> : tensor<1xf32>
  %k1 = qnt.reshape %k : (!g) -> !g1
  %k2 = qnt.broadcast %k1 : (!g1) -> !g2
  %k4 = qnt.reshape %k2 : (!g2) -> !k
  %v1 = qnt.reshape %v : (!g) -> !g1
  %v2 = qnt.broadcast %v1 : (!g1) -> !g2
  %v4 = qnt.reshape %v2 : (!g2) -> !k
  %kt = qnt.transpose %k4 {permutation = array<i64: 0, 1, 3, 2>} : (!k) -> !kt
  %qs = qnt.mul %q, %half : (!q, tensor<f32>) -> !q
  %ks = qnt.mul %kt, %half : (!kt, tensor<f32>) -> !kt
  %0 = qnt.matmul %qs, %ks : (!q, !kt) -> !a
  %m = qnt.select %b, %zero, %never : (!b, tensor<1xf32>, tensor<1xf32>) -> !m
  %1 = qnt.add %0, %m : (!a, !m) -> !a
  %2 = qnt.softmax %1 : (!a) -> !a
  %3 = qnt.is_nan %2 : (!a) -> !ai
  %4 = qnt.select %3, %zero, %2 : (!ai, tensor<1xf32>, !a) -> !a
  %5 = qnt.matmul %4, %v4 : (!a, !k) -> !q
  return %5 : !q
}

// A fill value that is not -inf makes fully masked rows uniform: the mask stays a number.
// CHECK-LABEL: @selected_scores
// CHECK-SAME: (%[[Q:[a-z0-9]*]]: {{.*}}, %[[K:[a-z0-9]*]]: {{.*}}, %[[V:[a-z0-9]*]]: {{.*}}, %[[B:[a-z0-9]*]]: tensor<2x1x?x?xi1
func.func @selected_scores(%q: !q, %k: !k, %v: !k, %b: !b) -> (!q, !q) {
  // CHECK: %[[NOT:.*]] = qnt.not %[[B]]
  // CHECK: qnt.attention %[[Q]], %[[K]], %[[V]], %[[NOT]] {scale = 1.0{{.*}} : f64}
  // CHECK: %[[M:.*]] = qnt.select %[[B]], %{{.*}}, %{{.*}} -> tensor<2x1x?x?xf32
  // CHECK: qnt.attention %[[Q]], %[[K]], %[[V]], %[[M]] {scale = 1.0{{.*}} : f64}
  %never = qnt.constant dense<0xFF800000> : tensor<1xf32>
  %small = qnt.constant dense<-3.40282347E+38> : tensor<f32>
  %0 = qnt.matmul %q, %k {transposeY = true} : (!q, !k) -> !a
  %1 = qnt.select %b, %never, %0 : (!b, tensor<1xf32>, !a) -> !a
  %2 = qnt.softmax %1 : (!a) -> !a
  %3 = qnt.matmul %2, %v : (!a, !k) -> !q
  %4 = qnt.select %b, %0, %small : (!b, !a, tensor<f32>) -> !a
  %5 = qnt.softmax %4 : (!a) -> !a
  %6 = qnt.matmul %5, %v : (!a, !k) -> !q
  return %3, %6 : !q, !q
}

// CHECK-LABEL: @capped
func.func @capped(%q: !q, %k: !k, %v: !k, %m: !m) -> !q {
  // CHECK-NEXT: qnt.attention {{.*}} {scale = 2.500000e-01 : f64, softcap = 5.000000e+01 : f64}
  // CHECK-NEXT: return
  %quarter = qnt.constant dense<0.25> : tensor<f32>
  %fifty = qnt.constant dense<50.0> : tensor<f32>
  %0 = qnt.matmul %q, %k {transposeY = true} : (!q, !k) -> !a
  %1 = qnt.mul %0, %quarter : (!a, tensor<f32>) -> !a
  %2 = qnt.div %1, %fifty : (!a, tensor<f32>) -> !a
  %3 = qnt.tanh %2 : (!a) -> !a
  %4 = qnt.mul %3, %fifty : (!a, tensor<f32>) -> !a
  %5 = qnt.add %m, %4 : (!m, !a) -> !a
  %6 = qnt.softmax %5 : (!a) -> !a
  %7 = qnt.matmul %6, %v : (!a, !k) -> !q
  return %7 : !q
}

// -----

!q = tensor<2x4x3x8xf32>
!a = tensor<2x4x3x3xf32>

// CHECK-LABEL: @factor_after_mask
// REMARK: remark: [Missed] raise-attention {{.*}}a factor lies between mask and softmax
func.func @factor_after_mask(%q: !q, %k: !q, %v: !q, %m: !a) -> !q {
  // CHECK-NOT: qnt.attention
  %half = qnt.constant dense<0.5> : tensor<f32>
  %0 = qnt.matmul %q, %k {transposeY = true} : (!q, !q) -> !a
  %1 = qnt.add %0, %m : (!a, !a) -> !a
  %2 = qnt.mul %1, %half : (!a, tensor<f32>) -> !a
  %3 = qnt.softmax %2 : (!a) -> !a
  %4 = qnt.matmul %3, %v : (!a, !q) -> !q
  return %4 : !q
}

// -----

!q = tensor<2x4x3x8xf32>
!a = tensor<2x4x3x3xf32>

// CHECK-LABEL: @read_elsewhere
// REMARK: remark: [Missed] raise-attention {{.*}}the probabilities are read elsewhere
func.func @read_elsewhere(%q: !q, %k: !q, %v: !q) -> (!q, !a) {
  // CHECK-NOT: qnt.attention
  %0 = qnt.matmul %q, %k {transposeY = true} : (!q, !q) -> !a
  %1 = qnt.softmax %0 : (!a) -> !a
  %2 = qnt.matmul %1, %v : (!a, !q) -> !q
  return %2, %1 : !q, !a
}

// -----

!q = tensor<2x2x4x3x8xf32>
!a = tensor<2x2x4x3x3xf32>

// CHECK-LABEL: @rank_five
// REMARK: remark: [Missed] raise-attention {{.*}}the scores do not have rank 3 or 4
func.func @rank_five(%q: !q, %k: !q, %v: !q) -> !q {
  // CHECK-NOT: qnt.attention
  %0 = qnt.matmul %q, %k {transposeY = true} : (!q, !q) -> !a
  %1 = qnt.softmax %0 : (!a) -> !a
  %2 = qnt.matmul %1, %v : (!a, !q) -> !q
  return %2 : !q
}

// -----

!q = tensor<2x4x3x8xf32>
!q3 = tensor<8x3x8xf32>
!a3 = tensor<8x3x3xf32>
!a = tensor<2x4x3x3xf32>
!m = tensor<2x1x3x3xf32>

// Batch and heads in one axis; the mask is added to scores that are split for it.
// CHECK-LABEL: @merged_heads
// CHECK-SAME: (%[[Q:[a-z0-9]*]]: {{.*}}, %[[K:[a-z0-9]*]]: {{.*}}, %[[V:[a-z0-9]*]]: {{.*}}, %[[M:[a-z0-9]*]]: tensor<2x1x3x3xf32>)
func.func @merged_heads(%q: !q, %k: !q, %v: !q, %m: !m) -> !q3 {
  // CHECK-NEXT: %[[A:.*]] = qnt.attention %[[Q]], %[[K]], %[[V]], %[[M]] {scale = 1.0{{.*}} : f64}
  // CHECK-NEXT: %[[O:.*]] = qnt.reshape %[[A]]
  // CHECK-NEXT: return %[[O]]
  %q3 = qnt.reshape %q : (!q) -> !q3
  %k3 = qnt.reshape %k : (!q) -> !q3
  %v3 = qnt.reshape %v : (!q) -> !q3
  %kt = qnt.transpose %k3 {permutation = array<i64: 0, 2, 1>} : (!q3) -> tensor<8x8x3xf32>
  %0 = qnt.matmul %q3, %kt : (!q3, tensor<8x8x3xf32>) -> !a3
  %1 = qnt.reshape %0 : (!a3) -> !a
  %2 = qnt.add %1, %m : (!a, !m) -> !a
  %3 = qnt.reshape %2 : (!a) -> !a3
  %4 = qnt.softmax %3 : (!a3) -> !a3
  %5 = qnt.matmul %4, %v3 : (!a3, !q3) -> !q3
  return %5 : !q3
}

// CHECK-LABEL: @heads_alone
func.func @heads_alone(%q: !q3, %k: !q3, %v: !q3) -> !q3 {
  // CHECK: qnt.attention {{.*}} -> tensor<1x8x3x8xf32>
  %0 = qnt.matmul %q, %k {transposeY = true} : (!q3, !q3) -> !a3
  %1 = qnt.softmax %0 : (!a3) -> !a3
  %2 = qnt.matmul %1, %v : (!a3, !q3) -> !q3
  return %2 : !q3
}

// -----

!kv = tensor<2x2x3x8xf32>
!up = tensor<2x2x1x3x8xf32>
!wide = tensor<2x2x2x3x8xf32>
!q = tensor<2x4x3x8xf32>

// Heads repeated for an operator that could share them.
// CHECK-LABEL: @shared_heads
// CHECK-SAME: (%[[Q:[a-z0-9]*]]: {{.*}}, %[[K:[a-z0-9]*]]: tensor<2x2x3x8xf32>, %[[V:[a-z0-9]*]]: tensor<2x2x3x8xf32>)
func.func @shared_heads(%q: !q, %k: !kv, %v: !kv) -> !q {
  // CHECK-NEXT: %[[A:.*]] = qnt.attention %[[Q]], %[[K]], %[[V]] {scale = 5.000000e-01 : f64}
  // CHECK-NEXT: return %[[A]]
  %k1 = qnt.reshape %k : (!kv) -> !up
  %k2 = qnt.broadcast %k1 : (!up) -> !wide
  %k3 = qnt.reshape %k2 : (!wide) -> !q
  %v1 = qnt.reshape %v : (!kv) -> !up
  %v2 = qnt.broadcast %v1 : (!up) -> !wide
  %v3 = qnt.reshape %v2 : (!wide) -> !q
  %0 = qnt.attention %q, %k3, %v3 {scale = 0.5} : (!q, !q, !q) -> !q
  return %0 : !q
}

// The same by indices and by tiling; indices in another order repeat nothing.
// CHECK-LABEL: @gathered_heads
func.func @gathered_heads(%q: !q, %k: !kv, %v: !kv) -> (!q, !q) {
  // CHECK: qnt.attention %arg0, %arg1, %arg2 {
  // CHECK: qnt.attention %arg0, %{{[0-9]*}}, %{{[0-9]*}} {
  %each = qnt.constant dense<[0, 0, 1, 1]> : tensor<4xi64>
  %turns = qnt.constant dense<[0, 1, 0, 1]> : tensor<4xi64>
  %k1 = qnt.gather %k, %each {axis = 1 : i64} : (!kv, tensor<4xi64>) -> !q
  %v1 = qnt.gather %v, %each {axis = 1 : i64} : (!kv, tensor<4xi64>) -> !q
  %0 = qnt.attention %q, %k1, %v1 {scale = 0.5} : (!q, !q, !q) -> !q
  %k2 = qnt.gather %k, %turns {axis = 1 : i64} : (!kv, tensor<4xi64>) -> !q
  %v2 = qnt.gather %v, %turns {axis = 1 : i64} : (!kv, tensor<4xi64>) -> !q
  %1 = qnt.attention %q, %k2, %v2 {scale = 0.5} : (!q, !q, !q) -> !q
  return %0, %1 : !q, !q
}

// CHECK-LABEL: @tiled_heads
func.func @tiled_heads(%q: !q, %k: !kv, %v: !kv) -> !q {
  // CHECK: qnt.attention %arg0, %arg1, %arg2 {
  %k1 = qnt.reshape %k : (!kv) -> tensor<2x2x1x1x3x8xf32>
  %k2 = qnt.broadcast %k1 : (tensor<2x2x1x1x3x8xf32>) -> tensor<2x2x2x1x3x8xf32>
  %k3 = qnt.reshape %k2 : (tensor<2x2x2x1x3x8xf32>) -> !q
  %v1 = qnt.reshape %v : (!kv) -> !up
  %v2 = qnt.broadcast %v1 : (!up) -> !wide
  %v3 = qnt.reshape %v2 : (!wide) -> !q
  %0 = qnt.attention %q, %k3, %v3 {scale = 0.5} : (!q, !q, !q) -> !q
  return %0 : !q
}

// Values that were not repeated keep keys as they are.
// CHECK-LABEL: @keys_only
func.func @keys_only(%q: !q, %k: !kv, %v: !q) -> !q {
  // CHECK: qnt.broadcast
  // CHECK: qnt.attention %{{[^,]*}}, %{{[^,]*}}, %arg2
  %k1 = qnt.reshape %k : (!kv) -> !up
  %k2 = qnt.broadcast %k1 : (!up) -> !wide
  %k3 = qnt.reshape %k2 : (!wide) -> !q
  %0 = qnt.attention %q, %k3, %v {scale = 0.5} : (!q, !q, !q) -> !q
  return %0 : !q
}

// -----

!q = tensor<2x4x?x8xf32, #qnt.dims<[2, 4, s, 8]>>
!k = tensor<2x4x?x8xf32, #qnt.dims<[2, 4, t, 8]>>
!a = tensor<2x4x?x?xf32, #qnt.dims<[2, 4, s, t]>>
!o = tensor<2x4x?x?xf32, #qnt.dims<[2, 4, s, t + 1]>>
!c = tensor<2x4x?x1xf32, #qnt.dims<[2, 4, s, 1]>>
!r = tensor<2x4x?x1xf32, #qnt.dims<[2, 4, s, 1]>>

// A score per head without a value; the largest score is taken off before.
// CHECK-LABEL: @sink
// CHECK-SAME: (%[[Q:[a-z0-9]*]]: {{.*}}, %[[K:[a-z0-9]*]]: {{.*}}, %[[V:[a-z0-9]*]]: {{.*}}, %[[S:[a-z0-9]*]]: tensor<1x4x1x1xf32>
func.func @sink(%q: !q, %k: !k, %v: !k, %s: tensor<1x4x1x1xf32>) -> !q {
  // CHECK-NEXT: %[[H:.*]] = qnt.reshape %[[S]] : (tensor<1x4x1x1xf32>) -> tensor<4xf32>
  // CHECK-NEXT: %[[O:.*]] = qnt.attention %[[Q]], %[[K]], %[[V]] sink %[[H]] {scale = 1.000000e+00 : f64}
  // CHECK-NEXT: return %[[O]]
  %0 = qnt.matmul %q, %k {transposeY = true} : (!q, !k) -> !a
  %1 = qnt.broadcast %s : (tensor<1x4x1x1xf32>) -> !c
  %2 = qnt.concat %0, %1 {axis = 3 : i64} : (!a, !c) -> !o
  %3 = qnt.reduce max %2 {axes = array<i64: 3>, keepDims = true} : (!o) -> !r
  %4 = qnt.sub %2, %3 : (!o, !r) -> !o
  %5 = qnt.softmax %4 : (!o) -> !o
  %6 = qnt.slice %5 {starts = #qnt.dims<[0, 0, 0, 0]>, steps = array<i64: 1, 1, 1, 1>} : (!o) -> !a
  %7 = qnt.matmul %6, %v : (!a, !k) -> !q
  return %7 : !q
}
