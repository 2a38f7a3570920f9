// 512 bytes by a bulk copy that an mbarrier tracks, doubled in shared memory and stored in bulk.
llvm.mlir.global internal @tile() {addr_space = 3 : i32, alignment = 128 : i64} : !llvm.array<128 x i32>
llvm.mlir.global internal @full() {addr_space = 3 : i32, alignment = 8 : i64} : i64

llvm.func @k(%in: !llvm.ptr<1>, %out: !llvm.ptr<1>) attributes {nvvm.kernel} {
  %t = nvvm.read.ptx.sreg.tid.x : i32
  %c0 = llvm.mlir.constant(0 : i32) : i32
  %c1 = llvm.mlir.constant(1 : i32) : i32
  %parity = llvm.mlir.constant(0 : i32) : i32
  %arrivals = llvm.mlir.constant(1 : i32) : i32
  %bytes = llvm.mlir.constant(512 : i32) : i32
  %expected = llvm.mlir.constant(512 : i32) : i32
  %tile = llvm.mlir.addressof @tile : !llvm.ptr<3>
  %full = llvm.mlir.addressof @full : !llvm.ptr<3>
  %leads = llvm.icmp "eq" %t, %c0 : i32
  nvvm.mbarrier.init %full, %arrivals, predicate = %leads : !llvm.ptr<3>, i32, i1
  nvvm.fence.mbarrier.init
  nvvm.barrier id = %c0 // after the initialisation
  llvm.cond_br %leads, ^load, ^wait
^load:
  nvvm.mbarrier.arrive.expect_tx %full, %expected : !llvm.ptr<3>, i32
  nvvm.cp.async.bulk.shared.cluster.global %tile, %in, %full, %bytes : !llvm.ptr<3>, !llvm.ptr<1>
  llvm.br ^wait
^wait:
  %done = nvvm.mbarrier.try_wait %full, %parity : !llvm.ptr<3>, i32 -> i1
  llvm.cond_br %done, ^double, ^wait
^double:
  %p = llvm.getelementptr %tile[%t] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i32
  %x = llvm.load %p : !llvm.ptr<3> -> i32
  %y = llvm.add %x, %x : i32
  llvm.store %y, %p : i32, !llvm.ptr<3>
  nvvm.fence.proxy {kind = #nvvm.proxy_kind<async.shared>, space = #nvvm.shared_space<cta>}
  nvvm.barrier id = %c0 // before the store
  llvm.cond_br %leads, ^store, ^end
^store:
  nvvm.cp.async.bulk.global.shared.cta %out, %tile, %bytes : !llvm.ptr<1>, !llvm.ptr<3>
  nvvm.cp.async.bulk.commit.group
  nvvm.cp.async.bulk.wait_group 0
  llvm.br ^end
^end:
  llvm.return
}
