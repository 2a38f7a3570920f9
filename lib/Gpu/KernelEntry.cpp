// qcc-kernel-entry: a launch as a grid of groups, each of which does a range of tasks.
//
// Needs:   a module in the LLVM and NVVM dialects, kernels as qcc-distribute-lanes leaves them.
// Leaves:  for each kernel @k an entry point of that name,
//            k(slots: byval [n x i64], tasks: i64, grain: i64, workers: ptr, stride: i64, fault:
//            ptr)
//          and its body as an internal function. Group g of the grid does tasks as worker g of a
//          pool: contiguous ranges, none shorter than `grain`. Its frame and its scratch memory are
//          at workers + g * stride. The lowest faulting range leaves (begin << 8 | fault) at
//          `fault`, by an atomic minimum of unsigned numbers.
// Example: test/Gpu/kernel-entry.mlir
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "qcc/Gpu/Gpu.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::ptx;

namespace {

constexpr const char *kFrameBytes = "qcc.frame_bytes", *kSlots = "qcc.slots";

/// 1 + the largest slot that a kernel reads, whose addresses are constant.
int64_t slotsOf(LLVM::LLVMFuncOp kernel) {
  int64_t slots = 1;
  for (Operation *user : kernel.getArgument(0).getUsers())
    if (auto address = dyn_cast<LLVM::GEPOp>(user))
      if (auto index = dyn_cast<IntegerAttr>(address.getIndices()[0]))
        slots = std::max(slots, index.getInt() + 1);
  return slots;
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
    OpBuilder b(load->getContext());
    b.setInsertionPointAfter(load);
    auto global = LLVM::LLVMPointerType::get(load->getContext(), static_cast<unsigned>(NVVM::NVVMMemorySpace::Global));
    Value there = LLVM::AddrSpaceCastOp::create(b, load.getLoc(), global, load.getResult());
    Value generic = LLVM::AddrSpaceCastOp::create(b, load.getLoc(), ptr, there);
    load.getResult().replaceAllUsesExcept(generic, there.getDefiningOp());
  }
}

class EntryBuilder {
public:
  EntryBuilder(LLVM::LLVMFuncOp body, StringRef name, int64_t slots, int64_t frame)
      : b(body), body(body), loc(body.getLoc()), frame(frame) {
    auto ptr = LLVM::LLVMPointerType::get(b.getContext());
    Type i64 = b.getI64Type();
    auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()),
                                            {ptr, i64, i64, ptr, i64, ptr});
    entry = LLVM::LLVMFuncOp::create(b, loc, name, type);
    entry->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(), b.getUnitAttr());
    entry->setAttr("nvvm.maxntid", b.getDenseI32ArrayAttr({static_cast<int32_t>(kBlockThreads)}));
    auto array = LLVM::LLVMArrayType::get(i64, slots);
    entry.setArgAttr(0, LLVM::LLVMDialect::getByValAttrName(), TypeAttr::get(array));
    entry.setArgAttr(0, LLVM::LLVMDialect::getAlignAttrName(), b.getI64IntegerAttr(8));
    entry.setArgAttr(0, NVVM::NVVMDialect::getGridConstantAttrName(), b.getUnitAttr());
    for (unsigned pointer : {3, 5})
      entry.setArgAttr(pointer, LLVM::LLVMDialect::getAlignAttrName(), b.getI64IntegerAttr(8));
  }

  void write() {
    Block *first = entry.addEntryBlock(b), *work = new Block, *faulted = new Block,
          *done = new Block;
    for (Block *block : {work, faulted, done})
      entry.getBody().push_back(block);
    b.setInsertionPointToStart(first);
    Value tasks = entry.getArgument(1), grain = entry.getArgument(2), one = constant(1);
    Value thread = special<NVVM::ThreadIdXOp>();
    Value perBlock = constant(kBlockThreads / kGroupThreads);
    Value inBlock = LLVM::UDivOp::create(b, loc, thread, constant(kGroupThreads));
    Value worker = add(mul(special<NVVM::BlockIdXOp>(), perBlock), inBlock);
    Value workers = mul(special<NVVM::GridDimXOp>(), perBlock);
    Value range = LLVM::UDivOp::create(b, loc, add(tasks, sub(workers, one)), workers);
    range = LLVM::SMaxOp::create(b, loc, range, grain);
    Value begin = mul(worker, range);
    Value end = LLVM::SMinOp::create(b, loc, add(begin, range), tasks);
    branch(LLVM::ICmpPredicate::slt, begin, end, work, done);

    b.setInsertionPointToStart(work);
    auto ptr = LLVM::LLVMPointerType::get(b.getContext());
    Value offset = add(mul(worker, entry.getArgument(4)), constant(frame));
    Value scratch =
        LLVM::GEPOp::create(b, loc, ptr, b.getI8Type(), entry.getArgument(3), ValueRange{offset});
    Value fault = LLVM::CallOp::create(
                      b, loc, body, ValueRange{entry.getArgument(0), begin, end, worker, scratch})
                      .getResult();
    branch(LLVM::ICmpPredicate::ne, fault, constant(0), faulted, done);

    b.setInsertionPointToStart(faulted);
    Value where =
        LLVM::OrOp::create(b, loc, LLVM::ShlOp::create(b, loc, begin, constant(8)), fault);
    LLVM::AtomicRMWOp::create(b, loc, LLVM::AtomicBinOp::umin, entry.getArgument(5), where,
                              LLVM::AtomicOrdering::monotonic);
    LLVM::BrOp::create(b, loc, ValueRange(), done);
    b.setInsertionPointToStart(done);
    LLVM::ReturnOp::create(b, loc, ValueRange());
  }

private:
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
      body.setSymName(name + "_body");
      body.setLinkage(LLVM::Linkage::Internal);
      body->setAttr("passthrough",
                    ArrayAttr::get(&getContext(), StringAttr::get(&getContext(), "alwaysinline")));
      EntryBuilder(body, name, slots, frame.getInt()).write();
      auto entry = cast<LLVM::LLVMFuncOp>(getOperation().lookupSymbol(name));
      entry->setAttr(kFrameBytes, frame);
      entry->setAttr(kSlots, IntegerAttr::get(frame.getType(), slots));
      body->removeAttr(kFrameBytes);
    }
  }
};

} // namespace

std::unique_ptr<Pass> ptx::createKernelEntryPass() { return std::make_unique<KernelEntry>(); }
