// What resembles attention and is none, with the reason.
// RUN: qcc-opt %s --qcc-raise-attention --split-input-file --remarks-filter=raise --remark-format=emitRemark 2>%t.err | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK --implicit-check-not="no softmax" < %t.err

!q = tensor<2x4x3x8xf32>
!a = tensor<2x4x3x3xf32>
!vt = tensor<2x4x8x3xf32>

// CHECK-LABEL: @transposed_values
// REMARK: remark: [Missed] raise-attention {{.*}}the values are transposed
func.func @transposed_values(%q: !q, %k: !q, %vt: !vt) -> !q {
  // CHECK-NOT: qnt.attention
  %0 = qnt.matmul %q, %k {transposeY = true} : (!q, !q) -> !a
  %1 = qnt.softmax %0 : (!a) -> !a
  %2 = qnt.matmul %1, %vt {transposeY = true} : (!a, !vt) -> !q
  return %2 : !q
}

// -----

!q = tensor<2x4x3x8xf32>
!a = tensor<2x4x3x3xf32>

// A product without a softmax, or with the logarithm of one, is not worth a word.
// CHECK-LABEL: @no_softmax
func.func @no_softmax(%q: !q, %k: !q, %v: !q) -> (!q, !q) {
  // CHECK-NOT: qnt.attention
  %0 = qnt.matmul %q, %k {transposeY = true} : (!q, !q) -> !a
  %1 = qnt.matmul %0, %v : (!a, !q) -> !q
  %2 = qnt.softmax %0 {log = true} : (!a) -> !a
  %3 = qnt.matmul %2, %v : (!a, !q) -> !q
  return %1, %3 : !q, !q
}

// -----

!q = tensor<2x4x3x8xf32>
!a = tensor<2x4x3x3xf32>

// CHECK-LABEL: @no_product
// REMARK: remark: [Missed] raise-attention {{.*}}the scores are no product
func.func @no_product(%scores: !a, %v: !q) -> !q {
  // CHECK-NOT: qnt.attention
  %0 = qnt.softmax %scores : (!a) -> !a
  %1 = qnt.matmul %0, %v : (!a, !q) -> !q
  return %1 : !q
}

// -----

!q = tensor<2x4x3x8xf32>
!a = tensor<2x4x3x3xf32>
!o = tensor<2x4x3x4xf32>

// A column beside the scores that differs from query to query is no sink.
// CHECK-LABEL: @column_by_query
// REMARK: remark: [Missed] raise-attention {{.*}}a part of the probabilities is read
func.func @column_by_query(%q: !q, %k: !q, %v: !q, %s: tensor<1x4x3x1xf32>) -> !q {
  // CHECK-NOT: qnt.attention
  %0 = qnt.matmul %q, %k {transposeY = true} : (!q, !q) -> !a
  %1 = qnt.broadcast %s : (tensor<1x4x3x1xf32>) -> tensor<2x4x3x1xf32>
  %2 = qnt.concat %0, %1 {axis = 3 : i64} : (!a, tensor<2x4x3x1xf32>) -> !o
  %3 = qnt.softmax %2 : (!o) -> !o
  %4 = qnt.slice %3 {starts = #qnt.dims<[0, 0, 0, 0]>, steps = array<i64: 1, 1, 1, 1>} : (!o) -> !a
  %5 = qnt.matmul %4, %v : (!a, !q) -> !q
  return %5 : !q
}

// -----

!q = tensor<2x4x3x8xf32>
!a = tensor<2x4x3x3xf32>
!o = tensor<2x4x3x4xf32>

// Nor is one whose own share is read.
// CHECK-LABEL: @share_of_the_sink
// REMARK: remark: [Missed] raise-attention {{.*}}a part of the probabilities is read
func.func @share_of_the_sink(%q: !q, %k: !q, %v: !q, %s: tensor<1x4x1x1xf32>) -> !q {
  // CHECK-NOT: qnt.attention
  %0 = qnt.matmul %q, %k {transposeY = true} : (!q, !q) -> !a
  %1 = qnt.broadcast %s : (tensor<1x4x1x1xf32>) -> tensor<2x4x3x1xf32>
  %2 = qnt.concat %0, %1 {axis = 3 : i64} : (!a, tensor<2x4x3x1xf32>) -> !o
  %3 = qnt.softmax %2 : (!o) -> !o
  %4 = qnt.slice %3 {starts = #qnt.dims<[0, 0, 0, 1]>, steps = array<i64: 1, 1, 1, 1>} : (!o) -> !a
  %5 = qnt.matmul %4, %v : (!a, !q) -> !q
  return %5 : !q
}
