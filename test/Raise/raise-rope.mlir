// Rotary embedding: halves, part of the channels, neighbours, and halves apart.
// RUN: qcc-opt %s --qcc-raise-rope --split-input-file --remarks-filter=raise --remark-format=emitRemark 2>%t.err | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK < %t.err

!x = tensor<1x2x?x8xf32, #qnt.dims<[1, 2, s, 8]>>
!h = tensor<1x2x?x4xf32, #qnt.dims<[1, 2, s, 4]>>
!f = tensor<1x?x4xf32, #qnt.dims<[1, s, 4]>>
!t = tensor<1x?x8xf32, #qnt.dims<[1, s, 8]>>
!u = tensor<1x1x?x8xf32, #qnt.dims<[1, 1, s, 8]>>

// CHECK-LABEL: @halves
// CHECK-SAME: (%[[X:.*]]: tensor<1x2x?x8xf32{{.*}}, %[[F:[a-z0-9]*]]: tensor<1x?x4xf32
// REMARK: remark: [Passed] raise-rope
func.func @halves(%x: !x, %freqs: !f) -> !x {
  // CHECK-DAG: %[[C:.*]] = qnt.cos %[[F]]
  // CHECK-DAG: %[[S:.*]] = qnt.sin %[[F]]
  // CHECK-DAG: %[[C4:.*]] = qnt.reshape %[[C]]
  // CHECK-DAG: %[[S4:.*]] = qnt.reshape %[[S]]
  // CHECK: %[[R:.*]] = qnt.rope %[[X]], %[[C4]], %[[S4]]
  // CHECK-NEXT: return %[[R]]
  %one = qnt.constant dense<1.0> : tensor<f32>
  %e = qnt.concat %freqs, %freqs {axis = 2 : i64} : (!f, !f) -> !t
  %c = qnt.cos %e : (!t) -> !t
  %c1 = qnt.mul %c, %one : (!t, tensor<f32>) -> !t
  %s = qnt.sin %e : (!t) -> !t
  %s1 = qnt.mul %s, %one : (!t, tensor<f32>) -> !t
  %cos = qnt.reshape %c1 : (!t) -> !u
  %sin = qnt.reshape %s1 : (!t) -> !u
  %0 = qnt.mul %x, %cos : (!x, !u) -> !x
  %1 = qnt.slice %x {starts = #qnt.dims<[0, 0, 0, 0]>, steps = array<i64: 1, 1, 1, 1>} : (!x) -> !h
  %2 = qnt.slice %x {starts = #qnt.dims<[0, 0, 0, 4]>, steps = array<i64: 1, 1, 1, 1>} : (!x) -> !h
  %3 = qnt.neg %2 : (!h) -> !h
  %4 = qnt.concat %3, %1 {axis = 3 : i64} : (!h, !h) -> !x
  %5 = qnt.mul %4, %sin : (!x, !u) -> !x
  %6 = qnt.add %0, %5 : (!x, !x) -> !x
  return %6 : !x
}

!wide = tensor<1x2x?x12xf32, #qnt.dims<[1, 2, s, 12]>>

// CHECK-LABEL: @first_channels
// CHECK-SAME: (%[[X:.*]]: tensor<1x2x?x12xf32{{.*}}, %[[T:.*]]: tensor<
func.func @first_channels(%w: !wide, %half: !h) -> !wide {
  // CHECK: %[[R:.*]] = qnt.rope %[[X]], %[[T]], %[[T]]
  // CHECK-NEXT: return %[[R]]
  %x = qnt.slice %w {starts = #qnt.dims<[0, 0, 0, 0]>, steps = array<i64: 1, 1, 1, 1>} : (!wide) -> !x
  %rest = qnt.slice %w {starts = #qnt.dims<[0, 0, 0, 8]>, steps = array<i64: 1, 1, 1, 1>} : (!wide) -> !h
  %t = qnt.concat %half, %half {axis = 3 : i64} : (!h, !h) -> !x
  %0 = qnt.mul %x, %t : (!x, !x) -> !x
  %1 = qnt.slice %x {starts = #qnt.dims<[0, 0, 0, 0]>, steps = array<i64: 1, 1, 1, 1>} : (!x) -> !h
  %2 = qnt.slice %x {starts = #qnt.dims<[0, 0, 0, 4]>, steps = array<i64: 1, 1, 1, 1>} : (!x) -> !h
  %3 = qnt.neg %2 : (!h) -> !h
  %4 = qnt.concat %3, %1 {axis = 3 : i64} : (!h, !h) -> !x
  %5 = qnt.mul %4, %t : (!x, !x) -> !x
  %6 = qnt.add %0, %5 : (!x, !x) -> !x
  %7 = qnt.concat %6, %rest {axis = 3 : i64} : (!x, !h) -> !wide
  return %7 : !wide
}

!h1 = tensor<1x2x?x4x1xf32, #qnt.dims<[1, 2, s, 4, 1]>>
!h2 = tensor<1x2x?x4x2xf32, #qnt.dims<[1, 2, s, 4, 2]>>

// CHECK-LABEL: @neighbours
// CHECK-SAME: (%[[X:.*]]: tensor<1x2x?x8xf32{{.*}}, %[[T:.*]]: tensor<
func.func @neighbours(%x: !x, %half: !h) -> !x {
  // CHECK: %[[R:.*]] = qnt.rope %[[X]], %[[T]], %[[T]] {interleaved = true}
  // CHECK-NEXT: return %[[R]]
  %u = qnt.reshape %half : (!h) -> !h1
  %b = qnt.broadcast %u : (!h1) -> !h2
  %t = qnt.reshape %b : (!h2) -> !x
  %0 = qnt.mul %x, %t : (!x, !x) -> !x
  %1 = qnt.slice %x {starts = #qnt.dims<[0, 0, 0, 0]>, steps = array<i64: 1, 1, 1, 2>} : (!x) -> !h
  %2 = qnt.slice %x {starts = #qnt.dims<[0, 0, 0, 1]>, steps = array<i64: 1, 1, 1, 2>} : (!x) -> !h
  %3 = qnt.neg %2 : (!h) -> !h
  %4 = qnt.reshape %3 : (!h) -> !h1
  %5 = qnt.reshape %1 : (!h) -> !h1
  %6 = qnt.concat %4, %5 {axis = 4 : i64} : (!h1, !h1) -> !h2
  %7 = qnt.reshape %6 : (!h2) -> !x
  %8 = qnt.mul %7, %t : (!x, !x) -> !x
  %9 = qnt.add %0, %8 : (!x, !x) -> !x
  return %9 : !x
}

// CHECK-LABEL: @halves_apart
// CHECK-SAME: (%[[X:.*]]: tensor<1x2x?x8xf32{{.*}}, %[[C:[a-z0-9]*]]: tensor<{{.*}}, %[[S:[a-z0-9]*]]: tensor<
func.func @halves_apart(%x: !x, %cos: !h, %sin: !h) -> !x {
  // CHECK: %[[R:.*]] = qnt.rope %[[X]], %[[C]], %[[S]]
  // CHECK-NEXT: return %[[R]]
  %a = qnt.slice %x {starts = #qnt.dims<[0, 0, 0, 0]>, steps = array<i64: 1, 1, 1, 1>} : (!x) -> !h
  %b = qnt.slice %x {starts = #qnt.dims<[0, 0, 0, 4]>, steps = array<i64: 1, 1, 1, 1>} : (!x) -> !h
  %0 = qnt.mul %a, %cos : (!h, !h) -> !h
  %1 = qnt.mul %b, %sin : (!h, !h) -> !h
  %2 = qnt.sub %0, %1 : (!h, !h) -> !h
  %3 = qnt.mul %b, %cos : (!h, !h) -> !h
  %4 = qnt.mul %sin, %a : (!h, !h) -> !h
  %5 = qnt.add %3, %4 : (!h, !h) -> !h
  %6 = qnt.concat %2, %5 {axis = 3 : i64} : (!h, !h) -> !x
  return %6 : !x
}

// -----

!x = tensor<2x8xf32>
!h = tensor<2x4xf32>

// CHECK-LABEL: @unknown_tables
// REMARK: remark: [Missed] raise-rope {{.*}}the halves of its tables are not provably equal
func.func @unknown_tables(%x: !x, %cos: !x, %sin: !x) -> !x {
  // CHECK-NOT: qnt.rope
  %0 = qnt.mul %x, %cos : (!x, !x) -> !x
  %1 = qnt.slice %x {starts = #qnt.dims<[0, 0]>, steps = array<i64: 1, 1>} : (!x) -> !h
  %2 = qnt.slice %x {starts = #qnt.dims<[0, 4]>, steps = array<i64: 1, 1>} : (!x) -> !h
  %3 = qnt.neg %2 : (!h) -> !h
  %4 = qnt.concat %3, %1 {axis = 1 : i64} : (!h, !h) -> !x
  %5 = qnt.mul %4, %sin : (!x, !x) -> !x
  %6 = qnt.add %0, %5 : (!x, !x) -> !x
  return %6 : !x
}
