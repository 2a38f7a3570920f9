// One kernel for each structure: sizes are parameters where code does not depend on them.
// RUN: qcc-opt %s --qcc-outline-kernels | FileCheck %s

!x = tensor<?x8xf32, #qnt.dims<[s, 8]>>
!c = tensor<4x16xf32>
!square = tensor<4x4xf32>
!sum = tensor<?x1xf32, #qnt.dims<[p + s, 1]>>
!all = tensor<?x6xf32, #qnt.dims<[p + s, 6]>>

// Symbols, constants: both are numbers at launch.
// CHECK-LABEL: func.func @shared
func.func @shared(%x: !x, %y: !c) -> (!x, !c) {
  // CHECK-NEXT: %[[X:.*]] = qnt.launch @map_exp_0 <[s, 8]>(%arg0)
  // CHECK-NEXT: %[[Y:.*]] = qnt.launch @map_exp_0 <[4, 16]>(%arg1)
  // CHECK-NEXT: return %[[X]], %[[Y]]
  %0 = qnt.fused "map"(%x) {
  ^bb0(%a: !x):
    %2 = qnt.exp %a : (!x) -> !x
    qnt.yield %2 : !x
  } : (!x) -> !x
  %1 = qnt.fused "map"(%y) {
  ^bb0(%a: !c):
    %2 = qnt.exp %a : (!c) -> !c
    qnt.yield %2 : !c
  } : (!c) -> !c
  return %0, %1 : !x, !c
}

// Two equal dimensions are one parameter, which makes another structure.
// CHECK-LABEL: func.func @square
func.func @square(%x: !square) -> !square {
  // CHECK-NEXT: qnt.launch @map_exp_1 <[4]>(%arg0)
  %0 = qnt.fused "map"(%x) {
  ^bb0(%a: !square):
    %2 = qnt.exp %a : (!square) -> !square
    qnt.yield %2 : !square
  } : (!square) -> !square
  return %0 : !square
}

// In an expression each symbol is a parameter; 1 says that a row has one value and stays.
// CHECK-LABEL: func.func @expression
func.func @expression(%x: !all) -> !sum {
  // CHECK-NEXT: qnt.launch @row_reduce_0 <[p, s, 6]>(%arg0)
  %0 = qnt.fused "row"(%x) {
  ^bb0(%a: !all):
    %2 = qnt.reduce sum %a {axes = array<i64: 1>, keepDims = true} : (!all) -> !sum
    qnt.yield %2 : !sum
  } : (!all) -> !sum
  return %0 : !sum
}

// Starts of a slice are sizes too; 0 stays.
// CHECK-LABEL: func.func @slice
func.func @slice(%x: !c) -> tensor<4x8xf32> {
  // CHECK-NEXT: qnt.launch @map_slice_0 <[4, 16, 8, 5]>(%arg0)
  %0 = qnt.fused "map"(%x) {
  ^bb0(%a: !c):
    %1 = qnt.slice %a {starts = #qnt.dims<[0, 5]>, steps = array<i64: 1, 1>} : (!c) -> tensor<4x8xf32>
    qnt.yield %1 : tensor<4x8xf32>
  } : (!c) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// A product's code is made for its sizes: constants stay, symbols do not.
// CHECK-LABEL: func.func @matmul
func.func @matmul(%x: !x, %y: tensor<8x6xf32>) -> tensor<?x6xf32, #qnt.dims<[s, 6]>> {
  // CHECK-NEXT: qnt.launch @matmul_0 <[s]>(%arg0, %arg1)
  %0 = qnt.fused "matmul"(%x, %y) {
  ^bb0(%a: !x, %b: tensor<8x6xf32>):
    %1 = qnt.matmul %a, %b : (!x, tensor<8x6xf32>) -> tensor<?x6xf32, #qnt.dims<[s, 6]>>
    qnt.yield %1 : tensor<?x6xf32, #qnt.dims<[s, 6]>>
  } : (!x, tensor<8x6xf32>) -> tensor<?x6xf32, #qnt.dims<[s, 6]>>
  return %0 : tensor<?x6xf32, #qnt.dims<[s, 6]>>
}

// CHECK: qnt.kernel @map_exp_0 "map" dims 2 {
// CHECK-NEXT: ^bb0(%{{.*}}: tensor<?x?xf32, #qnt.dims<[d0, d1]>>):
// CHECK: qnt.kernel @map_exp_1 "map" dims 1 {
// CHECK-NEXT: ^bb0(%{{.*}}: tensor<?x?xf32, #qnt.dims<[d0, d0]>>):
// CHECK: qnt.kernel @row_reduce_0 "row" dims 3 {
// CHECK-NEXT: ^bb0(%{{.*}}: tensor<?x?xf32, #qnt.dims<[d0 + d1, d2]>>):
// CHECK-NEXT: qnt.reduce {{.*}} -> tensor<?x1xf32, #qnt.dims<[d0 + d1, 1]>>
// CHECK: qnt.kernel @map_slice_0 "map" dims 4 {
// CHECK: starts = #qnt.dims<[0, d3]>
// CHECK: qnt.kernel @matmul_0 "matmul" dims 1 {
// CHECK-NEXT: ^bb0(%{{.*}}: tensor<?x8xf32, #qnt.dims<[d0, 8]>>, %{{.*}}: tensor<8x6xf32>):
// CHECK-NOT: qnt.fused
