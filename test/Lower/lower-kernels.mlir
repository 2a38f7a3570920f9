// A nested module for each level; the kernels stay for the next one.
// RUN: qcc-opt %s --split-input-file --verify-diagnostics --qcc-lower-kernels=level=scalar | FileCheck %s
// RUN: not qcc-opt %s --split-input-file --qcc-lower-kernels=level=scalar --qcc-lower-kernels=level=x86-64-v3 2>/dev/null | FileCheck %s --check-prefix=BOTH
// RUN: not qcc-opt %s --split-input-file --qcc-lower-kernels=level=sclar 2>&1 | FileCheck %s --check-prefix=LEVEL
// LEVEL: error: QCC1601: no feature level is called 'sclar'

!x = tensor<?x?xf32, #qnt.dims<[d0, d1]>>
!r = tensor<?x1xf32, #qnt.dims<[d0, 1]>>

// CHECK: qnt.kernel @relu
// CHECK: qnt.kernel @sum
// CHECK: module @scalar {
// BOTH: module @scalar {
// BOTH: module @"x86-64-v3" {
// BOTH: func.func @relu
// BOTH: func.func @sum

// The ABI: arguments, first and last task, worker, scratch -> status.
// CHECK-LABEL: func.func @relu(
// CHECK-SAME: !llvm.ptr, %[[FIRST:.*]]: i64, %[[LAST:.*]]: i64, %{{.*}}: i64, %{{.*}}: !llvm.ptr) -> i64
qnt.kernel @relu "map" dims 2 {
^bb0(%x: !x):
  // CHECK: scf.for %{{.*}} = %[[FIRST]] to %[[LAST]]
  // Whole vectors, then what is left under a mask.
  // CHECK: scf.for
  // CHECK: llvm.load {{.*}} -> vector<16xf32>
  // CHECK: llvm.store
  // CHECK: scf.if
  // CHECK: tile.load
  // CHECK: tile.store
  %0 = qnt.relu %x : (!x) -> !x
  qnt.yield %0 : !x
}

// CHECK-LABEL: func.func @sum(
// CHECK-SAME: !llvm.ptr, %[[FIRST:.*]]: i64, %[[LAST:.*]]: i64, %{{.*}}: i64, %{{.*}}: !llvm.ptr) -> i64
qnt.kernel @sum "row" dims 2 {
^bb0(%x: !x):
  // A task is a row: 16 interleaved lanes, then a fixed tree.
  // CHECK: scf.for %{{.*}} = %[[FIRST]] to %[[LAST]]
  // CHECK: scf.for {{.*}} -> (vector<16xf32>)
  // CHECK: arith.addf {{.*}} : vector<8xf32>
  // CHECK: arith.addf {{.*}} : vector<4xf32>
  // CHECK: arith.addf {{.*}} : vector<2xf32>
  // CHECK: arith.addf {{.*}} : vector<1xf32>
  %0 = qnt.reduce sum %x {axes = array<i64: 1>, keepDims = true} : (!x) -> !r
  qnt.yield %0 : !r
}

// -----

// expected-error @below {{QCC1650: no kernel for 'dance' on scalar}}
qnt.kernel @unknown "dance" dims 0 {
^bb0(%x: tensor<f32>):
  qnt.yield %x : tensor<f32>
}
