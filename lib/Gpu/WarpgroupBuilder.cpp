// Operations of blocks of warpgroups as code for one of their threads.
//
// A warpgroup is four warps, which multiply matrices in shared memory together (wgmma), as warps do
// with fragments. The first operand, 64 rows of 32 bytes of K, may be in registers; a thread holds
// of it what it holds of the A of mma.m16n8k32 (PTX ISA, "Register Fragments for
// wgmma.mma_async.m64nNk32"): with g = lane / 4 and t = lane % 4, words t and t + 4 of rows g and g
// + 8, of the 16 that its warp has. These are words of weights: a panel of 16 columns is the 16
// rows of a warp, so what is computed is transposed, with columns of the product for rows of the
// instruction. Which column is which row is free: with columns 2 g and 2 g + 1 for rows g and g + 8
// two words lie side by side, and a warp reads 256 bytes in a row. The other operand, rows of
// activations, is read from shared memory, in lines of 128 bytes whose pieces of 16 bytes are
// swizzled, so that eight rows lie in all banks.
//
// Sum 4 j + e of a thread is then of column 2 g + e / 2 of its panel and row 8 j + 2 t + e % 2.
//
// A stage of a ring has two mbarriers, which count in phases: one completes when the stage was
// filled for the n-th time, the other when it was given back. Copies with cp.async write as threads
// do, while wgmma reads as the asynchronous proxy: whoever waited for a stage is between.
#include "WarpgroupBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::ptx;

namespace {

constexpr int64_t kSteps = tile::kWarpgroupDepth / 32; ///< products of a stage
constexpr int64_t kLine = 64;                          ///< words of four bytes of K of a panel
constexpr int64_t kPanelStage = tile::kWarpgroupDepth / 4 * kLine;
constexpr int64_t kSumsStride = (tile::kWarpgroupColumns + 4) * 4;
constexpr int64_t kMbarrierBytes = 8;
/// What the instructions multiply.
constexpr StringLiteral kSignedCodes = "k32.s32.s8.s8", kPairs = "k16.f32.bf16.bf16";

Type elementOf(Type vector) { return cast<VectorType>(vector).getElementType(); }

} // namespace

//===-- Rings ---------------------------------------------------------------------------------===//

Value WarpgroupBuilder::isThread(Value number, int64_t which) {
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, number, ci(which));
}

BlockBuilder::Values WarpgroupBuilder::position() {
  auto wide = [&](Value v) { return arith::ExtUIOp::create(b, loc, b.getI64Type(), v); };
  return {wide(warpgroup()), wide(NVVM::BlockIdXOp::create(b, loc, b.getI32Type())),
          wide(NVVM::GridDimXOp::create(b, loc, b.getI32Type()))};
}

void WarpgroupBuilder::registers(tile::RegistersOp op) {
  using Action = NVVM::SetMaxRegisterAction;
  NVVM::SetMaxRegisterOp::create(b, loc, static_cast<uint32_t>(op.getCount()),
                                 op.getMore() ? Action::increase : Action::decrease);
}

/// All threads of the warpgroup that fills arrive at the first half of the mbarriers, of every warp
/// of the others one at the second.
void WarpgroupBuilder::ringBegin(tile::RingBeginOp op) {
  auto stages = static_cast<int64_t>(op.getStages());
  Value ring = sharedPtr(in(op.getRing()));
  Value first = isThread(NVVM::ThreadIdXOp::create(b, loc, b.getI32Type()), 0);
  {
    OpBuilder::InsertionGuard guard(b);
    auto choice = scf::IfOp::create(b, loc, first, /*withElseRegion=*/false);
    b.setInsertionPointToStart(choice.thenBlock());
    for (int64_t i = 0; i < 2 * stages; ++i) {
      int64_t arrivals = i < stages ? kBlockThreads : (warpgroups - 1) * tile::kBlockWarps;
      NVVM::MBarrierInitOp::create(b, loc, at(ring, i * kMbarrierBytes), ci(arrivals), Value());
    }
    NVVM::FenceMbarrierInitOp::create(b, loc);
  }
  NVVM::BarrierOp::create(b, loc);
}

Value WarpgroupBuilder::barrierAt(Value ring, Value use, int64_t stages, bool free) {
  Value stage = and_(toI32(in(use)), stages - 1);
  return at(at(sharedPtr(in(ring)), mul(stage, kMbarrierBytes)),
            free ? stages * kMbarrierBytes : 0);
}

/// Phases alternate between two parities. Of the phase before the first one it is odd, so that
/// nobody waits for stages that were not used yet.
void WarpgroupBuilder::ringWait(tile::RingWaitOp op) {
  constexpr int64_t kTicks = 10000000; // after which hardware asks again
  auto stages = static_cast<int64_t>(op.getStages());
  Value phase = and_(shr(toI32(in(op.getUse())), llvm::Log2_64(stages)), 1);
  if (op.getFree())
    phase = arith::XOrIOp::create(b, loc, phase, ci(1));
  Value barrier = barrierAt(op.getRing(), op.getUse(), stages, op.getFree());
  NVVM::MBarrierTryWaitParityOp::create(b, loc, barrier, phase, ci(kTicks));
  if (!op.getFree())
    NVVM::FenceProxyOp::create(
        b, loc, NVVM::ProxyKind::async_shared,
        NVVM::SharedSpaceAttr::get(b.getContext(), NVVM::SharedSpace::shared_cta));
}

void WarpgroupBuilder::ringPass(tile::RingPassOp op) {
  auto stages = static_cast<int64_t>(op.getStages());
  Value barrier = barrierAt(op.getRing(), op.getUse(), stages, op.getFree());
  if (op.getWritten()) {
    NVVM::MBarrierArriveOp::create(b, loc, b.getI64Type(), barrier, Value());
    return;
  }
  if (!op.getFree()) {
    NVVM::CpAsyncMBarrierArriveOp::create(b, loc, barrier, /*noinc=*/true);
    return;
  }
  NVVM::SyncWarpOp::create(b, loc, ci(-1)); // all of its threads have read
  Value first = isThread(NVVM::LaneIdOp::create(b, loc, b.getI32Type()), 0);
  OpBuilder::InsertionGuard guard(b);
  auto choice = scf::IfOp::create(b, loc, first, /*withElseRegion=*/false);
  b.setInsertionPointToStart(choice.thenBlock());
  NVVM::MBarrierArriveOp::create(b, loc, b.getI64Type(), barrier, Value());
}

/// A thread asks for a line. It expects its bytes before it arrives, in ring_pass.
void WarpgroupBuilder::copyBulk(tile::CopyBulkOp op) {
  auto width = static_cast<int64_t>(op.getWidth());
  Value barrier = barrierAt(op.getRing(), op.getUse(), static_cast<int64_t>(op.getStages()), false);
  auto globalType = LLVM::LLVMPointerType::get(
      b.getContext(), static_cast<unsigned>(NVVM::NVVMMemorySpace::Global));
  Value from = LLVM::AddrSpaceCastOp::create(b, loc, globalType, in(op.getFrom()));
  Value to = sharedPtr(in(op.getTo())), number = threadHere();
  Value some = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, number,
                                     ci(static_cast<int64_t>(op.getLines())));
  OpBuilder::InsertionGuard guard(b);
  auto choice = scf::IfOp::create(b, loc, some, /*withElseRegion=*/false);
  b.setInsertionPointToStart(choice.thenBlock());
  NVVM::MBarrierExpectTxOp::create(b, loc, barrier, ci(width));
  Value line = arith::ExtUIOp::create(b, loc, b.getI64Type(), number);
  line = arith::MinSIOp::create(b, loc, line, in(op.getLast()));
  Value offset = arith::MulIOp::create(b, loc, line, in(op.getStride()));
  NVVM::CpAsyncBulkGlobalToSharedClusterOp::create(
      b, loc, at(to, mul(number, width)), at(from, offset), barrier, ci(width), Value(), Value());
}

//===-- Products ------------------------------------------------------------------------------===//

/// Four for each product of a stage.
BlockBuilder::Values WarpgroupBuilder::words(Value panels) {
  Value lane = NVVM::LaneIdOp::create(b, loc, b.getI32Type());
  Value warp = and_(shr(thread(), 5), tile::kBlockWarps - 1);
  Value offset = add(mul(and_(lane, 3), kLine), mul(shr(lane, 2), 8));
  Value from = at(panels, add(offset, mul(warp, kPanelStage)));
  Values words;
  for (int64_t half = 0; half < 2 * kSteps; ++half)
    llvm::append_range(words, loadWords(at(from, half * 4 * kLine), 2));
  return words;
}

/// The assembly of products with their wait, so that nothing comes between. Operands are sums,
/// which are the results too unless these begin with 0, words of A and descriptors of B.
static std::string productsOf(StringRef kind, int64_t rows, int64_t steps, bool begins) {
  auto list = [](int64_t first, int64_t count) {
    std::string text = "{";
    for (int64_t i = first; i < first + count; ++i)
      text += (i == first ? "$" : ",$") + std::to_string(i);
    return text + "}";
  };
  int64_t sums = rows / 2, a = begins ? sums : sums + sums, descriptors = a + 4 * steps;
  std::string text = "{ .reg .pred p; setp.ne.b32 p, 1, 0; ";
  if (begins)
    text += ".reg .pred q; setp.ne.b32 q, 0, 0; ";
  text += "wgmma.fence.sync.aligned; ";
  for (int64_t step = 0; step < steps; ++step)
    text += "wgmma.mma_async.sync.aligned.m64n" + std::to_string(rows) + kind.str() + " " +
            list(0, sums) + ", " + list(a + 4 * step, 4) + ", $" +
            std::to_string(descriptors + step) + (begins && step == 0 ? ", q" : ", p") +
            (kind.contains("bf16")  ? ", 1, 1, 0; "
             : kind.contains("f32") ? ", 1, 1; "
                                    : "; ");
  return text + "wgmma.commit_group.sync.aligned; wgmma.wait_group.sync.aligned 0; }";
}

/// Four words for each 32 bytes of the lines.
BlockBuilder::Values WarpgroupBuilder::products(StringRef kind, int64_t rows, Type element,
                                                ValueRange sums, ValueRange words, Value lines) {
  NVVM::SyncWarpOp::create(b, loc, ci(-1)); // both groups go on together
  auto steps = static_cast<int64_t>(words.size()) / 4;
  std::string outputs, inputs;
  Values operands;
  for (int64_t i = 0; i < rows / 2; ++i)
    outputs += element.isF32() ? "=f," : "=r,";
  for (Value sum : sums)
    for (int64_t i = 0; i < 4; ++i) {
      inputs += std::to_string(operands.size()) + ",";
      operands.push_back(vector::ExtractOp::create(b, loc, in(sum), i));
    }
  llvm::append_range(operands, words);
  Value first = descriptor(sharedPtr(lines));
  for (int64_t step = 0; step < steps; ++step) {
    operands.push_back(descriptorAt(first, step * 32));
  }
  for (int64_t i = 0; i < 4 * steps; ++i)
    inputs += "r,";
  for (int64_t i = 0; i < steps; ++i)
    inputs += "l,";
  auto type =
      LLVM::LLVMStructType::getLiteral(b.getContext(), SmallVector<Type>(rows / 2, element));
  auto made = LLVM::InlineAsmOp::create(
      b, loc, type, operands, productsOf(kind, rows, steps, sums.empty()),
      outputs + inputs + "~{memory}", /*has_side_effects=*/true, /*is_align_stack=*/false,
      LLVM::TailCallKind::None, LLVM::AsmDialectAttr::get(b.getContext(), LLVM::AsmDialect::AD_ATT),
      ArrayAttr());
  Values results;
  for (int64_t i = 0; i < rows / 2; i += 4) {
    Values four;
    for (int64_t e = i; e < i + 4; ++e)
      four.push_back(LLVM::ExtractValueOp::create(b, loc, made.getRes(), e));
    results.push_back(vector::FromElementsOp::create(b, loc, VectorType::get(4, element), four));
  }
  return results;
}

BlockBuilder::Values WarpgroupBuilder::multiply(tile::WarpgroupMultiplyOp op) {
  StringRef kind = op.getBf16() ? kPairs : op.getIsSigned() ? kSignedCodes : "k32.s32.s8.u8";
  return products(kind, static_cast<int64_t>(op.getRows()), elementOf(op.getResultTypes()[0]),
                  op.getSums(), words(sharedPtr(in(op.getB()))), in(op.getA()));
}

BlockBuilder::Values WarpgroupBuilder::multiplyWords(tile::WarpgroupMultiplyWordsOp op) {
  Type element = elementOf(op.getResultTypes()[0]);
  Values words;
  for (Value word : op.getWords())
    words.push_back(in(word));
  StringRef kind = element.isF32() ? kPairs : kSignedCodes;
  if (op.getFloat8())
    kind = isa<Float8E5M2Type>(*op.getFloat8()) ? "k32.f32.e5m2.e4m3" : "k32.f32.e4m3.e4m3";
  return products(kind, static_cast<int64_t>(op.getRows()), element, op.getSums(), words,
                  in(op.getA()));
}

/// Threads (g, t) have columns 2 g and 2 g + 1 of the panel of their warp.
BlockBuilder::Values WarpgroupBuilder::loadPair(tile::WarpgroupWordsOp op) {
  Value lane = NVVM::LaneIdOp::create(b, loc, b.getI32Type());
  Value high = and_(shr(lane, 1), 1), low = and_(lane, 1);
  Value line = add(mul(high, op.getHigh()), mul(low, op.getLow()));
  Value from = at(sharedPtr(in(op.getPtr())), add(mul(shr(lane, 2), 8), line));
  Values pair = loadWords(from, 2);
  if (!op.getHighBits() && !op.getLowBits())
    return pair;
  Value bits = add(mul(high, op.getHighBits()), mul(low, op.getLowBits()));
  for (Value &word : pair)
    word = arith::ShRUIOp::create(b, loc, word, bits);
  return pair;
}

Value WarpgroupBuilder::byColumn(tile::WarpgroupByColumnOp op) {
  Type element = elementOf(op.getResult().getType());
  Value lane = NVVM::LaneIdOp::create(b, loc, b.getI32Type());
  Value offset = add(mul(warp(), kLine), mul(shr(lane, 2), 8));
  Values pair = loadWords(at(sharedPtr(in(op.getPtr())), offset), 2);
  if (!element.isInteger(32))
    for (Value &number : pair)
      number = arith::BitcastOp::create(b, loc, element, number);
  return vector::FromElementsOp::create(b, loc, VectorType::get(4, element),
                                        ValueRange{pair[0], pair[0], pair[1], pair[1]});
}

void WarpgroupBuilder::store(tile::WarpgroupStoreOp op) {
  Value lane = NVVM::LaneIdOp::create(b, loc, b.getI32Type());
  Value panel = and_(shr(thread(), 5), tile::kBlockWarps - 1);
  Value offset = add(mul(and_(lane, 3), 2 * kSumsStride), mul(shr(lane, 2), 8));
  Value to = at(sharedPtr(in(op.getTo())), add(offset, mul(panel, kLine)));
  for (auto [i, sum] : llvm::enumerate(op.getSums()))
    for (int64_t row = 0; row < 2; ++row) {
      Value near[] = {vector::ExtractOp::create(b, loc, in(sum), row),
                      vector::ExtractOp::create(b, loc, in(sum), row + 2)};
      Value pair =
          vector::FromElementsOp::create(b, loc, VectorType::get(2, near[0].getType()), near);
      int64_t line = static_cast<int64_t>(i) * tile::kWarpgroupVectorRows + row;
      LLVM::StoreOp::create(b, loc, pair, at(to, line * kSumsStride), 8)
          ->setAttr(kBlockStore, b.getUnitAttr());
    }
}

std::optional<BlockBuilder::Values> WarpgroupBuilder::rewrite(Operation *op) {
  if (auto made = BlockBuilder::rewrite(op))
    return made;
  using Result = std::optional<Values>;
  auto nothing = [](auto) { return Result(Values()); };
  return llvm::TypeSwitch<Operation *, Result>(op)
      .Case([&](tile::WarpgroupOp) { return position(); })
      .Case([&](tile::RegistersOp o) { return nothing((registers(o), 0)); })
      .Case([&](tile::RingBeginOp o) { return nothing((ringBegin(o), 0)); })
      .Case([&](tile::RingWaitOp o) { return nothing((ringWait(o), 0)); })
      .Case([&](tile::RingPassOp o) { return nothing((ringPass(o), 0)); })
      .Case([&](tile::CopyBulkOp o) { return nothing((copyBulk(o), 0)); })
      .Case([&](tile::WarpgroupMultiplyOp o) { return multiply(o); })
      .Case([&](tile::WarpgroupWordsOp o) { return loadPair(o); })
      .Case([&](tile::WarpgroupMultiplyWordsOp o) { return multiplyWords(o); })
      .Case([&](tile::WarpgroupByColumnOp o) { return Values{byColumn(o)}; })
      .Case([&](tile::WarpgroupStoreOp o) { return nothing((store(o), 0)); })
      .Default([](Operation *) { return std::nullopt; });
}
