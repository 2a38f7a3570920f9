// A recipe's own scheme says whether activations have zero points and which ranges static ones take.
// RUN: rm -rf %t && mkdir %t && split-file %s %t
// RUN: qcc-opt %t/model.mlir --qcc-assign-schemes="recipe=%t/recipe.yaml scheme=fixed statistics=%t/statistics.json" | FileCheck %t/model.mlir --check-prefix=FIXED
// RUN: qcc-opt %t/model.mlir --qcc-assign-schemes="recipe=%t/recipe.yaml scheme=token" | FileCheck %t/model.mlir --check-prefix=TOKEN
// RUN: qcc-opt %t/model.mlir --qcc-assign-schemes="scheme=w8a8s statistics=%t/statistics.json" | FileCheck %t/model.mlir --check-prefix=USUAL

//--- recipe.yaml
schemes:
  fixed: {weight: {bits: 8}, act: {per: tensor, range: minmax, zero: none}}
  token: {weight: {bits: 8}, act: {zero: none}}

//--- statistics.json
{"schema": "qcc.statistics/1", "model": "", "data": "", "samples": 1, "values": {"layer":
 {"channels": 64, "positions": 3, "min": -63.5, "max": 10, "drift": 0,
  "ranges": {"minmax": [-63.5, 10], "mse": [-41, 10]}, 
  "magnitude": [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
  "mean_magnitude": [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
  "mean_square": [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]}}}

//--- model.mlir
qnt.weight @w : tensor<64x64xf32> = #qnt.file<"m.bin", 0, 16384>

// The largest magnitude, 63.5, is code 127.
// FIXED: qnt.quantize_static %{{.*}} {scale = 5.000000e-01 : f32} : {{.*}} -> !qnt.q<[3, 64], i8, token, scale f32>
// TOKEN: qnt.quantize %{{.*}} : (tensor<3x64xf32>) -> !qnt.q<[3, 64], i8, token, scale f32>
// From -41 to 10 in 255 steps.
// USUAL: qnt.quantize_static %{{.*}} {scale = 2.000000e-01 : f32, zero = 77 : i64} : {{.*}} -> !qnt.q<[3, 64], i8, token, scale f32, zero i8>
func.func @main(%x: tensor<3x64xf32>) -> tensor<3x64xf32> {
  %w = qnt.use @w : tensor<64x64xf32>
  %0 = qnt.linear %x, %w : (tensor<3x64xf32>, tensor<64x64xf32>) -> tensor<3x64xf32> loc("layer")
  return %0 : tensor<3x64xf32>
}
