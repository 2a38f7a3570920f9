// RUN: qcc-opt %s --qcc-quantize-gather | FileCheck %s
// RUN: qcc-opt %s --qcc-quantize-gather --remarks-filter=quantize --remark-policy=all --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

!table = !qnt.q<[100, 64], i8, axis 0, scale f32>

// CHECK-LABEL: func.func @rows
func.func @rows(%t: !table, %i: tensor<3xi64>) -> tensor<3x64xf32> {
  // CHECK-NEXT: qnt.qgather %arg0, %arg1
  // REMARK: quantize-gather
  // REMARK-SAME: bits=8
  %0 = qnt.dequantize %t : (!table) -> tensor<100x64xf32>
  %1 = qnt.gather %0, %i {axis = 0 : i64} : (tensor<100x64xf32>, tensor<3xi64>) -> tensor<3x64xf32>
  return %1 : tensor<3x64xf32>
}

// CHECK-LABEL: func.func @columns
func.func @columns(%t: !table, %i: tensor<3xi64>) -> tensor<100x3xf32> {
  // CHECK: qnt.gather
  // REMARK: quantize-gather
  // REMARK-SAME: Reason="rows of a matrix are looked up, nothing else"
  %0 = qnt.dequantize %t : (!table) -> tensor<100x64xf32>
  %1 = qnt.gather %0, %i {axis = 1 : i64} : (tensor<100x64xf32>, tensor<3xi64>) -> tensor<100x3xf32>
  return %1 : tensor<100x3xf32>
}
