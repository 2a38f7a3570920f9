// Values whose channels nothing can divide, each with the reason.
// RUN: qcc-opt %s --qcc-migrate-scales="ranges=%S/Inputs/ranges.json" --remarks-filter=transform --remark-policy=all --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s

qnt.weight @w : tensor<4x4xf32> = #qnt.file<"m.bin", 0, 64>

!x = tensor<2x4xf32>
!h = tensor<1x2x2x4xf32>

func.func @norms(%x: !x, %g: tensor<4xf32>, %v: tensor<4x4xf32>) -> (!x, !x, !x, !x, !x, !x) {
  %w = qnt.use @w : tensor<4x4xf32>
  %one = qnt.constant dense<1.0> : tensor<4xf32>
  // CHECK: Reason="the gain or bias of the norm is computed"
  %0 = qnt.rms_norm %x, %g {epsilon = 1.0e-5 : f64} : (!x, tensor<4xf32>) -> !x
  %1 = qnt.observe %0 {id = "query"} : (!x) -> !x
  %2 = qnt.linear %1, %w : (!x, tensor<4x4xf32>) -> !x
  // CHECK: Reason="the gain or bias of the norm is computed"
  %3 = qnt.layer_norm %x gain %one bias %g {epsilon = 1.0e-5 : f64} : (!x, tensor<4xf32>, tensor<4xf32>) -> !x
  %4 = qnt.observe %3 {id = "query"} : (!x) -> !x
  %5 = qnt.linear %4, %w : (!x, tensor<4x4xf32>) -> !x
  // CHECK: Reason="the layer that makes the value has no constant weights of f32"
  %6 = qnt.linear %x, %v : (!x, tensor<4x4xf32>) -> !x
  %7 = qnt.observe %6 {id = "query"} : (!x) -> !x
  %8 = qnt.linear %7, %w : (!x, tensor<4x4xf32>) -> !x
  // CHECK: Reason="something other than layers reads what makes the value"
  %9 = qnt.rms_norm %x, %one {epsilon = 1.0e-5 : f64} : (!x, tensor<4xf32>) -> !x
  %10 = qnt.observe %9 {id = "query"} : (!x) -> !x
  %11 = qnt.linear %10, %w : (!x, tensor<4x4xf32>) -> !x
  // CHECK: Reason="no norm and no layer makes the value"
  %12 = qnt.gelu %x : (!x) -> !x
  %13 = qnt.observe %12 {id = "query"} : (!x) -> !x
  %14 = qnt.linear %13, %w : (!x, tensor<4x4xf32>) -> !x
  return %2, %5, %8, %11, %14, %9 : !x, !x, !x, !x, !x, !x
}

func.func @heads(%x: !x, %q: !h) -> (!x, tensor<1x4x4xf32>) {
  %w = qnt.use @w : tensor<4x4xf32>
  %one = qnt.constant dense<1.0> : tensor<4xf32>
  // No attention in front of the reshape.
  // CHECK: Reason="no norm and no layer makes the value"
  %0 = qnt.rms_norm %x, %one {epsilon = 1.0e-5 : f64} : (!x, tensor<4xf32>) -> !x
  %1 = qnt.reshape %0 : (!x) -> !x
  %2 = qnt.observe %1 {id = "query"} : (!x) -> !x
  %3 = qnt.linear %2, %w : (!x, tensor<4x4xf32>) -> !x
  // One head a row behind attention: its channels are not those of all heads.
  // CHECK: Reason="the heads are not joined behind attention"
  %4 = qnt.attention %q, %q, %q {scale = 1.0 : f64} : (!h, !h, !h) -> !h
  %5 = qnt.transpose %4 {permutation = array<i64: 0, 2, 1, 3>} : (!h) -> !h
  %6 = qnt.reshape %5 : (!h) -> tensor<1x4x4xf32>
  %7 = qnt.observe %6 {id = "query"} : (tensor<1x4x4xf32>) -> tensor<1x4x4xf32>
  %8 = qnt.linear %7, %w : (tensor<1x4x4xf32>, tensor<4x4xf32>) -> tensor<1x4x4xf32>
  return %3, %8 : !x, tensor<1x4x4xf32>
}

qnt.weight @o : tensor<4x8xf32> = #qnt.file<"m.bin", 64, 128>
func.func @split(%y: tensor<1x4x4xf32>, %q: !h) -> tensor<1x2x4xf32> {
  %w = qnt.use @w : tensor<4x4xf32>
  %o = qnt.use @o : tensor<4x8xf32>
  // The layer of the values makes one head a row.
  // CHECK: Reason="the heads are not joined behind attention"
  %0 = qnt.linear %y, %w : (tensor<1x4x4xf32>, tensor<4x4xf32>) -> tensor<1x4x4xf32>
  %1 = qnt.reshape %0 : (tensor<1x4x4xf32>) -> !h
  %2 = qnt.transpose %1 {permutation = array<i64: 0, 2, 1, 3>} : (!h) -> !h
  %3 = qnt.attention %q, %q, %2 {scale = 1.0 : f64} : (!h, !h, !h) -> !h
  %4 = qnt.transpose %3 {permutation = array<i64: 0, 2, 1, 3>} : (!h) -> !h
  %5 = qnt.reshape %4 : (!h) -> tensor<1x2x8xf32>
  %6 = qnt.observe %5 {id = "eight"} : (tensor<1x2x8xf32>) -> tensor<1x2x8xf32>
  %7 = qnt.linear %6, %o : (tensor<1x2x8xf32>, tensor<4x8xf32>) -> tensor<1x2x4xf32>
  return %7 : tensor<1x2x4xf32>
}
