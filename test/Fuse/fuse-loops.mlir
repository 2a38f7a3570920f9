// Ops in a loop are fused like those around it, and never with them.
// RUN: qcc-opt %s --qcc-fuse-rows --qcc-fuse-rest | FileCheck %s

// CHECK-LABEL: func.func @body
// CHECK: %[[BEFORE:.*]] = qnt.fused "map"(%arg0) {
// CHECK: qnt.neg
// CHECK: %[[LOOP:.*]] = qnt.loop <[n]> as "turn" captures(%[[BEFORE]] : tensor<4xf32>) from(%arg0 : tensor<4xf32>) rows <[]> {
// CHECK: %[[GROUP:.*]] = qnt.fused "map"(
// CHECK: qnt.mul
// CHECK-NEXT: qnt.add
// CHECK: qnt.yield %[[GROUP]] : tensor<4xf32>
// A state is no result of its own.
// CHECK: %[[AFTER:.*]] = qnt.fused "map"(%[[LOOP]]) {
// CHECK: qnt.abs
// CHECK: %[[COPY:.*]] = qnt.fused "map"(%[[LOOP]]) {
// CHECK: qnt.identity
// CHECK: return %[[AFTER]], %[[COPY]]
func.func @body(%x: tensor<4xf32>, %y: tensor<?xf32, #qnt.dims<[n]>>) -> (tensor<4xf32>, tensor<4xf32>) {
  %before = qnt.neg %x : (tensor<4xf32>) -> tensor<4xf32>
  %end = qnt.loop <[n]> as "turn" captures(%before : tensor<4xf32>) from(%x : tensor<4xf32>) rows <[]> {
  ^bb0(%c: tensor<4xf32>, %s: tensor<4xf32>):
    %product = qnt.mul %s, %c : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    %sum = qnt.add %product, %s : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    qnt.yield %sum : tensor<4xf32>
  } states tensor<4xf32>
  %after = qnt.abs %end : (tensor<4xf32>) -> tensor<4xf32>
  return %after, %end : tensor<4xf32>, tensor<4xf32>
}

// States that trade places: one of them is copied before it is overwritten.
// CHECK-LABEL: func.func @trade
// CHECK: ^bb0(%[[A:.*]]: tensor<4xf32>, %[[B:.*]]: tensor<4xf32>, %[[C:.*]]: tensor<4xf32>):
// CHECK: %[[NEXT:.*]] = qnt.fused "map"(%[[B]]) {
// CHECK: qnt.identity
// CHECK: %[[OTHER:.*]] = qnt.fused "map"(%[[A]]) {
// CHECK: qnt.identity
// CHECK: qnt.yield %[[NEXT]], %[[OTHER]], %[[C]] :
func.func @trade(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  %end:3 = qnt.loop <[9]> as "turn" from(%x, %y, %x : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) rows <[]> {
  ^bb0(%a: tensor<4xf32>, %b: tensor<4xf32>, %c: tensor<4xf32>):
    qnt.yield %b, %a, %c : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
  } states tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
  return %end#0 : tensor<4xf32>
}
