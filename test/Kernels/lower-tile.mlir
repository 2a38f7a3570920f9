// What qcc-lower-tile makes of tile operations on each level.
// RUN: qcc-opt --qcc-lower-tile="level=x86-avx512-vnni" %s | FileCheck %s --check-prefixes=CHECK,VNNI
// RUN: qcc-opt --qcc-lower-tile="level=x86-amx" %s | FileCheck %s --check-prefixes=CHECK,AMX
// RUN: qcc-opt --qcc-lower-tile="level=x86-avx512-base" %s | FileCheck %s --check-prefixes=CHECK,BASE
// RUN: qcc-opt --qcc-lower-tile="level=x86-64-v3" %s | FileCheck %s --check-prefixes=CHECK,AVX2
// RUN: qcc-opt --qcc-lower-tile="level=scalar" %s | FileCheck %s --check-prefixes=CHECK,PLAIN
// RUN: qcc-opt --qcc-lower-tile="level=aarch64-neon" %s | FileCheck %s --check-prefixes=CHECK,ARM,NEON
// RUN: qcc-opt --qcc-lower-tile="level=aarch64-dotprod" %s | FileCheck %s --check-prefixes=CHECK,ARM,DOTPROD
// RUN: qcc-opt --qcc-lower-tile="level=aarch64-i8mm" %s | FileCheck %s --check-prefixes=CHECK,ARM,I8MM
// RUN: not qcc-opt --qcc-lower-tile="level=z80" %s 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// UNKNOWN: no feature level 'z80'

// CHECK-LABEL: func.func @dot4
// VNNI: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// Exact for all bytes: pairs of 16-bit products, never the saturating byte form.
// BASE-NOT: pmaddubs
// BASE-COUNT-2: llvm.call_intrinsic "llvm.x86.avx512.pmaddw.d.512"
// AVX2-NOT: pmadd.ub.sw
// AVX2-COUNT-4: llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"
// NEON-COUNT-8: llvm.call_intrinsic "llvm.aarch64.neon.smull.v8i16"
// DOTPROD-COUNT-8: llvm.call_intrinsic "llvm.aarch64.neon.sdot.v4i32.v16i8"
// I8MM-COUNT-4: llvm.call_intrinsic "llvm.aarch64.neon.usdot.v4i32.v16i8"
// I8MM-NOT: llvm.call_intrinsic
// PLAIN-NOT: llvm.call_intrinsic
// PLAIN-COUNT-4: arith.muli {{.*}} : vector<16xi32>
func.func @dot4(%acc: vector<16xi32>, %a: vector<64xi8>, %b: vector<64xi8>) -> vector<16xi32> {
  %0 = tile.dot4 %acc, %a, %b : vector<16xi32>, vector<64xi8>, vector<64xi8>
  return %0 : vector<16xi32>
}

// CHECK-LABEL: func.func @dot4_of_small_codes
// VNNI: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// BASE: llvm.call_intrinsic "llvm.x86.avx512.pmaddubs.w.512"
// AVX2-COUNT-2: llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"
// DOTPROD-COUNT-4: llvm.call_intrinsic "llvm.aarch64.neon.sdot.v4i32.v16i8"
// DOTPROD-NOT: llvm.call_intrinsic
func.func @dot4_of_small_codes(%acc: vector<16xi32>, %a: vector<64xi8>, %b: vector<64xi8>)
    -> vector<16xi32> {
  %0 = tile.dot4 %acc, %a, %b {bits = 4 : i64} : vector<16xi32>, vector<64xi8>, vector<64xi8>
  return %0 : vector<16xi32>
}

// Nothing to make signed, and no correction.
// CHECK-LABEL: func.func @dot4_of_signed_bytes
// NEON-COUNT-8: llvm.call_intrinsic "llvm.aarch64.neon.smull.v8i16"
// NEON-NOT: arith.xori
// DOTPROD-COUNT-4: llvm.call_intrinsic "llvm.aarch64.neon.sdot.v4i32.v16i8"
// DOTPROD-NOT: llvm.call_intrinsic
// I8MM-COUNT-4: llvm.call_intrinsic "llvm.aarch64.neon.sdot.v4i32.v16i8"
// VNNI-COUNT-4: arith.muli {{.*}} : vector<16xi32>
func.func @dot4_of_signed_bytes(%acc: vector<16xi32>, %a: vector<64xi8>, %b: vector<64xi8>)
    -> vector<16xi32> {
  %0 = tile.dot4 %acc, %a, %b signed : vector<16xi32>, vector<64xi8>, vector<64xi8>
  return %0 : vector<16xi32>
}

// One instruction a register, or dot products of words in the order of the sums.
// CHECK-LABEL: func.func @mmla
// I8MM-COUNT-4: llvm.call_intrinsic "llvm.aarch64.neon.usmmla.v4i32.v16i8"
// I8MM-NOT: vector.shuffle
// VNNI: vector.shuffle {{.*}} [0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10, 12, 12, 14, 14]
// VNNI: vector.shuffle {{.*}} [0, 2, 0, 2, 4, 6, 4, 6, 8, 10, 8, 10, 12, 14, 12, 14]
// VNNI: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// VNNI: vector.shuffle {{.*}} [1, 1, 3, 3, 5, 5, 7, 7, 9, 9, 11, 11, 13, 13, 15, 15]
// VNNI: vector.shuffle {{.*}} [1, 3, 1, 3, 5, 7, 5, 7, 9, 11, 9, 11, 13, 15, 13, 15]
// VNNI: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
func.func @mmla(%acc: vector<16xi32>, %a: vector<64xi8>, %b: vector<64xi8>) -> vector<16xi32> {
  %0 = tile.mmla %acc, %a, %b : vector<16xi32>, vector<64xi8>
  return %0 : vector<16xi32>
}

// CHECK-LABEL: func.func @dot2
// VNNI: llvm.call_intrinsic "llvm.x86.avx512.vpdpwssd.512"
// BASE: llvm.call_intrinsic "llvm.x86.avx512.pmaddw.d.512"
// AVX2-COUNT-2: llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"
// ARM-COUNT-8: llvm.call_intrinsic "llvm.aarch64.neon.smull.v4i32"
// PLAIN-NOT: llvm.call_intrinsic
// PLAIN-COUNT-2: arith.muli {{.*}} : vector<16xi32>
func.func @dot2(%acc: vector<16xi32>, %a: vector<32xi16>, %b: vector<32xi16>) -> vector<16xi32> {
  %0 = tile.dot2 %acc, %a, %b : vector<16xi32>, vector<32xi16>
  return %0 : vector<16xi32>
}

// Tails of bytes: masked instructions where they exist, a loop through the stack elsewhere.
// CHECK-LABEL: func.func @tail
// VNNI: llvm.intr.masked.load
// VNNI: llvm.intr.masked.store
// AVX2: llvm.alloca
// AVX2-NOT: llvm.intr.masked
// AVX2-COUNT-2: scf.for
func.func @tail(%x: !llvm.ptr, %y: !llvm.ptr, %n: i64, %fill: vector<16xi8>) {
  %0 = tile.load %x, %n, %fill : !llvm.ptr -> vector<16xi8>
  tile.store %0, %y, %n : vector<16xi8>, !llvm.ptr
  return
}

// CHECK-LABEL: func.func @round
// BASE: llvm.call_intrinsic "llvm.x86.avx512.mask.cvtps2dq.512"
// AVX2-COUNT-2: llvm.call_intrinsic "llvm.x86.avx.cvt.ps2dq.256"
// PLAIN-COUNT-4: llvm.call_intrinsic "llvm.x86.sse2.cvtps2dq"
func.func @round(%x: vector<16xf32>) -> vector<16xi32> {
  %0 = tile.round_even_to_i32 %x : vector<16xf32> -> vector<16xi32>
  return %0 : vector<16xi32>
}

// Two permutations of eight lanes where there are no sixteen; bytes within 16 bytes.
// CHECK-LABEL: func.func @lookup
// VNNI: llvm.call_intrinsic "llvm.x86.avx512.permvar.sf.512"
// VNNI: llvm.call_intrinsic "llvm.x86.avx512.pshuf.b.512"
// AVX2-COUNT-4: llvm.call_intrinsic "llvm.x86.avx2.permps"
// AVX2-COUNT-2: llvm.call_intrinsic "llvm.x86.avx2.pshuf.b"
// ARM-COUNT-4: llvm.call_intrinsic "llvm.aarch64.neon.tbl4.v16i8"
// ARM-COUNT-4: llvm.call_intrinsic "llvm.aarch64.neon.tbl1.v16i8"
// PLAIN: llvm.alloca
// CHECK-NOT: tile.
func.func @lookup(%x: vector<64xi8>, %i: vector<16xi32>, %t: vector<16xf32>, %u: vector<16xi8>,
                  %p: !llvm.ptr) -> (vector<16xf32>, vector<64xi8>) {
  %0 = tile.lookup %t, %i : vector<16xf32>, vector<16xi32> -> vector<16xf32>
  %1 = tile.lookup %u, %x : vector<16xi8>, vector<64xi8> -> vector<64xi8>
  tile.prefetch %p : !llvm.ptr
  return %0, %1 : vector<16xf32>, vector<64xi8>
}

// Tiles by number where they are registers: the sums start with a stride of 0, then every step loads
// two tiles of B and two of A. Elsewhere loops of dot products.
// CHECK-LABEL: func.func @block_dot
// AMX: llvm.call_intrinsic "llvm.x86.ldtilecfg"
// AMX: llvm.getelementptr
// AMX-NEXT: %[[ZERO:.*]] = arith.constant 0 : i64
// AMX-NEXT: %[[SUMS:.*]] = arith.constant 0 : i8
// AMX-NEXT: llvm.call_intrinsic "llvm.x86.tileloadd64"(%[[SUMS]], %{{.*}}, %[[ZERO]])
// AMX: scf.for
// AMX-COUNT-4: llvm.call_intrinsic "llvm.x86.tdpbusd"
// AMX: }
// AMX-COUNT-4: llvm.call_intrinsic "llvm.x86.tdpbusd"
// AMX-COUNT-4: llvm.call_intrinsic "llvm.x86.tilestored64"
// AMX: llvm.call_intrinsic "llvm.x86.tilerelease"
// VNNI-NOT: tile
// VNNI-COUNT-2: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// PLAIN-COUNT-8: arith.muli {{.*}} : vector<16xi32>
func.func @block_dot(%init: !llvm.ptr, %a: !llvm.ptr, %b: !llvm.ptr, %last: !llvm.ptr,
                     %out: !llvm.ptr, %n: i64) {
  tile.configure
  tile.block_dot init %init a %a by %n b %b by %n steps %n last %last by %n out %out {rows = 32 : i64}
      : !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr
  tile.release
  return
}

// Two steps share a tile of A; all four sums are independent of each other.
// CHECK-LABEL: func.func @step_dot_of_parts
// AMX-COUNT-4: llvm.call_intrinsic "llvm.x86.tilezero"
// AMX: llvm.call_intrinsic "llvm.x86.tileloadd64"
// AMX: llvm.call_intrinsic "llvm.x86.tileloadd64"
// AMX: %[[SUM:.*]] = arith.constant 0 : i8
// AMX: llvm.call_intrinsic "llvm.x86.tdpbssd"(%[[SUM]], %[[A:.*]], %{{.*}})
// AMX-COUNT-1: llvm.call_intrinsic "llvm.x86.tileloadd64"
// AMX: llvm.call_intrinsic "llvm.x86.tdpbssd"
// AMX-COUNT-2: llvm.call_intrinsic "llvm.x86.tileloadd64"
// AMX: llvm.call_intrinsic "llvm.x86.tdpbssd"
// AMX-COUNT-1: llvm.call_intrinsic "llvm.x86.tileloadd64"
// AMX: llvm.call_intrinsic "llvm.x86.tdpbssd"
// AMX-COUNT-4: llvm.call_intrinsic "llvm.x86.tilestored64"
// AMX-NOT: llvm.call_intrinsic
// DOTPROD-COUNT-16: llvm.call_intrinsic "llvm.aarch64.neon.sdot.v4i32.v16i8"
// PLAIN-COUNT-16: arith.muli {{.*}} : vector<16xi32>
func.func @step_dot_of_parts(%a: !llvm.ptr, %b: !llvm.ptr, %out: !llvm.ptr, %n: i64) {
  %one = arith.constant 1 : i64
  tile.step_dot a %a by %n b %b columns %one out %out {steps = 4 : i64, parts = 2 : i64}
      : !llvm.ptr, !llvm.ptr, !llvm.ptr
  return
}

// A step of several columns is a loop.
// CHECK-LABEL: func.func @step_dot_of_columns
// AMX: llvm.call_intrinsic "llvm.x86.tilezero"
// AMX: scf.for
// AMX-COUNT-2: llvm.call_intrinsic "llvm.x86.tileloadd64"
// AMX: llvm.call_intrinsic "llvm.x86.tdpbssd"
// AMX: }
// AMX: llvm.call_intrinsic "llvm.x86.tilestored64"
// PLAIN-COUNT-3: scf.for
func.func @step_dot_of_columns(%a: !llvm.ptr, %b: !llvm.ptr, %out: !llvm.ptr, %n: i64) {
  tile.step_dot a %a by %n b %b columns %n out %out {steps = 1 : i64, parts = 1 : i64}
      : !llvm.ptr, !llvm.ptr, !llvm.ptr
  return
}

// Multiply-adds of widened numbers where there are no dots of bf16.
// CHECK-LABEL: func.func @bf16
// AMX: llvm.call_intrinsic "llvm.x86.avx512bf16.cvtneps2bf16.512"
// AMX: llvm.call_intrinsic "llvm.x86.avx512bf16.dpbf16ps.512"
// VNNI: arith.truncf {{.*}} : vector<16xf32> to vector<16xbf16>
// VNNI-COUNT-2: math.fma {{.*}} : vector<16xf32>
// CHECK-NOT: tile.
func.func @bf16(%acc: vector<16xf32>, %a: vector<32xbf16>, %b: vector<32xbf16>) -> (vector<16xbf16>, vector<16xf32>) {
  %0 = tile.to_bf16 %acc : vector<16xf32> -> vector<16xbf16>
  %1 = tile.dot_bf16 %acc, %a, %b : vector<16xf32>, vector<32xbf16>
  return %0, %1 : vector<16xbf16>, vector<16xf32>
}

// CHECK-LABEL: func.func @block_dot_bf16
// AMX-COUNT-8: llvm.call_intrinsic "llvm.x86.tdpbf16ps"
// AMX-NOT: tdp
// VNNI-NOT: tile
// VNNI-COUNT-4: math.fma {{.*}} : vector<16xf32>
func.func @block_dot_bf16(%init: !llvm.ptr, %a: !llvm.ptr, %b: !llvm.ptr, %last: !llvm.ptr,
                          %out: !llvm.ptr, %n: i64) {
  tile.configure
  tile.block_dot init %init a %a by %n b %b by %n steps %n last %last by %n out %out {rows = 32 : i64, bf16}
      : !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr
  tile.release
  return
}
