// Whatever is left costs a kernel of its own, except what costs nothing.
// RUN: qcc-opt %s --qcc-fuse-rest | FileCheck %s
// RUN: qcc-opt %s --qcc-fuse-rest --remarks-filter=fuse --remark-format=emitRemark --remark-policy=all -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

!m = tensor<4x6xf32>
!t = tensor<6x4xf32>
qnt.weight @w : !m = #qnt.file<"m.bin", 0, 96>

// CHECK-LABEL: func.func @kinds
func.func @kinds(%x: !m, %i: tensor<3xi64>) -> (tensor<3x6xf32>, tensor<4x4xf32>, !t, tensor<24xf32>) {
  // Users come first, so that a chain of views is one copy: @slice below reads %arg0.
  // REMARK: kind=map
  // REMARK: kind=matmul
  // REMARK: kind=map
  // REMARK: kind=gather
  // CHECK: qnt.fused "gather"(%arg0, %arg1)
  %0 = qnt.gather %x, %i {axis = 0 : i64} : (!m, tensor<3xi64>) -> tensor<3x6xf32>
  // CHECK: %[[T:.*]] = qnt.fused "map"(%arg0)
  %1 = qnt.transpose %x {permutation = array<i64: 1, 0>} : (!m) -> !t
  // A product reads rows: its operand is copied, not absorbed.
  // CHECK: qnt.fused "matmul"(%arg0, %[[T]])
  %2 = qnt.matmul %x, %1 : (!m, !t) -> tensor<4x4xf32>
  // CHECK: qnt.fused "map"(%arg0)
  // CHECK: qnt.transpose
  // CHECK-NEXT: qnt.slice
  %3 = qnt.slice %1 {starts = #qnt.dims<[5, 0]>, steps = array<i64: -1, 1>} : (!t) -> !t
  // Row-major reshapes are the same bytes.
  // CHECK: qnt.reshape %[[T]]
  %4 = qnt.reshape %1 : (!t) -> tensor<24xf32>
  return %0, %2, %3, %4 : tensor<3x6xf32>, tensor<4x4xf32>, !t, tensor<24xf32>
}

// Every result has storage of its own: arguments, weights, constants, and values returned twice are
// copied, also behind a reshape.
// CHECK-LABEL: func.func @results
func.func @results(%x: !m) -> (!m, tensor<24xf32>, !m, !m, !m, tensor<f32>, tensor<2xi64>) {
  // CHECK: %[[W:.*]] = qnt.use @w
  // CHECK: %[[C:.*]] = qnt.fused "cum_sum"
  // CHECK: %[[D:.*]] = qnt.dim_tensor
  // CHECK: %[[R0:.*]] = qnt.fused "map"(%arg0)
  // CHECK: %[[R1:.*]] = qnt.fused "map"(%arg0)
  // CHECK: qnt.reshape
  // CHECK-NEXT: qnt.identity
  // CHECK: %[[R2:.*]] = qnt.fused "map"(%[[W]])
  // CHECK: %[[R4:.*]] = qnt.fused "map"(%[[C]])
  // CHECK: %[[R5:.*]] = qnt.fused "map"()
  // CHECK-NEXT: qnt.constant
  // CHECK: %[[R6:.*]] = qnt.fused "map"(%[[D]])
  // CHECK: return %[[R0]], %[[R1]], %[[R2]], %[[C]], %[[R4]], %[[R5]], %[[R6]]
  %0 = qnt.use @w : !m
  %1 = qnt.reshape %x : (!m) -> tensor<24xf32>
  %2 = qnt.constant dense<1.0> : tensor<f32>
  %3 = qnt.cum_sum %x {axis = 1 : i64} : (!m) -> !m
  %4 = qnt.dim_tensor <[s, 2]> : tensor<2xi64>
  return %x, %1, %0, %3, %3, %2, %4 : !m, tensor<24xf32>, !m, !m, !m, tensor<f32>, tensor<2xi64>
}

// Nothing reads the top_k; the check has an effect.
// CHECK-LABEL: func.func @dead
func.func @dead(%x: !m, %y: !m) -> !m {
  // CHECK-NOT: qnt.top_k
  // CHECK: qnt.require_equal
  // CHECK: qnt.fused "matmul"
  %0:2 = qnt.top_k %x {axis = 1 : i64} : (!m) -> (tensor<4x2xf32>, tensor<4x2xi64>)
  qnt.require_equal <[s, p + 1]>
  %1 = qnt.constant dense<1.0> : tensor<6x6xf32>
  %2 = qnt.matmul %x, %1 : (!m, tensor<6x6xf32>) -> !m
  return %2 : !m
}

// What the application computes is in no group and reads dense operands. It is not removed, merged
// or repeated.
// CHECK-LABEL: func.func @host
func.func @host(%x: !m) -> !t {
  // CHECK: %[[T:.*]] = qnt.fused "map"(%arg0)
  // CHECK: qnt.host_call "my" "Odd"(%[[T]])
  // CHECK: qnt.host_call "my" "Odd"(%[[T]])
  // CHECK-NOT: qnt.host_call
  %0 = qnt.transpose %x {permutation = array<i64: 1, 0>} : (!m) -> !t
  %1 = qnt.host_call "my" "Odd" (%0) {elements = [f32], positions = array<i64: 0>, settings = "{}"} : (!t) -> !t
  %2 = qnt.host_call "my" "Odd" (%0) {elements = [f32], positions = array<i64: 0>, settings = "{}"} : (!t) -> !t
  return %2 : !t
}

!kv = !qnt.kv<[1, 2, p, 12], ui8>
!longer = !qnt.kv<[1, 2, p + 1, 12], ui8>

// Rows are encoded where they are appended, if nothing else reads them.
// CHECK-LABEL: func.func @codes
func.func @codes(%x: tensor<1x2x1x8xf32>, %y: tensor<1x2x1x8xf32>, %c: !kv, %d: !kv) -> (!longer, !longer, tensor<1x2x1x12xui8>) {
  // CHECK: qnt.fused "kv_append"(%arg0, %arg2)
  // CHECK: qnt.encode_rows
  // CHECK-NEXT: qnt.kv_append
  // CHECK: %[[E:.*]] = qnt.fused "encode_rows"(%arg1)
  // CHECK: qnt.fused "kv_append"(%arg3, %[[E]])
  %0 = qnt.encode_rows %x {codes = #qnt<storage i8>} : (tensor<1x2x1x8xf32>) -> tensor<1x2x1x12xui8>
  %1 = qnt.kv_append %c, %0 : (!kv, tensor<1x2x1x12xui8>) -> !longer
  %2 = qnt.encode_rows %y {codes = #qnt<storage i8>} : (tensor<1x2x1x8xf32>) -> tensor<1x2x1x12xui8>
  %3 = qnt.kv_append %d, %2 : (!kv, tensor<1x2x1x12xui8>) -> !longer
  return %1, %3, %2 : !longer, !longer, tensor<1x2x1x12xui8>
}
