// Layers with static activations whose inputs calibration did not see stay as they are.
// RUN: rm -rf %t && mkdir %t && split-file %s %t
// RUN: qcc-opt %t/model.mlir --qcc-assign-schemes="scheme=w8a8s statistics=%t/statistics.json" --remarks-filter=assign-bits --remark-policy=all --remark-format=emitRemark 2>&1 | FileCheck %t/model.mlir

//--- statistics.json
{"schema": "qcc.statistics/1", "model": "", "data": "", "samples": 1, "values": {}}

//--- model.mlir
qnt.weight @w : tensor<64x64xf32> = #qnt.file<"m.bin", 0, 16384>
qnt.weight @codes : !qnt.q<[64, 64], i8, axis 0, scale f32> = #qnt.file<"m.bin", 0, 4352>

// CHECK-DAG: Reason="no range 'mse' was calibrated for the input of node 'floats'"
// CHECK-DAG: Reason="no range 'mse' was calibrated for the input of node 'codes'"
// CHECK-NOT: {{Passed.*}}scheme=
// CHECK-LABEL: func.func @main
// CHECK-NOT: qnt.quantize
func.func @main(%x: tensor<3x64xf32>, %y: tensor<3x64xf32>) -> (tensor<3x64xf32>, tensor<3x64xf32>) {
  %w = qnt.use @w : tensor<64x64xf32>
  %0 = qnt.linear %x, %w : (tensor<3x64xf32>, tensor<64x64xf32>) -> tensor<3x64xf32> loc("floats")
  %c = qnt.use @codes : !qnt.q<[64, 64], i8, axis 0, scale f32>
  %d = qnt.dequantize %c : (!qnt.q<[64, 64], i8, axis 0, scale f32>) -> tensor<64x64xf32>
  %1 = qnt.linear %y, %d : (tensor<3x64xf32>, tensor<64x64xf32>) -> tensor<3x64xf32> loc("codes")
  return %0, %1 : tensor<3x64xf32>, tensor<3x64xf32>
}
