// Gathers that read everything in order are reshapes; others stay.
// RUN: qcc-opt %s --qcc-raise-reshape --split-input-file --remarks-filter=raise --remark-format=emitRemark 2>%t.err | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK < %t.err

!mask = tensor<?x?xi1, #qnt.dims<[b, s]>>
!flat = tensor<?x1xi1, #qnt.dims<[b * s, 1]>>
!rows = tensor<?xi64, #qnt.dims<[b]>>
!row = tensor<?x1x1xi64, #qnt.dims<[b, 1, 1]>>
!columns = tensor<?xi64, #qnt.dims<[s]>>
!index = tensor<?x1x?xi64, #qnt.dims<[b, 1, s]>>
!taken = tensor<?x1x?x1xi1, #qnt.dims<[b, 1, s, 1]>>

// A mask indexed by batch and position.
// CHECK-LABEL: @mask
// CHECK-SAME: (%[[M:[a-z0-9]*]]: tensor
// REMARK: remark: [Passed] raise-reshape
func.func @mask(%mask: !mask) -> !taken {
  // CHECK-NEXT: %[[R:.*]] = qnt.reshape %[[M]] {{.*}} -> tensor<?x1x?x1xi1, #qnt.dims<[b, 1, s, 1]>>
  // CHECK-NEXT: return %[[R]]
  %0 = qnt.reshape %mask : (!mask) -> !flat
  %1 = qnt.iota {axis = 0 : i64, start = #qnt.dims<[0]>} : !rows
  %2 = qnt.reshape %1 : (!rows) -> !row
  %3 = qnt.dim_tensor <[s]> : tensor<1xi64>
  %4 = qnt.mul %2, %3 : (!row, tensor<1xi64>) -> !row
  %5 = qnt.iota {axis = 0 : i64, start = #qnt.dims<[0]>} : !columns
  %6 = qnt.add %5, %4 : (!columns, !row) -> !index
  %7 = qnt.gather %0, %6 {axis = 0 : i64} : (!flat, !index) -> !taken
  return %7 : !taken
}

// Rows from the second on, and an order that columns lead.
// CHECK-LABEL: @other
// CHECK-COUNT-2: qnt.gather
// CHECK: return
// REMARK-NOT: remark
func.func @other(%x: tensor<6x4xf32>) -> (tensor<6x4xf32>, tensor<2x3x4xf32>) {
  %0 = qnt.iota {axis = 0 : i64, start = #qnt.dims<[1]>} : tensor<6xi64>
  %1 = qnt.gather %x, %0 {axis = 0 : i64} : (tensor<6x4xf32>, tensor<6xi64>) -> tensor<6x4xf32>
  %2 = qnt.iota {axis = 0 : i64, start = #qnt.dims<[0]>} : tensor<2x1xi64>
  %3 = qnt.iota {axis = 1 : i64, start = #qnt.dims<[0]>, step = 2 : i64} : tensor<1x3xi64>
  %4 = qnt.add %2, %3 : (tensor<2x1xi64>, tensor<1x3xi64>) -> tensor<2x3xi64>
  %5 = qnt.gather %x, %4 {axis = 0 : i64} : (tensor<6x4xf32>, tensor<2x3xi64>) -> tensor<2x3x4xf32>
  return %1, %5 : tensor<6x4xf32>, tensor<2x3x4xf32>
}
