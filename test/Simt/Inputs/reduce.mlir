// The sum of 128 integers by one block: shuffles within warps, shared memory between them.
llvm.mlir.global internal @sums() {addr_space = 3 : i32} : !llvm.array<4 x i32>

llvm.func @k(%in: !llvm.ptr<1>, %out: !llvm.ptr<1>) attributes {nvvm.kernel} {
  %t = nvvm.read.ptx.sreg.tid.x : i32
  %c0 = llvm.mlir.constant(0 : i32) : i32
  %c1 = llvm.mlir.constant(1 : i32) : i32
  %c2 = llvm.mlir.constant(2 : i32) : i32
  %c4 = llvm.mlir.constant(4 : i32) : i32
  %c5 = llvm.mlir.constant(5 : i32) : i32
  %c8 = llvm.mlir.constant(8 : i32) : i32
  %c16 = llvm.mlir.constant(16 : i32) : i32
  %c31 = llvm.mlir.constant(31 : i32) : i32
  %all = llvm.mlir.constant(-1 : i32) : i32
  %i = llvm.add %t, %c0 : i32
  %p = llvm.getelementptr %in[%i] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i32
  %x = llvm.load %p {alignment = 4 : i64} : !llvm.ptr<1> -> i32
  %s16 = nvvm.shfl.sync bfly %all, %x, %c16, %c31 : i32 -> i32
  %x16 = llvm.add %x, %s16 : i32
  %s8 = nvvm.shfl.sync bfly %all, %x16, %c8, %c31 : i32 -> i32
  %x8 = llvm.add %x16, %s8 : i32
  %sum = nvvm.shfl.sync bfly %all, %x8, %c4, %c31 : i32 -> i32
  %x4 = llvm.add %x8, %sum : i32
  %s2 = nvvm.shfl.sync bfly %all, %x4, %c2, %c31 : i32 -> i32
  %x2 = llvm.add %x4, %s2 : i32
  %s1 = nvvm.shfl.sync bfly %all, %x2, %c1, %c31 : i32 -> i32
  %x1 = llvm.add %x2, %s1 : i32
  %warp = llvm.lshr %t, %c5 : i32
  %lane = llvm.and %t, %c31 : i32
  %first = llvm.icmp "eq" %lane, %c0 : i32
  llvm.cond_br %first, ^write, ^wait
^write:
  %sums = llvm.mlir.addressof @sums : !llvm.ptr<3>
  %w = llvm.getelementptr %sums[0, %warp] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, !llvm.array<4 x i32>
  llvm.store %x1, %w : i32, !llvm.ptr<3>
  llvm.br ^wait
^wait:
  nvvm.barrier0
  %zero = llvm.icmp "eq" %t, %c0 : i32
  llvm.cond_br %zero, ^add(%c0, %c0 : i32, i32), ^end
^add(%j: i32, %total: i32):
  %from = llvm.mlir.addressof @sums : !llvm.ptr<3>
  %q = llvm.getelementptr %from[0, %j] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, !llvm.array<4 x i32>
  %v = llvm.load %q : !llvm.ptr<3> -> i32
  %sum2 = llvm.add %total, %v : i32
  %next = llvm.add %j, %c1 : i32
  %more = llvm.icmp "ult" %next, %c4 : i32
  llvm.cond_br %more, ^add(%next, %sum2 : i32, i32), ^store
^store:
  llvm.store %sum2, %out : i32, !llvm.ptr<1>
  llvm.br ^end
^end:
  llvm.return
}
