// What blocks that share a task know of each other: their scratch memory, and who is the last.
//
// A block that has written its part counts itself at an address of the launch. Its threads write
// before a barrier, behind which one of them issues a fence and an atomic addition; who comes last
// issues a fence of its own, and a barrier tells the rest of its block. A fence before and behind
// makes the additions ordered although they are relaxed: LLVM prints orderings of additions as
// nothing. The last one sets the count back, for the launches to come.
#include "BlockBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "qcc/model.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::ptx;

/// A field of the launch, whose record lies in front of the slots.
static Value launchField(OpBuilder &b, Location loc, Value slots, Type type, size_t offset) {
  auto bytes = static_cast<int32_t>(offset) - static_cast<int32_t>(sizeof(qcc_gpu_launch));
  Value at = LLVM::GEPOp::create(b, loc, slots.getType(), b.getI8Type(), slots,
                                 ArrayRef<LLVM::GEPArg>{bytes}, LLVM::GEPNoWrapFlags::none);
  return LLVM::LoadOp::create(b, loc, type, at, 8);
}

Value BlockBuilder::scratchOf(tile::ScratchOfOp op) {
  auto kernel = op->getParentOfType<func::FuncOp>();
  Value stride = launchField(b, loc, in(kernel.getArgument(0)), b.getI64Type(),
                             offsetof(qcc_gpu_launch, stride));
  Value here = NVVM::BlockIdXOp::create(b, loc, b.getI32Type());
  Value block = toI32(in(op.getBlock())), part = ci(0);
  if (warpgroups > 1) { // as position() numbers them
    Value blocks = NVVM::GridDimXOp::create(b, loc, b.getI32Type());
    for (int64_t before = 1; before < warpgroups; ++before) {
      Value past =
          arith::CmpIOp::create(b, loc, arith::CmpIPredicate::uge, block, mul(blocks, before));
      part = add(part, arith::ExtUIOp::create(b, loc, b.getI32Type(), past));
    }
    block = arith::SubIOp::create(b, loc, block, arith::MulIOp::create(b, loc, part, blocks));
  }
  auto wide = [&](Value v) { return arith::ExtSIOp::create(b, loc, b.getI64Type(), v); };
  Value distance = wide(arith::SubIOp::create(b, loc, block, here));
  Value offset = arith::MulIOp::create(b, loc, distance, stride);
  offset =
      arith::AddIOp::create(b, loc, offset, wide(mul(part, static_cast<int64_t>(op.getBytes()))));
  return at(in(kernel.getArgument(4)), offset);
}

Value BlockBuilder::join(tile::JoinOp op) {
  using Ordering = LLVM::AtomicOrdering;
  auto kernel = op->getParentOfType<func::FuncOp>();
  Type i32 = b.getI32Type();
  Value counters = launchField(b, loc, in(kernel.getArgument(0)), in(op.getShared()).getType(),
                               offsetof(qcc_gpu_launch, counters));
  Value told = sharedPtr(in(op.getShared())), last = toI32(in(op.getCount()));
  last = arith::SubIOp::create(b, loc, last, ci(1));
  Value counter = LLVM::GEPOp::create(b, loc, counters.getType(), i32, counters,
                                      ValueRange{in(op.getWork())}, LLVM::GEPNoWrapFlags::none);
  auto isEqual = [&](Value x, Value y) {
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, x, y);
  };
  auto fence = [&] { LLVM::FenceOp::create(b, loc, Ordering::acq_rel, "device"); };
  auto store = [&](Value value, Value to) {
    LLVM::StoreOp::create(b, loc, value, to, 4)->setAttr(kBlockStore, b.getUnitAttr());
  };
  barrier();
  {
    OpBuilder::InsertionGuard guard(b);
    auto first = scf::IfOp::create(b, loc, isEqual(thread(), ci(0)), /*withElseRegion=*/false);
    b.setInsertionPointToStart(first.thenBlock());
    fence();
    Value before = LLVM::AtomicRMWOp::create(b, loc, LLVM::AtomicBinOp::add, counter, ci(1),
                                             Ordering::monotonic, "device", 4);
    fence();
    store(before, told);
    auto done = scf::IfOp::create(b, loc, isEqual(before, last), /*withElseRegion=*/false);
    b.setInsertionPointToStart(done.thenBlock());
    store(ci(0), counter);
  }
  barrier();
  return isEqual(LLVM::LoadOp::create(b, loc, i32, told, 4), last);
}
