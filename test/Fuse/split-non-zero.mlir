// A size that depends on values is known only once they are there: count, bind, then use.
// RUN: qcc-opt %s --qcc-split-non-zero | FileCheck %s

!m = tensor<4x?xf32, #qnt.dims<[4, s]>>
!at = tensor<2x?xi64, #qnt.dims<[2, n]>>

// CHECK-LABEL: func.func @found
func.func @found(%x: !m) -> !at {
  // CHECK-NEXT: %[[E:.*]] = qnt.exp
  // CHECK-NEXT: %[[C:.*]] = qnt.non_zero_count %[[E]] {{.*}} -> tensor<i64>
  // CHECK-NEXT: qnt.bind_dim %[[C]]{{.*}}"n"
  // CHECK-NEXT: %[[N:.*]] = qnt.non_zero %[[E]] {symbol = "n"}
  // CHECK-NEXT: return %[[N]]
  %0 = qnt.exp %x : (!m) -> !m
  %1 = qnt.non_zero %0 {symbol = "n"} : (!m) -> !at
  return %1 : !at
}

// Sizes of inputs are known before anything runs.
// CHECK-LABEL: func.func @known
func.func @known(%x: !m) -> !m {
  // CHECK-NOT: qnt.bind_dim
  // CHECK: return
  %0 = qnt.exp %x : (!m) -> !m
  return %0 : !m
}
