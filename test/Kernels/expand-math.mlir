// Nothing that LLVM would call is left after qcc-expand-math.
// RUN: qcc-opt --qcc-expand-math="level=x86-64-v3" %s | FileCheck %s
// RUN: qcc-opt --qcc-expand-math="level=scalar" %s | FileCheck %s --check-prefix=SCALAR
// RUN: not qcc-opt --qcc-expand-math %S/Inputs/no-expansion.mlir 2>&1 | FileCheck %s --check-prefix=REFUSED
// REFUSED: error: QCC1611: no expansion of math.cbrt on 'f32'
// SCALAR-NOT: math.fma
// SCALAR-NOT: math.floor

// CHECK-LABEL: func.func @exp
// CHECK-NOT: math.exp
// CHECK: math.fma {{.*}} : vector<16xf32>
// CHECK-NOT: math.exp
func.func @exp(%x: vector<16xf32>) -> vector<16xf32> {
  %0 = math.exp %x : vector<16xf32>
  return %0 : vector<16xf32>
}

// Less common functions of f32 are the f64 ones, rounded.
// CHECK-LABEL: func.func @log
// CHECK: arith.extf {{.*}} : f32 to f64
// CHECK-NOT: math.log
// CHECK: arith.truncf {{.*}} : f64 to f32
func.func @log(%x: f32) -> f32 {
  %0 = math.log %x : f32
  return %0 : f32
}

// CHECK-LABEL: func.func @kept
// CHECK: math.floor
// CHECK: math.sqrt
// CHECK-NOT: arith.truncf
func.func @kept(%x: f32) -> bf16 {
  %0 = math.floor %x : f32
  %1 = math.sqrt %0 : f32
  %2 = arith.truncf %1 : f32 to bf16
  return %2 : bf16
}

// CHECK-LABEL: func.func @fmod
// CHECK-NOT: arith.remf
// CHECK: scf.while
func.func @fmod(%x: vector<16xf32>, %y: vector<16xf32>) -> vector<16xf32> {
  %0 = arith.remf %x, %y : vector<16xf32>
  return %0 : vector<16xf32>
}
