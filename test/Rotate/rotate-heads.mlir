// RUN: qcc-opt %s --qcc-rotate-heads=seed=3 | FileCheck %s
// RUN: qcc-opt %s --qcc-rotate-heads --remarks-filter=rotate --remark-policy=all --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

qnt.weight @v : tensor<32x24xf32> = #qnt.file<"m.bin", 0, 3072>
qnt.weight @vb : tensor<32xf32> = #qnt.file<"m.bin", 3072, 128>
qnt.weight @o : tensor<24x64xf32> = #qnt.file<"m.bin", 3200, 6144>

!q = tensor<1x4x5x16xf32>
!k = tensor<1x2x5x16xf32>

// Two groups of values serve four heads: one matrix of 16 on each.
// CHECK-LABEL: func.func @grouped
func.func @grouped(%x: tensor<1x5x24xf32>, %q: !q, %k: !k) -> tensor<1x5x24xf32> {
  // CHECK-DAG: %[[V:.*]] = qnt.hadamard %{{.*}} {axis = 0 : i64, block = 16 : i64, seed = 3 : i64} : (tensor<32x24xf32>)
  // CHECK-DAG: %[[VB:.*]] = qnt.hadamard %{{.*}} {axis = 0 : i64, block = 16 : i64, seed = 3 : i64} : (tensor<32xf32>)
  // CHECK: qnt.linear %arg0, %[[V]], %[[VB]]
  // REMARK: block=16, width=16
  %v = qnt.use @v : tensor<32x24xf32>
  %vb = qnt.use @vb : tensor<32xf32>
  %o = qnt.use @o : tensor<24x64xf32>
  %0 = qnt.linear %x, %v, %vb : (tensor<1x5x24xf32>, tensor<32x24xf32>, tensor<32xf32>) -> tensor<1x5x32xf32>
  %1 = qnt.reshape %0 : (tensor<1x5x32xf32>) -> tensor<1x5x2x16xf32>
  %2 = qnt.transpose %1 {permutation = array<i64: 0, 2, 1, 3>} : (tensor<1x5x2x16xf32>) -> !k
  %3 = qnt.attention %q, %k, %2 {scale = 0.25 : f64} : (!q, !k, !k) -> !q
  %4 = qnt.transpose %3 {permutation = array<i64: 0, 2, 1, 3>} : (!q) -> tensor<1x5x4x16xf32>
  %5 = qnt.reshape %4 : (tensor<1x5x4x16xf32>) -> tensor<1x5x64xf32>
  // CHECK: %[[O:.*]] = qnt.hadamard %{{.*}} {axis = 1 : i64, block = 16 : i64, seed = 3 : i64} : (tensor<24x64xf32>)
  // CHECK: qnt.linear %{{.*}}, %[[O]]
  %6 = qnt.linear %5, %o : (tensor<1x5x64xf32>, tensor<24x64xf32>) -> tensor<1x5x24xf32>
  return %6 : tensor<1x5x24xf32>
}

qnt.weight @e : tensor<24x32xf32> = #qnt.file<"m.bin", 9344, 3072>

// Each value channel is read by one column: rows and columns are balanced before they turn.
// CHECK-LABEL: func.func @balanced
func.func @balanced(%x: tensor<1x5x24xf32>, %q: !k, %k: !k) -> tensor<1x5x24xf32> {
  // CHECK: qnt.reduce max
  // CHECK: %[[S:.*]] = qnt.select
  // CHECK: %[[ROWS:.*]] = qnt.reshape %[[S]]
  // CHECK: %[[W:.*]] = qnt.mul %{{.*}}, %[[ROWS]] : (tensor<32x24xf32>, tensor<32x1xf32>)
  // CHECK: %[[B:.*]] = qnt.mul %{{.*}}, %[[S]] : (tensor<32xf32>, tensor<32xf32>)
  // CHECK: qnt.hadamard %[[W]] {axis = 0
  // CHECK: qnt.hadamard %[[B]] {axis = 0
  %v = qnt.use @v : tensor<32x24xf32>
  %vb = qnt.use @vb : tensor<32xf32>
  %o = qnt.use @e : tensor<24x32xf32>
  %0 = qnt.linear %x, %v, %vb : (tensor<1x5x24xf32>, tensor<32x24xf32>, tensor<32xf32>) -> tensor<1x5x32xf32>
  %1 = qnt.reshape %0 : (tensor<1x5x32xf32>) -> tensor<1x5x2x16xf32>
  %2 = qnt.transpose %1 {permutation = array<i64: 0, 2, 1, 3>} : (tensor<1x5x2x16xf32>) -> !k
  %3 = qnt.attention %q, %k, %2 {scale = 0.25 : f64} : (!k, !k, !k) -> !k
  %4 = qnt.transpose %3 {permutation = array<i64: 0, 2, 1, 3>} : (!k) -> tensor<1x5x2x16xf32>
  %5 = qnt.reshape %4 : (tensor<1x5x2x16xf32>) -> tensor<1x5x32xf32>
  // CHECK: %[[D:.*]] = qnt.div %{{.*}}, %[[S]] : (tensor<24x32xf32>, tensor<32xf32>)
  // CHECK: qnt.hadamard %[[D]] {axis = 1
  %6 = qnt.linear %5, %o : (tensor<1x5x32xf32>, tensor<24x32xf32>) -> tensor<1x5x24xf32>
  return %6 : tensor<1x5x24xf32>
}

// CHECK-LABEL: func.func @refused
// CHECK-NOT: qnt.hadamard
func.func @refused(%x: tensor<1x5x24xf32>, %q: !q, %k: !k, %w: tensor<32x24xf32>) -> (!q, tensor<1x5x24xf32>, !q, tensor<1x5x64xf32>) {
  // REMARK: Reason="the values are not the transposed heads of a layer, such as those of a cache"
  %v = qnt.use @v : tensor<32x24xf32>
  %o = qnt.use @o : tensor<24x64xf32>
  %0 = qnt.attention %q, %k, %k {scale = 0.25 : f64} : (!q, !k, !k) -> !q
  // REMARK: Reason="no layer with constant weights makes the values for attention alone"
  %1 = qnt.linear %x, %w : (tensor<1x5x24xf32>, tensor<32x24xf32>) -> tensor<1x5x32xf32>
  %2 = qnt.reshape %1 : (tensor<1x5x32xf32>) -> tensor<1x5x2x16xf32>
  %3 = qnt.transpose %2 {permutation = array<i64: 0, 2, 1, 3>} : (tensor<1x5x2x16xf32>) -> !k
  %4 = qnt.attention %q, %k, %3 {scale = 0.25 : f64} : (!q, !k, !k) -> !q
  %5 = qnt.transpose %4 {permutation = array<i64: 0, 2, 1, 3>} : (!q) -> tensor<1x5x4x16xf32>
  %6 = qnt.reshape %5 : (tensor<1x5x4x16xf32>) -> tensor<1x5x64xf32>
  %7 = qnt.linear %6, %o : (tensor<1x5x64xf32>, tensor<24x64xf32>) -> tensor<1x5x24xf32>
  // REMARK: Reason="the heads are not joined behind attention"
  %8 = qnt.linear %x, %v : (tensor<1x5x24xf32>, tensor<32x24xf32>) -> tensor<1x5x32xf32>
  %9 = qnt.reshape %8 : (tensor<1x5x32xf32>) -> tensor<1x5x2x16xf32>
  %10 = qnt.transpose %9 {permutation = array<i64: 0, 2, 1, 3>} : (tensor<1x5x2x16xf32>) -> !k
  %11 = qnt.attention %q, %k, %10 {scale = 0.25 : f64} : (!q, !k, !k) -> !q
  // REMARK: Reason="something other than layers with constant weights reads the heads"
  %12 = qnt.linear %x, %v : (tensor<1x5x24xf32>, tensor<32x24xf32>) -> tensor<1x5x32xf32>
  %13 = qnt.reshape %12 : (tensor<1x5x32xf32>) -> tensor<1x5x2x16xf32>
  %14 = qnt.transpose %13 {permutation = array<i64: 0, 2, 1, 3>} : (tensor<1x5x2x16xf32>) -> !k
  %15 = qnt.attention %q, %k, %14 {scale = 0.25 : f64} : (!q, !k, !k) -> !q
  %16 = qnt.transpose %15 {permutation = array<i64: 0, 2, 1, 3>} : (!q) -> tensor<1x5x4x16xf32>
  %17 = qnt.reshape %16 : (tensor<1x5x4x16xf32>) -> tensor<1x5x64xf32>
  return %0, %7, %11, %17 : !q, tensor<1x5x24xf32>, !q, tensor<1x5x64xf32>
}
