// Matrices that stay as they are, with the reason.
// RUN: qcc-opt %s --qcc-assign-schemes="scheme=w8a8" --remarks-filter=assign-bits --remark-policy=all --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s

qnt.weight @codes : !qnt.q<[64, 64], i8, axis 1, scale f32> = #qnt.file<"m.bin", 0, 4160>
qnt.weight @doubles : tensor<64x64xf64> = #qnt.file<"m.bin", 0, 32768>

qnt.weight @floats : tensor<64x64xf32> = #qnt.file<"m.bin", 0, 16384>

qnt.weight @counted : tensor<64x64xf32> {
  %0 = qnt.iota {axis = 1 : i64, start = #qnt.dims<[0]>} : tensor<64x64xf32>
  %1 = qnt.cos %0 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  qnt.yield %1 : tensor<64x64xf32>
}

func.func @main(%x: tensor<3x64xf32>, %y: tensor<3x64xf64>, %z: tensor<3x64xf16>) -> (tensor<3x64xf32>, tensor<3x64xf32>, tensor<3x64xf64>, tensor<3x64xf16>) {
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
  // CHECK-DAG: Reason="the matrix is a formula, not data"
  %k = qnt.use @counted : tensor<64x64xf32>
  %3 = qnt.linear %x, %k : (tensor<3x64xf32>, tensor<64x64xf32>) -> tensor<3x64xf32>
  return %0, %3, %1, %2 : tensor<3x64xf32>, tensor<3x64xf32>, tensor<3x64xf64>, tensor<3x64xf16>
}
