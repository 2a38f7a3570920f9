// qcc-kernel-entry: a launch as a grid of groups, each of which does a range of tasks.
//
// Needs:   a module in the LLVM and NVVM dialects, kernels as qcc-distribute-lanes leaves them.
// Leaves:  for each kernel @k an entry point @k(launch: ptr<1>) and its body as an internal
//          function. `launch` is a qcc_gpu_launch (model.h) in global memory, so that a recorded
//          sequence of launches serves any sizes and addresses. Group g of the grid does tasks as
//          worker g of a pool: contiguous ranges, none shorter than the grain. Its frame and its
//          scratch memory are at workers + g * stride. The lowest faulting range leaves
//          (begin << 8 | fault) at `fault`, by an atomic minimum of unsigned numbers. Kernels with
//          shared memory are cooperative: all groups are given all tasks, and find their own part.
//          Their blocks may have more threads, `qcc.block_threads`.
// Example: test/Gpu/kernel-entry.mlir
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "qcc/Gpu/Gpu.h"
#include "qcc/model.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::ptx;

namespace {

constexpr const char *kFrameBytes = "qcc.frame_bytes", *kSlots = "qcc.slots",
                     *kSharedBytes = "qcc.shared_bytes", *kThreads = "qcc.block_threads",
                     *kSharesTasks = "qcc.shares_tasks";

LLVM::LLVMPointerType globalPointer(MLIRContext *context) {
  return LLVM::LLVMPointerType::get(context, static_cast<unsigned>(NVVM::NVVMMemorySpace::Global));
}

/// 1 + the largest slot that a kernel reads, whose addresses are constant.
int64_t slotsOf(LLVM::LLVMFuncOp kernel) {
  int64_t slots = 1;
  for (Operation *user : kernel.getArgument(0).getUsers())
    if (auto address = dyn_cast<LLVM::GEPOp>(user))
      if (auto index = dyn_cast<IntegerAttr>(address.getIndices()[0]))
        slots = std::max(slots, index.getInt() + 1);
  return slots;
}

/// What was said of loops, where translation looks for it.
void markLoops(LLVM::LLVMFuncOp kernel) {
  kernel.walk([](LLVM::BrOp latch) {
    if (Attribute said = latch->removeDiscardableAttr("llvm.loop_annotation"))
      latch.setLoopAnnotationAttr(cast<LLVM::LoopAnnotationAttr>(said));
  });
}

/// Addresses among the arguments are of global memory, which code generation likes to know.
void markGlobal(LLVM::LLVMFuncOp kernel) {
  SmallVector<LLVM::LoadOp> loads;
  for (Operation *user : kernel.getArgument(0).getUsers()) {
    auto load = dyn_cast<LLVM::LoadOp>(user);
    if (auto address = dyn_cast<LLVM::GEPOp>(user))
      for (Operation *second : address->getUsers())
        if (auto other = dyn_cast<LLVM::LoadOp>(second))
          loads.push_back(other);
    if (load)
      loads.push_back(load);
  }
  for (LLVM::LoadOp load : loads) {
    auto ptr = dyn_cast<LLVM::LLVMPointerType>(load.getType());
    if (!ptr)
      continue;
    // Loaded as such: a cast there and back would be folded.
    OpBuilder b(load);
    Value there = LLVM::LoadOp::create(b, load.getLoc(), globalPointer(load->getContext()),
                                       load.getAddr(), load.getAlignment().value_or(8));
    load.replaceAllUsesWith(
        LLVM::AddrSpaceCastOp::create(b, load.getLoc(), ptr, there).getResult());
    load.erase();
  }
}

class EntryBuilder {
public:
  EntryBuilder(LLVM::LLVMFuncOp body, StringRef name, int64_t frame)
      : b(body), body(body), loc(body.getLoc()), frame(frame),
        ptr(LLVM::LLVMPointerType::get(b.getContext())) {
    auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()),
                                            {globalPointer(b.getContext())});
    entry = LLVM::LLVMFuncOp::create(b, loc, name, type);
    entry->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(), b.getUnitAttr());
    auto threads = body->getAttrOfType<IntegerAttr>(kThreads);
    entry->setAttr(
        "nvvm.maxntid",
        b.getDenseI32ArrayAttr({static_cast<int32_t>(threads ? threads.getInt() : kBlockThreads)}));
    // As many registers as a thread can have, rather than as many blocks.
    entry->setAttr("nvvm.minctasm", b.getI32IntegerAttr(1));
    for (StringRef what :
         {LLVM::LLVMDialect::getNoAliasAttrName(), LLVM::LLVMDialect::getReadonlyAttrName()})
      entry.setArgAttr(0, what, b.getUnitAttr());
    entry.setArgAttr(0, LLVM::LLVMDialect::getAlignAttrName(), b.getI64IntegerAttr(8));
  }
  LLVM::LLVMFuncOp function() { return entry; }

  void write() {
    Block *first = entry.addEntryBlock(b), *work = new Block, *faulted = new Block,
          *done = new Block;
    for (Block *block : {work, faulted, done})
      entry.getBody().push_back(block);
    b.setInsertionPointToStart(first);
    Value tasks = field(offsetof(qcc_gpu_launch, tasks)), one = constant(1);
    Value worker = special<NVVM::BlockIdXOp>(), begin = constant(0), end = tasks;
    if (body->hasAttr(kSharedBytes)) {
      LLVM::BrOp::create(b, loc, ValueRange(), work);
    } else {
      Value perBlock = constant(kBlockThreads / kGroupThreads);
      Value inBlock =
          LLVM::UDivOp::create(b, loc, special<NVVM::ThreadIdXOp>(), constant(kGroupThreads));
      worker = add(mul(worker, perBlock), inBlock);
      Value workers = mul(special<NVVM::GridDimXOp>(), perBlock);
      Value range = LLVM::UDivOp::create(b, loc, add(tasks, sub(workers, one)), workers);
      range = LLVM::SMaxOp::create(b, loc, range, field(offsetof(qcc_gpu_launch, grain)));
      begin = mul(worker, range);
      end = LLVM::SMinOp::create(b, loc, add(begin, range), tasks);
      branch(LLVM::ICmpPredicate::slt, begin, end, work, done);
    }

    b.setInsertionPointToStart(work);
    Value offset = add(mul(worker, field(offsetof(qcc_gpu_launch, stride))), constant(frame));
    Value scratch = LLVM::GEPOp::create(b, loc, ptr, b.getI8Type(),
                                        global(offsetof(qcc_gpu_launch, workers)), offset);
    Value slots = LLVM::AddrSpaceCastOp::create(b, loc, ptr, at(sizeof(qcc_gpu_launch)));
    Value fault = LLVM::CallOp::create(b, loc, body, ValueRange{slots, begin, end, worker, scratch})
                      .getResult();
    branch(LLVM::ICmpPredicate::ne, fault, constant(0), faulted, done);

    b.setInsertionPointToStart(faulted);
    Value where =
        LLVM::OrOp::create(b, loc, LLVM::ShlOp::create(b, loc, begin, constant(8)), fault);
    LLVM::AtomicRMWOp::create(b, loc, LLVM::AtomicBinOp::umin,
                              global(offsetof(qcc_gpu_launch, fault)), where,
                              LLVM::AtomicOrdering::monotonic);
    LLVM::BrOp::create(b, loc, ValueRange(), done);
    b.setInsertionPointToStart(done);
    LLVM::ReturnOp::create(b, loc, ValueRange());
  }

private:
  Value at(int64_t offset) {
    return LLVM::GEPOp::create(b, loc, globalPointer(b.getContext()), b.getI8Type(),
                               entry.getArgument(0),
                               ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(offset)});
  }
  Value field(int64_t offset) {
    return LLVM::LoadOp::create(b, loc, b.getI64Type(), at(offset), 8);
  }
  /// A field that is an address of global memory.
  Value global(int64_t offset) {
    Value there = LLVM::LoadOp::create(b, loc, globalPointer(b.getContext()), at(offset), 8);
    return LLVM::AddrSpaceCastOp::create(b, loc, ptr, there);
  }
  template <typename Op> Value special() {
    return LLVM::ZExtOp::create(b, loc, b.getI64Type(), Op::create(b, loc, b.getI32Type()));
  }
  Value constant(int64_t value) {
    return LLVM::ConstantOp::create(b, loc, b.getI64IntegerAttr(value));
  }
  Value add(Value x, Value y) { return LLVM::AddOp::create(b, loc, x, y); }
  Value sub(Value x, Value y) { return LLVM::SubOp::create(b, loc, x, y); }
  Value mul(Value x, Value y) { return LLVM::MulOp::create(b, loc, x, y); }
  void branch(LLVM::ICmpPredicate how, Value x, Value y, Block *then, Block *otherwise) {
    LLVM::CondBrOp::create(b, loc, LLVM::ICmpOp::create(b, loc, how, x, y), then, otherwise);
  }

  OpBuilder b;
  LLVM::LLVMFuncOp body, entry;
  Location loc;
  int64_t frame;
  LLVM::LLVMPointerType ptr;
};

struct KernelEntry : PassWrapper<KernelEntry, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(KernelEntry)
  StringRef getArgument() const override { return "qcc-kernel-entry"; }
  StringRef getDescription() const override { return "Entry points of kernels on GPUs"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<LLVM::LLVMDialect, NVVM::NVVMDialect>();
  }

  void runOnOperation() override {
    for (LLVM::LLVMFuncOp body : llvm::to_vector(getOperation().getOps<LLVM::LLVMFuncOp>())) {
      auto frame = body->getAttrOfType<IntegerAttr>(kFrameBytes);
      if (!frame)
        continue;
      std::string name = body.getSymName().str();
      int64_t slots = slotsOf(body);
      markGlobal(body);
      markLoops(body);
      body.setSymName(name + "_body");
      body.setLinkage(LLVM::Linkage::Internal);
      body.setAlwaysInline(true);
      EntryBuilder builder(body, name, frame.getInt());
      builder.write();
      LLVM::LLVMFuncOp entry = builder.function();
      entry->setAttr(kFrameBytes, frame);
      entry->setAttr(kSlots, IntegerAttr::get(frame.getType(), slots));
      for (StringRef name : {kSharedBytes, kThreads, kSharesTasks})
        if (Attribute value = body->removeAttr(name))
          entry->setAttr(name, value);
      body->removeAttr(kFrameBytes);
    }
  }
};

} // namespace

std::unique_ptr<Pass> ptx::createKernelEntryPass() { return std::make_unique<KernelEntry>(); }
