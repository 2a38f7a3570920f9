// RUN: qcc-opt %s --qcc-split-outliers="ranges=%S/Inputs/outliers.json decisions=%S/Inputs/decisions.json max-fraction=0.25" | FileCheck %s
// RUN: qcc-opt %s --qcc-split-outliers="ranges=%S/Inputs/outliers.json decisions=%S/Inputs/decisions.json max-fraction=0.25" --remarks-filter=transform --remark-policy=all --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK
// RUN: not qcc-opt %s --qcc-split-outliers=decisions=%S/Inputs/unfit.json 2>&1 | FileCheck %s --check-prefix=UNFIT
// UNFIT: QCC1532: the decision names column 9 of 4
// RUN: not qcc-opt %s --qcc-split-outliers=decisions=%S/Inputs/outliers.json 2>&1 | FileCheck %s --check-prefix=BAD
// BAD: QCC1531

qnt.weight @w : tensor<6x4xf32> = #qnt.file<"m.bin", 0, 96>

!x = tensor<2x4xf32>
!y = tensor<2x6xf32>

// Channel 1 is far above the median: both layers compute it exactly, on one masked input.
// CHECK-LABEL: func.func @ranges
func.func @ranges(%x: !x) -> (!y, !y) {
  // CHECK: %[[W:.*]] = qnt.use @w
  // CHECK: %[[X:.*]] = qnt.observe %arg0
  // CHECK: %[[ONES:.*]] = qnt.broadcast %{{.*}} -> tensor<4xf32>
  // CHECK: %[[MASK:.*]] = qnt.scatter_elements %[[ONES]]
  // CHECK: %[[REST:.*]] = qnt.mul %[[X]], %[[MASK]]
  // CHECK: %[[C:.*]] = qnt.constant dense<1> : tensor<1xi32>
  // CHECK: %[[T:.*]] = qnt.transpose %[[W]]
  // CHECK: %[[KEPT:.*]] = qnt.gather %[[T]], %[[C]] {axis = 0 : i64} : (tensor<4x6xf32>, tensor<1xi32>) -> tensor<1x6xf32>
  // CHECK: %[[WREST:.*]] = qnt.mul %[[W]]
  // CHECK: %[[SIDE:.*]] = qnt.sparse_linear %[[X]], %[[KEPT]], %[[C]]
  // CHECK: %[[MAIN:.*]] = qnt.linear %[[REST]], %[[WREST]]
  // CHECK: qnt.add %[[MAIN]], %[[SIDE]]
  // CHECK: qnt.linear %[[REST]]
  // REMARK-COUNT-2: columns=1
  %w = qnt.use @w : tensor<6x4xf32>
  %0 = qnt.observe %x {id = "query"} : (!x) -> !x
  %1 = qnt.linear %0, %w : (!x, tensor<6x4xf32>) -> !y
  %2 = qnt.linear %0, %w : (!x, tensor<6x4xf32>) -> !y
  return %1, %2 : !y, !y
}

// CHECK-LABEL: func.func @decided
func.func @decided(%x: !x) -> (!y, !y) {
  // CHECK: qnt.constant dense<[0, 2]> : tensor<2xi32>
  // CHECK: qnt.sparse_linear %arg0, %{{.*}} : (tensor<2x4xf32>, tensor<2x6xf32>, tensor<2xi32>)
  // REMARK: columns=2
  %w = qnt.use @w : tensor<6x4xf32>
  %0 = qnt.linear %x, %w : (!x, tensor<6x4xf32>) -> !y loc("columns")
  // Half of each row, by |w| times the importance of its channel.
  // CHECK: %[[I:.*]] = qnt.constant dense<[1.000000e+00, 2.000000e+00, 3.000000e+00, 4.000000e+00]>
  // CHECK: %[[RANK:.*]] = qnt.mul %[[W:.*]], %[[I]]
  // CHECK: %[[COLUMNS:.*]] = qnt.top_columns %[[RANK]] : (tensor<6x4xf32>) -> tensor<2x6xi32>
  // CHECK: %[[T:.*]] = qnt.transpose %[[W]]
  // CHECK: %[[VALUES:.*]] = qnt.gather_elements %[[T]], %[[COLUMNS]]
  // CHECK: %[[ZEROED:.*]] = qnt.scatter_elements %[[T]], %[[COLUMNS]]
  // CHECK: %[[REST:.*]] = qnt.transpose %[[ZEROED]]
  // CHECK: qnt.sparse_linear %arg0, %[[VALUES]], %[[COLUMNS]]
  // CHECK: qnt.linear %arg0, %[[REST]]
  // REMARK: elements=2
  %1 = qnt.linear %x, %w : (!x, tensor<6x4xf32>) -> !y loc("sparse")
  return %0, %1 : !y, !y
}

// CHECK-LABEL: func.func @refused
// CHECK-NOT: qnt.sparse_linear
func.func @refused(%x: !x, %v: tensor<6x4xf32>) -> (!y, !y, !y, !y, !y) {
  // REMARK-DAG: Reason="the weight is computed, came quantized or is not of f32"
  %w = qnt.use @w : tensor<6x4xf32>
  %0 = qnt.linear %x, %v : (!x, tensor<6x4xf32>) -> !y
  // REMARK-DAG: Reason="the decision is another"
  %1 = qnt.linear %x, %w : (!x, tensor<6x4xf32>) -> !y loc("none")
  // REMARK-DAG: Reason="the ranges hold nothing for it"
  %2 = qnt.linear %x, %w : (!x, tensor<6x4xf32>) -> !y
  // REMARK-DAG: Reason="no few channels are far above the median"
  %3 = qnt.observe %x {id = "flat"} : (!x) -> !x
  %4 = qnt.linear %3, %w : (!x, tensor<6x4xf32>) -> !y
  %5 = qnt.observe %x {id = "many"} : (!x) -> !x
  %6 = qnt.linear %5, %w : (!x, tensor<6x4xf32>) -> !y
  return %0, %1, %2, %4, %6 : !y, !y, !y, !y, !y
}
