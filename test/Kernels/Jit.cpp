// Compiles kernels in memory; see Jit.h.
#include "Jit.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/OwningOpRef.h"
#include "qcc/Kernels/Lowering.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdio>
#include <cstdlib>

using namespace llvm;

namespace qcc {

mlir::MLIRContext &testContext() {
  static mlir::MLIRContext *context = [] {
    mlir::DialectRegistry registry;
    registerKernelDialects(registry);
    auto *c = new mlir::MLIRContext(registry, mlir::MLIRContext::Threading::DISABLED);
    c->loadAllAvailableDialects();
    return c;
  }();
  return *context;
}

std::string Jit::assembly(const Target &target, const std::function<void(mlir::ModuleOp)> &build) {
  mlir::OwningOpRef<mlir::ModuleOp> module =
      mlir::ModuleOp::create(mlir::UnknownLoc::get(&testContext()));
  build(*module);
  LLVMContext context;
  std::unique_ptr<Module> code = translateKernels(*module, target, context);
  std::unique_ptr<TargetMachine> machine = createTargetMachine(target);
  if (!code || !machine)
    return "";
  SmallString<0> text;
  raw_svector_ostream os(text);
  legacy::PassManager pm;
  machine->addPassesToEmitFile(pm, os, nullptr, CodeGenFileType::AssemblyFile);
  pm.run(*code);
  return std::string(text);
}

std::unique_ptr<Jit> Jit::build(const Target &target,
                                const std::function<void(mlir::ModuleOp)> &build) {
  mlir::OwningOpRef<mlir::ModuleOp> module =
      mlir::ModuleOp::create(mlir::UnknownLoc::get(&testContext()));
  build(*module);
  auto jit = failed(module->verify()) ? llvm::createStringError("invalid IR")
                                      : KernelJit::compile(*module, target);
  if (!jit) {
    std::fprintf(stderr, "%s: %s\n", target.name, toString(jit.takeError()).c_str());
    module->dump();
    std::abort();
  }
  return std::unique_ptr<Jit>(new Jit(std::move(*jit)));
}

qcc_kernel_fn Jit::kernel(const std::string &name) { return cantFail(jit->kernel(name)); }

} // namespace qcc
