// RUN: qcc-opt %s --qcc-correct-bias=decisions=%S/Inputs/decisions.json | FileCheck %s
// RUN: qcc-opt %s --qcc-correct-bias=decisions=%S/Inputs/decisions.json --remarks-filter=transform --remark-policy=all --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK
// RUN: qcc-opt %s --qcc-correct-bias | FileCheck %s --check-prefix=NONE
// NONE-NOT: qnt.add
// RUN: not qcc-opt %s --qcc-correct-bias=decisions=%S/Inputs/unfit.json 2>&1 | FileCheck %s --check-prefix=UNFIT
// UNFIT: QCC1532: the decision has 1 entries under "bias" for 4 channels

qnt.weight @w : tensor<4x4xf32> = #qnt.file<"m.bin", 0, 64>
qnt.weight @c : tensor<4xf32> = #qnt.file<"m.bin", 64, 16>

!x = tensor<2x4xf32>

// CHECK-LABEL: func.func @main
func.func @main(%x: !x, %h: tensor<2x4xf16>) -> (!x, !x, !x, tensor<2x4xf16>) {
  // CHECK: %[[C:.*]] = qnt.use @c
  // CHECK: %[[B:.*]] = qnt.constant dense<[1.000000e+00, 2.000000e+00, 3.000000e+00, 4.000000e+00]>
  // CHECK: %[[SUM:.*]] = qnt.add %[[C]], %[[B]]
  // CHECK: qnt.linear %arg0, %{{.*}}, %[[SUM]]
  // REMARK: channels=4
  %w = qnt.use @w : tensor<4x4xf32>
  %c = qnt.use @c : tensor<4xf32>
  %0 = qnt.linear %x, %w, %c : (!x, tensor<4x4xf32>, tensor<4xf32>) -> !x loc("given")
  // CHECK: %[[B2:.*]] = qnt.constant dense<[1.000000e+00
  // CHECK: qnt.linear %arg0, %{{.*}}, %[[B2]]
  %1 = qnt.linear %x, %w : (!x, tensor<4x4xf32>) -> !x loc("given")
  // CHECK: qnt.linear %arg0, %{{[^,]*}} :
  %2 = qnt.linear %x, %w : (!x, tensor<4x4xf32>) -> !x loc("other")
  // REMARK: Reason="the layer is not of f32"
  %3 = qnt.linear %h, %w : (tensor<2x4xf16>, tensor<4x4xf32>) -> tensor<2x4xf16> loc("given")
  return %0, %1, %2, %3 : !x, !x, !x, tensor<2x4xf16>
}
