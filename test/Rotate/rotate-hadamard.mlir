// RUN: qcc-opt %s --qcc-rotate-hadamard=seed=5 | FileCheck %s
// RUN: qcc-opt %s --qcc-rotate-hadamard --remarks-filter=rotate --remark-policy=all --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

qnt.weight @e : tensor<10x24xf32> = #qnt.file<"m.bin", 0, 960>
qnt.weight @w : tensor<24x24xf32> = #qnt.file<"m.bin", 960, 2304>
qnt.weight @c : tensor<24xf32> = #qnt.file<"m.bin", 3264, 96>

!x = tensor<4x24xf32>

// CHECK-LABEL: func.func @stream
func.func @stream(%i: tensor<4xi64>) -> !x {
  // CHECK-DAG: %[[E:.*]] = qnt.use @e
  // CHECK-DAG: %[[W:.*]] = qnt.use @w
  // CHECK-DAG: %[[C:.*]] = qnt.use @c
  %e = qnt.use @e : tensor<10x24xf32>
  %w = qnt.use @w : tensor<24x24xf32>
  %c = qnt.use @c : tensor<24xf32>
  // CHECK: %[[TABLE:.*]] = qnt.hadamard %[[E]] {axis = 1 : i64, block = 24 : i64, seed = 5 : i64}
  // CHECK: %[[X:.*]] = qnt.gather %[[TABLE]]
  %0 = qnt.gather %e, %i {axis = 0 : i64} : (tensor<10x24xf32>, tensor<4xi64>) -> !x
  // CHECK: %[[N:.*]] = qnt.rms_norm %[[X]]
  // REMARK: rotate-hadamard
  // REMARK-SAME: block=24, borders=0, channels=24, readers=2, writers=1
  %1 = qnt.rms_norm %0 {epsilon = 1.0e-5 : f64} : (!x) -> !x
  // CHECK-DAG: %[[IN:.*]] = qnt.hadamard %[[W]] {axis = 1 : i64
  // CHECK: %[[H:.*]] = qnt.linear %[[N]], %[[IN]]
  // CHECK: %[[G:.*]] = qnt.gelu %[[H]]
  %2 = qnt.linear %1, %w : (!x, tensor<24x24xf32>) -> !x
  %3 = qnt.gelu %2 : (!x) -> !x
  // CHECK-DAG: %[[OUT:.*]] = qnt.hadamard %[[W]] {axis = 0 : i64
  // CHECK-DAG: %[[BIAS:.*]] = qnt.hadamard %[[C]] {axis = 0 : i64
  // CHECK: %[[Y:.*]] = qnt.linear %[[G]], %[[OUT]], %[[BIAS]]
  // CHECK: qnt.add %[[X]], %[[Y]]
  %4 = qnt.linear %3, %w, %c : (!x, tensor<24x24xf32>, tensor<24xf32>) -> !x
  %5 = qnt.add %0, %4 : (!x, !x) -> !x
  %6 = qnt.rms_norm %5 {epsilon = 1.0e-5 : f64} : (!x) -> !x
  %7 = qnt.linear %6, %w : (!x, tensor<24x24xf32>) -> !x
  return %7 : !x
}

// Layer norms: whatever writes the stream loses its mean. The stream begins and ends at run time.
// CHECK-LABEL: func.func @centred
func.func @centred(%x: !x) -> (!x, !x) {
  // CHECK: %[[M:.*]] = qnt.reduce mean %arg0 {axes = array<i64: 1>, keepDims = true}
  // CHECK: %[[S:.*]] = qnt.sub %arg0, %[[M]]
  // CHECK: %[[X:.*]] = qnt.hadamard %[[S]] {axis = 1
  // CHECK-NOT: qnt.layer_norm
  // CHECK: qnt.rms_norm %[[X]] {epsilon = 1.000000e-05 : f64}
  // CHECK: qnt.reduce mean %{{.*}} {axes = array<i64: 0>, keepDims = true} : (tensor<24x24xf32>)
  // CHECK: %[[SUM:.*]] = qnt.add %[[X]]
  // CHECK: %[[BACK:.*]] = qnt.hadamard %[[SUM]] {{.*}}inverse = true
  // CHECK: qnt.layer_norm %[[BACK]] gain
  // REMARK: borders=2, channels=24, readers=2, writers=1
  // REMARK: Reason="the norm has a gain"
  %w = qnt.use @w : tensor<24x24xf32>
  %c = qnt.use @c : tensor<24xf32>
  %0 = qnt.layer_norm %x {epsilon = 1.0e-5 : f64} : (!x) -> !x
  %1 = qnt.linear %0, %w : (!x, tensor<24x24xf32>) -> !x
  %2 = qnt.gelu %1 : (!x) -> !x
  %3 = qnt.linear %2, %w, %c : (!x, tensor<24x24xf32>, tensor<24xf32>) -> !x
  %4 = qnt.add %x, %3 : (!x, !x) -> !x
  %5 = qnt.layer_norm %4 gain %c bias %c {epsilon = 1.0e-5 : f64} : (!x, tensor<24xf32>, tensor<24xf32>) -> !x
  %6 = qnt.layer_norm %4 {epsilon = 1.0e-5 : f64} : (!x) -> !x
  %7 = qnt.linear %6, %w : (!x, tensor<24x24xf32>) -> !x
  return %5, %7 : !x, !x
}

// CHECK-LABEL: func.func @refused
// CHECK-NOT: qnt.hadamard
func.func @refused(%x: !x, %y: tensor<4x7xf32>, %v: tensor<24x24xf32>) -> (!x, !x, !x, tensor<4x7xf32>) {
  // REMARK: Reason="no layers with constant weights read and write the stream"
  %w = qnt.use @w : tensor<24x24xf32>
  %c = qnt.use @c : tensor<24xf32>
  %0 = qnt.rms_norm %x {epsilon = 1.0e-5 : f64} : (!x) -> !x
  %1 = qnt.linear %0, %v : (!x, tensor<24x24xf32>) -> !x
  // REMARK: Reason="ops that do not commute with rotations read or make the stream"
  %2 = qnt.linear %x, %w : (!x, tensor<24x24xf32>) -> !x
  %3 = qnt.rms_norm %2 {epsilon = 1.0e-5 : f64} : (!x) -> !x
  %4 = qnt.linear %3, %w : (!x, tensor<24x24xf32>) -> !x
  %5 = qnt.exp %3 : (!x) -> !x
  %6 = qnt.mul %2, %c : (!x, tensor<24xf32>) -> !x
  %7 = qnt.add %2, %3 : (!x, !x) -> !x
  %8 = qnt.sin %7 : (!x) -> !x
  // REMARK: Reason="something other than layer norms reads the stream"
  %9 = qnt.linear %4, %w : (!x, tensor<24x24xf32>) -> !x
  %10 = qnt.layer_norm %9 {epsilon = 1.0e-5 : f64} : (!x) -> !x
  %11 = qnt.linear %10, %w : (!x, tensor<24x24xf32>) -> !x
  %12 = qnt.gelu %11 : (!x) -> !x
  %13 = qnt.mul %12, %9 : (!x, !x) -> !x
  // REMARK: Reason="a layer reads the stream before a layer norm"
  %14 = qnt.linear %12, %w : (!x, tensor<24x24xf32>) -> !x
  %15 = qnt.layer_norm %14 {epsilon = 1.0e-5 : f64} : (!x) -> !x
  %16 = qnt.linear %15, %w : (!x, tensor<24x24xf32>) -> !x
  %17 = qnt.gelu %16 : (!x) -> !x
  %18 = qnt.linear %14, %w : (!x, tensor<24x24xf32>) -> !x
  %19 = qnt.gelu %18 : (!x) -> !x
  // REMARK: Reason="norms with and without a mean share the stream"
  %20 = qnt.linear %19, %w : (!x, tensor<24x24xf32>) -> !x
  %21 = qnt.rms_norm %20 {epsilon = 1.0e-5 : f64} : (!x) -> !x
  %22 = qnt.linear %21, %w : (!x, tensor<24x24xf32>) -> !x
  %23 = qnt.layer_norm %20 {epsilon = 1.0e-5 : f64} : (!x) -> !x
  %24 = qnt.linear %23, %w : (!x, tensor<24x24xf32>) -> !x
  // REMARK: Reason="no Hadamard matrix divides the channels"
  %25 = qnt.rms_norm %y {epsilon = 1.0e-5 : f64} : (tensor<4x7xf32>) -> tensor<4x7xf32>
  %26 = qnt.add %13, %17 : (!x, !x) -> !x
  %27 = qnt.add %5, %6 : (!x, !x) -> !x
  %28 = qnt.add %8, %22 : (!x, !x) -> !x
  %29 = qnt.exp %28 : (!x) -> !x
  %30 = qnt.exp %24 : (!x) -> !x
  return %29, %30, %27, %25 : !x, !x, !x, tensor<4x7xf32>
}
