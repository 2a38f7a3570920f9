// A slice goes in front of all that computes logits position by position.
// RUN: qcc-opt %s --qcc-trim-logits --split-input-file --remarks-filter=fuse --remark-policy=all --remark-format=emitRemark 2>%t.err | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK < %t.err

#b = #qnt.symbol<"b", min = 1, max = 0, divisor = 1, input = 0, axis = 0>
#s = #qnt.symbol<"s", min = 1, max = 0, divisor = 1, input = 0, axis = 1>
#p = #qnt.symbol<"p", min = 0, max = 0, divisor = 1, input = 2, axis = 2>
!x = tensor<?x?x8xf32, #qnt.dims<[b, s, 8]>>
!codes = !qnt.q<[b, s, 8], i8, token, scale f32, zero i8>
!w = !qnt.q<[32, 8], i8, axis 0, scale f32>
!logits = tensor<?x?x32xf32, #qnt.dims<[b, s, 32]>>
!rows = tensor<?x2x?x4xf32, #qnt.dims<[b, 2, s, 4]>>
!past = tensor<?x2x?x4xf32, #qnt.dims<[b, 2, p, 4]>>
!old = !qnt.kv<[b, 2, p, 4], f32>
!new = !qnt.kv<[b, 2, p + s, 4], f32>
!present = tensor<?x2x?x4xf32, #qnt.dims<[b, 2, p + s, 4]>>

// The residual sum is of other positions, too: the slice comes behind it, and in front of codes.
// CHECK-LABEL: func.func @decoder
// CHECK-SAME: -> (tensor<?x?x32xf32, #qnt.dims<[b, n, 32]>> {qnt.role = "logits"}, tensor<?x2x?x4xf32, #qnt.dims<[b, 2, p + s, 4]>>)
// CHECK-SAME: #qnt.symbol<"n", input = -2, axis = 1, min = 1>
// CHECK: %[[SUM:.*]] = qnt.add %{{.*}}, %{{.*}} : {{.*}} -> tensor<?x?x8xf32, #qnt.dims<[b, s, 8]>>
// CHECK: %[[LAST:.*]] = qnt.slice %[[SUM]] {starts = #qnt.dims<[0, -n + s, 0]>, steps = array<i64: 1, 1, 1>}
// CHECK: qnt.rms_norm %[[LAST]]
// CHECK: qnt.quantize {{.*}} -> !qnt.q<[b, n, 8], i8, token, scale f32, zero i8>
// CHECK: qnt.qlinear {{.*}} -> tensor<?x?x32xf32, #qnt.dims<[b, n, 32]>>
// CHECK: qnt.tanh {{.*}} -> tensor<?x?x32xf32, #qnt.dims<[b, n, 32]>>
// REMARK: remark: [Passed] trim-logits {{.*}}symbol=n
func.func @decoder(%x: !x, %g: tensor<8xf32>, %past: !past, %r: !rows, %w: !w) -> (!logits {qnt.role = "logits"}, !present) attributes {qnt.symbols = [#b, #s, #p]} {
  %0 = qnt.kv_begin %past {output = 1 : i64} : (!past) -> !old
  %1 = qnt.kv_append %0, %r : (!old, !rows) -> !new
  %2 = qnt.add %x, %x : (!x, !x) -> !x
  %3 = qnt.rms_norm %2, %g {epsilon = 1.0e-5 : f64} : (!x, tensor<8xf32>) -> !x
  %4 = qnt.quantize %3 : (!x) -> !codes
  %5 = qnt.qlinear %4, %w : (!codes, !w) -> !logits
  %6 = qnt.tanh %5 : (!logits) -> !logits
  %7 = qnt.kv_result %1 : (!new) -> !present
  return %6, %7 : !logits, !present
}

// -----

#b = #qnt.symbol<"b", min = 1, max = 0, divisor = 1, input = 0, axis = 0>
#s = #qnt.symbol<"s", min = 1, max = 0, divisor = 1, input = 0, axis = 1>
!x = tensor<?x?x8xf32, #qnt.dims<[b, s, 8]>>
!rows = tensor<?x2x?x4xf32, #qnt.dims<[b, 2, s, 4]>>
!past = tensor<?x2x3x4xf32, #qnt.dims<[b, 2, 3, 4]>>
!old = !qnt.kv<[b, 2, 3, 4], f32>
!new = !qnt.kv<[b, 2, s + 3, 4], f32>

// A sum over positions needs all of them.
// CHECK-LABEL: func.func @mixed
// CHECK-NOT: qnt.slice
// REMARK: remark: [Missed] trim-logits {{.*}}no layer computes them position by position
func.func @mixed(%x: !x, %past: !past, %r: !rows, %w: tensor<8x8xf32>) -> (!x {qnt.role = "logits"}, tensor<?x2x?x4xf32, #qnt.dims<[b, 2, s + 3, 4]>>) attributes {qnt.symbols = [#b, #s]} {
  %0 = qnt.kv_begin %past {output = 1 : i64} : (!past) -> !old
  %1 = qnt.kv_append %0, %r : (!old, !rows) -> !new
  %2 = qnt.linear %x, %w : (!x, tensor<8x8xf32>) -> !x
  %3 = qnt.cum_sum %2 {axis = 1 : i64} : (!x) -> !x
  %4 = qnt.kv_result %1 : (!new) -> tensor<?x2x?x4xf32, #qnt.dims<[b, 2, s + 3, 4]>>
  return %3, %4 : !x, tensor<?x2x?x4xf32, #qnt.dims<[b, 2, s + 3, 4]>>
}

// -----

#s = #qnt.symbol<"s", min = 1, max = 0, divisor = 1, input = 0, axis = 1>
!x = tensor<1x?x8xf32, #qnt.dims<[1, s, 8]>>

// Without a cache nobody could ask.
// CHECK-LABEL: func.func @stateless
// CHECK-NOT: qnt.slice
func.func @stateless(%x: !x, %w: tensor<8x8xf32>) -> (!x {qnt.role = "logits"}) attributes {qnt.symbols = [#s]} {
  %0 = qnt.linear %x, %w : (!x, tensor<8x8xf32>) -> !x
  return %0 : !x
}
