// Kernels for the fake driver: lowered as for PTX, and executed by the tile interpreter.
#include "FakeDriver.h"
#include "Qnt/Qnt.h"
#include "Tile/Tile.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "qcc/Gpu/Gpu.h"
#include "qcc/Simt/Simt.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::fake;

namespace {

/// Lives as long as the process: modules of it may be unloaded after its end begins.
MLIRContext &context() {
  static MLIRContext *made = [] {
    DialectRegistry registry;
    registry.insert<qnt::QntDialect, tile::TileDialect>();
    ptx::registerGpuDialects(registry);
    auto *context = new MLIRContext(registry, MLIRContext::Threading::DISABLED);
    context->loadAllAvailableDialects();
    return context;
  }();
  return *made;
}

class InterpretedModule : public KernelModule {
public:
  InterpretedModule(OwningOpRef<ModuleOp> module, const std::string &ptx)
      : module(std::move(module)), ptx(ptx) {}

  bool has(const std::string &kernel) const override {
    return module.get().lookupSymbol(kernel) &&
           ptx.find(".entry " + kernel + "(") != std::string::npos;
  }

  std::string run(const std::string &kernel, unsigned blocks, unsigned threads,
                  unsigned sharedBytes, uint64_t parameter, simt::Device &device) override {
    simt::Launch launch;
    launch.grid[0] = blocks;
    launch.block[0] = threads;
    launch.dynamicSharedBytes = sharedBytes;
    auto report = simt::run(*module, kernel, device, {simt::argument(parameter)}, launch);
    if (!report)
      return llvm::toString(report.takeError());
    return report->clean() ? "" : kernel + ": " + report->text();
  }

private:
  OwningOpRef<ModuleOp> module;
  std::string ptx;
};

} // namespace

std::unique_ptr<KernelModule> fake::loadKernels(const std::string &file, const std::string &ptx,
                                                std::string &problem) {
  StringRef target = StringRef(ptx).split(".target ").second.split('\n').first.trim();
  std::string name = "nvptx-" + target.str();
  OwningOpRef<ModuleOp> all = parseSourceFile<ModuleOp>(file, &context());
  const Target *level = findTarget(name);
  ModuleOp found;
  if (all)
    for (ModuleOp nested : all->getOps<ModuleOp>())
      if (nested.getName() == name)
        found = nested;
  if (!found || !level) {
    problem = "no kernels for " + name + " in '" + file + "'";
    return nullptr;
  }
  OwningOpRef<ModuleOp> kernels(cast<ModuleOp>(found->clone()));
  PassManager pm(&context());
  ptx::populateKernelToNvvm(pm, *level);
  if (failed(pm.run(*kernels))) {
    problem = "the kernels do not lower to NVVM";
    return nullptr;
  }
  return std::make_unique<InterpretedModule>(std::move(kernels), ptx);
}
