// SiLU as a product and as a quotient; gates stay.
// RUN: qcc-opt %s --qcc-raise-silu --split-input-file --remarks-filter=raise --remark-format=emitRemark 2>%t.err | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK < %t.err

!x = tensor<4xf32>

// CHECK-LABEL: @product
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>)
// REMARK: remark: [Passed] raise-silu
func.func @product(%x: !x) -> !x {
  // CHECK-NEXT: %[[S:.*]] = qnt.silu %[[X]]
  // CHECK-NEXT: return %[[S]]
  %0 = qnt.sigmoid %x : (!x) -> !x
  %1 = qnt.mul %0, %x : (!x, !x) -> !x
  return %1 : !x
}

// CHECK-LABEL: @quotient
func.func @quotient(%x: !x) -> !x {
  // CHECK-NEXT: qnt.silu
  // CHECK-NEXT: return
  %one = qnt.constant dense<1.0> : tensor<f32>
  %0 = qnt.neg %x : (!x) -> !x
  %1 = qnt.exp %0 : (!x) -> !x
  %2 = qnt.add %1, %one : (!x, tensor<f32>) -> !x
  %3 = qnt.div %x, %2 : (!x, !x) -> !x
  return %3 : !x
}

// -----

!x = tensor<4xf32>

// CHECK-LABEL: @gate
// REMARK: remark: [Missed] raise-silu {{.*}}the sigmoid is not multiplied by its argument alone
func.func @gate(%x: !x, %y: !x) -> !x {
  // CHECK-NOT: qnt.silu
  %0 = qnt.sigmoid %x : (!x) -> !x
  %1 = qnt.mul %0, %y : (!x, !x) -> !x
  return %1 : !x
}
