// RUN: qcc-opt %s --qcc-assign-schemes="scheme=w8a8 skip=*secret*" | FileCheck %s
// RUN: qcc-opt %s --qcc-assign-schemes="scheme=w8a8 skip=*secret*" --remarks-filter=assign-bits --remark-policy=all --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK
// RUN: qcc-opt %s --qcc-assign-schemes="scheme=w4a8:g32 embed=w4" | FileCheck %s --check-prefix=W4
// RUN: qcc-opt %s --qcc-assign-schemes="scheme=w4a8:channel:sym head=f32 embed=f16" | FileCheck %s --check-prefix=MIXED
// RUN: not qcc-opt %s --qcc-assign-schemes="scheme=w3a8" 2>&1 | FileCheck %s --check-prefix=BITS
// RUN: not qcc-opt %s --qcc-assign-schemes="scheme=w8" 2>&1 | FileCheck %s --check-prefix=ACT
// RUN: not qcc-opt %s --qcc-assign-schemes="scheme=w8a8:g32" 2>&1 | FileCheck %s --check-prefix=BLOCK
// RUN: not qcc-opt %s --qcc-assign-schemes="scheme=nonsense" 2>&1 | FileCheck %s --check-prefix=NONSENSE
// RUN: not qcc-opt %s --qcc-assign-schemes="scheme=w8a8 skip=[a" 2>&1 | FileCheck %s --check-prefix=GLOB
// BITS: QCC1501: scheme 'w3a8' asks for weights other than integers of 8 and 4 bits, which have no kernels; w8a8, w4a8:gN
// ACT: QCC1501: scheme 'w8' asks for integer weights with float activations
// BLOCK: QCC1501: scheme 'w8a8:g32' asks for 8-bit weights in blocks
// NONSENSE: QCC1003
// GLOB: QCC1502: '[a'

qnt.weight @embed : tensor<100x64xf32> = #qnt.file<"m.bin", 0, 25600>
qnt.weight @w : tensor<64x64xf32> = #qnt.file<"m.bin", 25600, 16384>
qnt.weight @secret : tensor<64x64xf32> = #qnt.file<"m.bin", 41984, 16384>
qnt.weight @narrow : tensor<16x64xf32> = #qnt.file<"m.bin", 58368, 4096>
qnt.weight @angles : tensor<128x32xf32> = #qnt.file<"m.bin", 62464, 16384>

// CHECK-LABEL: func.func @main
// W4-LABEL: func.func @main
// MIXED-LABEL: func.func @main
func.func @main(%ids: tensor<3xi64>, %computed: tensor<64x64xf32>) -> (tensor<3x100xf32> {qnt.role = "logits"}, tensor<3x16xf32>, tensor<3x64xf32>) {
  %e = qnt.use @embed : tensor<100x64xf32>
  %w = qnt.use @w : tensor<64x64xf32>
  %secret = qnt.use @secret : tensor<64x64xf32>
  %narrow = qnt.use @narrow : tensor<16x64xf32>

  // 4 bits per channel are one block. The table that the head shares has the head's scheme.
  // CHECK: %[[E:.*]] = qnt.use @embed
  // CHECK-NEXT: %[[EQ:.*]] = qnt.quantize %[[E]] {{.*}} -> !qnt.q<[100, 64], i8, axis 0, scale f32>
  // CHECK-NEXT: %[[ED:.*]] = qnt.dequantize %[[EQ]]
  // W4: qnt.use @embed
  // W4-NEXT: qnt.quantize {{.*}} -> !qnt.q<[100, 64], i8, axis 0, scale f32>
  // CHECK: qnt.gather %[[ED]]
  // MIXED: qnt.use @w :
  // MIXED-NEXT: qnt.quantize {{.*}} -> !qnt.q<[64, 64], i4, block 1 x 64, scale f32>
  // MIXED: qnt.gather {{.*}}tensor<100x64xf32>
  %0 = qnt.gather %e, %ids {axis = 0 : i64} : (tensor<100x64xf32>, tensor<3xi64>) -> tensor<3x64xf32>

  // Two layers read one quantized input.
  // CHECK: %[[X:.*]] = qnt.quantize {{.*}} -> !qnt.q<[3, 64], i8, token, scale f32, zero i8>
  // CHECK: %[[XD:.*]] = qnt.dequantize %[[X]]
  // W4: qnt.quantize {{.*}} -> !qnt.q<[3, 64], i8, token, scale f32, sums 32>
  // MIXED: qnt.quantize {{.*}} -> !qnt.q<[3, 64], i8, token, scale f32, sums 64>
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
func.func @table(%ids: tensor<3xi64>) -> tensor<3x64xf32> {
  // CHECK: qnt.quantize {{.*}} -> !qnt.q<[100, 64], i8, axis 0, scale f32>
  // W4: qnt.quantize {{.*}} -> !qnt.q<[100, 64], u4, block 1 x 32, scale f16, zero ui4>
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
