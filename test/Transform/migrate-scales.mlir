// RUN: qcc-opt %s --qcc-migrate-scales="ranges=%S/Inputs/ranges.json alpha=0.5" | FileCheck %s
// RUN: qcc-opt %s --qcc-migrate-scales="ranges=%S/Inputs/ranges.json" --remarks-filter=transform --remark-policy=all --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK
// RUN: qcc-opt %s --qcc-migrate-scales | FileCheck %s --check-prefix=NONE
// RUN: not qcc-opt %s --qcc-migrate-scales="ranges=%s" 2>&1 | FileCheck %s --check-prefix=BAD
// BAD: QCC1530
// RUN: not qcc-opt %s --qcc-migrate-scales="ranges=%S/Inputs/none.json" 2>&1 | FileCheck %s --check-prefix=GONE
// GONE: QCC1101

// RUN: qcc-opt %s --qcc-migrate-scales="decisions=%S/Inputs/decisions.json" | FileCheck %s --check-prefix=DECIDED
// RUN: qcc-opt %s --qcc-migrate-scales="ranges=%S/Inputs/statistics.json decisions=%S/Inputs/awq.json" | FileCheck %s --check-prefix=MEAN
// Means of 4, 1, 0 and 1 over sqrt(4 * 1).
// MEAN: qnt.constant dense<[2.000000e+00, 5.000000e-01, 1.000000e+00, 5.000000e-01]>
// RUN: not qcc-opt %s --qcc-migrate-scales="decisions=%S/Inputs/unfit.json" 2>&1 | FileCheck %s --check-prefix=UNFIT
// UNFIT: QCC1532: the decision has 2 entries under "scales" for 4 channels

// Without ranges nothing moves, and the observers go.
// NONE-NOT: qnt.observe
// NONE-NOT: qnt.select

qnt.weight @w : tensor<4x4xf32> = #qnt.file<"m.bin", 0, 64>
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<2x4xf32>) -> (tensor<2x4xf32>, tensor<2x4xf32>) {
  // CHECK-DAG: %[[G:.*]] = qnt.constant dense<2.000000e+00>
  // CHECK-DAG: %[[B:.*]] = qnt.constant dense<3.000000e+00>
  // The powers of the magnitudes, then those of the columns.
  // CHECK: %[[X:.*]] = qnt.constant dense<[2.000000e+00, 5.000000e-01, 0.000000e+00, 1.000000e+00]>
  // CHECK: qnt.reduce max {{.*}}axes = array<i64: 0>, keepDims = false
  // CHECK: qnt.pow
  // CHECK: %[[S:.*]] = qnt.select
  // CHECK: %[[GS:.*]] = qnt.div %[[G]], %[[S]]
  // CHECK: %[[BS:.*]] = qnt.div %[[B]], %[[S]]
  // CHECK: %[[N:.*]] = qnt.layer_norm %arg0 gain %[[GS]] bias %[[BS]]
  // CHECK-NOT: qnt.observe
  // CHECK: %[[WS:.*]] = qnt.mul %{{.*}}, %[[S]]
  // CHECK: qnt.linear %[[N]], %[[WS]]
  // REMARK: id=query, layers=2
  %g = qnt.constant dense<2.0> : tensor<4xf32>
  %b = qnt.constant dense<3.0> : tensor<4xf32>
  %0 = qnt.layer_norm %x gain %g bias %b {epsilon = 1.0e-5 : f64} : (tensor<2x4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  %1 = qnt.observe %0 {id = "query"} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %w = qnt.use @w : tensor<4x4xf32>
  %2 = qnt.linear %1, %w : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  %v = qnt.use @w : tensor<4x4xf32>
  %3 = qnt.linear %1, %v : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  return %2, %3 : tensor<2x4xf32>, tensor<2x4xf32>
}

// CHECK-LABEL: func.func @refused
func.func @refused(%x: tensor<2x4xf32>, %v: tensor<4x4xf32>) -> (tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>) {
  // CHECK-NOT: qnt.observe
  // CHECK: qnt.linear %arg0, %
  // REMARK: Reason="no norm and no layer makes the value"
  %w = qnt.use @w : tensor<4x4xf32>
  %g = qnt.constant dense<2.0> : tensor<4xf32>
  %0 = qnt.observe %x {id = "other"} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %1 = qnt.linear %0, %w : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  // CHECK: qnt.linear {{.*}}, %arg1
  // REMARK: Reason="the weight of a layer is computed, came quantized or is not of f32"
  %2 = qnt.rms_norm %x, %g {epsilon = 1.0e-5 : f64} : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  %3 = qnt.observe %2 {id = "other"} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %4 = qnt.linear %3, %v : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  // REMARK: Reason="the ranges hold nothing for it"
  %5 = qnt.rms_norm %x, %g {epsilon = 1.0e-5 : f64} : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  %6 = qnt.observe %5 {id = "unseen"} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %7 = qnt.linear %6, %w : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  return %1, %4, %7 : tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>
}

// Into the layer of one factor, through a relu, and through attention.
// DECIDED-LABEL: func.func @layers
func.func @layers(%x: tensor<2x4xf32>, %q: tensor<1x2x2x4xf32>) -> (tensor<2x4xf32>, tensor<2x4xf32>, tensor<1x2x4xf32>) {
  %w = qnt.use @w : tensor<4x4xf32>
  %c = qnt.constant dense<1.0> : tensor<4xf32>
  // DECIDED: qnt.constant dense<[2.000000e+00, 4.000000e+00, 8.000000e+00, 1.600000e+01]>
  // DECIDED: %[[ROWS:.*]] = qnt.div %{{.*}} : (tensor<4x4xf32>, tensor<4x1xf32>)
  // DECIDED: qnt.linear %arg0, %[[ROWS]]
  // DECIDED: qnt.mul
  // DECIDED: %[[COLUMNS:.*]] = qnt.mul %{{.*}} : (tensor<4x4xf32>, tensor<4xf32>)
  // DECIDED: qnt.linear %{{.*}}, %[[COLUMNS]]
  // REMARK: Reason="the ranges hold nothing for it"
  %0 = qnt.linear %x, %w : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  %1 = qnt.gelu %x : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %2 = qnt.mul %1, %0 : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %3 = qnt.observe %2 {id = "down"} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %4 = qnt.linear %3, %w : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32> loc("given")
  // sqrt of 16, 4 and 1 over sqrt(4 * 1); the channel of zeros stays.
  // DECIDED: qnt.constant dense<[2.000000e+00, 1.000000e+00, 1.000000e+00, 5.000000e-01]>
  // DECIDED: qnt.div %{{.*}} : (tensor<4x4xf32>, tensor<4x1xf32>)
  // DECIDED: qnt.div %{{.*}} : (tensor<4xf32>, tensor<4xf32>)
  // DECIDED: qnt.relu
  %5 = qnt.linear %x, %w, %c : (tensor<2x4xf32>, tensor<4x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  %6 = qnt.relu %5 : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %7 = qnt.observe %6 {id = "relu"} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %8 = qnt.linear %7, %w : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32> loc("awq")
  // REMARK: Reason="the values of attention come out of a cache, or something else reads them"
  %9 = qnt.attention %q, %q, %q {scale = 1.0 : f64} : (tensor<1x2x2x4xf32>, tensor<1x2x2x4xf32>, tensor<1x2x2x4xf32>) -> tensor<1x2x2x4xf32>
  %10 = qnt.transpose %9 {permutation = array<i64: 0, 2, 1, 3>} : (tensor<1x2x2x4xf32>) -> tensor<1x2x2x4xf32>
  %11 = qnt.reshape %10 : (tensor<1x2x2x4xf32>) -> tensor<1x2x8xf32>
  %12 = qnt.observe %11 {id = "heads"} : (tensor<1x2x8xf32>) -> tensor<1x2x8xf32>
  %o = qnt.use @o : tensor<4x8xf32>
  %13 = qnt.linear %12, %o : (tensor<1x2x8xf32>, tensor<4x8xf32>) -> tensor<1x2x4xf32>
  return %4, %8, %13 : tensor<2x4xf32>, tensor<2x4xf32>, tensor<1x2x4xf32>
}
qnt.weight @o : tensor<4x8xf32> = #qnt.file<"m.bin", 64, 128>

// Nothing that makes the value can take the division: a product before the layer does.
// DECIDED-LABEL: func.func @inlined
func.func @inlined(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  // DECIDED: %[[S:.*]] = qnt.constant dense<[1.000000e+00, 2.000000e+00, 4.000000e+00, 8.000000e+00]>
  // DECIDED: %[[I:.*]] = qnt.reciprocal %[[S]]
  // DECIDED: %[[X:.*]] = qnt.mul %arg0, %[[I]]
  // DECIDED: %[[W:.*]] = qnt.mul %{{.*}}, %[[S]]
  // DECIDED: qnt.linear %[[X]], %[[W]]
  %w = qnt.use @w : tensor<4x4xf32>
  %0 = qnt.observe %x {id = "inline"} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %1 = qnt.linear %0, %w : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  return %1 : tensor<2x4xf32>
}
