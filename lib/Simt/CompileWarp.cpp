// Ops of NVVM: special registers, and what threads of a warp or block execute together.
#include "Compiler.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;

namespace qcc::simt {

static std::optional<Special> specialOf(StringRef name) {
  return llvm::StringSwitch<std::optional<Special>>(name)
      .Case("tid.x", Special::TidX)
      .Case("tid.y", Special::TidY)
      .Case("tid.z", Special::TidZ)
      .Case("ntid.x", Special::NtidX)
      .Case("ntid.y", Special::NtidY)
      .Case("ntid.z", Special::NtidZ)
      .Case("ctaid.x", Special::CtaidX)
      .Case("ctaid.y", Special::CtaidY)
      .Case("ctaid.z", Special::CtaidZ)
      .Case("nctaid.x", Special::NctaidX)
      .Case("nctaid.y", Special::NctaidY)
      .Case("nctaid.z", Special::NctaidZ)
      .Case("laneid", Special::LaneId)
      .Case("warpid", Special::WarpId)
      .Case("nwarpid", Special::WarpCount)
      .Case("smid", Special::SmId)
      .Case("nsmid", Special::SmCount)
      .Case("lanemask.eq", Special::MaskEq)
      .Case("lanemask.le", Special::MaskLe)
      .Case("lanemask.lt", Special::MaskLt)
      .Case("lanemask.ge", Special::MaskGe)
      .Case("lanemask.gt", Special::MaskGt)
      .Case("dynamic.smem.size", Special::DynamicShared)
      .Case("total.smem.size", Special::TotalShared)
      .Cases({"clock", "clock64", "globaltimer", "globaltimer.lo"}, Special::Clock)
      // A cluster is one block.
      .Cases({"cluster.ctarank", "cluster.ctaid.x", "cluster.ctaid.y", "cluster.ctaid.z"},
             Special::Zero)
      .Cases({"cluster.nctarank", "cluster.nctaid.x", "cluster.nctaid.y", "cluster.nctaid.z"},
             Special::One)
      .Case("clusterid.x", Special::CtaidX)
      .Case("clusterid.y", Special::CtaidY)
      .Case("clusterid.z", Special::CtaidZ)
      .Default(std::nullopt);
}

bool Compiler::compileSpecial(Operation *op, StringRef name) {
  if (!name.consume_front("nvvm.read.ptx.sreg."))
    return false;
  if (name == "warpsize") {
    alias(op->getResult(0), constant(warpSize));
    return true;
  }
  std::optional<Special> which = specialOf(name);
  if (!which)
    return false;
  uint32_t dst = define(op->getResult(0));
  Instruction &inst = emit(Op::Special);
  inst.dst = dst;
  inst.kind = static_cast<uint8_t>(*which);
  inst.bits = op->getResult(0).getType().getIntOrFloatBitWidth();
  return true;
}

static Shuffle shuffleOf(NVVM::ShflKind kind) {
  switch (kind) {
  case NVVM::ShflKind::bfly:
    return Shuffle::Bfly;
  case NVVM::ShflKind::up:
    return Shuffle::Up;
  case NVVM::ShflKind::down:
    return Shuffle::Down;
  case NVVM::ShflKind::idx:
    return Shuffle::Idx;
  }
  llvm_unreachable("no other kind of shuffle");
}

static Vote voteOf(NVVM::VoteSyncKind kind) {
  switch (kind) {
  case NVVM::VoteSyncKind::any:
    return Vote::Any;
  case NVVM::VoteSyncKind::all:
    return Vote::All;
  case NVVM::VoteSyncKind::uni:
    return Vote::Uni;
  case NVVM::VoteSyncKind::ballot:
    return Vote::Ballot;
  }
  llvm_unreachable("no other kind of vote");
}

static std::optional<Combine> combineOf(NVVM::ReduxKind kind) {
  switch (kind) {
  case NVVM::ReduxKind::ADD:
    return Combine::Add;
  case NVVM::ReduxKind::AND:
    return Combine::And;
  case NVVM::ReduxKind::OR:
    return Combine::Or;
  case NVVM::ReduxKind::XOR:
    return Combine::Xor;
  case NVVM::ReduxKind::MAX:
    return Combine::Max;
  case NVVM::ReduxKind::MIN:
    return Combine::Min;
  case NVVM::ReduxKind::UMAX:
    return Combine::UMax;
  case NVVM::ReduxKind::UMIN:
    return Combine::UMin;
  default:
    return std::nullopt;
  }
}

static std::string dotName(NVVM::DotAccumulate4WayOp dot) {
  auto sign = [](NVVM::DotAccumulateType type) {
    return type == NVVM::DotAccumulateType::SIGNED ? "s32" : "u32";
  };
  return std::string("dp4a.") + sign(dot.getAType()) + "." + sign(dot.getBType());
}

FailureOr<bool> Compiler::compileWarp(Operation *op) {
  if (compileSpecial(op, op->getName().getStringRef()))
    return true;
  if (auto shuffle = dyn_cast<NVVM::ShflOp>(op)) {
    uint32_t dst = define(shuffle.getRes());
    Instruction &inst = emit(Op::Shuffle);
    inst.dst = dst;
    inst.count = registersOf(shuffle.getRes().getType());
    inst.kind = static_cast<uint8_t>(shuffleOf(shuffle.getKind()));
    inst.a = reg(shuffle.getThreadMask());
    inst.b = reg(shuffle.getVal());
    inst.c = reg(shuffle.getOffset());
    inst.imm = reg(shuffle.getMaskAndClamp());
    return true;
  }
  if (auto vote = dyn_cast<NVVM::VoteSyncOp>(op)) {
    uint32_t dst = define(vote.getRes());
    Instruction &inst = emit(Op::Vote);
    inst.dst = dst;
    inst.kind = static_cast<uint8_t>(voteOf(vote.getKind()));
    inst.a = reg(vote.getMask());
    inst.b = reg(vote.getPred());
    return true;
  }
  if (auto redux = dyn_cast<NVVM::ReduxOp>(op)) {
    std::optional<Combine> how = combineOf(redux.getKind());
    if (!how || !redux.getVal().getType().isInteger(32))
      return FailureOr<bool>(unsupported(op, "such reduction"));
    uint32_t dst = define(redux.getRes());
    Instruction &inst = emit(Op::Reduce);
    inst.dst = dst;
    inst.kind = static_cast<uint8_t>(*how);
    inst.a = reg(redux.getMaskAndClamp());
    inst.b = reg(redux.getVal());
    return true;
  }
  if (auto match = dyn_cast<NVVM::MatchSyncOp>(op)) {
    uint32_t dst = define(match.getRes());
    Instruction &inst = emit(Op::Match);
    inst.dst = dst;
    inst.count = registersOf(match.getRes().getType());
    inst.a = reg(match.getThreadMask());
    inst.b = reg(match.getVal());
    return true;
  }
  if (auto elect = dyn_cast<NVVM::ElectSyncOp>(op)) {
    uint32_t dst = define(elect.getPred());
    Instruction &inst = emit(Op::Elect);
    inst.dst = dst;
    inst.a = elect.getMembermask() ? reg(elect.getMembermask()) : noRegister;
    return true;
  }
  if (auto sync = dyn_cast<NVVM::SyncWarpOp>(op)) {
    emit(Op::WarpSync).a = reg(sync.getMask());
    return true;
  }
  if (isa<NVVM::Barrier0Op>(op)) {
    emit(Op::BlockSync);
    return true;
  }
  if (auto barrier = dyn_cast<NVVM::BarrierOp>(op)) {
    if (barrier.getReductionOp())
      return FailureOr<bool>(unsupported(op, "reductions at barriers"));
    Instruction &inst = emit(Op::BlockSync);
    inst.a = barrier.getBarrierId() ? reg(barrier.getBarrierId()) : noRegister;
    inst.b = barrier.getNumberOfThreads() ? reg(barrier.getNumberOfThreads()) : noRegister;
    return true;
  }
  if (auto arrive = dyn_cast<NVVM::BarrierArriveOp>(op)) {
    Instruction &inst = emit(Op::BlockArrive);
    inst.a = arrive.getBarrierId() ? reg(arrive.getBarrierId()) : noRegister;
    inst.b = reg(arrive.getNumberOfThreads());
    return true;
  }
  if (isa<NVVM::MembarOp>(op)) {
    emit(Op::Fence).flags = acquireOrder | releaseOrder;
    return true;
  }
  if (isa<NVVM::ConvertF32x2ToBF16x2Op>(op))
    return compilePtx(op, "cvt.rn.bf16x2.f32");
  if (isa<NVVM::ConvertF32x2ToF16x2Op>(op))
    return compilePtx(op, "cvt.rn.f16x2.f32");
  if (auto convert = dyn_cast<NVVM::ConvertF32x2ToF8x2Op>(op);
      convert && isa<Float8E4M3FNType>(convert.getDstTy()))
    return compilePtx(op, "cvt.rn.satfinite.e4m3x2.f32");
  if (auto dot = dyn_cast<NVVM::DotAccumulate4WayOp>(op))
    return compilePtx(op, dotName(dot));
  if (auto permute = dyn_cast<NVVM::PermuteOp>(op);
      permute && permute.getMode() == NVVM::PermuteMode::DEFAULT) {
    emitMap(ptxFunction("prmt.b32"), define(permute.getRes()),
            {reg(permute.getLo()), reg(permute.getHi()), reg(permute.getSelector())}, 1, 0);
    return true;
  }
  if (isa<NVVM::Exit>(op)) {
    emit(Op::Exit);
    return true;
  }
  // Hints, and what only matters beside other kernels.
  return isa<NVVM::GriddepcontrolOp, NVVM::PrefetchOp, NVVM::SetMaxRegisterOp, NVVM::NanosleepOp,
             NVVM::PMEventOp, LLVM::Prefetch, LLVM::AssumeOp, LLVM::LifetimeStartOp,
             LLVM::LifetimeEndOp>(op);
}

} // namespace qcc::simt
