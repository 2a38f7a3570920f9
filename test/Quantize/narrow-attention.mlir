// RUN: qcc-opt %s --qcc-narrow-attention | FileCheck %s
// RUN: qcc-opt %s --qcc-narrow-attention --remarks-filter=quantize --remark-policy=all --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK
// RUN: not qcc-opt %s --pass-pipeline='builtin.module(func.func(qcc-narrow-attention{required}))' -o /dev/null 2>&1 | FileCheck %s --check-prefix=REQUIRED

// REQUIRED-DAG: error: QCC1651: products of attention stay in f32: an operand does not come from a layer with 8-bit inputs
// REQUIRED-DAG: error: QCC1651: products of attention stay in f32: keys and values are caches

!row = !qnt.q<[5, 64], i8, token, scale f32>
!wide = !qnt.q<[5, 64], i16, token, scale f32>
!w = !qnt.q<[32, 64], i8, axis 0, scale f32>
!flat = tensor<5x32xf32>
!split = tensor<1x5x4x8xf32>
!heads = tensor<1x4x5x8xf32>

// Heads come through what moves, rotates or shifts them.
// CHECK-LABEL: func.func @encoder
func.func @encoder(%x: !row, %w: !w, %b: tensor<32xf32>, %cos: tensor<5x4xf32>) -> !heads {
  // REMARK: narrow-attention
  // REMARK-SAME: bits=16
  // CHECK: qnt.attention
  // CHECK-SAME: products = #qnt<storage i16>
  %p = qnt.qlinear %x, %w, %b : (!row, !w, tensor<32xf32>) -> !flat
  %r = qnt.reshape %p : (!flat) -> !split
  %h = qnt.transpose %r {permutation = array<i64: 0, 2, 1, 3>} : (!split) -> !heads
  %q = qnt.rope %h, %cos, %cos : (!heads, tensor<5x4xf32>, tensor<5x4xf32>) -> !heads
  %c = qnt.constant dense<0.5> : tensor<1xf32>
  %k = qnt.mul %h, %c : (!heads, tensor<1xf32>) -> !heads
  %0 = qnt.attention %q, %k, %h {scale = 0.3} : (!heads, !heads, !heads) -> !heads
  return %0 : !heads
}

// CHECK-LABEL: func.func @values_of_floats
func.func @values_of_floats(%x: !row, %w: !w, %v: !heads) -> !heads {
  // REMARK: an operand does not come from a layer with 8-bit inputs
  // CHECK: qnt.attention
  // CHECK-NOT: products
  %p = qnt.qlinear %x, %w : (!row, !w) -> !flat
  %r = qnt.reshape %p : (!flat) -> !heads
  %0 = qnt.attention %r, %r, %v {scale = 0.3} : (!heads, !heads, !heads) -> !heads
  return %0 : !heads
}

// CHECK-LABEL: func.func @layers_of_16_bits
func.func @layers_of_16_bits(%x: !wide, %w: !w) -> !heads {
  // REMARK: an operand does not come from a layer with 8-bit inputs
  // CHECK: qnt.attention
  // CHECK-NOT: products
  %p = qnt.qlinear %x, %w : (!wide, !w) -> !flat
  %r = qnt.reshape %p : (!flat) -> !heads
  %0 = qnt.attention %r, %r, %r {scale = 0.3} : (!heads, !heads, !heads) -> !heads
  return %0 : !heads
}

// CHECK-LABEL: func.func @caches
func.func @caches(%x: !row, %w: !w, %k: !qnt.kv<[1, 4, 9, 8], f32>) -> !heads {
  // REMARK: keys and values are caches
  // CHECK: qnt.attention
  // CHECK-NOT: products
  %p = qnt.qlinear %x, %w : (!row, !w) -> !flat
  %r = qnt.reshape %p : (!flat) -> !heads
  %0 = qnt.attention %r, %k, %k {scale = 0.3} : (!heads, !qnt.kv<[1, 4, 9, 8], f32>, !qnt.kv<[1, 4, 9, 8], f32>) -> !heads
  return %0 : !heads
}
