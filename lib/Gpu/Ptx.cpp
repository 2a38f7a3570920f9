// From kernels to PTX text.
#include "Tile/Tile.h"
#include "mlir/Conversion/ConvertToLLVM/ToLLVMPass.h"
#include "mlir/Conversion/NVVMToLLVM/NVVMToLLVM.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVMPass.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Transforms/Passes.h"
#include "qcc/Gpu/Gpu.h"
#include "qcc/Kernels/Lowering.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/Target/TargetMachine.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::ptx;

void ptx::registerGpuPasses() {
  registerPass([] { return createDistributeLanesPass(); });
  registerPass([] { return createKernelEntryPass(); });
}

void ptx::registerGpuDialects(DialectRegistry &registry) {
  registerKernelDialects(registry);
  registry.insert<NVVM::NVVMDialect>();
  registerNVVMDialectTranslation(registry);
}

void ptx::populateKernelToNvvm(OpPassManager &pm, const Target &target) {
  pm.addPass(createDistributeLanesPass());
  pm.addPass(createCSEPass()); // lanes and masks
  pm.addPass(createExpandMathPass(target));
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(createConvertVectorToLLVMPass());
  pm.addPass(createConvertToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
  pm.addPass(createKernelEntryPass());
  pm.addPass(createConvertNVVMToLLVMPass());
}

llvm::Expected<PtxModule> ptx::emitPtx(ModuleOp kernels, const Target &target) {
  DialectRegistry registry;
  registerGpuDialects(registry);
  kernels.getContext()->appendDialectRegistry(registry);
  OwningOpRef<ModuleOp> work = kernels.clone();
  PassManager pm(kernels.getContext());
  populateKernelToNvvm(pm, target);
  auto fail = [&](const char *what) {
    return makeError(Diag::Internal, "", std::string("the kernels for ") + target.name + what);
  };
  if (failed(pm.run(*work)))
    return fail(" do not lower to NVVM");
  PtxModule result;
  for (auto function : work->getOps<LLVM::LLVMFuncOp>()) {
    auto number = [&](const char *name) {
      auto attribute = function->getAttrOfType<IntegerAttr>(name);
      return attribute ? attribute.getInt() : 0;
    };
    if (!function->hasAttr("qcc.slots"))
      continue;
    PtxKernel &kernel = result.kernels.emplace_back();
    kernel.name = function.getSymName().str();
    kernel.slots = number("qcc.slots"), kernel.frameBytes = number("qcc.frame_bytes");
    kernel.sharedBytes = number("qcc.shared_bytes");
    if (kernel.sharedBytes)
      kernel.blockWorkers = 1;
    if (int64_t threads = number("qcc.block_threads"))
      kernel.blockThreads = threads;
    kernel.sharesTasks = function->hasAttr("qcc.shares_tasks");
  }
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> code = translateLowered(*work, target, context);
  if (!code)
    return fail(" do not translate to LLVM");
  std::unique_ptr<llvm::TargetMachine> machine = createTargetMachine(target);
  llvm::SmallString<0> text;
  llvm::raw_svector_ostream os(text);
  llvm::legacy::PassManager passes;
  if (machine->addPassesToEmitFile(passes, os, nullptr, llvm::CodeGenFileType::AssemblyFile))
    return fail(" have no form in PTX");
  passes.run(*code);
  result.text = text.str().str();
  return result;
}
