// What the warps of a block do with strips of sixteen rows, for one thread.
// RUN: qcc-opt %s --qcc-distribute-lanes --cse --split-input-file | FileCheck %s

// Two slices: warps 0 and 1 have the first columns, and rows 0 and 16. Thread 4 g + t has rows g and
// g + 8, columns 2 t and 2 t + 1.
// CHECK-LABEL: func.func @places
// CHECK: %[[WARP:.*]] = nvvm.shfl.sync idx
// CHECK: %[[ROWS:.*]] = arith.andi %[[WARP]], %c1_i32
// CHECK: %[[SLICE:.*]] = arith.shrui %[[WARP]], %c1_i32
// CHECK: %[[FIRST:.*]] = arith.muli %[[ROWS]], %c16_i32
// CHECK: %[[ROW:.*]] = arith.addi %[[FIRST]]
// CHECK: %[[LOWER:.*]] = arith.addi %[[ROW]], %c8_i32
// CHECK: arith.muli %[[SLICE]], %c32_i32
// CHECK: vector.from_elements %[[ROW]], %[[ROW]], %[[LOWER]], %[[LOWER]] : vector<4xi32>
// CHECK: vector.from_elements %[[C0:.*]], %[[C1:.*]], %[[C0]], %[[C1]] : vector<4xi32>
func.func @places(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 {
  %rows, %columns = tile.places {columns = 32 : i64, slices = 2 : i64} : vector<64xi32>, vector<64xi32>
  %place = arith.addi %rows, %columns : vector<64xi32>
  %number = arith.sitofp %place : vector<64xi32> to vector<64xf32>
  %m = tile.shared 8192 : !llvm.ptr
  tile.store_rows %number to %m {stride = 96 : i64} : !llvm.ptr, vector<64xf32>
  return %begin : i64
}

// -----

// A load of four matrices is an operand of sixteen numbers, or two of eight columns; of weights it
// is turned, and pairs of them are rounded.
// CHECK-LABEL: func.func @products
// CHECK: nvvm.ldmatrix %{{.*}} {eltType = #nvvm.ld_st_matrix_elt_type<b16>, layout = #nvvm.mma_layout<row>, num = 4 : i32
// CHECK: nvvm.ldmatrix %{{.*}}layout = #nvvm.mma_layout<row>
// CHECK-COUNT-2: nvvm.mma.sync {{.*}}multiplicandAPtxType = #nvvm.mma_type<bf16>{{.*}}shape = #nvvm.shape<m = 16, n = 8, k = 16>
// CHECK-NOT: nvvm.mma.sync
// CHECK-COUNT-4: nvvm.convert.f32x2.to.f16x2
// CHECK: nvvm.ldmatrix %{{.*}}layout = #nvvm.mma_layout<col>
// CHECK-COUNT-2: nvvm.mma.sync {{.*}}(vector<2xf16>, vector<2xf16>, f32)
// CHECK-NOT: nvvm.mma.sync
// Rows g and g + 8, 96 bytes apart.
// CHECK: llvm.store %{{.*}}, %[[TO:.*]] {alignment = 8 : i64} : vector<2xf32>, !llvm.ptr<3>
// CHECK: llvm.getelementptr %{{.*}}[768]
// CHECK: llvm.store
func.func @products(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 {
  %m = tile.shared 16384 : !llvm.ptr
  %zero = arith.constant dense<0.0> : vector<64xf32>
  %q = tile.load_rows %m {stride = 48 : i64, slices = 2 : i64} : !llvm.ptr -> vector<64xi32>
  %s:2 = tile.dot_lines %zero, %zero rows %q b %m {stride = 48 : i64, slices = 2 : i64} : (vector<64xf32>, vector<64xf32>, vector<64xi32>, !llvm.ptr) -> (vector<64xf32>, vector<64xf32>)
  %o:2 = tile.weigh_lines %zero, %zero weights %s#0, %s#1 b %m {stride = 48 : i64, slices = 2 : i64, half} : (vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>, !llvm.ptr) -> (vector<64xf32>, vector<64xf32>)
  tile.store_rows %o#0, %o#1 to %m {stride = 96 : i64} : !llvm.ptr, vector<64xf32>, vector<64xf32>
  return %begin : i64
}

// -----

// Of a row four threads have two numbers each.
// CHECK-LABEL: func.func @rows
// CHECK: arith.maxnumf
// CHECK: nvvm.shfl.sync bfly %{{.*}}, %{{.*}}, %c1_i32, %c31_i32
// CHECK: arith.maxnumf
// CHECK: nvvm.shfl.sync bfly %{{.*}}, %{{.*}}, %c2_i32, %c31_i32
// CHECK: %[[UPPER:.*]] = arith.maxnumf
// CHECK: vector.from_elements %[[UPPER]], %[[UPPER]], %[[LOWER:.*]], %[[LOWER]] : vector<4xf32>
// CHECK-COUNT-4: llvm.call_intrinsic "llvm.nvvm.ex2.approx.ftz.f"
// CHECK-COUNT-4: llvm.load %{{.*}} {alignment = 4 : i64} : !llvm.ptr -> f32
func.func @rows(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 {
  %m = tile.shared 16384 : !llvm.ptr
  %x = arith.constant dense<0.0> : vector<64xf32>
  %i = arith.constant dense<0> : vector<64xi64>
  %most = tile.reduce_rows %x {largest} : vector<64xf32>
  %power = tile.exp2 %most : vector<64xf32>
  %read = tile.gather %args, %i : !llvm.ptr, vector<64xi64> -> vector<64xf32>
  tile.store_rows %power, %read to %m {stride = 96 : i64} : !llvm.ptr, vector<64xf32>, vector<64xf32>
  return %begin : i64
}

// -----

// Four lines of 24 numbers are twelve pieces of eight.
// CHECK-LABEL: func.func @narrow
// CHECK: %[[SOME:.*]] = arith.cmpi ult, %{{.*}}, %c12_i32
// CHECK: scf.if %[[SOME]]
// CHECK: arith.divui %{{.*}}, %c3_i32
// CHECK-COUNT-2: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<3> -> vector<4xf32>
// CHECK-COUNT-4: nvvm.convert.f32x2.to.bf16x2
// CHECK: llvm.store %{{.*}} {alignment = 16 : i64} : vector<4xi32>, !llvm.ptr<3>
// CHECK-NOT: llvm.store
func.func @narrow(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 {
  %m = tile.shared 16384 : !llvm.ptr
  %to = llvm.getelementptr %m[4096] : (!llvm.ptr) -> !llvm.ptr, i8
  tile.narrow_lines %m to %to {lines = 4 : i64, width = 24 : i64, fromStride = 128 : i64, toStride = 64 : i64, numbers = f32} : !llvm.ptr, !llvm.ptr
  return %begin : i64
}

// -----

// Of 8-bit floats a piece is two words, of which each becomes two of bf16.
// CHECK-LABEL: func.func @narrow_floats
// CHECK: llvm.load %{{.*}} {alignment = 8 : i64} : !llvm.ptr<3> -> vector<2xi32>
// CHECK-COUNT-4: llvm.intr.fma({{.*}}) : (vector<2xbf16>, vector<2xbf16>, vector<2xbf16>) -> vector<2xbf16>
// CHECK-NOT: llvm.intr.fma
// CHECK: llvm.store %{{.*}} {alignment = 16 : i64} : vector<4xi32>, !llvm.ptr<3>
func.func @narrow_floats(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 {
  %m = tile.shared 16384 : !llvm.ptr
  %to = llvm.getelementptr %m[4096] : (!llvm.ptr) -> !llvm.ptr, i8
  tile.narrow_lines %m to %to {lines = 64 : i64, width = 16 : i64, fromStride = 16 : i64, toStride = 48 : i64, numbers = f8E4M3FN} : !llvm.ptr, !llvm.ptr
  return %begin : i64
}

// -----

// Lines of codes begin at any word. A code becomes a float in the low bits of 2^23, from which
// 2^23 + 128 are taken since its sign was turned.
// CHECK-LABEL: func.func @narrow_bytes
// CHECK: llvm.getelementptr %{{.*}}[16]
// CHECK-NEXT: %[[SCALE:.*]] = llvm.load %{{.*}} {alignment = 4 : i64} : !llvm.ptr<3> -> f32
// CHECK: %[[WORD:.*]] = llvm.load %{{.*}} {alignment = 4 : i64} : !llvm.ptr<3> -> i32
// CHECK: arith.xori %[[WORD]], %c-2139062144_i32
// CHECK: %[[CODE:.*]] = arith.subf %{{.*}}, %cst : f32
// CHECK-NEXT: arith.mulf %[[CODE]], %[[SCALE]]
// CHECK-COUNT-6: arith.mulf %{{.*}}, %[[SCALE]]
// CHECK-NOT: sitofp
// CHECK-COUNT-4: nvvm.convert.f32x2.to.bf16x2
func.func @narrow_bytes(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 {
  %m = tile.shared 16384 : !llvm.ptr
  %to = llvm.getelementptr %m[4096] : (!llvm.ptr) -> !llvm.ptr, i8
  tile.narrow_lines %m to %to {lines = 64 : i64, width = 16 : i64, fromStride = 20 : i64, toStride = 48 : i64, numbers = si8, scales = 16 : i64} : !llvm.ptr, !llvm.ptr
  return %begin : i64
}

// -----

// Pieces 2 and 3 of each four are high halves of the bytes of 0 and 1; the step and the least
// number are halves of a word.
// CHECK-LABEL: func.func @narrow_nibbles
// CHECK: %[[SCALES:.*]] = llvm.load %{{.*}} {alignment = 4 : i64} : !llvm.ptr<3> -> i32
// CHECK: arith.trunci %[[SCALES]] : i32 to i16
// CHECK: %[[STEP:.*]] = arith.extf %{{.*}} : f16 to f32
// CHECK: %[[HIGH:.*]] = arith.shrui %[[SCALES]], %c16_i32
// CHECK: arith.trunci %[[HIGH]]
// CHECK: %[[LOW:.*]] = arith.extf %{{.*}} : f16 to f32
// CHECK: %[[HALF:.*]] = arith.andi %[[PIECE:.*]], %c2_i32
// CHECK: %[[SHIFT:.*]] = arith.muli %[[HALF]], %c2_i32
// CHECK: arith.shrui %{{.*}}, %[[SHIFT]]
// CHECK: arith.andi %{{.*}}, %c252645135_i32
// CHECK: llvm.intr.fma(%{{.*}}, %[[STEP]], %[[LOW]]) : (f32, f32, f32) -> f32
func.func @narrow_nibbles(%args: !llvm.ptr, %begin: i64, %end: i64, %worker: i64, %scratch: !llvm.ptr) -> i64 {
  %m = tile.shared 16384 : !llvm.ptr
  %to = llvm.getelementptr %m[4096] : (!llvm.ptr) -> !llvm.ptr, i8
  tile.narrow_lines %m to %to {lines = 64 : i64, width = 32 : i64, fromStride = 20 : i64, toStride = 80 : i64, numbers = ui4, scales = 16 : i64} : !llvm.ptr, !llvm.ptr
  return %begin : i64
}
