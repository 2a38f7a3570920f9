// The loops of every kernel, for one feature level.
#include "qcc/Lower/Families.h"
#include "qcc/Lower/Passes.h"
#include "qcc/Support/Diagnostics.h"
#include "qcc/Target/Costs.h"

namespace qcc::lower {
#define GEN_PASS_DEF_LOWERKERNELS
#include "qcc/Lower/Passes.h.inc"
} // namespace qcc::lower

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;

namespace {

struct LowerKernels : qcc::lower::impl::LowerKernelsBase<LowerKernels> {
  using LowerKernelsBase::LowerKernelsBase;

  void runOnOperation() override {
    const Target *target = findTarget(level);
    if (!target) {
      emitError(getOperation().getLoc()) << "QCC1601: no feature level is called '" << level << "'";
      return signalPassFailure();
    }
    std::optional<CostTable> table;
    if (!costs.empty()) {
      llvm::Expected<CostTable> read = CostTable::read(costs);
      if (!read) {
        llvm::handleAllErrors(read.takeError(), [&](const CodedError &error) {
          emitError(getOperation().getLoc())
              << diagName(error.code) << ": " << error.where << ": " << error.message;
        });
        return signalPassFailure();
      }
      table = std::move(*read);
    }
    OpBuilder builder = OpBuilder::atBlockEnd(getOperation().getBody());
    auto nested = ModuleOp::create(builder, getOperation().getLoc(), StringRef(level));
    bool ok = true;
    for (KernelOp kernel : getOperation().getOps<KernelOp>())
      ok &= succeeded(emit(kernel, nested, *target, table ? &*table : nullptr));
    if (!ok)
      signalPassFailure();
  }

  LogicalResult emit(KernelOp kernel, ModuleOp nested, const Target &target,
                     const CostTable *table) {
    const lower::KernelFamily *family = lower::findFamily(kernel.getKind());
    if (!family)
      return emitError(kernel.getLoc())
             << "QCC1650: no kernel for '" << kernel.getKind() << "' on " << target.name;
    KernelBuilder builder(nested, kernel.getSymName(), target, table);
    lower::KernelFrame frame(builder, kernel);
    if (failed(family->emit(frame)))
      return emitError(kernel.getLoc())
             << "QCC1650: no kernel for this '" << kernel.getKind() << "' on " << target.name;
    builder.finish();
    return success();
  }
};

} // namespace
