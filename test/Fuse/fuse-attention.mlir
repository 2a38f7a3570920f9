// Heads are addressed where the projections left them, and written where the next one reads.
// RUN: qcc-opt %s --qcc-fuse-attention --verify-diagnostics --remarks-filter=fuse --remark-format=emitRemark --remark-policy=all | FileCheck %s

!flat = tensor<2x?x32xf32, #qnt.dims<[2, s, 32]>>
!split = tensor<2x?x4x8xf32, #qnt.dims<[2, s, 4, 8]>>
!heads = tensor<2x4x?x8xf32, #qnt.dims<[2, 4, s, 8]>>
!mask = tensor<2x1x1x?xf32, #qnt.dims<[2, 1, 1, s]>>

// CHECK-LABEL: func.func @views
func.func @views(%x: !flat, %y: !flat, %m: !mask) -> !flat {
  // CHECK-NEXT: %[[F:.*]] = qnt.fused "attention"(%arg0, %arg1, %arg2) {
  // CHECK-NEXT: ^bb0(%[[X:.*]]: tensor<2x?x32{{.*}}>, %[[Y:.*]]: tensor<2x?x32{{.*}}>, %[[M:.*]]: tensor<2x1x1x?{{.*}}>):
  // CHECK-NEXT: %[[XS:.*]] = qnt.reshape %[[X]]
  // CHECK-NEXT: %[[Q:.*]] = qnt.transpose %[[XS]]
  // CHECK-NEXT: %[[YS:.*]] = qnt.reshape %[[Y]]
  // CHECK-NEXT: %[[K:.*]] = qnt.transpose %[[YS]]
  // CHECK-NEXT: %[[A:.*]] = qnt.attention %[[Q]], %[[K]], %[[K]], %[[M]]
  // CHECK-NEXT: %[[T:.*]] = qnt.transpose %[[A]]
  // CHECK-NEXT: qnt.yield %[[T]]
  // The reshape after it costs nothing and stays outside.
  // CHECK: qnt.reshape %[[F]]
  %0 = qnt.reshape %x : (!flat) -> !split
  %1 = qnt.transpose %0 {permutation = array<i64: 0, 2, 1, 3>} : (!split) -> !heads
  %2 = qnt.reshape %y : (!flat) -> !split
  %3 = qnt.transpose %2 {permutation = array<i64: 0, 2, 1, 3>} : (!split) -> !heads
  // expected-remark @below {{fuse-attention | Category:fuse | operands=3}}
  %4 = qnt.attention %1, %3, %3, %m {scale = 0.5} : (!heads, !heads, !heads, !mask) -> !heads
  %5 = qnt.transpose %4 {permutation = array<i64: 0, 2, 1, 3>} : (!heads) -> !split
  %6 = qnt.reshape %5 : (!split) -> !flat
  return %6 : !flat
}

// A transpose with a second reader beside it would need both layouts: it stays outside.
// CHECK-LABEL: func.func @two_readers
func.func @two_readers(%q: !heads) -> (!heads, !split) {
  // CHECK-NEXT: %[[F:.*]] = qnt.fused "attention"(%arg0)
  // CHECK: qnt.transpose %[[F]]
  // expected-remark @below {{operands=1}}
  %0 = qnt.attention %q, %q, %q {scale = 0.5} : (!heads, !heads, !heads) -> !heads
  %1 = qnt.transpose %0 {permutation = array<i64: 0, 2, 1, 3>} : (!heads) -> !split
  return %0, %1 : !heads, !split
}

// Reshaped after it was transposed, the query has no strides.
// CHECK-LABEL: func.func @no_strides
func.func @no_strides(%x: !split, %k: !heads) -> !heads {
  // CHECK: %[[Q:.*]] = qnt.reshape
  // CHECK-NEXT: qnt.fused "attention"(%[[Q]], %arg1)
  %0 = qnt.transpose %x {permutation = array<i64: 0, 3, 2, 1>} : (!split) -> tensor<2x8x4x?xf32, #qnt.dims<[2, 8, 4, s]>>
  %1 = qnt.reshape %0 : (tensor<2x8x4x?xf32, #qnt.dims<[2, 8, 4, s]>>) -> !heads
  // expected-remark @below {{an operand's view has no strides}}
  // expected-remark @below {{operands=2}}
  %2 = qnt.attention %1, %k, %k {scale = 0.5} : (!heads, !heads, !heads) -> !heads
  return %2 : !heads
}

!codes = tensor<2x4x?x12xui8, #qnt.dims<[2, 4, s, 12]>>

// Codes are decoded where they are read, by each attention for itself.
// CHECK-LABEL: func.func @decoded
func.func @decoded(%q: !heads, %c: !codes) -> (!heads, !heads) {
  // CHECK-NEXT: qnt.fused "attention"(%arg1, %arg0) {
  // CHECK: %[[K:.*]] = qnt.decode_rows
  // CHECK: %[[V:.*]] = qnt.decode_rows
  // CHECK: qnt.attention %{{.*}}, %[[K]], %[[V]]
  // CHECK: qnt.fused "attention"
  // CHECK: qnt.decode_rows
  // CHECK-NOT: qnt.decode_rows
  // CHECK: return
  %0 = qnt.decode_rows %c {codes = #qnt<storage i8>} : (!codes) -> !heads
  // expected-remark @below {{operands=2}}
  %1 = qnt.attention %q, %0, %0 {scale = 0.5} : (!heads, !heads, !heads) -> !heads
  // expected-remark @below {{operands=2}}
  %2 = qnt.attention %q, %0, %q {scale = 0.5} : (!heads, !heads, !heads) -> !heads
  return %1, %2 : !heads, !heads
}
