// RUN: qcc-opt %s --qcc-observe-ranges | FileCheck %s
// RUN: qcc-opt %s --qcc-observe-ranges --remarks-filter=calibrate --remark-policy=all --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

qnt.weight @w : tensor<64x64xf32> = #qnt.file<"m.bin", 0, 16384>

// Two layers that read one value share an observer, named after the first.
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<2x64xf32>) -> (tensor<2x64xf32>, tensor<2x64xf32>, tensor<64x64xf32>, tensor<2x64xf32>) {
  // CHECK: %[[X:.*]] = qnt.observe %arg0 {id = "query"}
  // CHECK: qnt.linear %[[X]]
  // CHECK: qnt.linear %[[X]]
  // REMARK: Reason="the input is constant"
  // REMARK: Reason="the input is observed already"
  // REMARK: id=query, layers=2
  // REMARK: id=query.0, layers=1
  %w = qnt.use @w : tensor<64x64xf32>
  %0 = qnt.linear %x, %w : (tensor<2x64xf32>, tensor<64x64xf32>) -> tensor<2x64xf32> loc("query")
  %1 = qnt.linear %x, %w : (tensor<2x64xf32>, tensor<64x64xf32>) -> tensor<2x64xf32> loc("key")
  // CHECK: %[[Y:.*]] = qnt.observe %{{.*}} {id = "query.0"}
  // CHECK: qnt.linear %[[Y]]
  %2 = qnt.linear %1, %w : (tensor<2x64xf32>, tensor<64x64xf32>) -> tensor<2x64xf32> loc("query")
  // CHECK: qnt.linear %{{[0-9]+}}, %{{[0-9]+}}
  %3 = qnt.linear %w, %w : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  %4 = qnt.observe %2 {id = "mine"} : (tensor<2x64xf32>) -> tensor<2x64xf32>
  // CHECK: %[[M:.*]] = qnt.observe %{{.*}} {id = "mine"}
  // CHECK-NEXT: qnt.linear %[[M]]
  %5 = qnt.linear %4, %w : (tensor<2x64xf32>, tensor<64x64xf32>) -> tensor<2x64xf32>
  return %0, %2, %3, %5 : tensor<2x64xf32>, tensor<2x64xf32>, tensor<64x64xf32>, tensor<2x64xf32>
}
