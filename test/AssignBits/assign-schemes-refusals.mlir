// Matrices that stay as they are, with the reason.
// RUN: qcc-opt %s --qcc-assign-schemes="scheme=w8a8" --remarks-filter=assign-bits --remark-policy=all --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s

qnt.weight @codes : !qnt.q<[64, 64], i8, axis 1, scale f32> = #qnt.file<"m.bin", 0, 4160>
qnt.weight @doubles : tensor<64x64xf64> = #qnt.file<"m.bin", 0, 32768>

qnt.weight @floats : tensor<64x64xf32> = #qnt.file<"m.bin", 0, 16384>

func.func @main(%x: tensor<3x64xf32>, %y: tensor<3x64xf64>, %z: tensor<3x64xf16>) -> (tensor<3x64xf32>, tensor<3x64xf64>, tensor<3x64xf16>) {
  %c = qnt.use @codes : !qnt.q<[64, 64], i8, axis 1, scale f32>
  %d = qnt.dequantize %c : (!qnt.q<[64, 64], i8, axis 1, scale f32>) -> tensor<64x64xf32>
  // CHECK-DAG: Reason="the matrix came quantized"
  %0 = qnt.linear %x, %d : (tensor<3x64xf32>, tensor<64x64xf32>) -> tensor<3x64xf32>
  // CHECK-DAG: Reason="the matrix is not of f32"
  %w = qnt.use @doubles : tensor<64x64xf64>
  %1 = qnt.linear %y, %w : (tensor<3x64xf64>, tensor<64x64xf64>) -> tensor<3x64xf64>
  // CHECK-DAG: Reason="the input is not of f32"
  %v = qnt.use @floats : tensor<64x64xf32>
  %2 = qnt.linear %z, %v : (tensor<3x64xf16>, tensor<64x64xf32>) -> tensor<3x64xf16>
  return %0, %1, %2 : tensor<3x64xf32>, tensor<3x64xf64>, tensor<3x64xf16>
}
