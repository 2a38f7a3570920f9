// Compiles kernels in memory; see Jit.h.
#include "Jit.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/OwningOpRef.h"
#include "qcc/Kernels/Lowering.h"
#include "llvm/ExecutionEngine/Orc/ThreadSafeModule.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/Support/raw_ostream.h"
#include <chrono>
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

std::unique_ptr<Jit> Jit::compile(mlir::ModuleOp module, const Target &target, std::string &error) {
  auto start = std::chrono::steady_clock::now();
  auto context = std::make_unique<LLVMContext>();
  std::unique_ptr<Module> code = translateKernels(module, target, *context);
  if (!code) {
    error = "translation failed";
    return nullptr;
  }
  std::unique_ptr<TargetMachine> machine = createTargetMachine(target);
  auto result = std::make_unique<Jit>();
  orc::JITTargetMachineBuilder builder(machine->getTargetTriple());
  builder.setCPU(target.cpu);
  builder.getFeatures() = SubtargetFeatures(target.features);
  builder.setRelocationModel(Reloc::PIC_);
  auto jit = orc::LLJITBuilder()
                 .setJITTargetMachineBuilder(builder)
                 .setLinkProcessSymbolsByDefault(false)
                 .setPlatformSetUp(orc::setUpInactivePlatform)
                 .create();
  if (!jit) {
    error = toString(jit.takeError());
    return nullptr;
  }
  std::vector<std::string> names;
  for (Function &f : *code)
    if (!f.isDeclaration() && !f.hasLocalLinkage())
      names.push_back(f.getName().str());
  if (Error e = (*jit)->addIRModule(orc::ThreadSafeModule(std::move(code), std::move(context)))) {
    error = toString(std::move(e));
    return nullptr;
  }
  result->jit = std::move(*jit);
  for (const std::string &name : names)
    if (auto address = result->jit->lookup(name); !address) {
      error = toString(address.takeError());
      return nullptr;
    }
  result->compileSeconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

std::unique_ptr<Jit> Jit::build(const Target &target,
                                const std::function<void(mlir::ModuleOp)> &build) {
  mlir::OwningOpRef<mlir::ModuleOp> module =
      mlir::ModuleOp::create(mlir::UnknownLoc::get(&testContext()));
  build(*module);
  std::string error;
  if (failed(module->verify()))
    error = "invalid IR";
  std::unique_ptr<Jit> jit = error.empty() ? compile(*module, target, error) : nullptr;
  if (!jit) {
    std::fprintf(stderr, "%s: %s\n", target.name, error.c_str());
    module->dump();
    std::abort();
  }
  return jit;
}

qcc_kernel_fn Jit::kernel(const std::string &name) {
  auto address = jit->lookup(name);
  if (!address) {
    std::fprintf(stderr, "no kernel %s: %s\n", name.c_str(), toString(address.takeError()).c_str());
    std::abort();
  }
  return address->toPtr<qcc_kernel_fn>();
}

} // namespace qcc
