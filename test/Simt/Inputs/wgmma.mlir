// D = A B of a warpgroup: A 64 x 16 and B 8 x 16 in bf16, without swizzle: core matrices of 8 rows of
// 16 bytes, 128 bytes to the next along K, 256 to the next along M or N.
llvm.mlir.global internal @a() {addr_space = 3 : i32, alignment = 128 : i64} : !llvm.array<1024 x i16>
llvm.mlir.global internal @b() {addr_space = 3 : i32, alignment = 128 : i64} : !llvm.array<128 x i16>

llvm.func @descriptor(%p: !llvm.ptr<3>) -> i64 {
  %address = llvm.ptrtoint %p : !llvm.ptr<3> to i64
  %c4 = llvm.mlir.constant(4 : i64) : i64
  %low = llvm.lshr %address, %c4 : i64
  // 128 >> 4 at bit 16, 256 >> 4 at bit 32.
  %offsets = llvm.mlir.constant(68720001024 : i64) : i64
  %d = llvm.or %low, %offsets : i64
  llvm.return %d : i64
}

llvm.func @k(%in: !llvm.ptr<1>, %out: !llvm.ptr<1>) attributes {nvvm.kernel} {
  %t = nvvm.read.ptx.sreg.tid.x : i32
  %c0 = llvm.mlir.constant(0 : i32) : i32
  %c3 = llvm.mlir.constant(3 : i32) : i32
  %c16 = llvm.mlir.constant(16 : i32) : i32
  %a = llvm.mlir.addressof @a : !llvm.ptr<3>
  %b = llvm.mlir.addressof @b : !llvm.ptr<3>
  %i = llvm.shl %t, %c3 : i32
  %from = llvm.getelementptr %in[%i] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i16
  %x = llvm.load %from {alignment = 16 : i64} : !llvm.ptr<1> -> vector<8xi16>
  %to = llvm.getelementptr %a[%i] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i16
  llvm.store %x, %to {alignment = 16 : i64} : vector<8xi16>, !llvm.ptr<3>
  %forB = llvm.icmp "ult" %t, %c16 : i32
  llvm.cond_br %forB, ^fill, ^filled
^fill:
  %toB = llvm.getelementptr %b[%i] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i16
  llvm.store %x, %toB {alignment = 16 : i64} : vector<8xi16>, !llvm.ptr<3>
  llvm.br ^filled
^filled:
  nvvm.fence.proxy {kind = #nvvm.proxy_kind<async.shared>, space = #nvvm.shared_space<cta>}
  nvvm.barrier id = %c0
  %da = llvm.call @descriptor(%a) : (!llvm.ptr<3>) -> i64
  %db = llvm.call @descriptor(%b) : (!llvm.ptr<3>) -> i64
  %zero = llvm.mlir.zero : !llvm.struct<(f32, f32, f32, f32)>
  nvvm.wgmma.fence.aligned
  %d = nvvm.wgmma.mma_async %da, %db, %zero, <m = 64, n = 8, k = 16>, D [<f32>, <zero>], A [<bf16>, <one>, <row>], B [<bf16>, <one>, <col>] : !llvm.struct<(f32, f32, f32, f32)> -> !llvm.struct<(f32, f32, f32, f32)>
  nvvm.wgmma.commit.group.sync.aligned
  nvvm.wgmma.wait.group.sync.aligned 0
  // after the wait
  %d0 = llvm.extractvalue %d[0] : !llvm.struct<(f32, f32, f32, f32)>
  %d1 = llvm.extractvalue %d[1] : !llvm.struct<(f32, f32, f32, f32)>
  %d2 = llvm.extractvalue %d[2] : !llvm.struct<(f32, f32, f32, f32)>
  %d3 = llvm.extractvalue %d[3] : !llvm.struct<(f32, f32, f32, f32)>
  %o = llvm.getelementptr %out[%t] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, vector<4xf32>
  %u = llvm.mlir.undef : !llvm.array<4 x f32>
  %u0 = llvm.insertvalue %d0, %u[0] : !llvm.array<4 x f32>
  %u1 = llvm.insertvalue %d1, %u0[1] : !llvm.array<4 x f32>
  %u2 = llvm.insertvalue %d2, %u1[2] : !llvm.array<4 x f32>
  %u3 = llvm.insertvalue %d3, %u2[3] : !llvm.array<4 x f32>
  llvm.store %u3, %o {alignment = 16 : i64} : !llvm.array<4 x f32>, !llvm.ptr<1>
  llvm.return
}
