// LLVM's just-in-time compiler without a platform: nothing but what the module defines.
#include "qcc/Kernels/KernelJit.h"
#include "qcc/Kernels/Lowering.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"

using namespace qcc;
using llvm::Expected;

KernelJit::KernelJit(std::unique_ptr<llvm::orc::LLJIT> jit) : jit(std::move(jit)) {}
KernelJit::~KernelJit() = default;

Expected<std::unique_ptr<KernelJit>> KernelJit::compile(mlir::ModuleOp module,
                                                        const Target &target) {
  auto context = std::make_unique<llvm::LLVMContext>();
  std::unique_ptr<llvm::Module> code = translateKernels(module, target, *context);
  if (!code)
    return llvm::createStringError("translation failed");
  std::unique_ptr<llvm::TargetMachine> machine = createTargetMachine(target);
  llvm::orc::JITTargetMachineBuilder builder(machine->getTargetTriple());
  builder.setCPU(target.cpu);
  builder.getFeatures() = llvm::SubtargetFeatures(target.features);
  builder.setRelocationModel(llvm::Reloc::PIC_);
  auto jit = llvm::orc::LLJITBuilder()
                 .setJITTargetMachineBuilder(builder)
                 .setLinkProcessSymbolsByDefault(false)
                 .setPlatformSetUp(llvm::orc::setUpInactivePlatform)
                 .create();
  if (!jit)
    return jit.takeError();
  std::vector<std::string> names;
  for (llvm::Function &f : *code)
    if (!f.isDeclaration() && !f.hasLocalLinkage())
      names.push_back(f.getName().str());
  if (llvm::Error failed = (*jit)->addIRModule({std::move(code), std::move(context)}))
    return std::move(failed);
  for (const std::string &name : names) // nothing is compiled before it is looked up
    if (auto address = (*jit)->lookup(name); !address)
      return address.takeError();
  return std::unique_ptr<KernelJit>(new KernelJit(std::move(*jit)));
}

Expected<qcc_kernel_fn> KernelJit::kernel(llvm::StringRef name) {
  auto address = jit->lookup(name);
  if (!address)
    return address.takeError();
  return address->toPtr<qcc_kernel_fn>();
}
