// RUN: rm -rf %t && mkdir %t && split-file %s %t
// RUN: qcc-opt %t/model.mlir --qcc-assign-schemes="scheme=w8a8 skip=*secret*" | FileCheck %t/model.mlir
// RUN: qcc-opt %t/model.mlir --qcc-assign-schemes="scheme=w8a8 skip=*secret*" --remarks-filter=assign-bits --remark-policy=all --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %t/model.mlir --check-prefix=REMARK
// RUN: qcc-opt %t/model.mlir --qcc-assign-schemes="scheme=w4a8:g32 embed=w4" | FileCheck %t/model.mlir --check-prefix=W4
// RUN: qcc-opt %t/model.mlir --qcc-assign-schemes="scheme=w4a8:channel:sym head=f32 embed=f16" | FileCheck %t/model.mlir --check-prefix=MIXED
// RUN: qcc-opt %t/model.mlir --qcc-assign-schemes="scheme=nf4 head=w4 embed=nf4:g16" | FileCheck %t/model.mlir --check-prefix=NF4
// RUN: qcc-opt %t/model.mlir --qcc-assign-schemes="scheme=w3ai16:g32:ag=64 head=fp8e5m2a8" | FileCheck %t/model.mlir --check-prefix=WIDE
// RUN: qcc-opt %t/layers.mlir --qcc-assign-schemes="scheme=six recipe=%t/recipe.yaml" | FileCheck %t/layers.mlir
// RUN: qcc-opt %t/layers.mlir --qcc-assign-schemes="scheme=w8a8s statistics=%t/statistics.json" | FileCheck %t/layers.mlir --check-prefix=FIXED
// RUN: not qcc-opt %t/model.mlir --qcc-assign-schemes="scheme=nvfp4" 2>&1 | FileCheck %s --check-prefix=FORMAT
// RUN: not qcc-opt %t/model.mlir --qcc-assign-schemes="scheme=w8a8:g30" 2>&1 | FileCheck %s --check-prefix=BLOCK
// RUN: not qcc-opt %t/model.mlir --qcc-assign-schemes="scheme=w4a8:g32:ag=48" 2>&1 | FileCheck %s --check-prefix=GROUP
// RUN: not qcc-opt %t/model.mlir --qcc-assign-schemes="scheme=w3a8:g32:ag=16" 2>&1 | FileCheck %s --check-prefix=UNIT
// RUN: not qcc-opt %t/model.mlir --qcc-assign-schemes="scheme=w8a8s" 2>&1 | FileCheck %s --check-prefix=STATIC
// RUN: not qcc-opt %t/model.mlir --qcc-assign-schemes="scheme=w8a8 embed=w8a8" 2>&1 | FileCheck %s --check-prefix=EMBED
// RUN: not qcc-opt %t/model.mlir --qcc-assign-schemes="scheme=w8a8 embed=w8:tensor" 2>&1 | FileCheck %s --check-prefix=TABLE
// RUN: not qcc-opt %t/model.mlir --qcc-assign-schemes="scheme=nonsense" 2>&1 | FileCheck %s --check-prefix=NONSENSE
// RUN: not qcc-opt %t/model.mlir --qcc-assign-schemes="scheme=w8a8 skip=[a" 2>&1 | FileCheck %s --check-prefix=GLOB
// RUN: not qcc-opt %t/model.mlir --qcc-assign-schemes="scheme=w8a8 recipe=%t/none.yaml" 2>&1 | FileCheck %s --check-prefix=RECIPE
// FORMAT: QCC1501: scheme 'nvfp4' asks for 4-bit floats with 8-bit float scales, which have no kernels
// BLOCK: QCC1501: scheme 'w8a8:g30' asks for blocks that are no multiple of 4
// GROUP: QCC1501: scheme 'w4a8:g32:ag=48' asks for blocks of 32 and activation groups of 48, which do not divide each other
// UNIT: QCC1501: scheme 'w3a8:g32:ag=16' asks for activation groups of 16, which must be a multiple of 32 for codes of 3 bits
// STATIC: QCC1540: scheme 'w8a8s' needs the ranges of activations; give --calib
// EMBED: QCC1501: scheme 'w8a8' asks for activations, which look-ups in a table do not have
// TABLE: QCC1501: scheme 'w8:tensor' asks for one scale for a whole table
// NONSENSE: QCC1003
// GLOB: QCC1502: '[a'
// RECIPE: QCC1101: {{.*}}none.yaml

//--- statistics.json
{"schema": "qcc.statistics/1", "model": "", "data": "", "samples": 1, "values": {
  "fc": {"channels": 2, "positions": 3, "min": -1.5, "max": 3.6, "drift": 0,
    "ranges": {"mse": [-0.5, 2.05], "minmax": [-1.5, 3.6]}, "magnitude": [1, 1], "mean_magnitude": [1, 1], "mean_square": [1, 1]}}}

//--- recipe.yaml
schemes:
  six: {weight: {codebook: [-4, -1, 0, 1, 2, 4], block: 64, scale: e8m0}, act: {bits: 8, per: 128}}
  real: {weight: {bits: 5, codebook: [-1, -0.5, 0.1], scale: u8}}
overrides:
  - {match: "layers.*", quantize: w4:tensor:sym}
  - {match: "*.out", quantize: real}
  - {match: "*.float", quantize: keep}

//--- layers.mlir
qnt.weight @w : tensor<64x256xf32> = #qnt.file<"m.bin", 0, 65536>
qnt.weight @layers.0.w : tensor<64x256xf32> = #qnt.file<"m.bin", 0, 65536>
qnt.weight @layers.1.out : tensor<64x256xf32> = #qnt.file<"m.bin", 0, 65536>
qnt.weight @layers.2.float : tensor<64x256xf32> = #qnt.file<"m.bin", 0, 65536>

// Own schemes and overrides: the last that matches holds.
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<3x256xf32>) -> (tensor<3x64xf32>, tensor<3x64xf32>, tensor<3x64xf32>, tensor<3x64xf32>) {
  // CHECK-DAG: qnt.quantize %arg0 {{.*}} -> !qnt.q<[3, 256], i8, token, scale f32, group 128, sums 64>
  // CHECK-DAG: qnt.quantize {{.*}} -> !qnt.q<[64, 256], u3, block 1 x 64, scale f8E8M0FNU, codebook #qnt.codebook<[-4.000000e+00, -1.000000e+00, 0.000000e+00, 1.000000e+00, 2.000000e+00, 4.000000e+00]>>
  // CHECK-DAG: qnt.quantize {{.*}} -> !qnt.q<[64, 256], i4, tensor, scale f32>
  // CHECK-DAG: qnt.quantize {{.*}} -> !qnt.q<[64, 256], u5, block 1 x 32, scale ui8, super f32, codebook #qnt.codebook<[-1.000000e+00, -5.000000e-01, 1.000000e-01]>>
  // FIXED: qnt.quantize_static %arg0 {scale = {{0.01|0.00999999977|1.000000e-02}} : f32, zero = -78 : i64} {{.*}} -> !qnt.q<[3, 256], i8, token, scale f32, zero i8>
  // CHECK: %[[F:.*]] = qnt.use @layers.2.float
  // CHECK: qnt.linear %{{.*}}, %[[F]] :
  %0 = qnt.use @w : tensor<64x256xf32>
  %1 = qnt.use @layers.0.w : tensor<64x256xf32>
  %2 = qnt.use @layers.1.out : tensor<64x256xf32>
  %3 = qnt.use @layers.2.float : tensor<64x256xf32>
  %4 = qnt.linear %x, %0 : (tensor<3x256xf32>, tensor<64x256xf32>) -> tensor<3x64xf32> loc("fc")
  %5 = qnt.linear %x, %1 : (tensor<3x256xf32>, tensor<64x256xf32>) -> tensor<3x64xf32>
  %6 = qnt.linear %x, %2 : (tensor<3x256xf32>, tensor<64x256xf32>) -> tensor<3x64xf32>
  %7 = qnt.linear %x, %3 : (tensor<3x256xf32>, tensor<64x256xf32>) -> tensor<3x64xf32>
  return %4, %5, %6, %7 : tensor<3x64xf32>, tensor<3x64xf32>, tensor<3x64xf32>, tensor<3x64xf32>
}

//--- model.mlir
qnt.weight @embed : tensor<100x64xf32> = #qnt.file<"m.bin", 0, 25600>
qnt.weight @w : tensor<64x64xf32> = #qnt.file<"m.bin", 25600, 16384>
qnt.weight @secret : tensor<64x64xf32> = #qnt.file<"m.bin", 41984, 16384>
qnt.weight @narrow : tensor<16x64xf32> = #qnt.file<"m.bin", 58368, 4096>
qnt.weight @angles : tensor<128x32xf32> = #qnt.file<"m.bin", 62464, 16384>

// CHECK-LABEL: func.func @main
// W4-LABEL: func.func @main
// MIXED-LABEL: func.func @main
// NF4-LABEL: func.func @main
// WIDE-LABEL: func.func @main
func.func @main(%ids: tensor<3xi64>, %computed: tensor<64x64xf32>) -> (tensor<3x100xf32> {qnt.role = "logits"}, tensor<3x16xf32>, tensor<3x64xf32>) {
  %e = qnt.use @embed : tensor<100x64xf32>
  %w = qnt.use @w : tensor<64x64xf32>
  %secret = qnt.use @secret : tensor<64x64xf32>
  %narrow = qnt.use @narrow : tensor<16x64xf32>

  // The table that the head shares has the head's scheme.
  // CHECK: %[[E:.*]] = qnt.use @embed
  // CHECK-NEXT: %[[EQ:.*]] = qnt.quantize %[[E]] {{.*}} -> !qnt.q<[100, 64], i8, axis 0, scale f32>
  // CHECK-NEXT: %[[ED:.*]] = qnt.dequantize %[[EQ]]
  // W4: qnt.use @embed
  // W4-NEXT: qnt.quantize {{.*}} -> !qnt.q<[100, 64], i8, axis 0, scale f32>
  // NF4: qnt.quantize {{.*}} -> !qnt.q<[100, 64], u4, block 1 x 32, scale f16, zero ui4>
  // WIDE: qnt.quantize {{.*}} -> !qnt.q<[100, 64], f8e5m2, axis 0, scale f32>
  // CHECK: qnt.gather %[[ED]]
  // MIXED: qnt.use @w :
  // MIXED-NEXT: qnt.quantize {{.*}} -> !qnt.q<[64, 64], i4, axis 0, scale f32>
  // MIXED: qnt.gather {{.*}}tensor<100x64xf32>
  %0 = qnt.gather %e, %ids {axis = 0 : i64} : (tensor<100x64xf32>, tensor<3xi64>) -> tensor<3x64xf32>

  // Two layers read one quantized input.
  // CHECK: %[[X:.*]] = qnt.quantize {{.*}} -> !qnt.q<[3, 64], i8, token, scale f32, zero i8>
  // CHECK: %[[XD:.*]] = qnt.dequantize %[[X]]
  // W4: qnt.quantize {{.*}} -> !qnt.q<[3, 64], i8, token, scale f32, sums 32>
  // MIXED: qnt.quantize {{.*}} -> !qnt.q<[3, 64], i8, token, scale f32, sums 64>
  // WIDE: qnt.quantize {{.*}} -> !qnt.q<[3, 64], i16, token, scale f32, group 64, sums 32>
  // NF4: %[[T:.*]] = qnt.gather
  // NF4: qnt.linear %[[T]], %{{.*}} :
  // CHECK: qnt.linear %[[XD]], %{{.*}} :
  // REMARK-DAG: scheme=w8a8
  %1 = qnt.linear %0, %w : (tensor<3x64xf32>, tensor<64x64xf32>) -> tensor<3x64xf32>
  // CHECK: qnt.linear %{{.*}}, %[[S:.*]] :
  // REMARK-DAG: Reason="a name matches skip"
  %2 = qnt.linear %0, %secret : (tensor<3x64xf32>, tensor<64x64xf32>) -> tensor<3x64xf32>
  // CHECK: qnt.linear %{{.*}}, %arg1 :
  // REMARK-DAG: Reason="the matrix is computed"
  %3 = qnt.linear %2, %computed : (tensor<3x64xf32>, tensor<64x64xf32>) -> tensor<3x64xf32>
  %4 = qnt.add %1, %3 : (tensor<3x64xf32>, tensor<3x64xf32>) -> tensor<3x64xf32>

  // CHECK: qnt.linear %{{.*}}, %[[ED]] :
  // REMARK-DAG: head=yes
  %5 = qnt.linear %4, %e : (tensor<3x64xf32>, tensor<100x64xf32>) -> tensor<3x100xf32>
  // REMARK-DAG: Reason="the matrix is small"
  %6 = qnt.linear %4, %narrow : (tensor<3x64xf32>, tensor<16x64xf32>) -> tensor<3x16xf32>

  // Angles stay as they are.
  // CHECK: qnt.gather %{{.*}}tensor<128x32xf32>
  // REMARK-DAG: Reason="the table holds angles"
  %angles = qnt.use @angles : tensor<128x32xf32>
  %7 = qnt.gather %angles, %ids {axis = 0 : i64} : (tensor<128x32xf32>, tensor<3xi64>) -> tensor<3x32xf32>
  %8 = qnt.rope %4, %7, %7 : (tensor<3x64xf32>, tensor<3x32xf32>, tensor<3x32xf32>) -> tensor<3x64xf32>
  return %5, %6, %8 : tensor<3x100xf32>, tensor<3x16xf32>, tensor<3x64xf32>
}

// A table that nothing shares has the scheme of embeddings.
// CHECK-LABEL: func.func @table
// W4-LABEL: func.func @table
// MIXED-LABEL: func.func @table
// NF4-LABEL: func.func @table
func.func @table(%ids: tensor<3xi64>) -> tensor<3x64xf32> {
  // CHECK: qnt.quantize {{.*}} -> !qnt.q<[100, 64], i8, axis 0, scale f32>
  // W4: qnt.quantize {{.*}} -> !qnt.q<[100, 64], u4, block 1 x 32, scale f16, zero ui4>
  // NF4: qnt.quantize {{.*}} -> !qnt.q<[100, 64], u4, block 1 x 16, scale ui8, super f32, codebook #qnt.codebook<[-1.000000e+00, {{.*}}, 1.000000e+00]>>
  // MIXED: %[[H:.*]] = qnt.cast {{.*}} -> tensor<100x64xf16>
  // MIXED: %[[R:.*]] = qnt.gather %[[H]]
  // MIXED: qnt.cast %[[R]] {{.*}} -> tensor<3x64xf32>
  %e = qnt.use @embed : tensor<100x64xf32>
  %0 = qnt.gather %e, %ids {axis = 0 : i64} : (tensor<100x64xf32>, tensor<3xi64>) -> tensor<3x64xf32>
  return %0 : tensor<3x64xf32>
}

// Codes that kernels take stay as they are; only the input is quantized.
// CHECK-LABEL: func.func @codes
func.func @codes(%x: tensor<3x64xf32>, %w: !qnt.q<[64, 64], u4, block 1 x 16, scale f32, zero ui4>) -> tensor<3x64xf32> {
  // CHECK-NEXT: qnt.quantize %arg0 {{.*}} -> !qnt.q<[3, 64], i8, token, scale f32, sums 16>
  // CHECK: qnt.dequantize %arg1
  // CHECK-NOT: qnt.quantize
  // REMARK-DAG: scheme="the codes that the model has"
  %0 = qnt.dequantize %w : (!qnt.q<[64, 64], u4, block 1 x 16, scale f32, zero ui4>) -> tensor<64x64xf32>
  %1 = qnt.linear %x, %0 : (tensor<3x64xf32>, tensor<64x64xf32>) -> tensor<3x64xf32>
  return %1 : tensor<3x64xf32>
}
