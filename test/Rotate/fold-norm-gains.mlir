// RUN: qcc-opt %s --qcc-fold-norm-gains | FileCheck %s
// RUN: qcc-opt %s --qcc-fold-norm-gains --remarks-filter=rotate --remark-policy=all --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

qnt.weight @w : tensor<40x64xf32> = #qnt.file<"m.bin", 0, 10240>
qnt.weight @g : tensor<64xf32> = #qnt.file<"m.bin", 10240, 256>
qnt.weight @b : tensor<64xf32> = #qnt.file<"m.bin", 10496, 256>
qnt.weight @c : tensor<40xf32> = #qnt.file<"m.bin", 10752, 160>

// CHECK-LABEL: func.func @layer_norm
func.func @layer_norm(%x: tensor<2x64xf32>) -> (tensor<2x40xf32>, tensor<2x40xf32>) {
  // CHECK-DAG: %[[W:.*]] = qnt.use @w
  // CHECK-DAG: %[[G:.*]] = qnt.use @g
  // CHECK-DAG: %[[B:.*]] = qnt.use @b
  // CHECK-DAG: %[[C:.*]] = qnt.use @c
  // CHECK: %[[N:.*]] = qnt.layer_norm %arg0 {epsilon
  // REMARK: fold-norm-gains
  // REMARK-SAME: layers=2
  %w = qnt.use @w : tensor<40x64xf32>
  %g = qnt.use @g : tensor<64xf32>
  %b = qnt.use @b : tensor<64xf32>
  %c = qnt.use @c : tensor<40xf32>
  %0 = qnt.layer_norm %x gain %g bias %b {epsilon = 1.0e-5 : f64} : (tensor<2x64xf32>, tensor<64xf32>, tensor<64xf32>) -> tensor<2x64xf32>
  // CHECK: %[[COL:.*]] = qnt.reshape %[[B]] {{.*}} -> tensor<64x1xf32>
  // CHECK: %[[P:.*]] = qnt.matmul %[[W]], %[[COL]]
  // CHECK: %[[PB:.*]] = qnt.reshape %[[P]]
  // CHECK: %[[CB:.*]] = qnt.add %[[C]], %[[PB]]
  // CHECK: %[[WG:.*]] = qnt.mul %[[W]], %[[G]]
  // CHECK: qnt.linear %[[N]], %[[WG]], %[[CB]]
  %1 = qnt.linear %0, %w, %c : (tensor<2x64xf32>, tensor<40x64xf32>, tensor<40xf32>) -> tensor<2x40xf32>
  // CHECK: %[[PB2:.*]] = qnt.reshape %{{.*}} -> tensor<40xf32>
  // CHECK: %[[WG2:.*]] = qnt.mul %[[W]], %[[G]]
  // CHECK: qnt.linear %[[N]], %[[WG2]], %[[PB2]]
  %2 = qnt.linear %0, %w : (tensor<2x64xf32>, tensor<40x64xf32>) -> tensor<2x40xf32>
  return %1, %2 : tensor<2x40xf32>, tensor<2x40xf32>
}

// CHECK-LABEL: func.func @rms_norm
func.func @rms_norm(%x: tensor<2x64xf32>) -> tensor<2x40xf32> {
  // CHECK: %[[N:.*]] = qnt.rms_norm %arg0 {epsilon
  // CHECK: %[[WG:.*]] = qnt.mul
  // CHECK: qnt.linear %[[N]], %[[WG]] :
  %w = qnt.use @w : tensor<40x64xf32>
  %g = qnt.use @g : tensor<64xf32>
  %0 = qnt.rms_norm %x, %g {epsilon = 1.0e-5 : f64} : (tensor<2x64xf32>, tensor<64xf32>) -> tensor<2x64xf32>
  %1 = qnt.linear %0, %w : (tensor<2x64xf32>, tensor<40x64xf32>) -> tensor<2x40xf32>
  return %1 : tensor<2x40xf32>
}

// CHECK-LABEL: func.func @refused
func.func @refused(%x: tensor<2x64xf32>, %v: tensor<40x64xf32>) -> (tensor<2x40xf32>, tensor<2x40xf32>, tensor<2x64xf32>) {
  // CHECK: qnt.rms_norm %arg0, %
  // REMARK: Reason="something other than a layer reads the norm"
  %w = qnt.use @w : tensor<40x64xf32>
  %g = qnt.use @g : tensor<64xf32>
  %0 = qnt.rms_norm %x, %g {epsilon = 1.0e-5 : f64} : (tensor<2x64xf32>, tensor<64xf32>) -> tensor<2x64xf32>
  %1 = qnt.linear %0, %w : (tensor<2x64xf32>, tensor<40x64xf32>) -> tensor<2x40xf32>
  // CHECK: qnt.rms_norm %arg0, %
  // REMARK: Reason="the weight of a layer is computed or came quantized"
  %2 = qnt.rms_norm %x, %g {epsilon = 1.0e-6 : f64} : (tensor<2x64xf32>, tensor<64xf32>) -> tensor<2x64xf32>
  %3 = qnt.linear %2, %v : (tensor<2x64xf32>, tensor<40x64xf32>) -> tensor<2x40xf32>
  return %1, %3, %0 : tensor<2x40xf32>, tensor<2x40xf32>, tensor<2x64xf32>
}
