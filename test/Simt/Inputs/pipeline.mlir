// Tiles of 64 x 16 bytes by cp.async through two stages; each thread adds up its neighbour's part.
llvm.mlir.global internal @tiles() {addr_space = 3 : i32, alignment = 16 : i64} : !llvm.array<512 x i32>

llvm.func @k(%in: !llvm.ptr<1>, %out: !llvm.ptr<1>) attributes {nvvm.kernel} {
  %t = nvvm.read.ptx.sreg.tid.x : i32
  %c0 = llvm.mlir.constant(0 : i32) : i32
  %c1 = llvm.mlir.constant(1 : i32) : i32
  %c2 = llvm.mlir.constant(2 : i32) : i32
  %c4 = llvm.mlir.constant(4 : i32) : i32
  %c8 = llvm.mlir.constant(8 : i32) : i32
  %c33 = llvm.mlir.constant(33 : i32) : i32
  %c256 = llvm.mlir.constant(256 : i32) : i32
  %tiles = llvm.mlir.addressof @tiles : !llvm.ptr<3>
  %mine = llvm.shl %t, %c2 : i32
  %other = llvm.xor %t, %c33 : i32
  %theirs = llvm.shl %other, %c2 : i32
  %from0 = llvm.getelementptr %in[%mine] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i32
  %to0 = llvm.getelementptr %tiles[%mine] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i32
  nvvm.cp.async.shared.global %to0, %from0, 16, cache = cg : !llvm.ptr<3>, !llvm.ptr<1>
  nvvm.cp.async.commit.group
  llvm.br ^head(%c0, %c0 : i32, i32)
^head(%i: i32, %sum: i32):
  %n = llvm.add %i, %c1 : i32
  %ahead = llvm.icmp "ult" %n, %c8 : i32
  llvm.cond_br %ahead, ^fetch, ^commit
^fetch:
  %stage = llvm.and %n, %c1 : i32
  %place = llvm.mul %stage, %c256 : i32
  %to = llvm.add %place, %mine : i32
  %tile = llvm.mul %n, %c256 : i32
  %from = llvm.add %tile, %mine : i32
  %src = llvm.getelementptr %in[%from] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i32
  %dst = llvm.getelementptr %tiles[%to] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i32
  nvvm.cp.async.shared.global %dst, %src, 16, cache = cg : !llvm.ptr<3>, !llvm.ptr<1>
  llvm.br ^commit
^commit:
  nvvm.cp.async.commit.group // in the loop
  nvvm.cp.async.wait.group 1
  nvvm.barrier id = %c0 // before the reads
  %now = llvm.and %i, %c1 : i32
  %base = llvm.mul %now, %c256 : i32
  %at = llvm.add %base, %theirs : i32
  %p = llvm.getelementptr %tiles[%at] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i32
  %v = llvm.load %p {alignment = 16 : i64} : !llvm.ptr<3> -> vector<4xi32>
  %v0 = llvm.extractelement %v[%c0 : i32] : vector<4xi32>
  %v2 = llvm.extractelement %v[%c2 : i32] : vector<4xi32>
  %a = llvm.add %sum, %v0 : i32
  %b = llvm.add %a, %v2 : i32
  nvvm.barrier id = %c1 // after the reads
  llvm.cond_br %ahead, ^head(%n, %b : i32, i32), ^end
^end:
  nvvm.cp.async.wait.group 0 // at the end
  %o = llvm.getelementptr %out[%t] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i32
  llvm.store %b, %o : i32, !llvm.ptr<1>
  llvm.return
}
